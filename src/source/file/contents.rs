//! The bytes of one file from a place on, as they are or decompressed.
//!
//! Compressed files (`.gz`, `.zst`) are told by their names; a place in one is a place in what it holds, and is reached by decompressing what
//! stands before it. Only regular files are read: a pipe could keep its reader waiting for ever.
//!
//! Limits: what a compressed file holds may be [`EXPANSION_MAX`] times its length, and [`EXPANDED_BYTES_MIN`] in any case: beyond, it counts as damaged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use bytes::BytesMut;

use super::position::{HEAD_BYTES, Meta, TAIL_BYTES, Trace};
use crate::format::compressed::Decompressed;

/// Bytes that are read at once.
pub const READ_BYTES: usize = 128 << 10;
const EXPANSION_MAX: u64 = 1_000;
const EXPANDED_BYTES_MIN: u64 = 64 << 20;

pub struct Contents {
    stream: Stream,
    /// Of what has been read.
    at: u64,
}

enum Stream {
    Plain(File),
    Compressed { decompressed: Box<Decompressed<File>>, bytes_max: u64 },
}

/// Whether a file of this name is compressed.
pub fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz") || ending.eq_ignore_ascii_case("zst"))
}

impl Contents {
    /// From the first byte on.
    pub fn open(path: &Path) -> io::Result<(Contents, Meta)> {
        // A pipe without a writer would keep an opening without this flag.
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            let what = if meta.is_dir() { "it is a directory" } else { "it is not a regular file" };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let stream = if is_compressed(path) {
            let bytes_max = meta.len().saturating_mul(EXPANSION_MAX).max(EXPANDED_BYTES_MIN);
            Stream::Compressed { decompressed: Box::new(Decompressed::new(file)), bytes_max }
        } else {
            Stream::Plain(file)
        };
        Ok((Contents { stream, at: 0 }, Meta::of(&meta)))
    }

    /// Adds at most `count_max` bytes, and at most [`READ_BYTES`], to `out`; 0 where there are no more. An error of kind
    /// `InvalidData` says that what the file holds is damaged from here on.
    pub fn read(&mut self, count_max: u64, out: &mut BytesMut) -> io::Result<usize> {
        let count_max = usize::try_from(count_max).map_or(READ_BYTES, |count| count.min(READ_BYTES));
        let before = out.len();
        out.resize(before + count_max, 0);
        let result = self.fill(&mut out[before..]);
        out.truncate(before + *result.as_ref().unwrap_or(&0));
        self.at += *result.as_ref().unwrap_or(&0) as u64;
        result
    }

    fn fill(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.stream {
                Stream::Plain(file) => file.read(out),
                Stream::Compressed { bytes_max, .. } if self.at > *bytes_max => {
                    let what = format!("it holds more than {bytes_max} bytes, too much for its length");
                    Err(io::Error::new(io::ErrorKind::InvalidData, what))
                }
                Stream::Compressed { decompressed, .. } => decompressed.read(out),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Goes to `offset`, from the beginning, and gives the trace of what stands before it; `None` where the file is shorter.
    pub fn skip_to(&mut self, offset: u64) -> io::Result<Option<Trace>> {
        if let Stream::Plain(file) = &mut self.stream {
            if file.metadata()?.len() < offset {
                return Ok(None);
            }
            let head = read_exactly(file, 0, offset.min(HEAD_BYTES as u64))?;
            let tail_bytes = offset.min(TAIL_BYTES as u64);
            let tail = read_exactly(file, offset - tail_bytes, tail_bytes)?;
            file.seek(SeekFrom::Start(offset))?;
            self.at = offset;
            return Ok(head.zip(tail).map(|(head, tail)| Trace::at(offset, head, tail)));
        }
        let (mut trace, mut piece) = (Trace::default(), BytesMut::new());
        while trace.length() < offset {
            piece.clear();
            if self.read(offset - trace.length(), &mut piece)? == 0 {
                return Ok(None);
            }
            trace.pass(&piece);
        }
        Ok(Some(trace))
    }

    /// Whether what stands before byte `end` is still `bytes`. Always so for a compressed file, which nobody writes to.
    pub fn still_has(&self, end: u64, bytes: &[u8]) -> io::Result<bool> {
        let Stream::Plain(file) = &self.stream else { return Ok(true) };
        Ok(read_exactly(file, end - bytes.len() as u64, bytes.len() as u64)?.is_some_and(|found| found == bytes))
    }

    /// Where the last line that has ended ends.
    pub fn last_line_end(&self) -> io::Result<u64> {
        let Stream::Plain(file) = &self.stream else { return Ok(0) };
        let mut end = file.metadata()?.len();
        while end > 0 {
            let count = end.min(READ_BYTES as u64);
            let Some(bytes) = read_exactly(file, end - count, count)? else { return Ok(0) };
            if let Some(found) = memchr::memrchr2(b'\n', b'\r', &bytes) {
                return Ok(end - count + found as u64 + 1);
            }
            end -= count;
        }
        Ok(0)
    }

    /// What the file system says of it now, whatever its name is; for files that are not compressed.
    pub fn meta(&self) -> io::Result<Option<Meta>> {
        let Stream::Plain(file) = &self.stream else { return Ok(None) };
        Ok(Some(Meta::of(&file.metadata()?)))
    }
}

/// `None` where the file is shorter.
fn read_exactly(file: &File, offset: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; count as usize];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
