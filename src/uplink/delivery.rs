//! The delivery window of one sink, without sockets: which committed record goes out next, and how far everything is delivered.
//!
//! Invariants:
//! - Records are sent in the order of the log; only a refused one comes later than its successors.
//! - The cursor names the first record that is neither acknowledged nor given up; it never passes one that is in flight.
//! - A record of seq s is not in flight while one of its epoch below s − [`SPAN`] is undelivered: a consumer with a window of 64 behind its
//!   high-water mark tells every repeat from every gap.
//!
//! Limits: [`READ_AHEAD_BYTES`] of records are held (one chunk can pass it); at most [`SPAN`] are in flight.

use std::collections::VecDeque;

use crate::gateway::{Cursor, SinkRecord};
use crate::mqtt::reason::Rejection;
use crate::sabotage::{Fault, planted};
use crate::store::StoredChunk;

/// Records from the first undelivered one to the last one in flight.
pub const SPAN: u64 = 64;
/// Bytes of records read ahead of their delivery.
pub const READ_AHEAD_BYTES: usize = 256 << 10;
/// How often a record is sent that the other side refuses as it is, before it goes to the dead letters.
const ATTEMPTS_MAX: u32 = 3;
/// Pause before a refused record is sent again, doubled each time.
const RETRY_US: u64 = 1_000_000;
const RETRY_US_MAX: u64 = 60_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { from_us: u64 },
    InFlight,
    Done,
}

struct Pending {
    /// The cursor when this record and all before it are done.
    next: Cursor,
    epoch: u64,
    seq: u64,
    record: Vec<u8>,
    state: State,
    attempts: u32,
}

/// A record to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Names it until it is acknowledged or refused.
    pub token: u64,
    pub epoch: u64,
    pub seq: u64,
    pub record: SinkRecord<'a>,
}

/// A record given up: for the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub topic: String,
    pub payload: Vec<u8>,
    pub reason: String,
}

/// What became of a refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is sent again.
    Again,
    /// Everything is refused for want of rights: nothing is given up, all is sent again.
    Held,
    GivenUp(Refused),
}

/// The window of one sink.
pub struct Delivery {
    queue: VecDeque<Pending>,
    /// Token of the queue's first record.
    first_token: u64,
    queued_bytes: usize,
    cursor: Cursor,
    /// From where to read on, and the committed end.
    read_offset: u64,
    end: u64,
    delivered: u64,
    cursor_told: Cursor,
    /// Something was accepted on this connection: a refusal for want of rights then concerns the one record.
    accepted: bool,
    /// All before this position in the queue are in flight or done.
    scan: usize,
}

impl Delivery {
    /// Goes on at `cursor`; the log is committed to `end`.
    pub fn new(cursor: Cursor, end: u64) -> Delivery {
        Delivery {
            queue: VecDeque::new(),
            first_token: 0,
            queued_bytes: 0,
            cursor,
            read_offset: cursor.offset,
            end,
            delivered: 0,
            cursor_told: cursor,
            accepted: false,
            scan: 0,
        }
    }

    /// The log holds committed records from `start` to `end`; what lay before was dropped by the outbox's policy.
    pub fn available(&mut self, start: u64, end: u64) {
        self.end = self.end.max(end);
        if self.cursor.offset < start {
            while self.queue.front().is_some_and(|pending| pending.next <= (Cursor { offset: start, index: 0 })) {
                self.pop();
            }
            self.cursor = self.cursor.max(Cursor { offset: start, index: 0 });
            self.read_offset = self.read_offset.max(start);
        }
    }

    /// Offset to read from, if records are wanted and there are any.
    pub fn read_from(&self) -> Option<u64> {
        (self.read_offset < self.end && self.queued_bytes < READ_AHEAD_BYTES).then_some(self.read_offset)
    }

