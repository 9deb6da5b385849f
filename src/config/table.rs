//! `[table.<name>]`: reference tables, files that queries join with. The file is read here already, so that a wrong one is told at once.
//!
//! A gateway keeps the last good file of each table in its data directory. Where the file has become bad while the gateway was away, that copy is
//! read in its place, with a warning: a half-written file must not keep a gateway from starting after a power cut.

use std::path::Path;
use std::time::Duration;

use super::diagnostic::Diagnostic;
use super::reader::{Context, Reader};
use super::settings::TableSettings;
use super::text::Text;
use crate::format::TimestampUnit;
use crate::format::csv::{CsvBadRecords, CsvHeader, CsvSettings};
use crate::format::reference::{REFERENCE_ROWS_MAX, ReferenceContents, ReferenceFormat, ReferenceSettings};
use crate::plan::{TableColumn, TableSchema};
use crate::sql;
use crate::types::Field;

const ROWS_DEFAULT: usize = 100_000;
const BYTES_DEFAULT: u64 = 16 << 20;
const BYTES_MAX: u64 = 256 << 20;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
}

/// A reference table that could be read.
pub struct ReferenceTable {
    pub settings: TableSettings,
    pub schema: TableSchema,
}

/// Reads the section and the file that it names. `None` if one of them is wrong, which has then been reported. `kept_in`: the directory of the
/// last good files.
pub fn read(context: &mut Context, name: &str, mut reader: Reader, kept_in: &Path) -> Option<ReferenceTable> {
    reader.require(context, "path", "\"devices.csv\"");
    reader.require(context, "schema", "\"device STRING, room STRING\"");
    let path = reader.text(context, "path");
    let kind = reader.choice(context, "format", &[("csv", Kind::Csv), ("json", Kind::Json)]);
    let kind = kind.or_else(|| kind_of(context, &reader, path.as_ref()));
    let schema = reader
        .text(context, "schema")
        .and_then(|text| sql::parse_schema(&text.value).map_err(|error| context.report_sql(&text, error)).ok());
    let timestamp_unit = reader.choice(context, "timestamp_unit", &super::source::TIMESTAMP_UNITS);
    let csv = csv(context, &mut reader, kind, timestamp_unit);
    let rows_max = reader.integer(context, "max_rows", 1..=REFERENCE_ROWS_MAX as i64).map_or(ROWS_DEFAULT, |rows| rows as usize);
    let bytes_max = reader.size(context, "max_bytes", 1_024..=BYTES_MAX).unwrap_or(BYTES_DEFAULT);
    let check_interval =
        reader.duration(context, "check_interval", Duration::from_secs(1)..=Duration::from_secs(86_400)).unwrap_or(INTERVAL_DEFAULT);
    reader.finish(context, &[("topics", "a source; a table is a file")]);
    let (text, kind, columns) = (path?, kind?, schema?);
    let fields: Vec<Field> = columns.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
    let format = match kind {
        Kind::Csv => ReferenceFormat::Csv(csv),
        Kind::Json => ReferenceFormat::Json {
            paths: columns.into_iter().map(|column| column.path).collect(),
            timestamp_unit: timestamp_unit.unwrap_or(TimestampUnit::Seconds),
        },
    };
    let read = ReferenceSettings { format, fields, rows_max, bytes_max: bytes_max as usize };
    let path = context.resolve_path(&text)?;
    let kept = kept_in.join(name);
    let (contents, trouble) = load(context, &text, &path, &kept, &read)?;
    let shown = |field: &Field| TableColumn { field: field.clone(), hidden: false };
    let schema = TableSchema { name: name.to_owned(), columns: read.fields.iter().map(shown).collect(), event_time: None };
    Some(ReferenceTable { settings: TableSettings { name: name.to_owned(), path, read, check_interval, contents, kept, trouble }, schema })
}

/// By the file's name.
fn kind_of(context: &mut Context, reader: &Reader, path: Option<&Text>) -> Option<Kind> {
    let path = path.filter(|_| !reader.has("format"))?;
    let ending = |path: &Path| path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let mut file = Path::new(&path.value).to_owned();
    if ending(&file).is_some_and(|ending| matches!(ending.as_str(), "gz" | "zst")) {
        file = file.with_extension("");
    }
    match ending(&file).as_deref() {
        Some("csv") => Some(Kind::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(Kind::Json),
        _ => {
            context.error(path.place, "the file's name does not say whether it is CSV or JSON", "add format = \"csv\" or \"json\"");
            None
        }
    }
}

fn csv(context: &mut Context, reader: &mut Reader, kind: Option<Kind>, timestamp_unit: Option<TimestampUnit>) -> CsvSettings {
    if kind == Some(Kind::Json) {
        for key in ["header", "separator", "null"].into_iter().filter(|key| reader.has(key)) {
            context.error(reader.key_place(key), format!("`{key}` is for CSV, and this file is JSON"), "remove the key");
        }
    }
    let header = reader.boolean(context, "header").unwrap_or(true);
    let separator = reader.text(context, "separator");
    let byte = separator.as_ref().map_or(b',', |text| match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
        _ => {
            context.error(text.place, "the separator is one ASCII character other than a quote", "for example \";\" or \"\\t\"");
            b','
        }
    });
    let null_text = reader.text(context, "null").map_or(String::new(), |text| text.value);
    CsvSettings {
        separator: byte,
        header: if header { CsvHeader::Names } else { CsvHeader::None },
        null_text,
        multi_line: true,
        timestamp_unit,
        bad_records: CsvBadRecords::Fail,
        ..CsvSettings::default()
    }
}

/// The file's rows; or those of the copy that was kept, and why the file is bad.
fn load(
    context: &mut Context,
    text: &Text,
    path: &Path,
    kept: &Path,
    settings: &ReferenceSettings,
) -> Option<(ReferenceContents, Option<String>)> {
    let files = &context.environment.files;
    let read = |path: &Path| {
        let bytes = files.read_regular(path, settings.bytes_max)?;
        ReferenceContents::read(settings, &bytes).map_err(|error| error.to_string())
    };
    let reason = match read(path) {
        Ok(contents) => return Some((contents, None)),
        Err(reason) => reason,
    };
    let message = format!("cannot take {}: {reason}", path.display());
    match read(kept) {
        Ok(contents) if !context.for_test => {
            let help = format!("until it is good again the last good one is read, {}", kept.display());
            context.report(Diagnostic::warning(text.place, message).help(help));
            Some((contents, Some(reason)))
        }
        _ => {
            context.error(text.place, message, "a relative path begins at this file's directory; every record has to fit the schema");
            None
        }
    }
}
