//! Rows to JSON as Spark's `to_json` writes them: NULL members are left out, NaN and the infinities are strings, timestamps are UTC in
//! whole milliseconds (the rest is cut off), doubles look as in Java (`1.0E7`), with the fewest digits that read back as the same number.
//! Binary is base64; within arrays and maps NULL is written.

use std::io::Write;
use std::ops::Range;

use super::base64;
use super::timestamp::civil_from_days;
use crate::batch::{Column, MapColumn, Table, Values};
use crate::types::{DataType, Field};

const DAY_MS: i64 = 86_400_000;

/// Decimals of the doubles that are written the short way.
const SCALE_DIGITS: usize = 4;
const SCALE: f64 = 10_000.0;
/// Java writes what is below a thousandth or above ten million with an exponent.
const SCALED_MIN: f64 = SCALE / 1e3;
const SCALED_MAX: f64 = SCALE * 1e7;

/// Appends row `row` of `table` as a JSON object. `fields` are the table's columns; a column that is `None` is left out.
pub fn encode_row(fields: &[Field], table: &Table, row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    write_members(fields, table, row, start, out);
    out.push(b'}');
}

/// Appends the row with the member `_id` first. `fields` hold no column of that name.
pub fn encode_result(id: &str, fields: &[Field], table: &Table, row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    out.extend_from_slice(b"\"_id\":");
    write_string(id, out);
    write_members(fields, table, row, start, out);
    out.push(b'}');
}

fn write_members(fields: &[Field], table: &Table, row: usize, start: usize, out: &mut Vec<u8>) {
    for (field, column) in fields.iter().zip(&table.columns) {
        if let Some(column) = column {
            write_member(field, column, row, start, out);
        }
    }
}

/// As [`encode_row`], in at most `bytes_max` bytes: members that do not fit are left out. Returns whether all are there.
pub fn encode_row_within(fields: &[Field], table: &Table, row: usize, bytes_max: usize, out: &mut Vec<u8>) -> bool {
    let begin = out.len();
    let mut complete = true;
    out.push(b'{');
    let start = out.len();
    for (field, column) in fields.iter().zip(&table.columns) {
        let Some(column) = column else { continue };
        let before = out.len();
        // Text only grows in JSON: what is too long already is not even written.
        if column.text(row).is_none_or(|text| text.len() <= bytes_max) {
            write_member(field, column, row, start, out);
        } else {
            complete = false;
        }
        if out.len() + 1 - begin > bytes_max {
            out.truncate(before);
            complete = false;
        }
    }
    out.push(b'}');
    complete
}

/// Appends `"name":value`, after a comma if it is not the first since `start`; nothing for NULL.
fn write_member(field: &Field, column: &Column, row: usize, start: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        return;
    }
    if out.len() > start {
        out.push(b',');
    }
    write_string(&field.name, out);
    out.push(b':');
    write_value(&field.data_type, column, row, out);
}

/// Appends a value that is not NULL.
pub fn write_value(data_type: &DataType, column: &Column, row: usize, out: &mut Vec<u8>) {
    match &column.values {
        Values::Boolean(v) => out.extend_from_slice(if v[row] { b"true" } else { b"false" }),
        Values::Int(v) => write_integer(i64::from(v[row]), out),
        Values::BigInt(v) => write_integer(v[row], out),
        Values::Float(v) => write_float(&v[row], f64::from(v[row]), out),
        Values::Double(v) => write_double(v[row], out),
        Values::Timestamp(v) => write_timestamp(v[row], out),
        Values::Date(v) => {
            out.push(b'"');
            write_date(i64::from(v[row]), out);
            out.push(b'"');
        }
        Values::String(_) | Values::Dict(_) => write_string(column.text(row).unwrap_or_default(), out),
        Values::Struct(members) => {
            out.push(b'{');
            let start = out.len();
            if let DataType::Struct(fields) = data_type {
                for (field, member) in fields.iter().zip(members) {
                    write_member(field, member, row, start, out);
                }
            }
            out.push(b'}');
        }
        Values::Binary(v) => {
            out.push(b'"');
            base64::encode(v.get(row), out);
            out.push(b'"');
        }
        Values::Interval(v) => {
            out.push(b'"');
            write_interval(v[row], out);
            out.push(b'"');
        }
        Values::List(list) => {
            let element = if let DataType::Array(element) = data_type { element } else { &DataType::Null };
            write_array(element, &list.items, list.range(row), out);
        }
        Values::Map(map) => {
            let value = if let DataType::Map(_, value) = data_type { value } else { &DataType::Null };
            write_map(value, map, row, out);
        }
        Values::Null(_) => out.extend_from_slice(b"null"),
    }
}

