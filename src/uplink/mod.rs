//! From committed results to the other side: one task a sink, each with its delivery window over the sink's log.
//!
//! Nothing is published that is not durable; nothing counts as delivered before the other side has acknowledged it.

pub mod delivery;
mod feed;
mod file;
mod lines;
mod mqtt;

use tokio::sync::{mpsc, watch};

use crate::config::settings::{SinkKind, SinkSettings};
use crate::gateway::{Cursor, Event};
use crate::store::LogName;
use crate::store::service::StoreRequest;

/// What a sink's task is told; the latest word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// Committed start and end of the sink's log.
    pub start: u64,
    pub end: u64,
    /// Deliver what is there, then end.
    pub finish: bool,
    /// End now: what is in flight is delivered by another task.
    pub leave: bool,
}

/// A sink's ties to the rest of the gateway.
pub struct Link {
    pub sink: usize,
    pub log: LogName,
    pub cursor: Cursor,
    pub control: watch::Receiver<Control>,
    pub store: mpsc::Sender<StoreRequest>,
    pub events: mpsc::Sender<Event>,
}

/// Delivers a sink's log until told to finish, or dropped.
pub async fn run(gateway: &str, settings: &SinkSettings, link: Link) {
    let feed = feed::Feed::new(&settings.name, link);
    match &settings.kind {
        SinkKind::Mqtt(mqtt) => mqtt::run(gateway, &settings.name, mqtt, feed).await,
        SinkKind::File { path, rotate_bytes, rotate_age, keep_files } => {
            let rotation = file::Rotation { bytes_max: *rotate_bytes, age_max: *rotate_age, files_kept: *keep_files };
            lines::run(lines::Output::File { path: path.clone(), rotation }, feed).await;
        }
        SinkKind::Stdout => lines::run(lines::Output::Stdout, feed).await,
    }
}
