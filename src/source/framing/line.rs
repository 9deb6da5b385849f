//! Lines: ended by LF, CR LF or CR; empty ones are no frames.

use bytes::Bytes;

use super::{BEGINNING_BYTES_MAX, too_long};
use crate::gateway::FrameContent;

pub struct Lines {
    bytes_max: usize,
    /// The beginning of the line that is not yet ended.
    partial: Vec<u8>,
    /// Its bytes, those not kept included.
    length: usize,
}

impl Lines {
    pub fn new(bytes_max: usize) -> Lines {
        Lines { bytes_max, partial: Vec::new(), length: 0 }
    }

    pub fn push(&mut self, bytes: &[u8], frames: &mut Vec<FrameContent>) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            self.take(&rest[..end]);
            self.end(frames);
            rest = &rest[end + 1..];
        }
        self.take(rest);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let kept = if self.length > self.bytes_max { BEGINNING_BYTES_MAX } else { self.bytes_max };
        let room = kept.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.length > self.bytes_max {
            self.partial.truncate(BEGINNING_BYTES_MAX);
        }
    }

    pub fn end(&mut self, frames: &mut Vec<FrameContent>) {
        if self.length > self.bytes_max {
            frames.push(too_long(&self.partial, self.length, self.bytes_max));
        } else if !self.partial.is_empty() {
            frames.push(FrameContent::Whole(Bytes::copy_from_slice(&self.partial)));
        }
        self.partial.clear();
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Vec<FrameContent> {
        let (mut lines, mut frames) = (Lines::new(8), Vec::new());
        pieces.iter().for_each(|piece| lines.push(piece.as_bytes(), &mut frames));
        lines.end(&mut frames);
        frames
    }

    fn whole(text: &'static str) -> FrameContent {
        FrameContent::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn any_line_end_ends_a_line_wherever_it_is_cut() {
        let expected = [whole("a"), whole("bc"), whole("d"), whole("e")];
        assert_eq!(lines(&["a\nbc\r\n\r\nd\re"]), expected);
        assert_eq!(lines(&["a", "\nb", "c\r", "\n\r\nd", "\r", "e"]), expected);
    }

    #[test]
    fn a_long_line_is_cut_out_and_the_next_one_is_whole() {
        let long = "x".repeat(3_000);
        let frames = lines(&["12345678\n", &long, &long, "\nafter\n"]);
        let FrameContent::Bad { length, beginning, reason } = &frames[1] else { panic!("{frames:?}") };
        assert_eq!((*length, beginning.len()), (6_000, 1_024));
        assert_eq!(reason, "the frame has 6000 bytes, more than max_payload, 8");
        assert_eq!([&frames[0], &frames[2]], [&whole("12345678"), &whole("after")]);
    }
}
