//! The one integration-test binary: every module below is a group of end-to-end tests over real processes, or of data-driven cases.

#[path = "../support/mod.rs"]
mod support;

mod brokers;
mod cli;
mod config;
mod golden;
mod golden_run;
mod ledger;
mod mqtt;
mod power_cut;
mod shipped;
mod simulation;
mod spark_types;
mod sql_hostile;
mod standin;
