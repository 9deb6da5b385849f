//! The store's errors, for people: what happened, where, what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store could not be opened. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the data directory {} is in use by {}; stop that gateway, or give this one a data_dir of its own", dir.display(), owner(*pid))]
    InUse { dir: PathBuf, pid: Option<u32> },
    #[error("no permission to use {} ({source}); give the directory to the user that runs tidemill", path.display())]
    NoPermission { path: PathBuf, source: io::Error },
    #[error(
        "{} is on a file system that may only be read ({source}): mount it writable; under systemd, name the data directory in ReadWritePaths= (systemctl edit tidemill)",
        path.display()
    )]
    ReadOnly { path: PathBuf, source: io::Error },
    #[error("{} is a file, and the store needs a directory; move the file away, or give the gateway another data_dir", path.display())]
    NotADirectory { path: PathBuf },
    #[error("no room to open the store in {}: {free} bytes are free, {needed} are needed; free some space, then start again", path.display())]
    NoSpace { path: PathBuf, needed: u64, free: u64 },
    #[error(
        "the store in {} has format {found}, this tidemill knows formats up to {known}; run the newer version again, or give this one an empty data_dir",
        dir.display()
    )]
    Newer { dir: PathBuf, found: u32, known: u32 },
    #[error("the store in {} cannot be read by this version: {reason}; run the version that wrote it, or give this one an empty data_dir", dir.display())]
    Unsupported { dir: PathBuf, reason: String },
    #[error("cannot {what} {}: {source}; check the disk and the system's log", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the store in {} is damaged: {reason}; it was not mended, and nothing was moved away: keep a copy of the directory (cp -a), then start the \
         gateway, which mends what can be mended and says what is lost",
        dir.display()
    )]
    Damaged { dir: PathBuf, reason: String },
    #[error("the store in {} could not be brought up again after a damaged one was moved away: {reason}; check the disk", dir.display())]
    Beyond { dir: PathBuf, reason: String },
}

impl StoreError {
    /// Sorts an IO error by what a person can do about it.
    pub(crate) fn from_io(what: &'static str, path: &Path, source: io::Error) -> StoreError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => StoreError::NoPermission { path, source },
            io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { path, source },
            kind if is_full(kind) => StoreError::NoSpace { needed: super::disk::OPEN_SPACE_BYTES, free: free_near(&path), path },
            _ => StoreError::Io { what, path, source },
        }
    }
}

/// Why a change set is not durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Out of space or over the quota. Commit the same set again when there may be room: the store reopens itself first where it must.
    #[error("no room to store results and state in {}: {needed} bytes are needed, {free} may be used of what `store_bytes_max` and `free_space_min` leave", path.display())]
    NoSpace { needed: u64, free: u64, path: PathBuf },
    /// The disk failed: what it holds is unknown. The gateway must stop acknowledging and exit; the store accepts nothing more.
    #[error("the disk failed: cannot {what} {}: {reason}; the gateway stops without acknowledging; check the disk, then start it again", path.display())]
    Fatal { what: &'static str, path: PathBuf, reason: String },
    /// The set breaks a rule of change sets or a limit: a fault in the program. Nothing was changed.
    #[error("change set {number} was refused: {reason}")]
    Refused { number: u64, reason: String },
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}: {source}; check the disk", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The bytes from `offset` up to `next` hold no valid chunk: go on reading from `next`.
    #[error("{} is damaged from byte {offset} of its log: {reason}; reading goes on at byte {next}", path.display())]
    Damaged { path: PathBuf, offset: u64, next: u64, reason: String },
}

/// Whether an error means that there is no room, which may pass.
pub(crate) fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn free_near(path: &Path) -> u64 {
    let dir = path.ancestors().find(|dir| dir.is_dir()).unwrap_or(path);
    super::device::Device::Real.free_bytes(dir).unwrap_or(0)
}

fn owner(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_depends_on_why_it_cannot_be_written() {
        let told = |kind: io::ErrorKind| StoreError::from_io("open", Path::new("/mnt/ssd/tidemill"), kind.into()).to_string();
        assert!(told(io::ErrorKind::PermissionDenied).contains("give the directory to the user"));
        let read_only = told(io::ErrorKind::ReadOnlyFilesystem);
        assert!(read_only.starts_with("/mnt/ssd/tidemill is on a file system that may only be read"), "{read_only}");
        assert!(read_only.contains("ReadWritePaths=") && !read_only.contains("give the directory"), "{read_only}");
        assert!(told(io::ErrorKind::StorageFull).starts_with("no room to open the store in /mnt/ssd/tidemill"));
    }
}
