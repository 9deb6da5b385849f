//! Recorded from Spark, and what is ours: header names, quotes, limits.

use serde_json::Value as Json;

use super::*;
use crate::batch::Values;
use crate::types::Value;

fn fields(schema: &str) -> Vec<Field> {
    let columns = crate::sql::parse_schema(schema).unwrap();
    columns.into_iter().map(|column| Field::new(column.name, column.data_type)).collect()
}

fn settings(options: &Json) -> CsvSettings {
    let text = |key: &str, default: u8| options[key].as_str().map_or(default, |text| text.as_bytes()[0]);
    CsvSettings {
        separator: text("sep", b','),
        quote: text("quote", b'"'),
        escape: text("escape", b'\\'),
        header: if options["header"] == false { CsvHeader::None } else { CsvHeader::Skip },
        null_text: options["nullValue"].as_str().unwrap_or_default().to_owned(),
        multi_line: options["multiLine"] == true,
        ..CsvSettings::default()
    }
}

fn shown(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(x) => Json::from(*x),
        Value::Int(x) => Json::from(*x),
        Value::BigInt(x) => Json::from(*x),
        Value::Float(x) if x.is_finite() => Json::from(x.to_string().parse::<f64>().unwrap()),
        Value::Float(x) => shown(&Value::Double(f64::from(*x))),
        Value::Double(x) if x.is_finite() => Json::from(*x),
        Value::Double(x) => Json::from(if x.is_nan() {
            "NaN"
        } else if *x > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }),
        Value::String(x) => Json::from(x.as_str()),
        Value::Timestamp(us) => {
            let text = format!("{:.6}", jiff::Timestamp::from_microsecond(*us).unwrap());
            Json::from(text)
        }
        Value::Date(days) => {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(*days)).unwrap();
            Json::from(date.to_string())
        }
        Value::Binary(bytes) => Json::from(match bytes.as_slice() {
            b"abc" => "YWJj",
            _ => "w6k=",
        }),
        other => panic!("{other:?}"),
    }
}

/// Cases in which we mean to differ, with the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("DOUBLE '0x1p3'", "hexadecimal numbers are not taken"),
    ("TIMESTAMP '00:00:00'", "a time without a date would be today's"),
    ("TIMESTAMP '10000-01-01 00:00:00'", "beyond what this test prints"),
    ("TIMESTAMP '9999-12-31 23:59:59.999999'", "beyond what this test prints"),
];

#[test]
fn files_read_as_in_spark() {
    let recorded = include_str!("../../../tests/spark/csv_reader.jsonl");
    let mut compared = 0;
    for line in recorded.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let name = case["case"].as_str().unwrap();
        if DIFFERENT.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let fields = fields(case["schema"].as_str().unwrap());
        // The recording holds bytes as Latin-1.
        let bytes: Vec<u8> = case["text"].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let table = read_csv(&bytes, &settings(&case["options"]), &fields).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = (0..table.rows).map(|row| {
            let members = fields.iter().zip(&table.columns).map(|(field, column)| (field.name.clone(), shown(&column.value(row))));
            Json::Object(members.collect())
        });
        assert_eq!(rows.collect::<Vec<_>>(), *case["rows"].as_array().unwrap(), "{name}");
        compared += 1;
    }
    assert!(compared > 130, "{compared}");
}

#[test]
fn columns_are_found_by_the_header() {
    let schema = fields("temperature DOUBLE, device STRING");
    let table = read_csv(b"id,Device,note,temperature\n1,a,x,21.5\n2,b,,\n", &CsvSettings::default(), &schema).unwrap();
    assert_eq!((table.rows, table.nulled_fields, table.bad_records), (2, 0, 0));
    assert_eq!(table.columns[1].text(1), Some("b"));
    assert_eq!((table.columns[0].value(0), table.columns[0].value(1)), (Value::Double(21.5), Value::Null));
    let error = |text: &str| read_csv(text.as_bytes(), &CsvSettings::default(), &schema).unwrap_err().to_string();
    assert_eq!(error("id,device\n"), "the header has no column `temperature`; it has id, device");
    assert_eq!(error("device,temperature,DEVICE\n"), "the header has more than one column `device`");
}

