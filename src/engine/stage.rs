//! The operators of a query, and what each does with a chunk, at the end of a step, and with its state.
//!
//! To add an operator, give it a variant of [`Stage`] and an arm in each function here that matches on all of them:
//! - a *streaming* one answers [`Stage::push`] with rows for its parent;
//! - a *holding* one answers `Flow::Held` and gives its rows in [`Stage::release`], called bottom up when the step's input is through and
//!   the watermark has moved (inputs have let out what they hold by then);
//! - a *stateful* one of either kind says so in [`Stage::is_stateful`], hands out changed entries in [`Stage::put_changes`] and takes them up
//!   in [`Stage::restore`], both below its own prefix `s/<query>/<n>/`; what its state closes by the clock it tells in [`Stage::next_close`].

use crate::batch::{Column, Stamp, Values};
use crate::engine::aggregate::Aggregate;
use crate::engine::checkpoint::{Entry, Unfit, VERSION, open};
use crate::engine::chunk::{Chunk, SharedColumn, without};
use crate::engine::common::Common;
use crate::engine::dedup::Deduplicate;
use crate::engine::expand::expand;
use crate::engine::expr::{Context, EvalError, RowError, Selection, first_of_each_row};
use crate::engine::generate::Generate;
use crate::engine::join::{Lookup, StreamJoin, Whole};
use crate::engine::limit::Limit;
use crate::engine::output::{Complaints, QueryStatus};
use crate::engine::over::Over;
use crate::engine::over_stream::OverStream;
use crate::engine::render::{render_row, shorten};
use crate::engine::row_windows::RowWindows;
use crate::engine::sort::Sort;
use crate::engine::state_codec::put_varint;
use crate::engine::state_function::StateFunction;
use crate::engine::state_limits::OperatorStatus;
use crate::engine::tables::Tables;
use crate::engine::watermarks::Watermarks;
use crate::plan::{Expr, NamedExpr, OutputMode, Span};
use crate::types::Field;

/// Bytes of the query's text that an error quotes.
const PIECE_BYTES_MAX: usize = 120;

/// One operator. Its inputs are its ports, from 0 on.
pub(super) enum Stage {
    Filter(Expr),
    Project(Vec<NamedExpr>),
    /// Event time of the query's watermark stream `index`.
    Watermark {
        column: usize,
        index: usize,
    },
    /// The rows of all ports, as they come.
    Union,
    Generate(Generate),
    /// Projections, each of which makes a row of each.
    Expand(Vec<Vec<Expr>>),
    Over(Box<Over>),
    Limit(Limit),
    Aggregate(Box<Aggregate>),
    RowWindows(Box<RowWindows>),
    Sort(Sort),
    /// A stream with a side that does not stream.
    Lookup(Box<Lookup>),
    /// Two sides of a batch query.
    Whole(Box<Whole>),
    StateFunction(Box<StateFunction>),
    OverStream(Box<OverStream>),
    /// Two streams.
    Join(Box<StreamJoin>),
    Deduplicate(Box<Deduplicate>),
}

