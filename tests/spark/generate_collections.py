"""Records what Spark makes of arrays, maps, structs, binary, intervals, lambdas and JSON, for tests/spark/collections.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/generate_collections.py > tests/spark/collections.jsonl

Each line holds the expression as SQL text, Spark's type, and either `value` or `error` (Spark's error class). Doubles are text (Python's
repr), timestamps microseconds, dates days since 1970-01-01, binary hexadecimal, intervals microseconds, arrays and structs lists, maps lists
of pairs. ANSI mode, session time zone UTC. Needs Java 17 or later.
"""

import datetime
import json
import os
import sys
import time

os.environ["TZ"] = "UTC"
time.tzset()

from pyspark.sql import SparkSession
from pyspark.sql import types as T

INTS = ["array(1, 2, 3)", "array(3, 1, NULL, 1)", "array(CAST(NULL AS INT))", "CAST(array() AS ARRAY<INT>)", "CAST(NULL AS ARRAY<INT>)"]
DOUBLES = ["array(1.5D, double('NaN'), NULL, -0.0D, 0.0D, double('NaN'))", "array(double('Infinity'), -1e10D)"]
TEXTS = ["array('b', 'a', NULL, 'b')", "array('')", "split('a,b', ',')"]
NESTED = ["array(array(1, 2), array(), NULL, array(1, 2))", "array(array(1), array(1, NULL), array(CAST(NULL AS INT)))"]
STRUCTS = ["array(named_struct('a', 1, 'b', 'x'), named_struct('a', 1, 'b', CAST(NULL AS STRING)), NULL, named_struct('a', 0, 'b', 'z'))"]
ALL = INTS + DOUBLES + TEXTS + NESTED + STRUCTS
BINARIES = ["X'1F00'", "X''", "CAST('größe' AS BINARY)", "CAST(NULL AS BINARY)"]
MAPS = ["map('a', 1, 'b', 2)", "map('b', CAST(NULL AS INT))", "CAST(map() AS MAP<STRING, INT>)", "CAST(NULL AS MAP<STRING, INT>)"]
OTHER_MAPS = ["map(1, 'x', 2, NULL)", "map(1.5D, array(1), double('NaN'), array(2, NULL))", "map(named_struct('a', 1), true)", "map(X'01', 1)"]


def over(functions, arrays):
    return [f"{f}({a})" for f in functions for a in arrays]


def with_items(template, arrays, items):
    return [template.format(a, x) for a in arrays for x in items]


def constructors():
    yield from ["array()", "array(1)", "array(1, 2L)", "array(1, 2.5D)", "array('1', 2)", "array(1, NULL)", "array(NULL)", "array(NULL, NULL)", "array(array(1), array(2L))", "array(1, true)",
                "array(DATE '2026-01-01', TIMESTAMP '2026-01-01 01:00:00')", "array(1, array(1))", "array('a', X'61')",
                "map()", "map(1, 2)", "map('a', 1, 'b', 2.5D)", "map('a', 1, 'a', 2)", "map(NULL, 1)", "map(CAST(NULL AS STRING), 1)", "map(1)", "map(1, 2, 2L, '3')", "map(map(1, 2), 3)", "map(array(1), 2)", "map(0.0D, 1, -0.0D, 2)",
                "map(double('NaN'), 1, double('NaN'), 2)", "map(-0.0D, 1)",
                "struct(1, 'a')", "struct(1 AS x, 'a' AS y)", "named_struct('a', 1, 'b', NULL)", "named_struct('a')", "named_struct(NULL, 1)", "struct(array(1), map('a', 1))", "struct(NULL)", "(1, 'a')",
                "array_repeat('a', 3)", "array_repeat(NULL, 2)", "array_repeat(1, 0)", "array_repeat(1, -1)", "array_repeat(1, NULL)", "array_repeat(array(1), 2)", "array_repeat('a', '2')",
                "map_from_arrays(array('a', 'b'), array(1, 2))", "map_from_arrays(array('a', NULL), array(1, 2))", "map_from_arrays(array('a'), array(1, 2))", "map_from_arrays(array('a', 'a'), array(1, 2))",
                "map_from_arrays(NULL, array(1))", "map_from_arrays(CAST(NULL AS ARRAY<STRING>), array(1))", "map_from_arrays(array(1), array(NULL))", "map_from_arrays(array(), array())",
                "map_from_entries(array(struct(1, 'a'), struct(2, 'b')))", "map_from_entries(array(struct(1, 'a'), NULL))", "map_from_entries(array(struct(CAST(NULL AS INT), 'a')))", "map_from_entries(array(struct(1, 'a'), struct(1, 'b')))",
                "map_from_entries(CAST(NULL AS ARRAY<STRUCT<a: INT, b: INT>>))", "map_from_entries(array(1))", "map_from_entries(array(struct(1, 2, 3)))",
                "map_concat(map('a', 1), map('b', 2))", "map_concat(map('a', 1), map('a', 2))", "map_concat(map('a', 1), CAST(NULL AS MAP<STRING, INT>))", "map_concat()", "map_concat(map(1, 2), map(2L, 3))", "map_concat(map('a', 1))",
                "str_to_map('a:1,b:2,c:3')", "str_to_map('a:1,b:2', ',', ':')", "str_to_map('a=1&b', '&', '=')", "str_to_map('')", "str_to_map('a')", "str_to_map('a:1,a:2')", "str_to_map('a:1:2')", "str_to_map(NULL)", "str_to_map('a:1', NULL)",
                "str_to_map('a1b2', '[0-9]', 'x')", "str_to_map('a:1,,b:2')", "str_to_map(',')"]
    for args in ["1, 5", "5, 1", "1, 1", "1, 10, 3", "10, 1, -3", "1, 10, -1", "10, 1, 1", "1, 5, 0", "1, 1, 0", "NULL, 5", "1, NULL", "1, 5, NULL", "1L, 3", "-2, 2", "1, 3L", "2147483646, 2147483647", "9223372036854775805L, 9223372036854775807L", "1, '3'",
                 "DATE '2026-01-30', DATE '2026-02-02'", "DATE '2026-02-02', DATE '2026-01-31'", "DATE '2026-01-31', DATE '2026-04-30', INTERVAL 1 MONTH", "DATE '2026-01-01', DATE '2026-01-05', INTERVAL 2 DAYS",
                 "TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 01:00:00', INTERVAL 20 MINUTES", "TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-03 00:00:00'", "TIMESTAMP '2026-01-01 01:00:00', TIMESTAMP '2026-01-01 00:00:00', INTERVAL -30 MINUTES",
                 "TIMESTAMP '2026-01-01 01:00:00', TIMESTAMP '2026-01-01 00:00:00', INTERVAL 30 MINUTES", "DATE '2026-01-01', DATE '2026-01-02', INTERVAL 6 HOURS", "1.5D, 3", "'a', 'b'"]:
        yield f"sequence({args})"
    for text in ["a,b,c", "", "a", ",a,,", "aXbXXc"]:
        for pattern in [",", "", "X", "[,X]", "b*"]:
            yield f"split('{text}', '{pattern}')"
    for limit in [-1, 0, 1, 2, 3, 10]:
        yield f"split('a,b,c,,', ',', {limit})"
    yield from ["split(NULL, ',')", "split('a', NULL)", "split('a,b', ',', NULL)", "split('a.b', '\\\\.')", "split('größe', 'ö')", "split('größe', '')", "split('a1b22c', '\\\\d+')", "split('a,b', '[')", "split(12, '')"]


