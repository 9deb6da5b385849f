//! `tidemill query`: the engine over files. The result goes to standard output, what was not read or failed to standard error.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::arguments::{InputFormat, QueryArguments};
use super::progress::{Counted, Progress};
use super::{CliError, say};
use tidemill::batch_query::{self, BatchQueryError, FileTable, NamedFile, Summary, TableFiles};
use tidemill::config::glob::{expand, has_wildcard};
use tidemill::config::{self, ConfigErrors, Diagnostic, Environment, Place, Sources};
use tidemill::format::TimestampUnit;
use tidemill::format::csv::CsvSettings;
use tidemill::plan::{OutputMode, Span, TableSchema};
use tidemill::sql::{self, Catalog, SqlError};

/// Tables of one query.
const TABLES_MAX: usize = 256;

/// A table as the command line names it.
struct Named {
    name: String,
    table: FileTable,
    files: Vec<PathBuf>,
}

/// Plans the query and runs it.
pub fn run(arguments: &QueryArguments) -> Result<(), CliError> {
    let tables = tables(arguments)?;
    let schemas: Vec<TableSchema> = tables.iter().map(|named| named.table.schema.clone()).collect();
    let environment = Environment::of_process();
    let functions = config::load_functions(&arguments.functions, &environment).map_err(file_errors)?;
    let catalog = Catalog { sources: &schemas, functions: &functions, ..Catalog::default() };
    let query = sql::plan_query("query", &arguments.sql, OutputMode::Batch, &catalog);
    let mut query = query.map_err(|error| sql_error("query", &arguments.sql, error))?;
    if let Some(path) = &arguments.state {
        query = config::with_state(path, query, &environment).map_err(file_errors)?;
    }
    let hash_seed = getrandom::u64().map_err(|error| failed(format!("no random numbers from the system: {error}")))?;
    let progress = Progress::new(total_bytes(&tables));
    let mut out = BufWriter::new(progress.beside(io::stdout().lock()));
    let tables = tables.into_iter().map(|named| {
        let progress = progress.clone();
        TableFiles { table: named.table, files: named.files.into_iter().map(move |path| open(&path, &progress)) }
    });
    let result = batch_query::run(tables.collect(), query, functions, arguments.format, hash_seed, &mut out);
    progress.clear();
    match result {
        Ok(summary) => {
            report(&summary);
            Ok(())
        }
        // A reader that went away, as `| head` does, is no error.
        Err(BatchQueryError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn failed(text: String) -> CliError {
    CliError::Failed(format!("error: {text}"))
}

/// That of `--from`, then those of `--table`.
fn tables(arguments: &QueryArguments) -> Result<Vec<Named>, CliError> {
    let mut tables: Vec<Named> = Vec::new();
    if let (Some(first), Some(schema)) = (arguments.from.first(), &arguments.schema) {
        add(&mut tables, arguments, &table_name(first), &arguments.from, ("--schema", schema))?;
    }
    for text in &arguments.table {
        let usage = || {
            CliError::Usage(format!(
                "error: --table \"{text}\": write it as name=file:schema, as in \"rooms=rooms.csv:device STRING, room STRING\""
            ))
        };
        let (name, rest) = text.split_once('=').ok_or_else(usage)?;
        let (path, schema) = rest.split_once(':').unwrap_or((rest, ""));
        if name.trim().is_empty() || path.is_empty() {
            return Err(usage());
        }
        add(&mut tables, arguments, name.trim(), &[PathBuf::from(path)], ("--table", schema))?;
    }
    if tables.len() > TABLES_MAX {
        return Err(CliError::Usage(format!("error: more than {TABLES_MAX} tables")));
    }
    Ok(tables)
}

/// A new table, or further files of one that is there; those need no schema, or the same one.
fn add(tables: &mut Vec<Named>, arguments: &QueryArguments, name: &str, paths: &[PathBuf], schema: (&str, &str)) -> Result<(), CliError> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(expand(path).map_err(failed)?);
    }
    let (option, text) = schema;
    let known = tables.iter_mut().find(|known| known.name.eq_ignore_ascii_case(name));
    if let Some(known) = known.filter(|_| text.trim().is_empty()) {
        known.files.extend(files);
        return Ok(());
    }
    let columns = sql::parse_schema(text).map_err(|error| sql_error(option, text, error))?;
    let csv = match arguments.input {
        Some(input) => input == InputFormat::Csv,
        None => paths.first().is_some_and(|path| matches!(ending(path).as_str(), "csv" | "tsv")),
    };
    let table = if csv {
        let tabs = paths.first().is_some_and(|path| ending(path) == "tsv");
        FileTable::csv(name, &columns, csv_settings(arguments, tabs))
    } else {
        FileTable::json(name, columns, arguments.timestamp_unit.unwrap_or(TimestampUnit::Seconds))
    };
    match tables.iter_mut().find(|known| known.name.eq_ignore_ascii_case(name)) {
        Some(known)
            if known.table.schema.columns.iter().map(|column| &column.field).eq(table
                .schema
                .columns
                .iter()
                .map(|column| &column.field)) =>
        {
            known.files.extend(files);
        }
        Some(_) => return Err(CliError::Usage(format!("error: the table `{name}` is given with two schemas"))),
        None => tables.push(Named { name: name.to_owned(), table, files }),
    }
    Ok(())
}

fn csv_settings(arguments: &QueryArguments, tabs: bool) -> CsvSettings {
    let csv = &arguments.csv;
    CsvSettings {
        separator: csv.csv_separator.unwrap_or(if tabs { b'\t' } else { b',' }),
        quote: csv.csv_quote,
        escape: csv.csv_escape.unwrap_or(csv.csv_quote),
        header: csv.csv_header,
        null_text: csv.csv_null.clone(),
        multi_line: csv.csv_multi_line,
        timestamp_unit: arguments.timestamp_unit,
        ..CsvSettings::default()
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn open(path: &Path, progress: &Progress) -> NamedFile<Counted<File>> {
    let name = if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() };
    let file = if is_stdin(path) { io::stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(path) };
    let input = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "no such file"),
        _ => error,
    });
    NamedFile { input: input.map(|file| progress.reading(&name, file)), name }
}

