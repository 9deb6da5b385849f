//! Subqueries in expressions: scalar, IN, EXISTS; over tables, as joins.
//!
//! In WHERE, `IN` and `EXISTS` that must hold become semi and anti joins. Elsewhere a subquery is joined as a column: each of its keys once.
//! Columns of the query around stand in the subquery's own WHERE only, and beside EXISTS and IN in WHERE, only in equalities.

use sqlparser::ast;

use super::coerce::cast;
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::grouping::Keys;
use super::operators::comparison;
use super::places::Stand;
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn, Shown};
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, Function, GroupKey, JoinKind, NamedExpr, Relation, Span};
use crate::types::{DataType, Value};

/// What is asked of a subquery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Scalar,
    Exists,
    In,
}

/// A planned subquery and how it meets the query around it.
pub struct Subquery {
    pub asked: Asked,
    pub negated: bool,
    planned: Planned,
    /// Equalities: an expression over the outer query's columns, and one over the subquery's.
    keys: Vec<(Expr, Expr)>,
    /// Other conditions: outer columns as [`Stand::Outer`], the subquery's as they are.
    rest: Vec<Expr>,
    /// The value of a scalar subquery where there is no row.
    default: Option<Expr>,
    span: Span,
}

/// What a subquery's WHERE says of the query around it, over the subquery's result.
#[derive(Default)]
pub struct Correlation {
    pub conditions: Vec<Expr>,
    pub default: Option<Expr>,
}

impl Subquery {
    pub fn outer_exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.keys.iter_mut().map(|(outer, _)| outer)
    }
}

/// Whether the expression looks at the query around.
pub fn is_correlated(expr: &Expr) -> bool {
    tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if matches!(Stand::of(index), Stand::Outer(_))))
}

pub fn holds_subquery(expr: &Expr) -> bool {
    tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if matches!(Stand::of(index), Stand::Subquery(_))))
}

impl ExprPlanner<'_> {
    /// A subquery in an expression: noted, and a column that stands for its value.
    pub fn subquery(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let span = place(expr);
        if self.in_aggregate
            || self.in_generator
            || self.in_over
            || matches!(self.clause, Clause::On | Clause::GroupBy | Clause::Generator | Clause::Values | Clause::Watermark)
        {
            let error = SqlError::new(span, "a subquery cannot stand here");
            return Err(error.help("compute it in the SELECT list of a subquery in FROM, or join it"));
        }
        let (asked, query, negated, values) = match expr {
            ast::Expr::Exists { subquery, negated } => (Asked::Exists, subquery, *negated, vec![]),
            ast::Expr::InSubquery { expr, subquery, negated } => {
                let values = match &**expr {
                    ast::Expr::Tuple(values) => values.iter().map(|value| self.plan(value)).collect::<Result<Vec<_>, _>>()?,
                    value => vec![self.plan(value)?],
                };
                (Asked::In, subquery, *negated, values)
            }
            ast::Expr::Subquery(query) => (Asked::Scalar, query, false, vec![]),
            _ => return Err(SqlError::unsupported(span, "this kind of subquery")),
        };
        let (planned, correlation) = self.planner.plan_correlated(query, self.scope)?;
        let width = planned.scope.columns.iter().filter(|column| column.shown == Shown::Always).count();
        let wanted = if asked == Asked::In { values.len() } else { 1 };
        if asked != Asked::Exists && width != wanted {
            return Err(SqlError::new(span, format!("the subquery yields {width} columns, but {wanted} is needed here")));
        }
        let data_type = if asked == Asked::Scalar { planned.scope.columns[0].data_type.clone() } else { DataType::Boolean };
        let mut subquery = Subquery { asked, negated, planned, keys: vec![], rest: vec![], default: correlation.default, span };
        for (index, value) in values.into_iter().enumerate() {
            let column = tree::column(index, subquery.planned.scope.columns[index].data_type.clone(), span);
            let ExprNode::Call { args, .. } = comparison(Function::Equal, value, column)?.node else { continue };
            if let Ok([outer, inner]) = <[Expr; 2]>::try_from(args) {
                subquery.keys.push((outer, inner));
            }
        }
        for condition in correlation.conditions {
            match equality(&condition) {
                Some(key) => subquery.keys.push(key),
                None => subquery.rest.push(condition),
            }
        }
        self.subqueries.push(subquery);
        Ok(tree::column(Stand::Subquery(self.subqueries.len() - 1).column(), data_type, span))
    }
}

