//! The rows of one side of a stream-stream join that may still find a partner.
//!
//! A row is known by its number, which counts arrivals; a key's rows come out in that order. Rows that a time bound limits expire by it,
//! the others stay. How the rows are stored is in [`super::parts`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::parts::Parts;
use crate::batch::{ColumnBuilder, Values};
use crate::engine::chunk::{Chunk, SharedColumn};
use crate::engine::key_codec::{push_key, put_key};
use crate::engine::keys::{KEY_OVERHEAD_BYTES, KeyId, Keys};
use crate::sabotage::{Fault, planted};
use crate::types::{DataType, Field};

/// What a row takes beside its bytes and its key's.
const ROW_OVERHEAD_BYTES: usize = 160;

/// Bytes of one row.
pub(super) const ROW_BYTES_MAX: usize = 1 << 20;

/// A buffered row.
pub(in crate::engine) struct Row {
    /// `None`: it matches nothing, and is here only to come out unmatched.
    pub key: Option<KeyId>,
    /// The time by which it expires.
    pub time: Option<i64>,
    pub matched: bool,
    pub bytes: Box<[u8]>,
    pub part: u32,
}

/// A row that is to be buffered.
pub(in crate::engine) struct Arrival<'a> {
    pub key: Option<&'a [u8]>,
    pub time: Option<i64>,
    pub matched: bool,
    pub bytes: &'a [u8],
}

/// One side's buffer.
pub(in crate::engine) struct Side {
    pub types: Vec<DataType>,
    /// Rows that expire without a partner come out.
    pub gives_unmatched: bool,
    pub rows: BTreeMap<u64, Row>,
    pub keys: Keys,
    /// By key number.
    of_key: Vec<VecDeque<u64>>,
    by_time: BTreeSet<(i64, u64)>,
    unmatched: BTreeSet<(i64, u64)>,
    pub next: u64,
    row_bytes: usize,
    pub parts: Parts,
}

impl Side {
    pub fn new(fields: &[Field], gives_unmatched: bool, chunk_us: i64, hash_seed: u64) -> Side {
        Side {
            types: fields.iter().map(|field| field.data_type.clone()).collect(),
            gives_unmatched,
            rows: BTreeMap::new(),
            keys: Keys::new(hash_seed),
            of_key: Vec::new(),
            by_time: BTreeSet::new(),
            unmatched: BTreeSet::new(),
            next: 0,
            row_bytes: 0,
            parts: Parts::new(chunk_us),
        }
    }

    /// Estimated memory.
    pub fn bytes(&self) -> usize {
        self.row_bytes + self.keys.bytes()
    }

    /// What a row with so many bytes would add at most.
    pub fn cost(row_bytes: usize, key_bytes: usize) -> usize {
        ROW_OVERHEAD_BYTES + row_bytes + KEY_OVERHEAD_BYTES + key_bytes
    }

