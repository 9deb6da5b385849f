//! Which columns carry event time, and which come unchanged from a source.

use crate::plan::{Expr, ExprNode, Function, GroupKey, JoinKind, LocalWindow, Relation, Session};
use crate::types::{DataType, Value, window_type};

/// An output column that carries event time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EventColumn {
    pub column: usize,
    pub kind: EventKind,
}

/// What of event time a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Moment,
    /// A window of this size, µs.
    Window(i64),
    /// A window whose length is its own: a session, a local day.
    Uneven,
}

/// The sources below, each once.
pub(super) fn scanned(relation: &Relation) -> Vec<usize> {
    let mut sources = Vec::new();
    relation.visit(&mut |relation| {
        if let Relation::Scan { source, .. } = relation {
            sources.push(*source);
        }
    });
    sources.sort_unstable();
    sources.dedup();
    sources
}

/// The source's column that column `column` of `relation` is, unchanged.
pub(super) fn source_column(relation: &Relation, column: usize) -> Option<(usize, usize)> {
    match relation {
        Relation::Scan { source, columns, .. } => columns.get(column).map(|column| (*source, *column)),
        Relation::Filter { input, .. }
        | Relation::Watermark { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Deduplicate { input, .. } => source_column(input, column),
        // Rows that are made several times share their columns or hold copies of them.
        Relation::Expand { input, projections, .. } => {
            let mut inner = projections.iter().map(|projection| match projection.get(column)?.node {
                ExprNode::Column(inner) => Some(inner),
                _ => None,
            });
            let first = inner.next()??;
            inner.all(|other| other == Some(first)).then(|| source_column(input, first))?
        }
        Relation::Project { input, columns } => match columns.get(column)?.expr.node {
            ExprNode::Column(inner) => source_column(input, inner),
            _ => None,
        },
        // Rows that are looked up keep their columns; those of two streams or whole sides are copied.
        Relation::Join(join) if scanned(&join.right).is_empty() => source_column(&join.left, column),
        _ => None,
    }
}

/// The columns of `relation` that the watermark speaks about.
pub(super) fn event_columns(relation: &Relation) -> Vec<EventColumn> {
    match relation {
        Relation::Filter { input, .. }
        | Relation::Sort { input, .. }
        | Relation::Limit { input, .. }
        | Relation::Deduplicate { input, .. } => event_columns(input),
        Relation::Watermark { input, column, .. } => {
            let mut events = event_columns(input);
            events.push(EventColumn { column: *column, kind: EventKind::Moment });
            events
        }
        Relation::Project { input, columns } => {
            let events = event_columns(input);
            columns.iter().enumerate().filter_map(|(column, named)| projected_event(&named.expr, &events, column)).collect()
        }
        Relation::Aggregate { input, keys, .. } => {
            let events = event_columns(input);
            let event = |(column, key): (usize, &GroupKey)| match key {
                GroupKey::Expr(named) => projected_event(&named.expr, &events, column),
                GroupKey::Window(spec) => {
                    is_event_time(&spec.time, &events).then_some(EventColumn { column, kind: EventKind::Window(spec.size_us) })
                }
                GroupKey::Session(Session { time, .. }) | GroupKey::LocalWindow(LocalWindow { time, .. }) => {
                    is_event_time(time, &events).then_some(EventColumn { column, kind: EventKind::Uneven })
                }
                GroupKey::CountWindow(_) | GroupKey::StateWindow(_) => None,
            };
            keys.iter().enumerate().filter_map(event).collect()
        }
        Relation::Join(join) => {
            let mut events = event_columns(&join.left);
            if !matches!(join.kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
                let width = join.left.schema().len();
                events.extend(event_columns(&join.right).into_iter().map(|event| EventColumn { column: width + event.column, ..event }));
            }
            events
        }
        Relation::Generate { input, .. } | Relation::Over { input, .. } => event_columns(input),
        Relation::Expand { input, projections, .. } => {
            let events = event_columns(input);
            let of = |projection: &Vec<Expr>| {
                projection.iter().enumerate().filter_map(|(column, expr)| projected_event(expr, &events, column)).collect()
            };
            projections.iter().map(of).reduce(common_events).unwrap_or_default()
        }
        Relation::Union { inputs } => inputs.iter().map(event_columns).reduce(common_events).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// What is event time on both sides, alike.
fn common_events(mut left: Vec<EventColumn>, right: Vec<EventColumn>) -> Vec<EventColumn> {
    left.retain(|event| right.contains(event));
    left
}

fn projected_event(expr: &Expr, events: &[EventColumn], column: usize) -> Option<EventColumn> {
    if let ExprNode::Column(inner) = expr.node {
        let event = events.iter().find(|event| event.column == inner)?;
        return Some(EventColumn { column, ..*event });
    }
    if is_event_time(expr, events) {
        return Some(EventColumn { column, kind: EventKind::Moment });
    }
    match &expr.node {
        ExprNode::Call { function: Function::WindowOf, args } if args.first().is_some_and(|time| is_event_time(time, events)) => {
            let size = match args.get(1).map(|size| &size.node) {
                Some(ExprNode::Literal(Value::BigInt(size))) => *size,
                _ => return None,
            };
            (expr.data_type == window_type()).then_some(EventColumn { column, kind: EventKind::Window(size) })
        }
        _ => None,
    }
}

/// The event time itself, or `window_time` of a window over it.
pub(super) fn is_event_time(expr: &Expr, events: &[EventColumn]) -> bool {
    if expr.data_type != DataType::Timestamp {
        return false;
    }
    let is = |expr: &Expr, window: bool| matches!(expr.node, ExprNode::Column(column) if events.iter().any(|event| event.column == column && (event.kind != EventKind::Moment) == window));
    match &expr.node {
        ExprNode::Call { function: Function::WindowTime, args } => args.first().is_some_and(|window| is(window, true)),
        _ => is(expr, false),
    }
}
