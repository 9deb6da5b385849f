//! The engine: runs a typed plan over micro-batches. No IO, no clock: given equal batches, equal results and stored bytes follow.
//!
//! | module | job |
//! |---|---|
//! | [`expr`] | expressions over columns |
//! | `compile` | relations to a tree of operators; which column is event time |
//! | `query` | one query's step: rows up through the tree, watermark, emission |
//! | `stage` | the operators, and how to add one |
//! | `chunk` | rows on their way: shared columns and a selection |
//! | `watermark`, `watermarks` | event time: a stream's watermark, a query's over all of its streams |
//! | `window`, `local_window`, `placement` | panes of windows, days of a calendar, rows to panes |
//! | `aggregate`, `spec`, `lane_plan`, `lane_class` | GROUP BY: rows into cells; calls taken apart into inputs, lanes and readings |
//! | `prepare`, `arguments`, `input` | a chunk's keys and arguments evaluated |
//! | `overflow`, `room`, `refusal` | rows that do not fit |
//! | `row_windows` | GROUP BY sessions, counts of rows, states |
//! | `keys`, `keyer`, `key_codec`, `pane`, `lanes` | keys to numbers, cells of a pane, accumulators |
//! | `ordered`, `value_codec`, `hash` | values as bytes: in order, exactly, hashed |
//! | `emit`, `pace`, `reading`, `distinct_rows` | cells out as result rows |
//! | `limit`, `sort` | LIMIT, ORDER BY |
//! | `generate`, `expand`, `over` | rows made of rows; analytic functions |
//! | `join`, `tables` | joins; the reference tables |
//! | `dedup` | repeats dropped within the watermark |
//! | `keyed` | what operators keep by key, with due times |
//! | `over_stream`, `running` | OVER over a stream, row by row |
//! | `state_function` | scripts with a state for each key |
//! | `set_back` | what a clock that is set back does |
//! | `buckets`, `journal`, `checkpoint`, `taken_up`, `state_codec` | stored state |
//! | `identity` | which queries go on unread when the program changes |
//! | `state_limits` | what an operator may hold |
//! | `output`, `render`, `error`, `describe` | what comes out, rows and expressions for people |
//!
//! A query is a tree of operators (`stage::Stage`), inputs before their parents. To add one: a variant of `Stage` with its arms in `stage.rs`
//! (whose head tells what a streaming, a holding and a stateful operator must do), an arm in `compile`'s `stage` that makes it from its
//! relation, and, where event time or a source's column passes through it, an arm in `compile/events.rs`.

mod aggregate;
mod arguments;
mod arrivals;
mod buckets;
mod by_key;
mod checkpoint;
mod chunk;
mod common;
mod compile;
mod dedup;
mod describe;
mod distinct_rows;
mod emit;
mod error;
mod expand;
pub mod expr;
mod generate;
mod hash;
mod held;
mod identity;
mod input;
mod join;
mod journal;
mod key_codec;
mod keyed;
mod keyer;
mod keys;
mod lane_class;
mod lane_plan;
mod lanes;
mod limit;
mod local_window;
mod ordered;
mod output;
mod over;
mod over_stream;
mod overflow;
mod pace;
mod pane;
mod placement;
mod prepare;
mod query;
mod reading;
mod refusal;
mod render;
mod room;
mod row_windows;
mod running;
mod set_back;
mod sort;
mod spec;
mod stage;
mod state_codec;
mod state_function;
mod state_limits;
mod tables;
mod taken_up;
mod value_codec;
mod watermark;
mod watermarks;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use error::{EngineError, RestoreError};
pub use identity::Identity;
pub use output::{LATE_SAMPLES_MAX, LateRow, LateRows, QueryResult, QueryStatus, REJECT_BYTES_MAX, Reject, StepOutput};
pub use render::ROW_BYTES_MAX;
pub use state_codec::Malformed;
pub use state_limits::{KEYS_MAX_DEFAULT, OperatorStatus, STATE_BYTES_MAX_DEFAULT, StateLimits};
pub use window::WINDOWS_PER_ROW_MAX;

