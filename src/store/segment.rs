//! The logs: append-only segment files, `logs/<log>/<base as 16 hex digits>.seg`, chunk after chunk.
//!
//! What counts is what the committed segment records say: bytes after a segment's committed end and files without a record are leftovers
//! of a commit that did not come to its end, and go at the next start. Nothing here commits: [`super::disk`] calls [`Logs::append`]
//! (durable bytes), then commits the records, then [`Logs::committed`].
//!
//! Limits: reading holds at most the asked for bytes and one chunk; opening reads no segment unless it is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::chunk;
use super::device::Device;
use super::{Append, ChangeSet, LogName, ReadError, SegmentMeta, StoredChunk};

/// Longest name of a log, in bytes.
pub const LOG_NAME_BYTES_MAX: usize = 128;
const SUFFIX: &str = ".seg";

/// An error with the file it happened at.
#[derive(Debug)]
pub(super) struct FileError {
    pub what: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

pub(super) trait At<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, FileError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, FileError> {
        self.map_err(|source| FileError { what, path: path.to_owned(), source })
    }
}

/// All logs of a store, as committed.
#[derive(Debug)]
pub(super) struct Logs {
    root: PathBuf,
    device: Device,
    logs: BTreeMap<LogName, Log>,
    /// Committed bytes in all segments.
    bytes: u64,
}

#[derive(Debug, Default)]
struct Log {
    segments: BTreeMap<u64, SegmentMeta>,
    /// The segment appended to last, by base.
    tail: Option<(u64, File)>,
}

impl Logs {
    /// The logs under `root` with the committed `segments`. Reads no file.
    pub fn new(root: PathBuf, device: Device, segments: Vec<(LogName, SegmentMeta)>) -> Logs {
        let mut logs = Logs { root, device, logs: BTreeMap::new(), bytes: 0 };
        for (name, meta) in segments {
            logs.insert(name, meta);
        }
        logs
    }

    /// Committed bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The committed segments of every log, ascending.
    pub fn segments(&self) -> Vec<(LogName, Vec<SegmentMeta>)> {
        self.logs.iter().map(|(name, log)| (name.clone(), log.segments.values().cloned().collect())).collect()
    }

    /// Committed bytes of one segment; 0 where there is none.
    pub fn segment_bytes(&self, name: &LogName, base: u64) -> u64 {
        self.logs.get(name).and_then(|log| log.segments.get(&base)).map_or(0, |meta| meta.end - meta.base)
    }

    /// Where the log's next append must begin, with the base of its last segment; `None` for a log without segments.
    pub fn end_of(&self, name: &LogName) -> Option<(u64, u64)> {
        self.logs.get(name)?.segments.values().next_back().map(|meta| (meta.base, meta.end))
    }

    /// The first segment whose file holds less than its record says.
    pub fn shortened(&self) -> Result<Option<(LogName, u64)>, FileError> {
        for (name, metas) in self.segments() {
            for meta in metas {
                if self.file_len(&name, meta.base)? < meta.end - meta.base {
                    return Ok(Some((name, meta.base)));
                }
            }
        }
        Ok(None)
    }

    /// Makes the files agree with the records: cuts uncommitted tails, removes files without a record. Where a file holds less than its
    /// record says, the record is made to agree: returned as (log, base, what is left of it), to be committed.
    pub fn reconcile(&mut self) -> Result<Vec<(LogName, u64, Option<SegmentMeta>)>, FileError> {
        self.remove_unknown_files()?;
        let mut changed = Vec::new();
        for (name, metas) in self.segments() {
            for meta in metas {
                let path = self.path(&name, meta.base);
                let len = self.file_len(&name, meta.base)?;
                let committed = meta.end - meta.base;
                if len > committed {
                    self.cut(&path, committed)?;
                } else if len < committed {
                    let left = if len == 0 { None } else { scan_file(&path, meta.base).at("read", &path)?.meta };
                    changed.push((name.clone(), meta.base, left));
                }
            }
        }
        for (name, base, left) in &changed {
            self.remove(name, *base);
            match left {
                Some(meta) => {
                    let path = self.path(name, *base);
                    self.cut(&path, meta.end - meta.base)?;
                    self.insert(name.clone(), meta.clone());
                }
                None => remove_if_there(&self.path(name, *base))?,
            }
        }
        Ok(changed)
    }

