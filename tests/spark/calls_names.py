"""Second names of functions, casts as functions, and arguments at the bounds that the other lists lack."""

from calls_common import DATES, DOUBLES, INTS, LONG_MAX, LONG_MIN, LONGS, TEXTS, TIMES, call


def conversions():
    numbers = [*INTS, LONG_MAX, LONG_MIN, "3.9D", "-3.9D", "2147483648.0D", "double('NaN')", "double('Infinity')", "1e300D", "' 7 '", "''", "'abc'", "'1e3'", "true", "TIMESTAMP '1969-12-31 23:59:58.5'", "DATE '2026-01-31'", "X'61'"]
    for name in ["int", "bigint", "float", "double", "boolean", "string"]:
        yield from call(name, *[(value,) for value in numbers])
    for name in ["date", "timestamp"]:
        yield from call(name, *[(value,) for value in ["'2026-01-31'", "'2026-02-30'", "''", "' 2026-1-3 '", "'2026'", "'2026-01-31T12:34:56Z'", "'2026-01-31 12:34:56+02:00'", "'0000-01-01'", "'99999-01-01'", "0L", LONG_MAX, "1.5D", "double('NaN')", "true", *TIMES, *DATES]])
    yield from call("binary", *[(value,) for value in [*TEXTS, "5", LONG_MIN, "1.5D", "X'00'"]])


def tests():
    for name in ["isnull", "isnotnull", "typeof"]:
        yield from call(name, *[(value,) for value in ["1", "''", "double('NaN')", "array(NULL)", "1 div 0", "CAST(NULL AS DOUBLE)", "named_struct('a', NULL)"]])
    yield from call("isnan", *[(value,) for value in [*DOUBLES, "float('NaN')", "'NaN'", "5", "CAST(NULL AS DOUBLE)"]])
    yield from call("zeroifnull", *[(value,) for value in ["7", LONG_MAX, "1.5D", "double('NaN')", "''", "'x'", "true"]])
    for name in ["when", "if"]:
        yield from call(name, *[(c, "1", "2") for c in ["true", "false", "1 < NULL", "1 div 0 > 0", "'x'", "1", "''"]], ("true", "2147483647", "9223372036854775807L"), ("false", "1", "double('NaN')"))
    yield from call("when", ("false", "1", "true", "2", "3"), ("false", "1", "NULL", "2"), ("true",))


def texts():
    for name in ["like", "ilike"]:
        yield from call(name, *[(text, pattern) for text in ["'abc'", "''", "'a%b'", "'größe'", "'a\\\\b'"] for pattern in ["'a%'", "''", "'%'", "'_'", "'A_C'", "'a\\\\%b'", "'gr_SSe'", "'GRÖ%'", "'abc\\\\'"]], ("'a%b'", "'a/%b'", "'/'"), ("'a'", "'a'", "''"), ("'a'", "'a'", "'xy'"), ("5", "'5'"))
    yield from call("position", *[(a, s) for a in ["'b'", "''", "'ö'", "'z'"] for s in ["'abc'", "''", "'größe'"]], ("'a'", "'aaa'", "2"), ("'a'", "'aaa'", "0"), ("'a'", "'aaa'", "-1"), ("'a'", "'aaa'", "4"), ("'a'", "'aaa'", "2147483647"))
    yield from call("substr", *[("'größe'", n) for n in INTS], *[("'größe'", m, n) for m in ["0", "1", "-3", "6"] for n in ["0", "2", "-1", "2147483647", "-2147483648"]], ("''", "1"), ("12345", "2", "2"))
    for name in ["char", "chr"]:
        yield from call(name, *[(n,) for n in [*LONGS, "65", "228", "256", "256L", "128512", "-65", "''", "'65'", "65.9D"]])
    yield from call("printf", ("'%d'", "5"), ("'%d'", LONG_MIN), ("'%d'", "'x'"), ("'%s'", "double('NaN')"), ("''",), ("'%z'", "1"), ("'%d'",), ("'%2$s %1$s'", "'a'", "'b'"), ("'%.3f|%10.1f|%-8.2e|'", "1.23456D", "-0.05D", "12345.678D"), ("'%x %X %o'", "255", "-1", "8L"), ("'%c%%'", "65"), ("'%b'", "NULL"), ("'%,d'", "-1234567"), ("'%+d % d'", "5", "5"))
    for name in ["to_number", "try_to_number"]:
        yield from call(name, *[(text, form) for text in ["'454'", "'-1,234.56'", "''", "'$78.12'", "'12.5-'", "'1234567890123456789'", "'<12>'", "'.5'", "' 5'"] for form in ["'999'", "'S9,999.99'", "'$99.99'", "'99.9S'", "'9999999999999999999'", "'99PR'", "'MI9,999.99'", "'0.9'", "''"]])
    for name in ["to_char", "to_varchar"]:
        yield from call(name, *[(x, form) for x in ["12", "-3.5D", LONG_MAX, "double('NaN')", "0"] for form in ["'999'", "'000.0'", "'S99.9'", "'9,999,999,999,999,999,999'", "'$99'", "'MI9.9'", "'99PR'", "''", "'x'"]], ("DATE '2026-01-31'", "'yyyy'"), ("TIMESTAMP '0001-01-01 00:00:00'", "'yyyy-MM-dd'"), ("X'616263'", "'utf-8'"), ("X'616263'", "'hex'"), ("X'616263'", "'base64'"), ("X'61'", "'x'"), ("'abc'", "'999'"))


