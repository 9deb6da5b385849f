//! How far a source has read, from its word to the commit that makes it durable.
//!
//! Invariants:
//! - A position is written by the commit that closes the batch in which the last frame before it lies, and by no earlier one.
//! - Of several positions of one input only the last in a batch is written.
//!
//! Limits: [`POSITIONS_MAX`] inputs a source; the positions of further ones are not kept, and that is said once.

use std::collections::{BTreeMap, VecDeque};

use super::frame::{POSITION_NAME_BYTES_MAX, POSITIONS_MAX, Position};
use crate::store::{ChangeSet, keys};

/// The positions of one source.
#[derive(Debug, Default)]
pub struct Positions {
    /// As of the last closed batch.
    stored: BTreeMap<String, Vec<u8>>,
    /// Of frames that still wait for room, in order.
    ahead: VecDeque<Position>,
    /// Of the open batch.
    open: BTreeMap<String, Option<Vec<u8>>>,
    /// Of closed batches, not yet in a change set.
    closed: BTreeMap<String, Option<Vec<u8>>>,
    full_told: bool,
}

impl Positions {
    pub fn restore(stored: BTreeMap<String, Vec<u8>>) -> Positions {
        Positions { stored, ..Positions::default() }
    }

    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        self.stored.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Whether its source never said how far it is.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.ahead.is_empty() && self.open.is_empty() && self.closed.is_empty()
    }

    /// Takes what the source says; `received_seq`: its last frame that is in the open batch or an earlier one.
    pub fn said(&mut self, positions: Vec<Position>, received_seq: u64) {
        self.ahead.extend(positions);
        self.received(received_seq);
    }

    /// Everything through `received_seq` is in the open batch or an earlier one.
    pub fn received(&mut self, received_seq: u64) {
        while self.ahead.front().is_some_and(|position| position.through_seq <= received_seq)
            && let Some(position) = self.ahead.pop_front()
        {
            let known = self.open.contains_key(&position.name) || self.stored.contains_key(&position.name);
            let room = known || self.open.len() + self.stored.len() < POSITIONS_MAX;
            if !room || position.name.len() > POSITION_NAME_BYTES_MAX {
                if !std::mem::replace(&mut self.full_told, true) {
                    tracing::error!(
                        input = position.name,
                        "the source has more inputs than there is room for positions: it is read again after a restart"
                    );
                }
                continue;
            }
            self.open.insert(position.name, position.value);
        }
    }

    /// Whether the open batch has something to make durable.
    pub fn has_news(&self) -> bool {
        !self.open.is_empty()
    }

    /// The open batch closes.
    pub fn close(&mut self) {
        for (name, value) in std::mem::take(&mut self.open) {
            match &value {
                Some(value) => _ = self.stored.insert(name.clone(), value.clone()),
                None => _ = self.stored.remove(&name),
            }
            self.closed.insert(name, value);
        }
    }

    /// Puts what closed batches have changed.
    pub fn put_changes(&mut self, source: &str, changes: &mut ChangeSet) {
        for (name, value) in std::mem::take(&mut self.closed) {
            let key = keys::position(source, &name);
            match value {
                Some(value) => changes.puts.push((key, value)),
                None => changes.deletes.push(key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(through_seq: u64, name: &str, value: Option<u8>) -> Position {
        Position { through_seq, name: name.to_owned(), value: value.map(|value| vec![value]) }
    }

    fn changes(positions: &mut Positions) -> ChangeSet {
        let mut changes = ChangeSet::default();
        positions.put_changes("in", &mut changes);
        changes
    }

    #[test]
    fn a_position_is_written_when_the_batch_of_its_frames_closes() {
        let mut positions = Positions::default();
        positions.said(vec![position(2, "a", Some(2)), position(4, "a", Some(4))], 3);
        assert!(positions.has_news());
        assert!(changes(&mut positions).puts.is_empty(), "the batch is open");
        positions.close();
        assert_eq!(changes(&mut positions).puts, [(keys::position("in", "a"), vec![2])]);
        positions.received(4);
        positions.close();
        assert_eq!(changes(&mut positions).puts, [(keys::position("in", "a"), vec![4])]);
        assert!(changes(&mut positions).puts.is_empty(), "once");
        assert_eq!(positions.stored(), [("a".to_owned(), vec![4])]);
    }

    #[test]
    fn what_is_gone_is_deleted() {
        let mut positions = Positions::restore(BTreeMap::from([("a".to_owned(), vec![1])]));
        positions.said(vec![position(1, "a", None)], 1);
        positions.close();
        assert_eq!(changes(&mut positions).deletes, [keys::position("in", "a")]);
        assert!(positions.stored().is_empty());
    }

    #[test]
    fn beyond_the_limit_new_inputs_are_not_kept_and_known_ones_go_on() {
        let stored = (0..POSITIONS_MAX).map(|number| (number.to_string(), vec![0])).collect();
        let mut positions = Positions::restore(stored);
        positions.said(vec![position(1, "new", Some(1)), position(1, "7", Some(1))], 1);
        positions.close();
        assert_eq!(changes(&mut positions).puts, [(keys::position("in", "7"), vec![1])]);
    }
}
