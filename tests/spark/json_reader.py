"""Records how Spark reads and writes JSON: run with PySpark 4.3 and Java 17, from the root of the repository.

    python tests/spark/json_reader.py

writes tests/spark/json_reader.jsonl (one payload a line: schema, input, the rows Spark read) and
tests/spark/json_writer.jsonl (one row a line: an expression, what to_json made of it).
Each payload is a file of its own, so that its rows are known; bytes that are not UTF-8 are given in hex.
"""
import json
import os
import shutil
import tempfile

from pyspark.sql import SparkSession

HERE = os.path.dirname(os.path.abspath(__file__))
NUMBERS = "s string, l bigint, i int, d double, f float, b boolean"
NESTED = "a struct<x: double, y: bigint, z: struct<w: string>>, b bigint"

# Every value is tried for every type: {"s":V,"l":V,...}.
VALUES = r'''
0 -0 -0.0 0.0 1 -1 01 -01 +1 .5 5. -.5 1e2 1E2 1e+2 1e-2 1e 1e+ 1.5e3 1.e3 - 1.5 1.0 21.500
2147483647 2147483648 -2147483648 -2147483649 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
123456789012345678901234567890 1e400 -1e400 1e-400 4.9e-324 1.7976931348623157e308 0.1234567890123456789012345678901234567890
16777217 16777217.0 3.4028236e38 9007199254740993 9007199254740993.0 0.30000001192092896 1.00000005960464477540
NaN -NaN Infinity -Infinity +Infinity INF +INF -INF nan inf NaNx Infinityx
"NaN" "Infinity" "-Infinity" "+Infinity" "INF" "+INF" "-INF" "nan" "inf" 'NaN' "NaN\u0020" "" " " "1" "1.5" "true" "x"
true false null True TRUE nul truex tru "true" {} [] {"x":1} [1,2] {"x":[1,{"y":"z"}],"q":null} { "x" : 1 , "y":[ 1 , 2.50 ] } ["a"] [tru] {"x"} {"x":} {x:1} [1,] {"x":1,} [,] {,}
0x10 1_000 1d 1f 1L "a"b 'a' 'a"b' "a'b" 'a\'b' "a\'b" 'a\"b'
"\n" "\t\r\b\f\/\\\"" "\u00e9" "\u00E9" "\ud83d\ude00" "\ud83d" "\ude00" "\ud83dx" "\u0000" "\u00g0" "\u00" "\x" "\a" "é😀" "a	b"
'''.split("\n")


def values():
    for line in VALUES:
        if not line.strip():
            continue
        # Values that hold blanks stand alone between two blanks of their own below.
        yield from split_values(line)


def split_values(line):
    out, depth, quote, text, i = [], 0, "", "", 0
    while i < len(line):
        c = line[i]
        if quote:
            text += c
            if c == "\\" and i + 1 < len(line):
                i += 1
                text += line[i]
            elif c == quote:
                quote = ""
        elif c in "\"'":
            quote = c
            text += c
        elif c in "{[":
            depth += 1
            text += c
        elif c in "}]":
            depth -= 1
            text += c
        elif c == " " and depth == 0:
            if text:
                out.append(text)
            text = ""
        else:
            text += c
        i += 1
    if text:
        out.append(text)
    return out


