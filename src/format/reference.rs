//! Reference tables: a whole file of CSV or JSON lines to rows, all or nothing.
//!
//! Strict: a record that cannot be read, or a field that does not fit its column, makes the file bad, with the line named.
//!
//! Limits: those of the settings on bytes and rows, at most [`REFERENCE_ROWS_MAX`] rows.

use crate::batch::{ROWS_MAX, Table};
use crate::format::csv::{CsvError, CsvSettings, read_csv};
use crate::format::{BadRecord, BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoder, EventTimeMissing, Format, FormatError, Message};
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
    #[error("line {line}: a value does not fit its column")]
    Field { line: u64 },
}

/// Reads a whole file.
pub fn read_reference(settings: &ReferenceSettings, bytes: &[u8]) -> Result<Table, ReferenceError> {
    if bytes.len() > settings.bytes_max {
        return Err(ReferenceError::Bytes { found: bytes.len(), bytes_max: settings.bytes_max });
    }
    let table = match &settings.format {
        ReferenceFormat::Csv(csv) => {
            let read = read_csv(bytes, csv, &settings.fields)?;
            Table { rows: read.rows, columns: read.columns.into_iter().map(Some).collect() }
        }
        ReferenceFormat::Json { paths, timestamp_unit } => read_json(settings, paths, *timestamp_unit, bytes)?,
    };
    let rows_max = settings.rows_max.min(REFERENCE_ROWS_MAX);
    if table.rows > rows_max { Err(ReferenceError::Rows(rows_max)) } else { Ok(table) }
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
    let decode = DecodeSettings {
        format: Format::Json,
        columns: settings.fields.iter().zip(paths).map(layout).collect(),
        patterns: Vec::new(),
        timestamp_unit,
        timestamp_zone: None,
        bad_records: BadRecords::DeadLetter,
        coerce: Coerce::Strict,
        event_time: None,
        event_time_missing: EventTimeMissing::Null,
    };
    let needed = vec![true; decode.columns.len()];
    let mut decoder = Decoder::new(&decode, &needed, 0)?;
    let mut open = OpenTable::new(&decode, &needed);
    for (line, payload) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if payload.iter().all(|byte| *byte <= b' ') {
            continue;
        }
        let decoded = decoder.decode(&Message { topic: "", payload, arrived_us: 0, retained: false }, &mut open);
        match decoded {
            Ok(decoded) if decoded.nulled_fields > 0 => return Err(ReferenceError::Field { line }),
            Ok(_) => {}
            Err(BadRecord::TableFull | BadRecord::TooLarge) => return Err(ReferenceError::Rows(settings.rows_max.min(REFERENCE_ROWS_MAX))),
            Err(problem) => return Err(ReferenceError::Line { line, problem }),
        }
    }
    Ok(open.take())
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
        assert_eq!(error(&json(), "{\"device\":\"a\"}\n{\"device\":\"b\",\"limits\":{\"high\":\"x\"}}"), "line 2: a value does not fit its column");
        assert!(error(&json(), "{\"device\":\"a\"}\n{").starts_with("line 2: "));
        assert_eq!(error(&json(), "{}\n{}\n{}\n{}"), "it has more rows than max_rows, 3");
        assert!(error(&json(), &" ".repeat(1_001)).contains("max_bytes"));
        let strict = CsvSettings { bad_records: crate::format::csv::CsvBadRecords::Fail, ..CsvSettings::default() };
        let csv = settings(ReferenceFormat::Csv(strict));
        assert!(error(&csv, "device,lim\na,x\n").starts_with("line 2: `x` is no DOUBLE"));
        assert!(error(&csv, "device\na\n").contains("no column `lim`"));
    }
}
