//! The first line of a CSV file, and what becomes of the lines behind it: where it has the columns' names, each is handed on with it before itself.
//!
//! After a file was truncated its writer may or may not write the header again: the first line is passed over if it is the header, and else it is a record.
//!
//! Limits: a header of [`HEADER_BYTES_MAX`].

use bytes::{BufMut, Bytes, BytesMut};

use crate::format::csv::{CsvHeader, CsvSettings, RecordScan};
use crate::gateway::FrameContent;

pub const HEADER_BYTES_MAX: usize = 4_096;
/// Bytes of headers that are handed on at once, about.
const COPIES_BYTES_MAX: usize = 256 << 10;

/// The first line is no header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its first line is longer than {HEADER_BYTES_MAX} bytes: it cannot be a header")]
pub struct NoHeader;

pub struct Header {
    /// Whether the lines need it.
    names: bool,
    line: Option<Bytes>,
    next: Next,
}

/// What the next line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Header,
    /// The header again, or a record.
    Either,
    Record,
}

impl Header {
    /// For a file from its first line on; `None`: it is no CSV file.
    pub fn new(csv: Option<&CsvSettings>) -> Header {
        let header = csv.map_or(CsvHeader::None, |csv| csv.header);
        let next = if header == CsvHeader::None { Next::Record } else { Next::Header };
        Header { names: header == CsvHeader::Names, line: None, next }
    }

    /// For a file that is read on behind its header.
    pub fn passed(csv: Option<&CsvSettings>, line: Option<Vec<u8>>) -> Header {
        Header { line: line.map(Bytes::from), next: Next::Record, ..Header::new(csv) }
    }

    /// Whether the header has to be known for what follows, and is not.
    pub fn is_missing(&self) -> bool {
        self.names && self.line.is_none() && self.next == Next::Record
    }

    /// The line of names.
    pub fn line(&self) -> Option<&Bytes> {
        self.line.as_ref()
    }

    /// The file begins anew, and is written by the same writer.
    pub fn truncated(&mut self) {
        if self.next == Next::Record && self.line.is_some() {
            self.next = Next::Either;
        }
    }

    /// Records that may be cut at once.
    pub fn records_max(&self) -> usize {
        match &self.line {
            Some(line) if self.names => COPIES_BYTES_MAX / (line.len() + 1),
            _ => usize::MAX,
        }
    }

    /// What is handed on of these records.
    pub fn apply(&mut self, frames: &mut Vec<FrameContent>) -> Result<(), NoHeader> {
        if frames.is_empty() || (self.next == Next::Record && !self.names) {
            return Ok(());
        }
        match self.next {
            Next::Header => match frames.remove(0) {
                FrameContent::Whole(line) if line.len() <= HEADER_BYTES_MAX => self.line = Some(Bytes::copy_from_slice(&line)),
                _ => return Err(NoHeader),
            },
            Next::Either if matches!(&frames[0], FrameContent::Whole(line) if Some(line) == self.line.as_ref()) => _ = frames.remove(0),
            _ => {}
        }
        self.next = Next::Record;
        let Some(line) = self.line.as_ref().filter(|_| self.names) else { return Ok(()) };
        let whole = |frame: &FrameContent| if let FrameContent::Whole(record) = frame { record.len() + line.len() + 1 } else { 0 };
        let mut text = BytesMut::with_capacity(frames.iter().map(whole).sum());
        for frame in frames {
            if let FrameContent::Whole(record) = frame {
                text.put_slice(line);
                text.put_u8(b'\n');
                text.put_slice(record);
                *record = text.split().freeze();
            }
        }
        Ok(())
    }
}

/// Those of the columns that a header does not name.
pub fn unnamed<'a>(csv: &CsvSettings, header: &[u8], columns: &'a [String]) -> Vec<&'a str> {
    let names = RecordScan::new(csv).names(header);
    columns.iter().filter(|column| !names.contains(column)).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(header: &mut Header, lines: &[&'static str]) -> Vec<String> {
        let mut frames: Vec<FrameContent> = lines.iter().map(|line| FrameContent::Whole(Bytes::from_static(line.as_bytes()))).collect();
        header.apply(&mut frames).unwrap();
        let text = |frame: FrameContent| {
            if let FrameContent::Whole(bytes) = frame { String::from_utf8(bytes.to_vec()).unwrap() } else { panic!() }
        };
        frames.into_iter().map(text).collect()
    }

    #[test]
    fn each_record_comes_with_the_names() {
        let csv = CsvSettings { header: CsvHeader::Names, ..CsvSettings::default() };
        let mut header = Header::new(Some(&csv));
        assert_eq!(applied(&mut header, &["a,b", "1,2", "3,4"]), ["a,b\n1,2", "a,b\n3,4"]);
        assert_eq!(applied(&mut header, &["a,b"]), ["a,b\na,b"]);
        header.truncated();
        assert_eq!(applied(&mut header, &["a,b", "5,6"]), ["a,b\n5,6"], "the header again");
        header.truncated();
        assert_eq!(applied(&mut header, &["7,8"]), ["a,b\n7,8"], "no header");
        assert_eq!(applied(&mut Header::passed(Some(&csv), Some(b"a,b".to_vec())), &["1,2"]), ["a,b\n1,2"]);
        assert_eq!(unnamed(&csv, b"a, b", &["b".to_owned(), "c".to_owned()]), ["c"]);
    }

    #[test]
    fn a_header_without_use_is_passed_over() {
        let csv = CsvSettings { header: CsvHeader::Skip, ..CsvSettings::default() };
        let mut header = Header::new(Some(&csv));
        assert_eq!(applied(&mut header, &["any"]), [""; 0]);
        assert_eq!(applied(&mut header, &["1", "2"]), ["1", "2"]);
        assert_eq!(applied(&mut Header::new(None), &["1", "2"]), ["1", "2"]);
    }

    #[test]
    fn a_first_line_that_is_too_long_is_no_header() {
        let csv = CsvSettings { header: CsvHeader::Names, ..CsvSettings::default() };
        let mut frames = vec![FrameContent::Whole(Bytes::from(vec![b'x'; HEADER_BYTES_MAX + 1]))];
        assert_eq!(Header::new(Some(&csv)).apply(&mut frames), Err(NoHeader));
    }
}
