//! Chunks: the records of one log that were committed together, as bytes under one CRC. Pure.
//!
//! Bytes come from a disk and are hostile: decoding never panics, and believes no length before it was checked against
//! [`CHUNK_BYTES_MAX`] and the bytes at hand. The layout is described in `docs/format.md`.

use std::io;

use memchr::memmem;

use super::{Chunk, SegmentMeta};

/// Largest encoded chunk.
pub const CHUNK_BYTES_MAX: usize = 16 << 20;
/// Bytes before the first record.
pub const HEADER_BYTES: usize = 44;
/// How many places that look like a chunk a scan tries after damage, before it gives the rest up.
pub const RESYNC_TRIES_MAX: usize = 4096;

const MAGIC: [u8; 4] = *b"TMCK";
const VERSION: u8 = 1;
const CRC_AT: usize = 12;
const CRC_END: usize = CRC_AT + 4;
/// Step of the search for the next chunk after damage.
const SEARCH_BYTES: usize = 64 << 10;

/// Why bytes are not a chunk, or a chunk cannot be bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a chunk of {0} bytes is over the limit of {CHUNK_BYTES_MAX}")]
    TooLong(usize),
    #[error("the bytes end before the chunk does")]
    Short,
    #[error("no chunk begins here")]
    NoMagic,
    #[error("the chunk has version {0}, known is {VERSION}")]
    Version(u8),
    #[error("the checksum does not match")]
    Checksum,
    #[error("the records do not fill the chunk")]
    Records,
}

/// Encodes a chunk.
pub fn encode(chunk: &Chunk) -> Result<Vec<u8>, ChunkError> {
    let length = encoded_len(chunk.records.iter().map(Vec::len));
    if length > CHUNK_BYTES_MAX {
        return Err(ChunkError::TooLong(length));
    }
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, 0, 0, 0]);
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&chunk.epoch.to_le_bytes());
    out.extend_from_slice(&chunk.first_seq.to_le_bytes());
    out.extend_from_slice(&chunk.created_ms.to_le_bytes());
    out.extend_from_slice(&(chunk.records.len() as u32).to_le_bytes());
    for record in &chunk.records {
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(record);
    }
    let crc = checksum(&out);
    out[CRC_AT..CRC_END].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// Size of a chunk with records of these lengths, in bytes: to close a chunk before it is over the limit.
pub fn encoded_len(record_lens: impl Iterator<Item = usize>) -> usize {
    record_lens.fold(HEADER_BYTES, |sum, len| sum.saturating_add(4).saturating_add(len))
}

/// The length that a chunk's header states, in bytes with the header; the first check of hostile bytes.
pub fn stated_len(bytes: &[u8]) -> Result<usize, ChunkError> {
    if bytes.len() < HEADER_BYTES {
        return Err(ChunkError::Short);
    }
    if bytes[..4] != MAGIC {
        return Err(ChunkError::NoMagic);
    }
    if bytes[4] != VERSION {
        return Err(ChunkError::Version(bytes[4]));
    }
    let length = u32_at(bytes, 8) as usize;
    if length > CHUNK_BYTES_MAX {
        return Err(ChunkError::TooLong(length));
    }
    if length < HEADER_BYTES { Err(ChunkError::Records) } else { Ok(length) }
}

/// Decodes the chunk at the beginning of `bytes`; also says how long it is.
pub fn decode(bytes: &[u8]) -> Result<(Chunk, usize), ChunkError> {
    let length = stated_len(bytes)?;
    let bytes = bytes.get(..length).ok_or(ChunkError::Short)?;
    if u32_at(bytes, CRC_AT) != checksum(bytes) {
        return Err(ChunkError::Checksum);
    }
    let count = u32_at(bytes, 40) as usize;
    let mut rest = &bytes[HEADER_BYTES..];
    // Every record takes 4 bytes at least: a count beyond that is a lie, and must not size an allocation.
    if count > rest.len() / 4 {
        return Err(ChunkError::Records);
    }
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let (len, after) = rest.split_at_checked(4).ok_or(ChunkError::Records)?;
        let (record, after) = after.split_at_checked(u32_at(len, 0) as usize).ok_or(ChunkError::Records)?;
        records.push(record.to_vec());
        rest = after;
    }
    if !rest.is_empty() {
        return Err(ChunkError::Records);
    }
    let chunk = Chunk { epoch: u64_at(bytes, 16), first_seq: u64_at(bytes, 24), created_ms: u64_at(bytes, 32) as i64, records };
    Ok((chunk, length))
}

