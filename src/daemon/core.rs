//! The core's thread: feeds events and the clock to the gateway, carries out its actions, tells how things are once a minute.
//!
//! It never waits for anything but events: commits go to the store's queue, which has room for the one in flight; words for sources and sinks
//! go into watched cells, where the latest counts. So no queue between the threads can block it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::hooks::{ALIVE_INTERVAL_US, Hooks};
use super::rates::Rates;
use super::report::{Report, tell_all};
use super::summary::Summary;
use super::tasks::{SinkTask, SourceTask};
use super::watchdog::Watchdog;
use crate::engine::Identity;
use crate::gateway::{About, Action, Cursor, Event, Gateway, Heir, Heirs};
use crate::script::{STACK_BYTES_MIN, ScriptSampler};
use crate::source::{SourceControl, Stored};
use crate::status::Status;
use crate::store::service::StoreRequest;
use crate::types::ordered::map_of;
use crate::uplink::Control;

/// Events that may wait for the core. A message event holds one read of a socket; their bytes are bounded by the sources' budgets.
pub const EVENTS_MAX: usize = 1_024;
/// Between two samples of running scripts, ms: a query's scripts have [`crate::script::SAMPLES_MAX`] of these in a batch.
const SCRIPT_SAMPLE_MS: u64 = 500;
/// Events handled before the deadlines are looked at again.
const EVENTS_AT_ONCE: usize = 64;

/// Requests that may wait for the core; who asks then waits.
pub const REQUESTS_MAX: usize = 16;

/// What the core is asked by the daemon.
pub enum CoreRequest {
    Status {
        reply: oneshot::Sender<Status>,
    },
    /// Answered when everything received is durable; then nothing is committed until one of the other two comes.
    Hold {
        reply: oneshot::Sender<Held>,
    },
    Release,
    Swap(Box<Swap>),
}

/// What the queries of a held core are, by name.
pub type Held = BTreeMap<String, Identity>;

/// Another core, into the place of the held one, and what is around it.
pub struct Swap {
    pub gateway: Gateway,
    pub heirs: Heirs,
    pub ties: Ties,
    pub reply: oneshot::Sender<Starts>,
}

/// Where tasks begin, in the order of the settings.
#[derive(Debug, Default)]
pub struct Starts {
    pub sources: Vec<Stored>,
    pub sinks: Vec<Cursor>,
}

/// The tasks' ends of what the core tells them, in the order of the settings.
pub struct Ties {
    sources: Vec<Arc<watch::Sender<SourceControl>>>,
    sinks: Vec<Arc<watch::Sender<Control>>>,
    slots: Slots,
}

impl Ties {
    pub fn of(sources: &[SourceTask], sinks: &[SinkTask], slots: Slots) -> Ties {
        Ties {
            sources: sources.iter().map(|task| task.control.clone()).collect(),
            sinks: sinks.iter().map(|task| task.control.clone()).collect(),
            slots,
        }
    }
}

/// From the slots of tasks to indices of the settings.
#[derive(Debug, Default)]
pub struct Slots {
    sources: BTreeMap<usize, usize>,
    sinks: BTreeMap<usize, usize>,
    tables: Range<usize>,
}

impl Slots {
    pub fn of(sources: &[SourceTask], sinks: &[SinkTask], tables_from: usize, tables: usize) -> Slots {
        Slots {
            sources: map_of(sources.iter().enumerate().map(|(index, task)| (task.slot, index))),
            sinks: map_of(sinks.iter().enumerate().map(|(index, task)| (task.slot, index))),
            tables: tables_from..tables_from + tables,
        }
    }

    /// Puts the index into the place of the slot; `false` for what comes from a task that was replaced: nobody waits for it.
    fn renumber(&self, event: &mut Event) -> bool {
        let (slot, index) = match event.about() {
            About::Core => return true,
            About::Source(slot) => (self.sources.get(slot).copied(), slot),
            About::Sink(slot) => (self.sinks.get(slot).copied(), slot),
            About::Table(slot) => (self.tables.contains(slot).then(|| *slot - self.tables.start), slot),
        };
        slot.inspect(|known| *index = *known).is_some()
    }
}

/// The core and its ties.
pub struct Core {
    pub gateway: Gateway,
    pub clock: Clock,
    pub events: mpsc::Receiver<Event>,
    pub requests: mpsc::Receiver<CoreRequest>,
    pub store: mpsc::Sender<StoreRequest>,
    pub ties: Ties,
    /// Who waits for the core to be held.
    pub holding: Option<oneshot::Sender<Held>>,
    /// Counts how often everything received was durable after a [`Event::Stop`].
    pub stopped: watch::Sender<u64>,
    pub hooks: Hooks,
    pub watchdog: Watchdog,
    pub status: Arc<Mutex<Status>>,
}

