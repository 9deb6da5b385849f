//! One query: rows run through its stages, the watermark moves, and what is held comes out.
//!
//! A step is Spark's data batch and the batch without data after it in one: rows late for the old watermark are dropped, the rest is
//! aggregated, the watermark moves, closed groups come out, and rise through the operators above.

use crate::batch::{Batch, Column, ColumnBuilder, Values};
use crate::engine::EngineSettings;
use crate::engine::checkpoint::{Entry, Unfit, VERSION, open};
use crate::engine::chunk::{Chunk, SharedColumn, without};
use crate::engine::compile::{Compiled, Leaf, Stage, compile};
use crate::engine::error::EngineError;
use crate::engine::expr::{Context, EvalError, RowError, Selection};
use crate::engine::output::{Complaints, QueryResult, QueryStatus};
use crate::engine::render::{render_row, shorten};
use crate::engine::state_codec::{put_signed, put_varint};
use crate::plan::{Expr, OutputMode, Program, Query as PlannedQuery, Span};
use crate::types::Field;

/// Bytes of the query's text that an error quotes.
const PIECE_BYTES_MAX: usize = 120;

/// A query and its state.
pub(super) struct Query {
    pub name: String,
    text: String,
    mode: OutputMode,
    compiled: Compiled,
    context: Context,
    /// The watermark as last handed out to be stored, ms.
    stored_watermark_ms: i64,
    finished: bool,
}

impl Query {
    pub fn new(program: &Program, query: &PlannedQuery, settings: &EngineSettings) -> Result<Query, EngineError> {
        Ok(Query {
            name: query.name.clone(),
            text: query.text.clone(),
            mode: query.mode,
            compiled: compile(program, query, settings)?,
            context: Context::default(),
            stored_watermark_ms: 0,
            finished: false,
        })
    }

    pub fn step(&mut self, batch: &Batch, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        let Leaf::Scan { source, columns } = &self.compiled.leaf else { return };
        let Some(input) = batch.inputs.iter().find(|input| input.source == *source) else { return };
        let before = self.watermark_us();
        if input.table.rows > 0 {
            let chunk = Chunk::of_table(&input.table, columns).expect("the decoder fills every column that a query reads");
            self.flow(0, chunk, before, complaints, results);
        } else if input.idle {
            self.follow_clock(batch);
        }
        if let Some(watermark) = &mut self.compiled.watermark {
            watermark.advance();
        }
        self.release(before, false, complaints, results);
    }

    /// The input of a batch query is over: everything held comes out. Once.
    pub fn finish(&mut self, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        if self.mode != OutputMode::Batch || std::mem::replace(&mut self.finished, true) {
            return;
        }
        if let Leaf::Values { rows, schema } = &self.compiled.leaf {
            let chunk = literal_rows(rows, schema, &self.context, complaints, &self.text);
            self.flow(0, chunk, 0, complaints, results);
        }
        self.release(0, true, complaints, results);
    }

    /// Whether more rows could change what comes out: there is a source, and no LIMIT has let all its rows pass.
    pub fn wants_input(&self) -> bool {
        let full = |stage: &Stage| matches!(stage, Stage::Limit(limit) if limit.is_full());
        matches!(self.compiled.leaf, Leaf::Scan { .. }) && !self.compiled.stages.iter().any(full)
    }

    fn watermark_us(&self) -> i64 {
        self.compiled.watermark.as_ref().map_or(0, |watermark| watermark.current_us())
    }

    /// While the source is silent the clock may close what is open; it moves the watermark only to do so.
    fn follow_clock(&mut self, batch: &Batch) {
        let closes = self.next_close();
        let Some(watermark) = &mut self.compiled.watermark else { return };
        if let (Some(close), Some(clock_ms)) = (closes, watermark.by_clock(batch.stamp.wall_us, batch.stamp.synchronised))
            && clock_ms.saturating_mul(1000) >= close
        {
            watermark.raise(clock_ms);
        }
    }

    /// When the first open group of an append query closes, event time µs.
    fn next_close(&self) -> Option<i64> {
        if self.mode != OutputMode::Append {
            return None;
        }
        let watermark = self.watermark_us();
        let close = |stage: &Stage| match stage {
            Stage::Aggregate(aggregate) => aggregate.next_close(watermark),
            _ => None,
        };
        self.compiled.stages.iter().filter_map(close).min()
    }

