//! The world around one gateway: devices, brokers, disk and clocks, all moved by one seed.
//!
//! In every step the seed picks what happens next: a device publishes, some bytes arrive, time passes, the disk finishes a commit, a connection
//! is cut with what was under way on it, the broker forgets, the configuration is reloaded, the process ends in order or dies. Then a calm in which everything must come to its end,
//! and the comparison with the model.

use tidemill::batch::Stamp;
use tidemill::config::settings::WhenFull;
use tidemill::gateway::Event;
use tidemill::store::LogName;

use super::broker::{CentralBroker, LocalBroker, Marks};
use super::model::{Consumed, Fate, Model};
use super::process::Process;
use super::scenario::Scenario;
use super::store::MemoryStore;
use crate::support::random::Random;

/// 2026-06-01T00:00:00Z, µs.
const BEGAN_US: i64 = 1_780_272_000_000_000;
const MESSAGES: u64 = 60;
const STEPS_MAX: u64 = 6_000;
const CALM_ROUNDS_MAX: u64 = 4_000;
/// Rounds in which nothing is on its way any more, after which everything that waits for a deadline has come.
const QUIET_ROUNDS: u64 = 80;
/// The same where the clock, which may have to catch up for up to a minute, closes windows.
const QUIET_ROUNDS_BY_CLOCK: u64 = 200;

pub struct World {
    scenario: Scenario,
    random: Random,
    store: MemoryStore,
    process: Process,
    local: LocalBroker,
    /// One for each sink.
    centrals: Vec<CentralBroker>,
    mono_us: u64,
    /// How far the gateway's wall clock is ahead, µs, and whether it is synchronised.
    skew_us: i64,
    synchronised: bool,
    /// Times that the process was told to stop: once for its input, once more for what its sinks have delivered since.
    stops: u32,
    /// The disk has no room, and how long the core then waits.
    full: bool,
    pause_us: u64,
    sent: u64,
    last: Option<(String, i64, i64, Vec<u8>)>,
    model: Model,
    trace: Vec<String>,
}

