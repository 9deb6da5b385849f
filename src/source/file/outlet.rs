//! From the thread that reads files to the task that hands over what it read.
//!
//! Limit: [`WORDS_MAX`] words wait for the task, each of about what is read at once; when full the thread waits.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::position::Record;
use super::shelf;
use crate::gateway::FrameContent;

pub const WORDS_MAX: usize = 2;

/// The source has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// What the thread says.
#[derive(Debug)]
pub enum Word {
    /// There is something to read.
    Opened(String),
    /// There is nothing to read, for this reason.
    Closed(String),
    Records(Records),
    /// All is read.
    Ended,
}

/// Records of one file, and how far they lead.
#[derive(Debug, Default)]
pub struct Records {
    pub place: Option<Arc<str>>,
    pub frames: Vec<FrameContent>,
    /// Name and value of positions; no value: to be forgotten.
    pub positions: Vec<(String, Option<Vec<u8>>)>,
}

pub struct Outlet {
    words: mpsc::Sender<Word>,
    /// Closed when the source has to leave.
    leave: Receiver<()>,
    is_open: Cell<bool>,
}

impl Outlet {
    pub fn new(words: mpsc::Sender<Word>, leave: Receiver<()>) -> Outlet {
        Outlet { words, leave, is_open: Cell::new(false) }
    }

    /// Waits while the task has enough to do.
    pub fn say(&self, word: Word) -> Result<(), Gone> {
        self.words.blocking_send(word).map_err(|_| Gone)
    }

    /// There is something to read; `detail` is said if there was not.
    pub fn opened(&self, detail: String) -> Result<(), Gone> {
        if self.is_open.replace(true) { Ok(()) } else { self.say(Word::Opened(detail)) }
    }

    /// There is nothing to read.
    pub fn closed(&self, reason: String) -> Result<(), Gone> {
        self.is_open.set(false);
        self.say(Word::Closed(reason))
    }

    /// Hands records on, and the position behind them.
    pub fn records(&self, place: &Arc<str>, frames: Vec<FrameContent>, number: u64, record: &Record) -> Result<(), Gone> {
        let positions = vec![(shelf::name(number), Some(record.encode()))];
        self.say(Word::Records(Records { place: Some(place.clone()), frames, positions }))
    }

    /// A position changes without records.
    pub fn position(&self, name: String, value: Option<Vec<u8>>) -> Result<(), Gone> {
        self.say(Word::Records(Records { positions: vec![(name, value)], ..Records::default() }))
    }

    /// Waits, unless the source has to leave.
    pub fn wait(&self, duration: Duration) -> Result<(), Gone> {
        match self.leave.recv_timeout(duration) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(Gone),
        }
    }
}
