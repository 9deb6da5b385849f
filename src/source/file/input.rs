//! One file that is being read: records out, and the position behind them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::{Contents, is_compressed};
use super::cut::Cutter;
use super::header::Header;
use super::position::{Meta, Record, TAIL_BYTES, Trace};
use crate::format::csv::{CsvSettings, RecordScan};
use crate::gateway::FrameContent;

/// How the files of a source are taken apart.
#[derive(Clone, Debug)]
pub struct Shape {
    /// For CSV files.
    pub csv: Option<CsvSettings>,
    pub record_bytes_max: usize,
}

impl Shape {
    fn cutter(&self, at_start: bool) -> Cutter {
        let quotes = self.csv.as_ref().filter(|csv| csv.multi_line).map(RecordScan::new);
        Cutter::new(self.record_bytes_max, quotes, at_start)
    }
}

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// What it holds is no good from here on; trying again gives the same.
    #[error("{0}")]
    Damaged(String),
    /// What was read is no longer in it.
    #[error("it was truncated or written over")]
    Truncated,
    #[error("{}", crate::config::file_problem(io::Error::new(.0.kind(), .0.to_string())))]
    Io(#[from] io::Error),
}

pub struct Input {
    pub path: PathBuf,
    pub place: Arc<str>,
    /// As of its opening.
    pub meta: Meta,
    contents: Contents,
    cutter: Cutter,
    header: Header,
    /// Of what is handed over.
    trace: Trace,
    shape: Arc<Shape>,
    /// What is left at its end is a record.
    ended: bool,
    /// It may be truncated while it is read.
    is_tailed: bool,
}

impl Input {
    /// From its first byte on.
    pub fn open(path: &Path, shape: &Arc<Shape>) -> io::Result<Input> {
        let (contents, meta) = Contents::open(path)?;
        Ok(Input {
            path: path.to_owned(),
            place: path.to_string_lossy().into(),
            meta,
            contents,
            cutter: shape.cutter(true),
            header: Header::new(shape.csv.as_ref()),
            trace: Trace::default(),
            shape: shape.clone(),
            ended: false,
            is_tailed: false,
        })
    }

