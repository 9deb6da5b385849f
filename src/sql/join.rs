//! Joins: names of both sides, keys out of the condition, USING and NATURAL columns, and what streams allow.
//!
//! The engine finds streams on the left of a join with a static side: such sides are swapped here.
//!
//! Limits: [`TABLES_MAX`] tables in one FROM.

use sqlparser::ast::{self, JoinConstraint, JoinOperator, TableWithJoins};

use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn, Shown};
use super::subquery::{holds_subquery, is_correlated};
use super::{join_time, operators, tree};
use crate::plan::{Expr, ExprNode, Function, Join, JoinKey, JoinKind, NamedExpr, OutputMode, Relation, Span};
use crate::types::DataType;

/// Tables of one FROM.
pub const TABLES_MAX: usize = 64;

/// A column that USING or NATURAL names: where it is on each side.
struct Shared {
    name: String,
    left: usize,
    right: usize,
}

impl Planner<'_> {
    /// All tables of FROM; those between commas are joined without a condition.
    pub fn plan_tables(&self, from: &[TableWithJoins], span: Span) -> Result<Planned, SqlError> {
        let tables: usize = from.iter().map(|one| 1 + one.joins.len()).sum();
        if tables > TABLES_MAX {
            return Err(SqlError::new(span, format!("FROM has {tables} tables: at most {TABLES_MAX} can be joined")));
        }
        let mut all: Option<Planned> = None;
        for one in from {
            let (mut planned, left) = match all.take() {
                Some(left) if is_lateral(&one.relation) => (self.plan_lateral(left, &one.relation, JoinKind::Cross)?, None),
                left => (self.plan_factor(&one.relation)?, left),
            };
            for join in &one.joins {
                planned = self.plan_join(planned, join)?;
            }
            all = Some(match left {
                None => planned,
                Some(left) => self.join(left, planned, JoinKind::Cross, &JoinConstraint::None, place(one))?,
            });
        }
        all.ok_or_else(|| SqlError::new(span, "FROM has no table"))
    }

    fn plan_join(&self, left: Planned, join: &ast::Join) -> Result<Planned, SqlError> {
        let span = place(&join.relation);
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (JoinKind::Inner, constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (JoinKind::Right, constraint),
            JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
            JoinOperator::CrossJoin(constraint) => (JoinKind::Cross, constraint),
            JoinOperator::Semi(constraint) | JoinOperator::LeftSemi(constraint) => (JoinKind::LeftSemi, constraint),
            JoinOperator::Anti(constraint) | JoinOperator::LeftAnti(constraint) => (JoinKind::LeftAnti, constraint),
            _ => {
                let error = SqlError::new(span, "there is no such join");
                return Err(error.help("there are [INNER], LEFT, RIGHT and FULL [OUTER], LEFT SEMI, LEFT ANTI and CROSS JOIN"));
            }
        };
        if join.global {
            return Err(SqlError::unsupported(span, "GLOBAL JOIN"));
        }
        if is_lateral(&join.relation) {
            if !matches!(constraint, JoinConstraint::None) {
                return Err(SqlError::unsupported(span, "a condition on a LATERAL join").help("put it into WHERE"));
            }
            return self.plan_lateral(left, &join.relation, kind);
        }
        let right = self.plan_factor(&join.relation)?;
        self.join(left, right, kind, constraint, span)
    }

    /// Two planned tables joined by a written condition.
    fn join(&self, left: Planned, right: Planned, kind: JoinKind, constraint: &JoinConstraint, span: Span) -> Result<Planned, SqlError> {
        let shared = match constraint {
            JoinConstraint::Using(names) => using(names, &left.scope, &right.scope)?,
            JoinConstraint::Natural => natural(&left.scope, &right.scope, span)?,
            JoinConstraint::On(_) | JoinConstraint::None => vec![],
        };
        let width = left.scope.columns.len();
        let both = Scope { columns: left.scope.columns.iter().chain(&right.scope.columns).cloned().collect() };
        let (mut conditions, mut subqueries) = (Vec::new(), Vec::new());
        if let JoinConstraint::On(condition) = constraint {
            let mut exprs = ExprPlanner::new(self, &both, Clause::On);
            tree::conjuncts(exprs.plan_boolean(condition)?, &mut conditions);
            subqueries = exprs.subqueries;
        }
        let (later, mut conditions): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(holds_subquery);
        if let (Some(first), false) = (later.first(), matches!(kind, JoinKind::Inner | JoinKind::Cross)) {
            return Err(SqlError::unsupported(first.span, "a subquery in the condition of such a join")
                .help("filter one side in a subquery in FROM"));
        }
        for column in &shared {
            let side = |index: usize| tree::column(index, both.columns[index].data_type.clone(), span);
            conditions.push(operators::comparison(Function::Equal, side(column.left), side(width + column.right))?);
        }
        let mut joined = self.join_on(left, right, kind, conditions, span)?;
        if !later.is_empty() {
            joined = self.filter_with(joined, tree::chain(later, false), subqueries)?;
        }
        Ok(if shared.is_empty() { joined } else { merge_shared(joined, shared, kind, width, span) })
    }

    /// Two planned tables joined where all `conditions`, over the columns of the left and then the right one, are TRUE.
    pub fn join_on(&self, left: Planned, right: Planned, kind: JoinKind, conditions: Vec<Expr>, span: Span) -> Result<Planned, SqlError> {
        if let Some(stray) = conditions.iter().find(|condition| is_correlated(condition)) {
            let error = SqlError::new(stray.span, "a column of the query around cannot stand in a join or in a subquery of a subquery");
            return Err(error.help("write a join instead"));
        }
        self.check_streams(&left.relation, &right.relation, kind, &conditions, span)?;
        let width = left.scope.columns.len();
        let only_left = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
        let columns = left.scope.columns.iter().chain(right.scope.columns.iter().filter(|_| !only_left)).cloned().collect();
        let scope = Scope { columns };
        let kind = match kind {
            JoinKind::Inner | JoinKind::Cross if conditions.is_empty() => JoinKind::Cross,
            JoinKind::Cross => JoinKind::Inner,
            kind => kind,
        };
        let (keys, rest) = split_keys(conditions, width);
        let condition = (!rest.is_empty()).then(|| tree::chain(rest, false));
        condition.iter().chain(keys.iter().flat_map(|key| [&key.left, &key.right])).try_for_each(tree::check_expr_depth)?;
        let join = Join { left: Box::new(left.relation), right: Box::new(right.relation), kind, keys, condition, time: None, span };
        let relation = if self.is_stream(&join.right) && !self.is_stream(&join.left) { swapped(join) } else { Relation::Join(join) };
        Ok(Planned { relation, scope })
    }

    /// Whether rows of the relation come over time.
    pub fn is_stream(&self, relation: &Relation) -> bool {
        let mut found = false;
        relation.visit(&mut |relation| found |= matches!(relation, Relation::Scan { .. }));
        found && self.mode != OutputMode::Batch
    }

    /// What Spark allows of joins between streams and with static tables.
    fn check_streams(&self, left: &Relation, right: &Relation, kind: JoinKind, conditions: &[Expr], span: Span) -> Result<(), SqlError> {
        use JoinKind::{Full, Inner, Left, LeftAnti, LeftSemi, Right};
        let refused = |message: &str, help: &str| Err(SqlError::new(span, message).help(help));
        match (self.is_stream(left), self.is_stream(right), kind) {
            (true, false, Right | Full) => refused(
                "a stream cannot be on the nullable side of an outer join with a static table: which of its rows match is never known",
                "use LEFT JOIN with the stream on the left",
            ),
            (false, true, Left | Full | LeftSemi | LeftAnti) => refused(
                "in a join that keeps the rows of a static table, the other side cannot be a stream: its rows may still come",
                "put the stream on the left",
            ),
            (true, true, LeftAnti) => {
                refused("LEFT ANTI JOIN does not work with a stream on the right", "use LEFT JOIN and WHERE … IS NULL")
            }
            (true, true, _) if self.mode != OutputMode::Append && (kind != Inner || self.mode != OutputMode::Update) => {
                refused("a join of two streams works in append mode only", "use mode = \"append\"")
            }
            (true, true, _) if !conditions.iter().any(|condition| is_equality(condition, left.schema().len())) => {
                refused("a join of two streams needs an equality between their columns", "as in ON a.device = b.device")
            }
            (true, true, Left | Right | Full | LeftSemi) => check_bounded(left, right, kind, conditions, span),
            _ => Ok(()),
        }
    }
}

