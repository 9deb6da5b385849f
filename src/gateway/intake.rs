//! One source's way into the open batch: repeats recognised, payloads decoded, what must be acknowledged when the batch is durable.
//!
//! Invariants:
//! - A message is looked at once, in order of arrival: counted, found a repeat, or rejected to the dead letters. None is skipped silently.
//! - `received_seq` is the last message looked at; only what a durable batch covers is acknowledged, and only on its own connection.
//! - Messages that wait because the open batch is full are not yet received: if their connection dies, the broker still has them.
//!
//! Limits: [`OPEN_ROWS_MAX`] rows wait decoded; more messages wait undecoded, bounded by the driver's budget of unacknowledged bytes.

use std::collections::VecDeque;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::closing::encode;
use super::dead_letters::{DeadLetter, DeadLetters};
use super::frame::Frame;
use super::frames::CONNECTION;
use super::notes::Silence;
use super::positions::Positions;
use super::redelivery::{Redelivery, Verdict};
use super::stall::Stall;
use crate::batch::{SourceInput, Stamp};
use crate::config::settings::{SourceKind, SourceSettings};
use crate::format::{Decoder, Message, OpenTable};
use crate::mqtt::{Inbound, InboundPayload};
use crate::status::SourceStatus;
use crate::store::{ChangeSet, keys};

/// Rows decoded ahead of the commit. An array payload can pass it once.
pub const OPEN_ROWS_MAX: usize = 1 << 17;

/// What a batch took from a connection: acknowledged when the batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub source: usize,
    pub connection: u64,
    pub through_seq: u64,
    /// QoS 1 messages among them, received since the receipt before.
    pub acknowledgements: u64,
}

/// Where a payload came from.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    pub topic: Option<&'a [u8]>,
    pub place: Option<&'a str>,
    pub retained: bool,
}

impl Origin<'_> {
    fn of(message: &Inbound) -> Origin<'_> {
        Origin { topic: Some(&message.topic), place: None, retained: message.retain }
    }
}

/// What waits because the open batch is full.
pub(super) enum Unread {
    Message(Inbound),
    Frame(Frame),
}

pub struct Intake {
    index: usize,
    pub(super) name: String,
    retained_used: bool,
    idle_timeout_us: u64,
    max_future_us: Option<i64>,
    hash_seed: u64,
    decoder: Decoder,
    open: OpenTable,
    pub(super) waiting: VecDeque<Unread>,
    /// The open batch takes nothing more: the core is to be held.
    pub(super) holding: bool,
    pub positions: Positions,
    pub silence: Silence,
    pub redelivery: Redelivery,
    pub stall: Stall,
    pub filters: Vec<String>,
    pub filters_changed: bool,
    connection: u64,
    pub(super) received_seq: u64,
    /// Through which the closed batches cover the current connection.
    closed_seq: u64,
    acknowledged_seq: u64,
    /// QoS 1 messages received and not acknowledged on this connection; those of them in the open batch.
    unacknowledged: u64,
    open_unacknowledged: u64,
    /// Bytes of frames in the open batch, and at how many it is time to close it: their source waits for that.
    pub(super) open_bytes: usize,
    pub open_bytes_due: usize,
    last_message_us: u64,
    idle_told: bool,
    pub status: SourceStatus,
}

impl Intake {
    pub fn new(index: usize, settings: &SourceSettings, decoder: Decoder, open: OpenTable, hash_seed: u64, stamp: Stamp) -> Intake {
        let (retained_used, connection) = match &settings.kind {
            SourceKind::Mqtt(mqtt) => (mqtt.retained_used, 0),
            _ => (false, CONNECTION),
        };
        Intake {
            index,
            name: settings.name.clone(),
            retained_used,
            idle_timeout_us: micros(settings.idle_timeout),
            max_future_us: settings.max_future.map(|limit| i64::try_from(limit.as_micros()).unwrap_or(i64::MAX)),
            hash_seed,
            decoder,
            open,
            waiting: VecDeque::new(),
            holding: false,
            positions: Positions::default(),
            silence: Silence::new(settings.silence_timeout.map(micros), stamp.mono_us),
            redelivery: Redelivery::default(),
            stall: Stall::default(),
            filters: Vec::new(),
            filters_changed: false,
            connection,
            received_seq: 0,
            closed_seq: 0,
            acknowledged_seq: 0,
            unacknowledged: 0,
            open_unacknowledged: 0,
            open_bytes: 0,
            open_bytes_due: usize::MAX,
            last_message_us: stamp.mono_us,
            idle_told: false,
            status: SourceStatus { name: settings.name.clone(), ..SourceStatus::default() },
        }
    }

