//! `x IN (…)`: three-valued; items after the one that matches are not evaluated.

use std::borrow::Cow;

use crate::batch::{Bitmap, Column, Values};
use crate::engine::expr::Selection;
use crate::engine::expr::compare::{order_between, order_values};
use crate::engine::expr::operand::Operand;
use crate::engine::expr::walk::Walk;
use crate::plan::{Expr, ExprNode};
use crate::types::Value;

impl<'a> Walk<'a, '_> {
    pub fn in_list(&mut self, expr: &Expr, input: &Expr, list: &[Expr], rows: &Selection) -> Operand<'a> {
        let mut active = Cow::Borrowed(rows);
        let operand = self.argument(input, &mut active);
        if operand.is_null_constant() || active.is_empty() {
            return Operand::NULL;
        }
        let literals: Option<Vec<&Value>> =
            list.iter().map(|item| if let ExprNode::Literal(value) = &item.node { Some(value) } else { None }).collect();
        match literals {
            Some(literals) => {
                let literals = Literals::new(&literals);
                self.constant_or(expr, &[operand], &active, |operands, frame| literals.search(&operands[0], frame.rows, frame.count))
            }
            None => self.in_items(&operand, list, active),
        }
    }

    fn in_items(&mut self, operand: &Operand<'a>, list: &[Expr], active: Cow<'_, Selection>) -> Operand<'a> {
        let count = self.input.count;
        let mut open: Cow<'_, Selection> = Cow::Owned(active.retain(|row| !operand.is_null(row as usize)));
        let mut found = vec![false; count];
        let mut valid = Bitmap::filled(count, true);
        active.iter().filter(|row| operand.is_null(*row as usize)).for_each(|row| valid.set(row as usize, false));
        for item in list {
            if open.is_empty() {
                break;
            }
            let item = self.argument(item, &mut open);
            for row in open.iter().map(|row| row as usize) {
                if item.is_null(row) {
                    valid.set(row, false);
                } else if same(operand, &item, row) {
                    found[row] = true;
                    valid.set(row, true);
                }
            }
            open = Cow::Owned(open.retain(|row| !found[row as usize]));
        }
        Operand::owned(Column { values: Values::Boolean(found), valid: Some(valid) })
    }
}

fn same(left: &Operand<'_>, right: &Operand<'_>, row: usize) -> bool {
    match (left, right) {
        (Operand::Column(left), Operand::Column(right)) => order_between(left, row, right, row).is_eq(),
        (Operand::Column(column), Operand::Constant(value)) | (Operand::Constant(value), Operand::Column(column)) => {
            order_values(&column.value(row), value).is_eq()
        }
        (Operand::Constant(left), Operand::Constant(right)) => order_values(left, right).is_eq(),
    }
}

/// A list of literals, sorted.
struct Literals {
    values: Vec<Value>,
    /// A NULL is in the list: what is not found is NULL.
    null: bool,
}

impl Literals {
    fn new(literals: &[&Value]) -> Literals {
        let mut values: Vec<Value> = literals.iter().filter(|value| ***value != Value::Null).map(|value| (*value).clone()).collect();
        values.sort_by(order_values);
        Literals { null: values.len() < literals.len(), values }
    }

    fn search(&self, operand: &Operand<'_>, rows: &Selection, count: usize) -> Operand<'static> {
        let mut found = vec![false; count];
        let mut valid = operand.valid().cloned();
        for row in rows.iter().map(|row| row as usize) {
            if operand.is_null(row) {
                continue;
            }
            found[row] = self.holds(operand, row);
            if self.null && !found[row] {
                valid.get_or_insert_with(|| Bitmap::filled(count, true)).set(row, false);
            }
        }
        Operand::owned(Column { values: Values::Boolean(found), valid })
    }

    fn holds(&self, operand: &Operand<'_>, row: usize) -> bool {
        if let Some(texts) = operand.texts() {
            let text = texts.get(row);
            let order = |value: &Value| if let Value::String(item) = value { item.as_str().cmp(text) } else { std::cmp::Ordering::Less };
            return self.values.binary_search_by(order).is_ok();
        }
        let value = match operand {
            Operand::Column(column) => column.value(row),
            Operand::Constant(value) => value.clone(),
        };
        self.values.binary_search_by(|item| order_values(item, &value)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_in_sparks_order() {
        let values = [Value::Double(f64::NAN), Value::Null, Value::Double(-0.0), Value::Double(5.0)];
        let list = Literals::new(&values.iter().collect::<Vec<_>>());
        let column = Column::new(Values::Double(vec![0.0, f64::NAN, 5.0, 6.0]));
        let operand = Operand::Column(Cow::Borrowed(&column));
        let Operand::Column(found) = list.search(&operand, &Selection::All(4), 4) else { panic!("a column") };
        let found: Vec<Value> = (0..4).map(|row| found.value(row)).collect();
        assert_eq!(found, [Value::Boolean(true), Value::Boolean(true), Value::Boolean(true), Value::Null]);
    }
}
