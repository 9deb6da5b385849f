//! Durations ("10 seconds", "250ms", "1 minute 30 seconds") and sizes ("256 MB", "8 MiB").
//!
//! Durations take Spark's text and short units; a number without a unit is refused, since nobody knows which is meant.

use std::time::Duration;

use super::diagnostic::nearest;

/// Nothing here is longer: 100 years.
pub const DURATION_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

const DURATION_UNITS: [(&str, u64); 23] = [
    ("us", 1),
    ("microsecond", 1),
    ("microseconds", 1),
    ("ms", 1_000),
    ("millisecond", 1_000),
    ("milliseconds", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("second", 1_000_000),
    ("seconds", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("minute", 60_000_000),
    ("minutes", 60_000_000),
    ("h", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("hours", 3_600_000_000),
    ("d", 86_400_000_000),
    ("day", 86_400_000_000),
    ("days", 86_400_000_000),
    ("w", 604_800_000_000),
    ("week", 604_800_000_000),
    ("weeks", 604_800_000_000),
];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// What is wrong with a duration or a size, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    pub message: String,
    pub help: String,
}

fn unit_error(message: impl Into<String>, help: impl Into<String>) -> UnitError {
    UnitError { message: message.into(), help: help.into() }
}

/// Whole microseconds, at most [`DURATION_MAX`].
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    const EXAMPLE: &str = "for example \"250ms\", \"10 seconds\" or \"7 days\"";
    let lower = text.trim().to_lowercase();
    let mut rest = lower.strip_prefix("interval ").unwrap_or(&lower).trim_start();
    if rest.is_empty() {
        return Err(unit_error("the duration is empty", EXAMPLE));
    }
    let mut total_us: u64 = 0;
    while !rest.is_empty() {
        let (number, unit, after) =
            split_quantity(rest).ok_or_else(|| unit_error(format!("`{}` is not a duration", shown(text)), EXAMPLE))?;
        if unit.is_empty() {
            return Err(unit_error("the duration has no unit", format!("write \"{} s\" for seconds", shown(number))));
        }
        let Some((_, unit_us)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            let help = match unit {
                "month" | "months" | "year" | "years" | "y" => "months and years vary in length: give days".to_owned(),
                _ => match nearest(unit, DURATION_UNITS.map(|(name, _)| name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "the units are us, ms, s, m, h, d, w, or second, minute, hour, day, week".to_owned(),
                },
            };
            return Err(unit_error(format!("`{}` is not a unit of time", shown(unit)), help));
        };
        let part = scaled(number, *unit_us)
            .ok_or_else(|| unit_error(format!("`{}` is not a duration in whole microseconds", shown(text)), EXAMPLE))?;
        total_us = total_us.saturating_add(part);
        rest = after.trim_start();
    }
    let duration = Duration::from_micros(total_us);
    if duration > DURATION_MAX { Err(unit_error("the duration is longer than 100 years", EXAMPLE)) } else { Ok(duration) }
}

/// Bytes. KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    const EXAMPLE: &str = "for example \"256 MB\" or \"8 MiB\"";
    let lower = text.trim().to_lowercase();
    let (number, unit, after) = split_quantity(&lower)
        .filter(|(_, _, after)| after.is_empty())
        .ok_or_else(|| unit_error(format!("`{}` is not a size", shown(text)), EXAMPLE))?;
    let _ = after;
    if unit.is_empty() {
        return Err(unit_error("the size has no unit", format!("write \"{} MB\"", shown(number))));
    }
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(unit_error(format!("`{}` is not a unit of size", shown(unit)), "the units are B, KB, MB, GB, KiB, MiB, GiB"));
    };
    scaled(number, *bytes).ok_or_else(|| unit_error(format!("`{}` is not a size in whole bytes", shown(text)), EXAMPLE))
}

/// In the largest unit of which it is a whole number: "90 s", "7 days".
pub fn show_duration(duration: Duration) -> String {
    const UNITS: [(&str, u128); 6] =
        [("days", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
    let us = duration.as_micros();
    let unit = UNITS.iter().find(|(_, unit)| us >= *unit && us.is_multiple_of(*unit));
    unit.map_or("0 s".to_owned(), |(name, unit)| format!("{} {name}", us / unit))
}

/// In the largest unit of which it is a whole number: "64 KiB", "256 MB".
pub fn show_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 8] = [
        ("TiB", 1 << 40),
        ("TB", 1_000_000_000_000),
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("KB", 1_000),
    ];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or(format!("{bytes} B"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// `"10 seconds and"` to `("10", "seconds", " and")`.
fn split_quantity(text: &str) -> Option<(&str, &str, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    if unit.is_empty() && !after.is_empty() {
        return None;
    }
    Some((number, unit, after))
}

/// `number × unit` exactly; `None` if it is no whole number, or too large.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if fraction.len() > 9 || number.ends_with('.') {
        return None;
    }
    let mut total: u64 = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if !fraction.is_empty() {
        let parts = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit);
        let scale = 10u128.pow(fraction.len() as u32);
        if !parts.is_multiple_of(scale) {
            return None;
        }
        total = total.checked_add(u64::try_from(parts / scale).ok()?)?;
    }
    Some(total)
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, us) in [
            ("1s", 1_000_000),
            ("250ms", 250_000),
            ("10 seconds", 10_000_000),
            ("7 days", 604_800_000_000),
            ("1 minute 30 seconds", 90_000_000),
            ("1m30s", 90_000_000),
            ("INTERVAL 2 Hours", 7_200_000_000),
            ("1.5 s", 1_500_000),
            ("0 seconds", 0),
            ("  5 min ", 300_000_000),
            ("1 week", 604_800_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_micros(us)), "{text}");
        }
    }

    #[test]
    fn wrong_durations() {
        for (text, message, help) in [
            ("", "the duration is empty", "for example"),
            ("10", "the duration has no unit", "write \"10 s\""),
            ("ten seconds", "`ten seconds` is not a duration", "for example"),
            ("10 secnds", "`secnds` is not a unit of time", "did you mean `seconds`?"),
            ("1 month", "`month` is not a unit of time", "give days"),
            ("1 fortnight", "`fortnight` is not a unit of time", "the units are"),
            ("-1 s", "`-1 s` is not a duration", "for example"),
            ("0.5 us", "`0.5 us` is not a duration in whole microseconds", "for example"),
            ("1 s, 2 s", "`1 s, 2 s` is not a duration", "for example"),
            ("99999999999999999999 s", "`99999999999999999999 s` is not a duration in whole microseconds", "for example"),
            ("300 years", "`years` is not a unit of time", "give days"),
            ("99999 weeks", "the duration is longer than 100 years", "for example"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error.message, message);
            assert!(error.help.contains(help), "{text}: {}", error.help);
        }
    }

    #[test]
    fn shown_as_they_are_read() {
        for text in ["250 ms", "90 s", "7 days", "1 h", "1 us"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0 s");
        for text in ["256 MB", "8 MiB", "1 B", "0 B", "64 KiB", "1500 B"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("256 MB", 256_000_000), ("8 MiB", 8 << 20), ("8mib", 8 << 20), ("1.5 KiB", 1536), ("10 B", 10), ("2_000 kB", 2_000_000)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "5", "5 mega", "5 MB 3 KB", "-1 MB", "99999999999 TiB", "0.3 B"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
