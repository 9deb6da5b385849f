//! TCP: clients that behave, and servers that come and go.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::super::serial::{counted, framings, numbers, rows, times, wait_for_numbers};
use super::{config, dead_letters, start};
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;
use crate::support::random::{Random, seed};

const TIMEOUT: Duration = Duration::from_secs(60);

pub fn client(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the gateway listens");
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Whether the gateway closes the connection.
pub fn is_closed(mut stream: &TcpStream) -> bool {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn each_client_is_framed_by_itself() {
    const CLIENTS: usize = 20;
    const LINES: usize = 60;
    let seed = seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}"));
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| client(port)).collect();
    let texts: Vec<String> = (0..CLIENTS).map(|client| (0..LINES).map(|line| format!("{}\n", client * 1_000 + line)).collect()).collect();
    let mut sent = [0; CLIENTS];
    while let Some(open) = (0..CLIENTS).filter(|client| sent[*client] < texts[*client].len()).nth(random.below(CLIENTS as u64) as usize % 3)
    {
        let rest = &texts[open].as_bytes()[sent[open]..];
        let count = rest.len().min(1 + random.below(9) as usize);
        clients[open].write_all(&rest[..count]).unwrap();
        sent[open] += count;
        if (0..CLIENTS).filter(|client| sent[*client] < texts[*client].len()).count() < 3 {
            break;
        }
    }
    for (number, stream) in clients.iter_mut().enumerate() {
        stream.write_all(&texts[number].as_bytes()[sent[number]..]).unwrap();
    }
    assert!(wait_until(TIMEOUT, || rows(&gateway).len() >= CLIENTS * LINES), "{}\n{}", rows(&gateway).len(), gateway.log());
    for (number, stream) in clients.iter().enumerate() {
        let peer = stream.local_addr().unwrap().to_string();
        let own: Vec<_> =
            rows(&gateway).iter().filter(|row| row["peer"] == peer.as_str()).map(|row| row["n"].as_u64().unwrap() as usize).collect();
        assert_eq!(own, (0..LINES).map(|line| number * 1_000 + line).collect::<Vec<_>>(), "{peer}");
    }
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "messages"), counted(&gateway, "rejected")), ((CLIENTS * LINES) as u64, 0));
}

#[test]
fn every_framing_and_checksum_however_the_bytes_are_cut() {
    let seed = seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let framings = framings();
    let ports: Vec<u16> = framings.iter().map(|_| free_port()).collect();
    let sources: Vec<String> =
        ports.iter().zip(&framings).map(|(port, (keys, _))| format!("type = \"tcp\"\nlisten = \"127.0.0.1:{port}\"\n{keys}")).collect();
    let mut gateway = Gateway::new(|data| config(data, &sources, "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log_times("\"message\":\"listening on ", framings.len());
    for (port, (_, bytes)) in ports.iter().zip(&framings) {
        let mut stream = client(*port);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + random.below(4) as usize));
            stream.write_all(piece).unwrap();
            rest = after;
        }
        // What looks like a long frame after the damaged one is given up with the connection's end.
    }
    assert!(wait_until(TIMEOUT, || rows(&gateway).len() >= 2 * framings.len()), "{:?}\n{}", rows(&gateway), gateway.log());
    for (number, (keys, _)) in framings.iter().enumerate() {
        let name = format!("s{number}");
        let values: Vec<_> = rows(&gateway).iter().filter(|row| row["source"] == name.as_str()).map(|row| row["n"].as_i64()).collect();
        assert_eq!(values, [Some(10), Some(30)], "{keys}");
    }
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "rejected"), framings.len() as u64);
}

#[test]
fn half_a_frame_is_bad_and_never_goes_together_with_another_connections_bytes() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}"));
    let mut first = client(port);
    first.write_all(b"1\n22").unwrap();
    let peer = first.local_addr().unwrap().to_string();
    wait_for_numbers(&gateway, &[1]);
    drop(first);
    let mut next = client(port);
    next.write_all(b"3\n").unwrap();
    wait_for_numbers(&gateway, &[1, 3]);
    assert!(gateway.stop().success());
    let letters = dead_letters(&gateway);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(
        (&letters[0]["reason"], &letters[0]["place"]),
        (&"the input broke off within the frame".into(), &peer.into()),
        "{letters:?}"
    );
}

