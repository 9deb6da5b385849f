//! The rows of one source that are being gathered for the next batch.
//!
//! Limits: [`crate::batch::ROWS_MAX`] rows, and [`COLUMN_TEXT_BYTES_MAX`] of plain strings a column.

use super::DecodeSettings;
use super::convert::{Converter, utf8};
use super::dictionary::Interner;
use super::json::typed::Typed;
use super::row::Slot;
use crate::batch::{Column, DictColumn, Strings, Table, Values};
use crate::types::DataType;

/// Bytes of text in one column of plain strings.
pub const COLUMN_TEXT_BYTES_MAX: usize = 32 << 20;

/// Rows for which a table that is begun takes memory at once, if the last one was as long.
const RESERVED_ROWS_MAX: usize = 8192;

/// Columns as in [`Table`], open at the end.
pub struct OpenTable {
    rows: usize,
    /// The columns that some query reads, in the schema's order.
    columns: Vec<Column>,
    /// By column of the schema, whether it is among them.
    needed: Vec<bool>,
}

/// The table cannot take the row: close the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableFull;

impl OpenTable {
    /// An empty table of the source; `needed[i]` says whether some query reads column i: the others stay `None`.
    pub fn new(settings: &DecodeSettings, needed: &[bool]) -> OpenTable {
        let columns = settings.columns.iter().zip(needed).filter(|(_, needed)| **needed);
        let columns = columns.map(|(layout, _)| Column::new(empty(&layout.data_type))).collect();
        OpenTable { rows: 0, columns, needed: needed.to_vec() }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Roughly what the rows take in memory, without the dictionaries.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// Forgets the rows from number `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            self.rows = rows;
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
        }
    }

    /// The rows gathered; the table is empty afterwards.
    pub fn take(&mut self) -> Table {
        let rows = std::mem::take(&mut self.rows);
        let mut columns = self.columns.iter_mut();
        let mut take_column =
            |needed: &bool| if *needed { columns.next().map(|column| std::mem::replace(column, begun_like(column, rows))) } else { None };
        Table { rows, columns: self.needed.iter().map(&mut take_column).collect() }
    }

    /// The columns that some query reads, in the schema's order.
    #[inline(always)]
    pub(super) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Every column has been given its value for one more row.
    pub(super) fn end_row(&mut self) {
        self.rows += 1;
        debug_assert!(self.columns.iter().all(|column| column.len() == self.rows));
    }
}

fn empty(data_type: &DataType) -> Values {
    match data_type {
        DataType::Boolean => Values::Boolean(Vec::new()),
        DataType::Int => Values::Int(Vec::new()),
        DataType::BigInt => Values::BigInt(Vec::new()),
        DataType::Float => Values::Float(Vec::new()),
        DataType::Double => Values::Double(Vec::new()),
        DataType::Timestamp => Values::Timestamp(Vec::new()),
        DataType::String => Values::Dict(DictColumn { codes: Vec::new(), dictionary: Default::default() }),
        other => Column::empty(other).values,
    }
}

/// An empty column of the same type, with room for about as many rows.
fn begun_like(column: &Column, rows: usize) -> Column {
    let room = rows.min(RESERVED_ROWS_MAX);
    Column::new(match &column.values {
        Values::Boolean(_) => Values::Boolean(Vec::with_capacity(room)),
        Values::Int(_) => Values::Int(Vec::with_capacity(room)),
        Values::BigInt(_) => Values::BigInt(Vec::with_capacity(room)),
        Values::Float(_) => Values::Float(Vec::with_capacity(room)),
        Values::Double(_) => Values::Double(Vec::with_capacity(room)),
        Values::Timestamp(_) => Values::Timestamp(Vec::with_capacity(room)),
        Values::Dict(dict) => Values::Dict(DictColumn { codes: Vec::with_capacity(room), dictionary: dict.dictionary.clone() }),
        Values::String(_) => Values::Dict(DictColumn { codes: Vec::new(), dictionary: Default::default() }),
        _ => {
            let mut begun = column.clone();
            begun.truncate(0);
            begun.values
        }
    })
}

