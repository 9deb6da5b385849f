//! The books must not agree for a gateway that breaks a promise: faults planted on purpose are caught.

use super::account::Problem;
use super::kills::killed;
use super::rig::Options;
use crate::support::gateway::Program;
use crate::support::packet::Version;

const KILLS: u64 = 12;

fn with_fault(program: Program, version: Version, fault: &'static str) -> Vec<Problem> {
    killed(Options { program, sabotage: Some(fault), ..Options::new(version) }, KILLS).problems
}

fn assert_caught_early_acknowledgement(program: Program) {
    let problems = with_fault(program, Version::V5, "early_ack");
    let losses = problems.iter().filter(|problem| matches!(problem, Problem::Lost { .. })).count();
    assert!(losses > 0, "acknowledging before the commit loses readings, and {KILLS} kills do not show it: {problems:?}");
}

fn assert_caught_missing_redelivery_rule(program: Program) {
    let problems = with_fault(program, Version::V4, "no_redelivery");
    let repeats = problems.iter().filter(|problem| matches!(problem, Problem::CountedTwice { .. })).count();
    assert!(repeats > 0, "repeats are counted again, and {KILLS} kills do not show it: {problems:?}");
}

#[cfg(feature = "sabotage")]
#[test]
fn early_acknowledgement_is_caught() {
    assert_caught_early_acknowledgement(Program::chosen());
}

#[cfg(feature = "sabotage")]
#[test]
fn missing_redelivery_rule_is_caught() {
    assert_caught_missing_redelivery_rule(Program::chosen());
}

#[test]
fn stand_in_that_acknowledges_before_its_commit_is_caught() {
    assert_caught_early_acknowledgement(Program::StandIn);
}

#[test]
fn stand_in_without_redelivery_rule_is_caught() {
    assert_caught_missing_redelivery_rule(Program::StandIn);
}
