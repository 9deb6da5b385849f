//! What sources other than brokers hand over: frames in the order of reading, and how far their source has read.
//!
//! Nobody sends a frame again, so the core never lets one go: it is in the open batch, or waits for room in it.
//!
//! Invariant: a source's positions are durable together with the rows of exactly the frames before them. So a source that reads on from its
//! stored positions has each frame once, wherever the process died.

use std::sync::Arc;

use bytes::Bytes;

/// Positions of one source. Who reads more inputs than that has to leave the newest alone.
pub const POSITIONS_MAX: usize = 65_536;
/// Bytes in the name of a position, so that it fits into a key of the store with the source's name before it.
pub const POSITION_NAME_BYTES_MAX: usize = 128;

/// What a frame costs beside its bytes.
const FRAME_COST: usize = 64;

/// One unit of input: a line, a datagram, a frame on a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Position in the order of reading, from 1 at each start.
    pub seq: u64,
    /// Port, peer or file, shown in `_port`, `_peer` or `_file`.
    pub place: Option<Arc<str>>,
    pub content: FrameContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameContent {
    Whole(Bytes),
    /// For the dead letters: too long, a wrong checksum. `beginning`: up to 1 KiB of its `length` bytes.
    Bad {
        length: usize,
        beginning: Bytes,
        reason: String,
    },
}

impl Frame {
    /// Bytes that it holds, and [`FRAME_COST`].
    pub fn cost(&self) -> usize {
        let held = match &self.content {
            FrameContent::Whole(bytes) => bytes.len(),
            FrameContent::Bad { beginning, .. } => beginning.len(),
        };
        held + FRAME_COST
    }

    /// Bytes that it had on its way.
    pub fn bytes(&self) -> usize {
        match &self.content {
            FrameContent::Whole(bytes) => bytes.len(),
            FrameContent::Bad { length, .. } => *length,
        }
    }
}

/// How far a source has read one of its inputs, in its own words; durable with the rows of all frames through `through_seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub through_seq: u64,
    /// At most [`POSITION_NAME_BYTES_MAX`].
    pub name: String,
    /// `None`: to be forgotten.
    pub value: Option<Vec<u8>>,
}