def times():
    for name in ["date_part", "datepart"]:
        yield from call(name, *[(f"'{field}'", "TIMESTAMP '1969-12-31 23:59:59.999999'") for field in ["YEAR", "yrs", "SECONDS", "YEAROFWEEK", "DOW", "DOW_ISO", "x", ""]], ("'DAY'", "INTERVAL '1 02:03:04.5' DAY TO SECOND"), ("'HOUR'", "INTERVAL '-1 02:03:04.5' DAY TO SECOND"), ("'SECOND'", "'2026-01-31 12:34:56.5'"), ("'YEAR'", "''"))
    yield from ["timediff(HOUR, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2025-12-31 22:30:00')", "timediff(SECOND, DATE '2026-01-01', NULL)", "timediff(MICROSECOND, TIMESTAMP '0001-01-01 00:00:00', TIMESTAMP '9999-12-31 23:59:59.999999')", "timediff(YEAR, '2024-02-29', '2025-02-28')", "timediff(x, '2024-02-29', '2025-02-28')"]
    for time in ["DATE '2026-01-31'", "TIMESTAMP '2026-01-31 12:00:00'"]:
        yield from [f"{time} - NULL", f"NULL - {time}", f"{time} + NULL", f"NULL + {time}", f"try_add({time}, INTERVAL 2 SECOND)", f"try_add(INTERVAL 2 SECOND, {time})", f"try_subtract({time}, INTERVAL 2 SECOND)", f"try_subtract({time}, {time})", f"try_add({time}, NULL)"]
    yield from ["TIMESTAMP_LTZ '2026-01-31 12:00:00'", "timestamp_ltz'2026-01-31'", "DATE '999999-03-18'", "DATE '-0001-1-28'", "DATE '0015'", "TIMESTAMP '-1969-12-31 16:00:00'", "TIMESTAMP '99999-03-18T12:03:17'", "TIMESTAMP '-000001'", "DATE '12345678-01-01'", "date_format(TIMESTAMP '2026-01-31 12:00:00', 'yyyyyyy')", "date_format(TIMESTAMP '2026-01-31 12:00:00', 'yyyyyy')", "to_timestamp('2026', 'yyyyyyy')", "to_timestamp('002026', 'yyyyyy')", "extract(SECOND FROM INTERVAL '1 02:03:04.123456' DAY TO SECOND)", "extract(SECOND FROM INTERVAL '-1 02:03:04.5' DAY TO SECOND)", "sign(INTERVAL '-1 00:00:00' DAY TO SECOND)", "signum(INTERVAL '0 00:00:00' DAY TO SECOND)", "CAST(1.5D AS INTERVAL DAY TO SECOND)"]
    zones = ["'Europe/Berlin'", "'America/New_York'", "'UTC'", "'+05:30'", "'GMT-3'", "''", "'X/Y'", "'PST'"]
    for name in ["to_utc_timestamp", "from_utc_timestamp"]:
        yield from call(name, *[(t, zone) for t in [*TIMES[:6], "'2026-03-29 02:30:00'", "'2026-10-25 02:30:00'", "''"] for zone in zones])
    yield from call("convert_timezone", *[(zone, "'Asia/Kolkata'", t) for zone in zones for t in ["TIMESTAMP '2026-03-29 02:30:00'", "TIMESTAMP '0001-01-01 00:00:00'"]], ("'X/Y'", "TIMESTAMP '2026-01-01 00:00:00'"), ("'UTC'", "''"))


