//! What must come out: a model that only adds up what the devices have sent, and the comparison with what arrived.

use std::collections::{BTreeMap, BTreeSet};

use tidemill::gateway::{DropReason, SinkRecord};
use tidemill::store::LogName;

use super::scenario::BY_ARRIVAL;
use super::store::MemoryStore;
use crate::ledger::dedup::{Deduplicator, ResultId};

pub const WINDOW_MS: i64 = 2_000;

/// What is known of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Counted,
    /// Counted once or not at all: sent at QoS 0, or under way when the broker forgot the session.
    Unsure,
    /// Never sent: the broker forgot it with the session.
    Lost,
}

struct Reading {
    window: (String, i64),
    value: i64,
    fate: Fate,
}

/// Count and sum of each device's window.
type Windows = BTreeMap<(String, i64), (u64, i64)>;

/// Readings of a window: values of those that are sure, and of those that are not.
#[derive(Default)]
struct Expected {
    sure: Vec<i64>,
    unsure: Vec<i64>,
}

#[derive(Default)]
pub struct Model {
    readings: Vec<Reading>,
}

impl Model {
    /// Notes a reading and returns its number.
    pub fn sent(&mut self, device: &str, at_ms: i64, value: i64, fate: Fate) -> usize {
        let window = (device.to_owned(), at_ms.div_euclid(WINDOW_MS) * WINDOW_MS);
        self.readings.push(Reading { window, value, fate });
        self.readings.len() - 1
    }

    pub fn set_fate(&mut self, numbers: Vec<usize>, fate: Fate) {
        numbers.into_iter().for_each(|number| self.readings[number].fate = fate);
    }

    /// The results of the sink that takes all; `late`: rows that came after their window was closed.
    pub fn check(&self, counted: &Windows, late: u64) -> Result<(), String> {
        let mut expected: BTreeMap<&(String, i64), Expected> = BTreeMap::new();
        for reading in &self.readings {
            let window = expected.entry(&reading.window).or_default();
            match reading.fate {
                Fate::Counted => window.sure.push(reading.value),
                Fate::Unsure => window.unsure.push(reading.value),
                Fate::Lost => {}
            }
        }
        for (window, values) in counted {
            let known = expected.get(window).ok_or_else(|| format!("the window {window:?} came, and nothing was sent for it"))?;
            known.allows(*values, late > 0).map_err(|why| format!("{window:?}: {values:?} came, {why}"))?;
        }
        let rows = counted.values().map(|(n, _)| n).sum::<u64>() + late;
        let sure: u64 = expected.values().map(|window| window.sure.len() as u64).sum();
        let unsure: u64 = expected.values().map(|window| window.unsure.len() as u64).sum();
        if rows < sure || rows > sure + unsure {
            return Err(format!("{rows} readings were counted or late ({late}), of {sure} that are sure and {unsure} that are not"));
        }
        Ok(())
    }
}

impl Expected {
    fn allows(&self, (n, s): (u64, i64), some_late: bool) -> Result<(), String> {
        let (sure, all) = (self.sure.len() as u64, (self.sure.len() + self.unsure.len()) as u64);
        let told = format!("{:?} are sure and {:?} are not", self.sure, self.unsure);
        if n > all || (n < sure && !some_late) {
            return Err(told);
        }
        if some_late {
            return Ok(());
        }
        let mut unsure = self.unsure.clone();
        unsure.sort_unstable();
        let among = (n - sure) as usize;
        let base: i64 = self.sure.iter().sum();
        let least = base + unsure.iter().take(among).sum::<i64>();
        let most = base + unsure.iter().rev().take(among).sum::<i64>();
        if (least..=most).contains(&s) { Ok(()) } else { Err(told) }
    }
}

/// What a sink's consumer makes of the arrivals: repeats dropped by id, one result a window.
pub struct Consumed {
    pub windows: Windows,
    /// Readings in windows by arrival, which may come once before and once after the clock was set back.
    pub by_arrival: u64,
    ids: BTreeSet<(u64, u64)>,
}