STRUCTURE = r'''
{}
{ }
null
5
"x"
true
[]
[ ]
[{}]
[{"s":"a","l":1},{"s":"b","l":2}]
 [ {"s":"a","l":1} , {"s":"b","l":2} ] 
[{"s":"a","l":1},{"s":"b","l":"x"}]
[{"s":"a","l":1},5]
[{"s":"a","l":1},null]
[5,{"s":"a","l":1}]
[{"s":"a","l":1},[{"s":"b"}]]
[{"s":"a","l":1},{"s":"b"
[{"s":"a","l":1},]
[{"s":"a","l":1}
[{"s":"a","l":1}]x
[{"s":"a"}{"s":"b"}]
{"s":"a"
{"s":"a"}x
{"s":"a"}}
{"s":"a"} {"s":"b"}
{"s":"a"},{"s":"b"}
{"s":"a",}
{,"s":"a"}
{"s":"a" "l":1}
{"s" "a"}
{"s":"a","l"}
{"s":"a","l":}
{"s":"a":"l"}
{"s":"a";"l":1}
{s:"a"}
{'s':'a','l':1}
{'s":"a"}
{"S":"a","L":1}
{"s":"a","s":"b"}
{"l":1,"l":2}
{"l":1,"l":"x"}
{"l":1,"l":null}
{"l":"x","l":1}
{"s":"a","s":null}
{"\u0073":"a","\u006c":1}
{"s\u0000":"a"}
{"":"a","s":"b"}
{ "s" : "a" , "l" : 1 }
	{	"s"	:	"a"	}	
{"s":"a","q":tru}
{"s":"a","q":"\x"}
{"s":"a","q":"\u12"}
{"s":"a","q":[1,2}
{"s":"a","q":{"x":1]}
{"s":"a","q":01}
{"s":"a","q":NaN}
{"s":"a","q":"open
{"s":"a","q":1}
{"s":"\x,"l":5}
{"l":1,"s":"a\qb"}
{"s":"a"/*c*/}
{"s":"a"} // c
#c
{"s":"a"}#c
}
]
{
[
{"
{"s
{"s"
{"s":
{"s":"
{"s":"a\
x
not json
﻿{"s":"bom"}
{"s":1.0,"l":1.0,"i":1.0}
{"s":-0,"d":-0,"f":-0}
{"s":{"b":1, "a":[1 ,2]},"l":1}
{"s":{'q':'r'},"l":1}
{"s":["\u00e9","é"],"l":1}
{"s":{"b":NaN},"l":1}
'''.split("\n")

NESTED_LINES = r'''
{"a":{"x":1,"y":2,"z":{"w":"q"}},"b":3}
{"a":{"y":2},"b":3}
{"a":{},"b":3}
{"a":null,"b":3}
{"a":5,"b":3}
{"a":"t","b":3}
{"a":"","b":3}
{"a":[{"x":1}],"b":3}
{"a":{"x":1},"a":{"y":2},"b":3}
{"a":{"x":1},"a":null,"b":3}
{"a":{"x":1},"a":5,"b":3}
{"a":{"x":"bad","y":2},"b":3}
{"a":{"x":1},"a":{"x":"bad","y":2},"b":3}
{"a":{"y":2,"z":{"w":5}},"b":"bad"}
{"a":{"z":{"w":{"k":1}}},"b":3}
{"a":{"z":5,"x":1},"b":3}
{"a":{"x":1,"x":2,"x":"bad"},"b":3}
{"b":3,"a":{"x":1}
{"b":3,"a":{"x":1}}}
'''.split("\n")

