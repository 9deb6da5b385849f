//! Time zones: offsets, names of the tz database, and Java's short names; times between UTC and a zone's clock.
//!
//! Limits: names are those of the system's tz database, or of the one built in where the system has none; letters count.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::batch::Values;
use crate::engine::expr::calendar::{MICROS_PER_SECOND, split};
use crate::engine::expr::cast::moment::zone_offset;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, Texts};
use crate::engine::expr::time::in_range;
use crate::format::timestamp::long_name;
use crate::plan::TimeFunction as T;

/// A zone by its name.
#[derive(Clone, Debug)]
pub(in crate::engine::expr) enum Zone {
    /// Seconds east of UTC.
    Fixed(i64),
    Region(TimeZone),
}

impl Zone {
    pub fn of_name(name: &str) -> Option<Zone> {
        let name = long_name(name);
        if let Some(offset) = zone_offset(name) {
            return Some(Zone::Fixed(offset));
        }
        let zone = TimeZone::get(name).ok()?;
        (zone.iana_name() == Some(name)).then_some(Zone::Region(zone))
    }

    /// The zone's clock at a time in UTC, as if it were UTC; microseconds.
    pub fn clock_at(&self, time_us: i64) -> Option<i64> {
        time_us.checked_add(self.offset_at(time_us)? * MICROS_PER_SECOND)
    }

    /// Seconds east of UTC at a time. Before and after jiff's years, as in the first and the last of them.
    fn offset_at(&self, time_us: i64) -> Option<i64> {
        let zone = match self {
            Zone::Fixed(seconds) => return Some(*seconds),
            Zone::Region(zone) => zone,
        };
        let seconds = time_us.div_euclid(MICROS_PER_SECOND).clamp(Timestamp::MIN.as_second() + 1, Timestamp::MAX.as_second() - 1);
        let time = Timestamp::from_second(seconds).ok()?;
        Some(i64::from(zone.to_offset(time).seconds()))
    }

    /// The time at which the zone's clock shows `local_us`: the first of two, and after a gap as much later.
    pub fn to_utc(&self, local_us: i64) -> Option<i64> {
        let zone = match self {
            Zone::Fixed(seconds) => return local_us.checked_sub(seconds * MICROS_PER_SECOND),
            Zone::Region(zone) => zone,
        };
        let (day, time) = split(local_us);
        let civil = i16::try_from(day.year).ok().and_then(|year| {
            let nanos = time.micros as i32 * 1_000;
            jiff::civil::DateTime::new(year, day.month as i8, day.day as i8, time.hour as i8, time.minute as i8, time.second as i8, nanos)
                .ok()
        });
        match civil.and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible().ok()) {
            Some(time) => Some(time.as_microsecond()),
            None => local_us.checked_sub(self.offset_at(local_us)? * MICROS_PER_SECOND),
        }
    }
}

/// The zone argument: looked up once where it is the same for all rows.
pub(super) enum Zones<'o> {
    Once(Result<Zone, Failure>),
    Each(Texts<'o>),
}

impl<'o> Zones<'o> {
    pub fn new(texts: Texts<'o>) -> Zones<'o> {
        texts.constant().map_or(Zones::Each(texts), |name| Zones::Once(find(name)))
    }

    pub fn get(&self, row: usize) -> Result<Zone, Failure> {
        match self {
            Zones::Once(zone) => zone.clone(),
            Zones::Each(texts) => find(texts.get(row)),
        }
    }
}

fn find(name: &str) -> Result<Zone, Failure> {
    Zone::of_name(name).ok_or_else(|| Failure::with_text(Problem::Argument("there is no such time zone"), name))
}

/// from_utc_timestamp and to_utc_timestamp.
pub(super) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [time, zone] = operands else { return None };
    let (time, zones) = (time.timestamps()?, Zones::new(zone.texts()?));
    Some(frame.try_map(operands, Values::Timestamp, |row| {
        let zone = zones.get(row)?;
        in_range(if function == T::FromUtc { zone.clock_at(time.get(row)) } else { zone.to_utc(time.get(row)) })
    }))
}
