//! Rewrites of a planned relation: filters go below the watermark and towards the source, columns that nobody reads are left out.
//!
//! `sink` moves conditions down, `join` takes them apart at joins, `prune` leaves columns out; here projections are merged and joins get
//! their time bounds.

mod join;
mod prune;
mod sink;

use super::{join_time, tree};
use crate::plan::{ExprNode, Function, Join, NamedExpr, Relation};
use crate::types::DataType;

/// Nodes that a condition may grow to on its way down; a larger one stays where it is.
const PUSHED_NODES_MAX: usize = 1_000;

pub fn optimize(relation: Relation) -> Relation {
    let relation = merge_projects(sink::sink(relation, Vec::new()));
    let needed = vec![true; relation.schema().len()];
    bound_joins(prune::exactly(relation, &needed))
}

/// The relation with the watermarks' inputs in their places: the columns are the same.
pub fn without_watermarks(mut relation: Relation) -> Relation {
    while let Relation::Watermark { input, .. } = relation {
        relation = *input;
    }
    map_input(relation, without_watermarks)
}

/// Takes a relation out of its place.
fn take(input: &mut Relation) -> Relation {
    std::mem::replace(input, Relation::Values { rows: vec![], schema: vec![] })
}

/// Writes into each join what its keys and condition say of its event times.
fn bound_joins(mut relation: Relation) -> Relation {
    for input in relation.inputs_mut() {
        *input = bound_joins(take(input));
    }
    if let Relation::Join(join) = &mut relation
        && join.left.has_watermark()
        && join.right.has_watermark()
    {
        join.time = time_of(join);
    }
    relation
}

fn time_of(join: &Join) -> Option<crate::plan::JoinTime> {
    let (left, right) = (join.left.event_time_columns(), join.right.event_time_columns());
    let mut conditions = Vec::new();
    join.condition.iter().for_each(|condition| tree::conjuncts(condition.clone(), &mut conditions));
    for key in &join.keys {
        let moved: Vec<usize> = (left.len()..left.len() + right.len()).collect();
        let mut other = key.right.clone();
        tree::move_columns(&mut other, &moved);
        conditions.push(tree::call(Function::Equal, vec![key.left.clone(), other], DataType::Boolean));
    }
    join_time::bounds(&left, &right, &conditions)
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
                    let expr = sink::substituted(&column.expr, &|index| inner.get(index).map(|inner| &inner.expr))?;
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
        *input = change(take(input));
    }
    relation
}

pub fn has_aggregate(relation: &Relation) -> bool {
    matches!(relation, Relation::Aggregate { .. }) || relation.inputs().into_iter().any(has_aggregate)
}

pub fn relation_depth(relation: &Relation) -> usize {
    1 + relation.inputs().into_iter().map(relation_depth).max().unwrap_or(0)
}

/// Expression nodes of the whole tree, plus one for each operator and each column that is read.
pub fn relation_size(relation: &Relation) -> usize {
    let columns = match relation {
        Relation::Scan { columns, .. } | Relation::ReferenceScan { columns, .. } => columns.len(),
        _ => 0,
    };
    let own: usize = relation.exprs().into_iter().map(tree::size).sum();
    1 + columns + own + relation.inputs().into_iter().map(relation_size).sum::<usize>()
}
