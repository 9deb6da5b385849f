"""Records what Spark makes of random expressions over a table of nasty values, for tests/spark/expressions.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/generate_expressions.py 2000 > tests/spark/expressions.jsonl

The first line holds the table. Each further one is `[SQL text, type, [value of each row]]`, a value as text, null, or `["error class"]`;
expressions that Spark refuses as a whole are `[SQL text, null, error class]`. The seed is fixed. Needs Java 17 or later.
"""

import json
import random
import sys

from recorder import error_class, session, shown

COLUMNS = [("i", "INT"), ("j", "INT"), ("l", "BIGINT"), ("d", "DOUBLE"), ("e", "DOUBLE"), ("f", "FLOAT"), ("s", "STRING"), ("u", "STRING"), ("b", "BOOLEAN"), ("t", "TIMESTAMP"), ("w", "TIMESTAMP"), ("a", "DATE")]
ROWS = [
    [1, 3, 5, "1.5", "2.0", "0.5", "abc", "b", True, 1_767_225_600_123_456, 1_769_860_800_000_000, 20454],
    [0, 1, 0, "0.0", "-0.0", "0.0", "", "", False, 0, -1, 0],
    [-7, 2, -1, "-2.5", "3.7", "-1.5", " Größe 😀 ", "ö", None, -1, 1, -1],
    [2147483647, -1, 9223372036854775807, "nan", "1.0", "nan", "12", "1", True, 253402300799999999, 951782400000000, 2932896],
    [-2147483648, 7, -9223372036854775808, "inf", "-inf", "inf", "-3.75", "a,b,c", False, -62135596800000000, 1709251199000000, -719162],
    [None, 5, None, None, "100.0", None, None, "x", True, None, 1700000000000000, None],
    [42, None, 10, "1e300", None, "3.4e38", "2024-02-29 23:59:59", None, None, 1709251199500000, None, 19782],
    [100, 10, 1000000007, "123456.789", "1e-10", "0.1", "a%b_c\\d", "%", False, -86400000001, 86400000000, -25567],
    [7, 7, 7, "7.0", "7.0", "7.0", "seven", "seven", True, 1774746000000000, 1774746000000000, 20541],
]


def literal(value, type_):
    if value is None:
        return f"CAST(NULL AS {type_})"
    if type_ == "STRING":
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if type_ in ("DOUBLE", "FLOAT"):
        return f"{type_.lower()}('{value}')"
    if type_ == "TIMESTAMP":
        return f"timestamp_micros({value}L)"
    if type_ == "DATE":
        return f"date_from_unix_date({value})"
    return f"CAST({value} AS {type_})" if type_ != "BIGINT" else f"{value}L"


NAMES = {"int": ["i", "j"], "big": ["l"], "dbl": ["d", "e"], "str": ["s", "u"], "bool": ["b"], "ts": ["t", "w"], "date": ["a"], "flt": ["f"]}
LITERALS = {"int": ["0", "1", "-1", "3", "10", "31", "NULL"], "big": ["1L", "-5L", "86400L"], "dbl": ["0.0D", "1.0D", "-1.5D", "0.1D", "1e3D", "double('NaN')"], "str": ["''", "'a'", "'abc'", "' '", "'2026-01-31'", "'7'", "'ö'"], "bool": ["true", "false", "NULL"],
            "ts": ["TIMESTAMP '2026-03-29 01:30:00'", "TIMESTAMP '1969-12-31 23:59:59.5'"], "date": ["DATE '2026-01-31'", "DATE '1969-02-28'"], "flt": ["float(1.5)"]}
