//! `[source.<name>]`: where rows come from and what their columns are.

use std::time::Duration;

use super::broker;
use super::diagnostic::{Diagnostic, Place};
use super::reader::{Context, Reader, shown};
use super::settings::{MqttSourceSettings, SourceKind, SourceSettings};
use super::text::Text;
use super::topics::{filter_of, filters_overlap, parse_pattern};
use super::units::DURATION_MAX;
use crate::format::{BadRecords, Coerce, ColumnLayout, DecodeSettings, EventTimeMissing, Format, Origin, TimestampUnit, TopicPattern};
use crate::plan::{EventTime, Span, TableColumn, TableSchema};
use crate::sql;
use crate::types::{DataType, Field};

/// Topic filters of one source.
pub const TOPICS_MAX: usize = 256;

/// Columns that tell rows apart.
const DEDUP_COLUMNS_MAX: usize = 16;

const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
const FUTURE_DEFAULT: Duration = Duration::from_secs(86_400);
const PAYLOAD_BYTES_DEFAULT: u64 = 256 << 10;
const PAYLOAD_BYTES_MAX: u64 = 16 << 20;

const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("value", Format::Value)];
pub const TIMESTAMP_UNITS: [(&str, TimestampUnit); 3] =
    [("s", TimestampUnit::Seconds), ("ms", TimestampUnit::Millis), ("us", TimestampUnit::Micros)];
const BAD_RECORDS: [(&str, BadRecords); 2] = [("dead_letter", BadRecords::DeadLetter), ("null_row", BadRecords::NullRow)];
const COERCE: [(&str, Coerce); 2] = [("strict", Coerce::Strict), ("lenient", Coerce::Lenient)];
const EVENT_TIME_MISSING: [(&str, EventTimeMissing); 3] =
    [("dead_letter", EventTimeMissing::DeadLetter), ("arrival", EventTimeMissing::Arrival), ("null", EventTimeMissing::Null)];

/// Columns that every source has, left out of `SELECT *`.
const HIDDEN_COLUMNS: [(&str, DataType, Origin); 4] = [
    ("_topic", DataType::String, Origin::WholeTopic),
    ("_source", DataType::String, Origin::SourceName),
    ("_arrived", DataType::Timestamp, Origin::Arrived),
    ("_retained", DataType::Boolean, Origin::Retained),
];

/// A source that could be read.
pub struct Source {
    pub settings: SourceSettings,
    pub schema: TableSchema,
    /// The columns that tell rows apart where repeats are dropped; none: they are not.
    pub dedup: Vec<usize>,
    /// Where its broker is named, for messages.
    pub place: Place,
}

/// What the `topics` key says.
struct Topics {
    patterns: Vec<TopicPattern>,
    filters: Vec<String>,
    captures: Vec<String>,
    /// Where the first pattern stands.
    place: Place,
}

