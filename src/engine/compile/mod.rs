//! From a query's relations to its tree of operators; what the engine refuses.
//!
//! Invariants: nodes are in post-order, children before parents; a relation that changes nothing (a watermark in a batch query) has no node.

mod arrival;
mod events;
mod grouping;
mod joins;

use crate::engine::EngineSettings;
use crate::engine::error::EngineError;
use crate::engine::generate::Generate;
use crate::engine::limit::Limit;
use crate::engine::over::Over;
use crate::engine::over_stream::OverStream;
use crate::engine::sort::Sort;
use crate::engine::stage::Stage;
use crate::engine::state_function::StateFunction;
use crate::engine::watermark::Watermark;
use crate::engine::watermarks::Watermarks;
use crate::plan::{self, Expr, OutputMode, OverCall, Program, Query, Relation, SortKey};
use crate::types::Field;
use arrival::{ARRIVED, goes_by_arrival};
use events::{scanned, source_column};
use grouping::has_aggregate;

/// An input of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub node: usize,
    pub port: usize,
}

/// Where rows come from.
pub(super) enum Rows {
    Scan {
        source: usize,
        columns: Vec<usize>,
    },
    /// A reference table, once, at the end of a batch query.
    Reference {
        table: usize,
        columns: Vec<usize>,
    },
    /// Once, at the end of a batch query.
    Literal {
        rows: Vec<Vec<Expr>>,
        schema: Vec<Field>,
    },
}

/// The beginning of a stream of rows, and where it leads. `to`: `None` is the query's result.
pub(super) struct Leaf {
    pub rows: Rows,
    pub to: Option<Port>,
}

/// An operator in its place.
pub(super) struct Node {
    pub stage: Stage,
    /// The columns that come in at each port.
    pub fields: Vec<Vec<Field>>,
    /// Where its rows go; `None` is the query's result.
    pub to: Option<Port>,
    /// How far the watermark that holds for its input is behind the query's, µs.
    pub lag_us: i64,
    /// The times that it goes by are made of arrival times.
    pub by_arrival: bool,
}

/// A query ready to run.
pub(super) struct Compiled {
    pub leaves: Vec<Leaf>,
    /// In post-order.
    pub nodes: Vec<Node>,
    pub watermarks: Watermarks,
}

/// What a relation has become: the thing that yields its rows.
#[derive(Clone, Copy)]
enum Origin {
    Leaf(usize),
    Node(usize),
}

pub(super) fn compile(program: &Program, query: &Query, settings: &EngineSettings) -> Result<Compiled, EngineError> {
    let mut compiler = Compiler { program, query, settings, watermarks: Watermarks::default(), leaves: Vec::new(), nodes: Vec::new() };
    compiler.build(&query.root)?;
    let Compiler { watermarks, leaves, nodes, .. } = compiler;
    Ok(Compiled { leaves, nodes, watermarks })
}

struct Compiler<'a> {
    program: &'a Program,
    query: &'a Query,
    settings: &'a EngineSettings,
    watermarks: Watermarks,
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
}

