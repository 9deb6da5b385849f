//! What evaluation promises beyond values: borrowed columns, errors by row, laziness, limits.

use std::borrow::Cow;
use std::sync::Arc;

use crate::batch::{Bitmap, Column, DictColumn, Dictionary, Values};
use crate::engine::expr::{
    Context, EvalError, OFFENDING_BYTES_MAX, Problem, Rows, Selection, TEXT_BYTES_MAX, TEXT_COLUMN_BYTES_MAX, evaluate, filter,
};
use crate::plan::{DEPTH_MAX, Expr, ExprNode, Function, Span};
use crate::types::{DataType, Value};

fn expr(node: ExprNode, data_type: DataType) -> Expr {
    Expr { node, data_type, span: Span { start: 7, end: 9 } }
}

fn column(index: usize, data_type: DataType) -> Expr {
    expr(ExprNode::Column(index), data_type)
}

fn text(value: &str) -> Expr {
    expr(ExprNode::Literal(Value::String(value.into())), DataType::String)
}

fn big(value: i64) -> Expr {
    expr(ExprNode::Literal(Value::BigInt(value)), DataType::BigInt)
}

fn call(function: Function, args: Vec<Expr>, data_type: DataType) -> Expr {
    expr(ExprNode::Call { function, args }, data_type)
}

fn coded(texts: &[&str], codes: Vec<u32>) -> Column {
    let entries: Vec<Arc<str>> = texts.iter().map(|text| Arc::from(*text)).collect();
    Column::new(Values::Dict(DictColumn { codes, dictionary: Dictionary { generation: 0, entries: Arc::new(entries) } }))
}

fn failed_rows(errors: &[super::RowError]) -> Vec<u32> {
    errors.iter().map(|error| error.row).collect()
}

#[test]
fn a_plain_column_is_borrowed() {
    let doubles = Column::new(Values::Double(vec![1.0, 2.0]));
    let rows = Rows { count: 2, columns: vec![&doubles] };
    let evaluated = evaluate(&column(0, DataType::Double), &rows, &Selection::Rows(vec![1]), &Context::default());
    assert!(matches!(evaluated.column, Cow::Borrowed(borrowed) if std::ptr::eq(borrowed, &doubles)));
}

#[test]
fn only_the_row_that_fails_fails() {
    let divisors = Column::new(Values::BigInt(vec![1, 0, 2, 0]));
    let rows = Rows { count: 4, columns: vec![&divisors] };
    let divide = call(Function::IntegerDivide, vec![big(10), column(0, DataType::BigInt)], DataType::BigInt);
    let evaluated = evaluate(&divide, &rows, &Selection::Rows(vec![0, 1, 2]), &Context::default());
    assert_eq!(failed_rows(&evaluated.errors), [1]);
    assert_eq!(evaluated.errors[0].error.problem, Problem::DivideByZero);
    assert_eq!(evaluated.errors[0].error.span, divide.span);
    assert_eq!((evaluated.column.value(0), evaluated.column.value(2)), (Value::BigInt(10), Value::BigInt(5)));
}

#[test]
fn a_row_fails_once_and_with_its_first_error() {
    let texts = coded(&["x", "1"], (0..40).map(|row| row % 2).collect());
    let rows = Rows { count: 40, columns: vec![&texts] };
    let cast = || expr(ExprNode::Cast { input: Box::new(column(0, DataType::String)), fallible: false }, DataType::BigInt);
    let divide =
        call(Function::IntegerDivide, vec![cast(), call(Function::Subtract, vec![cast(), big(1)], DataType::BigInt)], DataType::BigInt);
    let evaluated = evaluate(&divide, &rows, &Selection::All(40), &Context::default());
    assert_eq!(failed_rows(&evaluated.errors), (0..40).collect::<Vec<u32>>());
    let problems: Vec<&Problem> = evaluated.errors.iter().map(|error| &error.error.problem).collect();
    assert_eq!(problems[..2], [&Problem::CastText(DataType::BigInt), &Problem::DivideByZero]);
    let message = evaluated.errors[0].error.to_string();
    assert_eq!(message, "'x' is not a BIGINT; try_cast gives NULL instead");
    let problem = Problem::CastText(DataType::Int);
    let error = EvalError { problem, ..evaluated.errors[0].error.clone() };
    assert_eq!(error.to_string(), "'x' is not an INT; try_cast gives NULL instead");
}

#[test]
fn an_error_keeps_a_bounded_value() {
    let long = "ß".repeat(10_000);
    let cast = expr(ExprNode::Cast { input: Box::new(text(&long)), fallible: false }, DataType::Int);
    let evaluated = evaluate(&cast, &Rows { count: 1, columns: Vec::new() }, &Selection::All(1), &Context::default());
    assert!((1..=OFFENDING_BYTES_MAX).contains(&evaluated.errors[0].error.offending.len()));
}

