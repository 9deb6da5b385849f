//! Conditions on their way down.
//!
//! Where a filter stands decides which rows advance the watermark, so it follows Spark: a condition that does not look at the event time
//! goes below the watermark, also from HAVING where it looks at plain keys only.

use super::{PUSHED_NODES_MAX, join, take, tree};
use crate::plan::{DEPTH_MAX, Expr, ExprNode, GroupKey, Relation};

/// Conditions that are copied into several inputs may grow to so many nodes in all.
const COPIED_NODES_MAX: usize = 20_000;

/// Moves `conditions`, and those found on the way, as far down as they go.
pub fn sink(relation: Relation, mut conditions: Vec<Expr>) -> Relation {
    match relation {
        Relation::Filter { input, predicate } => {
            let mut all = Vec::new();
            tree::conjuncts(predicate, &mut all);
            all.append(&mut conditions);
            sink(*input, all)
        }
        Relation::Project { input, columns } => {
            let below = |condition: &Expr| substituted(condition, &|index| columns.get(index).map(|column| &column.expr));
            let (pushed, kept) = split(conditions, below);
            let input = Box::new(sink(*input, pushed));
            filter(Relation::Project { input, columns }, kept)
        }
        Relation::Watermark { input, column, delay_us } => {
            let (kept, pushed) = conditions.into_iter().partition(|condition| tree::uses_column(condition, column));
            let input = Box::new(sink(*input, pushed));
            filter(Relation::Watermark { input, column, delay_us }, kept)
        }
        Relation::Aggregate { input, keys, aggregates } => {
            let key = |index: usize| match keys.get(index) {
                Some(GroupKey::Expr(named)) => Some(&named.expr),
                _ => None,
            };
            let (pushed, kept) = split(conditions, |condition| if has_column(condition) { substituted(condition, &key) } else { None });
            let input = Box::new(sink(*input, pushed));
            filter(Relation::Aggregate { input, keys, aggregates }, kept)
        }
        Relation::Sort { input, by } => Relation::Sort { input: Box::new(sink(*input, conditions)), by },
        Relation::Union { inputs } => sink_union(inputs, conditions),
        Relation::Join(join) => {
            let (join, kept) = join::sink(join, conditions);
            filter(Relation::Join(join), kept)
        }
        Relation::Generate { input, generator, outer, columns } => {
            let width = input.schema().len();
            let (pushed, kept) = conditions.into_iter().partition(|condition| uses_only(condition, |index| index < width));
            filter(Relation::Generate { input: Box::new(sink(*input, pushed)), generator, outer, columns }, kept)
        }
        Relation::Expand { input, projections, columns } => {
            let same = |index: usize| {
                let first = projections.first()?.get(index)?;
                projections.iter().all(|projection| projection.get(index).is_some_and(|expr| tree::same(expr, first))).then_some(first)
            };
            let (pushed, kept) = split(conditions, |condition| if has_column(condition) { substituted(condition, &same) } else { None });
            filter(Relation::Expand { input: Box::new(sink(*input, pushed)), projections, columns }, kept)
        }
        Relation::Over { input, partition, order, calls } => {
            let is_key = |index| partition.iter().any(|key| matches!(key.node, ExprNode::Column(column) if column == index));
            let (pushed, kept) = conditions.into_iter().partition(|condition| has_column(condition) && uses_only(condition, is_key));
            filter(Relation::Over { input: Box::new(sink(*input, pushed)), partition, order, calls }, kept)
        }
        mut other => {
            for input in other.inputs_mut() {
                *input = sink(take(input), Vec::new());
            }
            filter(other, conditions)
        }
    }
}

/// Into each input, by position.
fn sink_union(inputs: Vec<Relation>, conditions: Vec<Expr>) -> Relation {
    let nodes: usize = conditions.iter().map(tree::size).sum();
    if nodes.saturating_mul(inputs.len()) > COPIED_NODES_MAX {
        let inputs = inputs.into_iter().map(|input| sink(input, Vec::new())).collect();
        return filter(Relation::Union { inputs }, conditions);
    }
    Relation::Union { inputs: inputs.into_iter().map(|input| sink(input, conditions.clone())).collect() }
}

fn has_column(condition: &Expr) -> bool {
    !uses_only(condition, |_| false)
}

fn uses_only(condition: &Expr, allowed: impl Fn(usize) -> bool) -> bool {
    !tree::any(condition, &mut |node| matches!(node.node, ExprNode::Column(index) if !allowed(index)))
}

/// The relation without the rows for which one of the conditions is not TRUE; each condition once.
fn filter(input: Relation, conditions: Vec<Expr>) -> Relation {
    let mut once: Vec<Expr> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        if !once.iter().any(|known| tree::same(known, &condition)) {
            once.push(condition);
        }
    }
    if once.is_empty() {
        return input;
    }
    Relation::Filter { input: Box::new(input), predicate: tree::chain(once, false) }
}

/// Those that `below` can express further down, and the others.
fn split(conditions: Vec<Expr>, below: impl Fn(&Expr) -> Option<Expr>) -> (Vec<Expr>, Vec<Expr>) {
    let (mut pushed, mut kept) = (Vec::new(), Vec::new());
    for condition in conditions {
        match below(&condition) {
            Some(condition) => pushed.push(condition),
            None => kept.push(condition),
        }
    }
    (pushed, kept)
}

/// The expression with its columns replaced; `None` where one has no replacement or the result would be too large.
pub fn substituted<'e>(expr: &Expr, replacement: &impl Fn(usize) -> Option<&'e Expr>) -> Option<Expr> {
    let (mut nodes, mut deepest, mut known) = (0, 0, true);
    tree::visit(expr, &mut |node| {
        let found = match node.node {
            ExprNode::Column(index) => replacement(index),
            _ => {
                nodes += 1;
                return;
            }
        };
        known &= found.is_some();
        nodes += found.map_or(0, tree::size);
        deepest = deepest.max(found.map_or(0, tree::depth));
    });
    if !known || nodes > PUSHED_NODES_MAX || deepest + tree::depth(expr) > DEPTH_MAX {
        return None;
    }
    let mut result = expr.clone();
    tree::replace_columns(&mut result, &|index| replacement(index).cloned());
    Some(result)
}
