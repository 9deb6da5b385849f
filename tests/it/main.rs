//! The one integration-test binary: every module below is a group of tests, most of them over real processes.

#[path = "../support/mod.rs"]
mod support;

mod bench_calls;
mod brokers;
mod changes;
mod cli;
mod cli_query;
mod cli_query_state;
mod clock;
mod config;
mod core;
mod custom_source;
mod daemon;
mod demo;
mod device_configs;
mod doc_examples;
mod doc_states;
mod format_examples;
mod golden;
mod ledger;
mod mqtt;
mod power_cut;
mod query_test;
mod reference_tables;
mod scripts;
mod shipped;
mod simulation;
mod sources;
mod spark_aggregates;
mod spark_calls;
mod spark_collections;
mod spark_coverage;
mod spark_expressions;
mod spark_functions;
mod spark_joins;
mod spark_over;
mod spark_over_frames;
mod spark_relations;
mod spark_types;
mod sql_hostile;
mod stored_layouts;
