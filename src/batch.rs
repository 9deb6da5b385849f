//! Columns, tables and the micro-batch: the whole input of one engine step.
//!
//! Invariants: every column of a table has `rows` entries; a null entry holds the type's default in `values`;
//! a dictionary code is valid for the dictionary generation that the batch states. No IO, no clock.
//!
//! Limits: a table holds at most [`ROWS_MAX`] rows (codes and row numbers are `u32`).

mod builder;
mod gather;
mod grow;
mod nested;

use std::sync::Arc;

pub use builder::ColumnBuilder;
pub use nested::{Binaries, ListColumn, MapColumn};

use crate::types::DataType;

/// Rows in one table of one batch.
pub const ROWS_MAX: usize = 1 << 20;

/// When something happened: given from outside, never read in the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Wall clock, microseconds since the epoch. May step.
    pub wall_us: i64,
    /// Monotonic clock, microseconds since an arbitrary start.
    pub mono_us: u64,
    /// Whether the wall clock is known to be right (NTP).
    pub synchronised: bool,
}

/// Which entries of a column are not NULL; absent in a column means that none is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    pub fn new() -> Bitmap {
        Bitmap::default()
    }

    /// `len` bits, all `value`.
    pub fn filled(len: usize, value: bool) -> Bitmap {
        let word = if value { u64::MAX } else { 0 };
        Bitmap { words: vec![word; len.div_ceil(64)], len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get(&self, index: usize) -> bool {
        debug_assert!(index < self.len);
        self.words[index / 64] >> (index % 64) & 1 == 1
    }

    pub fn set(&mut self, index: usize, value: bool) {
        debug_assert!(index < self.len);
        let mask = 1u64 << (index % 64);
        if value {
            self.words[index / 64] |= mask;
        } else {
            self.words[index / 64] &= !mask;
        }
    }

    pub fn push(&mut self, value: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        self.len += 1;
        self.set(self.len - 1, value);
    }

    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.words.truncate(len.div_ceil(64));
        }
    }

    /// Clears every bit that `other` (of equal length) has not set.
    pub fn intersect(&mut self, other: &Bitmap) {
        debug_assert_eq!(self.len, other.len);
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Indices of the bits that are not set, ascending.
    pub fn unset(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(move |(i, word)| {
            let mut rest = !word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some(i * 64 + bit)
            })
            .take_while(|index| *index < self.len)
        })
    }
}

/// Strings of one column, back to back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// End of entry i in `text`; entry i starts at the end of entry i-1.
    ends: Vec<u32>,
    text: String,
}

impl Strings {
    pub fn new() -> Strings {
        Strings::default()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    pub fn reserve(&mut self, len: usize, bytes: usize) {
        self.ends.reserve(len);
        self.text.reserve(bytes);
    }

    pub fn truncate(&mut self, len: usize) {
        if len < self.ends.len() {
            self.ends.truncate(len);
            self.text.truncate(self.ends.last().map_or(0, |end| *end as usize));
        }
    }

    pub fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * 4
    }
}

/// A column whose strings are codes into a dictionary that lives across batches.
///
/// Codes are dense from 0 in order of first appearance. `entries` is shared by all batches of one generation and only grows;
/// a batch sees at least the entries that its codes need.
#[derive(Clone, Debug)]
pub struct DictColumn {
    pub codes: Vec<u32>,
    pub dictionary: Dictionary,
}

/// A snapshot of a growing list of distinct strings. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    /// Changes when the dictionary was full and began anew: cached code → key mappings are then void.
    pub generation: u64,
    pub entries: Arc<Vec<Arc<str>>>,
}

