//! Groups coming out of an aggregate: closed, changed, or all; combined from panes where frames span several.
//!
//! A frame is what one result row stands for: a window, or the single pane of an operator without one. Rows come out by frame, then by key
//! number. A frame of several panes combines them oldest first, so that its sums do not depend on what was computed before; where all
//! lanes are exact (counts, sums of integers) one frame is slid on to the next by adding and taking away panes.
//!
//! Limits: a chunk has at most [`EMIT_ROWS_MAX`] rows; there may be several.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::batch::{Bitmap, Column, ColumnBuilder, Values};
use crate::engine::aggregate::Aggregate;
use crate::engine::chunk::{Chunk, without};
use crate::engine::key_codec::push_key;
use crate::engine::keys::KeyId;
use crate::engine::lanes::LaneKind;
use crate::engine::local_window::LocalWindows;
use crate::engine::output::Complaints;
use crate::engine::pace::Pace;
use crate::engine::pane::{NO_SLOT, Pane};
use crate::engine::reading::{ReadError, read_all};
use crate::engine::render::render_row;
use crate::engine::spec::{Emission, KeyColumn, NULL_TIME, TimeKey};
use crate::sabotage::{Fault, planted};

/// Rows of one chunk.
pub(super) const EMIT_ROWS_MAX: usize = 1 << 16;

/// Panes a frame from which on sliding pays.
const SLIDING_PANES_MIN: i64 = 4;

/// The combined panes `[start, end)` of exact lanes, kept from one frame to the next. Cells without rows may remain.
pub(super) struct Running {
    start: i64,
    end: i64,
    cells: Pane,
}

impl Running {
    /// Whether a change in this pane makes it wrong.
    pub fn covers(&self, pane: i64) -> bool {
        self.start <= pane && pane < self.end
    }
}

