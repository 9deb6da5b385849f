//! Sources of type "mqtt": the broker, and the topics with the names that they capture.

use super::super::broker;
use super::super::diagnostic::{Diagnostic, Place};
use super::super::reader::{Context, Reader};
use super::super::settings::{MqttSourceSettings, SourceKind};
use super::super::text::Text;
use super::super::topics::{filter_of, filters_overlap, parse_pattern};
use crate::format::TopicPattern;

/// Topic filters of one source.
pub const TOPICS_MAX: usize = 256;

/// What the `topics` key says.
pub struct Topics {
    pub patterns: Vec<TopicPattern>,
    filters: Vec<String>,
    pub captures: Vec<String>,
    /// Where the first pattern stands.
    pub place: Place,
}

/// Reads the keys that only this type has.
pub fn read(context: &mut Context, name: &str, reader: &mut Reader, gateway: &str) -> Option<(SourceKind, Topics)> {
    let broker = broker::read(context, reader, format!("{gateway}-{name}"), true);
    let topics = topics(context, reader);
    let qos = broker::qos(context, reader);
    let retained_used = reader.choice(context, "retained", &[("ignore", false), ("use", true)]).unwrap_or(false);
    let (broker, topics) = (broker?, topics?);
    let kind = SourceKind::Mqtt(Box::new(MqttSourceSettings { broker, filters: topics.filters.clone(), qos, retained_used }));
    Some((kind, topics))
}

fn topics(context: &mut Context, reader: &mut Reader) -> Option<Topics> {
    reader.require(context, "topics", "[\"sensors/{device}/climate\"]");
    let texts = reader.texts(context, "topics", TOPICS_MAX)?;
    let mut topics = Topics { patterns: Vec::new(), filters: Vec::new(), captures: Vec::new(), place: texts.first()?.place };
    let mut good = true;
    for (index, text) in texts.iter().enumerate() {
        match parse_pattern(&text.value, &mut topics.captures) {
            Ok(pattern) => {
                let filter = filter_of(&pattern);
                good &= !reports_overlap(context, text, &filter, &texts, &topics.filters);
                topics.filters.push(filter);
                topics.patterns.push(pattern);
            }
            Err(error) => {
                context.report(Diagnostic { help: error.help, ..Diagnostic::error(text.place_of(error.range), error.message) });
                return None;
            }
        }
        // Each pattern has every name there is so far, and brings no new one after the first.
        let missing = topics.captures.iter().enumerate().find(|(number, _)| !captures(&topics.patterns[index], *number));
        let missing = missing.map(|(_, name)| (name.clone(), text)).or_else(|| {
            let number = topics.captures.iter().enumerate().find(|(number, _)| !captures(&topics.patterns[0], *number));
            number.map(|(_, name)| (name.clone(), &texts[0]))
        });
        if let Some((name, text)) = missing {
            let message = format!("this topic does not capture `{name}`, others of this source do");
            context.error(text.place, message, "give all topics of a source the same names, or make it two sources");
            return None;
        }
    }
    good.then_some(topics)
}

fn captures(pattern: &TopicPattern, number: usize) -> bool {
    use crate::format::PatternLevel::{Capture, CaptureRest};
    pattern.levels.iter().any(|level| matches!(level, Capture(n) | CaptureRest(n) if *n == number))
}

/// A message that two filters of one client match comes twice or more over MQTT 5, and with the lower QoS over 3.1.1.
fn reports_overlap(context: &mut Context, text: &Text, filter: &str, texts: &[Text], earlier: &[String]) -> bool {
    let Some(other) = earlier.iter().position(|other| filters_overlap(other, filter)) else {
        return false;
    };
    let diagnostic = Diagnostic::error(text.place, format!("some topics match both `{}` and `{}`", earlier[other], filter));
    let help = "brokers would send such messages twice: leave one out, or make it two sources";
    context.report(diagnostic.related(texts[other].place, "the other topic").help(help));
    true
}
