//! `tidemill query --state`, by the real binary: keys, files, initial states, timeouts by the rows' times, limits, errors.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const READINGS: &str = "device STRING, ts TIMESTAMP, t DOUBLE";

/// What most tests have beside the script.
const KEYS: &str = "key = [\"device\"]\noutput = \"device STRING, n BIGINT, ts TIMESTAMP\"\n";

/// Exit code, standard output, standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(crate::support::program::path());
    command.current_dir(directory).args(["query", "--state", "state.toml", "--format", "csv"]).args(arguments).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// `state.toml` with these keys and this script over `readings.csv` with these rows.
fn over(keys: &str, script: &str, readings: &str) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("state.toml"), format!("{keys}script_text = \"\"\"\n{script}\"\"\"\n")).unwrap();
    std::fs::write(directory.path().join("readings.csv"), format!("device,ts,t\n{readings}")).unwrap();
    run(directory.path(), &["--from", "readings.csv", "--schema", READINGS, "SELECT * FROM readings"])
}

fn rows(header: &str, lines: &[&str]) -> String {
    format!("{header}\n{}", lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

#[test]
fn each_key_has_its_state_over_all_files() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "state.toml",
        "script = \"sums.rhai\"\nfunction = \"add\"\nkey = [\"device\", \"room\"]\noutput = \"device STRING, room INT, t DOUBLE, sum DOUBLE\"\n",
    );
    write(
        "sums.rhai",
        "fn add(key, state, rows, now) {
             let out = [];
             for row in rows {
                 state = (state ?? 0.0) + row.t;
                 out.push(#{ device: key.device, room: key.room, t: row.t, sum: state });
             }
             out
         }",
    );
    write(
        "day-1.jsonl",
        "{\"device\":\"a\",\"room\":1,\"t\":3}\n{\"device\":\"a\",\"room\":2,\"t\":5}\n{\"device\":\"a\",\"room\":1,\"t\":1}\n",
    );
    write("day-2.jsonl", "{\"device\":\"a\",\"room\":1,\"t\":2}\n{\"device\":\"b\",\"t\":7}\n");
    let schema = "device STRING, room INT, t DOUBLE";
    let header = "device,room,t,sum";
    let (code, out, err) = run(directory.path(), &["--from", "day-*.jsonl", "--schema", schema, "SELECT * FROM day"]);
    let as_read = ["a,1,3.0,3.0", "a,1,1.0,4.0", "a,1,2.0,6.0", "a,2,5.0,5.0", "b,,7.0,7.0"];
    assert_eq!((code, out, err), (0, rows(header, &as_read), String::new()));

    let sorted = ["--from", "day-*.jsonl", "--schema", schema, "SELECT * FROM day WHERE device = 'a' ORDER BY t"];
    let (_, out, _) = run(directory.path(), &sorted);
    assert_eq!(out, rows(header, &["a,1,1.0,1.0", "a,1,2.0,3.0", "a,1,3.0,6.0", "a,2,5.0,5.0"]), "in the query's order");
}

