//! The disk fills up while readings come: nothing is acknowledged, it is said once, and it goes on by itself when there is space again.

use std::time::Duration;

use super::rig::{Options, Rig};
use crate::support::child::wait_until;
use crate::support::disk::{Mount, fill};
use crate::support::packet::{self, Incoming, Version};
use crate::support::proxy::Direction;
use crate::support::skip::skip;

const DISK_BYTES: u64 = 24 << 20;
const PATIENCE: Duration = Duration::from_secs(30);
const COMPLAINT: &str = "no room to store results";

fn acknowledged(rig: &Rig) -> usize {
    let up = packet::take_all(rig.version, rig.local_proxy.recorded(Direction::Up));
    up.iter().filter(|packet| matches!(packet, Incoming::PubAck { .. })).count()
}

#[test]
fn a_disk_that_fills_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk = match Mount::memory(dir.path().join("disk"), DISK_BYTES) {
        Ok(disk) => disk,
        Err(reason) => return skip("a_disk_that_fills_up", &reason),
    };
    let mut rig = Rig::new(Options { data_dir: Some(disk.dir.join("data")), ..Options::new(Version::V5) });
    rig.local_proxy.record();
    rig.begin();
    let ballast = disk.dir.join("ballast");
    for times in 1..=3 {
        rig.wait_for_results(10);
        fill(&ballast);
        rig.gateway.wait_for_log_times(COMPLAINT, times);
        let before = acknowledged(&rig);
        rig.producer().wait_for(400);
        assert!(!wait_until(Duration::from_millis(500), || acknowledged(&rig) > before), "it acknowledges what it cannot store");
        assert_eq!(rig.gateway.log().matches(COMPLAINT).count(), times, "said once each time:\n{}", rig.gateway.log());
        std::fs::remove_file(&ballast).expect("the ballast goes");
        assert!(wait_until(PATIENCE, || acknowledged(&rig) > before), "it does not go on:\n{}", rig.gateway.log());
    }
    assert!(!rig.gateway.has_exited());
    rig.finish().assert_exact();
}
