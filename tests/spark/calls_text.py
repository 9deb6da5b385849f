"""Calls of functions on text and of regular expressions."""

from calls_common import INT_MAX, INT_MIN, TEXTS, call, quoted, texts, unary


def patterns():
    pairs = [("a1b22c333", "\\d+"), ("", "a"), ("abc", "x"), ("größe", "[öß]"), ("aaa", "a"), ("aaa", ""), ("abc", "("), ("abc", "b|c"), ("a\nb", "a.b"), ("😀😀", "😀"), ("Steven Stephen", "Ste(v|ph)en"),
             ("abab", "(ab)+"), ("abc", "a*"), ("foo.bar", "\\."), ("a,b;c", "[,;]"), ("abc", "^"), ("abc", "$")]
    for name in ["regexp_count", "regexp_substr", "regexp_instr", "rlike", "regexp", "regexp_like"]:
        yield from call(name, *texts(pairs))
    yield from call("regexp_instr", *texts([("abcabc", "c", 0), ("abcabc", "(b)(c)", 2), ("abc", "b", 5), ("abc", "b", -1), ("abc", "z", 1)]))
    yield from call("regexp_extract_all", *texts([("100-200, 300-400", "(\\d+)-(\\d+)", 1), ("100-200, 300-400", "(\\d+)-(\\d+)", 2), ("100-200, 300-400", "(\\d+)-(\\d+)", 0), ("100-200", "(\\d+)-(\\d+)", 3), ("abc", "\\d", 0),
                                                   ("abc", "a(x)?", 1), ("abc", "b", -1), ("größe", "[a-zöß]", 0), ("100-200", "(\\d+)-(\\d+)"), ("abc", "b"), ("", "", 0), ("aab", "a*", 0)]))
    yield from call("regexp_replace", *texts([("a1b22", "\\d+", "#"), ("a1b22", "(\\d)", "<$1>"), ("aaa", "a", "b", 2), ("aaa", "a", "b", 0), ("aaa", "a", "b", 9)]))
    yield from call("regexp_extract", *texts([("a1b22", "([a-z])(\\d+)", 2), ("a1b22", "([a-z])(\\d+)"), ("x", "y", 0)]))
    for text, pattern in [("abc", "a%"), ("abc", "_b_"), ("ABC", "abc"), ("a%c", "a\\%c"), ("größe", "%ö%"), ("", ""), ("", "%"), ("a\nb", "a_b"), ("ẞ", "ß"), ("İ", "i̇")]:
        yield f"{quoted(text)} LIKE {quoted(pattern)}"
        yield f"{quoted(text)} ILIKE {quoted(pattern)}"
        yield f"{quoted(text)} NOT LIKE {quoted(pattern)}"
    for op in ["LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"]:
        for quantifier in ["ANY", "SOME", "ALL"]:
            for text in ["'Spark'", "'abc'", "NULL"]:
                for patterns_ in ["'S%', '%k'", "'s%', NULL", "'a%', 'x%'", "'x%'", "NULL", "'Sp%', NULL"]:
                    yield f"{text} {op} {quantifier} ({patterns_})"
    yield "'abc' LIKE ANY ()"
    for expr in ["'abc' RLIKE '^a'", "'abc' REGEXP 'd'", "'abc' NOT RLIKE 'd'", "'abc' RLIKE NULL", "NULL RLIKE 'a'", "'a_c' LIKE 'a/_c' ESCAPE '/'", "'abc' LIKE 'a/_c' ESCAPE '/'", "'a' LIKE 'a/' ESCAPE '/'",
                 "'b' BETWEEN 'a' AND 'c'", "NULL BETWEEN 1 AND 2", "2 BETWEEN 1 AND NULL", "0 BETWEEN 1 AND NULL", "2 NOT BETWEEN 1 AND 3", "5 BETWEEN 3 AND 1", "'a' || 'b' || 1", "'a' || NULL", "1 || 2", "true || 'x'",
                 "NULL <=> NULL", "1 <=> NULL", "1 <=> 1", "'a' <=> 'b'", "double('NaN') <=> double('NaN')"]:
        yield expr


