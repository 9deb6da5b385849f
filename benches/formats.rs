//! Rows a second of one core and CPU time a row, format by format: the same reading of 1,000 devices, written as each format writes it, decoded into columns.
//!
//!     cargo bench --bench formats [millions]
//!
//! Payloads of one row each are made beforehand (compressed ones hold ten, so that there is something to compress; NMEA's is a sentence of a GPS). Batches of 10,000 rows are taken from the
//! table, as a gateway would. CPU time is this process's, so that other load does not count; JSON in the same run is the base.

use std::hint::black_box;
use std::io::Write;

use tidemill::format::csv::{CsvHeader, CsvSettings};
use tidemill::format::layout::{BinaryField, Endian, Item, Kind, Layout, Scaling};
use tidemill::format::{
    ColumnLayout, Compression, CompressionMethod, DecodeSettings, Decoder, Format, KeyValueSettings, Message, OpenTable, Origin,
};
use tidemill::types::DataType;

const PAYLOADS: usize = 20_000;
const BATCH_ROWS: usize = 10_000;
const ROUNDS: usize = 5;
const COMPRESSED_ROWS: usize = 10;

/// One reading, in numbers that every format can write.
struct Reading {
    device: usize,
    seconds: i64,
    tenths: i64,
    humidity: i64,
}

impl Reading {
    fn new(number: usize) -> Reading {
        let tenths = 180 + number as i64 * 7 % 90;
        Reading { device: number % 1000, seconds: 1_767_225_600 + number as i64, tenths, humidity: 30 + number as i64 * 13 % 40 }
    }

    fn celsius(&self) -> String {
        format!("{}.{}", self.tenths / 10, self.tenths % 10)
    }

    fn json(&self) -> String {
        format!(
            r#"{{"device":"dev-{:04}","ts":{},"temperature":{},"humidity":{}}}"#,
            self.device,
            self.seconds,
            self.celsius(),
            self.humidity
        )
    }
}

struct Case {
    name: &'static str,
    settings: DecodeSettings,
    rows: usize,
    write: fn(&Reading) -> Vec<u8>,
}

fn column(name: &str, data_type: DataType) -> ColumnLayout {
    ColumnLayout { name: name.into(), data_type, origin: Origin::Payload(vec![name.into()]) }
}

fn settings(format: Format, columns: &[(&str, DataType)]) -> DecodeSettings {
    let columns = columns.iter().map(|(name, data_type)| column(name, data_type.clone())).collect();
    DecodeSettings { format, ..DecodeSettings::json(columns) }
}

fn reading(format: Format) -> DecodeSettings {
    use DataType::{Double, String, Timestamp};
    settings(format, &[("device", String), ("ts", Timestamp), ("temperature", Double), ("humidity", Double)])
}

fn value() -> DecodeSettings {
    let mut settings = settings(Format::Value, &[("temperature", DataType::Double)]);
    settings.columns[0].origin = Origin::Payload(Vec::new());
    settings
}

fn compressed(method: CompressionMethod) -> DecodeSettings {
    DecodeSettings { compression: Some(Compression { method, expanded_bytes_max: 1 << 20 }), ..reading(Format::Json) }
}

fn layout() -> Format {
    let field = |name: &str, kind, scaling| {
        Item::Field(BinaryField { name: name.into(), offset: None, kind, endian: Endian::Big, scaling, bits: Vec::new() })
    };
    let items = vec![
        field("device", Kind::Text(Some(8)), None),
        field("ts", Kind::Unsigned(4), None),
        field("temperature", Kind::Signed(2), Some(Scaling { scale: 0.1, add: 0.0 })),
        field("humidity", Kind::Unsigned(1), None),
    ];
    Format::Binary(Layout { items, rest_ignored: false })
}

fn cbor(reading: &Reading) -> Vec<u8> {
    let mut bytes = b"\xa4\x66device\x68".to_vec();
    bytes.extend(format!("dev-{:04}", reading.device).bytes());
    bytes.extend(b"\x62ts\x1a");
    bytes.extend((reading.seconds as u32).to_be_bytes());
    bytes.extend(b"\x6btemperature\xfb");
    bytes.extend((reading.tenths as f64 / 10.0).to_be_bytes());
    bytes.extend([&b"\x68humidity\x18"[..], &[reading.humidity as u8]].concat());
    bytes
}

fn binary(reading: &Reading) -> Vec<u8> {
    let mut bytes = format!("dev-{:04}", reading.device).into_bytes();
    bytes.extend((reading.seconds as u32).to_be_bytes());
    bytes.extend((reading.tenths as i16).to_be_bytes());
    bytes.push(reading.humidity as u8);
    bytes
}

fn senml_cbor(reading: &Reading) -> Vec<u8> {
    let mut bytes = b"\x81\xa4\x00\x68".to_vec();
    bytes.extend(format!("dev-{:04}", reading.device).bytes());
    bytes.extend(b"\x01\x63Cel\x06\x1a");
    bytes.extend((reading.seconds as u32).to_be_bytes());
    bytes.extend(b"\x02\xfb");
    bytes.extend((reading.tenths as f64 / 10.0).to_be_bytes());
    bytes
}

fn nmea(reading: &Reading) -> Vec<u8> {
    let second = reading.seconds % 60;
    let body = format!("GPRMC,1235{second:02},A,4807.{:03},N,01131.000,E,022.4,084.4,230394,003.1,W", reading.device);
    let sum = body.bytes().fold(0, |xor, byte| xor ^ byte);
    format!("${body}*{sum:02X}").into_bytes()
}

