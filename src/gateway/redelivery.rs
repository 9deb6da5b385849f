//! The redelivery rule: which received messages are repeats of ones already counted.
//!
//! MQTT QoS 1 repeats whatever the broker does not know to be acknowledged. U is the list of messages received and not *proven*
//! acknowledged, in order of arrival, with those of the open and of the committing batch; it is part of every commit.
//!
//! Invariants:
//! - A message enters U when it is received and leaves it when a PINGRESP proved that the broker has read its PUBACK, when the session
//!   was lost, or when the repeats of a resumed session are over and it was not among them (so the broker had read its PUBACK).
//! - On a resumed session, until the first QoS 1 message outside U: a PUBLISH whose hash is in U is a repeat if it has the same packet id
//!   (Mosquitto, aedes), or DUP and the id of a broker that numbers each connection's messages from 1 (RabbitMQ). One entry explains one
//!   repeat a connection. Anything else is new: DUP with some other id is an equal reading that was under way when the connection ended.
//! - What is stored are the messages of closed batches only: one of the open batch is not durable, so its repeat must be counted.
//! - A record that outlives its proof would suppress a new reading of the same text; so the rule errs to counting.
//!
//! A hash has 32 bits, whose seed nobody outside knows: U is most of what a small gateway's commit writes. Two messages that differ are taken for one only where a session
//! was resumed and these bits are equal; and their packet ids, or, where the broker numbers anew, the first message of what was lost with the open batch equals
//! any of U: one such start in four million loses a message with a thousand in U.
//!
//! Limits: U is bounded by the intake's budget of unacknowledged bytes, and by [`ENTRIES_MAX`]; past that the oldest entries go.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::sabotage::{Fault, planted};

/// Entries of U; a broker sends at most 65,535 unacknowledged messages, and as many can be unproven.
pub const ENTRIES_MAX: usize = 2 * 65_535;

/// A message that is not proven acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    packet_id: u16,
    hash: u32,
    /// Where it was last received; connection 0 is before this start.
    connection: u64,
    seq: u64,
    /// Its batch is closed: durable with the next commit at the latest.
    closed: bool,
}

/// U as stored, in order, by runs of messages whose packet ids go up by one: the first one's id and the number of messages, 2 bytes each, then each one's
/// hash, 4 bytes; all little endian.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRedelivery {
    #[serde(with = "byte_string", default)]
    pub runs: Vec<u8>,
    /// As older versions stored it: of each message [`SINGLE_BYTES`], packet id and a hash whose lower half is the one of today, little endian.
    #[serde(with = "byte_string", default, skip_serializing)]
    entries: Vec<u8>,
}

const RUN_HEAD_BYTES: usize = 4;
const HASH_BYTES: usize = 4;
const SINGLE_BYTES: usize = 10;

impl StoredRedelivery {
    /// Packet ids and hashes, in order. What is cut short or makes no sense is left out: it can't be told from a message that is not in U.
    fn messages(&self) -> Vec<(u16, u32)> {
        let mut messages: Vec<(u16, u32)> = Vec::new();
        for bytes in self.entries.chunks_exact(SINGLE_BYTES) {
            messages.push((number(&bytes[..2]) as u16, number(&bytes[2..2 + HASH_BYTES])));
        }
        let mut rest = self.runs.as_slice();
        while let Some((head, after)) = rest.split_at_checked(RUN_HEAD_BYTES) {
            let (first, count) = (number(&head[..2]) as u16, number(&head[2..]) as usize);
            let Some((hashes, after)) = after.split_at_checked(count * HASH_BYTES) else { break };
            let ids = (0..count).map(|place| first.wrapping_add(place as u16));
            messages.extend(ids.zip(hashes.chunks_exact(HASH_BYTES).map(number)));
            rest = after;
        }
        messages.truncate(ENTRIES_MAX);
        messages
    }