    /// Takes chunks that were read from [`Delivery::read_from`].
    pub fn filled(&mut self, chunks: Vec<StoredChunk>) {
        for stored in chunks {
            if stored.end <= self.read_offset || stored.offset >= self.end {
                continue;
            }
            self.read_offset = stored.end;
            let count = stored.chunk.records.len() as u32;
            let skip = if stored.offset == self.cursor.offset { self.cursor.index } else { 0 };
            for (index, record) in (0..count).zip(stored.chunk.records).skip(skip as usize) {
                let last = index + 1 == count;
                let next = if last { Cursor { offset: stored.end, index: 0 } } else { Cursor { offset: stored.offset, index: index + 1 } };
                self.queued_bytes += record.len();
                self.queue.push_back(Pending {
                    next,
                    epoch: stored.chunk.epoch,
                    seq: stored.chunk.first_seq + u64::from(index),
                    record,
                    state: State::Waiting { from_us: 0 },
                    attempts: 0,
                });
            }
        }
    }

    /// What lies before `next` in the log can't be read: delivery goes on there.
    pub fn skip_damage(&mut self, next: u64) {
        self.read_offset = self.read_offset.max(next);
        self.pass_damage();
    }

    /// The next record to send, now in flight; `None` while the window is full or nothing waits.
    pub fn next(&mut self, mono_us: u64) -> Option<Outgoing<'_>> {
        let position = self.next_position(mono_us)?;
        let token = self.first_token + position as u64;
        let pending = &mut self.queue[position];
        pending.state = State::InFlight;
        pending.attempts += 1;
        if position == self.scan {
            self.scan += 1;
        }
        let record = SinkRecord::decode(&pending.record).unwrap_or(SinkRecord { topic: "", payload: &pending.record });
        Some(Outgoing { token, epoch: pending.epoch, seq: pending.seq, record })
    }

    fn next_position(&self, mono_us: u64) -> Option<usize> {
        let window = self.queue.len().min(SPAN as usize);
        (self.scan..window).find(|position| {
            let pending = &self.queue[*position];
            matches!(pending.state, State::Waiting { from_us } if from_us <= mono_us) && self.within_span(pending)
        })
    }

    fn within_span(&self, candidate: &Pending) -> bool {
        let first = self.queue.iter().find(|pending| pending.epoch == candidate.epoch && pending.state != State::Done);
        first.is_none_or(|first| candidate.seq - first.seq < SPAN)
    }

    /// The record could not be handed to the connection after all.
    pub fn not_sent(&mut self, token: u64) {
        if let Some((position, pending)) = self.in_flight(token) {
            pending.state = State::Waiting { from_us: 0 };
            pending.attempts -= 1;
            self.scan = self.scan.min(position);
        }
    }

    /// The other side has the record.
    pub fn acknowledged(&mut self, token: u64) {
        if let Some((_, pending)) = self.in_flight(token) {
            pending.state = State::Done;
            self.accepted = true;
            self.pop_done();
        }
    }

    /// The other side refuses the record, for `reason`.
    pub fn rejected(&mut self, token: u64, rejection: Rejection, reason: &str, mono_us: u64) -> Outcome {
        let accepted = self.accepted;
        let Some((position, pending)) = self.in_flight(token) else { return Outcome::Again };
        let give_up = match rejection {
            Rejection::Retry => false,
            Rejection::Credentials if !accepted => false,
            Rejection::Credentials | Rejection::Message => pending.attempts >= ATTEMPTS_MAX,
        };
        if give_up {
            return Outcome::GivenUp(self.give_up(token, reason));
        }
        let pause_us = RETRY_US.saturating_mul(1 << pending.attempts.min(16)).min(RETRY_US_MAX);
        pending.state = State::Waiting { from_us: mono_us + pause_us };
        self.scan = self.scan.min(position);
        if rejection == Rejection::Credentials { Outcome::Held } else { Outcome::Again }
    }

    /// The record can never be sent (too large for the other side).
    pub fn give_up(&mut self, token: u64, reason: &str) -> Refused {
        let mut refused = Refused { topic: String::new(), payload: Vec::new(), reason: reason.to_owned() };
        if let Some((_, pending)) = self.in_flight(token) {
            pending.state = State::Done;
            if let Some(record) = SinkRecord::decode(&pending.record) {
                refused.topic = record.topic.to_owned();
                refused.payload = record.payload.to_vec();
            }
            self.pop_done();
        }
        refused
    }

    /// The connection is gone: what was in flight is sent again on the next.
    pub fn disconnected(&mut self) {
        for pending in &mut self.queue {
            if pending.state == State::InFlight {
                pending.state = State::Waiting { from_us: 0 };
            }
        }
        self.scan = 0;
        self.accepted = false;
    }

    /// The cursor and how many records were delivered, if either changed since the last call.
    pub fn take_progress(&mut self) -> Option<(Cursor, u64)> {
        let mut cursor = self.cursor;
        if planted(Fault::CursorAhead) {
            cursor = self.queue.iter().take(self.scan).next_back().map_or(cursor, |sent| sent.next);
        }
        if cursor == self.cursor_told {
            return None;
        }
        self.cursor_told = cursor;
        Some((cursor, std::mem::take(&mut self.delivered)))
    }

    /// When a refused record may be sent again, if one waits for that.
    pub fn retry_at_us(&self) -> Option<u64> {
        let waiting = self.queue.iter().take(SPAN as usize).filter_map(|pending| match pending.state {
            State::Waiting { from_us } if from_us > 0 => Some(from_us),
            _ => None,
        });
        waiting.min()
    }

    /// Whether everything committed is delivered.
    pub fn is_done(&self) -> bool {
        self.queue.is_empty() && self.read_offset >= self.end
    }

    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn in_flight(&mut self, token: u64) -> Option<(usize, &mut Pending)> {
        let position = usize::try_from(token.checked_sub(self.first_token)?).ok()?;
        let pending = self.queue.get_mut(position)?;
        (pending.state == State::InFlight).then_some((position, pending))
    }

    fn pop_done(&mut self) {
        while self.queue.front().is_some_and(|pending| pending.state == State::Done) {
            self.delivered += 1;
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(pending) = self.queue.pop_front() {
            self.queued_bytes -= pending.record.len();
            self.cursor = pending.next;
            self.first_token += 1;
            self.scan = self.scan.saturating_sub(1);
            self.pass_damage();
        }
    }

    /// With nothing left to deliver, everything that was read is done, what could not be read too.
    fn pass_damage(&mut self) {
        if self.queue.is_empty() {
            self.cursor = self.cursor.max(Cursor { offset: self.read_offset, index: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Chunk;

    fn chunk(offset: u64, first_seq: u64, count: u64) -> StoredChunk {
        let records = (0..count).map(|n| SinkRecord::encode("t", format!("{}", first_seq + n).as_bytes())).collect();
        StoredChunk { offset, end: offset + 100, chunk: Chunk { epoch: 7, first_seq, created_ms: 0, records } }
    }

    fn sent(delivery: &mut Delivery, mono_us: u64) -> Vec<u64> {
        std::iter::from_fn(|| delivery.next(mono_us).map(|out| out.seq)).collect()
    }

    #[test]
    fn the_cursor_follows_the_first_undelivered_record() {
        let mut delivery = Delivery::new(Cursor { offset: 0, index: 1 }, 200);
        assert_eq!(delivery.read_from(), Some(0));
        delivery.filled(vec![chunk(0, 1, 3), chunk(100, 4, 1)]);
        assert_eq!(sent(&mut delivery, 0), [2, 3, 4]);
        delivery.acknowledged(1);
        assert_eq!(delivery.take_progress(), None, "the first is not acknowledged");
        delivery.acknowledged(0);
        assert_eq!(delivery.take_progress(), Some((Cursor { offset: 100, index: 0 }, 2)));
        delivery.acknowledged(2);
        assert_eq!(delivery.take_progress(), Some((Cursor { offset: 200, index: 0 }, 1)));
        assert!(delivery.is_done());
    }

    #[test]
    fn the_cursor_stays_in_a_chunk_until_its_last_record_is_delivered() {
        let mut delivery = Delivery::new(Cursor::default(), 100);
        delivery.filled(vec![chunk(0, 1, 3)]);
        sent(&mut delivery, 0);
        for (token, cursor) in [(0, (0, 1)), (1, (0, 2)), (2, (100, 0))] {
            delivery.acknowledged(token);
            assert_eq!(delivery.take_progress(), Some((Cursor { offset: cursor.0, index: cursor.1 }, 1)));
        }
    }

    #[test]
    fn the_span_of_sequence_numbers_is_kept_over_gaps() {
        let mut delivery = Delivery::new(Cursor::default(), 300);
        delivery.filled(vec![chunk(0, 1, 1), chunk(100, 64, 2), chunk(200, 1_000, 1)]);
        assert_eq!(sent(&mut delivery, 0), [1, 64], "65 is 64 past 1");
        delivery.acknowledged(0);
        assert_eq!(sent(&mut delivery, 0), [65]);
        delivery.acknowledged(1);
        assert_eq!(sent(&mut delivery, 0), [] as [u64; 0]);
        delivery.acknowledged(2);
        assert_eq!(sent(&mut delivery, 0), [1_000]);
    }

    #[test]
    fn a_lost_connection_sends_again_in_order() {
        let mut delivery = Delivery::new(Cursor::default(), 100);
        delivery.filled(vec![chunk(0, 1, 3)]);
        sent(&mut delivery, 0);
        delivery.acknowledged(1);
        delivery.disconnected();
        assert_eq!(sent(&mut delivery, 0), [1, 3]);
    }

    #[test]
    fn a_refused_record_is_tried_again_and_then_given_up() {
        let mut delivery = Delivery::new(Cursor::default(), 100);
        delivery.filled(vec![chunk(0, 1, 2)]);
        sent(&mut delivery, 0);
        delivery.acknowledged(1);
        let mut now_us = 0;
        for _ in 1..ATTEMPTS_MAX {
            assert_eq!(delivery.rejected(0, Rejection::Message, "no", now_us), Outcome::Again);
            assert_eq!(sent(&mut delivery, now_us), [] as [u64; 0], "not before its pause");
            now_us = delivery.retry_at_us().unwrap();
            assert_eq!(sent(&mut delivery, now_us), [1]);
        }
        let Outcome::GivenUp(refused) = delivery.rejected(0, Rejection::Message, "no", now_us) else { panic!("not given up") };
        assert_eq!((refused.topic.as_str(), refused.payload.as_slice()), ("t", &b"1"[..]));
        assert_eq!(delivery.take_progress(), Some((Cursor { offset: 100, index: 0 }, 2)));
    }

    #[test]
    fn missing_rights_for_everything_hold_and_for_one_give_up() {
        let mut delivery = Delivery::new(Cursor::default(), 100);
        delivery.filled(vec![chunk(0, 1, 2)]);
        let mut now_us = 0;
        for _ in 0..2 * ATTEMPTS_MAX {
            assert_eq!(sent(&mut delivery, now_us), [1, 2]);
            assert_eq!(delivery.rejected(0, Rejection::Credentials, "no", now_us), Outcome::Held);
            assert_eq!(delivery.rejected(1, Rejection::Credentials, "no", now_us), Outcome::Held);
            now_us += RETRY_US_MAX;
        }
        assert_eq!(sent(&mut delivery, now_us), [1, 2]);
        delivery.acknowledged(1);
        assert!(matches!(delivery.rejected(0, Rejection::Credentials, "no", now_us), Outcome::GivenUp(_)));
    }

    #[test]
    fn what_the_policy_dropped_is_not_sent() {
        let mut delivery = Delivery::new(Cursor::default(), 200);
        delivery.filled(vec![chunk(0, 1, 2), chunk(100, 3, 1)]);
        assert_eq!(delivery.next(0).map(|out| out.seq), Some(1));
        delivery.available(100, 300);
        assert_eq!(sent(&mut delivery, 0), [3]);
        delivery.acknowledged(0);
        delivery.acknowledged(2);
        assert_eq!(delivery.take_progress(), Some((Cursor { offset: 200, index: 0 }, 1)));
        assert_eq!(delivery.read_from(), Some(200));
    }

    #[test]
    fn damage_at_the_end_does_not_hold_the_cursor_back() {
        let mut delivery = Delivery::new(Cursor::default(), 300);
        delivery.filled(vec![chunk(0, 1, 1)]);
        sent(&mut delivery, 0);
        delivery.skip_damage(300);
        assert_eq!(delivery.take_progress(), None, "the first is in flight");
        delivery.acknowledged(0);
        assert_eq!(delivery.take_progress(), Some((Cursor { offset: 300, index: 0 }, 1)), "an outbox that blocks would never have room");
        assert!(delivery.is_done());
    }
}
