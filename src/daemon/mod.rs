//! The running gateway: opens the store, starts the threads, wires them, and ends them in order.
//!
//! Threads: the core (pure, never waits), the store (waits for the disk), and the caller's tokio runtime for all sockets.
//! The order at the end: input stops and the last batch becomes durable; sources acknowledge it and leave; sinks go on delivering for a
//! bounded time; the last cursors become durable; the store closes.

mod ask;
mod clock;
mod core;
mod hooks;
mod rates;
mod reload;
mod report;
mod settled;
mod summary;
mod synchronised;
mod tables;
mod tasks;
mod watchdog;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::ask::{Answerer, Socket};
use self::clock::Clock;
use self::core::{Core, EVENTS_MAX, Slots, Ties};
use self::reload::ReloadError;
use self::tasks::{Ended, SinkTask, SourceTask};
use self::watchdog::Watchdog;
use crate::config::SECTIONS_MAX;
use crate::config::settings::{GatewaySettings, Settings, SinkSettings};
use crate::control::server::{Answer, Asked};
use crate::control::{Request, Response};
use crate::gateway::{Discard, Event, Gateway, Seeds, StartError};
use crate::source::passed::Passed;
use crate::status::Status;
use crate::store::service::{self, Activity, REQUESTS_MAX, StoreNotice, StoreRequest};
use crate::store::{CommitError, DiskStore, LogName, ReadError, SegmentMeta, StoreError, StoreSettings};

pub use self::hooks::Hooks;
pub use self::reload::Load;

/// How long the core may take to make its last batch durable: a slow card, or a store that is being copied for a backup.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(45);
/// What a stop takes beside waiting.
const STOP_SPARE: Duration = Duration::from_secs(10);
/// Read at once of what waits at the start.
const WAITING_READ_BYTES: u64 = 1 << 20;

/// Why the daemon ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error("no random numbers from the system: {0}")]
    Random(getrandom::Error),
    #[error("the store has failed, nothing more can be made durable: {0}. What was not acknowledged is still with the broker")]
    StoreFailed(CommitError),
    #[error("the core has stopped working")]
    CoreGone,
    #[error(
        "the store's thread has stopped working; what was not acknowledged is still with the broker, what came otherwise since the last commit is lost"
    )]
    StoreGone,
    #[error("the task of a source or sink has stopped working: {0}")]
    TaskGone(tokio::task::JoinError),
    #[error(
        "the last batch could not be made durable within {0:?}; what was not acknowledged is still with the broker, what came otherwise since \
         the last commit is lost; check the disk"
    )]
    NotDurable(Duration),
}

/// What a run is told besides its settings.
#[derive(Default)]
pub struct Options {
    /// Stored state and results that are thrown away.
    pub discard: Discard,
    pub hooks: Hooks,
    /// Where the status is left once a minute, for whoever shows it.
    pub status: Arc<Mutex<Status>>,
    /// How the configuration is read again; without it the gateway can't reload.
    pub reload: Option<Load>,
    /// Each word asks for a reload, as by a signal.
    pub reload_signals: Option<mpsc::Receiver<()>>,
    /// Sockets from the service manager, for the sources that listen there.
    pub passed: Passed,
}

/// Runs the gateway until `shutdown` completes. Must run inside a tokio runtime.
pub async fn run(settings: Settings, mut options: Options, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    let (load, mut signals) = (options.reload.take(), options.reload_signals.take());
    let mut running = Running::start(settings, options)?;
    let mut socket = Socket::open(&running.gateway.data_dir);
    running.hooks.ready();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut settled = std::pin::pin!(tokio::time::sleep(settled::SETTLED_AFTER));
    let mut is_settled = false;
    let freed_much = running.freed_much.clone();
    loop {
        let wanted = tokio::select! {
            () = &mut shutdown => return running.stop(socket).await,
            () = running.input_ended() => {
                tracing::info!("all sources have come to their end");
                return running.stop(socket).await;
            }
            error = running.lifelines.failed() => return Err(error),
            () = &mut settled, if !is_settled => {
                settled::give_back();
                is_settled = true;
                continue;
            }
            () = freed_much.notified() => {
                settled.as_mut().reset(tokio::time::Instant::now() + settled::SETTLED_AFTER);
                is_settled = false;
                continue;
            }
            Some(Asked { request, answer }) = socket.asked.recv() => match request {
                Request::Reload { discard_state: state, discard_outbox: outboxes } => (Discard { state, outboxes }, Some(answer)),
                request => {
                    running.answerer.answer(Asked { request, answer });
                    continue;
                }
            },
            Some(()) = signalled(&mut signals) => (Discard::default(), None),
        };
        reload_or_refuse(&mut running, &mut socket, load.as_ref(), wanted).await?;
        settled.as_mut().reset(tokio::time::Instant::now() + settled::SETTLED_AFTER);
        is_settled = false;
    }
}

