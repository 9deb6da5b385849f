//! What TCP and UDP sockets have in common: what to say when one cannot be had, and how long to wait before the next attempt.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;

use super::passed::PassedSocket;
use crate::config::settings::Network;
use crate::mqtt::driver::{Backoff, random};

/// An instrument is to be read again soon after it is back: attempts cost little.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// What worked for so long works: what goes wrong then is news.
pub const LASTING: Duration = Duration::from_secs(10);
/// How long small reads are left to gather, and which are not: waking up costs more than reading.
pub const GATHER: Duration = Duration::from_millis(4);
pub const GATHERED_BYTES: usize = 1_024;
/// Peers may be written to for so long; one that takes nothing is given up.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Before the next attempt.
pub fn retry_after(backoff: &mut Backoff) -> Duration {
    backoff.next(random()).min(RETRY_MAX)
}

/// Address and port, as `_peer` shows them: an IPv4 address that came over an IPv6 socket as IPv4.
pub fn shown(peer: SocketAddr) -> Arc<str> {
    SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string().into()
}

/// Whether a peer is let in.
pub fn allows(allow: &[Network], ip: IpAddr) -> bool {
    allow.is_empty() || allow.iter().any(|network| network.contains(ip.to_canonical()))
}

/// Why nothing listens there, and what to do. `protocol`: `t` or `u`, as `ss` calls it.
pub fn cannot_listen(address: SocketAddr, protocol: char, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} of {} is in use: `ss -{protocol}lnp 'sport = :{port}'` says by which program; stop it, or give another port in `listen`",
            address.ip()
        ),
        io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}: `ip address` shows those it has", address.ip()),
        io::ErrorKind::PermissionDenied => {
            format!(
                "port {port} is for root only: give one above 1023 in `listen`, or have the service manager open it (a .socket unit), or give the \
                 service the capability CAP_NET_BIND_SERVICE"
            )
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}

/// What a source says that listens on `address`, or on the socket that was passed for it.
pub fn listening(address: SocketAddr, passed: Option<&PassedSocket>) -> String {
    match passed {
        Some(socket) => format!("listening on {}, the service manager's socket `{}`", socket.address, socket.name),
        None => format!("listening on {address}"),
    }
}

/// Asks for a receive buffer, if there is a size for it.
pub fn set_receive_buffer(bytes: Option<usize>, socket: impl AsFd, source: &str) {
    if let Some(bytes) = bytes {
        let set = sockopt::set_socket_recv_buffer_size(&socket, bytes).and_then(|()| sockopt::socket_recv_buffer_size(&socket));
        check_receive_buffer(bytes, set.map_err(io::Error::from), source);
    }
}

/// The kernel gives less than is asked for where the system's limit is lower.
fn check_receive_buffer(wanted: usize, got: io::Result<usize>, source: &str) {
    // It says twice what it was asked for: half is for its own books.
    if let Ok(got) = got
        && got < 2 * wanted
    {
        let got = got / 2;
        tracing::warn!(
            source,
            "the kernel has given a receive_buffer of {got} bytes in place of {wanted}: `sysctl -w net.core.rmem_max={wanted}` allows it"
        );
    }
}
