//! Timestamps from text, in the forms that Spark casts: `2026`, `2026-1-1`, `2026-01-01T1:2:3.123456 Europe/Berlin`, `… +2:30`.
//!
//! Digits after the sixth of a fraction are cut off. A zone may follow the seconds only. Within a gap of local time the clock is read as
//! before the gap, within an overlap as its first turn. Not taken: a time without a date (Spark would add today's).
//!
//! Limits: years of up to six digits with a fixed offset, -9999 to 9999 with a named zone.

use jiff::civil;
use jiff::tz::TimeZone;

const SECONDS_A_DAY: i64 = 86_400;
const OFFSET_SECONDS_MAX: i32 = 18 * 3600;

/// A time zone for text that names none.
#[derive(Clone, Debug)]
pub enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(TimeZone),
}

/// Java's `ZoneId.SHORT_IDS`.
const SHORT_ZONES: [(&str, &str); 28] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("EST", "-05:00"),
    ("HST", "-10:00"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("MST", "-07:00"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// What one of Java's short names stands for; any other name as it is.
pub(crate) fn long_name(name: &str) -> &str {
    SHORT_ZONES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long)
}

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone::Fixed(0);

    /// A zone by Java's names: `Z`, `+02:00`, `+2:30`, `UTC+1`, `Europe/Berlin`, `PST`; case-sensitive. `None` if there is none.
    pub fn parse(name: &str) -> Option<Zone> {
        let name = long_name(name);
        if name == "Z" {
            return Some(Zone::UTC);
        }
        for prefix in ["UTC", "GMT", "UT", ""] {
            if let Some(rest) = name.strip_prefix(prefix) {
                if rest.is_empty() {
                    return (!prefix.is_empty()).then_some(Zone::UTC);
                }
                if rest.starts_with(['+', '-']) {
                    return offset_seconds(rest).map(Zone::Fixed);
                }
            }
        }
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Zone::Named(zone))
    }

    /// Microseconds since the epoch of a local date and time; `None` out of range.
    fn to_micros(&self, local: &Local) -> Option<i64> {
        let offset = match self {
            Zone::Fixed(seconds) => i64::from(*seconds),
            Zone::Named(zone) => {
                let year = i16::try_from(local.year).ok()?;
                let [month, day, hour, minute, second] = local.parts.map(|part| part as i8);
                let clock = civil::DateTime::new(year, month, day, hour, minute, second, local.micros as i32 * 1000).ok()?;
                return Some(zone.to_ambiguous_timestamp(clock).compatible().ok()?.as_microsecond());
            }
        };
        let [month, day, hour, minute, second] = local.parts.map(i64::from);
        let seconds = days_from_civil(local.year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 + second - offset;
        // The sum may be in range where its first half is not.
        i64::try_from(i128::from(seconds) * 1_000_000 + i128::from(local.micros)).ok()
    }
}

/// A date and a time of day as a clock on the wall shows them.
struct Local {
    year: i64,
    /// Month, day, hour, minute, second.
    parts: [u32; 5],
    micros: u32,
}

impl Local {
    fn is_valid(&self) -> bool {
        let [month, day, hour, minute, second] = self.parts;
        (1..=12).contains(&month) && day >= 1 && day <= days_in_month(self.year, month) && hour < 24 && minute < 60 && second < 60
    }
}

