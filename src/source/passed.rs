//! Sockets that the service manager has opened and passed on (socket activation): who may have which.
//!
//! systemd's protocol, which needs no library: `LISTEN_PID` says for whom they are, `LISTEN_FDS` how many, from descriptor 3 on, `LISTEN_FDNAMES` what
//! they are called, with colons between (`FileDescriptorName=` of the `.socket` unit; without it the unit's name).
//!
//! Invariants:
//! - The process holds each socket as long as it lives and gives sources duplicates: a source that is removed, and comes again with a later reload, has
//!   it again. What came meanwhile lies in the kernel.
//! - A socket belongs to one source at most: to the one of its name; else to the one that listens on its address.
//!
//! Limit: [`SOCKETS_MAX`]. What is not a listening TCP socket or a bound UDP socket is closed, and said.

use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketType};

use crate::config::settings::{Endpoint, SourceKind, SourceSettings};

/// Of one process; systemd's own limit on descriptors is higher by far.
const SOCKETS_MAX: usize = 256;
/// Where the passed descriptors begin.
const FIRST: RawFd = 3;

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// It listens for TCP connections.
    Connections,
    /// UDP.
    Datagrams,
}

impl Carries {
    /// The key of a `.socket` unit that makes such a socket.
    fn unit_key(self) -> &'static str {
        match self {
            Carries::Connections => "ListenStream",
            Carries::Datagrams => "ListenDatagram",
        }
    }
}

/// One socket that was passed.
#[derive(Debug)]
pub struct PassedSocket {
    pub name: String,
    pub address: SocketAddr,
    pub carries: Carries,
    /// An IPv6 socket that takes no IPv4.
    v6_only: bool,
    descriptor: OwnedFd,
}

impl PassedSocket {
    /// A further descriptor of it, that doesn't block; the reason for people if that socket is of no use for what is wanted.
    pub fn duplicate(&self, wanted: Carries) -> Result<OwnedFd, String> {
        if self.carries != wanted {
            let (given, right) = (self.carries.unit_key(), wanted.unit_key());
            return Err(format!(
                "the service manager's {self} is of the wrong kind: its .socket unit says {given}= and this source needs {right}="
            ));
        }
        let duplicate = self.descriptor.try_clone().and_then(|duplicate| {
            rustix::io::ioctl_fionbio(&duplicate, true)?;
            Ok(duplicate)
        });
        duplicate.map_err(|error| format!("the service manager's {self} can't be used: {error}"))
    }

    /// Whether whoever wants to listen on `address` means this one. Of `[::]` systemd makes a socket that takes IPv4 too.
    fn listens_on(&self, address: SocketAddr) -> bool {
        let takes_all = self.address.is_ipv6() && self.address.ip().is_unspecified() && !self.v6_only;
        self.address == address || takes_all && address.ip().is_unspecified() && self.address.port() == address.port()
    }
}

impl std::fmt::Display for PassedSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let protocol = match self.carries {
            Carries::Connections => "TCP",
            Carries::Datagrams => "UDP",
        };
        write!(f, "socket `{}` ({protocol}, {})", self.name, self.address)
    }
}

/// All that were passed.
#[derive(Clone, Debug, Default)]
pub struct Passed(Vec<Arc<PassedSocket>>);

impl Passed {
    /// Takes the sockets that this process was started with. To be called once in the life of a process, and before threads begin other programs.
    pub fn of_process() -> Passed {
        let variable = |name| std::env::var(name).ok();
        let (pid, count, names) = (variable("LISTEN_PID"), variable("LISTEN_FDS"), variable("LISTEN_FDNAMES"));
        let own_pid = std::process::id().to_string();
        let Some(count) = count.filter(|_| pid.is_some_and(|pid| pid.trim() == own_pid)) else { return Passed::default() };
        let Ok(count) = count.trim().parse::<usize>() else {
            tracing::warn!("LISTEN_FDS is `{count}` and not a number: no sockets are taken from the service manager");
            return Passed::default();
        };
        if count > SOCKETS_MAX {
            tracing::warn!("the service manager passes {count} sockets: the first {SOCKETS_MAX} are taken");
        }
        let mut names = names.as_deref().unwrap_or_default().split(':');
        let descriptors = (FIRST..).take(count.min(SOCKETS_MAX));
        Passed(descriptors.filter_map(|number| take(number, names.next().unwrap_or_default())).map(Arc::new).collect())
    }

    /// The socket of a source that listens, if one was passed for it. `all`: the sources of the configuration that it is of.
    pub fn of_source(&self, source: &SourceSettings, all: &[SourceSettings]) -> Option<Arc<PassedSocket>> {
        let (carries, address) = listens(source)?;
        let fits = |socket: &&Arc<PassedSocket>| socket.carries == carries && socket.listens_on(address);
        let named = || self.0.iter().filter(|socket| socket.name == source.name);
        // Of several by one name the one on the address; the right kind goes before any.
        let by_name = named().find(fits).or_else(|| named().find(|socket| socket.carries == carries));
        let of_another = |socket: &&Arc<PassedSocket>| all.iter().any(|other| other.name == socket.name && listens(other).is_some());
        let by_address = || self.0.iter().filter(|socket| !of_another(socket)).find(fits);
        by_name.or_else(by_address).or_else(|| named().next()).cloned()
    }