async fn signalled(signals: &mut Option<mpsc::Receiver<()>>) -> Option<()> {
    signals.as_mut()?.recv().await
}

/// Reloads and says how that went, to the log and to who asked. Other questions are answered meanwhile.
async fn reload_or_refuse(
    running: &mut Running,
    socket: &mut Socket,
    load: Option<&Load>,
    (discard, answer): (Discard, Option<oneshot::Sender<Answer>>),
) -> Result<(), DaemonError> {
    let (hooks, answerer) = (running.hooks, running.answerer.clone());
    hooks.reloading();
    let mut reloading = std::pin::pin!(async {
        match load {
            Some(load) => running.reload(load, &discard).await,
            None => Err(ReloadError::Refused("this gateway was started without a way to read its configuration again".to_owned())),
        }
    });
    let done = loop {
        tokio::select! {
            done = &mut reloading => break done,
            Some(asked) = socket.asked.recv() => answerer.answer(asked),
        }
    };
    hooks.reloaded();
    let response = match done {
        Ok(told) => {
            tracing::info!("{told}");
            Response::done(told + "\n")
        }
        Err(ReloadError::Refused(reason)) => {
            tracing::error!("the configuration is not reloaded, and everything goes on as it was: {reason}");
            Response::failed(reason)
        }
        Err(ReloadError::Fatal(error)) => return Err(error),
    };
    if let Some(answer) = answer {
        // A client that is gone needs no answer.
        let _ = answer.send(response.into());
    }
    Ok(())
}

struct Running {
    hooks: Hooks,
    clock: Clock,
    answerer: Arc<Answerer>,
    /// As of the last reload.
    gateway: GatewaySettings,
    events: mpsc::Sender<Event>,
    stopped: watch::Receiver<u64>,
    lifelines: Lifelines,
    store_thread: std::thread::JoinHandle<()>,
    /// A large commit is through.
    freed_much: Arc<Notify>,
    passed: Passed,
    /// In the order of the settings.
    sources: Vec<SourceTask>,
    sinks: Vec<SinkTask>,
    ended: Arc<Ended>,
    /// The slot of the first table.
    tables_from: usize,
    /// The next that no task has had.
    next_slot: usize,
}

/// All that must go on for the gateway to go on.
struct Lifelines {
    core_ended: oneshot::Receiver<()>,
    store_failed: oneshot::Receiver<CommitError>,
    sources: JoinSet<()>,
    sinks: JoinSet<()>,
    /// Those that watch files.
    tables: JoinSet<()>,
}

impl Lifelines {
    /// Completes when the gateway can't go on.
    async fn failed(&mut self) -> DaemonError {
        tokio::select! {
            biased;
            error = store_failure(&mut self.store_failed) => error,
            _ = &mut self.core_ended => DaemonError::CoreGone,
            error = task_failure(&mut self.sources) => DaemonError::TaskGone(error),
            error = task_failure(&mut self.sinks) => DaemonError::TaskGone(error),
            error = task_failure(&mut self.tables) => DaemonError::TaskGone(error),
        }
    }
}

