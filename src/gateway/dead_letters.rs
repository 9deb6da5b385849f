//! Dead letters: what could not be decoded, computed or delivered, with the reason, as JSON lines in a bounded log.
//!
//! Limits: [`PER_BATCH_MAX`] a batch, the rest is counted in one closing record; [`BEGINNING_BYTES_MAX`] of the original; the log as configured.

use serde::Serialize;

/// Records of one batch; a flood of garbage must not wear out the disk.
pub const PER_BATCH_MAX: usize = 1_000;
/// How much of an original is kept, in bytes.
pub const BEGINNING_BYTES_MAX: usize = 1_024;

/// One dead letter.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeadLetter {
    /// Wall clock, ms since the epoch.
    pub at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Port, peer or file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    pub reason: String,
    /// The beginning of the payload, or the row as JSON; what is not UTF-8 shows as U+FFFD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Bytes of the whole payload, where `payload` is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

impl DeadLetter {
    /// With the beginning of `payload`, whose whole length is `length` bytes.
    pub fn with_payload(mut self, payload: &[u8], length: usize) -> DeadLetter {
        let kept = payload.len().min(BEGINNING_BYTES_MAX);
        self.payload = Some(String::from_utf8_lossy(&payload[..kept]).into_owned());
        self.length = (kept < length).then_some(length);
        self
    }
}

/// The dead letters of the open batch.
#[derive(Debug, Default)]
pub struct DeadLetters {
    letters: Vec<DeadLetter>,
    not_kept: u64,
}

impl DeadLetters {
    /// Keeps the letter, or counts it where the batch has enough. `letter` is only made if it is kept.
    pub fn push(&mut self, letter: impl FnOnce() -> DeadLetter) {
        if self.letters.len() < PER_BATCH_MAX {
            self.letters.push(letter());
        } else {
            self.not_kept += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// The letters as records of the log, and how many were only counted.
    pub fn take(&mut self, at_ms: i64) -> (Vec<Vec<u8>>, u64) {
        let not_kept = std::mem::take(&mut self.not_kept);
        if not_kept > 0 {
            let reason = format!("{not_kept} more in this batch were counted and not kept (at most {PER_BATCH_MAX} a batch are)");
            self.letters.push(DeadLetter { at_ms, reason, ..DeadLetter::default() });
        }
        let records =
            self.letters.drain(..).map(|letter| serde_json::to_vec(&letter).expect("a dead letter has only strings and integers"));
        (records.collect(), not_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_in_one_record() {
        let mut letters = DeadLetters::default();
        for n in 0..PER_BATCH_MAX + 5 {
            letters.push(|| DeadLetter { reason: n.to_string(), ..DeadLetter::default() });
        }
        let (records, not_kept) = letters.take(7);
        assert_eq!((records.len(), not_kept), (PER_BATCH_MAX + 1, 5));
        let last: serde_json::Value = serde_json::from_slice(records.last().unwrap()).unwrap();
        assert!(last["reason"].as_str().unwrap().starts_with("5 more"));
        assert_eq!(letters.take(7).0.len(), 0);
    }

    #[test]
    fn a_long_payload_is_cut_and_its_length_told() {
        let letter = DeadLetter::default().with_payload(&[b'x'; 3_000], 3_000);
        assert_eq!(letter.payload.unwrap().len(), BEGINNING_BYTES_MAX);
        assert_eq!(letter.length, Some(3_000));
        let whole = DeadLetter::default().with_payload(b"\xff{", 2);
        assert_eq!((whole.payload.as_deref(), whole.length), (Some("\u{fffd}{"), None));
    }
}
