#!/usr/bin/env bash
# Runs the benchmarks and ends with one table of what came out, beside what it is compared with and what is aimed at.
# `--quick` runs them small: to see that they work, not for figures. Needs Debian's mosquitto, Python 3 and, once, a network for DuckDB.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly duckdb_version=2.0.0
readonly work=target/bench
readonly file=$work/readings.jsonl figures=$work/figures.txt
readings=2000000 quick=()
if [ "${1:-}" = --quick ]; then
    readings=20000 quick=(--quick)
fi
mkdir -p "$work"

# In an environment of its own, kept under target.
install_duckdb() {
    local environment=$work/duckdb-$duckdb_version
    python=$environment/bin/python
    "$python" -c 'import duckdb' 2>/dev/null && return 0
    python3 -m venv --clear "$environment" &&
        "$python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "duckdb==$duckdb_version"
}

bench() {
    cargo bench --locked --quiet --bench "$@"
}

run() {
    bench replay -- --readings "$readings" --file "$file"
    if install_duckdb; then
        "$python" benches/duckdb_replay.py "$file"
    else
        echo "DuckDB $duckdb_version cannot be installed: no comparison with it" >&2
    fi
    bench mqtt_path -- "${quick[@]}"
    bench serial -- "${quick[@]}"
    bench sockets -- "${quick[@]}"
}

# The figures as a table: name, ours, theirs, ratio, aim.
table() {
    awk '
        { value[$1] = $2 }
        function shown(name) { return name in value ? value[name] : "-" }
        function row(text, ours, theirs, aim,   ratio) {
            ratio = (ours in value && theirs in value) ? sprintf("%.2f", value[ours] / value[theirs]) : "-"
            printf "| %-58s | %11s | %10s | %5s | %-7s |\n", text, shown(ours), theirs == "" ? "" : shown(theirs), theirs == "" ? "" : ratio, aim
        }
        END {
            printf "| %-58s | %11s | %10s | %5s | %-7s |\n", "", "Tidemill", "beside it", "ratio", "aim"
            print "|---|---|---|---|---|"
            row("replay, tumbling: CPU-s per million (DuckDB)", "replay.tumbling.cpu_s_per_million", "duckdb.tumbling.cpu_s_per_million", "<= 0.15")
            row("replay, sliding: CPU-s per million (DuckDB)", "replay.sliding.cpu_s_per_million", "duckdb.sliding.cpu_s_per_million", "")
            row("replay, sliding: CPU-s per million (tumbling)", "replay.sliding.cpu_s_per_million", "replay.tumbling.cpu_s_per_million", "<= 1.3 x")
            row("replay, tumbling: records/s (DuckDB)", "replay.tumbling.records_per_s", "duckdb.tumbling.records_per_s", "")
            row("replay, sliding: records/s (DuckDB)", "replay.sliding.records_per_s", "duckdb.sliding.records_per_s", "")
            row("replay, tumbling: peak memory, MB (DuckDB)", "replay.tumbling.peak_mb", "duckdb.tumbling.peak_mb", "")
            row("replay, sliding: peak memory, MB (DuckDB)", "replay.sliding.peak_mb", "duckdb.sliding.peak_mb", "")
            row("MQTT at 1,000/s: CPU us per message (bare subscriber)", "mqtt.paced.gateway_cpu_us", "mqtt.paced.bare_cpu_us", "<= 1.3 x")
            row("MQTT at full speed: CPU us per message (bare subscriber)", "mqtt.fast.gateway_cpu_us", "mqtt.fast.bare_cpu_us", "<= 1.3 x")
            row("MQTT at full speed: messages/s (bare subscriber)", "mqtt.fast.gateway_messages_per_s", "mqtt.fast.bare_messages_per_s", "")
            row("memory, connected and idle, MB", "mqtt.gateway_idle_mb", "", "")
            row("memory, peak at 1,000/s, MB (bare subscriber)", "mqtt.gateway_busy_mb", "mqtt.bare_peak_mb", "<= 16")
            row("memory, peak at full speed, MB", "mqtt.fast.gateway_busy_mb", "", "")
            row("written per message at 1,000/s, windows of 10 s, bytes", "mqtt.written_bytes.windows_10_s", "", "")
            row("written per message at 1,000/s, windows of 1 min, bytes", "mqtt.written_bytes.windows_1_min", "", "")
            row("serial, sender waits: frames/s", "serial.held_up.frames_per_s", "", "")
            row("serial, sender waits: CPU us per frame", "serial.held_up.cpu_us", "", "")
            row("serial, sender does not wait: CPU us per frame", "serial.free.cpu_us", "", "")
            row("serial, sender does not wait: dropped of those sent", "serial.free.dropped", "serial.free.sent", "")
            row("TCP, 1 connection: CPU us per row", "tcp.1.cpu_us", "", "")
            row("TCP, 10 connections: CPU us per row", "tcp.10.cpu_us", "", "")
            row("TCP, 10 connections: rows/s", "tcp.10.rows_per_s", "", "")
            row("UDP, 1 sender, a row a datagram: CPU us per row that arrived", "udp.1.single.cpu_us_per_arrived_row", "", "")
            row("UDP, 1 sender, a row a datagram: arrived of those sent", "udp.1.single.arrived_of_sent", "", "")
            row("serial, port missing: CPU %", "serial.missing.cpu_percent", "", "")
        }' "$figures"
}

run | tee "$figures"
echo
table