/// The values of a column, one vector a type. Null entries hold the default.
#[derive(Clone, Debug)]
pub enum Values {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    BigInt(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Timestamp(Vec<i64>),
    Date(Vec<i32>),
    String(Strings),
    Dict(DictColumn),
    Binary(Binaries),
    /// Day-time intervals, µs.
    Interval(Vec<i64>),
    /// Members in the struct type's order.
    Struct(Vec<Column>),
    List(ListColumn),
    Map(MapColumn),
    /// All NULL, this many.
    Null(usize),
}

/// A column: values and which of them are not NULL.
#[derive(Clone, Debug)]
pub struct Column {
    pub values: Values,
    /// `None`: no entry is NULL (except in `Values::Null`, where all are).
    pub valid: Option<Bitmap>,
}

impl Column {
    pub fn new(values: Values) -> Column {
        Column { values, valid: None }
    }

    pub fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(v) => v.len(),
            Values::Int(v) | Values::Date(v) => v.len(),
            Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => v.len(),
            Values::Float(v) => v.len(),
            Values::Double(v) => v.len(),
            Values::String(v) => v.len(),
            Values::Dict(v) => v.codes.len(),
            Values::Binary(v) => v.len(),
            Values::List(v) => v.len(),
            Values::Map(v) => v.len(),
            Values::Struct(members) => members.first().map_or(0, Column::len),
            Values::Null(len) => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null(_)) || self.valid.as_ref().is_some_and(|valid| !valid.get(row))
    }

    /// The string at `row` of a string column in either form; `None` where NULL or not a string column.
    pub fn text(&self, row: usize) -> Option<&str> {
        if self.is_null(row) {
            return None;
        }
        match &self.values {
            Values::String(strings) => Some(strings.get(row)),
            Values::Dict(dict) => Some(&dict.dictionary.entries[dict.codes[row] as usize]),
            _ => None,
        }
    }
}

/// Rows by column. A column that no query reads is `None`.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub rows: usize,
    /// In the order of the schema.
    pub columns: Vec<Option<Column>>,
}

/// What one source gave to a batch.
#[derive(Clone, Debug)]
pub struct SourceInput {
    /// Index of the source in the program.
    pub source: usize,
    pub table: Table,
    /// Nothing has come for the source's `idle_timeout`: it does not hold the watermark back.
    pub idle: bool,
}

/// A reference table as it is from a batch on.
#[derive(Clone, Debug)]
pub struct TableVersion {
    /// Index of the table in the program.
    pub table: usize,
    /// All columns of its schema.
    pub rows: Arc<Table>,
}

/// The whole input of one step of the engine: given equal batches, equal results follow.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Also the number of the change set that makes it durable.
    pub number: u64,
    /// When the step happens; its wall clock is stream time: the clock, which goes back only where `set_back_us` says so.
    pub stamp: Stamp,
    /// The clock was set back: when the step is done, stream time goes on from here, µs.
    pub set_back_us: Option<i64>,
    /// At most one entry a source, ascending; a source without news and not idle may be left out.
    pub inputs: Vec<SourceInput>,
    /// Reference tables that are new or have changed; each table is empty until its first version.
    pub tables: Vec<TableVersion>,
}

impl Values {
    /// Whether entries vary in length.
    pub fn is_wide(&self) -> bool {
        match self {
            Values::Struct(members) => members.iter().any(|member| member.values.is_wide()),
            Values::String(_) | Values::Dict(_) | Values::Binary(_) | Values::List(_) | Values::Map(_) => true,
            _ => false,
        }
    }

    /// The SQL type of these values; a struct's members are unnamed here.
    pub fn is_of(&self, data_type: &DataType) -> bool {
        matches!(
            (self, data_type),
            (Values::Boolean(_), DataType::Boolean)
                | (Values::Int(_), DataType::Int)
                | (Values::BigInt(_), DataType::BigInt)
                | (Values::Float(_), DataType::Float)
                | (Values::Double(_), DataType::Double)
                | (Values::Timestamp(_), DataType::Timestamp)
                | (Values::Date(_), DataType::Date)
                | (Values::String(_) | Values::Dict(_), DataType::String)
                | (Values::Binary(_), DataType::Binary)
                | (Values::Interval(_), DataType::Interval)
                | (Values::Struct(_), DataType::Struct(_))
                | (Values::List(_), DataType::Array(_))
                | (Values::Map(_), DataType::Map(..))
                | (Values::Null(_), _)
        )
    }
}
