//! Expressions against what Spark 4.3 made of them: tests/spark/functions.jsonl, written by tests/spark/generate_functions.py.
//!
//! Each is evaluated three times: over constants, over plain columns with a selection, and with texts dictionary-coded.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::batch::{Column, ColumnBuilder, DictColumn, Dictionary, Values};
use crate::engine::expr::{Context, Evaluated, Rows, Selection, evaluate};
use crate::plan::{Expr, ExprNode, Function, Span};
use crate::types::{DataType, Field, Value};

pub(super) const RECORDED: &str = include_str!("../../../tests/spark/functions.jsonl");

/// Where we differ from the recording on purpose: the SQL text, what we give (`None`: an error), and why.
const DEVIATIONS: [(&str, Option<&str>, &str); 5] = [
    ("from_unixtime(9223372036854775807L)", None, "Spark wraps around"),
    ("from_unixtime(9223372036854775807L, 'yyyy/MM/dd')", None, "Spark wraps around"),
    ("date_add(date_from_unix_date(2147483647), 1)", None, "Spark wraps around"),
    ("date_add(date_from_unix_date(-2147483648), -1)", None, "Spark wraps around"),
    ("date_sub(DATE '1970-01-01', -2147483648)", None, "Spark wraps around"),
];

/// Functions whose last bits depend on the mathematical library.
const INEXACT: f64 = 4.0 * f64::EPSILON;

pub(super) fn data_type(name: &str) -> DataType {
    if let Some(members) = name.strip_prefix("struct<").and_then(|rest| rest.strip_suffix('>')) {
        let field = |member: &str| member.split_once(':').map(|(name, of)| Field::new(name, data_type(of))).expect("name:type");
        return DataType::Struct(members.split(',').map(field).collect());
    }
    match name {
        "int" => DataType::Int,
        "bigint" => DataType::BigInt,
        "double" => DataType::Double,
        "float" => DataType::Float,
        "string" => DataType::String,
        "boolean" => DataType::Boolean,
        "timestamp" => DataType::Timestamp,
        "date" => DataType::Date,
        other => panic!("unknown type {other}"),
    }
}

fn value(json: &Json, data_type: &DataType) -> Value {
    let double = || json.as_str().map(|text| text.parse::<f64>().expect("a number"));
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Int => Value::Int(json.as_i64().expect("an integer") as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().expect("an integer")),
        DataType::Double => Value::Double(double().expect("text")),
        DataType::Float => Value::Float(double().expect("text") as f32),
        DataType::String => Value::String(json.as_str().expect("text").to_owned()),
        DataType::Boolean => Value::Boolean(json.as_bool().expect("a boolean")),
        DataType::Timestamp => Value::Timestamp(json.as_i64().expect("microseconds")),
        DataType::Date => Value::Date(json.as_i64().expect("days") as i32),
        other => panic!("no literal of {other}"),
    }
}

/// Builds expressions; literals become columns where `columns` is there.
struct Reader {
    columns: Option<Vec<(DataType, Value)>>,
}

impl Reader {
    fn boxed(&mut self, tree: &Json) -> Box<Expr> {
        Box::new(self.expr(tree))
    }

    fn all(&mut self, trees: &Json) -> Vec<Expr> {
        trees.as_array().expect("a list").iter().map(|tree| self.expr(tree)).collect()
    }

    fn literal(&mut self, literal: &Json, data_type: &DataType) -> ExprNode {
        let value = value(literal, data_type);
        match &mut self.columns {
            Some(columns) => {
                columns.push((data_type.clone(), value));
                ExprNode::Column(columns.len() - 1)
            }
            None => ExprNode::Literal(value),
        }
    }

