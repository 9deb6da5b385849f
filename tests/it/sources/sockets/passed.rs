//! Sockets that a service manager has opened: the test is the manager, and holds them while gateways come and go.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use super::super::serial::{rows, wait_for_numbers};
use super::config;
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(60);

/// What the manager listens on, as its `.socket` unit would say.
struct Unit {
    socket: OwnedFd,
    address: SocketAddr,
}

fn stream() -> Unit {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Unit { address: listener.local_addr().unwrap(), socket: listener.into() }
}

fn datagrams() -> Unit {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    Unit { address: socket.local_addr().unwrap(), socket: socket.into() }
}

fn gateway(sources: &[String]) -> Gateway {
    Gateway::new(|data| config(data, sources, "50ms", "4 MiB"))
}

fn tcp(address: impl std::fmt::Display) -> String {
    format!("type = \"tcp\"\nlisten = \"{address}\"")
}

fn udp(address: impl std::fmt::Display) -> String {
    format!("type = \"udp\"\nlisten = \"{address}\"")
}

/// A client that sends one number and goes.
fn send_line(address: SocketAddr, number: u32) {
    TcpStream::connect(address).unwrap().write_all(format!("{number}\n").as_bytes()).unwrap();
}

fn send_datagram(address: SocketAddr, number: u32) {
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(number.to_string().as_bytes(), address).unwrap();
}

/// The numbers that came, in no order, since each client has its connection; a result may come again after a kill.
fn wait_for_set(gateway: &Gateway, wanted: &[u64]) {
    let numbers = || {
        let mut numbers: Vec<u64> = rows(gateway).iter().map(|row| row["n"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    assert!(wait_until(TIMEOUT, || numbers() == wanted), "{:?}, not {wanted:?}\n{}", numbers(), gateway.log());
}

fn reload(gateway: &Gateway, sources: &[String]) {
    let data = gateway.config_file().with_file_name("data");
    std::fs::write(gateway.config_file(), config(&data, sources, "50ms", "4 MiB")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tidemill")).args(["reload", "--data", data.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), gateway.log());
}

#[test]
fn senders_wait_in_the_kernel_while_the_gateway_is_away() {
    let (stream, datagrams) = (stream(), datagrams());
    let mut gateway = gateway(&[tcp(stream.address), udp(datagrams.address)]);
    let passed = [("tidemill.socket", &stream.socket), ("tidemill.socket", &datagrams.socket)];
    send_line(stream.address, 1);
    send_datagram(datagrams.address, 2);
    gateway.start_passing(&passed);
    wait_for_set(&gateway, &[1, 2]);
    for address in [stream.address, datagrams.address] {
        gateway.wait_for_log(&format!("listening on {address}, the service manager's socket `tidemill.socket`"));
    }
    assert!(gateway.stop().success());
    send_line(stream.address, 3);
    send_datagram(datagrams.address, 4);
    gateway.start_passing(&passed);
    send_line(stream.address, 5);
    wait_for_set(&gateway, &[1, 2, 3, 4, 5]);
    gateway.kill();
    send_line(stream.address, 6);
    gateway.start_passing(&passed);
    wait_for_set(&gateway, &[1, 2, 3, 4, 5, 6]);
    assert!(!gateway.log().contains("\"WARN\""), "{}", gateway.log());
    assert!(gateway.stop().success());
}

#[test]
fn a_socket_goes_to_the_source_of_its_name_wherever_it_listens() {
    let (first, second) = (stream(), stream());
    // The first source listens where the second's socket is: the name decides.
    let mut gateway = gateway(&[tcp(second.address), tcp(format!("127.0.0.1:{}", free_port()))]);
    gateway.start_passing(&[("s0", &first.socket), ("s1", &second.socket)]);
    send_line(first.address, 1);
    send_line(second.address, 2);
    wait_for_set(&gateway, &[1, 2]);
    let mut sources: Vec<_> =
        rows(&gateway).iter().map(|row| (row["n"].as_u64().unwrap(), row["source"].as_str().unwrap().to_owned())).collect();
    sources.sort();
    assert_eq!(sources, [(1, "s0".to_owned()), (2, "s1".to_owned())]);
    assert!(gateway.stop().success());
}

#[test]
fn what_no_source_can_use_is_told() {
    let (unused, wrong) = (stream(), datagrams());
    let file = tempfile::tempfile().unwrap().into();
    let own = free_port();
    let mut gateway = gateway(&[tcp(format!("127.0.0.1:{own}"))]);
    gateway.start_passing(&[("unused", &unused.socket), ("s0", &wrong.socket), ("odd", &file)]);
    gateway.wait_for_log("the service manager's socket `odd` is closed: it is not a socket");
    gateway.wait_for_log(&format!("no source takes the service manager's socket `unused` (TCP, {})", unused.address));
    gateway.wait_for_log(&format!(
        "the service manager's socket `s0` (UDP, {}) is of the wrong kind: its .socket unit says ListenDatagram= and this source needs ListenStream=",
        wrong.address
    ));
    assert!(gateway.stop().success());
    // Sockets for another process are left alone.
    gateway.set("LISTEN_FDS", "1");
    gateway.set("LISTEN_PID", "1");
    gateway.start();
    gateway.wait_for_log(&format!("\"listening on 127.0.0.1:{own}\""));
    assert!(gateway.stop().success());
}

#[test]
fn a_source_has_its_socket_through_reloads_and_when_it_comes_again() {
    let (stream, datagrams) = (stream(), datagrams());
    let (tcp, udp) = (tcp(stream.address), udp(datagrams.address));
    let mut gateway = gateway(&[tcp.clone(), udp.clone()]);
    gateway.start_passing(&[("tidemill.socket", &stream.socket), ("tidemill.socket", &datagrams.socket)]);
    let mut client = TcpStream::connect(stream.address).unwrap();
    client.write_all(b"1\n").unwrap();
    wait_for_numbers(&gateway, &[1]);
    // The source goes on: so does the connection.
    reload(&gateway, &[tcp.clone(), udp.clone()]);
    client.write_all(b"2\n").unwrap();
    wait_for_numbers(&gateway, &[1, 2]);
    // The source is changed: a new connection waits for it.
    reload(&gateway, &[tcp.clone() + "\nmax_payload = 64", udp.clone()]);
    send_line(stream.address, 3);
    wait_for_numbers(&gateway, &[1, 2, 3]);
    // It listens elsewhere for a while.
    let tcp_elsewhere = self::tcp(format!("127.0.0.1:{}", free_port()));
    reload(&gateway, &[tcp_elsewhere, udp.clone()]);
    gateway.wait_for_log("no source takes the service manager's socket `tidemill.socket` (TCP, ");
    send_line(stream.address, 4);
    reload(&gateway, &[tcp, udp]);
    wait_for_numbers(&gateway, &[1, 2, 3, 4]);
    send_datagram(datagrams.address, 5);
    wait_for_numbers(&gateway, &[1, 2, 3, 4, 5]);
    assert!(gateway.stop().success());
}
