//! Reads a table key by key, remembers which keys were asked for, and collects what is wrong.
//!
//! A getter answers `None` both for an absent key and for a wrong value; the latter has then been reported. Callers go on with a default, so that
//! one reading shows every error; a result that came with errors is thrown away as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Place, Sources, nearest};
use super::document::{Entry, Node, Table, Value};
use super::environment::Environment;
use super::expand;
use super::text::Text;
use super::units::{self, UnitError, show_duration, show_size};
use crate::sql::SqlError;
use crate::types::ordered::set_of;

/// Diagnostics kept of one reading; the rest is dropped.
pub const DIAGNOSTICS_MAX: usize = 1000;

/// Everything one reading of the configuration shares.
pub struct Context<'e> {
    pub environment: &'e Environment,
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
    /// Every key that was asked for, as `source.*.topics`: what the documentation has to hold.
    pub known_keys: BTreeSet<String>,
    /// It is a query case's: there may be batch queries, and need not be sinks.
    pub for_test: bool,
}

/// One table that is being read.
pub struct Reader<'t> {
    table: &'t Table,
    /// For messages: `source.readings`; empty at the top.
    pub path: String,
    /// For [`Context::known_keys`]: `source.*`.
    kind: String,
    /// The key by which the table is named.
    pub place: Place,
    asked: Vec<&'static str>,
}

impl<'e> Context<'e> {
    pub fn new(environment: &'e Environment) -> Context<'e> {
        Context { environment, sources: Sources::default(), diagnostics: Vec::new(), known_keys: BTreeSet::new(), for_test: false }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        if !self.is_full() {
            self.diagnostics.push(diagnostic);
        }
    }

    pub fn is_full(&self) -> bool {
        self.diagnostics.len() >= DIAGNOSTICS_MAX
    }

    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    pub fn error(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::error(place, message).help(help));
    }

    /// An error in SQL text that stands in the configuration.
    pub fn report_sql(&mut self, text: &Text, error: SqlError) {
        let place = text.place_of(error.span.start as usize..error.span.end as usize);
        self.report(Diagnostic { help: error.help, ..Diagnostic::error(place, error.message) });
    }

    /// The file that a path names, as text that knows its places; `None` if it cannot be read, which has then been reported.
    pub fn read_file(&mut self, path: &Text, bytes_max: usize) -> Option<Text> {
        let file = self.resolve_path(path)?;
        match self.environment.files.read_text(&file, bytes_max) {
            Ok(contents) => {
                let number = self.sources.add(file.display().to_string(), contents.as_str());
                Some(Text::from_file(number, &contents))
            }
            Err(reason) => {
                let help = "a relative path begins at this file's directory";
                self.error(path.place, format!("cannot read {}: {reason}", file.display()), help);
                None
            }
        }
    }

    /// A path as it stands in a file: a relative one begins at that file's directory.
    pub fn resolve_path(&mut self, text: &Text) -> Option<PathBuf> {
        if text.value.is_empty() || text.value.contains('\0') {
            self.error(text.place, "this is not a path", "for example \"/var/lib/tidemill\"");
            return None;
        }
        let directory = Path::new(self.sources.name(text.place.file)).parent();
        Some(directory.unwrap_or(Path::new("")).join(&text.value))
    }
}