    fn expr(&mut self, tree: &Json) -> Expr {
        let data_type = data_type(tree["type"].as_str().expect("a type"));
        let members = tree.as_object().expect("a node");
        let node = match members
            .keys()
            .find(|key| !["type", "args", "try", "else", "list", "index"].contains(&key.as_str()))
            .expect("a kind")
            .as_str()
        {
            "lit" => self.literal(&tree["lit"], &data_type),
            "fn" => ExprNode::Call { function: function(tree["fn"].as_str().expect("a name")), args: self.all(&tree["args"]) },
            "cast" => ExprNode::Cast { input: self.boxed(&tree["cast"]), fallible: tree["try"] == true },
            "and" => ExprNode::And(self.boxed(&tree["and"][0]), self.boxed(&tree["and"][1])),
            "or" => ExprNode::Or(self.boxed(&tree["or"][0]), self.boxed(&tree["or"][1])),
            "not" => ExprNode::Not(self.boxed(&tree["not"])),
            "isnull" => ExprNode::IsNull(self.boxed(&tree["isnull"])),
            "coalesce" => ExprNode::Coalesce(self.all(&tree["coalesce"])),
            "in" => ExprNode::InList { input: self.boxed(&tree["in"]), list: self.all(&tree["list"]) },
            "member" => ExprNode::Member { input: self.boxed(&tree["member"]), index: tree["index"].as_u64().expect("an index") as usize },
            "case" => ExprNode::Case {
                branches: tree["case"]
                    .as_array()
                    .expect("branches")
                    .iter()
                    .map(|pair| (self.expr(&pair[0]), self.expr(&pair[1])))
                    .collect(),
                otherwise: (!tree["else"].is_null()).then(|| self.boxed(&tree["else"])),
            },
            other => panic!("unknown node {other}"),
        };
        Expr { node, data_type, span: Span { start: 3, end: 7 } }
    }
}

pub(super) fn function(name: &str) -> Function {
    *ALL.iter().find(|function| format!("{function:?}") == name).unwrap_or_else(|| panic!("unknown function {name}"))
}

/// One row's outcome.
fn outcome(evaluated: &Evaluated<'_>, row: usize) -> Result<Value, String> {
    match evaluated.errors.iter().find(|error| error.row as usize == row) {
        Some(failed) => Err(failed.error.to_string()),
        None => Ok(evaluated.column.value(row)),
    }
}

/// Three rows: NULLs, then the values twice; the last two are selected.
fn over_columns(tree: &Json, coded: bool) -> Vec<Result<Value, String>> {
    let mut reader = Reader { columns: Some(Vec::new()) };
    let expr = reader.expr(tree);
    let columns: Vec<Column> =
        reader.columns.unwrap_or_default().iter().map(|(data_type, value)| column(data_type, value, coded)).collect();
    let rows = Rows { count: ROWS, columns: columns.iter().collect() };
    let selection = Selection::Rows((1..ROWS as u32).collect());
    let evaluated = evaluate(&expr, &rows, &selection, &Context::default());
    assert_eq!(evaluated.column.len(), ROWS);
    assert!(evaluated.errors.windows(2).all(|pair| pair[0].row < pair[1].row), "one error a row, ascending");
    (1..ROWS).map(|row| outcome(&evaluated, row)).collect()
}

/// Enough for dictionaries to be evaluated by code.
const ROWS: usize = 40;

fn column(data_type: &DataType, value: &Value, coded: bool) -> Column {
    let mut builder = ColumnBuilder::new(data_type, ROWS);
    builder.push_null();
    (1..ROWS).for_each(|_| builder.push(value));
    let plain = builder.finish();
    let (true, Value::String(text)) = (coded, value) else { return plain };
    let entries: Vec<Arc<str>> = vec!["unused".into(), text.as_str().into()];
    let codes = (0..ROWS).map(|row| if row == 0 { 0 } else { 1 }).collect();
    let dictionary = Dictionary { generation: 1, entries: Arc::new(entries) };
    Column { values: Values::Dict(DictColumn { codes, dictionary }), valid: plain.valid }
}

fn over_constants(tree: &Json) -> Result<Value, String> {
    let expr = Reader { columns: None }.expr(tree);
    outcome(&evaluate(&expr, &Rows { count: 1, columns: Vec::new() }, &Selection::All(1), &Context::default()), 0)
}

