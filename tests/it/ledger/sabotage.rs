//! The books must not agree for a gateway that breaks a promise: faults planted on purpose are caught.

use super::account::Problem;
use super::kills::killed;
use super::rig::Options;
use crate::support::packet::Version;

const KILLS: u64 = 12;

fn with_fault(version: Version, fault: &'static str) -> Vec<Problem> {
    killed(Options { sabotage: Some(fault), ..Options::new(version) }, KILLS).problems
}

#[test]
fn early_acknowledgement_is_caught() {
    let problems = with_fault(Version::V5, "early_ack");
    let losses = problems.iter().filter(|problem| matches!(problem, Problem::Lost { .. })).count();
    println!("{losses} windows lost readings in {KILLS} kills");
    assert!(losses > 0, "acknowledging before the commit loses readings, and {KILLS} kills do not show it: {problems:?}");
}

#[test]
fn missing_redelivery_rule_is_caught() {
    let problems = with_fault(Version::V4, "no_redelivery");
    let repeats = problems.iter().filter(|problem| matches!(problem, Problem::CountedTwice { .. })).count();
    println!("{repeats} windows counted readings twice in {KILLS} kills");
    assert!(repeats > 0, "repeats are counted again, and {KILLS} kills do not show it: {problems:?}");
}
