//! The command line as it may be written.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use tidemill::batch_query::OutputFormat;
use tidemill::format::TimestampUnit;
use tidemill::format::csv::CsvHeader;
use tidemill::logging::LogFormat;

/// Sensor gateway: MQTT in, windowed SQL in durable micro-batches, acknowledged results out.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 wrong configuration or failure, 2 wrong command line."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway in the foreground until SIGTERM or Ctrl-C
    Run(RunArguments),
    /// Show how the running gateway is
    Status(StatusArguments),
    /// Have the running gateway read its configuration again, as SIGHUP does
    Reload(ReloadArguments),
    /// Copy the store of a gateway, running or not, into a new directory
    Backup(BackupArguments),
    /// Make a data directory from a backup
    Restore(RestoreArguments),
    /// Check the configuration and every file it names, without connecting
    Check(ConfigFiles),
    /// Show the plan of each query, or of one
    Explain(ExplainArguments),
    /// Run a query over files of JSON lines and CSV
    Query(QueryArguments),
    /// Run query cases: input, and the rows that must come
    Test(TestArguments),
}

#[derive(Debug, Args)]
pub struct ConfigFiles {
    /// Configuration file; several are merged, later ones over earlier ones
    #[arg(short, long, value_name = "FILE", required = true)]
    pub config: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    pub config: ConfigFiles,
    /// How log lines are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = log_format())]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace; also for single modules: info,tidemill::mqtt=debug [default: $TIDEMILL_LOG, else info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Start this query with empty state, because its stored state does not fit any more; may be given several times
    #[arg(long, value_name = "QUERY")]
    pub discard_state: Vec<String>,
    /// Throw away what waits for this sink, which the configuration does not name any more; may be given several times
    #[arg(long, value_name = "SINK")]
    pub discard_outbox: Vec<String>,
}

/// Which gateway is meant.
#[derive(Debug, Args)]
pub struct RunningGateway {
    /// Its configuration file, for the data directory; several as for `run`
    #[arg(short, long, value_name = "FILE", conflicts_with = "data")]
    pub config: Vec<PathBuf>,
    /// Its data directory [default: /var/lib/tidemill]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StatusArguments {
    #[command(flatten)]
    pub gateway: RunningGateway,
    /// Show it again and again, every so many seconds, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=20))]
    pub watch: Option<u64>,
    /// As one line of JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BackupArguments {
    #[command(flatten)]
    pub gateway: RunningGateway,
    /// Directory to be made
    #[arg(value_name = "DEST")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    pub gateway: RunningGateway,
    /// Directory that `tidemill backup` made
    #[arg(value_name = "SRC")]
    pub from: PathBuf,
}

#[derive(Debug, Args)]
pub struct ReloadArguments {
    #[command(flatten)]
    pub gateway: RunningGateway,
    /// Begin this query with empty state, because its stored state does not fit any more; may be given several times
    #[arg(long, value_name = "QUERY")]
    pub discard_state: Vec<String>,
    /// Throw away what waits for this sink, which the configuration does not name any more; may be given several times
    #[arg(long, value_name = "SINK")]
    pub discard_outbox: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    #[command(flatten)]
    pub config: ConfigFiles,
    /// The query to show; all if left out
    pub query: Option<String>,
}

