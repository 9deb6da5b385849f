//! Payloads to rows and rows to payloads. No IO, no clock.
//!
//! In: a [`Decoder`] reads [`Message`]s into an [`OpenTable`], whose rows become a batch's table. Out: [`encode_row`] writes a row as Spark's
//! `to_json` does. This file holds the settings of a source's format.

mod base64;
pub mod compressed;
mod convert;
pub mod csv;
mod custom;
mod decode;
mod decoded;
mod dictionary;
mod encode;
mod expand;
mod json;
mod number;
mod open_table;
mod records;
pub mod reference;
mod row;
pub mod timestamp;
mod topic;
mod topic_name;
mod transcode;
mod transcoded;
mod value;
mod words;

pub use custom::{CustomFormat, PayloadError, PayloadFormat, Row, Rows};
pub use decode::{Decoder, FormatError, Message, PAYLOAD_BYTES_MAX};
pub use decoded::{BadRecord, Decoded, REFUSED_LISTED_MAX, RefusedReason, RefusedRow};
pub use encode::{encode_result, encode_row, encode_row_within, write_interval, write_string, write_value};
pub use expand::{Compression, CompressionMethod};
pub use open_table::{COLUMN_TEXT_BYTES_MAX, OpenTable};
pub use records::Records;
pub use topic_name::{TOPIC_BYTES_MAX, TopicError, TopicPart, TopicTemplate, write_topic};
pub use transcode::layout;

use crate::types::DataType;
use csv::CsvSettings;

/// What reads JSON within a text, for the engine's functions.
pub(crate) mod json_text {
    pub(crate) use super::convert::Converter;
    pub(crate) use super::json::copy::compact;
    pub(crate) use super::json::scan::{self, Fault, TokenKind};
    pub(crate) use super::json::typed::Typed;
}

/// What is wrong with the pattern of [`Format::Text`], if anything is.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    transcode::check_pattern(pattern).map_err(|error| error.to_string())
}

/// How one source's payloads become rows. Columns stand in the order of the source's table schema.
#[derive(Clone, Debug)]
pub struct DecodeSettings {
    pub format: Format,
    pub compression: Option<Compression>,
    pub columns: Vec<ColumnLayout>,
    /// The topic patterns that columns are captured from; all have the same captures.
    pub patterns: Vec<TopicPattern>,
    pub timestamp_unit: TimestampUnit,
    /// IANA zone for text timestamps without an offset; UTC if none.
    pub timestamp_zone: Option<String>,
    pub bad_records: BadRecords,
    pub coerce: Coerce,
    /// Index of the event-time column; `None` if it is the arrival time.
    pub event_time: Option<usize>,
    pub event_time_missing: EventTimeMissing,
}

impl DecodeSettings {
    /// JSON read as Spark reads it: seconds, UTC, no event time; bad payloads go to the dead letters.
    pub fn json(columns: Vec<ColumnLayout>) -> DecodeSettings {
        DecodeSettings {
            format: Format::Json,
            compression: None,
            columns,
            patterns: Vec::new(),
            timestamp_unit: TimestampUnit::Seconds,
            timestamp_zone: None,
            bad_records: BadRecords::DeadLetter,
            coerce: Coerce::Strict,
            event_time: None,
            event_time_missing: EventTimeMissing::Null,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Json,
    /// The payload is one scalar.
    Value,
    Cbor,
    Csv(CsvSettings),
    /// Lines matched by a regular expression with named groups.
    Text {
        pattern: String,
    },
    KeyValue(KeyValueSettings),
    Binary(layout::Layout),
    /// JSON in which one text is a binary frame.
    Enclosed(Box<EnclosedSettings>),
    /// InfluxDB line protocol; nanoseconds in a unit of its times.
    LineProtocol {
        unit_ns: i64,
    },
    SenmlJson,
    SenmlCbor,
    Nmea,
    Custom(Box<CustomFormat>),
}

/// What a format or receiver of the user's own is given: keys and texts.
pub type Parameters = std::collections::BTreeMap<String, String>;

impl Format {
    /// Whether all values are text, whatever they stand for.
    pub fn is_untyped(&self) -> bool {
        matches!(self, Format::Value | Format::Csv(_) | Format::Text { .. } | Format::KeyValue(_))
    }

    /// Whether a dot in a name is part of the name, as there is nothing to lead into.
    pub fn is_flat(&self) -> bool {
        self.is_untyped() || matches!(self, Format::LineProtocol { .. } | Format::Nmea)
    }
}

/// The object of the frame's fields takes the place of its text.
#[derive(Clone, Debug, PartialEq)]
pub struct EnclosedSettings {
    /// Member names from the outermost object inwards, to a frame in base64.
    pub path: Vec<String>,
    pub layout: layout::Layout,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValueSettings {
    /// Between name and value.
    pub value_separator: char,
    /// Between pairs; a blank stands for any white space.
    pub pair_separator: char,
}

#[derive(Clone, Debug)]
pub struct ColumnLayout {
    pub name: String,
    pub data_type: DataType,
    pub origin: Origin,
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Member names from the outermost object inwards; exact, case-sensitive. For [`Format::Value`]: empty, the whole payload.
    Payload(Vec<String>),
    /// Number of the capture in the topic pattern.
    Topic(usize),
    /// [`Message::place`]: `_port`, `_peer`, `_file`.
    Place,
    /// `_topic`, `_source`, `_arrived` (TIMESTAMP), `_retained` (BOOLEAN).
    WholeTopic,
    SourceName,
    Arrived,
    Retained,
}

/// A topic filter with names: `sensors/{device}/climate`, `site/{place...}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern {
    pub levels: Vec<PatternLevel>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternLevel {
    Text(String),
    /// `+`
    Any,
    /// `{name}`: one level, as capture number n.
    Capture(usize),
    /// `#`, last only.
    Rest,
    /// `{name...}`, last only: the remaining levels joined by `/`.
    CaptureRest(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampUnit {
    Seconds,
    Millis,
    Micros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRecords {
    DeadLetter,
    /// Spark's PERMISSIVE: a row of NULLs.
    NullRow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coerce {
    /// As Spark: what does not fit is NULL, and counted.
    Strict,
    /// Text that reads as a number is one; numbers and booleans as each other.
    Lenient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTimeMissing {
    DeadLetter,
    Arrival,
    /// As Spark: the row has NULL time.
    Null,
}

#[cfg(test)]
mod tests;
