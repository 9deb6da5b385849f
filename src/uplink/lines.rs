//! Sinks that take lines: a file, or standard output. One line is one result.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use super::feed::Feed;
use super::file::{LineFile, Rotation};

/// Pause after a failed write, doubled to a minute.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

pub enum Output {
    File { path: PathBuf, rotation: Rotation },
    Stdout,
}

enum Writer {
    File(LineFile),
    Stdout,
}

pub async fn run(output: Output, mut feed: Feed) {
    let mut writer = None;
    let mut pause = RETRY;
    let mut failure_told = String::new();
    loop {
        feed.refill().await;
        if feed.is_leaving() {
            return;
        }
        let now_us = feed.now_us();
        let mut tokens = Vec::new();
        let mut lines = Vec::new();
        while let Some(outgoing) = feed.delivery.next(now_us) {
            tokens.push(outgoing.token);
            lines.push(outgoing.record.payload.to_vec());
        }
        if tokens.is_empty() {
            // Where the log could not be read, nothing but time brings news.
            let retry = if feed.delivery.read_from().is_some() { RETRY } else { RETRY_MAX };
            if feed.is_finished() || matches!(tokio::time::timeout(retry, feed.changed()).await, Ok(false)) {
                return;
            }
            continue;
        }
        match write(&output, writer.take(), lines).await {
            Ok(written) => {
                writer = Some(written);
                tokens.into_iter().for_each(|token| feed.delivery.acknowledged(token));
                feed.connected(true).await;
                feed.report().await;
                (pause, failure_told) = (RETRY, String::new());
            }
            Err(error) => {
                feed.delivery.disconnected();
                feed.connected(false).await;
                let failure = describe(&output, &error);
                if failure != failure_told {
                    tracing::error!(sink = %feed.name, "{failure}: trying again");
                    failure_told = failure;
                }
                // Woken by the word to leave, too.
                let _ = tokio::time::timeout(pause, feed.left()).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Writes on a thread of its own: syncing a file may take long, and the IO thread has keep-alives to keep.
async fn write(output: &Output, writer: Option<Writer>, lines: Vec<Vec<u8>>) -> io::Result<Writer> {
    let target = match output {
        Output::File { path, rotation } => Some((path.clone(), rotation.clone())),
        Output::Stdout => None,
    };
    let work = move || {
        let mut writer = match (writer, target) {
            (Some(writer), _) => writer,
            (None, Some((path, rotation))) => Writer::File(LineFile::open(&path, rotation)?),
            (None, None) => Writer::Stdout,
        };
        let lines = lines.iter().map(Vec::as_slice);
        match &mut writer {
            Writer::File(file) => file.write(lines)?,
            Writer::Stdout => write_stdout(lines)?,
        }
        Ok(writer)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn write_stdout<'a>(lines: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in lines {
        stdout.write_all(line)?;
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

fn describe(output: &Output, error: &io::Error) -> String {
    match output {
        Output::File { path, .. } if error.kind() == io::ErrorKind::ReadOnlyFilesystem => format!(
            "can't write {}: it is read-only to this process. As a service it may write below its data directory alone, unless ReadWritePaths= in a \
             drop-in (`systemctl edit tidemill`) names more",
            path.display()
        ),
        Output::File { path, .. } => format!("can't write {}: {error}", path.display()),
        Output::Stdout => format!("can't write to standard output: {error}"),
    }
}
