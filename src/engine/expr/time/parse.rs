//! Reading times by a pattern. The whole text must match; fields that the pattern lacks are those of 1970-01-01T00:00:00Z.

use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, Time, days_in_month};
use crate::engine::expr::cast::moment::zone_offset;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::time::format::MONTHS;
use crate::engine::expr::time::pattern::{Item, NumberField, Pattern, ZoneStyle};
use crate::engine::expr::time::zone::Zone;

/// Digits of a number whose width the pattern leaves open.
const DIGITS_MAX: usize = 10;

/// Fields as they were read.
#[derive(Clone, Default)]
struct Fields {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    /// 0 to 11.
    half_hour: Option<u32>,
    afternoon: Option<bool>,
    minute: Option<u32>,
    second: Option<u32>,
    micros: Option<u32>,
    before_christ: bool,
    zone: Option<Zone>,
}

/// Microseconds since the epoch.
pub(super) fn read(pattern: &Pattern, text: &str) -> Result<i64, Failure> {
    let mut fields = Fields::default();
    let rest = read_items(&pattern.items, text, &mut fields);
    let time = rest.filter(|rest| rest.is_empty()).and_then(|_| fields.resolve());
    time.ok_or_else(|| Failure::with_text(Problem::TimeText, text))
}

/// The rest of the text after the items; `None` where they do not match.
fn read_items<'t>(items: &[Item], text: &'t str, fields: &mut Fields) -> Option<&'t str> {
    let mut rest = text;
    for (index, item) in items.iter().enumerate() {
        rest = match item {
            Item::Text(literal) => strip_folded(rest, literal)?,
            Item::Optional(inner) => {
                let mut tried = fields.clone();
                match read_items(inner, rest, &mut tried) {
                    Some(after) => {
                        *fields = tried;
                        after
                    }
                    None => rest,
                }
            }
            Item::MonthName { full } => {
                let short = |name: &'static str| if *full { name } else { &name[..3] };
                let (month, after) = MONTHS.iter().enumerate().find_map(|(i, name)| Some((i, strip_folded(rest, short(name))?)))?;
                fields.month = Some(month as u32 + 1);
                after
            }
            Item::HalfDay => {
                let after = strip_folded(rest, "AM").or_else(|| strip_folded(rest, "PM"))?;
                fields.afternoon = Some(rest.as_bytes()[0].eq_ignore_ascii_case(&b'p'));
                after
            }
            Item::Zone(style) => {
                let (zone, after) = read_zone(*style, rest)?;
                fields.zone = Some(zone);
                after
            }
            Item::Fraction(digits) => {
                let length = digit_count(rest).min(*digits);
                let (fraction, after) = rest.split_at_checked(length).filter(|_| length > 0)?;
                let nanos = format!("{fraction:0<9}").parse::<u32>().ok()?;
                fields.micros = Some(nanos / 1_000);
                after
            }
            Item::ShortYear => {
                let (year, after) = read_number(rest, 2, 2)?;
                fields.year = Some(2000 + year);
                after
            }
            Item::Year(width) => read_year(rest, *width, fixed_digits(&items[index + 1..]), fields)?,
            Item::Number(field, width) => {
                let reserved = fixed_digits(&items[index + 1..]);
                let open = *width == 1 || *field == NumberField::DayOfYear;
                let longest = if open { digit_count(rest).saturating_sub(reserved).clamp(1, DIGITS_MAX) } else { *width };
                let (number, after) = read_number(rest, *width, longest)?;
                fields.set(*field, u32::try_from(number).ok()?)?;
                after
            }
            Item::Era { full } => {
                let names = if *full { ["Anno Domini", "Before Christ"] } else { ["AD", "BC"] };
                let (era, after) = names.iter().enumerate().find_map(|(era, name)| Some((era, strip_folded(rest, name)?)))?;
                fields.before_christ = era == 1;
                after
            }
            Item::DayName { .. } | Item::QuarterName { .. } => return None,
        };
    }
    Some(rest)
}

/// A zone in the form of its letters: a name where they are `V` or `z`, else an offset.
fn read_zone(style: ZoneStyle, text: &str) -> Option<(Zone, &str)> {
    let named = matches!(style, ZoneStyle::Id | ZoneStyle::Name);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-:".contains(c) || (named && "/_".contains(c)))).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    if let ZoneStyle::Offset { z_for_utc, .. } = style
        && (name == "Z") != z_for_utc
        && !name.starts_with(['+', '-'])
    {
        return None;
    }
    let zone = if named { Zone::of_name(name) } else { zone_offset(name).map(Zone::Fixed) };
    Some((zone?, after))
}

/// Digits that the numbers of fixed width directly after this place take: an open number before them leaves them over.
fn fixed_digits(items: &[Item]) -> usize {
    items
        .iter()
        .map_while(|item| match item {
            Item::Number(_, width) if *width > 1 => Some(*width),
            Item::ShortYear => Some(2),
            _ => None,
        })
        .sum()
}

/// A year of at least `width` digits; from four on, more digits need a plus sign, and only they may have one.
fn read_year<'t>(text: &'t str, width: usize, reserved: usize, fields: &mut Fields) -> Option<&'t str> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (Some('-'), digits),
        None => match text.strip_prefix('+') {
            Some(digits) => (Some('+'), digits),
            None => (None, text),
        },
    };
    let longest = digit_count(digits).saturating_sub(reserved).clamp(width, DIGITS_MAX.max(width));
    let (year, after) = read_number(digits, width, longest)?;
    let read = digits.len() - after.len();
    match sign {
        Some('+') if width < 4 || read <= width => return None,
        None if width >= 4 && read > width => return None,
        _ => {}
    }
    fields.year = Some(if sign == Some('-') { -year } else { year });
    Some(after)
}

