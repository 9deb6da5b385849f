//! Rows whose key has not been seen lately: Spark's `dropDuplicatesWithinWatermark`.
//!
//! The first row of a key passes at once. The key is known until the watermark has reached its first row's event time plus the delay, however
//! often it comes; a row whose event time the watermark has reached is late and dropped.
//!
//! Limits: keys and bytes of the operator; rows that need more are rejected until keys expire.

use crate::engine::EngineSettings;
use crate::engine::checkpoint::{Entry, Unfit};
use crate::engine::chunk::Chunk;
use crate::engine::expr::Selection;
use crate::engine::join::{Arrival, Side, SideKeys, Sides, put_sides, restore_sides};
use crate::engine::keyer::KEY_BYTES_MAX;
use crate::engine::render::render_row;
use crate::engine::set_back::SetBack;
use crate::engine::stage::{Env, moments};
use crate::engine::state_limits::OperatorStatus;
use crate::plan::Expr;
use crate::types::DataType;

/// Stretches that a key's time is cut into, for storing.
const STRETCHES: i64 = 8;

const STRETCH_MIN_US: i64 = 1_000_000;

/// The operator.
pub(super) struct Deduplicate {
    keys: SideKeys,
    key_types: Vec<DataType>,
    /// The event time: a time, or a window, which counts by its end.
    time: Expr,
    delay_us: i64,
    side: [Side; 1],
    fingerprint: String,
    stored: bool,
    keys_max: usize,
    bytes_max: usize,
    rejected: u64,
    repeats: u64,
}

impl Deduplicate {
    /// `fingerprint` identifies the operator in the stored state.
    pub fn new(keys: Vec<Expr>, time: Expr, delay_us: i64, fingerprint: String, settings: &EngineSettings) -> Deduplicate {
        let key_types = keys.iter().map(|key| key.data_type.clone()).collect();
        Deduplicate {
            // NULL is a key like others.
            keys: SideKeys::new(keys.into_iter().map(|key| (key, true))),
            key_types,
            time,
            delay_us,
            side: [Side::new(&[], false, (delay_us / STRETCHES).max(STRETCH_MIN_US), settings.hash_seed)],
            fingerprint,
            stored: false,
            keys_max: settings.keys_max,
            bytes_max: settings.state_bytes_max,
            rejected: 0,
            repeats: 0,
        }
    }

    /// The chunk without repeats.
    pub fn push<'a>(&mut self, chunk: Chunk<'a>, env: &mut Env<'_, '_>) -> Chunk<'a> {
        let kept = self.first_ones(&chunk, env);
        Chunk { selection: kept, ..chunk }
    }

    fn first_ones(&mut self, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) -> Selection {
        let times = chunk.evaluate(&self.time, &chunk.selection, env.context);
        let times = moments(&times.column);
        let evaluated = self.keys.evaluate(chunk, &chunk.selection, env.context);
        env.reject(&evaluated.errors, 0, chunk);
        let mut key = Vec::new();
        let [side] = &mut self.side;
        let (mut kept, mut bytes) = (Vec::new(), side.bytes());
        for row in evaluated.selection.iter() {
            // A row without event time is known until the watermark leaves 1970, as in Spark.
            let time = times.get(row as usize).copied().flatten();
            if let Some(time) = time.filter(|time| *time <= env.before_us) {
                let fields = &env.fields[0];
                env.complaints.late(env.before_us.saturating_sub(time), || render_row(fields, chunk, row));
                continue;
            }
            self.keys.encode(&evaluated.columns, row, &mut key);
            if side.find(&key).next().is_some() {
                self.repeats += 1;
                continue;
            }
            let more = Side::cost(0, key.len());
            if key.len() > KEY_BYTES_MAX || side.rows.len() >= self.keys_max || bytes + more > self.bytes_max {
                self.rejected += 1;
                let (keys_max, bytes_max) = (self.keys_max, self.bytes_max);
                env.reject_row(0, chunk, row, || {
                    format!("deduplication knows at most {keys_max} keys of {KEY_BYTES_MAX} bytes each and {bytes_max} bytes in all; shorten the watermark")
                });
                continue;
            }
            bytes += more;
            side.add(&Arrival { key: Some(&key), time: Some(time.unwrap_or(0)), matched: false, bytes: &[] });
            kept.push(row);
        }
        if kept.len() == chunk.count { Selection::All(chunk.count) } else { Selection::Rows(kept) }
    }

    /// Forgets the keys that the watermark has passed.
    pub fn release(&mut self, watermark_us: i64) {
        let until = watermark_us.saturating_sub(self.delay_us);
        let [side] = &mut self.side;
        while let Some(number) = side.first_expired(until) {
            side.remove(number, true);
        }
    }

    /// The clock was set back. Keys stay known: for as long as they would have been where their times are the clock's.
    pub fn set_back(&mut self, set_back: &SetBack) {
        if !set_back.concerned {
            return;
        }
        let [side] = &mut self.side;
        if set_back.by_arrival {
            for number in side.rows.keys().copied().collect::<Vec<_>>() {
                let Some(row) = side.rows.get(&number) else { continue };
                let (key, time) = (row.key.map(|key| side.keys.bytes_of(key).to_vec()), row.time.map(|time| set_back.moved(time)));
                side.remove(number, false);
                side.add(&Arrival { key: key.as_deref(), time, matched: false, bytes: &[] });
            }
        }
        side.parts.void_leftovers();
    }

    /// Rows dropped since the start because their key was known.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Keys that are known.
    pub fn keys(&self) -> usize {
        self.side[0].rows.len()
    }

    /// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        put_sides(self.stored_form(), prefix, out);
    }

    /// Takes up the operator's entries, by what follows the prefix. `watermark_us`: as stored, as this operator sees it.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        let expired_by = [watermark_us.saturating_sub(self.delay_us)];
        restore_sides(self.stored_form(), entries, &expired_by)
    }

    fn stored_form(&mut self) -> Sides<'_> {
        Sides { sides: &mut self.side, key_types: &self.key_types, fingerprint: &self.fingerprint, stored: &mut self.stored }
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        OperatorStatus {
            operator: "DEDUP",
            keys: self.keys(),
            keys_max: self.keys_max,
            bytes: self.side[0].bytes(),
            bytes_max: self.bytes_max,
            rejected: self.rejected,
            evicted: 0,
        }
    }
}
