# tests/golden: models and numbers written by real Keras
EXTRA_DIST += tests/golden/README.md tests/golden/environments.txt tests/golden/make-environments.sh
