//! When the service manager's watchdog is fed: by the core itself, once a second, after it has handled its events.
//!
//! A core that hangs therefore stops feeding. So does one whose store has been in one attempt to read or commit for longer than
//! [`STORE_ATTEMPT_MAX`]: a worn-out card may take minutes for one call and go on, but not for ever. A store that waits for space between its
//! attempts is alive: a restart would not make room.

use std::sync::Arc;
use std::time::Duration;

use super::hooks::{ALIVE_INTERVAL_US, Hooks};
use crate::store::service::Activity;

pub const STORE_ATTEMPT_MAX: Duration = Duration::from_secs(5 * 60);

pub struct Watchdog {
    hooks: Hooks,
    store: Arc<Activity>,
    fed_us: Option<u64>,
    starved: bool,
}

impl Watchdog {
    pub fn new(hooks: Hooks, store: Arc<Activity>) -> Watchdog {
        Watchdog { hooks, store, fed_us: None, starved: false }
    }

    /// The core is here, at this monotonic time.
    pub fn feed(&mut self, mono_us: u64) {
        if self.is_due(mono_us, self.store.busy_for()) {
            self.hooks.alive();
        }
    }

    fn is_due(&mut self, mono_us: u64, store_busy: Option<Duration>) -> bool {
        // A little less than the interval, since the core may wake a moment early.
        if self.fed_us.is_some_and(|fed_us| mono_us < fed_us + ALIVE_INTERVAL_US / 2) {
            return false;
        }
        self.fed_us = Some(mono_us);
        let stuck = store_busy.filter(|busy| *busy > STORE_ATTEMPT_MAX);
        if let Some(busy) = stuck.filter(|_| !self.starved) {
            tracing::error!(
                busy_s = busy.as_secs(),
                "the store has not come back from the disk: nothing becomes durable, and the watchdog is no longer fed; is the card worn out?"
            );
        }
        self.starved = stuck.is_some();
        !self.starved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_core_feeds_once_a_second_and_a_stuck_store_ends_it() {
        let mut watchdog = Watchdog::new(Hooks, Arc::new(Activity::default()));
        let second = ALIVE_INTERVAL_US;
        assert!(watchdog.is_due(second, None), "at once");
        assert!(!watchdog.is_due(second + 1_000, None), "not with each event");
        assert!(watchdog.is_due(2 * second, Some(STORE_ATTEMPT_MAX)), "a slow card may take its time");
        assert!(!watchdog.is_due(3 * second, Some(STORE_ATTEMPT_MAX + Duration::from_secs(1))), "but not for ever");
        assert!(!watchdog.is_due(4 * second, Some(STORE_ATTEMPT_MAX + Duration::from_secs(2))));
        assert!(watchdog.is_due(5 * second, None), "it came back before anybody lost patience");
    }
}