def pieces():
    yield from call("substring_index", *texts([("www.apache.org", ".", 2), ("www.apache.org", ".", -2), ("www.apache.org", ".", 0), ("www.apache.org", ".", 9), ("www.apache.org", ".", -9), ("www.apache.org", "", 1),
                                                ("", ".", 1), ("aaaa", "aa", 1), ("aaaa", "aa", -1), ("aaaaa", "aa", 2), ("aaaaa", "aa", -2), ("größe", "ö", 1), ("größe", "ö", -1), ("a.b", ".", 2147483647), ("a.b", ".", -2147483648), ("aXbxc", "x", 1)]))
    yield from call("overlay", *texts([("Spark SQL", "_", 6), ("Spark SQL", "CORE", 7), ("Spark SQL", "ANSI ", 7, 0), ("Spark SQL", "tructured", 2, 4), ("abc", "X", 0), ("abc", "X", -1), ("abc", "X", 4), ("abc", "X", 9), ("abc", "X", 2, -1),
                                       ("abc", "X", 2, 9), ("größe", "xx", 3, 1), ("", "X", 1), ("abc", "", 2, 1), ("abc", "X", -5, 2), ("abc", "X", 1, 2147483647), ("abc", "XY", -2147483648)]))
    for expr in ["overlay('Spark SQL' PLACING '_' FROM 6)", "overlay('Spark SQL' PLACING 'tructured' FROM 2 FOR 4)"]:
        yield expr
    yield from call("find_in_set", *texts([("ab", "abc,b,ab,c,def"), ("abc", "abc"), ("x", "a,b"), ("a,b", "a,b"), ("", ""), ("", ",a"), ("", "a,"), ("ö", "a,ö"), ("def", "abc,def"), ("c", "")]))
    yield from call("elt", *texts([(1, "scala", "java"), (2, "scala", "java"), (2, "a", 1), (0, "a"), (3, "a", "b"), (-1, "a"), (1, "a", None), (2, "a", None)]))
    yield from unary("space", "0", "3", "-1", "2")
    yield from call("left", *texts([("größe", 2), ("abc", 0), ("abc", -1), ("abc", 9)]))
    yield from call("right", *texts([("größe", 2), ("abc", 0), ("abc", -1), ("abc", 9)]))
    yield from call("ltrim", ("'  x '",), ("'x'", "'xxabcxx'"), ("'xy'", "'yxabxy'"), ("''", "' a'"), ("'ö'", "'ößö'"))
    yield from call("rtrim", ("'  x '",), ("'x'", "'xxabcxx'"), ("'xy'", "'yxabxy'"), ("''", "'a '"), ("'ö'", "'ößö'"))
    yield from call("btrim", ("'  x '",), ("'xxabcxx'", "'x'"), ("'yxabxy'", "'xy'"), ("' a '", "''"))
    for expr in ["trim(BOTH 'x' FROM 'xxaxx')", "trim(LEADING 'x' FROM 'xxaxx')", "trim(TRAILING 'x' FROM 'xxaxx')", "trim('x' FROM 'xxaxx')", "trim(BOTH FROM '  a  ')", "trim(LEADING FROM '  a  ')", "trim('\\t a ')", "trim(NULL FROM 'a')"]:
        yield expr
    yield from call("split_part", *texts([("11.12.13", ".", 3), ("11.12.13", ".", -1), ("11.12.13", ".", 4), ("11.12.13", ".", 0), ("11.12.13", "", 1), ("", ".", 1)]))
    yield from call("lpad", *texts([("hi", 5, "??"), ("hi", 1, "??"), ("hi", 5), ("hi", 5, ""), ("ö", 3, "äü"), ("hi", -1, "x")]))
    yield from call("rpad", *texts([("hi", 5, "??"), ("hi", 1, "??"), ("hi", 5), ("hi", 5, ""), ("ö", 3, "äü"), ("hi", -1, "x")]))
    yield from call("substring substr", ("'Spark SQL'", "5"), ("'Spark SQL'", "-3"), ("'Spark SQL'", "5", "1"), ("'abc'", "0", "2"), ("'abc'", "-5", "3"), ("'abc'", "2", "-1"), ("'abc'", INT_MIN, INT_MAX))
    for expr in ["substring('abc' FROM 2)", "substring('abc' FROM 2 FOR 1)", "position('b' IN 'abc')", "position('b', 'abcb', 3)", "locate('b', 'abcb', 3)", "charindex('b', 'abc')", "concat()", "concat('a', 1, true, 1.5D, NULL)",
                 "concat('a', 1, true, 1.5D)", "concat_ws(',')", "concat_ws(',', 'a', NULL, 'b')", "concat_ws(NULL, 'a')", "repeat('ab', 0)", "repeat('ab', -1)", "replace('abcabc', 'b')", "replace('abc', '', 'x')",
                 "translate('AaBbCc', 'abc', '123')", "translate('aaa', 'aa', 'xy')", "initcap('sPark sql-core  x')", "reverse('größe😀')", "upper('straße')", "lower('ÀÉ')", "ascii('😀')", "char(256)", "chr(65)", "char(-5)", "instr('abc', '')"]:
        yield expr
    for name in ["length", "char_length", "character_length", "len", "octet_length", "bit_length", "upper", "ucase", "lower", "lcase", "initcap", "reverse", "ascii", "trim", "quote", "soundex"]:
        yield from unary(name, *TEXTS)
    yield from unary("bit_length", "123", "1.5D", "true")
    yield from unary("quote", "'Don\\'t'", "'a\\\\b'", "'\\'\\''", "5")


