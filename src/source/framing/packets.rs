//! Frames whose length is known from their beginning: of fixed length, or with a length field.
//!
//! Where the next boundary is after something wrong:
//! - If frames can be told from noise (by start bytes, end bytes or a checksum), the next byte that begins one which is right in all of these. So a
//!   frame within what a wrong length has claimed is found.
//! - Else it is where the frame itself says that it ends, but no more than [`SKIP_BYTES_MAX`] later.
//! - In any case after the silence `gap`, where there is one.
//!
//! Limits: [`WORK_PER_BYTE`] bytes are summed for each that comes: an input made to be searched in vain is passed over frame by frame. What begins
//! no frame is handed over [`NOISE_BYTES_MAX`] bytes at a time.

use super::checksum::Check;
use super::{BEGINNING_BYTES_MAX, bad, length};
use crate::config::settings::{LengthPrefix, Marks};
use crate::gateway::FrameContent;

/// Bytes of one bad frame that is passed over unread, at most.
const SKIP_BYTES_MAX: u64 = 16 << 20;
const NOISE_BYTES_MAX: usize = 4_096;
/// The same of what may be one frame that is too long.
const FRAME_NOISE_BYTES_MAX: u64 = 64 << 10;
const WORK_PER_BYTE: usize = 256;
/// Of work that was not needed, what is kept for later.
const WORK_KEPT_MAX: usize = 1 << 20;

#[derive(Debug)]
pub enum Measure {
    Fixed(usize),
    Prefix(LengthPrefix),
}

/// How long a frame is.
#[derive(Debug, PartialEq, Eq)]
pub enum Measured {
    /// Too little of it has come.
    Unknown,
    Length(u64),
    /// The length cannot be, and why.
    Wrong(String),
}

pub struct Packets {
    measure: Measure,
    marks: Marks,
    gap_us: Option<u64>,
    bytes_max: usize,
    checksum_bytes: usize,
    /// Whether a frame can be told from noise.
    is_told: bool,
    /// What came and is not yet a frame, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    /// Bytes before `buffer[at]`, all together.
    position: u64,
    noise: Noise,
    /// Bytes of a bad frame that are still to come.
    skip: u64,
    /// Bytes that may be summed in vain.
    work: usize,
    last_us: u64,
}

/// Bytes that are no frame.
#[derive(Default)]
struct Noise {
    beginning: Vec<u8>,
    length: usize,
    reason: String,
    /// Where what begins next is another frame's.
    until: u64,
}

impl Noise {
    fn flush(&mut self, frames: &mut Vec<FrameContent>) {
        if self.length > 0 {
            frames.push(bad(&self.beginning, self.length, std::mem::take(&mut self.reason)));
        }
        *self = Noise::default();
    }
}

impl Packets {
    pub fn new(measure: Measure, marks: &Marks, check: &Check, bytes_max: usize) -> Packets {
        Packets {
            measure,
            is_told: check.is_some() || !marks.start.is_empty() || !marks.end.is_empty(),
            gap_us: marks.gap.map(|gap| gap.as_micros() as u64),
            marks: marks.clone(),
            bytes_max,
            checksum_bytes: check.width(),
            buffer: Vec::new(),
            at: 0,
            position: 0,
            noise: Noise::default(),
            skip: 0,
            work: WORK_KEPT_MAX,
            last_us: 0,
        }
    }

    pub fn push(&mut self, bytes: &[u8], now_us: u64, check: &Check, frames: &mut Vec<FrameContent>) {
        self.tick(now_us, check, frames);
        self.last_us = now_us;
        self.work = (self.work + bytes.len() * WORK_PER_BYTE).min(WORK_KEPT_MAX.max(self.bytes_max));
        self.buffer.extend_from_slice(bytes);
        self.cut(check, frames);
        self.compact();
    }

    pub fn is_within(&self) -> bool {
        self.at < self.buffer.len() || self.noise.length > 0 || self.skip > 0
    }

    pub fn deadline_us(&self) -> Option<u64> {
        self.gap_us.filter(|_| self.is_within()).map(|gap| self.last_us.saturating_add(gap))
    }

    pub fn tick(&mut self, now_us: u64, check: &Check, frames: &mut Vec<FrameContent>) {
        if self.deadline_us().is_some_and(|deadline| deadline <= now_us) {
            self.give_up("the rest of the frame did not come", check, frames);
        }
    }

    /// No frame that has begun will be completed.
    pub fn give_up(&mut self, reason: &str, check: &Check, frames: &mut Vec<FrameContent>) {
        self.skip = 0;
        while self.at < self.buffer.len() {
            if self.is_told {
                self.discard(1, reason, frames);
                self.cut(check, frames);
            } else {
                self.discard(self.buffer.len() - self.at, reason, frames);
            }
        }
        self.noise.flush(frames);
        self.compact();
    }