/// Appends a value that is not a string; NULL for a slot of another type.
#[inline(always)]
pub(super) fn push(column: &mut Column, slot: &Slot) {
    match (&mut column.values, slot) {
        (Values::Double(v), Slot::Double(value)) => v.push(*value),
        (Values::BigInt(v), Slot::BigInt(value)) => v.push(*value),
        (Values::Timestamp(v), Slot::Timestamp(value)) => v.push(*value),
        (Values::Int(v), Slot::Int(value)) => v.push(*value),
        (Values::Float(v), Slot::Float(value)) => v.push(*value),
        (Values::Boolean(v), Slot::Boolean(value)) => v.push(*value),
        _ => return push_null(column),
    }
    push_valid(column);
}

#[inline(always)]
fn push_valid(column: &mut Column) {
    if let Some(valid) = &mut column.valid {
        valid.push(true);
    }
}

#[cold]
pub(super) fn push_null(column: &mut Column) {
    column.push_null();
}

/// Appends the JSON value that stands at `start` of the payload; NULL where it does not fit. Returns how many members did not.
pub(super) fn push_nested(
    column: &mut Column,
    payload: &[u8],
    start: usize,
    data_type: &DataType,
    converter: &Converter,
) -> Result<usize, TableFull> {
    if column.bytes() + payload.len() > COLUMN_TEXT_BYTES_MAX && !column.is_empty() {
        return Err(TableFull);
    }
    let mut typed = Typed::new(payload, converter, false);
    match typed.value(start, 0, data_type) {
        Ok((Ok(value), _)) => {
            column.push(&value);
            Ok(typed.nulled)
        }
        _ => {
            column.push_null();
            Ok(typed.nulled + 1)
        }
    }
}

/// Chooses the form of a string column in a table without rows.
pub(super) fn begin_text(column: &mut Column, interner: &mut Interner) {
    column.values = if interner.begin_table() {
        let codes = match &mut column.values {
            Values::Dict(dict) => std::mem::take(&mut dict.codes),
            _ => Vec::new(),
        };
        Values::Dict(DictColumn { codes, dictionary: interner.snapshot() })
    } else {
        Values::String(Strings::new())
    };
}

/// Appends a string, which is UTF-8. `known` is a code that the caller has cached, with its generation; it is brought up to date.
#[inline]
pub(super) fn push_text(column: &mut Column, interner: &mut Interner, text: &[u8], known: Option<&mut KnownCode>) -> Result<(), TableFull> {
    let generation = interner.generation();
    if let Values::Dict(dict) = &mut column.values
        && dict.dictionary.generation == generation
    {
        let code = match known {
            None => interner.intern(text, &mut dict.dictionary),
            Some(known) if known.generation == Some(generation) => {
                interner.count_known();
                Some(known.code)
            }
            Some(known) => {
                let code = interner.intern(text, &mut dict.dictionary);
                *known = KnownCode { generation: code.map(|_| generation), code: code.unwrap_or_default() };
                code
            }
        };
        if let Some(code) = code {
            if code as usize >= dict.dictionary.entries.len() {
                dict.dictionary = interner.snapshot();
            }
            dict.codes.push(code);
            push_valid(column);
            return Ok(());
        }
    }
    push_plain(column, interner, utf8(text))
}

/// A code that was given to a text earlier.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KnownCode {
    pub generation: Option<u64>,
    pub code: u32,
}

#[cold]
fn push_plain(column: &mut Column, interner: &mut Interner, text: &str) -> Result<(), TableFull> {
    if matches!(column.values, Values::Dict(_)) {
        make_plain(column)?;
    }
    interner.count_plain();
    if let Values::String(strings) = &mut column.values {
        if strings.bytes() + text.len() > COLUMN_TEXT_BYTES_MAX {
            return Err(TableFull);
        }
        strings.push(text);
        push_valid(column);
    } else {
        push_null(column);
    }
    Ok(())
}

/// Turns codes into plain strings; the rows stay what they are.
fn make_plain(column: &mut Column) -> Result<(), TableFull> {
    let mut bytes = 0;
    let mut strings = Strings::new();
    for row in 0..column.len() {
        let text = column.text(row).unwrap_or_default();
        bytes += text.len() + size_of::<u32>();
        if bytes > COLUMN_TEXT_BYTES_MAX {
            return Err(TableFull);
        }
        strings.push(text);
    }
    column.values = Values::String(strings);
    Ok(())
}
