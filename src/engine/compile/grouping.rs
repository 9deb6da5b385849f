//! GROUP BY: from a relation to an [`AggregateSpec`], or to a [`RowWindowsSpec`] where the rows decide the windows' bounds.

use super::Compiler;
use super::events::{EventColumn, EventKind, event_columns, is_event_time, scanned, source_column};
use crate::engine::aggregate::Aggregate;
use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::local_window::LocalWindows;
use crate::engine::row_windows::{Gap, RowWindows, RowWindowsSpec, Rule};
use crate::engine::spec::{AggregateSpec, Emission, KeyColumn, LanePlan, PlainKey, TimeKey};
use crate::engine::stage::Stage;
use crate::engine::window::{WINDOWS_PER_ROW_MAX, Windows};
use crate::plan::{
    AggregateCall, CountWindow, Expr, ExprNode, GroupKey, LocalWindow, OutputMode, Relation, Session, StateWindow, WindowSpec,
};
use crate::types::duration::parse_interval;
use crate::types::{DataType, Field, Value};

/// The plain keys of a GROUP BY.
struct Keys {
    plain: Vec<PlainKey>,
    columns: Vec<KeyColumn>,
    /// What the stored state must agree with.
    text: String,
}

/// The part of a key that the watermark closes.
struct TimePart {
    /// Its key, if it is one; `None` where it is a part of a plain key.
    position: Option<usize>,
    key: TimeKey,
    is_event: bool,
}

