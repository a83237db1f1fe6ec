#!/bin/bash
# Builds docker/Dockerfile for real and runs it, on a machine without a container engine: buildah in chroot isolation on
# plain directories, on a base image that debootstrap makes. As root; installs both if they are missing.
# usage: docker/try-image.sh [WORK_DIRECTORY]     (default: a temporary one, removed at the end; 2 GB)
# Checks: kerasd runs unprivileged, answers the health check and recognises the digit of examples/, and ends on SIGTERM.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -ge 1 ]; then
    work=$1
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
storage=(--root "$work/storage" --runroot "$work/run")

for tool in buildah debootstrap curl; do
    command -v $tool > /dev/null || { apt-get update -q && apt-get install -y -q --no-install-recommends $tool; }
done

base() {
    # The same mirror, release and apt settings as this machine.
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' |
        awk '$2 == "bookworm" && $3 == "main" {print $1; exit}')
    echo "debootstrap bookworm"
    debootstrap --variant=minbase bookworm "$work/rootfs" "$mirror" > "$work/debootstrap.log" 2>&1 || {
        tail "$work/debootstrap.log"
        exit 1
    }
    cp -r /etc/apt/apt.conf.d/. "$work/rootfs/etc/apt/apt.conf.d/"
    [ ! -d /etc/ssl/certs ] || cp -rL /etc/ssl/certs "$work/rootfs/etc/ssl/" 2> /dev/null || true
    local container
    container=$(buildah "${storage[@]}" from scratch)
    buildah "${storage[@]}" add -q "$container" "$work/rootfs" / > /dev/null
    buildah "${storage[@]}" commit -q "$container" localhost/kerasd-base > /dev/null
    buildah "${storage[@]}" rm "$container" > /dev/null
    rm -rf "$work/rootfs"
}

buildah "${storage[@]}" inspect --type image localhost/kerasd-base > /dev/null 2>&1 || base
echo 'buildah build'
git -C "$top" archive --format=tar HEAD -o "$work/source.tar"
rm -rf "$work/source"
mkdir "$work/source"
tar -C "$work/source" -xf "$work/source.tar"
buildah "${storage[@]}" build -q --build-arg BASE=localhost/kerasd-base -f "$work/source/docker/Dockerfile" \
    -t localhost/kerasd "$work/source" > "$work/build.log" 2>&1 || {
    tail -n 40 "$work/build.log"
    exit 1
}

container=$(buildah "${storage[@]}" from localhost/kerasd)
mount=$(buildah "${storage[@]}" mount "$container")
cp "$top/examples/digits.h5" "$mount/models/"
du -sm "$mount" | awk '{print "image: " $1 " MB"}'

# What is run is what the image says: its user, entry point and arguments, but for a port that is surely free.
port=$((20000 + $$ % 20000))
buildah "${storage[@]}" run --user kerasd "$container" -- /usr/bin/kerasd --listen "0.0.0.0:$port" /models 2> "$work/kerasd.log" &
runner=$!
stop() {
    kill "$runner" 2> /dev/null || true
    wait "$runner" 2> /dev/null || true
}
for _ in $(seq 100); do
    curl -sf -o /dev/null "http://127.0.0.1:$port/v2/health/ready" && break
    kill -0 "$runner" 2> /dev/null || { cat "$work/kerasd.log"; exit 1; }
    sleep 0.1
done

failed=0
check() {
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        echo "FAILED: $1: expected '$3', got '$2'"
        failed=1
    fi
}
daemon=$(pgrep -f "^/usr/bin/kerasd --listen 0.0.0.0:$port" | head -n 1)
check 'runs as the user kerasd' "$(awk '/^Uid:/ {print $2}' "/proc/$daemon/status")" 10501
buildah "${storage[@]}" run "$container" -- /usr/libexec/kerasd/healthcheck "$port" && health=0 || health=$?
check 'the health check of the image says alive' "$health" 0
digit=$(curl -s -d "@$top/examples/digits-3.json" "http://127.0.0.1:$port/v1/models/digits:predict" | tr -d '\n ' |
    sed -n 's/.*\[\[\([^]]*\)\]\].*/\1/p' | awk -F, '{b = 1; for (i = 2; i <= NF; i++) if ($i + 0 > $b + 0) b = i; print b - 1}')
check 'recognises the digit' "$digit" 3
kill -TERM "$daemon"
for _ in $(seq 100); do
    kill -0 "$daemon" 2> /dev/null || break
    sleep 0.1
done
kill -0 "$daemon" 2> /dev/null && ended=no || ended=yes
check 'ends on SIGTERM' "$ended" yes
stop
buildah "${storage[@]}" rm "$container" > /dev/null
exit $failed
