//! The columns of a source's table: those of the schema, what the topics capture, and those that every source of its type has.

use std::time::Duration;

use super::super::diagnostic::{Diagnostic, nearest};
use super::super::reader::{Context, Reader, shown};
use super::SourceType;
use super::mqtt::Topics;
use crate::format::{ColumnLayout, Format, Origin};
use crate::plan::{Span, TableColumn};
use crate::sql;
use crate::types::{DataType, Field};

/// Columns that tell rows apart.
const DEDUP_COLUMNS_MAX: usize = 16;

/// Columns that `SELECT *` leaves out, of any source or of those of some type.
const HIDDEN_COLUMNS: [(&str, DataType, Origin); 7] = [
    ("_topic", DataType::String, Origin::WholeTopic),
    ("_port", DataType::String, Origin::Place),
    ("_peer", DataType::String, Origin::Place),
    ("_file", DataType::String, Origin::Place),
    ("_source", DataType::String, Origin::SourceName),
    ("_arrived", DataType::Timestamp, Origin::Arrived),
    ("_retained", DataType::Boolean, Origin::Retained),
];

/// Those of [`HIDDEN_COLUMNS`] that a source of this type has, in that order. A query case does not say the type: its sources have all.
fn hidden_columns(source_type: SourceType, for_test: bool) -> Vec<ColumnLayout> {
    let own: &[&str] = match source_type {
        SourceType::Mqtt => &["_topic", "_retained"],
        SourceType::Serial => &["_port"],
        SourceType::Tcp | SourceType::Udp => &["_peer"],
        SourceType::Stdin | SourceType::Simulate => &[],
        SourceType::File => &["_file"],
        SourceType::Custom => &["_peer"],
    };
    let has = |name: &str| for_test || ["_source", "_arrived"].contains(&name) || own.contains(&name);
    let layout = |(name, data_type, origin): (&str, DataType, Origin)| ColumnLayout { name: name.to_owned(), data_type, origin };
    HIDDEN_COLUMNS.into_iter().filter(|(name, ..)| has(name)).map(layout).collect()
}

/// All columns in the table's order; `None` if something is wrong.
pub fn columns(
    context: &mut Context,
    reader: &mut Reader,
    source_type: SourceType,
    format: &Format,
    topics: Option<&Topics>,
) -> Option<Vec<ColumnLayout>> {
    let example = if *format != Format::Value { "\"ts TIMESTAMP, temperature DOUBLE\"" } else { "\"value DOUBLE\"" };
    reader.require(context, "schema", example);
    let text = reader.text(context, "schema")?;
    let parsed = match sql::parse_schema(&text.value) {
        Ok(parsed) => parsed,
        Err(error) => {
            context.report_sql(&text, error);
            return None;
        }
    };
    if *format == Format::Value && parsed.len() != 1 {
        let message = format!("format \"value\" has one column, not {}", parsed.len());
        context.error(text.place, message, "for example: schema = \"value DOUBLE\"");
        return None;
    }
    let place_of = |span: Span| text.place_of(span.start as usize..span.end as usize);
    for column in &parsed {
        if HIDDEN_COLUMNS.iter().any(|(name, ..)| name.eq_ignore_ascii_case(&column.name)) {
            let message = format!("`{}` is a column that the gateway fills in", column.name);
            context.error(place_of(column.span), message, "leave it out of the schema");
            return None;
        }
    }
    let captures = topics.iter().flat_map(|topics| topics.captures.iter().enumerate());
    for (_, name) in captures.clone() {
        if let Some(column) = parsed.iter().find(|column| column.name.eq_ignore_ascii_case(name)) {
            let diagnostic =
                Diagnostic::error(topics?.place, format!("`{name}` is both captured from the topic and a column of the schema"));
            let help = "rename the capture, or put `+` in its place";
            context.report(diagnostic.related(place_of(column.span), "the column").help(help));
            return None;
        }
    }
    let mut columns: Vec<ColumnLayout> = Vec::with_capacity(parsed.len() + HIDDEN_COLUMNS.len());
    for column in parsed {
        let origin = Origin::Payload(if *format == Format::Value { Vec::new() } else { column.path });
        columns.push(ColumnLayout { name: column.name, data_type: column.data_type, origin });
    }
    for (number, name) in captures {
        columns.push(ColumnLayout { name: name.clone(), data_type: DataType::String, origin: Origin::Topic(number) });
    }
    columns.extend(hidden_columns(source_type, context.for_test));
    Some(columns)
}

