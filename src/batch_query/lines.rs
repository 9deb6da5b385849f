//! Lines out of a stream of bytes, ended by `\n`, `\r\n` or `\r`, as Spark splits a text file.
//!
//! Limits: [`LINE_BYTES_MAX`] a line; a longer one is an error as soon as it is seen to be.

use std::io::{self, Read};

/// Bytes of one line, without its end.
pub const LINE_BYTES_MAX: usize = 16 << 20;

const CHUNK_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) enum LineError {
    Io(io::Error),
    TooLong { line: u64 },
}

#[derive(Debug)]
pub(super) struct Line<'a> {
    /// From 1.
    pub number: u64,
    pub bytes: &'a [u8],
}

pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// The current line begins at `start`, has no end before `scanned`, and what was read ends at `filled`.
    start: usize,
    scanned: usize,
    filled: usize,
    number: u64,
    ended: bool,
    /// The last line ended in `\r`, of which a `\n` may be the other half.
    after_return: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Lines<R> {
        Lines { input, buffer: Vec::new(), start: 0, scanned: 0, filled: 0, number: 0, ended: false, after_return: false }
    }

    /// `None` at the end; what follows the last line end is a line if it is not empty.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        loop {
            let found = memchr::memchr2(b'\n', b'\r', &self.buffer[self.scanned..self.filled]);
            let end = self.scanned + found.unwrap_or(self.filled - self.scanned);
            if end - self.start > LINE_BYTES_MAX {
                return Err(LineError::TooLong { line: self.number + 1 });
            }
            if found.is_none() && !self.ended {
                self.scanned = end;
                self.fill().map_err(LineError::Io)?;
                continue;
            }
            let start = std::mem::replace(&mut self.start, end + usize::from(found.is_some()));
            self.scanned = self.start;
            let ended_by = found.map(|_| self.buffer[end]);
            let other_half = std::mem::replace(&mut self.after_return, ended_by == Some(b'\r')) && ended_by == Some(b'\n') && start == end;
            if other_half {
                continue;
            }
            if found.is_none() && start == end {
                return Ok(None);
            }
            self.number += 1;
            return Ok(Some(Line { number: self.number, bytes: &self.buffer[start..end] }));
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.scanned -= self.start;
            self.filled -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.filled + CHUNK_BYTES {
            self.buffer.resize(self.filled + CHUNK_BYTES, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.filled += read;
        self.ended = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most `step` bytes a read.
    struct Slowly<'a> {
        bytes: &'a [u8],
        step: usize,
    }

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.step.min(self.bytes.len()).min(out.len());
            out[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    fn lines(text: &str, step: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(Slowly { bytes: text.as_bytes(), step });
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push((line.number, String::from_utf8(line.bytes.to_vec()).unwrap()));
        }
        found
    }

    #[test]
    fn all_line_ends_split_whatever_the_reads() {
        for step in 1..20 {
            let found = lines("a\nbc\r\n\r\nd\re\r\r\n\n", step);
            let expected = [(1, "a"), (2, "bc"), (3, ""), (4, "d"), (5, "e"), (6, ""), (7, "")];
            assert_eq!(found, expected.map(|(number, text)| (number, text.to_owned())), "{step} bytes a read");
            assert_eq!(lines("a\nlast", step), [(1, "a".to_owned()), (2, "last".to_owned())]);
            assert_eq!(lines("", step), []);
        }
    }

    #[test]
    fn a_line_has_its_limit() {
        let longest = format!("{}\nb\n", "a".repeat(LINE_BYTES_MAX));
        assert_eq!(lines(&longest, usize::MAX).len(), 2);
        let mut endless = Lines::new(io::Read::chain(&b"a\n"[..], io::repeat(b'x')));
        assert_eq!(endless.next_line().unwrap().unwrap().bytes, b"a");
        assert!(matches!(endless.next_line(), Err(LineError::TooLong { line: 2 })));
        assert!(endless.buffer.len() <= LINE_BYTES_MAX + 2 * CHUNK_BYTES);
    }
}
