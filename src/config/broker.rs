//! The keys by which a source or a sink reaches its MQTT broker.

use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::address;
use super::diagnostic::{Diagnostic, Place};
use super::document::FILE_BYTES_MAX;
use super::reader::{Context, Reader, shown};
use super::text::Text;
use crate::mqtt::{BrokerSettings, Protocol, Secret, TlsSettings};

const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const SESSION_EXPIRY_DEFAULT: Duration = Duration::from_secs(7 * 86_400);
const PROTOCOLS: [(&str, Protocol); 2] = [("5", Protocol::V5), ("3.1.1", Protocol::V4)];

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    tls: bool,
}

/// Reads the broker's keys. A source keeps a session at the broker, a sink does not: only the source has `session_expiry`.
pub fn read(context: &mut Context, reader: &mut Reader, default_client_id: String, keeps_session: bool) -> Option<BrokerSettings> {
    reader.require(context, "broker", "\"mqtt://localhost:1883\"");
    let broker = reader.text(context, "broker");
    let address = broker.as_ref().and_then(|text| address(context, text));
    let protocol = reader.choice(context, "protocol", &PROTOCOLS).unwrap_or(Protocol::V5);
    let client_id = client_id(context, reader, default_client_id);
    let username = reader.secret(context, "username");
    let password = reader.secret(context, "password");
    let ca_file = reader.text(context, "ca_file").map(|text| (certificates(context, &text), text.place));
    let seconds = |range: std::ops::RangeInclusive<u64>| Duration::from_secs(*range.start())..=Duration::from_secs(*range.end());
    let keep_alive = reader.duration(context, "keep_alive", seconds(5..=65_535));
    let connect_timeout = reader.duration(context, "connect_timeout", seconds(1..=300));
    let session_expiry =
        if keeps_session { reader.duration(context, "session_expiry", seconds(60..=u64::from(u32::MAX - 1))) } else { None };
    if protocol == Protocol::V4 && reader.has("session_expiry") && keeps_session {
        let help = "MQTT 3.1.1 has none: the broker decides (persistent_client_expiration in Mosquitto); remove the key";
        context.error(reader.key_place("session_expiry"), "`session_expiry` needs protocol \"5\"", help);
    }
    check_credentials(context, reader, protocol, address.as_ref());
    let address = address?;
    if let Some((_, place)) = &ca_file
        && !address.tls
    {
        context.error(*place, "`ca_file` needs an encrypted connection", format!("write broker = \"mqtts://{}\"", address.host));
    }
    Some(BrokerSettings {
        tls: address.tls.then(|| TlsSettings { ca_file: ca_file.and_then(|(path, _)| path) }),
        host: address.host,
        port: address.port,
        protocol,
        client_id,
        username,
        password: password.map(Secret),
        keep_alive: keep_alive.unwrap_or(KEEP_ALIVE_DEFAULT),
        session_expiry: if keeps_session { session_expiry.unwrap_or(SESSION_EXPIRY_DEFAULT) } else { Duration::ZERO },
        connect_timeout: connect_timeout.unwrap_or(CONNECT_TIMEOUT_DEFAULT),
    })
}

fn client_id(context: &mut Context, reader: &mut Reader, default: String) -> String {
    const BYTES_MAX: usize = 1024;
    let Some(text) = reader.text(context, "client_id") else {
        return default;
    };
    if text.value.is_empty() || text.value.len() > BYTES_MAX || text.value.contains(char::is_control) {
        let help = "leave it out for the gateway's id and the name of this section";
        context.error(text.place, format!("a client id has from 1 to {BYTES_MAX} bytes and no control characters"), help);
    }
    text.value
}

fn check_credentials(context: &mut Context, reader: &Reader, protocol: Protocol, address: Option<&Address>) {
    if !reader.has("password") {
        return;
    }
    let place = reader.key_place("password");
    if protocol == Protocol::V4 && !reader.has("username") {
        context.error(place, "MQTT 3.1.1 takes a password only with a user name", "add username = \"…\"");
    }
    let Some(address) = address else { return };
    let local = is_local(&address.host);
    if !address.tls && !local {
        let message = format!("the password goes to {} unencrypted", address.host);
        context.report(Diagnostic::warning(place, message).help("use mqtts:// if the broker has it"));
    }
}

/// Whether the host is this machine.
pub fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The path; reported if it holds no certificates.
pub fn certificates(context: &mut Context, text: &Text) -> Option<PathBuf> {
    let path = context.resolve_path(text)?;
    match context.environment.files.read(&path, FILE_BYTES_MAX) {
        Ok(pem) => {
            let certificates: Result<Vec<CertificateDer>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            if !certificates.is_ok_and(|certificates| !certificates.is_empty()) {
                let message = format!("{} holds no certificate in PEM form", path.display());
                context.error(text.place, message, "it begins with -----BEGIN CERTIFICATE-----");
            }
        }
        Err(reason) => context.report(Diagnostic::error(text.place, format!("cannot read {}: {reason}", path.display()))),
    }
    Some(path)
}

