#!/usr/bin/env bash
# Installs the Debian package on a booted Debian and has it live through what a gateway lives through: device-test.sh [ARCHITECTURE]
# A root made by mmdebstrap is booted by systemd-nspawn, with a network of its own that holds nothing but loopback. Ends with "test result: …" as
# Rust's test harness does. Needs root; installs mmdebstrap and systemd-container where they are missing. The root is kept in target/device.
# The package is made of cargo's dev profile: as the one of a release but for its speed and size.
#
# ARCHITECTURE: amd64, arm64 or armhf, by default this machine's. Another one's programs, systemd among them, are run by qemu-user (qemu-user-static is
# installed), to which the kernel hands them (binfmt_misc) while the test runs; its package is made of the profile `emulated`. What systemd can't do there is
# tried first: where it fails, the unit goes without, and the checks that need it are skipped with the error that was seen.
# Environment: DEB  the package to test, else it is made by scripts/deb.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly suite=bookworm
readonly packages=systemd,systemd-sysv,dbus,mosquitto,mosquitto-clients,procps
native=$(dpkg --print-architecture)
readonly native architecture=${1:-$native}
case $architecture in
    "$native") readonly emulator="" patience=1 profile=dev work=target/device ;;
    arm64) readonly emulator=qemu-aarch64 patience=4 profile=emulated work=target/device-arm64 ;;
    armhf) readonly emulator=qemu-arm patience=4 profile=emulated work=target/device-armhf ;;
    *) echo "device-test.sh: no emulator is known for $architecture (arm64, armhf)" >&2 && exit 2 ;;
esac
readonly cached=$work/root-$suite-1.tar
readonly root=$PWD/$work/root
readonly binfmt=/proc/sys/fs/binfmt_misc
# Readings sent until the end of each part.
readonly messages=6000 reload_to=8000 upgrade_to=8500
# Where the service finds its secrets, and what is wrong with systemd's own way of handing them over.
secrets=/run/credentials/tidemill.service no_credentials=""
init="" nspawn="" registered="" skipped=0

# What is mounted for the emulator is seen by this test alone.
if [ -n "$emulator" ] && [ "$(id -u)" -eq 0 ] && [ -z "${TIDEMILL_DEVICE_MOUNTS:-}" ]; then
    exec env TIDEMILL_DEVICE_MOUNTS=own unshare --mount bash scripts/device-test.sh "$@"
fi
. scripts/checks.sh

skip() {
    echo "skipped: $1"
    [ -z "${TIDEMILL_SKIPPED_FILE:-}" ] || echo "the package on a booted Debian${emulator:+ of $architecture}: $1" >>"$TIDEMILL_SKIPPED_FILE"
    exit 0
}

# skip_check TEXT REASON: one check can't be made here. Who reads the file takes one from those passed for each of its lines.
skip_check() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
    [ -z "${TIDEMILL_SKIPPED_FILE:-}" ] || {
        passed=$((passed + 1))
        echo "on a booted Debian${emulator:+ of $architecture}, $1: $2" >>"$TIDEMILL_SKIPPED_FILE"
    }
}

# In the container, as its root.
inside() {
    nsenter --target "$init" --all -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/srv LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

on_failure() {
    inside journalctl --no-pager -u tidemill -n 30 || true
}

# within SECONDS COMMAND...: until it succeeds, or the time is over. An emulator has more of it.
within() {
    local deadline=$((SECONDS + $1 * patience))
    shift
    until "$@" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.3
    done
}

prepare() {
    [ "$(id -u)" -eq 0 ] || skip "it needs root"
    [ -d /sys/fs/cgroup ] || skip "there are no control groups"
    if ! command -v mmdebstrap >/dev/null || ! command -v systemd-nspawn >/dev/null; then
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends mmdebstrap systemd-container; } ||
            skip "mmdebstrap and systemd-container cannot be installed"
    fi
    [ -z "$emulator" ] || hand_to_emulator
    mkdir -p "$work"
    if [ ! -e "$cached" ]; then
        mmdebstrap --quiet --architectures="$architecture" --variant=minbase --include="$packages" "$suite" "$work/new.tar" || skip "no root of Debian can be made: is there a network?"
        mv "$work/new.tar" "$cached"
    fi
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    tar -xf "$cached" -C "$root"
    echo '127.0.0.1 localhost' >"$root/etc/hosts"
}

