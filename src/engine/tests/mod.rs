//! Tests of whole queries over the engine: planned from SQL, fed with tables, compared row by row.

mod aggregates;
mod batching;
mod bounds;
mod by_key;
mod changed_scripts;
mod clock;
mod compact;
mod dedup;
mod handover;
mod joins;
mod journal;
mod keyed;
mod limits;
mod model;
mod modes;
mod nested;
mod over;
mod pacing;
mod restart;
mod row_windows;
mod script_time;
mod sessions;
mod set_back;
mod stream_joins;
mod union;

use std::cell::RefCell;
use std::sync::Arc;

use crate::batch::{Batch, Bitmap, Column, ColumnBuilder, DictColumn, Dictionary, SourceInput, Stamp, Table, Values};
use crate::engine::{Engine, EngineSettings, StepOutput};
use crate::plan::{EventTime, OutputMode, Program, TableColumn, TableSchema};
use crate::sql::{Catalog, plan_query};
use crate::types::{DataType, Field, Value};

use proptest::prelude::ProptestConfig;

/// So many cases of a property. Where a fault is planted a failing case is looked for: it is neither made smaller nor written down.
fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::with_cases(cases);
    if cfg!(feature = "sabotage") { ProptestConfig { failure_persistence: None, max_shrink_iters: 0, ..config } } else { config }
}

/// The property holds, and with the fault planted it does not.
#[cfg(feature = "sabotage")]
fn is_found(fault: crate::sabotage::Fault, property: fn()) {
    property();
    let held = crate::sabotage::with(fault, || std::panic::catch_unwind(property));
    assert!(held.is_err(), "{fault:?} was not found");
}

const SECOND: i64 = 1_000_000;

/// A row of the source `readings`: seconds, device, temperature, number.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    seconds: Option<f64>,
    device: Option<&'static str>,
    temperature: Option<f64>,
    number: Option<i64>,
}

fn reading(seconds: f64, device: &'static str, temperature: f64) -> Reading {
    Reading { seconds: Some(seconds), device: Some(device), temperature: Some(temperature), number: Some(temperature as i64) }
}

fn columns() -> Vec<TableColumn> {
    let column = |(name, data_type): (&str, DataType), hidden| TableColumn { field: Field::new(name, data_type), hidden };
    let shown =
        [("ts", DataType::Timestamp), ("device", DataType::String), ("temperature", DataType::Double), ("number", DataType::BigInt)];
    let mut columns: Vec<TableColumn> = shown.into_iter().map(|shown| column(shown, false)).collect();
    columns.push(column(("_arrived", DataType::Timestamp), true));
    columns
}

/// `readings` with event time `ts`, 10 s delay; `arrivals` with stream time, 10 s delay.
fn sources() -> Vec<TableSchema> {
    let source = |name: &str, column| TableSchema {
        name: name.into(),
        columns: columns(),
        event_time: Some(EventTime { column, delay_us: Some(10 * SECOND) }),
    };
    vec![source("readings", 0), source("arrivals", 4)]
}

/// A program of these queries, each (name, mode, text); a query may read those before it.
fn program(queries: &[(&str, OutputMode, &str)]) -> Program {
    let mut program = Program { sources: sources(), ..Program::default() };
    for (name, mode, text) in queries {
        let catalog = Catalog { sources: &program.sources, queries: &program.queries, tables: &program.tables, ..Catalog::default() };
        let query = plan_query(name, text, *mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
        program.queries.push(query);
    }
    program
}

fn engine(mode: OutputMode, text: &str) -> Engine {
    Engine::new(&program(&[("q", mode, text)]), settings()).unwrap()
}

fn settings() -> EngineSettings {
    EngineSettings { idle_timeout_us: vec![5 * SECOND; 2], ..EngineSettings::default() }
}

/// Devices as a decoder gives them: by codes of a dictionary that grows, the same for all tables of a test.
fn coded(devices: impl Iterator<Item = Option<&'static str>>) -> Column {
    thread_local!(static NAMES: RefCell<Vec<Arc<str>>> = const { RefCell::new(Vec::new()) });
    NAMES.with_borrow_mut(|names| {
        let (mut codes, mut valid) = (Vec::new(), Bitmap::filled(0, true));
        for device in devices {
            let name = device.unwrap_or_default();
            let code = names.iter().position(|known| **known == *name).unwrap_or(names.len());
            if code == names.len() {
                names.push(name.into());
            }
            codes.push(code as u32);
            valid.push(device.is_some());
        }
        let complete = (0..codes.len()).all(|row| valid.get(row));
        let dictionary = Dictionary { generation: 0, entries: Arc::new(names.clone()) };
        Column { values: Values::Dict(DictColumn { codes, dictionary }), valid: (!complete).then_some(valid) }
    })
}

/// Devices are texts in some tables, coded in others.
fn table(rows: &[Reading]) -> Table {
    let mut builders: Vec<ColumnBuilder> = columns().iter().map(|column| ColumnBuilder::new(&column.field.data_type, rows.len())).collect();
    for row in rows {
        let time = row.seconds.map_or(Value::Null, |seconds| Value::Timestamp((seconds * 1e6).round() as i64));
        let values = [
            time.clone(),
            row.device.map_or(Value::Null, |device| Value::String(device.into())),
            row.temperature.map_or(Value::Null, Value::Double),
            row.number.map_or(Value::Null, Value::BigInt),
            time,
        ];
        builders.iter_mut().zip(values).for_each(|(builder, value)| builder.push(&value));
    }
    let mut columns: Vec<Option<Column>> = builders.into_iter().map(|builder| Some(builder.finish())).collect();
    if rows.len() % 4 != 3 {
        columns[1] = Some(coded(rows.iter().map(|row| row.device)));
    }
    Table { rows: rows.len(), columns }
}

/// A batch in which both sources have these rows; without rows they are idle at wall time `seconds`.
fn batch(rows: &[Reading], seconds: i64) -> Batch {
    let input = |source| SourceInput { source, table: table(rows), idle: rows.is_empty() };
    Batch {
        number: 1,
        stamp: Stamp { wall_us: seconds * SECOND, mono_us: 0, synchronised: true },
        inputs: vec![input(0), input(1)],
        ..Batch::default()
    }
}

fn step(engine: &mut Engine, rows: &[Reading]) -> StepOutput {
    let mut batch = batch(rows, 0);
    batch.inputs.iter_mut().for_each(|input| input.idle = false);
    engine.step(&batch)
}

/// The result rows of query 0, as text, in the order in which they came: `a 1 NULL 2.5`. Times in seconds.
fn shown(output: &StepOutput) -> Vec<String> {
    shown_of(output, 0)
}

fn shown_of(output: &StepOutput, query: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for result in output.results.iter().filter(|result| result.query == query) {
        for row in 0..result.table.rows {
            let values = result.table.columns.iter().map(|column| show(&column.as_ref().unwrap().value(row)));
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Boolean(x) => x.to_string(),
        Value::Int(x) | Value::Date(x) => x.to_string(),
        Value::BigInt(x) => x.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Double(x) => x.to_string(),
        Value::String(x) => x.clone(),
        Value::Timestamp(us) => format!("{}s", *us as f64 / 1e6),
        Value::Binary(_) | Value::Interval(_) | Value::Array(_) | Value::Map(_) => format!("{value:?}"),
        Value::Struct(members) => format!("[{}]", members.iter().map(show).collect::<Vec<_>>().join(",")),
    }
}
