//! Subqueries in expressions: scalar, IN, EXISTS, and what they say of the query around them. They become joins in `subquery_join`.
//!
//! Columns of the query around stand in the subquery's own WHERE only, and beside EXISTS and IN in WHERE, only in equalities.

use sqlparser::ast;

use super::coerce::cast;
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::grouping::Keys;
use super::operators::comparison;
use super::places::Stand;
use super::planner::{Planned, Planner};
use super::scope::{Scope, Shown};
use super::tree;
use crate::plan::{Expr, ExprNode, Function, NamedExpr, Span};
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
    pub planned: Planned,
    /// The sides of IN: an expression over the outer query's columns, and one over the subquery's.
    pub compared: Vec<(Expr, Expr)>,
    /// Equalities of its WHERE, in the same form.
    pub keys: Vec<(Expr, Expr)>,
    /// Other conditions: outer columns as [`Stand::Outer`], the subquery's as they are.
    pub rest: Vec<Expr>,
    pub single: Option<Single>,
    pub span: Span,
}

/// An aggregation without GROUP BY under conditions on the query around: it has one row for each of that query's rows.
pub struct Single {
    /// What its first columns are where no row meets the conditions.
    pub defaults: Vec<Expr>,
    /// The column that holds HAVING's value.
    pub having: Option<usize>,
}

/// What a subquery's WHERE says of the query around it, over the subquery's result.
#[derive(Default)]
pub struct Correlation {
    pub conditions: Vec<Expr>,
    pub single: Option<Single>,
}

impl Subquery {
    pub fn outer_exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        self.keys.iter_mut().chain(&mut self.compared).map(|(outer, _)| outer)
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
            || matches!(self.clause, Clause::GroupBy | Clause::Generator | Clause::Values | Clause::Watermark)
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
        let (planned, correlation) = match without_limit(query) {
            Some(query) if asked == Asked::Exists => self.planner.plan_correlated(&query, self.scope)?,
            _ => self.planner.plan_correlated(query, self.scope)?,
        };
        let width = planned.scope.columns.iter().filter(|column| column.shown == Shown::Always).count();
        let wanted = if asked == Asked::In { values.len() } else { 1 };
        if asked != Asked::Exists && width != wanted {
            return Err(SqlError::new(span, format!("the subquery yields {width} columns, but {wanted} is needed here")));
        }
        let data_type = if asked == Asked::Scalar { planned.scope.columns[0].data_type.clone() } else { DataType::Boolean };
        let Correlation { conditions, single } = correlation;
        let mut subquery = Subquery { asked, negated, planned, compared: vec![], keys: vec![], rest: vec![], single, span };
        for (index, value) in values.into_iter().enumerate() {
            let column = tree::column(index, subquery.planned.scope.columns[index].data_type.clone(), span);
            let ExprNode::Call { args, .. } = comparison(Function::Equal, value, column)?.node else { continue };
            if let Ok([outer, inner]) = <[Expr; 2]>::try_from(args) {
                subquery.compared.push((outer, inner));
            }
        }
        for condition in conditions {
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
/// and whether there is a GROUP BY; without one, HAVING becomes an item too.
pub fn correlate(
    pulled: Vec<Expr>,
    items: &mut Vec<NamedExpr>,
    having: &mut Option<Expr>,
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
    if !group_by {
        let place = having.take_if(|having| !holds_subquery(having)).map(|expr| {
            items.push(NamedExpr { name: "having".to_string(), expr });
            items.len() - 1
        });
        let defaults = items.iter().map(|item| of_no_rows(&item.expr, &keys.counts)).collect();
        correlation.single = Some(Single { defaults, having: place });
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
}

/// The query without its ORDER BY and LIMIT, where they let at least one row through: for EXISTS.
fn without_limit(query: &ast::Query) -> Option<ast::Query> {
    let Some(ast::LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) = &query.limit_clause else { return None };
    let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), .. }) = limit else { return None };
    let some = limit_by.is_empty() && text.parse::<u64>().is_ok_and(|rows| rows > 0);
    some.then(|| ast::Query { order_by: None, limit_clause: None, ..query.clone() })
}

/// Puts the columns of the subqueries where they are.
pub fn place_subqueries(expr: &mut Expr, places: &[usize]) {
    tree::renumber_columns(expr, &|index| match Stand::of(index) {
        Stand::Subquery(number) => Some(places[number]),
        _ => None,
    });
}

/// As [`place_subqueries`], for the SELECT list: there, as in Spark, IN and NOT IN are FALSE where they are not known.
pub fn place_as_values(expr: &mut Expr, places: &[usize], memberships: &[bool]) {
    tree::replace_columns(expr, &|index| match Stand::of(index) {
        Stand::Subquery(number) if memberships[number] => {
            let value = |value| tree::literal(Value::Boolean(value), DataType::Boolean, Span::default());
            let known = tree::column(places[number], DataType::Boolean, Span::default());
            let node = ExprNode::Case { branches: vec![(known, value(true))], otherwise: Some(Box::new(value(false))) };
            Some(Expr { node, data_type: DataType::Boolean, span: Span::default() })
        }
        _ => None,
    });
}
