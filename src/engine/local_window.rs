//! Windows of whole days, weeks or months of a time zone's calendar: with daylight saving a day has 23 or 25 hours.
//!
//! Windows are numbered by civil date: days from Monday 1970-01-05, months from January 1970, so that weeks begin on Mondays. A boundary is
//! local midnight plus the offset, as the clocks there show it: where that time is skipped it is later by as much
//! as is skipped, where it comes twice it is the first of the two. The zone's rules are those of the bundled or the system's tzdata.
//!
//! Limits: years -9999 to 9999; times beyond them are refused by the caller.

use std::fmt;
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Tells windows of a calendar apart.
#[derive(Clone, Debug)]
pub(super) struct LocalWindows {
    zone: TimeZone,
    /// Civil days of a window, or 0 where months count.
    days: i64,
    months: i64,
    /// From local midnight, by the clocks there, µs.
    offset_us: i64,
}

impl fmt::Display for LocalWindows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} days {} months from {} µs in {zone} of", self.days, self.months, self.offset_us)
    }
}

/// Event times outside of these are not on the calendar, µs: 9,900 years to both sides of year 0, roughly.
const TIME_MIN_US: i64 = -370_000_000_000_000_000;
const TIME_MAX_US: i64 = 250_000_000_000_000_000;

/// Longest window, days and months.
pub(super) const DAYS_MAX: i64 = 366_000;
const MONTHS_MAX: i64 = 12_000;

const DAY_US: i64 = 86_400_000_000;

impl LocalWindows {
    /// `None` where the zone is unknown or a number out of range: either days or months, the offset within a day.
    pub fn new(zone: &str, days: u32, months: u32, offset_us: i64) -> Option<LocalWindows> {
        let (days, months) = (i64::from(days), i64::from(months));
        let good = (days > 0) != (months > 0) && days <= DAYS_MAX && months <= MONTHS_MAX && offset_us.abs() < DAY_US;
        Some(LocalWindows { zone: TimeZone::get(zone).ok().filter(|_| good)?, days, months, offset_us })
    }

    /// The times that are on the calendar.
    pub const TIMES: Range<i64> = TIME_MIN_US..TIME_MAX_US;

    /// Start and end of the window that holds `time`.
    pub fn of(&self, time: i64) -> (i64, i64) {
        let time = time.clamp(TIME_MIN_US, TIME_MAX_US - 1);
        let mut number = self.number_near(time);
        // Clocks move by hours at most: the estimate is off by one window at most.
        while self.start(number) > time {
            number -= 1;
        }
        while self.start(number + 1) <= time {
            number += 1;
        }
        (self.start(number), self.start(number + 1))
    }

    /// The number of the window that begins at `start`.
    pub fn number(&self, start: i64) -> i64 {
        let near = self.number_near(start);
        (near - 1..=near + 1).find(|number| self.start(*number) == start).unwrap_or(near)
    }

    /// When the window with this number begins; `None` where it is not on the calendar.
    pub fn checked_start(&self, number: i64) -> Option<i64> {
        let date = self.date(number)?;
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        let local = midnight.checked_add(Span::new().microseconds(self.offset_us)).ok()?;
        self.zone.to_ambiguous_timestamp(local).compatible().ok().map(Timestamp::as_microsecond)
    }

    /// Roughly how long a window is, µs.
    pub fn length_us(&self) -> i64 {
        if self.days > 0 { self.days * DAY_US } else { self.months * 28 * DAY_US }
    }

