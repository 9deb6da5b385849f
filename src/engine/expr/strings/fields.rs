//! Functions that pick parts of a text by delimiters, replace parts by place, or hide characters.

use crate::engine::expr::error::Failure;
use crate::engine::expr::strings::append;

/// What stands before the `count`th delimiter, or after the `count`th from the end where it is negative.
pub(super) fn substring_index<'t>(text: &'t str, delimiter: &str, count: i64) -> &'t str {
    if delimiter.is_empty() || count == 0 {
        return "";
    }
    let mut left = count.unsigned_abs();
    if count > 0 {
        // Delimiters may overlap.
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find(delimiter)).map(|at| from + at) {
            left -= 1;
            if left == 0 {
                return &text[..at];
            }
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
        return text;
    }
    let mut end = text.len();
    while let Some(at) = rfind_before(text, delimiter, end) {
        left -= 1;
        if left == 0 {
            return &text[at + delimiter.len()..];
        }
        end = at;
    }
    text
}

/// The last place of `part` that begins before `end`.
fn rfind_before(text: &str, part: &str, end: usize) -> Option<usize> {
    let mut limit = (end + part.len()).checked_sub(1)?.min(text.len());
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    text[..limit].rfind(part)
}

/// `text` with `length` characters from `start` (1 is the first) replaced; as many as `replacement` has where the length is negative.
pub(super) fn overlay(text: &str, replacement: &str, start: i64, length: i64, out: &mut String) -> Result<bool, Failure> {
    let length = if length >= 0 { length } else { replacement.chars().count() as i64 };
    append(out, super::pieces::substring(text, 1, start.saturating_sub(1)))?;
    append(out, replacement)?;
    append(out, super::pieces::substring(text, start.saturating_add(length), i64::from(i32::MAX)))
}

/// The place of `text` in a list parted by commas, from 1; 0 where it is not there or holds a comma.
pub(super) fn find_in_set(text: &str, list: &str) -> i32 {
    if text.contains(',') {
        return 0;
    }
    list.split(',').position(|item| item == text).map_or(0, |at| at as i32 + 1)
}

/// In single quotes, those within it and backslashes behind backslashes.
pub(super) fn quote(text: &str, out: &mut String) -> Result<bool, Failure> {
    out.push('\'');
    for c in text.chars() {
        if c == '\'' {
            out.push('\\');
        }
        out.push(c);
    }
    append(out, "'")
}

/// What hides each kind of character; `None` leaves it.
#[derive(Clone, Copy)]
pub(super) struct Mask {
    pub upper: Option<char>,
    pub lower: Option<char>,
    pub digit: Option<char>,
    pub other: Option<char>,
}

impl Mask {
    pub fn apply(&self, text: &str, out: &mut String) -> Result<bool, Failure> {
        for c in text.chars() {
            let hidden = match c {
                c if c.is_uppercase() => self.upper,
                c if c.is_lowercase() => self.lower,
                c if is_digit(c) => self.digit,
                _ => self.other,
            };
            out.push(hidden.unwrap_or(c));
        }
        append(out, "")
    }
}

/// Java's `Character.isDigit`: decimal digits of any script; here ASCII and those of the basic plane that sensors may send.
fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '\u{660}'..='\u{669}' | '\u{6F0}'..='\u{6F9}' | '\u{966}'..='\u{96F}' | '\u{FF10}'..='\u{FF19}')
}
