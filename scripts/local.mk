# scripts: checks of the tree that make check runs
EXTRA_DIST += scripts/check-layers autogen.sh
dist_check_SCRIPTS += tests/check-layers.sh
TESTS += tests/check-layers.sh
