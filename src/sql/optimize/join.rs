//! Conditions at a join: which go to a side, which become keys, which kind of join is left.

use super::sink::sink as sink_into;
use super::tree;
use crate::plan::{Expr, ExprNode, Function, Join, JoinKind};
use crate::sql::join::{Side, side_of, split_keys};
use crate::types::Value;

/// The join with the conditions above it and its own moved as far down as they go; those that must stay above.
pub fn sink(join: Join, conditions: Vec<Expr>) -> (Join, Vec<Expr>) {
    use JoinKind::{Cross, Full, Inner, Left, LeftAnti, LeftSemi, Right};
    let width = join.left.schema().len();
    let kind = strengthened(join.kind, &conditions, width);
    let (mut to_left, mut to_right, mut on, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        match (side_of(&condition, width), kind) {
            (Side::Left, Inner | Cross | Left | LeftSemi | LeftAnti) => to_left.push(condition),
            (Side::Right, Inner | Cross | Right) => to_right.push(shifted(condition, width)),
            (Side::Both, Inner | Cross) => on.push(condition),
            _ => above.push(condition),
        }
    }
    let mut own = Vec::new();
    if let Some(condition) = join.condition {
        tree::conjuncts(condition, &mut own);
    }
    for condition in own {
        match (side_of(&condition, width), kind) {
            (Side::Left, Inner | Cross | Right | LeftSemi) => to_left.push(condition),
            (Side::Right, Inner | Cross | Left | LeftSemi | LeftAnti) => to_right.push(shifted(condition, width)),
            _ => on.push(condition),
        }
    }
    let (found, rest) = split_keys(on, width);
    let keys: Vec<_> = join.keys.into_iter().chain(found).collect();
    // As Spark infers it: the rows without a key are gone below the watermark.
    for key in keys.iter().filter(|key| !key.null_safe) {
        if matches!(kind, Inner | LeftSemi | Right) && join.left.has_watermark() {
            to_left.push(tree::not(tree::is_null(key.left.clone())));
        }
        if matches!(kind, Inner | LeftSemi | Left | LeftAnti) && join.right.has_watermark() {
            to_right.push(tree::not(tree::is_null(key.right.clone())));
        }
    }
    let condition = (!rest.is_empty()).then(|| tree::chain(rest, false));
    let kind = match kind {
        Inner | Cross if keys.is_empty() && condition.is_none() => Cross,
        Cross => Inner,
        kind @ (Inner | Left | Right | Full | LeftSemi | LeftAnti) => kind,
    };
    let (left, right) = (Box::new(sink_into(*join.left, to_left)), Box::new(sink_into(*join.right, to_right)));
    (Join { left, right, kind, keys, condition, ..join }, above)
}

fn shifted(mut condition: Expr, width: usize) -> Expr {
    tree::shift_columns(&mut condition, width);
    condition
}

/// An outer join whose padded rows a condition above removes anyway is none.
fn strengthened(kind: JoinKind, conditions: &[Expr], width: usize) -> JoinKind {
    let rejects = |side: Side| conditions.iter().any(|condition| never_true(condition, &|index| (index < width) == (side == Side::Left)));
    match kind {
        JoinKind::Left if rejects(Side::Right) => JoinKind::Inner,
        JoinKind::Right if rejects(Side::Left) => JoinKind::Inner,
        JoinKind::Full => match (rejects(Side::Left), rejects(Side::Right)) {
            (true, true) => JoinKind::Inner,
            (true, false) => JoinKind::Left,
            (false, true) => JoinKind::Right,
            (false, false) => JoinKind::Full,
        },
        kind => kind,
    }
}

/// Whether a condition cannot be TRUE where the columns that `absent` names are all NULL.
fn never_true(condition: &Expr, absent: &impl Fn(usize) -> bool) -> bool {
    match &condition.node {
        ExprNode::And(a, b) => never_true(a, absent) || never_true(b, absent),
        ExprNode::Or(a, b) => never_true(a, absent) && never_true(b, absent),
        ExprNode::Not(inner) => match &inner.node {
            ExprNode::IsNull(tested) => is_null(tested, absent),
            _ => is_null(inner, absent),
        },
        _ => is_null(condition, absent),
    }
}

/// Whether an expression is NULL where the columns that `absent` names are.
fn is_null(expr: &Expr, absent: &impl Fn(usize) -> bool) -> bool {
    match &expr.node {
        ExprNode::Column(index) => absent(*index),
        ExprNode::Literal(value) => *value == Value::Null,
        ExprNode::Cast { input, .. } | ExprNode::Not(input) | ExprNode::Member { input, .. } | ExprNode::InList { input, .. } => {
            is_null(input, absent)
        }
        ExprNode::Call { function, args } if is_strict(*function) => args.iter().any(|arg| is_null(arg, absent)),
        _ => false,
    }
}

/// Functions that are NULL where an argument is; there are more.
fn is_strict(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::Add
            | F::Subtract
            | F::Multiply
            | F::Divide
            | F::IntegerDivide
            | F::Remainder
            | F::Negate
            | F::Abs
            | F::Equal
            | F::NotEqual
            | F::Less
            | F::LessEqual
            | F::Greater
            | F::GreaterEqual
            | F::Like
            | F::Rlike
            | F::Upper
            | F::Lower
            | F::Length
            | F::AddMicros
    )
}
