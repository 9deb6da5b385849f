//! Growing files, through rotation.
//!
//! A file that is open is known by its descriptor, whatever its name becomes: it is read to its end, and [`ROTATE_WAIT`] longer, after the path has come to
//! name another one or none. After a restart a file is known by inode and bytes, see `position`; one that was renamed in the meantime is looked for in
//! its directory.
//!
//! Invariants:
//! - Of what lies in a file no line is passed twice or left out: the position is behind the last line that has ended, and goes with its lines.
//! - A rotated file is read to its end before what was written after it: a round first notes how long the files are that the path names, then reads those
//!   that it names no longer to their ends, then the others as far as noted.
//! - A round reads at most [`ROUND_BYTES`] of a file: a file that is far behind does not keep the others' rotation from being seen.
//! - A file that has become shorter, or has other bytes where it was read last, was truncated: it is read from its beginning.
//!
//! What was truncated away before it was read is lost, as is what a copying rotation does not copy. Limit: [`TAILED_MAX`] files are open at once; further
//! ones are left alone until one goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contents::is_compressed;
use super::input::{Input, Shape, Trouble};
use super::listing::{Found, Listing, list, siblings};
use super::outlet::{Gone, Outlet};
use super::position::Record;
use super::shelf::{BEGUN, Shelf, name};
use super::told::Told;
use crate::config::settings::FileSourceSettings;
use crate::gateway::FrameContent;

/// How long a file is read on that has no name any more: its writer may not have opened the new one yet.
pub const ROTATE_WAIT: Duration = Duration::from_secs(5);
/// How often a file that was rotated away is looked for: one that is renamed meanwhile may hide from a look.
const LOOKS: u32 = 3;
pub const TAILED_MAX: usize = 256;
pub const ROUND_BYTES: u64 = 4 << 20;

pub struct Tail {
    files: FileSourceSettings,
    shape: Arc<Shape>,
    shelf: Shelf,
    told: Told,
    /// Whether files that are there at the first start are read from their ends.
    from_end: bool,
    /// The oldest first.
    open: Vec<Tailed>,
    /// Whether what was stored has been looked for.
    resumed: bool,
}

struct Tailed {
    number: u64,
    input: Input,
    /// Since when no path of the source has led to it.
    away_since: Option<Instant>,
    /// How many bytes the round may still read.
    room: u64,
    /// There is more than the round reads.
    is_behind: bool,
    /// It holds nothing that can be read.
    is_damaged: bool,
}

impl Tail {
    pub fn new(source: &str, files: &FileSourceSettings, shape: Arc<Shape>, shelf: Shelf, from_end: bool) -> Tail {
        let (files, told) = (files.clone(), Told::new(source));
        Tail { files, shape, shelf, told, from_end, open: Vec::new(), resumed: false }
    }

    /// Looks once, and reads what there is; `true` if there is more.
    pub fn round(&mut self, outlet: &Outlet, now: Instant) -> Result<bool, Gone> {
        match self.list() {
            Ok(listing) => {
                if !std::mem::replace(&mut self.resumed, true) {
                    self.find_rotated(&listing, now);
                }
                self.meet(&listing, outlet, now)?;
                if !listing.files.is_empty() {
                    outlet.opened(format!("tailing {}", self.files.path.display()))?;
                } else if self.open.is_empty() {
                    outlet.closed(format!("{}: no such file", self.files.path.display()))?;
                }
            }
            Err(reason) => {
                self.meet(&Listing::default(), outlet, now)?;
                outlet.closed(reason)?;
            }
        }
        if !std::mem::replace(&mut self.shelf.begun, true) {
            outlet.position(BEGUN.to_owned(), Some(vec![1]))?;
        }
        let open: Vec<u64> = self.open.iter().map(|tailed| tailed.number).collect();
        for number in self.shelf.sweep(now, |number, _| open.contains(&number)) {
            outlet.position(name(number), None)?;
        }
        self.read_all(outlet, now)
    }

    pub(super) fn list(&self) -> Result<Listing, String> {
        if self.files.path.is_dir() {
            let path = self.files.path.display();
            return Err(format!("{path} is a directory: to tail its files give a pattern such as {path}/*.log"));
        }
        let mut listing = list(&self.files.path)?;
        listing.files.retain(|found| !is_compressed(&found.path));
        listing.files.sort_by(|a, b| (a.meta.modified_ns, &a.path).cmp(&(b.meta.modified_ns, &b.path)));
        Ok(listing)
    }

