//! The decoder of one source: a message's payload and topic to rows of an [`OpenTable`].
//!
//! A payload is taken whole or not at all: one bad element of an array makes it a bad record, as in Spark. Rows that are well formed but
//! may not be counted, for want of an event time or because of it, are left out and reported one by one.
//!
//! Limits: payloads of [`PAYLOAD_BYTES_MAX`].

use super::convert::Converter;
use super::decoded::{BadRecord, Decoded, RefusedReason};
use super::dictionary::{Interner, TextHasher};
use super::expand::Expander;
use super::json::scan::Fault;
use super::json::{JsonReader, ReadRow};
use super::open_table::{self, OpenTable, TableFull};
use super::row::{PayloadColumn, Slot, Target, Texts, is_read};
use super::timestamp::Zone;
use super::topic::{TopicCache, TopicPart};
use super::transcode::Transcoder;
use super::transcoded::Transcoded;
use super::{BadRecords, Coerce, ColumnLayout, DecodeSettings, EventTimeMissing, Format, Origin, value};
use crate::batch::ROWS_MAX;
use crate::types::DataType;

/// Bytes in a payload; sources have their own, lower limit.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// The settings cannot be decoded by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("column `{column}` cannot be of type {data_type}")]
    ColumnType { column: String, data_type: DataType },
    #[error("the path `{path}` needs at least one name and takes at most {}", super::json::PATH_DEPTH_MAX)]
    PathLength { path: String },
    #[error("the path `{path}` is given twice, or leads through another column")]
    PathConflict { path: String },
    #[error("column `{column}`: a payload of format \"value\" has no members")]
    PathInValue { column: String },
    #[error("{columns} columns are read from the payload; the limit is {}", super::json::COLUMNS_MAX)]
    TooManyColumns { columns: usize },
    #[error("there is no time zone `{zone}`; write a name such as Europe/Berlin or an offset such as +01:00")]
    Zone { zone: String },
    #[error("column `{column}` is captured from the topic, but no topic pattern captures it")]
    Capture { column: String },
    #[error("the event time must be a TIMESTAMP column")]
    EventTime,
    #[error("separator, quote and escape must be different ASCII characters and no line ends (escape may be the quote)")]
    CsvCharacters,
    #[error("the format `{name}`: {problem}")]
    Custom { name: String, problem: String },
    #[error("the pattern: {problem}")]
    Pattern { problem: String },
}

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub topic: &'a str,
    /// Port, peer or file that it came from, where there is one.
    pub place: Option<&'a str>,
    pub payload: &'a [u8],
    /// Wall clock at arrival, microseconds since the epoch.
    pub arrived_us: i64,
    pub retained: bool,
}

/// Where a needed column is fed from.
enum Feed {
    Slot(usize),
    /// A slot that is read by its type.
    Nested(usize, Box<DataType>),
    /// A slot of STRING.
    Text(usize, Box<Interner>),
    /// Number of the part in the cached topic.
    Topic(usize, Box<Interner>),
    SourceName(Box<Interner>),
    Place(Box<Interner>),
    Arrived,
    Retained,
}

enum Reader {
    Json(Box<JsonReader>),
    Value {
        columns: Vec<PayloadColumn>,
        slots: Vec<Slot>,
    },
    /// Another format's rows, read as JSON.
    Transcoded(Box<Transcoded>),
}

/// Decodes the messages of one source. Belongs to one [`OpenTable`] at a time: the dictionaries' generations count from 0 in each decoder.
pub struct Decoder {
    expander: Option<Expander>,
    reader: Reader,
    converter: Converter,
    rows: RowWriter,
    bad_records: BadRecords,
    null_slots: Vec<Slot>,
}

/// Puts rows into the table.
struct RowWriter {
    /// One for each column of the table.
    feeds: Vec<Feed>,
    topics: Option<TopicCache>,
    source_name: String,
    event_time: Option<EventTimeRule>,
    future_limit_us: Option<i64>,
    /// As the decoder's.
    converter: Converter,
}

#[derive(Clone, Copy)]
struct EventTimeRule {
    slot: usize,
    missing: EventTimeMissing,
}

