//! Lines of text, matched by a regular expression whose named groups are the columns. A group that took no part is NULL.

use regex::Regex;

use super::super::FormatError;
use super::super::json::scan::Fault;
use super::super::records::Records;
use super::lines;

/// Bytes that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;

pub(in crate::format) struct Pattern {
    regex: Regex,
    /// Numbers and names of the groups.
    groups: Vec<(usize, String)>,
}

impl Pattern {
    pub fn new(pattern: &str) -> Result<Pattern, FormatError> {
        let regex = regex::RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
        let regex = regex.map_err(|error| FormatError::Pattern { problem: error.to_string() })?;
        let named = regex.capture_names().enumerate().filter_map(|(number, name)| name.map(|name| (number, name.to_owned())));
        let groups: Vec<_> = named.collect();
        if groups.is_empty() {
            return Err(FormatError::Pattern { problem: "it has no named group; write (?<name>…)".to_owned() });
        }
        Ok(Pattern { regex, groups })
    }

    pub fn read(&self, payload: &str, records: &mut Records) -> Result<(), Fault> {
        for (at, line) in lines(payload) {
            let captures = self.regex.captures(line).ok_or(Fault { at, what: "the line does not match the pattern" })?;
            records.begin_row(at)?;
            for (number, name) in &self.groups {
                records.name(name);
                match captures.get(*number) {
                    Some(text) => records.untyped(text.as_str()),
                    None => records.null(),
                }
            }
            records.end_row(at + line.len());
        }
        Ok(())
    }
}
