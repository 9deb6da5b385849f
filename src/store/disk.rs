//! The store on disk: one durable, atomic commit after the other, and reading the logs back.
//!
//! A commit appends chunks to segment files and makes them durable, then commits puts, deletes, segment records and the set's number in
//! one batch of sled and makes that durable: this second step is the commit point. After [`DiskStore::commit`] returned Ok, the set
//! outlives a power cut; before, it may be there as a whole or not at all.
//!
//! Errors: out of space passes, and the same set is committed again; any other failure of the disk is final for this process, because a
//! sync that failed once tells nothing when it is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::device::Device;
use super::error::is_full;
use super::lock::Lock;
use super::open::{self, Opened};
use super::segment::{FileError, Logs, check_log_name};
use super::service::{Limits, Usage};
use super::snapshot::{self, Snapshot};
use super::state::{ApplyError, OpenFailure, State};
use super::witness::Witness;
use super::{Append, ChangeSet, CommitError, Loaded, LogName, ReadError, StoreError, StoredChunk, chunk, codec, keys};

/// Room that opening a store needs: sled writes a snapshot and the rest of a segment.
pub const OPEN_SPACE_BYTES: u64 = 2 << 20;
/// Room that a commit is taken to need besides its own bytes: sled rewrites pages and grows by segments of 512 KiB.
pub const COMMIT_SLACK_BYTES: u64 = 1 << 20;
/// sled's cache where nothing else is said.
pub const CACHE_BYTES_DEFAULT: u64 = 8 << 20;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub data_dir: PathBuf,
    /// What state and logs may take on disk, all together.
    pub bytes_max: u64,
    /// What is left free on the file system; only sets that free more than they take may go below.
    pub free_space_min: u64,
    /// sled's page cache.
    pub cache_bytes: u64,
    /// Wall clock, seconds since 1970: names what is moved away as damaged.
    pub opened_at_s: u64,
    /// Whether damage is mended or moved away, as far as that goes; otherwise a damaged store is refused. sled may rewrite its own file all the same.
    pub mends: bool,
}

impl StoreSettings {
    pub fn new(data_dir: impl Into<PathBuf>, bytes_max: u64, free_space_min: u64, opened_at_s: u64) -> StoreSettings {
        StoreSettings { data_dir: data_dir.into(), bytes_max, free_space_min, cache_bytes: CACHE_BYTES_DEFAULT, opened_at_s, mends: true }
    }
}

/// Whether the store can be written to.
#[derive(Debug)]
enum Health {
    Sound,
    /// Out of space: to be reopened before anything else is written.
    Full,
    /// The disk failed in this way.
    Failed {
        what: &'static str,
        path: PathBuf,
        reason: String,
    },
}

/// An open store. Owns its data directory until it is dropped.
pub struct DiskStore {
    settings: StoreSettings,
    device: Device,
    lock: Lock,
    witness: Witness,
    /// Dropped while the store is full.
    state: Option<State>,
    logs: Logs,
    /// The last durable change set.
    number: u64,
    health: Health,
    /// Commits in a row in which the disk filled up.
    fills: u32,
    /// After a reopening: the set with the number that was read back is written again if it comes.
    doubted: bool,
}

impl DiskStore {
    /// Opens or creates the store and reads back what the core has put.
    pub fn open(settings: StoreSettings) -> Result<(DiskStore, Loaded), StoreError> {
        DiskStore::open_on(settings, Device::Real)
    }

    pub(super) fn open_on(settings: StoreSettings, device: Device) -> Result<(DiskStore, Loaded), StoreError> {
        let Opened { lock, witness, state, logs, loaded } = open::open(&settings, &device)?;
        let number = loaded.number;
        let state = Some(state);
        let store = DiskStore { settings, device, lock, witness, state, logs, number, health: Health::Sound, fills: 0, doubted: false };
        Ok((store, loaded))
    }

