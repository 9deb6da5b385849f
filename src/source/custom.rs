//! A receiver of the user's own: runs it on a thread of its own, does what its handle asks for, and runs a new one when it has failed.
//!
//! Invariants:
//! - A failed receiver, also one that panicked, is closed with its reason and run anew after a growing delay; the others and the gateway go on.
//! - A new one begins at the positions that the one before handed over last: what was handed over is never let go.
//! - A thread that does not leave within [`LEAVE_TIMEOUT`] is said in the log and left to the process's end.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::link::{Leave, Link};
use crate::extend::{Answer, CustomReceiver, Input, Receiver, ReceiverError, Request, handle};
use crate::gateway::{FrameContent, Position};

/// Before a failed receiver is run again; doubled up to the last.
const RESTART_DELAY_FIRST: Duration = Duration::from_secs(2);
const RESTART_DELAY_MAX: Duration = Duration::from_secs(60);
/// A receiver that ran for so long begins with the first delay again, and what it then says is news.
const LASTED: Duration = Duration::from_secs(60);
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Of a unit that is too long, for the dead letters.
const BEGINNING_BYTES_MAX: usize = 1024;

/// How a receiver's thread ended, in words if it failed.
type End = Result<(), ReceiverError>;

struct Running {
    requests: mpsc::Receiver<(Request, oneshot::Sender<Answer>)>,
    ended: oneshot::Receiver<End>,
}

pub async fn run(custom: &CustomReceiver, payload_bytes_max: usize, mut link: Link) -> Result<(), Leave> {
    let mut positions: BTreeMap<String, Vec<u8>> = link.stored_positions().iter().cloned().collect();
    let mut delay = RESTART_DELAY_FIRST;
    loop {
        let began = Instant::now();
        let end = match start(custom, link.name(), positions.clone()) {
            Ok(running) => serve(running, payload_bytes_max, &mut positions, &mut link).await?,
            Err(reason) => Err(ReceiverError::Failed(reason)),
        };
        let reason = match end {
            Ok(()) => return link.finish().await,
            // Of itself: only the gateway says so, and then it has been heard.
            Err(ReceiverError::Leave) => "it left without having been told to".to_owned(),
            Err(ReceiverError::Failed(reason)) => reason,
        };
        if began.elapsed() >= LASTED {
            link.lasted();
            delay = RESTART_DELAY_FIRST;
        }
        link.closed(&format!("the receiver `{}` has failed: {reason}", custom.name())).await?;
        link.sleep(delay).await?;
        delay = (delay * 2).min(RESTART_DELAY_MAX);
    }
}

/// Runs a new receiver on a thread of its own.
fn start(custom: &CustomReceiver, source: &str, positions: BTreeMap<String, Vec<u8>>) -> Result<Running, String> {
    let mut receiver = custom.make()?;
    let (mut handle, requests) = handle(source, positions);
    let (tell, ended) = oneshot::channel();
    let work = move || {
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| receiver.run(&mut handle)));
        let end = run.unwrap_or_else(|panic| Err(ReceiverError::Failed(format!("it panicked: {}", panic_text(&*panic)))));
        // Before the end is told: whoever makes a new receiver may count on what this one held being free. It may panic too.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| end_of(receiver)));
        drop(handle);
        // Nobody listens if the gateway has ended meanwhile.
        let _ = tell.send(end);
    };
    let thread = std::thread::Builder::new().name(format!("source {source}")).spawn(work);
    thread.map_err(|error| format!("no thread for it: {error}"))?;
    Ok(Running { requests, ended })
}

fn end_of(receiver: Box<dyn Receiver>) {
    drop(receiver);
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Does what the receiver asks for until it ends, or the source has to leave; then waits for it.
async fn serve(
    mut running: Running,
    payload_bytes_max: usize,
    positions: &mut BTreeMap<String, Vec<u8>>,
    link: &mut Link,
) -> Result<End, Leave> {
    let left = loop {
        let asked = tokio::select! {
            biased;
            leave = link.left() => break leave,
            asked = running.requests.recv() => asked,
        };
        // Its handle is gone: so is the receiver.
        let Some((request, answer)) = asked else {
            return Ok(running.ended.await.unwrap_or_else(|_| Err("its thread is gone".into())));
        };
        match answer_to(request, payload_bytes_max, positions, link).await {
            // A receiver that no longer waits for its answer has ended, which comes next.
            Ok(done) => _ = answer.send(done),
            Err(leave) => break leave,
        }
    };
    drop(running.requests);
    if tokio::time::timeout(LEAVE_TIMEOUT, running.ended).await.is_err() {
        tracing::warn!(source = link.name(), "the receiver does not leave; the gateway ends without it");
    }
    Err(left)
}

async fn answer_to(
    request: Request,
    payload_bytes_max: usize,
    positions: &mut BTreeMap<String, Vec<u8>>,
    link: &mut Link,
) -> Result<Answer, Leave> {
    match request {
        Request::Connected(detail) => link.opened(&detail).await.map(|()| Answer::Done),
        Request::Disconnected(reason) => link.closed(&reason).await.map(|()| Answer::Done),
        Request::Send { inputs, positions: handed_over } => {
            let through_seq = link.next_seq() - 1 + inputs.len() as u64;
            for (name, value) in &handed_over {
                match value {
                    Some(value) => _ = positions.insert(name.clone(), value.clone()),
                    None => _ = positions.remove(name),
                }
            }
            let handed_over = handed_over.into_iter().map(|(name, value)| Position { through_seq, name, value }).collect();
            link.send(frames(inputs, payload_bytes_max), handed_over).await?;
            Ok(Answer::Seq(through_seq))
        }
        Request::Offer(inputs) => Ok(Answer::Taken(link.offer(frames(inputs, payload_bytes_max)))),
        Request::Durable => Ok(Answer::Seq(link.durable_seq())),
        Request::WaitDurable(seq) => link.durable(seq).await.map(|()| Answer::Done),
        Request::Sleep(duration) => link.sleep(duration).await.map(|()| Answer::Done),
    }
}

fn frames(inputs: Vec<Input>, payload_bytes_max: usize) -> Vec<(Option<Arc<str>>, FrameContent)> {
    let frame = |Input { bytes, peer }: Input| {
        let length = bytes.len();
        let content = if length > payload_bytes_max {
            let reason = format!("the input has {length} bytes, more than max_payload, {payload_bytes_max}");
            FrameContent::Bad { length, beginning: Bytes::copy_from_slice(&bytes[..BEGINNING_BYTES_MAX.min(length)]), reason }
        } else {
            FrameContent::Whole(Bytes::from(bytes))
        };
        (peer.map(Arc::from), content)
    };
    inputs.into_iter().map(frame).collect()
}
