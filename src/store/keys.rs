//! The keys of the store: which record lies where. Pure.
//!
//! The core's keys begin with a letter and a slash; one constructor a kind, and [`parse`] to sort what was loaded. The store puts a byte
//! before them that keeps them apart from its own records. The layout is described in `docs/format.md`.

use super::LogName;

/// Largest key of the core, in bytes: an index page of 256 keys must stay below sled's limit for a page.
pub const KEY_BYTES_MAX: usize = 256;

/// The gateway's own records: epoch, count of starts, watermarks and whatever else there is one of.
pub fn meta(name: &str) -> Vec<u8> {
    with_prefix(b"m/", name.as_bytes())
}

/// An entry of the engine's state, under the engine's own key.
pub fn state(engine_key: &[u8]) -> Vec<u8> {
    with_prefix(b"s/", engine_key)
}

/// What the keys of a query's state begin with.
pub fn state_of(query: &str) -> Vec<u8> {
    format!("s/{query}/").into_bytes()
}

/// A source's redelivery record.
pub fn redelivery(source: &str) -> Vec<u8> {
    with_prefix(b"r/", source.as_bytes())
}

/// The topic filters that a source is subscribed to at its broker.
pub fn filters(source: &str) -> Vec<u8> {
    with_prefix(b"f/", source.as_bytes())
}

/// How far a source has read one of its inputs.
pub fn position(source: &str, name: &str) -> Vec<u8> {
    format!("p/{source}/{name}").into_bytes()
}

/// How far a sink's outbox is delivered.
pub fn cursor(sink: &str) -> Vec<u8> {
    with_prefix(b"c/", sink.as_bytes())
}

/// What a log is besides its segments: where it ends, what was dropped from it.
pub fn log(name: &LogName) -> Vec<u8> {
    with_prefix(b"o/", name.as_str().as_bytes())
}

/// A key of the core, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    Meta(&'a str),
    State(&'a [u8]),
    Redelivery(&'a str),
    Filters(&'a str),
    /// Source and name.
    Position(&'a str, &'a str),
    Cursor(&'a str),
    Log(&'a str),
}

/// What a key of the core stands for; `None` for one that no constructor makes.
pub fn parse(key: &[u8]) -> Option<Key<'_>> {
    let (prefix, rest) = key.split_at_checked(2)?;
    if prefix == b"s/" {
        return Some(Key::State(rest));
    }
    let name = std::str::from_utf8(rest).ok()?;
    match prefix {
        b"m/" => Some(Key::Meta(name)),
        b"r/" => Some(Key::Redelivery(name)),
        b"f/" => Some(Key::Filters(name)),
        b"p/" => name.split_once('/').map(|(source, name)| Key::Position(source, name)),
        b"c/" => Some(Key::Cursor(name)),
        b"o/" => Some(Key::Log(name)),
        _ => None,
    }
}

fn with_prefix(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    [prefix, rest].concat()
}

/// The store's own records, and the core's as they lie in sled.
pub(super) mod stored {
    use super::LogName;

    /// Version of the store's layout, `u32` little-endian.
    pub const FORMAT: &[u8] = b"m/format";
    /// Number of the last change set and the sum over all records, each `u64` little-endian.
    pub const NUMBER: &[u8] = b"m/number";
    /// All segment records.
    pub const SEGMENTS: &[u8] = b"l/";
    /// All entries of the core.
    pub const ENTRIES: &[u8] = b"k";
    /// Further parts of long entries.
    pub const PARTS: &[u8] = b"p";

    pub fn segment(log: &LogName, base: u64) -> Vec<u8> {
        format!("l/{}/{base:016x}", log.as_str()).into_bytes()
    }

    /// Log and base of a segment's key.
    pub fn parse_segment(key: &[u8]) -> Option<(LogName, u64)> {
        let text = std::str::from_utf8(key).ok()?.strip_prefix("l/")?;
        let (log, base) = text.rsplit_once('/')?;
        let base = u64::from_str_radix(base, 16).ok()?;
        Some((LogName::from(log.to_owned()), base))
    }

    pub fn entry(key: &[u8]) -> Vec<u8> {
        [ENTRIES, key].concat()
    }

    /// The first key after all those that begin with `prefix`, whose last byte is not 255.
    pub fn after(prefix: &[u8]) -> Vec<u8> {
        let mut after = prefix.to_vec();
        after.iter_mut().next_back().into_iter().for_each(|last| *last += 1);
        after
    }

    /// Part `index` of an entry, 1 and up: part 0 lies under [`entry`].
    pub fn part(key: &[u8], index: u16) -> Vec<u8> {
        [PARTS, key, &index.to_be_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_as_they_were_made() {
        assert_eq!(parse(&meta("epoch")), Some(Key::Meta("epoch")));
        assert_eq!(parse(&state(b"\xff\x00q")), Some(Key::State(b"\xff\x00q")));
        assert_eq!(parse(&redelivery("in")), Some(Key::Redelivery("in")));
        assert_eq!(parse(&filters("in")), Some(Key::Filters("in")));
        assert_eq!(parse(&position("in", "a/b")), Some(Key::Position("in", "a/b")));
        assert_eq!(parse(b"p/in"), None);
        assert_eq!(parse(&cursor("out")), Some(Key::Cursor("out")));
        assert_eq!(parse(&log(&LogName::outbox("out"))), Some(Key::Log("outbox.out")));
        assert_eq!(parse(b"x/in"), None);
        assert_eq!(parse(b"r/\xff"), None);
        assert_eq!(parse(b"r"), None);
    }

    #[test]
    fn segment_keys_sort_by_log_and_base() {
        let log = LogName::outbox("central");
        assert_eq!(stored::parse_segment(&stored::segment(&log, 0x1f)), Some((log.clone(), 0x1f)));
        assert!(stored::segment(&log, 9) < stored::segment(&log, 10));
        assert!(stored::segment(&log, 0xff) < stored::segment(&log, 0x100));
        assert_eq!(stored::parse_segment(b"l/outbox"), None);
    }

    #[test]
    fn the_stores_records_and_the_cores_never_meet() {
        let own = [stored::FORMAT.to_vec(), stored::NUMBER.to_vec(), stored::segment(&LogName::dead_letters(), 0)];
        for key in own {
            assert!(!key.starts_with(stored::ENTRIES) && !key.starts_with(stored::PARTS));
        }
    }
}