    /// Looks for stored files that the path does not name any more.
    fn find_rotated(&mut self, listing: &Listing, now: Instant) {
        let is_named = |record: &Record| listing.files.iter().any(|found| found.meta.inode == record.meta.inode);
        let rotated: Vec<(u64, Record)> =
            self.shelf.iter().filter(|(_, record)| !is_named(record)).map(|(number, record)| (number, record.clone())).collect();
        for (number, record) in rotated.into_iter().take(TAILED_MAX) {
            let mut look = || {
                siblings(&record.path, record.meta.inode).into_iter().find_map(|path| {
                    let resumed = Input::resume(&path, &self.shape, &record);
                    resumed.unwrap_or_else(|trouble| {
                        self.told.warn(&path, &format!("it can't be read: {trouble}"));
                        None
                    })
                })
            };
            let found = (0..LOOKS).find_map(|_| look());
            match found {
                Some(input) => self.open.push(Tailed { away_since: Some(now), ..Tailed::new(number, input) }),
                None if listing.files.iter().any(|found| is_known_by_time(&record, found)) => {}
                None => {
                    let what = "it was removed, compressed or moved elsewhere while the gateway was not running; what it held behind byte";
                    self.told.warn(&record.path, &format!("{what} {} is not read", record.offset));
                }
            }
        }
    }

    /// Tells which files have come and which have lost their name. What is listed may have been renamed since.
    pub(super) fn meet(&mut self, listing: &Listing, outlet: &Outlet, now: Instant) -> Result<(), Gone> {
        self.open.iter_mut().for_each(|tailed| _ = tailed.away_since.get_or_insert(now));
        for found in &listing.files {
            let same = |tailed: &&mut Tailed| (tailed.input.meta.device, tailed.input.meta.inode) == (found.meta.device, found.meta.inode);
            if let Some(tailed) = self.open.iter_mut().find(same) {
                tailed.away_since = None;
                tailed.input.path.clone_from(&found.path);
                continue;
            }
            if self.open.len() >= TAILED_MAX {
                let what = format!("it names more than {TAILED_MAX} files; the newest are left alone");
                self.told.warn(&self.files.path.clone(), &what);
                break;
            }
            match self.take_up(found) {
                Ok(Some(tailed)) => {
                    // Stored before there is a line: what is rotated away while the gateway is not running is only found if it is known.
                    outlet.position(name(tailed.number), Some(tailed.input.record(false).encode()))?;
                    self.told.clear(&found.path);
                    self.open.push(tailed);
                }
                Ok(None) => {}
                Err(Trouble::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(trouble) => self.told.warn(&found.path, &format!("it can't be read: {trouble}")),
            }
        }
        Ok(())
    }

    /// A file that is not open: one that was read before, or a new one.
    fn take_up(&mut self, found: &Found) -> Result<Option<Tailed>, Trouble> {
        let is_open = |number: u64| self.open.iter().any(|tailed| tailed.number == number);
        let by_inode = self.shelf.with_inode(found.meta.inode).filter(|(number, _)| !is_open(*number));
        let by_time = self.shelf.at_path(&found.path).filter(|(number, record)| !is_open(*number) && is_known_by_time(record, found));
        for (number, record) in by_inode.into_iter().chain(by_time) {
            if let Some(input) = Input::resume(&found.path, &self.shape, record)? {
                return Ok(Some(Tailed::new(number, input)));
            }
        }
        // The inode is another file's now, or the file was truncated: its position is of no use any more.
        let number = by_inode.map(|(number, _)| number);
        let Some(number) = number.or_else(|| self.shelf.new_number()) else {
            self.told.warn(&self.files.path.clone(), "it names more files than there is room for positions; the newest are left alone");
            return Ok(None);
        };
        let input = if self.from_end && !self.shelf.begun {
            Input::at_end(&found.path, &self.shape)?
        } else {
            Input::open(&found.path, &self.shape)?
        };
        if input.meta.inode != found.meta.inode {
            // Another file has come to the path since it was listed: the listed one keeps its position, and both are met in the next round.
            return Ok(None);
        }
        // So that its number is not given away again.
        self.shelf.put(number, input.record(false));
        Ok(Some(Tailed::new(number, input)))
    }

    fn read_all(&mut self, outlet: &Outlet, now: Instant) -> Result<bool, Gone> {
        for tailed in &mut self.open {
            tailed.look(outlet, &mut self.told)?;
        }
        for tailed in self.open.iter_mut().filter(|tailed| tailed.away_since.is_some()) {
            tailed.read(outlet, &mut self.told)?;
            tailed.is_behind = tailed.room == 0 && !tailed.is_damaged;
        }
        if self.open.iter().any(|tailed| tailed.away_since.is_some() && tailed.is_behind) {
            return Ok(true);
        }
        for tailed in self.open.iter_mut().filter(|tailed| tailed.away_since.is_none()) {
            tailed.read(outlet, &mut self.told)?;
        }
        let is_over = |tailed: &Tailed| tailed.away_since.is_some_and(|since| now - since >= ROTATE_WAIT);
        for mut tailed in self.open.extract_if(.., |tailed| is_over(tailed)) {
            tailed.input.end();
            tailed.room = u64::MAX;
            tailed.read(outlet, &mut self.told)?;
            self.shelf.forget(tailed.number);
            outlet.position(name(tailed.number), None)?;
        }
        Ok(self.open.iter().any(|tailed| tailed.is_behind))
    }
}

/// A file system without lasting inodes: the file has its name and its time.
fn is_known_by_time(record: &Record, found: &Found) -> bool {
    record.path == found.path && record.meta.modified_ns == found.meta.modified_ns
}

impl Tailed {
    fn new(number: u64, input: Input) -> Tailed {
        Tailed { number, input: input.tailed(), away_since: None, room: 0, is_behind: false, is_damaged: false }
    }

