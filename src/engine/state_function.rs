//! A script's function over the rows of each key, with a state for each: Spark's `flatMapGroupsWithState`.
//!
//! Each batch calls it once for every key that has rows, in the order in which the keys come, with the rows in the order in which they come;
//! then, when the watermark has moved, once without rows for every key whose timeout has passed, in order of the timeouts. A call that
//! fails changes nothing, and its rows are rejected; after a timeout's call that fails the timeout is gone.
//!
//! A batch query has neither watermark nor clock: the rows' own times stand for both. Its calls are those of a stream in which each came at its time,
//! as far as one pass over the rows can tell: with rows `now` is just before the earliest, so that a timeout may be asked for after any of them; no
//! row is late; and at the end of the input the timeouts before the latest time of all rows come to pass, each with `now` just after it, so that one
//! leads to the next.
//!
//! Limits: those of a call are the script's (see [`crate::script`]); a key with more rows than one call takes is called several times. After
//! [`LIMIT_HITS_MAX`] calls of a step that ran into a limit, or [`OPERATIONS_PER_STEP`] operations, or the time that [`crate::script::ScriptWatch`] gives, no further call is made in that step: rows
//! are rejected, timeouts wait for the next step. A batch query, which nothing waits behind, has no limit of a step; at its end it makes at most
//! [`TIMEOUTS_PER_KEY_MAX`] calls for each key that has a state, then the other timeouts are told and dropped.

use std::collections::BTreeMap;

use crate::batch::{Column, ColumnBuilder, Values};
use crate::engine::EngineSettings;
use crate::engine::checkpoint::{Entry, Unfit};
use crate::engine::chunk::{Chunk, SharedColumn};
use crate::engine::key_codec::{put_key, read_key};
use crate::engine::keyed::{Kept, KeyedStates};
use crate::engine::keyer::KEY_BYTES_MAX;
use crate::engine::refusal::Refusal;
use crate::engine::render::render_row;
use crate::engine::set_back::SetBack;
use crate::engine::stage::Env;
use crate::engine::state_codec::{Malformed, Reader};
use crate::engine::state_limits::OperatorStatus;
use crate::plan::{self, OutputMode, ScriptText, Timeout};
use crate::script::{CallError, NotAState, Script, UpdateCall, Updated, check_state, rows_at_once};
use crate::types::{DataType, Field, Value};

/// Calls of one step that may run into a limit.
const LIMIT_HITS_MAX: u32 = 4;

/// Operations that a step's calls may take together.
const OPERATIONS_PER_STEP: u64 = 50_000_000;

/// Timeouts at the end of a batch query's input, for each of its keys on average.
const TIMEOUTS_PER_KEY_MAX: u64 = 100_000;

/// Calls for timeouts at the end of a batch query's input whose rows are held together.
const TIMEOUTS_AT_ONCE: usize = 4096;

/// A key's state as the script's encoding has it.
struct State(Vec<u8>);

impl Kept for State {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn bytes(&self) -> usize {
        self.0.len() + size_of::<State>()
    }
}

/// The operator.
pub(super) struct StateFunction {
    script: Script,
    text: ScriptText,
    function: String,
    keys: Vec<usize>,
    key_fields: Vec<Field>,
    input: Vec<Field>,
    output: Vec<Field>,
    timeout: Timeout,
    /// The input's event time; in a batch query its first TIMESTAMP.
    event_time: Option<usize>,
    states: KeyedStates<State>,
    limit_hits: u32,
    operations: u64,
    /// Of a batch query.
    whole: Option<Whole>,
}

/// What only a batch query's operator knows.
#[derive(Default)]
struct Whole {
    /// The latest time of its rows, µs.
    latest_us: Option<i64>,
    /// Calls for timeouts that may still be made, once its input is over.
    timeouts_left: Option<u64>,
}

/// One call's key and rows.
struct Call<'c> {
    key: &'c [u8],
    columns: &'c [&'c Column],
    rows: &'c [u32],
    now_us: i64,
}

