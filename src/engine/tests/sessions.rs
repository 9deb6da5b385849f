//! Sessions against a model that keeps every row and joins from scratch; what Spark does at the edges.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const COUNTS: &str = "SELECT device, session_window.start AS s, session_window.end AS e, count(*) AS n, sum(number) AS t, \
                      count(temperature) AS c, min(temperature) AS lo, max(temperature) AS hi \
                      FROM readings GROUP BY device, session_window(ts, '3 seconds')";

const GAP: i64 = 3 * SECOND;

fn time(row: &Reading) -> Option<i64> {
    row.seconds.map(|seconds| (seconds * 1e6).round() as i64)
}

/// Sessions of these rows: start, end, rows.
fn joined(mut rows: Vec<Reading>) -> Vec<(i64, i64, Vec<Reading>)> {
    rows.sort_by_key(time);
    let mut sessions: Vec<(i64, i64, Vec<Reading>)> = Vec::new();
    for row in rows {
        let at = time(&row).unwrap();
        match sessions.last_mut().filter(|session| at <= session.1) {
            Some(session) => {
                session.1 = session.1.max(at + GAP);
                session.2.push(row);
            }
            None => sessions.push((at, at + GAP, vec![row])),
        }
    }
    sessions
}

fn show_session(device: Option<&str>, (start, end, rows): &(i64, i64, Vec<Reading>)) -> String {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.temperature).collect();
    let total: Vec<i64> = rows.iter().filter_map(|row| row.number).collect();
    let or_null = |empty: bool, text: String| if empty { "NULL".to_owned() } else { text };
    let low = values.iter().copied().filter(|x| !x.is_nan()).fold(f64::NAN, f64::min);
    let high = if values.iter().any(|x| x.is_nan()) { f64::NAN } else { values.iter().copied().fold(f64::NEG_INFINITY, f64::max) };
    format!(
        "{} {}s {}s {} {} {} {} {}",
        device.unwrap_or("NULL"),
        *start as f64 / 1e6,
        *end as f64 / 1e6,
        rows.len(),
        or_null(total.is_empty(), total.iter().sum::<i64>().to_string()),
        values.len(),
        or_null(values.is_empty(), low.to_string()),
        or_null(values.is_empty(), high.to_string()),
    )
}

#[derive(Default)]
struct Model {
    watermark: i64,
    rows: BTreeMap<Option<&'static str>, Vec<Reading>>,
}

impl Model {
    fn step(&mut self, rows: &[Reading]) -> Vec<String> {
        for row in rows.iter().filter(|row| time(row).is_some_and(|at| at + GAP > self.watermark)) {
            self.rows.entry(row.device).or_default().push(row.clone());
        }
        let latest = rows.iter().filter_map(time).map(|at| at - 10 * SECOND).max();
        self.watermark = self.watermark.max(latest.unwrap_or(0));
        let mut out = Vec::new();
        for (device, rows) in &mut self.rows {
            let (closed, open): (Vec<_>, Vec<_>) =
                joined(std::mem::take(rows)).into_iter().partition(|session| session.1 <= self.watermark);
            out.extend(closed.iter().map(|session| show_session(*device, session)));
            *rows = open.into_iter().flat_map(|session| session.2).collect();
        }
        self.rows.retain(|_, rows| !rows.is_empty());
        out.sort();
        out
    }
}

