//! Days: their names, the next one of a name, the month's last; months between two; and numbers of days.

use crate::batch::Values;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_SECOND, days_in_month, iso_year, weekday};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::time::fields::Unit;
use crate::engine::expr::time::format::{DAYS, MONTHS};
use crate::engine::expr::time::in_range;
use crate::plan::TimeFunction as T;

pub(super) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let (input, rest) = operands.split_first()?;
    match function {
        T::DateFromUnixDate => {
            let days = input.ints()?;
            Some(frame.map(operands, Values::Date, |row| days.get(row)))
        }
        T::SecondsOf => {
            let time = input.timestamps()?;
            const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
            let micros = move |row| time.get(row).rem_euclid(MICROS_PER_MINUTE);
            Some(frame.map(operands, Values::Double, |row| micros(row) as f64 / MICROS_PER_SECOND as f64))
        }
        T::MonthsBetween => {
            let [right, round] = rest else { return None };
            let (left, right, round) = (input.timestamps()?, right.timestamps()?, round.booleans()?);
            Some(frame.map(operands, Values::Double, |row| months_between(left.get(row), right.get(row), round.get(row))))
        }
        T::NextDay => {
            let (date, name) = (input.dates()?, rest.first()?.texts()?);
            Some(frame.try_map(operands, Values::Date, |row| next_day(date.get(row), name.get(row)).map(Some)))
        }
        T::Trunc => {
            let (date, unit) = (input.dates()?, rest.first()?.texts()?);
            Some(frame.try_map(operands, Values::Date, |row| {
                let unit = Unit::of_name(unit.get(row)).filter(|unit| !matches!(unit, Unit::Fixed(_)));
                let days = unit.map(|unit| unit.truncate_days(i64::from(date.get(row))));
                days.map_or(Ok(None), |days| in_range(i32::try_from(days).ok()))
            }))
        }
        _ => of_date(function, operands, frame),
    }
}

fn of_date(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    let date = input.dates()?;
    let days = move |row| i64::from(date.get(row));
    Some(match function {
        T::UnixDate => frame.map(operands, Values::Int, |row| date.get(row)),
        T::LastDay => frame.try_map(operands, Values::Date, |row| {
            let day = Day::from_days(days(row));
            in_range(i32::try_from(Day { day: days_in_month(day.year, day.month), ..day }.to_days()).ok())
        }),
        T::DayName | T::MonthName => frame.text_map(operands, |row, out| {
            let name = match function {
                T::DayName => DAYS[weekday(days(row)) as usize],
                _ => MONTHS[Day::from_days(days(row)).month as usize - 1],
            };
            out.push_str(&name[..3]);
            Ok(true)
        }),
        T::DayOfWeekIso => frame.map(operands, Values::Int, |row| weekday(days(row)) as i32 + 1),
        T::YearOfWeek => frame.map(operands, Values::Int, |row| iso_year(days(row)) as i32),
        _ => return None,
    })
}

/// The first day after `date` of that name: `MO`, `MON`, `MONDAY`, in any case.
fn next_day(date: i32, name: &str) -> Result<i32, Failure> {
    let upper = name.to_uppercase();
    let is = |day: &str| [2, 3, day.len()].iter().any(|length| day[..*length].eq_ignore_ascii_case(&upper));
    let wanted =
        DAYS.iter().position(|day| is(day)).ok_or_else(|| Failure::with_text(Problem::Argument("this is not the name of a day"), name))?;
    let ahead = (wanted as i64 + 6 - i64::from(weekday(i64::from(date)))) % 7 + 1;
    date.checked_add(ahead as i32).ok_or_else(|| Problem::TimeRange.into())
}

/// Months from `right` to `left`: whole where both are on the same day of the month, or both on its last; else a month has 31 days.
fn months_between(left: i64, right: i64, round: bool) -> f64 {
    const SECONDS_PER_MONTH: f64 = 31.0 * 86_400.0;
    const PLACES: f64 = 1e8;
    let split = |time: i64| {
        let day = Day::from_days(time.div_euclid(MICROS_PER_DAY));
        (day, (time.rem_euclid(MICROS_PER_DAY)) / MICROS_PER_SECOND)
    };
    let ((a, a_seconds), (b, b_seconds)) = (split(left), split(right));
    let months = ((a.year - b.year) * 12 + i64::from(a.month) - i64::from(b.month)) as f64;
    let is_last = |day: Day| day.day == days_in_month(day.year, day.month);
    if a.day == b.day || (is_last(a) && is_last(b)) {
        return months;
    }
    let seconds = (i64::from(a.day) - i64::from(b.day)) * 86_400 + a_seconds - b_seconds;
    let between = months + seconds as f64 / SECONDS_PER_MONTH;
    // Java's Math.round: halves go up.
    if round { (between * PLACES + 0.5).floor() / PLACES } else { between }
}
