//! Frames and positions in the core alone, event by event.

use bytes::Bytes;
use tidemill::batch::Stamp;
use tidemill::config::settings::{Settings, WhenFull};
use tidemill::gateway::{Action, Discard, Event, Frame, FrameContent, Gateway, Position, Seeds};
use tidemill::store::{ChangeSet, Loaded, keys};

use crate::support::settings::from_text;

const BEGAN_US: i64 = 1_780_272_000_000_000;
/// Rows that fill an open table.
const TABLE_ROWS: u64 = 1 << 17;

fn settings() -> Settings {
    from_text(
        r#"
        [gateway]
        id = "core"
        data_dir = "/nonexistent"
        batch_rows_max = 1000000
        intake_bytes_max = "1 GiB"

        [source.lines]
        type = "stdin"
        schema = "v BIGINT"

        [query.all]
        sql = "SELECT v FROM lines WHERE v < 0"

        [sink.out]
        type = "stdout"
        from = ["all"]
        "#,
    )
}

fn at(mono_us: u64) -> Stamp {
    Stamp { wall_us: BEGAN_US + mono_us as i64, mono_us, synchronised: true }
}

fn start(loaded: &Loaded) -> Gateway {
    Gateway::start(&settings(), loaded, Seeds { epoch: 1, hash: 1 }, &Discard::default(), at(0)).unwrap()
}

