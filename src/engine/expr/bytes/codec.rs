//! Bytes as text and back: base64, base32, hexadecimal digits, character sets.

use data_encoding::{BASE32, BASE64};

use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::error::{Failure, Problem};
use crate::plan::BytesFunction;

/// Bytes that one line of base64 holds: 76 characters, as in MIME.
const BASE64_LINE_BYTES: usize = 57;

/// Base64 in lines, or base32 in one.
pub(super) fn to_text(function: BytesFunction, bytes: &[u8], out: &mut String) -> Result<bool, Failure> {
    if bytes.len() > TEXT_BYTES_MAX / 2 {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    match function {
        BytesFunction::Base64 => {
            for (index, line) in bytes.chunks(BASE64_LINE_BYTES).enumerate() {
                out.push_str(if index == 0 { "" } else { "\r\n" });
                BASE64.encode_append(line, out);
            }
        }
        _ => BASE32.encode_append(bytes, out),
    }
    Ok(true)
}

/// The bytes that a text stands for.
pub(super) fn from_text(function: BytesFunction, text: &[u8], out: &mut Vec<u8>) -> Result<bool, Failure> {
    let wrong = |rule| Failure::with_text(Problem::Argument(rule), &String::from_utf8_lossy(&text[..text.len().min(64)]));
    match function {
        BytesFunction::Unbase64 => base64(text, true, out).map(|()| true).ok_or_else(|| wrong("this is not base64")),
        BytesFunction::UnbaseStrict => base64(text, false, out).map(|()| true).ok_or_else(|| wrong("this is not base64")),
        BytesFunction::TryUnbaseStrict => Ok(base64(text, false, out).is_some()),
        BytesFunction::Unhex => Ok(hexadecimal(text, out).is_some()),
        BytesFunction::UnhexStrict => {
            hexadecimal(text, out).map(|()| true).ok_or_else(|| wrong("these are not hexadecimal digits; try_to_binary gives NULL instead"))
        }
        _ => {
            let digits: Vec<u32> = text.iter().filter_map(|byte| base32_digit(*byte)).collect();
            bits(digits.iter().copied(), 5, out);
            // A last digit alone stands for its upper three bits.
            out.extend(digits.last().filter(|_| digits.len() % 8 == 1).map(|digit| (digit >> 2) as u8));
            Ok(true)
        }
    }
}

/// Java's MIME decoder skips what is no digit; the strict one takes only white space between them, and whole groups of four.
fn base64(text: &[u8], skips: bool, out: &mut Vec<u8>) -> Option<()> {
    let mut digits = Vec::with_capacity(text.len());
    let mut padding = 0;
    for byte in text {
        match (base64_digit(*byte), *byte) {
            (Some(digit), _) if padding == 0 => digits.push(digit),
            (_, b'=') => padding += 1,
            (Some(_), _) if skips => break,
            (None, b) if skips || b.is_ascii_whitespace() => {}
            _ => return None,
        }
    }
    let rest = digits.len() % 4;
    if rest == 1 || (digits.is_empty() && padding > 0) || (!skips && padding > 0 && rest + padding != 4) {
        return None;
    }
    bits(digits.into_iter(), 6, out);
    Some(())
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// In either case; other characters are skipped.
fn base32_digit(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'2'..=b'7' => Some(u32::from(byte - b'2') + 26),
        _ => None,
    }
}

/// Appends whole bytes of digits of `width` bits each; what is left over is dropped.
fn bits(digits: impl Iterator<Item = u32>, width: u32, out: &mut Vec<u8>) {
    let (mut buffer, mut held) = (0u32, 0);
    for digit in digits {
        buffer = (buffer << width | digit) & 0xFFFF;
        held += width;
        if held >= 8 {
            held -= 8;
            out.push((buffer >> held) as u8);
        }
    }
}

/// Hexadecimal digits; an odd one stands at the front alone.
fn hexadecimal(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (first, pairs) = text.split_at(text.len() % 2);
    if let [first] = first {
        out.push(digit(*first)? as u8);
    }
    for pair in pairs.chunks_exact(2) {
        out.push((digit(pair[0])? * 16 + digit(pair[1])?) as u8);
    }
    Some(())
}

/// The character sets that Spark takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharacterSet {
    Ascii,
    Latin1,
    Utf8,
    Utf16 { big: bool, mark: bool },
    Utf32,
}

