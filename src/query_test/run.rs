//! A case's input through decoder and engine, a batch a step, as the daemon does it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value as Json;

use super::folder::{QueryCase, Step};
use super::message::InputMessage;
use crate::batch::{Batch, SourceInput, Stamp, TableVersion};
use crate::config::Settings;
use crate::engine::{Engine, EngineSettings, StepOutput};
use crate::format::reference::ReferenceContents;
use crate::format::{Decoder, Message, OpenTable, PatternLevel, TopicPattern, encode_row};
use crate::gateway::engine_settings;
use crate::plan::{OutputMode, Program};

/// 2026-01-01T00:00:00Z: what the clock shows at the first step of a case that does not say.
const FIRST_TIME_US: i64 = 1_767_225_600_000_000;

/// How much later the next step is.
const STEP_US: i64 = 1_000_000;

/// The hash tables' seed; results do not depend on it.
const HASH_SEED: u64 = 7;

/// How a case is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// After each step the engine is thrown away and made anew from what it stored.
    pub restart: bool,
    /// Each step's input comes in batches of this many messages a source.
    pub split_rows: Option<usize>,
}

/// What a step gave.
#[derive(Clone, Debug, Default)]
pub struct StepResult {
    /// For each compared query, in order.
    pub rows: Vec<Vec<Json>>,
    /// After the step, of the first compared query, µs.
    pub watermark_us: Option<i64>,
    pub late: u64,
    /// Reasons, those of payloads with the source before it.
    pub dead_letters: Vec<String>,
    /// Dead letters whose reason was not kept.
    pub dead_letters_uncounted: u64,
}

/// A finished run.
pub struct Results {
    /// Names of the compared queries.
    pub queries: Vec<String>,
    /// Whether the order of a query's rows within a step is given.
    pub ordered: Vec<bool>,
    /// As a schema: names and types of each query's result.
    pub columns: Vec<String>,
    /// One for each step of the case.
    pub steps: Vec<StepResult>,
}

/// Runs the whole case; the error is for people.
pub fn run(case: &QueryCase, options: &RunOptions) -> Result<Results, String> {
    let settings = case.settings.as_ref().map_err(Clone::clone)?;
    let chosen = case.queries(settings)?;
    let queries: Vec<_> = chosen.iter().map(|index| settings.program.queries[*index].clone()).collect();
    let results = Results {
        queries: queries.iter().map(|query| query.name.clone()).collect(),
        ordered: queries.iter().map(|query| super::compare::is_ordered(&query.root)).collect(),
        columns: queries.iter().map(|query| columns(&query.output)).collect(),
        steps: Vec::new(),
    };
    let batch_mode = queries.iter().any(|query| query.mode == OutputMode::Batch);
    if batch_mode && queries.iter().any(|query| query.mode != OutputMode::Batch) {
        return Err("a case runs batch queries or queries over streams, not both; choose with [test] queries".to_owned());
    }
    let program = Program { queries, ..settings.program.clone() };
    let engine_settings = engine_settings(settings, HASH_SEED);
    let mut running = Running {
        engine: Engine::new(&program, engine_settings.clone()).map_err(|error| error.to_string())?,
        inputs: inputs(settings, &program)?,
        settings,
        program,
        engine_settings,
        versions: tables(settings),
        tables: tables(settings),
        stored: BTreeMap::new(),
        number: 0,
        clock_us: FIRST_TIME_US - STEP_US,
        results,
    };
    for step in &case.steps {
        running.step(step, options, batch_mode)?;
    }
    if batch_mode {
        let output = running.engine.finish();
        running.collect(output)?;
    }
    Ok(running.results)
}

fn columns(fields: &[crate::types::Field]) -> String {
    fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ")
}

/// One source's decoder.
struct Input {
    decoder: Decoder,
    open: OpenTable,
    topic: String,
}

fn inputs(settings: &Settings, program: &Program) -> Result<Vec<Input>, String> {
    let input = |(index, source): (usize, &crate::config::settings::SourceSettings)| {
        let needed = program.needed_columns(index);
        let decoder = Decoder::new(&source.decode, &needed, HASH_SEED).map_err(|error| format!("source `{}`: {error}", source.name))?;
        let topic = source.decode.patterns.first().map_or(String::new(), matching_topic);
        Ok(Input { decoder: decoder.with_source_name(&source.name), open: OpenTable::new(&source.decode, &needed), topic })
    };
    settings.sources.iter().enumerate().map(input).collect()
}

/// The tables as their files have them.
fn tables(settings: &Settings) -> Vec<TableVersion> {
    let tables = settings.tables.iter().enumerate();
    tables.map(|(table, settings)| TableVersion { table, rows: settings.contents.rows.clone() }).collect()
}

/// Some topic that the pattern matches.
fn matching_topic(pattern: &TopicPattern) -> String {
    let level = |level: &PatternLevel| match level {
        PatternLevel::Text(text) => text.clone(),
        PatternLevel::Any | PatternLevel::Rest => "test".to_owned(),
        PatternLevel::Capture(number) | PatternLevel::CaptureRest(number) => format!("test{number}"),
    };
    pattern.levels.iter().map(level).collect::<Vec<_>>().join("/")
}

struct Running<'c> {
    settings: &'c Settings,
    program: Program,
    engine_settings: EngineSettings,
    engine: Engine,
    inputs: Vec<Input>,
    /// The reference tables as they are.
    versions: Vec<TableVersion>,
    /// Those of them that the engine has not seen.
    tables: Vec<TableVersion>,
    stored: BTreeMap<Vec<u8>, Vec<u8>>,
    number: u64,
    clock_us: i64,
    results: Results,
}