def access():
    indices = ["0", "1", "2", "3", "-1", "-3", "-4", "CAST(NULL AS INT)", "4", "2147483647"]
    yield from with_items("{0}[{1}]", INTS[:2] + INTS[4:], indices)
    yield from with_items("element_at({0}, {1})", INTS[:2] + INTS[3:], indices)
    yield from with_items("try_element_at({0}, {1})", INTS[:2] + INTS[3:], indices)
    yield from with_items("get({0}, {1})", INTS[:2] + INTS[3:], indices)
    keys = ["'a'", "'b'", "'c'", "CAST(NULL AS STRING)", "''"]
    yield from with_items("{0}[{1}]", MAPS, keys)
    yield from with_items("element_at({0}, {1})", MAPS, keys)
    yield from with_items("try_element_at({0}, {1})", MAPS, keys)
    yield from with_items("map_contains_key({0}, {1})", MAPS, keys)
    yield from ["map(1, 'x')[1L]", "map(1L, 'x')[1]", "map(1, 'x')['1']", "map('1', 'x')[1]", "map(1.0D, 'x')[1]", "map(double('NaN'), 'x')[double('NaN')]", "map(0.0D, 'x')[-0.0D]", "map(array(1), 'x')[array(1)]", "element_at(map(1, 'x'), 2)",
                "map('a', map('b', 2))['a']['b']", "map('a', array(1, 2))['a'][1]", "array(named_struct('a', 1), named_struct('a', 2)).a", "array(named_struct('a', array(1)), NULL).a", "map('a', 1).a", "map('a', named_struct('b', 1)).a.b",
                "named_struct('a', named_struct('b', 1)).a.b", "named_struct('a', 1)['a']", "named_struct('a', CAST(NULL AS STRUCT<b: INT>)).a.b", "struct(1, 2).col1", "struct(1, 2).col2", "named_struct('a', 1).b", "array(1)['a']", "array(1)[1.5D]",
                "'abc'[0]", "array(array(1, 2), array(3))[1][0]", "element_at(array(1, 2), 1L)", "array(1, 2)[1L]", "array(1, 2)['1']", "element_at(array(1, 2), '1')", "array(array(1), NULL)[1][0]", "array(map('a', 1))[0]['a']", "array(NULL)[0]"]


