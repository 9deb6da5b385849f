//! `window(time, size[, slide[, start]])` by Spark's rules.

use sqlparser::ast;

use super::coerce::{cast, with_article};
use super::error::SqlError;
use super::signatures::check_count;
use super::{row_window, tree};
use crate::plan::{Expr, ExprNode, Function, GroupKey, Relation, Span, WindowSpec};
use crate::types::duration::{Interval, parse_duration, parse_interval};
use crate::types::{DataType, Value, window_type};

/// Windows that one row may fall into.
pub const WINDOWS_PER_ROW_MAX: i64 = 10_000;

/// Longest window, µs: about 3,000 years.
const SIZE_MAX_US: i64 = 100_000_000_000_000_000;

/// The call `window(...)`: [`Function::WindowOf`] of the time and three literal lengths.
pub fn build(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("window", args.len(), 2, Some(4), span)
        .map_err(|error| error.help("window(ts, '1 minute') or window(ts, '10 minutes', '1 minute')"))?;
    let mut args = args.into_iter();
    let Some(time) = args.next() else { return Err(SqlError::new(span, "window needs a time")) };
    let time = window_input(time)?;
    let lengths: Vec<Expr> = args.collect();
    let size = length(&lengths[0])?;
    let slide = lengths.get(1).map_or(Ok(size), length)?;
    let offset = lengths.get(2).map_or(Ok(0), offset)?;
    if slide > size {
        let message = "the slide of the window is longer than the window: rows between two windows would belong to none";
        return Err(SqlError::new(lengths.get(1).map_or(span, |slide| slide.span), message));
    }
    if offset.checked_abs().is_none_or(|offset| offset >= slide) {
        return Err(SqlError::new(
            lengths.get(2).map_or(span, |offset| offset.span),
            "the start of the window must be shorter than its slide",
        ));
    }
    if size > SIZE_MAX_US || size / slide > WINDOWS_PER_ROW_MAX {
        return Err(SqlError::new(
            span,
            format!("a row would fall into more than {WINDOWS_PER_ROW_MAX} windows, or the window is too long"),
        ));
    }
    let lengths = [size, slide, offset].map(|length| tree::bigint(length, span));
    let args = std::iter::once(time).chain(lengths).collect();
    Ok(Expr { span, ..tree::call(Function::WindowOf, args, window_type()) })
}

/// The time that is grouped: a TIMESTAMP, what becomes one, or an earlier window, which stands for its [`Function::WindowTime`].
pub fn window_input(time: Expr) -> Result<Expr, SqlError> {
    match &time.data_type {
        data_type if *data_type == window_type() => Ok(tree::call(Function::WindowTime, vec![time], DataType::Timestamp)),
        DataType::Timestamp | DataType::Date | DataType::String | DataType::Null => Ok(cast(time, &DataType::Timestamp)),
        other => {
            let error = SqlError::new(time.span, format!("a window groups by a TIMESTAMP, but this is {}", with_article(other)));
            Err(match other {
                DataType::Int | DataType::BigInt => error.help("timestamp_millis(x) makes a TIMESTAMP of milliseconds since 1970"),
                _ => error,
            })
        }
    }
}

fn length(arg: &Expr) -> Result<i64, SqlError> {
    match &arg.node {
        ExprNode::Literal(Value::String(text)) => parse_duration(text).map_err(|message| SqlError::new(arg.span, message)),
        ExprNode::Literal(Value::Int(micros)) if *micros > 0 => Ok(i64::from(*micros)),
        ExprNode::Literal(Value::BigInt(micros)) if *micros > 0 => Ok(*micros),
        _ => Err(not_literal(arg)),
    }
}

fn offset(arg: &Expr) -> Result<i64, SqlError> {
    match &arg.node {
        ExprNode::Literal(Value::String(text)) => match parse_interval(text) {
            Ok(Interval { months: 0, micros }) => Ok(micros),
            Ok(_) => Err(SqlError::new(arg.span, "the start of a window cannot be months or years")),
            Err(message) => Err(SqlError::new(arg.span, message)),
        },
        ExprNode::Literal(Value::Int(micros)) => Ok(i64::from(*micros)),
        ExprNode::Literal(Value::BigInt(micros)) => Ok(*micros),
        _ => Err(not_literal(arg)),
    }
}

fn not_literal(arg: &Expr) -> SqlError {
    SqlError::new(arg.span, "a window's length is a string literal above zero").help("as in window(ts, '1 minute')")
}

/// The functions that make windows. The last three are Tidemill's own.
pub const NAMES: [&str; 5] = ["window", "session_window", "local_window", "count_window", "state_window"];

/// The name of the window function that is called, if it is one.
pub fn called(function: &ast::Function) -> Option<&'static str> {
    let name = function.name.to_string();
    NAMES.into_iter().find(|known| name.eq_ignore_ascii_case(known))
}

/// The name of the window that this call makes; `None` where it makes none.
pub fn name_of(expr: &Expr) -> Option<&'static str> {
    let ExprNode::Call { function, .. } = &expr.node else { return None };
    Some(match function {
        Function::WindowOf => "window",
        Function::SessionWindowOf => "session_window",
        Function::LocalWindowOf => "local_window",
        Function::CountWindowOf => "count_window",
        Function::StateWindowOf => "state_window",
        _ => return None,
    })
}

/// Whether this is a call that makes a window.
pub fn is_window(expr: &Expr) -> bool {
    name_of(expr).is_some()
}

/// Whether a call of `window(...)` gives one window a row.
pub fn is_tumbling(expr: &Expr) -> bool {
    lengths(expr).is_some_and(|(size, slide, _)| size == slide)
}

fn lengths(expr: &Expr) -> Option<(i64, i64, i64)> {
    let ExprNode::Call { function: Function::WindowOf, args } = &expr.node else { return None };
    match [&args[1].node, &args[2].node, &args[3].node] {
        [ExprNode::Literal(Value::BigInt(size)), ExprNode::Literal(Value::BigInt(slide)), ExprNode::Literal(Value::BigInt(offset))] => {
            Some((*size, *slide, *offset))
        }
        _ => None,
    }
}

/// The windows that a call of `window(...)` means.
pub fn spec_of(expr: &Expr) -> Option<WindowSpec> {
    let (size_us, slide_us, offset_us) = lengths(expr)?;
    let ExprNode::Call { args, .. } = &expr.node else { return None };
    Some(WindowSpec { name: "window".to_string(), time: args[0].clone(), size_us, slide_us, offset_us })
}

/// The group key over `input` that a call of `window(...)` or its like in GROUP BY is.
pub fn group_key(expr: &Expr, input: &Relation) -> Option<GroupKey> {
    row_window::group_key(expr, input).or_else(|| spec_of(expr).map(GroupKey::Window))
}
