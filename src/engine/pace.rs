//! `emit_every`: changed groups of update and complete mode are withheld and come out together, each as it is by then.
//!
//! It is as if batches were that much longer, for what comes out. A window that the watermark closes comes out at once, for it is dropped then.
//!
//! Invariant: what is withheld is stored. A group's cell is stored with a mark, and the entry with the number of the period in which it was written;
//! an emission begins a new period, and so voids all marks without writing them.

use crate::engine::checkpoint::Unfit;
use crate::engine::set_back::SetBack;
use crate::engine::state_codec::{Malformed, Reader, put_signed, put_varint};

/// When the withheld groups of one aggregate come out.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    every_us: i64,
    /// Emissions so far.
    period: u64,
    /// When, by the wall clock, groups came out last, µs.
    last_us: Option<i64>,
    withheld: bool,
    /// Since it was last stored.
    changed: bool,
}

impl Pace {
    pub fn new(every_us: i64) -> Pace {
        Pace { every_us, period: 0, last_us: None, withheld: false, changed: false }
    }

    pub fn period(&self) -> u64 {
        self.period
    }

    pub fn withholds(&self) -> bool {
        self.withheld
    }

    /// Whether groups may come out. A clock that was set back does not keep them.
    pub fn is_due(&self, now_us: i64) -> bool {
        self.last_us.is_none_or(|last_us| now_us < last_us || now_us.saturating_sub(last_us) >= self.every_us)
    }

    /// When what is withheld comes out, by the wall clock, µs.
    pub fn next_us(&self) -> Option<i64> {
        self.withheld.then(|| self.last_us.unwrap_or(i64::MIN).saturating_add(self.every_us))
    }

    /// The clock was set back: what is withheld does not wait longer for it.
    pub fn set_back(&mut self, set_back: &SetBack) {
        if let Some(last_us) = self.last_us {
            self.last_us = Some(set_back.moved(last_us));
            self.changed = true;
        }
    }

    /// Everything withheld has come out.
    pub fn emitted(&mut self, now_us: i64) {
        *self = Pace { every_us: self.every_us, period: self.period + 1, last_us: Some(now_us), withheld: false, changed: true };
    }

    /// Something changed and does not come out yet.
    pub fn withhold(&mut self) {
        self.changed |= !self.withheld;
        self.withheld = true;
    }

    /// The record to store, if it changed: varint period, signed varint µs of the last emission, whether something is withheld.
    pub fn take_changed(&mut self, version: u8) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| {
            let mut value = vec![version];
            put_varint(&mut value, self.period);
            put_signed(&mut value, self.last_us.unwrap_or(i64::MIN));
            value.push(u8::from(self.withheld));
            value
        })
    }

    /// Takes the record up.
    pub fn restore(&mut self, reader: &mut Reader<'_>) -> Result<(), Unfit> {
        let (period, last_us, withheld) = (reader.varint()?, reader.signed()?, reader.byte()? != 0);
        reader.end()?;
        if period > u64::MAX / 2 {
            return Err(Malformed("its number is out of range").into());
        }
        *self = Pace { period, last_us: Some(last_us).filter(|last_us| *last_us != i64::MIN), withheld, ..*self };
        Ok(())
    }
}
