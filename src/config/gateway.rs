//! `[gateway]`: the gateway itself and its limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Place};
use super::names::is_gateway_id;
use super::reader::{Context, Reader, shown};
use super::settings::{ClockTrust, GatewaySettings, SinkSettings};
use super::units::show_size;
use crate::batch::ROWS_MAX;

/// Where a gateway keeps its data if nothing is said.
pub const DATA_DIR_DEFAULT: &str = "/var/lib/tidemill";
const BATCH_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
const BATCH_ROWS_DEFAULT: i64 = 65_536;
const INTAKE_BYTES_DEFAULT: u64 = 4 << 20;
const DEAD_LETTER_BYTES_DEFAULT: u64 = 64_000_000;
/// What the store takes besides outboxes and dead letters, if nothing is said.
const STATE_BYTES_DEFAULT: u64 = 256_000_000;
const FREE_SPACE_DEFAULT: u64 = 64_000_000;
const CLOCKS: [(&str, ClockTrust); 3] = [("auto", ClockTrust::Auto), ("ntp", ClockTrust::Ntp), ("trusted", ClockTrust::Trusted)];
const SHUTDOWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The section, and the place of `store_bytes_max` where it is given: it is checked once the sinks are known.
pub struct Gateway {
    pub settings: GatewaySettings,
    store_bytes: Option<(u64, Place)>,
}

/// Reads the section; a file without one has every default.
pub fn read(context: &mut Context, reader: Option<Reader>) -> Gateway {
    let Some(mut reader) = reader else {
        let settings = GatewaySettings {
            id: default_id(context, None),
            data_dir: PathBuf::from(DATA_DIR_DEFAULT),
            batch_interval: BATCH_INTERVAL_DEFAULT,
            batch_rows_max: BATCH_ROWS_DEFAULT as usize,
            intake_bytes_max: INTAKE_BYTES_DEFAULT as usize,
            dead_letter_bytes_max: DEAD_LETTER_BYTES_DEFAULT,
            store_bytes_max: 0,
            free_space_min: FREE_SPACE_DEFAULT,
            shutdown_timeout: SHUTDOWN_TIMEOUT_DEFAULT,
            clock: ClockTrust::Auto,
        };
        return Gateway { settings, store_bytes: None };
    };
    let store_bytes =
        reader.size(context, "store_bytes_max", (1 << 20)..=(1 << 50)).map(|bytes| (bytes, reader.value_place("store_bytes_max")));
    let millis = |from: u64, to: u64| Duration::from_millis(from)..=Duration::from_millis(to);
    let rows = reader.integer(context, "batch_rows_max", 1..=ROWS_MAX as i64).unwrap_or(BATCH_ROWS_DEFAULT);
    let intake = reader.size(context, "intake_bytes_max", (64 << 10)..=(1 << 30)).unwrap_or(INTAKE_BYTES_DEFAULT);
    let settings = GatewaySettings {
        id: id(context, &mut reader),
        data_dir: data_dir(context, &mut reader),
        batch_interval: reader.duration(context, "batch_interval", millis(10, 60_000)).unwrap_or(BATCH_INTERVAL_DEFAULT),
        batch_rows_max: rows as usize,
        intake_bytes_max: intake as usize,
        dead_letter_bytes_max: reader.size(context, "dead_letter_bytes_max", (64 << 10)..=(1 << 40)).unwrap_or(DEAD_LETTER_BYTES_DEFAULT),
        store_bytes_max: 0,
        free_space_min: reader.size(context, "free_space_min", 0..=(1 << 50)).unwrap_or(FREE_SPACE_DEFAULT),
        shutdown_timeout: reader.duration(context, "shutdown_timeout", millis(0, 600_000)).unwrap_or(SHUTDOWN_TIMEOUT_DEFAULT),
        clock: reader.choice(context, "clock", &CLOCKS).unwrap_or(ClockTrust::Auto),
    };
    reader.finish(context, &[]);
    Gateway { settings, store_bytes }
}

impl Gateway {
    /// The settings with the store's limit, which has to hold what sinks and dead letters may take.
    pub fn with_store_limit(self, context: &mut Context, sinks: &[SinkSettings]) -> GatewaySettings {
        let outboxes = sinks.iter().fold(0u64, |sum, sink| sum.saturating_add(sink.outbox.bytes_max));
        let logs = outboxes.saturating_add(self.settings.dead_letter_bytes_max);
        if let Some((bytes, place)) = self.store_bytes
            && bytes <= logs
        {
            let message = format!("`store_bytes_max` is {}, but outboxes and dead letters may take {}", show_size(bytes), show_size(logs));
            context.error(place, message, "raise it, or lower the outboxes' `max_bytes` or `dead_letter_bytes_max`");
        }
        let store_bytes_max = self.store_bytes.map_or(logs.saturating_add(STATE_BYTES_DEFAULT), |(bytes, _)| bytes);
        GatewaySettings { store_bytes_max, ..self.settings }
    }
}

fn id(context: &mut Context, reader: &mut Reader) -> String {
    let Some(text) = reader.text(context, "id") else {
        return if reader.has("id") { String::new() } else { default_id(context, Some(reader.place)) };
    };
    if !is_gateway_id(&text.value) {
        let help = "a letter or digit, then letters, digits, `-`, `_` and `.`, at most 64";
        context.error(text.place, format!("`{}` is not an id for a gateway", shown(&text.value)), help);
    }
    text.value
}

fn default_id(context: &mut Context, place: Option<Place>) -> String {
    context.environment.default_gateway_id().unwrap_or_else(|| {
        let message = "the gateway has no id, and this machine gives none (host name and /etc/machine-id)";
        let diagnostic = Diagnostic { place, ..Diagnostic::error_without_place(message) };
        context.report(diagnostic.help("give [gateway] id = \"…\", different for each gateway"));
        String::new()
    })
}

fn data_dir(context: &mut Context, reader: &mut Reader) -> PathBuf {
    let Some(text) = reader.text(context, "data_dir") else {
        return PathBuf::from(DATA_DIR_DEFAULT);
    };
    let path = context.resolve_path(&text).unwrap_or_default();
    if path == Path::new("/") {
        context.error(text.place, "the data directory cannot be the root of the file system", "for example \"/var/lib/tidemill\"");
    }
    path
}
