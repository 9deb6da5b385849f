//! The session that takes messages in, on a persistent MQTT session.
//!
//! Messages are numbered in their order of arrival on a connection. What the caller acknowledges goes out as PUBACKs in that order with one PINGREQ behind;
//! its PINGRESP proves that the broker has them.
//!
//! A broker may send what we have not acknowledged again on the same connection. Whatever it wrote before it read our PUBACK comes before the PINGRESP that proves it; so until
//! then a message with DUP and this packet id is the same once more: it is marked, and its PUBACK is the one of the first.
//!
//! Memory: 16 bytes for each QoS 1 message that is not acknowledged, as many that are acknowledged and not proven (past that the oldest are forgotten, and a repeat of theirs counts),
//! and one entry for each of their packet ids.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

use crate::mqtt::{BrokerSettings, Inbound, InboundPayload, Subscription, codec};

use super::CloseReason;
use super::connection::{Connection, Incoming};
use super::publish::Flags;
use super::subscription::{SubscriptionSet, Trouble};

/// Unacknowledged QoS 1 messages: there are no more packet ids.
const UNACKNOWLEDGED_MAX: usize = u16::MAX as usize;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    pub broker: BrokerSettings,
    /// Filters that do not overlap, at QoS 0 or 1.
    pub subscriptions: Vec<Subscription>,
    /// What [`SessionEvent::Subscribed`] last gave, in an earlier life.
    pub stored_filters: Vec<String>,
    /// Longer payloads are skipped.
    pub payload_bytes_max: usize,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The broker accepted us. `resumed` is its "session present": if `false` on a reconnect, messages may be lost.
    Connected {
        resumed: bool,
    },
    /// Numbers ascend without gaps, across events too.
    Messages(Vec<Inbound>),
    /// The broker has our acknowledgements up to this number.
    Proven {
        through_seq: u64,
    },
    /// To be stored where it differs from what is, and given back as `stored_filters`: lines of QoS and filter. Comes on each connection once all
    /// filters are settled; before that, empty, if the broker turns out to have lost the session.
    Subscribed {
        filters: Vec<String>,
    },
    /// A filter that is refused or granted at a lower QoS; text for people.
    SubscriptionTrouble(String),
    Closed(CloseReason),
}

/// The state of one source's connection to its broker.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    subscriptions: SubscriptionSet,
    events: VecDeque<SessionEvent>,
    /// QoS 1 messages, in order of arrival: number and packet id. The first `acknowledged` have a PUBACK that is not proven, the others none.
    unproven: VecDeque<(u64, u16)>,
    acknowledged: usize,
    /// The number of the last of `unproven` with this packet id.
    by_id: BTreeMap<u16, u64>,
    next_seq: u64,
    acknowledged_through: u64,
    proven_through: u64,
    /// PUBACKs went out, but too many pings were open to send theirs.
    ping_owed: bool,
}

impl Session {
    pub fn new(settings: SessionSettings) -> Session {
        Session {
            connection: Connection::new(settings.broker, false, settings.payload_bytes_max),
            subscriptions: SubscriptionSet::new(settings.subscriptions, settings.stored_filters),
            events: VecDeque::new(),
            unproven: VecDeque::new(),
            acknowledged: 0,
            by_id: BTreeMap::new(),
            next_seq: 1,
            acknowledged_through: 0,
            proven_through: 0,
            ping_owed: false,
        }
    }

    /// Begins connection number `connection` on a fresh socket; forgets the one before.
    pub fn start(&mut self, connection: u64, mono_us: u64) {
        self.events.clear();
        self.unproven.clear();
        self.acknowledged = 0;
        self.by_id.clear();
        self.next_seq = 1;
        self.acknowledged_through = 0;
        self.proven_through = 0;
        self.ping_owed = false;
        self.connection.start(connection, mono_us);
    }

    /// The number of the present or last connection.
    pub fn connection(&self) -> u64 {
        self.connection.number()
    }

    /// Between CONNACK and the end.
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Takes all whole packets off `input`; payloads and topics of the messages are slices of it.
    pub fn receive(&mut self, input: &mut BytesMut, mono_us: u64) {
        let mut messages = Vec::new();
        while let Some(incoming) = self.connection.next(input, mono_us) {
            match incoming {
                Incoming::Publish { flags, packet_id, topic, payload } => {
                    self.on_message(&mut messages, flags, packet_id, topic, InboundPayload::Whole(payload));
                }
                Incoming::Oversized { flags, packet_id, topic, length, beginning } => {
                    self.on_message(&mut messages, flags, packet_id, topic, InboundPayload::Oversized { length, beginning });
                }
                other => {
                    self.hand_over(&mut messages);
                    self.on_other(other, mono_us);
                }
            }
        }
        self.hand_over(&mut messages);
    }

    fn hand_over(&mut self, messages: &mut Vec<Inbound>) {
        if !messages.is_empty() {
            self.events.push_back(SessionEvent::Messages(std::mem::take(messages)));
        }
    }

