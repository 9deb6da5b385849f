//! Functions that make times, move them by units, and read them without failing.

use super::further::time_call;
use super::{check_count, exactly, explicit_cast};
use crate::plan::{Expr, ExprNode, Span, TimeFunction as T};
use crate::sql::coerce::{cast, coerce, is_integral, is_numeric, with_article};
use crate::sql::error::SqlError;
use crate::sql::tree;
use crate::types::{DataType, Value};

/// The call of function `name`; `None` where it is none of these.
pub fn build(name: &str, args: Vec<Expr>, span: Span) -> Option<Result<Expr, SqlError>> {
    Some(match name {
        "months_between" => months_between(args, span),
        "make_timestamp" | "make_timestamp_ltz" => make_timestamp(name, T::MakeTimestamp, args, span),
        "try_make_timestamp" | "try_make_timestamp_ltz" => make_timestamp(name, T::TryMakeTimestamp, args, span),
        "make_dt_interval" => make_interval(args, span),
        "convert_timezone" => convert_timezone(args, span),
        "timestampadd" | "timestampdiff" | "timediff" => {
            Err(SqlError::new(span, format!("`{name}` takes a bare unit first"))
                .help("timestampadd(HOUR, 1, ts), timestampdiff(HOUR, a, b)"))
        }
        "try_to_timestamp" | "try_to_date" => try_read(name, args, span),
        "to_timestamp_ltz" => return super::build_special("to_timestamp", args, span),
        "time_bucket" => time_bucket(args, span),
        _ => return None,
    })
}

fn months_between(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("months_between", args.len(), 2, Some(3), span)?;
    let mut args = args;
    let round = if args.len() == 3 { args.pop() } else { None };
    let round = round.unwrap_or_else(|| tree::literal(Value::Boolean(true), DataType::Boolean, span));
    let mut args = args.into_iter().map(|arg| coerce(arg, &DataType::Timestamp)).collect::<Result<Vec<_>, _>>()?;
    args.push(coerce(round, &DataType::Boolean)?);
    Ok(time_call(T::MonthsBetween, args, DataType::Double))
}

fn int(arg: Expr) -> Result<Expr, SqlError> {
    if is_numeric(&arg.data_type) { Ok(cast(arg, &DataType::Int)) } else { coerce(arg, &DataType::Int) }
}

/// `(year, month, day, hour, minute, second[, zone])`, or a DATE.
fn make_timestamp(name: &str, function: T, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    if let [date] = &args[..]
        && !name.ends_with("_ltz")
        && matches!(date.data_type, DataType::Date | DataType::Null)
    {
        let [date] = exactly(name, args, span)?;
        return Ok(cast(date, &DataType::Timestamp));
    }
    check_count(name, args.len(), 6, Some(7), span)?;
    let make = |(index, arg): (usize, Expr)| match index {
        0..5 => int(arg),
        5 => coerce(arg, &DataType::Double),
        _ => coerce(arg, &DataType::String),
    };
    Ok(time_call(function, args.into_iter().enumerate().map(make).collect::<Result<_, _>>()?, DataType::Timestamp))
}

/// Days, hours, minutes and seconds; those left out are 0.
fn make_interval(mut args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("make_dt_interval", args.len(), 0, Some(4), span)?;
    while args.len() < 4 {
        args.push(tree::int(0, span));
    }
    let make = |(index, arg): (usize, Expr)| if index < 3 { int(arg) } else { coerce(arg, &DataType::Double) };
    Ok(time_call(T::MakeInterval, args.into_iter().enumerate().map(make).collect::<Result<_, _>>()?, DataType::Interval))
}

/// `([from,] to, time)`: the clock of one zone as the clock of another.
fn convert_timezone(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("convert_timezone", args.len(), 2, Some(3), span)?;
    let mut args = args.into_iter().rev();
    let (Some(time), Some(to)) = (args.next(), args.next()) else {
        return Err(SqlError::new(span, "convert_timezone takes zones and a time"));
    };
    let from = args.next().unwrap_or_else(|| tree::text("UTC", span));
    let local = coerce(time, &DataType::Timestamp)?;
    let utc = time_call(T::ToUtc, vec![local, coerce(from, &DataType::String)?], DataType::Timestamp);
    Ok(time_call(T::FromUtc, vec![utc, coerce(to, &DataType::String)?], DataType::Timestamp))
}

