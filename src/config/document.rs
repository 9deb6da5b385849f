//! TOML files to one merged tree in which every key and value knows its place.
//!
//! Tables of several files merge member by member; for everything else the later file wins.
//! Limits: [`FILE_BYTES_MAX`] a file; nesting is bounded by the TOML reader (80 levels).

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Place};
use super::environment::Environment;
use super::reader::Context;
use super::text::Text;

/// A configuration file may not be longer.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Configuration files in one start.
pub const FILES_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub enum Value {
    Text(Text),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Node>),
    Table(Table),
}

/// Keys and values; where a key stands in several files, its first place.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Place,
    pub node: Node,
}

impl Value {
    /// With its article, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a floating-point number",
            Value::Boolean(_) => "a boolean",
            Value::Datetime => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads and merges the files. Whatever is wrong is reported to `context`; then the tree holds what could be read.
pub fn read_files(context: &mut Context, paths: &[PathBuf]) -> Table {
    let mut merged = Table::default();
    if paths.len() > FILES_MAX {
        context.report(Diagnostic::error_without_place(format!("more than {FILES_MAX} configuration files")));
        return merged;
    }
    for path in paths {
        match context.environment.files.read_text(path, FILE_BYTES_MAX) {
            Ok(text) => {
                let file = context.sources.add(path.display().to_string(), text);
                let table = parse(context, file);
                merge(&mut merged, table);
            }
            Err(reason) => context.report(cannot_read(path, &reason, context.environment)),
        }
    }
    merged
}

fn cannot_read(path: &std::path::Path, reason: &str, environment: &Environment) -> Diagnostic {
    let diagnostic = Diagnostic::error_without_place(format!("cannot read {}: {reason}", path.display()));
    if path.is_relative() && reason == "no such file" && matches!(environment.files, super::Files::Disk) {
        return diagnostic.help("the path is taken from the directory in which the command runs");
    }
    diagnostic
}

fn parse(context: &mut Context, file: usize) -> Table {
    let text = context.sources.text(file).to_owned();
    let (document, errors) = DeTable::parse_recoverable(&text);
    let mut line_with_error = 0..0;
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let place = Place { file, start: span.start, end: span.end };
        // What follows the first error of a line is mostly its consequence.
        if !line_with_error.contains(&span.start) {
            let line = context.sources.line_at(file, span.start);
            line_with_error = line.start..line.end + 1;
            context.report(syntax_error(&text, place, error.message()));
        }
        if context.is_full() {
            break;
        }
    }
    convert_table(context, file, &text, document.get_ref())
}

fn syntax_error(text: &str, place: Place, message: &str) -> Diagnostic {
    let rest = &text[place.start.min(text.len())..];
    let delimiter = if message.starts_with("invalid multi-line basic string") { "\"\"\"" } else { "'''" };
    if message.starts_with("invalid multi-line")
        && rest.is_empty()
        && let Some(start) = text.rfind(delimiter)
    {
        let place = Place { start, end: start + delimiter.len(), ..place };
        return Diagnostic::error(place, "the string that begins here has no end").help(format!("close it with {delimiter}"));
    }
    if message.starts_with("string values must be quoted") {
        let word: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '#' && *c != ',').take(80).collect();
        return Diagnostic::error(place, "a string stands in quotes").help(format!("write \"{word}\""));
    }
    Diagnostic::error(place, message.to_owned())
}

fn convert_table(context: &mut Context, file: usize, text: &str, table: &DeTable<'_>) -> Table {
    let mut entries = BTreeMap::new();
    for (key, value) in table {
        let span = key.span();
        let node = convert(context, file, text, value);
        entries.insert(key.get_ref().to_string(), Entry { key: Place { file, start: span.start, end: span.end }, node });
    }
    Table { entries }
}

/// Recursion is bounded by the TOML reader's own limit.
fn convert(context: &mut Context, file: usize, text: &str, value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let place = Place { file, start: span.start, end: span.end };
    let value = match value.get_ref() {
        DeValue::String(string) => Value::Text(Text::from_literal(string, text.get(span).unwrap_or_default(), place)),
        DeValue::Integer(integer) => Value::Integer(i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or_else(|_| {
            context.report(Diagnostic::error(place, "this number is too large"));
            0
        })),
        DeValue::Float(number) => Value::Float(number.to_string().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Datetime,
        DeValue::Array(array) => Value::Array(array.iter().map(|item| convert(context, file, text, item)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(context, file, text, table)),
    };
    Node { value, place }
}

fn merge(base: &mut Table, over: Table) {
    for (name, entry) in over.entries {
        match base.entries.get_mut(&name) {
            Some(old) => match (&mut old.node.value, entry.node.value) {
                (Value::Table(old), Value::Table(new)) => merge(old, new),
                (_, value) => *old = Entry { key: entry.key, node: Node { value, place: entry.node.place } },
            },
            None => {
                base.entries.insert(name, entry);
            }
        }
    }
}
