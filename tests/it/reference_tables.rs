//! Joins in a running gateway: the shipped example on a real broker, its table's file replaced, spoilt and swapped while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use crate::config::{good, root};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{Incoming, Publish, Version};

const PATIENCE: Duration = Duration::from_secs(30);
const TAKEN: &str = "the table's file has been taken";
const REFUSED: &str = "the table's file cannot be taken";

struct World {
    broker: Mosquitto,
    gateway: Gateway,
    directory: PathBuf,
    sensor: Client,
    consumer: Client,
    packet_id: u16,
    /// Results so far: after a kill those come again whose delivery was not yet durable.
    seen: BTreeSet<String>,
}

impl World {
    fn start() -> World {
        let broker = Mosquitto::running();
        let text = fs::read_to_string(root().join("configs/joins.toml")).unwrap();
        let mut directory = PathBuf::new();
        let mut gateway = Gateway::new(|data_dir| {
            directory = data_dir.parent().unwrap().to_owned();
            text.replace("localhost:1883", &format!("127.0.0.1:{}", broker.port()))
                .replace("/var/lib/tidemill", &data_dir.display().to_string())
                .replace("\"5s\"", "\"1s\"")
        });
        fs::copy(root().join("configs/devices.csv"), directory.join("devices.csv")).unwrap();
        let mut consumer = Client::connect(broker.address(), Version::V5, "consumer", true).unwrap();
        consumer.subscribe("gateways/#", 1).unwrap();
        let sensor = Client::connect(broker.address(), Version::V5, "sensor", true).unwrap();
        gateway.start();
        let world = World { broker, gateway, directory, sensor, consumer, packet_id: 0, seen: BTreeSet::new() };
        world.wait_subscribed();
        world
    }

    fn wait_subscribed(&self) {
        ["sensors/+/climate", "commands/+", "answers/+"].into_iter().for_each(|filter| self.broker.wait_for_subscription(filter));
    }

    fn publish(&mut self, topic: &str, payload: String) {
        self.packet_id += 1;
        let message =
            Publish { topic: topic.into(), payload: payload.into_bytes(), qos: 1, packet_id: self.packet_id, ..Publish::default() };
        self.sensor.publish(&message).unwrap();
        assert!(matches!(self.sensor.receive(PATIENCE).unwrap(), Some(Incoming::PubAck { .. })));
    }

