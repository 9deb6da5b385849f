//! LIMIT and OFFSET: so many rows and no more, after some that are left out. In a stream the count goes on from step to step; over a complete table it begins anew each step.

use crate::engine::chunk::Chunk;
use crate::engine::expr::Selection;

#[derive(Clone, Debug)]
pub(super) struct Limit {
    rows_max: u64,
    /// Rows to be left out before any passes.
    skip: u64,
    skipped: u64,
    passed: u64,
    per_step: bool,
    changed: bool,
}

impl Limit {
    pub fn new(rows_max: u64, skip: u64, per_step: bool) -> Limit {
        Limit { rows_max, skip, skipped: 0, passed: 0, per_step, changed: false }
    }

    /// Cuts the chunk to what may still pass.
    pub fn apply(&mut self, chunk: &mut Chunk<'_>) {
        let skipping = usize::try_from(self.skip - self.skipped).unwrap_or(usize::MAX).min(chunk.selection.len());
        if skipping > 0 {
            chunk.selection = Selection::Rows(chunk.selection.iter().skip(skipping).collect());
            self.skipped += skipping as u64;
        }
        let left = usize::try_from(self.rows_max - self.passed).unwrap_or(usize::MAX);
        if chunk.selection.len() > left {
            chunk.selection = Selection::Rows(chunk.selection.iter().take(left).collect());
        }
        self.passed += chunk.selection.len() as u64;
        self.changed |= !chunk.selection.is_empty();
    }

    /// Whether nothing will pass any more.
    pub fn is_full(&self) -> bool {
        !self.per_step && self.passed >= self.rows_max
    }

    /// Ends the step; the count if it changed and needs to be stored.
    pub fn end_step(&mut self) -> Option<u64> {
        if self.per_step {
            self.passed = 0;
            self.skipped = 0;
        }
        std::mem::take(&mut self.changed).then_some(self.passed).filter(|_| !self.per_step)
    }

    pub fn restore(&mut self, passed: u64) {
        self.passed = passed.min(self.rows_max);
    }
}