/// Microseconds since the epoch of a timestamp in text; `zone` is for text that names none. `None` if it is no timestamp, or out of range.
pub fn parse(text: &str, zone: &Zone) -> Option<i64> {
    let text = text.trim_matches(|c: char| c <= ' ' || c == '\u{7f}');
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut cursor = Cursor { text, at: 0 };
    let year = i64::from(cursor.digits(4, 6)?);
    let mut local = Local { year: if negative { -year } else { year }, parts: [1, 1, 0, 0, 0], micros: 0 };
    let mut named_zone = None;
    for (index, separators) in ["-", "-", " T", ":", ":"].into_iter().enumerate() {
        if cursor.is_at_end() {
            break;
        }
        cursor.one_of(separators)?;
        local.parts[index] = cursor.digits(1, 2)?;
        if index == 4 {
            if cursor.one_of(".").is_some() {
                local.micros = cursor.fraction();
            }
            if !cursor.is_at_end() {
                named_zone = Some(Zone::parse(cursor.rest().trim_matches(|c: char| c <= ' '))?);
            }
        }
    }
    if !local.is_valid() {
        return None;
    }
    named_zone.as_ref().unwrap_or(zone).to_micros(&local)
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        self.at = self.text.len();
        rest
    }

    fn one_of(&mut self, separators: &str) -> Option<()> {
        let byte = self.text.as_bytes().get(self.at)?;
        separators.as_bytes().contains(byte).then(|| self.at += 1)
    }

    fn digit(&mut self) -> Option<u32> {
        let byte = self.text.as_bytes().get(self.at)?;
        byte.is_ascii_digit().then(|| {
            self.at += 1;
            u32::from(byte - b'0')
        })
    }

    /// A number of `least` to `most` digits; `None` if there are fewer or more.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let start = self.at;
        let mut number = 0;
        while self.at - start < most {
            match self.digit() {
                Some(digit) => number = number * 10 + digit,
                None => break,
            }
        }
        let too_long = self.digit().is_some();
        (self.at - start >= least && !too_long).then_some(number)
    }

    /// A fraction of a second in microseconds; any number of digits, also none.
    fn fraction(&mut self) -> u32 {
        let mut micros = 0;
        let mut weight = 100_000;
        while let Some(digit) = self.digit() {
            micros += digit * weight;
            weight /= 10;
        }
        micros
    }
}

/// Seconds east of UTC: `±h`, `±hh`, `±h:mm`, `±hh:m`, `±hh:mm`, `±hhmm`, `±hh:mm:ss`, `±hhmmss`, up to 18 hours.
fn offset_seconds(text: &str) -> Option<i32> {
    let negative = text.starts_with('-');
    let text = text.strip_prefix(['+', '-'])?;
    let mut fields = [0i32; 3];
    if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        // Spark lengthens a single digit of the hour anywhere, of the minute at the end, of the second nowhere.
        if parts.len() == 3 && (parts[1].len() != 2 || parts[2].len() != 2) {
            return None;
        }
        for (field, part) in fields.iter_mut().zip(parts) {
            *field = part.parse().ok()?;
        }
    } else {
        if !matches!(text.len(), 1 | 2 | 4 | 6) || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        for (field, start) in fields.iter_mut().zip((0..text.len()).step_by(2)) {
            *field = text[start..text.len().min(start + 2)].parse().ok()?;
        }
    }
    let [hours, minutes, seconds] = fields;
    let total = hours * 3600 + minutes * 60 + seconds;
    if minutes > 59 || seconds > 59 || total > OFFSET_SECONDS_MAX {
        return None;
    }
    Some(if negative { -total } else { total })
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that a leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a day since 1970-01-01: year, month, day.
pub(super) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_days_go_there_and_back() {
        for days in (-200_000_000..200_000_000).step_by(9973).chain(-800..800) {
            let (year, month, day) = civil_from_days(days);
            assert!(day <= days_in_month(year, month));
            assert_eq!(days_from_civil(year, i64::from(month), i64::from(day)), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
    }

    #[test]
    fn zones_of_their_own() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(parse("2026-07-01T02:00:00", &berlin), parse("2026-07-01T00:00:00Z", &Zone::UTC));
        assert_eq!(parse("2026-07-01T02:00:00Z", &berlin), parse("2026-07-01T02:00:00Z", &Zone::UTC));
        assert!(Zone::parse("").is_none());
        assert!(Zone::parse("../../etc/passwd").is_none());
    }
}
