//! How the gateway is, as data and as text for people.

use std::fmt::Write;

use serde::Serialize;

use crate::status::{QueryStatus, SinkStatus, SourceStatus, Status};

/// All that `tidemill status` shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overview {
    /// Of the running program.
    pub version: String,
    pub pid: u32,
    pub uptime_s: u64,
    /// When it was made: wall clock, ms since 1970.
    pub at_ms: i64,
    /// `None` while the store's thread has no time to say.
    pub store: Option<StoreUsage>,
    #[serde(flatten)]
    pub status: Status,
}

/// What the store takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreUsage {
    pub used_bytes: u64,
    /// `store_bytes_max`.
    pub bytes_max: u64,
    /// On its file system.
    pub free_bytes: u64,
}

impl Overview {
    /// Lines for people.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.put_gateway(&mut out);
        // A reason is long: in the table it would make all lines so.
        for source in self.status.sources_from_outside().filter(|source| !source.connected) {
            if let Some(trouble) = &source.trouble {
                _ = writeln!(out, "{} is not connected: {}", source.name, one_line(trouble));
            }
        }
        put_table(
            &mut out,
            &["SOURCE", "STATE", "RECEIVED", "/S", "REPEATS", "REJECTED", "DROPPED", "UNACKED"],
            self.status.sources_from_outside().map(source_row),
        );
        if !self.status.tables.is_empty() {
            let rows = self.status.tables.iter().map(|table| {
                let state = table.trouble.as_ref().map_or("current".to_owned(), |trouble| format!("not current: {}", one_line(trouble)));
                vec![table.name.clone(), state, table.rows.to_string(), table.versions.to_string()]
            });
            put_table(&mut out, &["TABLE", "STATE", "ROWS", "VERSIONS"], rows);
        }
        put_table(
            &mut out,
            &["QUERY", "WATERMARK", "RESULTS", "/S", "LATE", "REJECTED", "KEYS", "STATE"],
            self.status.queries.iter().map(query_row),
        );
        let sinks = self.status.sinks.iter().map(|sink| sink_row(sink, self.at_ms));
        put_table(&mut out, &["SINK", "STATE", "DELIVERED", "/S", "WAITING", "ROWS", "OLDEST", "DROPPED", "REFUSED"], sinks);
        out
    }

    fn put_gateway(&self, out: &mut String) {
        let Overview { version, pid, uptime_s, status, .. } = self;
        let up = duration(*uptime_s as i64);
        _ = writeln!(out, "gateway {}: tidemill {version}, process {pid}, up {up}, epoch {:016x}", status.gateway, status.epoch);
        if let Some(StoreUsage { used_bytes, bytes_max, free_bytes }) = self.store {
            let (used, max, free) = (bytes(used_bytes), bytes(bytes_max), bytes(free_bytes));
            _ = writeln!(out, "store: {used} of {max}, {free} free on the disk, {} commits", status.commits);
        }
        if let Some(reason) = &status.store_down {
            _ = writeln!(out, "THE STORE TAKES NOTHING: {}", one_line(reason));
        }
        let letters = &status.dead_letters;
        _ = write!(out, "dead letters: {}", letters.written);
        for (count, what) in [(letters.not_kept, "only counted"), (letters.dropped, "made room for newer ones")] {
            if count > 0 {
                _ = write!(out, ", {count} {what}");
            }
        }
        out.push('\n');
        if status.clock_set_back > 0 {
            _ = writeln!(out, "the clock was set back {} times", status.clock_set_back);
        }
    }
}

fn source_row(source: &SourceStatus) -> Vec<String> {
    let mut state = if source.connected { "connected" } else { "not connected" }.to_owned();
    for (is, word) in [(source.silent, ", silent"), (source.idle && !source.silent, ", idle")] {
        state.push_str(if is { word } else { "" });
    }
    let counts = [source.repeats, source.rejected, source.dropped, source.unacknowledged];
    let counts = counts.iter().map(u64::to_string);
    [source.name.clone(), state, source.received.to_string(), rate(source.received_per_s)].into_iter().chain(counts).collect()
}

