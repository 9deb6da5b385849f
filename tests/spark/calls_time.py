"""Calls of functions on dates, times and intervals."""

from calls_common import DATES, DOUBLES, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, TIMES, call, quoted, unary

ZONES = ["UTC", "Z", "Asia/Seoul", "America/New_York", "Europe/Berlin", "+01:00", "-08:30", "GMT+1", "UTC-3", "UT+1", "PST", "EST", "CET", "JST", "ACT", "Asia/Kolkata", "+1", "+0130", "x", "", "europe/berlin", "+19:00", "GMT0", "Etc/GMT+5", "IST", "CST", "Australia/Lord_Howe", " UTC", "+01:02:03", "-1:2"]
UNITS = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "year", "DECADE", "X"]


def dates():
    for name in ["last_day", "dayname", "monthname", "unix_date", "year", "quarter", "month", "day", "dayofmonth", "dayofweek", "dayofyear", "weekday", "weekofyear", "date", "to_date"]:
        yield from unary(name, *DATES, TIMES[0], "'2026-02-03'", "'x'")
    for name in ["hour", "minute", "second", "unix_seconds", "unix_millis", "unix_micros", "unix_timestamp", "to_unix_timestamp", "to_timestamp", "to_timestamp_ltz"]:
        yield from unary(name, *TIMES, DATES[0], "'2026-02-03 04:05:06.7'", "'x'")
    yield from unary("date_from_unix_date", "0", "1", "-1", "20454", INT_MAX, INT_MIN, "'5'", "5L", "5.5D")
    days = ["MO", "mon", "Monday", "TU", "TUE", "WE", "TH", "THU", "FR", "SA", "SU", "SUNDAY", "x", "", "M", " MON"]
    for day in days:
        yield f"next_day(DATE '2026-01-31', '{day}')"
    yield from call("next_day", ("DATE '2026-01-31'", "'SA'"), ("'2026-01-31'", "'SU'"), ("date_from_unix_date(2147483647)", "'MO'"), ("DATE '1969-12-31'", "'WE'"))
    for unit in ["year", "yyyy", "yy", "QUARTER", "month", "mm", "mon", "week", "day", "dd", "hour", "x", ""]:
        yield f"trunc(DATE '2026-05-31', '{unit}')"
        yield f"trunc(DATE '1969-12-31', '{unit}')"
    yield from call("trunc", ("'2026-05-31'", "'MM'"), (TIMES[0], "'MM'"), ("date_from_unix_date(-2147483648)", "'year'"))
    pairs = [("TIMESTAMP '2026-02-28 10:30:00'", "TIMESTAMP '1996-10-30 00:00:00'"), ("DATE '2026-03-31'", "DATE '2026-02-28'"), ("DATE '2026-01-31'", "DATE '2026-01-31'"), ("DATE '2026-01-30'", "DATE '2026-02-28'"), ("TIMESTAMP '2026-01-31 12:00:00'", "TIMESTAMP '2026-02-01 00:00:00'"),
             ("TIMESTAMP '2026-03-15 12:00:00'", "TIMESTAMP '2026-02-15 18:00:00'"), ("'2026-01-01'", "'2025-01-15'"), ("DATE '1969-12-31'", "DATE '1970-01-01'"), (TIMES[4], TIMES[5]), ("TIMESTAMP '2026-01-01 00:00:00.5'", "TIMESTAMP '2025-12-31 00:00:00'")]
    yield from call("months_between", *pairs, *[(a, b, "false") for a, b in pairs], (pairs[0][0], pairs[0][1], "true"))
    yield from call("make_date", ("2026", "7", "22"), ("2026", "2", "29"), ("2024", "2", "29"), ("0", "1", "1"), ("-1", "1", "1"), ("999999", "1", "1"), ("2026", "13", "1"), ("2026", "0", "1"), ("2026", "1", "0"), ("'2026'", "'7'", "'22'"), ("10000000", "1", "1"), (INT_MAX, "1", "1"))
    for name in ["add_months", "date_add", "date_sub", "dateadd"]:
        yield from call(name, ("DATE '2026-01-31'", "1"), ("DATE '2024-02-29'", "-12"), ("'2026-01-31'", "1"), (TIMES[0], "1"), ("DATE '2026-01-31'", "'1'"), ("DATE '2026-01-31'", "1.5D"), ("DATE '2026-01-31'", "1L"), ("DATE '2026-01-31'", "0"))
    for name in ["datediff", "date_diff"]:
        yield from call(name, ("DATE '2026-01-31'", "DATE '2025-01-31'"), ("'2026-01-31'", "'2026-02-01'"), (TIMES[0], TIMES[2]), ("DATE '1969-12-31'", "DATE '1970-01-01'"))
    for expr in ["DATE '2026-01-31' + 1", "DATE '2026-01-31' - 1", "1 + DATE '2026-01-31'", "DATE '2026-01-31' - DATE '2026-01-01'", "TIMESTAMP '2026-01-31 00:00:00' - TIMESTAMP '2026-01-01 12:00:00'", "DATE '2026-01-31' - TIMESTAMP '2026-01-01 12:00:00'", "DATE '2026-01-31' + '1'", "DATE '2026-01-31' + INTERVAL '1' MONTH", "DATE '2026-01-31' + INTERVAL '1' HOUR", "TIMESTAMP '2026-01-31 00:00:00' + INTERVAL '1' MONTH", "TIMESTAMP '2026-01-31 00:00:00' - INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '1' DAY * 2", "INTERVAL '1' DAY / 2", "INTERVAL '1' DAY + INTERVAL '1' HOUR", "- INTERVAL '1' DAY", "INTERVAL '1' DAY < INTERVAL '25' HOUR", "INTERVAL '1 02:03:04.5' DAY TO SECOND", "INTERVAL '1' DAY", "INTERVAL '90' SECOND", "INTERVAL '-1' HOUR", "abs(INTERVAL '-1' HOUR)", "extract(HOUR FROM INTERVAL '1 02:03:04.5' DAY TO SECOND)", "extract(SECOND FROM INTERVAL '1 02:03:04.5' DAY TO SECOND)", "sign(INTERVAL '-1' HOUR)", "2 * INTERVAL '1' DAY", "INTERVAL '1' DAY * 1.5D", "INTERVAL '1' DAY / 0"]:
        yield expr
    yield from call("make_dt_interval", ("1", "12", "30", "1.001001D"), ("2",), ("100", "0"), ("0", "0", "0", "0.000001D"), ("-1", "-2", "-3", "-4.5D"), (INT_MAX, INT_MAX, INT_MAX, "1.0D"), ())
    for expr in ["make_dt_interval(1, 2) + TIMESTAMP '2026-01-01 00:00:00'", "TIMESTAMP '2026-01-01 00:00:00' + make_dt_interval(0, 1, 30)"]:
        yield expr


