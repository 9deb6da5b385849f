//! A configuration that changes between two starts: queries whose state fits or not, queries and sinks that are gone.

use bytes::Bytes;
use tidemill::batch::Stamp;
use tidemill::config::settings::Settings;
use tidemill::gateway::{Action, Discard, Event, Gateway, Seeds, StartError};
use tidemill::mqtt::{Inbound, InboundPayload};
use tidemill::store::{ChangeSet, Loaded, LogName, SegmentMeta, keys};

use crate::support::settings::from_text;

const BEGAN_US: i64 = 1_780_272_000_000_000;
const COUNTS: &str = "SELECT device, count(*) AS n, sum(v) AS s FROM readings GROUP BY device";

fn settings(queries: &str, sinks: &str) -> Settings {
    from_text(&format!(
        r#"
        [gateway]
        id = "changes"
        data_dir = "/nonexistent"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://local"
        topics = ["s/{{device}}"]
        schema = "v BIGINT"
        {queries}
        {sinks}
        "#
    ))
}

fn query(sql: &str, more: &str) -> String {
    format!("[query.counts]\nsql = \"{sql}\"\nmode = \"update\"\n{more}\n")
}

const OUT: &str = "[sink.out]\ntype = \"stdout\"\nfrom = [\"counts\"]\n";

fn at(mono_us: u64) -> Stamp {
    Stamp { wall_us: BEGAN_US + mono_us as i64, mono_us, synchronised: true }
}

fn start(settings: &Settings, loaded: &Loaded, discard: &Discard) -> Result<Gateway, StartError> {
    Gateway::start(settings, loaded, Seeds { epoch: 1, hash: 1 }, discard, at(0))
}

fn commit_in(actions: Vec<Action>) -> Option<Box<ChangeSet>> {
    actions.into_iter().find_map(|action| match action {
        Action::Commit(changes) => Some(changes),
        _ => None,
    })
}

/// What the store holds after the change set.
fn applied(mut loaded: Loaded, changes: &ChangeSet) -> Loaded {
    loaded.number = changes.number;
    loaded.entries.retain(|(key, _)| !changes.deletes.contains(key) && changes.puts.iter().all(|(put, _)| put != key));
    loaded.entries.extend(changes.puts.iter().cloned());
    loaded.entries.sort();
    for append in &changes.appends {
        let segments = match loaded.segments.iter().position(|(log, _)| *log == append.log) {
            Some(position) => &mut loaded.segments[position].1,
            None => {
                loaded.segments.push((append.log.clone(), Vec::new()));
                &mut loaded.segments.last_mut().unwrap().1
            }
        };
        segments.retain(|segment: &SegmentMeta| segment.base != append.segment.base);
        segments.push(append.segment.clone());
    }
    for (log, base) in &changes.drops {
        let (_, segments) = loaded.segments.iter_mut().find(|(name, _)| name == log).expect("a log that the store has");
        segments.retain(|segment| segment.base != *base);
    }
    loaded.segments.retain(|(_, segments)| !segments.is_empty());
    loaded
}

