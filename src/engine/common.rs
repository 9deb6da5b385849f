//! What the queries of a step ask of the same columns of its batch: found out by the first that asks, kept for the others until the step ends.
//!
//! Columns are told apart by where they lie: all queries borrow the batch's own, and what a query computes lies elsewhere. So a column is
//! given as it is met, and one that is not the batch's own has no answer here.
//!
//! Limits: memory by the batch's rows, 4 bytes for each key column and 8 for each pair of a key column and another.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::batch::{Batch, Column, Values};

/// Entries of a dictionary for each row of the batch up to which rows are put in order, since that goes through all entries.
const ENTRIES_A_ROW_MAX: usize = 16;

/// Rows in the order of their key's first row, those of one key as they came.
#[derive(Debug, Default)]
pub(super) struct KeyOrder {
    pub rows: Vec<u32>,
    pub runs: Vec<Run>,
}

/// The rows of one key in a [`KeyOrder`], behind those of the key before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The key's dictionary code.
    pub code: u32,
    pub end: u32,
}

/// What a column is in the order of another, by the numbers of both.
type InOrder<T> = RefCell<BTreeMap<(usize, usize), Rc<T>>>;

/// The columns of one batch and what is known of them.
#[derive(Default)]
pub(super) struct Common<'b> {
    columns: Vec<&'b Column>,
    spans: RefCell<BTreeMap<usize, Option<(i64, i64)>>>,
    orders: RefCell<BTreeMap<usize, Option<Rc<KeyOrder>>>>,
    doubles: InOrder<[f64]>,
    times: InOrder<Times>,
}

/// The times of a column in a [`KeyOrder`].
#[derive(Debug)]
pub(super) struct Times {
    pub list: Vec<i64>,
    /// Those of no key go back.
    pub ascending: bool,
}

impl Times {
    fn new(order: &KeyOrder, list: Vec<i64>) -> Times {
        let begins = std::iter::once(0).chain(order.runs.iter().map(|run| run.end));
        let mut runs = begins.zip(&order.runs).map(|(begin, run)| &list[begin as usize..run.end as usize]);
        let ascending = runs.all(|times| times.is_sorted());
        Times { list, ascending }
    }
}

impl<'b> Common<'b> {
    pub fn of(batch: &'b Batch) -> Common<'b> {
        Common { columns: batch.inputs.iter().flat_map(|input| &input.table.columns).flatten().collect(), ..Common::default() }
    }

    fn index(&self, column: &Column) -> Option<usize> {
        self.columns.iter().position(|own| std::ptr::eq(*own, column))
    }

    /// The least and greatest time of a column that has rows and no NULL.
    pub fn span(&self, column: &Column) -> Option<(i64, i64)> {
        let span = || match (&column.values, &column.valid) {
            (Values::Timestamp(times), None) => {
                let (first, others) = times.split_first()?;
                Some(others.iter().fold((*first, *first), |(least, most), time| (least.min(*time), most.max(*time))))
            }
            _ => None,
        };
        *self.spans.borrow_mut().entry(self.index(column)?).or_insert_with(span)
    }

    /// The rows by the key in a dictionary-coded column without NULL; not those of a batch that is small beside the dictionary.
    pub fn by_key(&self, key: &Column) -> Option<Rc<KeyOrder>> {
        let order = || match (&key.values, &key.valid) {
            (Values::Dict(dict), None) if dict.dictionary.entries.len() <= dict.codes.len() * ENTRIES_A_ROW_MAX => {
                Some(Rc::new(KeyOrder::new(&dict.codes, dict.dictionary.entries.len())))
            }
            _ => None,
        };
        self.orders.borrow_mut().entry(self.index(key)?).or_insert_with(order).clone()
    }

    /// The numbers of a DOUBLE column without NULL in the order of `key`.
    pub fn doubles(&self, key: &Column, column: &Column) -> Option<Rc<[f64]>> {
        match (&column.values, &column.valid) {
            (Values::Double(values), None) => self.in_order(&self.doubles, key, column, values, |_, doubles| doubles.into()),
            _ => None,
        }
    }

    /// The times of a column without NULL in the order of `key`.
    pub fn times(&self, key: &Column, column: &Column) -> Option<Rc<Times>> {
        match (&column.values, &column.valid) {
            (Values::Timestamp(values), None) => {
                self.in_order(&self.times, key, column, values, |order, times| Rc::new(Times::new(order, times)))
            }
            _ => None,
        }
    }

    fn in_order<T: Copy, R: ?Sized>(
        &self,
        known: &InOrder<R>,
        key: &Column,
        column: &Column,
        values: &[T],
        made: impl FnOnce(&KeyOrder, Vec<T>) -> Rc<R>,
    ) -> Option<Rc<R>> {
        let order = self.by_key(key)?;
        let place = (self.index(key)?, self.index(column)?);
        let ordered = || made(&order, order.rows.iter().map(|row| values[*row as usize]).collect());
        (order.rows.len() == values.len()).then(|| known.borrow_mut().entry(place).or_insert_with(ordered).clone())
    }
}

impl KeyOrder {
    /// `entries`: one more than the greatest code.
    fn new(codes: &[u32], entries: usize) -> KeyOrder {
        const NONE: u32 = u32::MAX;
        let (mut run_of, mut runs) = (vec![NONE; entries], Vec::new());
        for code in codes {
            let run = &mut run_of[*code as usize];
            if *run == NONE {
                *run = runs.len() as u32;
                runs.push(Run { code: *code, end: 0 });
            }
            runs[*run as usize].end += 1;
        }
        // From lengths to beginnings, which rows then carry to the ends.
        let mut begin = 0;
        for run in &mut runs {
            begin += std::mem::replace(&mut run.end, begin);
        }
        let mut rows = vec![0; codes.len()];
        for (row, code) in codes.iter().enumerate() {
            let end = &mut runs[run_of[*code as usize] as usize].end;
            rows[*end as usize] = row as u32;
            *end += 1;
        }
        KeyOrder { rows, runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_key_stand_together_as_they_came() {
        let order = KeyOrder::new(&[3, 0, 3, 2, 0, 3], 4);
        assert_eq!(order.rows, [0, 2, 5, 1, 4, 3]);
        assert_eq!(order.runs, [(3, 3), (0, 5), (2, 6)].map(|(code, end)| Run { code, end }));
        assert!(KeyOrder::new(&[], 0).runs.is_empty());
    }
}
