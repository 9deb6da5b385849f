//! Results read from cells, by Spark's formulas.
//!
//! Limits: a result that is put together of a group's values takes at most [`RESULT_BYTES_MAX`] bytes.

use crate::batch::ColumnBuilder;
use crate::engine::distinct_rows::read_distinct;
use crate::engine::key_codec::read_key;
use crate::engine::lane_plan::{OutputSpec, Percentages, Reading};
use crate::engine::lanes::{Comoments, Lane, List, Moments, Numbers, SUM_LOST, Shape, split_body};
use crate::engine::pane::Pane;
use crate::engine::state_codec::Reader;
use crate::engine::value_codec::value_of;
use crate::plan::AggregateFunction;
use crate::types::{DataType, Value};

/// Bytes of values that one array or text may be put together of.
pub(super) const RESULT_BYTES_MAX: usize = 16 << 20;

/// Why a group has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReadError {
    #[error("a sum of integers does not fit in BIGINT; sum(CAST(x AS DOUBLE)) does, try_sum(x) gives NULL")]
    Overflow,
    #[error("the values collected in one result take more than {RESULT_BYTES_MAX} bytes")]
    TooLong,
}

/// Appends the aggregate's value in each of these cells. One that cannot be is NULL, and told by its place among `slots`.
pub(super) fn read_all(output: &OutputSpec, cells: &Pane, slots: &[u32], out: &mut ColumnBuilder) -> Vec<(usize, ReadError)> {
    let mut failed = Vec::new();
    if !read_numbers(output, cells.lanes(), slots, out) {
        for (index, slot) in slots.iter().enumerate() {
            match read(output, cells, *slot as usize) {
                Ok(value) => out.push(&value),
                Err(error) => {
                    failed.push((index, error));
                    out.push_null();
                }
            }
        }
    }
    failed
}

/// As [`read`] for counts and DOUBLEs, which are most, without a value in between. False: the output is neither.
fn read_numbers(output: &OutputSpec, lanes: &[Lane], slots: &[u32], out: &mut ColumnBuilder) -> bool {
    let slots = slots.iter().map(|slot| *slot as usize);
    let (lane, count) = match &output.reading {
        Reading::Count { lane } => (*lane, *lane),
        Reading::Sum { lane, count } | Reading::Average { lane, count } | Reading::Extreme { lane, count } => (*lane, *count),
        _ => return false,
    };
    match (&lanes[lane], &lanes[count]) {
        (Lane::Count(counts), _) => out.push_longs(slots.map(|slot| counts[slot] as i64)),
        (Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v), Lane::Count(counts)) if output.data_type == DataType::Double => {
            let averages = matches!(output.reading, Reading::Average { .. });
            let number = |slot: usize| if averages { v[slot] / counts[slot] as f64 } else { v[slot] };
            out.push_doubles(slots.map(|slot| (counts[slot] > 0).then(|| number(slot))));
        }
        _ => return false,
    }
    true
}

