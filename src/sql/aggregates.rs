//! Aggregate functions: names, what they take, what they give, as Spark types them.
//!
//! Limits: a relative standard deviation of [`DEVIATION_MIN`] to [`DEVIATION_MAX`] for approx_count_distinct, [`BINS_MAX`] bins of
//! histogram_numeric: the engine's.

use super::aggregate_form::check_form;
use super::coerce::{cast, coerce, is_integral, is_numeric, with_article};
use super::error::SqlError;
use super::signatures::{check_count, number};
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, OutputMode, SortKey, Span};
use crate::types::{DataType, Field, Value};

const DEVIATION_MIN: f64 = 0.0087;
const DEVIATION_MAX: f64 = 0.39;
const BINS_MAX: i64 = 10_000;

/// What an aggregate's name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Count,
    CountIf,
    /// The percentile in the middle.
    Median,
    Plain(AggregateFunction),
    /// TRUE if one is, or if all are: the greatest or least BOOLEAN.
    Boolean(AggregateFunction),
}

use AggregateFunction as F;

pub const NAMES: &[(&str, Kind)] = &[
    ("count", Kind::Count),
    ("count_if", Kind::CountIf),
    ("sum", Kind::Plain(F::Sum)),
    ("avg", Kind::Plain(F::Avg)),
    ("mean", Kind::Plain(F::Avg)),
    ("min", Kind::Plain(F::Min)),
    ("max", Kind::Plain(F::Max)),
    ("stddev", Kind::Plain(F::StddevSamp)),
    ("std", Kind::Plain(F::StddevSamp)),
    ("stddev_samp", Kind::Plain(F::StddevSamp)),
    ("stddev_pop", Kind::Plain(F::StddevPop)),
    ("variance", Kind::Plain(F::VarSamp)),
    ("var_samp", Kind::Plain(F::VarSamp)),
    ("var_pop", Kind::Plain(F::VarPop)),
    ("bool_or", Kind::Boolean(F::Max)),
    ("some", Kind::Boolean(F::Max)),
    ("any", Kind::Boolean(F::Max)),
    ("bool_and", Kind::Boolean(F::Min)),
    ("every", Kind::Boolean(F::Min)),
    ("try_sum", Kind::Plain(F::TrySum)),
    ("try_avg", Kind::Plain(F::TryAvg)),
    ("first", Kind::Plain(F::First)),
    ("first_value", Kind::Plain(F::First)),
    ("last", Kind::Plain(F::Last)),
    ("last_value", Kind::Plain(F::Last)),
    ("any_value", Kind::Plain(F::AnyValue)),
    ("max_by", Kind::Plain(F::MaxBy)),
    ("min_by", Kind::Plain(F::MinBy)),
    ("bit_and", Kind::Plain(F::BitAnd)),
    ("bit_or", Kind::Plain(F::BitOr)),
    ("bit_xor", Kind::Plain(F::BitXor)),
    ("collect_list", Kind::Plain(F::CollectList)),
    ("array_agg", Kind::Plain(F::CollectList)),
    ("collect_set", Kind::Plain(F::CollectSet)),
    ("listagg", Kind::Plain(F::Listagg)),
    ("string_agg", Kind::Plain(F::Listagg)),
    ("median", Kind::Median),
    ("percentile", Kind::Plain(F::Percentile)),
    ("percentile_cont", Kind::Plain(F::PercentileCont)),
    ("percentile_disc", Kind::Plain(F::PercentileDisc)),
    ("percentile_approx", Kind::Plain(F::PercentileApprox)),
    ("approx_percentile", Kind::Plain(F::PercentileApprox)),
    ("approx_count_distinct", Kind::Plain(F::ApproxCountDistinct)),
    ("corr", Kind::Plain(F::Corr)),
    ("covar_pop", Kind::Plain(F::CovarPop)),
    ("covar_samp", Kind::Plain(F::CovarSamp)),
    ("skewness", Kind::Plain(F::Skewness)),
    ("kurtosis", Kind::Plain(F::Kurtosis)),
    ("regr_count", Kind::Plain(F::RegrCount)),
    ("regr_avgx", Kind::Plain(F::RegrAvgX)),
    ("regr_avgy", Kind::Plain(F::RegrAvgY)),
    ("regr_sxx", Kind::Plain(F::RegrSxx)),
    ("regr_syy", Kind::Plain(F::RegrSyy)),
    ("regr_sxy", Kind::Plain(F::RegrSxy)),
    ("regr_slope", Kind::Plain(F::RegrSlope)),
    ("regr_intercept", Kind::Plain(F::RegrIntercept)),
    ("regr_r2", Kind::Plain(F::RegrR2)),
    ("mode", Kind::Plain(F::Mode)),
    ("histogram_numeric", Kind::Plain(F::HistogramNumeric)),
];

