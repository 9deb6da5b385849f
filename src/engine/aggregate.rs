//! GROUP BY: takes rows into panes of cells. What comes out, and when, is in [`super::emit`]; what is stored, in [`super::checkpoint`].
//!
//! All of a row's keys, filters and arguments are evaluated before any cell changes; a row that fails anywhere, whose sum of integers
//! leaves 64 bits, or whose values find no room, leaves no trace. Time key and watermark decide per window whether a row is late.
//!
//! Limits: a key of [`KEY_BYTES_MAX`], values of [`VALUE_BYTES_MAX`](super::arguments::VALUE_BYTES_MAX) a row and [`GROUP_BYTES_MAX`](super::room::GROUP_BYTES_MAX) a group where an aggregate keeps them; `keys_max` keys and `bytes_max` bytes an operator. Beyond them rows that need a new key or cell are rejected; existing ones go on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::engine::EngineSettings;
use crate::engine::arguments::PairScratch;
use crate::engine::arrivals::Arrivals;
use crate::engine::buckets::{Buckets, rings_for};
use crate::engine::chunk::Chunk;
use crate::engine::emit::Running;
use crate::engine::journal::Journal;
use crate::engine::keyer::{KEY_BYTES_MAX, Keyer};
use crate::engine::keys::{KEY_OVERHEAD_BYTES, KeyId, Keys, NO_KEY};
use crate::engine::lanes::{Lane, LaneKind, Pairs};
use crate::engine::overflow::overflowing;
use crate::engine::pace::Pace;
use crate::engine::pane::{NO_SLOT, PANE_OVERHEAD_BYTES, Pane};
use crate::engine::placement::{Placement, place};
use crate::engine::prepare::{Prepared, prepare};
use crate::engine::refusal::Refusal;
use crate::engine::render::render_row;
use crate::engine::room::{Room, without_room};
use crate::engine::set_back::SetBack;
use crate::engine::spec::{AggregateSpec, Emission, TimeKey};
use crate::engine::stage::{Env, explain};
use crate::engine::state_limits::OperatorStatus;
use crate::sabotage::{Fault, planted};
use crate::types::DataType;

/// Bytes of a cell in a pane's index and key list.
const INDEX_BYTES: usize = 12;

/// Rows whose cells are looked up together, the missing ones made after: few, so that a new pane's keys are soon there for the rows after.
const ROWS_AT_ONCE: usize = 256;

/// An aggregate operator with its state.
pub(super) struct Aggregate {
    pub(super) spec: AggregateSpec,
    pub(super) key_types: Vec<DataType>,
    pub(super) kinds: Vec<LaneKind>,
    /// Types of each lane's input columns.
    pub(super) lane_types: Vec<Vec<DataType>>,
    pub(super) keys: Keys,
    pub(super) panes: BTreeMap<i64, Pane>,
    pub(super) cells: usize,
    pub(super) cell_bytes: usize,
    pub(super) loose_bytes: usize,
    pub(super) buckets: Buckets,
    pub(super) journal: Journal,
    /// Stored entries of more than one part, by ring and bucket.
    pub(super) parts: BTreeMap<(i64, u32), usize>,
    /// Panes with touched cells.
    pub(super) touched: Vec<i64>,
    pub(super) running: Option<Running>,
    /// Where panes are combined into a frame.
    pub(super) combined: Pane,
    /// Input came in this step.
    pub(super) fed: bool,
    /// Where changed groups are withheld for a while.
    pub(super) pace: Option<Pace>,
    pub(super) arrivals: Arrivals,
    /// The watermark went back: of what is stored, only what is live is to be left.
    pub(super) voided: bool,
    keys_max: usize,
    pub(super) bytes_max: usize,
    /// Rows rejected for want of room.
    rejected: u64,
    scratch: Scratch,
}

/// Memory that is used again from batch to batch.
#[derive(Default)]
struct Scratch {
    slots: Vec<u32>,
    rows: Vec<u32>,
    pairs: PairScratch,
    key: Vec<u8>,
}

impl Aggregate {
    pub fn new(spec: AggregateSpec, settings: &EngineSettings) -> Aggregate {
        let kinds = spec.plan.kinds();
        let cell_bytes = kinds.iter().map(|kind| kind.cell_bytes()).sum::<usize>() + INDEX_BYTES;
        Aggregate {
            key_types: spec.plain.iter().map(|key| key.expr.data_type.clone()).collect(),
            keys: Keys::new(settings.hash_seed),
            panes: BTreeMap::new(),
            cells: 0,
            cell_bytes,
            loose_bytes: 0,
            buckets: Buckets::new(rings_for(&spec.time, spec.evicts_after_us)),
            journal: Journal::default(),
            parts: BTreeMap::new(),
            touched: Vec::new(),
            running: None,
            combined: Pane::new(&kinds),
            fed: false,
            pace: spec.emit_every_us.map(Pace::new),
            arrivals: Arrivals::default(),
            voided: false,
            keys_max: settings.keys_max,
            bytes_max: settings.state_bytes_max,
            rejected: 0,
            scratch: Scratch::default(),
            lane_types: spec.plan.lane_types(),
            kinds,
            spec,
        }
    }

