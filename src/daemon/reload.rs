//! A reload: the new configuration is checked whole, then put into the place of the old one between two batches.
//!
//! Invariants:
//! - Until the core has changed hands nothing is different: whatever fails before, the old core goes on, and its sources and sinks with it.
//! - No row is lost or doubled: the new core starts from the store, in which everything is that the old one had received, and takes over what waits
//!   (see `gateway::handover`).
//! - A source or sink whose own settings are the same keeps its task: connection, session and port stay. Another one leaves before its successor
//!   begins, so that no broker sees two clients of one name, and no port or file has two users.
//!
//! The steps: load and check; hold the core; read the store back, but what queries hold that are the same; start the new core from that; have those tasks leave that do not go on; change hands;
//! start new tasks. From the hold to the change of hands input waits, as it does while a commit is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::core::{CoreRequest, Held, Slots, Starts, Swap, Ties};
use super::tasks::{SinkTask, SourceTask};
use super::{DaemonError, Running, WAITING_READ_BYTES, draw_seeds, tables, tell_of_forgotten_sinks};
use crate::config::settings::{GatewaySettings, Settings, SourceKind};
use crate::gateway::{Discard, Gateway, Heir, Heirs, unchanged};
use crate::script::STACK_BYTES_MIN;
use crate::store::service::{Limits, StoreRequest};
use crate::store::{Loaded, LogName, ReadError};
use crate::types::ordered::map_of;

/// How long the core may take to make durable what it has.
const HOLD_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the configuration anew and checks it; the reason for people where it is no good.
pub type Load = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// Why a reload did not happen.
pub(super) enum ReloadError {
    /// Everything is as it was.
    Refused(String),
    /// The gateway can't go on.
    Fatal(DaemonError),
}

impl From<DaemonError> for ReloadError {
    fn from(error: DaemonError) -> ReloadError {
        ReloadError::Fatal(error)
    }
}

fn refused(reason: impl std::fmt::Display) -> ReloadError {
    ReloadError::Refused(reason.to_string())
}

