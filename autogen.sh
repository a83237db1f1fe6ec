#!/bin/sh
# Makes configure from configure.ac; needed once after a fresh clone.
set -eu
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --warnings=all,no-obsolete
