//! String functions by Spark's rules. Positions and lengths count characters (Unicode scalar values), from 1.
//!
//! Limits: a value longer than [`TEXT_BYTES_MAX`](crate::engine::expr::TEXT_BYTES_MAX) fails before it is built.

mod decimal_format;
mod digits;
mod distance;
mod fields;
mod further;
mod number_format;
mod pieces;
mod printf;
mod url;

pub(super) use further::apply as apply_further;

use crate::batch::{Bitmap, Values};
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand, Texts, valid_in_all};
use crate::plan::Function;
use crate::types::Value;

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match function {
        Function::Chr => chr(operands, frame),
        Function::Hex => hex(operands, frame),
        Function::ConcatWs => concat_ws(operands, frame),
        Function::Concat => concat(operands, frame),
        Function::Locate => locate(operands, frame),
        Function::Length | Function::OctetLength | Function::Ascii | Function::Instr => number_of_text(function, operands, frame),
        Function::StartsWith | Function::EndsWith | Function::Contains => test(function, operands, frame),
        Function::Substring
        | Function::SplitPart
        | Function::Lpad
        | Function::Rpad
        | Function::Repeat
        | Function::Left
        | Function::Right => pieces::apply(function, operands, frame),
        _ => text_of_text(function, operands, frame),
    }
}

/// INT from text.
fn number_of_text(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let text = operands.first()?.texts()?;
    if let (Function::Instr, [_, part]) = (function, operands) {
        let part = part.texts()?;
        return Some(frame.map(operands, Values::Int, |row| position(text.get(row), part.get(row), 1)));
    }
    let f = match function {
        Function::Length => |text: &str| text.chars().count() as i32,
        Function::OctetLength => |text: &str| text.len() as i32,
        Function::Ascii => |text: &str| text.chars().next().map_or(0, |first| first as i32),
        _ => return None,
    };
    Some(frame.map(operands, Values::Int, |row| f(text.get(row))))
}

/// The first place of `part` at or after character `from`; 0 where there is none. An empty part is always at 1.
fn position(text: &str, part: &str, from: i64) -> i32 {
    let Some(start) = from.checked_sub(1).and_then(|skipped| usize::try_from(skipped).ok()) else { return 0 };
    if part.is_empty() {
        return 1;
    }
    let Some(begin) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(start) else { return 0 };
    text[begin..].find(part).map_or(0, |at| (start + text[begin..begin + at].chars().count() + 1) as i32)
}

/// `locate(part, text [, from])`: a NULL start gives 0.
fn locate(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (part, text) = (operands.first()?, operands.get(1)?);
    let start = operands.get(2);
    if start.is_some_and(Operand::is_null_constant) {
        return Some(Operand::Constant(Value::Int(0)));
    }
    if part.is_null_constant() || text.is_null_constant() {
        return match start {
            Some(start) if start.valid().is_some() => {
                Some(frame.try_map(&[], Values::Int, |row| Ok(if start.is_null(row) { Some(0) } else { None })))
            }
            _ => Some(Operand::NULL),
        };
    }
    let (parts, texts) = (part.texts()?, text.texts()?);
    let from = match start {
        Some(start) => start.integers()?,
        None => Integers::Narrow(Lane::One(1)),
    };
    Some(frame.try_map(&[], Values::Int, |row| {
        Ok(match (start.is_some_and(|start| start.is_null(row)), part.is_null(row) || text.is_null(row)) {
            (true, _) => Some(0),
            (false, true) => None,
            (false, false) => Some(position(texts.get(row), parts.get(row), from.get(row))),
        })
    }))
}

/// BOOLEAN from two texts.
fn test(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [text, part] = operands else { return None };
    let (text, part) = (text.texts()?, part.texts()?);
    let f = match function {
        Function::StartsWith => |text: &str, part: &str| text.starts_with(part),
        Function::EndsWith => |text: &str, part: &str| text.ends_with(part),
        _ => |text: &str, part: &str| text.contains(part),
    };
    Some(frame.map(operands, Values::Boolean, |row| f(text.get(row), part.get(row))))
}

/// Text from texts.
fn text_of_text(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let texts = operands.iter().map(Operand::texts).collect::<Option<Vec<Texts<'_>>>>()?;
    let (text, rest) = texts.split_first()?;
    let get = |index: usize, row: usize| rest.get(index).map(|texts| texts.get(row));
    Some(match (function, rest.len()) {
        (Function::Upper, 0) => frame.text_map(operands, |row, out| append(out, &text.get(row).to_uppercase())),
        (Function::Lower, 0) => frame.text_map(operands, |row, out| append(out, &text.get(row).to_lowercase())),
        (Function::Initcap, 0) => frame.text_map(operands, |row, out| initcap(text.get(row), out)),
        (Function::Reverse, 0) => frame.text_map(operands, |row, out| {
            out.extend(text.get(row).chars().rev());
            Ok(true)
        }),
        (Function::Trim | Function::Ltrim | Function::Rtrim, 0 | 1) => frame.text_map(operands, |row, out| {
            let (mut text, characters) = (text.get(row), get(0, row).unwrap_or(" "));
            if function != Function::Rtrim {
                text = text.trim_start_matches(|c| characters.contains(c));
            }
            if function != Function::Ltrim {
                text = text.trim_end_matches(|c| characters.contains(c));
            }
            append(out, text)
        }),
        (Function::Replace, 1 | 2) => frame
            .text_map(operands, |row, out| replace(text.get(row), get(0, row).unwrap_or_default(), get(1, row).unwrap_or_default(), out)),
        (Function::Translate, 2) => frame.text_map(operands, |row, out| {
            translate(text.get(row), get(0, row).unwrap_or_default(), get(1, row).unwrap_or_default(), out);
            Ok(true)
        }),
        _ => return None,
    })
}

