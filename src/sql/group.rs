//! GROUP BY: keys, the window, and what may stand beside them; the rules of streams by output mode.

use sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::coerce::{not_compared, orderable};
use super::error::SqlError;
use super::expr::{AGGREGATES_FROM, Clause, ExprPlanner, place};
use super::names::output_name;
use super::planner::Planner;
use super::scope::Scope;
use super::select::{Computed, ordinal};
use super::{optimize, row_window, tree, window};
use crate::plan::{AggregateCall, Expr, ExprNode, GroupKey, NamedExpr, OutputMode, Relation, Span};

/// Keys of one aggregation.
const KEYS_MAX: usize = 256;

/// The one call of `window(...)` or its like that its bare name means: in GROUP BY, or else in the SELECT list.
pub fn find_window(exprs: &mut ExprPlanner<'_>, select: &ast::Select) -> Result<Option<Expr>, SqlError> {
    let keys = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => &keys[..],
        GroupByExpr::All(_) => &[],
    };
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let candidate = keys.iter().chain(items).map(without_access).find(|expr| is_window_call(expr));
    candidate.map(|expr| exprs.plan(expr)).transpose()
}

/// `window(...).start` → `window(...)`.
fn without_access(expr: &ast::Expr) -> &ast::Expr {
    match expr {
        ast::Expr::CompoundFieldAccess { root, .. } => root,
        other => other,
    }
}

fn is_window_call(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Function(function) if window::called(function).is_some())
}

/// The keys with their names: columns, names and numbers of the SELECT list, expressions, or ALL.
pub fn plan_keys(exprs: &mut ExprPlanner<'_>, select: &ast::Select, items: &[NamedExpr]) -> Result<Vec<NamedExpr>, SqlError> {
    exprs.clause = Clause::GroupBy;
    let mut keys: Vec<NamedExpr> = Vec::new();
    let add = |key: NamedExpr, keys: &mut Vec<NamedExpr>| {
        if !keys.iter().any(|known| tree::same(&known.expr, &key.expr)) {
            keys.push(key);
        }
    };
    match &select.group_by {
        GroupByExpr::All(modifiers) if modifiers.is_empty() => {
            for item in items.iter().filter(|item| !has_aggregate(&item.expr)) {
                add(NamedExpr { name: item.name.clone(), expr: exprs.budget.copy(&item.expr)? }, &mut keys);
            }
        }
        GroupByExpr::Expressions(written, modifiers) if modifiers.is_empty() => {
            for expr in written {
                let key = match ordinal(expr, items)? {
                    Some(item) => NamedExpr { name: item.name.clone(), expr: Expr { span: place(expr), ..exprs.budget.copy(&item.expr)? } },
                    None => {
                        let planned = exprs.plan(expr)?;
                        NamedExpr { name: output_name(expr), expr: planned }
                    }
                };
                if has_aggregate(&key.expr) {
                    return Err(SqlError::new(place(expr), "an aggregate cannot be a key of GROUP BY"));
                }
                add(key, &mut keys);
            }
        }
        _ => return Err(SqlError::unsupported(place(&select.group_by), "GROUP BY … WITH ROLLUP, CUBE or GROUPING SETS")),
    }
    if keys.len() > KEYS_MAX {
        return Err(SqlError::new(place(&select.group_by), format!("GROUP BY has more than {KEYS_MAX} keys")));
    }
    Ok(keys)
}

fn has_aggregate(expr: &Expr) -> bool {
    tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if index >= AGGREGATES_FROM))
}

