"""Records what Spark makes of scalar expressions, for tests/spark/functions.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/generate_functions.py > tests/spark/functions.jsonl

Each line holds the expression as SQL text and as a tree (for tests without a parser), Spark's type, and either `value` or `error`
(Spark's error class). Doubles are text (Python's repr), timestamps microseconds, dates days since 1970-01-01.
ANSI mode, session time zone UTC. Needs Java 17 or later.
"""

import datetime
import json
import sys

from pyspark.sql import SparkSession

NAMES = {"i": "int", "l": "bigint", "d": "double", "f": "float", "s": "string", "b": "boolean", "ts": "timestamp", "dt": "date"}


class Node:
    def __init__(self, sql, tree):
        self.sql, self.tree = sql, tree


def quote(text):
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
    return "'" + "".join(escapes.get(c, c) for c in text) + "'"


def lit(kind, value):
    name = NAMES[kind]
    if value is None:
        return Node(f"CAST(NULL AS {name.upper()})", {"lit": None, "type": name})
    shown = value
    if kind == "i":
        sql = str(value)
    elif kind == "l":
        sql = f"{value}L"
    elif kind in "df":
        shown = str(value)
        sql = f"{name}('{shown}')" if kind == "f" or "n" in shown.lower() else f"{shown}D"
    elif kind == "s":
        sql = quote(value)
    elif kind == "b":
        sql = "true" if value else "false"
    elif kind == "ts":
        sql = f"timestamp_micros({value}L)"
    else:
        # Python's dates end at 9999.
        within = -719162 <= value <= 2932896
        sql = f"DATE '{datetime.date(1970, 1, 1) + datetime.timedelta(days=value)}'" if within else f"date_from_unix_date({value})"
    return Node(sql, {"lit": shown, "type": name})


def i(x): return lit("i", x)
def l(x): return lit("l", x)
def d(x): return lit("d", x)
def f(x): return lit("f", x)
def s(x): return lit("s", x)
def b(x): return lit("b", x)
def ts(x): return lit("ts", x)
def dt(x): return lit("dt", x)


def fn(function, sql, type_, *args):
    """A call; sql is a name, or a template with {0}, {1}."""
    texts = [a.sql for a in args]
    text = sql.format(*texts) if "{" in sql else f"{sql}({', '.join(texts)})"
    return Node(text, {"fn": function, "args": [a.tree for a in args], "type": type_})


def cast(arg, to, fallible=False):
    name = "try_cast" if fallible else "CAST"
    return Node(f"{name}({arg.sql} AS {to.upper()})", {"cast": arg.tree, "try": fallible, "type": to})


def land(a, c): return Node(f"({a.sql} AND {c.sql})", {"and": [a.tree, c.tree], "type": "boolean"})
def lor(a, c): return Node(f"({a.sql} OR {c.sql})", {"or": [a.tree, c.tree], "type": "boolean"})
def lnot(a): return Node(f"(NOT {a.sql})", {"not": a.tree, "type": "boolean"})
def isnull(a): return Node(f"({a.sql} IS NULL)", {"isnull": a.tree, "type": "boolean"})
def coalesce(t, *args): return Node(f"coalesce({', '.join(a.sql for a in args)})", {"coalesce": [a.tree for a in args], "type": t})


def case(t, branches, otherwise=None):
    text = "CASE " + " ".join(f"WHEN {c.sql} THEN {v.sql}" for c, v in branches)
    text += f" ELSE {otherwise.sql} END" if otherwise else " END"
    tree = {"case": [[c.tree, v.tree] for c, v in branches], "else": otherwise.tree if otherwise else None, "type": t}
    return Node(text, tree)


def inlist(a, *items):
    return Node(f"({a.sql} IN ({', '.join(x.sql for x in items)}))", {"in": a.tree, "list": [x.tree for x in items], "type": "boolean"})


INT_MIN, INT_MAX = -(2**31), 2**31 - 1
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
DAY = 86_400_000_000
TIMES = [0, -1, 1_767_225_600_120_000, 1_772_323_199_999_999, 951_782_400_000_000, -62_135_596_800_000_000, 4_102_444_800_000_001, 253_402_300_800_000_000]


def arithmetic():
    pairs_i = [(7, 2), (-7, 2), (7, -2), (-7, -2), (INT_MAX, 1), (INT_MIN, -1), (INT_MIN, 1), (1, 0), (0, 0), (None, 0), (1, None), (65536, 65536)]
    pairs_l = [(7, 3), (-7, 3), (7, -3), (LONG_MAX, 1), (LONG_MIN, -1), (LONG_MIN, 1), (1, 0), (None, 1), (0, None), (2**32, 2**31)]
    pairs_d = [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (1.0, 0.0), (0.0, 0.0), (1.0, -0.0), ("nan", 1.0), (1.0, "nan"), ("inf", 3.0), (3.0, "inf"),
               ("inf", "-inf"), (1.7976931348623157e308, 10.0), (0.1, 0.2), (None, 0.0), (1.0, None), ("nan", 0.0)]
    for kind, pairs in (("i", pairs_i), ("l", pairs_l), ("d", pairs_d)):
        t = NAMES[kind]
        for x, y in pairs:
            a, c = lit(kind, x), lit(kind, y)
            yield fn("Add", "({0} + {1})", t, a, c)
            yield fn("Subtract", "({0} - {1})", t, a, c)
            yield fn("Multiply", "({0} * {1})", t, a, c)
            yield fn("Remainder", "({0} % {1})", t, a, c)
            yield fn("Pmod", "pmod", t, a, c)
            yield fn("TryAdd", "try_add", t, a, c)
            yield fn("TrySubtract", "try_subtract", t, a, c)
            yield fn("TryMultiply", "try_multiply", t, a, c)
            if kind == "d":
                yield fn("Divide", "({0} / {1})", t, a, c)
                yield fn("TryDivide", "try_divide", t, a, c)
            else:
                yield fn("IntegerDivide", "({0} div {1})", "bigint", a, c)
    for a in [i(5), i(INT_MIN), l(-5), l(LONG_MIN), d(-1.5), d("nan"), d(-0.0), d(0.0), f(-1.5), i(None)]:
        t = a.tree["type"]
        yield fn("Negate", "(- {0})", t, a)
        yield fn("Abs", "abs", t, a)
    for x, y in [(1.5, 0.1), (3.0e38, 3.0e38), (1.0, "nan")]:
        for name, op in (("Add", "+"), ("Subtract", "-"), ("Multiply", "*"), ("Remainder", "%")):
            yield fn(name, f"({{0}} {op} {{1}})", "float", f(x), f(y))