/// `outer = inner`, taken apart, the outer columns as the outer query's own.
fn equality(condition: &Expr) -> Option<(Expr, Expr)> {
    let ExprNode::Call { function: Function::Equal, args } = &condition.node else { return None };
    let outer_only = |expr: &Expr| {
        is_correlated(expr)
            && !tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if matches!(Stand::of(index), Stand::Input(_))))
    };
    let (outer, inner) = match (&args[0], &args[1]) {
        (outer, inner) if outer_only(outer) && !is_correlated(inner) => (outer, inner),
        (inner, outer) if outer_only(outer) && !is_correlated(inner) => (outer, inner),
        _ => return None,
    };
    let mut outer = outer.clone();
    tree::renumber_columns(&mut outer, &|index| match Stand::of(index) {
        Stand::Outer(index) => Some(index),
        _ => None,
    });
    Some((outer, inner.clone()))
}

/// The conditions that look at the query around, and the others.
pub fn pull(predicate: Option<Expr>) -> (Option<Expr>, Vec<Expr>) {
    let mut conditions = Vec::new();
    predicate.into_iter().for_each(|predicate| tree::conjuncts(predicate, &mut conditions));
    let (pulled, own): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(is_correlated);
    ((!own.is_empty()).then(|| tree::chain(own, false)), pulled)
}

/// The pulled conditions over the result: what they look at becomes further items, and in an aggregation further keys. `grouped`: its keys,
/// and whether there is a GROUP BY.
pub fn correlate(
    pulled: Vec<Expr>,
    items: &mut Vec<NamedExpr>,
    grouped: Option<(&mut Keys, bool)>,
    scope: &Scope,
) -> Result<Correlation, SqlError> {
    if pulled.is_empty() {
        return Ok(Correlation::default());
    }
    let mut correlation = Correlation::default();
    let visible = items.len();
    let further = |expr: Expr, items: &mut Vec<NamedExpr>| {
        if let Some(known) = items[visible..].iter().position(|item| tree::same(&item.expr, &expr)) {
            return visible + known;
        }
        items.push(NamedExpr { name: format!("outer{}", items.len()), expr });
        items.len() - 1
    };
    let Some((keys, group_by)) = grouped else {
        for mut condition in pulled {
            let mut columns = Vec::new();
            tree::visit(&condition, &mut |node| {
                if let ExprNode::Column(index) = node.node
                    && let Stand::Input(index) = Stand::of(index)
                {
                    columns.push(index);
                }
            });
            let places: Vec<(usize, usize)> = columns
                .into_iter()
                .map(|index| (index, further(tree::column(index, scope.columns[index].data_type.clone(), condition.span), items)))
                .collect();
            tree::renumber_columns(&mut condition, &|index| places.iter().find(|(from, _)| *from == index).map(|(_, to)| *to));
            correlation.conditions.push(condition);
        }
        return Ok(correlation);
    };
    if !group_by && let Some(item) = items.first() {
        correlation.default = Some(of_no_rows(&item.expr, &keys.counts));
    }
    for condition in pulled {
        let Some((_, inner)) = equality(&condition) else {
            let error = SqlError::new(condition.span, "a subquery with an aggregate can refer to the query around it by equalities only");
            return Err(error.help("write a join and GROUP BY"));
        };
        let ExprNode::Call { args, .. } = condition.node else { continue };
        if !keys.keys.iter().any(|key| tree::same(&key.expr, &inner)) {
            keys.keys.push(NamedExpr { name: "outer".to_string(), expr: inner.clone() });
        }
        let outer = args.into_iter().find(is_correlated).unwrap_or_else(|| inner.clone());
        let place = further(inner.clone(), items);
        correlation.conditions.push(comparison(Function::Equal, outer, tree::column(place, inner.data_type, condition.span))?);
    }
    Ok(correlation)
}