/// What becomes of a chunk that went into an operator.
pub(super) enum Flow<'a> {
    /// These rows go to the parent, none of them too: an aggregate above counts a batch as input even where a filter left nothing.
    One(Chunk<'a>),
    /// Several chunks for the parent, in this order.
    Several(Vec<Chunk<'a>>),
    /// Kept until [`Stage::release`].
    Held,
}

/// What an operator may look at and speak to while it works.
pub(super) struct Env<'e, 'o> {
    /// The columns of each port.
    pub fields: &'e [Vec<Field>],
    /// The watermark as this operator sees it, µs: before the step, and in [`Stage::release`] after it.
    pub before_us: i64,
    pub after_us: i64,
    /// The input of a batch query is over.
    pub ended: bool,
    /// When the step happens.
    pub stamp: Stamp,
    pub common: &'e Common<'e>,
    pub mode: OutputMode,
    pub context: &'e Context,
    /// The query's, for errors.
    pub text: &'e str,
    pub watermarks: &'e mut Watermarks,
    pub complaints: &'e mut Complaints<'o>,
}

impl Env<'_, '_> {
    /// Rejects the rows that failed, as they came in at `port`.
    pub fn reject(&mut self, errors: &[RowError], port: usize, chunk: &Chunk<'_>) {
        for error in errors {
            self.complaints.reject(|| explain(&error.error, self.text), || render_row(&self.fields[port], chunk, error.row));
        }
    }

    /// Rejects one row, as it came in at `port`.
    pub fn reject_row(&mut self, port: usize, chunk: &Chunk<'_>, row: u32, reason: impl FnOnce() -> String) {
        self.complaints.reject(reason, || render_row(&self.fields[port], chunk, row));
    }
}

impl Stage {
    /// Rows come in at `port`.
    pub fn push<'a>(&mut self, port: usize, mut chunk: Chunk<'a>, env: &mut Env<'_, '_>) -> Flow<'a> {
        match self {
            Stage::Filter(predicate) => {
                let filtered = chunk.filter(predicate, env.context);
                env.reject(&filtered.errors, port, &chunk);
                chunk.selection = filtered.selection;
            }
            Stage::Project(columns) => {
                let (projected, errors) = project(columns.iter().map(|named| &named.expr), &chunk, env.context);
                env.reject(&errors, port, &chunk);
                chunk = projected;
            }
            Stage::Watermark { column, index } => env.watermarks.observe(*index, latest_time(&chunk, *column, env.common).into_iter()),
            Stage::Union => {}
            Stage::Generate(generate) => return generate.push(chunk, env),
            Stage::Expand(projections) => return expand(projections, &chunk, env),
            Stage::Over(over) => {
                over.absorb(&chunk, env);
                return Flow::Held;
            }
            Stage::Limit(limit) => limit.apply(&mut chunk),
            Stage::Aggregate(aggregate) => {
                aggregate.absorb(port, &chunk, env);
                return Flow::Held;
            }
            Stage::RowWindows(windows) => {
                windows.absorb(port, &chunk, env);
                return Flow::Held;
            }
            Stage::Sort(sort) => {
                sort.absorb(&chunk, env.complaints);
                return Flow::Held;
            }
            Stage::Lookup(lookup) => return lookup.push(chunk, env),
            Stage::Join(join) => return join.push(port, &chunk, env),
            Stage::Deduplicate(dedup) => chunk = dedup.push(chunk, env),
            Stage::Whole(whole) => {
                whole.absorb(port, chunk, env);
                return Flow::Held;
            }
            Stage::StateFunction(function) => return Flow::One(function.push(&chunk, env)),
            Stage::OverStream(over) => chunk = over.push(chunk, env),
        }
        Flow::One(chunk)
    }

    /// What is held and has come due.
    pub fn release(&mut self, env: &mut Env<'_, '_>) -> Vec<Chunk<'static>> {
        match self {
            Stage::Over(over) if env.ended => over.emit(env).into_iter().collect(),
            Stage::Aggregate(aggregate) => aggregate.emit((env.before_us, env.after_us), env.ended, env.stamp.wall_us, env.complaints),
            Stage::RowWindows(windows) => windows.emit(env.after_us, env.ended, env.complaints),
            Stage::Sort(sort) if env.ended || env.mode == OutputMode::Complete => {
                let text = env.text;
                sort.emit(env.context, env.complaints, |error| explain(error, text)).into_iter().collect()
            }
            Stage::Whole(whole) if env.ended => whole.release(env).into_iter().collect(),
            Stage::StateFunction(function) => function.release(env).into_iter().collect(),
            Stage::Join(join) => join.release(env),
            Stage::Deduplicate(dedup) => {
                dedup.release(env.after_us);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Whether [`Stage::release`] is to be called again for more.
    pub fn has_more(&self, ended: bool) -> bool {
        ended
            && match self {
                Stage::Whole(whole) => whole.has_more(),
                Stage::StateFunction(function) => function.has_more(),
                _ => false,
            }
    }

    /// The reference tables may have changed.
    pub fn refresh(&mut self, tables: &Tables, env: &mut Env<'_, '_>) {
        if let Stage::Lookup(lookup) = self {
            lookup.refresh(tables, env);
        }
    }

    /// Whether it has entries of its own in the store, and so a number.
    pub fn is_stateful(&self) -> bool {
        use Stage::{Aggregate, Deduplicate, Join, Limit, OverStream, RowWindows, StateFunction};
        matches!(self, Aggregate(_) | Limit(_) | RowWindows(_) | Join(_) | StateFunction(_) | OverStream(_) | Deduplicate(_))
    }

    /// Whether what it does depends on the watermark, so that this must be stored.
    pub fn needs_watermark(&self) -> bool {
        match self {
            Stage::Aggregate(_) | Stage::RowWindows(_) | Stage::Join(_) | Stage::Deduplicate(_) => true,
            Stage::StateFunction(function) => function.needs_watermark(),
            _ => false,
        }
    }

    /// How much further than its input's the watermark of what comes out is behind, µs.
    pub fn delay_us(&self) -> i64 {
        match self {
            Stage::Join(join) => join.delay_us(),
            _ => 0,
        }
    }

    /// Whether it lets nothing pass any more, whatever comes.
    pub fn is_full(&self) -> bool {
        matches!(self, Stage::Limit(limit) if limit.is_full())
    }

    /// When, in event time µs, something that it holds comes out next; `watermark_us` as it sees it.
    pub fn next_close(&self, watermark_us: i64) -> Option<i64> {
        match self {
            Stage::Aggregate(aggregate) => aggregate.next_close(watermark_us),
            Stage::RowWindows(windows) => windows.next_close(),
            Stage::StateFunction(function) => function.next_close(),
            Stage::Join(join) => join.next_close(),
            _ => None,
        }
    }

    /// When the last of what it holds now comes out.
    pub fn last_close(&self) -> Option<i64> {
        match self {
            Stage::Aggregate(aggregate) => aggregate.last_close(),
            Stage::RowWindows(windows) => windows.last_close(),
            Stage::StateFunction(function) => function.last_close(),
            Stage::Join(join) => join.last_close(),
            _ => None,
        }
    }

    /// Whether the clock closes what it holds in every output mode, not in append mode only.
    pub fn closes_in_every_mode(&self) -> bool {
        matches!(self, Stage::StateFunction(_))
    }

    /// When, by the wall clock µs, it wants a step, whether rows come or not.
    pub fn next_wall(&self) -> Option<i64> {
        match self {
            Stage::Aggregate(aggregate) => aggregate.next_wall(),
            Stage::StateFunction(function) => function.next_wall(),
            _ => None,
        }
    }

    /// Appends the entries that changed in the step. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        match self {
            Stage::Aggregate(aggregate) => aggregate.put_changes(prefix, out),
            Stage::RowWindows(windows) => windows.put_changes(prefix, out),
            Stage::StateFunction(function) => function.put_changes(prefix, out),
            Stage::OverStream(over) => over.put_changes(prefix, out),
            Stage::Join(join) => join.put_changes(prefix, out),
            Stage::Deduplicate(dedup) => dedup.put_changes(prefix, out),
            Stage::Limit(limit) => {
                if let Some(passed) = limit.end_step() {
                    let mut value = vec![VERSION];
                    put_varint(&mut value, passed);
                    out.push((format!("{prefix}count").into_bytes(), Some(value)));
                }
            }
            _ => {}
        }
    }

    /// Takes up its entries, by what follows the prefix. `watermark_us`: as stored, as the operator sees it.
    pub fn restore<'e>(&mut self, entries: &[(&'e str, &'e [u8])], watermark_us: i64) -> Result<(), (&'e str, Unfit)> {
        match self {
            Stage::Aggregate(aggregate) => aggregate.restore(entries, watermark_us),
            Stage::RowWindows(windows) => windows.restore(entries, watermark_us),
            Stage::StateFunction(function) => function.restore(entries),
            Stage::OverStream(over) => over.restore(entries),
            Stage::Join(join) => join.restore(entries, watermark_us),
            Stage::Deduplicate(dedup) => dedup.restore(entries, watermark_us),
            Stage::Limit(limit) => {
                if let Some((name, value)) = entries.iter().find(|(name, _)| *name == "count") {
                    limit.restore(open(value).and_then(|mut reader| Ok(reader.varint()?)).map_err(|unfit| (*name, unfit))?);
                } else if let Some((name, _)) = entries.first() {
                    return Err((name, Unfit::Changed("another operator stood where its LIMIT is".to_owned())));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds what it holds.
    pub fn add_status(&self, status: &mut QueryStatus) {
        match self {
            Stage::Aggregate(aggregate) => {
                status.panes += aggregate.panes.len();
                status.cells += aggregate.cells;
            }
            Stage::RowWindows(windows) => {
                status.panes += windows.windows();
                status.cells += windows.windows();
                status.gapless_rows += windows.gapless_rows();
            }
            Stage::Join(join) => {
                status.panes += join.parts();
                status.cells += join.rows();
            }
            Stage::Deduplicate(dedup) => {
                status.cells += dedup.keys();
                status.repeats += dedup.repeats();
            }
            _ => {}
        }
        if let Some(operator) = self.operator_status() {
            status.keys += operator.keys;
            status.bytes += operator.bytes;
            status.operators.push(operator);
        }
    }

    /// How it stands to its limits, where it holds something that grows with the input.
    fn operator_status(&self) -> Option<OperatorStatus> {
        match self {
            Stage::Aggregate(aggregate) => Some(aggregate.status()),
            Stage::RowWindows(windows) => Some(windows.status()),
            Stage::Sort(sort) => Some(sort.status()),
            Stage::Over(over) => Some(over.status()),
            Stage::Lookup(lookup) => Some(lookup.status()),
            Stage::Whole(whole) => Some(whole.status()),
            Stage::StateFunction(function) => Some(function.status()),
            Stage::OverStream(over) => Some(over.status()),
            Stage::Join(join) => Some(join.status()),
            Stage::Deduplicate(dedup) => Some(dedup.status()),
            _ => None,
        }
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
    first_of_each_row(&mut errors);
    let failed: Vec<u32> = errors.iter().map(|error| error.row).collect();
    (Chunk { columns, count: chunk.count, selection: without(&chunk.selection, &failed) }, errors)
}

/// The error with the piece of the query that it came from.
pub(super) fn explain(error: &EvalError, text: &str) -> String {
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

/// The greatest time among the selected rows.
fn latest_time(chunk: &Chunk<'_>, column: usize, common: &Common<'_>) -> Option<i64> {
    let column = chunk.columns.get(column)?.get();
    let Values::Timestamp(times) = &column.values else { return None };
    match (&chunk.selection, &column.valid) {
        (Selection::All(_), None) => common.span(column).map(|(_, latest)| latest).or_else(|| times.iter().copied().max()),
        (selection, _) => selection.iter().map(|row| row as usize).filter(|row| !column.is_null(*row)).map(|row| times[row]).max(),
    }
}

/// The times of a column by row, a window by its end; NULL is `None`.
pub(super) fn moments(column: &Column) -> Vec<Option<i64>> {
    let valid = |row: usize| !column.is_null(row);
    match &column.values {
        Values::Timestamp(times) => times.iter().enumerate().map(|(row, time)| valid(row).then_some(*time)).collect(),
        // A window: its end.
        Values::Struct(members) => match members.last().map(moments) {
            Some(ends) => ends.into_iter().enumerate().map(|(row, end)| end.filter(|_| valid(row))).collect(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}
