//! The wall clock was set back: what becomes of the state that goes by it.
//!
//! Stream time is the clock, and never goes back by itself. Where the clock is set back by more than the gateway waits for, a batch says so
//! ([`Batch::set_back_us`](crate::batch::Batch)), and stream time goes on from there. At the end of that batch's step, in each query:
//!
//! - **A query is concerned** where event time of one of its streams is made of arrival times. All that time closes is closed then and comes out as
//!   complete, inner windows before outer ones; rows that wait in joins have waited. Its streams' watermarks begin anew: by arrival where the
//!   clock is now, the others where their own rows have brought them.
//! - In all queries, what the clock's time is remembered for moves by the step: timeouts in stream time, `emit_every`, the times of OVER, of
//!   state and count windows and of known keys where they are made of arrival times. So all of these last as long as they would have.
//! - All else stays: event time that comes with the rows is no clock of ours. (A watermark that follows the clock while its sources are silent goes no
//!   further than to the last window that has rows, so a clock that was ahead has left none that is.)
//!
//! Invariants:
//! 1. In append mode a window that is open at the step comes out in it, once, whether its end was near or not. Rows that come later are
//!    counted in new windows, even where windows of the same times have come out.
//! 2. What is stored after the step is what is live. Closed panes, passed sessions and expired rows are left in the store where only the watermark
//!    keeps them from being read; when it goes back they are deleted, with all entries that hold nothing else, in the same step.
//! 3. All of it is one step's change: it depends on the state and the batch alone, so a crash before its commit repeats it as it was.
//! 4. Nothing waits for the time that was taken back.

use crate::engine::chunk::Chunk;
use crate::engine::stage::{Env, Stage};

/// A watermark that closes everything that one can close: beyond all windows (see [`crate::engine::window`]) and all lags of joins.
pub(super) const CLOSE_ALL_US: i64 = i64::MAX / 2;

/// How the clock was set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetBack {
    /// Stream time before and after, µs.
    pub from_us: i64,
    pub to_us: i64,
    /// The query's watermark goes back.
    pub concerned: bool,
    /// The times that the operator goes by are made of arrival times.
    pub by_arrival: bool,
}

impl SetBack {
    /// A time by the clock before, as the clock has it now.
    pub fn moved(&self, time_us: i64) -> i64 {
        time_us.saturating_sub(self.from_us.saturating_sub(self.to_us))
    }
}

impl Stage {
    /// What time closes comes out, at a watermark of [`CLOSE_ALL_US`]. What only waits for its time, such as a timeout, does not.
    pub fn close_all(&mut self, env: &mut Env<'_, '_>) -> Vec<Chunk<'static>> {
        match self {
            Stage::Aggregate(_) | Stage::RowWindows(_) | Stage::Join(_) => self.release(env),
            _ => Vec::new(),
        }
    }

    /// Moves what is left by the step of the clock, and voids what is stored and not live.
    pub fn set_back(&mut self, set_back: &SetBack) {
        match self {
            Stage::Aggregate(aggregate) => aggregate.set_back(set_back),
            Stage::RowWindows(windows) => windows.set_back(set_back),
            Stage::Join(join) if set_back.concerned => join.void_leftovers(),
            Stage::Deduplicate(dedup) => dedup.set_back(set_back),
            Stage::StateFunction(function) => function.set_back(set_back),
            Stage::OverStream(over) => over.set_back(set_back),
            _ => {}
        }
    }
}
