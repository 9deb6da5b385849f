//! The expressions that a relational operator holds.

use crate::plan::{AggregateCall, Expr, Frame, FrameBound, Generator, GroupKey, Join, OverCall, OverFunction, Relation, SortKey};

impl Relation {
    /// This operator's own expressions, each over its input's columns; a join's keys are over their own side, its condition over both.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Relation::Scan { .. }
            | Relation::ReferenceScan { .. }
            | Relation::Watermark { .. }
            | Relation::Limit { .. }
            | Relation::Union { .. }
            | Relation::Deduplicate { .. }
            | Relation::StateFunction(_) => Vec::new(),
            Relation::Values { rows, .. } => rows.iter().flatten().collect(),
            Relation::Filter { predicate, .. } => vec![predicate],
            Relation::Project { columns, .. } => columns.iter().map(|column| &column.expr).collect(),
            Relation::Aggregate { keys, aggregates, .. } => {
                keys.iter().flat_map(GroupKey::exprs).chain(aggregates.iter().flat_map(AggregateCall::exprs)).collect()
            }
            Relation::Sort { by, .. } => by.iter().map(|key| &key.expr).collect(),
            Relation::Join(Join { keys, condition, .. }) => keys.iter().flat_map(|key| [&key.left, &key.right]).chain(condition).collect(),
            Relation::Generate { generator, .. } => generator.exprs(),
            Relation::Expand { projections, .. } => projections.iter().flatten().collect(),
            Relation::Over { partition, order, calls, .. } => {
                let order = order.iter().map(|key| &key.expr);
                partition.iter().chain(order).chain(calls.iter().flat_map(OverCall::exprs)).collect()
            }
        }
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Relation::Scan { .. }
            | Relation::ReferenceScan { .. }
            | Relation::Watermark { .. }
            | Relation::Limit { .. }
            | Relation::Union { .. }
            | Relation::Deduplicate { .. }
            | Relation::StateFunction(_) => Vec::new(),
            Relation::Values { rows, .. } => rows.iter_mut().flatten().collect(),
            Relation::Filter { predicate, .. } => vec![predicate],
            Relation::Project { columns, .. } => columns.iter_mut().map(|column| &mut column.expr).collect(),
            Relation::Aggregate { keys, aggregates, .. } => {
                keys.iter_mut().flat_map(GroupKey::exprs_mut).chain(aggregates.iter_mut().flat_map(AggregateCall::exprs_mut)).collect()
            }
            Relation::Sort { by, .. } => by.iter_mut().map(|key| &mut key.expr).collect(),
            Relation::Join(Join { keys, condition, .. }) => {
                keys.iter_mut().flat_map(|key| [&mut key.left, &mut key.right]).chain(condition).collect()
            }
            Relation::Generate { generator, .. } => generator.exprs_mut(),
            Relation::Expand { projections, .. } => projections.iter_mut().flatten().collect(),
            Relation::Over { partition, order, calls, .. } => {
                let order = order.iter_mut().map(|key| &mut key.expr);
                partition.iter_mut().chain(order).chain(calls.iter_mut().flat_map(OverCall::exprs_mut)).collect()
            }
        }
    }
}

impl AggregateCall {
    pub fn exprs(&self) -> Vec<&Expr> {
        self.args.iter().chain(&self.filter).chain(self.order.iter().map(|key| &key.expr)).collect()
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let order = self.order.iter_mut().map(|SortKey { expr, .. }| expr);
        self.args.iter_mut().chain(&mut self.filter).chain(order).collect()
    }
}

impl Generator {
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Generator::Explode(input) | Generator::PosExplode(input) | Generator::Inline(input) => vec![input],
            Generator::Stack(rows) => rows.iter().flatten().collect(),
            Generator::Windows(spec) => vec![&spec.time],
        }
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Generator::Explode(input) | Generator::PosExplode(input) | Generator::Inline(input) => vec![input],
            Generator::Stack(rows) => rows.iter_mut().flatten().collect(),
            Generator::Windows(spec) => vec![&mut spec.time],
        }
    }
}

impl OverCall {
    pub fn exprs(&self) -> Vec<&Expr> {
        let inner = match &self.function {
            OverFunction::Aggregate(call) => call.exprs(),
            _ => Vec::new(),
        };
        let Frame { start, end, .. } = &self.frame;
        self.args.iter().chain(inner).chain([start, end].into_iter().filter_map(FrameBound::distance)).collect()
    }

    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let OverCall { function, args, frame: Frame { start, end, .. }, .. } = self;
        let inner = match function {
            OverFunction::Aggregate(call) => call.exprs_mut(),
            _ => Vec::new(),
        };
        args.iter_mut().chain(inner).chain([start, end].into_iter().filter_map(FrameBound::distance_mut)).collect()
    }
}

impl FrameBound {
    /// How far from the current row, where that is written.
    pub fn distance(&self) -> Option<&Expr> {
        match self {
            FrameBound::Preceding(distance) | FrameBound::Following(distance) => Some(distance),
            _ => None,
        }
    }

    fn distance_mut(&mut self) -> Option<&mut Expr> {
        match self {
            FrameBound::Preceding(distance) | FrameBound::Following(distance) => Some(distance),
            _ => None,
        }
    }
}
