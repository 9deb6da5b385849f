//! A disk for tests: fails a chosen call, states free space, and tells what would be left after a power cut at any sync.
//!
//! What is durable is the content of a file at its last sync and the entries of a directory at its last sync. What was written since may
//! survive or not, sector by sector, in any order. sled's snapshots and settings are taken as they are: sled syncs them itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const SECTOR_BYTES: usize = 512;

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Write,
    Sync,
    Free,
}

/// Shared between the store and its test.
#[derive(Debug)]
pub struct Faults {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    rng: Rng,
    /// How many calls to let through before one fails, by kind, and with what.
    failing: Option<(Call, u64, i32)>,
    free: Option<u64>,
    syncs: u64,
    durable: BTreeMap<PathBuf, Vec<u8>>,
    entries: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// Where to leave what would survive a power cut at each sync.
    survivors: Option<PathBuf>,
}

/// xorshift64*: seeded, so that a failing test replays.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

impl Faults {
    /// A disk that works, for the data directory `root`.
    pub fn new(root: &Path, seed: u64) -> Faults {
        let inner = Inner {
            root: root.to_owned(),
            rng: Rng::new(seed),
            failing: None,
            free: None,
            syncs: 0,
            durable: BTreeMap::new(),
            entries: BTreeMap::new(),
            survivors: None,
        };
        Faults { inner: Mutex::new(inner) }
    }

    /// Lets `after` calls of a kind through and fails the next one, once, with an errno.
    pub fn fail(&self, call: Call, after: u64, errno: i32) {
        self.inner.lock().unwrap().failing = Some((call, after, errno));
    }

    /// What [`crate::store::device::Device::free_bytes`] says from now on.
    pub fn set_free(&self, bytes: Option<u64>) {
        self.inner.lock().unwrap().free = bytes;
    }

    pub fn syncs(&self) -> u64 {
        self.inner.lock().unwrap().syncs
    }

    /// From now on every sync leaves a survivor of a power cut at its moment in `dir`, by the sync's number.
    pub fn keep_survivors(&self, dir: &Path) {
        self.inner.lock().unwrap().survivors = Some(dir.to_owned());
    }

    /// sled opens or closes and syncs by itself: what its file holds then counts as durable.
    pub fn state_was_synced(&self) {
        let mut inner = self.inner.lock().unwrap();
        let path = inner.root.join("state/db");
        inner.durable.remove(&path);
    }

    pub fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.inner.lock().unwrap().meets(Call::Write) {
            // As a full disk does: some of it is written.
            file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        file.write_all_at(bytes, offset)
    }

    pub fn sync_data(&self, file: &File) -> io::Result<()> {
        let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut inner = self.inner.lock().unwrap();
        inner.before_sync()?;
        let content = fs::read(&path)?;
        inner.durable.insert(path, content);
        Ok(())
    }

    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        inner.before_sync()?;
        let names = names_in(path)?;
        inner.entries.insert(path.to_owned(), names);
        Ok(())
    }

    pub fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let mut inner = self.inner.lock().unwrap();
        inner.meets(Call::Free)?;
        match inner.free {
            Some(free) => Ok(free),
            None => crate::store::device::Device::Real.free_bytes(dir),
        }
    }
}

impl Inner {
    fn meets(&mut self, call: Call) -> io::Result<()> {
        match &mut self.failing {
            Some((kind, 0, errno)) if *kind == call => {
                let error = io::Error::from_raw_os_error(*errno);
                self.failing = None;
                Err(error)
            }
            Some((kind, after, _)) if *kind == call => {
                *after -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn before_sync(&mut self) -> io::Result<()> {
        self.meets(Call::Sync)?;
        self.syncs += 1;
        if let Some(survivors) = self.survivors.clone() {
            let root = self.root.clone();
            self.survive(&root, &survivors.join(format!("{:06}", self.syncs)))?;
        }
        Ok(())
    }

    /// Copies what a power cut would leave of directory `from`.
    fn survive(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        let now = names_in(from)?;
        let of_sled = from.file_name().is_some_and(|name| name == "state" || name == "blobs");
        let synced = if of_sled { now.clone() } else { self.entries.get(from).cloned().unwrap_or_default() };
        for name in now.union(&synced) {
            let durable_entry = now.contains(name) == synced.contains(name);
            let newest = durable_entry || self.rng.below(2) == 0;
            let (path, copy) = (from.join(name), to.join(name));
            match (now.contains(name), newest) {
                (true, true) if path.is_dir() => self.survive(&path, &copy)?,
                (true, true) => self.survive_file(&path, &copy)?,
                (false, false) => fs::write(&copy, self.durable.get(&path).cloned().unwrap_or_default())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn survive_file(&mut self, path: &Path, copy: &Path) -> io::Result<()> {
        let current = fs::read(path)?;
        let of_sled = path.parent().is_some_and(|dir| dir.ends_with("state"));
        let old = match self.durable.get(path) {
            Some(old) => old.clone(),
            None if of_sled => current.clone(),
            None => Vec::new(),
        };
        if of_sled && path.file_name().is_some_and(|name| name != "db") {
            return fs::write(copy, current);
        }
        fs::write(copy, self.mix(&old, &current))
    }

    /// Durable and written bytes, mixed as a power cut may: all old, all new, a torn end, or any sectors.
    fn mix(&mut self, old: &[u8], new: &[u8]) -> Vec<u8> {
        let longer = old.len().max(new.len());
        let cut = self.rng.below(longer as u64 + 1) as usize;
        let way = self.rng.below(4);
        let mut out = match way {
            0 => return old.to_vec(),
            1 => return new.to_vec(),
            _ => vec![0; longer],
        };
        for start in (0..longer).step_by(SECTOR_BYTES) {
            let end = (start + SECTOR_BYTES).min(longer);
            let written = if way == 2 { start < cut } else { self.rng.below(2) == 0 };
            let from = if written { new } else { old };
            let end_there = end.min(from.len());
            if start < end_there {
                out[start..end_there].copy_from_slice(&from[start..end_there]);
            }
        }
        // The length is durable or not as a whole.
        out.truncate(if old.len() > new.len() && way == 2 { new.len() } else { longer });
        out
    }
}

fn names_in(dir: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}
