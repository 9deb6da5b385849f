//! `tidemill test`, by the real binary: what it says, what it exits with, `--bless`; the cases that are shipped.

use std::fs;
use std::path::Path;
use std::process::Command;

const CASE: &str = r#"
[source.readings]
schema = "device STRING, ts TIMESTAMP, v DOUBLE"
event_time = "ts"
watermark = "10s"

[query.counts]
sql = "SELECT device, window.start AS start, count(*) AS n, sum(10 / v) AS s FROM readings GROUP BY device, window(ts, '1 minute')"
"#;

const INPUT: &str = r#"{"device":"a","ts":1767225600,"v":4}
{"device":"a","ts":1767225601,"v":0}
{"device":"b","ts":1767225602,"v":3}
{"device":"b","ts":1767225670}
"#;

/// Writes files by their names and contents.
fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Exit code and both outputs together.
fn test(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(crate::support::program::path()).current_dir(directory).arg("test").args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_case_passes_or_shows_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    let right = "{\"n\":1,\"device\":\"a\",\"start\":\"2026-01-01T00:00:00.000Z\",\"s\":2.5}\n\
                 {\"device\":\"b\",\"start\":\"2026-01-01T00:00:00.000Z\",\"n\":1,\"s\":3.3333333333}\n";
    let wrong = right.replace("2.5", "2.6");
    let status = "{\"watermark\":\"2026-01-01T00:01:00.000Z\",\"dead_letters\":1,\"reasons\":[\"division by zero\"]}";
    let files = [("case.toml", CASE), ("steps/1/readings.jsonl", INPUT), ("steps/1/status.json", status)];
    for (case, expected) in [("cases/right", right), ("cases/wrong", wrong.as_str())] {
        write(&directory.path().join(case), &files);
        write(&directory.path().join(case), &[("steps/1/expected.counts.jsonl", expected)]);
    }
    let (code, text) = test(directory.path(), &["cases"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("ok       cases/right\nFAILED   cases/wrong\n  step 1, query counts: 1 missing, 1 unexpected\n"), "{text}");
    assert!(
        text.contains("\n      - {\"device\":\"a\",\"n\":1,\"s\":2.6,") && text.contains("\n      + {\"device\":\"a\",\"n\":1,\"s\":2.5,"),
        "{text}"
    );
    assert!(text.ends_with("1 passed, 1 failed\n"), "{text}");
    assert_eq!(test(directory.path(), &["cases/right", "--restart"]).0, 0);
    assert_eq!(test(directory.path(), &["cases/right", "--split", "1"]).0, 0);

    let (code, text) = test(directory.path(), &["--bless", "cases"]);
    assert!(code == 0 && text.contains("blessed  cases/wrong"), "{text}");
    assert_eq!(test(directory.path(), &["cases"]), (0, "ok       cases/right\nok       cases/wrong\n2 passed, 0 failed\n".to_owned()));
    let kept = fs::read_to_string(directory.path().join("cases/right/steps/1/expected.counts.jsonl")).unwrap();
    assert_eq!(kept, right, "what passes is left as it is");
}

/// From whatever directory the command runs.
#[test]
fn a_case_names_the_configuration_that_it_lies_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let whole = format!("{}[sink.out]\ntype = \"mqtt\"\nbroker = \"mqtt://central\"\nfrom = [\"counts\"]\ntopic = \"t\"\n", CASE);
    let serial = "[source.readings]\ntype = \"serial\"\ndevice = \"/dev/ttyS0\"\nbaud = 300\nframing = \"cobs\"\n\
                  [query.ports]\nsql = \"SELECT _port AS port FROM readings\"\n";
    let socket =
        "[source.readings]\ntype = \"tcp\"\nlisten = \"0.0.0.0:4001\"\nallow = [\"10.0.0.0/8\"]\ntls = true\nread_timeout = \"off\"\n";
    let expected = "{\"device\":\"a\",\"start\":\"2026-01-01T00:00:00.000Z\",\"n\":1,\"s\":2.5}\n\
                    {\"device\":\"b\",\"start\":\"2026-01-01T00:00:00.000Z\",\"n\":1,\"s\":3.3333333333}\n";
    let status = "{\"dead_letters\":1}";
    let files = [
        ("gateway.toml", whole.as_str()),
        ("port.toml", serial),
        ("socket.toml", socket),
        (
            "cases/a/case.toml",
            "[test]\nqueries = [\"counts\"]\nconfig = [\"../../gateway.toml\", \"../../port.toml\", \"../../socket.toml\"]\n",
        ),
        ("cases/a/steps/1/readings.jsonl", INPUT),
        ("cases/a/steps/1/expected.jsonl", expected),
        ("cases/a/steps/1/status.json", status),
        ("gone/case.toml", "[test]\nconfig = [\"nowhere.toml\"]\n"),
        ("gone/steps/1/readings.jsonl", INPUT),
    ];
    write(path, &files);
    assert_eq!(test(path, &["cases"]), (0, "ok       cases/a\n1 passed, 0 failed\n".to_owned()));
    let (code, text) = test(path, &["gone"]);
    assert!(code == 1 && text.contains("cannot read gone/nowhere.toml: no such file"), "{text}");
}

