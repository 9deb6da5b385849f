//! Receivers and formats of one's own: the example as its own process, and what happens when they fail.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill::config::{self, Environment};
use tidemill::daemon::{self, Options};
use tidemill::extend::{Extensions, Handle, Input, Parameters, PayloadError, PayloadFormat, Receiver, ReceiverError, Rows};

use crate::config::root;
use crate::support::child::{ChildGuard, wait_until};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A record of the example's logger.
fn record(seconds: u32, hundredths: i16, humidity: u8) -> Vec<u8> {
    let mut bytes = [&seconds.to_le_bytes()[..], &hundredths.to_le_bytes(), &[humidity]].concat();
    bytes.push(bytes.iter().fold(0, |xor, byte| xor ^ byte));
    bytes
}

/// The documentation's source, its memory in `directory`, with a query of all it has.
fn example_config(directory: &Path, options: &str) -> String {
    let document = std::fs::read_to_string(root().join("docs/extending.md")).unwrap();
    let source = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let memory = "memory = \"/var/lib/logger/memory.bin\", check_interval_ms = \"1000\"";
    assert!(source.contains(memory));
    let ours = format!("memory = \"{}\"{options}", directory.join("memory.bin").display());
    format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\nbatch_interval = \"50ms\"\n{}\n[query.readings]\nsql = \"SELECT ts, celsius, humidity, _source AS source FROM logger\"\n\
         [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"readings\"]\n",
        directory.join("data").display(),
        source.replace(memory, &ours)
    )
}

/// The rows in `out.jsonl`, each delivery once.
fn rows(directory: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("out.jsonl")).unwrap_or_default();
    let mut rows: Vec<Value> = Vec::new();
    for row in text.split_inclusive('\n').filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if rows.iter().all(|known| known["_id"] != row["_id"]) {
            rows.push(row);
        }
    }
    rows
}

fn temperatures(directory: &Path) -> Vec<f64> {
    rows(directory).iter().map(|row| row["celsius"].as_f64().unwrap()).collect()
}

/// Builds the example; the path of its binary.
fn example() -> std::path::PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", "custom_source"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    Path::new(env!("CARGO_BIN_EXE_tidemill")).with_file_name("examples").join("custom_source")
}

#[test]
fn the_example_reads_each_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let example = example();
    let memory = path.join("memory.bin");
    let damaged = [0; 7].into_iter().chain([1]).collect();
    std::fs::write(&memory, [record(0, 2150, 48), damaged, record(60, -525, 81), vec![1, 2, 3]].concat()).unwrap();
    std::fs::write(path.join("gateway.toml"), example_config(path, ", ends = \"true\"")).unwrap();
    let run = || {
        let output = Command::new(&example).arg(path.join("gateway.toml")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    let log = run();
    let without_id = |mut row: Value| {
        row.as_object_mut().unwrap().remove("_id");
        row
    };
    let row = |ts: &str, celsius: f64, humidity: i64| json!({"ts": ts, "celsius": celsius, "humidity": humidity, "source": "logger"});
    let expected = [row("2026-01-01T00:00:00.000Z", 21.5, 48), row("2026-01-01T00:01:00.000Z", -5.25, 81)];
    assert_eq!(rows(path).into_iter().map(without_id).collect::<Vec<_>>(), expected, "{log}");
    assert!(log.contains("rejected=1"), "{log}");
    // What is durable was given free; the half record waits for its other half.
    assert_eq!(std::fs::read_to_string(path.join("memory.free")).unwrap(), "24");

    std::fs::write(&memory, [record(0, 9999, 0), record(0, 9999, 0), record(0, 9999, 0), record(120, 100, 1)].concat()).unwrap();
    let log = run();
    assert_eq!(temperatures(path), [21.5, -5.25, 1.0], "{log}");
    assert_eq!(std::fs::read_to_string(path.join("memory.free")).unwrap(), "32");
}

/// Killed again and again while the memory grows: no record is lost, none comes twice.
#[test]
fn the_example_reads_each_record_once_over_kills() {
    const RECORDS: i16 = 400;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let example = example().display().to_string();
    let memory = path.join("memory.bin");
    std::fs::write(&memory, b"").unwrap();
    std::fs::write(path.join("gateway.toml"), example_config(path, ", check_interval_ms = \"1\"")).unwrap();
    let arguments = [path.join("gateway.toml").display().to_string()];
    let mut written = 0;
    for round in 1..=8 {
        let mut child = ChildGuard::spawn(&example, &arguments, &[], &path.join("log"));
        while written < RECORDS * round / 8 {
            let more: Vec<u8> = (written..written + 10).flat_map(|number| record(number as u32, number, 50)).collect();
            let mut file = std::fs::OpenOptions::new().append(true).open(&memory).unwrap();
            std::io::Write::write_all(&mut file, &more).unwrap();
            written += 10;
            std::thread::sleep(Duration::from_millis(7));
        }
        if round == 8 {
            let all = || rows(path).len() >= usize::try_from(RECORDS).unwrap();
            assert!(wait_until(TIMEOUT, all), "{} rows\n{}", rows(path).len(), std::fs::read_to_string(path.join("log")).unwrap());
        } else {
            let come = || rows(path).len() >= usize::try_from(written).unwrap() / 2;
            assert!(wait_until(TIMEOUT, come), "{} rows", rows(path).len());
        }
        child.kill();
    }
    let expected: Vec<f64> = (0..RECORDS).map(|number| f64::from(number) / 100.0).collect();
    assert_eq!(temperatures(path), expected);
}

/// What `extensions` make of a configuration with one custom source.
fn load(extensions: Extensions, source: &str, directory: &Path) -> Result<config::Settings, String> {
    let text = format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\nbatch_interval = \"20ms\"\n[source.s]\nschema = \"n BIGINT\"\n{source}\n[query.q]\nsql = \"SELECT n, _peer AS peer FROM s\"\n\
         [query.status]\nsql = \"SELECT status, detail FROM _status\"\n\
         [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"q\", \"status\"]\n",
        directory.join("data").display()
    );
    std::fs::write(directory.join("gateway.toml"), text).unwrap();
    let environment = Environment { extensions, ..Environment::of_process() };
    config::load(&[directory.join("gateway.toml")], &environment).map_err(|errors| errors.to_string())
}

