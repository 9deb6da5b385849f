//! What a join demands beside equal keys: an expression over the left columns followed by the right ones.

use crate::batch::{Column, Values};
use crate::engine::chunk::Chunk;
use crate::engine::expr::{Context, Filtered};
use crate::plan::{Expr, ExprNode};

/// A condition over pairs of rows.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub expr: Expr,
    /// Which columns it reads.
    used: Vec<bool>,
}

impl Condition {
    pub fn new(expr: Expr, width: usize) -> Condition {
        let mut used = vec![false; width];
        mark_columns(&expr, &mut used);
        Condition { expr, used }
    }

    /// Tests `count` pairs; `column` makes those columns that are read.
    pub fn test(&self, count: usize, mut column: impl FnMut(usize) -> Column, context: &Context) -> Filtered {
        let unread = || Column::new(Values::Null(count));
        let columns = self.used.iter().enumerate().map(|(index, used)| if *used { column(index) } else { unread() });
        Chunk::made(columns.collect(), count).filter(&self.expr, context)
    }
}

/// Marks the columns that an expression reads.
pub(in crate::engine) fn mark_columns(expr: &Expr, used: &mut [bool]) {
    match &expr.node {
        ExprNode::Column(index) => {
            if let Some(used) = used.get_mut(*index) {
                *used = true;
            }
        }
        ExprNode::Literal(_) | ExprNode::Parameter { .. } => {}
        ExprNode::Cast { input, .. }
        | ExprNode::Not(input)
        | ExprNode::IsNull(input)
        | ExprNode::Member { input, .. }
        | ExprNode::Lambda { body: input, .. } => mark_columns(input, used),
        ExprNode::And(left, right) | ExprNode::Or(left, right) => [left, right].into_iter().for_each(|side| mark_columns(side, used)),
        ExprNode::Case { branches, otherwise } => {
            branches.iter().flat_map(|(condition, value)| [condition, value]).for_each(|expr| mark_columns(expr, used));
            otherwise.iter().for_each(|expr| mark_columns(expr, used));
        }
        ExprNode::Coalesce(args) | ExprNode::Call { args, .. } => args.iter().for_each(|arg| mark_columns(arg, used)),
        ExprNode::InList { input, list } => std::iter::once(&**input).chain(list).for_each(|expr| mark_columns(expr, used)),
    }
}

/// The conjuncts of an expression.
pub(in crate::engine) fn conjuncts(expr: Expr, out: &mut Vec<Expr>) {
    match expr.node {
        ExprNode::And(left, right) => {
            conjuncts(*left, out);
            conjuncts(*right, out);
        }
        node => out.push(Expr { node, ..expr }),
    }
}

/// Moves column indices down by `by`, to be over the right side's columns alone.
pub(in crate::engine) fn shift_columns(expr: &mut Expr, by: usize) {
    match &mut expr.node {
        ExprNode::Column(index) => *index -= by.min(*index),
        ExprNode::Literal(_) | ExprNode::Parameter { .. } => {}
        ExprNode::Cast { input, .. }
        | ExprNode::Not(input)
        | ExprNode::IsNull(input)
        | ExprNode::Member { input, .. }
        | ExprNode::Lambda { body: input, .. } => shift_columns(input, by),
        ExprNode::And(left, right) | ExprNode::Or(left, right) => [left, right].into_iter().for_each(|side| shift_columns(side, by)),
        ExprNode::Case { branches, otherwise } => {
            branches.iter_mut().flat_map(|(condition, value)| [condition, value]).for_each(|expr| shift_columns(expr, by));
            otherwise.iter_mut().for_each(|expr| shift_columns(expr, by));
        }
        ExprNode::Coalesce(args) | ExprNode::Call { args, .. } => args.iter_mut().for_each(|arg| shift_columns(arg, by)),
        ExprNode::InList { input, list } => std::iter::once(&mut **input).chain(list).for_each(|expr| shift_columns(expr, by)),
    }
}
