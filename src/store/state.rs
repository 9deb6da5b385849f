//! The state in sled: one tree, one atomic batch a change set, durable when [`State::apply`] returns.
//!
//! Constraints that come from sled 0.34: its flush does not reach the disk, so our own descriptor of its file is synced after it; a page over
//! 128 KiB goes to a file of its own that is never synced, which would break a batch's atomicity, so a value is stored in parts of
//! [`PART_BYTES`] (a page holds some 20 entries at most); it panics on some damage, so it is only called with unwinding caught.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::device::Device;
use super::error::is_full;
use super::index::{Held, Index};
use super::keys::{self, stored};
use super::migrate;
use super::segment::check_log_name;
use super::{ChangeSet, LogName, SegmentMeta, StoreError, codec};

/// Bytes of a value in one entry of sled.
pub const PART_BYTES: usize = 4 << 10;
/// Waits for sled's threads to let go of its file after a close: tries, and the time between them.
const LOCK_TRIES: usize = 250;
const LOCK_WAIT: Duration = Duration::from_millis(20);
const SEGMENT_META_VERSION: u8 = 1;
/// sled frees up to 512 things in every 128th pin; a write leaves about four.
const PINS_PER_WRITE: usize = 4;
/// Step of a rewrite in place.
const REWRITE_BYTES: usize = 256 << 10;

/// Why the state could not be opened.
#[derive(Debug)]
pub(super) enum OpenFailure {
    /// It is damaged: another way of opening, or a new one, may help.
    Damaged(String),
    /// Something that a person must mend; nothing may be changed.
    Refused(StoreError),
}

/// Why a batch is not durable.
#[derive(Debug)]
pub(super) struct ApplyError {
    pub full: bool,
    pub what: &'static str,
    pub reason: String,
}

/// What the state held when it was opened.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Nothing was ever committed.
    pub new: bool,
    pub number: u64,
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    pub segments: Vec<(LogName, SegmentMeta)>,
}

pub(super) struct State {
    /// Taken only when dropped.
    db: Option<sled::Db>,
    /// Our own descriptor of sled's file: the one whose sync counts.
    file: File,
    device: Device,
    index: Index,
    /// Inserts and removals, about, since [`State::free_replaced`].
    writes: usize,
}

