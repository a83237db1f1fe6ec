#!/bin/sh
# Requests per second of kerasd with the example model, beside a bare handler of the same HTTP library that reads
# the same body and answers a fixed text (bench/echo): 16 clients, keep-alive, one row of JSON each, interleaved,
# medians. The CPU time per request tells more than the rate where other programs share the machine.
# usage: bench/run.sh [ROUNDS [SECONDS]]      needs wrk
set -eu
rounds=${1:-5} seconds=${2:-2}
build=${KERASD_BUILDDIR:-.}
source=${KERASD_SRCDIR:-$(dirname "$0")/..}
body=$source/examples/digits-3.json
command -v wrk > /dev/null || { echo "bench: wrk is not installed (apt install wrk)" >&2; exit 1; }

work=$(mktemp -d)
pids=
cleanup() {
    for pid in $pids; do kill "$pid" 2> /dev/null || true; done
    wait
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# Starts a server; its address goes to $address, its process to $server.
start() {
    name=$1
    shift
    "$@" 2> "$work/$name.log" &
    server=$!
    pids="$pids $server"
    for _ in $(seq 100); do
        address=$(sed -n 's,^listening on ,,p' "$work/$name.log")
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "bench: $name did not start:" >&2
    cat "$work/$name.log" >&2
    exit 1
}

cat > "$work/post.lua" <<LUA
local file = io.open("$body", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()
done = function(summary, latency, requests)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status +
                summary.errors.timeout
    io.stderr:write(string.format("%.0f %.0f %.0f %d %d", summary.requests / summary.duration * 1e6,
                                  latency:percentile(50), latency:percentile(99), bad, summary.requests))
end
LUA

# User and system time of a process so far, in ticks.
ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

# One measurement of a server's process and URL: "requests/s p50 p99 errors requests ticks" is appended to a file.
measure() {
    before=$(ticks "$2")
    wrk -t1 -c16 -d"${seconds}s" -s "$work/post.lua" "$3" 2>> "$work/$1.numbers" > /dev/null
    echo " $(($(ticks "$2") - before))" >> "$work/$1.numbers"
}

start kerasd "$build/kerasd" --listen 127.0.0.1:0 --log-level error "$source/examples/digits.h5"
kerasd=$address/v1/models/digits:predict
kerasd_pid=$server
start echo "$build/bench/echo"
echo=$address/v1/models/digits:predict
echo_pid=$server
curl -sf -d @"$body" "$kerasd" > "$work/answer" || { echo "bench: kerasd does not answer" >&2; exit 1; }

for _ in $(seq "$rounds"); do
    measure kerasd "$kerasd_pid" "$kerasd"
    measure echo "$echo_pid" "$echo"
done

median() {
    sort -n "$work/$1.numbers" | awk -v hz="$(getconf CLK_TCK)" '
        { r[NR] = $1; a[NR] = $2; b[NR] = $3; bad += $4; n += $5; ticks += $6 }
        END { i = int((NR + 1) / 2); printf "%s %s %s %s %.2f\n", r[i], a[i], b[i], bad, ticks / hz * 1e6 / n }'
}
set -- $(median kerasd) $(median echo)
format='%-28s %10s %8s %8s %7s %11s\n'
printf "$format" "16 clients, digits, 1 row" "requests/s" "p50 us" "p99 us" "errors" "CPU us/req"
printf "$format" "kerasd :predict" "$1" "$2" "$3" "$4" "$5"
printf "$format" "bare handler (bench/echo)" "$6" "$7" "$8" "$9" "${10}"
awk -v a="$1" -v b="$6" -v c="$5" -v d="${10}" 'BEGIN { printf "ratio %.2f, of CPU time %.2f\n", a / b, d / c }'
