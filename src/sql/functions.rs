//! Scalar functions whose arguments or results need more than a fixed signature.

mod binary;
mod further;
mod moments;

pub use binary::concat as concat_bytes;

use super::budget::Budget;
use super::coerce::{cast, castable, coerce, common_numeric, compared, is_integral, is_numeric, orderable, unify, with_article};
use super::error::SqlError;
use super::intervals;
use super::signatures::{self, check_count, number};
use super::tree;
use super::unknown::unknown;
use crate::plan::{Expr, ExprNode, Function, Span, TimeFunction};
use crate::types::{DataType, Field, Value};

/// Names of the functions made in this file.
const SPECIAL: &[&str] = &[
    "coalesce",
    "nvl",
    "ifnull",
    "nvl2",
    "if",
    "nullif",
    "greatest",
    "least",
    "isnull",
    "isnotnull",
    "log",
    "ceil",
    "ceiling",
    "floor",
    "concat",
    "concat_ws",
    "trim",
    "ltrim",
    "rtrim",
    "btrim",
    "string",
    "int",
    "bigint",
    "float",
    "double",
    "boolean",
    "date",
    "timestamp",
    "to_timestamp",
    "to_date",
    "unix_timestamp",
    "to_unix_timestamp",
    "from_unixtime",
    "mod",
    "pmod",
    "try_add",
    "try_subtract",
    "try_multiply",
    "try_divide",
    "timestamp_seconds",
    "hex",
    "date_part",
    "datepart",
    "named_struct",
    "positive",
    "window",
    "session_window",
    "local_window",
    "count_window",
    "state_window",
];

/// The call of function `name` (in lower case) with planned arguments.
pub fn build(name: &str, args: Vec<Expr>, span: Span, budget: &Budget) -> Result<Expr, SqlError> {
    if let ("abs" | "negative" | "positive" | "sign" | "signum", [interval]) = (name, &args[..])
        && interval.data_type == DataType::Interval
    {
        return Ok(sign_of_interval(name, args, span));
    }
    if let Some(on_bytes) = binary::build(name, &args, span) {
        return on_bytes.map(|built| Expr { span, ..built });
    }
    if let Some(signature) = signatures::find(name) {
        return check_constant_arguments(name, signature.build(name, args, span)?);
    }
    let built = match name {
        "coalesce" | "nvl" | "ifnull" | "nvl2" | "if" | "nullif" | "greatest" | "least" | "isnull" | "isnotnull" => {
            conditional(name, args, span, budget)?
        }
        "try_add" | "try_subtract" if is_date_and_days(&args) => further::try_days(name, args, span)?,
        "log" | "ceil" | "ceiling" | "floor" | "mod" | "pmod" | "positive" | "try_add" | "try_subtract" | "try_multiply" | "try_divide" => {
            mathematical(name, args, span)?
        }
        "concat" | "concat_ws" | "trim" | "ltrim" | "rtrim" | "btrim" | "hex" => textual(name, args, span)?,
        "to_timestamp" | "to_date" | "unix_timestamp" | "to_unix_timestamp" | "from_unixtime" | "timestamp_seconds" | "date_part"
        | "datepart" => temporal(name, args, span)?,
        "named_struct" => named_struct(args, span)?,
        _ => match cast_function(name) {
            Some(target) => {
                let [arg] = exactly(name, args, span)?;
                explicit_cast(arg, &target, false, span)?
            }
            None => further::build(name, args, span, budget).unwrap_or_else(|| Err(unknown(name, span)))?,
        },
    };
    Ok(Expr { span, ..built })
}

fn is_date_and_days(args: &[Expr]) -> bool {
    matches!(args, [date, days] if date.data_type == DataType::Date && (is_integral(&days.data_type) || days.data_type == DataType::Null))
}

fn sign_of_interval(name: &str, mut args: Vec<Expr>, span: Span) -> Expr {
    let function = if name == "abs" { Function::Abs } else { Function::Negate };
    match (name, args.pop()) {
        ("positive", Some(interval)) => Expr { span, ..interval },
        ("sign" | "signum", Some(interval)) => {
            Expr { span, ..tree::call(Function::Sign, vec![cast(interval, &DataType::Double)], DataType::Double) }
        }
        (_, interval) => Expr { span, ..tree::call(function, interval.into_iter().collect(), DataType::Interval) },
    }
}