impl Aggregate {
    /// What comes out when the watermark goes from `from` to `to`, µs; then drops what is not needed any more. `ended`: the input is over.
    /// `now_us`: the wall clock.
    pub fn emit(&mut self, (from, to): (i64, i64), ended: bool, now_us: i64, complaints: &mut Complaints<'_>) -> Vec<Chunk<'static>> {
        let mut out = Emitter::new(self);
        let due = self.pace.as_ref().is_none_or(|pace| pace.is_due(now_us));
        let withheld = self.pace.as_ref().is_some_and(Pace::withholds);
        match self.spec.emission {
            Emission::Closed => self.emit_frames(from, to, &mut out, complaints),
            Emission::Changed => self.emit_changed(from, if due { i64::MAX } else { to }, &mut out, complaints),
            Emission::All if due && (self.fed || withheld) => self.emit_frames(i64::MIN, i64::MAX, &mut out, complaints),
            Emission::AtEnd if ended => {
                self.emit_frames(i64::MIN, i64::MAX, &mut out, complaints);
                if self.spec.plain.is_empty() && matches!(self.spec.time, TimeKey::None) && self.panes.is_empty() {
                    let mut fresh = Pane::new(&self.kinds);
                    fresh.add(0, 1);
                    fresh.grow();
                    out.push(self, &fresh, &[0], 0, complaints);
                }
            }
            _ => {}
        }
        out.flush(self, complaints);
        if self.spec.evicts_after_us.is_some() {
            self.evict(to);
        }
        self.end_emission(due, now_us);
        out.chunks
    }

    /// Forgets what changed, or keeps it for later.
    fn end_emission(&mut self, due: bool, now_us: i64) {
        let all = self.spec.emission == Emission::All;
        let fed = std::mem::take(&mut self.fed);
        if !due {
            self.touched.sort_unstable();
            self.touched.dedup();
            self.touched.retain(|pane| self.panes.contains_key(pane));
        }
        if let Some(pace) = &mut self.pace {
            let changed = if all { fed } else { !self.touched.is_empty() };
            match due {
                true if changed || pace.withholds() => pace.emitted(now_us),
                false if changed => pace.withhold(),
                _ => {}
            }
        }
        if due || all {
            for pane in std::mem::take(&mut self.touched) {
                if let Some(pane) = self.panes.get_mut(&pane) {
                    pane.forget_touched();
                }
            }
        }
    }

    /// When, by the wall clock µs, what is withheld comes out.
    pub fn next_wall(&self) -> Option<i64> {
        self.pace.as_ref().and_then(Pace::next_us)
    }

    /// When the first open frame closes; `None` without state that closes.
    pub fn next_close(&self, watermark: i64) -> Option<i64> {
        self.spec.evicts_after_us?;
        let (pane, _) = self.panes.range((Bound::Excluded(NULL_TIME), Bound::Unbounded)).next()?;
        Some(self.spec.time.next_close(*pane, watermark))
    }

    /// When the last open frame closes.
    pub fn last_close(&self) -> Option<i64> {
        self.spec.evicts_after_us?;
        let (pane, _) = self.panes.range((Bound::Excluded(NULL_TIME), Bound::Unbounded)).next_back()?;
        Some(self.spec.time.last_close(*pane))
    }

    fn emit_frames(&mut self, from: i64, to: i64, out: &mut Emitter, complaints: &mut Complaints<'_>) {
        if self.spec.emission == Emission::Closed && self.next_close(from).is_none_or(|close| close > to) {
            return;
        }
        let mut frames = BTreeSet::new();
        for pane in self.panes.keys().take_while(|pane| **pane <= to) {
            frames.extend(self.spec.time.frames(*pane, from, to));
        }
        for frame in frames {
            if self.spec.time.single_pane_frames() {
                let Some(pane) = self.panes.remove(&frame) else { continue };
                self.emit_cells(&pane, frame, out, complaints);
                self.panes.insert(frame, pane);
            } else if self.slides() {
                let running = self.slide_to(frame);
                self.emit_cells(&running.cells, frame, out, complaints);
                self.keep_running(running);
            } else {
                let combined = self.combine(frame);
                self.emit_cells(&combined, frame, out, complaints);
                self.combined = combined;
            }
        }
    }

    fn emit_cells(&self, cells: &Pane, frame: i64, out: &mut Emitter, complaints: &mut Complaints<'_>) {
        let mut slots = cells.slots_by_key();
        // A slid frame keeps cells whose rows have all left it; elsewhere only the group without keys may have no rows.
        if self.slides() {
            slots.retain(|slot| cells.rows(*slot) > 0);
        }
        out.push(self, cells, &slots, frame, complaints);
    }

    /// The frames of changed cells that close after `from` and not after `to`.
    fn emit_changed(&mut self, from: i64, to: i64, out: &mut Emitter, complaints: &mut Complaints<'_>) {
        let evicts = self.spec.evicts_after_us.is_some();
        let from = if evicts { from } else { i64::MIN };
        if !evicts && to != i64::MAX {
            return;
        }
        let mut changed: BTreeMap<i64, BTreeSet<KeyId>> = BTreeMap::new();
        for start in &self.touched {
            let Some(pane) = self.panes.get(start) else { continue };
            for frame in self.spec.time.frames(*start, from, to) {
                let keys = changed.entry(frame).or_default();
                pane.for_each_touched(|_, key| {
                    keys.insert(key);
                });
            }
        }
        for (frame, keys) in changed {
            let combined = self.combine_keys(frame, &keys);
            let slots: Vec<u32> = keys.iter().map(|key| combined.slot(*key)).collect();
            out.push(self, &combined, &slots, frame, complaints);
            self.combined = combined;
        }
    }

    /// The panes of a frame, all keys.
    fn combine(&mut self, frame: i64) -> Pane {
        let mut combined = self.cleared();
        for (_, pane) in self.panes.range(frame..frame + self.combined_length()) {
            merge_into(&mut combined, pane, self.keys.bound());
        }
        combined
    }

    fn combined_length(&self) -> i64 {
        let length = self.spec.time.frame_length();
        match &self.spec.time {
            TimeKey::Window { windows, .. } if planted(Fault::MissedPane) && length > windows.slide => length - windows.slide,
            _ => length,
        }
    }

    fn combine_keys(&mut self, frame: i64, keys: &BTreeSet<KeyId>) -> Pane {
        let mut combined = self.cleared();
        let bound = self.keys.bound();
        let (mut into, mut from) = (Vec::new(), Vec::new());
        for (_, pane) in self.panes.range(frame..frame.saturating_add(self.combined_length())) {
            into.clear();
            from.clear();
            for key in keys {
                let slot = pane.slot(*key);
                if slot != NO_SLOT {
                    from.push(slot);
                    into.push(combined.slot_or_add(*key, bound));
                }
            }
            combined.grow();
            combined.merge(&into, pane, &from);
        }
        combined
    }

    fn cleared(&mut self) -> Pane {
        let mut combined = std::mem::replace(&mut self.combined, Pane::new(&self.kinds));
        combined.clear();
        combined
    }

    fn slides(&self) -> bool {
        self.spec.emission == Emission::Closed
            && self.spec.time.panes_per_frame() >= SLIDING_PANES_MIN
            && self.kinds.iter().all(|kind| matches!(kind, LaneKind::Count | LaneKind::SumLong))
    }

    /// The frame's cells, from the last frame's where that is at hand.
    fn slide_to(&mut self, frame: i64) -> Running {
        let end = frame + self.spec.time.frame_length();
        let mut running = match self.running.take() {
            Some(running) if running.start <= frame && frame < running.end => running,
            _ => Running { start: frame, end: frame, cells: self.cleared() },
        };
        for (_, pane) in self.panes.range(running.start..frame) {
            retract_from(&mut running.cells, pane);
        }
        for (_, pane) in self.panes.range(running.end..end) {
            merge_into(&mut running.cells, pane, self.keys.bound());
        }
        Running { start: frame, end, cells: running.cells }
    }

    /// Takes away the panes that only this frame and earlier ones hold, before they are dropped.
    fn keep_running(&mut self, mut running: Running) {
        let TimeKey::Window { windows, .. } = &self.spec.time else { return };
        let next = running.start + windows.slide;
        for (_, pane) in self.panes.range(running.start..next) {
            retract_from(&mut running.cells, pane);
        }
        running.start = next;
        // Not for ever cells of keys that are gone.
        let dead = (0..running.cells.len() as u32).filter(|slot| running.cells.rows(*slot) == 0).count();
        if dead * 2 <= running.cells.len() {
            self.running = Some(running);
        }
    }

    /// Drops the panes whose last frame has closed.
    fn evict(&mut self, watermark: i64) {
        while let Some((start, _)) = self.panes.range((Bound::Excluded(NULL_TIME), Bound::Unbounded)).next() {
            let start = *start;
            if self.spec.time.last_close(start) > watermark {
                break;
            }
            let Some(pane) = self.panes.remove(&start) else { break };
            self.journal.drop_pane(start);
            self.cells -= pane.len();
            for key in pane.keys() {
                let hash = self.keys.bucket_hash(*key);
                if self.keys.release(*key) {
                    self.buckets.remove(*key, hash);
                }
            }
        }
        self.count_loose_bytes();
    }
}

fn merge_into(combined: &mut Pane, pane: &Pane, bound: usize) {
    let into: Vec<u32> = pane.keys().iter().map(|key| combined.slot_or_add(*key, bound)).collect();
    let from: Vec<u32> = (0..pane.len() as u32).collect();
    combined.grow();
    combined.merge(&into, pane, &from);
}

fn retract_from(combined: &mut Pane, pane: &Pane) {
    let into: Vec<u32> = pane.keys().iter().map(|key| combined.slot(*key)).collect();
    let from: Vec<u32> = (0..pane.len() as u32).collect();
    debug_assert!(into.iter().all(|slot| *slot != NO_SLOT), "a pane is taken away only after it was added");
    combined.retract(&into, pane, &from);
}

/// Builds chunks of result rows.
struct Emitter {
    keys: Vec<ColumnBuilder>,
    frames: Vec<i64>,
    outputs: Vec<ColumnBuilder>,
    failed: Vec<(u32, ReadError)>,
    chunks: Vec<Chunk<'static>>,
}

impl Emitter {
    fn new(aggregate: &Aggregate) -> Emitter {
        let mut emitter = Emitter { keys: Vec::new(), frames: Vec::new(), outputs: Vec::new(), failed: Vec::new(), chunks: Vec::new() };
        emitter.renew(aggregate);
        emitter
    }

