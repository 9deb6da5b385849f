//! The engine against a model that keeps every row and computes each window from scratch.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Sizes and slides in seconds, `(10, 3)` not dividing; the last is slid by adding and taking away where all is exact.
const WINDOWS: [(i64, i64); 6] = [(10, 10), (10, 5), (10, 3), (12, 5), (7, 6), (20, 2)];

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

/// Values whose sums are exact in any order.
const TEMPERATURES: [Option<f64>; 8] =
    [None, Some(f64::NAN), Some(0.5), Some(1.0), Some(-2.5), Some(20.0), Some(1024.25), Some(f64::INFINITY)];

fn readings() -> impl Strategy<Value = Reading> {
    let time = prop_oneof![9 => (0u32..240).prop_map(|half| Some(f64::from(half) / 2.0)), 1 => Just(None)];
    (time, 0..=DEVICES.len(), 0..TEMPERATURES.len()).prop_map(|(seconds, device, temperature)| Reading {
        seconds,
        device: DEVICES.get(device).copied(),
        temperature: TEMPERATURES[temperature],
        number: TEMPERATURES[temperature].filter(|x| x.is_finite()).map(|x| x as i64),
    })
}

/// Batches whose times move on, with stragglers.
fn batches() -> impl Strategy<Value = Vec<Vec<Reading>>> {
    let shifted = |(rows, shift): (Vec<Reading>, u32)| {
        let shift = |mut row: Reading| {
            row.seconds = row.seconds.map(|seconds| seconds / 4.0 + f64::from(shift));
            row
        };
        rows.into_iter().map(shift).collect::<Vec<_>>()
    };
    prop::collection::vec((prop::collection::vec(readings(), 0..12), 0u32..120).prop_map(shifted), 1..8)
}

#[derive(Default)]
struct Model {
    watermark: i64,
    /// Rows of the last step that were late for every window, and for some.
    late: (u64, u64),
    groups: BTreeMap<(i64, Option<&'static str>), Vec<Reading>>,
}

impl Model {
    fn step(&mut self, mode: OutputMode, (size, slide): (i64, i64), rows: &[Reading]) -> Vec<String> {
        let mut touched = BTreeSet::new();
        self.late = (0, 0);
        for row in rows {
            let Some(time) = row.seconds.map(|seconds| (seconds * 1e6).round() as i64) else { continue };
            let mut start = time.div_euclid(slide * SECOND) * slide * SECOND;
            let (mut taken, mut closed) = (0, 0);
            while time < start + size * SECOND {
                if mode == OutputMode::Complete || start + size * SECOND > self.watermark {
                    self.groups.entry((start, row.device)).or_default().push(row.clone());
                    touched.insert((start, row.device));
                    taken += 1;
                } else {
                    closed += 1;
                }
                start -= slide * SECOND;
            }
            self.late.0 += u64::from(taken == 0);
            self.late.1 += u64::from(taken > 0 && closed > 0);
        }
        let latest = rows.iter().filter_map(|row| row.seconds).map(|seconds| (seconds * 1e6).round() as i64 - 10 * SECOND).max();
        self.watermark = self.watermark.max(latest.unwrap_or(0));
        let closed = |key: &(i64, Option<&str>)| key.0 + size * SECOND <= self.watermark;
        let out = |key: &(i64, Option<&str>)| match mode {
            OutputMode::Append => closed(key),
            OutputMode::Update => touched.contains(key),
            _ => !rows.is_empty(),
        };
        let mut shown: Vec<String> = self.groups.iter().filter(|(key, _)| out(key)).map(|(key, rows)| show_group(key, rows)).collect();
        shown.sort();
        if mode != OutputMode::Complete {
            self.groups.retain(|key, _| !closed(key));
        }
        shown
    }
}

fn show_group((start, device): &(i64, Option<&str>), rows: &[Reading]) -> String {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.temperature).collect();
    let numbers: Vec<i64> = rows.iter().filter_map(|row| row.number).collect();
    let or_null = |value: f64| if values.is_empty() { "NULL".to_owned() } else { value.to_string() };
    let sum: f64 = values.iter().sum();
    // NaN is greatest.
    let min = values.iter().copied().filter(|x| !x.is_nan()).fold(f64::NAN, f64::min);
    let max = if values.iter().any(|x| x.is_nan()) { f64::NAN } else { values.iter().copied().fold(f64::NEG_INFINITY, f64::max) };
    let whole = if numbers.is_empty() { "NULL".to_owned() } else { numbers.iter().sum::<i64>().to_string() };
    let columns = [
        format!("{}s", *start as f64 / 1e6),
        device.unwrap_or("NULL").to_owned(),
        rows.len().to_string(),
        values.len().to_string(),
        whole,
        or_null(sum),
        or_null(sum / values.len() as f64),
        or_null(min),
        or_null(max),
    ];
    columns.join(" ")
}

