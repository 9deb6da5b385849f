//! Two streams joined: each row meets the other side's buffered rows when it comes, and is buffered for those still to come.
//!
//! As Spark's symmetric hash join in append mode. Invariants:
//! - A pair comes out once, when the later of its two rows comes.
//! - A row is buffered until no row that is not late can match it; the bound on the two event times says when, or a key that is event time.
//! - A row of an outer side without a partner comes out when it expires; at once where its own side's condition already fails.
//! - A row that fails is rejected before anything is changed.
//!
//! Limits: rows and bytes of a side; rows that need more are rejected until others expire. [`MATCHES_MAX`] pairs from one chunk.

use std::collections::BTreeSet;

use super::side::{Arrival, ROW_BYTES_MAX, RowsOut, Side, put_row};
use super::{MATCHES_MAX, SideKeys};
use crate::engine::EngineSettings;
use crate::engine::chunk::{Chunk, SharedColumn, without};
use crate::engine::emit::EMIT_ROWS_MAX;
use crate::engine::expr::Selection;
use crate::engine::render::render_row;
use crate::engine::stage::{Env, Flow, explain, moments};
use crate::engine::state_limits::OperatorStatus;
use crate::plan::{Expr, JoinKind};
use crate::types::{DataType, Field};

/// By what and when rows of a side expire.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Expiry {
    /// A time, or a window, which counts by its end.
    pub time: Expr,
    /// A row goes when the watermark is this much past its time, µs.
    pub lag_us: i64,
    /// The time is one of the keys.
    pub in_key: bool,
}

/// What `compile` found out about a side.
pub(in crate::engine) struct SideSpec {
    pub keys: SideKeys,
    /// What its rows must fulfil alone.
    pub own: Option<Expr>,
    /// The event time by which rows are late: a time, or a window, which counts by its end.
    pub event: Option<Expr>,
    pub expiry: Option<Expiry>,
}

/// What `compile` found out about the join.
pub(in crate::engine) struct StreamJoinSpec {
    pub kind: JoinKind,
    pub sides: [SideSpec; 2],
    pub fields: [Vec<Field>; 2],
    /// What a pair must fulfil, over the left columns followed by the right ones.
    pub condition: Option<Expr>,
    pub key_types: Vec<DataType>,
    /// Identifies the operator in the stored state.
    pub fingerprint: String,
    /// Rows whose times are in one stretch of this length are stored together.
    pub stretch_us: i64,
}

/// The operator. Ports: left, right.
pub(in crate::engine) struct StreamJoin {
    pub(super) kind: JoinKind,
    specs: [SideSpec; 2],
    condition: Option<Expr>,
    pub(super) sides: [Side; 2],
    pub(super) key_types: Vec<DataType>,
    pub(super) fingerprint: String,
    pub(super) stored: bool,
    rows_max: usize,
    bytes_max: usize,
    /// Rows that found no room.
    rejected: u64,
}

/// A chunk on its way in.
struct Arriving<'c, 'a> {
    port: usize,
    chunk: &'c Chunk<'a>,
    rows: Vec<u32>,
    /// Of each of `rows`: its key, `None` where it matches nothing; its time; whether it has found a partner, or has failed.
    keys: Vec<Option<Box<[u8]>>>,
    times: Vec<Option<i64>>,
    matched: Vec<bool>,
    failed: Vec<bool>,
    out: Vec<Chunk<'static>>,
}

/// Arriving rows, by their index, with rows of the other side.
#[derive(Default)]
struct Pairs {
    own: Vec<u32>,
    other: Vec<u64>,
}

impl StreamJoin {
    pub fn new(spec: StreamJoinSpec, settings: &EngineSettings) -> StreamJoin {
        let StreamJoinSpec { kind, sides: specs, fields, condition, key_types, fingerprint, stretch_us } = spec;
        let gives = [matches!(kind, JoinKind::Left | JoinKind::Full), matches!(kind, JoinKind::Right | JoinKind::Full)];
        let side = |port: usize| Side::new(&fields[port], gives[port], stretch_us, settings.hash_seed);
        StreamJoin {
            kind,
            specs,
            condition,
            sides: [side(0), side(1)],
            key_types,
            fingerprint,
            stored: false,
            rows_max: settings.keys_max,
            bytes_max: settings.state_bytes_max / 2,
            rejected: 0,
        }
    }

