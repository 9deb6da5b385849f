//! GROUP BY: from a relation to an [`AggregateSpec`].

use super::Compiler;
use super::events::{EventColumn, event_columns, is_event_time, source_column};
use crate::engine::aggregate::Aggregate;
use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::spec::{AggregateSpec, Emission, KeyColumn, LanePlan, PlainKey, TimeKey};
use crate::engine::stage::Stage;
use crate::engine::window::{WINDOWS_PER_ROW_MAX, Windows};
use crate::plan::{AggregateCall, ExprNode, GroupKey, OutputMode, Relation, WindowSpec};
use crate::types::Field;

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
        let fields = input.schema();
        let events = event_columns(input);
        let streaming = matches!(mode, OutputMode::Append | OutputMode::Update) && input.has_watermark();
        let (time, is_event) = self.time_key(keys, &events, streaming)?;
        if mode == OutputMode::Append && !(streaming && is_event) {
            return Err(self.unsupported(
                "append mode needs a watermark, and the event time or a window over it in GROUP BY; add them, or use update or complete mode",
            ));
        }
        let mut plain = Vec::new();
        let mut columns = Vec::new();
        let mut key_texts = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if time.as_ref().is_some_and(|(position, _)| *position == index) {
                columns.push(KeyColumn::Time);
            } else if let GroupKey::Expr(named) = key {
                columns.push(KeyColumn::Plain(plain.len()));
                key_texts.push(format!("{} {}", describe(&named.expr, &fields), named.expr.data_type));
                let from_source = matches!(named.expr.node, ExprNode::Column(column) if source_column(input, column).is_some());
                plain.push(PlainKey { expr: named.expr.clone(), from_source });
            } else {
                return Err(self.unsupported("two windows in one GROUP BY"));
            }
        }
        let lanes = LanePlan::new(&self.query.name, calls, &fields, mode == OutputMode::Batch)?;
        let time = time.map_or(TimeKey::None, |(_, time)| time);
        let emission = match mode {
            OutputMode::Append => Emission::Closed,
            OutputMode::Update => Emission::Changed,
            OutputMode::Complete => Emission::All,
            OutputMode::Batch => Emission::AtEnd,
        };
        let evicts_after_us = (streaming && is_event).then(|| self.watermarks.delay_us());
        let retention = if evicts_after_us.is_none() { ", kept for ever" } else { "" };
        let fingerprint =
            format!("keys [{}], time {}, aggregates [{}]{retention}", key_texts.join(", "), time_text(&time, &fields), lanes.text);
        let output = relation.schema();
        let spec = AggregateSpec { time, plain, columns, plan: lanes, emission, evicts_after_us, fingerprint, output };
        Ok(Stage::Aggregate(Box::new(Aggregate::new(spec, self.settings))))
    }

    /// The key that is time, with its position; and whether that is event time.
    fn time_key(
        &self,
        keys: &[GroupKey],
        events: &[EventColumn],
        streaming: bool,
    ) -> Result<(Option<(usize, TimeKey)>, bool), EngineError> {
        for (index, key) in keys.iter().enumerate() {
            if let GroupKey::Window(spec) = key {
                let windows = self.windows(spec)?;
                return Ok((Some((index, TimeKey::Window { time: spec.time.clone(), windows })), is_event_time(&spec.time, events)));
            }
        }
        if streaming {
            for (index, key) in keys.iter().enumerate() {
                let GroupKey::Expr(named) = key else { continue };
                let ExprNode::Column(column) = named.expr.node else { continue };
                let Some(event) = events.iter().find(|event| event.column == column) else { continue };
                let time = match event.window_size {
                    Some(size) => TimeKey::Interval { window: named.expr.clone(), size },
                    None => TimeKey::Moment { time: named.expr.clone() },
                };
                return Ok((Some((index, time)), true));
            }
        }
        Ok((None, false))
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
}

fn time_text(time: &TimeKey, fields: &[Field]) -> String {
    match time {
        TimeKey::None => "none".to_owned(),
        TimeKey::Window { time, windows } => {
            format!("window({}, {} µs, {} µs, {} µs)", describe(time, fields), windows.size, windows.slide, windows.offset)
        }
        TimeKey::Moment { time } => format!("moment {}", describe(time, fields)),
        TimeKey::Interval { window, size } => format!("window column {} of {size} µs", describe(window, fields)),
    }
}

/// Whether an aggregate stands in the relation or below.
pub(super) fn has_aggregate(relation: &Relation) -> bool {
    matches!(relation, Relation::Aggregate { .. }) || relation.inputs().into_iter().any(has_aggregate)
}
