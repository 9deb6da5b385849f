//! AND and OR, three-valued and lazy.

use std::borrow::Cow;

use crate::batch::{Bitmap, Column, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::operand::{Lane, Operand};
use crate::engine::expr::walk::Walk;
use crate::plan::{Expr, ExprNode, Function};
use crate::types::Value;

impl<'a> Walk<'a, '_> {
    /// AND (`decisive` false) and OR (`decisive` true): the right side is evaluated where the left does not decide.
    pub fn connect(&mut self, left: &Expr, right: &Expr, decisive: bool, rows: &Selection) -> Operand<'a> {
        let mut active = Cow::Borrowed(rows);
        let left = self.argument(left, &mut active);
        if let Operand::Constant(Value::Boolean(x)) = left {
            return if x == decisive { left } else { self.eval(right, &active) };
        }
        if cannot_fail(right) {
            let right = self.eval(right, &active);
            return connect_all(&[left, right], decisive, self.input.count);
        }
        let left_values = left.booleans();
        let open = match left_values {
            Some(values) => {
                let kept = active.retain(|row| left.is_null(row as usize) || values.get(row as usize) != decisive);
                Cow::Owned(kept)
            }
            None => active.clone(),
        };
        if open.is_empty() {
            return left;
        }
        let mut open = open;
        let right = self.argument(right, &mut open);
        let right_values = right.booleans();
        let mut values = vec![decisive; self.input.count];
        let mut valid: Option<Bitmap> = None;
        for row in open.iter().map(|row| row as usize) {
            let right_value = right_values.filter(|_| !right.is_null(row)).map(|values| values.get(row));
            let left_null = left_values.is_none() || left.is_null(row);
            match right_value {
                Some(value) if value == decisive => {}
                Some(_) if !left_null => values[row] = !decisive,
                _ => {
                    values[row] = false;
                    valid.get_or_insert_with(|| Bitmap::filled(values.len(), true)).set(row, false);
                }
            }
        }
        Operand::owned(Column { values: Values::Boolean(values), valid })
    }
}

/// Whether no row can fail in it, so that evaluating it for too many rows is harmless. Cheap expressions only.
pub(super) fn cannot_fail(expr: &Expr) -> bool {
    match &expr.node {
        ExprNode::Column(_) | ExprNode::Literal(_) => true,
        ExprNode::And(left, right) | ExprNode::Or(left, right) => cannot_fail(left) && cannot_fail(right),
        ExprNode::Not(input) | ExprNode::IsNull(input) => cannot_fail(input),
        ExprNode::Call { function, args } => is_comparison(*function) && args.iter().all(is_leaf),
        _ => false,
    }
}

fn is_comparison(function: Function) -> bool {
    use Function::{Equal, EqualNullSafe, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(function, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual | EqualNullSafe)
}

fn is_leaf(expr: &Expr) -> bool {
    matches!(expr.node, ExprNode::Column(_) | ExprNode::Literal(_))
}

/// Both sides known for all rows.
fn connect_all<'a>(sides: &[Operand<'a>; 2], decisive: bool, count: usize) -> Operand<'a> {
    let [left, right] = sides;
    match right {
        Operand::Constant(Value::Boolean(value)) => return if *value == decisive { right.clone() } else { left.clone() },
        Operand::Constant(_) | Operand::Column(_) => {}
    }
    if let (Some(Lane::Each(a)), Some(Lane::Each(b)), None, None) = (left.booleans(), right.booleans(), left.valid(), right.valid()) {
        let values = if decisive { a.iter().zip(b).map(|(a, b)| a | b).collect() } else { a.iter().zip(b).map(|(a, b)| a & b).collect() };
        return Operand::owned(Column::new(Values::Boolean(values)));
    }
    let known = |side: &Operand<'_>, row: usize| side.booleans().filter(|_| !side.is_null(row)).map(|values| values.get(row));
    let mut values = vec![false; count];
    let mut valid = Bitmap::filled(count, true);
    for (row, value) in values.iter_mut().enumerate() {
        match (known(left, row), known(right, row)) {
            (Some(side), _) | (_, Some(side)) if side == decisive => *value = decisive,
            (Some(_), Some(_)) => *value = !decisive,
            _ => valid.set(row, false),
        }
    }
    Operand::owned(Column { values: Values::Boolean(values), valid: Some(valid) })
}

/// The rows of `rows` for which a condition is TRUE, and the others.
pub(super) fn split(condition: &Operand<'_>, rows: &Selection) -> (Selection, Selection) {
    let none = || Selection::Rows(Vec::new());
    let Some(values) = condition.booleans() else { return (none(), rows.clone()) };
    match (values, condition.valid()) {
        (Lane::One(true), _) => (rows.clone(), none()),
        (Lane::One(false), _) => (none(), rows.clone()),
        (Lane::Each(values), None) => (select(values, true, rows), select(values, false, rows)),
        (Lane::Each(values), Some(valid)) => {
            let holds = |row: u32| values[row as usize] && valid.get(row as usize);
            (rows.retain(holds), rows.retain(|row| !holds(row)))
        }
    }
}

/// The rows whose value is `wanted`, without a branch a row.
pub(super) fn select(values: &[bool], wanted: bool, rows: &Selection) -> Selection {
    let total = rows.len();
    let mut kept: Vec<u32> = vec![0; total];
    let mut length = 0;
    // A row is written to the next free place and kept there if wanted.
    let mut offer = |row: u32, value: bool| {
        kept[length] = row;
        length += usize::from(value == wanted);
    };
    match rows {
        Selection::All(count) => values[..*count].iter().enumerate().for_each(|(row, value)| offer(row as u32, *value)),
        Selection::Rows(rows) => rows.iter().for_each(|row| offer(*row, values[*row as usize])),
    }
    if length == total {
        return rows.clone();
    }
    kept.truncate(length);
    Selection::Rows(kept)
}
