//! One value kept of a group: the first, the last, or the one at an extreme of another.
//!
//! Each carries its number in order of arrival, so that panes, which are ordered by event time, combine to what one state would hold.

use crate::batch::Column;
use crate::engine::lanes::cells::Loose;
use crate::engine::ordered::put_ordered;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};
use crate::engine::value_codec::put_value;

/// Which value stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Keep {
    First,
    Last,
    /// At the least or greatest key; of equal ones the last, as Spark's max_by.
    Least,
    Greatest,
    /// The same, of equal ones the first, as Spark's max.
    FirstLeast,
    FirstGreatest,
}

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Kept {
    /// One more than the row's number in order of arrival; 0: nothing yet.
    arrival: u64,
    key_len: u32,
    /// The key, ordered; then the value.
    bytes: Vec<u8>,
}

impl Kept {
    /// The value's bytes; `None` before any row.
    pub fn value(&self) -> Option<&[u8]> {
        (self.arrival > 0).then(|| &self.bytes[self.key_len as usize..])
    }

    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    /// Offers row `row` with number `arrival`, greater than all before. `scratch` is memory to use.
    pub fn offer(&mut self, keep: Keep, arrival: u64, value: &Column, key: &Column, row: usize, scratch: &mut Vec<u8>) {
        scratch.clear();
        let stays = match keep {
            Keep::First => self.arrival > 0,
            Keep::Last => false,
            _ => {
                put_ordered(scratch, key, row);
                self.arrival > 0 && stays(keep, self.key(), scratch)
            }
        };
        if stays {
            return;
        }
        self.arrival = arrival + 1;
        self.key_len = scratch.len() as u32;
        put_value(scratch, value, row);
        self.bytes.clear();
        self.bytes.extend_from_slice(scratch);
    }

    pub fn merge(&mut self, keep: Keep, other: &Kept) {
        if other.arrival == 0 {
            return;
        }
        let stays = self.arrival > 0
            && match keep {
                Keep::First => self.arrival < other.arrival,
                Keep::Last => self.arrival > other.arrival,
                Keep::Least | Keep::Greatest if self.key() == other.key() => self.arrival > other.arrival,
                _ if self.key() == other.key() => self.arrival < other.arrival,
                _ => stays(keep, self.key(), other.key()),
            };
        if !stays {
            self.clone_from(other);
        }
    }
}

fn stays(keep: Keep, old: &[u8], new: &[u8]) -> bool {
    match keep {
        Keep::First => true,
        Keep::Last => false,
        Keep::Least => old < new,
        Keep::Greatest => old > new,
        Keep::FirstLeast => old <= new,
        Keep::FirstGreatest => old >= new,
    }
}

impl Loose for Kept {
    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.arrival);
        if self.arrival > 0 {
            put_bytes(out, self.key());
            put_bytes(out, &self.bytes[self.key_len as usize..]);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Kept, Malformed> {
        let arrival = reader.varint()?;
        if arrival == 0 {
            return Ok(Kept::default());
        }
        let key = reader.bytes()?;
        let value = reader.bytes()?;
        Ok(Kept { arrival, key_len: key.len() as u32, bytes: [key, value].concat() })
    }
}
