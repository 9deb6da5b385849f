//! One SELECT: its list, WHERE, DISTINCT, and the order of what they need. Grouping stands in `group`.

use sqlparser::ast::{self, Distinct, GroupByExpr, SelectItem, SelectItemQualifiedWildcardKind};

use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::lex::span_of;
use super::names::output_name;
use super::planner::{Planned, Planner, direction};
use super::scope::{Scope, ScopeColumn};
use super::{tree, wildcard, window};
use crate::plan::{Expr, GroupKey, NamedExpr, Relation, SortKey, Span};

/// Columns of one SELECT list.
pub const ITEMS_MAX: usize = 4_096;

/// What a SELECT computes, over its input or, once grouped, over the aggregation.
pub struct Computed {
    pub items: Vec<NamedExpr>,
    pub having: Option<Expr>,
    pub order: Vec<SortKey>,
}

impl Planner<'_> {
    pub fn plan_select(&self, select: &ast::Select, order_by: &[ast::OrderByExpr]) -> Result<Planned, SqlError> {
        reject_clauses(select)?;
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(SqlError::unsupported(place(select), "DISTINCT ON")),
        };
        let mut input = self.plan_from(&select.from, place(select))?;
        if let Some(selection) = &select.selection {
            let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Where);
            exprs.aliases = aliases_without_meaning(select);
            let predicate = exprs.plan_boolean(selection)?;
            input.relation = Relation::Filter { input: Box::new(input.relation), predicate };
        }
        let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Select);
        let grouping = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
        if grouping {
            exprs.window = super::group::find_window(&mut exprs, select)?;
        }
        let items = plan_items(&mut exprs, select)?;
        let keys = super::group::plan_keys(&mut exprs, select, &items)?;
        add_output_names(&mut exprs, &items)?;
        exprs.clause = Clause::Having;
        let having = select.having.as_ref().map(|having| exprs.plan_boolean(having)).transpose()?;
        exprs.clause = Clause::OrderBy;
        let order = plan_order(&mut exprs, order_by, &items)?;
        let aggregates = std::mem::take(&mut exprs.aggregates);
        let mut computed = Computed { items, having, order };
        let relation = if grouping || !aggregates.is_empty() || computed.having.is_some() {
            self.aggregate(input.relation, &input.scope, keys, aggregates, &mut computed, place(select))?
        } else {
            with_windows(input.relation, &computed)?
        };
        self.project(relation, computed, distinct, place(select))
    }

    /// The SELECT list over its input, without repetitions if DISTINCT, in order.
    fn project(&self, input: Relation, computed: Computed, distinct: bool, span: Span) -> Result<Planned, SqlError> {
        let Computed { mut items, having: _, order } = computed;
        let visible = items.len();
        let mut by = Vec::new();
        let order_span = order.first().map_or(span, |key| key.expr.span);
        for SortKey { expr, descending, nulls_first } in order {
            let index = items.iter().position(|item| tree::same(&item.expr, &expr)).unwrap_or(items.len());
            let (data_type, place) = (expr.data_type.clone(), expr.span);
            if index == items.len() {
                if distinct {
                    return Err(SqlError::new(place, "with SELECT DISTINCT, ORDER BY sees the SELECT list only"));
                }
                items.push(NamedExpr { name: format!("order{index}"), expr });
            }
            by.push(SortKey { expr: tree::column(index, data_type, place), descending, nulls_first });
        }
        items.iter().try_for_each(|item| tree::check_expr_depth(&item.expr))?;
        let scope = Scope {
            columns: items[..visible].iter().map(|item| ScopeColumn::new(item.name.clone(), item.expr.data_type.clone())).collect(),
        };
        let hidden = items.len() > visible;
        let mut relation = Relation::Project { input: Box::new(input), columns: items };
        if distinct {
            let columns = Planned { relation: relation.clone(), scope: scope.clone() }.identity();
            let keys = columns.into_iter().map(GroupKey::Expr).collect();
            relation = Relation::Aggregate { input: Box::new(relation), keys, aggregates: vec![] };
            self.check_aggregate(&relation, "SELECT DISTINCT", span)?;
        }
        if !by.is_empty() {
            relation = self.sort(relation, by, order_span)?;
        }
        let mut planned = Planned { relation, scope };
        if hidden {
            let columns = planned.identity();
            planned.relation = Relation::Project { input: Box::new(planned.relation), columns };
        }
        Ok(planned)
    }
}

/// The SELECT list's own names, so that WHERE can say that it does not see them.
fn aliases_without_meaning(select: &ast::Select) -> Vec<(String, Expr)> {
    let names = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    });
    names.map(|name| (name, tree::int(0, Span::default()))).collect()
}

