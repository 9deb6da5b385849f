//! The status in one line, as `systemctl status` shows it: "12 sources, 840 msg/s, outbox 3.1 MB, central down since 14:02".

use std::collections::BTreeMap;

use crate::status::Status;

/// How often the line may change.
const INTERVAL_US: u64 = 5_000_000;
/// Names of what is down; the rest is counted.
const DOWN_NAMED_MAX: usize = 3;

/// What the line before said.
#[derive(Default)]
pub struct Summary {
    /// Monotonic time of the line before, and the messages until then.
    before: Option<(u64, u64)>,
    line: String,
    /// By source or sink and its name, since a reload may bring others: the time of day since when it is down. Those that are up are not there.
    down_since: BTreeMap<(bool, String), String>,
}

impl Summary {
    pub fn is_due(&self, mono_us: u64) -> bool {
        self.before.is_none_or(|(at_us, _)| mono_us >= at_us + INTERVAL_US)
    }

    /// The new line, if it is another than before. `time` is the time of day, such as "14:02".
    pub fn tell(&mut self, status: &Status, mono_us: u64, time: &str) -> Option<&str> {
        let messages = status.sources.iter().map(|source| source.received).sum();
        let (before_us, before) = self.before.replace((mono_us, messages)).unwrap_or((mono_us, messages));
        let seconds = mono_us.saturating_sub(before_us) as f64 / 1e6;
        let rate = if seconds > 0.0 { (messages.saturating_sub(before)) as f64 / seconds } else { 0.0 };
        let mut parts = vec![counted(status.sources_from_outside().count(), "source"), format!("{rate:.0} msg/s")];
        let waiting: u64 = status.sinks.iter().map(|sink| sink.waiting_bytes).sum();
        parts.push(format!("outbox {}", size(waiting)));
        if status.store_down.is_some() {
            parts.push("store full: nothing is acknowledged".to_owned());
        }
        parts.extend(self.down(status, time));
        let line = parts.join(", ");
        (line != self.line).then(|| {
            self.line = line;
            self.line.as_str()
        })
    }

    fn down(&mut self, status: &Status, time: &str) -> Vec<String> {
        let sources = status.sources_from_outside().map(|source| (false, &source.name, source.connected));
        let sinks = status.sinks.iter().map(|sink| (true, &sink.name, sink.connected));
        let mut before = std::mem::take(&mut self.down_since);
        let mut named = Vec::new();
        let mut more = 0;
        for (is_sink, name, _) in sources.chain(sinks).filter(|(.., connected)| !connected) {
            let key = (is_sink, name.clone());
            let since = before.remove(&key).unwrap_or_else(|| time.to_owned());
            if named.len() < DOWN_NAMED_MAX {
                named.push(format!("{name} down since {since}"));
            } else {
                more += 1;
            }
            self.down_since.insert(key, since);
        }
        if more > 0 {
            named.push(format!("{more} more down"));
        }
        named
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{SinkStatus, SourceStatus};

    fn status(received: u64, central: bool) -> Status {
        let source = |name: &str, received| SourceStatus { name: name.to_owned(), connected: true, received, ..SourceStatus::default() };
        let sink = SinkStatus { name: "central".to_owned(), connected: central, waiting_bytes: 3_100_000, ..SinkStatus::default() };
        Status { sources: vec![source("a", received), source("b", 0), source("_status", 0)], sinks: vec![sink], ..Status::default() }
    }

    #[test]
    fn one_line_for_people() {
        let mut summary = Summary::default();
        assert!(summary.is_due(0));
        assert_eq!(summary.tell(&status(0, true), 1_000_000, "14:00"), Some("2 sources, 0 msg/s, outbox 3.1 MB"));
        assert!(!summary.is_due(5_900_000) && summary.is_due(6_000_000));
        let down = "2 sources, 840 msg/s, outbox 3.1 MB, central down since 14:02";
        assert_eq!(summary.tell(&status(4_200, false), 6_000_000, "14:02"), Some(down));
        assert_eq!(summary.tell(&status(8_400, false), 11_000_000, "14:03"), None, "nothing has changed");
        assert_eq!(summary.tell(&status(8_400, true), 16_000_000, "14:03"), Some("2 sources, 0 msg/s, outbox 3.1 MB"));
        let later = summary.tell(&status(8_400, false), 21_000_000, "15:00").unwrap();
        assert!(later.ends_with("central down since 15:00"), "{later}");
    }

    #[test]
    fn what_a_reload_brings_is_not_down_since_before() {
        let mut summary = Summary::default();
        let down = |names: &[&str]| {
            let source = |name: &&str| SourceStatus { name: (*name).to_owned(), ..SourceStatus::default() };
            Status { sources: names.iter().map(source).collect(), ..Status::default() }
        };
        summary.tell(&down(&["barn"]), 0, "14:02").unwrap();
        let line = summary.tell(&down(&["attic", "barn"]), 5_000_000, "15:00").unwrap().to_owned();
        assert!(line.ends_with("attic down since 15:00, barn down since 14:02"), "{line}");
        let line = summary.tell(&down(&["barn"]), 10_000_000, "16:00").unwrap().to_owned();
        assert!(line.ends_with("barn down since 14:02"), "{line}");
    }

    #[test]
    fn the_line_stays_short() {
        let sources = (0..50).map(|n| SourceStatus { name: format!("s{n}"), ..SourceStatus::default() }).collect();
        let status = Status { sources, store_down: Some("full".to_owned()), ..Status::default() };
        let mut summary = Summary::default();
        let line = "50 sources, 0 msg/s, outbox 0 B, store full: nothing is acknowledged, s0 down since 9:00, s1 down since 9:00, s2 down since 9:00, 47 more down";
        assert_eq!(summary.tell(&status, 0, "9:00"), Some(line));
    }
}