/// An array of several readings.
fn several(reading: &Reading) -> String {
    let one = |number: usize| Reading::new(reading.device * 7 + number).json();
    format!("[{}]", (0..COMPRESSED_ROWS).map(one).collect::<Vec<_>>().join(","))
}

fn gzip(reading: &Reading) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(several(reading).as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd(reading: &Reading) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(several(reading).as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

fn cases() -> Vec<Case> {
    use DataType::{Double, String, Timestamp};
    let case = |name, settings, write| Case { name, settings, rows: 1, write };
    let of_many = |name, settings, write| Case { name, settings, rows: COMPRESSED_ROWS, write };
    let pattern = r"^(?<device>\S+) at (?<ts>\d+): (?<temperature>[-0-9.]+) C, (?<humidity>\d+) %$".to_owned();
    let key_value = KeyValueSettings { value_separator: '=', pair_separator: ' ' };
    let line_protocol = settings(
        Format::LineProtocol { unit_ns: 1_000_000_000 },
        &[("device", String), ("time", Timestamp), ("temperature", Double), ("humidity", Double)],
    );
    let senml = |format| settings(format, &[("n", String), ("u", String), ("t", Timestamp), ("v", Double)]);
    let nmea_settings = settings(Format::Nmea, &[("status", String), ("ts", Timestamp), ("lat", Double), ("lon", Double)]);
    vec![
        case("json", reading(Format::Json), |r| r.json().into_bytes()),
        of_many("json, ten rows a payload", reading(Format::Json), |r| several(r).into_bytes()),
        of_many("json, ten rows, gzip", compressed(CompressionMethod::Gzip), gzip),
        of_many("json, ten rows, zstd", compressed(CompressionMethod::Zstd), zstd),
        case("value", value(), |r| r.celsius().into_bytes()),
        case("cbor", reading(Format::Cbor), cbor),
        case("csv", reading(Format::Csv(CsvSettings { header: CsvHeader::None, escape: b'"', ..CsvSettings::default() })), |r| {
            format!("dev-{:04},{},{},{}", r.device, r.seconds, r.celsius(), r.humidity).into_bytes()
        }),
        case("text", reading(Format::Text { pattern }), |r| {
            format!("dev-{:04} at {}: {} C, {} %", r.device, r.seconds, r.celsius(), r.humidity).into_bytes()
        }),
        case("key_value", reading(Format::KeyValue(key_value)), |r| {
            format!("device=dev-{:04} ts={} temperature={} humidity={}", r.device, r.seconds, r.celsius(), r.humidity).into_bytes()
        }),
        case("binary", reading(layout()), binary),
        case("line_protocol", line_protocol, |r| {
            format!("climate,device=dev-{:04} temperature={},humidity={} {}", r.device, r.celsius(), r.humidity, r.seconds).into_bytes()
        }),
        case("senml", senml(Format::SenmlJson), |r| {
            format!(r#"[{{"n":"dev-{:04}","u":"Cel","t":{},"v":{}}}]"#, r.device, r.seconds, r.celsius()).into_bytes()
        }),
        case("senml_cbor", senml(Format::SenmlCbor), senml_cbor),
        case("nmea", nmea_settings, nmea),
    ]
}

fn cpu_seconds() -> f64 {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
}

/// Decodes all payloads `repeats` times; returns the rows, and how many fields were NULL.
fn decode(settings: &DecodeSettings, payloads: &[Vec<u8>], repeats: usize) -> (usize, usize) {
    let needed = vec![true; settings.columns.len()];
    let mut decoder = Decoder::new(settings, &needed, 42).expect("the settings are right");
    let mut table = OpenTable::new(settings, &needed);
    let (mut rows, mut nulled) = (0, 0);
    for _ in 0..repeats {
        for payload in payloads {
            let message = Message { topic: "t", place: None, payload, arrived_us: 0, retained: false };
            let decoded = decoder.decode(&message, &mut table).expect("the payloads are right");
            rows += decoded.rows;
            nulled += decoded.nulled_fields;
            if table.rows() >= BATCH_ROWS {
                black_box(table.take());
            }
        }
    }
    (rows, nulled)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let millions: f64 = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1.0);
    // Run with the tests: small.
    let is_test = !arguments.iter().any(|argument| argument == "--bench");
    let (total, rounds) = if is_test { (PAYLOADS / 20, 1) } else { ((millions * 1e6) as usize, ROUNDS) };
    let readings: Vec<Reading> = (0..PAYLOADS.min(total)).map(Reading::new).collect();
    println!("best of {rounds} rounds of {total} rows");
    println!("{:<26} {:>9} {:>12} {:>12} {:>9}", "format", "bytes/row", "rows/CPU-s", "CPU µs/row", "of json");
    let mut json = None;
    for Case { name, settings, rows, write } in cases() {
        let payloads: Vec<Vec<u8>> = readings.iter().take((total / rows).max(1)).map(write).collect();
        let repeats = (total / (payloads.len() * rows)).max(1);
        let expected = payloads.len() * rows * repeats;
        let round = || {
            let start = cpu_seconds();
            let (decoded, nulled) = black_box(decode(&settings, &payloads, repeats));
            assert_eq!((decoded, nulled), (expected, 0), "{name}");
            (cpu_seconds() - start) / expected as f64
        };
        let seconds = std::iter::repeat_with(round).take(rounds).fold(f64::INFINITY, f64::min);
        let base = *json.get_or_insert(seconds);
        let bytes = payloads.iter().map(Vec::len).sum::<usize>() / (payloads.len() * rows);
        println!("{name:<26} {bytes:>9} {:>12.0} {:>12.3} {:>9.1}", 1.0 / seconds, seconds * 1e6, seconds / base);
    }
}
