//! Operators that join, multiply or number rows, for people.

use super::explain::{call, show};
use crate::plan::{
    Expr, Frame, FrameBound, Generator, Join, JoinKind, OverCall, OverFunction, Relation, SortKey, StateFunction, Timeout, WindowSpec,
};
use crate::types::Field;
use crate::types::duration::show_duration;

/// `LEFT JOIN`'s line: its kind, keys, condition and time bounds.
pub fn join(join: &Join) -> String {
    let kind = match join.kind {
        JoinKind::Inner => "inner",
        JoinKind::Left => "left",
        JoinKind::Right => "right",
        JoinKind::Full => "full",
        JoinKind::LeftSemi => "left semi",
        JoinKind::LeftAnti => "left anti",
        JoinKind::Cross => "cross",
    };
    let (left, right) = (join.left.schema(), join.right.schema());
    let mut parts: Vec<String> = join
        .keys
        .iter()
        .map(|key| format!("{} {} {}", show(&key.left, &left), if key.null_safe { "<=>" } else { "=" }, show(&key.right, &right)))
        .collect();
    let both: Vec<Field> = left.into_iter().chain(right).collect();
    parts.extend(join.condition.iter().map(|condition| show(condition, &both)));
    if let Some(time) = join.time {
        let bound = |bound: Option<i64>, none: &str| bound.map_or(none.to_string(), signed_duration);
        parts.push(format!("the right time less the left from {} to {}", bound(time.min_us, "-∞"), bound(time.max_us, "∞")));
    }
    format!("{kind}{}{}", if parts.is_empty() { "" } else { ": " }, parts.join(", "))
}

fn signed_duration(micros: i64) -> String {
    let length = show_duration(micros.saturating_abs());
    if micros < 0 { format!("-{length}") } else { length }
}

pub fn generate(generator: &Generator, outer: bool, columns: &[Field], names: &[Field]) -> String {
    let made = match generator {
        Generator::Explode(input) => format!("explode({})", show(input, names)),
        Generator::PosExplode(input) => format!("posexplode({})", show(input, names)),
        Generator::Inline(input) => format!("inline({})", show(input, names)),
        Generator::Stack(rows) => format!("stack of {} rows", rows.len()),
        Generator::Windows(spec) => format!("windows of {}", window(spec, names)),
    };
    let columns: Vec<&str> = columns.iter().map(|field| field.name.as_str()).collect();
    format!("{made} AS {}{}", columns.join(", "), if outer { ", NULL where there is none" } else { "" })
}

/// The length of a window, its slide and start.
pub fn window(spec: &WindowSpec, names: &[Field]) -> String {
    let mut text = format!("{} of {}", show_duration(spec.size_us), show(&spec.time, names));
    if spec.slide_us != spec.size_us {
        text.push_str(&format!(", sliding by {}", show_duration(spec.slide_us)));
    }
    if spec.offset_us != 0 {
        text.push_str(&format!(", starting at {}", signed_duration(spec.offset_us)));
    }
    text
}

/// How many rows each row becomes, and as which columns.
pub fn expand(projections: &[Vec<Expr>], columns: &[Field]) -> String {
    let columns: Vec<&str> = columns.iter().map(|field| field.name.as_str()).collect();
    format!("{} rows of each: {}", projections.len(), columns.join(", "))
}

pub fn sort_keys(by: &[SortKey], names: &[Field]) -> String {
    let keys = by.iter().map(|key| format!("{}{}", show(&key.expr, names), if key.descending { " descending" } else { "" }));
    keys.collect::<Vec<_>>().join(", ")
}

pub fn over(relation: &Relation, names: &[Field]) -> String {
    let Relation::Over { partition, order, calls, .. } = relation else { return String::new() };
    let mut text = calls.iter().map(|call| over_call(call, names)).collect::<Vec<_>>().join(", ");
    if !partition.is_empty() {
        text.push_str(&format!(" by {}", partition.iter().map(|key| show(key, names)).collect::<Vec<_>>().join(", ")));
    }
    if !order.is_empty() {
        text.push_str(&format!(" in order of {}", sort_keys(order, names)));
    }
    text
}

fn over_call(over: &OverCall, names: &[Field]) -> String {
    let called = match &over.function {
        OverFunction::Aggregate(aggregate) => call(aggregate, names),
        function => {
            let args: Vec<String> = over.args.iter().map(|arg| show(arg, names)).collect();
            format!("{}({})", super::explain::snake_case(&format!("{function:?}")), args.join(", "))
        }
    };
    format!("{called}{}", frame(&over.frame, names))
}

fn frame(frame: &Frame, names: &[Field]) -> String {
    let bound = |bound: &FrameBound| match bound {
        FrameBound::UnboundedPreceding => "the first".to_string(),
        FrameBound::UnboundedFollowing => "the last".to_string(),
        FrameBound::CurrentRow => "this".to_string(),
        FrameBound::Preceding(distance) => format!("{} before", show(distance, names)),
        FrameBound::Following(distance) => format!("{} after", show(distance, names)),
    };
    let unit = if frame.rows { "rows" } else { "range" };
    format!(" over the {unit} from {} to {}", bound(&frame.start), bound(&frame.end))
}

/// `update in alarms.rhai for each device, timeouts in event time`
pub fn state_function(function: &StateFunction, names: &[Field]) -> String {
    let keys: Vec<&str> = function.keys.iter().filter_map(|key| names.get(*key)).map(|field| field.name.as_str()).collect();
    let timeouts = match function.timeout {
        Timeout::None => "without timeouts",
        Timeout::EventTime => "timeouts in event time",
        Timeout::ProcessingTime => "timeouts in processing time",
    };
    format!("{} in {} for each {}, {timeouts}", function.function, function.script.place(None), keys.join(", "))
}
