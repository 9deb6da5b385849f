//! What the gateway costs a small machine: size of the program, time to start, memory idle and busy, CPU, and what an SD card must write in a year.
//! Mosquitto to Mosquitto at QoS 1, windows of a minute. `TIDEMILL_TEST_PROGRAM` names another program to measure, such as one of another architecture
//! behind an emulator, whose CPU time and memory then hold the emulator's own.
//!
//! What is written is what the block device of a file system that holds nothing but the gateway's data is sent: data, and the file system's journal and records. What
//! a card makes of that inside, nobody tells. Without root, it is what the process counts (`write_bytes`, pages made dirty), which has no journal.

use std::time::Duration;

use super::RATE_PER_S;
use super::measure::figure;
use super::producer::Pace;
use super::runs::{self, GatewayRun, Work, Written};
use super::support::program;
use super::volume::Volume;

const SECONDS_PER_YEAR: f64 = 365.0 * 86_400.0;
/// For which it is watched without messages.
const IDLE: Duration = Duration::from_secs(30);
/// Of a farm with few sensors.
const SLOW_RATE_PER_S: u64 = 10;
/// Messages before, for each second that is measured: in a full run the store writes its file over with them.
const WARM_UP_PER_S: u64 = 2_500;
/// What a card may be sent in its life: the maker of a 128 GB "high endurance" card promises 10,000 hours of video at 26 Mbit/s.
const CARD_BYTES: f64 = 10_000.0 * 3_600.0 * 26e6 / 8.0;

pub fn run(seconds: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let volume = Volume::mount(directory.path()).inspect_err(|reason| println!("# what reaches the device is not measured: {reason}")).ok();
    let [fast, slow] = [RATE_PER_S, SLOW_RATE_PER_S].map(|rate| Paced { rate, seconds });
    binary();
    busy(&Work { devices: 1_000, idle: IDLE.min(Duration::from_secs(seconds)), ..fast.work(volume.as_ref()) });
    println!("\n| messages/s | batch_interval | bytes a message | KB a second | GB a year | of a card with {:.0} TB |", CARD_BYTES / 1e12);
    println!("|---|---|---|---|---|---|");
    for (pace, batch_interval) in [&fast, &slow].into_iter().flat_map(|pace| ["250ms", "1s", "5s"].map(|interval| (pace, interval))) {
        let run = runs::gateway(&Work { batch_interval, warm_up: seconds * WARM_UP_PER_S, ..pace.work(volume.as_ref()) });
        written(pace, batch_interval, run.written_busy);
    }
}

struct Paced {
    rate: u64,
    seconds: u64,
}

impl Paced {
    fn work<'w>(&self, volume: Option<&'w Volume>) -> Work<'w> {
        Work { window: "1 minute", volume, ..Work::new(self.seconds * self.rate, Pace::PerSecond(self.rate)) }
    }
}

fn binary() {
    let path = std::path::Path::new(program::path());
    figure("footprint.program_mb", std::fs::metadata(path).expect("the program is there").len() as f64 / 1e6);
}

fn busy(work: &Work<'_>) {
    let run = runs::gateway(work);
    let GatewayRun { idle, busy, .. } = &run;
    figure("footprint.startup_ms", run.startup_ms);
    figure("footprint.idle_mb", run.idle_mb);
    figure("footprint.idle_mb.own", idle.own_mb);
    figure("footprint.idle_mb.program", idle.program_mb);
    figure("footprint.idle_written_bytes", run.written_idle.device.unwrap_or(run.written_idle.process));
    figure("footprint.busy_mb.1000_devices", run.peak_mb);
    figure("footprint.busy_mb.1000_devices.own", busy.own_mb);
    figure("footprint.busy_mb.1000_devices.program", busy.program_mb);
    figure("footprint.cpu_us_per_message.1000_devices", run.cpu_us / work.messages as f64);
    figure("footprint.cpu_percent.1000_devices", run.cpu_us / run.seconds / 1e4);
}

fn written(pace: &Paced, batch_interval: &str, written: Written) {
    let bytes_per_s = written.device.unwrap_or(written.process) / pace.seconds as f64;
    println!(
        "| {} | {batch_interval} | {:.0} | {:.1} | {:.0} | {:.2} % |",
        pace.rate,
        bytes_per_s / pace.rate as f64,
        bytes_per_s / 1e3,
        bytes_per_s * SECONDS_PER_YEAR / 1e9,
        bytes_per_s * SECONDS_PER_YEAR / CARD_BYTES * 100.0
    );
}
