//! Replay: 2,000,000 generated readings through the core, with commits to the disk, at full speed.
//!
//! `cargo bench --bench replay [-- --readings N] [--file FILE] [--quick]`. 1,000 devices, two hours, up to 5 s out of order; decode, windows,
//! aggregates, commits with sync, results in an outbox. Prints records/s, CPU seconds per million and peak memory for tumbling and sliding
//! windows, each measured in a process of its own; `scripts/bench.sh` runs DuckDB on the same file beside it.
//!
//! The payloads are handed over as a socket's reads would bring them; every acknowledgement is proven at once, as by a broker on this machine.

#[expect(dead_code, reason = "another benchmark looks at another process")]
#[path = "measure/mod.rs"]
mod measure;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use measure::{Call, Process, figure};
use tidemill::batch::Stamp;
use tidemill::config::{self, Environment};
use tidemill::gateway::{Action, Discard, Event, Gateway, Seeds};
use tidemill::mqtt::{Inbound, InboundPayload};
use tidemill::store::{DiskStore, StoreSettings};

const READINGS: u64 = 2_000_000;
const READINGS_QUICK: u64 = 20_000;
const DEVICES: u64 = 1_000;
const SPAN_MS: u64 = 2 * 3_600 * 1_000;
const DISORDER_MS: u64 = 5_000;
const BEGAN_MS: u64 = 1_767_225_600_000;
/// One read of a socket.
const READ_BYTES: usize = 64 << 10;

const QUERIES: [(&str, &str); 2] = [("tumbling", "'1 minute'"), ("sliding", "'10 minutes', '1 minute'")];

fn main() {
    let call = Call::of_process();
    let readings = call.number("--readings").unwrap_or(if call.is_quick() { READINGS_QUICK } else { READINGS });
    if let (Some(window), Some(file)) = (call.value("--measure"), call.value("--file").map(PathBuf::from)) {
        return measure(&file, window, readings);
    }
    if call.is_for_others("replay") {
        return;
    }
    let temporary = tempfile::tempdir().expect("a directory");
    let file = call.value("--file").map(PathBuf::from).unwrap_or_else(|| temporary.path().join("readings.jsonl"));
    generate(&file, readings);
    let own = std::env::current_exe().expect("a process knows its program");
    for (name, _) in QUERIES {
        let (readings, file) = (readings.to_string(), file.display().to_string());
        let status = Command::new(&own).args(["--measure", name, "--file", &file, "--readings", &readings]).status();
        assert!(status.expect("started").success(), "{name} failed");
    }
}

/// Writes the readings unless a file of their number is there.
fn generate(file: &Path, readings: u64) {
    let marker = file.with_extension("count");
    if file.exists() && std::fs::read_to_string(&marker).is_ok_and(|count| count == readings.to_string()) {
        return;
    }
    let mut out = BufWriter::new(File::create(file).expect("created"));
    let mut state = 42u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in 0..readings {
        let ts = BEGAN_MS + n * SPAN_MS / readings + DISORDER_MS - random() % DISORDER_MS;
        let (device, temperature, humidity) = (random() % DEVICES, random() % 3_000, random() % 1_000);
        let temperature = temperature as f64 / 100.0;
        writeln!(out, r#"{{"device":"dev-{device:04}","ts":{ts},"temperature":{temperature},"humidity":{:.1}}}"#, humidity as f64 / 10.0)
            .expect("written");
    }
    out.flush().expect("written");
    std::fs::write(marker, readings.to_string()).expect("written");
}

fn settings(window: &str, data_dir: &Path) -> config::Settings {
    let (_, arguments) = QUERIES.into_iter().find(|(name, _)| *name == window).expect("tumbling or sliding");
    let text = format!(
        r#"
        [gateway]
        id = "bench"
        data_dir = "{}"

        [source.readings]
        type = "mqtt"
        broker = "mqtt://localhost"
        topics = ["readings"]
        schema = "device STRING, ts TIMESTAMP, temperature DOUBLE, humidity DOUBLE"
        timestamp_unit = "ms"
        event_time = "ts"
        watermark = "10 seconds"

        [query.stats]
        sql = """SELECT device, window.start AS start, count(*) AS n, avg(temperature) AS mean, min(temperature) AS low, max(temperature) AS high
                 FROM readings GROUP BY device, window(ts, {arguments})"""

        [sink.out]
        type = "file"
        path = "{}/out.jsonl"
        from = ["stats"]
        outbox = {{ max_bytes = "4 GB" }}
        "#,
        data_dir.display(),
        data_dir.display()
    );
    let path = data_dir.join("bench.toml");
    std::fs::write(&path, text).expect("written");
    config::load(&[path], &Environment::of_process()).unwrap_or_else(|errors| panic!("{errors}"))
}

struct Replay {
    gateway: Gateway,
    store: DiskStore,
    began: Instant,
    commits: u64,
}

impl Replay {
    fn now(&self) -> Stamp {
        let mono_us = self.began.elapsed().as_micros() as u64 + 1_000_000;
        Stamp { wall_us: (BEGAN_MS * 1_000 + mono_us) as i64, mono_us, synchronised: true }
    }

    /// Handles an event and all that follow from it.
    fn on(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.now();
            for action in self.gateway.on(event, now) {
                match action {
                    Action::Commit(changes) => {
                        self.store.commit(&changes).expect("committed");
                        self.commits += 1;
                        events.push_back(Event::Committed { number: changes.number });
                    }
                    Action::Acknowledge { source, connection, through_seq } => {
                        events.push_back(Event::Proven { source, connection, through_seq });
                    }
                    Action::Deliver { .. } | Action::PauseSources | Action::ResumeSources | Action::Stopped | Action::Held => {}
                }
            }
        }
    }
}

