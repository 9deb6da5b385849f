//! What the state must hold: each record's checksum and parts, and the sum over all of them. Pure.
//!
//! sled takes a damaged message in the middle of its log for the end of a segment and goes on: a record may then come back as it was some
//! commits ago, whole and with a right checksum. The sum over all records is stored with each commit's number, so that this is found.

use std::collections::BTreeMap;

/// A stored record: CRC32 of its key and value, and in how many parts it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub crc: u32,
    pub parts: u16,
}

/// All records by their stored key.
#[derive(Debug, Default)]
pub(super) struct Index {
    held: BTreeMap<Vec<u8>, Held>,
    sum: u64,
}

impl Index {
    /// The sum over all records, in whatever order they came.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Notes a record; returns the parts of the one that it replaces, 0 for none.
    pub fn set(&mut self, key: Vec<u8>, held: Held) -> u16 {
        self.sum = self.sum.wrapping_add(share(held.crc));
        match self.held.insert(key, held) {
            Some(before) => {
                self.sum = self.sum.wrapping_sub(share(before.crc));
                before.parts
            }
            None => 0,
        }
    }

    /// Notes the records of another index whose keys begin with `prefix`.
    pub fn note_all(&mut self, other: &Index, prefix: &[u8]) {
        let known = other.held.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        known.for_each(|(key, held)| _ = self.set(key.clone(), *held));
    }

    /// Forgets a record; returns how many parts it had, 0 for none.
    pub fn remove(&mut self, key: &[u8]) -> u16 {
        let Some(before) = self.held.remove(key) else { return 0 };
        self.sum = self.sum.wrapping_sub(share(before.crc));
        before.parts
    }
}

/// A record's part in the sum: its checksum, spread over 64 bits (SplitMix64's last step), so that sums of different sets differ.
fn share(crc: u32) -> u64 {
    let mixed = (u64::from(crc) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_depends_on_what_is_held_and_not_on_how_it_came_there() {
        let held = |crc| Held { crc, parts: 1 };
        let mut one = Index::default();
        one.set(b"a".to_vec(), held(1));
        one.set(b"b".to_vec(), held(2));
        let mut other = Index::default();
        other.set(b"b".to_vec(), held(9));
        other.set(b"c".to_vec(), held(4));
        assert_eq!(other.set(b"b".to_vec(), Held { crc: 2, parts: 3 }), 1);
        assert_eq!(other.remove(b"c"), 1);
        assert_eq!(other.remove(b"c"), 0);
        other.set(b"a".to_vec(), held(1));
        assert_eq!(one.sum(), other.sum());
        other.set(b"a".to_vec(), held(3));
        assert_ne!(one.sum(), other.sum());
    }
}
