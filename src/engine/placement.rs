//! Which pane each row of a batch goes to, and which rows come too late.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::batch::{Column, Values};
use crate::engine::expr::Selection;
use crate::engine::spec::{NULL_TIME, TimeKey};

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
    /// Its times that can be computed with: from the first on, before the second.
    times: Range<i64>,
    rows: Vec<u32>,
}

struct Targets<'a> {
    time: &'a TimeKey,
    times: Range<i64>,
    list: Vec<Target>,
    by_start: BTreeMap<i64, usize>,
    /// The two panes used last: rows come nearly in order of time.
    current: usize,
    previous: usize,
}

impl Targets<'_> {
    /// The pane of a time that can be computed with.
    fn of(&mut self, time: i64) -> &mut Target {
        let holds = |target: &Target| target.times.contains(&time);
        if !self.list.get(self.current).is_some_and(holds) {
            std::mem::swap(&mut self.current, &mut self.previous);
            if !self.list.get(self.current).is_some_and(holds) {
                let (start, end) = self.time.pane_of(time);
                self.open(start, end);
            }
        }
        &mut self.list[self.current]
    }

    fn open(&mut self, start: i64, end: i64) {
        let list = &mut self.list;
        self.current = *self.by_start.entry(start).or_insert_with(|| {
            let times = start.max(self.times.start)..end.min(self.times.end);
            list.push(Target { start, times, rows: Vec::new() });
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
            placement.panes.push((0, selection.to_rows().into_owned()));
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
    let complete = column.valid.is_none() && !times.is_empty();
    let time_of = |row: u32| times.get(row as usize).copied().filter(|_| complete || !column.is_null(row as usize));
    let mut targets = Targets { time, times: time.times(), list: Vec::new(), by_start: BTreeMap::new(), current: 0, previous: 0 };
    let (mut nulls, mut at) = (Vec::new(), 0);
    // Rows that follow each other are mostly of one pane: they are looked up, and copied, together.
    while at < selection.len() {
        let row = selection.row(at);
        let mut run = 1;
        match time_of(row) {
            None => nulls.push(row),
            Some(time) if !targets.times.contains(&time) => placement.beyond.push(row),
            Some(time) => {
                let target = targets.of(time);
                let holds = |time: i64| target.times.contains(&time);
                match selection {
                    Selection::All(rows) if complete => {
                        run = times[at..*rows].iter().take_while(|time| holds(**time)).count();
                        target.rows.extend(row..row + run as u32);
                    }
                    _ => {
                        run = (at..selection.len()).take_while(|at| time_of(selection.row(*at)).is_some_and(holds)).count();
                        target.rows.extend((at..at + run).map(|at| selection.row(at)));
                    }
                }
            }
        }
        at += run;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Bitmap;
    use crate::engine::window::{TIME_ABS_MAX_US, Windows};
    use crate::plan::{Expr, ExprNode, Span};
    use crate::types::DataType;

    fn placed(times: &[Option<i64>], selection: &Selection, late_before: i64) -> Placement {
        let time = Expr { node: ExprNode::Column(0), data_type: DataType::Timestamp, span: Span::default() };
        let windows = TimeKey::Window { time, windows: Windows::new(10, 10, 0).unwrap() };
        let mut valid = Bitmap::filled(times.len(), true);
        times.iter().enumerate().for_each(|(row, time)| valid.set(row, time.is_some()));
        let values = Values::Timestamp(times.iter().map(|time| time.unwrap_or(0)).collect());
        place(&windows, Some(&Column { values, valid: Some(valid) }), selection, late_before, false)
    }

    #[test]
    fn rows_go_to_their_panes_in_order() {
        let times = [Some(15), Some(17), None, Some(22), Some(18), Some(19), Some(3), Some(29)];
        let placement = placed(&times, &Selection::All(8), 10);
        assert_eq!(placement.panes, [(10, vec![0, 1, 4, 5]), (20, vec![3, 7])]);
        assert_eq!(placement.late, [(6, 3)]);
        let placement = placed(&times, &Selection::Rows(vec![1, 2, 5, 7]), 10);
        assert_eq!(placement.panes, [(10, vec![1, 5]), (20, vec![7])]);
    }

    #[test]
    fn a_pane_ends_where_times_cannot_be_computed_with() {
        let greatest = TIME_ABS_MAX_US;
        let placement = placed(&[Some(greatest), Some(greatest + 1), Some(greatest - 1)], &Selection::All(3), 0);
        assert_eq!(placement.beyond, [1]);
        assert_eq!(placement.panes, [(greatest - greatest % 10, vec![0, 2])]);
    }
}