# Has the kernel hand the architecture's programs to the emulator, unless it does so already. It keeps the emulator open, so that it is found in every root.
hand_to_emulator() {
    command -v "$emulator-static" >/dev/null ||
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends qemu-user-static; } ||
        skip "qemu-user-static cannot be installed"
    [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt" || skip "the kernel does not hand another architecture's programs to an emulator"
    [ ! -e "$binfmt/$emulator" ] && [ ! -e "$binfmt/tidemill-$emulator" ] || return 0
    sed "s/^:$emulator:/:tidemill-$emulator:/" "/usr/lib/binfmt.d/$emulator.conf" >"$binfmt/register" || skip "the kernel takes no emulator"
    registered=$binfmt/tidemill-$emulator
}

boot() {
    systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --boot --directory="$root" </dev/null >"$work/boot.log" 2>&1 &
    nspawn=$!
    within 20 leader || { cat "$work/boot.log"; skip "systemd-nspawn cannot boot here: $(tail -1 "$work/boot.log")"; }
    within 90 booted || { cat "$work/boot.log"; echo "the root does not boot" && exit 1; }
}

leader() {
    kill -0 "$nspawn" && init=$(pgrep -P "$nspawn" -x systemd)
}

# A system with a unit that failed fails to say so.
booted() {
    grep -qE 'running|degraded' <<<"$(inside systemctl is-system-running || true)"
}

# Leaves the machine as it was.
clean_up() {
    shut_down
    [ -z "$registered" ] || echo -1 >"$registered"
}

# The subscriber goes first: a system that goes down stops all its processes for a moment, nsenter stops itself with its child, never sees that child's
# end, and the container waits for that for ever.
shut_down() {
    [ -z "$nspawn" ] || {
        inside pkill -KILL mosquitto_sub
        inside systemctl poweroff
        within 20 gone
        kill -KILL "$nspawn"
        [ -z "$init" ] || pkill -KILL -f "nsenter --target $init "
    } >/dev/null 2>&1 || true
}

gone() {
    ! kill -0 "$nspawn"
}

trap clean_up EXIT

# The same package under a lower number.
make_older() {
    local unpacked=$work/older
    rm -rf "$unpacked"
    dpkg-deb --raw-extract "$1" "$unpacked"
    sed -i 's/^Version: .*/Version: 0.0.9-1/' "$unpacked/DEBIAN/control"
    dpkg-deb -Zgzip -z1 --root-owner-group --build "$unpacked" "$root/srv/older.deb" >/dev/null
    cp "$1" "$root/srv/newer.deb"
}

set_up_broker() {
    cp configs/mosquitto.conf "$root/etc/mosquitto/conf.d/tidemill.conf"
    printf 'listener 1883 127.0.0.1\nallow_anonymous false\npassword_file /etc/mosquitto/passwd\n' >>"$root/etc/mosquitto/conf.d/tidemill.conf"
    inside mosquitto_passwd -b -c /etc/mosquitto/passwd gateway 'a secret'
    inside chown mosquitto /etc/mosquitto/passwd
    inside systemctl restart mosquitto
}

# What a person would edit: the broker's password, and sources and queries of their own.
configure() {
    inside install -m 600 /dev/null /etc/tidemill/secrets/broker
    printf 'a secret\n' >"$root/etc/tidemill/secrets/broker"
    [ -z "$no_credentials" ] || inside install -m 640 -g tidemill /etc/tidemill/secrets/broker "$secrets/secret_broker"
    printf '{"device": "file", "number": 0}\n' >"$root/srv/readings.jsonl"
    inside chown root:dialout /srv/readings.jsonl
    inside chmod 640 /srv/readings.jsonl
    cat >"$root/etc/tidemill/tidemill.toml" <<'TOML'
[source.readings]
type     = "mqtt"
broker   = "mqtt://127.0.0.1"
username = "gateway"
password = "file:${CREDENTIALS_DIRECTORY}/secret_broker"
topics   = ["in/{device}"]
schema   = "number BIGINT"

[source.local]
type   = "file"
mode   = "read"
path   = "/srv/readings.jsonl"
schema = "device STRING, number BIGINT"

[query.each]
sql = "SELECT device, number FROM readings"

[query.ports]
sql = "SELECT device FROM local"

[query.total]
sql  = "SELECT count(*) AS total FROM readings"
mode = "update"

[sink.out]
type     = "mqtt"
broker   = "mqtt://127.0.0.1"
username = "gateway"
password = "file:${CREDENTIALS_DIRECTORY}/secret_broker"
topic    = "out/{query}"
from     = ["each", "ports", "total"]
TOML
    mkdir -p "$root/etc/systemd/system/tidemill.service.d"
    printf '[Service]\nWatchdogSec=6\n' >"$root/etc/systemd/system/tidemill.service.d/test.conf"
    inside systemctl daemon-reload
}

