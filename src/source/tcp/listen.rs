//! Senders that connect to us.
//!
//! Limit: `max_connections`, those that are still in their handshake included. A further one is closed at once, counted, and said once until there is room.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use super::connection::{Connection, End};
use super::tls::{self, Acceptor};
use super::{Hub, News};
use crate::config::settings::TcpSettings;
use crate::mqtt::driver::Backoff;
use crate::source::link::Leave;
use crate::source::passed::{Carries, PassedSocket};
use crate::source::socket;
use crate::status::PeerStatus;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 128;
/// Before the next connection is accepted, where there was no file left for one.
const NO_FILE_PAUSE: Duration = Duration::from_secs(1);

pub async fn run(settings: &Arc<TcpSettings>, address: SocketAddr, passed: Option<&PassedSocket>, mut hub: Hub) -> Result<(), Leave> {
    let mut backoff = Backoff::default();
    let listener = loop {
        let opened = match passed {
            Some(passed) => take(settings, passed, hub.link.name()),
            None => bind(settings, address, hub.link.name()).map_err(|error| socket::cannot_listen(address, 't', &error)),
        };
        match opened {
            Ok(listener) => break listener,
            Err(reason) => hub.link.closed(&reason).await?,
        }
        hub.link.sleep(socket::retry_after(&mut backoff)).await?;
    };
    let tls = loop {
        match settings.tls.as_ref().map(Acceptor::new).transpose() {
            Ok(acceptor) => break acceptor,
            Err(error) => hub.link.closed(&error.to_string()).await?,
        }
        hub.link.sleep(socket::retry_after(&mut backoff)).await?;
    };
    hub.link.opened(&socket::listening(address, passed)).await?;
    let peers = PeerStatus::default();
    let mut door = Door { settings, tls, peers, accept_at: None, told_full: false, told_stranger: false, told_handshake: false };
    loop {
        tokio::select! {
            news = hub.news() => match news? {
                News::Read(chunk) => hub.hand_over(chunk).await?,
                News::Ended(end) => door.ended(&end, &hub),
            },
            accepted = door.accept(&listener) => door.opened(accepted, &mut hub),
        }
        hub.link.tell_peers(door.peers);
    }
}

fn bind(settings: &TcpSettings, address: SocketAddr, source: &str) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Else a port could not be listened on for a minute after its last connection.
    socket.set_reuseaddr(true)?;
    socket::set_receive_buffer(settings.receive_buffer, &socket, source);
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The service manager's socket. Connections have the receive buffer of the socket that they came over.
fn take(settings: &TcpSettings, passed: &PassedSocket, source: &str) -> Result<TcpListener, String> {
    let descriptor = passed.duplicate(Carries::Connections)?;
    socket::set_receive_buffer(settings.receive_buffer, &descriptor, source);
    TcpListener::from_std(descriptor.into()).map_err(|error| format!("the service manager's {passed} can't be used: {error}"))
}

/// Who comes in.
struct Door<'s> {
    settings: &'s Arc<TcpSettings>,
    tls: Option<Acceptor>,
    peers: PeerStatus,
    accept_at: Option<Instant>,
    told_full: bool,
    told_stranger: bool,
    told_handshake: bool,
}

impl Door<'_> {
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(at) = self.accept_at {
            tokio::time::sleep_until(at).await;
        }
        listener.accept().await
    }

    fn opened(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>, hub: &mut Hub) {
        let source = hub.link.name();
        self.accept_at = None;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // It was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => return,
            Err(error) => {
                if !std::mem::replace(&mut self.told_full, true) {
                    tracing::warn!(source, "no further connection can be accepted: {error}; trying again until it works");
                }
                self.accept_at = Some(Instant::now() + NO_FILE_PAUSE);
                return;
            }
        };
        if !socket::allows(&self.settings.allow, peer.ip()) {
            self.peers.refused += 1;
            if !std::mem::replace(&mut self.told_stranger, true) {
                tracing::warn!(
                    source,
                    "a connection from {} is refused: it is not in `allow`; further ones are only counted",
                    socket::shown(peer)
                );
            }
            return;
        }
        if hub.connections.len() >= self.settings.connections_max {
            self.peers.refused += 1;
            if !std::mem::replace(&mut self.told_full, true) {
                let limit = self.settings.connections_max;
                tracing::warn!(
                    source,
                    "a connection from {} is refused: {limit} are open, as many as max_connections allows",
                    socket::shown(peer)
                );
            }
            return;
        }
        super::prepare(&stream);
        let peer = socket::shown(peer);
        tracing::debug!(source, "{peer} has connected");
        self.peers.accepted += 1;
        let connection = Connection::new(self.settings, peer.clone(), hub.sender.clone());
        match &mut self.tls {
            None => hub.connections.spawn(connection.run(stream)),
            Some(tls) => hub.connections.spawn(tls::accept(tls.config(source), connection, stream, peer)),
        };
        self.peers.open = hub.connections.len() as u64;
    }

    fn ended(&mut self, end: &End, hub: &Hub) {
        self.told_full = false;
        self.peers.open = hub.connections.len() as u64;
        match end {
            End::Silent | End::Stalled => self.peers.timed_out += 1,
            End::Handshake(_) => self.peers.handshakes_failed += 1,
            End::Closed | End::Broken(_) => {}
        }
        if let End::Handshake(problem) = end
            && !std::mem::replace(&mut self.told_handshake, true)
        {
            tracing::warn!(source = hub.link.name(), "TLS with {problem}; further ones that fail are only counted");
        }
        tracing::debug!(source = hub.link.name(), ?end, "a connection has ended");
    }
}