def comparisons():
    values = [
        [d(1.0), d(2.0), d("nan"), d("inf"), d(-0.0), d(0.0), d(None)],
        [i(1), i(-1), i(None)],
        [l(LONG_MAX), l(0), l(None)],
        [s("a"), s("b"), s(""), s("ä"), s("aa"), s(None)],
        [b(True), b(False), b(None)],
        [ts(0), ts(-1)],
        [dt(0), dt(-1)],
        [f(0.1), f("nan")],
    ]
    ops = [("Equal", "="), ("NotEqual", "<>"), ("Less", "<"), ("LessEqual", "<="), ("Greater", ">"), ("GreaterEqual", ">="), ("EqualNullSafe", "<=>")]
    for row in values:
        for n, a in enumerate(row):
            for m, c in enumerate(row):
                # Every operator over all pairs would be long: rotate.
                for k, (name, op) in enumerate(ops):
                    if (n + m + k) % 2 == 0:
                        yield fn(name, f"({{0}} {op} {{1}})", "boolean", a, c)
    for args in [(d(1.0), d("nan"), d(None)), (d(1.0), d("inf")), (d(-0.0), d(0.0)), (d(None), d(None)), (i(3), i(1), i(2)), (s("b"), s("a"), s(None)),
                 (ts(5), ts(4)), (b(True), b(False)), (l(None), l(4))]:
        yield fn("Greatest", "greatest", args[0].tree["type"], *args)
        yield fn("Least", "least", args[0].tree["type"], *args)
    for a, c in [(d(1.0), d(1.0)), (d("nan"), d("nan")), (d(1.0), d(None)), (d(None), d(1.0)), (s("a"), s("b")), (s("a"), s("a")), (i(1), i(2))]:
        yield fn("NullIf", "nullif", a.tree["type"], a, c)
    for a in [d("nan"), d(1.0), d(None), f("nan"), d("inf")]:
        yield fn("IsNan", "isnan", "boolean", a)
        yield isnull(a)
    for a, c in [(d("nan"), d(2.0)), (d(1.0), d("nan")), (d(None), d(2.0)), (d("nan"), d(None)), (d(1.0), d(None))]:
        yield fn("Nanvl", "nanvl", "double", a, c)


def structs():
    yield Node("CAST(named_struct('a', 1, 'b', 'x') AS STRING)", {"cast": {"fn": "MakeStruct", "args": [i(1).tree, s("x").tree], "type": "struct<a:int,b:string>"}, "try": False, "type": "string"})
    yield Node("CAST(named_struct('a', CAST(NULL AS INT), 'b', 1.5D) AS STRING)", {"cast": {"fn": "MakeStruct", "args": [i(None).tree, d(1.5).tree], "type": "struct<a:int,b:double>"}, "try": False, "type": "string"})
    for index, member, type_ in [(0, "a", "int"), (1, "b", "string")]:
        yield Node(f"named_struct('a', 1, 'b', 'x').{member}", {"member": {"fn": "MakeStruct", "args": [i(1).tree, s("x").tree], "type": "struct<a:int,b:string>"}, "index": index, "type": type_})
    for time in TIMES:
        for size, slide, start in [(600, 600, 0), (7 * 86400, 7 * 86400, 0), (3600, 3600, 900)]:
            text = f"window({ts(time).sql}, '{size} seconds', '{slide} seconds', '{start} seconds')"
            tree = {"fn": "WindowOf", "args": [ts(time).tree] + [l(x * 1_000_000).tree for x in (size, slide, start)], "type": "struct<start:timestamp,end:timestamp>"}
            yield Node(f"{text}.start", {"member": tree, "index": 0, "type": "timestamp"})
            yield Node(f"{text}.end", {"member": tree, "index": 1, "type": "timestamp"})
            yield Node(f"window_time({text})", {"fn": "WindowTime", "args": [tree], "type": "timestamp"})