/// An outer join of streams must know when no partner can come any more.
fn check_bounded(left: &Relation, right: &Relation, kind: JoinKind, conditions: &[Expr], span: Span) -> Result<(), SqlError> {
    let help = "write WATERMARK on both sides, and bound the times as in b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 HOUR";
    let error = |message: &str| Err(SqlError::new(span, message).help(help));
    let name = match kind {
        JoinKind::LeftSemi => "a LEFT SEMI JOIN",
        _ => "an outer join",
    };
    let needed = match kind {
        JoinKind::Left | JoinKind::LeftSemi => right.has_watermark(),
        JoinKind::Right => left.has_watermark(),
        _ => left.has_watermark() && right.has_watermark(),
    };
    if !needed {
        return error(&format!("{name} of two streams needs a watermark on the side whose rows may be missing"));
    }
    let width = left.schema().len();
    let (left_times, right_times) = (left.event_time_columns(), right.event_time_columns());
    let (keys, _) = split_keys(conditions.to_vec(), width);
    let is_time = |expr: &Expr, times: &[bool]| tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if times[index]));
    if keys.iter().any(|key| is_time(&key.left, &left_times) || is_time(&key.right, &right_times)) {
        return Ok(());
    }
    let bounded = join_time::bounds(&left_times, &right_times, conditions).is_some_and(|time| match kind {
        JoinKind::Left | JoinKind::LeftSemi => time.max_us.is_some(),
        JoinKind::Right => time.min_us.is_some(),
        _ => time.min_us.is_some() && time.max_us.is_some(),
    });
    if bounded {
        Ok(())
    } else {
        error(&format!("{name} of two streams needs a bound between their event times: without one it never knows that no partner comes"))
    }
}