#[test]
fn what_is_not_expected_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(path, &[("a/case.toml", CASE), ("a/steps/1/readings.jsonl", INPUT)]);
    let (code, text) = test(path, &["a"]);
    assert!(code == 1 && text.contains("step 1, query counts: 0 missing, 2 unexpected"), "{text}");
    assert!(text.contains("step 1: 1 dead letters, 0 expected\n      + counts: division by zero"), "{text}");
    write(path, &[("a/steps/1/status.json", "{\"dead_letters\":1,\"late\":3,\"watermark\":\"x\",\"reasons\":[\"overflow\"]}")]);
    let (_, text) = test(path, &["a"]);
    assert!(
        text.contains("watermark\n      - x\n      + 2026-01-01T00:01:00.000Z") && text.contains("late rows\n      - 3\n      + 0"),
        "{text}"
    );
    assert!(text.contains("no dead letter says \"overflow\""), "{text}");
}

#[test]
fn an_error_may_be_what_must_come() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let with =
        |sql: &str, error: &str| format!("[source.r]\nschema = \"a INT\"\n[query.q]\nsql = \"{sql}\"\n[test]\nerror = \"{error}\"\n");
    write(path, &[("a/case.toml", &with("SELECT b FROM r", "No Column `b`"))]);
    assert_eq!(test(path, &["a"]).0, 0);
    write(path, &[("a/case.toml", &with("SELECT b FROM r", "no table"))]);
    let (code, text) = test(path, &["--bless", "a"]);
    assert!(code == 1 && text.contains("must be an error with \"no table\", but the error is: error: there is no column `b`"), "{text}");
    write(path, &[("a/case.toml", &with("SELECT a FROM r", "no column"))]);
    assert!(test(path, &["a"]).1.contains("runs, but must be an error"));
}

#[test]
fn what_is_no_case_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let fails = |part: &str| {
        let (code, text) = test(path, &["a"]);
        assert!(code == 1 && text.starts_with("error: ") && text.contains(part), "{text}");
    };
    fails("a: ");
    write(path, &[("a/notes.txt", "")]);
    fails("there is no case.toml in or below it");
    write(path, &[("a/case.toml", CASE)]);
    fails("there is no step");
    for (name, text, part) in [
        ("readings.json", "", "a step holds"),
        ("expected.jsonl", "[1]", "line 1: a row is a JSON object"),
        ("expected.jsonl", "{}\n{", "line 2: "),
        ("step.toml", "tim = 1", "unknown field"),
        ("step.toml", "time = \"noon\"", "`noon` is no time"),
        ("status.json", "{\"lat\":1}", "unknown field"),
        ("readings.messages.jsonl", "{}", "line 1: a message has one of"),
    ] {
        write(path, &[(&format!("a/steps/1/{name}"), text)]);
        fails(part);
        fs::remove_dir_all(path.join("a/steps")).unwrap();
    }
    write(path, &[("a/steps/1/redings.jsonl", "{}\n"), ("a/steps/1/expected.other.jsonl", "")]);
    assert!(test(path, &["a"]).1.contains("step 1: there is no source `redings`"));
}

const WHOLE: &str = r#"
[source.readings]
schema = "device STRING, ts TIMESTAMP, v DOUBLE, seq INT"
event_time = "ts"
watermark = "10s"
dedup = ["device", "seq"]

[source.doors]
schema = "door STRING, open BOOLEAN"