def forms():
    values = {"%d": ["5", "-5", "9223372036854775807L", "NULL", "1.5D", "'x'"], "%5d|": ["5", "-5", "123456"], "%-5d|": ["5"], "%05d": ["5", "-5"], "%+d": ["5", "-5"], "%,d": ["1234567", "-1234567", "123"], "%x": ["255", "-1", "-1L"], "%X": ["255"], "%o": ["8", "-1"],
              "%(d": ["-5", "5"], "% d": ["5", "-5"], "%#x": ["255"], "%s": ["'a'", "5", "1.5D", "true", "NULL", "1e10D", "TIMESTAMP '2026-01-01 00:00:00'", "DATE '2026-01-01'"], "%S": ["'aß'"], "%5s|": ["'a'", "'abcdef'"], "%-5s|": ["'a'"], "%.2s": ["'abc'"], "%b": ["true", "NULL", "'x'"], "%B": ["false"], "%c": ["65", "'a'"],
              "%f": ["1.5D", "-1.5D", "1e20D", "0.0D", "double('NaN')", "double('Infinity')", "5", "float(1.1)"], "%.2f": ["1.005D", "2.675D", "0.125D", "-0.001D", "1e300D", "0.5D"], "%8.3f|": ["3.14159D", "double('NaN')", "double('-Infinity')"], "%-8.1f|": ["2.25D"], "%08.2f": ["-3.14159D", "3.14159D"], "%,.2f": ["1234567.891D"], "%.0f": ["2.5D", "3.5D", "0.5D"],
              "%+.1f": ["2.0D"], "%e": ["12345.678D", "0.0D", "1e-5D"], "%.3E": ["12345.678D"], "%g": ["12345.678D", "0.00001D", "1e10D", "0.0001D"], "%a": ["1.0D"], "%h": ["'hello'", "5"], "%%": ["5"], "%n": ["5"], "%1$s-%1$s": ["'a'"], "%2$s": ["'a'"], "%z": ["5"], "%": ["5"], "%-d": ["5"], "%5": ["5"], "100%": ["5"],
              "%tY": ["TIMESTAMP '2026-01-01 00:00:00'"], "%.3d": ["5"], "%.2b": ["true"], "abc": ["5"], "%<s": ["'a'"], "%s %<s": ["'a'"], "%#o": ["8"], "%.1f": ["0.25D", "0.35D", "9.95D", "0.05D", "1e-10D"], "%.20f": ["0.1D"], "%10.2e|": ["12345.678D"], "%(,.2f": ["-1234.5D"]}
    for form, args in values.items():
        for arg in args:
            yield f"format_string({quoted(form)}, {arg})"
    for expr in ["format_string('a')", "format_string('%s %d', 'a')", "format_string('%s %d', 'a', 5)", "printf('%s %05.1f %d', 'a', 2.25D, 7L)", "format_string(NULL, 1)", "format_string('%2$s %1$s', 'a', 'b')", "format_string('%s', named_struct('a', 1))", "format_string()"]:
        yield expr
    for x in ["12332.123456D", "0.0D", "-0.0D", "-0.5D", "0.5D", "1.5D", "2.5D", "1e15D", "1e20D", "1234567", "-1234567L", "double('NaN')", "double('Infinity')", "double('-Infinity')", "float(1.1)", "999.995D", "0.125D", "'1234.5'", "true"]:
        for n in ["4", "0", "2", "-1"]:
            yield f"format_number({x}, {n})"
    for x, form in [("12332.123456D", "##################.###"), ("1234567.891D", "#,###.00"), ("0.5D", "#.##"), ("0.5D", "0.0"), ("5", "000"), ("-5.25D", "0.0"), ("0.256D", "0.0%"), ("1234.5D", "#,##0.###"), ("1e20D", "#"), ("1234.5D", ""), ("1234.5D", "abc#"), ("5", "'x'#"), ("1234567D", "#,##,##0")]:
        yield f"format_number({x}, {quoted(form)})"
    yield "format_number(NULL, 2)"
    yield "format_number(1.5D, CAST(NULL AS INT))"
    yield from call("mask", ("'abcd-EFGH-8765-4321'",), ("'AbCD123-@$#'", "'Q'"), ("'AbCD123-@$#'", "'Q'", "'q'"), ("'AbCD123-@$#'", "'Q'", "'q'", "'d'"), ("'AbCD123-@$#'", "'Q'", "'q'", "'d'", "'o'"), ("'AbCD123-@$#'", "NULL", "'q'", "'d'", "'o'"), ("'AbCD123-@$#'", "NULL", "NULL", "NULL", "'o'"),
                    ("'Größe Ñ٣'",), ("''",), ("'a'", "'xx'"), ("'a'", "''"), ("'aÄß'", "'X'", "'y'"), ("5",))
    for x, form in [("454", "999"), ("454.00D", "000D00"), ("12454", "99G999"), ("78.12D", "$99.99"), ("-12454.8D", "99G999D9S"), ("5", "9"), ("500", "99"), ("0", "999"), ("-5", "S9"), ("-5", "999PR"), ("5", "MI9"), ("5", "abc"), ("12.5D", "99"), ("7", "0000"), ("0.5D", "9.9"), ("1.05D", "0.0")]:
        yield f"to_char({x}, '{form}')"
    yield "to_char(TIMESTAMP '2026-01-31 12:34:56', 'yyyy-MM-dd')"
    yield "to_varchar(DATE '2026-01-31', 'yyyy/MM')"
    yield "to_char(NULL, '999')"
    for name in ["to_number", "try_to_number"]:
        for x, form in [("454", "999"), ("454.00", "000.00"), ("12,454", "99,999"), ("$78.12", "$99.99"), ("12,454.8-", "99,999.9S"), ("-5", "S9"), ("<5>", "9PR"), ("abc", "999"), ("5", "99"), ("500", "99"), ("", "9"), ("5", "abc"), ("-5", "MI9"), (" 5", "9")]:
            yield f"{name}('{x}', '{form}')"


