//! What goes wrong with a script: when it is read, and when it is called.

use rhai::{EvalAltResult, ParseError, Position};

/// A script that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// Where in the text, from 1; `None` where no place is to blame.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

/// A call that failed; it has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CallError {
    /// Line in the script, from 1, where known.
    pub line: Option<usize>,
    pub message: String,
    /// A limit ended it: calling on is likely to be as costly.
    pub limit: bool,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "script line {line}: {}", self.message),
            None => write!(f, "script: {}", self.message),
        }
    }
}

impl CallError {
    /// What the function gave is not what it should give.
    pub(super) fn of_result(message: String) -> CallError {
        CallError { line: None, message, limit: false }
    }
}

impl From<ParseError> for ScriptError {
    fn from(error: ParseError) -> ScriptError {
        let ParseError(what, position) = error;
        ScriptError { place: place(position), message: what.to_string() }
    }
}

impl From<Box<EvalAltResult>> for CallError {
    fn from(error: Box<EvalAltResult>) -> CallError {
        let mut error = error;
        let mut position = error.position();
        while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = *error {
            error = inner;
            if !error.position().is_none() {
                position = error.position();
            }
        }
        let _ = error.take_position();
        let limit = matches!(
            *error,
            EvalAltResult::ErrorTerminated(..)
                | EvalAltResult::ErrorStackOverflow(..)
                | EvalAltResult::ErrorDataTooLarge(..)
                | EvalAltResult::ErrorTooManyVariables(..)
        );
        let message = match &*error {
            EvalAltResult::ErrorTerminated(..) => "the call takes too many operations".to_owned(),
            EvalAltResult::ErrorStackOverflow(..) => "too many functions call each other".to_owned(),
            EvalAltResult::ErrorDataTooLarge(what, _) => format!("{what} is over the limit"),
            EvalAltResult::ErrorRuntime(value, _) if value.is_string() => value.to_string(),
            other => other.to_string(),
        };
        CallError { line: position.line(), message, limit }
    }
}

fn place(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position().unwrap_or(1)))
}
