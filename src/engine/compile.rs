//! From a relation tree to the stages of a query, bottom up; which columns carry event time; what the engine refuses.

use crate::engine::EngineSettings;
use crate::engine::aggregate::Aggregate;
use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::lane_plan::LanePlan;
use crate::engine::limit::Limit;
use crate::engine::sort::Sort;
use crate::engine::spec::{AggregateSpec, Emission, KeyColumn, PlainKey, TimeKey};
use crate::engine::watermark::Watermark;
use crate::engine::window::{WINDOWS_PER_ROW_MAX, Windows};
use crate::plan::{AggregateCall, Expr, ExprNode, Function, GroupKey, NamedExpr, OutputMode, Program, Query, Relation, WindowSpec};
use crate::types::{DataType, Field, Value, window_type};

/// Where a query's rows come from.
pub(super) enum Leaf {
    Scan {
        source: usize,
        columns: Vec<usize>,
    },
    /// Literal rows: once, at the end of a batch query.
    Values {
        rows: Vec<Vec<Expr>>,
        schema: Vec<Field>,
    },
}

/// One operator. Streaming stages pass rows on at once; aggregates and sorts hold them until the end of the step or of the input.
pub(super) enum Stage {
    Filter(Expr),
    Project(Vec<NamedExpr>),
    Watermark { column: usize },
    Limit(Limit),
    Aggregate(Box<Aggregate>),
    Sort(Sort),
}

/// A query ready to run.
pub(super) struct Compiled {
    pub leaf: Leaf,
    pub stages: Vec<Stage>,
    /// `fields[i]`: the columns that stage i reads.
    pub fields: Vec<Vec<Field>>,
    pub watermark: Option<Watermark>,
}

/// An output column that carries event time.
#[derive(Clone, Copy)]
struct EventColumn {
    column: usize,
    /// `Some`: a window of this size; `None`: the time itself.
    window_size: Option<i64>,
}

pub(super) fn compile(program: &Program, query: &Query, settings: &EngineSettings) -> Result<Compiled, EngineError> {
    let mut relations = vec![&query.root];
    while let Some(input) = relations[relations.len() - 1].input() {
        relations.push(input);
    }
    relations.reverse();
    let mut compiler = Compiler { program, query, settings, watermark: None, stages: Vec::new(), fields: Vec::new() };
    let leaf = compiler.leaf(relations[0])?;
    for pair in relations.windows(2) {
        let stage = compiler.stage(pair[0], pair[1])?;
        compiler.stages.push(stage);
        compiler.fields.push(pair[0].schema());
    }
    let Compiler { watermark, stages, fields, .. } = compiler;
    Ok(Compiled { leaf, stages, fields, watermark })
}

struct Compiler<'a> {
    program: &'a Program,
    query: &'a Query,
    settings: &'a EngineSettings,
    watermark: Option<Watermark>,
    stages: Vec<Stage>,
    fields: Vec<Vec<Field>>,
}

