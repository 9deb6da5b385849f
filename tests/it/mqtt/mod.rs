//! The MQTT driver against a real Mosquitto: what a source is handed, what the broker keeps for it, and what a sink sends.

mod sending;
mod source;

use std::time::Duration;

use tidemill::mqtt::driver::{SourceControl, SourceDriverSettings, SourceEvent, run_source};
use tidemill::mqtt::{BrokerSettings, Inbound, InboundPayload, Protocol, Subscription};
use tokio::sync::{mpsc, watch};

use crate::support::client::Client;
use crate::support::mosquitto::Mosquitto;
use crate::support::packet::{Incoming, Publish, Version};

const PATIENCE: Duration = Duration::from_secs(20);
const BOTH: [Protocol; 2] = [Protocol::V4, Protocol::V5];

fn broker_settings(port: u16, protocol: Protocol, client_id: &str) -> BrokerSettings {
    BrokerSettings {
        host: "localhost".to_owned(),
        port,
        tls: None,
        protocol,
        client_id: client_id.to_owned(),
        username: None,
        password: None,
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::from_secs(3600),
        connect_timeout: Duration::from_secs(10),
    }
}

fn source_settings(port: u16, protocol: Protocol) -> SourceDriverSettings {
    SourceDriverSettings {
        name: "readings".to_owned(),
        source: 3,
        broker: broker_settings(port, protocol, "barn-readings"),
        subscriptions: vec![Subscription { filter: "sensors/#".to_owned(), qos: 1 }],
        stored_filters: Vec::new(),
        payload_bytes_max: 1000,
        intake_bytes_max: 1 << 20,
        rate_max: None,
        first_connection: 1,
    }
}

/// A running source and the core's end of its channels.
struct Source {
    events: mpsc::Receiver<(usize, SourceEvent)>,
    control: watch::Sender<SourceControl>,
    task: tokio::task::JoinHandle<()>,
}

impl Source {
    fn start(settings: SourceDriverSettings) -> Source {
        let (events_in, events) = mpsc::channel(4);
        let (control, control_out) = watch::channel(SourceControl::default());
        let task = tokio::spawn(run_source(settings, events_in, control_out));
        Source { events, control, task }
    }

    async fn next(&mut self) -> SourceEvent {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the source runs");
        assert_eq!(event.0, 3, "events carry the source's number");
        event.1
    }

    /// Events up to and with the first that `wanted` finds something in; those before are dropped.
    async fn until<T>(&mut self, wanted: impl Fn(SourceEvent) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    /// Its number, and whether the broker had kept our session.
    async fn connected(&mut self) -> (u64, bool) {
        self.until(|it| match it {
            SourceEvent::Connected { connection, resumed } => Some((connection, resumed)),
            _ => None,
        })
        .await
    }

    async fn subscribed(&mut self) -> Vec<String> {
        self.until(|it| match it {
            SourceEvent::Subscribed { filters } if !filters.is_empty() => Some(filters),
            _ => None,
        })
        .await
    }

    async fn warning(&mut self) -> String {
        self.until(|it| match it {
            SourceEvent::Warning(text) => Some(text),
            _ => None,
        })
        .await
    }

    async fn disconnected(&mut self) -> String {
        self.until(|it| match it {
            SourceEvent::Disconnected { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .await
    }

    async fn proven(&mut self, through_seq: u64) {
        self.until(|it| match it {
            SourceEvent::Proven { through_seq: proven, .. } if proven >= through_seq => Some(()),
            _ => None,
        })
        .await;
    }

    /// The next `count` messages at least, with the connection they came on.
    async fn messages(&mut self, count: usize) -> (u64, Vec<Inbound>) {
        let mut all = Vec::new();
        loop {
            let (connection, messages) = self
                .until(|it| match it {
                    SourceEvent::Messages { connection, messages, .. } => Some((connection, messages)),
                    _ => None,
                })
                .await;
            all.extend(messages);
            if all.len() >= count {
                return (connection, all);
            }
        }
    }

    fn pause(&self, paused: bool) {
        self.control.send_modify(|it| it.paused = paused);
    }

    fn acknowledge(&self, connection: u64, through_seq: u64) {
        self.control.send_modify(|it| it.acknowledge = Some((connection, through_seq)));
    }

    async fn shut_down(self) {
        self.control.send_modify(|it| it.leave = true);
        tokio::time::timeout(PATIENCE, self.task).await.expect("ends in time").expect("ends well");
    }
}

fn text(message: &Inbound) -> String {
    match &message.payload {
        InboundPayload::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        InboundPayload::Oversized { length, .. } => format!("{length} bytes"),
    }
}

fn texts(messages: &[Inbound]) -> Vec<String> {
    messages.iter().map(text).collect()
}

/// A device: publishes and waits until the broker has each.
struct Device(Client);

impl Device {
    fn connect(broker: &Mosquitto) -> Device {
        Device(Client::connect(broker.address(), Version::V4, "device", true).expect("the broker accepts"))
    }

    fn publish(&mut self, qos: u8, payload: &[u8]) {
        let topic = "sensors/1/climate".to_owned();
        let message = Publish { topic, payload: payload.to_vec(), qos, packet_id: u16::from(qos), ..Publish::default() };
        self.0.publish(&message).expect("written");
        if qos > 0 {
            let answer = self.0.receive(PATIENCE).expect("the broker answers");
            assert_eq!(answer, Some(Incoming::PubAck { packet_id: 1, code: 0 }));
        }
    }

    fn publish_numbers(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.publish(1, number.to_string().as_bytes());
        }
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|it| it.to_string()).collect()
}
