//! Power cuts at every sync of random runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::faults::Faults;
use super::model::{Writer, fast_dir, open, settings};
use crate::store::DiskStore;
use crate::store::device::Device;

/// Runs commits, closes and opens, each set with a value of up to `extra` bytes more; after each commit opens what a power cut at each of its syncs would have left.
fn run(seed: u64, sets: u64, extra: Option<u64>) -> u64 {
    let (dir, survivors) = (fast_dir(), fast_dir());
    let data_dir = dir.path().join("data");
    let faults = Arc::new(Faults::new(&data_dir, seed));
    faults.keep_survivors(survivors.path());
    let open_faulty = || DiskStore::open_on(settings(&data_dir), Device::Faulty(faults.clone())).unwrap().0;
    let mut writer = Writer::new(seed);
    writer.long_value_bytes = extra;
    let mut cuts = 0;
    let mut store = open_faulty();
    for _ in 0..sets {
        let before = writer.model.clone();
        if writer.rng.below(12) == 0 {
            drop(store);
            faults.state_was_synced();
            store = open_faulty();
            cuts += check_survivors(survivors.path(), seed, |number| (number == before.number).then(|| before.clone()));
        }
        clear(survivors.path());
        let set = writer.next_set();
        store.commit(&set).unwrap();
        let after = writer.model.clone();
        cuts += check_survivors(survivors.path(), seed, |number| {
            [before.clone(), after.clone()].into_iter().find(|model| model.number == number)
        });
    }
    drop(store);
    let (store, loaded) = open(&data_dir);
    writer.model.check(&store, &loaded);
    cuts
}

fn check_survivors(survivors: &Path, seed: u64, model: impl Fn(u64) -> Option<super::model::Model>) -> u64 {
    let mut cuts = 0;
    for entry in fs::read_dir(survivors).unwrap() {
        let path = entry.unwrap().path();
        let (mut store, loaded) = open(&path);
        let name = format!("seed {seed}, survivor {}", path.display());
        let model = model(loaded.number).unwrap_or_else(|| panic!("{name} holds set {}", loaded.number));
        model.check(&store, &loaded);
        // It must also go on from there.
        let next =
            crate::store::ChangeSet { number: loaded.number + 1, puts: vec![(b"s/after".to_vec(), vec![7; 10_000])], ..Default::default() };
        store.commit(&next).unwrap();
        drop(store);
        let (_, loaded) = open(&path);
        assert_eq!(loaded.number, next.number, "{name}");
        fs::remove_dir_all(&path).unwrap();
        cuts += 1;
    }
    cuts
}

fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn a_power_cut_at_any_sync_leaves_all_that_was_committed_and_nothing_half() {
    let mut cuts = 0;
    for seed in 0..6 {
        cuts += run(seed, 40, None);
    }
    assert!(cuts > 300, "only {cuts} power cuts were tried");
}

#[test]
fn a_power_cut_while_sled_reuses_its_segments_costs_nothing() {
    let cuts = run(1000, 60, Some(150_000));
    assert!(cuts > 60, "only {cuts} power cuts were tried");
}
