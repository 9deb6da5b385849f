//! Windows whose bounds the rows of a key decide: sessions, windows of so many rows, windows between two conditions.
//!
//! | module | job |
//! |---|---|
//! | `rule` | what opens, extends and closes a window |
//! | `session` | rows into sessions, in the order of their times |
//! | `arrival` | rows into count and state windows, in the order of their arrival |
//! | `emit` | closed windows out |
//! | `stored` | state as stored entries |
//!
//! Every key has a short list of open windows, every open window one cell. Joining sessions is merging cells. A row that fails leaves no trace;
//! one whose values find no room is in its window, but not in its aggregates.
//!
//! Limits: `keys_max` keys and `bytes_max` bytes an operator: beyond them rows that need a new key or window are rejected; open windows go on.
//! Sums of integers are held in 128 bits; a window whose sum does not fit in 64 is rejected when it comes out.

mod arrival;
mod emit;
mod rule;
mod session;
mod stored;

use std::collections::BTreeMap;

pub(super) use rule::{Gap, Rule};

use crate::batch::{Column, Values};
use crate::engine::EngineSettings;
use crate::engine::arguments::PairScratch;
use crate::engine::arrivals::Arrivals;
use crate::engine::buckets::Buckets;
use crate::engine::chunk::Chunk;
use crate::engine::keyer::{KEY_BYTES_MAX, Keyer};
use crate::engine::keys::{KEY_OVERHEAD_BYTES, KeyId, Keys, NO_KEY};
use crate::engine::lanes::{Lane, LaneKind, Pairs};
use crate::engine::pane::Pane;
use crate::engine::prepare::{Prepared, prepare};
use crate::engine::refusal::Refusal;
use crate::engine::render::render_row;
use crate::engine::room::{Room, without_room};
use crate::engine::row_windows::rule::Open;
use crate::engine::set_back::SetBack;
use crate::engine::spec::{Emission, KeyColumn, LanePlan, NULL_TIME, PlainKey};
use crate::engine::stage::{Env, explain};
use crate::engine::state_limits::OperatorStatus;
use crate::types::{DataType, Field};

/// What an open window costs beside its cell.
const WINDOW_BYTES: usize = 40;

/// Everything that defines the operator.
#[derive(Clone, Debug)]
pub(super) struct RowWindowsSpec {
    pub rule: Rule,
    pub plain: Vec<PlainKey>,
    /// Order of the key columns in the output; the window is the time.
    pub columns: Vec<KeyColumn>,
    pub plan: LanePlan,
    pub emission: Emission,
    /// The watermark's delay in µs where it closes windows; `None`: it does not.
    pub evicts_after_us: Option<i64>,
    /// What must be the same for stored state to be taken up.
    pub fingerprint: String,
    pub output: Vec<Field>,
}

/// What a key has open.
#[derive(Clone, Debug, Default)]
struct KeyState {
    /// Rows that count windows have seen, as far as it matters.
    seen: u64,
    /// Sessions by start, blocks by arrival.
    windows: Vec<Open>,
}

impl KeyState {
    fn is_empty(&self) -> bool {
        self.seen == 0 && self.windows.is_empty()
    }
}

/// A count or state window that is complete.
struct Complete {
    key: KeyId,
    start: i64,
    end: i64,
    /// In the order of their rows.
    cells: Vec<u32>,
}

