//! Frames that end with silence, as those of Modbus RTU do. The next boundary is the next silence.
//!
//! The time of a byte is that of the read that brought it: what the machine held back for longer than the gap is taken for two frames, and what it
//! handed over late for one. A checksum tells.

use std::time::Duration;

use super::checksum::Check;
use super::{BEGINNING_BYTES_MAX, bad, clear, too_long};
use crate::gateway::FrameContent;

#[derive(Debug)]
pub struct Idle {
    gap_us: u64,
    bytes_max: usize,
    partial: Vec<u8>,
    /// Bytes of the partial frame, those not kept included.
    length: usize,
    last_us: u64,
}

impl Idle {
    pub fn new(gap: Duration, bytes_max: usize) -> Idle {
        Idle { gap_us: gap.as_micros() as u64, bytes_max, partial: Vec::new(), length: 0, last_us: 0 }
    }

    pub fn push(&mut self, bytes: &[u8], now_us: u64, check: &Check, frames: &mut Vec<FrameContent>) {
        self.tick(now_us, check, frames);
        self.last_us = now_us;
        self.length += bytes.len();
        let kept = if self.length > self.bytes_max { BEGINNING_BYTES_MAX } else { self.bytes_max };
        let room = kept.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.length > self.bytes_max {
            self.partial.truncate(BEGINNING_BYTES_MAX);
        }
    }

    pub fn deadline_us(&self) -> Option<u64> {
        (self.length > 0).then_some(self.last_us.saturating_add(self.gap_us))
    }

    pub fn tick(&mut self, now_us: u64, check: &Check, frames: &mut Vec<FrameContent>) {
        if self.deadline_us().is_some_and(|deadline| deadline <= now_us) {
            self.end(check, frames);
        }
    }

    pub fn end(&mut self, check: &Check, frames: &mut Vec<FrameContent>) {
        if self.length > self.bytes_max {
            frames.push(too_long(&self.partial, self.length, self.bytes_max));
        } else if self.length > 0 {
            frames.extend(check.frame(&self.partial));
        }
        self.forget();
    }

    pub fn break_off(&mut self, reason: &str, frames: &mut Vec<FrameContent>) {
        if self.length > 0 {
            frames.push(bad(&self.partial, self.length, reason.to_owned()));
        }
        self.forget();
    }

    fn forget(&mut self) {
        clear(&mut self.partial);
        self.length = 0;
    }
}