impl Compiler<'_> {
    fn unsupported(&self, what: impl Into<String>) -> EngineError {
        EngineError::Unsupported { query: self.query.name.clone(), what: what.into() }
    }

    /// Adds the operators of a relation, inputs first. As deep as the relation tree, which is bounded.
    fn build(&mut self, relation: &Relation) -> Result<Origin, EngineError> {
        let mut inputs = relation.inputs();
        if self.lookup_join(relation).is_some() {
            inputs.truncate(1);
        }
        if inputs.is_empty() {
            let rows = self.rows(relation)?;
            self.leaves.push(Leaf { rows, to: None });
            return Ok(Origin::Leaf(self.leaves.len() - 1));
        }
        let origins = inputs.iter().map(|input| self.build(input)).collect::<Result<Vec<_>, _>>()?;
        let Some(stage) = self.stage(relation)? else { return Ok(origins[0]) };
        let node = self.nodes.len();
        let mut lag_us = 0;
        for (port, origin) in origins.into_iter().enumerate() {
            lag_us = lag_us.max(self.lag_of(origin));
            let to = Some(Port { node, port });
            match origin {
                Origin::Leaf(leaf) => self.leaves[leaf].to = to,
                Origin::Node(node) => self.nodes[node].to = to,
            }
        }
        let fields = inputs.iter().map(|input| input.schema()).collect();
        let by_arrival = goes_by_arrival(self.program, relation);
        self.nodes.push(Node { stage, fields, to: None, lag_us, by_arrival });
        Ok(Origin::Node(node))
    }

    /// How far the watermark of what comes out is behind the query's, µs.
    fn lag_of(&self, origin: Origin) -> i64 {
        match origin {
            Origin::Leaf(_) => 0,
            Origin::Node(node) => self.nodes[node].lag_us.saturating_add(self.nodes[node].stage.delay_us()),
        }
    }

    fn rows(&self, relation: &Relation) -> Result<Rows, EngineError> {
        match relation {
            Relation::Scan { source, columns, .. } => {
                let known =
                    self.program.sources.get(*source).is_some_and(|table| columns.iter().all(|column| *column < table.columns.len()));
                if !known {
                    return Err(EngineError::Plan { query: self.query.name.clone(), what: "it scans a column that does not exist" });
                }
                Ok(Rows::Scan { source: *source, columns: columns.clone() })
            }
            Relation::ReferenceScan { table, columns, .. } if self.query.mode == OutputMode::Batch => {
                let known = self.program.tables.get(*table).is_some_and(|table| columns.iter().all(|column| *column < table.columns.len()));
                if !known {
                    return Err(EngineError::Plan { query: self.query.name.clone(), what: "it scans a column that does not exist" });
                }
                Ok(Rows::Reference { table: *table, columns: columns.clone() })
            }
            Relation::Values { rows, schema } if self.query.mode == OutputMode::Batch => {
                Ok(Rows::Literal { rows: rows.clone(), schema: schema.clone() })
            }
            _ => Err(self.unsupported("a query over a stream must read a source")),
        }
    }

    /// The operator of a relation whose inputs are built; `None` where their rows pass unchanged.
    fn stage(&mut self, relation: &Relation) -> Result<Option<Stage>, EngineError> {
        Ok(Some(match relation {
            Relation::Filter { predicate, .. } => Stage::Filter(predicate.clone()),
            Relation::Project { columns, .. } => Stage::Project(columns.clone()),
            Relation::Watermark { .. } if self.query.mode == OutputMode::Batch => return Ok(None),
            Relation::Watermark { input, column, delay_us } => self.watermark(relation, input, *column, *delay_us)?,
            Relation::Aggregate { input, keys, aggregates } => self.aggregate(input, relation, keys, aggregates)?,
            Relation::Sort { input, by } => match self.query.mode {
                OutputMode::Batch | OutputMode::Complete => {
                    Stage::Sort(Sort::new(by.clone(), input.schema(), self.settings.state_bytes_max))
                }
                _ => return Err(self.unsupported("ORDER BY works in complete mode and in batch queries only")),
            },
            Relation::Limit { input, rows, skip } => {
                let per_step = self.query.mode == OutputMode::Complete && has_aggregate(input);
                Stage::Limit(Limit::new(*rows, *skip, per_step))
            }
            Relation::Union { .. } => Stage::Union,
            Relation::StateFunction(function) => self.state_function(function)?,
            Relation::Over { input, partition, order, calls } if self.query.mode != OutputMode::Batch => {
                self.over_stream(input, partition, order, calls)?
            }
            Relation::Scan { .. } | Relation::Values { .. } | Relation::ReferenceScan { .. } => {
                return Err(EngineError::Plan { query: self.query.name.clone(), what: "a source stands above an operator" });
            }
            Relation::Join(join) => self.join(relation, join)?,
            Relation::Deduplicate { input, keys, delay_us } => self.deduplicate(input, keys, *delay_us)?,
            Relation::Generate { generator, outer, columns, .. } => {
                let generate = Generate::new(generator.clone(), *outer, columns.clone());
                Stage::Generate(generate.ok_or_else(|| self.unsupported("a window whose slide, start or number breaks a rule"))?)
            }
            Relation::Expand { projections, .. } => Stage::Expand(projections.clone()),
            Relation::Over { input, partition, order, calls } if self.query.mode == OutputMode::Batch => {
                Stage::Over(Box::new(Over::new(&self.query.name, partition, order, calls, input.schema(), self.settings.state_bytes_max)?))
            }
            Relation::Over { .. } => {
                return Err(self.unsupported("this operator is not there yet"));
            }
        }))
    }

    fn over_stream(&self, input: &Relation, partition: &[Expr], order: &[SortKey], calls: &[OverCall]) -> Result<Stage, EngineError> {
        if self.query.mode == OutputMode::Complete || (self.query.mode == OutputMode::Update && has_aggregate(input)) {
            return Err(
                self.unsupported("OVER works over rows and groups that come once: in append mode, and in update mode below aggregates")
            );
        }
        let over = OverStream::new(partition, order, calls, input.schema(), self.settings).map_err(|what| self.unsupported(what))?;
        Ok(Stage::OverStream(Box::new(over)))
    }

    fn state_function(&self, plan: &plan::StateFunction) -> Result<Stage, EngineError> {
        if self.query.mode == OutputMode::Complete {
            return Err(self.unsupported("a state function does not work in complete mode"));
        }
        let function = StateFunction::new(plan, self.query.mode, self.settings).map_err(|what| self.unsupported(what))?;
        Ok(Stage::StateFunction(Box::new(function)))
    }

    fn watermark(&mut self, relation: &Relation, input: &Relation, column: usize, delay_us: i64) -> Result<Stage, EngineError> {
        if input.has_watermark() {
            return Err(self.unsupported("a watermark is defined twice on one stream"));
        }
        let sources = scanned(input);
        let timeout = |source: &usize| self.settings.idle_timeout_us.get(*source).copied().unwrap_or_default();
        let idle_timeout_us = sources.iter().map(timeout).max().unwrap_or_default();
        let stream_time = self.is_arrival(input, column);
        let by_arrival = goes_by_arrival(self.program, relation);
        let watermark = Watermark::new(delay_us, sources, idle_timeout_us, stream_time).made_of_arrivals(by_arrival);
        let index = self.watermarks.add(watermark);
        Ok(Stage::Watermark { column, index })
    }

    /// Whether the column is the arrival time of the scanned source: stream time, which never runs ahead of the clock.
    fn is_arrival(&self, input: &Relation, column: usize) -> bool {
        let Some((source, column)) = source_column(input, column) else { return false };
        self.program.sources.get(source).and_then(|table| table.columns.get(column)).is_some_and(|column| column.field.name == ARRIVED)
    }
}
