//! The Spark cases of `tests/golden` through decoder, planner and engine: row for row Spark's output.
//!
//! A stream's file is one step, which stands for Spark's batch with the file and the batch without data after it. Doubles are compared
//! within 1e-9; rows without regard to their order. Each stream runs a second time in engines that are made anew from stored state after each
//! file, and each batch case a second time as `tidemill query` runs it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value as Json};
use tidemill::batch::{Batch, SourceInput, Stamp, Table};
use tidemill::batch_query::{self, FileTable, OutputFormat};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::format::{
    BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoder, EventTimeMissing, Format, Message, OpenTable, Origin, TimestampUnit,
};
use tidemill::plan::{OutputMode, TableSchema};
use tidemill::types::{DataType, Field, Value};

use crate::golden::{Case, cases};

fn settings(source: &TableSchema) -> DecodeSettings {
    let column = |field: &Field| ColumnLayout {
        name: field.name.clone(),
        data_type: field.data_type.clone(),
        origin: Origin::Payload(vec![field.name.clone()]),
    };
    DecodeSettings {
        format: Format::Json,
        columns: source.columns.iter().map(|table_column| column(&table_column.field)).collect(),
        patterns: Vec::new(),
        timestamp_unit: TimestampUnit::Seconds,
        timestamp_zone: None,
        bad_records: BadRecords::NullRow,
        coerce: Coerce::Strict,
        event_time: None,
        event_time_missing: EventTimeMissing::Null,
    }
}

/// Decodes each file to a table.
fn tables(case: &Case, source: &TableSchema) -> Vec<Table> {
    let settings = settings(source);
    let needed = vec![true; source.columns.len()];
    let mut decoder = Decoder::new(&settings, &needed, 7).unwrap();
    let mut open = OpenTable::new(&settings, &needed);
    let mut decode = |path| {
        for line in fs::read_to_string(path).unwrap().lines() {
            let message = Message { topic: "", payload: line.as_bytes(), arrived_us: 0, retained: false };
            decoder.decode(&message, &mut open).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        }
        open.take()
    };
    case.inputs.iter().map(&mut decode).collect()
}

fn shown(value: &Value, data_type: &DataType) -> Json {
    let double = |x: f64| match x {
        x if x.is_nan() => Json::from("NaN"),
        x if x.is_infinite() => Json::from(if x > 0.0 { "Infinity" } else { "-Infinity" }),
        x => Json::from(x),
    };
    match (value, data_type) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(x), _) => Json::from(*x),
        (Value::Int(x), _) => Json::from(*x),
        (Value::BigInt(x), _) => Json::from(*x),
        // By its shortest digits, as it is written.
        (Value::Float(x), _) => double(x.to_string().parse().unwrap()),
        (Value::Double(x), _) => double(*x),
        (Value::String(x), _) => Json::from(x.as_str()),
        (Value::Timestamp(us), _) => {
            let time = jiff::Timestamp::from_microsecond(us - us.rem_euclid(1000)).unwrap();
            Json::from(format!("{time:.3}"))
        }
        (Value::Date(days), _) => {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(*days)).unwrap();
            Json::from(date.to_string())
        }
        (Value::Struct(members), DataType::Struct(fields)) => {
            Json::Object(fields.iter().zip(members).map(|(field, value)| (field.name.clone(), shown(value, &field.data_type))).collect())
        }
        (Value::Struct(_), _) => panic!("a struct of another type"),
        (value, _) => panic!("{value:?} is not compared yet"),
    }
}

fn rows(output: &StepOutput, fields: &[Field]) -> Vec<Json> {
    let mut rows = Vec::new();
    for result in &output.results {
        for row in 0..result.table.rows {
            let member = |(field, column): (&Field, &Option<tidemill::batch::Column>)| {
                (field.name.clone(), shown(&column.as_ref().unwrap().value(row), &field.data_type))
            };
            rows.push(Json::Object(fields.iter().zip(&result.table.columns).map(member).collect::<Map<_, _>>()));
        }
    }
    rows
}

fn close(actual: &Json, expected: &Json) -> bool {
    match (actual, expected) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|b| close(value, b)))
        }
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
        }
        _ => actual == expected,
    }
}

fn assert_rows(name: &str, mut actual: Vec<Json>, expected: Vec<Json>) {
    for row in expected {
        let found = actual.iter().position(|candidate| close(candidate, &row));
        assert!(found.is_some(), "{name}\n  missing {row}\n  among {} rows, the first: {:?}", actual.len(), actual.first());
        actual.remove(found.unwrap());
    }
    assert!(actual.is_empty(), "{name}\n  too much {}", actual[0]);
}

