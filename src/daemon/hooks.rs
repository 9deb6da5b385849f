//! What a service manager is told, in one place: ready, alive, how things are, reloading, stopping.
//!
//! With the feature `systemd` it goes to the socket that `$NOTIFY_SOCKET` names; without the feature, or without a manager, it is only logged.
//! Telling waits while the manager's queue is full, as it is for every service: a manager that does not read judges nobody meanwhile.
//! What cannot be told is not repeated: a manager that misses a sign of life restarts the gateway, which is what it is for.

use std::time::Duration;

/// The core wakes at least this often.
pub const ALIVE_INTERVAL_US: u64 = 1_000_000;

/// Called by the daemon as its life goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks;

impl Hooks {
    /// The store is open and the configuration applied; sources connect from now on.
    pub fn ready(&self) {
        tracing::info!("ready");
        notify(&[("READY", "1")]);
    }

    /// The core has handled its events: called by [`super::watchdog`], about every [`ALIVE_INTERVAL_US`].
    pub fn alive(&self) {
        tracing::trace!("alive");
        notify(&[("WATCHDOG", "1")]);
    }

    /// How things are, in one line for people.
    pub fn status(&self, line: &str) {
        tracing::trace!(line, "status");
        notify(&[("STATUS", line)]);
    }

    /// A new configuration is being read and applied; [`Hooks::reloaded`] ends it, whether it was taken or not.
    pub fn reloading(&self) {
        // Type=notify-reload wants to know that this is the answer to its own signal, and not to an earlier one.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now_us = format!("{}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000);
        notify(&[("RELOADING", "1"), ("MONOTONIC_USEC", &now_us)]);
    }

    /// A reload has ended, well or not.
    pub fn reloaded(&self) {
        notify(&[("READY", "1")]);
    }

    /// `at_most`: how long it may take, whatever the manager's own limit is.
    pub fn stopping(&self, at_most: Duration) {
        tracing::info!("stopping: committing what was received");
        let at_most_us = at_most.as_micros().to_string();
        notify(&[("STOPPING", "1"), ("STATUS", "committing what was received, then delivering"), ("EXTEND_TIMEOUT_USEC", &at_most_us)]);
    }

    /// Whether somebody reads [`Hooks::status`].
    pub fn has_manager(&self) -> bool {
        cfg!(feature = "systemd") && std::env::var_os("NOTIFY_SOCKET").is_some()
    }
}

#[cfg(feature = "systemd")]
fn notify(state: &[(&str, &str)]) {
    if let Err(error) = systemd::daemon::notify(state.iter()) {
        tracing::debug!("the service manager can't be told: {error}");
    }
}

#[cfg(not(feature = "systemd"))]
fn notify(_state: &[(&str, &str)]) {}
