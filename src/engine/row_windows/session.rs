//! Rows into sessions: the rows of a chunk and the open sessions of their keys, swept in the order of their starts.
//!
//! What overlaps or touches is one session. A row's lateness is its own: `[time, time + gap)` is looked at before anything is joined, as in
//! Spark. Within a session rows count in the order of their times, those of an open session before later ones of the chunk.

use crate::engine::keyer::Keyer;
use crate::engine::keys::{KeyId, NO_KEY};
use crate::engine::prepare::Prepared;
use crate::engine::row_windows::rule::{Gaps, Open, Rule};
use crate::engine::row_windows::{RowWindows, Work, time_of, times};
use crate::engine::window::TIME_ABS_MAX_US;
use crate::sabotage::{Fault, planted};

/// A row's own session.
struct Candidate {
    key: KeyId,
    row: u32,
    start: i64,
    end: i64,
}

impl RowWindows {
    pub(super) fn place_sessions(&mut self, prepared: &Prepared<'_>, watermark_us: i64, work: &mut Work) {
        let mut candidates = self.candidates(prepared, watermark_us, work);
        candidates.sort_unstable_by_key(|candidate| (candidate.key, candidate.start, candidate.row));
        for rows in candidates.chunk_by(|a, b| a.key == b.key) {
            self.sweep(rows, work);
        }
    }

    /// The rows that have a session and are not late, with their keys.
    fn candidates(&mut self, prepared: &Prepared<'_>, watermark_us: i64, work: &mut Work) -> Vec<Candidate> {
        let rule = self.spec.rule.clone();
        let Rule::Session { gap, .. } = &rule else { return Vec::new() };
        let late_before = if self.spec.evicts_after_us.is_some() { watermark_us } else { i64::MIN };
        let time_column = prepared.extra.first().map(AsRef::as_ref);
        let time_values = times(time_column);
        let mut gaps = Gaps::new(gap, prepared.extra.get(1).map(AsRef::as_ref));
        let keyer = Keyer::new(&mut self.keys, &self.spec.plain, &prepared.keys);
        let mut candidates = Vec::with_capacity(prepared.selection.len());
        for row in prepared.selection.iter() {
            let Some(start) = time_of(time_column, time_values, row) else { continue };
            if start.unsigned_abs() > TIME_ABS_MAX_US as u64 {
                work.beyond.push(row);
                continue;
            }
            let Some(end) = gaps.end(row, start) else {
                self.gapless_rows += 1;
                continue;
            };
            if end <= late_before {
                work.late.push((row, start));
                continue;
            }
            let key = match self.find_key(&keyer, row) {
                Ok(NO_KEY) => self.add_key(&keyer, row),
                found => found,
            };
            match key {
                Ok(key) => candidates.push(Candidate { key, row, start, end }),
                Err(refusal) => work.refused.push((row, refusal)),
            }
        }
        candidates
    }

    /// Joins the rows of one key, by start, with each other and with the key's open sessions.
    fn sweep(&mut self, rows: &[Candidate], work: &mut Work) {
        let key = rows[0].key;
        let before = std::mem::take(&mut self.states[key as usize].windows);
        let mut after: Vec<Open> = Vec::with_capacity(before.len() + 1);
        let (mut olds, mut news) = (before.iter().peekable(), rows.iter().peekable());
        // The cell that takes the next row: of the part joined last, so that the rows keep their order when parts are merged.
        let mut tail = 0;
        loop {
            let old = match (olds.peek(), news.peek()) {
                (Some(old), Some(new)) if old.start <= new.start => olds.next(),
                (Some(_), None) => olds.next(),
                _ => None,
            };
            if let Some(old) = old {
                match after.last_mut().filter(|open| old.start <= open.end && !planted(Fault::SplitSessions)) {
                    Some(open) => {
                        open.end = open.end.max(old.end);
                        work.merges.push((open.cell, old.cell));
                        self.mark(key, old.start);
                    }
                    None => after.push(*old),
                }
                tail = old.cell;
                continue;
            }
            let Some(new) = news.next() else { break };
            match after.last_mut().filter(|open| new.start <= open.end) {
                Some(open) => open.end = open.end.max(new.end),
                None => match self.add_cell(key) {
                    Ok(cell) => {
                        after.push(Open { start: new.start, end: new.end, cell });
                        tail = cell;
                    }
                    Err(refusal) => {
                        work.refused.push((new.row, refusal));
                        continue;
                    }
                },
            }
            work.rows.push(new.row);
            work.slots.push(tail);
            if let Some(open) = after.last() {
                self.mark(key, open.start);
            }
        }
        if after.is_empty() {
            self.idle_keys.push(key);
        }
        self.states[key as usize].windows = after;
    }
}