fn without(row: &Json, columns: &[String]) -> Json {
    let members = row.as_object().unwrap().iter().filter(|(name, _)| !columns.contains(name));
    Json::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// A stream's steps; with `restarts`, each in an engine that knows only the state that was stored.
fn run_stream(case: &Case, restarts: bool) {
    let program = case.program();
    let engine = || Engine::new(&program, EngineSettings::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let mut running = engine();
    let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (index, table) in tables(case, &program.sources[0]).into_iter().enumerate() {
        let name = format!("{} file {index}{}", case.name, if restarts { " after a restart" } else { "" });
        let inputs = vec![SourceInput { source: 0, table, idle: false }];
        let output = running.step(&Batch { number: index as u64 + 1, stamp: Stamp::default(), inputs, ..Batch::default() });
        assert_eq!(output.rejects, [], "{name}");
        let of_step: Vec<&Json> = case.expected.iter().filter(|line| line["after_input_file"] == index).collect();
        let expected = of_step.iter().flat_map(|line| line["rows"].as_array().unwrap()).map(|row| without(row, &case.left_out)).collect();
        assert_rows(&name, rows(&output, &program.queries[0].output), expected);
        if let Some(line) = of_step.iter().find(|line| line["no_data"] == true) {
            let watermark = Value::Timestamp(running.status()[0].watermark_us.unwrap());
            assert_eq!(shown(&watermark, &DataType::Timestamp), line["watermark"], "{name}");
        }
        for (key, value) in output.state {
            match value {
                Some(value) => stored.insert(key, value),
                None => stored.remove(&key),
            };
        }
        if restarts {
            running = engine();
            let entries: Vec<(Vec<u8>, Vec<u8>)> = stored.clone().into_iter().collect();
            assert_eq!(running.restore(&entries), Ok(Vec::new()), "{name}");
        }
    }
}

/// A batch case: all files, one step each, then the end.
fn run_batch(case: &Case) {
    let program = case.program();
    let mut engine = Engine::new(&program, EngineSettings::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let fields = &program.queries[0].output;
    let mut actual = Vec::new();
    for (index, table) in tables(case, &program.sources[0]).into_iter().enumerate() {
        let inputs = vec![SourceInput { source: 0, table, idle: false }];
        let output = engine.step(&Batch { number: index as u64 + 1, stamp: Stamp::default(), inputs, ..Batch::default() });
        assert_eq!(output.rejects, [], "{}", case.name);
        actual.extend(rows(&output, fields));
    }
    actual.extend(rows(&engine.finish(), fields));
    assert_rows(&case.name, actual, case.expected.iter().map(|row| without(row, &case.left_out)).collect());
    assert!(engine.finish().is_empty(), "{}: the end comes once", case.name);
}

/// A batch case as `tidemill query` runs it, compared as JSON lines.
fn run_as_file(case: &Case) {
    let table = FileTable::new("raw_readings", case.columns(), TimestampUnit::Seconds);
    let text: String = case.inputs.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let query = case.program().queries.remove(0);
    let mut out = Vec::new();
    let summary = batch_query::run(text.as_bytes(), &table, query, OutputFormat::Json, 7, &mut out).unwrap();
    assert_eq!((summary.rejected, summary.lines as usize), (0, text.lines().count()), "{}", case.name);
    let actual = String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = case.expected.iter().map(|row| without_nulls(&without(row, &case.left_out))).collect();
    assert_rows(&case.name, actual, expected);
}

/// As JSON is written: members that are NULL are not there.
fn without_nulls(row: &Json) -> Json {
    match row {
        Json::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Json::Object(members.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

fn of_mode(batch: bool) -> Vec<Case> {
    let cases: Vec<Case> = cases().into_iter().filter(|case| (case.mode == OutputMode::Batch) == batch).collect();
    assert_eq!(cases.len(), if batch { 19 } else { 11 });
    cases
}

#[test]
fn results_of_tables_are_sparks() {
    of_mode(true).iter().for_each(run_batch);
}

#[test]
fn results_of_streams_are_sparks() {
    of_mode(false).iter().for_each(|case| run_stream(case, false));
}

#[test]
fn results_of_streams_are_sparks_through_restarts() {
    of_mode(false).iter().for_each(|case| run_stream(case, true));
}

#[test]
fn results_of_files_are_sparks() {
    of_mode(true).iter().for_each(run_as_file);
}
