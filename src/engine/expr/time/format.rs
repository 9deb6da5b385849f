//! Writing times by a pattern, in English and UTC.

use std::fmt::Write;

use crate::engine::expr::calendar::{Day, Time, split, weekday};
use crate::engine::expr::time::pattern::{Item, NumberField, Pattern, ZoneStyle};

pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const QUARTERS: [&str; 4] = ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"];

/// Appends the time; always true, for writing to a string does not fail.
pub(super) fn write(pattern: &Pattern, time_us: i64, out: &mut String) -> bool {
    let (day, time) = split(time_us);
    write_items(&pattern.items, pattern.has_era, day, time, out).is_ok()
}

fn write_items(items: &[Item], has_era: bool, day: Day, time: Time, out: &mut String) -> std::fmt::Result {
    let year = if has_era && day.year < 1 { 1 - day.year } else { day.year };
    for item in items {
        match item {
            Item::Text(text) => out.push_str(text),
            Item::Number(field, width) => push_number(number(*field, day, time), *width, out),
            Item::Fraction(digits) => {
                let start = out.len();
                push_number(time.micros * 1_000, 9, out);
                out.truncate(start + digits);
            }
            Item::ShortYear => push_number(year.rem_euclid(100) as u32, 2, out),
            Item::Year(width) => write_year(year, *width, out)?,
            Item::MonthName { full } => out.push_str(name(&MONTHS, day.month as usize - 1, *full)),
            Item::DayName { full } => out.push_str(name(&DAYS, weekday(day.to_days()) as usize, *full)),
            Item::QuarterName { full: true } => out.push_str(QUARTERS[(day.month as usize - 1) / 3]),
            Item::QuarterName { full: false } => write!(out, "Q{}", number(NumberField::Quarter, day, time))?,
            Item::HalfDay => out.push_str(if time.hour < 12 { "AM" } else { "PM" }),
            Item::Era { full } => out.push_str(match (day.year > 0, full) {
                (true, false) => "AD",
                (true, true) => "Anno Domini",
                (false, false) => "BC",
                (false, true) => "Before Christ",
            }),
            Item::Zone(style) => out.push_str(utc(*style)),
            Item::Optional(items) => write_items(items, has_era, day, time, out)?,
        }
    }
    Ok(())
}

/// Decimal digits, filled with zeros to `width` (at most 9).
fn push_number(number: u32, width: usize, out: &mut String) {
    let mut divisor = 1_000_000_000;
    for place in (0..10).rev() {
        if number >= divisor || place < width.max(1) {
            out.push(char::from(b'0' + (number / divisor % 10) as u8));
        }
        divisor /= 10;
    }
}

/// The whole name, or its first three letters.
fn name(names: &[&'static str], index: usize, full: bool) -> &'static str {
    if full { names[index] } else { &names[index][..3] }
}

fn number(field: NumberField, day: Day, time: Time) -> u32 {
    match field {
        NumberField::Month => day.month,
        NumberField::Day => day.day,
        NumberField::DayOfYear => day.of_year(),
        NumberField::Quarter => (day.month - 1) / 3 + 1,
        NumberField::DayOfMonthWeek => (day.day - 1) % 7 + 1,
        NumberField::Hour => time.hour,
        NumberField::HourFromOne => (time.hour + 23) % 24 + 1,
        NumberField::HalfHour => time.hour % 12,
        NumberField::HalfHourFromOne => (time.hour + 11) % 12 + 1,
        NumberField::Minute => time.minute,
        NumberField::Second => time.second,
    }
}

/// Zero-filled; from four letters on with a plus sign where the year has more digits than letters.
pub(in crate::engine::expr) fn write_year(year: i64, width: usize, out: &mut String) -> std::fmt::Result {
    let digits = format!("{:0width$}", year.unsigned_abs());
    let sign = match year {
        ..0 => "-",
        _ if width >= 4 && digits.len() > width => "+",
        _ => "",
    };
    write!(out, "{sign}{digits}")
}

fn utc(style: ZoneStyle) -> &'static str {
    match style {
        ZoneStyle::Id => "UTC",
        ZoneStyle::Name => "Coordinated Universal Time",
        ZoneStyle::Gmt => "GMT",
        ZoneStyle::Offset { z_for_utc: true, .. } => "Z",
        ZoneStyle::Offset { minutes: false, .. } => "+00",
        ZoneStyle::Offset { colon: true, .. } => "+00:00",
        ZoneStyle::Offset { .. } => "+0000",
    }
}
