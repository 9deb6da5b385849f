//! The ledger: what the local broker took over from the devices, against what arrives at the central broker. After dropping repeats by id,
//! each window must hold exactly the readings that the broker acknowledged, whatever was killed, cut or restarted on the way.
//!
//! Readings whose publish was never acknowledged are unsure: not sent again, counted 0 or 1 times. Readings are in the order of their event
//! time, so none can be late.

mod account;
mod consumer;
pub mod dedup;
mod disk_full;
mod kills;
pub mod producer;
mod rig;
#[cfg(feature = "sabotage")]
mod sabotage;
mod scenarios;
