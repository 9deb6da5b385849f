//! What the core is told and what it asks for. Indices of sources, tables, queries and sinks are those of the settings.

use super::frame::{Frame, Position};
use super::outbox::Cursor;
use crate::format::reference::ReferenceContents;
use crate::mqtt::Inbound;
use crate::status::PeerStatus;
use crate::store::ChangeSet;

/// Something happened outside.
#[derive(Clone, Debug)]
pub enum Event {
    /// A source's connection was accepted; `resumed`: the broker still had our session.
    Connected {
        source: usize,
        connection: u64,
        resumed: bool,
    },
    /// In order of arrival.
    Messages {
        source: usize,
        connection: u64,
        messages: Vec<Inbound>,
    },
    /// The broker has read our acknowledgements through `through_seq`.
    Proven {
        source: usize,
        connection: u64,
        through_seq: u64,
    },
    /// The broker's session holds exactly these filters.
    Subscribed {
        source: usize,
        filters: Vec<String>,
    },
    Disconnected {
        source: usize,
        connection: u64,
    },
    /// From a source that is no broker's client, in the order of reading; `seq` counts on over all its ports and peers.
    Frames {
        source: usize,
        frames: Vec<Frame>,
        /// In the order of their `through_seq`.
        positions: Vec<Position>,
    },
    /// Such a source has its input: a port is open, a file found, a socket bound. `detail` says which.
    Opened {
        source: usize,
        detail: String,
    },
    /// Its input is gone.
    Closed {
        source: usize,
        reason: String,
    },
    /// Input that was let go by the source's policy, for want of room or by its rate.
    Dropped {
        source: usize,
        frames: u64,
        bytes: u64,
    },
    /// How a source that listens stands with its peers.
    Peers {
        source: usize,
        peers: PeerStatus,
    },
    /// For people: what keeps the source from working.
    SourceTrouble {
        source: usize,
        text: String,
    },
    /// A reference table's file has changed, and this is in it now.
    TableRead {
        table: usize,
        contents: ReferenceContents,
    },
    /// A reference table's file cannot be taken; the version before stays.
    TableRefused {
        table: usize,
        reason: String,
    },
    /// The change set of this number is durable.
    Committed {
        number: u64,
    },
    /// The store has no room for this change set, the one in flight: it is to be handed over again after the pause.
    StoreDown {
        reason: String,
        pause_us: u64,
        changes: Box<ChangeSet>,
    },
    /// The store works again; its [`Event::Committed`] follows.
    StoreUp,
    SinkConnected {
        sink: usize,
        connected: bool,
    },
    /// All records of the sink before `cursor` are acknowledged or refused; `count` since the last time.
    Delivered {
        sink: usize,
        cursor: Cursor,
        count: u64,
    },
    /// The other side refuses this record for good. Comes before the [`Event::Delivered`] that passes it.
    Refused {
        sink: usize,
        topic: String,
        payload: Vec<u8>,
        reason: String,
    },
    /// A deadline of [`super::Gateway::wake_at_us`] has passed.
    Tick,
    /// Commit what is there, then [`Action::Held`]: close no further batch until [`Event::Release`], or until another core has taken over. What arrives waits.
    Hold,
    /// Go on.
    Release,
    /// Take no more input, commit what is there, acknowledge it, then [`Action::Stopped`].
    Stop,
}

/// What is to be done, in this order.
#[derive(Clone, Debug)]
pub enum Action {
    /// Also once more what [`Event::StoreDown`] gave back.
    Commit(Box<ChangeSet>),
    /// Everything received on this connection through `through_seq` is durable.
    Acknowledge {
        source: usize,
        connection: u64,
        through_seq: u64,
    },
    /// The store is down: disconnect every source and stay away until [`Action::ResumeSources`].
    PauseSources,
    ResumeSources,
    /// The sink's log holds committed records between these offsets.
    Deliver {
        sink: usize,
        start: u64,
        end: u64,
    },
    /// Everything received is durable and acknowledged.
    Stopped,
    /// Likewise, after [`Event::Hold`].
    Held,
}

/// Whom an event is about: its index, to be looked at or changed.
#[derive(Debug)]
pub enum About<'e> {
    Source(&'e mut usize),
    Table(&'e mut usize),
    Sink(&'e mut usize),
    Core,
}

impl Event {
    pub fn about(&mut self) -> About<'_> {
        match self {
            Event::Connected { source, .. }
            | Event::Messages { source, .. }
            | Event::Proven { source, .. }
            | Event::Subscribed { source, .. }
            | Event::Disconnected { source, .. }
            | Event::Frames { source, .. }
            | Event::Opened { source, .. }
            | Event::Closed { source, .. }
            | Event::Dropped { source, .. }
            | Event::Peers { source, .. }
            | Event::SourceTrouble { source, .. } => About::Source(source),
            Event::TableRead { table, .. } | Event::TableRefused { table, .. } => About::Table(table),
            Event::SinkConnected { sink, .. } | Event::Delivered { sink, .. } | Event::Refused { sink, .. } => About::Sink(sink),
            Event::Committed { .. }
            | Event::StoreDown { .. }
            | Event::StoreUp
            | Event::Tick
            | Event::Hold
            | Event::Release
            | Event::Stop => About::Core,
        }
    }
}