/// The same join with the other side on the left, its columns put back into their order.
fn swapped(join: Join) -> Relation {
    let (left, right) = (join.left.schema(), join.right.schema());
    let kind = if join.kind == JoinKind::Right { JoinKind::Left } else { join.kind };
    let keys = join.keys.into_iter().map(|key| JoinKey { left: key.right, right: key.left, ..key }).collect();
    let moved: Vec<usize> = (0..left.len()).map(|index| right.len() + index).chain(0..right.len()).collect();
    let condition = join.condition.map(|mut condition| {
        tree::move_columns(&mut condition, &moved);
        condition
    });
    let fields = left.into_iter().chain(right);
    let columns = fields
        .zip(&moved)
        .map(|(field, index)| NamedExpr { name: field.name, expr: tree::column(*index, field.data_type, Span::default()) })
        .collect();
    let join = Join { left: join.right, right: join.left, kind, keys, condition, time: None, span: join.span };
    Relation::Project { input: Box::new(Relation::Join(join)), columns }
}

/// On which side of a join an expression's columns stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
    Both,
    /// It has no columns.
    Neither,
}

/// The side of an expression over `width` left columns followed by the right ones.
pub fn side_of(expr: &Expr, width: usize) -> Side {
    let (mut left, mut right) = (false, false);
    tree::visit(expr, &mut |node| {
        if let ExprNode::Column(index) = node.node {
            left |= index < width;
            right |= index >= width;
        }
    });
    match (left, right) {
        (true, true) => Side::Both,
        (true, false) => Side::Left,
        (false, true) => Side::Right,
        (false, false) => Side::Neither,
    }
}

fn is_equality(condition: &Expr, width: usize) -> bool {
    let ExprNode::Call { function: Function::Equal | Function::EqualNullSafe, args } = &condition.node else { return false };
    let sides = [side_of(&args[0], width), side_of(&args[1], width)];
    sides == [Side::Left, Side::Right] || sides == [Side::Right, Side::Left]
}

