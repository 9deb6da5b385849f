//! Rows made of a row: LATERAL VIEW, LATERAL tables, generators in the SELECT list.

use sqlparser::ast;

use super::error::SqlError;
use super::expr::place;
use super::planner::{Planned, Planner};
use crate::plan::JoinKind;

impl Planner<'_> {
    /// A table that refers to those before it.
    pub fn plan_lateral(&self, _left: Planned, factor: &ast::TableFactor, _kind: JoinKind) -> Result<Planned, SqlError> {
        Err(SqlError::unsupported(place(factor), "LATERAL"))
    }
}