def array_functions():
    yield from over(["size", "cardinality", "array_size", "array_distinct", "array_compact", "reverse", "array_max", "array_min", "sort_array", "array_sort"], ALL)
    yield from over(["size", "cardinality", "array_size", "reverse", "map_keys", "map_values", "map_entries"], MAPS + OTHER_MAPS[:2])
    yield from with_items("sort_array({0}, {1})", INTS + DOUBLES + TEXTS + STRUCTS, ["true", "false"])
    yield from ["sort_array(array(map('a', 1)))", "array_max(array(map('a', 1)))", "array_distinct(array(map('a', 1)))", "size(1)", "sort_array(array(1), CAST(NULL AS BOOLEAN))", "reverse(1)", "reverse('abc')", "reverse(NULL)", "size(NULL)"]
    ints, doubles, texts = ["1", "2", "CAST(NULL AS INT)", "1L", "1.0D", "'1'"], ["double('NaN')", "0.0D", "1", "CAST(NULL AS DOUBLE)"], ["'b'", "'z'", "CAST(NULL AS STRING)"]
    for name in ["array_contains", "array_position", "array_remove", "array_append", "array_prepend"]:
        yield from with_items(name + "({0}, {1})", INTS, ints)
        yield from with_items(name + "({0}, {1})", DOUBLES, doubles)
        yield from with_items(name + "({0}, {1})", TEXTS[:2], texts)
        yield from with_items(name + "({0}, {1})", NESTED, ["array(1, 2)", "array(CAST(NULL AS INT))"])
        yield from with_items(name + "({0}, {1})", STRUCTS, ["named_struct('a', 1, 'b', CAST(NULL AS STRING))", "named_struct('a', 0, 'b', 'z')"])
        yield from [f"{name}(array(1), NULL)", f"{name}(NULL, 1)", f"{name}(array(map('a', 1)), map('a', 1))", f"{name}(array(1))", f"{name}(array('a'), 1)", f"{name}(array(), 1)"]
    for name in ["array_union", "array_intersect", "array_except", "arrays_overlap"]:
        pairs = [(a, b) for a in INTS for b in INTS] + [(a, b) for a in DOUBLES for b in DOUBLES + ["array(0.0D, 5.0D)"]] + [(a, b) for a in TEXTS for b in TEXTS]
        pairs += [(NESTED[0], NESTED[1]), (NESTED[1], NESTED[0]), (STRUCTS[0], STRUCTS[0]), ("array(1)", "array(1L)"), ("array(1)", "array('1')"), ("array(1)", "array(X'01')"), ("array(map(1, 2))", "array(map(1, 2))"), ("array()", "array(1)"), ("NULL", "array(1)")]
        yield from [f"{name}({a}, {b})" for a, b in pairs]
    for a in INTS[:4] + TEXTS + DOUBLES + NESTED[:1]:
        yield f"array_join({a}, '-')"
        yield f"array_join({a}, '-', '?')"
    yield from ["array_join(array('a', NULL), NULL)", "array_join(NULL, ',')", "array_join(array('a', NULL, 'b'), '', CAST(NULL AS STRING))", "array_join(array(DATE '2026-01-01'), ',')", "array_join(array(true, false), ',')", "array_join(array(NULL), ',', 'x')"]
    for a in INTS + TEXTS[:1]:
        for start, length in [(1, 2), (2, 2), (-2, 2), (-1, 5), (0, 1), (1, 0), (1, -1), (9, 1), (-9, 2), ("NULL", 1), (1, "NULL")]:
            yield f"slice({a}, {start}, {length})"
    for a in INTS + TEXTS[:1]:
        item = "'x'" if a in TEXTS else "9"
        for position in ["1", "2", "4", "5", "7", "-1", "-2", "-4", "-5", "-7", "0", "NULL"]:
            yield f"array_insert({a}, {position}, {item})"
    yield from ["array_insert(array(1), 1, NULL)", "array_insert(array(1), 2L, 1)", "array_insert(array(1), 1, 'a')", "array_insert(array(1), 1, 2.5D)"]
    yield from ["flatten(array(array(1, 2), array(3)))", "flatten(array(array(1), NULL))", "flatten(array(array(1, NULL), array()))", "flatten(array(array(array(1)), array(array(2))))", "flatten(array(1))", "flatten(CAST(NULL AS ARRAY<ARRAY<INT>>))", "flatten(array())", "flatten(CAST(array() AS ARRAY<ARRAY<INT>>))"]
    yield from ["arrays_zip(array(1, 2), array('a'))", "arrays_zip(array(1), NULL)", "arrays_zip(array(1), CAST(NULL AS ARRAY<INT>))", "arrays_zip()", "arrays_zip(array(1, 2))", "arrays_zip(array(1), array(2), array(3, 4))", "arrays_zip(array())", "arrays_zip(1)"]
    yield from ["concat(array(1), array(2, NULL))", "concat(array(1), array(2L))", "concat(array(1), CAST(NULL AS ARRAY<INT>))", "concat(array('a'), array(1))", "array(1) || array(2)", "concat(array(1), 'a')", "concat(X'01', X'02')", "X'01' || X'02'", "concat(X'61', 'b')", "concat(array(1), NULL)", "concat(array(array(1)), array(array(2L)))"]
    yield from ["shuffle(array(1))"[:0] or "size(array(1, 2)) + 1"]


def set_and_order():
    values = INTS[:3] + ["array(1, 2)", "array(1, 3)"]
    for op in ["=", "<", "<=>", "<>", ">="]:
        yield from [f"({a} {op} {b})" for a in values for b in values]
        yield from [f"({a} {op} {b})" for a in BINARIES for b in BINARIES + ["X'1F'", "X'80'"]]
        yield from [f"({a} {op} {b})" for a in DOUBLES for b in DOUBLES]
        structs = ["named_struct('a', 1, 'b', 'x')", "named_struct('a', 1, 'b', CAST(NULL AS STRING))", "named_struct('a', 2, 'b', 'a')", "CAST(NULL AS STRUCT<a: INT, b: STRING>)"]
        yield from [f"({a} {op} {b})" for a in structs for b in structs]
        yield f"(map('a', 1) {op} map('a', 1))"
        yield f"(named_struct('a', 1) {op} named_struct('b', 1))"
        yield f"(named_struct('a', 1) {op} named_struct('a', 1L))"
        yield f"(array(1) {op} array(1L))"
        yield f"(array(1) {op} array('1'))"
        yield f"(X'61' {op} 'a')"
        yield f"(array(map(1, 2)) {op} array(map(1, 2)))"
    yield from ["array(1) IN (array(1), array(2))", "array(1) IN (array(2), NULL)", "named_struct('a', 1) IN (named_struct('a', 1))", "X'01' IN (X'02', X'01')", "greatest(array(1), array(2))", "least(X'01', X'00')", "nullif(array(1), array(1))", "coalesce(CAST(NULL AS ARRAY<INT>), array(1L))",
                "if(true, array(1), array('a'))", "CASE WHEN true THEN map('a', 1) ELSE map('b', 2L) END", "if(true, named_struct('a', 1), named_struct('a', 2L))", "if(true, named_struct('a', 1), named_struct('b', 2))", "nullif(map(1, 2), map(1, 2))", "greatest(map(1, 2), map(1, 3))",
                "array(1) BETWEEN array(0) AND array(2)", "map(1, 2) IN (map(1, 2))", "array(1) IS NULL", "map(1, 2) IS NOT NULL", "coalesce(X'01', X'02')", "nvl(CAST(NULL AS MAP<STRING, INT>), map('a', 1))", "(1, 2) IN ((1, 2), (3, 4))", "(1, 'a') = (1, 'a')"]


