//! Log lines on standard error, as text or JSON, by `tracing`.
//!
//! Where standard error is systemd's journal, text goes there as entries with fields (feature `systemd`).
//!
//! A standard error that nobody reads any more, or that is full, loses the lines and nothing else.

#[cfg(feature = "systemd")]
mod journal;

use std::fmt;
use std::io::{IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Local time, compact; colours on a terminal.
    Text,
    /// One object a line, UTC.
    Json,
}

#[derive(Clone, Debug)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A level, or levels by module: `info,tidemill::mqtt=debug`. `None`: info.
    pub filter: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error("`{0}` is not a log level: give error, warn, info, debug or trace, also by module as in info,tidemill::mqtt=debug")]
    Level(String),
    #[error("logging has been started before")]
    Started,
}

/// Begins to log, for the whole process.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    let filter = parse_filter(settings.filter.as_deref().unwrap_or("info"))?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    #[cfg(feature = "systemd")]
    if settings.format == LogFormat::Text && journal::is_standard_error() {
        return tracing_subscriber::registry().with(journal::JournalLayer.with_filter(filter)).try_init().map_err(|_| LogError::Started);
    }
    let layer = layer(settings.format, colours, || QuietStderr);
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().map_err(|_| LogError::Started)
}

fn layer<W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false).with_target(false).with_writer(writer);
    match format {
        LogFormat::Text => Box::new(layer.compact().with_ansi(colours).with_timer(LocalTime)),
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
            Box::new(layer.with_target(true).with_timer(UtcTime))
        }
    }
}

fn parse_filter(text: &str) -> Result<Targets, LogError> {
    let mut targets = Targets::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let level = |word: &str| match word.to_ascii_lowercase().as_str() {
            "error" => Ok(LevelFilter::ERROR),
            "warn" => Ok(LevelFilter::WARN),
            "info" => Ok(LevelFilter::INFO),
            "debug" => Ok(LevelFilter::DEBUG),
            "trace" => Ok(LevelFilter::TRACE),
            "off" => Ok(LevelFilter::OFF),
            _ => Err(LogError::Level(word.chars().take(80).collect())),
        };
        targets = match part.split_once('=') {
            Some((target, word)) => targets.with_target(target, level(word)?),
            None => targets.with_default(level(part)?),
        };
    }
    Ok(targets)
}

/// Standard error without errors of its own.
struct QuietStderr;

impl Write for QuietStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        _ = std::io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct LocalTime;
struct UtcTime;

impl FormatTime for LocalTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f"))
    }
}

impl FormatTime for UtcTime {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{}", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = layer(format, false, move || writer.clone()).with_filter(parse_filter(filter).unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(rows = 3, "committed");
            tracing::debug!("not shown");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_is_one_line_with_time_and_fields() {
        let text = logged(LogFormat::Text, "info");
        assert_eq!(text.lines().count(), 1);
        assert!(text.ends_with("  INFO committed rows=3\n"), "{text:?}");
        assert!(text.starts_with("20") && text.as_bytes()[10] == b' ', "{text:?}");
    }

    #[test]
    fn json_is_one_object_with_the_fields_in_it() {
        let text = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["level"], &line["message"], &line["rows"]), (&"INFO".into(), &"committed".into(), &3.into()));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn filters() {
        assert!(logged(LogFormat::Text, "debug").contains("not shown"));
        assert!(logged(LogFormat::Text, "warn,tidemill=debug").contains("not shown"));
        assert_eq!(logged(LogFormat::Text, "info,tidemill=off"), "");
        assert_eq!(parse_filter("loud"), Err(LogError::Level("loud".to_owned())));
        assert_eq!(parse_filter("info,a=loud"), Err(LogError::Level("loud".to_owned())));
    }
}
