//! Casts of arrays and maps, entry by entry, and between text and the types beside the scalar ones: BINARY and INTERVAL.

use std::borrow::Cow;

use super::{apply, is_of};
use crate::batch::{Bitmap, Column, ListColumn, MapColumn, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::engine::expr::collections::{Arg, build};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, Texts};
use crate::types::DataType;

/// An array or map as another; an element that does not fit fails the row, and is NULL for try_cast.
pub(super) fn entries(input: &Operand<'_>, fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let column = match input {
        Operand::Column(column) => Cow::Borrowed(&**column),
        Operand::Constant(value) => {
            let constant = Operand::Constant(value.clone());
            Cow::Owned(Arg::new(&constant).column.into_owned())
        }
    };
    let values = match (&column.values, frame.data_type) {
        (Values::List(list), DataType::Array(element)) => {
            let parents = Parents::new(&column, |row| list.range(row).len(), &list.ends);
            let items = part(&list.items, element, &parents, fallible, frame);
            Values::List(ListColumn { ends: list.ends.clone(), items: Box::new(items) })
        }
        (Values::Map(map), DataType::Map(key, value)) => {
            let parents = Parents::new(&column, |row| map.range(row).len(), &map.ends);
            let keys = part(&map.keys, key, &parents, fallible, frame);
            let values = part(&map.values, value, &parents, fallible, frame);
            Values::Map(MapColumn { ends: map.ends.clone(), keys: Box::new(keys), values: Box::new(values) })
        }
        _ => return None,
    };
    Some(Operand::owned(Column { values, valid: column.valid.clone() }))
}

/// The row of each element.
struct Parents {
    rows: Vec<u32>,
}

impl Parents {
    fn new(column: &Column, length: impl Fn(usize) -> usize, ends: &[u32]) -> Parents {
        let mut rows = Vec::with_capacity(ends.last().copied().unwrap_or(0) as usize);
        for row in 0..column.len() {
            rows.extend(std::iter::repeat_n(row as u32, length(row)));
        }
        Parents { rows }
    }
}

/// Keys, values or elements of the selected rows.
fn part(items: &Column, data_type: &DataType, parents: &Parents, fallible: bool, frame: &mut Frame<'_>) -> Column {
    let operand = Operand::Column(Cow::Borrowed(items));
    if operand.is_null_constant() || is_of(&operand, data_type) {
        return items.clone();
    }
    let mut selected = Bitmap::filled(frame.count, false);
    frame.rows.iter().for_each(|row| selected.set(row as usize, true));
    let rows = Selection::All(items.len()).retain(|element| selected.get(parents.rows[element as usize] as usize));
    let mut errors = Vec::new();
    let mut inner = Frame { count: items.len(), rows: &rows, data_type, span: frame.span, context: frame.context, errors: &mut errors };
    let cast = apply(&operand, fallible, &mut inner);
    let column = inner.column(cast, data_type).into_owned();
    let mut last = None;
    errors.sort_by_key(|error| error.row);
    for error in errors {
        let row = parents.rows[error.row as usize];
        if last.replace(row) != Some(row) && frame.errors.iter().all(|known| known.row != row) {
            frame.errors.push(crate::engine::expr::error::RowError { row, error: error.error });
        }
    }
    column
}

pub(super) fn to_binary(texts: Texts<'_>, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    build(operands, frame, |row, builder, room| {
        let bytes = texts.get(row).as_bytes();
        room.take(0, bytes.len())?;
        builder.push_bytes(bytes);
        Ok(())
    })
}

/// Text as `INTERVAL '1 02:03:04.5' DAY TO SECOND` or its inside; whole numbers as seconds.
pub(super) fn to_interval(input: &Operand<'_>, fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let operands = std::slice::from_ref(input);
    if let Some(seconds) = input.integers() {
        return Some(frame.try_map(operands, Values::Interval, |row| {
            let micros = seconds.get(row).checked_mul(MICROS_PER_SECOND);
            super::settle(micros.ok_or_else(|| Problem::Overflow(DataType::Interval).into()), fallible)
        }));
    }
    let texts = input.texts()?;
    Some(frame.try_map(operands, Values::Interval, |row| {
        let text = texts.get(row);
        super::settle(interval(text).ok_or_else(|| Failure::with_text(Problem::CastText(DataType::Interval), text)), fallible)
    }))
}