TIMES = '''
2026-01-01T00:00:00Z|2026-01-01T00:00:00.123Z|2026-01-01T00:00:00.123456789Z|2026-01-01 00:00:00|2026-01-01 00:00:00.5|2026-01-01T00:00:00+02:00
2026-01-01T00:00:00+0200|2026-01-01T00:00:00+02|2026-01-01T00:00:00+2|2026-01-01T00:00:00+2:30|2026-01-01T00:00:00+02:3|2026-01-01T00:00:00-18:00|2026-01-01T00:00:00+18:01|2026-01-01T00:00:00+02:00:30|2026-01-01T00:00:00+020030
2026-01-01T00:00:00 UTC|2026-01-01T00:00:00UTC|2026-01-01T00:00:00 Europe/Berlin|2026-07-01T00:00:00Europe/Berlin|2026-01-01T00:00:00 GMT+2|2026-01-01T00:00:00 UTC+02:00|2026-01-01T00:00:00 UT|2026-01-01T00:00:00 EST|2026-01-01T00:00:00 PST|2026-01-01T00:00:00 Nowhere/City|2026-01-01T00:00:00 utc|2026-01-01T00:00:00z|2026-01-01T00:00:00 europe/berlin
2026-03-29T02:30:00 Europe/Berlin|2026-10-25T02:30:00 Europe/Berlin
2026|2026-01|2026-1|2026-1-1|2026-01-01|2026-01-01T|2026-01-01T1|2026-01-01T01|2026-01-01T01:02|2026-01-01T1:2:3|2026-01-01 1:2:3.|2026-01-01T01:02Z|2026-01-01T01Z|2026-01-01Z|2026-01-01T01:02:03.Z
2026-13-01|2026-02-29|2024-02-29|2026-01-32|2026-00-01|2026-01-00|2026-01-01T24:00:00|2026-01-01T23:59:60|2026-01-01T23:60:00
0001-01-01T00:00:00Z|0000-01-01T00:00:00Z|-0001-01-01T00:00:00Z|+2026-01-01T00:00:00Z|10000-01-01T00:00:00Z|+10000-01-01T00:00:00Z|294247-01-10T04:00:54.775807Z|294247-01-10T04:00:54.775808Z|-290308-12-21T19:59:05.224192Z|-290309-12-21T19:59:05.224192Z|999999-01-01|1000000-01-01|206-01-01|26-01-01
 2026-01-01T00:00:00Z| 2026-01-01 |2026-01-01T00:00:00Z |2026-01-01t00:00:00Z|2026-01-01  00:00:00|2026/01/01|20260101|2026-01-01T00:00:00,5|x|2026-01-01T00:00:00.|2026-01-01T00:00:00.1234567|1767225600|1767225600000|2026-001|12345-01-01||1969-12-31T23:59:59.999999Z
2026-01-01T00:00:00.12+01:00|2026-01-01T00:00:00.123456 +01:00|2026-01-01T00:00:00 +01:00|2026-01-01T00:00:00  Z|2026-01-01T00:00:00Z[UTC]|2026-01-01T00:00:00+01:00[Europe/Berlin]|2026-01-01T00:00:00-00:00|2026-01-01T00:00:00+00|2026-01-01T00:00:00Zx|Thu, 01 Jan 2026 00:00:00 GMT|2026-01-01T00:00:00-2|2026-01-01T00:00:00+9:5
'''.strip("\n").split("\n")

TIME_TOKENS = ["0", "1767225600", "-1", "1767225600.5", "1.0", "1e3", "9223372036854", "9223372036855", "99999999999999999999", "NaN", "true", "null", "{}"]


def reader_cases():
    for value in values():
        yield NUMBERS, "{" + ",".join(f'"{name}":{value}' for name in "slidfb") + "}"
        yield NUMBERS, f'{{"s":"before","d":{value},"l":7}}'
    for line in STRUCTURE:
        yield NUMBERS, line
    for line in NESTED_LINES:
        if line:
            yield NESTED, line
    for line in TIMES:
        for text in line.split("|"):
            yield "t timestamp, l bigint", json.dumps({"t": text, "l": 7}, ensure_ascii=False)
    for token in TIME_TOKENS:
        yield "t timestamp, l bigint", f'{{"t":{token},"l":7}}'
    for raw in (b'{"s":"a\xffb","l":1}', b'{"s":"\xc3","l":1}', b'{"s":"\xed\xa0\x80","l":1}', b'{"q":"\xff","l":1}', b'{"s":"a","l":1}\xff',
                b'{"s":"\xc0\x80","l":1}', b'{"s":"\xf4\x90\x80\x80","l":1}', b'{"s":"\x01","l":1}', b'{"q":"\x01","l":1}', b'{"s":"\x7f","l":1}',
                b'\x00{"s":"a"}', b'{"s":"a",\x0c"l":1}', b'{"s":"a",\xc2\xa0"l":1}', b'{"\xff":1,"l":1}'):
        yield NUMBERS, raw