/// Names of the functions that are not of a fixed signature, for suggestions.
pub fn special_names() -> impl Iterator<Item = &'static str> {
    SPECIAL.iter().chain(further::NAMES).copied()
}

/// A function made by [`build`] under another name.
fn build_special(name: &str, args: Vec<Expr>, span: Span) -> Option<Result<Expr, SqlError>> {
    Some(temporal(name, args, span))
}

/// `timestampadd`, `timestampdiff` and their other names, with the unit as a string literal in front.
pub fn in_units(name: &str, unit: Expr, second: Expr, third: Expr, span: Span) -> Result<Expr, SqlError> {
    let planned = match name {
        "timestampdiff" | "timediff" | "datediff" | "date_diff" => moments::count_units(unit, second, third)?,
        _ => moments::add_units(unit, second, third)?,
    };
    Ok(Expr { span, ..planned })
}

fn exactly<const N: usize>(name: &str, args: Vec<Expr>, span: Span) -> Result<[Expr; N], SqlError> {
    let given = args.len();
    args.try_into().map_err(|_| match check_count(name, given, N, Some(N), span) {
        Err(error) => error,
        Ok(()) => SqlError::new(span, format!("`{name}` takes other arguments")),
    })
}

/// Scale of a rounding, number of a regular expression's group: Spark wants them constant where the type depends on them.
fn check_constant_arguments(name: &str, built: Expr) -> Result<Expr, SqlError> {
    if let ("round" | "bround", ExprNode::Call { args, .. }) = (name, &built.node)
        && let Some(scale) = args.get(1)
        && !matches!(scale.node, ExprNode::Literal(_))
    {
        return Err(SqlError::new(scale.span, format!("the scale of {name} must be a literal")));
    }
    check_pattern(&built)?;
    Ok(built)
}

/// Refuses a literal regular expression that is not one.
pub fn check_pattern(built: &Expr) -> Result<(), SqlError> {
    use crate::plan::TextFunction as T;
    let takes_pattern = |function: &Function| {
        matches!(
            function,
            Function::Rlike
                | Function::RegexpExtract
                | Function::RegexpReplace
                | Function::Text(T::RegexpCount | T::RegexpSubstr | T::RegexpInstr | T::RegexpExtractAll)
        )
    };
    if let ExprNode::Call { function, args } = &built.node
        && takes_pattern(function)
        && let Some(Expr { node: ExprNode::Literal(Value::String(pattern)), span, .. }) = args.get(1)
    {
        let checked = crate::java_regex::check(pattern);
        return checked.map_err(|reason| SqlError::new(*span, format!("the regular expression is not usable: {reason}")));
    }
    Ok(())
}

fn conditional(name: &str, args: Vec<Expr>, span: Span, budget: &Budget) -> Result<Expr, SqlError> {
    match name {
        "coalesce" | "nvl" | "ifnull" => {
            let (least, most) = if name == "coalesce" { (1, None) } else { (2, Some(2)) };
            check_count(name, args.len(), least, most, span)?;
            let (args, data_type) = unify(args, name)?;
            Ok(Expr { node: ExprNode::Coalesce(args), data_type, span })
        }
        "greatest" | "least" => {
            check_count(name, args.len(), 2, None, span)?;
            let (args, data_type) = unify(args, name)?;
            if !orderable(&data_type) {
                return Err(SqlError::new(span, "maps cannot be compared"));
            }
            let function = if name == "greatest" { Function::Greatest } else { Function::Least };
            Ok(tree::call(function, args, data_type))
        }
        "nvl2" => {
            let [test, present, absent] = exactly(name, args, span)?;
            choose(tree::not(tree::is_null(test)), present, absent, name)
        }
        "if" => {
            let [test, yes, no] = exactly(name, args, span)?;
            choose(coerce(test, &DataType::Boolean)?, yes, no, name)
        }
        "nullif" => {
            let [value, other] = exactly(name, args, span)?;
            nullif(value, other, budget)
        }
        "isnotnull" => Ok(tree::not(tree::is_null(exactly::<1>(name, args, span).map(|[arg]| arg)?))),
        _ => Ok(tree::is_null(exactly::<1>(name, args, span).map(|[arg]| arg)?)),
    }
}