    /// Takes in every segment file that holds a valid chunk, when the records are lost. What holds none, in the middle or at the end of a
    /// file, is first copied into `quarantine` and synced there. Returns the files that were damaged.
    pub fn rescue(&mut self, quarantine: &Path) -> Result<Vec<PathBuf>, FileError> {
        let mut damaged = Vec::new();
        for (name, bases) in self.files()? {
            for base in bases {
                let path = self.path(&name, base);
                let scan = scan_file(&path, base).at("read", &path)?;
                if !scan.damaged.is_empty() {
                    self.copy_into(&path, &quarantine.join(format!("{}.{base:016x}{SUFFIX}", name.as_str())))?;
                    damaged.push(path.clone());
                }
                match scan.meta {
                    Some(meta) => {
                        self.cut(&path, scan.end)?;
                        self.insert(name.clone(), meta);
                    }
                    None => remove_if_there(&path)?,
                }
            }
        }
        Ok(damaged)
    }

    /// Forgets the records, before [`Logs::rescue`].
    pub fn forget(&mut self) {
        self.logs.clear();
        self.bytes = 0;
    }

    /// Whether there are segment files at all.
    pub fn has_files(&self) -> Result<bool, FileError> {
        Ok(self.files()?.iter().any(|(_, bases)| !bases.is_empty()))
    }

    /// Writes the appends' bytes at their places and makes them durable, new files' directories too.
    pub fn append(&mut self, appends: &[Append]) -> Result<(), FileError> {
        let mut written: BTreeSet<(&LogName, u64)> = BTreeSet::new();
        for append in appends {
            let base = append.segment.base;
            self.open_tail(&append.log, base)?;
            let path = self.path(&append.log, base);
            let file = self.tail(&append.log, base);
            self.device.write_at(file, &append.bytes, append.offset - base).at("write", &path)?;
            let begun_another = appends.iter().any(|other| other.log == append.log && other.segment.base > base);
            if begun_another {
                // Its descriptor goes when the next segment begins: durable now.
                self.device.sync_data(file).at("sync", &path)?;
            } else {
                written.insert((&append.log, base));
            }
        }
        for (name, base) in written {
            let path = self.path(name, base);
            self.device.sync_data(self.tail(name, base)).at("sync", &path)?;
        }
        Ok(())
    }

    /// Takes over a committed set: its segments are the logs' segments now, and dropped ones lose their files. A file that cannot be
    /// removed is left for the next start; its path is returned.
    pub fn committed(&mut self, set: &ChangeSet) -> Vec<FileError> {
        for append in &set.appends {
            self.remove_meta(&append.log, append.segment.base);
            self.insert(append.log.clone(), append.segment.clone());
        }
        let mut left = Vec::new();
        for (name, base) in &set.drops {
            self.remove(name, *base);
            if let Err(error) = remove_if_there(&self.path(name, *base)) {
                left.push(error);
            }
        }
        left
    }

    /// Whole chunks of a log from byte `from` on, up to `max_bytes` of the log but one chunk at least; empty at the log's end.
    pub fn read(&self, name: &LogName, from: u64, max_bytes: u64) -> Result<Vec<StoredChunk>, ReadError> {
        let mut chunks: Vec<StoredChunk> = Vec::new();
        let mut taken = 0;
        let Some(log) = self.logs.get(name) else { return Ok(chunks) };
        for meta in log.segments.values().filter(|meta| meta.end > from) {
            let path = self.path(name, meta.base);
            let io_error = |source| ReadError::Io { path: path.clone(), source };
            let file = File::open(&path).map_err(io_error)?;
            let mut read = reader(&file, meta.end - meta.base);
            let mut at = from.max(meta.base);
            while at < meta.end {
                let reason = match chunk::chunk_at(at - meta.base, &mut read).map_err(io_error)? {
                    Ok((chunk, length)) => {
                        let length = length as u64;
                        if !chunks.is_empty() && taken + length > max_bytes {
                            return Ok(chunks);
                        }
                        taken += length;
                        chunks.push(StoredChunk { offset: at, end: at + length, chunk });
                        at += length;
                        continue;
                    }
                    Err(reason) => reason,
                };
                if !chunks.is_empty() {
                    return Ok(chunks);
                }
                let mut tries = chunk::RESYNC_TRIES_MAX;
                let next = chunk::next_chunk(at - meta.base + 1, meta.end - meta.base, &mut tries, &mut read).map_err(io_error)?;
                return Err(ReadError::Damaged { path, offset: at, next: meta.base + next, reason: reason.to_string() });
            }
        }
        Ok(chunks)
    }

    fn insert(&mut self, name: LogName, meta: SegmentMeta) {
        self.bytes += meta.end - meta.base;
        self.logs.entry(name).or_default().segments.insert(meta.base, meta);
    }

    fn remove_meta(&mut self, name: &LogName, base: u64) {
        self.bytes -= self.segment_bytes(name, base);
        if let Some(log) = self.logs.get_mut(name) {
            log.segments.remove(&base);
        }
    }

