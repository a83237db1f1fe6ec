#!/bin/sh
# The include direction holds, and the script that says so can fail.
set -eu
check="$KERASD_SRCDIR/scripts/check-layers"
"$check" "$KERASD_SRCDIR"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src/base"
echo '#include "http/route.h"' > "$work/src/base/wrong.c"
if "$check" "$work" > /dev/null; then
    echo "check-layers accepted a wrong include" >&2
    exit 1
fi
