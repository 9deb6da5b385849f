//! The configurations for devices that ship: each is started as it is, but for addresses and the data directory, and fed what its devices send; what comes
//! out at the central broker is what `tidemill test` expects of the same messages (`examples/devices`).
//!
//! Rows of windows that the clock closes are left to `tidemill test`, which has a clock of its own; when a row arrived is not compared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tidemill::config::settings::SourceKind;

use crate::config::{good, root};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{Incoming, Publish, Version};
use crate::support::pty::Pty;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const DEVICE: &str = "\"/dev/serial/by-id/";

/// What a step of the case says: by source and by query.
struct Step {
    messages: Vec<Value>,
    expected: Vec<String>,
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// `query {row}`, without what differs from run to run.
fn shown(query: &str, mut row: Value) -> String {
    let members = row.as_object_mut().unwrap();
    members.remove("_id");
    let arrived = members.remove("arrived");
    assert!(arrived.is_none_or(|arrived| arrived.as_str().is_some_and(|time| time.ends_with('Z'))));
    format!("{query} {row}")
}

/// `clocked`: queries whose windows the clock closes.
fn steps(name: &str, clocked: &[&str]) -> Vec<Step> {
    let read = |step: PathBuf| {
        let mut found = Step { messages: Vec::new(), expected: Vec::new() };
        for path in sorted(&step) {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            if file.ends_with(".messages.jsonl") {
                found.messages.extend(lines(&path));
            } else if let Some(query) = file.strip_prefix("expected.").and_then(|rest| rest.strip_suffix(".jsonl"))
                && !clocked.contains(&query)
            {
                found.expected.extend(lines(&path).into_iter().map(|row| shown(query, row)));
            }
        }
        found
    };
    sorted(&root().join("examples/devices").join(name).join("steps")).into_iter().map(read).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn payload(message: &Value) -> Vec<u8> {
    match (message.get("text"), message.get("hex")) {
        (Some(text), _) => text.as_str().unwrap().as_bytes().to_vec(),
        (None, Some(digits)) => hex(digits.as_str().unwrap()),
        (None, None) => message["payload"].to_string().into_bytes(),
    }
}

struct Rig {
    broker: Mosquitto,
    gateway: Gateway,
    central: Client,
    clocked: Vec<String>,
}

impl Rig {
    fn start(name: &str, clocked: &[&str], port: Option<&Pty>) -> Rig {
        let text = std::fs::read_to_string(root().join(format!("configs/examples/{name}.toml"))).unwrap();
        let settings = good(&[&text]);
        assert_eq!(settings.warnings, [""; 0]);
        let broker = Mosquitto::running();
        let address = format!("mqtt://127.0.0.1:{}", broker.port());
        let mut gateway = Gateway::new(|data_dir| {
            let mut text = text
                .replace("mqtt://localhost:1883", &address)
                .replace("mqtt://central.example:1883", &address)
                .replace("/var/lib/tidemill", &data_dir.display().to_string());
            if let Some(port) = port {
                let start = text.find(DEVICE).unwrap() + 1;
                let end = start + text[start..].find('"').unwrap();
                text.replace_range(start..end, &port.path().display().to_string());
            }
            text
        });
        let mut central = Client::connect(broker.address(), Version::V5, "central", true).unwrap();
        central.subscribe("gateways/#", 0).unwrap();
        gateway.start();
        for source in &settings.sources {
            match &source.kind {
                SourceKind::Mqtt(mqtt) => mqtt.filters.iter().for_each(|filter| broker.wait_for_subscription(filter)),
                SourceKind::Serial(_) => gateway.wait_for_log("\"message\":\"reading "),
                _ => {}
            }
        }
        Rig { broker, gateway, central, clocked: clocked.iter().map(ToString::to_string).collect() }
    }

    /// The next row of a query that the clock does not drive; `None` if nothing comes.
    fn row(&mut self, timeout: Duration) -> Option<String> {
        loop {
            match self.central.receive(timeout).unwrap()? {
                Incoming::Publish(message) => {
                    let query = message.topic.split('/').nth(2).unwrap().to_owned();
                    if !self.clocked.contains(&query) {
                        return Some(shown(&query, serde_json::from_slice(&message.payload).unwrap()));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes as many rows as there should be, in any order.
    fn expect(&mut self, mut expected: Vec<String>) {
        let mut rows: Vec<String> = Vec::new();
        while rows.len() < expected.len() {
            let log = self.gateway.log();
            rows.push(self.row(ANSWER_TIMEOUT).unwrap_or_else(|| panic!("{rows:#?} in place of {expected:#?}\n{log}")));
        }
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected, "{}", self.gateway.log());
    }

    /// Nothing more may come.
    fn end(mut self) {
        assert!(self.gateway.stop().success(), "{}", self.gateway.log());
        assert_eq!(self.row(Duration::from_millis(500)), None);
        let log = self.gateway.log();
        let last = log.lines().rev().find(|line| line.contains("\"since the start\"")).expect("a last line");
        for counter in ["late", "rejected", "dropped", "input_dropped"] {
            assert!(last.contains(&format!("\"{counter}\":0")), "{last}");
        }
    }
}

fn over_mqtt(name: &str, clocked: &[&str]) {
    let mut rig = Rig::start(name, clocked, None);
    let mut devices = Client::connect(rig.broker.address(), Version::V5, "devices", true).unwrap();
    let mut packet_ids = 1..;
    for step in steps(name, clocked) {
        for message in &step.messages {
            let topic = message["topic"].as_str().unwrap().to_owned();
            let packet_id = packet_ids.next().unwrap();
            devices.publish(&Publish { topic, payload: payload(message), qos: 1, packet_id, ..Publish::default() }).unwrap();
            assert!(matches!(devices.receive(ANSWER_TIMEOUT).unwrap(), Some(Incoming::PubAck { .. })));
        }
        rig.expect(step.expected);
    }
    rig.end();
}

/// `wrapped`: the bytes on the wire for a payload; `first`: what was on its way when the port was opened.
fn over_serial(name: &str, clocked: &[&str], first: &[u8], wrapped: impl Fn(Vec<u8>) -> Vec<u8>) {
    let port = Pty::open();
    let mut rig = Rig::start(name, clocked, Some(&port));
    port.write(first);
    for step in steps(name, clocked) {
        step.messages.iter().for_each(|message| port.write(&wrapped(payload(message))));
        rig.expect(step.expected);
    }
    rig.end();
}

fn line(text: Vec<u8>) -> Vec<u8> {
    [text, b"\r\n".to_vec()].concat()
}

/// A reply of Modbus RTU, with the CRC that its specification gives: reflected, 0xA001, from 0xFFFF, low byte first.
fn modbus_reply(registers: Vec<u8>) -> Vec<u8> {
    let frame = [&[0x01, 0x04, registers.len() as u8][..], &registers].concat();
    let bit = |crc: u16| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
    let crc = frame.iter().fold(0xffff, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| bit(crc)));
    [frame, crc.to_le_bytes().to_vec()].concat()
}

#[test]
fn zigbee2mqtt_runs() {
    over_mqtt("zigbee2mqtt", &[]);
}

#[test]
fn tasmota_runs() {
    over_mqtt("tasmota", &[]);
}

#[test]
fn esphome_runs() {
    over_mqtt("esphome", &["means", "silent"]);
}

#[test]
fn shelly_runs() {
    over_mqtt("shelly", &[]);
}

#[test]
fn the_things_stack_runs() {
    over_mqtt("things_stack", &[]);
}

#[test]
fn chirpstack_runs() {
    over_mqtt("chirpstack", &[]);
}

#[test]
fn gps_runs() {
    over_serial("gps", &[], b".4,N,01131.0000,E*00\r\n", line);
}

#[test]
fn arduino_runs() {
    over_serial("arduino", &["climate"], b"0,81.00,512\r\n", line);
}

#[test]
fn meter_runs() {
    over_serial("meter", &["power"], b"", modbus_reply);
}

/// Each has its case, and is in the list of the documentation.
#[test]
fn no_device_is_left_out() {
    let names = |directory: &str| -> BTreeSet<String> {
        sorted(&root().join(directory)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let configurations = names("configs/examples");
    assert_eq!(configurations, names("examples/devices"));
    let document = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let tests = include_str!("device_configs.rs");
    for name in &configurations {
        assert!(document.contains(&format!("(../configs/examples/{name}.toml)")), "{name} is not in docs/configuration.md");
        assert!(tests.contains(&format!("(\"{name}\", ")), "{name} is not run");
    }
}
