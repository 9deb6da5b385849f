//! Time functions in a UTC session: epoch conversions, calendar fields, truncation, arithmetic, windows; patterns in [`pattern`].

mod fields;
mod format;
mod make;
mod parse;
mod parts;
mod pattern;
mod units;
mod zone;

use crate::batch::{Bitmap, Column, Values};
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::engine::expr::cast;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, Texts};
use crate::plan::{Function, TimeFunction};
pub(super) use format::write_year;
use pattern::Pattern;
pub(super) use zone::Zone;

/// The pattern of `from_unixtime` and `unix_timestamp` where none is given.
const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match function {
        Function::TimestampMillis => from_epoch(1_000, operands, frame),
        Function::TimestampMicros => from_epoch(1, operands, frame),
        Function::TimestampSeconds => from_epoch(MICROS_PER_SECOND, operands, frame),
        Function::UnixMillis => to_epoch(1_000, operands, frame),
        Function::UnixMicros => to_epoch(1, operands, frame),
        Function::UnixSeconds => to_epoch(MICROS_PER_SECOND, operands, frame),
        Function::DateTrunc => date_trunc(operands, frame),
        Function::DateFormat | Function::FromUnixtime => format_time(function, operands, frame),
        Function::ToTimestamp | Function::ToDate | Function::UnixTimestamp => parse_time(function, operands, frame),
        Function::DateAdd | Function::DateSub | Function::DateDiff => date_arithmetic(function, operands, frame),
        Function::AddMicros => {
            let [time, micros] = operands else { return None };
            let micros = micros.integers().or_else(|| micros.intervals().map(Integers::Wide))?;
            let time = time.timestamps()?;
            Some(frame.try_map(operands, Values::Timestamp, |row| in_range(time.get(row).checked_add(micros.get(row)))))
        }
        Function::AddMonths => add_months(operands, frame),
        Function::WindowOf => window_of(operands, frame),
        Function::WindowTime => window_time(operands, frame),
        _ => fields::apply(function, operands, frame),
    }
}

/// The functions of [`TimeFunction`].
pub(super) fn apply_further(function: TimeFunction, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use TimeFunction as T;
    match function {
        T::MakeDate | T::MakeTimestamp | T::TryMakeTimestamp | T::MakeInterval => make::apply(function, operands, frame),
        T::FromUtc | T::ToUtc => zone::apply(function, operands, frame),
        T::TimestampAdd | T::TimestampDiff | T::TimeBucket => units::apply(function, operands, frame),
        T::TryAddMicros => {
            let [time, interval] = operands else { return None };
            let (time, interval) = (time.timestamps()?, interval.intervals()?);
            Some(frame.try_map(operands, Values::Timestamp, |row| Ok(time.get(row).checked_add(interval.get(row)))))
        }
        T::TryToTimestamp | T::TryToDate => try_parse_time(function, operands, frame),
        _ => parts::apply(function, operands, frame),
    }
}

fn in_range<T>(time: Option<T>) -> Result<Option<T>, Failure> {
    time.map(Some).ok_or_else(|| Problem::TimeRange.into())
}

/// TIMESTAMP from a count of units of `unit_us` since the epoch.
fn from_epoch(unit_us: i64, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    if let Some(count) = input.integers() {
        return Some(frame.try_map(operands, Values::Timestamp, |row| in_range(count.get(row).checked_mul(unit_us))));
    }
    let to_micros = |x: f64| {
        let micros = x * unit_us as f64;
        if x.is_finite() { Ok(Some(micros as i64)) } else { Ok(None) }
    };
    if let Some(x) = input.doubles() {
        return Some(frame.try_map(operands, Values::Timestamp, |row| to_micros(x.get(row))));
    }
    let x = input.floats()?;
    Some(frame.try_map(operands, Values::Timestamp, |row| to_micros(f64::from(x.get(row)))))
}

fn to_epoch(unit_us: i64, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    let time = input.timestamps()?;
    Some(frame.map(operands, Values::BigInt, |row| time.get(row).div_euclid(unit_us)))
}

/// `date_trunc(unit, time)`; NULL for an unknown unit.
fn date_trunc(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [unit, input] = operands else { return None };
    let (unit, time) = (unit.texts()?, input.timestamps()?);
    let once = unit.constant().map(fields::Unit::of_name);
    Some(frame.try_map(operands, Values::Timestamp, |row| match once.unwrap_or_else(|| fields::Unit::of_name(unit.get(row))) {
        Some(unit) => in_range(unit.truncate(time.get(row))),
        None => Ok(None),
    }))
}

