//! Joins: which operator a join becomes, and what streams do not allow.

use super::Compiler;
use super::events::{EventColumn, event_columns, scanned};
use crate::engine::dedup::Deduplicate;
use crate::engine::describe::describe;
use crate::engine::error::EngineError;
use crate::engine::join::{Expiry, Lookup, SideKeys, SideSpec, StreamJoin, StreamJoinSpec, Whole, conjuncts, mark_columns, shift_columns};
use crate::engine::stage::Stage;
use crate::plan::{Expr, ExprNode, Join, JoinKey, JoinKind, OutputMode, Relation, Span};
use crate::types::{DataType, Field};

/// Stretches that the time for which rows are kept is cut into, for storing them.
const STRETCHES: i64 = 8;

const STRETCH_MIN_US: i64 = 1_000_000;

impl Compiler<'_> {
    /// The join, where its right side is one to look rows up in: it reads no source, and unmatched rows of it do not come out.
    pub(super) fn lookup_join<'r>(&self, relation: &'r Relation) -> Option<&'r Join> {
        match relation {
            Relation::Join(join) if Lookup::takes(join.kind) && scanned(&join.right).is_empty() => Some(join),
            _ => None,
        }
    }

    fn stream_join(&self, join: &Join) -> Result<StreamJoin, EngineError> {
        use JoinKind::{Full, Inner, Left, LeftSemi, Right};
        match (join.kind, self.query.mode) {
            (Inner, OutputMode::Append | OutputMode::Update) | (Left | Right | Full | LeftSemi, OutputMode::Append) => {}
            (JoinKind::Cross | JoinKind::LeftAnti, _) => {
                return Err(self.unsupported("two streams join by INNER, LEFT, RIGHT, FULL and LEFT SEMI JOIN"));
            }
            _ => return Err(self.unsupported("a join of two streams works in append mode only")),
        }
        let fields = [join.left.schema(), join.right.schema()];
        let width = fields[0].len();
        let (mut own, mut both) = ([None, None], None);
        let mut parts = Vec::new();
        join.condition.iter().for_each(|condition| conjuncts(condition.clone(), &mut parts));
        for mut part in parts {
            let mut used = vec![false; width + fields[1].len()];
            mark_columns(&part, &mut used);
            let into = match (used[..width].contains(&true), used[width..].contains(&true)) {
                (true, false) => &mut own[0],
                (false, true) => {
                    shift_columns(&mut part, width);
                    &mut own[1]
                }
                _ => &mut both,
            };
            *into = Some(and(into.take(), part));
        }
        let [left_own, right_own] = own;
        let (left, right) = (self.side(join, 0, left_own), self.side(join, 1, right_own));
        let bounded = |side: &SideSpec| side.expiry.is_some();
        let known = match join.kind {
            Left | LeftSemi => bounded(&left),
            Right => bounded(&right),
            Full => bounded(&left) || bounded(&right),
            _ => true,
        };
        if !known {
            return Err(self.unsupported("an outer join of two streams needs watermarks and a bound between their event times"));
        }
        let kept_us: i64 = [&left, &right].iter().filter_map(|side| side.expiry.as_ref()).map(|expiry| expiry.lag_us.max(0)).sum();
        let stretch_us = (kept_us.saturating_add(self.watermarks.delay_us()) / STRETCHES).max(STRETCH_MIN_US);
        let key_types = join.keys.iter().map(|key| key.left.data_type.clone()).collect();
        let fingerprint = fingerprint(join, &fields);
        Ok(StreamJoin::new(
            StreamJoinSpec { kind: join.kind, sides: [left, right], fields, condition: both, key_types, fingerprint, stretch_us },
            self.settings,
        ))
    }

    fn side(&self, join: &Join, port: usize, own: Option<Expr>) -> SideSpec {
        let (relation, other) = if port == 0 { (&join.left, &join.right) } else { (&join.right, &join.left) };
        let fields = relation.schema();
        let events = event_columns(relation);
        let key_of = |key: &JoinKey, port: usize| if port == 0 { key.left.clone() } else { key.right.clone() };
        let column = |index: usize| Expr { node: ExprNode::Column(index), data_type: fields[index].data_type.clone(), span: join.span };
        // A row's pair has the same event time among its keys; or the times of a pair are bounded.
        let other_events = event_columns(other);
        let timed = join.keys.iter().find(|key| is_event(&key_of(key, port), &events) || is_event(&key_of(key, 1 - port), &other_events));
        let by_key = timed.map(|key| Expiry { time: key_of(key, port), lag_us: 0, in_key: true });
        let by_range = || {
            let time = join.time?;
            let (column_of, reach_us) = if port == 0 { (time.left, time.max_us?) } else { (time.right, time.min_us?.checked_neg()?) };
            // Watermarks are whole milliseconds.
            let lag_us = reach_us.div_euclid(1000).checked_mul(1000)?.checked_add(1000)?;
            Some(Expiry { time: column(column_of), lag_us, in_key: false })
        };
        SideSpec {
            keys: SideKeys::new(join.keys.iter().map(|key| (key_of(key, port), key.null_safe))),
            own,
            event: events.first().map(|event| column(event.column)),
            expiry: by_key.or_else(by_range),
        }
    }

    pub(super) fn deduplicate(&self, input: &Relation, keys: &[usize], delay_us: i64) -> Result<Stage, EngineError> {
        let fields = input.schema();
        let column = |index: usize| {
            let data_type = fields.get(index).map_or(DataType::Null, |field| field.data_type.clone());
            Expr { node: ExprNode::Column(index), data_type, span: Span::default() }
        };
        let Some(event) = event_columns(input).first().copied().filter(|_| self.query.mode != OutputMode::Batch) else {
            return Err(self.unsupported("repeats are dropped within a stream's watermark: it has none"));
        };
        let keys: Vec<Expr> = keys.iter().map(|key| column(*key)).collect();
        let names: Vec<String> = keys.iter().map(|key| format!("{} {}", describe(key, &fields), key.data_type)).collect();
        let fingerprint = format!("first rows by [{}] within {delay_us} µs", names.join(", "));
        Ok(Stage::Deduplicate(Box::new(Deduplicate::new(keys, column(event.column), delay_us, fingerprint, self.settings))))
    }

    pub(super) fn join(&self, relation: &Relation, join: &Join) -> Result<Stage, EngineError> {
        if self.lookup_join(relation).is_some() {
            return Ok(Stage::Lookup(Box::new(Lookup::new(join, self.program, self.query, self.settings)?)));
        }
        if self.query.mode == OutputMode::Batch {
            return Ok(Stage::Whole(Box::new(Whole::new(join, self.settings))));
        }
        if scanned(&join.left).is_empty() {
            return Err(self.unsupported("a stream joined with a table must stand on the left, and its rows be kept"));
        }
        if scanned(&join.right).is_empty() {
            return Err(self.unsupported("the unmatched rows of a table joined with a stream are never known"));
        }
        Ok(Stage::Join(Box::new(self.stream_join(join)?)))
    }
}