fn plan_items(exprs: &mut ExprPlanner<'_>, select: &ast::Select) -> Result<Vec<NamedExpr>, SqlError> {
    let mut items = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(written) => {
                let expr = exprs.plan(written)?;
                items.push(NamedExpr { name: output_name(written), expr });
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                if matches!(alias.quote_style, Some('\'' | '"')) {
                    return Err(
                        SqlError::new(place(expr), format!("the name '{}' is a string", alias.value)).help("names are quoted by backticks")
                    );
                }
                let expr = exprs.plan(expr)?;
                exprs.aliases.push((alias.value.clone(), exprs.budget.copy(&expr)?));
                items.push(NamedExpr { name: alias.value.clone(), expr });
            }
            SelectItem::Wildcard(options) => wildcard::expand(exprs.scope, None, options, place(item), &mut items)?,
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(table), options) => {
                wildcard::expand(exprs.scope, Some(table), options, place(item), &mut items)?;
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                return Err(SqlError::unsupported(place(item), "the members of a struct by `.*`"));
            }
            SelectItem::ExprWithAliases { .. } => return Err(SqlError::unsupported(place(item), "several names for one expression")),
        }
        if items.len() > ITEMS_MAX {
            return Err(SqlError::new(place(item), format!("the SELECT list has more than {ITEMS_MAX} columns")));
        }
    }
    Ok(items)
}

/// Makes also the names that no AS gave known to HAVING and ORDER BY.
fn add_output_names(exprs: &mut ExprPlanner<'_>, items: &[NamedExpr]) -> Result<(), SqlError> {
    for item in items {
        let known = exprs.aliases.iter().any(|(name, _)| name.eq_ignore_ascii_case(&item.name));
        if !known {
            exprs.aliases.push((item.name.clone(), exprs.budget.copy(&item.expr)?));
        }
    }
    Ok(())
}

fn plan_order(exprs: &mut ExprPlanner<'_>, order_by: &[ast::OrderByExpr], items: &[NamedExpr]) -> Result<Vec<SortKey>, SqlError> {
    let mut order = Vec::new();
    for key in order_by {
        let expr = match ordinal(&key.expr, items)? {
            Some(item) => exprs.budget.copy(&item.expr)?,
            None => exprs.plan(&key.expr)?,
        };
        let (descending, nulls_first) = direction(key)?;
        order.push(SortKey { expr, descending, nulls_first });
    }
    Ok(order)
}

/// The item of the SELECT list that a whole number stands for.
pub fn ordinal<'i>(expr: &ast::Expr, items: &'i [NamedExpr]) -> Result<Option<&'i NamedExpr>, SqlError> {
    let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), span }) = expr else { return Ok(None) };
    let index = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| items.get(index)) {
        Some(item) => Ok(Some(item)),
        None => Err(SqlError::new(span_of(*span), format!("the SELECT list has no column number {text}: it has {}", items.len()))),
    }
}

/// Without GROUP BY, `window(ts, …)` is a function of the row; rows without a time vanish.
fn with_windows(input: Relation, computed: &Computed) -> Result<Relation, SqlError> {
    let mut windows: Vec<&Expr> = Vec::new();
    for item in &computed.items {
        tree::visit(&item.expr, &mut |node| {
            if window::is_window(node) && !windows.iter().any(|known| tree::same(known, node)) {
                windows.push(node);
            }
        });
    }
    let Some(window) = windows.first() else { return Ok(input) };
    if let Some(second) = windows.get(1) {
        return Err(SqlError::new(second.span, "one SELECT can hold one window only").help("use a subquery for the other"));
    }
    if !window::is_tumbling(window) {
        let name = window::name_of(window).unwrap_or("window");
        let what = if name == "window" { "a sliding window without GROUP BY" } else { "such a window without GROUP BY" };
        return Err(SqlError::unsupported(window.span, what).help(format!("put {name}(...) into GROUP BY")));
    }
    let time = window.children().first().map(|time| (*time).clone());
    let Some(time) = time else { return Ok(input) };
    Ok(Relation::Filter { input: Box::new(input), predicate: tree::not(tree::is_null(time)) })
}

fn reject_clauses(select: &ast::Select) -> Result<(), SqlError> {
    let what = if !select.lateral_views.is_empty() {
        "LATERAL VIEW"
    } else if select.qualify.is_some() || !select.named_window.is_empty() {
        "QUALIFY or a named WINDOW"
    } else if !select.sort_by.is_empty() || !select.cluster_by.is_empty() || !select.distribute_by.is_empty() {
        "SORT BY, CLUSTER BY or DISTRIBUTE BY"
    } else if select.into.is_some()
        || select.top.is_some()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || select.exclude.is_some()
    {
        "this clause of SELECT"
    } else if select.projection.is_empty() || select.value_table_mode.is_some() || select.select_modifiers.is_some() {
        "this form of SELECT"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(place(select), what))
}
