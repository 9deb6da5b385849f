//! `tidemill query`: a query over a whole table that is read from JSON lines, by the decoder and engine that the gateway runs.
//!
//! Opens no file and reads no clock: the caller gives the bytes, a hash seed and where the result goes. Rows are read, decoded and run in
//! batches, and results leave as soon as they are there; memory holds one batch, one line and what the query itself must keep.
//!
//! Limits: lines of [`LINE_BYTES_MAX`], batches of [`BATCH_ROWS`] rows or about [`BATCH_BYTES`]; [`KEYS_MAX`] groups and
//! [`STATE_BYTES_MAX`] of them; [`REJECTS_SHOWN_MAX`] failed rows are shown, the others counted.

mod cell;
mod lines;
mod print;

use std::io::{self, Read, Write};

pub use lines::LINE_BYTES_MAX;
pub use print::{ALIGNED_BYTES_MAX, OutputFormat};

use lines::{LineError, Lines};
use print::{Printer, printable};

use crate::batch::{Batch, SourceInput, Stamp};
use crate::engine::{Engine, EngineError, EngineSettings, StepOutput};
use crate::format::{
    BadRecord, BadRecords, Coerce, ColumnLayout, DecodeSettings, Decoded, Decoder, EventTimeMissing, Format, FormatError, Message,
    OpenTable, Origin, TimestampUnit,
};
use crate::plan::{Program, Query, TableColumn, TableSchema};
use crate::sql::SchemaColumn;
use crate::types::Field;

/// Rows after which a batch is run.
pub const BATCH_ROWS: usize = 1 << 15;

/// Bytes of decoded rows after which a batch is run.
pub const BATCH_BYTES: usize = 8 << 20;

/// Groups of one operator; rows of further groups fail.
pub const KEYS_MAX: usize = 1 << 26;

/// Estimated bytes of groups of one operator; rows that need more fail.
pub const STATE_BYTES_MAX: usize = if usize::BITS >= 64 { 1 << 34 } else { 1 << 30 };

/// Failed rows that are told one by one.
pub const REJECTS_SHOWN_MAX: usize = 10;

/// JSON lines as a table of SQL.
pub struct FileTable {
    /// What a query over it is planned with.
    pub schema: TableSchema,
    decode: DecodeSettings,
}

impl FileTable {
    /// `timestamp_unit` is that of numbers in TIMESTAMP columns.
    pub fn new(name: &str, columns: Vec<SchemaColumn>, timestamp_unit: TimestampUnit) -> FileTable {
        let shown = |column: &SchemaColumn| TableColumn { field: Field::new(column.name.clone(), column.data_type.clone()), hidden: false };
        let schema = TableSchema { name: name.to_owned(), columns: columns.iter().map(shown).collect(), event_time: None };
        let layout =
            |column: SchemaColumn| ColumnLayout { name: column.name, data_type: column.data_type, origin: Origin::Payload(column.path) };
        let decode = DecodeSettings {
            format: Format::Json,
            columns: columns.into_iter().map(layout).collect(),
            patterns: Vec::new(),
            timestamp_unit,
            timestamp_zone: None,
            bad_records: BadRecords::NullRow,
            coerce: Coerce::Strict,
            event_time: None,
            event_time_missing: EventTimeMissing::Null,
        };
        FileTable { schema, decode }
    }
}

