# tests/fuzz
# Each target is one LLVMFuzzerTestOneInput. With --enable-fuzzers (clang) it is a libFuzzer program, else replay.c runs it
# over its corpus and mutations of it.
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/fuzz.h tests/fuzz/replay.c
if FUZZERS
FUZZ_MAIN =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LINK = $(AM_LDFLAGS)
endif

check_PROGRAMS += tests/fuzz/fuzz_image
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz_image.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_image_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_image_LDFLAGS = $(FUZZ_LINK)

check_PROGRAMS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
if !FUZZERS
TESTS += tests/fuzz/fuzz_conf
endif

check_PROGRAMS += tests/fuzz/fuzz_h5
dist_check_SCRIPTS += tests/fuzz/replay_h5.sh
tests_fuzz_fuzz_h5_SOURCES = tests/fuzz/fuzz_h5.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_h5_CPPFLAGS = $(FUZZ_CPPFLAGS) $(HDF5_CFLAGS)
tests_fuzz_fuzz_h5_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_h5_LDADD = libh5.a libkerasd.a libbase.a $(HDF5_LIBS) $(ZLIB_LIBS) $(CJSON_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_keras_json
tests_fuzz_fuzz_keras_json_SOURCES = tests/fuzz/fuzz_keras_json.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_keras_json_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_keras_json_LDFLAGS = $(FUZZ_LINK)
check_PROGRAMS += tests/fuzz/fuzz_v1_json tests/fuzz/fuzz_v2_json tests/fuzz/fuzz_v2_binary
EXTRA_DIST += tests/fuzz/body.h
tests_fuzz_fuzz_v1_json_SOURCES = tests/fuzz/fuzz_v1_json.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_v1_json_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_v1_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_v2_json_SOURCES = tests/fuzz/fuzz_v2_json.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_v2_json_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_v2_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_v2_binary_SOURCES = tests/fuzz/fuzz_v2_binary.c tests/fuzz/fuzz.h $(FUZZ_MAIN)
tests_fuzz_fuzz_v2_binary_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_v2_binary_LDFLAGS = $(FUZZ_LINK)
if !FUZZERS
TESTS += tests/fuzz/fuzz_v1_json tests/fuzz/fuzz_v2_json tests/fuzz/fuzz_v2_binary
TESTS += tests/fuzz/fuzz_image tests/fuzz/fuzz_keras_json tests/fuzz/replay_h5.sh
endif
