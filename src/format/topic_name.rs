//! A sink's topic for a row: the template's columns filled in.
//!
//! A value may hold anything, a topic may not: `/`, `+`, `#` and the characters that brokers disconnect for (NUL, control characters,
//! Unicode's non-characters) become `_`, and so does a `$` that would begin the topic. NULL is `null`.

use super::encode;
use crate::batch::Table;
use crate::types::Field;

/// `gateways/{gateway}/climate/{device}`: `{gateway}`, `{query}` and `{sink}` are filled in, every other name is a result column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    pub parts: Vec<TopicPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPart {
    Text(String),
    /// Column by name; checked to exist in each query of the sink. A value's `/`, `+`, `#` and NUL become `_`, NULL becomes `null`.
    Column(String),
    /// The name of the query whose row it is.
    Query,
}

/// Bytes in an MQTT topic.
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// The row has no topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("the topic is longer than MQTT's {TOPIC_BYTES_MAX} bytes")]
    TooLong,
    #[error("the topic is empty")]
    Empty,
    #[error("the topic needs column `{column}`, which the result does not have")]
    NoColumn { column: String },
}

/// Appends the topic of row `row` to `out`; `query` is the name of the query whose row it is. On an error `out` is as before.
pub fn write_topic(
    template: &TopicTemplate,
    query: &str,
    fields: &[Field],
    table: &Table,
    row: usize,
    out: &mut String,
) -> Result<(), TopicError> {
    let start = out.len();
    let result = write_parts(template, query, fields, table, row, start, out);
    let result = match result {
        Ok(()) if out.len() == start => Err(TopicError::Empty),
        other => other,
    };
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn write_parts(
    template: &TopicTemplate,
    query: &str,
    fields: &[Field],
    table: &Table,
    row: usize,
    start: usize,
    out: &mut String,
) -> Result<(), TopicError> {
    let mut other = Vec::new();
    for part in &template.parts {
        match part {
            TopicPart::Text(text) => out.push_str(text),
            TopicPart::Query => write_level(query, start, out),
            TopicPart::Column(name) => {
                let index = fields.iter().position(|field| field.name == *name);
                let missing = || TopicError::NoColumn { column: name.clone() };
                let (index, column) = index.and_then(|index| Some((index, table.columns.get(index)?.as_ref()?))).ok_or_else(missing)?;
                if column.is_null(row) {
                    out.push_str("null");
                } else if let Some(text) = column.text(row) {
                    if text.len() > TOPIC_BYTES_MAX {
                        return Err(TopicError::TooLong);
                    }
                    write_level(text, start, out);
                } else {
                    other.clear();
                    encode::write_value(&fields[index].data_type, column, row, &mut other);
                    let text = std::str::from_utf8(&other).expect("JSON is written as UTF-8");
                    write_level(text.trim_matches('"'), start, out);
                }
            }
        }
        if out.len() - start > TOPIC_BYTES_MAX {
            return Err(TopicError::TooLong);
        }
    }
    Ok(())
}

fn write_level(text: &str, start: usize, out: &mut String) {
    for c in text.chars() {
        let allowed = match c {
            '/' | '+' | '#' | '\u{fdd0}'..='\u{fdef}' => false,
            '$' => out.len() > start,
            _ => !c.is_control() && u32::from(c) & 0xFFFE != 0xFFFE,
        };
        out.push(if allowed { c } else { '_' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Column, Strings, Values};
    use crate::types::DataType;

    fn topic(parts: &[TopicPart], value: &str) -> Result<String, TopicError> {
        let mut strings = Strings::new();
        strings.push(value);
        let columns = vec![
            Some(Column::new(Values::String(strings))),
            Some(Column::new(Values::Double(vec![21.5]))),
            Some(Column::new(Values::Null(1))),
        ];
        let fields = [Field::new("device", DataType::String), Field::new("t", DataType::Double), Field::new("n", DataType::Int)];
        let mut out = String::new();
        write_topic(&TopicTemplate { parts: parts.to_vec() }, "climate", &fields, &Table { rows: 1, columns }, 0, &mut out)?;
        Ok(out)
    }

    fn column(name: &str) -> TopicPart {
        TopicPart::Column(name.into())
    }

    #[test]
    fn columns_are_filled_in() {
        let parts = [
            TopicPart::Text("out/".into()),
            TopicPart::Query,
            TopicPart::Text("/".into()),
            column("device"),
            TopicPart::Text("/".into()),
            column("t"),
            column("n"),
        ];
        assert_eq!(topic(&parts, "dev-1").unwrap(), "out/climate/dev-1/21.5null");
    }

    #[test]
    fn no_value_can_leave_its_level() {
        assert_eq!(topic(&[column("device")], "$SYS/a+b#c\0d\u{1}\u{85}\u{ffff}\u{fdd0}é$").unwrap(), "_SYS_a_b_c_d____é$");
    }

    #[test]
    fn what_cannot_be_a_topic_is_an_error() {
        assert_eq!(topic(&[column("device")], ""), Err(TopicError::Empty));
        assert_eq!(topic(&[column("device")], &"x".repeat(TOPIC_BYTES_MAX + 1)), Err(TopicError::TooLong));
        assert_eq!(topic(&[column("device"), column("device")], &"x".repeat(40_000)), Err(TopicError::TooLong));
        assert_eq!(topic(&[column("x")], ""), Err(TopicError::NoColumn { column: "x".into() }));
    }
}
