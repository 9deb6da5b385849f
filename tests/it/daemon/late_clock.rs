//! A Pi without a clock: it starts in 1970, and a time server answers while readings come. By libfaketime, and a file that says "synchronised".

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::PATIENCE;
use crate::support::child::wait_until;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{Incoming, Publish, Version};
use crate::support::skip::skip;

const HOUR_S: i64 = 3_600;

/// Debian's faketime puts it into the directory of the machine's libraries.
fn library() -> Option<std::path::PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    places.into_iter().find(|path| path.exists())
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A gateway whose wall clock and its being synchronised are two files.
struct World {
    directory: tempfile::TempDir,
    broker: Mosquitto,
    gateway: Gateway,
    sensor: Client,
    consumer: Client,
    sent: u16,
    /// Of each query the rows, in order of arrival.
    results: BTreeMap<String, Vec<serde_json::Value>>,
}

impl World {
    fn in_1970(library: &Path) -> World {
        let directory = tempfile::tempdir().unwrap();
        let broker = Mosquitto::running();
        let port = broker.port();
        let mut gateway = Gateway::new(|data_dir| config(data_dir, port));
        let clock = directory.path().join("clock");
        std::fs::write(&clock, format!("-{}s", now_s() - 300)).unwrap();
        for (name, value) in [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", clock.as_path()),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("NO_FAKE_STAT", Path::new("1")),
            ("TIDEMILL_TEST_SYNCHRONISED", &directory.path().join("synchronised")),
        ] {
            gateway.set(name, value.to_str().unwrap());
        }
        let mut consumer = Client::connect(broker.address(), Version::V5, "consumer", true).unwrap();
        consumer.subscribe("out/#", 1).unwrap();
        let sensor = Client::connect(broker.address(), Version::V5, "sensor", true).unwrap();
        gateway.start();
        broker.wait_for_subscription("in");
        World { directory, broker, gateway, sensor, consumer, sent: 0, results: BTreeMap::new() }
    }

    fn set_clock_right(&self) {
        std::fs::write(self.directory.path().join("clock"), "+0s").unwrap();
    }

    fn say_synchronised(&self) {
        std::fs::write(self.directory.path().join("synchronised"), "").unwrap();
    }

    /// A reading of this time; its number is how many went before.
    fn send(&mut self, ts: i64) {
        let payload = format!(r#"{{"number": {}, "ts": {ts}}}"#, self.sent).into_bytes();
        self.sent += 1;
        let message = Publish { topic: "in".to_owned(), payload, qos: 1, packet_id: self.sent, ..Publish::default() };
        self.sensor.publish(&message).unwrap();
    }

    /// Reads results until `enough`.
    fn until(&mut self, enough: impl Fn(&BTreeMap<String, Vec<serde_json::Value>>) -> bool) {
        let World { results, consumer, gateway, .. } = self;
        let came = wait_until(PATIENCE, || {
            if let Ok(Some(Incoming::Publish(message))) = consumer.receive(std::time::Duration::from_millis(200)) {
                if message.qos > 0 {
                    consumer.acknowledge(message.packet_id).unwrap();
                }
                let query = message.topic.rsplit('/').next().unwrap().to_owned();
                results.entry(query).or_default().push(serde_json::from_slice(&message.payload).unwrap());
            }
            enough(results)
        });
        assert!(came, "only {results:?}:\n{}", gateway.log());
    }
}

fn config(data_dir: &Path, port: u16) -> String {
    format!(
        r#"
        [gateway]
        id = "late"
        data_dir = "{}"
        batch_interval = "100ms"
        [source.readings]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{port}"
        topics = ["in"]
        schema = "number BIGINT, ts TIMESTAMP"
        event_time = "ts"
        watermark = "1s"
        idle_timeout = "3s"
        max_future = "1h"
        [query.each]
        sql = "SELECT number FROM readings"
        [query.windows]
        sql = "SELECT unix_seconds(window.start) AS start, count(*) AS n FROM readings GROUP BY window(ts, '1 hour')"
        [sink.out]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{port}"
        topic = "out/{{query}}"
        from = ["each", "windows"]
        "#,
        data_dir.display()
    )
}

fn rows(results: &BTreeMap<String, Vec<serde_json::Value>>, query: &str) -> usize {
    results.get(query).map_or(0, Vec::len)
}

#[test]
fn a_start_in_1970_and_the_jump_lose_nothing() {
    let Some(library) = library() else {
        return skip("a_start_in_1970_and_the_jump_lose_nothing", "Debian's faketime is not installed");
    };
    let mut world = World::in_1970(&library);
    world.gateway.wait_for_log("the wall clock is not synchronised yet");
    let now = now_s();
    // The sensors know the time: five readings of a past hour, which by the gateway's clock is decades ahead.
    let hour = now.div_euclid(HOUR_S) * HOUR_S - 3 * HOUR_S;
    (0..5).for_each(|n| world.send(hour + n));
    world.until(|results| rows(results, "each") == 5);
    // Idle for long enough, but no clock that could close the window.
    std::thread::sleep(std::time::Duration::from_secs(5));
    world.until(|_| true);
    assert_eq!(rows(&world.results, "windows"), 0, "{:?}", world.results);

    // The clock is right a moment before the kernel says so; readings go on.
    world.set_clock_right();
    (0..5).for_each(|n| world.send(hour + 100 + n));
    world.say_synchronised();
    world.gateway.wait_for_log("the wall clock is synchronised");
    (0..5).for_each(|n| world.send(hour + 200 + n));
    world.until(|results| rows(results, "each") == 15 && rows(results, "windows") == 1);
    let window = &world.results["windows"][0];
    assert_eq!((&window["start"], &window["n"]), (&hour.into(), &15.into()));

    // From now on a reading from the future is refused, and the next one is not.
    world.send(now + 2 * HOUR_S);
    world.send(now);
    world.until(|results| rows(results, "each") == 16);
    let numbers: Vec<i64> = world.results["each"].iter().map(|row| row["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (0..15).chain([16]).collect::<Vec<_>>());
    assert!(world.gateway.stop().success(), "{}", world.gateway.log());
    assert!(!world.gateway.has_late_rows(), "{}", world.gateway.log());
    drop(world.broker);
}