impl Planner<'_> {
    /// The aggregation; `computed` is rewritten from the input's columns to the aggregation's.
    pub fn aggregate(
        &self,
        input: Relation,
        scope: &Scope,
        keys: Vec<NamedExpr>,
        aggregates: Vec<AggregateCall>,
        computed: &mut Computed,
        span: Span,
    ) -> Result<Relation, SqlError> {
        let count = keys.len();
        if let Some(key) = keys.iter().find(|key| !orderable(&key.expr.data_type)) {
            return Err(not_compared(&key.expr));
        }
        let calls = aggregates.iter().flat_map(|call| call.args.iter().chain(&call.filter));
        keys.iter().map(|key| &key.expr).chain(calls).try_for_each(tree::check_expr_depth)?;
        let mut onto_output = |expr: &mut Expr| {
            tree::rewrite(expr, &mut |node| {
                if let Some(index) = keys.iter().position(|key| tree::same(&key.expr, node)) {
                    return Ok(Some(tree::column(index, node.data_type.clone(), node.span)));
                }
                match node.node {
                    ExprNode::Column(index) if index >= AGGREGATES_FROM => {
                        Ok(Some(tree::column(count + index - AGGREGATES_FROM, node.data_type.clone(), node.span)))
                    }
                    ExprNode::Column(index) => Err(not_grouped(&scope.columns[index].name, node.span)),
                    _ if window::is_window(node) => Err(other_window(&keys, node.span)),
                    _ => Ok(None),
                }
            })
        };
        computed.items.iter_mut().try_for_each(|item| onto_output(&mut item.expr))?;
        computed.having.iter_mut().try_for_each(&mut onto_output)?;
        computed.order.iter_mut().try_for_each(|key| onto_output(&mut key.expr))?;
        let mut windows = 0;
        let mut group_keys = Vec::with_capacity(count);
        for key in keys {
            match window::group_key(&key.expr, &input) {
                Some(window) => {
                    windows += 1;
                    if windows > 1 {
                        return Err(SqlError::new(key.expr.span, "GROUP BY can hold one window only").help("use a subquery for the other"));
                    }
                    group_keys.push(window);
                }
                None if tree::any(&key.expr, &mut |node| window::is_window(node) && !window::is_tumbling(node)) => {
                    return Err(SqlError::unsupported(key.expr.span, "a part of such a window as a key").help("group by the window itself"));
                }
                None => group_keys.push(GroupKey::Expr(key)),
            }
        }
        let mut relation = Relation::Aggregate { input: Box::new(input), keys: group_keys, aggregates };
        self.check_aggregate(&relation, "an aggregation", span)?;
        if let Some(predicate) = computed.having.take() {
            tree::check_expr_depth(&predicate)?;
            relation = Relation::Filter { input: Box::new(relation), predicate };
        }
        Ok(relation)
    }

    /// What a stream's output mode asks of an aggregation.
    pub fn check_aggregate(&self, relation: &Relation, what: &str, span: Span) -> Result<(), SqlError> {
        let Some(input) = relation.input() else { return Ok(()) };
        match self.mode {
            OutputMode::Batch => Ok(()),
            _ if row_window::in_keys(relation).is_some() => row_window::check(relation, self.mode, span),
            OutputMode::Update | OutputMode::Complete if optimize::has_aggregate(input) => {
                let message = "an aggregation over another works in append mode only: the inner one's rows would be revised";
                Err(SqlError::new(span, message).help("use mode = \"append\""))
            }
            OutputMode::Append if !input.has_watermark() => {
                let message = format!("{what} in append mode needs a watermark: without one no group is ever complete");
                Err(SqlError::new(span, message).help(
                    "set `watermark` on the source, write FROM r WATERMARK ts DELAY OF INTERVAL 10 SECONDS, or use mode = \"update\"",
                ))
            }
            OutputMode::Append if !relation.event_time_columns().contains(&true) => {
                let times = input.event_time_columns();
                let name = input.schema().into_iter().zip(times).find(|(_, is_time)| *is_time).map(|(field, _)| field.name);
                let message = format!("{what} in append mode needs the event time among its keys: without it no group is ever complete");
                let error = SqlError::new(span, message);
                Err(match name {
                    Some(name) => error.help(format!("add window({name}, '1 minute') to GROUP BY: the watermark is on `{name}`")),
                    None => error.help("the column that the watermark is on does not come this far: select it in the subquery"),
                })
            }
            _ => Ok(()),
        }
    }
}

fn not_grouped(name: &str, span: Span) -> SqlError {
    SqlError::new(span, format!("`{name}` is neither in GROUP BY nor inside an aggregate"))
        .help(format!("add it to GROUP BY, or take one of its values: max({name})"))
}

fn other_window(keys: &[NamedExpr], span: Span) -> SqlError {
    if keys.iter().any(|key| window::is_window(&key.expr)) {
        return SqlError::new(span, "this window is another than the one in GROUP BY").help("one SELECT can hold one window only");
    }
    SqlError::new(span, "the window is not in GROUP BY").help("add the same window(...) to GROUP BY")
}
