//! Open windows as stored entries, and taking them up again.
//!
//! | key | value, after a version byte |
//! |---|---|
//! | `…/meta` | text: the operator's fingerprint; varints: log2 of the buckets, rings; signed varint: length of a stretch, µs |
//! | `…/arrivals` | varint: rows that the operator has numbered, where aggregates depend on the order of arrival |
//! | `…/<bucket>.<ring>` (hex), `….<part>` from part 1 on | sections; each: varint key number, key, varint rows seen, varint windows; each: signed varints start, end less start; varint rows, lanes |
//!
//! A key's windows whose starts lie in stretches of one ring are in one entry. A session that the stored watermark has passed is a left-over
//! and skipped; any other change is written. When the watermark goes back, all entries are written anew or deleted.
//!
//! Limits: as in [`crate::engine::checkpoint`].

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::arrivals;
use crate::engine::buckets::ring_of;
use crate::engine::checkpoint::{Entry, KEY_NUMBERS_MAX, PART_BYTES, PARTS_MAX, Unfit, VERSION, bucket_name, open, open_meta, put_parts};
use crate::engine::key_codec::check_key;
use crate::engine::keys::KeyId;
use crate::engine::pane::Pane;
use crate::engine::row_windows::rule::{Open, Rule};
use crate::engine::row_windows::{KeyState, RowWindows};
use crate::engine::spec::{Emission, NULL_TIME};
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::engine::window::TIME_ABS_MAX_US;

