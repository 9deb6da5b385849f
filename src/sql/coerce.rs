//! Types that meet: implicit casts, common types and what CAST allows, as in Spark with ANSI on.

use super::error::SqlError;
use super::literal;
use super::tree;
use crate::plan::{Expr, ExprNode};
use crate::types::{DataType, Field, Value};

pub fn is_numeric(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::BigInt | DataType::Float | DataType::Double)
}

pub fn is_integral(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::BigInt)
}

/// The type that both become where they are chosen between.
pub fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    meet(a, b, Meeting { texts: true, names: true })
}

/// As [`common`], where text does not become another type.
pub fn widest(a: &DataType, b: &DataType) -> Option<DataType> {
    meet(a, b, Meeting { texts: false, names: true })
}

/// The type in which both are compared: of structs the names do not matter, and text within arrays and structs stays text.
pub fn compared(a: &DataType, b: &DataType) -> Option<DataType> {
    let nested = matches!(a, DataType::Array(_) | DataType::Struct(_));
    meet(a, b, Meeting { texts: !nested, names: false }).filter(orderable)
}

/// Whether values can be told apart and ordered: maps cannot.
pub fn orderable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => false,
        DataType::Array(element) => orderable(element),
        DataType::Struct(fields) => fields.iter().all(|field| orderable(&field.data_type)),
        _ => true,
    }
}

/// The error for a value that can be no key.
pub fn not_compared(expr: &Expr) -> SqlError {
    let message = format!("maps cannot be compared, grouped or sorted by, and {} holds one", expr.data_type);
    SqlError::new(expr.span, message).help("map_entries(m) is an array, which can")
}

#[derive(Clone, Copy)]
struct Meeting {
    /// Text becomes the other side's type.
    texts: bool,
    /// Members of structs must have the same names.
    names: bool,
}