/// What an item over aggregates is where there are no rows: counts are 0, other aggregates NULL.
fn of_no_rows(item: &Expr, counts: &[bool]) -> Expr {
    let mut item = item.clone();
    let zero_or_null = |node: &Expr| match node.node {
        ExprNode::Column(index) => match Stand::of(index) {
            Stand::Aggregate(index) if counts.get(index) == Some(&true) => Some(cast(tree::bigint(0, node.span), &node.data_type)),
            _ => Some(tree::literal(Value::Null, node.data_type.clone(), node.span)),
        },
        _ => None,
    };
    // The change gives no error.
    let _ = tree::rewrite(&mut item, &mut |node| Ok(zero_or_null(node)));
    item
}

impl Planner<'_> {
    /// The subquery, which sees the columns of `outer` in its WHERE.
    fn plan_correlated(&self, query: &ast::Query, outer: &Scope) -> Result<(Planned, Correlation), SqlError> {
        self.outer.borrow_mut().push(outer.clone());
        let before = self.correlation.replace(Some(Correlation::default()));
        let planned = self.plan_subquery(query);
        let correlation = self.correlation.replace(before).unwrap_or_default();
        self.outer.borrow_mut().pop();
        let planned = planned?;
        let mut stray = None;
        planned.relation.visit(&mut |relation| stray = stray.or(relation.exprs().into_iter().find(|expr| is_correlated(expr))));
        match stray {
            Some(expr) => {
                Err(SqlError::new(expr.span, "a column of the outer query can stand in the WHERE of the subquery's own SELECT only")
                    .help("write a join instead"))
            }
            None => Ok((planned, correlation)),
        }
    }

    /// WHERE with its subqueries: those that must hold as semi and anti joins, the others as columns.
    pub fn filter_with(&self, mut input: Planned, predicate: Expr, subqueries: Vec<Subquery>) -> Result<Planned, SqlError> {
        if subqueries.is_empty() {
            input.relation = Relation::Filter { input: Box::new(input.relation), predicate };
            return Ok(input);
        }
        let mut conditions = Vec::new();
        tree::conjuncts(predicate, &mut conditions);
        let mut waiting: Vec<Option<Subquery>> = subqueries.into_iter().map(Some).collect();
        let (mut joined, mut kept) = (Vec::new(), Vec::new());
        for condition in conditions {
            let (inner, negated) = match &condition.node {
                ExprNode::Not(inner) => (&**inner, true),
                _ => (&condition, false),
            };
            let number = match inner.node {
                ExprNode::Column(index) => match Stand::of(index) {
                    Stand::Subquery(number) => Some(number),
                    _ => None,
                },
                _ => None,
            };
            match number.and_then(|number| waiting[number].take_if(|subquery| subquery.asked != Asked::Scalar)) {
                Some(mut subquery) => {
                    subquery.negated ^= negated;
                    joined.push(subquery);
                }
                None => kept.push(condition),
            }
        }
        for subquery in joined {
            input = self.semi_join(input, subquery)?;
        }
        let mut places = vec![0; waiting.len()];
        for (number, subquery) in waiting.into_iter().enumerate() {
            if let Some(subquery) = subquery {
                (input, places[number]) = self.as_column(input, subquery)?;
            }
        }
        if !kept.is_empty() {
            kept.iter_mut().for_each(|condition| place_subqueries(condition, &places));
            input.relation = Relation::Filter { input: Box::new(input.relation), predicate: tree::chain(kept, false) };
        }
        Ok(input)
    }

    /// Below the watermark where the keys are not the event time, as in Spark.
    fn semi_join(&self, mut input: Planned, subquery: Subquery) -> Result<Planned, SqlError> {
        if let Relation::Watermark { input: below, column, delay_us } = input.relation {
            if subquery.keys.iter().any(|(outer, _)| tree::uses_column(outer, column)) || !subquery.rest.is_empty() {
                input.relation = Relation::Watermark { input: below, column, delay_us };
            } else {
                let joined = self.semi_join(Planned { relation: *below, scope: input.scope }, subquery)?;
                let relation = Relation::Watermark { input: Box::new(joined.relation), column, delay_us };
                return Ok(Planned { relation, ..joined });
            }
        }
        let Subquery { asked, negated, planned, keys, rest, span, .. } = subquery;
        let width = input.scope.columns.len();
        let mut equal = keys.into_iter().map(|(outer, inner)| Ok(comparison(Function::Equal, outer, beside(inner, width))?));
        let mut equal = equal.by_ref().collect::<Result<Vec<Expr>, SqlError>>()?;
        if asked == Asked::In && negated {
            // NOT IN: a comparison that is NULL counts as a match.
            let all = tree::chain(equal, false);
            equal = vec![tree::chain(vec![all.clone(), tree::is_null(all)], true)];
        }
        let rest = rest.into_iter().map(|mut condition| {
            tree::renumber_columns(&mut condition, &|index| match Stand::of(index) {
                Stand::Outer(index) => Some(index),
                _ => Some(width + index),
            });
            condition
        });
        let conditions = equal.into_iter().chain(rest).collect();
        self.join_on(input, planned, if negated { JoinKind::LeftAnti } else { JoinKind::LeftSemi }, conditions, span)
    }

    /// The subquery's value as a further column of `input`; which.
    pub fn as_column(&self, input: Planned, subquery: Subquery) -> Result<(Planned, usize), SqlError> {
        let Subquery { asked, negated, planned, keys, rest, default, span } = subquery;
        if let Some(condition) = rest.first() {
            let error = SqlError::new(condition.span, "here a subquery can refer to the outer query by equalities only");
            return Err(error.help("as in WHERE d.device = r.device; or write a join"));
        }
        if asked == Asked::In && negated {
            let error = SqlError::new(span, "NOT IN with a subquery can stand alone or beside AND in WHERE only");
            return Err(error.help("use NOT EXISTS (SELECT … WHERE …)"));
        }
        let width = input.relation.schema().len();
        let (outer, inner): (Vec<Expr>, Vec<Expr>) = keys.into_iter().unzip();
        let count = inner.len();
        let side = once(planned, inner, asked, span);
        let conditions = outer.into_iter().enumerate().map(|(index, outer)| {
            let data_type = side.scope.columns[index].data_type.clone();
            comparison(Function::Equal, outer, tree::column(width + index, data_type, span))
        });
        let conditions = conditions.collect::<Result<Vec<Expr>, SqlError>>()?;
        let (value_type, marker) = (side.scope.columns[count].data_type.clone(), side.scope.columns.len() - 1);
        let joined = self.join_on(input, side, JoinKind::Left, conditions, span)?;
        let there = tree::not(tree::is_null(tree::column(width + marker, DataType::Boolean, span)));
        let value = match asked {
            Asked::Scalar => {
                let value = tree::column(width + count, value_type.clone(), span);
                match default {
                    Some(default) => Expr {
                        node: ExprNode::Case { branches: vec![(there, value)], otherwise: Some(Box::new(cast(default, &value_type))) },
                        data_type: value_type,
                        span,
                    },
                    None => value,
                }
            }
            _ if negated => tree::not(there),
            _ => there,
        };
        let mut columns: Vec<NamedExpr> = joined.identity();
        columns.truncate(width);
        let mut scope = joined.scope;
        scope.columns.truncate(width);
        scope.columns.push(ScopeColumn { shown: Shown::WithTable, ..ScopeColumn::new("", value.data_type.clone()) });
        columns.push(NamedExpr { name: "subquery".to_string(), expr: value });
        Ok((Planned { relation: Relation::Project { input: Box::new(joined.relation), columns }, scope }, width))
    }
}

