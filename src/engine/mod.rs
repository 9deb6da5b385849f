//! The engine: runs a typed plan over micro-batches. No IO, no clock.

pub mod expr;
