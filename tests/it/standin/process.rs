//! The stand-in's process: connections, the batch, the commit, and the two faults.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::core::{State, Unproven};
use crate::support::client::Client;
use crate::support::packet::{Incoming, Publish, Version};

const BATCH: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_millis(2);
const IN_FLIGHT_MAX: usize = 64;
const DELIVER_AT_STOP: Duration = Duration::from_secs(5);

struct Gateway {
    state: State,
    file: PathBuf,
    version: Version,
    epoch: u64,
    early_ack: bool,
    no_redelivery: bool,
    source_address: SocketAddr,
    source: Option<Client>,
    /// Still before the first message that is no repeat.
    resuming: bool,
    batch: Vec<Publish>,
    /// Packet ids that await the commit.
    to_acknowledge: Vec<u16>,
    pinging: bool,
    sink_address: SocketAddr,
    sink: Option<Client>,
    /// How many of the outbox's first are sent on this connection.
    sent: usize,
}

pub fn run(config: &Path) {
    let stopping = Arc::new(AtomicBool::new(false));
    watch_for_sigterm(stopping.clone());
    let mut gateway = Gateway::open(config);
    println!("ready");
    let mut batch_end = Instant::now() + BATCH;
    while !stopping.load(Ordering::SeqCst) {
        gateway.poll(batch_end);
        if Instant::now() >= batch_end {
            gateway.commit();
            batch_end = Instant::now() + BATCH;
        }
    }
    gateway.commit();
    let deadline = Instant::now() + DELIVER_AT_STOP;
    while !gateway.state.outbox.is_empty() && Instant::now() < deadline {
        gateway.deliver();
    }
    gateway.commit();
    println!("stopped late={}", gateway.state.late);
    // Not back into the test harness, which would report a passed test.
    std::process::exit(0);
}

fn watch_for_sigterm(stopping: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
            term.recv().await;
        });
        stopping.store(true, Ordering::SeqCst);
    });
}

impl Gateway {
    fn open(config: &Path) -> Gateway {
        let text = std::fs::read_to_string(config).expect("the configuration");
        let config: toml::Table = text.parse().expect("TOML");
        let broker = |kind: &str, name: &str| -> SocketAddr {
            let url = config[kind][name]["broker"].as_str().expect("a broker");
            url.strip_prefix("mqtt://").expect("plain TCP").parse().expect("an address")
        };
        let directory = PathBuf::from(config["gateway"]["data_dir"].as_str().expect("a directory"));
        std::fs::create_dir_all(&directory).expect("the data directory");
        let file = directory.join("state.json");
        let mut state: State = std::fs::read(&file).map(|bytes| serde_json::from_slice(&bytes).expect("own state")).unwrap_or_default();
        state.starts += 1;
        let fault = std::env::var("TIDEMILL_SABOTAGE").unwrap_or_default();
        let gateway = Gateway {
            epoch: state.starts << 32 | u64::from(std::process::id()),
            state,
            file,
            version: if config["source"]["readings"]["protocol"].as_str() == Some("3.1.1") { Version::V4 } else { Version::V5 },
            early_ack: fault == "early_ack",
            no_redelivery: fault == "no_redelivery",
            source_address: broker("source", "readings"),
            source: None,
            resuming: false,
            batch: Vec::new(),
            to_acknowledge: Vec::new(),
            pinging: false,
            sink_address: broker("sink", "central"),
            sink: None,
            sent: 0,
        };
        gateway.save();
        gateway
    }

    fn poll(&mut self, batch_end: Instant) {
        while self.source.is_some() && Instant::now() < batch_end {
            match self.source.as_mut().expect("just seen").receive(WAIT) {
                Ok(Some(packet)) => self.received(packet),
                Ok(None) => break,
                Err(_) => self.source_lost(),
            }
        }
        if self.source.is_none() {
            // The broker is down: the next round tries again.
            let _ = self.connect_source();
        }
        self.deliver();
    }

