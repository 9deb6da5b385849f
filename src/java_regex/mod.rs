//! Regular expressions in Java's syntax, over the `regex` crate: what the planner checks and the engine runs.
//!
//! Limits: a compiled one takes at most [`REGEX_BYTES_MAX`] bytes, groups nest [`REGEX_DEPTH_MAX`] deep; see `translate` for what differs
//! from Java's.

mod translate;

use regex::{Regex, RegexBuilder};

/// Bytes of one compiled regular expression.
pub const REGEX_BYTES_MAX: usize = 512 << 10;

/// Groups within groups of a regular expression.
pub const REGEX_DEPTH_MAX: u32 = 64;

/// The regular expression, or why it cannot be used.
pub fn compile(pattern: &str) -> Result<Regex, Box<str>> {
    let translated = translate::translate(pattern).map_err(Box::<str>::from)?;
    let built = RegexBuilder::new(&translated).crlf(true).size_limit(REGEX_BYTES_MAX).nest_limit(REGEX_DEPTH_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("compiled it would take more than {limit} bytes").into(),
        error => error.to_string().lines().last().unwrap_or("not valid").trim_start_matches("error: ").into(),
    })
}

/// Whether a regular expression in Java's syntax can be used here. `Err` says why not.
pub fn check(pattern: &str) -> Result<(), String> {
    compile(pattern).map(|_| ()).map_err(String::from)
}