impl Running {
    fn start(settings: Settings, options: Options) -> Result<Running, DaemonError> {
        let clock = Clock::start(settings.gateway.clock);
        let stamp = clock.stamp();
        let opened_at_s = stamp.wall_us.div_euclid(1_000_000).max(0) as u64;
        let gateway_settings = &settings.gateway;
        let store_settings =
            StoreSettings::new(&gateway_settings.data_dir, gateway_settings.store_bytes_max, gateway_settings.free_space_min, opened_at_s);
        let (store, loaded) = DiskStore::open(store_settings)?;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if let Some(place) = &loaded.quarantined {
            tracing::error!(
                "the store was corrupt and has been moved to {place}: state and positions are lost, results still waiting are delivered"
            );
        }
        tell_of_forgotten_sinks(&settings, &loaded.segments, &options.discard);
        let seeds = draw_seeds().map_err(DaemonError::Random)?;
        let mut gateway = Gateway::start(&settings, &loaded, seeds, &options.discard, stamp)?;
        drop(loaded);
        take_up_waiting(&settings, &store, &mut gateway);

        let (events, core_events) = mpsc::channel(EVENTS_MAX);
        // Each sink has one read at a time, and an aborted one's may still lie there: the core's commit always finds room.
        let (store_requests, requests) = mpsc::channel(REQUESTS_MAX + SECTIONS_MAX);
        let (activity, freed_much) = (Arc::new(Activity::default()), Arc::new(Notify::new()));
        let (store_thread, store_failed) = spawn_store(store, requests, activity.clone(), (events.downgrade(), freed_much.clone()))?;
        let settings = Arc::new(settings);
        let mut lifeline = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        let ended = Arc::new(Ended::new(BTreeSet::new()));
        let sources = tasks::start_sources(&settings, &options.passed, &gateway, &events, &ended, &mut lifeline.0);
        let sinks = tasks::start_sinks(&settings, &gateway, sources.len(), &events, &store_requests, &mut lifeline.1);
        let tables_from = sources.len() + sinks.len();
        tables::watch(&settings, tables_from, &events, &mut lifeline.2);
        tell_started(&settings, &gateway);
        options.passed.tell_unused(&settings.sources);
        let (stopped_tell, stopped) = watch::channel(0);
        let (core_requests, requests) = mpsc::channel(core::REQUESTS_MAX);
        let answerer = Arc::new(Answerer::new(core_requests, store_requests.downgrade(), &settings.gateway.data_dir));
        let core = Core {
            gateway,
            clock: clock.clone(),
            events: core_events,
            requests,
            store: store_requests,
            ties: Ties::of(&sources, &sinks, Slots::of(&sources, &sinks, tables_from, settings.tables.len())),
            holding: None,
            stopped: stopped_tell,
            hooks: options.hooks,
            watchdog: Watchdog::new(options.hooks, activity),
            status: options.status,
        };
        let core_ended = core::spawn(core)?;
        let (source_tasks, sink_tasks, table_tasks) = lifeline;
        Ok(Running {
            hooks: options.hooks,
            clock,
            answerer,
            gateway: settings.gateway.clone(),
            events,
            stopped,
            lifelines: Lifelines { core_ended, store_failed, sources: source_tasks, sinks: sink_tasks, tables: table_tasks },
            store_thread,
            freed_much,
            passed: options.passed,
            sources,
            sinks,
            ended,
            tables_from,
            next_slot: tables_from + settings.tables.len(),
        })
    }

