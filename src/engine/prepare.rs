//! What the rows of a chunk give to an operator that groups: its keys, its aggregates' inputs, and whatever else it looks at.
//!
//! Everything of a row is evaluated before any state changes; a row that fails anywhere is left out and told.

use std::borrow::Cow;

use crate::batch::Column;
use crate::engine::arguments::{PairScratch, evaluate_inputs, update_lanes};
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::{Context, RowError, Selection, first_of_each_row};
use crate::engine::input::Input;
use crate::engine::lanes::{Lane, LaneKind, Pairs};
use crate::engine::pane::Pane;
use crate::engine::spec::{LanePlan, PlainKey};
use crate::plan::Expr;

/// The rows of one chunk, evaluated, the failed ones removed.
pub(super) struct Prepared<'a> {
    pub selection: Selection,
    /// The expressions asked for beside keys and inputs, in their order.
    pub extra: Vec<Cow<'a, Column>>,
    pub keys: Vec<Cow<'a, Column>>,
    pub inputs: Vec<Input<'a>>,
}

impl Prepared<'_> {
    /// Adds the rows' inputs to their cells, in the order of the pairs; rows are counted elsewhere.
    pub fn add_to(&self, cells: &mut Pane, plan: &LanePlan, all: Pairs<'_>, scratch: &mut PairScratch) {
        update_lanes(plan, cells, &self.inputs, all, scratch);
    }

    /// The lanes of such kinds, with their inputs.
    pub fn lanes_where<'l>(
        &'l self,
        plan: &LanePlan,
        cells: &'l Pane,
        chosen: impl Fn(LaneKind) -> bool,
    ) -> Vec<(&'l Lane, &'l Input<'l>)> {
        let lanes = plan.lanes.iter().zip(cells.lanes()).filter(|(spec, _)| chosen(spec.kind));
        lanes.filter_map(|(spec, lane)| Some((lane, &self.inputs[spec.input?]))).collect()
    }
}

/// Evaluates `extra`, the keys and the inputs of the aggregates. Of several errors of a row the first evaluated is given.
pub(super) fn prepare<'c>(
    chunk: &'c Chunk<'_>,
    extra: &[&Expr],
    plain: &[PlainKey],
    plan: &LanePlan,
    context: &Context,
) -> (Prepared<'c>, Vec<RowError>) {
    let mut failed = Vec::new();
    let mut evaluate = |expr, selection: &Selection| {
        let evaluated = chunk.evaluate(expr, selection, context);
        failed.extend(evaluated.errors);
        evaluated.column
    };
    let extra: Vec<Cow<'_, Column>> = extra.iter().map(|expr| evaluate(*expr, &chunk.selection)).collect();
    let keys: Vec<Cow<'_, Column>> = plain.iter().map(|key| evaluate(&key.expr, &chunk.selection)).collect();
    let inputs = evaluate_inputs(plan, chunk, context, &mut failed);
    first_of_each_row(&mut failed);
    let rows: Vec<u32> = failed.iter().map(|error| error.row).collect();
    (Prepared { selection: without(&chunk.selection, &rows), extra, keys, inputs }, failed)
}