def logic():
    boom = fn("Equal", "({0} = {1})", "boolean", fn("IntegerDivide", "({0} div {1})", "bigint", l(1), l(0)), l(1))
    for a in [b(True), b(False), b(None)]:
        yield lnot(a)
        for c in [b(True), b(False), b(None)]:
            yield land(a, c)
            yield lor(a, c)
        yield land(a, boom)
        yield lor(a, boom)
        yield land(boom, a)
        yield lor(boom, a)
    div0 = fn("IntegerDivide", "({0} div {1})", "bigint", l(1), l(0))
    yield coalesce("bigint", l(None), l(2), div0)
    yield coalesce("bigint", l(None), div0, l(2))
    yield coalesce("bigint", l(None), l(None))
    yield case("bigint", [(b(True), l(1)), (b(True), div0)])
    yield case("bigint", [(b(False), div0), (b(None), div0)], l(3))
    yield case("bigint", [(b(False), l(1))])
    yield case("bigint", [(boom, l(1))], l(2))
    yield case("string", [(b(None), s("a")), (b(True), s("b"))], s("c"))
    yield inlist(i(1), i(1), i(2))
    yield inlist(i(3), i(1), i(2))
    yield inlist(i(3), i(1), i(None))
    yield inlist(i(1), i(1), i(None))
    yield inlist(i(None), i(1))
    yield inlist(d("nan"), d("nan"), d(1.0))
    yield inlist(d(-0.0), d(0.0))
    yield inlist(s("b"), s("a"), s("b"))
    yield inlist(l(1), l(1), div0)
    yield inlist(l(2), l(1), div0)
    yield inlist(l(2), div0, l(2))
    # A NULL on the left spares the right side.
    yield fn("Add", "({0} + {1})", "bigint", l(None), div0)
    yield fn("Add", "({0} + {1})", "bigint", div0, l(None))
    yield fn("Divide", "({0} / {1})", "double", d(None), d(0.0))
    yield fn("Add", "({0} + {1})", "int", i(None), fn("Add", "({0} + {1})", "int", i(INT_MAX), i(1)))


def mathematics():
    xs = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 10.0, 100.0, 1e-10, -2.5, 710.0, "nan", "inf", "-inf", None]
    for function, name in [("Sqrt", "sqrt"), ("Cbrt", "cbrt"), ("Exp", "exp"), ("Ln", "ln"), ("Log10", "log10"), ("Log2", "log2"), ("Log1p", "log1p"),
                           ("Expm1", "expm1"), ("Sin", "sin"), ("Cos", "cos"), ("Tan", "tan"), ("Asin", "asin"), ("Acos", "acos"), ("Atan", "atan"),
                           ("Sinh", "sinh"), ("Cosh", "cosh"), ("Tanh", "tanh"), ("Degrees", "degrees"), ("Radians", "radians"), ("Sign", "sign")]:
        for x in xs:
            yield fn(function, name, "double", d(x))
    pairs = [(2.0, 10.0), (2.0, -1.0), (-8.0, 1 / 3), (0.0, 0.0), (0.0, -1.0), (1.0, "nan"), (1.0, "inf"), (-1.0, "inf"), ("nan", 0.0), (2.0, "inf"),
             (10.0, 1000.0), (-1.0, 2.0), (3.0, 4.0), (0.0, -0.0), (-0.0, 0.0), (None, 1.0), (1.0, None), ("inf", "nan"), (1.0, 5.0), (-2.0, 3.0)]
    for x, y in pairs:
        for function, name in [("Power", "power"), ("Atan2", "atan2"), ("Hypot", "hypot"), ("Log", "log")]:
            yield fn(function, name, "double", d(x), d(y))
    yield fn("Pi", "pi", "double")
    yield fn("E", "e", "double")
    for function, name in [("Round", "round"), ("Bround", "bround")]:
        for x in [2.5, 3.5, -2.5, 0.5, -0.4, 1e300, "nan", "inf", -0.0, 1234567.891, None, 0.1 + 0.2]:
            yield fn(function, name, "double", d(x))
        for x, n in [(2.675, 2), (2.665, 2), (1.005, 2), (-1.005, 2), (0.15, 1), (0.25, 1), (0.35, 1), (1234.5678, -2), (1250.0, -2), (50.0, -2), (49.0, -2),
                     (1e-10, 5), (123.456, 20), (5e-324, 400), (1e300, -300), (99.995, 2), (21.45, 1), ("nan", 2), (9.5, 0)]:
            yield fn(function, name, "double", d(x), i(n))
        for x, n in [(25, -1), (35, -1), (-25, -1), (INT_MAX, -1), (INT_MIN, -1), (5, 2), (44, -2), (50, -2), (150, -2), (INT_MAX, -10), (INT_MAX, -9), (1, -11)]:
            yield fn(function, name, "int", i(x), i(n))
        for x, n in [(25, -1), (LONG_MAX, -1), (LONG_MAX, -18), (LONG_MAX, -19), (LONG_MAX, -20), (None, -1), (5, 0)]:
            yield fn(function, name, "bigint", l(x), i(n))
        yield fn(function, name, "float", f(2.675), i(2))
        yield fn(function, name, "float", f(0.125), i(2))
    for function, name in [("Floor", "floor"), ("Ceil", "ceil")]:
        for x in [1.5, -1.5, -0.0, 0.2, -0.2, "nan", "inf", "-inf", 1e18, 1e19, -1e19, 9.3e18, 9.223372036854775807e18, None]:
            yield fn(function, name, "bigint", d(x))
        for x in [5, LONG_MIN, None]:
            yield fn(function, name, "bigint", l(x))
    for x, y in [(12, 10), (-1, 255), (INT_MIN, INT_MAX), (0, 5), (None, 1)]:
        for function, op in [("BitAnd", "&"), ("BitOr", "|"), ("BitXor", "^")]:
            yield fn(function, f"({{0}} {op} {{1}})", "int", i(x), i(y))
            yield fn(function, f"({{0}} {op} {{1}})", "bigint", l(x), l(y))
    for x in [0, -1, 5, None]:
        yield fn("BitNot", "(~ {0})", "int", i(x))
        yield fn("BitNot", "(~ {0})", "bigint", l(x))
    for x, n in [(1, 4), (-8, 1), (1, 31), (1, 32), (1, 33), (1, -1), (1, 63), (1, 64), (None, 1), (1, None)]:
        for function, name in [("ShiftLeft", "shiftleft"), ("ShiftRight", "shiftright")]:
            yield fn(function, name, "int", i(x), i(n))
            yield fn(function, name, "bigint", l(x), i(n))