/// The aggregate's value in a cell.
pub(super) fn read(output: &OutputSpec, cells: &Pane, slot: usize) -> Result<Value, ReadError> {
    let lanes = cells.lanes();
    match &output.reading {
        Reading::Count { lane } => Ok(Value::BigInt(count(&lanes[*lane], slot) as i64)),
        Reading::Sum { count: counting, .. }
        | Reading::Average { count: counting, .. }
        | Reading::Bits { count: counting, .. }
        | Reading::Extreme { count: counting, .. }
            if count(&lanes[*counting], slot) == 0 =>
        {
            Ok(Value::Null)
        }
        Reading::Sum { lane, .. } => match &lanes[*lane] {
            Lane::SumLong(sums) => i64::try_from(sums[slot]).map(|sum| whole(sum, &output.data_type)).map_err(|_| ReadError::Overflow),
            Lane::SumTry(sums) if sums[slot] == SUM_LOST => Ok(Value::Null),
            Lane::SumTry(sums) => Ok(i64::try_from(sums[slot]).map_or(Value::Null, |sum| whole(sum, &output.data_type))),
            Lane::SumDouble(sums) => Ok(Value::Double(sums[slot])),
            _ => Ok(Value::Null),
        },
        Reading::Average { lane, count: counting } => Ok(average(&lanes[*lane], slot, count(&lanes[*counting], slot))),
        Reading::Extreme { lane, .. } | Reading::Bits { lane, .. } => Ok(extreme(&lanes[*lane], slot, &output.data_type)),
        Reading::Distinct { lane, plan } => match &lanes[*lane] {
            Lane::Set(sets) => read_distinct(sets.get(slot), plan),
            _ => Ok(Value::Null),
        },
        Reading::SetCount { lane } => match &lanes[*lane] {
            Lane::Set(sets) => Ok(Value::BigInt(sets.get(slot).len() as i64)),
            _ => Ok(Value::Null),
        },
        Reading::List { lane } | Reading::Set { lane } => collected(&lanes[*lane], slot, &output.arg_type),
        Reading::Joined { lane, delimiter } => match &lanes[*lane] {
            Lane::List { ordered, cells } => joined(cells.get(slot), *ordered, delimiter, &output.data_type),
            _ => Ok(Value::Null),
        },
        _ => Ok(read_fixed(output, lanes, slot)),
    }
}