impl Compiler<'_> {
    pub(super) fn aggregate(
        &self,
        input: &Relation,
        relation: &Relation,
        keys: &[GroupKey],
        calls: &[AggregateCall],
    ) -> Result<Stage, EngineError> {
        let mode = self.query.mode;
        if has_aggregate(input) && !matches!(mode, OutputMode::Append | OutputMode::Batch) {
            return Err(self.unsupported("an aggregate over an aggregate works in append mode and in batch queries only"));
        }
        let of_rows = |key: &GroupKey| matches!(key, GroupKey::Session(_) | GroupKey::CountWindow(_) | GroupKey::StateWindow(_));
        if let Some(position) = keys.iter().position(of_rows) {
            return self.row_windows(input, relation, position, keys, calls);
        }
        let fields = input.schema();
        let events = event_columns(input);
        let streaming = matches!(mode, OutputMode::Append | OutputMode::Update) && input.has_watermark();
        let TimePart { position, key: time, is_event } = self.time_part(keys, &events, streaming)?;
        if mode == OutputMode::Append && !(streaming && is_event) {
            return Err(self.unsupported(
                "append mode needs a watermark, and the event time or a window over it in GROUP BY; add them, or use update or complete mode",
            ));
        }
        let Keys { plain, columns, text } = self.keys(input, keys, position)?;
        let lanes = lane_plan(&self.query.name, calls, &fields, mode == OutputMode::Batch)?;
        let evicts_after_us = (streaming && is_event).then(|| self.watermarks.delay_us());
        let retention = if evicts_after_us.is_none() { ", kept for ever" } else { "" };
        let fingerprint = format!("keys [{text}], time {}, aggregates [{}]{retention}", time_text(&time, &fields), lanes.text);
        let output = relation.schema();
        let emission = self.emission();
        let emit_every_us = self.settings.emit_every_us.get(&self.query.name).copied();
        let emit_every_us = emit_every_us.filter(|_| matches!(emission, Emission::Changed | Emission::All));
        let spec = AggregateSpec { time, plain, columns, plan: lanes, emission, evicts_after_us, emit_every_us, fingerprint, output };
        Ok(Stage::Aggregate(Box::new(Aggregate::new(spec, self.settings))))
    }

    fn emission(&self) -> Emission {
        match self.query.mode {
            OutputMode::Append => Emission::Closed,
            OutputMode::Update => Emission::Changed,
            OutputMode::Complete => Emission::All,
            OutputMode::Batch => Emission::AtEnd,
        }
    }

    /// All keys but the one at `time`.
    fn keys(&self, input: &Relation, keys: &[GroupKey], time: Option<usize>) -> Result<Keys, EngineError> {
        let fields = input.schema();
        let (mut plain, mut columns, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (index, key) in keys.iter().enumerate() {
            if time == Some(index) {
                columns.push(KeyColumn::Time);
            } else if let GroupKey::Expr(named) = key {
                columns.push(KeyColumn::Plain(plain.len()));
                texts.push(format!("{} {}", describe(&named.expr, &fields), named.expr.data_type));
                let from_source = matches!(named.expr.node, ExprNode::Column(column) if source_column(input, column).is_some());
                plain.push(PlainKey { expr: named.expr.clone(), from_source });
            } else {
                return Err(self.unsupported("two windows in one GROUP BY"));
            }
        }
        let texts = sorted_keys(texts, &mut plain, &mut columns);
        Ok(Keys { plain, columns, text: texts.join(", ") })
    }

    /// The key that is time, and whether that is event time.
    fn time_part(&self, keys: &[GroupKey], events: &[EventColumn], streaming: bool) -> Result<TimePart, EngineError> {
        for (index, key) in keys.iter().enumerate() {
            let (time, key) = match key {
                GroupKey::Window(spec) => (&spec.time, TimeKey::Window { time: spec.time.clone(), windows: self.windows(spec)? }),
                GroupKey::LocalWindow(spec) => (&spec.time, TimeKey::Local { time: spec.time.clone(), windows: self.local_windows(spec)? }),
                _ => continue,
            };
            return Ok(TimePart { position: Some(index), key, is_event: is_event_time(time, events) });
        }
        for (index, key) in keys.iter().enumerate().filter(|_| streaming) {
            let GroupKey::Expr(named) = key else { continue };
            let ExprNode::Column(column) = named.expr.node else { continue };
            let Some(event) = events.iter().find(|event| event.column == column) else { continue };
            let column = named.expr.clone();
            let (position, key) = match event.kind {
                EventKind::Window(size) => (Some(index), TimeKey::Interval { window: column, size }),
                EventKind::Moment => (Some(index), TimeKey::Moment { time: column }),
                // The window itself stays a plain key; its end closes the group.
                EventKind::Uneven => (None, TimeKey::Moment { time: end_of(column) }),
            };
            return Ok(TimePart { position, key, is_event: true });
        }
        Ok(TimePart { position: None, key: TimeKey::None, is_event: false })
    }

    /// GROUP BY with a window whose bounds the rows decide.
    fn row_windows(
        &self,
        input: &Relation,
        relation: &Relation,
        position: usize,
        keys: &[GroupKey],
        calls: &[AggregateCall],
    ) -> Result<Stage, EngineError> {
        let mode = self.query.mode;
        let fields = input.schema();
        let (rule, time) = self.rule(&keys[position])?;
        let is_session = matches!(rule, Rule::Session { .. });
        let is_event = time.is_some_and(|time| is_event_time(time, &event_columns(input)));
        let streaming = matches!(mode, OutputMode::Append) && input.has_watermark();
        match mode {
            OutputMode::Update => return Err(self.unsupported("session, count and state windows do not work in update mode")),
            OutputMode::Complete if !is_session => return Err(self.unsupported("count and state windows do not work in complete mode")),
            OutputMode::Append if is_session && !(streaming && is_event) => {
                return Err(self.unsupported("session_window in append mode needs a watermark on its time"));
            }
            _ => {}
        }
        let Keys { plain, columns, text } = self.keys(input, keys, Some(position))?;
        if is_session && plain.is_empty() && mode != OutputMode::Batch {
            return Err(self.unsupported("session_window in a stream needs another key beside it, as in Spark"));
        }
        let lanes = lane_plan(&self.query.name, calls, &fields, mode == OutputMode::Batch)?;
        let evicts_after_us = (streaming && is_event).then(|| self.watermarks.delay_us());
        let retention = if is_session && evicts_after_us.is_none() { ", kept for ever" } else { "" };
        let fingerprint = format!("keys [{text}], {}, aggregates [{}]{retention}", rule_text(&rule, &fields), lanes.text);
        let output = relation.schema();
        let emission = self.emission();
        let spec = RowWindowsSpec { rule, plain, columns, plan: lanes, emission, evicts_after_us, fingerprint, output };
        Ok(Stage::RowWindows(Box::new(RowWindows::new(spec, self.settings))))
    }

    /// What decides about the windows, and the time that the watermark may close them by.
    fn rule<'k>(&self, key: &'k GroupKey) -> Result<(Rule, Option<&'k Expr>), EngineError> {
        match key {
            GroupKey::Session(Session { time, gap, .. }) => Ok((Rule::Session { time: time.clone(), gap: self.gap(gap)? }, Some(time))),
            GroupKey::CountWindow(CountWindow { time, size, every, .. }) => {
                if !(1..=*size).contains(every)
                    || *size > i64::MAX as u64
                    || size / Rule::block_rows(*size, *every) > WINDOWS_PER_ROW_MAX as u64
                {
                    return Err(self.unsupported(format!(
                        "count_window: its step must be at least 1 and at most its size, with at most {WINDOWS_PER_ROW_MAX} blocks of their common \
                         divisor in a window"
                    )));
                }
                Ok((Rule::Count { time: time.clone(), size: *size, every: *every }, None))
            }
            GroupKey::StateWindow(StateWindow { time, begin, end, timeout_us, .. }) => {
                let rule = Rule::State { time: time.clone(), begin: begin.clone(), end: end.clone(), timeout_us: *timeout_us };
                Ok((rule, time.as_ref().filter(|_| timeout_us.is_some())))
            }
            GroupKey::Expr(_) | GroupKey::Window(_) | GroupKey::LocalWindow(_) => Err(self.unsupported("a plain key is no window")),
        }
    }

    fn gap(&self, gap: &Expr) -> Result<Gap, EngineError> {
        match (&gap.node, &gap.data_type) {
            (ExprNode::Literal(Value::String(text)), _) => Ok(parse_interval(text).map_or(Gap::Unreadable, Gap::Fixed)),
            (ExprNode::Literal(Value::Null), _) | (_, DataType::Null) => Ok(Gap::Unreadable),
            (_, DataType::String) => Ok(Gap::Dynamic(gap.clone())),
            _ => Err(self.unsupported("the gap of a session is text, such as '5 minutes'")),
        }
    }

    fn windows(&self, spec: &WindowSpec) -> Result<Windows, EngineError> {
        Windows::new(spec.size_us, spec.slide_us, spec.offset_us).ok_or_else(|| {
            self.unsupported(format!(
                "window '{}': its slide must be positive and no longer than its size, its offset shorter than its slide, and a row may fall into at most \
                 {WINDOWS_PER_ROW_MAX} windows",
                spec.name
            ))
        })
    }

    fn local_windows(&self, spec: &LocalWindow) -> Result<LocalWindows, EngineError> {
        LocalWindows::new(&spec.zone, spec.days, spec.months, spec.offset_us).ok_or_else(|| {
            self.unsupported(format!(
                "window '{}': '{}' must be a time zone that this system knows, its length days or months, its start shorter than a day",
                spec.name, spec.zone
            ))
        })
    }
}