impl Consumed {
    pub fn of(arrived: &[Vec<u8>]) -> Result<Consumed, String> {
        let mut deduplicator = Deduplicator::default();
        let mut consumed = Consumed { windows: Windows::new(), by_arrival: 0, ids: BTreeSet::new() };
        for payload in arrived {
            let row: serde_json::Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
            let id = ResultId::parse(row["_id"].as_str().ok_or("a result without _id")?).ok_or("an unreadable _id")?;
            let new = consumed.ids.insert((id.epoch, id.seq));
            if deduplicator.is_new(&id) != new {
                return Err(format!("the consumer's window takes {id:?} for {}", if new { "a repeat" } else { "new" }));
            }
            let key = (row["device"].as_str().ok_or("no device")?.to_owned(), row["start_ms"].as_i64().ok_or("no start_ms")?);
            let values = (row["n"].as_u64().ok_or("no n")?, row["s"].as_i64().ok_or("no s")?);
            if key.0.starts_with(BY_ARRIVAL) {
                consumed.by_arrival += if new { values.0 } else { 0 };
                continue;
            }
            let before = consumed.windows.insert(key.clone(), values);
            if before.is_some() == new || before.is_some_and(|before| before != values) {
                return Err(format!("the window {key:?} came as {before:?} and as {values:?}, {id:?}"));
            }
        }
        Ok(consumed)
    }

    /// Each record that was ever numbered arrived or is named by a tombstone. `whole`: nothing was dropped.
    pub fn accounts_for(&self, sink: &str, store: &MemoryStore, whole: bool) -> Result<(), String> {
        let log = LogName::outbox(sink);
        let tombstones = store.tombstones.get(&log).map(Vec::as_slice).unwrap_or_default();
        let appended = store.appended.get(&log).cloned().unwrap_or_default();
        let buried = |id: (u64, u64)| tombstones.iter().any(|tombstone| tombstone.first <= id && id <= tombstone.last);
        if let Some(missing) = appended.keys().find(|id| !self.ids.contains(id) && !buried(**id)) {
            return Err(format!("{sink}: {missing:?} was committed, and neither came nor is in a tombstone: {tombstones:?}"));
        }
        // A range of superseded results holds the latest of each key, which stay.
        if let Some(kept) = store.stored(&log).find(|id| !store.anew && buried(*id)) {
            return Err(format!("{sink}: {kept:?} is in a tombstone and in the log"));
        }
        if let Some(unknown) = self.ids.iter().find(|id| !appended.contains_key(id)) {
            return Err(format!("{sink}: {unknown:?} came and was never committed"));
        }
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (epoch, seq) in appended.keys().copied().chain(tombstones.iter().map(|tombstone| tombstone.last)) {
            let known = last.entry(epoch).or_default();
            *known = seq.max(*known);
        }
        for (epoch, last) in last {
            if let Some(gap) = (1..=last).find(|seq| !appended.contains_key(&(epoch, *seq)) && !buried((epoch, *seq))) {
                return Err(format!("{sink}: the number {gap} of epoch {epoch:x} was left out without a tombstone"));
            }
        }
        if whole && !tombstones.is_empty() { Err(format!("{sink}: results were dropped: {tombstones:?}")) } else { Ok(()) }
    }

    /// Of each key the last record came, unless it went for want of room.
    pub fn has_latest(&self, sink: &str, by_window: bool, store: &MemoryStore) -> Result<(), String> {
        let log = LogName::outbox(sink);
        let mut last = BTreeMap::new();
        for (id, record) in store.appended.get(&log).into_iter().flatten() {
            let SinkRecord { topic, payload } = SinkRecord::decode(record).ok_or("no record")?;
            let row: serde_json::Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
            last.insert((topic, by_window.then(|| row["start_ms"].to_string())), *id);
        }
        // A later one may have gone for want of room before it was ever in the log.
        let full = |id: &(u64, u64)| {
            let mut tombstones = store.tombstones.get(&log).into_iter().flatten();
            tombstones.any(|tombstone| tombstone.reason == DropReason::Full && *id <= tombstone.last)
        };
        match last.into_iter().find(|(_, id)| !self.ids.contains(id) && !full(id)) {
            Some((key, id)) => Err(format!("{sink}: {id:?}, the last of {key:?}, never came: {:?}", store.tombstones.get(&log))),
            None => Ok(()),
        }
    }
}
