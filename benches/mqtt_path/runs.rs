//! One run of each side: brokers and process started, readings sent, everything taken and counted, figures read.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::bare;
use super::measure::Process;
use super::producer::{self, CLOSER, Pace};
use super::support::child::{ChildGuard, wait_until};
use super::support::client::Client;
use super::support::mosquitto::{Mosquitto, MosquittoOptions};
use super::support::packet::{Incoming, Version};
use super::support::program;
use super::volume::Volume;

/// For a gateway to start, and for results to come after the last reading.
const PATIENCE: Duration = Duration::from_secs(60);
/// After which a connected gateway without messages counts as idle.
const SETTLED: Duration = Duration::from_secs(3);
const CLOSE_INTERVAL: Duration = Duration::from_millis(500);

pub struct BareRun {
    pub cpu_us: f64,
    pub seconds: f64,
    pub peak_mb: f64,
}

/// What a gateway is given to do.
#[derive(Clone, Copy)]
pub struct Work<'w> {
    pub messages: u64,
    pub pace: Pace,
    pub devices: u64,
    pub window: &'w str,
    /// How many read the source; the results of one are counted, those of the others go to a file.
    pub queries: usize,
    pub batch_interval: &'w str,
    /// Messages at full speed before anything is measured, so that the store has files with room to use again, as it has after its first hours.
    pub warm_up: u64,
    /// For how long it is watched without messages before they come.
    pub idle: Duration,
    /// Where it keeps its data, in place of a temporary directory.
    pub volume: Option<&'w Volume>,
}

impl Work<'_> {
    pub fn new(messages: u64, pace: Pace) -> Work<'static> {
        Work {
            messages,
            pace,
            devices: 100,
            window: "10 seconds",
            queries: 1,
            batch_interval: "1s",
            warm_up: 0,
            idle: Duration::ZERO,
            volume: None,
        }
    }
}

pub struct GatewayRun {
    /// From its start until it has subscribed.
    pub startup_ms: f64,
    pub cpu_us: f64,
    pub seconds: f64,
    pub idle_mb: f64,
    pub peak_mb: f64,
    pub written_bytes: f64,
    /// Before the first message came, and when the last was sent.
    pub idle: Memory,
    pub busy: Memory,
    pub written_idle: Written,
    pub written_busy: Written,
}

/// What is resident, MB.
pub struct Memory {
    pub own_mb: f64,
    pub program_mb: f64,
}

impl Memory {
    fn of(gateway: &Process) -> Memory {
        Memory { own_mb: gateway.own_mb(), program_mb: gateway.program_mb() }
    }
}

/// Bytes that went towards the disk.
#[derive(Clone, Copy)]
pub struct Written {
    /// By the count of the process.
    pub process: f64,
    /// By that of the volume's device.
    pub device: Option<f64>,
}

impl Written {
    fn until_now(gateway: &Process, volume: Option<&Volume>) -> Written {
        let device = volume.map(|volume| volume.written_bytes().expect("the volume is there"));
        Written { process: gateway.written_bytes(), device }
    }

    fn since(self, before: Written) -> Written {
        Written { process: self.process - before.process, device: self.device.zip(before.device).map(|(now, before)| now - before) }
    }
}

/// A broker with the limits that the package's configuration sets.
fn broker() -> Mosquitto {
    let limits = include_str!("../../configs/mosquitto.conf").lines().filter(|line| line.starts_with("max_"));
    MosquittoOptions::new().config(&limits.collect::<Vec<_>>().join("\n")).start()
}

pub fn bare(messages: u64, pace: Pace) -> BareRun {
    let broker = broker();
    let own = std::env::current_exe().expect("a process knows its program");
    let (port, count) = (broker.port().to_string(), messages.to_string());
    let child = Command::new(own).args(["--bare", &port, "--messages", &count]).stdout(Stdio::piped()).spawn().expect("started");
    broker.wait_for_subscription(bare::FILTER);
    producer::run(broker.address(), messages, pace, 100);
    let output = child.wait_with_output().expect("waited for");
    assert!(output.status.success(), "the bare subscriber failed");
    let text = String::from_utf8(output.stdout).expect("text");
    let figures: Vec<f64> = text.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    BareRun { cpu_us: figures[0], seconds: figures[1], peak_mb: figures[2] }
}

