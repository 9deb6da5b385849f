//! Random expressions over random columns: never a panic, and the same columnar as row by row.
//!
//! Signatures come from the recorded cases, so that trees are well typed; a second test ignores types.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use crate::batch::{Column, ColumnBuilder, DictColumn, Dictionary, Values};
use crate::engine::expr::recorded::{ALL, RECORDED, data_type, function};
use crate::engine::expr::{Context, EvalError, Rows, Selection, evaluate, filter};
use crate::plan::{Expr, ExprNode, Function, Span};
use crate::types::{DataType, Value, window_type};

const ROWS: usize = 40;
const DEPTH: usize = 4;

const TYPES: [DataType; 8] = [
    DataType::Boolean,
    DataType::Int,
    DataType::BigInt,
    DataType::Float,
    DataType::Double,
    DataType::String,
    DataType::Timestamp,
    DataType::Date,
];

/// What is called (`None`: a cast), with what, and what it gives.
type Signature = (Option<Function>, Vec<DataType>, DataType);

/// Calls and casts as they occur in the recording.
fn signatures() -> Vec<Signature> {
    let mut texts = BTreeSet::new();
    for line in RECORDED.lines() {
        let case: serde_json::Value = serde_json::from_str(line).expect("a recorded case");
        collect(&case["tree"], &mut texts);
    }
    let parse = |text: &String| {
        let mut parts = text.split('|');
        let function = parts.next().filter(|name| *name != "cast").map(function);
        let result = data_type(parts.next().unwrap_or_default());
        (function, parts.map(data_type).collect(), result)
    };
    texts.iter().map(parse).filter(|(function, ..)| *function != Some(Function::MakeStruct)).collect()
}