/// What `name` (in lower case) aggregates; `None` where it is no aggregate.
pub fn find(name: &str) -> Option<Kind> {
    NAMES.iter().find(|(candidate, _)| *candidate == name).map(|(_, kind)| *kind)
}

impl Kind {
    /// Which argument may be an array of constants.
    pub fn takes_array_at(self) -> Option<usize> {
        match self {
            Kind::Plain(F::Percentile | F::PercentileApprox) => Some(1),
            Kind::Plain(F::PercentileCont | F::PercentileDisc) => Some(0),
            _ => None,
        }
    }
}

/// A call as written, its arguments planned over the aggregation's input.
pub struct Written {
    pub name: String,
    /// `None` for `*`.
    pub args: Option<Vec<Expr>>,
    pub distinct: bool,
    pub filter: Option<Expr>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub order: Vec<SortKey>,
    /// IGNORE NULLS: true, RESPECT NULLS: false.
    pub ignore_nulls: Option<bool>,
    pub span: Span,
}

/// Function, arguments and type of a call.
type Typed = (AggregateFunction, Vec<Expr>, DataType);

pub fn build(kind: Kind, mut written: Written, mode: OutputMode) -> Result<AggregateCall, SqlError> {
    check_form(kind, &written, mode)?;
    let span = written.span;
    let call = |(function, args, data_type): Typed| AggregateCall {
        function,
        args,
        filter: None,
        distinct: false,
        order: Vec::new(),
        data_type,
        span,
    };
    let Some(args) = written.args.take() else {
        return match kind {
            Kind::Count => Ok(AggregateCall { filter: written.filter, ..call((F::Count, vec![], DataType::BigInt)) }),
            _ => Err(SqlError::new(span, format!("`{}(*)` means nothing", written.name)).help("only count takes *")),
        };
    };
    // The least of different values is the least of all.
    let idempotent = matches!(kind, Kind::Boolean(_) | Kind::Plain(F::Min | F::Max | F::BitAnd | F::BitOr | F::CollectSet | F::AnyValue));
    let distinct = written.distinct && !idempotent;
    let filter = written.filter.take();
    if kind == Kind::CountIf {
        let mut args = exactly(&written.name, args, 1, span)?;
        let counted = coerce(args.remove(0), &DataType::Boolean)?;
        if !distinct {
            let terms = filter.into_iter().chain([counted]).collect();
            return Ok(AggregateCall { filter: Some(tree::chain(terms, false)), ..call((F::Count, vec![], DataType::BigInt)) });
        }
        let one = tree::int(1, span);
        let node = ExprNode::Case { branches: vec![(counted, one)], otherwise: None };
        let counted = Expr { node, data_type: DataType::Int, span };
        return Ok(AggregateCall { filter, distinct, ..call((F::Count, vec![counted], DataType::BigInt)) });
    }
    let typed = match kind {
        Kind::Count => {
            check_count(&written.name, args.len(), 1, None, span)?;
            let args = if distinct { args } else { countable(args) };
            (F::Count, args, DataType::BigInt)
        }
        Kind::Boolean(function) => {
            let mut args = exactly(&written.name, args, 1, span)?;
            (function, vec![coerce(args.remove(0), &DataType::Boolean)?], DataType::Boolean)
        }
        Kind::Median => {
            let mut args = exactly(&written.name, args, 1, span)?;
            let middle = tree::literal(Value::Double(0.5), DataType::Double, span);
            percentile(F::Percentile, vec![args.remove(0), middle], span)?
        }
        Kind::Plain(function) => plain(function, &mut written, args)?,
        Kind::CountIf => return Err(SqlError::new(span, "count_if needs a condition")),
    };
    Ok(AggregateCall { filter, distinct, order: written.order, ..call(typed) })
}