/// Of all files; 0 where one is no plain file.
fn total_bytes(tables: &[Named]) -> u64 {
    let length = |path: &PathBuf| std::fs::metadata(path).ok().filter(|data| data.is_file() && !is_stdin(path)).map(|data| data.len());
    tables.iter().flat_map(|named| &named.files).map(length).sum::<Option<u64>>().unwrap_or(0)
}

/// Says what the result does not hold.
fn report(summary: &Summary) {
    let mut text = String::new();
    if let Some(place) = &summary.first_null_row {
        let (lines, were, rows) = if summary.null_rows == 1 { ("line is", "was", "a row") } else { ("lines are", "were", "rows") };
        let count = summary.null_rows;
        text += &format!("note: {count} {lines} no JSON object and {were} read as {rows} of NULLs, the first at {place}\n");
    }
    if let Some(place) = &summary.first_bad_record {
        let records = if summary.bad_records == 1 { "record does" } else { "records do" };
        text += &format!("note: {} CSV {records} not fit the columns, the first at {place}\n", summary.bad_records);
    }
    match summary.nulled_fields {
        0 => {}
        1 => text += "note: 1 field did not fit its column's type and was read as NULL\n",
        count => text += &format!("note: {count} fields did not fit their column's type and were read as NULL\n"),
    }
    if summary.rejected > 0 {
        let (rows, are) = if summary.rejected == 1 { ("row", "is") } else { ("rows", "are") };
        text += &format!("warning: {} {rows} failed and {are} not in the result:\n", summary.rejected);
        summary.rejects.iter().for_each(|reject| text += &format!("  {reject}\n"));
        let others = summary.rejected - summary.rejects.len() as u64;
        if others > 0 {
            text += &format!("  and {others} more\n");
        }
    }
    if !text.is_empty() {
        say(&text);
    }
}

/// The name's last ending, in lower case, behind which that of a compressed file does not count.
fn ending(path: &Path) -> String {
    let ending = |path: &Path| path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if is_compressed(&ending(path)) { ending(&path.with_extension("")) } else { ending(path) }
}

fn is_compressed(ending: &str) -> bool {
    matches!(ending, "gz" | "gzip" | "zst" | "zstd")
}

/// `data/readings-2.jsonl.gz` is the table `readings_2`, `readings-*.csv` is `readings`, standard input is `stdin`.
fn table_name(path: &Path) -> String {
    if is_stdin(path) {
        return "stdin".to_owned();
    }
    let mut stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if path.extension().is_some_and(|ending| is_compressed(&ending.to_string_lossy().to_ascii_lowercase()))
        && let Some(inner) = Path::new(&stem).file_stem()
    {
        stem = inner.to_string_lossy().into_owned();
    }
    if has_wildcard(&stem) {
        stem = stem.replace(['*', '?'], "").trim_matches(['-', '_', '.']).to_owned();
    }
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("t{name}") }
}

/// What is wrong with the files of `--functions` or `--state`.
fn file_errors(errors: ConfigErrors) -> CliError {
    let rendered: Vec<String> = errors.diagnostics.iter().map(|diagnostic| diagnostic.render(&errors.sources)).collect();
    CliError::Failed(rendered.join("\n").trim_end().to_owned())
}

fn sql_error(name: &str, text: &str, error: SqlError) -> CliError {
    let mut sources = Sources::default();
    let file = sources.add(name, text);
    let Span { start, end } = error.span;
    let place = Place { file, start: start as usize, end: end as usize };
    let diagnostic = Diagnostic { help: error.help, ..Diagnostic::error(place, error.message) };
    CliError::Failed(diagnostic.render(&sources).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_names_of_their_files() {
        let named = |path: &str| (table_name(Path::new(path)), ending(Path::new(path)));
        let expected = |name: &str, ending: &str| (name.to_owned(), ending.to_owned());
        assert_eq!(named("data/Readings-2.jsonl"), expected("readings_2", "jsonl"));
        assert_eq!(named("r.CSV.gz"), expected("r", "csv"));
        assert_eq!(named("r.tsv.zst"), expected("r", "tsv"));
        assert_eq!(named("2026.jsonl"), expected("t2026", "jsonl"));
        assert_eq!(named("log-*.csv"), expected("log", "csv"));
        assert_eq!(named("*.csv"), expected("t", "csv"));
        assert_eq!(named("-"), expected("stdin", ""));
    }
}
