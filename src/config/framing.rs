//! `framing` and `checksum`: how a stream of bytes is cut into frames, for every source that reads bytes.

use std::time::Duration;

use super::crc_names::{self, Crc};
use super::diagnostic::{Diagnostic, nearest};
use super::reader::{Context, Reader, shown};
use crate::format::layout::Endian;

/// Bytes of a delimiter, of what a frame begins or ends with.
pub const MARK_BYTES_MAX: usize = 16;
/// How far into a frame its length field, its checksum's beginning or its payload's may lie.
const OFFSET_MAX: i64 = 1_024;
/// What the length of a frame is off by, at most.
const ADD_MAX: i64 = 65_536;
const GAP_MIN: Duration = Duration::from_millis(1);
const GAP_MAX: Duration = Duration::from_secs(3_600);
/// Silence on a wire after which a frame that has begun won't be completed.
const WIRE_GAP_DEFAULT: Duration = Duration::from_millis(250);

/// How a stream of bytes is cut into frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramingSettings {
    pub framing: Framing,
    pub checksum: Option<ChecksumSettings>,
    /// Bytes at a frame's beginning that are not part of its payload.
    pub strip_bytes: usize,
    pub frame_bytes_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Ended by LF, CR LF or CR.
    Line,
    /// Ended by these bytes.
    Delimiter(Vec<u8>),
    Fixed {
        length: usize,
        marks: Marks,
    },
    Length {
        prefix: LengthPrefix,
        marks: Marks,
    },
    /// Consistent overhead byte stuffing: ended by a zero byte, of which the frame itself is free.
    Cobs,
    /// RFC 1055.
    Slip,
    /// Ended by silence.
    Idle {
        gap: Duration,
    },
    /// What is handed over at once, such as a datagram.
    Whole,
}

/// By what a frame of known length is recognised; empty: by nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    /// After this silence the next byte begins a frame.
    pub gap: Option<Duration>,
}

/// The length field of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LengthPrefix {
    /// Where it begins in the frame.
    pub offset: usize,
    /// Its bytes, 1 to 4.
    pub width: usize,
    pub endian: Endian,
    pub counts: LengthCounts,
    /// Added to the field's value.
    pub add: i64,
    /// Bytes ahead of the payload.
    pub header: usize,
}

/// Which bytes a frame's length field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthCounts {
    /// Those behind the field.
    Rest,
    /// Those between the header and the checksum.
    Payload,
    PayloadAndChecksum,
    Frame,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumSettings {
    pub algorithm: ChecksumAlgorithm,
    pub endian: Endian,
    /// Written as hexadecimal digits.
    pub is_hex: bool,
    /// The first byte that it covers.
    pub from: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    Xor,
    /// Of all bytes, modulo 256.
    Sum,
    /// Of all bytes, modulo 65,536.
    Sum16,
    /// What makes the sum modulo 256 zero.
    Lrc,
    /// `*hh` at the end: the XOR of what stands between `$` or `!` and `*`.
    Nmea,
    Crc(Crc),
}

/// What the bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Noise may come in between; silence means something.
    Wire,
    /// Bytes come whole and in order, whenever they like.
    Stream,
    /// Each is a frame, unless `framing` is given.
    Datagrams,
}

#[derive(Clone, Copy)]
enum Kind {
    Line,
    Delimiter,
    Fixed,
    Length,
    Cobs,
    Slip,
    Idle,
    Whole,
}

const KINDS: [(&str, Kind); 8] = [
    ("line", Kind::Line),
    ("delimiter", Kind::Delimiter),
    ("fixed", Kind::Fixed),
    ("length", Kind::Length),
    ("cobs", Kind::Cobs),
    ("slip", Kind::Slip),
    ("idle", Kind::Idle),
    ("datagram", Kind::Whole),
];

/// Keys of one framing, for those who give them with another.
const ELSEWHERE: [(&str, &str); 12] = [
    ("header", "framing of type \"length\""),
    ("terminator", "framing of type \"line\""),
    ("delimiter", "framing of type \"delimiter\""),
    ("length", "framing of type \"fixed\""),
    ("start", "framing of type \"fixed\" and \"length\""),
    ("end", "framing of type \"fixed\" and \"length\""),
    ("gap", "framing of type \"idle\", \"fixed\" and \"length\""),
    ("width", "framing of type \"length\""),
    ("offset", "framing of type \"length\""),
    ("endian", "framing of type \"length\""),
    ("counts", "framing of type \"length\""),
    ("add", "framing of type \"length\""),
];
const ENDIANS: [(&str, Endian); 2] = [("big", Endian::Big), ("little", Endian::Little)];

