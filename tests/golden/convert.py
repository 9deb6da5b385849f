"""Turns what generate.py recorded into query cases: convert.py RECORDED CASES. The rows are taken over to the letter.

A file of input is a step, and stands for Spark's batch with the file and the batch without data after it. `raw_readings` is the JSON as it came;
`readings` is the view over it that Spark was given too."""

import json
import pathlib
import re
import sys

# DECIMAL is not a type here.
LEFT_OUT = {"04_expr_cast": ["de"]}


def type_text(text):
    """Spark's simple name of a type as SQL writes it."""
    if text.startswith("struct<"):
        return "STRUCT<" + ", ".join(f"{name}: {type_text(kind)}" for name, kind in members(text)) + ">"
    if text.startswith("array<"):
        return f"ARRAY<{type_text(text[6:-1])}>"
    return "DOUBLE" if text.startswith("decimal(") else text.upper()


def members(struct):
    depth, start, inner = 0, 0, struct[len("struct<"):-1]
    for at, c in enumerate(inner + ","):
        depth += (c in "<(") - (c in ">)")
        if c == "," and depth == 0:
            name, kind = inner[start:at].split(":", 1)
            yield name, kind
            start = at + 1


def without_column(sql, column):
    end = sql.index(f" AS {column}") + len(f" AS {column}")
    depth = 0
    for at in range(end - 1, -1, -1):
        depth += (sql[at] == ")") - (sql[at] == "(")
        if sql[at] == "," and depth == 0:
            return sql[:at] + sql[end:]
    raise ValueError(column)


def rows_text(rows):
    return "".join(row + "\n" for row in rows)


def case_toml(name, meta, mode, left_out):
    view = meta["source_view"]
    if "watermark" in meta:
        column, delay = meta["watermark"]
        view = f"SELECT * FROM ({view}) WATERMARK {column} DELAY OF INTERVAL {delay}"
    columns = ", ".join(f"{n} {type_text(kind)}" for n, kind in members(meta["output_schema"]) if n not in left_out)
    text = f"""# {meta["why"]}. Recorded from Spark {meta["spark"]}, UTC, ANSI.
[test]
queries = ["result"]
columns = {json.dumps(columns)}
"""
    if left_out:
        text += f"ignore_columns = {json.dumps(left_out)} # DECIMAL\n"
    text += f"""
[source.raw_readings]
schema = {json.dumps(meta["input_schema"].upper().replace("DEVICE", "device").replace("TS ", "ts ").replace("TEMPERATURE", "temperature").replace("HUMIDITY", "humidity"))}
event_time = "_arrived" # no watermark of its own
bad_records = "null_row"

[query.readings]
sql = {json.dumps(view)}
mode = "{"batch" if mode == "batch" else "append"}"

[query.result]
sql_file = "query.sql"
mode = "{mode}"
"""
    for table, schema in meta.get("static_schema", {}).items():
        text += f"""
[table.{table}]
path = "{table}.jsonl"
schema = "{schema}"
"""
    return text


def convert(old, new):
    meta = json.loads((old / "meta.json").read_text())
    mode = meta.get("output_mode", "batch")
    left_out = LEFT_OUT.get(old.name, [])
    sql = (old / "query.sql").read_text()
    for column in left_out:
        sql = without_column(sql, column)
    new.mkdir(parents=True)
    (new / "case.toml").write_text(case_toml(old.name, meta, mode, left_out))
    (new / "query.sql").write_text(sql.rstrip("\n") + "\n")
    for table in meta.get("static_schema", {}):
        (new / f"{table}.jsonl").write_bytes((old / "static" / f"{table}.jsonl").read_bytes())
    lines = (old / "expected.jsonl").read_text().splitlines()
    for number, path in enumerate(sorted((old / "input").iterdir())):
        step = new / "steps" / f"{number + 1}"
        step.mkdir(parents=True)
        (step / "raw_readings.jsonl").write_bytes(path.read_bytes())
        if mode == "batch":
            rows, batches = (lines if number == 0 else []), []
        else:
            batches = [line for line in lines if json.loads(line)["after_input_file"] == number]
            # The text of each row as it stands in the line.
            rows = [row for line in batches for row in split_rows(line)]
        if rows:
            (step / "expected.jsonl").write_text(rows_text(rows))
        without_data = [batch for batch in map(json.loads, batches) if batch["no_data"]]
        if without_data:
            (step / "status.json").write_text(json.dumps({"watermark": without_data[0]["watermark"]}) + "\n")


def split_rows(line):
    decoder = json.JSONDecoder()
    at = re.search(r'"rows": \[', line).end()
    rows = []
    while line[at] != "]":
        _, end = decoder.raw_decode(line, at)
        rows.append(line[at:end])
        at = end + 2 if line[end:end + 2] == ", " else end
    assert len(rows) == len(json.loads(line)["rows"])
    return rows


if __name__ == "__main__":
    recorded, cases = map(pathlib.Path, sys.argv[1:])
    for case in sorted(path for path in recorded.iterdir() if (path / "meta.json").exists()):
        convert(case, cases / case.name)