UNITS = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"]
# What makes each type: templates whose {type} is filled with an expression of it.
RULES = {
    "int": ["({int} + {int})", "({int} - {int})", "({int} * {int})", "({int} % {int})", "pmod({int}, {int})", "abs({int})", "(- {int})", "({int} & {int})", "({int} | {int})", "({int} ^ {int})", "(~ {int})", "shiftleft({int}, {int})", "shiftright({int}, {int})", "shiftrightunsigned({int}, {int})", "length({str})", "instr({str}, {str})", "ascii({str})", "locate({str}, {str}, {int})",
            "levenshtein({str}, {str})", "find_in_set({str}, {str})", "CAST({dbl} AS INT)", "try_cast({str} AS INT)", "CAST({big} AS INT)", "year({ts})", "month({date})", "day({ts})", "hour({ts})", "minute({ts})", "second({ts})", "dayofweek({date})", "weekofyear({date})", "dayofyear({ts})", "quarter({date})", "datediff({date}, {date})", "if({bool}, {int}, {int})", "coalesce({int}, {int})",
            "nullif({int}, {int})", "greatest({int}, {int})", "least({int}, {int})", "CASE WHEN {bool} THEN {int} ELSE {int} END", "CASE {int} WHEN {int} THEN {int} END", "try_add({int}, {int})", "try_multiply({int}, {int})", "try_mod({int}, {int})", "bit_count({int})", "round({int}, -1)", "hash({int}, {str}, {dbl})", "regexp_count({str}, '[a-c]')", "unix_date({date})", "octet_length({str})", "nvl2({int}, {int}, {int})"],
    "big": ["({big} + {int})", "({big} - {big})", "({big} * {int})", "({int} div {int})", "({big} div {big})", "CAST({dbl} AS BIGINT)", "CAST({ts} AS BIGINT)", "try_cast({str} AS BIGINT)", "unix_seconds({ts})", "unix_millis({ts})", "unix_micros({ts})", "floor({dbl})", "ceil({dbl})", "xxhash64({str}, {big})", "factorial({int})", "coalesce({big}, {int})", "greatest({big}, {int})", "shiftleft({big}, {int})", "crc32({str})",
            "width_bucket({dbl}, 0.0D, 10.0D, 5)", "timestampdiff({unit}, {ts}, {ts})", "unix_timestamp({ts})", "if({bool}, {big}, {int})", "try_subtract({big}, {big})", "pmod({big}, {int})", "abs({big})", "bround({big}, -2)"],
    "dbl": ["({dbl} + {dbl})", "({dbl} - {dbl})", "({dbl} * {dbl})", "({dbl} / {dbl})", "({int} / {int})", "({dbl} % {dbl})", "pmod({dbl}, {dbl})", "try_divide({dbl}, {dbl})", "round({dbl}, 2)", "round({dbl})", "bround({dbl}, 1)", "floor({dbl}, 2)", "ceil({dbl}, 1)", "sqrt({dbl})", "exp({dbl})", "ln({dbl})", "log10({dbl})", "power({dbl}, {int})", "sin({dbl})", "atan2({dbl}, {dbl})", "abs({dbl})", "(- {dbl})", "sign({dbl})",
            "CAST({int} AS DOUBLE)", "try_cast({str} AS DOUBLE)", "CAST({ts} AS DOUBLE)", "nanvl({dbl}, {dbl})", "coalesce({dbl}, {int})", "greatest({dbl}, {dbl})", "least({dbl}, {dbl}, {int})", "nullif({dbl}, {dbl})", "if({bool}, {dbl}, {int})", "months_between({ts}, {ts})", "rint({dbl})", "hypot({dbl}, {dbl})", "CASE WHEN {bool} THEN {dbl} END", "({flt} * {dbl})", "CAST({flt} AS DOUBLE)", "jaro_winkler_similarity({str}, {str})", "cbrt({dbl})", "degrees({dbl})", "asinh({dbl})", "log({dbl}, {dbl})"],
    "flt": ["({flt} + {flt})", "({flt} * {flt})", "(- {flt})", "abs({flt})", "CAST({dbl} AS FLOAT)", "CAST({int} AS FLOAT)", "coalesce({flt}, {flt})", "nanvl({flt}, {flt})", "round({flt}, 1)", "greatest({flt}, {flt})"],
    "str": ["concat({str}, {str})", "({str} || {int})", "upper({str})", "lower({str})", "initcap({str})", "trim({str})", "substring({str}, {int}, {int})", "substring({str}, {int})", "left({str}, {int})", "right({str}, {int})", "reverse({str})", "repeat({str}, 2)", "lpad({str}, 5, {str})", "rpad({str}, 4, '-')", "replace({str}, {str}, {str})", "translate({str}, 'abc', 'xy')", "split_part({str}, ',', {int})", "substring_index({str}, {str}, {int})",
            "CAST({int} AS STRING)", "CAST({dbl} AS STRING)", "CAST({ts} AS STRING)", "CAST({date} AS STRING)", "CAST({bool} AS STRING)", "CAST({flt} AS STRING)", "date_format({ts}, 'yyyy-MM-dd HH:mm:ss.SSS')", "coalesce({str}, {str})", "nullif({str}, {str})", "if({bool}, {str}, {str})", "concat_ws('-', {str}, {str}, {int})", "regexp_replace({str}, '[a-c]', '<$0>')", "regexp_extract({str}, '([a-z])', 1)", "regexp_substr({str}, '[0-9]+')", "md5({str})", "hex({str})", "hex({int})",
            "base64({str})", "bin({int})", "conv({str}, 16, 10)", "format_number({dbl}, 2)", "format_string('%s|%5d|%.2f', {str}, {int}, {dbl})", "overlay({str}, {str}, {int})", "mask({str})", "soundex({str})", "quote({str})", "dayname({date})", "monthname({date})", "greatest({str}, {str})", "CASE {str} WHEN {str} THEN {str} ELSE {str} END", "from_unixtime({big})", "url_encode({str})", "btrim({str}, {str})", "decode({int}, 1, {str}, 7, {str}, 'other')", "elt(2, {str}, {str})"],
    "bool": ["({int} = {int})", "({int} < {big})", "({dbl} <= {dbl})", "({dbl} <> {int})", "({str} < {str})", "({str} = {str})", "({ts} >= {ts})", "({ts} > {date})", "({date} = {date})", "({int} <=> {int})", "({dbl} <=> {dbl})", "({bool} AND {bool})", "({bool} OR {bool})", "(NOT {bool})", "({int} IS NULL)", "({dbl} IS NOT NULL)", "({int} IN ({int}, {int}, 7))", "({str} IN ('abc', {str}))", "({int} BETWEEN {int} AND {int})", "({str} LIKE '%b%')", "({str} LIKE {str})", "({str} RLIKE '^[a-z]+$')",
             "({str} ILIKE ANY ('A%', {str}))", "startswith({str}, {str})", "contains({str}, {str})", "isnan({dbl})", "CAST({int} AS BOOLEAN)", "try_cast({str} AS BOOLEAN)", "equal_null({str}, {str})", "({int} = {str})", "({dbl} > {str})", "luhn_check({str})", "coalesce({bool}, {bool})", "({bool} IS TRUE)", "({int} IS DISTINCT FROM {big})"],
    "ts": ["date_trunc('{unit}', {ts})", "timestampadd({unit}, {int}, {ts})", "CAST({date} AS TIMESTAMP)", "CAST({big} AS TIMESTAMP)", "CAST({dbl} AS TIMESTAMP)", "try_cast({str} AS TIMESTAMP)", "timestamp_millis({big})", "timestamp_seconds({dbl})", "from_utc_timestamp({ts}, 'Europe/Berlin')", "to_utc_timestamp({ts}, 'America/New_York')", "try_to_timestamp({str}, 'yyyy-MM-dd HH:mm:ss')", "coalesce({ts}, {ts})", "greatest({ts}, {ts})", "if({bool}, {ts}, {date})", "make_timestamp({int}, {int}, {int}, 1, 2, 3.5D)",
           "try_make_timestamp({int}, {int}, {int}, {int}, {int}, {dbl})"],
    "date": ["CAST({ts} AS DATE)", "date_add({date}, {int})", "date_sub({date}, {int})", "add_months({date}, {int})", "last_day({date})", "trunc({date}, 'MM')", "next_day({date}, 'MON')", "try_cast({str} AS DATE)", "coalesce({date}, {date})", "least({date}, {date})", "try_to_date({str})", "({date} + {int})", "make_date({int}, {int}, {int})", "if({bool}, {date}, {date})", "trunc({ts}, 'week')"],
}