    fn remove(&mut self, name: &LogName, base: u64) {
        self.remove_meta(name, base);
        if let Some(log) = self.logs.get_mut(name)
            && log.tail.as_ref().is_some_and(|tail| tail.0 == base)
        {
            log.tail = None;
        }
    }

    /// 0 where the file is missing.
    fn file_len(&self, name: &LogName, base: u64) -> Result<u64, FileError> {
        let path = self.path(name, base);
        match fs::metadata(&path) {
            Ok(found) => Ok(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error).at("read", &path),
        }
    }

    fn path(&self, name: &LogName, base: u64) -> PathBuf {
        self.root.join(name.as_str()).join(file_name(base))
    }

    /// Opens the segment for appending, creating file and directory, both durable, where they are not there.
    fn open_tail(&mut self, name: &LogName, base: u64) -> Result<(), FileError> {
        if self.logs.get(name).is_some_and(|log| log.tail.as_ref().is_some_and(|tail| tail.0 == base)) {
            return Ok(());
        }
        let path = self.path(name, base);
        let dir = self.root.join(name.as_str());
        let new_dir = !dir.is_dir();
        if new_dir {
            fs::create_dir_all(&dir).at("create", &dir)?;
            self.device.sync_dir(&self.root).at("sync", &self.root)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).at("open", &path)?;
        // Also where an earlier attempt left the file: whether its entry is durable is unknown.
        self.device.sync_dir(&dir).at("sync", &dir)?;
        self.logs.entry(name.clone()).or_default().tail = Some((base, file));
        Ok(())
    }

    fn tail(&self, name: &LogName, base: u64) -> &File {
        let tail = self.logs.get(name).and_then(|log| log.tail.as_ref());
        let (_, file) = tail.filter(|tail| tail.0 == base).expect("open_tail was called for this segment");
        file
    }

    fn cut(&self, path: &Path, len: u64) -> Result<(), FileError> {
        let file = OpenOptions::new().write(true).open(path).at("open", path)?;
        file.set_len(len).at("shorten", path)?;
        self.device.sync_data(&file).at("sync", path)
    }

    fn copy_into(&self, path: &Path, copy: &Path) -> Result<(), FileError> {
        if let Some(dir) = copy.parent() {
            fs::create_dir_all(dir).at("create", dir)?;
        }
        fs::copy(path, copy).at("copy", path)?;
        let file = File::open(copy).at("open", copy)?;
        self.device.sync_data(&file).at("sync", copy)
    }

    /// Segment files by log and base, ascending. Other files are not ours and are left alone.
    fn files(&self) -> Result<Vec<(LogName, Vec<u64>)>, FileError> {
        let mut found = Vec::new();
        for name in names_in(&self.root)?.into_iter().filter(|name| check_log_name(name).is_ok()) {
            let dir = self.root.join(&name);
            if dir.is_dir() {
                let bases = names_in(&dir)?.iter().filter_map(|file| parse_file_name(file)).collect();
                found.push((LogName::from(name), bases));
            }
        }
        Ok(found)
    }

    fn remove_unknown_files(&self) -> Result<(), FileError> {
        for (name, bases) in self.files()? {
            for base in bases {
                if self.logs.get(&name).is_none_or(|log| !log.segments.contains_key(&base)) {
                    remove_if_there(&self.path(&name, base))?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a name may be a directory under `logs/`.
pub(super) fn check_log_name(name: &str) -> Result<(), String> {
    let fits = !name.is_empty() && name.len() <= LOG_NAME_BYTES_MAX && !name.starts_with('.');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if fits && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!("the name of the log {name:?} is not 1 to {LOG_NAME_BYTES_MAX} letters, digits, `_`, `-`, `.`"))
}

/// Of the segment that begins at this byte of its log.
pub(super) fn file_name(base: u64) -> String {
    format!("{base:016x}{SUFFIX}")
}

fn parse_file_name(name: &str) -> Option<u64> {
    let hex = name.strip_suffix(SUFFIX).filter(|hex| hex.len() == 16)?;
    u64::from_str_radix(hex, 16).ok()
}

/// Names in a directory, ascending; none if it is not there.
fn names_in(dir: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at("read", dir),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.at("read", dir)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

fn scan_file(path: &Path, base: u64) -> io::Result<chunk::Scan> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    chunk::scan(base, len, reader(&file, len))
}

/// Reads at an offset, never past `end`.
fn reader(file: &File, end: u64) -> impl FnMut(u64, usize) -> io::Result<Vec<u8>> {
    move |offset, len| {
        let len = end.saturating_sub(offset).min(len as u64) as usize;
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}
