#!/usr/bin/env bash
# Unpacks Debian packages of another architecture below target/cross/, changing nothing of this system's packages. Prints where.
#
#   cross/debian-root.sh ARCHITECTURE PACKAGE...        ARCHITECTURE: arm64, armhf, amd64
set -euo pipefail
cd "$(dirname "$0")/.."

readonly architecture=$1
shift
readonly root=$PWD/target/cross/root-$architecture
wanted=()
for package in "$@"; do [ -e "$root/packages/$package" ] || wanted+=("$package"); done
if [ ${#wanted[@]} -gt 0 ]; then
    state=$(mktemp -d)
    trap 'rm -rf "$state"' EXIT
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$root/packages"
    : >"$state/status"
    options=(-q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State=$state" -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state" -o APT::Sandbox::User=root)
    # A mirror that is being synchronised may lack one of its lists: the download says what is missing.
    apt-get "${options[@]}" update >&2 || true
    (cd "$state" && apt-get "${options[@]}" download "${wanted[@]/%/:$architecture}" >&2)
    for file in "$state"/*.deb; do dpkg -x "$file" "$root"; done
    for package in "${wanted[@]}"; do touch "$root/packages/$package"; done
fi
echo "$root"
