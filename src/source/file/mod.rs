//! Files: read once, a directory's new files as they appear, or growing files through rotation.
//!
//! A thread reads, since files can't be waited for by the runtime; the task here hands over what it read. Every row exactly once: the position
//! behind records is stored by the commit that has their rows.
//!
//! | file | job |
//! |---|---|
//! | `listing` | which files a path names |
//! | `contents`, `cut`, `header`, `input` | one file: bytes, records, the line of names, together with the position |
//! | `position`, `shelf` | how far a file is read, and how it is known again; all known files |
//! | `whole` | a file to its end; modes "read" and "follow" |
//! | `pace` | records at the pace at which they were recorded |
//! | `tail` | growing files; mode "tail" |
//! | `outlet` | from the thread to the task |

mod contents;
mod cut;
mod header;
mod input;
mod listing;
mod outlet;
mod pace;
mod position;
mod shelf;
mod tail;
#[cfg(test)]
mod tail_model;
mod told;
mod whole;

/// Pure, and open to the fuzz tests.
pub use cut::Cutter;
pub use position::{Meta, PositionError, Record, Sums};

use std::sync::Arc;

use tokio::sync::mpsc;

use super::link::{Leave, Link};
use crate::config::settings::{FileMode, FileSourceSettings, SourceSettings};
use crate::format::Origin;
use crate::gateway::Position;
use input::Shape;
use outlet::{Gone, Outlet, Records, WORDS_MAX, Word};
use pace::Pacer;
use shelf::Shelf;
use tail::Tail;
use whole::Whole;

/// Reads the files that `files` names until told to leave, or to their end.
pub async fn run(settings: &SourceSettings, files: &FileSourceSettings, mut link: Link) -> Result<(), Leave> {
    let shelf = match Shelf::restore(link.stored_positions()) {
        Ok(shelf) => shelf,
        Err(error) => {
            // Reading from the beginning would count every row again.
            link.closed(&format!("a stored position can't be read: {error}. The source is not read")).await?;
            return Err(link.left().await);
        }
    };
    let (words, mut said) = mpsc::channel(WORDS_MAX);
    // Dropped with this task: the thread then ends.
    let (_leave, left) = std::sync::mpsc::channel();
    let (settings, files) = (settings.clone(), files.clone());
    let name = link.name().to_owned();
    let reading = move || _ = read(&settings, &files, shelf, Outlet::new(words, left));
    if let Err(error) = std::thread::Builder::new().name(format!("file {name}")).spawn(reading) {
        link.closed(&format!("no thread to read files: {error}")).await?;
        return Err(link.left().await);
    }
    loop {
        let word = tokio::select! {
            biased;
            leave = link.left() => return Err(leave),
            word = said.recv() => word,
        };
        match word {
            Some(Word::Opened(detail)) => link.opened(&detail).await?,
            Some(Word::Closed(reason)) => link.closed(&reason).await?,
            Some(Word::Records(records)) => hand_over(&mut link, records).await?,
            Some(Word::Ended) => return link.finish().await,
            None => {
                link.closed("the thread that reads the files has stopped working").await?;
                return Err(link.left().await);
            }
        }
    }
}

async fn hand_over(link: &mut Link, records: Records) -> Result<(), Leave> {
    let Records { place, frames, positions } = records;
    let through_seq = link.next_seq() + frames.len() as u64 - 1;
    let positions = positions.into_iter().map(|(name, value)| Position { through_seq, name, value });
    link.send(frames.into_iter().map(|content| (place.clone(), content)).collect(), positions.collect()).await
}

/// The thread.
fn read(settings: &SourceSettings, files: &FileSourceSettings, shelf: Shelf, outlet: Outlet) -> Result<(), Gone> {
    let shape = Arc::new(Shape { csv: files.csv.clone(), record_bytes_max: settings.payload_bytes_max });
    match files.mode {
        FileMode::Read { speed } => {
            let pacer = speed.and_then(|speed| Pacer::new(&settings.decode, speed));
            let mut whole = Whole::new(&settings.name, files, shape, shelf, outlet, columns(settings));
            whole.read_once(pacer)
        }
        FileMode::Follow => Whole::new(&settings.name, files, shape, shelf, outlet, columns(settings)).follow(),
        FileMode::Tail { from_end } => {
            let mut tail = Tail::new(&settings.name, files, shape, shelf, from_end);
            loop {
                let is_behind = tail.round(&outlet, std::time::Instant::now())?;
                outlet.wait(if is_behind { std::time::Duration::ZERO } else { files.check_interval })?;
            }
        }
    }
}

/// The names that a line of names should have.
fn columns(settings: &SourceSettings) -> Vec<String> {
    let name = |origin: &Origin| if let Origin::Payload(path) = origin { path.first().cloned() } else { None };
    settings.decode.columns.iter().filter_map(|column| name(&column.origin)).collect()
}