    /// Numbers of the rows with this key.
    pub fn find(&self, key: &[u8]) -> impl Iterator<Item = u64> + '_ {
        self.keys.find(key).into_iter().flat_map(|key| self.of_key[key as usize].iter().copied())
    }

    pub fn add(&mut self, arrival: &Arrival<'_>) {
        let number = self.next;
        self.next += 1;
        let part = self.parts.add(number, arrival.time, arrival.bytes.len());
        self.put(number, arrival, part);
    }

    /// Puts a row in place that has its number and part.
    pub fn put(&mut self, number: u64, arrival: &Arrival<'_>, part: u32) {
        let key = arrival.key.map(|bytes| {
            let key = self.keys.find(bytes).unwrap_or_else(|| self.keys.add(bytes));
            self.keys.hold(key);
            if self.of_key.len() <= key as usize {
                self.of_key.resize_with(key as usize + 1, VecDeque::new);
            }
            self.of_key[key as usize].push_back(number);
            key
        });
        if let Some(time) = arrival.time {
            self.by_time.insert((time, number));
            if self.gives_unmatched && !arrival.matched {
                self.unmatched.insert((time, number));
            }
        }
        self.row_bytes += ROW_OVERHEAD_BYTES + arrival.bytes.len();
        self.rows.insert(number, Row { key, time: arrival.time, matched: arrival.matched, bytes: arrival.bytes.into(), part });
    }

    /// A partner of the row was found.
    pub fn mark_matched(&mut self, number: u64) {
        let Some(row) = self.rows.get_mut(&number).filter(|row| self.gives_unmatched && !row.matched) else { return };
        row.matched = true;
        if let Some(time) = row.time {
            self.unmatched.remove(&(time, number));
        }
        self.parts.changed(row.part);
    }

    /// Takes a row out. `expired`: by its time, which a reader of the stored state sees too.
    pub fn remove(&mut self, number: u64, expired: bool) -> Option<Row> {
        let row = self.rows.remove(&number)?;
        if let Some(time) = row.time {
            self.by_time.remove(&(time, number));
            self.unmatched.remove(&(time, number));
        }
        if let Some(key) = row.key {
            let of_key = &mut self.of_key[key as usize];
            if let Ok(index) = of_key.binary_search(&number) {
                of_key.remove(index);
            }
            self.keys.release(key);
        }
        self.row_bytes -= ROW_OVERHEAD_BYTES + row.bytes.len();
        self.parts.remove(number, &row, expired);
        Some(row)
    }

    /// Ends a step: the parts to be written, and those to be deleted. Numbers go on from the last live row's, as after a restart.
    pub fn end_step(&mut self) -> (Vec<u32>, Vec<u32>) {
        self.next = self.rows.last_key_value().map_or(0, |(number, _)| number + 1);
        self.parts.take_changed()
    }

    /// The first row that expires by `until`, if one does.
    pub fn first_expired(&self, until: i64) -> Option<u64> {
        self.by_time.first().filter(|(time, _)| *time <= until && !planted(Fault::UnexpiredRow)).map(|(_, number)| *number)
    }

    /// The time of the first row that will come out unmatched.
    pub fn first_unmatched(&self) -> Option<i64> {
        self.unmatched.first().map(|(time, _)| *time)
    }

    /// The time of the last one.
    pub fn last_unmatched(&self) -> Option<i64> {
        self.unmatched.last().map(|(time, _)| *time)
    }
}

/// Appends a row's values: as in keys, but floating-point numbers bit by bit.
pub(super) fn put_row(out: &mut Vec<u8>, chunk: &Chunk<'_>, row: u32) {
    let row = row as usize;
    for column in chunk.columns.iter().map(SharedColumn::get) {
        match &column.values {
            Values::Double(v) if !column.is_null(row) => {
                out.push(1);
                out.extend_from_slice(&v[row].to_bits().to_le_bytes());
            }
            Values::Float(v) if !column.is_null(row) => {
                out.push(1);
                out.extend_from_slice(&v[row].to_bits().to_le_bytes());
            }
            _ => put_key(out, column, row),
        }
    }
}

/// Rows become columns again.
pub(super) struct RowsOut<'t> {
    types: &'t [DataType],
    builders: Vec<ColumnBuilder>,
    pub count: usize,
}

impl<'t> RowsOut<'t> {
    pub fn new(types: &'t [DataType]) -> RowsOut<'t> {
        RowsOut { types, builders: types.iter().map(|data_type| ColumnBuilder::new(data_type, 0)).collect(), count: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        push_key(bytes, self.types, &mut self.builders);
        self.count += 1;
    }

    pub fn push_nulls(&mut self) {
        self.builders.iter_mut().for_each(ColumnBuilder::push_null);
        self.count += 1;
    }

    pub fn finish(self) -> Vec<SharedColumn<'static>> {
        self.builders.into_iter().map(|builder| SharedColumn::made(builder.finish())).collect()
    }
}
