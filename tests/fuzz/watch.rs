//! Iterations within a time, each by a seed of its own, watched for hangs.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::random::{Random, seed};

/// Address space of the whole process; beyond it allocations fail, and the program aborts.
const MEMORY_BYTES_MAX: u64 = 8 << 30;
const TARGETS: u32 = 9;
const SECONDS_DEFAULT: u64 = 7;
/// An iteration that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);

/// What the iteration at work is about.
pub struct Watch {
    file: PathBuf,
    text: Arc<Mutex<String>>,
}

impl Watch {
    pub fn works_on(&self, text: &str) {
        text.clone_into(&mut self.text.lock().expect("nothing panics with the lock"));
        fs::write(&self.file, text).expect("target/fuzz can be written");
    }
}

/// Says what failed when it is dropped by a panic.
struct Teller<'a> {
    name: &'static str,
    seed: u64,
    watch: &'a Watch,
}

impl Drop for Teller<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.watch.text.lock().map(|text| text.clone()).unwrap_or_default();
            eprintln!("{}: TIDEMILL_TEST_SEED={} failed on\n{}", self.name, self.seed, text.chars().take(4_000).collect::<String>());
        }
    }
}

/// Runs `act` again and again until the time is over; at least once.
pub fn iterate(name: &'static str, act: impl Fn(&mut Random, &Watch)) {
    let seconds = std::env::var("TIDEMILL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS_DEFAULT);
    let time = Duration::from_secs(seconds) / TARGETS;
    let limit = rustix::process::Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).expect("a limit may be lowered");
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    fs::create_dir_all(&directory).expect("target can be written");
    let watch = Watch { file: directory.join(format!("{name}.last")), text: Arc::default() };
    let first = seed();
    println!("{name}: TIDEMILL_TEST_SEED={first}");
    let (began, iteration, done) = (Instant::now(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let guard = watch_for_hangs(name, first, iteration.clone(), done.clone(), watch.text.clone());
    while iteration.load(Ordering::Relaxed) == 0 || began.elapsed() < time {
        let seed = first.wrapping_add(iteration.load(Ordering::Relaxed));
        let _teller = Teller { name, seed, watch: &watch };
        act(&mut Random::new(seed), &watch);
        iteration.fetch_add(1, Ordering::Relaxed);
    }
    done.store(true, Ordering::Relaxed);
    guard.thread().unpark();
    guard.join().expect("the guard does not panic");
    println!("{name}: {} iterations from seed {first}", iteration.load(Ordering::Relaxed));
}

fn watch_for_hangs(
    name: &'static str,
    first: u64,
    iteration: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    text: Arc<Mutex<String>>,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        while !done.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(500));
            let now = iteration.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                let text = text.lock().map(|text| text.clone()).unwrap_or_default();
                eprintln!("{name}: TIDEMILL_TEST_SEED={} hangs on\n{text}", first.wrapping_add(now));
                std::process::abort();
            }
        }
    })
}
