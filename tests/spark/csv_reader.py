"""Records how Spark reads CSV: one JSON line a case. Run with PySpark 4.3: python csv_reader.py > csv_reader.jsonl"""

import json
import os
import tempfile

from pyspark.sql import SparkSession

# name, text of the file, options, schema
TEXT = "s STRING, t STRING"
CASES = [
    ("plain", "s,t\na,b\n", {}, TEXT),
    ("quotes", 's,t\n"a,b","c"\n', {}, TEXT),
    ("doubled quotes, default escape", 's,t\n"a""b",c\n', {}, TEXT),
    ("doubled quotes, escape is the quote", 's,t\n"a""b",c\n', {"escape": '"'}, TEXT),
    ("backslash quote", 's,t\n"a\\"b",c\n', {}, TEXT),
    ("backslash quote, escape is the quote", 's,t\n"a\\"b",c\n', {"escape": '"'}, TEXT),
    ("backslash otherwise", 's,t\n"a\\nb","c\\\\d"\na\\,b\n', {}, TEXT),
    ("empty and quoted empty", 's,t\n,""\n"",\n', {}, TEXT),
    ("null text", 's,t\nNA,"NA"\n,x\n', {"nullValue": "NA"}, TEXT),
    ("null text and quoted empty", 's,t\nNA,""\n,x\n', {"nullValue": "NA"}, TEXT),
    ("white space", 's,t\n a , "b" \n', {}, TEXT),
    ("too short", "s,t\na\n", {}, TEXT),
    ("too long", "s,t\na,b,c\n", {}, TEXT),
    ("blank lines", "s,t\n\na,b\n\n  \nc,d\n", {}, TEXT),
    ("quote in the middle", 's,t\na"b,c\n', {}, TEXT),
    ("text behind the quote", 's,t\n"a"b,c\n', {}, TEXT),
    ("text behind the quote, escape is the quote", 's,t\n"a"b,c\n', {"escape": '"'}, TEXT),
    ("open quote", 's,t\n"a,b\nc,d\n', {}, TEXT),
    ("open quote, escape is the quote", 's,t\n"a,b\nc,d\n', {"escape": '"'}, TEXT),
    ("line end in quotes", 's,t\n"a\nb",c\n', {}, TEXT),
    ("line end in quotes, multiLine", 's,t\n"a\nb",c\n', {"multiLine": True, "escape": '"'}, TEXT),
    ("line ends", "s,t\r\na,b\r\nc,d", {}, TEXT),
    ("carriage returns", "s,t\ra,b\rc,d\r", {}, TEXT),
    ("separator", "s;t\na;b,c\n", {"sep": ";"}, TEXT),
    ("tabs", "s\tt\na\tb c\n", {"sep": "\t"}, TEXT),
    ("another quote", "s,t\n'a,b',c\n", {"quote": "'"}, TEXT),
    ("no header", "a,b\nc,d\n", {"header": False}, TEXT),
    ("byte order mark", "\ufeffs,t\na,b\n", {}, TEXT),
    ("byte order mark, no header", "\ufeffa,b\n", {"header": False}, TEXT),
    ("header in another order", "t,s\na,b\n", {}, TEXT),
    ("separator at the end", "s,t,\na,b,\n", {}, TEXT),
    ("header only", "s,t\n", {}, TEXT),
    ("nothing", "", {}, TEXT),
    ("comment", "s,t\n#a,b\n", {}, TEXT),
    ("not UTF-8", b"s,t\n\xff,b\n", {}, TEXT),
    ("NUL", "s,t\na\0b,c\n", {}, TEXT),
]
VALUES = {
    "i": ["12", "+12", "-12", " 12", "12 ", "1.0", "1e3", "3000000000", "0x10", "", "x", "012", "1_000", "1,5"],
    "l": ["12", "+12", "3000000000", "9223372036854775807", "9223372036854775808", "12.0", " 1", "1L"],
    "d": ["1.5", "1", " 1.5", "1.5 ", "1e3", "1E-3", ".5", "5.", "NaN", "nan", "Inf", "-Inf", "+Inf", "inf", "Infinity", "-Infinity", "+Infinity",
          "infinity", "1d", "1.5f", "0x1p3", "1,5", "", "x", "1.7976931348623157e309", "-0.0", "+1", "--1", "1_0"],
    "f": ["1.5", "NaN", "Inf", "1e40", "0.1", "1d"],
    "b": ["true", "false", "TRUE", "False", "t", "1", "0", "yes", " true", ""],
    "t": ["2026-01-01 00:00:00", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.123456", "2026-01-01 12:00:00+02:00", "2026-01-01",
          "2026", "1767225600", "1767225600000", "2026-1-1", "2026-01-01 1:2:3", "01/02/2026", " 2026-01-01 00:00:00", "2026-02-30 00:00:00", "2026-01-01T00:00", "2026-01-01 24:00:00", "00:00:00", "x", "2026-01-01T00:00:00 Europe/Berlin", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00"],
    "day": ["2026-01-01", "2026-1-1", "2026-01-01 12:00:00", "2026-01-01T00:00:00Z", "2026-02-30", "20260101", "2026", "2026-01", " 2026-01-01", "x", "01/02/2026", "1767225600"],
    "bin": ["abc", "", "é"],
}
TYPES = {"i": "INT", "l": "BIGINT", "d": "DOUBLE", "f": "FLOAT", "b": "BOOLEAN", "t": "TIMESTAMP", "day": "DATE", "bin": "BINARY"}
for name, values in VALUES.items():
    for value in values:
        quoted = f'"{value}"' if "," in value else value
        CASES.append((f"{TYPES[name]} {value!r}", f"s,v\nrow,{quoted}\n", {}, f"s STRING, v {TYPES[name]}"))


def main():
    spark = (SparkSession.builder.master("local[1]").config("spark.driver.memory", "700m").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", "UTC").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    directory = tempfile.mkdtemp()
    for number, (name, text, options, schema) in enumerate(CASES):
        path = os.path.join(directory, f"{number}.csv")
        data = text if isinstance(text, bytes) else text.encode()
        with open(path, "wb") as file:
            file.write(data)
        case = {"case": name, "schema": schema, "options": options, "text": data.decode("latin-1")}
        try:
            frame = spark.read.csv(path, schema=schema, **{"header": True, **options})
            options = "map('ignoreNullFields', 'false', 'timestampFormat', \"yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX\")"
            rows = frame.selectExpr(f"to_json(struct(*), {options}) AS j").collect()
            case["rows"] = [json.loads(row["j"]) for row in rows]
        except Exception as error:
            case["error"] = str(error).split("\n")[0][:200]
        print(json.dumps(case, ensure_ascii=True))
    spark.stop()


main()
