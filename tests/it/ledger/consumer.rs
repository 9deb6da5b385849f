//! The central side: a subscriber with a persistent session at the central broker that keeps every delivery, repeats too.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::account::{Problem, WindowResult};
use super::dedup::{Deduplicator, ResultId};
use crate::support::child::{POLL, wait_until};
use crate::support::client::Client;
use crate::support::packet::{Incoming, Publish, Version};

const CONNECT_RETRY: Duration = Duration::from_millis(50);
const FILTER: &str = "gateways/#";

#[derive(Default)]
struct Shared {
    deliveries: Mutex<Vec<Publish>>,
    subscribed: AtomicBool,
    session_lost: AtomicBool,
    stopping: AtomicBool,
}

pub struct Consumer {
    shared: Arc<Shared>,
    version: Version,
    thread: Option<JoinHandle<()>>,
}

/// What arrived, repeats dropped.
pub struct Received {
    pub results: Vec<WindowResult>,
    pub repeats: usize,
    /// Starts of the gateway that made results.
    pub epochs: BTreeSet<u64>,
    pub problems: Vec<Problem>,
}

impl Consumer {
    /// Subscribes and waits until the broker has granted it.
    pub fn start(address: SocketAddr, version: Version) -> Consumer {
        let shared = Arc::new(Shared::default());
        let worker_shared = shared.clone();
        let thread = std::thread::spawn(move || run(address, version, &worker_shared));
        let consumer = Consumer { shared, version, thread: Some(thread) };
        let subscribed = wait_until(Duration::from_secs(20), || consumer.shared.subscribed.load(Ordering::SeqCst));
        assert!(subscribed, "the central broker grants no subscription");
        consumer
    }

    pub fn deliveries(&self) -> usize {
        self.shared.deliveries.lock().expect("no holder panics").len()
    }

    pub fn received(&self) -> Received {
        let mut problems = Vec::new();
        if self.shared.session_lost.load(Ordering::SeqCst) {
            problems.push(Problem::Malformed("the central broker lost the consumer's session: the test proves nothing".to_owned()));
        }
        let deliveries = self.shared.deliveries.lock().expect("no holder panics");
        let mut by_id: BTreeMap<ResultId, &Publish> = BTreeMap::new();
        let mut by_window = Deduplicator::default();
        let mut results = Vec::new();
        for delivery in deliveries.iter() {
            match read(delivery, self.version) {
                Ok((id, result)) => {
                    let is_new = by_window.is_new(&id);
                    let first = by_id.get(&id).copied();
                    if is_new != first.is_none() {
                        problems.push(Problem::Malformed(format!("{id:?}: high-water mark and window take it for new: {is_new}")));
                    }
                    if first.is_some_and(|first| (&first.topic, &first.payload) != (&delivery.topic, &delivery.payload)) {
                        problems.push(Problem::Malformed(format!("{id:?}: two messages with one id")));
                    }
                    if first.is_none() {
                        results.push(result);
                        by_id.insert(id, delivery);
                    }
                }
                Err(what) => problems.push(Problem::Malformed(what)),
            }
        }
        let epochs = by_id.keys().map(|id| id.epoch).collect();
        Received { repeats: deliveries.len() - results.len(), results, epochs, problems }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the consumer panicked");
        }
    }
}

fn run(address: SocketAddr, version: Version, shared: &Shared) {
    while !shared.stopping.load(Ordering::SeqCst) {
        // The broker is down or went away: it keeps the session.
        if listen(address, version, shared).is_err() {
            std::thread::sleep(CONNECT_RETRY);
        }
    }
}

fn listen(address: SocketAddr, version: Version, shared: &Shared) -> io::Result<()> {
    let mut client = Client::connect(address, version, "central-consumer", false)?;
    if !client.session_present() {
        if shared.subscribed.load(Ordering::SeqCst) {
            shared.session_lost.store(true, Ordering::SeqCst);
        }
        client.subscribe(FILTER, 1)?;
        shared.subscribed.store(true, Ordering::SeqCst);
    }
    while !shared.stopping.load(Ordering::SeqCst) {
        if let Some(Incoming::Publish(message)) = client.receive(POLL)? {
            let packet_id = message.packet_id;
            shared.deliveries.lock().expect("no holder panics").push(message);
            client.acknowledge(packet_id)?;
        }
    }
    client.disconnect()
}

/// The id and the result of one message; a text about what breaks the format.
fn read(message: &Publish, version: Version) -> Result<(ResultId, WindowResult), String> {
    let text = String::from_utf8_lossy(&message.payload);
    let fields: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
    let first_member = text.trim_start_matches('{').split(':').next();
    if first_member != Some("\"_id\"") {
        return Err(format!("{text}: `_id` is not its first member"));
    }
    let id = fields["_id"].as_str().and_then(ResultId::parse).ok_or_else(|| format!("{text}: no `_id` of four parts"))?;
    if version == Version::V5 {
        let (epoch, seq) = (format!("{:x}", id.epoch), id.seq.to_string());
        for (name, value) in [("gateway", &id.gateway), ("sink", &id.sink), ("epoch", &epoch), ("seq", &seq)] {
            let property = message.user_properties.iter().find(|(property, _)| property == name).map(|(_, value)| value);
            if property.map(|text| text.trim_start_matches('0')) != Some(value.trim_start_matches('0')) {
                return Err(format!("{text}: user property {name} is {property:?}"));
            }
        }
    }
    let result = window_result(&fields).ok_or_else(|| format!("{text}: not a window's result"))?;
    if message.topic != format!("gateways/{}/climate/{}", id.gateway, result.device) {
        return Err(format!("{text}: on topic {}", message.topic));
    }
    Ok((id, result))
}

fn window_result(fields: &serde_json::Value) -> Option<WindowResult> {
    let start: jiff::Timestamp = fields["start"].as_str()?.parse().ok()?;
    Some(WindowResult {
        device: fields["device"].as_str()?.to_owned(),
        start_ms: start.as_millisecond(),
        n: fields["n"].as_u64()?,
        total: fields["total"].as_f64()?,
    })
}
