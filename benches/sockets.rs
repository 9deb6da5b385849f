//! Rows from TCP and UDP sockets through the running gateway, from the socket to the commit: how many a second, at what cost, and that none goes
//! missing uncounted.
//!
//! `cargo bench --bench sockets [-- --rows 5000000] [--quick]`. A number a row, by one sender and by ten at once: lines over TCP, which must all
//! arrive; datagrams of one row and lines of a hundred in one datagram over UDP, where what arrived and what was dropped must be what was sent.

#[path = "measure/counted.rs"]
mod counted;
#[expect(dead_code, reason = "other benchmarks use more of it")]
#[path = "measure/mod.rs"]
mod measure;
/// The tests' own gateway.
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use counted::{counted, last};
use measure::{Call, Process, figure};
use support::child::wait_until;
use support::gateway::Gateway;
use support::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(600);
const SENDERS: [u64; 2] = [1, 10];
/// Written at once.
const LINES_AT_ONCE: u64 = 1_000;
const LINES_PER_DATAGRAM: u64 = 100;
/// Above all other numbers.
const LAST: u64 = 9_999_999_999;

fn main() {
    let call = Call::of_process();
    if call.is_for_others("sockets") {
        return;
    }
    let rows = call.number("--rows").unwrap_or(if call.is_quick() { 20_000 } else { 5_000_000 });
    for senders in SENDERS {
        tcp(rows, senders);
    }
    for senders in SENDERS {
        udp(rows / 5, senders, 1);
        udp(rows, senders, LINES_PER_DATAGRAM);
    }
}

fn gateway(kind: &str, keys: &str) -> (Gateway, u16) {
    let port = free_port();
    let mut gateway = Gateway::new(|data| {
        format!(
            "[gateway]\nid = \"pi\"\ndata_dir = \"{}\"\n\
             [source.lines]\ntype = \"{kind}\"\nlisten = {port}\nformat = \"value\"\nschema = \"n BIGINT\"\n{keys}\n\
             [query.all]\nmode = \"update\"\nsql = \"SELECT count(*) AS n, sum(n) AS total, max(n) AS last FROM lines GROUP BY _source\"\n\
             [sink.out]\ntype = \"file\"\npath = \"out.jsonl\"\nfrom = [\"all\"]\n",
            data.display()
        )
    });
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    (gateway, port)
}

fn lines(first: u64, count: u64) -> String {
    (first..first + count).map(|n| format!("{n}\n")).collect()
}

/// Has each of the senders do its share at once: called with its first number and how many are its own.
fn all_send(rows: u64, senders: u64, send: impl Fn(u64, u64) + Sync) {
    let (share, send) = (rows / senders, &send);
    std::thread::scope(|scope| (0..senders).for_each(|sender| drop(scope.spawn(move || send(sender * share, share)))));
}

fn tcp(rows: u64, senders: u64) {
    let (mut gateway, port) = gateway("tcp", "");
    let process = Process::numbered(gateway.pid());
    let (began, cpu_before_us) = (Instant::now(), process.cpu_us());
    all_send(rows, senders, |first, share| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        for from in (first..first + share).step_by(LINES_AT_ONCE as usize) {
            let text = lines(from, LINES_AT_ONCE.min(first + share - from));
            stream.write_all(text.as_bytes()).expect("it reads");
        }
    });
    assert!(wait_until(TIMEOUT, || last(&gateway, "n") == Some(rows)), "{:?} of {rows}", last(&gateway, "n"));
    assert_eq!(last(&gateway, "total"), Some(rows * (rows - 1) / 2));
    figure(&format!("tcp.{senders}.rows_per_s"), rows as f64 / began.elapsed().as_secs_f64());
    figure(&format!("tcp.{senders}.cpu_us"), (process.cpu_us() - cpu_before_us) / rows as f64);
    figure(&format!("tcp.{senders}.peak_mb"), process.peak_mb());
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "messages"), counted(&gateway, "input_dropped")), (rows, 0));
}

fn udp(rows: u64, senders: u64, rows_per_datagram: u64) {
    let (mut gateway, port) = gateway("udp", if rows_per_datagram > 1 { "framing = \"line\"" } else { "" });
    let process = Process::numbered(gateway.pid());
    let (began, cpu_before_us) = (Instant::now(), process.cpu_us());
    let open = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.connect(("127.0.0.1", port)).expect("it listens");
        socket
    };
    all_send(rows, senders, |first, share| {
        let socket = open();
        for from in (first..first + share).step_by(rows_per_datagram as usize) {
            let text = lines(from, rows_per_datagram);
            socket.send(text.trim_end().as_bytes()).expect("it listens");
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let name = format!("udp.{senders}.{}", if rows_per_datagram == 1 { "single" } else { "hundred" });
    // One after another until one finds room: what was sent before has been read by then, or dropped and counted.
    let (socket, mut ends) = (open(), 0);
    let arrived = wait_until(TIMEOUT, || {
        socket.send(LAST.to_string().as_bytes()).expect("it listens");
        ends += 1;
        std::thread::sleep(Duration::from_millis(100));
        last(&gateway, "last") == Some(LAST)
    });
    assert!(arrived, "{}", gateway.log());
    // The kernel's count of what it dropped is asked for once a second.
    std::thread::sleep(Duration::from_millis(1_500));
    let cpu_us = process.cpu_us() - cpu_before_us;
    assert!(gateway.stop().success());
    let (messages, dropped) = (counted(&gateway, "messages"), counted(&gateway, "input_dropped"));
    figure(&format!("{name}.sent_rows_per_s"), rows as f64 / seconds);
    figure(&format!("{name}.arrived_rows_per_s"), messages as f64 / seconds);
    figure(&format!("{name}.cpu_us_per_arrived_row"), cpu_us / messages as f64);
    figure(&format!("{name}.arrived_of_sent"), messages as f64 / (rows + ends) as f64);
    if rows_per_datagram == 1 {
        assert_eq!(messages + dropped, rows + ends);
    } else {
        // The kernel counts datagrams, the gateway those rows that it had no room for.
        assert!(messages + dropped * rows_per_datagram >= rows + ends, "{messages} of {rows} rows, {dropped} datagrams or rows dropped");
    }
}
