//! The lock file of a data directory: one gateway at a time, and a note about how the last one ended.
//!
//! The lock is an flock, so it ends with the process however it ends. The file holds the owner's process id while the store is open, and
//! the word `failed` after the disk failed: what is in the page cache then may not be on the disk, and the next start must write it again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::StoreError;

const FILE: &str = "lock";
const FAILED: &str = "failed";
/// More than a lock file ever holds.
const TEXT_BYTES_MAX: u64 = 256;

/// A held lock; given back when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// Whether the last owner's disk had failed.
    pub after_failure: bool,
}

impl Lock {
    /// Takes the lock of `dir`, which must exist.
    pub fn take(dir: &Path) -> Result<Lock, StoreError> {
        let path: PathBuf = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // What a link leads to is not ours to write over.
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|source| StoreError::from_io("open", &path, source))?;
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        let mut text = String::new();
        // Only a note: what cannot be read says nothing.
        let _ = (&mut file).take(TEXT_BYTES_MAX).read_to_string(&mut text);
        match locked {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::InUse { dir: dir.to_owned(), pid: pid_in(&text) }),
            Err(errno) => return Err(StoreError::from_io("lock", &path, errno.into())),
        }
        let mut lock = Lock { file, after_failure: text.lines().any(|line| line == FAILED) };
        lock.note(lock.after_failure).map_err(|source| StoreError::from_io("write", &path, source))?;
        Ok(lock)
    }

    /// Notes the owner, and whether the disk failed.
    pub fn note(&mut self, failed: bool) -> std::io::Result<()> {
        self.after_failure = failed;
        let mark = if failed { "failed\n" } else { "" };
        self.write(&format!("pid {}\n{mark}", std::process::id()))
    }

    /// Notes an orderly end.
    pub fn clear(&mut self) -> std::io::Result<()> {
        self.write("")
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough while a child process between its fork and its exec shares the descriptor.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

fn pid_in(text: &str) -> Option<u32> {
    text.lines().next()?.strip_prefix("pid ")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_the_first_ones_process() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let message = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("in use by process {}", std::process::id())), "{message}");
        drop(first);
        assert!(!Lock::take(dir.path()).unwrap().after_failure);
    }

    #[test]
    fn a_failure_is_remembered_until_it_is_made_good() {
        let dir = tempfile::tempdir().unwrap();
        Lock::take(dir.path()).unwrap().note(true).unwrap();
        let mut second = Lock::take(dir.path()).unwrap();
        assert!(second.after_failure);
        second.note(false).unwrap();
        drop(second);
        assert!(!Lock::take(dir.path()).unwrap().after_failure);
    }
}