def numbers():
    for name in ["bit_get", "getbit"]:
        yield from call(name, *[(x, n) for x in ["11", "-1", LONG_MIN] for n in ["0", "1", "31", "32", "63", "64", "-1"]])
    for name in ["reduce", "aggregate"]:
        for args in ["array(1, 2, 3), 0, (acc, x) -> acc + x", "array(1, 2, 3), 0, (acc, x) -> acc + x, acc -> acc * 10", "CAST(NULL AS ARRAY<INT>), 0, (acc, x) -> acc + x", "array(2147483647, 1), 0, (acc, x) -> acc + x", "array(1, NULL), 0, (acc, x) -> acc + x", "array(1), CAST(NULL AS INT), (acc, x) -> acc + x", "CAST(array() AS ARRAY<INT>), 5, (acc, x) -> acc + x", "array('a', 'b'), '', (acc, x) -> acc || x", "array(1), 0, acc -> acc"]:
            yield f"{name}({args})"
    for expr in ["pi()", "e()", "pi(1)", "e(NULL)", "current_timezone()", "current_timezone(1)"]:
        yield expr


def bytes_():
    data = ["X'00FF80'", "X''", "X'6162'", "'ab'", "NULL"]
    for name in ["hex", "length", "len", "octet_length", "bit_length", "reverse", "base64", "char_length", "character_length"]:
        yield from call(name, *[(x,) for x in data])
    for name in ["substring", "substr"]:
        yield from call(name, *[(x, n) for x in data[:3] for n in ["2", "0", "-2", "-9", "2147483647"]], *[("X'00FF80'", n, m) for n in ["1", "-2", "-9"] for m in ["2", "0", "-1", "2147483647"]])
    yield from call("left", ("X'00FF80'", "2"), ("X'00FF80'", "-1"), ("X''", "1"), ("X'00FF80'", "2147483647"))
    for name in ["lpad", "rpad"]:
        yield from call(name, *[(x, n) for x in data[:3] for n in ["5", "2", "0", "-1"]], *[("X'AA'", "6", pad) for pad in ["X'1F'", "X'1F2E'", "X''", "'ab'"]], ("'ab'", "5", "X'1F'"))
    yield from call("overlay", ("X'010203'", "X'FF'", "2"), ("X'010203'", "X'FFFE'", "2", "0"), ("X'010203'", "X''", "1", "2"), ("X'010203'", "X'FF'", "9"), ("X'010203'", "X'FF'", "-1"), ("X'010203'", "'a'", "2"))
    for name in ["startswith", "endswith", "contains"]:
        yield from call(name, *[("X'00FF80'", part) for part in ["X'00'", "X'80'", "X'FF'", "X''", "X'EFBFBD'", "'a'"]], ("X''", "X'00'"), ("'ab'", "X'61'"))
    yield from ["X'00FF' || X'80'", "X'00FF' || NULL", "X'61' || 'b'", "concat(X'FF')", "concat(X'FF', X'')", "concat(X'FF', NULL)", "concat(X'FF', 'a')", "concat(X'FF', 1)"]
    for text in ["'größe😀'", "'😀'", "'a😀b'"]:
        yield from [f"jaro_winkler_similarity({text}, 'a')", f"jaro_winkler_similarity({text}, 'größe')", f"levenshtein({text}, 'größe')"]
    for x in ["1e300D", "1.7976931348623157e308D", "123456789012345678D", "9007199254740993D", "-1e22D", "0.1D", "float(3e38)"]:
        yield from [f"format_number({x}, 2)", f"format_string('%.2f', {x})"]


def calls():
    for part in (conversions, tests, texts, times, numbers, bytes_):
        yield from part()