/// The subquery with each key once: the keys, its value, and a marker that is TRUE. A scalar subquery with several rows for a key fails.
fn once(planned: Planned, keys: Vec<Expr>, asked: Asked, span: Span) -> Planned {
    let count = keys.len();
    let named = |index: usize, expr: Expr| NamedExpr { name: format!("key{index}"), expr };
    let mut columns: Vec<NamedExpr> = keys.into_iter().enumerate().map(|(index, key)| named(index, key)).collect();
    let value = match asked {
        Asked::Scalar => tree::column(0, planned.scope.columns[0].data_type.clone(), span),
        _ => tree::literal(Value::Boolean(true), DataType::Boolean, span),
    };
    let value_type = value.data_type.clone();
    columns.push(named(count, value));
    let types: Vec<DataType> = columns.iter().map(|column| column.expr.data_type.clone()).collect();
    let input = Relation::Project { input: Box::new(planned.relation), columns };
    let column = |index: usize| tree::column(index, types[index].clone(), span);
    let group_keys = (0..count).map(|index| GroupKey::Expr(named(index, column(index)))).collect();
    let call = |function, args: Vec<Expr>, data_type| AggregateCall {
        function,
        args,
        filter: None,
        distinct: false,
        order: vec![],
        data_type,
        span,
    };
    let keep_nulls = tree::literal(Value::Boolean(false), DataType::Boolean, span);
    let aggregates = vec![
        call(AggregateFunction::First, vec![column(count), keep_nulls], value_type.clone()),
        call(AggregateFunction::Count, vec![], DataType::BigInt),
    ];
    let grouped = Relation::Aggregate { input: Box::new(input), keys: group_keys, aggregates };
    let rows = tree::column(count + 1, DataType::BigInt, span);
    let more = |than: i64| tree::call(Function::Greater, vec![rows.clone(), tree::bigint(than, span)], DataType::Boolean);
    let mut value = tree::column(count, value_type.clone(), span);
    if asked == Asked::Scalar {
        // The only failure that an expression can be made to have.
        let failure = cast(tree::text("more than one row returned by a subquery used as a value", span), &DataType::Int);
        let failure = if value_type == DataType::Int { failure } else { cast(cast(failure, &DataType::String), &value_type) };
        value = Expr {
            node: ExprNode::Case { branches: vec![(more(1), failure)], otherwise: Some(Box::new(value)) },
            data_type: value_type,
            span,
        };
    }
    let marker = Expr {
        node: ExprNode::Case { branches: vec![(more(0), tree::literal(Value::Boolean(true), DataType::Boolean, span))], otherwise: None },
        data_type: DataType::Boolean,
        span,
    };
    let columns: Vec<NamedExpr> =
        (0..count).map(column).chain([value, marker]).enumerate().map(|(index, expr)| named(index, expr)).collect();
    let scope =
        Scope { columns: columns.iter().map(|column| ScopeColumn::new(column.name.clone(), column.expr.data_type.clone())).collect() };
    Planned { relation: Relation::Project { input: Box::new(grouped), columns }, scope }
}

fn beside(mut inner: Expr, width: usize) -> Expr {
    tree::renumber_columns(&mut inner, &|index| Some(width + index));
    inner
}

/// Puts the columns of the subqueries where they are.
pub fn place_subqueries(expr: &mut Expr, places: &[usize]) {
    tree::renumber_columns(expr, &|index| match Stand::of(index) {
        Stand::Subquery(number) => Some(places[number]),
        _ => None,
    });
}
