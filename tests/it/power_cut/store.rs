//! The store alone: what its commits had acknowledged is on the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tidemill::store::{Append, ChangeSet, Chunk, DiskStore, LogName, SegmentMeta, StoreSettings, chunk};

use super::{cut_power, make_disk};
use crate::support::disk::Mount;
use crate::support::skip::skip;

const CUTS: u64 = 6;
/// Commits between two cuts, at least.
const COMMITS_A_CUT: u64 = 12;
/// Between two commits, so that a copy fits in.
const PAUSE: Duration = Duration::from_millis(60);
const STATE_BYTES: usize = 6_000;
const RECORD_BYTES: usize = 4_000;
const SEGMENT_BYTES: u64 = 40_000;

fn settings(data_dir: &Path) -> StoreSettings {
    StoreSettings::new(data_dir, 1 << 30, 0, 1_700_000_000)
}

/// Bytes that set `number` is known by.
fn pattern(number: u64, len: usize) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(len).collect()
}

fn key(number: u64) -> Vec<u8> {
    format!("s/{:02}", number % 20).into_bytes()
}

/// Commits until told to stop; `acknowledged` is the last number whose commit returned.
fn commit_until(data_dir: &Path, acknowledged: &AtomicU64, stop: &AtomicBool) {
    let (mut store, loaded) = DiskStore::open(settings(data_dir)).unwrap();
    let log = LogName::outbox("central");
    let mut last: Option<SegmentMeta> = None;
    let mut number = loaded.number;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let chunk = Chunk { epoch: 1, first_seq: number, created_ms: 0, records: vec![pattern(number, RECORD_BYTES)] };
        let bytes = chunk::encode(&chunk).unwrap();
        let offset = last.as_ref().map_or(0, |meta| meta.end);
        let end = offset + bytes.len() as u64;
        let segment = match last.take().filter(|meta| meta.end - meta.base < SEGMENT_BYTES) {
            Some(mut meta) => {
                meta.extend(&chunk, end);
                meta
            }
            None => SegmentMeta::begin(offset, &chunk, end),
        };
        last = Some(segment.clone());
        let appends = vec![Append { log: log.clone(), offset, bytes, segment }];
        store
            .commit(&ChangeSet { number, puts: vec![(key(number), pattern(number, STATE_BYTES))], appends, ..Default::default() })
            .unwrap();
        acknowledged.store(number, Ordering::SeqCst);
        std::thread::sleep(PAUSE);
    }
}

/// What is wrong with the store on a copy of the disk, given what was acknowledged before it was taken.
fn examine(copy: &Path, dir: PathBuf, acknowledged: u64) -> Result<(), String> {
    let mount = Mount::image(copy, dir)?;
    let (store, loaded) = DiskStore::open(settings(&mount.dir.join("data"))).map_err(|error| error.to_string())?;
    if loaded.number < acknowledged {
        return Err(format!("commit {acknowledged} was acknowledged, {} is there", loaded.number));
    }
    if loaded.quarantined.is_some() || !loaded.warnings.is_empty() {
        return Err(format!("damage: {:?}", loaded.warnings));
    }
    let newest = |number: &u64| (loaded.number.saturating_sub(20) < *number).then_some(*number);
    for number in (1..=loaded.number).filter_map(|number| newest(&number)) {
        if !loaded.entries.contains(&(key(number), pattern(number, STATE_BYTES))) {
            return Err(format!("the state of commit {number} is not there"));
        }
    }
    let log = LogName::outbox("central");
    let (mut from, mut number) = (0, 0);
    loop {
        let chunks = store.read_log(&log, from, 1 << 20).map_err(|error| error.to_string())?;
        let Some(end) = chunks.last().map(|stored| stored.end) else { break };
        for stored in &chunks {
            number += 1;
            if stored.chunk.records != [pattern(number, RECORD_BYTES)] {
                return Err(format!("record {number} is not what was committed"));
            }
        }
        from = end;
    }
    if number == loaded.number { Ok(()) } else { Err(format!("{number} records of {} commits", loaded.number)) }
}

/// Cuts the power some times while `work` commits. Outer error: it cannot be done here; inner: what was lost.
fn cut_while(work: impl Fn(&Path, &AtomicU64, &AtomicBool) + Send + 'static) -> Result<Result<u64, String>, String> {
    let dir = tempfile::tempdir().unwrap();
    let (image, live) = make_disk(dir.path())?;
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = {
        let (data_dir, acknowledged, stop) = (live.dir.join("data"), acknowledged.clone(), stop.clone());
        std::thread::spawn(move || work(&data_dir, &acknowledged, &stop))
    };
    let mut result = Ok(0);
    for cut in 1..=CUTS {
        while acknowledged.load(Ordering::SeqCst) < cut * COMMITS_A_CUT && !writer.is_finished() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let copy = dir.path().join(format!("cut-{cut}.img"));
        let before = cut_power(&image, &copy, || acknowledged.load(Ordering::SeqCst));
        let found = examine(&copy, dir.path().join(format!("cut-{cut}")), before);
        fs::remove_file(&copy).unwrap();
        match found {
            Ok(()) => result = Ok(cut),
            Err(lost) => {
                result = Err(format!("cut {cut}: {lost}"));
                break;
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    writer.join().unwrap();
    drop(live);
    Ok(result)
}

#[test]
fn acknowledged_commits_survive_a_power_cut() {
    match cut_while(commit_until) {
        Err(reason) => skip("acknowledged_commits_survive_a_power_cut", &reason),
        Ok(result) => assert_eq!(result, Ok(CUTS)),
    }
}

#[cfg(feature = "sabotage")]
#[test]
fn sabotage_a_build_that_does_not_sync_is_caught_by_a_power_cut() {
    use tidemill::sabotage::{Fault, with};
    let work = |data_dir: &Path, acknowledged: &AtomicU64, stop: &AtomicBool| {
        with(Fault::SkipSync, || commit_until(data_dir, acknowledged, stop));
    };
    match cut_while(work) {
        Err(reason) => skip("sabotage_a_build_that_does_not_sync_is_caught_by_a_power_cut", &reason),
        Ok(result) => assert!(result.is_err(), "{result:?}"),
    }
}
