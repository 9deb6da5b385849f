//! One field's text as a value of a type, as Spark's CSV reader converts it.

use crate::batch::ColumnBuilder;
use crate::format::TimestampUnit;
use crate::format::timestamp::{self, Zone};
use crate::types::{DataType, Value};

const MICROS_A_DAY: i64 = 86_400_000_000;

pub(super) struct FieldReader {
    target: Target,
    /// Microseconds of one unit of an integer in a TIMESTAMP column.
    unit_us: Option<i64>,
}

#[derive(Clone, Copy)]
enum Target {
    Text,
    Binary,
    Boolean,
    Int,
    BigInt,
    Float,
    Double,
    Timestamp,
    Date,
}

impl FieldReader {
    /// `None` for a type that CSV cannot hold.
    pub fn new(data_type: &DataType, unit: Option<TimestampUnit>) -> Option<FieldReader> {
        let target = match data_type {
            DataType::String => Target::Text,
            DataType::Binary => Target::Binary,
            DataType::Boolean => Target::Boolean,
            DataType::Int => Target::Int,
            DataType::BigInt => Target::BigInt,
            DataType::Float => Target::Float,
            DataType::Double => Target::Double,
            DataType::Timestamp => Target::Timestamp,
            DataType::Date => Target::Date,
            _ => return None,
        };
        let unit_us = unit.map(|unit| match unit {
            TimestampUnit::Seconds => 1_000_000,
            TimestampUnit::Millis => 1_000,
            TimestampUnit::Micros => 1,
        });
        Some(FieldReader { target, unit_us })
    }

    /// Appends the field, `None` as NULL. False where the text does not fit and NULL took its place.
    pub fn push(&self, text: Option<&str>, column: &mut ColumnBuilder) -> bool {
        let Some(text) = text else {
            column.push_null();
            return true;
        };
        let value = match self.target {
            Target::Text => {
                column.push_text(text);
                return true;
            }
            Target::Binary => Some(Value::Binary(text.as_bytes().to_vec())),
            Target::Boolean if text.eq_ignore_ascii_case("true") => Some(Value::Boolean(true)),
            Target::Boolean => text.eq_ignore_ascii_case("false").then_some(Value::Boolean(false)),
            Target::Int => text.parse().ok().map(Value::Int),
            Target::BigInt => text.parse().ok().map(Value::BigInt),
            Target::Float => number(text).and_then(|text| text.parse().ok()).map(Value::Float),
            Target::Double => number(text).and_then(|text| text.parse().ok()).map(Value::Double),
            Target::Timestamp => self.timestamp(text).map(Value::Timestamp),
            Target::Date => date(text).map(Value::Date),
        };
        match &value {
            Some(value) => column.push(value),
            None => column.push_null(),
        }
        value.is_some()
    }

    fn timestamp(&self, text: &str) -> Option<i64> {
        match (self.unit_us, text.trim().parse::<i64>()) {
            (Some(unit_us), Ok(count)) => count.checked_mul(unit_us),
            _ => timestamp::parse(text, &Zone::UTC),
        }
    }
}

/// What Java reads as a floating-point number, in a form that Rust reads as the same. Hexadecimal ones are not taken.
fn number(text: &str) -> Option<&str> {
    match text {
        "Inf" => return Some("inf"),
        "-Inf" => return Some("-inf"),
        _ => {}
    }
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return Some(if unsigned == "NaN" { unsigned } else { text });
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)).then_some(digits)
}

/// Days since the epoch; a time behind a whole date is left out.
fn date(text: &str) -> Option<i32> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let day = text.split([' ', 'T']).next()?;
    if day.len() < text.len() && day.trim_start_matches(['+', '-']).matches('-').count() != 2 {
        return None;
    }
    i32::try_from(timestamp::parse(day, &Zone::UTC)?.div_euclid(MICROS_A_DAY)).ok()
}