/// The operator with its state.
pub(super) struct RowWindows {
    spec: RowWindowsSpec,
    key_types: Vec<DataType>,
    /// Types of each lane's input columns.
    lane_types: Vec<Vec<DataType>>,
    keys: Keys,
    /// By key number.
    states: Vec<KeyState>,
    /// One for each open window, and in a step for those completed in it; a cell's key is its owner.
    cells: Pane,
    /// Where cells are combined.
    combined: Pane,
    cell_bytes: usize,
    windows: usize,
    loose_bytes: usize,
    buckets: Buckets,
    stretch_us: i64,
    /// Parts of each stored entry, by ring and bucket.
    parts: BTreeMap<(i64, u32), usize>,
    complete: Vec<Complete>,
    /// Cells that no open window has any more; they go when the step's windows have come out.
    released: Vec<u32>,
    /// Keys that may have nothing open any more.
    idle_keys: Vec<KeyId>,
    /// When the next window closes by the watermark, as of the last emission.
    next_close: Option<i64>,
    /// Input came in this step.
    fed: bool,
    /// Rows that were in no session because their gap was NULL, unreadable or not above zero.
    gapless_rows: u64,
    arrivals: Arrivals,
    keys_max: usize,
    bytes_max: usize,
    /// Rows rejected for want of room.
    rejected: u64,
    pairs: PairScratch,
    key_bytes: Vec<u8>,
}

/// What the rows of a chunk do: which row goes to which cell, which cells are joined.
#[derive(Default)]
struct Work {
    rows: Vec<u32>,
    slots: Vec<u32>,
    /// Into which cell, which one; in order.
    merges: Vec<(u32, u32)>,
    refused: Vec<(u32, Refusal)>,
    late: Vec<(u32, i64)>,
    beyond: Vec<u32>,
}

impl RowWindows {
    pub fn new(spec: RowWindowsSpec, settings: &EngineSettings) -> RowWindows {
        let kinds = spec.plan.kinds();
        let (rings, stretch_us) = spec.rule.rings(spec.evicts_after_us);
        RowWindows {
            key_types: spec.plain.iter().map(|key| key.expr.data_type.clone()).collect(),
            lane_types: spec.plan.lane_types(),
            keys: Keys::new(settings.hash_seed),
            states: Vec::new(),
            cells: Pane::new(&kinds),
            combined: Pane::new(&kinds),
            cell_bytes: kinds.iter().map(|kind| kind.cell_bytes()).sum::<usize>() + WINDOW_BYTES,
            windows: 0,
            loose_bytes: 0,
            buckets: Buckets::new(rings),
            stretch_us,
            parts: BTreeMap::new(),
            complete: Vec::new(),
            released: Vec::new(),
            idle_keys: Vec::new(),
            next_close: None,
            fed: false,
            gapless_rows: 0,
            arrivals: Arrivals::default(),
            keys_max: settings.keys_max,
            bytes_max: settings.state_bytes_max,
            rejected: 0,
            pairs: PairScratch::default(),
            key_bytes: Vec::new(),
            spec,
        }
    }

