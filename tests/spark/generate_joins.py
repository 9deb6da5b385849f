"""Records what Spark makes of joins, for tests/spark/joins.jsonl and tests/spark/stream_joins.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/generate_joins.py tests/spark

The first file begins with the tables; each further line holds a query over them, its columns, and its rows or Spark's error class. The second holds
a case a line: the query over the streams `l` and `r`, and for each step the rows of both that came and those that Spark gave. A step is one batch with
data and the ones without that follow: the files of both sides are put there between two triggers. ANSI mode, time zone UTC. Needs Java 17.
"""

import json
import os
import sys
import tempfile
import time

os.environ["TZ"] = "UTC"
time.tzset()

from pyspark.sql import SparkSession

# NULL and NaN keys, keys that come twice on both sides, keys of one side only.
TABLES = {
    "a": (
        "k STRING, i INT, d DOUBLE, v BIGINT",
        [
            {"k": "x", "i": 1, "d": 1.5, "v": 10},
            {"k": "x", "i": 2, "d": 0.0, "v": 11},
            {"k": "y", "i": 2, "d": "NaN", "v": 12},
            {"i": 3, "d": -0.0, "v": 13},
            {"k": "z", "v": 14},
            {"k": "", "i": 1, "d": "Infinity"},
        ],
    ),
    "b": (
        "k STRING, i BIGINT, d DOUBLE, w STRING",
        [
            {"k": "x", "i": 1, "d": -0.0, "w": "p"},
            {"k": "x", "i": 3, "d": "NaN", "w": "q"},
            {"k": "q", "i": 2, "d": 1.5, "w": "r"},
            {"i": 2, "w": "s"},
            {"k": "y", "d": "NaN"},
            {"k": "Y", "i": 1, "d": "-Infinity", "w": "12"},
        ],
    ),
    "nobody": ("k STRING, i INT, w STRING", []),
    "numbers": ("n STRING, m DOUBLE", [{"n": "1", "m": 1.0}, {"n": "2.0", "m": 2.0}, {"n": " 3 ", "m": 3.0}, {"m": 2.5}]),
}

KINDS = ["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI", "LEFT ANTI"]
CONDITIONS = [
    "a.k = b.k",
    "a.k <=> b.k",
    "a.i = b.i",
    "a.d = b.d",
    "a.d <=> b.d",
    "a.k = b.k AND a.i = b.i",
    "a.k = b.k AND a.i <=> b.i",
    "a.k = b.k AND a.i < b.i",
    "a.k = b.k AND b.w > 'p'",
    "a.k = b.k AND a.v > 10",
    "upper(a.k) = upper(b.k)",
    "a.i + 1 = b.i",
    "a.i = b.i AND a.k <> b.k",
    "a.i < b.i",
    "a.k = b.k OR a.i = b.i",
    "a.v BETWEEN 10 AND 11 AND b.i = 2",
    "true",
    "false",
    "CAST(NULL AS BOOLEAN)",
]


