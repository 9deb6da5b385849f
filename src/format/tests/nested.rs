//! Arrays, maps, structs, binary and dates out of JSON payloads, against what Spark read; and their limits.

use super::*;
use crate::format::json::typed::{ELEMENTS_MAX, VALUES_MAX};
use crate::types::Field;

/// Payloads that are read otherwise than in Spark on purpose.
const DEVIATIONS: [(&str, &str); 1] =
    [(r#"{"v":{"a":1,"a":2},"k":"after"}"#, "Spark keeps a key twice, which no map may hold; the last counts")];

/// The type of a recorded column, by its text.
fn nested_type(text: &str) -> DataType {
    let array = |element| DataType::Array(Box::new(element));
    let map = |value| DataType::Map(Box::new(DataType::String), Box::new(value));
    let structure = |fields: &[(&str, DataType)]| {
        DataType::Struct(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())).collect())
    };
    match text {
        "ARRAY<INT>" => array(DataType::Int),
        "ARRAY<STRING>" => array(DataType::String),
        "ARRAY<DOUBLE>" => array(DataType::Double),
        "ARRAY<ARRAY<INT>>" => array(array(DataType::Int)),
        "MAP<STRING, DOUBLE>" => map(DataType::Double),
        "MAP<STRING, TIMESTAMP>" => map(DataType::Timestamp),
        "MAP<STRING, STRUCT<t: DOUBLE, u: STRING>>" => map(structure(&[("t", DataType::Double), ("u", DataType::String)])),
        "STRUCT<x: INT, y: ARRAY<INT>>" => structure(&[("x", DataType::Int), ("y", array(DataType::Int))]),
        "ARRAY<STRUCT<a: INT, b: BOOLEAN>>" => array(structure(&[("a", DataType::Int), ("b", DataType::Boolean)])),
        "BINARY" => DataType::Binary,
        "DATE" => DataType::Date,
        other => panic!("no type {other}"),
    }
}

fn nested_settings(data_type: DataType) -> DecodeSettings {
    let mut settings = settings("k STRING");
    settings.columns.insert(0, ColumnLayout { name: "v".into(), data_type, origin: Origin::Payload(vec!["v".into()]) });
    settings
}

/// The row as a sink writes it.
fn encoded(settings: &DecodeSettings, table: &Table) -> String {
    let fields: Vec<Field> = settings.columns.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
    let mut out = Vec::new();
    encode_row(&fields, table, 0, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn reads_nested_values_as_spark_does() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in include_str!("../../../tests/spark/json_nested.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (column, input, row) = (case["column"].as_str().unwrap(), case["input"].as_str().unwrap(), case["row"].as_str().unwrap());
        let settings = nested_settings(nested_type(column.strip_prefix("v ").unwrap()));
        let mut rig = Rig::new(&settings);
        // Twice in one table, the first time taken back.
        rig.decode(input).unwrap();
        rig.table.truncate(0);
        rig.decode(input).unwrap();
        let ours = encoded(&settings, &rig.table.take());
        if ours != row && !DEVIATIONS.iter().any(|(known, _)| *known == input) {
            wrong.push(format!("{column} of {input}\n  ours  {ours}\n  Spark {row}"));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(seen > 80, "the recording is not complete: {seen}");
}

#[test]
fn what_does_not_fit_is_counted_where_it_stands() {
    let data_type = nested_type("STRUCT<x: INT, y: ARRAY<INT>>");
    let mut rig = Rig::new(&nested_settings(data_type));
    for (payload, nulled) in
        [(r#"{"v":{"x":1,"y":[2]}}"#, 0), (r#"{"v":{"x":"a","y":[2,"b"]}}"#, 2), (r#"{"v":[1]}"#, 1), (r#"{"v":null}"#, 0), ("{}", 0)]
    {
        assert_eq!(rig.decode(payload).unwrap().nulled_fields, nulled, "{payload}");
    }
    let rows = rig.table.take().columns[0].clone().unwrap();
    assert_eq!(rows.value(1), Value::Struct(vec![Value::Null, Value::Null]));
    assert_eq!(rows.value(0), Value::Struct(vec![Value::Int(1), Value::Array(vec![Value::Int(2)])]));
}

#[test]
fn arrays_beyond_the_limits_do_not_fit() {
    let numbers = |count: usize| format!(r#"{{"v":[{}]}}"#, vec!["1"; count].join(","));
    let mut rig = Rig::new(&nested_settings(nested_type("ARRAY<INT>")));
    assert_eq!(rig.decode(numbers(ELEMENTS_MAX)).unwrap().nulled_fields, 0);
    assert_eq!(rig.decode(numbers(ELEMENTS_MAX + 1)).unwrap().nulled_fields, 1);
    // Many members for few bytes.
    let wide = DataType::Struct((0..1000).map(|number| Field::new(format!("m{number}"), DataType::Double)).collect());
    let mut rig = Rig::new(&nested_settings(DataType::Array(Box::new(wide))));
    let empty = |count: usize| format!(r#"{{"v":[{}]}}"#, vec!["{}"; count].join(","));
    assert_eq!(rig.decode(empty(1000)).unwrap().nulled_fields, 0);
    assert_eq!(rig.decode(empty(VALUES_MAX / 1000 + 1)).unwrap().nulled_fields, 1);
    let deep = format!(r#"{{"v":{}}}"#, "[".repeat(100_000));
    assert!(rig.decode(deep).is_err());
}

#[test]
fn maps_have_text_for_keys_and_scalars_are_scalars() {
    let refused = |settings: &DecodeSettings| Decoder::new(settings, &[true, true], 0).err().map(|error| error.to_string());
    let by_number = DataType::Map(Box::new(DataType::Int), Box::new(DataType::Int));
    assert_eq!(refused(&nested_settings(by_number)).unwrap(), "column `v` cannot be of type MAP<INT, INT>");
    assert_eq!(refused(&nested_settings(DataType::Interval)).unwrap(), "column `v` cannot be of type INTERVAL DAY TO SECOND");
    let mut scalar = settings("k STRING");
    scalar.columns = vec![ColumnLayout { name: "v".into(), data_type: nested_type("ARRAY<INT>"), origin: Origin::Payload(vec![]) }];
    scalar.format = Format::Value;
    assert_eq!(Decoder::new(&scalar, &[true], 0).err().unwrap().to_string(), "column `v` cannot be of type ARRAY<INT>");
}
