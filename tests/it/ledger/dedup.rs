//! Dropping repeats as a consumer does: by (gateway, sink, epoch), a high-water mark and a window of 64 sequence numbers below it.

use std::collections::BTreeMap;

/// The id of a result: `gateway:sink:epoch:seq`, the epoch in hexadecimal digits, the sequence number in decimal ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResultId {
    pub gateway: String,
    pub sink: String,
    pub epoch: u64,
    pub seq: u64,
}

impl ResultId {
    pub fn parse(text: &str) -> Option<ResultId> {
        let mut parts = text.rsplitn(4, ':');
        let seq = parts.next()?.parse().ok()?;
        let epoch = u64::from_str_radix(parts.next()?, 16).ok()?;
        let sink = parts.next()?.to_owned();
        let gateway = parts.next()?.to_owned();
        Some(ResultId { gateway, sink, epoch, seq })
    }
}

#[derive(Default)]
struct Seen {
    high: u64,
    /// Bit i: `high - i` was seen.
    bits: u64,
}

#[derive(Default)]
pub struct Deduplicator {
    streams: BTreeMap<(String, String, u64), Seen>,
}

impl Deduplicator {
    /// Whether this id comes for the first time.
    pub fn is_new(&mut self, id: &ResultId) -> bool {
        let seen = self.streams.entry((id.gateway.clone(), id.sink.clone(), id.epoch)).or_default();
        if seen.bits == 0 || id.seq > seen.high {
            let step = if seen.bits == 0 { 64 } else { id.seq - seen.high };
            seen.bits = if step >= 64 { 1 } else { seen.bits << step | 1 };
            seen.high = id.seq;
            return true;
        }
        let below = seen.high - id.seq;
        if below >= 64 || seen.bits >> below & 1 == 1 {
            return false;
        }
        seen.bits |= 1 << below;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_the_right() {
        let id = ResultId::parse("a:b:central:1f:42").unwrap();
        assert_eq!(id, ResultId { gateway: "a:b".to_owned(), sink: "central".to_owned(), epoch: 0x1f, seq: 42 });
        assert_eq!(ResultId::parse("central:1f:42"), None);
    }

    #[test]
    fn drops_repeats_and_keeps_the_rest() {
        let mut dedup = Deduplicator::default();
        let mut is_new = |epoch, seq| dedup.is_new(&ResultId { gateway: "g".to_owned(), sink: "s".to_owned(), epoch, seq });
        for seq in [5, 3, 4, 70, 8, 7] {
            assert!(is_new(1, seq), "{seq}");
            assert!(!is_new(1, seq), "{seq} again");
        }
        assert!(!is_new(1, 6), "64 below the highest: taken for a repeat");
        assert!(is_new(2, 5), "another epoch");
    }
}