def batch_queries():
    for kind in KINDS:
        wanted = "a.v, a.k AS ak" if kind.startswith("LEFT ") else "a.v, a.k AS ak, b.k AS bk, b.i AS bi, b.w"
        for condition in CONDITIONS:
            yield f"SELECT {wanted} FROM a {kind} JOIN b ON {condition}"
        both = "" if kind.startswith("LEFT ") else ", w"
        yield f"SELECT k, v{both} FROM a {kind} JOIN b USING (k)"
        yield f"SELECT k, i, v{both} FROM a {kind} JOIN b USING (k, i)"
        yield f"SELECT * FROM a NATURAL {kind} JOIN nobody"
        yield f"SELECT * FROM nobody NATURAL {kind} JOIN a"
        yield f"SELECT a.v FROM a {kind} JOIN (SELECT k FROM b WHERE w IS NOT NULL GROUP BY k) AS g ON a.k = g.k"
        yield f"SELECT l.v FROM a AS l {kind} JOIN a AS r ON l.i = r.i AND l.v <> r.v"
        yield f"SELECT l.k, l.i FROM nobody AS l {kind} JOIN nobody AS r ON l.k = r.k"
        yield f"SELECT l.m FROM numbers AS l {kind} JOIN a AS r ON l.n = r.i"
        yield f"SELECT l.m FROM numbers AS l {kind} JOIN a AS r ON l.m = r.i"
    yield "SELECT a.v, b.w FROM a CROSS JOIN b"
    yield "SELECT a.v, b.w FROM a, b WHERE a.k = b.k"
    yield "SELECT a.v, b.w, c.w AS cw FROM a JOIN b ON a.k = b.k JOIN b AS c ON c.i = a.i"
    yield "SELECT a.v, b.w, c.w AS cw FROM a LEFT JOIN b ON a.k = b.k LEFT JOIN b AS c ON c.i = b.i"
    yield "SELECT a.v, b.w FROM a LEFT JOIN b ON a.k = b.k WHERE b.w IS NULL"
    yield "SELECT a.v, b.w FROM a LEFT JOIN b ON a.k = b.k WHERE b.i > 0"
    yield "SELECT k, a.k AS ak, b.k AS bk FROM a FULL JOIN b USING (k)"
    yield "SELECT k, count(*) AS n FROM a FULL JOIN b USING (k) GROUP BY k"
    yield "SELECT a.k, count(b.w) AS n, sum(b.i) AS s FROM a LEFT JOIN b ON a.k = b.k GROUP BY a.k"
    yield "SELECT v FROM a WHERE k IN (SELECT k FROM b)"
    yield "SELECT v FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.i > a.i)"
    yield "SELECT * FROM a JOIN b ON a.k = b.k AND k = 'x'"
    yield "SELECT * FROM a JOIN b USING (w)"
    yield "SELECT * FROM a JOIN b ON a.v"
    yield "SELECT v FROM a JOIN b ON a.k = b.k AND sum(v) > 1"
    yield "SELECT a.v FROM a JOIN b ON a.k = b.i"


def row_json(row):
    return json.loads(row)


def batch(spark, out):
    print(json.dumps({"tables": {name: {"schema": schema, "rows": rows} for name, (schema, rows) in TABLES.items()}}), file=out)
    for name, (schema, rows) in TABLES.items():
        lines = spark.sparkContext.parallelize([json.dumps(row) for row in rows], 1)
        rows = spark.read.schema(schema).json(lines).collect()
        spark.createDataFrame(rows, schema).createOrReplaceTempView(name)
    for sql in batch_queries():
        line = {"sql": sql}
        try:
            frame = spark.sql(sql)
            line["columns"] = [f"{name} {kind}" for name, kind in frame.dtypes]
            unique = frame.toDF(*[f"c{index}" for index in range(len(frame.columns))])
            line["rows"] = [list(cells(row)) for row in unique.collect()]
        except Exception as error:
            line["error"] = getattr(error, "getCondition", lambda: None)() or type(error).__name__
            line.pop("columns", None)
        print(json.dumps(line), file=out, flush=True)


def cells(row):
    for value in row:
        if isinstance(value, float):
            yield repr(value)
        else:
            yield value


def at(seconds):
    return f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}.000Z"


def event(key, seconds, value):
    row = {"v": value}
    if key is not None:
        row["k"] = key
    if seconds is not None:
        row["ts"] = at(seconds)
    return row


