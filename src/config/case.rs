//! The settings of a query case: a gateway's configuration in which only sources, tables and queries matter, and `[test]`.
//!
//! What a test never does is taken out before the sections are read: connecting and delivering. So a case needs no broker, and a user's own
//! configuration works without its passwords.

use std::path::PathBuf;

use super::diagnostic::Place;
use super::document::{self, Entry, Node, Table, Value};
use super::reader::{Context, Reader};
use super::text::Text;
use super::{ConfigErrors, Environment, Settings, assemble, finish};

/// Queries, and columns, that one case names.
const NAMES_MAX: usize = 256;

/// Configurations that one case lies over.
const CONFIGURATIONS_MAX: usize = 16;

/// Keys of a source that say where it reads from, and how bytes become payloads.
const CONNECTION_KEYS: [&str; 57] = [
    "listen",
    "connect",
    "allow",
    "receive_buffer",
    "interface",
    "max_connections",
    "read_timeout",
    "frame_timeout",
    "path",
    "mode",
    "pace",
    "speed",
    "start_at",
    "check_interval",
    "multi_line",
    "devices",
    "interval",
    "seed",
    "rows",
    "gaps",
    "late",
    "late_by",
    "duplicates",
    "fields",
    "tls",
    "client_ca_file",
    "server_name",
    "receiver",
    "options",
    "device",
    "usb",
    "baud",
    "data_bits",
    "parity",
    "stop_bits",
    "flow_control",
    "exclusive",
    "low_latency",
    "skip_first",
    "init",
    "poll",
    "poll_interval",
    "framing",
    "checksum",
    "type",
    "broker",
    "protocol",
    "client_id",
    "username",
    "password",
    "ca_file",
    "cert_file",
    "key_file",
    "keep_alive",
    "session_expiry",
    "connect_timeout",
    "qos",
];

/// What `[test]` says.
#[derive(Clone, Debug)]
pub struct TestSection {
    /// For people.
    pub about: Option<String>,
    /// Configurations that the case's own file lies over, as paths from its directory.
    pub config: Vec<PathBuf>,
    /// Queries whose rows are compared; none: all that no other query reads.
    pub queries: Vec<String>,
    /// The case must fail, with a message that holds this.
    pub error: Option<String>,
    /// Names and types of the result's columns, as in a schema.
    pub columns: Option<String>,
    /// Columns of the expected rows that are not compared.
    pub ignore_columns: Vec<String>,
    /// Whether the rows of all steps together are the same however the input is cut into batches.
    pub splits: bool,
}

/// A case's settings.
pub struct CaseSettings {
    pub test: TestSection,
    pub settings: Result<Settings, ConfigErrors>,
}

/// Reads and merges `paths`, the case's own file last.
pub fn load(paths: &[PathBuf], environment: &Environment) -> CaseSettings {
    let mut context = Context::new(environment);
    context.for_test = true;
    let mut named = named_configurations(paths, environment);
    let mut paths = paths.to_vec();
    let own = paths.len().saturating_sub(1);
    paths.splice(own..own, named.drain(..));
    let mut merged = document::read_files(&mut context, &paths);
    let test = test_section(&mut context, &mut merged);
    only_queries(&mut merged);
    let settings = if context.has_errors() { None } else { assemble(&mut context, &merged) };
    CaseSettings { test, settings: finish(context, settings) }
}

/// What `config` of the last file's `[test]` names. What is wrong with that file is reported when it is read with the others.
fn named_configurations(paths: &[PathBuf], environment: &Environment) -> Vec<PathBuf> {
    let mut context = Context::new(environment);
    let Some(own) = paths.last() else { return Vec::new() };
    let mut merged = document::read_files(&mut context, std::slice::from_ref(own));
    test_section(&mut context, &mut merged).config
}

fn test_section(context: &mut Context, merged: &mut Table) -> TestSection {
    let mut section = TestSection {
        about: None,
        config: Vec::new(),
        queries: Vec::new(),
        error: None,
        columns: None,
        ignore_columns: Vec::new(),
        splits: true,
    };
    let Some(entry) = merged.entries.remove("test") else { return section };
    let only = Table { entries: [("test".to_owned(), entry)].into() };
    let Some(mut reader) = Reader::top(&only).table(context, "test") else { return section };
    let value = |text: Text| text.value;
    section.about = reader.text(context, "about").map(value);
    section.error = reader.text(context, "error").map(value);
    section.columns = reader.text(context, "columns").map(value);
    let config = reader.texts(context, "config", CONFIGURATIONS_MAX).unwrap_or_default();
    section.config = config.iter().filter_map(|path| context.resolve_path(path)).collect();
    section.splits = reader.boolean(context, "splits").unwrap_or(true);
    let mut texts = |key| reader.texts(context, key, NAMES_MAX).unwrap_or_default().into_iter().map(value).collect();
    section.queries = texts("queries");
    section.ignore_columns = texts("ignore_columns");
    reader.finish(context, &[]);
    section
}

/// Takes out what a test does not do, and fills in what a source cannot be read without.
fn only_queries(merged: &mut Table) {
    merged.entries.remove("sink");
    merged.entries.remove("gateway");
    let place = Place { file: 0, start: 0, end: 0 };
    let id = Table { entries: [("id".to_owned(), text("test", place))].into() };
    merged.entries.insert("gateway".to_owned(), Entry { key: place, node: Node { value: Value::Table(id), place } });
    let Some(Entry { node: Node { value: Value::Table(sources), .. }, .. }) = merged.entries.get_mut("source") else { return };
    for entry in sources.entries.values_mut() {
        let Value::Table(source) = &mut entry.node.value else { continue };
        source.entries.retain(|key, _| !CONNECTION_KEYS.contains(&key.as_str()));
        source.entries.insert("type".to_owned(), text("mqtt", entry.key));
        source.entries.insert("broker".to_owned(), text("mqtt://localhost", entry.key));
        let topics = Node { value: Value::Array(vec![text("#", entry.key).node]), place: entry.key };
        source.entries.entry("topics".to_owned()).or_insert(Entry { key: entry.key, node: topics });
    }
}

fn text(value: &str, place: Place) -> Entry {
    Entry { key: place, node: Node { value: Value::Text(Text::from_literal(value, "", place)), place } }
}