fn choose(condition: Expr, yes: Expr, no: Expr, what: &str) -> Result<Expr, SqlError> {
    let span = condition.span;
    let (mut results, data_type) = unify(vec![yes, no], what)?;
    let otherwise = results.pop().map(Box::new);
    Ok(Expr {
        node: ExprNode::Case { branches: results.pop().map(|yes| (condition, yes)).into_iter().collect(), otherwise },
        data_type,
        span,
    })
}

/// NULL where both are equal: the result keeps the first one's type.
fn nullif(value: Expr, other: Expr, budget: &Budget) -> Result<Expr, SqlError> {
    let met = comparison_type(&value, &other)?;
    let data_type = value.data_type.clone();
    if met == data_type {
        return Ok(tree::call(Function::NullIf, vec![value, cast(other, &met)], data_type));
    }
    let equal = tree::call(Function::Equal, vec![cast(budget.copy(&value)?, &met), cast(other, &met)], DataType::Boolean);
    let span = value.span;
    let null = tree::literal(Value::Null, data_type.clone(), span);
    Ok(Expr { node: ExprNode::Case { branches: vec![(equal, null)], otherwise: Some(Box::new(value)) }, data_type, span })
}

/// The type in which two values are compared.
pub fn comparison_type(left: &Expr, right: &Expr) -> Result<DataType, SqlError> {
    compared(&left.data_type, &right.data_type).ok_or_else(|| {
        let span = super::error::join(left.span, right.span);
        SqlError::new(span, format!("{} and {} cannot be compared", left.data_type, right.data_type))
            .help("convert one of them with CAST(… AS …)")
    })
}

fn mathematical(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    match name {
        "log" => {
            check_count(name, args.len(), 1, Some(2), span)?;
            let function = if args.len() == 1 { Function::Ln } else { Function::Log };
            let args = args.into_iter().map(|arg| coerce(arg, &DataType::Double)).collect::<Result<Vec<_>, _>>()?;
            Ok(tree::call(function, args, DataType::Double))
        }
        "ceil" | "ceiling" | "floor" => {
            if args.len() == 2 {
                return further::to_scale(name == "floor", args, span);
            }
            let [arg] = exactly(name, args, span)?;
            let target = if is_integral(&arg.data_type) { DataType::BigInt } else { DataType::Double };
            let function = if name == "floor" { Function::Floor } else { Function::Ceil };
            Ok(tree::call(function, vec![coerce(arg, &target)?], DataType::BigInt))
        }
        "positive" => number(exactly::<1>(name, args, span).map(|[arg]| arg)?),
        _ => {
            let [left, right] = exactly(name, args, span)?;
            let function = match name {
                "mod" => Function::Remainder,
                "pmod" => Function::Pmod,
                "try_add" => Function::TryAdd,
                "try_subtract" => Function::TrySubtract,
                "try_multiply" => Function::TryMultiply,
                _ => Function::TryDivide,
            };
            arithmetic(function, left, right)
        }
    }
}

/// An arithmetic operator on numbers.
pub fn arithmetic(function: Function, left: Expr, right: Expr) -> Result<Expr, SqlError> {
    if let Some(planned) = intervals::arithmetic(function, &left, &right) {
        return planned;
    }
    let span = super::error::join(left.span, right.span);
    let both_text = left.data_type == DataType::String && right.data_type == DataType::String;
    let met = common_numeric(&left.data_type, &right.data_type).filter(|_| !both_text).ok_or_else(|| {
        let message = format!("there is no arithmetic between {} and {}", left.data_type, right.data_type);
        SqlError::new(span, message).help(match (&left.data_type, &right.data_type) {
            (DataType::Timestamp, _) | (_, DataType::Timestamp) => "add an interval: ts + INTERVAL 90 SECONDS",
            (DataType::Date, _) | (_, DataType::Date) => "date_add(d, days) adds days",
            _ => "convert with CAST(… AS …)",
        })
    })?;
    let met = match function {
        Function::Divide | Function::TryDivide => DataType::Double,
        Function::IntegerDivide if is_integral(&met) => DataType::BigInt,
        Function::IntegerDivide => {
            return Err(SqlError::new(span, format!("`div` takes whole numbers, not {met}")).help("use floor(a / b)"));
        }
        _ => met,
    };
    Ok(tree::call(function, vec![cast(left, &met), cast(right, &met)], met))
}

