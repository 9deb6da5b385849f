//! `tidemill query`, by the real binary: formats, standard input, what is reported, errors.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SCHEMA: &str = "device STRING, ts TIMESTAMP, temperature DOUBLE";

const READINGS: &str = r#"{"device":"a","ts":1767225600000,"temperature":21.5}
{"device":"b","ts":1767225601250,"temperature":19}
{"device":"a","ts":1767225665000,"temperature":22.5}
{"device":"b","ts":1767225666000,"temperature":"warm"}
"#;

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("readings-2.jsonl"), READINGS).unwrap();
    directory
}

fn query(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::support::program::path());
    command.current_dir(directory).args(["query", "--schema", SCHEMA, "--timestamp-unit", "ms"]).args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = query(directory().path(), arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const FROM: [&str; 2] = ["--from", "readings-2.jsonl"];
const BY_MINUTE: &str = "SELECT device, window.start AS start, avg(temperature) AS mean, count(*) AS n FROM readings_2
                         GROUP BY device, window(ts, '1 minute') ORDER BY start, device";
const NOTE: &str = "note: 1 field did not fit its column's type and was read as NULL\n";

#[test]
fn results_come_as_a_table() {
    let (code, out, err) = run(&[FROM[0], FROM[1], BY_MINUTE]);
    let table = "\
+------+-------------------+----+-+
|device|start              |mean|n|
+------+-------------------+----+-+
|a     |2026-01-01 00:00:00|21.5|1|
|b     |2026-01-01 00:00:00|19.0|1|
|a     |2026-01-01 00:01:00|22.5|1|
|b     |2026-01-01 00:01:00|NULL|1|
+------+-------------------+----+-+
";
    assert_eq!((code, out.as_str(), err.as_str()), (0, table, NOTE));
}

#[test]
fn results_come_as_json_and_csv() {
    let (code, json, err) = run(&[FROM[0], FROM[1], "--format", "json", BY_MINUTE]);
    let expected = r#"{"device":"a","start":"2026-01-01T00:00:00.000Z","mean":21.5,"n":1}
{"device":"b","start":"2026-01-01T00:00:00.000Z","mean":19.0,"n":1}
{"device":"a","start":"2026-01-01T00:01:00.000Z","mean":22.5,"n":1}
{"device":"b","start":"2026-01-01T00:01:00.000Z","n":1}
"#;
    assert_eq!((code, json.as_str(), err.as_str()), (0, expected, NOTE));

    let (code, csv, _) =
        run(&[FROM[0], FROM[1], "--format", "csv", "SELECT ts, concat(device, ',') AS d, temperature AS t FROM readings_2"]);
    let expected = "ts,d,t\n2026-01-01 00:00:00,\"a,\",21.5\n2026-01-01 00:00:01.25,\"b,\",19.0\n\
                    2026-01-01 00:01:05,\"a,\",22.5\n2026-01-01 00:01:06,\"b,\",\n";
    assert_eq!((code, csv.as_str()), (0, expected));
}

#[test]
fn standard_input_is_a_file() {
    let directory = directory();
    for name in ["-", "/dev/stdin"] {
        let mut command = query(directory.path(), &["--from", name, "--format", "csv", "SELECT count(*) AS n FROM stdin"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(READINGS.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"n\n4\n"[..]), "{name}");
    }
}

#[test]
fn rows_that_fail_are_told_and_left_out() {
    let zero = "SELECT device, 1 / (temperature - 21.5) AS r FROM readings_2 WHERE temperature IS NOT NULL";
    let (code, out, err) = run(&[FROM[0], FROM[1], "--format", "csv", zero]);
    assert_eq!((code, out.lines().count()), (0, 3), "{out}");
    let told = err.strip_prefix(NOTE).unwrap_or_else(|| panic!("{err}"));
    assert!(told.starts_with("warning: 1 row failed and is not in the result:\n  "), "{err}");
    assert!(told.contains("1 / (temperature - 21.5)") && told.contains(r#""temperature":21.5"#), "{err}");

    let directory = directory();
    let lines = format!("[1]\n{}", "{\"temperature\":0}\n".repeat(12));
    std::fs::write(directory.path().join("t.jsonl"), lines).unwrap();
    let output =
        query(directory.path(), &["--from", "t.jsonl", "--format", "json", "SELECT 1 / temperature AS r FROM t"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.starts_with("note: 1 line is no JSON object and was read as a row of NULLs, the first at t.jsonl:1\nwarning: 12 rows failed"),
        "{err}"
    );
    assert!(err.ends_with("\n  and 2 more\n"), "{err}");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"{}\n"[..]));
}

#[test]
fn errors_show_their_place() {
    let (code, out, err) = run(&[FROM[0], FROM[1], "SELECT\n  devise FROM readings_2"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: ") && err.contains(" --> query:2:3\n") && err.contains("^^^^^^") && err.contains("`device`"), "{err}");

    let (code, _, err) = run(&[FROM[0], FROM[1], "SELECT * FROM readings"]);
    assert!(code == 1 && err.contains("`readings_2`"), "{err}");

    let directory = directory();
    let mut command = Command::new(crate::support::program::path());
    command.current_dir(directory.path()).args(["query", FROM[0], FROM[1], "--schema", "device STRIG", "SELECT * FROM readings_2"]);
    let output = command.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && err.starts_with("error: ") && err.contains("--> --schema:1:"), "{err}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let (code, out, err) = run(&["--from", "gone.jsonl", "SELECT * FROM gone"]);
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", "error: cannot read gone.jsonl: no such file\n"));
    let (code, _, err) = run(&["--from", ".", "--format", "json", "SELECT * FROM t"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: cannot read .: "), "{err}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let directory = directory();
    std::fs::write(directory.path().join("t.jsonl"), "{\"device\":\"a\"}\n".repeat(200_000)).unwrap();
    let mut command = query(directory.path(), &["--from", "t.jsonl", "--format", "json", "SELECT * FROM t"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn tables_of_several_kinds_meet() {
    let directory = directory();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    write("rooms.tsv", b"device\troom\na\tattic\n");
    write("more-1.csv", b"temperature;device\n-;a\n40,5;b\n");
    write("more-2.csv", b"device;temperature\na;1\n");
    let tables = ["--table", "rooms=rooms.tsv:device STRING, room STRING"];
    let sql = "SELECT room, count(*) AS n, avg(temperature) AS mean FROM readings_2 r JOIN rooms ON r.device = rooms.device GROUP BY room";
    let output = query(directory.path(), &[&FROM[..], &tables, &["--format", "csv", sql]].concat()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "room,n,mean\nattic,2,22.0\n", "{output:?}");

    let mut command = Command::new(crate::support::program::path());
    let more = "more=more-*.csv:device STRING, temperature STRING";
    let sql = "SELECT device, temperature FROM more";
    command.current_dir(directory.path()).args([
        "query",
        "--table",
        more,
        "--csv-separator",
        ";",
        "--csv-null",
        "-",
        "--format",
        "csv",
        sql,
    ]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "device,temperature\na,\nb,\"40,5\"\na,1\n", "{output:?}");
}

#[test]
fn a_query_without_tables_needs_none() {
    let run = |arguments: &[&str]| {
        let output = Command::new(crate::support::program::path()).arg("query").args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["--format", "csv", "SELECT 1 + 1 AS two"]), (0, "two\n2\n".to_owned(), String::new()));
    let (code, _, err) = run(&["--table", "rooms", "SELECT 1"]);
    assert!(code == 2 && err.contains("name=file:schema"), "{err}");
    let (code, _, err) = run(&["--table", "r=*.nothing:a INT", "SELECT a FROM r"]);
    assert_eq!((code, err.as_str()), (1, "error: *.nothing names no file\n"));
    let (code, _, err) = run(&["--from", "x.csv", "SELECT 1"]);
    assert!(code == 2 && err.contains("--schema"), "{err}");
}

const WEATHER: &str = "\
// sql: dew_point(t DOUBLE, h DOUBLE) -> DOUBLE
fn dew_point(t, h) {
    if t == () { return (); }
    spread(t, h)
}

fn spread(t, h) { t - (100.0 - h) / 5.0 }

    // sql: Per(n INT)  ->  INT
fn Per(n) {
    100 / n
}
";

/// `query` over literal rows with functions from the files given: exit code, standard output, standard error.
fn with_functions(files: &[(&str, &str)], sql: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(crate::support::program::path());
    command.current_dir(directory.path()).args(["query", "--format", "csv"]).stdin(Stdio::null());
    for (name, contents) in files {
        std::fs::write(directory.path().join(name), contents).unwrap();
        command.args(["--functions", name]);
    }
    let Output { status, stdout, stderr } = command.arg(sql).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn functions_of_scripts_are_called() {
    let sql = "SELECT dew_point(t, 50) AS dew, PER(n) AS part FROM VALUES (20.5D, 8), (NULL, 3) AS r(t, n)";
    assert_eq!(with_functions(&[("weather.rhai", WEATHER)], sql), (0, "dew,part\n10.5,12\n,33\n".to_owned(), String::new()));

    let settings = "[function.twice]\nscript = \"more.rhai\"\nfunction = \"double\"\nsignature = \"(x BIGINT) -> BIGINT\"\n\
                    [source.s]\npassword = \"env:NOT_SET\"\n";
    let script = "// sql: thrice(x INT) -> INT\nfn thrice(x) { 3 * x }\nfn double(x) { x * 2 }\n";
    let files = [("more.rhai", script), ("weather.rhai", WEATHER), ("gateway.toml", settings)];
    assert_eq!(with_functions(&files, "SELECT twice(per(5)) + thrice(1) AS n"), (0, "n\n43\n".to_owned(), String::new()));
}

#[test]
fn a_failing_function_shows_the_line_of_its_script() {
    let (code, out, err) = with_functions(&[("weather.rhai", WEATHER)], "SELECT per(n) AS part FROM VALUES (0), (50) AS r(n)");
    assert_eq!((code, out.as_str()), (0, "part\n2\n"));
    let start = "warning: 1 row failed and is not in the result:\n  ";
    assert!(err.starts_with(start) && err.contains("weather.rhai:11:9: in Per: Division by zero: 100 / 0"), "{err}");
}

#[test]
fn functions_that_cannot_be_taken_say_why_and_where() {
    let error = |contents: &str| {
        let (code, out, err) = with_functions(&[("f.rhai", contents)], "SELECT 1");
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        err
    };
    for (contents, place, message) in [
        ("\n// sql: f(x INT) -> INT\nfn f(x) {\n  x +\n}\n", "f.rhai:5:1", "the script: "),
        ("// sql: f(x INT) -> INT\nfn f(x, y) { x }\n", "f.rhai:1:9", "`f` has 2 parameters in the script, but fn f(x) is needed"),
        ("fn f(x) { x }\n// sql: ff(x INT) -> INT\n", "f.rhai:2:9", "the script has no function fn ff(x)"),
        ("// sql: f(x INT) -> STRIG\nfn f(x) { x }\n", "f.rhai:1:21", "STRIG"),
        ("// sql: f x INT\nfn f(x) { x }\n", "f.rhai:1:8", "this is no signature"),
        ("// sql: upper(x INT) -> INT\nfn upper(x) { x }\n", "f.rhai:1:9", "there is a function `upper` already"),
        ("// sql: f(x INT) -> INT\n// sql: F(x INT) -> INT\nfn f(x) { x }\nfn F(x) { x }", "f.rhai:2:9", "there are two functions `f`"),
    ] {
        let err = error(contents);
        assert!(err.starts_with("error: ") && err.contains(&format!(" --> {place}\n")) && err.contains(message), "{contents}\n{err}");
    }
    assert!(error("fn f(x) { x }").contains("f.rhai makes no function one of SQL\n"));
    let (code, _, err) = with_functions(&[("g.toml", "[query.q]\nsql = \"SELECT 1\"")], "SELECT 1");
    assert!(code == 1 && err.contains("g.toml has no section [function.<name>]"), "{err}");
    let (code, _, err) = with_functions(&[("weather.rhai", WEATHER)], "SELECT dew_point(1)");
    assert!(code == 1 && err.contains("dew_point(t DOUBLE, h DOUBLE)"), "{err}");

    let output = Command::new(crate::support::program::path()).args(["query", "--functions", "gone.rhai", "SELECT 1"]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.as_str()), (Some(1), "error: cannot read gone.rhai: no such file\n"));
}

/// `script` runs a command on a terminal of its own and gives out what that shows.
#[test]
fn long_work_shows_on_a_terminal_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("slow.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sql = "SELECT count(*) AS n FROM slow";
    let query = format!("exec {} query --from slow.jsonl --schema 'a INT' --format csv '{sql}' > out.csv", crate::support::program::path());
    let mut command = Command::new("script");
    command.current_dir(directory.path()).args(["-qefc", &query, "/dev/null"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut terminal = child.stdout.take().unwrap();
    // The work takes as long as it takes until the line has been seen.
    let (seen, is_seen) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::File::options().read(true).write(true).open(pipe).unwrap();
        let mut lines = 0;
        while is_seen.recv_timeout(std::time::Duration::from_millis(20)).is_err() && lines < 5_000 {
            pipe.write_all(b"{\"a\":1}\n").unwrap();
            lines += 1;
        }
        lines
    });
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match terminal.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => shown.extend_from_slice(&buffer[..count]),
        }
        if String::from_utf8_lossy(&shown).contains("\r\u{1b}[Kslow.jsonl: 0.0 MB") {
            _ = seen.send(());
        }
    }
    let lines = writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("\r\u{1b}[Kslow.jsonl: 0.0 MB") && shown.trim_end().ends_with("\u{1b}[K"), "{shown:?} after {lines} lines");
    assert_eq!(std::fs::read_to_string(directory.path().join("out.csv")).unwrap(), format!("n\n{lines}\n"));
}
