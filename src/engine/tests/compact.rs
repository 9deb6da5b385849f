//! What a key takes in a window, in memory and stored.

use std::collections::BTreeMap;

use super::*;

/// The goal for count, avg, min and max together.
const CELL_BYTES_MAX: usize = 96;

const DEVICES: usize = 500;
const WINDOWS: usize = 20;

/// Bytes of memory, as the status counts them, and of stored entries after all windows are open.
fn bytes_of(aggregates: &str) -> (usize, usize) {
    let text = format!(
        "SELECT device, window.start AS start, {aggregates} FROM readings WATERMARK ts DELAY OF INTERVAL 1 DAY \
         GROUP BY device, window(ts, '10 seconds')"
    );
    let mut engine = engine(OutputMode::Append, &text);
    let names: Vec<&'static str> = (0..DEVICES).map(|n| &*Box::leak(format!("device-{n:03}").into_boxed_str())).collect();
    let mut stored: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for round in 0..WINDOWS * 3 {
        let row = |(n, name): (usize, &&'static str)| reading((round % WINDOWS * 10) as f64, name, (n * 7919 % 1000 + round) as f64 / 10.0);
        let rows: Vec<Reading> = names.iter().enumerate().map(row).collect();
        let output = step(&mut engine, &rows);
        assert!(output.rejects.is_empty());
        for (key, value) in output.state {
            match value {
                Some(value) => drop(stored.insert(key.clone(), key.len() + value.len())),
                None => drop(stored.remove(&key)),
            }
        }
    }
    let memory = engine.status()[0].operators.iter().map(|operator| operator.bytes).sum();
    (memory, stored.values().sum())
}

#[test]
fn count_avg_min_and_max_take_at_most_96_bytes() {
    let cells = DEVICES * WINDOWS;
    for aggregates in [
        "count(*) AS n, avg(temperature) AS a, min(temperature) AS l, max(temperature) AS h",
        "avg(number) AS a, min(number) AS l, max(number) AS h, count(number) AS n",
    ] {
        let (memory, stored) = bytes_of(aggregates);
        assert!(memory / cells <= CELL_BYTES_MAX, "{} bytes of memory for {aggregates}", memory / cells);
        assert!(stored / cells <= CELL_BYTES_MAX, "{} stored bytes for {aggregates}", stored / cells);
        // Not less than the values themselves.
        assert!(memory / cells >= 32 && stored / cells >= 12, "{memory} {stored}");
    }
}
