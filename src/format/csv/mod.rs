//! CSV to columns, by Spark's rules for a given schema, line by line or a whole file at once.
//!
//! `record` takes a line apart, `field` reads one field as a type. A record of the wrong length or with an open quote is bad, a field that does
//! not fit its column is NULL; [`CsvBadRecords`] says what becomes of them. Unlike Spark, columns are found by the names in the header, and a quote
//! within quotes is doubled (RFC 4180) unless [`CsvSettings::escape`] says otherwise.
//!
//! Limits: a record of [`RECORD_BYTES_MAX`], [`FIELDS_MAX`] fields; [`ROWS_MAX`] rows before [`CsvReader::take`].

mod field;
pub(in crate::format) mod record;
mod record_scan;
#[cfg(test)]
mod tests;

pub use record_scan::RecordScan;

use crate::batch::{Column, ColumnBuilder, ROWS_MAX, Table};
use crate::format::TimestampUnit;
use crate::types::{DataType, Field};

use field::FieldReader;
use record::{Fields, Splitter};

/// Bytes of one record, over all its lines.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Fields of one record; further ones make it a bad record.
pub const FIELDS_MAX: usize = 16_384;

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvSettings {
    /// Separator, quote and escape are ASCII.
    pub separator: u8,
    pub quote: u8,
    /// Stands before a quote within quotes. The quote itself is RFC 4180, a backslash Spark's default.
    pub escape: u8,
    pub header: CsvHeader,
    /// A field of this text is NULL, quoted or not; an empty one without quotes always is.
    pub null_text: String,
    /// Whether a quoted field goes on in the next line.
    pub multi_line: bool,
    /// What an integer in a TIMESTAMP column counts; `None`: it is no timestamp (but `2026` is a year), as in Spark.
    pub timestamp_unit: Option<TimestampUnit>,
    pub bad_records: CsvBadRecords,
}

impl Default for CsvSettings {
    fn default() -> CsvSettings {
        CsvSettings {
            separator: b',',
            quote: b'"',
            escape: b'"',
            header: CsvHeader::Names,
            null_text: String::new(),
            multi_line: false,
            timestamp_unit: None,
            bad_records: CsvBadRecords::Null,
        }
    }
}

impl CsvSettings {
    pub(in crate::format) fn check(&self) -> Result<(), CsvError> {
        let CsvSettings { separator, quote, escape, .. } = *self;
        let plain = |byte: u8| byte.is_ascii() && byte != b'\n' && byte != b'\r';
        let fits = [separator, quote, escape].into_iter().all(plain) && separator != quote && separator != escape;
        if fits { Ok(()) } else { Err(CsvError::Characters) }
    }
}

/// What the first line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvHeader {
    /// The columns' names: the schema's are looked up there, the case does not matter.
    Names,
    /// Passed over; columns stand in the schema's order, as in Spark.
    Skip,
    /// A record like the others; columns stand in the schema's order.
    None,
}

/// What becomes of records of the wrong length and fields that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvBadRecords {
    /// What is missing or does not fit is NULL, what is too much is dropped (Spark's PERMISSIVE). Counted.
    Null,
    /// The file is refused (FAILFAST).
    Fail,
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    #[error("a CSV file has no columns of type {data_type}, but `{column}` is one")]
    ColumnType { column: String, data_type: DataType },
    #[error("separator, quote and escape must be different ASCII characters and no line ends (escape may be the quote)")]
    Characters,
    #[error("the header has no column `{column}`; it has {header}")]
    MissingColumn { column: String, header: String },
    #[error("the header has more than one column `{column}`")]
    AmbiguousColumn { column: String },
    #[error("line {line}: {problem}")]
    Record { line: u64, problem: CsvProblem },
    #[error("line {line}: a record is longer than {} MB; is a quote left open?", RECORD_BYTES_MAX >> 20)]
    RecordTooLong { line: u64 },
    #[error("the file has more than {ROWS_MAX} rows")]
    TooManyRows,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvProblem {
    #[error("{found} fields where {expected} are expected")]
    Length { found: usize, expected: usize },
    #[error("a quote is not closed; fields that go on in the next line need multi-line reading")]
    OpenQuote,
    /// Only told where bad records are refused.
    #[error("`{text}` is no {data_type} for column `{column}`")]
    Field { column: String, data_type: DataType, text: String },
}

