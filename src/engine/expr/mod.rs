//! Columnar evaluation of [`plan::Expr`](crate::plan::Expr) by Spark's ANSI rules.
//!
//! A result has one entry for each row of the input, also where only some rows are selected: row numbers stay the same through
//! filters and projections, and a plain column is borrowed. Entries of rows that were not selected or that failed mean nothing
//! (they may be NULL or hold any value of the type; dictionary codes of such rows may not be looked up).
//!
//! A row that fails (overflow, division by zero, bad cast) gives one [`RowError`], the first in Spark's order of evaluation; branches
//! that are not taken do not fail. The other rows are not affected.
//!
//! Limits: one string value is at most [`TEXT_BYTES_MAX`] long, one pattern cache holds [`PATTERNS_MAX`] compiled patterns.

pub mod compare;
mod error;
mod selection;

pub use error::{EvalError, Failure, OFFENDING_BYTES_MAX, Problem, RowError};
pub use selection::Selection;

use crate::batch::{Column, Table};

/// Bytes of one string that a function may make.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Compiled patterns that a context keeps.
pub const PATTERNS_MAX: usize = 64;

/// The input of an expression: columns of equal length, by the index that [`ExprNode::Column`](crate::plan::ExprNode::Column) uses.
#[derive(Clone, Debug, Default)]
pub struct Rows<'a> {
    /// Entries of each column.
    pub count: usize,
    pub columns: Vec<&'a Column>,
}

impl<'a> Rows<'a> {
    /// The chosen columns of a table; `None` where one of them was not decoded.
    pub fn of_table(table: &'a Table, columns: &[usize]) -> Option<Rows<'a>> {
        let columns = columns.iter().map(|index| table.columns.get(*index)?.as_ref()).collect::<Option<Vec<_>>>()?;
        Some(Rows { count: table.rows, columns })
    }
}
