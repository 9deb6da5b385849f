//! Inputs: one file a kind of source. A source hands what it reads to the core and acknowledges what the core has made durable.

pub mod mqtt;

pub use crate::mqtt::driver::SourceControl;

use tokio::sync::{mpsc, watch};

use crate::config::settings::{SourceKind, SourceSettings};
use crate::gateway::Event;
use crate::mqtt::driver::SourceEvent;

/// Runs a source until told to leave. Each of its events goes into `events` with the source's number.
pub async fn run(
    source: usize,
    settings: &SourceSettings,
    intake_bytes_max: usize,
    stored_filters: Vec<String>,
    events: mpsc::Sender<Event>,
    control: watch::Receiver<SourceControl>,
) {
    match &settings.kind {
        SourceKind::Mqtt(mqtt) => mqtt::run(source, &settings.name, mqtt, intake_bytes_max, stored_filters, events, control).await,
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
