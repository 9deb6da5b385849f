//! A full outbox: each policy does what it says, and every result is delivered or named by a tombstone.

use std::collections::BTreeSet;

use serde::Deserialize;
use tidemill::gateway::{DropReason, Tombstone};
use tidemill::store::{LogName, keys};

use super::*;
use crate::ledger::dedup::ResultId;
use crate::support::stored::Stored;

const READINGS: u64 = 150;
/// All together several times the outbox.
const TEXT_BYTES: usize = 2_000;

/// What the store holds of a sink besides its segments.
#[derive(Deserialize)]
struct StoredSink {
    tombstones: Vec<Tombstone>,
    dropped: u64,
}

/// Fills the outbox while the central broker is away, stops, and starts with the central broker there. Returns the delivered numbers.
fn filled(policy: &'static str) -> Vec<u64> {
    let mut world = World::prepare(&Keys { sink: policy, ..Keys::default() }, Script::new(VERSION));
    world.central_proxy.refuse(true);
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    world.publish_numbers(0..READINGS, TEXT_BYTES);
    world.wait_acknowledged(READINGS as usize);
    world.stop();
    let stored: StoredSink = {
        let stored = Stored::open(&world.data_dir);
        stored.record(&keys::log(&LogName::outbox("central"))).expect("the tombstones are durable")
    };
    assert!(world.gateway.log().contains(&format!("\"dropped\":{}", stored.dropped)), "{}", world.gateway.log());

    world.central_proxy.refuse(false);
    world.gateway.start();
    world.publish_numbers(READINGS..READINGS + 1, 1);
    world.wait_for_numbers(READINGS..READINGS + 1);
    world.stop();

    let ids = world.central.accepted().iter().map(|result| ResultId::parse(result["_id"].as_str().unwrap()).unwrap()).collect::<Vec<_>>();
    let epoch = ids[0].epoch;
    let delivered: BTreeSet<u64> = ids.iter().filter(|id| id.epoch == epoch).map(|id| id.seq).collect();
    let mut buried = BTreeSet::new();
    for tombstone in &stored.tombstones {
        assert_eq!((tombstone.reason, tombstone.first.0, tombstone.last.0), (DropReason::Full, epoch, epoch));
        buried.extend(tombstone.first.1..=tombstone.last.1);
    }
    assert_eq!(buried.len() as u64, stored.dropped);
    assert!(!delivered.is_empty() && delivered.is_disjoint(&buried));
    assert_eq!(delivered.union(&buried).copied().collect::<Vec<_>>(), (1..=READINGS).collect::<Vec<_>>(), "delivered or buried");
    world.accepted_numbers()
}

#[test]
fn drop_oldest_keeps_the_newest_results() {
    let numbers = filled("outbox = { max_bytes = \"64 KiB\", when_full = \"drop_oldest\" }");
    assert!(numbers.contains(&(READINGS - 1)) && !numbers.contains(&0), "{numbers:?}");
}

#[test]
fn drop_newest_keeps_the_oldest_results() {
    let numbers = filled("outbox = { max_bytes = \"64 KiB\", when_full = \"drop_newest\" }");
    assert!(numbers.starts_with(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), "{numbers:?}");
}

#[test]
fn block_stops_acknowledging_and_loses_nothing() {
    let keys = Keys { sink: "outbox = { max_bytes = \"64 KiB\", when_full = \"block\" }", ..Keys::default() };
    let mut world = World::prepare(&keys, Script::new(VERSION));
    world.central_proxy.refuse(true);
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    // More than fits: what one batch holds may pass the limit.
    world.publish_numbers(0..60, TEXT_BYTES);
    world.gateway.wait_for_log("an outbox is full");
    let acknowledged = world.acknowledged();
    world.publish_numbers(60..READINGS, TEXT_BYTES);
    // Many batch intervals; the batch that filled it may still have been on its way.
    assert!(!wait_until(Duration::from_millis(500), || world.acknowledged() > acknowledged.max(60)), "it goes on acknowledging");
    world.central_proxy.refuse(false);
    world.gateway.wait_for_log("there is room in the outbox again");
    world.wait_for_numbers(0..READINGS);
    world.wait_acknowledged(READINGS as usize);
    world.stop();
    assert_eq!(world.accepted_numbers(), (0..READINGS).collect::<Vec<_>>(), "in order, each once");
}

/// Its record in the store.
fn stored_sink(world: &World) -> StoredSink {
    let stored = Stored::open(&world.data_dir);
    stored.record(&keys::log(&LogName::outbox("central"))).expect("the tombstones are durable")
}

#[test]
fn keep_latest_keeps_the_last_result_of_each_key_over_restarts() {
    let policy = r#"outbox = { max_bytes = "64 KiB", when_full = "keep_latest", key = ["text"] }"#;
    let mut world = World::prepare(&Keys { sink: policy, ..Keys::default() }, Script::new(VERSION));
    world.central_proxy.refuse(true);
    world.gateway.start();
    world.local.wait_for_subscription("sensors/+/climate");
    // A key that never changes again, and one that changes all the time: several outboxes full, before a kill and after it.
    world.publish_numbers(0..1, TEXT_BYTES / 2);
    world.publish_numbers(1..READINGS, TEXT_BYTES);
    world.wait_acknowledged(READINGS as usize);
    world.gateway.kill();
    world.gateway.start();
    world.publish_numbers(READINGS..2 * READINGS, TEXT_BYTES);
    world.wait_acknowledged(2 * READINGS as usize);
    world.stop();
    let stored = stored_sink(&world);
    assert!(stored.tombstones.iter().all(|tombstone| tombstone.reason == DropReason::Superseded), "{:?}", stored.tombstones);

    world.central_proxy.refuse(false);
    world.gateway.start();
    world.wait_for_numbers(2 * READINGS - 1..2 * READINGS);
    world.stop();
    let numbers = world.accepted_numbers();
    assert_eq!(numbers[0], 0, "the key that changed longest ago is there: {numbers:?}");
    assert!(numbers.is_sorted() && numbers.len() < 60, "in order, and no more than fits: {numbers:?}");
    assert_eq!(numbers.len() as u64 + stored.dropped, 2 * READINGS, "each came or was counted: {numbers:?}");
}