impl Decoder {
    /// `needed[i]` says whether some query reads column i; `hash_seed` should be random in each process.
    pub fn new(settings: &DecodeSettings, needed: &[bool], hash_seed: u64) -> Result<Decoder, FormatError> {
        let hasher = TextHasher::new(hash_seed);
        let layout = Layout::new(settings, needed, &hasher)?;
        let zone = match &settings.timestamp_zone {
            Some(zone) => Zone::parse(zone).ok_or_else(|| FormatError::Zone { zone: zone.clone() })?,
            None => Zone::UTC,
        };
        let slots = layout.payload.len();
        let (reader, coerce) = match (&settings.format, Transcoder::new(&settings.format, &payload_names(settings))?) {
            (Format::Value, _) => (Reader::Value { columns: layout.payload, slots: vec![Slot::Null; slots] }, Coerce::Lenient),
            (_, None) => (Reader::Json(Box::new(JsonReader::new(&layout.payload, slots)?)), settings.coerce),
            (format, Some(transcoder)) => {
                let json = JsonReader::new(&layout.payload, slots)?;
                let coerce = if format.is_untyped() { Coerce::Lenient } else { settings.coerce };
                (Reader::Transcoded(Box::new(Transcoded::new(transcoder, json))), coerce)
            }
        };
        let topics = (!layout.topic.is_empty()).then(|| TopicCache::new(settings.patterns.clone(), layout.topic, hasher));
        Ok(Decoder {
            expander: settings.compression.map(Expander::new),
            reader,
            converter: Converter::new(coerce, settings.timestamp_unit, zone.clone()),
            rows: RowWriter {
                feeds: layout.feeds,
                topics,
                source_name: String::new(),
                event_time: layout.event_time,
                future_limit_us: None,
                converter: Converter::new(coerce, settings.timestamp_unit, zone),
            },
            bad_records: settings.bad_records,
            null_slots: vec![Slot::Null; slots],
        })
    }

    /// The name that the column `_source` shows; empty if never given.
    pub fn with_source_name(mut self, name: &str) -> Decoder {
        self.rows.source_name = name.to_string();
        self
    }

    /// Rows with an event time after this (microseconds since the epoch) are refused; `None`: none is.
    pub fn set_future_limit(&mut self, limit_us: Option<i64>) {
        self.rows.future_limit_us = limit_us;
    }

    /// Adds the message's rows to `table`; on an error the table is as before.
    pub fn decode(&mut self, message: &Message, table: &mut OpenTable) -> Result<Decoded, BadRecord> {
        let Some(mut expander) = self.expander.take() else { return self.decode_plain(message, table) };
        let result = match expander.expand(message.payload) {
            Ok(()) => self.decode_plain(&Message { payload: expander.expanded(), ..*message }, table),
            // Nothing is a bad record in every format, so that it becomes the row of NULLs.
            Err(_) if self.bad_records == BadRecords::NullRow => self.decode_plain(&Message { payload: b"", ..*message }, table),
            Err(bad) => Err(bad),
        };
        self.expander = Some(expander);
        result
    }

    /// The bytes that the last message's rows were read from: its payload, or what that expanded to.
    pub fn read_from<'p>(&'p self, payload: &'p [u8]) -> &'p [u8] {
        self.expander.as_ref().map_or(payload, Expander::expanded)
    }

    fn decode_plain(&mut self, message: &Message, table: &mut OpenTable) -> Result<Decoded, BadRecord> {
        let rows_before = table.rows();
        if rows_before == 0 {
            self.rows.begin_table(table);
        }
        let mut decoded = Decoded::default();
        let mut result = self.read(message, table, &mut decoded);
        if let Err(BadRecord::Malformed { .. } | BadRecord::Custom { .. }) = result
            && self.bad_records == BadRecords::NullRow
        {
            table.truncate(rows_before);
            decoded = Decoded { null_row: true, ..Decoded::default() };
            let row = ReadRow {
                start: 0,
                end: message.payload.len(),
                slots: &self.null_slots,
                texts: Texts { payload: b"", unescaped: "" },
                nulled: 0,
            };
            result = self.rows.write(&row, message, table, &mut decoded);
        }
        match result {
            Ok(()) => Ok(decoded),
            Err(bad) => {
                table.truncate(rows_before);
                Err(if bad == BadRecord::TableFull && rows_before == 0 { BadRecord::TooLarge } else { bad })
            }
        }
    }

