//! What opens, extends and closes the windows of a key.

use crate::batch::Column;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY};
use crate::engine::spec::NULL_TIME;
use crate::engine::window::{SIZE_MAX_US, TIME_ABS_MAX_US};
use crate::plan::Expr;
use crate::types::duration::{Interval, parse_interval};

/// Windows of one key's rings in the ordinary course; the delay of a watermark is cut into at most so many.
const STRETCHES_MAX: i64 = 16;

/// Length of a stretch where the gap is not known beforehand.
const STRETCH_US: i64 = 60_000_000;

/// The kind of window, with the expressions that it looks at.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Rule {
    /// `[first, last + gap)`; rows at most `gap` apart belong together, in whatever order they come.
    Session { time: Expr, gap: Gap },
    /// After every `every` rows of the key the last `size` of them, once there are so many.
    Count { time: Option<Expr>, size: u64, every: u64 },
    /// From a row for which `begin` is TRUE up to one for which `end` is.
    State { time: Option<Expr>, begin: Expr, end: Expr, timeout_us: Option<i64> },
}

/// How long a session waits for the next row.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Gap {
    Fixed(Interval),
    /// No length of time: every row vanishes, as in Spark.
    Unreadable,
    /// Text, row by row.
    Dynamic(Expr),
}

/// An open window of one key: a session, a state window, or a block of the rows that count windows are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Open {
    /// µs; `NULL_TIME` where the row that it is taken from has no time.
    pub start: i64,
    /// Of a session: exclusive. Of the others: the time of the last row.
    pub end: i64,
    pub cell: u32,
}

impl Rule {
    /// The expressions to be evaluated, in the order in which the operator finds them.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Rule::Session { time, gap: Gap::Dynamic(gap) } => vec![time, gap],
            Rule::Session { time, .. } => vec![time],
            Rule::Count { time, .. } => time.iter().collect(),
            Rule::State { time, begin, end, .. } => [begin, end].into_iter().chain(time).collect(),
        }
    }

    /// When the watermark closes the window, event time µs; `None` where it does not.
    pub fn closes_at(&self, open: &Open) -> Option<i64> {
        match self {
            Rule::Session { .. } => Some(open.end),
            Rule::State { timeout_us: Some(timeout_us), .. } if open.start != NULL_TIME => Some(open.start.saturating_add(*timeout_us)),
            Rule::Count { .. } | Rule::State { .. } => None,
        }
    }

    /// Rows of one block of a count window: every window is a run of whole blocks.
    pub fn block_rows(size: u64, every: u64) -> u64 {
        let (mut a, mut b) = (size, every);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a.max(1)
    }

    /// Whether a key of which `seen` rows are counted may have so many windows open: what stored state claims has to be possible.
    pub fn can_have(&self, seen: u64, windows: u64) -> bool {
        match self {
            Rule::Session { .. } => true,
            Rule::Count { size, every, .. } => {
                let block_rows = Rule::block_rows(*size, *every);
                // From the first complete window on, rows are counted from there to the next one.
                let first = size.next_multiple_of(*every);
                match seen.checked_sub(first) {
                    None => windows == seen.div_ceil(block_rows),
                    Some(since) => since < *every && windows == (size - every) / block_rows + since.div_ceil(block_rows),
                }
            }
            Rule::State { .. } => windows <= 1,
        }
    }

    /// How state is cut by the windows' starts: the number of rings, and the length of a stretch of time that goes into one, µs.
    ///
    /// One ring, unless many sessions of a key may be open at a time: then a batch rewrites those of the stretches it touches.
    pub fn rings(&self, evicts_after_us: Option<i64>) -> (u64, i64) {
        let Rule::Session { gap, .. } = self else { return (1, i64::MAX) };
        let gap_us = match gap {
            Gap::Fixed(interval) => interval.delay_us().unwrap_or(SIZE_MAX_US).clamp(1, SIZE_MAX_US),
            Gap::Dynamic(_) | Gap::Unreadable => STRETCH_US,
        };
        let Some(delay_us) = evicts_after_us else { return (0, gap_us.saturating_mul(4 * STRETCHES_MAX)) };
        let stretches = (delay_us / gap_us).clamp(0, STRETCHES_MAX);
        if stretches <= 1 { (1, i64::MAX) } else { ((stretches as u64 + 2).next_power_of_two(), delay_us / stretches) }
    }
}

/// The gaps of a chunk's rows.
pub(super) struct Gaps<'a> {
    gap: &'a Gap,
    texts: Option<&'a Column>,
    /// The last text read, since rows of one device have the same.
    last: Option<(&'a str, Option<Interval>)>,
}

impl<'a> Gaps<'a> {
    pub fn new(gap: &'a Gap, texts: Option<&'a Column>) -> Gaps<'a> {
        Gaps { gap, texts, last: None }
    }

    /// The end of a session of the row alone; `None` where it has none: the gap is NULL, unreadable or not above zero.
    pub fn end(&mut self, row: u32, start: i64) -> Option<i64> {
        let interval = match self.gap {
            Gap::Fixed(interval) => *interval,
            Gap::Unreadable => return None,
            Gap::Dynamic(_) => {
                let text = self.texts?.text(row as usize)?;
                match self.last {
                    Some((last, interval)) if last == text => interval?,
                    _ => {
                        let interval = parse_interval(text).ok();
                        self.last = Some((text, interval));
                        interval?
                    }
                }
            }
        };
        let moved = if interval.months == 0 { start } else { add_months(start, interval.months)? };
        moved.checked_add(interval.micros).filter(|end| *end > start && end.unsigned_abs() <= 2 * TIME_ABS_MAX_US as u64)
    }
}

fn add_months(time: i64, months: i64) -> Option<i64> {
    // Beyond any window, and within what the calendar computes with.
    const MONTHS_MAX: u64 = 12 * 100_000;
    if months.unsigned_abs() > MONTHS_MAX {
        return None;
    }
    let days = Day::from_days(time.div_euclid(MICROS_PER_DAY)).add_months(months).to_days();
    days.checked_mul(MICROS_PER_DAY)?.checked_add(time.rem_euclid(MICROS_PER_DAY))
}
