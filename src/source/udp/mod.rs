//! UDP: datagrams to one of our addresses, of a multicast group, or of one peer.
//!
//! Datagrams can neither be asked for again nor held up: what was read and is not durable when the process dies is lost; while the core has no room, or
//! above `max_rate`, the newest are let go and counted. Those that the kernel lets go because its buffer is full are counted too (`kernel_drops`).
//!
//! Limits: [`BATCH_DATAGRAMS`] or [`BATCH_BYTES`] are handed over at once; what the kernel holds is `receive_buffer`.

mod kernel_drops;
mod open;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::framing::Framer;
use super::link::{Leave, Link};
use super::passed::PassedSocket;
use super::socket::{self, GATHER, GATHERED_BYTES, LASTING};
use crate::config::settings::{Endpoint, UdpSettings};
use crate::gateway::FrameContent;
use crate::mqtt::driver::Backoff;
use crate::status::PeerStatus;
use kernel_drops::KernelDrops;

/// No datagram is longer.
const DATAGRAM_BYTES_MAX: usize = 65_536;
const BATCH_DATAGRAMS: usize = 64;
const BATCH_BYTES: usize = 128 * 1_024;
/// How soon a count of dropped datagrams is passed on when nothing comes any more.
const TELL_DROPPED_AFTER: Duration = Duration::from_millis(200);

/// `passed`: the socket to read, in place of one of our own.
pub async fn run(settings: &UdpSettings, passed: Option<&PassedSocket>, mut link: Link) -> Result<(), Leave> {
    let mut backoff = Backoff::default();
    let (mut answers, name) = (true, link.name().to_owned());
    loop {
        let opened = tokio::select! {
            biased;
            leave = link.left() => return Err(leave),
            opened = open::open(settings, passed, &name) => opened,
        };
        let reason = match opened {
            Ok((socket, detail)) => {
                let kernel = KernelDrops::new(&socket, passed.is_some());
                // A peer that refused is there again when something comes from it.
                if answers {
                    link.opened(&detail).await?;
                }
                let began = Instant::now();
                let reason = Receiving::new(settings, kernel, &mut link).run(&socket, (!answers).then_some(&detail)).await?;
                answers = matches!(settings.endpoint, Endpoint::Listen(_));
                backoff.lasted(began.elapsed());
                if began.elapsed() >= LASTING {
                    link.lasted();
                }
                reason
            }
            Err(reason) => reason,
        };
        link.closed(&reason).await?;
        link.sleep(socket::retry_after(&mut backoff)).await?;
    }
}

/// One open socket.
struct Receiving<'l> {
    settings: &'l UdpSettings,
    link: &'l mut Link,
    framer: Framer,
    /// The last peer, as it is shown.
    peer: Option<(SocketAddr, Arc<str>)>,
    peers: PeerStatus,
    kernel: KernelDrops,
    poll_at: Option<Instant>,
}

/// What was read at once.
#[derive(Default)]
struct Batch {
    frames: Vec<(Option<Arc<str>>, FrameContent)>,
    datagrams: usize,
    bytes: usize,
}

/// What comes after a look at the socket.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// It has next to nothing: more is left to gather.
    Gather,
    /// It had more than a batch: others have their turn, then the next at once, since the kernel's buffer fills meanwhile.
    Yield,
    Read,
}

fn after(datagrams: usize, bytes: usize) -> Next {
    if datagrams >= BATCH_DATAGRAMS || bytes >= BATCH_BYTES {
        Next::Yield
    } else if bytes < GATHERED_BYTES {
        Next::Gather
    } else {
        Next::Read
    }
}

