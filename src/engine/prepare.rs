//! What the rows of a chunk give to an operator that groups: its keys, its aggregates' inputs, and whatever else it looks at.
//!
//! Everything of a row is evaluated before any state changes; a row that fails anywhere is left out and told.
//!
//! Limits: a text of [`TEXT_BYTES_MAX`] for min and max.

use std::borrow::Cow;

use crate::batch::{Column, Values};
use crate::engine::chunk::{Chunk, without};
use crate::engine::expr::{Context, EvalError, Problem, RowError, Selection};
use crate::engine::input::Input;
use crate::engine::lanes::Pairs;
use crate::engine::pane::Pane;
use crate::engine::spec::{LanePlan, LaneSpec, PlainKey};
use crate::plan::{Expr, Span};

/// Bytes of a string that min or max keeps; rows with a longer one are rejected.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;

/// The rows of one chunk, evaluated, the failed ones removed.
pub(super) struct Prepared<'a> {
    pub selection: Selection,
    /// The expressions asked for beside keys and inputs, in their order.
    pub extra: Vec<Cow<'a, Column>>,
    pub keys: Vec<Cow<'a, Column>>,
    pub inputs: Vec<Input<'a>>,
}

/// Memory that is used again from batch to batch.
#[derive(Default)]
pub(super) struct PairScratch {
    rows: Vec<u32>,
    slots: Vec<u32>,
}

impl Prepared<'_> {
    /// Adds the rows' inputs to their cells, in the order of the pairs; rows are counted elsewhere.
    pub fn add_to(&self, cells: &mut Pane, lanes: &[LaneSpec], all: Pairs<'_>, scratch: &mut PairScratch) {
        for (index, input) in self.inputs.iter().enumerate() {
            let pairs = if input.complete() {
                all
            } else {
                scratch.rows.clear();
                scratch.slots.clear();
                for (row, slot) in all.rows.iter().zip(all.slots).filter(|(row, _)| input.takes(**row)) {
                    scratch.rows.push(*row);
                    scratch.slots.push(*slot);
                }
                Pairs { rows: &scratch.rows, slots: &scratch.slots }
            };
            for (lane, _) in lanes.iter().enumerate().filter(|(_, spec)| spec.input == Some(index)) {
                cells.update(lane, pairs, input);
            }
        }
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
    let extra = extra.iter().map(|expr| evaluate(*expr, &chunk.selection)).collect();
    let keys = plain.iter().map(|key| evaluate(&key.expr, &chunk.selection)).collect();
    let mut inputs = Vec::with_capacity(plan.inputs.len());
    for spec in &plan.inputs {
        let filtered = spec.filter.as_ref().map(|filter| chunk.filter(filter, context));
        let passed = filtered.as_ref().map(|filtered| &filtered.selection);
        let column = match &spec.expr {
            None => Cow::Owned(Column::new(Values::Boolean(vec![true; chunk.count]))),
            Some(expr) => {
                let evaluated = chunk.evaluate(expr, passed.unwrap_or(&chunk.selection), context);
                failed.extend(evaluated.errors);
                if spec.keeps_text {
                    failed.extend(too_long(&evaluated.column, passed.unwrap_or(&chunk.selection), expr.span));
                }
                evaluated.column
            }
        };
        inputs.push(Input::new(column, (spec.needs_longs, spec.needs_doubles), passed));
        failed.extend(filtered.into_iter().flat_map(|filtered| filtered.errors));
    }
    failed.sort_by_key(|error| error.row);
    failed.dedup_by_key(|error| error.row);
    let rows: Vec<u32> = failed.iter().map(|error| error.row).collect();
    (Prepared { selection: without(&chunk.selection, &rows), extra, keys, inputs }, failed)
}

/// Rows whose string is too long to keep.
fn too_long(column: &Column, selection: &Selection, span: Span) -> Vec<RowError> {
    let error = || EvalError { problem: Problem::TextTooLong(TEXT_BYTES_MAX), span, offending: Box::default() };
    let long = |row: &u32| column.text(*row as usize).is_some_and(|text| text.len() > TEXT_BYTES_MAX);
    selection.iter().filter(long).map(|row| RowError { row, error: error() }).collect()
}
