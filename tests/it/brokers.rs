//! The test broker itself: what the other tests rely on.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::mosquitto::{Mosquitto, MosquittoOptions};

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
