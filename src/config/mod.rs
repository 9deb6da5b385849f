//! TOML files to validated [`settings`].
//!
//! The way of a configuration: [`document`] reads and merges the files into a tree whose every key and string knows its place; [`reader`] takes
//! tables apart key by key; one file a section ([`gateway`], [`source`], [`table`], [`query`], [`sink`]) checks them; this file puts the sections together.
//! Nothing stops at the first error: all of them come back as [`ConfigErrors`], in the order of the text. The machine is seen only through
//! [`Environment`].

mod address;
mod binary_layout;
mod broker;
pub mod case;
pub mod crc_names;
pub mod diagnostic;
mod document;
mod environment;
mod expand;
mod format;
mod framing;
mod function;
mod function_file;
mod gateway;
pub mod glob;
mod names;
mod query;
mod reader;
mod script;
pub mod settings;
mod sink;
mod source;
mod state;
mod state_file;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod topics;
pub mod units;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use diagnostic::{ConfigErrors, Diagnostic, Place, Severity, Sources};
pub use environment::{Environment, Files, file_problem};
pub use function_file::load_functions;
pub use gateway::DATA_DIR_DEFAULT;
pub use settings::Settings;
pub use source::status::NAME as STATUS_TABLE;
pub use state_file::with_state;

use crate::plan::{Program, Query, ScriptFunction, TableSchema};
use crate::sql::Catalog;
use crate::types::ordered::set_of;
use document::Table;
use names::TableNames;
use reader::{Context, Reader};
use settings::{QuerySettings, SinkKind, SinkSettings, SourceKind, SourceSettings};

/// Where in the data directory the last good file of each reference table is kept.
const KEPT_TABLES: &str = "tables";

/// Sources, tables, queries and sinks, of each kind.
pub const SECTIONS_MAX: usize = 256;

/// Reads and merges `paths` in their order, later ones over earlier ones, and checks the whole.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Result<Settings, ConfigErrors> {
    let mut context = Context::new(environment);
    let merged = document::read_files(&mut context, paths);
    let settings = if context.has_errors() { None } else { assemble(&mut context, &merged) };
    finish(context, settings)
}

/// The data directory that `paths` name, and nothing else of them: what they need besides, as secrets, may be out of reach for who asks.
pub fn data_dir(paths: &[PathBuf], environment: &Environment) -> Result<PathBuf, ConfigErrors> {
    let mut context = Context::new(environment);
    let merged = document::read_files(&mut context, paths);
    let reader = Reader::top(&merged).table(&mut context, "gateway");
    let gateway = gateway::read(&mut context, reader);
    if context.has_errors() {
        return Err(ConfigErrors { diagnostics: context.diagnostics, sources: context.sources });
    }
    Ok(gateway.settings.data_dir)
}

fn finish(mut context: Context, settings: Option<Settings>) -> Result<Settings, ConfigErrors> {
    context.diagnostics.sort_by_key(|diagnostic| diagnostic.place);
    match settings {
        Some(settings) if !context.has_errors() => {
            let warnings = context.diagnostics.iter().map(|warning| warning.render(&context.sources)).collect();
            Ok(Settings { warnings, ..settings })
        }
        _ => Err(ConfigErrors { diagnostics: context.diagnostics, sources: context.sources }),
    }
}

/// The sections put together. `None` only where errors were reported.
fn assemble(context: &mut Context, merged: &Table) -> Option<Settings> {
    let mut top = Reader::top(merged);
    let gateway_reader = top.table(context, "gateway");
    let source_tables = sections(context, &mut top, "source");
    let reference_tables = sections(context, &mut top, "table");
    let query_tables = sections(context, &mut top, "query");
    let sink_tables = sections(context, &mut top, "sink");
    let function_tables = sections(context, &mut top, "function");
    top.finish(context, &[]);
    report_missing(context, [("source", source_tables.len()), ("query", query_tables.len()), ("sink", sink_tables.len())]);

    let gateway = gateway::read(context, gateway_reader);
    let id = gateway.settings.id.clone();
    let mut table_names = TableNames::default();
    let mut broken = BTreeSet::new();
    let mut sources = Vec::new();
    for (name, reader) in source_tables {
        table_names.add(context, "source", name, reader.place);
        match source::read(context, name, reader, &id) {
            Some(source) => sources.push(source),
            None => _ = broken.insert(name.to_owned()),
        }
    }
    source::check_ports(context, &sources);
    let kept_in = gateway.settings.data_dir.join(KEPT_TABLES);
    let tables = tables(context, reference_tables, &kept_in, &mut table_names, &mut broken);
    let functions = functions(context, function_tables);
    let mut queries = Vec::new();
    for (name, reader) in query_tables {
        let is_new = table_names.add(context, "query", name, reader.place);
        let query = query::read(context, name, reader);
        if is_new {
            queries.push(query);
        }
    }
    let dedup: Vec<Vec<usize>> = sources.iter().map(|source| source.dedup.clone()).collect();
    let (mut sources, mut schemas, mut clients) = unzip_sources(sources);
    let (status, status_schema) = source::status::source();
    sources.push(status);
    schemas.push(status_schema);
    let (tables, table_schemas): (Vec<_>, Vec<_>) = tables.into_iter().map(|table| (table.settings, table.schema)).unzip();
    let catalog = Catalog { sources: &schemas, tables: &table_schemas, dedup: &dedup, functions: &functions, ..Catalog::default() };
    let planned = query::plan_all(context, &queries, &catalog, broken.clone());

    let mut sinks = Vec::new();
    for (name, reader) in sink_tables {
        names::check(context, "sink", name, reader.place, true);
        sinks.extend(sink::read(context, name, reader, &id));
    }
    let names = sink::Names { planned: &planned.queries, all: &table_names };
    let sinks: Vec<(SinkSettings, Place)> = sinks.into_iter().map(|sink| sink.resolve(context, &names)).collect();
    sink::check_files(context, &sinks);
    clients
        .extend(sinks.iter().filter_map(|(sink, place)| Some((sink_broker(sink)?.clone(), format!("the sink `{}`", sink.name), *place))));
    let clients: Vec<_> = clients.iter().map(|(broker, name, place)| (broker, name.clone(), *place)).collect();
    broker::check_client_ids(context, &clients);
    let taken = sinks.iter().flat_map(|(sink, _)| &sink.queries).map(|query| planned.queries[*query].name.clone());
    warn_unused(context, &table_names, &set_of(planned.read.iter().cloned().chain(taken)));

    if !planned.read.contains(source::status::NAME) {
        sources.pop();
        schemas.pop();
    }
    let sinks: Vec<SinkSettings> = sinks.into_iter().map(|(sink, _)| sink).collect();
    let gateway = gateway.with_store_limit(context, &sinks);
    let queries = query_settings(&planned.queries, &queries);
    let program = Program { sources: schemas, tables: table_schemas, queries: planned.queries, functions };
    Some(Settings { gateway, sources, tables, queries, sinks, program, warnings: Vec::new() })
}