    /// Of packet ids and hashes, in order.
    fn of(messages: impl Iterator<Item = (u16, u32)> + Clone) -> StoredRedelivery {
        let mut runs = Vec::with_capacity(RUN_HEAD_BYTES + messages.size_hint().0 * HASH_BYTES);
        // Where the run that is being written begins, and what it holds.
        let (mut head, mut first, mut count) = (0, 0_u16, 0_u16);
        for (packet_id, hash) in messages {
            if runs.is_empty() || packet_id != first.wrapping_add(count) || count == u16::MAX {
                (head, first, count) = (runs.len(), packet_id, 0);
                runs.extend_from_slice(&packet_id.to_le_bytes());
                runs.extend_from_slice(&count.to_le_bytes());
            }
            count += 1;
            runs[head + 2..head + RUN_HEAD_BYTES].copy_from_slice(&count.to_le_bytes());
            runs.extend_from_slice(&hash.to_le_bytes());
        }
        StoredRedelivery { runs, entries: Vec::new() }
    }
}

/// Little endian, at most 4 bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// What a received message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    /// Counted before: only to be acknowledged.
    Repeat,
}

/// U of one source.
#[derive(Debug, Default)]
pub struct Redelivery {
    entries: VecDeque<Entry>,
    /// Number of entries removed from the front since the start, so that `repeats` can name entries by position.
    removed: u64,
    connection: u64,
    /// QoS 1 messages received on this connection.
    received: u64,
    /// While repeats may come: positions of the entries not yet repeated, by hash, in order.
    repeats: Option<BTreeMap<u32, VecDeque<u64>>>,
    changed: bool,
}

impl Redelivery {
    /// U as the last commit left it.
    pub fn restore(stored: &StoredRedelivery) -> Redelivery {
        let entry = |(packet_id, hash)| Entry { packet_id, hash, connection: 0, seq: 0, closed: true };
        Redelivery { entries: stored.messages().into_iter().map(entry).collect(), ..Redelivery::default() }
    }

    /// The open batch closes: what was received so far belongs to the next commit.
    pub fn close(&mut self) {
        for entry in self.entries.iter_mut().rev().take_while(|entry| !entry.closed) {
            entry.closed = true;
            self.changed = true;
        }
    }

    /// U for the commit.
    pub fn to_stored(&self) -> StoredRedelivery {
        StoredRedelivery::of(self.entries.iter().filter(|entry| entry.closed).map(|entry| (entry.packet_id, entry.hash)))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether U differs from what was last taken for a commit; asking marks it taken.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// A connection was accepted. Where the broker did not resume the session it repeats nothing. Returns how many records that voids.
    pub fn connected(&mut self, connection: u64, resumed: bool) -> usize {
        (self.connection, self.received) = (connection, 0);
        if !resumed {
            let voided = self.entries.len();
            self.changed |= voided > 0;
            self.removed += voided as u64;
            self.entries.clear();
            self.repeats = None;
            return voided;
        }
        let mut repeats: BTreeMap<u32, VecDeque<u64>> = BTreeMap::new();
        for (position, entry) in self.entries.iter().enumerate() {
            repeats.entry(entry.hash).or_default().push_back(self.removed + position as u64);
        }
        self.repeats = (!repeats.is_empty()).then_some(repeats);
        0
    }

    /// A QoS 1 message arrived on the current connection.
    pub fn receive(&mut self, packet_id: u16, dup: bool, hash: u32, seq: u64) -> Verdict {
        self.received += 1;
        let renumbered = dup && u64::from(packet_id) == self.received;
        if let Some(repeats) = &mut self.repeats
            && !planted(Fault::NoRedelivery)
        {
            if let Some(position) = explained_by(repeats, &self.entries, self.removed, packet_id, renumbered, hash) {
                let entry = &mut self.entries[(position - self.removed) as usize];
                *entry = Entry { packet_id, hash, connection: self.connection, seq, closed: entry.closed };
                self.changed = true;
                return Verdict::Repeat;
            }
            self.end_of_repeats();
        }
        self.entries.push_back(Entry { packet_id, hash, connection: self.connection, seq, closed: false });
        self.changed = true;
        if self.entries.len() > ENTRIES_MAX {
            self.entries.pop_front();
            self.removed += 1;
        }
        Verdict::New
    }

    /// The message that was just found new could not be taken after all: it will come once more.
    pub fn take_back(&mut self) {
        self.received -= 1;
        self.entries.pop_back();
    }

    /// A message outside U came: what the broker did not repeat before it, it knows to be acknowledged.
    fn end_of_repeats(&mut self) {
        self.repeats = None;
        let before = self.entries.len();
        let connection = self.connection;
        self.entries.retain(|entry| entry.connection == connection);
        self.removed += (before - self.entries.len()) as u64;
    }

    /// The broker has read our acknowledgements of everything up to `through_seq` on this connection.
    pub fn proven(&mut self, connection: u64, through_seq: u64) {
        if connection != self.connection {
            return;
        }
        if self.repeats.is_some() {
            self.forget_proven_repeats(connection, through_seq);
            return;
        }
        let before = self.entries.len();
        while self.entries.front().is_some_and(|entry| entry.connection == connection && entry.seq <= through_seq) {
            self.entries.pop_front();
        }
        self.removed += (before - self.entries.len()) as u64;
        self.changed |= self.entries.len() != before;
    }

    /// Removes proven entries while repeats may still come, and numbers the waiting ones anew.
    fn forget_proven_repeats(&mut self, connection: u64, through_seq: u64) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.connection != connection || entry.seq > through_seq);
        if self.entries.len() == before {
            return;
        }
        self.changed = true;
        self.removed += (before - self.entries.len()) as u64;
        let mut repeats: BTreeMap<u32, VecDeque<u64>> = BTreeMap::new();
        for (position, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.connection != connection) {
            repeats.entry(entry.hash).or_default().push_back(self.removed + position as u64);
        }
        self.repeats = (!repeats.is_empty()).then_some(repeats);
    }
}

