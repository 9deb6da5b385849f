//! One query: rows run through its tree of operators, the watermark moves, and what is held comes out.
//!
//! A step is Spark's data batch and the batch without data after it in one: rows late for the old watermark are dropped, the rest is
//! aggregated, the watermark moves, closed groups come out, and rise through the operators above.
//!
//! Invariant: nodes stand in post-order, so whoever releases in that order finds its inputs released.

use crate::batch::{Batch, Column, ColumnBuilder, Stamp};
use crate::engine::EngineSettings;
use crate::engine::checkpoint::{Entry, Unfit, VERSION, open};
use crate::engine::chunk::Chunk;
use crate::engine::common::Common;
use crate::engine::compile::{Compiled, Leaf, Node, Port, Rows, compile};
use crate::engine::error::EngineError;
use crate::engine::expr::{Context, Scripts, Selection};
use crate::engine::identity::{self, Identity};
use crate::engine::output::{Complaints, QueryResult, QueryStatus};
use crate::engine::set_back::{CLOSE_ALL_US, SetBack};
use crate::engine::stage::{Env, Flow, Stage, explain};
use crate::engine::tables::Tables;
use crate::engine::watermarks;
use crate::plan::{Expr, OutputMode, Program, Query as PlannedQuery};
use crate::sabotage::{Fault, planted};
use crate::types::Field;

/// A query and its state.
pub(super) struct Query {
    pub name: String,
    text: String,
    mode: OutputMode,
    compiled: Compiled,
    context: Context,
    finished: bool,
    /// `None` where its state does not move.
    identity: Option<Identity>,
}

/// What is the same for all chunks of a step.
#[derive(Clone, Copy)]
struct Moment<'b> {
    /// The query's watermark, µs: before the step, and at its end (the same until then).
    before_us: i64,
    after_us: i64,
    ended: bool,
    stamp: Stamp,
    common: &'b Common<'b>,
}

impl Query {
    pub fn new(program: &Program, query: &PlannedQuery, settings: &EngineSettings) -> Result<Query, EngineError> {
        Ok(Query {
            name: query.name.clone(),
            text: query.text.clone(),
            mode: query.mode,
            compiled: compile(program, query, &settings.of_query(&query.name))?,
            context: Context::with_scripts(Scripts::new(&program.functions, &settings.script_watch).map_err(EngineError::Function)?),
            finished: false,
            identity: identity::moves(query).then(|| Identity::of(program, query, settings)),
        })
    }

    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Goes on where the same query of another engine is; see [`super::identity`].
    pub fn take_over(&mut self, old: Query) {
        assert!(self.identity.is_some() && self.identity == old.identity, "state moves to the same query");
        self.compiled.watermarks.take_over(&old.compiled.watermarks);
        for (node, old) in self.compiled.nodes.iter_mut().zip(old.compiled.nodes) {
            node.stage.take_over(old.stage);
        }
    }

