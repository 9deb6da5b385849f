//! The devices: one connection that publishes readings at QoS 1, evenly at a rate or as fast as the broker acknowledges.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::support::packet::{self, Publish, Version};

/// The name of a device that only moves the watermark on.
pub const CLOSER: &str = "closer";
/// Messages that the broker has not acknowledged.
const WINDOW: u64 = 1_000;
/// Messages in one write at full speed.
const BURST: u64 = 50;

#[derive(Clone, Copy)]
pub enum Pace {
    PerSecond(u64),
    Full,
}

/// Connects and publishes `messages` readings of `devices` in turn; returns when the broker has acknowledged them all.
pub fn run(broker: SocketAddr, messages: u64, pace: Pace, devices: u64) {
    let mut stream = connect(broker, "devices");
    let acknowledged = (Mutex::new(0), Condvar::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let (mut reader, acknowledged) = (stream.try_clone().expect("a descriptor is left"), &acknowledged);
        scope.spawn(move || count_acknowledgements(&mut reader, acknowledged, messages));
        let mut sent = 0;
        while sent < messages {
            let count = match pace {
                Pace::PerSecond(rate) => {
                    let due = began + Duration::from_nanos(sent * 1_000_000_000 / rate);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    1
                }
                Pace::Full => BURST.min(messages - sent),
            };
            wait_for_room(acknowledged, sent + count);
            let burst: Vec<u8> = (sent..sent + count).flat_map(|number| reading(number, devices)).collect();
            stream.write_all(&burst).expect("written");
            sent += count;
        }
    });
    stream.write_all(&packet::disconnect()).expect("written");
}

/// Publishes a reading of the closing device, dated an hour ahead, and waits for its acknowledgement.
pub fn close_windows(broker: SocketAddr) {
    let mut stream = connect(broker, CLOSER);
    stream.write_all(&publish(CLOSER, now_ms() + 3_600_000, 1)).expect("written");
    count_acknowledgements(&mut stream, &(Mutex::new(0), Condvar::new()), 1);
}

fn connect(broker: SocketAddr, client_id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(broker).expect("connected");
    stream.set_nodelay(true).expect("a socket option");
    stream.write_all(&packet::connect(Version::V4, client_id, true, 60)).expect("written");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("accepted");
    assert_eq!(connack, [0x20, 2, 0, 0], "the broker refuses the connection");
    stream
}

fn count_acknowledgements(stream: &mut TcpStream, acknowledged: &(Mutex<u64>, Condvar), messages: u64) {
    // A PUBACK of MQTT 3.1.1 has four bytes, and nothing else comes.
    let mut bytes = 0;
    let mut chunk = [0; 4_096];
    while bytes / 4 < messages {
        let count = stream.read(&mut chunk).expect("read");
        assert!(count > 0, "closed by the broker");
        bytes += count as u64;
        *acknowledged.0.lock().expect("no thread panics with it") = bytes / 4;
        acknowledged.1.notify_one();
    }
}

fn wait_for_room(acknowledged: &(Mutex<u64>, Condvar), sent: u64) {
    let mut count = acknowledged.0.lock().expect("no thread panics with it");
    while sent > *count + WINDOW {
        count = acknowledged.1.wait(count).expect("no thread panics with it");
    }
}

fn reading(number: u64, devices: u64) -> Vec<u8> {
    let packet_id = u16::try_from(number % 65_535 + 1).expect("below 65,536");
    publish(&format!("dev-{:03}", number % devices), now_ms(), packet_id)
}

fn publish(device: &str, ts_ms: u64, packet_id: u16) -> Vec<u8> {
    let temperature = 18.0 + (ts_ms % 977) as f64 / 100.0;
    let humidity = 40.0 + (ts_ms % 271) as f64 / 10.0;
    let payload = format!(r#"{{"ts":{ts_ms},"temperature":{temperature:.2},"humidity":{humidity:.1}}}"#);
    let topic = format!("sensors/{device}/climate");
    packet::publish(Version::V4, &Publish { topic, payload: payload.into_bytes(), qos: 1, packet_id, ..Publish::default() })
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("fits")
}
