//! `emit_every`: what is withheld comes out as it is by then, also after a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const UPDATE: &str =
    "SELECT window.start AS s, device, count(*) AS n, sum(number) AS t FROM readings GROUP BY device, window(ts, '10 seconds')";
const SLIDING: &str =
    "SELECT window.start AS s, device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds', '4 seconds')";
const TOTALS: &str = "SELECT device, count(*) AS n, max(temperature) AS hi FROM readings GROUP BY device HAVING n > 1";
const COMPLETE: &str = "SELECT device, count(*) AS n FROM readings GROUP BY device";

fn paced(names: &[&str]) -> EngineSettings {
    EngineSettings { emit_every_us: names.iter().map(|name| (name.to_string(), 10 * SECOND)).collect(), ..settings() }
}

fn paced_engine(mode: OutputMode, text: &str) -> Engine {
    Engine::new(&program(&[("q", mode, text)]), paced(&["q"])).unwrap()
}

/// A step at this wall time.
fn step_at(engine: &mut Engine, wall: i64, rows: &[Reading]) -> Vec<String> {
    let mut batch = batch(rows, wall);
    batch.inputs.iter_mut().for_each(|input| input.idle = false);
    shown(&engine.step(&batch))
}

#[test]
fn the_first_change_comes_at_once_and_later_ones_together() {
    let mut engine = paced_engine(OutputMode::Update, UPDATE);
    let row = |seconds: f64| reading(seconds, "a", 2.0);
    assert_eq!(step_at(&mut engine, 100, &[row(1.0)]), ["0s a 1 2"]);
    assert!(step_at(&mut engine, 101, &[row(2.0)]).is_empty());
    assert_eq!(engine.next_deadline(&[None, None], true), Some(110 * SECOND));
    assert!(step_at(&mut engine, 109, &[row(3.0), row(11.0)]).is_empty());
    assert_eq!(step_at(&mut engine, 110, &[]), ["0s a 3 6", "10s a 1 2"], "without a row too");
    assert_eq!(engine.next_deadline(&[None, None], true), None);
    assert!(step_at(&mut engine, 130, &[]).is_empty());
    assert_eq!(step_at(&mut engine, 131, &[row(4.0)]), ["0s a 4 8"]);
}

#[test]
fn a_window_that_closes_does_not_wait() {
    let mut engine = paced_engine(OutputMode::Update, UPDATE);
    step_at(&mut engine, 100, &[reading(1.0, "a", 2.0)]);
    assert!(step_at(&mut engine, 101, &[reading(2.0, "a", 2.0), reading(12.0, "b", 1.0)]).is_empty());
    assert_eq!(step_at(&mut engine, 102, &[reading(20.0, "b", 1.0)]), ["0s a 2 4"]);
    assert_eq!(step_at(&mut engine, 110, &[]), ["10s b 1 1", "20s b 1 1"]);
}

#[test]
fn the_whole_table_comes_once_a_period_and_a_clock_set_back_keeps_nothing() {
    let mut engine = paced_engine(OutputMode::Complete, COMPLETE);
    let row = |device| reading(1.0, device, 1.0);
    assert_eq!(step_at(&mut engine, 100, &[row("a")]), ["a 1"]);
    assert!(step_at(&mut engine, 101, &[row("b")]).is_empty());
    assert!(step_at(&mut engine, 105, &[]).is_empty());
    assert_eq!(step_at(&mut engine, 112, &[]), ["a 1", "b 1"]);
    assert!(step_at(&mut engine, 115, &[row("a")]).is_empty());
    assert_eq!(step_at(&mut engine, 50, &[]), ["a 2", "b 1"]);
}

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(store: &mut Store, output: &StepOutput) {
    for (key, value) in &output.state {
        match value {
            Some(value) => store.insert(key.clone(), value.clone()),
            None => store.remove(key),
        };
    }
}

fn restored(program: &Program, settings: EngineSettings, store: &Store) -> Engine {
    let mut engine = Engine::new(program, settings).unwrap();
    let entries: Vec<(Vec<u8>, Vec<u8>)> = store.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(engine.restore(&entries), Ok(Vec::new()));
    engine
}