BOTH = "SELECT l.k AS lk, l.v AS lv, r.k AS rk, r.v AS rv FROM l WATERMARK ts DELAY OF INTERVAL 10 SECONDS {kind} JOIN r WATERMARK ts DELAY OF INTERVAL 20 SECONDS ON {on}"
RANGE = "l.k = r.k AND r.ts BETWEEN l.ts - INTERVAL 5 SECONDS AND l.ts + INTERVAL 30 SECONDS"
STEPS = [
    ([("a", 10, 1), ("b", 12, 2), (None, 13, 3), ("x", 14, 4)], [("a", 12, 101), ("a", 41, 102), (None, 13, 103), ("y", 15, 104)]),
    ([("a", 11, 5), ("b", 60, 6)], [("b", 40, 105), ("b", 43, 106), ("a", 40, 107)]),
    ([("c", 90, 7), ("a", 40, 8)], [("c", 130, 108), ("z", 131, 109), ("a", 45, 110)]),
    ([("d", 150, 9)], []),
    ([], [("d", 150, 111), ("d", 145, 112), ("d", 144, 113)]),
    ([("e", 300, 10)], [("e", 310, 114), ("d", 200, 115)]),
    ([("e", 301, 11), (None, None, 12)], [("e", 500, 116), (None, None, 117)]),
    ([("f", 600, 13)], [("f", 600, 118)]),
]


def stream_cases():
    for kind in ["INNER", "LEFT", "RIGHT", "FULL"]:
        yield f"{kind} with a range", BOTH.format(kind=kind, on=RANGE)
    yield "INNER without a range", BOTH.format(kind="INNER", on="l.k = r.k")
    yield "LEFT SEMI with a range", BOTH.format(kind="LEFT SEMI", on=RANGE).replace(", r.k AS rk, r.v AS rv", "")
    for kind in ["LEFT", "FULL"]:
        yield f"{kind} by equal times", BOTH.format(kind=kind, on="l.k = r.k AND l.ts = r.ts")
    yield "LEFT with null-safe keys", BOTH.format(kind="LEFT", on=RANGE.replace("l.k = r.k", "l.k <=> r.k"))


def streams(spark, out):
    schema = "k STRING, ts TIMESTAMP, v BIGINT"
    for number, (name, sql) in enumerate(stream_cases()):
        with tempfile.TemporaryDirectory() as root:
            for side in "lr":
                os.mkdir(f"{root}/{side}")
            case = {"name": name, "sql": sql, "steps": []}
            for side in "lr":
                spark.readStream.schema(schema).json(f"{root}/{side}").createOrReplaceTempView(side)
            rows = []
            query = spark.sql(sql).writeStream.outputMode("append").option("checkpointLocation", f"{root}/checkpoint")
            query = query.trigger(processingTime="1 second")
            query = query.foreachBatch(lambda frame, _: rows.extend(frame.toJSON().collect())).start()
            query.processAllAvailable()
            for step, sides in enumerate(STEPS):
                came = {side: [event(*row) for row in rows] for side, rows in zip("lr", sides)}
                for side, given in came.items():
                    with open(f"{root}/{side}.json", "w") as file:
                        file.writelines(json.dumps(row) + "\n" for row in given)
                # Triggers come at whole seconds.
                time.sleep((1.3 - time.time() % 1) % 1)
                for side in "lr":
                    if came[side]:
                        os.rename(f"{root}/{side}.json", f"{root}/{side}/{step}.json")
                query.processAllAvailable()
                case["steps"].append({**came, "expected": sorted((json.loads(row) for row in rows), key=json.dumps)})
                rows.clear()
            query.stop()
            print(json.dumps(case), file=out, flush=True)
            print(name, file=sys.stderr)


def main(directory, what):
    builder = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.driver.memory", "512m")
    builder = builder.config("spark.sql.shuffle.partitions", "1").config("spark.ui.enabled", "false").config("spark.default.parallelism", "1")
    # Small tables: compiling their plans would take longer than running them.
    builder = builder.config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    builder = builder.config("spark.sql.adaptive.enabled", "false").config("spark.sql.autoBroadcastJoinThreshold", "-1")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    if "streams" in what:
        with open(f"{directory}/stream_joins.jsonl", "w") as out:
            streams(spark, out)
    if "batch" in what:
        with open(f"{directory}/joins.jsonl", "w") as out:
            batch(spark, out)
    spark.stop()


main(sys.argv[1], sys.argv[2:] or ["streams", "batch"])
