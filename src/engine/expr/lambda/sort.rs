//! `array_sort(array, (a, b) -> …)`: a stable merge sort, since a comparison that contradicts itself must not matter to it.
//!
//! Limits: comparisons are evaluated one by one; an array of n elements takes about n·log2(n) of them.

use crate::batch::{Column, ListColumn, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::collections::{Arg, build};
use crate::engine::expr::error::{Failure, Problem, RowError};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::plan::Expr;

/// Why a row cannot be sorted: its own failure, or the body's.
enum Stop {
    Failure(Failure),
    Body(RowError),
}

impl<'a> Walk<'a, '_> {
    pub(super) fn sort_by(&mut self, expr: &Expr, operands: &[Operand<'a>], body: &Expr, active: &Selection) -> Option<Operand<'a>> {
        let array = Arg::new(operands.first()?);
        let list = array.list()?;
        let mut orders: Vec<(u32, Vec<u32>)> = Vec::new();
        for row in active.iter() {
            match self.sorted(list, list.range(array.at(row as usize)).map(|element| element as u32).collect(), body, row) {
                Ok(order) => orders.push((row, order)),
                Err(Stop::Failure(failure)) => self.fail_these(expr, &[row], &failure),
                Err(Stop::Body(error)) => self.errors.push(RowError { row, error: error.error }),
            }
        }
        let mut sorted = orders.into_iter().peekable();
        let sortable = Selection::Rows(sorted.clone().map(|(row, _)| row).collect());
        Some(build(&[], &mut self.frame(expr, &sortable), |row, builder, room| {
            let Some((_, order)) = sorted.next_if(|(next, _)| *next as usize == row) else { return Ok(()) };
            builder.push_list(|out| order.iter().try_for_each(|element| room.copy(out, &list.items, *element as usize)))
        }))
    }

    fn sorted(&mut self, list: &ListColumn, mut order: Vec<u32>, body: &Expr, row: u32) -> Result<Vec<u32>, Stop> {
        let mut width = 1;
        while width < order.len() {
            let mut merged = Vec::with_capacity(order.len());
            for pair in order.chunks(2 * width) {
                let (left, right) = pair.split_at(width.min(pair.len()));
                let (mut i, mut j) = (0, 0);
                while i < left.len() && j < right.len() {
                    if self.precedes(list, right[j], left[i], body, row)? {
                        merged.push(right[j]);
                        j += 1;
                    } else {
                        merged.push(left[i]);
                        i += 1;
                    }
                }
                merged.extend(&left[i..]);
                merged.extend(&right[j..]);
            }
            order = merged;
            width *= 2;
        }
        Ok(order)
    }

    /// Whether element `a` comes before `b`.
    fn precedes(&mut self, list: &ListColumn, a: u32, b: u32, body: &Expr, row: u32) -> Result<bool, Stop> {
        let bound: [Column; 2] = [list.items.gather(&[a]), list.items.gather(&[b])];
        let results = self.call_body(body, &[row], &bound).map_err(Stop::Failure)?;
        if let Some(error) = results.failure(0) {
            return Err(Stop::Body(error.clone()));
        }
        match &results.column.values {
            Values::Int(order) if !results.column.is_null(0) => Ok(order[0] < 0),
            _ => Err(Stop::Failure(Problem::Argument("the comparison of array_sort gave NULL").into())),
        }
    }
}
