//! One TCP connection: its bytes to frames, until it ends or is to be ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::settings::{Framing, TcpSettings};
use crate::config::units::show_duration;
use crate::gateway::FrameContent;
use crate::source::framing::{self, Framer};
use crate::source::socket::{GATHER, GATHERED_BYTES, WRITE_TIMEOUT};

pub const READ_BYTES: usize = 8 * 1_024;

/// Frames of one read.
pub struct Chunk {
    pub peer: Arc<str>,
    pub frames: Vec<FrameContent>,
}

/// Why a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed it.
    Closed,
    Broken(String),
    /// We closed it: nothing came for `read_timeout`.
    Silent,
    /// We closed it: a frame was not complete within `frame_timeout`.
    Stalled,
    /// No TLS connection came about, and why.
    Handshake(String),
}

pub struct Connection {
    settings: Arc<TcpSettings>,
    peer: Arc<str>,
    chunks: mpsc::Sender<Chunk>,
    framer: Framer,
    gathers: bool,
    /// How long bytes were waited for, all together; the clock of framing and timeouts. While the core has no room it stands still.
    listened: Duration,
    /// On that clock: when the last byte came; when the frame began that is not complete.
    heard: Duration,
    frame_began: Option<Duration>,
    poll_at: Option<Instant>,
}

impl Connection {
    pub fn new(settings: &Arc<TcpSettings>, peer: Arc<str>, chunks: mpsc::Sender<Chunk>) -> Connection {
        Connection {
            settings: settings.clone(),
            peer,
            chunks,
            framer: Framer::new(&settings.framing),
            gathers: !matches!(settings.framing.framing, Framing::Idle { .. }),
            listened: Duration::ZERO,
            heard: Duration::ZERO,
            frame_began: None,
            poll_at: settings.asked.poll.as_ref().map(|_| Instant::now()),
        }
    }

    /// Reads until the end. What has come of a frame is bad then, and never goes together with another connection's bytes.
    pub async fn run(mut self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> End {
        let end = match self.read(&mut stream).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let mut frames = Vec::new();
        match &end {
            // A closed connection is silent, for ever.
            End::Closed if matches!(self.settings.framing.framing, Framing::Idle { .. }) => self.framer.end(&mut frames),
            End::Stalled => self.framer.break_off(&self.stalled(), &mut frames),
            _ => self.framer.break_off(framing::BROKEN_OFF, &mut frames),
        }
        if !frames.is_empty() {
            // An error means that the source leaves.
            _ = self.chunks.send(Chunk { peer: self.peer, frames }).await;
        }
        end
    }

    async fn read(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<std::convert::Infallible, End> {
        let settings = self.settings.clone();
        write(stream, &settings.asked.init).await?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let began = Instant::now();
            let read = tokio::select! {
                biased;
                read = stream.read(&mut buffer) => Some(read),
                () = crate::source::sleep_until(self.wake_at(began)) => None,
            };
            let now = Instant::now();
            self.listened += now - began;
            match read {
                Some(Ok(0)) => return Err(End::Closed),
                Some(Ok(count)) => {
                    self.hand_over(Some(&buffer[..count])).await?;
                    self.check_timeouts()?;
                    if self.gathers && count < GATHERED_BYTES {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Some(Err(error)) => return Err(End::Broken(error.to_string())),
                None => {
                    self.hand_over(None).await?;
                    self.check_timeouts()?;
                }
            }
            if let Some(poll) = &settings.asked.poll
                && self.poll_at.is_some_and(|at| at <= now)
            {
                write(stream, &poll.bytes).await?;
                self.poll_at = Some(now + poll.interval);
            }
        }
    }

    /// Frames of what was read, or of the silence until now, once it is their turn.
    async fn hand_over(&mut self, bytes: Option<&[u8]>) -> Result<(), End> {
        let now_us = self.listened.as_micros() as u64;
        if bytes.is_none() && self.framer.deadline_us().is_none_or(|deadline_us| now_us < deadline_us) {
            return Ok(());
        }
        let permit = self.chunks.reserve().await.map_err(|_| End::Closed)?;
        let mut frames = Vec::new();
        match bytes {
            Some(bytes) => self.framer.push(bytes, now_us, &mut frames),
            None => self.framer.tick(now_us, &mut frames),
        }
        self.frame_began = match self.frame_began {
            _ if !self.framer.is_within_frame() => None,
            Some(began) if frames.is_empty() => Some(began),
            _ => Some(self.listened),
        };
        if bytes.is_some() {
            self.heard = self.listened;
        }
        if !frames.is_empty() {
            permit.send(Chunk { peer: self.peer.clone(), frames });
        }
        Ok(())
    }

    fn check_timeouts(&self) -> Result<(), End> {
        if self.settings.read_timeout.is_some_and(|timeout| self.listened >= self.heard + timeout) {
            return Err(End::Silent);
        }
        if self.frame_began.is_some_and(|began| self.listened >= began + self.settings.frame_timeout) {
            return Err(End::Stalled);
        }
        Ok(())
    }

    /// When there is something to do though nothing comes.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let silent = self.settings.read_timeout.map(|timeout| self.heard + timeout);
        let stalled = self.frame_began.map(|began| began + self.settings.frame_timeout);
        let framed = self.framer.deadline_us().map(Duration::from_micros);
        let listening = [silent, stalled, framed].into_iter().flatten().min().map(|at| now + at.saturating_sub(self.listened));
        [listening, self.poll_at].into_iter().flatten().min()
    }

    fn stalled(&self) -> String {
        format!("the frame was not complete within frame_timeout, {}", show_duration(self.settings.frame_timeout))
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), End> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match tokio::time::timeout(WRITE_TIMEOUT, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Broken(error.to_string())),
        Err(_) => Err(End::Broken("it takes no bytes".to_owned())),
    }
}
