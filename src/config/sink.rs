//! `[sink.<name>]`: where results go, and how much waits for it.

use std::time::Duration;

use super::broker;
use super::diagnostic::{Diagnostic, Place, nearest};
use super::names::TableNames;
use super::reader::{Context, Reader, shown};
use super::settings::{MqttSinkSettings, OutboxSettings, SinkKind, SinkSettings, TopicPart, TopicTemplate, WhenFull};
use super::text::Text;
use super::topics::parse_template;
use super::units::DURATION_MAX;
use crate::plan::Query;
use crate::types::{DataType, Field};

/// Columns of a key.
const KEY_COLUMNS_MAX: usize = 16;

const POLICIES: [(&str, WhenFull); 4] = [
    ("drop_oldest", WhenFull::DropOldest),
    ("drop_newest", WhenFull::DropNewest),
    ("keep_latest", WhenFull::KeepLatest),
    ("block", WhenFull::Block),
];

/// Queries that one sink takes.
pub const FROM_MAX: usize = 256;

const OUTBOX_BYTES_DEFAULT: u64 = 256_000_000;
const OUTBOX_AGE_DEFAULT: Duration = Duration::from_secs(7 * 86_400);
const ROTATE_BYTES_DEFAULT: u64 = 16_000_000;
const ROTATE_AGE_DEFAULT: Duration = Duration::from_secs(86_400);
const KEEP_FILES_DEFAULT: i64 = 8;

const MQTT_KEYS: [&str; 10] =
    ["broker", "topic", "qos", "retain", "protocol", "client_id", "username", "password", "ca_file", "keep_alive"];

#[derive(Clone, Copy)]
enum Type {
    Mqtt,
    File,
    Stdout,
}

/// A sink as it was read; `queries` of its settings are still to be resolved by [`Sink::resolve`].
pub struct Sink {
    pub settings: SinkSettings,
    from: Vec<Text>,
    /// `outbox.key`, and where the policy that needs it is named.
    key: Vec<Text>,
    latest: Option<Place>,
    /// The text of the topic, for a sink that has one.
    topic: Option<Text>,
    /// Where its broker or file is named, for messages.
    pub place: Place,
}

/// What `from` may name, and may name by mistake.
pub struct Names<'a> {
    pub planned: &'a [Query],
    pub all: &'a TableNames,
}

