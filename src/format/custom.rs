//! A format of the user's own: a trait, a narrow writer of rows, and what stands around them so that it can neither write a broken row nor end the gateway.
//!
//! A format that panics costs the payload, and is made anew.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::decoded::BadRecord;
use super::records::Records;

/// Of a format's own reason, for the dead letters.
const REASON_CHARS_MAX: usize = 512;

/// Reads payloads in a way of its own. One is made for each source, and kept: it may remember things from one payload to the next, but not over a restart.
pub trait PayloadFormat: Send {
    /// Writes the payload's rows. After an error none of them counts: the payload is a dead letter, with this reason (or a row of NULLs, by `bad_records`).
    fn read(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), PayloadError>;
}

/// What is wrong with a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PayloadError(pub String);

impl From<&str> for PayloadError {
    fn from(reason: &str) -> PayloadError {
        PayloadError(reason.to_owned())
    }
}

impl From<String> for PayloadError {
    fn from(reason: String) -> PayloadError {
        PayloadError(reason)
    }
}

/// The rows of one payload. At most 1,048,576 of them, and 64 MiB of text; a payload with more is a dead letter.
pub struct Rows<'r> {
    records: &'r mut Records,
    is_full: bool,
}

/// One row, until it is dropped. Values are written by the name of their column, or of the first part of its path; columns that no value names are NULL, and names that are
/// no column are passed over. What does not fit a column's type is NULL, and counted, unless `coerce` is lenient.
pub struct Row<'r> {
    records: &'r mut Records,
    is_full: &'r mut bool,
}

impl Rows<'_> {
    /// Whether there is no room for more: what is written now costs the payload.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// A row begins. The one before has to be dropped.
    pub fn row(&mut self) -> Row<'_> {
        self.is_full |= self.records.begin_row(0).is_err();
        Row { records: self.records, is_full: &mut self.is_full }
    }
}

impl Row<'_> {
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        self.value(name, |records| records.integer(value))
    }

    pub fn number(&mut self, name: &str, value: f64) -> &mut Self {
        self.value(name, |records| records.double(value))
    }

    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.value(name, |records| records.boolean(value))
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.value(name, |records| records.string(value))
    }

    /// For BINARY columns.
    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.value(name, |records| records.bytes(value))
    }

    /// Microseconds since 1970, for TIMESTAMP columns, whatever the source's `timestamp_unit` is.
    pub fn timestamp(&mut self, name: &str, micros: i64) -> &mut Self {
        self.value(name, |records| records.timestamp(micros))
    }

    /// For ARRAY, MAP and STRUCT columns.
    pub fn json(&mut self, name: &str, value: &serde_json::Value) -> &mut Self {
        let text = value.to_string();
        self.value(name, |records| records.copied(text.as_bytes()))
    }

    fn value(&mut self, name: &str, write: impl FnOnce(&mut Records)) -> &mut Self {
        *self.is_full |= self.records.is_full();
        if !*self.is_full {
            self.records.name(name);
            write(self.records);
        }
        self
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        if !*self.is_full {
            self.records.end_row(0);
        }
    }
}

type Make = dyn Fn(&super::Parameters) -> Result<Box<dyn PayloadFormat>, String> + Send + Sync;

/// A format that a source asks for.
#[derive(Clone)]
pub struct CustomFormat {
    name: String,
    parameters: super::Parameters,
    make: Arc<Make>,
}

impl CustomFormat {
    /// The reason for people where the parameters are wrong.
    pub fn new(name: &str, parameters: super::Parameters, make: Arc<Make>) -> Result<CustomFormat, String> {
        make(&parameters)?;
        Ok(CustomFormat { name: name.to_owned(), parameters, make })
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// By name and parameters.
impl PartialEq for CustomFormat {
    fn eq(&self, other: &CustomFormat) -> bool {
        (&self.name, &self.parameters) == (&other.name, &other.parameters)
    }
}

impl fmt::Debug for CustomFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CustomFormat").field("name", &self.name).field("parameters", &self.parameters).finish()
    }
}

/// A source's reader by such a format.
pub(super) struct Custom {
    made_by: CustomFormat,
    format: Box<dyn PayloadFormat>,
}

impl Custom {
    pub fn new(made_by: &CustomFormat) -> Result<Custom, String> {
        Ok(Custom { format: (made_by.make)(&made_by.parameters)?, made_by: made_by.clone() })
    }

    pub fn read(&mut self, payload: &[u8], records: &mut Records) -> Result<(), BadRecord> {
        let mut rows = Rows { records, is_full: false };
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| self.format.read(payload, &mut rows)));
        let reason = match read {
            Ok(Ok(())) if rows.is_full => return Err(BadRecord::TooLarge),
            Ok(Ok(())) => return Ok(()),
            Ok(Err(PayloadError(reason))) => reason,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
                // What it held may be half changed. Where no new one can be made, which the first one was, it goes on as it is.
                if let Ok(format) = (self.made_by.make)(&self.made_by.parameters) {
                    self.format = format;
                }
                format!("the format `{}` panicked: {}", self.made_by.name, text.unwrap_or("without a message"))
            }
        };
        Err(BadRecord::Custom { reason: reason.chars().take(REASON_CHARS_MAX).collect() })
    }
}
