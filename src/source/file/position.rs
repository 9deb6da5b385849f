//! How far a file has been read, as it is stored with the rows, and how the file is known again.
//!
//! A file goes by its inode, its time and its bytes: the first [`HEAD_BYTES`] and the last [`TAIL_BYTES`] before the place where reading goes on. An
//! inode alone can come again with another file, and on FAT it changes with each mount; a name alone can be given to another file.
//!
//! Invariant: everything before `offset` has been handed over, and `offset` is the beginning of a record.
//!
//! Stored, numbers little-endian: version `u8` 1, flags `u8` (1 read to the end, 2 with a header), inode `u64`, time of change in ns `i64`, length on the disk `u64`, offset
//! `u64`, XXH3 of the head `u64` and of the tail `u64`, the header (`u32` length, bytes) where there is one, the path (`u32` length, bytes).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::header::HEADER_BYTES_MAX;

pub const HEAD_BYTES: usize = 1_024;
pub const TAIL_BYTES: usize = 256;
const PATH_BYTES_MAX: usize = 4_096;
const VERSION: u8 = 1;
const DONE: u8 = 1;
const WITH_HEADER: u8 = 2;

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Not stored: it may change with each start of the machine.
    pub device: u64,
    pub inode: u64,
    pub modified_ns: i64,
    pub bytes: u64,
}

impl Meta {
    pub fn of(meta: &std::fs::Metadata) -> Meta {
        use std::os::unix::fs::MetadataExt;
        let modified_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Meta { device: meta.dev(), inode: meta.ino(), modified_ns, bytes: meta.size() }
    }
}

/// How far one file has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub path: PathBuf,
    pub meta: Meta,
    /// Bytes passed; of a compressed file those of what it holds.
    pub offset: u64,
    pub sums: Sums,
    /// CSV: the line of names, where reading goes on behind it.
    pub header: Option<Vec<u8>>,
    /// It was read to its end as it was then.
    pub done: bool,
}

/// Sums over the bytes by which a file is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    pub head: u64,
    pub tail: u64,
}

/// The first bytes and the last ones of what was passed.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: u64,
}

impl Trace {
    /// That of a file whose first `length` bytes begin with `head` and end in `tail`.
    pub fn at(length: u64, head: Vec<u8>, tail: Vec<u8>) -> Trace {
        Trace { head, tail, length }
    }

    pub fn pass(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let kept = TAIL_BYTES.saturating_sub(bytes.len()).min(self.tail.len());
        self.tail.drain(..self.tail.len() - kept);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        self.length += bytes.len() as u64;
    }

    /// Bytes passed.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The last bytes passed, at most [`TAIL_BYTES`].
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    pub fn sums(&self) -> Sums {
        Sums { head: xxh3_64(&self.head), tail: xxh3_64(&self.tail) }
    }
}

/// Why a stored position can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    #[error("version {0} is not known: was it stored by a newer version?")]
    Version(u8),
    #[error("it is damaged")]
    Damaged,
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        let header = self.header.as_deref();
        let flags = if self.done { DONE } else { 0 } | if header.is_some() { WITH_HEADER } else { 0 };
        let mut out = vec![VERSION, flags];
        out.extend(self.meta.inode.to_le_bytes());
        out.extend(self.meta.modified_ns.to_le_bytes());
        for number in [self.meta.bytes, self.offset, self.sums.head, self.sums.tail] {
            out.extend(number.to_le_bytes());
        }
        for bytes in header.into_iter().chain([self.path.as_os_str().as_bytes()]) {
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        out
    }

    pub fn decode(stored: &[u8]) -> Result<Record, PositionError> {
        let mut rest = Rest(stored);
        match rest.array::<1>()? {
            [VERSION] => {}
            [other] => return Err(PositionError::Version(other)),
        }
        let [flags] = rest.array()?;
        let inode = u64::from_le_bytes(rest.array()?);
        let modified_ns = i64::from_le_bytes(rest.array()?);
        let bytes = u64::from_le_bytes(rest.array()?);
        let offset = u64::from_le_bytes(rest.array()?);
        let sums = Sums { head: u64::from_le_bytes(rest.array()?), tail: u64::from_le_bytes(rest.array()?) };
        let header = if flags & WITH_HEADER != 0 { Some(rest.bytes(HEADER_BYTES_MAX)?.to_vec()) } else { None };
        let path = PathBuf::from(OsString::from_vec(rest.bytes(PATH_BYTES_MAX)?.to_vec()));
        if !rest.0.is_empty() || flags & !(DONE | WITH_HEADER) != 0 {
            return Err(PositionError::Damaged);
        }
        Ok(Record { path, meta: Meta { device: 0, inode, modified_ns, bytes }, offset, sums, header, done: flags & DONE != 0 })
    }
}

/// What is not yet read of a stored value.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], PositionError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(PositionError::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, length_max: usize) -> Result<&'a [u8], PositionError> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (taken, rest) = self.0.split_at_checked(length).filter(|_| length <= length_max).ok_or(PositionError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            path: PathBuf::from(OsString::from_vec(b"/in/a\xff.csv".to_vec())),
            meta: Meta { device: 0, inode: u64::MAX, modified_ns: -5, bytes: 7 },
            offset: 1 << 40,
            sums: Sums { head: 1, tail: 2 },
            header: Some(b"a,b".to_vec()),
            done: true,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        for record in [record(), Record { header: None, done: false, ..record() }] {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let whole = record().encode();
        for length in 1..whole.len() {
            assert_eq!(Record::decode(&whole[..length]), Err(PositionError::Damaged), "{length}");
        }
        assert_eq!(Record::decode(&[whole.clone(), vec![0]].concat()), Err(PositionError::Damaged));
        assert_eq!(Record::decode(&[9]), Err(PositionError::Version(9)));
        let mut long = whole;
        long[50..54].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Record::decode(&long), Err(PositionError::Damaged));
    }

    #[test]
    fn a_trace_is_the_same_however_the_bytes_came() {
        let bytes: Vec<u8> = (0..5_000u32).map(|number| (number % 251) as u8).collect();
        for length in [0, 1, 255, 256, 257, 1_023, 1_024, 1_025, 5_000] {
            let mut whole = Trace::default();
            whole.pass(&bytes[..length]);
            for step in [1, 7, 255, 256, 1_000] {
                let mut stepped = Trace::default();
                bytes[..length].chunks(step).for_each(|piece| stepped.pass(piece));
                assert_eq!((stepped.sums(), stepped.length(), stepped.tail()), (whole.sums(), length as u64, whole.tail()));
            }
            let tail = &bytes[length.saturating_sub(TAIL_BYTES)..length];
            assert_eq!(whole.tail(), tail);
        }
    }
}
