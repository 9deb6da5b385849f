//! Commits, their rules, and reading back.

use std::fs;
use std::sync::Arc;

use super::faults::Faults;
use super::model::{Writer, fast_dir, open, read_all, settings};
use crate::store::device::Device;
use crate::store::state::{OpenFailure, State};
use crate::store::{Append, ChangeSet, Chunk, CommitError, DiskStore, LogName, SegmentMeta, chunk, codec, keys, migrate};

fn put(number: u64, key: &[u8], value: &[u8]) -> ChangeSet {
    ChangeSet { number, puts: vec![(key.to_vec(), value.to_vec())], ..ChangeSet::default() }
}

fn append(log: &LogName, offset: u64, base: u64, record: Vec<u8>) -> Append {
    let chunk = Chunk { epoch: 1, first_seq: offset, created_ms: 0, records: vec![record] };
    let bytes = chunk::encode(&chunk).unwrap();
    let mut segment = SegmentMeta::begin(base, &chunk, offset + bytes.len() as u64);
    segment.base = base;
    Append { log: log.clone(), offset, bytes, segment }
}

#[test]
fn a_store_holds_what_was_committed() {
    for seed in 0..4 {
        let dir = fast_dir();
        let mut writer = Writer::new(100 + seed);
        let (mut store, _) = open(dir.path());
        for _ in 0..80 {
            store.commit(&writer.next_set()).unwrap();
            if writer.rng.below(10) == 0 {
                store.close();
                let (again, loaded) = open(dir.path());
                writer.model.check(&again, &loaded);
                store = again;
            }
        }
        assert!(store.used_bytes() > 0);
    }
}

#[test]
fn a_set_that_is_durable_is_left_alone() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    store.commit(&put(1, b"s/a", b"one")).unwrap();
    store.commit(&put(1, b"s/a", b"other")).unwrap();
    store.commit(&put(0, b"s/a", b"other")).unwrap();
    drop(store);
    let (_, loaded) = open(dir.path());
    assert_eq!(loaded.entries, vec![(b"s/a".to_vec(), b"one".to_vec())]);
}

#[test]
fn a_set_that_breaks_a_rule_is_refused_and_changes_nothing() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    let log = LogName::outbox("central");
    let first = append(&log, 0, 0, vec![1; 10]);
    let end = first.segment.end;
    store.commit(&ChangeSet { number: 1, appends: vec![first], ..ChangeSet::default() }).unwrap();
    let with = |append| ChangeSet { number: 2, appends: vec![append], ..ChangeSet::default() };
    let mut wrong_end = append(&log, end, 0, vec![]);
    wrong_end.segment.end += 1;
    let mut no_chunk = append(&log, end, 0, vec![1; 5]);
    no_chunk.bytes[0] = b'X';
    let refused = [
        ("the last one has number 1", put(3, b"s/a", b"")),
        ("a key of 0 bytes", put(2, b"", b"")),
        ("a key of 257 bytes", put(2, &[b'k'; 257], b"")),
        ("a value of 16777217 bytes", put(2, b"s/a", &vec![0; codec::VALUE_BYTES_MAX + 1])),
        ("does not follow", with(append(&log, end + 1, 0, vec![]))),
        ("does not follow", with(append(&log, end - 1, 0, vec![]))),
        ("does not follow", with(append(&LogName::dead_letters(), 5, 0, vec![]))),
        ("does not follow", with(wrong_end)),
        ("is not a chunk", with(no_chunk)),
        ("the name of the log", with(append(&LogName::from("../up".to_owned()), 0, 0, vec![]))),
        ("appends to a segment", ChangeSet { drops: vec![(log.clone(), 0)], ..with(append(&log, end, 0, vec![])) }),
    ];
    for (reason, set) in refused {
        let message = store.commit(&set).unwrap_err();
        assert!(matches!(message, CommitError::Refused { .. }) && message.to_string().contains(reason), "{message}");
    }
    store.commit(&put(2, b"s/a", b"x")).unwrap();
    assert_eq!(read_all(&store, &log, 1).len(), 1);
}

