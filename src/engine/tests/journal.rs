//! The journal: what batches store of many keys, what a restart makes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::restart::{Store, apply, entries, restored};
use super::*;

/// Readings of `devices` devices in an order that leaves no bucket whole, from `from` on.
fn some_of_many(devices: usize, from: usize, rows: usize) -> Vec<Reading> {
    let names = many_names();
    (from..from + rows).map(|number| reading(number as f64 / 1e3, names[number * 7919 % devices], number as f64)).collect()
}

fn many_names() -> &'static [&'static str] {
    static NAMES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| (0..3_000).map(|number| &*format!("device {number}").leak()).collect())
}

#[test]
fn a_batch_writes_what_it_changed_however_many_keys_there_are() {
    let texts = [
        (OutputMode::Append, "SELECT device, sum(temperature) AS s, max(number) AS m FROM readings GROUP BY device, window(ts, '1 hour')"),
        (OutputMode::Update, "SELECT device, sum(temperature) AS s, max(number) AS m FROM readings GROUP BY device"),
    ];
    for (mode, text) in texts {
        let mut engine = engine(mode, text);
        let mut store = Store::new();
        apply(&mut store, &step(&mut engine, &some_of_many(3_000, 0, 3_000)));
        let all: usize = store.values().map(Vec::len).sum();
        let (rows, mut written, mut most_entries) = (50, 0, 0);
        for number in 0..400 {
            let output = step(&mut engine, &some_of_many(3_000, 3_000 + number * rows, rows));
            written += output.state.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum::<usize>();
            apply(&mut store, &output);
            most_entries = most_entries.max(store.len());
            if number % 40 == 0 {
                let restored = restored(&program(&[("q", mode, text)]), &store);
                assert_eq!(restored.status(), engine.status());
            }
        }
        let (cell, now) = (all / 3_000, store.values().map(Vec::len).sum::<usize>());
        // Once for the journal, once for the bucket.
        assert!(written < 400 * rows * cell * 5 / 2, "{text}: {written} bytes of {cell} a cell");
        assert!(now < all * 3, "{text}: {now} bytes stored, {all} for all cells once");
        assert!(most_entries < 3_000 / 16 + 100, "{most_entries} entries");
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn the_journal_holds_the_latest_of_each_key(steps in prop::collection::vec((0usize..3_000, 1usize..60), 1..60)) {
        let program = program(&[("q", OutputMode::Update, "SELECT device, sum(number) AS s, count(*) AS n FROM readings GROUP BY device")]);
        let mut running = Engine::new(&program, settings()).unwrap();
        let mut store = Store::new();
        apply(&mut store, &step(&mut running, &some_of_many(300, 0, 300)));
        for (from, rows) in steps {
            let rows = some_of_many(300, from, rows);
            let mut restarted = restored(&program, &store);
            let (expected, output) = (step(&mut running, &rows), step(&mut restarted, &rows));
            prop_assert_eq!(shown(&output), shown(&expected));
            prop_assert_eq!(&output.state, &expected.state);
            apply(&mut store, &output);
        }
    }
}

/// The engine that goes on and one that is restarted before each step give the same rows and store the same.
fn twins(program: &Program, steps: &[Vec<Reading>]) -> Vec<String> {
    let mut running = Engine::new(program, settings()).unwrap();
    let (mut store, mut all) = (Store::new(), Vec::new());
    for rows in steps {
        let (mut restarted, expected) = (restored(program, &store), step(&mut running, rows));
        let output = step(&mut restarted, rows);
        assert_eq!((shown(&output), &output.state), (shown(&expected), &expected.state));
        assert_eq!(restarted.status(), running.status());
        apply(&mut store, &output);
        all.extend(shown(&output));
    }
    all
}

#[test]
fn a_ring_that_is_used_again_needs_nothing_of_its_last_pane() {
    let text = "SELECT device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";
    let names = many_names();
    let all_at = |seconds: f64| (0..100).map(move |device| reading(seconds, names[device], 1.0));
    let steps = [
        all_at(1.0).chain(all_at(11.0)).collect(),
        vec![reading(2.0, names[0], 1.0), reading(12.0, names[0], 1.0)],
        vec![reading(25.0, names[0], 1.0)],
        all_at(81.0).collect(),
        vec![reading(82.0, names[1], 1.0)],
        vec![reading(200.0, names[3], 1.0)],
    ];
    let rows = twins(&program(&[("q", OutputMode::Append, text)]), &steps);
    assert_eq!(rows.len(), 100 + 100 + 1 + 100);
}

/// Starts an engine for each of these times, with `emit_every` and without in turn, that takes up what is stored and takes two readings of that time.
/// `left`: what becomes of the store after the first.
fn with_emit_every_and_without(times: &[f64], left: impl Fn(Store) -> Store) {
    let text = "SELECT window.start AS s, device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";
    let program = program(&[("q", OutputMode::Update, text)]);
    let paced = EngineSettings { emit_every_us: BTreeMap::from([("q".to_owned(), SECOND)]), ..settings() };
    for mut order in [[settings(), paced.clone()], [paced, settings()]] {
        let mut store = Store::new();
        for (number, seconds) in times.iter().enumerate() {
            let mut engine = Engine::new(&program, order[0].clone()).unwrap();
            engine.restore(&entries(&store)).unwrap();
            apply(&mut store, &engine.step(&batch(&[reading(*seconds, "a", 1.0), reading(*seconds, "b", 1.0)], number as i64 * 10)));
            if number == 0 {
                store = left(store);
            }
            order.reverse();
        }
    }
}

#[test]
fn emit_every_may_come_and_go_while_left_overs_are_stored() {
    with_emit_every_and_without(&[1.0, 31.0, 32.0, 33.0, 90.0, 91.0], |store| store);
}

/// The store as a gateway before the journal wrote it, all of whose entries were of one commit. Marks, where there are any, are of period 0.
fn of_version_1(store: &Store) -> Store {
    let first = |value: &[u8]| match value {
        [2, 1, 0, cells @ ..] => [&[1], cells].concat(),
        [2, 1, 1, marked @ ..] => [&[1], marked].concat(),
        other => other.to_vec(),
    };
    store.iter().map(|(key, value)| (key.clone(), first(value))).collect()
}

#[test]
fn emit_every_may_come_and_go_over_left_overs_of_version_1() {
    // The pane is closed by the rows after, whose step stores nothing of it.
    with_emit_every_and_without(&[1.0, 31.0, 32.0, 90.0], |store| {
        let old = of_version_1(&store);
        assert!(old.values().all(|value| value[0] == 1), "{old:?}");
        old
    });
}

#[test]
fn a_group_whose_rows_are_all_refused_is_none() {
    let text = "SELECT device, count(*) AS n, collect_list(device) AS l FROM readings GROUP BY device, window(ts, '10 seconds')";
    let program = program(&[("q", OutputMode::Append, text)]);
    let limited = EngineSettings { state_bytes_max: 30_000, ..settings() };
    let mut engine = Engine::new(&program, limited.clone()).unwrap();
    let names = many_names();
    let long: &'static str = Box::leak("x".repeat(12_000).into_boxed_str());
    let mut store = Store::new();
    apply(&mut store, &step(&mut engine, &(0..70).map(|device| reading(1.0, names[device], 1.0)).collect::<Vec<_>>()));
    let held = engine.status();
    let output = step(&mut engine, &[reading(2.0, names[3], 1.0), reading(2.0, long, 1.0)]);
    assert_eq!(output.rejects.len(), 1, "{:?}", output.rejects);
    assert_eq!(engine.status()[0].keys, held[0].keys);
    apply(&mut store, &output);
    let mut again = Engine::new(&program, limited).unwrap();
    again.restore(&entries(&store)).unwrap();
    let last = [reading(100.0, names[0], 1.0)];
    let (output, expected) = (step(&mut again, &last), step(&mut engine, &last));
    assert_eq!((shown(&output).len(), &output.state), (70, &expected.state));
}

#[cfg(feature = "sabotage")]
#[test]
fn an_old_cell_of_the_journal_that_counts_is_found() {
    super::is_found(crate::sabotage::Fault::StaleJournal, the_journal_holds_the_latest_of_each_key);
}
