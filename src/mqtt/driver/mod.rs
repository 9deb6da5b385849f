//! Sockets and time around the sessions, on tokio. For the uplink as well: [`Wire`] opens a connection and moves bytes, [`Backoff`] says when to try again,
//! [`Notices`] what is worth a log line.

mod backoff;
mod notices;
mod rate;
mod socket;
mod source;
mod transport;
mod wire;

pub use backoff::Backoff;
pub use notices::Notices;
pub use rate::Rate;
pub use source::{SourceControl, SourceDriverSettings, SourceEvent, run_source};
pub use transport::{ConnectError, Transport};
pub use wire::{Progress, Wire};

/// A random number for [`Backoff::next`]; the middle where the system gives none.
pub fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}
