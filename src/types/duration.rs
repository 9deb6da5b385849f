//! Lengths of time as Spark writes them: `10 seconds`, `interval 1 minute 30 seconds`, `1.5 seconds`.
//!
//! Limits: a window's length has no months or years, as in Spark; abbreviations (`1 min`, `5s`) are refused as there.

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A calendar interval: months apart, since their length varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    pub months: i64,
    /// Days and shorter, in µs.
    pub micros: i64,
}

impl Interval {
    /// As a watermark's delay: a month counts 31 days.
    pub fn delay_us(self) -> Option<i64> {
        self.months.checked_mul(31 * MICROS_PER_DAY)?.checked_add(self.micros)
    }

    fn add(self, count: i64, fraction_us: i64, unit: Unit) -> Option<Interval> {
        match unit {
            Unit::Months(months) => Some(Interval { months: self.months.checked_add(count.checked_mul(months)?)?, ..self }),
            Unit::Micros(micros) => {
                let added = count.checked_mul(micros)?.checked_add(fraction_us)?;
                Some(Interval { micros: self.micros.checked_add(added)?, ..self })
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Micros(i64),
}

fn unit(name: &str) -> Option<Unit> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix('s').unwrap_or(&name) {
        "year" => Unit::Months(12),
        "month" => Unit::Months(1),
        "week" => Unit::Micros(7 * MICROS_PER_DAY),
        "day" => Unit::Micros(MICROS_PER_DAY),
        "hour" => Unit::Micros(3600 * MICROS_PER_SECOND),
        "minute" => Unit::Micros(60 * MICROS_PER_SECOND),
        "second" => Unit::Micros(MICROS_PER_SECOND),
        "millisecond" => Unit::Micros(1000),
        "microsecond" => Unit::Micros(1),
        _ => return None,
    })
}

/// A length of time in µs, above zero: `"10 seconds"`, `"1 minute 30 seconds"`, `"1.5 seconds"`. Case does not matter.
///
/// ```
/// assert_eq!(tidemill::types::duration::parse_duration("1 minute 30 seconds"), Ok(90_000_000));
/// assert!(tidemill::types::duration::parse_duration("10 s").unwrap_err().contains("second"));
/// ```
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let interval = parse_interval(text)?;
    if interval.months != 0 {
        return Err(format!("'{text}' holds months or years, whose length varies; use days"));
    }
    if interval.micros <= 0 {
        return Err(format!("'{text}' is not above zero"));
    }
    Ok(interval.micros)
}

/// Any interval, signed: `"-15 minutes"`, `"1 month 2 days"`.
pub fn parse_interval(text: &str) -> Result<Interval, String> {
    const WORDS_MAX: usize = 32;
    let mut words = text.split_ascii_whitespace().take(WORDS_MAX + 1).peekable();
    if words.peek().is_some_and(|word| word.eq_ignore_ascii_case("interval")) {
        words.next();
    }
    if let Some(interval) = between_units(text) {
        return interval;
    }
    let malformed = || format!("'{text}' is not a length of time; write it as in '10 seconds' or '1 minute 30 seconds'");
    let mut interval = Interval::default();
    let mut parts = 0;
    while let Some(number) = words.next() {
        let (count, fraction_us) = parse_count(number).ok_or_else(malformed)?;
        let name = words.next().ok_or_else(malformed)?;
        let unit = unit(name).ok_or_else(|| unknown_unit(text, name))?;
        if fraction_us != 0 && unit != Unit::Micros(MICROS_PER_SECOND) {
            return Err(format!("'{text}': only seconds may have a fraction"));
        }
        interval = interval.add(count, fraction_us, unit).ok_or_else(|| format!("'{text}' is too long"))?;
        parts += 2;
    }
    if parts == 0 || parts >= WORDS_MAX {
        return Err(malformed());
    }
    Ok(interval)
}

/// `1 02:03:04.5 DAY TO SECOND`, as in `INTERVAL '1 02:03:04.5' DAY TO SECOND`; `None` where the text has no TO.
fn between_units(text: &str) -> Option<Result<Interval, String>> {
    const UNITS: [&str; 4] = ["DAY", "HOUR", "MINUTE", "SECOND"];
    let upper = text.trim().to_ascii_uppercase();
    let (rest, last) = upper.rsplit_once(" TO ")?;
    let (value, first) = rest.trim().rsplit_once(' ')?;
    let unit = |name: &str| UNITS.iter().position(|unit| *unit == name.trim().trim_end_matches('S'));
    let parsed =
        unit(first).zip(unit(last)).filter(|(first, last)| first < last).and_then(|(first, last)| clock(value.trim(), first, last));
    Some(parsed.ok_or_else(|| format!("'{text}' is not an interval; write it as in INTERVAL '1 02:03:04' DAY TO SECOND")))
}

