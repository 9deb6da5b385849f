//! Stored state of aggregates and limits, and taking it up again.
//!
//! | key | value, after a version byte |
//! |---|---|
//! | `s/<query>/watermark` | signed varint: ms since 1970 |
//! | `s/<query>/<n>/meta` | text: the operator's fingerprint; varints: log2 of the buckets, rings |
//! | `s/<query>/<n>/<bucket>.<ring>` (hex), `….<part>` from part 1 on | sections; each: signed varint: the pane's ordinal, varint: cells; each: varint key number, key, lanes |
//! | `s/<query>/<n>/arrivals` | varint: rows that the operator has numbered, where aggregates depend on the order of arrival |
//! | `s/<query>/<n>/pace` | varint period, signed varint µs of the last emission, whether something is withheld; see [`crate::engine::pace`] |
//! | `s/<query>/<n>/count` | varint: rows that a LIMIT has let through |
//!
//! `n` counts a query's stateful operators from the source up. A cell is its number of rows as a varint, then each lane's value. Panes
//! that the stored watermark has closed are left-overs and skipped; when it goes back their entries are deleted.
//!
//! Limits: key numbers below [`KEY_NUMBERS_MAX`]; a value ends with the cell that carries it over [`PART_BYTES`]; all stored bytes are checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::aggregate::Aggregate;
use crate::engine::arrivals;
use crate::engine::buckets::ring_of;
use crate::engine::key_codec::check_key;
use crate::engine::pace::Pace;
use crate::engine::pane::{NO_SLOT, Pane};
use crate::engine::spec::Emission;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::sabotage::{Fault, planted};

/// Version of all values here.
pub(super) const VERSION: u8 = 1;

/// Parts of an entry that are believed.
pub(super) const PARTS_MAX: usize = 1 << 16;

/// Greatest number of a key that is believed.
pub(super) const KEY_NUMBERS_MAX: u64 = 1 << 24;

/// Length of a value from which on a further part begins. With the limits on keys and texts no value is near the store's 16 MiB.
pub(super) const PART_BYTES: usize = 1 << 20;

/// Ordinal and number of cells before a section, at most.
const SECTION_HEAD_BYTES_MAX: usize = 20;

/// At the end of `meta`: cells have a mark for what is withheld, entries the number of their period.
const PACED: u8 = 1;

/// What the marks of an entry's cells say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    None,
    Count,
    /// Of a period that is over.
    Void,
}

/// A changed entry: key and value.
pub(super) type Entry = (Vec<u8>, Option<Vec<u8>>);