#[test]
fn a_frame_that_silence_ends_is_ended_by_the_connections_end() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = {port}\nframing = {{ type = \"idle\", gap = \"1h\" }}"));
    client(port).write_all(b"7").unwrap();
    wait_for_numbers(&gateway, &[7]);
    assert!(gateway.stop().success());
}

/// A client that everyone has: the shell's own.
#[test]
fn a_shell_script_sends_readings() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = \"{port}\""));
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; for n in 1 2 3; do echo $n >&3; done; printf '4\\r\\n' >&3");
    assert!(std::process::Command::new("bash").args(["-c", &script]).status().expect("bash").success());
    wait_for_numbers(&gateway, &[1, 2, 3, 4]);
    assert!(gateway.stop().success());
}

#[test]
fn ipv6_and_both_at_once() {
    let ports = [free_port(), free_port()];
    let sources = [
        format!("type = \"tcp\"\nlisten = \"[::1]:{}\"", ports[0]),
        format!("type = \"tcp\"\nlisten = \"[::]:{}\"\nallow = [\"127.0.0.0/8\"]", ports[1]),
    ];
    let mut gateway = Gateway::new(|data| config(data, &sources, "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log_times("\"message\":\"listening on ", 2);
    let mut clients = [("::1", ports[0], "[::1]:"), ("127.0.0.1", ports[1], "127.0.0.1:")].map(|(host, port, shown)| {
        let stream = TcpStream::connect((host, port)).expect("the gateway listens");
        (stream, shown)
    });
    for (number, (stream, _)) in clients.iter_mut().enumerate() {
        stream.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    assert!(wait_until(TIMEOUT, || rows(&gateway).len() == 2), "{}", gateway.log());
    for row in rows(&gateway) {
        let shown = clients[row["n"].as_u64().unwrap() as usize].1;
        assert!(row["peer"].as_str().unwrap().starts_with(shown), "{row}");
    }
    assert!(gateway.stop().success());
}

#[test]
fn a_port_that_is_in_use_is_waited_for() {
    let holder = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut gateway = Gateway::new(|data| config(data, &[format!("type = \"tcp\"\nlisten = {port}")], "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log(&format!("port {port} of 127.0.0.1 is in use: `ss -tlnp 'sport = :{port}'` says by which program"));
    drop(holder);
    gateway.wait_for_log("\"message\":\"listening on ");
    client(port).write_all(b"5\n").unwrap();
    wait_for_numbers(&gateway, &[5]);
    assert!(gateway.stop().success());
    assert_eq!(times(&gateway, "is in use"), 1);
}

#[test]
fn who_is_not_let_in_is_refused_and_counted() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"tcp\"\nlisten = \"0.0.0.0:{port}\"\nallow = [\"192.0.2.0/24\", \"127.0.0.9\"]"));
    assert!(is_closed(&client(port)) && is_closed(&client(port)));
    gateway.wait_for_log("is refused: it is not in `allow`");
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "refused_connections"), times(&gateway, "is refused")), (2, 1));
}

/// A server; the gateway goes to it.
fn gateway_to(address: SocketAddr, keys: &str) -> Gateway {
    let mut gateway = Gateway::new(|data| config(data, &[format!("type = \"tcp\"\nconnect = \"{address}\"\n{keys}")], "50ms", "4 MiB"));
    gateway.start();
    gateway
}