property() {
    inside systemctl show --value -p "$1" tidemill
}

# A new process, and ready.
restarted_from() {
    [ "$(property MainPID)" != "$1" ] && inside systemctl is-active --quiet tidemill
}

# From here on the broker keeps what comes, whether the subscriber is there yet or not.
subscribe() {
    local subscriber=(mosquitto_sub -i ledger -c -q 1 -u gateway -P 'a secret' -t 'out/#')
    inside "${subscriber[@]}" -E
    inside "${subscriber[@]}" >"$work/results" 2>"$work/subscriber.log" &
}

# publish FROM TO: numbered messages at QoS 1, a few hundred a second.
publish() {
    local number
    for ((number = $1; number < $2; number++)); do
        echo "{\"number\": $number}"
        ((number % 20)) || sleep 0.04
    done | inside mosquitto_pub -q 1 -u gateway -P 'a secret' -t in/d -l
}

numbers_arrived() {
    grep -o '"number":[0-9]*' "$work/results" | sort -u | wc -l
}

all_arrived() {
    [ "$(numbers_arrived)" -eq "$1" ]
}

# Counted once each: the highest total is the number of messages.
total_is() {
    [ "$(grep -o '"total":[0-9]*' "$work/results" | cut -d: -f2 | sort -n | tail -1)" = "$1" ]
}

# The error of a unit with that setting; nothing where it runs.
trouble_with() {
    local unit=trial-${1%%=*}
    ! inside systemd-run --quiet --wait --unit="$unit" -p "$1" true 2>/dev/null || return 0
    inside journalctl -q --no-pager -u "$unit" -o cat | grep -m 1 -i failed || echo "no unit runs with it"
    inside systemctl reset-failed "$unit" 2>/dev/null || true
}

# Has the unit go without what systemd fails to do under the emulator.
adapt_to_emulator() {
    local trouble dropin=$root/etc/systemd/system/tidemill.service.d/emulated.conf
    mkdir -p "${dropin%/*}"
    echo '[Service]' >"$dropin"
    trouble=$(trouble_with PrivateUsers=yes)
    if [ -n "$trouble" ]; then
        skip_check "the service runs with users of its own (PrivateUsers=)" "$trouble"
        echo 'PrivateUsers=no' >>"$dropin"
    fi
    no_credentials=$(trouble_with LoadCredential=secret:/etc/tidemill/secrets)
    if [ -n "$no_credentials" ]; then
        skip_check "the service has its password by LoadCredential=" "$no_credentials"
        secrets=/run/test-secrets
        inside install -d -m 750 -g tidemill "$secrets"
        printf 'LoadCredential=\nEnvironment=CREDENTIALS_DIRECTORY=%s\n' "$secrets" >>"$dropin"
    fi
    inside systemctl daemon-reload
    inside systemctl restart tidemill
}

# By the filter as systemd made it of the unit: the container's own refuses adjtimex to everybody.
may_ask_the_clock() {
    local calls
    calls=" $(property SystemCallFilter) "
    [[ $calls == *" adjtimex "* && $calls == *" clock_adjtime "* && $calls != *" clock_settime "* ]]
}

test_install() {
    check "the package installs" inside apt-get install -yq --no-install-recommends /srv/older.deb
    check "it is exposed by 1.7 at most" sh -c "nsenter -t $init -a systemd-analyze security --no-pager --threshold=17 tidemill.service >/dev/null"
    check "it may ask the kernel whether the clock is synchronised, and not set it" may_ask_the_clock
    [ -z "$emulator" ] || adapt_to_emulator
    check "the service is up with the configuration that came with it" within 20 inside systemctl is-active --quiet tidemill
    check "it runs as its own user" test "$(inside ps -o user= -p "$(property MainPID)")" = tidemill
    check "the state directory is its own" test "$(inside stat -c %U:%a /var/lib/tidemill)" = tidemill:750
    check "it is started with the system" inside systemctl is-enabled --quiet tidemill
}

