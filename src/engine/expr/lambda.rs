//! Functions that take a lambda: its body is evaluated for the elements of many rows at once.
//!
//! Elements and what the body reads of the rows become columns of one entry an element. `aggregate` goes by places instead: the first
//! elements of all rows, then the second ones.
//!
//! Limits: [`LAMBDA_STEPS_MAX`](crate::engine::expr::LAMBDA_STEPS_MAX) elements in one evaluation, within each other too.

mod fold;
mod maps;
mod sort;

use std::borrow::Cow;
use std::ops::Range;

use crate::batch::{Bitmap, Column, ListColumn, Values};
use crate::engine::expr::collections::Arg;
use crate::engine::expr::error::{Failure, Problem, RowError};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::engine::expr::{LAMBDA_CALL_STEPS, Rows, Selection, TEXT_COLUMN_BYTES_MAX};
use crate::plan::{Collection, Expr, ExprNode};

/// A body's value for each element, and the elements for which it failed.
struct Results {
    column: Column,
    /// By element; empty where none failed.
    failed: Vec<Option<RowError>>,
}

impl Results {
    fn failure(&self, element: usize) -> Option<&RowError> {
        self.failed.get(element)?.as_ref()
    }

    /// TRUE, FALSE or NULL.
    fn truth(&self, element: usize) -> Option<bool> {
        match &self.column.values {
            Values::Boolean(values) if !self.column.is_null(element) => Some(values[element]),
            _ => None,
        }
    }
}

/// The elements of some rows, back to back.
struct Elements {
    /// The row of each.
    parents: Vec<u32>,
    /// The rows with a value, and the elements of each.
    rows: Vec<(u32, Range<usize>)>,
}