    /// Takes from the buffer what can be taken.
    fn cut(&mut self, check: &Check, frames: &mut Vec<FrameContent>) {
        loop {
            if self.skip > 0 {
                let count = (self.buffer.len() - self.at).min(self.skip as usize);
                self.skip -= count as u64;
                self.keep_noise(count);
                if self.skip > 0 {
                    return;
                }
                self.noise.flush(frames);
            }
            self.pass_to_start(frames);
            let rest = &self.buffer[self.at..];
            if rest.is_empty() || rest.len() < self.marks.start.len() {
                return;
            }
            let measured = match &self.measure {
                Measure::Fixed(length) => Measured::Length(*length as u64),
                Measure::Prefix(prefix) => length::measure(prefix, rest, self.checksum_bytes, self.marks.end.len()),
            };
            match measured {
                Measured::Unknown => return,
                Measured::Wrong(reason) => self.pass_wrong(&reason, frames),
                Measured::Length(length) if length > self.bytes_max as u64 => self.pass_long(length, frames),
                Measured::Length(length) if length > rest.len() as u64 => return,
                Measured::Length(length) => self.take(length as usize, check, frames),
            }
        }
    }

    /// Up to where the start bytes stand, or may yet come to stand.
    fn pass_to_start(&mut self, frames: &mut Vec<FrameContent>) {
        let (rest, start) = (&self.buffer[self.at..], &self.marks.start);
        let Some(first) = start.first() else { return };
        let begins = |at: &usize| rest[*at..].iter().zip(start).all(|(byte, wanted)| byte == wanted);
        let count = memchr::memchr_iter(*first, rest).find(begins).unwrap_or(rest.len());
        self.discard(count, "these bytes begin no frame", frames);
    }

    /// A frame of `length`, all of which has come.
    fn take(&mut self, length: usize, check: &Check, frames: &mut Vec<FrameContent>) {
        let frame = &self.buffer[self.at..self.at + length];
        let payload = match frame.strip_suffix(&self.marks.end[..]) {
            Some(covered) => check.payload(covered),
            None => Err(format!("the frame does not end with {}", data_encoding::HEXUPPER.encode(&self.marks.end))),
        };
        match payload {
            Ok(payload) => {
                let content = (!payload.is_empty()).then(|| FrameContent::Whole(bytes::Bytes::copy_from_slice(payload)));
                self.noise.flush(frames);
                frames.extend(content);
                self.at += length;
                self.position += length as u64;
            }
            Err(reason) if !self.is_told || self.work < length => {
                self.discard(length, &reason, frames);
                self.noise.flush(frames);
            }
            Err(reason) => {
                self.work -= length;
                self.pass_one(length as u64, &reason, frames);
            }
        }
    }

    /// What seemed to be a frame of `length` is none: looks for one from its second byte on.
    fn pass_one(&mut self, length: u64, reason: &str, frames: &mut Vec<FrameContent>) {
        if self.noise.until <= self.position {
            self.noise.flush(frames);
            self.noise.until = self.position + length;
        }
        self.discard(1, reason, frames);
    }

    /// The length field is wrong.
    fn pass_wrong(&mut self, reason: &str, frames: &mut Vec<FrameContent>) {
        if self.is_told {
            return self.discard(1, reason, frames);
        }
        let Measure::Prefix(prefix) = &self.measure else { return };
        self.discard(prefix.offset + prefix.width, reason, frames);
        self.noise.flush(frames);
    }

    fn pass_long(&mut self, length: u64, frames: &mut Vec<FrameContent>) {
        let reason = format!("the frame has {length} bytes, more than max_payload, {}", self.bytes_max);
        if self.is_told {
            return self.pass_one(length.min(FRAME_NOISE_BYTES_MAX), &reason, frames);
        }
        self.noise.flush(frames);
        self.noise.reason = reason;
        self.skip = length.min(SKIP_BYTES_MAX);
    }

    /// Makes the next `count` bytes noise, handed over in parts where another frame begins or it is much.
    fn discard(&mut self, count: usize, reason: &str, frames: &mut Vec<FrameContent>) {
        let mut left = count;
        while left > 0 {
            let to_next = usize::try_from(self.noise.until.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let room = if to_next > 0 { to_next } else { NOISE_BYTES_MAX - self.noise.length.min(NOISE_BYTES_MAX - 1) };
            let piece = left.min(room);
            if self.noise.reason.is_empty() {
                reason.clone_into(&mut self.noise.reason);
            }
            self.keep_noise(piece);
            left -= piece;
            if piece == room {
                self.noise.flush(frames);
            }
        }
    }

    /// The same in one part, for the reason that is given already.
    fn keep_noise(&mut self, count: usize) {
        let bytes = &self.buffer[self.at..self.at + count];
        let room = BEGINNING_BYTES_MAX - self.noise.beginning.len();
        self.noise.beginning.extend_from_slice(&bytes[..count.min(room)]);
        self.noise.length += count;
        self.at += count;
        self.position += count as u64;
    }

    fn compact(&mut self) {
        if self.at == self.buffer.len() {
            super::clear(&mut self.buffer);
        } else {
            self.buffer.drain(..self.at);
        }
        self.at = 0;
    }
}