def units():
    for unit in UNITS:
        for time in ["TIMESTAMP '2026-01-31 12:34:56.789012'", "DATE '2024-02-29'", "TIMESTAMP '1969-12-31 23:59:59'"]:
            yield f"timestampadd({unit}, 5, {time})"
            yield f"timestampadd({unit}, -13, {time})"
        yield f"dateadd({unit}, 1, DATE '2026-01-31')"
        yield f"date_add({unit}, 1, TIMESTAMP '2026-01-31 00:00:00')"
        for a, b in [("TIMESTAMP '2026-01-31 12:00:00'", "TIMESTAMP '2026-02-28 11:59:59.999999'"), ("TIMESTAMP '2026-03-31 00:00:00'", "TIMESTAMP '2024-02-29 12:00:00'"), ("DATE '1969-12-31'", "DATE '1970-01-01'"), ("TIMESTAMP '1969-12-31 23:00:00'", "TIMESTAMP '1970-01-01 00:30:00.000001'")]:
            yield f"timestampdiff({unit}, {a}, {b})"
            yield f"datediff({unit}, {a}, {b})"
        yield f"date_diff({unit}, DATE '2026-01-01', DATE '2026-12-31')"
    for expr in ["timestampadd(HOUR, NULL, TIMESTAMP '2026-01-01 00:00:00')", "timestampadd(HOUR, 1, NULL)", "timestampadd('HOUR', 1, TIMESTAMP '2026-01-01 00:00:00')", "timestampadd(HOUR, '5', TIMESTAMP '2026-01-01 00:00:00')", "timestampadd(HOUR, 1, '2026-01-01 00:00:00')", "timestampadd(YEAR, 300000, TIMESTAMP '2026-01-01 00:00:00')", "timestampadd(MICROSECOND, 9223372036854775807L, TIMESTAMP '2026-01-01 00:00:00')", "timestampadd(HOUR, 1.9D, TIMESTAMP '2026-01-01 00:00:00')",
                 "timestampdiff(HOUR, NULL, TIMESTAMP '2026-01-01 00:00:00')", "timestampdiff(YEAR, timestamp_micros(-9223372036854775808L), timestamp_micros(9223372036854775807L))", "timestampdiff(MICROSECOND, timestamp_micros(-9223372036854775808L), timestamp_micros(9223372036854775807L))", "date_sub(DATE '2026-01-01', 1)"]:
        yield expr
    fields = ["YEAR", "Y", "YEARS", "YR", "YRS", "YEAROFWEEK", "QUARTER", "QTR", "MONTH", "MON", "MONS", "MONTHS", "WEEK", "W", "WEEKS", "DAY", "D", "DAYS", "DAYOFWEEK", "DOW", "DAYOFWEEK_ISO", "DOW_ISO", "DOY", "HOUR", "H", "HOURS", "HR", "HRS", "MINUTE", "M", "MIN", "MINS", "MINUTES", "SECOND", "S", "SEC", "SECONDS", "SECS", "EPOCH", "MILLENNIUM", "CENTURY", "DECADE", "x"]
    for field in fields:
        yield f"extract({field} FROM TIMESTAMP '2026-01-04 12:34:56.789012')"
        yield f"date_part('{field}', DATE '2024-12-30')"
        yield f"datepart('{field}', TIMESTAMP '1969-12-31 23:59:59.5')"
    for expr in ["date_part(NULL, DATE '2026-01-01')", "date_part('YEAR', NULL)", "extract(YEAR FROM '2026-01-01')", "extract(SECOND FROM TIMESTAMP '2026-01-01 00:00:05')", "date_part('SECONDS', TIMESTAMP '2026-01-01 00:00:05.000001')"]:
        yield expr


