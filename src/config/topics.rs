//! Topic patterns (`sensors/{device}/climate`, `site/{place...}`), MQTT filters, and the topics that sinks publish to.

use std::ops::Range;

use super::settings::{TopicPart, TopicTemplate};
use crate::format::{PatternLevel, TopicPattern};

/// Longest topic that MQTT can carry, in bytes.
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// Levels of a pattern; Mosquitto's limit too.
pub const LEVELS_MAX: usize = 200;

/// What is wrong with a pattern or template, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicError {
    pub message: String,
    pub range: Range<usize>,
    pub help: Option<String>,
}

fn topic_error(range: Range<usize>, message: impl Into<String>, help: &str) -> TopicError {
    TopicError { message: message.into(), range, help: (!help.is_empty()).then(|| help.to_owned()) }
}

/// Parses a pattern. Its captures are numbered as `names` holds them; those that `names` lacks are appended.
pub fn parse_pattern(text: &str, names: &mut Vec<String>) -> Result<TopicPattern, TopicError> {
    let whole = 0..text.len();
    if text.is_empty() {
        return Err(topic_error(whole, "the topic is empty", "for example \"sensors/{device}/climate\""));
    }
    if text.len() > TOPIC_BYTES_MAX || text.split('/').count() > LEVELS_MAX {
        return Err(topic_error(whole, format!("the topic is longer than {TOPIC_BYTES_MAX} bytes or {LEVELS_MAX} levels"), ""));
    }
    if text.starts_with("$share/") {
        return Err(topic_error(0..6, "shared subscriptions are not yet supported", "subscribe to the topics themselves"));
    }
    let mut levels = Vec::new();
    let mut seen = Vec::new();
    let mut start = 0;
    for level in text.split('/') {
        let range = start..start + level.len();
        start = range.end + 1;
        let last = range.end == text.len();
        let parsed = parse_level(level, range.clone(), names, &mut seen)?;
        if matches!(parsed, PatternLevel::Rest | PatternLevel::CaptureRest(_)) && !last {
            return Err(topic_error(range, format!("`{level}` may stand only at the end"), "use `+` or `{name}` for one level"));
        }
        levels.push(parsed);
    }
    Ok(TopicPattern { levels })
}

fn parse_level(level: &str, range: Range<usize>, names: &mut Vec<String>, seen: &mut Vec<usize>) -> Result<PatternLevel, TopicError> {
    match level {
        "+" => return Ok(PatternLevel::Any),
        "#" => return Ok(PatternLevel::Rest),
        _ => {}
    }
    if let Some(inner) = level.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        let (name, rest) = inner.strip_suffix("...").map_or((inner, false), |name| (name, true));
        if !is_identifier(name) {
            let help = "a name is a letter, then letters, digits and `_`: {device} or {place...}";
            return Err(topic_error(range, format!("`{level}` is not a capture"), help));
        }
        let number = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        if seen.contains(&number) {
            return Err(topic_error(range, format!("`{name}` is captured twice in this topic"), "give each capture its own name"));
        }
        seen.push(number);
        return Ok(if rest { PatternLevel::CaptureRest(number) } else { PatternLevel::Capture(number) });
    }
    if let Some(at) = level.find(['+', '#', '{', '}', '\0']) {
        let c = &level[at..at + 1];
        let at = range.start + at..range.start + at + 1;
        let help = "`+`, `#` and `{name}` stand for whole levels; SQL can take a level apart, as with split_part";
        return Err(topic_error(at, format!("`{}` cannot be part of a level", c.escape_debug()), help));
    }
    Ok(PatternLevel::Text(level.to_owned()))
}

/// A letter, then letters, digits and `_`; ASCII, at most 64.
pub fn is_identifier(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 64
}

