//! The books of one log: its segments, where the next record goes, what is delivered, and what a full log drops.
//!
//! Invariants:
//! - `start ≤ cursor ≤ end`; the cursor names the first record not yet delivered; offsets only rise.
//! - Sequence numbers rise by one a record within an epoch, also over records that were dropped before they were stored: a gap shows.
//! - What the policy drops is named by a tombstone in the same change set.
//!
//! - A change set appends to no segment that it drops, and drops none that the store does not have.
//!
//! Under `keep_latest` a full log is written anew: what waits goes, and the last result of each key comes back at the end, with its number.
//!
//! Limits: `bytes_max` counts undelivered bytes; one batch's results may pass it under `block`, and one segment of delivered bytes is kept.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::latest::Latest;
use crate::config::settings::{OutboxSettings, WhenFull};
use crate::store::chunk;
use crate::store::{Append, ChangeSet, Chunk, LogName, SegmentMeta, StoredChunk};

/// Bytes at which a new segment file begins: small enough that dropping the oldest drops little.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;
const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Records of one batch are cut into chunks of about this size, so that a reader holds little.
const CHUNK_BYTES_MAX: usize = 128 << 10;
/// The smallest log that a configuration allows still holds this many chunks.
const CHUNKS_MIN: u64 = 4;
/// A log is cut into at least this many segments.
const SEGMENTS_MIN: u64 = 16;

/// The first record not yet delivered: the chunk at `offset`, and how many of its records are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    pub offset: u64,
    pub index: u32,
}

/// Why records were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DropReason {
    Full,
    Age,
    /// A later result of the same key is there. Of the range, what is the latest of its key comes all the same.
    Superseded,
}

/// A range of records that were dropped: (epoch, seq) of the first and of the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    pub first: (u64, u64),
    pub last: (u64, u64),
    /// At most this many: records of the range that were delivered before are among them.
    pub records: u64,
    pub reason: DropReason,
    pub at_ms: i64,
}

/// The books of one log.
#[derive(Debug)]
pub struct Outbox {
    log: LogName,
    settings: OutboxSettings,
    segments: VecDeque<SegmentMeta>,
    end: u64,
    cursor: Cursor,
    epoch: u64,
    next_seq: u64,
    dropped: Vec<Tombstone>,
    /// Under `keep_latest`.
    latest: Option<Latest>,
}

impl Outbox {
    /// The books as the store has them; `epoch` is that of new records.
    pub fn restore(log: LogName, settings: OutboxSettings, segments: Vec<SegmentMeta>, cursor: Cursor, epoch: u64) -> Outbox {
        let end = segments.last().map_or(cursor.offset, |segment| segment.end);
        let start = segments.first().map_or(end, |segment| segment.base);
        let cursor = if cursor.offset < start { Cursor { offset: start, index: 0 } } else { cursor };
        let cursor = if cursor.offset > end { Cursor { offset: end, index: 0 } } else { cursor };
        let latest = (settings.when_full == WhenFull::KeepLatest).then(|| Latest::new(settings.key.clone(), settings.bytes_max, end));
        Outbox { log, settings, segments: segments.into(), end, cursor, epoch, next_seq: 1, dropped: Vec::new(), latest }
    }

    /// From where on the log is to be read and handed to [`Outbox::take_up`], where the policy must know what waits.
    pub fn wants_waiting(&self) -> Option<u64> {
        self.latest.as_ref().filter(|latest| !latest.is_whole(self.cursor)).map(|_| self.cursor.offset)
    }

    /// Takes in chunks that the log holds, in order; none where it holds no more that can be read.
    pub fn take_up(&mut self, chunks: Vec<StoredChunk>) {
        let Some(latest) = &mut self.latest else { return };
        if chunks.is_empty() {
            latest.taken_up();
        }
        chunks.into_iter().for_each(|stored| latest.take_up(stored, self.cursor));
    }

