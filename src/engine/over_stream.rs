//! Analytic functions over a stream: `f(x) OVER (PARTITION BY … ORDER BY ts)`, kept up row by row for each key.
//!
//! Rows of a key are taken in order of time, equal times in order of arrival: those of one batch are sorted, and a row that is older than
//! the newest one of its key in an earlier batch is late: counted, and left out. So the rows that come out have the values that a batch
//! query over them gives, with the frame ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW. A row without a time is rejected.
//!
//! Limits: those of [`KeyedStates`]; rows of keys that do not fit are rejected.

use std::collections::BTreeMap;

use crate::batch::{Column, ColumnBuilder, Values};
use crate::engine::EngineSettings;
use crate::engine::checkpoint::{Entry, Unfit};
use crate::engine::chunk::{Chunk, SharedColumn, without};
use crate::engine::describe::describe;
use crate::engine::key_codec::put_key;
use crate::engine::keyed::{Kept, KeyedStates};
use crate::engine::keyer::KEY_BYTES_MAX;
use crate::engine::refusal::Refusal;
use crate::engine::render::render_row;
use crate::engine::running::{Running, RunningCall};
use crate::engine::set_back::SetBack;
use crate::engine::stage::{Env, explain};
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed};
use crate::engine::state_limits::OperatorStatus;
use crate::plan::{Expr, OverCall, SortKey};
use crate::types::{DataType, Field, Value};

/// What is remembered of one key.
struct KeyState {
    /// The newest row's time, µs.
    newest_us: i64,
    running: Vec<Running>,
    /// Its stored form.
    stored: Vec<u8>,
}

impl Kept for KeyState {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.stored);
    }

    fn bytes(&self) -> usize {
        2 * self.stored.len() + self.running.len() * size_of::<Running>() + size_of::<KeyState>()
    }
}

/// The operator.
pub(super) struct OverStream {
    partition: Vec<Expr>,
    time: Expr,
    calls: Vec<RunningCall>,
    types: Vec<DataType>,
    input: Vec<Field>,
    states: KeyedStates<KeyState>,
}

/// The rows of one key in a batch, and their times.
type Group = Vec<(i64, u32)>;

impl OverStream {
    /// What cannot be kept up is refused, with the reason.
    pub fn new(
        partition: &[Expr],
        order: &[SortKey],
        calls: &[OverCall],
        input: Vec<Field>,
        settings: &EngineSettings,
    ) -> Result<OverStream, String> {
        let [SortKey { expr: time, descending: false, .. }] = order else {
            return Err("OVER over a stream needs ORDER BY one time, ascending".to_owned());
        };
        if time.data_type != DataType::Timestamp {
            return Err("OVER over a stream is ordered by a TIMESTAMP".to_owned());
        }
        let running = calls.iter().map(RunningCall::new).collect::<Result<Vec<_>, _>>()?;
        let text = |exprs: &[Expr]| {
            exprs.iter().map(|expr| format!("{} {}", describe(expr, &input), expr.data_type)).collect::<Vec<_>>().join(", ")
        };
        let call_text = |(call, running): (&OverCall, &RunningCall)| format!("{}({})", call.name, text(&running.args));
        let calls_text: Vec<String> = calls.iter().zip(&running).map(call_text).collect();
        let fingerprint = format!("OVER by [{}], time {}, functions [{}]", text(partition), describe(time, &input), calls_text.join(", "));
        let key_types = partition.iter().map(|expr| expr.data_type.clone()).collect();
        Ok(OverStream {
            partition: partition.to_vec(),
            time: time.clone(),
            calls: running,
            types: calls.iter().map(|call| call.data_type.clone()).collect(),
            states: KeyedStates::new(key_types, fingerprint, settings.hash_seed, settings.keys_max, settings.state_bytes_max),
            input,
        })
    }