    /// From where it was read to; `None` if it is not the file that was read, or what was read is no longer in it.
    pub fn resume(path: &Path, shape: &Arc<Shape>, record: &Record) -> Result<Option<Input>, Trouble> {
        let mut input = Input::open(path, shape)?;
        if input.meta.inode != record.meta.inode && input.meta.modified_ns != record.meta.modified_ns {
            return Ok(None);
        }
        match input.contents.skip_to(record.offset) {
            Ok(Some(trace)) if trace.sums() == record.sums => input.go_on(trace, record.header.clone()).map(Some),
            Ok(_) => Ok(None),
            // Damage before the place that was reached: it is not what was read then.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// From the beginning of its last line on, if that has not ended, and else from its end.
    pub fn at_end(path: &Path, shape: &Arc<Shape>) -> Result<Input, Trouble> {
        let mut input = Input::open(path, shape)?;
        let end = input.contents.last_line_end()?;
        match input.contents.skip_to(end)? {
            Some(trace) if end > 0 => input.go_on(trace, None),
            _ => Ok(input),
        }
    }

    /// As a file that is written to while it is read.
    pub fn tailed(self) -> Input {
        Input { is_tailed: true, ..self }
    }

    fn go_on(mut self, trace: Trace, header: Option<Vec<u8>>) -> Result<Input, Trouble> {
        if trace.length() > 0 {
            self.cutter = self.shape.cutter(false);
            self.header = Header::passed(self.shape.csv.as_ref(), header);
            if self.header.is_missing() {
                let mut beginning = Input::open(&self.path, &self.shape)?;
                beginning.next(1, &mut u64::MAX.clone())?;
                self.header = Header::passed(self.shape.csv.as_ref(), beginning.header.line().map(|line| line.to_vec()));
            }
        }
        self.trace = trace;
        Ok(self)
    }

    /// The next records, at most `records_max`, and none where there is nothing more for now. At most `room` bytes are read, which are taken from it.
    pub fn next(&mut self, records_max: usize, room: &mut u64) -> Result<Vec<FrameContent>, Trouble> {
        loop {
            let mut frames = Vec::new();
            let passed = self.cutter.cut(records_max.min(self.header.records_max()), self.ended, &mut frames);
            self.trace.pass(&passed);
            self.header.apply(&mut frames).map_err(|error| Trouble::Damaged(error.to_string()))?;
            if !frames.is_empty() {
                return Ok(frames);
            }
            if !passed.is_empty() {
                continue;
            }
            if *room == 0 || self.read(room)? == 0 {
                return Ok(frames);
            }
        }
    }

    fn read(&mut self, room: &mut u64) -> Result<usize, Trouble> {
        let before = self.cutter.pending().len();
        let count = match self.contents.read(*room, self.cutter.buffer()) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(Trouble::Damaged(error.to_string())),
            count => count?,
        };
        *room -= count as u64;
        if count > 0 && !self.is_unchanged(before)? {
            return Err(Trouble::Truncated);
        }
        Ok(count)
    }

    /// Whether what stands before the last byte that was read is still there. `pending`: how much of that is not passed.
    fn is_unchanged(&self, pending: usize) -> io::Result<bool> {
        if !self.is_tailed {
            return Ok(true);
        }
        let pending = &self.cutter.pending()[..pending];
        let kept = &pending[pending.len().saturating_sub(TAIL_BYTES)..];
        let tail = self.trace.tail();
        let tail = &tail[tail.len().saturating_sub(TAIL_BYTES - kept.len())..];
        self.contents.still_has(self.trace.length() + pending.len() as u64, &[tail, kept].concat())
    }

    /// Looks whether a file that is written to is still what it was, as far as it was read; its length now.
    pub fn look(&mut self) -> Result<u64, Trouble> {
        let Some(meta) = self.contents.meta()? else { return Ok(0) };
        let changed = (meta.bytes, meta.modified_ns) != (self.meta.bytes, self.meta.modified_ns);
        let is_shorter = meta.bytes < self.trace.length() + self.cutter.pending().len() as u64;
        if is_shorter || (changed && !self.is_unchanged(self.cutter.pending().len())?) {
            return Err(Trouble::Truncated);
        }
        self.meta = meta;
        Ok(meta.bytes)
    }

    /// Begins anew after the file was truncated; a line that was cut off is returned as a bad record.
    pub fn begin_again(&mut self) -> Result<Option<FrameContent>, Trouble> {
        let lost = self.unfinished("the file was truncated before this line had ended");
        self.contents.skip_to(0)?;
        if let Some(meta) = self.contents.meta()? {
            self.meta = meta;
        }
        self.cutter = self.shape.cutter(true);
        self.trace = Trace::default();
        self.header.truncated();
        Ok(lost)
    }

    /// What is left is the last record: nothing more will be written. Then [`Input::next`] gives it.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What was read of a record that will not end.
    pub fn unfinished(&self, reason: &str) -> Option<FrameContent> {
        const KEPT_BYTES: usize = 1_024;
        let rest = self.cutter.pending();
        let beginning = bytes::Bytes::copy_from_slice(&rest[..rest.len().min(KEPT_BYTES)]);
        self.cutter.is_within_record().then(|| FrameContent::Bad { length: rest.len(), beginning, reason: reason.to_owned() })
    }

    /// Bytes passed.
    pub fn offset(&self) -> u64 {
        self.trace.length()
    }

    /// Bytes read, those of an unfinished record included.
    pub fn read_through(&self) -> u64 {
        self.trace.length() + self.cutter.pending().len() as u64
    }

    /// The header, once it is known.
    pub fn header(&self) -> Option<&[u8]> {
        self.header.line().map(AsRef::as_ref)
    }

    /// The position behind what was handed over.
    pub fn record(&self, done: bool) -> Record {
        let header = self.header.line().filter(|_| !done && !is_compressed(&self.path));
        Record {
            path: self.path.clone(),
            meta: self.meta,
            offset: self.trace.length(),
            sums: self.trace.sums(),
            header: header.map(|line| line.to_vec()),
            done,
        }
    }
}
