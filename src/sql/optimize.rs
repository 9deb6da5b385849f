//! Rewrites of a planned relation: filters go below the watermark and towards the source, columns that nobody reads are left out.
//!
//! Where a filter stands decides which rows advance the watermark, so it follows Spark: a condition that does not look at the event time
//! goes below the watermark, also from HAVING where it looks at plain keys only.

use super::tree;
use crate::plan::{AggregateCall, DEPTH_MAX, Expr, ExprNode, GroupKey, NamedExpr, Relation};

/// Nodes that a condition may grow to on its way down; a larger one stays where it is.
const PUSHED_NODES_MAX: usize = 1_000;

pub fn optimize(relation: Relation) -> Relation {
    let relation = merge_projects(sink(relation, Vec::new()));
    let needed = vec![true; relation.schema().len()];
    prune(relation, &needed).0
}

/// Moves `conditions`, and those found on the way, as far down as they go.
fn sink(relation: Relation, mut conditions: Vec<Expr>) -> Relation {
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
            let has_column = |condition: &Expr| tree::any(condition, &mut |node| matches!(node.node, ExprNode::Column(_)));
            let (pushed, kept) = split(conditions, |condition| if has_column(condition) { substituted(condition, &key) } else { None });
            let input = Box::new(sink(*input, pushed));
            filter(Relation::Aggregate { input, keys, aggregates }, kept)
        }
        Relation::Sort { input, by } => Relation::Sort { input: Box::new(sink(*input, conditions)), by },
        Relation::Limit { input, rows } => filter(Relation::Limit { input: Box::new(sink(*input, Vec::new())), rows }, conditions),
        mut other => {
            for input in other.inputs_mut() {
                let taken = std::mem::replace(input, Relation::Values { rows: vec![], schema: vec![] });
                *input = sink(taken, Vec::new());
            }
            filter(other, conditions)
        }
    }
}

fn filter(input: Relation, conditions: Vec<Expr>) -> Relation {
    if conditions.is_empty() {
        return input;
    }
    Relation::Filter { input: Box::new(input), predicate: tree::chain(conditions, false) }
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
fn substituted<'e>(expr: &Expr, replacement: &impl Fn(usize) -> Option<&'e Expr>) -> Option<Expr> {
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

/// Two projections in a row become one where that evaluates nothing twice.
fn merge_projects(relation: Relation) -> Relation {
    let Relation::Project { input, columns } = relation else {
        return map_input(relation, merge_projects);
    };
    match merge_projects(*input) {
        Relation::Project { input, columns: inner } if evaluated_once(&columns, &inner) => {
            let merged: Option<Vec<NamedExpr>> = columns
                .iter()
                .map(|column| {
                    let expr = substituted(&column.expr, &|index| inner.get(index).map(|inner| &inner.expr))?;
                    Some(NamedExpr { name: column.name.clone(), expr })
                })
                .collect();
            match merged {
                Some(columns) => Relation::Project { input, columns },
                None => Relation::Project { input: Box::new(Relation::Project { input, columns: inner }), columns },
            }
        }
        input => Relation::Project { input: Box::new(input), columns },
    }
}

fn evaluated_once(outer: &[NamedExpr], inner: &[NamedExpr]) -> bool {
    let mut uses = vec![0; inner.len()];
    for column in outer {
        tree::visit(&column.expr, &mut |node| {
            if let ExprNode::Column(index) = node.node {
                uses[index] += 1;
            }
        });
    }
    inner.iter().zip(uses).all(|(column, uses)| uses <= 1 || matches!(column.expr.node, ExprNode::Column(_) | ExprNode::Literal(_)))
}

fn map_input(mut relation: Relation, change: impl Fn(Relation) -> Relation) -> Relation {
    for input in relation.inputs_mut() {
        let taken = std::mem::replace(input, Relation::Values { rows: vec![], schema: vec![] });
        *input = change(taken);
    }
    relation
}

/// Where each column of a relation is after pruning; `usize::MAX` where it is gone.
type Moved = Vec<usize>;

const GONE: usize = usize::MAX;

/// Leaves out the columns that nobody above needs.
fn prune(relation: Relation, needed: &[bool]) -> (Relation, Moved) {
    match relation {
        Relation::Scan { source, columns, schema } => {
            let moved = kept(needed);
            let columns = select(columns, needed);
            (Relation::Scan { source, columns, schema: select(schema, needed) }, moved)
        }
        Relation::Values { rows, schema } => {
            let moved = (0..schema.len()).collect();
            (Relation::Values { rows, schema }, moved)
        }
        Relation::Filter { input, mut predicate } => {
            let (input, moved) = prune_input(*input, needed.to_vec(), [&predicate]);
            move_columns([&mut predicate], &moved);
            (Relation::Filter { input, predicate }, moved)
        }
        Relation::Project { input, columns } => {
            let mut columns = select(columns, needed);
            let none = vec![false; input.schema().len()];
            let (input, moved) = prune_input(*input, none, columns.iter().map(|column| &column.expr));
            move_columns(columns.iter_mut().map(|column| &mut column.expr), &moved);
            (Relation::Project { input, columns }, kept(needed))
        }
        Relation::Watermark { input, column, delay_us } => {
            let mut needed = needed.to_vec();
            needed[column] = true;
            let (input, moved) = prune_input(*input, needed, []);
            (Relation::Watermark { input, column: moved[column], delay_us }, moved)
        }
        Relation::Aggregate { input, keys, aggregates } => prune_aggregate(*input, keys, aggregates, needed),
        Relation::Sort { input, mut by } => {
            let (input, moved) = prune_input(*input, needed.to_vec(), by.iter().map(|key| &key.expr));
            move_columns(by.iter_mut().map(|key| &mut key.expr), &moved);
            (Relation::Sort { input, by }, moved)
        }
        Relation::Limit { input, rows } => {
            let (input, moved) = prune_input(*input, needed.to_vec(), []);
            (Relation::Limit { input, rows }, moved)
        }
        mut other => {
            for input in other.inputs_mut() {
                let taken = std::mem::replace(input, Relation::Values { rows: vec![], schema: vec![] });
                let needed = vec![true; taken.schema().len()];
                *input = prune(taken, &needed).0;
            }
            let moved = (0..other.schema().len()).collect();
            (other, moved)
        }
    }
}

fn prune_aggregate(input: Relation, mut keys: Vec<GroupKey>, aggregates: Vec<AggregateCall>, needed: &[bool]) -> (Relation, Moved) {
    let mut needed = needed.to_vec();
    needed[..keys.len()].fill(true);
    let mut aggregates = select(aggregates, &needed[keys.len()..]);
    let none = vec![false; input.schema().len()];
    let (input, moved) = prune_input(input, none, used_by(&keys, &aggregates));
    let keys_mut = keys.iter_mut().flat_map(GroupKey::exprs_mut);
    let calls_mut = aggregates.iter_mut().flat_map(|call| call.args.iter_mut().chain(&mut call.filter));
    move_columns(keys_mut.chain(calls_mut), &moved);
    (Relation::Aggregate { input, keys, aggregates }, kept(&needed))
}

fn used_by<'e>(keys: &'e [GroupKey], aggregates: &'e [AggregateCall]) -> impl Iterator<Item = &'e Expr> {
    let keys = keys.iter().flat_map(GroupKey::exprs);
    keys.chain(aggregates.iter().flat_map(|call| call.args.iter().chain(&call.filter)))
}

fn prune_input<'e>(input: Relation, mut needed: Vec<bool>, exprs: impl IntoIterator<Item = &'e Expr>) -> (Box<Relation>, Moved) {
    for expr in exprs {
        tree::visit(expr, &mut |node| {
            if let ExprNode::Column(index) = node.node {
                needed[index] = true;
            }
        });
    }
    let (input, moved) = prune(input, &needed);
    (Box::new(input), moved)
}