    fn on_message(&mut self, messages: &mut Vec<Inbound>, flags: Flags, packet_id: u16, topic: Bytes, payload: InboundPayload) {
        let again = flags.qos == 1 && flags.dup && self.by_id.contains_key(&packet_id);
        let problem = match flags.qos {
            0 => None,
            1 if !again && self.unacknowledged() >= UNACKNOWLEDGED_MAX => {
                Some("more messages are unacknowledged than there are packet ids")
            }
            1 => None,
            _ => Some("the broker sent a QoS 2 message, though nothing is subscribed above QoS 1"),
        };
        if let Some(problem) = problem {
            self.connection.close(CloseReason::Protocol(problem.to_owned()));
            return;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if flags.qos == 1 && !again {
            self.unproven.push_back((seq, packet_id));
            self.by_id.insert(packet_id, seq);
        }
        messages.push(Inbound { seq, packet_id, qos: flags.qos, dup: flags.dup, again, retain: flags.retain, topic, payload });
    }

    fn on_other(&mut self, incoming: Incoming, mono_us: u64) {
        match incoming {
            Incoming::Accepted { session_present } => self.on_accepted(session_present, mono_us),
            Incoming::SubAck { packet_id, codes, reason } => {
                let troubles = self.subscriptions.on_suback(packet_id, &codes, reason);
                self.on_answer(troubles, "SUBACK");
            }
            Incoming::UnsubAck { packet_id, codes } => {
                let troubles = self.subscriptions.on_unsuback(packet_id, &codes);
                self.on_answer(troubles, "UNSUBACK");
            }
            Incoming::Pong { mark } => self.on_pong(mark, mono_us),
            Incoming::PubAck { .. } => {
                self.connection.close(CloseReason::Protocol("a PUBACK came, though nothing was published".to_owned()));
            }
            Incoming::Publish { .. } | Incoming::Oversized { .. } => unreachable!("messages are taken by receive"),
        }
    }

    fn on_accepted(&mut self, session_present: bool, mono_us: u64) {
        self.events.push_back(SessionEvent::Connected { resumed: session_present });
        if !session_present && self.subscriptions.has_stored() {
            // The new session has no filters yet: a crash before SUBACK must not leave us believing in the old ones.
            self.events.push_back(SessionEvent::Subscribed { filters: Vec::new() });
        }
        let protocol = self.connection.settings().protocol;
        if let Err(error) = self.subscriptions.ask(protocol, session_present, &mut self.connection.output) {
            self.connection.close(CloseReason::Protocol(error.to_string()));
            return;
        }
        self.connection.sent(mono_us);
        if let Some(filters) = self.subscriptions.settled() {
            self.events.push_back(SessionEvent::Subscribed { filters });
        }
    }

    fn on_answer(&mut self, troubles: Option<Vec<Trouble>>, packet: &str) {
        let Some(troubles) = troubles else {
            self.connection.close(CloseReason::Protocol(format!("a {packet} does not fit what was asked")));
            return;
        };
        self.events.extend(troubles.iter().map(|it| SessionEvent::SubscriptionTrouble(it.to_string())));
        if let Some(why) = self.subscriptions.nothing_granted() {
            self.connection.close(CloseReason::NothingGranted(why));
        } else if let Some(filters) = self.subscriptions.settled() {
            self.events.push_back(SessionEvent::Subscribed { filters });
        }
    }

    fn on_pong(&mut self, mark: u64, mono_us: u64) {
        if mark > self.proven_through {
            self.proven_through = mark;
            while self.acknowledged > 0 && self.unproven.front().is_some_and(|(seq, _)| *seq <= mark) {
                self.forget_first();
            }
            self.events.push_back(SessionEvent::Proven { through_seq: mark });
        }
        if self.ping_owed {
            self.ping_owed = !self.connection.ping(self.acknowledged_through, mono_us);
        }
    }

    /// Queues PUBACKs for all messages of connection `connection` up to `through_seq`, and a PINGREQ to prove them. A connection that is gone is none of
    /// our business: its messages come again.
    pub fn acknowledge(&mut self, connection: u64, through_seq: u64, mono_us: u64) {
        if connection != self.connection.number() || !self.connection.is_open() {
            return;
        }
        let through_seq = through_seq.min(self.next_seq - 1);
        let mut any = false;
        while let Some(&(seq, packet_id)) = self.unproven.get(self.acknowledged) {
            if seq > through_seq {
                break;
            }
            codec::puback(packet_id, &mut self.connection.output);
            self.acknowledged += 1;
            any = true;
        }
        while self.acknowledged > UNACKNOWLEDGED_MAX {
            self.forget_first();
        }
        self.acknowledged_through = self.acknowledged_through.max(through_seq);
        // QoS 0 alone leaves nothing to prove.
        if any {
            self.connection.sent(mono_us);
            self.ping_owed = !self.connection.ping(self.acknowledged_through, mono_us);
        }
    }

    /// Forgets the first of those that are acknowledged.
    fn forget_first(&mut self) {
        let Some((seq, packet_id)) = self.unproven.pop_front() else { return };
        self.acknowledged -= 1;
        // The broker may have used the id again for a later message.
        if self.by_id.get(&packet_id) == Some(&seq) {
            self.by_id.remove(&packet_id);
        }
    }

    /// QoS 1 messages that are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.unproven.len() - self.acknowledged
    }

    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front().or_else(|| self.connection.take_closed().map(SessionEvent::Closed))
    }

    /// Bytes to be written; take them off as they are.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.connection.output
    }

    pub fn next_timeout(&self) -> Option<u64> {
        self.connection.next_timeout()
    }

    pub fn on_timeout(&mut self, mono_us: u64) {
        self.connection.on_timeout(self.acknowledged_through, mono_us);
    }

    /// To be told when the caller stops taking bytes off the socket, and when it goes on: meanwhile the broker cannot be called silent.
    pub fn set_reading(&mut self, reading: bool, mono_us: u64) {
        self.connection.set_reading(reading, mono_us);
    }

    /// Says goodbye. The broker keeps the session, and what is not acknowledged comes again.
    pub fn disconnect(&mut self) {
        self.connection.disconnect();
    }
}
