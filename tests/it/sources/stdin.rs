//! Standard input through a real pipe.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the gateway on `input`; its results and its log.
fn run(directory: &std::path::Path, format: &str, schema: &str, input: &[u8]) -> (Vec<serde_json::Value>, String) {
    let config = directory.join("gateway.toml");
    let text = format!(
        r#"
        [gateway]
        id = "pipe"
        data_dir = "data"
        shutdown_timeout = "5m"

        [source.lines]
        type = "stdin"
        max_payload = "1 KiB"
        {format}
        schema = "{schema}"

        [query.all]
        sql = "SELECT *, _source AS source FROM lines"

        [sink.out]
        type = "stdout"
        from = ["all"]
        "#
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(crate::support::program::path())
        .args(["run", "-c"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let rows = String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (rows, log)
}

#[test]
fn lines_of_a_pipe_are_rows_and_its_end_ends_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let input = b"{\"x\":1}\nrubbish\n\r\n{\"x\":2}\r\n{\"x\":3}";
    let (rows, log) = run(directory.path(), "", "x INT", input);
    let values: Vec<_> = rows.iter().map(|row| (row["x"].as_i64().unwrap(), row["source"].as_str().unwrap())).collect();
    assert_eq!(values, [(1, "lines"), (2, "lines"), (3, "lines")]);
    assert!(log.contains("all sources have come to their end"), "{log}");
    assert!(log.contains("rejected=1"), "{log}");
    let (again, _) = run(directory.path(), "", "x INT", b"{\"x\":4}\n");
    assert_eq!(again.len(), 1, "a pipe has no past");
}

#[test]
fn more_than_the_intake_holds_comes_through_whole() {
    let directory = tempfile::tempdir().unwrap();
    let input: String = (0..200_000).map(|n| format!("device-{},{n}\n", n % 7)).collect();
    let (rows, log) = run(directory.path(), "format = \"csv\"", "device STRING, n BIGINT", input.as_bytes());
    let numbers: Vec<i64> = rows.iter().map(|row| row["n"].as_i64().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..200_000), "{} rows; {log}", numbers.len());
}

#[test]
fn a_line_without_end_is_cut_out() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(5_000_000);
    let (rows, log) = run(directory.path(), "", "x INT", format!("{{\"x\":1}}\n{long}\n{{\"x\":2}}\n").as_bytes());
    assert_eq!(rows.len(), 2);
    assert!(log.contains("rejected=1"), "{log}");
}

#[test]
fn no_more_than_max_rate_comes_in() {
    let directory = tempfile::tempdir().unwrap();
    let input = format!("{{\"x\":1}}{}\n", " ".repeat(500)).repeat(300);
    let began = std::time::Instant::now();
    let (rows, _) = run(directory.path(), "max_rate = 100", "x INT", input.as_bytes());
    // A read of 64 KiB, 129 lines at most, is not cut. The last one comes when those before it are paid for: 171 lines or more, less the hundred to begin with.
    assert_eq!(rows.len(), 300);
    assert!(began.elapsed().as_secs_f64() >= 0.7, "{:?}", began.elapsed());
}