    fn read(&mut self, message: &Message, table: &mut OpenTable, decoded: &mut Decoded) -> Result<(), BadRecord> {
        if message.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(BadRecord::TooLarge);
        }
        self.rows.find_topic(message.topic)?;
        if let Reader::Transcoded(transcoded) = &mut self.reader {
            return transcoded.read(message, &self.converter, |row| self.rows.write(&row, message, table, decoded));
        }
        let (payload, encoding_fault) = utf8_prefix(message.payload);
        if let Some(at) = encoding_fault
            && payload.trim_ascii().is_empty()
        {
            return Err(BadRecord::Malformed { what: "not UTF-8", at });
        }
        let rows = &mut self.rows;
        let result = match &mut self.reader {
            Reader::Json(reader) => reader.read(payload, &self.converter, |row| rows.write(&row, message, table, decoded)),
            Reader::Transcoded(_) => return Ok(()),
            Reader::Value { .. } if encoding_fault.is_some() => Err(Fault { at: payload.len(), what: "" }.into()),
            Reader::Value { columns, slots } => {
                value::read(payload, columns, &self.converter, slots).map_err(BadRecord::from).and_then(|()| {
                    let texts = Texts { payload, unescaped: "" };
                    rows.write(&ReadRow { start: 0, end: payload.len(), slots, texts, nulled: 0 }, message, table, decoded)
                })
            }
        };
        match (result, encoding_fault) {
            (Err(BadRecord::Malformed { at, .. }), Some(end)) if at == end => Err(BadRecord::Malformed { what: "not UTF-8", at }),
            (result, _) => result,
        }
    }

    /// Reads every object the general way, for tests that compare both.
    #[cfg(test)]
    pub(super) fn without_speculation(mut self) -> Decoder {
        if let Reader::Json(reader) = &mut self.reader {
            reader.speculate = false;
        }
        self
    }
}

/// The part of a payload that is UTF-8, and where it ends if that is not the end. What follows the payload's value is ignored, in whatever
/// encoding; a fault at the end of the valid part is one of encoding.
#[inline]
fn utf8_prefix(payload: &[u8]) -> (&[u8], Option<usize>) {
    if payload.is_ascii() {
        return (payload, None);
    }
    match std::str::from_utf8(payload) {
        Ok(_) => (payload, None),
        Err(error) => (&payload[..error.valid_up_to()], Some(error.valid_up_to())),
    }
}

/// Who feeds which column.
struct Layout {
    feeds: Vec<Feed>,
    payload: Vec<PayloadColumn>,
    topic: Vec<TopicPart>,
    event_time: Option<EventTimeRule>,
}

impl Layout {
    fn new(settings: &DecodeSettings, needed: &[bool], hasher: &TextHasher) -> Result<Layout, FormatError> {
        let interner = || Box::new(Interner::new(hasher.clone()));
        let mut layout = Layout { feeds: Vec::new(), payload: Vec::new(), topic: Vec::new(), event_time: None };
        for (index, column) in settings.columns.iter().enumerate().filter(|(index, _)| is_read(settings, needed, *index)) {
            let (feed, fixed_type) = match &column.origin {
                Origin::Payload(path) => match layout.payload_slot(settings, index, path)? {
                    (slot, Target::Text) => (Feed::Text(slot, interner()), None),
                    (slot, Target::Nested) => (Feed::Nested(slot, Box::new(column.data_type.clone())), None),
                    (slot, _) => (Feed::Slot(slot), None),
                },
                Origin::Topic(_) if settings.patterns.is_empty() => return Err(FormatError::Capture { column: column.name.clone() }),
                Origin::Topic(number) => (Feed::Topic(layout.topic_part(TopicPart::Capture(*number)), interner()), Some(DataType::String)),
                Origin::WholeTopic => (Feed::Topic(layout.topic_part(TopicPart::Whole), interner()), Some(DataType::String)),
                Origin::SourceName => (Feed::SourceName(interner()), Some(DataType::String)),
                Origin::Place => (Feed::Place(interner()), Some(DataType::String)),
                Origin::Arrived => (Feed::Arrived, Some(DataType::Timestamp)),
                Origin::Retained => (Feed::Retained, Some(DataType::Boolean)),
            };
            if fixed_type.is_some_and(|fixed| fixed != column.data_type) {
                return Err(column_type(column));
            }
            if needed[index] {
                layout.feeds.push(feed);
            }
        }
        Ok(layout)
    }

    fn payload_slot(&mut self, settings: &DecodeSettings, index: usize, path: &[String]) -> Result<(usize, Target), FormatError> {
        let column = &settings.columns[index];
        let target = Target::of(&column.data_type).ok_or_else(|| column_type(column))?;
        if target == Target::Nested && settings.format == Format::Value {
            return Err(column_type(column));
        }
        if settings.format == Format::Value && !path.is_empty() {
            return Err(FormatError::PathInValue { column: column.name.clone() });
        }
        let slot = self.payload.len();
        let path = if settings.format.is_flat() { vec![path.join(".")] } else { path.to_vec() };
        self.payload.push(PayloadColumn { slot, target, path });
        if settings.event_time == Some(index) {
            if target != Target::Timestamp {
                return Err(FormatError::EventTime);
            }
            self.event_time = Some(EventTimeRule { slot, missing: settings.event_time_missing });
        }
        Ok((slot, target))
    }

    fn topic_part(&mut self, part: TopicPart) -> usize {
        self.topic.push(part);
        self.topic.len() - 1
    }
}