def maps():
    yield from over(["map_keys", "map_values", "map_entries", "size"], OTHER_MAPS)
    yield from ["map_contains_key(map(1, 2), 1L)", "map_contains_key(map(1, 2), 'a')", "map_contains_key(map(double('NaN'), 2), double('NaN'))", "map_keys(NULL)", "map_keys(array(1))", "map_contains_key(map(1, 2), NULL)", "map_contains_key(map(0.0D, 2), -0.0D)"]
    yield from ["map_filter(map('a', 1, 'b', 2), (k, v) -> v > 1)", "map_filter(map('a', 1), (k, v) -> NULL)", "map_filter(CAST(NULL AS MAP<STRING, INT>), (k, v) -> true)", "map_filter(map('a', 1, 'b', NULL), (k, v) -> v > 0)", "map_filter(map('a', 1), (k, v) -> v)", "map_filter(map('a', 1), k -> true)", "map_filter(map('a', 1, 'b', 2), (k, v) -> k = 'a' AND v = 1)",
                "transform_keys(map('a', 1, 'b', 2), (k, v) -> upper(k))", "transform_keys(map('a', 1, 'b', 2), (k, v) -> 'x')", "transform_keys(map('a', 1), (k, v) -> NULL)", "transform_keys(map('a', 1), (k, v) -> CAST(NULL AS STRING))", "transform_keys(map('a', 1, 'b', 2), (k, v) -> v + 1)", "transform_keys(CAST(NULL AS MAP<STRING, INT>), (k, v) -> k)", "transform_keys(CAST(map() AS MAP<STRING, INT>), (k, v) -> 1)",
                "transform_values(map('a', 1, 'b', NULL), (k, v) -> v + 1)", "transform_values(map('a', 1), (k, v) -> concat(k, v))", "transform_values(map('a', 1), (k, v) -> NULL)", "transform_values(CAST(NULL AS MAP<STRING, INT>), (k, v) -> k)", "transform_values(map('a', 0), (k, v) -> 1 / v)", "transform_values(map('a', array(1, 2)), (k, v) -> size(v))",
                "map_zip_with(map('a', 1, 'b', 2), map('b', 3, 'c', 4), (k, x, y) -> coalesce(x, 0) + coalesce(y, 0))", "map_zip_with(map('a', 1), map('a', 'x'), (k, x, y) -> concat(k, x, y))", "map_zip_with(map('a', 1), CAST(NULL AS MAP<STRING, INT>), (k, x, y) -> x)", "map_zip_with(map(1, 1), map(1L, 2), (k, x, y) -> x + y)",
                "map_zip_with(map('a', 1), map('a', 2), (k, x, y) -> k)", "map_zip_with(map('a', NULL), map('b', 2), (k, x, y) -> y)"]


def lambdas():
    yield from ["transform(array(1, 2, 3), x -> x + 1)", "transform(array(1, NULL), x -> x + 1)", "transform(array(10, 20), (x, i) -> x + i)", "transform(CAST(NULL AS ARRAY<INT>), x -> x)", "transform(CAST(array() AS ARRAY<INT>), x -> x * 2)", "transform(array(1, 2), x -> NULL)", "transform(array(1, 2), x -> 'a')", "transform(array('a', 'b'), x -> upper(x))",
                "transform(array(1, 0), x -> 1 / x)", "transform(array(array(1, 2), array(3)), x -> transform(x, y -> y * 10))", "transform(array(1, 2), x -> transform(array(10, 20), y -> x + y))", "transform(array(1, 2), x -> transform(array(10, 20), x -> x + 1))", "transform(array(1, 2), x -> array(x, x))", "transform(array(1, 2), x -> named_struct('v', x))",
                "transform(array(named_struct('a', 1), named_struct('a', 2)), x -> x.a)", "transform(array(1, 2), x -> map(x, 'v'))", "transform(array(1), (x, i, j) -> x)", "transform(1, x -> x)", "transform(array(1), 1)", "transform(array(1, 2), x -> y)", "transform(array(true, NULL), x -> x IS NULL)", "transform(array(1.5D, double('NaN')), x -> isnan(x))",
                "transform(array(1, 2), x -> CASE WHEN x = 1 THEN 'one' ELSE 'other' END)", "transform(array(1, 2), X -> x + 1)", "transform(sequence(1, 3), x -> x * x)",
                "filter(array(1, 2, 3), x -> x > 1)", "filter(array(1, NULL, 3), x -> x > 1)", "filter(array(1, NULL), x -> x IS NOT NULL)", "filter(array(1, 2, 3), (x, i) -> i > 0)", "filter(CAST(NULL AS ARRAY<INT>), x -> true)", "filter(array(1, 2), x -> NULL)", "filter(array(1), x -> x)", "filter(array('a', 'b'), x -> x = 'a')", "filter(array(0, 1), x -> 1 / x > 0)", "filter(array(array(1), array()), x -> size(x) > 0)",
                "exists(array(1, 2), x -> x > 1)", "exists(array(1, NULL), x -> x > 1)", "exists(array(1, 2, NULL), x -> x > 1)", "exists(CAST(array() AS ARRAY<INT>), x -> true)", "exists(CAST(NULL AS ARRAY<INT>), x -> true)", "exists(array(1), x -> NULL)", "exists(array(1, 0), x -> 1 / x = 1)", "exists(array(0, 1), x -> 1 / x = 1)", "any_match(array(1), x -> true)", "exists(array(1), x -> 'true')",
                "forall(array(1, 2), x -> x > 0)", "forall(array(1, NULL), x -> x > 0)", "forall(array(1, NULL, -1), x -> x > 0)", "forall(CAST(array() AS ARRAY<INT>), x -> false)", "forall(CAST(NULL AS ARRAY<INT>), x -> true)", "forall(array(1), x -> NULL)", "forall(array(2, 0), x -> 1 / x = 1)",
                "aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x)", "aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x, acc -> acc * 10)", "reduce(array(1, 2, 3), 0, (acc, x) -> acc + x)", "aggregate(array(1, NULL), 0, (acc, x) -> acc + x)", "aggregate(array(1, NULL), 0, (acc, x) -> acc + coalesce(x, 0))", "aggregate(CAST(array() AS ARRAY<INT>), 5, (acc, x) -> acc + x)", "aggregate(CAST(NULL AS ARRAY<INT>), 5, (acc, x) -> acc + x)",
                "aggregate(array(1L, 2L), 0, (acc, x) -> acc + x)", "aggregate(array(1, 2), 0L, (acc, x) -> acc + x)", "aggregate(array(1.5D, 2.5D), 0.0D, (acc, x) -> acc + x)", "aggregate(array('a', 'b'), '', (acc, x) -> concat(acc, x))", "aggregate(array(1, 2), NULL, (acc, x) -> x)", "aggregate(array(1, 2), CAST(NULL AS INT), (acc, x) -> coalesce(acc, 0) + x)", "aggregate(array(1, 2), 0, (acc, x) -> acc + x, acc -> named_struct('s', acc))",
                "aggregate(array(1, 2, 3), named_struct('s', 0, 'n', 0), (acc, x) -> named_struct('s', acc.s + x, 'n', acc.n + 1), acc -> acc.s / acc.n)", "aggregate(array(2147483647, 1), 0, (acc, x) -> acc + x)", "aggregate(array(3, 1, 2), CAST(array() AS ARRAY<INT>), (acc, x) -> array_append(acc, x))", "aggregate(array(1, 2), 0, (acc, x) -> 'a')", "aggregate(array(array(1, 2), array(3)), 0, (acc, x) -> acc + aggregate(x, 0, (b, y) -> b + y))",
                "zip_with(array(1, 2), array(3, 4), (x, y) -> x + y)", "zip_with(array(1, 2), array(3), (x, y) -> x + y)", "zip_with(array(1), array('a', 'b'), (x, y) -> concat(x, y))", "zip_with(array(1), CAST(NULL AS ARRAY<INT>), (x, y) -> x)", "zip_with(array('a', 'b'), array(1), (x, y) -> (y, x))", "zip_with(array(1), array(2), x -> x)",
                "array_sort(array(3, 1, 2), (a, b) -> b - a)", "array_sort(array('bbb', 'a', 'cc'), (a, b) -> length(a) - length(b))", "array_sort(array('b', NULL, 'a'), (a, b) -> CASE WHEN a IS NULL THEN -1 WHEN b IS NULL THEN 1 WHEN a < b THEN -1 WHEN a > b THEN 1 ELSE 0 END)", "array_sort(array(3, 1, 2), (a, b) -> NULL)", "array_sort(array(1, 2), (a, b) -> 'x')", "array_sort(array(3, 1, 2), (a, b) -> CAST(NULL AS INT))", "array_sort(CAST(NULL AS ARRAY<INT>), (a, b) -> 0)", "array_sort(array(1), (a, b) -> 1 div 0)", "array_sort(array(2, 1), (a, b) -> 1 div 0)", "array_sort(array(2, 1), (a, b) -> 1L)"]


