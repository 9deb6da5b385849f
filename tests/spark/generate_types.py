"""Records casts between all types, comparisons and orders of all types, and types that meet, for tests/spark/types.jsonl.

    venv/bin/python tests/spark/generate_types.py > tests/spark/types.jsonl

The lines are those of generate_collections.py, which says how to make the environment.
"""

import json
import logging
import sys

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from generate_collections import encode, record

# Expressions that are asked for together; where one of them fails, each half again.
TOGETHER = 16

INTS = ["0", "1", "-1", "2147483647", "-2147483648", "65", "CAST(NULL AS INT)"]
BIGINTS = ["0L", "-7L", "2147483648L", "-2147483649L", "9223372036854775807L", "-9223372036854775808L", "253402300800L", "16777217L", "9007199254740993L"]
FLOATS = ["float('1.5')", "float('-0.0')", "float('NaN')", "float('Infinity')", "float('3.4028235E38')", "float('1.4E-45')", "float('2.14748365E9')", "float('0.1')", "float('1.0E10')"]
DOUBLES = ["1.5D", "-1.5D", "-0.0D", "0.5D", "double('NaN')", "double('Infinity')", "double('-Infinity')", "2147483647.9D", "-2147483648.9D", "2147483648D", "9223372036854775807D", "9.3E18D", "-9.3E18D", "1e-5D", "123456789.125D", "1e7D", "1e308D", "4.9E-324D", "0.1D",
           "1.7976931348623157E308D"]
TEXTS = ["", " ", " 12 ", "\\t5\\n", "abc", "1.5", "-1.5e3", "1e3", ".5", "5.", "+7", "-0", "0x1F", "1_000", "1,5", "NaN", "nan", "Infinity", "-Infinity", "inf", "+inf", "1d", "1f", "1L", "9223372036854775807", "9223372036854775808", "2147483648", "-2147483649", "00012", "--1", "1e400", "1e-400",
         "true", "TRUE", " tRue ", "t", "yes", "y", "1", "0", "false", "f", "no", "n", "on", "off", "2",
         "2026-01-31", "2026-1-3", "2026-02-29", "2024-02-29", "2026", "2026-05", "2026-01-31 12:34:56.789", "2026-01-31T12:34:56Z", "2026-01-31 12:34", "2026-01-31 12", "2026-01-31 12:34:56.1234567", "2026-01-31 12:34:56+02:00", "2026-01-31 12:34:56 Europe/Berlin", "2026-01-31 24:00:00", "2026-01-31 12:60:00",
         "12:34:56", "T12:34", "10000-01-01", "+10000-01-01", "-0001-01-01", "0000-01-01", "20260131", "2026-01-31x", "2026-01-31 x", " 2026-01-31 ", "epoch", "now", "1767225600", "31.01.2026", "2026/01/31", "2026-13-01", "2026-01-32",
         "1 02:03:04", "1 02:03:04.5", "INTERVAL \\'1 02:03:04\\' DAY TO SECOND", "-1 02:03:04", "+1 02:03:04", "1 24:00:00", "1", "106751991 04:00:54.775807", "106751992 00:00:00", "interval 1 day", "größe", "日本"]
OTHERS = ["true", "false", "CAST(NULL AS BOOLEAN)",
          "DATE '1970-01-01'", "DATE '1969-12-31'", "DATE '9999-12-31'", "DATE '0001-01-01'", "CAST(NULL AS DATE)",
          "TIMESTAMP '1970-01-01 00:00:00'", "TIMESTAMP '1969-12-31 23:59:59.999999'", "TIMESTAMP '2026-01-31 12:34:56.780'", "TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '2038-01-19 03:14:08'",
          "X''", "X'31'", "X'00FF'", "X'C3B6'", "CAST(NULL AS BINARY)",
          "CAST(INTERVAL '1 02:03:04.5' DAY TO SECOND AS INTERVAL DAY TO SECOND)", "CAST(INTERVAL '-0 00:00:01.5' DAY TO SECOND AS INTERVAL DAY TO SECOND)", "CAST(INTERVAL '60000' DAY AS INTERVAL DAY TO SECOND)",
          "array(1, 2)", "array('1', NULL)", "map('a', 1)", "map(1, 'x')", "named_struct('a', 1)", "named_struct('a', '7', 'b', NULL)", "NULL"]