impl Core {
    /// Runs until all senders of events are gone.
    pub async fn run(mut self) {
        let mut report = Report::new(&self.gateway.status(), self.clock.mono_us());
        // Nobody reads the line where there is no manager.
        let mut summary = self.hooks.has_manager().then(Summary::default);
        let mut rates = Rates::default();
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let alive_us = self.clock.mono_us() + ALIVE_INTERVAL_US;
            let wake_us = self.gateway.wake_at_us(self.clock.stamp()).map_or(alive_us, |wake| wake.min(alive_us));
            let wake = tokio::time::Instant::from_std(self.clock.instant(wake_us));
            tokio::select! {
                received = tokio::time::timeout_at(wake, self.events.recv_many(&mut events, EVENTS_AT_ONCE)) => match received {
                    Ok(0) => return tell_all(&self.gateway.status()),
                    Ok(_) => {}
                    Err(_) => events.push(Event::Tick),
                },
                Some(request) = self.requests.recv() => match request {
                    CoreRequest::Swap(swap) => {
                        self.swap(*swap);
                        (report, rates) = (Report::new(&self.gateway.status(), self.clock.mono_us()), Rates::default());
                    }
                    request => self.answer(request, &rates),
                },
            }
            events.drain(..).for_each(|event| self.handle(event));
            self.watchdog.feed(self.clock.mono_us());
            self.tell_manager(summary.as_mut());
            self.look_back(&mut report, &mut rates);
        }
    }

    fn tell_manager(&self, summary: Option<&mut Summary>) {
        let now_us = self.clock.mono_us();
        if let Some(summary) = summary.filter(|summary| summary.is_due(now_us))
            && let Some(line) = summary.tell(&self.gateway.status(), now_us, &self.clock.time_of_day())
        {
            self.hooks.status(line);
        }
    }

    /// Tells what went through, and samples it.
    fn look_back(&self, report: &mut Report, rates: &mut Rates) {
        let now_us = self.clock.mono_us();
        if rates.is_due(now_us) {
            rates.note(&self.gateway.status(), now_us);
        }
        if report.is_due(now_us) {
            let status = self.gateway.status();
            report.tell(&status, now_us);
            *self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = status;
        }
    }

    fn handle(&mut self, mut event: Event) {
        if self.ties.slots.renumber(&mut event) {
            for action in self.gateway.on(event, self.clock.stamp()) {
                self.carry_out(action);
            }
        }
    }

    /// The core changes hands. What the tasks that have left said until then is heard by the old one.
    fn swap(&mut self, swap: Swap) {
        while let Ok(event) = self.events.try_recv() {
            self.handle(event);
        }
        let Swap { gateway, heirs, ties, reply } = swap;
        let old = std::mem::replace(&mut self.gateway, gateway);
        self.gateway.take_over(old, &heirs, self.clock.stamp());
        self.ties = ties;
        if let Err(error) = self.watch_scripts() {
            tracing::error!(%error, "no thread to watch the scripts' time: they are held to their operations only");
        }
        let mut starts = Starts::default();
        for source in 0..self.ties.sources.len() {
            starts.sources.push(stored(&self.gateway, source));
        }
        for (sink, heir) in heirs.sinks.iter().enumerate() {
            let (cursor, end) = self.gateway.delivery_start(sink);
            starts.sinks.push(cursor);
            if !matches!(heir, Heir::Kept(_)) {
                self.ties.sinks[sink].send_modify(|control| (control.start, control.end) = (cursor.offset, end));
            }
        }
        // A daemon that is already leaving starts nothing.
        let _ = reply.send(starts);
    }

    fn watch_scripts(&self) -> std::io::Result<()> {
        let watch = self.gateway.script_watch();
        if watch.has_scripts() { watch_scripts(watch.sampler()) } else { Ok(()) }
    }

    fn answer(&mut self, request: CoreRequest, rates: &Rates) {
        match request {
            CoreRequest::Hold { reply } => {
                self.holding = Some(reply);
                self.handle(Event::Hold);
            }
            CoreRequest::Release => {
                self.holding = None;
                self.handle(Event::Release);
            }
            // It is dealt with by itself.
            CoreRequest::Swap(_) => {}
            CoreRequest::Status { reply } => {
                let mut status = self.gateway.status();
                rates.fill(&mut status, self.clock.mono_us());
                // Who asked may be gone.
                let _ = reply.send(status);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Commit(changes) => {
                let sent = self.store.try_send(StoreRequest::Commit(changes));
                debug_assert!(!matches!(sent, Err(mpsc::error::TrySendError::Full(_))), "the queue has room for the one commit");
            }
            Action::Acknowledge { source, connection, through_seq } => {
                self.ties.sources[source].send_modify(|control| control.acknowledge = Some((connection, through_seq)));
            }
            Action::PauseSources => self.pause(true),
            Action::ResumeSources => self.pause(false),
            Action::Deliver { sink, start, end } => {
                self.ties.sinks[sink].send_modify(|control| (control.start, control.end) = (start, end))
            }
            Action::Stopped => self.stopped.send_modify(|count| *count += 1),
            Action::Held => {
                if let Some(reply) = self.holding.take() {
                    // A daemon that has waited for too long lets the core go.
                    let _ = reply.send(self.gateway.identities());
                }
            }
        }
    }

    fn pause(&self, paused: bool) {
        self.ties.sources.iter().for_each(|source| source.send_modify(|control| control.paused = paused));
    }
}

/// What a source had durable when its task begins.
pub fn stored(gateway: &Gateway, source: usize) -> Stored {
    Stored { filters: gateway.stored_filters(source).to_vec(), positions: gateway.stored_positions(source) }
}

/// Runs a core on a thread of its own, with a small runtime for its timers. The receiver learns of its end.
pub fn spawn(core: Core) -> std::io::Result<oneshot::Receiver<()>> {
    core.watch_scripts()?;
    let (tell, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("core".to_owned()).stack_size(STACK_BYTES_MIN).spawn(move || {
        runtime.block_on(core.run());
        // Nobody waits for the end when the process is already leaving.
        let _ = tell.send(());
    })?;
    Ok(ended)
}

/// Takes samples until the gateway is gone. Counted, not timed: a process that was held up, or a machine that slept, is no long script.
fn watch_scripts(mut sampler: ScriptSampler) -> std::io::Result<()> {
    std::thread::Builder::new().name("scripts".to_owned()).spawn(move || {
        while sampler.sample() {
            std::thread::sleep(Duration::from_millis(SCRIPT_SAMPLE_MS));
        }
    })?;
    Ok(())
}
