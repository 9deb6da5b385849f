//! The store's thread: commits one set at a time and reads logs for the uplink. It alone waits for the disk.
//!
//! Invariant: a set that could not be committed for want of space goes back to the core, which hands it over again until it is durable; nothing else
//! is committed in between. Any other failure ends the service: what is not durable is not acknowledged.
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
/// How long a set waits before the store looks whether there is space again, and how often that doubles at most: 64 s.
const SPACE_RETRY: Duration = Duration::from_millis(500);
const SPACE_RETRY_DOUBLINGS_MAX: u32 = 7;

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
    /// No space for this set: it is to come again after the pause.
    Down {
        reason: String,
        /// Not the first time in a row.
        again: bool,
        pause: Duration,
        changes: Box<ChangeSet>,
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
    let mut down = false;
    while let Some(request) = requests.blocking_recv() {
        let changes = match request {
            StoreRequest::Commit(changes) => changes,
            other => {
                activity.during(|| answer(&mut store, other));
                continue;
            }
        };
        match activity.during(|| store.commit(&changes)) {
            Ok(()) => {
                if std::mem::take(&mut down) {
                    tell(StoreNotice::Up);
                }
                tell(StoreNotice::Committed { number: changes.number });
                let bytes = changes.bytes();
                drop(changes);
                activity.during(|| store.free_replaced());
                if bytes >= MUCH_BYTES {
                    tell(StoreNotice::FreedMuch);
                }
            }
            Err(error @ CommitError::NoSpace { .. }) => {
                let again = std::mem::replace(&mut down, true);
                tell(StoreNotice::Down { reason: error.to_string(), again, pause: pause(store.fills()), changes });
            }
            Err(error) => return tell(StoreNotice::Failed(error)),
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

/// Until the store is asked again, having had no room. Looking costs nothing; a disk that fills up in the middle of a commit is closed, and sled's file
/// written over itself, so each such time in a row doubles the pause.
fn pause(fills: u32) -> Duration {
    let doublings = fills.saturating_sub(1).min(SPACE_RETRY_DOUBLINGS_MAX);
    SPACE_RETRY * (1 << doublings)
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
    fn a_set_for_which_there_is_no_room_goes_back_and_is_taken_when_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = DiskStore::open(crate::store::StoreSettings::new(dir.path(), 0, 0, 1)).unwrap();
        let (requests, waiting) = mpsc::channel(REQUESTS_MAX);
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || serve(store, waiting, &Activity::default(), |notice| tell.send(notice).unwrap()));
        let mut changes = Box::new(ChangeSet { number: 1, puts: vec![(b"key".to_vec(), b"value".to_vec())], ..ChangeSet::default() });
        for before in [false, true] {
            requests.blocking_send(StoreRequest::Commit(changes)).unwrap();
            let StoreNotice::Down { again, changes: back, pause, .. } = told.recv().unwrap() else { panic!("there is no room") };
            assert_eq!((again, back.number, back.puts.len(), pause), (before, 1, 1, SPACE_RETRY));
            changes = back;
        }
        requests.blocking_send(StoreRequest::Limit(Limits { bytes_max: 1 << 30, free_space_min: 0 })).unwrap();
        requests.blocking_send(StoreRequest::Commit(changes)).unwrap();
        assert!(matches!(told.recv().unwrap(), StoreNotice::Up));
        assert!(matches!(told.recv().unwrap(), StoreNotice::Committed { number: 1 }));
        drop(requests);
        thread.join().unwrap();
        assert!(told.recv().is_err(), "nothing else");
    }

    #[test]
    fn the_pause_doubles_with_each_commit_in_a_row_that_fills_the_disk_up_to_a_limit() {
        let seconds: Vec<f64> = [0, 1, 2, 3, 8, 9, u32::MAX].map(|fills| pause(fills).as_secs_f64()).to_vec();
        assert_eq!(seconds, [0.5, 0.5, 1.0, 2.0, 64.0, 64.0, 64.0]);
    }

    #[test]
    fn an_attempt_is_seen_while_it_lasts() {
        let activity = Activity::default();
        assert_eq!(activity.busy_for(), None);
        assert!(activity.during(|| activity.busy_for()).is_some());
        assert_eq!(activity.busy_for(), None);
    }
}
