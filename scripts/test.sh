#!/usr/bin/env bash
# Runs everything that must hold and ends with one line: N passed, N failed, N skipped.
# Environment: ADVISORY_DB  a directory with RustSec's advisory database (else cargo's own copy is used, if there is one);
#              CARGO_DENY   the cargo-deny to use (else the pinned version is built once into target/tools).
set -uo pipefail
cd "$(dirname "$0")/.."

readonly cargo_deny_version=0.20.2
readonly cargo_deny=${CARGO_DENY:-target/tools/bin/cargo-deny}
readonly logs=target/test-logs
mkdir -p "$logs"

passed=0 failed=0 skipped=0
skip_reasons=()
export TIDEMILL_SKIPPED_FILE="$PWD/target/test-logs/skipped"
rm -f "$TIDEMILL_SKIPPED_FILE"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

# step NAME COMMAND...: runs it, shows it, counts it. Tests inside are counted one by one, anything else as one.
step() {
    local name=$1 log status=0 start=$SECONDS
    shift
    log="$logs/${name//[^a-z0-9]/-}.log"
    printf '\n== %s\n' "$name"
    "$@" 2>&1 | tee "$log" || status=$?
    count "$name" "$log" "$status"
    printf '== %s: %s in %d s\n' "$name" "$([ "$status" -eq 0 ] && echo ok || echo FAILED)" $((SECONDS - start))
    return "$status"
}

# Adds the results of one step. "test result:" lines are those of Rust's test harness.
count() {
    local name=$1 log=$2 status=$3 ok bad tests
    read -r ok bad < <(awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) p += $i; if ($(i+1) ~ /^failed/) f += $i } }
        END { print p + 0, f + 0 }' "$log")
    tests=$((ok + bad))
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ "$status" -eq 0 ]; then
        [ "$tests" -gt 0 ] || passed=$((passed + 1))
    elif [ "$bad" -eq 0 ]; then
        failed=$((failed + 1))
    fi
    # A test that cannot run on this machine writes "name: reason" there and returns: skipped, not passed.
    while read -r reason; do
        skip "$reason"
        passed=$((passed - 1))
    done < <(sort -u "$TIDEMILL_SKIPPED_FILE" 2>/dev/null)
    rm -f "$TIDEMILL_SKIPPED_FILE"
}

skip() {
    skipped=$((skipped + 1))
    skip_reasons+=("$1")
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo -n "$@"; else return 1; fi
}

# install_debian PACKAGE COMMAND: the package unless the command is there.
install_debian() {
    local package=$1 command=$2
    PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null && return 0
    echo "installing $package"
    if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$package"; }; then
        echo "The tests need the command '$command' (Debian's package '$package') and cannot install it: run 'apt-get install $package' as root." >&2
        return 1
    fi
    # Debian starts a broker of its own on port 1883; the tests start theirs on other ports and do not need it.
    [ "$package" != mosquitto ] || as_root service mosquitto stop >/dev/null 2>&1 || true
}

# install_debian_library PACKAGE NAME: the same for what pkg-config knows as NAME.
install_debian_library() {
    pkg-config --exists "$2" || install_debian "$1" "$1"
}

prepare() {
    install_debian mosquitto mosquitto && install_debian mosquitto-clients mosquitto_pub && install_debian openssl openssl &&
        install_debian util-linux setpriv &&
        install_debian faketime faketime && install_debian pkg-config pkg-config && install_debian_library libsystemd-dev libsystemd && cargo fetch --locked --quiet
}

# Unoptimised: it builds in a minute and runs in seconds.
install_cargo_deny() {
    if [ -z "${CARGO_DENY:-}" ] && ! "$cargo_deny" --version 2>/dev/null | grep -qF " $cargo_deny_version"; then
        cargo install cargo-deny --version "$cargo_deny_version" --locked --debug --quiet --root target/tools --target-dir target/tools/build &&
            rm -rf target/tools/build
    fi
}

advisories() {
    local database=target/advisory-dbs/advisory-db-3157b0e258782691 config=target/deny-advisories.toml
    if [ -n "${ADVISORY_DB:-}" ]; then
        # cargo-deny reads a git repository with a name made of the database's address.
        rm -rf target/advisory-dbs && mkdir -p "$database" && cp -r "$ADVISORY_DB"/. "$database" && rm -rf "$database/.git" &&
            git -C "$database" init -q && git -C "$database" add -A &&
            git -C "$database" -c user.name=test -c user.email=test@localhost commit -q -m advisories &&
            sed "s|^\[advisories\]|&\ndb-path = \"$PWD/target/advisory-dbs\"|" deny.toml >"$config" || return 1
        "$cargo_deny" --offline --config "$config" check advisories
    else
        "$cargo_deny" --offline check advisories
    fi
}

has_advisories() {
    [ -n "${ADVISORY_DB:-}" ] || compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/advisory-db-*" >/dev/null
}

summary() {
    local reason
    echo
    if [ "$skipped" -eq 0 ]; then
        echo "nothing skipped; $SECONDS s"
    else
        reason=$(printf '; %s' "${skip_reasons[@]}")
        echo "skipped: ${reason:2}"
    fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

step "prepare" prepare || { summary; exit 1; }
# Neither adds to the tests: what they install is needed, what they check is counted below.
passed=0
step "format" cargo fmt --all --check
step "clippy" cargo clippy --locked --all-targets --quiet -- -D warnings
step "clippy sabotage" cargo clippy --locked --all-targets --features sabotage --quiet -- -D warnings
# Before the tests, so that the program left in target/ is the real one. Both share the dependencies: only this package is built twice.
step "clippy systemd" cargo clippy --locked --all-targets --features systemd --quiet -- -D warnings
step "planted faults" cargo test --locked --no-fail-fast --features sabotage --lib --test it sabotage
# Random SQL and bytes: a minute on two cores. Every run of one commit meets the same random numbers; 'make fuzz' looks for new ones.
export TIDEMILL_FUZZ_SECONDS="${TIDEMILL_FUZZ_SECONDS:-120}"
export TIDEMILL_TEST_SEED="${TIDEMILL_TEST_SEED:-1}" PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
# What only packages have. After the tests above it builds this package alone.
step "systemd" cargo test --locked --no-fail-fast --features systemd --lib --test it -- service_manager logging::
# The package, with the same program, on a booted Debian.
step "device" timeout --kill-after=10 1500 bash scripts/device-test.sh
step "tests" cargo test --locked --no-fail-fast
# The tests' own program and their broker are those of this machine, built above.
step "arm" timeout --kill-after=10 1500 bash cross/test.sh aarch64-unknown-linux-gnu armv7-unknown-linux-gnueabihf
if step "install cargo-deny" install_cargo_deny; then
    passed=$((passed - 1))
    step "dependencies" "$cargo_deny" check --hide-inclusion-graph bans licenses sources
    if has_advisories; then
        step "advisories" advisories
    else
        skip "advisories: no copy of RustSec's database (set ADVISORY_DB, or run 'cargo deny fetch' with a network)"
    fi
fi
summary