#[test]
fn a_key_with_many_rows_keeps_its_state_from_call_to_call() {
    let script = "fn update(key, state, rows, now) {
                      if rows.len() > 250 { throw \"too many\"; }
                      state = (state ?? 0) + rows.len();
                      if state == 40000 { #{ device: key, n: state, ts: now } }
                  }\n";
    let readings: String = (0..40_000).map(|row| format!("a,2026-01-01T10:{:02}:{:02}Z,1\n", row / 1000, row % 60)).collect();
    let (code, out, err) = over(KEYS, script, &readings);
    assert_eq!(
        (code, out, err),
        (0, rows("device,n,ts", &["a,40000,2026-01-01 10:38:59.999999"]), String::new()),
        "`now` is just before the rows"
    );
}

#[test]
fn a_query_begins_with_its_initial_states() {
    let directory = tempfile::tempdir().unwrap();
    let script = "script_text = 'fn update(key, state, rows, now) { state = (state ?? 0) + rows.len(); #{ device: key, n: state } }'\n";
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("state.toml", &format!("{KEYS}initial = \"counts.jsonl\"\n{script}"));
    write("counts.jsonl", "{\"device\":\"a\",\"state\":100}\n");
    let sql = "SELECT device FROM VALUES ('a'), ('b'), ('a') AS r(device)";
    assert_eq!(run(directory.path(), &[sql]), (0, rows("device,n,ts", &["a,102,", "b,1,"]), String::new()));

    write("counts.jsonl", "{\"device\":\"a\",\"state\":100}\n{\"devise\":\"a\",\"state\":100}\n");
    let (code, out, err) = run(directory.path(), &[sql]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains(" --> counts.jsonl:2:1\n") && err.contains("this line has no `device`"), "{err}");
}

#[test]
fn a_call_that_fails_shows_its_line_and_the_others_go_on() {
    let script = "fn update(key, state, rows, now) {
    if rows[0].t > 50.0 {
        throw \"too hot\";
    }
    #{ device: key, n: rows.len() }
}\n";
    let (code, out, err) = over(KEYS, script, "a,,20\nb,,90\nc,,30\n");
    assert_eq!((code, out), (0, rows("device,n,ts", &["a,1,", "c,1,"])));
    assert!(err.starts_with("warning: 1 row failed and is not in the result:\n  "), "{err}");
    assert!(err.contains("state.toml:6:9: in update: too hot") && err.contains(r#""device":"b""#), "{err}");
}

#[test]
fn calls_are_bounded_and_no_other_key_pays_for_it() {
    let script = "fn update(key, state, rows, now) { while key != \"z\" { } #{ device: key, n: rows.len() } }\n";
    let (code, out, err) = over(KEYS, script, "a,,1\nb,,1\nc,,1\nd,,1\ne,,1\nf,,1\nz,,1\n");
    assert_eq!((code, out), (0, rows("device,n,ts", &["z,1,"])));
    assert!(err.starts_with("warning: 6 rows failed") && err.matches("operations").count() == 6, "{err}");
}

/// Asks for a timeout five minutes after the last row.
const SILENT: &str = "fn update(key, state, rows, now) {
    if rows.is_empty() { return #{ device: key, n: state.n, ts: now }; }
    state = #{ n: (state?.n ?? 0) + rows.len() };
    timeout_at(rows[-1].ts + minutes(5));
}\n";

#[test]
fn timeouts_pass_up_to_the_latest_row() {
    let readings = "c,2026-01-01T10:06:00Z,1\na,2026-01-01T10:02:00Z,1\nb,2026-01-01T10:00:00Z,1\nd,2026-01-01T10:10:00Z,1\n\
                    e,2026-01-01T10:05:00Z,1\nb,2026-01-01T10:01:00Z,1\nf,,1\n";
    let passed = ["b,2,2026-01-01 10:06:00.000001", "a,1,2026-01-01 10:07:00.000001"];
    for timeout in ["event", "processing"] {
        let (code, out, err) =
            over(&format!("{KEYS}timeout = \"{timeout}\"\n"), &SILENT.replace("rows[-1].ts", "(rows[-1].ts ?? now)"), readings);
        let at_1970 = "f,1,1970-01-01 00:05:00.000001";
        let expected = rows("device,n,ts", &[at_1970, passed[0], passed[1]]);
        assert_eq!((code, out, err), (0, expected, String::new()), "{timeout}: e's has not passed at its own time");
    }
}

#[test]
fn one_timeout_leads_to_the_next() {
    let every_hour = "fn update(key, state, rows, now) {
                          if rows.is_empty() { timeout_after(hours(1)); } else { timeout_at(rows[-1].ts + hours(1)); }
                          state = (state ?? 0) + 1;
                          if rows.is_empty() { #{ device: key, n: state, ts: now } }
                      }\n";
    let readings = "a,2026-01-01T10:00:00Z,1\nb,2026-01-01T10:30:00Z,1\nb,2026-01-01T12:45:00Z,1\na,2026-01-01T10:10:00Z,1\n";
    let (code, out, err) = over(&format!("{KEYS}timeout = \"event\"\n"), every_hour, readings);
    let expected = ["a,2,2026-01-01 11:10:00.000001", "a,3,2026-01-01 12:10:00.000002"];
    assert_eq!((code, out, err), (0, rows("device,n,ts", &expected), String::new()));
}

#[test]
fn timeouts_that_never_end_are_told() {
    let always = "fn update(key, state, rows, now) { if key == \"a\" { timeout_at(now + 1); } }\n";
    let (code, out, err) = over(&format!("{KEYS}timeout = \"event\"\n"), always, "a,2026-01-01T10:00:00Z,1\nb,2026-01-01T12:00:00Z,1\n");
    assert_eq!((code, out), (0, rows("device,n,ts", &[])));
    assert!(err.contains("update: no further timeouts: there were 100000 for each key already: {\"device\":\"a\"}"), "{err}");
}

#[test]
fn a_timeout_whose_call_fails_is_gone() {
    let script = "fn update(key, state, rows, now) {
    if rows.is_empty() { throw \"no\"; }
    timeout_at(rows[0].ts + 1);
}\n";
    let (code, out, err) = over(&format!("{KEYS}timeout = \"event\"\n"), script, "a,2026-01-01T10:00:00Z,1\nb,2026-01-01T12:00:00Z,1\n");
    assert_eq!((code, out), (0, rows("device,n,ts", &[])));
    assert!(err.starts_with("warning: 1 row failed") && err.contains("state.toml:6:26: in update: no"), "{err}");
}

#[test]
fn what_is_wrong_with_the_file_shows_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let error = |text: &str| {
        std::fs::write(directory.path().join("state.toml"), text).unwrap();
        let (code, out, err) = run(directory.path(), &["SELECT 'a' AS device, 1 AS n"]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        err
    };
    let script = "script_text = 'fn update(key, state, rows, now) { }'\n";
    for (text, place, message) in [
        (format!("{KEYS}{script}timeuot = \"event\"\n"), "4:1", "unknown key `timeuot` at the top"),
        (format!("{KEYS}{script}timeout = \"event\"\n"), "4:11", "timeouts in event time need the query's event time"),
        (format!("output = \"n INT\"\n{script}"), "1:1", "`key` is missing in this file"),
        (KEYS.to_owned(), "1:1", "this file needs `script` or `script_text`"),
        (format!("key = [\"devise\"]\noutput = \"n INT\"\n{script}"), "1:8", "the query's result has no column `devise`"),
        (format!("key = [\"device\"]\noutput = \"n ITN\"\n{script}"), "2:13", "ITN"),
        (format!("{KEYS}script_text = '''\nfn update(key, state, rows, now) {{\n  1 +\n}}'''\n"), "6:1", "the script: "),
        (format!("{KEYS}{script}function = \"updaet\"\n"), "4:12", "updaet"),
        (format!("{KEYS}script = \"gone.rhai\"\n"), "3:10", "cannot read gone.rhai: no such file"),
        ("[query.q]\nsql = \"SELECT 1\"\n".to_owned(), "1:2", "unknown key `query` at the top"),
    ] {
        let err = error(&text);
        assert!(
            err.starts_with("error: ") && err.contains(&format!(" --> state.toml:{place}\n")) && err.contains(message),
            "{text}\n{err}"
        );
    }
    std::fs::remove_file(directory.path().join("state.toml")).unwrap();
    let (code, _, err) = run(directory.path(), &["SELECT 1"]);
    assert!(code == 1 && err.starts_with("error: cannot read state.toml: no such file\n"), "{err}");
}
