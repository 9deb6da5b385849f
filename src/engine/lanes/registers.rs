//! A bounded sketch of how many different values there are: approx_count_distinct.
//!
//! HyperLogLog++ (Heule, Nunkesser and Hall, 2013) over the 64-bit hashes that Spark uses, with its thresholds and bias tables: for equal
//! values the estimate is Spark's. While few registers are set they are kept as a sorted list.
//!
//! Limits: precisions 4 to [`PRECISION_MAX`]; a cell takes at most 2^precision bytes.

use crate::engine::lanes::bias::{BIASES, ESTIMATES, PRECISION_MAX, THRESHOLDS};
use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::{Malformed, Reader, put_varint};

pub(in crate::engine) const PRECISION_MIN: u8 = 4;

/// Neighbours that a bias is the mean of.
const NEIGHBOURS: usize = 6;

/// Share of the registers, one in so many, from which on they are kept as an array.
const SPARSE_SHARE: usize = 4;

#[derive(Clone, Debug)]
enum Kept {
    /// Register and rank, ascending by register.
    Sparse(Vec<(u16, u8)>),
    /// The rank of every register.
    Dense(Box<[u8]>),
}

#[derive(Clone, Debug)]
pub(in crate::engine) struct Registers(Kept);

impl Default for Registers {
    fn default() -> Registers {
        Registers(Kept::Sparse(Vec::new()))
    }
}

/// The precision that keeps the relative standard deviation at or below `deviation`.
pub(in crate::engine) fn precision_for(deviation: f64) -> Option<u8> {
    let precision = (2.0 * (1.106 / deviation).ln() / 2f64.ln()).ceil();
    (f64::from(PRECISION_MIN) <= precision && precision <= f64::from(PRECISION_MAX)).then_some(precision as u8)
}

impl Registers {
    pub fn add(&mut self, hash: u64, precision: u8) {
        let register = (hash >> (64 - precision)) as u16;
        let rank = ((hash << precision) | 1 << (precision - 1)).leading_zeros() as u8 + 1;
        self.raise(register, rank, precision);
    }

    fn raise(&mut self, register: u16, rank: u8, precision: u8) {
        match &mut self.0 {
            Kept::Dense(ranks) => ranks[usize::from(register)] = ranks[usize::from(register)].max(rank),
            Kept::Sparse(list) => match list.binary_search_by_key(&register, |(register, _)| *register) {
                Ok(at) => list[at].1 = list[at].1.max(rank),
                Err(at) => {
                    list.insert(at, (register, rank));
                    if list.len() > (1 << precision) / SPARSE_SHARE {
                        let mut ranks = vec![0; 1 << precision].into_boxed_slice();
                        list.iter().for_each(|(register, rank)| ranks[usize::from(*register)] = *rank);
                        self.0 = Kept::Dense(ranks);
                    }
                }
            },
        }
    }

    pub fn merge(&mut self, other: &Registers, precision: u8) {
        match &other.0 {
            Kept::Sparse(list) => list.iter().for_each(|(register, rank)| self.raise(*register, *rank, precision)),
            Kept::Dense(ranks) => {
                let set = ranks.iter().enumerate().filter(|(_, rank)| **rank > 0);
                set.for_each(|(register, rank)| self.raise(register as u16, *rank, precision));
            }
        }
    }

    /// The estimated number of different values.
    pub fn estimate(&self, precision: u8) -> u64 {
        let registers = f64::from(1u32 << precision);
        let at = usize::from(precision - PRECISION_MIN);
        let (mut inverse, mut empty) = (0.0, 0.0);
        let mut take = |rank: u8| {
            inverse += 1.0 / (1u64 << rank) as f64;
            empty += f64::from(u8::from(rank == 0));
        };
        match &self.0 {
            Kept::Dense(ranks) => ranks.iter().for_each(|rank| take(*rank)),
            Kept::Sparse(list) => {
                list.iter().for_each(|(_, rank)| take(*rank));
                (list.len()..1 << precision).for_each(|_| take(0));
            }
        }
        let alpha = match precision {
            4 => 0.673,
            5 => 0.697,
            6 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / registers),
        };
        let raw = alpha * registers * registers / inverse;
        let corrected = || if raw < 5.0 * registers { raw - bias(raw, at) } else { raw };
        let estimate = if empty > 0.0 {
            let linear = registers * (registers / empty).ln();
            if linear <= THRESHOLDS[at] || raw <= 2.5 * registers { linear } else { corrected() }
        } else {
            corrected()
        };
        (estimate + 0.5).floor() as u64
    }
}

