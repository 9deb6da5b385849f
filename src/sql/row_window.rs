//! `session_window(time, gap)` by Spark's rules, and the windows that are Tidemill's own: `local_window`, `count_window`, `state_window`.

use super::coerce::{cast, coerce, with_article};
use super::error::SqlError;
use super::signatures::check_count;
use super::window::{WINDOWS_PER_ROW_MAX, window_input};
use super::{optimize, tree};
use crate::plan::{CountWindow, Expr, ExprNode, Function, GroupKey, LocalWindow, OutputMode, Relation, Session, Span, StateWindow};
use crate::types::duration::{Interval, parse_duration, parse_interval};
use crate::types::{DataType, Value, window_type};

const DAY_US: i64 = 86_400_000_000;

/// Longest window of a calendar: 1,000 years.
const LOCAL_DAYS_MAX: i64 = 366_000;
const LOCAL_MONTHS_MAX: i64 = 12_000;

/// Rows of one count window.
const COUNT_MAX: i64 = 1_000_000_000;

/// The call `session_window(time, gap)`. A gap that is no length of time is no error: the rows vanish.
pub fn session(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("session_window", args.len(), 2, Some(2), span).map_err(|error| error.help("session_window(ts, '5 minutes')"))?;
    let [time, gap] = two(args, span)?;
    let gap = match &gap.data_type {
        DataType::String => gap,
        DataType::Null => cast(gap, &DataType::String),
        other => {
            let message = format!("the gap of session_window is text, but this is {}", with_article(other));
            return Err(
                SqlError::new(gap.span, message).help("as in session_window(ts, '5 minutes'), or an expression that yields such text")
            );
        }
    };
    Ok(call(Function::SessionWindowOf, vec![window_input(time)?, gap], span))
}

/// The call `local_window(time, length, zone[, start])`.
pub fn local(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    check_count("local_window", args.len(), 3, Some(4), span).map_err(|error| error.help("local_window(ts, '1 day', 'Europe/Berlin')"))?;
    let mut args = args.into_iter();
    let Some(time) = args.next() else { return Err(SqlError::new(span, "local_window needs a time")) };
    let literals: Vec<Expr> = args.collect();
    let (days, months) = calendar_length(&literals[0])?;
    let zone = text(&literals[1], "the time zone")?;
    if jiff::tz::TimeZone::get(zone).is_err() {
        return Err(SqlError::new(literals[1].span, format!("'{zone}' is not a time zone that this system knows"))
            .help("give an IANA name such as 'Europe/Berlin'; the system's tzdata has to be installed"));
    }
    let offset = literals.get(2).map_or(Ok(0), start)?;
    let numbers = [days, months, offset].map(|number| tree::bigint(number, span));
    let zone = literals[1].clone();
    let args = std::iter::once(window_input(time)?).chain(numbers).chain([zone]).collect();
    Ok(call(Function::LocalWindowOf, args, span))
}

/// Whole days, weeks, months or years: days and months.
fn calendar_length(arg: &Expr) -> Result<(i64, i64), SqlError> {
    let written = text(arg, "the length of a local window")?;
    let Interval { months, micros } = parse_interval(written).map_err(|message| SqlError::new(arg.span, message))?;
    let days = micros / DAY_US;
    let whole = micros % DAY_US == 0 && (days > 0) != (months > 0) && days >= 0 && months >= 0;
    if !whole || days > LOCAL_DAYS_MAX || months > LOCAL_MONTHS_MAX {
        return Err(SqlError::new(arg.span, format!("'{written}' is not so many days, weeks, months or years"))
            .help("'1 day', '1 week', '1 month', '3 months'; shorter windows are window(ts, '1 hour')"));
    }
    Ok((days, months))
}

fn start(arg: &Expr) -> Result<i64, SqlError> {
    let written = text(arg, "the start of a local window")?;
    match parse_interval(written) {
        Ok(Interval { months: 0, micros }) if micros.abs() < DAY_US => Ok(micros),
        Ok(_) => Err(SqlError::new(arg.span, "the start of a local window must be shorter than a day").help("'6 hours': from 06:00 on")),
        Err(message) => Err(SqlError::new(arg.span, message)),
    }
}

/// The call `count_window(size[, every])`.
pub fn count(args: &[Expr], span: Span) -> Result<Expr, SqlError> {
    check_count("count_window", args.len(), 1, Some(2), span).map_err(|error| error.help("count_window(10) or count_window(10, 1)"))?;
    let size = rows(&args[0])?;
    let every = args.get(1).map_or(Ok(size), rows)?;
    if every > size {
        return Err(SqlError::new(args[1].span, "the step of count_window is greater than its size: rows between would belong to none"));
    }
    if size / common_divisor(size, every) > WINDOWS_PER_ROW_MAX {
        return Err(SqlError::new(span, format!("count_window holds more than {WINDOWS_PER_ROW_MAX} blocks of its step"))
            .help("choose a step that divides the size, and at least a 10,000th of it"));
    }
    Ok(call(Function::CountWindowOf, vec![tree::bigint(size, span), tree::bigint(every, span)], span))
}

fn common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn rows(arg: &Expr) -> Result<i64, SqlError> {
    let number = match arg.node {
        ExprNode::Literal(Value::Int(number)) => i64::from(number),
        ExprNode::Literal(Value::BigInt(number)) => number,
        _ => 0,
    };
    if (1..=COUNT_MAX).contains(&number) {
        return Ok(number);
    }
    Err(SqlError::new(arg.span, format!("count_window takes whole numbers from 1 to {COUNT_MAX}")).help("as in count_window(10)"))
}

