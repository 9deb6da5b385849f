//! Analytic functions that are kept up row by row: what each remembers of a key's rows so far, in the order of time.
//!
//! | function | value for a row |
//! |---|---|
//! | `row_number()` | rows so far |
//! | `lag(x, n, default)` | x, n rows before |
//! | `first_value(x)`, `last_value(x)` | of the rows so far |
//! | `count`, `sum`, `avg`, `min`, `max` | over the rows so far |
//! | `changed(x)` | whether x is another than in the row before; TRUE for the first row; NULL is a value |
//! | `ewma(x, alpha)` | `alpha · x + (1 − alpha) · ewma before`; a NULL changes nothing |
//! | `ewma(x, half-life)` | the same with `alpha = 1 − 0.5 ^ (time passed / half-life)` |
//! | `rate(x)` | (x − x before) / seconds passed; where x has fallen, x / seconds passed; NULL for the first row, at no time passed, and where x is NULL |
//! | `deadband(x, band)` | x where it differs by more than `band` from the last value given, and for the first; else NULL |
//!
//! Limits: `lag` looks back at most [`LAG_MAX`] rows.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::batch::Column;
use crate::engine::expr::compare::order_values;
use crate::engine::state_codec::{Malformed, Reader, put_signed, put_varint};
use crate::engine::value_codec::{put_value, read_value};
use crate::plan::{AggregateFunction, Expr, ExprNode, OverCall, OverFunction};
use crate::types::{DataType, Value};

/// Rows that `lag` looks back.
pub(super) const LAG_MAX: usize = 1_000;

/// What a function remembers of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Running {
    Rows(i64),
    /// The oldest first; at most the offset, which is at least 1.
    Lag(VecDeque<Value>),
    First(Option<Value>),
    Last(Value),
    Count(i64),
    SumLong {
        sum: i64,
        count: i64,
    },
    SumDouble {
        sum: f64,
        count: i64,
    },
    Extreme(Value),
    Changed(Option<Value>),
    /// The mean and when it was last changed, µs.
    Ewma(Option<(f64, i64)>),
    /// Counter and time, µs.
    Rate(Option<(f64, i64)>),
    Deadband(Option<f64>),
}

impl Running {
    /// Moves the times that it remembers.
    pub fn move_times(&mut self, moved: impl Fn(i64) -> i64) {
        if let Running::Ewma(Some((_, time_us))) | Running::Rate(Some((_, time_us))) = self {
            *time_us = moved(*time_us);
        }
    }
}

/// One function of an OVER.
#[derive(Clone, Debug)]
pub(super) struct RunningCall {
    function: OverFunction,
    ignore_nulls: bool,
    /// Its arguments, or its aggregate's.
    pub args: Vec<Expr>,
    offset: usize,
}

impl RunningCall {
    /// What is not kept up row by row is refused, with the reason.
    pub fn new(call: &OverCall) -> Result<RunningCall, String> {
        let args = match &call.function {
            OverFunction::Aggregate(aggregate) => {
                use AggregateFunction as F;
                let known = matches!(aggregate.function, F::Count | F::Sum | F::Avg | F::Min | F::Max);
                if !known || aggregate.distinct || aggregate.filter.is_some() {
                    return Err(format!("`{}` is not kept up over a stream: count, sum, avg, min and max are", call.name));
                }
                aggregate.args.clone()
            }
            OverFunction::RowNumber
            | OverFunction::Lag
            | OverFunction::FirstValue
            | OverFunction::LastValue
            | OverFunction::Changed
            | OverFunction::Ewma
            | OverFunction::Rate
            | OverFunction::Deadband => call.args.clone(),
            _ => return Err(format!("`{}` looks at rows that a stream does not have yet, or no longer", call.name)),
        };
        let offset = match (&call.function, args.get(1).map(|offset| &offset.node)) {
            (OverFunction::Lag, Some(ExprNode::Literal(Value::Int(offset)))) => usize::try_from(*offset).unwrap_or(usize::MAX),
            (OverFunction::Lag, Some(_)) => usize::MAX,
            _ => 1,
        };
        if offset > LAG_MAX {
            return Err(format!("`lag` looks back a literal number of rows from 0 to {LAG_MAX}"));
        }
        Ok(RunningCall { function: call.function.clone(), ignore_nulls: call.ignore_nulls, args, offset })
    }

    /// Nothing seen yet.
    pub fn begin(&self) -> Running {
        use AggregateFunction as F;
        match &self.function {
            OverFunction::Lag => Running::Lag(VecDeque::new()),
            OverFunction::FirstValue => Running::First(None),
            OverFunction::LastValue => Running::Last(Value::Null),
            OverFunction::Changed => Running::Changed(None),
            OverFunction::Ewma => Running::Ewma(None),
            OverFunction::Rate => Running::Rate(None),
            OverFunction::Deadband => Running::Deadband(None),
            OverFunction::Aggregate(aggregate) => match aggregate.function {
                F::Count => Running::Count(0),
                F::Min | F::Max => Running::Extreme(Value::Null),
                F::Sum if aggregate.data_type == DataType::BigInt => Running::SumLong { sum: 0, count: 0 },
                _ => Running::SumDouble { sum: 0.0, count: 0 },
            },
            _ => Running::Rows(0),
        }
    }