impl StateFunction {
    /// Compiles the script. What is wrong with it or with the plan otherwise.
    pub fn new(plan: &plan::StateFunction, mode: OutputMode, settings: &EngineSettings) -> Result<StateFunction, String> {
        let whole = (mode == OutputMode::Batch).then(Whole::default);
        let text = plan.script.clone();
        let script =
            Script::watched(&text.text, &settings.script_watch).map_err(|error| format!("{}: {error}", text.place(error.place)))?;
        script.check_function(&plan.function, &["key", "state", "rows", "now"])?;
        let input = plan.input.schema();
        let key_fields: Vec<Field> = plan.keys.iter().filter_map(|key| input.get(*key).cloned()).collect();
        let event = plan.input.event_time_columns();
        let is_time = |column: &usize| (event[*column] || whole.is_some()) && input[*column].data_type == DataType::Timestamp;
        let event_time = (0..input.len()).find(is_time);
        if plan.timeout == Timeout::EventTime && whole.is_none() && !(plan.input.has_watermark() && event_time.is_some()) {
            return Err("timeouts in event time need a watermark, and its column among the query's columns".to_owned());
        }
        let names: Vec<String> = key_fields.iter().map(|field| format!("`{}` {}", field.name, field.data_type)).collect();
        let key_types: Vec<DataType> = key_fields.iter().map(|field| field.data_type.clone()).collect();
        let fingerprint = format!("state function by [{}]", names.join(", "));
        let mut states = KeyedStates::new(key_types, fingerprint, settings.hash_seed, settings.keys_max, settings.state_bytes_max);
        put_initial(&mut states, plan)?;
        Ok(StateFunction {
            script,
            text,
            function: plan.function.clone(),
            keys: plan.keys.clone(),
            key_fields,
            input,
            output: plan.output.clone(),
            timeout: plan.timeout,
            event_time,
            states,
            limit_hits: 0,
            operations: 0,
            whole,
        })
    }

    /// Goes on with the states of the same operator in another engine.
    pub fn take_over(&mut self, old: StateFunction) {
        self.states = old.states;
    }