    /// Makes a change set durable, all of it; a key that it deletes and puts is put. A set whose number is already durable is left alone.
    ///
    /// After `NoSpace` call it again with the same set when there may be room (no sooner than in a second or so): where it must, it
    /// first reopens the store. More cursors and drops may have joined the set. After `Fatal` stop acknowledging and exit.
    pub fn commit(&mut self, set: &ChangeSet) -> Result<(), CommitError> {
        self.reopen()?;
        let again = self.doubted && set.number == self.number;
        if set.number <= self.number && !again {
            return Ok(());
        }
        self.check(set, again).map_err(|reason| CommitError::Refused { number: set.number, reason })?;
        self.check_space(set)?;
        self.logs.append(&set.appends).map_err(|error| self.file_failed(error))?;
        let state = self.state.as_mut().expect("a sound store has its state");
        state.apply(set).map_err(|error| self.state_failed(error))?;
        for error in self.logs.committed(set) {
            tracing::warn!("cannot remove the delivered segment {}: {}; the next start tries again", error.path.display(), error.source);
        }
        self.number = set.number;
        (self.doubted, self.fills) = (false, 0);
        if let Err(error) = self.witness.write(set.number) {
            tracing::debug!("cannot write the witness in {}: {error}", self.settings.data_dir.display());
        }
        Ok(())
    }

    /// Frees the memory of what commits have written over: a part of a large one's time.
    pub fn free_replaced(&mut self) {
        self.state.iter_mut().for_each(State::free_replaced);
    }

    /// Closes and opens state and logs after the disk filled up in the middle of a commit; does nothing where that was not so.
    /// [`DiskStore::commit`] does it by itself.
    pub fn reopen(&mut self) -> Result<(), CommitError> {
        match &self.health {
            Health::Sound => return Ok(()),
            Health::Full => {}
            Health::Failed { what, path, reason } => {
                return Err(CommitError::Fatal { what, path: path.clone(), reason: reason.clone() });
            }
        }
        let free = self.free_bytes()?;
        if free < OPEN_SPACE_BYTES {
            return Err(self.no_space(OPEN_SPACE_BYTES, free));
        }
        let (state, logs, number) = match open::reopen(&self.settings, &self.device) {
            Ok(reopened) => reopened,
            Err(OpenFailure::Refused(StoreError::NoSpace { needed, free, .. })) => {
                self.fills = self.fills.saturating_add(1);
                return Err(self.no_space(needed, free));
            }
            Err(OpenFailure::Refused(error)) => return Err(self.failed("reopen", &self.settings.data_dir.clone(), error.to_string())),
            Err(OpenFailure::Damaged(reason)) => return Err(self.failed("reopen", &self.settings.data_dir.clone(), reason)),
        };
        if number != self.number && number != self.number + 1 {
            let reason = format!("commit {} was the last durable one, {number} was read back", self.number);
            return Err(self.failed("reopen", &self.settings.data_dir.clone(), reason));
        }
        (self.state, self.logs, self.number) = (Some(state), logs, number);
        self.doubted = true;
        self.health = Health::Sound;
        Ok(())
    }

    /// Committed chunks of a log from byte `from` on: up to `max_bytes` of them, but one at least; empty at the log's end. A `from` that lies
    /// in dropped segments stands for the first byte that is left.
    pub fn read_log(&self, log: &LogName, from: u64, max_bytes: u64) -> Result<Vec<StoredChunk>, ReadError> {
        self.logs.read(log, from, max_bytes)
    }

    /// Number of the last durable change set.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How often in a row, up to now, the disk filled up in the middle of a commit or of the reopening after it: that was not to be seen before, and
    /// each time rewrites sled's file.
    pub fn fills(&self) -> u32 {
        self.fills
    }

    /// Bytes on disk: sled's file and the committed segments. Cheap.
    pub fn used_bytes(&self) -> u64 {
        self.logs.bytes() + self.state.as_ref().and_then(|state| state.bytes().ok()).unwrap_or(0)
    }

