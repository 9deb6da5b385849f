//! Values to SQL types: Spark's rules, and the wider ones of `coerce = "lenient"`.
//!
//! Strict, as observed in Spark: integers fit DOUBLE, FLOAT and, within range, INT, BIGINT and TIMESTAMP; `1.0` is no integer; the strings
//! `NaN`, `Infinity`, `±INF` fit DOUBLE and FLOAT; anything fits STRING as its own text. Beyond Spark: a TIMESTAMP takes a fraction.
//! Lenient besides, where strict has no value: text that reads as a number or a switch position, integral fractions for integers, numbers and booleans as each other.

use std::borrow::Cow;

use super::json::scan::{Token, TokenKind, special_value};
use super::number::{self, Number};
use super::row::{Slot, Target, TextRef};
use super::timestamp::{self, Zone};
use super::{Coerce, TimestampUnit};

/// Doubles below this in magnitude hold every integer.
const INTEGRAL_MAX: f64 = 9_007_199_254_740_992.0;

pub(crate) struct Converter {
    pub coerce: Coerce,
    /// Power of ten from the unit of numeric timestamps to microseconds.
    unit_power: u32,
    unit_scale: i64,
    zone: Zone,
}

/// The value is no value of the column's type.
pub(crate) struct Unfit;

impl Converter {
    /// As Spark reads JSON: strictly, numbers as seconds, in UTC.
    pub fn spark() -> Converter {
        Converter::new(Coerce::Strict, TimestampUnit::Seconds, Zone::UTC)
    }

    pub fn new(coerce: Coerce, unit: TimestampUnit, zone: Zone) -> Converter {
        let unit_power = match unit {
            TimestampUnit::Seconds => 6,
            TimestampUnit::Millis => 3,
            TimestampUnit::Micros => 0,
        };
        Converter { coerce, unit_power, unit_scale: 10i64.pow(unit_power), zone }
    }

    /// The slot for a JSON value; `payload` is what the token points into, strings with escapes go to `unescaped`.
    pub(super) fn token(&self, target: Target, token: &Token, payload: &[u8], unescaped: &mut String) -> Result<Slot, Unfit> {
        let raw = &payload[token.start..token.end];
        match token.kind {
            TokenKind::Null => Ok(Slot::Null),
            _ if target == Target::Nested => Ok(Slot::Nested { start: token.start as u32, end: token.end as u32 }),
            TokenKind::Text { escaped } => {
                let (start, end) = (token.start + 1, token.end - 1);
                if !escaped {
                    return match target {
                        Target::Text => Ok(Slot::Text(TextRef::in_payload(start, end))),
                        _ => self.text(target, utf8(&payload[start..end])),
                    };
                }
                let from = unescaped.len();
                super::json::scan::unescape(utf8(&payload[start..end]), unescaped);
                match target {
                    Target::Text => Ok(Slot::Text(TextRef::in_unescaped(from, unescaped.len()))),
                    _ => self.text(target, &unescaped[from..]),
                }
            }
            _ if target == Target::Text => Ok(Slot::Text(TextRef::in_payload(token.start, token.end))),
            TokenKind::Number(number) => self.number(target, number, raw),
            TokenKind::Special(value) => special(target, value),
            TokenKind::Boolean(value) => self.boolean(target, value),
            TokenKind::Container => Err(Unfit),
        }
    }

    /// A TIMESTAMP from an integer in the source's unit; `None` out of range.
    #[inline(always)]
    pub fn micros(&self, value: i64) -> Option<i64> {
        value.checked_mul(self.unit_scale)
    }

    /// Text as microseconds since the epoch.
    pub fn timestamp(&self, text: &str) -> Option<i64> {
        timestamp::parse(text, &self.zone)
    }

    pub(super) fn number(&self, target: Target, number: Number, raw: &[u8]) -> Result<Slot, Unfit> {
        let lenient = self.coerce == Coerce::Lenient;
        let slot = match target {
            Target::Double => Some(Slot::Double(number.to_f64(raw))),
            Target::Float => Some(Slot::Float(number.to_f32(raw))),
            Target::Timestamp => number.to_scaled_i64(raw, self.unit_power).map(Slot::Timestamp),
            Target::BigInt if lenient => integral(number, raw).map(Slot::BigInt),
            Target::BigInt => number.to_i64().map(Slot::BigInt),
            Target::Int => {
                let wide = if lenient { integral(number, raw) } else { number.to_i64() };
                wide.and_then(|value| i32::try_from(value).ok()).map(Slot::Int)
            }
            Target::Boolean if lenient => Some(Slot::Boolean(number.to_f64(raw) != 0.0)),
            Target::Boolean | Target::Text | Target::Nested => None,
        };
        slot.ok_or(Unfit)
    }