impl Compiler<'_> {
    fn unsupported(&self, what: impl Into<String>) -> EngineError {
        EngineError::Unsupported { query: self.query.name.clone(), what: what.into() }
    }

    fn leaf(&self, relation: &Relation) -> Result<Leaf, EngineError> {
        match relation {
            Relation::Scan { source, columns, .. } => {
                let known =
                    self.program.sources.get(*source).is_some_and(|table| columns.iter().all(|column| *column < table.columns.len()));
                if !known {
                    return Err(EngineError::Plan { query: self.query.name.clone(), what: "it scans a column that does not exist" });
                }
                Ok(Leaf::Scan { source: *source, columns: columns.clone() })
            }
            Relation::Values { rows, schema } if self.query.mode == OutputMode::Batch => {
                Ok(Leaf::Values { rows: rows.clone(), schema: schema.clone() })
            }
            _ => Err(self.unsupported("a query over a stream must read a source")),
        }
    }

    fn stage(&mut self, input: &Relation, relation: &Relation) -> Result<Stage, EngineError> {
        match relation {
            Relation::Filter { predicate, .. } => Ok(Stage::Filter(predicate.clone())),
            Relation::Project { columns, .. } => Ok(Stage::Project(columns.clone())),
            Relation::Watermark { column, delay_us, .. } => {
                if self.query.mode != OutputMode::Batch {
                    if self.watermark.is_some() {
                        return Err(self.unsupported("a watermark is defined twice on one stream"));
                    }
                    let source = scanned(input).unwrap_or_default();
                    let stream_time = self.is_arrival(input, *column);
                    let idle_timeout_us = self.settings.idle_timeout_us.get(source).copied().unwrap_or_default();
                    self.watermark = Some(Watermark::new(*delay_us, idle_timeout_us, stream_time));
                }
                Ok(Stage::Watermark { column: *column })
            }
            Relation::Aggregate { keys, aggregates, .. } => self.aggregate(input, relation, keys, aggregates),
            Relation::Sort { by, .. } => match self.query.mode {
                OutputMode::Batch | OutputMode::Complete => Ok(Stage::Sort(Sort::new(by.clone(), input.schema()))),
                _ => Err(self.unsupported("ORDER BY works in complete mode and in batch queries only")),
            },
            Relation::Limit { rows, .. } => {
                let per_step =
                    self.query.mode == OutputMode::Complete && self.stages.iter().any(|stage| matches!(stage, Stage::Aggregate(_)));
                Ok(Stage::Limit(Limit::new(*rows, per_step)))
            }
            Relation::Scan { .. } | Relation::Values { .. } | Relation::ReferenceScan { .. } => {
                Err(EngineError::Plan { query: self.query.name.clone(), what: "a source stands above an operator" })
            }
            Relation::Union { .. }
            | Relation::Join(_)
            | Relation::Generate { .. }
            | Relation::Expand { .. }
            | Relation::Over { .. }
            | Relation::Deduplicate { .. }
            | Relation::StateFunction(_) => Err(self.unsupported("this operator is not there yet")),
        }
    }

    /// Whether the column is the arrival time of the scanned source: stream time, which never runs ahead of the clock.
    fn is_arrival(&self, input: &Relation, column: usize) -> bool {
        let Some((source, column)) = source_column(input, column) else { return false };
        self.program.sources.get(source).and_then(|table| table.columns.get(column)).is_some_and(|column| column.field.name == "_arrived")
    }

    fn aggregate(&self, input: &Relation, relation: &Relation, keys: &[GroupKey], calls: &[AggregateCall]) -> Result<Stage, EngineError> {
        let mode = self.query.mode;
        let nested = self.stages.iter().any(|stage| matches!(stage, Stage::Aggregate(_)));
        if nested && !matches!(mode, OutputMode::Append | OutputMode::Batch) {
            return Err(self.unsupported("an aggregate over an aggregate works in append mode and in batch queries only"));
        }
        let fields = input.schema();
        let events = event_columns(input);
        let streaming = matches!(mode, OutputMode::Append | OutputMode::Update) && self.watermark.is_some();
        let (time, is_event) = self.time_key(keys, &events, streaming)?;
        if mode == OutputMode::Append && !(streaming && is_event) {
            return Err(self.unsupported(
                "append mode needs a watermark, and the event time or a window over it in GROUP BY; add them, or use update or complete mode",
            ));
        }
        let mut plain = Vec::new();
        let mut columns = Vec::new();
        let mut key_texts = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if time.as_ref().is_some_and(|(position, _)| *position == index) {
                columns.push(KeyColumn::Time);
            } else if let GroupKey::Expr(named) = key {
                columns.push(KeyColumn::Plain(plain.len()));
                key_texts.push(format!("{} {}", describe(&named.expr, &fields), named.expr.data_type));
                let from_source = matches!(named.expr.node, ExprNode::Column(column) if source_column(input, column).is_some());
                plain.push(PlainKey { expr: named.expr.clone(), from_source });
            } else {
                return Err(self.unsupported("two windows in one GROUP BY"));
            }
        }
        let lanes = LanePlan::new(&self.query.name, calls, &fields, mode == OutputMode::Batch)?;
        let time = time.map_or(TimeKey::None, |(_, time)| time);
        let emission = match mode {
            OutputMode::Append => Emission::Closed,
            OutputMode::Update => Emission::Changed,
            OutputMode::Complete => Emission::All,
            OutputMode::Batch => Emission::AtEnd,
        };
        let evicts_after_us = (streaming && is_event).then(|| self.watermark.as_ref().map_or(0, Watermark::delay_us));
        let retention = if evicts_after_us.is_none() { ", kept for ever" } else { "" };
        let fingerprint =
            format!("keys [{}], time {}, aggregates [{}]{retention}", key_texts.join(", "), time_text(&time, &fields), lanes.text);
        let output = relation.schema();
        let spec = AggregateSpec { time, plain, columns, plan: lanes, emission, evicts_after_us, fingerprint, output };
        Ok(Stage::Aggregate(Box::new(Aggregate::new(spec, self.settings))))
    }

    /// The key that is time, with its position; and whether that is event time.
    fn time_key(
        &self,
        keys: &[GroupKey],
        events: &[EventColumn],
        streaming: bool,
    ) -> Result<(Option<(usize, TimeKey)>, bool), EngineError> {
        for (index, key) in keys.iter().enumerate() {
            if let GroupKey::Window(spec) = key {
                let windows = self.windows(spec)?;
                return Ok((Some((index, TimeKey::Window { time: spec.time.clone(), windows })), is_event_time(&spec.time, events)));
            }
        }
        if streaming {
            for (index, key) in keys.iter().enumerate() {
                let GroupKey::Expr(named) = key else { continue };
                let ExprNode::Column(column) = named.expr.node else { continue };
                let Some(event) = events.iter().find(|event| event.column == column) else { continue };
                let time = match event.window_size {
                    Some(size) => TimeKey::Interval { window: named.expr.clone(), size },
                    None => TimeKey::Moment { time: named.expr.clone() },
                };
                return Ok((Some((index, time)), true));
            }
        }
        Ok((None, false))
    }

    fn windows(&self, spec: &WindowSpec) -> Result<Windows, EngineError> {
        Windows::new(spec.size_us, spec.slide_us, spec.offset_us).ok_or_else(|| {
            self.unsupported(format!(
                "window '{}': its slide must be positive and no longer than its size, its offset shorter than its slide, and a row may fall into at most \
                 {WINDOWS_PER_ROW_MAX} windows",
                spec.name
            ))
        })
    }
}

