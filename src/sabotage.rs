//! Deliberate faults, for the tests that must catch them. Without the feature `sabotage` every question is answered "no" at compile time.

/// A fault that breaks one promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Input is acknowledged when it is received, before its commit.
    EarlyAck,
    /// Repeats are taken for new messages.
    NoRedelivery,
    /// Nothing is synced to the disk.
    SkipSync,
    /// The outbox append of every third change set is left out.
    LostAppend,
    /// The cursor moves when a result is sent, not when it is acknowledged.
    CursorAhead,
    /// A window of several panes is combined without its last.
    MissedPane,
    /// A window that is slid on takes panes away without subtracting their sums.
    KeptSum,
    /// Rows behind the watermark are counted.
    LateRows,
    /// Rows are late by the watermark of their own batch.
    EagerWatermark,
    /// Sessions that a row joins stay apart.
    SplitSessions,
    /// Changed state is not written where its ring is an even one.
    UnmarkedEntry,
    /// Timeouts of keys are not taken up on a restart.
    LostTimeout,
    /// Rows of a join never expire.
    UnexpiredRow,
    /// What is stored of closed panes stays when the clock is set back.
    KeptLeftovers,
    /// Cells that the journal holds count even where their bucket was written after.
    StaleJournal,
    /// The rows of a key in a batch are added up by themselves, and their sum then to the cell's.
    SumApart,
    /// State moves at a reload to whatever query has the name.
    BlindMove,
    /// Cached dictionary codes go along with moved state.
    KeptCodes,
}

#[cfg(feature = "sabotage")]
mod planted {
    use super::Fault;
    use std::cell::Cell;
    use std::sync::OnceLock;

    thread_local!(static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) });

    /// Plants `fault` for this thread while `run` runs.
    pub fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> T {
        PLANTED.set(Some(fault));
        let result = run();
        PLANTED.set(None);
        result
    }

    /// Whether `fault` is planted: in this thread, or by name in the environment's `TIDEMILL_SABOTAGE`.
    pub fn planted(fault: Fault) -> bool {
        static NAMED: OnceLock<Option<Fault>> = OnceLock::new();
        let named = NAMED.get_or_init(|| match std::env::var("TIDEMILL_SABOTAGE").ok()?.as_str() {
            "early_ack" => Some(Fault::EarlyAck),
            "no_redelivery" => Some(Fault::NoRedelivery),
            "skip_sync" => Some(Fault::SkipSync),
            "lost_append" => Some(Fault::LostAppend),
            "cursor_ahead" => Some(Fault::CursorAhead),
            _ => None,
        });
        PLANTED.get().or(*named) == Some(fault)
    }
}

#[cfg(feature = "sabotage")]
pub use planted::{planted, with};

/// Whether `fault` is planted: never, in a build for use.
#[cfg(not(feature = "sabotage"))]
pub const fn planted(_: Fault) -> bool {
    false
}
