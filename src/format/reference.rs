//! Reference tables: a whole file of CSV or JSON lines to rows, all or nothing.
//!
//! Strict: a record that cannot be read, a field that does not fit its column, or text that is not UTF-8 makes the file bad, with line and column
//! named. So does a file without a byte, and one with NUL bytes: that is how a file looks that was being written when the power failed.
//!
//! Limits: those of the settings on bytes and rows, at most [`REFERENCE_ROWS_MAX`] rows.

use std::sync::Arc;

use crate::batch::{ROWS_MAX, Table};
use crate::format::csv::{CsvError, CsvHeader, CsvSettings, read_csv};
use crate::format::{BadRecord, ColumnLayout, DecodeSettings, Decoder, FormatError, Message};
use crate::format::{OpenTable, Origin, TimestampUnit};
use crate::types::Field;

/// Rows of a reference table, whatever its settings say.
pub const REFERENCE_ROWS_MAX: usize = ROWS_MAX - 1;

/// How a reference table's file is read.
#[derive(Clone, Debug)]
pub struct ReferenceSettings {
    pub format: ReferenceFormat,
    pub fields: Vec<Field>,
    pub rows_max: usize,
    pub bytes_max: usize,
}

#[derive(Clone, Debug)]
pub enum ReferenceFormat {
    Csv(CsvSettings),
    /// Where each column stands in the objects.
    Json {
        paths: Vec<Vec<String>>,
        timestamp_unit: TimestampUnit,
    },
}

/// Why a file is not taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("it has {found} bytes, more than max_bytes, {bytes_max}")]
    Bytes { found: usize, bytes_max: usize },
    #[error("it has more rows than max_rows, {0}")]
    Rows(usize),
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: BadRecord },
    #[error("line {line}: the value does not fit {column}")]
    Field { line: u64, column: String },
    #[error("it is empty: a table without rows has a header, or a blank line")]
    Empty,
    #[error("line {line}, byte {byte}: this is not UTF-8{hint}")]
    Encoding { line: usize, byte: usize, hint: &'static str },
    #[error("line {line}, byte {byte}: a NUL byte; the file is damaged, or not UTF-8")]
    Nul { line: usize, byte: usize },
    #[error("it has no header line")]
    NoHeader,
}

/// A table as its file had it.
#[derive(Clone, Debug)]
pub struct ReferenceContents {
    pub rows: Arc<Table>,
    /// Of the text.
    pub bytes: usize,
    pub checksum: u32,
}

impl ReferenceContents {
    /// Reads a whole file's text.
    pub fn read(settings: &ReferenceSettings, text: &[u8]) -> Result<ReferenceContents, ReferenceError> {
        let rows = Arc::new(read_reference(settings, text)?);
        Ok(ReferenceContents { rows, bytes: text.len(), checksum: crc32fast::hash(text) })
    }
}

/// Reads a whole file.
pub fn read_reference(settings: &ReferenceSettings, bytes: &[u8]) -> Result<Table, ReferenceError> {
    if bytes.len() > settings.bytes_max {
        return Err(ReferenceError::Bytes { found: bytes.len(), bytes_max: settings.bytes_max });
    }
    let bytes = check_text(bytes)?;
    let rows_max = settings.rows_max.min(REFERENCE_ROWS_MAX);
    let table = match &settings.format {
        ReferenceFormat::Csv(csv) => {
            if csv.header != CsvHeader::None && bytes.iter().all(|byte| *byte <= b' ') {
                return Err(ReferenceError::NoHeader);
            }
            let read = read_csv(bytes, csv, &settings.fields)?;
            Table { rows: read.rows, columns: read.columns.into_iter().map(Some).collect() }
        }
        ReferenceFormat::Json { paths, timestamp_unit } => read_json(settings, paths, *timestamp_unit, bytes)?,
    };
    if table.rows > rows_max { Err(ReferenceError::Rows(rows_max)) } else { Ok(table) }
}

