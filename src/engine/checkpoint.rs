//! Stored state of aggregates and limits, and taking it up again.
//!
//! | key | value, after a version byte |
//! |---|---|
//! | `s/<query>/watermark` | signed varint: ms since 1970 |
//! | `s/<query>/<n>/meta` | text: the operator's fingerprint; varints: log2 of the buckets, rings |
//! | `s/<query>/<n>/<bucket>.<ring>` (hex), `….<part>` from part 1 on | varint: sequence; byte: whether cells have a mark for what is withheld, then varint: the period of the marks; sections; each: signed varint: the pane's ordinal, varint: cells; each: varint key number, key, lanes |
//! | `s/<query>/<n>/j<slot>` (hex) | the same, the length of its lanes before each: an entry of the [`crate::engine::journal`] |
//! | `s/<query>/<n>/arrivals` | varint: rows that the operator has numbered, where aggregates depend on the order of arrival |
//! | `s/<query>/<n>/pace` | varint period, signed varint µs of the last emission, whether something is withheld; see [`crate::engine::pace`] |
//! | `s/<query>/<n>/count` | varint: rows that a LIMIT has let through |
//!
//! The sequence numbers the operator's commits; values of version 1 have none, and are of commit 0. `n` counts a query's stateful operators from the source up. A cell is its number of rows as a varint, then each lane's value. Panes
//! that the stored watermark has closed are left-overs and skipped; when it goes back their entries are deleted.
//!
//! Limits: key numbers below [`KEY_NUMBERS_MAX`]; a value ends with the cell that carries it over [`PART_BYTES`]; all stored bytes are checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::aggregate::Aggregate;
use crate::engine::buckets::{Marks, ring_of};
use crate::engine::keys::KeyId;
use crate::engine::lanes::LaneKind;
use crate::engine::pane::{NO_SLOT, Pane};
use crate::engine::spec::Emission;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::sabotage::{Fault, planted};

/// Version of all values but those with an aggregate's cells.
pub(super) const VERSION: u8 = 1;

/// Version of those.
pub(super) const CELLS_VERSION: u8 = 2;

/// Parts of an entry that are believed.
pub(super) const PARTS_MAX: usize = 1 << 16;

/// Greatest number of a key that is believed.
pub(super) const KEY_NUMBERS_MAX: u64 = 1 << 24;

/// Length of a value from which on a further part begins. With the limits on keys and texts no value is near the store's 16 MiB.
pub(super) const PART_BYTES: usize = 1 << 20;

/// Ordinal and number of cells before a section, at most.
const SECTION_HEAD_BYTES_MAX: usize = 20;

/// At the end of `meta`: in values of version 1 cells have a mark for what is withheld, and values the number of their period.
pub(super) const PACED: u8 = 1;

/// What the name of a journal's entry begins with.
pub(super) const JOURNAL: char = 'j';

/// The starts of open panes, by ring.
type Rings = BTreeMap<i64, Vec<i64>>;

/// A changed entry: key and value.
pub(super) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Why a stored value is not taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Newer { found: u8, known: u8 },
    Malformed(Malformed),
    Changed(String),
}

impl From<Malformed> for Unfit {
    fn from(malformed: Malformed) -> Unfit {
        Unfit::Malformed(malformed)
    }
}

/// A reader behind the version byte.
pub(super) fn open(value: &[u8]) -> Result<Reader<'_>, Unfit> {
    let mut reader = Reader::new(value);
    match reader.byte()? {
        0 => Err(Malformed("its version is 0").into()),
        version if version > VERSION => Err(Unfit::Newer { found: version, known: VERSION }),
        _ => Ok(reader),
    }
}