#[test]
fn a_server_that_goes_and_returns_is_read_on() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut gateway = gateway_to(address, "");
    gateway.wait_for_log(&format!("cannot reach {address}: "));
    for number in 1..=3 {
        let server = TcpListener::bind(address).unwrap();
        let (mut stream, _) = server.accept().unwrap();
        stream.write_all(format!("{number}\n{}", if number < 3 { "9" } else { "" }).as_bytes()).unwrap();
        wait_for_numbers(&gateway, &(1..=number).collect::<Vec<_>>());
        let peer = rows(&gateway).pop().unwrap()["peer"].clone();
        assert_eq!(peer, address.to_string().as_str());
        drop(stream);
    }
    gateway.wait_for_log(&format!("{address} has closed the connection"));
    assert!(gateway.stop().success());
    assert_eq!(counted(&gateway, "rejected"), 2, "half a frame each");
    assert!(times(&gateway, "trying again until it works") <= 6 && times(&gateway, "connected to") <= 3, "{}", gateway.log());
}

#[test]
fn instruments_behind_a_converter_are_set_up_and_asked() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = "init = \"*RST\\n\"\npoll = \"hex:52 3F 0A\"\npoll_interval = \"30ms\"\nread_timeout = \"5s\"";
    let mut gateway = gateway_to(server.local_addr().unwrap(), keys);
    let (mut stream, _) = server.accept().unwrap();
    let mut asked = [0; 5];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"*RST\n");
    for number in 0..5 {
        let mut question = [0; 3];
        stream.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"R?\n");
        stream.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    wait_for_numbers(&gateway, &[0, 1, 2, 3, 4]);
    // It answers no longer: another connection is made, and set up anew.
    gateway.wait_for_log("within read_timeout, 5 s");
    let (mut stream, _) = server.accept().unwrap();
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"*RST\n");
    assert!(gateway.stop().success());
    assert_eq!(numbers(&gateway).len(), 5);
}

/// `_status` says what becomes of a connection.
#[test]
fn connections_that_we_make_are_rows_of_the_status() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let mut gateway = Gateway::new(|data| {
        config(data, &[format!("type = \"tcp\"\nconnect = \"{address}\"\nsilence_timeout = \"200ms\"")], "50ms", "4 MiB")
            .replace("SELECT n, _peer AS peer, _source AS source FROM s0", "SELECT source, status, detail FROM _status")
    });
    gateway.start();
    let (stream, _) = server.accept().unwrap();
    let said = || rows(&gateway).iter().map(|row| row["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(wait_until(TIMEOUT, || said().iter().any(|status| status == "silent")), "{:?}", said());
    drop((stream, server));
    assert!(wait_until(TIMEOUT, || said().iter().any(|status| status == "disconnected")), "{:?}", said());
    assert_eq!(said()[0], "connected");
    assert_eq!(rows(&gateway)[0]["detail"], format!("connected to {address}").as_str());
    assert!(gateway.stop().success());
}

#[test]
fn who_lets_everyone_in_is_warned() {
    let warnings = |keys: &str| {
        let text = config(std::path::Path::new("/d"), &[keys.to_owned()], "1s", "4 MiB");
        crate::support::settings::from_text(&text).warnings
    };
    for keys in [
        "type = \"tcp\"\nlisten = 4001",
        "type = \"tcp\"\nlisten = \"[::1]:4001\"",
        "type = \"tcp\"\nlisten = \"0.0.0.0:4001\"\nallow = [\"10.0.0.0/8\"]",
        "type = \"udp\"\nconnect = \"10.0.0.1:4001\"",
    ] {
        assert_eq!(warnings(keys), [""; 0], "{keys}");
    }
    for keys in ["type = \"tcp\"\nlisten = \"0.0.0.0:4001\"", "type = \"udp\"\nlisten = \"239.1.1.1:4001\""] {
        let said = warnings(keys);
        assert!(
            said.len() == 1 && said[0].starts_with("warning: everyone who can reach port 4001 of this machine can send rows\n"),
            "{said:?}"
        );
    }
    let said = warnings("type = \"tcp\"\nlisten = 4001\nmax_payload = \"16 MiB\"");
    assert!(said[0].starts_with("warning: 64 connections with a begun frame each can take 1 GiB of memory\n"), "{said:?}");
}
