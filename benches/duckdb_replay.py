"""DuckDB on the file of the replay benchmark: the same windows and aggregates, each in a process of its own.

duckdb_replay.py FILE prints, per query, records/s, CPU seconds per million, peak memory and the number of results, as `benches/replay.rs` does.
Sliding windows are written the fast way: one aggregate per minute first, then ten minutes of those together.
"""

import resource
import subprocess
import sys
import time

import duckdb

READINGS = """read_json('{file}', format = 'newline_delimited',
                        columns = {{device: 'VARCHAR', ts: 'BIGINT', temperature: 'DOUBLE', humidity: 'DOUBLE'}})"""
MINUTE = "time_bucket(INTERVAL '1 minute', make_timestamp(ts * 1000))"
QUERIES = {
    "tumbling": f"""SELECT device, {MINUTE} AS start, count(*) AS n, avg(temperature) AS mean, min(temperature) AS low,
                           max(temperature) AS high
                    FROM {READINGS} GROUP BY ALL""",
    "sliding": f"""WITH minutes AS (SELECT device, {MINUTE} AS minute, count(*) AS n, sum(temperature) AS total, min(temperature) AS low,
                                           max(temperature) AS high
                                    FROM {READINGS} GROUP BY ALL)
                   SELECT device, minute - to_minutes(back) AS start, sum(n) AS n, sum(total) / sum(n) AS mean, min(low) AS low,
                          max(high) AS high
                   FROM minutes, range(10) AS steps(back) GROUP BY ALL""",
}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(name, file):
    connection = duckdb.connect()
    began, cpu_before = time.monotonic(), cpu_seconds()
    connection.execute(f"CREATE TABLE results AS {QUERIES[name].format(file=file)}")
    cpu, seconds = cpu_seconds() - cpu_before, time.monotonic() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    results = connection.execute("SELECT count(*) FROM results").fetchone()[0]
    readings = connection.execute(f"SELECT count(*) FROM {READINGS.format(file=file)}").fetchone()[0]
    for figure, value in (
        ("records_per_s", f"{readings / seconds:.0f}"),
        ("cpu_s_per_million", f"{cpu / readings * 1e6:.3f}"),
        ("peak_mb", f"{peak_mb:.3f}"),
        ("results", results),
    ):
        print(f"{f'duckdb.{name}.{figure}':<44} {value}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[2], sys.argv[1])
    else:
        for name in QUERIES:
            subprocess.run([sys.executable, __file__, sys.argv[1], name], check=True)
