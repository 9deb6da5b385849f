//! The tasks of sources and sinks, one each. A task is known to the core by its slot: a number that no other task of this process ever has, so that what
//! one says after it was replaced is nobody's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::core::stored;
use crate::config::settings::{Settings, SinkSettings, SourceKind, SourceSettings};
use crate::gateway::{Cursor, Event, Gateway};
use crate::source::passed::{Passed, PassedSocket};
use crate::source::{self, Beginning, Outcome, SourceControl, Stored};
use crate::store::LogName;
use crate::store::service::StoreRequest;
use crate::uplink::{self, Control, Link};

/// How long a task may take to leave in order; then it is ended.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Slots of the sources whose input has come to its end.
pub type Ended = watch::Sender<BTreeSet<usize>>;

pub struct SourceTask {
    pub slot: usize,
    pub settings: SourceSettings,
    intake_bytes_max: usize,
    /// The service manager's, for it to listen on.
    socket: Option<Arc<PassedSocket>>,
    pub control: Arc<watch::Sender<SourceControl>>,
    task: Option<AbortHandle>,
}

impl SourceTask {
    pub fn new(slot: usize, settings: &SourceSettings, intake_bytes_max: usize, socket: Option<Arc<PassedSocket>>) -> SourceTask {
        let control = Arc::new(watch::Sender::new(SourceControl::default()));
        SourceTask { slot, settings: settings.clone(), intake_bytes_max, socket, control, task: None }
    }

    pub fn is_from_outside(&self) -> bool {
        !matches!(self.settings.kind, SourceKind::Status)
    }

    pub fn start(&mut self, stored: Stored, events: &mpsc::Sender<Event>, ended: &Arc<Ended>, tasks: &mut JoinSet<()>) {
        let (slot, settings, bytes_max) = (self.slot, self.settings.clone(), self.intake_bytes_max);
        let (events, ended, control) = (events.clone(), ended.clone(), self.control.subscribe());
        let beginning = Beginning { stored, socket: self.socket.clone() };
        self.task = Some(tasks.spawn(async move {
            if source::run(slot, &settings, bytes_max, beginning, events, control).await == Outcome::Ended {
                ended.send_modify(|ended| _ = ended.insert(slot));
            }
        }));
    }

    /// Whether the task may go on under these settings: what it does of them is the same. What only the core does may differ.
    pub fn suits(&self, settings: &SourceSettings, intake_bytes_max: usize, socket: Option<&Arc<PassedSocket>>) -> bool {
        let SourceSettings { name, kind, decode, payload_bytes_max, rate_max, .. } = settings;
        let own = &self.settings;
        // Files are read with the columns in mind.
        let reads_columns = matches!(kind, SourceKind::File(_));
        own.name == *name
            && own.kind == *kind
            && own.payload_bytes_max == *payload_bytes_max
            && own.rate_max == *rate_max
            && self.intake_bytes_max == intake_bytes_max
            && self.socket.as_ref().map(Arc::as_ptr) == socket.map(Arc::as_ptr)
            && (!reads_columns || format!("{:?}", own.decode) == format!("{decode:?}"))
    }

    /// Has the task leave, and waits for its end.
    pub async fn leave(&self) {
        self.control.send_modify(|control| control.leave = true);
        gone(self.control.closed(), self.task.as_ref()).await;
    }
}

pub struct SinkTask {
    pub slot: usize,
    pub settings: SinkSettings,
    pub control: Arc<watch::Sender<Control>>,
    task: Option<AbortHandle>,
}

impl SinkTask {
    pub fn new(slot: usize, settings: &SinkSettings) -> SinkTask {
        let control = Arc::new(watch::Sender::new(Control::default()));
        SinkTask { slot, settings: settings.clone(), control, task: None }
    }

    /// The control already says where the log begins and ends.
    pub fn start(
        &mut self,
        gateway: &str,
        cursor: Cursor,
        events: &mpsc::Sender<Event>,
        store: &mpsc::Sender<StoreRequest>,
        tasks: &mut JoinSet<()>,
    ) {
        let (gateway, settings) = (gateway.to_owned(), self.settings.clone());
        let (control, log) = (self.control.subscribe(), LogName::outbox(&settings.name));
        let link = Link { sink: self.slot, log, cursor, control, store: store.clone(), events: events.clone() };
        self.task = Some(tasks.spawn(async move { uplink::run(&gateway, &settings, link).await }));
    }

    /// Whether the task may go on under these settings. Which queries it takes and how large its outbox may be is the core's business.
    pub fn suits(&self, settings: &SinkSettings) -> bool {
        self.settings.name == settings.name && self.settings.kind == settings.kind
    }

    /// Has the task leave with what it has in flight undelivered, and waits for its end.
    pub async fn leave(&self) {
        self.control.send_modify(|control| control.leave = true);
        gone(self.control.closed(), self.task.as_ref()).await;
    }
}

/// The tasks of all sources, at a start: slots from 0 on.
pub fn start_sources(
    settings: &Settings,
    passed: &Passed,
    gateway: &Gateway,
    events: &mpsc::Sender<Event>,
    ended: &Arc<Ended>,
    tasks: &mut JoinSet<()>,
) -> Vec<SourceTask> {
    let start = |(slot, source): (usize, &SourceSettings)| {
        let mut task = SourceTask::new(slot, source, settings.gateway.intake_bytes_max, passed.of_source(source, &settings.sources));
        task.start(stored(gateway, slot), events, ended, tasks);
        task
    };
    settings.sources.iter().enumerate().map(start).collect()
}

/// Those of all sinks, with the slots after.
pub fn start_sinks(
    settings: &Settings,
    gateway: &Gateway,
    first_slot: usize,
    events: &mpsc::Sender<Event>,
    store: &mpsc::Sender<StoreRequest>,
    tasks: &mut JoinSet<()>,
) -> Vec<SinkTask> {
    let start = |(index, sink): (usize, &SinkSettings)| {
        let mut task = SinkTask::new(first_slot + index, sink);
        let (cursor, end) = gateway.delivery_start(index);
        task.control.send_modify(|control| (control.start, control.end) = (cursor.offset, end));
        task.start(&settings.gateway.id, cursor, events, store, tasks);
        task
    };
    settings.sinks.iter().enumerate().map(start).collect()
}

async fn gone(closed: impl Future<Output = ()>, task: Option<&AbortHandle>) {
    let mut closed = std::pin::pin!(closed);
    if tokio::time::timeout(LEAVE_TIMEOUT, &mut closed).await.is_err()
        && let Some(task) = task
    {
        task.abort();
        closed.await;
    }
}
