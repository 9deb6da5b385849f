//! Aggregate functions: names, argument types, result types.

use super::coerce::{cast, coerce, is_integral};
use super::error::SqlError;
use super::signatures::{check_count, number};
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, OutputMode, Span};
use crate::types::{DataType, Value};

/// What an aggregate's name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Count,
    CountIf,
    Plain(AggregateFunction),
    /// TRUE if one is, or if all are: the greatest or least BOOLEAN.
    Boolean(AggregateFunction),
}

pub const NAMES: &[(&str, Kind)] = &[
    ("count", Kind::Count),
    ("count_if", Kind::CountIf),
    ("sum", Kind::Plain(AggregateFunction::Sum)),
    ("avg", Kind::Plain(AggregateFunction::Avg)),
    ("mean", Kind::Plain(AggregateFunction::Avg)),
    ("min", Kind::Plain(AggregateFunction::Min)),
    ("max", Kind::Plain(AggregateFunction::Max)),
    ("stddev", Kind::Plain(AggregateFunction::StddevSamp)),
    ("std", Kind::Plain(AggregateFunction::StddevSamp)),
    ("stddev_samp", Kind::Plain(AggregateFunction::StddevSamp)),
    ("stddev_pop", Kind::Plain(AggregateFunction::StddevPop)),
    ("variance", Kind::Plain(AggregateFunction::VarSamp)),
    ("var_samp", Kind::Plain(AggregateFunction::VarSamp)),
    ("var_pop", Kind::Plain(AggregateFunction::VarPop)),
    ("bool_or", Kind::Boolean(AggregateFunction::Max)),
    ("some", Kind::Boolean(AggregateFunction::Max)),
    ("any", Kind::Boolean(AggregateFunction::Max)),
    ("bool_and", Kind::Boolean(AggregateFunction::Min)),
    ("every", Kind::Boolean(AggregateFunction::Min)),
];

/// What `name` (in lower case) aggregates; `None` where it is no aggregate.
pub fn find(name: &str) -> Option<Kind> {
    NAMES.iter().find(|(candidate, _)| *candidate == name).map(|(_, kind)| *kind)
}

/// A call as written, its arguments planned over the aggregation's input.
pub struct Written {
    pub name: String,
    /// `None` for `*`.
    pub args: Option<Vec<Expr>>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    pub span: Span,
}

pub fn build(kind: Kind, written: Written, mode: OutputMode) -> Result<AggregateCall, SqlError> {
    check_distinct(&written, mode)?;
    let Written { name, args, distinct, filter, span } = written;
    let call =
        |function, args, data_type| AggregateCall { function, args, filter: None, distinct: false, order: Vec::new(), data_type, span };
    let Some(mut args) = args else {
        return match kind {
            Kind::Count => Ok(AggregateCall { filter, ..call(AggregateFunction::Count, vec![], DataType::BigInt) }),
            _ => Err(SqlError::new(span, format!("`{name}(*)` means nothing")).help("only count takes *")),
        };
    };
    if kind == Kind::Count {
        check_count(&name, args.len(), 1, None, span)?;
        let distinct = distinct && args.len() == 1;
        return Ok(AggregateCall { filter, distinct, ..call(AggregateFunction::Count, countable(args), DataType::BigInt) });
    }
    check_count(&name, args.len(), 1, Some(1), span)?;
    let arg = args.remove(0);
    let built = match kind {
        Kind::CountIf => {
            let counted = coerce(arg, &DataType::Boolean)?;
            let terms = filter.into_iter().chain([counted]).collect();
            return Ok(AggregateCall {
                filter: Some(tree::chain(terms, false)),
                ..call(AggregateFunction::Count, vec![], DataType::BigInt)
            });
        }
        Kind::Boolean(function) => call(function, vec![coerce(arg, &DataType::Boolean)?], DataType::Boolean),
        Kind::Plain(AggregateFunction::Sum) => {
            let arg = number(arg)?;
            let summed = if is_integral(&arg.data_type) { DataType::BigInt } else { DataType::Double };
            call(AggregateFunction::Sum, vec![cast(arg, &summed)], summed)
        }
        Kind::Plain(function @ (AggregateFunction::Min | AggregateFunction::Max)) => {
            if let DataType::Struct(_) = arg.data_type {
                return Err(SqlError::unsupported(span, format_args!("{name} of a struct")));
            }
            let data_type = arg.data_type.clone();
            call(function, vec![arg], data_type)
        }
        Kind::Plain(function) => call(function, vec![cast(number(arg)?, &DataType::Double)], DataType::Double),
        Kind::Count => return Err(SqlError::new(span, "count needs an argument")),
    };
    Ok(AggregateCall { filter, ..built })
}

/// The arguments that count looks at: none where a row always counts; several as one that is NULL where any is.
fn countable(mut args: Vec<Expr>) -> Vec<Expr> {
    args.retain(|arg| !matches!(&arg.node, ExprNode::Literal(value) if *value != Value::Null));
    if args.len() < 2 {
        return args;
    }
    let span = args[0].span;
    let absent = tree::chain(args.into_iter().map(tree::is_null).collect(), true);
    let one = tree::int(1, span);
    vec![Expr { node: ExprNode::Case { branches: vec![(tree::not(absent), one)], otherwise: None }, data_type: DataType::Int, span }]
}

fn check_distinct(written: &Written, mode: OutputMode) -> Result<(), SqlError> {
    // The least of distinct values is the least of all.
    if !written.distinct || matches!(written.name.as_str(), "min" | "max" | "bool_or" | "bool_and" | "some" | "any" | "every") {
        return Ok(());
    }
    if mode != OutputMode::Batch {
        let message = format!("`{}(DISTINCT …)` does not work over a stream, as in Spark", written.name);
        return Err(SqlError::new(written.span, message));
    }
    let one_column = written.args.as_ref().is_some_and(|args| args.len() == 1);
    if written.name == "count" && one_column {
        return Ok(());
    }
    Err(SqlError::unsupported(written.span, format_args!("`{}(DISTINCT …)` other than count(DISTINCT x)", written.name)))
}

/// Whether two calls give the same.
pub fn same(a: &AggregateCall, b: &AggregateCall) -> bool {
    let filters = match (&a.filter, &b.filter) {
        (None, None) => true,
        (Some(a), Some(b)) => tree::same(a, b),
        _ => false,
    };
    a.function == b.function
        && a.distinct == b.distinct
        && filters
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|(a, b)| tree::same(a, b))
}
