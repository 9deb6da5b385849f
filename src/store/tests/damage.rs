//! Damage: what is mended, what is moved away, what is refused and left untouched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::faults::Rng;
use super::model::{Model, Writer, fast_dir, open, read_all, settings};
use crate::store::{DiskStore, LogName, ReadError, StoreError};

/// A store after some commits, closed; its model.
fn filled(dir: &Path, seed: u64, sets: u64) -> Vec<Model> {
    let mut writer = Writer::new(seed);
    let (mut store, _) = open(dir);
    let mut models = vec![writer.model.clone()];
    for _ in 0..sets {
        store.commit(&writer.next_set()).unwrap();
        models.push(writer.model.clone());
    }
    models
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file with its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn chunks(model: &Model) -> usize {
    model.segments.values().map(|(_, chunks)| chunks.len()).sum()
}

fn readable(store: &DiskStore) -> usize {
    read_all(store, &LogName::outbox("central"), 5000).len() + read_all(store, &LogName::dead_letters(), 5000).len()
}

#[test]
fn a_state_beyond_repair_is_moved_away_and_its_results_are_kept() {
    let dir = fast_dir();
    let model = filled(dir.path(), 1, 30).pop().unwrap();
    let db = dir.path().join("state/db");
    let before = fs::metadata(&db).unwrap().len() as usize;
    fs::write(&db, vec![0x5a; before]).unwrap();
    for path in fs::read_dir(dir.path().join("state")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snap.")) {
            fs::remove_file(path).unwrap();
        }
    }
    fs::write(dir.path().join("state/snap.0000000000100000"), b"no snapshot").unwrap();
    let (mut store, loaded) = DiskStore::open(settings(dir.path())).unwrap();
    let moved = dir.path().join("state.corrupt-1700000000");
    assert_eq!(loaded.quarantined.as_deref(), moved.to_str());
    assert!(moved.join("db").exists());
    assert_eq!((loaded.number, loaded.entries.len()), (0, 0));
    model.check_logs(&store, &loaded);
    assert!(loaded.warnings.iter().any(|text| text.contains("it is lost")), "{:?}", loaded.warnings);
    store.commit(&crate::store::ChangeSet { number: 1, ..Default::default() }).unwrap();
    drop(store);
    let (store, loaded) = open(dir.path());
    assert_eq!(loaded.number, 1);
    model.check_logs(&store, &loaded);
}

#[test]
fn a_damaged_snapshot_costs_nothing() {
    let dir = fast_dir();
    let model = filled(dir.path(), 2, 30).pop().unwrap();
    drop(open(dir.path()));
    fs::write(dir.path().join("state/snap.7FFFFFFFFFFFFFFF"), b"this is no snapshot at all").unwrap();
    let (store, loaded) = DiskStore::open(settings(dir.path())).unwrap();
    assert!(
        loaded.quarantined.is_none() && loaded.warnings.len() == 1 && loaded.warnings[0].contains("was built again"),
        "{:?}",
        loaded.warnings
    );
    model.check(&store, &loaded);
    drop(store);
    let (store, loaded) = open(dir.path());
    model.check(&store, &loaded);
}

#[test]
fn a_half_written_snapshot_is_not_taken_for_the_newest() {
    let dir = fast_dir();
    let model = filled(dir.path(), 3, 10).pop().unwrap();
    fs::write(dir.path().join("state/snap.7FFFFFFFFFFFFFFF.generating"), b"half").unwrap();
    let (store, loaded) = open(dir.path());
    model.check(&store, &loaded);
}

/// sled takes damage for a torn end where it can, and may so come back with an earlier commit: that is kept, and said. What must not happen:
/// a panic, a refusal, a mixture of commits, or silence.
#[test]
fn any_flipped_bytes_in_the_state_give_a_whole_commit_or_a_quarantine() {
    let origin = fast_dir();
    let models = filled(origin.path(), 4, 150);
    let mut rng = Rng::new(77);
    let (mut quarantined, mut earlier, mut round) = (0, 0, 0);
    // Where sled has put what differs from run to run: so many rounds at least, and more until both kinds of damage have been met.
    while round < 60 || (round < 1_000 && (quarantined == 0 || earlier == 0)) {
        round += 1;
        let dir = fast_dir();
        copy(origin.path(), dir.path());
        if round % 2 == 0 {
            drop(open(dir.path()));
        }
        let db = dir.path().join("state/db");
        let mut bytes = fs::read(&db).unwrap();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 + rng.below(255) as u8;
        }
        fs::write(&db, bytes).unwrap();
        let (_, loaded) = DiskStore::open(settings(dir.path())).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let entries: BTreeMap<_, _> = loaded.entries.iter().cloned().collect();
        if loaded.quarantined.is_some() {
            quarantined += 1;
            assert_eq!((loaded.number, entries.len()), (0, 0));
        } else {
            let last = models.len() as u64 - 1;
            earlier += u32::from(loaded.number < last);
            assert!(
                loaded.number == last || loaded.warnings.iter().any(|text| text.contains("came back as of")),
                "round {round}: {:?}",
                loaded.warnings
            );
            assert!(entries == models[loaded.number as usize].entries, "round {round}: set {} is mixed", loaded.number);
        }
    }
    assert!(quarantined > 0 && earlier > 0 && quarantined + earlier < round, "{quarantined} quarantined, {earlier} earlier of {round}");
}

