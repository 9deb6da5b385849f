//! The files that a source knows: how far each is read, under a number of its own.
//!
//! A position's name is the file's number in hex; numbers are not used again while their position is stored. A file is found by its path or, renamed, by
//! its inode.
//!
//! What is forgotten: the position of a file that has been gone for [`FORGET_AFTER`]; where there are more than half of [`POSITIONS_MAX`] positions, of
//! one that is gone at all. Limit: [`POSITIONS_MAX`] files; further ones are left alone.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::position::{PositionError, Record};
use crate::gateway::POSITIONS_MAX;

/// A directory may be away for a while: a stick that is not plugged in, a share that is not mounted.
pub const FORGET_AFTER: Duration = Duration::from_secs(86_400);
/// Positions from which on those of files that are gone are forgotten at once.
const CROWDED: usize = POSITIONS_MAX / 2;
/// The position that says that the source has looked at its files before.
pub const BEGUN: &str = "begun";

#[derive(Default)]
pub struct Shelf {
    records: BTreeMap<u64, Record>,
    by_path: HashMap<PathBuf, u64>,
    /// Of several with one inode the last.
    by_inode: HashMap<u64, u64>,
    gone_since: HashMap<u64, Instant>,
    next: u64,
    /// Whether the source has looked at its files at an earlier start.
    pub begun: bool,
}

impl Shelf {
    /// What was stored.
    pub fn restore(stored: &[(String, Vec<u8>)]) -> Result<Shelf, PositionError> {
        let mut shelf = Shelf { next: 1, ..Shelf::default() };
        for (name, value) in stored {
            if name == BEGUN {
                shelf.begun = true;
                continue;
            }
            let number = u64::from_str_radix(name, 16).map_err(|_| PositionError::Damaged)?;
            shelf.put(number, Record::decode(value)?);
        }
        Ok(shelf)
    }

    /// A number for a file that is not known; `None` if there is no room for it.
    pub fn new_number(&mut self) -> Option<u64> {
        if self.records.len() >= POSITIONS_MAX - 1 {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    pub fn put(&mut self, number: u64, record: Record) {
        self.unname(number);
        self.by_path.insert(record.path.clone(), number);
        self.by_inode.insert(record.meta.inode, number);
        self.records.insert(number, record);
        self.next = self.next.max(number.saturating_add(1));
    }

    pub fn at_path(&self, path: &Path) -> Option<(u64, &Record)> {
        let number = self.by_path.get(path)?;
        Some((*number, self.records.get(number)?))
    }

    pub fn with_inode(&self, inode: u64) -> Option<(u64, &Record)> {
        let number = self.by_inode.get(&inode)?;
        Some((*number, self.records.get(number)?))
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Record)> {
        self.records.iter().map(|(number, record)| (*number, record))
    }

    pub fn forget(&mut self, number: u64) {
        self.gone_since.remove(&number);
        self.unname(number);
        self.records.remove(&number);
    }

    /// No path and no inode leads to it.
    fn unname(&mut self, number: u64) {
        let Some(record) = self.records.get(&number) else { return };
        if self.by_path.get(&record.path) == Some(&number) {
            self.by_path.remove(&record.path);
        }
        if self.by_inode.get(&record.meta.inode) == Some(&number) {
            self.by_inode.remove(&record.meta.inode);
        }
    }

    /// Forgets what has been gone for long; `is_there` says so of a number and a path, which is none where another file has taken it. The numbers of those
    /// forgotten.
    pub fn sweep(&mut self, now: Instant, is_there: impl Fn(u64, Option<&Path>) -> bool) -> Vec<u64> {
        let crowded = self.records.len() > CROWDED;
        let mut forgotten = Vec::new();
        for (number, record) in &self.records {
            let path = Some(record.path.as_path()).filter(|path| self.by_path.get(*path) == Some(number));
            if is_there(*number, path) {
                self.gone_since.remove(number);
            } else if now - *self.gone_since.entry(*number).or_insert(now) >= FORGET_AFTER || crowded {
                forgotten.push(*number);
            }
        }
        forgotten.iter().for_each(|number| self.forget(*number));
        forgotten
    }
}

/// A position's name.
pub fn name(number: u64) -> String {
    format!("{number:x}")
}

#[cfg(test)]
mod tests {
    use super::super::position::{Meta, Trace};
    use super::*;

    fn record(path: &str, inode: u64) -> Record {
        let meta = Meta { inode, ..Meta::default() };
        Record { path: path.into(), meta, offset: 0, sums: Trace::default().sums(), header: None, done: true }
    }

    #[test]
    fn files_are_found_by_path_and_inode_and_numbers_go_on() {
        let stored = [("a".to_owned(), record("x", 7).encode()), (BEGUN.to_owned(), vec![1])];
        let mut shelf = Shelf::restore(&stored).unwrap();
        assert!(shelf.begun);
        assert_eq!(shelf.new_number(), Some(11));
        assert_eq!(shelf.at_path(Path::new("x")).map(|(number, _)| number), Some(10));
        shelf.put(10, record("y", 7));
        assert!(shelf.at_path(Path::new("x")).is_none());
        assert_eq!(shelf.with_inode(7).map(|(number, _)| number), Some(10));
        assert!(Shelf::restore(&[("z".to_owned(), record("x", 7).encode())]).is_err());
        assert!(Shelf::restore(&[("1".to_owned(), vec![7])]).is_err());
    }

    #[test]
    fn what_is_gone_is_forgotten_after_a_while() {
        let mut shelf = Shelf::default();
        (0..3).for_each(|number| shelf.put(number, record(&number.to_string(), number)));
        let now = Instant::now();
        assert!(shelf.sweep(now, |_, path| path != Some(Path::new("1"))).is_empty());
        assert!(shelf.sweep(now + FORGET_AFTER / 2, |_, _| true).is_empty(), "it is there again");
        assert!(shelf.sweep(now + FORGET_AFTER, |_, path| path != Some(Path::new("1"))).is_empty());
        assert_eq!(shelf.sweep(now + FORGET_AFTER * 2, |_, path| path != Some(Path::new("1"))), [1]);
        assert!(shelf.at_path(Path::new("1")).is_none());
    }

    #[test]
    fn where_there_are_many_the_gone_ones_go_at_once_and_new_ones_have_to_wait() {
        let mut shelf = Shelf::default();
        for number in 0..POSITIONS_MAX as u64 - 1 {
            shelf.put(number, record(&number.to_string(), number));
        }
        assert_eq!(shelf.new_number(), None);
        assert_eq!(shelf.sweep(Instant::now(), |_, path| path != Some(Path::new("1"))), [1]);
        assert!(shelf.new_number().is_some());
    }
}
