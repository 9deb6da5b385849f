//! The pure core: events in, actions out. It owns decoders, engine, redelivery records and the books of the outboxes.
//!
//! The micro-batch is the transaction. Invariants:
//! - At most one change set is in flight, until it is durable, however often the store has no room for it. While it is, messages are decoded into the open batch, and `Engine::step` is not called: memory is
//!   ahead of the disk by at most that one set.
//! - A message is acknowledged only when a durable change set covers it, in order of arrival, on its own connection.
//! - Results become visible to the uplink only when they are durable; the cursor moves only over what the other side has acknowledged.
//! - Where nothing arrives, nothing is proven, delivered or closed by the clock, nothing is written.
//! - Stream time goes back only between two batches, in the commit of the step that closes what the time before held open.
//!
//! No IO, no clock, no randomness: time comes in a [`Stamp`], random numbers in [`Seeds`]. Given equal events, equal actions follow.

mod closing;
mod dead_letters;
mod event;
mod frame;
mod frames;
mod handover;
mod intake;
mod latest;
mod notes;
mod outbox;
mod positions;
mod redelivery;
mod restore;
mod returned;
mod sinks;
mod stall;
mod stream_time;
mod tables;

pub use event::{About, Action, Event};
pub use frame::{Frame, FrameContent, POSITION_NAME_BYTES_MAX, POSITIONS_MAX, Position};
pub use handover::{Heir, Heirs, unchanged};
pub use outbox::{Cursor, DropReason, Tombstone};
pub use restore::{Discard, Seeds, StartError, engine_settings};
pub use sinks::SinkRecord;

use std::collections::BTreeSet;

use crate::batch::Stamp;
use crate::engine::Engine;
use crate::sabotage::{Fault, planted};
use crate::script::ScriptWatch;
use crate::status::{DeadLetterStatus, QueryStatus, Status};
use crate::store::{LogName, StoredChunk};
use dead_letters::DeadLetters;
use handover::Hold;
use intake::{Intake, Receipt};
use notes::SourceState;
use outbox::Outbox;
use returned::Returned;
use sinks::SinkBooks;
use stream_time::StreamTime;
use tables::Tables;

/// Delivered records after which the cursor is made durable without waiting.
const CURSOR_RECORDS_MAX: u64 = 1_000;
/// How long a moved cursor may stay undurable; a crash repeats at most what was delivered in it.
const CURSOR_DELAY_US: u64 = 5_000_000;
/// How often the age of the outbox is looked at.
const TRIM_INTERVAL_US: u64 = 60_000_000;

/// The core.
pub struct Gateway {
    id: String,
    batch_interval_us: u64,
    batch_rows_max: usize,
    start_count: u32,
    /// Drawn at the first start and stored: the redelivery records and the engine's buckets depend on it.
    hash_seed: u64,
    epoch: u64,
    intakes: Vec<Intake>,
    /// The source behind `_status`, if a query reads it.
    status_table: Option<usize>,
    engine: Engine,
    tables: Tables,
    sinks: Vec<SinkBooks>,
    dead_letters: DeadLetters,
    dead_letter_log: Outbox,
    queries: Vec<QueryStatus>,
    dead_letter_status: DeadLetterStatus,
    /// Number of the last change set handed to the store.
    number: u64,
    committing: Option<Committing>,
    store_down: Option<String>,
    /// Arrival time.
    stream_time: StreamTime,
    clock_set_back: u64,
    /// When the open batch got its first news, if it has any.
    opened_us: Option<u64>,
    last_commit_us: u64,
    last_step_us: u64,
    last_trim_us: u64,
    /// Keys of state that is thrown away, for the first commit.
    discarded: Vec<Vec<u8>>,
    /// Segments of outboxes that are thrown away, likewise.
    discarded_segments: Vec<(LogName, u64)>,
    started: bool,
    stopping: bool,
    stopped: bool,
    hold: Hold,
    /// Queries whose state the core that it takes over from has.
    moving: BTreeSet<String>,
    blocked_told: bool,
    commits: u64,
    committed: u64,
}