def casts():
    texts = ["12", " 12 ", "+12", "-12", "12.7", "abc", "", " ", "1e3", "1E-3", ".5", "5.", "3d", "3.5F", "0x1p3", "0x1.8p-1", "inf", "+inf", "-Infinity", "infinity", "NaN",
             "nan", "-NaN", "+nan", "1_000", "1,5", "12 3", "\t12\n", "2147483648", "-2147483648", "9223372036854775808", "1e400", "1e-400", "٣", "12L", "--1", "+",
             "true", "T", " yes ", "Y", "1", "0", "no", "off", "FALSE", "f", "n", "tru", None]
    for text in texts:
        for to in ["int", "bigint", "double", "float", "boolean"]:
            yield cast(s(text), to)
    for text in ["12", "12.7", "abc", "", None]:
        for to in ["int", "bigint", "double", "boolean", "timestamp", "date"]:
            yield cast(s(text), to, True)
    times = ["2026-01-01 00:00:00", "2026-01-01", "2026-01-01T10:20:30.123456Z", "2026-1-2 3:4:5.6", "2026", "2026-03", "2026-01-01 10", "2026-01-01 10:20", "2026-01-01T",
             "2026-01-01 ", "2026-01-01 24:00:00", "2026-02-29", "2024-02-29", "2026-13-01", "2026-00-01", "2026-01-32", "2026-01-01 10:20:30+01:00", "2026-01-01 10:20:30 +01:00",
             "2026-01-01 10:20:30-0130", "2026-01-01 10:20:30+1", "2026-01-01 10:20:30+1:5", "2026-01-01 10:20:30UTC", "2026-01-01 10:20:30 UTC+2", "2026-01-01 10:20:30 GMT-03:00",
             "2026-01-01 10:20:30+18:00", "2026-01-01 10:20:30+18:01", "2026-01-01 10:20:30.123456789", "2026-01-01 10:20:30.", "2026-01-01 10:20:60", "2026-01-01 10:60:00",
             "26-01-01", "0001-01-01 00:00:00", "0000-01-01", "-0001-01-01", "+2026-01-01", "12026-01-01", "294247-01-10 04:00:54.775807", "294248-01-01", "abc", "", " ",
             "2026-01-01Z", "2026-01-01 10:20Z", "2026/01/01", "20260101", "2026-01-01 10:20:30 EST", "2026-01-01 10:20:30Zz", "2026-01-01x", "2026-01-01 x", "1582-10-10", None]
    for text in times:
        yield cast(s(text), "timestamp")
        yield cast(s(text), "date")
    doubles = [0.0, -0.0, 1.0, 100.0, 1e7, 9999999.0, 12345678.9, 1e-3, 1e-4, 0.00123, 123.456, -1.5, 1e21, 1e-7, 1.7976931348623157e308, "nan", "inf", "-inf", 0.1, 1 / 3,
               3.9, -3.9, 2147483647.5, 2147483648.0, -2147483648.5, -2147483649.0, 9.223372036854775807e18, 9.3e18, -9.223372036854775808e18, 1e20, None]
    for x in doubles:
        for to in ["string", "int", "bigint", "float", "boolean", "timestamp"]:
            yield cast(d(x), to)
    for x in [3.9, "nan", 1e20]:
        for to in ["int", "bigint"]:
            yield cast(d(x), to, True)
    for x in [0.1, 16777216.0, 3.4e38, 1.5, "nan", "-inf", 1e10, None]:
        for to in ["string", "double", "int", "bigint", "boolean"]:
            yield cast(f(x), to)
    for x in [0, 1, -1, INT_MAX, INT_MIN, None]:
        for to in ["string", "bigint", "double", "float", "boolean", "timestamp"]:
            yield cast(i(x), to)
    for x in [0, 5, 2**31, -(2**31) - 1, LONG_MAX, LONG_MIN, 2**53 + 1, 1_767_225_600, None]:
        for to in ["string", "int", "double", "float", "boolean", "timestamp"]:
            yield cast(l(x), to)
    yield cast(l(2**31), "int", True)
    for x in [True, False, None]:
        for to in ["string", "int", "bigint", "double", "float"]:
            yield cast(b(x), to)
    for x in TIMES + [1_500_000, -1_500_000, None]:
        for to in ["string", "int", "bigint", "double", "float", "date"]:
            yield cast(ts(x), to)
    for x in [LONG_MAX, LONG_MIN]:
        for to in ["string", "bigint"]:
            yield cast(ts(x), to)
    for x in [0, -1, 20454, -719162, 2932897, None]:
        for to in ["string", "timestamp"]:
            yield cast(dt(x), to)


