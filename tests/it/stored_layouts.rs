//! Stores that earlier versions have left, one archive a layout in `tests/stores`: this version takes each up, with its state and its waiting results.
//!
//! `TIDEMILL_MAKE_STORE=tests/stores/<layout>.tar.gz` makes a new one of this version's, by the same gateway and readings. A released layout's is never made again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::child::wait_until;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{Incoming, Publish, Version};
use crate::support::ports::free_port;
use crate::support::stored::Stored;

const PATIENCE: Duration = Duration::from_secs(20);
/// Readings of each device in a store.
const BEFORE: u64 = 40;

/// Counts in keyed state, windows that are still open, results that nobody has taken, and a dead letter.
fn config(data_dir: &Path, local: u16, central: u16) -> String {
    format!(
        r#"
        [gateway]
        id = "layout"
        data_dir = "{}"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{local}"
        topics = ["in/{{device}}"]
        schema = "ts TIMESTAMP, number BIGINT"
        event_time = "ts"
        watermark = "1 hour"

        [query.total]
        sql = "SELECT device, count(*) AS n, sum(number) AS s, min(number) AS low FROM readings GROUP BY device"
        mode = "update"

        [query.hourly]
        sql = "SELECT device, window.start AS start, avg(number) AS mean, count(*) AS n FROM readings GROUP BY device, window(ts, '1 hour')"

        [query.steps]
        sql = "SELECT device, number - lag(number) OVER (PARTITION BY device ORDER BY ts) AS step FROM readings"

        [sink.central]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{central}"
        from = ["total", "hourly", "steps"]
        topic = "results/{{query}}"
        "#,
        data_dir.display()
    )
}

/// Number `n` of a device, dated `n` seconds after 2026-06-01T00:00:00Z.
fn publish(client: &mut Client, device: &str, n: u64) {
    let payload = json!({ "ts": format!("2026-06-01T00:{:02}:{:02}Z", n / 60, n % 60), "number": n }).to_string();
    send(client, device, payload.as_bytes());
}

fn send(client: &mut Client, device: &str, payload: &[u8]) {
    let message = Publish { topic: format!("in/{device}"), payload: payload.to_vec(), qos: 1, packet_id: 1, ..Publish::default() };
    client.publish(&message).unwrap();
    let answer = client.receive(PATIENCE).unwrap();
    assert!(matches!(answer, Some(Incoming::PubAck { .. })), "{answer:?}");
}

/// A store as this version leaves it.
fn make(archive: &Path) {
    let local = Mosquitto::running();
    let mut gateway = Gateway::new(|data_dir| config(data_dir, local.port(), free_port()));
    gateway.start();
    local.wait_for_subscription("in/+");
    let mut client = Client::connect(local.address(), Version::V5, "devices", true).unwrap();
    for n in 0..BEFORE {
        ["a", "b"].iter().for_each(|device| publish(&mut client, device, n));
    }
    send(&mut client, "a", b"no reading");
    let data = gateway.config_file().with_file_name("data");
    // What is acknowledged is durable; nothing else tells from outside.
    std::thread::sleep(Duration::from_secs(3));
    assert!(gateway.stop().success(), "{}", gateway.log());
    assert_eq!(Stored::open(&data).dead_letters().len(), 1);
    let archive = std::env::current_dir().unwrap().join(archive);
    let done = Command::new("tar").arg("-czf").arg(archive).arg("-C").arg(&data).arg(".").status().unwrap();
    assert!(done.success());
}

fn archives() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores");
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
    found.sort();
    found
}

#[test]
fn stores_of_earlier_layouts_are_taken_up() {
    if let Some(archive) = std::env::var_os("TIDEMILL_MAKE_STORE") {
        make(Path::new(&archive));
    }
    let archives = archives();
    assert!(!archives.is_empty());
    archives.iter().for_each(|archive| is_taken_up(archive));
}

fn is_taken_up(archive: &Path) {
    let (local, central) = (Mosquitto::running(), Mosquitto::running());
    let mut results = Client::connect(central.address(), Version::V5, "consumer", true).unwrap();
    results.subscribe("results/#", 1).unwrap();
    let mut gateway = Gateway::new(|data_dir| config(data_dir, local.port(), central.port()));
    let data = gateway.config_file().with_file_name("data");
    std::fs::create_dir(&data).unwrap();
    let done = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&data).status().unwrap();
    assert!(done.success());
    assert_eq!(Stored::open(&data).dead_letters().len(), 1, "{}", archive.display());
    gateway.start();
    local.wait_for_subscription("in/+");
    let mut client = Client::connect(local.address(), Version::V5, "devices", true).unwrap();
    publish(&mut client, "a", BEFORE);
    let mut came: Vec<(String, Value)> = Vec::new();
    // The new reading's: state of before went into both.
    let sum: u64 = (0..=BEFORE).sum();
    let total = json!({ "device": "a", "n": BEFORE + 1, "s": sum, "low": 0 });
    let is = |(topic, row): &(String, Value), query: &str, wanted: &Value| {
        topic == &format!("results/{query}") && wanted.as_object().unwrap().iter().all(|(name, value)| row[name] == *value)
    };
    let complete = wait_until(PATIENCE, || {
        while let Some(packet) = results.receive(Duration::from_millis(100)).unwrap() {
            let Incoming::Publish(publish) = packet else { continue };
            results.acknowledge(publish.packet_id).unwrap();
            came.push((publish.topic, serde_json::from_slice(&publish.payload).unwrap()));
        }
        came.iter().any(|row| is(row, "total", &total))
    });
    let context = || format!("{}: {came:?}\n{}", archive.display(), gateway.log());
    assert!(complete, "the count does not go on: {}", context());
    // `lag` of the first is NULL; all of before waited in the outbox, the new one comes from the row before it.
    let steps = came.iter().filter(|row| is(row, "steps", &json!({ "device": "a", "step": 1 }))).count() as u64;
    assert_eq!(steps, BEFORE, "{}", context());
    assert!(came.iter().any(|row| is(row, "total", &json!({ "device": "b", "n": BEFORE }))), "what waited is delivered: {}", context());
    assert!(gateway.stop().success());
}
