//! `tests/spark/aggregates.jsonl`: what Spark 4.3 makes of aggregates, against what the engine makes of the same text over the same rows:
//! in batch, and as a stream in several micro-batches with a restart from stored state after each.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::plan::{OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field, Value};

/// Lines that differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("percentile_cont(0.3) WITHIN GROUP (ORDER BY f DESC)", "-0.0 beside 0.0 comes first; in Spark as its hash table has it"),
    ("percentile_disc(0.3) WITHIN GROUP (ORDER BY f DESC)", "the same"),
    ("percentile_cont(0.3) WITHIN GROUP (ORDER BY d DESC)", "the same"),
    ("percentile_disc(0.3) WITHIN GROUP (ORDER BY d DESC)", "the same"),
    ("first(NULL)", "a column of bare NULLs is STRING"),
    ("max(NULL)", "the same"),
    ("mode(NULL)", "the same"),
];

/// Parts of texts that are not there yet; such lines are skipped.
const NOT_YET: &[&str] = &["AS BINARY", "(ts - TIMESTAMP"];

struct Recorded {
    source: TableSchema,
    rows: Vec<Vec<Value>>,
    lines: Vec<Json>,
}

fn value(json: &Json, data_type: &DataType) -> Value {
    let double = |json: &Json| json.as_str().unwrap().parse::<f64>().unwrap();
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Boolean => Value::Boolean(json.as_bool().unwrap()),
        DataType::Int => Value::Int(json.as_i64().unwrap() as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().unwrap()),
        DataType::Float => Value::Float(double(json) as f32),
        DataType::Double => Value::Double(double(json)),
        DataType::String => Value::String(json.as_str().unwrap().into()),
        DataType::Timestamp => Value::Timestamp(json.as_i64().unwrap()),
        DataType::Interval => Value::Interval(json.as_i64().unwrap()),
        DataType::Date => Value::Date(json.as_i64().unwrap() as i32),
        DataType::Binary => {
            let text = json.as_str().unwrap();
            let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            Value::Binary((0..text.len()).step_by(2).map(byte).collect())
        }
        DataType::Array(element) => Value::Array(json.as_array().unwrap().iter().map(|json| value(json, element)).collect()),
        DataType::Struct(fields) => {
            let members = json.as_array().unwrap().iter().zip(fields);
            Value::Struct(members.map(|(json, field)| value(json, &field.data_type)).collect())
        }
        other => panic!("{other} is not recorded"),
    }
}

fn column_type(name: &str) -> DataType {
    match name {
        "STRING" => DataType::String,
        "BOOLEAN" => DataType::Boolean,
        "INT" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "TIMESTAMP" => DataType::Timestamp,
        "DATE" => DataType::Date,
        other => panic!("{other}"),
    }
}

fn source(name: &str, columns: &[(&str, DataType)]) -> TableSchema {
    let column = |(name, data_type): &(&str, DataType)| TableColumn { field: Field::new(*name, data_type.clone()), hidden: false };
    TableSchema { name: name.into(), columns: columns.iter().map(column).collect(), event_time: None }
}

