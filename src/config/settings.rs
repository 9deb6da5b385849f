//! The validated configuration: what the rest of the program is given. Every default is filled in, every name resolved.

use std::path::PathBuf;
use std::time::Duration;

pub use super::crc_names::Crc;
pub use super::framing::{
    ChecksumAlgorithm, ChecksumSettings, Framing, FramingSettings, LengthCounts, LengthPrefix, MARK_BYTES_MAX, Marks,
};
pub use super::source::{
    Asked, Endpoint, FlowControl, Network, Parity, SerialDevice, SerialSettings, TcpSettings, TcpTls, UdpSettings, UsbDevice,
};
use crate::extend::CustomReceiver;
use crate::format::DecodeSettings;
use crate::format::csv::CsvSettings;
use crate::format::reference::{ReferenceContents, ReferenceSettings};
pub use crate::format::{TopicPart, TopicTemplate};
use crate::mqtt::BrokerSettings;
use crate::plan::Program;

/// A whole gateway, checked. Queries are planned: `program.sources[i]` is the table of `sources[i]`, `program.queries[i]` comes from `queries[i]`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub gateway: GatewaySettings,
    pub sources: Vec<SourceSettings>,
    /// In the order of `program.tables`.
    pub tables: Vec<TableSettings>,
    pub queries: Vec<QuerySettings>,
    pub sinks: Vec<SinkSettings>,
    pub program: Program,
    /// What is allowed and probably not meant, ready to be shown: several lines each, with their place.
    pub warnings: Vec<String>,
}

impl Settings {
    /// How many sources there are, without the gateway's own.
    pub fn sources_from_outside(&self) -> usize {
        self.sources.iter().filter(|source| !matches!(source.kind, SourceKind::Status)).count()
    }
}

#[derive(Clone, Debug)]
pub struct GatewaySettings {
    pub id: String,
    pub data_dir: PathBuf,
    pub batch_interval: Duration,
    /// A batch closes when its decoded rows reach this.
    pub batch_rows_max: usize,
    /// Undelivered input, in bytes a source, above which it is no longer read.
    pub intake_bytes_max: usize,
    pub dead_letter_bytes_max: u64,
    /// What the store may take on disk, all together; and what it leaves free on the file system.
    pub store_bytes_max: u64,
    pub free_space_min: u64,
    /// How long the sinks may go on delivering after SIGTERM.
    pub shutdown_timeout: Duration,
    pub clock: ClockTrust,
}

/// When a wall clock that shows a date which can be counts as synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// When a time server has answered, or the machine is of a kind whose clock goes on while it is off.
    Auto,
    /// When a time server has answered.
    Ntp,
    /// Always.
    Trusted,
}

#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub name: String,
    pub kind: SourceKind,
    pub decode: DecodeSettings,
    /// Longer payloads, lines and frames are dead-lettered with their beginning.
    pub payload_bytes_max: usize,
    /// After this without a message the source does not hold the watermark back.
    pub idle_timeout: Duration,
    /// Rows dated further ahead of a synchronised clock are dead-lettered.
    pub max_future: Option<Duration>,
    /// After this without a message the source is said to be silent.
    pub silence_timeout: Option<Duration>,
    /// Messages, lines or frames a second.
    pub rate_max: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    Mqtt(Box<MqttSourceSettings>),
    /// Standard input, to its end.
    Stdin(FramingSettings),
    Serial(Box<SerialSettings>),
    Tcp(Box<TcpSettings>),
    Udp(Box<UdpSettings>),
    Simulate(SimulateSettings),
    /// The gateway's own table `_status`.
    Status,
    File(Box<FileSourceSettings>),
    /// A receiver that the program has added.
    Custom(Box<CustomReceiver>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FileSourceSettings {
    /// A file, a directory, or a pattern with `*` and `?`.
    pub path: PathBuf,
    pub mode: FileMode,
    /// How often it is looked whether there is something new.
    pub check_interval: Duration,
    /// CSV: how the files are written. What the source hands on has the header of the decoder's own settings.
    pub csv: Option<CsvSettings>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FileMode {
    /// What is there is read once, and the source ends. `speed`: at the recorded pace, times this.
    Read { speed: Option<f64> },
    /// New files are read as they appear.
    Follow,
    /// Growing files, through rotation; `from_end`: not what is in them at the first start.
    Tail { from_end: bool },
}

/// Made-up sensors.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulateSettings {
    /// At least 1.
    pub devices: u32,
    /// Between two rows of a device.
    pub interval: Duration,
    pub seed: u64,
    /// The source ends after so many.
    pub rows_max: Option<u64>,
    /// How many of all rows, from 0 to 1, are left out, come late, come twice.
    pub gaps: f64,
    pub late: f64,
    pub late_by: Duration,
    pub duplicates: f64,
    pub fields: Vec<SimulatedField>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedField {
    pub name: String,
    pub shape: Shape,
    pub min: f64,
    pub max: f64,
    pub period: Duration,
}

/// How a simulated value goes between its least and its greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Sine,
    RandomWalk,
    /// Four levels a period.
    Steps,
    Sawtooth,
    /// One more each time, from the least on.
    Counter,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MqttSourceSettings {
    pub broker: BrokerSettings,
    /// Filters as subscribed (captures replaced by `+` and `#`), in the configuration's order.
    pub filters: Vec<String>,
    pub qos: u8,
    /// Whether messages that the broker had retained are read or left out.
    pub retained_used: bool,
}

/// A reference table: its file, and what was in it when the configuration was read.
#[derive(Clone, Debug)]
pub struct TableSettings {
    pub name: String,
    pub path: PathBuf,
    pub read: ReferenceSettings,
    pub check_interval: Duration,
    pub contents: ReferenceContents,
    /// Where the last good file is kept.
    pub kept: PathBuf,
    /// Why the file was bad and `kept` was read in its place.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug)]
pub struct QuerySettings {
    pub name: String,
    /// How long changed groups are withheld at most, in update and complete mode.
    pub emit_every: Option<Duration>,
    pub limits: QueryLimits,
    pub on_change: OnChange,
}

/// What each stateful operator of a query may hold; `None`: the engine's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryLimits {
    pub keys_max: Option<usize>,
    /// Estimated memory.
    pub bytes_max: Option<usize>,
}

/// What happens at a start with stored state that does not fit the query any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnChange {
    /// The gateway does not start, and says what would be lost.
    #[default]
    Refuse,
    /// The query starts with empty state, and the log says what is lost.
    Discard,
}

#[derive(Clone, Debug)]
pub struct SinkSettings {
    pub name: String,
    pub kind: SinkKind,
    /// Indices of the queries whose results it takes.
    pub queries: Vec<usize>,
    pub outbox: OutboxSettings,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    Mqtt(MqttSinkSettings),
    /// JSON lines, rotated.
    File {
        path: PathBuf,
        rotate_bytes: u64,
        rotate_age: Duration,
        keep_files: usize,
    },
    Stdout,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MqttSinkSettings {
    pub broker: BrokerSettings,
    pub topic: TopicTemplate,
    pub qos: u8,
    pub retain: bool,
}

#[derive(Clone, Debug)]
pub struct OutboxSettings {
    pub bytes_max: u64,
    pub age_max: Duration,
    pub when_full: WhenFull,
    /// Columns that tell results of one topic apart, for [`WhenFull::KeepLatest`].
    pub key: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    DropOldest,
    DropNewest,
    /// Drops what a later result of the same key has superseded.
    KeepLatest,
    /// Stops acknowledging input until there is room.
    Block,
}