fn plain(function: AggregateFunction, written: &mut Written, args: Vec<Expr>) -> Result<Typed, SqlError> {
    let (name, span) = (written.name.clone(), written.span);
    match function {
        F::First | F::Last | F::AnyValue | F::CollectList | F::CollectSet => return keeping(function, written, args),
        F::Listagg => return listagg(args, &name, span),
        F::Mode => return mode(args, written),
        F::PercentileCont | F::PercentileDisc => {
            let [key] = &written.order[..] else {
                return Err(SqlError::new(span, format!("`{name}` needs one key in WITHIN GROUP"))
                    .help(format!("write {name}(0.5) WITHIN GROUP (ORDER BY x)")));
            };
            let mut args = exactly(&name, args, 1, span)?;
            args.insert(0, key.expr.clone());
            return percentile(function, args, span);
        }
        F::Percentile => {
            check_count(&name, args.len(), 2, Some(3), span)?;
            return percentile(function, args, span);
        }
        F::PercentileApprox => {
            check_count(&name, args.len(), 2, Some(3), span)?;
            return percentile_approx(args, span);
        }
        F::ApproxCountDistinct => {
            check_count(&name, args.len(), 1, Some(2), span)?;
            return approx_count_distinct(args);
        }
        F::HistogramNumeric => return histogram(exactly(&name, args, 2, span)?),
        F::MaxBy | F::MinBy => {
            if args.len() == 3 {
                return Err(SqlError::unsupported(span, format_args!("`{name}` with a number of values")));
            }
            let args = exactly(&name, args, 2, span)?;
            orderable(&args[1], &name)?;
            let data_type = args[0].data_type.clone();
            return Ok((function, args, data_type));
        }
        _ => {}
    }
    if let F::Corr
    | F::CovarPop
    | F::CovarSamp
    | F::RegrCount
    | F::RegrAvgX
    | F::RegrAvgY
    | F::RegrSxx
    | F::RegrSyy
    | F::RegrSxy
    | F::RegrSlope
    | F::RegrIntercept
    | F::RegrR2 = function
    {
        let args = exactly(&name, args, 2, span)?.into_iter().map(|arg| Ok(cast(number(arg)?, &DataType::Double)));
        let result = if function == F::RegrCount { DataType::BigInt } else { DataType::Double };
        return Ok((function, args.collect::<Result<_, SqlError>>()?, result));
    }
    let arg = exactly(&name, args, 1, span)?.remove(0);
    single(function, arg, &name)
}

/// Aggregates of one value.
fn single(function: AggregateFunction, arg: Expr, name: &str) -> Result<Typed, SqlError> {
    let interval = arg.data_type == DataType::Interval;
    // A time counts as its seconds, as in Spark.
    let is_time_number = arg.data_type == DataType::Timestamp && !matches!(function, F::Min | F::Max | F::BitAnd | F::BitOr | F::BitXor);
    let arg = if is_time_number { cast(arg, &DataType::Double) } else { arg };
    Ok(match function {
        F::Sum | F::TrySum | F::Avg | F::TryAvg if interval => (function, vec![arg], DataType::Interval),
        F::Sum | F::TrySum => {
            let arg = number(arg)?;
            let summed = if is_integral(&arg.data_type) { DataType::BigInt } else { DataType::Double };
            (function, vec![cast(arg, &summed)], summed)
        }
        F::Min | F::Max => {
            orderable(&arg, name)?;
            let data_type = arg.data_type.clone();
            (function, vec![arg], data_type)
        }
        F::BitAnd | F::BitOr | F::BitXor => {
            let arg = if arg.data_type == DataType::Null { cast(arg, &DataType::Int) } else { arg };
            if !is_integral(&arg.data_type) {
                let message = format!("`{name}` takes whole numbers, but this is {}", with_article(&arg.data_type));
                return Err(SqlError::new(arg.span, message).help("CAST(… AS BIGINT) converts it"));
            }
            let data_type = arg.data_type.clone();
            (function, vec![arg], data_type)
        }
        _ => (function, vec![cast(number(arg)?, &DataType::Double)], DataType::Double),
    })
}

