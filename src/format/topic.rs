//! Topic patterns at run time: which levels of a topic are captured, and a cache of that for the topics that come again and again.
//!
//! Limits: [`CACHED_TOPICS_MAX`] topics of together [`CACHED_BYTES_MAX`]; when full the cache begins anew.

use std::ops::Range;

use hashbrown::HashTable;

use super::dictionary::TextHasher;
use super::open_table::KnownCode;
use super::words;
use super::{PatternLevel, TopicPattern};

pub const CACHED_TOPICS_MAX: usize = 16_384;
pub const CACHED_BYTES_MAX: usize = 1 << 20;

impl TopicPattern {
    /// The byte range of each capture in `topic`, by its number; `None` if the topic does not match.
    ///
    /// As in MQTT, `#` matches its parent level too, and a pattern that begins with a wildcard matches no topic that begins with `$`.
    pub fn captures(&self, topic: &str) -> Option<Vec<Range<usize>>> {
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(PatternLevel::Text(_))) {
            return None;
        }
        let mut captures = Vec::new();
        let mut capture = |number: usize, range: Range<usize>| {
            if captures.len() <= number {
                captures.resize(number + 1, 0..0);
            }
            captures[number] = range;
        };
        // Where the next level begins; `None` after the last one.
        let mut next = Some(0);
        for level in &self.levels {
            let Some(start) = next else {
                // `a/#` matches `a`, and `a/{rest...}` captures nothing of it.
                return match level {
                    PatternLevel::Rest => Some(captures),
                    PatternLevel::CaptureRest(number) => {
                        capture(*number, topic.len()..topic.len());
                        Some(captures)
                    }
                    _ => None,
                };
            };
            let end = memchr::memchr(b'/', &topic.as_bytes()[start..]).map_or(topic.len(), |slash| start + slash);
            match level {
                PatternLevel::Text(text) if *text != topic[start..end] => return None,
                PatternLevel::Text(_) | PatternLevel::Any => {}
                PatternLevel::Capture(number) => capture(*number, start..end),
                PatternLevel::Rest => return Some(captures),
                PatternLevel::CaptureRest(number) => {
                    capture(*number, start..topic.len());
                    return Some(captures);
                }
            }
            next = (end < topic.len()).then_some(end + 1);
        }
        next.is_none().then_some(captures)
    }
}

/// Which part of a topic a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopicPart {
    Capture(usize),
    Whole,
}

/// A topic, and the part of it that each topic column takes.
struct CachedTopic {
    topic: Box<str>,
    parts: Vec<CachedPart>,
}

struct CachedPart {
    range: Range<usize>,
    known: KnownCode,
}

pub(super) struct TopicCache {
    patterns: Vec<TopicPattern>,
    columns: Vec<TopicPart>,
    hasher: TextHasher,
    index: HashTable<u32>,
    topics: Vec<CachedTopic>,
    bytes: usize,
    /// Number of the topic found last.
    current: usize,
}

impl TopicCache {
    /// `columns`: what each topic column takes, numbered in this order.
    pub fn new(patterns: Vec<TopicPattern>, columns: Vec<TopicPart>, hasher: TextHasher) -> TopicCache {
        TopicCache { patterns, columns, hasher, index: HashTable::new(), topics: Vec::new(), bytes: 0, current: 0 }
    }

    /// Makes `topic` the current one; `false` if there are patterns and none matches it.
    #[inline]
    pub fn find(&mut self, topic: &str) -> bool {
        let hash = self.hasher.hash(topic.as_bytes());
        let topics = &self.topics;
        let found = self
            .index
            .find(hash, |number| words::same(topics[*number as usize].topic.as_bytes(), topic.as_bytes()))
            .map(|number| *number as usize);
        match found.or_else(|| self.add(hash, topic)) {
            Some(number) => {
                self.current = number;
                true
            }
            None => false,
        }
    }

