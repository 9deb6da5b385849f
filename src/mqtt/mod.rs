//! MQTT 3.1.1 and 5: a session without sockets over rumqttc's codec, and the driver around it. Only this module names rumqttc.

mod codec;
pub mod driver;
pub mod reason;
pub mod session;

pub use session::{CloseReason, PublishRefused, Publisher, PublisherEvent, Session, SessionEvent, SessionSettings};

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

/// How to reach a broker and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerSettings {
    pub host: String,
    pub port: u16,
    pub tls: Option<TlsSettings>,
    pub protocol: Protocol,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub keep_alive: Duration,
    /// MQTT 5: how long the broker keeps our session. 3.1.1 has none.
    pub session_expiry: Duration,
    pub connect_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM; the system's roots if absent.
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V4,
    V5,
}

/// A topic filter as the broker knows it, and the QoS asked for, 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub filter: String,
    pub qos: u8,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A PUBLISH received. The bytes are slices of the read buffer: copy what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Position in the order of arrival on its connection, from 1, QoS 0 included.
    pub seq: u64,
    /// 0 for QoS 0.
    pub packet_id: u16,
    pub qos: u8,
    pub dup: bool,
    /// The broker has sent it before on this connection, and not yet heard that we have it: only to be counted as a repeat.
    pub again: bool,
    pub retain: bool,
    pub topic: Bytes,
    pub payload: InboundPayload,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InboundPayload {
    Whole(Bytes),
    /// Longer than `payload_bytes_max`, skipped: its length and up to 1 KiB of its beginning.
    Oversized {
        length: usize,
        beginning: Bytes,
    },
}
