//! Addresses as people write them: host and port, and what is wrong with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::reader::shown;

/// Message and help.
pub type Wrong = (String, String);

pub const IPV6_BARE: &str = "an IPv6 address stands in brackets";
const HOST_BYTES_MAX: usize = 253;

/// `host`, `host:port`, `[::1]`, `[::1]:port`. `example` goes into the help.
pub fn host_and_port<'t>(text: &'t str, example: &str) -> Result<(String, Option<&'t str>), Wrong> {
    let wrong = |message: String| (message, example.to_owned());
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or_else(|| wrong("`[` without its `]`".to_owned()))?;
        let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or(after)) };
        host.parse::<Ipv6Addr>().map_err(|_| wrong(format!("`{}` is not an IPv6 address", shown(host))))?;
        (host, port)
    } else if text.parse::<Ipv6Addr>().is_ok() {
        return Err((IPV6_BARE.to_owned(), format!("write [{text}]")));
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.chars().all(plain) {
        return Err(wrong(format!("`{}` is not a host name", shown(host))));
    }
    Ok((host.to_owned(), port))
}

pub fn port(text: &str) -> Result<u16, Wrong> {
    match text.parse::<u16>() {
        Ok(number) if number > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => Err((format!("`{}` is not a port", shown(text)), "a number from 1 to 65535".to_owned())),
    }
}

/// Another machine's `host:port`. `scheme`: what others write before it.
pub fn remote(text: &str, scheme: &str) -> Result<(String, u16), Wrong> {
    const EXAMPLE: &str = "for example \"192.168.1.7:4001\" or \"converter.local:4001\"";
    refuse_scheme(text, scheme)?;
    match host_and_port(text, EXAMPLE)? {
        (host, Some(number)) => Ok((host, port(number)?)),
        (host, None) => Err(("the port is missing".to_owned(), format!("for example \"{}:4001\"", shown(&host)))),
    }
}

/// One of this machine's addresses: `4001` is that port of 127.0.0.1, any other address has to be said.
pub fn local(text: &str, scheme: &str) -> Result<SocketAddr, Wrong> {
    const EXAMPLE: &str = "for example \"127.0.0.1:4001\" for senders on this machine, \"0.0.0.0:4001\" for every one that can reach it";
    refuse_scheme(text, scheme)?;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(text)?));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let example = SocketAddr::new(ip, 4001);
        return Err(("the port is missing".to_owned(), format!("for example \"{example}\"")));
    }
    if let Some(number) = text.strip_prefix(':').or(text.strip_prefix("*:")) {
        let help =
            format!("write \"127.0.0.1:{0}\" for senders on this machine, \"0.0.0.0:{0}\" for every one that can reach it", shown(number));
        return Err(("on which of this machine's addresses?".to_owned(), help));
    }
    let (host, number) = host_and_port(text, EXAMPLE)?;
    let ip = if host.eq_ignore_ascii_case("localhost") { Ok(Ipv4Addr::LOCALHOST.into()) } else { host.parse::<IpAddr>() };
    let Ok(ip) = ip else {
        return Err((format!("`{}` is not an address of this machine", shown(&host)), EXAMPLE.to_owned()));
    };
    let number = number.ok_or_else(|| ("the port is missing".to_owned(), format!("for example \"{}\"", SocketAddr::new(ip, 4001))))?;
    Ok(SocketAddr::new(ip, port(number)?))
}

fn refuse_scheme(text: &str, scheme: &str) -> Result<(), Wrong> {
    match text.split_once("://") {
        Some((found, rest)) => {
            Err((format!("`{}://` does not belong here", shown(found)), format!("the type says it is {scheme}: write \"{}\"", shown(rest))))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_this_machines_alone() {
        for (text, address) in [
            ("4001", "127.0.0.1:4001"),
            ("localhost:4001", "127.0.0.1:4001"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:65535", "[::1]:65535"),
            ("[::]:4001", "[::]:4001"),
            ("239.1.2.3:4001", "239.1.2.3:4001"),
        ] {
            assert_eq!(local(text, "TCP").unwrap().to_string(), address, "{text}");
        }
    }

    #[test]
    fn wrong_addresses() {
        for (text, message) in [
            ("", "`` is not a host name"),
            ("0", "`0` is not a port"),
            ("65536", "`65536` is not a port"),
            (":4001", "on which of this machine's addresses?"),
            ("*:4001", "on which of this machine's addresses?"),
            ("tcp://:4001", "`tcp://` does not belong here"),
            ("127.0.0.1", "the port is missing"),
            ("localhost", "the port is missing"),
            ("::1", "the port is missing"),
            ("eth0:4001", "`eth0` is not an address of this machine"),
            ("127.0.0.1:+1", "`+1` is not a port"),
        ] {
            assert_eq!(local(text, "TCP").unwrap_err().0, message, "{text}");
        }
        assert_eq!(remote("a.local:7", "TCP"), Ok(("a.local".to_owned(), 7)));
        assert_eq!(remote("[::1]:7", "TCP"), Ok(("::1".to_owned(), 7)));
        for (text, message) in [
            ("a.local", "the port is missing"),
            ("tcp://a:1", "`tcp://` does not belong here"),
            ("::1", "an IPv6 address stands in brackets"),
            ("a b:1", "`a b` is not a host name"),
            ("a:1:2", "`1:2` is not a port"),
        ] {
            assert_eq!(remote(text, "TCP").unwrap_err().0, message, "{text}");
        }
    }
}
