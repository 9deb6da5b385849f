//! `aggregate(array, start, merge[, finish])`: the accumulators of all rows go on together, one place of the arrays at a time.

use crate::batch::{Bitmap, Column, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::collections::Arg;
use crate::engine::expr::error::{Failure, RowError};
use crate::engine::expr::lambda::{Results, gather};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::plan::Expr;

/// Rows with their accumulators, in step.
struct Open {
    rows: Vec<u32>,
    state: Column,
}

impl Open {
    /// Those at `places`.
    fn pick(&self, places: &[u32]) -> Open {
        Open { rows: places.iter().map(|place| self.rows[*place as usize]).collect(), state: self.state.gather(places) }
    }
}

impl<'a> Walk<'a, '_> {
    pub(super) fn fold(&mut self, expr: &Expr, operands: &[Operand<'a>], lambdas: &[&Expr], active: &Selection) -> Option<Operand<'a>> {
        let [array, start] = operands else { return None };
        let array = Arg::new(array);
        let list = array.list()?;
        let start = Arg::new(start);
        let rows: Vec<u32> = active.iter().collect();
        let begins: Vec<u32> = rows.iter().map(|row| start.at(*row as usize) as u32).collect();
        let mut open = match gather(&start.column, &begins) {
            Ok(state) => Open { rows, state },
            Err(failure) => return Some(self.frame(expr, active).fail_all(&failure)),
        };
        let mut finished = Vec::new();
        for place in 0.. {
            let longer = |row: &u32| list.range(array.at(*row as usize)).len() > place;
            let (goes_on, ends): (Vec<u32>, Vec<u32>) = (0..open.rows.len() as u32).partition(|at| longer(&open.rows[*at as usize]));
            if !ends.is_empty() {
                finished.push(open.pick(&ends));
            }
            if goes_on.is_empty() {
                break;
            }
            if !ends.is_empty() {
                open = open.pick(&goes_on);
            }
            let from: Vec<u32> = open.rows.iter().map(|row| (list.range(array.at(*row as usize)).start + place) as u32).collect();
            let results = gather(&list.items, &from).and_then(|items| {
                let state = std::mem::replace(&mut open.state, Column::new(Values::Null(0)));
                self.call_body(lambdas[0], &open.rows, &[state, items])
            });
            match results {
                Ok(results) => open = self.surviving(open.rows, results),
                Err(failure) => {
                    self.fail_these(expr, &open.rows, &failure);
                    break;
                }
            }
        }
        if let Some(finish) = lambdas.get(1) {
            finished = finished.into_iter().filter_map(|open| self.finish(expr, finish, open)).collect();
        }
        Some(self.scatter(expr, active, &finished))
    }

    fn finish(&mut self, expr: &Expr, finish: &Expr, open: Open) -> Option<Open> {
        match self.call_body(finish, &open.rows, &[open.state]) {
            Ok(results) => Some(self.surviving(open.rows, results)),
            Err(failure) => {
                self.fail_these(expr, &open.rows, &failure);
                None
            }
        }
    }

    /// The rows that did not fail, with their new accumulators.
    fn surviving(&mut self, rows: Vec<u32>, results: Results) -> Open {
        let open = Open { rows, state: results.column };
        if results.failed.is_empty() {
            return open;
        }
        let mut good = Vec::new();
        for (at, failed) in results.failed.into_iter().enumerate() {
            match failed {
                Some(error) => self.errors.push(RowError { row: open.rows[at], error: error.error }),
                None => good.push(at as u32),
            }
        }
        open.pick(&good)
    }

    pub(super) fn fail_these(&mut self, expr: &Expr, rows: &[u32], failure: &Failure) {
        self.errors.extend(rows.iter().map(|row| RowError { row: *row, error: failure.clone().at(expr.span) }));
    }

    /// A column of all rows.
    fn scatter(&mut self, expr: &Expr, active: &Selection, finished: &[Open]) -> Operand<'a> {
        let count = self.input.count;
        let mut choice = vec![0; count];
        let columns: Vec<Operand<'a>> = finished
            .iter()
            .enumerate()
            .filter(|(_, open)| !open.rows.is_empty())
            .map(|(number, open)| {
                let mut places = vec![0; count];
                let mut valid = Bitmap::filled(count, false);
                for (at, row) in open.rows.iter().enumerate() {
                    choice[*row as usize] = number as u32 + 1;
                    places[*row as usize] = at as u32;
                    valid.set(*row as usize, !open.state.is_null(at));
                }
                Operand::owned(Column { values: open.state.gather(&places).values, valid: Some(valid) })
            })
            .collect();
        match <[Operand<'a>; 1]>::try_from(columns) {
            Ok([only]) => only,
            Err(columns) => Operand::owned(self.frame(expr, active).merge(&choice, &columns, &expr.data_type)),
        }
    }
}
