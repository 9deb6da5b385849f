"""Records what Spark makes of aggregates over frames, for tests/spark/over_frames.jsonl.

    venv/bin/python tests/spark/over_frames.py > tests/spark/over_frames.jsonl        (venv with pyspark==4.3.*, Java 17 or later)

The first line holds the rows of table `t`, the second the windows. Each line after them holds an aggregate as SQL text; for each window its value, cast to
STRING, for each row by its number `n`; or Spark's error. ANSI mode, session time zone UTC.
"""

import json

from recorder import session

# n, g, o, l, i, d, s, b
N, NAN, INF = None, float("nan"), float("inf")
ROWS = [
    (1, "a", 1, 5, 1, 1.5, "x", True),
    (2, "b", 1, N, N, N, N, N),
    (3, "a", 2, 7, -2, NAN, "x", True),
    (4, N, 3, 1, 9, 0.1, "n", False),
    (5, "a", 2, N, 3, 0.25, N, N),
    (6, "b", 2, -3, 21, -0.0, "", True),
    (7, "a", 4, 7, 3, INF, "größe", False),
    (8, N, N, 2, 9, 0.2, "n", False),
    (9, "c", -5, 90071992547, 1, 1e300, "c", True),
    (10, "b", 2, 0, 21, 0.0, "z", False),
    (11, "a", 7, 2, 0, -1.5, "y", N),
    (12, "c", 100, 1, 1, 1e-300, "c", True),
    (13, N, N, 3, -9, 0.3, N, True),
    (14, "b", 9, N, N, 2.5, N, N),
    (15, "a", 8, -1, 5, N, "x", True),
    (16, "d", 1, 100000000, 4, 100000000.25, "p", True),
    (17, "d", 2, 100000001, 4, 100000000.5, "q", N),
    (18, "d", 3, 100000003, 6, 100000000.125, "p", False),
    (19, "d", 4, 99999999, 7, 100000000.75, "r", True),
]

WINDOWS = [
    "PARTITION BY g",
    "PARTITION BY g ORDER BY o",
    "PARTITION BY g ORDER BY o, n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "PARTITION BY g ORDER BY o, n ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "PARTITION BY g ORDER BY o, n ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "PARTITION BY g ORDER BY o, n ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "PARTITION BY g ORDER BY o, n ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
    "PARTITION BY g ORDER BY o RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "PARTITION BY g ORDER BY o DESC RANGE BETWEEN 2 PRECEDING AND CURRENT ROW",
    "PARTITION BY g ORDER BY o RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
    "PARTITION BY g ORDER BY o RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ORDER BY d RANGE BETWEEN 0.5D PRECEDING AND 0.5D FOLLOWING",
]


def aggregates():
    yield from ["count(*)", "count(1)", "count(l, d)", "count_if(b)", "count_if(d > 1)", "bool_and(b)", "bool_or(b)", "every(b)", "some(b)",
                "any(b)", "collect_list(s)", "array_agg(i)", "collect_list(d)", "listagg(s, ',')", "string_agg(s, '; ')"]
    for x in ["l", "i", "d"]:
        for function in ["count", "sum", "avg", "mean", "try_sum", "try_avg", "min", "max", "stddev", "stddev_pop", "variance", "var_samp", "var_pop",
                         "skewness", "kurtosis", "median", "approx_count_distinct"]:
            yield f"{function}({x})"
        yield from [f"percentile({x}, 0.3)", f"percentile({x}, array(0.0, 0.5))", f"percentile_approx({x}, 0.5)",
                    f"approx_percentile({x}, array(0.1, 0.9), 100)", f"histogram_numeric({x}, 2)", f"percentile({x}, 0.5, abs(i))",
                    f"percentile_cont(0.3) WITHIN GROUP (ORDER BY {x})", f"percentile_disc(0.3) WITHIN GROUP (ORDER BY {x} DESC)",
                    f"mode({x}, true)", f"mode() WITHIN GROUP (ORDER BY {x})"]
    for x in ["d", "s", "b", "named_struct('a', i, 'b', s)", "array(i, n)"]:
        for function in ["first", "last", "any_value", "first_value", "last_value", "min", "max", "count"]:
            yield f"{function}({x})"
        yield from [f"first({x}, true)", f"last({x}, true)", f"any_value({x}, true)", f"first({x}) IGNORE NULLS", f"last({x}) IGNORE NULLS",
                    f"max_by({x}, i)", f"min_by({x}, i)", f"max_by(n, {x})", f"min_by(n, {x})"]
        yield f"nth_value({x}, 2)"
        yield f"nth_value({x}, 2) IGNORE NULLS"
    for x in ["l", "i"]:
        yield from [f"bit_and({x})", f"bit_or({x})", f"bit_xor({x})"]
    for y, x in [("i", "d"), ("d", "l"), ("i", "l")]:
        for function in ["corr", "covar_pop", "covar_samp", "regr_count", "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy",
                         "regr_slope", "regr_intercept", "regr_r2"]:
            yield f"{function}({y}, {x})"
    yield from ["count(DISTINCT i)", "sum(i) FILTER (WHERE b)", "collect_list(s) FILTER (WHERE i > 1)"]


def column(aggregate, place):
    return f"CAST({aggregate} OVER w{place} AS STRING) AS x{place}"


def main():
    spark = session()
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    # Bounds of frames are folded.
    spark.conf.set("spark.sql.optimizer.excludedRules", "")
    spark.createDataFrame(ROWS, "n INT, g STRING, o INT, l BIGINT, i INT, d DOUBLE, s STRING, b BOOLEAN").createOrReplaceTempView("t")
    shown = [[repr(cell) if isinstance(cell, float) else cell for cell in row] for row in ROWS]
    print(json.dumps({"rows": shown}, ensure_ascii=False))
    print(json.dumps({"windows": WINDOWS}))
    named = ", ".join(f"w{place} AS ({window})" for place, window in enumerate(WINDOWS))
    for aggregate in aggregates():
        line = {"aggregate": aggregate}
        columns = [column(aggregate, place) for place in range(len(WINDOWS))]
        try:
            # The first has no order, and takes that of the others where it stands beside them.
            alone, rows = (spark.sql(f"SELECT n, {', '.join(some)} FROM t WINDOW {named} ORDER BY n").collect() for some in (columns[:1], columns[1:]))
            line["values"] = [[row[f"x{place}"] for row in (rows if place else alone)] for place in range(len(WINDOWS))]
        except Exception:
            values = []
            for place in range(len(WINDOWS)):
                try:
                    values.append([row[1] for row in spark.sql(f"SELECT n, {columns[place]} FROM t WINDOW {named} ORDER BY n").collect()])
                except Exception as error:
                    values.append(str(error).split("\n")[0][:120])
            line["values"] = values
        print(json.dumps(line, ensure_ascii=False), flush=True)
    spark.stop()


main()
