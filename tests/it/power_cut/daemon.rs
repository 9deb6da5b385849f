//! The whole gateway: what its broker had acknowledgements for before the copy began is in the results that the copy delivers.
//!
//! A real Mosquitto feeds the gateway through a proxy that keeps what passes; the central broker is away, so every result waits on the disk.
//! A second gateway on the copy is offered, by a scripted broker, only what was not acknowledged when the copy began, as repeats. Then each
//! reading must be counted; twice only if its acknowledgement came between the copy's beginning and its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::{cut_power, make_disk};
use crate::ledger::producer::Producer;
use crate::support::broker::{Script, ScriptedBroker};
use crate::support::child::wait_until;
use crate::support::disk::Mount;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::MosquittoOptions;
use crate::support::packet::{self, Incoming, Publish, Version};
use crate::support::ports::free_port;
use crate::support::proxy::{Direction, Proxy};
use crate::support::skip::skip;

const VERSION: Version = Version::V5;
const CUTS: usize = 3;
const READINGS_A_CUT: usize = 400;
const READINGS_PER_SECOND: u32 = 250;
const WINDOW_MS: i64 = 10_000;

/// What passed between broker and gateway.
struct Passed {
    /// Every message, in order.
    sent: Vec<Publish>,
    /// Positions in `sent`.
    acknowledged: BTreeSet<usize>,
}

impl Passed {
    fn through(proxy: &Proxy) -> Passed {
        // Acknowledgements first: what they name has passed by then.
        let up = packet::take_all(VERSION, proxy.recorded(Direction::Up));
        let down = packet::take_all(VERSION, proxy.recorded(Direction::Down));
        let sent: Vec<Publish> =
            down.into_iter().filter_map(|packet| if let Incoming::Publish(message) = packet { Some(message) } else { None }).collect();
        let mut open: BTreeMap<u16, std::collections::VecDeque<usize>> = BTreeMap::new();
        for (position, message) in sent.iter().enumerate() {
            open.entry(message.packet_id).or_default().push_back(position);
        }
        let mut acknowledged = BTreeSet::new();
        for packet in up {
            if let Incoming::PubAck { packet_id, .. } = packet {
                acknowledged.extend(open.get_mut(&packet_id).and_then(|positions| positions.pop_front()));
            }
        }
        Passed { sent, acknowledged }
    }
}

/// Device, event time and value of a message.
fn reading(message: &Publish) -> (String, i64, i64) {
    let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    let device = message.topic.split('/').nth(1).unwrap().to_owned();
    (device, json["ts"].as_i64().unwrap(), json["temperature"].as_i64().unwrap())
}

fn config(data_dir: &Path, local_port: u16, central_port: u16) -> String {
    format!(
        r#"[gateway]
id = "cut"
data_dir = {data_dir:?}
batch_interval = "300ms"
free_space_min = 0

[source.readings]
type = "mqtt"
broker = "mqtt://127.0.0.1:{local_port}"
topics = ["sensors/{{device}}/climate"]
schema = "ts TIMESTAMP, temperature BIGINT"
timestamp_unit = "ms"
event_time = "ts"
watermark = "5 seconds"
idle_timeout = "1 hour"
max_future = "off"

[query.each]
sql = "SELECT device, unix_millis(ts) AS at_ms FROM readings"

[query.sums]
sql = """SELECT device, unix_millis(window.start) AS start_ms, count(*) AS n, sum(temperature) AS total
         FROM readings GROUP BY device, window(ts, '10 seconds')"""

[sink.central]
type = "mqtt"
broker = "mqtt://127.0.0.1:{central_port}"
from = ["each", "sums"]
topic = "out/{{query}}"
"#
    )
}

/// Far ahead of every reading, so that their windows close.
fn flush(sent: &[Publish]) -> Publish {
    let (_, last_ms, _) = reading(sent.last().unwrap());
    let payload = format!(r#"{{"ts":{},"temperature":0}}"#, last_ms + 3_600_000).into_bytes();
    Publish { topic: "sensors/flush/climate".to_owned(), payload, qos: 1, packet_id: 65_000, ..Publish::default() }
}

/// Starts a gateway on the copy and compares its results with what passed before the copy began (`before`) and until it ended (`after`).
fn examine(data_dir: &Path, before: &Passed, after: &Passed, patience: Duration) -> Result<(), String> {
    let unacknowledged = (0..after.sent.len()).filter(|position| !before.acknowledged.contains(position));
    let mut offered: Vec<Publish> = unacknowledged.map(|position| Publish { dup: true, ..after.sent[position].clone() }).collect();
    offered.push(flush(&after.sent));
    let count = offered.len();
    let local = ScriptedBroker::start(Script { offered, window: 1_000, ..Script::new(VERSION) });
    let central = ScriptedBroker::start(Script::new(VERSION));
    let mut gateway = Gateway::new(|_| config(data_dir, local.port(), central.port()));
    gateway.start();
    gateway.wait_ready();
    local.wait_acknowledged(count);
    let windows: BTreeSet<(String, i64)> = after.sent.iter().map(reading).map(|(device, at_ms, _)| (device, start_of(at_ms))).collect();
    let mut found = Found::default();
    wait_until(patience, || {
        found = Found::of(&central.accepted());
        windows.iter().all(|window| found.windows.contains_key(window)) && found.each.contains_key("flush")
    });
    if !gateway.stop().success() || gateway.log().contains("\"ERROR\"") {
        return Err(format!("the gateway on the copy says:\n{}", gateway.log()));
    }
    found = Found::of(&central.accepted());
    found.compare(before, after).map_err(|lost| format!("{lost}\n{}", gateway.log()))
}

fn start_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(WINDOW_MS)
}

