#!/bin/sh
# docs/LAYERS.md is what the table of classes says.
set -eu
"$KERASD" layers --markdown | diff - "$KERASD_SRCDIR/docs/LAYERS.md"
