#!/usr/bin/env bash
# Builds the Debian package and has lintian look at it: deb.sh [ARCHITECTURE] [VERSION]. Prints the package's path as its last line.
# ARCHITECTURE: amd64, arm64 or armhf, by default this machine's. Another one's is built by cross/build.sh, to run on Debian 11's C library.
# Environment: PROFILE  cargo's profile: dist, or dev for tests, which builds in a tenth of the time;
#              BINARY   a program that is built already, with the feature systemd, for that architecture.
# Needs, and installs where it is root: libsystemd-dev, dpkg-dev, lintian, another architecture's binutils. cargo-deb is built once into target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly cargo_deb_version=3.8.0
readonly cargo_deb=target/tools/bin/cargo-deb
readonly architecture=${1:-$(dpkg --print-architecture)}
version=${2:-$(sed -n 's/^version = "\(.*\)"/\1/p;T;q' Cargo.toml)-1}
readonly version profile=${PROFILE:-dist}
readonly files=target/package

case $architecture in
amd64) readonly target=x86_64-unknown-linux-gnu ;;
arm64) readonly target=aarch64-unknown-linux-gnu ;;
armhf) readonly target=armv7-unknown-linux-gnueabihf ;;
*) echo "deb.sh: no such architecture: $architecture (amd64, arm64, armhf)" >&2 && exit 2 ;;
esac
if [ "$architecture" = "$(dpkg --print-architecture)" ]; then readonly native=1; else readonly native=0; fi

# install COMMAND PACKAGE...: the packages unless the command works.
install() {
    local command=$1
    shift
    $command >/dev/null 2>&1 && return 0
    echo "installing $*" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"; } >&2
}

# Manual pages, completions, licences, Debian's changelog: all below $files.
write_files() {
    rm -rf "$files" && mkdir -p "$files"
    cargo run --locked --quiet --example package_files -- "$files"
    python3 packaging/licences.py "$target" | gzip -9n >"$files/licences.gz"
    gzip -9n "$files"/man/*.1
    gzip -9n <CHANGELOG.md >"$files/changelog.gz"
    for page in operations configuration sql formats; do
        gzip -9n <"docs/$page.md" >"$files/$page.md.gz"
    done
    {
        printf 'tidemill (%s) unstable; urgency=medium\n\n  * See changelog.gz beside this file.\n\n' "$version"
        printf ' -- The Tidemill authors <maintainers@tidemill.invalid>  %s\n' "$(git log -1 --format=%cD 2>/dev/null || date -R)"
    } >"$files/changelog.Debian"
}

# build: the path of the program.
build() {
    if [ -n "${BINARY:-}" ]; then
        echo "$BINARY"
    elif [ "$native" -eq 0 ]; then
        cross/build.sh --systemd --profile "$profile" "$target" | cut -d' ' -f1
    elif [ "$profile" = dist ]; then
        scripts/dist.sh --features systemd
    else
        cargo build --locked --profile "$profile" --features systemd --bin tidemill >&2
        echo "target/${profile/#dev/debug}/tidemill"
    fi
}

# A dpkg-shlibdeps for cargo-deb that looks at another architecture's libraries and at what packages they came from. Prints its directory.
shlibdeps() {
    local root multiarch options=() directory=target/cross/shlibdeps-$architecture
    if [ "$native" -eq 0 ]; then
        multiarch=$(dpkg-architecture -a "$architecture" -q DEB_HOST_MULTIARCH 2>/dev/null)
        root=$(cross/debian-root.sh "$architecture" libc6 libgcc-s1 libsystemd-dev libsystemd0)
        options=("--admindir=$root/var/lib/dpkg" "-l$root/lib/$multiarch" "-l$root/usr/lib/$multiarch")
    fi
    mkdir -p "$directory"
    # Of the C library, what the loader asks for: versions of symbols, and whether it must read packed relocations, which dpkg-shlibdeps does not see. Debian's notes
    # ask for the version that moved symbols between its files.
    cat >"$directory/dpkg-shlibdeps" <<SH
#!/bin/sh
for program; do :; done
wanted=\$(readelf --version-info --wide "\$program" | sed 's/GLIBC_ABI_DT_RELR/GLIBC_2.36/' | grep -o 'GLIBC_[0-9.]*')
glibc=\$(echo "\$wanted" | sort -uV | tail -1 | cut -d_ -f2)
$(command -v dpkg-shlibdeps) ${options[*]} "\$@" | sed "s/libc6 (>= [0-9.]*)/libc6 (>= \$glibc)/"
SH
    chmod +x "$directory/dpkg-shlibdeps"
    echo "$PWD/$directory"
}

# package PROGRAM: the path of the package.
package() {
    local options=(--locked --no-build --quiet --deb-version "$version" --output target/debian/) tools strip=strip
    # The least that makes a package: it is unpacked minutes later.
    [ "$profile" = dist ] || options+=(--fast)
    if [ "$native" -eq 0 ]; then
        strip=$(dpkg-architecture -a "$architecture" -q DEB_HOST_GNU_TYPE 2>/dev/null)-strip
        install "$strip --version" "binutils-${strip%-strip}"
        options+=(--target "$target")
    fi
    tools=$(shlibdeps)
    cp "$1" "$files/tidemill"
    "$strip" "$files/tidemill"
    PATH=$tools:$PATH "$cargo_deb" "${options[@]}"
}

if [ "$native" -eq 1 ]; then install "pkg-config --exists libsystemd" pkg-config libsystemd-dev; else install "pkg-config --version" pkg-config; fi
install "dpkg-shlibdeps --version" dpkg-dev
install "lintian --version" lintian
if ! "$cargo_deb" --version 2>/dev/null | grep -qF "$cargo_deb_version"; then
    cargo install cargo-deb --version "$cargo_deb_version" --locked --debug --quiet --root target/tools --target-dir target/tools/build >&2
    rm -rf target/tools/build
fi
write_files >&2
program=$(build)
deb=$(package "$program")
# Unstripped or odd things would be warnings; errors fail.
lintian --fail-on error --suppress-tags-from-file packaging/lintian-suppressed "$deb" >&2
echo "$deb"