/// Sends one reading, commits it.
fn run(gateway: &mut Gateway, loaded: Loaded) -> (Loaded, ChangeSet) {
    gateway.on(Event::Connected { source: 0, connection: 1, resumed: false }, at(0));
    let payload = InboundPayload::Whole(Bytes::from_static(br#"{"v":2}"#));
    let message =
        Inbound { seq: 1, packet_id: 1, qos: 1, dup: false, again: false, retain: false, topic: Bytes::from_static(b"s/a"), payload };
    gateway.on(Event::Messages { source: 0, connection: 1, messages: vec![message] }, at(1));
    let changes = commit_in(gateway.on(Event::Tick, at(2_000_000))).expect("a reading changes something");
    (applied(loaded, &changes), *changes)
}

/// A store in which `counts` has seen one reading, and one result waits for `out`.
fn used() -> Loaded {
    let mut gateway = start(&settings(&query(COUNTS, ""), OUT), &Loaded::default(), &Discard::default()).unwrap();
    let (loaded, _) = run(&mut gateway, Loaded::default());
    assert!(loaded.entries.iter().any(|(key, _)| key.starts_with(b"s/counts/")));
    assert_eq!(loaded.segments.len(), 1);
    loaded
}

/// The payload of the one result in the set, from its first brace on.
fn result(changes: &ChangeSet) -> String {
    let text = String::from_utf8_lossy(&changes.appends[0].bytes).into_owned();
    text[text.find('{').unwrap()..].to_owned()
}

#[test]
fn state_that_fits_is_kept() {
    let loaded = used();
    let rewritten = [
        COUNTS,
        "SELECT sum(v) AS total, device, count(*) AS n FROM readings WHERE v IS NOT NULL GROUP BY device",
        "SELECT device, sum(v) + 0 AS s, count(*) AS n FROM readings GROUP BY device HAVING n > 1",
    ];
    for sql in rewritten {
        let mut gateway = start(&settings(&query(sql, ""), OUT), &loaded, &Discard::default()).unwrap();
        let (_, changes) = run(&mut gateway, loaded.clone());
        assert!(result(&changes).contains("\"n\":2"), "{sql}: {}", result(&changes));
    }
}

#[test]
fn state_that_does_not_fit_is_refused_or_discarded_as_somebody_says() {
    let loaded = used();
    let other = "SELECT device, max(v) AS n FROM readings GROUP BY device";
    let changed = settings(&query(other, ""), OUT);
    let error = start(&changed, &loaded, &Discard::default()).err().unwrap().to_string();
    assert!(error.contains("query 'counts' has changed") && error.contains("`device`") && error.contains("Max"), "{error}");

    let by_hand = Discard { state: vec!["counts".to_owned()], ..Discard::default() };
    let mut gateway = start(&changed, &loaded, &by_hand).unwrap();
    // What was said is done without waiting for input.
    let due_us = gateway.wake_at_us(at(0)).unwrap();
    let changes = commit_in(gateway.on(Event::Tick, at(due_us))).unwrap();
    let after = applied(loaded.clone(), &changes);
    assert!(!after.entries.iter().any(|(key, _)| key.starts_with(b"s/counts/")));
    assert!(start(&changed, &after, &Discard::default()).is_ok());

    let by_itself = settings(&query(other, "on_change = \"discard\""), OUT);
    let mut gateway = start(&by_itself, &loaded, &Discard::default()).unwrap();
    let (after, changes) = run(&mut gateway, loaded.clone());
    assert!(result(&changes).contains("\"n\":2"), "the new query's only reading: {}", result(&changes));
    assert!(start(&changed, &after, &Discard::default()).is_ok(), "the old state is gone");
    let same = settings(&query(COUNTS, "on_change = \"discard\""), OUT);
    let mut gateway = start(&same, &loaded, &Discard::default()).unwrap();
    assert!(result(&run(&mut gateway, loaded).1).contains("\"n\":2"), "what fits is kept");
}

#[test]
fn state_of_a_query_that_is_gone_is_kept_until_somebody_says_otherwise() {
    let loaded = used();
    let renamed = query(COUNTS, "").replace("[query.counts]", "[query.sums]");
    let settings = settings(&renamed, &OUT.replace("counts", "sums"));
    let mut gateway = start(&settings, &loaded, &Discard::default()).unwrap();
    let (after, changes) = run(&mut gateway, loaded.clone());
    assert!(result(&changes).contains("\"n\":1"), "a new name begins anew");
    assert!(after.entries.iter().any(|(key, _)| key.starts_with(b"s/counts/")));
    let discard = Discard { state: vec!["counts".to_owned()], ..Discard::default() };
    let mut gateway = start(&settings, &after, &discard).unwrap();
    let (after, _) = run(&mut gateway, after);
    assert!(!after.entries.iter().any(|(key, _)| key.starts_with(b"s/counts/")));
}

#[test]
fn results_of_a_sink_that_is_gone_are_delivered_or_discarded_as_somebody_says() {
    let loaded = used();
    let log = LogName::outbox("out");
    let waiting = |loaded: &Loaded| loaded.segments.iter().any(|(name, _)| *name == log);
    let other = OUT.replace("sink.out", "sink.other");
    let moved = settings(&query(COUNTS, ""), &other);
    let mut gateway = start(&moved, &loaded, &Discard::default()).unwrap();
    assert!(waiting(&run(&mut gateway, loaded.clone()).0), "kept where nobody chose");

    let discard = Discard { outboxes: vec!["out".to_owned()], ..Discard::default() };
    let mut gateway = start(&moved, &loaded, &discard).unwrap();
    let due_us = gateway.wake_at_us(at(0)).unwrap();
    let after = applied(loaded.clone(), &commit_in(gateway.on(Event::Tick, at(due_us))).unwrap());
    assert!(!waiting(&after) && after.entries.iter().all(|(key, _)| *key != keys::cursor("out") && *key != keys::log(&log)));

    let both = settings(&query(COUNTS, ""), &format!("{other}\n[sink.out]\ntype = \"stdout\"\nretired = true\n"));
    let sink = both.sinks.iter().position(|sink| sink.name == "out").unwrap();
    let mut gateway = start(&both, &loaded, &Discard::default()).unwrap();
    let (cursor, end) = gateway.delivery_start(sink);
    assert!(cursor.offset < end, "what waits is delivered");
    let (_, changes) = run(&mut gateway, loaded.clone());
    assert!(changes.appends.iter().all(|append| append.log != log), "and nothing new comes");
    let refused = start(&both, &loaded, &discard).err().unwrap().to_string();
    assert!(refused.contains("`out`") && refused.contains("remove the sink"), "{refused}");
}

/// A query with an operator of each kind, one that is written otherwise and computes the same, and one that does not.
struct Change {
    before: &'static str,
    same: &'static str,
    other: &'static str,
}

const CHANGES: &[Change] = &[
    Change {
        before: "SELECT device, count(*) AS n FROM readings GROUP BY device, session_window(_arrived, '10 seconds')",
        same: "SELECT count(*) AS m, device FROM readings WHERE v > 0 GROUP BY device, session_window(_arrived, '10 seconds')",
        other: "SELECT device, count(*) AS n FROM readings GROUP BY device, session_window(_arrived, '20 seconds')",
    },
    Change {
        before: "SELECT device, count(*) AS n FROM readings GROUP BY device, count_window(5)",
        same: "SELECT device, count(*) + 1 AS n FROM readings GROUP BY device, count_window(5)",
        other: "SELECT device, count(*) AS n FROM readings GROUP BY device, count_window(6)",
    },
    Change {
        before: "SELECT device, count(*) AS n FROM readings GROUP BY device, state_window(v > 1, v < 1)",
        same: "SELECT device AS d, count(*) AS n FROM readings GROUP BY device, state_window(v > 1, v < 1)",
        other: "SELECT device, count(*) AS n FROM readings GROUP BY device, state_window(v > 1, v < 0)",
    },
    Change {
        before: "SELECT a.device, b.v FROM readings a JOIN readings b ON a.device = b.device AND b._arrived BETWEEN a._arrived AND a._arrived + INTERVAL 5 SECONDS",
        same: "SELECT b.v + 1 AS w, a.device FROM readings a JOIN readings b ON a.device = b.device AND b._arrived BETWEEN a._arrived AND a._arrived + INTERVAL 5 SECONDS",
        other: "SELECT a.device, b.v FROM readings a JOIN readings b ON a.v = b.v AND b._arrived BETWEEN a._arrived AND a._arrived + INTERVAL 5 SECONDS",
    },
    Change {
        before: "SELECT device, lag(v) OVER (PARTITION BY device ORDER BY _arrived) AS p FROM readings",
        same: "SELECT lag(v) OVER (PARTITION BY device ORDER BY _arrived) AS q, device FROM readings",
        other: "SELECT device, lag(v, 2) OVER (PARTITION BY device ORDER BY _arrived) AS p FROM readings",
    },
    Change {
        before: "SELECT device, twice(v) AS w, count(*) AS n FROM readings GROUP BY device, twice(v), session_window(_arrived, '10 seconds')",
        same: "SELECT device, count(*) AS n FROM readings GROUP BY device, twice(v), session_window(_arrived, '10 seconds')",
        other: "SELECT device, count(*) AS n FROM readings GROUP BY device, thrice(v), session_window(_arrived, '10 seconds')",
    },
];

const FUNCTIONS: &str = r#"
[function.twice]
script_text = "fn twice(x) { 2 * x }"
signature = "(x BIGINT) -> BIGINT"
[function.thrice]
script_text = "fn thrice(x) { 3 * x }"
signature = "(x BIGINT) -> BIGINT"
"#;

/// With the query in append mode, and the functions.
fn settings_of(sql: &str) -> Settings {
    settings_over("", sql)
}

/// `source`: further lines of its section.
fn settings_over(source: &str, sql: &str) -> Settings {
    // The first lines go into the section of the source.
    let query = format!("event_time = \"_arrived\"\nwatermark = \"10s\"\n{source}\n[query.counts]\nsql = \"{sql}\"\n{FUNCTIONS}");
    settings(&query, OUT)
}

#[test]
fn each_kind_of_operator_keeps_what_fits_and_refuses_what_does_not() {
    for Change { before, same, other } in CHANGES {
        let mut gateway = start(&settings_of(before), &Loaded::default(), &Discard::default()).unwrap();
        let (loaded, _) = run(&mut gateway, Loaded::default());
        assert!(loaded.entries.iter().any(|(key, _)| key.starts_with(b"s/counts/")), "{before}");
        assert!(start(&settings_of(before), &loaded, &Discard::default()).is_ok(), "{before}");
        if let Err(error) = start(&settings_of(same), &loaded, &Discard::default()) {
            panic!("{same}: {error}");
        }
        let Err(error) = start(&settings_of(other), &loaded, &Discard::default()) else { panic!("state is taken up by {other}") };
        let text = error.to_string();
        assert!(text.contains("query 'counts' has changed") && text.contains("--discard-state counts"), "{text}");
        let discard = Discard { state: vec!["counts".to_owned()], ..Discard::default() };
        let mut gateway = start(&settings_of(other), &loaded, &discard).unwrap();
        let due_us = gateway.wake_at_us(at(0)).unwrap();
        let after = applied(loaded.clone(), &commit_in(gateway.on(Event::Tick, at(due_us))).unwrap());
        assert!(start(&settings_of(other), &after, &Discard::default()).is_ok(), "{other}");
    }
}

fn with_state(script: &str) -> Settings {
    let more = format!("state = {{ script_text = \"{script}\", key = [\"device\"], output = \"device STRING, n BIGINT\" }}");
    settings(&format!("[query.counts]\nsql = \"SELECT device, v FROM readings\"\n{more}\n"), OUT)
}

#[test]
fn a_state_functions_script_may_change_its_key_may_not() {
    let count = "fn update(key, state, rows, now) { if state == () { state = 0; } state += rows.len(); #{ device: key, n: state } }";
    let before = with_state(count);
    let mut gateway = start(&before, &Loaded::default(), &Discard::default()).unwrap();
    let (loaded, changes) = run(&mut gateway, Loaded::default());
    assert!(result(&changes).contains("\"n\":1"));
    let mut gateway = start(&with_state(&count.replace("n: state", "n: state * 10")), &loaded, &Discard::default()).unwrap();
    assert!(result(&run(&mut gateway, loaded.clone()).1).contains("\"n\":20"), "the new script goes on with what the old one kept");
    let text = format!(
        "[query.counts]\nsql = \"SELECT device, v FROM readings\"\nstate = {{ script_text = \"{count}\", key = [\"v\"], output = \"device STRING, n BIGINT\" }}\n"
    );
    let error = start(&settings(&text, OUT), &loaded, &Discard::default()).err().unwrap().to_string();
    assert!(error.contains("query 'counts' has changed"), "{error}");
}

#[test]
fn other_columns_that_tell_repeats_apart_are_a_change() {
    let sql = "SELECT device, v FROM readings";
    let by_value = settings_over("dedup = [\"v\"]", sql);
    let mut gateway = start(&by_value, &Loaded::default(), &Discard::default()).unwrap();
    let (loaded, _) = run(&mut gateway, Loaded::default());
    assert!(start(&settings_over("dedup = [\"v\"]", "SELECT v + 1 AS w FROM readings"), &loaded, &Discard::default()).is_ok());
    let error = start(&settings_over("dedup = [\"v\", \"device\"]", sql), &loaded, &Discard::default()).err().unwrap().to_string();
    assert!(error.contains("query 'counts' has changed"), "{error}");
}
