//! Payloads of a format that is not JSON: its rows, written as JSON, through the JSON reader, with the places that they have in the payload.

use super::convert::Converter;
use super::decode::Message;
use super::decoded::BadRecord;
use super::json::{JsonReader, ReadRow};
use super::records::Records;
use super::transcode::Transcoder;

pub(super) struct Transcoded {
    transcoder: Transcoder,
    records: Records,
    json: JsonReader,
}

impl Transcoded {
    pub fn new(transcoder: Transcoder, json: JsonReader) -> Transcoded {
        Transcoded { transcoder, records: Records::default(), json }
    }

    /// Gives the rows to `sink`, with the places that they have in the payload.
    pub fn read(
        &mut self,
        message: &Message,
        converter: &Converter,
        mut sink: impl FnMut(ReadRow) -> Result<(), BadRecord>,
    ) -> Result<(), BadRecord> {
        self.records.begin();
        self.transcoder.read(message.payload, message.arrived_us, &mut self.records)?;
        self.records.end();
        let read = self.json.read(self.records.text(), converter, |row| {
            let place = self.records.place(row.start);
            sink(ReadRow { start: place.start, end: place.end, ..row })
        });
        read.map_err(|bad| match bad {
            BadRecord::Malformed { what, at } => BadRecord::Malformed { what, at: self.records.place(at).start },
            bad => bad,
        })
    }
}