[table.rooms]
path = "rooms.csv"
schema = "device STRING, room STRING"

[query.appended]
sql = "SELECT r.device, room, v FROM readings r LEFT JOIN rooms ON r.device = rooms.device"

[query.updated]
sql = "SELECT device, count(*) AS n FROM readings GROUP BY device"
mode = "update"

[query.completed]
sql = "SELECT door, count(*) AS n FROM doors GROUP BY door ORDER BY door"
mode = "complete"

[query.kept]
sql = "SELECT device, v FROM readings"
state = { script_text = "fn update(key, state, rows, now) { if state == () { state = 0.0; } for row in rows { state += row.v; } #{ device: key, total: state } }", key = ["device"], output = "device STRING, total DOUBLE" }
"#;

/// Two sources, a table that changes, repeats, every mode over streams, a state function: alone and with a restart after each step.
#[test]
fn a_case_may_hold_everything_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let first = r#"{"device":"a","ts":1767225600,"v":1,"seq":1}
{"device":"a","ts":1767225601,"v":1,"seq":1}
{"device":"b","ts":1767225602,"v":2,"seq":1}
"#;
    let files = [
        ("case.toml", WHOLE),
        ("rooms.csv", "device,room\na,attic\n"),
        ("steps/1/readings.jsonl", first),
        ("steps/1/doors.jsonl", "{\"door\":\"front\",\"open\":true}\n{\"door\":\"back\"}\n"),
        ("steps/1/expected.appended.jsonl", "{\"device\":\"a\",\"room\":\"attic\",\"v\":1.0}\n{\"device\":\"b\",\"v\":2.0}\n"),
        ("steps/1/expected.updated.jsonl", "{\"device\":\"a\",\"n\":1}\n{\"device\":\"b\",\"n\":1}\n"),
        ("steps/1/expected.completed.jsonl", "{\"door\":\"back\",\"n\":1}\n{\"door\":\"front\",\"n\":1}\n"),
        ("steps/1/expected.kept.jsonl", "{\"device\":\"a\",\"total\":1.0}\n{\"device\":\"b\",\"total\":2.0}\n"),
        ("steps/2/rooms.table.csv", "device,room\nb,cellar\n"),
        (
            "steps/2/readings.jsonl",
            "{\"device\":\"b\",\"ts\":1767225603,\"v\":4,\"seq\":2}\n{\"device\":\"b\",\"ts\":1767225603,\"v\":4,\"seq\":1}\n",
        ),
        ("steps/2/expected.appended.jsonl", "{\"device\":\"b\",\"room\":\"cellar\",\"v\":4.0}\n"),
        ("steps/2/expected.updated.jsonl", "{\"device\":\"b\",\"n\":2}\n"),
        ("steps/2/expected.kept.jsonl", "{\"device\":\"b\",\"total\":6.0}\n"),
    ];
    write(&path.join("whole"), &files);
    for options in [&[][..], &["--restart"]] {
        let (code, text) = test(path, &[options, &["whole"]].concat());
        assert!(code == 0, "{text}");
    }
    write(path, &[("whole/steps/2/rooms.table.csv", "device\nb\n")]);
    let (code, text) = test(path, &["whole"]);
    assert!(code == 1 && text.contains("step 2: table `rooms`: ") && text.contains("`room`"), "{text}");
    write(path, &[("whole/steps/2/ruums.table.csv", "")]);
    fs::remove_file(path.join("whole/steps/2/rooms.table.csv")).unwrap();
    assert!(test(path, &["whole"]).1.contains("there is no table `ruums`"));
}

/// The cases for the shipped configuration, which need no broker and none of its passwords.
#[test]
fn shipped_cases_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for options in [&[][..], &["--restart"]] {
        let (code, text) = test(root, &[options, &["-c", "configs/gateway.toml", "examples/queries"]].concat());
        assert!(code == 0 && text.ends_with("3 passed, 0 failed\n"), "{text}");
    }
}

/// Devices' payloads as their makers document them, and the queries for them.
#[test]
fn cases_of_devices_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for options in [&[][..], &["--restart"], &["--split", "1"]] {
        let (code, text) = test(root, &[options, &["examples/devices"]].concat());
        assert!(code == 0 && text.ends_with("9 passed, 0 failed\n"), "{text}");
    }
}
