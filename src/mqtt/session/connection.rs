//! What both kinds of session share: CONNECT and CONNACK, keep-alive, the watchdog for a silent broker, and closing.
//!
//! Limits: [`PINGS_MAX`] PINGREQs may be unanswered; then no more are sent until one is answered, and keep-alive closes the connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::mqtt::codec::{self, BrokerLimits, ConnAck, Packet};
use crate::mqtt::{BrokerSettings, reason};

use super::CloseReason;
use super::frame::{Frame, Frames};
use super::publish::Flags;

/// Unanswered PINGREQs.
pub const PINGS_MAX: usize = 256;

/// What a session is told of the packets that the connection does not settle itself.
#[derive(Debug)]
pub enum Incoming {
    Accepted {
        session_present: bool,
    },
    Publish {
        flags: Flags,
        packet_id: u16,
        topic: Bytes,
        payload: Bytes,
    },
    Oversized {
        flags: Flags,
        packet_id: u16,
        topic: Bytes,
        length: usize,
        beginning: Bytes,
    },
    PubAck {
        packet_id: u16,
        code: u8,
        reason: Option<String>,
    },
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
        reason: Option<String>,
    },
    UnsubAck {
        packet_id: u16,
        codes: Vec<u8>,
    },
    /// The answer to the PINGREQ that was sent with this mark.
    Pong {
        mark: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// CONNECT is sent; its answer is due at this time.
    Connecting {
        until_us: u64,
    },
    Open,
}

/// One connection after another to one broker; a new one forgets all of the last.
#[derive(Debug)]
pub struct Connection {
    settings: BrokerSettings,
    clean_start: bool,
    payload_bytes_max: usize,
    number: u64,
    phase: Phase,
    frames: Frames,
    pub output: BytesMut,
    limits: BrokerLimits,
    keep_alive_us: u64,
    reading: bool,
    last_sent_us: u64,
    last_received_us: u64,
    /// The marks of unanswered PINGREQs, oldest first.
    pings: VecDeque<u64>,
    closed: Option<CloseReason>,
}

impl Connection {
    pub fn new(settings: BrokerSettings, clean_start: bool, payload_bytes_max: usize) -> Connection {
        Connection {
            frames: Frames::new(settings.protocol, payload_bytes_max),
            settings,
            clean_start,
            payload_bytes_max,
            number: 0,
            phase: Phase::Idle,
            output: BytesMut::new(),
            limits: BrokerLimits::default(),
            keep_alive_us: 0,
            reading: true,
            last_sent_us: 0,
            last_received_us: 0,
            pings: VecDeque::new(),
            closed: None,
        }
    }