def strings():
    texts = ["", "abc", "größe", "straße", "aBc dEf", "a-b c", "日本語 テ", "😀x", " pad\t", "ÀÉ ΣΑΣ", "ı İ", None]
    for function, name, t in [("Upper", "upper", "string"), ("Lower", "lower", "string"), ("Initcap", "initcap", "string"), ("Length", "length", "int"),
                              ("OctetLength", "octet_length", "int"), ("Reverse", "reverse", "string"), ("Ascii", "ascii", "int"), ("Hex", "hex", "string"),
                              ("Trim", "trim", "string"), ("Ltrim", "ltrim", "string"), ("Rtrim", "rtrim", "string")]:
        for text in texts:
            yield fn(function, name, t, s(text))
    for text in ["sPark\tsql", "a  b", "o'neil x.y", "_a 1b", "ßa ǆ ﬁx"]:
        yield fn("Initcap", "initcap", "string", s(text))
    for x in [0, 255, 17, -1, LONG_MIN, LONG_MAX, None]:
        yield fn("Hex", "hex", "string", l(x))
    for x in [65, 0, -1, 256, 321, 233, 955, LONG_MAX, None]:
        yield fn("Chr", "chr", "string", l(x))
    for start in [1, 0, 2, -1, -2, -5, 9, INT_MIN, INT_MAX, None]:
        yield fn("Substring", "substring", "string", s("größe"), i(start))
        for length in [2, 0, -1, INT_MAX, None]:
            yield fn("Substring", "substring", "string", s("größe"), i(start), i(length))
    yield fn("Substring", "substring", "string", s("abc"), i(-5), i(3))
    for n in [0, 1, 3, 9, -1, None]:
        yield fn("Left", "left", "string", s("größe"), i(n))
        yield fn("Right", "right", "string", s("größe"), i(n))
        yield fn("Repeat", "repeat", "string", s("ab"), i(n))
        for pad in ["", "x", "äö", None]:
            yield fn("Lpad", "lpad", "string", s("ab"), i(n), s(pad))
            yield fn("Rpad", "rpad", "string", s("ab"), i(n), s(pad))
    yield fn("Lpad", "lpad", "string", s("ab"), i(5))
    yield fn("Rpad", "rpad", "string", s("ab"), i(5))
    yield fn("Concat", "concat", "string", s("a"), s("b"), s("c"))
    yield fn("Concat", "concat", "string", s("a"), s(None))
    yield fn("Concat", "concat", "string", s(""))
    for args in [(",", "a", "b"), (",", "a", None, "b"), (",", None), (None, "a"), (",", "", ""), ("", "a", "b"), (",",)]:
        yield fn("ConcatWs", "concat_ws", "string", *[s(x) for x in args])
    for text, chars in [("xxaxx", "x"), ("abcba", "ab"), ("  a ", ""), ("größe", "eg"), ("aaa", "a"), ("a", None), (None, "a")]:
        for function, where in [("Trim", "BOTH"), ("Ltrim", "LEADING"), ("Rtrim", "TRAILING")]:
            yield fn(function, f"trim({where} {{1}} FROM {{0}})", "string", s(text), s(chars))
    for args in [("aaa", "a", "b"), ("aaa", "", "x"), ("aaa", "a", ""), ("abcabc", "bc", "größe"), ("aaa", "aa", "b"), ("abc", None, "x"), ("abc", "b", None), ("", "a", "b"), ("ABC", "b", "x")]:
        yield fn("Replace", "replace", "string", *[s(x) for x in args])
    yield fn("Replace", "replace", "string", s("abcabc"), s("b"))
    for args in [("abcba", "ab", "xy"), ("abc", "abc", "x"), ("abc", "aa", "xy"), ("größe", "öß", "os"), ("abc", "", "x"), ("abc", "b", None)]:
        yield fn("Translate", "translate", "string", *[s(x) for x in args])
    for n in [1, 2, 3, 4, -1, -3, -4, 0, None]:
        yield fn("SplitPart", "split_part", "string", s("a-b-c"), s("-"), i(n))
    for text, sep, n in [("a-b", "", 1), ("a-b", "", 2), ("a-b", "", -1), ("", "-", 1), ("aXXbXXc", "XX", 2), ("a.b", ".", 2), ("XXXa", "XX", -1), ("a|b", "|", 2)]:
        yield fn("SplitPart", "split_part", "string", s(text), s(sep), i(n))
    for text, part in [("größe", "ß"), ("abc", ""), ("", ""), ("", "a"), ("abab", "b"), ("abc", "x"), ("a", None), (None, "a")]:
        yield fn("Instr", "instr", "int", s(text), s(part))
        yield fn("Locate", "locate", "int", s(part), s(text))
        yield fn("StartsWith", "startswith", "boolean", s(text), s(part))
        yield fn("EndsWith", "endswith", "boolean", s(text), s(part))
        yield fn("Contains", "contains", "boolean", s(text), s(part))
    for part, text, start in [("b", "abab", 3), ("b", "abab", 5), ("b", "abab", 0), ("b", "abab", -1), ("", "abc", 2), ("", "abc", 4), ("", "abc", 5), ("", "abc", 0), ("b", "abab", None),
                              (None, "abab", 1), (None, "a", None), ("ß", "größe", 2), ("b", "abab", INT_MAX), ("", "", 1)]:
        yield fn("Locate", "locate", "int", s(part), s(text), i(start))


