//! A histogram of so many bins at most: histogram_numeric. Ben-Haim and Tom-Tov, "A streaming parallel decision tree algorithm" (2010).
//!
//! When there are too many bins the two nearest become one; between equally near ones a fixed pseudo-random sequence decides, the one
//! that Spark uses (`java.util.Random`, seed 31183), so that the bins are Spark's. The sequence's state is part of the cell's.

use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::{Malformed, Reader, put_varint};

const SEED: u64 = 31183;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

#[derive(Clone, Debug)]
pub(in crate::engine) struct Histogram {
    /// Centre and height, ascending by centre.
    bins: Vec<(f64, f64)>,
    random: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { bins: Vec::new(), random: (SEED ^ MULTIPLIER) & MASK }
    }
}

impl Histogram {
    pub fn add(&mut self, x: f64, bins_max: usize) {
        let (mut at, mut low, mut high) = (0, 0, self.bins.len());
        while low < high {
            at = (low + high) / 2;
            if self.bins[at].0 > x {
                high = at;
            } else if self.bins[at].0 < x {
                at += 1;
                low = at;
            } else {
                break;
            }
        }
        match self.bins.get_mut(at) {
            Some((centre, height)) if *centre == x => *height += 1.0,
            _ => {
                self.bins.insert(at, (x, 1.0));
                self.trim(bins_max);
            }
        }
    }

    pub fn merge(&mut self, other: &Histogram, bins_max: usize) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
            return;
        }
        self.bins.extend_from_slice(&other.bins);
        self.bins.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Bins of one centre are one bin, as if the rows had come to one histogram.
        self.bins.dedup_by(|next, before| {
            let same = next.0 == before.0;
            before.1 += if same { next.1 } else { 0.0 };
            same
        });
        self.trim(bins_max);
    }

    fn trim(&mut self, bins_max: usize) {
        while self.bins.len() > bins_max.max(1) {
            let (mut nearest, mut least, mut equal) = (0, self.bins[1].0 - self.bins[0].0, 1);
            for index in 1..self.bins.len() - 1 {
                let distance = self.bins[index + 1].0 - self.bins[index].0;
                if distance < least {
                    (nearest, least, equal) = (index, distance, 1);
                } else if distance == least {
                    equal += 1;
                    if self.next_random() <= 1.0 / f64::from(equal) {
                        nearest = index;
                    }
                }
            }
            let (next_centre, next_height) = self.bins.remove(nearest + 1);
            let (centre, height) = &mut self.bins[nearest];
            let sum = *height + next_height;
            *centre *= *height / sum;
            *centre += next_centre / sum * next_height;
            *height = sum;
        }
    }

    /// From 0 to 1.
    fn next_random(&mut self) -> f64 {
        let mut bits = |count: u32| {
            self.random = self.random.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
            self.random >> (48 - count)
        };
        let (high, low) = (bits(26), bits(27));
        ((high << 27) + low) as f64 / (1u64 << 53) as f64
    }

    pub fn bins(&self) -> &[(f64, f64)] {
        &self.bins
    }
}

impl Loose for Histogram {
    fn bytes(&self) -> usize {
        self.bins.len() * 16
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.random);
        put_varint(out, self.bins.len() as u64);
        for (centre, height) in &self.bins {
            out.extend_from_slice(&centre.to_le_bytes());
            out.extend_from_slice(&height.to_le_bytes());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Histogram, Malformed> {
        let random = reader.varint()? & MASK;
        let mut bins = Vec::new();
        for _ in 0..reader.count(16)? {
            bins.push((f64::from_le_bytes(reader.fixed()?), f64::from_le_bytes(reader.fixed()?)));
        }
        Ok(Histogram { bins, random })
    }
}
