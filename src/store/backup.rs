//! Backups: a directory with the files of a snapshot and a list of them with their checksums; and back into a data directory.
//!
//! Invariants:
//! - A backup has its name only when all of it is durable, and so has a restored data directory: before, both have another name beside it.
//! - Nothing that is there is ever written over.
//! - Of a snapshot and of a backup only files in it are read, whoever made it: root copies what another user's gateway names.
//! - A restored store was opened and read whole before it has its name.
//!
//! Limits: files are copied [`COPY_BYTES`] at a time; the list has at most [`LIST_BYTES_MAX`].

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::snapshot::{self, Snapshot};
use super::{DiskStore, StoreError, StoreSettings};

const LIST: &str = "backup.json";
const VERSION: u32 = 1;
const LIST_BYTES_MAX: u64 = 64 << 20;
const COPY_BYTES: usize = 256 << 10;
/// Read at once when a restored log is checked.
const CHECK_BYTES: u64 = 1 << 20;

/// What a backup says of itself, in `backup.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    /// Of this list; 1.
    pub backup_version: u32,
    /// Of the program that made it.
    pub tidemill: String,
    /// Wall clock, s since 1970.
    pub made_at_s: u64,
    /// Number of the last commit in it.
    pub commit: u64,
    pub files: Vec<BackupFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    pub path: String,
    pub bytes: u64,
    pub crc32: u32,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already; give a path that is not", .0.display())]
    Exists(PathBuf),
    #[error("{} is not empty; restore into an empty or a new directory, and move away what is there if it is not needed any more", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is no backup: {reason}", path.display())]
    NoBackup { path: PathBuf, reason: String },
    #[error("the snapshot in {} is said to have the file {name:?}, which can't be in it: is this the gateway's own directory? Nothing was saved", dir.display())]
    Foreign { dir: PathBuf, name: String },
    #[error("the backup is damaged: {} {reason}; nothing was restored", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

trait At<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, BackupError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, BackupError> {
        self.map_err(|source| BackupError::Io { what, path: path.to_owned(), source })
    }
}

/// Copies the snapshot of `data_dir` to the new directory `to`. `tidemill`: the program's version; `made_at_s`: now. What was written.
pub fn write(data_dir: &Path, snapshot: &Snapshot, to: &Path, tidemill: &str, made_at_s: u64) -> Result<BackupList, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let dir = snapshot::dir(data_dir);
    if let Some(file) = snapshot.files.iter().find(|file| !stays(&file.path)) {
        return Err(BackupError::Foreign { dir, name: file.path.clone() });
    }
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32;
    let opened = File::options().read(true).custom_flags(flags).open(&dir).at("open", &dir)?;
    let partial = Partial::beside(to)?;
    let mut list =
        BackupList { backup_version: VERSION, tidemill: tidemill.to_owned(), made_at_s, commit: snapshot.number, files: Vec::new() };
    for file in &snapshot.files {
        let crc32 = copy((&opened, &dir), &file.path, &partial.path, file.bytes)?;
        list.files.push(BackupFile { path: file.path.clone(), bytes: file.bytes, crc32 });
    }
    let path = partial.path.join(LIST);
    let text = serde_json::to_string_pretty(&list).expect("a list has only strings and numbers");
    let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.at("write", &path)?;
    partial.finish(to)?;
    Ok(list)
}

/// Brings a backup back as the data directory `data_dir`, which must be empty or not there. What was restored.
pub fn restore(from: &Path, data_dir: &Path) -> Result<BackupList, BackupError> {
    let list = read_list(from)?;
    let there = match fs::read_dir(data_dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(BackupError::NotEmpty(data_dir.to_owned()));
            }
            Some(fs::metadata(data_dir).at("read", data_dir)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).at("read", data_dir),
    };
    let opened = File::open(from).at("open", from)?;
    let partial = Partial::beside(data_dir)?;
    for file in &list.files {
        let crc32 = copy((&opened, from), &file.path, &partial.path, file.bytes)?;
        if crc32 != file.crc32 {
            let path = from.join(&file.path);
            return Err(BackupError::Damaged { path, reason: "has not the bytes that were saved".to_owned() });
        }
    }
    check_store(&partial.path, &list)?;
    if let Some(there) = there {
        partial.belong_to(&there)?;
    }
    partial.finish(data_dir)?;
    Ok(list)
}

fn read_list(from: &Path) -> Result<BackupList, BackupError> {
    let path = from.join(LIST);
    let no_backup = |reason: String| BackupError::NoBackup { path: from.to_owned(), reason };
    let mut text = Vec::new();
    let file = File::open(&path).map_err(|error| no_backup(format!("{LIST} in it can't be read ({error})")))?;
    file.take(LIST_BYTES_MAX).read_to_end(&mut text).at("read", &path)?;
    let list: BackupList = serde_json::from_slice(&text).map_err(|error| no_backup(format!("its {LIST} is not right ({error})")))?;
    if list.backup_version != VERSION {
        return Err(no_backup(format!(
            "it has version {}, this tidemill knows {VERSION}; use the version that made it",
            list.backup_version
        )));
    }
    match list.files.iter().find(|file| !stays(&file.path)) {
        Some(file) => Err(no_backup(format!("it names the file {:?}", file.path))),
        None => Ok(list),
    }
}