    /// When, by the wall clock, an idle source's next group closes, µs. `idle_at_us`: since or from when each source is idle.
    pub fn next_deadline(&self, idle_at_us: &[Option<i64>], synchronised: bool) -> Option<i64> {
        let Leaf::Scan { source, .. } = &self.compiled.leaf else { return None };
        let idle_at = (*idle_at_us.get(*source)?)?;
        let reached = self.compiled.watermark.as_ref()?.clock_reaches(self.next_close()?, synchronised)?;
        Some(reached.max(idle_at))
    }

    /// Sends a chunk upwards from stage `from` until it is held or leaves the query.
    fn flow(
        &mut self,
        from: usize,
        mut chunk: Chunk<'_>,
        watermark_us: i64,
        complaints: &mut Complaints<'_>,
        results: &mut Vec<QueryResult>,
    ) {
        let Query { compiled, context, text, .. } = self;
        for (stage, fields) in compiled.stages.iter_mut().zip(&compiled.fields).skip(from) {
            match stage {
                Stage::Filter(predicate) => {
                    let filtered = chunk.filter(predicate, context);
                    reject(&filtered.errors, fields, &chunk, text, complaints);
                    chunk.selection = filtered.selection;
                }
                Stage::Project(columns) => {
                    let (projected, errors) = project(columns.iter().map(|named| &named.expr), &chunk, context);
                    reject(&errors, fields, &chunk, text, complaints);
                    chunk = projected;
                }
                Stage::Watermark { column } => {
                    if let Some(watermark) = &mut compiled.watermark {
                        watermark.observe(event_times(&chunk, *column));
                    }
                }
                Stage::Limit(limit) => limit.apply(&mut chunk),
                Stage::Aggregate(aggregate) => {
                    return aggregate.absorb(&chunk, fields, watermark_us, context, complaints, &|error| explain(error, text));
                }
                Stage::Sort(sort) => return sort.absorb(&chunk, complaints),
            }
        }
        if !chunk.selection.is_empty() {
            results.push(QueryResult { query: complaints.query, table: chunk.into_table() });
        }
    }

    /// Lets out what the holding stages have to give, bottom up.
    fn release(&mut self, before: i64, ended: bool, complaints: &mut Complaints<'_>, results: &mut Vec<QueryResult>) {
        let after = self.watermark_us();
        for index in 0..self.compiled.stages.len() {
            let Query { compiled, context, text, mode, .. } = self;
            let chunks = match &mut compiled.stages[index] {
                Stage::Aggregate(aggregate) => aggregate.emit(before, after, ended, complaints),
                Stage::Sort(sort) if ended || *mode == OutputMode::Complete => {
                    sort.emit(context, complaints, |error| explain(error, text)).into_iter().collect()
                }
                _ => continue,
            };
            for chunk in chunks {
                self.flow(index + 1, chunk, before, complaints, results);
            }
        }
    }

    /// Appends the state that changed in the step.
    pub fn put_changes(&mut self, out: &mut Vec<Entry>) {
        if self.mode == OutputMode::Batch {
            return;
        }
        let mut number = 0;
        let mut aggregates = false;
        for stage in &mut self.compiled.stages {
            let prefix = format!("s/{}/{number}/", self.name);
            match stage {
                Stage::Aggregate(aggregate) => {
                    aggregate.put_changes(&prefix, out);
                    aggregates = true;
                }
                Stage::Limit(limit) => {
                    if let Some(passed) = limit.end_step() {
                        let mut value = vec![VERSION];
                        put_varint(&mut value, passed);
                        out.push((format!("{prefix}count").into_bytes(), Some(value)));
                    }
                }
                _ => continue,
            }
            number += 1;
        }
        if let Some(watermark) = &self.compiled.watermark
            && aggregates
            && watermark.current_ms() != self.stored_watermark_ms
        {
            self.stored_watermark_ms = watermark.current_ms();
            let mut value = vec![VERSION];
            put_signed(&mut value, self.stored_watermark_ms);
            out.push((format!("s/{}/watermark", self.name).into_bytes(), Some(value)));
        }
    }

