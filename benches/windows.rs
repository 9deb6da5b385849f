//! What each kind of window costs: typed columns into the engine, CPU-seconds per million rows, and as a multiple of a tumbling window's.
//!
//! `cargo bench --bench windows [-- --readings N] [--quick]`. 1,000 devices in turn, 1,000 rows a second of event time, up to 5 s out of order,
//! a step for each second; count, avg, min and max. Decoding, commits and sinks are not part of it; encoding the changed state is. Each query
//! runs several rounds, all queries in turn, and the least counts: other load on the machine only adds.

#[expect(dead_code, reason = "other benchmarks look at processes")]
#[path = "measure/mod.rs"]
mod measure;

use std::sync::Arc;

use measure::{Call, figure};
use tidemill::batch::{Batch, Column, DictColumn, Dictionary, SourceInput, Stamp, Table, Values};
use tidemill::engine::{Engine, EngineSettings};
use tidemill::plan::{EventTime, OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field};

const READINGS: u64 = 1_000_000;
const READINGS_QUICK: u64 = 20_000;
const DEVICES: u64 = 1_000;
const ROWS_A_STEP: u64 = 1_000;
const ROUNDS: usize = 3;
/// 2026-01-01T00:00:00Z.
const BEGAN_US: i64 = 1_767_225_600_000_000;

const CALLS: &str = "count(*) AS n, avg(temperature) AS mean, min(temperature) AS low, max(temperature) AS high";

/// Name, mode, aggregates, window.
const KINDS: &[(&str, OutputMode, &str, &str)] = &[
    ("tumbling", OutputMode::Append, CALLS, "window(ts, '1 minute')"),
    ("sliding_10_by_1", OutputMode::Append, CALLS, "window(ts, '10 minutes', '1 minute')"),
    ("sliding_60_by_1", OutputMode::Append, CALLS, "window(ts, '1 hour', '1 minute')"),
    ("sliding_not_dividing", OutputMode::Append, CALLS, "window(ts, '10 minutes', '4 minutes')"),
    ("tumbling_exact", OutputMode::Append, "count(*) AS n, sum(number) AS s", "window(ts, '1 minute')"),
    ("sliding_10_by_1_exact", OutputMode::Append, "count(*) AS n, sum(number) AS s", "window(ts, '10 minutes', '1 minute')"),
    ("sliding_60_by_1_exact", OutputMode::Append, "count(*) AS n, sum(number) AS s", "window(ts, '1 hour', '1 minute')"),
    ("local_day", OutputMode::Append, CALLS, "local_window(ts, '1 day', 'Europe/Berlin')"),
    ("update", OutputMode::Update, CALLS, "window(ts, '1 minute')"),
    ("session", OutputMode::Append, CALLS, "session_window(ts, '10 seconds')"),
    (
        "session_dynamic_gap",
        OutputMode::Append,
        CALLS,
        "session_window(ts, CASE WHEN number > 500 THEN '10 seconds' ELSE '20 seconds' END)",
    ),
    ("count_60", OutputMode::Append, CALLS, "count_window(60)"),
    ("count_60_by_10", OutputMode::Append, CALLS, "count_window(60, 10)"),
    ("state", OutputMode::Append, CALLS, "state_window(number > 900, number < 100)"),
];

fn main() {
    let call = Call::of_process();
    if call.is_for_others("windows") {
        return;
    }
    let quick = call.is_quick();
    let readings = call.number("--readings").unwrap_or(if quick { READINGS_QUICK } else { READINGS });
    let batches: Vec<Batch> = (0..readings / ROWS_A_STEP).map(|step| batch(step, ROWS_A_STEP, DEVICES)).collect();
    let mut least = vec![f64::INFINITY; KINDS.len()];
    for _ in 0..if quick { 1 } else { ROUNDS } {
        for (kind, least) in KINDS.iter().zip(&mut least) {
            *least = least.min(run(kind, &batches));
        }
    }
    for ((name, ..), seconds) in KINDS.iter().zip(&least) {
        figure(&format!("windows.{name}.cpu_s_per_million"), seconds * 1e6 / readings as f64);
        figure(&format!("windows.{name}.times_tumbling"), seconds / least[0]);
    }
    for keys in if quick { vec![1_000] } else { vec![1_000, 10_000, 100_000] } {
        let us = (0..ROUNDS).map(|_| closing_us(keys)).fold(f64::INFINITY, f64::min);
        figure(&format!("windows.closing.{keys}_keys.us_a_key"), us / keys as f64);
    }
}

