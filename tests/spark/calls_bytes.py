"""Calls of functions on BINARY: encodings and hashes."""

from calls_common import DATES, DOUBLES, INTS, LONGS, TEXTS, TIMES, call, unary

LONG_TEXTS = [f"'{'0123456789abcdef'[:n % 17] * (1 + n // 17)}'" for n in (1, 3, 4, 5, 7, 8, 9, 12, 15, 16)] + [f"repeat('xyz', {n})" for n in (11, 21, 33, 100)]


def calls():
    for name in ["md5", "sha", "sha1", "crc32", "base64", "hex", "to_base32"]:
        yield from unary(name, *TEXTS, "X'00FF80'", "X''", "5", "'foobar'", "'Spark'", "repeat('a', 57)", "repeat('a', 60)", "repeat('a', 200)", "true")
    yield from call("sha2", *[("'Spark'", bits) for bits in ["256", "0", "224", "384", "512", "1", "-1"]], ("X'00FF'", "256"), ("''", "224"), ("5", "256"), ("'Spark'", "'256'"))
    yield from call("hmac", ("'key'", "'message'"), *[("'key'", "'message'", f"'{a}'") for a in ["SHA-512", "SHA-224", "SHA-384", "SHA-1", "MD5", "sha-256", "x", "SHA256"]], ("''", "'message'"), ("'key'", "''"), ("repeat('k', 200)", "'m'"))
    for name in ["hash", "xxhash64"]:
        for value in TEXTS + LONG_TEXTS + INTS + LONGS + DOUBLES + TIMES[:4] + DATES[:4] + ["true", "false", "NULL", "CAST(NULL AS INT)", "X'00FF80'", "X''", "float(1.5)", "float('NaN')", "float('-0.0')", "named_struct('a', 1, 'b', 'x')", "TIMESTAMP '2026-01-31 12:34:56.789012'"]:
            yield f"{name}({value})"
        yield f"{name}('Spark', 123, 1.5D, NULL, true)"
        yield f"{name}(NULL, NULL)"
        yield f"{name}()"
        for value in ["array(123, 5)", "array('a', NULL)", "map('a', 1)"]:
            yield f"{name}({value}, 2)"
    for name in ["unbase64", "unhex", "from_base32", "to_binary", "try_to_binary"]:
        yield from unary(name, "'U3BhcmsgU1FM'", "'537061726B2053514C'", "'abc'", "'a'", "''", "'zz'", "'U3Bhcms='", "'U3Bhcms'", "'U3B hcms='", "'U3Bhcms=='", "'=='", "'größe'", "'MZXW6YTBOI======'", "'MZXW6YTBOI'", "'mzxw6ytboi======'", "'MZXW6YTB OI======'", "'0189'", "'A'", "'F F'", "5", "'U3B\\nhcms='", "'U3B-_cms'")
    for name in ["to_binary", "try_to_binary"]:
        yield from call(name, ("'abc'", "'utf-8'"), ("'abc'", "'hex'"), ("'U3Bhcms='", "'base64'"), ("'U3Bhcms'", "'base64'"), ("'U3B hcms='", "'base64'"), ("'a!'", "'base64'"), ("'größe'", "'UTF8'"), ("'abc'", "'x'"), ("'ab'", "'HEX'"), ("'zz'", "'hex'"), ("'YQ=='", "'base64'"), ("'YR=='", "'base64'"), ("'Y'", "'base64'"))
    charsets = ["utf-8", "UTF8", "US-ASCII", "ISO-8859-1", "UTF-16BE", "UTF-16LE", "UTF-16", "UTF-32", "x", "latin1", "WINDOWS-1252"]
    for charset in charsets:
        for text in ["'abc'", "'größe'", "'😀'", "''"]:
            yield f"encode({text}, '{charset}')"
        for data in ["X'616263'", "X'6772C3B6'", "X'FF'", "X'0061'", "X'FEFF0061'", "X'FFFE6100'", "X'0000FEFF00000061'", "X'00000061'", "X''", "X'D83D'", "X'D83DDE00'", "'abc'"]:
            yield f"decode({data}, '{charset}')"
    yield "encode(NULL, 'utf-8')"
    yield "encode('abc', NULL)"
    yield "decode(NULL, 'utf-8')"
    for expr in ["X'00FF'", "X'1'", "x'abcd'", "X'zz'", "CAST('abc' AS BINARY)", "CAST(X'616263' AS STRING)", "length(X'00FF80')", "octet_length(X'00FF80')", "bit_length(X'00FF80')", "X'00' || X'FF'", "concat(X'00', X'FF')", "concat(X'61', 'b')", "substring(X'00FF80', 2, 1)", "left(X'00FF80', 2)", "right(X'00FF80', 2)",
                 "X'00' < X'FF'", "X'7F' < X'80'", "X'00' = X'00'", "X'61' = 'a'", "bitmap_count(X'1010')", "bitmap_count(X'FFFF')", "bitmap_count(X'')", "bitmap_count(NULL)", "overlay(X'0102', X'FF', 2)", "lpad(X'01', 3, X'00')", "rpad(X'01', 3)", "lpad(X'01', 3)", "ascii(X'61')", "CAST(5 AS BINARY)", "CAST(258L AS BINARY)", "CAST(1.5D AS BINARY)", "reverse(X'0102')", "md5(X'FF')", "startswith(X'0102', X'01')", "contains(X'0102', X'02')", "endswith(X'0102', X'02')", "elt(1, X'01', X'02')", "split_part(X'61', 'a', 1)", "try_cast(X'61' AS INT)", "typeof(X'61')", "upper(X'61')", "repeat(X'61', 2)"]:
        yield expr