def casts():
    for value in INTS + DOUBLES + TEXTS[:2] + NESTED + STRUCTS + MAPS + OTHER_MAPS + BINARIES + ["named_struct('a', 1, 'b', CAST(NULL AS INT))", "struct(array(1), map('a', NULL))", "array(DATE '2026-01-01')", "array(TIMESTAMP '2026-01-01 00:00:00.5')", "array(X'61')", "map('a', struct(1, 'x'))", "struct(true, 1.0D, 'a b')", "array(1e10D, 100D)"]:
        yield f"CAST({value} AS STRING)"
    yield from ["CAST(array(1, 2) AS ARRAY<STRING>)", "CAST(array('1', 'x') AS ARRAY<INT>)", "try_cast(array('1', 'x') AS ARRAY<INT>)", "CAST(array('1', NULL) AS ARRAY<BIGINT>)", "CAST(array(1) AS ARRAY<BOOLEAN>)", "CAST(array(1) AS INT)", "CAST(1 AS ARRAY<INT>)", "CAST('[1]' AS ARRAY<INT>)", "CAST(map('1', 2) AS MAP<INT, STRING>)", "CAST(map('x', 2) AS MAP<INT, STRING>)",
                "try_cast(map('x', 2) AS MAP<INT, STRING>)", "CAST(named_struct('a', 1, 'b', '2') AS STRUCT<x: STRING, y: INT>)", "CAST(named_struct('a', 1) AS STRUCT<x: STRING, y: INT>)", "CAST(array(named_struct('a', '1')) AS ARRAY<STRUCT<b: DOUBLE>>)", "CAST('abc' AS BINARY)", "CAST(1 AS BINARY)", "CAST(258L AS BINARY)", "CAST(X'616263' AS STRING)", "CAST(X'61' AS INT)", "CAST(1.5D AS BINARY)", "CAST(NULL AS ARRAY<STRING>)", "CAST(array(array(1)) AS ARRAY<ARRAY<DOUBLE>>)", "binary('a')",
                "CAST(map('1', 2, '01', 3) AS MAP<INT, INT>)", "CAST(true AS BINARY)", "CAST(array(1, 2) AS MAP<INT, INT>)", "CAST(CAST('a' AS BINARY) AS BINARY)"]
    yield from over(["length", "octet_length", "hex", "upper", "size", "bit_length"], BINARIES)
    yield from ["substring(X'010203', 2, 1)", "substring(X'010203', -2)", "length(X'C3B6')"]


