//! Inputs: one file a kind of source. A source hands what it reads to the core and acknowledges what the core has made durable.

mod custom;
pub mod file;
pub mod framing;
mod link;
mod mqtt;
pub mod passed;
mod sensors;
mod serial;
mod simulate;
mod socket;
mod stdin;
mod tcp;
mod udp;

pub use crate::mqtt::driver::SourceControl;
pub use link::{Leave, Link};

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::config::settings::{SourceKind, SourceSettings};
use crate::gateway::Event;
use crate::mqtt::driver::{Rate, SourceEvent};

/// What a source had durable at the start.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// The filters that its broker's session holds.
    pub filters: Vec<String>,
    /// How far it had read each of its inputs.
    pub positions: Vec<(String, Vec<u8>)>,
}

/// What a source starts from.
#[derive(Debug, Default)]
pub struct Beginning {
    pub stored: Stored,
    /// The service manager's socket for it.
    pub socket: Option<Arc<passed::PassedSocket>>,
}

/// Why a source's task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to.
    Left,
    /// Its input has come to its end, and all of it is durable.
    Ended,
}

/// Runs a source until told to leave, or to its input's end. Each of its events goes into `events` with the source's number.
pub async fn run(
    source: usize,
    settings: &SourceSettings,
    intake_bytes_max: usize,
    Beginning { stored, socket }: Beginning,
    events: mpsc::Sender<Event>,
    control: watch::Receiver<SourceControl>,
) -> Outcome {
    let link = |events, control| {
        Link::new(source, &settings.name, intake_bytes_max, Rate::new(settings.rate_max), stored.positions.clone(), events, control)
    };
    let done = match &settings.kind {
        SourceKind::Mqtt(_) => {
            mqtt::run(source, settings, intake_bytes_max, stored.filters, events, control).await;
            Err(Leave)
        }
        SourceKind::File(files) => file::run(settings, files, link(events, control)).await,
        SourceKind::Stdin(framing) => stdin::run(framing, link(events, control)).await,
        SourceKind::Serial(settings) => serial::run(settings, link(events, control)).await,
        SourceKind::Tcp(settings) => tcp::run(settings, socket.as_deref(), link(events, control)).await,
        SourceKind::Udp(settings) => udp::run(settings, socket.as_deref(), link(events, control)).await,
        SourceKind::Simulate(settings) => simulate::run(settings, link(events, control)).await,
        SourceKind::Custom(receiver) => custom::run(receiver, settings.payload_bytes_max, link(events, control)).await,
        SourceKind::Status => Err(link(events, control).left().await),
    };
    if done.is_ok() { Outcome::Ended } else { Outcome::Left }
}

/// Never completes without a time.
async fn sleep_until(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl From<(usize, SourceEvent)> for Event {
    fn from((source, event): (usize, SourceEvent)) -> Event {
        match event {
            SourceEvent::Connected { connection, resumed } => Event::Connected { source, connection, resumed },
            SourceEvent::Messages { connection, messages, bytes: _ } => Event::Messages { source, connection, messages },
            SourceEvent::Proven { connection, through_seq } => Event::Proven { source, connection, through_seq },
            SourceEvent::Subscribed { filters } => Event::Subscribed { source, filters },
            SourceEvent::Disconnected { connection, reason: _ } => Event::Disconnected { source, connection },
            SourceEvent::Warning(text) => Event::SourceTrouble { source, text },
        }
    }
}
