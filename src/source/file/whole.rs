//! Files that are complete: each is read to its end, once.
//!
//! A file that was read and is longer now is read on; one that took another's name is read from its beginning, unless it has the same inode or time
//! and begins and goes on with the same bytes. A damaged file is read as far as it is good; the rest is a dead letter.
//!
//! When a file is complete (mode "follow"): when it has not changed for [`SETTLE`], by its time or by two looks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::header::unnamed;
use super::input::{Input, Shape, Trouble};
use super::listing::{Found, Listing, list};
use super::outlet::{Gone, Outlet, Word};
use super::pace::Pacer;
use super::position::{Meta, Record};
use super::shelf::{Shelf, name};
use super::told::Told;
use crate::config::settings::FileSourceSettings;
use crate::gateway::FrameContent;

/// For how long a file must not have changed.
const SETTLE: Duration = Duration::from_secs(2);
/// How often files are looked at that no directory tells of, such as one that was written over in its place.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);
/// Records that are handed on at once where they are paced.
const PACED_MAX: usize = 256;

pub struct Whole {
    files: FileSourceSettings,
    shape: Arc<Shape>,
    shelf: Shelf,
    outlet: Outlet,
    told: Told,
    /// That a line of names should have.
    columns: Vec<String>,
    /// Files that may still be written to: how they were when they were first seen so.
    unsettled: HashMap<PathBuf, (Meta, Instant)>,
}

impl Whole {
    pub fn new(source: &str, files: &FileSourceSettings, shape: Arc<Shape>, shelf: Shelf, outlet: Outlet, columns: Vec<String>) -> Whole {
        let (files, told) = (files.clone(), Told::new(source));
        Whole { files, shape, shelf, outlet, told, columns, unsettled: HashMap::new() }
    }

    /// Reads what is there, by name, and ends.
    pub fn read_once(&mut self, mut pacer: Option<Pacer>) -> Result<(), Gone> {
        let path = self.files.path.display().to_string();
        match list(&self.files.path) {
            Ok(listing) if !listing.files.is_empty() => {
                let known = listing.files.iter().filter(|found| self.is_read(found)).count();
                let count = listing.files.len();
                self.outlet.opened(match known {
                    0 => format!("reading {path}, {count} files"),
                    _ => format!("reading {path}, {count} files, of which {known} have been read before"),
                })?;
                self.forget_gone(&listing, Instant::now())?;
                for found in &listing.files {
                    self.take(found, pacer.as_mut())?;
                }
            }
            Ok(_) => self.told.warn(&self.files.path.clone(), "it names no file: nothing is read"),
            Err(reason) => self.told.warn(&self.files.path.clone(), &format!("nothing is read: {reason}")),
        }
        self.outlet.say(Word::Ended)
    }

    /// Reads files as they appear, the oldest first.
    pub fn follow(&mut self) -> Result<(), Gone> {
        let mut last: Option<(Listing, Instant)> = None;
        loop {
            let now = Instant::now();
            let is_current =
                |(listing, at): &(Listing, Instant)| self.unsettled.is_empty() && now - *at < LOOK_AT_ALL && listing.is_current();
            if !last.as_ref().is_some_and(is_current) {
                match list(&self.files.path) {
                    Ok(listing) => {
                        self.outlet.opened(format!("following {}", self.files.path.display()))?;
                        let missed = self.look(&listing, now)?;
                        last = Some((listing, now)).filter(|_| !missed);
                    }
                    Err(reason) => {
                        last = None;
                        self.outlet.closed(reason)?;
                    }
                }
            }
            self.outlet.wait(self.files.check_interval)?;
        }
    }

    /// Takes what is complete of a listing; `true` if something could not be read.
    fn look(&mut self, listing: &Listing, now: Instant) -> Result<bool, Gone> {
        self.forget_gone(listing, now)?;
        let mut new: Vec<&Found> = listing.files.iter().filter(|found| !self.is_read(found)).collect();
        new.sort_by(|a, b| (a.meta.modified_ns, &a.path).cmp(&(b.meta.modified_ns, &b.path)));
        let mut missed = false;
        for found in new {
            if self.is_settled(found, now) {
                self.unsettled.remove(&found.path);
                missed |= !self.take(found, None)?;
            }
        }
        Ok(missed)
    }

    fn forget_gone(&mut self, listing: &Listing, now: Instant) -> Result<(), Gone> {
        let there: HashSet<&Path> = listing.files.iter().map(|found| found.path.as_path()).collect();
        self.unsettled.retain(|path, _| there.contains(path.as_path()));
        let forgotten = self.shelf.sweep(now, |_, path| path.is_some_and(|path| there.contains(path)));
        forgotten.into_iter().try_for_each(|number| self.outlet.position(name(number), None))
    }

    fn is_read(&self, found: &Found) -> bool {
        let same = |record: &Record| record.done && Meta { device: 0, ..found.meta } == Meta { device: 0, ..record.meta };
        self.shelf.at_path(&found.path).is_some_and(|(_, record)| same(record))
    }