impl<'t> Reader<'t> {
    pub fn top(table: &'t Table) -> Reader<'t> {
        Reader { table, path: String::new(), kind: String::new(), place: Place { file: 0, start: 0, end: 0 }, asked: Vec::new() }
    }

    /// A table inside this one, by the name it has there. `kind` as in [`Context::known_keys`].
    fn inner(&self, table: &'t Table, name: &str, kind: &str, place: Place) -> Reader<'t> {
        let joined = |base: &str, name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
        Reader { table, path: joined(&self.path, name), kind: joined(&self.kind, kind), place, asked: Vec::new() }
    }

    fn entry(&mut self, context: &mut Context, key: &'static str) -> Option<&'t Entry> {
        self.asked.push(key);
        context.known_keys.insert(if self.kind.is_empty() { key.to_owned() } else { format!("{}.{key}", self.kind) });
        self.table.entries.get(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.entries.contains_key(key)
    }

    /// Whether the key holds just this text, before any expansion.
    pub fn is_text(&self, key: &str, word: &str) -> bool {
        matches!(self.table.entries.get(key), Some(Entry { node: Node { value: Value::Text(text), .. }, .. }) if text.value == word)
    }

    /// Where the key stands, if it does; else the table's own place.
    pub fn key_place(&self, key: &str) -> Place {
        self.table.entries.get(key).map_or(self.place, |entry| entry.key)
    }

    /// Where the value of a key stands, if it does; else the table's own place.
    pub fn value_place(&self, key: &str) -> Place {
        self.table.entries.get(key).map_or(self.place, |entry| entry.node.place)
    }

    /// The table as messages call it.
    pub fn title(&self) -> String {
        if self.path.is_empty() { "this file".to_owned() } else { format!("[{}]", self.path) }
    }

    /// Reports that `key` has to be there, unless it is.
    pub fn require(&mut self, context: &mut Context, key: &'static str, example: &str) {
        if !self.has(key) {
            context.error(self.place, format!("`{key}` is missing in {}", self.title()), format!("for example: {key} = {example}"));
        }
    }

    pub fn text(&mut self, context: &mut Context, key: &'static str) -> Option<Text> {
        let entry = self.entry(context, key)?;
        expand_node(context, &entry.node, key, "a string")
    }

    /// A string that may stand behind `file:`; never shown.
    pub fn secret(&mut self, context: &mut Context, key: &'static str) -> Option<String> {
        let entry = self.entry(context, key)?;
        if !matches!(&entry.node.value, Value::Text(text) if only_refers(&text.value)) {
            context.sources.hide(entry.node.place);
        }
        let Value::Text(_) = &entry.node.value else {
            let message = format!("`{key}` must be a string, not {}", entry.node.value.type_name());
            context.error(entry.node.place, message, "write it in quotes");
            return None;
        };
        let text = expand_node(context, &entry.node, key, "a string")?;
        match expand::secret(&text, context.environment) {
            Ok(secret) => Some(secret),
            Err(diagnostic) => {
                context.report(*diagnostic);
                None
            }
        }
    }

    pub fn boolean(&mut self, context: &mut Context, key: &'static str) -> Option<bool> {
        let entry = self.entry(context, key)?;
        match entry.node.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => wrong_type(context, &entry.node, key, "true or false"),
        }
    }

    pub fn integer(&mut self, context: &mut Context, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let entry = self.entry(context, key)?;
        match entry.node.value {
            Value::Integer(integer) if range.contains(&integer) => Some(integer),
            Value::Integer(integer) => {
                let message = format!("`{key}` is {integer}, which is out of range");
                context.error(entry.node.place, message, format!("give a number from {} to {}", range.start(), range.end()));
                None
            }
            _ => wrong_type(context, &entry.node, key, "an integer"),
        }
    }

    /// A finite number, whole or not.
    pub fn number(&mut self, context: &mut Context, key: &'static str) -> Option<f64> {
        let entry = self.entry(context, key)?;
        match entry.node.value {
            Value::Integer(integer) => Some(integer as f64),
            Value::Float(number) if number.is_finite() => Some(number),
            _ => wrong_type(context, &entry.node, key, "a number"),
        }
    }

    /// An integer within `range`, or else a string.
    pub fn integer_or_text(&mut self, context: &mut Context, key: &'static str, range: RangeInclusive<i64>) -> Option<Result<i64, Text>> {
        match self.table.entries.get(key).map(|entry| &entry.node.value) {
            Some(Value::Text(_)) => self.text(context, key).map(Err),
            _ => self.integer(context, key, range).map(Ok),
        }
    }

    /// A duration within `range`; `examples` go into the help.
    pub fn duration(&mut self, context: &mut Context, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let entry = self.entry(context, key)?;
        if let Value::Integer(integer) = entry.node.value {
            context.error(entry.node.place, format!("`{key}` has no unit"), format!("write \"{integer} s\" for seconds"));
            return None;
        }
        let text = expand_node(context, &entry.node, key, "a duration such as \"10 seconds\"")?;
        let duration = unit_value(context, &text, units::parse_duration(&text.value))?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let message = format!("`{key}` is {}, which is out of range", show_duration(duration));
        let help = format!("give a duration from {} to {}", show_duration(*range.start()), show_duration(*range.end()));
        context.error(text.place, message, help);
        None
    }

    /// Bytes within `range`, as "8 MiB" or a plain number.
    pub fn size(&mut self, context: &mut Context, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let entry = self.entry(context, key)?;
        let bytes = match entry.node.value {
            Value::Integer(integer) => u64::try_from(integer).unwrap_or(0),
            _ => {
                let text = expand_node(context, &entry.node, key, "a size such as \"8 MiB\"")?;
                unit_value(context, &text, units::parse_size(&text.value))?
            }
        };
        if range.contains(&bytes) {
            return Some(bytes);
        }
        let message = format!("`{key}` is {}, which is out of range", show_size(bytes));
        context.error(entry.node.place, message, format!("give a size from {} to {}", show_size(*range.start()), show_size(*range.end())));
        None
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, context: &mut Context, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(context, key)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let list = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let near = nearest(&text.value, choices.iter().map(|(word, _)| *word));
        let help = match near {
            Some(near) if choices.len() == 1 => format!("did you mean \"{near}\"?"),
            Some(near) => format!("did you mean \"{near}\"? It may be {list}"),
            None if choices.len() == 1 => format!("so far there is only {list}"),
            None => format!("give one of {list}"),
        };
        context.error(text.place, format!("\"{}\" is not a value of `{key}`", shown(&text.value)), help);
        None
    }

    /// An array of strings, not empty.
    pub fn texts(&mut self, context: &mut Context, key: &'static str, count_max: usize) -> Option<Vec<Text>> {
        let entry = self.entry(context, key)?;
        let Value::Array(items) = &entry.node.value else {
            let help = match &entry.node.value {
                Value::Text(text) => format!("write {key} = [\"{}\"]", shown(&text.value)),
                _ => format!("for example: {key} = [\"…\"]"),
            };
            context.error(entry.node.place, format!("`{key}` must be an array of strings, not {}", entry.node.value.type_name()), help);
            return None;
        };
        if items.is_empty() || items.len() > count_max {
            let message = format!("`{key}` has {} entries", items.len());
            context.error(entry.node.place, message, format!("give from 1 to {count_max}"));
            return None;
        }
        items.iter().map(|item| expand_node(context, item, key, "an array of strings")).collect()
    }

    /// A table in this one.
    pub fn table(&mut self, context: &mut Context, key: &'static str) -> Option<Reader<'t>> {
        let entry = self.entry(context, key)?;
        match &entry.node.value {
            Value::Table(table) => Some(self.inner(table, key, key, entry.key)),
            _ => wrong_type(context, &entry.node, key, "a table"),
        }
    }

    /// A table of texts under any keys, empty if it is not there; `None` if it is wrong, which has then been reported.
    pub fn parameters(&mut self, context: &mut Context, key: &'static str) -> Option<BTreeMap<String, String>> {
        const PARAMETERS_MAX: usize = 256;
        let Some(entry) = self.entry(context, key) else { return Some(BTreeMap::new()) };
        let Value::Table(table) = &entry.node.value else {
            return wrong_type(context, &entry.node, key, "a table of strings");
        };
        if table.entries.len() > PARAMETERS_MAX {
            context.error(entry.key, format!("more than {PARAMETERS_MAX} keys in `{key}`"), "leave some out");
            return None;
        }
        let text = |(name, entry): (&String, &Entry)| Some((name.clone(), expand_node(context, &entry.node, name, "a string")?.value));
        table.entries.iter().map(text).collect()
    }

    /// A string, or else a table in this one.
    pub fn text_or_table(&mut self, context: &mut Context, key: &'static str) -> Option<Result<Text, Reader<'t>>> {
        let entry = self.entry(context, key)?;
        match &entry.node.value {
            Value::Table(table) => Some(Err(self.inner(table, key, key, entry.key))),
            _ => expand_node(context, &entry.node, key, "a string or a table").map(Ok),
        }
    }

    /// An array of tables, not empty. `like_this`: they have this table's keys, for the documentation.
    pub fn tables(&mut self, context: &mut Context, key: &'static str, like_this: bool, count_max: usize) -> Option<Vec<Reader<'t>>> {
        let entry = self.entry(context, key)?;
        let Value::Array(items) = &entry.node.value else {
            return wrong_type(context, &entry.node, key, "an array of tables");
        };
        if items.is_empty() || items.len() > count_max {
            let message = format!("`{key}` has {} entries", items.len());
            context.error(entry.node.place, message, format!("give from 1 to {count_max}"));
            return None;
        }
        let table = |item: &'t Node| match &item.value {
            Value::Table(table) => {
                let inner = self.inner(table, key, key, item.place);
                Some(if like_this { Reader { kind: self.kind.clone(), ..inner } } else { inner })
            }
            _ => wrong_type(context, item, key, "an array of tables"),
        };
        items.iter().map(table).collect()
    }

    /// The named tables under `key`, such as every `[source.*]`, in the order of the files.
    pub fn named_tables(&mut self, context: &mut Context, key: &'static str) -> Vec<(&'t str, Reader<'t>)> {
        let Some(group) = self.table(context, key) else {
            return Vec::new();
        };
        let mut entries: Vec<(&String, &Entry)> = group.table.entries.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.key);
        let mut tables = Vec::new();
        for (name, entry) in entries {
            match &entry.node.value {
                Value::Table(table) => tables.push((name.as_str(), group.inner(table, name, "*", entry.key))),
                _ => context.error(
                    entry.key,
                    format!("`{key}.{}` must be a table", shown(name)),
                    format!("write [{key}.<name>] before its keys"),
                ),
            }
        }
        tables
    }

    /// Reports every key that was not asked for. `elsewhere` names those that would be right in another kind of table.
    pub fn finish(self, context: &mut Context, elsewhere: &[(&str, &str)]) {
        let asked = || self.asked.iter().copied();
        for (name, entry) in &self.table.entries {
            if asked().any(|known| known == name) {
                continue;
            }
            let place = if self.path.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.path) };
            let message = format!("unknown key `{}` {place}", shown(name));
            let help = if let Some((_, owner)) = elsewhere.iter().find(|(key, _)| key == name) {
                format!("`{name}` belongs to {owner}")
            } else if let Some(near) = nearest(name, asked()) {
                format!("did you mean `{near}`?")
            } else {
                format!("the keys here are {}", set_of(asked()).into_iter().collect::<Vec<_>>().join(", "))
            };
            context.error(entry.key, message, help);
        }
    }
}

/// Whether a secret's text only says where the secret is.
fn only_refers(text: &str) -> bool {
    let variable = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    text.starts_with("file:") || variable.is_some_and(|name| !name.contains(['$', ':', '}']))
}

fn expand_node(context: &mut Context, node: &Node, key: &str, wanted: &str) -> Option<Text> {
    let Value::Text(text) = &node.value else {
        return wrong_type(context, node, key, wanted);
    };
    match expand::expand(text, context.environment) {
        Ok(text) => Some(text),
        Err(diagnostic) => {
            context.report(*diagnostic);
            None
        }
    }
}

fn wrong_type<T>(context: &mut Context, node: &Node, key: &str, wanted: &str) -> Option<T> {
    let diagnostic = Diagnostic::error(node.place, format!("`{key}` must be {wanted}, not {}", node.value.type_name()));
    let help = match (&node.value, wanted) {
        (Value::Text(text), "an integer") if text.value.parse::<i64>().is_ok() => Some(format!("write it without quotes: {}", text.value)),
        (Value::Text(text), "true or false") if matches!(text.value.as_str(), "true" | "false") => {
            Some(format!("write it without quotes: {}", text.value))
        }
        (Value::Integer(integer), "a string") => Some(format!("write it in quotes: \"{integer}\"")),
        _ => None,
    };
    context.report(Diagnostic { help, ..diagnostic });
    None
}

fn unit_value<T>(context: &mut Context, text: &Text, value: Result<T, UnitError>) -> Option<T> {
    match value {
        Ok(value) => Some(value),
        Err(UnitError { message, help }) => {
            context.error(text.place, message, help);
            None
        }
    }
}

/// A text from the file, short enough for a message.
pub fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(CHARS_MAX).map(plain).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}
