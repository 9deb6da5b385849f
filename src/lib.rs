//! Tidemill: a sensor gateway. Streams come in, SQL runs over them in durable micro-batches, results go out acknowledged.
//!
//! Modules stand in the order of the data's flow; each may use those of its row's "uses" column and `types`:
//!
//! | module | job | uses | no |
//! |---|---|---|---|
//! | [`types`] | SQL types and values | | IO, clock |
//! | [`batch`] | columns, tables, the micro-batch | | IO, clock |
//! | [`plan`] | the typed plan | | IO, clock |
//! | [`java_regex`] | regular expressions in Java's syntax | | IO, clock |
//! | [`script`] | Rhai: state functions, user functions | batch, plan | IO, clock |
//! | [`extend`] | receivers and formats that a program adds | format | |
//! | [`config`] | TOML to validated settings | sql, script, extend, format's and mqtt's settings | engine, store |
//! | [`mqtt`] | sans-IO sessions over rumqttc's codec; the driver | | config, engine, store |
//! | [`source`] | inputs | mqtt, format, extend, gateway's events | engine, store |
//! | [`format`](mod@format) | decoders and encoders | batch | IO, clock |
//! | [`sql`] | text to plan | plan | IO, clock |
//! | [`engine`] | expressions, windows, aggregates, state | plan, batch, script | IO, clock, store |
//! | [`gateway`] | the pure core: events in, actions out | engine, format, store's change sets | IO, clock |
//! | [`store`] | sled, segment files | | engine, gateway |
//! | [`uplink`] | delivery window, sinks | mqtt, gateway's events, store's logs | engine |
//! | [`batch_query`] | `tidemill query`: a query over a whole file | sql, format, engine | IO of its own, clock |
//! | [`query_test`] | `tidemill test`: queries over given input, result compared | config, format, engine | sockets, clock |
//! | [`control`] | the control socket: both ends | status | engine, gateway, store |
//! | [`daemon`] | threads, wiring, shutdown | all | |
//!
//! Beside them: [`status`] (counters), [`dial`] (connecting to a host), [`tls`] (certificates, for brokers and sockets), [`logging`], [`sabotage`] (faults for the tests that must catch them).

pub mod batch;
pub mod batch_query;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dial;
pub mod engine;
pub mod extend;
pub mod format;
pub mod gateway;
pub mod java_regex;
pub mod logging;
pub mod mqtt;
pub mod plan;
pub mod query_test;
pub mod sabotage;
pub mod script;
pub mod source;
pub mod sql;
pub mod status;
pub mod store;
pub mod tls;
pub mod types;
pub mod uplink;