struct Never;

impl Receiver for Never {
    fn run(&mut self, _: &mut Handle) -> Result<(), ReceiverError> {
        Ok(())
    }
}

fn checked(parameters: &Parameters) -> Result<Never, String> {
    if parameters.is_empty() { Ok(Never) } else { Err(format!("{parameters:?} is too much")) }
}

struct Fussy;

impl PayloadFormat for Fussy {
    fn read(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), PayloadError> {
        match payload {
            b"panic" => panic!("planted by the test"),
            b"bad" => {
                rows.row().integer("n", -1);
                return Err("not a good one".into());
            }
            b"endless" => loop {
                rows.row().text("x", &"x".repeat(1 << 20));
                if rows.is_full() {
                    return Ok(());
                }
            },
            text => {
                rows.row().integer("n", text.len() as i64);
                rows.row().text("n", "what is no number").json("other", &json!([1, {"a": null}]));
            }
        }
        Ok(())
    }
}

#[test]
fn names_and_parameters_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let extensions = || Extensions::default().receiver("meter", checked).receiver("logger", checked).format("fussy", |_| Ok(Fussy));
    let load = |extensions: Extensions, source: &str| load(extensions, source, directory.path());
    let of_type = |keys: &str| format!("type = \"custom\"\n{keys}");
    for (source, message) in [
        ("receiver = \"metre\"", "there is no receiver `metre` in this program"),
        ("receiver = \"metre\"", "did you mean `meter`?"),
        ("receiver = \"zzzzzz\"", "it has logger, meter"),
        ("", "`receiver` is missing in [source.s]"),
        ("receiver = \"meter\"\noptions = { a = \"${NONE:-b}\" }", "the receiver `meter`: {\"a\": \"b\"} is too much"),
        ("receiver = \"meter\"\noptions = { a = 1 }", "`a` must be a string"),
        ("receiver = \"meter\"\nformat = \"custom\"\ndecoder = \"fusy\"", "did you mean `fussy`?"),
        ("receiver = \"meter\"\nformat = \"custom\"", "`decoder` is missing in [source.s]"),
        ("receiver = \"meter\"\nformat = \"csv\"\ndecoder = \"fussy\"", "`decoder` belongs to sources of format \"custom\""),
    ] {
        let error = load(extensions(), &of_type(source)).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = load(Extensions::default(), &of_type("receiver = \"meter\"")).unwrap_err();
    assert!(error.contains("`tidemill` itself has none"), "{error}");
    let error = load(extensions(), "type = \"stdin\"\nreceiver = \"meter\"").unwrap_err();
    assert!(error.contains("`receiver` belongs to sources of type \"custom\""), "{error}");
    load(extensions(), &of_type("receiver = \"meter\"\nformat = \"custom\"\ndecoder = \"fussy\"")).unwrap();
}