impl<'a> Walk<'a, '_> {
    pub fn higher_order(&mut self, expr: &Expr, collection: Collection, args: &[Expr], rows: &Selection) -> Operand<'a> {
        use Collection as C;
        let is_lambda = |arg: &&Expr| matches!(arg.node, ExprNode::Lambda { .. });
        let lambdas: Vec<&Expr> = args.iter().filter(is_lambda).filter_map(body).collect();
        let mut active = Cow::Borrowed(rows);
        let mut operands = Vec::new();
        for arg in args.iter().filter(|arg| !is_lambda(arg)) {
            let operand = self.argument(arg, &mut active);
            // The start value of an aggregate may be NULL.
            let strict = !(collection == C::Aggregate && operands.len() == 1);
            if strict && operand.is_null_constant() {
                return Operand::NULL;
            }
            if strict && operand.valid().is_some() {
                active = Cow::Owned(active.retain(|row| !operand.is_null(row as usize)));
            }
            operands.push(operand);
        }
        let done = match collection {
            C::Transform | C::Filter | C::Exists | C::ForAll => self.over_array(expr, collection, &operands, lambdas[0], &active),
            C::ZipWith => self.zip_with(expr, &operands, lambdas[0], &active),
            C::Aggregate => self.fold(expr, &operands, &lambdas, &active),
            C::ArraySortBy => self.sort_by(expr, &operands, lambdas[0], &active),
            C::MapFilter | C::TransformKeys | C::TransformValues => self.over_map(expr, collection, &operands, lambdas[0], &active),
            C::MapZipWith => self.map_zip_with(expr, &operands, lambdas[0], &active),
            _ => None,
        };
        match done {
            Some(operand) => operand,
            None => self.frame(expr, &active).fail_all(&Problem::Plan("a lambda where none belongs").into()),
        }
    }

    /// `body` for one entry a row of `parents`, with `bound` as the lambda's parameters.
    fn call_body(&mut self, body: &Expr, parents: &[u32], bound: &[Column]) -> Result<Results, Failure> {
        let cost = parents.len() as u64 + LAMBDA_CALL_STEPS;
        self.steps_left = self.steps_left.checked_sub(cost).ok_or(Problem::TooManySteps)?;
        let count = parents.len();
        let mut reads = vec![false; self.input.columns.len()];
        note_reads(body, &mut reads);
        let picked = self.input.columns.iter().zip(&reads).map(|(column, read)| read.then(|| gather(column, parents)).transpose());
        let gathered = picked.collect::<Result<Vec<Option<Column>>, Failure>>()?;
        let nothing = Column::new(Values::Null(count));
        let columns = gathered.iter().map(|column| column.as_ref().unwrap_or(&nothing)).collect();
        let around = self.parameters.iter().map(|frame| frame.iter().map(|column| gather(column, parents)).collect());
        let outer = around.collect::<Result<Vec<Vec<Column>>, Failure>>()?;
        let input = Rows { count, columns };
        let mut parameters: Vec<Vec<&Column>> = outer.iter().map(|frame| frame.iter().collect()).collect();
        parameters.push(bound.iter().collect());
        let mut walk = Walk { input: &input, context: self.context, errors: Vec::new(), parameters, steps_left: self.steps_left };
        let all = Selection::All(count);
        let operand = walk.eval(body, &all);
        let column = walk.frame(body, &all).column(operand, &body.data_type).into_owned();
        self.steps_left = walk.steps_left;
        let mut failed = Vec::new();
        for error in walk.errors {
            if failed.is_empty() {
                failed.resize(count, None);
            }
            let place: &mut Option<RowError> = &mut failed[error.row as usize];
            place.get_or_insert(error);
        }
        Ok(Results { column, failed })
    }

    fn over_array(
        &mut self,
        expr: &Expr,
        collection: Collection,
        operands: &[Operand<'a>],
        body: &Expr,
        active: &Selection,
    ) -> Option<Operand<'a>> {
        let array = Arg::new(operands.first()?);
        let list = array.list()?;
        let elements = Elements::new(active, |row| list.range(array.at(row)).len());
        let from: Vec<u32> = active.iter().flat_map(|row| list.range(array.at(row as usize))).map(|element| element as u32).collect();
        let places: Vec<i32> = elements.rows.iter().flat_map(|(_, range)| 0..range.len() as i32).collect();
        let bound = match gather(&list.items, &from) {
            Ok(items) => [items, Column::new(Values::Int(places))],
            Err(failure) => return Some(self.frame(expr, active).fail_all(&failure)),
        };
        let results = match self.call_body(body, &elements.parents, &bound) {
            Ok(results) => results,
            Err(failure) => return Some(self.frame(expr, active).fail_all(&failure)),
        };
        let [items, _] = bound;
        Some(match collection {
            Collection::Transform => self.wrap(&elements, results),
            Collection::Filter => self.keep(&elements, &items, &results),
            _ => self.test(collection == Collection::Exists, &elements, &results),
        })
    }

    /// The results as arrays.
    fn wrap(&mut self, elements: &Elements, results: Results) -> Operand<'a> {
        self.fail_rows(elements, &results);
        let (ends, valid) = elements.ends(self.input.count);
        Operand::owned(Column { values: Values::List(ListColumn { ends, items: Box::new(results.column) }), valid: Some(valid) })
    }

    /// The elements for which the body is TRUE.
    fn keep(&mut self, elements: &Elements, items: &Column, results: &Results) -> Operand<'a> {
        self.fail_rows(elements, results);
        let (ends, kept, valid) = elements.kept(self.input.count, results);
        Operand::owned(Column { values: Values::List(ListColumn { ends, items: Box::new(items.gather(&kept)) }), valid: Some(valid) })
    }

    /// Whether the body is TRUE for one of the elements, or for all. Elements after the one that decides are not looked at.
    fn test(&mut self, any: bool, elements: &Elements, results: &Results) -> Operand<'a> {
        let mut values = vec![false; self.input.count];
        let mut valid = Bitmap::filled(self.input.count, false);
        'rows: for (row, range) in &elements.rows {
            let mut unknown = false;
            for element in range.clone() {
                if let Some(error) = results.failure(element) {
                    self.errors.push(RowError { row: *row, error: error.error.clone() });
                    continue 'rows;
                }
                match results.truth(element) {
                    Some(truth) if truth == any => {
                        values[*row as usize] = any;
                        valid.set(*row as usize, true);
                        continue 'rows;
                    }
                    Some(_) => {}
                    None => unknown = true,
                }
            }
            values[*row as usize] = !any;
            valid.set(*row as usize, !unknown);
        }
        Operand::owned(Column { values: Values::Boolean(values), valid: Some(valid) })
    }

    fn zip_with(&mut self, expr: &Expr, operands: &[Operand<'a>], body: &Expr, active: &Selection) -> Option<Operand<'a>> {
        let [left, right] = operands else { return None };
        let (left, right) = (Arg::new(left), Arg::new(right));
        let lists = [(&left, left.list()?), (&right, right.list()?)];
        let length = |row: usize| lists.iter().map(|(arg, list)| list.range(arg.at(row)).len()).max().unwrap_or(0);
        let elements = Elements::new(active, length);
        let mut bound = Vec::new();
        for (arg, list) in lists {
            let from = elements.rows.iter().flat_map(|(row, places)| {
                let range = list.range(arg.at(*row as usize));
                (0..places.len()).map(move |place| Some(range.start + place).filter(|element| range.contains(element)))
            });
            match gather_some(&list.items, &from.collect::<Vec<_>>()) {
                Ok(column) => bound.push(column),
                Err(failure) => return Some(self.frame(expr, active).fail_all(&failure)),
            }
        }
        match self.call_body(body, &elements.parents, &bound) {
            Ok(results) => Some(self.wrap(&elements, results)),
            Err(failure) => Some(self.frame(expr, active).fail_all(&failure)),
        }
    }

    /// One error for each row with an element that failed.
    fn fail_rows(&mut self, elements: &Elements, results: &Results) {
        if results.failed.is_empty() {
            return;
        }
        for (row, range) in &elements.rows {
            if let Some(error) = range.clone().find_map(|element| results.failure(element)) {
                self.errors.push(RowError { row: *row, error: error.error.clone() });
            }
        }
    }
}

impl Elements {
    fn new(active: &Selection, mut length: impl FnMut(usize) -> usize) -> Elements {
        let mut elements = Elements { parents: Vec::new(), rows: Vec::with_capacity(active.len()) };
        for row in active.iter() {
            let start = elements.parents.len();
            elements.parents.resize(start + length(row as usize), row);
            elements.rows.push((row, start..elements.parents.len()));
        }
        elements
    }

    /// Ends of lists of all elements, for `count` rows, and which of these have a value.
    fn ends(&self, count: usize) -> (Vec<u32>, Bitmap) {
        let mut ends = vec![0; count];
        let mut valid = Bitmap::filled(count, false);
        for (row, range) in &self.rows {
            ends[*row as usize] = range.end as u32;
            valid.set(*row as usize, true);
        }
        level(&mut ends);
        (ends, valid)
    }

    /// As [`Elements::ends`] for the elements with a TRUE result, which come second.
    fn kept(&self, count: usize, results: &Results) -> (Vec<u32>, Vec<u32>, Bitmap) {
        let (mut ends, valid) = self.ends(count);
        let mut kept = Vec::new();
        ends.fill(0);
        for (row, range) in &self.rows {
            kept.extend(range.clone().filter(|element| results.truth(*element) == Some(true)).map(|element| element as u32));
            ends[*row as usize] = kept.len() as u32;
        }
        level(&mut ends);
        (ends, kept, valid)
    }
}

/// Rows without elements end where the row before does.
fn level(ends: &mut [u32]) {
    let mut last = 0;
    for end in ends {
        last = last.max(*end);
        *end = last;
    }
}

fn body(lambda: &Expr) -> Option<&Expr> {
    if let ExprNode::Lambda { body, .. } = &lambda.node { Some(body) } else { None }
}

/// Copies of entries, within the bytes that a column may take.
fn gather(column: &Column, rows: &[u32]) -> Result<Column, Failure> {
    if column.values.is_wide() && !matches!(column.values, Values::Dict(_)) {
        let bytes: usize =
            rows.iter().map(|row| *row as usize).filter(|row| !column.is_null(*row)).map(|row| super::operand::bytes_at(column, row)).sum();
        if bytes > TEXT_COLUMN_BYTES_MAX {
            return Err(Problem::CollectionTooLarge(TEXT_COLUMN_BYTES_MAX).into());
        }
    }
    Ok(column.gather(rows))
}

/// As [`gather`]; NULL where there is no entry.
fn gather_some(column: &Column, rows: &[Option<usize>]) -> Result<Column, Failure> {
    if column.is_empty() {
        return Ok(Column::new(Values::Null(rows.len())));
    }
    let places: Vec<u32> = rows.iter().map(|row| row.unwrap_or(0) as u32).collect();
    let mut picked = gather(column, &places)?;
    let count = picked.len();
    for (at, _) in rows.iter().enumerate().filter(|(_, row)| row.is_none()) {
        picked.valid.get_or_insert_with(|| Bitmap::filled(count, true)).set(at, false);
    }
    Ok(picked)
}

/// Notes which columns the expression reads.
fn note_reads(expr: &Expr, reads: &mut [bool]) {
    if let ExprNode::Column(index) = expr.node
        && let Some(read) = reads.get_mut(index)
    {
        *read = true;
    }
    expr.children().into_iter().for_each(|child| note_reads(child, reads));
}