impl Running {
    /// Reloads; what has changed, for people. What is held when this fails is let go again.
    pub(super) async fn reload(&mut self, load: &Load, discard: &Discard) -> Result<String, ReloadError> {
        let load = load.clone();
        let settings = on_large_stack(move || load()).await?.map_err(ReloadError::Refused)?;
        check_fixed(&self.gateway, &self.sources, &settings).map_err(ReloadError::Refused)?;
        settings.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.trim_end()));
        let running = self.hold().await?;
        let held = Instant::now();
        let unchanged = unchanged(&settings, &running, discard);
        let kept = unchanged.len();
        match self.prepare(settings, discard, unchanged).await {
            Ok((settings, gateway)) => {
                let told = self.change_hands(settings, gateway, kept).await?;
                Ok(format!("{told}; input waited for {} ms", held.elapsed().as_millis()))
            }
            Err(error) => {
                self.request(CoreRequest::Release).await?;
                Err(error)
            }
        }
    }

    async fn request(&self, request: CoreRequest) -> Result<(), DaemonError> {
        self.answerer.core.send(request).await.map_err(|_| DaemonError::CoreGone)
    }

    /// What the core's queries are, which makes no further step.
    async fn hold(&mut self) -> Result<Held, ReloadError> {
        let (reply, held) = oneshot::channel();
        self.request(CoreRequest::Hold { reply }).await?;
        tokio::select! {
            held = tokio::time::timeout(HOLD_TIMEOUT, held) => match held {
                Ok(Ok(running)) => return Ok(running),
                Ok(Err(_)) => return Err(DaemonError::CoreGone.into()),
                Err(_) => {}
            },
            error = self.lifelines.failed() => return Err(error.into()),
        }
        self.request(CoreRequest::Release).await?;
        Err(refused(format!(
            "what was received could not be made durable within {HOLD_TIMEOUT:?}: is the store full? See `tidemill status`"
        )))
    }

    async fn ask_store<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> StoreRequest) -> Result<T, DaemonError> {
        let (reply, answer) = oneshot::channel();
        let store = self.answerer.store.upgrade().ok_or(DaemonError::CoreGone)?;
        store.send(request(reply)).await.map_err(|_| DaemonError::StoreGone)?;
        answer.await.map_err(|_| DaemonError::StoreGone)
    }

    /// A core for the new settings, started from the store. The state of the queries `left_out` is not read: the running core hands it on.
    async fn prepare(
        &mut self,
        settings: Settings,
        discard: &Discard,
        left_out: BTreeSet<String>,
    ) -> Result<(Settings, Gateway), ReloadError> {
        let loaded: Loaded = self.ask_store(|reply| StoreRequest::Load { left_out, reply }).await?.map_err(refused)?;
        let seeds = draw_seeds().map_err(DaemonError::Random)?;
        let (stamp, discard) = (self.clock.stamp(), discard.clone());
        let (settings, gateway) = on_large_stack(move || {
            let gateway = Gateway::start(&settings, &loaded, seeds, &discard, stamp).map_err(refused)?;
            tell_of_forgotten_sinks(&settings, &loaded.segments, &discard);
            Ok::<_, ReloadError>((settings, gateway))
        })
        .await??;
        let gateway = self.take_up_waiting(&settings, gateway).await?;
        Ok((settings, gateway))
    }

    /// Has the new core know what waits for the sinks that keep the latest of each key.
    async fn take_up_waiting(&mut self, settings: &Settings, mut gateway: Gateway) -> Result<Gateway, DaemonError> {
        for (sink, sink_settings) in settings.sinks.iter().enumerate() {
            let mut next = gateway.wants_waiting(sink);
            while let Some(from) = next {
                let log = LogName::outbox(&sink_settings.name);
                let read = self.ask_store(|reply| StoreRequest::Read { log, from, bytes_max: WAITING_READ_BYTES, reply }).await?;
                next = match read {
                    Ok(chunks) => {
                        let end = chunks.last().map(|stored| stored.end);
                        gateway.take_up(sink, chunks);
                        end.filter(|_| gateway.wants_waiting(sink).is_some())
                    }
                    Err(ReadError::Damaged { next: sound, .. }) => Some(sound),
                    Err(error) => {
                        tracing::error!(sink = %sink_settings.name, %error, "the outbox can't be read: when it is full, the oldest results go, not the superseded ones");
                        None
                    }
                };
            }
        }
        Ok(gateway)
    }

    /// The core changes hands, and with it what is around it. From here on the new configuration is in force.
    async fn change_hands(&mut self, settings: Settings, gateway: Gateway, kept: usize) -> Result<String, DaemonError> {
        self.lifelines.tables.shutdown().await;
        let bytes_max = settings.gateway.intake_bytes_max;
        let mut old_sources = numbered(std::mem::take(&mut self.sources), |task| task.settings.name.clone());
        let mut old_sinks = numbered(std::mem::take(&mut self.sinks), |task| task.settings.name.clone());
        let mut heirs = Heirs::default();
        let mut leaving: Vec<Leaving> = Vec::new();
        for source in &settings.sources {
            let socket = self.passed.of_source(source, &settings.sources);
            let (heir, task) = match old_sources.remove(&source.name) {
                Some((index, task)) if task.suits(source, bytes_max, socket.as_ref()) => (Heir::Kept(index), Some(task)),
                Some((index, task)) => {
                    leaving.push(Leaving::Source(task));
                    (Heir::Restarted(index), None)
                }
                None => (Heir::New, None),
            };
            heirs.sources.push(heir);
            let task = task.unwrap_or_else(|| SourceTask::new(self.next_slot(), source, bytes_max, socket));
            self.sources.push(task);
        }
        for sink in &settings.sinks {
            let (heir, task) = match old_sinks.remove(&sink.name) {
                Some((index, task)) if task.suits(sink) => (Heir::Kept(index), Some(task)),
                Some((index, task)) => {
                    leaving.push(Leaving::Sink(task));
                    (Heir::Restarted(index), None)
                }
                None => (Heir::New, None),
            };
            heirs.sinks.push(heir);
            let task = task.unwrap_or_else(|| SinkTask::new(self.next_slot(), sink));
            self.sinks.push(task);
        }
        leaving.extend(old_sources.into_values().map(|(_, task)| Leaving::Source(task)));
        leaving.extend(old_sinks.into_values().map(|(_, task)| Leaving::Sink(task)));
        all_left(leaving).await;
        self.tables_from = self.next_slot;
        self.next_slot += settings.tables.len();
        let slots = Slots::of(&self.sources, &self.sinks, self.tables_from, settings.tables.len());
        let ties = Ties::of(&self.sources, &self.sinks, slots);
        let (reply, starts) = oneshot::channel();
        let told = describe(&settings, &heirs, kept);
        self.passed.tell_unused(&settings.sources);
        self.request(CoreRequest::Swap(Box::new(Swap { gateway, heirs: heirs.clone(), ties, reply }))).await?;
        let starts = starts.await.map_err(|_| DaemonError::CoreGone)?;
        self.begin(settings, &heirs, starts).await?;
        Ok(told)
    }

    /// Starts the tasks that are new.
    async fn begin(&mut self, settings: Settings, heirs: &Heirs, starts: Starts) -> Result<(), DaemonError> {
        let store = self.answerer.store.upgrade().ok_or(DaemonError::CoreGone)?;
        let is_kept = |heir: &Heir| matches!(heir, Heir::Kept(_));
        for ((task, heir), stored) in self.sources.iter_mut().zip(&heirs.sources).zip(starts.sources) {
            if !is_kept(heir) {
                task.start(stored, &self.events, &self.ended, &mut self.lifelines.sources);
            }
        }
        for (((task, heir), cursor), sink) in self.sinks.iter_mut().zip(&heirs.sinks).zip(starts.sinks).zip(&settings.sinks) {
            task.settings = sink.clone();
            if !is_kept(heir) {
                task.start(&settings.gateway.id, cursor, &self.events, &store, &mut self.lifelines.sinks);
            }
        }
        for (task, source) in self.sources.iter_mut().zip(&settings.sources) {
            task.settings = source.clone();
        }
        let limits = Limits { bytes_max: settings.gateway.store_bytes_max, free_space_min: settings.gateway.free_space_min };
        store.send(StoreRequest::Limit(limits)).await.map_err(|_| DaemonError::StoreGone)?;
        let settings = Arc::new(settings);
        tables::watch(&settings, self.tables_from, &self.events, &mut self.lifelines.tables);
        self.gateway = settings.gateway.clone();
        Ok(())
    }

    fn next_slot(&mut self) -> usize {
        self.next_slot += 1;
        self.next_slot - 1
    }
}

