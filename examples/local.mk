# examples: a model trained by real Keras, and requests for it
EXAMPLES = examples/README.md examples/train.py examples/digits.h5 \
	examples/digits-0.json examples/digits-1.json examples/digits-2.json examples/digits-3.json \
	examples/digits-4.json examples/digits-5.json examples/digits-6.json examples/digits-7.json \
	examples/digits-8.json examples/digits-9.json \
	examples/digits-0.png examples/digits-1.png examples/digits-2.png examples/digits-3.png \
	examples/digits-4.png examples/digits-5.png examples/digits-6.png examples/digits-7.png \
	examples/digits-8.png examples/digits-9.png
EXTRA_DIST += $(EXAMPLES)
