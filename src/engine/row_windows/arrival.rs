//! Rows into count and state windows, one after the other as they come.

use crate::batch::{Column, Values};
use crate::engine::keyer::Keyer;
use crate::engine::keys::{KeyId, NO_KEY};
use crate::engine::prepare::Prepared;
use crate::engine::refusal::Refusal;
use crate::engine::row_windows::rule::{Open, Rule};
use crate::engine::row_windows::{Complete, RowWindows, Work, time_of, times};
use crate::engine::spec::NULL_TIME;
use crate::engine::window::TIME_ABS_MAX_US;

/// What is asked of one row of a state window.
struct Conditions {
    begin: bool,
    end: bool,
    timeout_us: Option<i64>,
}

impl RowWindows {
    pub(super) fn place_in_order(&mut self, prepared: &Prepared<'_>, work: &mut Work) {
        let rule = self.spec.rule.clone();
        let keyer = Keyer::new(&mut self.keys, &self.spec.plain, &prepared.keys);
        let extra = |index: usize| prepared.extra.get(index).map(AsRef::as_ref);
        let time_column = if matches!(rule, Rule::Count { .. }) { extra(0) } else { extra(2) };
        let time_values = times(time_column);
        for row in prepared.selection.iter() {
            let time = time_of(time_column, time_values, row).unwrap_or(NULL_TIME);
            if time != NULL_TIME && time.unsigned_abs() > TIME_ABS_MAX_US as u64 {
                work.beyond.push(row);
                continue;
            }
            let placed = match &rule {
                Rule::Count { size, every, .. } => self.count_row(&keyer, row, time, *size, *every),
                Rule::State { timeout_us, .. } => {
                    let [begin, end] = [0, 1].map(|index| extra(index).is_some_and(|column| is_true(column, row)));
                    self.take_row(&keyer, row, time, &Conditions { begin, end, timeout_us: *timeout_us })
                }
                Rule::Session { .. } => Ok(None),
            };
            match placed {
                Ok(Some(cell)) => {
                    work.rows.push(row);
                    work.slots.push(cell);
                }
                Ok(None) => {}
                Err(refusal) => work.refused.push((row, refusal)),
            }
        }
    }

    /// The cell of a row of a count window.
    fn count_row(&mut self, keyer: &Keyer<'_>, row: u32, time: i64, size: u64, every: u64) -> Result<Option<u32>, Refusal> {
        let key = match self.find_key(keyer, row)? {
            NO_KEY => self.add_key(keyer, row)?,
            key => key,
        };
        let block_rows = Rule::block_rows(size, every);
        if self.states[key as usize].seen.is_multiple_of(block_rows) {
            let cell = self.add_cell(key).inspect_err(|_| self.idle_keys.push(key))?;
            self.states[key as usize].windows.push(Open { start: time, end: time, cell });
        }
        self.mark(key, 0);
        let state = &mut self.states[key as usize];
        state.seen += 1;
        let Some(block) = state.windows.last_mut() else { return Ok(None) };
        block.end = time;
        let cell = block.cell;
        if state.seen >= size && state.seen.is_multiple_of(every) {
            let blocks = &state.windows[state.windows.len() - (size / block_rows) as usize..];
            let start = blocks.first().map_or(time, |block| block.start);
            self.complete.push(Complete { key, start, end: time, cells: blocks.iter().map(|block| block.cell).collect() });
            let gone = state.windows.len() - ((size - every) / block_rows) as usize;
            self.released.extend(state.windows.drain(..gone).map(|block| block.cell));
            self.windows -= gone;
            // Only whether there are enough rows for the next window matters from here on.
            state.seen = if size == every { 0 } else { size.next_multiple_of(every) };
            self.idle_keys.push(key);
        }
        Ok(Some(cell))
    }

    /// The cell of a row of a state window; `None` where none is open.
    fn take_row(&mut self, keyer: &Keyer<'_>, row: u32, time: i64, conditions: &Conditions) -> Result<Option<u32>, Refusal> {
        let mut key = self.find_key(keyer, row)?;
        if key != NO_KEY
            && let Some(timeout_us) = conditions.timeout_us
            && let Some(open) = self.states[key as usize].windows.first()
            && open.start != NULL_TIME
            && time != NULL_TIME
            && time >= open.start.saturating_add(timeout_us)
        {
            self.complete_state(key);
        }
        if key == NO_KEY || self.states[key as usize].windows.is_empty() {
            if !conditions.begin {
                return Ok(None);
            }
            if key == NO_KEY {
                key = self.add_key(keyer, row)?;
            }
            let cell = self.add_cell(key).inspect_err(|_| self.idle_keys.push(key))?;
            self.states[key as usize].windows.push(Open { start: time, end: time, cell });
        }
        self.mark(key, 0);
        let Some(open) = self.states[key as usize].windows.first_mut() else { return Ok(None) };
        if time != NULL_TIME {
            open.end = time;
        }
        let cell = open.cell;
        if conditions.end {
            self.complete_state(key);
        }
        Ok(Some(cell))
    }

    /// Closes the key's state window.
    fn complete_state(&mut self, key: KeyId) {
        for Open { start, end, cell } in std::mem::take(&mut self.states[key as usize].windows) {
            self.complete.push(Complete { key, start, end, cells: vec![cell] });
            self.released.push(cell);
            self.windows -= 1;
        }
        self.mark(key, 0);
        self.idle_keys.push(key);
    }
}

fn is_true(column: &Column, row: u32) -> bool {
    matches!(&column.values, Values::Boolean(values) if values[row as usize] && !column.is_null(row as usize))
}
