//! Results read from cells, by Spark's formulas.

use crate::engine::key_codec::read_key;
use crate::engine::lanes::{Lane, Moments};
use crate::engine::pane::Pane;
use crate::engine::spec::{OutputSpec, Reading};
use crate::engine::state_codec::Reader;
use crate::plan::AggregateFunction;
use crate::types::{DataType, Value};

/// A sum of integers that does not fit in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// The aggregate's value in a cell.
pub(super) fn read(output: &OutputSpec, cells: &Pane, slot: usize) -> Result<Value, Overflow> {
    let lanes = cells.lanes();
    match output.reading {
        Reading::Count { lane } => Ok(Value::BigInt(count(&lanes[lane], slot) as i64)),
        Reading::Sum { count: counting, .. } | Reading::Average { count: counting, .. } | Reading::Extreme { count: counting, .. }
            if count(&lanes[counting], slot) == 0 =>
        {
            Ok(Value::Null)
        }
        Reading::Sum { lane, .. } => match &lanes[lane] {
            Lane::SumLong(sums) => i64::try_from(sums[slot]).map(Value::BigInt).map_err(|_| Overflow),
            Lane::SumDouble(sums) => Ok(Value::Double(sums[slot])),
            _ => Ok(Value::Null),
        },
        Reading::Average { lane, count: counting } => match &lanes[lane] {
            Lane::SumDouble(sums) => Ok(Value::Double(sums[slot] / count(&lanes[counting], slot) as f64)),
            _ => Ok(Value::Null),
        },
        Reading::Extreme { lane, .. } => Ok(extreme(&lanes[lane], slot, &output.data_type)),
        Reading::Spread { lane, function } => match &lanes[lane] {
            Lane::Moments(moments) => Ok(spread(&moments[slot], function)),
            _ => Ok(Value::Null),
        },
        Reading::Distinct { lane, function } => distinct(&lanes[lane], slot, function, &output.arg_type),
    }
}

fn count(lane: &Lane, slot: usize) -> u64 {
    match lane {
        Lane::Count(counts) => counts[slot],
        _ => 0,
    }
}

fn extreme(lane: &Lane, slot: usize, data_type: &DataType) -> Value {
    match lane {
        Lane::MinLong(v) | Lane::MaxLong(v) => match data_type {
            DataType::Boolean => Value::Boolean(v[slot] != 0),
            DataType::Int => Value::Int(v[slot] as i32),
            DataType::Date => Value::Date(v[slot] as i32),
            DataType::Timestamp => Value::Timestamp(v[slot]),
            _ => Value::BigInt(v[slot]),
        },
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
    let variance = m2 / if sample { count - 1.0 } else { count };
    Value::Double(if matches!(function, F::StddevSamp | F::StddevPop) { variance.sqrt() } else { variance })
}

fn distinct(lane: &Lane, slot: usize, function: AggregateFunction, data_type: &DataType) -> Result<Value, Overflow> {
    let Lane::Distinct(sets) = lane else { return Ok(Value::Null) };
    let set = &sets[slot];
    if function == AggregateFunction::Count {
        return Ok(Value::BigInt(set.len() as i64));
    }
    if set.is_empty() {
        return Ok(Value::Null);
    }
    let mut whole: i128 = 0;
    let mut moments = Moments::default();
    let mut sum = 0.0;
    for bytes in set {
        let x = match read_key(&mut Reader::new(bytes), data_type) {
            Ok(Value::Int(x)) => {
                whole += i128::from(x);
                f64::from(x)
            }
            Ok(Value::BigInt(x)) => {
                whole += i128::from(x);
                x as f64
            }
            Ok(Value::Float(x)) => f64::from(x),
            Ok(Value::Double(x)) => x,
            _ => continue,
        };
        sum += x;
        moments.add(x);
    }
    match function {
        AggregateFunction::Sum if matches!(data_type, DataType::Int | DataType::BigInt) => {
            i64::try_from(whole).map(Value::BigInt).map_err(|_| Overflow)
        }
        AggregateFunction::Sum => Ok(Value::Double(sum)),
        AggregateFunction::Avg => Ok(Value::Double(sum / set.len() as f64)),
        _ => Ok(spread(&moments, function)),
    }
}
