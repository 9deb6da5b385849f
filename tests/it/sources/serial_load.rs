//! Serial ports under load: what a sender that can be held up sends arrives whole; of one that cannot be, what did not arrive is counted.
//!
//! `TIDEMILL_FRAMES` says how many frames (200,000 if not set).

use std::time::{Duration, Instant};

use super::serial::{config, counted, rows};
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::pty::Pty;

const TIMEOUT: Duration = Duration::from_secs(600);
/// Frames written at once.
const FRAMES_AT_ONCE: u64 = 100;
/// Above all other numbers.
const LAST: u64 = 9_999_999_999;

fn frames_wanted() -> u64 {
    std::env::var("TIDEMILL_FRAMES").map_or(200_000, |text| text.parse().expect("TIDEMILL_FRAMES is a number"))
}

/// A gateway that counts the numbers it reads and adds them up, each minute of arrival anew.
fn counting(port: &Pty, keys: &str, batch_interval: &str, intake_bytes_max: &str) -> Gateway {
    Gateway::new(|data| {
        let text = config(data, &[(port.path().to_owned(), keys.to_owned())], batch_interval, intake_bytes_max);
        let query = "SELECT n, _port AS port, _source AS source FROM s0";
        assert!(text.contains(query));
        text.replace(query, "SELECT count(*) AS n, sum(n) AS total, min(n) AS first, max(n) AS last FROM s0 GROUP BY _source")
            .replace("[query.q0]\n", "[query.q0]\nmode = \"update\"\n")
    })
}

/// CPU time of a process, user and system.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks");
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn last(gateway: &Gateway) -> Option<(u64, u64)> {
    let row = rows(gateway).pop()?;
    Some((row["n"].as_u64()?, row["total"].as_u64()?))
}

#[test]
fn a_sender_that_can_be_held_up_loses_nothing() {
    let port = Pty::open();
    let mut gateway = counting(&port, "flow_control = \"software\"", "100ms", "64 KiB");
    gateway.start();
    gateway.wait_for_log("\"message\":\"reading ");
    let count = frames_wanted();
    let began = Instant::now();
    for first in (0..count).step_by(FRAMES_AT_ONCE as usize) {
        let frames: String = (first..(first + FRAMES_AT_ONCE).min(count)).map(|n| format!("{n}\n")).collect();
        port.write(frames.as_bytes());
    }
    let expected = (count, count * (count - 1) / 2);
    assert!(wait_until(TIMEOUT, || last(&gateway) == Some(expected)), "{:?} of {expected:?}\n{}", last(&gateway), gateway.log());
    println!("held up: {count} frames in {:.1} s, {:.1} CPU-s", began.elapsed().as_secs_f64(), cpu_seconds(gateway.pid()));
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "messages"), counted(&gateway, "input_dropped")), (count, 0));
}

#[test]
fn of_a_sender_that_does_not_wait_what_did_not_arrive_is_counted() {
    let port = Pty::open();
    // Less than a batch's worth of room: the newest frames find none.
    let mut gateway = counting(&port, "", "500ms", "64 KiB");
    gateway.start();
    gateway.wait_for_log("\"message\":\"reading ");
    let count = frames_wanted();
    let (mut sent, mut refused) = (0, 0_u64);
    let began = Instant::now();
    while sent < count {
        let frames: String = (sent..(sent + FRAMES_AT_ONCE).min(count)).map(|n| format!("{n}\n")).collect();
        let mut rest = frames.as_bytes();
        // A frame that the wire has begun to take is sent whole; the time in between is short, since nobody holds it up.
        while !rest.is_empty() {
            let taken = port.offer(rest);
            refused += u64::from(taken == 0);
            rest = &rest[taken..];
        }
        sent = (sent + FRAMES_AT_ONCE).min(count);
    }
    println!("not held up: {count} frames in {:.1} s, {refused} times the wire was full", began.elapsed().as_secs_f64());
    let sent_s = began.elapsed();
    // One frame after another until one finds room: what was sent before has been read by then, or dropped and counted.
    let arrived = wait_until(TIMEOUT, || {
        port.write(format!("{LAST}\n").as_bytes());
        sent += 1;
        std::thread::sleep(Duration::from_millis(100));
        rows(&gateway).pop().is_some_and(|row| row["last"] == LAST)
    });
    assert!(arrived, "{}", gateway.log());
    println!("{:.1} CPU-s for {:.1} s of frames", cpu_seconds(gateway.pid()), sent_s.as_secs_f64());
    assert!(gateway.stop().success());
    let (messages, dropped) = (counted(&gateway, "messages"), counted(&gateway, "input_dropped"));
    println!("{messages} arrived, {dropped} dropped");
    assert_eq!(messages + dropped, sent);
    assert!(dropped > 0 || count < 10_000, "nothing was dropped: the test shows nothing");
    assert_eq!(last(&gateway).map(|(n, _)| n), Some(messages));
}