/// `[-]d hh:mm:ss.f` from unit `first` to unit `last`, days being 0.
fn clock(text: &str, first: usize, last: usize) -> Option<Interval> {
    const SIZES: [i64; 4] = [MICROS_PER_DAY, 3600 * MICROS_PER_SECOND, 60 * MICROS_PER_SECOND, MICROS_PER_SECOND];
    const MOST: [i64; 4] = [i64::MAX, 23, 59, 59];
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (days, rest) = if first == 0 { digits.split_once(' ').map(|(days, rest)| (Some(days), rest))? } else { (None, digits) };
    let parts: Vec<&str> = days.into_iter().chain(rest.trim().split(':')).collect();
    if parts.len() != last - first + 1 {
        return None;
    }
    let mut micros: i64 = 0;
    for (place, part) in parts.iter().enumerate() {
        let unit = first + place;
        let (count, fraction_us) = parse_count(part).filter(|(_, fraction)| *fraction == 0 || unit == 3)?;
        if part.starts_with(['-', '+']) || place > 0 && count > MOST[unit] {
            return None;
        }
        micros = micros.checked_add(count.checked_mul(SIZES[unit])?)?.checked_add(fraction_us)?;
    }
    Some(Interval { months: 0, micros: micros.checked_mul(sign)? })
}

/// `-1.5` → (-1, -500000): whole units and millionths of one.
fn parse_count(text: &str) -> Option<(i64, i64)> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || whole.is_empty() && fraction.is_empty() || !numeric(whole) || !numeric(fraction) || fraction.len() > 9 {
        return None;
    }
    let count: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction_us: i64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    Some(if negative { (-count, -fraction_us) } else { (count, fraction_us) })
}

fn unknown_unit(text: &str, name: &str) -> String {
    let meant = match name.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" => "seconds",
        "m" | "min" | "mins" => "minutes",
        "h" | "hr" | "hrs" => "hours",
        "d" => "days",
        "ms" | "msec" | "millis" => "milliseconds",
        "us" | "micros" => "microseconds",
        _ => return format!("'{text}': no unit '{name}'; there are microseconds, milliseconds, seconds, minutes, hours, days and weeks"),
    };
    format!("'{text}': write '{meant}' for '{name}'")
}

/// The shortest text that [`parse_duration`] reads back, for explanations.
pub fn show_duration(micros: i64) -> String {
    const UNITS: [(&str, i64); 6] = [
        ("day", MICROS_PER_DAY),
        ("hour", 3600 * MICROS_PER_SECOND),
        ("minute", 60 * MICROS_PER_SECOND),
        ("second", MICROS_PER_SECOND),
        ("millisecond", 1000),
        ("microsecond", 1),
    ];
    let (name, size) = UNITS.into_iter().find(|(_, size)| micros != 0 && micros % size == 0).unwrap_or(("second", MICROS_PER_SECOND));
    let count = micros / size;
    let plural = if count.abs() == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_spark() {
        for (text, micros) in [
            ("10 seconds", 10_000_000),
            ("1 SECOND", 1_000_000),
            ("interval 1 minute", 60_000_000),
            ("1 minute 30 seconds", 90_000_000),
            ("1.5 seconds", 1_500_000),
            ("1 week", 7 * MICROS_PER_DAY),
            ("250 milliseconds", 250_000),
            ("1 microsecond", 1),
            ("2 minutes -30 seconds", 90_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(micros), "{text}");
        }
    }

    #[test]
    fn what_spark_refuses_is_refused() {
        for text in [
            "",
            "10",
            "seconds",
            "1 min",
            "1m",
            "1 sec",
            "1 ms",
            "1 hr",
            "PT1M",
            "1 month",
            "0 seconds",
            "-1 second",
            "1.5 minutes",
            "9223372036854775807 weeks",
            "1 second 1",
            "interval",
            ". seconds",
            "- seconds",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_of_delay_counts_31_days() {
        assert_eq!(parse_interval("1 year").unwrap().delay_us(), Some(372 * MICROS_PER_DAY));
    }

    #[test]
    fn durations_are_shown_in_their_largest_whole_unit() {
        for (micros, text) in [(0, "0 seconds"), (90_000_000, "90 seconds"), (60_000_000, "1 minute"), (1_500_000, "1500 milliseconds")] {
            assert_eq!(show_duration(micros), text);
        }
    }
}
