//! `tests/spark/calls.jsonl`: the text of each call through parser, planner and evaluator, beside what Spark 4.3 makes of it.
//!
//! Each is evaluated as it stands, and once more with its literals as columns: kernels have a way for each.

use serde_json::Value as Json;
use tidemill::batch::{Column, ColumnBuilder};
use tidemill::engine::expr::{Context, Rows, Selection, evaluate, show};
use tidemill::plan::{Expr, ExprNode, OutputMode, Relation, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field, Value};

/// Rows of the columns that stand for literals.
const ROWS: usize = 40;

/// Relative difference of two DOUBLEs that are taken for equal: the last bits depend on the mathematical library.
const TOLERANCE: f64 = 1e-9;

/// Beginnings, or wholes, of texts on which we differ from Spark on purpose, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("trim(BOTH FROM", "the parser wants the characters"),
    ("trim(LEADING FROM", "the parser wants the characters"),
    ("'abc' RLIKE NULL", "the parser wants a text"),
    ("format_string('%a'", "no hexadecimal floating point"),
    ("format_string('%h', 'hello')", "a hash that Spark does not promise"),
    ("format_string('%tY'", "no dates: date_format"),
    ("format_string('%s', named_struct", "Spark shows its inner form"),
    ("ceil(", "DECIMAL is not a type here: BIGINT and DOUBLE stand for it"),
    ("ceiling(", "as ceil"),
    ("floor(", "as ceil"),
    ("try_add(DATE '2026-01-31', NULL)", "NULL days give a DATE"),
    ("try_subtract(DATE '2026-01-31', NULL)", "NULL days give a DATE"),
    ("greatest('10', 9)", "taken, as CASE is"),
    ("last_day(date_from_unix_date(2147483647))", "Spark wraps around"),
    ("next_day(date_from_unix_date(2147483647)", "Spark wraps around"),
    ("trunc(date_from_unix_date(-2147483648)", "Spark wraps around"),
    ("TIMESTAMP '10:00:00'", "depends on the day"),
    ("TIMESTAMP 'T10:00'", "depends on the day"),
    ("TIMESTAMP 'now'", "depends on the clock"),
    ("TIMESTAMP 'today'", "depends on the clock"),
    ("TIMESTAMP 'epoch'", "words are no times here"),
    ("try_cast('now'", "depends on the clock"),
    ("try_cast('today'", "depends on the clock"),
    ("try_cast('epoch'", "words are no times here"),
    ("try_make_timestamp(300000", "NULL, as for all that is out of range"),
    ("try_make_timestamp_ltz(300000", "NULL, as for all that is out of range"),
    ("try_to_timestamp(true)", "refused, as the cast is"),
    ("try_to_date(5)", "refused, as the cast is"),
    ("time_bucket(INTERVAL '1' MONTH", "months are no intervals here"),
    ("make_interval(", "months are no intervals here"),
    ("make_ym_interval(", "months are no intervals here"),
    ("if('true', 1, 2)", "text becomes BOOLEAN"),
    ("CASE WHEN NULL THEN", "NULL becomes BOOLEAN"),
    ("decode('a', 'a', 1)", "the result keeps its type"),
    ("when(NULL, 1", "NULL becomes BOOLEAN"),
    ("when(false, 1, NULL, 2", "NULL becomes BOOLEAN"),
    ("to_char(-3.5D, '9,999,", "a number that does not fit keeps the format's commas"),
    ("to_varchar(-3.5D, '9,999,", "a number that does not fit keeps the format's commas"),
    ("to_char(0, ", "a zero stands before the point"),
    ("to_varchar(0, ", "a zero stands before the point"),
    ("try_add(DATE '2026-01-31', INTERVAL '1' MONTH)", "months are no intervals here"),
    ("typeof(INTERVAL '1'", "all day-time intervals are of one type"),
    ("CAST(INTERVAL '1' DAY AS", "an interval counts seconds, also one of days"),
    ("try_cast(INTERVAL '1' DAY AS", "an interval counts seconds, also one of days"),
    ("elt(1, X'01', X'02')", "elt takes text"),
    ("overlay(X'010203', 'a', 2)", "BINARY beside text is taken as text"),
    ("overlay(NULL, X'FF', 2)", "NULL is taken as text"),
    ("overlay(X'010203', NULL, 2)", "NULL is taken as text"),
    ("format_string('%.2f', float(3e38))", "a FLOAT has the digits that it prints with"),
];

