//! How large a plan a short text may become: aliases and BETWEEN repeat expressions, and repetition multiplies.

use std::cell::Cell;

use super::error::SqlError;
use super::tree;
use crate::plan::{Expr, Span};

/// Expression nodes of one query's plan.
pub const NODES_MAX: usize = 100_000;

#[derive(Debug)]
pub struct Budget {
    nodes_left: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { nodes_left: Cell::new(NODES_MAX) }
    }
}

impl Budget {
    /// A copy, if there is room for it.
    pub fn copy(&self, expr: &Expr) -> Result<Expr, SqlError> {
        self.spend(tree::size(expr), expr.span)?;
        Ok(expr.clone())
    }

    /// Counts `nodes` more.
    pub fn spend(&self, nodes: usize, span: Span) -> Result<(), SqlError> {
        match self.nodes_left.get().checked_sub(nodes) {
            Some(left) => self.nodes_left.set(left),
            None => return Err(SqlError::new(span, format!("the query is too large: its plan exceeds {NODES_MAX} expressions"))),
        }
        Ok(())
    }
}
