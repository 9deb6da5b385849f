//! What a service manager wants to know, in one place: ready, alive, stopping. Without one these only log.

/// Called by the daemon as its life goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks;

impl Hooks {
    /// The store is open and the configuration applied; sources connect from now on.
    pub fn ready(&self) {
        tracing::info!("ready");
    }

    /// The core has handled its events: called by the core itself, at least every [`ALIVE_INTERVAL_US`].
    pub fn alive(&self) {
        tracing::trace!("alive");
    }

    /// A reload begins.
    pub fn reloading(&self) {
        tracing::info!("reloading");
    }

    /// It has ended, well or not: the gateway runs on.
    pub fn reloaded(&self) {
        tracing::debug!("the reload is over");
    }

    pub fn stopping(&self) {
        tracing::info!("stopping: committing what was received");
    }
}

/// The core wakes at least this often.
pub const ALIVE_INTERVAL_US: u64 = 1_000_000;
