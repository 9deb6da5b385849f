//! TCP clients that stall, flood, send half a frame, never end one, or come in crowds: they are ended, held up or refused, the others go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::serial::{counted, rows, times, wait_for_numbers};
use super::tcp::{client, is_closed};
use super::{config, dead_letters, memory_since, peak_memory, start};
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(120);

#[test]
fn clients_that_stall_are_closed_and_the_others_go_on() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}\nread_timeout = \"2s\"\nframe_timeout = \"500ms\""));
    let mut working = client(port);
    let silent = client(port);
    let mut stalling = client(port);
    stalling.write_all(b"1").unwrap();
    // One byte now and then: never silent, never done.
    let mut dripping = client(port);
    let dripped = std::thread::spawn(move || {
        let closed = wait_until(TIMEOUT, || {
            std::thread::sleep(Duration::from_millis(50));
            dripping.write_all(b"2").is_err()
        });
        assert!(closed, "a frame may take for ever");
    });
    let mut sent = Vec::new();
    let closed = std::thread::spawn(move || assert!(is_closed(&silent) && is_closed(&stalling)));
    while !(closed.is_finished() && dripped.is_finished()) {
        sent.push(sent.len() as i64);
        working.write_all(format!("{}\n", sent.len() - 1).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    closed.join().unwrap();
    dripped.join().unwrap();
    wait_for_numbers(&gateway, &sent);
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "timed_out_connections"), counted(&gateway, "rejected")), (3, 2));
    let reasons: Vec<_> = dead_letters(&gateway).iter().map(|letter| letter["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["the frame was not complete within frame_timeout, 500 ms"; 2]);
}

#[test]
fn a_frame_without_end_is_passed_over_and_one_that_ends_too_late_costs_itself_alone() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}\nmax_payload = 64\nframe_timeout = \"3s\""));
    let mut long = client(port);
    long.write_all(&[b'x'; 300_000]).unwrap();
    long.write_all(b"\n5\n").unwrap();
    wait_for_numbers(&gateway, &[5]);
    let before = peak_memory(&gateway);
    let mut endless = client(port);
    let mut bytes = 0_u64;
    while endless.write_all(&[b'7'; 65_536]).is_ok() {
        bytes += 65_536;
    }
    // At least what the time until then brought; none of it is kept.
    println!("{bytes} bytes of one frame, {} bytes more memory", memory_since(&gateway, before));
    assert!(memory_since(&gateway, before) < 8 << 20, "{bytes} bytes of one frame");
    long.write_all(b"6\n").unwrap();
    wait_for_numbers(&gateway, &[5, 6]);
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "rejected"), counted(&gateway, "timed_out_connections")), (2, 1));
    let letters = dead_letters(&gateway);
    assert!(letters[0]["reason"].as_str().unwrap().starts_with("the frame has 300000 bytes, more than max_payload, 64"), "{letters:?}");
}

#[test]
fn a_crowd_is_refused_once_there_are_as_many_as_may_be() {
    let port = free_port();
    // Who is let in is greeted.
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}\nmax_connections = 3\ninit = \"hi\""));
    let enter = || {
        let mut stream = client(port);
        stream.read_exact(&mut [0; 2]).is_ok().then_some(stream)
    };
    let mut inside: Vec<TcpStream> = (0..3).map(|_| enter().expect("there is room")).collect();
    assert!((0..20).all(|_| enter().is_none()));
    inside.pop();
    // There is room again as soon as its end is noticed.
    let mut refused = 20;
    let entered = wait_until(TIMEOUT, || {
        let entered = enter();
        refused += u64::from(entered.is_none());
        inside.extend(entered);
        inside.len() == 3
    });
    assert!(entered, "{}", gateway.log());
    for (number, stream) in inside.iter_mut().enumerate() {
        stream.write_all(format!("{number}\n").as_bytes()).unwrap();
        wait_for_numbers(&gateway, &(0..=number as i64).collect::<Vec<_>>());
    }
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "refused_connections"), refused);
    assert!(times(&gateway, "as many as max_connections allows") <= 2, "{}", gateway.log());
}