/// The units of timestampadd; timestampdiff knows all but DAYOFYEAR.
const UNITS: [&str; 10] = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "HOUR", "MINUTE", "SECOND", "MILLISECOND"];

fn unit(unit: &Expr) -> Result<Expr, SqlError> {
    let ExprNode::Literal(Value::String(name)) = &unit.node else {
        return Err(SqlError::new(unit.span, "a unit of time is needed here, as in timestampadd(HOUR, 1, ts)"));
    };
    let upper = name.to_ascii_uppercase();
    if UNITS.contains(&upper.as_str()) || upper == "MICROSECOND" {
        return Ok(tree::text(&upper, unit.span));
    }
    Err(SqlError::new(unit.span, format!("`{name}` is not a unit of time"))
        .help("YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND"))
}

/// `timestampadd(unit, count, time)`.
pub fn add_units(name: Expr, count: Expr, time: Expr) -> Result<Expr, SqlError> {
    let unit = unit(&name)?;
    let count = match count.data_type {
        ref given if is_numeric(given) => cast(count, &DataType::BigInt),
        _ => coerce(count, &DataType::BigInt)?,
    };
    Ok(time_call(T::TimestampAdd, vec![unit, count, coerce(time, &DataType::Timestamp)?], DataType::Timestamp))
}

/// `timestampdiff(unit, from, to)`.
pub fn count_units(name: Expr, from: Expr, to: Expr) -> Result<Expr, SqlError> {
    let unit = unit(&name)?;
    if matches!(&unit.node, ExprNode::Literal(Value::String(name)) if name == "DAYOFYEAR") {
        return Err(SqlError::new(unit.span, "timestampdiff does not count DAYOFYEAR; use DAY"));
    }
    let args = vec![unit, coerce(from, &DataType::Timestamp)?, coerce(to, &DataType::Timestamp)?];
    Ok(time_call(T::TimestampDiff, args, DataType::BigInt))
}

fn try_read(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count(name, args.len(), 1, Some(2), span)?;
    let (function, target) = if name == "try_to_date" { (T::TryToDate, DataType::Date) } else { (T::TryToTimestamp, DataType::Timestamp) };
    let mut args = args.into_iter();
    let Some(input) = args.next() else { return Err(SqlError::new(span, "a text is needed here")) };
    match args.next() {
        Some(_) if matches!(input.data_type, DataType::Date | DataType::Timestamp) => Ok(cast(input, &target)),
        Some(format) if matches!(input.data_type, DataType::String | DataType::Null) => {
            Ok(time_call(function, vec![coerce(input, &DataType::String)?, coerce(format, &DataType::String)?], target))
        }
        _ => explicit_cast(input, &target, true, span),
    }
}

fn time_bucket(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("time_bucket", args.len(), 2, Some(3), span)?;
    let mut args = args.into_iter();
    let Some(size) = args.next() else { return Err(SqlError::new(span, "time_bucket takes a length and a time")) };
    if !matches!(size.data_type, DataType::Interval | DataType::Null) || is_integral(&size.data_type) {
        let message = format!("this is {}, but an interval is needed here", with_article(&size.data_type));
        return Err(SqlError::new(size.span, message).help("as in time_bucket(INTERVAL '15' MINUTE, ts)"));
    }
    let mut call = vec![cast(size, &DataType::Interval)];
    for time in args {
        if !matches!(time.data_type, DataType::Timestamp | DataType::Null) {
            return Err(SqlError::new(time.span, format!("this is {}, but a TIMESTAMP is needed here", with_article(&time.data_type))));
        }
        call.push(cast(time, &DataType::Timestamp));
    }
    Ok(time_call(T::TimeBucket, call, DataType::Timestamp))
}
