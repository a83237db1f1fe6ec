#!/bin/sh
# Makes the virtual environments with the real Keras generations of environments.txt.
# usage: make-environments.sh DIRECTORY [NAME ...]      (all of the table if no name is given)
# DIRECTORY must be outside the source tree; an environment that is complete is left alone.
# The Pythons are found as pythonX.Y on PATH, else as $PYTHONS/X.Y*/bin/python (default: pyenv's folder).
# About 1 GB and two minutes each. A failure is reported and the others still made; exit 1 if any failed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
directory=$1
shift
wanted=" $* "
pythons=${PYTHONS:-$HOME/.pyenv/versions}
mkdir -p "$directory"

find_python() {
    for candidate in "$pythons/$1".*/bin/python; do
        [ -x "$candidate" ] && { echo "$candidate"; return; }
    done
    command -v "python$1"
}

make_one() { # name python packages...
    name=$1
    version=$2
    shift 2
    python=$(find_python "$version") || { echo "$name: no Python $version"; return 1; }
    log=$directory/$name.log
    rm -rf "${directory:?}/$name"
    "$python" -m venv "$directory/$name" > "$log" 2>&1 &&
        "$directory/$name/bin/python" -m pip install --quiet "$@" >> "$log" 2>&1 &&
        "$directory/$name/bin/python" "$here/make.py" --writer >> "$log" 2>&1 ||
        { echo "$name: failed, see $log"; return 1; }
    touch "$directory/$name/.complete"
}

failed=0
while read -r name python packages; do
    case $name in '' | \#*) continue ;; esac
    case $wanted in "  " | *" $name "*) ;; *) continue ;; esac
    if [ ! -f "$directory/$name/.complete" ]; then
        echo "$name: installing $packages"
        # shellcheck disable=SC2086
        make_one "$name" "$python" $packages || failed=1
    fi
done < "$here/environments.txt"
exit $failed