fn is_event(expr: &Expr, events: &[EventColumn]) -> bool {
    matches!(expr.node, ExprNode::Column(index) if events.iter().any(|event| event.column == index))
}

fn and(before: Option<Expr>, expr: Expr) -> Expr {
    match before {
        None => expr,
        Some(before) => Expr { span: expr.span, node: ExprNode::And(Box::new(before), Box::new(expr)), data_type: DataType::Boolean },
    }
}

/// What identifies the join in the stored state, for people too.
fn fingerprint(join: &Join, fields: &[Vec<Field>; 2]) -> String {
    let both: Vec<Field> = fields.iter().flatten().cloned().collect();
    let key = |key: &JoinKey| {
        let sign = if key.null_safe { "<=>" } else { "=" };
        format!("{} {sign} {} {}", describe(&key.left, &fields[0]), describe(&key.right, &fields[1]), key.left.data_type)
    };
    let side = |fields: &[Field]| fields.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ");
    let keys: Vec<String> = join.keys.iter().map(key).collect();
    let condition = join.condition.as_ref().map_or(String::new(), |condition| format!(" where {}", describe(condition, &both)));
    format!("{:?} join of [{}] and [{}] on [{}]{condition}", join.kind, side(&fields[0]), side(&fields[1]), keys.join(", "))
}