    /// Says which sockets no source of the configuration takes.
    pub fn tell_unused(&self, sources: &[SourceSettings]) {
        let used: Vec<Arc<PassedSocket>> = sources.iter().filter_map(|source| self.of_source(source, sources)).collect();
        for socket in self.0.iter().filter(|socket| !used.iter().any(|used| Arc::ptr_eq(used, socket))) {
            tracing::warn!(
                "no source takes the service manager's {socket}: whoever sends there waits in vain. Give its address to the `listen` of a source, or \
                 the source's name to FileDescriptorName= of its .socket unit, or stop that unit"
            );
        }
    }
}

/// Where a source listens, and for what.
fn listens(source: &SourceSettings) -> Option<(Carries, SocketAddr)> {
    let (carries, endpoint) = match &source.kind {
        SourceKind::Tcp(tcp) => (Carries::Connections, &tcp.endpoint),
        SourceKind::Udp(udp) => (Carries::Datagrams, &udp.endpoint),
        _ => return None,
    };
    match endpoint {
        Endpoint::Listen(address) => Some((carries, *address)),
        Endpoint::Connect { .. } => None,
    }
}

/// The passed descriptor, if it is a socket that a source could use. Others are closed.
fn take(number: RawFd, name: &str) -> Option<PassedSocket> {
    // SAFETY: it is only asked whether it is open; a number that is not open is told apart by its answer.
    let is_open = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) }).is_ok();
    if !is_open {
        tracing::warn!("the service manager's socket `{name}` was to be descriptor {number}, and that is not open");
        return None;
    }
    // SAFETY: it is open and was passed to this process, in which nobody else knows of it: [`Passed::of_process`] is called once.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    let taken = inspect(&descriptor).and_then(|(address, carries, v6_only)| {
        // Programs that this one starts have no business with it.
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC).map_err(|error| error.to_string())?;
        Ok((address, carries, v6_only))
    });
    match taken {
        Ok((address, carries, v6_only)) => Some(PassedSocket { name: name.to_owned(), address, carries, v6_only, descriptor }),
        Err(reason) => {
            tracing::warn!("the service manager's socket `{name}` is closed: {reason}");
            None
        }
    }
}

fn inspect(descriptor: &OwnedFd) -> Result<(SocketAddr, Carries, bool), String> {
    let kind = sockopt::socket_type(descriptor).map_err(|_| "it is not a socket".to_owned())?;
    let address = rustix::net::getsockname(descriptor).ok().and_then(|address| SocketAddr::try_from(address).ok());
    let address = address.ok_or("it has no address of IPv4 or IPv6, and sources listen on no others")?;
    let carries = match kind {
        SocketType::STREAM if sockopt::socket_acceptconn(descriptor) == Ok(true) => Carries::Connections,
        SocketType::STREAM => return Err("it does not listen, but is one connection: its .socket unit must say Accept=no".to_owned()),
        SocketType::DGRAM => Carries::Datagrams,
        _ => return Err("it carries neither TCP nor UDP".to_owned()),
    };
    let is_v6 = sockopt::socket_domain(descriptor) == Ok(AddressFamily::INET6);
    Ok((address, carries, is_v6 && sockopt::ipv6_v6only(descriptor) != Ok(false)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, v6_only: bool) -> PassedSocket {
        let descriptor = std::fs::File::open("/dev/null").unwrap().into();
        PassedSocket { name: String::new(), address: address.parse().unwrap(), carries: Carries::Connections, v6_only, descriptor }
    }

    #[test]
    fn a_socket_of_all_addresses_listens_on_those_of_ipv4_unless_told_otherwise() {
        let listens_on = |passed, v6_only, wanted: &str| socket(passed, v6_only).listens_on(wanted.parse().unwrap());
        assert!(listens_on("[::]:502", false, "0.0.0.0:502"));
        assert!(listens_on("[::]:502", true, "[::]:502"));
        assert!(listens_on("127.0.0.1:502", false, "127.0.0.1:502"));
        assert!(!listens_on("[::]:502", true, "0.0.0.0:502"));
        assert!(!listens_on("[::]:502", false, "0.0.0.0:503"));
        // Wider than what the configuration wants to hear.
        assert!(!listens_on("[::]:502", false, "127.0.0.1:502"));
        assert!(!listens_on("0.0.0.0:502", false, "[::]:502"));
        assert!(!listens_on("0.0.0.0:502", false, "127.0.0.1:502"));
    }
}
