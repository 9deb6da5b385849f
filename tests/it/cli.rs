//! The command line, by the real binary: output, exit codes, readers that go away.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &str = r#"
[gateway]
id = "barn-7"
data_dir = "data"
[source.readings]
type = "mqtt"
broker = "mqtt://localhost"
topics = ["sensors/{device}/climate"]
schema = "ts TIMESTAMP, temperature DOUBLE"
[query.climate]
sql = "SELECT * FROM readings"
[query.hot]
sql = "SELECT device FROM readings WHERE temperature > 30"
[sink.central]
type = "stdout"
from = ["climate", "hot"]
"#;

fn tidemill(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::support::program::path());
    command.current_dir(directory).args(arguments).stdin(Stdio::null()).env_remove("TIDEMILL_LOG");
    command
}

/// Exit code, standard output, standard error.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = tidemill(directory, arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn directory_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

#[test]
fn check_says_ok_in_one_line() {
    let directory = directory_with(&[("gateway.toml", GOOD)]);
    let (code, out, err) = run(directory.path(), &["check", "-c", "gateway.toml"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "barn-7: 1 source, 2 queries, 1 sink: ok\n", ""));
    assert!(!directory.path().join("data").exists(), "check makes nothing");
}

#[test]
fn check_shows_errors_and_exits_with_1() {
    let directory = directory_with(&[("gateway.toml", GOOD), ("wrong.toml", "[source.readings]\nqso = 1\n")]);
    let (code, out, err) = run(directory.path(), &["check", "-c", "gateway.toml", "-c", "wrong.toml"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("error: unknown key `qso` in [source.readings]\n --> wrong.toml:2:1\n"), "{err}");
    assert!(err.ends_with("\n1 error in the configuration\n"), "{err}");

    let (code, _, err) = run(directory.path(), &["check", "-c", "gone.toml"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: cannot read gone.toml: no such file\n"), "{err}");
}

#[test]
fn check_looks_at_files_and_the_data_directory() {
    let secret = GOOD.replace("schema", "username = \"u\"\npassword = \"file:/nowhere/password\"\nschema");
    let directory = directory_with(&[("secret.toml", &secret), ("gateway.toml", GOOD), ("data", "a file")]);
    let (code, _, err) = run(directory.path(), &["check", "-c", "secret.toml"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("error: cannot read /nowhere/password: no such file\n"), "{err}");
    let (code, _, err) = run(directory.path(), &["check", "-c", "gateway.toml"]);
    assert_eq!((code, err.as_str()), (1, "error: the data directory cannot be data: data is not a directory\n"));
}

#[test]
fn wrong_command_lines_exit_with_2() {
    let directory = directory_with(&[("gateway.toml", GOOD)]);
    for (arguments, message) in [
        (&[][..], "Usage: tidemill"),
        (&["check"], "--config <FILE>"),
        (&["chek", "-c", "gateway.toml"], "check"),
        (&["run", "-c", "gateway.toml", "--log-format", "xml"], "[possible values: text, json]"),
        (&["run", "-c", "gateway.toml", "--log-level", "loud"], "`loud` is not a log level"),
        (&["query", "--from", "x.jsonl", "SELECT 1"], "--schema"),
        (&["query", "--from", "x.jsonl", "--schema", "a INT", "--timestamp-unit", "ns", "SELECT 1"], "[possible values: s, ms, us]"),
    ] {
        let (code, out, err) = run(directory.path(), arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let directory = directory_with(&[]);
    let (code, out, _) = run(directory.path(), &["--version"]);
    assert_eq!((code, out), (0, format!("tidemill {}\n", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = run(directory.path(), &["--help"]);
    assert_eq!(code, 0);
    for command in ["run", "check", "explain", "query", "Exit codes"] {
        assert!(out.contains(command), "{out}");
    }
}

#[test]
fn explain_shows_all_queries_or_one() {
    let directory = directory_with(&[("gateway.toml", GOOD)]);
    let (code, all, _) = run(directory.path(), &["explain", "-c", "gateway.toml"]);
    assert_eq!(code, 0);
    let (code, one, _) = run(directory.path(), &["explain", "-c", "gateway.toml", "hot"]);
    assert_eq!(code, 0);
    assert!(!one.is_empty() && all.len() > one.len() && all.contains(&one), "{all}");
    let (code, _, err) = run(directory.path(), &["explain", "-c", "gateway.toml", "cold"]);
    assert_eq!((code, err.as_str()), (1, "error: there is no query `cold`; the queries are climate, hot\n"));
}

#[test]
fn the_configuration_is_refused_in_the_log_format() {
    let directory = directory_with(&[("wrong.toml", "x = 1\n")]);
    let (code, out, err) = run(directory.path(), &["run", "-c", "wrong.toml", "--log-format", "json"]);
    assert_eq!((code, out.as_str()), (1, ""));
    let line: serde_json::Value = serde_json::from_str(err.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().starts_with("error: unknown key `x` at the top\n"), "{line}");
}

/// Neither `| head` nor a journal that went away makes it panic.
#[test]
fn readers_that_went_away_are_no_error() {
    let directory = directory_with(&[("gateway.toml", GOOD), ("wrong.toml", "x = 1\n")]);
    let mut child = tidemill(directory.path(), &["explain", "-c", "gateway.toml"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));

    for format in ["text", "json"] {
        let mut command = tidemill(directory.path(), &["run", "-c", "wrong.toml", "--log-format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        assert_eq!((child.wait().unwrap().code(), out.as_str()), (Some(1), ""));
    }
}