TARGETS = ["STRING", "BOOLEAN", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "BINARY", "INTERVAL DAY TO SECOND"]
NESTED_TARGETS = ["ARRAY<STRING>", "ARRAY<BIGINT>", "MAP<STRING, DOUBLE>", "STRUCT<x: INT>", "STRUCT<x: STRING, y: INT>"]
ONE_OF_EACH = ["1", "2L", "float('1.5')", "1.5D", "'1'", "'2026-01-31'", "true", "DATE '2026-01-31'", "TIMESTAMP '2026-01-31 00:00:00'", "X'31'", "CAST(INTERVAL '1' DAY AS INTERVAL DAY TO SECOND)", "array(1)", "map('a', 1)", "named_struct('a', 1)", "NULL"]
SETS = {
    "numbers": ["1", "NULL", "2L", "-3"],
    "floats": ["float('1.5')", "float('NaN')", "float('-0.0')", "float('0.0')", "NULL", "float('-Infinity')"],
    "doubles": ["double('NaN')", "1.0D", "-0.0D", "0.0D", "double('Infinity')", "NULL", "double('-Infinity')", "double('NaN')"],
    "texts": ["'b'", "''", "NULL", "'a'", "'B'", "'ä'", "'aa'", "'\U0001F600'", "'\uffee'"],
    "booleans": ["true", "NULL", "false"],
    "dates": ["DATE '2026-01-01'", "DATE '1969-01-01'", "NULL"],
    "times": ["TIMESTAMP '2026-01-01 00:00:00'", "TIMESTAMP '1969-12-31 23:59:59.999999'", "NULL"],
    "bytes": ["X'FF'", "X'00'", "X''", "NULL", "X'7F'", "X'0000'"],
    "intervals": ["INTERVAL '1' DAY", "INTERVAL '25' HOUR", "INTERVAL '-1' DAY", "NULL"],
    "arrays": ["array(1, 2)", "array(1)", "NULL", "array(2)", "array(1, NULL)", "CAST(array() AS ARRAY<INT>)", "array(CAST(NULL AS INT))"],
    "double arrays": ["array(double('NaN'))", "array(1.0D)", "array(-0.0D)", "array(0.0D)", "array(CAST(NULL AS DOUBLE))"],
    "structs": ["named_struct('a', 1, 'b', 'x')", "named_struct('a', 1, 'b', CAST(NULL AS STRING))", "NULL", "named_struct('a', CAST(NULL AS INT), 'b', 'z')", "named_struct('a', 0, 'b', 'z')"],
    "deep": ["array(named_struct('a', array(1.5D, NULL)))", "array(named_struct('a', array(double('NaN'))))", "array(named_struct('a', CAST(NULL AS ARRAY<DOUBLE>)))"],
}


def casts():
    for value in INTS + BIGINTS + FLOATS + DOUBLES + [f"'{text}'" for text in TEXTS] + OTHERS:
        for target in TARGETS:
            yield f"try_cast({value} AS {target})"
    for value in ONE_OF_EACH + OTHERS[-7:]:
        for target in NESTED_TARGETS:
            yield f"CAST({value} AS {target})"
            yield f"try_cast({value} AS {target})"
    for value in INTS + BIGINTS + FLOATS + DOUBLES + [f"'{text}'" for text in TEXTS] + OTHERS:
        for target in TARGETS:
            yield f"CAST({value} AS {target})"


def meetings():
    for a in ONE_OF_EACH:
        for b in ONE_OF_EACH:
            for form in ["{0} = {1}", "{0} < {1}", "{0} <=> {1}", "coalesce({0}, {1})", "greatest({0}, {1})", "{0} IN ({1})", "{0} + {1}", "{0} || {1}", "array({0}, {1})", "nullif({0}, {1})"]:
                yield form.format(a, b)


def orders():
    for values in SETS.values():
        items = ", ".join(values)
        for form in ["sort_array(array({0}))", "sort_array(array({0}), false)", "array_sort(array({0}))", "array_min(array({0}))", "array_max(array({0}))", "array_distinct(array({0}))", "greatest({0})", "least({0})"]:
            yield form.format(items)
        for a in values:
            for b in values:
                if a != "NULL" or b != "NULL":
                    yield f"{a} < {b}"
                    yield f"{a} = {b}"
                    yield f"{a} <=> {b}"
            yield f"{a} IN ({items})"
            yield f"array_position(array({items}), {a})"
        low, high = values[0], values[-1]
        yield f"{values[1]} BETWEEN {low} AND {high}"
        yield f"CASE {low} WHEN {high} THEN 1 WHEN {low} THEN 2 END"


