//! Why an expression failed for a row. Small, because a bad batch can hold as many as rows.

use std::fmt;

use crate::plan::{Function, Span};
use crate::types::DataType;

/// Bytes of an offending value that an error keeps.
pub const OFFENDING_BYTES_MAX: usize = 64;

/// A row whose expression failed. The row's entry in the result is NULL or a default, and means nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct RowError {
    pub row: u32,
    pub error: EvalError,
}

/// Brings errors of several expressions into the order of the rows, the first of each row alone.
pub fn first_of_each_row(errors: &mut Vec<RowError>) {
    errors.sort_by_key(|error| error.row);
    errors.dedup_by_key(|error| error.row);
}

/// What went wrong, where in the query's text, with which value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct EvalError {
    pub problem: Problem,
    /// The expression that failed, in the query's text.
    pub span: Span,
    /// The value that did not fit, shortened to [`OFFENDING_BYTES_MAX`]; empty where none helps.
    pub offending: Box<str>,
}

/// The kinds of failure; one for each of Spark's error classes that can occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Integer arithmetic left the type's range.
    Overflow(DataType),
    DivideByZero,
    RemainderByZero,
    /// Text that is not a value of the type.
    CastText(DataType),
    /// A number outside of the type's range.
    CastRange(DataType),
    /// A time or date outside of the years 1 to 9999, or of what 64 bits hold.
    TimeRange,
    /// A string result longer than the limit, in bytes.
    TextTooLong(usize),
    /// An array or map with more elements than the limit.
    TooManyElements(usize),
    /// Arrays and maps of more bytes than the limit, in one column of a batch.
    CollectionTooLarge(usize),
    /// Lambdas that take more steps than a batch has.
    TooManySteps,
    DuplicateMapKey,
    NullMapKey,
    /// A regular expression that does not compile, or compiles too large.
    Regex(Box<str>),
    /// LIKE with an escape character that escapes nothing.
    LikeEscape,
    /// A date-time pattern letter that is unknown.
    TimePattern,
    /// Text that the date-time pattern does not match.
    TimeText,
    /// An argument outside of what the function takes.
    Argument(&'static str),
    /// `raise_error`: the text is the offending value.
    Raised,
    /// A call of the user's own function failed: which, where in the script, why.
    Script(Box<str>),
    /// The planner let through types that the function does not take.
    Types(Function),
    /// The planner referred to a column, a member or a cast that does not exist.
    Plan(&'static str),
}

/// A failure without its place; what kernels return for one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub problem: Problem,
    pub offending: Box<str>,
}

impl Failure {
    pub fn new(problem: Problem) -> Failure {
        Failure { problem, offending: Box::default() }
    }

    /// With the value at fault, shortened.
    pub fn with(problem: Problem, offending: impl fmt::Display) -> Failure {
        Failure { problem, offending: shorten(&offending.to_string()).into() }
    }

    /// As [`Failure::with`] for text, which is not copied beyond what is kept.
    pub fn with_text(problem: Problem, offending: &str) -> Failure {
        Failure { problem, offending: shorten(offending).into() }
    }

    pub fn at(self, span: Span) -> EvalError {
        EvalError { problem: self.problem, span, offending: self.offending }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::new(problem)
    }
}

fn shorten(text: &str) -> &str {
    let end = (0..=OFFENDING_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = &self.offending;
        match &self.problem {
            Problem::Overflow(data_type) => write!(f, "the result does not fit in {data_type}")?,
            Problem::DivideByZero => f.write_str("division by zero; try_divide(a, b) gives NULL instead")?,
            Problem::RemainderByZero => f.write_str("remainder by zero")?,
            Problem::CastText(data_type) => {
                let name = data_type.to_string();
                let article = if name.starts_with(['A', 'I']) { "an" } else { "a" };
                return write!(f, "'{value}' is not {article} {name}; try_cast gives NULL instead");
            }
            Problem::CastRange(data_type) => return write!(f, "{value} does not fit in {data_type}; try_cast gives NULL instead"),
            Problem::TimeRange => f.write_str("the time is out of range")?,
            Problem::TextTooLong(limit) => write!(f, "the resulting string is longer than {limit} bytes")?,
            Problem::TooManyElements(limit) => write!(f, "an array or map has more than {limit} elements")?,
            Problem::CollectionTooLarge(limit) => write!(f, "the arrays and maps of the batch take more than {limit} bytes")?,
            Problem::Script(message) => f.write_str(message)?,
            Problem::TooManySteps => f.write_str("the lambdas take more steps than one batch has")?,
            Problem::DuplicateMapKey => f.write_str("a key is in the map twice")?,
            Problem::NullMapKey => f.write_str("a map's key is NULL")?,
            Problem::Regex(reason) => write!(f, "the regular expression is not usable ({reason})")?,
            Problem::LikeEscape => f.write_str("the escape character must stand before %, _ or itself")?,
            Problem::TimePattern => f.write_str("the date-time pattern is not understood")?,
            Problem::TimeText => f.write_str("the text does not match the date-time pattern")?,
            Problem::Argument(rule) => f.write_str(rule)?,
            Problem::Raised => return f.write_str(value),
            Problem::Types(function) => write!(f, "{function:?} does not take arguments of these types")?,
            Problem::Plan(rule) => write!(f, "the plan is inconsistent: {rule}")?,
        }
        if value.is_empty() { Ok(()) } else { write!(f, ": {value}") }
    }
}
