//! Types that meet: implicit casts, common types and what CAST allows, as in Spark with ANSI on.

use super::error::SqlError;
use super::literal;
use super::tree;
use crate::plan::{Expr, ExprNode};
use crate::types::{DataType, Value};

pub fn is_numeric(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::BigInt | DataType::Float | DataType::Double)
}

pub fn is_integral(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int | DataType::BigInt)
}

/// The type that both become where they are compared or chosen between.
pub fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match (a, b) {
        (a, b) if a == b => a.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Int, BigInt) | (BigInt, Int) => BigInt,
        (a, b) if is_numeric(a) && is_numeric(b) => Double,
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        (String, other) | (other, String) => match other {
            Int | BigInt => BigInt,
            Float | Double => Double,
            Boolean | Date | Timestamp => other.clone(),
            _ => return None,
        },
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let members = a.iter().zip(b).map(|(a, b)| Some(crate::types::Field::new(a.name.clone(), common(&a.data_type, &b.data_type)?)));
            Struct(members.collect::<Option<_>>()?)
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
    let allowed = match (&expr.data_type, target) {
        (a, b) if a == b => true,
        (Null, _) => true,
        (String, Struct(_)) | (Struct(_), _) | (_, Struct(_)) => false,
        (String, _) | (_, String) => true,
        (Int, BigInt | Float | Double) | (BigInt, Float | Double) | (Float, Double) => true,
        (Date, Timestamp) | (Timestamp, Date) => true,
        _ => false,
    };
    if allowed {
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

/// Whether CAST may turn one into the other.
pub fn castable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (a, b) if a == b => true,
        (_, Null) | (Struct(_), _) | (_, Struct(_)) => false,
        (Null, _) | (String, _) | (_, String) => true,
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
