//! A receiver and a payload format of one's own: a data logger whose memory is read over and over from the place that was reached, and its records.
//!
//! `cargo run --example custom_source -- gateway.toml`, with a configuration such as that of docs/extending.md. Ctrl-C ends it.
//!
//! The memory is a file here. A record has 8 bytes, little-endian: seconds since 2026 (u32), hundredths of a degree (i16), humidity in percent (u8), and
//! the XOR of those seven. The receiver is reliable: its position, the address up to which it has read, is durable together with the rows of what it has
//! read, so after a crash each record counts exactly once; and only what is durable is given free, by writing its address beside the memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use tidemill::config::{self, Environment};
use tidemill::daemon::{self, Options};
use tidemill::extend::{Extensions, Handle, Input, Parameters, PayloadError, PayloadFormat, Receiver, ReceiverError, Rows};
use tidemill::logging::{LogFormat, LogSettings};

const RECORD_BYTES: usize = 8;
/// Records of one hand-over.
const READ_RECORDS: usize = 1_000;
/// 2026-01-01T00:00:00Z, where the logger's clock begins.
const CLOCK_BEGINS_S: i64 = 1_767_225_600;
const POSITION: &str = "address";

struct Logger {
    memory: PathBuf,
    check_interval: Duration,
    /// Whether the input ends where the memory does; else it is waited for more.
    ends: bool,
}

impl Logger {
    /// Only looks at the parameters: the memory may not be there yet.
    fn new(parameters: &Parameters) -> Result<Logger, String> {
        let known = ["memory", "check_interval_ms", "ends"];
        if let Some(unknown) = parameters.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("it has no parameter `{unknown}`, only {}", known.join(", ")));
        }
        let memory = parameters.get("memory").ok_or("`memory`, the path of the logger's memory, is missing")?;
        let interval = parameters.get("check_interval_ms").map_or(Ok(1_000), |text| text.parse());
        Ok(Logger {
            memory: PathBuf::from(memory),
            check_interval: Duration::from_millis(interval.map_err(|_| "`check_interval_ms` is a number of milliseconds")?),
            ends: parameters.get("ends").is_some_and(|text| text == "true"),
        })
    }
}

impl Receiver for Logger {
    fn run(&mut self, handle: &mut Handle) -> Result<(), ReceiverError> {
        let mut memory = File::open(&self.memory).map_err(|error| format!("{}: {error}", self.memory.display()))?;
        handle.connected(&format!("reading {}", self.memory.display()))?;
        let stored = handle.position(POSITION).and_then(|bytes| bytes.try_into().ok());
        let mut address = stored.map_or(0, u64::from_le_bytes);
        loop {
            memory.seek(SeekFrom::Start(address))?;
            let mut bytes = Vec::new();
            (&memory).take((READ_RECORDS * RECORD_BYTES) as u64).read_to_end(&mut bytes)?;
            // A record that is being written is read the next time.
            let records: Vec<Input> = bytes.chunks_exact(RECORD_BYTES).map(|record| record.to_vec().into()).collect();
            if records.is_empty() && self.ends {
                return Ok(());
            }
            if records.is_empty() {
                handle.sleep(self.check_interval)?;
                continue;
            }
            address += (records.len() * RECORD_BYTES) as u64;
            let position = (POSITION.to_owned(), Some(address.to_le_bytes().to_vec()));
            let last = handle.send_with_positions(records, vec![position])?;
            handle.wait_durable(last)?;
            std::fs::write(self.memory.with_extension("free"), address.to_string())?;
        }
    }
}

struct Records;

impl PayloadFormat for Records {
    fn read(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), PayloadError> {
        let record: [u8; RECORD_BYTES] = payload.try_into().map_err(|_| "a record has 8 bytes")?;
        let [t0, t1, t2, t3, c0, c1, humidity, sum] = record;
        if record[..7].iter().fold(0, |xor, byte| xor ^ byte) != sum {
            return Err("the record's checksum is wrong".into());
        }
        let seconds = CLOCK_BEGINS_S + i64::from(u32::from_le_bytes([t0, t1, t2, t3]));
        rows.row()
            .timestamp("ts", seconds * 1_000_000)
            .number("celsius", f64::from(i16::from_le_bytes([c0, c1])) / 100.0)
            .integer("humidity", humidity.into());
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    tidemill::logging::start(&LogSettings { format: LogFormat::Text, filter: None })?;
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let extensions = Extensions::default().receiver("logger", Logger::new).format("logger_records", |_| Ok(Records));
    let environment = Environment { extensions, ..Environment::of_process() };
    let settings = config::load(&files, &environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(daemon::run(settings, Options::default(), async {
        // Without a handler for Ctrl-C it still ends with its input.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }))?;
    Ok(())
}