/// The change set in flight, and what is to happen when it is durable.
struct Committing {
    number: u64,
    receipts: Vec<Receipt>,
    /// Where it waits for the store to have room.
    returned: Option<Returned>,
}

impl Gateway {
    /// Handles one event; `stamp` is when it happened.
    pub fn on(&mut self, event: Event, stamp: Stamp) -> Vec<Action> {
        let mut actions = Vec::new();
        self.stream_time.advance(stamp);
        if self.stream_time.is_to_go_back(stamp) {
            self.close_if_due(stamp, &mut actions); // What the event brings is to arrive by the new time, if no commit is in flight.
        }
        match event {
            Event::Connected { source, connection, resumed } => {
                self.intakes[source].connected(connection, resumed);
                self.note(source, SourceState::Connected, None, stamp);
            }
            Event::Disconnected { source, connection } => {
                self.intakes[source].disconnected(connection);
                self.note(source, SourceState::Disconnected, None, stamp);
            }
            Event::Messages { source, connection, messages } => self.receive(source, connection, messages, stamp, &mut actions),
            Event::Frames { source, frames, positions } => self.receive_frames(source, frames, positions, stamp),
            Event::Opened { source, detail } => {
                self.intakes[source].opened(&detail);
                self.note(source, SourceState::Connected, Some(&detail), stamp);
            }
            Event::Closed { source, reason } => {
                self.note(source, SourceState::Disconnected, Some(&reason), stamp);
                self.intakes[source].closed(reason);
            }
            Event::Dropped { source, frames, bytes } => self.intakes[source].dropped(frames, bytes),
            Event::Peers { source, peers } => self.intakes[source].status.peers = Some(peers),
            Event::Proven { source, connection, through_seq } => self.intakes[source].redelivery.proven(connection, through_seq),
            Event::Subscribed { source, filters } => self.intakes[source].subscribed(filters),
            Event::SourceTrouble { source, text } => self.intakes[source].status.trouble = Some(text),
            Event::TableRead { table, contents } => self.tables.read(table, &contents),
            Event::TableRefused { table, reason } => self.tables.refused(table, reason),
            Event::Committed { number } => self.committed(number, stamp, &mut actions),
            Event::StoreDown { reason, pause_us, changes } => self.returned(reason, pause_us, changes, stamp, &mut actions),
            Event::StoreUp => {
                self.store_down = None;
                if !self.stopping {
                    actions.push(Action::ResumeSources);
                }
            }
            Event::SinkConnected { sink, connected } => self.sinks[sink].status.connected = connected,
            Event::Delivered { sink, cursor, count } => self.sinks[sink].delivered(cursor, count, stamp),
            Event::Refused { sink, topic, payload, reason } => self.refused(sink, topic, &payload, reason, stamp),
            Event::Tick => {}
            Event::Stop => {
                self.release(stamp);
                self.retry_now(stamp);
                (self.stopping, self.stopped) = (true, false);
            }
            Event::Hold => self.hold(),
            Event::Release => self.release(stamp),
        }
        self.note_silences(stamp);
        self.close_if_due(stamp, &mut actions);
        actions
    }

    fn receive(&mut self, source: usize, connection: u64, messages: Vec<crate::mqtt::Inbound>, stamp: Stamp, actions: &mut Vec<Action>) {
        if self.stopping {
            return; // Not acknowledged: the broker keeps them for the next start.
        }
        let intake = &mut self.intakes[source];
        intake.receive(connection, messages, self.stream_time.now_us(), stamp, &mut self.dead_letters);
        if intake.has_news() {
            self.opened_us.get_or_insert(stamp.mono_us);
        }
        if planted(Fault::EarlyAck) {
            let Receipt { source, connection, through_seq, .. } = intake.receipt();
            actions.push(Action::Acknowledge { source, connection, through_seq });
        }
    }

