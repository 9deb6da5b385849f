//! Result rows as people or programs read them: an aligned table as Spark's `show`, JSON lines as sinks write them, CSV.
//!
//! A table is aligned by its first [`ALIGNED_BYTES_MAX`] of text; later cells that are wider push their row's bars to the right.
//! Limits: a character counts as one wide.

use std::io::{self, Write};

use super::cell::{NULL, write_text};
use crate::batch::Table;
use crate::format::encode_row;
use crate::types::Field;

/// Bytes of cells that are held to find out how wide a table's columns are.
pub const ALIGNED_BYTES_MAX: usize = 4 << 20;

/// What the result looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    Table,
    /// One object a line, NULL members left out.
    Json,
    /// RFC 4180 with a header, lines ended by `\n`. NULL is empty, empty text is `""`.
    Csv,
}

pub(super) struct Printer {
    fields: Vec<Field>,
    form: Form,
}

enum Form {
    Table(Aligned),
    Json { line: Vec<u8> },
    Csv,
}

/// A table on its way; its header is written once the widths are known.
struct Aligned {
    /// Characters of each column's widest cell.
    widths: Vec<usize>,
    /// Rows that wait for that.
    held: Vec<Vec<String>>,
    held_bytes: usize,
    begun: bool,
}

impl Printer {
    pub fn new(format: OutputFormat, fields: Vec<Field>) -> Printer {
        let form = match format {
            OutputFormat::Table => {
                let widths = fields.iter().map(|field| printable(&field.name).chars().count()).collect();
                Form::Table(Aligned { widths, held: Vec::new(), held_bytes: 0, begun: false })
            }
            OutputFormat::Json => Form::Json { line: Vec::new() },
            OutputFormat::Csv => Form::Csv,
        };
        Printer { fields, form }
    }

    /// Before the first rows.
    pub fn begin(&mut self, out: &mut impl Write) -> io::Result<()> {
        if let Form::Csv = self.form {
            write_csv(self.fields.iter().map(|field| Some(field.name.clone())), out)?;
        }
        Ok(())
    }

    pub fn rows(&mut self, table: &Table, out: &mut impl Write) -> io::Result<()> {
        for row in 0..table.rows {
            match &mut self.form {
                Form::Json { line } => {
                    line.clear();
                    encode_row(&self.fields, table, row, line);
                    line.push(b'\n');
                    out.write_all(line)?;
                }
                Form::Csv => write_csv(cells(table, row), out)?,
                Form::Table(aligned) => {
                    let row = cells(table, row).map(|cell| cell.map_or_else(|| NULL.to_owned(), |text| printable(&text))).collect();
                    aligned.row(&self.fields, row, out)?;
                }
            }
        }
        Ok(())
    }

    /// After the last rows.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Form::Table(aligned) = &mut self.form else { return Ok(()) };
        aligned.begin(&self.fields, out)?;
        aligned.border(out)
    }
}

impl Aligned {
    fn row(&mut self, fields: &[Field], row: Vec<String>, out: &mut impl Write) -> io::Result<()> {
        if self.begun {
            return write_row(&row, &self.widths, out);
        }
        self.widths.iter_mut().zip(&row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
        self.held_bytes += row.iter().map(|cell| cell.len() + size_of::<String>()).sum::<usize>();
        self.held.push(row);
        if self.held_bytes > ALIGNED_BYTES_MAX { self.begin(fields, out) } else { Ok(()) }
    }

    fn begin(&mut self, fields: &[Field], out: &mut impl Write) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.border(out)?;
        let names: Vec<String> = fields.iter().map(|field| printable(&field.name)).collect();
        write_row(&names, &self.widths, out)?;
        self.border(out)?;
        std::mem::take(&mut self.held).iter().try_for_each(|row| write_row(row, &self.widths, out))
    }

    fn border(&self, out: &mut impl Write) -> io::Result<()> {
        self.widths.iter().try_for_each(|width| write!(out, "+{}", "-".repeat(*width)))?;
        out.write_all(b"+\n")
    }
}

/// Text to the left, as Spark's `show(truncate = False)`.
fn write_row(row: &[String], widths: &[usize], out: &mut impl Write) -> io::Result<()> {
    row.iter().zip(widths).try_for_each(|(cell, width)| write!(out, "|{cell:<width$}"))?;
    out.write_all(b"|\n")
}

/// A row's cells; `None` where NULL.
fn cells(table: &Table, row: usize) -> impl Iterator<Item = Option<String>> + '_ {
    table.columns.iter().map(move |column| {
        let column = column.as_ref().filter(|column| !column.is_null(row))?;
        let mut text = String::new();
        write_text(column, row, &mut text);
        Some(text)
    })
}

/// What a terminal would act upon is written as an escape.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if c.is_control() {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

fn write_csv(cells: impl Iterator<Item = Option<String>>, out: &mut impl Write) -> io::Result<()> {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.write_all(b",")?;
        }
        match cell {
            None => {}
            Some(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) => write!(out, "\"{}\"", text.replace('"', "\"\""))?,
            Some(text) => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}