use crate::batch::Batch;
use crate::engine::checkpoint::Unfit;
use crate::engine::common::Common;
use crate::engine::output::Complaints;
use crate::engine::query::Query;
use crate::engine::tables::Tables;
use crate::plan::Program;
use crate::script::ScriptWatch;
use crate::types::ordered::set_of;

/// Beginning of every state key.
const STATE_PREFIX: &str = "s/";

/// Bytes of a query's name: it is part of each of its state keys.
const NAME_BYTES_MAX: usize = 128;

/// What the engine needs to know beside the plan.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Seeds the hash tables; must come from a random source where inputs are hostile. Results do not depend on it.
    pub hash_seed: u64,
    /// Keys that one operator holds; rows with further keys are rejected.
    pub keys_max: usize,
    /// Estimated bytes of keys and cells that one operator holds; rows that need more are rejected.
    pub state_bytes_max: usize,
    /// The limits of queries that have their own, by name.
    pub query_limits: BTreeMap<String, StateLimits>,
    /// `emit_every` of the queries that have one, by name, µs.
    pub emit_every_us: BTreeMap<String, i64>,
    /// For each source of the program: how long it must be silent before the watermark follows the clock, µs. Missing: 0.
    pub idle_timeout_us: Vec<i64>,
    /// Where scripts are seen and stopped by somebody who has a clock.
    pub script_watch: ScriptWatch,
}

impl Default for EngineSettings {
    fn default() -> EngineSettings {
        EngineSettings {
            hash_seed: 0,
            keys_max: KEYS_MAX_DEFAULT,
            state_bytes_max: STATE_BYTES_MAX_DEFAULT,
            query_limits: BTreeMap::new(),
            emit_every_us: BTreeMap::new(),
            idle_timeout_us: Vec::new(),
            script_watch: ScriptWatch::default(),
        }
    }
}

impl EngineSettings {
    /// As one query's operators are to see them.
    fn of_query(&self, query: &str) -> EngineSettings {
        let mut settings = self.clone();
        if let Some(limits) = self.query_limits.get(query) {
            (settings.keys_max, settings.state_bytes_max) = (limits.keys_max, limits.bytes_max);
        }
        settings
    }
}

/// All queries of a program, with their state.
pub struct Engine {
    queries: Vec<Query>,
    tables: Tables,
    script_watch: ScriptWatch,
}

impl Engine {
    pub fn new(program: &Program, settings: EngineSettings) -> Result<Engine, EngineError> {
        let mut names = BTreeSet::new();
        for query in &program.queries {
            if query.name.is_empty() || query.name.len() > NAME_BYTES_MAX || query.name.contains('/') {
                return Err(EngineError::Name(query.name.clone()));
            }
            if !names.insert(&query.name) {
                return Err(EngineError::DuplicateName(query.name.clone()));
            }
        }
        let queries = program.queries.iter().map(|query| Query::new(program, query, &settings)).collect::<Result<_, _>>()?;
        Ok(Engine { queries, tables: Tables::new(program.tables.len()), script_watch: settings.script_watch })
    }