/// Reads the section. `None` if it is wrong, which has then been reported.
pub fn read(context: &mut Context, name: &str, mut reader: Reader, gateway: &str) -> Option<Source> {
    let errors_before = context.diagnostics.len();
    reader.require(context, "type", "\"mqtt\"");
    let known_type = reader.choice(context, "type", &[("mqtt", ())]);
    if known_type.is_none() && reader.has("type") {
        return None;
    }
    let broker = broker::read(context, &mut reader, format!("{gateway}-{name}"), true);
    let topics = topics(context, &mut reader);
    let qos = qos(context, &mut reader);
    let retained_used = reader.choice(context, "retained", &[("ignore", false), ("use", true)]).unwrap_or(false);
    let payload_bytes_max = reader.size(context, "max_payload", 16..=PAYLOAD_BYTES_MAX).unwrap_or(PAYLOAD_BYTES_DEFAULT);
    let format = reader.choice(context, "format", &FORMATS).unwrap_or(Format::Json);
    let columns = columns(context, &mut reader, format, topics.as_ref());
    let watermark = reader.duration(context, "watermark", Duration::ZERO..=DURATION_MAX);
    let event_time = event_time(context, &mut reader, columns.as_deref());
    let dedup = dedup(context, &mut reader, columns.as_deref(), watermark);
    let decode = decode_settings(context, &mut reader, format, columns.clone(), topics.as_ref());
    let idle_timeout = reader.duration(context, "idle_timeout", Duration::from_millis(100)..=DURATION_MAX).unwrap_or(IDLE_TIMEOUT_DEFAULT);
    let max_future = max_future(context, &mut reader);
    let place = reader.key_place("broker");
    let no_event_time = !reader.has("event_time");
    reader.finish(context, &[]);
    if context.diagnostics[errors_before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let (broker, topics, mut decode, columns, event_column) = (broker?, topics?, decode?, columns?, event_time?);
    let arrived = columns.iter().position(|column| column.origin == Origin::Arrived);
    decode.event_time = Some(event_column).filter(|column| Some(*column) != arrived);
    // Arrival times never go back: without an event time a window may close as soon as it has passed.
    let delay = watermark.or(no_event_time.then_some(Duration::ZERO));
    let schema = TableSchema {
        name: name.to_owned(),
        columns: columns.iter().map(table_column).collect(),
        event_time: Some(EventTime { column: event_column, delay_us: delay.map(|delay| delay.as_micros() as i64) }),
    };
    let kind = SourceKind::Mqtt(MqttSourceSettings {
        broker,
        filters: topics.filters,
        qos,
        retained_used,
        payload_bytes_max: payload_bytes_max as usize,
    });
    Some(Source { settings: SourceSettings { name: name.to_owned(), kind, decode, idle_timeout, max_future }, schema, dedup, place })
}

fn table_column(column: &ColumnLayout) -> TableColumn {
    let hidden = HIDDEN_COLUMNS.iter().any(|(name, ..)| *name == column.name);
    TableColumn { field: Field::new(column.name.clone(), column.data_type.clone()), hidden }
}

/// `qos`, 0 or 1, by default 1.
pub fn qos(context: &mut Context, reader: &mut Reader) -> u8 {
    let qos = reader.integer(context, "qos", 0..=2).unwrap_or(1);
    if qos == 2 {
        let help = "use 1: what the broker sends again is recognised and counted once";
        context.error(reader.value_place("qos"), "QoS 2 is not yet supported", help);
    }
    qos as u8
}

fn topics(context: &mut Context, reader: &mut Reader) -> Option<Topics> {
    reader.require(context, "topics", "[\"sensors/{device}/climate\"]");
    let texts = reader.texts(context, "topics", TOPICS_MAX)?;
    let mut topics = Topics { patterns: Vec::new(), filters: Vec::new(), captures: Vec::new(), place: texts.first()?.place };
    let mut good = true;
    for (index, text) in texts.iter().enumerate() {
        match parse_pattern(&text.value, &mut topics.captures) {
            Ok(pattern) => {
                let filter = filter_of(&pattern);
                good &= !reports_overlap(context, text, &filter, &texts, &topics.filters);
                topics.filters.push(filter);
                topics.patterns.push(pattern);
            }
            Err(error) => {
                context.report(Diagnostic { help: error.help, ..Diagnostic::error(text.place_of(error.range), error.message) });
                return None;
            }
        }
        // Each pattern has every name there is so far, and brings no new one after the first.
        let missing = topics.captures.iter().enumerate().find(|(number, _)| !captures(&topics.patterns[index], *number));
        let missing = missing.map(|(_, name)| (name.clone(), text)).or_else(|| {
            let number = topics.captures.iter().enumerate().find(|(number, _)| !captures(&topics.patterns[0], *number));
            number.map(|(_, name)| (name.clone(), &texts[0]))
        });
        if let Some((name, text)) = missing {
            let message = format!("this topic does not capture `{name}`, others of this source do");
            context.error(text.place, message, "give all topics of a source the same names, or make it two sources");
            return None;
        }
    }
    good.then_some(topics)
}

fn captures(pattern: &TopicPattern, number: usize) -> bool {
    use crate::format::PatternLevel::{Capture, CaptureRest};
    pattern.levels.iter().any(|level| matches!(level, Capture(n) | CaptureRest(n) if *n == number))
}

/// A message that two filters of one client match comes twice or more over MQTT 5, and with the lower QoS over 3.1.1.
fn reports_overlap(context: &mut Context, text: &Text, filter: &str, texts: &[Text], earlier: &[String]) -> bool {
    let Some(other) = earlier.iter().position(|other| filters_overlap(other, filter)) else {
        return false;
    };
    let diagnostic = Diagnostic::error(text.place, format!("some topics match both `{}` and `{}`", earlier[other], filter));
    let help = "brokers would send such messages twice: leave one out, or make it two sources";
    context.report(diagnostic.related(texts[other].place, "the other topic").help(help));
    true
}

/// All columns in the table's order; `None` if something is wrong.
fn columns(context: &mut Context, reader: &mut Reader, format: Format, topics: Option<&Topics>) -> Option<Vec<ColumnLayout>> {
    let example = if format == Format::Json { "\"ts TIMESTAMP, temperature DOUBLE\"" } else { "\"value DOUBLE\"" };
    reader.require(context, "schema", example);
    let text = reader.text(context, "schema")?;
    let parsed = match sql::parse_schema(&text.value) {
        Ok(parsed) => parsed,
        Err(error) => {
            context.report_sql(&text, error);
            return None;
        }
    };
    if format == Format::Value && parsed.len() != 1 {
        let message = format!("format \"value\" has one column, not {}", parsed.len());
        context.error(text.place, message, "for example: schema = \"value DOUBLE\"");
        return None;
    }
    let place_of = |span: Span| text.place_of(span.start as usize..span.end as usize);
    for column in &parsed {
        if HIDDEN_COLUMNS.iter().any(|(name, ..)| name.eq_ignore_ascii_case(&column.name)) {
            let message = format!("every source has a column `{}` of its own", column.name);
            context.error(place_of(column.span), message, "leave it out of the schema");
            return None;
        }
    }
    let captures = topics.iter().flat_map(|topics| topics.captures.iter().enumerate());
    for (_, name) in captures.clone() {
        if let Some(column) = parsed.iter().find(|column| column.name.eq_ignore_ascii_case(name)) {
            let diagnostic =
                Diagnostic::error(topics?.place, format!("`{name}` is both captured from the topic and a column of the schema"));
            let help = "rename the capture, or put `+` in its place";
            context.report(diagnostic.related(place_of(column.span), "the column").help(help));
            return None;
        }
    }
    let mut columns: Vec<ColumnLayout> = Vec::with_capacity(parsed.len() + HIDDEN_COLUMNS.len());
    for column in parsed {
        let origin = Origin::Payload(if format == Format::Value { Vec::new() } else { column.path });
        columns.push(ColumnLayout { name: column.name, data_type: column.data_type, origin });
    }
    for (number, name) in captures {
        columns.push(ColumnLayout { name: name.clone(), data_type: DataType::String, origin: Origin::Topic(number) });
    }
    columns.extend(HIDDEN_COLUMNS.map(|(name, data_type, origin)| ColumnLayout { name: name.to_owned(), data_type, origin }));
    Some(columns)
}

/// The event-time column, by default `_arrived`.
fn event_time(context: &mut Context, reader: &mut Reader, columns: Option<&[ColumnLayout]>) -> Option<usize> {
    let text = reader.text(context, "event_time");
    let columns = columns?;
    let Some(text) = text else {
        return columns.iter().position(|column| column.origin == Origin::Arrived);
    };
    let Some(index) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&text.value)) else {
        let times = columns.iter().filter(|column| column.data_type == DataType::Timestamp).map(|column| column.name.as_str());
        let help = match super::diagnostic::nearest(&text.value, times.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the columns of type TIMESTAMP are {}", times.collect::<Vec<_>>().join(", ")),
        };
        context.error(text.place, format!("there is no column `{}`", shown(&text.value)), help);
        return None;
    };
    if columns[index].data_type != DataType::Timestamp {
        let message = format!("`{}` is {}, not TIMESTAMP", columns[index].name, columns[index].data_type);
        context.error(
            text.place,
            message,
            format!("declare it as `{} TIMESTAMP` in the schema; `timestamp_unit` says what a number means", columns[index].name),
        );
        return None;
    }
    Some(index)
}