fn rows() -> impl Strategy<Value = Vec<Vec<Reading>>> {
    let value = prop_oneof![Just(None), Just(Some(f64::NAN)), (-9i32..9).prop_map(|x| Some(f64::from(x)))];
    let row =
        (prop_oneof![9 => (0u32..160).prop_map(Some), 1 => Just(None)], 0..4usize, value).prop_map(|(quarter, device, temperature)| {
            Reading {
                seconds: quarter.map(|quarter| f64::from(quarter) / 4.0),
                device: ["a", "b", "c"].get(device).copied(),
                temperature,
                number: temperature.filter(|x| !x.is_nan()).map(|x| x as i64),
            }
        });
    let batch = (prop::collection::vec(row, 0..12), 0u32..60).prop_map(|(mut rows, shift)| {
        rows.iter_mut().for_each(|row| row.seconds = row.seconds.map(|seconds| seconds / 2.0 + f64::from(shift)));
        rows
    });
    prop::collection::vec(batch, 1..8)
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn sessions_are_what_their_rows_say(batches in rows()) {
        let mut engine = engine(OutputMode::Append, COUNTS);
        let mut model = Model::default();
        for rows in batches {
            let expected = model.step(&rows);
            prop_assert_eq!(sorted(shown(&step(&mut engine, &rows))), expected);
            let status = &engine.status()[0];
            prop_assert_eq!(status.keys, model.rows.len());
            prop_assert_eq!(status.panes, model.rows.values().map(|rows| joined(rows.clone()).len()).sum::<usize>());
        }
    }

    #[test]
    fn batch_size_does_not_matter_where_no_row_is_late(batches in rows(), size in 1usize..20) {
        let mut rows: Vec<Reading> = batches.into_iter().flatten().filter(|row| row.seconds.is_some()).collect();
        rows.sort_by(|a, b| a.seconds.partial_cmp(&b.seconds).unwrap());
        rows.push(reading(1000.0, "end", 1.0));
        let run = |size: usize| {
            let mut engine = engine(OutputMode::Append, COUNTS);
            sorted(rows.chunks(size).flat_map(|rows| shown(&step(&mut engine, rows))).collect())
        };
        let whole = run(rows.len());
        prop_assert_eq!(run(size), whole.clone());
        let mut batch = engine(OutputMode::Batch, COUNTS);
        rows[..rows.len() - 1].chunks(size).for_each(|rows| assert!(step(&mut batch, rows).results.is_empty()));
        prop_assert_eq!(sorted(shown(&batch.finish())), whole);
    }
}

const SMALL: &str = "SELECT device, session_window.start AS s, session_window.end AS e, count(*) AS n FROM readings \
                     GROUP BY device, session_window(ts, '10 seconds')";

fn at(seconds: f64) -> Reading {
    reading(seconds, "a", 1.0)
}

#[test]
fn the_gap_is_inclusive_and_a_late_comer_joins_two() {
    let mut engine = engine(OutputMode::Append, &SMALL.replace("10 seconds", "2 seconds"));
    let rows = [at(0.0), at(2.0), at(4.001), at(8.0), at(6.2)];
    assert!(shown(&step(&mut engine, &rows)).is_empty());
    assert_eq!(engine.status()[0].panes, 3, "one from 0 to 4, one to 6.001, one of 6.2 and 8");
    step(&mut engine, &[at(4.0), at(6.0)]);
    assert_eq!(engine.status()[0].panes, 1);
    assert_eq!(shown(&step(&mut engine, &[reading(20.0, "b", 1.0)])), ["a 0s 10s 7"]);
}

#[test]
fn a_row_is_late_by_itself_even_where_it_touches_an_open_session() {
    let mut engine = engine(OutputMode::Append, SMALL);
    step(&mut engine, &[at(25.0), reading(32.0, "b", 1.0)]);
    // Watermark 22: [12, 22) is late although 25 is within its gap; [12.001, …) is not.
    let output = step(&mut engine, &[at(12.0), at(15.0)]);
    assert_eq!((output.late[0].rows, output.late[0].samples[0].lateness_us), (1, 10 * SECOND));
    let output = step(&mut engine, &[reading(100.0, "b", 1.0)]);
    assert_eq!(shown(&output), ["a 15s 35s 2", "b 32s 42s 1"]);
}

#[test]
fn gaps_come_from_the_rows_and_rows_without_one_vanish() {
    let text = "SELECT device, session_window, count(*) AS n FROM readings GROUP BY device, session_window(ts, \
                CASE WHEN number = 1 THEN '5 seconds' WHEN number = 2 THEN '1 month' WHEN number = 3 THEN 'x sec' WHEN number = 4 THEN '-1 seconds' END)";
    let mut engine = engine(OutputMode::Append, text);
    let row = |seconds: f64, number: f64| reading(seconds, "a", number);
    step(&mut engine, &[row(1.0, 1.0), row(6.0, 1.0), row(20.0, 3.0), row(21.0, 4.0), row(22.0, 9.0), row(60.0, 2.0)]);
    assert_eq!((engine.status()[0].panes, engine.status()[0].gapless_rows), (1, 3));
    assert_eq!(shown(&step(&mut engine, &[row(6_000_000.0, 1.0)])), ["a [60s,2678460s] 1"]);
}

