//! The books: readings that went in, results that came out, and everything in which they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub const WINDOW_MS: i64 = 10_000;

/// Above this many unsure readings in one window only the bounds of its count are checked, not its sum: 2^20 subsets.
const SUBSETS_OF_MAX: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Sent, not yet acknowledged on a connection that still stands.
    InFlight,
    /// The broker acknowledged it: it must be counted exactly once.
    Sure,
    /// The connection ended first: counted 0 or 1 times.
    Unsure,
}

#[derive(Clone, Debug)]
pub struct Reading {
    pub device: String,
    pub ts_ms: i64,
    /// A whole number: sums are exact in a double.
    pub value: u32,
    pub fate: Fate,
}

/// One window of one device as the gateway reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowResult {
    pub device: String,
    pub start_ms: i64,
    pub n: u64,
    pub total: f64,
}

/// Device and start.
pub type WindowKey = (String, i64);

#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// No result, or fewer readings in it than the broker acknowledged.
    Lost { window: WindowKey, expected: usize, counted: u64 },
    /// More readings than ever were sent.
    CountedTwice { window: WindowKey, sent: usize, counted: u64 },
    /// The right number of readings, not the right ones.
    WrongTotal { window: WindowKey, total: f64 },
    /// Two results with different ids for one window.
    ReportedTwice { window: WindowKey },
    /// A window in which nobody sent anything.
    Unknown { window: WindowKey },
    /// Ids, properties or payloads that break the format.
    Malformed(String),
    /// The gateway itself counted rows as late.
    Late,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Lost { window: (device, start), expected, counted } => {
                write!(f, "lost: {device} at {start}: {counted} readings counted, {expected} acknowledged by the broker")
            }
            Problem::CountedTwice { window: (device, start), sent, counted } => {
                write!(f, "counted twice: {device} at {start}: {counted} readings counted, {sent} sent")
            }
            Problem::WrongTotal { window: (device, start), total } => write!(f, "wrong total: {device} at {start}: {total}"),
            Problem::ReportedTwice { window: (device, start) } => write!(f, "reported twice: {device} at {start}"),
            Problem::Unknown { window: (device, start) } => write!(f, "nobody sent: {device} at {start}"),
            Problem::Malformed(what) => write!(f, "malformed: {what}"),
            Problem::Late => f.write_str("the gateway counted late rows; none is"),
        }
    }
}

#[derive(Default)]
struct Expected {
    sure: usize,
    sure_total: u64,
    unsure: Vec<u32>,
}

fn expected(readings: &[Reading]) -> BTreeMap<WindowKey, Expected> {
    let mut windows: BTreeMap<WindowKey, Expected> = BTreeMap::new();
    for reading in readings {
        let start_ms = reading.ts_ms - reading.ts_ms.rem_euclid(WINDOW_MS);
        let window = windows.entry((reading.device.clone(), start_ms)).or_default();
        match reading.fate {
            Fate::Sure => {
                window.sure += 1;
                window.sure_total += u64::from(reading.value);
            }
            Fate::InFlight | Fate::Unsure => window.unsure.push(reading.value),
        }
    }
    windows
}

/// Windows that must be reported: somebody's reading in them was acknowledged.
pub fn sure_windows(readings: &[Reading]) -> BTreeSet<WindowKey> {
    expected(readings).into_iter().filter(|(_, window)| window.sure > 0).map(|(key, _)| key).collect()
}

/// Everything in which the results differ from the readings.
pub fn compare(readings: &[Reading], results: &[WindowResult]) -> Vec<Problem> {
    let windows = expected(readings);
    let mut problems = Vec::new();
    let mut reported = BTreeSet::new();
    for result in results {
        let key = (result.device.clone(), result.start_ms);
        if !reported.insert(key.clone()) {
            problems.push(Problem::ReportedTwice { window: key });
        } else {
            match windows.get(&key) {
                Some(window) => problems.extend(compare_window(key, window, result)),
                None => problems.push(Problem::Unknown { window: key }),
            }
        }
    }
    for (key, window) in windows {
        if window.sure > 0 && !reported.contains(&key) {
            problems.push(Problem::Lost { window: key, expected: window.sure, counted: 0 });
        }
    }
    problems
}

