//! How often each value of a group occurred: mode (values of any type), percentile and median (numbers).

use std::collections::BTreeMap;

use crate::batch::Column;
use crate::engine::lanes::cells::Loose;
use crate::engine::lanes::set::ENTRY_BYTES;
use crate::engine::ordered::{double_rank, put_ordered, ranked_double};
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};

/// What a number takes in a tally, roughly.
pub(in crate::engine) const NUMBER_BYTES: usize = 24;

/// How often a value occurred, and its exact bytes.
type Counted = (u64, Box<[u8]>);

/// Values in their order, by their ordered bytes, with their exact bytes.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Tally {
    counts: BTreeMap<Box<[u8]>, Counted>,
    bytes: usize,
}

impl Tally {
    pub fn add(&mut self, ordered: &[u8], value: &[u8], count: u64) {
        if let Some((known, _)) = self.counts.get_mut(ordered) {
            *known = known.saturating_add(count);
            return;
        }
        self.bytes += ordered.len() + value.len() + ENTRY_BYTES;
        self.counts.insert(ordered.into(), (count, value.into()));
    }

    /// The exact bytes of the most frequent value; of several the least, or the greatest.
    pub fn mode(&self, greatest: bool) -> Option<&[u8]> {
        let most = self.counts.values().map(|(count, _)| *count).max()?;
        let mut modes = self.counts.values().filter(|(count, _)| *count == most).map(|(_, value)| &**value);
        if greatest { modes.next_back() } else { modes.next() }
    }

    pub fn contains(&self, column: &Column, row: usize) -> bool {
        let mut ordered = Vec::new();
        put_ordered(&mut ordered, column, row);
        self.counts.contains_key(&*ordered)
    }

    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.counts.values().map(|(_, value)| &**value)
    }

    pub fn merge(&mut self, other: &Tally) {
        other.counts.iter().for_each(|(ordered, (count, value))| self.add(ordered, value, *count));
    }
}

impl Loose for Tally {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.counts.len() as u64);
        for (ordered, (count, value)) in &self.counts {
            put_bytes(out, ordered);
            put_varint(out, *count);
            put_bytes(out, value);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Tally, Malformed> {
        let mut tally = Tally::default();
        for _ in 0..reader.count(3)? {
            let ordered = reader.bytes()?;
            let count = reader.varint()?;
            let value = reader.bytes()?;
            if count == 0 || tally.counts.contains_key(ordered) {
                return Err(Malformed("a tally holds a value twice"));
            }
            tally.add(ordered, value, count);
        }
        Ok(tally)
    }
}

/// Numbers in their order (-0.0 before 0.0, NaN last) with their frequency.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Numbers {
    counts: BTreeMap<u64, u64>,
}

impl Numbers {
    pub fn add(&mut self, x: f64, count: u64) {
        let known = self.counts.entry(rank(x)).or_insert(0);
        *known = known.saturating_add(count);
    }

    pub fn contains(&self, x: f64) -> bool {
        self.counts.contains_key(&rank(x))
    }

    pub fn merge(&mut self, other: &Numbers) {
        for (rank, count) in &other.counts {
            let known = self.counts.entry(*rank).or_insert(0);
            *known = known.saturating_add(*count);
        }
    }

    /// Each number in order, with how many are up to it.
    pub fn accumulated(&self, descending: bool) -> Vec<(f64, u64)> {
        let mut total = 0u64;
        let accumulate = |(rank, count): (&u64, &u64)| {
            total = total.saturating_add(*count);
            (ranked_double(*rank), total)
        };
        if descending { self.counts.iter().rev().map(accumulate).collect() } else { self.counts.iter().map(accumulate).collect() }
    }
}

fn rank(x: f64) -> u64 {
    double_rank(if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() })
}

impl Loose for Numbers {
    fn bytes(&self) -> usize {
        self.counts.len() * NUMBER_BYTES
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.counts.len() as u64);
        for (rank, count) in &self.counts {
            out.extend_from_slice(&rank.to_le_bytes());
            put_varint(out, *count);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Numbers, Malformed> {
        let mut numbers = Numbers::default();
        for _ in 0..reader.count(9)? {
            let rank = u64::from_le_bytes(reader.fixed()?);
            let count = reader.varint()?;
            if count == 0 || numbers.counts.insert(rank, count).is_some() {
                return Err(Malformed("a tally holds a number twice"));
            }
        }
        Ok(numbers)
    }
}