pub fn gateway(work: &Work<'_>) -> GatewayRun {
    let messages = work.messages;
    let (local, central) = (broker(), broker());
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("gateway.toml");
    let data = tempfile::tempdir_in(work.volume.map_or(directory.path(), |volume| &volume.directory)).expect("a directory");
    std::fs::write(&config, config_text(&local, &central, data.path(), work)).expect("written");
    let mut results = Client::connect(central.address(), Version::V5, "consumer", true).expect("connected");
    results.subscribe("results/#", 1).expect("subscribed");
    let arguments = ["run", "-c", &config.display().to_string(), "--log-format", "json"].map(str::to_owned);
    let log = directory.path().join("gateway.log");
    let started = Instant::now();
    let mut child = ChildGuard::spawn(program::path(), &arguments, &[], &log);
    local.wait_for_subscription(bare::FILTER);
    let startup_ms = started.elapsed().as_secs_f64() * 1e3;
    let gateway = Process::numbered(child.pid());
    if work.warm_up > 0 {
        producer::run(local.address(), work.warm_up, Pace::Full, work.devices);
        settle(&data.path().join("data"), work.warm_up);
    }
    std::thread::sleep(SETTLED);
    let written_start = Written::until_now(&gateway, work.volume);
    std::thread::sleep(work.idle);
    let (idle_mb, idle, cpu_before_us) = (gateway.resident_mb(), Memory::of(&gateway), gateway.cpu_us());
    let written_before = Written::until_now(&gateway, work.volume);
    let began = Instant::now();
    producer::run(local.address(), messages, work.pace, work.devices);
    let (busy, written_after) = (Memory::of(&gateway), Written::until_now(&gateway, work.volume));
    let sent = work.warm_up + messages;
    let counted = count_results(&mut results, &local, sent);
    let log = || std::fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(counted, sent, "the results count what was sent:\n{}", log());
    let run = GatewayRun {
        startup_ms,
        cpu_us: gateway.cpu_us() - cpu_before_us,
        seconds: began.elapsed().as_secs_f64(),
        idle_mb,
        peak_mb: gateway.peak_mb(),
        written_bytes: gateway.written_bytes() - written_before.process,
        idle,
        busy,
        written_idle: written_before.since(written_start),
        written_busy: written_after.since(written_before),
    };
    child.terminate();
    assert!(child.wait(PATIENCE).is_some_and(|status| status.success()), "the gateway does not stop:\n{}", log());
    run
}

/// Waits until the gateway has acknowledged all that was sent; the broker may hold much of it.
fn settle(data: &Path, sent: u64) {
    let settled = wait_until(PATIENCE, || {
        let output = Command::new(program::path()).args(["status", "--json", "--data"]).arg(data).output().expect("started");
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        std::thread::sleep(SETTLED);
        status["sources"][0]["acknowledged"].as_u64().is_some_and(|acknowledged| acknowledged >= sent)
    });
    assert!(settled, "the gateway has not acknowledged what was sent");
}

/// Closes the windows and sums their counts until all are there, or no more come.
fn count_results(results: &mut Client, local: &Mosquitto, messages: u64) -> u64 {
    let mut counted = 0;
    wait_until(PATIENCE, || {
        producer::close_windows(local.address());
        while let Some(packet) = results.receive(CLOSE_INTERVAL).expect("the central broker is there") {
            let Incoming::Publish(publish) = packet else { continue };
            results.acknowledge(publish.packet_id).expect("written");
            let result: serde_json::Value = serde_json::from_slice(&publish.payload).expect("JSON");
            if result["device"] != CLOSER {
                counted += result["n"].as_u64().expect("a count");
            }
        }
        counted >= messages
    });
    counted
}

fn config_text(local: &Mosquitto, central: &Mosquitto, directory: &Path, work: &Work<'_>) -> String {
    let Work { window, batch_interval, .. } = work;
    let text = format!(
        r#"
        [gateway]
        id = "bench"
        data_dir = "{}"
        batch_interval = "{batch_interval}"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{}"
        topics = ["sensors/{{device}}/climate"]
        schema = "ts TIMESTAMP, temperature DOUBLE, humidity DOUBLE"
        timestamp_unit = "ms"
        event_time = "ts"
        watermark = "5 seconds"

        [query.climate]
        sql = """SELECT device, window.start AS start, count(*) AS n, avg(temperature) AS mean, min(temperature) AS low, max(temperature) AS high
                 FROM readings GROUP BY device, window(ts, '{window}')"""

        [sink.central]
        type = "mqtt"
        broker = "mqtt://127.0.0.1:{}"
        from = ["climate"]
        topic = "results/{{device}}"
        "#,
        directory.join("data").display(),
        local.port(),
        central.port(),
    );
    format!("{text}{}", other_queries(work.queries - 1, directory))
}

fn other_queries(count: usize, directory: &Path) -> String {
    if count == 0 {
        return String::new();
    }
    let query = |number: usize| {
        format!(
            "[query.other_{number}]\nsql = \"SELECT device, window.start AS start, count(*) AS n, avg(temperature) AS mean, min(temperature) AS low, \
             max(temperature) AS high FROM readings GROUP BY device, window(ts, '{} minutes')\"\n",
            1 + number % 30
        )
    };
    let names: Vec<String> = (1..=count).map(|number| format!("\"other_{number}\"")).collect();
    let sink =
        format!("[sink.others]\ntype = \"file\"\npath = \"{}\"\nfrom = [{}]\n", directory.join("others.jsonl").display(), names.join(", "));
    format!("{}{sink}", (1..=count).map(query).collect::<String>())
}