fn compare_window(key: WindowKey, window: &Expected, result: &WindowResult) -> Option<Problem> {
    let Some(extra) = usize::try_from(result.n).ok().and_then(|n| n.checked_sub(window.sure)) else {
        return Some(Problem::Lost { window: key, expected: window.sure, counted: result.n });
    };
    if extra > window.unsure.len() {
        return Some(Problem::CountedTwice { window: key, sent: window.sure + window.unsure.len(), counted: result.n });
    }
    let rest = result.total - window.sure_total as f64;
    let fits = if window.unsure.len() > SUBSETS_OF_MAX { rest >= 0.0 } else { totals_of(extra, &window.unsure).contains(&(rest as i64)) };
    let is_whole = rest == rest.trunc();
    (!fits || !is_whole).then_some(Problem::WrongTotal { window: key, total: result.total })
}

/// The sums of all choices of `count` out of `values`.
fn totals_of(count: usize, values: &[u32]) -> BTreeSet<i64> {
    let mut by_count = vec![BTreeSet::new(); count + 1];
    by_count[0].insert(0);
    for value in values {
        for chosen in (0..count).rev() {
            let longer: Vec<i64> = by_count[chosen].iter().map(|total| total + i64::from(*value)).collect();
            by_count[chosen + 1].extend(longer);
        }
    }
    by_count.swap_remove(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(ts_ms: i64, value: u32, fate: Fate) -> Reading {
        Reading { device: "d".to_owned(), ts_ms, value, fate }
    }

    fn result(start_ms: i64, n: u64, total: f64) -> WindowResult {
        WindowResult { device: "d".to_owned(), start_ms, n, total }
    }

    fn window() -> WindowKey {
        ("d".to_owned(), 0)
    }

    #[test]
    fn equal_books_have_no_problem() {
        let readings = [reading(0, 5, Fate::Sure), reading(9_999, 7, Fate::Sure), reading(10_000, 1, Fate::Sure)];
        assert_eq!(compare(&readings, &[result(0, 2, 12.0), result(10_000, 1, 1.0)]), []);
    }

    #[test]
    fn losses_and_repeats_are_told_apart() {
        let readings = [reading(0, 5, Fate::Sure), reading(1, 7, Fate::Sure)];
        assert_eq!(compare(&readings, &[]), [Problem::Lost { window: window(), expected: 2, counted: 0 }]);
        assert_eq!(compare(&readings, &[result(0, 1, 5.0)]), [Problem::Lost { window: window(), expected: 2, counted: 1 }]);
        assert_eq!(compare(&readings, &[result(0, 3, 17.0)]), [Problem::CountedTwice { window: window(), sent: 2, counted: 3 }]);
        // One lost and another counted twice.
        assert_eq!(compare(&readings, &[result(0, 2, 10.0)]), [Problem::WrongTotal { window: window(), total: 10.0 }]);
        assert_eq!(compare(&readings, &[result(0, 2, 12.0), result(0, 2, 12.0)]), [Problem::ReportedTwice { window: window() }]);
        assert_eq!(compare(&[], &[result(0, 1, 1.0)]), [Problem::Unknown { window: window() }]);
    }

    #[test]
    fn unsure_readings_count_once_or_not_at_all() {
        let readings = [reading(0, 5, Fate::Sure), reading(1, 7, Fate::Unsure), reading(2, 11, Fate::Unsure)];
        for (n, total) in [(1, 5.0), (2, 12.0), (2, 16.0), (3, 23.0)] {
            assert_eq!(compare(&readings, &[result(0, n, total)]), [], "{n} readings, {total}");
        }
        for (n, total) in [(1, 12.0), (2, 10.0), (2, 12.5), (3, 16.0)] {
            assert_eq!(
                compare(&readings, &[result(0, n, total)]),
                [Problem::WrongTotal { window: window(), total }],
                "{n} readings, {total}"
            );
        }
        assert_eq!(compare(&readings[1..], &[]), [], "a window of unsure readings alone need not be reported");
    }
}
