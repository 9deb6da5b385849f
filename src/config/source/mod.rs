//! `[source.<name>]`: where rows come from and what their columns are. One file a type of source, for the keys that only it has.

mod asked;
mod columns;
pub mod custom;
mod file;
mod mqtt;
mod network;
mod serial;
mod simulate;
mod socket;
mod socket_tls;
pub mod status;

use std::time::Duration;

use super::diagnostic::{Diagnostic, Place};
use super::format;
use super::framing::{self, Medium};
use super::reader::{Context, Reader, shown};
use super::settings::{FileMode, SourceKind, SourceSettings};
use super::units::DURATION_MAX;
use crate::format::{
    BadRecords, Coerce, ColumnLayout, Compression, CompressionMethod, DecodeSettings, EventTimeMissing, Format, Origin, TimestampUnit,
};
use crate::plan::{EventTime, TableSchema};
pub use asked::Asked;
use columns::{columns, dedup, event_time, table_column};
use mqtt::Topics;
pub use network::Network;
pub use serial::{FlowControl, Parity, SerialDevice, SerialSettings, UsbDevice};
pub use socket::check_ports;
pub use socket::{Endpoint, TcpSettings, UdpSettings};
pub use socket_tls::TcpTls;

const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const FUTURE_DEFAULT: Duration = Duration::from_secs(86_400);
const PAYLOAD_BYTES_DEFAULT: u64 = 256 << 10;
const PAYLOAD_BYTES_MAX: u64 = 16 << 20;
const EXPANDED_BYTES_DEFAULT: u64 = 4 << 20;

pub const TIMESTAMP_UNITS: [(&str, TimestampUnit); 3] =
    [("s", TimestampUnit::Seconds), ("ms", TimestampUnit::Millis), ("us", TimestampUnit::Micros)];
const BAD_RECORDS: [(&str, BadRecords); 2] = [("dead_letter", BadRecords::DeadLetter), ("null_row", BadRecords::NullRow)];
const COERCE: [(&str, Coerce); 2] = [("strict", Coerce::Strict), ("lenient", Coerce::Lenient)];
const EVENT_TIME_MISSING: [(&str, EventTimeMissing); 3] =
    [("dead_letter", EventTimeMissing::DeadLetter), ("arrival", EventTimeMissing::Arrival), ("null", EventTimeMissing::Null)];

/// What a source reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceType {
    Mqtt,
    Stdin,
    Serial,
    Tcp,
    Udp,
    Simulate,
    File,
    Custom,
}

const TYPES: [(&str, SourceType); 8] = [
    ("mqtt", SourceType::Mqtt),
    ("stdin", SourceType::Stdin),
    ("serial", SourceType::Serial),
    ("tcp", SourceType::Tcp),
    ("udp", SourceType::Udp),
    ("simulate", SourceType::Simulate),
    ("file", SourceType::File),
    ("custom", SourceType::Custom),
];

/// Keys of one type, for those who give them with another.
const ELSEWHERE: [(&str, &str); 58] = [
    ("receiver", "sources of type \"custom\""),
    ("options", "sources of type \"custom\""),
    ("device", "sources of type \"serial\""),
    ("usb", "sources of type \"serial\""),
    ("baud", "sources of type \"serial\""),
    ("data_bits", "sources of type \"serial\""),
    ("parity", "sources of type \"serial\""),
    ("stop_bits", "sources of type \"serial\""),
    ("flow_control", "sources of type \"serial\""),
    ("exclusive", "sources of type \"serial\""),
    ("low_latency", "sources of type \"serial\""),
    ("skip_first", "sources of type \"serial\""),
    ("init", "sources of type \"serial\", \"tcp\" and \"udp\""),
    ("poll", "sources of type \"serial\", \"tcp\" and \"udp\""),
    ("poll_interval", "sources of type \"serial\", \"tcp\" and \"udp\""),
    ("listen", "sources of type \"tcp\" and \"udp\""),
    ("connect", "sources of type \"tcp\" and \"udp\""),
    ("allow", "sources of type \"tcp\" and \"udp\""),
    ("receive_buffer", "sources of type \"tcp\" and \"udp\""),
    ("interface", "sources of type \"udp\""),
    ("max_connections", "sources of type \"tcp\""),
    ("read_timeout", "sources of type \"tcp\""),
    ("frame_timeout", "sources of type \"tcp\""),
    ("framing", "sources that read bytes, not messages"),
    ("checksum", "sources that read bytes, not messages"),
    ("broker", "sources of type \"mqtt\""),
    ("topics", "sources of type \"mqtt\""),
    ("qos", "sources of type \"mqtt\""),
    ("protocol", "sources of type \"mqtt\""),
    ("client_id", "sources of type \"mqtt\""),
    ("username", "sources of type \"mqtt\""),
    ("password", "sources of type \"mqtt\""),
    ("ca_file", "sources of type \"mqtt\" and \"tcp\""),
    ("tls", "sources of type \"tcp\""),
    ("client_ca_file", "sources of type \"tcp\""),
    ("cert_file", "sources of type \"tcp\""),
    ("key_file", "sources of type \"tcp\""),
    ("server_name", "sources of type \"tcp\""),
    ("keep_alive", "sources of type \"mqtt\""),
    ("session_expiry", "sources of type \"mqtt\""),
    ("connect_timeout", "sources of type \"mqtt\" and \"tcp\""),
    ("retained", "sources of type \"mqtt\""),
    ("path", "sources of type \"file\""),
    ("mode", "sources of type \"file\""),
    ("pace", "sources of type \"file\""),
    ("speed", "sources of type \"file\""),
    ("start_at", "sources of type \"file\""),
    ("check_interval", "sources of type \"file\""),
    ("multi_line", "sources of type \"file\""),
    ("devices", "sources of type \"simulate\""),
    ("interval", "sources of type \"simulate\""),
    ("seed", "sources of type \"simulate\""),
    ("rows", "sources of type \"simulate\""),
    ("gaps", "sources of type \"simulate\""),
    ("late", "sources of type \"simulate\""),
    ("late_by", "sources of type \"simulate\""),
    ("duplicates", "sources of type \"simulate\""),
    ("fields", "sources of type \"simulate\""),
];

