//! A full disk, a quota, a failing disk.

use std::sync::Arc;

use super::model::{Writer, fast_dir, open, settings};
use crate::store::device::Device;
use crate::store::disk::{COMMIT_SLACK_BYTES, OPEN_SPACE_BYTES};
use crate::store::faults::{Call, Faults};
use crate::store::{ChangeSet, CommitError, DiskStore, StoreError, StoreSettings};

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

#[test]
fn a_disk_full_at_any_call_loses_nothing_once_there_is_room() {
    for call in [Call::Write, Call::Sync] {
        for after in 0..25 {
            let dir = fast_dir();
            let data_dir = dir.path().join("data");
            let faults = Arc::new(Faults::new(&data_dir, after));
            let (mut store, _) = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap();
            let mut writer = Writer::new(after);
            faults.fail(call, after, ENOSPC);
            let mut full = 0;
            for _ in 0..20 {
                let set = writer.next_set();
                while let Err(error) = store.commit(&set) {
                    assert!(matches!(error, CommitError::NoSpace { .. }), "{error}");
                    full += 1;
                }
            }
            assert_eq!(full, 1, "{call:?} {after}");
            drop(store);
            let (store, loaded) = open(&data_dir);
            writer.model.check(&store, &loaded);
        }
    }
}

#[test]
fn a_failed_sync_is_final_until_the_next_start_which_has_a_whole_commit() {
    for after in 0..12 {
        let dir = fast_dir();
        let data_dir = dir.path().join("data");
        let faults = Arc::new(Faults::new(&data_dir, after));
        let (mut store, _) = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap();
        let mut writer = Writer::new(50 + after);
        faults.fail(Call::Sync, after, EIO);
        let (before, set, error) = loop {
            let before = writer.model.clone();
            let set = writer.next_set();
            if let Err(error) = store.commit(&set) {
                break (before, set, error);
            }
        };
        assert!(matches!(error, CommitError::Fatal { what: "sync", .. }), "{error}");
        assert!(matches!(store.commit(&set), Err(CommitError::Fatal { .. })));
        assert!(std::fs::read_to_string(data_dir.join("lock")).unwrap().contains("failed"));
        drop(store);
        let (store, loaded) = open(&data_dir);
        let model = if loaded.number == before.number { before } else { writer.model.clone() };
        model.check(&store, &loaded);
        assert!(!std::fs::read_to_string(data_dir.join("lock")).unwrap().contains("failed"));
    }
}

#[test]
fn a_commit_that_does_not_fit_is_refused_before_anything_is_written() {
    let dir = fast_dir();
    let data_dir = dir.path().join("data");
    let faults = Arc::new(Faults::new(&data_dir, 1));
    let reserve = 50 << 20;
    let settings = StoreSettings { free_space_min: reserve, ..settings(&data_dir) };
    let (mut store, _) = DiskStore::open_on(settings, Device::Faulty(faults.clone())).unwrap();
    let mut writer = Writer::new(3);
    let set = writer.next_set();
    faults.set_free(Some(reserve + COMMIT_SLACK_BYTES - 1));
    let (syncs, used) = (faults.syncs(), store.used_bytes());
    let error = store.commit(&set).unwrap_err();
    let CommitError::NoSpace { needed, free, path } = &error else { panic!("{error}") };
    assert!(*needed >= COMMIT_SLACK_BYTES && *free == COMMIT_SLACK_BYTES - 1 && *path == data_dir);
    assert_eq!((faults.syncs(), store.used_bytes()), (syncs, used));
    faults.set_free(None);
    store.commit(&set).unwrap();
    // A set that makes room may use the reserve.
    while writer.model.segments.len() < 2 {
        store.commit(&writer.next_set()).unwrap();
    }
    faults.set_free(Some(2 * COMMIT_SLACK_BYTES));
    let oldest = writer.model.segments.keys().next().unwrap().clone();
    let room = ChangeSet { number: store.number() + 1, drops: vec![oldest], ..ChangeSet::default() };
    store.commit(&room).unwrap();
}

#[test]
fn the_quota_counts_state_and_logs_together() {
    let dir = fast_dir();
    let quota = 3 << 20;
    let (mut store, _) = DiskStore::open(StoreSettings { bytes_max: quota, ..settings(dir.path()) }).unwrap();
    let mut writer = Writer::new(4);
    let error = loop {
        let mut set = writer.next_set();
        set.drops.clear();
        set.puts.push((format!("s/long{}", set.number).into_bytes(), writer.rng.bytes(50_000)));
        if let Err(error) = store.commit(&set) {
            break error;
        }
        writer.model.number = set.number;
    };
    assert!(matches!(error, CommitError::NoSpace { .. }), "{error}");
    assert!(store.used_bytes() <= quota && store.used_bytes() > quota / 4, "{}", store.used_bytes());
}

#[test]
fn a_full_disk_is_no_place_to_open_a_store() {
    let dir = fast_dir();
    let data_dir = dir.path().join("data");
    drop(open(&data_dir));
    let faults = Arc::new(Faults::new(&data_dir, 1));
    faults.set_free(Some(OPEN_SPACE_BYTES - 1));
    let error = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults)).err().unwrap();
    assert!(matches!(error, StoreError::NoSpace { free, .. } if free == OPEN_SPACE_BYTES - 1), "{error}");
}
