//! A table of SQL that lies in files, and how its lines become rows.

use super::{BatchQueryError, Summary};
use crate::batch::Table;
use crate::format::csv::{CsvError, CsvReader, CsvSettings, LineRead};
use crate::format::{BadRecord, BadRecords, ColumnLayout, DecodeSettings, Decoded, Decoder, Message, OpenTable, Origin, TimestampUnit};
use crate::plan::{TableColumn, TableSchema};
use crate::sql::SchemaColumn;
use crate::types::Field;

/// Files of one format as a table of SQL.
#[derive(Clone, Debug)]
pub struct FileTable {
    /// What a query over it is planned with.
    pub schema: TableSchema,
    lines: LineFormat,
}

#[derive(Clone, Debug)]
enum LineFormat {
    Json(DecodeSettings),
    Csv(CsvSettings),
}

impl FileTable {
    /// JSON lines; `timestamp_unit` is that of numbers in TIMESTAMP columns.
    pub fn json(name: &str, columns: Vec<SchemaColumn>, timestamp_unit: TimestampUnit) -> FileTable {
        let schema = schema(name, &columns);
        let layout =
            |column: SchemaColumn| ColumnLayout { name: column.name, data_type: column.data_type, origin: Origin::Payload(column.path) };
        let decode = DecodeSettings {
            timestamp_unit,
            bad_records: BadRecords::NullRow,
            ..DecodeSettings::json(columns.into_iter().map(layout).collect())
        };
        FileTable { schema, lines: LineFormat::Json(decode) }
    }

    /// CSV.
    pub fn csv(name: &str, columns: &[SchemaColumn], settings: CsvSettings) -> FileTable {
        FileTable { schema: schema(name, columns), lines: LineFormat::Csv(settings) }
    }
}

fn schema(name: &str, columns: &[SchemaColumn]) -> TableSchema {
    let shown = |column: &SchemaColumn| TableColumn { field: Field::new(column.name.clone(), column.data_type.clone()), hidden: false };
    TableSchema { name: name.to_owned(), columns: columns.iter().map(shown).collect(), event_time: None }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It is to be given again after [`TableReader::take`].
    NoRoom,
}

/// Reads lines of one table.
pub(super) enum TableReader {
    Json { decoder: Box<Decoder>, open: Box<OpenTable> },
    Csv(Box<CsvReader>),
}

impl TableReader {
    pub fn new(table: &FileTable, needed: &[bool], hash_seed: u64) -> Result<TableReader, BatchQueryError> {
        Ok(match &table.lines {
            LineFormat::Json(decode) => TableReader::Json {
                decoder: Box::new(Decoder::new(decode, needed, hash_seed)?),
                open: Box::new(OpenTable::new(decode, needed)),
            },
            LineFormat::Csv(settings) => {
                let fields: Vec<Field> = table.schema.columns.iter().map(|column| column.field.clone()).collect();
                TableReader::Csv(Box::new(CsvReader::new(settings, &fields, needed)?))
            }
        })
    }

    pub fn begin_file(&mut self) {
        if let TableReader::Csv(reader) = self {
            reader.begin_file();
        }
    }

    pub fn line(&mut self, file: &str, number: u64, line: &[u8], summary: &mut Summary) -> Result<Taken, BatchQueryError> {
        match self {
            TableReader::Json { decoder, open } => {
                let message = Message { topic: "", place: None, payload: line, arrived_us: 0, retained: false };
                match decoder.decode(&message, open) {
                    Ok(Decoded { nulled_fields, null_row, .. }) => {
                        summary.nulled_fields += nulled_fields as u64;
                        if null_row {
                            summary.null_rows += 1;
                            summary.first_null_row.get_or_insert_with(|| format!("{file}:{number}"));
                        }
                    }
                    Err(BadRecord::TableFull) => return Ok(Taken::NoRoom),
                    Err(bad) => summary.reject(|| format!("{file}:{number}: {bad}")),
                }
            }
            TableReader::Csv(reader) => {
                let read = reader.line(number, line).map_err(|error| in_file(file, error))?;
                note(file, number, read, summary);
            }
        }
        Ok(Taken::Yes)
    }

    /// The file's last line was given.
    pub fn end_file(&mut self, file: &str, summary: &mut Summary) -> Result<(), BatchQueryError> {
        if let TableReader::Csv(reader) = self {
            let read = reader.end().map_err(|error| in_file(file, error))?;
            note(file, reader.record_line(), read, summary);
        }
        Ok(())
    }

    pub fn rows(&self) -> usize {
        match self {
            TableReader::Json { open, .. } => open.rows(),
            TableReader::Csv(reader) => reader.rows(),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            TableReader::Json { open, .. } => open.bytes(),
            TableReader::Csv(reader) => reader.bytes(),
        }
    }

    /// The rows so far.
    pub fn take(&mut self) -> Table {
        match self {
            TableReader::Json { open, .. } => open.take(),
            TableReader::Csv(reader) => reader.take(),
        }
    }
}

fn in_file(file: &str, error: CsvError) -> BatchQueryError {
    BatchQueryError::Csv { file: file.to_owned(), error }
}

fn note(file: &str, line: u64, read: LineRead, summary: &mut Summary) {
    summary.nulled_fields += read.nulled_fields as u64;
    if let Some(problem) = read.problem {
        summary.bad_records += 1;
        summary.first_bad_record.get_or_insert_with(|| format!("{file}:{line}: {problem}"));
    }
}
