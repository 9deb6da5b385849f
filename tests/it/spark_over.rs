//! `tests/spark/over.jsonl`: what Spark 4.3 makes of analytic functions, against what the engine makes of them in batch, and as a stream in
//! several micro-batches with a restart from stored state after each.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::plan::{EventTime, OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field, Value};

const COLUMNS: [(&str, DataType); 8] = [
    ("n", DataType::Int),
    ("g", DataType::String),
    ("ts", DataType::Timestamp),
    ("l", DataType::BigInt),
    ("i", DataType::Int),
    ("d", DataType::Double),
    ("s", DataType::String),
    ("b", DataType::Boolean),
];

const FRAME: &str = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

fn value(json: &Json, data_type: &DataType) -> Value {
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Boolean => Value::Boolean(json.as_bool().unwrap()),
        DataType::Int => Value::Int(json.as_i64().unwrap() as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().unwrap()),
        DataType::Double => Value::Double(json.as_str().unwrap().parse().unwrap()),
        DataType::Timestamp => Value::Timestamp(json.as_i64().unwrap() * 1_000_000),
        _ => Value::String(json.as_str().unwrap().into()),
    }
}

fn source() -> TableSchema {
    let columns = COLUMNS.iter().map(|(name, data_type)| TableColumn { field: Field::new(*name, data_type.clone()), hidden: false });
    TableSchema { name: "t".into(), columns: columns.collect(), event_time: Some(EventTime { column: 2, delay_us: Some(0) }) }
}

fn batch(number: u64, rows: &[Vec<Value>]) -> Batch {
    let mut builders: Vec<ColumnBuilder> = COLUMNS.iter().map(|(_, data_type)| ColumnBuilder::new(data_type, rows.len())).collect();
    rows.iter().for_each(|row| builders.iter_mut().zip(row).for_each(|(builder, value)| builder.push(value)));
    let table = Table { rows: rows.len(), columns: builders.into_iter().map(|builder| Some(builder.finish())).collect() };
    Batch { number, stamp: Stamp::default(), inputs: vec![SourceInput { source: 0, table, idle: false }], ..Batch::default() }
}

fn program(over: &str, frame: &str, mode: OutputMode) -> Result<Program, String> {
    let sql = format!(
        "SELECT n, CAST(x AS STRING) AS x FROM (SELECT n, {over} OVER w AS x FROM t WINDOW w AS (PARTITION BY g ORDER BY ts {frame}))"
    );
    let sources = vec![source()];
    let query = plan_query("q", &sql, mode, &Catalog { sources: &sources, ..Catalog::default() }).map_err(|error| error.message)?;
    Ok(Program { sources, queries: vec![query], ..Program::default() })
}

fn take(output: &StepOutput, values: &mut BTreeMap<i32, Option<String>>) -> Result<(), String> {
    if let Some(reject) = output.rejects.first() {
        return Err(reject.reason.clone());
    }
    for result in &output.results {
        for row in 0..result.table.rows {
            let cell = |column: usize| result.table.columns[column].as_ref().unwrap().value(row);
            let Value::Int(number) = cell(0) else { return Err("no number".into()) };
            values.insert(number, if let Value::String(text) = cell(1) { Some(text) } else { None });
        }
    }
    Ok(())
}

/// The values by the rows' numbers; in micro-batches of `size` rows, or in batch mode.
fn run(program: &Program, rows: &[Vec<Value>], size: Option<usize>) -> Result<Vec<Option<String>>, String> {
    let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut values = BTreeMap::new();
    let new = || Engine::new(program, EngineSettings::default()).map_err(|error| error.to_string());
    let Some(size) = size else {
        let mut engine = new()?;
        take(&engine.step(&batch(1, rows)), &mut values)?;
        take(&engine.finish(), &mut values)?;
        return Ok(values.into_values().collect());
    };
    for (number, rows) in rows.chunks(size).enumerate() {
        let mut engine = new()?;
        let entries: Vec<_> = stored.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        engine.restore(&entries).map_err(|error| error.to_string())?;
        let output = engine.step(&batch(number as u64 + 1, rows));
        take(&output, &mut values)?;
        for (key, value) in output.state {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
    }
    Ok(values.into_values().collect())
}

/// Java may write more digits of a double than tell it from its neighbours.
fn is_same((recorded, ours): (&Option<String>, &Option<String>)) -> bool {
    let number = |text: &Option<String>| text.as_ref().filter(|text| text.contains('E'))?.parse::<f64>().ok();
    recorded == ours || (number(recorded).is_some() && number(recorded) == number(ours))
}

#[test]
fn analytic_functions_give_sparks_values_in_batch_and_in_streams() {
    let mut lines = include_str!("../spark/over.jsonl").lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let head = lines.next().unwrap();
    let row = |row: &Json| row.as_array().unwrap().iter().zip(&COLUMNS).map(|(json, (_, data_type))| value(json, data_type)).collect();
    let rows: Vec<Vec<Value>> = head["rows"].as_array().unwrap().iter().map(row).collect();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in lines {
        count += 1;
        let over = line["over"].as_str().unwrap();
        let frame = if over.starts_with("lag") { "" } else { FRAME };
        let recorded: Option<Vec<Option<String>>> =
            line["values"].as_array().map(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect());
        for size in [None, Some(1), Some(2), Some(5), Some(100)] {
            let mode = if size.is_none() { OutputMode::Batch } else { OutputMode::Append };
            let ours = program(over, frame, mode).and_then(|program| run(&program, &rows, size));
            match (&recorded, ours) {
                (None, Err(_)) => {}
                (Some(recorded), Ok(ours)) if recorded.len() == ours.len() && recorded.iter().zip(&ours).all(is_same) => {}
                (recorded, ours) => wrong.push(format!("{over} in batches of {size:?}: {ours:?}, not {recorded:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "{count} recorded");
}