fn collect(tree: &serde_json::Value, found: &mut BTreeSet<String>) {
    if let (Some(name), Some(args), Some(of)) = (tree["fn"].as_str(), tree["args"].as_array(), tree["type"].as_str()) {
        let args: Vec<&str> = args.iter().filter_map(|arg| arg["type"].as_str()).collect();
        found.insert([&[name, of], &args[..]].concat().join("|"));
    }
    if let (Some(from), Some(of)) = (tree["cast"]["type"].as_str(), tree["type"].as_str()) {
        found.insert(["cast", of, from].join("|"));
    }
    match tree {
        serde_json::Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Choices that proptest can shrink; all zero when used up.
struct Tape {
    choices: std::vec::IntoIter<u32>,
    spans: u32,
}

impl Tape {
    fn below(&mut self, limit: usize) -> usize {
        self.choices.next().unwrap_or(0) as usize % limit
    }

    fn value(&mut self, data_type: &DataType) -> Value {
        const DOUBLES: [f64; 10] = [0.0, 1.5, -0.0, -2.5, 1e10, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9.3e18, 0.1];
        const INTEGERS: [i64; 10] = [0, 1, -1, 2, 5, 31, 64, i64::MAX, i64::MIN, 1_767_225_600_123_456];
        const TEXTS: [&str; 12] =
            ["", "a", "größe", "12", "-1.5e3", "2026-01-01 10:00:00", "yyyy-MM-dd", "%a_", "(a|ö)+", "day", "  x ", "[b\\d]*$1"];
        if self.below(5) == 4 {
            return Value::Null;
        }
        match data_type {
            DataType::Boolean => Value::Boolean(self.below(2) == 0),
            DataType::Int => Value::Int(INTEGERS[self.below(10)] as i32),
            DataType::BigInt => Value::BigInt(INTEGERS[self.below(10)]),
            DataType::Float => Value::Float(DOUBLES[self.below(10)] as f32),
            DataType::Double => Value::Double(DOUBLES[self.below(10)]),
            DataType::String => Value::String(TEXTS[self.below(12)].to_owned()),
            DataType::Timestamp => Value::Timestamp(INTEGERS[self.below(10)]),
            DataType::Date => Value::Date(INTEGERS[self.below(10)] as i32),
            _ => Value::Null,
        }
    }

    fn column(&mut self, data_type: &DataType) -> Column {
        let mut builder = ColumnBuilder::new(data_type, ROWS);
        (0..ROWS).for_each(|_| builder.push(&self.value(data_type)));
        builder.finish()
    }

    /// Texts by code; the code of a NULL is out of range.
    fn dictionary(&mut self) -> Column {
        let plain = self.column(&DataType::String);
        let mut entries: Vec<Arc<str>> = vec!["unused".into()];
        let codes = (0..ROWS).map(|row| {
            let Some(text) = plain.text(row) else { return u32::MAX };
            let known = entries.iter().position(|entry| **entry == *text);
            known.unwrap_or_else(|| {
                entries.push(text.into());
                entries.len() - 1
            }) as u32
        });
        let codes = codes.collect();
        Column { values: Values::Dict(DictColumn { codes, dictionary: Dictionary { generation: 1, entries: Arc::new(entries) } }), ..plain }
    }

    fn leaf(&mut self, data_type: &DataType) -> ExprNode {
        let place = TYPES.iter().position(|candidate| candidate == data_type);
        match (place, self.below(3)) {
            (Some(place), 0 | 1) => {
                ExprNode::Column(if *data_type == DataType::String && self.below(2) == 1 { TYPES.len() } else { place })
            }
            _ => ExprNode::Literal(self.value(data_type)),
        }
    }

    fn boxed(&mut self, data_type: &DataType, depth: usize, signatures: &[Signature]) -> Box<Expr> {
        Box::new(self.expr(data_type, depth, signatures))
    }

    fn expr(&mut self, data_type: &DataType, depth: usize, signatures: &[Signature]) -> Expr {
        self.spans += 1;
        let span = Span { start: self.spans, end: self.spans + 1 };
        let boolean = *data_type == DataType::Boolean;
        let node = match self.below(12) {
            _ if depth == 0 => self.leaf(data_type),
            0 if boolean => ExprNode::And(self.boxed(data_type, depth - 1, signatures), self.boxed(data_type, depth - 1, signatures)),
            1 if boolean => ExprNode::Or(self.boxed(data_type, depth - 1, signatures), self.boxed(data_type, depth - 1, signatures)),
            2 if boolean => ExprNode::Not(self.boxed(data_type, depth - 1, signatures)),
            3 if boolean => {
                let of = TYPES[self.below_types()].clone();
                ExprNode::IsNull(self.boxed(&of, depth - 1, signatures))
            }
            4 if boolean => {
                let of = TYPES[self.below_types()].clone();
                let deep = self.below(2);
                let list = (0..3).map(|_| self.expr(&of, deep, signatures)).collect();
                ExprNode::InList { input: self.boxed(&of, depth - 1, signatures), list }
            }
            5 => ExprNode::Case {
                branches: (0..2)
                    .map(|_| (self.expr(&DataType::Boolean, depth - 1, signatures), self.expr(data_type, depth - 1, signatures)))
                    .collect(),
                otherwise: (self.below(2) == 0).then(|| self.boxed(data_type, depth - 1, signatures)),
            },
            6 => ExprNode::Coalesce((0..2).map(|_| self.expr(data_type, depth - 1, signatures)).collect()),
            _ => {
                let fitting: Vec<&Signature> = signatures.iter().filter(|(_, _, result)| result == data_type).collect();
                match fitting.get(self.below(fitting.len().max(1))) {
                    Some((None, from, _)) => {
                        ExprNode::Cast { input: self.boxed(&from[0], depth - 1, signatures), fallible: self.below(2) == 0 }
                    }
                    Some((Some(function), args, _)) => {
                        let args = args.iter().map(|of| self.expr(of, depth - 1, signatures)).collect();
                        ExprNode::Call { function: *function, args }
                    }
                    None => self.leaf(data_type),
                }
            }
        };
        Expr { node, data_type: data_type.clone(), span }
    }

    fn below_types(&mut self) -> usize {
        self.below(TYPES.len())
    }

    /// Any function of any arguments.
    fn untyped(&mut self, depth: usize) -> Expr {
        let data_type = if self.below(9) == 8 { window_type() } else { TYPES[self.below_types()].clone() };
        let node = if depth == 0 {
            self.leaf(&data_type)
        } else {
            let function = ALL[self.below(ALL.len())];
            let args: Vec<Expr> = (0..self.below(5)).map(|_| self.untyped(depth - 1)).collect();
            match (self.below(8), args.as_slice()) {
                (0, [first, ..]) => ExprNode::Member { input: Box::new(first.clone()), index: 1 },
                (1, [first, second, ..]) => ExprNode::And(Box::new(first.clone()), Box::new(second.clone())),
                (2, [first, rest @ ..]) => ExprNode::InList { input: Box::new(first.clone()), list: rest.to_vec() },
                (3, _) => ExprNode::Coalesce(args),
                (4, [first, ..]) => ExprNode::Cast { input: Box::new(first.clone()), fallible: false },
                _ => ExprNode::Call { function, args },
            }
        };
        Expr { node, data_type, span: Span::default() }
    }
}

fn columns(tape: &mut Tape) -> Vec<Column> {
    let mut columns: Vec<Column> = TYPES.iter().map(|data_type| tape.column(data_type)).collect();
    columns.push(tape.dictionary());
    columns
}

fn selection(tape: &mut Tape) -> Selection {
    match tape.below(3) {
        0 => Selection::All(ROWS),
        1 => Selection::Rows((0..ROWS as u32).filter(|_| tape.below(2) == 0).collect()),
        _ => Selection::Rows((0..ROWS as u32).step_by(7).collect()),
    }
}

fn tape() -> impl Strategy<Value = Tape> {
    prop::collection::vec(any::<u32>(), 900..1400).prop_map(|choices| Tape { choices: choices.into_iter(), spans: 0 })
}

/// Values with NaN equal to itself and -0.0 apart from 0.0.
fn same(left: &Result<Value, EvalError>, right: &Result<Value, EvalError>) -> bool {
    match (left, right) {
        (Ok(Value::Double(a)), Ok(Value::Double(b))) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Ok(Value::Float(a)), Ok(Value::Float(b))) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        _ => left == right,
    }
}

impl std::fmt::Debug for Tape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.choices.as_slice())
    }
}

