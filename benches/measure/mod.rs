//! What the benchmarks share: how they are called, what they print, and what the kernel says of a process. Linux only.

mod call;

use std::path::{Path, PathBuf};

pub use call::Call;

use rustix::time::{ClockId, clock_gettime};

const OWN: &str = "/proc/self";

/// Prints one figure, as `name value`: `scripts/bench.sh` makes its table of these.
pub fn figure(name: &str, value: f64) {
    let decimals = if value.abs() >= 1_000.0 { 0 } else { 3 };
    println!("{name:<44} {value:.decimals$}");
}

/// A process by its number; `"self"` is this one.
#[derive(Clone)]
pub struct Process {
    directory: PathBuf,
}

impl Process {
    pub fn own() -> Process {
        Process { directory: PathBuf::from(OWN) }
    }

    pub fn numbered(pid: u32) -> Process {
        Process { directory: PathBuf::from(format!("/proc/{pid}")) }
    }

    /// CPU time of all threads that are alive, µs; of this process, of those that have ended too.
    pub fn cpu_us(&self) -> f64 {
        if self.directory == Path::new(OWN) {
            // The files below are behind by up to a tick of 4 ms where the thread is running.
            let now = clock_gettime(ClockId::ProcessCPUTime);
            return now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3;
        }
        let threads = std::fs::read_dir(self.directory.join("task")).expect("the process lives");
        let nanoseconds = threads.map(|thread| {
            // A thread may end between the two looks.
            let text = std::fs::read_to_string(thread.expect("a thread").path().join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0)
        });
        nanoseconds.sum::<f64>() / 1e3
    }

    /// Resident now, MB (10⁶ bytes).
    pub fn resident_mb(&self) -> f64 {
        self.kilobytes("VmRSS:")
    }

    /// Resident and the process's own: heap, stacks, what it has written to; MB.
    pub fn own_mb(&self) -> f64 {
        self.kilobytes("RssAnon:")
    }

    /// Resident of files, which is the program itself and the C library: pages that the kernel can drop and read again; MB.
    pub fn program_mb(&self) -> f64 {
        self.kilobytes("RssFile:")
    }

    /// The most that was ever resident, MB.
    pub fn peak_mb(&self) -> f64 {
        self.kilobytes("VmHWM:")
    }

    fn kilobytes(&self, name: &str) -> f64 {
        self.number_after("status", name) * 1_024.0 / 1e6
    }

    /// Bytes of the pages that the process has made dirty on file systems that have a disk. A file system's own records are not in it, see `Volume`.
    pub fn written_bytes(&self) -> f64 {
        self.number_after("io", "write_bytes:")
    }

    fn number_after(&self, file: &str, name: &str) -> f64 {
        let text = std::fs::read_to_string(self.directory.join(file)).expect("the process lives");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in {file}"));
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}
