//! Aggregates of the different rows of their arguments, computed when they are read.

use crate::batch::{Column, ColumnBuilder};
use crate::engine::arguments::{PairScratch, evaluate_inputs, update_lanes};
use crate::engine::chunk::Chunk;
use crate::engine::expr::Context;
use crate::engine::key_codec::push_key;
use crate::engine::lane_plan::DistinctPlan;
use crate::engine::lanes::{Pairs, Set};
use crate::engine::pane::Pane;
use crate::engine::reading::{ReadError, read};
use crate::types::Value;

/// The aggregate over the set's rows, in order of their first arrival.
pub(super) fn read_distinct(set: &Set, distinct: &DistinctPlan) -> Result<Value, ReadError> {
    let mut builders: Vec<ColumnBuilder> = distinct.types.iter().map(|data_type| ColumnBuilder::new(data_type, set.len())).collect();
    let keys = set.by_arrival();
    keys.iter().for_each(|key| push_key(key, &distinct.types, &mut builders));
    let columns: Vec<Column> = builders.into_iter().map(ColumnBuilder::finish).collect();
    let chunk = Chunk::made(columns, keys.len());
    let plan = &distinct.plan;
    // The arguments are columns: they cannot fail.
    let inputs = evaluate_inputs(plan, &chunk, &Context::default(), &mut Vec::new());
    let mut pane = Pane::new(&plan.kinds());
    pane.add(0, 1);
    pane.grow();
    let (rows, slots): (Vec<u32>, Vec<u32>) = ((0..keys.len() as u32).collect(), vec![0; keys.len()]);
    pane.count_rows(&slots);
    let pairs = Pairs { rows: &rows, slots: &slots, first_arrival: 0 };
    update_lanes(plan, &mut pane, &inputs, pairs, &mut PairScratch::default());
    plan.outputs.first().map_or(Ok(Value::Null), |output| read(output, &pane, 0))
}
