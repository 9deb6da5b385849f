//! Opening a UDP socket: bound to one of our addresses, in a multicast group, or tied to one peer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, sockopt};
use tokio::net::{UdpSocket, lookup_host};

use crate::config::settings::{Endpoint, UdpSettings};
use crate::source::passed::{Carries, PassedSocket};
use crate::source::socket;

/// The socket and what it does; or why there is none, for people.
pub async fn open(settings: &UdpSettings, passed: Option<&PassedSocket>, source: &str) -> Result<(UdpSocket, String), String> {
    let (opened, detail) = match &settings.endpoint {
        Endpoint::Listen(address) => listen(*address, settings.interface.as_deref(), passed)?,
        Endpoint::Connect { host, port } => {
            let opened = connect(host, *port).await.map_err(|error| format!("cannot reach port {port} of {host}: {error}"))?;
            (opened, format!("reading datagrams from port {port} of {host}"))
        }
    };
    socket::set_receive_buffer(settings.receive_buffer, &opened, source);
    let registered = opened.set_nonblocking(true).and_then(|()| UdpSocket::from_std(opened));
    registered.map(|socket| (socket, detail)).map_err(|error| format!("no socket can be had: {error}"))
}

fn listen(address: SocketAddr, interface: Option<&str>, passed: Option<&PassedSocket>) -> Result<(std::net::UdpSocket, String), String> {
    let is_group = address.ip().is_multicast();
    let opened = match passed {
        Some(passed) => passed.duplicate(Carries::Datagrams)?.into(),
        None if is_group => bind_to_group(address)?,
        None => std::net::UdpSocket::bind(address).map_err(|error| socket::cannot_listen(address, 'u', &error))?,
    };
    let mut detail = socket::listening(address, passed);
    if is_group {
        join(&opened, address.ip(), interface)?;
        detail += &interface.map_or_else(|| ", a multicast group".to_owned(), |name| format!(", a multicast group on {name}"));
    }
    Ok((opened, detail))
}

async fn connect(host: &str, port: u16) -> io::Result<std::net::UdpSocket> {
    let address = lookup_host((host, port)).await?.next().ok_or_else(|| io::Error::other("the name has no address"))?;
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let opened = std::net::UdpSocket::bind((any, 0))?;
    opened.connect(address)?;
    Ok(opened)
}

/// Bound to the group's own address, so that datagrams to others on that port are not read; other programs may read the group too.
fn bind_to_group(group: SocketAddr) -> Result<std::net::UdpSocket, String> {
    let family = if group.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let failed = |error: rustix::io::Errno| socket::cannot_listen(group, 'u', &error.into());
    let opened = rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None).map_err(failed)?;
    sockopt::set_socket_reuseaddr(&opened, true).map_err(failed)?;
    rustix::net::bind(&opened, &group).map_err(failed)?;
    Ok(opened.into())
}

/// A socket that is in the group already, since an earlier source had it, stays there.
fn join(opened: &std::net::UdpSocket, group: IpAddr, interface: Option<&str>) -> Result<(), String> {
    let index = match interface {
        Some(name) => netdevice::name_to_index(opened, name).map_err(|_| no_interface(name))?,
        None => 0,
    };
    let joined = match group {
        IpAddr::V4(ip) => sockopt::set_ip_add_membership_with_ifindex(opened, &ip, &Ipv4Addr::UNSPECIFIED, index),
        IpAddr::V6(ip) => sockopt::set_ipv6_add_membership(opened, &ip, index),
    };
    match joined {
        Ok(()) | Err(rustix::io::Errno::ADDRINUSE) => Ok(()),
        Err(error) => {
            let on = interface.map_or_else(String::new, |name| format!(" on {name}"));
            Err(format!("cannot join the multicast group {group}{on}: {}", io::Error::from(error)))
        }
    }
}

fn no_interface(name: &str) -> String {
    format!("this machine has no network interface {name}: `ip link` shows those it has")
}
