//! Which pane each row of a batch goes to, and which rows come too late.

use std::collections::BTreeMap;

use crate::batch::{Column, Values};
use crate::engine::expr::Selection;
use crate::engine::local_window::LocalWindows;
use crate::engine::spec::{NULL_TIME, TimeKey};
use crate::engine::window::TIME_ABS_MAX_US;

/// Rows by pane; rows without a time are in none.
pub(super) struct Placement {
    /// Pane start and rows in the batch's order; ascending by start.
    pub panes: Vec<(i64, Vec<u32>)>,
    /// Rows, with their event time, that are late for every window.
    pub late: Vec<(u32, i64)>,
    /// Rows that are late for some of their windows.
    pub in_part: u64,
    /// Rows whose time is too far from 1970 to compute with.
    pub beyond: Vec<u32>,
}

/// Rows of one pane.
struct Target {
    start: i64,
    end: i64,
    rows: Vec<u32>,
}

struct Targets<'a> {
    time: &'a TimeKey,
    list: Vec<Target>,
    by_start: BTreeMap<i64, usize>,
    /// The two panes used last: rows come nearly in order of time.
    current: usize,
    previous: usize,
}

impl Targets<'_> {
    fn push(&mut self, row: u32, time: i64) {
        let within = |target: &Target| target.start <= time && time < target.end;
        if !self.list.get(self.current).is_some_and(within) {
            std::mem::swap(&mut self.current, &mut self.previous);
            if !self.list.get(self.current).is_some_and(within) {
                let (start, end) = self.time.pane_of(time);
                self.open(start, end);
            }
        }
        self.list[self.current].rows.push(row);
    }

    fn open(&mut self, start: i64, end: i64) {
        let list = &mut self.list;
        self.current = *self.by_start.entry(start).or_insert_with(|| {
            list.push(Target { start, end, rows: Vec::new() });
            list.len() - 1
        });
    }
}

/// Places the selected rows by the column of the time key. Frames that close at or before `late_before` take no rows.
/// `keep_null`: rows without time form a group (where the time is a plain key) instead of vanishing.
pub(super) fn place(time: &TimeKey, column: Option<&Column>, selection: &Selection, late_before: i64, keep_null: bool) -> Placement {
    let mut placement = Placement { panes: Vec::new(), late: Vec::new(), in_part: 0, beyond: Vec::new() };
    let Some(column) = column else {
        if !selection.is_empty() {
            placement.panes.push((0, selection.iter().collect()));
        }
        return placement;
    };
    let starts = match (&column.values, time) {
        (Values::Struct(members), TimeKey::Interval { .. }) => members.first(),
        _ => Some(column),
    };
    let times: &[i64] = match starts.map(|column| &column.values) {
        Some(Values::Timestamp(times)) => times,
        // All NULL.
        _ => &[],
    };
    let mut targets = Targets { time, list: Vec::new(), by_start: BTreeMap::new(), current: 0, previous: 0 };
    let mut nulls = Vec::new();
    let local = matches!(targets.time, TimeKey::Local { .. });
    for row in selection.iter() {
        match times.get(row as usize) {
            Some(time) if !column.is_null(row as usize) => {
                if time.unsigned_abs() > TIME_ABS_MAX_US as u64 || local && !LocalWindows::holds(*time) {
                    placement.beyond.push(row);
                } else {
                    targets.push(row, *time);
                }
            }
            _ => nulls.push(row),
        }
    }
    if keep_null && !nulls.is_empty() && !matches!(time, TimeKey::Window { .. } | TimeKey::Local { .. }) {
        placement.panes.push((NULL_TIME, nulls));
    }
    let mut list = targets.list;
    list.sort_by_key(|target| target.start);
    for target in list {
        if time.last_close(target.start) <= late_before {
            placement.late.extend(target.rows.iter().map(|row| (*row, times[*row as usize])));
            continue;
        }
        if let TimeKey::Window { windows, .. } = time
            && windows.first_over(target.start) + windows.size <= late_before
        {
            placement.in_part += target.rows.len() as u64;
        }
        placement.panes.push((target.start, target.rows));
    }
    placement.late.sort_unstable();
    placement
}
