//! `tests/spark/collections.jsonl` and `types.jsonl` through parser, planner and evaluator: arrays, maps, structs, lambdas, intervals, binary and JSON as
//! Spark 4.3 has them; each expression as constants, and again over columns, with its literals taken out into these.

use serde_json::Value as Json;
use tidemill::batch::{Column, ColumnBuilder};
use tidemill::engine::expr::{Context, Rows, Selection, evaluate};
use tidemill::plan::{Expr, ExprNode, OutputMode, Relation, TableColumn, TableSchema};
use tidemill::sql::{Catalog, parse_schema, plan_query};
use tidemill::types::{DataType, Field, Value};

/// What our SQL does not hold; lines with these texts are skipped.
const NOT_OURS: &[(&str, &str)] = &[
    ("arrays_zip()", "a struct without members is no type"),
    ("sign(INTERVAL", "takes numbers"),
    ("try_divide(INTERVAL", "takes numbers"),
    (", map('mode', 'PERMISSIVE'))", "options are not taken"),
    (", map('ignoreNullFields', 'false'))", "options are not taken"),
    (", map('timestampFormat', 'yyyy'))", "options are not taken"),
    ("bit_length(", "recorded with the scalar functions"),
    ("substring(X'", "recorded with the scalar functions"),
    ("length(X'", "recorded with the scalar functions"),
    ("length(CAST('", "recorded with the scalar functions"),
    ("concat(X'01', X'02')", "recorded with the scalar functions"),
    ("X'01' || X'02'", "recorded with the scalar functions"),
];

/// Lines that differ, and why.
const DIFFERENT: &[(&str, &str)] = &[("concat(array(1), NULL)", "a bare NULL is an array too")];

/// The same for `types.jsonl`.
const TYPES_DIFFER: &[(&str, &str)] = &[
    ("1S + 1", "no SMALLINT"),
    ("1Y + 1", "no TINYINT"),
    ("coalesce(CAST(INTERVAL '1' DAY AS INTERVAL DAY TO SECOND), '1')", "text becomes an interval"),
    ("coalesce(CAST(INTERVAL '1' DAY AS INTERVAL DAY TO SECOND), '2026-01-31')", "text becomes an interval"),
    ("array(1) || NULL", "a bare NULL is an array too"),
    ("NULL || array(1)", "a bare NULL is an array too"),
    ("CAST(float('2.14748365E9') AS STRING)", "Java 17 writes a digit too many"),
    ("try_cast(float('2.14748365E9') AS STRING)", "Java 17 writes a digit too many"),
    ("CAST('epoch' AS DATE)", "in Spark a constant only"),
    ("try_cast('epoch' AS DATE)", "in Spark a constant only"),
    ("CAST('epoch' AS TIMESTAMP)", "in Spark a constant only"),
    ("try_cast('epoch' AS TIMESTAMP)", "in Spark a constant only"),
    (
        "array_distinct(array(array(double('NaN')), array(1.0D), array(-0.0D), array(0.0D), array(CAST(NULL AS DOUBLE))))",
        "-0.0 in an array stays",
    ),
];

/// Beginnings of lines of `types.jsonl` that we take and Spark refuses.
const TAKEN: &[(&str, &str)] = &[
    ("greatest(", "text meets other types"),
    ("array_position(array(INTERVAL '1' DAY, INTERVAL '25' HOUR", "all intervals are of one type"),
];

fn planned(text: &str) -> Result<Expr, String> {
    let columns = vec![TableColumn { field: Field::new("n", DataType::Int), hidden: false }];
    let table = TableSchema { name: "t".into(), columns, event_time: None };
    let catalog = Catalog { sources: std::slice::from_ref(&table), ..Catalog::default() };
    let query = plan_query("q", &format!("SELECT {text} AS x FROM t"), OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    let mut relation = query.root;
    loop {
        match relation {
            // A column of bare NULLs is cast by one more projection.
            Relation::Project { input, .. } if matches!(*input, Relation::Project { .. }) => relation = *input,
            Relation::Project { mut columns, .. } => return Ok(columns.swap_remove(0).expr),
            other => return Err(format!("no projection: {other:?}")),
        }
    }
}

/// Spark's short name of a type as ours.
fn data_type(shown: &str) -> DataType {
    let mut ours = shown.replace("void", "BOOLEAN").replace("tinyint", "INT");
    for (first, last) in
        [("day", "second"), ("day", "hour"), ("day", "minute"), ("hour", "second"), ("hour", "minute"), ("minute", "second")]
    {
        ours = ours.replace(&format!("interval {first} to {last}"), "INTERVAL DAY TO SECOND");
    }
    for unit in ["day", "hour", "minute", "second"] {
        ours = ours.replace(&format!("interval {unit}"), "INTERVAL DAY TO SECOND");
    }
    ours = ours.replace("struct<>", "BOOLEAN");
    let quoted = quote_names(&ours);
    parse_schema(&format!("x {quoted}")).unwrap_or_else(|error| panic!("{shown}: {error}")).swap_remove(0).data_type
}

/// Members' names in backticks: some are numbers.
fn quote_names(shown: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in shown.chars() {
        match c {
            ':' => {
                out.push_str(&format!("`{word}`:"));
                word.clear();
            }
            c if c.is_alphanumeric() || c == '_' => word.push(c),
            c => {
                out.push_str(&word);
                word.clear();
                out.push(c);
            }
        }
    }
    out.push_str(&word);
    out
}

/// NULL-typed parts are BOOLEAN in the recorded type as it is read here.
fn without_void(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::Boolean,
        DataType::Array(element) => DataType::Array(Box::new(without_void(element))),
        DataType::Map(key, value) => DataType::Map(Box::new(without_void(key)), Box::new(without_void(value))),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| Field::new(field.name.clone(), without_void(&field.data_type))).collect())
        }
        other => other.clone(),
    }
}

