# scripts: what a person or a machine runs on a fresh clone, and checks of the tree that make check runs
EXTRA_DIST += scripts/check-layers scripts/prepare.sh scripts/quickstart scripts/test .ci/run autogen.sh
dist_check_SCRIPTS += tests/check-layers.sh
TESTS += tests/check-layers.sh