    /// Calls the function for each key of the chunk; its rows.
    pub fn push(&mut self, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) -> Chunk<'static> {
        let now_us = self.now(env, env.before_us);
        let mut groups: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut calls: Vec<(Vec<u8>, Vec<u32>)> = Vec::new();
        let mut key = Vec::new();
        for row in chunk.selection.iter() {
            if self.is_late(chunk, row, env) {
                continue;
            }
            key.clear();
            self.keys.iter().for_each(|column| put_key(&mut key, chunk.columns[*column].get(), row as usize));
            if key.len() > KEY_BYTES_MAX {
                let reason = || Refusal::KeyLength.reason(0, 0);
                env.complaints.reject(reason, || render_row(&self.input, chunk, row));
                continue;
            }
            match groups.get(&key) {
                Some(group) => calls[*group].1.push(row),
                None => {
                    groups.insert(key.clone(), calls.len());
                    calls.push((key.clone(), vec![row]));
                }
            }
        }
        let columns: Vec<&Column> = chunk.columns.iter().map(SharedColumn::get).collect();
        let mut out = Output::new(&self.output);
        for (key, rows) in calls {
            let mut rows = &rows[..];
            while !rows.is_empty() {
                let (now, later) = rows.split_at(rows_at_once(&columns, rows).len());
                rows = later;
                let now_us = if self.whole.is_some() { self.before_rows(&columns, now) } else { now_us };
                let call = Call { key: &key, columns: &columns, rows: now, now_us };
                if let Err(reason) = self.call(&call, &mut out) {
                    now.iter().for_each(|row| env.complaints.reject(|| reason.clone(), || render_row(&self.input, chunk, *row)));
                }
            }
        }
        out.finish()
    }

    /// `now` for these rows of a batch query: just before the earliest, as a watermark is; 1970 if they have no time. Remembers their latest time.
    fn before_rows(&mut self, columns: &[&Column], rows: &[u32]) -> i64 {
        let (mut earliest_us, mut latest_us) = (None, None);
        if let Some(column) = self.event_time.map(|column| columns[column])
            && let Values::Timestamp(times) = &column.values
        {
            let times = || rows.iter().filter(|row| !column.is_null(**row as usize)).map(|row| times[*row as usize]);
            (earliest_us, latest_us) = (times().min(), times().max());
        }
        self.whole.iter_mut().for_each(|whole| whole.latest_us = whole.latest_us.max(latest_us));
        earliest_us.map_or(0, |earliest: i64| earliest.saturating_sub(1))
    }

    /// Calls the function for keys whose timeout has passed, and ends the step.
    pub fn release(&mut self, env: &mut Env<'_, '_>) -> Option<Chunk<'static>> {
        if self.whole.is_some() {
            return if env.ended { self.release_at_end(env) } else { None };
        }
        let now_us = self.now(env, env.after_us);
        let mut out = Output::new(&self.output);
        for key in self.states.due_before(now_us) {
            if self.is_exhausted() {
                break;
            }
            if let Err(reason) = self.call(&Call { key: &key, columns: &[], rows: &[], now_us }, &mut out) {
                self.drop_timeout(&key);
                env.complaints.reject(|| reason, || self.render_key(&key));
            }
        }
        (self.limit_hits, self.operations) = (0, 0);
        (out.rows > 0).then(|| out.finish())
    }

    /// A batch query's input is over: calls the function for timeouts that have passed by the rows' times, the earliest first. Some of them, see
    /// [`Self::has_more`].
    fn release_at_end(&mut self, env: &mut Env<'_, '_>) -> Option<Chunk<'static>> {
        let most = TIMEOUTS_PER_KEY_MAX.saturating_mul(self.states.len() as u64);
        let mut left = self.whole.as_ref()?.timeouts_left.unwrap_or(most);
        let mut out = Output::new(&self.output);
        let mut calls = 0;
        while calls < TIMEOUTS_AT_ONCE
            && let Some(due_us) = self.next_at_end()
        {
            let now_us = due_us.saturating_add(1);
            for key in self.states.due_before(now_us) {
                if left == 0 {
                    let reason = format!("{}: no further timeouts: there were {TIMEOUTS_PER_KEY_MAX} for each key already", self.function);
                    env.complaints.reject(|| reason, || self.render_key(&key));
                    self.states.forget_due();
                    break;
                }
                (left, calls) = (left - 1, calls + 1);
                if let Err(reason) = self.call(&Call { key: &key, columns: &[], rows: &[], now_us }, &mut out) {
                    self.drop_timeout(&key);
                    env.complaints.reject(|| reason, || self.render_key(&key));
                }
            }
        }
        self.whole.iter_mut().for_each(|whole| whole.timeouts_left = Some(left));
        (out.rows > 0).then(|| out.finish())
    }

    /// The next timeout of a batch query that has passed by its rows' times.
    fn next_at_end(&self) -> Option<i64> {
        let latest_us = self.whole.as_ref()?.latest_us?;
        self.states.next_due().filter(|due_us| *due_us < latest_us)
    }

    /// Whether [`Self::release`] at the end of a batch query's input is to be called again.
    pub fn has_more(&self) -> bool {
        self.next_at_end().is_some()
    }

    /// The watermark, or stream time; they go back only where the clock is set back.
    fn now(&mut self, env: &Env<'_, '_>, watermark_us: i64) -> i64 {
        if self.timeout == Timeout::EventTime { watermark_us } else { self.states.stream_time(env.stamp.wall_us) }
    }

    /// With timeouts in event time, rows at or before the watermark are left out, as in Spark.
    fn is_late(&self, chunk: &Chunk<'_>, row: u32, env: &mut Env<'_, '_>) -> bool {
        if self.timeout != Timeout::EventTime || self.whole.is_some() {
            return false;
        }
        let Some(column) = self.event_time.map(|column| chunk.columns[column].get()) else { return false };
        let Values::Timestamp(times) = &column.values else { return false };
        let late = !column.is_null(row as usize) && times[row as usize] <= env.before_us;
        if late {
            env.complaints.late(env.before_us - times[row as usize], || render_row(&self.input, chunk, row));
        }
        late
    }

    fn is_exhausted(&self) -> bool {
        self.whole.is_none() && (self.limit_hits >= LIMIT_HITS_MAX || self.operations >= OPERATIONS_PER_STEP || self.script.is_stopped())
    }

    /// One call; why it failed otherwise, for people.
    fn call(&mut self, call: &Call<'_>, out: &mut Output) -> Result<(), String> {
        if self.is_exhausted() {
            return Err(format!("{}: not called, since other calls in this batch have used up what a batch may use", self.function));
        }
        let key = key_values(call.key, self.states.key_types());
        let result = self.script.update(
            &self.function,
            &UpdateCall {
                key: &key,
                key_fields: &self.key_fields,
                state: self.states.get(call.key).map_or(&[], |state| &state.0),
                columns: call.columns,
                fields: &self.input,
                rows: call.rows,
                now_us: call.now_us,
                timeouts: self.timeout != Timeout::None,
                output: &self.output,
            },
        );
        self.operations = self.operations.saturating_add(self.script.operations(call.rows.len()));
        let Updated { state, timeout_us, rows } = result.map_err(|error: CallError| {
            self.limit_hits = self.limit_hits.saturating_add(u32::from(error.limit));
            error.explain(&self.text, &self.function)
        })?;
        if state.is_empty() && timeout_us.is_none() {
            self.states.remove(call.key);
        } else {
            self.states.put(call.key, State(state), timeout_us).map_err(|full| {
                // A call for a timeout has no rows, and is itself rejected.
                self.states.count_refused(call.rows.len().max(1));
                full.to_string()
            })?;
        }
        rows.iter().for_each(|row| out.push(row));
        Ok(())
    }

    /// The key keeps its state, if it has one.
    fn drop_timeout(&mut self, key: &[u8]) {
        match self.states.get(key).map(|state| state.0.clone()) {
            Some(state) if !state.is_empty() => _ = self.states.put(key, State(state), None),
            _ => self.states.remove(key),
        }
    }

    fn render_key(&self, key: &[u8]) -> String {
        let values = key_values(key, self.states.key_types());
        let column = |(field, value): (&Field, &Value)| Column::repeated(&field.data_type, value, 1);
        let columns = self.key_fields.iter().zip(&values).map(column).collect();
        render_row(&self.key_fields, &Chunk::made(columns, 1), 0)
    }

    /// The clock was set back: timeouts by it are as far ahead as they were.
    pub fn set_back(&mut self, set_back: &SetBack) {
        self.states.set_back(set_back, set_back.by_arrival);
    }

    pub fn needs_watermark(&self) -> bool {
        self.timeout == Timeout::EventTime
    }

    /// The watermark at which the next timeout has passed, µs.
    pub fn next_close(&self) -> Option<i64> {
        self.states.next_due().filter(|_| self.timeout == Timeout::EventTime)?.checked_add(1)
    }

    /// The watermark at which the last timeout has passed, µs.
    pub fn last_close(&self) -> Option<i64> {
        self.states.last_due().filter(|_| self.timeout == Timeout::EventTime)?.checked_add(1)
    }

    /// The wall-clock time at which the next timeout has passed, µs.
    pub fn next_wall(&self) -> Option<i64> {
        self.states.next_due().filter(|_| self.timeout == Timeout::ProcessingTime)?.checked_add(1)
    }

    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        self.states.put_changes(prefix, out);
    }

    /// Takes up stored states in place of the initial ones.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<(), (&'e str, Unfit)> {
        if entries.is_empty() {
            return Ok(());
        }
        self.states.clear();
        self.states.restore(entries, |bytes| {
            check_state(bytes).map_err(|NotAState(what)| Malformed(what))?;
            Ok(State(bytes.to_vec()))
        })?;
        if self.timeout == Timeout::None {
            // Of the time when the query had timeouts.
            self.states.forget_due();
        }
        Ok(())
    }

    pub fn status(&self) -> OperatorStatus {
        self.states.status("state function")
    }
}