    /// Estimated memory of keys and cells.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.panes.len() * PANE_OVERHEAD_BYTES + self.cells * self.cell_bytes + self.loose_bytes
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        let (keys_max, bytes_max, rejected) = (self.keys_max, self.bytes_max, self.rejected);
        OperatorStatus { operator: "GROUP BY", keys: self.keys.len(), keys_max, bytes: self.bytes(), bytes_max, rejected, evicted: 0 }
    }

    /// Takes the chunk's rows in.
    pub fn absorb(&mut self, port: usize, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) {
        self.fed = true;
        let (fields, complaints) = (&env.fields[port], &mut *env.complaints);
        let time = self.spec.time.expr();
        let (prepared, failed) = prepare(chunk, time.as_slice(), &self.spec.plain, &self.spec.plan, env.context);
        let first_arrival = self.arrivals.number(chunk.count);
        for failure in &failed {
            complaints.reject(|| explain(&failure.error, env.text), || render_row(fields, chunk, failure.row));
        }
        let watermark_us = env.before_us;
        let late_before = if self.spec.evicts_after_us.is_some() && !planted(Fault::LateRows) { watermark_us } else { i64::MIN };
        if failed.is_empty() && self.absorb_by_key(chunk, &prepared, late_before, env.common) {
            return;
        }
        let keep_null = self.spec.emission == Emission::Changed;
        let Placement { panes, late, in_part, beyond } =
            place(&self.spec.time, prepared.extra.first().map(Cow::as_ref), &prepared.selection, late_before, keep_null);
        for (row, time) in late {
            complaints.late(watermark_us.saturating_sub(time), || render_row(fields, chunk, row));
        }
        complaints.late.rows_in_part += in_part;
        for row in beyond {
            complaints.reject(|| "its event time is out of range".to_owned(), || render_row(fields, chunk, row));
        }
        for (pane, rows) in panes {
            let refused = self.take(pane, rows, &prepared, first_arrival);
            for (row, refusal) in refused {
                self.rejected += u64::from(refusal.is_for_want_of_room());
                complaints.reject(|| refusal.reason(self.keys_max, self.bytes_max), || render_row(fields, chunk, row));
            }
        }
        // Without keys there is always the one group, as in Spark, whatever filters left of the input.
        if self.spec.plain.is_empty() && matches!(self.spec.time, TimeKey::None) && self.spec.emission != Emission::AtEnd {
            self.touch_global();
        }
        self.count_loose_bytes();
    }

    /// The clock was set back; what time closes has come out.
    pub fn set_back(&mut self, set_back: &SetBack) {
        if let Some(pace) = &mut self.pace {
            pace.set_back(set_back);
        }
        if set_back.concerned && self.spec.evicts_after_us.is_some() {
            self.running = None;
            self.voided = true;
        }
    }

    /// Strings and other values among the accumulators.
    pub(super) fn count_loose_bytes(&mut self) {
        if self.kinds.iter().any(|kind| kind.is_loose()) {
            self.loose_bytes = self.panes.values().flat_map(Pane::lanes).map(Lane::loose_bytes).sum();
        }
    }

    /// Takes rows into one pane. Returns those that it could not take.
    fn take(&mut self, start: i64, rows: Vec<u32>, prepared: &Prepared<'_>, first_arrival: u64) -> Vec<(u32, Refusal)> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.rows = rows;
        let kinds = &self.kinds;
        let mut pane = self.panes.remove(&start).unwrap_or_else(|| Pane::new(kinds));
        let known = pane.len();
        let mut refused = self.find_slots(&mut pane, prepared, &mut scratch);
        pane.grow();
        self.refuse_without_room(&pane, prepared, &mut scratch, &mut refused);
        let sums = prepared.lanes_where(&self.spec.plan, &pane, |kind| kind == LaneKind::SumLong);
        let overflowing = overflowing(&sums, &scratch.rows, &scratch.slots);
        for index in overflowing.into_iter().rev() {
            refused.push((scratch.rows.remove(index), Refusal::Overflow));
            scratch.slots.remove(index);
        }
        pane.count_rows(&scratch.slots);
        let pairs = Pairs { rows: &scratch.rows, slots: &scratch.slots, first_arrival };
        prepared.add_to(&mut pane, &self.spec.plan, pairs, &mut scratch.pairs);
        pane.touch(scratch.slots.iter().copied());
        if !refused.is_empty() {
            self.drop_empty(&mut pane, known);
        }
        self.note_touched(start, &mut pane);
        if pane.len() > 0 {
            self.panes.insert(start, pane);
        }
        self.scratch = scratch;
        refused
    }

    /// Drops the cells from number `known` on that were made for rows which were all refused.
    fn drop_empty(&mut self, pane: &mut Pane, known: usize) {
        for slot in (known as u32..pane.len() as u32).rev() {
            if pane.rows(slot) == 0 {
                let key = pane.take_out(slot);
                let hash = self.keys.bucket_hash(key);
                self.cells -= 1;
                if self.keys.release(key) {
                    self.buckets.remove(key, hash);
                }
            }
        }
    }

    /// Takes out the rows whose values find no room.
    fn refuse_without_room(&self, pane: &Pane, prepared: &Prepared<'_>, scratch: &mut Scratch, refused: &mut Vec<(u32, Refusal)>) {
        let kept: usize = pane.lanes().iter().map(Lane::loose_bytes).sum();
        let room = Room::new(self.spec.emission, self.bytes_max.saturating_sub(self.bytes() + kept));
        let growing = prepared.lanes_where(&self.spec.plan, pane, LaneKind::grows);
        for (index, refusal) in without_room(&growing, &scratch.rows, &scratch.slots, room).into_iter().rev() {
            refused.push((scratch.rows.remove(index), refusal));
            scratch.slots.remove(index);
        }
    }

    pub(super) fn note_touched(&mut self, start: i64, pane: &mut Pane) {
        if self.touched.last() != Some(&start) {
            self.touched.push(start);
        }
        if let Some(running) = &self.running
            && running.covers(start)
        {
            self.running = None;
        }
        if self.spec.emission == Emission::AtEnd || !pane.has_touched() {
            return;
        }
        pane.note_unsaved();
        let ring = self.buckets.ring(self.spec.time.ring_number(start));
        self.buckets.mark_ring(ring);
    }

    /// The one group of an aggregate without keys counts as changed.
    fn touch_global(&mut self) {
        let mut pane = self.panes.remove(&0).unwrap_or_else(|| Pane::new(&self.kinds));
        let key = self.keys.find(&[]).unwrap_or_else(|| self.new_key(&[]));
        let slot = match pane.slot(key) {
            NO_SLOT => self.new_cell(&mut pane, key),
            slot => slot,
        };
        pane.grow();
        pane.touch([slot]);
        self.note_touched(0, &mut pane);
        self.panes.insert(0, pane);
    }

    fn new_key(&mut self, bytes: &[u8]) -> KeyId {
        let key = self.keys.add(bytes);
        self.buckets.add(key, self.keys.bucket_hash(key));
        if self.buckets.crowded(self.keys.len()) {
            self.buckets.double(&self.keys);
        }
        key
    }

    pub(super) fn new_cell(&mut self, pane: &mut Pane, key: KeyId) -> u32 {
        self.keys.hold(key);
        self.cells += 1;
        pane.add(key, self.keys.bound())
    }

    /// Fills `scratch.slots` for `scratch.rows`; rows that find no place are taken out and returned.
    fn find_slots(&mut self, pane: &mut Pane, prepared: &Prepared<'_>, scratch: &mut Scratch) -> Vec<(u32, Refusal)> {
        let mut refused = Vec::new();
        let keyer = Keyer::new(&mut self.keys, &self.spec.plain, &prepared.keys);
        scratch.slots.clear();
        scratch.slots.reserve(scratch.rows.len());
        let mut bytes = self.bytes() + PANE_OVERHEAD_BYTES;
        for rows in scratch.rows.chunks(ROWS_AT_ONCE) {
            let first = scratch.slots.len();
            keyer.put_slots(&self.keys, pane, rows, &mut scratch.slots);
            for (row, slot) in rows.iter().zip(&mut scratch.slots[first..]).filter(|(_, slot)| **slot == NO_SLOT) {
                match self.find_slot_slowly(pane, *row, &keyer, &mut scratch.key, &mut bytes) {
                    Ok(found) => *slot = found,
                    Err(refusal) => refused.push((*row, refusal)),
                }
            }
        }
        if !refused.is_empty() {
            let mut slots = scratch.slots.iter();
            scratch.rows.retain(|_| slots.next().is_some_and(|slot| *slot != NO_SLOT));
            scratch.slots.retain(|slot| *slot != NO_SLOT);
        }
        refused
    }

    fn find_slot_slowly(
        &mut self,
        pane: &mut Pane,
        row: u32,
        keyer: &Keyer<'_>,
        encoded: &mut Vec<u8>,
        bytes: &mut usize,
    ) -> Result<u32, Refusal> {
        let mut key = keyer.cached(&self.keys, row);
        if key == NO_KEY {
            keyer.encode(row, encoded);
            if encoded.len() > KEY_BYTES_MAX {
                return Err(Refusal::KeyLength);
            }
            key = self.keys.find(encoded).unwrap_or(NO_KEY);
        }
        let slot = pane.slot(key);
        if slot == NO_SLOT {
            let more = self.cell_bytes + if key == NO_KEY { encoded.len() + KEY_OVERHEAD_BYTES } else { 0 };
            if *bytes + more > self.bytes_max {
                return Err(Refusal::Bytes);
            }
            if key == NO_KEY {
                if self.keys.len() >= self.keys_max {
                    return Err(Refusal::Keys);
                }
                key = self.new_key(encoded);
            }
            *bytes += more;
        }
        keyer.remember(&mut self.keys, row, key);
        Ok(if slot == NO_SLOT { self.new_cell(pane, key) } else { slot })
    }
}