test_work() {
    configure
    subscribe
    check "it restarts" inside systemctl restart tidemill
    check "root can check a configuration with secrets" inside env CREDENTIALS_DIRECTORY="$secrets" \
        tidemill check -c /etc/tidemill/tidemill.toml
    publish 0 200
    check "readings come through, with the password from ${no_credentials:+a file in the place of }the credentials" within 30 all_arrived 200
    check "it reads what belongs to dialout" within 20 grep -q '"device":"file"' "$work/results"
    check "the journal knows the source by its field" sh -c "[ -n \"\$(nsenter -t $init -a journalctl -q -u tidemill SOURCE=readings -o cat)\" ]"
    check "the status line says how it is" within 15 status_tells
    check "root sees how it is" sh -c "nsenter -t $init -a tidemill status | grep -q readings"
    check "the manual is there" test -f "$root/usr/share/man/man1/tidemill-run.1.gz" -a -f "$root/usr/share/bash-completion/completions/tidemill"
    check "secrets are for root alone" test "$(inside stat -c %a /etc/tidemill/secrets)" = 700
}

status_tells() {
    property StatusText | grep -q '^2 sources, .* msg/s, outbox '
}

# As the package does it where systemd is older than 250 and can't hand over a directory.
test_old_systemd() {
    local dropin=/etc/systemd/system/tidemill.service.d/before-systemd-250.conf
    mkdir "$root/srv/old"
    printf '#!/bin/sh\necho "systemd 247 (247.3-7)"\n' >"$root/srv/old/systemctl"
    chmod +x "$root/srv/old/systemctl"
    inside env PATH=/srv/old:/usr/sbin:/usr/bin:/sbin:/bin sh /var/lib/dpkg/info/tidemill.postinst configure
    check "before systemd 250 each secret has its line" grep -qx 'LoadCredential=secret_broker:/etc/tidemill/secrets/broker' "$root$dropin"
    inside systemctl daemon-reload
    if [ -z "$no_credentials" ]; then
        check "with those lines it has its secrets" inside systemctl restart tidemill
    else
        skip_check "with those lines it has its secrets" "$no_credentials"
    fi
    inside sh /var/lib/dpkg/info/tidemill.postinst configure
    check "with a newer systemd they go" test ! -e "$root$dropin"
}

test_kills() {
    local kill before publisher
    publish 200 "$messages" &
    publisher=$!
    for kill in 1 2 3; do
        sleep 2
        before=$(property MainPID)
        inside kill -KILL "$before"
        check "kill -9 number $kill: systemd starts it again" within 40 restarted_from "$before"
    done
    before=$(property MainPID)
    inside kill -STOP "$before"
    check "a hang is caught by the watchdog" within 60 restarted_from "$before"
    check "the journal says that it was the watchdog" sh -c "nsenter -t $init -a journalctl -q --no-pager -u tidemill -o cat | grep -qi 'watchdog timeout'"
    wait "$publisher"
    check "nothing is lost" within 60 all_arrived "$messages"
    check "nothing is counted twice" within 20 total_is "$messages"
}

test_reload() {
    local config=$root/etc/tidemill/tidemill.toml before publisher
    before=$(property MainPID)
    publish "$messages" "$reload_to" &
    publisher=$!
    cp "$config" "$work/config.toml"
    printf '\n[query.late]\nsql = "SELECT number AS late FROM readings"\n[sink.late]\ntype = "mqtt"\nbroker = "mqtt://127.0.0.1"\nusername = "gateway"\n' >>"$config"
    printf 'password = "file:${CREDENTIALS_DIRECTORY}/secret_broker"\ntopic = "out/late"\nfrom = ["late"]\n' >>"$config"
    check "it reloads under load" inside systemctl reload tidemill
    check "the new query works" within 20 grep -q '"late":' "$work/results"
    echo 'nonsense = 1' >>"$config"
    check "a bad configuration is refused" sh -c "! nsenter -t $init -a systemctl reload tidemill 2>/dev/null"
    check "the journal says where it is bad" sh -c "nsenter -t $init -a journalctl -q --no-pager -u tidemill -o cat | grep -q nonsense"
    cp "$work/config.toml" "$config"
    inside kill -HUP "$before"
    check "SIGHUP reloads too" within 20 sh -c "[ \$(nsenter -t $init -a journalctl -q --no-pager -u tidemill -o cat | grep -c '^reloaded') -ge 2 ]"
    wait "$publisher"
    check "nothing is lost by reloading" within 60 all_arrived "$reload_to"
    check "nothing is counted twice by reloading" within 20 total_is "$reload_to"
    check "it was one process all the while" test "$(property MainPID)" = "$before"
}

