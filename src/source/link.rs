//! A source's tie to the core: hands frames over, hears what is durable, when to wait and when to leave. Every source but MQTT's works through it.
//!
//! Invariants:
//! - Frames are numbered in the order in which they are handed over; what the core has and has not yet made durable is at most `bytes_max` and
//!   one hand-over more.
//! - A source that can wait uses [`Link::send`], and loses nothing; one that cannot uses [`Link::offer`], which never waits, and counts what is let go.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::SourceControl;
use crate::gateway::{Event, Frame, FrameContent, Position};
use crate::mqtt::driver::{Notices, Rate};
use crate::status::PeerStatus;

/// The core wants the source to end: to return from its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source has to leave")]
pub struct Leave;

/// One source's tie to the core.
pub struct Link {
    source: usize,
    name: String,
    events: mpsc::Sender<Event>,
    control: watch::Receiver<SourceControl>,
    stored_positions: Vec<(String, Vec<u8>)>,
    bytes_max: usize,
    rate: Rate,
    began: Instant,
    /// Of the last frame handed over.
    seq: u64,
    /// Bytes handed over and not durable; the last number and the cost of each hand-over.
    taken: usize,
    open: VecDeque<(u64, usize)>,
    durable_seq: u64,
    paused: bool,
    leaving: bool,
    notices: Notices,
    is_open: bool,
    dropped: (u64, u64),
    /// Not yet passed on.
    peers: Option<PeerStatus>,
}

