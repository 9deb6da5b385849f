//! Values as the text of a table's cell or a CSV field: what `CAST(x AS STRING)` gives, but NULL within as `NULL` and bytes as `[1F 00]`,
//! as Spark's `show` has it.

use std::fmt::Write;
use std::ops::Range;

use crate::batch::{Column, Values};
use crate::engine::expr::show;
use crate::types::Value;

/// How NULL looks, also within another value.
pub(super) const NULL: &str = "NULL";

/// Appends the text of a value that is not NULL.
pub(super) fn write_text(column: &Column, row: usize, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match &column.values {
        Values::Boolean(v) => write!(out, "{}", v[row]),
        Values::Int(v) => write!(out, "{}", v[row]),
        Values::BigInt(v) => write!(out, "{}", v[row]),
        Values::Float(v) => {
            show::float(v[row], out);
            Ok(())
        }
        Values::Double(v) => {
            show::double(v[row], out);
            Ok(())
        }
        Values::Timestamp(v) => {
            show::timestamp(v[row], out);
            Ok(())
        }
        Values::Date(v) => {
            show::date(v[row], out);
            Ok(())
        }
        Values::String(_) | Values::Dict(_) => out.write_str(column.text(row).unwrap_or_default()),
        Values::Struct(members) => write_parts("{", 0..members.len(), "}", out, |member, out| write_part(&members[member], row, out)),
        Values::Binary(v) => write_bytes(v.get(row), out),
        Values::List(list) => write_parts("[", list.range(row), "]", out, |element, out| write_part(&list.items, element, out)),
        Values::Map(map) => write_parts("{", map.range(row), "}", out, |element, out| {
            write_part(&map.keys, element, out)?;
            out.write_str(" -> ")?;
            write_part(&map.values, element, out)
        }),
        Values::Interval(v) => {
            show::value(&Value::Interval(v[row]), out);
            Ok(())
        }
        Values::Null(_) => out.write_str(NULL),
    };
}

/// As Spark's `show`: `[1F 00]`.
fn write_bytes(bytes: &[u8], out: &mut String) -> std::fmt::Result {
    out.push('[');
    for (number, byte) in bytes.iter().enumerate() {
        write!(out, "{}{byte:02X}", if number > 0 { " " } else { "" })?;
    }
    out.write_str("]")
}

fn write_parts(
    open: &str,
    parts: Range<usize>,
    close: &str,
    out: &mut String,
    write: impl Fn(usize, &mut String) -> std::fmt::Result,
) -> std::fmt::Result {
    out.push_str(open);
    for (number, part) in parts.enumerate() {
        out.push_str(if number > 0 { ", " } else { "" });
        write(part, out)?;
    }
    out.write_str(close)
}

fn write_part(column: &Column, row: usize, out: &mut String) -> std::fmt::Result {
    if column.is_null(row) {
        return out.write_str(NULL);
    }
    write_text(column, row, out);
    Ok(())
}