#[test]
fn what_is_loaded_leaves_out_the_state_of_the_queries_named() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    let names = ["m/x", "s/a-b/0/0.0", "s/a/0/0.0", "s/a/watermark", "s/ab/0/0.0", "s/b/0/0.0", "s/b/0/meta", "t/a/"];
    let puts = names.map(|name| (name.as_bytes().to_vec(), vec![7; 10_000]));
    store.commit(&ChangeSet { number: 1, puts: puts.to_vec(), ..ChangeSet::default() }).unwrap();
    let loaded = |left_out: &[&str]| {
        let left_out = left_out.iter().map(|name| (*name).to_owned()).collect();
        let keys = store.load(left_out).unwrap().entries.into_iter().map(|(key, _)| String::from_utf8(key).unwrap());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(loaded(&[]), names);
    assert_eq!(loaded(&["a"]), ["m/x", "s/a-b/0/0.0", "s/ab/0/0.0", "s/b/0/0.0", "s/b/0/meta", "t/a/"]);
    assert_eq!(loaded(&["a", "a-b", "nobody"]), ["m/x", "s/ab/0/0.0", "s/b/0/0.0", "s/b/0/meta", "t/a/"]);
    assert_eq!(loaded(&["b", "ab", "a-b", "a"]), ["m/x", "t/a/"]);
}

#[test]
fn a_commit_syncs_each_segment_it_writes_and_the_state_once() {
    let dir = fast_dir();
    let data_dir = dir.path().join("data");
    let faults = Arc::new(Faults::new(&data_dir, 1));
    let mut store = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap().0;
    let mut syncs = |set: &ChangeSet| {
        let before = faults.syncs();
        store.commit(set).unwrap();
        faults.syncs() - before
    };
    let log = LogName::outbox("central");
    let first = append(&log, 0, 0, vec![1; 10]);
    let end = first.segment.end;
    assert_eq!(syncs(&put(1, b"s/a", b"x")), 1);
    // A new log and segment: two directories, the segment, the state.
    assert_eq!(syncs(&ChangeSet { number: 2, appends: vec![first], ..ChangeSet::default() }), 4);
    assert_eq!(syncs(&ChangeSet { number: 3, appends: vec![append(&log, end, 0, vec![])], ..ChangeSet::default() }), 2);
}

#[test]
fn long_values_never_make_sled_write_a_file_of_its_own() {
    let dir = fast_dir();
    let mut writer = Writer::new(5);
    let (mut store, _) = open(dir.path());
    for round in 0..4u64 {
        let puts = (0..200).map(|key| {
            let name = [format!("s/{key:04}").into_bytes(), vec![b'k'; keys::KEY_BYTES_MAX - 6]].concat();
            let len = writer.rng.below(70_000) as usize;
            (name, writer.rng.bytes(len))
        });
        store.commit(&ChangeSet { number: round + 1, puts: puts.collect(), ..ChangeSet::default() }).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("state/blobs")).unwrap().count(), 0, "round {round}");
    }
}

#[test]
fn reading_takes_whole_chunks_within_its_limit_but_one_at_least() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    let log = LogName::outbox("central");
    let mut end = 0;
    for number in 1..=6 {
        let base = if number < 4 { 0 } else { 3 * (end / 3).max(1) };
        let base = if number == 4 { end } else { base };
        let made = append(&log, end, if number > 4 { end_of_third(end, number) } else { base }, vec![0; 100]);
        end = made.segment.end;
        store.commit(&ChangeSet { number, appends: vec![made], ..ChangeSet::default() }).unwrap();
    }
    let one = end / 6;
    let count = |from, max| store.read_log(&log, from, max).unwrap().len();
    assert_eq!((count(0, 0), count(0, one), count(0, 2 * one), count(0, 2 * one + 1), count(0, u64::MAX)), (1, 1, 2, 2, 6));
    assert_eq!((count(2 * one, 2 * one), count(5 * one, u64::MAX), count(6 * one, 100)), (2, 1, 0));
    assert_eq!(store.read_log(&LogName::dead_letters(), 0, 100).unwrap().len(), 0);
    let middle = store.read_log(&log, 2 * one, 2 * one).unwrap();
    assert_eq!((middle[0].offset, middle[0].end, middle[1].offset), (2 * one, 3 * one, 3 * one));
}