    pub fn connected(&mut self, connection: u64, resumed: bool) {
        self.waiting.clear();
        self.stall.connected();
        let had_session = !self.filters.is_empty();
        let voided = self.redelivery.connected(connection, resumed);
        if !resumed && had_session {
            self.status.sessions_lost += 1;
            tracing::warn!(source = %self.name, unproven = voided, "the broker has lost our session: messages that it held for us may be lost");
        }
        (self.connection, self.received_seq, self.closed_seq, self.acknowledged_seq) = (connection, 0, 0, 0);
        (self.unacknowledged, self.open_unacknowledged) = (0, 0);
        self.status.connected = true;
        self.status.connections += 1;
        self.status.trouble = None;
    }

    pub fn disconnected(&mut self, connection: u64) {
        if connection == self.connection {
            self.status.connected = false;
            self.waiting.clear();
        }
    }

    /// The broker's session holds exactly these filters.
    pub fn subscribed(&mut self, filters: Vec<String>) {
        if self.filters != filters {
            self.filters = filters;
            self.filters_changed = true;
        }
    }

    /// Puts what has changed of this source's records.
    pub fn bookkeeping(&mut self, changes: &mut ChangeSet) {
        if self.redelivery.take_changed() {
            changes.puts.push((keys::redelivery(&self.name), encode(&self.redelivery.to_stored())));
        }
        if std::mem::take(&mut self.filters_changed) {
            changes.puts.push((keys::filters(&self.name), encode(&self.filters)));
        }
        self.positions.put_changes(&self.name, changes);
    }

    /// Looks at messages of a connection; those of an old one are ignored, as the broker will send them again.
    pub fn receive(&mut self, connection: u64, messages: Vec<Inbound>, stream_us: i64, stamp: Stamp, letters: &mut DeadLetters) {
        if connection != self.connection || messages.is_empty() {
            return;
        }
        self.stall.arrived(stamp.mono_us);
        self.heard(stamp);
        for message in messages {
            if self.is_full() || !self.waiting.is_empty() || !self.take(&message, stream_us, stamp, letters) {
                self.waiting.push_back(Unread::Message(message));
            }
        }
    }

    /// Something has come.
    pub(super) fn heard(&mut self, stamp: Stamp) {
        self.last_message_us = stamp.mono_us;
        self.silence.heard(stamp.mono_us);
        self.idle_told = false;
    }

    /// Looks at messages that had to wait for room in the open batch.
    pub fn receive_waiting(&mut self, stream_us: i64, stamp: Stamp, letters: &mut DeadLetters) {
        while !self.is_full()
            && let Some(unread) = self.waiting.pop_front()
        {
            let taken = match &unread {
                Unread::Message(message) => self.take(message, stream_us, stamp, letters),
                Unread::Frame(frame) => self.take_frame(frame, stream_us, stamp, letters),
            };
            if !taken {
                return self.waiting.push_front(unread);
            }
        }
    }

