//! `tidemill query`: the engine over a file of JSON lines.

use std::path::Path;

use super::CliError;
use super::arguments::{OutputFormat, QueryArguments};
use tidemill::config::{Diagnostic, Place, Sources};
use tidemill::plan::{OutputMode, Query, Span, TableColumn, TableSchema};
use tidemill::sql::{self, Catalog, SqlError};
use tidemill::types::Field;

/// Plans the query and runs it.
pub fn run(arguments: &QueryArguments) -> Result<(), CliError> {
    let schema = schema(arguments)?;
    let catalog = Catalog { sources: std::slice::from_ref(&schema), queries: &[] };
    let query = sql::plan_query("query", &arguments.sql, OutputMode::Batch, &catalog);
    let query = query.map_err(|error| sql_error("query", &arguments.sql, error))?;
    execute(&arguments.from, &schema, &query, arguments.format)
}

/// Runs `query`, whose source 0 is the JSON lines of `file` with the columns of `schema`, and prints the result.
fn execute(file: &Path, _schema: &TableSchema, _query: &Query, _format: OutputFormat) -> Result<(), CliError> {
    Err(CliError::Failed(format!("{}: this build has no engine", file.display())))
}

/// The file as a table of its own name.
fn schema(arguments: &QueryArguments) -> Result<TableSchema, CliError> {
    let fields = sql::parse_schema(&arguments.schema).map_err(|error| sql_error("--schema", &arguments.schema, error))?;
    let columns =
        fields.into_iter().map(|column| TableColumn { field: Field::new(column.name, column.data_type), hidden: false }).collect();
    Ok(TableSchema { name: table_name(arguments), columns, event_time: None })
}

/// `data/readings-2.jsonl` is the table `readings_2`.
fn table_name(arguments: &QueryArguments) -> String {
    let stem = arguments.from.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
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