    /// Estimated memory of keys and windows.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.cells.len() * self.cell_bytes + self.loose_bytes
    }

    /// Open windows (of count windows: blocks).
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Rows left out because they had no gap.
    pub fn gapless_rows(&self) -> u64 {
        self.gapless_rows
    }

    /// When the first open window closes by the watermark, event time µs.
    pub fn next_close(&self) -> Option<i64> {
        self.spec.evicts_after_us.and(self.next_close)
    }

    /// When the last one does.
    pub fn last_close(&self) -> Option<i64> {
        self.spec.evicts_after_us?;
        self.states.iter().flat_map(|state| &state.windows).filter_map(|open| self.spec.rule.closes_at(open)).max()
    }

    /// What was learnt of a source's dictionary is void.
    pub fn forget_codes(&mut self) {
        self.keys.forget_codes();
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        let (keys_max, bytes_max, rejected) = (self.keys_max, self.bytes_max, self.rejected);
        OperatorStatus { operator: "GROUP BY", keys: self.keys.len(), keys_max, bytes: self.bytes(), bytes_max, rejected, evicted: 0 }
    }

    /// Takes the chunk's rows in.
    pub fn absorb(&mut self, port: usize, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) {
        self.fed = true;
        let (fields, watermark_us, complaints) = (&env.fields[port], env.before_us, &mut *env.complaints);
        let (prepared, failed) = prepare(chunk, &self.spec.rule.exprs(), &self.spec.plain, &self.spec.plan, env.context);
        for failure in &failed {
            complaints.reject(|| explain(&failure.error, env.text), || render_row(fields, chunk, failure.row));
        }
        let first_arrival = self.arrivals.number(chunk.count);
        let mut work = Work::default();
        match self.spec.rule {
            Rule::Session { .. } => self.place_sessions(&prepared, watermark_us, &mut work),
            Rule::Count { .. } | Rule::State { .. } => self.place_in_order(&prepared, &mut work),
        }
        for (row, time) in work.late {
            complaints.late(watermark_us.saturating_sub(time), || render_row(fields, chunk, row));
        }
        for row in work.beyond {
            complaints.reject(|| "its event time is out of range".to_owned(), || render_row(fields, chunk, row));
        }
        for (row, refusal) in work.refused {
            self.rejected += u64::from(refusal.is_for_want_of_room());
            complaints.reject(|| refusal.reason(self.keys_max, self.bytes_max), || render_row(fields, chunk, row));
        }
        self.cells.grow();
        for (row, refusal) in self.refuse_without_room(&prepared, &mut work.rows, &mut work.slots) {
            self.rejected += u64::from(refusal.is_for_want_of_room());
            complaints.reject(|| refusal.reason(self.keys_max, self.bytes_max), || render_row(fields, chunk, row));
        }
        let pairs = Pairs { rows: &work.rows, slots: &work.slots, first_arrival };
        self.cells.count_rows(&work.slots);
        prepared.add_to(&mut self.cells, &self.spec.plan, pairs, &mut self.pairs);
        self.join_cells(&work.merges);
        self.count_loose_bytes();
    }

    /// The clock was set back; what time closes has come out. Windows that rows close go on, with their times moved where these are the clock's.
    pub fn set_back(&mut self, set_back: &SetBack) {
        if set_back.concerned {
            let written: Vec<(i64, u32)> = self.parts.keys().copied().collect();
            written.into_iter().for_each(|(ring, bucket)| self.buckets.mark_one(ring, bucket));
        }
        if !set_back.by_arrival || matches!(self.spec.rule, Rule::Session { .. }) {
            return;
        }
        let moved = |time: i64| if time == NULL_TIME { time } else { set_back.moved(time) };
        for key in 0..self.states.len() {
            if !self.states[key].windows.is_empty() {
                self.states[key].windows.iter_mut().for_each(|open| (open.start, open.end) = (moved(open.start), moved(open.end)));
                self.mark(key as KeyId, 0);
            }
        }
        self.next_close = self.scan_next_close();
    }

    /// Takes out the rows whose values find no room; their windows stay as they have made them.
    fn refuse_without_room(&self, prepared: &Prepared<'_>, rows: &mut Vec<u32>, slots: &mut Vec<u32>) -> Vec<(u32, Refusal)> {
        let growing = prepared.lanes_where(&self.spec.plan, &self.cells, LaneKind::grows);
        let room = Room::new(self.spec.emission, self.bytes_max.saturating_sub(self.bytes()));
        let mut refused = without_room(&growing, rows, slots, room);
        refused.reverse();
        for (index, _) in &refused {
            slots.remove(*index);
        }
        refused.into_iter().map(|(index, refusal)| (rows.remove(index), refusal)).collect()
    }

    /// Merges the second cell of each pair into the first, in order, and removes it.
    fn join_cells(&mut self, merges: &[(u32, u32)]) {
        if merges.is_empty() {
            return;
        }
        let (into, from): (Vec<u32>, Vec<u32>) = merges.iter().copied().unzip();
        self.combined.clear();
        let copies: Vec<u32> = from.iter().map(|cell| self.combined.append(self.cells.keys()[*cell as usize])).collect();
        self.combined.grow();
        self.combined.merge(&copies, &self.cells, &from);
        self.cells.merge(&into, &self.combined, &copies);
        self.windows -= from.len();
        self.remove_cells(from);
    }

    /// Removes cells that no open window has; the windows whose cells move are told.
    fn remove_cells(&mut self, mut cells: Vec<u32>) {
        // From the last on: what takes a removed cell's place is never to be removed itself.
        cells.sort_unstable_by(|a, b| b.cmp(a));
        cells.dedup();
        for cell in cells {
            let last = self.cells.len() as u32 - 1;
            let owner = self.cells.keys()[last as usize];
            self.cells.swap_remove(cell);
            if let Some(moved) = self.states[owner as usize].windows.iter_mut().find(|open| open.cell == last) {
                moved.cell = cell;
            }
        }
    }

    fn count_loose_bytes(&mut self) {
        self.loose_bytes = self.cells.lanes().iter().map(Lane::loose_bytes).sum();
    }

    /// The row's key, or `NO_KEY`; its bytes are in `key_bytes` then.
    fn find_key(&mut self, keyer: &Keyer<'_>, row: u32) -> Result<KeyId, Refusal> {
        let cached = keyer.cached(&self.keys, row);
        if cached != NO_KEY {
            return Ok(cached);
        }
        keyer.encode(row, &mut self.key_bytes);
        if self.key_bytes.len() > KEY_BYTES_MAX {
            return Err(Refusal::KeyLength);
        }
        let Some(key) = self.keys.find(&self.key_bytes) else { return Ok(NO_KEY) };
        keyer.remember(&mut self.keys, row, key);
        Ok(key)
    }

    /// Adds the key that [`RowWindows::find_key`] did not find.
    fn add_key(&mut self, keyer: &Keyer<'_>, row: u32) -> Result<KeyId, Refusal> {
        if self.keys.len() >= self.keys_max {
            return Err(Refusal::Keys);
        }
        if self.bytes() + self.key_bytes.len() + KEY_OVERHEAD_BYTES + self.cell_bytes > self.bytes_max {
            return Err(Refusal::Bytes);
        }
        let key = self.keys.add(&self.key_bytes);
        self.keys.hold(key);
        self.buckets.add(key, self.keys.bucket_hash(key));
        if self.buckets.crowded(self.keys.len()) {
            self.buckets.double(&self.keys);
        }
        if self.states.len() <= key as usize {
            self.states.resize(key as usize + 1, KeyState::default());
        }
        keyer.remember(&mut self.keys, row, key);
        Ok(key)
    }

    /// A cell for a new window of `key`; the window is the caller's to note.
    fn add_cell(&mut self, key: KeyId) -> Result<u32, Refusal> {
        if self.bytes() + self.cell_bytes > self.bytes_max {
            return Err(Refusal::Bytes);
        }
        self.windows += 1;
        Ok(self.cells.append(key))
    }

    /// The entry that holds this key's windows from `start` on is to be written.
    fn mark(&mut self, key: KeyId, start: i64) {
        if self.spec.emission != Emission::AtEnd {
            let ring = self.buckets.ring(self.ring_number(start));
            self.buckets.mark_one(ring, self.buckets.bucket(self.keys.bucket_hash(key)));
        }
    }

    fn ring_number(&self, start: i64) -> i64 {
        if self.stretch_us == i64::MAX { 0 } else { start.div_euclid(self.stretch_us) }
    }

    /// Forgets the keys that have nothing open.
    fn drop_idle_keys(&mut self) {
        let mut idle = std::mem::take(&mut self.idle_keys);
        idle.sort_unstable();
        idle.dedup();
        for key in idle {
            if self.states[key as usize].is_empty() {
                let hash = self.keys.bucket_hash(key);
                self.states[key as usize] = KeyState::default();
                self.keys.release(key);
                self.buckets.remove(key, hash);
            }
        }
    }
}

/// The µs of a TIMESTAMP column; empty where all are NULL.
fn times(column: Option<&Column>) -> &[i64] {
    match column.map(|column| &column.values) {
        Some(Values::Timestamp(times)) => times,
        _ => &[],
    }
}

/// The row's time, `None` where NULL.
fn time_of(column: Option<&Column>, times: &[i64], row: u32) -> Option<i64> {
    let column = column?;
    times.get(row as usize).copied().filter(|_| !column.is_null(row as usize))
}
