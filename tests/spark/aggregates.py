"""Records what Spark makes of aggregates, for tests/spark/aggregates.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/aggregates.py > tests/spark/aggregates.jsonl

The first line holds the rows of table `t` (columns in `columns`). Each line after it holds an aggregate as SQL text, Spark's type, and
its value for each group of `SELECT g, … FROM t GROUP BY g`, or `error`. Lines with `series` are over the table of that many rows with
x = id * 7919 % 10007, d = x / 8, s = 'dev-' || x % 2503, in order of id, in one partition, and hold one value.
Doubles are text (Python's repr), timestamps and intervals microseconds, dates days since 1970-01-01, binary hexadecimal.
ANSI mode, session time zone UTC. Needs Java 17 or later.
"""

import datetime
import json
import sys

from pyspark.sql import SparkSession

COLUMNS = [("g", "STRING"), ("b", "BOOLEAN"), ("i", "INT"), ("l", "BIGINT"), ("f", "FLOAT"), ("d", "DOUBLE"), ("s", "STRING"),
           ("ts", "TIMESTAMP"), ("dt", "DATE"), ("n", "INT")]

NAN, INF = float("nan"), float("inf")
T = 1767225600000000
N = None

# g, b, i, l, f, d, s, ts (µs), dt (days), n
ROWS = [
    ("mixed", True, 1, 10, 1.5, 1.5, "b", T, 1, 3),
    ("nan", True, 1, 2, NAN, NAN, "x", T, 2, 1),
    ("mixed", False, 5, -3, -2.25, 20.25, "a", T + 1_500_000, 3, 1),
    ("null", N, N, N, N, N, N, N, N, 1),
    ("mixed", N, N, 7, N, N, "c", N, N, 2),
    ("one", True, 42, 42, 4.5, -7.5, "only", T + 1, 20000, 1),
    ("nan", False, 3, N, 2.0, 2.0, "", T + 5, N, 2),
    ("zero", False, 0, 0, 0.0, 0.0, "0", 0, 0, 1),
    ("mixed", True, -8, 10, 0.5, -4.0, N, T - 60_000_000, -5, 4),
    ("zero", True, 0, 0, -0.0, -0.0, "0", 0, 0, 2),
    ("dup", True, 2, 2, 2.0, 2.0, "z", T, 7, 2),
    ("dup", True, 2, 2, 2.0, 2.0, "z", T, 7, 2),
    ("dup", False, 3, 3, 3.0, 3.0, "y", T + 7, 8, 1),
    ("dup", True, 2, 2, 2.0, 2.0, "z", T, 7, 0),
    ("dup", False, 3, 3, 3.0, 3.0, "y", T + 7, 8, 1),
    (N, True, 9, 9, 9.0, 9.0, "größe 😀", T, 9, 1),
    ("large", False, 2147483647, 9007199254740993, 3e38, 1e300, "L" * 40, T * 2, 100000, 1),
    ("nan", N, 4, 8, INF, -INF, "y", N, 4, 0),
    (N, N, -9, N, N, -9.0, N, T - 1, N, 2),
    ("large", True, -2147483648, -9007199254740993, -3e38, 1e-300, "M", -T, -100000, 1),
    ("null", N, N, N, N, N, N, N, N, 3),
    ("large", True, 2147483647, 4611686018427387904, 1e-38, -1e300, "K", 5, 0, 2),
    ("inf", True, 1, 1, INF, INF, "p", 1, 1, 1),
    ("inf", True, 2, 1, INF, INF, "q", 2, 2, 1),
    ("pair", True, 1, 2, 1.0, 3.0, "r", 3, 3, 1),
    ("pair", False, 2, 4, 3.0, 7.0, "s", 4, 4, 1),
    ("pair", False, 3, 7, 2.0, 9.0, "t", 5, 5, 2),
    ("pair", True, 4, 7, 8.0, 14.0, "u", 6, 6, 2),
    # A small spread far from zero.
    ("near", True, 100000000, 100000003, N, 1e8 + 0.125, "v", T, 1, 100000001),
    ("near", True, 100000001, 100000001, N, 1e8 + 0.25, "v", T, 1, 100000002),
    ("near", False, 100000003, 100000002, N, 1e8 - 0.0625, "w", T, 1, 100000004),
    ("near", True, 99999998, 100000000, N, 1e8 + 0.75, "w", T, 1, 99999999),
    ("near", False, 100000002, 100000007, N, 1e8 + 0.001, "x", T, 1, 100000000),
]

VALUES = ["b", "i", "l", "f", "d", "s", "ts", "dt", "named_struct('a', i, 'b', s)", "array(i, n)", "CAST(s AS BINARY)",
          "named_struct('x', d)"]
NUMBERS = ["i", "l", "f", "d"]


