//! Payloads of formats other than JSON to rows, one file a format. Each writes its rows into [`Records`]; what is wrong is said with its byte.
//!
//! | file | format |
//! |---|---|
//! | `cbor` | CBOR (RFC 8949): a map is a row, an array of maps is several |
//! | `delimited` | CSV lines |
//! | `pattern` | lines matched by a regular expression with named groups |
//! | `key_value` | `a=1 b=2` |
//! | `binary`, `layout` | frames of fixed layout |
//! | `enclosed` | JSON with a binary frame in it |
//! | `line_protocol` | InfluxDB line protocol |
//! | `senml` | SenML (RFC 8428), JSON and CBOR |
//! | `nmea` | NMEA 0183 sentences |

mod binary;
mod cbor;
mod delimited;
mod enclosed;
mod key_value;
pub mod layout;
mod line_protocol;
mod nmea;
mod pattern;
mod senml;

use super::custom::Custom;
use super::decoded::BadRecord;
use super::json::scan::Fault;
use super::records::Records;
use super::{EnclosedSettings, Format, FormatError};

/// Reads the payloads of one source.
pub(super) enum Transcoder {
    Cbor,
    Delimited(Box<delimited::Delimited>),
    Pattern(Box<pattern::Pattern>),
    KeyValue(key_value::KeyValue),
    Binary(Box<layout::Layout>),
    Enclosed(Box<EnclosedSettings>),
    LineProtocol(line_protocol::LineProtocol),
    Senml { cbor: bool },
    Nmea,
    Custom(Custom),
}

impl Transcoder {
    /// `None` for the formats that are read without a detour. `columns`: names of the payload's columns in the schema's order.
    pub fn new(format: &Format, columns: &[String]) -> Result<Option<Transcoder>, FormatError> {
        Ok(Some(match format {
            Format::Json | Format::Value => return Ok(None),
            Format::Cbor => Transcoder::Cbor,
            Format::Csv(settings) => Transcoder::Delimited(Box::new(delimited::Delimited::new(settings, columns)?)),
            Format::Text { pattern } => Transcoder::Pattern(Box::new(pattern::Pattern::new(pattern)?)),
            Format::KeyValue(settings) => Transcoder::KeyValue(key_value::KeyValue::new(*settings)),
            Format::Binary(layout) => Transcoder::Binary(Box::new(layout.clone())),
            Format::Enclosed(settings) => Transcoder::Enclosed(settings.clone()),
            Format::LineProtocol { unit_ns } => Transcoder::LineProtocol(line_protocol::LineProtocol { unit_ns: *unit_ns }),
            Format::SenmlJson => Transcoder::Senml { cbor: false },
            Format::SenmlCbor => Transcoder::Senml { cbor: true },
            Format::Nmea => Transcoder::Nmea,
            Format::Custom(format) => {
                let made = Custom::new(format);
                Transcoder::Custom(made.map_err(|problem| FormatError::Custom { name: format.name().to_owned(), problem })?)
            }
        }))
    }

    /// Appends the payload's rows; after an error what was appended is void.
    pub fn read(&mut self, payload: &[u8], arrived_us: i64, records: &mut Records) -> Result<(), BadRecord> {
        let read = match self {
            Transcoder::Custom(custom) => return custom.read(payload, records),
            Transcoder::Cbor => cbor::read(payload, records),
            Transcoder::Delimited(delimited) => delimited.read(utf8(payload)?, records),
            Transcoder::Pattern(pattern) => pattern.read(utf8(payload)?, records),
            Transcoder::KeyValue(key_value) => key_value.read(utf8(payload)?, records),
            Transcoder::Binary(layout) => binary::read(layout, payload, records),
            Transcoder::Enclosed(settings) => enclosed::read(settings, utf8(payload)?, records),
            Transcoder::LineProtocol(lines) => lines.read(utf8(payload)?, records),
            Transcoder::Senml { cbor: false } => senml::read_json(payload, arrived_us, records),
            Transcoder::Senml { cbor: true } => senml::read_cbor(payload, arrived_us, records),
            Transcoder::Nmea => nmea::read(utf8(payload)?, records),
        };
        Ok(read?)
    }
}

/// Whether `pattern` can be that of [`Format::Text`].
pub(super) fn check_pattern(pattern: &str) -> Result<(), FormatError> {
    pattern::Pattern::new(pattern).map(drop)
}

fn utf8(payload: &[u8]) -> Result<&str, Fault> {
    let text = std::str::from_utf8(payload).map_err(|error| Fault { at: error.valid_up_to(), what: "not UTF-8" })?;
    Ok(text)
}

/// The lines that are not blank, without their ends, each with the byte where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        (!line.trim().is_empty()).then_some((start, line))
    })
}
