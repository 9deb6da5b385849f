//! A whole chunk into the panes of an aggregate, key by key: what row by row does, where nothing of it can be refused or is late.
//!
//! Many queries group the same rows by the same key. The rows' order by key is made once for all of them ([`super::common`]); each then
//! looks a key's cell up once for all of its rows in a pane, and adds these up without going to the cell between.
//!
//! Invariant: the state is the same as after row by row, but for the numbers of cells, on which nothing depends: rows of one key are
//! added in the order of their arrival, and keys are all known, so that none gets a number here.
//!
//! Limits: panes of one chunk [`PANES_MAX`], beyond which it goes row by row.

use std::rc::Rc;

use crate::batch::{Column, Values};
use crate::engine::aggregate::Aggregate;
use crate::engine::chunk::Chunk;
use crate::engine::common::{Common, KeyOrder, Times};
use crate::engine::expr::Selection;
use crate::engine::input::Input;
use crate::engine::keys::NO_KEY;
use crate::engine::lane_plan::LanePlan;
use crate::engine::lanes::{Lane, LaneKind, lower, raise};
use crate::engine::pane::{NO_SLOT, PANE_OVERHEAD_BYTES, Pane};
use crate::engine::prepare::Prepared;
use crate::engine::spec::TimeKey;
use crate::sabotage::{Fault, planted};

/// Panes that the rows of one chunk lie in.
const PANES_MAX: usize = 32;

/// Times of a key that are looked at one and all.
const COUNTED_MAX: usize = 64;

#[cfg(test)]
thread_local!(
    /// Chunks that went key by key.
    pub(super) static TAKEN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
);

/// Rows that follow each other in the order of keys and go to one cell.
#[derive(Clone, Copy)]
struct Stretch {
    slot: u32,
    from: u32,
    to: u32,
}

/// A pane that rows go to.
struct Target {
    start: i64,
    end: i64,
    pane: Pane,
    stretches: Vec<Stretch>,
}

/// A chunk that can be taken key by key.
struct Ordered {
    order: Rc<KeyOrder>,
    /// In that order; `None`: there is one pane.
    times: Option<Rc<Times>>,
    /// The numbers of each input in that order; `None`: they are only counted.
    inputs: Vec<Option<Rc<[f64]>>>,
    /// Start and end of each pane that rows may be in.
    panes: Vec<(i64, i64)>,
}

impl Aggregate {
    /// Takes the chunk in, if it can be taken so; else nothing has happened.
    pub(super) fn absorb_by_key(&mut self, chunk: &Chunk<'_>, prepared: &Prepared<'_>, late_before: i64, common: &Common<'_>) -> bool {
        let Some(ordered) = self.ordered(chunk, prepared, late_before, common) else { return false };
        #[cfg(test)]
        TAKEN.set(TAKEN.get() + 1);
        let targets = self.find_stretches(&ordered);
        for Target { start, mut pane, stretches, .. } in targets {
            if !stretches.is_empty() {
                pane.grow();
                add_up(&mut pane, &self.spec.plan, &stretches, &ordered.inputs);
                self.note_touched(start, &mut pane);
            }
            if pane.len() > 0 {
                self.panes.insert(start, pane);
            }
        }
        true
    }

    fn ordered(&mut self, chunk: &Chunk<'_>, prepared: &Prepared<'_>, late_before: i64, common: &Common<'_>) -> Option<Ordered> {
        let ([key], [plain]) = (&prepared.keys[..], &self.spec.plain[..]) else { return None };
        let whole = matches!(prepared.selection, Selection::All(rows) if rows == chunk.count);
        if !whole || chunk.count == 0 || !plain.from_source || !self.kinds.iter().all(|kind| adds_up(*kind)) {
            return None;
        }
        let panes = self.panes_of_chunk(prepared.extra.first().map(|time| &**time), late_before, common)?;
        let Values::Dict(dict) = &key.values else { return None };
        let order = common.by_key(key)?;
        self.keys.prepare_codes(dict.dictionary.generation, dict.dictionary.entries.len());
        let more = panes.len() * (PANE_OVERHEAD_BYTES + order.runs.len() * self.cell_bytes);
        if self.bytes() + more > self.bytes_max || order.runs.iter().any(|run| self.keys.of_code(run.code) == NO_KEY) {
            return None;
        }
        let inputs = self.inputs_in_order(key, prepared, common)?;
        let times = match prepared.extra.first() {
            Some(time) if panes.len() > 1 => Some(common.times(key, time)?),
            _ => None,
        };
        Some(Ordered { order, times, inputs, panes })
    }

    /// `None` where rows do not take part, or are no numbers.
    fn inputs_in_order(&self, key: &Column, prepared: &Prepared<'_>, common: &Common<'_>) -> Option<Vec<Option<Rc<[f64]>>>> {
        let in_order = |(index, input): (usize, &Input<'_>)| {
            let mut lanes = self.spec.plan.lanes.iter().filter(|lane| lane.input == Some(index));
            match (input.complete(), lanes.all(|lane| lane.kind == LaneKind::Count)) {
                (false, _) => None,
                (true, true) => Some(None),
                (true, false) => common.doubles(key, input.column()).map(Some),
            }
        };
        prepared.inputs.iter().enumerate().map(in_order).collect()
    }