def aggregates():
    yield from ["count(*)", "count(i)", "count(i, d)", "count(1)", "count(NULL)", "count_if(b)", "count_if(d > 1)"]
    for x in NUMBERS + ["n"]:
        for function in ["avg", "mean", "stddev", "std", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "skewness",
                         "kurtosis", "try_avg", "median"]:
            yield f"{function}({x})"
        if x != "l":
            yield f"sum({x})"
        yield f"try_sum({x})"
        for p in ["0.0", "0.25", "0.5", "0.9", "1.0", "1", "'0.5'", "array(0.1, 0.5, 1.0)"]:
            yield f"percentile({x}, {p})"
            yield f"percentile_approx({x}, {p})" if p != "'0.5'" else f"approx_percentile({x}, 0.3, 5)"
        yield f"percentile({x}, 0.5, n)"
        yield f"percentile({x}, array(0.2, 0.8), n + 1)"
        for direction in ["", " DESC"]:
            yield f"percentile_cont(0.3) WITHIN GROUP (ORDER BY {x}{direction})"
            yield f"percentile_disc(0.3) WITHIN GROUP (ORDER BY {x}{direction})"
        yield f"percentile_disc(array(0.0, 0.5, 0.51, 1.0)) WITHIN GROUP (ORDER BY {x})"
        yield f"histogram_numeric({x}, 2)"
        yield f"histogram_numeric({x}, 5)"
    yield from ["sum(l) FILTER (WHERE g <> 'large')", "sum(NULL)", "avg(NULL)", "median(NULL)", "sum('1')", "avg('2.5')", "sum(s)"]
    for x in VALUES:
        for function in ["min", "max", "first", "last", "any_value", "first_value", "last_value", "collect_list", "array_agg",
                         "collect_set", "approx_count_distinct", "count"]:
            yield f"{function}({x})"
        yield from [f"first({x}, true)", f"last({x}, true)", f"first({x}) IGNORE NULLS", f"last({x}) IGNORE NULLS",
                    f"any_value({x}) IGNORE NULLS", f"first({x}) RESPECT NULLS", f"last({x}, false)", f"collect_list({x}) RESPECT NULLS",
                    f"collect_set({x}) RESPECT NULLS", f"collect_list({x}) FILTER (WHERE n = 1)", f"max_by({x}, n)", f"min_by({x}, n)",
                    f"max_by(n, {x})", f"min_by(n, {x})", f"mode({x}, true)", f"mode() WITHIN GROUP (ORDER BY {x})",
                    f"mode() WITHIN GROUP (ORDER BY {x} DESC)", f"count(DISTINCT {x})", f"count(DISTINCT {x}, n)",
                    f"approx_count_distinct({x}, 0.01)", f"min({x}) FILTER (WHERE n > 1)"]
    yield from ["first(NULL)", "collect_list(NULL)", "max(NULL)", "mode(NULL)", "max_by(i, CAST(NULL AS INT))"]
    for x in ["ts", "dt"]:
        yield from [f"percentile_approx({x}, 0.5)", f"percentile_approx({x}, array(0.0, 1.0), 100)", f"histogram_numeric({x}, 3)"]
    for x in ["i", "l", "b", "n"]:
        yield from [f"bit_and({x})", f"bit_or({x})", f"bit_xor({x})"]
    for function in ["bool_and", "every", "bool_or", "some", "any"]:
        yield f"{function}(b)"
        yield f"{function}(i > 1)"
    for y, x in [("i", "d"), ("d", "n"), ("l", "f"), ("n", "n")]:
        for function in ["corr", "covar_pop", "covar_samp", "regr_count", "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy",
                         "regr_slope", "regr_intercept", "regr_r2"]:
            yield f"{function}({y}, {x})"
    yield from ["corr(i, NULL)", "regr_slope(i, d) FILTER (WHERE n = 1)"]
    yield from ["listagg(s)", "listagg(s, ',')", "string_agg(s, '; ')", "listagg(s, NULL)", "listagg(i, ',')", "listagg(d, ',')",
                "listagg(CAST(s AS BINARY))", "listagg(s, ',') WITHIN GROUP (ORDER BY s)", "listagg(s, ',') WITHIN GROUP (ORDER BY s DESC)",
                "listagg(s, ',') WITHIN GROUP (ORDER BY n, s DESC)", "listagg(s, ',') WITHIN GROUP (ORDER BY d NULLS LAST)",
                "listagg(s, ',') WITHIN GROUP (ORDER BY i DESC NULLS FIRST)", "listagg(DISTINCT s, ',') WITHIN GROUP (ORDER BY s)",
                "listagg(s, ',') WITHIN GROUP (ORDER BY n) FILTER (WHERE n < 3)", "listagg(NULL)"]
    for x in NUMBERS:
        yield from [f"sum(DISTINCT n + {x})" if x != "l" else "sum(DISTINCT n)", f"avg(DISTINCT {x})", f"stddev(DISTINCT {x})",
                    f"median(DISTINCT {x})", f"percentile(DISTINCT {x}, 0.3)", f"corr(DISTINCT {x}, n)", f"collect_list(DISTINCT {x})",
                    f"max(DISTINCT {x})", f"approx_count_distinct(DISTINCT {x})", f"sum(DISTINCT n) FILTER (WHERE {x} > 1)",
                    f"max_by(DISTINCT {x}, n)", f"skewness(DISTINCT {x})"]
    yield from ["count_if(DISTINCT b)", "bool_or(DISTINCT b)", "bit_xor(DISTINCT i)", "first(DISTINCT s)", "sum(l)"]
    for x in ["(ts - TIMESTAMP '2026-01-01')"]:
        yield from [f"sum({x}) FILTER (WHERE g = 'mixed')", f"avg({x}) FILTER (WHERE g = 'mixed')", f"median({x}) FILTER (WHERE g = 'mixed')",
                    f"max({x})", f"percentile_approx({x}, 0.5)"]
    # Refused or failing.
    yield from ["percentile(i, 2)", "percentile(i, -0.1)", "percentile(i, d)", "percentile(i, 0.5, n - 2)", "percentile_approx(i, 0.5, 0)",
                "percentile_cont(0.5)", "percentile(i, 0.5) WITHIN GROUP (ORDER BY i)", "mode(i) WITHIN GROUP (ORDER BY i)",
                "percentile_cont(0.5) WITHIN GROUP (ORDER BY i, n)", "min(i) IGNORE NULLS", "bit_and(d)", "sum(b)", "avg(ts)",
                "listagg(s, s)", "first(i, b)", "histogram_numeric(i, 1)", "max_by(i)", "corr(i)", "collect_list()", "median(ts)",
                "listagg(DISTINCT s) WITHIN GROUP (ORDER BY n)", "max(map('a', i))", "sum(DISTINCT s)", "approx_count_distinct(i, 0.5)",
                "sum(sum(i))", "avg(*)"]