/// Why a stored value is not taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Newer(u8),
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
        version if version > VERSION => Err(Unfit::Newer(version)),
        _ => Ok(reader),
    }
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
            if !self.panes.is_empty() {
                self.buckets.rewrite();
            }
        }
        let (buckets, panes, time) = (&mut self.buckets, &self.panes, &self.spec.time);
        let rings = buckets.rings();
        let ring_of = |pane: i64| ring_of(rings, time.ring_number(pane));
        let (dirty, layout) = buckets.take_dirty(|| panes.keys().map(|pane| ring_of(*pane)).collect());
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
        if dirty.is_empty() {
            return;
        }
        let wanted: BTreeSet<i64> = dirty.rings().collect();
        let mut by_ring: BTreeMap<i64, Vec<(i64, &Pane)>> = BTreeMap::new();
        for (start, pane) in &self.panes {
            let ring = ring_of(*start);
            if wanted.contains(&ring) {
                by_ring.entry(ring).or_default().push((time.ordinal(*start), pane));
            }
        }
        let mut scratch = Vec::new();
        for (ring, bucket) in dirty.iter() {
            // All panes of the ring have closed meanwhile: what is stored is skipped on reading.
            let Some(panes) = by_ring.get(&ring) else { continue };
            let parts = self.encode_entry(bucket, panes, &mut scratch);
            let (count, name) = (parts.len(), format!("{prefix}{bucket:x}.{ring:x}"));
            for (part, value) in parts.into_iter().enumerate() {
                out.push((part_name(&name, part), Some(value)));
            }
            let before = self.parts.remove(&(ring, bucket)).unwrap_or(1);
            out.extend((count..before).map(|part| (part_name(&name, part), None)));
            if count > 1 {
                self.parts.insert((ring, bucket), count);
            }
            self.buckets.note_written(ring, bucket);
        }
    }

    /// Deletes all entries but those of panes that are open, which are written anew.
    fn delete_written(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        let rings = self.buckets.rings();
        let open: BTreeSet<i64> = self.panes.keys().map(|pane| ring_of(rings, self.spec.time.ring_number(*pane))).collect();
        for (ring, bucket) in self.buckets.take_written().iter().filter(|(ring, _)| !open.contains(ring)) {
            let (name, parts) = (format!("{prefix}{bucket:x}.{ring:x}"), self.parts.remove(&(ring, bucket)).unwrap_or(1));
            out.extend((0..parts).map(|part| (part_name(&name, part), None)));
        }
    }

    /// The cells of a bucket in these panes, in one part or more. `bytes`: memory to use.
    fn encode_entry(&self, bucket: u32, panes: &[(i64, &Pane)], bytes: &mut Vec<u8>) -> Vec<Vec<u8>> {
        let members = self.buckets.members(bucket);
        let mut head = vec![VERSION];
        if let Some(pace) = &self.pace {
            put_varint(&mut head, pace.period());
        }
        let mut parts = vec![head.clone()];
        for (ordinal, pane) in panes {
            let mut cells = 0;
            bytes.clear();
            for key in members {
                let slot = pane.slot(*key);
                if slot == NO_SLOT {
                    continue;
                }
                put_varint(bytes, u64::from(*key));
                put_bytes(bytes, self.keys.bytes_of(*key));
                if self.pace.is_some() {
                    bytes.push(u8::from(pane.is_touched(slot)));
                }
                pane.put_cell(slot, bytes);
                cells += 1;
                if bytes.len() + parts[parts.len() - 1].len() >= PART_BYTES {
                    put_section(&mut parts, *ordinal, std::mem::take(&mut cells), bytes);
                    bytes.clear();
                    parts.push(head.clone());
                }
            }
            put_section(&mut parts, *ordinal, cells, bytes);
        }
        if parts.len() > 1 && parts[parts.len() - 1].len() == head.len() {
            parts.pop();
        }
        parts
    }

    /// Takes up the operator's entries, by what follows the prefix. `watermark_us`: as stored.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        if entries.is_empty() {
            return Ok(());
        }
        let (_, meta) = entries.iter().find(|(name, _)| *name == "meta").ok_or(("meta", Unfit::Malformed(Malformed("it is missing"))))?;
        let paced = self.restore_layout(meta).map_err(|unfit| ("meta", unfit))?;
        let period = self.restore_pace(entries)?.filter(|_| paced);
        self.arrivals.restore(entries)?;
        for (name, value) in entries.iter().filter(|(name, _)| !["meta", arrivals::ENTRY, "pace"].contains(name)) {
            self.restore_entry(value, watermark_us, period).map_err(|unfit| (*name, unfit))?;
            self.restore_part(name).ok_or((*name, Unfit::Malformed(Malformed("its name is not that of an entry"))))?;
        }
        if paced != self.pace.is_some() {
            self.buckets.rewrite();
        }
        self.touched.sort_unstable();
        self.count_loose_bytes();
        Ok(())
    }

    /// The period whose marks count.
    fn restore_pace<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<Option<u64>, (&'e str, Unfit)> {
        let mut stored = Pace::new(0);
        let pace = self.pace.as_mut().unwrap_or(&mut stored);
        if let Some((name, value)) = entries.iter().find(|(name, _)| *name == "pace") {
            open(value).and_then(|mut reader| pace.restore(&mut reader)).map_err(|unfit| (*name, unfit))?;
        }
        Ok(Some(pace.period()))
    }

    /// Whether cells are stored with a mark for what is withheld.
    fn restore_layout(&mut self, value: &[u8]) -> Result<bool, Unfit> {
        let mut reader = open(value)?;
        let fingerprint = reader.text()?;
        let (bits, rings) = (reader.varint()?, reader.varint()?);
        let paced = reader.remaining() > 0 && reader.byte()? == PACED;
        reader.end()?;
        if fingerprint != self.spec.fingerprint {
            return Err(Unfit::Changed(format!("stored: {fingerprint}; now: {}", self.spec.fingerprint)));
        }
        if self.buckets.restore(bits, rings) { Ok(paced) } else { Err(Malformed("its numbers are out of range").into()) }
    }

    /// `period`: the one whose marks count, where cells have marks.
    fn restore_entry(&mut self, value: &[u8], watermark_us: i64, period: Option<u64>) -> Result<(), Unfit> {
        let mut reader = open(value)?;
        let marks = match period {
            None => Marks::None,
            Some(period) if reader.varint()? == period => Marks::Count,
            Some(_) => Marks::Void,
        };
        while reader.remaining() > 0 {
            let ordinal = reader.signed()?;
            let start = self.spec.time.pane_at(ordinal).ok_or(Malformed("a pane's number is out of range"))?;
            let cells = reader.count(2)?;
            let closed = self.spec.evicts_after_us.is_some() && self.spec.time.last_close(start) <= watermark_us;
            let mut pane = match self.panes.remove(&start) {
                Some(pane) if !closed => pane,
                _ => Pane::new(&self.kinds),
            };
            for _ in 0..cells {
                self.restore_cell(&mut pane, &mut reader, closed, marks)?;
            }
            if !closed && pane.len() > 0 {
                if pane.has_touched() && !self.touched.contains(&start) {
                    self.touched.push(start);
                }
                self.panes.insert(start, pane);
            }
        }
        Ok(())
    }

    /// Remembers an entry of several parts, so that those no longer needed are deleted.
    fn restore_part(&mut self, name: &str) -> Option<()> {
        let mut numbers = name.split('.').map(|number| u64::from_str_radix(number, 16));
        let (bucket, ring) = (u32::try_from(numbers.next()?.ok()?).ok()?, numbers.next()?.ok()? as i64);
        if !self.buckets.note_written(ring, bucket) {
            return None;
        }
        if let Some(part) = numbers.next() {
            let parts = self.parts.entry((ring, bucket)).or_default();
            *parts = usize::try_from(part.ok()?).ok().filter(|part| *part < PARTS_MAX)?.saturating_add(1).max(*parts);
        }
        Some(())
    }

    fn restore_cell(&mut self, pane: &mut Pane, reader: &mut Reader<'_>, closed: bool, marks: Marks) -> Result<(), Malformed> {
        let id = reader.varint()?;
        let bytes = reader.bytes()?;
        let marked = marks != Marks::None && reader.byte()? != 0 && marks == Marks::Count;
        if closed {
            // Read into a pane that is dropped: the key's number may be another key's by now.
            pane.add(pane.len() as u32, pane.len() + 1);
            pane.grow();
            return pane.read_last_cell(reader);
        }
        if id >= KEY_NUMBERS_MAX {
            return Err(Malformed("a key's number is out of range"));
        }
        let id = id as u32;
        match self.keys.find(bytes) {
            Some(known) if known == id => {}
            None => {
                check_key(bytes, &self.key_types)?;
                if !self.keys.restore(id, bytes) {
                    return Err(Malformed("a key's number is given twice"));
                }
                self.buckets.add(id, self.keys.bucket_hash(id));
            }
            Some(_) => return Err(Malformed("a key has two numbers")),
        }
        if pane.slot(id) != NO_SLOT {
            return Err(Malformed("a cell is there twice"));
        }
        let slot = self.new_cell(pane, id);
        pane.grow();
        if marked {
            pane.touch(&[slot]);
        }
        pane.read_last_cell(reader)?;
        pane.lanes().iter().zip(&self.lane_types).try_for_each(|(lane, types)| lane.check_last_cell(types, self.arrivals.count()))
    }
}

pub(super) fn part_name(name: &str, part: usize) -> Vec<u8> {
    if part == 0 { name.as_bytes().to_vec() } else { format!("{name}.{part:x}").into_bytes() }
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
