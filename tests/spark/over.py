"""Records what Spark makes of analytic functions, for tests/spark/over.jsonl.

    venv/bin/python tests/spark/over.py > tests/spark/over.jsonl        (venv with pyspark==4.3.*, Java 17 or later)

The first line holds the rows of table `t`; times of a key differ. Each line after it holds an expression with OVER w as SQL text, and its value, cast to
STRING, for each row by its number `n`; w is PARTITION BY g ORDER BY ts, with the
frame ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW except for lag, which has none. ANSI mode, session time zone UTC.
"""

import json

from recorder import session

# n, g, ts (seconds), l, i, d, s, b
N, NAN, INF = None, float("nan"), float("inf")
ROWS = [
    (1, "a", 10, 5, 1, 1.5, "x", True),
    (2, "b", 11, N, N, N, N, N),
    (3, "a", 12, 7, -2, NAN, "x", True),
    (4, N, 12, 1, 9, 0.1, "n", False),
    (5, "a", 13, N, 3, 0.25, N, N),
    (6, "b", 14, -3, 2147483647, -0.0, "", True),
    (7, "a", 15, 7, 3, INF, "größe", False),
    (8, N, 16, 2, 9, 0.2, "n", False),
    (9, "c", 17, 9223372036854775806, 1, 1e300, "c", True),
    (10, "b", 18, 0, 2147483647, 0.0, "z", False),
    (11, "a", 19, 2, 0, -1.5, "y", N),
    (12, "c", 20, 1, 1, 1e-300, "c", True),
    (13, N, 21, 3, -9, 0.3, N, True),
    (14, "b", 22, N, N, 2.5, N, N),
    (15, "a", 3600, -1, 5, N, "x", True),
]

FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
COLUMNS = ["l", "i", "d", "s", "b", "ts"]


def expressions():
    yield "row_number()"
    for x in COLUMNS:
        yield f"lag({x})"
        yield f"lag({x}, 2)"
        yield f"lag({x}, 0)"
        for function in ["count", "min", "max", "first_value", "last_value", "first", "last"]:
            yield f"{function}({x})"
        yield f"lag({x}) IGNORE NULLS"
        yield f"lag({x}, 2) IGNORE NULLS"
        yield f"first_value({x}) IGNORE NULLS"
        yield f"last_value({x}) IGNORE NULLS"
        yield f"last_value({x}, true)"
    for x in ["l", "i", "d"]:
        yield f"sum({x})"
        yield f"avg({x})"
        yield f"lag({x}, 1, 0)"
        yield f"lag({x} + 1, 1, -1)"
        yield f"sum({x} * 2)" if x == "d" else f"sum(CAST({x} AS DOUBLE))"
    yield "lag(s, 1, 'none')"
    yield "lag(concat(s, '!'), 3, g)"
    yield "count(*)"
    yield "count(l, d)"
    yield "count(1)"


def main():
    spark = session()
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    table = spark.createDataFrame(ROWS, "n INT, g STRING, ts BIGINT, l BIGINT, i INT, d DOUBLE, s STRING, b BOOLEAN")
    table.selectExpr("n", "g", "timestamp_seconds(ts) AS ts", "l", "i", "d", "s", "b").createOrReplaceTempView("t")
    shown = [[repr(cell) if isinstance(cell, float) else cell for cell in row] for row in ROWS]
    print(json.dumps({"rows": shown}, ensure_ascii=False))
    for expression in expressions():
        frame = "" if expression.startswith("lag") else FRAME
        sql = f"SELECT n, CAST(x AS STRING) AS x FROM (SELECT n, {expression} OVER w AS x FROM t WINDOW w AS (PARTITION BY g ORDER BY ts {frame}))"
        line = {"over": expression}
        try:
            line["values"] = [row.x for row in spark.sql(f"{sql} ORDER BY n").collect()]
        except Exception as error:
            line["error"] = str(error).split("\n")[0][:120]
        print(json.dumps(line, ensure_ascii=False))
    spark.stop()


main()