    /// Takes up stored entries, by what follows `s/<query>/`.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])]) -> Result<(), (&'e str, Unfit)> {
        if let Some((name, value)) = entries.iter().find(|(name, _)| *name == "watermark") {
            let stored = open(value).and_then(|mut reader| Ok(reader.signed()?)).map_err(|unfit| (*name, unfit))?;
            if let Some(watermark) = &mut self.compiled.watermark {
                watermark.restore(stored);
                self.stored_watermark_ms = stored;
            }
        }
        let watermark_us = self.watermark_us();
        let mut number = 0;
        for stage in &mut self.compiled.stages {
            let prefix = format!("{number}/");
            let of_stage = || entries.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, *value)));
            match stage {
                Stage::Aggregate(aggregate) => aggregate.restore(&of_stage().collect::<Vec<_>>(), watermark_us)?,
                Stage::Limit(limit) => {
                    if let Some((name, value)) = of_stage().find(|(name, _)| *name == "count") {
                        limit.restore(open(value).and_then(|mut reader| Ok(reader.varint()?)).map_err(|unfit| (name, unfit))?);
                    } else if let Some((name, _)) = of_stage().next() {
                        return Err((name, Unfit::Changed("another operator stood where its LIMIT is".to_owned())));
                    }
                }
                _ => continue,
            }
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
        let mut status = QueryStatus {
            watermark_us: self.compiled.watermark.as_ref().map(|watermark| watermark.current_us()),
            ..QueryStatus::default()
        };
        for stage in &self.compiled.stages {
            if let Stage::Aggregate(aggregate) = stage {
                status.keys += aggregate.keys.len();
                status.panes += aggregate.panes.len();
                status.cells += aggregate.cells;
                status.bytes += aggregate.bytes();
            }
        }
        status
    }
}

/// The columns' values, and the rows that failed. Plain columns are shared.
fn project<'a, 'e>(exprs: impl Iterator<Item = &'e Expr>, chunk: &Chunk<'a>, context: &Context) -> (Chunk<'a>, Vec<RowError>) {
    let mut errors: Vec<RowError> = Vec::new();
    let mut columns = Vec::new();
    for expr in exprs {
        if let Some(shared) = chunk.shared(expr) {
            columns.push(shared);
            continue;
        }
        let evaluated = chunk.evaluate(expr, &chunk.selection, context);
        columns.push(SharedColumn::made(evaluated.column.into_owned()));
        errors.extend(evaluated.errors);
    }
    errors.sort_by_key(|error| error.row);
    errors.dedup_by_key(|error| error.row);
    let failed: Vec<u32> = errors.iter().map(|error| error.row).collect();
    (Chunk { columns, count: chunk.count, selection: without(&chunk.selection, &failed) }, errors)
}

fn reject(errors: &[RowError], fields: &[Field], chunk: &Chunk<'_>, text: &str, complaints: &mut Complaints<'_>) {
    for error in errors {
        complaints.reject(|| explain(&error.error, text), || render_row(fields, chunk, error.row));
    }
}

/// The error with the piece of the query that it came from.
fn explain(error: &EvalError, text: &str) -> String {
    let Span { start, end } = error.span;
    match text.get(start as usize..end as usize) {
        Some(piece) if !piece.is_empty() => {
            let shown = shorten(piece, PIECE_BYTES_MAX);
            let dots = if shown.len() < piece.len() { "…" } else { "" };
            format!("{error} (in {shown}{dots})")
        }
        _ => error.to_string(),
    }
}

fn event_times<'c>(chunk: &'c Chunk<'_>, column: usize) -> impl Iterator<Item = i64> + 'c {
    let column = chunk.columns.get(column).map(SharedColumn::get);
    let times: &[i64] = match column.map(|column| &column.values) {
        Some(Values::Timestamp(times)) => times,
        _ => &[],
    };
    chunk
        .selection
        .iter()
        .filter(move |row| column.is_some_and(|column| !column.is_null(*row as usize)))
        .filter_map(|row| times.get(row as usize).copied())
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
