//! The core's thread: feeds events and the clock to the gateway, carries out its actions, tells how things are once a minute.
//!
//! It never waits for anything but events: commits go to the store's queue, which has room for the one in flight; words for sources and sinks
//! go into watched cells, where the latest counts. So no queue between the threads can block it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::hooks::{ALIVE_INTERVAL_US, Hooks};
use super::report::Report;
use crate::gateway::{Action, Event, Gateway};
use crate::source::SourceControl;
use crate::status::Status;
use crate::store::CommitError;
use crate::store::service::{StoreNotice, StoreRequest};
use crate::uplink::Control;

/// Events that may wait for the core. A message event holds one read of a socket; their bytes are bounded by the sources' budgets.
pub const EVENTS_MAX: usize = 1_024;
/// Events handled before the deadlines are looked at again.
const EVENTS_AT_ONCE: usize = 64;

/// What comes in to the core's thread.
pub enum Input {
    Event(Event),
    Store(StoreNotice),
    /// Tells when everything received is durable and every moved cursor too.
    Stop(oneshot::Sender<()>),
}

/// How the core's thread ended.
#[derive(Debug)]
pub enum Ended {
    Finished,
    StoreFailed(CommitError),
}

/// The core and its ties.
pub struct Core {
    pub gateway: Gateway,
    pub clock: Clock,
    pub inputs: mpsc::Receiver<Input>,
    pub store: mpsc::Sender<StoreRequest>,
    pub sources: Vec<watch::Sender<SourceControl>>,
    pub sinks: Vec<watch::Sender<Control>>,
    pub hooks: Hooks,
    pub status: Arc<Mutex<Status>>,
}

impl Core {
    /// Runs until all inputs are gone or the store has failed.
    pub async fn run(mut self) -> Ended {
        let mut waiting_for_stop = Vec::new();
        let mut report = Report::new(&self.gateway.status(), self.clock.mono_us());
        let mut inputs = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let now_us = self.clock.mono_us();
            let alive_us = now_us + ALIVE_INTERVAL_US;
            let wake_us = self.gateway.wake_at_us(self.clock.stamp()).map_or(alive_us, |wake| wake.min(alive_us));
            let wake = tokio::time::Instant::from_std(self.clock.instant(wake_us));
            match tokio::time::timeout_at(wake, self.inputs.recv_many(&mut inputs, EVENTS_AT_ONCE)).await {
                Ok(0) => return Ended::Finished,
                Ok(_) => {}
                Err(_) => inputs.push(Input::Event(Event::Tick)),
            }
            self.hooks.alive();
            for input in inputs.drain(..) {
                let event = match input {
                    Input::Event(event) => event,
                    Input::Stop(done) => {
                        waiting_for_stop.push(done);
                        Event::Stop
                    }
                    Input::Store(StoreNotice::Committed { number }) => Event::Committed { number },
                    Input::Store(StoreNotice::Down { reason }) => {
                        tracing::error!("{reason}. Input is not acknowledged until there is space; the same batch is tried again");
                        Event::StoreDown { reason }
                    }
                    Input::Store(StoreNotice::Up) => {
                        tracing::info!("the store has space again");
                        Event::StoreUp
                    }
                    Input::Store(StoreNotice::Failed(error)) => return Ended::StoreFailed(error),
                };
                for action in self.gateway.on(event, self.clock.stamp()) {
                    self.carry_out(action, &mut waiting_for_stop);
                }
            }
            if report.is_due(self.clock.mono_us()) {
                let status = self.gateway.status();
                report.tell(&status, self.clock.mono_us());
                *self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = status;
            }
        }
    }

    fn carry_out(&mut self, action: Action, waiting_for_stop: &mut Vec<oneshot::Sender<()>>) {
        match action {
            Action::Commit(changes) => {
                let sent = self.store.try_send(StoreRequest::Commit(changes));
                debug_assert!(!matches!(sent, Err(mpsc::error::TrySendError::Full(_))), "the queue has room for the one commit");
            }
            Action::Acknowledge { source, connection, through_seq } => {
                self.sources[source].send_modify(|control| control.acknowledge = Some((connection, through_seq)));
            }
            Action::PauseSources => self.pause(true),
            Action::ResumeSources => self.pause(false),
            Action::Deliver { sink, start, end } => self.sinks[sink].send_modify(|control| (control.start, control.end) = (start, end)),
            Action::Stopped => waiting_for_stop.drain(..).for_each(|done| drop(done.send(()))),
        }
    }

    fn pause(&self, paused: bool) {
        self.sources.iter().for_each(|source| source.send_modify(|control| control.paused = paused));
    }
}

/// Runs a core on a thread of its own, with a small runtime for its timers.
pub fn spawn(core: Core) -> std::io::Result<oneshot::Receiver<Ended>> {
    let (tell, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("core".to_owned()).spawn(move || {
        // Nobody waits for the end when the process is already leaving.
        let _ = tell.send(runtime.block_on(core.run()));
    })?;
    Ok(ended)
}

/// How long the core may take to make its last batch durable when the store is well.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