/// The payload's columns as a flat format names them.
fn payload_names(settings: &DecodeSettings) -> Vec<String> {
    let path = |column: &ColumnLayout| match &column.origin {
        Origin::Payload(path) => Some(path.join(".")),
        _ => None,
    };
    settings.columns.iter().filter_map(path).collect()
}

fn column_type(column: &ColumnLayout) -> FormatError {
    FormatError::ColumnType { column: column.name.clone(), data_type: column.data_type.clone() }
}

impl RowWriter {
    /// Chooses the form of the string columns; the table has no rows.
    ///
    /// Panics if the table was made for other columns.
    fn begin_table(&mut self, table: &mut OpenTable) {
        let columns = table.columns_mut();
        assert_eq!(columns.len(), self.feeds.len(), "decoder and table are made for the same columns");
        for (feed, column) in self.feeds.iter_mut().zip(columns) {
            if let Feed::Text(_, interner) | Feed::Topic(_, interner) | Feed::SourceName(interner) | Feed::Place(interner) = feed {
                open_table::begin_text(column, interner);
            }
        }
    }

    fn find_topic(&mut self, topic: &str) -> Result<(), BadRecord> {
        match &mut self.topics {
            Some(topics) => topics.find(topic).then_some(()).ok_or(BadRecord::Topic),
            None => Ok(()),
        }
    }

    /// Adds a row, unless its event time forbids it.
    #[inline]
    fn write(&mut self, row: &ReadRow, message: &Message, table: &mut OpenTable, decoded: &mut Decoded) -> Result<(), BadRecord> {
        decoded.nulled_fields += row.nulled;
        let mut arrival_slot = None;
        if let Some(rule) = self.event_time {
            match row.slots[rule.slot] {
                Slot::Timestamp(time) => {
                    if let Some(limit) = self.future_limit_us.filter(|limit| time > *limit) {
                        decoded.refuse(row, RefusedReason::Future { ahead_us: time.saturating_sub(limit) });
                        return Ok(());
                    }
                }
                _ => {
                    decoded.untimed_rows += 1;
                    match rule.missing {
                        EventTimeMissing::DeadLetter => {
                            decoded.refuse(row, RefusedReason::EventTimeMissing);
                            return Ok(());
                        }
                        EventTimeMissing::Arrival => arrival_slot = Some(rule.slot),
                        EventTimeMissing::Null => {}
                    }
                }
            }
        }
        if table.rows() == ROWS_MAX {
            return Err(BadRecord::TableFull);
        }
        decoded.nulled_fields += self.push(row, message, table, arrival_slot)?;
        table.end_row();
        decoded.rows += 1;
        Ok(())
    }

    /// `arrival_slot`: the slot that takes the arrival time. Returns how many members of nested values did not fit.
    #[inline]
    fn push(&mut self, row: &ReadRow, message: &Message, table: &mut OpenTable, arrival_slot: Option<usize>) -> Result<usize, TableFull> {
        let mut nulled = 0;
        for (feed, column) in self.feeds.iter_mut().zip(table.columns_mut()) {
            match feed {
                Feed::Slot(slot) if arrival_slot == Some(*slot) => open_table::push(column, &Slot::Timestamp(message.arrived_us)),
                Feed::Slot(slot) => open_table::push(column, &row.slots[*slot]),
                Feed::Nested(slot, data_type) => match row.slots[*slot] {
                    Slot::Nested { start, end } => {
                        let payload = &row.texts.payload[..end as usize];
                        nulled += open_table::push_nested(column, payload, start as usize, data_type, &self.converter)?;
                    }
                    _ => open_table::push_null(column),
                },
                Feed::Text(slot, interner) => match &row.slots[*slot] {
                    Slot::Text(text) => open_table::push_text(column, interner, text.get(row.texts), None)?,
                    _ => open_table::push_null(column),
                },
                Feed::Topic(part, interner) => match &mut self.topics {
                    Some(topics) => {
                        let (text, known) = topics.part(message.topic, *part);
                        open_table::push_text(column, interner, text.as_bytes(), Some(known))?;
                    }
                    None => open_table::push_null(column),
                },
                Feed::SourceName(interner) => open_table::push_text(column, interner, self.source_name.as_bytes(), None)?,
                Feed::Place(interner) => match message.place {
                    Some(place) => open_table::push_text(column, interner, place.as_bytes(), None)?,
                    None => open_table::push_null(column),
                },
                Feed::Arrived => open_table::push(column, &Slot::Timestamp(message.arrived_us)),
                Feed::Retained => open_table::push(column, &Slot::Boolean(message.retained)),
            }
        }
        Ok(nulled)
    }
}