fn textual(name: &str, args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let texts = |args: Vec<Expr>| args.into_iter().map(|arg| coerce(arg, &DataType::String)).collect::<Result<Vec<Expr>, _>>();
    match name {
        "concat" => match binary::concat(&args) {
            Some(bytes) => Ok(bytes),
            None => Ok(tree::call(Function::Concat, texts(args)?, DataType::String)),
        },
        "concat_ws" => {
            check_count(name, args.len(), 1, None, span)?;
            Ok(tree::call(Function::ConcatWs, texts(args)?, DataType::String))
        }
        "hex" => {
            let [arg] = exactly(name, args, span)?;
            let target = if is_numeric(&arg.data_type) { DataType::BigInt } else { DataType::String };
            let arg = if is_numeric(&arg.data_type) { cast(arg, &target) } else { arg };
            Ok(tree::call(Function::Hex, vec![coerce(arg, &target)?], DataType::String))
        }
        _ => {
            check_count(name, args.len(), 1, Some(if name == "trim" { 1 } else { 2 }), span)?;
            let mut args = texts(args)?;
            // ltrim(characters, text), but btrim(text, characters).
            if name != "btrim" {
                args.reverse();
            }
            let function = match name {
                "ltrim" => Function::Ltrim,
                "rtrim" => Function::Rtrim,
                _ => Function::Trim,
            };
            Ok(tree::call(function, args, DataType::String))
        }
    }
}

fn temporal(name: &str, mut args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    if name == "unix_timestamp" && args.is_empty() {
        return Err(unknown("now", span).help("unix_timestamp(ts) gives the seconds of a column"));
    }
    if matches!(name, "date_part" | "datepart") {
        let [field, source] = exactly(name, args, span)?;
        if matches!(field.node, ExprNode::Literal(Value::Null)) {
            return Ok(tree::literal(Value::Null, DataType::Double, span));
        }
        let ExprNode::Literal(Value::String(field)) = &field.node else {
            return Err(SqlError::new(field.span, format!("the first argument of {name} must be a string literal")));
        };
        return extract(field, source, span);
    }
    check_count(name, args.len(), 1, Some(if name == "timestamp_seconds" { 1 } else { 2 }), span)?;
    let format = if args.len() == 2 { args.pop().map(|format| coerce(format, &DataType::String)).transpose()? } else { None };
    let [input] = exactly(name, args, span)?;
    match (name, format) {
        ("to_timestamp", Some(_)) if is_time(&input.data_type) => Ok(cast(input, &DataType::Timestamp)),
        ("to_date", Some(_)) if is_time(&input.data_type) => Ok(cast(input, &DataType::Date)),
        ("to_timestamp", None) => explicit_cast(input, &DataType::Timestamp, false, span),
        ("to_date", None) => explicit_cast(input, &DataType::Date, false, span),
        ("to_timestamp", Some(format)) => {
            Ok(tree::call(Function::ToTimestamp, vec![coerce(input, &DataType::String)?, format], DataType::Timestamp))
        }
        ("to_date", Some(format)) => Ok(tree::call(Function::ToDate, vec![coerce(input, &DataType::String)?, format], DataType::Date)),
        ("from_unixtime", format) => {
            let format = format.unwrap_or_else(|| tree::text("yyyy-MM-dd HH:mm:ss", span));
            let seconds = if is_numeric(&input.data_type) { cast(input, &DataType::BigInt) } else { coerce(input, &DataType::BigInt)? };
            Ok(tree::call(Function::FromUnixtime, vec![seconds, format], DataType::String))
        }
        ("timestamp_seconds", _) => {
            if !is_numeric(&input.data_type) && input.data_type != DataType::Null {
                return Err(SqlError::new(input.span, format!("this is {}, but a number is needed here", with_article(&input.data_type))));
            }
            let target = if is_integral(&input.data_type) { DataType::BigInt } else { DataType::Double };
            Ok(tree::call(Function::TimestampSeconds, vec![coerce(input, &target)?], DataType::Timestamp))
        }
        (_, format) if input.data_type == DataType::String => {
            let format = format.unwrap_or_else(|| tree::text("yyyy-MM-dd HH:mm:ss", span));
            Ok(tree::call(Function::UnixTimestamp, vec![input, format], DataType::BigInt))
        }
        (_, _) => Ok(tree::call(Function::UnixTimestamp, vec![coerce(input, &DataType::Timestamp)?], DataType::BigInt)),
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date | DataType::Timestamp)
}

