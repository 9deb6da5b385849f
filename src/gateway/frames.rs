//! Frames on their way into the open batch. Unlike a broker's messages nobody sends them again: see [`super::frame`].

use super::dead_letters::DeadLetters;
use super::frame::{Frame, FrameContent, Position};
use super::intake::{Intake, Origin, Unread};
use crate::batch::Stamp;

/// The number of the one connection of a source that has none.
pub const CONNECTION: u64 = 1;

impl Intake {
    /// Looks at frames; those for which there is no room wait.
    pub fn receive_frames(
        &mut self,
        frames: Vec<Frame>,
        positions: Vec<Position>,
        stream_us: i64,
        stamp: Stamp,
        letters: &mut DeadLetters,
    ) {
        if !frames.is_empty() {
            self.heard(stamp);
        }
        for frame in frames {
            if self.is_full() || self.has_waiting() || !self.take_frame(&frame, stream_us, stamp, letters) {
                self.waiting.push_back(Unread::Frame(frame));
            }
        }
        self.positions.said(positions, self.received_seq);
    }

    /// Looks at one frame; `false` if it has to wait for the next batch, with nothing changed.
    pub(super) fn take_frame(&mut self, frame: &Frame, stream_us: i64, stamp: Stamp, letters: &mut DeadLetters) -> bool {
        let origin = Origin { place: frame.place.as_deref(), ..Origin::default() };
        let length = match &frame.content {
            FrameContent::Whole(payload) => {
                if !self.decode(origin, payload, stream_us, stamp, letters) {
                    return false;
                }
                payload.len()
            }
            FrameContent::Bad { length, beginning, reason } => {
                self.reject(origin, beginning, *length, reason.clone(), stamp, letters);
                *length
            }
        };
        self.received_seq = frame.seq;
        self.open_bytes += frame.cost();
        self.status.received += 1;
        self.status.received_bytes += length as u64;
        self.positions.received(frame.seq);
        true
    }

    /// The source has its input.
    pub fn opened(&mut self, detail: &str) {
        self.status.connected = true;
        self.status.connections += 1;
        self.status.trouble = None;
        tracing::debug!(source = %self.name, detail, "opened");
    }

    /// Its input is gone; what it has handed over stays.
    pub fn closed(&mut self, reason: String) {
        self.status.connected = false;
        self.status.trouble = Some(reason);
    }

    pub fn dropped(&mut self, frames: u64, bytes: u64) {
        self.status.dropped += frames;
        self.status.dropped_bytes += bytes;
    }
}
