//! Rows made of a row: explode, posexplode, inline, stack, and the windows that hold a time.
//!
//! Limits: [`ROWS_MAX`] rows are made of one chunk, and come out in slices of [`SLICE_ROWS`]; a row that would make more is rejected.

use std::borrow::Cow;

use crate::batch::{Column, ColumnBuilder, Values};
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::{Selection, first_of_each_row};
use crate::engine::stage::{Env, Flow};
use crate::engine::window::{TIME_ABS_MAX_US, Windows};
use crate::plan::{Expr, Generator, WindowSpec};
use crate::types::{Field, Value};

/// Rows made of one chunk.
const ROWS_MAX: usize = 1 << 22;

/// Rows of one chunk that comes out.
const SLICE_ROWS: usize = 1 << 15;

/// Stands for no element.
const NONE: u32 = u32::MAX;

pub(super) struct Generate {
    generator: Generator,
    outer: bool,
    /// What is made.
    columns: Vec<Field>,
    windows: Option<Windows>,
}

/// For each row that is made: the row that it is made of, and which element of what that holds.
#[derive(Default)]
struct Made {
    rows: Vec<u32>,
    elements: Vec<u32>,
    /// The element's place within its row, from 0.
    positions: Vec<u32>,
}

impl Generate {
    /// `None` where a window breaks a rule.
    pub fn new(generator: Generator, outer: bool, columns: Vec<Field>) -> Option<Generate> {
        let windows = match &generator {
            Generator::Windows(WindowSpec { size_us, slide_us, offset_us, .. }) => Some(Windows::new(*size_us, *slide_us, *offset_us)?),
            _ => None,
        };
        Some(Generate { generator, outer, columns, windows })
    }

    pub fn push<'a>(&self, mut chunk: Chunk<'a>, env: &mut Env<'_, '_>) -> Flow<'a> {
        let inputs = evaluated(&self.generator.exprs(), &mut chunk, env);
        let made = self.made(&inputs, &chunk, env);
        let mut slices = Vec::new();
        let mut from = 0;
        loop {
            let to = made.rows.len().min(from + SLICE_ROWS);
            let mut columns: Vec<Column> = chunk.columns.iter().map(|column| column.get().gather(&made.rows[from..to])).collect();
            columns.extend(self.columns(&inputs, &made, from, to));
            slices.push(Chunk::made(columns, to - from));
            from = to;
            if from >= made.rows.len() {
                break;
            }
        }
        match slices.len() {
            1 => Flow::One(slices.remove(0)),
            _ => Flow::Several(slices),
        }
    }

    /// Which rows come out, in order.
    fn made(&self, inputs: &[Column], chunk: &Chunk<'_>, env: &mut Env<'_, '_>) -> Made {
        let mut made = Made::default();
        for row in chunk.selection.iter() {
            let (first, count) = self.elements(inputs, row as usize);
            let padded = count == 0 && self.outer;
            if made.rows.len() + count.max(usize::from(padded)) > ROWS_MAX {
                env.reject_row(0, chunk, row, || format!("more than {ROWS_MAX} rows would be made of one batch"));
                continue;
            }
            for index in 0..count {
                made.rows.push(row);
                made.elements.push((first + index) as u32);
                made.positions.push(index as u32);
            }
            if padded {
                made.rows.push(row);
                made.elements.push(NONE);
                made.positions.push(NONE);
            }
        }
        made
    }

    /// The first element of a row, and how many it has.
    fn elements(&self, inputs: &[Column], row: usize) -> (usize, usize) {
        let range = match &self.generator {
            Generator::Stack(rows) => return (0, rows.len()),
            _ if inputs[0].is_null(row) => return (0, 0),
            Generator::Windows(_) => match (&self.windows, &inputs[0].values) {
                (Some(windows), Values::Timestamp(times)) => return (0, starts(windows, times[row]).count()),
                _ => return (0, 0),
            },
            _ => match &inputs[0].values {
                Values::List(list) => list.range(row),
                Values::Map(map) => map.range(row),
                _ => return (0, 0),
            },
        };
        (range.start, range.len())
    }

    /// The made columns of rows `from..to`.
    fn columns(&self, inputs: &[Column], made: &Made, from: usize, to: usize) -> Vec<Column> {
        let elements = &made.elements[from..to];
        match &self.generator {
            Generator::Explode(_) => self.exploded(&inputs[0], elements, 0),
            Generator::PosExplode(_) => {
                let mut positions = ColumnBuilder::new(&self.columns[0].data_type, to - from);
                made.positions[from..to].iter().for_each(|position| match *position {
                    NONE => positions.push_null(),
                    position => positions.push(&Value::Int(position as i32)),
                });
                std::iter::once(positions.finish()).chain(self.exploded(&inputs[0], elements, 1)).collect()
            }
            Generator::Inline(_) => match &inputs[0].values {
                Values::List(list) => self.inlined(&list.items, elements),
                _ => self.nothing(elements.len(), 0),
            },
            Generator::Stack(rows) => {
                let width = self.columns.len();
                debug_assert!(rows.iter().all(|row| row.len() == width));
                let rows = made.rows[from..to].iter().zip(&made.positions[from..to]);
                self.picked(rows.map(|(row, position)| (*position as usize * width, *row)), inputs)
            }
            Generator::Windows(_) => self.window_columns(&inputs[0], made, from, to),
        }
    }

    /// Column c of each row is `inputs[first + c]` at the row.
    fn picked(&self, rows: impl Iterator<Item = (usize, u32)>, inputs: &[Column]) -> Vec<Column> {
        let mut builders: Vec<ColumnBuilder> = self.columns.iter().map(|field| ColumnBuilder::new(&field.data_type, 0)).collect();
        for (first, row) in rows {
            builders.iter_mut().enumerate().for_each(|(index, builder)| builder.push_from(&inputs[first + index], row as usize));
        }
        builders.into_iter().map(ColumnBuilder::finish).collect()
    }

    /// Elements of an array, or keys and values of a map, as columns `at…`.
    fn exploded(&self, input: &Column, elements: &[u32], at: usize) -> Vec<Column> {
        match &input.values {
            Values::List(list) => vec![picked(&list.items, elements, &self.columns[at])],
            Values::Map(map) => {
                vec![picked(&map.keys, elements, &self.columns[at]), picked(&map.values, elements, &self.columns[at + 1])]
            }
            _ => self.nothing(elements.len(), at),
        }
    }

    fn inlined(&self, items: &Column, elements: &[u32]) -> Vec<Column> {
        let Values::Struct(members) = &items.values else { return self.nothing(elements.len(), 0) };
        let present = |element: &u32| if *element != NONE && items.is_null(*element as usize) { NONE } else { *element };
        let elements: Vec<u32> = elements.iter().map(present).collect();
        members.iter().zip(&self.columns).map(|(member, field)| picked(member, &elements, field)).collect()
    }

    fn window_columns(&self, times: &Column, made: &Made, from: usize, to: usize) -> Vec<Column> {
        let mut builder = ColumnBuilder::new(&self.columns[0].data_type, to - from);
        for (row, position) in made.rows[from..to].iter().zip(&made.positions[from..to]) {
            let window = match (&self.windows, &times.values) {
                (Some(windows), Values::Timestamp(times)) if *position != NONE => {
                    starts(windows, times[*row as usize]).nth(*position as usize).map(|start| (start, start + windows.size))
                }
                _ => None,
            };
            match window {
                Some((start, end)) => builder.push(&Value::Struct(vec![Value::Timestamp(start), Value::Timestamp(end)])),
                None => builder.push_null(),
            }
        }
        vec![builder.finish()]
    }

    /// Columns `at…` of NULLs.
    fn nothing(&self, rows: usize, at: usize) -> Vec<Column> {
        self.columns[at..].iter().map(|_| Column::new(Values::Null(rows))).collect()
    }
}

