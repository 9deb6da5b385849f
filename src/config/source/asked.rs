//! What is sent to instruments: `init` when they are there, `poll` again and again.

use std::time::Duration;

use super::super::framing;
use super::super::reader::{Context, Reader};

/// Bytes of `init` and of `poll`.
const SENT_BYTES_MAX: usize = 1_024;
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(86_400);
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Sent when the port is opened, or the connection made.
    pub init: Vec<u8>,
    pub poll: Option<Poll>,
}

/// Bytes that make an instrument answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    pub bytes: Vec<u8>,
    pub interval: Duration,
}

pub fn read(context: &mut Context, reader: &mut Reader) -> Asked {
    let init = framing::bytes(context, reader, "init", 1..=SENT_BYTES_MAX).unwrap_or_default();
    let bytes = framing::bytes(context, reader, "poll", 1..=SENT_BYTES_MAX);
    let interval = reader.duration(context, "poll_interval", INTERVALS);
    if interval.is_some() && !reader.has("poll") {
        context.error(
            reader.key_place("poll_interval"),
            "`poll_interval` without `poll`",
            "say what is to be sent: poll = \"READ?\\r\\n\"",
        );
    }
    Asked { init, poll: bytes.map(|bytes| Poll { bytes, interval: interval.unwrap_or(INTERVAL_DEFAULT) }) }
}