    fn is_average(&self) -> bool {
        matches!(&self.function, OverFunction::Aggregate(aggregate) if aggregate.function == AggregateFunction::Avg)
    }

    fn is_maximum(&self) -> bool {
        matches!(&self.function, OverFunction::Aggregate(aggregate) if aggregate.function == AggregateFunction::Max)
    }

    /// Whether the row can be taken in; what is wrong otherwise.
    pub fn check(&self, state: &Running, args: &[Value]) -> Result<(), &'static str> {
        match state {
            Running::SumLong { sum, .. } => match long(args.first()).map(|x| sum.checked_add(x)) {
                Some(None) => Err("a running sum of integers does not fit in BIGINT; sum(CAST(x AS DOUBLE)) does"),
                _ => Ok(()),
            },
            Running::Rows(rows) if *rows >= i64::from(i32::MAX) => Err("row_number() does not fit in INT"),
            Running::Ewma(_) => match args.get(1) {
                Some(Value::Double(alpha)) if !(*alpha > 0.0 && *alpha <= 1.0) => {
                    Err("the second argument of ewma is above 0 and at most 1")
                }
                Some(Value::Interval(half_life_us)) if *half_life_us <= 0 => Err("the half-life of ewma is above 0"),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Takes a checked row in and gives its value. `time_us`: not before that of the row before.
    pub fn next(&self, state: &mut Running, args: &[Value], time_us: i64) -> Value {
        let first = || args.first().cloned().unwrap_or(Value::Null);
        match state {
            Running::Rows(rows) => {
                *rows += 1;
                Value::Int(*rows as i32)
            }
            Running::Lag(values) => self.lag(values, args),
            Running::First(value) => {
                if value.is_none() && !(self.ignore_nulls && first() == Value::Null) {
                    *value = Some(first());
                }
                value.clone().unwrap_or(Value::Null)
            }
            Running::Last(value) => {
                if !(self.ignore_nulls && first() == Value::Null) {
                    *value = first();
                }
                value.clone()
            }
            Running::Count(count) => {
                *count += i64::from(!args.contains(&Value::Null));
                Value::BigInt(*count)
            }
            Running::SumLong { sum, count } => {
                if let Some(x) = long(args.first()) {
                    (*sum, *count) = (sum.wrapping_add(x), *count + 1);
                }
                if *count == 0 { Value::Null } else { Value::BigInt(*sum) }
            }
            Running::SumDouble { sum, count } => {
                if let Some(x) = double(args.first()) {
                    (*sum, *count) = (*sum + x, *count + 1);
                }
                let value = if self.is_average() { *sum / *count as f64 } else { *sum };
                if *count == 0 { Value::Null } else { Value::Double(value) }
            }
            Running::Extreme(extreme) => {
                let wanted = if self.is_maximum() { Ordering::Greater } else { Ordering::Less };
                let x = first();
                if x != Value::Null && (*extreme == Value::Null || order_values(&x, extreme) == wanted) {
                    *extreme = x;
                }
                extreme.clone()
            }
            Running::Changed(before) => {
                let x = first();
                let same = before.as_ref().is_some_and(|before| same(before, &x));
                *before = Some(x);
                Value::Boolean(!same)
            }
            Running::Ewma(before) => ewma(before, args, time_us),
            Running::Rate(before) => rate(before, double(args.first()), time_us),
            Running::Deadband(given) => deadband(given, double(args.first()), double(args.get(1))),
        }
    }

    fn lag(&self, values: &mut VecDeque<Value>, args: &[Value]) -> Value {
        let [x, ..] = args else { return Value::Null };
        if self.offset == 0 {
            return x.clone();
        }
        let full = values.len() == self.offset;
        let before = if full { values.front().cloned() } else { args.get(2).cloned() };
        if !(self.ignore_nulls && *x == Value::Null) {
            if full {
                values.pop_front();
            }
            values.push_back(x.clone());
        }
        before.unwrap_or(Value::Null)
    }

    /// Appends what is remembered.
    pub fn put(&self, state: &Running, out: &mut Vec<u8>) {
        match state {
            Running::Rows(count) | Running::Count(count) => put_signed(out, *count),
            Running::Lag(values) => {
                put_varint(out, values.len() as u64);
                values.iter().for_each(|value| self.put_arg(out, value));
            }
            Running::First(value) | Running::Changed(value) => {
                out.push(u8::from(value.is_some()));
                value.iter().for_each(|value| self.put_arg(out, value));
            }
            Running::Last(value) | Running::Extreme(value) => self.put_arg(out, value),
            Running::SumLong { sum, count } => {
                put_signed(out, *sum);
                put_signed(out, *count);
            }
            Running::SumDouble { sum, count } => {
                out.extend_from_slice(&sum.to_le_bytes());
                put_signed(out, *count);
            }
            Running::Ewma(pair) | Running::Rate(pair) => {
                out.push(u8::from(pair.is_some()));
                if let Some((value, time_us)) = pair {
                    out.extend_from_slice(&value.to_le_bytes());
                    put_signed(out, *time_us);
                }
            }
            Running::Deadband(value) => {
                out.push(u8::from(value.is_some()));
                value.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
            }
        }
    }

    fn put_arg(&self, out: &mut Vec<u8>, value: &Value) {
        put_value(out, &Column::repeated(self.arg_type(), value, 1), 0);
    }

    fn arg_type(&self) -> &DataType {
        self.args.first().map_or(&DataType::Null, |arg| &arg.data_type)
    }

    /// What [`RunningCall::put`] wrote.
    pub fn read(&self, reader: &mut Reader<'_>) -> Result<Running, Malformed> {
        let mut state = self.begin();
        match &mut state {
            Running::Rows(count) | Running::Count(count) => *count = reader.signed()?,
            Running::Lag(values) => {
                let count = reader.count(1)?;
                if count > self.offset {
                    return Err(Malformed("more rows are remembered than looked back for"));
                }
                for _ in 0..count {
                    values.push_back(read_value(reader, self.arg_type())?);
                }
            }
            Running::First(value) | Running::Changed(value) => {
                if flag(reader)? {
                    *value = Some(read_value(reader, self.arg_type())?);
                }
            }
            Running::Last(value) | Running::Extreme(value) => *value = read_value(reader, self.arg_type())?,
            Running::SumLong { sum, count } => (*sum, *count) = (reader.signed()?, reader.signed()?),
            Running::SumDouble { sum, count } => (*sum, *count) = (f64::from_le_bytes(reader.fixed()?), reader.signed()?),
            Running::Ewma(pair) | Running::Rate(pair) => {
                if flag(reader)? {
                    *pair = Some((f64::from_le_bytes(reader.fixed()?), reader.signed()?));
                }
            }
            Running::Deadband(value) => {
                if flag(reader)? {
                    *value = Some(f64::from_le_bytes(reader.fixed()?));
                }
            }
        }
        Ok(state)
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("a flag is neither 0 nor 1")),
    }
}

/// NULL to NULL, NaN to NaN.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => a == b,
        _ => order_values(a, b) == Ordering::Equal,
    }
}

