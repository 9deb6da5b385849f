//! GROUP BY: keys, the window, and what may stand beside them; the rules of streams by output mode.

use sqlparser::ast::{self, GroupByExpr, SelectItem};

use super::coerce::{not_compared, orderable};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::grouping::{Expanded, Keys, expand, written_sets};
use super::names::output_name;
use super::places::Stand;
use super::planner::Planner;
use super::select::{Computed, ordinal};
use super::subquery::holds_subquery;
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

/// The keys with their names: columns, names and numbers of the SELECT list, expressions, or ALL; and the grouping sets.
pub fn plan_keys(exprs: &mut ExprPlanner<'_>, select: &ast::Select, items: &[NamedExpr]) -> Result<Keys, SqlError> {
    exprs.clause = Clause::GroupBy;
    let mut keys: Vec<NamedExpr> = Vec::new();
    let mut sets: Option<Vec<Vec<usize>>> = None;
    match &select.group_by {
        GroupByExpr::All(modifiers) if modifiers.is_empty() => {
            for item in items.iter().filter(|item| !has_aggregate(&item.expr)) {
                add_key(NamedExpr { name: item.name.clone(), expr: exprs.budget.copy(&item.expr)? }, &mut keys)?;
            }
        }
        GroupByExpr::All(_) => {
            return Err(SqlError::unsupported(place(&select.group_by), "GROUP BY ALL with grouping sets").help("name the keys"));
        }
        GroupByExpr::Expressions(written, modifiers) => {
            let written_sets = written_sets(written, modifiers, place(&select.group_by))?;
            let plain = written.iter().filter(|key| !matches!(key, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_)));
            let in_sets = written_sets.iter().flatten().flatten().copied();
            let mut places: Vec<(&ast::Expr, usize)> = Vec::new();
            for expr in plain.chain(in_sets) {
                if !places.iter().any(|(known, _)| std::ptr::eq(*known, expr)) {
                    places.push((expr, plan_key(exprs, expr, items, &mut keys)?));
                }
            }
            let place_of = |expr: &&ast::Expr| places.iter().find(|(known, _)| std::ptr::eq(*known, *expr)).map_or(0, |(_, key)| *key);
            sets = written_sets.map(|sets| sets.iter().map(|set| set.iter().map(place_of).collect()).collect());
        }
    }
    // One empty set is an aggregation of all rows, of none too.
    let sets = sets.filter(|sets| !(keys.is_empty() && sets.len() == 1));
    if keys.len() > KEYS_MAX {
        return Err(SqlError::new(place(&select.group_by), format!("GROUP BY has more than {KEYS_MAX} keys")));
    }
    Ok(Keys { keys, sets, counts: vec![] })
}

/// Adds the key that is written; its place among the keys.
fn plan_key(exprs: &mut ExprPlanner<'_>, expr: &ast::Expr, items: &[NamedExpr], keys: &mut Vec<NamedExpr>) -> Result<usize, SqlError> {
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
    add_key(key, keys)
}

fn add_key(key: NamedExpr, keys: &mut Vec<NamedExpr>) -> Result<usize, SqlError> {
    let later = |node: &Expr| matches!(node.node, ExprNode::Column(index) if !matches!(Stand::of(index), Stand::Input(_)));
    if tree::any(&key.expr, &mut |node| later(node)) {
        let message = "a key of GROUP BY cannot hold a generator, an analytic function or a subquery";
        return Err(SqlError::new(key.expr.span, message).help("compute it in a subquery in FROM"));
    }
    if let Some(known) = keys.iter().position(|known| tree::same(&known.expr, &key.expr)) {
        return Ok(known);
    }
    keys.push(key);
    Ok(keys.len() - 1)
}

fn has_aggregate(expr: &Expr) -> bool {
    tree::any(expr, &mut |node| matches!(node.node, ExprNode::Column(index) if matches!(Stand::of(index), Stand::Aggregate(_))))
}

impl Planner<'_> {
    /// The aggregation; `computed` is rewritten from the input's columns to the aggregation's.
    pub fn aggregate(
        &self,
        exprs: &ExprPlanner<'_>,
        input: Relation,
        Keys { keys: written, sets, .. }: Keys,
        aggregates: Vec<AggregateCall>,
        computed: &mut Computed,
        span: Span,
    ) -> Result<Relation, SqlError> {
        if let Some(key) = written.iter().find(|key| !orderable(&key.expr.data_type)) {
            return Err(not_compared(&key.expr));
        }
        let scope = exprs.scope;
        let Expanded { relation: input, keys, id, position } = match sets {
            Some(sets) => expand(exprs, input, &written, &sets, span)?,
            None => Expanded { relation: input, keys: written.clone(), id: None, position: None },
        };
        let further: Vec<Expr> = id.into_iter().chain(position).collect();
        let count = keys.len() + further.len();
        let id = further.first().map(|id| tree::column(keys.len(), id.data_type.clone(), id.span));
        let groupings = exprs.groupings.iter().map(|grouping| grouping.resolved(&written, id.as_ref()));
        let groupings = groupings.collect::<Result<Vec<Expr>, SqlError>>()?;
        let calls = aggregates.iter().flat_map(AggregateCall::exprs);
        keys.iter().map(|key| &key.expr).chain(calls).try_for_each(tree::check_expr_depth)?;
        let mut onto_output = |expr: &mut Expr| {
            tree::rewrite(expr, &mut |node| {
                if let Some(index) = written.iter().position(|key| tree::same(&key.expr, node)) {
                    return Ok(Some(tree::column(index, node.data_type.clone(), node.span)));
                }
                match node.node {
                    ExprNode::Column(index) => match Stand::of(index) {
                        Stand::Aggregate(index) => Ok(Some(tree::column(count + index, node.data_type.clone(), node.span))),
                        Stand::Grouping(index) => Ok(Some(groupings[index].clone())),
                        Stand::Input(index) => Err(not_grouped(&scope.columns[index].name, node.span)),
                        _ => Ok(None),
                    },
                    _ if window::is_window(node) => Err(other_window(&written, node.span)),
                    _ => Ok(None),
                }
            })
        };
        computed.exprs_mut().into_iter().try_for_each(&mut onto_output)?;
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
        group_keys.extend(further.into_iter().map(|expr| GroupKey::Expr(NamedExpr { name: "grouping".to_string(), expr })));
        let mut relation = Relation::Aggregate { input: Box::new(input), keys: group_keys, aggregates };
        self.check_aggregate(&relation, "an aggregation", span)?;
        if let Some(predicate) = computed.having.take_if(|having| !holds_subquery(having)) {
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
            // A table, which is there as a whole.
            _ if !self.is_stream(relation) => Ok(()),
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