    fn start(&self, number: i64) -> i64 {
        self.checked_start(number).unwrap_or(if number < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
    }

    /// The date on which the window with this number begins.
    fn date(&self, number: i64) -> Option<Date> {
        if self.days > 0 {
            let days = i32::try_from(number.checked_mul(self.days)?).ok()?;
            return jiff::civil::date(1970, 1, 5).checked_add(Span::new().try_days(days).ok()?).ok();
        }
        let months = i32::try_from(number.checked_mul(self.months)?).ok()?;
        jiff::civil::date(1970, 1, 1).checked_add(Span::new().try_months(months).ok()?).ok()
    }

    /// The number of the window, or of a neighbour.
    fn number_near(&self, time: i64) -> i64 {
        let Ok(moment) = Timestamp::from_microsecond(time.saturating_sub(self.offset_us)) else { return 0 };
        let date = self.zone.to_datetime(moment).date();
        if self.days > 0 {
            let hours = date.duration_since(jiff::civil::date(1970, 1, 5)).as_hours();
            return hours.div_euclid(24).div_euclid(self.days);
        }
        let months = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month()) - 1;
        months.div_euclid(self.months)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn hours(windows: &LocalWindows, time: &str) -> i64 {
        let (start, end) = windows.of(us(time));
        (end - start) / 3_600_000_000
    }

    #[test]
    fn a_day_has_23_24_or_25_hours() {
        let days = LocalWindows::new("Europe/Berlin", 1, 0, 0).unwrap();
        assert_eq!(days.of(us("2026-01-15T12:00:00Z")), (us("2026-01-14T23:00:00Z"), us("2026-01-15T23:00:00Z")));
        assert_eq!(days.of(us("2026-03-29T12:00:00Z")), (us("2026-03-28T23:00:00Z"), us("2026-03-29T22:00:00Z")));
        assert_eq!(hours(&days, "2026-03-29T00:00:00Z"), 23);
        assert_eq!(hours(&days, "2026-10-25T12:00:00Z"), 25);
        assert_eq!(hours(&days, "2026-07-01T21:59:59Z"), 24);
        let begin = us("2026-03-28T23:00:00Z");
        assert_eq!((days.of(begin).0, days.of(begin - 1).1), (begin, begin));
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_on_the_first() {
        let weeks = LocalWindows::new("Europe/Berlin", 7, 0, 0).unwrap();
        assert_eq!(weeks.of(us("2026-10-21T00:00:00Z")), (us("2026-10-18T22:00:00Z"), us("2026-10-25T23:00:00Z")));
        let months = LocalWindows::new("America/New_York", 0, 1, 0).unwrap();
        assert_eq!(months.of(us("2026-03-15T00:00:00Z")), (us("2026-03-01T05:00:00Z"), us("2026-04-01T04:00:00Z")));
        let quarters = LocalWindows::new("UTC", 0, 3, 0).unwrap();
        assert_eq!(quarters.of(us("1969-12-31T23:00:00Z")), (us("1969-10-01T00:00:00Z"), us("1970-01-01T00:00:00Z")));
    }

    #[test]
    fn a_shift_begins_at_the_hour_that_the_clocks_show() {
        let shifts = LocalWindows::new("Europe/Berlin", 1, 0, 6 * 3_600_000_000).unwrap();
        assert_eq!(shifts.of(us("2026-03-29T03:59:59Z")), (us("2026-03-28T05:00:00Z"), us("2026-03-29T04:00:00Z")));
        assert_eq!(hours(&shifts, "2026-10-25T04:59:59Z"), 25);
        let before = LocalWindows::new("Europe/Berlin", 1, 0, -2 * 3_600_000_000).unwrap();
        assert_eq!(before.of(us("2026-01-15T21:30:00Z")).0, us("2026-01-15T21:00:00Z"));
    }

    #[test]
    fn each_moment_is_in_exactly_one_window_that_its_number_finds_again() {
        // Midnight is skipped in Beirut, a whole day in Apia.
        let cases = [("Asia/Beirut", 1, 0), ("Pacific/Apia", 1, 0), ("Australia/Lord_Howe", 7, 0), ("Europe/Berlin", 0, 1), ("UTC", 3, 0)];
        for (zone, days, months) in cases {
            let windows = LocalWindows::new(zone, days, months, 0).unwrap();
            let mut time = us("2011-12-01T00:00:00Z");
            while time < us("2013-05-01T00:00:00Z") {
                let (start, end) = windows.of(time);
                assert!(start <= time && time < end, "{zone} {time}");
                assert_eq!(windows.checked_start(windows.number(start)), Some(start), "{zone}");
                assert_eq!(windows.of(end).0, end, "{zone}");
                assert_eq!(windows.of(end - 1), (start, end), "{zone}");
                time += 11 * 3_600_000_000;
            }
        }
    }

    #[test]
    fn refuses_what_breaks_the_rules() {
        for (zone, days, months, offset) in
            [("Europe/Nowhere", 1, 0, 0), ("UTC", 0, 0, 0), ("UTC", 1, 1, 0), ("UTC", 1, 0, DAY_US), ("UTC", 400_000, 0, 0)]
        {
            assert!(LocalWindows::new(zone, days, months, offset).is_none());
        }
        let days = LocalWindows::new("UTC", 1, 0, 0).unwrap();
        for time in [i64::MIN, i64::MAX, TIME_MIN_US, TIME_MAX_US - 1] {
            let (start, end) = days.of(time);
            assert!(start < end);
        }
        assert_eq!((LocalWindows::TIMES.contains(&TIME_MAX_US), LocalWindows::TIMES.contains(&0)), (false, true));
        assert_eq!(days.checked_start(i64::MAX), None);
    }
}
