//! Predicates: which rows go on.

use std::borrow::Cow;

use crate::engine::expr::error::{RowError, first_of_each_row};
use crate::engine::expr::logic;
use crate::engine::expr::walk::Walk;
use crate::engine::expr::{Context, Rows, Selection};
use crate::plan::{Expr, ExprNode};

/// The rows for which a predicate is TRUE, and those for which it failed; no row is in both.
#[derive(Clone, Debug)]
pub struct Filtered {
    pub selection: Selection,
    /// At most one a row, ascending by row.
    pub errors: Vec<RowError>,
}

/// The selected rows for which `predicate` is TRUE (neither FALSE nor NULL).
///
/// As in Spark, the sides of a top-level AND are tried one after the other: a row that the left side does not let through cannot
/// fail in the right one.
pub fn filter(predicate: &Expr, input: &Rows<'_>, selection: &Selection, context: &Context) -> Filtered {
    let mut walk = Walk::new(input, context);
    let selection = keep(&mut walk, predicate, selection);
    let mut errors = walk.errors;
    first_of_each_row(&mut errors);
    Filtered { selection, errors }
}

fn keep(walk: &mut Walk<'_, '_>, predicate: &Expr, rows: &Selection) -> Selection {
    if rows.is_empty() {
        return rows.clone();
    }
    if let ExprNode::And(left, right) = &predicate.node
        && !logic::cannot_fail(predicate)
    {
        let rows = keep(walk, left, rows);
        return keep(walk, right, &rows);
    }
    let mut active = Cow::Borrowed(rows);
    let operand = walk.argument(predicate, &mut active);
    logic::split(&operand, &active).0
}
