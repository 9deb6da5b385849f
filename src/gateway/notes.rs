//! What becomes of the sources, as rows of the table `_status` where a query reads it, and for the log.
//!
//! A row says that a source is `connected`, `disconnected`, `silent` (nothing came for its `silence_timeout`) or `active` again. It goes the way of
//! every other row: through the open batch into the commit.

use serde::Serialize;

use super::Gateway;
use super::frame::{Frame, FrameContent};
use crate::batch::Stamp;

/// Characters of a detail.
const DETAIL_CHARS_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceState {
    Connected,
    Disconnected,
    Silent,
    Active,
}

#[derive(Serialize)]
struct Note<'a> {
    source: &'a str,
    status: SourceState,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Gateway {
    /// Adds a row to `_status`, if a query reads it.
    pub(super) fn note(&mut self, source: usize, status: SourceState, detail: Option<&str>, stamp: Stamp) {
        let Some(table) = self.status_table.filter(|_| !self.stopping) else { return };
        let detail = detail.map(|text| text.chars().take(DETAIL_CHARS_MAX).collect());
        let note = Note { source: &self.intakes[source].name, status, detail };
        let payload = serde_json::to_vec(&note).expect("a note has only strings");
        let intake = &mut self.intakes[table];
        let frame = Frame { seq: intake.received_seq + 1, place: None, content: FrameContent::Whole(payload.into()) };
        intake.receive_frames(vec![frame], Vec::new(), self.stream_time.now_us(), stamp, &mut self.dead_letters);
        self.opened_us.get_or_insert(stamp.mono_us);
    }

    /// Says which sources have fallen silent, and which have not any more.
    pub(super) fn note_silences(&mut self, stamp: Stamp) {
        for source in 0..self.intakes.len() {
            let Some(is_silent) = self.intakes[source].silence.change(stamp.mono_us) else { continue };
            let name = &self.intakes[source].name;
            if is_silent {
                tracing::warn!(source = %name, "nothing has come for its silence_timeout");
            } else {
                tracing::info!(source = %name, "it is heard again");
            }
            let state = if is_silent { SourceState::Silent } else { SourceState::Active };
            self.note(source, state, None, stamp);
        }
    }

    /// When the next source will have been silent for too long, µs on the monotonic clock.
    pub(super) fn silence_due_us(&self) -> Option<u64> {
        self.intakes.iter().filter_map(|intake| intake.silence.due_us()).min()
    }
}

/// Whether a source has been silent for too long.
#[derive(Debug)]
pub struct Silence {
    /// `None`: it may be silent.
    timeout_us: Option<u64>,
    last_us: u64,
    told: bool,
}

impl Silence {
    pub fn new(timeout_us: Option<u64>, now_us: u64) -> Silence {
        Silence { timeout_us, last_us: now_us, told: false }
    }

    /// Something has come.
    pub fn heard(&mut self, now_us: u64) {
        self.last_us = now_us;
    }

    /// Goes on from `old`, by its own timeout.
    pub fn take_over(&mut self, old: &Silence) {
        (self.last_us, self.told) = (old.last_us, old.told && self.timeout_us.is_some());
    }

    pub fn is_silent(&self) -> bool {
        self.told
    }

    fn due_us(&self) -> Option<u64> {
        self.timeout_us.filter(|_| !self.told).map(|timeout_us| self.last_us.saturating_add(timeout_us))
    }

    /// Whether it is silent, if that is news.
    fn change(&mut self, now_us: u64) -> Option<bool> {
        let is_silent = self.last_us.saturating_add(self.timeout_us?) <= now_us;
        (std::mem::replace(&mut self.told, is_silent) != is_silent).then_some(is_silent)
    }
}