fn query_row(query: &QueryStatus) -> Vec<String> {
    // A query that goes by no event time has the watermark that Spark begins with.
    let watermark = query.watermark_us.filter(|us| *us != 0).and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    vec![
        query.name.clone(),
        watermark.map_or("-".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        query.results.to_string(),
        rate(query.results_per_s),
        query.late_rows.to_string(),
        query.rejected_rows.to_string(),
        query.keys.to_string(),
        bytes(query.state_bytes),
    ]
}

fn sink_row(sink: &SinkStatus, at_ms: i64) -> Vec<String> {
    let state = match (sink.connected, sink.outbox_full) {
        (true, false) => "connected",
        (true, true) => "connected, FULL: input waits",
        (false, false) => "not connected",
        (false, true) => "not connected, FULL: input waits",
    };
    let age = sink.oldest_ms.filter(|_| sink.waiting_rows > 0).map(|oldest| duration(at_ms.saturating_sub(oldest) / 1_000));
    vec![
        sink.name.clone(),
        state.to_owned(),
        sink.delivered.to_string(),
        rate(sink.delivered_per_s),
        bytes(sink.waiting_bytes),
        sink.waiting_rows.to_string(),
        age.unwrap_or("-".to_owned()),
        sink.dropped.to_string(),
        sink.refused.to_string(),
    ]
}

/// Columns as wide as they must be: the first two to the left, numbers to the right.
fn put_table(out: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = std::iter::once(head.iter().map(ToString::to_string).collect()).chain(rows).collect();
    let widths: Vec<usize> = (0..head.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    out.push('\n');
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            _ = if column < 2 { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// What came from outside, without line ends and control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn rate(per_s: f64) -> String {
    format!("{per_s:.1}")
}

fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = UNITS.iter().find(|(_, size)| bytes >= *size);
    unit.map_or(format!("{bytes} B"), |(unit, size)| format!("{:.1} {unit}", bytes as f64 / *size as f64))
}

/// The two largest units of a time in seconds.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        86_400.. => format!("{days}d {hours}h"),
        3_600.. => format!("{hours}h {minutes}min"),
        60.. => format!("{minutes}min {}s", seconds % 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::STATUS_TABLE;

    #[test]
    fn a_gateway_as_people_see_it() {
        let source = SourceStatus {
            name: "readings".to_owned(),
            connected: true,
            received: 1_234,
            received_per_s: 20.04,
            ..SourceStatus::default()
        };
        let lost = SourceStatus { name: "boiler".to_owned(), trouble: Some("no such\nport".to_owned()), ..SourceStatus::default() };
        let own = SourceStatus { name: STATUS_TABLE.to_owned(), ..SourceStatus::default() };
        let query = QueryStatus {
            name: "averages".to_owned(),
            watermark_us: Some(1_780_272_000_000_000),
            state_bytes: 4_096,
            ..QueryStatus::default()
        };
        let untimed = QueryStatus { name: "untimed".to_owned(), watermark_us: Some(0), ..QueryStatus::default() };
        let sink = SinkStatus {
            name: "central".to_owned(),
            waiting_bytes: 3_100_000,
            waiting_rows: 900,
            oldest_ms: Some(0),
            ..SinkStatus::default()
        };
        let status = Status {
            gateway: "pi-1".to_owned(),
            sources: vec![source, lost, own],
            queries: vec![query, untimed],
            sinks: vec![sink],
            ..Status::default()
        };
        let store = Some(StoreUsage { used_bytes: 5_000_000, bytes_max: 1_000_000_000, free_bytes: 999 });
        let text = Overview { version: "1.2.3".to_owned(), pid: 7, uptime_s: 3_725, at_ms: 90_000, store, status }.render();
        assert_eq!(
            text,
            "gateway pi-1: tidemill 1.2.3, process 7, up 1h 2min, epoch 0000000000000000\n\
             store: 5.0 MB of 1.0 GB, 999 B free on the disk, 0 commits\n\
             dead letters: 0\n\
             boiler is not connected: no such port\n\
             \n\
             SOURCE    STATE          RECEIVED    /S  REPEATS  REJECTED  DROPPED  UNACKED\n\
             readings  connected          1234  20.0        0         0        0        0\n\
             boiler    not connected         0   0.0        0         0        0        0\n\
             \n\
             QUERY     WATERMARK             RESULTS   /S  LATE  REJECTED  KEYS   STATE\n\
             averages  2026-06-01T00:00:00Z        0  0.0     0         0     0  4.1 kB\n\
             untimed   -                           0  0.0     0         0     0     0 B\n\
             \n\
             SINK     STATE          DELIVERED   /S  WAITING  ROWS    OLDEST  DROPPED  REFUSED\n\
             central  not connected          0  0.0   3.1 MB   900  1min 30s        0        0\n"
        );
    }
}