/// The call `state_window(begin, end[, timeout])`.
pub fn state(args: Vec<Expr>, span: Span) -> Result<Expr, SqlError> {
    let help = "state_window(power > 5, power <= 5) or state_window(door = 'open', door = 'closed', '1 hour')";
    check_count("state_window", args.len(), 2, Some(3), span).map_err(|error| error.help(help))?;
    let timeout = match args.get(2) {
        None => tree::literal(Value::Null, DataType::BigInt, span),
        Some(arg) => {
            let written = text(arg, "the timeout of state_window")?;
            tree::bigint(parse_duration(written).map_err(|message| SqlError::new(arg.span, message))?, arg.span)
        }
    };
    let [begin, end] = two(args, span)?;
    let condition = |arg: Expr| {
        if matches!(arg.data_type, DataType::Boolean | DataType::Null) {
            return coerce(arg, &DataType::Boolean);
        }
        let message = format!("state_window takes conditions, but this is {}", with_article(&arg.data_type));
        Err(SqlError::new(arg.span, message).help(help))
    };
    Ok(call(Function::StateWindowOf, vec![condition(begin)?, condition(end)?, timeout], span))
}

fn two(args: Vec<Expr>, span: Span) -> Result<[Expr; 2], SqlError> {
    let mut args = args.into_iter();
    match (args.next(), args.next()) {
        (Some(first), Some(second)) => Ok([first, second]),
        _ => Err(SqlError::new(span, "two arguments are missing")),
    }
}

fn text<'e>(arg: &'e Expr, what: &str) -> Result<&'e str, SqlError> {
    match &arg.node {
        ExprNode::Literal(Value::String(text)) => Ok(text),
        _ => Err(SqlError::new(arg.span, format!("{what} is a string literal"))),
    }
}

fn call(function: Function, args: Vec<Expr>, span: Span) -> Expr {
    Expr { span, ..tree::call(function, args, window_type()) }
}

/// The group key over `input` that such a call is. Count and state windows take their bounds from the event time.
pub fn group_key(expr: &Expr, input: &Relation) -> Option<GroupKey> {
    let ExprNode::Call { function, args } = &expr.node else { return None };
    let name = super::window::name_of(expr)?.to_string();
    let number = |index: usize| match args.get(index).map(|arg| &arg.node) {
        Some(ExprNode::Literal(Value::BigInt(number))) => Some(*number),
        _ => None,
    };
    match function {
        Function::SessionWindowOf => Some(GroupKey::Session(Session { name, time: args[0].clone(), gap: args[1].clone() })),
        Function::LocalWindowOf => Some(GroupKey::LocalWindow(LocalWindow {
            name,
            time: args[0].clone(),
            days: u32::try_from(number(1)?).ok()?,
            months: u32::try_from(number(2)?).ok()?,
            offset_us: number(3)?,
            zone: text(&args[4], "the time zone").ok()?.to_owned(),
        })),
        Function::CountWindowOf => {
            let [size, every] = [number(0)?, number(1)?].map(i64::unsigned_abs);
            Some(GroupKey::CountWindow(CountWindow { name, time: event_time(input, expr.span), size, every }))
        }
        Function::StateWindowOf => Some(GroupKey::StateWindow(StateWindow {
            name,
            time: event_time(input, expr.span),
            begin: args[0].clone(),
            end: args[1].clone(),
            timeout_us: number(2),
        })),
        _ => None,
    }
}

/// The column that the watermark is on: the first of them.
fn event_time(input: &Relation, span: Span) -> Option<Expr> {
    let fields = input.schema();
    let is_time = |index: &usize| fields[*index].data_type == DataType::Timestamp;
    let marked = input.event_time_columns();
    let index = (0..fields.len()).filter(|index| marked[*index]).find(is_time)?;
    Some(tree::column(index, DataType::Timestamp, span))
}

/// The window in an aggregation's keys whose bounds the rows decide.
pub fn in_keys(relation: &Relation) -> Option<&GroupKey> {
    let Relation::Aggregate { keys, .. } = relation else { return None };
    keys.iter().find(|key| matches!(key, GroupKey::Session(_) | GroupKey::CountWindow(_) | GroupKey::StateWindow(_)))
}

/// What a stream's output mode asks of such an aggregation.
pub fn check(relation: &Relation, mode: OutputMode, span: Span) -> Result<(), SqlError> {
    let (Some(key), Relation::Aggregate { input, keys, .. }) = (in_keys(relation), relation) else { return Ok(()) };
    let name = key.field().name;
    let is_session = matches!(key, GroupKey::Session(_));
    if mode == OutputMode::Update || mode == OutputMode::Complete && !is_session {
        let message = format!("{name} does not work in {} mode", if mode == OutputMode::Update { "update" } else { "complete" });
        return Err(SqlError::new(span, message).help("its windows come out once, when they close: use mode = \"append\""));
    }
    if mode == OutputMode::Complete && optimize::has_aggregate(input) {
        return Err(SqlError::new(span, "an aggregation over another works in append mode only: the inner one's rows would be revised"));
    }
    if is_session && keys.len() == 1 {
        let message = "session_window in a stream needs another key beside it, as in Spark";
        return Err(SqlError::new(span, message).help("add the device to GROUP BY"));
    }
    if mode == OutputMode::Append && is_session && !relation.event_time_columns().contains(&true) {
        let message = "session_window in append mode needs a watermark on its time: without one no session is ever complete";
        return Err(
            SqlError::new(span, message).help("set `watermark` on the source, or write FROM r WATERMARK ts DELAY OF INTERVAL 10 SECONDS")
        );
    }
    if let GroupKey::StateWindow(StateWindow { time: None, timeout_us: Some(_), .. }) = key {
        return Err(SqlError::new(span, "the timeout of state_window needs an event time with a watermark")
            .help("select the source's event time in the subquery"));
    }
    Ok(())
}
