//! The core alone, event by event: what the simulation's short messages and few rows do not reach.

use bytes::Bytes;
use tidemill::batch::Stamp;
use tidemill::config::settings::Settings;
use tidemill::gateway::{Action, Cursor, Discard, Event, Gateway, Seeds};
use tidemill::mqtt::{Inbound, InboundPayload};
use tidemill::store::{ChangeSet, CommitError, DiskStore, Loaded, LogName, StoreSettings, codec, keys};

use crate::support::settings::from_text;

const BEGAN_US: i64 = 1_780_272_000_000_000;
/// Rows that fill an open table.
const TABLE_ROWS: usize = 1 << 17;

fn settings(more: &str) -> Settings {
    from_text(&format!(
        r#"
        [gateway]
        id = "core"
        data_dir = "/nonexistent"
        batch_interval = "1s"
        batch_rows_max = 1000000

        [source.readings]
        type = "mqtt"
        broker = "mqtt://local"
        topics = ["s/d"]
        schema = "v BIGINT"
        {more}

        [query.all]
        sql = "SELECT v, repeat('x', 2000) AS pad FROM readings WHERE v < 0"

        [sink.out]
        type = "stdout"
        from = ["all"]
        "#
    ))
}

fn at(mono_us: u64) -> Stamp {
    Stamp { wall_us: BEGAN_US + mono_us as i64, mono_us, synchronised: true }
}

fn start(settings: &Settings) -> Gateway {
    Gateway::start(settings, &Loaded::default(), Seeds { epoch: 1, hash: 1 }, &Discard::default(), at(0)).unwrap()
}

fn message(seq: u64, packet_id: u16, dup: bool, payload: &str) -> Inbound {
    let payload = InboundPayload::Whole(Bytes::copy_from_slice(payload.as_bytes()));
    Inbound { seq, packet_id, qos: u8::from(packet_id > 0), dup, again: false, retain: false, topic: Bytes::from_static(b"s/d"), payload }
}

fn messages(connection: u64, messages: Vec<Inbound>) -> Event {
    Event::Messages { source: 0, connection, messages }
}