#[test]
fn a_missing_state_beside_logs_keeps_their_readable_chunks() {
    let dir = fast_dir();
    let model = filled(dir.path(), 5, 30).pop().unwrap();
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let ((log, base), _) = model.segments.iter().next().unwrap();
    let path = dir.path().join(format!("logs/{}/{base:016x}.seg", log.as_str()));
    let mut bytes = fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes[50] ^= 1;
    bytes.extend_from_slice(b"a torn end");
    fs::write(&path, &bytes).unwrap();
    let (store, loaded) = DiskStore::open(settings(dir.path())).unwrap();
    assert!(loaded.warnings.iter().any(|text| text.contains("was damaged; a copy is in")), "{:?}", loaded.warnings);
    let saved = dir.path().join(format!("state.corrupt-1700000000/{}.{base:016x}.seg", log.as_str()));
    assert_eq!(fs::read(saved).unwrap(), bytes);
    assert_eq!(fs::metadata(&path).unwrap().len() as usize, whole);
    let Err(ReadError::Damaged { offset, next, .. }) = store.read_log(log, *base, 1) else { panic!("not noticed") };
    assert_eq!(offset, *base);
    let rest = store.read_log(log, next, u64::MAX).unwrap();
    let others = model.segments.iter().filter(|((name, _), _)| name == log).map(|(_, (_, chunks))| chunks.len()).sum::<usize>();
    assert_eq!(rest.len(), others - 1);
}

#[test]
fn a_shortened_or_missing_segment_is_reported_and_the_rest_is_read() {
    for missing in [false, true] {
        let dir = fast_dir();
        let model = filled(dir.path(), 6, 30).pop().unwrap();
        let ((log, base), (_, held)) = model.segments.iter().find(|(_, (_, chunks))| chunks.len() > 1).unwrap();
        let path = dir.path().join(format!("logs/{}/{base:016x}.seg", log.as_str()));
        if missing {
            fs::remove_file(&path).unwrap();
        } else {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        }
        let (store, loaded) = DiskStore::open(settings(dir.path())).unwrap();
        assert!(loaded.quarantined.is_none() && loaded.warnings.len() == 1, "{:?}", loaded.warnings);
        let lost = if missing { held.len() } else { 1 };
        assert_eq!(readable(&store), chunks(&model) - lost);
        drop(store);
        let (store, _) = open(dir.path());
        assert_eq!(readable(&store), chunks(&model) - lost);
    }
}

#[test]
fn a_newer_store_is_refused_and_left_untouched() {
    let dir = fast_dir();
    filled(dir.path(), 7, 3);
    fs::write(dir.path().join("format"), "tidemill-store 9\nand more that nobody knows yet\n").unwrap();
    fs::write(dir.path().join("lock"), "").unwrap();
    let before = content(dir.path());
    let error = DiskStore::open(settings(dir.path())).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 9, known: 1, .. }));
    let mut after = content(dir.path());
    after.insert(dir.path().join("lock"), Vec::new());
    assert_eq!(before, after);
}

#[test]
fn a_store_in_use_is_refused_and_left_untouched() {
    let dir = fast_dir();
    filled(dir.path(), 8, 3);
    let (store, _) = open(dir.path());
    let before = content(dir.path());
    let error = DiskStore::open(settings(dir.path())).err().unwrap();
    assert!(matches!(error, StoreError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert_eq!(before, content(dir.path()));
    drop(store);
    open(dir.path());
}

#[test]
fn a_data_directory_that_is_a_file_is_refused_in_plain_words() {
    let dir = fast_dir();
    let path = dir.path().join("data");
    fs::write(&path, b"").unwrap();
    let message = DiskStore::open(settings(&path)).err().unwrap().to_string();
    assert!(message.contains("data is a file"), "{message}");
}