/// Takes the position of the entry that a message repeats: the one with its packet id if there is one, else, where the broker numbers anew,
/// the first.
fn explained_by(
    repeats: &mut BTreeMap<u32, VecDeque<u64>>,
    entries: &VecDeque<Entry>,
    removed: u64,
    packet_id: u16,
    renumbered: bool,
    hash: u32,
) -> Option<u64> {
    let positions = repeats.get_mut(&hash)?;
    let same_id = positions.iter().position(|position| entries[(position - removed) as usize].packet_id == packet_id);
    let index = match same_id {
        Some(index) => index,
        None if renumbered => 0,
        None => return None,
    };
    let position = positions.remove(index);
    if positions.is_empty() {
        repeats.remove(&hash);
    }
    position
}

/// Bytes as a byte string, where serde by itself writes a list of numbers.
mod byte_string {
    use serde::{Deserializer, Serializer, de::Error, de::Visitor};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_hashes(redelivery: &Redelivery) -> Vec<u32> {
        Redelivery::restore(&redelivery.to_stored()).entries.iter().map(|entry| entry.hash).collect()
    }

    /// A crash right after the open batch was committed.
    fn restart(mut redelivery: Redelivery) -> Redelivery {
        redelivery.close();
        let bytes = serde_cbor::to_vec(&redelivery.to_stored()).unwrap();
        Redelivery::restore(&serde_cbor::from_slice(&bytes).unwrap())
    }

    fn with_three() -> Redelivery {
        let mut redelivery = Redelivery::default();
        redelivery.connected(1, false);
        for (seq, hash) in [(1, 10), (2, 20), (3, 30)] {
            assert_eq!(redelivery.receive(seq as u16, false, hash, seq), Verdict::New);
        }
        redelivery
    }

