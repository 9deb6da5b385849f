//! Closed windows out: sessions that the watermark has passed, windows that are complete.
//!
//! Complete windows come out in the order in which their last rows came; those that time closes by start, end and key number.
//!
//! Limits: chunks of [`EMIT_ROWS_MAX`] rows.

use crate::batch::{Bitmap, Column, ColumnBuilder, Values};
use crate::engine::chunk::{Chunk, without};
use crate::engine::emit::EMIT_ROWS_MAX;
use crate::engine::key_codec::push_key;
use crate::engine::keys::KeyId;
use crate::engine::output::Complaints;
use crate::engine::pane::Pane;
use crate::engine::reading::{ReadError, read};
use crate::engine::render::render_row;
use crate::engine::row_windows::rule::{Open, Rule};
use crate::engine::row_windows::{RowWindows, RowWindowsSpec};
use crate::engine::spec::{Emission, KeyColumn, NULL_TIME};
use crate::types::DataType;

impl RowWindows {
    /// What comes out when the watermark reaches `to`, µs; what has come out is dropped. `ended`: the input is over.
    pub fn emit(&mut self, to: i64, ended: bool, complaints: &mut Complaints<'_>) -> Vec<Chunk<'static>> {
        let mut out = ResultRows::new(&self.spec, &self.key_types);
        for complete in std::mem::take(&mut self.complete) {
            let key = self.keys.bytes_of(complete.key);
            if let [cell] = complete.cells[..] {
                out.push(key, (complete.start, complete.end), &self.cells, cell, complaints);
                continue;
            }
            self.combined.clear();
            self.combined.append(complete.key);
            self.combined.grow();
            self.combined.merge(&vec![0; complete.cells.len()], &self.cells, &complete.cells);
            out.push(key, (complete.start, complete.end), &self.combined, 0, complaints);
        }
        let (due, keep) = match self.spec.emission {
            Emission::Closed if self.next_close_now().is_some_and(|close| close <= to) => (Some(to), false),
            Emission::All if self.fed => (Some(i64::MAX), true),
            Emission::AtEnd if ended => (Some(i64::MAX), false),
            _ => (None, true),
        };
        let closing = due.map_or(Vec::new(), |to| self.closing(to));
        for (open, key) in &closing {
            out.push(self.keys.bytes_of(*key), (open.start, open.end), &self.cells, open.cell, complaints);
        }
        let chunks = out.finish(complaints);
        if !keep {
            closing.into_iter().for_each(|(open, key)| self.close(key, open));
        }
        let released = std::mem::take(&mut self.released);
        self.remove_cells(released);
        self.drop_idle_keys();
        if self.fed || due.is_some() {
            self.next_close = self.scan_next_close();
            self.count_loose_bytes();
        }
        self.fed = false;
        chunks
    }

    /// The windows that time closes up to `to`.
    fn closing(&self, to: i64) -> Vec<(Open, KeyId)> {
        let rule = &self.spec.rule;
        let of_key = |(key, windows): (usize, &'_ Vec<Open>)| {
            let due = windows.iter().filter(|open| rule.closes_at(open).is_some_and(|close| close <= to));
            due.map(|open| (*open, key as KeyId)).collect::<Vec<_>>()
        };
        let mut closing: Vec<(Open, KeyId)> = self.states.iter().map(|state| &state.windows).enumerate().flat_map(of_key).collect();
        closing.sort_unstable_by_key(|(open, key)| (open.start, open.end, *key));
        closing
    }

    fn close(&mut self, key: KeyId, closed: Open) {
        self.states[key as usize].windows.retain(|open| open.cell != closed.cell);
        self.windows -= 1;
        self.released.push(closed.cell);
        self.idle_keys.push(key);
        // A session whose end the stored watermark has passed is known to be gone; a state window is not.
        if matches!(self.spec.rule, Rule::State { .. }) {
            self.mark(key, 0);
        }
    }

    fn next_close_now(&self) -> Option<i64> {
        if self.fed { self.scan_next_close() } else { self.next_close }
    }

    pub(super) fn scan_next_close(&self) -> Option<i64> {
        let rule = &self.spec.rule;
        self.states.iter().flat_map(|state| &state.windows).filter_map(|open| rule.closes_at(open)).min()
    }
}

/// Builds chunks of result rows.
struct ResultRows<'s> {
    spec: &'s RowWindowsSpec,
    key_types: &'s [DataType],
    keys: Vec<ColumnBuilder>,
    bounds: Vec<(i64, i64)>,
    outputs: Vec<ColumnBuilder>,
    failed: Vec<(u32, ReadError)>,
    chunks: Vec<Chunk<'static>>,
}

