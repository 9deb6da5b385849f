//! The running gateway: opens the store, starts the threads, wires them, and ends them in order.
//!
//! Threads: the core (pure, never waits), the store (waits for the disk), and the caller's tokio runtime for all sockets.
//! The order at the end: input stops and the last batch becomes durable; sources acknowledge it and leave; sinks go on delivering for a
//! bounded time; the last cursors become durable; the store closes.

mod clock;
mod core;
mod hooks;
mod report;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::clock::Clock;
use self::core::{Core, EVENTS_MAX, Ended, Input, STOP_TIMEOUT};
use crate::config::settings::Settings;
use crate::gateway::{Event, Gateway, Seeds, StartError};
use crate::source::{self, SourceControl};
use crate::status::Status;
use crate::store::service::{self, REQUESTS_MAX, StoreRequest};
use crate::store::{CommitError, DiskStore, LogName, StoreError, StoreSettings};
use crate::uplink::{self, Control, Link};

pub use self::hooks::Hooks;

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
    #[error("the last batch could not be made durable within {0:?}; what was not acknowledged is still with the broker")]
    NotDurable(Duration),
}

/// What a run is told besides its settings.
#[derive(Debug, Default)]
pub struct Options {
    /// Queries whose stored state is thrown away.
    pub discard_state: Vec<String>,
    pub hooks: Hooks,
    /// Where the status is left once a minute, for whoever shows it.
    pub status: Arc<Mutex<Status>>,
}

/// Runs the gateway until `shutdown` completes. Must run inside a tokio runtime.
pub async fn run(settings: Settings, options: Options, shutdown: impl Future<Output = ()>) -> Result<(), DaemonError> {
    let mut running = Running::start(settings, options)?;
    tokio::select! {
        () = shutdown => running.stop().await,
        ended = &mut running.core_ended => Err(match ended {
            Ok(Ended::StoreFailed(error)) => DaemonError::StoreFailed(error),
            Ok(Ended::Finished) | Err(_) => DaemonError::CoreGone,
        }),
    }
}

struct Running {
    hooks: Hooks,
    shutdown_timeout: Duration,
    inputs: mpsc::Sender<Input>,
    core_ended: oneshot::Receiver<Ended>,
    store_thread: std::thread::JoinHandle<()>,
    /// Words of the daemon itself to sources and sinks: that it is time to leave.
    source_leave: watch::Sender<bool>,
    sink_finish: watch::Sender<bool>,
    sources: JoinSet<()>,
    sinks: JoinSet<()>,
}

impl Running {
    fn start(settings: Settings, options: Options) -> Result<Running, DaemonError> {
        let clock = Clock::start();
        let stamp = clock.stamp();
        let opened_at_s = stamp.wall_us.div_euclid(1_000_000).max(0) as u64;
        let gateway_settings = &settings.gateway;
        let store_settings =
            StoreSettings::new(&gateway_settings.data_dir, gateway_settings.store_bytes_max, gateway_settings.free_space_min, opened_at_s);
        let (store, loaded) = DiskStore::open(store_settings)?;
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        if let Some(place) = &loaded.quarantined {
            tracing::error!("the store was corrupt and has been moved to {place}: state and positions are lost, results still waiting are delivered");
        }
        tell_of_forgotten_sinks(&settings, &loaded.segments);
        let seeds = draw_seeds().map_err(DaemonError::Random)?;
        let gateway = Gateway::start(&settings, &loaded, seeds, &options.discard_state, stamp)?;
        drop(loaded);

        let (inputs, core_inputs) = mpsc::channel(EVENTS_MAX);
        let (store_requests, requests) = mpsc::channel(REQUESTS_MAX);
        let store_thread = spawn_store(store, requests, inputs.clone())?;
        let mut sources = JoinSet::new();
        let mut sinks = JoinSet::new();
        let (source_leave, leave) = watch::channel(false);
        let (sink_finish, finish) = watch::channel(false);
        let events = forward_events(inputs.clone());
        let source_controls = start_sources(&settings, &gateway, &events, &leave, &mut sources);
        let sink_controls = start_sinks(&settings, &gateway, &events, &store_requests, &finish, &mut sinks);
        tracing::info!(
            gateway = %gateway_settings.id,
            epoch = format_args!("{:016x}", gateway.epoch()),
            sources = settings.sources.len(),
            queries = settings.queries.len(),
            sinks = settings.sinks.len(),
            data_dir = %gateway_settings.data_dir.display(),
            "gateway started"
        );
        let core = Core {
            gateway,
            clock,
            inputs: core_inputs,
            store: store_requests,
            sources: source_controls,
            sinks: sink_controls,
            hooks: options.hooks,
            status: options.status,
        };
        let core_ended = core::spawn(core)?;
        options.hooks.ready();
        let shutdown_timeout = settings.gateway.shutdown_timeout;
        Ok(Running { hooks: options.hooks, shutdown_timeout, inputs, core_ended, store_thread, source_leave, sink_finish, sources, sinks })
    }

    async fn stop(mut self) -> Result<(), DaemonError> {
        self.hooks.stopping();
        self.settle().await?;
        self.source_leave.send_replace(true);
        let leaving = async { while self.sources.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.shutdown_timeout, leaving).await;
        self.sink_finish.send_replace(true);
        let delivering = async { while self.sinks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shutdown_timeout, delivering).await.is_err() {
            tracing::info!("not everything is delivered: the rest waits in the outbox for the next start");
        }
        self.sources.shutdown().await;
        self.sinks.shutdown().await;
        self.settle().await?;
        drop(self.inputs);
        let _ = self.core_ended.await;
        let _ = tokio::task::spawn_blocking(move || self.store_thread.join()).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Has the core make durable what it holds.
    async fn settle(&mut self) -> Result<(), DaemonError> {
        let (done, settled) = oneshot::channel();
        self.inputs.send(Input::Stop(done)).await.map_err(|_| DaemonError::CoreGone)?;
        tokio::select! {
            result = tokio::time::timeout(STOP_TIMEOUT, settled) => match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(DaemonError::CoreGone),
                Err(_) => Err(DaemonError::NotDurable(STOP_TIMEOUT)),
            },
            ended = &mut self.core_ended => Err(match ended {
                Ok(Ended::StoreFailed(error)) => DaemonError::StoreFailed(error),
                Ok(Ended::Finished) | Err(_) => DaemonError::CoreGone,
            }),
        }
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
    inputs: mpsc::Sender<Input>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let inputs = inputs.downgrade();
    let tell = move |notice| {
        if let Some(inputs) = inputs.upgrade() {
            // The core drains its queue whatever the store does; a core that is gone needs no word.
            let _ = inputs.blocking_send(Input::Store(notice));
        }
    };
    std::thread::Builder::new().name("store".to_owned()).spawn(move || service::serve(store, requests, tell))
}
