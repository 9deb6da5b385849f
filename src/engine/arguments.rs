//! From a chunk's rows to the inputs of lanes, and from inputs into a pane's cells.

use std::borrow::Cow;

use crate::batch::{Column, Values};
use crate::engine::chunk::Chunk;
use crate::engine::expr::{Context, EvalError, Problem, RowError, Selection};
use crate::engine::input::Input;
use crate::engine::lane_plan::{InputSpec, LanePlan};
use crate::engine::lanes::Pairs;
use crate::engine::pane::Pane;
use crate::plan::Span;

/// Bytes of the values of one row that an aggregate keeps; rows with longer ones are rejected.
pub(super) const VALUE_BYTES_MAX: usize = 64 << 10;

/// Evaluates all arguments of the chunk's rows; rows that fail are appended to `failed`.
pub(super) fn evaluate_inputs<'c>(plan: &LanePlan, chunk: &'c Chunk<'_>, context: &Context, failed: &mut Vec<RowError>) -> Vec<Input<'c>> {
    let input = |spec: &InputSpec| {
        let filtered = spec.filter.as_ref().map(|filter| chunk.filter(filter, context));
        let passed = filtered.as_ref().map(|filtered| &filtered.selection);
        let selection = passed.unwrap_or(&chunk.selection);
        let mut columns = spec.exprs.iter().map(|expr| {
            let evaluated = chunk.evaluate(expr, selection, context);
            failed.extend(evaluated.errors);
            evaluated.column
        });
        let first = columns.next().unwrap_or_else(|| Cow::Owned(Column::new(Values::Boolean(vec![true; chunk.count]))));
        let further: Vec<Cow<'c, Column>> = columns.collect();
        let span = spec.exprs.first().map_or(Span::default(), |expr| expr.span);
        let input = Input::new(first, further, &spec.needs, passed);
        if spec.keeps_values {
            failed.extend(too_long(&input, selection, span));
        }
        if spec.has_frequency {
            failed.extend(negative(&input, selection, span));
        }
        failed.extend(filtered.into_iter().flat_map(|filtered| filtered.errors));
        input
    };
    plan.inputs.iter().map(input).collect()
}

/// Rows whose values are too long to keep.
fn too_long(input: &Input<'_>, selection: &Selection, span: Span) -> Vec<RowError> {
    if !input.varies() {
        return Vec::new();
    }
    let long = |row: &u32| input.kept_len(*row as usize) > VALUE_BYTES_MAX;
    failing(selection, long, &Problem::TextTooLong(VALUE_BYTES_MAX), span)
}

/// Rows whose frequency is negative.
fn negative(input: &Input<'_>, selection: &Selection, span: Span) -> Vec<RowError> {
    let counts = input.second_longs().unwrap_or(&[]);
    let negative = |row: &u32| input.takes(*row) && counts[*row as usize] < 0;
    failing(selection, negative, &Problem::Argument("the frequency of a percentile must not be negative"), span)
}

fn failing(selection: &Selection, fails: impl Fn(&u32) -> bool, problem: &Problem, span: Span) -> Vec<RowError> {
    let error = || EvalError { problem: problem.clone(), span, offending: Box::default() };
    selection.iter().filter(fails).map(|row| RowError { row, error: error() }).collect()
}

/// Memory that is used again from batch to batch.
#[derive(Default)]
pub(super) struct PairScratch {
    rows: Vec<u32>,
    slots: Vec<u32>,
}

/// Updates all lanes but lane 0 with the rows of `all`.
pub(super) fn update_lanes(plan: &LanePlan, pane: &mut Pane, inputs: &[Input<'_>], all: Pairs<'_>, scratch: &mut PairScratch) {
    for (index, input) in inputs.iter().enumerate() {
        for nulls in [false, true] {
            let mut lanes = (plan.lanes.iter().enumerate())
                .filter(|(_, lane)| lane.input == Some(index) && lane.kind.takes_nulls() == nulls)
                .peekable();
            if lanes.peek().is_none() {
                continue;
            }
            let pairs =
                if input.complete() { all } else { scratch.chosen(all, |row| if nulls { input.passes(row) } else { input.takes(row) }) };
            for (lane, _) in lanes {
                pane.update(lane, pairs, input);
            }
        }
    }
}

impl PairScratch {
    fn chosen<'s>(&'s mut self, all: Pairs<'_>, chosen: impl Fn(u32) -> bool) -> Pairs<'s> {
        self.rows.clear();
        self.slots.clear();
        for (row, slot) in all.rows.iter().zip(all.slots) {
            if chosen(*row) {
                self.rows.push(*row);
                self.slots.push(*slot);
            }
        }
        Pairs { rows: &self.rows, slots: &self.slots, first_arrival: all.first_arrival }
    }
}