/// `[-]d hh:mm:ss[.f]`, alone or within `INTERVAL '…' DAY TO SECOND`.
fn interval(text: &str) -> Option<i64> {
    let text = text.trim();
    let inside = match text.get(..8).filter(|head| head.eq_ignore_ascii_case("interval")) {
        Some(_) => {
            let (value, units) = text[8..].trim_start().strip_prefix('\'')?.split_once('\'')?;
            units.trim().eq_ignore_ascii_case("day to second").then_some(value)?
        }
        None => text,
    };
    let (sign, inside) = inside.strip_prefix('-').map_or((1, inside.strip_prefix('+').unwrap_or(inside)), |inside| (-1, inside));
    let (days, clock) = inside.split_once(' ')?;
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = <[&str; 3]>::try_from(parts).ok()?;
    let (seconds, fraction) = seconds.split_once('.').map_or((seconds, ""), |(seconds, fraction)| (seconds, fraction));
    if fraction.len() > 9 {
        return None;
    }
    let number = |digits: &str, most: i64| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| plain && *number <= most)
    };
    let micros = number(&format!("{fraction:0<6}")[..6], 999_999)?;
    let clock_us = ((number(hours, 23)? * 60 + number(minutes, 59)?) * 60 + number(seconds, 59)?) * MICROS_PER_SECOND + micros;
    number(days, i64::MAX)?.checked_mul(MICROS_PER_DAY)?.checked_add(clock_us)?.checked_mul(sign)
}

/// INTERVAL as seconds: whole ones towards zero, or with their fraction.
pub(super) fn from_interval(input: &Operand<'_>, fallible: bool, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let micros = input.intervals()?;
    let operands = std::slice::from_ref(input);
    let seconds = |row: usize| micros.get(row) / MICROS_PER_SECOND;
    Some(match frame.data_type {
        DataType::BigInt => frame.map(operands, Values::BigInt, seconds),
        DataType::Int => frame.try_map(operands, Values::Int, |row| {
            let fitting = i32::try_from(seconds(row)).map_err(|_| Failure::with(Problem::CastRange(DataType::Int), seconds(row)));
            super::settle(fitting, fallible)
        }),
        DataType::Double => frame.map(operands, Values::Double, |row| micros.get(row) as f64 / MICROS_PER_SECOND as f64),
        DataType::Float => frame.map(operands, Values::Float, |row| (micros.get(row) as f64 / MICROS_PER_SECOND as f64) as f32),
        _ => return None,
    })
}

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND`
pub(super) fn show_interval(micros: i64, out: &mut String) {
    let mut bytes = Vec::new();
    crate::format::write_interval(micros, &mut bytes);
    out.push_str(&String::from_utf8_lossy(&bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Value;

    #[test]
    fn intervals_are_read_as_they_are_shown() {
        for micros in [0, 1, -1, 93_784_500_000, -86_400_000_000, i64::MAX, i64::MIN + 1] {
            let mut text = String::new();
            show_interval(micros, &mut text);
            assert_eq!(interval(&text), Some(micros), "{text}");
        }
        assert_eq!(interval("1 02:03:04"), Some(93_784_000_000));
        for text in
            ["", "x", "1", "1 24:00:00", "1 00:60:00", "1 00:00", "1 00:00:00.1234567890", "INTERVAL '1 00:00:00'", "1 -1:00:00", "ü"]
        {
            assert_eq!(interval(text), None, "{text}");
        }
    }

    #[test]
    fn values_of_any_type_have_a_column() {
        let value = Value::Array(vec![Value::Null, Value::Array(vec![Value::Int(1)])]);
        let arg = Operand::Constant(value.clone());
        assert_eq!(Arg::new(&arg).column.value(0), value);
    }
}
