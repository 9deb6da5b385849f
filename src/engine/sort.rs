//! ORDER BY over a whole table: complete mode (each step's table) and batch queries (at the end).
//!
//! Limits: those of [`Held`].

use crate::batch::Column;
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::compare::order_for_sort;
use crate::engine::expr::{Context, EvalError, Selection};
use crate::engine::held::Held;
use crate::engine::output::Complaints;
use crate::engine::render::render_row;
use crate::engine::state_limits::OperatorStatus;
use crate::plan::SortKey;
use crate::types::Field;

pub(super) struct Sort {
    by: Vec<SortKey>,
    held: Held,
}

impl Sort {
    /// `bytes_max`: estimated memory that it may hold.
    pub fn new(by: Vec<SortKey>, fields: Vec<Field>, bytes_max: usize) -> Sort {
        Sort { by, held: Held::new("ORDER BY", fields, bytes_max) }
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        self.held.status()
    }

    pub fn absorb(&mut self, chunk: &Chunk<'_>, complaints: &mut Complaints<'_>) {
        self.held.absorb(chunk, complaints);
    }

    /// Everything held, sorted; rows whose sort key fails are rejected.
    pub fn emit(
        &mut self,
        context: &Context,
        complaints: &mut Complaints<'_>,
        explain: impl Fn(&EvalError) -> String,
    ) -> Option<Chunk<'static>> {
        let mut chunk = self.held.take()?;
        let mut selection = chunk.selection.clone();
        let mut keys: Vec<Column> = Vec::new();
        for key in &self.by {
            let evaluated = chunk.evaluate(&key.expr, &selection, context);
            let failed: Vec<u32> = evaluated.errors.iter().map(|error| error.row).collect();
            for error in &evaluated.errors {
                complaints.reject(|| explain(&error.error), || render_row(self.held.fields(), &chunk, error.row));
            }
            selection = without(&selection, &failed);
            keys.push(evaluated.column.into_owned());
        }
        let mut order: Vec<u32> = selection.iter().collect();
        order.sort_by(|a, b| {
            let compare =
                |(key, column): (&SortKey, &Column)| order_for_sort(column, *a as usize, *b as usize, key.descending, key.nulls_first);
            self.by.iter().zip(&keys).map(compare).find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        let columns = chunk.columns.iter().map(|column| column.get().gather(&order)).collect();
        chunk = Chunk::made(columns, order.len());
        debug_assert!(matches!(chunk.selection, Selection::All(_)));
        Some(chunk)
    }
}