/// Aggregates that keep values as they are; whether NULLs count is their second argument.
fn keeping(function: AggregateFunction, written: &Written, mut args: Vec<Expr>) -> Result<Typed, SqlError> {
    let Written { name, span, ignore_nulls, .. } = written;
    let collects = matches!(function, F::CollectList | F::CollectSet);
    check_count(name, args.len(), 1, Some(if collects { 1 } else { 2 }), *span)?;
    let flag = match args.get(1) {
        // For lists the flag says that NULLs are kept.
        None if collects => *ignore_nulls == Some(false),
        None => *ignore_nulls == Some(true),
        Some(Expr { node: ExprNode::Literal(Value::Boolean(flag)), .. }) => *flag || *ignore_nulls == Some(true),
        Some(other) => return Err(SqlError::new(other.span, format!("the second argument of `{name}` is TRUE or FALSE"))),
    };
    args.truncate(1);
    let element = args[0].data_type.clone();
    if function == F::CollectSet && has_map(&element) {
        return Err(SqlError::new(args[0].span, "`collect_set` does not take maps: they have no order"));
    }
    args.push(tree::literal(Value::Boolean(flag), DataType::Boolean, *span));
    Ok((function, args, if collects { DataType::Array(Box::new(element)) } else { element }))
}

fn listagg(mut args: Vec<Expr>, name: &str, span: Span) -> Result<Typed, SqlError> {
    check_count(name, args.len(), 1, Some(2), span)?;
    let joined = if args[0].data_type == DataType::Binary { DataType::Binary } else { DataType::String };
    let delimiter = args.get(1).map(|delimiter| (delimiter.node.clone(), delimiter.span));
    args.truncate(1);
    let value = coerce(args.remove(0), &joined)?;
    let empty = if joined == DataType::Binary { Value::Binary(Vec::new()) } else { Value::String(String::new()) };
    let delimiter = match delimiter {
        None | Some((ExprNode::Literal(Value::Null), _)) => empty,
        Some((ExprNode::Literal(text @ (Value::String(_) | Value::Binary(_))), _)) => text,
        Some((_, span)) => return Err(SqlError::new(span, format!("the delimiter of `{name}` must be a constant text"))),
    };
    Ok((F::Listagg, vec![value, tree::literal(delimiter, joined.clone(), span)], joined))
}

fn mode(mut args: Vec<Expr>, written: &mut Written) -> Result<Typed, SqlError> {
    let Written { order, span, .. } = written;
    let arg = match (&args[..], &order[..]) {
        ([], [key]) => key.expr.clone(),
        ([_], []) => args.remove(0),
        ([_, flag], []) if matches!(flag.node, ExprNode::Literal(Value::Boolean(_))) => args.remove(0),
        _ => {
            let message = "`mode` takes a value, as in mode(x) or mode() WITHIN GROUP (ORDER BY x)";
            return Err(SqlError::new(*span, message));
        }
    };
    let data_type = arg.data_type.clone();
    Ok((F::Mode, vec![arg], data_type))
}

/// (x, percentages[, frequency]).
fn percentile(function: AggregateFunction, mut args: Vec<Expr>, span: Span) -> Result<Typed, SqlError> {
    let value = args.remove(0);
    let value = if value.data_type == DataType::Interval { value } else { cast(number(value)?, &DataType::Double) };
    let one = if value.data_type == DataType::Interval { DataType::Interval } else { DataType::Double };
    let percentages = percentages(args.remove(0))?;
    let result = if matches!(percentages.data_type, DataType::Array(_)) { DataType::Array(Box::new(one)) } else { one };
    let mut typed = vec![value, percentages];
    if let Some(frequency) = args.pop() {
        if !is_integral(&frequency.data_type) {
            let message = format!("a frequency is a whole number, but this is {}", with_article(&frequency.data_type));
            return Err(SqlError::new(frequency.span, message));
        }
        typed.push(cast(frequency, &DataType::BigInt));
    }
    debug_assert!(span.start <= span.end);
    Ok((function, typed, result))
}

fn percentile_approx(mut args: Vec<Expr>, span: Span) -> Result<Typed, SqlError> {
    let accuracy = if args.len() == 3 { args.pop() } else { None };
    let percentages = percentages(args.remove(1))?;
    let value = args.remove(0);
    let summarised = is_numeric(&value.data_type) || matches!(value.data_type, DataType::Interval | DataType::Timestamp | DataType::Date);
    let value = if summarised { value } else { cast(number(value)?, &DataType::Double) };
    let one = value.data_type.clone();
    let result = if matches!(percentages.data_type, DataType::Array(_)) { DataType::Array(Box::new(one)) } else { one };
    let accuracy = match &accuracy {
        None => 10_000,
        Some(accuracy) => whole(accuracy)
            .filter(|accuracy| (1..=i64::from(i32::MAX)).contains(accuracy))
            .ok_or_else(|| SqlError::new(accuracy.span, "the accuracy of percentile_approx is a whole number from 1 to 2147483647"))?,
    };
    Ok((F::PercentileApprox, vec![value, percentages, tree::bigint(accuracy, span)], result))
}

