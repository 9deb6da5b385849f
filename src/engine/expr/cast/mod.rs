//! CAST and try_cast between all types, by Spark's ANSI rules: what does not fit fails, or is NULL for try_cast.

pub(super) mod moment;
mod nested;
mod number;
pub mod show;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::batch::{Column, Values};
use crate::engine::expr::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, Texts};
use crate::types::{DataType, Field, Value};

/// `input` as `frame.data_type`; `fallible` is try_cast. `input` is no NULL constant.
pub(super) fn apply(input: &Operand<'_>, fallible: bool, frame: &mut Frame<'_>) -> Operand<'static> {
    let source = Source::of(input);
    let target = frame.data_type;
    let operands = std::slice::from_ref(input);
    let done = match (&source, target) {
        (_, DataType::String) => Some(to_text(input, frame)),
        (Some(source), DataType::Boolean) => source.to_boolean(operands, fallible, frame),
        (Some(source), DataType::Int) => source.to_integer(i64::from(i32::MIN), i64::from(i32::MAX), operands, fallible, frame, |values| {
            Values::Int(values.into_iter().map(|value: i64| value as i32).collect())
        }),
        (Some(source), DataType::BigInt) => source.to_integer(i64::MIN, i64::MAX, operands, fallible, frame, Values::BigInt),
        (Some(source), DataType::Float) => source.to_float(operands, fallible, frame),
        (Some(source), DataType::Double) => source.to_double(operands, fallible, frame),
        (Some(source), DataType::Timestamp) => source.to_timestamp(operands, fallible, frame),
        (Some(source), DataType::Date) => source.to_date(operands, fallible, frame),
        (Some(Source::Text(texts)), DataType::Binary) => Some(nested::to_binary(*texts, operands, frame)),
        (_, DataType::Interval) => nested::to_interval(input, fallible, frame),
        (None, DataType::Array(_) | DataType::Map(..)) => nested::entries(input, fallible, frame),
        (None, DataType::Int | DataType::BigInt | DataType::Float | DataType::Double) => nested::from_interval(input, fallible, frame),
        (None, DataType::Struct(fields)) => members(input, fields, fallible, frame),
        _ => None,
    };
    done.unwrap_or_else(|| frame.fail_all(&Problem::Plan("there is no such cast").into()))
}

/// A struct, member by member.
fn members(input: &Operand<'_>, fields: &[Field], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let operands: Vec<Operand<'_>> = match input {
        Operand::Constant(Value::Struct(members)) => members.iter().cloned().map(Operand::Constant).collect(),
        Operand::Column(column) => match &column.values {
            Values::Struct(members) => members.iter().map(|member| Operand::Column(Cow::Borrowed(member))).collect(),
            _ => return None,
        },
        Operand::Constant(_) => return None,
    };
    if operands.len() != fields.len() {
        return None;
    }
    let mut rows = frame.rows.clone();
    let mut columns = Vec::with_capacity(operands.len());
    for (operand, field) in operands.into_iter().zip(fields) {
        let before = frame.errors.len();
        let mut inner = Frame {
            count: frame.count,
            rows: &rows,
            data_type: &field.data_type,
            span: frame.span,
            context: frame.context,
            errors: &mut *frame.errors,
        };
        let unchanged = operand.is_null_constant() || is_of(&operand, &field.data_type);
        let cast = if unchanged { operand } else { apply(&operand, fallible, &mut inner) };
        columns.push(inner.column(cast, &field.data_type).into_owned());
        if frame.errors.len() > before {
            let failed: BTreeSet<u32> = frame.errors[before..].iter().map(|error| error.row).collect();
            rows = rows.retain(|row| !failed.contains(&row));
        }
    }
    Some(Operand::owned(Column { values: Values::Struct(columns), valid: input.valid().cloned() }))
}

fn is_of(operand: &Operand<'_>, data_type: &DataType) -> bool {
    match operand {
        Operand::Column(column) => {
            column.values.is_of(data_type) && !matches!(data_type, DataType::Struct(_) | DataType::Array(_) | DataType::Map(..))
        }
        Operand::Constant(_) => false,
    }
}