    fn connect_source(&mut self) -> io::Result<()> {
        let mut client = Client::connect(self.source_address, self.version, "ledger-readings", false)?;
        self.resuming = client.session_present();
        if !self.resuming {
            client.subscribe("sensors/+/climate", 1)?;
        }
        for known in &mut self.state.unproven {
            (known.acknowledged, known.covered) = (false, false);
        }
        self.pinging = false;
        self.source = Some(client);
        Ok(())
    }

    fn source_lost(&mut self) {
        self.source = None;
        self.to_acknowledge.clear();
    }

    fn received(&mut self, packet: Incoming) {
        match packet {
            Incoming::Publish(message) => {
                if self.early_ack {
                    self.acknowledge(message.packet_id);
                } else {
                    self.to_acknowledge.push(message.packet_id);
                }
                if self.resuming && !self.no_redelivery && self.state.is_repeat(&message) {
                    return;
                }
                self.resuming = false;
                let (topic, payload) = (message.topic.clone(), message.payload.clone());
                self.state.unproven.push(Unproven { packet_id: message.packet_id, topic, payload, acknowledged: false, covered: false });
                self.batch.push(message);
            }
            Incoming::PingResp => {
                self.state.unproven.retain(|known| !known.covered);
                self.pinging = false;
            }
            _ => {}
        }
    }

    fn acknowledge(&mut self, packet_id: u16) {
        if self.source.as_mut().is_some_and(|source| source.acknowledge(packet_id).is_err()) {
            self.source_lost();
        }
        for known in self.state.unproven.iter_mut().filter(|known| known.packet_id == packet_id) {
            known.acknowledged = true;
        }
    }

    fn commit(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.state.step(&batch, self.epoch);
        self.save();
        for packet_id in std::mem::take(&mut self.to_acknowledge) {
            self.acknowledge(packet_id);
        }
        if !self.pinging && self.state.unproven.iter().any(|known| known.acknowledged) {
            for known in &mut self.state.unproven {
                known.covered = known.acknowledged;
            }
            self.pinging = self.source.as_mut().is_some_and(|source| source.ping().is_ok());
        }
    }

    /// A rename is atomic, and outlives the process; a power cut is not its business.
    fn save(&self) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, serde_json::to_vec(&self.state).expect("plain data")).expect("the state is written");
        std::fs::rename(&next, &self.file).expect("the state is in place");
    }

    fn deliver(&mut self) {
        if self.sink.is_none() {
            if self.state.outbox.is_empty() {
                return;
            }
            self.sink = Client::connect(self.sink_address, self.version, "ledger-central", true).ok();
            self.sent = 0;
        }
        if self.exchange().is_err() {
            self.sink = None;
        }
    }

    fn exchange(&mut self) -> io::Result<()> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        while self.sent < self.state.outbox.len().min(IN_FLIGHT_MAX) {
            let out = &self.state.outbox[self.sent];
            let id = format!("ledger:central:{:x}:{}", out.epoch, out.seq);
            let property = |name: &str, value: String| (name.to_owned(), value);
            sink.publish(&Publish {
                topic: out.topic.clone(),
                payload: format!(r#"{{"_id":"{id}",{}}}"#, out.members).into_bytes(),
                qos: 1,
                packet_id: (out.seq % 60_000) as u16 + 1,
                user_properties: vec![
                    property("gateway", "ledger".to_owned()),
                    property("sink", "central".to_owned()),
                    property("epoch", format!("{:x}", out.epoch)),
                    property("seq", out.seq.to_string()),
                ],
                ..Publish::default()
            })?;
            self.sent += 1;
        }
        while let Some(packet) = sink.receive(WAIT)? {
            let Incoming::PubAck { packet_id, .. } = packet else { continue };
            let acknowledged = self.state.outbox.iter().position(|out| (out.seq % 60_000) as u16 + 1 == packet_id);
            self.state.outbox.remove(acknowledged.expect("the broker acknowledges what was sent"));
            self.sent -= 1;
        }
        Ok(())
    }
}