def intervals():
    spans = ["INTERVAL '1' DAY", "INTERVAL 90 SECONDS", "INTERVAL '-5' MINUTE", "INTERVAL 1 DAY 2 HOURS", "INTERVAL '1.5' SECOND", "INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '02:03' HOUR TO MINUTE", "INTERVAL '0' SECOND", "INTERVAL '-1 02:03:04' DAY TO SECOND", "INTERVAL '10:05' MINUTE TO SECOND", "INTERVAL '1 02' DAY TO HOUR", "INTERVAL 1 WEEK", "CAST(NULL AS INTERVAL DAY TO SECOND)"]
    for a in spans:
        yield f"{a}"
        yield f"-({a})"
        yield f"abs({a})"
        yield f"CAST(CAST({a} AS INTERVAL DAY TO SECOND) AS STRING)"
        yield f"TIMESTAMP '2026-01-01 00:00:00' + {a}"
        yield f"TIMESTAMP '2026-01-01 00:00:00' - ({a})"
        yield f"DATE '2026-01-01' + CAST({a} AS INTERVAL DAY TO SECOND)"
        yield f"{a} + INTERVAL '1' HOUR"
        yield f"{a} - INTERVAL '1' HOUR"
        for b in ["INTERVAL '1' DAY", "INTERVAL 90 SECONDS", "CAST(NULL AS INTERVAL DAY TO SECOND)"]:
            yield f"({a}) = ({b})"
            yield f"({a}) < ({b})"
            yield f"({a}) <=> ({b})"
        for n in ["2", "3L", "1.5D", "0", "CAST(NULL AS INT)", "'2'", "double('NaN')", "-0.1D"]:
            yield f"({a}) * {n}"
            yield f"{n} * ({a})"
            yield f"({a}) / {n}"
    yield from ["TIMESTAMP '2026-01-01 00:00:01.5' - TIMESTAMP '2026-01-01 00:00:00'", "TIMESTAMP '2026-01-01 00:00:00' - TIMESTAMP '2026-01-02 00:00:01'", "CAST(TIMESTAMP '2026-01-01 00:00:01.5' - TIMESTAMP '2026-01-01 00:00:00' AS STRING)", "TIMESTAMP '2026-01-02 00:00:00' - DATE '2026-01-01'", "DATE '2026-01-03' - TIMESTAMP '2026-01-01 12:00:00'", "DATE '2026-01-03' - DATE '2026-01-01'",
                "CAST(DATE '2026-01-03' - DATE '2026-01-01' AS INTERVAL DAY TO SECOND)", "CAST(CAST(DATE '2026-01-03' - DATE '2026-01-01' AS INTERVAL DAY TO SECOND) AS STRING)", "CAST(NULL AS TIMESTAMP) - TIMESTAMP '2026-01-01 00:00:00'", "(TIMESTAMP '2026-01-01 00:05:00' - TIMESTAMP '2026-01-01 00:00:00') > INTERVAL '4' MINUTE", "(TIMESTAMP '2026-01-01 00:05:00' - TIMESTAMP '2026-01-01 00:00:00') / 2",
                "CAST(INTERVAL '1 02:03:04.567' DAY TO SECOND AS BIGINT)", "greatest(INTERVAL '1' DAY, INTERVAL '25' HOUR)", "coalesce(CAST(NULL AS INTERVAL DAY TO SECOND), INTERVAL '1' DAY)", "if(true, INTERVAL '1' DAY, INTERVAL '2' SECOND)", "array(INTERVAL '1' DAY, INTERVAL '2' DAY)", "sort_array(array(INTERVAL '2' DAY, INTERVAL '1' DAY))", "INTERVAL '106751991' DAY + INTERVAL '1' DAY", "INTERVAL '106751991' DAY * 2",
                "extract(DAY FROM INTERVAL '1 02:03:04.5' DAY TO SECOND)", "extract(HOUR FROM INTERVAL '1 02:03:04.5' DAY TO SECOND)", "extract(MINUTE FROM INTERVAL '1 02:03:04.5' DAY TO SECOND)", "INTERVAL '1' DAY / 0", "INTERVAL '1' DAY / 0.0D", "INTERVAL '1' DAY = 1", "CAST('1 02:03:04' AS INTERVAL DAY TO SECOND)", "CAST('INTERVAL \\'1 02:03:04\\' DAY TO SECOND' AS INTERVAL DAY TO SECOND)", "CAST('x' AS INTERVAL DAY TO SECOND)", "try_cast('x' AS INTERVAL DAY TO SECOND)",
                "make_dt_interval(1, 2, 3, 4.5)", "make_dt_interval()", "make_dt_interval(0, 25)", "INTERVAL '25' HOUR", "INTERVAL '2' HOUR * 12", "try_divide(INTERVAL '1' DAY, 0)", "sign(INTERVAL '-1' DAY)", "to_json(struct(INTERVAL '1 02:03:04.5' DAY TO SECOND AS i))"]


