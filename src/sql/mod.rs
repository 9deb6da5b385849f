//! SQL text to the typed plan.

mod dialect;
mod duration;
mod error;
mod lex;
mod parse;
mod stack;

pub use duration::parse_duration;
pub use error::SqlError;
pub use parse::{TableReference, referenced_tables};
