//! Holds scripts to a time that they cannot see themselves: somebody with a clock takes samples, and after enough of them in one query's step its scripts
//! are told to stop. So a script whose every operation does much holds a batch no longer than [`SAMPLES_MAX`] samples take.
//!
//! Invariant: only calls of the step in which the samples were taken stop; the next step begins with none.
//!
//! Limits: none of its own; without a sampler nothing is ever stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Samples of one query's step that may find a script running.
pub const SAMPLES_MAX: u32 = 10;

/// Where calls of scripts can be seen from another thread, and be stopped.
#[derive(Clone, Debug, Default)]
pub struct ScriptWatch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Steps of queries that have begun.
    step: AtomicU64,
    /// The step whose scripts are to stop; 0 where none is.
    stopped: AtomicU64,
    /// Whether a script is running.
    calling: AtomicBool,
    /// Whether there are scripts at all.
    used: AtomicBool,
}

impl ScriptWatch {
    /// A query's step begins: what was found before no longer counts.
    pub fn begin_step(&self) {
        self.shared.step.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the scripts of this step have had their time.
    pub fn is_stopped(&self) -> bool {
        let stopped = self.shared.stopped.load(Ordering::Relaxed);
        stopped != 0 && stopped == self.shared.step.load(Ordering::Relaxed)
    }

    /// Marks a script as running while it does.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        self.shared.calling.store(true, Ordering::Relaxed);
        let result = call();
        self.shared.calling.store(false, Ordering::Relaxed);
        result
    }

    pub(super) fn take_up(&self) {
        self.shared.used.store(true, Ordering::Relaxed);
    }

    /// Whether there is a script to be seen.
    pub fn has_scripts(&self) -> bool {
        self.shared.used.load(Ordering::Relaxed)
    }

    pub fn sampler(&self) -> ScriptSampler {
        ScriptSampler { shared: Arc::downgrade(&self.shared), step: 0, samples: 0 }
    }
}

/// Takes the samples.
#[derive(Debug)]
pub struct ScriptSampler {
    shared: Weak<Shared>,
    step: u64,
    samples: u32,
}

impl ScriptSampler {
    /// To be called at even intervals. False when there are no scripts any more.
    pub fn sample(&mut self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let step = shared.step.load(Ordering::Relaxed);
        if step != self.step {
            (self.step, self.samples) = (step, 0);
        }
        if shared.calling.load(Ordering::Relaxed) {
            self.samples += 1;
            if self.samples >= SAMPLES_MAX {
                shared.stopped.store(step, Ordering::Relaxed);
            }
        }
        true
    }
}