    /// The chunk with a column for each call; without the rows that are late or fail.
    pub fn push<'a>(&mut self, mut chunk: Chunk<'a>, env: &mut Env<'_, '_>) -> Chunk<'a> {
        let partition: Vec<Column> = self.partition.iter().map(|expr| column_of(expr, &mut chunk, &self.input, env)).collect();
        let time = column_of(&self.time, &mut chunk, &self.input, env);
        let args: Vec<Vec<Column>> =
            (self.calls.iter()).map(|call| call.args.iter().map(|arg| column_of(arg, &mut chunk, &self.input, env)).collect()).collect();
        let mut lost = Vec::new();
        let groups = self.group(&chunk, &partition, &time, &mut lost, env);
        let mut values = vec![vec![Value::Null; chunk.count]; self.calls.len()];
        for (key, rows) in groups {
            self.run(&key, rows, &args, &chunk, &mut values, &mut lost, env);
        }
        lost.sort_unstable();
        let made = values.iter().zip(&self.types).map(|(values, data_type)| {
            let mut builder = ColumnBuilder::new(data_type, values.len());
            values.iter().for_each(|value| builder.push(value));
            SharedColumn::made(builder.finish())
        });
        chunk.columns.extend(made.collect::<Vec<_>>());
        chunk.selection = without(&chunk.selection, &lost);
        chunk
    }

    /// The rows by key, the keys as they come; rows without a place are lost.
    fn group(
        &self,
        chunk: &Chunk<'_>,
        partition: &[Column],
        time: &Column,
        lost: &mut Vec<u32>,
        env: &mut Env<'_, '_>,
    ) -> Vec<(Vec<u8>, Group)> {
        let times: &[i64] = match &time.values {
            Values::Timestamp(times) => times,
            _ => &[],
        };
        let (mut numbers, mut groups) = (BTreeMap::<Vec<u8>, usize>::new(), Vec::<(Vec<u8>, Group)>::new());
        let mut key = Vec::new();
        for row in chunk.selection.iter() {
            let moment = times.get(row as usize).filter(|_| !time.is_null(row as usize));
            key.clear();
            partition.iter().for_each(|column| put_key(&mut key, column, row as usize));
            let Some(moment) = moment.filter(|_| key.len() <= KEY_BYTES_MAX) else {
                let reason =
                    if moment.is_none() { "the row has no time to be ordered by".to_owned() } else { Refusal::KeyLength.reason(0, 0) };
                env.complaints.reject(|| reason, || render_row(&self.input, chunk, row));
                lost.push(row);
                continue;
            };
            let number = match numbers.get(&key) {
                Some(number) => *number,
                None => {
                    numbers.insert(key.clone(), groups.len());
                    groups.push((key.clone(), Vec::new()));
                    groups.len() - 1
                }
            };
            groups[number].1.push((*moment, row));
        }
        groups
    }

    /// One key's rows: their values, and what is then remembered.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step")]
    fn run(
        &mut self,
        key: &[u8],
        mut rows: Group,
        args: &[Vec<Column>],
        chunk: &Chunk<'_>,
        values: &mut [Vec<Value>],
        lost: &mut Vec<u32>,
        env: &mut Env<'_, '_>,
    ) {
        rows.sort_by_key(|(time, _)| *time);
        let known = self.states.get(key);
        let mut newest_us = known.map_or(i64::MIN, |state| state.newest_us);
        let mut running: Vec<Running> =
            known.map_or_else(|| self.calls.iter().map(RunningCall::begin).collect(), |state| state.running.clone());
        let mut taken = Vec::new();
        for (time_us, row) in rows {
            if time_us < newest_us {
                env.complaints.late(newest_us.saturating_sub(time_us), || render_row(&self.input, chunk, row));
                lost.push(row);
                continue;
            }
            let inputs: Vec<Vec<Value>> = args.iter().map(|args| args.iter().map(|arg| arg.value(row as usize)).collect()).collect();
            let failed = self.calls.iter().zip(&running).zip(&inputs).find_map(|((call, state), inputs)| call.check(state, inputs).err());
            if let Some(reason) = failed {
                env.complaints.reject(|| reason.to_owned(), || render_row(&self.input, chunk, row));
                lost.push(row);
                continue;
            }
            for (index, (call, inputs)) in self.calls.iter().zip(&inputs).enumerate() {
                values[index][row as usize] = call.next(&mut running[index], inputs, time_us);
            }
            newest_us = time_us;
            taken.push(row);
        }
        if taken.is_empty() {
            return;
        }
        let stored = stored_form(&self.calls, newest_us, &running);
        if let Err(full) = self.states.put(key, KeyState { newest_us, running, stored }, None) {
            self.states.count_refused(taken.len());
            for row in taken {
                env.complaints.reject(|| full.to_string(), || render_row(&self.input, chunk, row));
                lost.push(row);
            }
        }
    }

    /// The clock was set back: where the rows are ordered by it, those to come are as much later than the newest one as they would have been.
    pub fn set_back(&mut self, set_back: &SetBack) {
        if set_back.by_arrival {
            let calls = &self.calls;
            self.states.change_all(|state| {
                state.newest_us = set_back.moved(state.newest_us);
                state.running.iter_mut().for_each(|running| running.move_times(|time_us| set_back.moved(time_us)));
                state.stored = stored_form(calls, state.newest_us, &state.running);
            });
        }
        self.states.set_back(set_back, false);
    }

    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        self.states.put_changes(prefix, out);
    }

    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<(), (&'e str, Unfit)> {
        if entries.is_empty() {
            return Ok(());
        }
        let calls = &self.calls;
        self.states.restore(entries, |stored| read_state(calls, stored))
    }

    pub fn status(&self) -> OperatorStatus {
        self.states.status("OVER")
    }
}

fn stored_form(calls: &[RunningCall], newest_us: i64, running: &[Running]) -> Vec<u8> {
    let mut stored = Vec::new();
    put_signed(&mut stored, newest_us);
    for (call, state) in calls.iter().zip(running) {
        let mut bytes = Vec::new();
        call.put(state, &mut bytes);
        put_bytes(&mut stored, &bytes);
    }
    stored
}

fn read_state(calls: &[RunningCall], stored: &[u8]) -> Result<KeyState, Malformed> {
    let mut reader = Reader::new(stored);
    let newest_us = reader.signed()?;
    let mut running = Vec::with_capacity(calls.len());
    for call in calls {
        let mut own = Reader::new(reader.bytes()?);
        running.push(call.read(&mut own)?);
        own.end()?;
    }
    reader.end()?;
    Ok(KeyState { newest_us, running, stored: stored.to_vec() })
}

/// The expression's column; rows that fail are rejected and no longer selected.
fn column_of(expr: &Expr, chunk: &mut Chunk<'_>, fields: &[Field], env: &mut Env<'_, '_>) -> Column {
    let evaluated = chunk.evaluate(expr, &chunk.selection, env.context);
    let failed: Vec<u32> = evaluated.errors.iter().map(|error| error.row).collect();
    for error in &evaluated.errors {
        env.complaints.reject(|| explain(&error.error, env.text), || render_row(fields, chunk, error.row));
    }
    let column = evaluated.column.into_owned();
    chunk.selection = without(&chunk.selection, &failed);
    column
}