impl Running<'_> {
    fn step(&mut self, step: &Step, options: &RunOptions, batch_mode: bool) -> Result<(), String> {
        let named = step.inputs.keys().chain(&step.settings.idle);
        if let Some(unknown) = named.into_iter().find(|name| self.settings.sources.iter().all(|source| source.name != **name)) {
            return Err(format!("step {}: there is no source `{unknown}`", step.name));
        }
        self.change_tables(step)?;
        self.clock_us = step.settings.time_us.unwrap_or(self.clock_us + STEP_US);
        let synchronised = step.settings.synchronised.unwrap_or(step.settings.time_us.is_some());
        self.results.steps.push(StepResult { rows: vec![Vec::new(); self.results.queries.len()], ..StepResult::default() });
        let mut waiting: Vec<VecDeque<&InputMessage>> =
            self.settings.sources.iter().map(|source| step.inputs.get(&source.name).into_iter().flatten().collect()).collect();
        loop {
            let stamp = Stamp { wall_us: self.clock_us, mono_us: u64::try_from(self.clock_us).unwrap_or(0), synchronised };
            for (source, messages) in waiting.iter_mut().enumerate() {
                self.decode(source, messages, options.split_rows.unwrap_or(usize::MAX), stamp);
            }
            let idle = |source: usize| step.settings.idle.contains(&self.settings.sources[source].name);
            let inputs = self.inputs.iter_mut().enumerate();
            let inputs = inputs.map(|(source, input)| SourceInput { source, table: input.open.take(), idle: idle(source) }).collect();
            self.number += 1;
            let tables = std::mem::take(&mut self.tables);
            let output = self.engine.step(&Batch { number: self.number, stamp, set_back_us: None, inputs, tables });
            self.collect(output)?;
            if options.restart && !batch_mode {
                self.restart()?;
            }
            if waiting.iter().all(VecDeque::is_empty) {
                return Ok(());
            }
        }
    }

    /// Takes up the tables that change with the step.
    fn change_tables(&mut self, step: &Step) -> Result<(), String> {
        for (name, text) in &step.tables {
            let found = self.settings.tables.iter().position(|table| table.name == *name);
            let table = found.ok_or_else(|| format!("step {}: there is no table `{name}`", step.name))?;
            let contents = ReferenceContents::read(&self.settings.tables[table].read, text);
            let rows = contents.map_err(|error| format!("step {}: table `{name}`: {error}", step.name))?.rows;
            self.versions[table] = TableVersion { table, rows };
            self.tables.clone_from(&self.versions);
        }
        Ok(())
    }

    /// Decodes up to `count` messages, as many as the open batch takes.
    fn decode(&mut self, source: usize, messages: &mut VecDeque<&InputMessage>, count: usize, stamp: Stamp) {
        let settings = &self.settings.sources[source];
        let Input { decoder, open, topic } = &mut self.inputs[source];
        let limit = settings.max_future.filter(|_| stamp.synchronised);
        decoder.set_future_limit(limit.map(|limit| stamp.wall_us.saturating_add(i64::try_from(limit.as_micros()).unwrap_or(i64::MAX))));
        let Some(result) = self.results.steps.last_mut() else { return };
        for _ in 0..count {
            let Some(message) = messages.front() else { return };
            let arrived_us = message.arrived_us.unwrap_or(stamp.wall_us);
            let topic = message.topic.as_deref().unwrap_or(topic);
            let message = Message { topic, place: None, payload: &message.payload, arrived_us, retained: message.retained };
            match decoder.decode(&message, open) {
                Ok(decoded) => {
                    let listed = decoded.refused.len();
                    result.dead_letters.extend(decoded.refused.iter().map(|row| format!("{}: {}", settings.name, row.reason)));
                    result.dead_letters_uncounted += (decoded.refused_rows - listed) as u64;
                }
                Err(bad) if bad.is_dead_letter() || open.rows() == 0 => result.dead_letters.push(format!("{}: {bad}", settings.name)),
                // The batch is full: the next one takes it.
                Err(_) => return,
            }
            messages.pop_front();
        }
    }

    /// Adds an output to the last step's result.
    fn collect(&mut self, output: StepOutput) -> Result<(), String> {
        for (key, value) in output.state {
            match value {
                Some(value) => _ = self.stored.insert(key, value),
                None => _ = self.stored.remove(&key),
            }
        }
        let status = self.engine.status();
        let Some(step) = self.results.steps.last_mut() else { return Ok(()) };
        let mut line = Vec::new();
        for result in &output.results {
            let fields = &self.program.queries[result.query].output;
            for row in 0..result.table.rows {
                line.clear();
                encode_row(fields, &result.table, row, &mut line);
                let row = serde_json::from_slice(&line).map_err(|error| format!("a result row is no JSON: {error}"))?;
                step.rows[result.query].push(row);
            }
        }
        step.late += output.late.iter().map(|late| late.rows + late.rows_in_part).sum::<u64>();
        let queries = &self.results.queries;
        step.dead_letters
            .extend(output.rejects.iter().map(|reject| format!("{}: {}: {}", queries[reject.query], reject.reason, reject.row)));
        step.dead_letters_uncounted += output.rejects_uncounted;
        step.watermark_us = status.first().and_then(|status| status.watermark_us);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), String> {
        self.engine = Engine::new(&self.program, self.engine_settings.clone()).map_err(|error| error.to_string())?;
        let entries: Vec<(Vec<u8>, Vec<u8>)> = self.stored.clone().into_iter().collect();
        let forgotten = self.engine.restore(&entries).map_err(|error| error.to_string())?;
        if !forgotten.is_empty() {
            return Err(format!("after a restart state is left over of {}", forgotten.join(", ")));
        }
        self.inputs = inputs(self.settings, &self.program)?;
        self.tables.clone_from(&self.versions);
        Ok(())
    }
}
