# tests/http: black-box tests on a real daemon, Python's standard library only
EXTRA_DIST += tests/http/daemon.py

# The protocols, on models that make_models.py wrote with real Keras.
PROTOCOL_TESTS = tests/http/v1_vectors.py tests/http/v2_vectors.py tests/http/wire.py \
	tests/http/hard_numbers.py tests/http/replay.py tests/http/routes.py \
	tests/http/versions.py tests/http/operations.py
dist_check_SCRIPTS += $(PROTOCOL_TESTS)
TESTS += $(PROTOCOL_TESTS)
EXTRA_DIST += tests/http/recorded.json tests/http/make_models.py \
	tests/http/models/ab.h5 tests/http/models/hpt.h5 tests/http/models/kinds.h5 tests/http/models/m.h5 \
	tests/http/models/same.h5 tests/http/models/text.h5
HTTP_TESTS = tests/http/metrics.py tests/http/reload_under_load.py tests/http/start_stop.py
dist_check_SCRIPTS += $(HTTP_TESTS)
TESTS += $(HTTP_TESTS)

# Real clients, by tests/clients/run.sh; not part of make check, because they come from package indices.
EXTRA_DIST += tests/clients/README.md tests/clients/clients.py tests/clients/hooks.py tests/clients/record.py \
	tests/clients/requirements.txt tests/clients/run.sh tests/clients/schemathesis.toml
