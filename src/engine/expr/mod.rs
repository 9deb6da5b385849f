//! Columnar evaluation of [`plan::Expr`](crate::plan::Expr) by Spark's ANSI rules.
//!
//! A result has one entry for each row of the input, also where only some rows are selected: row numbers stay the same through
//! filters and projections, and a plain column is borrowed. Entries of rows that were not selected or that failed mean nothing
//! (they may be NULL or hold any value of the type; dictionary codes of such rows may not be looked up).
//!
//! A row that fails (overflow, division by zero, bad cast) gives one [`RowError`], the first in Spark's order of evaluation; branches
//! that are not taken do not fail. The other rows are not affected.
//!
//! Limits: one string value is at most [`TEXT_BYTES_MAX`] long, an array or map has at most [`ELEMENTS_MAX`] elements, one pattern cache holds [`PATTERNS_MAX`] compiled patterns.

mod arithmetic;
mod bits;
mod bytes;
pub(super) mod calendar;
mod call;
mod cast;
mod collections;
pub mod compare;
mod comparison;
mod distinct;
mod error;
mod filter;
mod frame;
mod interval;
mod json;
mod lambda;
mod list;
mod logic;
mod mathematics;
mod numbers;
mod operand;
mod pattern;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recorded;
mod rounding;
mod scripted;
mod selection;
mod strings;
#[cfg(test)]
mod tests;
mod time;
mod walk;

use std::borrow::Cow;

pub use cast::show;
pub use error::{EvalError, Failure, OFFENDING_BYTES_MAX, Problem, RowError, first_of_each_row};
pub use filter::{Filtered, filter};
pub use scripted::Scripts;
pub use selection::Selection;

use crate::batch::{Column, Table};
use crate::engine::expr::walk::Walk;
use crate::plan::Expr;

/// Bytes of one string that a function may make.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Bytes of text in one column that an expression may make, so that a batch of long values does not exhaust memory.
pub const TEXT_COLUMN_BYTES_MAX: usize = 64 << 20;

/// Elements of one array or map that a function may make.
pub const ELEMENTS_MAX: usize = 1 << 16;

/// Elements that the lambdas of one expression are evaluated for in one batch; each evaluation counts [`LAMBDA_CALL_STEPS`] more.
pub const LAMBDA_STEPS_MAX: u64 = 1 << 25;

/// What one evaluation of a lambda's body costs beside its elements.
pub const LAMBDA_CALL_STEPS: u64 = 16;

/// Compiled patterns that a context keeps.
pub const PATTERNS_MAX: usize = 32;

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

/// What evaluation keeps from batch to batch: compiled patterns and scripts. Never part of a result.
#[derive(Debug, Default)]
pub struct Context {
    patterns: pattern::Patterns,
    scripts: Scripts,
}

impl Context {
    pub fn with_scripts(scripts: Scripts) -> Context {
        Context { scripts, ..Context::default() }
    }
}

/// A column with one entry for each row of the input, and the rows that failed.
#[derive(Clone, Debug)]
pub struct Evaluated<'a> {
    pub column: Cow<'a, Column>,
    /// At most one a row, ascending by row.
    pub errors: Vec<RowError>,
}

/// The value of `expr` for the selected rows of `input`. The column's type is the expression's, or [`Values::Null`](crate::batch::Values::Null)
/// where all is NULL.
pub fn evaluate<'a>(expr: &Expr, input: &Rows<'a>, selection: &Selection, context: &Context) -> Evaluated<'a> {
    let mut walk = Walk::new(input, context);
    let operand = walk.eval(expr, selection);
    let column = walk.frame(expr, selection).column(operand, &expr.data_type);
    let mut errors = walk.errors;
    first_of_each_row(&mut errors);
    Evaluated { column, errors }
}
