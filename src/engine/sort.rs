//! ORDER BY over a whole table: complete mode (each step's table) and batch queries (at the end).
//!
//! Limits: [`ROWS_MAX`] rows and the query's bytes are held; rows beyond are rejected.

use crate::batch::{Column, ColumnBuilder, ROWS_MAX};
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::compare::order_for_sort;
use crate::engine::expr::{Context, EvalError, Selection};
use crate::engine::output::Complaints;
use crate::engine::render::render_row;
use crate::engine::state_limits::OperatorStatus;
use crate::plan::SortKey;
use crate::types::Field;

/// Of one value besides its text, about.
const CELL_BYTES: usize = 16;

pub(super) struct Sort {
    by: Vec<SortKey>,
    fields: Vec<Field>,
    held: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
    bytes_max: usize,
    /// Rows rejected for want of room.
    rejected: u64,
}

impl Sort {
    /// `bytes_max`: estimated memory that it may hold.
    pub fn new(by: Vec<SortKey>, fields: Vec<Field>, bytes_max: usize) -> Sort {
        let held = builders(&fields);
        Sort { by, fields, held, rows: 0, bytes: 0, bytes_max, rejected: 0 }
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        let Sort { rows, bytes, bytes_max, rejected, .. } = *self;
        OperatorStatus { operator: "ORDER BY", keys: rows, keys_max: ROWS_MAX, bytes, bytes_max, rejected, evicted: 0 }
    }

    pub fn absorb(&mut self, chunk: &Chunk<'_>, complaints: &mut Complaints<'_>) {
        for row in chunk.selection.iter() {
            let bytes = chunk.columns.iter().map(|column| CELL_BYTES + column.get().text(row as usize).map_or(0, str::len)).sum::<usize>();
            if self.rows >= ROWS_MAX || self.bytes + bytes > self.bytes_max {
                self.rejected += 1;
                let reason = || {
                    let bytes_max = self.bytes_max;
                    format!("ORDER BY holds at most {ROWS_MAX} rows and {bytes_max} bytes; add a LIMIT below it or a coarser grouping")
                };
                complaints.reject(reason, || render_row(&self.fields, chunk, row));
                continue;
            }
            self.bytes += bytes;
            self.held.iter_mut().zip(&chunk.columns).for_each(|(builder, column)| builder.push_from(column.get(), row as usize));
            self.rows += 1;
        }
    }

    /// Everything held, sorted; rows whose sort key fails are rejected.
    pub fn emit(
        &mut self,
        context: &Context,
        complaints: &mut Complaints<'_>,
        explain: impl Fn(&EvalError) -> String,
    ) -> Option<Chunk<'static>> {
        let count = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if count == 0 {
            return None;
        }
        let held = std::mem::replace(&mut self.held, builders(&self.fields));
        let mut chunk = Chunk::made(held.into_iter().map(ColumnBuilder::finish).collect(), count);
        let mut selection = chunk.selection.clone();
        let mut keys: Vec<Column> = Vec::new();
        for key in &self.by {
            let evaluated = chunk.evaluate(&key.expr, &selection, context);
            let failed: Vec<u32> = evaluated.errors.iter().map(|error| error.row).collect();
            for error in &evaluated.errors {
                complaints.reject(|| explain(&error.error), || render_row(&self.fields, &chunk, error.row));
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

fn builders(fields: &[Field]) -> Vec<ColumnBuilder> {
    fields.iter().map(|field| ColumnBuilder::new(&field.data_type, 0)).collect()
}