/// The text without a byte order mark, if it is UTF-8.
fn check_text(bytes: &[u8]) -> Result<&[u8], ReferenceError> {
    if bytes.is_empty() {
        return Err(ReferenceError::Empty);
    }
    let place = |offset: usize| {
        let before = &bytes[..offset];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        (1 + before.iter().filter(|byte| **byte == b'\n').count(), 1 + offset - start)
    };
    if let Err(error) = std::str::from_utf8(bytes) {
        let (line, byte) = place(error.valid_up_to());
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let hint = if utf16 { ", it looks like UTF-16; save it as UTF-8" } else { "; save the file as UTF-8" };
        return Err(ReferenceError::Encoding { line, byte, hint });
    }
    if let Some(offset) = memchr::memchr(0, bytes) {
        let (line, byte) = place(offset);
        return Err(ReferenceError::Nul { line, byte });
    }
    Ok(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

fn read_json(
    settings: &ReferenceSettings,
    paths: &[Vec<String>],
    timestamp_unit: TimestampUnit,
    bytes: &[u8],
) -> Result<Table, ReferenceError> {
    let layout = |(field, path): (&Field, &Vec<String>)| ColumnLayout {
        name: field.name.clone(),
        data_type: field.data_type.clone(),
        origin: Origin::Payload(path.clone()),
    };
    let decode = DecodeSettings { timestamp_unit, ..DecodeSettings::json(settings.fields.iter().zip(paths).map(layout).collect()) };
    let rows_max = settings.rows_max.min(REFERENCE_ROWS_MAX);
    let needed = vec![true; decode.columns.len()];
    let mut decoder = Decoder::new(&decode, &needed, 0)?;
    let mut open = OpenTable::new(&decode, &needed);
    for (line, payload) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if payload.iter().all(|byte| *byte <= b' ') {
            continue;
        }
        let decoded = decoder.decode(&Message { topic: "", place: None, payload, arrived_us: 0, retained: false }, &mut open);
        match decoded {
            Ok(decoded) if decoded.nulled_fields > 0 => {
                return Err(ReferenceError::Field { line, column: nulled(settings, paths, payload, &open.take()) });
            }
            Ok(_) if open.rows() > rows_max => return Err(ReferenceError::Rows(rows_max)),
            Ok(_) => {}
            Err(BadRecord::TableFull | BadRecord::TooLarge) => return Err(ReferenceError::Rows(rows_max)),
            Err(problem) => return Err(ReferenceError::Line { line, problem }),
        }
    }
    Ok(open.take())
}

/// The column whose value became NULL in the last row, by name and type.
fn nulled(settings: &ReferenceSettings, paths: &[Vec<String>], payload: &[u8], table: &Table) -> String {
    let object: serde_json::Value = serde_json::from_slice(payload).unwrap_or_default();
    let given = |path: &[String]| path.iter().try_fold(&object, |value, name| value.get(name)).is_some_and(|value| !value.is_null());
    let is_null = |column: usize| {
        let row = table.rows.checked_sub(1);
        row.is_some_and(|row| table.columns[column].as_ref().is_some_and(|column| column.is_null(row)))
    };
    match (0..paths.len()).find(|column| is_null(*column) && given(&paths[*column])) {
        Some(column) => format!("column `{}` of type {}", settings.fields[column].name, settings.fields[column].data_type),
        None => "its column".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DataType, Value};

    fn settings(format: ReferenceFormat) -> ReferenceSettings {
        let fields = vec![Field::new("device", DataType::String), Field::new("lim", DataType::Double)];
        ReferenceSettings { format, fields, rows_max: 3, bytes_max: 1_000 }
    }

    fn json() -> ReferenceSettings {
        let paths = vec![vec!["device".to_owned()], vec!["limits".to_owned(), "high".to_owned()]];
        settings(ReferenceFormat::Json { paths, timestamp_unit: TimestampUnit::Seconds })
    }

    fn rows(table: &Table) -> Vec<Vec<Value>> {
        (0..table.rows).map(|row| table.columns.iter().map(|column| column.as_ref().unwrap().value(row)).collect()).collect()
    }

    #[test]
    fn both_formats_give_the_same_rows() {
        let csv = read_reference(&settings(ReferenceFormat::Csv(CsvSettings::default())), b"lim,device,x\n20.5,a,1\n,b,2\n").unwrap();
        let lines = br#"{"device":"a","limits":{"high":20.5},"x":1}

{"device":"b"}
"#;
        let json = read_reference(&json(), lines).unwrap();
        assert_eq!(rows(&csv), rows(&json));
        assert_eq!(rows(&csv)[0], [Value::String("a".into()), Value::Double(20.5)]);
    }

    #[test]
    fn a_bad_file_says_where() {
        let error = |settings: &ReferenceSettings, text: &str| read_reference(settings, text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error(&json(), "{\"device\":\"a\"}\n{\"device\":\"b\",\"limits\":{\"high\":\"x\"}}"),
            "line 2: the value does not fit column `lim` of type DOUBLE"
        );
        assert!(error(&json(), "{\"device\":\"a\"}\n{").starts_with("line 2: "));
        assert_eq!(error(&json(), "{}\n{}\n{}\n{}"), "it has more rows than max_rows, 3");
        assert!(error(&json(), &" ".repeat(1_001)).contains("max_bytes"));
        let strict = CsvSettings { bad_records: crate::format::csv::CsvBadRecords::Fail, ..CsvSettings::default() };
        let csv = settings(ReferenceFormat::Csv(strict));
        assert!(error(&csv, "device,lim\na,x\n").starts_with("line 2: `x` is no DOUBLE"));
        assert!(error(&csv, "device\na\n").contains("no column `lim`"));
        assert_eq!(error(&csv, " \n\n"), "it has no header line");
    }

    #[test]
    fn damaged_and_foreign_text_is_refused() {
        let csv = settings(ReferenceFormat::Csv(CsvSettings::default()));
        let error = |bytes: &[u8]| read_reference(&csv, bytes).unwrap_err().to_string();
        assert_eq!(error(b""), "it is empty: a table without rows has a header, or a blank line");
        assert_eq!(error(b"device,lim\na,1\nK\xfcche,2\n"), "line 3, byte 2: this is not UTF-8; save the file as UTF-8");
        assert!(error(b"\xff\xfed\0e\0").contains("line 1, byte 1: this is not UTF-8, it looks like UTF-16"));
        assert!(error(b"device,lim\na\0\0").starts_with("line 2, byte 2: a NUL byte"));
        assert!(error(&[0; 100]).contains("NUL"));
        let with_mark = read_reference(&csv, b"\xef\xbb\xbfdevice,lim\na,1\n").unwrap();
        assert_eq!(rows(&with_mark), [[Value::String("a".into()), Value::Double(1.0)]]);
        assert_eq!(read_reference(&json(), b"\n").unwrap().rows, 0);
        assert_eq!(read_reference(&json(), b"\xef\xbb\xbf{\"device\":\"a\"}").unwrap().rows, 1);
    }
}