impl<'l> Receiving<'l> {
    fn new(settings: &'l UdpSettings, kernel: KernelDrops, link: &'l mut Link) -> Receiving<'l> {
        let poll_at = settings.asked.poll.as_ref().map(|_| Instant::now());
        Receiving { settings, link, framer: Framer::new(&settings.framing), peer: None, peers: PeerStatus::default(), kernel, poll_at }
    }

    /// Reads until the socket fails; why. `unsaid`: is said when something comes.
    async fn run(mut self, socket: &UdpSocket, mut unsaid: Option<&String>) -> Result<String, Leave> {
        if let Err(reason) = self.send(socket, &self.settings.asked.init).await {
            return Ok(reason);
        }
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let wake = self.wake_at();
            let ready = tokio::select! {
                biased;
                leave = self.link.left() => return Err(leave),
                ready = socket.readable() => ready,
                () = super::sleep_until(wake) => Ok(()),
            };
            let mut batch = Batch::default();
            let read = ready.and_then(|()| self.read(socket, &mut buffer, &mut batch));
            let (datagrams, bytes) = (batch.datagrams, batch.bytes);
            if datagrams > 0 {
                self.kernel.heard();
                if let Some(detail) = unsaid.take() {
                    self.link.opened(detail).await?;
                }
            }
            if !batch.frames.is_empty() {
                self.link.offer(batch.frames);
            }
            if let Err(error) = read {
                return Ok(self.failed(&error));
            }
            self.count();
            if let Some(reason) = self.poll(socket).await {
                return Ok(reason);
            }
            match after(datagrams, bytes) {
                Next::Gather => self.link.sleep(GATHER).await?,
                Next::Yield => tokio::task::yield_now().await,
                Next::Read => {}
            }
        }
    }

    /// When there is something to do though nothing comes.
    fn wake_at(&self) -> Option<Instant> {
        let dropped = self.link.has_dropped().then(|| Instant::now() + TELL_DROPPED_AFTER);
        [self.kernel.look_at(), dropped, self.poll_at].into_iter().flatten().min()
    }

    /// What lies in the kernel's buffer, up to a batch.
    fn read(&mut self, socket: &UdpSocket, buffer: &mut [u8], batch: &mut Batch) -> io::Result<()> {
        while batch.datagrams < BATCH_DATAGRAMS && batch.bytes < BATCH_BYTES {
            let (length, peer) = match socket.try_recv_from(buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            batch.datagrams += 1;
            batch.bytes += length;
            if !socket::allows(&self.settings.allow, peer.ip()) {
                if self.peers.refused == 0 {
                    let peer = socket::shown(peer);
                    tracing::warn!(
                        source = self.link.name(),
                        "a datagram from {peer} is refused: it is not in `allow`; further ones are only counted"
                    );
                }
                self.peers.refused += 1;
                continue;
            }
            let place = self.shown(peer);
            let mut frames = Vec::new();
            self.framer.push(&buffer[..length], 0, &mut frames);
            self.framer.end(&mut frames);
            batch.frames.extend(frames.into_iter().map(|content| (Some(place.clone()), content)));
        }
        Ok(())
    }

    fn shown(&mut self, peer: SocketAddr) -> Arc<str> {
        match &self.peer {
            Some((last, shown)) if *last == peer => shown.clone(),
            _ => self.peer.insert((peer, socket::shown(peer))).1.clone(),
        }
    }

    fn count(&mut self) {
        if let Some(dropped) = self.kernel.look(self.link.name(), self.settings.receive_buffer) {
            self.link.count_dropped(dropped, 0);
        }
        if self.peers.refused > 0 {
            self.link.tell_peers(self.peers);
        }
        self.link.tell_dropped();
    }

    /// Asks the peer, if it is time; what went wrong.
    async fn poll(&mut self, socket: &UdpSocket) -> Option<String> {
        let poll = self.settings.asked.poll.as_ref().filter(|_| self.poll_at.is_some_and(|at| at <= Instant::now()))?;
        self.poll_at = Some(Instant::now() + poll.interval);
        self.send(socket, &poll.bytes).await.err()
    }

    async fn send(&self, socket: &UdpSocket, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        socket.send(bytes).await.map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> String {
        match &self.settings.endpoint {
            Endpoint::Listen(address) => format!("the socket on {address} has failed: {error}"),
            Endpoint::Connect { host, port } if error.kind() == io::ErrorKind::ConnectionRefused => {
                format!("nobody reads datagrams at port {port} of {host}")
            }
            Endpoint::Connect { host, port } => format!("no datagrams can be exchanged with port {port} of {host}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_batch_is_followed_by_the_next_at_once_however_small_its_datagrams() {
        assert_eq!(after(BATCH_DATAGRAMS, BATCH_DATAGRAMS * 4), Next::Yield);
        assert_eq!(after(2, BATCH_BYTES), Next::Yield);
        assert_eq!(after(3, GATHERED_BYTES - 1), Next::Gather);
        assert_eq!(after(3, GATHERED_BYTES), Next::Read);
    }
}