    pub fn usage(&self) -> Usage {
        let free = self.device.free_bytes(&self.settings.data_dir).unwrap_or(0);
        Usage { used: self.used_bytes(), max: self.settings.bytes_max, free }
    }

    /// All that it holds, as of the last commit, but the state of the queries `left_out`. The reason for people where that can't be read.
    pub fn load(&self, left_out: BTreeSet<String>) -> Result<Loaded, String> {
        let dir = open::state_dir(&self.settings.data_dir);
        let state = self.state.as_ref().ok_or("the store has no room and is closed until there is some")?;
        let contents = state.read_back(&dir, &left_out).map_err(|failure| match failure {
            OpenFailure::Damaged(reason) => format!("the state in {} can't be read back: {reason}", dir.display()),
            OpenFailure::Refused(error) => error.to_string(),
        })?;
        Ok(Loaded { number: contents.number, entries: contents.entries, left_out, segments: self.logs.segments(), ..Loaded::default() })
    }

    /// Makes a snapshot of the last commit beside the store, in place of an older one. The reason for people where that can't be done.
    pub fn snapshot(&self) -> Result<Snapshot, String> {
        if !matches!(self.health, Health::Sound) {
            return Err("the store has no room, or its disk has failed: see the log".to_owned());
        }
        let (data_dir, needed) = (&self.settings.data_dir, snapshot::copied_bytes(&self.settings.data_dir));
        let free = self.device.free_bytes(data_dir).map_err(|error| format!("cannot measure {}: {error}", data_dir.display()))?;
        let usable = free.saturating_sub(self.settings.free_space_min);
        if usable < needed {
            return Err(format!("no room for a copy of the state in {}: it has {needed} bytes, {usable} may be used", data_dir.display()));
        }
        let segments = self.logs.segments();
        snapshot::take(data_dir, self.number, &segments)
            .map_err(|error| format!("cannot {} {}: {}", error.what, error.path.display(), error.source))
    }

    /// Changes what it may take and must leave.
    pub fn limit(&mut self, limits: Limits) {
        (self.settings.bytes_max, self.settings.free_space_min) = (limits.bytes_max, limits.free_space_min);
    }

    /// Closes the store. Nothing is lost without: every commit was durable when it returned.
    pub fn close(mut self) {
        self.state = None;
        if matches!(self.health, Health::Sound)
            && let Err(error) = self.lock.clear()
        {
            tracing::warn!("cannot note the end in the lock file of {}: {error}", self.settings.data_dir.display());
        }
    }

    /// The rules that a change set keeps. `again`: it may be on the disk already, so its appends need not begin at the logs' ends.
    fn check(&self, set: &ChangeSet, again: bool) -> Result<(), String> {
        if !again && set.number != self.number + 1 {
            return Err(format!("the last one has number {}", self.number));
        }
        let keys = set.puts.iter().map(|(key, _)| key).chain(&set.deletes);
        if let Some(key) = keys.into_iter().find(|key| key.is_empty() || key.len() > keys::KEY_BYTES_MAX) {
            return Err(format!("a key of {} bytes; allowed are 1 to {}", key.len(), keys::KEY_BYTES_MAX));
        }
        if let Some((_, value)) = set.puts.iter().find(|(_, value)| value.len() > codec::VALUE_BYTES_MAX) {
            return Err(format!("a value of {} bytes; allowed are {}", value.len(), codec::VALUE_BYTES_MAX));
        }
        let mut ends: BTreeMap<&LogName, (u64, u64)> = BTreeMap::new();
        for append in &set.appends {
            let known = ends.get(&append.log).copied().or_else(|| if again { None } else { self.logs.end_of(&append.log) });
            check_append(append, known, again && !ends.contains_key(&append.log))?;
            ends.insert(&append.log, (append.segment.base, append.segment.end));
            if set.drops.iter().any(|(log, base)| *log == append.log && *base == append.segment.base) {
                return Err(format!("it appends to a segment of {} and drops it", append.log.as_str()));
            }
        }
        set.drops.iter().try_for_each(|(log, _)| check_log_name(log.as_str()))
    }

