//! A batch taken in key by key and the same row by row come to the same, to the last bit.

use proptest::prelude::*;

use super::*;
use crate::engine::by_key::TAKEN;

/// Beside each query one that may not go key by key, since it leaves a row of each batch out.
const QUERIES: &[(OutputMode, &str, &str)] = &[
    (
        OutputMode::Append,
        "SELECT window, device, count(*) AS n, avg(temperature) AS a, min(temperature) AS lo, max(temperature) AS hi FROM readings",
        "GROUP BY device, window(ts, '10 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window, device, sum(temperature) AS s, count(number) AS n FROM readings",
        "GROUP BY device, window(ts, '20 seconds', '5 seconds')",
    ),
    (
        OutputMode::Append,
        "SELECT window, device, sum(temperature) AS s FROM readings",
        "GROUP BY device, window(ts, '12 seconds', '5 seconds')",
    ),
    (OutputMode::Update, "SELECT device, sum(temperature) AS s, max(temperature) AS hi FROM readings", "GROUP BY device"),
    (
        OutputMode::Update,
        "SELECT local_window, device, min(temperature) AS lo, sum(temperature) AS s FROM readings",
        "GROUP BY device, local_window(ts, '1 day', 'Europe/Berlin')",
    ),
];

const SKIPPED: &str = "skipped";

fn both_ways(mode: OutputMode, select: &str, group: &str) -> Program {
    let (whole, part) = (format!("{select} {group}"), format!("{select} WHERE device <> '{SKIPPED}' {group}"));
    program(&[("whole", mode, &whole), ("part", mode, &part)])
}

/// Rows of a query but for those of the device that one of them leaves out, in any order.
fn rows_of(output: &StepOutput, query: usize) -> Vec<String> {
    let mut rows: Vec<String> = shown_of(output, query).into_iter().filter(|row| !row.contains(SKIPPED)).collect();
    rows.sort();
    rows
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let numbers = [0.1, 0.2, 0.3, 1e16, -1e16, f64::NAN, 0.0, -0.0, f64::INFINITY, f64::MIN_POSITIVE];
    (0i32..40, prop::sample::select(vec!["a", "b", "c", "d"]), prop::sample::select(numbers.to_vec()))
        .prop_map(|(tenths, device, temperature)| reading(f64::from(tenths) / 2.0, device, temperature))
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn key_by_key_is_as_row_by_row(
        query in 0..QUERIES.len(),
        steps in prop::collection::vec((prop::collection::vec(any_reading(), 1..40), 0i32..15), 2..12),
    ) {
        let (mode, select, group) = QUERIES[query];
        let mut engine = Engine::new(&both_ways(mode, select, group), settings()).unwrap();
        let mut seconds = 0.0;
        for (mut rows, further) in steps {
            rows.push(reading(1.0, SKIPPED, 1.0));
            rows.iter_mut().for_each(|row| row.seconds = row.seconds.map(|own| own + seconds));
            let output = step(&mut engine, &rows);
            prop_assert_eq!(rows_of(&output, 0), rows_of(&output, 1));
            let late = |query| output.late.iter().filter(|late| late.query == query).count();
            prop_assert!(late(0) >= late(1));
            seconds += f64::from(further);
        }
        let status = engine.status();
        prop_assert!(status[0].cells >= status[1].cells);
    }
}

#[test]
fn batches_of_known_keys_go_key_by_key() {
    for (mode, select, group) in QUERIES {
        let mut engine = Engine::new(&both_ways(*mode, select, group), settings()).unwrap();
        let rows = |from: f64| {
            let own = |number: i32| reading(from + f64::from(number) / 2.0, ["a", "b", SKIPPED][number as usize % 3], 1.0);
            (0..9).map(own).collect::<Vec<_>>()
        };
        let taken = |engine: &mut Engine, from: f64| {
            let before = TAKEN.get();
            step(engine, &rows(from));
            TAKEN.get() - before
        };
        assert_eq!(taken(&mut engine, 0.0), 0, "the keys are not known");
        assert_eq!(taken(&mut engine, 2.0), 1, "{group}: only what has all rows");
    }
}

#[cfg(feature = "sabotage")]
#[test]
fn sums_of_several_rows_added_at_once_are_found() {
    super::is_found(crate::sabotage::Fault::SumApart, key_by_key_is_as_row_by_row);
}
