//! Bytes of a stream into frames. Pure: bytes in, frames out.
//!
//! Invariants:
//! - Every byte pushed is in exactly one frame, good or bad, or one of what separates them.
//! - A bad frame ends at the next boundary: what follows it is framed as if it had not been.
//!
//! Limits: `frame_bytes_max` a frame; of a longer one only [`BEGINNING_BYTES_MAX`] bytes and its length are kept.

mod line;

use bytes::Bytes;

use crate::config::settings::{Framing, FramingSettings};
use crate::gateway::FrameContent;
use line::Lines;

/// How much of a bad frame is kept for the dead letters.
const BEGINNING_BYTES_MAX: usize = 1_024;

/// Cuts one stream into frames.
pub struct Framer {
    cutter: Cutter,
}

enum Cutter {
    Lines(Lines),
}

impl Framer {
    pub fn new(settings: &FramingSettings) -> Framer {
        let cutter = match &settings.framing {
            Framing::Line => Cutter::Lines(Lines::new(settings.frame_bytes_max)),
        };
        Framer { cutter }
    }

    /// Takes what was read and adds the frames that are complete with it.
    pub fn push(&mut self, bytes: &[u8], frames: &mut Vec<FrameContent>) {
        match &mut self.cutter {
            Cutter::Lines(lines) => lines.push(bytes, frames),
        }
    }

    /// The stream has ended: what is left is the last frame.
    pub fn end(&mut self, frames: &mut Vec<FrameContent>) {
        match &mut self.cutter {
            Cutter::Lines(lines) => lines.end(frames),
        }
    }
}

/// A frame that is longer than allowed.
fn too_long(beginning: &[u8], length: usize, limit: usize) -> FrameContent {
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES_MAX)];
    let reason = format!("the frame has {length} bytes, more than max_payload, {limit}");
    FrameContent::Bad { length, beginning: Bytes::copy_from_slice(beginning), reason }
}