impl<'s> ResultRows<'s> {
    fn new(spec: &'s RowWindowsSpec, key_types: &'s [DataType]) -> ResultRows<'s> {
        let mut rows = ResultRows {
            spec,
            key_types,
            keys: Vec::new(),
            bounds: Vec::new(),
            outputs: Vec::new(),
            failed: Vec::new(),
            chunks: Vec::new(),
        };
        rows.renew();
        rows
    }

    fn renew(&mut self) -> (Vec<ColumnBuilder>, Vec<(i64, i64)>, Vec<ColumnBuilder>) {
        let keys = self.key_types.iter().map(|data_type| ColumnBuilder::new(data_type, 0)).collect();
        let outputs = self.spec.plan.outputs.iter().map(|output| ColumnBuilder::new(&output.data_type, 0)).collect();
        (std::mem::replace(&mut self.keys, keys), std::mem::take(&mut self.bounds), std::mem::replace(&mut self.outputs, outputs))
    }

    fn push(&mut self, key: &[u8], bounds: (i64, i64), cells: &Pane, cell: u32, complaints: &mut Complaints<'_>) {
        push_key(key, self.key_types, &mut self.keys);
        for (output, builder) in self.spec.plan.outputs.iter().zip(&mut self.outputs) {
            match read(output, cells, cell as usize) {
                Ok(value) => builder.push(&value),
                Err(error) => {
                    builder.push_null();
                    self.failed.push((self.bounds.len() as u32, error));
                }
            }
        }
        self.bounds.push(bounds);
        if self.bounds.len() >= EMIT_ROWS_MAX {
            self.flush(complaints);
        }
    }

    fn finish(mut self, complaints: &mut Complaints<'_>) -> Vec<Chunk<'static>> {
        self.flush(complaints);
        self.chunks
    }

    fn flush(&mut self, complaints: &mut Complaints<'_>) {
        let (keys, bounds, outputs) = self.renew();
        if bounds.is_empty() {
            return;
        }
        let mut keys: Vec<Option<Column>> = keys.into_iter().map(|builder| Some(builder.finish())).collect();
        let mut columns: Vec<Column> = Vec::new();
        for column in &self.spec.columns {
            columns.push(match column {
                KeyColumn::Plain(index) => keys[*index].take().expect("each plain key is one output column"),
                KeyColumn::Time => {
                    let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.iter().copied().unzip();
                    Column::new(Values::Struct(vec![time_column(starts), time_column(ends)]))
                }
            });
        }
        columns.extend(outputs.into_iter().map(ColumnBuilder::finish));
        let mut chunk = Chunk::made(columns, bounds.len());
        let mut failed = std::mem::take(&mut self.failed);
        failed.dedup_by_key(|(row, _)| *row);
        for (row, error) in &failed {
            complaints.reject(|| error.to_string(), || render_row(&self.spec.output, &chunk, *row));
        }
        let failed: Vec<u32> = failed.into_iter().map(|(row, _)| row).collect();
        chunk.selection = without(&chunk.selection, &failed);
        self.chunks.push(chunk);
    }
}

/// A TIMESTAMP column; `NULL_TIME` is NULL.
fn time_column(mut times: Vec<i64>) -> Column {
    if !times.contains(&NULL_TIME) {
        return Column::new(Values::Timestamp(times));
    }
    let mut valid = Bitmap::filled(times.len(), true);
    for (row, time) in times.iter_mut().enumerate().filter(|(_, time)| **time == NULL_TIME) {
        *time = 0;
        valid.set(row, false);
    }
    Column { values: Values::Timestamp(times), valid: Some(valid) }
}