def patterns():
    for text, pattern in [("abc", "a%"), ("abc", "%c"), ("abc", "_b_"), ("abc", "b"), ("", "%"), ("", ""), ("a%c", "a\\%c"), ("abc", "a\\%c"), ("a_c", "a\\_c"), ("a\\c", "a\\\\c"), ("a\nb", "a_b"),
                          ("größe", "gr__e"), ("ABC", "abc"), ("abc", "a\\bc"), ("abc", "abc\\"), ("a.c", "a.c"), ("abc", "a.c"), ("😀", "_"), (None, "%"), ("a", None), ("abba", "%b%b%"), ("aXbX", "%X")]:
        yield fn("Like", "({0} LIKE {1})", "boolean", s(text), s(pattern))
        yield fn("Ilike", "({0} ILIKE {1})", "boolean", s(text), s(pattern))
    for text, pattern, escape in [("a%c", "a#%c", "#"), ("abc", "a#%c", "#"), ("a#c", "a##c", "#"), ("abc", "a#bc", "#"), ("a\\c", "a\\c", "/")]:
        yield fn("Like", "({0} LIKE {1} ESCAPE {2})", "boolean", s(text), s(pattern), s(escape))
    for text, pattern in [("abc", "b"), ("abc", "^b"), ("abc", "^a.c$"), ("a1", "\\d"), ("٣", "\\d"), ("größe", "^\\w+$"), ("a b", "\\s"), ("abc", "(?i)B"), ("abc", "x*"), ("", ""), ("ab", "a|b"),
                          ("abc", "["), ("aab", "a{2}b"), ("a.b", "\\Qa.b\\E"), ("x", "\\p{Alpha}"), ("ä", "\\p{L}"), ("ä", "\\p{Alpha}"), ("a-b", "[a-z&&[^b]]-b"), ("a\nb", "a.b"), (None, "a"), ("a", None)]:
        yield fn("Rlike", "({0} RLIKE {1})", "boolean", s(text), s(pattern))
    for text, pattern, group in [("100-200", "(\\d+)-(\\d+)", 1), ("100-200", "(\\d+)-(\\d+)", 2), ("100-200", "(\\d+)-(\\d+)", 0), ("100-200", "(\\d+)-(\\d+)", 3), ("abc", "(\\d+)", 1), ("abc", "(\\d+)", 5), ("ac", "a(b)?c", 1),
                                 ("abc", "b", -1), ("größe", "(ö.)", 1), (None, "a", 0), ("abc", "(", 0)]:
        yield fn("RegexpExtract", "regexp_extract", "string", s(text), s(pattern), i(group))
    yield fn("RegexpExtract", "regexp_extract", "string", s("foo123"), s("([a-z]+)"))
    yield fn("RegexpExtract", "regexp_extract", "string", s("foo123"), s("[a-z]+"))
    for text, pattern, replacement in [("a1b22", "\\d+", "#"), ("a1b22", "(\\d+)", "<$1>"), ("abc", "x*", "-"), ("baaac", "a*", "-"), ("abc", "b", "\\$"), ("abc", "b", "\\\\"), ("abc", "b", "$"), ("abc", "b", "$1"), ("abc", "(b)", "$12"),
                                       ("abc", "(?<x>b)", "[${x}]"), ("", "a", "b"), ("größe", "[öß]", "?"), (None, "a", "b"), ("a", "a", None), ("abc", "", "."), ("abc", "b", "x\\"), ("abc", "(x)?b", "<$1>")]:
        yield fn("RegexpReplace", "regexp_replace", "string", s(text), s(pattern), s(replacement))
    for text, start in [("abcabc", 1), ("abcabc", 3), ("abcabc", 6), ("abcabc", 7), ("", 1)]:
        yield fn("RegexpReplace", "regexp_replace", "string", s(text), s("[ac]"), s("-"), i(start))
    yield fn("RegexpReplace", "regexp_replace", "string", s("größe"), s("."), s("-"), i(4))
    yield fn("RegexpReplace", "regexp_replace", "string", s("aab"), s("^a"), s("-"), i(2))


