//! `tests/spark/relations.jsonl`: what Spark 4.3 makes of queries over small tables, against what the engine makes of the same text, in batch.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidemill::batch::{Batch, ColumnBuilder, SourceInput, Stamp, Table};
use tidemill::engine::{Engine, EngineSettings, StepOutput};
use tidemill::plan::{OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, parse_schema, plan_query};
use tidemill::types::{DataType, Field, Value};

/// Queries that differ, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("SELECT id, e.tag FROM nested LEFT JOIN LATERAL explode(tags) AS e(tag)", "rows without elements are kept"),
    ("SELECT ts, sum(n) OVER (w ORDER BY ts) AS s FROM readings WINDOW w AS (PARTITION BY device)", "a named window can be added to"),
];

struct Tables {
    schemas: Vec<TableSchema>,
    tables: Vec<Table>,
}

fn fields(ddl: &str) -> Vec<Field> {
    let columns = parse_schema(ddl).unwrap_or_else(|error| panic!("{ddl}: {}", error.message));
    columns.into_iter().map(|column| Field::new(column.name, column.data_type)).collect()
}

/// The engine's type for one of Spark's: DECIMAL is DOUBLE here, and TINYINT is INT.
fn type_of(notation: &str) -> DataType {
    match notation {
        "void" => DataType::Null,
        "tinyint" => DataType::Int,
        decimal if decimal.starts_with("decimal") => DataType::Double,
        "interval day to second" => DataType::Interval,
        other => fields(&format!("c {other}")).remove(0).data_type,
    }
}

fn value(json: &Json, data_type: &DataType) -> Value {
    let double = |json: &Json| json.as_str().unwrap().parse::<f64>().unwrap();
    match data_type {
        _ if json.is_null() => Value::Null,
        DataType::Boolean => Value::Boolean(json.as_bool().unwrap()),
        DataType::Int => Value::Int(json.as_i64().unwrap() as i32),
        DataType::BigInt => Value::BigInt(json.as_i64().unwrap()),
        DataType::Float => Value::Float(double(json) as f32),
        DataType::Double => Value::Double(double(json)),
        DataType::Timestamp => Value::Timestamp(json.as_i64().unwrap()),
        DataType::Date => Value::Date(json.as_i64().unwrap() as i32),
        DataType::Array(element) => Value::Array(json.as_array().unwrap().iter().map(|json| value(json, element)).collect()),
        DataType::Struct(fields) => {
            let members = json.as_array().unwrap().iter().zip(fields);
            Value::Struct(members.map(|(json, field)| value(json, &field.data_type)).collect())
        }
        DataType::Map(keys, values) => {
            let entries = json.as_array().unwrap().iter();
            Value::Map(entries.map(|pair| (value(&pair[0], keys), value(&pair[1], values))).collect())
        }
        _ => Value::String(json.as_str().unwrap_or_else(|| panic!("{json} as {data_type}")).into()),
    }
}

fn take_table(line: &Json, all: &mut Tables) {
    let fields = fields(line["schema"].as_str().unwrap());
    let rows = line["rows"].as_array().unwrap();
    let mut builders: Vec<ColumnBuilder> = fields.iter().map(|field| ColumnBuilder::new(&field.data_type, rows.len())).collect();
    for row in rows {
        let values = row.as_array().unwrap().iter().zip(&fields);
        builders.iter_mut().zip(values).for_each(|(builder, (json, field))| builder.push(&value(json, &field.data_type)));
    }
    all.tables.push(Table { rows: rows.len(), columns: builders.into_iter().map(|builder| Some(builder.finish())).collect() });
    let columns = fields.into_iter().map(|field| TableColumn { field, hidden: false }).collect();
    all.schemas.push(TableSchema { name: line["table"].as_str().unwrap().to_owned(), columns, event_time: None });
}

type Outcome = Result<(Vec<Field>, Vec<Vec<Value>>), String>;

