//! Frames of a serial port (a pseudo terminal) through the running gateway: how many a second, at what cost, and that none goes missing uncounted.
//!
//! `cargo bench --bench serial [-- --frames 10000000]`. Lines of a number each, counted and added up by a query. First the sender waits for the
//! gateway (flow control): all must arrive. Then it does not: what arrived and what was dropped must be what was sent. Last a gateway whose port is
//! missing: what it costs to wait for it.

#[path = "measure/counted.rs"]
mod counted;
#[expect(dead_code, reason = "other benchmarks use more of it")]
#[path = "measure/mod.rs"]
mod measure;
/// The tests' own pseudo terminals and gateway.
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use counted::{counted, last};
use measure::{Call, Process, figure};
use support::child::wait_until;
use support::gateway::Gateway;
use support::pty::Pty;

const TIMEOUT: Duration = Duration::from_secs(600);
/// Frames written at once.
const FRAMES_AT_ONCE: u64 = 1_000;
/// Above all other numbers.
const LAST: u64 = 9_999_999_999;

fn main() {
    let call = Call::of_process();
    if call.is_for_others("serial") {
        return;
    }
    let frames = call.number("--frames").unwrap_or(if call.is_quick() { 20_000 } else { 10_000_000 });
    held_up(frames);
    not_held_up(frames);
    at_rest(if call.is_quick() { Duration::from_millis(500) } else { Duration::from_secs(20) });
}

fn gateway(device: &str, keys: &str) -> Gateway {
    let mut gateway = Gateway::new(|data| {
        format!(
            "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\n\
             [source.port]\ntype = \"serial\"\ndevice = \"{device}\"\nformat = \"value\"\nschema = \"n BIGINT\"\n{keys}\n\
             [query.all]\nmode = \"update\"\nsql = \"SELECT count(*) AS n, sum(n) AS total, max(n) AS last FROM port GROUP BY _source\"\n\
             [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"all\"]\n",
            data.display()
        )
    });
    gateway.start();
    gateway.wait_ready();
    gateway
}

fn write(port: &Pty, frames: u64) {
    for first in (0..frames).step_by(FRAMES_AT_ONCE as usize) {
        let lines: String = (first..(first + FRAMES_AT_ONCE).min(frames)).map(|n| format!("{n}\n")).collect();
        port.write(lines.as_bytes());
    }
}

fn held_up(frames: u64) {
    let port = Pty::open();
    let mut gateway = gateway(&port.path().display().to_string(), "flow_control = \"software\"");
    gateway.wait_for_log("\"message\":\"reading ");
    let process = Process::numbered(gateway.pid());
    let (began, cpu_before_us) = (Instant::now(), process.cpu_us());
    write(&port, frames);
    assert!(wait_until(TIMEOUT, || last(&gateway, "n") == Some(frames)), "{:?} of {frames}", last(&gateway, "n"));
    assert_eq!(last(&gateway, "total"), Some(frames * (frames - 1) / 2));
    figure("serial.held_up.frames_per_s", frames as f64 / began.elapsed().as_secs_f64());
    figure("serial.held_up.cpu_us", (process.cpu_us() - cpu_before_us) / frames as f64);
    figure("serial.peak_mb", process.peak_mb());
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "messages"), counted(&gateway, "input_dropped")), (frames, 0));
}

fn not_held_up(frames: u64) {
    let port = Pty::open();
    let mut gateway = gateway(&port.path().display().to_string(), "");
    gateway.wait_for_log("\"message\":\"reading ");
    let process = Process::numbered(gateway.pid());
    let (began, cpu_before_us) = (Instant::now(), process.cpu_us());
    write(&port, frames);
    let seconds = began.elapsed().as_secs_f64();
    let mut sent = frames;
    // One frame after another until one finds room: what was sent before has been read by then, or dropped and counted.
    let arrived = wait_until(TIMEOUT, || {
        port.write(format!("{LAST}\n").as_bytes());
        sent += 1;
        std::thread::sleep(Duration::from_millis(100));
        last(&gateway, "last") == Some(LAST)
    });
    assert!(arrived, "{}", gateway.log());
    figure("serial.free.frames_per_s", frames as f64 / seconds);
    figure("serial.free.cpu_us", (process.cpu_us() - cpu_before_us) / sent as f64);
    assert!(gateway.stop().success());
    let (messages, dropped) = (counted(&gateway, "messages"), counted(&gateway, "input_dropped"));
    assert_eq!(messages + dropped, sent);
    figure("serial.free.sent", sent as f64);
    figure("serial.free.arrived", messages as f64);
    figure("serial.free.dropped", dropped as f64);
}

fn at_rest(duration: Duration) {
    let mut gateway = gateway("/nonexistent/ttyUSB0", "");
    gateway.wait_for_log("there is no /nonexistent/ttyUSB0");
    let process = Process::numbered(gateway.pid());
    let before_us = process.cpu_us();
    std::thread::sleep(duration);
    figure("serial.missing.cpu_percent", (process.cpu_us() - before_us) / duration.as_micros() as f64 * 100.0);
    figure("serial.missing.resident_mb", process.resident_mb());
    assert!(gateway.stop().success());
}
