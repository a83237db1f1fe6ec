#!/bin/sh
# libhdf5 lives in the loader child alone: the daemon does not link it, not even through another library.
set -eu
ldd "$KERASD" > /dev/null || { echo "$KERASD is not a dynamic program" >&2; exit 77; }
if ldd "$KERASD" | grep -i hdf5; then
    echo "kerasd links libhdf5, which belongs to kerasd-load alone" >&2
    exit 1
fi
# The same look at the child finds it, so this test can see what it looks for.
ldd "$KERASD_LOAD" | grep -qi hdf5
