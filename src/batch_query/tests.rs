//! Whole queries over lines: output formats, what is reported, how much is read and held.

use std::io;

use super::*;
use crate::plan::OutputMode;
use crate::sql::{Catalog, parse_schema, plan_query};

const SCHEMA: &str = "device STRING, ts TIMESTAMP, AM2301.Temperature DOUBLE";

const LINES: &str = r#"{"device":"a","ts":1767225600.25,"AM2301":{"Temperature":21.5}}
{"device":"b","ts":1767225601,"AM2301":{"Temperature":1e7}}

not json
[{"device":"say \"hi\", a\nb\u001b[2J"},{"device":"","ts":"soon"}]
"#;

fn query(input: impl Read, format: OutputFormat, sql: &str) -> (String, Result<Summary, BatchQueryError>) {
    let table = FileTable::new("t", parse_schema(SCHEMA).unwrap(), TimestampUnit::Seconds);
    let catalog = Catalog { sources: std::slice::from_ref(&table.schema), ..Catalog::default() };
    let query = plan_query("query", sql, OutputMode::Batch, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(sql)));
    let mut out = Vec::new();
    let result = run(input, &table, query, format, 7, &mut out);
    (String::from_utf8(out).unwrap(), result)
}

fn result(input: &str, format: OutputFormat, sql: &str) -> String {
    let (out, summary) = query(input.as_bytes(), format, sql);
    summary.unwrap();
    out
}

#[test]
fn tables_are_aligned_and_harmless() {
    let table = result(LINES, OutputFormat::Table, "SELECT *, named_struct('at', ts, 'n', 1) AS s FROM t");
    let expected = r#"
+-----------------------+----------------------+------------------+---------------------------+
|device                 |ts                    |AM2301.Temperature|s                          |
+-----------------------+----------------------+------------------+---------------------------+
|a                      |2026-01-01 00:00:00.25|21.5              |{2026-01-01 00:00:00.25, 1}|
|b                      |2026-01-01 00:00:01   |1.0E7             |{2026-01-01 00:00:01, 1}   |
|NULL                   |NULL                  |NULL              |{NULL, 1}                  |
|say "hi", a\nb\u{1b}[2J|NULL                  |NULL              |{NULL, 1}                  |
|                       |NULL                  |NULL              |{NULL, 1}                  |
+-----------------------+----------------------+------------------+---------------------------+
"#;
    assert_eq!(table, expected.trim_start());
    assert_eq!(result("", OutputFormat::Table, "SELECT device FROM t"), "+------+\n|device|\n+------+\n+------+\n");
}

#[test]
fn json_is_what_sinks_write() {
    let json = result(LINES, OutputFormat::Json, "SELECT device, ts FROM t");
    let expected = r#"{"device":"a","ts":"2026-01-01T00:00:00.250Z"}
{"device":"b","ts":"2026-01-01T00:00:01.000Z"}
{}
{"device":"say \"hi\", a\nb\u001B[2J"}
{"device":""}
"#;
    assert_eq!(json, expected);
}

#[test]
fn csv_is_quoted_where_it_must_be() {
    let csv = result(LINES, OutputFormat::Csv, "SELECT device, ts AS `at, UTC`, AM2301.Temperature FROM t");
    let expected = "device,\"at, UTC\",Temperature\na,2026-01-01 00:00:00.25,21.5\nb,2026-01-01 00:00:01,1.0E7\n,,\n\
                    \"say \"\"hi\"\", a\nb\u{1b}[2J\",,\n\"\",,\n";
    assert_eq!(csv.replace("AM2301.Temperature", "Temperature"), expected);
}

#[test]
fn what_was_not_read_or_failed_is_reported() {
    let rows: String = (0..30).map(|n| format!("{{\"device\":\"{n}\",\"AM2301\":{{\"Temperature\":0}}}}\n")).collect();
    let lines = format!("{LINES}{rows}");
    let (out, summary) = query(lines.as_bytes(), OutputFormat::Csv, "SELECT device, 1 / AM2301.Temperature AS r FROM t");
    let summary = summary.unwrap();
    assert_eq!((summary.lines, summary.null_rows, summary.first_null_row, summary.nulled_fields), (35, 1, Some(4), 0), "ts is not read");
    assert_eq!((summary.rejected, summary.rejects.len()), (30, REJECTS_SHOWN_MAX));
    assert!(summary.rejects[0].contains("1 / AM2301.Temperature") && summary.rejects[0].contains(r#""device":"0""#), "{summary:?}");
    assert_eq!(out.lines().count(), 7, "{out}");
    let (_, summary) = query(lines.as_bytes(), OutputFormat::Csv, "SELECT ts FROM t");
    assert_eq!(summary.unwrap().nulled_fields, 1);
}

#[test]
fn batches_do_not_show() {
    let count = BATCH_ROWS * 2 + 1;
    let lines: String = (0..count).map(|n| format!("{{\"device\":\"d{}\",\"ts\":{n}}}\n", n % 3)).collect();
    let sql = "SELECT device, count(*) AS n, max(unix_seconds(ts)) AS last FROM t GROUP BY device ORDER BY device";
    let groups = (0..3).map(|device| {
        let mut numbers = (0..count).filter(|n| n % 3 == device);
        format!("d{device},{},{}\n", numbers.clone().count(), numbers.next_back().unwrap())
    });
    assert_eq!(result(&lines, OutputFormat::Csv, sql), format!("device,n,last\n{}", groups.collect::<String>()));
    let total = result(&lines, OutputFormat::Csv, "SELECT count(*) AS n, count(DISTINCT ts) AS d FROM t");
    assert_eq!(total, format!("n,d\n{count},{count}\n"));
    let all = result(&lines, OutputFormat::Table, "SELECT device, ts FROM t");
    assert_eq!(all.lines().count(), count + 4);
}

#[test]
fn nothing_in_gives_one_group_or_none() {
    assert_eq!(result("", OutputFormat::Csv, "SELECT count(*) AS n, sum(AM2301.Temperature) AS s FROM t"), "n,s\n0,\n");
    assert_eq!(result("", OutputFormat::Csv, "SELECT device, count(*) AS n FROM t GROUP BY device"), "device,n\n");
}

/// An input without end, which fails where it is read after `lines`.
fn then_broken(lines: &str) -> impl Read + '_ {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read too far"))
        }
    }
    lines.as_bytes().chain(Broken)
}

