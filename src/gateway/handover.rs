//! From one configuration to the next in a running process: the core is held, another one is started from what the store then has, and takes over.
//!
//! Invariants:
//! - A held core has everything that it has received in the store, closes no batch and hands over no change set. So a core that is started from the
//!   store goes on exactly where it stands, by the way that every start goes, and if none takes over it can go on itself.
//! - What arrives while it is held waits undecoded, in order: it is not acknowledged, in no redelivery record, and moves no position. The next core
//!   looks at it with its own decoder, once.
//! - What the task of a source or sink that goes on believes stays true: its connection, its numbers, what was acknowledged and delivered on it.
//! - A source whose task is another begins as at a start, with the redelivery record as it is now.
//! - A query that is the same keeps its running state: it is not read back. Its engine has made its last step before the core was held, and that is
//!   stored; so its state is what the store holds, and what would have been read back ([`crate::engine::Identity`] says what "the same" is). Which
//!   queries these are is settled before the store is read, and goes along with what was read: a core whose queries wait for their state handles
//!   no event before it has taken over.
//! - If the process dies at any point, the store is as of a commit, and the next start reads the configuration that lies there.

use std::collections::{BTreeMap, BTreeSet};

use super::intake::{Intake, Unread};
use super::redelivery::Redelivery;
use super::{Discard, Gateway, engine_settings};
use crate::batch::Stamp;
use crate::config::settings::Settings;
use crate::engine::{Engine, Identity};

/// How far a core is on its way to being held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hold {
    #[default]
    No,
    /// As soon as everything received is durable.
    Wanted,
    Held,
}

/// What becomes of a source or sink of the new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// There was none of its name.
    New,
    /// That with this index, with another task.
    Restarted(usize),
    /// That with this index, task and all.
    Kept(usize),
}

/// Sources and sinks of the new configuration, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heirs {
    pub sources: Vec<Heir>,
    pub sinks: Vec<Heir>,
}

/// The queries that go on with the state that a held core has in memory. `held`: what its queries are, as [`Gateway::identities`] said.
pub fn unchanged(settings: &Settings, held: &BTreeMap<String, Identity>, discard: &Discard) -> BTreeSet<String> {
    // Results and stored bytes don't depend on the hashes.
    let now = Engine::identities(&settings.program, &engine_settings(settings, 0));
    let same = |(name, identity): &(String, Identity)| held.get(name) == Some(identity) && !discard.state.contains(name);
    now.into_iter().filter(same).map(|(name, _)| name).collect()
}

impl Gateway {
    /// What its queries are, by name.
    pub fn identities(&self) -> BTreeMap<String, Identity> {
        self.engine.own_identities()
    }

    /// Begins to hold; [`super::Action::Held`] follows. A core that stops is not held.
    pub(super) fn hold(&mut self) {
        if self.hold == Hold::No && !self.stopping {
            self.hold = Hold::Wanted;
            self.intakes.iter_mut().for_each(|intake| intake.holding = true);
        }
    }

    /// Goes on as if nothing had been.
    pub(super) fn release(&mut self, stamp: Stamp) {
        self.hold = Hold::No;
        self.intakes.iter_mut().for_each(|intake| intake.holding = false);
        self.look_at_waiting(stamp);
    }

    /// Takes over from a held core; this one was started from the store as it is now, and has handled no event. With it come the states of the queries
    /// that were left out when the store was read.
    pub fn take_over(&mut self, mut old: Gateway, heirs: &Heirs, stamp: Stamp) {
        assert!(old.hold == Hold::Held && old.number == self.number, "the store holds what the held core held");
        for (intake, heir) in self.intakes.iter_mut().zip(&heirs.sources) {
            match heir {
                Heir::New => {}
                Heir::Restarted(index) => intake.succeed(&old.intakes[*index]),
                Heir::Kept(index) => intake.take_over(&mut old.intakes[*index]),
            }
        }
        for (sink, heir) in self.sinks.iter_mut().zip(&heirs.sinks) {
            if let Heir::Restarted(index) | Heir::Kept(index) = heir {
                sink.take_over(&old.sinks[*index]);
            }
        }
        for query in &mut self.queries {
            if let Some(before) = old.queries.iter().find(|before| before.name == query.name) {
                query.clone_from(before);
            }
        }
        self.engine.take_over(old.engine, &std::mem::take(&mut self.moving));
        self.dead_letters = old.dead_letters;
        self.dead_letter_status = old.dead_letter_status;
        self.stream_time = old.stream_time;
        self.clock_set_back = old.clock_set_back;
        self.blocked_told = old.blocked_told;
        (self.commits, self.committed) = (old.commits, old.committed);
        (self.last_commit_us, self.last_step_us, self.last_trim_us) = (old.last_commit_us, old.last_step_us, old.last_trim_us);
        self.look_at_waiting(stamp);
    }

    fn look_at_waiting(&mut self, stamp: Stamp) {
        for intake in &mut self.intakes {
            intake.receive_waiting(self.stream_time.now_us(), stamp, &mut self.dead_letters);
            if intake.has_news() {
                self.opened_us.get_or_insert(stamp.mono_us);
            }
        }
    }
}

impl Intake {
    /// Goes on with another task: what the broker may repeat is known as well as it can be.
    fn succeed(&mut self, old: &Intake) {
        self.redelivery = Redelivery::restore(&old.redelivery.to_stored());
        self.filters.clone_from(&old.filters);
        self.filters_changed = old.filters_changed;
        self.count_let_go(old);
    }

    /// What waits was framed by the old settings, and its number is the old task's: it goes with them. A broker, or a source with positions, brings it again.
    fn count_let_go(&mut self, old: &Intake) {
        let again = !old.positions.is_empty();
        let (mut frames, mut bytes) = (0, 0);
        for unread in old.waiting.iter().filter(|_| !again) {
            if let Unread::Frame(frame) = unread {
                (frames, bytes) = (frames + 1, bytes + frame.bytes() as u64);
            }
        }
        if frames > 0 {
            tracing::warn!(source = %self.name, frames, bytes, "the source has changed: what came from the old one during the reload is lost");
            self.dropped(frames, bytes);
        }
    }
}