/// How a query over a file went, beside its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, blank ones too.
    pub lines: u64,
    /// Lines that are no JSON object or array of objects, each read as one row of NULLs.
    pub null_rows: u64,
    /// The first of these, from 1.
    pub first_null_row: Option<u64>,
    /// Fields that did not fit their column and became NULL.
    pub nulled_fields: u64,
    /// Rows that failed and are not in the result.
    pub rejected: u64,
    /// Why, with the row, for people: the first [`REJECTS_SHOWN_MAX`].
    pub rejects: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BatchQueryError {
    #[error("cannot read it: {0}")]
    Input(io::Error),
    #[error("line {line} is longer than {} MB; each line holds one JSON object or an array of them", LINE_BYTES_MAX >> 20)]
    LineTooLong { line: u64 },
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<LineError> for BatchQueryError {
    fn from(error: LineError) -> BatchQueryError {
        match error {
            LineError::Io(error) => BatchQueryError::Input(error),
            LineError::TooLong { line } => BatchQueryError::LineTooLong { line },
        }
    }
}

/// Runs `query`, planned in batch mode over `table`'s schema alone, over the lines of `input`, and writes its result.
///
/// The input is not read further than the result needs. `hash_seed` should be random where the input is hostile; results do not depend on it.
pub fn run(
    input: impl Read,
    table: &FileTable,
    query: Query,
    format: OutputFormat,
    hash_seed: u64,
    out: &mut impl Write,
) -> Result<Summary, BatchQueryError> {
    let fields = query.output.clone();
    let program = Program { sources: vec![table.schema.clone()], queries: vec![query], ..Program::default() };
    let settings = EngineSettings { hash_seed, keys_max: KEYS_MAX, state_bytes_max: STATE_BYTES_MAX, ..EngineSettings::default() };
    let needed = program.needed_columns(0);
    let mut reading = Reading {
        decoder: Decoder::new(&table.decode, &needed, hash_seed)?,
        open: OpenTable::new(&table.decode, &needed),
        engine: Engine::new(&program, settings)?,
        printer: Printer::new(format, fields),
        out,
        batches: 0,
        summary: Summary::default(),
    };
    reading.printer.begin(reading.out).map_err(BatchQueryError::Output)?;
    let mut lines = Lines::new(input);
    while reading.engine.wants_input()
        && let Some(line) = lines.next_line()?
    {
        reading.take(line.number, line.bytes)?;
    }
    reading.run_batch()?;
    let last = reading.engine.finish();
    reading.put(last)?;
    reading.printer.finish(reading.out).and_then(|()| reading.out.flush()).map_err(BatchQueryError::Output)?;
    Ok(reading.summary)
}

/// Lines on their way through decoder and engine to the output.
struct Reading<'a, W> {
    decoder: Decoder,
    open: OpenTable,
    engine: Engine,
    printer: Printer,
    out: &'a mut W,
    batches: u64,
    summary: Summary,
}

impl<W: Write> Reading<'_, W> {
    fn take(&mut self, number: u64, payload: &[u8]) -> Result<(), BatchQueryError> {
        self.summary.lines = number;
        let message = Message { topic: "", payload, arrived_us: 0, retained: false };
        let mut result = self.decoder.decode(&message, &mut self.open);
        if result == Err(BadRecord::TableFull) {
            self.run_batch()?;
            result = self.decoder.decode(&message, &mut self.open);
        }
        match result {
            Ok(Decoded { nulled_fields, null_row, .. }) => {
                self.summary.nulled_fields += nulled_fields as u64;
                if null_row {
                    self.summary.null_rows += 1;
                    self.summary.first_null_row.get_or_insert(number);
                }
            }
            Err(bad) => self.summary.reject(|| format!("line {number}: {bad}")),
        }
        if self.open.rows() >= BATCH_ROWS || self.open.bytes() >= BATCH_BYTES { self.run_batch() } else { Ok(()) }
    }

    fn run_batch(&mut self) -> Result<(), BatchQueryError> {
        if self.open.rows() == 0 {
            return Ok(());
        }
        self.batches += 1;
        let inputs = vec![SourceInput { source: 0, table: self.open.take(), idle: false }];
        let output = self.engine.step(&Batch { number: self.batches, stamp: Stamp::default(), inputs, ..Batch::default() });
        self.put(output)
    }

    fn put(&mut self, output: StepOutput) -> Result<(), BatchQueryError> {
        for reject in &output.rejects {
            self.summary.reject(|| format!("{}: {}", reject.reason, reject.row));
        }
        self.summary.rejected += output.rejects_uncounted;
        let printed = output.results.iter().try_for_each(|result| self.printer.rows(&result.table, self.out));
        printed.map_err(BatchQueryError::Output)
    }
}

impl Summary {
    fn reject(&mut self, text: impl FnOnce() -> String) {
        self.rejected += 1;
        if self.rejects.len() < REJECTS_SHOWN_MAX {
            self.rejects.push(printable(&text()));
        }
    }
}

#[cfg(test)]
mod tests;
