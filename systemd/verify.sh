#!/bin/sh
# Does systemd accept the unit, and how much does it expose? The unit is made with this build's program in place of
# the installed one. Needs systemd-analyze, not a running systemd.
set -eu
command -v systemd-analyze > /dev/null || { echo "no systemd-analyze here, skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unit=$work/kerasd.service
sed -e "s,@bindir@,$KERASD_BUILDDIR,; s,@sysconfdir@,/etc," "$KERASD_SRCDIR/systemd/kerasd.service.in" > "$unit"
cp "$KERASD_SRCDIR/systemd/kerasd.socket" "$work/"
systemd-analyze verify --man=no "$unit" "$work/kerasd.socket" > "$work/out" 2>&1 || { cat "$work/out"; exit 1; }
# Complaints do not always change the exit status. Other units of the machine are not our business.
if grep kerasd "$work/out"; then
    exit 1
fi
systemd-analyze security --offline=true --threshold=25 "$work/kerasd.service" | tail -1