/// CPU-seconds for all batches.
fn run((_, mode, calls, window): &(&str, OutputMode, &str, &str), batches: &[Batch]) -> f64 {
    let mut engine = engine(*mode, &format!("SELECT device, {calls} FROM readings GROUP BY device, {window}"));
    let began = cpu_seconds();
    for batch in batches {
        let output = engine.step(batch);
        assert!(output.rejects.is_empty() && output.late.iter().all(|late| late.rows == 0), "each row counts");
        std::hint::black_box(&output);
    }
    cpu_seconds() - began
}

/// CPU-µs to close one window of so many keys, and to encode what is left.
fn closing_us(keys: u64) -> f64 {
    let mut engine = engine(OutputMode::Append, &format!("SELECT device, {CALLS} FROM readings GROUP BY device, window(ts, '1 minute')"));
    engine.step(&batch(0, keys, keys));
    let closing = batch(120, 1, keys);
    let began = cpu_seconds();
    let output = engine.step(&closing);
    let seconds = cpu_seconds() - began;
    assert_eq!(output.results.iter().map(|result| result.table.rows as u64).sum::<u64>(), keys);
    seconds * 1e6
}

fn engine(mode: OutputMode, text: &str) -> Engine {
    let types =
        [("device", DataType::String), ("ts", DataType::Timestamp), ("temperature", DataType::Double), ("number", DataType::BigInt)];
    let columns = types.map(|(name, data_type)| TableColumn { field: Field::new(name, data_type), hidden: false });
    let event_time = Some(EventTime { column: 1, delay_us: Some(10_000_000) });
    let sources = vec![TableSchema { name: "readings".into(), columns: columns.into(), event_time }];
    let query = plan_query("q", text, mode, &Catalog { sources: &sources, ..Catalog::default() });
    let query = query.unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    let program = Program { sources, queries: vec![query], ..Program::default() };
    Engine::new(&program, EngineSettings::default()).expect("it runs")
}

/// `rows` readings of one second.
fn batch(step: u64, rows: u64, devices: u64) -> Batch {
    let entries = (0..devices).map(|device| Arc::from(format!("dev-{device:06}"))).collect();
    let dictionary = Dictionary { generation: 0, entries: Arc::new(entries) };
    let mut state = 88_172_645_463_325_252u64.wrapping_add(step);
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let (mut codes, mut times, mut temperatures, mut numbers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        codes.push((row % devices) as u32);
        let behind_us = (random() % 5_000_000) as i64;
        times.push(BEGAN_US + (step * 1_000_000 + row * 1_000_000 / rows) as i64 + 5_000_000 - behind_us);
        temperatures.push((random() % 3_000) as f64 / 100.0);
        numbers.push((random() % 1_000) as i64);
    }
    let columns =
        [Values::Dict(DictColumn { codes, dictionary }), Values::Timestamp(times), Values::Double(temperatures), Values::BigInt(numbers)];
    let columns = columns.into_iter().map(|values| Some(Column::new(values))).collect();
    let input = SourceInput { source: 0, table: Table { rows: rows as usize, columns }, idle: false };
    let stamp = Stamp { wall_us: BEGAN_US + step as i64 * 1_000_000, mono_us: step * 1_000_000, synchronised: true };
    Batch { number: step + 1, stamp, inputs: vec![input], ..Batch::default() }
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
