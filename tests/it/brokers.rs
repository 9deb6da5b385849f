//! The test broker itself: what the other tests rely on.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::client::Client;
use crate::support::mosquitto::{Mosquitto, MosquittoOptions};
use crate::support::packet::{Incoming, Publish, Version};

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// CONNECT of MQTT 3.1.1, client id "t", clean session; with user "u" and password "p" if `with_password`.
fn connack_code(address: std::net::SocketAddr, with_password: bool) -> u8 {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b't'];
    if with_password {
        body[7] |= 0xc0;
        body.extend([0, 1, b'u', 0, 1, b'p']);
    }
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.extend(body);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&packet).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    answer[3]
}

#[test]
fn comes_back_on_the_same_port() {
    let mut broker = Mosquitto::running();
    let port = broker.port();
    assert_eq!(connack_code(broker.address(), false), 0);
    broker.stop();
    assert!(TcpStream::connect(broker.address()).is_err());
    assert!(!broker.is_running());
    broker.start();
    assert_eq!(broker.port(), port);
    assert_eq!(connack_code(broker.address(), false), 0);
    broker.kill();
    broker.start();
    assert_eq!(connack_code(broker.address(), false), 0);
}

#[test]
fn asks_for_a_password() {
    let broker = MosquittoOptions::new().user("u", "p").start();
    assert_eq!(connack_code(broker.address(), true), 0);
    assert_eq!(connack_code(broker.address(), false), 5, "not authorised");
}

#[test]
fn speaks_tls_with_its_own_authority() {
    let broker = MosquittoOptions::new().tls().start();
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-verify_return_error", "-connect"])
        .arg(format!("localhost:{}", broker.tls_port()))
        .arg("-CAfile")
        .arg(broker.ca_file())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Publishes `count` messages for a session that is away, restarts the broker, and counts what the session then gets.
fn kept_for_an_absent_client(options: MosquittoOptions, count: usize) -> usize {
    let mut broker = options.start();
    let mut absent = Client::connect(broker.address(), Version::V4, "absent", false).unwrap();
    absent.subscribe("a/#", 1).unwrap();
    absent.disconnect().unwrap();
    let mut sender = Client::connect(broker.address(), Version::V4, "sender", true).unwrap();
    for number in 0..count {
        let packet_id = u16::try_from(number + 1).unwrap();
        let message = Publish { topic: "a/b".to_owned(), payload: b"21.5".to_vec(), qos: 1, packet_id, ..Publish::default() };
        sender.publish(&message).unwrap();
        assert_eq!(sender.receive(TIMEOUT).unwrap(), Some(Incoming::PubAck { packet_id, code: 0 }));
    }
    broker.restart();
    let mut back = Client::connect(broker.address(), Version::V4, "absent", false).unwrap();
    assert!(back.session_present());
    let mut received = 0;
    while received < count {
        // What is kept comes without a pause.
        match back.receive(std::time::Duration::from_secs(2)).unwrap() {
            Some(Incoming::Publish(message)) => back.acknowledge(message.packet_id).unwrap(),
            _ => break,
        }
        received += 1;
    }
    received
}

#[test]
fn shipped_configuration_keeps_what_the_default_drops() {
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/mosquitto.conf")).unwrap();
    // The test's broker has its own port and directory.
    let lines: Vec<&str> = shipped
        .lines()
        .filter(|line| !["listener ", "persistence_location ", "allow_anonymous "].iter().any(|own| line.starts_with(own)))
        .collect();
    assert_eq!(kept_for_an_absent_client(MosquittoOptions::new().config(&lines.join("\n")), 1_500), 1_500);
    assert!(kept_for_an_absent_client(MosquittoOptions::new().config("max_queued_messages 1000"), 1_500) < 1_500);
}
