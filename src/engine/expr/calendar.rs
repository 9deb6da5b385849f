//! The proleptic Gregorian calendar in UTC: days and microseconds since 1970 to fields and back. Pure arithmetic.

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
pub const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;
pub const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

const DAYS_PER_400_YEARS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// A day of the calendar. Year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// A time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
}

impl Day {
    /// Of days since 1970-01-01.
    pub fn from_days(days: i64) -> Day {
        // Years begin on 1 March here, so that the leap day comes last.
        let shifted = days + DAYS_TO_EPOCH;
        let cycle = shifted.div_euclid(DAYS_PER_400_YEARS);
        let of_cycle = shifted.rem_euclid(DAYS_PER_400_YEARS);
        let year_of_cycle = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Day { year: year_of_cycle + cycle * 400 + i64::from(month <= 2), month: month as u32, day: day as u32 }
    }

    /// Days since 1970-01-01. The fields must be of a day that exists, the year within ±10^9.
    pub fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let cycle = year.div_euclid(400);
        let year_of_cycle = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + of_year;
        cycle * DAYS_PER_400_YEARS + of_cycle - DAYS_TO_EPOCH
    }

    /// The same day `months` later; the last of the month where it has no such day.
    pub fn add_months(self, months: i64) -> Day {
        let count = self.year * 12 + i64::from(self.month) - 1 + months;
        let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
        Day { year, month, day: self.day.min(days_in_month(year, month)) }
    }

    /// From 1.
    pub fn of_year(self) -> u32 {
        (self.to_days() - Day { year: self.year, month: 1, day: 1 }.to_days() + 1) as u32
    }
}

impl Time {
    /// Of microseconds since midnight.
    pub fn from_micros(micros: i64) -> Time {
        let seconds = micros / MICROS_PER_SECOND;
        Time {
            hour: (seconds / 3600) as u32,
            minute: (seconds / 60 % 60) as u32,
            second: (seconds % 60) as u32,
            micros: (micros % MICROS_PER_SECOND) as u32,
        }
    }

    /// Microseconds since midnight.
    pub fn to_micros(self) -> i64 {
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        seconds * MICROS_PER_SECOND + i64::from(self.micros)
    }
}

/// Day and time of day of a timestamp.
pub fn split(timestamp_us: i64) -> (Day, Time) {
    (Day::from_days(timestamp_us.div_euclid(MICROS_PER_DAY)), Time::from_micros(timestamp_us.rem_euclid(MICROS_PER_DAY)))
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// 0 is Monday.
pub fn weekday(days: i64) -> u32 {
    (days + 3).rem_euclid(7) as u32
}

/// The week of ISO 8601: weeks begin on Monday, the first is the one with the year's first Thursday.
pub fn iso_week(days: i64) -> u32 {
    let thursday = days - i64::from(weekday(days)) + 3;
    (Day::from_days(thursday).of_year() - 1) / 7 + 1
}

/// The year that the ISO week of a day belongs to.
pub fn iso_year(days: i64) -> i64 {
    Day::from_days(days - i64::from(weekday(days)) + 3).year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_jiff_on_every_day() {
        let mut date = jiff::civil::date(-100, 1, 1);
        let first = Day { year: -100, month: 1, day: 1 }.to_days();
        for days in first..first + 1_000_000 {
            let day = Day::from_days(days);
            assert_eq!((day.year, day.month, day.day), (i64::from(date.year()), date.month() as u32, date.day() as u32));
            assert_eq!(day.to_days(), days);
            if days % 11 == 0 {
                assert_eq!(weekday(days), date.weekday().to_monday_zero_offset() as u32);
                assert_eq!(iso_week(days), date.iso_week_date().week() as u32);
                assert_eq!(day.of_year(), date.day_of_year() as u32);
                assert_eq!(days_in_month(day.year, day.month), date.days_in_month() as u32);
            }
            date = date.tomorrow().expect("within jiff's years");
        }
    }

    #[test]
    fn holds_at_the_ends_of_time() {
        for timestamp in [i64::MIN, i64::MAX, 0, -1] {
            let (day, time) = split(timestamp);
            assert_eq!(i128::from(day.to_days()) * i128::from(MICROS_PER_DAY) + i128::from(time.to_micros()), i128::from(timestamp));
        }
    }
}