/// What follows the fingerprint in `meta`. Only an operator of that fingerprint knows how it is laid out, and what the other entries are.
pub(super) fn open_meta<'e>(entries: &[(&'e str, &'e [u8])], fingerprint: &str) -> Result<Reader<'e>, (&'e str, Unfit)> {
    let Some((_, meta)) = entries.iter().find(|(name, _)| *name == "meta") else {
        let unfit = match entries {
            [("count", _)] => Unfit::Changed("a LIMIT stood where another operator is".to_owned()),
            _ => Malformed("it is missing").into(),
        };
        return Err(("meta", unfit));
    };
    let mut reader = open(meta).map_err(|unfit| ("meta", unfit))?;
    let stored = reader.text().map_err(|malformed| ("meta", malformed.into()))?;
    if stored != fingerprint {
        return Err(("meta", Unfit::Changed(format!("stored: {stored}; now: {fingerprint}"))));
    }
    Ok(reader)
}

impl Aggregate {
    /// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        if self.spec.emission == Emission::AtEnd {
            return;
        }
        if let Some(value) = self.pace.as_mut().and_then(|pace| pace.take_changed(VERSION)) {
            out.push((format!("{prefix}pace").into_bytes(), Some(value)));
        }
        if std::mem::take(&mut self.voided) && !planted(Fault::KeptLeftovers) {
            self.delete_written(prefix, out);
            self.journal.clear_to_one();
            if !self.panes.is_empty() {
                self.buckets.rewrite();
            }
        }
        let (panes, time, rings) = (&self.panes, &self.spec.time, self.buckets.rings());
        let (dirty, layout) = self.buckets.take_dirty(|| panes.keys().map(|start| ring_of(rings, time.ring_number(*start))).collect());
        if layout {
            let mut value = vec![VERSION];
            put_bytes(&mut value, self.spec.fingerprint.as_bytes());
            put_varint(&mut value, u64::from(self.buckets.bits()));
            put_varint(&mut value, self.buckets.rings());
            if self.pace.is_some() {
                value.push(PACED);
            }
            out.push((format!("{prefix}meta").into_bytes(), Some(value)));
        }
        if self.spec.plan.is_sequenced() {
            self.arrivals.put_changes(prefix, !dirty.is_empty(), out);
        }
        if layout {
            self.journal.clear();
        }
        if !dirty.is_empty() {
            self.put_cells(prefix, (&dirty, layout), out);
        }
        for slot in self.journal.take_emptied() {
            let mut value = vec![CELLS_VERSION];
            put_varint(&mut value, self.journal.sequence());
            value.push(0);
            out.push((journal_name(prefix, slot), Some(value)));
        }
    }

    /// The open panes of these rings.
    fn panes_of(&self, wanted: &Marks) -> Rings {
        let mut rings = Rings::new();
        for start in self.panes.keys() {
            let ring = self.buckets.ring(self.spec.time.ring_number(*start));
            if wanted.has_ring(ring) {
                rings.entry(ring).or_default().push(*start);
            }
        }
        rings
    }

    /// Appends the cells of what is dirty: buckets whole, or what changed of them as an entry of the journal.
    fn put_cells(&mut self, prefix: &str, (dirty, layout): (&Marks, bool), out: &mut Vec<Entry>) {
        let mut rings = self.panes_of(dirty);
        let (mut whole, few) = self.choose_whole(dirty, &rings, layout || self.pace.is_some());
        for (start, bucket) in self.journal.crowding(few, self.cells) {
            Marks::set_among(whole.of_ring(self.buckets.ring(self.spec.time.ring_number(start))), bucket);
        }
        if whole.rings().any(|ring| !dirty.has_ring(ring)) {
            rings.extend(self.panes_of(&whole));
        }
        let before = out.len();
        self.put_buckets(prefix, &whole, &rings, out);
        if few > 0 {
            self.put_journal(prefix, dirty, &whole, &rings, out);
        }
        if out.len() > before {
            self.journal.advance();
        }
        for start in rings.values().flatten() {
            self.panes.get_mut(start).into_iter().for_each(Pane::forget_unsaved);
        }
    }

    /// The buckets to write whole, and of how many cells, at most, only these are to be written. `all`: no bucket in part.
    ///
    /// Where all panes of a ring have closed meanwhile there is nothing to write: what is stored is skipped on reading.
    fn choose_whole(&self, dirty: &Marks, rings: &Rings, all: bool) -> (Marks, usize) {
        let (mut whole, mut few) = (Marks::default(), 0);
        let mut changed: Vec<usize> = Vec::new();
        for ring in dirty.rings() {
            let Some(starts) = rings.get(&ring) else { continue };
            let cells: usize = starts.iter().map(|start| self.panes[start].len()).sum();
            let on_average = (cells >> self.buckets.bits()).max(1);
            changed.clear();
            changed.resize(1 << self.buckets.bits(), 0);
            let mut count = |key| changed[self.buckets.bucket(self.keys.bucket_hash(key)) as usize] += 1;
            starts.iter().for_each(|start| self.panes[start].for_each_unsaved(|_, key| count(key)));
            for (bucket, changed) in (0..).zip(&changed) {
                if *changed == 0 && !(all && dirty.has(ring, bucket)) {
                    continue;
                }
                let pending = || starts.iter().map(|start| self.journal.pending((*start, bucket))).sum::<usize>();
                let in_bucket = on_average.min(self.buckets.members(bucket).len() * starts.len());
                if all || *changed >= in_bucket || pending() + changed >= in_bucket {
                    Marks::set_among(whole.of_ring(ring), bucket);
                } else {
                    few += changed;
                }
            }
        }
        (whole, few)
    }

    /// Appends all cells of these buckets.
    fn put_buckets(&mut self, prefix: &str, whole: &Marks, rings: &Rings, out: &mut Vec<Entry>) {
        let head = self.head();
        let mut scratch = Vec::new();
        for ring in whole.rings() {
            let (time, starts) = (&self.spec.time, rings.get(&ring).map_or(&[][..], Vec::as_slice));
            let panes: Vec<(i64, &Pane)> = starts.iter().map(|start| (time.ordinal(*start), &self.panes[start])).collect();
            let mut at_once = self.encode_at_once(whole, ring, &panes, &head).unwrap_or_default();
            for bucket in whole.buckets(ring) {
                let (name, before) = (bucket_name(prefix, bucket, ring), self.parts.remove(&(ring, bucket)).unwrap_or(1));
                match at_once.get_mut(bucket as usize) {
                    Some(value) if before == 1 => {
                        debug_assert_eq!(vec![value.clone()], self.encode_entry(bucket, &panes, &head, &mut scratch));
                        out.push((name, Some(std::mem::take(value))));
                    }
                    _ => {
                        let parts = self.encode_entry(bucket, &panes, &head, &mut scratch);
                        let count = parts.len();
                        put_parts(&name, parts, before, out);
                        if count > 1 {
                            self.parts.insert((ring, bucket), count);
                        }
                    }
                }
                self.buckets.note_written(ring, bucket);
                starts.iter().for_each(|start| self.journal.settle((*start, bucket)));
            }
        }
    }

    /// Appends the changed cells of the buckets that are not written whole.
    fn put_journal(&mut self, prefix: &str, dirty: &Marks, whole: &Marks, rings: &Rings, out: &mut Vec<Entry>) {
        let head = self.head();
        let (mut entry, mut counts) = (head.clone(), BTreeMap::new());
        let (mut chosen, mut bytes, mut cell) = (Vec::new(), Vec::new(), Vec::new());
        for ring in dirty.rings() {
            for start in rings.get(&ring).into_iter().flatten() {
                let (pane, ordinal) = (&self.panes[start], self.spec.time.ordinal(*start));
                chosen.clear();
                pane.for_each_unsaved(|slot, key| {
                    let bucket = self.buckets.bucket(self.keys.bucket_hash(key));
                    if !whole.has(ring, bucket) {
                        chosen.push((key, slot, bucket));
                    }
                });
                // In an order that a restart does not change.
                chosen.sort_unstable();
                let mut cells = 0;
                for (key, slot, bucket) in &chosen {
                    put_varint(&mut bytes, u64::from(*key));
                    put_bytes(&mut bytes, self.keys.bytes_of(*key));
                    cell.clear();
                    pane.put_cell(*slot, &mut cell);
                    put_bytes(&mut bytes, &cell);
                    cells += 1;
                    *counts.entry((*start, *bucket)).or_default() += 1;
                    if entry.len() + bytes.len() >= PART_BYTES {
                        put_section(std::slice::from_mut(&mut entry), ordinal, std::mem::take(&mut cells), &bytes);
                        bytes.clear();
                        let slot = self.journal.add(&std::mem::take(&mut counts));
                        out.push((journal_name(prefix, slot), Some(std::mem::replace(&mut entry, head.clone()))));
                    }
                }
                put_section(std::slice::from_mut(&mut entry), ordinal, cells, &bytes);
                bytes.clear();
            }
        }
        if !counts.is_empty() {
            out.push((journal_name(prefix, self.journal.add(&counts)), Some(entry)));
        }
    }

    /// What a bucket's value begins with.
    fn head(&self) -> Vec<u8> {
        let mut head = vec![CELLS_VERSION];
        put_varint(&mut head, self.journal.next_sequence());
        head.push(u8::from(self.pace.is_some()));
        self.pace.iter().for_each(|pace| put_varint(&mut head, pace.period()));
        head
    }

    /// Deletes all entries but those of panes that are open, which are written anew.
    fn delete_written(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        let open: BTreeSet<i64> = self.panes.keys().map(|start| self.buckets.ring(self.spec.time.ring_number(*start))).collect();
        for (ring, bucket) in self.buckets.take_written().iter().filter(|(ring, _)| !open.contains(ring)) {
            let (name, parts) = (bucket_name(prefix, bucket, ring), self.parts.remove(&(ring, bucket)).unwrap_or(1));
            out.extend((0..parts).map(|part| (part_name(&name, part), None)));
        }
    }

    /// As [`Aggregate::encode_entry`] for all of a ring's buckets, by number, where most are written: in the order of keys, as these lie in
    /// memory, instead of here and there for each bucket. `None`: it does not pay, or a value would be long.
    fn encode_at_once(&self, whole: &Marks, ring: i64, panes: &[(i64, &Pane)], head: &[u8]) -> Option<Vec<Vec<u8>>> {
        let buckets = 1 << self.buckets.bits();
        if whole.buckets(ring).count() * 2 < buckets {
            return None;
        }
        let slots: Vec<&[u32]> = panes.iter().map(|(_, pane)| pane.by_key()).collect::<Option<_>>()?;
        let cells = |index: usize| slots[index].iter().zip(0..).filter(|(slot, _)| **slot != NO_SLOT).map(|(slot, key)| (*slot, key));
        let bucket_of = |key| self.buckets.bucket(self.keys.bucket_hash(key)) as usize;
        // Of each pane, by bucket.
        let counts: Vec<Vec<usize>> =
            (0..panes.len()).map(|index| self.cells_by_bucket(panes[index].1, || cells(index).map(|(_, key)| bucket_of(key)))).collect();
        let lane_bytes = |kind: &LaneKind| if *kind == LaneKind::Count { 2 } else { kind.cell_bytes() };
        let bytes_of_cell = self.keys.mean_length() + 5 + self.kinds.iter().map(lane_bytes).sum::<usize>();
        let mut values: Vec<Vec<u8>> = vec![Vec::new(); buckets];
        for bucket in whole.buckets(ring) {
            let cells: usize = counts.iter().map(|counts| counts[bucket as usize]).sum();
            let mut value = Vec::with_capacity(head.len() + SECTION_HEAD_BYTES_MAX * panes.len() + cells * bytes_of_cell);
            value.extend_from_slice(head);
            values[bucket as usize] = value;
        }
        for (index, (ordinal, pane)) in panes.iter().enumerate() {
            for (value, count) in values.iter_mut().zip(&counts[index]).filter(|(value, count)| !value.is_empty() && **count > 0) {
                put_signed(value, *ordinal);
                put_varint(value, *count as u64);
            }
            for (slot, key) in cells(index) {
                let value = &mut values[bucket_of(key)];
                if !value.is_empty() {
                    self.put_keyed_cell(pane, slot, key, value);
                }
                if value.len() >= PART_BYTES {
                    return None;
                }
            }
        }
        Some(values)
    }

    /// Cells of a pane in each bucket; `cells`: the bucket of each.
    fn cells_by_bucket<I: Iterator<Item = usize>>(&self, pane: &Pane, cells: impl Fn() -> I) -> Vec<usize> {
        // All keys have one.
        if pane.len() == self.keys.len() {
            return self.buckets.each().map(<[KeyId]>::len).collect();
        }
        let mut counts = vec![0; 1 << self.buckets.bits()];
        cells().for_each(|bucket| counts[bucket] += 1);
        counts
    }

    fn put_keyed_cell(&self, pane: &Pane, slot: u32, key: KeyId, out: &mut Vec<u8>) {
        put_varint(out, u64::from(key));
        put_bytes(out, self.keys.bytes_of(key));
        if self.pace.is_some() {
            out.push(u8::from(pane.is_touched(slot)));
        }
        pane.put_cell(slot, out);
    }

    /// The cells of a bucket in these panes, in one part or more, each behind `head`. `bytes`: memory to use.
    fn encode_entry(&self, bucket: u32, panes: &[(i64, &Pane)], head: &[u8], bytes: &mut Vec<u8>) -> Vec<Vec<u8>> {
        let members = self.buckets.members(bucket);
        let mut parts = vec![head.to_vec()];
        for (ordinal, pane) in panes {
            let mut cells = 0;
            bytes.clear();
            for key in members {
                let slot = pane.slot(*key);
                if slot == NO_SLOT {
                    continue;
                }
                self.put_keyed_cell(pane, slot, *key, bytes);
                cells += 1;
                if bytes.len() + parts[parts.len() - 1].len() >= PART_BYTES {
                    put_section(&mut parts, *ordinal, std::mem::take(&mut cells), bytes);
                    bytes.clear();
                    parts.push(head.to_vec());
                }
            }
            put_section(&mut parts, *ordinal, cells, bytes);
        }
        if parts.len() > 1 && parts[parts.len() - 1].len() == head.len() {
            parts.pop();
        }
        parts
    }
}

