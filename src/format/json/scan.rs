//! JSON tokens as Jackson reads them under Spark's options: single quotes, `NaN`, `Infinity`, `±INF` are taken; comments, unquoted names,
//! trailing commas, leading zeros and bare control characters are not.
//!
//! Limits: containers nest at most [`DEPTH_MAX`] deep (Spark: 1000). Text is UTF-8 already.

use super::super::number::{self, Number};
use super::super::words;

/// Nesting of objects and arrays in one payload.
pub const DEPTH_MAX: usize = 128;

/// Bytes at which a string may end or needs care.
const STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        stops[byte] = true;
        byte += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\'' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

/// What is wrong with a payload, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub what: &'static str,
}

/// One value and where it stands: `start..end` in the payload, quotes included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenKind {
    Null,
    Boolean(bool),
    Number(Number),
    /// `NaN`, `Infinity`, `-INF`, … standing bare.
    Special(f64),
    Text {
        escaped: bool,
    },
    /// An object or array, read to its end and well formed.
    Container,
}

const SHORT_STRING_BYTES: usize = 16;

const SPECIALS: [(&str, f64); 6] = [
    ("NaN", f64::NAN),
    ("Infinity", f64::INFINITY),
    ("+Infinity", f64::INFINITY),
    ("+INF", f64::INFINITY),
    ("-Infinity", f64::NEG_INFINITY),
    ("-INF", f64::NEG_INFINITY),
];

fn fault<T>(at: usize, what: &'static str) -> Result<T, Fault> {
    Err(Fault { at, what })
}

/// The first byte at or after `at` that is not white space.
#[inline]
pub fn blank(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Reads one value; `depth` is how many containers stand around it.
pub fn value(text: &[u8], start: usize, depth: usize) -> Result<Token, Fault> {
    let (kind, end) = match text.get(start) {
        Some(b'"' | b'\'') => {
            let (end, escaped) = string(text, start)?;
            (TokenKind::Text { escaped }, end)
        }
        Some(b'0'..=b'9') => numeral(text, start)?,
        Some(b'{') => (TokenKind::Container, object(text, start, depth)?),
        Some(b'[') => (TokenKind::Container, array(text, start, depth)?),
        Some(b't') => (TokenKind::Boolean(true), word(text, start, "true")?),
        Some(b'f') => (TokenKind::Boolean(false), word(text, start, "false")?),
        Some(b'n') => (TokenKind::Null, word(text, start, "null")?),
        Some(b'N' | b'I' | b'+') => special(text, start)?,
        Some(b'-') if text.get(start + 1) == Some(&b'I') => special(text, start)?,
        Some(b'-') => numeral(text, start)?,
        Some(_) => return fault(start, "expected a value"),
        None => return fault(start, "the payload ends where a value should stand"),
    };
    Ok(Token { kind, start, end })
}

fn numeral(text: &[u8], start: usize) -> Result<(TokenKind, usize), Fault> {
    match number::scan(text, start) {
        Some(number) => Ok((TokenKind::Number(number), number.end)),
        None => fault(start, "not a JSON number"),
    }
}

fn word(text: &[u8], start: usize, word: &str) -> Result<usize, Fault> {
    if text[start..].starts_with(word.as_bytes()) { Ok(start + word.len()) } else { fault(start, "not a JSON value") }
}

fn special(text: &[u8], start: usize) -> Result<(TokenKind, usize), Fault> {
    match SPECIALS.iter().find(|(name, _)| text[start..].starts_with(name.as_bytes())) {
        Some((name, value)) => Ok((TokenKind::Special(*value), start + name.len())),
        None => fault(start, "not a JSON value"),
    }
}

/// What a bare or quoted `NaN`, `Infinity`, … means.
pub fn special_value(text: &str) -> Option<f64> {
    SPECIALS.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

/// Reads the string whose quote stands at `start`; returns the byte after its closing quote and whether it holds escapes.
#[inline]
pub fn string(text: &[u8], start: usize) -> Result<(usize, bool), Fault> {
    let quote = text[start];
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        at = plain(text, at, quote);
        match text.get(at) {
            Some(byte) if *byte == quote => return Ok((at + 1, escaped)),
            Some(b'\\') => {
                escaped = true;
                at = escape(text, at)?;
            }
            Some(_) => return fault(at, "a control character stands bare in a string"),
            None => return fault(at, "the payload ends within a string"),
        }
    }
}

/// The first byte at or after `at` that is `quote`, a backslash or a control character; the text's end if none is.
#[inline(always)]
pub fn plain(text: &[u8], mut at: usize, quote: u8) -> usize {
    const ONES: u64 = words::repeated(1);
    // Short strings byte by byte: branches are predicted where messages are alike, so the next field need not wait for the position.
    let start = at;
    while let Some(byte) = text.get(at)
        && at - start < SHORT_STRING_BYTES
    {
        if STOPS[usize::from(*byte)] && (!matches!(byte, b'"' | b'\'') || *byte == quote) {
            return at;
        }
        at += 1;
    }
    while let Some(word) = words::word(text, at) {
        let quotes = word ^ words::repeated(quote);
        let quote_marks = quotes.wrapping_sub(ONES) & !quotes;
        let slashes = word ^ words::repeated(b'\\');
        let slash_marks = slashes.wrapping_sub(ONES) & !slashes;
        let control_marks = word.wrapping_sub(words::repeated(0x20)) & !word;
        // A mark is exact up to the first one; only bytes above it can be marked wrongly.
        let marks = (quote_marks | slash_marks | control_marks) & words::repeated(0x80);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| *byte != quote && *byte != b'\\' && *byte >= 0x20) {
        at += 1;
    }
    at
}

fn escape(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'\'') => Ok(at + 2),
        Some(b'u') if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => Ok(at + 6),
        _ => fault(at, "not a JSON escape"),
    }
}

