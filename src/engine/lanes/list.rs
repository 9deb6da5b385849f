//! Values of a group in order of arrival: collect_list, listagg.
//!
//! Elements are packed one after the other, each with the distance (modulo 2^64) of its number from that before, so that lists of panes can be woven
//! together in order of arrival. Limits: counted as at least [`ELEMENT_BYTES_MIN`] an element, so that the limit on bytes bounds their number too.

use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};

/// What an element counts for at least, against limits.
pub(in crate::engine) const ELEMENT_BYTES_MIN: usize = 16;

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct List {
    count: u32,
    /// One more than the number of the last element's row.
    last: u64,
    /// Each: varint distance, length-prefixed body.
    bytes: Vec<u8>,
}

/// Number of arrival, plus one, and body.
type Element<'a> = (u64, &'a [u8]);

impl List {
    /// Appends an element, as a rule with a number above all before.
    pub fn push(&mut self, arrival: u64, body: &[u8]) {
        self.append(arrival + 1, body);
    }

    fn append(&mut self, arrival: u64, body: &[u8]) {
        put_varint(&mut self.bytes, arrival.wrapping_sub(self.last));
        put_bytes(&mut self.bytes, body);
        self.last = arrival;
        self.count += 1;
    }

    pub fn last_arrival(&self) -> u64 {
        self.last
    }

    fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        let (mut reader, mut arrival) = (Reader::new(&self.bytes), 0u64);
        std::iter::from_fn(move || {
            arrival = arrival.wrapping_add(reader.varint().ok()?);
            Some((arrival, reader.bytes().ok()?))
        })
    }

    /// The elements' bodies in order of arrival.
    pub fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.elements().map(|(_, body)| body)
    }

    /// Weaves the other's elements in, by arrival.
    pub fn merge(&mut self, other: &List) {
        let Some((first, _)) = other.elements().next() else { return };
        if first > self.last {
            self.bytes.reserve(other.bytes.len());
            other.elements().for_each(|(arrival, body)| self.append(arrival, body));
            return;
        }
        let mut woven = List { bytes: Vec::with_capacity(self.bytes.len() + other.bytes.len()), ..List::default() };
        let (mut ours, mut theirs) = (self.elements().peekable(), other.elements().peekable());
        loop {
            let from_ours = match (ours.peek(), theirs.peek()) {
                (Some((a, _)), Some((b, _))) => a <= b,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            if let Some((arrival, body)) = if from_ours { ours.next() } else { theirs.next() } {
                woven.append(arrival, body);
            }
        }
        drop(ours);
        *self = woven;
    }
}

impl Loose for List {
    fn bytes(&self) -> usize {
        self.bytes.len().max(self.count as usize * ELEMENT_BYTES_MIN)
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.count));
        out.extend_from_slice(&self.bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<List, Malformed> {
        let mut list = List::default();
        for _ in 0..reader.count(2)? {
            // As it was appended: sessions take the rows of a batch by their times, so a number may be below that before.
            let arrival = list.last.wrapping_add(reader.varint()?);
            if arrival == 0 {
                return Err(Malformed("an element of a list has no number"));
            }
            list.append(arrival, reader.bytes()?);
        }
        Ok(list)
    }
}