fn address(context: &mut Context, text: &Text) -> Option<Address> {
    match parse_address(&text.value) {
        Ok(address) => Some(address),
        Err((message, help)) => {
            if text.value.contains('@') {
                context.sources.hide(text.place);
            }
            context.error(text.place, message, help);
            None
        }
    }
}

/// `mqtt://host`, `mqtts://host:port`, `host`, `host:port`, `[::1]:1883`; else message and help.
fn parse_address(text: &str) -> Result<Address, address::Wrong> {
    const EXAMPLE: &str = "for example \"mqtt://localhost:1883\" or \"mqtts://central.example:8883\"";
    let (scheme, rest) = text.split_once("://").unwrap_or(("mqtt", text));
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => false,
        "mqtts" => true,
        "tcp" => return Err(("`tcp://` is not a scheme here".to_owned(), "write mqtt://".to_owned())),
        "ssl" | "tls" => return Err((format!("`{}://` is not a scheme here", shown(scheme)), "write mqtts://".to_owned())),
        "ws" | "wss" => {
            return Err(("MQTT over WebSocket is not supported".to_owned(), "use the broker's mqtt:// or mqtts:// listener".to_owned()));
        }
        _ => return Err((format!("`{}://` is not a scheme here", shown(scheme)), EXAMPLE.to_owned())),
    };
    if rest.contains('@') {
        let help = "take them out, and give username = \"…\" and password = \"file:/path\"";
        return Err(("credentials do not belong into the broker's address".to_owned(), help.to_owned()));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err((address::IPV6_BARE.to_owned(), format!("write {scheme}://[{rest}]")));
    }
    let (host, port) = address::host_and_port(rest, EXAMPLE)?;
    let port = match port {
        None if tls => 8883,
        None => 1883,
        Some(port) => address::port(port)?,
    };
    Ok(Address { host, port, tls })
}

/// Two clients of one id at one broker throw each other out: reports that.
pub fn check_client_ids(context: &mut Context, clients: &[(&BrokerSettings, String, Place)]) {
    for (index, (broker, name, place)) in clients.iter().enumerate() {
        let host = |broker: &BrokerSettings| if is_local(&broker.host) { "localhost".to_owned() } else { broker.host.to_lowercase() };
        let same = |(other, _, _): &&(&BrokerSettings, String, Place)| {
            other.client_id == broker.client_id && other.port == broker.port && host(other) == host(broker)
        };
        if let Some((_, other, first)) = clients[..index].iter().find(same) {
            let message = format!("{name} and {other} have the same client id `{}` at one broker", shown(&broker.client_id));
            let help =
                format!("the broker would let only one of them in: give client_id = \"{}-2\" or rename one", shown(&broker.client_id));
            context.report(Diagnostic::error(*place, message).related(*first, other.clone()).help(help));
        }
    }
}

/// `qos`, 0 or 1, by default 1.
pub fn qos(context: &mut Context, reader: &mut Reader) -> u8 {
    let qos = reader.integer(context, "qos", 0..=2).unwrap_or(1);
    if qos == 2 {
        let help = "use 1: what the broker sends again is recognised and counted once";
        context.error(reader.value_place("qos"), "QoS 2 is not yet supported", help);
    }
    qos as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port, tls) in [
            ("mqtt://localhost", "localhost", 1883, false),
            ("mqtts://central.example", "central.example", 8883, true),
            ("MQTTS://central.example:443/", "central.example", 443, true),
            ("10.0.0.1", "10.0.0.1", 1883, false),
            ("broker:1884", "broker", 1884, false),
            ("mqtt://[::1]", "::1", 1883, false),
            ("mqtts://[fe80::2]:999", "fe80::2", 999, true),
        ] {
            assert_eq!(parse_address(text), Ok(Address { host: host.to_owned(), port, tls }), "{text}");
        }
    }

    #[test]
    fn wrong_addresses() {
        for (text, message) in [
            ("", "`` is not a host name"),
            ("tcp://x", "`tcp://` is not a scheme here"),
            ("wss://x", "MQTT over WebSocket is not supported"),
            ("http://x", "`http://` is not a scheme here"),
            ("mqtt://user:pass@x", "credentials do not belong into the broker's address"),
            ("mqtt://x:0", "`0` is not a port"),
            ("mqtt://x:99999", "`99999` is not a port"),
            ("mqtt://x/path", "`x/path` is not a host name"),
            ("mqtt://::1", "an IPv6 address stands in brackets"),
            ("mqtt://[::1", "`[` without its `]`"),
            ("mqtt://[x]", "`x` is not an IPv6 address"),
            ("mqtt://[::1]1883x", "`1883x` is not a port"),
        ] {
            assert_eq!(parse_address(text).unwrap_err().0, message, "{text}");
        }
    }
}
