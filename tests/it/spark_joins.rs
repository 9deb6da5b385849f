//! `tests/spark/joins.jsonl` and `tests/spark/stream_joins.jsonl`: joins as Spark 4.3 computes them, in batch queries and step by step over streams.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tidemill::batch::{Batch, SourceInput, Stamp, Table, TableVersion};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::format::TimestampUnit;
use tidemill::format::reference::{ReferenceContents, ReferenceFormat, ReferenceSettings};
use tidemill::plan::{OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, parse_schema, plan_query};
use tidemill::types::{Field, Value};

/// Spark's error where ours works, or the other way round, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("NATURAL LEFT SEMI", "Spark fails with an internal error"),
    ("NATURAL LEFT ANTI", "Spark fails with an internal error"),
    ("SELECT v FROM a WHERE", "subqueries are not there yet"),
];

struct Rows {
    schema: TableSchema,
    table: Table,
}

fn rows(name: &str, columns: &str, rows: &[Json]) -> Rows {
    let columns = parse_schema(columns).unwrap();
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
    let shown = |field: &Field| TableColumn { field: field.clone(), hidden: false };
    let schema = TableSchema { name: name.to_owned(), columns: fields.iter().map(shown).collect(), event_time: None };
    let paths = columns.into_iter().map(|column| column.path).collect();
    let format = ReferenceFormat::Json { paths, timestamp_unit: TimestampUnit::Seconds };
    let settings = ReferenceSettings { format, fields, rows_max: 1_000, bytes_max: 1 << 20 };
    let mut text: Vec<String> = rows.iter().map(Json::to_string).collect();
    text.push("\n".to_owned());
    let contents = ReferenceContents::read(&settings, text.join("\n").as_bytes()).unwrap();
    Rows { schema, table: (*contents.rows).clone() }
}

/// In a FULL JOIN of two streams Spark takes NULL keys as equal, though not in other joins nor in batch queries.
fn differs(case: &str, row: &BTreeMap<String, Json>) -> bool {
    case.starts_with("FULL") && !row.contains_key("lk") && !row.contains_key("rk")
}