pub fn planned(text: &str, columns: &[(&str, DataType)]) -> Result<Expr, String> {
    let columns = columns.iter().map(|(name, of)| TableColumn { field: Field::new(*name, of.clone()), hidden: false }).collect();
    let table = TableSchema { name: "t".into(), columns, event_time: None };
    let catalog = Catalog { sources: std::slice::from_ref(&table), ..Catalog::default() };
    let query = plan_query("q", &format!("SELECT {text} AS x FROM t"), OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    match query.root {
        Relation::Project { mut columns, .. } => Ok(columns.swap_remove(0).expr),
        other => Err(format!("no projection: {other:?}")),
    }
}

/// The type's name in the recording; types that we do not have are those that stand in for them.
pub fn same_type(ours: &DataType, spark: &str) -> bool {
    let spark = match spark {
        "tinyint" | "smallint" => "int",
        "timestamp_ntz" => "timestamp",
        // A column of NULLs is given out as STRING.
        "void" => "string",
        decimal if decimal.starts_with("decimal") => "double",
        interval if interval.starts_with("interval") && !interval.contains("month") => "interval",
        other => other,
    };
    let ours = ours.to_string().to_lowercase();
    ours.replace(", ", ",").replace(": ", ":") == spark || ours.starts_with("interval") && spark == "interval"
}

/// As the recording shows values.
pub fn shown(value: &Value) -> Option<String> {
    let mut text = String::new();
    match value {
        Value::Null => return None,
        Value::Binary(bytes) => bytes.iter().for_each(|byte| text.push_str(&format!("{byte:02X}"))),
        value => show::value(value, &mut text),
    }
    Some(text)
}

/// Whether our value is the recorded text.
pub fn same_value(ours: &Value, spark: Option<&str>) -> bool {
    let (Some(text), Some(spark)) = (shown(ours), spark) else { return shown(ours).is_none() && spark.is_none() };
    let number = match ours {
        Value::Double(x) => Some(*x),
        // Older Javas write more digits than it takes.
        Value::Float(x) if spark.parse::<f32>().is_ok_and(|y| y == *x) => return true,
        Value::Float(x) => Some(f64::from(*x)),
        _ => None,
    };
    let near = |x: f64| spark.parse::<f64>().is_ok_and(|y| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= y.abs() * TOLERANCE);
    text == spark || number.is_some_and(near)
}

fn outcome(expr: &Expr, rows: &Rows<'_>) -> Result<Value, String> {
    let last = rows.count - 1;
    let evaluated = evaluate(expr, rows, &Selection::All(rows.count), &Context::default());
    let failed = evaluated.errors.iter().find(|failed| failed.row as usize == last);
    failed.map_or_else(|| Ok(evaluated.column.value(last)), |failed| Err(failed.error.to_string()))
}

/// The expression with its literals as columns.
fn over_columns(expr: &mut Expr, columns: &mut Vec<Column>) {
    if let ExprNode::Literal(value) = &expr.node {
        let mut builder = ColumnBuilder::new(&expr.data_type, ROWS);
        builder.push_null();
        (1..ROWS).for_each(|_| builder.push(value));
        columns.push(builder.finish());
        expr.node = ExprNode::Column(columns.len() - 1);
        return;
    }
    match &mut expr.node {
        ExprNode::Cast { input, .. } | ExprNode::Not(input) | ExprNode::IsNull(input) | ExprNode::Member { input, .. } => {
            over_columns(input, columns);
        }
        ExprNode::And(left, right) | ExprNode::Or(left, right) => {
            over_columns(left, columns);
            over_columns(right, columns);
        }
        ExprNode::Case { branches, otherwise } => {
            let branches = branches.iter_mut().flat_map(|(condition, value)| [condition, value]);
            branches.chain(otherwise.as_deref_mut()).for_each(|part| over_columns(part, columns));
        }
        ExprNode::Coalesce(args) | ExprNode::Call { args, .. } => args.iter_mut().for_each(|arg| over_columns(arg, columns)),
        ExprNode::InList { input, list } => std::iter::once(&mut **input).chain(list).for_each(|part| over_columns(part, columns)),
        _ => {}
    }
}

/// Why our outcome is not the recorded one.
fn difference(text: &str, type_name: Option<&str>, recorded: Option<&str>) -> Option<String> {
    let mut expr = match planned(text, &[("n", DataType::Int)]) {
        Ok(expr) => expr,
        Err(_) if type_name.is_none() => return None,
        Err(message) => return Some(format!("is refused: {message}")),
    };
    let constant = outcome(&expr, &Rows { count: 1, columns: Vec::new() });
    let mut columns = Vec::new();
    over_columns(&mut expr, &mut columns);
    let of_columns = outcome(&expr, &Rows { count: ROWS, columns: columns.iter().collect() });
    for ours in [constant, of_columns] {
        let wrong = match (ours, type_name) {
            (Err(_), None) => None,
            (Ok(ours), None) => Some(format!("is {ours:?}, but Spark fails: {}", recorded.unwrap_or_default())),
            (Err(ours), Some(_)) => Some(format!("fails: {ours}, but Spark gives {recorded:?}")),
            (Ok(_), Some(type_name)) if !same_type(&expr.data_type, type_name) => {
                Some(format!("is of type {}, not {type_name}", expr.data_type))
            }
            // Such intervals are all of days to seconds here, and shown so.
            (Ok(_), Some(shorter)) if shorter.starts_with("interval ") && shorter != "interval day to second" => None,
            (Ok(ours), Some(_)) => (!same_value(&ours, recorded)).then(|| format!("is {ours:?}, not {recorded:?}")),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

#[test]
fn calls_mean_what_spark_means() {
    let mut wrong = Vec::new();
    let (mut checked, mut used) = (0, vec![false; DIFFERENT.len()]);
    for line in include_str!("../spark/calls.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case[0].as_str().unwrap();
        checked += 1;
        if let Some(difference) = difference(text, case[1].as_str(), case[2].as_str()) {
            match DIFFERENT.iter().position(|(known, _)| text.starts_with(known)) {
                Some(known) => used[known] = true,
                None => wrong.push(format!("{text} {difference}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<&str> = DIFFERENT.iter().zip(used).filter(|(_, used)| !used).map(|((known, _), _)| *known).collect();
    assert!(unused.is_empty(), "as in Spark now, take them off the list: {unused:?}");
    assert!(checked > 5_000, "only {checked} were checked");
}
