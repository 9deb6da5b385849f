//! Joins, per message: a stream with a reference table, two streams within a range of time, and repeats dropped, through decoder and engine.
//!
//! `cargo bench --bench joins [-- --messages N] [--rows N] [--quick]`. Payloads are decoded and run in batches of 1,000; the baseline is the same projection
//! without a join. Prints CPU µs a message and, for the reference table, what building its index takes and holds.

#[expect(dead_code, reason = "other benchmarks look at processes")]
#[path = "measure/mod.rs"]
mod measure;

use std::time::Instant;

use measure::Call;
use tidemill::batch::{Batch, SourceInput, Stamp, TableVersion};
use tidemill::engine::{Engine, EngineSettings};
use tidemill::format::csv::CsvSettings;
use tidemill::format::reference::{ReferenceContents, ReferenceFormat, ReferenceSettings};
use tidemill::format::{
    BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoder, EventTimeMissing, Format, Message, OpenTable, Origin, TimestampUnit,
};
use tidemill::plan::{EventTime, OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field};

const MESSAGES: u64 = 1_000_000;
const MESSAGES_QUICK: u64 = 20_000;
const ROWS: u64 = 100_000;
const ROWS_QUICK: u64 = 1_000;
const DEVICES: u64 = 1_000;
const BATCH: u64 = 1_000;
const BEGAN_MS: u64 = 1_767_225_600_000;

/// Name, the query, and whether repeats are dropped.
const CASES: [(&str, &str, bool); 5] = [
    ("without a join", "SELECT device, number FROM readings", false),
    ("reference table", "SELECT r.device, number, room FROM readings r JOIN devices d ON r.device = d.device", false),
    ("reference table, LEFT ANTI", "SELECT r.device, number FROM readings r LEFT ANTI JOIN devices d ON r.device = d.device", false),
    (
        "two streams within 10 s",
        "SELECT a.device, a.number, b.number AS other FROM readings a JOIN others b ON a.device = b.device AND a.number = b.number
         AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 10 SECONDS",
        false,
    ),
    ("repeats dropped", "SELECT device, number FROM readings", true),
];

fn main() {
    let call = Call::of_process();
    if call.is_for_others("joins") {
        return;
    }
    let quick = call.is_quick();
    let messages = call.number("--messages").unwrap_or(if quick { MESSAGES_QUICK } else { MESSAGES });
    let rows = call.number("--rows").unwrap_or(if quick { ROWS_QUICK } else { ROWS });
    let table = reference(rows);
    for (name, text, dedup) in CASES {
        run(name, text, dedup, messages, &table);
    }
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type)
}

fn schema(name: &str, fields: &[Field], event_time: Option<EventTime>) -> TableSchema {
    let columns = fields.iter().map(|field| TableColumn { field: field.clone(), hidden: false }).collect();
    TableSchema { name: name.to_owned(), columns, event_time }
}

fn reading_fields() -> Vec<Field> {
    vec![field("device", DataType::String), field("ts", DataType::Timestamp), field("number", DataType::BigInt)]
}

fn reference_fields() -> Vec<Field> {
    vec![field("device", DataType::String), field("room", DataType::String), field("high", DataType::Double)]
}

fn reference(rows: u64) -> ReferenceContents {
    let mut text = "device,room,high\n".to_owned();
    (0..rows).for_each(|row| text += &format!("dev-{row:06},room {},{}.5\n", row % 100, row % 40));
    let settings = ReferenceSettings {
        format: ReferenceFormat::Csv(CsvSettings::default()),
        fields: reference_fields(),
        rows_max: rows as usize,
        bytes_max: text.len(),
    };
    let began = Instant::now();
    let contents = ReferenceContents::read(&settings, text.as_bytes()).expect("well written");
    println!("{:<32} {:>8.1} ms for {rows} rows", "reading the table's file", began.elapsed().as_secs_f64() * 1e3);
    contents
}

fn decode_settings() -> DecodeSettings {
    let layout =
        |field: Field| ColumnLayout { origin: Origin::Payload(vec![field.name.clone()]), name: field.name, data_type: field.data_type };
    DecodeSettings {
        compression: None,
        format: Format::Json,
        columns: reading_fields().into_iter().map(layout).collect(),
        patterns: Vec::new(),
        timestamp_unit: TimestampUnit::Millis,
        timestamp_zone: None,
        bad_records: BadRecords::DeadLetter,
        coerce: Coerce::Strict,
        event_time: Some(1),
        event_time_missing: EventTimeMissing::DeadLetter,
    }
}

fn run(name: &str, text: &str, dedup: bool, messages: u64, table: &ReferenceContents) {
    let event_time = Some(EventTime { column: 1, delay_us: Some(10_000_000) });
    let sources = vec![schema("readings", &reading_fields(), event_time), schema("others", &reading_fields(), event_time)];
    let tables = vec![schema("devices", &reference_fields(), None)];
    let dedup = if dedup { vec![vec![0, 2]] } else { Vec::new() };
    let catalog = Catalog { sources: &sources, tables: &tables, dedup: &dedup, ..Catalog::default() };
    let query = plan_query("q", text, OutputMode::Append, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    let program = Program { sources, tables, queries: vec![query], ..Program::default() };
    let needed: Vec<Vec<bool>> = (0..2).map(|source| program.needed_columns(source)).collect();
    let streams = if needed[1].contains(&true) { 2 } else { 1 };
    let mut engine = Engine::new(&program, EngineSettings::default()).expect("planned");
    let decode = decode_settings();
    let mut inputs: Vec<(Decoder, OpenTable)> =
        (needed.iter()).map(|needed| (Decoder::new(&decode, needed, 7).expect("well set"), OpenTable::new(&decode, needed))).collect();
    let began = Instant::now();
    let versions = vec![TableVersion { table: 0, rows: table.rows.clone() }];
    engine.step(&Batch { number: 1, stamp: Stamp::default(), tables: versions, ..Batch::default() });
    let built_ms = began.elapsed().as_secs_f64() * 1e3;
    let (mut results, mut stored) = (0, 0);
    let began = Instant::now();
    let mut payload = Vec::new();
    for batch in 0..messages / BATCH / streams {
        for (decoder, open) in &mut inputs[..streams as usize] {
            for number in batch * BATCH..(batch + 1) * BATCH {
                payload.clear();
                let ts = BEGAN_MS + number;
                payload.extend_from_slice(format!(r#"{{"device":"dev-{:06}","ts":{ts},"number":{number}}}"#, number % DEVICES).as_bytes());
                decoder
                    .decode(&Message { topic: "", place: None, payload: &payload, arrived_us: 0, retained: false }, open)
                    .expect("well written");
            }
        }
        let taken = inputs[..streams as usize].iter_mut().enumerate();
        let inputs = taken.map(|(source, (_, open))| SourceInput { source, table: open.take(), idle: false }).collect();
        let output = engine.step(&Batch { number: batch + 2, stamp: Stamp::default(), inputs, ..Batch::default() });
        results += output.results.iter().map(|result| result.table.rows as u64).sum::<u64>();
        stored += output.state.iter().map(|(_, value)| value.as_ref().map_or(0, Vec::len)).sum::<usize>();
    }
    let each_us = began.elapsed().as_secs_f64() * 1e6 / messages as f64;
    let held: usize = engine.status()[0].bytes;
    let stored = stored as f64 / messages as f64;
    println!(
        "{name:<32} {each_us:>8.3} µs a message, {stored:>6.1} bytes stored a message, {held:>9} bytes held, {results} results, table in {built_ms:.1} ms"
    );
}