#[test]
fn an_unreadable_gap_is_no_error() {
    let text = "SELECT device, count(*) AS n FROM readings GROUP BY device, session_window(ts, '10 sec')";
    let mut engine = engine(OutputMode::Append, text);
    assert!(shown(&step(&mut engine, &[at(1.0), at(100.0)])).is_empty());
    assert_eq!(engine.status()[0].gapless_rows, 2);
}

#[test]
fn rows_count_in_the_order_of_their_times() {
    // A sum whose rounding shows the order.
    let text = "SELECT device, sum(temperature) AS t FROM readings GROUP BY device, session_window(ts, '10 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    let values = [(3.0, 1.0), (1.0, 1e16), (2.0, -1e16)];
    let rows: Vec<Reading> = values.iter().map(|(seconds, x)| reading(*seconds, "a", *x)).collect();
    step(&mut engine, &rows);
    assert_eq!(shown(&step(&mut engine, &[reading(100.0, "b", 0.0)])), ["a 1"]);
}

#[test]
fn a_sum_that_outgrows_bigint_loses_its_session_only() {
    let text = "SELECT device, sum(number) AS t FROM readings GROUP BY device, session_window(ts, '10 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    let mut rows = vec![at(1.0), at(2.0), reading(1.0, "b", 5.0)];
    rows[0].number = Some(i64::MAX);
    step(&mut engine, &rows);
    let output = step(&mut engine, &[reading(100.0, "c", 0.0)]);
    assert_eq!(shown(&output), ["b 5"]);
    assert!(output.rejects[0].reason.contains("BIGINT"));
}

#[test]
fn limits_reject_new_sessions_and_let_open_ones_grow() {
    let limited = |settings: EngineSettings| Engine::new(&program(&[("q", OutputMode::Append, SMALL)]), settings).unwrap();
    let mut keys = limited(EngineSettings { keys_max: 1, ..EngineSettings::default() });
    let output = step(&mut keys, &[at(1.0), reading(1.0, "b", 1.0), at(2.0)]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("1 keys"), "{}", output.rejects[0].reason);
    let mut bytes = limited(EngineSettings { state_bytes_max: 200, ..EngineSettings::default() });
    let output = step(&mut bytes, &[at(41.0), at(60.0), at(42.0), at(80.0)]);
    assert_eq!(output.rejects.len(), 1, "room for two sessions");
    assert_eq!(shown(&output), ["a 41s 52s 2", "a 60s 70s 1"]);
}

#[test]
fn every_mode_says_what_it_takes() {
    let plan = |mode, text: &str| {
        let sources = sources();
        plan_query("q", text, mode, &Catalog { sources: &sources, ..Catalog::default() }).map(drop).map_err(|error| error.message)
    };
    assert!(plan(OutputMode::Update, SMALL).unwrap_err().contains("update mode"));
    assert_eq!(plan(OutputMode::Complete, SMALL), Ok(()));
    let alone = "SELECT count(*) AS n FROM readings GROUP BY session_window(ts, '10 seconds')";
    assert!(plan(OutputMode::Append, alone).unwrap_err().contains("another key"));
    assert_eq!(plan(OutputMode::Batch, alone), Ok(()));
    for text in [
        "SELECT count(*) AS n FROM readings GROUP BY device, session_window(ts, INTERVAL 10 SECONDS)",
        "SELECT count(*) AS n FROM readings GROUP BY device, session_window(ts, 10)",
        "SELECT count(*) AS n FROM readings GROUP BY device, session_window(ts)",
        "SELECT count(*) AS n FROM readings GROUP BY device, session_window(ts, '1 second'), window(ts, '1 second')",
        "SELECT session_window(ts, '1 second') AS w FROM readings",
        "SELECT window.start FROM readings GROUP BY device, session_window(ts, '1 second')",
    ] {
        assert!(plan(OutputMode::Append, text).is_err(), "{text}");
    }
}

#[test]
fn complete_mode_keeps_all_sessions() {
    let mut engine = engine(OutputMode::Complete, SMALL);
    assert_eq!(shown(&step(&mut engine, &[at(1.0), at(100.0)])), ["a 1s 11s 1", "a 100s 110s 1"]);
    assert_eq!(shown(&step(&mut engine, &[at(9.0)])), ["a 1s 19s 2", "a 100s 110s 1"]);
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn sessions_that_stay_apart_are_found() {
        is_found(Fault::SplitSessions, sessions_are_what_their_rows_say);
    }
}