/// The columns of `dedup`.
fn dedup(context: &mut Context, reader: &mut Reader, columns: Option<&[ColumnLayout]>, watermark: Option<Duration>) -> Vec<usize> {
    let Some(texts) = reader.texts(context, "dedup", DEDUP_COLUMNS_MAX) else { return Vec::new() };
    if watermark.map_or(!reader.has("watermark"), |delay| delay.is_zero()) {
        let help = "add a watermark: it is also for how long a row may be repeated";
        context.error(reader.key_place("dedup"), "`dedup` without `watermark`", help);
    }
    if texts.is_empty() {
        context.error(reader.key_place("dedup"), "`dedup` names no column", "for example: dedup = [\"device\", \"seq\"]");
    }
    let mut found = Vec::new();
    for text in &texts {
        let Some(columns) = columns else { break };
        match columns.iter().position(|column| column.name.eq_ignore_ascii_case(&text.value)) {
            None => {
                let names = columns.iter().map(|column| column.name.as_str());
                let help = match super::diagnostic::nearest(&text.value, names.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", names.collect::<Vec<_>>().join(", ")),
                };
                context.error(text.place, format!("there is no column `{}`", shown(&text.value)), help);
            }
            Some(index) if found.contains(&index) => {
                context.error(text.place, format!("`{}` stands twice in `dedup`", columns[index].name), "leave one out");
            }
            Some(index) if has_map(&columns[index].data_type) => {
                let message = format!("`{}` is {}, which cannot be told apart", columns[index].name, columns[index].data_type);
                context.error(text.place, message, "name a column of another type");
            }
            Some(index) => found.push(index),
        }
    }
    found
}

/// Whether a value of the type holds a map: maps have no order of their own.
fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => has_map(element),
        DataType::Struct(members) => members.iter().any(|member| has_map(&member.data_type)),
        _ => false,
    }
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
    Some(DecodeSettings {
        format,
        columns: columns?,
        patterns: topics?.patterns.clone(),
        timestamp_unit,
        timestamp_zone: timestamp_zone.map(|zone| zone.value),
        bad_records,
        coerce,
        event_time: None,
        event_time_missing,
    })
}

/// `max_future`, by default a day; "off" for none.
fn max_future(context: &mut Context, reader: &mut Reader) -> Option<Duration> {
    if reader.is_text("max_future", "off") {
        reader.text(context, "max_future");
        return None;
    }
    Some(reader.duration(context, "max_future", Duration::from_secs(1)..=DURATION_MAX).unwrap_or(FUTURE_DEFAULT))
}
