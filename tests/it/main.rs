//! The one integration-test binary: every module below is a group of end-to-end tests over real processes.

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod cli;
mod config;
mod ledger;
mod mqtt;
mod power_cut;
mod shipped;
mod simulation;
mod standin;
//! Integration tests: one binary, one module a subject.

mod golden;
mod spark_types;
mod sql_hostile;
