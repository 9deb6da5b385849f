"""Builds lists of calls: argument lists given, and each argument NULL in turn."""


def call(names, *arglists):
    """Calls of the first name with every list of arguments (SQL texts), of the others with the first list; then NULL for each argument."""
    names = names.split()
    for args in arglists:
        yield f"{names[0]}({', '.join(args)})"
    for name in names[1:]:
        yield f"{name}({', '.join(arglists[0])})"
    first = arglists[0]
    for at in range(len(first)):
        yield f"{names[0]}({', '.join('NULL' if i == at else arg for i, arg in enumerate(first))})"


def unary(names, *values):
    yield from call(names, *[(value,) for value in values])


def quoted(text):
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
    return "'" + "".join(escapes.get(c, c) for c in text) + "'"


def texts(rows):
    """Rows of Python values as rows of SQL: text quoted, numbers as they are, None as NULL."""
    return [tuple("NULL" if x is None else quoted(x) if isinstance(x, str) else str(x) for x in row) for row in rows]


INT_MIN, INT_MAX = "-2147483648", "2147483647"
LONG_MIN, LONG_MAX = "-9223372036854775808L", "9223372036854775807L"
INTS = ["0", "1", "-1", "5", INT_MAX, INT_MIN]
LONGS = ["0L", "1L", "-1L", "255L", LONG_MAX, LONG_MIN]
DOUBLES = ["0.0D", "-0.0D", "1.0D", "-1.0D", "0.5D", "-0.5D", "2.0D", "-2.5D", "1e10D", "1e-10D", "1e300D", "double('NaN')", "double('Infinity')", "double('-Infinity')"]
TIMES = [
    "TIMESTAMP '2026-01-31 12:34:56.789012'", "TIMESTAMP '1970-01-01 00:00:00'", "TIMESTAMP '1969-12-31 23:59:59.999999'", "TIMESTAMP '2024-02-29 23:59:59'",
    "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'", "timestamp_micros(-9223372036854775808L)", "timestamp_micros(9223372036854775807L)",
]
DATES = ["DATE '2026-01-31'", "DATE '1970-01-01'", "DATE '1969-12-31'", "DATE '2024-02-29'", "DATE '0001-01-01'", "DATE '9999-12-31'", "date_from_unix_date(2147483647)", "date_from_unix_date(-2147483648)"]
TEXTS = ["'abc'", "''", "'größe'", "'a b,c'", "'😀x'", "'  x '"]
