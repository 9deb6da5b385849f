//! Taking an aggregate's stored state up again; its layout is told in [`super::checkpoint`].
//!
//! Of a cell that is there several times the value of the latest commit counts. Panes that the stored watermark has closed are left-overs and
//! skipped, in the journal too.
//!
//! Limits: all stored bytes are checked; memory is for the journal's cells once more.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::aggregate::Aggregate;
use crate::engine::arrivals;
use crate::engine::checkpoint::{CELLS_VERSION, JOURNAL, KEY_NUMBERS_MAX, PACED, PARTS_MAX, Unfit, open, open_meta};
use crate::engine::journal::Place;
use crate::engine::key_codec::check_key;
use crate::engine::keys::bucket_hash;
use crate::engine::pace::Pace;
use crate::engine::pane::{NO_SLOT, Pane};
use crate::engine::state_codec::{Malformed, Reader};
use crate::sabotage::{Fault, planted};

/// Numbers of a commit and of a journal's slot that are believed.
const SEQUENCES_MAX: u64 = 1 << 60;
const SLOTS_MAX: u32 = 1 << 20;

const BAD_NAME: Unfit = Unfit::Malformed(Malformed("its name is not that of an entry"));

/// What the marks of an entry's cells say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    None,
    Count,
    /// Of a period that is over.
    Void,
}

/// A value behind its head.
struct Stored<'e> {
    name: &'e str,
    sequence: u64,
    marks: Marks,
    reader: Reader<'e>,
}

/// A cell that the journal holds.
struct JournalCell<'e> {
    start: i64,
    ring: i64,
    bucket: u32,
    closed: bool,
    id: u64,
    key: &'e [u8],
    lanes: &'e [u8],
}

/// Cells whose latest value is in the journal: the start of their pane, and the key.
type Newer<'e> = BTreeSet<(i64, &'e [u8])>;

/// A value of either version, up to its sections. `period`: the one whose marks count; `paced`: whether those of version 1 have marks.
fn open_cells<'e>(name: &'e str, value: &'e [u8], period: u64, paced: bool) -> Result<Stored<'e>, Unfit> {
    let mut reader = Reader::new(value);
    let (sequence, has_marks) = match reader.byte()? {
        0 => return Err(Malformed("its version is 0").into()),
        1 => (0, paced),
        CELLS_VERSION => (reader.varint()?, reader.byte()? != 0),
        found => return Err(Unfit::Newer { found, known: CELLS_VERSION }),
    };
    if sequence >= SEQUENCES_MAX {
        return Err(Malformed("a commit's number is out of range").into());
    }
    let marks = match has_marks {
        false => Marks::None,
        true if reader.varint()? == period => Marks::Count,
        true => Marks::Void,
    };
    Ok(Stored { name, sequence, marks, reader })
}

