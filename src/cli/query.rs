//! `tidemill query`: the engine over a file of JSON lines.

use std::path::PathBuf;

use super::CliError;
use super::arguments::{OutputFormat, QueryArguments};
use tidemill::config::planner as sql;
use tidemill::config::{Diagnostic, Place, Sources};
use tidemill::plan::{OutputMode, Query, Span, TableColumn, TableSchema};
use tidemill::sql::SqlError;

/// A query over a file, planned.
pub struct BatchQuery {
    /// JSON lines.
    pub file: PathBuf,
    /// The file's columns; source 0 of the plan.
    pub schema: TableSchema,
    pub query: Query,
    pub format: OutputFormat,
}

pub fn run(arguments: &QueryArguments) -> Result<(), CliError> {
    let schema = schema(arguments)?;
    let query = sql::plan_query("query", &arguments.sql, OutputMode::Batch, std::slice::from_ref(&schema), &[]);
    let query = query.map_err(|error| sql_error("query", &arguments.sql, error))?;
    execute(&BatchQuery { file: arguments.from.clone(), schema, query, format: arguments.format })
}

/// Runs the query and prints its result.
fn execute(batch: &BatchQuery) -> Result<(), CliError> {
    Err(CliError::Failed(format!("{}: this build has no engine", batch.file.display())))
}

/// The file as a table of its own name.
fn schema(arguments: &QueryArguments) -> Result<TableSchema, CliError> {
    let fields = sql::parse_schema(&arguments.schema).map_err(|error| sql_error("--schema", &arguments.schema, error))?;
    let columns = fields.into_iter().map(|field| TableColumn { field, hidden: false }).collect();
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
