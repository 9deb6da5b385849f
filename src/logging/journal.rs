//! Log lines as the journal's entries: the line that people read as MESSAGE, each field also by its own name, so that
//! `journalctl SOURCE=readings` finds it.
//!
//! Limits: a value is cut at [`VALUE_BYTES_MAX`]. An entry that the journal does not take is lost, as with any other log.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const VALUE_BYTES_MAX: usize = 64 << 10;
/// The journal's own limit for a field's name.
const NAME_BYTES_MAX: usize = 64;

/// Whether standard error is the journal: systemd names the stream that it connected, by device and inode.
pub fn is_standard_error() -> bool {
    let Some(named) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    rustix::fs::fstat(std::io::stderr()).is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// Sends every event to the journal.
pub struct JournalLayer;

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let entry = entry(event);
        let fields: Vec<&str> = entry.iter().map(String::as_str).collect();
        // There is nowhere else to say that the log can't be written.
        _ = systemd::journal::send(&fields);
    }
}

/// `NAME=value` of each field of the journal's entry.
fn entry(event: &Event<'_>) -> Vec<String> {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let Fields { mut message, rest, named } = fields;
    message.push_str(&rest);
    // As systemd's own services put it: 3 error, 4 warning, 6 information, 7 debugging.
    let priority = match *event.metadata().level() {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    let mut entry = vec![
        format!("MESSAGE={}", cut(message)),
        format!("PRIORITY={priority}"),
        "SYSLOG_IDENTIFIER=tidemill".to_owned(),
        format!("TARGET={}", event.metadata().target()),
    ];
    entry.extend(named);
    entry
}

#[derive(Default)]
struct Fields {
    message: String,
    /// ` name=value` of all others, as in the text on a terminal.
    rest: String,
    named: Vec<String>,
}

impl Fields {
    /// `shown` is the value as it stands in the line.
    fn add(&mut self, field: &Field, value: String, shown: &str) {
        if field.name() == "message" {
            self.message = value;
            return;
        }
        // Writing to a string does not fail.
        _ = write!(self.rest, " {}={shown}", field.name());
        self.named.push(format!("{}={}", name(field.name()), cut(value)));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let shown = if is_plain(value) { value.to_owned() } else { format!("{value:?}") };
        self.add(field, value.to_owned(), &shown);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        self.add(field, value.clone(), &value);
    }
}

/// Without what would need quotes in `name=value`.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"')
}

/// Capital letters, digits and underscores, no underscore first: what the journal accepts from a service.
fn name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let name = name.trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
    // The journal reads these as its own.
    let own = ["MESSAGE", "PRIORITY", "TARGET", "SYSLOG_IDENTIFIER", "MESSAGE_ID"].contains(&name);
    let prefix = if own { "FIELD_" } else { "" };
    format!("{prefix}{}", &name[..name.len().min(NAME_BYTES_MAX)])
}

fn cut(mut value: String) -> String {
    if value.len() > VALUE_BYTES_MAX {
        let end = (0..=VALUE_BYTES_MAX).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
        value.truncate(end);
        value.push('…');
    }
    value
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Vec<String>>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            self.0.lock().unwrap().push(entry(event));
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<String> {
        let kept = Kept::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(kept.clone()), log);
        let mut entries = kept.0.lock().unwrap();
        entries.pop().unwrap()
    }

    #[test]
    fn an_entry_has_the_line_and_the_fields() {
        let error = std::io::Error::other("no route");
        let entry = logged(|| tracing::warn!(source = "room 1", %error, tries = 3, "can't connect"));
        assert_eq!(entry[0], "MESSAGE=can't connect source=\"room 1\" error=no route tries=3");
        assert_eq!(entry[1], "PRIORITY=4");
        assert!(entry.contains(&"SOURCE=room 1".to_owned()) && entry.contains(&"TRIES=3".to_owned()), "{entry:?}");
        assert!(logged(|| tracing::error!(sink = "out", "x")).contains(&"SINK=out".to_owned()));
    }

    #[test]
    fn names_and_sizes_are_what_the_journal_takes() {
        assert_eq!(
            (name("data_dir"), name("_hidden"), name("a.b-c"), name("priority")),
            ("DATA_DIR".into(), "HIDDEN".into(), "A_B_C".into(), "FIELD_PRIORITY".into())
        );
        assert_eq!(name(&"a".repeat(100)).len(), NAME_BYTES_MAX);
        let long = "ä".repeat(VALUE_BYTES_MAX);
        let entry = logged(|| tracing::info!("{long}"));
        assert_eq!(entry[0].len(), "MESSAGE=…".len() + VALUE_BYTES_MAX);
    }

    #[test]
    fn a_test_does_not_log_to_the_journal() {
        assert!(!is_standard_error());
    }
}
