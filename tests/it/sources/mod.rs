//! Sources besides MQTT, each with real bytes from a real port, socket, pipe or file.

mod files;
mod frames;
mod framing;
mod framing_examples;
pub mod serial;
mod serial_load;
mod simulate;
mod sockets;
mod stdin;