    fn receive_frames(&mut self, source: usize, frames: Vec<Frame>, positions: Vec<Position>, stamp: Stamp) {
        if self.stopping {
            return; // Its position is not moved: it is read again at the next start.
        }
        let intake = &mut self.intakes[source];
        intake.receive_frames(frames, positions, self.stream_time.now_us(), stamp, &mut self.dead_letters);
        if intake.has_news() {
            self.opened_us.get_or_insert(stamp.mono_us);
        }
    }

    /// How far a source had read its inputs at the last commit, by name.
    pub fn stored_positions(&self, source: usize) -> Vec<(String, Vec<u8>)> {
        self.intakes[source].positions.stored()
    }

    /// When [`Event::Tick`] is to come if nothing else does, µs on the monotonic clock.
    pub fn wake_at_us(&self, stamp: Stamp) -> Option<u64> {
        if let Some(committing) = &self.committing {
            return committing.returned.as_ref().map(|returned| returned.retry_at_us);
        }
        if self.stopped || self.hold == Hold::Held {
            return None;
        }
        let bookkeeping = self.bookkeeping_due_us();
        let trim = Some(self.last_trim_us + TRIM_INTERVAL_US);
        if self.is_blocked() {
            return [bookkeeping, trim].into_iter().flatten().min();
        }
        [self.batch_due_us(stamp), bookkeeping, trim, self.silence_due_us()].into_iter().flatten().min()
    }

    /// The filters that the last commit knew a source to be subscribed to.
    pub fn stored_filters(&self, source: usize) -> &[String] {
        &self.intakes[source].filters
    }

    /// Where a sink's delivery goes on: its cursor and the committed end of its log.
    pub fn delivery_start(&self, sink: usize) -> (Cursor, u64) {
        let books = &self.sinks[sink].outbox;
        (books.cursor(), books.end())
    }

    /// Before the first event: from which offset on a sink's log is to be read and handed to [`Gateway::take_up`], if it is.
    pub fn wants_waiting(&self, sink: usize) -> Option<u64> {
        self.sinks[sink].outbox.wants_waiting()
    }

    /// Takes in what waits for a sink, chunk by chunk in order; none where no more can be read.
    pub fn take_up(&mut self, sink: usize, chunks: Vec<StoredChunk>) {
        self.sinks[sink].outbox.take_up(chunks);
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where its scripts can be seen and stopped by somebody who has a clock.
    pub fn script_watch(&self) -> &ScriptWatch {
        self.engine.script_watch()
    }

    pub fn status(&self) -> Status {
        Status {
            gateway: self.id.clone(),
            epoch: self.epoch,
            committed: self.committed,
            commits: self.commits,
            store_down: self.store_down.clone(),
            clock_set_back: self.clock_set_back,
            rows: self.intakes.iter().map(|intake| intake.status.decoded_rows).sum(),
            dead_letters: self.dead_letter_status.clone(),
            sources: self.intakes.iter().map(Intake::status).collect(),
            tables: self.tables.status(),
            queries: self.queries.iter().zip(self.engine.status()).map(|(counted, held)| query_status(counted, held)).collect(),
            sinks: self.sinks.iter().map(SinkBooks::status).collect(),
        }
    }

    /// Whether an outbox with the policy `block` is full: no batch is taken until its sink delivers.
    fn is_blocked(&self) -> bool {
        self.sinks.iter().any(|sink| sink.outbox.blocks())
    }
}

fn query_status(counted: &QueryStatus, held: crate::engine::QueryStatus) -> QueryStatus {
    QueryStatus {
        watermark_us: held.watermark_us,
        keys: held.keys as u64,
        state_bytes: held.bytes as u64,
        repeats: held.repeats,
        operators: held.operators,
        ..counted.clone()
    }
}