    /// Takes up the state that earlier steps returned: all entries whose key begins with `s/` (others are passed over). To be called once,
    /// before the first step. Returns the names of queries that have state but are no longer in the program; [`Engine::discard`] their entries.
    ///
    /// After an error the engine is in an undefined state: make a new one.
    pub fn restore(&mut self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<String>, RestoreError> {
        let named: Vec<(&str, &[u8])> = entries.iter().filter_map(|(key, value)| Some((state_name(key)?, &value[..]))).collect();
        for query in &mut self.queries {
            let own: Vec<(&str, &[u8])> = (named.iter())
                .filter_map(|(name, value)| Some((name.strip_prefix(query.name.as_str())?.strip_prefix('/')?, *value)))
                .collect();
            query.restore(&own).map_err(|(key, unfit)| restore_error(&query.name, key, unfit))?;
        }
        let gone: BTreeSet<&str> = set_of(named.iter().filter_map(|(name, _)| name.split('/').next()));
        Ok(gone.into_iter().filter(|name| self.queries.iter().all(|query| query.name != **name)).map(str::to_owned).collect())
    }

    /// What each streaming query of a program is, by name: its running state moves to an engine in which it is the same, see [`Engine::take_over`].
    pub fn identities(program: &Program, settings: &EngineSettings) -> BTreeMap<String, Identity> {
        let streaming = program.queries.iter().filter(|query| identity::moves(query));
        streaming.map(|query| (query.name.clone(), Identity::of(program, query, settings))).collect()
    }

    /// Those of its own queries.
    pub fn own_identities(&self) -> BTreeMap<String, Identity> {
        self.queries.iter().filter_map(|query| Some((query.name.clone(), query.identity()?))).collect()
    }

    /// Has the queries `names` go on with the state that they have in `old`, whose last step is stored and which makes no further one. To be called
    /// before the first step; what else is in the store is restored before or after.
    ///
    /// Panics where a query is not the same in both: its state would be lost.
    pub fn take_over(&mut self, old: Engine, names: &BTreeSet<String>) {
        let mut before: BTreeMap<String, Query> = old.queries.into_iter().map(|query| (query.name.clone(), query)).collect();
        for name in names {
            let query = self.queries.iter_mut().find(|query| query.name == *name);
            let (query, before) = query.zip(before.remove(name)).expect("a query that moves is in both engines");
            query.take_over(before);
        }
    }

    /// The keys among `entries` that are state of `query`: delete these, and the query starts anew.
    pub fn discard(query: &str, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
        let of_query = |key: &[u8]| state_name(key).is_some_and(|name| name.split('/').next() == Some(query));
        entries.iter().filter(|(key, _)| of_query(key)).map(|(key, _)| key.clone()).collect()
    }

    /// Runs one batch through all queries. A batch without rows in which nothing closes by the clock changes nothing.
    pub fn step(&mut self, batch: &Batch) -> StepOutput {
        self.tables.take_up(&batch.tables);
        let common = Common::of(batch);
        self.run(|query, tables, complaints, results| query.step(batch, tables, &common, complaints, results))
    }

    /// The input of batch queries is over: their results come out.
    pub fn finish(&mut self) -> StepOutput {
        self.tables.take_up(&[]);
        self.run(Query::finish)
    }

    /// Whether more rows could change any result. Not where each query reads no source or has a LIMIT that is used up.
    pub fn wants_input(&self) -> bool {
        self.queries.iter().any(Query::wants_input)
    }

    fn run(&mut self, mut act: impl FnMut(&mut Query, &Tables, &mut Complaints<'_>, &mut Vec<QueryResult>)) -> StepOutput {
        let mut output = StepOutput::default();
        let (mut results, mut reject_bytes) = (Vec::new(), 0);
        for (index, query) in self.queries.iter_mut().enumerate() {
            self.script_watch.begin_step();
            let mut complaints = Complaints::new(index, &mut output, &mut reject_bytes);
            act(query, &self.tables, &mut complaints, &mut results);
            complaints.finish();
            query.put_changes(&mut output.state);
        }
        output.results = results;
        output
    }

    /// The earliest wall-clock time, µs, at which a batch with idle sources would close a window. `idle_at_us`: for each source since or from
    /// when it counts as idle, `None` where it never does. `synchronised` as the batch's stamp will say.
    pub fn next_deadline(&self, idle_at_us: &[Option<i64>], synchronised: bool) -> Option<i64> {
        self.queries.iter().filter_map(|query| query.next_deadline(idle_at_us, synchronised)).min()
    }

    /// Where its scripts can be seen and stopped.
    pub fn script_watch(&self) -> &ScriptWatch {
        &self.script_watch
    }

    /// What each query of the program holds.
    pub fn status(&self) -> Vec<QueryStatus> {
        self.queries.iter().map(Query::status).collect()
    }
}

/// What follows `s/`.
fn state_name(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key).ok()?.strip_prefix(STATE_PREFIX)
}

fn restore_error(query: &str, key: &str, unfit: Unfit) -> RestoreError {
    let query = query.to_owned();
    match unfit {
        Unfit::Newer { found, known } => RestoreError::Newer { query, found, known },
        Unfit::Changed(what) => RestoreError::PlanChanged { query, what },
        Unfit::Malformed(problem) => RestoreError::Malformed { query, key: key.to_owned(), problem },
    }
}
