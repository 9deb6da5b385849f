"""Records how Spark's JSON reader fills arrays, maps, structs, binary and dates: run with PySpark 4.3 and Java 17.

    venv/bin/python tests/spark/generate_nested.py > tests/spark/json_nested.jsonl

One payload a line: `column` (DDL of the one column beside `k STRING`), `input`, and `row`: what to_json made of the row that Spark read.
Each payload is a file of its own.
"""

import json
import os
import shutil
import sys
import tempfile

from pyspark.sql import SparkSession

COLUMNS = {
    "v ARRAY<INT>": ["[1,2]", "[]", "[1,null]", "[1,\"x\"]", "[1,2.5]", "[1,[2]]", "{\"a\":1}", "1", "\"[1]\"", "null", "[1,99999999999]", "[ 1 , 2 ]", "[true]", "[NaN]"],
    "v ARRAY<STRING>": ["[\"a\",1,true,null,{\"x\": 1},[1 ,2]]", "[]", "[1.50,1e3]", "\"a\""],
    "v ARRAY<DOUBLE>": ["[1,2.5,\"NaN\",NaN,\"Infinity\"]", "[\"1.5\"]", "[null,1e400]"],
    "v ARRAY<ARRAY<INT>>": ["[[1],[]]", "[[1],null]", "[[1],2]", "[[1,\"x\"]]"],
    "v MAP<STRING, DOUBLE>": ["{\"a\":1,\"b\":2.5}", "{}", "{\"a\":null}", "{\"a\":\"x\"}", "{\"a\":1,\"b\":\"x\"}", "{\"a\":1,\"a\":2}", "[1]", "1", "null", "{\"a\":\"NaN\"}", "{\"\\u00e9\":1}", "{\"a\":{\"b\":1}}", "{'a':1}"],
    "v MAP<STRING, STRUCT<t: DOUBLE, u: STRING>>": ["{\"x\":{\"t\":1.5,\"u\":\"C\"}}", "{\"x\":{\"t\":\"bad\",\"u\":\"C\"}}", "{\"x\":1}", "{\"x\":{}}", "{\"x\":null}", "{\"x\":{\"t\":1,\"z\":5}}", "{\"x\":{\"t\":1},\"y\":{\"t\":2}}", "{\"x\":{\"t\":1},\"y\":[]}"],
    "v STRUCT<x: INT, y: ARRAY<INT>>": ["{\"x\":1,\"y\":[2]}", "{\"x\":\"a\",\"y\":[2]}", "{\"x\":1,\"y\":[2,\"a\"]}", "{\"x\":1,\"y\":5}", "{}", "[1]", "null", "{\"X\":1}", "{\"x\":1,\"x\":2}", "{\"x\":1,\"x\":\"a\"}", "\"s\"", "{\"y\":null,\"q\":{\"r\":[1]}}"],
    "v ARRAY<STRUCT<a: INT, b: BOOLEAN>>": ["[{\"a\":1,\"b\":true}]", "[{\"a\":1},{\"b\":false}]", "[{\"a\":\"x\"}]", "[{\"a\":1},5]", "[null]", "{\"a\":1}", "[[{\"a\":1}]]"],
    "v BINARY": ["\"YWJj\"", "\"\"", "\"YQ==\"", "\"!\"", "\"YQ\"", "1", "null", "[1]"],
    "v DATE": ["\"2026-01-02\"", "\"2026-1-2\"", "\"2026-01-02T03:04:05Z\"", "\"x\"", "5", "\"\"", "null", "\"2026\"", "\"2026-02-30\""],
    "v MAP<STRING, TIMESTAMP>": ["{\"a\":\"2026-01-02T03:04:05Z\",\"b\":5}", "{\"a\":\"x\"}"],
}


def main():
    spark = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").config("spark.driver.memory", "1g").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    folder = tempfile.mkdtemp()
    for column, values in COLUMNS.items():
        for number, value in enumerate(values):
            text = '{"v":%s,"k":"after"}' % value
            path = os.path.join(folder, f"{abs(hash(column))}-{number}.json")
            with open(path, "w") as out:
                out.write(text)
            rows = spark.read.schema(f"{column}, k STRING").json(path).selectExpr("to_json(struct(*))").collect()
            print(json.dumps({"column": column, "input": text, "row": rows[0][0]}, ensure_ascii=False), flush=True)
    for sql in ["SELECT map('a', 1) AS m, count(*) FROM range(2) GROUP BY map('a', 1)", "SELECT DISTINCT map('a', 1)", "SELECT * FROM (SELECT map('a', 1) AS m) ORDER BY m", "SELECT count(DISTINCT m) FROM (SELECT map('a', 1) AS m)", "SELECT max(a) FROM VALUES (array(1)), (array(2)) AS t(a)",
                "SELECT min(s), max(s) FROM VALUES (struct(1, 'b')), (struct(1, 'a')) AS t(s)", "SELECT a, count(*) FROM VALUES (array(1)), (array(1)), (NULL) AS t(a) GROUP BY a", "SELECT transform(a, x -> x + 1) FROM VALUES (array(1)) AS t(a)", "SELECT filter(a, (x, i) -> x > i) FROM VALUES (array(1)) AS t(a)",
                "SELECT a[0], a.b, m['k'], (1, 2), struct(1 AS x) FROM VALUES (array(1), struct(1 AS b), map('k', 1)) AS t(a2, a, m)"]:
        try:
            frame = spark.sql(sql)
            print(sql, "=>", frame.columns, frame.collect(), file=sys.stderr)
        except Exception as error:
            print(sql, "=>", getattr(error, "getCondition", lambda: error)(), file=sys.stderr)
    shutil.rmtree(folder)
    spark.stop()


if __name__ == "__main__":
    main()
