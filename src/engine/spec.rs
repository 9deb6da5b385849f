//! What an aggregate operator computes: an [`Relation::Aggregate`](crate::plan::Relation) taken apart into a time key, plain keys, inputs, lanes and outputs.

use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::lanes::LaneKind;
use crate::engine::local_window::LocalWindows;
use crate::engine::window::{TIME_ABS_MAX_US, Windows};
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode};
use crate::types::{DataType, Field};

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

/// One distinct argument: `expr` for the rows that pass `filter`.
#[derive(Clone, Debug)]
pub(super) struct InputSpec {
    /// `None`: counts the rows that pass.
    pub expr: Option<Expr>,
    pub filter: Option<Expr>,
    pub needs_longs: bool,
    pub needs_doubles: bool,
    /// Some lane keeps strings of it.
    pub keeps_text: bool,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneSpec {
    pub kind: LaneKind,
    /// Index into the inputs; `None` for lane 0, which counts rows.
    pub input: Option<usize>,
}

/// How a result is read from lanes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    Count {
        lane: usize,
    },
    /// NULL where `count` is 0, as all below.
    Sum {
        lane: usize,
        count: usize,
    },
    Average {
        lane: usize,
        count: usize,
    },
    Extreme {
        lane: usize,
        count: usize,
    },
    Spread {
        lane: usize,
        function: AggregateFunction,
    },
    Distinct {
        lane: usize,
        function: AggregateFunction,
    },
}

#[derive(Clone, Debug)]
pub(super) struct OutputSpec {
    pub reading: Reading,
    pub data_type: DataType,
    pub arg_type: DataType,
}

/// Lanes and what is read from them.
#[derive(Clone, Debug)]
pub(super) struct LanePlan {
    pub inputs: Vec<InputSpec>,
    pub lanes: Vec<LaneSpec>,
    pub outputs: Vec<OutputSpec>,
    /// What identifies the aggregates in the stored state, for people too.
    pub text: String,
}

impl LanePlan {
    pub fn new(query: &str, calls: &[AggregateCall], fields: &[Field], distinct_allowed: bool) -> Result<LanePlan, EngineError> {
        let lanes = vec![LaneSpec { kind: LaneKind::Count, input: None }];
        let mut plan = LanePlan { inputs: Vec::new(), lanes, outputs: Vec::new(), text: String::new() };
        for call in calls {
            let problem = |what: &str| EngineError::Unsupported { query: query.to_owned(), what: what.to_owned() };
            if call.distinct && !distinct_allowed && !is_extreme(call.function) {
                return Err(problem("DISTINCT aggregates need the whole input and work in batch queries only"));
            }
            let reading = plan.add(call, fields).ok_or_else(|| problem("the aggregate does not take an argument of this type"))?;
            let arg_type = call.args.first().map_or(DataType::Null, |arg| arg.data_type.clone());
            plan.outputs.push(OutputSpec { reading, data_type: call.data_type.clone(), arg_type });
        }
        plan.text = plan.describe(fields);
        Ok(plan)
    }

    fn describe(&self, fields: &[Field]) -> String {
        let lane = |spec: &LaneSpec| match spec.input {
            None => "rows".to_owned(),
            Some(input) => {
                let input = &self.inputs[input];
                let data_type = input.expr.as_ref().map_or(DataType::Null, |expr| expr.data_type.clone());
                let filter = input.filter.as_ref().map_or(String::new(), |filter| format!(" where {}", describe(filter, fields)));
                let expr = input.expr.as_ref().map_or("*".to_owned(), |expr| describe(expr, fields));
                format!("{:?}({expr} {data_type}{filter})", spec.kind)
            }
        };
        self.lanes.iter().map(lane).collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, call: &AggregateCall, fields: &[Field]) -> Option<Reading> {
        use AggregateFunction as F;
        let Some(arg) = call.args.first() else {
            // count(*)
            let lane = match &call.filter {
                None => 0,
                Some(filter) => {
                    let input = self.input(None, Some(filter.clone()), fields);
                    self.lane(LaneKind::Count, input)
                }
            };
            return (call.function == F::Count).then_some(Reading::Count { lane });
        };
        let input = self.input(Some(arg.clone()), combined_filter(call), fields);
        let class = Class::of(&arg.data_type);
        if call.distinct && !is_extreme(call.function) {
            return Some(Reading::Distinct { lane: self.lane(LaneKind::Distinct, input), function: call.function });
        }
        let numeric = matches!(class, Class::Integer | Class::Double | Class::Null);
        let reading = match call.function {
            F::Count => Reading::Count { lane: self.lane(LaneKind::Count, input) },
            F::Sum if numeric => {
                let kind = if class == Class::Integer { LaneKind::SumLong } else { LaneKind::SumDouble };
                Reading::Sum { lane: self.lane(kind, input), count: self.lane(LaneKind::Count, input) }
            }
            F::Avg if numeric => Reading::Average { lane: self.lane(LaneKind::SumDouble, input), count: self.lane(LaneKind::Count, input) },
            F::Min | F::Max => {
                let kind = extreme_kind(call.function, class)?;
                Reading::Extreme { lane: self.lane(kind, input), count: self.lane(LaneKind::Count, input) }
            }
            F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop if numeric => {
                Reading::Spread { lane: self.lane(LaneKind::Moments, input), function: call.function }
            }
            _ => return None,
        };
        Some(reading)
    }

