//! OVER over streams: which analytic functions can be kept up row by row.

use super::error::SqlError;
use super::planner::Planner;
use crate::plan::{OutputMode, Relation, Span};

impl Planner<'_> {
    /// Checks a [`Relation::Over`] in the query's mode.
    pub fn check_over(&self, _relation: &Relation, span: Span) -> Result<(), SqlError> {
        match self.mode {
            OutputMode::Batch => Ok(()),
            _ => Err(SqlError::unsupported(span, "OVER over a stream")),
        }
    }
}
