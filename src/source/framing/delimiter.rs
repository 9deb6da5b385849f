//! Frames that end with certain bytes, of which they themselves are free: lines, delimiters, COBS and SLIP. The next boundary is the next end.
//!
//! Limits: what was read of a frame that is longer than allowed is let go, but for its beginning, until its end comes.

use std::collections::VecDeque;

use super::checksum::Check;
use super::{BEGINNING_BYTES_MAX, bad, clear, cobs, line, slip, too_long};
use crate::gateway::FrameContent;

#[derive(Debug)]
pub enum Delimiter {
    /// LF or CR; of CR LF, what lies between is an empty frame, which is none.
    LineEnd,
    Bytes(Vec<u8>),
}

/// How a frame is written so that it is free of its delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    None,
    Cobs,
    Slip,
}

#[derive(Debug)]
pub struct Delimited {
    delimiter: Delimiter,
    /// Bytes of the delimiter.
    width: usize,
    coding: Coding,
    /// Of a payload, and of the same as it is written.
    bytes_max: usize,
    written_max: usize,
    /// The beginning of the frame that is not yet ended.
    partial: Vec<u8>,
    /// Its bytes, those not kept included.
    length: usize,
    /// Its last bytes, fewer than the delimiter's.
    tail: VecDeque<u8>,
    /// A frame as it was before it was written so.
    decoded: Vec<u8>,
}

impl Delimited {
    pub fn new(delimiter: Delimiter, coding: Coding, bytes_max: usize) -> Delimited {
        let width = match &delimiter {
            Delimiter::LineEnd => 1,
            Delimiter::Bytes(bytes) => bytes.len(),
        };
        let written_max = match coding {
            Coding::None => bytes_max,
            Coding::Cobs => cobs::written_max(bytes_max),
            Coding::Slip => slip::written_max(bytes_max),
        };
        let (partial, tail, decoded) = (Vec::new(), VecDeque::new(), Vec::new());
        Delimited { delimiter, width, coding, bytes_max, written_max, partial, length: 0, tail, decoded }
    }

    pub fn push(&mut self, bytes: &[u8], check: &Check, frames: &mut Vec<FrameContent>) {
        let mut rest = bytes;
        while let Some(end) = self.find_end(rest) {
            let (piece, after) = rest.split_at(end);
            if self.length == 0 && piece.len() - self.width <= self.written_max {
                self.frame(&piece[..piece.len() - self.width], check, frames);
            } else {
                self.take(piece);
                self.finish(self.width, check, frames);
            }
            rest = after;
        }
        self.take(rest);
    }

    pub fn is_within(&self) -> bool {
        self.length > 0
    }

    /// Behind the next delimiter, of which a part may have come before.
    fn find_end(&self, bytes: &[u8]) -> Option<usize> {
        let delimiter = match &self.delimiter {
            Delimiter::LineEnd => return line::find_end(bytes).map(|at| at + 1),
            Delimiter::Bytes(delimiter) => delimiter,
        };
        let last = *delimiter.last()?;
        memchr::memchr_iter(last, bytes).map(|at| at + 1).find(|end| {
            let here = (*end).min(self.width);
            let before = &delimiter[..self.width - here];
            bytes[end - here..*end] == delimiter[self.width - here..]
                && self.tail.len() >= before.len()
                && self.tail.iter().skip(self.tail.len() - before.len()).eq(before)
        })
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let is_over = self.length > self.written_max + self.width;
        let kept = if is_over { BEGINNING_BYTES_MAX } else { self.written_max + self.width };
        let room = kept.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if is_over {
            self.partial.truncate(BEGINNING_BYTES_MAX);
        }
        if self.width > 1 {
            self.tail.extend(&bytes[bytes.len().saturating_sub(self.width - 1)..]);
            let surplus = self.tail.len().saturating_sub(self.width - 1);
            self.tail.drain(..surplus);
        }
    }

    /// The partial frame is whole; its last `surplus` bytes are not part of it.
    fn finish(&mut self, surplus: usize, check: &Check, frames: &mut Vec<FrameContent>) {
        let length = self.length - surplus;
        if length > self.written_max {
            self.partial.truncate(length);
            frames.push(too_long(&self.partial, length, self.bytes_max));
        } else {
            let partial = std::mem::take(&mut self.partial);
            self.frame(&partial[..length], check, frames);
            self.partial = partial;
        }
        self.forget();
    }

    fn forget(&mut self) {
        clear(&mut self.partial);
        self.tail.clear();
        self.length = 0;
    }

    /// A frame as it is written, without its end.
    fn frame(&mut self, written: &[u8], check: &Check, frames: &mut Vec<FrameContent>) {
        if written.is_empty() {
            return;
        }
        self.decoded.clear();
        let decoded = match self.coding {
            Coding::None => return frames.extend(check.frame(written)),
            Coding::Cobs => cobs::decode(written, &mut self.decoded),
            Coding::Slip => slip::decode(written, &mut self.decoded),
        };
        match decoded {
            Err(reason) => frames.push(bad(written, written.len(), reason.to_owned())),
            Ok(()) if self.decoded.len() > self.bytes_max => frames.push(too_long(written, self.decoded.len(), self.bytes_max)),
            Ok(()) => frames.extend(check.frame(&self.decoded)),
        }
        clear(&mut self.decoded);
    }

    /// What is left is the last frame; one that is coded may miss a part.
    pub fn end(&mut self, check: &Check, frames: &mut Vec<FrameContent>) {
        match self.coding {
            Coding::None if self.length > 0 => self.finish(0, check, frames),
            Coding::None => {}
            Coding::Cobs | Coding::Slip => self.break_off("the stream ended within the frame", frames),
        }
    }

    pub fn break_off(&mut self, reason: &str, frames: &mut Vec<FrameContent>) {
        if self.length > 0 {
            frames.push(bad(&self.partial, self.length, reason.to_owned()));
        }
        self.forget();
    }
}
