//! `tidemill query`: the engine over a file of JSON lines. The result goes to standard output, what was not read or failed to standard error.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::path::Path;

use super::arguments::QueryArguments;
use super::{CliError, say};
use tidemill::batch_query::{self, BatchQueryError, FileTable, Summary};
use tidemill::config::{Diagnostic, Place, Sources};
use tidemill::plan::{OutputMode, Span};
use tidemill::sql::{self, Catalog, SqlError};

/// Plans the query and runs it.
pub fn run(arguments: &QueryArguments) -> Result<(), CliError> {
    let columns = sql::parse_schema(&arguments.schema).map_err(|error| sql_error("--schema", &arguments.schema, error))?;
    let table = FileTable::new(&table_name(&arguments.from), columns, arguments.timestamp_unit);
    let catalog = Catalog { sources: std::slice::from_ref(&table.schema), ..Catalog::default() };
    let query = sql::plan_query("query", &arguments.sql, OutputMode::Batch, &catalog);
    let query = query.map_err(|error| sql_error("query", &arguments.sql, error))?;
    let input = open(&arguments.from)?;
    let hash_seed = getrandom::u64().map_err(|error| CliError::Failed(format!("error: no random numbers from the system: {error}")))?;
    let mut out = BufWriter::new(io::stdout().lock());
    match batch_query::run(input, &table, query, arguments.format, hash_seed, &mut out) {
        Ok(summary) => {
            report(&summary);
            Ok(())
        }
        // A reader that went away, as `| head` does, is no error.
        Err(BatchQueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error @ (BatchQueryError::Input(_) | BatchQueryError::LineTooLong { .. })) => {
            Err(CliError::Failed(format!("error: {}: {error}", arguments.from.display())))
        }
        Err(error) => Err(CliError::Failed(format!("error: {error}"))),
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    let file = if path == Path::new("-") { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(path) };
    file.map_err(|error| {
        let why = if error.kind() == io::ErrorKind::NotFound { "no such file".to_owned() } else { error.to_string() };
        CliError::Failed(format!("error: cannot read {}: {why}", path.display()))
    })
}

/// Says what the result does not hold.
fn report(summary: &Summary) {
    let mut text = String::new();
    if let Some(line) = summary.first_null_row {
        let (lines, were, rows) = if summary.null_rows == 1 { ("line is", "was", "a row") } else { ("lines are", "were", "rows") };
        let count = summary.null_rows;
        text += &format!("note: {count} {lines} no JSON object and {were} read as {rows} of NULLs, the first at line {line}\n");
    }
    match summary.nulled_fields {
        0 => {}
        1 => text += "note: 1 field did not fit its column's type and was read as NULL\n",
        count => text += &format!("note: {count} fields did not fit their column's type and were read as NULL\n"),
    }
    if summary.rejected > 0 {
        let (rows, are) = if summary.rejected == 1 { ("row", "is") } else { ("rows", "are") };
        text += &format!("warning: {} {rows} failed and {are} not in the result:\n", summary.rejected);
        summary.rejects.iter().for_each(|reject| text += &format!("  {}\n", reject));
        let others = summary.rejected - summary.rejects.len() as u64;
        if others > 0 {
            text += &format!("  and {others} more\n");
        }
    }
    if !text.is_empty() {
        say(&text);
    }
}

/// `data/readings-2.jsonl` is the table `readings_2`, standard input is `stdin`.
fn table_name(path: &Path) -> String {
    if path == Path::new("-") {
        return "stdin".to_owned();
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("t{name}") }
}

fn sql_error(name: &str, text: &str, error: SqlError) -> CliError {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let Span { start, end } = error.span;
    let place = Place { file, start: start as usize, end: end as usize };
    let diagnostic = Diagnostic { help: error.help, ..Diagnostic::error(place, error.message) };
    CliError::Failed(diagnostic.render(&sources).trim_end().to_owned())
}
