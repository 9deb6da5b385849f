#!/usr/bin/env bash
# Unpacks Debian packages of another architecture below target/cross/, changing nothing of this system's packages. Prints where.
# There, var/lib/dpkg tells dpkg-shlibdeps (--admindir) what came from which package; the paths are those of this system.
#
#   cross/debian-root.sh ARCHITECTURE PACKAGE...        ARCHITECTURE: arm64, armhf, amd64
set -euo pipefail
cd "$(dirname "$0")/.."

readonly architecture=$1
shift
readonly root=$PWD/target/cross/root-$architecture

# unpack FILE: its files, and what dpkg would note of it.
unpack() {
    local info=$root/var/lib/dpkg/info name file
    dpkg -x "$1" "$root"
    name=$(dpkg-deb -f "$1" Package)
    [ "$(dpkg-deb -f "$1" Multi-Arch)" != same ] || name=$name:$architecture
    dpkg-deb -e "$1" "$state/control"
    for file in "$state"/control/*; do mv "$file" "$info/$name.${file##*/}"; done
    dpkg-deb --fsys-tarfile "$1" | tar -t | sed -n "s|^\./\(.*[^/]\)$|$root/\1|p" >"$info/$name.list"
    { dpkg-deb -f "$1" && printf 'Status: install ok installed\n\n'; } >>"$root/var/lib/dpkg/status"
}

# dpkg's notes hold the paths: those of a directory that was moved here are of no use.
[ "$(cat "$root/path" 2>/dev/null)" = "$root" ] || rm -rf "$root"
mkdir -p "$root"
echo "$root" >"$root/path"
wanted=()
for package in "$@"; do [ -e "$root/unpacked/$package" ] || wanted+=("$package"); done
if [ ${#wanted[@]} -gt 0 ]; then
    state=$(mktemp -d)
    trap 'rm -rf "$state"' EXIT
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$root/unpacked" "$root/var/lib/dpkg/info"
    echo 1 >"$root/var/lib/dpkg/info/format"
    : >"$state/status"
    options=(-q -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State=$state" -o "Dir::State::status=$state/status"
        -o "Dir::Cache=$state" -o APT::Sandbox::User=root -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    # A mirror that is being synchronised may lack one of its lists: the download says what is missing.
    apt-get "${options[@]}" update >&2 || true
    (cd "$state" && apt-get "${options[@]}" download "${wanted[@]/%/:$architecture}" >&2)
    for file in "$state"/*.deb; do unpack "$file"; done
    for package in "${wanted[@]}"; do touch "$root/unpacked/$package"; done
fi
echo "$root"
