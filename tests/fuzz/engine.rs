//! Queries through planner and engine, over random rows; and state that was damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table, TableVersion};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::plan::{EventTime, OutputMode, Program, Relation, StateFunction, TableColumn, TableSchema, Timeout};
use tidemill::sql::{Catalog, explain, plan_query, referenced_tables};
use tidemill::types::{DataType, Field, Value};

use crate::mutate;
use crate::random::Random;
use crate::watch::Watch;

const MODES: &[OutputMode] = &[OutputMode::Append, OutputMode::Update, OutputMode::Complete, OutputMode::Batch];
const STEPS: u64 = 4;

fn sources() -> Vec<TableSchema> {
    let column = |(name, data_type): (&str, DataType)| TableColumn { field: Field::new(name, data_type), hidden: false };
    let columns = [
        ("ts", DataType::Timestamp),
        ("device", DataType::String),
        ("temperature", DataType::Double),
        ("number", DataType::BigInt),
        ("flag", DataType::Boolean),
        ("humidity", DataType::Double),
    ];
    let source = |name: &str| TableSchema {
        name: name.to_owned(),
        columns: columns.clone().map(column).to_vec(),
        event_time: Some(EventTime { column: 0, delay_us: Some(2_000_000) }),
    };
    vec![source("readings"), source("raw_readings")]
}

/// A reference table.
fn tables() -> Vec<TableSchema> {
    let column = |(name, data_type): (&str, DataType)| TableColumn { field: Field::new(name, data_type), hidden: false };
    let columns = [("device", DataType::String), ("room", DataType::String), ("ts", DataType::Timestamp), ("number", DataType::BigInt)];
    vec![TableSchema { name: "rooms".to_owned(), columns: columns.map(column).to_vec(), event_time: None }]
}

/// A version of it, now and then.
fn table_versions(random: &mut Random) -> Vec<TableVersion> {
    if random.below(3) > 0 {
        return Vec::new();
    }
    let schema = tables().remove(0);
    let mut builders: Vec<ColumnBuilder> = schema.columns.iter().map(|column| ColumnBuilder::new(&column.field.data_type, 0)).collect();
    let rows = random.below(6) as usize;
    for _ in 0..rows {
        builders.iter_mut().zip([1, 1, 0, 3]).for_each(|(builder, like)| builder.push(&value(like, 9, random)));
    }
    let columns = builders.into_iter().map(|builder| Some(builder.finish())).collect();
    vec![TableVersion { table: 0, rows: Arc::new(Table { rows, columns }) }]
}

/// Plans the text in each mode; errors have to point into it.
pub fn plan(text: &str, random: &mut Random) {
    let (sources, tables) = (sources(), tables());
    let catalog = Catalog { sources: &sources, tables: &tables, ..Catalog::default() };
    let _ = referenced_tables(text);
    match plan_query("q", text, MODES[random.below(4) as usize], &catalog) {
        Ok(query) => drop(explain(&query, &sources, &tables)),
        Err(error) => {
            let (start, end) = (error.span.start as usize, error.span.end as usize);
            assert!(start <= end && end <= text.len() + 1, "the error points out of the text: {error:?}");
            let _ = error.in_text(text);
        }
    }
}

fn program(text: &str, random: &mut Random) -> Option<Program> {
    let (sources, tables) = (sources(), tables());
    let mode = MODES[random.below(4) as usize];
    let dedup = if random.below(4) == 0 { vec![vec![1, 3], vec![1]] } else { Vec::new() };
    let catalog = Catalog { sources: &sources, tables: &tables, dedup: &dedup, ..Catalog::default() };
    let query = plan_query("q", text, mode, &catalog).ok()?;
    Some(Program { sources, tables, queries: vec![query], ..Program::default() })
}

fn settings() -> EngineSettings {
    EngineSettings { keys_max: 1_000, state_bytes_max: 4 << 20, idle_timeout_us: vec![1_000_000; 2], ..EngineSettings::default() }
}

fn value(column: usize, second: i64, random: &mut Random) -> Value {
    if random.below(8) == 0 {
        return Value::Null;
    }
    match column {
        0 => Value::Timestamp((second + random.below(12) as i64 - 6) * 1_000_000 + random.below(3) as i64 * 250_000),
        1 => Value::String(mutate::pick(&["a", "b", "", "12", "é🌊", "2026-01-01"], random).to_owned()),
        2 | 5 => Value::Double([0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, -1e308, 20.25][random.below(7) as usize]),
        3 => Value::BigInt([0, 1, -1, 7, i64::MAX, i64::MIN, 1_767_225_600_000][random.below(7) as usize]),
        _ => Value::Boolean(random.below(2) == 0),
    }
}

fn batch(number: u64, random: &mut Random) -> Batch {
    let sources = sources();
    let inputs = sources.iter().enumerate().map(|(source, schema)| {
        let mut builders: Vec<ColumnBuilder> = schema.columns.iter().map(|column| ColumnBuilder::new(&column.field.data_type, 0)).collect();
        let rows = if random.below(5) == 0 { 0 } else { random.below(20) as usize };
        for _ in 0..rows {
            builders.iter_mut().enumerate().for_each(|(column, builder)| builder.push(&value(column, number as i64 * 9, random)));
        }
        let table = Table { rows, columns: builders.into_iter().map(|builder| Some(builder.finish())).collect() };
        SourceInput { source, table, idle: rows == 0 && random.below(2) == 0 }
    });
    let inputs = inputs.collect();
    let stamp = Stamp { wall_us: number as i64 * 9_000_000, mono_us: number * 9_000_000, synchronised: true };
    Batch { number, stamp, set_back_us: None, inputs, tables: table_versions(random) }
}

