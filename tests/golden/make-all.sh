#!/bin/sh
# Runs make.py in every environment that make-environments.sh has made.
# usage: make-all.sh DIRECTORY [options of make.py: --check, --family NAME, --only TEXT]
# Ends with one line per environment; exit 1 if any case failed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
directory=$1
shift
failed=0
while read -r name rest; do
    case $name in '' | \#*) continue ;; esac
    python=$directory/$name/bin/python
    [ -x "$python" ] || { echo "$name: not installed"; failed=1; continue; }
    "$python" "$here/make.py" --environment "$name" "$@" 2> "$directory/$name.make.log" < /dev/null || failed=1
done < "$here/environments.txt"
exit $failed