def zones():
    for zone in ZONES:
        yield f"from_utc_timestamp(TIMESTAMP '2026-07-01 12:00:00', {quoted(zone)})"
        yield f"to_utc_timestamp(TIMESTAMP '2026-01-01 12:00:00', {quoted(zone)})"
    for zone in ["Europe/Berlin", "America/New_York"]:
        for time in ["TIMESTAMP '2026-03-29 01:30:00'", "TIMESTAMP '2026-03-29 02:30:00'", "TIMESTAMP '2026-10-25 00:30:00'", "TIMESTAMP '2026-10-25 02:30:00'", "TIMESTAMP '2026-03-08 02:30:00'", "TIMESTAMP '2026-11-01 01:30:00'", "TIMESTAMP '1890-01-01 00:00:00'", "TIMESTAMP '2100-07-01 00:00:00'", "TIMESTAMP '1969-12-31 23:59:59.5'", "TIMESTAMP '1945-06-01 00:00:00'"]:
            yield f"from_utc_timestamp({time}, '{zone}')"
            yield f"to_utc_timestamp({time}, '{zone}')"
    yield from call("from_utc_timestamp", ("'2026-01-01 00:00:00'", "'Asia/Seoul'"), ("DATE '2026-01-01'", "'Asia/Seoul'"), (TIMES[6], "'UTC'"), (TIMES[7], "'Asia/Seoul'"))
    yield from call("convert_timezone", ("'Europe/Berlin'", "'America/Los_Angeles'", "TIMESTAMP '2026-01-01 00:00:00'"), ("'Europe/Berlin'", "TIMESTAMP '2026-01-01 00:00:00'"), ("'UTC'", "'+01:00'", "'2026-01-01 00:00:00'"))
    for text in ["2026-01-01 10:00:00 Europe/Paris", "2026-01-01 10:00:00 America/New_York", "2026-07-01T10:00:00Europe/Berlin", "2026-01-01 10:00:00 PST", "2026-01-01 10:00:00[UTC]", "2026-01-01 10:00:00 x", "10:00:00", "T10:00", "now", "epoch", "today"]:
        yield f"TIMESTAMP {quoted(text)}"
        yield f"try_cast({quoted(text)} AS TIMESTAMP)" if text not in ("10:00:00", "T10:00") else f"CAST({quoted(text)} AS DATE)"


