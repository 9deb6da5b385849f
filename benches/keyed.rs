//! State functions, functions of scripts, and OVER: what a row costs in the engine, without decoding and the disk.
//!
//! `cargo bench --bench keyed [-- --rows N] [--quick]`. 1,000 devices, batches of 10,000 rows. Prints CPU µs a row for each kind, beside a plain projection,
//! and how long a batch takes in which a script does as much harm as it can.

#[expect(dead_code, reason = "another benchmark looks at another process")]
#[path = "measure/mod.rs"]
mod measure;

use std::path::Path;

use measure::{Call, Process, figure};
use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table};
use tidemill::config::{self, Environment};
use tidemill::engine::{Engine, EngineSettings};
use tidemill::plan::Program;
use tidemill::types::{DataType, Value};

const ROWS: usize = 500_000;
const ROWS_QUICK: usize = 20_000;
const ROWS_PER_BATCH: usize = 10_000;
const DEVICES: usize = 1_000;
/// Between rows, µs.
const STEP_US: i64 = 1_000;
const STACK_BYTES: usize = 64 << 20;

const OVER: &str = "OVER (PARTITION BY device ORDER BY ts)";

/// Two thresholds, as in docs/state-functions.md.
const HEAT: &str = "fn update(key, state, rows, now) {
    let hot = state ?? false;
    let out = [];
    for row in rows {
        let limit = if hot { 28.0 } else { 30.0 };
        if (row.temperature > limit) != hot {
            hot = !hot;
            out.push(#{ device: key, ts: row.ts, hot: hot });
        }
    }
    state = hot;
    out
}";

/// Sorts a thousand elements as often as a call may do anything.
const HARM: &str = "fn update(key, state, rows, now) {
    let a = []; a.pad(999, 1.5);
    let n = 0;
    while n < 4000 { let b = a; b.sort(); n += 1; }
    ()
}";

fn settings(name: &str, directory: &Path) -> Program {
    let state = |script: &str| {
        format!(
            "sql = \"SELECT device, ts, temperature FROM readings\"\n[query.q.state]\nkey = [\"device\"]\n\
             output = \"device STRING, ts TIMESTAMP, hot BOOLEAN\"\nscript_text = '''\n{script}\n'''"
        )
    };
    let select = |call: &str| format!("sql = \"SELECT device, ts, {call} AS x FROM readings\"");
    let query = match name {
        "state_function" => state(HEAT),
        "harm" => state(HARM),
        "scalar_function" => format!(
            "{}\n[function.f]\nsignature = \"(t DOUBLE) -> DOUBLE\"\nscript_text = \"fn f(t) {{ if t < 0.0 {{ 0.0 }} else {{ t * 1.8 + 32.0 }} }}\"",
            select("f(temperature)")
        ),
        "plain" => select("temperature * 1.8 + 32"),
        "row_number" => select(&format!("row_number() {OVER}")),
        "lag" => select(&format!("lag(temperature) {OVER}")),
        "changed" => select(&format!("changed(temperature) {OVER}")),
        "ewma" => select(&format!("ewma(temperature, INTERVAL 30 SECONDS) {OVER}")),
        "rate" => select(&format!("rate(temperature) {OVER}")),
        "deadband" => select(&format!("deadband(temperature, 0.5) {OVER}")),
        _ => select(&format!("sum(temperature) {OVER}")),
    };
    let text = format!(
        "[gateway]\nid = \"bench\"\n[source.readings]\ntype = \"mqtt\"\nbroker = \"mqtt://localhost\"\ntopics = [\"r\"]\n\
         schema = \"device STRING, ts TIMESTAMP, temperature DOUBLE\"\nevent_time = \"ts\"\nwatermark = \"10 seconds\"\n\
         [sink.out]\ntype = \"stdout\"\nfrom = [\"q\"]\n[query.q]\n{query}\n"
    );
    let path = directory.join("bench.toml");
    std::fs::write(&path, text).expect("written");
    config::load(&[path], &Environment::of_process()).unwrap_or_else(|errors| panic!("{errors}")).program
}

/// The batch that begins with row `first`.
fn batch(number: u64, program: &Program, first: usize, rows: usize) -> Batch {
    let columns = program.sources[0].columns.iter().map(|column| {
        let mut builder = ColumnBuilder::new(&column.field.data_type, rows);
        for row in first..first + rows {
            let mixed = row.wrapping_mul(7_919) % 10_007;
            match (&*column.field.name, &column.field.data_type) {
                ("device", _) => builder.push_text(&format!("device-{:04}", mixed % DEVICES)),
                (_, DataType::Timestamp) => builder.push(&Value::Timestamp(1_767_225_600_000_000 + row as i64 * STEP_US)),
                (_, DataType::Double) => builder.push(&Value::Double(20.0 + (mixed % 150) as f64 / 10.0)),
                _ => builder.push_null(),
            }
        }
        Some(builder.finish())
    });
    let table = Table { rows, columns: columns.collect() };
    Batch { number, stamp: Stamp::default(), inputs: vec![SourceInput { source: 0, table, idle: false }], ..Batch::default() }
}

/// CPU µs a row.
fn measure(name: &str, rows: usize) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let program = settings(name, directory.path());
    let mut engine = Engine::new(&program, EngineSettings::default()).expect("it runs");
    let (mut cpu_us, mut results) = (0.0, 0);
    for (number, first) in (0..rows).step_by(ROWS_PER_BATCH).enumerate() {
        let batch = batch(number as u64 + 1, &program, first, ROWS_PER_BATCH.min(rows - first));
        let before_us = Process::own().cpu_us();
        let output = engine.step(&batch);
        cpu_us += Process::own().cpu_us() - before_us;
        results += output.results.iter().map(|result| result.table.rows).sum::<usize>();
        assert!(name == "harm" || output.rejects.is_empty(), "{:?}", output.rejects.first());
    }
    assert!(name == "harm" || results > 0, "{name} has results");
    cpu_us / rows as f64
}

fn run(rows: usize) {
    for name in ["plain", "row_number", "lag", "changed", "ewma", "rate", "deadband", "sum", "state_function", "scalar_function"] {
        figure(&format!("keyed.{name}.cpu_us_per_row"), measure(name, rows));
    }
    let rows = DEVICES.min(rows);
    figure("keyed.harm.seconds_per_batch", measure("harm", rows) * rows as f64 / 1e6);
}

fn main() {
    let call = Call::of_process();
    if call.is_for_others("keyed") {
        return;
    }
    let rows = call.number("--rows").map_or(if call.is_quick() { ROWS_QUICK } else { ROWS }, |rows| rows as usize);
    // Scripts want a large stack.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(rows)).expect("a thread");
    thread.join().expect("no panic");
}
