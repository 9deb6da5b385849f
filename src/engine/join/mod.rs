//! Joins: rows of two sides that match.
//!
//! | module | job |
//! |---|---|
//! | `matcher` | which rows of a probing side match those of a built one, and what comes out |
//! | `build` | a whole side, found by key |
//! | `condition` | what is demanded beside equal keys |
//! | `lookup` | a stream with a side that does not stream: reference tables, literals; without state |
//! | `whole` | two whole sides, in batch queries |
//! | `stream` | two streams |
//! | `side`, `parts`, `stored` | a stream's buffered rows, and how they are stored |
//!
//! A key matches as Spark's `=` does: NaN with NaN, -0.0 with 0.0, NULL with nothing (with NULL for `<=>`).

mod build;
mod condition;
mod lookup;
mod matcher;
mod parts;
mod side;
mod stored;
mod stream;
mod whole;

pub(super) use condition::{conjuncts, mark_columns, shift_columns};
pub(super) use lookup::Lookup;
use matcher::{MATCHES_MAX, Matcher};
pub(super) use side::{Arrival, Side};
pub(super) use stored::{Sides, put_sides, restore_sides};
pub(super) use stream::{Expiry, SideSpec, StreamJoin, StreamJoinSpec};
pub(super) use whole::Whole;

use std::borrow::Cow;

use crate::batch::Column;
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::{Context, RowError, Selection, first_of_each_row};
use crate::engine::key_codec::put_key;
use crate::plan::Expr;

/// The keys of one side of a join.
#[derive(Clone, Debug)]
pub(super) struct SideKeys {
    exprs: Vec<Expr>,
    /// Whether NULL matches NULL, a key each.
    null_safe: Vec<bool>,
}

/// A chunk's keys.
pub(super) struct EvaluatedKeys<'c> {
    pub columns: Vec<Cow<'c, Column>>,
    /// The rows whose keys could be evaluated.
    pub selection: Selection,
    pub errors: Vec<RowError>,
}

impl SideKeys {
    pub fn new(keys: impl IntoIterator<Item = (Expr, bool)>) -> SideKeys {
        let (exprs, null_safe) = keys.into_iter().unzip();
        SideKeys { exprs, null_safe }
    }

    pub(super) fn evaluate<'c>(&self, chunk: &'c Chunk<'_>, selection: &Selection, context: &Context) -> EvaluatedKeys<'c> {
        let mut errors = Vec::new();
        let mut columns = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            let evaluated = chunk.evaluate(expr, selection, context);
            errors.extend(evaluated.errors);
            columns.push(evaluated.column);
        }
        first_of_each_row(&mut errors);
        let failed: Vec<u32> = errors.iter().map(|error| error.row).collect();
        EvaluatedKeys { columns, selection: without(selection, &failed), errors }
    }

    /// Writes the row's key over `out`; false where it matches nothing.
    pub(super) fn encode(&self, columns: &[Cow<'_, Column>], row: u32, out: &mut Vec<u8>) -> bool {
        out.clear();
        for (column, null_safe) in columns.iter().zip(&self.null_safe) {
            if !null_safe && column.is_null(row as usize) {
                return false;
            }
            put_key(out, column, row as usize);
        }
        true
    }
}