/// A compiled pattern where it is the same for all rows, else compiled for each row.
enum Patterns<'o> {
    Once(Result<Pattern, Failure>),
    Each(Texts<'o>),
}

impl<'o> Patterns<'o> {
    fn new(operand: Option<&'o Operand<'_>>, parsing: bool) -> Option<Patterns<'o>> {
        let Some(operand) = operand else { return Some(Patterns::Once(Pattern::new(DEFAULT_PATTERN, parsing))) };
        let texts = operand.texts()?;
        Some(match texts.constant() {
            Some(text) => Patterns::Once(Pattern::new(text, parsing)),
            None => Patterns::Each(texts),
        })
    }

    fn with<T>(&self, row: usize, parsing: bool, f: impl FnOnce(&Pattern) -> Result<T, Failure>) -> Result<T, Failure> {
        match self {
            Patterns::Once(pattern) => f(pattern.as_ref().map_err(Failure::clone)?),
            Patterns::Each(texts) => f(&Pattern::new(texts.get(row), parsing)?),
        }
    }
}

/// date_format and from_unixtime.
fn format_time(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (input, rest) = operands.split_first()?;
    if rest.len() > 1 {
        return None;
    }
    let patterns = Patterns::new(rest.first(), false)?;
    let mut write = |time: &dyn Fn(usize) -> Option<i64>| {
        frame.text_map(operands, |row, out| {
            let time = time(row).ok_or(Problem::TimeRange)?;
            patterns.with(row, false, |pattern| Ok(format::write(pattern, time, out)))
        })
    };
    if function == Function::FromUnixtime {
        let seconds = input.integers()?;
        return Some(write(&|row| seconds.get(row).checked_mul(MICROS_PER_SECOND)));
    }
    if let Some(days) = input.dates() {
        return Some(write(&|row| i64::from(days.get(row)).checked_mul(MICROS_PER_DAY)));
    }
    let time = input.timestamps()?;
    Some(write(&|row| Some(time.get(row))))
}

/// to_timestamp, to_date and unix_timestamp, with or without a pattern.
fn parse_time(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (input, rest) = operands.split_first()?;
    let Some(text) = input.texts() else { return time_of_time(function, input, frame) };
    if rest.is_empty() && function != Function::UnixTimestamp {
        return Some(cast::apply(input, false, frame));
    }
    let patterns = Patterns::new(rest.first(), true)?;
    let parse = |row: usize| patterns.with(row, true, |pattern| parse::read(pattern, text.get(row)));
    Some(match function {
        Function::ToTimestamp => frame.try_map(operands, Values::Timestamp, |row| parse(row).map(Some)),
        Function::ToDate => {
            frame.try_map(operands, Values::Date, |row| parse(row).map(|time| Some(time.div_euclid(MICROS_PER_DAY) as i32)))
        }
        // Towards zero, as in Spark; unix_seconds rounds down.
        _ => frame.try_map(operands, Values::BigInt, |row| parse(row).map(|time| Some(time / MICROS_PER_SECOND))),
    })
}

/// try_to_timestamp and try_to_date: NULL for text that does not match; a wrong pattern still fails.
fn try_parse_time(function: TimeFunction, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (input, rest) = operands.split_first()?;
    let text = input.texts()?;
    let patterns = Patterns::new(rest.first(), true)?;
    let parse = |row: usize| match patterns.with(row, true, |pattern| parse::read(pattern, text.get(row))) {
        Ok(time) => Ok(Some(time)),
        Err(failure) if failure.problem == Problem::TimeText => Ok(None),
        Err(failure) => Err(failure),
    };
    Some(match function {
        TimeFunction::TryToTimestamp => frame.try_map(operands, Values::Timestamp, parse),
        _ => frame.try_map(operands, Values::Date, |row| Ok(parse(row)?.map(|time| time.div_euclid(MICROS_PER_DAY) as i32))),
    })
}

/// The same functions of what is a time already.
fn time_of_time(function: Function, input: &Operand<'_>, frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let operands = std::slice::from_ref(input);
    let (times, days) = (input.timestamps(), input.dates());
    let time = move |row: usize| match (times, days) {
        (Some(times), _) => times.get(row),
        (None, Some(days)) => i64::from(days.get(row)).saturating_mul(MICROS_PER_DAY),
        (None, None) => 0,
    };
    if times.is_none() && days.is_none() {
        return None;
    }
    Some(match function {
        Function::ToTimestamp => frame.map(operands, Values::Timestamp, time),
        Function::ToDate => frame.map(operands, Values::Date, |row| time(row).div_euclid(MICROS_PER_DAY) as i32),
        _ => frame.map(operands, Values::BigInt, |row| time(row) / MICROS_PER_SECOND),
    })
}