impl State {
    /// Opens or creates the state in `dir`, brings it to the known format and reads it all, every checksum checked.
    /// Without `keep_entries` the core's entries are checked and dropped.
    pub fn open(dir: &Path, cache_bytes: u64, device: Device, keep_entries: bool) -> Result<(State, Contents), OpenFailure> {
        remove_unfinished_snapshots(dir).map_err(|error| refuse("read", dir, error))?;
        let db = open_sled(dir, cache_bytes)?;
        let file_path = db_path(dir);
        let file = OpenOptions::new().read(true).write(true).open(&file_path);
        let file = file.map_err(|error| refuse("open", &file_path, error))?;
        let mut state = State { db: Some(db), file, device, index: Index::default(), writes: 0 };
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            migrate::run(&state, dir, migrate::STEPS, migrate::FORMAT)?;
            state.load(dir, keep_entries, &BTreeSet::new())
        }));
        match loaded {
            Ok(Ok((contents, index))) => {
                state.index = index;
                Ok((state, contents))
            }
            Ok(Err(failure)) => Err(failure),
            Err(panic) => Err(from_panic(dir, panic.as_ref())),
        }
    }

    /// Reads it back as it is now, but the state of the queries `left_out`; every checksum checked, and that all records are of the last commit.
    pub fn read_back(&self, dir: &Path, left_out: &BTreeSet<String>) -> Result<Contents, OpenFailure> {
        match catch_unwind(AssertUnwindSafe(|| self.load(dir, true, left_out))) {
            Ok(loaded) => loaded.map(|(contents, _)| contents),
            Err(panic) => Err(from_panic(dir, panic.as_ref())),
        }
    }

    pub fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("the database is taken only by drop")
    }

    /// Size of sled's file.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Commits a change set's puts, deletes, segment records and number at once; durable on return. After an error the state must be
    /// dropped: what it remembers may be ahead of what it holds.
    pub fn apply(&mut self, set: &ChangeSet) -> Result<(), ApplyError> {
        let mut batch = sled::Batch::default();
        for key in &set.deletes {
            let place = stored::entry(key);
            remove_parts(&mut batch, key, 1, self.index.remove(&place));
            batch.remove(place);
        }
        for (key, value) in &set.puts {
            put_entry(&mut batch, &mut self.index, key, value).map_err(|error| fault("encode a value", error.to_string()))?;
        }
        for append in &set.appends {
            put_segment(&mut batch, &mut self.index, &append.log, &append.segment)
                .map_err(|error| fault("encode a record", error.to_string()))?;
        }
        for (log, base) in &set.drops {
            remove_segment(&mut batch, &mut self.index, log, *base);
        }
        put_number(&mut batch, set.number, self.index.sum()).map_err(|error| fault("encode a record", error.to_string()))?;
        self.writes += set.deletes.len() + set.puts.iter().map(|(_, value)| 1 + value.len() / PART_BYTES).sum::<usize>();
        self.commit(batch)
    }

    /// Has sled free the memory of what was written over. It does so bit by bit whenever it is called, nothing of a batch before its end, and a
    /// batch leaves several times its bytes: pages as they were after each of its writes, and what went to the file.
    pub fn free_replaced(&mut self) {
        let pins = std::mem::take(&mut self.writes) * PINS_PER_WRITE;
        // What is committed stays so, whatever becomes of this; the next commit would tell.
        let _ = catch_unwind(|| (0..pins).for_each(|_| drop(sled::pin())));
    }

    /// Writes the first records of a new store.
    pub fn begin(&mut self, segments: &[(LogName, Vec<SegmentMeta>)]) -> Result<(), ApplyError> {
        let mut batch = sled::Batch::default();
        migrate::put_format(&mut batch, migrate::FORMAT).map_err(|error| fault("encode a record", error.to_string()))?;
        for (log, meta) in segments.iter().flat_map(|(log, metas)| metas.iter().map(move |meta| (log, meta))) {
            put_segment(&mut batch, &mut self.index, log, meta).map_err(|error| fault("encode a record", error.to_string()))?;
        }
        put_number(&mut batch, 0, self.index.sum()).map_err(|error| fault("encode a record", error.to_string()))?;
        self.commit(batch)
    }

    /// Corrects segment records after damage: a record that is `None` goes.
    pub fn correct(&mut self, number: u64, changes: &[(LogName, u64, Option<SegmentMeta>)]) -> Result<(), ApplyError> {
        let mut batch = sled::Batch::default();
        for (log, base, left) in changes {
            match left {
                Some(meta) => {
                    put_segment(&mut batch, &mut self.index, log, meta).map_err(|error| fault("encode a record", error.to_string()))?
                }
                None => remove_segment(&mut batch, &mut self.index, log, *base),
            }
        }
        put_number(&mut batch, number, self.index.sum()).map_err(|error| fault("encode a record", error.to_string()))?;
        self.commit(batch)
    }

    /// Applies a batch and makes it durable.
    pub fn commit(&self, batch: sled::Batch) -> Result<(), ApplyError> {
        let applied = catch_unwind(AssertUnwindSafe(|| {
            self.db().apply_batch(batch)?;
            self.db().flush()
        }));
        match applied {
            Ok(Ok(_)) => self.sync(),
            Ok(Err(sled::Error::Io(error))) => Err(io_fault("write", &error)),
            Ok(Err(error)) => Err(fault("write", error.to_string())),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                Err(ApplyError { full: says_full(&text), what: "write", reason: text })
            }
        }
    }

    fn sync(&self) -> Result<(), ApplyError> {
        self.device.sync_data(&self.file).map_err(|error| io_fault("sync", &error))
    }

    /// Makes everything in the state's directory durable, as it was read: what a killed process wrote may be in the page cache only.
    pub fn sync_all(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                self.device.sync_data(&File::open(&path)?)?;
            }
        }
        self.device.sync_dir(dir)
    }

    /// `left_out`: queries whose entries are not read; that these are as they should be is believed.
    fn load(&self, dir: &Path, keep_entries: bool, left_out: &BTreeSet<String>) -> Result<(Contents, Index), OpenFailure> {
        let db = self.db().clone();
        let mut index = Index::default();
        let number = db.get(stored::NUMBER).map_err(|error| from_sled(dir, error))?;
        let Some(number) = number else {
            let empty = db.iter().next().is_none();
            let contents = Contents { new: true, ..Contents::default() };
            return if empty {
                Ok((contents, index))
            } else {
                Err(OpenFailure::Damaged("the record of the last commit is missing".to_owned()))
            };
        };
        let (number, sum) = parse_number(codec::unseal(stored::NUMBER, &number).map_err(damaged)?)?;
        let mut contents = Contents { number, ..Contents::default() };
        for pair in db.scan_prefix(stored::SEGMENTS) {
            let (key, value) = pair.map_err(|error| from_sled(dir, error))?;
            contents.segments.push(parse_segment(&key, &value).map_err(OpenFailure::Damaged)?);
            index.set(key.to_vec(), Held { crc: codec::sealed_crc(&value).map_err(damaged)?, parts: 1 });
        }
        let mut from = stored::ENTRIES.to_vec();
        let mut skipped: Vec<Vec<u8>> = left_out.iter().map(|query| stored::entry(&keys::state_of(query))).collect();
        // Not as the names are: `a-b/` stands before `a/`.
        skipped.sort_unstable();
        for to in skipped.iter().cloned().chain([stored::after(stored::ENTRIES)]) {
            let after = stored::after(&to);
            for pair in db.range(from..to) {
                let (key, first) = pair.map_err(|error| from_sled(dir, error))?;
                let key = key[stored::ENTRIES.len()..].to_vec();
                let value = assemble(dir, &db, &mut index, &key, &first)?;
                if keep_entries {
                    contents.entries.push((key, value));
                }
            }
            from = after;
        }
        skipped.iter().for_each(|prefix| index.note_all(&self.index, prefix));
        if index.sum() != sum {
            return Err(OpenFailure::Damaged("some records are not those of the last commit".to_owned()));
        }
        Ok((contents, index))
    }
}

