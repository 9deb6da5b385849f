//! What is written, against Spark's own output and against a JSON parser.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::batch::{Bitmap, Strings};

fn one(data_type: DataType, values: Values) -> String {
    let table = Table { rows: 1, columns: vec![Some(Column::new(values))] };
    let mut out = Vec::new();
    encode_row(&[Field::new("v", data_type)], &table, 0, &mut out);
    String::from_utf8(out).unwrap()
}

fn string(text: &str) -> Values {
    let mut strings = Strings::new();
    strings.push(text);
    Values::String(strings)
}

/// The text between `start` and `end` of a recorded expression.
fn between<'a>(expression: &'a str, start: &str, end: &str) -> Option<&'a str> {
    expression.strip_prefix(start)?.strip_suffix(end)
}

#[test]
fn equals_what_spark_wrote() {
    // Java 17 does not print the fewest digits for these two, and neither is the other's neighbour.
    let java_digits = ["{\"v\":9.999999999999999E22}", "{\"v\":4.9E-324}", "{\"v\":1.4E-45}"];
    let mut compared = 0;
    for line in include_str!("../../../tests/spark/json_writer.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let (expression, expected) = (case["expression"].as_str().unwrap(), case["json"].as_str().unwrap());
        let ours = if let Some(text) = between(expression, "named_struct('v', CAST('", "' AS DOUBLE))") {
            one(DataType::Double, Values::Double(vec![text.parse().unwrap()]))
        } else if let Some(text) = between(expression, "named_struct('v', CAST('", "' AS FLOAT))") {
            one(DataType::Float, Values::Float(vec![text.parse().unwrap()]))
        } else if let Some(text) = between(expression, "named_struct('v', timestamp_micros(", "))") {
            one(DataType::Timestamp, Values::Timestamp(vec![text.parse().unwrap()]))
        } else {
            continue;
        };
        compared += 1;
        if java_digits.contains(&expected) {
            let digits = |text: &str| text[5..text.len() - 1].parse::<f64>().unwrap() as f32;
            assert_eq!(digits(&ours), digits(expected), "{expression}");
        } else {
            assert_eq!(ours, expected, "{expression}");
        }
    }
    assert_eq!(compared, 51);
}

#[test]
fn strings_are_escaped_as_spark_does() {
    assert_eq!(one(DataType::String, string("a\n\r\t\u{8}\u{c}b")), r#"{"v":"a\n\r\t\b\fb"}"#);
    assert_eq!(one(DataType::String, string("\u{1}\u{1f}\u{7f}\0")), "{\"v\":\"\\u0001\\u001F\u{7f}\\u0000\"}");
    assert_eq!(one(DataType::String, string("\"\\/<>&é😀\u{2028}")), "{\"v\":\"\\\"\\\\/<>&é😀\u{2028}\"}");
}

#[test]
fn nulls_are_left_out_and_structs_nest() {
    let null = Column { values: Values::Int(vec![0]), valid: Some(Bitmap::filled(1, false)) };
    let inner = DataType::Struct(vec![Field::new("s", DataType::Int), Field::new("e", DataType::Int)]);
    let fields =
        [Field::new("z", DataType::Int), Field::new("w", inner.clone()), Field::new("\"q\"", DataType::Boolean), Field::new("x", inner)];
    let full = Column::new(Values::Struct(vec![null.clone(), Column::new(Values::Int(vec![1]))]));
    let hollow = Column::new(Values::Struct(vec![null.clone(), null.clone()]));
    let columns = vec![Some(null), Some(full), Some(Column::new(Values::Boolean(vec![true]))), Some(hollow)];
    let table = Table { rows: 1, columns };
    let mut out = Vec::new();
    encode_row(&fields, &table, 0, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"w":{"e":1},"\"q\"":true,"x":{}}"#);
}

#[test]
fn the_id_comes_first() {
    let table = Table { rows: 1, columns: vec![Some(Column::new(Values::BigInt(vec![i64::MIN]))), None] };
    let fields = [Field::new("n", DataType::BigInt), Field::new("absent", DataType::Int)];
    let mut out = Vec::new();
    encode_result("a\"b", &fields, &table, 0, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"_id":"a\"b","n":-9223372036854775808}"#);
    let empty = Table { rows: 1, columns: vec![None] };
    let mut out = Vec::new();
    encode_result("x", &fields[1..], &empty, 0, &mut out);
    assert_eq!(out, br#"{"_id":"x"}"#);
}

#[test]
fn a_bounded_row_leaves_members_out_and_stays_json() {
    let columns = vec![
        Some(Column::new(string(&"é\n".repeat(300)))),
        Some(Column::new(Values::Int(vec![7]))),
        Some(Column::new(string(&"x".repeat(5000)))),
    ];
    let fields = [Field::new("long", DataType::String), Field::new("n", DataType::Int), Field::new("longer", DataType::String)];
    let table = Table { rows: 1, columns };
    for bytes_max in [2, 8, 9, 100, 1024, 1300, 10_000] {
        let mut out = b"before".to_vec();
        let complete = encode_row_within(&fields, &table, 0, bytes_max, &mut out);
        let json: serde_json::Value = serde_json::from_slice(&out[6..]).unwrap();
        assert!(out.len() - 6 <= bytes_max, "{bytes_max}");
        assert_eq!(complete, bytes_max == 10_000);
        assert_eq!(json.get("n").is_some(), bytes_max >= 7);
    }
}

proptest! {
    #[test]
    fn doubles_read_back_as_themselves(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = one(DataType::Double, Values::Double(vec![value]));
        prop_assert_eq!(text[5..text.len() - 1].parse::<f64>().unwrap().to_bits(), bits);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["v"].is_number());
    }

    #[test]
    fn short_decimals_are_written_as_all_doubles_are(mantissa in -20_000_000_000i64..20_000_000_000, places in 0i32..7) {
        let value = mantissa as f64 / 10f64.powi(places);
        let (mut short, mut general) = (Vec::new(), Vec::new());
        write_double(value, &mut short);
        write_float(&value, value, &mut general);
        prop_assert_eq!(String::from_utf8(short), String::from_utf8(general));
    }

    #[test]
    fn integers_are_written_as_rust_does(value in any::<i64>(), shift in 0u32..64) {
        let value = value >> shift;
        prop_assert_eq!(one(DataType::BigInt, Values::BigInt(vec![value])), format!("{{\"v\":{value}}}"));
    }

    #[test]
    fn floats_read_back_as_themselves(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        prop_assume!(value.is_finite());
        let text = one(DataType::Float, Values::Float(vec![value]));
        prop_assert_eq!(text[5..text.len() - 1].parse::<f32>().unwrap().to_bits(), bits);
    }

    #[test]
    fn strings_read_back_as_themselves(text in any::<String>()) {
        let written = one(DataType::String, string(&text));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), json!({ "v": text }));
    }
}
