//! What the integration tests share: real brokers, the real gateway, a proxy that disturbs connections, a client that knows what it is owed.
//!
//! Limits: nothing here asserts anything about Tidemill; tests do.

pub mod broker;
pub mod certificates;
pub mod child;
pub mod client;
pub mod disk;
pub mod gateway;
pub mod mosquitto;
pub mod packet;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod pty;
pub mod random;
pub mod settings;
pub mod skip;
pub mod stored;
