//! What a join's conditions say about the distance of its two event times.

use crate::plan::{Expr, ExprNode, Function, JoinTime};
use crate::types::{DataType, Value};

/// The bounds that `conditions`, over the left columns followed by the right ones, put on the times of matching rows. `left` and `right`
/// say which columns are event time. `None` where they compare no two event times.
pub fn bounds(left: &[bool], right: &[bool], conditions: &[Expr]) -> Option<JoinTime> {
    let mut found: Option<JoinTime> = None;
    for condition in conditions {
        let Some(bound) = bound(left, right, condition) else { continue };
        match &mut found {
            None => found = Some(bound),
            Some(known) if (known.left, known.right) == (bound.left, bound.right) => {
                known.min_us = known.min_us.max(bound.min_us);
                known.max_us = match (known.max_us, bound.max_us) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
            Some(_) => {}
        }
    }
    found
}

/// A time column plus a constant.
struct Moment {
    column: usize,
    offset_us: i64,
}

fn bound(left: &[bool], right: &[bool], condition: &Expr) -> Option<JoinTime> {
    let ExprNode::Call { function, args } = &condition.node else { return None };
    let [a, b] = &args[..] else { return None };
    let is_time = |index: usize| left.iter().chain(right).nth(index).is_some_and(|is_time| *is_time);
    let (a, b) = (moment(a).filter(|a| is_time(a.column))?, moment(b).filter(|b| is_time(b.column))?);
    let width = left.len();
    // `a op b` as `right - left op distance`.
    let (l, r, distance, mirrored) = match (a.column < width, b.column < width) {
        (false, true) => (b.column, a.column, b.offset_us.checked_sub(a.offset_us)?, false),
        (true, false) => (a.column, b.column, a.offset_us.checked_sub(b.offset_us)?, true),
        _ => return None,
    };
    let (min_us, max_us) = match (function, mirrored) {
        (Function::Equal, _) => (Some(distance), Some(distance)),
        (Function::LessEqual, false) | (Function::GreaterEqual, true) => (None, Some(distance)),
        (Function::GreaterEqual, false) | (Function::LessEqual, true) => (Some(distance), None),
        (Function::Less, false) | (Function::Greater, true) => (None, Some(distance.saturating_sub(1))),
        (Function::Greater, false) | (Function::Less, true) => (Some(distance.saturating_add(1)), None),
        _ => return None,
    };
    Some(JoinTime { left: l, right: r - width, min_us, max_us })
}

fn moment(expr: &Expr) -> Option<Moment> {
    match &expr.node {
        ExprNode::Column(column) if expr.data_type == DataType::Timestamp => Some(Moment { column: *column, offset_us: 0 }),
        ExprNode::Call { function: function @ (Function::AddMicros | Function::Add | Function::Subtract), args } => {
            let offset = match &args[1].node {
                ExprNode::Literal(Value::BigInt(micros) | Value::Interval(micros)) => *micros,
                _ => return None,
            };
            let offset = if *function == Function::Subtract { offset.checked_neg()? } else { offset };
            let inner = moment(&args[0])?;
            Some(Moment { offset_us: inner.offset_us.checked_add(offset)?, ..inner })
        }
        _ => None,
    }
}
