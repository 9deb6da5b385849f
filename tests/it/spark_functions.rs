//! `tests/spark/functions.jsonl` through parser, planner and evaluator: the text of each expression, and what Spark 4.3 makes of it.
//!
//! What the evaluator makes of the same expressions as trees is tested beside it.

use serde_json::Value as Json;
use tidemill::engine::expr::{Context, Rows, Selection, evaluate};
use tidemill::plan::{Expr, OutputMode, Relation, TableColumn, TableSchema};
use tidemill::sql::{Catalog, plan_query};
use tidemill::types::{DataType, Field, Value};

/// What our SQL does not hold; lines with these texts are skipped.
const NOT_OURS: &[(&str, &str)] = &[("CAST(named_struct(", "a struct cannot be cast to text")];

/// Lines that differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("date_sub(DATE '1970-01-01', -2147483648)", "Spark wraps around"),
    ("date_add(date_from_unix_date(2147483647), 1)", "Spark wraps around"),
    ("date_add(date_from_unix_date(-2147483648), -1)", "Spark wraps around"),
    ("from_unixtime(9223372036854775807L)", "Spark wraps around"),
    ("from_unixtime(9223372036854775807L, 'yyyy/MM/dd')", "Spark wraps around"),
];

fn planned(text: &str) -> Result<Expr, String> {
    let columns = vec![TableColumn { field: Field::new("n", DataType::Int), hidden: false }];
    let table = TableSchema { name: "t".into(), columns, event_time: None };
    let catalog = Catalog { sources: std::slice::from_ref(&table), ..Catalog::default() };
    let query = plan_query("q", &format!("SELECT {text} AS x FROM t"), OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    match query.root {
        Relation::Project { mut columns, .. } => Ok(columns.swap_remove(0).expr),
        other => Err(format!("no projection: {other:?}")),
    }
}

fn type_name(data_type: &DataType) -> String {
    data_type.to_string().to_lowercase()
}

fn value(json: &Json, data_type: &DataType) -> Value {
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Int => Value::Int(json.as_i64().unwrap() as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().unwrap()),
        DataType::Float => Value::Float(json.as_str().unwrap().parse::<f64>().unwrap() as f32),
        DataType::Double => Value::Double(json.as_str().unwrap().parse().unwrap()),
        DataType::String => Value::String(json.as_str().unwrap().into()),
        DataType::Boolean => Value::Boolean(json.as_bool().unwrap()),
        DataType::Timestamp => Value::Timestamp(json.as_i64().unwrap()),
        DataType::Date => Value::Date(json.as_i64().unwrap() as i32),
        other => panic!("{other} is not recorded"),
    }
}

fn outcome(expr: &Expr) -> Result<Value, String> {
    let evaluated = evaluate(expr, &Rows { count: 1, columns: Vec::new() }, &Selection::All(1), &Context::default());
    evaluated.errors.first().map_or_else(|| Ok(evaluated.column.value(0)), |failed| Err(failed.error.to_string()))
}

fn agree(ours: &Value, spark: &Value) -> bool {
    match (ours, spark) {
        (Value::Double(a), Value::Double(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= b.abs() * 4.0 * f64::EPSILON
        }
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => ours == spark,
    }
}

/// Why our outcome is not the recorded one.
fn difference(case: &Json, text: &str) -> Option<String> {
    let spark_fails = case["error"].as_str();
    let expr = match planned(text) {
        Ok(expr) => expr,
        Err(_) if spark_fails.is_some() => return None,
        Err(message) => return Some(format!("is refused: {message}")),
    };
    match (outcome(&expr), spark_fails) {
        (Err(_), Some(_)) => None,
        (Ok(ours), Some(error)) => Some(format!("is {ours:?}, but Spark fails: {error}")),
        (Err(ours), None) => Some(format!("fails: {ours}, but Spark gives {}", case["value"])),
        (Ok(_), None) if case["type"] != type_name(&expr.data_type) => Some(format!("is of type {}, not {}", expr.data_type, case["type"])),
        (Ok(ours), None) => (!agree(&ours, &value(&case["value"], &expr.data_type))).then(|| format!("is {ours:?}, not {}", case["value"])),
    }
}

#[test]
fn expressions_as_text_mean_what_spark_means() {
    let recorded = include_str!("../spark/functions.jsonl");
    let mut wrong = Vec::new();
    let mut checked = 0;
    for line in recorded.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case["sql"].as_str().unwrap();
        if NOT_OURS.iter().any(|(part, _)| text.contains(part)) {
            continue;
        }
        checked += 1;
        let known = DIFFERENT.iter().any(|(known, _)| *known == text);
        match difference(&case, text) {
            Some(difference) if !known => wrong.push(format!("{text} {difference}")),
            None if known => wrong.push(format!("{text} is as in Spark now: take it off the list")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 2_500, "only {checked} were checked");
}
