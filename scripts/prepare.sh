# Sourced by quickstart and test: installs what is missing and builds, silently where there is nothing to do.
# The caller has set `top` (the source tree) and `set -eu`.
# shellcheck shell=sh

build_packages='gcc make autoconf automake pkg-config libmicrohttpd-dev libcjson-dev libopenblas-dev libhdf5-dev
    libzip-dev zlib1g-dev'

say() {
    printf '%s\n' "$*"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# need_packages NAME...: installs those that are missing, where apt-get exists. Elsewhere configure says what it lacks.
need_packages() {
    command -v apt-get > /dev/null || return 0
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) in
            'install ok installed') ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    say "Installing packages:$missing"
    mkdir -p "$top/build"
    # shellcheck disable=SC2086
    run_logged install.log install_packages $missing
}

install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# run_logged LOG COMMAND...: output goes to build/LOG; a sign of life every ten seconds; the log's end if it fails.
run_logged() {
    log=$top/build/$1
    shift
    "$@" > "$log" 2>&1 < /dev/null &
    pid=$!
    ticks=0
    while kill -0 "$pid" 2> /dev/null; do
        sleep 0.2
        ticks=$((ticks + 1))
        [ $((ticks % 50)) -ne 0 ] || say "  ... $(tail -n 1 "$log" | cut -c 1-100)"
    done
    if ! wait "$pid"; then
        tail -n 40 "$log" >&2
        say "failed; the whole output is in $log" >&2
        exit 1
    fi
}

# build_all: configure once, then make, in build/.
build_all() {
    mkdir -p "$top/build"
    if [ ! -x "$top/configure" ]; then
        say 'Making configure'
        run_logged autogen.log "$top/autogen.sh"
    fi
    if [ ! -f "$top/build/Makefile" ]; then
        say 'Configuring in build/'
        run_logged configure.log in_build ../configure "CC=$(compiler)" 'CFLAGS=-O2 -g'
    fi
    in_build make -q all 2> /dev/null && return
    say 'Building in build/ (a minute or two the first time)'
    run_logged make.log in_build make -j"$(nproc)" all
}

in_build() {
    (cd "$top/build" && "$@")
}

compiler() {
    if command -v ccache > /dev/null; then
        echo 'ccache gcc'
    else
        echo gcc
    fi
}
