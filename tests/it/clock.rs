//! The core and its clock, event by event: set back with a commit in flight and with crashes around it, a start in 1970 that jumps ahead.

use bytes::Bytes;
use tidemill::batch::Stamp;
use tidemill::config::settings::Settings;
use tidemill::gateway::{Action, Discard, Event, Gateway, Seeds, SinkRecord};
use tidemill::mqtt::{Inbound, InboundPayload};
use tidemill::store::{ChangeSet, LogName};

use crate::simulation::store::MemoryStore;
use crate::support::settings::from_text;

const SECOND: i64 = 1_000_000;
/// 2026-06-01T00:00:00Z, s.
const NOW: i64 = 1_780_272_000;

fn settings(source: &str, sql: &str) -> Settings {
    from_text(&format!(
        r#"
        [gateway]
        id = "clock"
        data_dir = "/nonexistent"
        batch_interval = "1s"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://local"
        topics = ["s/d"]
        {source}

        [query.counts]
        sql = "{sql}"

        [sink.out]
        type = "stdout"
        from = ["counts"]
        "#
    ))
}

fn by_arrival() -> Settings {
    settings(
        r#"schema = "v BIGINT"
        watermark = "1 second"
        idle_timeout = "5 seconds""#,
        "SELECT unix_seconds(window.start) AS s, count(*) AS n FROM readings GROUP BY window(_arrived, '10 seconds')",
    )
}

/// A core with its store, and clocks that are moved by hand.
struct Rig {
    settings: Settings,
    store: MemoryStore,
    gateway: Gateway,
    in_flight: Option<Box<ChangeSet>>,
    mono_s: u64,
    wall_s: i64,
    synchronised: bool,
    sent: u64,
    starts: u32,
}

impl Rig {
    fn new(settings: Settings, wall_s: i64, synchronised: bool) -> Rig {
        let store = MemoryStore::default();
        let stamp = Stamp { wall_us: wall_s * SECOND, mono_us: 100 * SECOND as u64, synchronised };
        let gateway = Gateway::start(&settings, &store.load(), Seeds { epoch: 1, hash: 1 }, &Discard::default(), stamp).unwrap();
        let mut rig = Rig { settings, store, gateway, in_flight: None, mono_s: 100, wall_s, synchronised, sent: 0, starts: 1 };
        rig.on(Event::Connected { source: 0, connection: 1, resumed: false });
        rig
    }

    fn stamp(&self) -> Stamp {
        Stamp { wall_us: self.wall_s * SECOND, mono_us: self.mono_s * SECOND as u64, synchronised: self.synchronised }
    }

    fn on(&mut self, event: Event) {
        for action in self.gateway.on(event, self.stamp()) {
            if let Action::Commit(changes) = action {
                assert!(self.in_flight.replace(changes).is_none(), "one change set is in flight");
            }
        }
    }

    /// Time passes for both clocks, and what is in flight stays there.
    fn pass(&mut self, seconds: u64) {
        (self.mono_s, self.wall_s) = (self.mono_s + seconds, self.wall_s + seconds as i64);
        self.on(Event::Tick);
    }

    fn set_clock(&mut self, wall_s: i64, synchronised: bool) {
        (self.wall_s, self.synchronised) = (wall_s, synchronised);
    }

    fn receive(&mut self, payload: &str) {
        self.sent += 1;
        let payload = InboundPayload::Whole(Bytes::copy_from_slice(payload.as_bytes()));
        let topic = Bytes::from_static(b"s/d");
        let message =
            Inbound { seq: self.sent, packet_id: self.sent as u16, qos: 1, dup: false, again: false, retain: false, topic, payload };
        self.on(Event::Messages { source: 0, connection: 1, messages: vec![message] });
    }

    fn reading(&mut self) {
        self.receive(r#"{"v":1}"#);
    }

    /// The disk has done what it was given, and what follows from that.
    fn commit(&mut self) {
        while let Some(changes) = self.in_flight.take() {
            self.store.commit(&changes);
            self.on(Event::Committed { number: changes.number });
        }
    }

    /// Ticks and commits for so many seconds.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(1);
            self.commit();
        }
    }

    /// `kill -9`, with the change set in flight on the disk or not.
    fn die(&mut self, durable: bool) {
        let in_flight = self.in_flight.take().filter(|_| durable);
        in_flight.into_iter().for_each(|changes| self.store.commit(&changes));
        self.starts += 1;
        self.mono_s = 100;
        let seeds = Seeds { epoch: self.starts, hash: 1 };
        self.gateway = Gateway::start(&self.settings, &self.store.load(), seeds, &Discard::default(), self.stamp()).unwrap();
    }

    /// Everything that was ever given out, a row `<start> <n>`: in seconds from `from`.
    fn results(&self, from: i64) -> Vec<String> {
        let rows = self.store.appended.get(&LogName::outbox("out")).into_iter().flatten();
        let row = |record: &[u8]| {
            let row: serde_json::Value = serde_json::from_slice(SinkRecord::decode(record).unwrap().payload).unwrap();
            format!("{} {}", row["s"].as_i64().unwrap() - from, row["n"])
        };
        rows.map(|(_, record)| row(record)).collect()
    }

    fn set_backs(&self) -> u64 {
        self.gateway.status().clock_set_back
    }
}

#[test]
fn what_comes_after_the_step_is_in_a_new_window_and_the_open_one_comes_out_once() {
    let mut rig = Rig::new(by_arrival(), NOW, true);
    rig.reading();
    rig.run(2);
    rig.set_clock(NOW - 3_600, true);
    // The batch closes by the time before, then this arrives by the new one.
    rig.reading();
    rig.commit();
    assert_eq!((rig.results(NOW), rig.set_backs()), (vec!["0 1".to_owned()], 1));
    let due = rig.gateway.wake_at_us(rig.stamp()).unwrap();
    assert!(due > rig.stamp().mono_us, "nothing is to be done at once");
    rig.run(30);
    assert_eq!((rig.results(NOW), rig.set_backs()), (vec!["0 1".to_owned(), "-3600 1".to_owned()], 1));
    assert_eq!(rig.gateway.status().queries[0].late_rows, 0);
}

