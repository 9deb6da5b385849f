//! Repeats dropped within the watermark.

use super::*;

fn program_of(text: &str) -> Program {
    let sources = sources();
    // By device and number.
    let dedup = [vec![1, 3]];
    let query = plan_query("q", text, OutputMode::Append, &Catalog { sources: &sources, dedup: &dedup, ..Catalog::default() });
    Program { sources, queries: vec![query.unwrap_or_else(|error| panic!("{}", error.in_text(text)))], ..Program::default() }
}

fn engine_of(text: &str) -> Engine {
    Engine::new(&program_of(text), settings()).unwrap()
}

const ROWS: &str = "SELECT device, number, ts FROM readings";

fn at(seconds: f64, number: i64) -> Reading {
    Reading { number: Some(number), ..reading(seconds, "a", 0.0) }
}

#[test]
fn the_first_row_of_a_key_passes_until_its_time_and_the_delay_are_over() {
    let mut engine = engine_of(ROWS);
    assert_eq!(shown(&step(&mut engine, &[at(20.0, 1), at(21.0, 1), at(21.0, 2)])), ["a 1 20s", "a 2 21s"]);
    // Not extended by repeats; the watermark is at 11, then 19.
    assert!(shown(&step(&mut engine, &[at(29.0, 1)])).is_empty());
    assert!(shown(&step(&mut engine, &[at(29.5, 1)])).is_empty());
    assert_eq!(shown(&step(&mut engine, &[at(40.0, 3)])), ["a 3 40s"]);
    // The watermark is at 30: the first row's 20 + 10; the second key's 21 + 10 is not reached.
    assert_eq!(shown(&step(&mut engine, &[at(31.0, 1), at(31.0, 2)])), ["a 1 31s"]);
    assert_eq!((engine.status()[0].cells, engine.status()[0].repeats), (3, 4));
}

#[test]
fn late_rows_are_dropped_and_told() {
    let mut engine = engine_of(ROWS);
    step(&mut engine, &[at(50.0, 1)]);
    let output = step(&mut engine, &[at(40.0, 2), at(40.001, 3)]);
    assert_eq!((shown(&output), output.late[0].rows), (vec!["a 3 40.001s".to_owned()], 1));
}

#[test]
fn null_is_a_key_and_other_columns_do_not_count() {
    let mut engine = engine_of("SELECT number FROM readings WHERE temperature > 1");
    let nobody = |number: Option<i64>| Reading { device: None, number, ..reading(20.0, "", 5.0) };
    assert_eq!(shown(&step(&mut engine, &[nobody(None), nobody(None), nobody(Some(1))])), ["NULL", "1"]);
    // A row that a condition removes is the first of its key nevertheless.
    let mut engine = engine_of("SELECT number FROM readings WHERE temperature > 1");
    assert!(shown(&step(&mut engine, &[reading(20.0, "a", 0.0), Reading { number: Some(0), ..reading(20.0, "a", 5.0) }])).is_empty());
}

#[test]
fn windows_count_each_row_once_over_restarts() {
    let program = program_of("SELECT window.start AS s, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')");
    let mut engine = Engine::new(&program, settings()).unwrap();
    let mut store = std::collections::BTreeMap::new();
    let mut rows = Vec::new();
    for second in 0..60 {
        let mut stopped = Engine::new(&program, settings()).unwrap();
        let entries: Vec<_> = store.iter().map(|(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone())).collect();
        stopped.restore(&entries).unwrap();
        let batch = batch(&[at(f64::from(second) + 1.0, second.into()), at(f64::from(second) + 1.5, i64::from(second) - 3)], 0);
        let (output, expected) = (stopped.step(&batch), engine.step(&batch));
        assert_eq!((shown(&output), &output.state), (shown(&expected), &expected.state));
        rows.extend(shown(&output));
        for (key, value) in output.state {
            match value {
                Some(value) => store.insert(key, value),
                None => store.remove(&key),
            };
        }
    }
    assert_eq!(rows, ["0s 12", "10s 10", "20s 10", "30s 10", "40s 10"]);
    // Chunks for 20 s in stretches of 1.25 s, whose names come again, and seven buckets of windows.
    assert!(store.len() < 30, "{}", store.len());
    assert!(engine.status()[0].operators.iter().any(|operator| operator.operator == "DEDUP"));
}

#[test]
fn beyond_the_limit_rows_are_rejected() {
    let mut engine = Engine::new(&program_of(ROWS), EngineSettings { keys_max: 2, ..settings() }).unwrap();
    let output = step(&mut engine, &[at(20.0, 1), at(20.0, 2), at(20.0, 3), at(20.0, 1)]);
    assert_eq!((shown(&output).len(), output.rejects.len()), (2, 1));
}
