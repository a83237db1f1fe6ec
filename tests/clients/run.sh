#!/bin/sh
# Runs the clients that people have against a real kerasd: tritonclient, the KServe SDK, requests with TensorFlow Serving's
# examples, perf_analyzer if it is there, and an OpenAPI fuzzer over every endpoint. One line per client and call.
#
# usage: tests/clients/run.sh [BUILD-DIRECTORY]        default: build
#        KERASD_CLIENTS_VENV=DIR   where the Python packages go (default: BUILD-DIRECTORY/clients); installed once
#        PERF_ANALYZER=PROGRAM     NVIDIA's load generator; otherwise it is tried to install, and left out
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$source/build}" && pwd)
venv=${KERASD_CLIENTS_VENV:-$build/clients}
models=$source/tests/http/models
export KERASD_SRCDIR="$source" KERASD="$build/kerasd" PYTHONDONTWRITEBYTECODE=1

if ! cmp -s "$source/tests/clients/requirements.txt" "$venv/installed"; then
    echo "installing the clients into $venv (once, some minutes)"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q -r "$source/tests/clients/requirements.txt"
    # Its binary needs a newer system than Debian 12; there is then no release to install.
    "$venv/bin/pip" install -q 'perf-analyzer>=2' 2> /dev/null || true
    cp "$source/tests/clients/requirements.txt" "$venv/installed"
fi

status=0
"$venv/bin/python" "$source/tests/clients/clients.py" 2> "$build/clients.log" || status=1

log=$build/clients-daemon.log
"$KERASD" --listen 127.0.0.1:0 --log-level warn "$models/m.h5" "$models/ab.h5" "$models/hpt.h5" "$models/text.h5" \
    "$models/kinds.h5" 2> "$log" &
pid=$!
trap 'kill $pid 2> /dev/null || true' EXIT
for _ in $(seq 100); do
    address=$(sed -n 's,^listening on ,,p' "$log")
    [ -z "$address" ] || break
    sleep 0.1
done

# NAME ARGUMENT...: one run of the load generator
analyze() {
    name=$1
    shift
    # Whether it works, not how fast: a measurement that is not stable on a busy machine is no failure.
    if "$perf_analyzer" -m m -u "${address#http://}" -i http --shape x:2 -s 999 --measurement-mode count_windows \
            --measurement-request-count 200 "$@" > "$build/perf_analyzer.log" 2>&1; then
        echo "ok   perf_analyzer $name"
    else
        echo "FAIL perf_analyzer $name: see $build/perf_analyzer.log"
        status=1
    fi
}

perf_analyzer=${PERF_ANALYZER:-$venv/bin/perf_analyzer}
[ -x "$perf_analyzer" ] || perf_analyzer=$(command -v perf_analyzer || true)
if [ -n "$perf_analyzer" ]; then
    analyze binary
    analyze json --input-tensor-format json --output-tensor-format json
    analyze "batches of 8, 4 at once" -b 8 --concurrency-range 4
    analyze async -a --concurrency-range 2
else
    echo "skip perf_analyzer (not installed)"
fi

# NAME CONFIGURATION ARGUMENT...: one run of the fuzzer
fuzz() {
    name=$1 config=$2
    shift 2
    if (cd "$build" && PYTHONPATH="$source/tests/clients" SCHEMATHESIS_HOOKS=hooks "$venv/bin/st" --config-file "$config" \
            run "$address/openapi.json" --no-color --max-examples 50 "$@" > "schemathesis-$name.log" 2>&1); then
        echo "ok   schemathesis $name: $(sed -n 's/^  \([0-9]* generated.*\)/\1/p' "$build/schemathesis-$name.log")"
    else
        echo "FAIL schemathesis $name: see $build/schemathesis-$name.log"
        status=1
    fi
}

# Once with all models loaded all the time, then no 503 is right; once with everything.
sed 's/, "503"//' "$source/tests/clients/schemathesis.toml" > "$build/schemathesis-loaded.toml"
fuzz loaded "$build/schemathesis-loaded.toml" --exclude-operation-id v2RepositoryUnload
fuzz everything "$source/tests/clients/schemathesis.toml"
exit $status
