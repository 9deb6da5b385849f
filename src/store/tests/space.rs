//! A full disk, a quota, a failing disk.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::faults::{Call, Faults};
use super::model::{Writer, fast_dir, open, settings};
use crate::store::device::Device;
use crate::store::disk::{COMMIT_SLACK_BYTES, OPEN_SPACE_BYTES};
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
        assert!(fs::read_to_string(data_dir.join("lock")).unwrap().contains("failed"));
        drop(store);
        let (store, loaded) = open(&data_dir);
        let model = if loaded.number == before.number { before } else { writer.model.clone() };
        model.check(&store, &loaded);
        assert!(!fs::read_to_string(data_dir.join("lock")).unwrap().contains("failed"));
    }
}

#[test]
fn commits_that_fill_the_disk_are_counted_until_one_gets_through() {
    let dir = fast_dir();
    let data_dir = dir.path().join("data");
    let faults = Arc::new(Faults::new(&data_dir, 1));
    let (mut store, _) = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap();
    let mut writer = Writer::new(3);
    let set = writer.next_set();
    for fills in 1..=3 {
        faults.fail(Call::Sync, 0, ENOSPC);
        assert!(matches!(store.commit(&set), Err(CommitError::NoSpace { .. })));
        assert_eq!(store.fills(), fills);
    }
    // Seen before anything is written.
    faults.set_free(Some(OPEN_SPACE_BYTES - 1));
    assert!(matches!(store.commit(&set), Err(CommitError::NoSpace { .. })));
    assert_eq!(store.fills(), 3);
    faults.set_free(None);
    store.commit(&set).unwrap();
    assert_eq!(store.fills(), 0);
}

/// As the core adds them to a set that waits: what is delivered meanwhile. Whichever form the disk has, the later one is the one that stays.
#[test]
fn a_set_that_comes_again_with_more_drops_is_applied_over_what_the_full_disk_has_of_it() {
    for call in [Call::Write, Call::Sync] {
        for after in 0..8 {
            let dir = fast_dir();
            let data_dir = dir.path().join("data");
            let faults = Arc::new(Faults::new(&data_dir, after));
            let (mut store, _) = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap();
            let mut writer = Writer::new(90 + after);
            while writer.model.segments.len() < 4 {
                store.commit(&writer.next_set()).unwrap();
            }
            faults.fail(call, after, ENOSPC);
            let mut set = loop {
                let set = writer.next_set();
                if store.commit(&set).is_err() {
                    break set;
                }
            };
            let appended = |(log, base): &(_, u64)| set.appends.iter().any(|append| append.log == *log && append.segment.base == *base);
            let delivered = writer.model.segments.keys().find(|key| !appended(key)).expect("older segments").clone();
            let cursor = (b"cursor".to_vec(), b"moved".to_vec());
            writer.model.segments.remove(&delivered);
            writer.model.entries.extend([cursor.clone()]);
            set.drops.push(delivered);
            set.puts.push(cursor);
            store.commit(&set).unwrap();
            store.commit(&writer.next_set()).unwrap();
            drop(store);
            let (store, loaded) = open(&data_dir);
            writer.model.check(&store, &loaded);
        }
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

/// A small file system in memory, for as long as it is held.
struct Tmpfs {
    dir: PathBuf,
}

impl Tmpfs {
    fn mount(dir: &Path, size_bytes: u64) -> Result<Tmpfs, String> {
        fs::create_dir_all(dir).unwrap();
        let options = format!("size={size_bytes}");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        match output {
            Ok(output) if output.status.success() => Ok(Tmpfs { dir: dir.to_owned() }),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

/// The real thing, inside sled too: the store is told that there is room until calls fail.
#[test]
fn a_file_system_that_is_full_in_the_middle_of_a_commit_loses_nothing() {
    let (mut in_sled, mut in_logs) = (0, 0);
    for round in 0..24u64 {
        let dir = tempfile::tempdir().unwrap();
        let tmpfs = match Tmpfs::mount(&dir.path().join("small"), 16 << 20) {
            Ok(tmpfs) => tmpfs,
            Err(reason) => {
                // Past the test harness, which would keep it to itself.
                let text = format!("\nskipped: a_file_system_that_is_full: cannot mount a tmpfs: {}\n", reason.replace('\n', " "));
                return std::io::stderr().write_all(text.as_bytes()).unwrap();
            }
        };
        let data_dir = tmpfs.dir.join("data");
        let faults = Arc::new(Faults::new(&data_dir, 1));
        let (mut store, _) = DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap();
        let mut writer = Writer::new(round);
        // Every other round the segments take more than sled.
        (writer.long_value_bytes, writer.record_bytes_max) = if round % 2 == 0 { (Some(40_000), 600) } else { (None, 100_000) };
        for _ in 0..10 {
            store.commit(&writer.next_set()).unwrap();
        }
        let ballast = tmpfs.dir.join("ballast");
        let free = Device::Real.free_bytes(&tmpfs.dir).unwrap();
        fs::write(&ballast, vec![0; (free - round * 12_288) as usize]).unwrap();
        faults.set_free(Some(1 << 40));
        let set = loop {
            let set = writer.next_set();
            match store.commit(&set) {
                Ok(()) => {}
                Err(CommitError::NoSpace { .. }) => break set,
                Err(error) => panic!("round {round}: {error}"),
            }
        };
        if appended(&data_dir, &set) {
            in_sled += 1
        } else {
            in_logs += 1
        }
        let again = store.commit(&set).unwrap_err();
        assert!(matches!(again, CommitError::NoSpace { .. }), "round {round}: {again}");
        fs::remove_file(&ballast).unwrap();
        store.commit(&set).unwrap_or_else(|error| panic!("round {round}: {error}"));
        store.commit(&writer.next_set()).unwrap();
        drop(store);
        let (store, loaded) = open(&data_dir);
        writer.model.check(&store, &loaded);
    }
    assert!(in_sled > 0 && in_logs > 0, "{in_sled} in sled, {in_logs} in segments");
}

/// Whether all of a set's bytes are in the segment files.
fn appended(data_dir: &Path, set: &ChangeSet) -> bool {
    set.appends.iter().all(|append| {
        let path = data_dir.join(format!("logs/{}/{:016x}.seg", append.log.as_str(), append.segment.base));
        fs::metadata(path).is_ok_and(|found| found.len() >= append.segment.end - append.segment.base)
    })
}