/// Runs one seed to its end. Errors say what does not balance.
pub fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed);
    world.storm();
    world.calm()?;
    world.compare().map_err(|failure| format!("{failure}; {}", world.trace.join("; ")))
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random);
        let mut store = MemoryStore::default();
        store.anew = scenario.policy == WhenFull::KeepLatest;
        let began = Stamp { wall_us: BEGAN_US, mono_us: 1_000_000, synchronised: true };
        let process = Process::start(&scenario.settings, &store, random.next(), began);
        let centrals = scenario.settings.sinks.iter().map(|_| CentralBroker { v5: scenario.v5, arrived: Vec::new() });
        World {
            centrals: centrals.collect(),
            local: LocalBroker::new(scenario.v5, scenario.marks, scenario.window),
            trace: vec![format!("{:?}, window {}, {:?}", scenario.marks, scenario.window, scenario.policy)],
            scenario,
            random,
            store,
            process,
            mono_us: 1_000_000,
            skew_us: 0,
            synchronised: true,
            stops: 0,
            full: false,
            pause_us: 0,
            sent: 0,
            last: None,
            model: Model::default(),
        }
    }

    /// True time, µs since 1970.
    fn true_us(&self) -> i64 {
        BEGAN_US + self.mono_us as i64
    }

    /// The gateway's clocks.
    fn now(&self) -> Stamp {
        Stamp { wall_us: self.true_us() + self.skew_us, mono_us: self.mono_us, synchronised: self.synchronised }
    }

    /// Anything may happen, in any order.
    fn storm(&mut self) {
        let mut steps = 0;
        while (self.sent < MESSAGES || self.random.below(50) != 0) && steps < STEPS_MAX {
            steps += 1;
            let now = self.now();
            match self.random.below(1_000) {
                0..120 => self.device_publishes(),
                120..360 => self.bytes_to_gateway(),
                360..560 => self.bytes_to_brokers(),
                560..720 => self.time_passes(400_000),
                720..840 => self.disk_works(),
                840..900 => self.process.publish(&self.store, now),
                900..950 => self.connect(),
                950..960 => self.cut_local(),
                960..980 => self.cut_a_sink(),
                980..986 => self.disk_is_full_for_a_while(),
                986..988 => self.lose_session(),
                988..992 => self.clock_steps(),
                992..994 => self.tell_to_stop(),
                994..997 => self.reload(),
                _ => self.die(),
            }
            if self.random.below(10) == 0 {
                self.go_on_stopping();
                self.go_on_reloading();
            }
        }
    }

    /// A reading; now and then the same text once more, which is another reading.
    fn device_publishes(&mut self) {
        if self.sent >= MESSAGES || !self.local.subscribed {
            return;
        }
        self.sent += 1;
        let one_in = if self.scenario.sessions_lost { 2 } else { 8 };
        let again = self.last.is_some() && self.local.marks != Marks::Dup && self.random.below(one_in) == 0;
        if !again {
            let device = format!("d{}", self.random.below(3));
            let (at_ms, value) = (self.true_us() / 1_000, self.random.below(1_000) as i64);
            // Told apart by its number, so that only the repetition above makes equal texts.
            let payload = format!(r#"{{"device":"{device}","ts":{at_ms},"v":{value},"number":{}}}"#, self.sent);
            self.last = Some((device, at_ms, value, payload.into_bytes()));
        }
        let (device, at_ms, value, payload) = self.last.clone().expect("made above");
        if self.scenario.some_unsafe && self.random.below(3) == 0 {
            self.model.sent(&device, at_ms, value, Fate::Unsure);
            self.local.publish_unsafely(self.process.local.as_mut(), &payload);
        } else {
            let number = self.model.sent(&device, at_ms, value, Fate::Counted);
            self.local.publish(number, payload);
        }
        self.brokers_work();
    }

    fn time_passes(&mut self, below_us: u64) {
        self.mono_us += self.random.below(below_us);
        self.process.tick(self.now());
    }

    /// All that waits, or a few bytes of it.
    fn some_bytes(&mut self) -> usize {
        if self.random.below(3) == 0 { self.random.below(20) as usize } else { usize::MAX }
    }

    /// The local connection, or that of a sink.
    fn a_connection(&mut self) -> Option<usize> {
        [None, None, Some(0), Some(1)][self.random.below(4) as usize]
    }

    fn bytes_to_gateway(&mut self) {
        let (count, now) = (self.some_bytes(), self.now());
        match self.a_connection() {
            None => self.process.receive_local(count, now),
            Some(sink) => self.process.receive_sink(sink, count, now),
        }
    }

    fn bytes_to_brokers(&mut self) {
        let count = self.some_bytes();
        let link = match self.a_connection() {
            None => &mut self.process.local,
            Some(sink) => &mut self.process.sinks[sink].link,
        };
        if let Some(link) = link {
            link.carry_to_broker(count);
        }
        self.brokers_work();
    }

    fn brokers_work(&mut self) {
        if let Some(link) = &mut self.process.local {
            self.local.work(link);
        }
        for (task, central) in self.process.sinks.iter_mut().zip(&mut self.centrals) {
            if let Some(link) = &mut task.link {
                central.work(link);
            }
        }
    }

    fn disk_works(&mut self) {
        if self.process.committing.is_none() {
            return;
        }
        let now = self.now();
        if self.full && self.random.below(3) != 0 {
            return self.process.refuse_commit(self.pause_us, now);
        }
        if std::mem::take(&mut self.full) {
            self.process.event(Event::StoreUp, now);
        }
        let changes = self.process.committing.take().expect("it was there before");
        self.store.commit(&changes);
        self.process.event(Event::Committed { number: changes.number }, now);
    }

    /// For moments, or for an hour, in which sinks deliver what is committed; what else comes before there is room, the seed says.
    fn disk_is_full_for_a_while(&mut self) {
        if self.process.committing.is_none() {
            return;
        }
        (self.full, self.pause_us) = (true, [0, 500_000, 64_000_000][self.random.below(3) as usize]);
        let now = self.now();
        self.process.refuse_commit(self.pause_us, now);
        if self.random.below(4) != 0 {
            self.cut_local();
        }
        let below_us = if self.random.below(10) == 0 { 600_000_000 } else { 400_000 };
        for _ in 0..self.random.below(12) {
            self.time_passes(below_us);
            self.connect();
            self.bytes_to_brokers();
            self.bytes_to_gateway();
            let now = self.now();
            self.process.publish(&self.store, now);
        }
        self.disk_works();
    }

    fn connect(&mut self) {
        let now = self.now();
        if self.process.local.is_none() && !self.process.paused && self.stops < 2 {
            self.local.disconnected();
            self.process.connect_local(now);
        }
        for sink in 0..self.centrals.len() {
            if self.process.sinks[sink].link.is_none() && self.stops < 2 {
                self.process.connect_sink(sink, now);
            }
        }
    }

    fn cut_local(&mut self) {
        self.lose_some_bytes();
        self.process.cut_local(self.now());
        self.local.disconnected();
    }

    fn cut_a_sink(&mut self) {
        self.lose_some_bytes();
        let sink = self.random.below(self.centrals.len() as u64) as usize;
        self.process.cut_sink(sink);
    }

    /// The local broker restarts without its memory.
    fn lose_session(&mut self) {
        if !self.scenario.sessions_lost || !self.local.subscribed {
            return;
        }
        self.cut_local();
        let (never_sent, under_way) = self.local.lose_session();
        self.trace.push(format!("session lost at {} µs with {} and {}", self.mono_us, never_sent.len(), under_way.len()));
        self.model.set_fate(never_sent, Fate::Lost);
        self.model.set_fate(under_way, Fate::Unsure);
    }

    fn clock_steps(&mut self) {
        if !self.scenario.clock_steps {
            return;
        }
        let to_1970 = -self.true_us();
        const HOUR_US: i64 = 3_600_000_000;
        let steps = [
            (0, true),
            (to_1970, false),
            (-300_000_000, true),
            (40_000_000, true),
            (-HOUR_US, true),
            (HOUR_US, true),
            (10 * 365 * 24 * HOUR_US, true),
        ];
        (self.skew_us, self.synchronised) = steps[self.random.below(steps.len() as u64) as usize];
        self.trace.push(format!("clock ahead by {} s at {} µs", self.skew_us / 1_000_000, self.mono_us));
        if self.random.below(2) == 0 {
            self.process.tick(self.now());
        }
    }

    /// Of what is under way when a connection is cut, a part still arrives.
    fn lose_some_bytes(&mut self) {
        let counts = [self.random.below(60) as usize, self.random.below(60) as usize];
        let sinks = self.process.sinks.iter_mut().map(|task| &mut task.link);
        for link in sinks.chain([&mut self.process.local]).flatten() {
            link.carry_to_broker(counts[0]);
        }
        self.brokers_work();
        let now = self.now();
        self.process.receive_local(counts[1], now);
    }

    fn tell_to_stop(&mut self) {
        if self.stops == 0 {
            self.stops = 1;
            self.process.event(Event::Stop, self.now());
        }
    }

    fn reload(&mut self) {
        if self.stops == 0 && !self.process.holding {
            self.process.event(Event::Hold, self.now());
        }
    }

    /// Once the core is held, another takes over with all or some of its tasks; or it goes on itself, as after a configuration that is no good.
    fn go_on_reloading(&mut self) {
        if !self.process.held || self.stops > 0 {
            return;
        }
        if self.random.below(8) == 0 {
            return self.process.event(Event::Release, self.now());
        }
        let source = self.random.below(3) == 0;
        let sinks: Vec<bool> = (0..self.centrals.len()).map(|_| self.random.below(3) == 0).collect();
        if source {
            self.cut_local();
        }
        for sink in (0..sinks.len()).filter(|sink| sinks[*sink]) {
            self.process.cut_sink(sink);
        }
        self.trace.push(format!("reloaded at {} µs, anew: {source} {sinks:?}", self.mono_us));
        let (seed, now) = (self.random.next(), self.now());
        self.process.change_hands(&self.scenario.settings, &self.store, seed, (source, &sinks), now);
    }

    /// As the daemon ends: sources leave with what they have to say, then sinks, and the last cursors are made durable.
    fn go_on_stopping(&mut self) {
        let now = self.now();
        match (self.stops, self.process.stopped) {
            (1, 1..) => {
                if let Some(link) = &mut self.process.local {
                    link.carry_to_broker(usize::MAX);
                }
                self.brokers_work();
                self.process.cut_local(now);
                self.local.disconnected();
                (0..self.centrals.len()).for_each(|sink| self.process.cut_sink(sink));
                self.stops = 2;
                self.process.event(Event::Stop, now);
            }
            (2, 2..) => {
                assert!(self.process.committing.is_none(), "stopped with a change set in flight");
                self.trace.push(format!("ended at {} µs", self.mono_us));
                let delivered: Vec<_> = self.process.sinks.iter().map(|task| task.delivery.cursor()).collect();
                self.restart();
                for (sink, cursor) in delivered.into_iter().enumerate() {
                    let goes_on = self.process.gateway.delivery_start(sink).0;
                    assert!(goes_on >= cursor, "sink {sink}: after an orderly end it goes on at {goes_on:?}, not at {cursor:?}");
                }
            }
            _ => {}
        }
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
        self.restart();
    }

    fn restart(&mut self) {
        (self.stops, self.full) = (0, false);
        self.process = Process::start(&self.scenario.settings, &self.store, self.random.next(), self.now());
    }

    /// No more faults; a last reading, or the clock, closes all windows.
    fn calm(&mut self) -> Result<(), String> {
        (self.skew_us, self.synchronised, self.pause_us) = (0, true, 0);
        let step_us = if self.scenario.by_clock { 400_000 } else { 100_000 };
        let mut flushed = self.scenario.by_clock;
        let mut quiet = 0;
        for _ in 0..CALM_ROUNDS_MAX {
            self.go_on_stopping();
            self.go_on_reloading();
            self.connect();
            if self.local.subscribed && !flushed {
                flushed = true;
                let at_ms = self.true_us() / 1_000 + 3_600_000;
                self.local.publish(
                    self.model.sent("end", at_ms, 0, Fate::Lost),
                    format!(r#"{{"device":"end","ts":{at_ms},"v":0}}"#).into_bytes(),
                );
            }
            let now = self.now();
            let sinks = self.process.sinks.iter_mut().map(|task| &mut task.link);
            for link in sinks.chain([&mut self.process.local]).flatten() {
                link.carry_to_broker(usize::MAX);
            }
            self.brokers_work();
            self.process.receive_local(usize::MAX, now);
            for sink in 0..self.centrals.len() {
                self.process.receive_sink(sink, usize::MAX, now);
            }
            self.disk_works();
            self.process.publish(&self.store, now);
            self.mono_us += step_us;
            self.process.tick(self.now());
            let settled =
                flushed && self.local.is_drained() && !self.full && self.process.committing.is_none() && self.process.is_delivered();
            quiet = if settled && self.stops == 0 { quiet + 1 } else { 0 };
            if quiet > if self.scenario.by_clock { QUIET_ROUNDS_BY_CLOCK } else { QUIET_ROUNDS } {
                return Ok(());
            }
        }
        Err(format!(
            "it does not come to an end: drained {}, {}; {}",
            self.local.is_drained(),
            self.process.describe(),
            self.trace.join("; ")
        ))
    }

    fn compare(&self) -> Result<(), String> {
        let (late, other): (Vec<_>, Vec<_>) = self.store.dead_letters.iter().partition(|letter| letter.contains("late by"));
        if let Some(letter) = other.first() {
            return Err(format!("a dead letter: {letter}"));
        }
        if !late.is_empty() && !self.scenario.by_clock && !self.scenario.some_unsafe {
            return Err(format!("{} rows were late", late.len()));
        }
        for (task, sink) in self.process.sinks.iter().zip(&self.scenario.settings.sinks) {
            if self.store.start(&LogName::outbox(&sink.name)).is_some_and(|start| start < task.told_start) {
                return Err(format!("{}: the store keeps segments that the core has dropped", sink.name));
            }
        }
        let central = Consumed::of(&self.centrals[0].arrived)?;
        self.model.check(&central.windows, late.len() as u64)?;
        central.accounts_for("central", &self.store, true)?;
        let by_time: u64 = central.windows.values().map(|(n, _)| n).sum();
        if self.scenario.by_clock && central.by_arrival != by_time + late.len() as u64 {
            let (by_arrival, late) = (central.by_arrival, late.len());
            return Err(format!(
                "{by_arrival} readings are in windows by arrival, {by_time} in those by their time, {late} were late for these"
            ));
        }
        if let Some(letter) = late.iter().find(|letter| letter.contains("\"arrivals\"")) {
            return Err(format!("a row is late by its arrival: {letter}"));
        }
        let small = Consumed::of(&self.centrals[1].arrived)?;
        small.accounts_for("small", &self.store, self.scenario.policy == WhenFull::Block)?;
        if self.scenario.policy == WhenFull::KeepLatest {
            small.has_latest("small", !self.scenario.settings.sinks[1].outbox.key.is_empty(), &self.store)?;
        }
        let differs = small.windows.iter().find(|(window, values)| central.windows.get(*window) != Some(values));
        if let Some((window, values)) = differs {
            return Err(format!("small: {window:?} came as {values:?}, and to the other sink as {:?}", central.windows.get(window)));
        }
        if self.scenario.policy == WhenFull::Block && small.windows.len() != central.windows.len() {
            return Err(format!("small: {} windows came, and {} to the other sink", small.windows.len(), central.windows.len()));
        }
        Ok(())
    }
}
