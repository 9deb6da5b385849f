//! What goes wrong with a script: when it is read, and when it is called.

use rhai::{EvalAltResult, ParseError, Position};

use super::limits::TOO_LONG;
use crate::plan::ScriptText;

const OPERATIONS: &str = "the call takes too many operations";
const TIME: &str = "the scripts of this batch take too long";

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
#[error("{message}")]
pub struct CallError {
    /// Line and column in the script, from 1, where known.
    pub place: Option<(usize, usize)>,
    pub message: String,
    /// A limit ended it: calling on is likely to be as costly.
    pub limit: bool,
}

impl CallError {
    /// What the function gave is not what it should give.
    pub(super) fn of_result(message: String) -> CallError {
        CallError { place: None, message, limit: false }
    }

    /// The interpreter itself came to grief.
    pub(super) fn of_panic() -> CallError {
        CallError { place: None, message: "the interpreter failed; please report the script".to_owned(), limit: true }
    }

    /// It has used up its operations.
    pub(super) fn of_limit() -> CallError {
        CallError { place: None, message: OPERATIONS.to_owned(), limit: true }
    }

    /// Its time is up.
    pub(super) fn of_time() -> CallError {
        CallError { place: None, message: TIME.to_owned(), limit: true }
    }

    /// For people: `alarms.rhai:6:9: in update: too hot`.
    pub fn explain(&self, script: &ScriptText, function: &str) -> String {
        format!("{}: in {function}: {}", script.place(self.place), self.message)
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
            EvalAltResult::ErrorTerminated(why, _) if why.is_string() && why.to_string() == TOO_LONG => TIME.to_owned(),
            EvalAltResult::ErrorTerminated(..) => OPERATIONS.to_owned(),
            EvalAltResult::ErrorStackOverflow(..) => "too many functions call each other".to_owned(),
            EvalAltResult::ErrorDataTooLarge(what, _) => format!("{what} is over the limit"),
            EvalAltResult::ErrorRuntime(value, _) if value.is_string() => value.to_string(),
            other => other.to_string(),
        };
        CallError { place: place(position), message, limit }
    }
}

fn place(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position().unwrap_or(1)))
}