#[test]
fn no_more_is_read_than_the_result_needs() {
    let (out, summary) = query(then_broken(""), OutputFormat::Csv, "SELECT 1 + 1 AS two");
    assert_eq!((out.as_str(), summary.unwrap().lines), ("two\n2\n", 0));
    let many = "{\"device\":\"a\"}\n".repeat(BATCH_ROWS);
    let (out, summary) = query(then_broken(&many), OutputFormat::Csv, "SELECT count(*) AS n FROM (SELECT * FROM t LIMIT 5)");
    summary.unwrap();
    assert_eq!(out, "n\n5\n");
    let (_, summary) = query(then_broken(&many), OutputFormat::Csv, "SELECT * FROM t");
    assert_eq!(summary.unwrap_err().to_string(), "cannot read it: read too far");
}

#[test]
fn long_lines_are_an_error() {
    let (_, summary) = query(io::Read::chain(&b"{}\n"[..], io::repeat(b' ')), OutputFormat::Csv, "SELECT * FROM t");
    assert_eq!(summary.unwrap_err().to_string(), "line 2 is longer than 16 MB; each line holds one JSON object or an array of them");
}

#[test]
fn lines_of_too_many_rows_are_rejected() {
    let line = format!("[{}{{}}]\n{{\"device\":\"a\"}}\n", "{},".repeat(crate::batch::ROWS_MAX));
    let (out, summary) = query(line.as_bytes(), OutputFormat::Csv, "SELECT device FROM t");
    assert_eq!(
        (out.as_str(), summary.unwrap().rejects),
        ("device\na\n", vec!["line 1: the payload has more rows or text than a batch holds".to_owned()])
    );
}