def times():
    for x in [0, 1, -1, 1_767_225_600_123, LONG_MAX, LONG_MIN, None]:
        yield fn("TimestampMillis", "timestamp_millis", "timestamp", l(x))
        yield fn("TimestampMicros", "timestamp_micros", "timestamp", l(x))
        yield fn("TimestampSeconds", "timestamp_seconds", "timestamp", l(x))
    for x in [1.5, -0.0000015, 1767225600.123456, "nan", "inf", 1e300, None]:
        yield fn("TimestampSeconds", "timestamp_seconds", "timestamp", d(x))
    for time in TIMES + [None]:
        for function, name, t in [("UnixMillis", "unix_millis", "bigint"), ("UnixMicros", "unix_micros", "bigint"), ("UnixSeconds", "unix_seconds", "bigint"), ("Hour", "hour", "int"), ("Minute", "minute", "int"), ("Second", "second", "int"),
                                  ("Year", "year", "int"), ("Quarter", "quarter", "int"), ("Month", "month", "int"), ("Day", "day", "int"), ("DayOfWeek", "dayofweek", "int"), ("DayOfYear", "dayofyear", "int"), ("WeekOfYear", "weekofyear", "int"),
                                  ("Weekday", "weekday", "int")]:
            yield fn(function, name, t, ts(time))
    for day in [0, -1, 20454, 20457, 18262, 16800, 11016]:
        for function, name in [("Year", "year"), ("WeekOfYear", "weekofyear"), ("DayOfWeek", "dayofweek"), ("Weekday", "weekday"), ("DayOfYear", "dayofyear"), ("Quarter", "quarter"), ("Month", "month"), ("Day", "day")]:
            yield fn(function, name, "int", dt(day))
    units = ["YEAR", "yyyy", "yy", "quarter", "MONTH", "mm", "mon", "WEEK", "DAY", "dd", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "microsecond", "decade", "", None]
    for unit in units:
        for time in [1_772_323_199_999_999, -1]:
            yield fn("DateTrunc", "date_trunc", "timestamp", s(unit), ts(time))
    yield fn("DateTrunc", "date_trunc", "timestamp", s("week"), ts(None))
    yield fn("DateTrunc", "date_trunc", "timestamp", s("year"), ts(LONG_MIN))
    formats = ["yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ssXXX", "yy M d H m s S", "MMM MMMM L LL LLL", "E EEE EEEE", "hh:mm a", "h K k kk KK", "D DDD", "Q QQ QQQ QQQQ", "SSSSSSSSS", "X XX XXX x xx xxx", "Z ZZZ ZZZZ ZZZZZ", "z zzzz VV O OOOO", "G GGGG y",
               "''yyyy''", "'it''s' yyyy", "yyyyy", "y yyy", "[yyyy]", "YYYY", "ww", "u", "e", "c", "n", "A", "B", "MMMMM", "EEEEE", "ddd", "HHH", "aa", "SSSSSSSSSS", "#", "{", "'open", "yyyyyyyyyyy", "F", "", "b", "j", "q", "DD", "dd/MM/yyyy", "HH 'Uhr' größe", "T", "V", "XXXX", "x:XXXXX"]
    for text in formats:
        yield fn("DateFormat", "date_format", "string", ts(1_772_323_199_987_654), s(text))
    for time in TIMES:
        yield fn("DateFormat", "date_format", "string", ts(time), s("yyyy-MM-dd HH:mm:ss.SSSSSS a hh K k"))
        yield fn("DateFormat", "date_format", "string", ts(time), s("G y yy yyy E D Q F"))
    yield fn("DateFormat", "date_format", "string", ts(None), s("yyyy"))
    yield fn("DateFormat", "date_format", "string", ts(0), s(None))
    parses = [("2026-01-02", "yyyy-MM-dd"), ("2026-1-2", "yyyy-MM-dd"), ("2026-1-2", "y-M-d"), ("20260102", "yyyyMMdd"), ("20260102030405", "yyyyMMddHHmmss"), ("20260102030405006", "yyyyMMddHHmmssSSS"), ("02/Jan/2026", "dd/MMM/yyyy"),
              ("02/jan/2026", "dd/MMM/yyyy"), ("2 January 2026", "d MMMM yyyy"), ("26-01-02", "yy-MM-dd"), ("99-01-02", "yy-MM-dd"), ("2026-02-30", "yyyy-MM-dd"), ("2026-01-02x", "yyyy-MM-dd"), ("2026-01-02", "yyyy-MM-dd HH"),
              ("2026-01-02 12:30 PM", "yyyy-MM-dd hh:mm a"), ("2026-01-02 12:30 am", "yyyy-MM-dd hh:mm a"), ("2026-01-02 13:30 PM", "yyyy-MM-dd hh:mm a"), ("2026-01-02 01:30", "yyyy-MM-dd hh:mm"), ("2026-01-02 24", "yyyy-MM-dd HH"),
              ("2026-01-02 24", "yyyy-MM-dd kk"), ("2026-01-02T03:04:05Z", "yyyy-MM-dd'T'HH:mm:ssX"), ("2026-01-02T03:04:05+02:00", "yyyy-MM-dd'T'HH:mm:ssXXX"), ("2026-01-02T03:04:05+0200", "yyyy-MM-dd'T'HH:mm:ssZ"),
              ("2026-01-02T03:04:05+0200", "yyyy-MM-dd'T'HH:mm:ssXX"), ("2026-01-02T03:04:05+02", "yyyy-MM-dd'T'HH:mm:ssX"), ("2026-01-02 UTC", "yyyy-MM-dd VV"), ("2026-01-02 UTC", "yyyy-MM-dd z"), ("03:04", "HH:mm"),
              ("2026-01-02 03:04:05.5", "yyyy-MM-dd HH:mm:ss.SSS"), ("2026-01-02 03:04:05.123456", "yyyy-MM-dd HH:mm:ss.SSS"), ("2026-01-02 03:04:05.123456", "yyyy-MM-dd HH:mm:ss.SSSSSS"), ("2026-01-02 03:04:05.", "yyyy-MM-dd HH:mm:ss.SSS"),
              ("2026-01-02", "yyyy-MM-dd[ HH:mm]"), ("2026-01-02 03:04", "yyyy-MM-dd[ HH:mm]"), ("12026-01-02", "yyyy-MM-dd"), ("+12026-01-02", "yyyy-MM-dd"), ("-0001-01-02", "yyyy-MM-dd"), ("2026-01-02 Fri", "yyyy-MM-dd E"),
              (" 2026-01-02", "yyyy-MM-dd"), ("2026", "yyyy"), ("2026-03", "yyyy-MM"), ("1767225600", "s"), ("", "yyyy"), ("2026 001", "yyyy DDD"), ("2026-01-02", "YYYY-MM-dd"), ("abc", "yyyy"), (None, "yyyy"), ("2026", None), ("12", "d"), ("123", "d"), ("99", "m"),
              ("2026-01-02 3:4:5", "yyyy-MM-dd H:m:s"), ("2026-01-02 03:04:60", "yyyy-MM-dd HH:mm:ss"), ("2026-12-31 23:59:59", "yyyy-MM-dd HH:mm:ss"), ("It's 2026", "'It''s' yyyy"), ("2026-1", "yyyy-M"), ("202601", "yyyyMM"), ("26", "y"), ("026", "yyy")]
    for text, pattern in parses:
        yield fn("ToTimestamp", "to_timestamp", "timestamp", s(text), s(pattern))
        yield fn("UnixTimestamp", "unix_timestamp", "bigint", s(text), s(pattern))
    for text, pattern in parses[:12] + parses[-8:]:
        yield fn("ToDate", "to_date", "date", s(text), s(pattern))
    for text in ["2026-01-02", "2026-01-02 03:04:05.678Z", "abc", None]:
        yield fn("ToTimestamp", "to_timestamp", "timestamp", s(text))
        yield fn("ToDate", "to_date", "date", s(text))
    yield fn("ToTimestamp", "to_timestamp", "timestamp", ts(5))
    yield fn("ToTimestamp", "to_timestamp", "timestamp", dt(5))
    yield fn("ToDate", "to_date", "date", ts(-1))
    yield fn("UnixTimestamp", "unix_timestamp", "bigint", s("2026-01-02 03:04:05"))
    yield fn("UnixTimestamp", "unix_timestamp", "bigint", s("2026-01-02"))
    yield fn("UnixTimestamp", "unix_timestamp", "bigint", ts(-1))
    yield fn("UnixTimestamp", "unix_timestamp", "bigint", dt(1))
    for x in [0, -1, 1_767_225_600, LONG_MAX, None]:
        yield fn("FromUnixtime", "from_unixtime", "string", l(x))
        yield fn("FromUnixtime", "from_unixtime", "string", l(x), s("yyyy/MM/dd"))
    for day, n in [(0, 1), (0, -1), (20454, 31), (INT_MAX, 1), (INT_MIN, -1), (0, None), (None, 1), (0, INT_MIN)]:
        yield fn("DateAdd", "date_add", "date", dt(day), i(n))
        yield fn("DateSub", "date_sub", "date", dt(day), i(n))
    for x, y in [(5, 3), (3, 5), (-1, 1), (None, 1)]:
        yield fn("DateDiff", "datediff", "int", dt(x), dt(y))
    for day, n in [(20483, 1), (20454, 1), (20454, -1), (19782, 12), (19782, 48), (0, -1), (None, 1), (20454, 0), (20454, -240000)]:
        yield fn("AddMonths", "add_months", "date", dt(day), i(n))
    for time, months in [(1_769_817_600_000_001, 1), (1_769_817_600_000_001, -2), (1_769_817_600_000_001, 25)]:
        yield fn("AddMonths", f"({{0}} + INTERVAL '{months}' MONTH)", "timestamp", ts(time), i(months))
    for time, seconds in [(0, 90), (0, -90), (LONG_MAX, 1)]:
        yield Node(f"({ts(time).sql} + INTERVAL '{seconds}' SECOND)", {"fn": "AddMicros", "args": [ts(time).tree, l(seconds * 1_000_000).tree], "type": "timestamp"})