    pub fn settings(&self) -> &BrokerSettings {
        &self.settings
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn limits(&self) -> &BrokerLimits {
        &self.limits
    }

    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Begins a connection on fresh buffers: CONNECT goes out first.
    pub fn start(&mut self, number: u64, mono_us: u64) {
        self.number = number;
        self.frames = Frames::new(self.settings.protocol, self.payload_bytes_max);
        self.output.clear();
        self.limits = BrokerLimits::default();
        self.keep_alive_us = micros(self.settings.keep_alive);
        self.reading = true;
        self.last_sent_us = mono_us;
        self.last_received_us = mono_us;
        self.pings.clear();
        self.closed = None;
        self.phase = Phase::Connecting { until_us: mono_us.saturating_add(micros(self.settings.connect_timeout)) };
        if let Err(error) = codec::connect(&self.settings, self.clean_start, &mut self.output) {
            self.close(CloseReason::Protocol(error.to_string()));
        }
    }

    /// The next packet that the session has to act on. After closing, input is thrown away.
    pub fn next(&mut self, input: &mut BytesMut, mono_us: u64) -> Option<Incoming> {
        if !input.is_empty() {
            self.last_received_us = mono_us;
        }
        while self.phase != Phase::Idle {
            let read = match self.frames.next(input) {
                Ok(None) => return None,
                Ok(Some(frame)) => self.on_frame(frame, mono_us),
                Err(malformed) => Err(CloseReason::Protocol(malformed.to_string())),
            };
            match read {
                Ok(Some(incoming)) => return Some(incoming),
                Ok(None) => {}
                Err(reason) => self.close(reason),
            }
        }
        input.clear();
        None
    }

    fn on_frame(&mut self, frame: Frame, mono_us: u64) -> Result<Option<Incoming>, CloseReason> {
        let packet = match frame {
            Frame::Control { bytes, header_bytes } => codec::read(self.settings.protocol, bytes, header_bytes)
                .map_err(|malformed| CloseReason::Protocol(malformed.to_string()))?,
            _ if self.phase != Phase::Open => return Err(unexpected("a PUBLISH came before the CONNACK")),
            Frame::Publish { flags, packet_id, topic, payload } => {
                return Ok(Some(Incoming::Publish { flags, packet_id, topic, payload }));
            }
            Frame::Oversized { flags, packet_id, topic, length, beginning } => {
                return Ok(Some(Incoming::Oversized { flags, packet_id, topic, length, beginning }));
            }
        };
        match (packet, self.phase) {
            (Packet::ConnAck(ack), Phase::Connecting { .. }) => self.on_connack(ack, mono_us).map(Some),
            (Packet::Disconnect { code, reason }, _) => Err(CloseReason::ByBroker { code, text: said(reason::text(code), reason) }),
            (Packet::ConnAck(_), _) => Err(unexpected("a second CONNACK came")),
            (_, Phase::Connecting { .. } | Phase::Idle) => Err(unexpected("a packet came before the CONNACK")),
            (Packet::PingResp, _) => match self.pings.pop_front() {
                Some(mark) => Ok(Some(Incoming::Pong { mark })),
                None => Err(unexpected("a PINGRESP came that nothing was asked for")),
            },
            (Packet::PubAck { packet_id, code, reason }, _) => Ok(Some(Incoming::PubAck { packet_id, code, reason })),
            (Packet::SubAck { packet_id, codes, reason }, _) => Ok(Some(Incoming::SubAck { packet_id, codes, reason })),
            (Packet::UnsubAck { packet_id, codes }, _) => Ok(Some(Incoming::UnsubAck { packet_id, codes })),
            (Packet::QosTwo { packet_type }, _) => Err(unexpected(&format!("a QoS 2 acknowledgement (packet type {packet_type}) came"))),
        }
    }

    fn on_connack(&mut self, ack: ConnAck, mono_us: u64) -> Result<Incoming, CloseReason> {
        if ack.code != 0 {
            let text = reason::refusal_text(self.settings.protocol, ack.code);
            return Err(CloseReason::Refused { code: ack.code, text: said(text, ack.reason) });
        }
        if ack.session_present && self.clean_start {
            return Err(unexpected("the broker resumed a session that we asked it to forget"));
        }
        // With 0 the broker wants no pings, but may be sent some: our own time shows that it is still there.
        if let Some(seconds) = ack.limits.keep_alive_seconds.filter(|seconds| *seconds > 0) {
            self.keep_alive_us = u64::from(seconds) * 1_000_000;
        }
        self.limits = ack.limits;
        self.phase = Phase::Open;
        self.last_sent_us = mono_us;
        Ok(Incoming::Accepted { session_present: ack.session_present })
    }

    /// To be called after anything was put into `output`.
    pub fn sent(&mut self, mono_us: u64) {
        self.last_sent_us = mono_us;
    }

    /// Sends a PINGREQ that carries `mark`; `false` if too many are unanswered.
    pub fn ping(&mut self, mark: u64, mono_us: u64) -> bool {
        if !self.is_open() || self.pings.len() >= PINGS_MAX {
            return false;
        }
        codec::pingreq(&mut self.output);
        self.pings.push_back(mark);
        self.sent(mono_us);
        true
    }

    /// Whether the caller takes bytes off the socket. While it does not, silence proves nothing.
    pub fn set_reading(&mut self, reading: bool, mono_us: u64) {
        if reading && !self.reading {
            self.last_received_us = mono_us;
        }
        self.reading = reading;
    }

    /// When `on_timeout` has something to do.
    pub fn next_timeout(&self) -> Option<u64> {
        match self.phase {
            Phase::Idle => None,
            Phase::Connecting { until_us } => Some(until_us),
            Phase::Open if self.keep_alive_us == 0 => None,
            Phase::Open => Some(self.ping_due_us().min(self.silent_at_us())),
        }
    }

    /// A ping keeps us alive at the broker when we are quiet, and asks for a sign of life when it is.
    fn ping_due_us(&self) -> u64 {
        let asked = !self.pings.is_empty();
        let from_us = if self.reading && !asked { self.last_sent_us.min(self.last_received_us) } else { self.last_sent_us };
        from_us.saturating_add(self.keep_alive_us)
    }

    fn silent_at_us(&self) -> u64 {
        if self.reading { self.last_received_us.saturating_add(self.keep_alive_us / 2 * 3) } else { u64::MAX }
    }

    /// Does what is due; `mark` goes with a keep-alive ping.
    pub fn on_timeout(&mut self, mark: u64, mono_us: u64) {
        match self.phase {
            Phase::Idle => {}
            Phase::Connecting { until_us } if mono_us >= until_us => self.close(CloseReason::NoConnack),
            Phase::Connecting { .. } => {}
            Phase::Open if self.keep_alive_us == 0 => {}
            Phase::Open => {
                let silent = mono_us >= self.silent_at_us() || (mono_us >= self.ping_due_us() && !self.ping(mark, mono_us));
                if silent {
                    self.close(CloseReason::Silent { silence_ms: mono_us.saturating_sub(self.last_received_us) / 1000 });
                }
            }
        }
    }

    /// Says goodbye without ending a persistent session.
    pub fn disconnect(&mut self) {
        if self.is_open() {
            codec::disconnect(&mut self.output);
        }
        self.close(CloseReason::Ours);
    }

    /// Ends the connection; the first reason counts.
    pub fn close(&mut self, reason: CloseReason) {
        if self.phase != Phase::Idle {
            self.phase = Phase::Idle;
            self.closed = Some(reason);
        }
    }

    /// Why the connection ended, once.
    pub fn take_closed(&mut self) -> Option<CloseReason> {
        self.closed.take()
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn unexpected(what: &str) -> CloseReason {
    CloseReason::Protocol(what.to_owned())
}

/// The code's meaning, with the broker's own words.
pub fn said(text: &str, reason: Option<String>) -> String {
    match reason {
        Some(reason) => format!("{text} ({reason})"),
        None => text.to_owned(),
    }
}