    pub fn log(&self) -> &LogName {
        &self.log
    }

    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Where the next chunk goes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where the first stored chunk begins.
    pub fn start(&self) -> u64 {
        self.segments.front().map_or(self.end, |segment| segment.base)
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bytes not yet delivered.
    pub fn waiting_bytes(&self) -> u64 {
        self.end - self.cursor.offset
    }

    /// About how many records are not yet delivered, and when the oldest of their segments was begun, ms since 1970, where that is known.
    pub fn waiting(&self) -> (u64, Option<i64>) {
        let waiting = || self.segments.iter().filter(|segment| segment.end > self.cursor.offset);
        let records = waiting().map(|segment| {
            let (bytes, left) = (segment.end - segment.base, segment.end - self.cursor.offset.max(segment.base));
            (segment.records as u128 * u128::from(left)).div_ceil(u128::from(bytes.max(1))) as u64
        });
        (records.sum(), waiting().next().map(|segment| segment.oldest_ms).filter(|at_ms| *at_ms > 0))
    }

    /// Whether the policy says to stop taking input until there is room.
    pub fn blocks(&self) -> bool {
        self.settings.when_full == WhenFull::Block && self.waiting_bytes() >= self.settings.bytes_max
    }

    /// The sequence number that the next record will have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Moves the cursor; one that lies behind is old news.
    pub fn delivered(&mut self, cursor: Cursor) {
        self.cursor = self.cursor.max(cursor).min(Cursor { offset: self.end, index: 0 });
        self.forget_delivered();
    }

    fn forget_delivered(&mut self) {
        if let Some(latest) = &mut self.latest {
            latest.delivered(self.cursor);
        }
    }

    /// Tombstones made since the last call.
    pub fn take_dropped(&mut self) -> Vec<Tombstone> {
        std::mem::take(&mut self.dropped)
    }

    /// Appends records to the change set, or drops by the policy. Their sequence numbers are `next_seq()..`; `created_ms` is 0 where the
    /// clock is not to be trusted.
    pub fn append(&mut self, records: Vec<Vec<u8>>, created_ms: i64, changes: &mut ChangeSet) {
        let mut part = Vec::new();
        let mut part_bytes = 0;
        let part_bytes_max =
            usize::try_from(self.settings.bytes_max / CHUNKS_MIN).map_or(CHUNK_BYTES_MAX, |bytes| bytes.min(CHUNK_BYTES_MAX));
        for record in records {
            if part_bytes + record.len() > part_bytes_max && !part.is_empty() {
                self.append_chunk(std::mem::take(&mut part), created_ms, changes);
                part_bytes = 0;
            }
            part_bytes += record.len();
            part.push(record);
        }
        if !part.is_empty() {
            self.append_chunk(part, created_ms, changes);
        }
    }

    fn append_chunk(&mut self, records: Vec<Vec<u8>>, created_ms: i64, changes: &mut ChangeSet) {
        let chunk = Chunk { epoch: self.epoch, first_seq: self.next_seq, created_ms, records };
        self.next_seq += chunk.records.len() as u64;
        let size = chunk::encoded_len(chunk.records.iter().map(Vec::len)) as u64;
        if self.waiting_bytes() + size > self.settings.bytes_max && !self.make_room(size, &chunk, changes) {
            let (first, last) = (chunk.first(), chunk.last());
            self.bury(Tombstone { first, last, records: chunk.records.len() as u64, reason: DropReason::Full, at_ms: created_ms });
            return;
        }
        self.put(&chunk, changes);
    }

    /// Puts a chunk at the end of the log.
    fn put(&mut self, chunk: &Chunk, changes: &mut ChangeSet) {
        let bytes = chunk::encode(chunk);
        let bytes = bytes.expect("records are shorter than RECORD_BYTES_MAX, chunks than CHUNK_BYTES_MAX and one record");
        let size = bytes.len() as u64;
        let segment = self.segment_for(size, chunk.first(), chunk.created_ms);
        segment.end += size;
        segment.records += chunk.records.len() as u64;
        segment.last = chunk.last();
        segment.newest_ms = segment.newest_ms.max(chunk.created_ms);
        let segment = segment.clone();
        changes.appends.push(Append { log: self.log.clone(), offset: self.end, bytes, segment });
        if let Some(latest) = &mut self.latest {
            latest.note(self.end, chunk);
        }
        self.end += size;
    }

    /// Whether there is room for `size` bytes, those of `coming`, after dropping what the policy allows.
    fn make_room(&mut self, size: u64, coming: &Chunk, changes: &mut ChangeSet) -> bool {
        match self.settings.when_full {
            WhenFull::Block => return true,
            WhenFull::DropNewest => return false,
            // No room helps: the others stay.
            WhenFull::DropOldest | WhenFull::KeepLatest if size > self.settings.bytes_max => return false,
            WhenFull::DropOldest => {}
            WhenFull::KeepLatest => self.write_anew(coming, changes),
        }
        while self.waiting_bytes() + size > self.settings.bytes_max && !self.segments.is_empty() {
            self.drop_front(Some(DropReason::Full), coming.created_ms, changes);
        }
        true
    }

    /// Leaves of what waits the last of each key, less what `coming` supersedes.
    fn write_anew(&mut self, coming: &Chunk, changes: &mut ChangeSet) {
        let Some(latest) = self.latest.as_mut().filter(|latest| latest.is_whole(self.cursor)) else { return };
        let (kept, given_up) = latest.take_all(&coming.records, CHUNK_BYTES_MAX);
        let range = self.segments.front().zip(self.segments.back()).map(|(front, back)| (front.first, back.last));
        while !self.segments.is_empty() {
            self.drop_front(None, 0, changes);
        }
        kept.iter().for_each(|chunk| self.put(chunk, changes));
        let Some((first, last)) = range else { return };
        for (records, reason) in [(given_up.superseded, DropReason::Superseded), (given_up.forgotten, DropReason::Full)] {
            if records > 0 {
                self.bury(Tombstone { first, last, records, reason, at_ms: coming.created_ms });
            }
        }
    }

    /// Drops segments that are delivered whole, or too old. A segment of unknown age (0) stays.
    pub fn trim(&mut self, now_ms: Option<i64>, changes: &mut ChangeSet) {
        let age_max_ms = i64::try_from(self.settings.age_max.as_millis()).unwrap_or(i64::MAX);
        while let Some(front) = self.segments.front() {
            let full = front.end - front.base >= self.segment_bytes();
            if front.end <= self.cursor.offset && (self.segments.len() > 1 || full) {
                self.drop_front(None, 0, changes);
            } else if let Some(now_ms) = now_ms.filter(|now| front.oldest_ms > 0 && now.saturating_sub(front.newest_ms) > age_max_ms) {
                self.drop_front(Some(DropReason::Age), now_ms, changes);
            } else {
                break;
            }
        }
    }

    fn drop_front(&mut self, reason: Option<DropReason>, at_ms: i64, changes: &mut ChangeSet) {
        let Some(segment) = self.segments.pop_front() else { return };
        let appended = |append: &Append| append.log == self.log && append.segment.base == segment.base;
        let begun = changes.appends.iter().any(|append| appended(append) && append.offset == segment.base);
        changes.appends.retain(|append| !appended(append));
        if !begun {
            changes.drops.push((self.log.clone(), segment.base));
        }
        if self.cursor.offset < segment.end {
            self.cursor = Cursor { offset: segment.end, index: 0 };
            self.forget_delivered();
            if let Some(reason) = reason {
                self.bury(Tombstone { first: segment.first, last: segment.last, records: segment.records, reason, at_ms });
            }
        }
    }

    /// Notes a drop; one that continues the last by the same reason extends it.
    fn bury(&mut self, tombstone: Tombstone) {
        if let Some(last) = self.dropped.last_mut()
            && last.reason == tombstone.reason
            && last.last.0 == tombstone.first.0
            && last.last.1 + 1 == tombstone.first.1
        {
            last.last = tombstone.last;
            last.records += tombstone.records;
            last.at_ms = tombstone.at_ms;
            return;
        }
        self.dropped.push(tombstone);
    }

    fn segment_bytes(&self) -> u64 {
        (self.settings.bytes_max / SEGMENTS_MIN).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }

    /// The segment that the next `size` bytes go to: the last one, or a new one.
    fn segment_for(&mut self, size: u64, first: (u64, u64), created_ms: i64) -> &mut SegmentMeta {
        let limit = self.segment_bytes();
        let fits = self.segments.back().is_some_and(|segment| segment.end - segment.base + size <= limit);
        if !fits {
            self.segments.push_back(SegmentMeta {
                base: self.end,
                end: self.end,
                records: 0,
                first,
                last: first,
                oldest_ms: created_ms,
                newest_ms: created_ms,
            });
        }
        self.segments.back_mut().expect("a segment was there or was just pushed")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RECORD_BYTES: usize = 10_000;

    fn outbox(when_full: WhenFull) -> Outbox {
        let settings = OutboxSettings { bytes_max: 1 << 20, age_max: Duration::from_secs(60), when_full, key: Vec::new() };
        Outbox::restore(LogName::outbox("s"), settings, Vec::new(), Cursor::default(), 5)
    }

    fn fill(outbox: &mut Outbox, records: usize, at_ms: i64) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for _ in 0..records {
            outbox.append(vec![vec![0; RECORD_BYTES]], at_ms, &mut changes);
        }
        changes
    }

    #[test]
    fn appends_follow_each_other_and_roll_segments() {
        let mut outbox = outbox(WhenFull::DropOldest);
        let changes = fill(&mut outbox, 20, 1);
        let mut end = 0;
        for append in &changes.appends {
            assert_eq!(append.offset, end);
            end += append.bytes.len() as u64;
            assert_eq!(append.segment.end, end);
        }
        let bases: std::collections::BTreeSet<u64> = changes.appends.iter().map(|append| append.segment.base).collect();
        assert!(bases.len() > 2, "{bases:?}");
        assert_eq!(outbox.next_seq(), 21);
    }

    #[test]
    fn what_waits_is_counted_over_segments() {
        let mut outbox = outbox(WhenFull::DropOldest);
        assert_eq!(outbox.waiting(), (0, None));
        fill(&mut outbox, 20, 7);
        assert_eq!(outbox.waiting(), (20, Some(7)));
        let offset = outbox.segments[1].base + (outbox.segments[1].end - outbox.segments[1].base) / 2;
        let left: u64 = outbox.segments.iter().skip(2).map(|segment| segment.records).sum();
        let half = outbox.segments[1].records.div_ceil(2);
        outbox.delivered(Cursor { offset, index: 0 });
        assert_eq!(outbox.waiting(), (left + half, Some(7)));
        outbox.delivered(Cursor { offset: outbox.end(), index: 0 });
        assert_eq!(outbox.waiting(), (0, None));
    }

    #[test]
    fn drop_oldest_moves_the_cursor_and_buries_what_it_drops() {
        let mut outbox = outbox(WhenFull::DropOldest);
        fill(&mut outbox, 100, 1);
        let changes = fill(&mut outbox, 100, 1);
        let tombstones = outbox.take_dropped();
        assert_eq!(tombstones.len(), 1, "neighbours are one range: {tombstones:?}");
        let buried = &tombstones[0];
        assert_eq!((buried.first, buried.reason), ((5, 1), DropReason::Full));
        assert_eq!(outbox.cursor().offset, outbox.start());
        assert!(outbox.waiting_bytes() <= 1 << 20);
        let kept = outbox.segments.front().unwrap();
        assert_eq!(buried.last.1 + 1, kept.first.1, "no record is lost between the tombstone and the log");
        assert!(!changes.drops.is_empty());
    }

    #[test]
    fn drop_newest_keeps_the_old_and_leaves_a_gap() {
        let mut outbox = outbox(WhenFull::DropNewest);
        fill(&mut outbox, 200, 1);
        let tombstones = outbox.take_dropped();
        assert_eq!(tombstones.len(), 1);
        assert_eq!(tombstones[0].last, (5, 200));
        assert_eq!(outbox.start(), 0);
    }

    #[test]
    fn block_keeps_all_and_says_so() {
        let mut outbox = outbox(WhenFull::Block);
        fill(&mut outbox, 100, 1);
        assert!(!outbox.blocks());
        fill(&mut outbox, 100, 1);
        assert!(outbox.blocks() && outbox.take_dropped().is_empty());
        outbox.delivered(Cursor { offset: outbox.end(), index: 0 });
        assert!(!outbox.blocks());
    }

    #[test]
    fn delivered_segments_go_without_a_tombstone_and_old_ones_with() {
        let mut outbox = outbox(WhenFull::DropOldest);
        fill(&mut outbox, 30, 1_000);
        let second = outbox.segments[1].base;
        outbox.delivered(Cursor { offset: second, index: 0 });
        let mut changes = ChangeSet::default();
        outbox.trim(Some(30_000), &mut changes);
        assert_eq!((changes.drops.len(), outbox.start()), (1, second));
        assert!(outbox.take_dropped().is_empty());
        outbox.trim(None, &mut changes);
        assert_eq!(changes.drops.len(), 1, "the clock is not to be trusted");
        outbox.trim(Some(62_000), &mut changes);
        assert_eq!(outbox.take_dropped()[0].reason, DropReason::Age);
        assert_eq!(outbox.waiting_bytes(), 0);
    }

    #[test]
    fn a_batch_larger_than_the_log_keeps_its_newest_and_appends_to_nothing_that_it_drops() {
        for bytes_max in [64 << 10, 256 << 10, 1 << 20] {
            let mut outbox = outbox(WhenFull::DropOldest);
            outbox.settings.bytes_max = bytes_max;
            let mut first = ChangeSet::default();
            outbox.append(vec![vec![0; RECORD_BYTES]; 3], 1, &mut first);
            let stored: Vec<u64> = first.appends.iter().map(|append| append.segment.base).collect();
            let mut changes = ChangeSet::default();
            outbox.append(vec![vec![0; RECORD_BYTES]; 200], 2, &mut changes);
            let appended: Vec<u64> = changes.appends.iter().map(|append| append.segment.base).collect();
            assert!(changes.drops.iter().all(|(_, base)| stored.contains(base) && !appended.contains(base)), "{:?}", changes.drops);
            assert!(!appended.is_empty() && outbox.waiting_bytes() <= bytes_max);
            assert_eq!(outbox.segments.back().unwrap().last, (5, 203), "the newest stays");
            let first_kept = outbox.segments.front().unwrap().first.1;
            assert_eq!(outbox.take_dropped().last().unwrap().last.1 + 1, first_kept);
        }
    }

    #[test]
    fn a_record_that_never_fits_drops_nothing_else() {
        let mut outbox = outbox(WhenFull::DropOldest);
        fill(&mut outbox, 5, 1);
        let mut changes = ChangeSet::default();
        outbox.append(vec![vec![0; 2 << 20]], 1, &mut changes);
        assert!(changes.appends.is_empty() && changes.drops.is_empty());
        let buried = outbox.take_dropped();
        assert_eq!((buried[0].first, buried[0].last, buried.len()), ((5, 6), (5, 6), 1));
    }

    #[test]
    fn a_restart_goes_on_where_the_store_ended() {
        let mut first = outbox(WhenFull::DropOldest);
        let changes = fill(&mut first, 9, 1);
        let mut segments: Vec<SegmentMeta> = Vec::new();
        for append in changes.appends {
            segments.retain(|segment| segment.base != append.segment.base);
            segments.push(append.segment);
        }
        let cursor = segments[1].base;
        let again = Outbox::restore(first.log.clone(), first.settings.clone(), segments, Cursor { offset: cursor, index: 0 }, 6);
        assert_eq!((again.end(), again.cursor().offset, again.next_seq()), (first.end(), cursor, 1));
    }
}
