//! Analytic functions over a whole table: a batch query's rows are held, sorted by partition and order, and given out with the functions'
//! values at the end of the input, partition by partition.
//!
//! | module | job |
//! |---|---|
//! | `frame` | which rows of the partition each row sees |
//! | `rank` | row numbers, ranks, values of other rows |
//! | `running` | functions that are kept up row by row |
//! | `totals` | aggregates over frames |
//!
//! Limits: those of [`Held`]. A frame that moves at both ends is aggregated anew for each row.

mod frame;
mod rank;
mod running;
mod totals;

use std::cmp::Ordering;

use crate::batch::{Column, ColumnBuilder};
use crate::engine::chunk::Chunk;
use crate::engine::error::EngineError;
use crate::engine::expr::compare::order_for_sort;
use crate::engine::generate::evaluated;
use crate::engine::held::Held;
use crate::engine::lane_plan::LanePlan;
use crate::engine::prepare::prepare;
use crate::engine::stage::Env;
use crate::engine::state_limits::OperatorStatus;
use crate::plan::{AggregateCall, Expr, OverCall, OverFunction, SortKey};
use crate::types::Field;
use frame::Frames;
use totals::Totals;

/// The operator.
pub(super) struct Over {
    partition: Vec<Expr>,
    order: Vec<SortKey>,
    calls: Vec<OverCall>,
    /// The aggregates among the calls.
    plan: LanePlan,
    held: Held,
}

/// The rows in order, and what the calls look at.
struct Sorted {
    /// Rows of the held table.
    rows: Vec<u32>,
    /// Ends of the partitions in `rows`.
    ends: Vec<usize>,
    order: Vec<Column>,
    /// For each call.
    args: Vec<Vec<Column>>,
}

impl Over {
    /// `bytes_max`: estimated memory that it may hold.
    pub fn new(
        query: &str,
        partition: &[Expr],
        order: &[SortKey],
        calls: &[OverCall],
        fields: Vec<Field>,
        bytes_max: usize,
    ) -> Result<Over, EngineError> {
        let aggregates: Vec<AggregateCall> = calls.iter().filter_map(aggregate_of).cloned().collect();
        let plan = LanePlan::new(query, &aggregates, &fields, true)?;
        if let Some(what) = calls.iter().find_map(|call| running::unfit(call, order)) {
            return Err(EngineError::Unsupported { query: query.to_owned(), what });
        }
        let held = Held::new("OVER", fields, bytes_max);
        Ok(Over { partition: partition.to_vec(), order: order.to_vec(), calls: calls.to_vec(), plan, held })
    }

    pub fn absorb(&mut self, chunk: &Chunk<'_>, env: &mut Env<'_, '_>) {
        self.held.absorb(chunk, env.complaints);
    }

    /// How it stands to its limits.
    pub fn status(&self) -> OperatorStatus {
        self.held.status()
    }

    /// All rows with the calls' values. Once.
    pub fn emit(&mut self, env: &mut Env<'_, '_>) -> Option<Chunk<'static>> {
        let held = self.held.take()?;
        let chunk = self.in_order(held, env);
        let mut exprs: Vec<&Expr> = self.partition.iter().collect();
        exprs.extend(self.order.iter().map(|key| &key.expr));
        exprs.extend(self.calls.iter().flat_map(|call| &call.args));
        let (prepared, errors) = prepare(&chunk, &exprs, &[], &self.plan, env.context);
        env.reject(&errors, 0, &chunk);
        let mut columns = prepared.extra.iter().map(|column| column.as_ref().clone());
        let partition: Vec<Column> = columns.by_ref().take(self.partition.len()).collect();
        let order: Vec<Column> = columns.by_ref().take(self.order.len()).collect();
        let args: Vec<Vec<Column>> = self.calls.iter().map(|call| columns.by_ref().take(call.args.len()).collect()).collect();
        let rows: Vec<u32> = prepared.selection.iter().collect();
        let parted = |end: &usize| *end == rows.len() || between(&partition, rows[end - 1], rows[*end]).is_ne();
        let sorted = Sorted { ends: (1..=rows.len()).filter(parted).collect(), rows, order, args };
        let mut totals = Totals::new(&self.plan, &prepared.inputs);
        let (mut made, mut lost) = (Vec::new(), Vec::new());
        let mut aggregate = 0;
        for (index, call) in self.calls.iter().enumerate() {
            let mut builder = ColumnBuilder::new(&call.data_type, sorted.rows.len());
            let mut start = 0;
            for end in &sorted.ends {
                let rows = &sorted.rows[start..*end];
                let frames = Frames::new(&call.frame, &self.order, &sorted.order, rows, env.context);
                match &call.function {
                    OverFunction::Aggregate(_) => totals.put(aggregate, &frames, start, &mut builder, &mut lost),
                    OverFunction::Changed | OverFunction::Ewma | OverFunction::Rate | OverFunction::Deadband => {
                        running::put(call, &sorted.args[index], sorted.order.first(), rows, &mut builder);
                    }
                    function => rank::put(function, call, &sorted.args[index], &frames, &mut builder),
                }
                start = *end;
            }
            aggregate += usize::from(aggregate_of(call).is_some());
            made.push(builder.finish());
        }
        lost.sort_by_key(|(place, _)| *place);
        lost.dedup_by_key(|(place, _): &mut (usize, _)| *place);
        for (place, error) in &lost {
            env.reject_row(0, &chunk, sorted.rows[*place], || error.to_string());
        }
        let mut columns: Vec<Column> = chunk.columns.iter().map(|column| column.get().gather(&sorted.rows)).collect();
        columns.extend(made);
        let mut all = Chunk::made(columns, sorted.rows.len());
        let lost: Vec<u32> = lost.iter().map(|(place, _)| *place as u32).collect();
        all.selection = crate::engine::chunk::without(&all.selection, &lost);
        Some(all)
    }

    /// The rows sorted by partition and order; those whose keys fail are rejected.
    fn in_order(&self, mut chunk: Chunk<'static>, env: &mut Env<'_, '_>) -> Chunk<'static> {
        let keys: Vec<&Expr> = self.partition.iter().chain(self.order.iter().map(|key| &key.expr)).collect();
        let columns = evaluated(&keys, &mut chunk, env);
        let (partition, order) = columns.split_at(self.partition.len());
        let mut rows: Vec<u32> = chunk.selection.iter().collect();
        rows.sort_by(|a, b| between(partition, *a, *b).then_with(|| frame::order(&self.order, order, *a, *b)));
        Chunk::made(chunk.columns.iter().map(|column| column.get().gather(&rows)).collect(), rows.len())
    }
}

/// How two rows stand by the partitions' keys.
fn between(partition: &[Column], a: u32, b: u32) -> Ordering {
    let mut orders = partition.iter().map(|column| order_for_sort(column, a as usize, b as usize, false, true));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn aggregate_of(call: &OverCall) -> Option<&AggregateCall> {
    match &call.function {
        OverFunction::Aggregate(aggregate) => Some(aggregate),
        _ => None,
    }
}
