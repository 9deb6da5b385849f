//! What the control socket asks, answered: each request on a task of its own, so that a slow store or client holds up nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::core::CoreRequest;
use crate::control::overview::{Overview, StoreUsage};
use crate::control::server::{Answer, Asked, Listener};
use crate::control::{Request, Response};
use crate::status::Status;
use crate::store::service::{StoreRequest, Usage};
use crate::store::snapshot;

/// How long the core may take to say how it is.
const CORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the store is waited for before the answer goes without it: it may be in the middle of a long write.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests that wait for the daemon; a client whose request finds no room waits.
const ASKED_MAX: usize = 16;

/// Whom the answers come from.
#[derive(Clone)]
pub struct Answerer {
    pub core: mpsc::Sender<CoreRequest>,
    pub store: mpsc::WeakSender<StoreRequest>,
    pub began: Instant,
    pub data_dir: PathBuf,
    /// One snapshot at a time.
    pub snapshots: Arc<Semaphore>,
}

/// A snapshot that somebody copies; removed when dropped.
struct Held {
    data_dir: PathBuf,
    _place: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = snapshot::remove(&self.data_dir) {
            tracing::warn!(%error, "the snapshot in {} can't be removed; the next start tries again", self.data_dir.display());
        }
    }
}

/// The control socket's requests. A gateway without a socket runs all the same, and none come.
pub struct Socket {
    pub asked: mpsc::Receiver<Asked>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl Socket {
    /// Opens the socket of a data directory, whose lock this process holds.
    pub fn open(data_dir: &Path) -> Socket {
        let (requests, asked) = mpsc::channel(ASKED_MAX);
        let server = match Listener::open(data_dir) {
            Ok(listener) => Some(tokio::spawn(async move {
                let gone = requests.clone();
                tokio::select! {
                    () = listener.serve(requests) => {}
                    () = gone.closed() => {}
                }
            })),
            Err(reason) => {
                tracing::warn!("there is no control socket, so that `tidemill status` and its like can't ask this gateway: {reason}");
                None
            }
        };
        Socket { asked, server }
    }

    /// Removes the socket; to be done before the store's lock is given back, since then another gateway may have its own there.
    pub async fn close(self) {
        drop(self.asked);
        if let Some(server) = self.server {
            // It has panicked, or has ended.
            let _ = server.await;
        }
    }
}

impl Answerer {
    pub fn new(core: mpsc::Sender<CoreRequest>, store: mpsc::WeakSender<StoreRequest>, data_dir: &Path) -> Answerer {
        Answerer { core, store, began: Instant::now(), data_dir: data_dir.to_owned(), snapshots: Arc::new(Semaphore::new(1)) }
    }

    /// Begins to answer.
    pub fn answer(self: &Arc<Answerer>, asked: Asked) {
        let this = self.clone();
        tokio::spawn(async move {
            let answer = match asked.request {
                Request::Status => this.status().await,
                Request::Snapshot => this.snapshot().await,
                // One at a time, and that is another's business.
                Request::Reload { .. } => Response::failed("a reload is under way already").into(),
            };
            // A client that is gone needs no answer.
            let _ = asked.answer.send(answer);
        });
    }

    async fn status(&self) -> Answer {
        let (reply, status) = oneshot::channel();
        let asked = async {
            self.core.send(CoreRequest::Status { reply }).await.ok()?;
            status.await.ok()
        };
        let Ok(Some(status)) = tokio::time::timeout(CORE_TIMEOUT, asked).await else {
            return Response::failed("the gateway's core does not answer").into();
        };
        let overview = self.overview(status, self.usage().await);
        let value = serde_json::to_value(&overview).expect("an overview has only strings, numbers and lists");
        Response { status: Some(value), ..Response::done(overview.render()) }.into()
    }

    async fn snapshot(&self) -> Answer {
        let Ok(place) = self.snapshots.clone().try_acquire_owned() else {
            return Response::failed("a backup is under way already").into();
        };
        let held = Held { data_dir: self.data_dir.clone(), _place: place };
        let began = Instant::now();
        let (reply, taken) = oneshot::channel();
        let asked = async { self.store.upgrade()?.send(StoreRequest::Snapshot { reply }).await.ok() };
        if asked.await.is_none() {
            return Response::failed("the gateway is ending").into();
        }
        match taken.await {
            Ok(Ok(taken)) => {
                tracing::info!(commit = taken.number, commits_waited_ms = began.elapsed().as_millis() as u64, "a snapshot for a backup");
                let value = serde_json::to_value(&taken).expect("a snapshot has only strings and numbers");
                let response = Response { snapshot: Some(value), ..Response::done("") };
                Answer { response, held: Some(Box::new(held)) }
            }
            Ok(Err(reason)) => Response::failed(reason).into(),
            Err(_) => Response::failed("the gateway is ending").into(),
        }
    }

    fn overview(&self, status: Status, store: Option<StoreUsage>) -> Overview {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Overview { version, pid: std::process::id(), uptime_s: self.began.elapsed().as_secs(), at_ms, store, status }
    }

    async fn usage(&self) -> Option<StoreUsage> {
        let (reply, usage) = oneshot::channel();
        self.store.upgrade()?.try_send(StoreRequest::Usage { reply }).ok()?;
        let Usage { used, max, free } = tokio::time::timeout(STORE_TIMEOUT, usage).await.ok()?.ok()?;
        Some(StoreUsage { used_bytes: used, bytes_max: max, free_bytes: free })
    }
}
