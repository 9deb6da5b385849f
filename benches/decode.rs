//! CPU-seconds per million payloads: the decoder into columns, and serde_json into a struct, in the same run.
//!
//!     cargo bench --bench decode [millions]
//!
//! Payloads are made beforehand: 1,000 devices in turn, `{"device":"dev-0001","ts":1767225603000,"temperature":20.6,"humidity":41.4}`.
//! Batches of 10,000 rows are taken from the table, as a gateway would. CPU time is this process's, so that other load does not count.

use std::hint::black_box;

use tidemill::format::{
    BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoder, EventTimeMissing, Format, Message, OpenTable, Origin, PatternLevel,
    TimestampUnit, TopicPattern,
};
use tidemill::types::DataType;

const PAYLOADS: usize = 200_000;
const BATCH_ROWS: usize = 10_000;
const ROUNDS: usize = 5;

#[derive(serde::Deserialize)]
struct Reading<'a> {
    device: &'a str,
    ts: i64,
    temperature: f64,
    humidity: f64,
}

fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}

fn settings(topic_columns: bool) -> DecodeSettings {
    let column = |name: &str, data_type| ColumnLayout { name: name.into(), data_type, origin: Origin::Payload(vec![name.into()]) };
    let device = match topic_columns {
        false => column("device", DataType::String),
        true => ColumnLayout { name: "device".into(), data_type: DataType::String, origin: Origin::Topic(0) },
    };
    let text = |level: &str| PatternLevel::Text(level.into());
    DecodeSettings {
        compression: None,
        format: Format::Json,
        columns: vec![
            device,
            column("ts", DataType::Timestamp),
            column("temperature", DataType::Double),
            column("humidity", DataType::Double),
        ],
        patterns: vec![TopicPattern { levels: vec![text("sensors"), PatternLevel::Capture(0), text("climate")] }],
        timestamp_unit: TimestampUnit::Millis,
        timestamp_zone: None,
        bad_records: BadRecords::DeadLetter,
        coerce: Coerce::Strict,
        event_time: Some(1),
        event_time_missing: EventTimeMissing::DeadLetter,
    }
}

/// Decodes all payloads `repeats` times; returns the rows.
fn ours(settings: &DecodeSettings, topics: &[String], payloads: &[Vec<u8>], repeats: usize) -> usize {
    let needed = [true; 4];
    let mut decoder = Decoder::new(settings, &needed, 42).expect("the settings are right");
    let mut table = OpenTable::new(settings, &needed);
    let mut rows = 0;
    for _ in 0..repeats {
        for (number, payload) in payloads.iter().enumerate() {
            let message = Message { topic: &topics[number % topics.len()], place: None, payload, arrived_us: 0, retained: false };
            rows += decoder.decode(&message, &mut table).expect("the payloads are right").rows;
            if table.rows() == BATCH_ROWS {
                black_box(table.take());
            }
        }
    }
    rows
}

fn serde_json(payloads: &[Vec<u8>], repeats: usize) -> usize {
    let mut rows = 0;
    for _ in 0..repeats {
        for payload in payloads {
            let reading: Reading = serde_json::from_slice(payload).expect("the payloads are right");
            black_box((reading.device, reading.ts, reading.temperature, reading.humidity));
            rows += 1;
        }
    }
    rows
}

/// The best of some rounds, per million payloads.
fn measure(payloads: usize, mut work: impl FnMut() -> usize) -> f64 {
    let round = || {
        let start = cpu_seconds();
        assert_eq!(black_box(work()), payloads);
        (cpu_seconds() - start) * 1e6 / payloads as f64
    };
    std::iter::repeat_with(round).take(ROUNDS).fold(f64::INFINITY, f64::min)
}

fn main() {
    let millions: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let repeats = millions * 1_000_000 / PAYLOADS;
    let total = repeats * PAYLOADS;
    let payload = |number: usize| {
        let (device, time) = (number % 1000, 1_767_225_600_000 + number as u64 * 37);
        let (temperature, humidity) = (180 + number * 7 % 90, 300 + number * 13 % 400);
        let head = format!("{{\"device\":\"dev-{device:04}\",\"ts\":{time},\"temperature\":{}.{}", temperature / 10, temperature % 10);
        format!("{head},\"humidity\":{}.{}}}", humidity / 10, humidity % 10).into_bytes()
    };
    let payloads: Vec<Vec<u8>> = (0..PAYLOADS).map(payload).collect();
    let topics: Vec<String> = (0..1000).map(|number| format!("sensors/dev-{number:04}/climate")).collect();
    // Pretty members in another order than the schema's, a field that nobody reads, and now and then another shape.
    let mixed = |number: usize| {
        let text = String::from_utf8(payload(number)).expect("it is text").replace(':', ": ").replace(',', ", ");
        let more = if number.is_multiple_of(10) { "\"battery\": 3.1, \"extra\": {\"a\": [1, 2]}" } else { "\"battery\": 3.1" };
        text.replacen('{', &format!("{{{more}, "), 1).into_bytes()
    };
    let mixed: Vec<Vec<u8>> = (0..PAYLOADS).map(mixed).collect();

    let serde = measure(total, || serde_json(&payloads, repeats));
    println!("CPU-seconds per million payloads, best of {ROUNDS} rounds of {total}");
    println!("serde_json into a struct            {serde:.4}");
    for (name, settings, payloads) in [
        ("columns, device from the payload", settings(false), &payloads),
        ("columns, device from the topic", settings(true), &payloads),
        ("columns, spaced, two shapes, extras", settings(false), &mixed),
    ] {
        let seconds = measure(total, || ours(&settings, &topics, payloads, repeats));
        println!("{name:<35} {seconds:.4}   {:.2} of serde_json", seconds / serde);
    }
}