/// Elements of a column, NULL where there is none.
fn picked(column: &Column, elements: &[u32], field: &Field) -> Column {
    if !elements.contains(&NONE) {
        return column.gather(elements);
    }
    let mut builder = ColumnBuilder::new(&field.data_type, elements.len());
    elements.iter().for_each(|element| match *element {
        NONE => builder.push_null(),
        element => builder.push_from(column, element as usize),
    });
    builder.finish()
}

/// The starts of the windows that hold a time, the latest first.
fn starts(windows: &Windows, time: i64) -> impl Iterator<Item = i64> + use<> {
    let windows = *windows;
    let last = if time.unsigned_abs() <= TIME_ABS_MAX_US as u64 { Some(windows.last_over(time)) } else { None };
    std::iter::successors(last, move |start| Some(start - windows.slide)).take_while(move |start| start + windows.size > time)
}

/// The expressions' values; rows that fail are rejected and leave the chunk.
pub(super) fn evaluated(exprs: &[&Expr], chunk: &mut Chunk<'_>, env: &mut Env<'_, '_>) -> Vec<Column> {
    let mut errors = Vec::new();
    let mut columns = Vec::new();
    for expr in exprs {
        let evaluated = chunk.evaluate(expr, &chunk.selection, env.context);
        errors.extend(evaluated.errors);
        columns.push(match evaluated.column {
            Cow::Borrowed(column) => column.clone(),
            Cow::Owned(column) => column,
        });
    }
    first_of_each_row(&mut errors);
    env.reject(&errors, 0, chunk);
    let failed: Vec<u32> = errors.iter().map(|error| error.row).collect();
    chunk.selection = without(&chunk.selection, &failed);
    debug_assert!(matches!(chunk.selection, Selection::All(_) | Selection::Rows(_)));
    columns
}