/// What a line gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineRead {
    /// 0 for a header, a blank line, and a line whose record goes on; else 1.
    pub rows: usize,
    pub nulled_fields: usize,
    pub problem: Option<CsvProblem>,
}

/// A whole file.
#[derive(Clone, Debug)]
pub struct CsvTable {
    pub rows: usize,
    /// In the order of the schema.
    pub columns: Vec<Column>,
    pub nulled_fields: usize,
    pub bad_records: usize,
    /// The first bad record: its line, from 1, and what is wrong.
    pub first_bad: Option<(u64, CsvProblem)>,
}

/// Reads records into columns.
pub struct CsvReader {
    settings: CsvSettings,
    columns: Vec<CsvColumn>,
    /// Fields of a record as header or schema have it.
    expected: usize,
    fields: Fields,
    /// A record's lines before the one that ends it, and the number of its first.
    begun: Vec<u8>,
    begun_line: u64,
    at_header: bool,
    at_start: bool,
    rows: usize,
    bytes: usize,
}

struct CsvColumn {
    field: Field,
    reader: FieldReader,
    position: usize,
    /// `None` for a column that nobody reads.
    builder: Option<ColumnBuilder>,
}

impl CsvReader {
    /// A reader of records with these columns; those not `needed` are left out of the tables.
    pub fn new(settings: &CsvSettings, fields: &[Field], needed: &[bool]) -> Result<CsvReader, CsvError> {
        settings.check()?;
        let column = |(position, (field, needed)): (usize, (&Field, &bool))| {
            let reader = FieldReader::new(&field.data_type, settings.timestamp_unit)
                .ok_or_else(|| CsvError::ColumnType { column: field.name.clone(), data_type: field.data_type.clone() })?;
            let builder = needed.then(|| ColumnBuilder::new(&field.data_type, 0));
            Ok(CsvColumn { field: field.clone(), reader, position, builder })
        };
        Ok(CsvReader {
            columns: fields.iter().zip(needed).enumerate().map(column).collect::<Result<_, _>>()?,
            settings: settings.clone(),
            expected: fields.len(),
            fields: Fields::default(),
            begun: Vec::new(),
            begun_line: 0,
            at_header: settings.header != CsvHeader::None,
            at_start: true,
            rows: 0,
            bytes: 0,
        })
    }

    /// A further file of the same columns begins, with a header of its own. The one before must have been ended by [`CsvReader::end`].
    pub fn begin_file(&mut self) {
        self.at_header = self.settings.header != CsvHeader::None;
        self.at_start = true;
        self.begun.clear();
    }