def jsons():
    doc = '{"a":1,"b":{"c":[1,2,{"d":"x"}],"e":null},"f":"t\\\\"q","g":[{"h":1},{"h":2}],"k l":true,"n":1.50,"z":[[1,2],[3]],"big":12345678901234567890,"s":"ü"}'
    paths = ["$", "$.a", "$.b", "$.b.c", "$.b.c[0]", "$.b.c[2].d", "$.b.c[9]", "$.b.e", "$.f", "$.g[*].h", "$.g[*]", "$.g.h", "$[\\'a\\']", "$[\\'k l\\']", "$.k l", "$.b.c[*]", "$.*", "$.z[*]", "$.z[*][*]", "$.z[0][1]", "$.z[0]", "$.n", "$.big", "$.s", "a", "", "$a", "$.", "$..a", "$.a.b", "$[0]", "$.A", "$.b[\\'c\\'][1]", "$.g[-1]", "$.g[0].*",
             "$.g[*].x", "$.b.*", "$.z[*][0]", "$.g[1]", "$.g[*][*]", "$[*]", "$.b.c[*].d", "$.g[0", "$[a]", "$.g[ 0 ]", "$ .a", "$.zz"]
    for path in paths:
        yield f"get_json_object('{doc}', '{path}')"
    for text, path in [("[1,2,3]", "$[1]"), ("[1,2,3]", "$[*]"), ("[1]", "$[*]"), ("[]", "$[*]"), ("[{\"a\":1},{\"a\":2}]", "$[*].a"), ("[{\"a\":1},{\"b\":2}]", "$[*].a"), ("[{\"a\":1}]", "$.a"), ("1", "$"), ("\"x\"", "$"), ("null", "$"), ("", "$"), ("{", "$"), ("{\"a\":1", "$.a"), ("{\"a\":1}x", "$.a"), ("{\"a\":{\"b\":1},\"c\"", "$.a"), ("{a:1}", "$.a"),
                       ("{\"a\":1,\"a\":2}", "$.a"), ("{\"a\":null}", "$.a"), ("{\"a\":\"\"}", "$.a"), ("{\"a\":[]}", "$.a"), ("{\"a\":[1, 2 , {\"b\" : 3}]}", "$.a"), ("{\"a\":1.0}", "$.a"), ("{\"a\":1e3}", "$.a"), ("{\"a\":-0}", "$.a"), ("{\"a\":true}", "$.a"), ("{\"a\":NaN}", "$.a"), ("{\"a\":\"x\\\\ny\"}", "$.a"), ("{\"a\":[\"x\\\\ny\"]}", "$.a"), ("[[1,2],[3,[4]]]", "$[*][*]"), ("[[1,2],[3,[4]]]", "$[*]"), ("[\"a\",\"b\"]", "$[*]"), ("[\"a\"]", "$[*]"), ("{\"a\":[\"x\"]}", "$.a[*]"), ("{\"a\":[\"x\",null]}", "$.a[*]"), ("{\"a\":[null]}", "$.a[*]"), ("{\"a\":\"\\\\u00e9\"}", "$.a"), ("{\"a\":\"/\"}", "$"), ("{\"a\":[[1],[2]]}", "$.a[*][*]"), ("{\"a\":01}", "$.a"), ("{'a':1}", "$.a"), ("  {\"a\": 1 }  ", "$")]:
        quoted = text.replace("'", "\\'")
        yield f"get_json_object('{quoted}', '{path}')"
    yield from ["get_json_object(NULL, '$.a')", "get_json_object('{}', NULL)"]
    schemas = [("{\"a\":1,\"b\":\"x\"}", "a INT, b STRING"), ("{\"a\":\"1\"}", "a INT"), ("{\"a\":1.5}", "a INT"), ("{\"a\":1}", "a DOUBLE"), ("{\"a\":[1,2]}", "a ARRAY<INT>"), ("{\"a\":[1,\"x\"]}", "a ARRAY<INT>"), ("{\"a\":[1,null]}", "a ARRAY<INT>"), ("{\"a\":{\"b\":1}}", "a STRUCT<b: INT>"), ("{\"a\":{\"b\":\"x\"}}", "a STRUCT<b: INT>, c INT"), ("{\"a\":{\"b\":1,\"c\":2}}", "a MAP<STRING, INT>"),
               ("{\"a\":{\"b\":1,\"c\":\"x\"}}", "a MAP<STRING, INT>"), ("{\"a\":{\"b\":null}}", "a MAP<STRING, INT>"), ("{\"a\":\"YWJj\"}", "a BINARY"), ("{\"a\":1}", "a STRING"), ("{\"a\":{\"b\": 1}}", "a STRING"), ("{\"a\":[1 ,2]}", "a STRING"), ("{\"a\":true}", "a BOOLEAN"), ("{\"a\":\"true\"}", "a BOOLEAN"), ("{\"a\":\"2026-01-02\"}", "a DATE"), ("{\"a\":\"2026-01-02T03:04:05Z\"}", "a TIMESTAMP"), ("{\"a\":5}", "a TIMESTAMP"), ("{\"a\":5}", "a DATE"),
               ("{\"a\":1,\"c\":2}", "a INT, b INT"), ("{}", "a INT"), ("", "a INT"), ("x", "a INT"), ("{\"a\":1", "a INT"), ("null", "a INT"), ("[{\"a\":1},{\"a\":2}]", "a INT"), ("[{\"a\":1},{\"a\":2}]", "ARRAY<STRUCT<a: INT>>"), ("{\"a\":1}", "ARRAY<STRUCT<a: INT>>"), ("[1,2]", "ARRAY<INT>"), ("[1,\"x\"]", "ARRAY<INT>"), ("1", "ARRAY<INT>"), ("{\"a\":1}", "MAP<STRING, INT>"), ("{\"a\":\"x\"}", "MAP<STRING, INT>"), ("[]", "MAP<STRING, INT>"), ("{\"A\":1}", "a INT"),
               ("{\"a\":\"NaN\"}", "a DOUBLE"), ("{\"a\":NaN}", "a DOUBLE"), ("{\"a\":99999999999}", "a INT"), ("{\"a\":99999999999}", "a BIGINT"), ("{\"a\":1}", "STRUCT<a: INT>"), ("{\"a\":[{\"b\":1},{\"b\":\"x\"}]}", "a ARRAY<STRUCT<b: INT>>"), ("{\"a\":[{\"b\":1},5]}", "a ARRAY<STRUCT<b: INT>>"), ("{\"a\":{\"x\":{\"b\":1},\"y\":{\"b\":\"q\"}}}", "a MAP<STRING, STRUCT<b: INT>>"), ("{\"a\":{\"b\":1}}", "a ARRAY<INT>"), ("{\"a\":[1]}", "a STRUCT<b: INT>"), ("{\"a\":{\"b\":[1,\"x\"]}}", "a STRUCT<b: ARRAY<INT>, c: INT>"),
               ("{\"a\":1}{\"a\":2}", "a INT"), ("{\"a\":1} x", "a INT"), ("{\"a\":1,\"a\":2}", "a INT"), ("{\"a\":{\"b\":1,\"b\":2}}", "a MAP<STRING, INT>"), ("{\"a\":1}", "a INTERVAL DAY TO SECOND"), ("{\"a\":\"abc\",\"b\":2}", "a INT, b INT"), ("{\"a\":\"!\"}", "a BINARY"), ("{\"a\":\"\"}", "a INT"), ("{\"a\":\"\"}", "a STRING"), ("{\"a\":{\"b\":1}}", "a MAP<INT, INT>"), ("  ", "a INT"), ("[]", "ARRAY<INT>"), ("[[1],[2,null]]", "ARRAY<ARRAY<INT>>"), ("{\"a\":[[1],2]}", "a ARRAY<ARRAY<INT>>")]
    for text, schema in schemas:
        yield f"from_json('{text}', '{schema}')"
    yield from ["from_json(NULL, 'a INT')", "from_json('{\"a\":1}', 'a')", "from_json('{\"a\":1}', 'INT')", "from_json('{\"a\":1}', NULL)", "from_json('{\"a\":\"x\"}', 'a INT', map('mode', 'FAILFAST'))", "from_json('{\"a\":1}', 'a INT', map('mode', 'PERMISSIVE'))"]
    values = ["named_struct('a', 1, 'b', 'x')", "named_struct('a', CAST(NULL AS INT), 'b', 1.5D)", "array(1, NULL, 2)", "map('a', 1, 'b', NULL)", "map(1, 'x')", "named_struct('a', array(named_struct('b', CAST(NULL AS INT))))", "named_struct('d', DATE '2026-01-02', 't', TIMESTAMP '2026-01-02 03:04:05.678901')", "named_struct('x', X'616263')", "named_struct('n', double('NaN'), 'i', double('-Infinity'))", "named_struct('m', map('a', array(1)))",
              "array(named_struct('a', 1))", "array(map('a', 1))", "CAST(NULL AS STRUCT<a: INT>)", "1", "'a'", "named_struct('a', 'q\"\\\\\\\\ü\\n')", "array()", "map()", "named_struct('f', float('1.1'), 'd', 1e10D, 's', 100D)", "array(array())", "named_struct('b', true)", "map(array(1), 2)", "map(TIMESTAMP '2026-01-02 03:04:05', 1)", "map(named_struct('a', 1), 1)", "map(1.5D, 1)", "named_struct('a', named_struct('b', CAST(NULL AS INT)))", "named_struct('a', CAST(NULL AS ARRAY<INT>))"]
    for value in values:
        yield f"to_json({value})"
    yield from ["to_json(named_struct('a', NULL), map('ignoreNullFields', 'false'))", "to_json(named_struct('t', TIMESTAMP '2026-01-02 03:04:05'), map('timestampFormat', 'yyyy'))"]
    for text in ["[1,2,3]", "[]", "[1,[2]]", "{}", "1", "", "[1", "null", "[{\"a\":1},2]", " [1] ", "[1]x"]:
        yield f"json_array_length('{text}')"
    for text in ["{\"a\":1,\"b\":{\"c\":2}}", "{}", "[]", "1", "", "{\"a\"", "{\"a\":1", "{\"a\":1,\"a\":2}", "null", " {\"x\" : [1]} "]:
        yield f"json_object_keys('{text}')"
    for text in ["{\"a\":1}", "[1,2]", "[1,2.5]", "{\"a\":[{\"b\":1},{\"c\":\"x\"}]}", "1", "\"x\"", "true", "null", "[]", "{}", "{\"a\":null}", "[1,\"a\"]", "12345678901", "1e5", "{\"b\":1,\"a\":2}", "[[1],[2.5]]", "{\"a b\":1}", "{\"a\":\"2026-01-01\"}", "[{\"a\":1},null]"]:
        yield f"schema_of_json('{text}')"
    yield from ["json_array_length(NULL)", "json_object_keys(NULL)", "schema_of_json('{')", "schema_of_json(NULL)"]