#[derive(Debug, Args)]
pub struct QueryArguments {
    /// File of JSON lines or CSV, or - for standard input; may be given several times, and hold * and ?. The table in the SQL has the name of the first
    /// file without its ending, or `stdin`
    #[arg(long, value_name = "FILE", requires = "schema")]
    pub from: Vec<PathBuf>,
    /// Its columns, such as "device STRING, ts TIMESTAMP, temperature DOUBLE"
    #[arg(long, requires = "from")]
    pub schema: Option<String>,
    /// A table of its own name, such as "rooms=rooms.csv:device STRING, room STRING"; several times for several tables, or for several files of one
    #[arg(long, value_name = "NAME=FILE:SCHEMA")]
    pub table: Vec<String>,
    /// Script whose functions the SQL may call: those with a comment "// sql: dew_point(t DOUBLE, h DOUBLE) -> DOUBLE"; or a configuration file with
    /// [function.<name>] sections. May be given several times
    #[arg(long, value_name = "FILE")]
    pub functions: Vec<PathBuf>,
    /// State function over the query's result: a file with the keys that a configuration's [query.<name>.state] has
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// What a number in a TIMESTAMP column counts since 1970 [default: s in JSON; in CSV a number is no timestamp unless this is given]
    #[arg(long, value_name = "UNIT", value_parser = timestamp_unit())]
    pub timestamp_unit: Option<TimestampUnit>,
    /// What the files hold [default: csv where the name ends in .csv or .tsv, else json]
    #[arg(long, value_name = "FORMAT", value_parser = input_format())]
    pub input: Option<InputFormat>,
    #[command(flatten)]
    pub csv: CsvArguments,
    /// How the result is written
    #[arg(long, default_value = "table", value_parser = output_format())]
    pub format: OutputFormat,
    /// The query
    pub sql: String,
}

/// How CSV input is written.
#[derive(Debug, Args)]
pub struct CsvArguments {
    /// Between fields; \t is a tab [default: a comma, a tab in .tsv]
    #[arg(long, value_name = "CHARACTER", value_parser = character)]
    pub csv_separator: Option<u8>,
    /// Around fields that hold separators
    #[arg(long, value_name = "CHARACTER", default_value = "\"", value_parser = character)]
    pub csv_quote: u8,
    /// Before a quote within quotes [default: the quote itself]
    #[arg(long, value_name = "CHARACTER", value_parser = character)]
    pub csv_escape: Option<u8>,
    /// Text of a field that is NULL; an empty one is anyway
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub csv_null: String,
    /// What the first line is: the columns' names, a line to be skipped, or a record
    #[arg(long, value_name = "WHAT", default_value = "names", value_parser = csv_header())]
    pub csv_header: CsvHeader,
    /// Quoted fields may go on in the next line
    #[arg(long)]
    pub csv_multi_line: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputFormat {
    Json,
    Csv,
}

#[derive(Debug, Args)]
pub struct TestArguments {
    /// Configuration file whose sources and queries are tested; several are merged, each case's own case.toml over them
    #[arg(short, long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Make the engine anew from its stored state after each step
    #[arg(long)]
    pub restart: bool,
    /// Cut each step's input into batches of so many messages a source, and compare the rows of all steps together
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..))]
    pub split: Option<u32>,
    /// Write what came as what is expected, for the cases that differ
    #[arg(long, conflicts_with_all = ["restart", "split"])]
    pub bless: bool,
    /// Folders that are cases, or hold some
    #[arg(required = true, value_name = "DIR")]
    pub directories: Vec<PathBuf>,
}

fn log_format() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(["text", "json"]).map(|word| if word == "json" { LogFormat::Json } else { LogFormat::Text })
}

fn input_format() -> impl TypedValueParser<Value = InputFormat> {
    PossibleValuesParser::new(["json", "csv"]).map(|word| if word == "csv" { InputFormat::Csv } else { InputFormat::Json })
}

fn csv_header() -> impl TypedValueParser<Value = CsvHeader> {
    PossibleValuesParser::new(["names", "skip", "none"]).map(|word| match word.as_str() {
        "skip" => CsvHeader::Skip,
        "none" => CsvHeader::None,
        _ => CsvHeader::Names,
    })
}

fn character(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("one ASCII character is needed".to_owned()),
    }
}

fn output_format() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(["table", "json", "csv"]).map(|word| match word.as_str() {
        "json" => OutputFormat::Json,
        "csv" => OutputFormat::Csv,
        _ => OutputFormat::Table,
    })
}

fn timestamp_unit() -> impl TypedValueParser<Value = TimestampUnit> {
    PossibleValuesParser::new(["s", "ms", "us"]).map(|word| match word.as_str() {
        "ms" => TimestampUnit::Millis,
        "us" => TimestampUnit::Micros,
        _ => TimestampUnit::Seconds,
    })
}