def literals():
    yield from ["2147483647", "2147483648", "-2147483648", "- 2147483648", "9223372036854775807", "-9223372036854775808", "9223372036854775808L", "-9223372036854775808L", "1L", "1.5F", "1e3F", "3.5e38F", "1.5D", "1e309D", "1e-400D", ".5D", "5.D", "1E3", "1e+3", "x'1f'", "X'1F0'", "X'G'", "X''",
                "date '2026-01-31'", "DATE '2026'", "DATE '2026-02-30'", "DATE 'x'", "DATE '2026-01-31 12:00:00'", "TIMESTAMP '2026-01-31'", "TIMESTAMP '2026-01-31 12:34:56.1234567'", "TIMESTAMP '2026-01-31T12:34:56Z'", "TIMESTAMP '2026-01-31 12:34:56+01:00'", "TIMESTAMP '2026-01-31 12:34:56 Europe/Berlin'", "TIMESTAMP 'x'", "TIMESTAMP '2026'",
                "TIMESTAMP '2026-01-31 12'", "timestamp_ltz '2026-01-31 12:00:00'", "DATE '+2026-01-31'", "DATE ' 2026-01-31 '",
                "INTERVAL 1 DAY", "INTERVAL '1' DAY", "INTERVAL '1 day'", "interval 1 day 2 hours 3 minutes 4.5 seconds", "INTERVAL -1 DAY", "INTERVAL - 1 DAY", "INTERVAL '-1' DAY", "-INTERVAL '1' DAY", "+INTERVAL '1' DAY", "INTERVAL -'1' DAY", "INTERVAL '1.5' SECOND", "INTERVAL '1.5' DAY", "INTERVAL 1.5 SECONDS", "INTERVAL '1 2' DAY TO HOUR",
                "INTERVAL '1 2:3' DAY TO MINUTE", "INTERVAL '2:3:4.5' HOUR TO SECOND", "INTERVAL '-2:3' MINUTE TO SECOND", "INTERVAL '1 2:3:4' DAY TO SECOND", "INTERVAL '1 25:00:00' DAY TO SECOND", "INTERVAL '2:61' HOUR TO MINUTE", "INTERVAL '1' FORTNIGHT", "INTERVAL 1 MILLISECOND", "INTERVAL '1' MICROSECOND", "INTERVAL 2 WEEKS", "INTERVAL '3 weeks 1 day'",
                "INTERVAL 'x'", "INTERVAL ''", "INTERVAL '1 day -2 hours'", "INTERVAL 1 day '2' hours", "INTERVAL '106751991' DAY", "INTERVAL '106751992' DAY", "INTERVAL '9223372036854775807' MICROSECOND", "INTERVAL '0.123456789' SECOND", "INTERVAL '1' DAY = INTERVAL '24' HOUR", "INTERVAL '1' DAYS", "INTERVAL 1 SECONDS * 3",
                "true", "NULL", "'a' 'b'", "'\\u00e9\\n\\t\\x41\\101'", "r'a\\nb'", "\"x\"", "1S + 1", "1Y + 1"]


def together(spark, expressions):
    if len(expressions) == 1:
        return [record(spark, expressions[0])]
    try:
        frame = spark.sql("SELECT " + ", ".join(f"{sql} AS x{number}" for number, sql in enumerate(expressions)))
        kinds = [field.dataType for field in frame.schema.fields]
        if any(isinstance(kind, T.MapType) for kind in kinds):
            raise ValueError("maps are recorded one by one")
        row = frame.collect()[0]
        return [{"sql": sql, "type": kind.simpleString(), "value": encode(value, kind)} for sql, kind, value in zip(expressions, kinds, row)]
    except Exception:
        half = len(expressions) // 2
        return together(spark, expressions[:half]) + together(spark, expressions[half:])


def main():
    logging.disable(logging.CRITICAL)
    spark = (SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.sql.ansi.enabled", "true").config("spark.ui.enabled", "false").config("spark.driver.memory", "512m")
             .config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    seen = set()
    for group in [literals, orders, meetings, casts]:
        # What would give the day of the recording is left out.
        today = ("'now'", "'12:34:56' AS TIMESTAMP", "'T12:34' AS TIMESTAMP")
        new = [sql for sql in dict.fromkeys(group()) if sql not in seen and not any(part in sql for part in today)]
        seen.update(new)
        for start in range(0, len(new), TOGETHER):
            for line in together(spark, new[start:start + TOGETHER]):
                # Python's own times end at the years 1 and 9999.
                if line.get("error") != "ValueError":
                    print(json.dumps(line, ensure_ascii=False), flush=True)
        print(group.__name__, len(seen), file=sys.stderr)
    spark.stop()


if __name__ == "__main__":
    main()
