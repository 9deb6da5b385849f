"""Calls of functions that choose, test and tell types; casts as functions; errors on purpose."""

from calls_common import call


def calls():
    for name in ["nvl", "ifnull", "coalesce", "nullif", "equal_null"]:
        yield from call(name, ("1", "2"), ("NULL", "2"), ("1", "NULL"), ("NULL", "NULL"), ("'a'", "'b'"), ("1", "'2'"), ("1", "2.5D"), ("double('NaN')", "double('NaN')"), ("1", "1"), ("0.0D", "-0.0D"), ("DATE '2026-01-01'", "TIMESTAMP '2026-01-01 00:00:00'"), ("true", "1"), ("'1'", "1"), ("'x'", "1"))
    for expr in ["coalesce()", "coalesce(1)", "coalesce(NULL, NULL, 3)", "coalesce(1, 1 div 0)", "nvl2(NULL, 2, 1)", "nvl2(3, 2, 1)", "nvl2(1, 'a', 2)", "nvl2(NULL, 'a', 2.5D)", "nullifzero(0)", "nullifzero(2)", "nullifzero(0.0D)", "nullifzero(-0.0D)", "nullifzero(NULL)", "nullifzero('0')", "nullifzero(0L)", "nullifzero('a')", "zeroifnull(NULL)", "zeroifnull(2)",
                 "zeroifnull(CAST(NULL AS BIGINT))", "zeroifnull(CAST(NULL AS DOUBLE))", "zeroifnull(CAST(NULL AS STRING))", "zeroifnull('5')", "if(true, 1, 2)", "if(NULL, 1, 2)", "if(false, 'a', 'b')", "if(1 = 1, 1, 'x')", "if(true, 1, 2.5D)", "if(true, 1, 1 div 0)", "if('true', 1, 2)", "if(1, 1, 2)",
                 "isnull(NULL)", "isnull(1)", "isnotnull(NULL)", "isnotnull(1)", "decode(2, 1, 'a', 2, 'b')", "decode(6, 1, 'a', 2, 'b', 'x')", "decode(6, 1, 'a', 2, 'b')", "decode(NULL, 6, 'a', NULL, 'b', 'c')", "decode(1, 1, 2, 3.5D)", "decode('a', 'a', 1)", "decode(1, 1L, 'a')", "decode('1', 1, 'a')", "decode(1)", "decode(NULL, NULL)", "decode(2, 1, 'a', 'd')", "decode(double('NaN'), double('NaN'), 'n')",
                 "CASE 1 WHEN 1 THEN 'a' ELSE 'b' END", "CASE WHEN NULL THEN 1 WHEN true THEN 2 END", "CASE WHEN false THEN 1 END", "CASE WHEN true THEN 1 ELSE 'x' END", "CASE WHEN true THEN 1 ELSE 2.5D END", "CASE NULL WHEN NULL THEN 1 ELSE 2 END", "CASE WHEN true THEN 1 ELSE 1 div 0 END", "when(true, 1)", "when(false, 1, 2)", "when(false, 1)"]:
        yield expr
    for value in ["1", "1L", "1.5D", "float(1)", "'a'", "true", "NULL", "DATE '2026-01-01'", "TIMESTAMP '2026-01-01 00:00:00'", "X'00'", "named_struct('a', 1, 'b', 'x')", "array(1)", "map('a', 1)", "INTERVAL '1' DAY", "INTERVAL '1' HOUR", "INTERVAL '1 02:03:04' DAY TO SECOND"]:
        yield f"typeof({value})"
    for expr in ["assert_true(true)", "assert_true(1 < 0)", "assert_true(NULL)", "assert_true(false, 'why')", "assert_true(true, 'why')", "assert_true('x')", "assert_true(1)", "raise_error('boom')", "raise_error(NULL)", "raise_error(5)", "if(true, 1, raise_error('boom'))", "coalesce(1, raise_error('boom'))", "if(false, 1, raise_error('boom'))", "typeof(assert_true(true))", "typeof(raise_error('x'))"]:
        yield expr
    for to in ["INT", "BIGINT", "FLOAT", "DOUBLE", "STRING", "BOOLEAN", "DATE", "TIMESTAMP", "BINARY"]:
        for value in ["5", "-5L", "1.5D", "float(2.5)", "'5'", "'x'", "true", "DATE '2026-01-31'", "TIMESTAMP '1969-12-31 23:59:58.5'", "X'61'", "NULL", "double('NaN')", "1e300D", "'2026-01-31'", "' 7 '", "INTERVAL '1' DAY"]:
            yield f"CAST({value} AS {to})"
            yield f"try_cast({value} AS {to})"
    for name in ["int", "bigint", "float", "double", "string", "boolean", "date", "timestamp", "binary"]:
        yield from call(name, ("'1'",))
    for expr in ["'5'::INT", "5::STRING || 'x'", "1 = '1'", "1 < '2'", "'a' < 'b'", "true = 'true'", "true = 1", "1.5D = '1.5'", "DATE '2026-01-01' = '2026-01-01'", "TIMESTAMP '2026-01-01 00:00:00' > '2025-12-31'", "DATE '2026-01-01' < TIMESTAMP '2026-01-01 00:00:01'", "1 IN (1, '2')", "'a' IN ('b', NULL)", "NULL IN (1)", "1 IN (2.0D, 1.0D)", "NOT NULL", "NOT true", "! false", "true AND NULL", "false AND NULL", "true OR NULL", "false OR NULL",
                 "1 IS DISTINCT FROM NULL", "NULL IS NOT DISTINCT FROM NULL", "true IS TRUE", "NULL IS UNKNOWN", "NULL IS NOT TRUE", "1 != 2", "1 <> 1", "1 == 1", "current_timezone()", "5 > 4 > false", "NOT 1 = 2", "- 5 % 3", "2 + 3 * 4", "-2 - -3", "+5", "- '5'", "~ '5'", "'5' + 3", "'5' + '3'", "'1.5' * 2", "5 / 2", "5 div 2", "'5' div '2'", "5 div 2.0D", "NULL + 1", "NULL + NULL", "typeof(NULL + 1)", "typeof('5' + 3)", "typeof(5 / 2)", "typeof(float(1) + 1)", "typeof(float(1) * 1L)", "typeof(1 + 1L)", "typeof(CASE WHEN true THEN 1 ELSE '2' END)"]:
        yield expr
