//! The engine by itself: what a message costs in each kind of query, with many queries and with many keys; state through the real store.
//!
//! `cargo bench --bench engine [-- kinds|queries|keys|state] [--quick]`. Everything in one process and one run, so that ratios hold on a busy machine; CPU
//! time is this process's. Messages are decoded into columns first and outside the measurement, except for `queries`, which is about sharing that.

#[expect(dead_code, reason = "other benchmarks look at other processes")]
#[path = "measure/mod.rs"]
mod measure;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use measure::{Call, Process, figure};
use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table, TableVersion};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::format::{
    BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoder, EventTimeMissing, Format, Message, OpenTable, Origin, TimestampUnit,
};
use tidemill::plan::{EventTime, OutputMode, Program, Relation, StateFunction, TableColumn, TableSchema, Timeout};
use tidemill::sql::{Catalog, plan_query};
use tidemill::store::{ChangeSet, DiskStore, StoreSettings};
use tidemill::types::{DataType, Field};

const BATCH_ROWS: usize = 10_000;
/// Of one query and of a hundred; the least counts.
const ROUNDS: usize = 5;
const BEGAN_MS: u64 = 1_767_225_600_000;
const AGGREGATES: &str = "count(*) AS n, avg(temperature) AS a, min(temperature) AS lo, max(temperature) AS hi";

/// Readings as they come: which device, and when.
struct Load {
    messages: usize,
    devices: usize,
    /// Between two messages.
    gap_us: u64,
}

impl Load {
    fn payload(&self, number: usize) -> Vec<u8> {
        // Every device once in each round, in an order of its own.
        let device = number * 618_033_989 % self.devices;
        let ts = BEGAN_MS + number as u64 * self.gap_us / 1_000;
        let (temperature, humidity) = (180 + number * 7 % 90, 300 + number * 13 % 400);
        let head = format!("{{\"device\":\"dev-{device:07}\",\"ts\":{ts},\"temperature\":{}.{}", temperature / 10, temperature % 10);
        format!("{head},\"humidity\":{}.{}}}", humidity / 10, humidity % 10).into_bytes()
    }

    /// Decoded, in batches.
    fn tables(&self) -> Vec<Table> {
        let mut decoding = Decoding::new();
        let mut tables = Vec::new();
        for number in 0..self.messages {
            decoding.decode(&self.payload(number));
            if decoding.open.rows() == BATCH_ROWS || number + 1 == self.messages {
                tables.push(decoding.open.take());
            }
        }
        tables
    }
}

struct Decoding {
    decoder: Decoder,
    open: OpenTable,
}

impl Decoding {
    fn new() -> Decoding {
        let column =
            |field: Field| ColumnLayout { origin: Origin::Payload(vec![field.name.clone()]), name: field.name, data_type: field.data_type };
        let settings = DecodeSettings {
            compression: None,
            format: Format::Json,
            columns: fields().into_iter().map(column).collect(),
            patterns: Vec::new(),
            timestamp_unit: TimestampUnit::Millis,
            timestamp_zone: None,
            bad_records: BadRecords::DeadLetter,
            coerce: Coerce::Strict,
            event_time: Some(1),
            event_time_missing: EventTimeMissing::DeadLetter,
        };
        let needed = [true; 4];
        let decoder = Decoder::new(&settings, &needed, 7).expect("the settings are right");
        Decoding { decoder, open: OpenTable::new(&settings, &needed) }
    }

    fn decode(&mut self, payload: &[u8]) {
        let message = Message { topic: "", place: None, payload, arrived_us: 0, retained: false };
        self.decoder.decode(&message, &mut self.open).expect("the payloads are right");
    }
}

fn fields() -> Vec<Field> {
    let columns =
        [("device", DataType::String), ("ts", DataType::Timestamp), ("temperature", DataType::Double), ("humidity", DataType::Double)];
    columns.map(|(name, data_type)| Field::new(name, data_type)).to_vec()
}

fn schema(name: &str, fields: Vec<Field>, event_time: Option<EventTime>) -> TableSchema {
    let columns = fields.into_iter().map(|field| TableColumn { field, hidden: false }).collect();
    TableSchema { name: name.to_owned(), columns, event_time }
}