fn lines(file: &str) -> Vec<Json> {
    let path = format!("{}/tests/spark/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A value as the recording has it.
fn shown(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::BigInt(value) => value.into(),
        Value::Double(value) if value.is_nan() => "nan".into(),
        Value::Double(value) if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.into(),
        Value::Double(value) => format!("{value:?}").into(),
        Value::String(text) => text.to_string().into(),
        other => format!("{other:?}").into(),
    }
}

/// The rows of a step; an error if one failed.
fn results(output: &StepOutput) -> Result<Vec<Vec<Json>>, String> {
    if let Some(reject) = output.rejects.first() {
        return Err(reject.reason.clone());
    }
    let mut rows = Vec::new();
    for result in &output.results {
        let cells = |row| result.table.columns.iter().map(|column| shown(column.as_ref().unwrap().value(row))).collect();
        rows.extend((0..result.table.rows).map(cells));
    }
    Ok(rows)
}

fn sorted(mut rows: Vec<Vec<Json>>) -> Vec<Vec<Json>> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

/// Runs a batch query; the tables for which `references` says so are reference tables, the others are read as rows that come.
fn run(sql: &str, tables: &[Rows], references: &[bool]) -> Result<Vec<Vec<Json>>, String> {
    let schemas = |wanted: bool| {
        let chosen = tables.iter().zip(references).filter(|(_, reference)| **reference == wanted);
        chosen.map(|(table, _)| table.schema.clone()).collect::<Vec<_>>()
    };
    let (sources, reference_schemas) = (schemas(false), schemas(true));
    let catalog = Catalog { sources: &sources, tables: &reference_schemas, ..Catalog::default() };
    let query = plan_query("q", sql, OutputMode::Batch, &catalog);
    let query = query.map_err(|error| error.message)?;
    let program = Program { sources, tables: reference_schemas, queries: vec![query], ..Program::default() };
    let mut engine = Engine::new(&program, EngineSettings::default()).map_err(|error| error.to_string())?;
    let mut batch = Batch { number: 1, stamp: Stamp::default(), ..Batch::default() };
    for (table, reference) in tables.iter().zip(references) {
        if *reference {
            batch.tables.push(TableVersion { table: batch.tables.len(), rows: table.table.clone().into() });
        } else {
            batch.inputs.push(SourceInput { source: batch.inputs.len(), table: table.table.clone(), idle: false });
        }
    }
    let mut rows = results(&engine.step(&batch))?;
    rows.extend(results(&engine.finish())?);
    Ok(sorted(rows))
}

#[test]
fn batch_joins_are_sparks() {
    let recorded = lines("joins.jsonl");
    let described = recorded[0]["tables"].as_object().unwrap();
    let tables: Vec<Rows> =
        (described.iter()).map(|(name, table)| rows(name, table["schema"].as_str().unwrap(), table["rows"].as_array().unwrap())).collect();
    let (mut failed, mut compared) = (String::new(), 0);
    for line in &recorded[1..] {
        let sql = line["sql"].as_str().unwrap();
        if DIFFERENT.iter().any(|(text, _)| sql.contains(text)) {
            continue;
        }
        let expected =
            line.get("rows").map(|rows| sorted(rows.as_array().unwrap().iter().map(|row| row.as_array().unwrap().clone()).collect()));
        // All of them streaming in, all of them there at once, and each side of `a JOIN b` for itself.
        for way in 0..4 {
            let references: Vec<bool> = (0..tables.len()).map(|table| [false, true, table == 0, table != 0][way]).collect();
            let got = run(sql, &tables, &references);
            compared += 1;
            match (&got, &expected) {
                (Ok(got), Some(expected)) if got == expected => {}
                (Err(_), None) => {}
                _ => failed += &format!("{sql} (way {way})\n  ours  {got:?}\n  Spark {expected:?} {}\n", line["error"]),
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(compared > 500, "{compared}");
}

fn stream_source(name: &str) -> TableSchema {
    rows(name, "k STRING, ts TIMESTAMP, v BIGINT", &[]).schema
}

/// Runs a recorded case; `restart` makes the engine anew from what it stored after each step.
fn run_steps(case: &Json, restart: bool) -> Vec<Vec<BTreeMap<String, Json>>> {
    let sources = vec![stream_source("l"), stream_source("r")];
    let sql = case["sql"].as_str().unwrap();
    let query = plan_query("q", sql, OutputMode::Append, &Catalog { sources: &sources, ..Catalog::default() });
    let query = query.unwrap_or_else(|error| panic!("{}", error.in_text(sql)));
    let names: Vec<String> = query.output.iter().map(|field| field.name.clone()).collect();
    let program = Program { sources, queries: vec![query], ..Program::default() };
    let mut engine = Engine::new(&program, EngineSettings::default()).unwrap();
    let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut steps = Vec::new();
    for (number, step) in (1..).zip(case["steps"].as_array().unwrap()) {
        let side = |name: &str| rows(name, "k STRING, ts TIMESTAMP, v BIGINT", step[name].as_array().unwrap()).table;
        let inputs = ["l", "r"].into_iter().enumerate().map(|(source, name)| SourceInput { source, table: side(name), idle: false });
        let output = engine.step(&Batch { number, inputs: inputs.collect(), ..Batch::default() });
        let named = |row: Vec<Json>| names.iter().cloned().zip(row).filter(|(_, value)| !value.is_null()).collect();
        steps.push(results(&output).unwrap().into_iter().map(named).collect());
        for (key, value) in output.state {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
        if restart {
            engine = Engine::new(&program, EngineSettings::default()).unwrap();
            engine.restore(&stored.clone().into_iter().collect::<Vec<_>>()).unwrap();
        }
    }
    steps
}

#[test]
fn stream_joins_are_sparks_step_by_step() {
    let cases = lines("stream_joins.jsonl");
    assert!(cases.len() >= 8);
    let mut failed = String::new();
    for case in &cases {
        for restart in [false, true] {
            let got = run_steps(case, restart);
            for (number, (step, mut got)) in case["steps"].as_array().unwrap().iter().zip(got).enumerate() {
                let as_text = |rows: &mut dyn Iterator<Item = String>| {
                    let mut rows: Vec<String> = rows.collect();
                    rows.sort();
                    rows
                };
                let name = case["name"].as_str().unwrap();
                let ours = as_text(&mut got.drain(..).filter(|row| !differs(name, row)).map(|row| json!(row).to_string()));
                let expected = step["expected"].as_array().unwrap().iter();
                let expected = expected.map(|row| serde_json::from_value::<BTreeMap<String, Json>>(row.clone()).unwrap());
                let sparks = as_text(&mut expected.filter(|row| !differs(name, row)).map(|row| json!(row).to_string()));
                if ours != sparks {
                    failed += &format!("{name}, step {}, restart {restart}\n  ours  {ours:?}\n  Spark {sparks:?}\n", number + 1);
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
}