/// Reads both keys. Where something is wrong, which has then been reported, the answer is any.
pub fn read(context: &mut Context, reader: &mut Reader, medium: Medium, frame_bytes_max: usize) -> FramingSettings {
    let default = if medium == Medium::Datagrams { Framing::Whole } else { Framing::Line };
    let mut is_line = default == Framing::Line;
    let (framing, strip_bytes) = match reader.text_or_table(context, "framing") {
        None => (Some(default), 0),
        Some(Ok(text)) => {
            is_line = text.value == "line";
            (shorthand(context, reader, &text.value, medium), 0)
        }
        Some(Err(mut inner)) => {
            is_line = inner.is_text("type", "line");
            let framing = framing(context, &mut inner, medium, frame_bytes_max);
            let own = match &framing {
                Some(Framing::Length { prefix, .. }) => prefix.header,
                Some(Framing::Fixed { marks, .. }) => marks.start.len(),
                _ => 0,
            };
            let strip = inner.integer(context, "strip", 0..=OFFSET_MAX).map_or(own, |strip| strip as usize);
            inner.finish(context, &ELSEWHERE);
            (framing, strip)
        }
    };
    let framing = framing.unwrap_or(Framing::Line);
    let checksum = checksum(context, reader, is_line);
    FramingSettings { framing, checksum, strip_bytes, frame_bytes_max }
}

/// `framing = "slip"`: those that need no key.
fn shorthand(context: &mut Context, reader: &mut Reader, word: &str, medium: Medium) -> Option<Framing> {
    let kind = reader.choice(context, "framing", &KINDS)?;
    let (needed, example) = match kind {
        Kind::Delimiter => ("delimiter", "{ type = \"delimiter\", delimiter = \";\" }"),
        Kind::Fixed => ("length", "{ type = \"fixed\", length = 9 }"),
        Kind::Length => ("width", "{ type = \"length\", width = 2 }"),
        Kind::Idle => ("gap", "{ type = \"idle\", gap = \"5ms\" }"),
        Kind::Line => return Some(Framing::Line),
        Kind::Cobs => return Some(Framing::Cobs),
        Kind::Slip => return Some(Framing::Slip),
        Kind::Whole => return whole(context, reader, "framing", medium),
    };
    context.error(
        reader.value_place("framing"),
        format!("framing \"{word}\" needs `{needed}`"),
        format!("for example: framing = {example}"),
    );
    None
}

fn whole(context: &mut Context, reader: &Reader, key: &str, medium: Medium) -> Option<Framing> {
    if medium == Medium::Datagrams {
        return Some(Framing::Whole);
    }
    let help = "give the one by which the sender parts its frames, such as \"line\"";
    context.error(reader.value_place(key), "this source has no datagrams", help);
    None
}

fn framing(context: &mut Context, reader: &mut Reader, medium: Medium, frame_bytes_max: usize) -> Option<Framing> {
    reader.require(context, "type", "\"line\"");
    match reader.choice(context, "type", &KINDS)? {
        Kind::Line => Some(match bytes(context, reader, "terminator", 1..=MARK_BYTES_MAX) {
            Some(terminator) => Framing::Delimiter(terminator),
            None => Framing::Line,
        }),
        Kind::Delimiter => {
            reader.require(context, "delimiter", "\";\", or \"hex:03\"");
            bytes(context, reader, "delimiter", 1..=MARK_BYTES_MAX).map(Framing::Delimiter)
        }
        Kind::Fixed => {
            reader.require(context, "length", "9");
            let length = reader.integer(context, "length", 1..=frame_bytes_max as i64);
            let marks = marks(context, reader, medium);
            let length = length? as usize;
            if marks.start.len() + marks.end.len() >= length {
                context.error(
                    reader.key_place("length"),
                    "nothing is left between `start` and `end`",
                    "`length` is that of the whole frame",
                );
                return None;
            }
            Some(Framing::Fixed { length, marks })
        }
        Kind::Length => length(context, reader, medium),
        Kind::Cobs => Some(Framing::Cobs),
        Kind::Slip => Some(Framing::Slip),
        Kind::Idle => {
            reader.require(context, "gap", "\"5ms\"");
            reader.duration(context, "gap", GAP_MIN..=GAP_MAX).map(|gap| Framing::Idle { gap })
        }
        Kind::Whole => whole(context, reader, "type", medium),
    }
}

fn marks(context: &mut Context, reader: &mut Reader, medium: Medium) -> Marks {
    let start = bytes(context, reader, "start", 1..=MARK_BYTES_MAX).unwrap_or_default();
    let end = bytes(context, reader, "end", 1..=MARK_BYTES_MAX).unwrap_or_default();
    let gap = reader.duration(context, "gap", GAP_MIN..=GAP_MAX);
    Marks { start, end, gap: gap.or((medium == Medium::Wire).then_some(WIRE_GAP_DEFAULT)) }
}