    #[test]
    fn repeats_after_a_restart_are_counted_once_by_dup_or_by_id() {
        let mut redelivery = restart(with_three());
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(1, false, 10, 1), Verdict::Repeat, "same id");
        assert_eq!(redelivery.receive(2, true, 30, 2), Verdict::Repeat, "DUP, the second of a broker that numbers anew");
        assert_eq!(redelivery.receive(8, false, 20, 3), Verdict::New, "neither");
    }

    #[test]
    fn an_equal_reading_that_was_under_way_is_not_a_repeat() {
        let mut redelivery = restart(with_three());
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(4, true, 30, 1), Verdict::New, "the text of message 3, which the broker knows to be acknowledged");
    }

    #[test]
    fn one_entry_explains_one_repeat() {
        let mut redelivery = restart(with_three());
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(1, true, 10, 1), Verdict::Repeat);
        assert_eq!(redelivery.receive(1, true, 10, 2), Verdict::New);
    }

    #[test]
    fn the_first_message_outside_ends_the_repeats() {
        let mut redelivery = restart(with_three());
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(1, true, 10, 1), Verdict::Repeat);
        assert_eq!(redelivery.receive(4, false, 40, 2), Verdict::New);
        assert_eq!(redelivery.receive(3, true, 20, 3), Verdict::New, "the broker repeats in order, before anything else");
        redelivery.close();
        assert_eq!(stored_hashes(&redelivery), [10, 40, 20], "records that the broker did not repeat are gone");
    }

    #[test]
    fn a_proof_removes_and_a_lost_session_voids() {
        let mut redelivery = with_three();
        redelivery.proven(7, 3);
        assert_eq!(redelivery.len(), 3, "a proof from another connection is none");
        redelivery.proven(1, 2);
        redelivery.close();
        assert_eq!(stored_hashes(&redelivery), [30]);
        assert_eq!(redelivery.connected(2, false), 1);
        assert_eq!(redelivery.len(), 0);
    }

    #[test]
    fn a_proof_amid_repeats_keeps_the_rest() {
        let mut redelivery = restart(with_three());
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(1, true, 10, 1), Verdict::Repeat);
        redelivery.proven(1, 1);
        assert_eq!(stored_hashes(&redelivery), [20, 30]);
        assert_eq!(redelivery.receive(2, true, 20, 2), Verdict::Repeat);
        assert_eq!(redelivery.receive(3, true, 30, 3), Verdict::Repeat);
        redelivery.proven(1, 3);
        assert_eq!(redelivery.len(), 0);
        assert_eq!(redelivery.receive(1, false, 10, 4), Verdict::New, "the same reading again is a new one");
    }

    #[test]
    fn equal_readings_are_told_apart_by_id() {
        let mut redelivery = Redelivery::default();
        redelivery.connected(1, false);
        redelivery.receive(1, false, 10, 1);
        redelivery.receive(2, false, 10, 2);
        redelivery.connected(2, true);
        assert_eq!(redelivery.receive(2, false, 10, 1), Verdict::Repeat);
        assert_eq!(redelivery.receive(1, false, 10, 2), Verdict::Repeat);
        assert_eq!(redelivery.receive(1, false, 10, 3), Verdict::New);
    }

    #[test]
    fn a_message_of_the_open_batch_is_not_stored() {
        let mut redelivery = with_three();
        redelivery.close();
        assert!(redelivery.take_changed());
        redelivery.receive(4, false, 40, 4);
        assert_eq!(stored_hashes(&redelivery), [10, 20, 30]);
        assert!(redelivery.take_changed());
        redelivery.close();
        assert!(redelivery.take_changed(), "closing adds to what is to be stored");
        assert_eq!(stored_hashes(&redelivery), [10, 20, 30, 40]);
    }

    #[test]
    fn what_is_stored_is_read_back_whatever_the_packet_ids_are() {
        let long: Vec<(u16, u32)> = (0..70_000_u32).map(|place| (place as u16, place * 7)).collect();
        let around: Vec<(u16, u32)> = vec![(65_534, 1), (65_535, 2), (0, 3), (1, u32::MAX), (9, 5), (8, 6), (9, 7), (9, 7)];
        for messages in [Vec::new(), vec![(0, 0)], vec![(7, 8), (7, 8)], around, long] {
            let stored = StoredRedelivery::of(messages.iter().copied());
            assert_eq!(stored.messages(), messages);
        }
        let thousand = StoredRedelivery::of((1..=1_000_u16).map(|id| (id, 1)));
        assert_eq!(thousand.runs.len(), 4_004, "four bytes a message");
    }

    #[test]
    fn what_an_older_version_stored_is_taken_up() {
        let entries = [[7, 0, 10, 0, 0, 0, 1, 2, 3, 4], [8, 0, 20, 0, 0, 0, 1, 2, 3, 4]].concat();
        let mut redelivery = Redelivery::restore(&StoredRedelivery { entries, runs: Vec::new() });
        redelivery.connected(1, true);
        assert_eq!(redelivery.receive(7, true, 10, 1), Verdict::Repeat);
        assert_eq!(redelivery.receive(8, true, 20, 2), Verdict::Repeat);
    }

    #[test]
    fn a_record_that_is_cut_short_gives_what_is_whole() {
        let stored = StoredRedelivery::of([(1, 10), (2, 20), (5, 50), (6, 60)].into_iter());
        for length in 0..stored.runs.len() {
            let cut = StoredRedelivery { runs: stored.runs[..length].to_vec(), entries: Vec::new() };
            assert_eq!(cut.messages(), if length < 12 { vec![] } else { vec![(1, 10), (2, 20)] }, "{length} bytes");
        }
    }
}
