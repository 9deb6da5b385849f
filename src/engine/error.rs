//! Errors of the engine: plans that it cannot run, stored state that it cannot take up.

use crate::engine::state_codec::Malformed;

/// A program that the engine refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error("query '{query}': {what}")]
    Unsupported { query: String, what: String },
    #[error("the query name '{0}' cannot be used: a name has 1 to 128 bytes and no '/'")]
    Name(String),
    #[error("{0}")]
    Function(String),
    #[error("two queries are called '{0}'")]
    DuplicateName(String),
    #[error("query '{query}': the plan is inconsistent: {what}")]
    Plan { query: String, what: &'static str },
}

/// Stored state that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    #[error(
        "query '{query}' has changed since its state was stored ({what}); restore the old query, give the new one another name, or start once with --discard-state {query} (or with on_change = \"discard\" in the query)"
    )]
    PlanChanged { query: String, what: String },
    #[error(
        "the stored state of query '{query}' is of version {found}, this program reads up to {known}; start the newer program, or discard the state"
    )]
    Newer { query: String, found: u8, known: u8 },
    #[error("the stored state of query '{query}' cannot be read at '{key}': {problem}")]
    Malformed { query: String, key: String, problem: Malformed },
}
