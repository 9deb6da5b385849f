//! Numbers an operator's rows in the order of their arrival, for aggregates that depend on it. The count is stored with what it numbered.
//!
//! Limits: none; 2^64 rows do not arrive.

use crate::engine::checkpoint::{Entry, Unfit, VERSION, open};
use crate::engine::state_codec::put_varint;

/// Name of the entry, behind the operator's prefix.
pub(super) const ENTRY: &str = "arrivals";

/// How many rows have been numbered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    count: u64,
    stored: u64,
}

impl Arrivals {
    pub fn count(self) -> u64 {
        self.count
    }

    /// The number before that of the first of `rows` further rows.
    pub fn number(&mut self, rows: usize) -> u64 {
        let first = self.count;
        self.count += rows as u64;
        first
    }

    /// Appends the count. Where the step stored nothing of what it numbered (`kept`), those numbers are given again, as they are after a
    /// restart.
    pub fn put_changes(&mut self, prefix: &str, kept: bool, out: &mut Vec<Entry>) {
        if !kept {
            self.count = self.stored;
            return;
        }
        self.stored = self.count;
        let mut value = vec![VERSION];
        put_varint(&mut value, self.count);
        out.push((format!("{prefix}{ENTRY}").into_bytes(), Some(value)));
    }

    /// Takes up the count if it is among the operator's entries.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<(), (&'e str, Unfit)> {
        let Some((name, value)) = entries.iter().find(|(name, _)| *name == ENTRY) else { return Ok(()) };
        let count = open(value).and_then(|mut reader| Ok(reader.varint()?)).map_err(|unfit| (*name, unfit))?;
        *self = Arrivals { count, stored: count };
        Ok(())
    }
}