#[test]
fn a_filter_stops_at_the_first_side_that_is_not_true() {
    let numbers = Column { values: Values::BigInt(vec![0, 0, 5]), valid: None };
    let mut valid = Bitmap::filled(3, true);
    valid.set(1, false);
    let flags = Column { values: Values::Boolean(vec![false, false, true]), valid: Some(valid) };
    let rows = Rows { count: 3, columns: vec![&numbers, &flags] };
    let ratio = call(Function::IntegerDivide, vec![big(10), column(0, DataType::BigInt)], DataType::BigInt);
    let right = call(Function::Greater, vec![ratio, big(1)], DataType::Boolean);
    let both = expr(ExprNode::And(Box::new(column(1, DataType::Boolean)), Box::new(right)), DataType::Boolean);
    let filtered = filter(&both, &rows, &Selection::All(3), &Context::default());
    assert_eq!(filtered.selection, Selection::Rows(vec![2]));
    assert!(filtered.errors.is_empty());
    // As a value, NULL AND … needs its right side.
    let evaluated = evaluate(&both, &rows, &Selection::All(3), &Context::default());
    assert_eq!(failed_rows(&evaluated.errors), [1]);
}

#[test]
fn text_is_bounded_by_value_and_by_column() {
    let times = Column::new(Values::BigInt(vec![TEXT_BYTES_MAX as i64; 80]));
    let rows = Rows { count: 80, columns: vec![&times] };
    let evaluate = |expr: &Expr| evaluate(expr, &rows, &Selection::All(80), &Context::default());
    let repeat = |letters: &str| call(Function::Repeat, vec![text(letters), column(0, DataType::BigInt)], DataType::String);
    let fitting = TEXT_COLUMN_BYTES_MAX / TEXT_BYTES_MAX;
    let evaluated = evaluate(&repeat("x"));
    assert!((80 - fitting..=81 - fitting).contains(&evaluated.errors.len()));
    assert_eq!(evaluated.errors.last().map(|error| &error.error.problem), Some(&Problem::TextTooLong(TEXT_COLUMN_BYTES_MAX)));
    let evaluated = evaluate(&repeat("xy"));
    assert_eq!(evaluated.errors.len(), 80);
    assert_eq!(evaluated.errors[0].error.problem, Problem::TextTooLong(TEXT_BYTES_MAX));
    // The same text for all rows is not written out beyond the limit either.
    let constant = call(Function::Repeat, vec![text("x"), big(TEXT_BYTES_MAX as i64)], DataType::String);
    let evaluated = evaluate(&constant);
    assert_eq!(evaluated.errors.len(), 80 - fitting);
}

#[test]
fn text_by_code_is_bounded_too() {
    let texts = coded(&["x"], vec![0; 80]);
    let rows = Rows { count: 80, columns: vec![&texts] };
    let repeat = call(Function::Repeat, vec![column(0, DataType::String), big(TEXT_BYTES_MAX as i64)], DataType::String);
    let evaluated = evaluate(&repeat, &rows, &Selection::All(80), &Context::default());
    assert_eq!(evaluated.errors.len(), 80);
}

#[test]
fn a_plan_that_refers_to_nothing_fails_by_row() {
    let rows = Rows { count: 2, columns: Vec::new() };
    let evaluated = evaluate(&column(3, DataType::Int), &rows, &Selection::All(2), &Context::default());
    assert_eq!(failed_rows(&evaluated.errors), [0, 1]);
    assert_eq!(evaluated.column.len(), 2);
}

#[test]
fn the_deepest_plan_fits_the_stack() {
    let flags = Column::new(Values::Boolean(vec![true; 20]));
    let rows = Rows { count: 20, columns: vec![&flags, &flags] };
    let mut deep = column(0, DataType::Boolean);
    for level in 0..DEPTH_MAX {
        let other = Box::new(column(level % 2, DataType::Boolean));
        let node = match level % 4 {
            0 => ExprNode::And(Box::new(deep), other),
            1 => ExprNode::Coalesce(vec![deep, *other]),
            2 => ExprNode::Case { branches: vec![(deep, *other.clone())], otherwise: Some(other) },
            _ => ExprNode::Call { function: Function::Equal, args: vec![deep, *other] },
        };
        deep = expr(node, DataType::Boolean);
    }
    let evaluated = evaluate(&deep, &rows, &Selection::All(20), &Context::default());
    assert_eq!((evaluated.column.value(0), evaluated.errors.len()), (Value::Boolean(true), 0));
}

#[test]
fn an_empty_selection_costs_and_gives_nothing() {
    let texts = coded(&["x"], vec![0; 3]);
    let rows = Rows { count: 3, columns: vec![&texts] };
    let cast = expr(ExprNode::Cast { input: Box::new(column(0, DataType::String)), fallible: false }, DataType::Int);
    let evaluated = evaluate(&cast, &rows, &Selection::Rows(Vec::new()), &Context::default());
    assert_eq!((evaluated.column.len(), evaluated.errors.len()), (3, 0));
}
