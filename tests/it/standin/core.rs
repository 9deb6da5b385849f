//! The stand-in's state and its one step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::support::packet::Publish;

const WINDOW_MS: i64 = 10_000;
const WATERMARK_DELAY_MS: i64 = 5_000;

/// Everything that is durable, written as one file.
#[derive(Default, Serialize, Deserialize)]
pub struct State {
    pub starts: u64,
    pub next_seq: u64,
    /// "device start" → count and sum.
    windows: BTreeMap<String, (u64, f64)>,
    watermark_ms: i64,
    /// Received, not proven acknowledged, in order.
    pub unproven: Vec<Unproven>,
    pub outbox: Vec<Out>,
    pub late: u64,
}

#[derive(Serialize, Deserialize)]
pub struct Unproven {
    pub packet_id: u16,
    pub topic: String,
    pub payload: Vec<u8>,
    /// On this connection: answered; answered before the ping that is under way.
    #[serde(skip)]
    pub acknowledged: bool,
    #[serde(skip)]
    pub covered: bool,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Out {
    pub epoch: u64,
    pub seq: u64,
    pub topic: String,
    /// Members of the JSON object after `_id`.
    pub members: String,
}

#[derive(Deserialize)]
struct Reading {
    ts: i64,
    temperature: f64,
}

impl State {
    /// Counts a batch and closes the windows that its watermark passes.
    pub fn step(&mut self, batch: &[Publish], epoch: u64) {
        let mut highest_ms = self.watermark_ms + WATERMARK_DELAY_MS;
        for message in batch {
            let reading: Reading = serde_json::from_slice(&message.payload).expect("the ledger sends readings");
            let device = message.topic.split('/').nth(1).expect("the ledger's topics have three levels");
            let start_ms = reading.ts - reading.ts.rem_euclid(WINDOW_MS);
            if start_ms + WINDOW_MS <= self.watermark_ms {
                self.late += 1;
                continue;
            }
            let window = self.windows.entry(format!("{device} {start_ms}")).or_default();
            *window = (window.0 + 1, window.1 + reading.temperature);
            highest_ms = highest_ms.max(reading.ts);
        }
        self.watermark_ms = highest_ms - WATERMARK_DELAY_MS;
        let (watermark_ms, outbox, next_seq) = (self.watermark_ms, &mut self.outbox, &mut self.next_seq);
        self.windows.retain(|key, (n, total)| {
            let (device, start) = key.split_once(' ').expect("written with one");
            let start_ms: i64 = start.parse().expect("written as a number");
            if start_ms + WINDOW_MS > watermark_ms {
                return true;
            }
            let start = jiff::Timestamp::from_millisecond(start_ms).expect("a date of this century");
            let members = format!(r#""device":"{device}","start":"{start}","n":{n},"total":{total:?}"#);
            outbox.push(Out { epoch, seq: *next_seq, topic: format!("gateways/ledger/climate/{device}"), members });
            *next_seq += 1;
            false
        });
    }

    /// Whether this is a repeat of a message whose acknowledgement is not proven.
    pub fn is_repeat(&self, message: &Publish) -> bool {
        self.unproven.iter().any(|known| {
            known.payload == message.payload && known.topic == message.topic && (message.dup || known.packet_id == message.packet_id)
        })
    }
}