/// The end of a window column.
fn end_of(window: Expr) -> Expr {
    let span = window.span;
    Expr { node: ExprNode::Member { input: Box::new(window), index: 1 }, data_type: DataType::Timestamp, span }
}

fn time_text(time: &TimeKey, fields: &[Field]) -> String {
    match time {
        TimeKey::None => "none".to_owned(),
        TimeKey::Window { time, windows } => {
            format!("window({}, {} µs, {} µs, {} µs)", describe(time, fields), windows.size, windows.slide, windows.offset)
        }
        TimeKey::Local { time, windows } => format!("{windows} {}", describe(time, fields)),
        TimeKey::Moment { time } => format!("moment {}", describe(time, fields)),
        TimeKey::Interval { window, size } => format!("window column {} of {size} µs", describe(window, fields)),
    }
}

fn rule_text(rule: &Rule, fields: &[Field]) -> String {
    let time = |time: &Option<Expr>| time.as_ref().map_or("none".to_owned(), |time| describe(time, fields));
    match rule {
        Rule::Session { time, gap: Gap::Fixed(gap) } => {
            format!("session {} gap {} months {} µs", describe(time, fields), gap.months, gap.micros)
        }
        Rule::Session { time, gap: Gap::Unreadable } => format!("session {} gap none", describe(time, fields)),
        Rule::Session { time, gap: Gap::Dynamic(gap) } => format!("session {} gap {}", describe(time, fields), describe(gap, fields)),
        Rule::Count { time: of, size, every } => format!("count {size} every {every} time {}", time(of)),
        Rule::State { time: of, begin, end, timeout_us } => format!(
            "state from {} to {} within {} µs time {}",
            describe(begin, fields),
            describe(end, fields),
            timeout_us.unwrap_or(0),
            time(of)
        ),
    }
}

/// Whether an aggregate of streamed rows stands in the relation or below.
pub(super) fn has_aggregate(relation: &Relation) -> bool {
    let is = matches!(relation, Relation::Aggregate { .. });
    !scanned(relation).is_empty() && (is || relation.inputs().into_iter().any(has_aggregate))
}

/// Puts the plain keys into an order that does not depend on how the query lists them, so that stored state fits a query that lists them otherwise.
fn sorted_keys(texts: Vec<String>, plain: &mut Vec<PlainKey>, columns: &mut [KeyColumn]) -> Vec<String> {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by(|a, b| texts[*a].cmp(&texts[*b]));
    *plain = order.iter().map(|index| plain[*index].clone()).collect();
    for column in columns {
        if let KeyColumn::Plain(index) = column {
            *index = order.iter().position(|old| old == index).unwrap_or(*index);
        }
    }
    order.into_iter().map(|index| texts[index].clone()).collect()
}

/// The lanes of the calls, in an order that does not depend on how the query lists them; the outputs are in the query's.
fn lane_plan(query: &str, calls: &[AggregateCall], fields: &[Field], batch: bool) -> Result<LanePlan, EngineError> {
    let text = |call: &AggregateCall| {
        let args: Vec<String> = call.args.iter().map(|arg| describe(arg, fields)).collect();
        let filter = call.filter.as_ref().map(|filter| describe(filter, fields));
        format!("{:?} {args:?} {} {filter:?}", call.function, call.distinct)
    };
    let mut order: Vec<(String, usize)> = calls.iter().map(text).zip(0..).collect();
    order.sort();
    let sorted: Vec<AggregateCall> = order.iter().map(|(_, index)| calls[*index].clone()).collect();
    let mut plan = LanePlan::new(query, &sorted, fields, batch)?;
    let mut outputs: Vec<_> = order.into_iter().map(|(_, index)| index).zip(std::mem::take(&mut plan.outputs)).collect();
    outputs.sort_by_key(|(index, _)| *index);
    plan.outputs = outputs.into_iter().map(|(_, output)| output).collect();
    Ok(plan)
}