    fn reading(&mut self, device: &str, seq: u32, temperature: f64) {
        let ts = 1_767_225_600_000_u64 + u64::from(seq) * 100;
        self.publish(&format!("sensors/{device}/climate"), format!(r#"{{"ts":{ts},"seq":{seq},"temperature":{temperature}}}"#));
    }

    fn at(&mut self, topic: &str, seconds: u64, command: &str) {
        let ts = 1_767_225_600_000_u64 + seconds * 1_000;
        self.publish(topic, format!(r#"{{"ts":{ts},"command":"{command}"}}"#));
    }

    /// The next new result's topic after the gateway's id, and its row.
    fn result(&mut self) -> (String, Json) {
        match self.consumer.receive(PATIENCE).unwrap() {
            Some(Incoming::Publish(message)) => {
                let row: Json = serde_json::from_slice(&message.payload).unwrap();
                let columns: Vec<_> = ["device", "seq", "command"].iter().map(|name| row[name].to_string()).collect();
                if !self.seen.insert(format!("{} {columns:?}", message.topic)) {
                    return self.result();
                }
                let topic = message.topic.splitn(3, '/').nth(2).unwrap().to_owned();
                (topic, row)
            }
            other => panic!("{other:?}\n{}", self.gateway.log()),
        }
    }

    fn assert_too_warm(&mut self, seq: u32, room: &str) {
        let (topic, row) = self.result();
        assert_eq!((topic.as_str(), &row["seq"], &row["room"]), ("too_warm/kitchen", &seq.into(), &room.into()), "{}", self.gateway.log());
    }

    fn file(&self) -> PathBuf {
        self.directory.join("devices.csv")
    }

    /// Renames a file with this text into the table's place.
    fn replace(&self, text: &str) {
        fs::write(self.directory.join("devices.new"), text).unwrap();
        fs::rename(self.directory.join("devices.new"), self.file()).unwrap();
    }
}

fn kitchen(room: &str) -> String {
    format!("device,room,high\nkitchen,{room},20\n")
}

#[test]
fn a_tables_file_is_replaced_spoilt_and_swapped_while_the_gateway_runs() {
    let mut world = World::start();
    world.reading("kitchen", 1, 30.0);
    world.assert_too_warm(1, "ground floor");
    // A repeat, then one of a device that the table does not know.
    world.reading("kitchen", 1, 30.0);
    world.reading("attic", 1, 30.0);
    assert_eq!(world.result().0, "unknown/attic");

    world.replace(&kitchen("upstairs"));
    world.gateway.wait_for_log_times(TAKEN, 1);
    world.reading("kitchen", 2, 30.0);
    world.assert_too_warm(2, "upstairs");

    // Bad ones: the version before stays.
    for (times, bad) in
        [(1, b"device,room,high\nkitchen,gone\n".to_vec()), (2, b"device,room,high\nkitchen,K\xfcche,2\n".to_vec()), (3, Vec::new())]
    {
        fs::write(world.file(), bad).unwrap();
        world.gateway.wait_for_log_times(REFUSED, times);
        world.reading("kitchen", 2 + times as u32, 30.0);
        world.assert_too_warm(2 + times as u32, "upstairs");
    }
    assert!(world.gateway.log().contains("line 2: 2 fields where 3 are expected"), "{}", world.gateway.log());
    assert!(world.gateway.log().contains("line 2, byte 10: this is not UTF-8"), "{}", world.gateway.log());

    // Killed while the file is bad: it starts with the copy that it kept; `check` fails.
    world.gateway.kill();
    let mut check = std::process::Command::new(crate::support::program::path());
    check.arg("check").arg("-c").arg(world.gateway.config_file());
    let checked = check.output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(1) && said.contains("it is empty") && said.contains("the table `devices`"), "{said}");
    world.gateway.start();
    world.wait_subscribed();
    world.reading("kitchen", 6, 30.0);
    world.assert_too_warm(6, "upstairs");

    // A link that points elsewhere is another file.
    let link = |to: &Path| {
        let link = world.directory.join("devices.link");
        std::os::unix::fs::symlink(to, &link).unwrap();
        fs::rename(link, world.file()).unwrap();
    };
    let texts = [world.directory.join("a.csv"), world.directory.join("b.csv")];
    fs::write(&texts[0], kitchen("first")).unwrap();
    fs::write(&texts[1], kitchen("second")).unwrap();
    link(&texts[0]);
    world.gateway.wait_for_log_times(TAKEN, 1);
    link(&texts[1]);
    world.gateway.wait_for_log_times(TAKEN, 2);
    world.reading("kitchen", 7, 30.0);
    world.assert_too_warm(7, "second");
    assert!(world.gateway.stop().success(), "{}", world.gateway.log());
}

#[test]
fn commands_without_an_answer_come_out_over_a_restart() {
    let mut world = World::start();
    world.at("commands/pump", 0, "on");
    world.at("commands/fan", 1, "off");
    world.at("answers/pump", 4, "on");
    world.at("answers/fan", 40, "off");
    world.gateway.kill();
    world.gateway.start();
    world.wait_subscribed();
    // Both watermarks pass the half minute of both commands, not that of the third.
    world.at("commands/pump", 60, "off");
    world.at("answers/pump", 61, "other");
    let (topic, row) = world.result();
    assert_eq!((topic.as_str(), &row["command"], &row["ts"]), ("unanswered/fan", &"off".into(), &"2026-01-01T00:00:01.000Z".into()));
    assert!(world.gateway.stop().success(), "{}", world.gateway.log());
}

/// The SQL of the section on joins, each in a gateway's configuration.
#[test]
fn the_documented_joins_are_right() {
    let document = fs::read_to_string(root().join("docs/sql.md")).unwrap();
    let section = document.split("\n## Joins\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 2);
    let source = |name: &str, columns: &str| {
        format!(
            "[source.{name}]\ntype = \"mqtt\"\nbroker = \"mqtt://localhost\"\ntopics = [\"{name}\"]\nschema = \"ts TIMESTAMP, {columns}\"\n\
             event_time = \"ts\"\nwatermark = \"1 minute\"\n"
        )
    };
    let sources = [("readings", "device STRING, temperature DOUBLE"), ("opened", "door STRING"), ("closed", "door STRING")];
    let sources: String = sources.iter().map(|(name, columns)| source(name, columns)).collect();
    for block in blocks {
        let text = format!(
            "[gateway]\nid = \"a\"\n{sources}[table.devices]\npath = \"devices.csv\"\nschema = \"device STRING, room STRING, high DOUBLE\"\n\
             [query.joined]\nsql = \"\"\"{block}\"\"\"\n[sink.out]\ntype = \"stdout\"\nfrom = [\"joined\"]\n"
        );
        let warned = good(&[&text]).warnings;
        assert!(warned.iter().all(|warning| warning.contains("no query reads")), "{warned:?}");
    }
}
