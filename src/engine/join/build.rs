//! One whole side of a join, found by key.
//!
//! Invariant: each column has one entry more than there are rows, which is NULL: what an unmatched row of the other side gets.
//!
//! Limits: [`ROWS_MAX`](crate::batch::ROWS_MAX) rows less one, and the bytes that the caller gives; rows beyond are rejected.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::SideKeys;
use crate::batch::{Column, ColumnBuilder, ROWS_MAX, Table, Values};
use crate::engine::chunk::Chunk;
use crate::engine::held::{HELD_BYTES_MAX, row_bytes};
use crate::engine::stage::Env;
use crate::types::Field;

/// No row.
const NONE: u32 = u32::MAX;

/// What a row costs in the index beside its key and values.
const ROW_OVERHEAD_BYTES: usize = 48;

/// A side being taken in.
pub(super) struct Building {
    builders: Vec<ColumnBuilder>,
    /// Of each row, `None` where it matches nothing.
    keys: Vec<Option<Box<[u8]>>>,
    bytes: usize,
    bytes_max: usize,
    /// Rows that found no room.
    pub rejected: u64,
}

/// A whole side.
pub(super) struct Build {
    columns: Vec<Column>,
    /// Whether the column has NULLs of its own.
    nullable: Vec<bool>,
    rows: usize,
    bytes: usize,
    /// The first row of each key, and from each row the next of its key.
    first: HashTable<(Box<[u8]>, u32)>,
    hasher: FixedState,
    next: Vec<u32>,
}

impl Building {
    pub fn new(fields: &[Field], bytes_max: usize) -> Building {
        let builders = fields.iter().map(|field| ColumnBuilder::new(&field.data_type, 0)).collect();
        Building { builders, keys: Vec::new(), bytes: 0, bytes_max: bytes_max.min(HELD_BYTES_MAX), rejected: 0 }
    }

    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// Estimated memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a chunk's rows; those whose key fails or that have no room are rejected.
    pub fn add(&mut self, chunk: &Chunk<'_>, keys: &SideKeys, port: usize, env: &mut Env<'_, '_>) {
        let evaluated = keys.evaluate(chunk, &chunk.selection, env.context);
        env.reject(&evaluated.errors, port, chunk);
        let mut key = Vec::new();
        for row in evaluated.selection.iter() {
            let matches = keys.encode(&evaluated.columns, row, &mut key);
            let more = ROW_OVERHEAD_BYTES + key.len() + row_bytes(chunk, row);
            if self.keys.len() + 1 >= ROWS_MAX || self.bytes + more > self.bytes_max {
                self.rejected += 1;
                let limit = self.bytes_max;
                env.reject_row(port, chunk, row, || {
                    format!("a side of a join holds at most {} rows and {limit} bytes; filter or group it first", ROWS_MAX - 1)
                });
                continue;
            }
            self.bytes += more;
            self.keys.push(matches.then(|| key.as_slice().into()));
            self.builders.iter_mut().zip(&chunk.columns).for_each(|(builder, column)| builder.push_from(column.get(), row as usize));
        }
    }

    /// The side, whole. `hash_seed`: of its index; results do not depend on it.
    pub fn finish(self, hash_seed: u64) -> Build {
        let (rows, bytes) = (self.keys.len(), self.bytes);
        let hasher = FixedState::with_seed(hash_seed);
        let mut first: HashTable<(Box<[u8]>, u32)> = HashTable::with_capacity(rows);
        let mut next = vec![NONE; rows];
        // From the back, so that a key's rows come out in their order.
        for (row, key) in self.keys.into_iter().enumerate().rev() {
            if let Some(key) = key {
                let hash = hasher.hash_one(&key);
                match first.find_mut(hash, |(other, _)| *other == key) {
                    Some((_, later)) => next[row] = std::mem::replace(later, row as u32),
                    None => _ = first.insert_unique(hash, (key, row as u32), |(key, _)| hasher.hash_one(key)),
                }
            }
        }
        let (mut columns, mut nullable) = (Vec::new(), Vec::new());
        for mut builder in self.builders {
            nullable.push(builder.has_nulls());
            builder.push_null();
            columns.push(builder.finish());
        }
        Build { columns, nullable, rows, bytes, first, hasher, next }
    }
}

impl Build {
    /// A side without rows.
    pub fn empty(fields: &[Field]) -> Build {
        Building::new(fields, 0).finish(0)
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Estimated memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stands for no row in [`Build::gather`].
    pub fn null_row(&self) -> u32 {
        self.rows as u32
    }

    /// The rows with this key, in their order.
    pub fn find(&self, key: &[u8]) -> impl Iterator<Item = u32> + '_ {
        let first = self.first.find(self.hasher.hash_one(key), |(other, _)| **other == *key).map(|(_, row)| *row);
        std::iter::successors(first, |row| Some(self.next[*row as usize]).filter(|next| *next != NONE))
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Column `index` at `rows`, of which some may be [`Build::null_row`].
    pub fn gather(&self, index: usize, rows: &[u32]) -> Column {
        let mut column = self.columns[index].gather(rows);
        if !self.nullable[index] && !matches!(column.values, Values::Null(_)) && !rows.contains(&self.null_row()) {
            column.valid = None;
        }
        column
    }
}

/// The rows of a table as a chunk.
pub(super) fn whole_table(table: &Table) -> Option<Chunk<'_>> {
    Chunk::of_table(table, &(0..table.columns.len()).collect::<Vec<_>>())
}
