//! UDP: datagrams as they come, floods of them, peers that are not there.

use std::net::UdpSocket;
use std::time::Duration;

use super::super::serial::{counted, numbers, rows, times, wait_for_numbers};
use super::{config, dead_letters, start};
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(60);

fn sender(port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket
}

#[test]
fn each_datagram_is_a_frame() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"udp\"\nlisten = {port}\nmax_payload = 64"));
    let socket = sender(port);
    socket.send(b"1").unwrap();
    socket.send(b"").unwrap();
    socket.send(&[b'9'; 65_000]).unwrap();
    socket.send(b"2\n").unwrap();
    let other = sender(port);
    wait_for_numbers(&gateway, &[1, 2]);
    other.send(b"3").unwrap();
    wait_for_numbers(&gateway, &[1, 2, 3]);
    let peers: Vec<_> = rows(&gateway).iter().map(|row| row["peer"].as_str().unwrap().to_owned()).collect();
    let addresses = [&socket, &socket, &other].map(|socket| socket.local_addr().unwrap().to_string());
    assert_eq!(peers, addresses);
    assert!(gateway.stop().success());
    let letters = dead_letters(&gateway);
    assert_eq!((letters.len(), counted(&gateway, "rejected")), (1, 1));
    assert_eq!(
        (&letters[0]["reason"], &letters[0]["place"]),
        (&"the frame has 65000 bytes, more than max_payload, 64".into(), &addresses[0].clone().into())
    );
}

#[test]
fn a_datagram_may_hold_several_lines_and_none_goes_on_in_the_next() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"udp\"\nlisten = \"127.0.0.1:{port}\"\nframing = \"line\""));
    let socket = sender(port);
    for text in ["1\n2", "3\r\n\r\n4\r\n", "5"] {
        socket.send(text.as_bytes()).unwrap();
    }
    wait_for_numbers(&gateway, &[1, 2, 3, 4, 5]);
    assert!(gateway.stop().success());
}

#[test]
fn of_a_flood_what_did_not_arrive_is_counted() {
    let port = free_port();
    let keys = format!("type = \"udp\"\nlisten = \"[::1]:{port}\"\nreceive_buffer = \"32 KiB\"");
    let mut gateway = Gateway::new(|data| {
        config(data, &[keys], "500ms", "64 KiB")
            .replace("SELECT n, _peer AS peer, _source AS source FROM s0", "SELECT count(*) AS n, max(n) AS last FROM s0 GROUP BY _source")
            .replace("[query.q0]\n", "[query.q0]\nmode = \"update\"\n")
    });
    gateway.start();
    gateway.wait_for_log("\"message\":\"listening on ");
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    socket.connect(("::1", port)).unwrap();
    let mut sent = 0;
    for number in 0..50_000 {
        socket.send(number.to_string().as_bytes()).unwrap();
        sent += 1;
    }
    // Slowly, until one finds room, and on until the kernel's drops before it have been looked at.
    let mut after = 0;
    let arrived = wait_until(TIMEOUT, || {
        socket.send(b"9999999").unwrap();
        sent += 1;
        std::thread::sleep(Duration::from_millis(100));
        after += u64::from(rows(&gateway).pop().is_some_and(|row| row["last"] == 9_999_999));
        after > 30
    });
    assert!(arrived, "{}", gateway.log());
    // The last ones are read, and the kernel's drops looked at once more.
    std::thread::sleep(Duration::from_secs(2));
    assert!(gateway.stop().success());
    let (messages, dropped) = (counted(&gateway, "messages"), counted(&gateway, "input_dropped"));
    println!("{messages} arrived, {dropped} dropped, {} of them said to be the kernel's", times(&gateway, "the kernel has dropped"));
    assert_eq!(messages + dropped, sent);
    assert!(dropped > 0, "nothing was dropped: the test shows nothing");
    assert_eq!(rows(&gateway).pop().and_then(|row| row["n"].as_u64()), Some(messages));
}

#[test]
fn one_peer_is_asked_and_nobody_else_is_heard() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(TIMEOUT)).unwrap();
    let address = server.local_addr().unwrap();
    let keys = format!("type = \"udp\"\nconnect = \"{address}\"\ninit = \"hello\"\npoll = \"?\"\npoll_interval = \"50ms\"");
    let mut gateway = Gateway::new(|data| config(data, &[keys], "50ms", "4 MiB"));
    gateway.start();
    let mut buffer = [0; 16];
    let (count, gateway_address) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"hello");
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..5 {
        let (count, _) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"?");
        stranger.send_to(b"666", gateway_address).unwrap();
        server.send_to(number.to_string().as_bytes(), gateway_address).unwrap();
    }
    wait_for_numbers(&gateway, &[0, 1, 2, 3, 4]);
    assert!(rows(&gateway).iter().all(|row| row["peer"] == address.to_string().as_str()));
    // Gone, and there again at the same port.
    drop(server);
    gateway.wait_for_log("nobody reads datagrams at port ");
    let server = UdpSocket::bind(address).unwrap();
    server.set_read_timeout(Some(TIMEOUT)).unwrap();
    let (_, gateway_address) = server.recv_from(&mut buffer).unwrap();
    server.send_to(b"5", gateway_address).unwrap();
    wait_for_numbers(&gateway, &[0, 1, 2, 3, 4, 5]);
    assert!(gateway.stop().success());
    assert_eq!(times(&gateway, "nobody reads datagrams"), 1);
}

#[test]
fn a_multicast_group_is_joined() {
    let port = free_port();
    let mut gateway = start(&format!("type = \"udp\"\nlisten = \"239.255.77.1:{port}\"\ninterface = \"lo\""));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    rustix::net::sockopt::set_ip_multicast_if(&socket, &std::net::Ipv4Addr::LOCALHOST).unwrap();
    socket.send_to(b"1", ("239.255.77.1", port)).unwrap();
    // Not to the group: not read.
    _ = socket.send_to(b"666", ("127.0.0.1", port));
    socket.send_to(b"2", ("239.255.77.1", port)).unwrap();
    wait_for_numbers(&gateway, &[1, 2]);
    assert!(gateway.stop().success());
}

#[test]
fn ports_in_use_and_strangers() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let keys = format!("type = \"udp\"\nlisten = {port}\nallow = [\"127.0.0.1\"]");
    let refusing = format!("type = \"udp\"\nlisten = {}\nallow = [\"192.0.2.1\"]", free_port());
    let mut gateway = Gateway::new(|data| config(data, &[keys, refusing.clone()], "50ms", "4 MiB"));
    gateway.start();
    gateway.wait_for_log(&format!("port {port} of 127.0.0.1 is in use: `ss -ulnp 'sport = :{port}'`"));
    drop(holder);
    gateway.wait_for_log_times("\"message\":\"listening on ", 2);
    sender(port).send(b"1").unwrap();
    let other = refusing.split(['=', '\n']).nth(3).unwrap().trim().parse().unwrap();
    sender(other).send(b"2").unwrap();
    gateway.wait_for_log("is refused: it is not in `allow`");
    wait_for_numbers(&gateway, &[1]);
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "refused_connections"), numbers(&gateway).len()), (1, 1));
}