/// As many rows as an open table takes.
fn full_table() -> String {
    format!("[{}]", vec![r#"{"v":1}"#; TABLE_ROWS].join(","))
}

fn commit_in(actions: Vec<Action>) -> Option<Box<ChangeSet>> {
    actions.into_iter().find_map(|action| match action {
        Action::Commit(changes) => Some(changes),
        _ => None,
    })
}

#[test]
fn messages_that_waited_for_room_are_left_to_the_broker_when_their_connection_ends() {
    let mut gateway = start(&settings(""));
    let full = full_table();
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    let first = vec![message(1, 1, false, &full), message(2, 2, false, r#"{"v":2}"#)];
    assert!(commit_in(gateway.on(messages(1, first), at(1))).is_some(), "a full batch closes at once");
    let second = vec![message(3, 3, false, &full), message(4, 4, false, r#"{"v":4}"#), message(5, 5, false, r#"{"v":5}"#)];
    assert!(commit_in(gateway.on(messages(1, second), at(2))).is_none(), "one change set is in flight");
    gateway.on(Event::Disconnected { source: 0, connection: 1 }, at(3));
    gateway.on(Event::Connected { source: 0, connection: 2, resumed: true }, at(4));
    let again = (1..=5).map(|id| {
        message(
            id,
            id as u16,
            true,
            if id == 1 || id == 3 { &full } else { [r#"{"v":2}"#, "", r#"{"v":4}"#, r#"{"v":5}"#][id as usize - 2] },
        )
    });
    gateway.on(messages(2, again.collect()), at(5));
    let mut acknowledged = Vec::new();
    for number in 1..=3 {
        for action in gateway.on(Event::Committed { number }, at(5 + number * 2_000_000)) {
            if let Action::Acknowledge { connection, through_seq, .. } = action {
                acknowledged.push((connection, through_seq));
            }
        }
    }
    let status = gateway.status();
    assert_eq!(status.rows, 2 * TABLE_ROWS as u64 + 3, "each row once");
    assert_eq!(status.sources[0].repeats, 3, "three messages had been taken");
    assert_eq!(acknowledged.last(), Some(&(2, 5)));
    assert_eq!(status.sources[0].unacknowledged, 0);
}

#[test]
fn what_the_broker_sends_again_on_the_same_connection_is_counted_and_acknowledged_once() {
    let mut gateway = start(&settings(""));
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    let again = Inbound { again: true, ..message(2, 1, true, r#"{"v":1}"#) };
    gateway.on(messages(1, vec![message(1, 1, false, r#"{"v":1}"#), again, message(3, 2, false, r#"{"v":1}"#)]), at(1));
    assert_eq!((gateway.status().sources[0].repeats, gateway.status().sources[0].unacknowledged), (1, 2));
    assert!(commit_in(gateway.on(Event::Tick, at(2_000_000))).is_some());
    let actions = gateway.on(Event::Committed { number: 1 }, at(2_000_001));
    let acknowledges = |action: &Action| matches!(action, Action::Acknowledge { connection: 1, through_seq: 3, .. });
    assert!(actions.iter().any(acknowledges), "{actions:?}");
    let status = gateway.status();
    assert_eq!((status.rows, status.sources[0].acknowledged, status.sources[0].unacknowledged), (2, 2, 0));
}

#[test]
fn what_the_session_holds_is_committed_and_only_its_own_number_ends_a_commit() {
    let mut gateway = start(&settings(""));
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    let filters = vec!["1 s/d".to_owned()];
    assert!(commit_in(gateway.on(Event::Subscribed { source: 0, filters: filters.clone() }, at(1))).is_none());
    let due_us = gateway.wake_at_us(at(1)).unwrap();
    let changes = commit_in(gateway.on(Event::Tick, at(due_us))).expect("there is news to keep");
    assert!(changes.puts.iter().any(|(key, _)| *key == keys::filters("readings")));
    assert_eq!(gateway.stored_filters(0), filters);
    gateway.on(messages(1, vec![message(1, 1, false, r#"{"v":1}"#)]), at(due_us + 1));
    let later_us = due_us + 10_000_000;
    assert!(gateway.on(Event::Committed { number: changes.number + 1 }, at(later_us)).is_empty(), "another's number");
    assert!(commit_in(gateway.on(Event::Committed { number: changes.number }, at(later_us))).is_some());
}

#[test]
fn messages_at_qos_0_are_not_among_the_unacknowledged() {
    let mut gateway = start(&settings(""));
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    let first = (1..=5).map(|seq| message(seq, if seq == 1 { 9 } else { 0 }, false, r#"{"v":1}"#));
    gateway.on(messages(1, first.collect()), at(1));
    assert!(commit_in(gateway.on(Event::Tick, at(2_000_000))).is_some());
    gateway.on(messages(1, vec![message(6, 10, false, r#"{"v":2}"#)]), at(2_000_001));
    gateway.on(Event::Committed { number: 1 }, at(2_000_002));
    let status = gateway.status();
    assert_eq!((status.sources[0].unacknowledged, status.sources[0].acknowledged), (1, 1));
}

#[test]
fn a_source_that_is_soon_idle_does_not_close_batches_before_their_interval() {
    let mut gateway = start(&settings(r#"idle_timeout = "100ms""#));
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    gateway.on(messages(1, vec![message(1, 1, false, r#"{"v":1}"#)]), at(1));
    assert_eq!(gateway.wake_at_us(at(1)), Some(1_000_000), "each commit costs the disk tens of kilobytes");
}

/// Commits one message of 100 long results after the other, until the store has no room; with where the log then ends.
fn fill(gateway: &mut Gateway, store: &mut DiskStore) -> (Box<ChangeSet>, CommitError, u64) {
    let mut committed_end = 0;
    let rows = format!("[{}]", vec![r#"{"v":-1}"#; 100].join(","));
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    for seq in 1.. {
        let now_us = seq * 10_000_000;
        gateway.on(messages(1, vec![message(seq, seq as u16, false, &rows)]), at(now_us));
        let changes = commit_in(gateway.on(Event::Tick, at(now_us + 2_000_000))).expect("the batch is due");
        if let Err(error) = store.commit(&changes) {
            return (changes, error, committed_end);
        }
        for action in gateway.on(Event::Committed { number: changes.number }, at(now_us + 2_000_001)) {
            if let Action::Deliver { end, .. } = action {
                committed_end = end;
            }
        }
    }
    unreachable!("the store has a limit")
}

#[test]
fn a_store_that_an_outbox_has_filled_goes_on_when_its_results_are_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let open = || DiskStore::open(StoreSettings::new(dir.path(), 6 << 20, 0, 1)).unwrap();
    let mut settings = settings("");
    settings.sinks[0].outbox.bytes_max = 8 << 20;
    let (mut store, loaded) = open();
    let mut gateway = Gateway::start(&settings, &loaded, Seeds { epoch: 1, hash: 1 }, &Discard::default(), at(0)).unwrap();
    let (changes, error, end) = fill(&mut gateway, &mut store);
    assert!(matches!(error, CommitError::NoSpace { .. }) && end > 2 << 20, "{error}, {end}");
    let (number, down_us) = (changes.number, changes.number * 10_000_000 + 3_000_000);
    gateway.on(Event::StoreDown { reason: error.to_string(), pause_us: 500_000, changes }, at(down_us));
    let delivered = Cursor { offset: end, index: 0 };
    gateway.on(Event::Delivered { sink: 0, cursor: delivered, count: (number - 1) * 100 }, at(down_us + 1));
    let due_us = gateway.wake_at_us(at(down_us + 1)).expect("the set is to be tried again");
    assert_eq!(due_us, down_us + 500_000);
    let again = commit_in(gateway.on(Event::Tick, at(due_us))).expect("it is handed over again");
    assert_eq!(again.number, number);
    store.commit(&again).expect("what is delivered makes room");
    gateway.on(Event::StoreUp, at(due_us + 1));
    let actions = gateway.on(Event::Committed { number }, at(due_us + 1));
    assert!(actions.iter().any(|action| matches!(action, Action::Acknowledge { through_seq, .. } if *through_seq == number)));
    drop(store);
    let (store, loaded) = open();
    let (_, cursor) = loaded.entries.iter().find(|(key, _)| *key == keys::cursor("out")).expect("the cursor is durable");
    assert_eq!(codec::decode::<Cursor>(1, cursor).unwrap(), delivered);
    let waiting = store.read_log(&LogName::outbox("out"), end, u64::MAX).unwrap();
    assert_eq!(waiting.iter().map(|stored| stored.chunk.records.len()).sum::<usize>(), 100, "the results of the set that waited");
}