/// The filter by which a pattern is subscribed: captures become `+` and `#`.
pub fn filter_of(pattern: &TopicPattern) -> String {
    let level = |level: &PatternLevel| match level {
        PatternLevel::Text(text) => text.clone(),
        PatternLevel::Any | PatternLevel::Capture(_) => "+".to_owned(),
        PatternLevel::Rest | PatternLevel::CaptureRest(_) => "#".to_owned(),
    };
    pattern.levels.iter().map(level).collect::<Vec<_>>().join("/")
}

/// Whether some topic matches both filters. Wildcards at the beginning do not match topics that begin with `$`.
pub fn filters_overlap(a: &str, b: &str) -> bool {
    let hidden = |filter: &str| filter.starts_with('$');
    let wild = |filter: &str| filter.starts_with(['+', '#']);
    if hidden(a) && wild(b) || hidden(b) && wild(a) {
        return false;
    }
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            // `x/#` also matches `x` itself.
            (Some("#"), _) | (_, Some("#")) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(x), Some(y)) if x != y && x != "+" && y != "+" => return false,
            (Some(_), Some(_)) => {}
        }
    }
}

/// Parses a sink's topic. `{gateway}` and `{sink}` are filled in here.
pub fn parse_template(text: &str, gateway: &str, sink: &str) -> Result<TopicTemplate, TopicError> {
    let whole = 0..text.len();
    if text.is_empty() {
        return Err(topic_error(whole, "the topic is empty", "for example \"gateways/{gateway}/climate\""));
    }
    if text.len() > TOPIC_BYTES_MAX {
        return Err(topic_error(whole, format!("the topic is longer than {TOPIC_BYTES_MAX} bytes"), ""));
    }
    if text.starts_with('$') {
        return Err(topic_error(0..1, "topics that begin with `$` belong to the broker", ""));
    }
    let mut parts: Vec<TopicPart> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let plain = rest.find(['{', '}', '+', '#', '\0']).unwrap_or(rest.len());
        push_text(&mut parts, &rest[..plain]);
        at += plain;
        let rest = &text[at..];
        let Some(inner) = rest.strip_prefix('{') else {
            if rest.is_empty() {
                break;
            }
            let message = format!("`{}` cannot stand in a topic to publish to", rest[..1].escape_debug());
            return Err(topic_error(at..at + 1, message, "a result goes to one topic; {column} fills in a value of the row"));
        };
        let Some(length) = inner.find('}') else {
            return Err(topic_error(at..at + 1, "`{` without its `}`", ""));
        };
        match &inner[..length] {
            "" => return Err(topic_error(at..at + 2, "`{}` names no column", "write {column}, {gateway}, {query} or {sink}")),
            "gateway" => push_text(&mut parts, gateway),
            "sink" => push_text(&mut parts, sink),
            "query" => parts.push(TopicPart::Query),
            column => parts.push(TopicPart::Column(column.to_owned())),
        }
        at += length + 2;
    }
    Ok(TopicTemplate { parts })
}

