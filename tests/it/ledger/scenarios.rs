//! What may happen on the way, one at a time.

use std::time::Duration;

use super::rig::{Options, Rig};
use crate::support::child::wait_until;
use crate::support::packet::Version;
use crate::support::proxy::Direction;

/// Long enough for retries to back off, and for thousands of readings to wait.
const LONG_ABSENCE: Duration = Duration::from_secs(8);

fn undisturbed(options: Options) {
    let mut rig = Rig::new(options);
    rig.begin();
    rig.wait_for_results(20);
    let outcome = rig.finish();
    outcome.assert_exact();
    assert_eq!(outcome.received.repeats, 0, "nothing was disturbed: nothing is repeated");
}

#[test]
fn undisturbed_v4() {
    undisturbed(Options::new(Version::V4));
}

#[test]
fn undisturbed_v5_over_tls() {
    undisturbed(Options { tls: true, ..Options::new(Version::V5) });
}

/// The same process goes on: what it had in memory must not be counted again when the broker repeats it.
fn connection_cut_in_the_middle_of_a_batch(version: Version) {
    let mut rig = Rig::new(Options::new(version));
    rig.begin();
    for _ in 0..12 {
        let (proxy, direction) = match rig.random.below(3) {
            0 => (&rig.local_proxy, Direction::Down),
            1 => (&rig.local_proxy, Direction::Up),
            _ => (&rig.central_proxy, Direction::Up),
        };
        // Acknowledgements on their way when the cut comes are lost with it.
        proxy.delay(Direction::Up, Duration::from_millis(rig.random.below(40)));
        let cuts = proxy.cuts();
        proxy.cut_after(direction, rig.random.below(3_000) as u32);
        assert!(wait_until(Duration::from_secs(20), || proxy.cuts() > cuts), "nothing passes:\n{}", rig.gateway.log());
        proxy.delay(Direction::Up, Duration::ZERO);
    }
    assert!(!rig.gateway.has_exited(), "the gateway is one process throughout");
    rig.finish().assert_exact();
}

#[test]
fn connection_cut_in_the_middle_of_a_batch_v4() {
    connection_cut_in_the_middle_of_a_batch(Version::V4);
}

#[test]
fn connection_cut_in_the_middle_of_a_batch_v5() {
    connection_cut_in_the_middle_of_a_batch(Version::V5);
}

fn local_broker_restarts(version: Version) {
    let mut rig = Rig::new(Options::new(version));
    rig.begin();
    for _ in 0..3 {
        rig.producer().wait_for(300);
        rig.local.restart();
    }
    rig.producer().wait_for(300);
    rig.finish().assert_exact();
}

#[test]
fn local_broker_restarts_v4() {
    local_broker_restarts(Version::V4);
}

#[test]
fn local_broker_restarts_v5() {
    local_broker_restarts(Version::V5);
}

#[test]
fn central_broker_restarts_and_stays_away() {
    let mut rig = Rig::new(Options::new(Version::V5));
    rig.begin();
    rig.wait_for_results(5);
    rig.central.restart();
    rig.wait_for_results(5);
    rig.central.stop();
    std::thread::sleep(LONG_ABSENCE);
    rig.central.start();
    rig.wait_for_results(20);
    rig.finish().assert_exact();
}

#[test]
fn central_broker_is_away_while_the_gateway_is_killed() {
    let mut rig = Rig::new(Options::new(Version::V4));
    rig.begin();
    rig.wait_for_results(5);
    rig.central.stop();
    for _ in 0..3 {
        rig.producer().wait_for(400);
        rig.gateway.kill();
        rig.gateway.start();
    }
    rig.central.start();
    rig.finish().assert_exact();
}

#[test]
fn both_brokers_are_down_at_start() {
    let mut rig = Rig::new(Options::new(Version::V5));
    rig.local.stop();
    rig.central.stop();
    rig.gateway.start();
    rig.gateway.wait_ready();
    // Past the first retries.
    std::thread::sleep(Duration::from_secs(2));
    assert!(!rig.gateway.has_exited(), "it waits for its brokers:\n{}", rig.gateway.log());
    rig.local.start();
    rig.begin_devices();
    rig.producer().wait_for(500);
    rig.central_proxy.refuse(true);
    rig.central.start();
    rig.producer().wait_for(200);
    rig.central_proxy.refuse(false);
    rig.wait_for_results(10);
    rig.finish().assert_exact();
}

#[test]
fn slow_central_broker() {
    let mut rig = Rig::new(Options::new(Version::V5));
    rig.central_proxy.delay(Direction::Up, Duration::from_millis(150));
    rig.central_proxy.delay(Direction::Down, Duration::from_millis(150));
    rig.begin();
    rig.wait_for_results(30);
    rig.central_proxy.stall(true);
    rig.producer().wait_for(800);
    rig.central_proxy.stall(false);
    rig.finish().assert_exact();
}

fn terminated_under_load(version: Version) {
    let mut rig = Rig::new(Options::new(version));
    rig.begin();
    for _ in 0..4 {
        rig.producer().wait_for(250);
        let status = rig.gateway.stop();
        assert_eq!(status.code(), Some(0), "SIGTERM:\n{}", rig.gateway.log());
        rig.gateway.start();
    }
    rig.producer().wait_for(250);
    rig.finish().assert_exact();
}

#[test]
fn terminated_under_load_v4() {
    terminated_under_load(Version::V4);
}

#[test]
fn terminated_under_load_v5() {
    terminated_under_load(Version::V5);
}
