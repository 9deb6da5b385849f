//! From one engine to the next: a query that is the same in both keeps its state in memory.
//!
//! Invariant: a query that has moved gives the rows and stores the bytes that it would if its state were read back, as it goes on like one that was
//! never stopped, and so does one that is read back. For that
//! - its [`Identity`] is the same, which is made of all that its operators were made of and keep: the plan with its text, the mode, the schemas of what
//!   it reads, the scripts that its expressions call, its limits, its `emit_every`. So the same operators stand in the same places;
//! - what refers to something outside is the new engine's: the numbers of sources and tables and their `idle_timeout`, the scripts and who watches them,
//!   the rows of reference tables;
//! - what was learnt of a source's dictionary codes is forgotten: another decoder gives them anew;
//! - nothing is under way: the old engine's last step is stored whole, and it makes no further one.
//!
//! Sources and tables count by their names. What is read of them in which order is part of the plan.
//!
//! Limits: an identity is a hash of 128 bits; no two plans that a person writes share one.

use std::fmt::{self, Write};

use xxhash_rust::xxh3::Xxh3;

use crate::engine::EngineSettings;
use crate::engine::keys::Keys;
use crate::engine::stage::Stage;
use crate::plan::{OutputMode, Program, Query, Relation, TableSchema};
use crate::sabotage::{Fault, planted};

/// What a query with its settings is; equal where its running state fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u128);

/// Takes text to the hash.
struct Hashing(Xxh3);

impl Write for Hashing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

impl Identity {
    pub(super) fn of(program: &Program, query: &Query, settings: &EngineSettings) -> Identity {
        let mut hashing = Hashing(Xxh3::new());
        if !planted(Fault::BlindMove) {
            describe(&mut hashing, program, query, settings).expect("the hash takes any text");
        }
        Identity(hashing.0.digest128())
    }
}

/// Writes all of it; texts are quoted, so that no two descriptions run into each other.
fn describe(out: &mut impl Write, program: &Program, query: &Query, settings: &EngineSettings) -> fmt::Result {
    let Query { name, text, mode, root, output } = query;
    let (mut plan, mut read) = (root.clone(), Vec::new());
    name_scans(&mut plan, program, &mut read);
    write!(out, "{name:?} {text:?} {mode:?} {plan:?} {output:?} {read:?}")?;
    // One of them may call another, and all stand in one file: they count whole where there are any.
    write!(out, "{:?}", program.functions)?;
    let settings = settings.of_query(name);
    write!(out, "{} {} {:?}", settings.keys_max, settings.state_bytes_max, settings.emit_every_us.get(name))
}

/// Puts 0 into the place of the numbers of sources and tables, and lists what they stand for.
fn name_scans<'p>(relation: &mut Relation, program: &'p Program, read: &mut Vec<Option<&'p TableSchema>>) {
    match relation {
        Relation::Scan { source, .. } => read.push(program.sources.get(std::mem::take(source))),
        Relation::ReferenceScan { table, .. } => read.push(program.tables.get(std::mem::take(table))),
        _ => {}
    }
    relation.inputs_mut().into_iter().for_each(|input| name_scans(input, program, read));
}

/// Whether the query's state can move at all.
pub(super) fn moves(query: &Query) -> bool {
    query.mode != OutputMode::Batch
}

impl Stage {
    /// Goes on with the state of the same operator in another engine.
    pub fn take_over(&mut self, old: Stage) {
        match (self, old) {
            (Stage::Aggregate(new), Stage::Aggregate(old)) => {
                *new = old;
                new.keys.forget_codes();
            }
            (Stage::RowWindows(new), Stage::RowWindows(old)) => {
                *new = old;
                new.forget_codes();
            }
            // Its script is watched by the new engine's watch.
            (Stage::StateFunction(new), Stage::StateFunction(old)) => new.take_over(*old),
            (Stage::OverStream(new), Stage::OverStream(old)) => *new = old,
            (Stage::Join(new), Stage::Join(old)) => *new = old,
            (Stage::Deduplicate(new), Stage::Deduplicate(old)) => *new = old,
            (Stage::Limit(new), Stage::Limit(old)) => *new = old,
            (new, _) => debug_assert!(!new.is_stateful(), "what has state is taken over above"),
        }
    }
}

impl Keys {
    /// The cached codes are void: those of the same generation will mean other texts.
    pub fn forget_codes(&mut self) {
        if !planted(Fault::KeptCodes) {
            self.drop_codes();
        }
    }
}