/// Reads the section. `None` if it is wrong, which has then been reported.
pub fn read(context: &mut Context, name: &str, mut reader: Reader, gateway: &str) -> Option<Sink> {
    reader.require(context, "type", "\"mqtt\"");
    let sink_type = reader.choice(context, "type", &[("mqtt", Type::Mqtt), ("file", Type::File), ("stdout", Type::Stdout)])?;
    let mut place = reader.place;
    let mut topic = None;
    let errors_before = context.diagnostics.len();
    let from = from(context, &mut reader);
    let Outbox { settings: outbox, key, latest } = outbox(context, &mut reader);
    let (kind, elsewhere) = match sink_type {
        Type::Mqtt => {
            place = reader.key_place("broker");
            let kind = mqtt(context, &mut reader, name, gateway, &mut topic);
            let session = ("session_expiry", "sources: a sink keeps no session at the broker");
            (kind, vec![session, ("path", "sinks of type \"file\""), ("rotate", "sinks of type \"file\"")])
        }
        Type::File => {
            place = reader.key_place("path");
            (file(context, &mut reader), MQTT_KEYS.map(|key| (key, "sinks of type \"mqtt\"")).to_vec())
        }
        Type::Stdout => {
            let file = [("path", "sinks of type \"file\""), ("rotate", "sinks of type \"file\"")];
            (Some(SinkKind::Stdout), MQTT_KEYS.map(|key| (key, "sinks of type \"mqtt\"")).into_iter().chain(file).collect())
        }
    };
    reader.finish(context, &elsewhere);
    if context.diagnostics[errors_before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let settings = SinkSettings { name: name.to_owned(), kind: kind?, queries: Vec::new(), outbox };
    Some(Sink { settings, from: from?, key, latest, topic, place })
}

/// The queries that it takes; none of a retired one, whatever it says.
fn from(context: &mut Context, reader: &mut Reader) -> Option<Vec<Text>> {
    let retired = reader.boolean(context, "retired").unwrap_or(false);
    if !retired {
        reader.require(context, "from", "[\"climate\"]");
    }
    let from = if retired && !reader.has("from") { Some(Vec::new()) } else { reader.texts(context, "from", FROM_MAX) };
    from.map(|from| if retired { Vec::new() } else { from })
}

fn mqtt(context: &mut Context, reader: &mut Reader, name: &str, gateway: &str, topic: &mut Option<Text>) -> Option<SinkKind> {
    let broker = broker::read(context, reader, format!("{gateway}-{name}"), false);
    reader.require(context, "topic", "\"gateways/{gateway}/climate\"");
    *topic = reader.text(context, "topic");
    let template = topic.as_ref().and_then(|text| match parse_template(&text.value, gateway, name) {
        Ok(template) => Some(template),
        Err(error) => {
            context.report(Diagnostic { help: error.help, ..Diagnostic::error(text.place_of(error.range), error.message) });
            None
        }
    });
    let qos = broker::qos(context, reader);
    let retain = reader.boolean(context, "retain").unwrap_or(false);
    Some(SinkKind::Mqtt(MqttSinkSettings { broker: broker?, topic: template?, qos, retain }))
}

fn file(context: &mut Context, reader: &mut Reader) -> Option<SinkKind> {
    reader.require(context, "path", "\"/var/lib/tidemill/climate.jsonl\"");
    let path = reader.text(context, "path").and_then(|text| context.resolve_path(&text));
    let (mut rotate_bytes, mut rotate_age, mut keep_files) = (None, None, None);
    if let Some(mut rotate) = reader.table(context, "rotate") {
        rotate_bytes = rotate.size(context, "max_bytes", (64 << 10)..=(1 << 40));
        rotate_age = rotate.duration(context, "max_age", Duration::from_secs(60)..=DURATION_MAX);
        keep_files = rotate.integer(context, "keep_files", 1..=10_000);
        rotate.finish(context, &[]);
    }
    Some(SinkKind::File {
        path: path?,
        rotate_bytes: rotate_bytes.unwrap_or(ROTATE_BYTES_DEFAULT),
        rotate_age: rotate_age.unwrap_or(ROTATE_AGE_DEFAULT),
        keep_files: keep_files.unwrap_or(KEEP_FILES_DEFAULT) as usize,
    })
}

/// `outbox` as it was read.
struct Outbox {
    settings: OutboxSettings,
    key: Vec<Text>,
    latest: Option<Place>,
}

fn outbox(context: &mut Context, reader: &mut Reader) -> Outbox {
    let when_full = WhenFull::DropOldest;
    let settings = OutboxSettings { bytes_max: OUTBOX_BYTES_DEFAULT, age_max: OUTBOX_AGE_DEFAULT, when_full, key: Vec::new() };
    let mut outbox = Outbox { settings, key: Vec::new(), latest: None };
    let Some(mut reader) = reader.table(context, "outbox") else {
        return outbox;
    };
    let settings = &mut outbox.settings;
    settings.bytes_max = reader.size(context, "max_bytes", (64 << 10)..=(1 << 44)).unwrap_or(settings.bytes_max);
    settings.age_max = reader.duration(context, "max_age", Duration::from_secs(1)..=DURATION_MAX).unwrap_or(settings.age_max);
    let when_full_place = reader.value_place("when_full");
    settings.when_full = reader.choice(context, "when_full", &POLICIES).unwrap_or(settings.when_full);
    let key_place = reader.has("key").then(|| reader.key_place("key"));
    outbox.key = reader.texts(context, "key", KEY_COLUMNS_MAX).unwrap_or_default();
    if settings.when_full == WhenFull::KeepLatest {
        settings.key = outbox.key.iter().map(|text| text.value.clone()).collect();
        outbox.latest = Some(when_full_place);
    } else if let Some(place) = key_place {
        context.error(place, "`key` belongs to when_full = \"keep_latest\"", "remove it, or keep the latest result of each key");
    }
    reader.finish(context, &[]);
    outbox
}

impl Sink {
    /// Looks up `from` and checks the topic's columns. Gives the settings, and the place for messages.
    pub fn resolve(mut self, context: &mut Context, names: &Names) -> (SinkSettings, Place) {
        for text in &self.from {
            let found = names.planned.iter().position(|query| query.name == text.value);
            match found {
                Some(query) if self.settings.queries.contains(&query) => {
                    context.error(text.place, format!("`{}` is named twice", text.value), "leave one out");
                }
                Some(query) => {
                    self.settings.queries.push(query);
                    self.check_topic(context, &names.planned[query]);
                    self.check_key(context, &names.planned[query]);
                }
                // It could not be planned, which has been reported there.
                None if names.all.contains("query", &text.value) => {}
                None => unknown_query(context, text, names),
            }
        }
        self.check_latest(context);
        (self.settings, self.place)
    }

    /// Each query has the columns of the key.
    fn check_key(&self, context: &mut Context, query: &Query) {
        for text in &self.key {
            let columns = || query.output.iter().map(|field| field.name.as_str());
            if columns().all(|name| name != text.value) {
                let help = match nearest(&text.value, columns()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("its columns are {}", columns().collect::<Vec<_>>().join(", ")),
                };
                context.error(text.place, format!("the query `{}` has no column `{}`", query.name, shown(&text.value)), help);
            }
        }
    }

    /// What `keep_latest` needs to tell results apart.
    fn check_latest(&self, context: &mut Context) {
        let Some(place) = self.latest else { return };
        let parts: &[TopicPart] = match &self.settings.kind {
            SinkKind::Mqtt(mqtt) => &mqtt.topic.parts,
            SinkKind::File { .. } | SinkKind::Stdout => &[],
        };
        let by_row = parts.iter().any(|part| matches!(part, TopicPart::Column(_))) || !self.key.is_empty();
        if !by_row && !self.settings.queries.is_empty() {
            let help = "name the columns that do, as in key = [\"device\"]";
            context.error(place, "\"keep_latest\" must know what tells results apart", help);
        }
        let by_query = parts.iter().any(|part| matches!(part, TopicPart::Query));
        if self.settings.queries.len() > 1 && !by_query {
            let help = "put {query} into the topic, or give each query a sink of its own";
            context.error(place, "\"keep_latest\" would take results of one query for later ones of another", help);
        }
    }

    fn check_topic(&self, context: &mut Context, query: &Query) {
        let (SinkKind::Mqtt(mqtt), Some(text)) = (&self.settings.kind, &self.topic) else {
            return;
        };
        for name in columns_of(&mqtt.topic) {
            let at = text.value.find(&format!("{{{name}}}")).unwrap_or(0);
            let place = text.place_of(at..at + name.len() + 2);
            match query.output.iter().find(|field| field.name == name) {
                Some(Field { data_type: DataType::Struct(_), .. }) => {
                    let help = format!("select a member under a name of its own, as in `{name}.start AS start`");
                    context.error(place, format!("`{name}` of the query `{}` is a struct and cannot stand in a topic", query.name), help);
                }
                Some(_) => {}
                None => {
                    let columns = query.output.iter().map(|field| field.name.as_str());
                    let help = match nearest(name, columns.clone().chain(["gateway", "query", "sink"])) {
                        Some(near) => format!("did you mean {{{near}}}?"),
                        None => format!("its columns are {}", columns.collect::<Vec<_>>().join(", ")),
                    };
                    context.error(place, format!("the query `{}` has no column `{}`", query.name, shown(name)), help);
                }
            }
        }
    }
}

fn columns_of(topic: &TopicTemplate) -> impl Iterator<Item = &str> {
    topic.parts.iter().filter_map(|part| match part {
        TopicPart::Column(name) => Some(name.as_str()),
        TopicPart::Text(_) | TopicPart::Query => None,
    })
}

fn unknown_query(context: &mut Context, text: &Text, names: &Names) {
    let name = shown(&text.value);
    if names.all.contains("source", &text.value) {
        let help = format!("sinks take queries: write one with sql = \"SELECT * FROM {name}\"");
        return context.error(text.place, format!("`{name}` is a source, not a query"), help);
    }
    let queries: Vec<&str> = names.all.iter().filter(|(_, what, _)| *what == "query").map(|(name, ..)| name).collect();
    let help = match nearest(&text.value, queries.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the queries are {}", queries.join(", ")),
    };
    context.error(text.place, format!("there is no query `{name}`"), help);
}

/// Two sinks that write one file would mix their lines: reports that.
pub fn check_files(context: &mut Context, sinks: &[(SinkSettings, Place)]) {
    let path = |sink: &SinkSettings| match &sink.kind {
        SinkKind::File { path, .. } => Some(path.clone()),
        SinkKind::Mqtt(_) | SinkKind::Stdout => None,
    };
    for (index, (sink, place)) in sinks.iter().enumerate() {
        let same = |(other, _): &&(SinkSettings, Place)| path(sink).is_some() && path(other) == path(sink);
        if let Some((other, first)) = sinks[..index].iter().find(same) {
            let diagnostic = Diagnostic::error(*place, format!("the sinks `{}` and `{}` write the same file", other.name, sink.name));
            context.report(diagnostic.related(*first, "the other sink").help("one sink may take several queries: from = [\"a\", \"b\"]"));
        }
    }
}
