//! TCP: senders that connect to us, or one that we connect to. Each connection is framed by itself.
//!
//! A socket cannot be asked again: what was read and is not durable when the process dies is lost. But it can wait: while the core has no room nothing
//! is read, and TCP holds the senders up. A connection frames what it has read only when its turn has come, one read at a time, so
//! that a flood on one takes nothing from the others.
//!
//! Limits: a connection holds one read ([`connection::READ_BYTES`]) and one begun frame (`max_payload`); [`CHUNKS_MAX`] reads wait framed for the
//! core; `max_connections` connections, further ones are closed at once and counted; `read_timeout`, `frame_timeout`. Time in which we
//! did not read for want of room counts for neither.
//!
//! | file | job |
//! |---|---|
//! | `listen` | senders that come |
//! | `connect` | one that we go to |
//! | `tls` | the handshakes of both |
//! | `connection` | one connection: bytes to frames, timeouts, what is sent |

mod connect;
mod connection;
mod listen;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::link::{Leave, Link};
use super::passed::PassedSocket;
use crate::config::settings::{Endpoint, TcpSettings};
use connection::{Chunk, End};

/// Reads that are framed and wait for the core.
const CHUNKS_MAX: usize = 2;
/// A silent connection is probed after this time, so often, so many times.
const KEEP_IDLE: Duration = Duration::from_secs(60);
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_PROBES: u32 = 6;

/// `passed`: the socket to listen on, in place of one of our own.
pub async fn run(settings: &TcpSettings, passed: Option<&PassedSocket>, link: Link) -> Result<(), Leave> {
    let settings = Arc::new(settings.clone());
    let hub = Hub::new(link);
    match &settings.endpoint {
        Endpoint::Listen(address) => listen::run(&settings, *address, passed, hub).await,
        Endpoint::Connect { host, port } => connect::run(&settings, host, *port, hub).await,
    }
}

/// Where all connections of a source come together.
struct Hub {
    link: Link,
    /// For new connections.
    sender: mpsc::Sender<Chunk>,
    chunks: mpsc::Receiver<Chunk>,
    /// Aborted with the hub.
    connections: JoinSet<End>,
}

enum News {
    Read(Chunk),
    Ended(End),
}

impl Hub {
    fn new(link: Link) -> Hub {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        Hub { link, sender, chunks, connections: JoinSet::new() }
    }

    /// Waits for what comes next from the connections. Nothing is lost if it is dropped.
    async fn news(&mut self) -> Result<News, Leave> {
        tokio::select! {
            chunk = next_chunk(&mut self.link, &mut self.chunks) => chunk.map(News::Read),
            Some(ended) = self.connections.join_next() => {
                Ok(News::Ended(ended.unwrap_or_else(|error| End::Broken(error.to_string()))))
            }
        }
    }

    async fn hand_over(&mut self, Chunk { peer, frames }: Chunk) -> Result<(), Leave> {
        self.link.send(frames.into_iter().map(|content| (Some(peer.clone()), content)).collect(), Vec::new()).await
    }
}

/// A chunk, once there is room for it.
async fn next_chunk(link: &mut Link, chunks: &mut mpsc::Receiver<Chunk>) -> Result<Chunk, Leave> {
    link.room().await?;
    tokio::select! {
        biased;
        leave = link.left() => Err(leave),
        chunk = chunks.recv() => chunk.ok_or(Leave),
    }
}

/// A peer that is gone without a word is noticed after two minutes; what is sent goes at once.
fn prepare(stream: &tokio::net::TcpStream) {
    use rustix::net::sockopt;
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| sockopt::set_socket_keepalive(stream, true).map_err(Into::into))
        .and_then(|()| sockopt::set_tcp_keepidle(stream, KEEP_IDLE).map_err(Into::into))
        .and_then(|()| sockopt::set_tcp_keepintvl(stream, KEEP_INTERVAL).map_err(Into::into))
        .and_then(|()| sockopt::set_tcp_keepcnt(stream, KEEP_PROBES).map_err(Into::into));
    if let Err(error) = prepared {
        tracing::debug!("a connection without keep-alive: {error}");
    }
}