/// Opens the store and reads all of it.
fn check_store(data_dir: &Path, list: &BackupList) -> Result<(), BackupError> {
    let (store, loaded) = DiskStore::open(StoreSettings::new(data_dir, u64::MAX, 0, list.made_at_s))?;
    let damaged = |reason: String| BackupError::Damaged { path: data_dir.to_owned(), reason };
    if loaded.quarantined.is_some() || loaded.number != list.commit || !loaded.warnings.is_empty() {
        return Err(damaged(format!("is as of commit {} in place of {}; {}", loaded.number, list.commit, loaded.warnings.join("; "))));
    }
    for (log, metas) in &loaded.segments {
        let mut next = metas.first().map(|meta| meta.base);
        while let Some(from) = next {
            let chunks = store.read_log(log, from, CHECK_BYTES).map_err(|error| damaged(error.to_string()))?;
            next = chunks.last().map(|chunk| chunk.end);
        }
    }
    store.close();
    Ok(())
}

/// Whether a path leads to something below the directory that it begins in.
fn stays(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Opens the file `path` below a directory. A link on the way is refused: who put it there may not be allowed to read what this process may.
fn open_below(dir: &File, path: &str) -> io::Result<File> {
    let mut at = OwnedFd::from(dir.try_clone()?);
    let mut parts = Path::new(path).components().peekable();
    while let Some(part) = parts.next() {
        // Without waiting: a pipe opens at once, and is refused below.
        let mut flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        flags.set(OFlags::DIRECTORY, parts.peek().is_some());
        at = match rustix::fs::openat(&at, part.as_os_str(), flags, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(io::Error::other("it is a link, or lies behind one, and links are not followed"));
            }
            opened => opened?,
        };
    }
    let file = File::from(at);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// Copies the first `bytes` of the file `name` in a directory into another, durably; their CRC32.
fn copy((dir, from): (&File, &Path), name: &str, to: &Path, bytes: u64) -> Result<u32, BackupError> {
    let (from, to) = (&from.join(name), &to.join(name));
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).at("create", parent)?;
    let mut source = open_below(dir, name).at("open", from)?.take(bytes);
    let mut target = File::create_new(to).at("create", to)?;
    let (mut buffer, mut crc, mut copied) = (vec![0; COPY_BYTES], crc32fast::Hasher::new(), 0);
    loop {
        let read = source.read(&mut buffer).at("read", from)?;
        if read == 0 {
            break;
        }
        crc.update(&buffer[..read]);
        target.write_all(&buffer[..read]).at("write", to)?;
        copied += read as u64;
    }
    if copied < bytes {
        return Err(BackupError::Damaged { path: from.clone(), reason: format!("has {copied} of its {bytes} bytes") });
    }
    target.sync_all().at("sync", to)?;
    Ok(crc.finalize())
}

/// A directory that has not its name yet; removed if it never gets it.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(to: &Path) -> Result<Partial, BackupError> {
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let path = to.with_file_name(format!(".{name}.partial-{}", std::process::id()));
        fs::create_dir(&path).at("create", &path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700)).at("change the mode of", &path)?;
        Ok(Partial { path })
    }

    /// Everything in it gets the owner and the directory itself the mode of `there`, the directory whose place it takes.
    fn belong_to(&self, there: &fs::Metadata) -> Result<(), BackupError> {
        fs::set_permissions(&self.path, Permissions::from_mode(there.mode() & 0o7777)).at("change the mode of", &self.path)?;
        // The directory itself last: who has it could put links into it meanwhile.
        for path in everything(&self.path)?.into_iter().rev() {
            let own = fs::symlink_metadata(&path).at("read", &path)?;
            if (own.uid(), own.gid()) != (there.uid(), there.gid()) {
                std::os::unix::fs::lchown(&path, Some(there.uid()), Some(there.gid())).at("give its owner to", &path)?;
            }
        }
        Ok(())
    }

    /// Makes it durable and gives it its name.
    fn finish(mut self, to: &Path) -> Result<(), BackupError> {
        for path in everything(&self.path)? {
            File::open(&path).and_then(|file| file.sync_all()).at("sync", &path)?;
        }
        fs::rename(&self.path, to).at("give its name to", to)?;
        self.path = PathBuf::new();
        let above = to.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(above).and_then(|dir| dir.sync_all()).at("sync", above)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What stays is in nobody's way, and its name says what it is.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A directory and all below it.
fn everything(dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            for entry in fs::read_dir(&path).at("read", &path)? {
                found.push(entry.at("read", &path)?.path());
            }
        }
    }
    Ok(found)
}