fn push_text(parts: &mut Vec<TopicPart>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(TopicPart::Text(last)) => last.push_str(text),
        _ => parts.push(TopicPart::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Result<(Vec<PatternLevel>, Vec<String>), TopicError> {
        let mut names = Vec::new();
        parse_pattern(text, &mut names).map(|pattern| (pattern.levels, names))
    }

    #[test]
    fn patterns() {
        let text = |text: &str| PatternLevel::Text(text.to_owned());
        let (levels, names) = pattern("sensors/{device}/+/{place...}").unwrap();
        assert_eq!(levels, [text("sensors"), PatternLevel::Capture(0), PatternLevel::Any, PatternLevel::CaptureRest(1)]);
        assert_eq!(names, ["device", "place"]);
        assert_eq!(filter_of(&TopicPattern { levels }), "sensors/+/+/#");
        assert_eq!(pattern("/a//").unwrap().0, [text(""), text("a"), text(""), text("")]);
        assert_eq!(pattern("#").unwrap().0, [PatternLevel::Rest]);
        let mut names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(parse_pattern("{b}/{a}", &mut names).unwrap().levels, [PatternLevel::Capture(1), PatternLevel::Capture(0)]);
    }

    #[test]
    fn wrong_patterns_say_where() {
        for (text, range, message) in [
            ("", 0..0, "the topic is empty"),
            ("a/#/b", 2..3, "`#` may stand only at the end"),
            ("{x...}/b", 0..6, "`{x...}` may stand only at the end"),
            ("a/b+", 3..4, "`+` cannot be part of a level"),
            ("a/x-{id}", 4..5, "`{` cannot be part of a level"),
            ("a/{}", 2..4, "`{}` is not a capture"),
            ("a/{_x}", 2..6, "`{_x}` is not a capture"),
            ("{x}/{x}", 4..7, "`x` is captured twice in this topic"),
            ("$share/g/a", 0..6, "shared subscriptions are not yet supported"),
            ("a\0", 1..2, "`\\0` cannot be part of a level"),
        ] {
            let error = pattern(text).unwrap_err();
            assert_eq!((error.range, error.message.as_str()), (range, message), "{text}");
        }
    }

    #[test]
    fn templates() {
        let text = |text: &str| TopicPart::Text(text.to_owned());
        let column = |name: &str| TopicPart::Column(name.to_owned());
        let parts = |text| parse_template(text, "barn-7", "central").map(|template| template.parts);
        assert_eq!(
            parts("g/{gateway}/{sink}-{device}/{query}").unwrap(),
            [text("g/barn-7/central-"), column("device"), text("/"), TopicPart::Query]
        );
        assert_eq!(parts("{a}{b}").unwrap(), [column("a"), column("b")]);
        for (text, at, message) in [
            ("a/+", 2, "`+` cannot stand in a topic to publish to"),
            ("a/{x", 2, "`{` without its `}`"),
            ("a}", 1, "`}` cannot stand in a topic to publish to"),
            ("{}", 0, "`{}` names no column"),
            ("$SYS/x", 0, "topics that begin with `$` belong to the broker"),
        ] {
            let error = parts(text).unwrap_err();
            assert_eq!((error.range.start, error.message.as_str()), (at, message), "{text}");
        }
    }

    /// Whether a filter matches a topic, as the MQTT standard says it.
    fn matches(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) => true,
            ([], []) => true,
            ([level, filter @ ..], [name, topic @ ..]) => (*level == "+" || level == name) && matches(filter, topic),
            _ => false,
        }
    }

    fn all_topics() -> Vec<Vec<&'static str>> {
        let names = ["a", "b", "", "$s"];
        let mut topics: Vec<Vec<&str>> = names.iter().map(|name| vec![*name]).collect();
        let mut longest = topics.clone();
        for _ in 1..5 {
            longest = longest.iter().flat_map(|topic| names[..3].iter().map(move |name| [topic.as_slice(), &[*name]].concat())).collect();
            topics.extend(longest.iter().cloned());
        }
        topics
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn overlap_is_what_brute_force_finds(
            a in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "", "+", "$s"]), 1..4),
            b in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "", "+", "$s"]), 1..4),
            rest in (any::<bool>(), any::<bool>()),
        ) {
            let with_rest = |mut filter: Vec<&'static str>, rest: bool| {
                // `$` is special, and in our topics present, only at the beginning.
                filter.iter_mut().skip(1).for_each(|level| if *level == "$s" { *level = "a" });
                if rest { *filter.last_mut().unwrap() = "#" }
                filter
            };
            let (a, b) = (with_rest(a, rest.0), with_rest(b, rest.1));
            let hidden = |filter: &[&str], topic: &[&str]| topic[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#");
            let both = |topic: &Vec<&str>| [&a, &b].iter().all(|filter| matches(filter, topic) && !hidden(filter, topic));
            let expected = all_topics().iter().any(both);
            prop_assert_eq!(filters_overlap(&a.join("/"), &b.join("/")), expected, "{:?} {:?}", a, b);
        }
    }
}
