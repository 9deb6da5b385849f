//! Standard input, frame by frame, to its end.
//!
//! A pipe cannot be read again: what was read and is not durable when the process is killed is lost. At the end of the input the source waits until
//! all of it is durable, and ends.

use std::io::Read;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::framing::Framer;
use super::link::{Leave, Link};
use crate::config::settings::FramingSettings;

const READ_BYTES: usize = 64 * 1024;
/// Reads that may wait for the core: one being taken, one being made.
const READS_MAX: usize = 1;

pub async fn run(framing: &FramingSettings, mut link: Link) -> Result<(), Leave> {
    let (tell, mut reads) = mpsc::channel(READS_MAX);
    // A thread of its own, since a read of standard input cannot be called off: it may outlive the task, and ends with the process.
    if let Err(error) = std::thread::Builder::new().name("stdin".to_owned()).spawn(move || read_all(std::io::stdin().lock(), &tell)) {
        tracing::error!(source = link.name(), %error, "no thread to read standard input");
        return link.finish().await;
    }
    link.opened("reading standard input").await?;
    let began = Instant::now();
    let now_us = || began.elapsed().as_micros() as u64;
    let mut framer = Framer::new(framing);
    loop {
        let silent = framer.deadline_us().map(|deadline_us| began + Duration::from_micros(deadline_us));
        let read = tokio::select! {
            biased;
            leave = link.left() => return Err(leave),
            read = reads.recv() => Some(read),
            () = super::sleep_until(silent) => None,
        };
        let mut frames = Vec::new();
        match &read {
            Some(Some(bytes)) => framer.push(bytes, now_us(), &mut frames),
            Some(None) => framer.end(&mut frames),
            None => framer.tick(now_us(), &mut frames),
        }
        if !frames.is_empty() {
            link.send(frames.into_iter().map(|content| (None, content)).collect(), Vec::new()).await?;
        }
        if read == Some(None) {
            return link.finish().await;
        }
    }
}

/// Reads to the end, or until nobody listens.
fn read_all(mut input: impl Read, tell: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if tell.blocking_send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return tracing::error!(%error, "standard input can't be read any further"),
        }
    }
}