    /// How much further than its inputs' the watermark of its rows is behind, µs: a pair may hold a time as old as its older row.
    pub fn delay_us(&self) -> i64 {
        self.specs.iter().filter_map(|spec| spec.expiry.as_ref()).map(|expiry| expiry.lag_us).fold(0, i64::max)
    }

    /// Takes the rows of one port in; gives the pairs that they complete.
    pub fn push(&mut self, port: usize, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) -> Flow<'static> {
        let mut arriving = self.prepare(port, chunk, env);
        let (mut from, mut made) = (0, 0);
        while from < arriving.rows.len() && made < MATCHES_MAX {
            let (pairs, to) = self.candidates(&arriving, from);
            made += pairs.own.len();
            from = to;
            if !pairs.own.is_empty() {
                self.join(&mut arriving, pairs, env);
            }
        }
        for index in from..arriving.rows.len() {
            arriving.failed[index] = true;
            env.reject_row(port, chunk, arriving.rows[index], || {
                format!("the join makes more than {MATCHES_MAX} pairs of one batch; add a condition to it")
            });
        }
        self.buffer(&arriving, env);
        match arriving.out.len() {
            0 => Flow::Held,
            1 => Flow::One(arriving.out.remove(0)),
            _ => Flow::Several(arriving.out),
        }
    }

    /// Late rows, rows that fail and rows that cannot match are sorted out.
    fn prepare<'c, 'a>(&self, port: usize, chunk: &'c Chunk<'a>, env: &mut Env<'_, '_>) -> Arriving<'c, 'a> {
        let spec = &self.specs[port];
        let mut out = Vec::new();
        let mut selection = self.drop_late(port, chunk, env);
        let evaluated = spec.keys.evaluate(chunk, &selection, env.context);
        env.reject(&evaluated.errors, port, chunk);
        selection = evaluated.selection.clone();
        if let Some(own) = &spec.own {
            let filtered = Chunk { selection: selection.clone(), ..chunk.clone() }.filter(own, env.context);
            env.reject(&filtered.errors, port, chunk);
            let failed: Vec<u32> = filtered.errors.iter().map(|error| error.row).collect();
            let passed: BTreeSet<u32> = filtered.selection.iter().collect();
            let unmatched: Vec<u32> = without(&selection, &failed).iter().filter(|row| !passed.contains(row)).collect();
            self.give_unmatched(port, chunk, &unmatched, &mut out);
            selection = filtered.selection;
        }
        let times = spec.expiry.as_ref().map(|expiry| times(chunk, &expiry.time, &selection, env));
        let time = |row: u32| times.as_ref().and_then(|times| times.get(row as usize).copied().flatten());
        let (mut rows, mut keys, mut key) = (Vec::new(), Vec::new(), Vec::new());
        for row in selection.iter() {
            let matches = spec.keys.encode(&evaluated.columns, row, &mut key);
            if spec.expiry.as_ref().is_some_and(|expiry| time(row).is_none() && !(expiry.in_key && matches)) {
                // It matches nothing, and no watermark passes it: in Spark it waits for ever.
                continue;
            }
            rows.push(row);
            keys.push(matches.then(|| key.as_slice().into()));
        }
        let times = rows.iter().map(|row| time(*row)).collect();
        Arriving { port, chunk, keys, times, matched: vec![false; rows.len()], failed: vec![false; rows.len()], rows, out }
    }

    fn drop_late(&self, port: usize, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) -> Selection {
        let Some(event) = &self.specs[port].event else { return chunk.selection.clone() };
        let times = times(chunk, event, &chunk.selection, env);
        let mut kept = Vec::new();
        for row in chunk.selection.iter() {
            match times.get(row as usize).copied().flatten().filter(|time| *time <= env.before_us) {
                None => kept.push(row),
                Some(time) => {
                    let (lateness_us, fields) = (env.before_us.saturating_sub(time), &env.fields[port]);
                    env.complaints.late(lateness_us, || render_row(fields, chunk, row));
                }
            }
        }
        if kept.len() == chunk.selection.len() { chunk.selection.clone() } else { Selection::Rows(kept) }
    }

    /// Pairs of equal keys from row `from` on, and where to go on.
    fn candidates(&self, arriving: &Arriving<'_, '_>, from: usize) -> (Pairs, usize) {
        let mut pairs = Pairs::default();
        for index in from..arriving.rows.len() {
            if pairs.own.len() >= EMIT_ROWS_MAX {
                return (pairs, index);
            }
            if let Some(key) = &arriving.keys[index] {
                pairs.other.extend(self.sides[1 - arriving.port].find(key));
                pairs.own.resize(pairs.other.len(), index as u32);
            }
        }
        (pairs, arriving.rows.len())
    }

    /// Tests pairs, gives those that hold, and notes who has matched.
    fn join(&mut self, arriving: &mut Arriving<'_, '_>, pairs: Pairs, env: &mut Env<'_, '_>) {
        let (port, chunk) = (arriving.port, arriving.chunk);
        let other = &self.sides[1 - port];
        let own_rows: Vec<u32> = pairs.own.iter().map(|index| arriving.rows[*index as usize]).collect();
        let mut rows = RowsOut::new(&other.types);
        pairs.other.iter().for_each(|number| rows.push(&other.rows[number].bytes));
        let mut joined = both(port, gathered(chunk, &own_rows), rows.finish(), own_rows.len());
        if let Some(condition) = &self.condition {
            let filtered = joined.filter(condition, env.context);
            for error in &filtered.errors {
                let failed = &mut arriving.failed[pairs.own[error.row as usize] as usize];
                if !std::mem::replace(failed, true) {
                    let text = env.text;
                    env.reject_row(port, chunk, own_rows[error.row as usize], || explain(&error.error, text));
                }
            }
            joined.selection = filtered.selection.retain(|pair| !arriving.failed[pairs.own[pair as usize] as usize]);
        }
        let mut met = BTreeSet::new();
        for pair in joined.selection.iter() {
            arriving.matched[pairs.own[pair as usize] as usize] = true;
            met.insert(pairs.other[pair as usize]);
        }
        if self.kind == JoinKind::LeftSemi {
            let mut own: Vec<u32> = joined.selection.iter().map(|pair| own_rows[pair as usize]).collect();
            own.dedup();
            self.give_semi(arriving, &own, met);
        } else {
            met.into_iter().for_each(|number| self.sides[1 - port].mark_matched(number));
            if !joined.selection.is_empty() {
                arriving.out.push(joined);
            }
        }
    }

    /// Left rows that have found their first partner: `own` arriving ones, or those of `met` that were buffered.
    fn give_semi(&mut self, arriving: &mut Arriving<'_, '_>, own: &[u32], met: BTreeSet<u64>) {
        let (columns, count) = if arriving.port == 0 {
            (gathered(arriving.chunk, own), own.len())
        } else {
            let left = &mut self.sides[0];
            let found: Vec<_> = met.into_iter().filter_map(|number| left.remove(number, false)).collect();
            let mut rows = RowsOut::new(&left.types);
            found.iter().for_each(|row| rows.push(&row.bytes));
            (rows.finish(), found.len())
        };
        if count > 0 {
            arriving.out.push(Chunk { columns, count, selection: Selection::All(count) });
        }
    }

    /// Rows that may still find a partner, or must come out without one, are kept.
    fn buffer(&mut self, arriving: &Arriving<'_, '_>, env: &mut Env<'_, '_>) {
        let port = arriving.port;
        let mut bytes = Vec::new();
        for (index, row) in arriving.rows.iter().enumerate() {
            let side = &self.sides[port];
            let key = arriving.keys[index].as_deref();
            let done = self.kind == JoinKind::LeftSemi && port == 0 && arriving.matched[index];
            if arriving.failed[index] || done || (key.is_none() && !side.gives_unmatched) {
                continue;
            }
            bytes.clear();
            put_row(&mut bytes, arriving.chunk, *row);
            let more = Side::cost(bytes.len(), key.map_or(0, <[u8]>::len));
            if bytes.len() > ROW_BYTES_MAX || side.rows.len() >= self.rows_max || side.bytes() + more > self.bytes_max {
                self.rejected += 1;
                let (rows_max, bytes_max) = (self.rows_max, self.bytes_max);
                env.reject_row(port, arriving.chunk, *row, || {
                    format!(
                        "the row met earlier rows only: a side of the join holds at most {rows_max} rows and {bytes_max} bytes, and rows of at \
                         most {ROW_BYTES_MAX} bytes; narrow the time between the two sides"
                    )
                });
                continue;
            }
            self.sides[port].add(&Arrival { key, time: arriving.times[index], matched: arriving.matched[index], bytes: &bytes });
        }
    }

    /// Rows of the chunk that will not find a partner, with NULLs for the other side, where theirs keeps them.
    fn give_unmatched(&self, port: usize, chunk: &Chunk<'_>, rows: &[u32], out: &mut Vec<Chunk<'static>>) {
        if rows.is_empty() || !self.sides[port].gives_unmatched {
            return;
        }
        let mut other = RowsOut::new(&self.sides[1 - port].types);
        rows.iter().for_each(|_| other.push_nulls());
        out.push(both(port, gathered(chunk, rows), other.finish(), rows.len()));
    }

    /// Up to which time the rows of a side have expired.
    pub(super) fn expires_by(&self, port: usize, watermark_us: i64) -> i64 {
        self.specs[port].expiry.as_ref().map_or(i64::MIN, |expiry| watermark_us.saturating_sub(expiry.lag_us))
    }

    /// The watermark has moved: rows that no row can match any more go, those without a partner come out where their side keeps them.
    pub fn release(&mut self, env: &Env<'_, '_>) -> Vec<Chunk<'static>> {
        let mut out = Vec::new();
        for port in 0..2 {
            let until = self.expires_by(port, env.after_us);
            let (own_types, other_types) = (self.sides[port].types.clone(), self.sides[1 - port].types.clone());
            let fresh = || (RowsOut::new(&own_types), RowsOut::new(&other_types));
            let mut give = |(own, other): (RowsOut<'_>, RowsOut<'_>)| {
                let count = own.count;
                if count > 0 {
                    out.push(both(port, own.finish(), other.finish(), count));
                }
            };
            let mut rows = fresh();
            while let Some(number) = self.sides[port].first_expired(until) {
                let Some(row) = self.sides[port].remove(number, true) else { break };
                if self.sides[port].gives_unmatched && !row.matched {
                    rows.0.push(&row.bytes);
                    rows.1.push_nulls();
                }
                if rows.0.count >= EMIT_ROWS_MAX {
                    give(std::mem::replace(&mut rows, fresh()));
                }
            }
            give(rows);
        }
        out
    }

    /// When the first row comes out without a partner, event time µs.
    pub fn next_close(&self) -> Option<i64> {
        let close = |(side, spec): (&Side, &SideSpec)| Some(side.first_unmatched()?.saturating_add(spec.expiry.as_ref()?.lag_us));
        self.sides.iter().zip(&self.specs).filter_map(close).min()
    }

    /// When the last one does.
    pub fn last_close(&self) -> Option<i64> {
        let close = |(side, spec): (&Side, &SideSpec)| Some(side.last_unmatched()?.saturating_add(spec.expiry.as_ref()?.lag_us));
        self.sides.iter().zip(&self.specs).filter_map(close).max()
    }

    /// Rows that are buffered.
    pub fn rows(&self) -> usize {
        self.sides.iter().map(|side| side.rows.len()).sum()
    }

    /// Stored entries that they are in.
    pub fn parts(&self) -> usize {
        self.sides.iter().map(|side| side.parts.len()).sum()
    }

    /// How both sides together stand to their limits; a key is a row here.
    pub fn status(&self) -> OperatorStatus {
        let (keys, bytes) = (self.rows(), self.sides.iter().map(Side::bytes).sum());
        let (keys_max, bytes_max) = (2 * self.rows_max, 2 * self.bytes_max);
        OperatorStatus { operator: "JOIN", keys, keys_max, bytes, bytes_max, rejected: self.rejected, evicted: 0 }
    }
}

fn gathered(chunk: &Chunk<'_>, rows: &[u32]) -> Vec<SharedColumn<'static>> {
    chunk.columns.iter().map(|column| SharedColumn::made(column.get().gather(rows))).collect()
}

/// Own and other columns in the order left, right.
fn both(port: usize, own: Vec<SharedColumn<'static>>, other: Vec<SharedColumn<'static>>, count: usize) -> Chunk<'static> {
    let (mut left, right) = if port == 0 { (own, other) } else { (other, own) };
    left.extend(right);
    Chunk { columns: left, count, selection: Selection::All(count) }
}

/// The times of a chunk's rows, by row; NULL and what fails is `None`.
fn times(chunk: &Chunk<'_>, time: &Expr, selection: &Selection, env: &Env<'_, '_>) -> Vec<Option<i64>> {
    let evaluated = chunk.evaluate(time, selection, env.context);
    moments(&evaluated.column)
}
