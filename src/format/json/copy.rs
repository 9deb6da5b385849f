//! JSON written anew as Jackson copies it: no blanks, numbers with a fraction as doubles, strings with their fewest escapes.

use super::super::convert::utf8;
use super::super::encode::{write_double, write_string};
use super::scan::{self, Fault, TokenKind};
use super::typed::check_depth;

/// Appends the value at `at`, which stands within `depth` containers; returns where it ends. Bare `NaN` and its like are faults.
pub fn compact(text: &[u8], at: usize, depth: usize, out: &mut Vec<u8>) -> Result<usize, Fault> {
    match text.get(at) {
        Some(b'{') => container(text, at, depth, b'}', out),
        Some(b'[') => container(text, at, depth, b']', out),
        _ => scalar(text, at, depth, out),
    }
}

fn container(text: &[u8], start: usize, depth: usize, close: u8, out: &mut Vec<u8>) -> Result<usize, Fault> {
    check_depth(start, depth)?;
    out.push(text[start]);
    let mut at = scan::blank(text, start + 1);
    if text.get(at) == Some(&close) {
        out.push(close);
        return Ok(at + 1);
    }
    loop {
        if close == b'}' {
            let name = scan::member_name(text, at)?;
            write_raw_string(&text[name.start..name.end], name.escaped, out);
            out.push(b':');
            at = name.after;
        }
        at = scan::blank(text, compact(text, at, depth + 1, out)?);
        match text.get(at) {
            Some(b',') => at = scan::blank(text, at + 1),
            Some(byte) if *byte == close => {
                out.push(close);
                return Ok(at + 1);
            }
            _ => return Err(Fault { at, what: "expected a comma, or the end of the object or array" }),
        }
        out.push(b',');
    }
}

fn scalar(text: &[u8], at: usize, depth: usize, out: &mut Vec<u8>) -> Result<usize, Fault> {
    let token = scan::value(text, at, depth)?;
    match token.kind {
        TokenKind::Text { escaped } => write_raw_string(&text[token.start + 1..token.end - 1], escaped, out),
        TokenKind::Number(number) if number.integer => match &text[token.start..token.end] {
            b"-0" => out.push(b'0'),
            digits => out.extend_from_slice(digits),
        },
        TokenKind::Number(number) => write_double(number.to_f64(&text[token.start..token.end]), out),
        TokenKind::Special(_) => return Err(Fault { at, what: "not a JSON value" }),
        _ => out.extend_from_slice(&text[token.start..token.end]),
    }
    Ok(token.end)
}

fn write_raw_string(raw: &[u8], escaped: bool, out: &mut Vec<u8>) {
    if !escaped {
        return write_string(utf8(raw), out);
    }
    let mut text = String::new();
    scan::unescape(utf8(raw), &mut text);
    write_string(&text, out);
}
