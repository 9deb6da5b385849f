//! Bytes of a stream into frames. Pure: bytes and the time in, frames out. One file a framing, [`checksum`] for all.
//!
//! Invariants:
//! - Every byte pushed is in exactly one frame, good or bad, or one of what separates them. A frame without payload is none.
//! - A bad frame ends at the next boundary: what follows it is framed as if it had not been. What the next boundary is, each framing's file says.
//! - How the stream is cut into pushes changes nothing, but for the time between them.
//!
//! Limits: `frame_bytes_max` a frame; of a bad one only [`BEGINNING_BYTES_MAX`] bytes and its length are kept.

mod checksum;
mod cobs;
mod delimiter;
mod idle;
mod length;
mod line;
mod packets;
mod slip;

use bytes::Bytes;

use crate::config::settings::{Framing, FramingSettings};
use crate::gateway::FrameContent;
use checksum::Check;
use delimiter::{Coding, Delimited, Delimiter};
use idle::Idle;
use packets::{Measure, Packets};

/// Why a frame is bad whose input is gone.
pub const BROKEN_OFF: &str = "the input broke off within the frame";
/// How much of a bad frame is kept for the dead letters.
const BEGINNING_BYTES_MAX: usize = 1_024;
/// Capacity that a buffer keeps when it is empty.
const KEPT_CAPACITY_MAX: usize = 64 * 1_024;

/// Cuts one stream into frames.
pub struct Framer {
    cutter: Cutter,
    check: Check,
    frame_bytes_max: usize,
}

enum Cutter {
    Delimited(Delimited),
    Packets(Packets),
    Idle(Idle),
    Whole,
}

impl Framer {
    pub fn new(settings: &FramingSettings) -> Framer {
        let bytes_max = settings.frame_bytes_max;
        let check = Check::new(settings.checksum.as_ref(), settings.strip_bytes);
        let delimited = |delimiter, coding| Cutter::Delimited(Delimited::new(delimiter, coding, bytes_max));
        let cutter = match &settings.framing {
            Framing::Line => delimited(Delimiter::LineEnd, Coding::None),
            Framing::Delimiter(bytes) => delimited(Delimiter::Bytes(bytes.clone()), Coding::None),
            Framing::Cobs => delimited(Delimiter::Bytes(vec![cobs::END]), Coding::Cobs),
            Framing::Slip => delimited(Delimiter::Bytes(vec![slip::END]), Coding::Slip),
            Framing::Fixed { length, marks } => Cutter::Packets(Packets::new(Measure::Fixed(*length), marks, &check, bytes_max)),
            Framing::Length { prefix, marks } => Cutter::Packets(Packets::new(Measure::Prefix(prefix.clone()), marks, &check, bytes_max)),
            Framing::Idle { gap } => Cutter::Idle(Idle::new(*gap, bytes_max)),
            Framing::Whole => Cutter::Whole,
        };
        Framer { cutter, check, frame_bytes_max: bytes_max }
    }

    /// Takes what was read and adds the frames that are complete with it. `now_us`: monotonic, never going back.
    pub fn push(&mut self, bytes: &[u8], now_us: u64, frames: &mut Vec<FrameContent>) {
        let check = &self.check;
        match &mut self.cutter {
            Cutter::Delimited(delimited) => delimited.push(bytes, check, frames),
            Cutter::Packets(packets) => packets.push(bytes, now_us, check, frames),
            Cutter::Idle(idle) => idle.push(bytes, now_us, check, frames),
            Cutter::Whole if bytes.len() > self.frame_bytes_max => frames.push(too_long(bytes, bytes.len(), self.frame_bytes_max)),
            Cutter::Whole => frames.extend(check.frame(bytes)),
        }
    }

    /// When [`Framer::tick`] has something to do, should nothing come until then.
    pub fn deadline_us(&self) -> Option<u64> {
        match &self.cutter {
            Cutter::Packets(packets) => packets.deadline_us(),
            Cutter::Idle(idle) => idle.deadline_us(),
            Cutter::Delimited(_) | Cutter::Whole => None,
        }
    }

    /// Whether a frame, good or bad, has begun and is not yet complete.
    pub fn is_within_frame(&self) -> bool {
        match &self.cutter {
            Cutter::Delimited(delimited) => delimited.is_within(),
            Cutter::Packets(packets) => packets.is_within(),
            Cutter::Idle(idle) => idle.deadline_us().is_some(),
            Cutter::Whole => false,
        }
    }

    /// Nothing has come until `now_us`: silence ends a frame, or gives one up.
    pub fn tick(&mut self, now_us: u64, frames: &mut Vec<FrameContent>) {
        match &mut self.cutter {
            Cutter::Packets(packets) => packets.tick(now_us, &self.check, frames),
            Cutter::Idle(idle) => idle.tick(now_us, &self.check, frames),
            Cutter::Delimited(_) | Cutter::Whole => {}
        }
    }

    /// The stream has come to its proper end: what is left is the last frame, where it can be one without what ends it.
    pub fn end(&mut self, frames: &mut Vec<FrameContent>) {
        match &mut self.cutter {
            Cutter::Delimited(delimited) => delimited.end(&self.check, frames),
            Cutter::Packets(packets) => packets.give_up("the stream ended within the frame", &self.check, frames),
            Cutter::Idle(idle) => idle.end(&self.check, frames),
            Cutter::Whole => {}
        }
    }

    /// The stream has broken off, for a reason such as [`BROKEN_OFF`]: what is left is no frame. What comes next is another stream.
    pub fn break_off(&mut self, reason: &str, frames: &mut Vec<FrameContent>) {
        match &mut self.cutter {
            Cutter::Delimited(delimited) => delimited.break_off(reason, frames),
            Cutter::Packets(packets) => packets.give_up(reason, &self.check, frames),
            Cutter::Idle(idle) => idle.break_off(reason, frames),
            Cutter::Whole => {}
        }
    }
}

/// A frame that is longer than allowed.
fn too_long(beginning: &[u8], length: usize, limit: usize) -> FrameContent {
    bad(beginning, length, format!("the frame has {length} bytes, more than max_payload, {limit}"))
}

fn bad(beginning: &[u8], length: usize, reason: String) -> FrameContent {
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES_MAX)];
    FrameContent::Bad { length, beginning: Bytes::copy_from_slice(beginning), reason }
}

/// Empties a buffer, and gives back what one long frame has made it take.
fn clear(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_CAPACITY_MAX {
        buffer.shrink_to(KEPT_CAPACITY_MAX);
    }
}
