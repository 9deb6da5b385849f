//! The main job in one command: an embedded broker, 100 simulated sensors over real MQTT, the gateway on `configs/demo.toml`, and its results
//! live in the terminal.
//!
//! `cargo run --release --example demo [-- --seconds N] [-- --config FILE]`. Ctrl-C ends it.

mod broker;
mod screen;
mod sensors;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tidemill::config::settings::{Settings, SinkKind, SourceKind};
use tidemill::config::{self, Environment};
use tidemill::daemon::{self, Options};
use tidemill::logging::{LogFormat, LogSettings};
use tidemill::mqtt::BrokerSettings;

#[derive(Parser)]
struct Arguments {
    /// Ends by itself after this many seconds; then it fails if no result came.
    #[arg(long)]
    seconds: Option<u64>,
    /// The gateway's configuration.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/demo.toml"))]
    config: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tidemill::logging::start(&LogSettings { format: LogFormat::Text, filter: Some("warn,rumqttd=off".to_owned()) })?;
    let settings = config::load(std::slice::from_ref(&arguments.config), &Environment::of_process())?;
    let (input, results) = addresses(&settings)?;
    broker::start(&input.host, input.port)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shown = runtime.block_on(run(&arguments, settings, input, results))?;
    if arguments.seconds.is_some() && shown == 0 {
        bail!("no result came");
    }
    println!("{shown} results. The state is kept: the next run goes on with it.");
    Ok(())
}

/// The broker that the sensors publish to, and where results are to be seen.
fn addresses(settings: &Settings) -> Result<(BrokerSettings, BrokerSettings)> {
    let source = settings.sources.first().context("the configuration has no source")?;
    let SourceKind::Mqtt(source) = &source.kind else { bail!("the first source is not MQTT") };
    let sinks = settings.sinks.iter().find_map(|sink| match &sink.kind {
        SinkKind::Mqtt(mqtt) => Some(mqtt.broker.clone()),
        SinkKind::File { .. } | SinkKind::Stdout => None,
    });
    Ok((source.broker.clone(), sinks.context("the configuration has no MQTT sink to watch")?))
}

async fn run(arguments: &Arguments, settings: Settings, input: BrokerSettings, results: BrokerSettings) -> Result<u64> {
    println!("broker     mqtt://{}:{}", input.host, input.port);
    println!("sensors    {} of them, one reading a second each", sensors::COUNT);
    println!("gateway    {} in {}", settings.gateway.id, settings.gateway.data_dir.display());
    println!("join in    mosquitto_pub -p {} -q 1 -t sensors/mine/climate -m '{{\"temperature\": 99.5}}'", input.port);
    println!("Ctrl-C ends it. The first window closes in about ten seconds.\n");
    let filter = format!("gateways/{}/#", settings.gateway.id);
    let sensors = tokio::spawn(sensors::run(input));
    let screen = tokio::spawn(screen::run(results, filter));
    let seconds = arguments.seconds.map(Duration::from_secs);
    let shutdown = async move {
        let limit = async {
            match seconds {
                Some(seconds) => tokio::time::sleep(seconds).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = limit => {}
        }
        sensors.abort();
    };
    daemon::run(settings, Options::default(), shutdown).await?;
    let shown = screen::shown();
    screen.abort();
    Ok(shown)
}