test_upgrade() {
    local before
    before=$(property MainPID)
    publish "$reload_to" "$upgrade_to" &
    local publisher=$!
    check "the upgrade installs" inside apt-get install -yq --no-install-recommends /srv/newer.deb
    check "the service is restarted" within 40 restarted_from "$before"
    check "the configuration is kept" grep -q secret_broker "$root/etc/tidemill/tidemill.toml"
    wait "$publisher"
    check "nothing is lost by the upgrade" within 60 all_arrived "$upgrade_to"
    check "the state goes on" within 20 total_is "$upgrade_to"
}

# A sender's line to a port that systemd listens on.
send_line() {
    inside bash -c "exec 7<>/dev/tcp/127.0.0.1/502 && echo $1 >&7"
}

# Whether all threads of a process inside stand still.
stopped() {
    ! inside sh -c "grep -h ^State: /proc/$1/task/*/status" | grep -v stopped
}

heard() {
    inside grep -q "$1" /var/lib/tidemill/heard.jsonl
}

# The example's sockets, one of a port below 1024: senders wait in the kernel, and the first of them starts a gateway that is stopped.
test_sockets() {
    local before
    cp "$root/usr/share/doc/tidemill/examples/tidemill.socket" "$root/etc/systemd/system/tidemill.socket"
    cat >>"$root/etc/tidemill/tidemill.toml" <<'TOML'

[source.lines]
type   = "tcp"
listen = "0.0.0.0:502"
allow  = ["127.0.0.0/8"]
format = "value"
schema = "line STRING"

[query.spoken]
sql = "SELECT line FROM lines"

[sink.heard]
type = "file"
path = "/var/lib/tidemill/heard.jsonl"
from = ["spoken"]
TOML
    inside systemctl daemon-reload
    inside systemctl stop tidemill
    check "systemd opens the sockets" inside systemctl start tidemill.socket
    send_line first
    check "the first sender starts the service" within 40 heard first
    check "the socket that no source takes is told" sh -c "nsenter -t $init -a journalctl -q --no-pager -u tidemill -o cat | grep -q 'no source takes .* (UDP, 0.0.0.0:514)'"
    before=$(property MainPID)
    inside kill -STOP "$before"
    # The signal is one thread's at first; the others go on until that one has run.
    within 20 stopped "$before"
    send_line second
    inside kill -KILL "$before"
    check "a sender waits while the service is started again" within 40 heard second
    check "with the sockets it is well" test "$(inside systemctl is-active tidemill.socket)" = active
}

test_removal() {
    check "the package is removed" inside apt-get remove -yq tidemill
    check "state and configuration stay" test -d "$root/var/lib/tidemill" -a -f "$root/etc/tidemill/tidemill.toml"
    check "the service is gone" within 20 sh -c "! nsenter -t $init -a systemctl is-active --quiet tidemill"
    check "no sender starts it" sh -c "! nsenter -t $init -a systemctl is-active --quiet tidemill.socket"
    check "it can be put back" inside apt-get install -yq --no-install-recommends /srv/newer.deb
    check "and is up" within 40 inside systemctl is-active --quiet tidemill
    rm -rf "$root/etc/systemd/system/tidemill.service.d" "$root/etc/systemd/system/tidemill.socket"
    # As with a card of its own for what is stored.
    inside mount --bind /var/lib/tidemill /var/lib/tidemill
    check "the package is purged" inside apt-get purge -yq tidemill
    inside umount /var/lib/tidemill
    check "what it stored is gone, from a file system of its own too" rmdir "$root/var/lib/tidemill"
    check "nothing of it is left" sh -c "! find '$root/etc' '$root/var/lib' '$root/usr/lib' '$root/run' -name '*tidemill*' ! -path '*/mosquitto/*' ! -path '*/journal/*' | grep ."
}

prepare
deb=${DEB:-$(PROFILE=$profile bash scripts/deb.sh "$architecture" | tail -1)}
make_older "$deb"
boot
set_up_broker
test_install
test_work
test_old_systemd
test_kills
test_reload
test_upgrade
test_sockets
test_removal
[ "$skipped" -eq 0 ] || echo "skipped: $skipped"
tell_result
