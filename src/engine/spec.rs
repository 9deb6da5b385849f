//! What an aggregate operator computes: an [`Relation::Aggregate`](crate::plan::Relation) taken apart into a time key, plain keys, inputs, lanes and outputs.

use std::ops::Range;

pub(super) use crate::engine::lane_plan::LanePlan;
use crate::engine::local_window::LocalWindows;
use crate::engine::window::{TIME_ABS_MAX_US, Windows};
use crate::plan::Expr;
use crate::types::Field;

/// Stands for a NULL time among pane starts.
pub(super) const NULL_TIME: i64 = i64::MIN;

/// The part of the key that the watermark closes, and that panes are cut by.
#[derive(Clone, Debug)]
pub(super) enum TimeKey {
    /// One pane for ever.
    None,
    /// `window(time, …)`.
    Window { time: Expr, windows: Windows },
    /// Days, weeks or months of a time zone.
    Local { time: Expr, windows: LocalWindows },
    /// Grouped by the event time itself, or by the end of a window whose length is its own: closed when the watermark reaches it.
    Moment { time: Expr },
    /// Grouped by a window of an operator below: closed at its end.
    Interval { window: Expr, size: i64 },
}

impl TimeKey {
    /// The expression that places a row.
    pub fn expr(&self) -> Option<&Expr> {
        match self {
            TimeKey::None => None,
            TimeKey::Window { time, .. } | TimeKey::Local { time, .. } | TimeKey::Moment { time } => Some(time),
            TimeKey::Interval { window, .. } => Some(window),
        }
    }

    /// The times that can be computed with.
    pub fn times(&self) -> Range<i64> {
        let (first, end) = (-TIME_ABS_MAX_US, TIME_ABS_MAX_US + 1);
        match self {
            TimeKey::Local { .. } => first.max(LocalWindows::TIMES.start)..end.min(LocalWindows::TIMES.end),
            _ => first..end,
        }
    }

    /// Start and end of the pane of a row's time.
    pub fn pane_of(&self, time: i64) -> (i64, i64) {
        match self {
            TimeKey::Window { windows, .. } => windows.pane_of(time),
            TimeKey::Local { windows, .. } => windows.of(time),
            _ => (time, time.saturating_add(1)),
        }
    }

    /// When the last frame over a pane closes: the pane is not needed once the watermark is there.
    pub fn last_close(&self, pane: i64) -> i64 {
        match self {
            TimeKey::None => i64::MAX,
            _ if pane == NULL_TIME => i64::MAX,
            TimeKey::Window { windows, .. } => windows.last_over(pane) + windows.size,
            TimeKey::Local { windows, .. } => windows.of(pane).1,
            TimeKey::Moment { .. } => pane,
            TimeKey::Interval { size, .. } => pane + size,
        }
    }

    /// When the first frame over a pane that is still open at `watermark` closes.
    pub fn next_close(&self, pane: i64, watermark: i64) -> i64 {
        match self {
            TimeKey::Window { windows, .. } => {
                windows.start_at_or_after((watermark + 1 - windows.size).max(windows.first_over(pane))) + windows.size
            }
            _ => self.last_close(pane),
        }
    }

    /// Frames over a pane that close after `from` and not after `to`: their starts, ascending.
    pub fn frames(&self, pane: i64, from: i64, to: i64) -> impl Iterator<Item = i64> + use<> {
        let (first, last, step) = match self {
            TimeKey::Window { windows, .. } => {
                let after = from.max(-2 * TIME_ABS_MAX_US) + 1 - windows.size;
                let first = windows.start_at_or_after(after.max(windows.first_over(pane)));
                (first, windows.last_over(pane).min(to.saturating_sub(windows.size)), windows.slide)
            }
            _ => {
                let close = self.last_close(pane);
                if close > from && close <= to { (pane, pane, 1) } else { (1, 0, 1) }
            }
        };
        // Not `step_by`: a slide in µs does not fit in 32 bits.
        let within = move |start: &i64| *start <= last;
        std::iter::successors(Some(first).filter(within), move |start| start.checked_add(step).filter(within))
    }

    /// Length of a frame, for finding its panes: `[start, start + length)`.
    pub fn frame_length(&self) -> i64 {
        match self {
            TimeKey::Window { windows, .. } => windows.size,
            _ => 1,
        }
    }

    /// The number under which a pane is stored.
    pub fn ordinal(&self, pane: i64) -> i64 {
        match self {
            TimeKey::Window { windows, .. } => windows.ordinal(pane),
            TimeKey::Local { windows, .. } => windows.number(pane),
            _ => pane,
        }
    }

    /// Decides a pane's ring: neighbours get different ones. Round times are multiples of large powers of two in µs, hence the mixing.
    pub fn ring_number(&self, pane: i64) -> i64 {
        match self {
            TimeKey::None | TimeKey::Window { .. } | TimeKey::Local { .. } => self.ordinal(pane),
            TimeKey::Moment { .. } | TimeKey::Interval { .. } => ((pane as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as i64,
        }
    }

    /// Start of the pane stored under this number; `None` where there is none.
    pub fn pane_at(&self, ordinal: i64) -> Option<i64> {
        match self {
            TimeKey::None => (ordinal == 0).then_some(0),
            TimeKey::Window { windows, .. } => windows.pane_at(ordinal),
            TimeKey::Local { windows, .. } => windows.checked_start(ordinal),
            _ => (ordinal == NULL_TIME || ordinal.unsigned_abs() <= 2 * TIME_ABS_MAX_US as u64).then_some(ordinal),
        }
    }

    /// Panes that one frame spans.
    pub fn panes_per_frame(&self) -> i64 {
        match self {
            TimeKey::Window { windows, .. } if windows.size % windows.slide == 0 => windows.size / windows.slide,
            TimeKey::Window { windows, .. } => 2 * (windows.size / windows.slide) + 1,
            _ => 1,
        }
    }

    pub fn single_pane_frames(&self) -> bool {
        !matches!(self, TimeKey::Window { windows, .. } if !windows.tumbling())
    }
}

/// A key that is not time.
#[derive(Clone, Debug)]
pub(super) struct PlainKey {
    pub expr: Expr,
    /// The column comes unchanged from a source: dictionary codes mean the same from batch to batch.
    pub from_source: bool,
}

/// Where a key column of the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyColumn {
    Plain(usize),
    Time,
}

/// Everything that defines an aggregate operator.
#[derive(Clone, Debug)]
pub(super) struct AggregateSpec {
    pub time: TimeKey,
    pub plain: Vec<PlainKey>,
    /// Order of the key columns in the output.
    pub columns: Vec<KeyColumn>,
    pub plan: LanePlan,
    pub emission: Emission,
    /// The watermark's delay in µs where panes go when the watermark has passed them; `None`: nothing goes.
    pub evicts_after_us: Option<i64>,
    /// How long changed groups are withheld at most, µs.
    pub emit_every_us: Option<i64>,
    /// What must be the same for stored state to be taken up.
    pub fingerprint: String,
    pub output: Vec<Field>,
}

/// When groups come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emission {
    /// Append: once, when the watermark has passed.
    Closed,
    /// Update: those that changed in the step.
    Changed,
    /// Complete: all, in each step with input.
    All,
    /// Batch: all, when the input ends.
    AtEnd,
}