/// Appends what the escapes in `raw` (a string's inside, read by [`string`]) stand for. Half of a surrogate pair becomes `?`, as in Spark.
pub fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let kind = rest.as_bytes()[at + 1];
        let mut used = at + 2;
        match kind {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = hex_unit(&rest[at..]).unwrap_or_default();
                used = at + 6;
                let low = if (0xD800..0xDC00).contains(&unit) {
                    hex_unit(&rest[used..]).filter(|low| (0xDC00..0xE000).contains(low))
                } else {
                    None
                };
                let code = match low {
                    Some(low) => {
                        used += 6;
                        0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    None => unit,
                };
                out.push(char::from_u32(code).unwrap_or('?'));
            }
            other => out.push(char::from(other)),
        }
        rest = &rest[used..];
    }
    out.push_str(rest);
}

/// The UTF-16 unit of a leading `\uXXXX`.
fn hex_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

fn object(text: &[u8], start: usize, depth: usize) -> Result<usize, Fault> {
    if depth >= DEPTH_MAX {
        return fault(start, "containers are nested too deeply");
    }
    let mut at = blank(text, start + 1);
    if text.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    loop {
        at = member_name(text, at)?.after;
        at = blank(text, value(text, at, depth + 1)?.end);
        match text.get(at) {
            Some(b',') => at = blank(text, at + 1),
            Some(b'}') => return Ok(at + 1),
            _ => return fault(at, "expected , or } after a member"),
        }
    }
}

fn array(text: &[u8], start: usize, depth: usize) -> Result<usize, Fault> {
    if depth >= DEPTH_MAX {
        return fault(start, "containers are nested too deeply");
    }
    let mut at = blank(text, start + 1);
    if text.get(at) == Some(&b']') {
        return Ok(at + 1);
    }
    loop {
        at = blank(text, value(text, at, depth + 1)?.end);
        match text.get(at) {
            Some(b',') => at = blank(text, at + 1),
            Some(b']') => return Ok(at + 1),
            _ => return fault(at, "expected , or ] after an element"),
        }
    }
}

/// A member's name: `start..end` without quotes; `after` is where its value begins.
pub struct MemberName {
    pub start: usize,
    pub end: usize,
    pub escaped: bool,
    pub after: usize,
}

/// Reads a name, its colon and the white space around it.
pub fn member_name(text: &[u8], at: usize) -> Result<MemberName, Fault> {
    if !matches!(text.get(at), Some(b'"' | b'\'')) {
        return fault(at, "expected a member's name in quotes");
    }
    let (end, escaped) = string(text, at)?;
    let colon = blank(text, end);
    if text.get(colon) != Some(&b':') {
        return fault(colon, "expected : after a member's name");
    }
    Ok(MemberName { start: at + 1, end: end - 1, escaped, after: blank(text, colon + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote_wherever_it_stands() {
        for length in 0..40 {
            let text = format!("\"{}\"tail of any kind", "x".repeat(length));
            assert_eq!(string(text.as_bytes(), 0), Ok((length + 2, false)), "{length}");
            let text = format!("\"{}\u{1}{}\"", "é".repeat(length), "y".repeat(9));
            assert!(string(text.as_bytes(), 0).is_err(), "{length}");
            let text = format!("'{}\\'{}'", "\"".repeat(length), "z".repeat(9));
            assert_eq!(string(text.as_bytes(), 0), Ok((text.len(), true)), "{length}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = String::new();
        unescape(r#"a\"\\\/\b\f\n\r\t\'\u00e9\ud83d\ude00\ud83dx\ude00\ud83d\ud83d\ude00"#, &mut out);
        assert_eq!(out, "a\"\\/\u{8}\u{c}\n\r\t'é😀?x??😀");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(nested(DEPTH_MAX).as_bytes(), 0, 0).is_ok());
        assert!(value(nested(DEPTH_MAX + 1).as_bytes(), 0, 0).is_err());
        assert!(value("[".repeat(1 << 20).as_bytes(), 0, 0).is_err());
    }

    #[test]
    fn faults_name_their_byte() {
        assert_eq!(value(br#"{"a":tru}"#, 0, 0), Err(Fault { at: 5, what: "not a JSON value" }));
        assert_eq!(value(br#"{"a":1"#, 0, 0), Err(Fault { at: 6, what: "expected , or } after a member" }));
    }
}
