#!/bin/sh
# Replays what the fuzzer of the loader child found, and the tests' files. No mutations: those would test libhdf5, which
# is known to crash on some files and is kept in a process of its own for that.
exec "$KERASD_BUILDDIR/tests/fuzz/fuzz_h5" -n 0 @/tests/fuzz/corpus/h5 @/tests/data/h5
