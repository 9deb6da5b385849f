//! What the configuration asks of SQL.

use crate::format::Format;
use crate::plan::{OutputMode, Query, Relation, Span, TableSchema};
use crate::types::{DataType, Field};

pub use crate::sql::{SqlError, TableReference, referenced_tables};

pub fn parse_schema(text: &str) -> Result<Vec<Field>, SqlError> {
    let mut at = 0;
    let mut fields = Vec::new();
    for part in text.split(',') {
        let span = Span { start: at as u32, end: (at + part.len()) as u32 };
        at += part.len() + 1;
        let words: Vec<&str> = part.split_whitespace().collect();
        let data_type = match words.get(1).copied().unwrap_or_default() {
            "DOUBLE" => DataType::Double,
            "TIMESTAMP" => DataType::Timestamp,
            "STRING" => DataType::String,
            "BIGINT" => DataType::BigInt,
            other => return Err(SqlError::new(span, format!("`{other}` is not a type"))),
        };
        fields.push(Field::new(words[0], data_type));
    }
    Ok(fields)
}

/// Member names from the outermost object inwards.
pub fn payload_path(field: &Field, format: Format) -> Vec<String> {
    match format {
        Format::Json => field.name.split('.').map(str::to_owned).collect(),
        Format::Value => Vec::new(),
    }
}

pub fn plan_query(name: &str, text: &str, mode: OutputMode, sources: &[TableSchema], _: &[Query]) -> Result<Query, SqlError> {
    let output: Vec<Field> =
        sources.first().map(|source| source.columns.iter().map(|column| column.field.clone()).collect()).unwrap_or_default();
    let root = Relation::Scan { source: 0, columns: (0..output.len()).collect(), schema: output.clone() };
    Ok(Query { name: name.to_owned(), text: text.to_owned(), mode, root, output })
}

pub fn explain(query: &Query, _: &[TableSchema]) -> String {
    format!("{:?}", query.root)
}
