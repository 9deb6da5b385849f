//! OVER over streams: which analytic functions can be kept up row by row.

use super::error::SqlError;
use super::optimize::has_aggregate;
use super::planner::Planner;
use crate::plan::{AggregateFunction, ExprNode, FrameBound, OutputMode, OverCall, OverFunction, Relation, Span};
use crate::types::{DataType, Value};

/// Rows that `lag` may look back over a stream.
const LAG_MAX: i32 = 1_000;

impl Planner<'_> {
    /// Checks a [`Relation::Over`] in the query's mode.
    pub fn check_over(&self, relation: &Relation, span: Span) -> Result<(), SqlError> {
        let Relation::Over { input, order, calls, .. } = relation else { return Ok(()) };
        if self.mode == OutputMode::Batch {
            return calls.iter().try_for_each(check_arguments);
        }
        if self.mode == OutputMode::Complete || (self.mode == OutputMode::Update && has_aggregate(input)) {
            let message = "over a stream, OVER works on rows and groups that come once";
            return Err(SqlError::new(span, message).help("use mode = \"append\""));
        }
        let ordered = matches!(&order[..], [key] if !key.descending && key.expr.data_type == DataType::Timestamp);
        if !ordered {
            let error = SqlError::new(span, "over a stream, OVER is ordered by one time, ascending");
            return Err(error.help("write OVER (PARTITION BY device ORDER BY ts)"));
        }
        calls.iter().try_for_each(|call| check_call(call).and_then(|()| check_arguments(call)))
    }
}

fn check_call(call: &OverCall) -> Result<(), SqlError> {
    use AggregateFunction as F;
    let not_kept = |help: &str| Err(SqlError::new(call.span, format!("`{}` is not kept up over a stream", call.name)).help(help));
    match &call.function {
        OverFunction::Aggregate(aggregate) => {
            if !matches!(aggregate.function, F::Count | F::Sum | F::Avg | F::Min | F::Max) || aggregate.filter.is_some() {
                return not_kept("count, sum, avg, min and max are");
            }
        }
        OverFunction::Lead => return not_kept("a stream does not have later rows yet; lag looks back"),
        OverFunction::Lag => {
            let near = matches!(call.args.get(1).map(|arg| &arg.node), Some(ExprNode::Literal(Value::Int(0..=LAG_MAX))));
            return if near { Ok(()) } else { not_kept("lag looks back from 0 to 1000 rows") };
        }
        OverFunction::RowNumber | OverFunction::Changed | OverFunction::Ewma | OverFunction::Rate | OverFunction::Deadband => return Ok(()),
        OverFunction::FirstValue | OverFunction::LastValue => {}
        _ => return not_kept("row_number, lag, first_value, last_value, changed, ewma, rate, deadband and running aggregates are"),
    }
    let refused = |message: &str, help: &str| Err(SqlError::new(call.span, message).help(help));
    match (&call.frame.start, &call.frame.end) {
        (FrameBound::UnboundedPreceding, FrameBound::CurrentRow) if call.frame.rows => Ok(()),
        (FrameBound::UnboundedPreceding, FrameBound::CurrentRow) => refused(
            "over a stream, a frame is one of ROWS: other rows of the same time may still come",
            "write ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        ),
        _ => refused(
            "over a stream, a frame goes from the first row to the current one",
            "leave the frame out, or group by a sliding window",
        ),
    }
}

/// Arguments that would fail for every row.
fn check_arguments(call: &OverCall) -> Result<(), SqlError> {
    let Some(second) = call.args.get(1) else { return Ok(()) };
    match (&call.function, &second.node) {
        (OverFunction::Ewma, ExprNode::Literal(Value::Double(alpha))) if !(*alpha > 0.0 && *alpha <= 1.0) => {
            Err(SqlError::new(second.span, "the weight of a new value is above 0 and at most 1")
                .help("a half-life is an interval: INTERVAL 30 SECONDS"))
        }
        (OverFunction::Ewma, ExprNode::Literal(Value::Interval(..=0))) => Err(SqlError::new(second.span, "a half-life is above 0")),
        _ => Ok(()),
    }
}
