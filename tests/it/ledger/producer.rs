//! The devices: one connection to the local broker, QoS 1, event times that only rise. It keeps what the broker acknowledged and never
//! sends an unsure reading again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::account::{Fate, Reading};
use crate::support::child::{POLL, wait_until};
use crate::support::client::Client;
use crate::support::packet::{Incoming, Publish, Version};
use crate::support::random::Random;

pub const DEVICES: u64 = 5;
const IN_FLIGHT_MAX: usize = 20;
/// 2033-05-18T03:33:20Z: ahead of every clock, so that no clock closes a window.
const FIRST_TS_MS: i64 = 2_000_000_000_000;
/// Between a reading and the next of any device. 100 readings make a window of 10 s.
const STEP_MS: i64 = 100;
const CONNECT_RETRY: Duration = Duration::from_millis(50);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Shared {
    readings: Mutex<Vec<Reading>>,
    pausing: AtomicBool,
    in_flight: AtomicU64,
    stopping: AtomicBool,
}

pub struct Producer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Producer {
    /// Begins to send, `rate` readings a second.
    pub fn start(address: SocketAddr, version: Version, rate: u32, seed: u64) -> Producer {
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            address,
            version,
            interval: Duration::from_secs(1) / rate,
            random: Random::new(seed),
            shared: shared.clone(),
            in_flight: BTreeMap::new(),
            next_packet_id: 1,
        };
        let thread = std::thread::spawn(move || worker.run());
        Producer { shared, thread: Some(thread) }
    }

    pub fn sent(&self) -> usize {
        self.shared.readings.lock().expect("no holder panics").len()
    }

    /// Waits until `count` more readings are on their way.
    pub fn wait_for(&self, count: usize) {
        let goal = self.sent() + count;
        assert!(wait_until(DRAIN_TIMEOUT, || self.sent() >= goal), "the broker takes no readings");
    }

    /// Stops sending and waits until every reading is sure or unsure.
    pub fn pause(&self) {
        self.shared.pausing.store(true, Ordering::SeqCst);
        assert!(wait_until(DRAIN_TIMEOUT, || self.shared.in_flight.load(Ordering::SeqCst) == 0), "the broker does not acknowledge");
    }

    pub fn readings(&self) -> Vec<Reading> {
        self.shared.readings.lock().expect("no holder panics").clone()
    }

    /// With sending paused: a reading so far ahead that every window before it closes. It is not in the books.
    pub fn flush(&self, address: SocketAddr, version: Version) {
        let last_ts_ms = self.readings().last().map_or(FIRST_TS_MS, |reading| reading.ts_ms);
        let mut client = Client::connect(address, version, "flush", true).expect("the local broker runs");
        let message = Publish {
            topic: "sensors/flush/climate".to_owned(),
            payload: format!(r#"{{"ts":{},"temperature":0}}"#, last_ts_ms + 3_600_000).into_bytes(),
            qos: 1,
            packet_id: 1,
            ..Publish::default()
        };
        client.publish(&message).expect("the local broker runs");
        let answer = client.receive(DRAIN_TIMEOUT).expect("the local broker runs");
        assert_eq!(answer, Some(Incoming::PubAck { packet_id: 1, code: 0 }));
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the producer panicked");
        }
    }
}

struct Worker {
    address: SocketAddr,
    version: Version,
    interval: Duration,
    random: Random,
    shared: Arc<Shared>,
    /// Packet id → position among the readings.
    in_flight: BTreeMap<u16, usize>,
    next_packet_id: u16,
}

impl Worker {
    fn run(mut self) {
        while !self.shared.stopping.load(Ordering::SeqCst) {
            match Client::connect(self.address, self.version, "devices", true) {
                Ok(mut client) => {
                    // The broker went away; what it has not acknowledged is unsure from now on.
                    let _ = self.talk(&mut client);
                    self.settle_all(Fate::Unsure);
                }
                Err(_) => std::thread::sleep(CONNECT_RETRY),
            }
        }
    }

    fn talk(&mut self, client: &mut Client) -> io::Result<()> {
        let mut due = Instant::now();
        while !self.shared.stopping.load(Ordering::SeqCst) {
            while !self.shared.pausing.load(Ordering::SeqCst) && self.in_flight.len() < IN_FLIGHT_MAX && due <= Instant::now() {
                due += self.interval;
                self.publish_next(client)?;
            }
            let until_due = due.saturating_duration_since(Instant::now()).min(POLL);
            if let Some(packet) = client.receive(until_due)? {
                self.acknowledged(&packet);
            }
        }
        Ok(())
    }

    fn publish_next(&mut self, client: &mut Client) -> io::Result<()> {
        let packet_id = self.next_packet_id;
        self.next_packet_id = if packet_id == u16::MAX { 1 } else { packet_id + 1 };
        let reading = {
            let mut readings = self.shared.readings.lock().expect("no holder panics");
            let reading = Reading {
                device: format!("d{}", self.random.below(DEVICES)),
                ts_ms: FIRST_TS_MS + STEP_MS * i64::try_from(readings.len()).expect("a test's number of readings"),
                value: self.random.below(1_000_000) as u32,
                fate: Fate::InFlight,
            };
            self.in_flight.insert(packet_id, readings.len());
            self.shared.in_flight.store(self.in_flight.len() as u64, Ordering::SeqCst);
            readings.push(reading.clone());
            reading
        };
        client.publish(&Publish {
            topic: format!("sensors/{}/climate", reading.device),
            payload: format!(r#"{{"ts":{},"temperature":{}}}"#, reading.ts_ms, reading.value).into_bytes(),
            qos: 1,
            packet_id,
            ..Publish::default()
        })
    }

    fn acknowledged(&mut self, packet: &Incoming) {
        let Incoming::PubAck { packet_id, code } = packet else { panic!("the broker sends a producer {packet:?}") };
        // 0x10, "no matching subscribers", would mean that the gateway has no session there.
        assert_eq!(*code, 0, "the broker does not keep a reading for the gateway");
        let position = self.in_flight.remove(packet_id).expect("the broker acknowledges what was sent");
        self.shared.readings.lock().expect("no holder panics")[position].fate = Fate::Sure;
        self.shared.in_flight.store(self.in_flight.len() as u64, Ordering::SeqCst);
    }

    fn settle_all(&mut self, fate: Fate) {
        let mut readings = self.shared.readings.lock().expect("no holder panics");
        for position in std::mem::take(&mut self.in_flight).into_values() {
            readings[position].fate = fate;
        }
        self.shared.in_flight.store(0, Ordering::SeqCst);
    }
}