/// Puts an entry's parts together, checks and indexes it.
fn assemble(dir: &Path, db: &sled::Db, index: &mut Index, key: &[u8], first: &[u8]) -> Result<Vec<u8>, OpenFailure> {
    let len = codec::ENVELOPE_BYTES + codec::sealed_len(first).map_err(damaged)?;
    let count = len.div_ceil(PART_BYTES) as u16;
    index.set(stored::entry(key), Held { crc: codec::sealed_crc(first).map_err(damaged)?, parts: count });
    if count == 1 {
        return codec::unseal(key, first).map(<[u8]>::to_vec).map_err(damaged);
    }
    let mut sealed = first.to_vec();
    for part in 1..count {
        let part = db.get(stored::part(key, part)).map_err(|error| from_sled(dir, error))?;
        sealed.extend_from_slice(&part.ok_or_else(|| OpenFailure::Damaged("a part of a value is missing".to_owned()))?);
    }
    codec::unseal(key, &sealed).map(<[u8]>::to_vec).map_err(damaged)
}

impl Drop for State {
    fn drop(&mut self) {
        let db = self.db.take();
        // sled syncs when it is dropped and panics where that fails; whatever it had to say was said by the commit.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(db)));
    }
}

/// Where sled keeps its data.
pub(super) fn db_path(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// Renames sled's snapshots so that it does not see them: it then reads its whole log instead. Returns whether there were any.
pub(super) fn set_snapshots_aside(dir: &Path) -> io::Result<bool> {
    let mut any = false;
    for path in snapshots(dir, "snap.")? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::rename(&path, dir.join(format!("{ASIDE}{name}")))?;
        any = true;
    }
    Ok(any)
}

/// Removes the snapshots set aside, when the state opened without them.
pub(super) fn remove_snapshots_aside(dir: &Path) -> io::Result<()> {
    snapshots(dir, ASIDE)?.iter().try_for_each(fs::remove_file)
}

/// Writes a file over itself and makes it durable. After a failed sync the page cache may hold, as clean, what the disk does not.
pub(super) fn rewrite(path: &Path, device: &Device) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut buffer = vec![0; REWRITE_BYTES];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return device.sync_data(&file);
        }
        device.write_at(&file, &buffer[..read], at)?;
        at += read as u64;
    }
}

const ASIDE: &str = "unused-";

fn snapshots(dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// A snapshot that a crash left half written would be taken for the newest one.
fn remove_unfinished_snapshots(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    snapshots(dir, "snap.")?.iter().filter(|path| path.extension().is_some_and(|end| end == "generating")).try_for_each(fs::remove_file)
}

fn open_sled(dir: &Path, cache_bytes: u64) -> Result<sled::Db, OpenFailure> {
    let mut tries = LOCK_TRIES;
    loop {
        let config = sled::Config::default().path(dir).cache_capacity(cache_bytes).flush_every_ms(None).use_compression(false);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            // Another gateway is out of the question, we hold the data directory's lock: a thread of sled is still closing.
            Ok(Err(sled::Error::Io(error))) if is_lock_error(&error) && tries > 0 => {
                tries -= 1;
                std::thread::sleep(LOCK_WAIT);
            }
            Ok(Err(error)) => return Err(from_sled(dir, error)),
            Err(panic) => return Err(from_panic(dir, panic.as_ref())),
        }
    }
}

fn is_lock_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

