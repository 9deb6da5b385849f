//! Literals: numbers, and dates and times in text.
//!
//! Limits: a decimal literal is a DOUBLE; timestamps with another time zone than `Z` are left to the cast, and so are years beyond 9999.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::error::SqlError;
use super::tree;
use crate::plan::{Expr, Span};
use crate::types::{DataType, Value};

/// A number as lexed, its suffix in upper case.
pub fn number(text: &str, negative: bool, span: Span) -> Result<Expr, SqlError> {
    let signed = |digits: &str| if negative { format!("-{digits}") } else { digits.to_string() };
    let too_large = |data_type: &str| SqlError::new(span, format!("{} does not fit into {data_type}", signed(text)));
    let split = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(split);
    match suffix {
        "" => {}
        "L" => return Ok(tree::bigint(signed(digits).parse().map_err(|_| too_large("BIGINT"))?, span)),
        "D" => return double(&signed(digits), span),
        "F" => {
            return match signed(digits).parse::<f32>() {
                Ok(value) if value.is_finite() => Ok(tree::literal(Value::Float(value), DataType::Float, span)),
                _ => Err(too_large("FLOAT")),
            };
        }
        "BD" => return Err(SqlError::unsupported(span, "a DECIMAL literal").help(format!("write {digits}D, a DOUBLE"))),
        "S" => return Err(SqlError::unsupported(span, "a SMALLINT literal").help(format!("write {digits}, an INT"))),
        "Y" => return Err(SqlError::unsupported(span, "a TINYINT literal").help(format!("write {digits}, an INT"))),
        _ => return Err(SqlError::new(span, format!("`{text}` is not a number"))),
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return double(&signed(digits), span);
    }
    match signed(digits).parse::<i64>() {
        Ok(value) => Ok(i32::try_from(value).map_or_else(|_| tree::bigint(value, span), |value| tree::int(value, span))),
        Err(_) => double(&signed(digits), span),
    }
}

/// A number of the parser's tree, perhaps with a minus sign in it.
pub fn signed(value: &sqlparser::ast::ValueWithSpan) -> Option<Expr> {
    let sqlparser::ast::Value::Number(text, _) = &value.value else { return None };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |digits| (true, digits));
    number(digits, negative, super::lex::span_of(value.span)).ok()
}

fn double(text: &str, span: Span) -> Result<Expr, SqlError> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(tree::literal(Value::Double(value), DataType::Double, span)),
        _ => Err(SqlError::new(span, format!("{text} does not fit into DOUBLE"))),
    }
}

/// `X'1F'`: an odd number of digits begins with a 0, as in Spark.
pub fn binary(digits: &str, span: Span) -> Result<Expr, SqlError> {
    let whole = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> =
        if whole.bytes().all(|digit| digit.is_ascii_hexdigit()) { whole.as_bytes().chunks(2).map(byte).collect() } else { None };
    match bytes {
        Some(bytes) => Ok(tree::literal(Value::Binary(bytes), DataType::Binary, span)),
        None => Err(SqlError::new(span, format!("'{digits}' holds other characters than hexadecimal digits")).help("X'1F'")),
    }
}

/// `[+-]y[-m[-d[( |T)…]]]`, four to seven digits of year: days since 1970.
pub fn date(text: &str) -> Option<i32> {
    let (days, rest) = day(text, 7)?;
    (rest.is_empty() || rest.starts_with([' ', 'T'])).then_some(days)
}

/// `[+-]y[-m[-d[( |T)h[:m[:s[.f]]][Z]]]]` in UTC, four to six digits of year: µs since 1970.
pub fn timestamp(text: &str) -> Option<i64> {
    let (days, rest) = day(text, 6)?;
    let midnight = i64::from(days).checked_mul(86_400_000_000)?;
    if rest.is_empty() {
        return Some(midnight);
    }
    let mut micros = 0;
    let mut rest = rest.strip_prefix([' ', 'T'])?;
    for (unit_us, most) in [(3_600_000_000, 23), (60_000_000, 59), (1_000_000, 59)] {
        let (count, after) = digits(rest, 1, 2).filter(|(count, _)| *count <= most)?;
        micros += i64::from(count) * unit_us;
        match after.strip_prefix(':') {
            Some(next) if unit_us > 1_000_000 => rest = next,
            _ if after.is_empty() => return midnight.checked_add(micros),
            _ if unit_us > 1_000_000 => return None,
            _ => rest = after,
        }
    }
    let fraction = rest.strip_suffix('Z').unwrap_or(rest);
    match fraction.strip_prefix('.') {
        Some(fraction) if !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            micros += format!("{fraction:0<6}")[..6].parse::<i64>().ok()?;
        }
        None if fraction.is_empty() => {}
        _ => return None,
    }
    midnight.checked_add(micros)
}