    /// Looks at one message; `false` if it has to wait for the next batch after all, with nothing changed.
    fn take(&mut self, message: &Inbound, stream_us: i64, stamp: Stamp, letters: &mut DeadLetters) -> bool {
        let (payload, length) = match &message.payload {
            InboundPayload::Whole(payload) => (payload, payload.len()),
            InboundPayload::Oversized { length, beginning } => (beginning, *length),
        };
        if message.qos > 0 && (message.again || self.is_repeat(message, payload, length)) {
            self.status.repeats += 1;
            self.received(message, length);
            return true;
        }
        if message.retain && !self.retained_used {
            self.status.retained_ignored += 1;
        } else if length > payload.len() {
            let reason = format!("the payload has {length} bytes, more than max_payload");
            self.reject(Origin::of(message), payload, length, reason, stamp, letters);
        } else if !self.decode(Origin::of(message), payload, stream_us, stamp, letters) {
            if message.qos > 0 {
                self.redelivery.take_back();
            }
            return false;
        }
        self.received(message, length);
        true
    }

    /// Whether it was counted on an earlier connection; if not, it is on the record from now on.
    fn is_repeat(&mut self, message: &Inbound, payload: &[u8], length: usize) -> bool {
        let hash = self.hash(message, payload, length);
        self.redelivery.receive(message.packet_id, message.dup, hash, message.seq) == Verdict::Repeat
    }

    fn received(&mut self, message: &Inbound, length: usize) {
        // What came again is acknowledged with the first.
        let owed = u64::from(message.qos > 0 && !message.again);
        self.received_seq = message.seq;
        self.unacknowledged += owed;
        self.open_unacknowledged += owed;
        self.status.received += 1;
        self.status.received_bytes += length as u64;
    }

    /// `false` if the open table has no room for the rows.
    pub(super) fn decode(&mut self, origin: Origin<'_>, payload: &[u8], stream_us: i64, stamp: Stamp, letters: &mut DeadLetters) -> bool {
        let Ok(topic) = std::str::from_utf8(origin.topic.unwrap_or_default()) else {
            self.reject(origin, payload, payload.len(), "the topic is not UTF-8".to_owned(), stamp, letters);
            return true;
        };
        let limit_us = self.max_future_us.filter(|_| stamp.synchronised).map(|limit| stamp.wall_us.saturating_add(limit));
        self.decoder.set_future_limit(limit_us);
        let message = Message { topic, place: origin.place, payload, arrived_us: stream_us, retained: origin.retained };
        match self.decoder.decode(&message, &mut self.open) {
            Ok(decoded) => {
                self.status.decoded_rows += decoded.rows as u64;
                self.status.nulled_fields += decoded.nulled_fields as u64;
                self.status.rejected += (decoded.refused_rows - decoded.refused.len()) as u64;
                for refused in decoded.refused {
                    let row = self.decoder.read_from(payload).get(refused.bytes).unwrap_or(payload).to_vec();
                    self.reject(origin, &row, row.len(), refused.reason.to_string(), stamp, letters);
                }
            }
            Err(bad) if bad.is_dead_letter() || self.open.rows() == 0 => {
                self.reject(origin, payload, payload.len(), bad.to_string(), stamp, letters);
            }
            Err(_) => return false,
        }
        true
    }

    pub(super) fn reject(
        &mut self,
        origin: Origin<'_>,
        beginning: &[u8],
        length: usize,
        reason: String,
        stamp: Stamp,
        letters: &mut DeadLetters,
    ) {
        self.status.rejected += 1;
        letters.push(|| {
            let letter = DeadLetter {
                at_ms: stamp.wall_us.div_euclid(1_000),
                source: Some(self.name.clone()),
                topic: origin.topic.map(|topic| String::from_utf8_lossy(topic).into_owned()),
                place: origin.place.map(str::to_owned),
                reason,
                ..DeadLetter::default()
            };
            letter.with_payload(beginning, length)
        });
    }

    /// Of topic, length and what is there of the payload.
    fn hash(&self, message: &Inbound, payload: &[u8], length: usize) -> u32 {
        let seed = xxh3_64_with_seed(&message.topic, self.hash_seed) ^ length as u64;
        xxh3_64_with_seed(payload, seed) as u32
    }

    pub(super) fn is_full(&self) -> bool {
        self.holding || self.open.rows() >= OPEN_ROWS_MAX
    }

    /// Rows in the open batch.
    pub fn rows(&self) -> usize {
        self.open.rows()
    }

