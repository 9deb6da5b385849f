//! Durable storage: change sets in one atomic commit, logs in segment files. Only this module names sled.

pub mod change;

pub use change::{Append, ChangeSet, Chunk, Loaded, LogName, SegmentMeta, StoredChunk};