fn approx_count_distinct(mut args: Vec<Expr>) -> Result<Typed, SqlError> {
    let deviation = args.get(1).map(|deviation| {
        constant(deviation).filter(|x| (DEVIATION_MIN..=DEVIATION_MAX).contains(x)).ok_or_else(|| {
            let message = format!("the relative standard deviation is a constant from {DEVIATION_MIN} to {DEVIATION_MAX}");
            SqlError::new(deviation.span, message)
        })
    });
    let deviation = deviation.transpose()?.unwrap_or(0.05);
    let value = args.remove(0);
    let deviation = tree::literal(Value::Double(deviation), DataType::Double, value.span);
    Ok((F::ApproxCountDistinct, vec![value, deviation], DataType::BigInt))
}

fn histogram(mut args: Vec<Expr>) -> Result<Typed, SqlError> {
    let bins = args.remove(1);
    let value = args.remove(0);
    let summarised = is_numeric(&value.data_type) || matches!(value.data_type, DataType::Interval | DataType::Timestamp | DataType::Date);
    let value = if summarised { value } else { cast(number(value)?, &DataType::Double) };
    let count = whole(&bins)
        .filter(|bins| (2..=BINS_MAX).contains(bins))
        .ok_or_else(|| SqlError::new(bins.span, format!("the number of bins is a constant from 2 to {BINS_MAX}")))?;
    let bin = DataType::Struct(vec![Field::new("x", value.data_type.clone()), Field::new("y", DataType::Double)]);
    let bins = tree::bigint(count, bins.span);
    Ok((F::HistogramNumeric, vec![value, bins], DataType::Array(Box::new(bin))))
}

/// Percentages as one constant of DOUBLE or ARRAY<DOUBLE>.
fn percentages(arg: Expr) -> Result<Expr, SqlError> {
    let error = || SqlError::new(arg.span, "a percentage is a constant from 0 to 1, or an array of such").help("as in array(0.5, 0.95)");
    let within = |x: &f64| (0.0..=1.0).contains(x);
    let array = DataType::Array(Box::new(DataType::Double));
    match &arg.node {
        ExprNode::Literal(Value::Array(values)) => {
            let numbers = values.iter().map(|value| value.as_number().filter(within).map(Value::Double));
            let numbers = numbers.collect::<Option<Vec<Value>>>().ok_or_else(error)?;
            Ok(tree::literal(Value::Array(numbers), array, arg.span))
        }
        _ => {
            let percentage = constant(&arg).filter(within).ok_or_else(error)?;
            Ok(tree::literal(Value::Double(percentage), DataType::Double, arg.span))
        }
    }
}

/// A constant number, or a text that is one.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.node {
        ExprNode::Literal(Value::String(text)) => text.trim().parse().ok(),
        ExprNode::Literal(value) => value.as_number(),
        ExprNode::Cast { input, .. } => constant(input),
        _ => None,
    }
}

fn whole(expr: &Expr) -> Option<i64> {
    match expr.node {
        ExprNode::Literal(Value::Int(x)) => Some(i64::from(x)),
        ExprNode::Literal(Value::BigInt(x)) => Some(x),
        _ => None,
    }
}

fn exactly(name: &str, args: Vec<Expr>, count: usize, span: Span) -> Result<Vec<Expr>, SqlError> {
    check_count(name, args.len(), count, Some(count), span)?;
    Ok(args)
}

fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => has_map(element),
        DataType::Struct(fields) => fields.iter().any(|field| has_map(&field.data_type)),
        _ => false,
    }
}

fn orderable(arg: &Expr, name: &str) -> Result<(), SqlError> {
    if has_map(&arg.data_type) {
        return Err(SqlError::new(arg.span, format!("`{name}` needs an order, and maps have none")));
    }
    Ok(())
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