    /// The panes between the chunk's first time and its last; `None` where rows may be late or beyond what can be computed with.
    fn panes_of_chunk(&self, time: Option<&Column>, late_before: i64, common: &Common<'_>) -> Option<Vec<(i64, i64)>> {
        let (least, most) = match &self.spec.time {
            TimeKey::None => return Some(vec![(0, i64::MAX)]),
            TimeKey::Window { .. } | TimeKey::Local { .. } => common.span(time?)?,
            TimeKey::Moment { .. } | TimeKey::Interval { .. } => return None,
        };
        let times = self.spec.time.times();
        if !times.contains(&least) || !times.contains(&most) {
            return None;
        }
        let mut panes = vec![self.spec.time.pane_of(least)];
        while let Some((_, end)) = panes.last().copied().filter(|(_, end)| *end <= most) {
            panes.push(self.spec.time.pane_of(end));
            if panes.len() > PANES_MAX {
                return None;
            }
        }
        let first = panes[0].0;
        (self.spec.time.next_close(first, i64::MIN / 2) > late_before).then_some(panes)
    }

    /// The cells of all rows, made where they are missing.
    fn find_stretches(&mut self, ordered: &Ordered) -> Vec<Target> {
        let expected = ordered.order.runs.len().min(ordered.order.rows.len() / ordered.panes.len());
        let take_out = |(start, end): &(i64, i64)| {
            let pane = self.panes.remove(start).unwrap_or_else(|| Pane::new(&self.kinds));
            Target { start: *start, end: *end, pane, stretches: Vec::with_capacity(expected) }
        };
        let mut targets: Vec<Target> = ordered.panes.iter().map(take_out).collect();
        let mut from = 0;
        for run in &ordered.order.runs {
            let key = self.keys.of_code(run.code);
            let times = ordered.times.as_ref().map(|times| (&times.list[..run.end as usize], times.ascending));
            let mut index = 0;
            while from < run.end {
                let to =
                    times.map_or(run.end, |(times, ascending)| stretch(&targets, &mut index, &times[from as usize..], ascending, from));
                let target = &mut targets[index];
                let slot = match target.pane.slot(key) {
                    NO_SLOT => self.new_cell(&mut target.pane, key),
                    slot => slot,
                };
                target.stretches.push(Stretch { slot, from, to });
                from = to;
            }
        }
        targets
    }
}

/// Sets `index` to the pane of the first of these times, of a key's rows from `from` on, and tells where they leave it.
/// Ascending times are counted, if they are few all of them, since a loop that ends at different places costs more.
fn stretch(targets: &[Target], index: &mut usize, times: &[i64], ascending: bool, from: u32) -> u32 {
    let first = times[0];
    if !ascending {
        *index = 0;
    }
    while first >= targets[*index].end && *index + 1 < targets.len() {
        *index += 1;
    }
    let Target { start, end, .. } = &targets[*index];
    let length = match ascending {
        true if times.len() <= COUNTED_MAX => times.iter().map(|time| u32::from(time < end)).sum(),
        true => times.partition_point(|time| time < end) as u32,
        false => times.iter().take_while(|time| *start <= **time && **time < *end).count() as u32,
    };
    from + length.max(1)
}

/// Whether a lane is added to as [`add_up`] does it.
fn adds_up(kind: LaneKind) -> bool {
    matches!(kind, LaneKind::Count | LaneKind::SumDouble | LaneKind::MinDouble | LaneKind::MaxDouble)
}

/// Adds each stretch to its cell.
fn add_up(pane: &mut Pane, plan: &LanePlan, stretches: &[Stretch], inputs: &[Option<Rc<[f64]>>]) {
    pane.touch(stretches.iter().map(|stretch| stretch.slot));
    let lanes = pane.lanes_mut();
    let mut counts: Vec<&mut Vec<u64>> =
        lanes.iter_mut().filter_map(|lane| if let Lane::Count(counts) = lane { Some(counts) } else { None }).collect();
    for Stretch { slot, from, to } in stretches {
        counts.iter_mut().for_each(|counts| counts[*slot as usize] += u64::from(to - from));
    }
    for (index, numbers) in inputs.iter().enumerate() {
        let Some(numbers) = numbers else { continue };
        let (mut sums, mut least, mut most) = (None, None, None);
        for (lane, _) in lanes.iter_mut().zip(&plan.lanes).filter(|(_, spec)| spec.input == Some(index)) {
            match lane {
                Lane::SumDouble(cells) => sums = Some(cells),
                Lane::MinDouble(cells) => least = Some(cells),
                Lane::MaxDouble(cells) => most = Some(cells),
                _ => {}
            }
        }
        for Stretch { slot, from, to } in stretches {
            let slot = *slot as usize;
            let cell = |cells: &Option<&mut Vec<f64>>, other: f64| cells.as_ref().map_or(other, |cells| cells[slot]);
            let (mut sum, mut low, mut high) = (cell(&sums, 0.0), cell(&least, 0.0), cell(&most, 0.0));
            for x in &numbers[*from as usize..*to as usize] {
                sum += x;
                lower(&mut low, *x);
                raise(&mut high, *x);
            }
            if planted(Fault::SumApart) {
                sum = cell(&sums, 0.0) + numbers[*from as usize..*to as usize].iter().sum::<f64>();
            }
            for (cells, value) in [(&mut sums, sum), (&mut least, low), (&mut most, high)] {
                if let Some(cells) = cells {
                    cells[slot] = value;
                }
            }
        }
    }
}
