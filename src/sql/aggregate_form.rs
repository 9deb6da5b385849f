//! Which clauses an aggregate takes, and which calls give the same.

use super::aggregates::{Kind, Written};
use super::error::SqlError;
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction as F, OutputMode, SortKey};

/// DISTINCT, IGNORE NULLS and WITHIN GROUP only where they mean something.
pub fn check_form(kind: Kind, written: &Written, mode: OutputMode) -> Result<(), SqlError> {
    let Written { name, span, .. } = written;
    let ordered = matches!(kind, Kind::Plain(F::Listagg | F::Mode | F::PercentileCont | F::PercentileDisc));
    if !written.order.is_empty() && !ordered {
        return Err(SqlError::new(*span, format!("`{name}` does not take WITHIN GROUP")));
    }
    let takes_nulls = matches!(kind, Kind::Plain(F::First | F::Last | F::AnyValue | F::CollectList | F::CollectSet));
    if written.ignore_nulls.is_some() && !takes_nulls {
        return Err(SqlError::new(*span, format!("`{name}` does not take IGNORE NULLS or RESPECT NULLS")));
    }
    if !written.distinct {
        return Ok(());
    }
    if written.args.is_none() {
        return Err(SqlError::unsupported(*span, format_args!("`{name}(DISTINCT *)`")));
    }
    if let (Kind::Plain(F::Listagg), Some([value, ..])) = (kind, written.args.as_deref())
        && written.order.iter().any(|key| !tree::same(&key.expr, value))
    {
        return Err(SqlError::new(*span, format!("`{name}(DISTINCT x)` can be ordered by x only")));
    }
    if matches!(kind, Kind::Plain(F::PercentileCont | F::PercentileDisc | F::Mode)) {
        return Err(SqlError::new(*span, format!("`{name}` does not take DISTINCT")));
    }
    // The least of different values is the least of all.
    let any_mode = matches!(kind, Kind::Boolean(_) | Kind::Plain(F::Min | F::Max));
    if any_mode || mode == OutputMode::Batch {
        return Ok(());
    }
    let message = format!("`{name}(DISTINCT …)` does not work over a stream, as in Spark");
    let error = SqlError::new(*span, message);
    Err(if kind == Kind::Count { error.help("approx_count_distinct(x) does") } else { error })
}

/// Whether two calls give the same.
pub fn same(a: &AggregateCall, b: &AggregateCall) -> bool {
    let filters = match (&a.filter, &b.filter) {
        (None, None) => true,
        (Some(a), Some(b)) => tree::same(a, b),
        _ => false,
    };
    let same_key =
        |(a, b): (&SortKey, &SortKey)| tree::same(&a.expr, &b.expr) && (a.descending, a.nulls_first) == (b.descending, b.nulls_first);
    a.function == b.function
        && a.distinct == b.distinct
        && filters
        && a.args.len() == b.args.len()
        && a.args.iter().zip(&b.args).all(|(a, b)| tree::same(a, b))
        && a.order.len() == b.order.len()
        && a.order.iter().zip(&b.order).all(same_key)
}