/// Frames `from` to `to`, and how far they lead.
fn frames(from: u64, to: u64, name: &str) -> Event {
    let content = FrameContent::Whole(Bytes::from_static(br#"{"v":1}"#));
    let frames = (from..=to).map(|seq| Frame { seq, place: None, content: content.clone() }).collect();
    let position = Position { through_seq: to, name: name.to_owned(), value: Some(to.to_string().into_bytes()) };
    Event::Frames { source: 0, frames, positions: vec![position] }
}

fn commit_in(actions: &[Action]) -> Option<&ChangeSet> {
    actions.iter().find_map(|action| match action {
        Action::Commit(changes) => Some(&**changes),
        _ => None,
    })
}

/// What the change set says of the input `name`.
fn position_in(changes: &ChangeSet, name: &str) -> Option<u64> {
    let (_, value) = changes.puts.iter().find(|(key, _)| *key == keys::position("lines", name))?;
    std::str::from_utf8(value).unwrap().parse().ok()
}

#[test]
fn a_position_is_durable_with_its_frames_and_not_before() {
    let mut gateway = start(&Loaded::default());
    // More than an open table takes: the rest waits, and so does its position.
    gateway.on(frames(1, TABLE_ROWS, "a"), at(1));
    let waiting = gateway.on(frames(TABLE_ROWS + 1, TABLE_ROWS + 5, "a"), at(2));
    let changes = commit_in(&waiting).expect("a full batch closes at once");
    assert_eq!(position_in(changes, "a"), Some(TABLE_ROWS));
    let second = gateway.on(Event::Committed { number: changes.number }, at(2_000_000));
    let acknowledged = second.iter().find_map(|action| match action {
        Action::Acknowledge { through_seq, .. } => Some(*through_seq),
        _ => None,
    });
    assert_eq!(acknowledged, Some(TABLE_ROWS));
    let changes = commit_in(&second).expect("what waited is due");
    assert_eq!(position_in(changes, "a"), Some(TABLE_ROWS + 5));
    assert_eq!(gateway.status().rows, TABLE_ROWS + 5);
}

#[test]
fn input_that_goes_and_comes_again_loses_nothing_that_waits() {
    let mut gateway = start(&Loaded::default());
    gateway.on(frames(1, TABLE_ROWS, "a"), at(1));
    gateway.on(frames(TABLE_ROWS + 1, TABLE_ROWS + 5, "a"), at(2));
    gateway.on(Event::Closed { source: 0, reason: "unplugged".to_owned() }, at(3));
    assert_eq!(gateway.status().sources[0].trouble.as_deref(), Some("unplugged"));
    gateway.on(Event::Opened { source: 0, detail: "plugged in".to_owned() }, at(4));
    gateway.on(Event::Committed { number: 1 }, at(2_000_000));
    let status = &gateway.status().sources[0];
    assert_eq!((status.decoded_rows, status.connected, status.connections, &status.trouble), (TABLE_ROWS + 5, true, 1, &None));
}

#[test]
fn a_stop_takes_in_what_waits() {
    let mut gateway = start(&Loaded::default());
    gateway.on(frames(1, TABLE_ROWS, "a"), at(1));
    gateway.on(frames(TABLE_ROWS + 1, 3 * TABLE_ROWS, "a"), at(2));
    gateway.on(Event::Stop, at(3));
    let mut last = 0;
    for number in 1..10 {
        let actions = gateway.on(Event::Committed { number }, at(3 + number));
        last = commit_in(&actions).and_then(|changes| position_in(changes, "a")).unwrap_or(last);
        if actions.iter().any(|action| matches!(action, Action::Stopped)) {
            break;
        }
    }
    assert_eq!((last, gateway.status().rows), (3 * TABLE_ROWS, 3 * TABLE_ROWS));
}

#[test]
fn stored_positions_are_handed_to_their_source_only() {
    let entries = [("lines", "a", b"1"), ("lines", "b/c", b"2"), ("lines2", "a", b"3")];
    let entries = entries.map(|(source, name, value)| (keys::position(source, name), value.to_vec())).to_vec();
    let gateway = start(&Loaded { entries, ..Loaded::default() });
    assert_eq!(gateway.stored_positions(0), [("a".to_owned(), b"1".to_vec()), ("b/c".to_owned(), b"2".to_vec())]);
}

#[test]
fn bad_frames_are_dead_letters_and_drops_are_counted() {
    let mut gateway = start(&Loaded::default());
    let content = FrameContent::Bad { length: 9_000, beginning: Bytes::from_static(b"xx"), reason: "the checksum is wrong".to_owned() };
    let frames = vec![Frame { seq: 1, place: Some("/dev/ttyUSB0".into()), content }];
    gateway.on(Event::Frames { source: 0, frames, positions: Vec::new() }, at(1));
    gateway.on(Event::Dropped { source: 0, frames: 3, bytes: 30 }, at(2));
    let actions = gateway.on(Event::Tick, at(1_500_000));
    let letter = commit_in(&actions).expect("the batch is due").appends.iter().find(|append| append.log.as_str() == "dead_letters");
    let letter = String::from_utf8_lossy(&letter.expect("a dead letter").bytes).into_owned();
    for part in ["the checksum is wrong", "/dev/ttyUSB0", "9000", "xx"] {
        assert!(letter.contains(part), "{letter}");
    }
    let status = &gateway.status().sources[0];
    assert_eq!((status.rejected, status.dropped, status.dropped_bytes), (1, 3, 30));
}

/// The settings with `more` keys of the source, and a query over `_status`.
fn watched(more: &str) -> Settings {
    from_text(&format!(
        r#"
        [gateway]
        id = "core"
        data_dir = "/nonexistent"

        [source.lines]
        type = "stdin"
        schema = "v BIGINT"
        {more}

        [query.all]
        sql = "SELECT ts, source, status, detail FROM _status"

        [query.low]
        sql = "SELECT v FROM lines WHERE v < 0"

        [sink.out]
        type = "stdout"
        from = ["all", "low"]
        "#
    ))
}

/// The rows that a commit appends to the sink's outbox, without their ids.
fn rows_in(changes: &ChangeSet) -> Vec<String> {
    let appended: Vec<u8> =
        changes.appends.iter().filter(|append| append.log.as_str() == "outbox.out").flat_map(|append| append.bytes.clone()).collect();
    let text = String::from_utf8_lossy(&appended).into_owned();
    text.split("\"ts\":\"").skip(1).map(|row| row.split('}').next().unwrap().to_owned()).collect()
}

#[test]
fn what_becomes_of_a_source_is_a_row_of_status() {
    let settings = watched("silence_timeout = \"5s\"");
    let mut gateway = Gateway::start(&settings, &Loaded::default(), Seeds { epoch: 1, hash: 1 }, &Discard::default(), at(0)).unwrap();
    let mut number = 0;
    let mut rows_after = |gateway: &mut Gateway, event: Event, mono_us: u64| {
        let mut actions = gateway.on(event, at(mono_us));
        actions.extend(gateway.on(Event::Tick, at(mono_us + 1_000_000)));
        let rows = commit_in(&actions).map(rows_in).unwrap_or_default();
        if commit_in(&actions).is_some() {
            number += 1;
            gateway.on(Event::Committed { number }, at(mono_us + 1_100_000));
        }
        rows
    };
    let opened = rows_after(&mut gateway, Event::Opened { source: 0, detail: "port /dev/ttyUSB0".to_owned() }, 1_000_000);
    assert_eq!(opened, [r#"2026-06-01T00:00:01.000Z","source":"lines","status":"connected","detail":"port /dev/ttyUSB0""#]);
    rows_after(&mut gateway, frames(1, 1, "a"), 3_000_000);
    assert_eq!(gateway.wake_at_us(at(4_200_000)), Some(8_000_000), "five seconds after the last frame");
    let silent = rows_after(&mut gateway, Event::Tick, 8_000_000);
    assert_eq!(silent, [r#"2026-06-01T00:00:08.000Z","source":"lines","status":"silent""#]);
    assert!(gateway.status().sources[0].silent);
    assert_eq!(rows_after(&mut gateway, Event::Tick, 20_000_000), [""; 0], "said once");
    let active = rows_after(&mut gateway, frames(2, 2, "a"), 30_000_000);
    assert_eq!(active, [r#"2026-06-01T00:00:30.000Z","source":"lines","status":"active""#]);
    let closed = rows_after(&mut gateway, Event::Closed { source: 0, reason: "unplugged".to_owned() }, 32_000_000);
    assert_eq!(closed, [r#"2026-06-01T00:00:32.000Z","source":"lines","status":"disconnected","detail":"unplugged""#]);
}

#[test]
fn without_a_query_that_reads_it_there_is_no_status_table() {
    assert_eq!(settings().sources.len(), 1);
    assert_eq!(watched("").sources.len(), 2);
}

#[test]
fn a_forgotten_position_leaves_the_store() {
    let loaded = Loaded { entries: vec![(keys::position("lines", "a"), b"1".to_vec())], ..Loaded::default() };
    let mut gateway = start(&loaded);
    let forgotten = Position { through_seq: 0, name: "a".to_owned(), value: None };
    gateway.on(Event::Frames { source: 0, frames: Vec::new(), positions: vec![forgotten] }, at(1));
    let actions = gateway.on(Event::Tick, at(1_500_000));
    assert_eq!(commit_in(&actions).expect("the batch is due").deletes, [keys::position("lines", "a")]);
}

#[test]
fn a_stop_takes_in_what_waits_although_an_outbox_that_blocks_is_full() {
    let mut settings = settings();
    (settings.sinks[0].outbox.when_full, settings.sinks[0].outbox.bytes_max) = (WhenFull::Block, 1);
    let mut gateway = Gateway::start(&settings, &Loaded::default(), Seeds { epoch: 1, hash: 1 }, &Discard::default(), at(0)).unwrap();
    let result = |seq| Frame { seq, place: None, content: FrameContent::Whole(Bytes::from_static(br#"{"v":-1}"#)) };
    let frames = |seq| Event::Frames { source: 0, frames: vec![result(seq)], positions: Vec::new() };
    gateway.on(frames(1), at(1));
    let filling = gateway.on(Event::Tick, at(1_500_000));
    assert_eq!(commit_in(&filling).expect("the batch is due").appends.len(), 1);
    gateway.on(Event::Committed { number: 1 }, at(1_500_001));
    gateway.on(frames(2), at(1_500_002));
    assert!(commit_in(&gateway.on(Event::Tick, at(3_000_000))).is_none() && gateway.status().sinks[0].outbox_full);
    let last = gateway.on(Event::Stop, at(3_000_001));
    assert_eq!(commit_in(&last).expect("nobody sends these frames again").appends.len(), 1);
    assert!(!last.iter().any(|action| matches!(action, Action::Stopped)), "it is not durable yet");
    let stopped = gateway.on(Event::Committed { number: 2 }, at(3_000_002));
    assert!(stopped.iter().any(|action| matches!(action, Action::Stopped)));
}
