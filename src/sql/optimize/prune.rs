//! Columns that nobody reads are left out.

use super::tree;
use crate::plan::{
    AggregateCall, Expr, ExprNode, Generator, GroupKey, Join, JoinKind, NamedExpr, OverCall, Relation, SortKey, Span, StateFunction,
};
use crate::types::Field;

/// Where each column of a relation is after pruning; [`GONE`] where it is left out.
type Moved = Vec<usize>;

const GONE: usize = usize::MAX;

/// The relation with the needed columns and no others.
pub fn exactly(relation: Relation, needed: &[bool]) -> Relation {
    let fields = relation.schema();
    let (relation, moved) = prune(relation, needed);
    let wanted = needed.iter().filter(|needed| **needed).count();
    if relation.schema().len() == wanted && moved.iter().filter(|place| **place != GONE).is_sorted() {
        return relation;
    }
    let kept = fields.into_iter().zip(moved).zip(needed).filter(|(_, needed)| **needed);
    let columns =
        kept.map(|((field, place), _)| NamedExpr { name: field.name, expr: tree::column(place, field.data_type, Span::default()) });
    Relation::Project { columns: columns.collect(), input: Box::new(relation) }
}

/// Leaves out the columns that nobody above needs; some that nobody needs may stay.
fn prune(relation: Relation, needed: &[bool]) -> (Relation, Moved) {
    match relation {
        Relation::Scan { source, columns, schema } => {
            let columns = select(columns, needed);
            (Relation::Scan { source, columns, schema: select(schema, needed) }, kept(needed))
        }
        Relation::ReferenceScan { table, columns, schema } => {
            let columns = select(columns, needed);
            (Relation::ReferenceScan { table, columns, schema: select(schema, needed) }, kept(needed))
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
        Relation::Limit { input, rows, skip } => {
            let (input, moved) = prune_input(*input, needed.to_vec(), []);
            (Relation::Limit { input, rows, skip }, moved)
        }
        Relation::Union { inputs } => {
            let inputs = inputs.into_iter().map(|input| exactly(input, needed)).collect();
            (Relation::Union { inputs }, kept(needed))
        }
        Relation::Join(join) => prune_join(join, needed),
        Relation::Generate { input, generator, outer, columns } => prune_generate(*input, generator, outer, columns, needed),
        Relation::Expand { input, projections, columns } => {
            let mut projections: Vec<Vec<Expr>> = projections.into_iter().map(|projection| select(projection, needed)).collect();
            let none = vec![false; input.schema().len()];
            let (input, moved) = prune_input(*input, none, projections.iter().flatten());
            move_columns(projections.iter_mut().flatten(), &moved);
            (Relation::Expand { input, projections, columns: select(columns, needed) }, kept(needed))
        }
        Relation::Over { input, partition, order, calls } => prune_over(*input, partition, order, calls, needed),
        Relation::Deduplicate { input, keys, delay_us } => {
            let mut needed = needed.to_vec();
            keys.iter().for_each(|key| needed[*key] = true);
            let (input, moved) = prune_input(*input, needed, []);
            let keys = keys.into_iter().map(|key| moved[key]).collect();
            (Relation::Deduplicate { input, keys, delay_us }, moved)
        }
        Relation::StateFunction(function) => prune_state_function(function),
    }
}

/// The script sees whole rows.
fn prune_state_function(mut function: StateFunction) -> (Relation, Moved) {
    let all = vec![true; function.input.schema().len()];
    function.input = Box::new(exactly(*function.input, &all));
    let moved = (0..function.output.len()).collect();
    (Relation::StateFunction(function), moved)
}

fn prune_generate(input: Relation, mut generator: Generator, outer: bool, columns: Vec<Field>, needed: &[bool]) -> (Relation, Moved) {
    let width = input.schema().len();
    let (input, mut moved) = prune_input(input, needed[..width].to_vec(), generator.exprs());
    move_columns(generator.exprs_mut(), &moved);
    let width = input.schema().len();
    moved.extend((0..columns.len()).map(|index| width + index));
    (Relation::Generate { input, generator, outer, columns }, moved)
}

fn prune_aggregate(input: Relation, mut keys: Vec<GroupKey>, aggregates: Vec<AggregateCall>, needed: &[bool]) -> (Relation, Moved) {
    let mut needed = needed.to_vec();
    needed[..keys.len()].fill(true);
    let mut aggregates = select(aggregates, &needed[keys.len()..]);
    let none = vec![false; input.schema().len()];
    let used = keys.iter().flat_map(GroupKey::exprs).chain(aggregates.iter().flat_map(AggregateCall::exprs));
    let (input, moved) = prune_input(input, none, used);
    let used = keys.iter_mut().flat_map(GroupKey::exprs_mut).chain(aggregates.iter_mut().flat_map(AggregateCall::exprs_mut));
    move_columns(used, &moved);
    (Relation::Aggregate { input, keys, aggregates }, kept(&needed))
}

fn prune_join(mut join: Join, needed: &[bool]) -> (Relation, Moved) {
    let (width, right_width) = (join.left.schema().len(), join.right.schema().len());
    let only_left = matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    let mut both = needed.to_vec();
    both.resize(width + right_width, false);
    if let Some(condition) = &join.condition {
        mark(&mut both, condition);
    }
    let (left, left_moved) = prune_input(*join.left, both[..width].to_vec(), join.keys.iter().map(|key| &key.left));
    let (right, right_moved) = prune_input(*join.right, both[width..].to_vec(), join.keys.iter().map(|key| &key.right));
    let new_width = left.schema().len();
    let mut moved = left_moved.clone();
    moved.extend(right_moved.iter().map(|place| if *place == GONE { GONE } else { new_width + place }));
    for key in &mut join.keys {
        tree::move_columns(&mut key.left, &left_moved);
        tree::move_columns(&mut key.right, &right_moved);
    }
    move_columns(&mut join.condition, &moved);
    if only_left {
        moved.truncate(width);
    }
    (Relation::Join(Join { left, right, ..join }), moved)
}

fn prune_over(
    input: Relation,
    mut partition: Vec<Expr>,
    mut order: Vec<SortKey>,
    calls: Vec<OverCall>,
    needed: &[bool],
) -> (Relation, Moved) {
    let width = input.schema().len();
    let (below, of_calls) = needed.split_at(width);
    let mut calls = select(calls, of_calls);
    if calls.is_empty() {
        let (input, mut moved) = prune(input, below);
        moved.extend(of_calls.iter().map(|_| GONE));
        return (input, moved);
    }
    let used = partition.iter().chain(order.iter().map(|key| &key.expr)).chain(calls.iter().flat_map(OverCall::exprs));
    let (input, mut moved) = prune_input(input, below.to_vec(), used);
    let used = partition.iter_mut().chain(order.iter_mut().map(|key| &mut key.expr)).chain(calls.iter_mut().flat_map(OverCall::exprs_mut));
    move_columns(used, &moved);
    let width = input.schema().len();
    moved.extend(kept(of_calls).into_iter().map(|place| if place == GONE { GONE } else { width + place }));
    (Relation::Over { input, partition, order, calls }, moved)
}

fn prune_input<'e>(input: Relation, mut needed: Vec<bool>, exprs: impl IntoIterator<Item = &'e Expr>) -> (Box<Relation>, Moved) {
    exprs.into_iter().for_each(|expr| mark(&mut needed, expr));
    let (input, moved) = prune(input, &needed);
    (Box::new(input), moved)
}

/// Marks the columns that an expression reads.
fn mark(needed: &mut [bool], expr: &Expr) {
    tree::visit(expr, &mut |node| {
        if let ExprNode::Column(index) = node.node {
            needed[index] = true;
        }
    });
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