def encode(value, kind):
    if value is None:
        return None
    if isinstance(kind, (T.DoubleType, T.FloatType)):
        return repr(value)
    if isinstance(kind, T.TimestampType):
        return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    if isinstance(kind, T.DateType):
        return (value - datetime.date(1970, 1, 1)).days
    if isinstance(kind, T.DayTimeIntervalType):
        return value // datetime.timedelta(microseconds=1)
    if isinstance(kind, T.BinaryType):
        return bytes(value).hex()
    if isinstance(kind, T.ArrayType):
        return [encode(x, kind.elementType) for x in value]
    if isinstance(kind, T.StructType):
        return [encode(x, field.dataType) for x, field in zip(value, kind.fields)]
    if isinstance(kind, T.MapType):
        return [[encode(k, kind.keyType), encode(v, kind.valueType)] for k, v in value.items()]
    return value if not hasattr(value, "as_tuple") else str(value)


# Python's dictionaries hold no NaN twice and no list as a key: such maps are taken apart by Spark.
def entries(kind):
    if isinstance(kind, T.MapType):
        return True
    if isinstance(kind, T.ArrayType):
        return entries(kind.elementType)
    return isinstance(kind, T.StructType) and any(entries(field.dataType) for field in kind.fields)


def record(spark, sql):
    try:
        frame = spark.sql(f"SELECT {sql} AS x")
        kind = frame.schema.fields[0].dataType
        line = {"sql": sql, "type": kind.simpleString()}
        if isinstance(kind, T.MapType):
            pairs = spark.sql(f"SELECT map_entries({sql}) AS x").collect()[0][0]
            line["value"] = None if pairs is None else [[encode(p[0], kind.keyType), encode(p[1], kind.valueType)] for p in pairs]
        else:
            line["value"] = encode(frame.collect()[0][0], kind)
        return line
    except Exception as error:
        name = getattr(error, "getCondition", lambda: None)() or getattr(error, "getErrorClass", lambda: None)() or type(error).__name__
        return {"sql": sql, "error": name}


def main():
    spark = (SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.sql.ansi.enabled", "true").config("spark.ui.enabled", "false").config("spark.driver.memory", "1g")
             .config("spark.sql.optimizer.excludedRules", "").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    seen = set()
    for group in [constructors, access, array_functions, set_and_order, maps, lambdas, casts, intervals, jsons]:
        for sql in group():
            if sql not in seen:
                seen.add(sql)
                print(json.dumps(record(spark, sql), ensure_ascii=False), flush=True)
        print(group.__name__, len(seen), file=sys.stderr)
    spark.stop()


if __name__ == "__main__":
    main()
