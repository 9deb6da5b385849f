//! Records out of the bytes of a file: lines, ended by LF, CR LF or CR; of CSV files whose quoted fields may go on in the next line, records of
//! several lines. Pure.
//!
//! Invariants:
//! - Every byte is passed once: in a record, good or bad, or as one of the bytes between them. What is not yet passed is an unfinished record.
//! - A bad record ends at the next line end: what follows it is cut as if it had not been. So one open quote costs one line.
//!
//! Empty lines are no records. NUL bytes before a record are passed over: a file may have runs of them after a power cut, or after it was
//! truncated under a writer that goes on at its old place.
//!
//! Limits: `record_bytes_max` a record; of a longer one only [`BEGINNING_BYTES_MAX`] bytes and its length are kept.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::format::csv::RecordScan;
use crate::gateway::FrameContent;

/// How much of a bad record is kept for the dead letters.
const BEGINNING_BYTES_MAX: usize = 1_024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub struct Cutter {
    record_bytes_max: usize,
    /// For records that may have several lines.
    quotes: Option<RecordScan>,
    /// What is not yet passed.
    pending: BytesMut,
    /// Bytes of `pending` that are known to hold no line end.
    scanned: usize,
    /// The beginning and length of a line that is too long and has not ended; its bytes are passed already.
    long: Option<(Vec<u8>, usize)>,
    /// Nothing of the file has been passed.
    at_start: bool,
}

/// What stands at the beginning of what is not passed.
enum Found {
    /// A record, and where the next one begins.
    Record(Range<usize>, usize),
    /// A line that opens a quote which is not closed.
    Open(Range<usize>, usize),
    /// No end yet.
    Unfinished,
}

impl Cutter {
    /// `at_start`: the bytes are the file's first ones.
    pub fn new(record_bytes_max: usize, quotes: Option<RecordScan>, at_start: bool) -> Cutter {
        Cutter { record_bytes_max, quotes, pending: BytesMut::new(), scanned: 0, long: None, at_start }
    }

    /// What was read goes to the end of this.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.pending
    }

    /// Bytes that wait for the end of their record.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Whether a record has begun and not ended.
    pub fn is_within_record(&self) -> bool {
        !self.pending.is_empty() || self.long.is_some()
    }

    /// Adds the next records, at most `records_max`, to `frames`, and returns the bytes that are passed with them. `ended`: there are no more bytes,
    /// so that what is left is a record.
    pub fn cut(&mut self, records_max: usize, ended: bool, frames: &mut Vec<FrameContent>) -> Bytes {
        let mut at = self.start(ended);
        let mut found: Vec<Result<Range<usize>, FrameContent>> = Vec::new();
        while found.len() < records_max && at < self.pending.len() {
            if self.long.is_none() {
                at += self.pending[at..].iter().take_while(|byte| **byte == 0).count();
            }
            match self.find(at, ended) {
                Found::Record(range, next) => {
                    if let Some(record) = self.record(range) {
                        found.push(record);
                    }
                    at = next;
                }
                Found::Open(range, next) => {
                    let reason = format!("a quote is opened and not closed within max_payload, {} bytes", self.record_bytes_max);
                    found.push(Err(bad(&self.pending[range.clone()], range.len(), reason)));
                    at = next;
                }
                Found::Unfinished => break,
            }
            self.scanned = 0;
        }
        // With a record at hand the caller may store the place behind it, which must not be within a line.
        if found.is_empty() && self.pending.len() - at > self.record_bytes_max {
            self.begin_long(at);
            at = self.pending.len();
        }
        if ended && at == self.pending.len() && found.len() < records_max {
            found.extend(self.long.take().map(|(beginning, length)| Err(self.too_long(&beginning, length))));
        }
        let passed = self.pending.split_to(at).freeze();
        self.scanned = self.scanned.saturating_sub(at);
        frames.extend(found.into_iter().map(|record| record.map_or_else(|bad| bad, |range| FrameContent::Whole(passed.slice(range)))));
        passed
    }

    /// Where the records begin: behind a byte order mark.
    fn start(&mut self, ended: bool) -> usize {
        if !self.at_start || (!ended && self.pending.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.pending)) {
            return 0;
        }
        self.at_start = false;
        if self.pending.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
    }

    /// A record that has ended; `None` for an empty line.
    fn record(&mut self, range: Range<usize>) -> Option<Result<Range<usize>, FrameContent>> {
        if let Some((mut beginning, length)) = self.long.take() {
            let room = BEGINNING_BYTES_MAX.saturating_sub(beginning.len());
            beginning.extend_from_slice(&self.pending[range.clone()][..range.len().min(room)]);
            return Some(Err(self.too_long(&beginning, length + range.len())));
        }
        if range.len() > self.record_bytes_max {
            return Some(Err(self.too_long(&self.pending[range.clone()], range.len())));
        }
        (!range.is_empty()).then_some(Ok(range))
    }

    fn too_long(&self, beginning: &[u8], length: usize) -> FrameContent {
        bad(beginning, length, format!("the line has {length} bytes, more than max_payload, {}", self.record_bytes_max))
    }

    fn find(&mut self, at: usize, ended: bool) -> Found {
        let Some((end, next)) = self.line(at, self.scanned.max(at), ended) else {
            self.scanned = self.pending.len();
            return Found::Unfinished;
        };
        let is_long = self.long.is_some() || end - at > self.record_bytes_max;
        let Some(quotes) = self.quotes.as_mut().filter(|_| !is_long) else {
            return Found::Record(at..end, next);
        };
        let first = (at..end, next);
        let (mut from, mut end, mut next, mut open) = (at, end, next, false);
        loop {
            open = quotes.is_open(&self.pending[from..end], open);
            if !open {
                return Found::Record(at..end, next);
            }
            from = next;
            let further = line_end(&self.pending, from, from, ended);
            match further {
                Some(further) if further.0 - at <= self.record_bytes_max => (end, next) = further,
                None if !ended && self.pending.len() - at <= self.record_bytes_max => {
                    self.scanned = at;
                    return Found::Unfinished;
                }
                _ => return Found::Open(first.0, first.1),
            }
        }
    }

    fn line(&self, at: usize, from: usize, ended: bool) -> Option<(usize, usize)> {
        line_end(&self.pending, at, from, ended)
    }

    /// What is pending from `at` on is a line that is too long already.
    fn begin_long(&mut self, at: usize) {
        let rest = &self.pending[at..];
        let (beginning, length) = self.long.get_or_insert_with(|| (Vec::new(), 0));
        let room = BEGINNING_BYTES_MAX.saturating_sub(beginning.len());
        beginning.extend_from_slice(&rest[..rest.len().min(room)]);
        *length += rest.len();
    }
}

