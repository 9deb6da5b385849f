//! `kill -9` of the gateway at random moments, start-up included, with acknowledgements on their way or not.
//!
//! `TIDEMILL_KILLS=1000` kills so many times, in slices of [`SLICE`], each with brokers and books of its own. With `TIDEMILL_KILLS_DIR` set
//! to a directory, finished slices are noted there, and a later run goes on after them. `TIDEMILL_KILLS_LIFE_MS=6000` lets a gateway live so long at most, for
//! those that take long to start, behind an emulator.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::rig::{Options, Outcome, Rig};
use crate::support::packet::Version;
use crate::support::proxy::Direction;

const SLICE: u64 = 50;

/// A gateway with batches behind it dies this long after its start at the latest.
const LIFE_MS: u64 = 1_500;

/// Kills the gateway `kills` times.
pub fn killed(options: Options, kills: u64) -> Outcome {
    let life_ms = std::env::var("TIDEMILL_KILLS_LIFE_MS").map_or(LIFE_MS, |text| text.parse().expect("TIDEMILL_KILLS_LIFE_MS is a number"));
    let mut rig = Rig::new(options);
    rig.begin();
    for _ in 0..kills {
        // A slow way back keeps acknowledgements of what is committed from the broker: it will send those again.
        let slow = rig.random.below(2) == 0;
        rig.local_proxy.delay(Direction::Up, if slow { Duration::from_millis(40) } else { Duration::ZERO });
        // Every fourth dies early, the others with batches behind them.
        let life = if rig.random.below(4) == 0 { Duration::from_millis(150) } else { Duration::from_millis(life_ms) };
        std::thread::sleep(Duration::from_micros(rig.random.below(life.as_micros() as u64)));
        rig.gateway.kill();
        rig.gateway.start();
    }
    rig.local_proxy.delay(Direction::Up, Duration::ZERO);
    rig.finish()
}

fn assert_survives(version: Version, kills: u64) {
    let outcome = killed(Options::new(version), kills);
    outcome.assert_exact();
    let starts = outcome.received.epochs.len() as u64;
    assert!(starts > kills / 4, "only {starts} starts came as far as a result: the kills came too early to prove anything");
}

#[test]
fn killed_at_random_moments_v5() {
    let Some(kills) = std::env::var("TIDEMILL_KILLS").ok().map(|text| text.parse::<u64>().expect("TIDEMILL_KILLS is a number")) else {
        return assert_survives(Version::V5, SLICE);
    };
    let notes = std::env::var("TIDEMILL_KILLS_DIR").ok().map(PathBuf::from);
    let mut done = notes.as_deref().map_or(0, done_before);
    while done < kills {
        let slice = SLICE.min(kills - done);
        // Both versions in turn.
        assert_survives(if (done / SLICE).is_multiple_of(2) { Version::V5 } else { Version::V4 }, slice);
        done += slice;
        if let Some(directory) = &notes {
            note(directory, slice);
        }
        println!("{done} of {kills} kills");
    }
}

#[test]
fn killed_at_random_moments_v4() {
    assert_survives(Version::V4, SLICE / 2);
}

fn notes_file(directory: &Path) -> PathBuf {
    directory.join("kills.txt")
}

fn done_before(directory: &Path) -> u64 {
    let text = std::fs::read_to_string(notes_file(directory)).unwrap_or_default();
    text.lines().map(|line| line.parse::<u64>().expect("a line is the kills of one slice")).sum()
}

fn note(directory: &Path, kills: u64) {
    std::fs::create_dir_all(directory).expect("the directory of the notes can be made");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(notes_file(directory)).expect("the notes open");
    writeln!(file, "{kills}").expect("the notes can be written");
}
