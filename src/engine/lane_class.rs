//! How arguments are accumulated by their type, and what constant arguments say.

use crate::engine::lane_plan::Percentages;
use crate::engine::lanes::LaneKind;
use crate::plan::{AggregateFunction, Expr, ExprNode};
use crate::types::{DataType, Value};

/// A constant number.
pub(super) fn literal(expr: &Expr) -> Option<f64> {
    match &expr.node {
        ExprNode::Literal(value) => value.as_number(),
        _ => None,
    }
}

pub(super) fn percentages(expr: &Expr) -> Option<Percentages> {
    let values = match &expr.node {
        ExprNode::Literal(Value::Array(values)) => values.iter().map(Value::as_number).collect::<Option<Vec<f64>>>()?,
        _ => vec![literal(expr)?],
    };
    let array = matches!(expr.data_type, DataType::Array(_));
    values.iter().all(|x| (0.0..=1.0).contains(x)).then_some(Percentages { values, array })
}

/// How a type is accumulated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Interval,
    /// Compared as integers, never summed.
    Ordinal,
    Double,
    Text,
    Null,
    Other,
}

impl Class {
    pub fn of(data_type: &DataType) -> Class {
        match data_type {
            DataType::Int | DataType::BigInt => Class::Integer,
            DataType::Interval => Class::Interval,
            DataType::Boolean | DataType::Timestamp | DataType::Date => Class::Ordinal,
            DataType::Float | DataType::Double => Class::Double,
            DataType::String => Class::Text,
            DataType::Null => Class::Null,
            DataType::Struct(_) | DataType::Binary | DataType::Array(_) | DataType::Map(..) => Class::Other,
        }
    }
}

pub(super) fn is_extreme(function: AggregateFunction) -> bool {
    matches!(function, AggregateFunction::Min | AggregateFunction::Max)
}

pub(super) fn extreme_kind(function: AggregateFunction, class: Class) -> Option<LaneKind> {
    let min = function == AggregateFunction::Min;
    match class {
        Class::Integer | Class::Interval | Class::Ordinal | Class::Null => Some(if min { LaneKind::MinLong } else { LaneKind::MaxLong }),
        Class::Double => Some(if min { LaneKind::MinDouble } else { LaneKind::MaxDouble }),
        Class::Text => Some(if min { LaneKind::MinText } else { LaneKind::MaxText }),
        Class::Other => None,
    }
}