    /// Takes the next line, without its end; `number` is the line's, from 1.
    pub fn line(&mut self, number: u64, line: &[u8]) -> Result<LineRead, CsvError> {
        let line = if std::mem::take(&mut self.at_start) { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if self.begun.is_empty() {
            if line.iter().all(|byte| *byte <= b' ') {
                return Ok(LineRead::default());
            }
            self.begun_line = number;
            return self.record(line, false);
        }
        if self.begun.len() + line.len() >= RECORD_BYTES_MAX {
            return Err(CsvError::RecordTooLong { line: self.begun_line });
        }
        self.begun.push(b'\n');
        self.begun.extend_from_slice(line);
        if Splitter::new(&self.settings).stays_open(&String::from_utf8_lossy(line), &mut self.fields) {
            return Ok(LineRead::default());
        }
        let whole = std::mem::take(&mut self.begun);
        self.record(&whole, false)
    }

    /// The file is over: what an open quote has held back comes out, as a bad record.
    pub fn end(&mut self) -> Result<LineRead, CsvError> {
        let whole = std::mem::take(&mut self.begun);
        if whole.is_empty() { Ok(LineRead::default()) } else { self.record(&whole, true) }
    }

    /// The line, from 1, in which the last record began.
    pub fn record_line(&self) -> u64 {
        self.begun_line
    }

    /// Rows since the last [`CsvReader::take`], and their bytes about.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows so far; the reader goes on with none.
    pub fn take(&mut self) -> Table {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let take = |column: &mut CsvColumn| {
            let builder = column.builder.as_mut()?;
            Some(std::mem::replace(builder, ColumnBuilder::new(&column.field.data_type, 0)).finish())
        };
        Table { rows, columns: self.columns.iter_mut().map(take).collect() }
    }

    fn record(&mut self, bytes: &[u8], last: bool) -> Result<LineRead, CsvError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(CsvError::RecordTooLong { line: self.begun_line });
        }
        let text = String::from_utf8_lossy(bytes);
        let closed = Splitter::new(&self.settings).split(&text, &mut self.fields);
        if !closed && self.settings.multi_line && !last {
            self.begun = bytes.to_vec();
            return Ok(LineRead::default());
        }
        if std::mem::take(&mut self.at_header) {
            self.header()?;
            return Ok(LineRead::default());
        }
        if self.rows >= ROWS_MAX {
            return Err(CsvError::TooManyRows);
        }
        let mut read = LineRead { rows: 1, ..LineRead::default() };
        if !closed {
            read.problem = Some(CsvProblem::OpenQuote);
        } else if self.fields.len() != self.expected {
            read.problem = Some(CsvProblem::Length { found: self.fields.len(), expected: self.expected });
        }
        let fails = self.settings.bad_records == CsvBadRecords::Fail;
        if let (true, Some(problem)) = (fails, &read.problem) {
            return Err(CsvError::Record { line: self.begun_line, problem: problem.clone() });
        }
        for column in &mut self.columns {
            let Some(builder) = &mut column.builder else { continue };
            let text = self.fields.get(column.position).filter(|text| *text != self.settings.null_text);
            if !column.reader.push(text, builder) {
                read.nulled_fields += 1;
                if fails {
                    return Err(CsvError::Record { line: self.begun_line, problem: unfit(&column.field, text) });
                }
            }
        }
        self.rows += 1;
        self.bytes += bytes.len() + self.columns.len();
        Ok(read)
    }

    /// Finds the columns in the header.
    fn header(&mut self) -> Result<(), CsvError> {
        if self.settings.header != CsvHeader::Names {
            return Ok(());
        }
        self.expected = self.fields.len();
        let names: Vec<&str> = (0..self.fields.len()).map(|index| self.fields.get(index).unwrap_or_default().trim()).collect();
        for column in &mut self.columns {
            let name = &column.field.name;
            let mut found = names.iter().enumerate().filter(|(_, other)| other.eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (Some((position, _)), None) => column.position = position,
                (None, _) => return Err(CsvError::MissingColumn { column: name.clone(), header: listed(&names) }),
                (Some(_), Some(_)) => return Err(CsvError::AmbiguousColumn { column: name.clone() }),
            }
        }
        Ok(())
    }
}

/// Reads a whole file; with [`CsvBadRecords::Fail`], its first bad record or field is the error.
pub fn read_csv(bytes: &[u8], settings: &CsvSettings, fields: &[Field]) -> Result<CsvTable, CsvError> {
    let mut reader = CsvReader::new(settings, fields, &vec![true; fields.len()])?;
    let mut table = CsvTable { rows: 0, columns: Vec::new(), nulled_fields: 0, bad_records: 0, first_bad: None };
    let mut count = |reader: &CsvReader, read: LineRead| {
        table.nulled_fields += read.nulled_fields;
        if let Some(problem) = read.problem {
            table.bad_records += 1;
            table.first_bad.get_or_insert((reader.begun_line, problem));
        }
    };
    let (mut rest, mut number) = (bytes, 0);
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        let gap = if rest[end..].starts_with(b"\r\n") { 2 } else { usize::from(end < rest.len()) };
        rest = &rest[end + gap..];
        number += 1;
        let read = reader.line(number, line)?;
        count(&reader, read);
    }
    let read = reader.end()?;
    count(&reader, read);
    let taken = reader.take();
    table.rows = taken.rows;
    table.columns = taken.columns.into_iter().flatten().collect();
    Ok(table)
}

fn listed(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    let mut shown: Vec<String> =
        names.iter().take(SHOWN_MAX).map(|name| name.chars().take(64).flat_map(char::escape_debug).collect()).collect();
    if names.len() > SHOWN_MAX {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

fn unfit(field: &Field, text: Option<&str>) -> CsvProblem {
    let text = text.unwrap_or_default().chars().take(64).flat_map(char::escape_debug).collect();
    CsvProblem::Field { column: field.name.clone(), data_type: field.data_type.clone(), text }
}
