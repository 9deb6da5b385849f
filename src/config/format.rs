//! What a source's payloads look like: `format` and the keys that belong to one format.

use super::binary_layout;
use super::reader::{Context, Reader};
use crate::format::csv::{CsvHeader, CsvSettings};
use crate::format::{EnclosedSettings, Format, KeyValueSettings};

/// Names of `layout_in`.
const PATH_NAMES_MAX: usize = 16;

/// Keys of one format, for those who give them with another.
pub const ELSEWHERE: [(&str, &str); 14] = [
    ("header", "sources of format \"csv\""),
    ("separator", "sources of format \"csv\""),
    ("quote", "sources of format \"csv\""),
    ("null_text", "sources of format \"csv\""),
    ("pattern", "sources of format \"text\""),
    ("pair_separator", "sources of format \"key_value\""),
    ("value_separator", "sources of format \"key_value\""),
    ("layout", "sources of format \"binary\", and of \"json\" with `layout_in`"),
    ("layout_in", "sources of format \"json\""),
    ("endian", "sources of format \"binary\", and of \"json\" with `layout_in`"),
    ("rest", "sources of format \"binary\", and of \"json\" with `layout_in`"),
    ("decoder", "sources of format \"custom\""),
    ("decoder_options", "sources of format \"custom\""),
    ("precision", "sources of format \"line_protocol\""),
];

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Value,
    Cbor,
    Csv,
    Text,
    KeyValue,
    Binary,
    LineProtocol,
    SenmlJson,
    SenmlCbor,
    Nmea,
    Custom,
}

const KINDS: [(&str, Kind); 12] = [
    ("json", Kind::Json),
    ("value", Kind::Value),
    ("cbor", Kind::Cbor),
    ("csv", Kind::Csv),
    ("text", Kind::Text),
    ("key_value", Kind::KeyValue),
    ("binary", Kind::Binary),
    ("line_protocol", Kind::LineProtocol),
    ("senml", Kind::SenmlJson),
    ("senml_cbor", Kind::SenmlCbor),
    ("nmea", Kind::Nmea),
    ("custom", Kind::Custom),
];

/// The source's format; JSON where what is said is wrong, which has then been reported.
pub fn read(context: &mut Context, reader: &mut Reader) -> Format {
    match reader.choice(context, "format", &KINDS).unwrap_or(Kind::Json) {
        Kind::Json if reader.has("layout_in") => enclosed(context, reader).unwrap_or(Format::Json),
        Kind::Json => Format::Json,
        Kind::Value => Format::Value,
        Kind::Cbor => Format::Cbor,
        Kind::Csv => csv(context, reader),
        Kind::Text => text(context, reader),
        Kind::KeyValue => key_value(context, reader),
        Kind::Binary => binary_layout::read(context, reader).map_or(Format::Json, Format::Binary),
        Kind::LineProtocol => {
            const UNITS: [(&str, i64); 4] = [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
            Format::LineProtocol { unit_ns: reader.choice(context, "precision", &UNITS).unwrap_or(1) }
        }
        Kind::SenmlJson => Format::SenmlJson,
        Kind::SenmlCbor => Format::SenmlCbor,
        Kind::Nmea => Format::Nmea,
        Kind::Custom => super::source::custom::format(context, reader).unwrap_or(Format::Json),
    }
}

/// JSON with a binary frame in it.
fn enclosed(context: &mut Context, reader: &mut Reader) -> Option<Format> {
    let text = reader.text(context, "layout_in")?;
    let path: Vec<String> = text.value.split('.').map(str::to_owned).collect();
    if path.len() > PATH_NAMES_MAX || path.iter().any(String::is_empty) {
        let message = format!("`layout_in` leads by names to a text, at most {PATH_NAMES_MAX} of them");
        context.error(text.place, message, "for example: layout_in = \"uplink_message.frm_payload\"");
        return None;
    }
    let layout = binary_layout::read(context, reader)?;
    Some(Format::Enclosed(Box::new(EnclosedSettings { path, layout })))
}

fn csv(context: &mut Context, reader: &mut Reader) -> Format {
    const HEADERS: [(&str, CsvHeader); 3] = [("none", CsvHeader::None), ("names", CsvHeader::Names), ("skip", CsvHeader::Skip)];
    let header = reader.choice(context, "header", &HEADERS).unwrap_or(CsvHeader::None);
    let separator = character(context, reader, "separator").unwrap_or(',');
    let quote = character(context, reader, "quote").unwrap_or('"');
    let null_text = reader.text(context, "null_text").map(|text| text.value).unwrap_or_default();
    if !separator.is_ascii() || !quote.is_ascii() || separator == quote {
        let help = "for example: separator = \";\"";
        context.error(reader.value_place("separator"), "`separator` and `quote` are different ASCII characters", help);
        return Format::Json;
    }
    let (separator, quote) = (separator as u8, quote as u8);
    Format::Csv(CsvSettings { separator, quote, escape: quote, header, null_text, ..CsvSettings::default() })
}

fn text(context: &mut Context, reader: &mut Reader) -> Format {
    reader.require(context, "pattern", r"'^T=(?<temperature>[-0-9.]+)'");
    let Some(pattern) = reader.text(context, "pattern") else { return Format::Json };
    match crate::format::check_pattern(&pattern.value) {
        Ok(()) => Format::Text { pattern: pattern.value },
        Err(problem) => {
            context.error(pattern.place, problem, "groups are written (?<name>…); backslashes are easiest in single quotes: '\\d+'");
            Format::Json
        }
    }
}

fn key_value(context: &mut Context, reader: &mut Reader) -> Format {
    let value_separator = character(context, reader, "value_separator").unwrap_or('=');
    let pair_separator = character(context, reader, "pair_separator").unwrap_or(' ');
    if value_separator == pair_separator || value_separator == '"' || pair_separator == '"' {
        let help = "for example: pair_separator = \",\"";
        context.error(reader.value_place("pair_separator"), "the separators must differ, and neither may be a quote", help);
    }
    Format::KeyValue(KeyValueSettings { value_separator, pair_separator })
}

/// A string of one character that is no line end.
fn character(context: &mut Context, reader: &mut Reader, key: &'static str) -> Option<char> {
    let text = reader.text(context, key)?;
    let mut chars = text.value.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c != '\n' && c != '\r' => Some(c),
        _ => {
            context.error(text.place, format!("`{key}` is one character, and no line end"), "for example \";\" or \"\\t\"");
            None
        }
    }
}