fn ewma(before: &mut Option<(f64, i64)>, args: &[Value], time_us: i64) -> Value {
    if let Some(x) = double(args.first()) {
        let mean = match (*before, args.get(1)) {
            (Some((mean, _)), Some(Value::Double(alpha))) => Some(alpha * x + (1.0 - alpha) * mean),
            (Some((mean, then_us)), Some(Value::Interval(half_life_us))) => {
                let old = 0.5f64.powf(time_us.saturating_sub(then_us) as f64 / *half_life_us as f64);
                Some((1.0 - old) * x + old * mean)
            }
            (Some((mean, _)), _) => Some(mean),
            (None, _) => Some(x),
        };
        *before = mean.map(|mean| (mean, time_us));
    }
    before.map_or(Value::Null, |(mean, _)| Value::Double(mean))
}

fn rate(before: &mut Option<(f64, i64)>, x: Option<f64>, time_us: i64) -> Value {
    let Some(x) = x else { return Value::Null };
    let Some((counter, then_us)) = *before else {
        *before = Some((x, time_us));
        return Value::Null;
    };
    let seconds = time_us.saturating_sub(then_us) as f64 / 1e6;
    if seconds <= 0.0 {
        // What was counted in no time counts towards the next rate, unless the counter began anew.
        if x < counter {
            *before = Some((0.0, then_us));
        }
        return Value::Null;
    }
    *before = Some((x, time_us));
    let increase = if x < counter { x } else { x - counter };
    Value::Double(increase / seconds)
}

fn deadband(given: &mut Option<f64>, x: Option<f64>, band: Option<f64>) -> Value {
    let (Some(x), Some(band)) = (x, band) else { return Value::Null };
    let left = match *given {
        None => true,
        Some(last) if last.is_nan() || x.is_nan() => last.is_nan() != x.is_nan(),
        Some(last) => (x - last).abs() > band,
    };
    if !left {
        return Value::Null;
    }
    *given = Some(x);
    Value::Double(x)
}

fn long(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Int(x) => Some(i64::from(*x)),
        Value::BigInt(x) => Some(*x),
        _ => None,
    }
}

fn double(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Double(x) => Some(*x),
        Value::Float(x) => Some(f64::from(*x)),
        Value::Int(x) => Some(f64::from(*x)),
        Value::BigInt(x) => Some(*x as f64),
        _ => None,
    }
}