fn recorded() -> Recorded {
    let mut lines: Vec<Json> = include_str!("../spark/aggregates.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head = lines.remove(0);
    let columns: Vec<(&str, DataType)> = (head["columns"].as_array().unwrap().iter())
        .map(|column| (column[0].as_str().unwrap(), column_type(column[1].as_str().unwrap())))
        .collect();
    let row = |row: &Json| row.as_array().unwrap().iter().zip(&columns).map(|(json, (_, data_type))| value(json, data_type)).collect();
    let rows = head["rows"].as_array().unwrap().iter().map(row).collect();
    Recorded { source: source("t", &columns), rows, lines }
}

fn table(source: &TableSchema, rows: &[Vec<Value>]) -> Table {
    let mut builders: Vec<ColumnBuilder> =
        source.columns.iter().map(|column| ColumnBuilder::new(&column.field.data_type, rows.len())).collect();
    rows.iter().for_each(|row| builders.iter_mut().zip(row).for_each(|(builder, value)| builder.push(value)));
    Table { rows: rows.len(), columns: builders.into_iter().map(|builder| Some(builder.finish())).collect() }
}

fn batch(number: u64, table: Table) -> Batch {
    Batch { number, stamp: Stamp::default(), inputs: vec![SourceInput { source: 0, table, idle: false }], ..Batch::default() }
}

fn program(source: &TableSchema, sql: &str, mode: OutputMode) -> Result<Program, String> {
    let sources = vec![source.clone()];
    let query = plan_query("q", sql, mode, &Catalog { sources: &sources, ..Catalog::default() }).map_err(|error| error.message)?;
    Ok(Program { sources, queries: vec![query], ..Program::default() })
}

/// The rows of all results, in order.
fn result_rows(output: &StepOutput) -> Vec<Vec<Value>> {
    let rows = output.results.iter().flat_map(|result| (0..result.table.rows).map(move |row| (result, row)));
    rows.map(|(result, row)| result.table.columns.iter().map(|column| column.as_ref().unwrap().value(row)).collect()).collect()
}

/// The last value of each group; or why a row was rejected.
type Groups = Result<BTreeMap<Option<String>, Value>, String>;

fn take(output: &StepOutput, groups: &mut BTreeMap<Option<String>, Value>) -> Result<(), String> {
    if let Some(reject) = output.rejects.first() {
        return Err(reject.reason.clone());
    }
    for row in result_rows(output) {
        let [group, value] = <[Value; 2]>::try_from(row).unwrap();
        groups.insert(if let Value::String(name) = group { Some(name) } else { None }, value);
    }
    Ok(())
}

fn in_batch(source: &TableSchema, rows: &[Vec<Value>], program: &Program) -> Groups {
    let mut engine = Engine::new(program, EngineSettings::default()).map_err(|error| error.to_string())?;
    let mut groups = BTreeMap::new();
    take(&engine.step(&batch(1, table(source, rows))), &mut groups)?;
    take(&engine.finish(), &mut groups)?;
    Ok(groups)
}

/// In micro-batches of `size` rows, each in an engine made anew from the stored state.
fn in_stream(source: &TableSchema, rows: &[Vec<Value>], program: &Program, size: usize) -> Groups {
    let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for (number, rows) in rows.chunks(size).enumerate() {
        let mut engine = Engine::new(program, EngineSettings::default()).map_err(|error| error.to_string())?;
        let entries: Vec<_> = stored.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        engine.restore(&entries).map_err(|error| error.to_string())?;
        let output = engine.step(&batch(number as u64 + 1, table(source, rows)));
        take(&output, &mut groups)?;
        for (key, value) in output.state {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
    }
    Ok(groups)
}

/// `error`: how far doubles may be apart, of the greater one.
fn agree(ours: &Value, spark: &Value, any_order: bool, error: f64) -> bool {
    let close =
        |a: f64, b: f64, error: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= (error * a.abs().max(b.abs())).max(1e-15);
    match (ours, spark) {
        (Value::Double(a), Value::Double(b)) => close(*a, *b, error) && (*a != 0.0 || a.is_sign_negative() == b.is_sign_negative()),
        (Value::Float(a), Value::Float(b)) => close(f64::from(*a), f64::from(*b), 1e-6),
        (Value::Array(a), Value::Array(b)) if any_order => {
            let sorted = |values: &[Value]| {
                let mut texts: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                texts.sort();
                texts
            };
            sorted(a) == sorted(b)
        }
        (Value::Array(a), Value::Array(b)) | (Value::Struct(a), Value::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b, false, error))
        }
        _ => ours == spark,
    }
}

/// Spark's notation of a type.
fn notation(data_type: &DataType) -> String {
    data_type.to_string().to_lowercase().replace(": ", ":").replace(", ", ",")
}