def plain(value):
    if isinstance(value, float):
        return repr(value)
    return value


def record(spark, node):
    """Spark's type and value, or its error class."""
    line = {"sql": node.sql, "tree": node.tree}
    try:
        line["type"] = spark.sql(f"SELECT {node.sql} AS x").schema[0].dataType.simpleString()
        wrap = {"timestamp": "unix_micros({})", "date": "unix_date({})"}.get(line["type"], "{}")
        line["value"] = plain(spark.sql(f"SELECT {wrap.format('x')} AS x FROM (SELECT {node.sql} AS x)").collect()[0][0])
    except Exception as error:  # whatever Spark throws is the record
        condition = getattr(error, "getCondition", lambda: None)() or getattr(error, "getErrorClass", lambda: None)()
        line["error"] = condition or next((part for part in str(error).split() if part.endswith("Exception:") or part.endswith("Exception")), type(error).__name__)
    if "type" in line and line["type"] != node.tree["type"]:
        print(f"type of {node.sql} is {line['type']}, not {node.tree['type']}", file=sys.stderr)
    return line


RULES_OFF = ["ConstantFolding", "NullPropagation", "BooleanSimplification", "SimplifyConditionals", "OptimizeIn", "ReplaceNullWithFalseInPredicate"]


def main():
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.variable.substitute", "false")
        # What an expression means for a row, not what can be known of it beforehand.
        .config("spark.sql.optimizer.excludedRules", ",".join(f"org.apache.spark.sql.catalyst.optimizer.{rule}" for rule in RULES_OFF))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    seen = set()
    for group in (arithmetic, comparisons, structs, logic, mathematics, casts, strings, patterns, times):
        for node in group():
            if node.sql not in seen:
                seen.add(node.sql)
                line = record(spark, node)
                print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
