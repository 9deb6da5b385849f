//! Functions of BINARY (and of text, as its UTF-8): encodings, digests, hashes.
//!
//! Limits: a value longer than [`TEXT_BYTES_MAX`](crate::engine::expr::TEXT_BYTES_MAX) fails.

mod codec;
mod digest;
mod hash;
mod pieces;
mod utf8;

use std::fmt::Write;

use crate::batch::{Binaries, Values};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, Texts};
use crate::plan::BytesFunction as B;
use crate::types::Value;

/// BINARY or STRING entries as bytes. Only rows that are not NULL may be read.
#[derive(Clone, Copy)]
enum Bytes<'o> {
    Each(&'o Binaries),
    One(&'o [u8]),
    Text(Texts<'o>),
}

impl<'o> Bytes<'o> {
    fn of(operand: &'o Operand<'_>) -> Option<Bytes<'o>> {
        match operand {
            Operand::Constant(Value::Binary(bytes)) => Some(Bytes::One(bytes)),
            Operand::Column(column) => match &column.values {
                Values::Binary(binaries) => Some(Bytes::Each(binaries)),
                _ => operand.texts().map(Bytes::Text),
            },
            Operand::Constant(_) => operand.texts().map(Bytes::Text),
        }
    }

    fn get(&self, row: usize) -> &'o [u8] {
        match self {
            Bytes::Each(binaries) => binaries.get(row),
            Bytes::One(bytes) => bytes,
            Bytes::Text(texts) => texts.get(row).as_bytes(),
        }
    }
}

pub(super) fn apply(function: B, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    if matches!(function, B::Murmur3 | B::Xxhash64) {
        return Some(hash::apply(function, operands, frame));
    }
    let bytes = Bytes::of(operands.first()?)?;
    match function {
        B::Md5 | B::Sha1 => Some(frame.text_map(operands, |row, out| digest::hexadecimal(function, bytes.get(row), out))),
        B::Sha2 => {
            let bits = operands.get(1)?.integers()?;
            Some(frame.text_map(operands, |row, out| digest::sha2(bytes.get(row), bits.get(row), out)))
        }
        B::Crc32 => Some(frame.map(operands, Values::BigInt, |row| i64::from(crc32fast::hash(bytes.get(row))))),
        B::Hmac => {
            let [_, message, algorithm] = operands else { return None };
            let (message, algorithm) = (Bytes::of(message)?, algorithm.texts()?);
            Some(frame.bytes_map(operands, |row, out| digest::hmac(bytes.get(row), message.get(row), algorithm.get(row), out)))
        }
        B::Base64 | B::ToBase32 => Some(frame.text_map(operands, |row, out| codec::to_text(function, bytes.get(row), out))),
        B::Unbase64 | B::UnbaseStrict | B::TryUnbaseStrict | B::Unhex | B::UnhexStrict | B::FromBase32 => {
            Some(frame.bytes_map(operands, |row, out| codec::from_text(function, bytes.get(row), out)))
        }
        B::Encode => {
            let (text, set) = (operands[0].texts()?, operands.get(1)?.texts()?);
            Some(frame.bytes_map(operands, |row, out| codec::encode(text.get(row), set.get(row), out)))
        }
        B::Decode => {
            let set = operands.get(1)?.texts()?;
            Some(frame.text_map(operands, |row, out| codec::decode(bytes.get(row), set.get(row), out)))
        }
        B::IsValidUtf8 => Some(frame.map(operands, Values::Boolean, |row| std::str::from_utf8(bytes.get(row)).is_ok())),
        B::MakeValidUtf8 => Some(frame.text_map(operands, |row, out| {
            utf8::repaired(bytes.get(row), out);
            Ok(true)
        })),
        B::ValidateUtf8 | B::TryValidateUtf8 => Some(frame.text_map(operands, |row, out| match std::str::from_utf8(bytes.get(row)) {
            Ok(text) => {
                out.push_str(text);
                Ok(true)
            }
            Err(_) if function == B::TryValidateUtf8 => Ok(false),
            Err(_) => Err(Failure::with(Problem::Argument("the bytes are not UTF-8"), Hexadecimal(bytes.get(row)))),
        })),
        B::BitmapCount => {
            Some(frame.map(operands, Values::BigInt, |row| bytes.get(row).iter().map(|byte| i64::from(byte.count_ones())).sum()))
        }
        further => pieces::apply(further, operands, frame),
    }
}

/// Bytes as upper-case hexadecimal digits, for messages.
struct Hexadecimal<'b>(&'b [u8]);

impl std::fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(32).try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// Appends lower-case hexadecimal digits.
fn push_hexadecimal(bytes: &[u8], out: &mut String) {
    // Writing to a string does not fail.
    let _ = bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"));
}
