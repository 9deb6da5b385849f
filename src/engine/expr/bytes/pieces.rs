//! Functions that cut, join, fill and compare BINARY, byte by byte; places count from 1.

use std::fmt::Write;

use crate::batch::Values;
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::bytes::Bytes;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::BytesFunction as B;

/// The length of `substring` without one: Java's greatest `int`.
const LENGTH_MAX: i64 = i32::MAX as i64;

pub(super) fn apply(function: B, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let bytes = Bytes::of(operands.first()?)?;
    match (function, operands) {
        (B::Length, [_]) => Some(frame.map(operands, Values::Int, |row| bytes.get(row).len() as i32)),
        (B::Hex, [_]) => Some(frame.text_map(operands, |row, out| {
            let bytes = bytes.get(row);
            check(bytes.len().saturating_mul(2))?;
            Ok(bytes.iter().try_for_each(|byte| write!(out, "{byte:02X}")).is_ok())
        })),
        (B::Reverse, [_]) => Some(frame.bytes_map(operands, |row, out| {
            out.extend(bytes.get(row).iter().rev());
            Ok(true)
        })),
        (B::StartsWith | B::EndsWith | B::Contains, [_, part]) => {
            let part = Bytes::of(part)?;
            Some(frame.map(operands, Values::Boolean, |row| test(function, bytes.get(row), part.get(row))))
        }
        (B::Substring, [_, start, rest @ ..]) if rest.len() <= 1 => {
            let start = start.integers()?;
            let length = match rest {
                [length] => Some(length.integers()?),
                _ => None,
            };
            Some(frame.bytes_map(operands, |row, out| {
                let length = length.as_ref().map_or(LENGTH_MAX, |length| length.get(row));
                out.extend_from_slice(substring(bytes.get(row), start.get(row), length));
                Ok(true)
            }))
        }
        (B::Lpad | B::Rpad, [_, length, rest @ ..]) if rest.len() <= 1 => {
            let length = length.integers()?;
            let padding = match rest {
                [padding] => Some(Bytes::of(padding)?),
                _ => None,
            };
            Some(frame.bytes_map(operands, |row, out| {
                let padding = padding.map_or(&[0][..], |padding| padding.get(row));
                pad(bytes.get(row), length.get(row), padding, function == B::Lpad, out)
            }))
        }
        (B::Concat, _) => {
            let parts = operands.iter().map(Bytes::of).collect::<Option<Vec<_>>>()?;
            Some(frame.bytes_map(operands, |row, out| {
                check(parts.iter().map(|part| part.get(row).len()).fold(0, usize::saturating_add))?;
                parts.iter().for_each(|part| out.extend_from_slice(part.get(row)));
                Ok(true)
            }))
        }
        (B::Overlay, [_, replacement, place, rest @ ..]) if rest.len() <= 1 => {
            let (replacement, place) = (Bytes::of(replacement)?, place.integers()?);
            let length = match rest {
                [length] => Some(length.integers()?),
                _ => None,
            };
            Some(frame.bytes_map(operands, |row, out| {
                let (whole, new, place) = (bytes.get(row), replacement.get(row), place.get(row));
                let given = length.as_ref().map_or(-1, |length| length.get(row));
                let length = if given >= 0 { given } else { new.len() as i64 };
                check(whole.len().saturating_add(new.len()))?;
                out.extend_from_slice(substring(whole, 1, place - 1));
                out.extend_from_slice(new);
                out.extend_from_slice(substring(whole, place + length, LENGTH_MAX));
                Ok(true)
            }))
        }
        _ => None,
    }
}

fn check(length: usize) -> Result<(), Failure> {
    if length > TEXT_BYTES_MAX { Err(Problem::TextTooLong(TEXT_BYTES_MAX).into()) } else { Ok(()) }
}

fn test(function: B, bytes: &[u8], part: &[u8]) -> bool {
    match function {
        B::StartsWith => bytes.starts_with(part),
        B::EndsWith => bytes.ends_with(part),
        _ => memchr::memmem::find(bytes, part).is_some(),
    }
}

/// From `start` (from 1; 0 is 1; negative from the end, and then perhaps before the beginning), `length` bytes.
fn substring(bytes: &[u8], start: i64, length: i64) -> &[u8] {
    let start = match start {
        1.. => start - 1,
        0 => 0,
        _ => start.saturating_add(bytes.len() as i64),
    };
    let place = |at: i64| usize::try_from(at.max(0)).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (from, to) = (place(start), place(start.saturating_add(length)));
    if from < to { &bytes[from..to] } else { &[] }
}

/// To exactly `length` bytes: cut at the end, or filled with `padding` (not at all where it is empty).
fn pad(bytes: &[u8], length: i64, padding: &[u8], left: bool, out: &mut Vec<u8>) -> Result<bool, Failure> {
    let length = usize::try_from(length).unwrap_or(0);
    let missing = length.saturating_sub(bytes.len());
    if missing == 0 || padding.is_empty() {
        out.extend_from_slice(&bytes[..length.min(bytes.len())]);
        return Ok(true);
    }
    check(length)?;
    let fill = || padding.iter().cycle().take(missing);
    if left {
        out.extend(fill());
    }
    out.extend_from_slice(bytes);
    if !left {
        out.extend(fill());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_anywhere() {
        let bytes = [1, 2, 3];
        let cases: [(i64, i64, &[u8]); 8] = [
            (1, 2, &[1, 2]),
            (0, 2, &[1, 2]),
            (-1, 9, &[3]),
            (-9, 7, &[1]),
            (4, 1, &[]),
            (2, -1, &[]),
            (i64::MIN, i64::MAX, &[1, 2]),
            (2, i64::MAX, &[2, 3]),
        ];
        for (start, length, expected) in cases {
            assert_eq!(substring(&bytes, start, length), expected, "{start} {length}");
        }
    }

    #[test]
    fn padding_is_bounded() {
        let mut out = Vec::new();
        assert!(pad(&[1], i64::MAX, &[2], true, &mut out).is_err() && out.is_empty());
        assert!(pad(&[1], -1, &[2], true, &mut out).is_ok() && out.is_empty());
        assert!(pad(&[1], 4, &[2, 3], false, &mut out).is_ok());
        assert_eq!(out, [1, 2, 3, 2]);
    }
}