fn move_columns<'e>(exprs: impl IntoIterator<Item = &'e mut Expr>, moved: &Moved) {
    exprs.into_iter().for_each(|expr| tree::move_columns(expr, moved));
}

fn kept(needed: &[bool]) -> Moved {
    let mut next = 0;
    let place = |needed: &bool| {
        if !needed {
            return GONE;
        }
        next += 1;
        next - 1
    };
    needed.iter().map(place).collect()
}

fn select<T>(items: Vec<T>, needed: &[bool]) -> Vec<T> {
    items.into_iter().zip(needed).filter(|(_, needed)| **needed).map(|(item, _)| item).collect()
}

pub fn has_aggregate(relation: &Relation) -> bool {
    matches!(relation, Relation::Aggregate { .. }) || relation.inputs().into_iter().any(has_aggregate)
}

pub fn relation_depth(relation: &Relation) -> usize {
    1 + relation.inputs().into_iter().map(relation_depth).max().unwrap_or(0)
}

/// Expression nodes of the whole tree, plus one for each operator and column.
pub fn relation_size(relation: &Relation) -> usize {
    let sizes = |exprs: &mut dyn Iterator<Item = &Expr>| exprs.map(tree::size).sum::<usize>();
    let own = match relation {
        Relation::Scan { columns, .. } => columns.len(),
        Relation::Values { rows, .. } => sizes(&mut rows.iter().flatten()),
        Relation::Filter { predicate, .. } => tree::size(predicate),
        Relation::Project { columns, .. } => sizes(&mut columns.iter().map(|column| &column.expr)),
        Relation::Aggregate { keys, aggregates, .. } => sizes(&mut used_by(keys, aggregates)),
        Relation::Sort { by, .. } => sizes(&mut by.iter().map(|key| &key.expr)),
        Relation::Watermark { .. } | Relation::Limit { .. } => 0,
        other => other.schema().len(),
    };
    1 + own + relation.inputs().into_iter().map(relation_size).sum::<usize>()
}