    /// Whether messages wait because the open batch has no room for them.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether so much is in the open batch that its source may be waiting.
    pub fn is_heavy(&self) -> bool {
        self.open_bytes >= self.open_bytes_due
    }

    /// Whether the open batch has something to make durable or to acknowledge.
    pub fn has_news(&self) -> bool {
        self.open.rows() > 0 || self.received_seq > self.closed_seq || self.positions.has_news()
    }

    pub fn deadline_us(&self) -> Option<u64> {
        self.stall.deadline_us(self.unacknowledged)
    }

    /// When the source will count as idle, if it does not yet.
    pub fn idle_at_us(&self) -> Option<u64> {
        (!self.idle_told).then(|| self.last_message_us.saturating_add(self.idle_timeout_us))
    }

    /// From when on, by the wall clock, the source counts as idle if nothing comes.
    pub fn idle_at_wall_us(&self, stamp: Stamp) -> i64 {
        let idle_at_us = self.last_message_us.saturating_add(self.idle_timeout_us);
        let ahead_us = i128::from(idle_at_us) - i128::from(stamp.mono_us);
        i64::try_from(i128::from(stamp.wall_us) + ahead_us).unwrap_or(i64::MAX)
    }

    /// Closes the open batch of this source: its rows, and what is to be acknowledged once they are durable.
    pub fn close(&mut self, stamp: Stamp) -> (SourceInput, Option<Receipt>) {
        self.stall.closed(self.unacknowledged, stamp.mono_us);
        self.redelivery.close();
        self.positions.close();
        self.open_bytes = 0;
        let idle = self.idle_at_us().is_none_or(|at| at <= stamp.mono_us);
        self.idle_told = idle;
        self.status.idle = idle;
        let receipt = (self.received_seq > self.closed_seq).then_some(Receipt {
            source: self.index,
            connection: self.connection,
            through_seq: self.received_seq,
            acknowledgements: std::mem::take(&mut self.open_unacknowledged),
        });
        self.closed_seq = self.received_seq;
        (SourceInput { source: self.index, table: self.open.take(), idle }, receipt)
    }

    /// What the receipt covers is being acknowledged.
    pub fn acknowledged(&mut self, receipt: Receipt, stamp: Stamp) -> bool {
        if receipt.connection != self.connection || receipt.through_seq <= self.acknowledged_seq {
            return false;
        }
        self.acknowledged_seq = receipt.through_seq;
        self.unacknowledged = self.unacknowledged.saturating_sub(receipt.acknowledgements);
        self.status.acknowledged += receipt.acknowledgements;
        self.stall.acknowledged(stamp.mono_us);
        true
    }

    /// Goes on with the task of `old`, whose open batch is closed.
    pub(super) fn take_over(&mut self, old: &mut Intake) {
        self.waiting = std::mem::take(&mut old.waiting);
        self.positions = std::mem::take(&mut old.positions);
        self.redelivery = std::mem::take(&mut old.redelivery);
        self.stall = std::mem::take(&mut old.stall);
        self.filters = std::mem::take(&mut old.filters);
        self.filters_changed = old.filters_changed;
        self.connection = old.connection;
        (self.received_seq, self.closed_seq, self.acknowledged_seq) = (old.received_seq, old.closed_seq, old.acknowledged_seq);
        (self.unacknowledged, self.open_unacknowledged) = (old.unacknowledged, old.open_unacknowledged);
        (self.last_message_us, self.idle_told) = (old.last_message_us, old.idle_told);
        self.silence.take_over(&old.silence);
        self.status = std::mem::take(&mut old.status);
    }

    pub fn status(&self) -> SourceStatus {
        SourceStatus {
            unacknowledged: self.unacknowledged,
            unproven: self.redelivery.len() as u64,
            silent: self.silence.is_silent(),
            ..self.status.clone()
        }
    }

    /// The last message looked at, for a build that acknowledges too early on purpose.
    pub fn receipt(&self) -> Receipt {
        Receipt { source: self.index, connection: self.connection, through_seq: self.received_seq, acknowledgements: 0 }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