/// The results, repeats dropped.
#[derive(Default)]
struct Found {
    /// How often each event time came, by device.
    each: BTreeMap<String, BTreeMap<i64, usize>>,
    /// Count and sum.
    windows: BTreeMap<(String, i64), (usize, i64)>,
}

impl Found {
    fn of(results: &[serde_json::Value]) -> Found {
        let mut found = Found::default();
        let mut ids = BTreeSet::new();
        for result in results.iter().filter(|result| ids.insert(result["_id"].as_str().unwrap())) {
            let device = result["device"].as_str().unwrap().to_owned();
            match result["at_ms"].as_i64() {
                Some(at_ms) => *found.each.entry(device).or_default().entry(at_ms).or_default() += 1,
                None => {
                    let values = (result["n"].as_u64().unwrap() as usize, result["total"].as_i64().unwrap());
                    found.windows.insert((device, result["start_ms"].as_i64().unwrap()), values);
                }
            }
        }
        found
    }

    fn compare(&self, before: &Passed, after: &Passed) -> Result<(), String> {
        let mut expected: BTreeMap<(String, i64), (usize, i64, usize)> = BTreeMap::new();
        for (position, message) in after.sent.iter().enumerate() {
            let (device, at_ms, value) = reading(message);
            let may_repeat = usize::from(after.acknowledged.contains(&position) && !before.acknowledged.contains(&position));
            let count = self.each.get(&device).and_then(|times| times.get(&at_ms)).copied().unwrap_or(0);
            if count < 1 || count > 1 + may_repeat {
                let known = before.acknowledged.contains(&position);
                return Err(format!("the reading {position} came {count} times; acknowledged before the cut: {known}"));
            }
            let window = expected.entry((device, start_of(at_ms))).or_default();
            *window = (window.0 + 1, window.1 + value, window.2 + may_repeat);
        }
        for (window, (n, total, may_repeat)) in expected {
            let (counted, sum) = self.windows.get(&window).copied().unwrap_or_default();
            if counted < n || counted > n + may_repeat || (counted == n && sum != total) {
                return Err(format!("{window:?} has {counted} readings of {n}, sum {sum} of {total}"));
            }
        }
        Ok(())
    }
}

/// Outer error: it cannot be done here; inner: what was lost at which cut.
fn cut_under_load(fault: Option<&str>, patience: Duration) -> Result<Result<(), String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let (image, live) = make_disk(dir.path())?;
    let broker = MosquittoOptions::new().config("max_inflight_messages 0").start();
    let proxy = Proxy::start(broker.port());
    proxy.record();
    let mut gateway = Gateway::new(|_| config(&live.dir.join("data"), proxy.port(), free_port()));
    if let Some(fault) = fault {
        gateway.set("TIDEMILL_SABOTAGE", fault);
    }
    gateway.start();
    gateway.wait_ready();
    broker.wait_for_subscription("sensors/+/climate");
    let producer = Producer::start(broker.address(), VERSION, READINGS_PER_SECOND, 1);
    let mut result = Ok(());
    for cut in 1..=CUTS {
        producer.wait_for(READINGS_A_CUT);
        let copy = dir.path().join(format!("cut-{cut}.img"));
        let before = cut_power(&image, &copy, || Passed::through(&proxy));
        let after = Passed::through(&proxy);
        assert!(before.acknowledged.len() >= READINGS_A_CUT / 2 * cut, "hardly anything was acknowledged:\n{}", gateway.log());
        let mount = Mount::image(&copy, dir.path().join(format!("cut-{cut}")))?;
        let found = examine(&mount.dir.join("data"), &before, &after, patience);
        drop(mount);
        std::fs::remove_file(&copy).unwrap();
        println!(
            "cut {cut}: {} of {} readings were acknowledged: {}",
            before.acknowledged.len(),
            after.sent.len(),
            if found.is_ok() { "all there" } else { "not all there" }
        );
        if let Err(lost) = found {
            result = Err(format!("cut {cut}: {lost}"));
            break;
        }
    }
    gateway.kill();
    drop(live);
    Ok(result)
}

#[test]
fn acknowledged_readings_survive_a_power_cut() {
    match cut_under_load(None, Duration::from_secs(60)) {
        Err(reason) => skip("acknowledged_readings_survive_a_power_cut", &reason),
        Ok(result) => assert!(result.is_ok(), "{}", result.unwrap_err()),
    }
}

#[cfg(feature = "sabotage")]
#[test]
fn sabotage_a_gateway_that_does_not_sync_is_caught_by_a_power_cut() {
    match cut_under_load(Some("skip_sync"), Duration::from_secs(5)) {
        Err(reason) => skip("sabotage_a_gateway_that_does_not_sync_is_caught_by_a_power_cut", &reason),
        Ok(result) => {
            println!("{result:?}");
            assert!(result.is_err(), "nothing was lost without a sync");
        }
    }
}
