//! TCP with TLS against another implementation: the `openssl` command as client and as server.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::super::serial::{counted, numbers, times, wait_for_numbers};
use super::tcp::{client, is_closed};
use super::{config, start};
use crate::support::certificates::Certificates;
use crate::support::gateway::Gateway;
use crate::support::ports::free_port;

/// Keys of a source that listens.
fn listening(port: u16, own: &Certificates, more: &str) -> String {
    let (certificate, key) = (own.server_certificate_file(), own.server_key_file());
    format!("type = \"tcp\"\nlisten = {port}\ntls = true\ncert_file = {certificate:?}\nkey_file = {key:?}\n{more}")
}

/// Sends `text` over TLS as a client, and closes.
fn send(port: u16, ca_file: PathBuf, certificate: Option<(PathBuf, PathBuf)>, text: &str) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-connect", &format!("127.0.0.1:{port}")]);
    command.arg("-CAfile").arg(ca_file);
    if let Some((certificate, key)) = certificate {
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("openssl");
    // One that is turned away may be gone already.
    _ = child.stdin.take().expect("piped").write_all(text.as_bytes());
    child.wait().unwrap();
}

#[test]
fn clients_speak_tls_or_are_closed() {
    let certificates = Certificates::generate();
    let port = free_port();
    let mut gateway = start(&listening(port, &certificates, ""));
    let stalled = client(port);
    let mut plain = client(port);
    plain.write_all(b"6 is not encrypted\n").unwrap();
    gateway.wait_for_log("; further ones that fail are only counted");
    send(port, certificates.ca_file(), None, "1\n2\n");
    wait_for_numbers(&gateway, &[1, 2]);
    send(port, certificates.ca_file(), None, "3\n");
    wait_for_numbers(&gateway, &[1, 2, 3]);
    assert!(is_closed(&stalled), "a handshake may take for ever");
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "failed_handshakes"), times(&gateway, "further ones that fail")), (2, 1));
}

#[test]
fn clients_have_the_right_certificate_where_one_is_asked_for() {
    let (certificates, other) = (Certificates::generate(), Certificates::generate());
    let port = free_port();
    let ca_file = certificates.ca_file();
    let mut gateway = start(&listening(port, &certificates, &format!("client_ca_file = {ca_file:?}")));
    send(port, certificates.ca_file(), None, "666\n");
    send(port, certificates.ca_file(), Some(other.client()), "667\n");
    send(port, certificates.ca_file(), Some(certificates.client()), "1\n");
    wait_for_numbers(&gateway, &[1]);
    assert!(gateway.stop().success());
    assert_eq!((counted(&gateway, "failed_handshakes"), numbers(&gateway)), (2, vec![1]));
}

#[test]
fn servers_have_the_right_certificate() {
    let (certificates, other) = (Certificates::generate(), Certificates::generate());
    let port = free_port();
    // It wants a certificate of its clients, and sends on what it is given.
    let server = [
        "s_server",
        "-quiet",
        "-accept",
        &port.to_string(),
        "-Verify",
        "1",
        "-verify_return_error",
        "-naccept",
        "100",
        "-cert",
        certificates.server_certificate_file().to_str().unwrap(),
        "-key",
        certificates.server_key_file().to_str().unwrap(),
        "-CAfile",
        certificates.ca_file().to_str().unwrap(),
    ]
    .map(str::to_owned);
    let mut server =
        Command::new("openssl").args(&server).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let guard = KillOnDrop(&mut server);
    let (certificate, key) = certificates.client();
    let with = |host: &str, more: &str| {
        let keys = format!("type = \"tcp\"\nconnect = \"{host}:{port}\"\ntls = true\n{more}");
        let mut gateway = Gateway::new(|data| config(data, &[keys], "50ms", "4 MiB"));
        gateway.start();
        gateway
    };
    let ours = format!("ca_file = {:?}\ncert_file = {certificate:?}\nkey_file = {key:?}\n", certificates.ca_file());
    for (host, keys, said) in [
        ("localhost", format!("ca_file = {:?}", other.ca_file()), "the server's certificate is not signed by ca_file "),
        ("localhost", format!("{ours}server_name = \"elsewhere\""), "the server's certificate is not for the host name elsewhere"),
        ("127.0.0.1", ours.replace(certificates.ca_file().to_str().unwrap(), "/nowhere/ca.pem"), "/nowhere/ca.pem"),
    ] {
        let mut gateway = with(host, &keys);
        if keys.contains("/nowhere") {
            assert!(!gateway.wait_exit().success() && gateway.log().contains(said), "{}", gateway.log());
            continue;
        }
        gateway.wait_for_log(said);
        assert!(gateway.stop().success());
    }
    let mut gateway = with("127.0.0.1", &ours);
    gateway.wait_for_log("\"message\":\"connected to 127.0.0.1:");
    guard.0.stdin.as_mut().unwrap().write_all(b"1\n2\n").unwrap();
    wait_for_numbers(&gateway, &[1, 2]);
    assert!(gateway.stop().success());
}

struct KillOnDrop<'c>(&'c mut std::process::Child);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        // Both fail only when it has ended, which is what is wanted.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
