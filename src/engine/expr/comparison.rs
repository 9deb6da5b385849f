//! Comparison operators, and the functions that compare and see NULLs: `<=>`, nullif, greatest, least; isnan.

use std::cmp::Ordering;

use crate::batch::{Column, Values};
use crate::engine::expr::compare::{order_between, order_floats, order_values};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Lane, Operand, Texts, valid_in_all};
use crate::plan::Function;
use crate::types::Value;

/// `= <> < <= > >=`.
pub(super) fn compare(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [left, right] = operands else { return None };
    if let (Some(a), Some(b)) = (left.doubles(), right.doubles()) {
        return Some(compare_doubles(function, operands, a, b));
    }
    if let (Some(a), Some(b)) = (longs(left), longs(right)) {
        return Some(compare_ordered(function, operands, a, b));
    }
    if let (Some(a), Some(b)) = (left.ints().or(left.dates()), right.ints().or(right.dates())) {
        return Some(compare_ordered(function, operands, a, b));
    }
    if let (Some(a), Some(b)) = (left.texts(), right.texts()) {
        return Some(match function {
            Function::Equal => frame.map(operands, Values::Boolean, |row| texts_equal(&a, &b, row)),
            Function::NotEqual => frame.map(operands, Values::Boolean, |row| !texts_equal(&a, &b, row)),
            _ => frame.map(operands, Values::Boolean, |row| holds(function, a.get(row).cmp(b.get(row)))),
        });
    }
    if let (Some(a), Some(b)) = (left.booleans(), right.booleans()) {
        return Some(compare_ordered(function, operands, a, b));
    }
    if let (Some(a), Some(b)) = (left.floats(), right.floats()) {
        return Some(frame.map(operands, Values::Boolean, |row| holds(function, order_floats(a.get(row), b.get(row)))));
    }
    Some(frame.map(operands, Values::Boolean, |row| holds(function, order_at(left, right, row))))
}

/// Entries that are stored and ordered as 64-bit integers.
fn longs<'o>(operand: &'o Operand<'_>) -> Option<Lane<'o, i64>> {
    operand.bigints().or_else(|| operand.timestamps()).or_else(|| operand.intervals())
}

fn texts_equal(a: &Texts<'_>, b: &Texts<'_>, row: usize) -> bool {
    match (a, b) {
        (Texts::Coded(a), Texts::Coded(b)) if a.dictionary.generation == b.dictionary.generation => {
            let same_entries = std::sync::Arc::ptr_eq(&a.dictionary.entries, &b.dictionary.entries);
            if same_entries { a.codes[row] == b.codes[row] } else { entry(a, row) == entry(b, row) }
        }
        _ => a.get(row) == b.get(row),
    }
}

fn entry(dict: &crate::batch::DictColumn, row: usize) -> &str {
    &dict.dictionary.entries[dict.codes[row] as usize]
}