/// Appends, if the result stays within the limit of a value.
fn append(out: &mut String, text: &str) -> Result<bool, Failure> {
    if out.len() + text.len() > TEXT_BYTES_MAX {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    out.push_str(text);
    Ok(true)
}

/// The first character of each word in upper case, the others in lower case; words are parted by spaces.
fn initcap(text: &str, out: &mut String) -> Result<bool, Failure> {
    for word in text.split_inclusive(' ') {
        let Some(first) = word.chars().next() else { continue };
        match titled(first) {
            Some(title) => out.push(title),
            None => {
                let mut upper = first.to_uppercase();
                out.extend(upper.next());
                out.extend(upper.flat_map(char::to_lowercase));
            }
        }
        let first_length: usize = first.to_lowercase().map(char::len_utf8).sum();
        append(out, word.to_lowercase().get(first_length..).unwrap_or_default())?;
    }
    Ok(true)
}

/// The letters whose title case is not their upper case.
fn titled(c: char) -> Option<char> {
    match c {
        'Ǆ' | 'ǆ' => Some('ǅ'),
        'Ǉ' | 'ǉ' => Some('ǈ'),
        'Ǌ' | 'ǌ' => Some('ǋ'),
        'Ǳ' | 'ǳ' => Some('ǲ'),
        'ǅ' | 'ǈ' | 'ǋ' | 'ǲ' => Some(c),
        _ => None,
    }
}

fn replace(text: &str, from: &str, to: &str, out: &mut String) -> Result<bool, Failure> {
    if from.is_empty() {
        return append(out, text);
    }
    let mut last = 0;
    for (at, _) in text.match_indices(from) {
        append(out, &text[last..at])?;
        append(out, to)?;
        last = at + from.len();
    }
    append(out, &text[last..])
}

/// Each character of `from` becomes the one at its place in `to`, or vanishes where `to` is shorter.
fn translate(text: &str, from: &str, to: &str, out: &mut String) {
    for c in text.chars() {
        match from.chars().position(|candidate| candidate == c) {
            Some(index) => out.extend(to.chars().nth(index)),
            None => out.push(c),
        }
    }
}

fn concat(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let texts = operands.iter().map(Operand::texts).collect::<Option<Vec<Texts<'_>>>>()?;
    Some(frame.text_map(operands, |row, out| texts.iter().try_fold(true, |_, text| append(out, text.get(row)))))
}

/// The arguments that are not NULL, joined; NULL where the separator is.
fn concat_ws(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (separator, rest) = operands.split_first()?;
    if separator.is_null_constant() {
        return Some(Operand::NULL);
    }
    let given: Vec<&Operand<'_>> = rest.iter().filter(|operand| !operand.is_null_constant()).collect();
    let texts = given.iter().map(|operand| operand.texts()).collect::<Option<Vec<Texts<'_>>>>()?;
    let separators = separator.texts()?;
    let valid: Option<Bitmap> = valid_in_all(std::slice::from_ref(separator));
    Some(frame.text_rows(valid, |row, out| {
        let mut first = true;
        for (operand, text) in given.iter().zip(&texts).filter(|(operand, _)| !operand.is_null(row)) {
            debug_assert!(!operand.is_null(row));
            if !first {
                append(out, separators.get(row))?;
            }
            first = false;
            append(out, text.get(row))?;
        }
        Ok(true)
    }))
}

/// The character of the low eight bits; '' for a negative number.
fn chr(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    let code = input.integers()?;
    Some(frame.text_map(operands, |row, out| {
        if code.get(row) >= 0 {
            out.push(char::from(code.get(row) as u8));
        }
        Ok(true)
    }))
}

/// Upper-case hexadecimal of an integer's two's complement, or of a text's UTF-8 bytes.
fn hex(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use std::fmt::Write;
    let [input] = operands else { return None };
    if let Some(number) = input.integers() {
        return Some(frame.text_map(operands, |row, out| Ok(write!(out, "{:X}", number.get(row)).is_ok())));
    }
    let text = input.texts()?;
    Some(frame.text_map(operands, |row, out| {
        let text = text.get(row);
        if text.len() > TEXT_BYTES_MAX / 2 {
            return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
        }
        Ok(text.bytes().try_for_each(|byte| write!(out, "{byte:02X}")).is_ok())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        assert_eq!(position("größe", "e", 1), 5);
        assert_eq!(position("größe", "ß", 4), 4);
        assert_eq!(position("größe", "ß", 5), 0);
        assert_eq!(position("aa", "a", 2), 2);
        assert_eq!(position("aa", "a", 0), 0);
        assert_eq!(position("aa", "a", i64::MIN), 0);
        assert_eq!(position("aa", "a", i64::MAX), 0);
        assert_eq!(position("", "", 1), 1);
    }

    #[test]
    fn replacing_stops_at_the_limit() {
        let mut out = String::new();
        let text = "x".repeat(2000);
        let to = "y".repeat(2000);
        assert_eq!(replace(&text, "x", &to, &mut out), Err(Problem::TextTooLong(TEXT_BYTES_MAX).into()));
        assert!(out.len() <= TEXT_BYTES_MAX);
    }
}
