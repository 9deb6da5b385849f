//! `tests/spark_types.tsv`: expressions with the name and type that Spark 4.3 gives them, or the class of its error.
//!
//! The table is `readings` with columns device string, ts timestamp, temperature double, humidity double, n int, big bigint, small float,
//! day date, ok boolean. Lines: expression, then name and type or `ERR class`, parted by tabs.

use tidemill::plan::{OutputMode, TableColumn, TableSchema};
use tidemill::sql::{Catalog, parse_schema, plan_query};
use tidemill::types::{DataType, Field};

/// Where Tidemill differs in type or acceptance, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("least('1', n)", "a common type is found here"),
    ("if('true', 1, 2)", "text is taken as a condition"),
    ("day - day", "all intervals are of one type"),
    ("round(n, 1 + 1)", "the scale must be a literal"),
    ("trim(LEADING FROM device)", "not parsed: use ltrim(device)"),
    ("NULL", "a column of NULLs is STRING"),
    ("max(NULL)", "a column of NULLs is STRING"),
    ("9223372036854775808", "decimal literals are DOUBLE"),
    ("0.1 + 0.2", "decimal literals are DOUBLE"),
];

/// Where only the name differs.
const OTHER_NAMES: &[&str] = &[
    "ts + INTERVAL 90 SECONDS",
    "ts - INTERVAL '1' DAY",
    "ts + INTERVAL 1 MONTH",
    "ts + INTERVAL '5 minutes'",
    "INTERVAL 1 HOUR + ts",
    "day + INTERVAL 1 DAY",
    "day + INTERVAL 1 HOUR",
    "day + INTERVAL 1 MONTH",
    "day + 1",
    "day - 1",
    "1e3",
];

fn readings() -> TableSchema {
    let schema = "device string, ts timestamp, temperature double, humidity double, n int, big bigint, small float, day date, ok boolean";
    let columns = parse_schema(schema).unwrap().into_iter();
    let columns = columns.map(|column| TableColumn { field: Field::new(column.name, column.data_type), hidden: false });
    TableSchema { name: "readings".into(), columns: columns.collect(), event_time: None }
}

fn spark_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(fields) => {
            let members: Vec<String> = fields.iter().map(|field| format!("{}:{}", field.name, spark_name(&field.data_type))).collect();
            format!("struct<{}>", members.join(","))
        }
        other => other.to_string().to_lowercase(),
    }
}

#[test]
fn types_and_names_are_sparks() {
    let sources = [readings()];
    let mut wrong = Vec::new();
    for line in include_str!("../spark_types.tsv").lines() {
        let (expr, spark) = line.split_once('\t').unwrap();
        let planned = plan_query(
            "q",
            &format!("SELECT {expr} FROM readings"),
            OutputMode::Batch,
            &Catalog { sources: &sources, ..Catalog::default() },
        );
        let ours = match &planned {
            Ok(query) => format!("{}\t{}", query.output[0].name, spark_name(&query.output[0].data_type)),
            Err(error) => format!("ERR {error}"),
        };
        let data_type = |shown: &str| shown.split_once('\t').map(|(_, data_type)| data_type.to_string());
        let agrees = match OTHER_NAMES.contains(&expr) {
            true => ours != spark && data_type(&ours) == data_type(spark),
            false => ours == spark || planned.is_err() && spark.starts_with("ERR"),
        };
        if agrees == DIFFERENT.iter().any(|(different, _)| *different == expr) {
            wrong.push(format!("{expr}\n    Spark: {spark}\n    here:  {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
