//! The decoder against what Spark read from the same payloads.

use super::*;

/// Payloads that are read otherwise than in Spark on purpose, and what they give: `None` is a row of NULLs.
const DEVIATIONS: [(&str, Option<&str>, &str); 9] = [
    (r#"{"s":"\x,"l":5}"#, None, "Spark goes on in the middle of the string, after the bad escape"),
    (r#"{"s":"before","d":"\u00","l":7}"#, None, "Spark goes on after the bad escape"),
    ("{\"s\":\"\\xc3\",\"l\":1}", None, "Spark goes on after bytes that are not UTF-8"),
    ("{\"s\":\"\\xc0\\x80\",\"l\":1}", None, "Spark takes an overlong form"),
    ("{\"s\":\"\\xf4\\x90\\x80\\x80\",\"l\":1}", None, "Spark takes code points beyond Unicode"),
    (r#"{"t":1767225600.5,"l":7}"#, Some(r#"{"t":1767225600500000,"l":7}"#), "fractions of a second are taken"),
    (r#"{"t":1.0,"l":7}"#, Some(r#"{"t":1000000,"l":7}"#), "fractions of a second are taken"),
    (r#"{"t":1e3,"l":7}"#, Some(r#"{"t":1000000000,"l":7}"#), "fractions of a second are taken"),
    (r#"{"t":9223372036855,"l":7}"#, Some(r#"{"t":null,"l":7}"#), "Spark wraps around"),
];

struct Case {
    schema: String,
    payload: Vec<u8>,
    /// The payload as the table above has it.
    name: String,
    rows: Vec<serde_json::Value>,
}

fn cases() -> Vec<Case> {
    let hex = |text: &str| (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect::<Vec<u8>>();
    let case = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let payload = case["input"].as_str().map_or_else(|| hex(case["hex"].as_str().unwrap()), |input| input.as_bytes().to_vec());
        let name = match std::str::from_utf8(&payload) {
            Ok(text) if case["input"].is_string() => text.to_string(),
            _ => payload
                .iter()
                .map(|byte| if byte.is_ascii_graphic() { char::from(*byte).to_string() } else { format!("\\x{byte:02x}") })
                .collect(),
        };
        let rows = case["rows"].as_array().unwrap().iter().map(|row| serde_json::from_str(row.as_str().unwrap()).unwrap()).collect();
        Case { schema: case["schema"].as_str().unwrap().to_string(), payload, name, rows }
    };
    include_str!("../../../tests/spark/json_reader.jsonl").lines().map(case).collect()
}

/// Whether a value is the one that Spark's `to_json` shows.
fn is_shown_as(value: &Value, shown: &serde_json::Value) -> bool {
    let number = |shown: &serde_json::Value| match shown.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => shown.as_f64().unwrap_or(0.125),
    };
    let close = |a: f64, b: f64, relative: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= relative * a.abs();
    match value {
        Value::Null => shown.is_null(),
        Value::Boolean(value) => shown.as_bool() == Some(*value),
        Value::Int(value) => shown.as_i64() == Some(i64::from(*value)),
        Value::BigInt(value) | Value::Timestamp(value) => shown.as_i64() == Some(*value),
        // The JSON parser of this test is not exact in the last digit.
        Value::Double(value) => close(*value, number(shown), 1e-15) && value.is_sign_negative() == number(shown).is_sign_negative(),
        Value::Float(value) => close(f64::from(*value), number(shown), 1e-7),
        Value::String(value) => shown.as_str() == Some(value),
        other => panic!("{other:?} is not decoded"),
    }
}

fn paths(schema: &str) -> &str {
    if schema.starts_with("a struct") { "a.x DOUBLE, a.y BIGINT, a.z.w STRING, b BIGINT" } else { schema }
}

#[test]
fn reads_what_spark_read() {
    let mut deviations = DEVIATIONS.to_vec();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() > 450);
    for case in &cases {
        let mut settings = settings(paths(&case.schema));
        settings.bad_records = BadRecords::NullRow;
        let mut rig = Rig::new(&settings);
        rig.decode(&case.payload).unwrap();
        let rows = rig.rows();
        let mut expected = case.rows.clone();
        if let Some(index) = deviations.iter().position(|(name, ..)| *name == case.name) {
            let (_, row, why) = deviations.remove(index);
            let row = row.map_or(serde_json::json!({}), |row| serde_json::from_str(row).unwrap());
            assert_ne!(expected, vec![row.clone()], "no deviation any more: {why}");
            expected = vec![row];
        }
        let cell_fits = |column: &ColumnLayout, value: &Value, row: &serde_json::Value| {
            let pointer = format!("/{}", column.name.replace('.', "/"));
            is_shown_as(value, row.pointer(&pointer).unwrap_or(&serde_json::Value::Null))
        };
        let row_fits = |(row, expected): (&Vec<Value>, &serde_json::Value)| {
            settings.columns.iter().zip(row).all(|(column, value)| cell_fits(column, value, expected))
        };
        if rows.len() != expected.len() || !rows.iter().zip(&expected).all(row_fits) {
            wrong.push(format!("{}\n  ours  {rows:?}\n  Spark {expected:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} payloads are read otherwise than in Spark:\n{}", wrong.len(), wrong.join("\n"));
    assert!(deviations.is_empty(), "not among the recorded payloads: {deviations:?}");
}

#[test]
fn reads_the_golden_case() {
    let mut settings = settings("device STRING, ts BIGINT, temperature DOUBLE, humidity DOUBLE");
    settings.bad_records = BadRecords::NullRow;
    let mut rig = Rig::new(&settings);
    for line in include_str!("../../../tests/golden/23_json_input/steps/1/raw_readings.jsonl").lines() {
        rig.decode(line).unwrap();
    }
    let mut rows = rig.rows();
    let expected: Vec<serde_json::Value> = include_str!("../../../tests/golden/23_json_input/steps/1/expected.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), expected.len());
    for row in &expected {
        let names = ["device", "ms", "temperature", "humidity"];
        let found = rows.iter().position(|ours| ours.iter().zip(names).all(|(value, name)| is_shown_as(value, &row[name])));
        rows.remove(found.unwrap_or_else(|| panic!("no row {row} among {rows:?}")));
    }
}
