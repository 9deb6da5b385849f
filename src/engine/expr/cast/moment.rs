//! Text to TIMESTAMP and DATE, in the forms that Spark's CAST takes; a text without zone is UTC.
//!
//! Limits: a time without a date is refused.

use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_SECOND, Time, days_in_month};
use crate::engine::expr::cast::number::trimmed;
use crate::engine::expr::time::Zone;

/// Java's greatest offset.
const OFFSET_SECONDS_MAX: i64 = 18 * 3600;

/// `[+-]y[-m[-d[( |T)[h[:m[:s[.f]]]][zone]]]]`, at least four digits of year; microseconds since the epoch.
pub fn timestamp(text: &str) -> Option<i64> {
    let text = trimmed(text);
    let (sign, rest) = signed(text);
    let (year, rest) = number(rest, 4, 6)?;
    let (month, rest) = field(rest, '-', 1)?;
    let (day, rest) = if rest.is_some() { field(rest?, '-', 1)? } else { (1, None) };
    let mut time = Time::default();
    let mut zone = Zone::Fixed(0);
    if let Some(rest) = rest {
        let rest = rest.strip_prefix([' ', 'T'])?;
        let (hour, rest) = number(rest, 1, 2)?;
        time.hour = hour;
        if !rest.is_empty() {
            let (minute, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
            time.minute = minute;
            if !rest.is_empty() {
                let (second, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
                time.second = second;
                let (micros, name) = fraction(rest);
                time.micros = micros;
                if !name.is_empty() {
                    zone = Zone::of_name(name.trim())?;
                }
            }
        }
    }
    if time.hour > 23 || time.minute > 59 || time.second > 59 {
        return None;
    }
    let days = valid_day(sign * i64::from(year), month, day)?;
    // The first day of all times begins before them.
    let local = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(time.to_micros());
    match zone {
        Zone::Fixed(offset_seconds) => i64::try_from(local - i128::from(offset_seconds * MICROS_PER_SECOND)).ok(),
        zone => zone.to_utc(i64::try_from(local).ok()?),
    }
}

/// `[+-]y[-m[-d[( |T)…]]]`, four to seven digits of year, anything after the day's space or T; days since the epoch.
pub fn date(text: &str) -> Option<i32> {
    let text = trimmed(text);
    let (sign, rest) = signed(text);
    let (year, rest) = number(rest, 4, 7)?;
    let (month, rest) = field(rest, '-', 1)?;
    let (day, rest) = if rest.is_some() { field(rest?, '-', 1)? } else { (1, None) };
    if rest.is_some_and(|rest| !rest.starts_with([' ', 'T'])) {
        return None;
    }
    i32::try_from(valid_day(sign * i64::from(year), month, day)?).ok()
}

/// Seconds east of UTC of `Z`, `UTC+1`, `-08:00` and the like.
pub fn zone_offset(zone: &str) -> Option<i64> {
    match zone {
        "Z" | "UTC" | "GMT" | "UT" => return Some(0),
        "EST" => return Some(-5 * 3600),
        "MST" => return Some(-7 * 3600),
        "HST" => return Some(-10 * 3600),
        _ => {}
    }
    let offset = zone.strip_prefix("UTC").or_else(|| zone.strip_prefix("GMT")).or_else(|| zone.strip_prefix("UT")).unwrap_or(zone);
    let (sign, digits) = match offset.as_bytes().first()? {
        b'-' => (-1, &offset[1..]),
        b'+' => (1, &offset[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else {
        match digits.len() {
            1 | 2 => vec![digits],
            4 => vec![digits.get(..2)?, digits.get(2..)?],
            6 => vec![digits.get(..2)?, digits.get(2..4)?, digits.get(4..)?],
            _ => return None,
        }
    };
    let mut seconds = 0;
    for (index, part) in parts.iter().enumerate() {
        let number = Some(part).filter(|part| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        let number: i64 = number.parse().ok()?;
        if index > 2 || (index > 0 && number > 59) {
            return None;
        }
        seconds += number * [3600, 60, 1][index];
    }
    (seconds <= OFFSET_SECONDS_MAX).then_some(sign * seconds)
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A number of `shortest` to `longest` digits, and no digit after it.
fn number(text: &str, shortest: usize, longest: usize) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    if length < shortest || length > longest {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// The number after `separator`, or `default` at the end of the text; `None` as the rest means that the text is used up.
fn field(text: &str, separator: char, default: u32) -> Option<(u32, Option<&str>)> {
    if text.is_empty() {
        return Some((default, None));
    }
    let (number, rest) = number(text.strip_prefix(separator)?, 1, 2)?;
    Some((number, Some(rest).filter(|rest| !rest.is_empty())))
}

/// The fraction of a second in microseconds, further digits cut; and what follows.
fn fraction(text: &str) -> (u32, &str) {
    let Some(rest) = text.strip_prefix('.') else { return (0, text) };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at(length);
    let micros = digits.bytes().chain(std::iter::repeat(b'0')).take(6).fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    (micros, rest)
}

/// Days since the epoch, if there is such a day.
fn valid_day(year: i64, month: u32, day: u32) -> Option<i64> {
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
    exists.then(|| Day { year, month, day }.to_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_spark_reads() {
        let day = 20_454 * MICROS_PER_DAY;
        let ten = 10 * 3600 * MICROS_PER_SECOND;
        let cases = [
            ("2026-01-01", Some(day)),
            ("2026", Some(day)),
            ("2026-1", Some(day)),
            (" 2026-01-01 10:00:00 ", Some(day + ten)),
            ("2026-01-01T10", Some(day + ten)),
            ("2026-1-1 10:0", Some(day + ten)),
            ("2026-01-01T10:00:00.1234567Z", Some(day + ten + 123_456)),
            ("2026-01-01T10:00:00.+01:00", Some(day + ten - 3600 * MICROS_PER_SECOND)),
            ("2026-01-01 10:00:00 UTC-1", Some(day + ten + 3600 * MICROS_PER_SECOND)),
            ("1969-12-31 23:59:59.999999", Some(-1)),
            ("-290308-12-21 19:59:05.224192", Some(i64::MIN)),
            ("+294247-01-10 04:00:54.775808", None),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("2026-01-01 24:00:00", None),
            ("2026-01-01T", None),
            ("2026-01-01Z", None),
            ("2026-01-01 10:00Z", None),
            ("26-01-01", None),
            ("12:00:00", None),
            ("", None),
            ("2026-01-01 10:00:00 Europe/Paris", Some(day + ten - 3600 * MICROS_PER_SECOND)),
            ("2026-01-01 10:00:00 Europe/Nowhere", None),
            ("2026-01-01 10:00:00+19:00", None),
            ("größe", None),
        ];
        for (text, expected) in cases {
            assert_eq!(timestamp(text), expected, "{text}");
        }
        assert_eq!(date("2026-01-01 whatever"), Some(20_454));
        assert_eq!(date("2026-01-01x"), None);
        assert_eq!(date("5881580-07-11"), Some(i32::MAX));
        assert_eq!(date("9999999-12-31"), None);
    }

    #[test]
    fn offsets() {
        for (zone, expected) in [
            ("+1", Some(3600)),
            ("-01:30", Some(-5400)),
            ("+0130", Some(5400)),
            ("GMT+18:00", Some(64_800)),
            ("+18:01", None),
            ("+1:60", None),
            ("+ß", None),
            ("+", None),
        ] {
            assert_eq!(zone_offset(zone), expected, "{zone}");
        }
    }
}
