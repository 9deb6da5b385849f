//! Joins: which operator a join becomes, and what streams do not allow.

use super::Compiler;
use super::events::scanned;
use crate::engine::error::EngineError;
use crate::engine::join::{Lookup, Whole};
use crate::engine::stage::Stage;
use crate::plan::{Join, OutputMode, Relation};

impl Compiler<'_> {
    /// The join, where its right side is one to look rows up in: it reads no source, and unmatched rows of it do not come out.
    pub(super) fn lookup_join<'r>(&self, relation: &'r Relation) -> Option<&'r Join> {
        match relation {
            Relation::Join(join) if Lookup::takes(join.kind) && scanned(&join.right).is_empty() => Some(join),
            _ => None,
        }
    }

    pub(super) fn join(&self, relation: &Relation, join: &Join) -> Result<Stage, EngineError> {
        if self.lookup_join(relation).is_some() {
            return Ok(Stage::Lookup(Box::new(Lookup::new(join, self.program, self.query, self.settings)?)));
        }
        if self.query.mode == OutputMode::Batch {
            return Ok(Stage::Whole(Box::new(Whole::new(join, self.settings))));
        }
        Err(self.unsupported("a join of two streams is not there yet"))
    }
}