fn meet(a: &DataType, b: &DataType, how: Meeting) -> Option<DataType> {
    use DataType::*;
    Some(match (a, b) {
        (a, b) if a == b => a.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Int, BigInt) | (BigInt, Int) => BigInt,
        (a, b) if is_numeric(a) && is_numeric(b) => Double,
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        (String, other) | (other, String) if how.texts => match other {
            Int | BigInt => BigInt,
            Float | Double => Double,
            Boolean | Date | Timestamp | Binary | Interval => other.clone(),
            _ => return None,
        },
        (Array(a), Array(b)) => Array(Box::new(meet(a, b, how)?)),
        (Map(k, v), Map(l, w)) => Map(Box::new(meet(k, l, how)?), Box::new(meet(v, w, how)?)),
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let member = |(a, b): (&Field, &Field)| {
                let named = !how.names || a.name.eq_ignore_ascii_case(&b.name);
                named.then(|| Some(Field::new(a.name.clone(), meet(&a.data_type, &b.data_type, how)?)))?
            };
            Struct(a.iter().zip(b).map(member).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The type in which two operands of an arithmetic operator meet.
pub fn common_numeric(a: &DataType, b: &DataType) -> Option<DataType> {
    match common(a, b)? {
        DataType::Null => Some(DataType::Double),
        met if is_numeric(&met) => Some(met),
        _ => None,
    }
}

/// An explicit cast to `target`; none where the type is that already. Literals are converted here and now where that cannot fail.
pub fn cast(expr: Expr, target: &DataType) -> Expr {
    if expr.data_type == *target {
        return expr;
    }
    let span = expr.span;
    if let ExprNode::Literal(value) = &expr.node
        && let Some(folded) = fold(value, target)
    {
        return tree::literal(folded, target.clone(), span);
    }
    Expr { node: ExprNode::Cast { input: Box::new(expr), fallible: false }, data_type: target.clone(), span }
}

fn fold(value: &Value, target: &DataType) -> Option<Value> {
    Some(match (value, target) {
        (Value::Null, _) => Value::Null,
        (Value::Int(n), DataType::BigInt) => Value::BigInt(i64::from(*n)),
        (Value::Int(n), DataType::Double) => Value::Double(f64::from(*n)),
        (Value::BigInt(n), DataType::Double) => Value::Double(*n as f64),
        (Value::Float(x), DataType::Double) => Value::Double(f64::from(*x)),
        (Value::String(text), DataType::Timestamp) => Value::Timestamp(literal::timestamp(text)?),
        (Value::String(text), DataType::Date) => Value::Date(literal::date(text)?),
        _ => return None,
    })
}

/// An argument made into what a function takes.
pub fn coerce(expr: Expr, target: &DataType) -> Result<Expr, SqlError> {
    use DataType::*;
    if coercible(&expr.data_type, target) {
        return Ok(cast(expr, target));
    }
    let error = SqlError::new(expr.span, format!("this is {}, but {} is needed here", with_article(&expr.data_type), with_article(target)));
    Err(match (&expr.data_type, target) {
        (Int | BigInt, Timestamp) => {
            error.help("timestamp_millis(x), timestamp_micros(x) or timestamp_seconds(x) makes a TIMESTAMP of a number")
        }
        _ => error.help(format!("CAST(… AS {target}) converts it")),
    })
}

/// Whether a value becomes one of `target` without a cast being written.
fn coercible(from: &DataType, target: &DataType) -> bool {
    use DataType::*;
    match (from, target) {
        (a, b) if a == b => true,
        (Null, _) => true,
        (Array(a), Array(b)) => coercible(a, b),
        (Map(k, v), Map(l, w)) => coercible(k, l) && coercible(v, w),
        (Struct(_) | Array(_) | Map(..), _) | (_, Struct(_) | Array(_) | Map(..)) => false,
        (String, _) | (_, String) => true,
        (Int, BigInt | Float | Double) | (BigInt, Float | Double) | (Float, Double) => true,
        (Date, Timestamp) | (Timestamp, Date) => true,
        _ => false,
    }
}

/// Whether CAST may turn one into the other.
pub fn castable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (a, b) if a == b => true,
        (_, Null) => false,
        (Null, _) | (_, String) => true,
        (Array(a), Array(b)) => castable(a, b),
        (Map(k, v), Map(l, w)) => castable(k, l) && castable(v, w),
        (Struct(a), Struct(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| castable(&a.data_type, &b.data_type)),
        (Struct(_) | Array(_) | Map(..), _) | (_, Struct(_) | Array(_) | Map(..)) => false,
        (String, _) => true,
        (Interval, other) | (other, Interval) => is_integral(other),
        (a, b) if is_numeric(a) && is_numeric(b) => true,
        (Boolean, other) | (other, Boolean) => is_numeric(other),
        (Timestamp, other) | (other, Timestamp) => is_numeric(other) || *other == Date,
        _ => false,
    }
}

/// Brings all to their common type.
pub fn unify(exprs: Vec<Expr>, what: &str) -> Result<(Vec<Expr>, DataType), SqlError> {
    let mut met = DataType::Null;
    for expr in &exprs {
        met = common(&met, &expr.data_type).ok_or_else(|| {
            let message = format!("{what}: {} and {} have no type in common", met, expr.data_type);
            SqlError::new(expr.span, message).help("convert one of them with CAST(… AS …)")
        })?;
    }
    Ok((exprs.into_iter().map(|expr| cast(expr, &met)).collect(), met))
}

pub fn with_article(data_type: &DataType) -> String {
    let article = if matches!(data_type, DataType::Int) { "an" } else { "a" };
    format!("{article} {data_type}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_meet_as_in_spark() {
        use DataType::*;
        for (a, b, met) in [
            (Int, BigInt, Some(BigInt)),
            (Int, Float, Some(Double)),
            (String, Int, Some(BigInt)),
            (String, Double, Some(Double)),
            (String, Timestamp, Some(Timestamp)),
            (Boolean, Int, None),
            (Null, Boolean, Some(Boolean)),
            (Date, Timestamp, Some(Timestamp)),
            (Date, BigInt, None),
        ] {
            assert_eq!(common(&a, &b), met, "{a} {b}");
            assert_eq!(common(&b, &a), met, "{b} {a}");
        }
    }
}