fn length(context: &mut Context, reader: &mut Reader, medium: Medium) -> Option<Framing> {
    const COUNTS: [(&str, LengthCounts); 4] = [
        ("rest", LengthCounts::Rest),
        ("payload", LengthCounts::Payload),
        ("payload_and_checksum", LengthCounts::PayloadAndChecksum),
        ("frame", LengthCounts::Frame),
    ];
    let marks = marks(context, reader, medium);
    reader.require(context, "width", "2");
    let width = reader.integer(context, "width", 1..=4).map(|width| width as usize);
    let offset = reader.integer(context, "offset", 0..=OFFSET_MAX).map_or(marks.start.len(), |offset| offset as usize);
    if offset < marks.start.len() {
        let help = "`offset` counts from the frame's first byte, those of `start` included";
        context.error(reader.value_place("offset"), "the length lies within the start bytes", help);
        return None;
    }
    let endian = reader.choice(context, "endian", &ENDIANS).unwrap_or(Endian::Big);
    let counts = reader.choice(context, "counts", &COUNTS).unwrap_or(LengthCounts::Rest);
    let add = reader.integer(context, "add", -ADD_MAX..=ADD_MAX).unwrap_or(0);
    let width = width?;
    let header = reader.integer(context, "header", 1..=OFFSET_MAX).map_or(offset + width, |header| header as usize);
    if header < offset + width {
        let help = format!("it is the bytes ahead of the payload, and not less than {}", offset + width);
        context.error(reader.value_place("header"), "the header ends before its length field", help);
        return None;
    }
    Some(Framing::Length { prefix: LengthPrefix { offset, width, endian, counts, add, header }, marks })
}

/// `is_text`: it is written in digits unless something else is said.
fn checksum(context: &mut Context, reader: &mut Reader, is_text: bool) -> Option<ChecksumSettings> {
    match reader.text_or_table(context, "checksum")? {
        Ok(_) => {
            let algorithm = algorithm(context, reader, "checksum")?;
            Some(ChecksumSettings { algorithm, endian: Endian::Big, is_hex: is_text, from: 0 })
        }
        Err(mut inner) => {
            inner.require(context, "type", "\"CRC-16/MODBUS\"");
            let algorithm = algorithm(context, &mut inner, "type");
            let endian = inner.choice(context, "endian", &ENDIANS).unwrap_or(Endian::Big);
            let is_hex = inner.choice(context, "encoding", &[("binary", false), ("hex", true)]).unwrap_or(is_text);
            let from = inner.integer(context, "from", 0..=OFFSET_MAX).unwrap_or(0) as usize;
            inner.finish(context, &[]);
            Some(ChecksumSettings { algorithm: algorithm?, endian, is_hex, from })
        }
    }
}

/// `None` where there is to be none, too.
fn algorithm(context: &mut Context, reader: &mut Reader, key: &'static str) -> Option<ChecksumAlgorithm> {
    const SIMPLE: [(&str, ChecksumAlgorithm); 5] = [
        ("xor", ChecksumAlgorithm::Xor),
        ("sum", ChecksumAlgorithm::Sum),
        ("sum16", ChecksumAlgorithm::Sum16),
        ("lrc", ChecksumAlgorithm::Lrc),
        ("nmea", ChecksumAlgorithm::Nmea),
    ];
    let text = reader.text(context, key)?;
    if text.value == "none" {
        return None;
    }
    if let Some((_, algorithm)) = SIMPLE.iter().find(|(word, _)| *word == text.value) {
        return Some(*algorithm);
    }
    if let Some(crc) = crc_names::find(&text.value) {
        return Some(ChecksumAlgorithm::Crc(crc));
    }
    let simple = SIMPLE.iter().map(|(word, _)| *word);
    let help = match nearest(&text.value, simple.chain(crc_names::names())) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            "it may be \"none\", \"xor\", \"sum\", \"sum16\", \"lrc\", \"nmea\", or a CRC by its name in the catalogue, \"CRC-16/MODBUS\""
                .to_owned()
        }
    };
    context.report(Diagnostic::error(text.place, format!("there is no checksum \"{}\"", shown(&text.value))).help(help));
    None
}

/// Bytes, as text or as `hex:` and digits.
pub fn bytes(context: &mut Context, reader: &mut Reader, key: &'static str, length: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    let text = reader.text(context, key)?;
    let bytes = match text.value.strip_prefix("hex:") {
        None => text.value.as_bytes().to_vec(),
        Some(digits) => {
            let digits: String = digits.split_whitespace().collect();
            match data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()) {
                Ok(bytes) => bytes,
                Err(_) => {
                    let help = "two digits a byte, blanks between bytes if you like: \"hex:AA 55\"";
                    context.error(text.place, format!("`{}` is not hexadecimal", shown(&text.value)), help);
                    return None;
                }
            }
        }
    };
    if length.contains(&bytes.len()) {
        return Some(bytes);
    }
    let help = format!("give from {} to {}, as text (\"\\r\\n\") or \"hex:0D 0A\"", length.start(), length.end());
    context.error(text.place, format!("`{key}` has {} bytes", bytes.len()), help);
    None
}
