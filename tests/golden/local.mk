# tests/golden: models and numbers written by real Keras
EXTRA_DIST += tests/golden/README.md tests/golden/environments.txt tests/golden/make-environments.sh \
	tests/golden/make-all.sh tests/golden/make.py tests/golden/keras_writer.py tests/golden/cases_attention.py tests/golden/cases_conv.py \
	tests/golden/cases_core.py tests/golden/cases_graph.py tests/golden/cases_norm.py tests/golden/cases_rnn.py \
	tests/golden/cases
