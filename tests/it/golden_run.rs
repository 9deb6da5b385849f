//! The Spark cases of `tests/golden` through decoder, planner and engine: row for row Spark's output.
//!
//! A stream's file is one step, which stands for Spark's batch with the file and the batch without data after it. Doubles are compared
//! within 1e-9; rows without regard to their order.

use std::fs;

use serde_json::{Map, Value as Json};
use tidemill::batch::{Batch, SourceInput, Stamp, Table};
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
        for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.trim().is_empty()) {
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

fn run(case: &Case) {
    let program = case.program();
    let mut engine = Engine::new(&program, EngineSettings::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let fields = program.queries[0].output.clone();
    let mut batch_rows = Vec::new();
    for (index, table) in tables(case, &program.sources[0]).into_iter().enumerate() {
        let inputs = vec![SourceInput { source: 0, table, idle: false }];
        let output = engine.step(&Batch { number: index as u64 + 1, stamp: Stamp::default(), inputs });
        assert_eq!(output.rejects, [], "{}", case.name);
        let rows = rows(&output, &fields);
        if case.mode == OutputMode::Batch {
            batch_rows.extend(rows);
            continue;
        }
        let of_step: Vec<&Json> = case.expected.iter().filter(|line| line["after_input_file"] == index).collect();
        let expected = of_step.iter().flat_map(|line| line["rows"].as_array().unwrap()).map(|row| without(row, &case.left_out)).collect();
        assert_rows(&format!("{} file {index}", case.name), rows, expected);
        if let Some(line) = of_step.iter().find(|line| line["no_data"] == true) {
            let watermark = Value::Timestamp(engine.status()[0].watermark_us.unwrap());
            assert_eq!(shown(&watermark, &DataType::Timestamp), line["watermark"], "{} file {index}", case.name);
        }
    }
    if case.mode == OutputMode::Batch {
        batch_rows.extend(rows(&engine.finish(), &fields));
        let expected = case.expected.iter().map(|row| without(row, &case.left_out)).collect();
        assert_rows(&case.name, batch_rows, expected);
        assert!(engine.finish().is_empty(), "{}: the end comes once", case.name);
    }
}

#[test]
fn results_are_sparks() {
    let cases = cases();
    assert_eq!(cases.len(), 30);
    cases.iter().for_each(run);
}