/// Results that always are.
fn read_fixed(output: &OutputSpec, lanes: &[Lane], slot: usize) -> Value {
    match &output.reading {
        Reading::Spread { lane, function } => match &lanes[*lane] {
            Lane::Moments(moments) => spread(&moments[slot], *function),
            _ => Value::Null,
        },
        Reading::Shape { lane, function } => match &lanes[*lane] {
            Lane::Shape(shapes) => shape(&shapes[slot], *function),
            _ => Value::Null,
        },
        Reading::Joint { lane, function } => match &lanes[*lane] {
            Lane::Comoments(pairs) => joint(&pairs[slot], *function).map_or(Value::Null, Value::Double),
            _ => Value::Null,
        },
        Reading::Line { lane, spread, function } => match (&lanes[*lane], &lanes[*spread]) {
            (Lane::Comoments(pairs), Lane::Moments(moments)) => {
                line(&pairs[slot], moments[slot].m2, *function).map_or(Value::Null, Value::Double)
            }
            _ => Value::Null,
        },
        Reading::Kept { lane } => match &lanes[*lane] {
            Lane::Kept(_, kept) => kept.get(slot).value().map_or(Value::Null, |bytes| value_of(bytes, &output.data_type)),
            _ => Value::Null,
        },
        Reading::Mode { lane, greatest } => match &lanes[*lane] {
            Lane::Tally(tallies) => tallies.get(slot).mode(*greatest).map_or(Value::Null, |bytes| value_of(bytes, &output.data_type)),
            _ => Value::Null,
        },
        Reading::Percentiles { lane, percentages, interpolate, descending } => match &lanes[*lane] {
            Lane::Numbers(numbers) => {
                let found = percentiles(numbers.get(slot), percentages, *interpolate, *descending);
                listed(found, percentages, &if output.arg_type == DataType::Interval { DataType::Interval } else { DataType::Double })
            }
            _ => Value::Null,
        },
        Reading::Quantiles { lane, percentages } => match &lanes[*lane] {
            Lane::Quantiles(precision, sketches) => {
                listed(sketches.get(slot).query(&percentages.values, *precision), percentages, &output.arg_type)
            }
            _ => Value::Null,
        },
        Reading::Estimate { lane } => match &lanes[*lane] {
            Lane::Registers(precision, sketches) => Value::BigInt(sketches.get(slot).estimate(*precision) as i64),
            _ => Value::Null,
        },
        Reading::Histogram { lane } => match &lanes[*lane] {
            Lane::Histogram(_, histograms) if !histograms.get(slot).bins().is_empty() => {
                let bin = |(x, y): &(f64, f64)| Value::Struct(vec![from_double(*x, &output.arg_type), Value::Double(*y)]);
                Value::Array(histograms.get(slot).bins().iter().map(bin).collect())
            }
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

fn count(lane: &Lane, slot: usize) -> u64 {
    match lane {
        Lane::Count(counts) => counts[slot],
        _ => 0,
    }
}

fn average(lane: &Lane, slot: usize, count: u64) -> Value {
    match lane {
        Lane::SumDouble(sums) => Value::Double(sums[slot] / count as f64),
        Lane::SumLong(sums) => {
            // Half away from zero.
            let (sum, count) = (sums[slot], i128::from(count));
            let rounded = (2 * sum.abs() + count) / (2 * count) * sum.signum();
            i64::try_from(rounded).map_or(Value::Null, Value::Interval)
        }
        _ => Value::Null,
    }
}

/// An integer as a value of a type that integers stand for.
fn whole(x: i64, data_type: &DataType) -> Value {
    match data_type {
        DataType::Boolean => Value::Boolean(x != 0),
        DataType::Int => Value::Int(x as i32),
        DataType::Date => Value::Date(x as i32),
        DataType::Timestamp => Value::Timestamp(x),
        DataType::Interval => Value::Interval(x),
        _ => Value::BigInt(x),
    }
}

/// What was summarised as a double, in its own type again.
fn from_double(x: f64, data_type: &DataType) -> Value {
    match data_type {
        DataType::Float => Value::Float(x as f32),
        DataType::Double | DataType::Null | DataType::String => Value::Double(x),
        other => whole(x as i64, other),
    }
}

fn extreme(lane: &Lane, slot: usize, data_type: &DataType) -> Value {
    match lane {
        Lane::MinLong(v) | Lane::MaxLong(v) | Lane::BitAnd(v) | Lane::BitOr(v) | Lane::BitXor(v) => whole(v[slot], data_type),
        Lane::MinDouble(v) | Lane::MaxDouble(v) => match data_type {
            DataType::Float => Value::Float(v[slot] as f32),
            _ => Value::Double(v[slot]),
        },
        Lane::MinText(texts) | Lane::MaxText(texts) => {
            texts.values[slot].as_ref().map_or(Value::Null, |text| Value::String(text.to_string()))
        }
        _ => Value::Null,
    }
}

fn spread(moments: &Moments, function: AggregateFunction) -> Value {
    use AggregateFunction as F;
    let Moments { count, m2, .. } = *moments;
    let sample = matches!(function, F::StddevSamp | F::VarSamp);
    if count == 0.0 || (sample && count == 1.0) {
        return Value::Null;
    }
    if matches!(function, F::RegrSxx | F::RegrSyy) {
        return Value::Double(m2);
    }
    let variance = m2 / if sample { count - 1.0 } else { count };
    Value::Double(if matches!(function, F::StddevSamp | F::StddevPop) { variance.sqrt() } else { variance })
}

fn shape(shape: &Shape, function: AggregateFunction) -> Value {
    let Shape { count, m2, m3, m4, .. } = *shape;
    if count == 0.0 || m2 == 0.0 {
        return Value::Null;
    }
    Value::Double(match function {
        AggregateFunction::Skewness => count.sqrt() * m3 / (m2 * m2 * m2).sqrt(),
        _ => count * m4 / (m2 * m2) - 3.0,
    })
}

/// A regression's slope or intercept; `x` is the independent variable, `m2` the sum of its squared deviations.
fn line(pairs: &Comoments, m2: f64, function: AggregateFunction) -> Option<f64> {
    let slope = (pairs.count > 0.0 && m2 != 0.0).then(|| pairs.xy / m2)?;
    Some(if function == AggregateFunction::RegrSlope { slope } else { pairs.y_mean - slope * pairs.x_mean })
}

/// `x` is the first argument: the dependent variable of a regression.
fn joint(pairs: &Comoments, function: AggregateFunction) -> Option<f64> {
    use AggregateFunction as F;
    let Comoments { count, xy, xx, yy, .. } = *pairs;
    if count == 0.0 {
        return None;
    }
    match function {
        F::CovarPop => Some(xy / count),
        F::CovarSamp => (count > 1.0).then(|| xy / (count - 1.0)),
        F::Corr => (count > 1.0 && xx != 0.0 && yy != 0.0).then(|| xy / (xx * yy).sqrt()),
        F::RegrSxy => Some(xy),
        F::RegrR2 if yy == 0.0 => None,
        F::RegrR2 if xx == 0.0 => Some(1.0),
        F::RegrR2 => {
            let corr = xy / (xx * yy).sqrt();
            Some(corr * corr)
        }
        _ => None,
    }
}

fn collected(lane: &Lane, slot: usize, data_type: &DataType) -> Result<Value, ReadError> {
    match lane {
        Lane::List { cells, .. } => {
            let bodies = checked(cells.get(slot).bodies().collect())?;
            Ok(Value::Array(bodies.into_iter().map(|bytes| value_of(bytes, data_type)).collect()))
        }
        Lane::Set(cells) => {
            let keys = checked(cells.get(slot).by_arrival())?;
            let value = |key: &[u8]| read_key(&mut Reader::new(key), data_type).unwrap_or(Value::Null);
            Ok(Value::Array(keys.into_iter().map(value).collect()))
        }
        _ => Ok(Value::Null),
    }
}

fn checked(parts: Vec<&[u8]>) -> Result<Vec<&[u8]>, ReadError> {
    if parts.iter().map(|part| part.len()).sum::<usize>() <= RESULT_BYTES_MAX { Ok(parts) } else { Err(ReadError::TooLong) }
}

fn joined(list: &List, ordered: bool, delimiter: &[u8], data_type: &DataType) -> Result<Value, ReadError> {
    let mut bodies: Vec<(&[u8], &[u8])> = list.bodies().filter_map(|body| split_body(ordered, body).ok()).collect();
    if bodies.is_empty() {
        return Ok(Value::Null);
    }
    // Stable: equal keys stay in order of arrival.
    bodies.sort_by_key(|(key, _)| *key);
    let mut out: Vec<u8> = Vec::new();
    for (index, (_, body)) in bodies.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(delimiter);
        }
        match value_of(body, data_type) {
            Value::String(text) => out.extend_from_slice(text.as_bytes()),
            Value::Binary(bytes) => out.extend_from_slice(&bytes),
            _ => {}
        }
        if out.len() > RESULT_BYTES_MAX {
            return Err(ReadError::TooLong);
        }
    }
    Ok(match data_type {
        DataType::Binary => Value::Binary(out),
        _ => String::from_utf8(out).map_or(Value::Null, Value::String),
    })
}

/// `None` without numbers.
fn percentiles(numbers: &Numbers, percentages: &Percentages, interpolate: bool, descending: bool) -> Option<Vec<f64>> {
    let accumulated = numbers.accumulated(descending);
    let (_, total) = *accumulated.last()?;
    let at = |rank: u64| accumulated[accumulated.partition_point(|(_, up_to)| *up_to < rank).min(accumulated.len() - 1)].0;
    let one = |percentage: f64| {
        if !interpolate {
            return at(((percentage * total as f64).ceil() as u64).max(1));
        }
        let position = (total - 1) as f64 * percentage;
        let (lower, higher) = (position.floor(), position.ceil());
        let (low, high) = (at(lower as u64 + 1), at(higher as u64 + 1));
        if lower == higher || low == high { low } else { low + (high - low) * (position - lower) }
    };
    Some(percentages.values.iter().map(|percentage| one(*percentage)).collect())
}

/// One number or an array of them; NULL for none.
fn listed(found: Option<Vec<f64>>, percentages: &Percentages, data_type: &DataType) -> Value {
    let mut values = found.unwrap_or_default().into_iter().map(|x| from_double(x, data_type));
    if !percentages.array {
        return values.next().unwrap_or(Value::Null);
    }
    let values: Vec<Value> = values.collect();
    if values.is_empty() { Value::Null } else { Value::Array(values) }
}