/// Why our groups are not the recorded ones.
fn difference(groups: Groups, line: &Json, data_type: &DataType) -> Option<String> {
    let text = line["agg"].as_str().unwrap();
    let groups = match groups {
        Ok(_) if line["error"].is_string() => return Some(format!("gives a value, but Spark fails: {}", line["error"])),
        Ok(groups) => groups,
        Err(_) if line["error"].is_string() => return None,
        Err(error) => return Some(format!("fails: {error}")),
    };
    // Spark tells different values apart in an order of its own.
    let distinct = text.contains("DISTINCT ");
    let error = if distinct { 1e-7 } else { 1e-12 };
    for pair in line["values"].as_array().unwrap() {
        let (group, spark) = (pair[0].as_str().map(str::to_owned), value(&pair[1], data_type));
        match groups.get(&group) {
            Some(ours) if agree(ours, &spark, text.contains("collect_set") || distinct, error) => {}
            Some(ours) => return Some(format!("of {group:?} is {ours:?}, not {spark:?}")),
            None => return Some(format!("lacks the group {group:?}")),
        }
    }
    None
}

fn check(recorded: &Recorded, line: &Json, mode: OutputMode, run: impl Fn(&Program) -> Groups) -> Option<String> {
    let sql = format!("SELECT g, {} AS x FROM t GROUP BY g", line["agg"].as_str().unwrap());
    let program = match program(&recorded.source, &sql, mode) {
        Ok(program) => program,
        Err(_) if line["error"].is_string() => return None,
        Err(message) => return Some(format!("is refused: {message}")),
    };
    let data_type = program.queries[0].output[1].data_type.clone();
    if let Some(spark) = line["type"].as_str()
        && notation(&data_type) != spark
    {
        return Some(format!("is of type {data_type}, not {spark}"));
    }
    difference(run(&program), line, &data_type)
}

fn check_all(mode: OutputMode, skip: impl Fn(&str) -> bool, run: impl Fn(&Recorded, &Program) -> Groups) {
    let recorded = recorded();
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for line in recorded.lines.iter().filter(|line| line["series"].is_null()) {
        let text = line["agg"].as_str().unwrap();
        if skip(text) || NOT_YET.iter().any(|part| text.contains(part)) {
            continue;
        }
        checked += 1;
        let known = DIFFERENT.iter().any(|(known, _)| *known == text);
        match check(&recorded, line, mode, |program| run(&recorded, program)) {
            Some(difference) if !known => wrong.push(format!("{text} {difference}")),
            None if known => wrong.push(format!("{text} is as in Spark now: take it off the list")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 600, "only {checked} were checked");
}

#[test]
fn batch_gives_what_spark_gives() {
    check_all(OutputMode::Batch, |_| false, |recorded, program| in_batch(&recorded.source, &recorded.rows, program));
}

#[test]
fn streams_give_the_same_after_restarts() {
    let distinct = |text: &str| text.contains("DISTINCT ");
    check_all(OutputMode::Update, distinct, |recorded, program| in_stream(&recorded.source, &recorded.rows, program, 5));
}

#[test]
fn long_series_give_what_spark_gives() {
    let source = source("series", &[("x", DataType::BigInt), ("d", DataType::Double), ("s", DataType::String)]);
    let (mut wrong, mut checked) = (Vec::new(), 0);
    let recorded = recorded();
    for line in recorded.lines.iter().filter(|line| line["series"].is_number()) {
        let row = |id: i64| {
            let x = id * 7919 % 10007;
            vec![Value::BigInt(x), Value::Double(x as f64 / 8.0), Value::String(format!("dev-{}", x % 2503))]
        };
        let rows: Vec<Vec<Value>> = (0..line["series"].as_i64().unwrap()).map(row).collect();
        let text = line["agg"].as_str().unwrap();
        let ours = program(&source, &format!("SELECT 'all' AS g, {text} AS x FROM series"), OutputMode::Batch)
            .and_then(|program| Ok((program.queries[0].output[1].data_type.clone(), in_batch(&source, &rows, &program)?)));
        checked += 1;
        match ours {
            Err(error) => wrong.push(format!("{text} of {} fails: {error}", line["series"])),
            Ok((data_type, groups)) => {
                let spark = value(&line["value"], &data_type);
                let ours = &groups[&Some("all".to_owned())];
                if !agree(ours, &spark, false, 1e-9) {
                    wrong.push(format!("{text} of {} is {ours:?}, not {spark:?}", line["series"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 150, "only {checked} were checked");
}
