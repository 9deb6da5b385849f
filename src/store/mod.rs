//! Durable storage: change sets in one atomic commit, logs in segment files. Only this module names sled.
//!
//! | file | job |
//! |---|---|
//! | [`change`] | plain data: what a commit makes durable, what a start reads back |
//! | [`chunk`] | records of a log as bytes under a CRC; finding them in damaged bytes |
//! | [`codec`] | typed values as bytes, with their schema's version; the checksum around stored values |
//! | [`keys`] | which record lies under which key |
//! | [`disk`] | the store: commit, reopen, read |
//! | `open` | opening: locks, versions, damage, quarantine |
//! | [`service`] | the store's thread |
//! | [`snapshot`], [`backup`] | a copy beside the store as of a commit; copies elsewhere, and back |
//! | `state` | sled |
//! | `index` | the checksum of every record, and their sum |
//! | `segment` | segment files |
//! | `migrate` | versions of the layout |
//! | `device` | writes, syncs, free space: the seam for faults |
//! | `lock` | the data directory's lock |
//! | `witness` | how far the commits had come, beside the state |
//!
//! `docs/format.md` describes what lies on the disk.

pub mod backup;
pub mod change;
pub mod chunk;
pub mod codec;
mod device;
pub mod disk;
mod error;
mod index;
pub mod keys;
mod lock;
mod migrate;
mod open;
mod segment;
pub mod service;
pub mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod witness;

pub use change::{Append, ChangeSet, Chunk, Loaded, LogName, SegmentMeta, StoredChunk};
pub use disk::{DiskStore, StoreSettings};
pub use error::{CommitError, ReadError, StoreError};
pub use migrate::FORMAT;