pub(super) fn from_sled(dir: &Path, error: sled::Error) -> OpenFailure {
    match error {
        sled::Error::Io(error) if is_lock_error(&error) => OpenFailure::Refused(StoreError::InUse { dir: dir.to_owned(), pid: None }),
        // What sled reads of its own files is wrong, rather than the reading.
        sled::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::NotFound
            ) =>
        {
            OpenFailure::Damaged(error.to_string())
        }
        sled::Error::Io(error) => refuse("open the state in", dir, error),
        sled::Error::Unsupported(reason) => OpenFailure::Refused(StoreError::Unsupported { dir: dir.to_owned(), reason }),
        error => OpenFailure::Damaged(error.to_string()),
    }
}

fn from_panic(dir: &Path, panic: &(dyn Any + Send)) -> OpenFailure {
    let text = panic_text(panic);
    let kind = if says_full(&text) {
        io::ErrorKind::StorageFull
    } else if text.contains("PermissionDenied") {
        io::ErrorKind::PermissionDenied
    } else if text.contains("Input/output error") {
        io::ErrorKind::Other
    } else {
        return OpenFailure::Damaged(text);
    };
    refuse("open the state in", dir, io::Error::new(kind, text))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

fn says_full(text: &str) -> bool {
    text.contains("StorageFull") || text.contains("No space left")
}

fn refuse(what: &'static str, path: &Path, error: io::Error) -> OpenFailure {
    OpenFailure::Refused(StoreError::from_io(what, path, error))
}

fn damaged(error: codec::CodecError) -> OpenFailure {
    OpenFailure::Damaged(error.to_string())
}

fn fault(what: &'static str, reason: String) -> ApplyError {
    ApplyError { full: false, what, reason }
}

fn io_fault(what: &'static str, error: &io::Error) -> ApplyError {
    ApplyError { full: is_full(error.kind()), what, reason: error.to_string() }
}

fn put_entry(batch: &mut sled::Batch, index: &mut Index, key: &[u8], value: &[u8]) -> Result<(), codec::CodecError> {
    let sealed = codec::seal(key, value)?;
    let mut count = 0u16;
    for part in sealed.chunks(PART_BYTES) {
        let place = if count == 0 { stored::entry(key) } else { stored::part(key, count) };
        batch.insert(place, part);
        count += 1;
    }
    let before = index.set(stored::entry(key), Held { crc: codec::sealed_crc(&sealed)?, parts: count });
    remove_parts(batch, key, count, before);
    Ok(())
}

/// Removes the parts from `from` on of an entry that had `before` parts.
fn remove_parts(batch: &mut sled::Batch, key: &[u8], from: u16, before: u16) {
    for index in from..before {
        batch.remove(stored::part(key, index));
    }
}

fn put_segment(batch: &mut sled::Batch, index: &mut Index, log: &LogName, meta: &SegmentMeta) -> Result<(), codec::CodecError> {
    let key = stored::segment(log, meta.base);
    let value = codec::seal(&key, &codec::encode(SEGMENT_META_VERSION, meta)?)?;
    index.set(key.clone(), Held { crc: codec::sealed_crc(&value)?, parts: 1 });
    batch.insert(key, value);
    Ok(())
}

fn remove_segment(batch: &mut sled::Batch, index: &mut Index, log: &LogName, base: u64) {
    let key = stored::segment(log, base);
    index.remove(&key);
    batch.remove(key);
}

/// The number of the last commit and the sum over all records after it.
fn put_number(batch: &mut sled::Batch, number: u64, sum: u64) -> Result<(), codec::CodecError> {
    let body = [number.to_le_bytes(), sum.to_le_bytes()].concat();
    batch.insert(stored::NUMBER, codec::seal(stored::NUMBER, &body)?);
    Ok(())
}

fn parse_number(body: &[u8]) -> Result<(u64, u64), OpenFailure> {
    let (number, sum) = body.split_at_checked(8).ok_or_else(|| OpenFailure::Damaged("a number of a wrong size".to_owned()))?;
    match (number.try_into(), sum.try_into()) {
        (Ok(number), Ok(sum)) => Ok((u64::from_le_bytes(number), u64::from_le_bytes(sum))),
        _ => Err(OpenFailure::Damaged("a number of a wrong size".to_owned())),
    }
}

fn parse_segment(key: &[u8], value: &[u8]) -> Result<(LogName, SegmentMeta), String> {
    let (log, base) = stored::parse_segment(key).ok_or("a segment's key is damaged")?;
    check_log_name(log.as_str())?;
    let body = codec::unseal(key, value).map_err(|error| error.to_string())?;
    let meta: SegmentMeta = codec::decode(SEGMENT_META_VERSION, body).map_err(|error| error.to_string())?;
    if meta.base == base && meta.end >= base { Ok((log, meta)) } else { Err("a segment's record contradicts itself".to_owned()) }
}
