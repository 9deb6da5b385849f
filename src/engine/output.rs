//! What a step gives back: changed state, result rows, rows that failed, rows that came too late.
//!
//! Limits: the text kept of failed and late rows is bounded a step ([`REJECT_BYTES_MAX`], [`LATE_SAMPLES_MAX`]); all are counted.

use crate::batch::Table;
use crate::engine::state_limits::OperatorStatus;

/// Bytes of reasons and rows that one step hands to the dead letters; failures beyond it are only counted.
pub const REJECT_BYTES_MAX: usize = 4 << 20;

/// Late rows of one query and step that are shown.
pub const LATE_SAMPLES_MAX: usize = 16;

/// The whole effect of one step outside of the engine's memory.
#[derive(Clone, Debug, Default)]
pub struct StepOutput {
    /// Absolute: a key's new value, or `None` where the entry goes.
    pub state: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub results: Vec<QueryResult>,
    pub rejects: Vec<Reject>,
    /// Rejected rows beyond [`REJECT_BYTES_MAX`].
    pub rejects_uncounted: u64,
    /// One entry for each query that had late rows.
    pub late: Vec<LateRows>,
    /// Where the clock was set back: keys in panes, windows and waiting rows that this closed (see [`QueryStatus::cells`]).
    pub closed_by_set_back: u64,
}

impl StepOutput {
    /// Whether nothing needs to be committed or told.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty() && self.results.is_empty() && self.rejects.is_empty() && self.rejects_uncounted == 0 && self.late.is_empty()
    }
}

/// Result rows of one query; a query may have several of these in a step.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// Index into the program's queries.
    pub query: usize,
    /// At least one row; columns as in the query's `output`, all present.
    pub table: Table,
}

/// A row that a query could not process; the query's state is as if it had not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub query: usize,
    /// For people: what failed, where in the query.
    pub reason: String,
    /// The row as the failing operator saw it, a JSON object of at most [`ROW_BYTES_MAX`](super::render::ROW_BYTES_MAX) bytes.
    pub row: String,
}

/// Rows whose windows had all been closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LateRows {
    pub query: usize,
    /// Rows that count nowhere.
    pub rows: u64,
    /// Rows that count in some of their windows only.
    pub rows_in_part: u64,
    pub samples: Vec<LateRow>,
}

/// One late row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateRow {
    /// How far its event time was behind the watermark, µs.
    pub lateness_us: i64,
    /// As in [`Reject::row`].
    pub row: String,
}

/// What a query holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryStatus {
    /// µs since the epoch; `None` for a query without a watermark. 0 before the first event time.
    pub watermark_us: Option<i64>,
    pub keys: usize,
    /// Open panes (stretches between window boundaries), and cells (key and pane) in them.
    pub panes: usize,
    pub cells: usize,
    /// Estimated memory of keys and cells.
    pub bytes: usize,
    /// Rows that were in no session since the start, because their gap was NULL, unreadable or not above zero.
    pub gapless_rows: u64,
    /// Rows of sources with `dedup` that were known.
    pub repeats: u64,
    /// Each of its operators with state, from the source up.
    pub operators: Vec<OperatorStatus>,
}

/// Collects what one query tells about rows, within the limits.
pub(super) struct Complaints<'a> {
    pub query: usize,
    pub output: &'a mut StepOutput,
    pub bytes: &'a mut usize,
    pub late: LateRows,
}

impl<'a> Complaints<'a> {
    pub fn new(query: usize, output: &'a mut StepOutput, bytes: &'a mut usize) -> Complaints<'a> {
        Complaints { query, output, bytes, late: LateRows { query, ..LateRows::default() } }
    }

    /// A row failed. `row` is only rendered while there is room.
    pub fn reject(&mut self, reason: impl FnOnce() -> String, row: impl FnOnce() -> String) {
        if *self.bytes >= REJECT_BYTES_MAX {
            self.output.rejects_uncounted += 1;
            return;
        }
        let reject = Reject { query: self.query, reason: reason(), row: row() };
        *self.bytes += reject.reason.len() + reject.row.len();
        self.output.rejects.push(reject);
    }

    /// A row came when all its windows were closed.
    pub fn late(&mut self, lateness_us: i64, row: impl FnOnce() -> String) {
        self.late.rows += 1;
        if self.late.samples.len() < LATE_SAMPLES_MAX {
            self.late.samples.push(LateRow { lateness_us, row: row() });
        }
    }

    /// Hands the late rows over.
    pub fn finish(self) {
        if self.late.rows + self.late.rows_in_part > 0 {
            self.output.late.push(self.late);
        }
    }
}
