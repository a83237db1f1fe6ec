#!/bin/sh
# Runs the clients that people have against a real kerasd: tritonclient, the KServe SDK, requests with TensorFlow Serving's
# examples, perf_analyzer if it is installed, and an OpenAPI fuzzer over every endpoint. One line per client and call.
#
# usage: tests/clients/run.sh [BUILD-DIRECTORY]        default: build
#        KERASD_CLIENTS_VENV=DIR   where the Python packages go (default: BUILD-DIRECTORY/clients); installed once
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
    cp "$source/tests/clients/requirements.txt" "$venv/installed"
fi

status=0
"$venv/bin/python" "$source/tests/clients/clients.py" 2> "$build/clients.log" || status=1

log=$build/clients-daemon.log
"$KERASD" --listen 127.0.0.1:0 --log-level warn "$models/m.h5" "$models/ab.h5" "$models/hpt.h5" "$models/text.h5" 2> "$log" &
pid=$!
trap 'kill $pid 2> /dev/null || true' EXIT
for _ in $(seq 100); do
    address=$(sed -n 's,^listening on ,,p' "$log")
    [ -z "$address" ] || break
    sleep 0.1
done

if command -v perf_analyzer > /dev/null; then
    if perf_analyzer -m m -u "${address#http://}" -i http --shape x:2 -p 1000 -s 50 > "$build/perf_analyzer.log" 2>&1; then
        echo "ok   perf_analyzer"
    else
        echo "FAIL perf_analyzer: see $build/perf_analyzer.log"
        status=1
    fi
else
    echo "skip perf_analyzer (not installed)"
fi

if (cd "$build" && "$venv/bin/st" --config-file "$source/tests/clients/schemathesis.toml" run "$address/openapi.json" --no-color \
        --max-examples 50 > schemathesis.log 2>&1); then
    echo "ok   schemathesis: $(sed -n 's/^  \([0-9]* generated.*\)/\1/p' "$build/schemathesis.log")"
else
    echo "FAIL schemathesis: see $build/schemathesis.log"
    status=1
fi
exit $status