/// The equalities between the two sides, and the other conditions.
pub fn split_keys(conditions: Vec<Expr>, width: usize) -> (Vec<JoinKey>, Vec<Expr>) {
    let (mut keys, mut rest) = (Vec::new(), Vec::new());
    for condition in conditions {
        if !is_equality(&condition, width) {
            rest.push(condition);
            continue;
        }
        let ExprNode::Call { function, args } = condition.node else { continue };
        let null_safe = function == Function::EqualNullSafe;
        let Ok([a, b]) = <[Expr; 2]>::try_from(args) else { continue };
        let (left, mut right) = if side_of(&a, width) == Side::Left { (a, b) } else { (b, a) };
        tree::shift_columns(&mut right, width);
        keys.push(JoinKey { left, right, null_safe });
    }
    (keys, rest)
}

/// A table that refers to those before it.
fn is_lateral(factor: &ast::TableFactor) -> bool {
    matches!(factor, ast::TableFactor::Function { lateral: true, .. } | ast::TableFactor::Derived { lateral: true, .. })
}

fn using(names: &[ast::ObjectName], left: &Scope, right: &Scope) -> Result<Vec<Shared>, SqlError> {
    let mut shared = Vec::new();
    for written in names {
        let span = place(written);
        let name = written.to_string().replace('`', "");
        let side = |scope: &Scope, which: &str| match scope.resolve(&[&name], span)? {
            Some(Expr { node: ExprNode::Column(index), .. }) => Ok(index),
            _ => Err(SqlError::new(span, format!("USING needs `{name}` on both sides, but there is none on the {which}"))),
        };
        shared.push(Shared { left: side(left, "left")?, right: side(right, "right")?, name });
    }
    Ok(shared)
}

fn natural(left: &Scope, right: &Scope, span: Span) -> Result<Vec<Shared>, SqlError> {
    let mut shared = Vec::new();
    for column in left.columns.iter().filter(|column| column.shown == Shown::Always) {
        let also = |other: &ScopeColumn| other.shown == Shown::Always && other.name.eq_ignore_ascii_case(&column.name);
        if !right.columns.iter().any(also) {
            continue;
        }
        let side = |scope: &Scope| match scope.resolve(&[&column.name], span)? {
            Some(Expr { node: ExprNode::Column(index), .. }) => Ok(index),
            _ => Err(SqlError::new(span, format!("`{}` is no column of both sides", column.name))),
        };
        shared.push(Shared { name: column.name.clone(), left: side(left)?, right: side(right)? });
    }
    Ok(shared)
}

/// Puts the shared columns first, once; the side that the bare name does not mean can be had with its table.
fn merge_shared(joined: Planned, shared: Vec<Shared>, kind: JoinKind, width: usize, span: Span) -> Planned {
    let old = &joined.scope.columns;
    let column = |index: usize| tree::column(index, old[index].data_type.clone(), span);
    let mut columns: Vec<(ScopeColumn, Expr)> = Vec::new();
    let mut beside = Vec::new();
    for Shared { name, left, right } in &shared {
        let right = width + right;
        match kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => columns.push((old[*left].clone(), column(*left))),
            JoinKind::Full => {
                let met = super::coerce::common(&old[*left].data_type, &old[right].data_type).unwrap_or(DataType::Null);
                let sides = [*left, right].map(|index| super::coerce::cast(column(index), &met)).into();
                let expr = Expr { node: ExprNode::Coalesce(sides), data_type: met.clone(), span };
                columns.push((ScopeColumn::new(name.clone(), met), expr));
                beside.extend([*left, right]);
            }
            _ => {
                let (shown, other) = if kind == JoinKind::Right { (right, *left) } else { (*left, right) };
                columns.push((old[shown].clone(), column(shown)));
                beside.push(other);
            }
        }
    }
    let used = |index: usize| shared.iter().any(|column| column.left == index || width + column.right == index);
    columns.extend((0..old.len()).filter(|index| !used(*index)).map(|index| (old[index].clone(), column(index))));
    columns.extend(beside.into_iter().map(|index| (ScopeColumn { shown: Shown::WithTable, ..old[index].clone() }, column(index))));
    let (scope, exprs): (Vec<ScopeColumn>, Vec<Expr>) = columns.into_iter().unzip();
    let named = scope.iter().zip(exprs).map(|(column, expr)| NamedExpr { name: column.name.clone(), expr }).collect();
    Planned { relation: Relation::Project { input: Box::new(joined.relation), columns: named }, scope: Scope { columns: scope } }
}