def made():
    arguments = [("2026", "12", "28", "6", "30", "45.887D"), ("2026", "12", "28", "6", "30", "60"), ("2026", "12", "28", "6", "30", "60.5D"), ("2026", "12", "28", "24", "0", "0"), ("2026", "2", "29", "0", "0", "0"), ("0", "1", "1", "0", "0", "0"), ("2026", "1", "1", "0", "60", "0"), ("2026", "1", "1", "0", "0", "-1"), ("2026", "12", "31", "23", "59", "60"), ("300000", "1", "1", "0", "0", "0"), ("2026", "1", "1", "0", "0", "1.9999999D"), ("'2026'", "'1'", "'2'", "'3'", "'4'", "'5'")]
    for name in ["make_timestamp", "make_timestamp_ltz", "try_make_timestamp", "try_make_timestamp_ltz"]:
        yield from call(name, *arguments, *[arguments[0] + (f"'{zone}'",) for zone in ["CET", "+01:00", "Europe/Berlin", "x"]])
        yield f"{name}(DATE '2026-01-01')"
    for name in ["timestamp_seconds", "timestamp_millis", "timestamp_micros"]:
        yield from unary(name, "1230219000", "1230219000L", "-1", LONG_MAX, LONG_MIN, "'5'", "true")
    yield from unary("timestamp_seconds", "1230219000.123D", "float(1.5)", "-0.0000015D", *DOUBLES)
    for name in ["try_to_timestamp", "to_timestamp", "to_timestamp_ltz"]:
        yield from call(name, ("'2016-12-31'", "'yyyy-MM-dd'"), ("'foo'", "'yyyy-MM-dd'"), ("'2016-12-31 00:12:00'",), ("'foo'",), ("'2016-12-31'", "'bad pattern'"), ("'2016-12-31'", "'YYYY'"), ("5",), ("5L",), ("1.5D",), ("DATE '2026-01-01'",), ("DATE '2026-01-01'", "'yyyy'"), ("true",))
    for name in ["try_to_date", "to_date"]:
        yield from call(name, ("'2016-12-31'", "'yyyy-MM-dd'"), ("'foo'", "'yyyy-MM-dd'"), ("'2016-12-31 00:12:00'",), ("'foo'",), ("'2016-12-31'", "'YYYY'"), ("TIMESTAMP '2026-01-01 12:00:00'",), ("5",))
    yield from call("from_unixtime", ("0",), ("0", "'yyyy-MM-dd HH:mm:ss'"), ("-1",), ("1767225600L", "'E d MMM'"), ("1.9D",), ("'5'",))
    yield from call("unix_timestamp", ("'2026-01-01 00:00:00'",), ("'2026-01-01'", "'yyyy-MM-dd'"), ("DATE '2026-01-01'",), ("TIMESTAMP '1969-12-31 23:59:59.5'",), ("'x'",), ("TIMESTAMP '2026-01-01 00:00:00'", "'yyyy'"))
    yield from call("to_unix_timestamp", ("'2026-01-01 00:00:00'",), ("'2026-01-01'", "'yyyy-MM-dd'"), ("TIMESTAMP '1969-12-31 23:59:59.5'",))
    for unit in ["YEAR", "YYYY", "YY", "QUARTER", "MONTH", "MM", "MON", "WEEK", "DAY", "DD", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "x"]:
        yield f"date_trunc('{unit}', TIMESTAMP '2026-05-31 12:34:56.789012')"
        yield f"date_trunc('{unit}', TIMESTAMP '1969-12-31 23:59:59.999999')"
    yield from call("date_trunc", ("'DAY'", "'2026-01-01 12:00:00'"), ("'DAY'", "DATE '2026-01-01'"))
    yield from call("time_bucket", ("INTERVAL '15' MINUTE", "TIMESTAMP '2026-01-01 12:34:56'"), ("INTERVAL '1' DAY", "TIMESTAMP '1969-12-31 12:00:00'"), ("INTERVAL '7' DAY", "DATE '2026-01-01'"), ("INTERVAL '15' MINUTE", "TIMESTAMP '2026-01-01 12:34:56'", "TIMESTAMP '2026-01-01 00:05:00'"), ("INTERVAL '0' MINUTE", "TIMESTAMP '2026-01-01 12:34:56'"), ("INTERVAL '-15' MINUTE", "TIMESTAMP '2026-01-01 12:34:56'"), ("'15 minutes'", "TIMESTAMP '2026-01-01 12:34:56'"), ("INTERVAL '1' MONTH", "TIMESTAMP '2026-01-15 12:34:56'"))
    for expr in ["unix_nanos(TIMESTAMP '2026-01-01 00:00:00')", "timestamp_nanos(5)", "current_timezone()", "make_interval(1)", "make_ym_interval(1, 2)"]:
        yield expr