    /// What topic column `part` takes of the current topic, `topic`, and its code.
    #[inline]
    pub fn part<'a>(&'a mut self, topic: &'a str, part: usize) -> (&'a str, &'a mut KnownCode) {
        let part = &mut self.topics[self.current].parts[part];
        (&topic[part.range.clone()], &mut part.known)
    }

    fn add(&mut self, hash: u64, topic: &str) -> Option<usize> {
        let captures = match self.patterns.as_slice() {
            [] => Vec::new(),
            patterns => patterns.iter().find_map(|pattern| pattern.captures(topic))?,
        };
        let part = |column: &TopicPart| match column {
            TopicPart::Whole => 0..topic.len(),
            TopicPart::Capture(number) => captures.get(*number).cloned().unwrap_or(0..0),
        };
        let parts: Vec<CachedPart> =
            self.columns.iter().map(|column| CachedPart { range: part(column), known: KnownCode::default() }).collect();
        let bytes = topic.len() + parts.len() * size_of::<CachedPart>();
        if self.topics.len() == CACHED_TOPICS_MAX || self.bytes + bytes > CACHED_BYTES_MAX {
            self.index.clear();
            self.topics.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.topics.push(CachedTopic { topic: topic.into(), parts });
        let number = self.topics.len() - 1;
        let (hasher, topics) = (&self.hasher, &self.topics);
        self.index.insert_unique(hash, number as u32, |number| hasher.hash(topics[*number as usize].topic.as_bytes()));
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::PatternLevel::{Any, Capture, CaptureRest, Rest};
    use super::*;

    fn text(level: &str) -> PatternLevel {
        PatternLevel::Text(level.into())
    }

    fn captured(levels: &[PatternLevel], topic: &str) -> Option<Vec<String>> {
        let pattern = TopicPattern { levels: levels.to_vec() };
        pattern.captures(topic).map(|ranges| ranges.into_iter().map(|range| topic[range].to_string()).collect())
    }

    #[test]
    fn levels_are_captured() {
        let pattern = [text("sensors"), Capture(0), text("climate")];
        assert_eq!(captured(&pattern, "sensors/dev-1/climate"), Some(vec!["dev-1".into()]));
        assert_eq!(captured(&pattern, "sensors//climate"), Some(vec!["".into()]));
        assert_eq!(captured(&pattern, "sensors/dev-1/climate/x"), None);
        assert_eq!(captured(&pattern, "sensors/dev-1"), None);
        assert_eq!(captured(&pattern, "sensors/dev-1/climate/"), None);
        assert_eq!(captured(&[Capture(1), Any, Capture(0)], "é/b/c"), Some(vec!["c".into(), "é".into()]));
    }

    #[test]
    fn the_rest_may_be_nothing() {
        assert_eq!(captured(&[text("a"), Rest], "a"), Some(vec![]));
        assert_eq!(captured(&[text("a"), Rest], "a/b/c"), Some(vec![]));
        assert_eq!(captured(&[text("a"), Rest], "ab"), None);
        assert_eq!(captured(&[text("a"), CaptureRest(0)], "a/b/c"), Some(vec!["b/c".into()]));
        assert_eq!(captured(&[text("a"), CaptureRest(0)], "a"), Some(vec!["".into()]));
        assert_eq!(captured(&[CaptureRest(0)], "a/b"), Some(vec!["a/b".into()]));
    }

    #[test]
    fn wildcards_leave_system_topics_out() {
        assert_eq!(captured(&[Rest], "$SYS/uptime"), None);
        assert_eq!(captured(&[Capture(0), Any], "$SYS/uptime"), None);
        assert_eq!(captured(&[text("$SYS"), Capture(0)], "$SYS/uptime"), Some(vec!["uptime".into()]));
    }

    #[test]
    fn the_cache_is_bounded() {
        let pattern = TopicPattern { levels: vec![Capture(0), Rest] };
        let mut cache = TopicCache::new(vec![pattern], vec![TopicPart::Capture(0)], TextHasher::new(7));
        for number in 0..3 * CACHED_TOPICS_MAX {
            let topic = format!("d{number}/{}", "x".repeat(number % 50));
            assert!(cache.find(&topic));
            assert_eq!(cache.part(&topic, 0).0, format!("d{number}"));
            assert!(cache.topics.len() <= CACHED_TOPICS_MAX && cache.bytes <= CACHED_BYTES_MAX);
        }
    }
}