def expression(dice, type_, depth):
    if depth == 0 or dice.random() < 0.1:
        return dice.choice(NAMES[type_] if dice.random() < 0.75 else LITERALS[type_])
    text = dice.choice(RULES[type_])
    out, rest = "", text
    while "{" in rest:
        before, after = rest.split("{", 1)
        hole, rest = after.split("}", 1)
        filled = dice.choice(UNITS) if hole == "unit" else expression(dice, hole, depth - 1 if dice.random() < 0.8 else 0)
        out += before + filled
    return out + rest


def record(spark, text):
    try:
        frame = spark.sql(f"SELECT k, {text} AS x FROM nasty")
        type_ = frame.schema[1].dataType.simpleString()
    except Exception as error:
        return [text, None, error_class(error)]
    shown_frame = frame.selectExpr("k", f"{shown('x', type_)} AS x")
    try:
        values = {row[0]: row[1] for row in shown_frame.collect()}
    except Exception:
        values = {}
        for k in range(len(ROWS)):
            try:
                # The other rows go first: the optimizer may evaluate a projection over all of them.
                row = spark.sql(f"SELECT {text} AS x FROM nasty WHERE k = {k}")
                values[k] = row.selectExpr(f"{shown('x', type_)} AS x").collect()[0][0]
            except Exception as error:
                values[k] = [error_class(error)]
    return [text, type_, [values[k] for k in range(len(ROWS))]]


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    spark = session()
    names = ", ".join(["k"] + [name for name, _ in COLUMNS])
    rows = [", ".join([str(k)] + [literal(value, type_) for value, (_, type_) in zip(row, COLUMNS)]) for k, row in enumerate(ROWS)]
    spark.sql(f"SELECT * FROM VALUES {', '.join(f'({row})' for row in rows)} AS v({names})").createOrReplaceTempView("nasty")
    # Without compiling: each expression is evaluated a few times only.
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    print(json.dumps({"columns": COLUMNS, "rows": ROWS}, ensure_ascii=False))
    dice = random.Random(43)
    seen = set()
    types = sorted(RULES)
    while len(seen) < count:
        text = expression(dice, types[len(seen) % len(types)], dice.choice([1, 1, 2, 2, 3]))
        if text not in seen and len(text) < 300:
            seen.add(text)
            print(json.dumps(record(spark, text), ensure_ascii=False, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