    pub fn step<'b>(
        &mut self,
        batch: &'b Batch,
        tables: &Tables,
        common: &'b Common<'b>,
        complaints: &mut Complaints<'_>,
        results: &mut Vec<QueryResult>,
    ) {
        let before_us = self.compiled.watermarks.current_us();
        let moment = Moment { before_us, after_us: before_us, ended: false, stamp: batch.stamp, common };
        self.refresh(tables, moment, complaints);
        let mut concerned = false;
        for index in 0..self.compiled.leaves.len() {
            let Leaf { rows: Rows::Scan { source, columns }, to } = &self.compiled.leaves[index] else { continue };
            let Some(input) = batch.inputs.iter().find(|input| input.source == *source) else { continue };
            concerned = true;
            if input.table.rows > 0 {
                let chunk = Chunk::of_table(&input.table, columns).expect("the decoder fills every column that a query reads");
                self.flow(*to, chunk, moment, complaints, results);
            }
        }
        if concerned {
            self.compiled.watermarks.advance(batch);
            self.follow_clock(batch);
            let mut after_us = self.compiled.watermarks.current_us();
            self.release(Moment { after_us, ..moment }, complaints, results);
            // What comes out may be held further up, and its time have come too.
            for _ in 0..self.compiled.nodes.len() {
                if !self.follow_clock(batch) {
                    break;
                }
                let before_us = std::mem::replace(&mut after_us, self.compiled.watermarks.current_us());
                self.release(Moment { before_us, after_us, ..moment }, complaints, results);
            }
        }
        if let Some(to_us) = batch.set_back_us {
            self.set_back(batch.stamp, to_us, complaints, results);
        }
    }

    /// The clock was set back, see [`super::set_back`].
    fn set_back(&mut self, stamp: Stamp, to_us: i64, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        let concerned = self.compiled.watermarks.go_by_arrival();
        if concerned {
            let (before_us, open) = (self.compiled.watermarks.current_us(), self.status().cells);
            let nothing = Common::default();
            let moment = Moment { before_us, after_us: CLOSE_ALL_US, ended: false, stamp, common: &nothing };
            for node in 0..self.compiled.nodes.len() {
                let (stage, to, mut env) = self.at(node, moment, complaints);
                for chunk in stage.close_all(&mut env) {
                    self.flow(to, chunk, moment, complaints, results);
                }
            }
            complaints.output.closed_by_set_back += open.saturating_sub(self.status().cells) as u64;
            self.compiled.watermarks.set_back(to_us);
        }
        for node in &mut self.compiled.nodes {
            let by_arrival = node.by_arrival;
            node.stage.set_back(&SetBack { from_us: stamp.wall_us, to_us, concerned, by_arrival });
        }
    }

    /// The input of a batch query is over: everything held comes out. Once.
    pub fn finish(&mut self, tables: &Tables, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        if self.mode != OutputMode::Batch || std::mem::replace(&mut self.finished, true) {
            return;
        }
        let nothing = Common::default();
        let moment = Moment { before_us: 0, after_us: 0, ended: true, stamp: Stamp::default(), common: &nothing };
        self.refresh(tables, moment, complaints);
        for index in 0..self.compiled.leaves.len() {
            let Leaf { rows, to } = &self.compiled.leaves[index];
            let chunk = match rows {
                Rows::Literal { rows, schema } => literal_rows(rows, schema, &self.context, complaints, &self.text),
                Rows::Reference { table, columns } => match tables.rows(*table) {
                    Some(rows) => Chunk::of_table(rows, columns).expect("a reference table has all its columns"),
                    None => continue,
                },
                Rows::Scan { .. } => continue,
            };
            self.flow(*to, chunk, moment, complaints, results);
        }
        self.release(moment, complaints, results);
    }

    fn refresh(&mut self, tables: &Tables, moment: Moment<'_>, complaints: &mut Complaints<'_>) {
        for node in 0..self.compiled.nodes.len() {
            let (stage, _, mut env) = self.at(node, moment, complaints);
            stage.refresh(tables, &mut env);
        }
    }

    /// Whether more rows could change what comes out: there is a source whose rows no LIMIT keeps back.
    pub fn wants_input(&self) -> bool {
        let open = |leaf: &Leaf| {
            let path = std::iter::successors(leaf.to, |port| self.compiled.nodes[port.node].to);
            matches!(leaf.rows, Rows::Scan { .. }) && !path.into_iter().any(|port| self.compiled.nodes[port.node].stage.is_full())
        };
        self.compiled.leaves.iter().any(open)
    }

    /// When the first open group of an append query closes, or a timeout passes, event time µs.
    fn next_close(&self) -> Option<i64> {
        let watermark = self.compiled.watermarks.current_us();
        let close = |node: &Node| Some(node.stage.next_close(watermark.saturating_sub(node.lag_us))?.saturating_add(node.lag_us));
        self.closing_nodes().filter_map(close).min()
    }

    /// The operators from which the clock lets something out.
    fn closing_nodes(&self) -> impl Iterator<Item = &Node> {
        self.compiled.nodes.iter().filter(|node| self.mode == OutputMode::Append || node.stage.closes_in_every_mode())
    }

    /// While all sources are idle, the clock may carry the watermark to what is open. Whether it did.
    fn follow_clock(&mut self, batch: &Batch) -> bool {
        let Some(first) = self.next_close() else { return false };
        let last = self.closing_nodes().filter_map(|node| Some(node.stage.last_close()?.saturating_add(node.lag_us))).max();
        self.compiled.watermarks.follow_clock(batch, (first, last.unwrap_or(first)))
    }

    /// When, by the wall clock, what is open closes while the sources are idle, µs. `idle_at_us`: since or from when each source is idle.
    pub fn next_deadline(&self, idle_at_us: &[Option<i64>], synchronised: bool) -> Option<i64> {
        let event = self.next_close().and_then(|close| self.compiled.watermarks.clock_reaches(close, idle_at_us, synchronised));
        self.compiled.nodes.iter().filter_map(|node| node.stage.next_wall()).chain(event).min()
    }

    /// Sends a chunk into a port and on upwards until it is held or leaves the query.
    fn flow<'a>(
        &mut self,
        to: Option<Port>,
        chunk: Chunk<'a>,
        moment: Moment<'_>,
        complaints: &mut Complaints<'_>,
        results: &mut Vec<QueryResult>,
    ) {
        let (mut next, mut waiting) = (Some((to, chunk)), Vec::new());
        while let Some((to, chunk)) = next.take().or_else(|| waiting.pop()) {
            let Some(Port { node, port }) = to else {
                if !chunk.selection.is_empty() {
                    results.push(QueryResult { query: complaints.query, table: chunk.into_table() });
                }
                continue;
            };
            let (stage, to, mut env) = self.at(node, moment, complaints);
            match stage.push(port, chunk, &mut env) {
                Flow::One(chunk) => next = Some((to, chunk)),
                Flow::Several(chunks) => waiting.extend(chunks.into_iter().rev().map(|chunk| (to, chunk))),
                Flow::Held => {}
            }
        }
    }

    /// Lets out what the operators hold, bottom up.
    fn release(&mut self, moment: Moment<'_>, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        for node in 0..self.compiled.nodes.len() {
            loop {
                let (stage, to, mut env) = self.at(node, moment, complaints);
                let chunks = stage.release(&mut env);
                let more = stage.has_more(moment.ended);
                for chunk in chunks {
                    self.flow(to, chunk, moment, complaints, results);
                }
                if !more {
                    break;
                }
            }
        }
    }

    /// An operator, where its rows go, and its surroundings.
    fn at<'e, 'o>(
        &'e mut self,
        node: usize,
        moment: Moment<'e>,
        complaints: &'e mut Complaints<'o>,
    ) -> (&'e mut Stage, Option<Port>, Env<'e, 'o>) {
        let eager = planted(Fault::EagerWatermark).then(|| self.compiled.watermarks.current_us());
        let node = &mut self.compiled.nodes[node];
        let env = Env {
            fields: &node.fields,
            before_us: eager.unwrap_or(moment.before_us).saturating_sub(node.lag_us),
            after_us: moment.after_us.saturating_sub(node.lag_us),
            ended: moment.ended,
            stamp: moment.stamp,
            common: moment.common,
            mode: self.mode,
            context: &self.context,
            text: &self.text,
            watermarks: &mut self.compiled.watermarks,
            complaints,
        };
        (&mut node.stage, node.to, env)
    }

    /// Appends the state that changed in the step.
    pub fn put_changes(&mut self, out: &mut Vec<Entry>) {
        if self.mode == OutputMode::Batch {
            return;
        }
        let stateful = self.compiled.nodes.iter_mut().filter(|node| node.stage.is_stateful());
        for (number, node) in stateful.enumerate() {
            node.stage.put_changes(&format!("s/{}/{number}/", self.name), out);
        }
        if self.compiled.nodes.iter().any(|node| node.stage.needs_watermark())
            && let Some(changed) = self.compiled.watermarks.take_changed()
        {
            let mut value = vec![VERSION];
            watermarks::put(&mut value, &changed);
            out.push((format!("s/{}/watermark", self.name).into_bytes(), Some(value)));
        }
    }

    /// Takes up stored entries, by what follows `s/<query>/`.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<(), (&'e str, Unfit)> {
        let watermarks = &mut self.compiled.watermarks;
        if let Some((name, value)) = entries.iter().find(|(name, _)| *name == "watermark")
            && !watermarks.is_empty()
        {
            open(value).and_then(|mut reader| Ok(watermarks.restore(&mut reader)?)).map_err(|unfit| (*name, unfit))?;
        }
        let watermark_us = watermarks.current_us();
        let mut number = 0;
        for node in self.compiled.nodes.iter_mut().filter(|node| node.stage.is_stateful()) {
            let prefix = format!("{number}/");
            let own: Vec<_> = entries.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, *value))).collect();
            node.stage.restore(&own, watermark_us.saturating_sub(node.lag_us))?;
            number += 1;
        }
        let beyond =
            |name: &str| name != "watermark" && name.split('/').next().and_then(|n| n.parse::<usize>().ok()).is_none_or(|n| n >= number);
        match entries.iter().find(|(name, _)| beyond(name)) {
            Some((name, _)) => Err((name, Unfit::Changed("it had more operators with state".to_owned()))),
            None => Ok(()),
        }
    }

    pub fn status(&self) -> QueryStatus {
        let watermarks = &self.compiled.watermarks;
        let watermark_us = (!watermarks.is_empty()).then(|| watermarks.current_us());
        let mut status = QueryStatus { watermark_us, ..QueryStatus::default() };
        self.compiled.nodes.iter().for_each(|node| node.stage.add_status(&mut status));
        status
    }
}

/// A literal table's rows; those that fail are rejected.
fn literal_rows(rows: &[Vec<Expr>], schema: &[Field], context: &Context, complaints: &mut Complaints<'_>, text: &str) -> Chunk<'static> {
    let mut builders: Vec<ColumnBuilder> = schema.iter().map(|field| ColumnBuilder::new(&field.data_type, rows.len())).collect();
    let nothing = Chunk::made(Vec::new(), 1);
    let mut count = 0;
    for row in rows {
        let values: Vec<_> = row.iter().map(|expr| nothing.evaluate(expr, &Selection::All(1), context)).collect();
        if let Some(error) = values.iter().flat_map(|value| &value.errors).next() {
            complaints.reject(|| explain(&error.error, text), || "{}".to_owned());
            continue;
        }
        builders.iter_mut().zip(&values).for_each(|(builder, value)| builder.push_from(&value.column, 0));
        count += 1;
    }
    let columns: Vec<Column> = builders.into_iter().map(ColumnBuilder::finish).collect();
    Chunk::made(columns, count)
}
