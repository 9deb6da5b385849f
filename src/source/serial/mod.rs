//! Serial ports. A port that is not there, or goes, is opened again as soon as it is there, under whatever name.
//!
//! A wire cannot be asked again: what was read and is not durable when the process dies is lost. Nor can it wait, unless `flow_control` is on: while
//! the core has no room, the newest frames are let go and counted. With flow control the port is not read until there is room, and the
//! sender is held up.
//!
//! Known of the driver: a port that has gone reads as its end, for ever, so that is taken for gone; flushing and closing wait for bytes that nobody
//! takes, so the one is not done, and the other only after they have been thrown away.

mod doubt;
mod low_latency;
mod port;
mod usb;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_serial::SerialStream;

use super::framing::{self, Framer};
use super::link::{Leave, Link};
use crate::config::settings::{FlowControl, Framing, SerialSettings};
use doubt::Doubt;

const READ_BYTES: usize = 16 * 1_024;
/// For bytes that the port does not take: a sender that holds us up by flow control.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two attempts to open: the first, and the longest, since one costs a few system calls.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(3);
/// A port that was open for so long works: what goes wrong then is news.
const LASTING: Duration = Duration::from_secs(10);
/// How long bytes that come one by one are left to gather, and in which reads they are not: waking up costs more than reading.
const GATHER: Duration = Duration::from_millis(5);
const GATHERED_BYTES: usize = 1_024;
/// How soon a count of dropped frames is passed on when nothing comes any more.
const TELL_DROPPED_AFTER: Duration = Duration::from_millis(200);

pub async fn run(settings: &SerialSettings, mut link: Link) -> Result<(), Leave> {
    let mut retry = RETRY_FIRST;
    loop {
        let reason = match port::open(settings, Path::new(usb::SYSFS), Path::new(usb::DEVICES)) {
            Ok((mut stream, path)) => {
                let path: Arc<str> = path.display().to_string().into();
                link.opened(&format!("reading {path} at {}", port::line_settings(settings))).await?;
                let opened = Instant::now();
                let reason = Reading::new(settings, path.clone(), &mut link).run(&mut stream).await;
                port::discard_output(&stream);
                if opened.elapsed() >= LASTING {
                    retry = RETRY_FIRST;
                    link.lasted();
                }
                reason?
            }
            Err(reason) => reason,
        };
        link.closed(&reason).await?;
        link.sleep(retry).await?;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

/// One open port.
struct Reading<'l> {
    settings: &'l SerialSettings,
    place: Arc<str>,
    link: &'l mut Link,
    framer: Framer,
    doubt: Doubt,
    began: Instant,
    /// When what polls the instrument is sent next.
    poll_at: Option<Instant>,
    gathers: bool,
    /// The next frame may have begun before the port was opened.
    skips_next: bool,
}

impl<'l> Reading<'l> {
    fn new(settings: &'l SerialSettings, place: Arc<str>, link: &'l mut Link) -> Reading<'l> {
        let began = Instant::now();
        let gathers = !settings.low_latency && !matches!(settings.framing.framing, Framing::Idle { .. });
        let poll_at = settings.asked.poll.as_ref().map(|_| began);
        let (framer, doubt) = (Framer::new(&settings.framing), Doubt::new(&settings.framing.framing));
        Reading { settings, place, link, framer, doubt, began, poll_at, gathers, skips_next: settings.skips_first }
    }

    /// Reads until the port is gone; why.
    async fn run(mut self, stream: &mut SerialStream) -> Result<String, Leave> {
        if let Err(reason) = self.write(stream, &self.settings.asked.init).await {
            return Ok(reason);
        }
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if self.settings.flow_control != FlowControl::None {
                self.link.room().await?;
            }
            let wake = self.wake_at();
            let read = tokio::select! {
                biased;
                leave = self.link.left() => return Err(leave),
                read = stream.read(&mut buffer) => Some(read),
                () = super::sleep_until(wake) => None,
            };
            let now = Instant::now();
            match read {
                Some(Ok(0)) => return Ok(self.gone("it was unplugged, or has been closed at its other end")),
                Some(Ok(count)) => {
                    self.hand_over(Some(&buffer[..count]), now);
                    if self.gathers && count < GATHERED_BYTES {
                        self.link.sleep(GATHER).await?;
                    }
                }
                Some(Err(error)) => return Ok(self.gone(&error.to_string())),
                None => self.hand_over(None, now),
            }
            self.link.tell_dropped();
            if let Some(poll) = &self.settings.asked.poll
                && self.poll_at.is_some_and(|at| at <= now)
            {
                if let Err(reason) = self.write(stream, &poll.bytes).await {
                    return Ok(reason);
                }
                self.poll_at = Some(now + poll.interval);
            }
        }
    }

    /// When there is something to do though nothing comes.
    fn wake_at(&self) -> Option<Instant> {
        let silent = self.framer.deadline_us().map(|us| self.began + Duration::from_micros(us));
        let dropped = self.link.has_dropped().then(|| Instant::now() + TELL_DROPPED_AFTER);
        [silent, dropped, self.poll_at].into_iter().flatten().min()
    }

    /// Frames of what was read; or of the silence until now.
    fn hand_over(&mut self, bytes: Option<&[u8]>, now: Instant) {
        let now_us = now.duration_since(self.began).as_micros() as u64;
        let mut frames = Vec::new();
        match bytes {
            Some(bytes) => self.framer.push(bytes, now_us, &mut frames),
            None => self.framer.tick(now_us, &mut frames),
        }
        if self.doubt.is_new(bytes.map_or(0, <[u8]>::len), &frames) {
            let path = &self.place;
            tracing::warn!(
                source = self.link.name(),
                "nothing that comes from {path} is a good frame: {} or the framing may be wrong",
                port::line_settings(self.settings)
            );
        }
        if self.skips_next && !frames.is_empty() {
            self.skips_next = false;
            frames.remove(0);
        }
        if !frames.is_empty() {
            self.link.offer(frames.into_iter().map(|content| (Some(self.place.clone()), content)).collect());
        }
    }

    /// The port is gone, and with it what had come of a frame.
    fn gone(&mut self, why: &str) -> String {
        let mut frames = Vec::new();
        self.framer.break_off(framing::BROKEN_OFF, &mut frames);
        if !frames.is_empty() {
            self.link.offer(frames.into_iter().map(|content| (Some(self.place.clone()), content)).collect());
        }
        format!("{} is gone: {why}", self.place)
    }

    async fn write(&self, stream: &mut SerialStream, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        match tokio::time::timeout(WRITE_TIMEOUT, stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("can't write to {}: {error}", self.place)),
            Err(_) => Err(format!("{} takes no bytes: its flow control holds them up", self.place)),
        }
    }
}