/// Does what the next of its lives says.
struct Lives {
    life: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Receiver for Lives {
    fn run(&mut self, handle: &mut Handle) -> Result<(), ReceiverError> {
        let life = self.life.fetch_add(1, Ordering::SeqCst);
        let position = handle.position("at").map(|at| at.to_vec());
        self.seen.lock().unwrap().push(format!("{life} {position:?}"));
        handle.connected(&format!("life {life}"))?;
        let at = |at: u8| vec![("at".to_owned(), Some(vec![at]))];
        let input = |bytes: &[u8]| Input { bytes: bytes.to_vec(), peer: Some(format!("life {life}")) };
        match life {
            0 => {
                let last = handle
                    .send_with_positions(vec![input(b"a"), input(b"panic"), input(b"bad"), input(b"endless"), input(b"aa")], at(7))?;
                assert_eq!(last, 5);
                panic!("planted by the test");
            }
            1 => {
                handle.send(vec![input(b"aaa"), input(&[b'x'; 1000])])?;
                Err("the cable is cut")?
            }
            _ => {
                let last = handle.send(vec![input(b"aaaa")])?;
                handle.wait_durable(last)?;
                assert_eq!((last, handle.durable()?), (8, 8));
                let too_long = handle.send_with_positions(Vec::new(), vec![("x".repeat(129), None)]);
                assert!(matches!(too_long, Err(ReceiverError::Failed(_))));
                self.seen.lock().unwrap().push("well".to_owned());
                // Nobody tells it anything but the handle.
                loop {
                    handle.sleep(Duration::from_secs(3_600))?;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_fails_is_said_and_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (life, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let make = {
        let (life, seen) = (life.clone(), seen.clone());
        move |_: &Parameters| Ok(Lives { life: life.clone(), seen: seen.clone() })
    };
    let extensions = Extensions::default().receiver("lives", make).format("fussy", |_| Ok(Fussy));
    let source = "type = \"custom\"\nreceiver = \"lives\"\nformat = \"custom\"\ndecoder = \"fussy\"\nmax_payload = 100";
    let settings = load(extensions, source, directory.path()).unwrap();
    let well = {
        let seen = seen.clone();
        let path = directory.path().to_owned();
        async move {
            let done = || seen.lock().unwrap().iter().any(|line| line == "well") && rows(&path).len() >= 13;
            let begin = std::time::Instant::now();
            while !done() && begin.elapsed() < TIMEOUT {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    daemon::run(settings, Options::default(), well).await.unwrap();
    // The third goes on where the first was, which it did not move.
    assert_eq!(*seen.lock().unwrap(), ["0 None", "1 Some([7])", "2 Some([7])", "well"]);
    let rows = rows(directory.path());
    let numbers: Vec<_> =
        rows.iter().filter(|row| row.get("peer").is_some()).map(|row| (row["n"].as_i64(), row["peer"].as_str().unwrap())).collect();
    let expected = [
        (Some(1), "life 0"),
        (None, "life 0"),
        (Some(2), "life 0"),
        (None, "life 0"),
        (Some(3), "life 1"),
        (None, "life 1"),
        (Some(4), "life 2"),
        (None, "life 2"),
    ];
    assert_eq!(numbers, expected);
    let details: Vec<_> =
        rows.iter().filter(|row| row.get("status").is_some()).map(|row| format!("{} {}", row["status"], row["detail"])).collect();
    let expected = [
        "\"connected\" \"life 0\"",
        "\"disconnected\" \"the receiver `lives` has failed: it panicked: planted by the test\"",
        "\"connected\" \"life 1\"",
        "\"disconnected\" \"the receiver `lives` has failed: the cable is cut\"",
        "\"connected\" \"life 2\"",
    ];
    assert_eq!(details, expected);
}