fn value(json: &Json, data_type: &DataType) -> Value {
    let each = |json: &Json| json.as_array().unwrap().clone();
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
        DataType::Interval => Value::Interval(json.as_i64().unwrap()),
        DataType::Binary => {
            let digits = json.as_str().unwrap();
            Value::Binary((0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect())
        }
        DataType::Array(element) => Value::Array(each(json).iter().map(|json| value(json, element)).collect()),
        DataType::Struct(fields) => {
            Value::Struct(each(json).iter().zip(fields).map(|(json, field)| value(json, &field.data_type)).collect())
        }
        DataType::Map(key, content) => Value::Map(each(json).iter().map(|pair| (value(&pair[0], key), value(&pair[1], content))).collect()),
        DataType::Null => panic!("a bare NULL has no value"),
    }
}

const ROWS: usize = 20;

fn over_constants(expr: &Expr) -> Result<Value, String> {
    let evaluated = evaluate(expr, &Rows { count: 1, columns: Vec::new() }, &Selection::All(1), &Context::default());
    evaluated.errors.first().map_or_else(|| Ok(evaluated.column.value(0)), |failed| Err(failed.error.to_string()))
}

/// The literals that are no constants by their nature become columns: NULL in the first row, which is not selected.
fn over_columns(expr: &Expr) -> Vec<Result<Value, String>> {
    let mut expr = expr.clone();
    let mut columns = Vec::new();
    take_literals(&mut expr, &mut columns);
    let input = Rows { count: ROWS, columns: columns.iter().collect() };
    let evaluated = evaluate(&expr, &input, &Selection::Rows((1..ROWS as u32).collect()), &Context::default());
    assert_eq!(evaluated.column.len(), ROWS);
    let outcome = |row: usize| match evaluated.errors.iter().find(|failed| failed.row as usize == row) {
        Some(failed) => Err(failed.error.to_string()),
        None => Ok(evaluated.column.value(row)),
    };
    vec![outcome(1), outcome(ROWS - 1)]
}

fn take_literals(expr: &mut Expr, columns: &mut Vec<Column>) {
    if let ExprNode::Literal(value) = &expr.node {
        let mut builder = ColumnBuilder::new(&expr.data_type, ROWS);
        builder.push_null();
        (1..ROWS).for_each(|_| builder.push(value));
        columns.push(builder.finish());
        expr.node = ExprNode::Column(columns.len() - 1);
        return;
    }
    expr.children_mut().into_iter().for_each(|child| take_literals(child, columns));
}

fn agree(ours: &Value, spark: &Value) -> bool {
    match (ours, spark) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
        (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        (Value::Array(a), Value::Array(b)) | (Value::Struct(a), Value::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b))
        }
        (Value::Map(a), Value::Map(b)) => a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| agree(k, l) && agree(v, w)),
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
    let mut outcomes = vec![over_constants(&expr)];
    outcomes.extend(over_columns(&expr));
    for outcome in outcomes {
        let difference = match (outcome, spark_fails) {
            (Err(_), Some(_)) => None,
            (Ok(ours), Some(error)) => Some(format!("is {ours:?}, but Spark fails: {error}")),
            (Err(ours), None) => Some(format!("fails: {ours}, but Spark gives {}", case["value"])),
            (Ok(ours), None) => {
                let shown = case["type"].as_str().unwrap();
                let of_null = shown == "void";
                let spark_type = if of_null { DataType::String } else { data_type(shown) };
                let ours_type = if of_null { DataType::String } else { without_void(&expr.data_type) };
                if ours_type != spark_type {
                    Some(format!("is of type {ours_type}, not {spark_type}"))
                } else {
                    (!agree(&ours, &value(&case["value"], &spark_type))).then(|| format!("is {ours:?}, not {}", case["value"]))
                }
            }
        };
        if difference.is_some() {
            return difference;
        }
    }
    None
}

/// Holds each recorded line against what is computed here; lines whose text has a part of `NOT_OURS` are skipped.
fn check(recorded: &str, different: &[(&str, &str)], checked_min: usize) {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for line in recorded.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case["sql"].as_str().unwrap();
        if NOT_OURS.iter().any(|(part, _)| text.contains(part)) {
            continue;
        }
        checked += 1;
        let known = different.iter().any(|(known, _)| *known == text);
        match difference(&case, text) {
            Some(_) if case["error"].is_string() && TAKEN.iter().any(|(start, _)| text.starts_with(start)) => {}
            Some(difference) if !known => wrong.push(format!("{text} {difference}")),
            None if known => wrong.push(format!("{text} is as in Spark now: take it off the list")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > checked_min, "only {checked} were checked");
}

#[test]
fn collections_mean_what_spark_means() {
    check(include_str!("../spark/collections.jsonl"), DIFFERENT, 2_500);
}

#[test]
fn types_meet_and_are_cast_and_ordered_as_in_spark() {
    check(include_str!("../spark/types.jsonl"), TYPES_DIFFER, 6_500);
}
