"""Calls of functions on numbers and bits."""

from calls_common import DOUBLES, INT_MAX, INT_MIN, INTS, LONG_MAX, LONG_MIN, LONGS, call, unary


def calls():
    for name in ["sqrt", "cbrt", "exp", "expm1", "ln", "log", "log10", "log2", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "cot", "sec", "csc", "rint", "degrees", "radians", "sign", "signum",
                 "ceil", "ceiling", "floor", "abs", "negative", "positive", "round", "bround", "isnan"]:
        yield from unary(name, "0.25D", *DOUBLES)
    for name in ["asinh", "rint", "cot", "ceil", "floor", "abs", "negative", "positive", "sign", "round", "bround", "isnan", "factorial", "bin", "hex", "bit_count", "sqrt"]:
        yield from unary(name, *INTS, *LONGS, "'2'", "'x'", "float(1.5)", "true", "DATE '2026-01-01'")
    yield from unary("asinh", "1e155D", "-1e155D", "1e-300D")
    yield from unary("bit_count", "true", "false", "1.5D")
    yield from unary("factorial", "2", "20", "21", "5L", "2.9D")
    for name in ["ceil", "ceiling", "floor", "round", "bround"]:
        yield from call(name, ("3.1411D", "3"), ("3.1411D", "-3"), ("-3.1411D", "2"), ("12345", "-2"), ("-12345L", "-2"), ("5L", "2"), ("float(1.25)", "1"), ("1.005D", "2"), ("2.5D", "0"), ("double('NaN')", "1"), ("double('Infinity')", "1"), ("1e300D", "2"), ("0.1D", "20"), ("'2.56'", "1"), (INT_MAX, "-1"), (LONG_MAX, "-1"), (LONG_MIN, "-1"), ("-0.0D", "1"))
    pairs = [("7", "2"), ("-7", "2"), ("7", "-2"), ("-7", "-2"), ("7", "0"), (INT_MIN, "-1"), (LONG_MIN, "-1L"), ("7.5D", "2.0D"), ("-7.5D", "2.0D"), ("7.5D", "0.0D"), ("double('NaN')", "2.0D"), ("double('Infinity')", "2.0D"), ("2.0D", "double('Infinity')"), ("7", "2.5D"), ("7L", "2"), ("'7'", "2"), ("7", "'2'"), ("true", "1"),
             ("float(7.5)", "float(2)"), ("DATE '2026-01-01'", "1"), ("7", "-3"), ("-7.5D", "-2.0D"), ("0", "5")]
    for name in ["mod", "pmod", "try_mod", "try_add", "try_subtract", "try_multiply", "try_divide"]:
        yield from call(name, *pairs, (INT_MAX, "1"), (LONG_MAX, "1L"), (INT_MAX, "2"))
    for op in ["+", "-", "*", "/", "%", "div"]:
        for a, b in pairs:
            yield f"{a} {op} {b}"
    yield from call("try_add", ("DATE '2026-01-31'", "1"), ("TIMESTAMP '2026-01-01 00:00:00'", "INTERVAL '1' DAY"), ("DATE '2026-01-31'", "INTERVAL '1' MONTH"))
    yield from call("try_subtract", ("DATE '2026-01-31'", "1"), ("TIMESTAMP '2026-01-01 00:00:00'", "INTERVAL '1' DAY"), ("TIMESTAMP '2026-01-01 00:00:00'", "TIMESTAMP '2025-01-01 00:00:00'"))
    for name in ["power", "pow", "atan2", "hypot", "log"]:
        yield from call(name, ("2.0D", "10.0D"), ("2", "3"), ("-8.0D", "0.5D"), ("0.0D", "0.0D"), ("double('NaN')", "0.0D"), ("1.0D", "double('Infinity')"), ("10.0D", "1000.0D"), ("'2'", "'8'"), ("1.0D", "5.0D"), ("-2.0D", "4.0D"), ("2.0D", "0.0D"), ("2.0D", "-4.0D"))
    for expr in ["e()", "pi()", "pi() + e()", "nanvl(double('NaN'), 5.0D)", "nanvl(1.0D, 5.0D)", "nanvl(NULL, 5.0D)", "nanvl(float('NaN'), float(2))", "nanvl(float('NaN'), 2.0D)", "nanvl(1, 2)"]:
        yield expr
    conv = [("'100'", "2", "10"), ("-10", "16", "-10"), ("'ff'", "16", "10"), ("'FF'", "16", "2"), ("'zz'", "36", "10"), ("'12'", "2", "10"), ("'3'", "2", "10"), ("''", "10", "16"), ("'-1'", "10", "16"), ("'-1'", "10", "-16"), ("'18446744073709551615'", "10", "16"),
            ("'18446744073709551616'", "10", "16"), ("'9223372036854775808'", "10", "-16"), ("'x'", "10", "16"), ("' 11'", "2", "10"), ("'11'", "1", "10"), ("'11'", "10", "37"), ("'11'", "37", "10"), ("'1.5'", "10", "2"), ("255", "10", "16"), ("'-ff'", "16", "-10"), ("'11'", "-2", "10"), ("'-18446744073709551615'", "10", "16")]
    yield from call("conv", *conv)
    yield from unary("bin", "13L", "-13L", "13.3D", "'13'", "NULL")
    yield from call("bit_get getbit", ("11", "0"), ("11", "2"), ("11", "31"), ("11", "32"), ("11", "-1"), ("11L", "63"), ("-1L", "63"), ("11L", "64"), ("true", "0"), ("1.5D", "0"))
    for name in ["shiftleft", "shiftright", "shiftrightunsigned"]:
        yield from call(name, ("4", "1"), ("-4", "1"), ("-4L", "1"), ("-1", "31"), ("-1", "32"), ("-1", "33"), ("-1", "-1"), ("-1L", "63"), ("-1L", "64"), ("1.5D", "1"), ("'4'", "1"), ("4", "1L"))
    for expr in ["-4 >>> 1", "-4L >>> 60", "-4 >> 1", "1 << 33", "1 << 4 + 1", "16 >>> 1 + 1", "5 & 3 | 8 ^ 1", "~5", "~5L", "5 & 3L", "5 & 1.5D", "5 | NULL", "'5' & 3"]:
        yield expr
    yield from call("width_bucket", ("5.3D", "0.2D", "10.6D", "5"), ("-2.1D", "1.3D", "3.4D", "3"), ("8.1D", "0.0D", "5.7D", "4"), ("-0.9D", "5.2D", "0.5D", "2"), ("5", "0", "10", "5L"), ("10.0D", "0.0D", "10.0D", "5"), ("0.0D", "0.0D", "10.0D", "5"), ("5.0D", "0.0D", "0.0D", "5"), ("5.0D", "0.0D", "10.0D", "0"), ("5.0D", "0.0D", "10.0D", "-1"),
                    ("double('NaN')", "0.0D", "10.0D", "5"), ("double('Infinity')", "0.0D", "10.0D", "5"), ("5.0D", "double('NaN')", "10.0D", "5"), ("5.0D", "0.0D", "double('Infinity')", "5"), ("5.0D", "0.0D", "10.0D", LONG_MAX), ("11.0D", "0.0D", "10.0D", LONG_MAX), ("11.0D", "0.0D", "10.0D", "9223372036854775806L"), ("5.0D", "10.0D", "0.0D", "5"), ("10.0D", "10.0D", "0.0D", "5"), ("0.0D", "10.0D", "0.0D", "5"), ("11.0D", "10.0D", "0.0D", "5"))
    yield from unary("bitmap_bit_position", "1", "123", "32768", "32769", "0", "-1", "-32768", "-32769", LONG_MAX, LONG_MIN)
    yield from unary("bitmap_bucket_number", "1", "123", "32768", "32769", "0", "-1", "-32768", "-32769", LONG_MAX, LONG_MIN)
    yield from call("greatest", ("1", "2L", "3.5D"), ("'a'", "'b'"), ("1", "NULL"), ("double('NaN')", "1.0D"), ("1",), ("DATE '2026-01-01'", "TIMESTAMP '2025-01-01 00:00:00'"), ("'10'", "9"))
    yield from call("least", ("1", "2L", "3.5D"), ("'a'", "'b'"), ("1", "NULL"), ("double('NaN')", "1.0D"), ("1",), ("DATE '2026-01-01'", "TIMESTAMP '2025-01-01 00:00:00'"))
