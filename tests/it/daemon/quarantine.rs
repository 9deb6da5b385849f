//! A corrupt store: moved away and said loudly, its waiting results still delivered.

use std::collections::BTreeSet;

use super::*;
use crate::ledger::dedup::ResultId;

#[test]
fn a_corrupt_store_still_delivers_what_waited() {
    let mut world = World::prepare(&Keys::default(), Script::new(VERSION));
    world.central_proxy.refuse(true);
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world.publish_numbers(0..50, 10);
    world.wait_acknowledged(50);
    world.stop();
    let state = world.data_dir.join("state");
    let file = state.join("db");
    let length = std::fs::metadata(&file).unwrap().len() as usize;
    std::fs::write(&file, [0xA5_u8, 0x5A, 0x00].iter().copied().cycle().take(length).collect::<Vec<u8>>()).unwrap();

    world.central_proxy.refuse(false);
    world.gateway.start();
    world.gateway.wait_ready();
    world.wait_for_numbers(0..50);
    world.publish_numbers(50..60, 10);
    world.wait_for_numbers(50..60);
    world.stop();

    let log = world.gateway.log_since_start();
    let told = log.lines().find(|line| line.contains("\"ERROR\"") && line.contains("the store was corrupt and has been moved to"));
    assert!(told.is_some(), "{log}");
    let moved: Vec<String> = std::fs::read_dir(&world.data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("state.corrupt-"))
        .collect();
    assert_eq!(moved.len(), 1);
    assert!(told.unwrap().contains(&moved[0]) && world.data_dir.join(&moved[0]).join("db").exists(), "{told:?}, {moved:?}");
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for result in world.central.accepted() {
        let epoch = ResultId::parse(result["_id"].as_str().unwrap()).unwrap().epoch;
        if result["number"].as_u64().unwrap() < 50 { &mut before } else { &mut after }.insert(epoch);
    }
    assert_eq!((before.len(), after.len()), (1, 1));
    assert!(before.is_disjoint(&after), "new results have a new epoch");
}