fn agree(ours: &Result<Value, String>, spark: &Result<Value, String>) -> bool {
    match (ours, spark) {
        (Err(_), Err(_)) => true,
        (Ok(Value::Double(a)), Ok(Value::Double(b))) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= b.abs() * INEXACT
        }
        (Ok(Value::Float(a)), Ok(Value::Float(b))) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[test]
fn expressions_mean_what_spark_means() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in RECORDED.lines() {
        let case: Json = serde_json::from_str(line).expect("a recorded case");
        let sql = case["sql"].as_str().expect("the text");
        let tree = &case["tree"];
        let mut expected = match case["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(value(&case["value"], &data_type(tree["type"].as_str().expect("a type")))),
        };
        if let Some((_, given, _)) = DEVIATIONS.iter().find(|(text, _, _)| sql == *text) {
            expected = match given {
                Some(text) => Ok(value(&serde_json::from_str(text).expect("JSON"), &data_type(tree["type"].as_str().expect("a type")))),
                None => Err("deviation".to_owned()),
            };
        }
        let mut outcomes = vec![over_constants(tree)];
        outcomes.extend(over_columns(tree, false));
        outcomes.extend(over_columns(tree, true));
        if let Some(ours) = outcomes.iter().find(|ours| !agree(ours, &expected)) {
            wrong.push(format!("{sql}\n    ours  {ours:?}\n    spark {expected:?}"));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 1_000, "the recording is not complete: {seen}");
}

#[test]
fn every_function_is_recorded() {
    let missing: Vec<String> =
        ALL.iter().map(|function| format!("{function:?}")).filter(|name| !RECORDED.contains(&format!("\"fn\": \"{name}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// All functions, in the order of their declaration.
pub(super) const ALL: [Function; 125] = [
    Function::Add,
    Function::Subtract,
    Function::Multiply,
    Function::Divide,
    Function::IntegerDivide,
    Function::Remainder,
    Function::Pmod,
    Function::Negate,
    Function::Abs,
    Function::TryDivide,
    Function::TryAdd,
    Function::TrySubtract,
    Function::TryMultiply,
    Function::Equal,
    Function::NotEqual,
    Function::Less,
    Function::LessEqual,
    Function::Greater,
    Function::GreaterEqual,
    Function::EqualNullSafe,
    Function::NullIf,
    Function::Greatest,
    Function::Least,
    Function::IsNan,
    Function::Nanvl,
    Function::Round,
    Function::Bround,
    Function::Floor,
    Function::Ceil,
    Function::Sqrt,
    Function::Cbrt,
    Function::Exp,
    Function::Ln,
    Function::Log,
    Function::Log10,
    Function::Log2,
    Function::Log1p,
    Function::Expm1,
    Function::Power,
    Function::Sin,
    Function::Cos,
    Function::Tan,
    Function::Asin,
    Function::Acos,
    Function::Atan,
    Function::Atan2,
    Function::Sinh,
    Function::Cosh,
    Function::Tanh,
    Function::Degrees,
    Function::Radians,
    Function::Sign,
    Function::Hypot,
    Function::Pi,
    Function::E,
    Function::BitAnd,
    Function::BitOr,
    Function::BitXor,
    Function::BitNot,
    Function::ShiftLeft,
    Function::ShiftRight,
    Function::Upper,
    Function::Lower,
    Function::Initcap,
    Function::Length,
    Function::OctetLength,
    Function::Substring,
    Function::Concat,
    Function::ConcatWs,
    Function::Trim,
    Function::Ltrim,
    Function::Rtrim,
    Function::Replace,
    Function::Translate,
    Function::SplitPart,
    Function::Lpad,
    Function::Rpad,
    Function::Repeat,
    Function::Reverse,
    Function::Instr,
    Function::Locate,
    Function::StartsWith,
    Function::EndsWith,
    Function::Contains,
    Function::Left,
    Function::Right,
    Function::Ascii,
    Function::Chr,
    Function::Like,
    Function::Ilike,
    Function::Rlike,
    Function::RegexpExtract,
    Function::RegexpReplace,
    Function::Hex,
    Function::TimestampMillis,
    Function::TimestampMicros,
    Function::TimestampSeconds,
    Function::UnixMillis,
    Function::UnixMicros,
    Function::UnixSeconds,
    Function::DateTrunc,
    Function::Year,
    Function::Quarter,
    Function::Month,
    Function::Day,
    Function::DayOfWeek,
    Function::DayOfYear,
    Function::WeekOfYear,
    Function::Weekday,
    Function::Hour,
    Function::Minute,
    Function::Second,
    Function::DateFormat,
    Function::ToTimestamp,
    Function::ToDate,
    Function::DateAdd,
    Function::DateSub,
    Function::DateDiff,
    Function::FromUnixtime,
    Function::UnixTimestamp,
    Function::AddMicros,
    Function::AddMonths,
    Function::WindowOf,
    Function::WindowTime,
    Function::MakeStruct,
];
