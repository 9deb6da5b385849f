//! The data types of SQL as Tidemill knows them, single values, and fields. Shared by every layer below.
//!
//! Limits: DECIMAL is not a type here (decimal literals are DOUBLE).

pub mod duration;
pub mod ordered;

use std::fmt;

/// A SQL type. Timestamps are microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum DataType {
    /// The type of a bare `NULL`; fits everywhere.
    Null,
    Boolean,
    Int,
    BigInt,
    Float,
    Double,
    String,
    Timestamp,
    Date,
    Binary,
    /// Day-time interval, microseconds.
    Interval,
    Struct(Vec<Field>),
    Array(Box<DataType>),
    /// Key and value.
    Map(Box<DataType>, Box<DataType>),
}

/// A named, typed column or struct member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Field {
    pub name: String,
    pub data_type: DataType,
}

impl Field {
    pub fn new(name: impl Into<String>, data_type: DataType) -> Field {
        Field { name: name.into(), data_type }
    }
}

/// The struct that `window(...)` yields.
pub fn window_type() -> DataType {
    DataType::Struct(vec![Field::new("start", DataType::Timestamp), Field::new("end", DataType::Timestamp)])
}

/// One value. Equality is Rust's (NaN ≠ NaN, 0.0 = -0.0): SQL comparison lives in the engine.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Value {
    Null,
    Boolean(bool),
    Int(i32),
    BigInt(i64),
    Float(f32),
    Double(f64),
    String(String),
    /// Microseconds since the epoch, UTC.
    Timestamp(i64),
    /// Days since the epoch.
    Date(i32),
    Binary(Vec<u8>),
    /// Microseconds.
    Interval(i64),
    Struct(Vec<Value>),
    Array(Vec<Value>),
    /// In the order of insertion; keys differ and are not NULL.
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// A number of any type, as the nearest double; `None` for what is none.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(x) => Some(f64::from(*x)),
            Value::BigInt(x) => Some(*x as f64),
            Value::Float(x) => Some(f64::from(*x)),
            Value::Double(x) => Some(*x),
            _ => None,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Null => f.write_str("VOID"),
            DataType::Boolean => f.write_str("BOOLEAN"),
            DataType::Int => f.write_str("INT"),
            DataType::BigInt => f.write_str("BIGINT"),
            DataType::Float => f.write_str("FLOAT"),
            DataType::Double => f.write_str("DOUBLE"),
            DataType::String => f.write_str("STRING"),
            DataType::Timestamp => f.write_str("TIMESTAMP"),
            DataType::Date => f.write_str("DATE"),
            DataType::Binary => f.write_str("BINARY"),
            DataType::Interval => f.write_str("INTERVAL DAY TO SECOND"),
            DataType::Array(element) => write!(f, "ARRAY<{element}>"),
            DataType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            DataType::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, field) in fields.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    f.write_str(separator)?;
                    write_name(f, &field.name)?;
                    write!(f, ": {}", field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

/// In backticks where it is no plain name.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !name.is_empty();
    if plain { f.write_str(name) } else { write!(f, "`{}`", name.replace('`', "``")) }
}
