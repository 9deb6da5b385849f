//! A change set that the store had no room for: it waits in the core, and is handed over again.
//!
//! What its number says: set n is the step from the store as of n - 1 to the store as of n. It is made once, and the store is handed nothing else until
//! it is durable. Invariants:
//! - It comes again as the same step: results, state, positions and redelivery records are those of its batch, and so is what is acknowledged after it.
//! - What the sinks have delivered since joins it: their cursors, and the whole segments before these. As a part of set n + 1 it could not make the
//!   room that set n waits for, and an outbox that had filled the disk would keep it full.
//! - So it is what would have been made if the deliveries had come before the batch closed. A segment that it appends to holds what no sink has seen,
//!   and is not dropped; cursors and drops are absolute. So if the process dies, either form may be on the disk, and if the disk filled up in the middle
//!   and has the earlier form after all, the later one may be applied over it: with the earlier one, records are sent again, and none is lost.

use super::{Action, Gateway};
use crate::batch::Stamp;
use crate::store::ChangeSet;

/// The set in flight while it is not with the store.
pub(super) struct Returned {
    changes: Box<ChangeSet>,
    /// When it is handed over again, µs on the monotonic clock.
    pub retry_at_us: u64,
}

impl Gateway {
    /// The store had no room for the set in flight, and gives it back.
    pub(super) fn returned(&mut self, reason: String, pause_us: u64, changes: Box<ChangeSet>, stamp: Stamp, actions: &mut Vec<Action>) {
        if self.store_down.replace(reason).is_none() {
            actions.push(Action::PauseSources);
        }
        let committing = self.committing.as_mut().filter(|committing| committing.number == changes.number);
        debug_assert!(committing.is_some(), "the store gives back what it was handed");
        if let Some(committing) = committing {
            committing.returned = Some(Returned { changes, retry_at_us: stamp.mono_us.saturating_add(pause_us) });
        }
    }

    /// Somebody waits for the set in flight.
    pub(super) fn retry_now(&mut self, stamp: Stamp) {
        if let Some(returned) = self.committing.as_mut().and_then(|committing| committing.returned.as_mut()) {
            returned.retry_at_us = stamp.mono_us;
        }
    }

    /// Hands the returned set over again if it is time, with what was delivered meanwhile.
    pub(super) fn retry_if_due(&mut self, stamp: Stamp, actions: &mut Vec<Action>) {
        let Some(committing) = &mut self.committing else { return };
        let Some(mut returned) = committing.returned.take_if(|returned| returned.retry_at_us <= stamp.mono_us) else { return };
        // Age drops what is not delivered, which needs a tombstone: that is left to the next set.
        self.sinks.iter_mut().for_each(|sink| sink.advance(None, &mut returned.changes));
        actions.push(Action::Commit(returned.changes));
    }
}
