//! State taken up again: an engine that is stopped after every step gives the same results and stores the same bytes as one that runs on.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::engine::RestoreError;
use crate::plan::{Relation, StateFunction, Timeout};

pub(super) type Store = BTreeMap<Vec<u8>, Vec<u8>>;

const NAMES: usize = 100;

fn name(number: usize) -> &'static str {
    const ALL: &str = "device-00 device-01 device-02 device-03 device-04 device-05 device-06 device-07 device-08 device-09";
    // Ten known names, the others made once and kept for the test's life.
    match ALL.split(' ').nth(number) {
        Some(name) => name,
        None => Box::leak(format!("device-{number:02}").into_boxed_str()),
    }
}

const QUERIES: [(OutputMode, &str); 23] = [
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, count(*) AS n, avg(temperature) AS a, min(device) AS lo, max(number) AS hi FROM readings GROUP BY device, window(ts, '10 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, stddev(temperature) AS d, sum(temperature) AS t FROM readings GROUP BY device, window(ts, '20 seconds', '3 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window.start AS s, device, count(number) AS n, sum(number) AS t FROM readings GROUP BY device, window(ts, '20 seconds', '2 seconds')",
    ),
    (
        OutputMode::Update,
        "SELECT window.start AS s, device, sum(temperature) AS n FROM readings GROUP BY device, window(ts, '20 seconds', '5 seconds')",
    ),
    (
        OutputMode::Complete,
        "SELECT window.start AS s, count(*) AS n, max(temperature) AS t FROM readings GROUP BY window(ts, '10 seconds')",
    ),
    (OutputMode::Update, "SELECT count(*) AS n, sum(number) AS t FROM readings"),
    (OutputMode::Update, "SELECT device, number > 10 AS big, max(device) AS m FROM readings GROUP BY device, number > 10"),
    (
        OutputMode::Update,
        "SELECT array(device, NULL) AS a, (number > 10, CAST(device AS BINARY)) AS s, count(*) AS n FROM readings GROUP BY array(device, NULL), (number > 10, CAST(device AS BINARY))",
    ),
    (OutputMode::Append, "SELECT ts, device, count(*) AS n FROM readings GROUP BY ts, device"),
    (
        OutputMode::Append,
        "SELECT window(wt, '30 seconds').start AS s, sum(n) AS n FROM (SELECT window_time(window) AS wt, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')) GROUP BY window(wt, '30 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT session_window.start AS s, device, count(*) AS n, sum(number) AS t, avg(temperature) AS a, stddev(temperature) AS d, min(device) AS lo \
         FROM readings GROUP BY device, session_window(ts, '3 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT session_window, device, collect_list(number) AS c, collect_set(number) AS s, first(number) AS f, last(number) AS l FROM readings \
         GROUP BY device, session_window(ts, '3 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT session_window, device, count(*) AS n FROM readings \
         GROUP BY device, session_window(ts, concat(CAST(abs(coalesce(number, 3)) % 4 + 1 AS STRING), ' seconds'))",
    ),
    (
        OutputMode::Complete,
        "SELECT session_window, device, count(*) AS n FROM readings GROUP BY device, session_window(ts, '200 milliseconds')",
    ),
    (
        OutputMode::Append,
        "SELECT count_window, device, count(*) AS n, sum(temperature) AS t FROM readings GROUP BY device, count_window(3)",
    ),
    (OutputMode::Append, "SELECT count_window, count(*) AS n, avg(temperature) AS t FROM readings GROUP BY count_window(9, 6)"),
    (
        OutputMode::Append,
        "SELECT state_window, device, count(*) AS n, max(temperature) AS t FROM readings \
         GROUP BY device, state_window(temperature > 5, temperature < 0, '15 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT local_window, device, count(*) AS n FROM readings GROUP BY device, local_window(ts, '1 day', 'Europe/Berlin')",
    ),
    (
        OutputMode::Append,
        "SELECT session_window, sum(n) AS n, count(*) AS c FROM (SELECT device, window, count(*) AS n FROM readings GROUP BY device, window(ts, '5 seconds')) \
         GROUP BY device, session_window(window, '4 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window, sum(n) AS n FROM (SELECT window AS w, sum(n) AS n FROM (SELECT session_window, device, count(*) AS n FROM readings \
         GROUP BY device, session_window(ts, '2 seconds')) GROUP BY window(session_window, '10 seconds')) GROUP BY window(w, '30 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT s AS w, count(*) AS devices FROM (SELECT session_window AS s, device FROM readings \
         GROUP BY device, session_window(ts, '2 seconds')) GROUP BY s",
    ),
    (
        OutputMode::Append,
        "SELECT device, lag(number) OVER (PARTITION BY device ORDER BY ts) AS l, ewma(temperature, 0.5) OVER (PARTITION BY device ORDER BY ts) AS e, \
         sum(number) OVER (PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM readings",
    ),
    (
        OutputMode::Append,
        "SELECT device, number, rate(number) OVER (PARTITION BY device ORDER BY ts) AS r FROM readings WHERE number IS NOT NULL",
    ),
];