/// A source that could be read.
pub struct Source {
    pub settings: SourceSettings,
    pub schema: TableSchema,
    /// The columns that tell rows apart where repeats are dropped; none: they are not.
    pub dedup: Vec<usize>,
    /// Where its broker is named, or the port on which it listens, for messages.
    pub place: Place,
}

/// Reads the section. `None` if it is wrong, which has then been reported.
pub fn read(context: &mut Context, name: &str, mut reader: Reader, gateway: &str) -> Option<Source> {
    let errors_before = context.diagnostics.len();
    reader.require(context, "type", "\"mqtt\"");
    let known_type = reader.choice(context, "type", &TYPES);
    if known_type.is_none() && reader.has("type") {
        return None;
    }
    let source_type = known_type.unwrap_or(SourceType::Mqtt);
    let payload_bytes_max = reader.size(context, "max_payload", 16..=PAYLOAD_BYTES_MAX).unwrap_or(PAYLOAD_BYTES_DEFAULT) as usize;
    let mut format = format::read(context, &mut reader);
    let (kind, topics) = match source_type {
        SourceType::Mqtt => mqtt::read(context, name, &mut reader, gateway).unzip(),
        SourceType::Stdin => (Some(SourceKind::Stdin(framing::read(context, &mut reader, Medium::Stream, payload_bytes_max))), None),
        SourceType::Serial => (serial::read(context, &mut reader, payload_bytes_max), None),
        SourceType::Tcp => (socket::tcp(context, &mut reader, payload_bytes_max), None),
        SourceType::Udp => (socket::udp(context, &mut reader, payload_bytes_max), None),
        SourceType::Simulate => (simulate::read(context, &mut reader), None),
        SourceType::Custom => (custom::read(context, &mut reader), None),
        SourceType::File => (file::read(context, &mut reader, &mut format).map(|file| SourceKind::File(Box::new(file))), None),
    };
    if source_type == SourceType::Simulate && format != Format::Json {
        context.error(reader.value_place("format"), "simulated sensors speak JSON", "remove `format`");
    }
    let columns = columns(context, &mut reader, source_type, &format, topics.as_ref());
    let watermark = reader.duration(context, "watermark", Duration::ZERO..=DURATION_MAX);
    let event_time = event_time(context, &mut reader, columns.as_deref());
    let dedup = dedup(context, &mut reader, columns.as_deref(), watermark);
    let decode = decode_settings(context, &mut reader, format, columns.clone(), topics.as_ref());
    let idle_timeout = reader.duration(context, "idle_timeout", Duration::from_millis(100)..=DURATION_MAX).unwrap_or(IDLE_TIMEOUT_DEFAULT);
    let max_future = max_future(context, &mut reader);
    let silence_timeout = reader.duration(context, "silence_timeout", Duration::from_millis(100)..=DURATION_MAX);
    let rate_max = rate_max(context, &mut reader);
    let place = reader.key_place(if reader.has("listen") { "listen" } else { "broker" });
    let no_event_time = !reader.has("event_time");
    if let Some(SourceKind::File(file)) = &kind
        && matches!(file.mode, FileMode::Read { speed: Some(_) })
        && (no_event_time || reader.is_text("event_time", "_arrived"))
    {
        let help = "add `event_time`: the column that says when a row was recorded";
        context.error(reader.key_place("pace"), "pace = \"recorded\" without `event_time`", help);
    }
    reader.finish(context, &[&format::ELSEWHERE[..], &ELSEWHERE].concat());
    if context.diagnostics[errors_before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let (kind, mut decode, columns, event_column) = (kind?, decode?, columns?, event_time?);
    let arrived = columns.iter().position(|column| column.origin == Origin::Arrived);
    decode.event_time = Some(event_column).filter(|column| Some(*column) != arrived);
    // Arrival times never go back: without an event time a window may close as soon as it has passed.
    let delay = watermark.or(no_event_time.then_some(Duration::ZERO));
    let schema = TableSchema {
        name: name.to_owned(),
        columns: columns.iter().map(table_column).collect(),
        event_time: Some(EventTime { column: event_column, delay_us: delay.map(|delay| delay.as_micros() as i64) }),
    };
    let settings =
        SourceSettings { name: name.to_owned(), kind, decode, payload_bytes_max, idle_timeout, max_future, silence_timeout, rate_max };
    Some(Source { settings, schema, dedup, place })
}

fn decode_settings(
    context: &mut Context,
    reader: &mut Reader,
    format: Format,
    columns: Option<Vec<ColumnLayout>>,
    topics: Option<&Topics>,
) -> Option<DecodeSettings> {
    let timestamp_unit = reader.choice(context, "timestamp_unit", &TIMESTAMP_UNITS).unwrap_or(TimestampUnit::Seconds);
    let timestamp_zone = reader.text(context, "timestamp_zone");
    if let Some(zone) = &timestamp_zone
        && jiff::tz::TimeZone::get(&zone.value).is_err()
    {
        context.error(
            zone.place,
            format!("`{}` is not a time zone", shown(&zone.value)),
            "give an IANA name such as \"Europe/Berlin\"; the system's tzdata has to be installed",
        );
    }
    let bad_records = reader.choice(context, "bad_records", &BAD_RECORDS).unwrap_or(BadRecords::DeadLetter);
    let coerce = reader.choice(context, "coerce", &COERCE).unwrap_or(Coerce::Strict);
    let event_time_missing = reader.choice(context, "event_time_missing", &EVENT_TIME_MISSING).unwrap_or(EventTimeMissing::DeadLetter);
    if reader.has("event_time_missing") && !reader.has("event_time") {
        let help = "without event_time every row has its arrival time: name the column, or remove the key";
        context.error(reader.key_place("event_time_missing"), "`event_time_missing` without `event_time`", help);
    }
    let compression = compression(context, reader);
    Some(DecodeSettings {
        compression,
        format,
        columns: columns?,
        patterns: topics.map(|topics| topics.patterns.clone()).unwrap_or_default(),
        timestamp_unit,
        timestamp_zone: timestamp_zone.map(|zone| zone.value),
        bad_records,
        coerce,
        event_time: None,
        event_time_missing,
    })
}

/// `compression` and `max_expanded`.
fn compression(context: &mut Context, reader: &mut Reader) -> Option<Compression> {
    const METHODS: [(&str, Option<CompressionMethod>); 4] = [
        ("none", None),
        ("gzip", Some(CompressionMethod::Gzip)),
        ("zstd", Some(CompressionMethod::Zstd)),
        ("auto", Some(CompressionMethod::Auto)),
    ];
    let method = reader.choice(context, "compression", &METHODS).flatten();
    let expanded_bytes_max = reader.size(context, "max_expanded", 16..=PAYLOAD_BYTES_MAX).unwrap_or(EXPANDED_BYTES_DEFAULT) as usize;
    if method.is_none() && reader.has("max_expanded") {
        context.error(
            reader.key_place("max_expanded"),
            "`max_expanded` without `compression`",
            "remove it, or say how payloads are compressed",
        );
    }
    method.map(|method| Compression { method, expanded_bytes_max })
}

/// `max_rate`, by default none.
fn rate_max(context: &mut Context, reader: &mut Reader) -> Option<f64> {
    let rate = reader.number(context, "max_rate")?;
    if !(rate > 0.0 && rate.is_finite()) {
        context.error(reader.value_place("max_rate"), "`max_rate` is a number of messages a second", "for example: max_rate = 1000");
    }
    Some(rate)
}

/// `max_future`, by default a day; "off" for none.
fn max_future(context: &mut Context, reader: &mut Reader) -> Option<Duration> {
    if reader.is_text("max_future", "off") {
        reader.text(context, "max_future");
        return None;
    }
    Some(reader.duration(context, "max_future", Duration::from_secs(1)..=DURATION_MAX).unwrap_or(FUTURE_DEFAULT))
}