SERIES = ["approx_count_distinct(x)", "approx_count_distinct(d)", "approx_count_distinct(s)", "approx_count_distinct(x, 0.02)",
          "approx_count_distinct(s, 0.2)", "approx_count_distinct(CAST(x AS INT))", "approx_count_distinct(CAST(d AS FLOAT))",
          "approx_count_distinct(named_struct('a', x, 'b', s))", "approx_count_distinct(timestamp_millis(x))",
          "percentile_approx(x, array(0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0))", "percentile_approx(d, 0.5, 100)",
          "percentile_approx(x, array(0.1, 0.5, 0.9), 20)", "percentile_approx(x, array(0.1, 0.5, 0.9), 1000)", "percentile(x, 0.37)",
          "median(d)", "histogram_numeric(d, 3)", "histogram_numeric(x, 7)", "histogram_numeric(d, 40)", "skewness(d)", "kurtosis(d)",
          "stddev(d)", "corr(x, d)", "mode(s, true)", "max_by(s, x)", "count(DISTINCT s)", "regr_r2(x, d)", "sum(d)", "avg(x)"]
LENGTHS = [1, 10, 100, 500, 1000, 3000, 10000]


def plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    raise TypeError(type(value))


def error_of(error):
    get = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    return (get() if get else None) or type(error).__name__


def main():
    spark = (SparkSession.builder.master("local[1]").config("spark.driver.memory", "900m").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    raw = ", ".join(f"{name} {'BIGINT' if kind in ('TIMESTAMP',) else 'INT' if kind == 'DATE' else kind}" for name, kind in COLUMNS)
    table = spark.createDataFrame(ROWS, raw).coalesce(1)
    table = table.selectExpr("g", "b", "i", "l", "f", "d", "s", "timestamp_micros(ts) AS ts", "date_from_unix_date(dt) AS dt", "n")
    table.createOrReplaceTempView("t")
    out = sys.stdout
    rows = [[plain(value) for value in row] for row in ROWS]
    out.write(json.dumps({"columns": COLUMNS, "rows": rows}, ensure_ascii=False) + "\n")
    for text in dict.fromkeys(aggregates()):
        line = {"agg": text}
        try:
            result = spark.sql(f"SELECT g, {text} AS x FROM t GROUP BY g")
            values = [[row[0], plain(row[1])] for row in result.collect()]
            line["type"] = result.schema["x"].dataType.simpleString()
            line["values"] = sorted(values, key=lambda value: value[0] or "")
        except Exception as error:
            line["error"] = error_of(error)
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
    for length in LENGTHS:
        ids = spark.range(0, length, 1, 1).selectExpr("id * 7919 % 10007 AS x")
        ids.selectExpr("x", "x / 8D AS d", "concat('dev-', x % 2503) AS s").createOrReplaceTempView("series")
        for text in SERIES:
            result = spark.sql(f"SELECT {text} AS x FROM series")
            line = {"series": length, "agg": text, "type": result.schema["x"].dataType.simpleString(), "value": plain(result.collect()[0][0])}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    spark.stop()


main()
