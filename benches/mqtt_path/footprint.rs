//! What the gateway costs a small machine: size of the program, time to start, memory idle and busy, CPU, and what an SD card must write in a year.
//! Mosquitto to Mosquitto at QoS 1, 1,000 messages/s. `TIDEMILL_TEST_PROGRAM` names another program to measure, such as one of another architecture
//! behind an emulator, whose CPU time and memory then hold the emulator's own.

use super::RATE_PER_S;
use super::measure::figure;
use super::producer::Pace;
use super::runs::{self, Work};
use super::support::program;

const SECONDS_PER_YEAR: f64 = 365.0 * 86_400.0;

pub fn run(seconds: u64) {
    let work = Work { window: "1 minute", ..Work::new(seconds * RATE_PER_S, Pace::PerSecond(RATE_PER_S)) };
    binary();
    busy(&Work { devices: 1_000, ..work });
    for (batch_interval, name) in [("250ms", "250_ms"), ("1s", "1_s"), ("5s", "5_s")] {
        written(&Work { batch_interval, ..work }, name);
    }
}

fn binary() {
    let path = std::path::Path::new(program::path());
    figure("footprint.program_mb", std::fs::metadata(path).expect("the program is there").len() as f64 / 1e6);
}

fn busy(work: &Work<'_>) {
    let run = runs::gateway(work);
    figure("footprint.startup_ms", run.startup_ms);
    figure("footprint.idle_mb", run.idle_mb);
    figure("footprint.busy_mb.1000_devices", run.peak_mb);
    figure("footprint.cpu_us_per_message.1000_devices", run.cpu_us / work.messages as f64);
    figure("footprint.cpu_percent.1000_devices", run.cpu_us / run.seconds / 1e4);
}

fn written(work: &Work<'_>, name: &str) {
    let run = runs::gateway(work);
    let per_message = run.written_bytes / work.messages as f64;
    figure(&format!("footprint.written_bytes_per_message.{name}"), per_message);
    figure(&format!("footprint.written_gb_per_year.{name}"), per_message * RATE_PER_S as f64 * SECONDS_PER_YEAR / 1e9);
}