/// The settings of the queries that could be planned, in their order.
fn query_settings(planned: &[Query], texts: &[query::QueryText]) -> Vec<QuerySettings> {
    let texts = planned.iter().filter_map(|query| texts.iter().find(|text| text.name == query.name));
    let settings = |text: &query::QueryText| QuerySettings {
        name: text.name.clone(),
        emit_every: text.emit_every,
        limits: text.limits,
        on_change: text.on_change,
    };
    texts.map(settings).collect()
}

/// The reference tables that could be read; the names of the others join `broken`.
fn tables(
    context: &mut Context,
    sections: Vec<(&str, Reader)>,
    kept_in: &Path,
    names: &mut TableNames,
    broken: &mut BTreeSet<String>,
) -> Vec<table::ReferenceTable> {
    let mut tables = Vec::new();
    for (name, reader) in sections {
        names.add(context, "table", name, reader.place);
        match table::read(context, name, reader, kept_in) {
            Some(table) => tables.push(table),
            None => _ = broken.insert(name.to_owned()),
        }
    }
    tables
}

/// The user's functions; of two whose names differ in case, or go by one number, the first.
fn functions(context: &mut Context, tables: Vec<(&str, Reader)>) -> Vec<ScriptFunction> {
    let mut functions: Vec<ScriptFunction> = Vec::new();
    for (name, reader) in tables {
        let place = reader.place;
        let Some(function) = function::read(context, name, reader) else { continue };
        match functions.iter().find(|known| known.id() == function.id()) {
            Some(known) => context.error(place, format!("`{name}` cannot be told from `{}`", known.name), "give it another name"),
            None => functions.push(function),
        }
    }
    functions
}

/// The named tables under `key`.
fn sections<'t>(context: &mut Context, top: &mut Reader<'t>, key: &'static str) -> Vec<(&'t str, Reader<'t>)> {
    let mut tables = top.named_tables(context, key);
    if tables.len() > SECTIONS_MAX {
        let place = tables[SECTIONS_MAX].1.place;
        context.report(Diagnostic::error(place, format!("more than {SECTIONS_MAX} of [{key}.*]")));
        tables.truncate(SECTIONS_MAX);
    }
    tables
}

/// A gateway without one of the three does nothing. Where other things are wrong, as a mistyped section, they are told first.
fn report_missing(context: &mut Context, counts: [(&str, usize); 3]) {
    if context.has_errors() {
        return;
    }
    let for_test = context.for_test;
    for (key, _) in counts.iter().filter(|(key, count)| *count == 0 && (*key == "query" || !for_test)) {
        let diagnostic = Diagnostic::error_without_place(format!("the configuration has no {key}"));
        context.report(diagnostic.help(format!("add a section [{key}.<name>]")));
    }
}

type Client = (crate::mqtt::BrokerSettings, String, Place);

fn unzip_sources(sources: Vec<source::Source>) -> (Vec<SourceSettings>, Vec<TableSchema>, Vec<Client>) {
    let mut unzipped = (Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        if let SourceKind::Mqtt(mqtt) = &source.settings.kind {
            unzipped.2.push((mqtt.broker.clone(), format!("the source `{}`", source.settings.name), source.place));
        }
        unzipped.0.push(source.settings);
        unzipped.1.push(source.schema);
    }
    unzipped
}

fn sink_broker(sink: &SinkSettings) -> Option<&crate::mqtt::BrokerSettings> {
    match &sink.kind {
        SinkKind::Mqtt(mqtt) => Some(&mqtt.broker),
        SinkKind::File { .. } | SinkKind::Stdout => None,
    }
}

/// Sources that no query reads, and queries whose results go nowhere. `used`: lower-case names of what is read or taken.
fn warn_unused(context: &mut Context, names: &TableNames, used: &BTreeSet<String>) {
    if context.has_errors() {
        return;
    }
    for (name, what, place) in names.iter().filter(|(name, ..)| !used.contains(*name)) {
        let message = match what {
            "source" | "table" => format!("no query reads the {what} `{name}`"),
            _ => format!("no sink and no query takes the results of `{name}`"),
        };
        context.report(Diagnostic::warning(place, message));
    }
}
