//! Every example of docs/state-functions.md gives what stands below it, also with a restart after every batch.
//!
//! A ```` ```toml ```` block is laid over a source `readings`; the ```` ```jsonl in ```` block after it holds its payloads, ```` ```jsonl out [query] ```` the
//! rows that come out. A blank line ends a batch. The ```` ```rust ```` and ```` ```csv ```` blocks are files of the consoles' examples behind them.

use std::fs;
use std::path::Path;
use std::process::Command;

use tidemill::query_test::{Outcome, QueryCase, RunOptions, check};

const DOCUMENT: &str = include_str!("../../docs/state-functions.md");

const SOURCE: &str = r#"
[source.readings]
schema = "device STRING, ts TIMESTAMP, temperature DOUBLE, humidity DOUBLE, power DOUBLE, running BOOLEAN, batch STRING, pulses BIGINT"
event_time = "ts"
watermark = "10 seconds"
"#;

#[derive(Default)]
struct Example {
    settings: String,
    input: String,
    /// Query and rows.
    output: Vec<(String, String)>,
}

fn examples() -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for block in DOCUMENT.split("\n```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').unwrap();
        let text = text.to_owned();
        match kind.split(' ').collect::<Vec<_>>()[..] {
            ["toml"] => found.push(Example { settings: text, ..Example::default() }),
            ["jsonl", "in"] => found.last_mut().unwrap().input = text,
            ["jsonl", "out"] => {
                let example = found.last_mut().unwrap();
                let queries: Vec<&str> =
                    example.settings.lines().filter_map(|line| line.strip_prefix("[query.")?.strip_suffix(']')).collect();
                let query = queries.iter().find(|name| !name.contains('.')).unwrap().to_string();
                example.output.push((query, text));
            }
            ["jsonl", "out", query] => found.last_mut().unwrap().output.push((query.to_owned(), text)),
            // See below.
            ["rust"] | ["csv"] | [""] => {}
            _ => panic!("a block of an unknown kind: {kind}"),
        }
    }
    found
}

/// The batches of a block, each with its lines.
fn batches(block: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in block.lines() {
        match line {
            "" => batches.push(String::new()),
            _ => *batches.last_mut().unwrap() += &format!("{line}\n"),
        }
    }
    batches
}

fn write(example: &Example, directory: &Path) {
    let queries: Vec<&str> = example.output.iter().map(|(query, _)| query.as_str()).collect();
    let settings = format!("[test]\nqueries = {queries:?}\nsplits = false\n{SOURCE}{}", example.settings);
    fs::write(directory.join("case.toml"), settings).unwrap();
    for (number, payloads) in batches(&example.input).iter().enumerate() {
        let step = directory.join(format!("steps/{}", number + 1));
        fs::create_dir_all(&step).unwrap();
        fs::write(step.join("readings.jsonl"), payloads).unwrap();
        for (query, rows) in &example.output {
            let rows = batches(rows);
            assert_eq!(rows.len(), batches(&example.input).len(), "{query}: batches out and in");
            fs::write(step.join(format!("expected.{query}.jsonl")), &rows[number]).unwrap();
        }
    }
}

#[test]
fn examples_of_state_functions_give_what_the_document_says() {
    let examples = examples();
    assert!(examples.len() >= 8);
    let mut failed = String::new();
    for example in &examples {
        assert!(!example.input.is_empty() && !example.output.is_empty(), "{}", example.settings);
        let directory = tempfile::tempdir().unwrap();
        write(example, directory.path());
        let case = QueryCase::read(directory.path(), &[]).unwrap();
        for restart in [false, true] {
            let outcome = check(&case, &RunOptions { restart, split_rows: None });
            if let Outcome::Failed(differences) = outcome {
                let text: Vec<String> = differences.iter().map(ToString::to_string).collect();
                failed += &format!("{}\nrestarts: {restart}\n{}\n", example.settings, text.join("\n"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

/// A state function's SQL, and the keys of its section.
fn state_file(example: &Example) -> Option<(&str, &str)> {
    let (before, keys) = example.settings.split_once(".state]\n")?;
    let sql = before.lines().find_map(|line| line.strip_prefix("sql = \"")?.strip_suffix('"'))?;
    Some((sql, keys))
}

fn run(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(crate::support::program::path());
    let output = command.current_dir(directory).args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn state_functions_give_the_same_rows_over_files() {
    let mut compared = 0;
    for example in examples() {
        let Some((sql, keys)) = state_file(&example) else { continue };
        // It gives a row a batch.
        if example.output[0].0 == "energy" {
            continue;
        }
        compared += 1;
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("state.toml"), keys).unwrap();
        fs::write(directory.path().join("readings.jsonl"), &example.input).unwrap();
        let schema = SOURCE.lines().find_map(|line| line.strip_prefix("schema = \"")?.strip_suffix('"')).unwrap();
        let files = ["query", "--state", "state.toml", "--format", "json", "--from", "readings.jsonl", "--schema", schema, sql];
        let sorted = |text: &str| {
            let rows = text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(sorted(&run(directory.path(), &files)), sorted(&example.output[0].1), "{keys}");
    }
    assert!(compared >= 5, "{compared}");
}

#[test]
fn the_consoles_show_what_the_document_says() {
    let blocks: Vec<(&str, &str)> = DOCUMENT.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect();
    let block = |kind: &str| blocks.iter().find(|(known, _)| *known == kind).unwrap().1;
    let directory = tempfile::tempdir().unwrap();
    let examples = examples();
    let (_, silence) = state_file(&examples[0]).unwrap();
    for (name, text) in [("weather.rhai", block("rust")), ("readings.csv", block("csv")), ("silence.toml", silence)] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let consoles: Vec<&str> = blocks.iter().filter(|(kind, _)| kind.is_empty()).map(|(_, text)| *text).collect();
    assert_eq!(consoles.len(), 2);
    for console in consoles {
        let (line, table) = console.split_once('\n').unwrap();
        let command = line.strip_prefix("$ tidemill ").unwrap();
        // Every second piece stands in quotes.
        let pieces = command.split('"').enumerate();
        let arguments = pieces.flat_map(|(number, piece)| if number % 2 == 1 { vec![piece] } else { piece.split_whitespace().collect() });
        let shown = run(directory.path(), &arguments.collect::<Vec<_>>());
        assert_eq!(shown.trim_end(), table.trim_end(), "{command}");
    }
}