    fn renew(&mut self, aggregate: &Aggregate) -> (Vec<ColumnBuilder>, Vec<i64>, Vec<ColumnBuilder>) {
        let outputs = aggregate.spec.plan.outputs.iter().map(|output| ColumnBuilder::new(&output.data_type, 0)).collect();
        let keys = aggregate.key_types.iter().map(|data_type| ColumnBuilder::new(data_type, 0)).collect();
        (std::mem::replace(&mut self.keys, keys), std::mem::take(&mut self.frames), std::mem::replace(&mut self.outputs, outputs))
    }

    /// Appends a row for each of these cells.
    fn push(&mut self, aggregate: &Aggregate, cells: &Pane, mut slots: &[u32], frame: i64, complaints: &mut Complaints<'_>) {
        while !slots.is_empty() {
            let room = EMIT_ROWS_MAX - self.frames.len();
            let (now, later) = slots.split_at(room.min(slots.len()));
            self.push_rows(aggregate, cells, now, frame);
            if self.frames.len() >= EMIT_ROWS_MAX {
                self.flush(aggregate, complaints);
            }
            slots = later;
        }
    }

    /// Column by column.
    fn push_rows(&mut self, aggregate: &Aggregate, cells: &Pane, slots: &[u32], frame: i64) {
        if !aggregate.key_types.is_empty() {
            let key_bytes = aggregate.keys.mean_length() * slots.len() / aggregate.key_types.len();
            self.keys.iter_mut().for_each(|builder| builder.reserve(slots.len(), key_bytes));
            for slot in slots {
                push_key(aggregate.keys.bytes_of(cells.keys()[*slot as usize]), &aggregate.key_types, &mut self.keys);
            }
        }
        let first = self.frames.len();
        for (output, builder) in aggregate.spec.plan.outputs.iter().zip(&mut self.outputs) {
            builder.reserve(slots.len(), 0);
            let failed = read_all(output, cells, slots, builder);
            self.failed.extend(failed.into_iter().map(|(index, error)| ((first + index) as u32, error)));
        }
        self.frames.extend(std::iter::repeat_n(frame, slots.len()));
    }

