//! Day-time intervals as values: literals, arithmetic with times and numbers, their parts.
//!
//! Limits: intervals of months and years have no type; they can only be added to a time, or be the step of a sequence of times.

use sqlparser::ast;

use super::coerce::{cast, coerce, is_integral, is_numeric};
use super::error::{SqlError, join};
use super::expr::place;
use super::tree;
use crate::plan::{Expr, ExprNode, Function, Span, TimeFunction};
use crate::types::duration::{Interval, parse_interval};
use crate::types::{DataType, Value};

/// The interval that stands in the text.
pub fn written(interval: &ast::Interval) -> Result<(Interval, Span), SqlError> {
    match &*interval.value {
        ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::SingleQuotedString(text), span }) if interval.leading_field.is_none() => {
            let span = super::lex::span_of(*span);
            Ok((parse_interval(text).map_err(|message| SqlError::new(span, message))?, span))
        }
        other => Err(SqlError::unsupported(place(other), "this form of INTERVAL").help("write INTERVAL 90 SECONDS")),
    }
}

/// As a value; not with months.
pub fn literal(interval: &ast::Interval) -> Result<Expr, SqlError> {
    let (Interval { months, micros }, span) = written(interval)?;
    if months != 0 {
        return Err(
            SqlError::unsupported(span, "an interval of months or years as a value").help("add it to a time: ts + INTERVAL 1 MONTH")
        );
    }
    Ok(value(micros, span))
}

fn value(micros: i64, span: Span) -> Expr {
    tree::literal(Value::Interval(micros), DataType::Interval, span)
}

/// An operator with an interval, or between two times; `None` for all else.
pub fn arithmetic(function: Function, left: &Expr, right: &Expr) -> Option<Result<Expr, SqlError>> {
    use DataType::{Date, Interval, Null, String, Timestamp};
    use Function as F;
    let is_time = |data_type: &DataType| matches!(data_type, Date | Timestamp);
    let (left, right) = (left.clone(), right.clone());
    match (function, &left.data_type, &right.data_type) {
        (F::Subtract | F::TrySubtract, a, b) if is_time(a) && (is_time(b) || *b == String) || *a == String && is_time(b) => {
            let args = [left, right].map(|time| coerce(time, &Timestamp));
            Some(both(args).map(|args| tree::call(F::TimeDifference, args, Interval)))
        }
        (F::Add | F::Subtract | F::TryAdd | F::TrySubtract, Interval, Interval | Null) | (F::Add | F::Subtract, Null, Interval) => {
            Some(Ok(tree::call(function, vec![cast(left, &Interval), cast(right, &Interval)], Interval)))
        }
        (F::Subtract | F::TrySubtract, a, Null) | (F::Subtract | F::TrySubtract, Null, a) if is_time(a) => {
            Some(Ok(tree::literal(Value::Null, Interval, join(left.span, right.span))))
        }
        (F::Add | F::TryAdd, a, Null) | (F::Add | F::TryAdd, Null, a) if is_time(a) => {
            Some(Ok(tree::literal(Value::Null, Timestamp, join(left.span, right.span))))
        }
        (F::Add | F::TryAdd, Interval, a) if is_time(a) || *a == String => Some(shifted(function, right, left)),
        (F::Add | F::TryAdd, a, Interval) if is_time(a) || *a == String => Some(shifted(function, left, right)),
        (F::Subtract | F::TrySubtract, a, Interval) if is_time(a) || *a == String => {
            let negated = match right.node {
                ExprNode::Literal(Value::Interval(micros)) if micros > i64::MIN => value(-micros, right.span),
                _ => tree::call(F::Negate, vec![right], Interval),
            };
            Some(shifted(function, left, negated))
        }
        (F::Multiply, Interval, _) => Some(scaled(F::MultiplyInterval, left, right)),
        (F::Multiply, _, Interval) => Some(scaled(F::MultiplyInterval, right, left)),
        (F::Divide, Interval, _) => Some(scaled(F::DivideInterval, left, right)),
        _ => None,
    }
}