/// Days since 1970, and what comes after the day.
fn day(text: &str, year_digits_max: usize) -> Option<(i32, &str)> {
    let text = text.trim_matches(|c| c <= ' ');
    let (negative, rest) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    let (year, mut rest) = digits(rest, 4, year_digits_max)?;
    let mut parts = [1, 1];
    for part in &mut parts {
        if rest.is_empty() {
            break;
        }
        (*part, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
    }
    let year = i16::try_from(year).ok().map(|year| if negative { -year } else { year })?;
    let date = Date::new(year, i8::try_from(parts[0]).ok()?, i8::try_from(parts[1]).ok()?).ok()?;
    let days = Date::constant(1970, 1, 1).until((jiff::Unit::Day, date)).ok()?.get_days();
    Some((days, rest))
}

/// The number that the text begins with, of so many digits, and what follows.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    if !(least..=most).contains(&count) {
        return None;
    }
    let (number, rest) = text.split_at(count);
    Some((number.parse().ok()?, rest))
}

/// Whether a text is a timestamp as [`timestamp`] reads it with a time zone after it, which the cast reads: a region or an offset.
pub fn is_zoned_timestamp(text: &str) -> bool {
    let text = text.trim();
    let zone_at = text.char_indices().skip(11).find(|(_, c)| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).map(|(at, _)| at);
    let Some((moment, zone)) = zone_at.and_then(|at| text.split_at_checked(at)) else { return false };
    let zone = zone.trim();
    let offset = zone.trim_start_matches("UTC").trim_start_matches("GMT").trim_start_matches("UT");
    let is_offset = offset.starts_with(['+', '-']) && offset[1..].chars().all(|c| c.is_ascii_digit() || c == ':');
    timestamp(moment).is_some() && (is_offset || zone.len() == 3 || TimeZone::get(zone).is_ok())
}

/// Whether the year has a sign or more than four digits: the cast reads such times.
pub fn has_far_year(text: &str) -> bool {
    let text = text.trim();
    let digits = text.trim_start_matches(['+', '-']);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    length >= 4 && (length > 4 || digits.len() < text.len() || digits.len() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_read() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("1969-12-31"), Some(-1));
        assert_eq!(date("2026-02-30"), None);
        assert_eq!(date("20260230"), None);
        assert_eq!(timestamp("1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(timestamp("1970-01-02"), Some(86_400_000_000));
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!((date("2026"), date("+2026-1-1"), date("1970-01-02 x")), (Some(20_454), Some(20_454), Some(1)));
        assert_eq!(timestamp("1970-01-01 0:00:00.1234567"), Some(123_456));
        assert_eq!((timestamp("1970-01-01 01"), timestamp("1970-01")), (Some(3_600_000_000), Some(0)));
        assert_eq!((date("-0001-01-01"), date("2026-02-30x")), (Some(-719_893), None));
        for text in ["", "1970-01-01 24:00:00", "1970-01-01 00:00:60", "1970-01-01 00:00:00.", "ü970-01-01", "1970-01-01+", "1970 01"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_take_the_narrowest_type() {
        let value = |text: &str, negative| number(text, negative, Span::default()).unwrap().data_type;
        assert_eq!(value("2147483647", false), DataType::Int);
        assert_eq!(value("2147483648", false), DataType::BigInt);
        assert_eq!(value("2147483648", true), DataType::Int);
        assert_eq!(value("9223372036854775808", true), DataType::BigInt);
        assert_eq!(value("9223372036854775808", false), DataType::Double);
        assert_eq!(value("1.5", false), DataType::Double);
        assert_eq!(value("1F", false), DataType::Float);
        assert!(number("1e999", false, Span::default()).is_err());
        assert!(number("9L9", false, Span::default()).is_err());
    }
}
