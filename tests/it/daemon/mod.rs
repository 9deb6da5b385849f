//! The whole daemon in a small world: a real local broker, a scripted central one, each behind a proxy; every reading is a result.

mod backup;
mod backup_trust;
mod changed;
mod input;
mod late_clock;
mod memory;
mod outbox;
mod quarantine;
mod refusals;
mod reload;
#[cfg(feature = "systemd")]
mod service_manager;
mod start;
mod status;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::broker::{Script, ScriptedBroker};
use crate::support::child::wait_until;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{self, Incoming, Publish, Version};
use crate::support::proxy::{Direction, Proxy};

const PATIENCE: Duration = Duration::from_secs(60);
const VERSION: Version = Version::V5;

/// Further keys of each section.
#[derive(Default)]
struct Keys {
    source: &'static str,
    sink: &'static str,
    /// Columns besides `device`, `number`.
    columns: &'static str,
}

struct World {
    local: Mosquitto,
    local_proxy: Proxy,
    central: ScriptedBroker,
    central_proxy: Proxy,
    gateway: Gateway,
    data_dir: PathBuf,
    device: Client,
    next_packet_id: u16,
}

impl World {
    /// Everything runs, the gateway has subscribed.
    fn start(keys: &Keys, central: Script) -> World {
        let mut world = World::prepare(keys, central);
        world.gateway.start();
        world.gateway.wait_ready();
        world.local.wait_for_subscription("sensors/+/climate");
        world
    }

    /// The gateway does not run yet.
    fn prepare(keys: &Keys, central: Script) -> World {
        let local = Mosquitto::running();
        let local_proxy = Proxy::start(local.port());
        local_proxy.record();
        let central = ScriptedBroker::start(central);
        let central_proxy = Proxy::start(central.port());
        let mut data_dir = PathBuf::new();
        let gateway = Gateway::new(|dir| {
            data_dir = dir.to_owned();
            config(&data_dir, local_proxy.port(), central_proxy.port(), keys)
        });
        let device = Client::connect(local.address(), VERSION, "device", true).unwrap();
        World { local, local_proxy, central, central_proxy, gateway, data_dir, device, next_packet_id: 0 }
    }

    /// Publishes a payload at QoS 1; the local broker has it.
    fn publish(&mut self, payload: &[u8]) {
        self.next_packet_id += 1;
        let topic = "sensors/a/climate".to_owned();
        let message = Publish { topic, payload: payload.to_vec(), qos: 1, packet_id: self.next_packet_id, ..Publish::default() };
        self.device.publish(&message).unwrap();
        assert!(matches!(self.device.receive(PATIENCE).unwrap(), Some(Incoming::PubAck { code: 0, .. })));
    }

    /// Publishes readings by number, each with `text_bytes` of text.
    fn publish_numbers(&mut self, numbers: Range<u64>, text_bytes: usize) {
        for number in numbers {
            self.publish(format!(r#"{{"number":{number},"text":"{}"}}"#, "x".repeat(text_bytes)).as_bytes());
        }
    }

    /// How many messages the gateway has acknowledged, over all connections.
    fn acknowledged(&self) -> usize {
        let up = packet::take_all(VERSION, self.local_proxy.recorded(Direction::Up));
        up.iter().filter(|packet| matches!(packet, Incoming::PubAck { .. })).count()
    }

    fn wait_acknowledged(&self, count: usize) {
        let reached = wait_until(PATIENCE, || self.acknowledged() >= count);
        assert!(reached, "{} of {count} are acknowledged:\n{}", self.acknowledged(), self.gateway.log());
    }

    /// Waits until the central broker has accepted a result of each number.
    fn wait_for_numbers(&self, numbers: Range<u64>) {
        let mut missing: Vec<u64> = Vec::new();
        let came = wait_until(PATIENCE, || {
            let arrived = self.accepted_numbers();
            missing = numbers.clone().filter(|number| !arrived.contains(number)).collect();
            missing.is_empty()
        });
        assert!(came, "results {missing:?} do not arrive:\n{}", self.gateway.log());
    }

    fn accepted_numbers(&self) -> Vec<u64> {
        self.central.accepted().iter().map(|result| result["number"].as_u64().unwrap()).collect()
    }

    fn stop(&mut self) {
        assert!(self.gateway.stop().success(), "{}", self.gateway.log());
    }
}

fn config(data_dir: &std::path::Path, local_port: u16, central_port: u16, keys: &Keys) -> String {
    let Keys { source, sink, columns } = keys;
    format!(
        r#"[gateway]
id = "small"
data_dir = {data_dir:?}
batch_interval = "50ms"
shutdown_timeout = "300ms"
free_space_min = 0

[source.readings]
type = "mqtt"
broker = "mqtt://127.0.0.1:{local_port}"
topics = ["sensors/{{device}}/climate"]
schema = "number BIGINT, text STRING"
{source}

[query.each]
sql = "SELECT device, number, text {columns} FROM readings"

[sink.central]
type = "mqtt"
broker = "mqtt://127.0.0.1:{central_port}"
from = ["each"]
topic = "out/{{device}}"
{sink}
"#
    )
}
