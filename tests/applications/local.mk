# tests/applications: whole networks against real Keras; run by hand, it needs TensorFlow
EXTRA_DIST += tests/applications/compare.py