    /// Completes when there is no source left that could bring anything.
    fn input_ended(&self) -> impl Future<Output = ()> + use<> {
        let (mut ended, all_ended) = (self.ended.subscribe(), reload::all_ended(&self.sources));
        async move {
            if ended.wait_for(all_ended).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn stop(mut self, socket: Socket) -> Result<(), DaemonError> {
        // Both waits come twice: before and after the sinks deliver, for sources and for sinks.
        self.hooks.stopping((SETTLE_TIMEOUT + self.gateway.shutdown_timeout) * 2 + STOP_SPARE);
        self.lifelines.tables.shutdown().await;
        self.settle().await?;
        self.sources.iter().for_each(|task| task.control.send_modify(|control| control.leave = true));
        let leaving = async { while self.lifelines.sources.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.gateway.shutdown_timeout, leaving).await;
        self.sinks.iter().for_each(|task| task.control.send_modify(|control| control.finish = true));
        let delivering = async { while self.lifelines.sinks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.gateway.shutdown_timeout, delivering).await.is_err() {
            tracing::info!("not everything is delivered: the rest waits in the outbox for the next start");
        }
        self.lifelines.sources.shutdown().await;
        self.lifelines.sinks.shutdown().await;
        self.settle().await?;
        drop(self.events);
        socket.close().await;
        let _ = self.lifelines.core_ended.await;
        let _ = tokio::task::spawn_blocking(move || self.store_thread.join()).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Has the core make durable what it holds.
    async fn settle(&mut self) -> Result<(), DaemonError> {
        self.stopped.mark_unchanged();
        self.events.send(Event::Stop).await.map_err(|_| DaemonError::CoreGone)?;
        let mut stopped = self.stopped.clone();
        tokio::select! {
            result = tokio::time::timeout(SETTLE_TIMEOUT, stopped.changed()) => match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(DaemonError::CoreGone),
                Err(_) => Err(DaemonError::NotDurable(SETTLE_TIMEOUT)),
            },
            error = self.lifelines.failed() => Err(error),
        }
    }
}

/// Completes when nothing more can be committed: the store has said why, or its thread is gone without a word.
async fn store_failure(failed: &mut oneshot::Receiver<CommitError>) -> DaemonError {
    failed.await.map_or(DaemonError::StoreGone, DaemonError::StoreFailed)
}

/// Completes when a task has panicked: without it a source or a sink would be silent for ever.
async fn task_failure(tasks: &mut JoinSet<()>) -> tokio::task::JoinError {
    loop {
        match tasks.join_next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return error,
            None => std::future::pending().await,
        }
    }
}

/// Has the core know what waits for the sinks that keep the latest of each key.
fn take_up_waiting(settings: &Settings, store: &DiskStore, gateway: &mut Gateway) {
    for (sink, SinkSettings { name, .. }) in settings.sinks.iter().enumerate() {
        let log = LogName::outbox(name);
        let mut next = gateway.wants_waiting(sink);
        while let Some(from) = next {
            match store.read_log(&log, from, WAITING_READ_BYTES) {
                Ok(chunks) => {
                    let end = chunks.last().map(|stored| stored.end);
                    gateway.take_up(sink, chunks);
                    next = end.filter(|_| gateway.wants_waiting(sink).is_some());
                }
                Err(ReadError::Damaged { next: sound, .. }) => next = Some(sound),
                Err(error) => {
                    tracing::error!(sink = %name, %error, "the outbox can't be read: when it is full, the oldest results go, not the superseded ones");
                    break;
                }
            }
        }
    }
}

fn tell_started(settings: &Settings, gateway: &Gateway) {
    tracing::info!(
        gateway = %settings.gateway.id,
        epoch = format_args!("{:016x}", gateway.epoch()),
        sources = settings.sources_from_outside(),
        tables = settings.tables.len(),
        queries = settings.queries.len(),
        sinks = settings.sinks.len(),
        data_dir = %settings.gateway.data_dir.display(),
        "gateway started"
    );
}

/// Results of a sink that the configuration no longer has stay where they are; somebody should know.
fn tell_of_forgotten_sinks(settings: &Settings, segments: &[(LogName, Vec<SegmentMeta>)], discard: &Discard) {
    let forgotten = segments.iter().filter_map(|(log, segments)| Some((log.sink()?, segments)));
    let unnamed = |sink: &str| settings.sinks.iter().all(|known| known.name != *sink) && !discard.outboxes.iter().any(|name| name == sink);
    for (sink, segments) in forgotten.filter(|(sink, _)| unnamed(sink)) {
        let records: u64 = segments.iter().map(|segment| segment.records).sum();
        tracing::warn!(
            sink,
            records,
            "the store holds results of a sink that the configuration does not name; they are kept and not sent: put the sink back with \
             retired = true to have them delivered, or discard them with --discard-outbox {sink}"
        );
    }
}

fn draw_seeds() -> Result<Seeds, getrandom::Error> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)?;
    let (epoch, hash) = bytes.split_at(4);
    Ok(Seeds {
        epoch: epoch.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)),
        hash: hash.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    })
}

fn spawn_store(
    store: DiskStore,
    requests: mpsc::Receiver<StoreRequest>,
    activity: Arc<Activity>,
    (events, freed_much): (mpsc::WeakSender<Event>, Arc<Notify>),
) -> std::io::Result<(std::thread::JoinHandle<()>, oneshot::Receiver<CommitError>)> {
    let (tell_failed, failed) = oneshot::channel();
    let mut tell_failed = Some(tell_failed);
    let tell = move |notice| {
        let event = match notice {
            StoreNotice::Committed { number } => Event::Committed { number },
            StoreNotice::FreedMuch => return freed_much.notify_one(),
            StoreNotice::Down { reason, again, pause, changes } => {
                if !again {
                    tracing::error!("{reason}. Input is not acknowledged until there is space; the same batch is tried again");
                }
                Event::StoreDown { reason, pause_us: u64::try_from(pause.as_micros()).unwrap_or(u64::MAX), changes }
            }
            StoreNotice::Up => {
                tracing::info!("the store has space again");
                Event::StoreUp
            }
            StoreNotice::Failed(error) => {
                if let Some(tell_failed) = tell_failed.take() {
                    // A daemon that is already leaving need not hear of it.
                    let _ = tell_failed.send(error);
                }
                return;
            }
        };
        if let Some(events) = events.upgrade() {
            // The core drains its queue whatever the store does; a core that is gone needs no word.
            let _ = events.blocking_send(event);
        }
    };
    let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || service::serve(store, requests, &activity, tell))?;
    Ok((thread, failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_thread_that_ends_without_a_word_ends_the_gateway() {
        let (tell, mut failed) = oneshot::channel();
        drop(tell);
        assert!(matches!(store_failure(&mut failed).await, DaemonError::StoreGone));
    }

    #[tokio::test]
    async fn a_task_that_panics_ends_the_gateway_and_one_that_ends_does_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(async { panic!("planted by the test") });
        assert!(task_failure(&mut tasks).await.is_panic());
    }
}