#[test]
fn the_period_may_be_changed_and_taken_away() {
    let program = program(&[("q", OutputMode::Update, UPDATE)]);
    let mut store = Store::new();
    let mut first = Engine::new(&program, paced(&["q"])).unwrap();
    for (wall, second) in [(100, 1.0), (101, 2.0)] {
        apply(&mut store, &first.step(&batch(&[reading(second, "a", 1.0)], wall)));
    }
    let mut without = restored(&program, settings(), &store);
    let output = without.step(&batch(&[], 102));
    assert_eq!(shown(&output), ["0s a 2 2"]);
    apply(&mut store, &output);
    let mut again = restored(&program, paced(&["q"]), &store);
    let output = again.step(&batch(&[reading(3.0, "a", 1.0)], 103));
    assert!(shown(&output).is_empty(), "the last emission of that engine was at 100");
    apply(&mut store, &output);
    assert_eq!(shown(&restored(&program, paced(&["q"]), &store).step(&batch(&[], 110))), ["0s a 3 3"]);
}

fn steps() -> impl Strategy<Value = Vec<(Vec<Reading>, i64)>> {
    let row = (0u32..80, 0usize..4, -9i32..9)
        .prop_map(|(half, device, x)| reading(f64::from(half) / 2.0, ["a", "b", "c", "d"][device], f64::from(x)));
    let step = (prop::collection::vec(row, 0..8), 1i64..7, 0u32..8);
    prop::collection::vec(step, 1..20).prop_map(|steps| {
        let (mut wall, mut shift) = (100, 0.0);
        let step = |(mut rows, more, later): (Vec<Reading>, i64, u32)| {
            wall += more;
            shift += f64::from(later);
            rows.iter_mut().for_each(|row| row.seconds = row.seconds.map(|seconds| seconds / 2.0 + shift));
            (rows, wall)
        };
        steps.into_iter().map(step).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_restart_after_every_step_changes_nothing(steps in steps()) {
        let names = ["a", "b", "c", "d"];
        let program = program(&[("a", OutputMode::Update, UPDATE), ("b", OutputMode::Update, SLIDING), ("c", OutputMode::Update, TOTALS), ("d", OutputMode::Complete, COMPLETE)]);
        let mut running = Engine::new(&program, paced(&names)).unwrap();
        let mut store = Store::new();
        for (rows, wall) in steps {
            let batch = batch(&rows, wall);
            let mut stopped = restored(&program, paced(&names), &store);
            let (expected, output) = (running.step(&batch), stopped.step(&batch));
            for query in 0..names.len() {
                prop_assert_eq!(shown_of(&output, query), shown_of(&expected, query), "query {}", query);
            }
            prop_assert_eq!(&output.state, &expected.state);
            apply(&mut store, &output);
        }
    }

    /// For each key the last row that comes out is the last that would have come out without a pace.
    #[test]
    fn the_latest_of_each_key_comes_out(steps in steps(), sliding: bool) {
        let text = if sliding { SLIDING } else { UPDATE };
        let mut plain = engine(OutputMode::Update, text);
        let mut paced = paced_engine(OutputMode::Update, text);
        let (mut last_plain, mut last_paced) = (BTreeMap::new(), BTreeMap::new());
        let key = |row: &String| row.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
        let end = steps.last().map_or(0, |step| step.1) + 20;
        let mut counts = (0, 0);
        for (rows, wall) in steps.into_iter().chain([(Vec::new(), end)]) {
            let (all, some) = (step_at(&mut plain, wall, &rows), step_at(&mut paced, wall, &rows));
            counts = (counts.0 + all.len(), counts.1 + some.len());
            last_plain.extend(all.into_iter().map(|row| (key(&row), row)));
            last_paced.extend(some.into_iter().map(|row| (key(&row), row)));
        }
        prop_assert_eq!(last_paced, last_plain);
        prop_assert!(counts.1 <= counts.0);
    }
}
