"""Records what Spark makes of function calls and operators, for tests/spark/calls.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/generate_calls.py > tests/spark/calls.jsonl

Each line is `[SQL text, type, value]`, the value as text (BINARY in hexadecimal) or null; or `[SQL text, null, error class]`.
The text goes through our parser, planner and evaluator, so that types are tested too. The lists of calls stand in calls_*.py.
Needs Java 17 or later.
"""

import json

import calls_bytes
import calls_conditional
import calls_mathematics
import calls_names
import calls_text
import calls_time
from recorder import error_class, session, shown


def record(spark, text):
    try:
        frame = spark.sql(f"SELECT {text} AS x")
        type_ = frame.schema[0].dataType.simpleString()
        return [text, type_, frame.selectExpr(shown("x", type_)).collect()[0][0]]
    except Exception as error:  # whatever Spark throws is the record
        return [text, None, error_class(error)]


def main():
    spark = session()
    seen = set()
    for module in (calls_text, calls_mathematics, calls_time, calls_bytes, calls_conditional, calls_names):
        for text in module.calls():
            if text not in seen:
                seen.add(text)
                print(json.dumps(record(spark, text), ensure_ascii=False, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