    /// Looks whether it is still what it was, and how much there is to read.
    fn look(&mut self, outlet: &Outlet, told: &mut Told) -> Result<(), Gone> {
        let length = match self.input.look() {
            Err(Trouble::Truncated) => {
                self.begin_again(outlet, told)?;
                self.input.look()
            }
            length => length,
        };
        self.room = match length {
            Ok(_) if self.is_damaged => 0,
            Ok(_) if self.away_since.is_some() => ROUND_BYTES,
            Ok(length) => length.saturating_sub(self.input.read_through()),
            Err(trouble) => {
                told.warn(&self.input.path, &format!("it can't be read: {trouble}"));
                0
            }
        };
        self.is_behind = self.room > ROUND_BYTES;
        self.room = self.room.min(ROUND_BYTES);
        Ok(())
    }

    fn read(&mut self, outlet: &Outlet, told: &mut Told) -> Result<(), Gone> {
        loop {
            match self.input.next(usize::MAX, &mut self.room) {
                Ok(frames) if frames.is_empty() => return Ok(()),
                Ok(frames) => self.hand_on(outlet, frames)?,
                Err(Trouble::Truncated) => return self.begin_again(outlet, told),
                Err(Trouble::Damaged(what)) => {
                    told.warn(&self.input.path, &what);
                    self.is_damaged = true;
                    let reason = format!("the file is not read: {what}");
                    let letter = FrameContent::Bad { length: 0, beginning: bytes::Bytes::new(), reason };
                    return self.hand_on(outlet, vec![letter]);
                }
                Err(trouble) => {
                    told.warn(&self.input.path, &format!("it can't be read on: {trouble}"));
                    return Ok(());
                }
            }
        }
    }

    fn begin_again(&mut self, outlet: &Outlet, told: &mut Told) -> Result<(), Gone> {
        self.is_damaged = false;
        self.room = 0;
        match self.input.begin_again() {
            Ok(lost) => self.hand_on(outlet, lost.into_iter().collect()),
            Err(trouble) => {
                told.warn(&self.input.path, &format!("it can't be read: {trouble}"));
                Ok(())
            }
        }
    }

    fn hand_on(&self, outlet: &Outlet, frames: Vec<FrameContent>) -> Result<(), Gone> {
        outlet.records(&self.input.place, frames, self.number, &self.input.record(false))
    }
}