/// A task that does not go on.
enum Leaving {
    Source(SourceTask),
    Sink(SinkTask),
}

/// All leave at once; each has its time.
async fn all_left(leaving: Vec<Leaving>) {
    let mut all = tokio::task::JoinSet::new();
    for task in leaving {
        all.spawn(async move {
            match task {
                Leaving::Source(task) => task.leave().await,
                Leaving::Sink(task) => task.leave().await,
            }
        });
    }
    while all.join_next().await.is_some() {}
}

fn numbered<T>(tasks: Vec<T>, name: impl Fn(&T) -> String) -> BTreeMap<String, (usize, T)> {
    map_of(tasks.into_iter().enumerate().map(|(index, task)| (name(&task), (index, task))))
}

/// What a running gateway cannot change.
fn check_fixed(gateway: &GatewaySettings, sources: &[SourceTask], new: &Settings) -> Result<(), String> {
    let restart = "this can't be changed while the gateway runs: restart it";
    if gateway.id != new.gateway.id {
        return Err(format!("the gateway's id is {}, and {} in the new configuration; {restart}", gateway.id, new.gateway.id));
    }
    if gateway.data_dir != new.gateway.data_dir {
        let (old, new) = (gateway.data_dir.display(), new.gateway.data_dir.display());
        return Err(format!("the data directory is {old}, and {new} in the new configuration; {restart}"));
    }
    if gateway.clock != new.gateway.clock {
        return Err(format!("`clock` of [gateway] is another in the new configuration; {restart}"));
    }
    if let Some(table) = new.tables.iter().find_map(|table| Some((&table.name, table.trouble.as_ref()?))) {
        return Err(format!("the file of the table `{}` is bad: {}", table.0, table.1));
    }
    // A thread waits in a read of it that nothing ends.
    let stdin = |task: &&SourceTask| matches!(task.settings.kind, SourceKind::Stdin(_));
    if let Some(stdin) = sources.iter().find(stdin) {
        let name = &stdin.settings.name;
        let goes_on = new.sources.iter().any(|source| stdin.suits(source, new.gateway.intake_bytes_max, None));
        return if goes_on { Ok(()) } else { Err(format!("the source `{name}` reads standard input; {restart}")) };
    }
    Ok(())
}

/// `queries`: how many keep their state in memory.
fn describe(settings: &Settings, heirs: &Heirs, queries: usize) -> String {
    let count = |heirs: &[Heir], total: usize| {
        let kept = heirs[..total].iter().filter(|heir| matches!(heir, Heir::Kept(_))).count();
        format!("{kept} of {total} went on as they were")
    };
    format!(
        "reloaded: sources: {}; queries: {queries} of {} went on as they were; tables: {}; sinks: {}",
        count(&heirs.sources, settings.sources_from_outside()),
        settings.queries.len(),
        settings.tables.len(),
        count(&heirs.sinks, heirs.sinks.len())
    )
}

/// Where scripts may be compiled, and SQL planned.
async fn on_large_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReloadError> {
    let (tell, done) = oneshot::channel();
    let thread = std::thread::Builder::new().name("reload".to_owned()).stack_size(STACK_BYTES_MIN);
    thread.spawn(move || _ = tell.send(work())).map_err(|error| refused(format!("no thread can be started: {error}")))?;
    done.await.map_err(|_| refused("the configuration could not be worked through; the log of the standard error says why"))
}

/// Whether all sources from outside have come to their end.
pub(super) fn all_ended(sources: &[SourceTask]) -> impl Fn(&BTreeSet<usize>) -> bool + use<> {
    let slots: Vec<usize> = sources.iter().filter(|task| task.is_from_outside()).map(|task| task.slot).collect();
    move |ended| slots.iter().all(|slot| ended.contains(slot))
}
