//! One ledger test's machinery: devices → local broker → gateway → central broker → consumer, with a proxy on each side of the gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::{self, Problem};
use super::consumer::{Consumer, Received};
use super::producer::Producer;
use crate::support::child::wait_until;
use crate::support::gateway::Gateway;
use crate::support::mosquitto::{Mosquitto, MosquittoOptions};
use crate::support::packet::Version;
use crate::support::proxy::Proxy;
use crate::support::random::{self, Random};
use crate::support::stored::Stored;

const FILTER: &str = "sensors/+/climate";
/// Whom the brokers let in over TLS.
const USER: &str = "gateway";
const PASSWORD: &str = "p\u{e4}ss word $1";
const PASSWORD_VARIABLE: &str = "TIDEMILL_TEST_PASSWORD";
const READINGS_PER_SECOND: u32 = 400;
/// For the last results to arrive, once nothing disturbs any more.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The same where a planted fault has them missing for ever.
const SETTLE_TIMEOUT_SABOTAGED: Duration = Duration::from_secs(5);
/// For messages that arrive although they should not.
const QUIET: Duration = Duration::from_millis(300);

pub struct Options {
    pub version: Version,
    /// The gateway speaks TLS, with user and password, to both brokers.
    pub tls: bool,
    pub seed: u64,
    /// Where the gateway keeps its data, if not in a directory of its own.
    pub data_dir: Option<PathBuf>,
    /// A fault planted in the gateway.
    pub sabotage: Option<&'static str>,
}

impl Options {
    pub fn new(version: Version) -> Options {
        Options { version, tls: false, data_dir: None, seed: random::seed(), sabotage: None }
    }
}

pub struct Rig {
    pub version: Version,
    pub seed: u64,
    pub random: Random,
    pub local: Mosquitto,
    pub central: Mosquitto,
    pub local_proxy: Proxy,
    pub central_proxy: Proxy,
    pub gateway: Gateway,
    data_dir: PathBuf,
    settle_timeout: Duration,
    pub consumer: Consumer,
    producer: Option<Producer>,
}

impl Rig {
    /// Both brokers run, the consumer has subscribed, the gateway is prepared.
    pub fn new(options: Options) -> Rig {
        eprintln!("seed: TIDEMILL_TEST_SEED={}", options.seed);
        let plain_or_tls = |options: MosquittoOptions, tls| if tls { options.tls_user(USER, PASSWORD) } else { options };
        let broker = || plain_or_tls(MosquittoOptions::new(), options.tls).start();
        let (local, central) = (broker(), broker());
        let consumer = Consumer::start(central.address(), options.version);
        let port = |broker: &Mosquitto| if options.tls { broker.tls_port() } else { broker.port() };
        let (local_proxy, central_proxy) = (Proxy::start(port(&local)), Proxy::start(port(&central)));
        let keys = |broker: &Mosquitto, proxy: &Proxy| broker_keys(&options, broker, proxy.port());
        let (source, sink) = (keys(&local, &local_proxy), keys(&central, &central_proxy));
        let mut data_dir = PathBuf::new();
        let mut gateway = Gateway::new(|own| {
            data_dir = options.data_dir.clone().unwrap_or_else(|| own.to_owned());
            config(&data_dir, &source, &sink)
        });
        gateway.set(PASSWORD_VARIABLE, PASSWORD);
        if let Some(fault) = options.sabotage {
            gateway.set("TIDEMILL_SABOTAGE", fault);
        }
        Rig {
            version: options.version,
            seed: options.seed,
            random: Random::new(options.seed),
            local,
            central,
            local_proxy,
            central_proxy,
            gateway,
            data_dir,
            settle_timeout: if options.sabotage.is_some() { SETTLE_TIMEOUT_SABOTAGED } else { SETTLE_TIMEOUT },
            consumer,
            producer: None,
        }
    }

    /// Starts the gateway, waits until its subscription stands, lets the devices begin.
    pub fn begin(&mut self) {
        self.gateway.start();
        self.begin_devices();
    }

    pub fn begin_devices(&mut self) {
        self.local.wait_for_subscription(FILTER);
        self.producer = Some(Producer::start(self.local.address(), self.version, READINGS_PER_SECOND, self.seed));
    }

    pub fn producer(&self) -> &Producer {
        self.producer.as_ref().expect("the devices have begun")
    }

    /// Waits until so many results more have arrived at the central side.
    pub fn wait_for_results(&self, count: usize) {
        let goal = self.consumer.deliveries() + count;
        let arrived = wait_until(SETTLE_TIMEOUT, || self.consumer.deliveries() >= goal);
        assert!(arrived, "no results arrive:\n{}", self.gateway.log());
    }

