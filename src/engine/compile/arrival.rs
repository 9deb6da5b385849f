//! Which columns are made of arrival times, and which operators go by them: those that a clock that is set back concerns.
//!
//! A column counts as one where any of its inputs does: `_arrived` itself, a window over it, `max(_arrived)`, a time computed from it. What an
//! operator goes by is its time only: what it windows, orders or expires by.

use super::events::event_columns;
use crate::plan::{Expr, ExprNode, GroupKey, JoinKind, Program, Relation, Timeout};
use crate::types::DataType;

/// The hidden column of each source that holds the time of arrival.
pub(super) const ARRIVED: &str = "_arrived";

/// For each column that `relation` yields: whether it is made of arrival times.
pub(super) fn arrival_columns(program: &Program, relation: &Relation) -> Vec<bool> {
    let of = |input: &Relation| arrival_columns(program, input);
    match relation {
        Relation::Scan { source, columns, .. } => {
            let table = program.sources.get(*source);
            let is_arrived = |column: &usize| table.and_then(|table| table.columns.get(*column)).is_some_and(|c| c.field.name == ARRIVED);
            columns.iter().map(is_arrived).collect()
        }
        Relation::Values { schema, .. } | Relation::ReferenceScan { schema, .. } => vec![false; schema.len()],
        Relation::Filter { input, .. }
        | Relation::Watermark { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Deduplicate { input, .. } => of(input),
        Relation::Project { input, columns } => {
            let input = of(input);
            columns.iter().map(|named| reads(&named.expr, &input)).collect()
        }
        Relation::Aggregate { input, keys, aggregates } => {
            let input = of(input);
            let any = |exprs: Vec<&Expr>| exprs.into_iter().any(|expr| reads(expr, &input));
            keys.iter().map(|key| any(key.exprs())).chain(aggregates.iter().map(|call| any(call.exprs()))).collect()
        }
        Relation::Union { inputs } => inputs.iter().map(of).reduce(either).unwrap_or_default(),
        Relation::Join(join) => {
            let mut columns = of(&join.left);
            if !matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
                columns.extend(of(&join.right));
            }
            columns
        }
        Relation::Generate { input, generator, columns, .. } => {
            let mut all = of(input);
            let made = generator.exprs().into_iter().any(|expr| reads(expr, &all));
            all.extend(columns.iter().map(|_| made));
            all
        }
        Relation::Expand { input, projections, .. } => {
            let input = of(input);
            let of = |projection: &Vec<Expr>| projection.iter().map(|expr| reads(expr, &input)).collect();
            projections.iter().map(of).reduce(either).unwrap_or_default()
        }
        Relation::Over { input, order, calls, .. } => {
            let mut all = of(input);
            let ordered = order.iter().any(|key| reads(&key.expr, &all));
            let made: Vec<bool> = calls.iter().map(|call| ordered || call.exprs().into_iter().any(|expr| reads(expr, &all))).collect();
            all.extend(made);
            all
        }
        // A script may give out any time that it was given.
        Relation::StateFunction(function) => {
            let given = function.timeout == Timeout::ProcessingTime || of(&function.input).contains(&true);
            function.output.iter().map(|field| given && field.data_type == DataType::Timestamp).collect()
        }
    }
}

/// Whether the operator of `relation` goes by arrival times.
pub(super) fn goes_by_arrival(program: &Program, relation: &Relation) -> bool {
    let of = |input: &Relation| arrival_columns(program, input);
    let by_event = |input: &Relation| {
        let columns = of(input);
        event_columns(input).iter().any(|event| columns.get(event.column) == Some(&true))
    };
    match relation {
        Relation::Watermark { input, column, .. } => of(input).get(*column) == Some(&true),
        Relation::Aggregate { input, keys, .. } => {
            let columns = of(input);
            let is_window = |key: &&GroupKey| !matches!(key, GroupKey::Expr(_));
            keys.iter().filter(is_window).flat_map(GroupKey::exprs).any(|expr| reads(expr, &columns))
        }
        Relation::Over { input, order, .. } => {
            let columns = of(input);
            order.iter().any(|key| reads(&key.expr, &columns))
        }
        Relation::Deduplicate { input, .. } => by_event(input),
        Relation::StateFunction(function) => function.timeout == Timeout::ProcessingTime || by_event(&function.input),
        _ => false,
    }
}

fn either(mut left: Vec<bool>, right: Vec<bool>) -> Vec<bool> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left |= right);
    left
}

/// Whether the expression looks at a column that is marked.
fn reads(expr: &Expr, marked: &[bool]) -> bool {
    match expr.node {
        ExprNode::Column(column) => marked.get(column) == Some(&true),
        _ => expr.children().into_iter().any(|child| reads(child, marked)),
    }
}
