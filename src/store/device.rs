//! The seam between the store and the disk: writes to segments, every sync, free space. Tests put faults here.
//!
//! sled does its own reads and writes; what makes them durable is the sync of our descriptor of its file, which goes through here too.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[cfg(test)]
use std::sync::Arc;

#[cfg(test)]
use super::tests::faults::Faults;
use crate::sabotage::{Fault, planted};

/// Who carries out the store's writes and syncs.
#[derive(Clone, Debug)]
pub(super) enum Device {
    Real,
    #[cfg(test)]
    Faulty(Arc<Faults>),
}

impl Device {
    /// Writes all of `bytes` at `offset`.
    pub fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Device::Real => file.write_all_at(bytes, offset),
            #[cfg(test)]
            Device::Faulty(faults) => faults.write_at(file, bytes, offset),
        }
    }

    /// Returns when the file's content is durable.
    pub fn sync_data(&self, file: &File) -> io::Result<()> {
        match self {
            Device::Real if planted(Fault::SkipSync) => Ok(()),
            Device::Real => file.sync_data(),
            #[cfg(test)]
            Device::Faulty(faults) => faults.sync_data(file),
        }
    }

    /// Returns when the directory's entries are durable.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self {
            Device::Real => File::open(path)?.sync_all(),
            #[cfg(test)]
            Device::Faulty(faults) => faults.sync_dir(path),
        }
    }

    /// Bytes that this process may still use on the file system of `dir`.
    pub fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        match self {
            Device::Real => {
                let stat = rustix::fs::statvfs(dir)?;
                Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
            }
            #[cfg(test)]
            Device::Faulty(faults) => faults.free_bytes(dir),
        }
    }
}
