#!/usr/bin/env bash
# Runs tests on ARM programs by qemu-user: unit tests of another architecture, then the end-to-end tests of this one, with their real Mosquitto, on a gateway of
# the other. Needs Debian's qemu-user-static.
#
#   cross/test.sh TARGET...         TARGET: aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf
# Environment: TIDEMILL_CROSS_UNIT, TIDEMILL_CROSS_END_TO_END   other filters of tests than those below
set -euo pipefail
cd "$(dirname "$0")/.."

# What depends on the machine: sizes of numbers, alignment, atomics, stored bytes; an emulator is too slow for all.
readonly unit=${TIDEMILL_CROSS_UNIT:-store:: mqtt:: format:: gateway:: types:: batch:: uplink:: script:: source::}
readonly end_to_end=${TIDEMILL_CROSS_END_TO_END:-ledger::scenarios::undisturbed ledger::kills daemon::input demo:: cli::}

# emulator TARGET: the command that runs its programs.
emulator() {
    case $1 in
        aarch64-*) echo "qemu-aarch64-static -L $(cross/debian-root.sh arm64 libc6 libgcc-s1)" ;;
        armv7-*) echo "qemu-arm-static -L $(cross/debian-root.sh armhf libc6 libgcc-s1)" ;;
        *) echo "cross/test.sh: no emulator is known for $1" >&2 && return 2 ;;
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

for target in "$@"; do
    echo "== unit tests on $target"
    run=$(emulator "$target")
    tests=$(cross/build.sh --profile dev --lib-tests "$target")
    # shellcheck disable=SC2086 # both are lists of words
    $run $tests $unit
    echo "== end-to-end tests with a gateway of $target"
    program=$(cross/build.sh --profile dev "$target" | cut -d' ' -f1)
    # shellcheck disable=SC2086
    TIDEMILL_TEST_PROGRAM=$(wrapper "$target" "$program") cargo test --locked --quiet --test it -- $end_to_end
done