    fn flush(&mut self, aggregate: &Aggregate, complaints: &mut Complaints<'_>) {
        let (keys, frames, outputs) = self.renew(aggregate);
        let count = frames.len();
        if count == 0 {
            return;
        }
        let mut keys: Vec<Option<Column>> = keys.into_iter().map(|builder| Some(builder.finish())).collect();
        let mut columns: Vec<Column> = Vec::new();
        for column in &aggregate.spec.columns {
            columns.push(match column {
                KeyColumn::Plain(index) => keys[*index].take().expect("each plain key is one output column"),
                KeyColumn::Time => time_column(&aggregate.spec.time, &frames),
            });
        }
        columns.extend(outputs.into_iter().map(ColumnBuilder::finish));
        let mut chunk = Chunk::made(columns, count);
        let mut rows = Vec::new();
        let mut failed = std::mem::take(&mut self.failed);
        failed.sort_by_key(|(row, _)| *row);
        for (row, error) in failed {
            if rows.last() != Some(&row) {
                complaints.reject(|| error.to_string(), || render_row(&aggregate.spec.output, &chunk, row));
                rows.push(row);
            }
        }
        chunk.selection = without(&chunk.selection, &rows);
        self.chunks.push(chunk);
    }
}

fn time_column(time: &TimeKey, frames: &[i64]) -> Column {
    let mut valid: Option<Bitmap> = None;
    for (row, _) in frames.iter().enumerate().filter(|(_, frame)| **frame == NULL_TIME) {
        valid.get_or_insert_with(|| Bitmap::filled(frames.len(), true)).set(row, false);
    }
    let at = |offset: i64| {
        let times = frames.iter().map(|frame| if *frame == NULL_TIME { 0 } else { frame + offset }).collect();
        Column { values: Values::Timestamp(times), valid: valid.clone() }
    };
    let size = match time {
        TimeKey::None | TimeKey::Moment { .. } => return at(0),
        TimeKey::Window { windows, .. } => windows.size,
        TimeKey::Interval { size, .. } => *size,
        TimeKey::Local { windows, .. } => {
            let ends = Column::new(Values::Timestamp(ends_of(windows, frames)));
            return Column::new(Values::Struct(vec![at(0), ends]));
        }
    };
    Column { values: Values::Struct(vec![at(0), at(size)]), valid }
}

/// Rows come frame by frame: each is looked up once.
fn ends_of(windows: &LocalWindows, frames: &[i64]) -> Vec<i64> {
    let mut last = None;
    let end = |frame: &i64| match last {
        Some((start, end)) if start == *frame => end,
        _ => {
            let end = windows.of(*frame).1;
            last = Some((*frame, end));
            end
        }
    };
    frames.iter().map(end).collect()
}