fn holds(function: Function, order: Ordering) -> bool {
    match function {
        Function::Equal => order.is_eq(),
        Function::NotEqual => order.is_ne(),
        Function::Less => order.is_lt(),
        Function::LessEqual => order.is_le(),
        Function::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// NaN is equal to itself and greater than all else; no branches, so that the loops can be vectorised.
fn compare_doubles(function: Function, operands: &[Operand<'_>], a: Lane<'_, f64>, b: Lane<'_, f64>) -> Operand<'static> {
    let equal = |a: f64, b: f64| (a == b) | (a.is_nan() & b.is_nan());
    let less = |a: f64, b: f64| (a < b) | (b.is_nan() & !a.is_nan());
    match function {
        Function::Equal => dense(operands, a, b, equal),
        Function::NotEqual => dense(operands, a, b, |a, b| !equal(a, b)),
        Function::Less => dense(operands, a, b, less),
        Function::LessEqual => dense(operands, a, b, |a, b| !less(b, a)),
        Function::Greater => dense(operands, a, b, |a, b| less(b, a)),
        _ => dense(operands, a, b, |a, b| !less(a, b)),
    }
}

fn compare_ordered<T: Copy + Ord>(function: Function, operands: &[Operand<'_>], a: Lane<'_, T>, b: Lane<'_, T>) -> Operand<'static> {
    match function {
        Function::Equal => dense(operands, a, b, |a, b| a == b),
        Function::NotEqual => dense(operands, a, b, |a, b| a != b),
        Function::Less => dense(operands, a, b, |a, b| a < b),
        Function::LessEqual => dense(operands, a, b, |a, b| a <= b),
        Function::Greater => dense(operands, a, b, |a, b| a > b),
        _ => dense(operands, a, b, |a, b| a >= b),
    }
}

/// All rows, also those that are not selected: it cannot fail, and one loop over slices is fast.
fn dense<T: Copy>(operands: &[Operand<'_>], a: Lane<'_, T>, b: Lane<'_, T>, f: impl Fn(T, T) -> bool) -> Operand<'static> {
    let mut values: Vec<bool> = match (a, b) {
        (Lane::Each(a), Lane::Each(b)) => a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect(),
        (Lane::Each(a), Lane::One(b)) => a.iter().map(|a| f(*a, b)).collect(),
        (Lane::One(a), Lane::Each(b)) => b.iter().map(|b| f(a, *b)).collect(),
        (Lane::One(a), Lane::One(b)) => vec![f(a, b)],
    };
    let valid = valid_in_all(operands);
    if let Some(valid) = &valid {
        valid.unset().for_each(|row| values[row] = false);
    }
    Operand::owned(Column { values: Values::Boolean(values), valid })
}

/// Order of two operands' entries, NULLs first.
pub(super) fn order_at(left: &Operand<'_>, right: &Operand<'_>, row: usize) -> Ordering {
    match (left, right) {
        (Operand::Column(left), Operand::Column(right)) => order_between(left, row, right, row),
        (Operand::Column(left), Operand::Constant(right)) => order_values(&left.value(row), right),
        (Operand::Constant(left), Operand::Column(right)) => order_values(left, &right.value(row)),
        (Operand::Constant(left), Operand::Constant(right)) => order_values(left, right),
    }
}

/// `<=>`, nullif, greatest and least.
pub(super) fn with_nulls(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match (function, operands) {
        (Function::EqualNullSafe, [left, right]) => {
            let same = |row: usize| match (left.is_null(row), right.is_null(row)) {
                (false, false) => order_at(left, right, row).is_eq(),
                (left, right) => left && right,
            };
            Some(frame.map(&[], Values::Boolean, same))
        }
        (Function::NullIf, [value, other]) => {
            let keep = |row: usize| value.is_null(row) || other.is_null(row) || order_at(value, other, row).is_ne();
            Some(pick(operands, frame, |row| if keep(row) { 1 } else { 0 }))
        }
        (Function::Greatest | Function::Least, operands) => {
            let wanted = if function == Function::Greatest { Ordering::Greater } else { Ordering::Less };
            Some(pick(operands, frame, |row| {
                let mut best = 0;
                for (index, operand) in operands.iter().enumerate().filter(|(_, operand)| !operand.is_null(row)) {
                    if best == 0 || order_at(operand, &operands[best - 1], row) == wanted {
                        best = index + 1;
                    }
                }
                best as u32
            }))
        }
        _ => None,
    }
}

/// One of the operands for each row: its index plus 1, or 0 for NULL.
fn pick(operands: &[Operand<'_>], frame: &mut Frame<'_>, choose: impl Fn(usize) -> u32) -> Operand<'static> {
    let mut choice = vec![0; frame.count];
    frame.rows.iter().for_each(|row| choice[row as usize] = choose(row as usize));
    Operand::owned(frame.merge(&choice, operands, frame.data_type))
}

/// FALSE for NULL.
pub(super) fn is_nan(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    if input.is_null_constant() {
        return Some(Operand::Constant(Value::Boolean(false)));
    }
    if let Some(x) = input.doubles() {
        return Some(frame.map(&[], Values::Boolean, |row| !input.is_null(row) && x.get(row).is_nan()));
    }
    let x = input.floats()?;
    Some(frame.map(&[], Values::Boolean, |row| !input.is_null(row) && x.get(row).is_nan()))
}