/// The event-time column, by default `_arrived`.
pub fn event_time(context: &mut Context, reader: &mut Reader, columns: Option<&[ColumnLayout]>) -> Option<usize> {
    let text = reader.text(context, "event_time");
    let columns = columns?;
    let Some(text) = text else {
        return columns.iter().position(|column| column.origin == Origin::Arrived);
    };
    let Some(index) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&text.value)) else {
        let times = columns.iter().filter(|column| column.data_type == DataType::Timestamp).map(|column| column.name.as_str());
        let help = match nearest(&text.value, times.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the columns of type TIMESTAMP are {}", times.collect::<Vec<_>>().join(", ")),
        };
        context.error(text.place, format!("there is no column `{}`", shown(&text.value)), help);
        return None;
    };
    if columns[index].data_type != DataType::Timestamp {
        let message = format!("`{}` is {}, not TIMESTAMP", columns[index].name, columns[index].data_type);
        context.error(
            text.place,
            message,
            format!("declare it as `{} TIMESTAMP` in the schema; `timestamp_unit` says what a number means", columns[index].name),
        );
        return None;
    }
    Some(index)
}

/// The columns of `dedup`.
pub fn dedup(context: &mut Context, reader: &mut Reader, columns: Option<&[ColumnLayout]>, watermark: Option<Duration>) -> Vec<usize> {
    let Some(texts) = reader.texts(context, "dedup", DEDUP_COLUMNS_MAX) else { return Vec::new() };
    if watermark.map_or(!reader.has("watermark"), |delay| delay.is_zero()) {
        let help = "add a watermark: it is also for how long a row may be repeated";
        context.error(reader.key_place("dedup"), "`dedup` without `watermark`", help);
    }
    if texts.is_empty() {
        context.error(reader.key_place("dedup"), "`dedup` names no column", "for example: dedup = [\"device\", \"seq\"]");
    }
    let mut found = Vec::new();
    for text in &texts {
        let Some(columns) = columns else { break };
        match columns.iter().position(|column| column.name.eq_ignore_ascii_case(&text.value)) {
            None => {
                let names = columns.iter().map(|column| column.name.as_str());
                let help = match nearest(&text.value, names.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", names.collect::<Vec<_>>().join(", ")),
                };
                context.error(text.place, format!("there is no column `{}`", shown(&text.value)), help);
            }
            Some(index) if found.contains(&index) => {
                context.error(text.place, format!("`{}` stands twice in `dedup`", columns[index].name), "leave one out");
            }
            Some(index) if has_map(&columns[index].data_type) => {
                let message = format!("`{}` is {}, which cannot be told apart", columns[index].name, columns[index].data_type);
                context.error(text.place, message, "name a column of another type");
            }
            Some(index) => found.push(index),
        }
    }
    found
}

/// Whether a value of the type holds a map: maps have no order of their own.
fn has_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => has_map(element),
        DataType::Struct(members) => members.iter().any(|member| has_map(&member.data_type)),
        _ => false,
    }
}

pub fn table_column(column: &ColumnLayout) -> TableColumn {
    let hidden = HIDDEN_COLUMNS.iter().any(|(name, ..)| *name == column.name);
    TableColumn { field: Field::new(column.name.clone(), column.data_type.clone()), hidden }
}
