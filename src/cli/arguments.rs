//! The command line as it may be written.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use tidemill::batch_query::OutputFormat;
use tidemill::format::TimestampUnit;
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
    /// Check the configuration and every file it names, without connecting
    Check(ConfigFiles),
    /// Show the plan of each query, or of one
    Explain(ExplainArguments),
    /// Run a query over a file of JSON lines
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

#[derive(Debug, Args)]
pub struct ExplainArguments {
    #[command(flatten)]
    pub config: ConfigFiles,
    /// The query to show; all if left out
    pub query: Option<String>,
}

#[derive(Debug, Args)]
pub struct QueryArguments {
    /// File of JSON lines, or - for standard input; the table in the SQL has the name of the file without its ending, or `stdin`
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
    /// Its columns, such as "device STRING, ts TIMESTAMP, temperature DOUBLE"
    #[arg(long)]
    pub schema: String,
    /// What a number in a TIMESTAMP column counts since 1970
    #[arg(long, value_name = "UNIT", default_value = "s", value_parser = timestamp_unit())]
    pub timestamp_unit: TimestampUnit,
    /// How the result is written
    #[arg(long, default_value = "table", value_parser = output_format())]
    pub format: OutputFormat,
    /// The query
    pub sql: String,
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
