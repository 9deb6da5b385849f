#!/usr/bin/env bash
# Runs tests on ARM programs by qemu-user: unit tests of another architecture, the end-to-end tests of this one, with their real Mosquitto, on a gateway of
# the other, and the Debian package with that gateway. Ends with "test result: …" as Rust's test harness does.
# The programs are built once for each target, with the feature systemd, in cargo's profile `emulated`.
# Needs, and installs where it is root: qemu-user-static, python3-venv, and what scripts/deb.sh needs.
#
#   cross/test.sh TARGET...         TARGET: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf
# Environment: TIDEMILL_CROSS_UNIT, TIDEMILL_CROSS_END_TO_END   other filters of tests than those below
set -euo pipefail
cd "$(dirname "$0")/.."

# What depends on the machine: sizes of numbers, alignment, atomics, stored bytes, binary formats, system calls. An emulator is too slow for all: of SQL, which is
# the same on each, the end-to-end tests have what their queries use; random bytes are tried on this machine.
readonly unit=${TIDEMILL_CROSS_UNIT:-store:: mqtt:: format:: gateway:: types:: batch:: uplink:: source:: daemon:: \
    --skip dictionaries --skip speculation --skip timestamps_by_unit}
# The ledger's books, undisturbed and over kill -9; backup and restore; stores of released layouts; the shipped configurations.
readonly end_to_end=${TIDEMILL_CROSS_END_TO_END:-ledger::scenarios::undisturbed ledger::kills::killed_at_random_moments_v5 daemon::backup stored_layouts:: shipped::}
# Few cases of each property, and few kills, far apart: a start takes a second.
export PROPTEST_CASES=${PROPTEST_CASES:-8} TIDEMILL_KILLS=${TIDEMILL_KILLS:-10} TIDEMILL_KILLS_LIFE_MS=${TIDEMILL_KILLS_LIFE_MS:-6000}
# The oldest C library that the programs must run on: that of Raspberry Pi OS 11.
readonly oldest_glibc=2.31
. scripts/checks.sh

skip() {
    echo "skipped: $1"
    [ -z "${TIDEMILL_SKIPPED_FILE:-}" ] || echo "programs for ARM: $1" >>"$TIDEMILL_SKIPPED_FILE"
    exit 0
}

prepare() {
    local package missing=()
    for package in qemu-user-static python3-venv; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || skip "${missing[*]} must be installed first, which needs root"
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } >&2 ||
        skip "${missing[*]} cannot be installed"
}

# architecture TARGET: Debian's name of it.
architecture() {
    case $1 in
        aarch64-*) echo arm64 ;;
        armv7-*) echo armhf ;;
        *) echo "cross/test.sh: no emulator is known for $1" >&2 && return 2 ;;
    esac
}

# emulator TARGET: the command that runs its programs.
emulator() {
    local root
    root=$(cross/debian-root.sh "$(architecture "$1")" libc6 libgcc-s1 libsystemd-dev libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblz4-1 liblzma5 libzstd1)
    case $1 in
        aarch64-*) echo "qemu-aarch64-static -L $root" ;;
        armv7-*) echo "qemu-arm-static -L $root" ;;
    esac
}

# wrapper TARGET PROGRAM: a program of this machine that runs the other one.
wrapper() {
    local path=$PWD/target/cross/run-$1
    mkdir -p target/cross
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$(emulator "$1")" "$PWD/$2" >"$path"
    chmod +x "$path"
    echo "$path"
}

# timed NAME COMMAND...: says how long it took.
timed() {
    local name=$1 start=$SECONDS status=0
    shift
    echo "== $name" >&2
    "$@" || status=$?
    echo "== $name: $((SECONDS - start)) s" >&2
    return "$status"
}

# The newest version of the C library that a program asks for.
glibc_needed() {
    readelf --version-info --wide "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 | cut -d_ -f2
}

runs_on_oldest() {
    local needed
    needed=$(glibc_needed "$1")
    echo "it needs glibc $needed"
    [ -n "$needed" ] && [ "$(printf '%s\n' "$needed" "$oldest_glibc" | sort -V | tail -1)" = "$oldest_glibc" ]
}

# test_package TARGET PROGRAM: the package with that program.
test_package() {
    local target=$1 unpacked=target/cross/package-$1 deb
    deb=$(PROFILE=emulated BINARY=$2 bash scripts/deb.sh "$(architecture "$target")" | tail -1)
    check "a package is made, and lintian finds no error" test -f "$deb"
    rm -rf "$unpacked"
    dpkg-deb -x "$deb" "$unpacked"
    check "it is for $(architecture "$target")" test "$(dpkg-deb -f "$deb" Architecture)" = "$(architecture "$target")"
    dpkg-deb -f "$deb" Depends
    check "it depends on the libraries that its program needs" sh -c "dpkg-deb -f '$deb' Depends | grep -Eq 'libc6 \(>= 2\.[0-9.]+\), libsystemd0 \(>= [0-9]+\), systemd'"
    check "Debian 11's C library is enough" runs_on_oldest "$unpacked/usr/bin/tidemill"
    # shellcheck disable=SC2046 # a list of words
    check "its program takes the configuration that comes with it" $(emulator "$target") "$unpacked/usr/bin/tidemill" check -c "$unpacked/etc/tidemill/tidemill.toml"
}

# test_target TARGET
test_target() {
    local target=$1 built tests program
    built=target/cross/built-$target
    timed "build for $target" cross/build.sh --systemd --profile emulated --tests "$target" >"$built"
    { read -r tests && read -r program; } <"$built"
    # shellcheck disable=SC2046,SC2086 # lists of words
    timed "unit tests on $target" $(emulator "$target") "$tests" --quiet $unit || failures=$((failures + 1))
    # shellcheck disable=SC2086
    TIDEMILL_TEST_PROGRAM=$(wrapper "$target" "$program") timed "end-to-end tests with a gateway of $target" \
        cargo test --locked --quiet --test it -- $end_to_end || failures=$((failures + 1))
    timed "the package for $target" test_package "$target" "$program"
}

prepare
mkdir -p target/cross
for target in "$@"; do
    rustup --quiet target add "$target" || skip "Rust's target $target cannot be installed"
done
for target in "$@"; do test_target "$target"; done
tell_result
