//! Functions of dates and times, beyond the first set.

use super::Arg::{self, Date, Int, Text, Timestamp};
use super::{Out, Signature, row};
use crate::plan::{Function, TimeFunction as T};

const fn of(names: &'static [&'static str], function: T, required: &'static [Arg], out: Out) -> Signature {
    row(names, Function::Time(function), required, &[], out)
}

pub const ROWS: &[Signature] = &[
    of(&["unix_date"], T::UnixDate, &[Arg::OnlyDate], Out::Int),
    of(&["date_from_unix_date"], T::DateFromUnixDate, &[Int], Out::Date),
    of(&["last_day"], T::LastDay, &[Date], Out::Date),
    of(&["dayname"], T::DayName, &[Date], Out::Text),
    of(&["monthname"], T::MonthName, &[Date], Out::Text),
    of(&["next_day"], T::NextDay, &[Date, Text], Out::Date),
    of(&["trunc"], T::Trunc, &[Date, Text], Out::Date),
    of(&["make_date"], T::MakeDate, &[Int, Int, Int], Out::Date),
    of(&["from_utc_timestamp"], T::FromUtc, &[Timestamp, Text], Out::Timestamp),
    of(&["to_utc_timestamp"], T::ToUtc, &[Timestamp, Text], Out::Timestamp),
];