    fn is_settled(&mut self, found: &Found, now: Instant) -> bool {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(found.meta.modified_ns).unwrap_or(0));
        if SystemTime::now().duration_since(modified).is_ok_and(|age| age >= SETTLE) {
            return true;
        }
        let (meta, since) = self.unsettled.entry(found.path.clone()).or_insert((found.meta, now));
        if *meta != found.meta {
            (*meta, *since) = (found.meta, now);
        }
        now - *since >= SETTLE
    }

    /// Reads a file to its end; `false` if it could not be read and is to be tried again.
    fn take(&mut self, found: &Found, pacer: Option<&mut Pacer>) -> Result<bool, Gone> {
        if self.is_read(found) {
            return Ok(true);
        }
        match self.open(found) {
            Ok(Some((number, input))) => self.read(number, input, pacer),
            Ok(None) => Ok(false),
            Err(Trouble::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Err(trouble) => {
                self.told.warn(&found.path, &format!("it can't be read: {trouble}"));
                Ok(false)
            }
        }
    }

    /// The file from where it was read to, and its number.
    fn open(&mut self, found: &Found) -> Result<Option<(u64, Input)>, Trouble> {
        if let Some((number, record)) = self.shelf.at_path(&found.path) {
            if let Some(input) = Input::resume(&found.path, &self.shape, record)? {
                return Ok(Some((number, input)));
            }
            if !record.done && record.offset > 0 {
                let what = format!("another file has taken the place of the one that was read up to byte {}", record.offset);
                self.told.warn(&found.path, &what);
            }
        }
        let renamed = self.shelf.with_inode(found.meta.inode).filter(|(_, record)| !is_at(&record.path, record.meta.inode));
        if let Some((number, record)) = renamed
            && let Some(input) = Input::resume(&found.path, &self.shape, record)?
        {
            return Ok(Some((number, input)));
        }
        let input = Input::open(&found.path, &self.shape)?;
        let Some(number) = self.shelf.new_number() else {
            self.told.warn(&self.files.path.clone(), "it names more files than there is room for positions; the newest are left alone");
            return Ok(None);
        };
        Ok(Some((number, input)))
    }

    fn read(&mut self, number: u64, mut input: Input, mut pacer: Option<&mut Pacer>) -> Result<bool, Gone> {
        let records_max = if pacer.is_some() { 1 } else { usize::MAX };
        let (mut batch, mut ended, mut looked) = (Vec::new(), false, false);
        let damage = loop {
            let before = pacer.is_some().then(|| input.record(false));
            let frames = match input.next(records_max, &mut u64::MAX.clone()) {
                Ok(frames) => frames,
                Err(Trouble::Io(error)) => {
                    self.told.warn(&input.path, &format!("it can't be read on: {error}"));
                    return self.flush(number, &input, &input.record(false), batch).map(|()| false);
                }
                Err(trouble) => break Some(trouble.to_string()),
            };
            if !std::mem::replace(&mut looked, true) {
                self.look_at_header(&input);
            }
            match frames.as_slice() {
                [] if ended => break None,
                [] => {
                    ended = true;
                    input.end();
                    continue;
                }
                [frame] if let (Some(pacer), Some(before)) = (pacer.as_deref_mut(), before) => {
                    let wait = pacer.wait(frame, Instant::now());
                    if !wait.is_zero() || batch.len() >= PACED_MAX {
                        self.flush(number, &input, &before, std::mem::take(&mut batch))?;
                        self.outlet.wait(wait)?;
                    }
                    batch.extend(frames);
                }
                _ => self.flush(number, &input, &input.record(false), frames)?,
            }
        };
        if let Some(damage) = damage {
            batch.push(self.damaged(&input, &damage));
        } else {
            self.told.clear(&input.path);
        }
        let record = input.record(true);
        self.outlet.records(&input.place, batch, number, &record)?;
        self.shelf.put(number, record);
        Ok(true)
    }

    fn flush(&mut self, number: u64, input: &Input, record: &Record, frames: Vec<FrameContent>) -> Result<(), Gone> {
        if frames.is_empty() { Ok(()) } else { self.outlet.records(&input.place, frames, number, record) }
    }

    /// What is left of a damaged file, as a dead letter.
    fn damaged(&mut self, input: &Input, damage: &str) -> FrameContent {
        let reason = format!("the file is read up to byte {} and no further: {damage}", input.offset());
        self.told.warn(&input.path, &reason);
        let nothing = FrameContent::Bad { length: 0, beginning: bytes::Bytes::new(), reason: reason.clone() };
        input.unfinished(&reason).unwrap_or(nothing)
    }

    /// Columns that the header does not name are NULL in every row: somebody should know.
    fn look_at_header(&mut self, input: &Input) {
        let (Some(csv), Some(header)) = (&self.shape.csv, input.header()) else { return };
        if csv.header == crate::format::csv::CsvHeader::Names {
            let missing = unnamed(csv, header, &self.columns);
            if !missing.is_empty() {
                let what = format!("its header does not name {}: NULL in every row", missing.join(", "));
                self.told.warn(&input.path, &what);
            }
        }
    }
}

/// Whether the path leads to a file with this inode.
fn is_at(path: &Path, inode: u64) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| std::os::unix::fs::MetadataExt::ino(&meta) == inode)
}
