//! The world around one gateway: devices, brokers, disk and clock, all moved by one seed.
//!
//! In every step the seed picks what happens next: a device publishes, some bytes arrive, time passes, the disk finishes a commit, a connection
//! is cut with what was under way on it, the process dies. Then a calm in which everything must come to its end, and the comparison with a
//! model that only adds up what the devices have sent.

use std::collections::{BTreeMap, BTreeSet};

use tidemill::batch::Stamp;
use tidemill::config::settings::Settings;
use tidemill::gateway::Event;
use tidemill::mqtt::Protocol;

use super::broker::{CentralBroker, LocalBroker, Marks};
use super::process::Process;
use super::store::MemoryStore;
use crate::ledger::dedup::{Deduplicator, ResultId};
use crate::support::random::Random;

/// 2026-06-01T00:00:00Z, µs.
const BEGAN_US: i64 = 1_780_272_000_000_000;
const WINDOW_MS: i64 = 10_000;
const MESSAGES: u64 = 60;
const STEPS_MAX: u64 = 6_000;
const CALM_ROUNDS_MAX: u64 = 4_000;

/// Count and sum of a device's window.
type Windows = BTreeMap<(String, i64), (u64, i64)>;

pub struct World<'a> {
    settings: &'a Settings,
    random: Random,
    store: MemoryStore,
    process: Process<'a>,
    local: LocalBroker,
    central: CentralBroker,
    mono_us: u64,
    sent: u64,
    last_payload: Vec<u8>,
    expected: Windows,
    trace: Vec<String>,
}

/// Runs one seed to its end. Errors say what does not balance.
pub fn run(settings: &Settings, protocol: Protocol, seed: u64) -> Result<(), String> {
    let mut world = World::new(settings, protocol, seed);
    world.storm();
    world.calm()?;
    world.compare()
}