    /// Ends the devices, closes every window, waits for all results, terminates the gateway and compares.
    pub fn finish(mut self) -> Outcome {
        let producer = self.producer.take().expect("the devices have begun");
        producer.pause();
        producer.flush(self.local.address(), self.version);
        let readings = producer.readings();
        let must_come = account::sure_windows(&readings);
        wait_until(self.settle_timeout, || {
            if self.consumer.deliveries() < must_come.len() {
                return false;
            }
            let results = self.consumer.received().results;
            let came: std::collections::BTreeSet<_> = results.into_iter().map(|result| (result.device, result.start_ms)).collect();
            came.is_superset(&must_come)
        });
        let status = self.gateway.stop();
        let dead_letters = Stored::open(&self.data_dir).dead_letters();
        let mut seen = self.consumer.deliveries();
        // Until nothing has come for a while: a repeat that should not come has had its time.
        while wait_until(QUIET, || self.consumer.deliveries() > seen) {
            seen = self.consumer.deliveries();
        }
        let received = self.consumer.received();
        let mut problems = account::compare(&readings, &received.results);
        problems.extend(received.problems.iter().cloned());
        if self.gateway.has_late_rows() {
            problems.push(Problem::Late);
        }
        // Late rows too, of starts that were killed before they could say so.
        problems.extend(dead_letters.iter().map(|letter| Problem::Malformed(format!("a dead letter: {letter}"))));
        if status.code() != Some(0) {
            problems.push(Problem::Malformed(format!("SIGTERM ends the gateway with {status}, not with 0")));
        }
        Outcome { problems, readings: readings.len(), received, seed: self.seed, log: self.gateway.log() }
    }
}

pub struct Outcome {
    pub problems: Vec<Problem>,
    pub readings: usize,
    pub received: Received,
    pub seed: u64,
    log: String,
}

impl Outcome {
    /// Fails unless the books agree, and unless the test had something to compare.
    pub fn assert_exact(&self) {
        let shown: Vec<String> = self.problems.iter().take(20).map(|problem| problem.to_string()).collect();
        let log_end = self.log.len().saturating_sub(4_000);
        assert!(
            self.problems.is_empty(),
            "{} problems (TIDEMILL_TEST_SEED={}):\n{}\nend of the gateway's log:\n{}",
            self.problems.len(),
            self.seed,
            shown.join("\n"),
            String::from_utf8_lossy(&self.log.as_bytes()[log_end..])
        );
        assert!(self.readings >= 200 && self.received.results.len() >= 5, "too little happened: {} readings", self.readings);
        println!(
            "{} readings, {} results, {} repeats dropped, {} starts seen",
            self.readings,
            self.received.results.len(),
            self.received.repeats,
            self.received.epochs.len()
        );
    }
}

/// The keys that say how to reach a broker.
fn broker_keys(options: &Options, broker: &Mosquitto, proxy_port: u16) -> String {
    let (scheme, trust) = if options.tls {
        let ca_file = broker.ca_file();
        ("mqtts", format!("ca_file = {ca_file:?}\nusername = \"{USER}\"\npassword = \"${{{PASSWORD_VARIABLE}}}\"\n"))
    } else {
        ("mqtt", String::new())
    };
    let protocol = if options.version == Version::V4 { "3.1.1" } else { "5" };
    format!("broker = \"{scheme}://127.0.0.1:{proxy_port}\"\n{trust}protocol = \"{protocol}\"\nqos = 1\n")
}

fn config(data_dir: &Path, source: &str, sink: &str) -> String {
    format!(
        r#"[gateway]
id = "ledger"
data_dir = {data_dir:?}
batch_interval = "50ms"
free_space_min = "2 MB"

[source.readings]
type = "mqtt"
{source}topics = ["sensors/{{device}}/climate"]
format = "json"
schema = "ts TIMESTAMP, temperature DOUBLE"
timestamp_unit = "ms"
event_time = "ts"
watermark = "5 seconds"
idle_timeout = "1 hour"
max_future = "off"

[query.climate]
sql = """SELECT device, window.start AS start, count(*) AS n, sum(temperature) AS total
         FROM readings GROUP BY device, window(ts, '10 seconds')"""
mode = "append"

[sink.central]
type = "mqtt"
{sink}from = ["climate"]
topic = "gateways/{{gateway}}/climate/{{device}}"
"#
    )
}