fn run(tables: &Tables, sql: &str) -> Outcome {
    let catalog = Catalog { sources: &tables.schemas, ..Catalog::default() };
    let query = plan_query("q", sql, OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    let fields = query.output.clone();
    let program = Program { sources: tables.schemas.clone(), queries: vec![query], ..Program::default() };
    let mut engine = Engine::new(&program, EngineSettings::default()).map_err(|error| error.to_string())?;
    let inputs = tables.tables.iter().enumerate().map(|(source, table)| SourceInput { source, table: table.clone(), idle: false });
    let batch = Batch { number: 1, stamp: Stamp::default(), inputs: inputs.collect(), ..Batch::default() };
    let mut rows = Vec::new();
    for output in [engine.step(&batch), engine.finish()] {
        if let Some(reject) = output.rejects.first() {
            return Err(reject.reason.clone());
        }
        rows.extend(result_rows(&output));
    }
    Ok((fields, rows))
}

fn result_rows(output: &StepOutput) -> Vec<Vec<Value>> {
    let rows = output.results.iter().flat_map(|result| (0..result.table.rows).map(move |row| (result, row)));
    rows.map(|(result, row)| result.table.columns.iter().map(|column| column.as_ref().unwrap().value(row)).collect()).collect()
}

/// The value as text, doubles by ten digits.
fn shown(value: &Value) -> String {
    let all = |values: &[Value]| values.iter().map(shown).collect::<Vec<_>>().join(", ");
    match value {
        Value::Double(x) => format!("{x:.9e}"),
        Value::Array(values) => format!("[{}]", all(values)),
        Value::Struct(values) => format!("{{{}}}", all(values)),
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{} -> {}", shown(key), shown(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn same_type(ours: &DataType, spark: &DataType) -> bool {
    *spark == DataType::Null || ours.to_string().to_lowercase() == spark.to_string().to_lowercase()
}

fn difference(outcome: Outcome, line: &Json) -> Option<String> {
    let (fields, rows) = match outcome {
        Ok(_) if line["error"].is_string() => return Some(format!("gives rows, but Spark fails: {}", line["error"])),
        Ok(made) => made,
        Err(_) if line["error"].is_string() => return None,
        Err(error) => return Some(format!("fails: {error}")),
    };
    let schema = line["schema"].as_array().unwrap();
    let spark: Vec<(&str, DataType)> = schema.iter().map(|pair| (pair[0].as_str().unwrap(), type_of(pair[1].as_str().unwrap()))).collect();
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let fits = |(ours, (name, data_type)): (&Field, &(&str, DataType))| {
        (!plain(name) || ours.name == *name) && same_type(&ours.data_type, data_type)
    };
    if fields.len() != spark.len() || !fields.iter().zip(&spark).all(fits) {
        let ours: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect();
        return Some(format!("has the columns {ours:?}, not {spark:?}"));
    }
    let text = |rows: Vec<Vec<Value>>| rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join(", ")).collect::<Vec<_>>();
    let wanted = line["rows"].as_array().unwrap().iter();
    let wanted =
        wanted.map(|row| row.as_array().unwrap().iter().zip(&spark).map(|(json, (_, data_type))| value(json, data_type)).collect());
    let (mut ours, mut wanted) = (text(rows), text(wanted.collect()));
    if line["ordered"] != true {
        ours.sort();
        wanted.sort();
    }
    let lines = |rows: &[String]| rows.iter().map(|row| format!("    {row}\n")).collect::<String>();
    (ours != wanted).then(|| format!("gives\n{}  not\n{}", lines(&ours), lines(&wanted)))
}

#[test]
fn queries_give_what_spark_gives() {
    let mut all = Tables { schemas: vec![], tables: vec![] };
    let (mut wrong, mut checked) = (Vec::new(), 0);
    let mut known: BTreeMap<&str, bool> = DIFFERENT.iter().map(|(sql, _)| (*sql, false)).collect();
    for line in include_str!("../spark/relations.jsonl").lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let Some(sql) = line["sql"].as_str() else {
            take_table(&line, &mut all);
            continue;
        };
        checked += 1;
        match (difference(run(&all, sql), &line), known.get_mut(sql)) {
            (Some(_), Some(used)) => *used = true,
            (Some(difference), None) => wrong.push(format!("{sql}\n  {difference}")),
            (None, _) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<&str> = known.into_iter().filter(|(_, used)| !used).map(|(sql, _)| sql).collect();
    assert!(unused.is_empty(), "as in Spark now, take them off the list: {unused:?}");
    assert!(checked > 290, "only {checked} were checked");
}