fn program(mode: OutputMode, texts: &[String]) -> Program {
    let event_time = Some(EventTime { column: 1, delay_us: Some(5_000_000) });
    let sources = vec![schema("readings", fields(), event_time), schema("others", fields(), event_time)];
    let room = ["device", "room"].map(|name| Field::new(name, DataType::String)).to_vec();
    let mut program = Program { sources, tables: vec![schema("rooms", room, None)], ..Program::default() };
    for (number, text) in texts.iter().enumerate() {
        let catalog = Catalog { sources: &program.sources, tables: &program.tables, ..Catalog::default() };
        let query = plan_query(&format!("q{number}"), text, mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
        program.queries.push(query);
    }
    program
}

fn engine(program: &Program) -> Engine {
    let settings = EngineSettings { keys_max: 1 << 21, state_bytes_max: 4 << 30, ..EngineSettings::default() };
    Engine::new(program, settings).expect("the program is right")
}

fn batch(number: usize, readings: Table, others: Option<Table>) -> Batch {
    let mut inputs = vec![SourceInput { source: 0, table: readings, idle: false }];
    inputs.extend(others.map(|table| SourceInput { source: 1, table, idle: false }));
    Batch { number: number as u64 + 1, stamp: Stamp::default(), inputs, ..Batch::default() }
}

/// What a row cost.
struct Cost {
    cpu_us: f64,
    /// Of state that changed.
    bytes: f64,
    entries: f64,
}

/// Runs batches; nothing may fail.
fn run(engine: &mut Engine, batches: &[Batch]) -> Cost {
    let rows: usize = batches.iter().flat_map(|batch| &batch.inputs).map(|input| input.table.rows).sum();
    let (mut bytes, mut entries) = (0, 0);
    let before = Process::own().cpu_us();
    for batch in batches {
        let output = black_box(engine.step(batch));
        assert!(output.rejects.is_empty(), "{:?}", output.rejects.first());
        entries += output.state.len();
        bytes += output.state.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
    }
    let a_row = |count: f64| count / rows as f64;
    Cost { cpu_us: a_row(Process::own().cpu_us() - before), bytes: a_row(bytes as f64), entries: a_row(entries as f64) }
}

fn rooms(devices: usize) -> TableVersion {
    let mut builders = [0; 2].map(|_| ColumnBuilder::new(&DataType::String, devices));
    for device in 0..devices {
        builders[0].push_text(&format!("dev-{device:07}"));
        builders[1].push_text(&format!("room {}", device % 40));
    }
    let columns = builders.into_iter().map(|builder| Some(builder.finish())).collect();
    TableVersion { table: 0, rows: Arc::new(Table { rows: devices, columns }) }
}

const SCRIPT: &str = "fn update(key, state, rows, now) { if state == () { state = 0; } state += rows.len(); }";

/// What a message costs in each kind of query: 1,000 devices, two hours in event time.
fn kinds(messages: usize) {
    let load = Load { messages, devices: 1_000, gap_us: 7_200_000_000 / messages as u64 };
    let grouped = |keys: &str| format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device, {keys}");
    let over = |calls: &str| format!("SELECT device, ts, {calls} FROM readings");
    let by_device = "OVER (PARTITION BY device ORDER BY ts)";
    let join = |kind: &str| {
        format!(
            "SELECT r.device, r.temperature, o.humidity FROM readings r {kind} JOIN others o ON r.device = o.device AND o.ts BETWEEN r.ts AND r.ts + INTERVAL 5 SECONDS"
        )
    };
    let kinds: Vec<(&str, OutputMode, String)> = vec![
        ("filter", OutputMode::Append, "SELECT device, temperature * 1.8 + 32 AS f FROM readings WHERE temperature > 20".into()),
        ("tumbling_10m", OutputMode::Append, grouped("window(ts, '10 minutes')")),
        ("sliding_10m_by_1m", OutputMode::Append, grouped("window(ts, '10 minutes', '1 minute')")),
        ("local_day", OutputMode::Append, grouped("local_window(ts, '1 day', 'Europe/Berlin')")),
        ("session", OutputMode::Append, grouped("session_window(ts, '30 seconds')")),
        ("count_window", OutputMode::Append, grouped("count_window(100)")),
        ("state_window", OutputMode::Append, grouped("state_window(temperature > 25, temperature < 20)")),
        ("update", OutputMode::Update, format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device")),
        (
            "percentile_approx",
            OutputMode::Append,
            "SELECT device, percentile_approx(temperature, 0.95) AS p FROM readings GROUP BY device, window(ts, '10 minutes')".into(),
        ),
        ("over_lag", OutputMode::Append, over(&format!("lag(temperature) {by_device} AS p"))),
        ("over_ewma_rate", OutputMode::Append, over(&format!("ewma(temperature, 0.2) {by_device} AS e, rate(humidity) {by_device} AS r"))),
        (
            "join_table",
            OutputMode::Append,
            "SELECT r.device, room, temperature FROM readings r JOIN rooms ON r.device = rooms.device".into(),
        ),
        ("join_streams", OutputMode::Append, join("")),
        ("join_streams_left", OutputMode::Append, join("LEFT")),
        ("state_function", OutputMode::Append, over("temperature")),
    ];
    let tables = load.tables();
    for (name, mode, text) in kinds {
        let mut program = program(mode, &[text]);
        if name == "state_function" {
            let query = &mut program.queries[0];
            query.output = vec![Field::new("n", DataType::BigInt)];
            query.root = Relation::StateFunction(StateFunction {
                input: Box::new(query.root.clone()),
                keys: vec![0],
                script: SCRIPT.into(),
                function: "update".to_owned(),
                timeout: Timeout::None,
                output: query.output.clone(),
                initial: Vec::new(),
            });
        }
        let two = name.starts_with("join_streams");
        let mut batches: Vec<Batch> =
            tables.iter().enumerate().map(|(number, table)| batch(number, table.clone(), two.then(|| table.clone()))).collect();
        batches[0].tables.push(rooms(load.devices));
        figure(&format!("engine.kind.{name}.cpu_us"), run(&mut engine(&program), &batches).cpu_us);
    }
}

/// Decoding and running one query, and a hundred of them.
fn queries(messages: usize) {
    let load = Load { messages, devices: 1_000, gap_us: 7_200_000_000 / messages as u64 };
    let payloads: Vec<Vec<u8>> = (0..messages).map(|number| load.payload(number)).collect();
    let window =
        |number: usize| format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device, window(ts, '{} minutes')", 1 + number % 30);
    let filter =
        |number: usize| format!("SELECT device, temperature FROM readings WHERE device = 'dev-{:07}' AND temperature > 20", number);
    let cost = |texts: &[String]| {
        let (mut engine, mut decoding) = (engine(&program(OutputMode::Append, texts)), Decoding::new());
        let before = Process::own().cpu_us();
        for (number, payloads) in payloads.chunks(BATCH_ROWS).enumerate() {
            payloads.iter().for_each(|payload| decoding.decode(payload));
            black_box(engine.step(&batch(number, decoding.open.take(), None)));
        }
        (Process::own().cpu_us() - before) / messages as f64
    };
    for (name, text) in [("windows", &window as &dyn Fn(usize) -> String), ("filters", &filter)] {
        let least = |texts: &[String]| (0..ROUNDS).map(|_| cost(texts)).fold(f64::INFINITY, f64::min);
        let one = least(&[text(0)]);
        let hundred = least(&(0..100).map(text).collect::<Vec<_>>());
        figure(&format!("engine.queries.{name}.1.cpu_us"), one);
        figure(&format!("engine.queries.{name}.100.cpu_us"), hundred);
        figure(&format!("engine.queries.{name}.ratio"), hundred / one);
    }
}

/// What a message costs, and a key takes, with more and more keys.
fn keys(messages: usize, most: usize) {
    let text = format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device, window(ts, '1 hour')");
    let mut devices = 1_000;
    while devices <= most {
        let load = Load { messages: devices.max(messages) + messages, devices, gap_us: 100 };
        let tables = load.tables();
        let batches: Vec<Batch> = tables.into_iter().enumerate().map(|(number, table)| batch(number, table, None)).collect();
        let (filling, steady) = batches.split_at(devices.max(messages) / BATCH_ROWS);
        let mut engine = engine(&program(OutputMode::Append, std::slice::from_ref(&text)));
        let before_mb = Process::own().resident_mb();
        let new = run(&mut engine, filling);
        let held = engine.status().remove(0);
        let cost = run(&mut engine, steady);
        figure(&format!("engine.keys.{devices}.new_cpu_us"), new.cpu_us);
        figure(&format!("engine.keys.{devices}.cpu_us"), cost.cpu_us);
        figure(&format!("engine.keys.{devices}.stored_bytes"), cost.bytes);
        figure(&format!("engine.keys.{devices}.stored_entries"), cost.entries);
        figure(&format!("engine.keys.{devices}.keys"), held.keys as f64);
        figure(&format!("engine.keys.{devices}.estimated_bytes_per_key"), held.bytes as f64 / held.keys as f64);
        figure(
            &format!("engine.keys.{devices}.resident_bytes_per_key"),
            (Process::own().resident_mb() - before_mb) * 1e6 / held.keys as f64,
        );
        devices *= 10;
    }
}

type Stored = BTreeMap<Vec<u8>, Vec<u8>>;

fn change(number: u64, output: &StepOutput) -> ChangeSet {
    let mut changes = ChangeSet { number, ..ChangeSet::default() };
    for (key, value) in &output.state {
        match value {
            Some(value) => changes.puts.push((key.clone(), value.clone())),
            None => changes.deletes.push(key.clone()),
        }
    }
    changes
}

/// State of many keys, all of them changed in one step, through the real store and back.
fn state(devices: usize) {
    let text = format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device, window(ts, '1 hour')");
    let program = program(OutputMode::Append, &[text]);
    let load = Load { messages: devices, devices, gap_us: 1 };
    let mut decoding = Decoding::new();
    (0..devices).for_each(|number| decoding.decode(&load.payload(number)));
    let all = batch(0, decoding.open.take(), None);
    let mut engine = engine(&program);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let settings = || StoreSettings::new(directory.path(), 1 << 30, 0, 0);
    let (mut store, _) = DiskStore::open(settings()).expect("opened");
    let mut bytes = Stored::new();
    for number in 1..=4 {
        let began = Instant::now();
        let output = engine.step(&all);
        let stepped = began.elapsed();
        let changes = change(number, &output);
        bytes.extend(changes.puts.iter().cloned());
        let began = Instant::now();
        store.commit(&changes).expect("committed");
        figure(&format!("engine.state.{devices}.step_{number}_ms"), stepped.as_secs_f64() * 1e3);
        figure(&format!("engine.state.{devices}.commit_{number}_ms"), began.elapsed().as_secs_f64() * 1e3);
    }
    let keys = engine.status()[0].keys;
    figure(&format!("engine.state.{devices}.keys"), keys as f64);
    figure(&format!("engine.state.{devices}.stored_bytes_per_key"), bytes.values().map(Vec::len).sum::<usize>() as f64 / keys as f64);
    store.close();
    let began = Instant::now();
    let (store, loaded) = DiskStore::open(settings()).expect("opened");
    let opened = began.elapsed();
    let mut restored = self::engine(&program);
    restored.restore(&loaded.entries).expect("taken up");
    assert_eq!(restored.status()[0].keys, keys);
    figure(&format!("engine.state.{devices}.open_ms"), opened.as_secs_f64() * 1e3);
    figure(&format!("engine.state.{devices}.restored_ms"), began.elapsed().as_secs_f64() * 1e3);
    store.close();
}

fn main() {
    let call = Call::of_process();
    if call.is_for_others("engine") {
        return;
    }
    let named = ["kinds", "queries", "keys", "state"].into_iter().any(|name| call.has(name));
    let wanted = |name: &str| call.has(name) || !named;
    let (messages, most, devices) = if call.is_quick() { (20_000, 10_000, 1_000) } else { (1_000_000, 1_000_000, 100_000) };
    if wanted("kinds") {
        kinds(messages);
    }
    if wanted("queries") {
        queries(messages / 5);
    }
    if wanted("keys") {
        keys(messages, most);
    }
    if wanted("state") {
        state(devices);
    }
}