    /// Text for a column that is not STRING.
    pub(super) fn text(&self, target: Target, text: &str) -> Result<Slot, Unfit> {
        if target == Target::Timestamp
            && let Some(micros) = timestamp::parse(text, &self.zone)
        {
            return Ok(Slot::Timestamp(micros));
        }
        if let Some(value) = special_value(text) {
            return special(target, value);
        }
        if self.coerce == Coerce::Lenient { self.lenient_text(target, text.trim()) } else { Err(Unfit) }
    }

    /// A payload that is one value: as text, but a number where it reads as both (`2026` is no year).
    pub(super) fn scalar(&self, target: Target, text: &str) -> Result<Slot, Unfit> {
        self.lenient_text(target, text).or_else(|_| self.text(target, text))
    }

    fn lenient_text(&self, target: Target, text: &str) -> Result<Slot, Unfit> {
        if target == Target::Boolean
            && let Some(value) = switch_position(text)
        {
            return Ok(Slot::Boolean(value));
        }
        let written = as_json_number(text);
        if let Some(number) = number::scan(written.as_bytes(), 0)
            && number.end == written.len()
        {
            return self.number(target, number, written.as_bytes());
        }
        match text.to_ascii_lowercase().as_str() {
            "nan" => special(target, f64::NAN),
            "inf" | "+inf" | "infinity" | "+infinity" => special(target, f64::INFINITY),
            "-inf" | "-infinity" => special(target, f64::NEG_INFINITY),
            _ => Err(Unfit),
        }
    }

    fn boolean(&self, target: Target, value: bool) -> Result<Slot, Unfit> {
        match (target, self.coerce) {
            (Target::Boolean, _) => Ok(Slot::Boolean(value)),
            (Target::Int, Coerce::Lenient) => Ok(Slot::Int(i32::from(value))),
            (Target::BigInt, Coerce::Lenient) => Ok(Slot::BigInt(i64::from(value))),
            (Target::Float, Coerce::Lenient) => Ok(Slot::Float(f32::from(value))),
            (Target::Double, Coerce::Lenient) => Ok(Slot::Double(f64::from(value))),
            _ => Err(Unfit),
        }
    }
}

/// A piece of a payload, which is UTF-8 throughout, between ASCII characters.
pub(super) fn utf8(piece: &[u8]) -> &str {
    std::str::from_utf8(piece).expect("the payload is UTF-8")
}

fn special(target: Target, value: f64) -> Result<Slot, Unfit> {
    match target {
        Target::Double => Ok(Slot::Double(value)),
        Target::Float => Ok(Slot::Float(value as f32)),
        _ => Err(Unfit),
    }
}

/// An integer also where it is written as `1.0` or `1e3`.
fn integral(number: Number, raw: &[u8]) -> Option<i64> {
    if number.integer {
        return number.to_i64();
    }
    let value = number.to_f64(raw);
    (value.fract() == 0.0 && value.abs() <= INTEGRAL_MAX).then_some(value as i64)
}

/// A number as instruments print it, by JSON's grammar: without a plus, leading zeros, or a bare point. Other text may come out as anything
/// that is no number either.
fn as_json_number(text: &str) -> Cow<'_, str> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = unsigned.strip_prefix('-').map_or(("", unsigned), |digits| ("-", digits));
    let significant = digits.trim_start_matches('0');
    let zero = if significant.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    let padded = digits.len() - significant.len() > zero.len();
    if (padded || digits.starts_with('.')) && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Cow::Owned(format!("{sign}{zero}{significant}"));
    }
    Cow::Borrowed(unsigned)
}

/// The words for on and off that devices publish.
fn switch_position(text: &str) -> Option<bool> {
    const ON: [&str; 4] = ["on", "true", "yes", "1"];
    const OFF: [&str; 4] = ["off", "false", "no", "0"];
    if ON.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(true)
    } else if OFF.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruments_pad_their_numbers() {
        let cases = [
            ("007.50", "7.50"),
            ("-00.5", "-0.5"),
            ("+0012", "12"),
            ("0", "0"),
            ("0.5", "0.5"),
            ("-0", "-0"),
            ("00", "0"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("1e3", "1e3"),
            ("0e1", "0e1"),
            ("", ""),
            ("-", "-"),
            ("+-1", "-1"),
            ("abc", "abc"),
            ("0x1", "0x1"),
        ];
        for (text, json) in cases {
            assert_eq!(as_json_number(text), json, "{text}");
        }
    }
}
