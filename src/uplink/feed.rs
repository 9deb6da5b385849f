//! A delivery window tied to its log and to the core: fills it from the store, reports its progress.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Link;
use super::delivery::{Delivery, READ_AHEAD_BYTES, Refused};
use crate::gateway::Event;
use crate::store::ReadError;
use crate::store::service::StoreRequest;

/// Pause after the store could not read.
const READ_RETRY: Duration = Duration::from_secs(1);

pub struct Feed {
    pub delivery: Delivery,
    pub name: String,
    link: Link,
    began: Instant,
    connected: bool,
}

impl Feed {
    pub fn new(name: &str, mut link: Link) -> Feed {
        let end = link.control.borrow_and_update().end;
        Feed { delivery: Delivery::new(link.cursor, end), name: name.to_owned(), link, began: Instant::now(), connected: false }
    }

    /// µs since this feed began, the clock of its retries.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When a refused record may be sent again.
    pub fn retry_at(&self) -> Option<Instant> {
        self.delivery.retry_at_us().map(|at_us| self.began + Duration::from_micros(at_us))
    }

    /// Waits for news from the core; `false` when it is gone.
    pub async fn changed(&mut self) -> bool {
        let alive = self.link.control.changed().await.is_ok();
        self.look();
        alive
    }

    fn look(&mut self) {
        let control = *self.link.control.borrow_and_update();
        self.delivery.available(control.start, control.end);
    }

    /// Whether the task is to end, whatever waits.
    pub fn is_leaving(&self) -> bool {
        self.link.control.borrow().leave
    }

    /// Completes when the task is to end.
    pub async fn left(&mut self) {
        while !self.is_leaving() && self.changed().await {}
    }

    /// Whether the sink is to leave, or was told to finish and has delivered everything, or the core is gone.
    pub fn is_finished(&self) -> bool {
        let told = match self.link.control.has_changed() {
            // With the word to finish may have come that there is more to deliver.
            Ok(true) => false,
            Ok(false) => self.link.control.borrow().finish,
            Err(_) => true,
        };
        self.is_leaving() || told && self.delivery.is_done()
    }

    /// Reads on while the window wants records and the log has them, and no longer than that brings anything.
    pub async fn refill(&mut self) {
        loop {
            // The log may have been written anew since: what the window waits for is gone then, and reading on would bring only what it must not have yet.
            self.look();
            let Some(from) = self.delivery.read_from() else { return };
            let (reply, answer) = oneshot::channel();
            let request = StoreRequest::Read { log: self.link.log.clone(), from, bytes_max: READ_AHEAD_BYTES as u64, reply };
            if self.link.store.send(request).await.is_err() {
                return;
            }
            match answer.await {
                Ok(Ok(chunks)) => {
                    self.delivery.filled(chunks);
                    if self.delivery.read_from() == Some(from) {
                        // All of it is newer than what the core has told of.
                        return;
                    }
                }
                Ok(Err(error @ ReadError::Damaged { next, .. })) => {
                    tracing::error!(sink = %self.name, %error, "results in the outbox are damaged and lost");
                    self.delivery.skip_damage(next);
                }
                Ok(Err(error)) => {
                    tracing::error!(sink = %self.name, %error, "the outbox can't be read: trying again");
                    tokio::time::sleep(READ_RETRY).await;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Tells the core how far everything is delivered, if that has changed.
    pub async fn report(&mut self) {
        if let Some((cursor, count)) = self.delivery.take_progress() {
            self.tell(Event::Delivered { sink: self.link.sink, cursor, count }).await;
        }
    }

    /// Tells the core of a record that was given up; before the progress that passes it.
    pub async fn refused(&mut self, refused: Refused) {
        let Refused { topic, payload, reason } = refused;
        tracing::warn!(sink = %self.name, %topic, %reason, "a result is refused for good: it goes to the dead letters");
        self.tell(Event::Refused { sink: self.link.sink, topic, payload, reason }).await;
    }

    pub async fn connected(&mut self, connected: bool) {
        if self.connected != connected {
            self.connected = connected;
            self.tell(Event::SinkConnected { sink: self.link.sink, connected }).await;
        }
    }

    async fn tell(&self, event: Event) {
        // Without a core there is nobody to tell; the task ends by `is_finished`.
        let _ = self.link.events.send(event).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::gateway::{Cursor, SinkRecord};
    use crate::store::{Chunk, LogName, StoredChunk};
    use crate::uplink::Control;

    #[tokio::test]
    async fn what_came_with_the_word_to_finish_is_still_delivered() {
        let (tell, control) = watch::channel(Control::default());
        let (store, _requests) = mpsc::channel(1);
        let (events, _core) = mpsc::channel(1);
        let link = Link { sink: 0, log: LogName::outbox("a"), cursor: Cursor::default(), control, store, events };
        let mut feed = Feed::new("a", link);
        tell.send_modify(|control| (control.end, control.finish) = (100, true));
        assert!(!feed.is_finished(), "100 bytes are to be delivered");
        assert!(feed.changed().await);
        assert!(!feed.is_finished() && feed.delivery.read_from() == Some(0));
    }

    /// Of a store whose log was written anew: it begins at 300, whatever is asked for. Gives up after a number of reads that nobody needs; returns how many there were.
    async fn written_anew(mut requests: mpsc::Receiver<StoreRequest>) -> usize {
        let mut reads = 0;
        while let Some(StoreRequest::Read { from, reply, .. }) = requests.recv().await {
            reads += 1;
            if reads == 10 {
                break;
            }
            let chunk = Chunk { epoch: 7, first_seq: 1, created_ms: 0, records: vec![SinkRecord::encode("t", b"1")] };
            let kept = StoredChunk { offset: 300, end: 400, chunk };
            reply.send(Ok(if from < 400 { vec![kept] } else { Vec::new() })).unwrap();
        }
        reads
    }

    #[tokio::test]
    async fn a_log_that_is_written_anew_while_it_is_read_is_read_once() {
        for told in [true, false] {
            let (tell, control) = watch::channel(Control { end: 200, ..Control::default() });
            let (store, requests) = mpsc::channel(1);
            let (events, _core) = mpsc::channel(1);
            let store_task = tokio::spawn(written_anew(requests));
            let link = Link { sink: 0, log: LogName::outbox("a"), cursor: Cursor::default(), control, store, events };
            let mut feed = Feed::new("a", link);
            let anew = |control: &mut Control| (control.start, control.end) = (300, 400);
            if told {
                tell.send_modify(anew);
            }
            feed.refill().await;
            if !told {
                assert_eq!(feed.delivery.next(0), None, "what the core has not told of is not committed");
                tell.send_modify(anew);
                assert!(feed.changed().await);
                feed.refill().await;
            }
            assert_eq!(feed.delivery.next(0).map(|out| out.seq), Some(1));
            drop(feed);
            assert_eq!(store_task.await.unwrap(), if told { 1 } else { 2 }, "told in time: {told}");
        }
    }
}
