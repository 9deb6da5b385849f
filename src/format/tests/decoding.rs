//! Rules of the decoder beyond Spark's: topics, event times, coercion, single values, limits.

use super::super::json::scan::DEPTH_MAX;
use super::*;

fn timed(missing: EventTimeMissing) -> Rig {
    let mut settings = settings("ts TIMESTAMP, v INT");
    settings.event_time = Some(0);
    settings.event_time_missing = missing;
    settings.timestamp_unit = TimestampUnit::Millis;
    Rig::new(&settings)
}

#[test]
fn a_fault_names_its_byte() {
    let mut rig = Rig::new(&settings("v INT"));
    let bad = rig.decode(r#"{"v":1,"w":tru}"#).unwrap_err();
    assert_eq!(bad.to_string(), "not a JSON value (byte 11 of the payload)");
    assert!(bad.is_dead_letter());
    assert_eq!(rig.decode(b"{\"v\":1,\"w\":\"\xff\"}").unwrap_err().to_string(), "not UTF-8 (byte 12 of the payload)");
    assert_eq!(rig.decode(b"\xff").unwrap_err().to_string(), "not UTF-8 (byte 0 of the payload)");
    assert_eq!(rig.decode(b" \xff").unwrap_err().to_string(), "not UTF-8 (byte 1 of the payload)");
    assert_eq!(rig.decode(b"[]\xff"), Ok(Decoded::default()));
    assert_eq!(rig.decode(""), Ok(Decoded::default()));
}

#[test]
fn fields_that_do_not_fit_are_counted() {
    let mut rig = Rig::new(&settings("a INT, b DOUBLE, c.d INT"));
    let decoded = rig.decode(r#"[{"a":1.5,"b":"x","c":5},{"a":null,"b":1,"c":null,"e":"x"},{"a":3000000000}]"#).unwrap();
    assert_eq!((decoded.rows, decoded.nulled_fields), (3, 4));
    let decoded = rig.decode(r#"{"a":3000000000}"#).unwrap();
    assert_eq!((decoded.rows, decoded.nulled_fields), (1, 1));
}

#[test]
fn columns_that_no_query_reads_stay_empty() {
    let mut settings = settings("a INT, ts TIMESTAMP, b INT");
    settings.event_time = Some(1);
    settings.event_time_missing = EventTimeMissing::DeadLetter;
    let needed = [false, false, true];
    let mut table = OpenTable::new(&settings, &needed);
    let mut decoder = Decoder::new(&settings, &needed, 1).unwrap();
    for (payload, rows) in [(r#"{"a":1,"ts":5,"b":2}"#, 1), (r#"{"a":"x","b":2}"#, 0)] {
        let message = Message { topic: "t", place: None, payload: payload.as_bytes(), arrived_us: 0, retained: false };
        let decoded = decoder.decode(&message, &mut table).unwrap();
        assert_eq!((decoded.rows, decoded.refused_rows, decoded.nulled_fields), (rows, 1 - rows, 0));
    }
    let table = table.take();
    assert!(table.columns[0].is_none() && table.columns[1].is_none());
    assert_eq!(dump(&table), [[Value::Null, Value::Null, Value::Int(2)]]);
}

#[test]
fn rows_without_event_time() {
    let payload = r#"[{"ts":1500,"v":1}, {"v":2},{"ts":"x","v":3}]"#;
    let mut rig = timed(EventTimeMissing::DeadLetter);
    let decoded = rig.decode(payload).unwrap();
    assert_eq!((decoded.rows, decoded.untimed_rows, decoded.refused_rows), (1, 2, 2));
    let refused: Vec<&str> = decoded.refused.iter().map(|row| &payload[row.bytes.clone()]).collect();
    assert_eq!(refused, [r#"{"v":2}"#, r#"{"ts":"x","v":3}"#]);
    assert_eq!(decoded.refused[0].reason, RefusedReason::EventTimeMissing);
    assert_eq!(rig.rows(), [[Value::Timestamp(1_500_000), Value::Int(1)]]);

    let mut rig = timed(EventTimeMissing::Arrival);
    assert_eq!(rig.decode(payload).unwrap().untimed_rows, 2);
    assert_eq!(rig.rows().iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [1_500_000, 1_000_000, 1_000_000].map(Value::Timestamp));

    let mut rig = timed(EventTimeMissing::Null);
    assert_eq!(rig.decode(payload).unwrap().rows, 3);
    assert_eq!(rig.rows()[1], [Value::Null, Value::Int(2)]);
}

#[test]
fn rows_from_the_future() {
    let mut rig = timed(EventTimeMissing::Null);
    rig.decoder.set_future_limit(Some(2_000_000));
    let decoded = rig.decode(r#"[{"ts":2000},{"ts":2001},{},{"ts":9000000000000000}]"#).unwrap();
    assert_eq!((decoded.rows, decoded.refused_rows, decoded.untimed_rows), (2, 2, 1));
    assert_eq!(decoded.refused[0].reason, RefusedReason::Future { ahead_us: 1000 });
    assert_eq!(decoded.refused[1].reason.to_string(), "the event time is 8999999999998 s further ahead than allowed");
    rig.decoder.set_future_limit(None);
    assert_eq!(rig.decode(r#"{"ts":2001}"#).unwrap().rows, 1);
}

#[test]
fn refused_rows_are_listed_up_to_a_limit() {
    let mut rig = timed(EventTimeMissing::DeadLetter);
    let decoded = rig.decode(format!("[{}]", vec!["{}"; 1000].join(","))).unwrap();
    assert_eq!((decoded.refused.len(), decoded.refused_rows, decoded.rows), (REFUSED_LISTED_MAX, 1000, 0));
}

#[test]
fn hidden_columns() {
    let mut settings = with_column(settings("v INT"), "_arrived", DataType::Timestamp, Origin::Arrived);
    settings = with_column(settings, "_retained", DataType::Boolean, Origin::Retained);
    settings = with_column(settings, "_source", DataType::String, Origin::SourceName);
    settings = with_column(settings, "_topic", DataType::String, Origin::WholeTopic);
    settings.bad_records = BadRecords::NullRow;
    let mut rig = Rig::new(&settings);
    rig.decoder = rig.decoder.with_source_name("readings");
    let hidden = [Value::Timestamp(1_000_000), Value::Boolean(false), string("readings"), string("a/b")];
    assert!(!rig.decode_from("a/b", r#"{"v":1}"#).unwrap().null_row);
    assert!(rig.decode_from("a/b", "{").unwrap().null_row);
    let rows = rig.rows();
    assert_eq!((&rows[0][0], &rows[1][0]), (&Value::Int(1), &Value::Null));
    assert!(rows.iter().all(|row| row[1..] == hidden));
}

#[test]
fn timestamps_by_unit_and_zone() {
    for (unit, text, micros) in [
        (TimestampUnit::Seconds, "1767225600.25", 1_767_225_600_250_000),
        (TimestampUnit::Millis, "1767225600250", 1_767_225_600_250_000),
        (TimestampUnit::Millis, "1767225600250.5", 1_767_225_600_250_500),
        (TimestampUnit::Micros, "1767225600250000", 1_767_225_600_250_000),
        (TimestampUnit::Seconds, "\"2026-01-01T01:00:00.25\"", 1_767_225_600_250_000),
        (TimestampUnit::Millis, "\"2026-01-01T00:00:00.25Z\"", 1_767_225_600_250_000),
    ] {
        let mut settings = settings("ts TIMESTAMP");
        settings.timestamp_unit = unit;
        settings.timestamp_zone = Some("Europe/Berlin".into());
        assert_eq!(Rig::new(&settings).row(format!("{{\"ts\":{text}}}")), [Value::Timestamp(micros)], "{text}");
    }
    let mut rig = Rig::new(&settings("ts TIMESTAMP"));
    assert_eq!(rig.decode(r#"{"ts":9223372036855}"#).unwrap().nulled_fields, 1);
    assert_eq!(rig.rows(), [[Value::Null]]);
}

#[test]
fn lenient_coercion() {
    let mut settings = settings("d DOUBLE, l BIGINT, i INT, b BOOLEAN, t TIMESTAMP, s STRING");
    settings.coerce = Coerce::Lenient;
    settings.timestamp_unit = TimestampUnit::Millis;
    let mut rig = Rig::new(&settings);
    let row = rig.row(r#"{"d":"21.5","l":"12","i":" +7.0 ","b":"ON","t":"1767225600250","s":5}"#);
    assert_eq!(
        row,
        [Value::Double(21.5), Value::BigInt(12), Value::Int(7), Value::Boolean(true), Value::Timestamp(1_767_225_600_250_000), string("5")]
    );
    let row = rig.row(r#"{"d":true,"l":1e3,"i":false,"b":0,"t":"1970-01-01","s":null}"#);
    assert_eq!(row, [Value::Double(1.0), Value::BigInt(1000), Value::Int(0), Value::Boolean(false), Value::Timestamp(0), Value::Null]);
    let decoded = rig.decode(r#"{"d":"warm","l":1.5,"i":"3000000000","b":"maybe","t":true,"s":"x"}"#).unwrap();
    assert_eq!(decoded.nulled_fields, 5);
}

#[test]
fn single_values() {
    let read = |data_type: DataType, payload: &str| {
        let mut settings = settings("v INT");
        settings.format = Format::Value;
        settings.columns = vec![ColumnLayout { name: "v".into(), data_type, origin: Origin::Payload(vec![]) }];
        let mut rig = Rig::new(&settings);
        rig.decode(payload).map(|_| rig.rows()[0][0].clone()).map_err(|bad| bad.to_string())
    };
    assert_eq!(read(DataType::Double, " 21.5\n"), Ok(Value::Double(21.5)));
    assert!(matches!(read(DataType::Double, "nan"), Ok(Value::Double(value)) if value.is_nan()));
    assert_eq!(read(DataType::Double, "-1e2"), Ok(Value::Double(-100.0)));
    assert_eq!(read(DataType::Double, "null"), Ok(Value::Null));
    assert_eq!(read(DataType::Double, "unavailable"), Err("the payload is not a DOUBLE (byte 0 of the payload)".into()));
    assert_eq!(read(DataType::Double, ""), Err("the payload is not a DOUBLE (byte 0 of the payload)".into()));
    assert_eq!(read(DataType::Boolean, "OFF"), Ok(Value::Boolean(false)));
    assert_eq!(read(DataType::Boolean, "1"), Ok(Value::Boolean(true)));
    assert_eq!(read(DataType::BigInt, "12"), Ok(Value::BigInt(12)));
    assert_eq!(read(DataType::Int, "1e10"), Err("the payload is not an INT (byte 0 of the payload)".into()));
    assert_eq!(read(DataType::String, " ON "), Ok(string(" ON ")));
    assert_eq!(read(DataType::Timestamp, "1500"), Ok(Value::Timestamp(1_500_000_000)));
    assert_eq!(read(DataType::Timestamp, "2026-01-01"), Ok(Value::Timestamp(1_767_225_600_000_000)));
}

#[test]
fn a_single_value_must_be_text() {
    let mut settings = settings("v STRING");
    settings.format = Format::Value;
    settings.columns[0].origin = Origin::Payload(vec![]);
    let mut rig = Rig::new(&settings);
    assert_eq!(rig.decode(b"a\xff").unwrap_err().to_string(), "not UTF-8 (byte 1 of the payload)");
    assert_eq!(rig.row("\u{feff}é"), [string("\u{feff}é")]);
}

#[test]
fn depth_is_bounded() {
    let mut rig = Rig::new(&settings("v INT"));
    let nested = |depth: usize| format!("{{\"x\":{}{},\"v\":1}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(rig.row(nested(DEPTH_MAX - 1)), [Value::Int(1)]);
    assert!(rig.decode(nested(DEPTH_MAX)).is_err());
    assert!(rig.decode("[{\"x\":".repeat(1 << 16)).is_err());
}

#[test]
fn a_full_table_says_so() {
    let mut rig = Rig::new(&settings("s STRING"));
    let text = "x".repeat(20 << 20);
    rig.decode(format!("{{\"s\":\"{text}\"}}")).unwrap();
    let bad = rig.decode(format!("{{\"s\":\"{text}\"}}")).unwrap_err();
    assert_eq!((bad.clone(), bad.is_dead_letter()), (BadRecord::TableFull, false));
    assert_eq!(rig.table.take().rows, 1);
    assert!(rig.decode(format!("{{\"s\":\"{text}\"}}")).is_ok(), "an empty table has room");
    rig.table.truncate(0);
    let bad = rig.decode(format!("[{{\"s\":\"{text}\"}},{{\"s\":\"{text}\"}}]")).unwrap_err();
    assert_eq!(bad, BadRecord::TooLarge);
    assert_eq!(rig.table.rows(), 0);
}

#[test]
fn settings_that_cannot_be_decoded_by() {
    let error =
        |settings: &DecodeSettings| Decoder::new(settings, &vec![true; settings.columns.len()], 0).err().map(|error| error.to_string());
    assert_eq!(error(&settings("a INT, b.c INT")), None);
    assert_eq!(error(&settings("a INT, a.b INT")).unwrap(), "the path `a.b` is given twice, or leads through another column");
    assert_eq!(error(&settings("a.b INT, a INT")).unwrap(), "the path `a` is given twice, or leads through another column");
    let mut zone = settings("a INT");
    zone.timestamp_zone = Some("Mars/Olympus".into());
    assert_eq!(
        error(&zone).unwrap(),
        "there is no time zone `Mars/Olympus`; write a name such as Europe/Berlin or an offset such as +01:00"
    );
    assert_eq!(
        error(&with_column(settings("a INT"), "d", DataType::Interval, Origin::Payload(vec!["d".into()]))).unwrap(),
        "column `d` cannot be of type INTERVAL DAY TO SECOND"
    );
    assert_eq!(error(&with_column(settings("a INT"), "t", DataType::Int, Origin::WholeTopic)).unwrap(), "column `t` cannot be of type INT");
    assert_eq!(
        error(&with_column(settings("a INT"), "t", DataType::String, Origin::Topic(0))).unwrap(),
        "column `t` is captured from the topic, but no topic pattern captures it"
    );
    let mut event_time = settings("a INT");
    event_time.event_time = Some(0);
    assert_eq!(error(&event_time).unwrap(), "the event time must be a TIMESTAMP column");
}