impl Aggregate {
    /// Takes up the operator's entries, by what follows the prefix. `watermark_us`: as stored.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        if entries.is_empty() {
            return Ok(());
        }
        let meta = open_meta(entries, &self.spec.fingerprint)?;
        let paced = self.restore_layout(meta).map_err(|malformed| ("meta", malformed.into()))?;
        let period = self.restore_pace(entries)?;
        self.arrivals.restore(entries)?;
        let (mut journal, mut own) = (Vec::new(), Vec::new());
        let mut written: BTreeMap<(i64, u32), u64> = BTreeMap::new();
        for (name, value) in entries.iter().filter(|(name, _)| !["meta", arrivals::ENTRY, "pace"].contains(name)) {
            let stored = open_cells(name, value, period, paced).map_err(|unfit| (*name, unfit))?;
            self.journal.saw(stored.sequence);
            if name.starts_with(JOURNAL) {
                let slot = restored_slot(name).filter(|_| stored.marks == Marks::None).ok_or((*name, BAD_NAME))?;
                journal.push((slot, stored));
                continue;
            }
            let place = self.restore_part(name).ok_or((*name, BAD_NAME))?;
            let sequence = written.entry(place).or_default();
            *sequence = stored.sequence.max(*sequence);
            own.push(stored);
        }
        journal.sort_by_key(|(slot, stored)| (stored.sequence, *slot));
        let (cells, newer) = self.restore_journal(journal, &written, watermark_us)?;
        for stored in own {
            let name = stored.name;
            self.restore_entry(stored, watermark_us, &newer).map_err(|malformed| (name, malformed.into()))?;
        }
        for (name, cell) in cells {
            self.restore_journal_cell(&cell).map_err(|malformed| (name, malformed.into()))?;
        }
        if paced != self.pace.is_some() {
            // `meta` speaks for left-overs of version 1 too: they must not outlive what it says now.
            self.buckets.rewrite();
            self.voided = true;
        }
        self.touched.sort_unstable();
        self.count_loose_bytes();
        Ok(())
    }

    /// The cells whose latest value is in the journal. `journal`: its entries by slot, the latest last; `written`: when each ring's bucket was.
    #[expect(clippy::type_complexity, reason = "the two belong together for a moment only")]
    fn restore_journal<'e>(
        &mut self,
        journal: Vec<(u32, Stored<'e>)>,
        written: &BTreeMap<(i64, u32), u64>,
        watermark_us: i64,
    ) -> Result<(Vec<(&'e str, JournalCell<'e>)>, Newer<'e>), (&'e str, Unfit)> {
        let (mut latest, mut newer, mut needs) = (Vec::new(), Newer::new(), Vec::new());
        for (slot, Stored { name, sequence, mut reader, .. }) in journal.into_iter().rev() {
            let cells = self.journal_cells(&mut reader, watermark_us).map_err(|malformed| (name, malformed.into()))?;
            let (count, mut needed) = (cells.len(), BTreeMap::<Place, usize>::new());
            for cell in cells {
                let is_old = sequence <= written.get(&(cell.ring, cell.bucket)).copied().unwrap_or(0);
                if cell.closed || is_old && !planted(Fault::StaleJournal) {
                    continue;
                }
                *needed.entry((cell.start, cell.bucket)).or_default() += 1;
                if newer.insert((cell.start, cell.key)) {
                    latest.push((name, cell));
                }
            }
            needs.push((slot, sequence, count, needed));
        }
        needs.into_iter().rev().for_each(|(slot, sequence, count, needed)| self.journal.put(slot, sequence, count, &needed));
        Ok((latest, newer))
    }

    fn journal_cells<'e>(&self, reader: &mut Reader<'e>, watermark_us: i64) -> Result<Vec<JournalCell<'e>>, Malformed> {
        let mut cells = Vec::new();
        while reader.remaining() > 0 {
            let start = self.restored_start(reader)?;
            let closed = self.is_closed(start, watermark_us);
            let ring = self.buckets.ring(self.spec.time.ring_number(start));
            for _ in 0..reader.count(3)? {
                let (id, key, lanes) = (reader.varint()?, reader.bytes()?, reader.bytes()?);
                let bucket = self.buckets.bucket(bucket_hash(key));
                cells.push(JournalCell { start, ring, bucket, closed, id, key, lanes });
            }
        }
        Ok(cells)
    }

    fn restore_journal_cell(&mut self, cell: &JournalCell<'_>) -> Result<(), Malformed> {
        let mut pane = self.panes.remove(&cell.start).unwrap_or_else(|| Pane::new(&self.kinds));
        let mut reader = Reader::new(cell.lanes);
        self.place_cell(&mut pane, (cell.id, cell.key), false, &mut reader)?;
        self.panes.insert(cell.start, pane);
        reader.end()
    }

    /// The period whose marks count.
    fn restore_pace<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<u64, (&'e str, Unfit)> {
        let mut stored = Pace::new(0);
        let pace = self.pace.as_mut().unwrap_or(&mut stored);
        if let Some((name, value)) = entries.iter().find(|(name, _)| *name == "pace") {
            open(value).and_then(|mut reader| pace.restore(&mut reader)).map_err(|unfit| (*name, unfit))?;
        }
        Ok(pace.period())
    }

    /// Whether cells are stored with a mark for what is withheld.
    fn restore_layout(&mut self, mut reader: Reader<'_>) -> Result<bool, Malformed> {
        let (bits, rings) = (reader.varint()?, reader.varint()?);
        let paced = reader.remaining() > 0 && reader.byte()? == PACED;
        reader.end()?;
        if self.buckets.restore(bits, rings) { Ok(paced) } else { Err(Malformed("its numbers are out of range")) }
    }

    fn restored_start(&self, reader: &mut Reader<'_>) -> Result<i64, Malformed> {
        let ordinal = reader.signed()?;
        self.spec.time.pane_at(ordinal).ok_or(Malformed("a pane's number is out of range"))
    }

    /// Whether the watermark has closed all windows over the pane.
    fn is_closed(&self, start: i64, watermark_us: i64) -> bool {
        self.spec.evicts_after_us.is_some() && self.spec.time.last_close(start) <= watermark_us
    }

    /// `newer`: the cells to pass over.
    fn restore_entry(&mut self, stored: Stored<'_>, watermark_us: i64, newer: &Newer<'_>) -> Result<(), Malformed> {
        let Stored { marks, mut reader, .. } = stored;
        let mut passed_over = Pane::new(&self.kinds);
        while reader.remaining() > 0 {
            let start = self.restored_start(&mut reader)?;
            let cells = reader.count(2)?;
            let closed = self.is_closed(start, watermark_us);
            let mut pane = self.panes.remove(&start).unwrap_or_else(|| Pane::new(&self.kinds));
            for _ in 0..cells {
                let (id, key) = (reader.varint()?, reader.bytes()?);
                let marked = marks != Marks::None && reader.byte()? != 0 && marks == Marks::Count;
                if closed || newer.contains(&(start, key)) {
                    // The key's number may be another key's by now.
                    passed_over.append(0);
                    passed_over.grow();
                    passed_over.read_last_cell(&mut reader)?;
                } else {
                    self.place_cell(&mut pane, (id, key), marked, &mut reader)?;
                }
            }
            if pane.len() > 0 {
                if pane.has_touched() && !self.touched.contains(&start) {
                    self.touched.push(start);
                }
                self.panes.insert(start, pane);
            }
        }
        Ok(())
    }

    /// Remembers an entry of several parts, so that those no longer needed are deleted. Returns whose entry it is.
    fn restore_part(&mut self, name: &str) -> Option<(i64, u32)> {
        let mut numbers = name.split('.').map(|number| u64::from_str_radix(number, 16));
        let (bucket, ring) = (u32::try_from(numbers.next()?.ok()?).ok()?, numbers.next()?.ok()? as i64);
        if !self.buckets.note_written(ring, bucket) {
            return None;
        }
        if let Some(part) = numbers.next() {
            let parts = self.parts.entry((ring, bucket)).or_default();
            *parts = usize::try_from(part.ok()?).ok().filter(|part| *part < PARTS_MAX)?.saturating_add(1).max(*parts);
        }
        Some((ring, bucket))
    }

    /// Reads a cell to its place in the pane.
    fn place_cell(&mut self, pane: &mut Pane, (id, key): (u64, &[u8]), marked: bool, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        if id >= KEY_NUMBERS_MAX {
            return Err(Malformed("a key's number is out of range"));
        }
        let id = id as u32;
        match self.keys.find(key) {
            Some(known) if known == id => {}
            None => {
                check_key(key, &self.key_types)?;
                if !self.keys.restore(id, key) {
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
            pane.touch([slot]);
        }
        pane.read_last_cell(reader)?;
        pane.lanes().iter().zip(&self.lane_types).try_for_each(|(lane, types)| lane.check_last_cell(types, self.arrivals.count()))
    }
}

/// The slot in the name of a journal's entry.
fn restored_slot(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(JOURNAL)?;
    let slot = u32::from_str_radix(digits, 16).ok()?;
    // A slot has one name only.
    (slot < SLOTS_MAX && format!("{slot:x}") == digits).then_some(slot)
}
