//! A row as JSON for people: dead letters and samples. Shortened rather than exact; not the format of results.
//!
//! Limits: [`ROW_BYTES_MAX`] a row, [`TEXT_BYTES_MAX`] a string.

use std::fmt::Write;

use crate::engine::chunk::Chunk;
use crate::engine::expr::show;
use crate::types::{Field, Value};

/// Bytes of one rendered row.
pub const ROW_BYTES_MAX: usize = 1024;

/// Bytes of a string value that are shown.
const TEXT_BYTES_MAX: usize = 200;

/// Bytes kept for the note that members are missing, and the closing brace.
const TAIL_BYTES: usize = 16;

/// The row as a JSON object; members that do not fit are left out, which a member `"…"` says.
pub(super) fn render_row(fields: &[Field], chunk: &Chunk<'_>, row: u32) -> String {
    let mut out = String::from("{");
    for (field, column) in fields.iter().zip(&chunk.columns) {
        let mut member = String::new();
        put_text(&mut member, &field.name);
        member.push(':');
        put_value(&mut member, &column.get().value(row as usize));
        let separator = if out.len() > 1 { "," } else { "" };
        if out.len() + member.len() + TAIL_BYTES > ROW_BYTES_MAX {
            let _ = write!(out, "{separator}\"…\":true");
            break;
        }
        out.push_str(separator);
        out.push_str(&member);
    }
    out.push('}');
    out
}

fn put_value(out: &mut String, value: &Value) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null => out.write_str("null"),
        Value::Boolean(x) => write!(out, "{x}"),
        Value::Int(x) => write!(out, "{x}"),
        Value::BigInt(x) => write!(out, "{x}"),
        Value::Float(x) if x.is_finite() => write!(out, "{x:?}"),
        Value::Double(x) if x.is_finite() => write!(out, "{x:?}"),
        Value::Float(x) => write!(out, "\"{x}\""),
        Value::Double(x) => write!(out, "\"{x}\""),
        Value::Timestamp(us) => match jiff::Timestamp::from_microsecond(*us) {
            Ok(time) => write!(out, "\"{time}\""),
            Err(_) => write!(out, "\"{us} µs\""),
        },
        Value::Date(days) => write!(out, "\"{days} days\""),
        Value::String(text) => {
            put_text(out, text);
            Ok(())
        }
        Value::Binary(_) | Value::Interval(_) | Value::Array(_) | Value::Map(_) => {
            let mut text = String::new();
            show::value(value, &mut text);
            put_text(out, &text);
            Ok(())
        }
        Value::Struct(members) => {
            out.push('[');
            for (i, member) in members.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                put_value(out, member);
            }
            out.write_str("]")
        }
    };
}

/// The beginning of `text`, at most so many bytes, whole characters.
pub(super) fn shorten(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn put_text(out: &mut String, text: &str) {
    out.push('"');
    let shown = shorten(text, TEXT_BYTES_MAX);
    for c in shown.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            c if c < ' ' => write!(out, "\\u{:04x}", c as u32),
            c => out.write_char(c),
        };
    }
    if shown.len() < text.len() {
        out.push('…');
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Column;
    use crate::types::DataType;

    #[test]
    fn a_rendered_row_is_json_and_bounded() {
        let values = [
            Value::String("a\"\n\\ä".repeat(1000)),
            Value::Double(f64::NAN),
            Value::Timestamp(1_767_225_600_000_000),
            Value::Null,
            Value::Boolean(true),
        ];
        let types = [DataType::String, DataType::Double, DataType::Timestamp, DataType::Null, DataType::Boolean];
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for i in 0..40 {
            let (data_type, value) = (&types[i % 5], &values[i % 5]);
            fields.push(Field::new(format!("column{i}"), data_type.clone()));
            columns.push(Column::repeated(data_type, value, 1));
        }
        let row = render_row(&fields, &Chunk::made(columns, 1), 0);
        assert!(row.len() <= ROW_BYTES_MAX, "{}", row.len());
        let parsed: serde_json::Value = serde_json::from_str(&row).unwrap();
        assert_eq!(parsed["column1"], "NaN");
        assert_eq!(parsed["column2"], "2026-01-01T00:00:00Z");
        assert_eq!(parsed["…"], true);
    }
}