impl RowWindows {
    /// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        if self.spec.emission == Emission::AtEnd {
            return;
        }
        let (rings, stretch_us, states) = (self.buckets.rings(), self.stretch_us, &self.states);
        let ring = |open: &Open| ring_of(rings, if stretch_us == i64::MAX { 0 } else { open.start.div_euclid(stretch_us) });
        let all_rings = || states.iter().flat_map(|state| &state.windows).map(&ring).collect::<BTreeSet<i64>>();
        let (dirty, layout) = self.buckets.take_dirty(all_rings);
        if layout {
            let mut value = vec![VERSION];
            put_bytes(&mut value, self.spec.fingerprint.as_bytes());
            put_varint(&mut value, u64::from(self.buckets.bits()));
            put_varint(&mut value, rings);
            put_signed(&mut value, stretch_us);
            out.push((format!("{prefix}meta").into_bytes(), Some(value)));
        }
        if self.spec.plan.is_sequenced() {
            self.arrivals.put_changes(prefix, !dirty.is_empty(), out);
        }
        let mut by_bucket: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
        dirty.iter().for_each(|(ring, bucket)| by_bucket.entry(bucket).or_default().push(ring));
        for (bucket, rings) in by_bucket {
            let members = self.buckets.members(bucket);
            for wanted in rings {
                let values = self.encode_entry(members, |open| ring(open) == wanted);
                let (count, before) = (values.len(), self.parts.remove(&(wanted, bucket)).unwrap_or(0));
                put_parts(&bucket_name(prefix, bucket, wanted), values, before, out);
                if count > 0 {
                    self.parts.insert((wanted, bucket), count);
                }
            }
        }
    }

    /// The windows of these keys that `wanted` picks, in as many parts as they need; none without any.
    fn encode_entry(&self, members: &[KeyId], wanted: impl Fn(&Open) -> bool) -> Vec<Vec<u8>> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for key in members {
            let KeyState { seen, windows } = &self.states[*key as usize];
            let mut rest: Vec<&Open> = windows.iter().filter(|open| wanted(open)).collect();
            if *seen == 0 && rest.is_empty() {
                continue;
            }
            loop {
                let (mut bytes, mut count) = (Vec::new(), 0);
                for open in &rest {
                    put_signed(&mut bytes, open.start);
                    put_signed(&mut bytes, open.end.wrapping_sub(open.start));
                    self.cells.put_cell(open.cell, &mut bytes);
                    count += 1;
                    if bytes.len() >= PART_BYTES {
                        break;
                    }
                }
                if parts.last().is_none_or(|part| part.len() + bytes.len() > PART_BYTES && part.len() > 1) {
                    parts.push(vec![VERSION]);
                }
                let part = parts.last_mut().expect("one was just pushed where there was none");
                put_varint(part, u64::from(*key));
                put_bytes(part, self.keys.bytes_of(*key));
                put_varint(part, *seen);
                put_varint(part, count as u64);
                part.extend_from_slice(&bytes);
                rest.drain(..count);
                if rest.is_empty() {
                    break;
                }
            }
        }
        parts
    }

    /// Takes up the operator's entries, by what follows the prefix. `watermark_us`: as stored.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        if entries.is_empty() {
            return Ok(());
        }
        let meta = open_meta(entries, &self.spec.fingerprint)?;
        self.restore_layout(meta).map_err(|malformed| ("meta", malformed.into()))?;
        self.arrivals.restore(entries)?;
        for (name, value) in entries.iter().filter(|(name, _)| !["meta", arrivals::ENTRY].contains(name)) {
            self.restore_entry(value, watermark_us).map_err(|unfit| (*name, unfit))?;
            self.restore_part(name).ok_or((*name, Unfit::Malformed(Malformed("its name is not that of an entry"))))?;
        }
        // Only now: the windows of a key may lie in several entries.
        if self.states.iter().any(|state| !self.spec.rule.can_have(state.seen, state.windows.len() as u64)) {
            return Err((entries[0].0, Unfit::Malformed(Malformed("a key has other windows than its rows make"))));
        }
        if matches!(self.spec.rule, Rule::Session { .. }) {
            for state in &mut self.states {
                state.windows.sort_unstable_by_key(|open| open.start);
                if state.windows.windows(2).any(|pair| pair[0].end >= pair[1].start) {
                    return Err((entries[0].0, Unfit::Malformed(Malformed("two sessions of a key overlap"))));
                }
            }
        }
        self.next_close = self.scan_next_close();
        self.count_loose_bytes();
        Ok(())
    }

    fn restore_layout(&mut self, mut reader: Reader<'_>) -> Result<(), Malformed> {
        let (bits, rings, stretch_us) = (reader.varint()?, reader.varint()?, reader.signed()?);
        reader.end()?;
        if stretch_us <= 0 || !self.buckets.restore(bits, rings) {
            return Err(Malformed("its numbers are out of range"));
        }
        self.stretch_us = stretch_us;
        Ok(())
    }

    fn restore_entry(&mut self, value: &[u8], watermark_us: i64) -> Result<(), Unfit> {
        let mut reader = open(value)?;
        while reader.remaining() > 0 {
            let id = reader.varint()?;
            let bytes = reader.bytes()?;
            let seen = reader.varint()?;
            let count = reader.count(3)?;
            let mut key = None;
            if seen > 0 {
                key = Some(self.restore_key(id, bytes)?);
            }
            for _ in 0..count {
                let start = reader.signed()?;
                let end = start.wrapping_add(reader.signed()?);
                let window = Open { start, end, cell: self.cells.len() as u32 };
                self.check_window(&window)?;
                let passed =
                    self.spec.evicts_after_us.is_some() && self.spec.rule.closes_at(&window).is_some_and(|close| close <= watermark_us);
                if passed {
                    // Read into a cell that goes again: the key's number may be another key's by now.
                    read_cell(&mut self.combined, 0, &mut reader)?;
                    self.combined.clear();
                    continue;
                }
                let key = match key {
                    Some(key) => key,
                    None => *key.insert(self.restore_key(id, bytes)?),
                };
                read_cell(&mut self.cells, key, &mut reader)?;
                let lanes = self.cells.lanes().iter().zip(&self.lane_types);
                lanes.into_iter().try_for_each(|(lane, types)| lane.check_last_cell(types, self.arrivals.count()))?;
                self.windows += 1;
                self.states[key as usize].windows.push(window);
            }
            if let Some(key) = key {
                self.states[key as usize].seen = seen;
            }
        }
        Ok(())
    }

    fn check_window(&self, open: &Open) -> Result<(), Malformed> {
        let in_range = |time: i64| time.unsigned_abs() <= 2 * TIME_ABS_MAX_US as u64;
        let good = match self.spec.rule {
            Rule::Session { .. } => in_range(open.start) && in_range(open.end) && open.start < open.end,
            Rule::Count { .. } | Rule::State { .. } => [open.start, open.end].into_iter().all(|time| time == NULL_TIME || in_range(time)),
        };
        if good { Ok(()) } else { Err(Malformed("the bounds of a window are out of range")) }
    }

    /// The key under its stored number, added where it is new.
    fn restore_key(&mut self, id: u64, bytes: &[u8]) -> Result<KeyId, Malformed> {
        if id >= KEY_NUMBERS_MAX {
            return Err(Malformed("a key's number is out of range"));
        }
        let id = id as KeyId;
        match self.keys.find(bytes) {
            Some(known) if known == id => return Ok(id),
            Some(_) => return Err(Malformed("a key has two numbers")),
            None => check_key(bytes, &self.key_types)?,
        }
        if !self.keys.restore(id, bytes) {
            return Err(Malformed("a key's number is given twice"));
        }
        self.keys.hold(id);
        self.buckets.add(id, self.keys.bucket_hash(id));
        if self.states.len() <= id as usize {
            self.states.resize(id as usize + 1, KeyState::default());
        }
        Ok(id)
    }

    fn restore_part(&mut self, name: &str) -> Option<()> {
        let mut numbers = name.split('.').map(|number| u64::from_str_radix(number, 16));
        let (bucket, ring) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let part = numbers.next().map_or(Some(0), |part| part.ok())?;
        let part = usize::try_from(part).ok().filter(|part| *part < PARTS_MAX)?;
        let bucket = u32::try_from(bucket).ok().filter(|bucket| self.buckets.has(*bucket))?;
        let parts = self.parts.entry((ring as i64, bucket)).or_default();
        *parts = (part + 1).max(*parts);
        Some(())
    }
}

/// Reads a cell of `key` to the end of `cells`.
fn read_cell(cells: &mut Pane, key: KeyId, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    cells.append(key);
    cells.grow();
    cells.read_last_cell(reader)
}
