//! Whole queries over lines: output formats, what is reported, how much is read and held.

use std::io;

use super::*;
use crate::format::TimestampUnit;
use crate::format::csv::CsvSettings;
use crate::plan::OutputMode;
use crate::sql::{Catalog, parse_schema, plan_query};

const SCHEMA: &str = "device STRING, ts TIMESTAMP, AM2301.Temperature DOUBLE";

const LINES: &str = r#"{"device":"a","ts":1767225600.25,"AM2301":{"Temperature":21.5}}
{"device":"b","ts":1767225601,"AM2301":{"Temperature":1e7}}

not json
[{"device":"say \"hi\", a\nb\u001b[2J"},{"device":"","ts":"soon"}]
"#;

fn planned(tables: &[FileTable], sql: &str) -> Query {
    let schemas: Vec<_> = tables.iter().map(|table| table.schema.clone()).collect();
    let catalog = Catalog { sources: &schemas, ..Catalog::default() };
    plan_query("query", sql, OutputMode::Batch, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(sql)))
}

fn file<R: Read>(name: &str, input: R) -> NamedFile<R> {
    NamedFile { name: name.to_owned(), input: Ok(input) }
}

fn query(input: impl Read, format: OutputFormat, sql: &str) -> (String, Result<Summary, BatchQueryError>) {
    let table = FileTable::json("t", parse_schema(SCHEMA).unwrap(), TimestampUnit::Seconds);
    let query = planned(std::slice::from_ref(&table), sql);
    let mut out = Vec::new();
    let result = run(vec![TableFiles { table, files: [file("t.jsonl", input)].into_iter() }], query, Vec::new(), format, 7, &mut out);
    (String::from_utf8(out).unwrap(), result)
}

/// By name and contents; a name in `.csv` is CSV.
type Files<'a> = &'a [(&'a str, &'a [u8])];

/// The result, as CSV, over these tables: name, schema, files.
fn over(tables: &[(&str, &str, Files)], sql: &str) -> (String, Result<Summary, BatchQueryError>) {
    let table = |(name, schema, files): &(&str, &str, Files)| {
        let columns = parse_schema(schema).unwrap();
        if files.iter().any(|(name, _)| name.ends_with(".csv")) {
            return FileTable::csv(name, &columns, CsvSettings::default());
        }
        FileTable::json(name, columns, TimestampUnit::Seconds)
    };
    let file_tables: Vec<FileTable> = tables.iter().map(table).collect();
    let query = planned(&file_tables, sql);
    let files = tables.iter().map(|(_, _, files)| files.iter().map(|(name, bytes)| file(name, *bytes)));
    let inputs = file_tables.into_iter().zip(files).map(|(table, files)| TableFiles { table, files }).collect();
    let mut out = Vec::new();
    let result = run(inputs, query, Vec::new(), OutputFormat::Csv, 7, &mut out);
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
    assert_eq!(
        (summary.lines, summary.null_rows, summary.first_null_row.as_deref(), summary.nulled_fields),
        (35, 1, Some("t.jsonl:4"), 0),
        "ts is not read"
    );
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
    assert_eq!(summary.unwrap_err().to_string(), "cannot read t.jsonl: read too far");
}

#[test]
fn long_lines_are_an_error() {
    let (_, summary) = query(io::Read::chain(&b"{}\n"[..], io::repeat(b' ')), OutputFormat::Csv, "SELECT * FROM t");
    assert_eq!(summary.unwrap_err().to_string(), "t.jsonl:2: the line is longer than 16 MB");
}

#[test]
fn lines_of_too_many_rows_are_rejected() {
    let line = format!("[{}{{}}]\n{{\"device\":\"a\"}}\n", "{},".repeat(crate::batch::ROWS_MAX));
    let (out, summary) = query(line.as_bytes(), OutputFormat::Csv, "SELECT device FROM t");
    assert_eq!(
        (out.as_str(), summary.unwrap().rejects),
        ("device\na\n", vec!["t.jsonl:1: the payload has more rows or text than a batch holds".to_owned()])
    );
}

#[test]
fn several_files_are_one_table() {
    let files: &[(&str, &[u8])] = &[("1.csv", b"a,b\n1,x\n2,y"), ("2.csv", b"b,a\nz,3\nlong,4,5\n"), ("3.csv", b"")];
    let (out, summary) = over(&[("t", "a INT, b STRING", files)], "SELECT a, b FROM t");
    let summary = summary.unwrap();
    assert_eq!(out, "a,b\n1,x\n2,y\n3,z\n4,long\n");
    assert_eq!((summary.lines, summary.bad_records), (6, 1));
    assert_eq!(summary.first_bad_record.as_deref(), Some("2.csv:3: 3 fields where 2 are expected"));
    let (_, error) = over(&[("t", "a INT, c STRING", files)], "SELECT c FROM t");
    assert_eq!(error.unwrap_err().to_string(), "1.csv: the header has no column `c`; it has a, b");
}

#[test]
fn several_tables_meet() {
    let readings: &[(&str, &[u8])] = &[("r.jsonl", b"{\"d\":1,\"v\":2.5}\n{\"d\":2,\"v\":1}\n{\"d\":3}\n")];
    let rooms: &[(&str, &[u8])] = &[("rooms.csv", b"d,room\n1,attic\n2,\"bath, small\"\n")];
    let unread: &[(&str, &[u8])] = &[("unread.csv", b"not,there\n")];
    let tables = [("r", "d INT, v DOUBLE", readings), ("rooms", "d INT, room STRING", rooms), ("unread", "x INT", unread)];
    let sql = "SELECT r.d, room, v FROM r LEFT JOIN rooms ON r.d = rooms.d ORDER BY d";
    let (out, summary) = over(&tables, sql);
    assert_eq!((out.as_str(), summary.unwrap().lines), ("d,room,v\n1,attic,2.5\n2,\"bath, small\",1.0\n3,,\n", 6));
    let (out, _) = over(&tables, "SELECT d FROM r UNION ALL SELECT d FROM rooms");
    assert_eq!(out.lines().count(), 6);
}

#[test]
fn literal_queries_read_nothing() {
    for (sql, expected) in [
        ("SELECT 1 AS a, 'x' AS b", "a,b\n1,x\n"),
        ("SELECT * FROM VALUES (1, 'x'), (2, NULL) AS t(a, b)", "a,b\n1,x\n2,\n"),
        ("VALUES (1), (2)", "col1\n1\n2\n"),
    ] {
        let (out, summary) = over(&[], sql);
        assert_eq!((out.as_str(), summary.unwrap().lines), (expected, 0), "{sql}");
    }
}

#[test]
fn an_objects_members_have_different_names() {
    let sql = "SELECT 1 AS a, 2 AS a";
    assert_eq!(over(&[], sql).0, "a,a\n1,2\n");
    let (_, error) = query(&b""[..], OutputFormat::Json, sql);
    assert!(error.unwrap_err().to_string().contains("two columns of the result are called `a`"));
}