/// What a scan found in a segment's bytes. Offsets count from the segment's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// After the last valid chunk.
    pub end: u64,
    /// The valid chunks summed up, at the base and up to the end of the segment; `None` where there is none.
    pub meta: Option<SegmentMeta>,
    /// Ranges that hold no valid chunk, ascending; the last may reach the end of the file.
    pub damaged: Vec<(u64, u64)>,
}

/// Finds the valid chunks of a segment of `len` bytes that begins at `base` in its log, skipping damage. `read(offset, len)` gives bytes,
/// fewer only at the end; one chunk is held at a time.
pub fn scan(base: u64, len: u64, mut read: impl FnMut(u64, usize) -> io::Result<Vec<u8>>) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut at = 0;
    let mut tries = RESYNC_TRIES_MAX;
    while at < len {
        if let Ok((chunk, length)) = chunk_at(at, &mut read)? {
            at += length as u64;
            scan.end = at;
            match &mut scan.meta {
                Some(meta) => meta.extend(&chunk, base + at),
                None => scan.meta = Some(SegmentMeta::begin(base, &chunk, base + at)),
            }
            continue;
        }
        let next = next_chunk(at + 1, len, &mut tries, &mut read)?;
        scan.damaged.push((at, next));
        at = next;
    }
    Ok(scan)
}

/// The chunk that begins at `at`, read header first.
pub fn chunk_at(at: u64, read: &mut impl FnMut(u64, usize) -> io::Result<Vec<u8>>) -> io::Result<Result<(Chunk, usize), ChunkError>> {
    let header = read(at, HEADER_BYTES)?;
    match stated_len(&header) {
        Ok(length) => Ok(decode(&read(at, length)?)),
        Err(error) => Ok(Err(error)),
    }
}

/// Where the next valid chunk at or after `from` begins; `len` if none is found in at most `tries`.
pub fn next_chunk(from: u64, len: u64, tries: &mut usize, read: &mut impl FnMut(u64, usize) -> io::Result<Vec<u8>>) -> io::Result<u64> {
    let mut at = from;
    while at < len && *tries > 0 {
        let window = read(at, SEARCH_BYTES)?;
        if window.len() < MAGIC.len() {
            break;
        }
        match memmem::find(&window, &MAGIC) {
            Some(found) => {
                at += found as u64;
                *tries -= 1;
                if chunk_at(at, read)?.is_ok() {
                    return Ok(at);
                }
                at += 1;
            }
            // A magic may straddle two windows.
            None => at += (window.len() - (MAGIC.len() - 1)) as u64,
        }
    }
    Ok(len)
}

impl SegmentMeta {
    /// A segment whose first chunk is `chunk`, which ends at `end` in the log.
    pub fn begin(base: u64, chunk: &Chunk, end: u64) -> SegmentMeta {
        let first = (chunk.epoch, chunk.first_seq);
        SegmentMeta {
            base,
            end,
            records: chunk.records.len() as u64,
            first,
            last: chunk.last(),
            oldest_ms: chunk.created_ms,
            newest_ms: chunk.created_ms,
        }
    }

    /// The segment after one more chunk, which ends at `end` in the log.
    pub fn extend(&mut self, chunk: &Chunk, end: u64) {
        self.end = end;
        self.records = self.records.saturating_add(chunk.records.len() as u64);
        self.last = chunk.last();
        self.oldest_ms = self.oldest_ms.min(chunk.created_ms);
        self.newest_ms = self.newest_ms.max(chunk.created_ms);
    }
}

impl Chunk {
    /// Epoch and number of the first record.
    pub fn first(&self) -> (u64, u64) {
        (self.epoch, self.first_seq)
    }

    /// Those of the last.
    pub fn last(&self) -> (u64, u64) {
        (self.epoch, self.first_seq.saturating_add((self.records.len() as u64).saturating_sub(1)))
    }
}

