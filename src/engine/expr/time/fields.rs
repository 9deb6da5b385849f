//! Calendar fields of times, and times cut down to a unit.

use crate::batch::Values;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, iso_week, weekday};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::Function;

/// year, month, … of a DATE or TIMESTAMP; hour, minute, second of a TIMESTAMP.
pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    if let Some(unit_us) = clock_unit(function) {
        let time = input.timestamps()?;
        let modulus = if function == Function::Hour { 24 } else { 60 };
        return Some(frame.map(operands, Values::Int, |row| (time.get(row).div_euclid(unit_us)).rem_euclid(modulus) as i32));
    }
    let field = day_field(function)?;
    if let Some(date) = input.dates() {
        return Some(frame.map(operands, Values::Int, |row| field(i64::from(date.get(row)))));
    }
    let time = input.timestamps()?;
    Some(frame.map(operands, Values::Int, |row| field(time.get(row).div_euclid(MICROS_PER_DAY))))
}

fn clock_unit(function: Function) -> Option<i64> {
    match function {
        Function::Hour => Some(MICROS_PER_HOUR),
        Function::Minute => Some(MICROS_PER_MINUTE),
        Function::Second => Some(MICROS_PER_SECOND),
        _ => None,
    }
}

/// A field of a day, from days since the epoch.
fn day_field(function: Function) -> Option<fn(i64) -> i32> {
    Some(match function {
        Function::Year => |days| Day::from_days(days).year as i32,
        Function::Quarter => |days| (Day::from_days(days).month as i32 - 1) / 3 + 1,
        Function::Month => |days| Day::from_days(days).month as i32,
        Function::Day => |days| Day::from_days(days).day as i32,
        Function::DayOfYear => |days| Day::from_days(days).of_year() as i32,
        // Sunday is 1.
        Function::DayOfWeek => |days| (weekday(days) as i32 + 1) % 7 + 1,
        // Monday is 0.
        Function::Weekday => |days| weekday(days) as i32,
        Function::WeekOfYear => |days| iso_week(days) as i32,
        _ => return None,
    })
}

/// What `date_trunc` cuts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Quarter,
    Month,
    /// From Monday.
    Week,
    /// This many microseconds.
    Fixed(i64),
}

impl Unit {
    pub fn of_name(name: &str) -> Option<Unit> {
        Some(match name.to_uppercase().as_str() {
            "YEAR" | "YYYY" | "YY" => Unit::Year,
            "QUARTER" => Unit::Quarter,
            "MONTH" | "MM" | "MON" => Unit::Month,
            "WEEK" => Unit::Week,
            "DAY" | "DD" => Unit::Fixed(MICROS_PER_DAY),
            "HOUR" => Unit::Fixed(MICROS_PER_HOUR),
            "MINUTE" => Unit::Fixed(MICROS_PER_MINUTE),
            "SECOND" => Unit::Fixed(MICROS_PER_SECOND),
            "MILLISECOND" => Unit::Fixed(1_000),
            "MICROSECOND" => Unit::Fixed(1),
            _ => return None,
        })
    }

    /// The beginning of the unit that holds `time`; `None` where it lies before all times.
    pub fn truncate(self, time_us: i64) -> Option<i64> {
        match self {
            Unit::Fixed(unit_us) => time_us.checked_sub(time_us.rem_euclid(unit_us)),
            _ => self.truncate_days(time_us.div_euclid(MICROS_PER_DAY)).checked_mul(MICROS_PER_DAY),
        }
    }

    /// The first day of the unit that holds a day.
    pub fn truncate_days(self, days: i64) -> i64 {
        let day = Day::from_days(days);
        let month = match self {
            Unit::Fixed(_) => return days,
            Unit::Week => return days - i64::from(weekday(days)),
            Unit::Year => 1,
            Unit::Quarter => (day.month - 1) / 3 * 3 + 1,
            _ => day.month,
        };
        Day { year: day.year, month, day: 1 }.to_days()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::expr::time::at;

    #[test]
    fn truncates_down_also_before_the_epoch() {
        let time = at(1969, 12, 31, MICROS_PER_DAY - 1);
        let cases = [
            ("year", at(1969, 1, 1, 0)),
            ("Quarter", at(1969, 10, 1, 0)),
            ("mon", at(1969, 12, 1, 0)),
            ("week", at(1969, 12, 29, 0)),
            ("dd", at(1969, 12, 31, 0)),
            ("hour", at(1969, 12, 31, 23 * MICROS_PER_HOUR)),
            ("millisecond", -1_000),
            ("microsecond", -1),
        ];
        for (name, expected) in cases {
            assert_eq!(Unit::of_name(name).and_then(|unit| unit.truncate(time)), Some(expected), "{name}");
        }
        assert_eq!(Unit::of_name("weeks"), None);
        assert_eq!(Unit::Year.truncate(i64::MIN), None);
    }
}