fn measure(file: &Path, window: &str, readings: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = settings(window, dir.path());
    let store = StoreSettings::new(dir.path().join("data"), 8 << 30, 0, 0);
    let (store, loaded) = DiskStore::open(store).expect("opened");
    let began = Instant::now();
    let stamp = Stamp { wall_us: (BEGAN_MS * 1_000) as i64, mono_us: 1_000_000, synchronised: true };
    let gateway = Gateway::start(&settings, &loaded, Seeds { epoch: 1, hash: 1 }, &Discard::default(), stamp).expect("started");
    let mut replay = Replay { gateway, store, began, commits: 0 };
    replay.on(Event::Connected { source: 0, connection: 1, resumed: false });
    let cpu_before_us = Process::own().cpu_us();
    feed(&mut replay, file);
    replay.on(Event::Stop);
    let cpu_us = Process::own().cpu_us() - cpu_before_us;
    let seconds = replay.began.elapsed().as_secs_f64();
    let status = replay.gateway.status();
    assert_eq!(status.rows, readings, "every reading was decoded");
    assert_eq!(status.queries[0].late_rows, 0, "none was late");
    figure(&format!("replay.{window}.records_per_s"), readings as f64 / seconds);
    figure(&format!("replay.{window}.cpu_s_per_million"), cpu_us / readings as f64);
    figure(&format!("replay.{window}.peak_mb"), Process::own().peak_mb());
    figure(&format!("replay.{window}.results"), status.queries[0].results as f64);
    figure(&format!("replay.{window}.commits"), replay.commits as f64);
}

/// Reads the file as a socket is read, and hands over what each read brought.
fn feed(replay: &mut Replay, file: &Path) {
    let mut file = File::open(file).expect("opened");
    let mut buffer = BytesMut::new();
    let mut seq = 0;
    loop {
        let kept = buffer.len();
        let mut next = BytesMut::zeroed(kept + READ_BYTES);
        next[..kept].copy_from_slice(&buffer);
        let read = file.read(&mut next[kept..]).expect("read");
        if read == 0 {
            return;
        }
        next.truncate(kept + read);
        let whole = memchr::memrchr(b'\n', &next).map_or(0, |end| end + 1);
        let lines = next.split_to(whole).freeze();
        buffer = next;
        let messages = messages(&lines, &mut seq);
        replay.on(Event::Messages { source: 0, connection: 1, messages });
    }
}

fn messages(lines: &Bytes, seq: &mut u64) -> Vec<Inbound> {
    let topic = Bytes::from_static(b"readings");
    let mut messages = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        *seq += 1;
        messages.push(Inbound {
            seq: *seq,
            packet_id: (*seq % 65_535) as u16 + 1,
            qos: 1,
            dup: false,
            again: false,
            retain: false,
            topic: topic.clone(),
            payload: InboundPayload::Whole(lines.slice(start..end)),
        });
        start = end + 1;
    }
    messages
}