fn digit_count(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// As many digits as there are, from `shortest` to `longest`.
fn read_number(text: &str, shortest: usize, longest: usize) -> Option<(i64, &str)> {
    let length = digit_count(text).min(longest);
    let (digits, after) = text.split_at_checked(length).filter(|_| length >= shortest)?;
    Some((digits.parse().ok()?, after))
}

/// The text after `prefix`, without regard to ASCII case.
fn strip_folded<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl Fields {
    fn set(&mut self, field: NumberField, number: u32) -> Option<()> {
        let (place, range) = match field {
            NumberField::Month => (&mut self.month, 1..=12),
            NumberField::Day => (&mut self.day, 1..=31),
            NumberField::DayOfYear => (&mut self.day_of_year, 1..=366),
            NumberField::Hour => (&mut self.hour, 0..=23),
            NumberField::HourFromOne => (&mut self.hour, 1..=24),
            NumberField::HalfHour => (&mut self.half_hour, 0..=11),
            NumberField::HalfHourFromOne => (&mut self.half_hour, 1..=12),
            NumberField::Minute => (&mut self.minute, 0..=59),
            NumberField::Second => (&mut self.second, 0..=59),
            NumberField::Quarter | NumberField::DayOfMonthWeek => return None,
        };
        if !range.contains(&number) {
            return None;
        }
        *place = Some(match field {
            NumberField::HourFromOne => number % 24,
            NumberField::HalfHourFromOne => number % 12,
            _ => number,
        });
        Some(())
    }

    fn resolve(&self) -> Option<i64> {
        let year = self.year.unwrap_or(1970);
        let year = if self.before_christ { 1 - year } else { year };
        let mut day = Day { year, month: self.month.unwrap_or(1), day: self.day.unwrap_or(1) };
        if let Some(of_year) = self.day_of_year {
            let found = Day::from_days(Day { month: 1, day: 1, ..day }.to_days() + i64::from(of_year) - 1);
            let agrees = self.month.is_none_or(|month| month == found.month) && self.day.is_none_or(|day| day == found.day);
            day = Some(found).filter(|found| agrees && found.year == day.year)?;
        }
        if day.day > days_in_month(day.year, day.month) || day.year.abs() > 300_000 {
            return None;
        }
        // AM or PM beside an hour of the whole day must agree with it.
        if self.hour.is_some_and(|hour| self.afternoon.is_some_and(|afternoon| afternoon != (hour >= 12))) {
            return None;
        }
        let half_hour = self.half_hour.map(|hour| hour + if self.afternoon == Some(true) { 12 } else { 0 });
        let time = Time {
            hour: self.hour.or(half_hour).unwrap_or(if self.afternoon == Some(true) { 12 } else { 0 }),
            minute: self.minute.unwrap_or(0),
            second: self.second.unwrap_or(0),
            micros: self.micros.unwrap_or(0),
        };
        let local = day.to_days().checked_mul(MICROS_PER_DAY)?.checked_add(time.to_micros())?;
        match &self.zone {
            None => Some(local),
            Some(zone) => zone.to_utc(local),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::expr::calendar::{MICROS_PER_HOUR, MICROS_PER_MINUTE};
    use crate::engine::expr::time::at;

    #[test]
    fn reads_by_pattern() {
        let noon = 12 * MICROS_PER_HOUR;
        let cases = [
            ("yyyy-MM-dd", "2026-01-02", Some(at(2026, 1, 2, 0))),
            ("yyyyMMdd", "20260102", Some(at(2026, 1, 2, 0))),
            ("yyyyMMddHHmmss", "20260102120000", Some(at(2026, 1, 2, noon))),
            ("y-M-d", "2026-1-2", Some(at(2026, 1, 2, 0))),
            ("dd/MMM/yyyy", "02/jan/2026", Some(at(2026, 1, 2, 0))),
            ("d MMMM yy", "2 January 26", Some(at(2026, 1, 2, 0))),
            ("yyyy-MM-dd hh:mm a", "2026-01-02 12:30 PM", Some(at(2026, 1, 2, noon + 30 * MICROS_PER_MINUTE))),
            ("HH:mm:ss.SSSSSS", "00:00:00.5", Some(500_000)),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-02T12:00:00+02:00", Some(at(2026, 1, 2, noon - 2 * MICROS_PER_HOUR))),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-01-02T12:00:00Z", Some(at(2026, 1, 2, noon))),
            ("yyyy-MM-dd[ HH:mm]", "2026-01-02", Some(at(2026, 1, 2, 0))),
            ("yyyy-MM-dd[ HH:mm]", "2026-01-02 12:00", Some(at(2026, 1, 2, noon))),
            ("yyyy-MM-dd", "2026-02-30", None),
            ("yyyy-MM-dd", "2026-1-2", None),
            ("yyyy-MM-dd", "2026-01-02x", None),
            ("yyyy-MM-dd", "12026-01-02", None),
            ("yyyy-MM-dd", "+12026-01-02", Some(at(12026, 1, 2, 0))),
            ("yyyy-D", "2024-366", Some(at(2024, 12, 31, 0))),
            ("yyyy-D", "2026-366", None),
            ("HH", "24", None),
            ("yyyy", "größe", None),
        ];
        for (pattern, text, expected) in cases {
            let read = Pattern::new(pattern, true).and_then(|pattern| read(&pattern, text));
            assert_eq!(read.ok(), expected, "{text} by {pattern}");
        }
    }
}