    fn input(&mut self, expr: Option<Expr>, filter: Option<Expr>, fields: &[Field]) -> usize {
        let part =
            |expr: &Option<Expr>| expr.as_ref().map_or(String::new(), |expr| format!("{} {}", describe(expr, fields), expr.data_type));
        let text = format!("{} where {}", part(&expr), part(&filter));
        if let Some(known) = self.inputs.iter().position(|input| input.text == text) {
            return known;
        }
        self.inputs.push(InputSpec { expr, filter, needs_longs: false, needs_doubles: false, keeps_text: false, text });
        self.inputs.len() - 1
    }

    fn lane(&mut self, kind: LaneKind, input: usize) -> usize {
        let spec = LaneSpec { kind, input: Some(input) };
        match kind {
            LaneKind::SumLong | LaneKind::MinLong | LaneKind::MaxLong => self.inputs[input].needs_longs = true,
            LaneKind::SumDouble | LaneKind::MinDouble | LaneKind::MaxDouble | LaneKind::Moments => self.inputs[input].needs_doubles = true,
            LaneKind::MinText | LaneKind::MaxText => self.inputs[input].keeps_text = true,
            LaneKind::Count | LaneKind::Distinct => {}
        }
        self.lanes.iter().position(|known| *known == spec).unwrap_or_else(|| {
            self.lanes.push(spec);
            self.lanes.len() - 1
        })
    }
}

/// How a type is accumulated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Integer,
    /// Compared as integers, never summed.
    Ordinal,
    Double,
    Text,
    Null,
    Other,
}

impl Class {
    fn of(data_type: &DataType) -> Class {
        match data_type {
            DataType::Int | DataType::BigInt => Class::Integer,
            DataType::Boolean | DataType::Timestamp | DataType::Date => Class::Ordinal,
            DataType::Float | DataType::Double => Class::Double,
            DataType::String => Class::Text,
            DataType::Null => Class::Null,
            DataType::Struct(_) | DataType::Binary | DataType::Interval | DataType::Array(_) | DataType::Map(..) => Class::Other,
        }
    }
}

fn is_extreme(function: AggregateFunction) -> bool {
    matches!(function, AggregateFunction::Min | AggregateFunction::Max)
}

fn extreme_kind(function: AggregateFunction, class: Class) -> Option<LaneKind> {
    let min = function == AggregateFunction::Min;
    match class {
        Class::Integer | Class::Ordinal | Class::Null => Some(if min { LaneKind::MinLong } else { LaneKind::MaxLong }),
        Class::Double => Some(if min { LaneKind::MinDouble } else { LaneKind::MaxDouble }),
        Class::Text => Some(if min { LaneKind::MinText } else { LaneKind::MaxText }),
        Class::Other => None,
    }
}

/// The FILTER clause, and for `count(a, b)` that `b` is not NULL.
fn combined_filter(call: &AggregateCall) -> Option<Expr> {
    let boolean = |node| Expr { node, data_type: DataType::Boolean, span: call.span };
    let mut filter = call.filter.clone();
    for arg in call.args.iter().skip(1) {
        let present = boolean(ExprNode::Not(Box::new(boolean(ExprNode::IsNull(Box::new(arg.clone()))))));
        filter = Some(match filter {
            None => present,
            Some(filter) => boolean(ExprNode::And(Box::new(filter), Box::new(present))),
        });
    }
    filter
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