#[test]
fn with_a_commit_in_flight_what_arrives_still_belongs_to_the_time_before() {
    let mut rig = Rig::new(by_arrival(), NOW, true);
    rig.reading();
    rig.pass(2);
    assert!(rig.in_flight.is_some());
    rig.set_clock(NOW - 3_600, true);
    rig.reading();
    assert_eq!(rig.set_backs(), 0);
    rig.commit();
    assert_eq!((rig.results(NOW), rig.set_backs()), (vec!["0 2".to_owned()], 1));
    // A clock that is right again by then has done nothing.
    rig.reading();
    rig.pass(2);
    let wall_s = rig.wall_s;
    rig.set_clock(wall_s - 3_600, true);
    rig.reading();
    rig.set_clock(wall_s, true);
    rig.commit();
    assert_eq!(rig.set_backs(), 1);
}

#[test]
fn a_crash_before_the_commit_repeats_the_step_and_one_after_it_does_not() {
    for durable in [false, true] {
        let mut rig = Rig::new(by_arrival(), NOW, true);
        rig.reading();
        rig.run(2);
        rig.set_clock(NOW - 3_600, true);
        rig.pass(1);
        assert_eq!((rig.in_flight.is_some(), rig.results(NOW).len()), (true, 0));
        rig.die(durable);
        rig.pass(1);
        rig.commit();
        assert_eq!((rig.results(NOW), rig.set_backs()), (vec!["0 1".to_owned()], u64::from(!durable)));
        rig.run(30);
        assert_eq!(rig.results(NOW).len(), 1);
    }
}

#[test]
fn a_minute_is_waited_for() {
    let mut rig = Rig::new(by_arrival(), NOW, true);
    rig.reading();
    rig.run(2);
    rig.set_clock(NOW - 50, true);
    rig.reading();
    rig.run(40);
    assert!(rig.results(NOW).is_empty(), "time stands still");
    rig.run(40);
    assert_eq!((rig.results(NOW), rig.set_backs()), (vec!["0 2".to_owned()], 0));
}

#[test]
fn a_later_start_in_1970_runs_on_and_jumps_ahead_with_the_clock() {
    let mut rig = Rig::new(by_arrival(), NOW, true);
    rig.reading();
    rig.run(2);
    rig.set_clock(5, false);
    rig.die(true);
    rig.on(Event::Connected { source: 0, connection: 1, resumed: false });
    rig.reading();
    rig.run(10);
    assert!(rig.results(NOW).is_empty());
    rig.run(20);
    assert_eq!(rig.results(NOW), ["0 2"], "windows close without the network, too");
    rig.reading();
    rig.run(2);
    rig.set_clock(NOW + 7_200, true);
    rig.run(1);
    rig.reading();
    rig.run(20);
    assert_eq!((rig.results(NOW), rig.set_backs()), (["0 2", "30 1", "7200 1"].map(str::to_owned).to_vec(), 0));
}

#[test]
fn a_first_start_in_1970_closes_windows_by_arrival_and_jumps_ahead() {
    let mut rig = Rig::new(by_arrival(), 3, false);
    rig.reading();
    rig.run(20);
    assert_eq!(rig.results(0), ["0 1"]);
    rig.reading();
    rig.set_clock(NOW, true);
    rig.reading();
    rig.run(20);
    assert_eq!((rig.results(0), rig.set_backs()), (vec!["0 1".to_owned(), "20 1".to_owned(), format!("{NOW} 1")], 0));
}

/// By the readings' own time, in s.
fn by_event_time() -> Settings {
    settings(
        r#"schema = "ts TIMESTAMP"
        event_time = "ts"
        timestamp_unit = "s"
        watermark = "1 second"
        idle_timeout = "5 seconds"
        max_future = "1 hour""#,
        "SELECT unix_seconds(window.start) AS s, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')",
    )
}

#[test]
fn an_unsynchronised_clock_neither_judges_the_future_nor_closes_windows_of_event_time() {
    let mut rig = Rig::new(by_event_time(), 3, false);
    // The devices know the time, 56 years ahead of ours.
    rig.receive(&format!(r#"{{"ts":{NOW}}}"#));
    rig.run(60);
    let status = rig.gateway.status();
    assert_eq!((status.sources[0].rejected, status.sources[0].idle, rig.results(NOW).len()), (0, true, 0));
    // Synchronised: the window is over, and a date in the future is one.
    rig.set_clock(NOW + 60, true);
    rig.run(2);
    assert_eq!(rig.results(NOW), ["0 1"]);
    rig.receive(&format!(r#"{{"ts":{}}}"#, NOW + 4_000));
    rig.run(2);
    assert_eq!(rig.gateway.status().sources[0].rejected, 1);
    assert!(
        rig.store.dead_letters.iter().any(|letter| letter.contains("future") || letter.contains("ahead")),
        "{:?}",
        rig.store.dead_letters
    );
    // Set back, event time goes on as it was.
    rig.receive(&format!(r#"{{"ts":{}}}"#, NOW + 61));
    rig.set_clock(NOW - 3_000, true);
    rig.run(2);
    assert_eq!((rig.set_backs(), rig.results(NOW).len()), (1, 1));
    rig.receive(&format!(r#"{{"ts":{}}}"#, NOW + 71));
    rig.run(2);
    assert_eq!(rig.results(NOW), ["0 1", "60 1"]);
}