def read(spark, folder, schema, line):
    path = os.path.join(folder, "case.json")
    with open(path, "wb") as file:
        file.write(line if isinstance(line, bytes) else line.encode("utf-8"))
    table = spark.read.schema(schema).json(path)
    if "timestamp" in schema:
        table = table.selectExpr("unix_micros(t) AS t", "l")
    rows = table.selectExpr("to_json(struct(*), map('ignoreNullFields','false')) AS j").collect()
    return [row[0] for row in rows]


DOUBLES = ["0", "-0.0", "1", "1.5", "100", "123456.789", "0.001", "0.00099", "9999999", "10000000", "12345678.9", "1e21", "1e-7", "0.1", "1e22", "1e23", "4.9e-324",
           "1.7976931348623157e308", "3.141592653589793", "20.6", "-41.4", "2e-3", "NaN", "Infinity", "-Infinity", "1234567890123", "0.3", "2.2250738585072014E-308", "9007199254740993"]
FLOATS = ["0", "1.1", "16777216", "0.001", "1e10", "3.4028235e38", "1.4e-45", "0.3", "NaN"]
STRINGS = ["'a'", "''", "'é😀'", "'\"'", r"'\\'", "'/'", "concat('a', chr(10), chr(13), chr(9), chr(8), chr(12), 'b')", "concat(chr(1), chr(31), chr(127), chr(0))", "'<>&'", "'\u2028\u0085'"]
STAMPS = ["0", "1767225600000000", "1767225600123456", "1767225600123999", "-1", "-999", "-1000", "253402300799999999", "253402300800000000", "-62135596800000000", "-62135596800000001", "-62167219200000001", "9223372036854775807"]
ROWS = ["named_struct('a', 1, 'b', CAST(NULL AS INT), 'c', 'x')", "named_struct('a', CAST(NULL AS INT))", "named_struct('w', named_struct('s', CAST(NULL AS INT), 'e', 1), 'n', 2)",
        "named_struct('w', named_struct('s', CAST(NULL AS INT)), 'n', 2)", "named_struct('w', CAST(NULL AS STRUCT<s: INT>), 'n', 2)", "named_struct('a b', true, '\"q\"', false)",
        "named_struct('l', 9223372036854775807L, 'i', -2147483648)", "named_struct('d', DATE'2026-01-01', 'e', DATE'0001-01-01', 'f', DATE'+10000-01-01', 'g', DATE'-0001-01-01')"]


def writer_cases():
    yield from (f"named_struct('v', CAST('{text}' AS DOUBLE))" for text in DOUBLES)
    yield from (f"named_struct('v', CAST('{text}' AS FLOAT))" for text in FLOATS)
    yield from (f"named_struct('v', {text})" for text in STRINGS)
    yield from (f"named_struct('v', timestamp_micros({text}))" for text in STAMPS)
    yield from ROWS


def main():
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
             .config("spark.driver.memory", "800m").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    folder = tempfile.mkdtemp(prefix="json_reader")
    with open(os.path.join(HERE, "json_reader.jsonl"), "w", encoding="utf-8") as out:
        seen = set()
        for schema, line in reader_cases():
            if (schema, line) in seen:
                continue
            seen.add((schema, line))
            case = {"schema": schema}
            case["hex" if isinstance(line, bytes) else "input"] = line.hex() if isinstance(line, bytes) else line
            try:
                case["rows"] = read(spark, folder, schema, line)
            except Exception as error:
                case["error"] = str(error).split("\n")[0][:200]
            out.write(json.dumps(case, ensure_ascii=False) + "\n")
    with open(os.path.join(HERE, "json_writer.jsonl"), "w", encoding="utf-8") as out:
        for expression in writer_cases():
            try:
                row = spark.sql(f"SELECT to_json({expression}) AS j").collect()[0][0]
            except Exception as error:
                row = "ERROR " + str(error).split("\n")[0][:200]
            out.write(json.dumps({"expression": expression, "json": row}, ensure_ascii=False) + "\n")
    shutil.rmtree(folder)
    spark.stop()


main()