fn character_set(name: &str) -> Result<CharacterSet, Failure> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "US-ASCII" => CharacterSet::Ascii,
        "ISO-8859-1" => CharacterSet::Latin1,
        "UTF-8" => CharacterSet::Utf8,
        "UTF-16BE" => CharacterSet::Utf16 { big: true, mark: false },
        "UTF-16LE" => CharacterSet::Utf16 { big: false, mark: false },
        "UTF-16" => CharacterSet::Utf16 { big: true, mark: true },
        "UTF-32" => CharacterSet::Utf32,
        _ => {
            let rule = "the character sets are US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE, UTF-16 and UTF-32";
            return Err(Failure::with_text(Problem::Argument(rule), name));
        }
    })
}

pub(super) fn encode(text: &str, set: &str, out: &mut Vec<u8>) -> Result<bool, Failure> {
    if text.len() > TEXT_BYTES_MAX / 4 {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    let set = character_set(set)?;
    let single = |most: u32, c: char| u8::try_from(u32::from(c)).ok().filter(|byte| u32::from(*byte) <= most);
    match set {
        CharacterSet::Utf8 => out.extend_from_slice(text.as_bytes()),
        CharacterSet::Ascii | CharacterSet::Latin1 => {
            let most = if set == CharacterSet::Ascii { 0x7F } else { 0xFF };
            for c in text.chars() {
                out.push(single(most, c).ok_or_else(|| Failure::with(Problem::Argument("the character set has no such character"), c))?);
            }
        }
        CharacterSet::Utf16 { big, mark } => {
            if mark && !text.is_empty() {
                out.extend_from_slice(&[0xFE, 0xFF]);
            }
            out.extend(text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }));
        }
        CharacterSet::Utf32 => out.extend(text.chars().flat_map(|c| u32::from(c).to_be_bytes())),
    }
    Ok(true)
}

pub(super) fn decode(bytes: &[u8], set: &str, out: &mut String) -> Result<bool, Failure> {
    let set = character_set(set)?;
    let wrong = || Failure::with(Problem::Argument("the bytes are not text in this character set"), super::Hexadecimal(bytes));
    match set {
        CharacterSet::Utf8 => out.push_str(std::str::from_utf8(bytes).map_err(|_| wrong())?),
        CharacterSet::Ascii if !bytes.is_ascii() => return Err(wrong()),
        CharacterSet::Ascii | CharacterSet::Latin1 => out.extend(bytes.iter().map(|byte| char::from(*byte))),
        CharacterSet::Utf16 { big, mark } => {
            let (big, bytes) = match bytes {
                [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
                [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
                _ => (big, bytes),
            };
            let units = bytes.chunks_exact(2);
            if !units.remainder().is_empty() {
                return Err(wrong());
            }
            let units = units.map(|pair| if big { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) });
            for c in char::decode_utf16(units) {
                out.push(c.map_err(|_| wrong())?);
            }
        }
        CharacterSet::Utf32 => {
            let (big, bytes) = match bytes {
                [0, 0, 0xFE, 0xFF, rest @ ..] => (true, rest),
                [0xFF, 0xFE, 0, 0, rest @ ..] => (false, rest),
                _ => (true, bytes),
            };
            let units = bytes.chunks_exact(4);
            if !units.remainder().is_empty() {
                return Err(wrong());
            }
            for unit in units {
                let unit = [unit[0], unit[1], unit[2], unit[3]];
                let code = if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) };
                out.push(char::from_u32(code).ok_or_else(wrong)?);
            }
        }
    }
    Ok(true)
}
