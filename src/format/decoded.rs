//! What decoding a message gives: rows, rows that may not be counted, or why there are none.
//!
//! Limits: [`REFUSED_LISTED_MAX`] refused rows of a payload are listed, the others counted.

use std::ops::Range;

use super::json::ReadRow;
use super::json::scan::Fault;
use super::open_table::TableFull;

/// Refused rows of one payload that are reported one by one; the others are counted.
pub const REFUSED_LISTED_MAX: usize = 64;

/// What a message gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Rows added to the table.
    pub rows: usize,
    /// Fields that did not fit their column and became NULL.
    pub nulled_fields: usize,
    /// Rows without event time, whatever became of them.
    pub untimed_rows: usize,
    /// The payload was a bad record and was read as one row of NULLs.
    pub null_row: bool,
    /// Rows left out, for the dead letters: the first [`REFUSED_LISTED_MAX`].
    pub refused: Vec<RefusedRow>,
    /// Rows left out, all of them.
    pub refused_rows: usize,
}

/// A row that was well formed and is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Where it stands in the payload.
    pub bytes: Range<usize>,
    pub reason: RefusedReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    #[error("the event time is missing or could not be read")]
    EventTimeMissing,
    #[error("the event time is {} s further ahead than allowed", ahead_us / 1_000_000)]
    Future { ahead_us: i64 },
}

/// A message that gave no rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    #[error("{what} (byte {at} of the payload)")]
    Malformed { what: &'static str, at: usize },
    #[error("the payload expands to more than max_expanded, {limit} bytes")]
    Expanded { limit: usize },
    /// A format of the user's own says so.
    #[error("{reason}")]
    Custom { reason: String },
    #[error("the topic matches none of the source's topics")]
    Topic,
    #[error("the payload has more rows or text than a batch holds")]
    TooLarge,
    /// Not the message's fault: close the batch and decode it again.
    #[error("the batch is full")]
    TableFull,
}

impl BadRecord {
    /// Whether the message is for the dead letters; if not, it is to be decoded again into an empty table.
    pub fn is_dead_letter(&self) -> bool {
        *self != BadRecord::TableFull
    }
}

impl From<Fault> for BadRecord {
    fn from(fault: Fault) -> BadRecord {
        BadRecord::Malformed { what: fault.what, at: fault.at }
    }
}

impl From<TableFull> for BadRecord {
    fn from(_: TableFull) -> BadRecord {
        BadRecord::TableFull
    }
}

impl Decoded {
    pub(super) fn refuse(&mut self, row: &ReadRow, reason: RefusedReason) {
        self.refused_rows += 1;
        if self.refused.len() < REFUSED_LISTED_MAX {
            self.refused.push(RefusedRow { bytes: row.start..row.end, reason });
        }
    }
}
