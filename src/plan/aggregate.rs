//! What GROUP BY and OVER compute.

use crate::plan::{Expr, SortKey, Span};
use crate::types::DataType;

#[derive(Clone, Debug)]
pub struct AggregateCall {
    pub function: AggregateFunction,
    /// Empty for `count(*)`. Further arguments that must be constant (a percentage, an accuracy, whether NULLs are skipped) are literals.
    pub args: Vec<Expr>,
    pub filter: Option<Expr>,
    pub distinct: bool,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub order: Vec<SortKey>,
    pub data_type: DataType,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum AggregateFunction {
    Count,
    Sum,
    Avg,
    Min,
    Max,
    StddevSamp,
    StddevPop,
    VarSamp,
    VarPop,
    TrySum,
    TryAvg,
    /// (x, whether NULLs are skipped): in order of arrival.
    First,
    Last,
    AnyValue,
    /// (x, by).
    MaxBy,
    MinBy,
    BitAnd,
    BitOr,
    BitXor,
    CollectList,
    CollectSet,
    /// (text, delimiter).
    Listagg,
    /// (x, percentage or array of them, frequency).
    Percentile,
    PercentileCont,
    PercentileDisc,
    /// (x, percentage or array of them, accuracy).
    PercentileApprox,
    /// (x, relative standard deviation).
    ApproxCountDistinct,
    Corr,
    CovarPop,
    CovarSamp,
    Skewness,
    Kurtosis,
    /// (y, x), as all that follow.
    RegrCount,
    RegrAvgX,
    RegrAvgY,
    RegrSxx,
    RegrSyy,
    RegrSxy,
    RegrSlope,
    RegrIntercept,
    RegrR2,
    Mode,
    /// (x, number of bins).
    HistogramNumeric,
}
