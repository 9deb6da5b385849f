#!/usr/bin/env bash
# Builds this machine's program as packages hold it, in the profile dist: dist.sh [CARGO OPTION]... Prints its path.
# What its linker can do besides is asked of it where it is known, which is Rust's own for x86-64: functions of the same code become one (0.07 MB), and relocations are
# packed (0.5 MB), where the C library reads such ones, which is 2.36 and later. Such a program needs that C library.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly glibc_with_packed=2.36
arguments=()
if [ "$(rustc --print host-tuple)" = x86_64-unknown-linux-gnu ]; then
    arguments+=(-Clink-arg=-Wl,--icf=all)
    glibc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
    if [ "$(printf '%s\n' "$glibc_with_packed" "$glibc" | sort -V | head -1)" = "$glibc_with_packed" ]; then
        arguments+=(-Clink-arg=-Wl,-z,pack-relative-relocs)
    fi
fi
cargo rustc --locked --profile dist --bin tidemill "$@" -- "${arguments[@]}" >&2
echo target/dist/tidemill
