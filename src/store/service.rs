//! The store's thread: commits one set at a time and reads logs for the uplink. It alone waits for the disk.
//!
//! Invariant: a set that could not be committed for want of space is applied again after reopening, until it is durable; nothing else is
//! committed in between. Any other failure ends the service: what is not durable is not acknowledged.
//!
//! Limits: the request queue holds [`REQUESTS_MAX`]; the core has one commit in flight, each sink one read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::snapshot::Snapshot;
use super::{ChangeSet, CommitError, DiskStore, Loaded, LogName, ReadError, StoredChunk};

/// Requests that may wait.
pub const REQUESTS_MAX: usize = 256;
/// Bytes of a large commit.
const MUCH_BYTES: usize = 4 << 20;
/// How often the store looks whether there is space again.
const SPACE_RETRY: Duration = Duration::from_millis(500);

/// What the store is asked.
pub enum StoreRequest {
    Commit(Box<ChangeSet>),
    /// Chunks of a log from an offset on, about `bytes_max` of them, at least one.
    Read {
        log: LogName,
        from: u64,
        bytes_max: u64,
        reply: oneshot::Sender<Result<Vec<StoredChunk>, ReadError>>,
    },
    Usage {
        reply: oneshot::Sender<Usage>,
    },
    /// All that the store holds, as of the last commit, but the state of these queries; the reason for people where it can't be read.
    Load {
        left_out: BTreeSet<String>,
        reply: oneshot::Sender<Result<Loaded, String>>,
    },
    /// Its limits from now on.
    Limit(Limits),
    /// A copy beside it, as of the last commit.
    Snapshot {
        reply: oneshot::Sender<Result<Snapshot, String>>,
    },
}

/// What the store may take and must leave, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub bytes_max: u64,
    pub free_space_min: u64,
}

/// What the store takes, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    /// Its quota.
    pub max: u64,
    /// On its file system; 0 where that can't be measured.
    pub free: u64,
}

/// What the store tells.
#[derive(Debug)]
pub enum StoreNotice {
    Committed {
        number: u64,
    },
    /// The memory that a large commit took is free again.
    FreedMuch,
    /// No space: the same set is tried again.
    Down {
        reason: String,
    },
    Up,
    /// Nothing more can be committed by this process.
    Failed(CommitError),
}

/// Since when the store has been in one attempt to read or to commit, for whoever watches it.
#[derive(Debug)]
pub struct Activity {
    began: Instant,
    /// ms since `began`, and one more; 0 while it waits for requests or for space.
    since_ms: AtomicU64,
}

impl Default for Activity {
    fn default() -> Activity {
        Activity { began: Instant::now(), since_ms: AtomicU64::new(0) }
    }
}

impl Activity {
    /// How long the present attempt has taken; `None` between attempts.
    pub fn busy_for(&self) -> Option<Duration> {
        let since_ms = self.since_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.began.elapsed().saturating_sub(Duration::from_millis(since_ms)))
    }

    fn during<T>(&self, attempt: impl FnOnce() -> T) -> T {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.since_ms.store(now_ms + 1, Ordering::Relaxed);
        let done = attempt();
        self.since_ms.store(0, Ordering::Relaxed);
        done
    }
}

/// Serves requests until all senders are gone.
pub fn serve(mut store: DiskStore, mut requests: mpsc::Receiver<StoreRequest>, activity: &Activity, mut tell: impl FnMut(StoreNotice)) {
    while let Some(request) = requests.blocking_recv() {
        match request {
            StoreRequest::Commit(changes) => match commit(&mut store, &changes, &mut requests, activity, &mut tell) {
                Some(Ok(())) => {
                    tell(StoreNotice::Committed { number: changes.number });
                    let bytes = changes.bytes();
                    drop(changes);
                    activity.during(|| store.free_replaced());
                    if bytes >= MUCH_BYTES {
                        tell(StoreNotice::FreedMuch);
                    }
                }
                Some(Err(error)) => return tell(StoreNotice::Failed(error)),
                None => return,
            },
            other => activity.during(|| answer(&mut store, other)),
        }
    }
    store.close();
}

/// Deals with what changes nothing on the disk.
fn answer(store: &mut DiskStore, request: StoreRequest) {
    // One who asked and is gone needs no answer.
    match request {
        StoreRequest::Read { log, from, bytes_max, reply } => _ = reply.send(store.read_log(&log, from, bytes_max)),
        StoreRequest::Usage { reply } => _ = reply.send(store.usage()),
        StoreRequest::Load { left_out, reply } => _ = reply.send(store.load(left_out)),
        StoreRequest::Limit(limits) => store.limit(limits),
        StoreRequest::Snapshot { reply } => _ = reply.send(store.snapshot()),
        StoreRequest::Commit(_) => debug_assert!(false, "one commit is in flight"),
    }
}

/// `None` when everybody has gone while the store was down.
fn commit(
    store: &mut DiskStore,
    changes: &ChangeSet,
    requests: &mut mpsc::Receiver<StoreRequest>,
    activity: &Activity,
    tell: &mut impl FnMut(StoreNotice),
) -> Option<Result<(), CommitError>> {
    let mut result = activity.during(|| store.commit(changes));
    let mut down = false;
    while let Err(error @ CommitError::NoSpace { .. }) = &result {
        if !down {
            tell(StoreNotice::Down { reason: error.to_string() });
            down = true;
        }
        std::thread::sleep(SPACE_RETRY);
        loop {
            match requests.try_recv() {
                Ok(request) => activity.during(|| answer(store, request)),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
            }
        }
        result = activity.during(|| store.reopen().and_then(|()| store.commit(changes)));
    }
    if down && result.is_ok() {
        tell(StoreNotice::Up);
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreSettings;

    #[test]
    fn a_large_commit_alone_is_told_to_have_freed_much() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = DiskStore::open(StoreSettings::new(dir.path(), 1 << 30, 0, 0)).unwrap();
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let put = |number, bytes| ChangeSet { number, puts: vec![(b"a".to_vec(), vec![7; bytes])], ..ChangeSet::default() };
        for set in [put(1, MUCH_BYTES - 2), put(2, MUCH_BYTES - 1), put(3, 1)] {
            requests.try_send(StoreRequest::Commit(Box::new(set))).unwrap_or_else(|_| panic!("there is room"));
        }
        drop(requests);
        let mut told = Vec::new();
        serve(store, queue, &Activity::default(), |notice| told.push(notice));
        let told: Vec<String> = told.iter().map(|notice| format!("{notice:?}")).collect();
        assert_eq!(told, ["Committed { number: 1 }", "Committed { number: 2 }", "FreedMuch", "Committed { number: 3 }"]);
    }

    #[test]
    fn an_attempt_is_seen_while_it_lasts() {
        let activity = Activity::default();
        assert_eq!(activity.busy_for(), None);
        assert!(activity.during(|| activity.busy_for()).is_some());
        assert_eq!(activity.busy_for(), None);
    }
}
