//! One row between payload and columns: a slot for each column that some query needs.

use super::DecodeSettings;
use crate::types::DataType;

/// What a payload column is read as. The SQL types that can be read, without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Boolean,
    Int,
    BigInt,
    Float,
    Double,
    Timestamp,
    Text,
    /// Read by its full type once the row is known: [`Slot::Nested`].
    Nested,
}

impl Target {
    /// `None` for a type that no payload can be read as.
    pub fn of(data_type: &DataType) -> Option<Target> {
        match data_type {
            DataType::Boolean => Some(Target::Boolean),
            DataType::Int => Some(Target::Int),
            DataType::BigInt => Some(Target::BigInt),
            DataType::Float => Some(Target::Float),
            DataType::Double => Some(Target::Double),
            DataType::Timestamp => Some(Target::Timestamp),
            DataType::String => Some(Target::Text),
            DataType::Date | DataType::Binary | DataType::Array(_) | DataType::Struct(_) => Some(Target::Nested),
            DataType::Map(key, _) if **key == DataType::String => Some(Target::Nested),
            DataType::Map(..) | DataType::Null | DataType::Interval => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slot {
    Null,
    Boolean(bool),
    Int(i32),
    BigInt(i64),
    Float(f32),
    Double(f64),
    /// Microseconds since the epoch.
    Timestamp(i64),
    Text(TextRef),
    /// A JSON value that stands at these bytes of the payload.
    Nested {
        start: u32,
        end: u32,
    },
}

/// A string by its place: in the payload as it came, or in the text of undone escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextRef {
    start: u32,
    end: u32,
    unescaped: bool,
}

/// The texts that the [`TextRef`]s of a row point into.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    /// UTF-8 throughout.
    pub payload: &'a [u8],
    pub unescaped: &'a str,
}

impl TextRef {
    /// `start..end` of the payload; payloads are below 4 GiB.
    pub fn in_payload(start: usize, end: usize) -> TextRef {
        TextRef { start: start as u32, end: end as u32, unescaped: false }
    }

    pub fn in_unescaped(start: usize, end: usize) -> TextRef {
        TextRef { start: start as u32, end: end as u32, unescaped: true }
    }

    #[inline]
    pub fn get<'a>(&self, texts: Texts<'a>) -> &'a [u8] {
        let text = if self.unescaped { texts.unescaped.as_bytes() } else { texts.payload };
        &text[self.start as usize..self.end as usize]
    }
}

/// A column that is read from payloads, and its place in the row.
#[derive(Clone, Debug)]
pub(super) struct PayloadColumn {
    pub slot: usize,
    pub target: Target,
    pub path: Vec<String>,
}

/// Whether column `index` must be read: some query needs it, or it dates the row.
pub(super) fn is_read(settings: &DecodeSettings, needed: &[bool], index: usize) -> bool {
    needed[index] || settings.event_time == Some(index)
}