/// Counts a key's rows, and tells of a key that has been silent for ten seconds.
pub(super) const SILENCE: &str = r#"
fn update(key, state, rows, now) {
    if rows.is_empty() { return #{ device: key, n: -state }; }
    state = (state ?? 0) + rows.len();
    timeout_after(seconds(10));
    #{ device: key, n: state }
}"#;

/// All of them, and a state function.
fn all_queries() -> Program {
    let names: Vec<String> = (0..=QUERIES.len()).map(|number| format!("q{number}")).collect();
    let queries: Vec<(&str, OutputMode, &str)> = QUERIES
        .iter()
        .chain([&(OutputMode::Append, "SELECT device, ts FROM readings")])
        .zip(&names)
        .map(|((mode, text), name)| (name.as_str(), *mode, *text))
        .collect();
    let mut program = program(&queries);
    let last = program.queries.last_mut().unwrap();
    last.output = vec![Field::new("device", DataType::String), Field::new("n", DataType::BigInt)];
    last.root = Relation::StateFunction(StateFunction {
        input: Box::new(last.root.clone()),
        keys: vec![0],
        script: SILENCE.into(),
        function: "update".to_owned(),
        timeout: Timeout::EventTime,
        output: last.output.clone(),
        initial: Vec::new(),
    });
    program
}

pub(super) fn apply(store: &mut Store, output: &StepOutput) {
    for (key, value) in &output.state {
        match value {
            Some(value) => store.insert(key.clone(), value.clone()),
            None => store.remove(key),
        };
    }
}

pub(super) fn entries(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    store.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(super) fn restored(program: &Program, store: &Store) -> Engine {
    let mut engine = Engine::new(program, settings()).unwrap();
    assert_eq!(engine.restore(&entries(store)), Ok(Vec::new()));
    engine
}

/// Rows by (half seconds, device, temperature), or a tick of the clock.
fn steps() -> impl Strategy<Value = Vec<(Vec<Reading>, i64)>> {
    let row = |from: i64| {
        (0i64..80, 0..NAMES, prop_oneof![4 => (-50i32..50).prop_map(|x| Some(f64::from(x) / 3.0)), 1 => Just(None)]).prop_map(
            move |(half, device, x)| Reading {
                seconds: Some((from * 10 + half) as f64 / 2.0),
                device: Some(name(device)),
                temperature: x,
                number: x.map(|x| x as i64),
            },
        )
    };
    let step = (0i64..30).prop_flat_map(move |from| (prop::collection::vec(row(from), 0..50), Just(from * 5 + 60)));
    prop::collection::vec(step, 1..10)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_restart_after_every_step_changes_nothing(steps in steps()) {
        let program = all_queries();
        let mut running = Engine::new(&program, settings()).unwrap();
        let mut store = Store::new();
        for (rows, wall) in steps {
            let batch = batch(&rows, wall);
            let mut stopped = restored(&program, &store);
            let (expected, output) = (running.step(&batch), stopped.step(&batch));
            for query in 0..=QUERIES.len() {
                prop_assert_eq!(shown_of(&output, query), shown_of(&expected, query), "query {}", query);
            }
            prop_assert_eq!(&output.state, &expected.state);
            for (query, (mut stopped, running)) in stopped.status().into_iter().zip(running.status()).enumerate() {
                // Nothing waits for its watermark there: it is not stored.
                if QUERIES.get(query).is_some_and(|(_, text)| text.contains("OVER")) {
                    stopped.watermark_us = running.watermark_us;
                }
                prop_assert_eq!(stopped, running, "query {}", query);
            }
            apply(&mut store, &output);
        }
    }

    #[test]
    fn damaged_state_is_an_error_or_harmless(steps in steps(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let program = all_queries();
        let mut engine = Engine::new(&program, settings()).unwrap();
        let mut store = Store::new();
        for (rows, wall) in &steps {
            apply(&mut store, &engine.step(&batch(rows, *wall)));
        }
        let mut entries = entries(&store);
        prop_assume!(!entries.is_empty());
        for (entry, position, byte) in damage {
            let (_, value) = entry.get_mut(&mut entries);
            let position = position.index(value.len());
            value[position] = byte;
            if byte < 8 {
                value.truncate(position + 1);
            }
        }
        let mut again = Engine::new(&program, settings()).unwrap();
        if again.restore(&entries).is_ok() {
            for (rows, wall) in &steps {
                again.step(&batch(rows, *wall));
            }
        }
    }
}

const COUNTS: &str = "SELECT window.start AS s, device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";

fn stored_counts() -> Store {
    let mut store = Store::new();
    apply(&mut store, &step(&mut engine(OutputMode::Append, COUNTS), &[reading(1.0, "a", 1.0), reading(25.0, "a", 1.0)]));
    store
}

#[test]
fn every_byte_of_stored_state_may_say_anything() {
    let times = |times: [f64; 7]| times.map(|time| reading(time, name(time as usize % 3), time - 3.0));
    let sliding = (OutputMode::Append, "SELECT device, count(*) AS n, mode(device) AS m FROM readings GROUP BY device, count_window(4, 2)");
    for (mode, text) in QUERIES.into_iter().chain([sliding]) {
        let program = program(&[("q", mode, text)]);
        let mut store = Store::new();
        let mut engine = Engine::new(&program, settings()).unwrap();
        apply(&mut store, &step(&mut engine, &times([1.0, 2.0, 3.0, 4.0, 4.5, 7.0, 10.0])));
        // One key of several: it goes to the journal.
        apply(&mut store, &step(&mut engine, &[reading(10.5, name(1), 1.0)]));
        let (mut entries, mut taken, mut refused) = (entries(&store), 0, 0);
        for entry in 0..entries.len() {
            for position in 0..entries[entry].1.len() {
                let byte = entries[entry].1[position];
                for other in [0, 1, 2, 3, 0x7f, 0x80, 0xff, byte.wrapping_add(1), byte.wrapping_sub(1)] {
                    entries[entry].1[position] = other;
                    let mut engine = Engine::new(&program, settings()).unwrap();
                    if engine.restore(&entries).is_ok() {
                        taken += 1;
                        step(&mut engine, &times([2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 30.0]));
                    } else {
                        refused += 1;
                    }
                }
                entries[entry].1[position] = byte;
            }
        }
        assert!(taken > 0 && refused > 0, "{text}: {taken} taken up, {refused} refused");
    }
}

#[test]
fn an_entry_of_a_bucket_that_cannot_be_is_refused() {
    let text = "SELECT device, count(*) AS n FROM readings GROUP BY device, session_window(ts, '10 seconds')";
    let mut store = Store::new();
    apply(&mut store, &step(&mut engine(OutputMode::Append, text), &[reading(1.0, "a", 1.0)]));
    let mut entries = entries(&store);
    let (key, _) = entries.iter_mut().find(|(key, _)| key.starts_with(b"s/q/0/0.")).unwrap();
    *key = [b"s/q/0/fffffff0.", &key[8..]].concat();
    let error = engine(OutputMode::Append, text).restore(&entries).unwrap_err();
    assert!(matches!(error, RestoreError::Malformed { .. }), "{error}");
}

#[test]
fn a_changed_query_is_told_apart_from_a_rewritten_one() {
    let store = stored_counts();
    let restore = |text: &str| Engine::new(&program(&[("q", OutputMode::Append, text)]), settings()).unwrap().restore(&entries(&store));
    let rewritten =
        "select window.start as s, device, count(*) as n  from readings where temperature > 0 group by device, window(ts, '10 seconds')";
    assert_eq!(restore(rewritten), Ok(Vec::new()));
    let changed = [
        "SELECT window.start AS s, device, count(*) AS n FROM readings GROUP BY device, window(ts, '20 seconds')",
        "SELECT window.start AS s, number, count(*) AS n FROM readings GROUP BY number, window(ts, '10 seconds')",
        "SELECT window.start AS s, device, sum(number) AS n FROM readings GROUP BY device, window(ts, '10 seconds')",
        "SELECT device FROM readings",
    ];
    for text in changed {
        let error = restore(text).unwrap_err();
        assert!(matches!(&error, RestoreError::PlanChanged { query, .. } if query == "q"), "{error}");
    }
    assert!(restore(changed[0]).unwrap_err().to_string().contains("20000000 µs"));
}

#[test]
fn keys_and_aggregates_may_be_listed_in_another_order() {
    let text = |list: &str, keys: &str| format!("SELECT {list} FROM readings GROUP BY {keys}, window(ts, '10 seconds')");
    let before = text("device, number, window.start AS s, sum(number) AS a, max(temperature) AS b, count(*) AS c", "device, number");
    let after = text("count(*) AS c, max(temperature) AS b, number, device, sum(number) AS a, window.start AS s", "number, device");
    let mut engine = engine(OutputMode::Append, &before);
    let mut store = Store::new();
    let rows = [reading(1.0, "a", 1.5), reading(2.0, "b", -2.5), reading(3.0, "a", 0.5)];
    apply(&mut store, &step(&mut engine, &rows));
    let mut changed = restored(&program(&[("q", OutputMode::Append, &after)]), &store);
    let last = [reading(3600.0, "z", 0.0)];
    let sorted = |output: &StepOutput| {
        let words = |row: String| {
            let mut words: Vec<String> = row.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        let mut rows: Vec<Vec<String>> = shown(output).into_iter().map(words).collect();
        rows.sort();
        rows
    };
    let (expected, output) = (step(&mut engine, &last), step(&mut changed, &last));
    assert!(!sorted(&expected).is_empty());
    assert_eq!(sorted(&output), sorted(&expected));
}

#[test]
fn state_of_other_queries_is_named_and_discarded_by_name() {
    let mut store = stored_counts();
    store.insert(b"other/x".to_vec(), vec![9]);
    let mut engine = Engine::new(&program(&[("q2", OutputMode::Append, COUNTS)]), settings()).unwrap();
    assert_eq!(engine.restore(&entries(&store)), Ok(vec!["q".to_owned()]));
    let gone = Engine::discard("q", &entries(&store));
    assert_eq!(gone.len(), store.len() - 1);
    assert!(Engine::discard("q2", &entries(&store)).is_empty());
}

#[test]
fn a_newer_version_and_a_missing_layout_are_refused() {
    let program = program(&[("q", OutputMode::Append, COUNTS)]);
    let restore = |store: &Store| Engine::new(&program, settings()).unwrap().restore(&entries(store));
    for key in stored_counts().keys() {
        let mut store = stored_counts();
        let known = std::mem::replace(&mut store.get_mut(key).unwrap()[0], 3);
        let error = restore(&store).unwrap_err();
        assert!(matches!(error, RestoreError::Newer { found: 3, known: k, .. } if k == known), "{}: {error}", String::from_utf8_lossy(key));
        store.get_mut(key).unwrap().clear();
        assert!(matches!(restore(&store), Err(RestoreError::Malformed { .. })));
    }
    let mut store = stored_counts();
    store.remove(&b"s/q/0/meta"[..]);
    assert!(matches!(restore(&store), Err(RestoreError::Malformed { .. })));
}

#[test]
fn entries_are_written_over_not_added() {
    let mut engine = engine(OutputMode::Append, COUNTS);
    let mut store = Store::new();
    for minute in 0..200 {
        let rows: Vec<Reading> = (0..50).map(|device| reading(f64::from(minute) * 60.0, name(device), 1.0)).collect();
        apply(&mut store, &step(&mut engine, &rows));
        assert!(store.len() <= 4 * 2 + 2, "{} entries", store.len());
    }
    assert_eq!(engine.status()[0].cells, 50);
}

#[test]
fn a_key_and_window_takes_few_bytes() {
    let text = "SELECT device, count(*) AS n, avg(temperature) AS a, min(temperature) AS lo, max(temperature) AS hi FROM readings \
                GROUP BY device, window(ts, '1 minute')";
    let mut engine = engine(OutputMode::Append, text);
    let rows: Vec<Reading> = (0..NAMES).map(|device| reading(1.0, name(device), 20.5)).collect();
    let output = step(&mut engine, &rows);
    let bytes: usize = output.state.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
    assert!(bytes < 50 * NAMES, "{bytes} bytes for {NAMES} keys");
}

#[test]
fn long_keys_are_cut_into_parts_that_go_again() {
    let text = "SELECT window.start AS s, device, max(device) AS m, min(device) AS l FROM readings GROUP BY device, window(ts, '1 minute')";
    let program = program(&[("q", OutputMode::Append, text)]);
    let mut running = Engine::new(&program, settings()).unwrap();
    let mut store = Store::new();
    let long: Vec<&'static str> = (0..30).map(|number| &*Box::leak(format!("{number}{}", "x".repeat(16_000)).into_boxed_str())).collect();
    let second_part = b"s/q/0/0.0.1".to_vec();
    let mut had_parts = Vec::new();
    // Minutes 0 and 40 share one of eight rings.
    for (minute, devices) in [(0, 30), (20, 1), (40, 2)] {
        let rows: Vec<Reading> = long[..devices].iter().map(|device| reading(f64::from(minute) * 60.0, device, 1.0)).collect();
        let mut stopped = restored(&program, &store);
        let (expected, output) = (step(&mut running, &rows), step(&mut stopped, &rows));
        assert_eq!(shown(&output), shown(&expected));
        assert_eq!(output.state, expected.state);
        apply(&mut store, &output);
        assert!(store.values().all(|value| value.len() < 2 << 20));
        had_parts.push(store.contains_key(&second_part));
    }
    assert_eq!(had_parts, [true, true, false]);
    let too_long: &'static str = Box::leak("x".repeat(70_000).into_boxed_str());
    let output = step(&mut running, &[reading(3000.0, too_long, 1.0)]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("65536 bytes"), "{}", output.rejects[0].reason);
    let output = step(&mut running, &[reading(3000.0, &too_long[..20_000], 1.0)]);
    assert!(output.rejects[0].reason.contains("16384 bytes"), "{}", output.rejects[0].reason);
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn an_entry_that_is_not_written_is_found() {
        is_found(Fault::UnmarkedEntry, a_restart_after_every_step_changes_nothing);
    }

    #[test]
    fn a_timeout_that_is_not_taken_up_is_found() {
        is_found(Fault::LostTimeout, a_restart_after_every_step_changes_nothing);
    }
}