fn time_text(time: &TimeKey, fields: &[Field]) -> String {
    match time {
        TimeKey::None => "none".to_owned(),
        TimeKey::Window { time, windows } => {
            format!("window({}, {} µs, {} µs, {} µs)", describe(time, fields), windows.size, windows.slide, windows.offset)
        }
        TimeKey::Moment { time } => format!("moment {}", describe(time, fields)),
        TimeKey::Interval { window, size } => format!("window column {} of {size} µs", describe(window, fields)),
    }
}

fn scanned(relation: &Relation) -> Option<usize> {
    let mut relation = relation;
    loop {
        match (relation, relation.input()) {
            (Relation::Scan { source, .. }, _) => return Some(*source),
            (_, Some(input)) => relation = input,
            (_, None) => return None,
        }
    }
}

/// The source's column that column `column` of `relation` is, unchanged.
fn source_column(relation: &Relation, column: usize) -> Option<(usize, usize)> {
    match relation {
        Relation::Scan { source, columns, .. } => columns.get(column).map(|column| (*source, *column)),
        Relation::Filter { input, .. } | Relation::Watermark { input, .. } | Relation::Limit { input, .. } => source_column(input, column),
        Relation::Project { input, columns } => match columns.get(column)?.expr.node {
            ExprNode::Column(inner) => source_column(input, inner),
            _ => None,
        },
        _ => None,
    }
}

/// The columns of `relation` that the watermark speaks about.
fn event_columns(relation: &Relation) -> Vec<EventColumn> {
    match relation {
        Relation::Filter { input, .. } | Relation::Sort { input, .. } | Relation::Limit { input, .. } => event_columns(input),
        Relation::Watermark { input, column, .. } => {
            let mut events = event_columns(input);
            events.push(EventColumn { column: *column, window_size: None });
            events
        }
        Relation::Project { input, columns } => {
            let events = event_columns(input);
            columns.iter().enumerate().filter_map(|(column, named)| projected_event(&named.expr, &events, column)).collect()
        }
        Relation::Aggregate { input, keys, .. } => {
            let events = event_columns(input);
            let event = |(column, key): (usize, &GroupKey)| match key {
                GroupKey::Expr(named) => projected_event(&named.expr, &events, column),
                GroupKey::Window(spec) => {
                    is_event_time(&spec.time, &events).then_some(EventColumn { column, window_size: Some(spec.size_us) })
                }
                _ => None,
            };
            keys.iter().enumerate().filter_map(event).collect()
        }
        _ => Vec::new(),
    }
}

fn projected_event(expr: &Expr, events: &[EventColumn], column: usize) -> Option<EventColumn> {
    if let ExprNode::Column(inner) = expr.node {
        let event = events.iter().find(|event| event.column == inner)?;
        return Some(EventColumn { column, ..*event });
    }
    if is_event_time(expr, events) {
        return Some(EventColumn { column, window_size: None });
    }
    match &expr.node {
        ExprNode::Call { function: Function::WindowOf, args } if args.first().is_some_and(|time| is_event_time(time, events)) => {
            let size = match args.get(1).map(|size| &size.node) {
                Some(ExprNode::Literal(Value::BigInt(size))) => *size,
                _ => return None,
            };
            (expr.data_type == window_type()).then_some(EventColumn { column, window_size: Some(size) })
        }
        _ => None,
    }
}

/// The event time itself, or `window_time` of a window over it.
fn is_event_time(expr: &Expr, events: &[EventColumn]) -> bool {
    if expr.data_type != DataType::Timestamp {
        return false;
    }
    let is = |expr: &Expr, window: bool| matches!(expr.node, ExprNode::Column(column) if events.iter().any(|event| event.column == column && event.window_size.is_some() == window));
    match &expr.node {
        ExprNode::Call { function: Function::WindowTime, args } => args.first().is_some_and(|window| is(window, true)),
        _ => is(expr, false),
    }
}
