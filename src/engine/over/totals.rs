//! Aggregates over frames, by the accumulators of GROUP BY: one cell takes the rows of a frame.
//!
//! A frame that begins where the one before it began only takes what is new; one that begins elsewhere is aggregated anew.

use std::ops::Range;

use super::frame::Frames;
use crate::batch::ColumnBuilder;
use crate::engine::arguments::{PairScratch, update_lanes};
use crate::engine::input::Input;
use crate::engine::lane_plan::LanePlan;
use crate::engine::lanes::Pairs;
use crate::engine::pane::Pane;
use crate::engine::reading::{ReadError, read};
use crate::types::Value;

pub(super) struct Totals<'p> {
    plan: &'p LanePlan,
    inputs: &'p [Input<'p>],
    cell: Pane,
    scratch: PairScratch,
    slots: Vec<u32>,
}

impl<'p> Totals<'p> {
    pub fn new(plan: &'p LanePlan, inputs: &'p [Input<'p>]) -> Totals<'p> {
        let mut totals = Totals { plan, inputs, cell: Pane::new(&plan.kinds()), scratch: PairScratch::default(), slots: Vec::new() };
        totals.begin();
        totals
    }

    /// An empty cell.
    fn begin(&mut self) {
        self.cell.clear();
        self.cell.append(0);
        self.cell.grow();
    }

    fn add(&mut self, rows: &[u32]) {
        self.slots.clear();
        self.slots.resize(rows.len(), 0);
        self.cell.count_rows(&self.slots);
        let pairs = Pairs { rows, slots: &self.slots, first_arrival: 0 };
        update_lanes(self.plan, &mut self.cell, self.inputs, pairs, &mut self.scratch);
    }

    /// Appends aggregate `index` for each row of a partition, which begins at `first` of all; the rows whose value cannot be are noted, with
    /// NULL in their place.
    pub fn put(&mut self, index: usize, frames: &Frames<'_>, first: usize, out: &mut ColumnBuilder, lost: &mut Vec<(usize, ReadError)>) {
        let mut held: Range<usize> = 0..0;
        let mut value: Result<Value, ReadError> = Ok(Value::Null);
        self.begin();
        for place in 0..frames.rows.len() {
            let frame = frames.of(place);
            if place == 0 || frame != held {
                if frame.start != held.start || frame.end < held.end {
                    self.begin();
                    held = frame.start..frame.start;
                }
                self.add(&frames.rows[held.end..frame.end]);
                held = frame;
                value = read(&self.plan.outputs[index], &self.cell, 0);
            }
            match &value {
                Ok(value) => out.push(value),
                Err(error) => {
                    lost.push((first + place, *error));
                    out.push_null();
                }
            }
        }
    }
}