def distances():
    pairs = [("kitten", "sitting"), ("", ""), ("", "abc"), ("abc", ""), ("abc", "abc"), ("größe", "grösse"), ("😀", "x"), ("frog", "fog")]
    yield from call("levenshtein", *texts(pairs), *texts([(a, b, n) for a, b in pairs[:5] for n in (0, 2, 3, -1)]))
    yield from call("jaro_winkler_similarity", *texts(pairs + [("MARTHA", "MARHTA"), ("DIXON", "DICKSONX"), ("ABC", "XYZ"), ("DWAYNE", "DUANE"), ("a", "a"), ("ab", "ba"), ("prefix_same", "prefix_sane")]))
    yield from unary("soundex", "'Miller'", "'Robert'", "'Rupert'", "'Tymczak'", "'Pfister'", "'Honeyman'", "''", "'123'", "'a'", "'Ashcraft'", "'größe'", "'öa'", "'A B'", "'VanDeusen'", "'Ab12c'", "' x'", "'BBB'", "'BHB'", "'BWB'", "'BAB'")
    yield from unary("luhn_check", "'8112189876'", "'79927398713'", "'79927398714'", "''", "'0'", "'a'", "'12 3'", "'٣'", "79927398713L", "' 0'")
    for name in ["url_encode", "url_decode", "try_url_decode"]:
        yield from unary(name, "'https://spark.apache.org'", "'https%3A%2F%2Fspark.apache.org'", "'a b+c'", "'größe'", "'%zz'", "'%'", "'%C3%B6'", "'%FF'", "'a*-._~'", "''", "'😀'", "'%4'", "'a%20b'")
    for name in ["parse_url", "try_parse_url"]:
        url = "'http://user:pw@spark.apache.org:8080/path/x.html?query=1&b=2&c#Ref'"
        for part in ["HOST", "PATH", "QUERY", "REF", "PROTOCOL", "FILE", "AUTHORITY", "USERINFO", "host", "PORT"]:
            yield f"{name}({url}, '{part}')"
        for key in ["query", "b", "c", "x", ""]:
            yield f"{name}({url}, 'QUERY', '{key}')"
        for url in ["http://a", "a b", "http://a b/", "mailto:x@y.z", "/path?x=1", "", "inva lid://user:pass@host/file;param?query;p2", "http://[::1]/x", "https://ex.com?x=1", "http://größe.de/ö", "ftp://h/p#"]:
            for part in ["HOST", "PATH", "QUERY", "REF", "PROTOCOL", "FILE"]:
                yield f"{name}({quoted(url)}, '{part}')"
        yield f"{name}(NULL, 'HOST')"
        yield f"{name}('http://a?b=1', 'HOST', 'b')"
    for name in ["is_valid_utf8", "make_valid_utf8", "validate_utf8", "try_validate_utf8"]:
        yield from unary(name, "'Spark'", "''", "'größe'", "X'61'", "X'80'", "X'61C262'", "X'E282'", "X'F0908080'", "X'C080'", "X'EDA080'", "X'F4908080'")


def calls():
    for group in (pieces, patterns, forms, distances):
        yield from group()