/// Name of a bucket's entry: its number and the ring's, hexadecimal.
pub(super) fn bucket_name(prefix: &str, bucket: u32, ring: i64) -> Vec<u8> {
    let mut name = Vec::with_capacity(prefix.len() + 26);
    name.extend_from_slice(prefix.as_bytes());
    put_hex(&mut name, u64::from(bucket));
    name.push(b'.');
    put_hex(&mut name, ring as u64);
    name
}

fn put_hex(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (4 * digit)) as usize & 15]));
}

fn journal_name(prefix: &str, slot: u32) -> Vec<u8> {
    format!("{prefix}{JOURNAL}{slot:x}").into_bytes()
}

/// Appends the parts of a value, and deletes those that it had `before` and has no more.
pub(super) fn put_parts(name: &[u8], parts: Vec<Vec<u8>>, before: usize, out: &mut Vec<Entry>) {
    let count = parts.len();
    out.extend(parts.into_iter().enumerate().map(|(part, value)| (part_name(name, part), Some(value))));
    out.extend((count..before).map(|part| (part_name(name, part), None)));
}

fn part_name(name: &[u8], part: usize) -> Vec<u8> {
    let mut name = name.to_vec();
    if part > 0 {
        name.push(b'.');
        put_hex(&mut name, part as u64);
    }
    name
}

fn put_section(parts: &mut [Vec<u8>], ordinal: i64, cells: u64, bytes: &[u8]) {
    if cells > 0
        && let Some(part) = parts.last_mut()
    {
        part.reserve_exact(bytes.len() + SECTION_HEAD_BYTES_MAX);
        put_signed(part, ordinal);
        put_varint(part, cells);
        part.extend_from_slice(bytes);
    }
}