impl<'a> World<'a> {
    fn new(settings: &'a Settings, protocol: Protocol, seed: u64) -> World<'a> {
        let mut random = Random::new(seed);
        let v5 = protocol == Protocol::V5;
        let marks = [Marks::DupAndId, Marks::DupAndId, Marks::Id, Marks::Dup][random.below(4) as usize];
        let window = [1, 5, 20, 100][random.below(4) as usize];
        let store = MemoryStore::default();
        let process = Process::start(settings, &store, random.next(), stamp(1_000_000));
        World {
            settings,
            random,
            store,
            process,
            local: LocalBroker::new(v5, marks, window),
            central: CentralBroker { v5, arrived: Vec::new() },
            mono_us: 1_000_000,
            sent: 0,
            last_payload: Vec::new(),
            expected: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    fn now(&self) -> Stamp {
        stamp(self.mono_us)
    }

    /// Anything may happen, in any order.
    fn storm(&mut self) {
        let mut steps = 0;
        while (self.sent < MESSAGES || self.random.below(50) != 0) && steps < STEPS_MAX {
            steps += 1;
            let now = self.now();
            match self.random.below(100) {
                0..12 => self.device_publishes(),
                12..36 => self.bytes_to_gateway(),
                36..56 => self.bytes_to_brokers(),
                56..72 => {
                    // Now and then past the time for which a moved cursor may wait to become durable.
                    let longest_us = if self.random.below(20) == 0 { 8_000_000 } else { 400_000 };
                    self.mono_us += self.random.below(longest_us);
                    self.process.tick(self.now());
                }
                72..84 => self.disk_works(),
                84..90 => self.process.publish(&self.store, now),
                90..95 => self.connect(),
                95 => {
                    self.lose_some_bytes();
                    self.process.cut_local(now);
                    self.local.disconnected();
                }
                96 | 97 => {
                    self.lose_some_bytes();
                    self.process.cut_central();
                }
                98 => self.disk_is_full_for_a_while(),
                _ => self.die(),
            }
        }
    }

    /// A reading; now and then the same text once more, which is another reading.
    fn device_publishes(&mut self) {
        if self.sent >= MESSAGES || !self.local.session {
            return;
        }
        self.sent += 1;
        if self.last_payload.is_empty() || self.local.marks == Marks::Dup || self.random.below(8) != 0 {
            let device = self.random.below(3);
            let at_ms = self.now().wall_us / 1_000;
            let value = self.random.below(1_000);
            // Told apart by its number, so that only the repetition above makes equal texts.
            self.last_payload = format!(r#"{{"device":"d{device}","ts":{at_ms},"v":{value},"number":{}}}"#, self.sent).into_bytes();
        }
        let payload = self.last_payload.clone();
        let reading: serde_json::Value = serde_json::from_slice(&payload).expect("written above");
        let start_ms = reading["ts"].as_i64().expect("ts").div_euclid(WINDOW_MS) * WINDOW_MS;
        let window = self.expected.entry((reading["device"].as_str().expect("device").to_owned(), start_ms)).or_default();
        window.0 += 1;
        window.1 += reading["v"].as_i64().expect("v");
        self.local.publish(payload);
        self.brokers_work();
    }

    fn bytes_to_gateway(&mut self) {
        let count = if self.random.below(3) == 0 { self.random.below(20) as usize } else { usize::MAX };
        let now = self.now();
        if self.random.below(2) == 0 {
            self.process.receive_local(count, now);
        } else {
            self.process.receive_central(count, now);
        }
    }

    fn bytes_to_brokers(&mut self) {
        let count = if self.random.below(3) == 0 { self.random.below(20) as usize } else { usize::MAX };
        let local = self.random.below(2) == 0;
        let link = if local { &mut self.process.local } else { &mut self.process.central };
        if let Some(link) = link {
            link.carry_to_broker(count);
        }
        self.brokers_work();
    }

    fn brokers_work(&mut self) {
        if let Some(link) = &mut self.process.local {
            self.local.work(link);
        }
        if let Some(link) = &mut self.process.central {
            self.central.work(link);
        }
    }

    fn disk_works(&mut self) {
        if let Some(changes) = self.process.committing.take() {
            self.store.commit(&changes);
            let now = self.now();
            self.process.event(Event::Committed { number: changes.number }, now);
        }
    }

    fn disk_is_full_for_a_while(&mut self) {
        if self.process.committing.is_none() {
            return;
        }
        let now = self.now();
        self.process.event(Event::StoreDown { reason: "full".to_owned() }, now);
        self.process.cut_local(now);
        self.local.disconnected();
        self.mono_us += self.random.below(3_000_000);
        self.process.tick(self.now());
        let now = self.now();
        self.process.event(Event::StoreUp, now);
        self.disk_works();
    }

    fn connect(&mut self) {
        let now = self.now();
        if self.process.local.is_none() && !self.process.paused {
            // The gateway may have left by itself.
            self.local.disconnected();
            self.process.connect_local(now);
        }
        if self.process.central.is_none() {
            self.process.connect_central(now);
        }
    }

    /// Of what is under way when a connection is cut, a part still arrives.
    fn lose_some_bytes(&mut self) {
        let counts = [self.random.below(60) as usize, self.random.below(60) as usize];
        for link in [&mut self.process.local, &mut self.process.central].into_iter().flatten() {
            link.carry_to_broker(counts[0]);
        }
        self.brokers_work();
        let now = self.now();
        self.process.receive_local(counts[1], now);
    }

    /// `kill -9`, with the change set in flight on the disk or not.
    fn die(&mut self) {
        self.lose_some_bytes();
        if let Some(changes) = self.process.committing.take()
            && self.random.below(2) == 0
        {
            self.store.commit(&changes);
        }
        self.local.disconnected();
        self.trace.push(format!("died at {} µs", self.mono_us));
        let now = self.now();
        self.process = Process::start(self.settings, &self.store, self.random.next(), now);
    }

    /// No more faults; a last reading closes all windows.
    fn calm(&mut self) -> Result<(), String> {
        let mut flushed = false;
        for round in 0..CALM_ROUNDS_MAX {
            self.connect();
            if self.local.session && !flushed {
                flushed = true;
                let at_ms = self.now().wall_us / 1_000 + 3_600_000;
                self.local.publish(format!(r#"{{"device":"end","ts":{at_ms},"v":0}}"#).into_bytes());
            }
            let now = self.now();
            for link in [&mut self.process.local, &mut self.process.central].into_iter().flatten() {
                link.carry_to_broker(usize::MAX);
            }
            self.brokers_work();
            self.process.receive_local(usize::MAX, now);
            self.process.receive_central(usize::MAX, now);
            self.disk_works();
            self.process.publish(&self.store, now);
            self.mono_us += 50_000;
            self.process.tick(self.now());
            let settled = flushed && self.local.is_drained() && self.process.committing.is_none() && self.process.delivery.is_done();
            if settled && round > 200 {
                return Ok(());
            }
        }
        Err(format!("it does not come to an end: drained {}, {}", self.local.is_drained(), self.process.describe()))
    }

    fn compare(&self) -> Result<(), String> {
        let mut deduplicator = Deduplicator::default();
        let mut ids = BTreeSet::new();
        let mut counted = Windows::new();
        for payload in &self.central.arrived {
            let row: serde_json::Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
            let id = ResultId::parse(row["_id"].as_str().ok_or("a result without _id")?).ok_or("an unreadable _id")?;
            let new = ids.insert(id.clone());
            if deduplicator.is_new(&id) != new {
                return Err(format!("the consumer's window takes {id:?} for {}", if new { "a repeat" } else { "new" }));
            }
            if !new {
                continue;
            }
            let key = (row["device"].as_str().ok_or("no device")?.to_owned(), row["start_ms"].as_i64().ok_or("no start_ms")?);
            let values = (row["n"].as_u64().ok_or("no n")?, row["s"].as_i64().ok_or("no s")?);
            if counted.insert(key.clone(), values).is_some() {
                return Err(format!("the window {key:?} came twice, under two ids"));
            }
        }
        let late: u64 = self.process.gateway.status().queries.iter().map(|query| query.late_rows).sum();
        if late > 0 {
            return Err(format!("{late} rows were late"));
        }
        if counted != self.expected {
            let wrong = self.expected.iter().find(|(key, values)| counted.get(*key) != Some(values));
            return Err(format!("{wrong:?} is expected, {:?} came; {:?}", wrong.and_then(|(key, _)| counted.get(key)), self.trace));
        }
        Ok(())
    }
}

fn stamp(mono_us: u64) -> Stamp {
    Stamp { wall_us: BEGAN_US + mono_us as i64, mono_us, synchronised: true }
}