/// The states with which a query begins.
fn put_initial(states: &mut KeyedStates<State>, plan: &plan::StateFunction) -> Result<(), String> {
    for initial in &plan.initial {
        let mut key = Vec::new();
        for (value, data_type) in initial.key.iter().zip(states.key_types()) {
            put_key(&mut key, &Column::repeated(data_type, value, 1), 0);
        }
        states.put(&key, State(initial.state.clone()), None).map_err(|full| format!("the initial state does not fit: {full}"))?;
    }
    Ok(())
}

fn key_values(key: &[u8], types: &[DataType]) -> Vec<Value> {
    let mut reader = Reader::new(key);
    types.iter().map(|data_type| read_key(&mut reader, data_type).unwrap_or(Value::Null)).collect()
}

/// The rows that the calls of a step give.
struct Output {
    builders: Vec<ColumnBuilder>,
    rows: usize,
}

impl Output {
    fn new(fields: &[Field]) -> Output {
        Output { builders: fields.iter().map(|field| ColumnBuilder::new(&field.data_type, 0)).collect(), rows: 0 }
    }

    fn push(&mut self, row: &[Value]) {
        self.builders.iter_mut().zip(row).for_each(|(builder, value)| builder.push(value));
        self.rows += 1;
    }

    fn finish(self) -> Chunk<'static> {
        Chunk::made(self.builders.into_iter().map(ColumnBuilder::finish).collect(), self.rows)
    }
}