/// Where the line that begins at `at` ends, and the next one begins; there is no end before `from`.
fn line_end(bytes: &[u8], at: usize, from: usize, ended: bool) -> Option<(usize, usize)> {
    match memchr::memchr2(b'\n', b'\r', &bytes[from..]) {
        Some(found) => {
            let end = from + found;
            let is_pair = bytes[end..].starts_with(b"\r\n");
            Some((end, end + 1 + usize::from(is_pair)))
        }
        None => (ended && at < bytes.len()).then_some((bytes.len(), bytes.len())),
    }
}

fn bad(beginning: &[u8], length: usize, reason: String) -> FrameContent {
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES_MAX)];
    FrameContent::Bad { length, beginning: Bytes::copy_from_slice(beginning), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::csv::CsvSettings;

    /// The records of `text`, given `step` bytes at a time; bad ones as `!length`. Every byte must be passed.
    fn cut(text: &[u8], step: usize, record_bytes_max: usize, multi_line: bool) -> Vec<String> {
        let quotes = multi_line.then(|| RecordScan::new(&CsvSettings::default()));
        let (mut cutter, mut frames, mut passed) = (Cutter::new(record_bytes_max, quotes, true), Vec::new(), Vec::new());
        for piece in text.chunks(step) {
            cutter.buffer().extend_from_slice(piece);
            passed.extend_from_slice(&cutter.cut(2, false, &mut frames));
        }
        loop {
            let before = frames.len();
            passed.extend_from_slice(&cutter.cut(1, true, &mut frames));
            if frames.len() == before {
                break;
            }
        }
        assert_eq!((passed.as_slice(), cutter.is_within_record()), (text, false));
        let shown = |frame: &FrameContent| match frame {
            FrameContent::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            FrameContent::Bad { length, .. } => format!("!{length}"),
        };
        frames.iter().map(shown).collect()
    }

    #[test]
    fn lines_are_cut_alike_however_they_come() {
        for step in 1..12 {
            assert_eq!(cut(b"a\nbc\r\n\r\nd\re\n\n", step, 8, false), ["a", "bc", "d", "e"], "{step}");
            assert_eq!(cut(b"\xef\xbb\xbfa\nlast", step, 8, false), ["a", "last"], "{step}");
            assert_eq!(cut(b"\0\0\0\0\0\0\0\0\0\0\0\0a\n\0b\n", step, 8, false), ["a", "b"], "{step}");
            assert_eq!(cut(b"12345678\n1234567890123456789\nb\n1234567890", step, 8, false), ["12345678", "!19", "b", "!10"], "{step}");
            assert!(cut(b"", step, 8, false).is_empty());
        }
    }

    #[test]
    fn the_beginning_of_a_long_line_is_kept_however_it_comes() {
        let text: Vec<u8> = (0..1_500_u32).map(|number| b'a' + (number % 26) as u8).chain(*b"\n").collect();
        for step in [1, 9, 700, 1_000, 1_501] {
            let (mut cutter, mut frames) = (Cutter::new(8, None, true), Vec::new());
            for piece in text.chunks(step) {
                cutter.buffer().extend_from_slice(piece);
                cutter.cut(9, false, &mut frames);
            }
            let [FrameContent::Bad { length: 1_500, beginning, .. }] = &frames[..] else { panic!("{step}: {frames:?}") };
            assert_eq!(&beginning[..], &text[..BEGINNING_BYTES_MAX], "{step}");
        }
    }

    #[test]
    fn quoted_fields_go_on_in_the_next_line() {
        for step in 1..12 {
            let text = b"a,\"b\n\nc\",d\r\n\ne,\"\"\n\"x\ry\"";
            assert_eq!(cut(text, step, 64, true), ["a,\"b\n\nc\",d", "e,\"\"", "\"x\ry\""], "{step}");
            let long = b"1234567890,\"b\n2,b\n";
            assert_eq!(cut(long, step, 8, true), ["!13", "2,b"], "too long, whatever its quotes: {step}");
            // An open quote costs its line only.
            assert_eq!(cut(b"1,\"a\n2,b\n3,c\n4,d\n5,e\n", step, 12, true), ["!4", "2,b", "3,c", "4,d", "5,e"], "{step}");
            assert_eq!(cut(b"1,\"a\n2,b", step, 100, true), ["!4", "2,b"], "{step}");
        }
    }
}
