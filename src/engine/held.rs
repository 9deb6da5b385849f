//! Rows that an operator keeps until the input, or the step, is over: those of ORDER BY, and of OVER in batch queries.
//!
//! Limits: [`ROWS_MAX`] rows, the operator's bytes, and in any case [`HELD_BYTES_MAX`]; further rows are rejected and counted.

use crate::batch::{ColumnBuilder, ROWS_MAX};
use crate::engine::chunk::Chunk;
use crate::engine::output::Complaints;
use crate::engine::render::render_row;
use crate::engine::state_limits::OperatorStatus;
use crate::types::Field;

/// Places in a column are counted in 32 bits.
pub(super) const HELD_BYTES_MAX: usize = 1 << 31;

/// Of one value besides what is in it.
const CELL_BYTES: usize = 8;

pub(super) struct Held {
    /// As SQL calls it, for messages and the status.
    operator: &'static str,
    fields: Vec<Field>,
    builders: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
    bytes_max: usize,
    /// Rows rejected for want of room.
    rejected: u64,
}

impl Held {
    /// `bytes_max`: estimated memory that it may hold.
    pub fn new(operator: &'static str, fields: Vec<Field>, bytes_max: usize) -> Held {
        let builders = builders(&fields);
        Held { operator, fields, builders, rows: 0, bytes: 0, bytes_max: bytes_max.min(HELD_BYTES_MAX), rejected: 0 }
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn absorb(&mut self, chunk: &Chunk<'_>, complaints: &mut Complaints<'_>) {
        for row in chunk.selection.iter() {
            let bytes = row_bytes(chunk, row);
            if self.rows >= ROWS_MAX || self.bytes + bytes > self.bytes_max {
                self.rejected += 1;
                let Held { operator, bytes_max, .. } = *self;
                let reason =
                    || format!("{operator} holds at most {ROWS_MAX} rows and {bytes_max} bytes; filter the rows or group them first");
                complaints.reject(reason, || render_row(&self.fields, chunk, row));
                continue;
            }
            self.bytes += bytes;
            self.builders.iter_mut().zip(&chunk.columns).for_each(|(builder, column)| builder.push_from(column.get(), row as usize));
            self.rows += 1;
        }
    }

    /// All of them; `None` where there are none.
    pub fn take(&mut self) -> Option<Chunk<'static>> {
        let count = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if count == 0 {
            return None;
        }
        let builders = std::mem::replace(&mut self.builders, builders(&self.fields));
        Some(Chunk::made(builders.into_iter().map(ColumnBuilder::finish).collect(), count))
    }

    /// How it stands to its limits; a key is a row here.
    pub fn status(&self) -> OperatorStatus {
        let Held { operator, rows, bytes, bytes_max, rejected, .. } = *self;
        OperatorStatus { operator, keys: rows, keys_max: ROWS_MAX, bytes, bytes_max, rejected, evicted: 0 }
    }
}

/// About what a row takes in memory.
pub(super) fn row_bytes(chunk: &Chunk<'_>, row: u32) -> usize {
    chunk.columns.iter().map(|column| CELL_BYTES + column.get().entry_bytes(row as usize)).sum()
}

fn builders(fields: &[Field]) -> Vec<ColumnBuilder> {
    fields.iter().map(|field| ColumnBuilder::new(&field.data_type, 0)).collect()
}
