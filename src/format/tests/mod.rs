//! Tests of the decoder as a whole, and what they share.

mod decoding;
mod dictionaries;
mod nested;
mod spark;
mod speculation;

use super::*;
use crate::batch::{Column, Table, Values};
use crate::types::Value;

/// `device STRING, a.x DOUBLE`: every column from the payload, by its path.
fn settings(schema: &str) -> DecodeSettings {
    let column = |text: &str| {
        let (name, data_type) = text.trim().split_once(' ').unwrap();
        let data_type = match data_type.trim().to_ascii_uppercase().as_str() {
            "STRING" => DataType::String,
            "BIGINT" => DataType::BigInt,
            "INT" => DataType::Int,
            "DOUBLE" => DataType::Double,
            "FLOAT" => DataType::Float,
            "BOOLEAN" => DataType::Boolean,
            "TIMESTAMP" => DataType::Timestamp,
            other => panic!("no type {other}"),
        };
        ColumnLayout { name: name.into(), data_type, origin: Origin::Payload(name.split('.').map(String::from).collect()) }
    };
    DecodeSettings::json(schema.split(',').map(column).collect())
}

fn with_column(mut settings: DecodeSettings, name: &str, data_type: DataType, origin: Origin) -> DecodeSettings {
    settings.columns.push(ColumnLayout { name: name.into(), data_type, origin });
    settings
}

/// A decoder of all columns and its table.
struct Rig {
    decoder: Decoder,
    table: OpenTable,
}

impl Rig {
    fn new(settings: &DecodeSettings) -> Rig {
        let needed = vec![true; settings.columns.len()];
        Rig { decoder: Decoder::new(settings, &needed, 42).unwrap(), table: OpenTable::new(settings, &needed) }
    }

    fn decode(&mut self, payload: impl AsRef<[u8]>) -> Result<Decoded, BadRecord> {
        self.decode_from("t", payload)
    }

    fn decode_from(&mut self, topic: &str, payload: impl AsRef<[u8]>) -> Result<Decoded, BadRecord> {
        let message = Message { topic, place: None, payload: payload.as_ref(), arrived_us: 1_000_000, retained: false };
        self.decoder.decode(&message, &mut self.table)
    }

    fn rows(&mut self) -> Vec<Vec<Value>> {
        dump(&self.table.take())
    }

    /// The one row that the payload gives.
    fn row(&mut self, payload: impl AsRef<[u8]>) -> Vec<Value> {
        self.decode(payload).unwrap();
        let rows = self.rows();
        assert_eq!(rows.len(), 1);
        rows.into_iter().next().unwrap()
    }
}

fn dump(table: &Table) -> Vec<Vec<Value>> {
    let cell = |column: &Option<Column>, row: usize| column.as_ref().map_or(Value::Null, |column| value_at(column, row));
    (0..table.rows).map(|row| table.columns.iter().map(|column| cell(column, row)).collect()).collect()
}

fn value_at(column: &Column, row: usize) -> Value {
    assert!(row < column.len());
    if column.is_null(row) {
        return Value::Null;
    }
    match &column.values {
        Values::Boolean(v) => Value::Boolean(v[row]),
        Values::Int(v) => Value::Int(v[row]),
        Values::BigInt(v) => Value::BigInt(v[row]),
        Values::Float(v) => Value::Float(v[row]),
        Values::Double(v) => Value::Double(v[row]),
        Values::Timestamp(v) => Value::Timestamp(v[row]),
        _ => Value::String(column.text(row).unwrap().to_string()),
    }
}

fn string(text: &str) -> Value {
    Value::String(text.into())
}