/// NULL elements are written, as Spark does.
fn write_array(data_type: &DataType, items: &Column, range: Range<usize>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (number, element) in range.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_or_null(data_type, items, element, out);
    }
    out.push(b']');
}

fn write_map(data_type: &DataType, map: &MapColumn, row: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (number, element) in map.range(row).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(&key_text(&map.keys, element), out);
        out.push(b':');
        write_or_null(data_type, &map.values, element, out);
    }
    out.push(b'}');
}

fn write_or_null(data_type: &DataType, column: &Column, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
    } else {
        write_value(data_type, column, row, out);
    }
}

/// A map's key as a member's name: as Spark stores it, times as numbers.
fn key_text(keys: &Column, row: usize) -> String {
    if keys.is_null(row) {
        return "null".to_owned();
    }
    let inner = |parts: &mut dyn Iterator<Item = String>| format!("[{}]", parts.collect::<Vec<_>>().join(","));
    match &keys.values {
        Values::String(_) | Values::Dict(_) => keys.text(row).unwrap_or_default().to_owned(),
        Values::Timestamp(v) | Values::Interval(v) => v[row].to_string(),
        Values::Date(v) => v[row].to_string(),
        Values::Struct(members) => inner(&mut members.iter().map(|member| key_text(member, row))),
        Values::List(list) => inner(&mut list.range(row).map(|element| key_text(&list.items, element))),
        _ => {
            let mut text = Vec::new();
            write_value(&DataType::Null, keys, row, &mut text);
            String::from_utf8(text).unwrap_or_default().trim_matches('"').to_owned()
        }
    }
}

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND`; Spark writes the same.
pub fn write_interval(micros: i64, out: &mut Vec<u8>) {
    const SECOND: u64 = 1_000_000;
    let (sign, span) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (days, hours, minutes, seconds) =
        (span / (86_400 * SECOND), span / (3600 * SECOND) % 24, span / (60 * SECOND) % 60, span / SECOND % 60);
    let _ = write!(out, "INTERVAL '{sign}{days} {hours:02}:{minutes:02}:{seconds:02}");
    if span % SECOND > 0 {
        let fraction = format!("{:06}", span % SECOND);
        let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
    }
    out.extend_from_slice(b"' DAY TO SECOND");
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_digits(value.unsigned_abs(), 1, out);
}

/// Appends `value` in at least `width` digits, 20 at most.
fn write_digits(mut value: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    while value > 0 {
        begin -= 1;
        digits[begin] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[begin.min(digits.len() - width)..]);
}

/// Appends a double in Java's form; those of a few decimals, as sensors give them, without the search for the shortest digits.
///
/// Doubles tell all decimals of up to 15 digits apart, so the one that reads back as `value`, without trailing zeros, is the shortest.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    let scaled = (value.abs() * SCALE).round();
    if !(SCALED_MIN..SCALED_MAX).contains(&scaled) || scaled / SCALE != value.abs() {
        return write_float(&value, value, out);
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let (whole, decimals) = (scaled as u64 / SCALE as u64, scaled as u64 % SCALE as u64);
    write_digits(whole, 1, out);
    out.push(b'.');
    write_digits(decimals, SCALE_DIGITS, out);
    let zeros = out.iter().rev().take(SCALE_DIGITS - 1).take_while(|digit| **digit == b'0').count();
    out.truncate(out.len() - zeros);
}

/// Appends `value` (a float or a double, `wide` its value as a double) in Java's form.
fn write_float(value: &impl std::fmt::LowerExp, wide: f64, out: &mut Vec<u8>) {
    if !wide.is_finite() {
        let name: &[u8] = if wide.is_nan() {
            b"\"NaN\""
        } else if wide > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        };
        out.extend_from_slice(name);
        return;
    }
    // Shortest digits, as `-1.2345e6`.
    let mut scientific = [0u8; 40];
    let mut rest = &mut scientific[..];
    write!(rest, "{value:e}").expect("a float's shortest digits are at most 17");
    let unused = rest.len();
    let text = &scientific[..scientific.len() - unused];
    let mark = memchr::memchr(b'e', text).expect("LowerExp writes an e");
    let exponent: i32 =
        std::str::from_utf8(&text[mark + 1..]).ok().and_then(|text| text.parse().ok()).expect("LowerExp writes a number after its e");
    let (sign, mantissa) = if text[0] == b'-' { (&text[..1], &text[1..mark]) } else { (&text[..0], &text[..mark]) };
    let (first, others) = (mantissa[0], mantissa.get(2..).unwrap_or_default());
    out.extend_from_slice(sign);
    if (-3..7).contains(&exponent) {
        write_plain(first, others, exponent, out);
    } else {
        out.extend_from_slice(&[first, b'.']);
        out.extend_from_slice(if others.is_empty() { b"0" } else { others });
        write!(out, "E{exponent}").expect("a Vec takes all bytes");
    }
}

/// `first.others · 10^exponent` without an exponent, with at least one digit on either side of the point.
fn write_plain(first: u8, others: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.push(first);
        out.extend_from_slice(others);
        return;
    }
    if first == b'0' {
        out.extend_from_slice(b"0.0");
        return;
    }
    let whole = exponent as usize;
    out.push(first);
    out.extend_from_slice(&others[..whole.min(others.len())]);
    out.extend(std::iter::repeat_n(b'0', whole.saturating_sub(others.len())));
    out.push(b'.');
    out.extend_from_slice(if others.len() > whole { &others[whole..] } else { b"0" });
}

fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let sign = match year {
        ..0 => b"-".as_slice(),
        0..=9999 => b"",
        _ => b"+",
    };
    out.extend_from_slice(sign);
    write_digits(year.unsigned_abs(), 4, out);
    for part in [month, day] {
        out.push(b'-');
        write_digits(u64::from(part), 2, out);
    }
}

fn write_timestamp(micros: i64, out: &mut Vec<u8>) {
    let millis = micros.div_euclid(1000);
    let (days, of_day) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    out.push(b'"');
    write_date(days, out);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    for (mark, part, width) in [(b'T', hour, 2), (b':', minute, 2), (b':', second, 2), (b'.', of_day % 1000, 3)] {
        out.push(mark);
        write_digits(part.unsigned_abs(), width, out);
    }
    out.extend_from_slice(b"Z\"");
}

/// Appends `text` as a JSON string, escaped as Jackson does: quotes, backslashes and control characters below 0x20 only.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Without a way out of the loop it is done by vectors.
    let plain = text.bytes().fold(true, |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\'));
    if plain {
        out.extend_from_slice(text.as_bytes())
    } else {
        write_escaped(text, out)
    }
    out.push(b'"');
}

fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            0x08 => b"\\b",
            0x0c => b"\\f",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        out.extend_from_slice(escape);
        if escape.is_empty() {
            write!(out, "\\u{byte:04X}").expect("a Vec takes all bytes");
        }
        plain_from = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
}

#[cfg(test)]
#[path = "tests/encode.rs"]
mod tests;
