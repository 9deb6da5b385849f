#!/usr/bin/env bash
# Builds tidemill for other machines, with neither Docker nor a system cross compiler: rustup's targets, and zig as C compiler and linker (from PyPI,
# in a virtual environment under target/). Prints the path of each binary and its size.
#
#   cross/build.sh [--systemd] [--profile PROFILE] [--tests] TARGET...
#
# TARGET: a Rust target, for GNU ones with the oldest C library to run on, by default 2.31 (Debian and Raspberry Pi OS 11):
#         aarch64-unknown-linux-gnu, armv7-unknown-linux-gnueabihf, x86_64-unknown-linux-gnu, or static:
#         aarch64-unknown-linux-musl, x86_64-unknown-linux-musl.
# --systemd: with the feature `systemd` (GNU targets only), against Debian's libsystemd of that machine.
# --profile PROFILE: one of cargo's, by default dist, which is what packages hold; dev builds in a tenth of the time.
# --tests: the library's unit tests too; prints the path of these, then that of the binary, one a line.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly zigbuild_version=0.20.1 zig_version=0.13.0
readonly oldest_glibc=2.31
readonly tools=target/tools/cross

profile=dist features="" tests=0 targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --systemd) features=systemd ;;
        --profile) profile=$2 && shift ;;
        --tests) tests=1 ;;
        --help | -h) sed -n '2,14s/^# \{0,1\}//p' "$0" && exit 0 ;;
        -*) echo "cross/build.sh: unknown option $1 (see --help)" >&2 && exit 2 ;;
        *) targets+=("$1") ;;
    esac
    shift
done
[ ${#targets[@]} -gt 0 ] || { echo "cross/build.sh: name a target (see --help)" >&2 && exit 2; }

install_zig() {
    local versions="$zigbuild_version $zig_version"
    [ "$(cat "$tools/versions" 2>/dev/null)" = "$versions" ] && return
    rm -rf "$tools" && mkdir -p "$(dirname "$tools")"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "cargo-zigbuild==$zigbuild_version" "ziglang==$zig_version"
    echo "$versions" >"$tools/versions"
}

# debian_architecture TARGET
debian_architecture() {
    case $1 in
        aarch64-*) echo arm64 ;;
        armv7-*) echo armhf ;;
        x86_64-*) echo amd64 ;;
        *) echo "cross/build.sh: no Debian packages are known for $1" >&2 && return 1 ;;
    esac
}

build() {
    local target=$1 triple=${1%.2.*} named=$1 options=(--locked --profile "$profile") environment=() root programs
    if [[ $triple == *-gnu* && $named == "$triple" ]]; then named=$triple.$oldest_glibc; fi
    rustup --quiet target add "$triple" >&2
    # Thumb-2, as Debian compiles for armhf: a program smaller by a quarter. rustc says that its name for this may change; the toolchain is pinned.
    if [[ $triple == armv7-* ]]; then environment+=("CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUSTFLAGS=-Ctarget-feature=+thumb-mode"); fi
    if [ -n "$features" ]; then
        [[ $triple == *-gnu* ]] || { echo "cross/build.sh: --systemd needs a GNU target, $target is static" >&2 && return 2; }
        root=$(cross/debian-root.sh "$(debian_architecture "$triple")" libsystemd-dev libsystemd0)
        # What lies there is of another architecture: pkg-config is told that this is meant.
        environment+=(PKG_CONFIG_ALLOW_CROSS=1 "PKG_CONFIG_SYSROOT_DIR=$root" "PKG_CONFIG_PATH=$(echo "$root"/usr/lib/*/pkgconfig)"
            "LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-*)")
        options+=(--features "$features")
    fi
    local path="$PWD/$tools/bin:$PATH"
    if [ "$tests" -eq 1 ]; then
        # With a test of the whole program, cargo builds the program too, at the same time: that of the source tree is the smallest.
        programs=$(env PATH="$path" "${environment[@]}" cargo-zigbuild test --lib --test tidy --no-run --message-format=json "${options[@]}" --target "$named" |
            sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
        grep -o 'target/[^/]*/[^/]*/deps/tidemill-.*' <<<"$programs"
        grep -o 'target/[^/]*/[^/]*/tidemill$' <<<"$programs"
        return
    fi
    env PATH="$path" "${environment[@]}" cargo-zigbuild zigbuild "${options[@]}" --bin tidemill --target "$named" >&2
    local binary=target/$triple/${profile/#dev/debug}/tidemill
    printf '%s %s bytes\n' "$binary" "$(stat -c %s "$binary")"
}

install_zig
for target in "${targets[@]}"; do build "$target"; done