fn one_by_one(expr: &Expr, columns: &[Column], row: u32) -> Result<Value, EvalError> {
    let single: Vec<Column> = columns.iter().map(|column| column.gather(&[row])).collect();
    let rows = Rows { count: 1, columns: single.iter().collect() };
    let evaluated = evaluate(expr, &rows, &Selection::All(1), &Context::default());
    evaluated.errors.into_iter().next().map_or_else(|| Ok(evaluated.column.value(0)), |failed| Err(failed.error))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn columnar_is_row_by_row(mut tape in tape()) {
        thread_local!(static SIGNATURES: Vec<Signature> = signatures());
        let selection = selection(&mut tape);
        let of = TYPES[tape.below_types()].clone();
        let expr = SIGNATURES.with(|signatures| tape.expr(&of, DEPTH, signatures));
        let columns = columns(&mut tape);
        let rows = Rows { count: ROWS, columns: columns.iter().collect() };
        let evaluated = evaluate(&expr, &rows, &selection, &Context::default());
        prop_assert_eq!(evaluated.column.len(), ROWS);
        prop_assert!(evaluated.column.values.is_of(&of));
        let mut errors = evaluated.errors.iter().peekable();
        for row in selection.iter() {
            let failed = errors.next_if(|failed| failed.row == row);
            let ours = failed.map_or_else(|| Ok(evaluated.column.value(row as usize)), |failed| Err(failed.error.clone()));
            let single = one_by_one(&expr, &columns, row);
            prop_assert!(same(&ours, &single), "row {}: {:?} but alone {:?}\n{:?}", row, ours, single, expr);
        }
        prop_assert!(errors.next().is_none(), "errors are of selected rows, ascending");
    }

    #[test]
    fn a_filter_keeps_what_is_true(mut tape in tape()) {
        thread_local!(static SIGNATURES: Vec<Signature> = signatures());
        let selection = selection(&mut tape);
        let expr = SIGNATURES.with(|signatures| tape.expr(&DataType::Boolean, DEPTH, signatures));
        let columns = columns(&mut tape);
        let rows = Rows { count: ROWS, columns: columns.iter().collect() };
        let filtered = filter(&expr, &rows, &selection, &Context::default());
        let kept: BTreeSet<u32> = filtered.selection.iter().collect();
        for row in selection.iter() {
            let failed = filtered.errors.iter().any(|failed| failed.row == row);
            match one_by_one(&expr, &columns, row) {
                Ok(value) => prop_assert_eq!((kept.contains(&row), failed), (value == Value::Boolean(true), false)),
                Err(_) => prop_assert!(!kept.contains(&row)),
            }
        }
    }

    #[test]
    fn ill_typed_plans_do_not_panic(mut tape in tape()) {
        let selection = selection(&mut tape);
        let expr = tape.untyped(DEPTH);
        let columns = columns(&mut tape);
        let rows = Rows { count: ROWS, columns: columns.iter().collect() };
        let evaluated = evaluate(&expr, &rows, &selection, &Context::default());
        prop_assert_eq!(evaluated.column.len(), ROWS);
        let selected: BTreeSet<u32> = selection.iter().collect();
        prop_assert!(evaluated.errors.iter().all(|failed| selected.contains(&failed.row)));
        filter(&expr, &rows, &selection, &Context::default());
    }
}
