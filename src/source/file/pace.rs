//! Records at the pace at which they were recorded, times a factor, by their event time.
//!
//! The first record begins the clock; each later one is due when as much time has passed as lies between their event times, divided by the factor. A
//! record that is due already, or has no event time, goes on at once: so one that is out of order does not stop the others.

use std::time::{Duration, Instant};

use crate::batch::Values;
use crate::format::{DecodeSettings, Decoder, EventTimeMissing, Message, OpenTable};
use crate::gateway::FrameContent;

pub struct Pacer {
    decoder: Decoder,
    open: OpenTable,
    column: usize,
    speed: f64,
    /// Event time of the first record, µs, and when it went on.
    began: Option<(i64, Instant)>,
}

impl Pacer {
    /// `None` if there is no event time to go by; the configuration sees to it that there is.
    pub fn new(settings: &DecodeSettings, speed: f64) -> Option<Pacer> {
        let column = settings.event_time?;
        let needed: Vec<bool> = (0..settings.columns.len()).map(|index| index == column).collect();
        let settings = DecodeSettings { event_time_missing: EventTimeMissing::Null, ..settings.clone() };
        let decoder = Decoder::new(&settings, &needed, 0).ok()?;
        Some(Pacer { decoder, open: OpenTable::new(&settings, &needed), column, speed, began: None })
    }

    /// How long a record has to wait.
    pub fn wait(&mut self, frame: &FrameContent, now: Instant) -> Duration {
        let FrameContent::Whole(payload) = frame else { return Duration::ZERO };
        let Some(time_us) = self.time_us(payload) else { return Duration::ZERO };
        let (first_us, began) = *self.began.get_or_insert((time_us, now));
        let recorded_us = time_us.saturating_sub(first_us);
        let after = Duration::try_from_secs_f64(recorded_us as f64 / 1e6 / self.speed).unwrap_or_default();
        began.checked_add(after).map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// The first event time in it.
    fn time_us(&mut self, payload: &[u8]) -> Option<i64> {
        let message = Message { topic: "", place: None, payload, arrived_us: 0, retained: false };
        let read = self.decoder.decode(&message, &mut self.open);
        let table = self.open.take();
        let column = table.columns.get(self.column)?.as_ref().filter(|_| read.is_ok() && table.rows > 0)?;
        match &column.values {
            Values::Timestamp(times) if !column.is_null(0) => times.first().copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{BadRecords, Coerce, ColumnLayout, Format, Origin, TimestampUnit};
    use crate::types::DataType;
    use bytes::Bytes;

    fn frame(text: &'static str) -> FrameContent {
        FrameContent::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn records_wait_for_their_time_and_those_out_of_order_do_not() {
        let column =
            |name: &str, data_type| ColumnLayout { name: name.to_owned(), data_type, origin: Origin::Payload(vec![name.to_owned()]) };
        let settings = DecodeSettings {
            format: Format::Json,
            compression: None,
            columns: vec![column("v", DataType::Double), column("ts", DataType::Timestamp)],
            patterns: Vec::new(),
            timestamp_unit: TimestampUnit::Seconds,
            timestamp_zone: None,
            bad_records: BadRecords::DeadLetter,
            coerce: Coerce::Strict,
            event_time: Some(1),
            event_time_missing: EventTimeMissing::DeadLetter,
        };
        let mut pacer = Pacer::new(&settings, 10.0).unwrap();
        let now = Instant::now();
        let seconds = Duration::from_secs;
        assert_eq!(pacer.wait(&frame(r#"{"v":1,"ts":1000}"#), now), seconds(0));
        assert_eq!(pacer.wait(&frame(r#"{"v":1,"ts":1100}"#), now), seconds(10));
        assert_eq!(pacer.wait(&frame(r#"{"v":1,"ts":1100}"#), now + seconds(4)), seconds(6));
        assert_eq!(pacer.wait(&frame(r#"{"v":1,"ts":900}"#), now), seconds(0), "out of order");
        for text in [r#"{"v":1}"#, "rubbish", ""] {
            assert_eq!(pacer.wait(&frame(text), now), seconds(0), "{text}");
        }
        assert_eq!(pacer.wait(&frame(r#"{"v":1,"ts":1200}"#), now + seconds(25)), seconds(0), "it is due already");
    }
}
