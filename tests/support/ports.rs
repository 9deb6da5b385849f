//! TCP ports for test servers that must come back on the same port after a restart.
//!
//! Limits: ports are taken below the range that the system gives to outgoing connections, so that none of those takes the port of a server
//! that is down for a moment. Another process may still bind a port between the choice and the server's start: starters try again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port on which nothing listens, different on every call in this process.
pub fn free_port() -> u16 {
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = std::process::id().wrapping_mul(7_919);
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT).expect("below 65,536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