fn both([left, right]: [Result<Expr, SqlError>; 2]) -> Result<Vec<Expr>, SqlError> {
    Ok(vec![left?, right?])
}

/// Time plus interval; a text stays one.
fn shifted(operator: Function, time: Expr, interval: Expr) -> Result<Expr, SqlError> {
    if time.data_type == DataType::String {
        return Ok(cast(shifted(operator, cast(time, &DataType::Timestamp), interval)?, &DataType::String));
    }
    let function = match operator {
        Function::TryAdd | Function::TrySubtract => Function::Time(TimeFunction::TryAddMicros),
        _ => Function::AddMicros,
    };
    Ok(tree::call(function, vec![coerce(time, &DataType::Timestamp)?, interval], DataType::Timestamp))
}

fn scaled(function: Function, interval: Expr, number: Expr) -> Result<Expr, SqlError> {
    let number = match &number.data_type {
        data_type if is_integral(data_type) => cast(number, &DataType::BigInt),
        data_type if is_numeric(data_type) || matches!(data_type, DataType::String | DataType::Null) => cast(number, &DataType::Double),
        other => {
            let span = join(interval.span, number.span);
            return Err(SqlError::new(span, format!("an interval is multiplied and divided by numbers, not by {other}")));
        }
    };
    Ok(tree::call(function, vec![interval, number], DataType::Interval))
}

/// What is cast to an interval of these units: numbers count the last of them, and intervals lose what is smaller.
pub fn in_units(input: Expr, target: &ast::DataType) -> Expr {
    let ast::DataType::Interval { fields: Some(fields), .. } = target else { return input };
    let seconds = match fields.to_string().rsplit(' ').next() {
        Some("DAY") => 86_400,
        Some("HOUR") => 3_600,
        Some("MINUTE") => 60,
        _ => return input,
    };
    let span = input.span;
    let size = tree::bigint(seconds, span);
    let count = match &input.data_type {
        data_type if is_integral(data_type) => cast(input, &DataType::BigInt),
        DataType::Interval => tree::call(Function::IntegerDivide, vec![cast(input, &DataType::BigInt), size.clone()], DataType::BigInt),
        _ => return input,
    };
    tree::call(Function::Multiply, vec![count, size], DataType::BigInt)
}

/// `EXTRACT(field FROM interval)`: DAY, HOUR, MINUTE; SECOND with its fraction, DOUBLE.
pub fn extract(field: &str, interval: Expr, span: Span) -> Result<Expr, SqlError> {
    let (modulus, unit) = match field.to_ascii_lowercase().as_str() {
        "day" | "d" | "days" => (None, 86_400),
        "hour" | "h" | "hours" | "hr" | "hrs" => (Some(86_400), 3600),
        "minute" | "m" | "min" | "mins" | "minutes" => (Some(3600), 60),
        "second" | "s" | "sec" | "seconds" | "secs" => {
            let seconds = cast(interval, &DataType::Double);
            let minute = tree::literal(Value::Double(60.0), DataType::Double, span);
            let within = tree::call(Function::Remainder, vec![seconds, minute], DataType::Double);
            return Ok(tree::call(Function::Round, vec![within, tree::int(6, span)], DataType::Double));
        }
        other => return Err(SqlError::unsupported(span, format_args!("extracting `{other}` from an interval"))),
    };
    let bigint = |value| tree::bigint(value, span);
    let mut seconds = cast(interval, &DataType::BigInt);
    if let Some(modulus) = modulus {
        seconds = tree::call(Function::Remainder, vec![seconds, bigint(modulus)], DataType::BigInt);
    }
    Ok(cast(tree::call(Function::IntegerDivide, vec![seconds, bigint(unit)], DataType::BigInt), &DataType::Int))
}