/// Base of the second segment, which begins with the fourth of equal chunks.
fn end_of_third(end: u64, number: u64) -> u64 {
    end / (number - 1) * 3
}

#[test]
fn opening_reads_no_segment() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    let log = LogName::outbox("central");
    let made = append(&log, 0, 0, vec![0; 100_000]);
    store.commit(&ChangeSet { number: 1, appends: vec![made], ..ChangeSet::default() }).unwrap();
    drop(store);
    let path = dir.path().join("logs/outbox.central/0000000000000000.seg");
    let len = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0xff; len as usize]).unwrap();
    let (store, loaded) = open(dir.path());
    assert_eq!(loaded.segments[0].1[0].end, len);
    assert!(store.read_log(&log, 0, 1).is_err());
}

#[test]
fn what_an_interrupted_commit_left_behind_goes_at_the_next_start() {
    let dir = fast_dir();
    let (mut store, _) = open(dir.path());
    let log = LogName::outbox("central");
    let made = append(&log, 0, 0, vec![0; 100]);
    let end = made.segment.end;
    store.commit(&ChangeSet { number: 1, appends: vec![made], ..ChangeSet::default() }).unwrap();
    drop(store);
    let logs = dir.path().join("logs/outbox.central");
    let (segment, unknown, foreign) = (logs.join("0000000000000000.seg"), logs.join("00000000000000ff.seg"), logs.join("notes.txt"));
    let committed = fs::read(&segment).unwrap();
    fs::write(&segment, [&committed[..], b"torn"].concat()).unwrap();
    fs::write(&unknown, b"dropped, or never committed").unwrap();
    fs::write(&foreign, b"not ours").unwrap();
    let (mut store, _) = open(dir.path());
    assert_eq!(fs::read(&segment).unwrap(), committed);
    assert!(!unknown.exists() && foreign.exists());
    let made = append(&log, end, 0, vec![0; 100]);
    store.commit(&ChangeSet { number: 2, appends: vec![made], ..ChangeSet::default() }).unwrap();
    assert_eq!(read_all(&store, &log, 1).len(), 2);
}

#[test]
fn an_older_layout_is_brought_to_the_known_one_step_by_step() {
    const STEPS: &[migrate::Step] = &[
        migrate::Step {
            from: 1,
            what: "a test's first",
            apply: |_, batch| {
                batch.insert(b"k-one", b"1");
                Ok(())
            },
        },
        migrate::Step {
            from: 2,
            what: "a test's second",
            apply: |db, batch| {
                let one = db.get(b"k-one").map_err(|error| error.to_string())?.ok_or("the first step is missing")?;
                batch.insert(b"k-two", one);
                Ok(())
            },
        },
    ];
    let dir = fast_dir();
    drop(open(dir.path()));
    let state_dir = dir.path().join("state");
    let open_state = || State::open(&state_dir, 1 << 20, Device::Real, true);
    let (state, _) = open_state().unwrap();
    let missing = migrate::run(&state, &state_dir, &STEPS[..1], 3).err();
    assert!(matches!(missing, Some(OpenFailure::Refused(_))), "{missing:?}");
    migrate::run(&state, &state_dir, STEPS, 3).unwrap();
    migrate::run(&state, &state_dir, &[], 3).unwrap();
    assert_eq!(state.db().get(b"k-two").unwrap().as_deref(), Some(&b"1"[..]));
    drop(state);
    // The store is of version 3 now: this version refuses it.
    let refused = open_state().err();
    let Some(OpenFailure::Refused(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("has format 3, this tidemill knows formats up to 1"), "{error}");
}
