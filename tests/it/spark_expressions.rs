//! `tests/spark/expressions.jsonl`: random expressions over a table of nasty values, row by row beside what Spark 4.3 makes of them.

use serde_json::Value as Json;
use tidemill::batch::{Column, ColumnBuilder};
use tidemill::engine::expr::{Context, Rows, Selection, evaluate};
use tidemill::types::{DataType, Value};

use super::spark_calls::{planned, same_type, same_value};

const RECORDED: &str = include_str!("../spark/expressions.jsonl");

/// Parts of texts for which we differ from Spark on purpose, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("CASE WHEN NULL THEN", "NULL becomes BOOLEAN"),
    ("log10(atan2(", "the last bit depends on the mathematical library, and a hash on that bit"),
];

/// Calls that wrap around in Spark where they leave the range of times; here they fail.
const WRAPPING: &[&str] = &["date_add(", "date_sub(", "from_unixtime(", "(a + ", "' + i"];

fn is_on_purpose(text: &str, difference: &str) -> bool {
    DIFFERENT.iter().any(|(part, _)| text.contains(part))
        // Spark takes a scale to mean a DECIMAL, into which not every DOUBLE fits.
        || difference.contains("NUMERIC_VALUE_OUT_OF_RANGE")
        || difference.contains("the time is out of range") && WRAPPING.iter().any(|part| text.contains(part))
}

fn data_type(name: &str) -> DataType {
    match name {
        "INT" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "DOUBLE" => DataType::Double,
        "FLOAT" => DataType::Float,
        "STRING" => DataType::String,
        "BOOLEAN" => DataType::Boolean,
        "TIMESTAMP" => DataType::Timestamp,
        "DATE" => DataType::Date,
        other => panic!("unknown type {other}"),
    }
}

fn value(json: &Json, data_type: &DataType) -> Value {
    let double = || json.as_str().unwrap().parse::<f64>().unwrap();
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Int => Value::Int(json.as_i64().unwrap() as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().unwrap()),
        DataType::Double => Value::Double(double()),
        DataType::Float => Value::Float(double() as f32),
        DataType::String => Value::String(json.as_str().unwrap().into()),
        DataType::Boolean => Value::Boolean(json.as_bool().unwrap()),
        DataType::Timestamp => Value::Timestamp(json.as_i64().unwrap()),
        _ => Value::Date(json.as_i64().unwrap() as i32),
    }
}

struct Table {
    names: Vec<(String, DataType)>,
    columns: Vec<Column>,
    rows: usize,
}

fn table(line: &str) -> Table {
    let json: Json = serde_json::from_str(line).unwrap();
    let names: Vec<(String, DataType)> = json["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap().into(), data_type(pair[1].as_str().unwrap())))
        .collect();
    let rows = json["rows"].as_array().unwrap();
    let column = |index: usize| {
        let mut builder = ColumnBuilder::new(&names[index].1, rows.len());
        rows.iter().for_each(|row| builder.push(&value(&row[index], &names[index].1)));
        builder.finish()
    };
    Table { columns: (0..names.len()).map(column).collect(), rows: rows.len(), names }
}

/// What is not as recorded, if anything.
fn difference(case: &Json, table: &Table) -> Option<String> {
    let text = case[0].as_str().unwrap();
    let columns: Vec<(&str, DataType)> = table.names.iter().map(|(name, of)| (name.as_str(), of.clone())).collect();
    let (Some(type_name), expr) = (case[1].as_str(), planned(text, &columns)) else {
        return planned(text, &columns).ok().map(|_| format!("is taken, but Spark refuses it: {}", case[2]));
    };
    let expr = match expr {
        Ok(expr) => expr,
        Err(message) => return Some(format!("is refused: {message}")),
    };
    if !same_type(&expr.data_type, type_name) {
        return Some(format!("is of type {}, not {type_name}", expr.data_type));
    }
    // The planner leaves out columns that are not read.
    let read: Vec<&Column> = read_columns(text, table);
    let evaluated = evaluate(&expr, &Rows { count: table.rows, columns: read }, &Selection::All(table.rows), &Context::default());
    (0..table.rows).find_map(|row| {
        let spark = &case[2][row];
        let failed = evaluated.errors.iter().find(|failed| failed.row as usize == row);
        match (failed, spark.as_array()) {
            (Some(_), Some(_)) => None,
            (Some(failed), None) => Some(format!("row {row} fails: {}, but Spark gives {spark}", failed.error)),
            (None, Some(error)) => Some(format!("row {row} is {:?}, but Spark fails: {error:?}", evaluated.column.value(row))),
            (None, None) => {
                let ours = evaluated.column.value(row);
                (!same_value(&ours, spark.as_str())).then(|| format!("row {row} is {ours:?}, not {spark}"))
            }
        }
    })
}

/// The columns whose names stand in the text, in the table's order: what the plan's scan keeps.
fn read_columns<'t>(text: &str, table: &'t Table) -> Vec<&'t Column> {
    let mut words = std::collections::BTreeSet::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in text.chars().chain([' ']) {
        if c == '\'' {
            quoted = !quoted;
        }
        if (c.is_ascii_alphanumeric() || c == '_') && !quoted {
            word.push(c);
        } else {
            words.insert(std::mem::take(&mut word));
        }
    }
    table.names.iter().zip(&table.columns).filter(|((name, _), _)| words.contains(name)).map(|(_, column)| column).collect()
}

#[test]
fn random_expressions_mean_what_spark_means() {
    let mut lines = RECORDED.lines();
    let table = table(lines.next().unwrap());
    let mut wrong = Vec::new();
    let mut checked = 0;
    for line in lines {
        let case: Json = serde_json::from_str(line).unwrap();
        let text = case[0].as_str().unwrap();
        checked += 1;
        if let Some(difference) = difference(&case, &table)
            && !is_on_purpose(text, &difference)
        {
            wrong.push(format!("{text} {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 1_900, "only {checked} were checked");
}
