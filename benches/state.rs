//! State: what count, avg, min and max of one key take in one window, in memory and stored.
//!
//! `cargo bench --bench state [-- --devices N] [--windows N]`. All windows stay open; memory is what the process holds more after them,
//! stored bytes are those of the state's entries. Prints bytes for each key and window: the goal is 96.

#[expect(dead_code, reason = "other benchmarks look at more")]
#[path = "measure/mod.rs"]
mod measure;

use std::collections::HashMap;

use measure::{Call, Process, figure};
use tidemill::batch::{Batch, Column, ColumnBuilder, SourceInput, Stamp, Table, Values};
use tidemill::engine::{Engine, EngineSettings};
use tidemill::plan::{OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field};

const TEXT: &str = "SELECT device, window.start AS start, count(*) AS n, avg(temperature) AS mean, min(temperature) AS low, max(temperature) AS high \
                    FROM readings WATERMARK ts DELAY OF INTERVAL 30 DAYS GROUP BY device, window(ts, '1 minute')";

fn main() {
    let call = Call::of_process();
    if call.is_for_others("state") {
        return;
    }
    let devices = call.number("--devices").unwrap_or(if call.is_quick() { 500 } else { 10_000 }) as usize;
    let windows = call.number("--windows").unwrap_or(if call.is_quick() { 20 } else { 100 }) as i64;
    let mut engine = Engine::new(&program(), EngineSettings::default()).expect("a plan that runs");
    let mut stored = HashMap::new();
    // The keys themselves and what a step needs are there before it is measured.
    run(&mut engine, devices, 0..1, &mut stored);
    let (before, stored_before) = (Process::own().resident_mb(), stored_bytes(&stored));
    run(&mut engine, devices, 1..windows + 1, &mut stored);
    let cells = devices as f64 * windows as f64;
    figure("state bytes per key and window, memory", (Process::own().resident_mb() - before) * 1e6 / cells);
    figure("state bytes per key and window, stored", (stored_bytes(&stored) - stored_before) as f64 / cells);
}

fn program() -> Program {
    let fields = [("ts", DataType::Timestamp), ("device", DataType::String), ("temperature", DataType::Double)];
    let columns = fields.map(|(name, data_type)| TableColumn { field: Field::new(name, data_type), hidden: false });
    let sources = vec![TableSchema { name: "readings".into(), columns: columns.into(), event_time: None }];
    let catalog = Catalog { sources: &sources, ..Catalog::default() };
    let query = plan_query("q", TEXT, OutputMode::Append, &catalog).unwrap_or_else(|error| panic!("{}", error.message));
    Program { sources, queries: vec![query], ..Program::default() }
}

/// One reading of each device in each of these windows, thrice. Sizes of entries by key; bodies are dropped.
fn run(engine: &mut Engine, devices: usize, windows: std::ops::Range<i64>, stored: &mut HashMap<Vec<u8>, usize>) {
    for window in windows {
        for round in 0..3 {
            let mut names = ColumnBuilder::new(&DataType::String, devices);
            (0..devices).for_each(|n| names.push_text(&format!("device-{n:05}")));
            let times = Column::new(Values::Timestamp(vec![window * 60_000_000 + round; devices]));
            let numbers = (0..devices).map(|n| ((n * 7_919 + round as usize * 31) % 1_000) as f64 / 10.0).collect();
            let columns = vec![Some(times), Some(names.finish()), Some(Column::new(Values::Double(numbers)))];
            let table = Table { rows: devices, columns };
            let input = SourceInput { source: 0, table, idle: false };
            let number = (window * 3 + round + 1) as u64;
            let output = engine.step(&Batch { number, stamp: Stamp::default(), inputs: vec![input], ..Batch::default() });
            assert!(output.rejects.is_empty(), "{}", output.rejects[0].reason);
            for (key, value) in output.state {
                match value {
                    Some(value) => drop(stored.insert(key, value.len())),
                    None => drop(stored.remove(&key)),
                }
            }
        }
    }
}

fn stored_bytes(stored: &HashMap<Vec<u8>, usize>) -> usize {
    stored.iter().map(|(key, value)| key.len() + value).sum()
}
