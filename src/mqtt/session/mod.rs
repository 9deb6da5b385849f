//! MQTT without sockets: bytes and times in, bytes and events out. [`Session`] takes messages in, [`Publisher`] sends them.
//!
//! No IO, no clock, no random number: time is given as microseconds of a monotonic clock, connections are numbered by the caller. Both are driven alike:
//! `start`, then `receive` what comes, write out what `output` holds, take events by `poll_event` until there is none, call `on_timeout` at `next_timeout`.
//! After [`CloseReason`] has come out, only `start` does anything.
//!
//! Limits: no QoS 2, no shared subscriptions, no will, no topic aliases, no AUTH.

mod connection;
pub(super) mod frame;
pub(super) mod publish;
mod publisher;
mod subscriber;
mod subscription;

pub use frame::{BEGINNING_BYTES_MAX, CONTROL_BYTES_MAX, PROPERTIES_BYTES_MAX};
pub use publisher::{IN_FLIGHT_MAX, PublishRefused, Publisher, PublisherEvent};
pub use subscriber::{Session, SessionEvent, SessionSettings};

use super::reason;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The broker did not accept our CONNECT.
    #[error("the broker refuses the connection: {text} (code 0x{code:02x})")]
    Refused { code: u8, text: String },
    /// The broker sent DISCONNECT (MQTT 5).
    #[error("the broker closed the connection: {text} (code 0x{code:02x})")]
    ByBroker { code: u8, text: String },
    #[error("protocol error: {0}")]
    Protocol(String),
    /// Every topic filter was refused: there is nothing to wait for.
    #[error("the broker refuses every subscription: {0}")]
    NothingGranted(String),
    /// The broker takes no message of the kind that is to be sent; the driver gives it, a session never does.
    #[error("{0}")]
    NothingTaken(String),
    #[error("the broker does not answer the CONNECT")]
    NoConnack,
    #[error("the broker has been silent for {silence_ms} ms")]
    Silent { silence_ms: u64 },
    /// The socket's end or error; the driver gives it, a session never does.
    #[error("connection lost: {0}")]
    Lost(String),
    /// We disconnected.
    #[error("disconnected by us")]
    Ours,
}

impl CloseReason {
    /// Whether only a person can mend it: wrong user, password or rights.
    pub fn is_credentials(&self) -> bool {
        match self {
            CloseReason::Refused { code, .. } | CloseReason::ByBroker { code, .. } => reason::refuses_credentials(*code),
            CloseReason::NothingGranted(_) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
