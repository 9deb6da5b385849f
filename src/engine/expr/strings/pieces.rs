//! Functions that cut, repeat and pad text by counted characters.

use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::strings::append;
use crate::plan::Function;

/// The length of `substring` without one: Java's greatest `int`.
const LENGTH_MAX: i64 = i32::MAX as i64;

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let text = operands.first()?.texts()?;
    match (function, operands) {
        (Function::Substring, [_, start]) => {
            let start = start.integers()?;
            Some(frame.text_map(operands, |row, out| append(out, substring(text.get(row), start.get(row), LENGTH_MAX))))
        }
        (Function::Substring, [_, start, length]) => {
            let (start, length) = (start.integers()?, length.integers()?);
            Some(frame.text_map(operands, |row, out| append(out, substring(text.get(row), start.get(row), length.get(row)))))
        }
        (Function::Left, [_, length]) => {
            let length = length.integers()?;
            Some(frame.text_map(operands, |row, out| append(out, substring(text.get(row), 1, length.get(row)))))
        }
        (Function::Right, [_, length]) => {
            let length = length.integers()?;
            Some(frame.text_map(operands, |row, out| append(out, right(text.get(row), length.get(row)))))
        }
        (Function::Repeat, [_, times]) => {
            let times = times.integers()?;
            Some(frame.text_map(operands, |row, out| repeat(text.get(row), times.get(row), out)))
        }
        (Function::SplitPart, [_, delimiter, number]) => {
            let (delimiter, number) = (delimiter.texts()?, number.integers()?);
            Some(frame.text_map(operands, |row, out| append(out, split_part(text.get(row), delimiter.get(row), number.get(row))?)))
        }
        (Function::Lpad | Function::Rpad, [_, length, rest @ ..]) if rest.len() <= 1 => {
            let length = length.integers()?;
            let padding = match rest {
                [padding] => Some(padding.texts()?),
                _ => None,
            };
            let left = function == Function::Lpad;
            Some(frame.text_map(operands, |row, out| {
                let padding = padding.map_or(" ", |padding| padding.get(row));
                pad(text.get(row), length.get(row), padding, left, out)
            }))
        }
        _ => None,
    }
}

/// Characters `start` to `end` (exclusive, from 0), as far as they exist.
fn characters(text: &str, start: i64, end: i64) -> &str {
    let (Ok(start), Ok(end)) = (usize::try_from(start.max(0)), usize::try_from(end)) else { return "" };
    if end <= start {
        return "";
    }
    let mut places = text.char_indices().map(|(at, _)| at);
    let Some(from) = places.nth(start) else { return "" };
    let to = places.nth(end - start - 1).unwrap_or(text.len());
    &text[from..to]
}

/// From `start` (from 1; 0 is 1; negative from the end, and then perhaps before the beginning), `length` characters.
pub(super) fn substring(text: &str, start: i64, length: i64) -> &str {
    let start = match start {
        1.. => start - 1,
        0 => 0,
        _ => start.saturating_add(text.chars().count() as i64),
    };
    characters(text, start, start.saturating_add(length))
}

fn right(text: &str, length: i64) -> &str {
    if length <= 0 { "" } else { characters(text, (text.chars().count() as i64).saturating_sub(length), i64::MAX) }
}

fn repeat(text: &str, times: i64, out: &mut String) -> Result<bool, Failure> {
    let times = usize::try_from(times).unwrap_or(0);
    if text.len().checked_mul(times).is_none_or(|bytes| bytes > TEXT_BYTES_MAX) {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    if !text.is_empty() {
        (0..times).for_each(|_| out.push_str(text));
    }
    Ok(true)
}

/// Part `number` of the text split at `delimiter`, from 1, or from the end where negative; '' where there is none.
fn split_part<'t>(text: &'t str, delimiter: &str, number: i64) -> Result<&'t str, Failure> {
    let Some(skipped) = number.unsigned_abs().checked_sub(1) else {
        return Err(Problem::Argument("split_part counts parts from 1, or from -1 at the end").into());
    };
    if delimiter.is_empty() {
        return Ok(if skipped == 0 { text } else { "" });
    }
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    // Delimiters are found from the left, also where parts are counted from the right.
    let index =
        if number > 0 { Some(skipped) } else { text.split(delimiter).count().checked_sub(1).and_then(|last| last.checked_sub(skipped)) };
    Ok(index.and_then(|index| text.split(delimiter).nth(index)).unwrap_or_default())
}

/// To exactly `length` characters: cut at the end, or filled with `padding` (not at all where it is empty).
fn pad(text: &str, length: i64, padding: &str, left: bool, out: &mut String) -> Result<bool, Failure> {
    let missing = length.saturating_sub(text.chars().count() as i64);
    if missing <= 0 || padding.is_empty() {
        return append(out, characters(text, 0, length));
    }
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    if missing > TEXT_BYTES_MAX {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    if left {
        out.extend(padding.chars().cycle().take(missing));
    }
    append(out, text)?;
    if !left {
        out.extend(padding.chars().cycle().take(missing));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substrings_start_anywhere() {
        let cases = [
            (1, 2, "gr"),
            (0, 2, "gr"),
            (3, 9, "öße"),
            (-2, 1, "ß"),
            (-9, 5, "g"),
            (-9, 3, ""),
            (6, 1, ""),
            (2, 0, ""),
            (2, -1, ""),
            (i64::MIN, i64::MAX, "größ"),
            (i64::MAX, i64::MAX, ""),
        ];
        for (start, length, expected) in cases {
            assert_eq!(substring("größe", start, length), expected, "{start} {length}");
        }
        assert_eq!(substring("größe", 2, i64::MAX), "röße");
        assert_eq!(right("größe", i64::MAX), "größe");
    }

    #[test]
    fn long_results_are_refused() {
        let mut out = String::new();
        assert!(repeat("xy", i64::MAX, &mut out).is_err());
        assert!(repeat("", i64::MAX, &mut out).is_ok());
        assert!(pad("x", i64::MAX, "ab", true, &mut out).is_err());
        assert!(out.is_empty());
    }
}
