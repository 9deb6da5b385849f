//! The session that sends messages, with a clean start on each connection: what was not acknowledged is the caller's to send again.
//!
//! Limits: [`IN_FLIGHT_MAX`] messages are unacknowledged at a time, or the broker's receive maximum if lower.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::mqtt::reason::{self, Rejection};
use crate::mqtt::{BrokerSettings, Protocol};

use super::CloseReason;
use super::connection::{Connection, Incoming, said};
use super::publish::Outgoing;

/// Messages unacknowledged at a time.
pub const IN_FLIGHT_MAX: usize = 64;

/// Payload bytes taken from the broker: it has nothing to send us.
const PAYLOAD_BYTES_MAX: usize = 0;

/// Why a message was not sent. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefused {
    #[error("as many messages are unacknowledged as the broker takes")]
    WindowFull,
    #[error("the message is longer than the broker takes ({limit} bytes with its topic and properties)")]
    TooLarge { limit: usize },
    #[error("not connected")]
    NotConnected,
    #[error("the broker takes no QoS above {limit}")]
    QosTooHigh { limit: u8 },
    #[error("the broker keeps no retained messages")]
    NotRetained,
    /// No broker would take it.
    #[error("{0}")]
    Invalid(&'static str),
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublisherEvent {
    Connected,
    /// The broker has it (QoS 1), or it was written (QoS 0).
    Acknowledged {
        token: u64,
    },
    /// The broker does not take it; what to do about that is the caller's.
    Rejected {
        token: u64,
        reason_code: u8,
        text: String,
        class: Rejection,
    },
    Closed(CloseReason),
}

/// The state of one sink's connection to its broker.
#[derive(Debug)]
pub struct Publisher {
    connection: Connection,
    events: VecDeque<PublisherEvent>,
    /// Packet id and token, in the order sent.
    in_flight: VecDeque<(u16, u64)>,
    /// Tokens of QoS 0 messages that are in `output`.
    unwritten: VecDeque<u64>,
    last_packet_id: u16,
}

impl Publisher {
    pub fn new(broker: BrokerSettings) -> Publisher {
        Publisher {
            connection: Connection::new(broker, true, PAYLOAD_BYTES_MAX),
            events: VecDeque::new(),
            in_flight: VecDeque::new(),
            unwritten: VecDeque::new(),
            last_packet_id: 0,
        }
    }

    /// Begins connection number `connection` on a fresh socket; what was in flight on the one before is forgotten.
    pub fn start(&mut self, connection: u64, mono_us: u64) {
        self.events.clear();
        self.in_flight.clear();
        self.unwritten.clear();
        self.last_packet_id = 0;
        self.connection.start(connection, mono_us);
    }

    /// Sends a message, unless the window is full or the broker would not take it. `token` comes back with its fate.
    #[allow(clippy::too_many_arguments)] // Each is a part of the message.
    pub fn publish(
        &mut self,
        token: u64,
        topic: &str,
        payload: &[u8],
        user_properties: &[(&str, &str)],
        retain: bool,
        qos: u8,
        mono_us: u64,
    ) -> Result<(), PublishRefused> {
        if !self.connection.is_open() {
            return Err(PublishRefused::NotConnected);
        }
        if self.free_window() == 0 {
            return Err(PublishRefused::WindowFull);
        }
        let mut message = Outgoing { topic, payload, user_properties, retain, qos: qos.min(1), packet_id: 0 };
        self.check(&message)?;
        if message.qos == 0 {
            self.unwritten.push_back(token);
        } else {
            message.packet_id = self.free_packet_id();
            self.in_flight.push_back((message.packet_id, token));
        }
        message.write(self.connection.settings().protocol, &mut self.connection.output);
        self.connection.sent(mono_us);
        Ok(())
    }

    /// Whether the broker takes messages of this QoS, retained or not, on this connection.
    pub fn takes(&self, retain: bool, qos: u8) -> Result<(), PublishRefused> {
        let limits = self.connection.limits();
        if qos > limits.qos_max {
            return Err(PublishRefused::QosTooHigh { limit: limits.qos_max });
        }
        if retain && !limits.retain_available {
            return Err(PublishRefused::NotRetained);
        }
        Ok(())
    }

    fn check(&self, message: &Outgoing) -> Result<(), PublishRefused> {
        let limits = self.connection.limits();
        if message.topic.is_empty() || message.topic.contains(['+', '#', '\0']) {
            return Err(PublishRefused::Invalid("the topic is empty or holds +, # or NUL"));
        }
        if !message.strings_fit() {
            return Err(PublishRefused::Invalid("the topic or a user property is longer than 65,535 bytes"));
        }
        self.takes(message.retain, message.qos)?;
        let limit = limits.packet_bytes_max.unwrap_or(usize::MAX);
        match message.packet_bytes(self.connection.settings().protocol) {
            Some(bytes) if bytes <= limit => Ok(()),
            Some(_) => Err(PublishRefused::TooLarge { limit }),
            None => Err(PublishRefused::TooLarge { limit: super::frame::LENGTH_MAX }),
        }
    }

    /// Publishes that may be sent now.
    pub fn free_window(&self) -> usize {
        if !self.connection.is_open() {
            return 0;
        }
        let window = IN_FLIGHT_MAX.min(usize::from(self.connection.limits().receive_maximum));
        window.saturating_sub(self.in_flight.len() + self.unwritten.len())
    }

    /// The next in turn that is not in flight; at most 64 are.
    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if self.in_flight.iter().all(|(packet_id, _)| *packet_id != self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    /// Takes all whole packets off `input`.
    pub fn receive(&mut self, input: &mut BytesMut, mono_us: u64) {
        while let Some(incoming) = self.connection.next(input, mono_us) {
            match incoming {
                Incoming::Accepted { .. } => self.events.push_back(PublisherEvent::Connected),
                Incoming::PubAck { packet_id, code, reason } => self.on_puback(packet_id, code, reason),
                Incoming::Pong { .. } => {}
                Incoming::Publish { .. } | Incoming::Oversized { .. } => self.unasked("PUBLISH"),
                Incoming::SubAck { .. } => self.unasked("SUBACK"),
                Incoming::UnsubAck { .. } => self.unasked("UNSUBACK"),
            }
        }
    }

    fn unasked(&mut self, packet: &str) {
        self.connection.close(CloseReason::Protocol(format!("a {packet} came, though nothing was subscribed")));
    }

    fn on_puback(&mut self, packet_id: u16, code: u8, reason: Option<String>) {
        // Brokers answer in order: the first is nearly always the one.
        let Some(at) = self.in_flight.iter().position(|(id, _)| *id == packet_id) else {
            self.connection.close(CloseReason::Protocol(format!("a PUBACK came for packet id {packet_id}, which is not in flight")));
            return;
        };
        let Some((_, token)) = self.in_flight.remove(at) else { return };
        self.events.push_back(match reason::rejection(code) {
            None => PublisherEvent::Acknowledged { token },
            Some(class) => PublisherEvent::Rejected { token, reason_code: code, text: said(reason::text(code), reason), class },
        });
    }

    /// A QoS 0 message counts as acknowledged once `output` was found empty after it.
    pub fn poll_event(&mut self) -> Option<PublisherEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.connection.output.is_empty()
            && let Some(token) = self.unwritten.pop_front()
        {
            return Some(PublisherEvent::Acknowledged { token });
        }
        self.connection.take_closed().map(PublisherEvent::Closed)
    }

    /// Bytes to be written; take them off as they are.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.connection.output
    }

    pub fn next_timeout(&self) -> Option<u64> {
        self.connection.next_timeout()
    }

    pub fn on_timeout(&mut self, mono_us: u64) {
        self.connection.on_timeout(0, mono_us);
    }

    /// Messages that are sent and neither acknowledged nor rejected.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + self.unwritten.len()
    }

    /// The number of the present or last connection.
    pub fn connection(&self) -> u64 {
        self.connection.number()
    }

    pub fn protocol(&self) -> Protocol {
        self.connection.settings().protocol
    }

    /// Between CONNACK and the end.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Says goodbye.
    pub fn disconnect(&mut self) {
        self.connection.disconnect();
    }
}