/// The mean bias at the nearest raw estimates of the table.
fn bias(raw: f64, at: usize) -> f64 {
    let (estimates, biases) = (ESTIMATES[at], BIASES[at]);
    let distance = |index: usize| (raw - estimates[index]) * (raw - estimates[index]);
    let nearest = estimates.partition_point(|estimate| *estimate < raw);
    let mut low = (nearest + 1).saturating_sub(NEIGHBOURS);
    let mut high = (low + NEIGHBOURS).min(estimates.len());
    while high < estimates.len() && distance(high) < distance(low) {
        low += 1;
        high += 1;
    }
    biases[low..high].iter().sum::<f64>() / (high - low) as f64
}

impl Loose for Registers {
    fn bytes(&self) -> usize {
        match &self.0 {
            Kept::Sparse(list) => list.len() * 4,
            Kept::Dense(ranks) => ranks.len(),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Kept::Sparse(list) => {
                out.push(0);
                put_varint(out, list.len() as u64);
                let mut before = 0;
                for (register, rank) in list {
                    put_varint(out, u64::from(register - before));
                    out.push(*rank);
                    before = *register;
                }
            }
            Kept::Dense(ranks) => {
                out.push(ranks.len().trailing_zeros() as u8);
                out.extend_from_slice(ranks);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Registers, Malformed> {
        let known = |rank: u8| if rank <= 62 { Ok(rank) } else { Err(Malformed("a register is out of range")) };
        let precision = reader.byte()?;
        if precision == 0 {
            let (mut list, mut register) = (Vec::new(), 0u64);
            for index in 0..reader.count(2)? {
                let distance = reader.varint()?;
                register = register.saturating_add(distance);
                if register >= 1 << PRECISION_MAX || (index > 0 && distance == 0) {
                    return Err(Malformed("a register is out of range"));
                }
                list.push((register as u16, known(reader.byte()?)?));
            }
            return Ok(Registers(Kept::Sparse(list)));
        }
        if !(PRECISION_MIN..=PRECISION_MAX).contains(&precision) {
            return Err(Malformed("a sketch's precision is out of range"));
        }
        let ranks = reader.take(1 << precision)?;
        ranks.iter().try_for_each(|rank| known(*rank).map(drop))?;
        Ok(Registers(Kept::Dense(ranks.into())))
    }
}

impl Registers {
    /// Whether the registers are those of a sketch of this precision.
    pub fn fits(&self, precision: u8) -> bool {
        match &self.0 {
            Kept::Sparse(list) => list.last().is_none_or(|(register, _)| *register < 1 << precision),
            Kept::Dense(ranks) => ranks.len() == 1 << precision,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bijective mixer stands for the hash.
    fn mixed(mut x: u64) -> u64 {
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    #[test]
    fn estimates_stay_near_the_truth_and_memory_bounded() {
        for precision in [4, 9, 14] {
            let mut registers = Registers::default();
            for n in 1..=100_000u64 {
                registers.add(mixed(n), precision);
                if [10, 100, 1000, 10_000, 100_000].contains(&n) {
                    let error = (registers.estimate(precision) as f64 - n as f64).abs() / n as f64;
                    let allowed = 4.0 * 1.04 / f64::from(1u32 << precision).sqrt();
                    assert!(error <= allowed, "precision {precision}, {n}: off by {error}");
                }
            }
            assert!(registers.bytes() <= 1 << precision);
        }
    }

    #[test]
    fn merged_sketches_are_those_of_all_values() {
        let mut whole = Registers::default();
        let mut parts = [Registers::default(), Registers::default()];
        for n in 0..700 {
            whole.add(mixed(n), 9);
            parts[usize::from(n >= 20)].add(mixed(n), 9);
        }
        let [mut left, right] = parts;
        left.merge(&right, 9);
        let bytes = |registers: &Registers| {
            let mut out = Vec::new();
            registers.put(&mut out);
            out
        };
        assert_eq!(bytes(&left), bytes(&whole));
        assert_eq!(bytes(&Registers::read(&mut Reader::new(&bytes(&whole))).unwrap()), bytes(&whole));
    }

    #[test]
    fn deviations_give_precisions() {
        assert_eq!([0.05, 0.39, 0.01].map(precision_for), [Some(9), Some(4), Some(14)]);
        assert_eq!([0.5, 0.001, 0.0, -1.0].map(precision_for), [None; 4]);
    }
}
