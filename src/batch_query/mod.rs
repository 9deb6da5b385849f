//! `tidemill query`: a query over whole tables that are read from JSON lines and CSV, by the decoders and the engine that the gateway runs.
//!
//! Opens no file and reads no clock: the caller gives the bytes, a hash seed and where the result goes. Rows are read, decoded and run in
//! batches, and results leave as soon as they are there; memory holds one batch, one line and what the query itself must keep.
//!
//! Limits: lines of [`LINE_BYTES_MAX`], batches of [`BATCH_ROWS`] rows or about [`BATCH_BYTES`]; [`KEYS_MAX`] groups and
//! [`STATE_BYTES_MAX`] of them; [`REJECTS_SHOWN_MAX`] failed rows are shown, the others counted.

mod cell;
mod lines;
mod print;
mod table;

use std::io::{self, Read, Write};

pub use lines::LINE_BYTES_MAX;
pub use print::{ALIGNED_BYTES_MAX, OutputFormat};
pub use table::FileTable;

use lines::{Line, LineError, Lines};
use print::{Printer, printable};
use table::{TableReader, Taken};

use crate::batch::{Batch, SourceInput, Stamp};
use crate::engine::{Engine, EngineError, EngineSettings, StepOutput};
use crate::format::FormatError;
use crate::format::compressed::Decompressed;
use crate::format::csv::CsvError;
use crate::plan::{Program, Query, Relation, ScriptFunction};
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

/// How a query over files went, beside its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines read, blank ones too.
    pub lines: u64,
    /// Lines that are no JSON object or array of objects, each read as one row of NULLs.
    pub null_rows: u64,
    /// The first of these, as `file:line`.
    pub first_null_row: Option<String>,
    /// CSV records of the wrong length or with an open quote: what was missing is NULL, what was too much is left out.
    pub bad_records: u64,
    /// The first of these, as `file:line: what is wrong`.
    pub first_bad_record: Option<String>,
    /// Fields that did not fit their column and became NULL.
    pub nulled_fields: u64,
    /// Rows that failed and are not in the result.
    pub rejected: u64,
    /// Why, with the row, for people: the first [`REJECTS_SHOWN_MAX`].
    pub rejects: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BatchQueryError {
    #[error("cannot read {file}: {error}")]
    Input { file: String, error: io::Error },
    #[error("{file}:{line}: the line is longer than {} MB", LINE_BYTES_MAX >> 20)]
    LineTooLong { file: String, line: u64 },
    #[error("{file}: {error}")]
    Csv { file: String, error: CsvError },
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    #[error("two columns of the result are called `{0}`, which a JSON object cannot hold; name one of them with AS")]
    SameName(String),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Columns(#[from] CsvError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A table, and the files that hold its rows, in order; each is asked for when the one before is through.
pub struct TableFiles<I> {
    pub table: FileTable,
    pub files: I,
}

/// A file by the name that messages give it. Compressed contents are decompressed.
pub struct NamedFile<R> {
    pub name: String,
    pub input: io::Result<R>,
}

/// Runs `query`, planned in batch mode over the tables' schemas in this order and with these functions, over their files, and writes its result.
///
/// No input is read further than the result needs, and none of a table that the query does not read. `hash_seed` should be random where the input is
/// hostile; results do not depend on it.
pub fn run<R: Read, I: Iterator<Item = NamedFile<R>>>(
    tables: Vec<TableFiles<I>>,
    query: Query,
    functions: Vec<ScriptFunction>,
    format: OutputFormat,
    hash_seed: u64,
    out: &mut impl Write,
) -> Result<Summary, BatchQueryError> {
    let fields = query.output.clone();
    check_names(&fields, format)?;
    let sources = tables.iter().map(|files| files.table.schema.clone()).collect();
    let program = Program { sources, queries: vec![query], functions, ..Program::default() };
    let settings = EngineSettings { hash_seed, keys_max: KEYS_MAX, state_bytes_max: STATE_BYTES_MAX, ..EngineSettings::default() };
    let engine = Engine::new(&program, settings)?;
    let mut running = Running { engine, printer: Printer::new(format, fields), out, batches: 0, summary: Summary::default() };
    running.printer.begin(running.out).map_err(BatchQueryError::Output)?;
    for (source, TableFiles { table, files }) in tables.into_iter().enumerate() {
        if !program.queries.iter().any(|query| scans(&query.root, source)) {
            continue;
        }
        let mut reader = TableReader::new(&table, &program.needed_columns(source), hash_seed)?;
        for file in files {
            if !running.engine.wants_input() {
                break;
            }
            running.read(source, &mut reader, file)?;
        }
        running.batch(source, &mut reader)?;
    }
    let last = running.engine.finish();
    running.put(last)?;
    running.printer.finish(running.out).and_then(|()| running.out.flush()).map_err(BatchQueryError::Output)?;
    Ok(running.summary)
}

/// An object's members must differ; a table's and CSV's columns need not.
fn check_names(fields: &[Field], format: OutputFormat) -> Result<(), BatchQueryError> {
    let same = |(place, field): (usize, &Field)| fields[..place].iter().any(|earlier| earlier.name == field.name);
    match fields.iter().enumerate().find(|(place, field)| same((*place, *field))) {
        Some((_, field)) if format == OutputFormat::Json => Err(BatchQueryError::SameName(field.name.clone())),
        _ => Ok(()),
    }
}

fn scans(relation: &Relation, source: usize) -> bool {
    matches!(relation, Relation::Scan { source: scanned, .. } if *scanned == source)
        || relation.inputs().into_iter().any(|input| scans(input, source))
}

/// Rows on their way through the engine to the output.
struct Running<'a, W> {
    engine: Engine,
    printer: Printer,
    out: &'a mut W,
    batches: u64,
    summary: Summary,
}

impl<W: Write> Running<'_, W> {
    /// Reads one file, as far as its rows are wanted.
    fn read(&mut self, source: usize, reader: &mut TableReader, file: NamedFile<impl Read>) -> Result<(), BatchQueryError> {
        let NamedFile { name, input } = file;
        let input = input.map_err(|error| BatchQueryError::Input { file: name.clone(), error })?;
        let mut lines = Lines::new(Decompressed::new(input));
        reader.begin_file();
        while self.engine.wants_input() {
            let line = lines.next_line().map_err(|error| match error {
                LineError::Io(error) => BatchQueryError::Input { file: name.clone(), error },
                LineError::TooLong { line } => BatchQueryError::LineTooLong { file: name.clone(), line },
            })?;
            let Some(Line { number, bytes }) = line else { break };
            self.summary.lines += 1;
            if reader.line(&name, number, bytes, &mut self.summary)? == Taken::NoRoom {
                self.batch(source, reader)?;
                reader.line(&name, number, bytes, &mut self.summary)?;
            }
            if reader.rows() >= BATCH_ROWS || reader.bytes() >= BATCH_BYTES {
                self.batch(source, reader)?;
            }
        }
        reader.end_file(&name, &mut self.summary)
    }

    /// Runs what has been read.
    fn batch(&mut self, source: usize, reader: &mut TableReader) -> Result<(), BatchQueryError> {
        if reader.rows() == 0 {
            return Ok(());
        }
        self.batches += 1;
        let inputs = vec![SourceInput { source, table: reader.take(), idle: false }];
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