fn date_arithmetic(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [left, right] = operands else { return None };
    let date = left.dates()?;
    if function == Function::DateDiff {
        let start = right.dates()?;
        return Some(frame.map(operands, Values::Int, |row| date.get(row).wrapping_sub(start.get(row))));
    }
    let days = right.integers()?;
    let sign = if function == Function::DateSub { -1 } else { 1 };
    Some(frame.try_map(operands, Values::Date, |row| {
        let sum = days.get(row).checked_mul(sign).and_then(|days| days.checked_add(i64::from(date.get(row))));
        in_range(sum.and_then(|sum| i32::try_from(sum).ok()))
    }))
}

fn add_months(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, months] = operands else { return None };
    let months = months.integers()?;
    let shift = |days: i64, row: usize| -> Option<i64> {
        // More would leave every range anyway, and would overflow on the way.
        let months = Some(months.get(row)).filter(|months| months.unsigned_abs() < 1 << 40)?;
        Some(Day::from_days(days).add_months(months).to_days())
    };
    if let Some(date) = input.dates() {
        return Some(frame.try_map(operands, Values::Date, |row| {
            in_range(shift(i64::from(date.get(row)), row).and_then(|days| i32::try_from(days).ok()))
        }));
    }
    let time = input.timestamps()?;
    Some(frame.try_map(operands, Values::Timestamp, |row| {
        let time = time.get(row);
        let days = shift(time.div_euclid(MICROS_PER_DAY), row);
        in_range(
            days.and_then(|days| days.checked_mul(MICROS_PER_DAY)).and_then(|start| start.checked_add(time.rem_euclid(MICROS_PER_DAY))),
        )
    }))
}

/// The tumbling window that holds a time: `(time, size, slide, offset)`, microseconds, slide as long as size.
fn window_of(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [time, size, slide, offset] = operands else { return None };
    let (time, size, slide, offset) = (time.timestamps()?, size.integers()?, slide.integers()?, offset.integers()?);
    let start = |row: usize| {
        let size_us = size.get(row);
        if size_us <= 0 || slide.get(row) != size_us {
            return Err(Problem::Argument("a window outside GROUP BY must be tumbling").into());
        }
        let since_offset = i128::from(time.get(row)) - i128::from(offset.get(row));
        let start = time.get(row).checked_sub(since_offset.rem_euclid(i128::from(size_us)) as i64);
        in_range(start.filter(|start| start.checked_add(size_us).is_some()))
    };
    let Operand::Column(starts) = frame.try_map(operands, Values::Timestamp, start) else { return None };
    let starts = starts.into_owned();
    let Values::Timestamp(values) = &starts.values else { return None };
    let mut ends = vec![0; values.len()];
    for row in frame.rows.iter().map(|row| row as usize).filter(|row| !starts.is_null(*row)) {
        ends[row] = values[row] + size.get(row);
    }
    let valid = starts.valid.clone();
    let ends = Column { values: Values::Timestamp(ends), valid: valid.clone() };
    Some(Operand::owned(Column { values: Values::Struct(vec![starts, ends]), valid }))
}

/// The last microsecond of a window.
fn window_time(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [window] = operands else { return None };
    let (ends, valid): (Lane<'_, i64>, Option<Bitmap>) = match window {
        Operand::Constant(crate::types::Value::Struct(members)) => match members.as_slice() {
            [_, crate::types::Value::Timestamp(end)] => (Lane::One(*end), None),
            _ => return None,
        },
        Operand::Column(column) => match &column.values {
            Values::Struct(members) => match members.as_slice() {
                [_, Column { values: Values::Timestamp(ends), valid }] => (Lane::Each(ends), valid.clone()),
                _ => return None,
            },
            _ => return None,
        },
        Operand::Constant(_) => return None,
    };
    Some(frame.try_map(operands, Values::Timestamp, |row| {
        if valid.as_ref().is_some_and(|valid| !valid.get(row)) { Ok(None) } else { in_range(ends.get(row).checked_sub(1)) }
    }))
}

/// As the text of a timestamp begins: for tests of the functions of this module.
#[cfg(test)]
fn at(year: i64, month: u32, day: u32, micros: i64) -> i64 {
    let time = Day { year, month, day }.to_days() * MICROS_PER_DAY + micros;
    debug_assert_eq!(Day::from_days(time.div_euclid(MICROS_PER_DAY)), Day { year, month, day });
    time
}