type Stored = BTreeMap<Vec<u8>, Vec<u8>>;

fn store(stored: &mut Stored, output: &StepOutput) {
    for (key, value) in &output.state {
        match value {
            Some(value) => _ = stored.insert(key.clone(), value.clone()),
            None => _ = stored.remove(key),
        }
    }
}

fn entries(stored: &Stored) -> Vec<(Vec<u8>, Vec<u8>)> {
    stored.clone().into_iter().collect()
}

fn rows(output: &StepOutput) -> Vec<String> {
    let mut rows = Vec::new();
    for result in &output.results {
        for row in 0..result.table.rows {
            let values = result.table.columns.iter().map(|column| column.as_ref().map(|column| column.value(row)));
            rows.push(format!("{:?}", values.collect::<Vec<_>>()));
        }
    }
    rows.sort();
    rows
}

/// Runs some steps, in one engine and in one that is made anew before each of them.
pub fn run(text: &str, random: &mut Random) {
    if let Some(program) = program(text, random) {
        run_program(&program, random);
    }
}

fn run_program(program: &Program, random: &mut Random) {
    let Ok(mut engine) = Engine::new(program, settings()) else { return };
    let batch_mode = program.queries[0].mode == OutputMode::Batch;
    let (mut stored, mut tables) = (Stored::new(), Vec::new());
    for number in 1..=STEPS {
        let batch = batch(number, random);
        if !batch.tables.is_empty() {
            tables = batch.tables.clone();
        }
        let mut restarted = Engine::new(program, settings()).expect("it could be made before");
        let taken = restarted.restore(&entries(&stored));
        assert_eq!(taken, Ok(Vec::new()), "stored state is taken up");
        let output = engine.step(&batch);
        if !batch_mode {
            let again = restarted.step(&Batch { tables: tables.clone(), ..batch });
            assert_eq!(rows(&again), rows(&output), "step {number} after a restart");
            assert_eq!(again.state, output.state, "step {number} stores the same after a restart");
        }
        store(&mut stored, &output);
    }
    engine.finish();
    engine.status();
}

/// Restores what a query stored, damaged; what is taken up has to run.
pub fn restore_damaged(text: &str, random: &mut Random) {
    let Some(program) = program(text, random) else { return };
    let Ok(mut engine) = Engine::new(&program, settings()) else { return };
    let mut stored = Stored::new();
    for number in 1..=1 + random.below(STEPS) {
        store(&mut stored, &engine.step(&batch(number, random)));
    }
    for _ in 0..8 {
        let mut entries = entries(&stored);
        if entries.is_empty() {
            return;
        }
        for _ in 0..=random.below(3) {
            let at = random.below(entries.len() as u64) as usize;
            let other = random.below(entries.len() as u64) as usize;
            match random.below(6) {
                0 => entries[at].0 = mutate::bytes(&entries[at].0, random),
                1 => entries[at].1 = entries[other].1.clone(),
                2 if entries.len() > 1 => drop(entries.remove(at)),
                _ => entries[at].1 = mutate::bytes(&entries[at].1, random),
            }
        }
        let mut damaged = Engine::new(&program, settings()).expect("it could be made before");
        if damaged.restore(&entries).is_ok() {
            damaged.step(&batch(STEPS + 1, random));
            damaged.step(&batch(STEPS + 2, random));
        }
    }
}

const SCRIPTS: &[&str] = &[
    r#"fn update(key, state, rows, now) {
        if state == () { state = #{ n: 0, seen: [] }; }
        for row in rows { state.n += 1; if row.temperature != () { state.seen.push(row.temperature); } }
        timeout_at(now + minutes(5));
        #{ device: key, n: state.n }
    }"#,
    r#"fn update(key, state, rows, now) {
        if rows.is_empty() { state = (); return [#{ device: key, n: -1 }]; }
        let text = key + ": ";
        for row in rows { text += `${row.number}`; }
        state = text.len();
        let out = [];
        for i in 0..rows.len() { out.push(#{ device: text.sub_string(0, i), n: i * i }); }
        out
    }"#,
    "fn fib(n) { if n < 2 { n } else { fib(n - 1) + fib(n - 2) } } fn update(key, state, rows, now) { state = fib(20); }",
    "fn update(key, state, rows, now) { let x = [1]; loop { x += x; } }",
];

/// State functions whose script was damaged.
pub fn scripts(random: &mut Random, watch: &Watch) {
    let text = mutate::bytes(mutate::pick(SCRIPTS, random).as_bytes(), random);
    let script = String::from_utf8_lossy(&text).into_owned();
    watch.works_on(&script);
    let sources = sources();
    let catalog = Catalog { sources: &sources, ..Catalog::default() };
    let mut query =
        plan_query("q", "SELECT device, ts, temperature, number FROM readings", OutputMode::Append, &catalog).expect("it is right");
    query.output = vec![Field::new("device", DataType::String), Field::new("n", DataType::BigInt)];
    query.root = Relation::StateFunction(StateFunction {
        input: Box::new(query.root.clone()),
        keys: vec![0],
        script: script.as_str().into(),
        function: "update".to_owned(),
        timeout: [Timeout::None, Timeout::EventTime, Timeout::ProcessingTime][random.below(3) as usize],
        output: query.output.clone(),
        initial: Vec::new(),
    });
    run_program(&Program { sources, queries: vec![query], ..Program::default() }, random);
}