    /// Quota and free space, before anything is written.
    fn check_space(&mut self, set: &ChangeSet) -> Result<(), CommitError> {
        let appended: usize = set.appends.iter().map(|append| append.bytes.len()).sum();
        let put: usize = set.puts.iter().map(|(key, value)| key.len() + value.len()).sum();
        let dropped: u64 = set.drops.iter().map(|(log, base)| self.logs.segment_bytes(log, *base)).sum();
        // sled writes a value twice: once by itself, once with its page.
        let taken = appended as u64 + 2 * put as u64;
        let needed = taken + COMMIT_SLACK_BYTES;
        let free = self.free_bytes()?;
        if dropped > taken {
            // It makes room: let it use the reserve.
            return if free < needed { Err(self.no_space(needed, free)) } else { Ok(()) };
        }
        let quota = self.settings.bytes_max.saturating_sub(self.used_bytes());
        let usable = free.saturating_sub(self.settings.free_space_min).min(quota);
        if usable < needed { Err(self.no_space(needed, usable)) } else { Ok(()) }
    }

    fn free_bytes(&mut self) -> Result<u64, CommitError> {
        let data_dir = self.settings.data_dir.clone();
        self.device.free_bytes(&data_dir).map_err(|error| self.failed("measure", &data_dir, error.to_string()))
    }

    fn no_space(&self, needed: u64, free: u64) -> CommitError {
        CommitError::NoSpace { needed, free, path: self.settings.data_dir.clone() }
    }

    fn file_failed(&mut self, error: FileError) -> CommitError {
        if is_full(error.source.kind()) {
            return self.filled();
        }
        self.failed(error.what, &error.path, error.source.to_string())
    }

    fn state_failed(&mut self, error: ApplyError) -> CommitError {
        if error.full {
            return self.filled();
        }
        let path = open::state_dir(&self.settings.data_dir);
        self.failed(error.what, &path, error.reason)
    }

    /// The disk filled up in the middle of a commit.
    fn filled(&mut self) -> CommitError {
        self.state = None;
        self.health = Health::Full;
        self.fills = self.fills.saturating_add(1);
        let free = self.device.free_bytes(&self.settings.data_dir).unwrap_or(0);
        self.no_space(COMMIT_SLACK_BYTES, free)
    }

    fn failed(&mut self, what: &'static str, path: &Path, reason: String) -> CommitError {
        // Best effort: on a disk that fails, this may fail too.
        let _ = self.lock.note(true);
        self.health = Health::Failed { what, path: path.to_owned(), reason: reason.clone() };
        CommitError::Fatal { what, path: path.to_owned(), reason }
    }
}

/// `known`: base and end of the log's last segment. `anywhere`: its position is not checked.
fn check_append(append: &Append, known: Option<(u64, u64)>, anywhere: bool) -> Result<(), String> {
    let Append { log, offset, bytes, segment } = append;
    check_log_name(log.as_str())?;
    if chunk::stated_len(bytes) != Ok(bytes.len()) {
        return Err(format!("what it appends to {} is not a chunk", log.as_str()));
    }
    let begins = segment.base == *offset;
    let follows = match known {
        _ if anywhere => true,
        Some((_, end)) if begins => *offset >= end,
        Some((base, end)) => segment.base == base && *offset == end,
        None => begins,
    };
    if !follows || *offset < segment.base || offset.checked_add(bytes.len() as u64) != Some(segment.end) {
        return Err(format!("an append at byte {offset} of {} does not follow the log's end ({known:?})", log.as_str()));
    }
    Ok(())
}