/// CRC32 of everything but the CRC itself.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..CRC_AT]);
    crc.update(&bytes[CRC_END..]);
    crc.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(seq: u64, records: &[&[u8]]) -> Chunk {
        Chunk { epoch: 7, first_seq: seq, created_ms: -5 + seq as i64, records: records.iter().map(|r| r.to_vec()).collect() }
    }

    fn scan_bytes(base: u64, bytes: &[u8]) -> Scan {
        scan(base, bytes.len() as u64, |offset, len| {
            let start = (offset as usize).min(bytes.len());
            Ok(bytes[start..(start + len).min(bytes.len())].to_vec())
        })
        .unwrap()
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = encode(&Chunk { epoch: 1, first_seq: 2, created_ms: 3, records: vec![b"ab".to_vec(), vec![]] }).unwrap();
        let mut expected = b"TMCK\x01\0\0\0\x36\0\0\0".to_vec();
        expected.extend_from_slice(&bytes[12..16]);
        for number in [1u64, 2, 3] {
            expected.extend_from_slice(&number.to_le_bytes());
        }
        expected.extend_from_slice(b"\x02\0\0\0\x02\0\0\0ab\0\0\0\0");
        assert_eq!(bytes, expected);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[..12]);
        crc.update(&bytes[16..]);
        assert_eq!(bytes[12..16], crc.finalize().to_le_bytes());
    }

    #[test]
    fn a_chunk_over_the_limit_is_refused() {
        let long = chunk(0, &[&vec![0; CHUNK_BYTES_MAX]]);
        assert_eq!(encode(&long), Err(ChunkError::TooLong(CHUNK_BYTES_MAX + HEADER_BYTES + 4)));
    }

    #[test]
    fn a_stated_length_over_the_limit_is_refused_before_anything_is_read() {
        let mut bytes = encode(&chunk(0, &[b"x"])).unwrap();
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(stated_len(&bytes), Err(ChunkError::TooLong(u32::MAX as usize)));
    }

    #[test]
    fn a_count_that_lies_under_a_right_checksum_is_refused() {
        let mut bytes = encode(&chunk(0, &[b"x"])).unwrap();
        bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[CRC_AT..CRC_END].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&bytes), Err(ChunkError::Records));
    }

    #[test]
    fn every_single_byte_of_a_chunk_is_guarded() {
        let bytes = encode(&chunk(3, &[b"one", b"two"])).unwrap();
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            assert!(decode(&broken).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_scan_stops_at_a_torn_tail() {
        let mut bytes = encode(&chunk(0, &[b"a", b"b"])).unwrap();
        bytes.extend(encode(&chunk(2, &[b"c"])).unwrap());
        let whole = bytes.len() as u64;
        bytes.extend(&encode(&chunk(3, &[b"ddddddddd"])).unwrap()[..50]);
        let found = scan_bytes(1000, &bytes);
        let meta = found.meta.unwrap();
        assert_eq!((found.end, meta.base, meta.end), (whole, 1000, 1000 + whole));
        assert_eq!((meta.records, meta.first, meta.last), (3, (7, 0), (7, 2)));
        assert_eq!((meta.oldest_ms, meta.newest_ms), (-5, -3));
        assert_eq!(found.damaged, vec![(whole, bytes.len() as u64)]);
    }

    #[test]
    fn a_scan_finds_the_chunks_behind_damage() {
        let one = encode(&chunk(0, &[b"a"])).unwrap();
        let two = encode(&chunk(1, &[b"b"])).unwrap();
        let mut bytes = one.clone();
        // More than a search window, with places that look like a chunk.
        bytes.extend(b"TMCK".repeat(SEARCH_BYTES / 4));
        bytes.extend(b"TMC");
        let hole_end = bytes.len() as u64;
        bytes.extend(&two);
        let mut few = 10;
        let read = &mut |offset: u64, len: usize| Ok(bytes[offset as usize..(offset as usize + len).min(bytes.len())].to_vec());
        assert_eq!(next_chunk(one.len() as u64, bytes.len() as u64, &mut few, read).unwrap(), bytes.len() as u64);
        let plain: Vec<u8> = [one.clone(), vec![0; SEARCH_BYTES + 7], two.clone()].concat();
        let found = scan_bytes(0, &plain);
        assert_eq!(found.damaged, vec![(one.len() as u64, (one.len() + SEARCH_BYTES + 7) as u64)]);
        assert_eq!(found.meta.map(|meta| meta.records), Some(2));
        assert!(hole_end > SEARCH_BYTES as u64);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(epoch: u64, first_seq: u64, created_ms: i64,
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20), after in prop::collection::vec(any::<u8>(), 0..9)) {
            let chunk = Chunk { epoch, first_seq, created_ms, records };
            let mut bytes = encode(&chunk).unwrap();
            let length = bytes.len();
            prop_assert_eq!(length, encoded_len(chunk.records.iter().map(Vec::len)));
            bytes.extend(after);
            prop_assert_eq!(decode(&bytes), Ok((chunk, length)));
        }

        #[test]
        fn hostile_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool, right_crc: bool) {
            if magic && bytes.len() >= HEADER_BYTES {
                bytes[..5].copy_from_slice(b"TMCK\x01");
                let length = bytes.len() as u32;
                bytes[8..12].copy_from_slice(&length.to_le_bytes());
                if right_crc {
                    let crc = checksum(&bytes);
                    bytes[CRC_AT..CRC_END].copy_from_slice(&crc.to_le_bytes());
                }
            }
            let found = scan_bytes(u64::from(u32::MAX), &bytes);
            prop_assert_eq!(decode(&bytes).is_ok(), found.meta.is_some() && found.damaged.first().is_none_or(|d| d.0 > 0));
        }
    }
}
