# tests/golden: models and numbers written by real Keras
EXTRA_DIST += tests/golden/README.md tests/golden/environments.txt tests/golden/make-environments.sh \
	tests/golden/make-all.sh tests/golden/make.py tests/golden/keras_writer.py \
	tests/golden/cases_archive.py \
	tests/golden/cases_attention.py \
	tests/golden/cases_conv.py \
	tests/golden/cases_core.py \
	tests/golden/cases_dtypes.py \
	tests/golden/cases_found.py \
	tests/golden/cases_found_old.py \
	tests/golden/cases_found_public.py \
	tests/golden/cases_functions.py \
	tests/golden/cases_generations.py \
	tests/golden/cases_graph.py \
	tests/golden/cases_lambda.py \
	tests/golden/cases_layout.py \
	tests/golden/cases_legacy.py \
	tests/golden/cases_norm.py \
	tests/golden/cases_ops.py \
	tests/golden/cases_preprocess.py \
	tests/golden/cases_quantized.py \
	tests/golden/cases_recurrent.py \
	tests/golden/cases_rnn.py \
	tests/golden/cases_spectrogram.py \
	tests/golden/cases_theano.py \
	tests/golden/cases_types.py \
	tests/golden/cases

# the program that runs them
check_PROGRAMS += tests/golden/golden
TESTS += tests/golden/golden

tests_golden_golden_SOURCES = tests/golden/golden.c tests/golden/compare.c tests/golden/compare.h \
	tests/golden/report.c tests/golden/report.h
tests_golden_golden_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
tests_golden_golden_LDADD = $(LDADD)

# worst error of every case, then by layer and writer
golden-report: tests/golden/golden kerasd-load
	$(AM_TESTS_ENVIRONMENT) tests/golden/golden --report
.PHONY: golden-report