#[test]
fn bad_records_are_counted_or_refused() {
    let schema = fields("s STRING, n INT");
    let text = "s,n\na,1\nb\nc,2,3\nd,x\n\"e,5\n";
    let table = read_csv(text.as_bytes(), &CsvSettings::default(), &schema).unwrap();
    assert_eq!((table.rows, table.nulled_fields, table.bad_records), (5, 1, 3));
    assert_eq!(table.first_bad, Some((3, CsvProblem::Length { found: 1, expected: 2 })));
    let strict = CsvSettings { bad_records: CsvBadRecords::Fail, ..CsvSettings::default() };
    let error = |text: &str| read_csv(text.as_bytes(), &strict, &schema).unwrap_err().to_string();
    assert_eq!(error(text), "line 3: 1 fields where 2 are expected");
    assert_eq!(error("s,n\n\na,x\n"), "line 3: `x` is no INT for column `n`");
    assert!(error("s,n\n\"a,1\n").starts_with("line 2: a quote is not closed"));
}

#[test]
fn records_go_on_over_lines_where_asked() {
    let schema = fields("s STRING, n INT");
    let settings = CsvSettings { multi_line: true, ..CsvSettings::default() };
    let table = read_csv(b"s,n\r\n\"a\r\n\r\nb\",1\r\nc,2\r\n\"d", &settings, &schema).unwrap();
    assert_eq!((table.rows, table.bad_records), (3, 1));
    assert_eq!((table.columns[0].text(0), table.columns[0].text(2)), (Some("a\n\nb"), Some("d")));
    // Too long by what was held back, not by one line.
    let long = format!("s,n\n\"{}", "a\n".repeat(RECORD_BYTES_MAX / 2 + 8));
    assert_eq!(read_csv(long.as_bytes(), &settings, &schema).err(), Some(CsvError::RecordTooLong { line: 2 }));
}

#[test]
fn integers_are_timestamps_where_a_unit_is_given() {
    let schema = fields("t TIMESTAMP");
    let settings = CsvSettings { timestamp_unit: Some(TimestampUnit::Millis), ..CsvSettings::default() };
    let table = read_csv(b"t\n1500\n1970-01-01 00:00:02\n9223372036854775807\n", &settings, &schema).unwrap();
    assert!(matches!(&table.columns[0].values, Values::Timestamp(times) if times[..2] == [1_500_000, 2_000_000]));
    assert!(table.columns[0].is_null(2) && table.nulled_fields == 1);
}

#[test]
fn columns_that_nobody_reads_are_left_out() {
    let mut reader = CsvReader::new(&CsvSettings::default(), &fields("a INT, b INT"), &[false, true]).unwrap();
    assert_eq!(reader.line(1, b"a,b"), Ok(LineRead::default()));
    assert_eq!(reader.line(2, b"x,2"), Ok(LineRead { rows: 1, ..LineRead::default() }));
    let table = reader.take();
    assert!(table.rows == 1 && table.columns[0].is_none() && reader.rows() == 0);
    assert_eq!(table.columns[1].as_ref().unwrap().value(0), Value::Int(2));
    reader.begin_file();
    reader.line(1, b"b,a").unwrap();
    reader.line(2, b"3,x").unwrap();
    assert_eq!(reader.take().columns[1].as_ref().unwrap().value(0), Value::Int(3));
}

#[test]
fn what_csv_cannot_hold_is_refused() {
    let error = |settings: &CsvSettings, data_type| CsvReader::new(settings, &[Field::new("x", data_type)], &[true]).err();
    assert!(matches!(error(&CsvSettings::default(), DataType::Struct(vec![])), Some(CsvError::ColumnType { .. })));
    for (separator, quote) in [(b'"', b'"'), (b'\n', b'"'), (0xff, b'"'), (b',', b'\r')] {
        let settings = CsvSettings { separator, quote, escape: quote, ..CsvSettings::default() };
        assert_eq!(error(&settings, DataType::Int), Some(CsvError::Characters));
    }
}