fn query((size, slide): (i64, i64)) -> String {
    format!(
        "SELECT window.start AS start, device, count(*) AS n, count(temperature) AS c, sum(number) AS w, sum(temperature) AS s, \
         avg(temperature) AS a, min(temperature) AS lo, max(temperature) AS hi FROM readings \
         GROUP BY device, window(ts, '{size} seconds', '{slide} seconds')"
    )
}

fn exact_query((size, slide): (i64, i64)) -> String {
    format!(
        "SELECT window.start AS start, device, count(*) AS n, count(temperature) AS c, sum(number) AS w FROM readings \
         GROUP BY device, window(ts, '{size} seconds', '{slide} seconds')"
    )
}

fn mode() -> impl Strategy<Value = OutputMode> {
    prop_oneof![Just(OutputMode::Append), Just(OutputMode::Update), Just(OutputMode::Complete)]
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn windows_are_what_their_rows_say(mode in mode(), window in 0..WINDOWS.len(), batches in batches()) {
        let window = WINDOWS[window];
        let mut all = engine(mode, &query(window));
        let mut exact = engine(mode, &exact_query(window));
        let mut model = Model::default();
        for rows in batches {
            let expected = model.step(mode, window, &rows);
            let output = step(&mut all, &rows);
            prop_assert_eq!(sorted(shown(&output)), expected.clone());
            let late = output.late.iter().fold((0, 0), |(all, some), late| (all + late.rows, some + late.rows_in_part));
            prop_assert_eq!(late, model.late);
            let prefix = |row: &String| row.split(' ').take(5).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(sorted(shown(&step(&mut exact, &rows))), sorted(expected.iter().map(prefix).collect()));
            let status = &all.status()[0];
            prop_assert_eq!(status.watermark_us, Some(model.watermark));
            if mode != OutputMode::Complete && model.groups.is_empty() {
                prop_assert_eq!((status.keys, status.panes, status.cells), (0, 0, 0));
            }
        }
    }

    #[test]
    fn batch_size_does_not_matter_where_no_row_is_late(rows in prop::collection::vec(readings(), 1..60), window in 0..WINDOWS.len(), size in 1usize..20) {
        let mut rows: Vec<Reading> = rows.into_iter().filter(|row| row.seconds.is_some()).collect();
        rows.sort_by(|a, b| a.seconds.partial_cmp(&b.seconds).unwrap());
        rows.push(reading(1000.0, "end", 1.0));
        let text = query(WINDOWS[window]);
        let run = |size: usize| {
            let mut engine = engine(OutputMode::Append, &text);
            let mut out: Vec<String> = Vec::new();
            for rows in rows.chunks(size) {
                out.extend(shown(&step(&mut engine, rows)));
            }
            out.sort();
            out
        };
        let whole = run(rows.len());
        prop_assert_eq!(run(size), whole.clone());
        let mut batch = engine(OutputMode::Batch, &text);
        step(&mut batch, &rows[..rows.len() - 1]);
        prop_assert_eq!(sorted(shown(&batch.finish())), whole);
    }

    #[test]
    fn stddev_of_panes_is_stddev_of_rows(values in prop::collection::vec((0u32..20, -1e3f64..1e3), 1..40), far in prop::sample::select(vec![0.0, 1e8, -1e8])) {
        let values: Vec<(u32, f64)> = values.into_iter().map(|(second, x)| (second, far + x)).collect();
        let text = "SELECT window.start AS start, stddev(temperature) AS d, var_pop(temperature) AS v FROM readings \
                    GROUP BY window(ts, '20 seconds', '5 seconds')";
        let mut engine = engine(OutputMode::Append, text);
        let mut rows: Vec<Reading> = values.iter().map(|(second, x)| reading(f64::from(*second), "a", *x)).collect();
        rows.push(reading(30.0, "a", 0.0));
        let first = shown(&step(&mut engine, &rows)).into_iter().find(|row| row.starts_with("0s ")).unwrap();
        let shown: Vec<Option<f64>> = first.split(' ').skip(1).map(|x| x.parse().ok()).collect();
        let n = values.len() as f64;
        // Both differences are exact.
        let mean = values.iter().map(|(_, x)| x - far).sum::<f64>() / n;
        let m2 = values.iter().map(|(_, x)| (x - far - mean).powi(2)).sum::<f64>();
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
        prop_assert!(close(shown[1].unwrap(), m2 / n));
        let sample = (n > 1.0).then(|| (m2 / (n - 1.0)).sqrt());
        prop_assert!(shown[0].is_some() == sample.is_some() && shown[0].is_none_or(|x| close(x, sample.unwrap())));
    }
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn a_pane_that_is_left_out_is_found() {
        is_found(Fault::MissedPane, windows_are_what_their_rows_say);
    }

    #[test]
    fn a_sum_that_is_not_taken_away_is_found() {
        is_found(Fault::KeptSum, windows_are_what_their_rows_say);
    }

    #[test]
    fn a_late_row_that_counts_is_found() {
        is_found(Fault::LateRows, windows_are_what_their_rows_say);
    }

    #[test]
    fn a_watermark_of_the_same_batch_is_found_by_recomputation() {
        is_found(Fault::EagerWatermark, windows_are_what_their_rows_say);
    }
}