/// `EXTRACT(field FROM source)`.
pub fn extract(field: &str, source: Expr, span: Span) -> Result<Expr, SqlError> {
    if source.data_type == DataType::Interval {
        return intervals::extract(field, source, span);
    }
    let function = match field.to_ascii_lowercase().as_str() {
        "year" | "y" | "years" | "yr" | "yrs" => "year",
        "quarter" | "qtr" => "quarter",
        "month" | "mon" | "mons" | "months" => "month",
        "week" | "w" | "weeks" => "weekofyear",
        "day" | "d" | "days" => "day",
        "dayofweek" | "dow" => "dayofweek",
        "doy" => "dayofyear",
        "hour" | "h" | "hours" | "hr" | "hrs" => "hour",
        "minute" | "m" | "min" | "mins" | "minutes" => "minute",
        "second" | "s" | "sec" | "seconds" | "secs" => return time_field(TimeFunction::SecondsOf, source, DataType::Double),
        "yearofweek" => return time_field(TimeFunction::YearOfWeek, source, DataType::Int),
        "dayofweek_iso" | "dow_iso" => return time_field(TimeFunction::DayOfWeekIso, source, DataType::Int),
        other => {
            return Err(SqlError::new(span, format!("`{other}` is no part of a time")).help("YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, …"));
        }
    };
    match signatures::find(function) {
        Some(signature) => signature.build(function, vec![source], span),
        None => Err(unknown(function, span)),
    }
}

fn time_field(function: TimeFunction, source: Expr, data_type: DataType) -> Result<Expr, SqlError> {
    let target = if function == TimeFunction::SecondsOf { DataType::Timestamp } else { DataType::Date };
    Ok(further::time_call(function, vec![coerce(source, &target)?], data_type))
}

fn named_struct(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let wrong = || SqlError::new(span, "`named_struct` takes names and values in turn").help("named_struct('a', 1, 'b', 2)");
    let mut fields = Vec::new();
    let mut values = Vec::new();
    let mut args = args.into_iter();
    while let Some(name) = args.next() {
        let ExprNode::Literal(Value::String(name)) = name.node else { return Err(wrong()) };
        let value = args.next().ok_or_else(wrong)?;
        fields.push(Field::new(name, value.data_type.clone()));
        values.push(value);
    }
    if fields.is_empty() { Err(wrong()) } else { Ok(tree::call(Function::MakeStruct, values, DataType::Struct(fields))) }
}

fn cast_function(name: &str) -> Option<DataType> {
    Some(match name {
        "string" => DataType::String,
        "int" => DataType::Int,
        "bigint" => DataType::BigInt,
        "float" => DataType::Float,
        "double" => DataType::Double,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp,
        "binary" => DataType::Binary,
        _ => return None,
    })
}

/// Whether a key of a map could become NULL.
fn may_lose_keys(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Map(k, v), DataType::Map(l, w)) => k != l && **l != DataType::String || may_lose_keys(v, w),
        (DataType::Array(a), DataType::Array(b)) => may_lose_keys(a, b),
        (DataType::Struct(a), DataType::Struct(b)) => a.iter().zip(b).any(|(a, b)| may_lose_keys(&a.data_type, &b.data_type)),
        _ => false,
    }
}

/// `CAST(input AS target)`; `fallible` is try_cast.
pub fn explicit_cast(input: Expr, target: &DataType, fallible: bool, span: Span) -> Result<Expr, SqlError> {
    if !castable(&input.data_type, target) || fallible && may_lose_keys(&input.data_type, target) {
        let error = SqlError::new(span, format!("{} cannot be cast to {target}", input.data_type));
        return Err(match (&input.data_type, target) {
            (DataType::Date, number) if is_numeric(number) => error.help("unix_seconds(d) gives seconds since 1970"),
            _ => error,
        });
    }
    if !fallible || input.data_type == *target {
        return Ok(cast(input, target));
    }
    Ok(Expr { node: ExprNode::Cast { input: Box::new(input), fallible: true }, data_type: target.clone(), span })
}