def formats():
    patterns = ["yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ssXXX", "yy M d H m s S", "MMM MMMM L LL LLL LLLL", "E EE EEE EEEE", "hh:mm a", "h K k kk KK", "D DD DDD", "Q QQ QQQ QQQQ", "q qq qqq qqqq", "SSSSSSSSS", "X XX XXX XXXX XXXXX x xx xxx xxxx xxxxx", "Z ZZ ZZZ ZZZZ ZZZZZ", "z zz zzz zzzz VV O OOOO", "G GG GGG GGGG y",
                "''yyyy''", "yyyyy", "yyyyyy", "y yyy", "[yyyy]", "[yyyy[-MM]]", "yyyy]", "F", "dd/MM/yyyy", "'T'", "yyyy年MM月", "EEEE, d. MMMM yyyy", "HH:mm:ss.S", "SS", "yyyyDDD", "V", "VVV", "OO", "zzzzz", "XXXXXX", "ZZZZZZ", "W", "w", "Y", "u", "e", "c", "n", "N", "A", "B", "p", "T", "GGGGG", "QQQQQ", "FF", "hhh", "Ha", "MMMMM", "EEEEE", "LLLLL", "''", "'", "a a", "yyyy''MM", "I", "~", "^", "$", "%", "&"]
    for pattern in patterns:
        yield f"date_format(TIMESTAMP '2026-03-09 04:05:06.007089', {quoted(pattern)})"
        yield f"date_format(TIMESTAMP '0001-12-31 23:59:59.999999', {quoted(pattern)})"
    yield f"date_format(TIMESTAMP '2026-03-09 00:00:00', NULL)"
    yield f"date_format(DATE '2026-03-09', 'yyyy')"
    yield f"date_format('2026-03-09', 'yyyy')"
    parses = [("2026-03-09 04:05:06 Europe/Berlin", "yyyy-MM-dd HH:mm:ss VV"), ("2026-03-09 04:05:06 CET", "yyyy-MM-dd HH:mm:ss z"), ("2026-03-09 04:05:06 GMT+1", "yyyy-MM-dd HH:mm:ss O"), ("2026-03-09 04:05:06 GMT+01:00", "yyyy-MM-dd HH:mm:ss OOOO"), ("2026-03-09 +01", "yyyy-MM-dd x"), ("2026-03-09 +0130", "yyyy-MM-dd x"), ("2026-03-09 +01:30", "yyyy-MM-dd xxx"), ("2026-03-09 Z", "yyyy-MM-dd xxx"), ("2026-03-09 +00:00", "yyyy-MM-dd XXX"),
              ("2026-03-09 Z", "yyyy-MM-dd Z"), ("2026-03-09 +0100", "yyyy-MM-dd Z"), ("2026-03-09 GMT+01:00", "yyyy-MM-dd ZZZZ"), ("2026-03-09 +01:00", "yyyy-MM-dd ZZZZZ"), ("AD 2026", "G yyyy"), ("2026 Q1", "yyyy QQQ"), ("Mon 2026-03-09", "E yyyy-MM-dd"), ("March 2026", "MMMM yyyy"), ("Mar 2026", "LLL yyyy"), ("3 2026", "L yyyy"), ("2026 68", "yyyy D"), ("2026 068", "yyyy DDD"), ("2026 68", "yyyy DD"), ("12:05 AM", "hh:mm a"), ("12:05 PM", "hh:mm a"),
              ("00:05 PM", "KK:mm a"), ("24:05", "kk:mm"), ("13:05", "hh:mm"), ("5", "S"), ("2026-03-09 5", "yyyy-MM-dd H"), ("20260309", "yyyyMMdd"), ("260309", "yyMMdd"), ("2026-3-9", "yyyy-M-d"), ("2026-03-09T04:05", "yyyy-MM-dd'T'HH:mm"), ("2026-03-09 04:05:06.1234567", "yyyy-MM-dd HH:mm:ss.SSSSSSS"), ("2026-03-09 04:05:06.12", "yyyy-MM-dd HH:mm:ss[.SSS]"), ("2026-03-09 04:05:06", "yyyy-MM-dd HH:mm:ss[.SSS]"), ("2026/03/09", "yyyy-MM-dd"), ("2026-02-30", "yyyy-MM-dd"),
              ("31 02 2026", "dd MM yyyy"), ("2026-03-09 04:05:06 +01:00", "yyyy-MM-dd HH:mm:ss XXX"), ("99", "yy"), ("00", "yy"), ("1", "y"), ("12345", "y"), ("-5", "y"), ("2026-060", "yyyy-DDD"), ("2026年03月", "yyyy年MM月"), ("a", "'a'"), ("", ""), ("2026-W10", "yyyy-'W'ww"), ("10:20:30 PM", "hh:mm:ss a"), ("22:20:30 PM", "HH:mm:ss a"), ("10:20:30 AM", "HH:mm:ss a"), ("22:20 AM", "HH:mm a"), ("PM", "a"), ("1767225600", "s"), ("09.03.2026 04:05", "dd.MM.yyyy HH:mm"), ("9.3.26", "d.M.yy")]
    for text, pattern in parses:
        yield f"to_timestamp({quoted(text)}, {quoted(pattern)})"
        yield f"try_to_timestamp({quoted(text)}, {quoted(pattern)})"


def calls():
    for group in (dates, units, zones, made, formats):
        yield from group()