/// A gateway that counts the numbers it reads and adds them up.
fn counting(keys: &str, batch_interval: &str, intake_bytes_max: &str) -> Gateway {
    let mut gateway = Gateway::new(|data| {
        let text = config(data, &[keys.to_owned()], batch_interval, intake_bytes_max);
        let query = "SELECT n, _peer AS peer, _source AS source FROM s0";
        assert!(text.contains(query));
        text.replace(query, "SELECT count(*) AS n, sum(n) AS total FROM s0 GROUP BY _source")
            .replace("[query.q0]\n", "[query.q0]\nmode = \"update\"\n")
    });
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    gateway
}

#[test]
fn floods_are_held_up_and_nothing_is_lost() {
    const CLIENTS: u64 = 8;
    const LINES: u64 = 25_000;
    let port = free_port();
    let mut gateway = counting(&format!("type = \"tcp\"\nlisten = {port}"), "100ms", "64 KiB");
    let before = peak_memory(&gateway);
    let senders: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut stream = client(port);
            std::thread::spawn(move || {
                for first in (0..LINES).step_by(500) {
                    let lines: String = (first..first + 500).map(|line| format!("{}\n", number * LINES + line)).collect();
                    stream.write_all(lines.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    let count = CLIENTS * LINES;
    let expected = (Some(count), Some(count * (count - 1) / 2));
    let last = || rows(&gateway).pop().map_or((None, None), |row| (row["n"].as_u64(), row["total"].as_u64()));
    assert!(wait_until(TIMEOUT, || last() == expected), "{:?} of {expected:?}\n{}", last(), gateway.log());
    for sender in senders {
        sender.join().unwrap();
    }
    println!("{} bytes more memory", memory_since(&gateway, before));
    assert!(memory_since(&gateway, before) < 32 << 20);
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "messages"), counted(&gateway, "input_dropped"), counted(&gateway, "rejected")), (count, 0, 0));
}

/// The gateway takes few lines a second; what three floods can get rid of is what the kernel holds and a bounded rest.
#[test]
fn a_flood_takes_no_memory_and_does_not_shut_others_out() {
    let port = free_port();
    let keys = format!("type = \"tcp\"\nlisten = {port}\nmax_rate = 2000\nreceive_buffer = \"16 KiB\"");
    let mut gateway = counting(&keys, "100ms", "64 KiB");
    let before = peak_memory(&gateway);
    let floods: Vec<TcpStream> = (0..3).map(|_| client(port)).collect();
    let lines = format!("{:0100}\n", 0).repeat(80);
    let mut bytes = 0;
    for stream in &floods {
        stream.set_nonblocking(true).unwrap();
    }
    let mut others = client(port);
    let mut sent = 0;
    // Several seconds' worth of lines: another client's come through all the while.
    let total = || rows(&gateway).pop().and_then(|row| row["total"].as_u64()).unwrap_or(0);
    let through = wait_until(TIMEOUT, || {
        bytes += floods.iter().map(|mut stream| stream.write(lines.as_bytes()).unwrap_or(0)).sum::<usize>();
        if total() == sent {
            sent += 1;
            others.write_all(b"1\n").unwrap();
        }
        total() == 10
    });
    assert!(through, "{} of 10\n{}", total(), gateway.log());
    let more = memory_since(&gateway, before);
    println!("{bytes} bytes got rid of, {more} bytes more memory");
    assert!(more < 16 << 20, "{more}");
    // What three sockets' own buffers take on this side is theirs; behind them it is bounded by few reads.
    assert!(bytes < 24 << 20, "{bytes} bytes were taken at 2,000 lines a second");
    drop(floods);
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "input_dropped"), 0);
}