impl Link {
    pub fn new(
        source: usize,
        name: &str,
        bytes_max: usize,
        rate: Rate,
        stored_positions: Vec<(String, Vec<u8>)>,
        events: mpsc::Sender<Event>,
        control: watch::Receiver<SourceControl>,
    ) -> Link {
        let mut link = Link {
            source,
            name: name.to_owned(),
            events,
            control,
            stored_positions,
            bytes_max,
            rate,
            began: Instant::now(),
            seq: 0,
            taken: 0,
            open: VecDeque::new(),
            durable_seq: 0,
            paused: false,
            leaving: false,
            notices: Notices::default(),
            is_open: false,
            dropped: (0, 0),
            peers: None,
        };
        link.heed(true);
        link
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The positions of the last commit before this start, by name.
    pub fn stored_positions(&self) -> &[(String, Vec<u8>)] {
        &self.stored_positions
    }

    /// The number that the next frame gets.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    /// The input is there. Logged once until [`Link::closed`] says something else.
    pub async fn opened(&mut self, detail: &str) -> Result<(), Leave> {
        if self.notices.connected() {
            tracing::info!(source = self.name, "{detail}");
        }
        self.is_open = true;
        self.tell(Event::Opened { source: self.source, detail: detail.to_owned() }).await
    }

    /// The input is not there, or no longer. A reason that was the last one too is not logged again.
    pub async fn closed(&mut self, reason: &str) -> Result<(), Leave> {
        let is_news = self.notices.problem(reason);
        if is_news {
            tracing::warn!(source = self.name, "{reason}; trying again until it works");
        }
        if is_news || std::mem::take(&mut self.is_open) {
            self.is_open = false;
            return self.tell(Event::Closed { source: self.source, reason: reason.to_owned() }).await;
        }
        Ok(())
    }

    /// The input has worked for a while: what goes wrong next is news.
    pub fn lasted(&mut self) {
        self.notices.lasted();
    }

    /// Hands frames over, and how far they lead, once there is room. `positions`: each with the number of the last frame before it.
    pub async fn send(&mut self, frames: Vec<(Option<Arc<str>>, FrameContent)>, positions: Vec<Position>) -> Result<(), Leave> {
        self.room().await?;
        let event = self.number(frames, positions);
        self.tell(event).await
    }

    /// Hands frames over if there is room, and else lets them go and counts them. `true` if they were taken.
    pub fn offer(&mut self, frames: Vec<(Option<Arc<str>>, FrameContent)>) -> bool {
        self.heed_if_changed();
        let now_us = self.now_us();
        let room = !self.is_full() && self.rate.wait_us(now_us) == 0;
        let Some(permit) = self.events.clone().try_reserve_owned().ok().filter(|_| room) else {
            self.dropped.0 += frames.len() as u64;
            self.dropped.1 += frames.iter().map(|(_, content)| length(content) as u64).sum::<u64>();
            return false;
        };
        let event = self.number(frames, Vec::new());
        permit.send(event);
        self.tell_dropped();
        true
    }

    /// Counts input that was let go before it became frames.
    pub fn count_dropped(&mut self, frames: u64, bytes: u64) {
        self.dropped.0 += frames;
        self.dropped.1 += bytes;
        self.tell_dropped();
    }

    /// How the source stands with its peers.
    pub fn tell_peers(&mut self, peers: PeerStatus) {
        self.peers = Some(peers);
        self.tell_dropped();
    }

    /// Passes the count of what was let go on, if there is one and the core has room for it.
    pub fn tell_dropped(&mut self) {
        let (frames, bytes) = self.dropped;
        if (frames, bytes) != (0, 0) && self.events.try_send(Event::Dropped { source: self.source, frames, bytes }).is_ok() {
            self.dropped = (0, 0);
        }
        if let Some(peers) = self.peers
            && self.events.try_send(Event::Peers { source: self.source, peers }).is_ok()
        {
            self.peers = None;
        }
    }

    /// Whether there is a count of what was let go that is not yet passed on.
    pub fn has_dropped(&self) -> bool {
        self.dropped != (0, 0)
    }

    /// Whether the core has no room for a hand-over.
    pub fn is_full(&self) -> bool {
        self.paused || self.taken >= self.bytes_max
    }

    /// Completes when there is room for a hand-over, and `max_rate` allows it. Nothing is lost if it is dropped.
    pub async fn room(&mut self) -> Result<(), Leave> {
        loop {
            while self.is_full() {
                self.heard().await?;
            }
            let now_us = self.now_us();
            match self.rate.wait_us(now_us) {
                0 => return Ok(()),
                wait_us => self.sleep(Duration::from_micros(wait_us)).await?,
            }
        }
    }

    fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// Completes when the source has to leave. Nothing is lost if it is dropped.
    pub async fn left(&mut self) -> Leave {
        loop {
            if let Err(leave) = self.heard().await {
                return leave;
            }
        }
    }

    /// The number of the last frame that is durable with all before it; frames of one hand-over become so together.
    pub fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// Completes when the frame of this number is durable; at once where none of it is handed over.
    pub async fn durable(&mut self, seq: u64) -> Result<(), Leave> {
        let seq = seq.min(self.seq);
        while self.durable_seq < seq {
            self.heard().await?;
        }
        Ok(())
    }

    /// Waits, unless the source has to leave.
    pub async fn sleep(&mut self, duration: Duration) -> Result<(), Leave> {
        match tokio::time::timeout(duration, self.left()).await {
            Ok(leave) => Err(leave),
            Err(_) => Ok(()),
        }
    }

    /// The input has come to its end: waits until all of it is durable.
    pub async fn finish(&mut self) -> Result<(), Leave> {
        self.tell_dropped();
        while !self.open.is_empty() {
            self.heard().await?;
        }
        self.tell(Event::Closed { source: self.source, reason: "the end of the input".to_owned() }).await
    }

    fn number(&mut self, frames: Vec<(Option<Arc<str>>, FrameContent)>, positions: Vec<Position>) -> Event {
        let mut cost = 0;
        let numbered = frames.into_iter().map(|(place, content)| {
            self.seq += 1;
            let frame = Frame { seq: self.seq, place, content };
            cost += frame.cost();
            frame
        });
        let frames: Vec<Frame> = numbered.collect();
        let now_us = self.now_us();
        self.rate.take(frames.len(), now_us);
        if cost > 0 {
            self.taken += cost;
            self.open.push_back((self.seq, cost));
        }
        Event::Frames { source: self.source, frames, positions }
    }

    async fn tell(&mut self, event: Event) -> Result<(), Leave> {
        self.events.send(event).await.map_err(|_| Leave)?;
        self.heed_if_changed();
        if self.leaving { Err(Leave) } else { Ok(()) }
    }

    /// Waits for the core's next word.
    async fn heard(&mut self) -> Result<(), Leave> {
        if self.leaving {
            return Err(Leave);
        }
        let told = self.control.changed().await.is_ok();
        self.heed(told);
        if self.leaving { Err(Leave) } else { Ok(()) }
    }

    fn heed_if_changed(&mut self) {
        match self.control.has_changed() {
            Ok(true) => self.heed(true),
            Ok(false) => {}
            Err(_) => self.leaving = true,
        }
    }

    fn heed(&mut self, told: bool) {
        let control = *self.control.borrow_and_update();
        self.paused = control.paused;
        self.leaving |= control.leave || !told;
        let Some((_, through_seq)) = control.acknowledge else { return };
        while let Some((seq, cost)) = self.open.front().copied()
            && seq <= through_seq
        {
            self.taken -= cost;
            self.durable_seq = seq;
            self.open.pop_front();
        }
    }
}

/// Bytes of a frame as it came.
fn length(content: &FrameContent) -> usize {
    match content {
        FrameContent::Whole(bytes) => bytes.len(),
        FrameContent::Bad { length, .. } => *length,
    }
}
