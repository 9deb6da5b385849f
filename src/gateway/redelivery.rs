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
    hash: u64,
    /// Where it was last received; connection 0 is before this start.
    connection: u64,
    seq: u64,
    /// Its batch is closed: durable with the next commit at the latest.
    closed: bool,
}

/// U as stored, in order: of each message [`STORED_ENTRY_BYTES`], packet id and hash, little endian.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRedelivery {
    #[serde(with = "byte_string")]
    pub entries: Vec<u8>,
}

const STORED_ENTRY_BYTES: usize = 10;

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
    repeats: Option<BTreeMap<u64, VecDeque<u64>>>,
    changed: bool,
}

impl Redelivery {
    /// U as the last commit left it.
    pub fn restore(stored: &StoredRedelivery) -> Redelivery {
        let entries = stored.entries.chunks_exact(STORED_ENTRY_BYTES).take(ENTRIES_MAX).map(|bytes| {
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            let (packet_id, hash) = bytes.split_at(2);
            Entry { packet_id: number(packet_id) as u16, hash: number(hash), connection: 0, seq: 0, closed: true }
        });
        Redelivery { entries: entries.collect(), ..Redelivery::default() }
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
        let mut entries = Vec::with_capacity(self.entries.len() * STORED_ENTRY_BYTES);
        for entry in self.entries.iter().filter(|entry| entry.closed) {
            entries.extend_from_slice(&entry.packet_id.to_le_bytes());
            entries.extend_from_slice(&entry.hash.to_le_bytes());
        }
        StoredRedelivery { entries }
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
        let mut repeats: BTreeMap<u64, VecDeque<u64>> = BTreeMap::new();
        for (position, entry) in self.entries.iter().enumerate() {
            repeats.entry(entry.hash).or_default().push_back(self.removed + position as u64);
        }
        self.repeats = (!repeats.is_empty()).then_some(repeats);
        0
    }

    /// A QoS 1 message arrived on the current connection.
    pub fn receive(&mut self, packet_id: u16, dup: bool, hash: u64, seq: u64) -> Verdict {
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
        let mut repeats: BTreeMap<u64, VecDeque<u64>> = BTreeMap::new();
        for (position, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.connection != connection) {
            repeats.entry(entry.hash).or_default().push_back(self.removed + position as u64);
        }
        self.repeats = (!repeats.is_empty()).then_some(repeats);
    }
}

/// Takes the position of the entry that a message repeats: the one with its packet id if there is one, else, where the broker numbers anew,
/// the first.
fn explained_by(
    repeats: &mut BTreeMap<u64, VecDeque<u64>>,
    entries: &VecDeque<Entry>,
    removed: u64,
    packet_id: u16,
    renumbered: bool,
    hash: u64,
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

    fn stored_hashes(redelivery: &Redelivery) -> Vec<u64> {
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
}