/// What is cast, by its type.
enum Source<'o> {
    Boolean(Lane<'o, bool>),
    Integer(Integers<'o>),
    Float(Lane<'o, f32>),
    Double(Lane<'o, f64>),
    Timestamp(Lane<'o, i64>),
    Date(Lane<'o, i32>),
    Text(Texts<'o>),
}

/// NULL in place of a failure for try_cast.
fn settle<T>(result: Result<T, Failure>, fallible: bool) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(_) if fallible => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn not_text(text: &str, target: DataType) -> Failure {
    Failure::with_text(Problem::CastText(target), text)
}

impl<'o> Source<'o> {
    fn of(input: &'o Operand<'_>) -> Option<Source<'o>> {
        None.or_else(|| input.doubles().map(Source::Double))
            .or_else(|| input.integers().map(Source::Integer))
            .or_else(|| input.texts().map(Source::Text))
            .or_else(|| input.timestamps().map(Source::Timestamp))
            .or_else(|| input.booleans().map(Source::Boolean))
            .or_else(|| input.dates().map(Source::Date))
            .or_else(|| input.floats().map(Source::Float))
    }

    fn to_boolean(&self, operands: &[Operand<'_>], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
        Some(match self {
            Source::Boolean(x) => frame.map(operands, Values::Boolean, |row| x.get(row)),
            Source::Integer(x) => frame.map(operands, Values::Boolean, |row| x.get(row) != 0),
            Source::Float(x) => frame.map(operands, Values::Boolean, |row| x.get(row) != 0.0),
            Source::Double(x) => frame.map(operands, Values::Boolean, |row| x.get(row) != 0.0),
            Source::Text(texts) => frame.try_map(operands, Values::Boolean, |row| {
                let text = texts.get(row);
                settle(number::boolean(text).ok_or_else(|| not_text(text, DataType::Boolean)), fallible)
            }),
            Source::Timestamp(_) | Source::Date(_) => return None,
        })
    }

    /// INT or BIGINT: `make` narrows values that are checked to lie in the range.
    fn to_integer(
        &self,
        least: i64,
        greatest: i64,
        operands: &[Operand<'_>],
        fallible: bool,
        frame: &mut Frame<'_>,
        make: fn(Vec<i64>) -> Values,
    ) -> Option<Operand<'static>> {
        let target = frame.data_type.clone();
        let range = least..=greatest;
        let beyond = |value: String| Failure::with(Problem::CastRange(target.clone()), value);
        let fit = |value: i64| if range.contains(&value) { Ok(value) } else { Err(beyond(value.to_string())) };
        let truncate = |x: f64| {
            // The bounds as doubles round to 2^63, which then saturates, as in Java.
            let inside = x.floor() <= greatest as f64 && x.ceil() >= least as f64;
            if inside { Ok(x as i64) } else { Err(beyond(format!("{x:?}"))) }
        };
        Some(match self {
            Source::Boolean(x) => frame.map(operands, make, |row| i64::from(x.get(row))),
            Source::Integer(x) => frame.try_map(operands, make, |row| settle(fit(x.get(row)), fallible)),
            Source::Float(x) => frame.try_map(operands, make, |row| settle(truncate(f64::from(x.get(row))), fallible)),
            Source::Double(x) => frame.try_map(operands, make, |row| settle(truncate(x.get(row)), fallible)),
            Source::Timestamp(x) => frame.try_map(operands, make, |row| settle(fit(x.get(row).div_euclid(MICROS_PER_SECOND)), fallible)),
            Source::Text(texts) => frame.try_map(operands, make, |row| {
                let text = texts.get(row);
                let number = number::integer(text).filter(|number| range.contains(number));
                settle(number.ok_or_else(|| not_text(text, target.clone())), fallible)
            }),
            Source::Date(_) => return None,
        })
    }

    fn to_double(&self, operands: &[Operand<'_>], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
        Some(match self {
            Source::Boolean(x) => frame.map(operands, Values::Double, |row| f64::from(u8::from(x.get(row)))),
            Source::Integer(x) => frame.map(operands, Values::Double, |row| x.get(row) as f64),
            Source::Float(x) => frame.map(operands, Values::Double, |row| f64::from(x.get(row))),
            Source::Double(x) => frame.map(operands, Values::Double, |row| x.get(row)),
            Source::Timestamp(x) => frame.map(operands, Values::Double, |row| x.get(row) as f64 / MICROS_PER_SECOND as f64),
            Source::Text(texts) => frame.try_map(operands, Values::Double, |row| {
                let text = texts.get(row);
                settle(number::double(text).ok_or_else(|| not_text(text, DataType::Double)), fallible)
            }),
            Source::Date(_) => return None,
        })
    }

    fn to_float(&self, operands: &[Operand<'_>], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
        Some(match self {
            Source::Boolean(x) => frame.map(operands, Values::Float, |row| f32::from(u8::from(x.get(row)))),
            Source::Integer(x) => frame.map(operands, Values::Float, |row| x.get(row) as f32),
            Source::Float(x) => frame.map(operands, Values::Float, |row| x.get(row)),
            Source::Double(x) => frame.map(operands, Values::Float, |row| x.get(row) as f32),
            Source::Timestamp(x) => frame.map(operands, Values::Float, |row| (x.get(row) as f64 / MICROS_PER_SECOND as f64) as f32),
            Source::Text(texts) => frame.try_map(operands, Values::Float, |row| {
                let text = texts.get(row);
                settle(number::float(text).ok_or_else(|| not_text(text, DataType::Float)), fallible)
            }),
            Source::Date(_) => return None,
        })
    }

    /// Numbers are seconds since the epoch.
    fn to_timestamp(&self, operands: &[Operand<'_>], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
        let seconds = |x: f64| {
            let micros = x * MICROS_PER_SECOND as f64;
            let inside = micros.floor() <= i64::MAX as f64 && micros.ceil() >= i64::MIN as f64;
            if inside { Ok(micros as i64) } else { Err(Failure::with(Problem::CastRange(DataType::Timestamp), x)) }
        };
        Some(match self {
            Source::Integer(x) => frame.map(operands, Values::Timestamp, |row| x.get(row).saturating_mul(MICROS_PER_SECOND)),
            Source::Float(x) => frame.try_map(operands, Values::Timestamp, |row| settle(seconds(f64::from(x.get(row))), fallible)),
            Source::Double(x) => frame.try_map(operands, Values::Timestamp, |row| settle(seconds(x.get(row)), fallible)),
            Source::Timestamp(x) => frame.map(operands, Values::Timestamp, |row| x.get(row)),
            Source::Date(x) => frame.try_map(operands, Values::Timestamp, |row| {
                let time = i64::from(x.get(row)).checked_mul(MICROS_PER_DAY);
                settle(time.ok_or_else(|| Problem::TimeRange.into()), fallible)
            }),
            Source::Text(texts) => frame.try_map(operands, Values::Timestamp, |row| {
                let text = texts.get(row);
                settle(moment::timestamp(text).ok_or_else(|| not_text(text, DataType::Timestamp)), fallible)
            }),
            Source::Boolean(_) => return None,
        })
    }

    fn to_date(&self, operands: &[Operand<'_>], fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
        Some(match self {
            Source::Timestamp(x) => frame.map(operands, Values::Date, |row| x.get(row).div_euclid(MICROS_PER_DAY) as i32),
            Source::Date(x) => frame.map(operands, Values::Date, |row| x.get(row)),
            Source::Text(texts) => frame.try_map(operands, Values::Date, |row| {
                let text = texts.get(row);
                settle(moment::date(text).ok_or_else(|| not_text(text, DataType::Date)), fallible)
            }),
            _ => return None,
        })
    }
}

fn to_text(input: &Operand<'_>, frame: &mut Frame<'_>) -> Operand<'static> {
    let operands = std::slice::from_ref(input);
    match input {
        Operand::Column(column) => frame.text_map(operands, |row, out| {
            column_text(column, row, out);
            Ok(true)
        }),
        Operand::Constant(value) => frame.text_map(operands, |_, out| {
            value_text(value, out);
            Ok(true)
        }),
    }
}

fn column_text(column: &Column, row: usize, out: &mut String) {
    match (&column.values, column.text(row)) {
        (_, Some(text)) => out.push_str(text),
        (Values::Double(values), _) => show::double(values[row], out),
        _ => value_text(&column.value(row), out),
    }
}

/// Appends a value as a cast to STRING shows it.
pub fn value_text(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(x) => out.push_str(if *x { "true" } else { "false" }),
        Value::Int(x) => out.push_str(&x.to_string()),
        Value::BigInt(x) => out.push_str(&x.to_string()),
        Value::Float(x) => show::float(*x, out),
        Value::Double(x) => show::double(*x, out),
        Value::String(text) => out.push_str(text),
        Value::Timestamp(time) => show::timestamp(*time, out),
        Value::Date(days) => show::date(*days, out),
        Value::Binary(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Value::Interval(micros) => nested::show_interval(*micros, out),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                value_text(element, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                value_text(key, out);
                out.push_str(" -> ");
                value_text(value, out);
            }
            out.push('}');
        }
        Value::Struct(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                value_text(member, out);
            }
            out.push('}');
        }
    }
}
