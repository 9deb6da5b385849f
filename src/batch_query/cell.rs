//! Values as the text of a table's cell or a CSV field: what `CAST(x AS STRING)` gives, structs as `{a, b}`.

use std::fmt::Write;

use crate::batch::{Column, Values};
use crate::engine::expr::show;

/// How NULL looks within a struct, and in a table.
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
        Values::Struct(members) => write_struct(members, row, out),
        Values::Binary(_) | Values::Interval(_) | Values::List(_) | Values::Map(_) => {
            show::value(&column.value(row), out);
            Ok(())
        }
        Values::Null(_) => out.write_str(NULL),
    };
}

fn write_struct(members: &[Column], row: usize, out: &mut String) -> std::fmt::Result {
    out.write_str("{")?;
    for (number, member) in members.iter().enumerate() {
        if number > 0 {
            out.write_str(", ")?;
        }
        if member.is_null(row) {
            out.write_str(NULL)?;
        } else {
            write_text(member, row, out);
        }
    }
    out.write_str("}")
}
