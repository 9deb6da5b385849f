//! An expression of one dictionary-coded column: computed once for each code that occurs, not once a row.

use crate::batch::{Column, DictColumn, Strings, Values};
use crate::engine::expr::error::{Failure, Problem, RowError};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::engine::expr::{Rows, Selection, TEXT_COLUMN_BYTES_MAX};
use crate::plan::{Expr, ExprNode};

/// Selections shorter than this are evaluated row by row.
const ROWS_MIN: usize = 16;

/// Dictionaries larger than this many times the selection are not worth a table of their codes.
const ENTRIES_PER_ROW_MAX: usize = 8;

const NO_SLOT: u32 = u32::MAX;

impl<'a> Walk<'a, '_> {
    /// The value of `expr`, if all it reads is one dictionary column; else `None`.
    pub fn once_per_code(&mut self, expr: &Expr, rows: &Selection) -> Option<Operand<'a>> {
        // A parameter has a value a row, not one a code.
        if rows.len() < ROWS_MIN || !self.parameters.is_empty() {
            return None;
        }
        let index = sole_column(expr)?;
        let column: &'a Column = self.input.columns.get(index)?;
        let Values::Dict(dict) = &column.values else { return None };
        if dict.dictionary.entries.len() > rows.len() * ENTRIES_PER_ROW_MAX {
            return None;
        }
        let coded = Coded::new(column, dict, rows, self.input.count);
        let input = Rows { count: coded.texts.len(), columns: vec![&coded.texts; index + 1] };
        let mut walk = Walk { steps_left: self.steps_left, ..Walk::new(&input, self.context) };
        let result = walk.eval(expr, &Selection::All(input.count));
        self.steps_left = walk.steps_left;
        let errors = walk.errors;
        self.spread_errors(&errors, &coded, rows);
        Some(match result {
            Operand::Constant(value) => Operand::Constant(value),
            Operand::Column(texts) if texts.is_empty() => Operand::NULL,
            Operand::Column(values) => self.spread(expr, &values, &coded, rows),
        })
    }

    /// One error for each row whose code failed.
    fn spread_errors(&mut self, errors: &[RowError], coded: &Coded, rows: &Selection) {
        if errors.is_empty() {
            return;
        }
        let mut by_slot = vec![None; coded.texts.len()];
        errors.iter().for_each(|failed| by_slot[failed.row as usize] = Some(&failed.error));
        for row in rows.iter() {
            if let Some(error) = by_slot[coded.slots[row as usize] as usize] {
                self.errors.push(RowError { row, error: error.clone() });
            }
        }
    }

    fn spread(&mut self, expr: &Expr, values: &Column, coded: &Coded, rows: &Selection) -> Operand<'a> {
        let long = |values: &Column| {
            let operand = Operand::Column(std::borrow::Cow::Borrowed(values));
            rows.iter().map(|row| operand.text_bytes(coded.slots[row as usize] as usize)).sum::<usize>() > TEXT_COLUMN_BYTES_MAX
        };
        if values.values.is_wide() && long(values) {
            return self.frame(expr, rows).fail_all(&Failure::new(Problem::TextTooLong(TEXT_COLUMN_BYTES_MAX)));
        }
        Operand::owned(values.gather(&coded.slots))
    }
}

/// The distinct texts of the selected rows.
struct Coded {
    texts: Column,
    /// Entry in `texts` for each row of the table; 0 for rows that are not selected.
    slots: Vec<u32>,
}

impl Coded {
    fn new(column: &Column, dict: &DictColumn, rows: &Selection, count: usize) -> Coded {
        let mut slot_of_code = vec![NO_SLOT; dict.dictionary.entries.len()];
        let mut null_slot = NO_SLOT;
        let mut strings = Strings::new();
        let mut slots = vec![0; count];
        for row in rows.iter().map(|row| row as usize) {
            let null = column.is_null(row);
            let slot = if null { &mut null_slot } else { &mut slot_of_code[dict.codes[row] as usize] };
            if *slot == NO_SLOT {
                *slot = strings.len() as u32;
                strings.push(if null { "" } else { &dict.dictionary.entries[dict.codes[row] as usize] });
            }
            slots[row] = *slot;
        }
        let valid = (null_slot != NO_SLOT).then(|| {
            let mut valid = crate::batch::Bitmap::filled(strings.len(), true);
            valid.set(null_slot as usize, false);
            valid
        });
        Coded { texts: Column { values: Values::String(strings), valid }, slots }
    }
}

/// The column that `expr` reads, if it is exactly one.
fn sole_column(expr: &Expr) -> Option<usize> {
    let mut found = None;
    reads_one(expr, &mut found).then_some(found)?
}

/// Whether `expr` reads no column other than `found`, which it sets at the first.
fn reads_one(expr: &Expr, found: &mut Option<usize>) -> bool {
    match &expr.node {
        ExprNode::Column(index) => *found.get_or_insert(*index) == *index,
        _ => expr.children().into_iter().all(|child| reads_one(child, found)),
    }
}
