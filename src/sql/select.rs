//! One SELECT: its list, WHERE, DISTINCT, and the order of what they need. Grouping stands in `group`.

use sqlparser::ast::{self, Distinct, GroupByExpr, SelectItem, SelectItemQualifiedWildcardKind};

use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::generate::{self, Generated};
use super::lex::span_of;
use super::names::output_name;
use super::over::WrittenOver;
use super::places::Stand;
use super::planner::{OrderBy, Planned, Planner, direction, direction_of};
use super::scope::{Scope, ScopeColumn, Shown};
use super::subquery::{self, Asked, Subquery};
use super::{tree, wildcard, window};
use crate::plan::{AggregateFunction, Expr, Generator, NamedExpr, Relation, SortKey, Span};
use crate::types::{Field, window_type};

/// Columns of one SELECT list.
pub const ITEMS_MAX: usize = 4_096;

/// What a SELECT computes, over its input or, once grouped, over the aggregation.
pub struct Computed {
    pub items: Vec<NamedExpr>,
    pub having: Option<Expr>,
    pub qualify: Option<Expr>,
    pub order: Vec<SortKey>,
    pub overs: Vec<WrittenOver>,
    pub generators: Vec<Generated>,
    pub subqueries: Vec<Subquery>,
}

impl Computed {
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        let Computed { items, having, qualify, order, overs, generators, subqueries } = self;
        let items = items.iter_mut().map(|item| &mut item.expr);
        let order = order.iter_mut().map(|key| &mut key.expr);
        let overs = overs.iter_mut().flat_map(WrittenOver::exprs_mut);
        let generators = generators.iter_mut().flat_map(|generated| generated.generator.exprs_mut());
        let outer = subqueries.iter_mut().flat_map(Subquery::outer_exprs_mut);
        items.chain(having).chain(qualify).chain(order).chain(overs).chain(generators).chain(outer).collect()
    }
}

impl Planner<'_> {
    pub fn plan_select(&self, select: &ast::Select, order_by: OrderBy<'_>) -> Result<Planned, SqlError> {
        reject_clauses(select)?;
        let correlated = self.correlation.take().is_some();
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => {
                return Err(SqlError::unsupported(place(select), "DISTINCT ON").help("use QUALIFY row_number() OVER (…) = 1"));
            }
        };
        let mut input = self.plan_from(&select.from, place(select))?;
        for view in &select.lateral_views {
            input = self.plan_lateral_view(input, view)?;
            self.check_depth(&input.relation, place(select))?;
        }
        let (input, pulled) = self.plan_where(input, select, correlated)?;
        let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Select);
        exprs.named_windows = &select.named_window;
        let grouping = !matches!(&select.group_by, GroupByExpr::Expressions(keys, modifiers) if keys.is_empty() && modifiers.is_empty());
        if grouping {
            exprs.window = super::group::find_window(&mut exprs, select)?;
        }
        let mut items = plan_items(&mut exprs, select)?;
        let mut keys = super::group::plan_keys(&mut exprs, select, &items)?;
        add_output_names(&mut exprs, &items)?;
        exprs.clause = Clause::Having;
        exprs.keys = keys.keys.iter().map(|key| key.expr.clone()).collect();
        let mut having = select.having.as_ref().map(|having| exprs.plan_boolean(having)).transpose()?;
        exprs.clause = Clause::Qualify;
        let qualify = select.qualify.as_ref().map(|qualify| exprs.plan_boolean(qualify)).transpose()?;
        exprs.clause = Clause::OrderBy;
        let order = plan_order(&mut exprs, order_by, &items)?;
        let aggregates = std::mem::take(&mut exprs.aggregates);
        keys.counts = aggregates.iter().map(|call| call.function == AggregateFunction::Count).collect();
        let visible = items.len();
        let grouped = grouping || !aggregates.is_empty() || having.is_some();
        let keyed = grouped.then_some((&mut keys, grouping));
        let correlation = subquery::correlate(pulled, &mut items, &mut having, keyed, &input.scope)?;
        let (overs, generators) = (std::mem::take(&mut exprs.overs), std::mem::take(&mut exprs.generators));
        let subqueries = std::mem::take(&mut exprs.subqueries);
        let mut computed = Computed { items, having, qualify, order, overs, generators, subqueries };
        let mut relation = if grouped {
            self.aggregate(&exprs, input.relation, keys, aggregates, &mut computed, place(select))?
        } else {
            if let Some(grouping) = exprs.groupings.first() {
                grouping.resolved(&[], None)?;
            }
            with_windows(input.relation, &mut computed)?
        };
        relation = self.with_subqueries(relation, &mut computed)?;
        relation = self.plan_overs(relation, &mut computed)?;
        if let Some(predicate) = computed.qualify.take() {
            if !matches!(relation, Relation::Over { .. }) {
                return Err(SqlError::new(predicate.span, "QUALIFY needs an analytic function").help("use WHERE or HAVING"));
            }
            relation = Relation::Filter { input: Box::new(relation), predicate };
        }
        relation = with_generators(self, relation, &mut computed)?;
        let mut planned = self.project(relation, computed, distinct, place(select))?;
        if correlated {
            planned.scope.columns[visible..].iter_mut().for_each(|column| column.shown = Shown::WithTable);
            *self.correlation.borrow_mut() = Some(correlation);
        }
        Ok(planned)
    }

    /// WHERE over the input; and, where the SELECT is `correlated`, its conditions on the query around, which are left out.
    fn plan_where(&self, input: Planned, select: &ast::Select, correlated: bool) -> Result<(Planned, Vec<Expr>), SqlError> {
        let Some(selection) = &select.selection else { return Ok((input, Vec::new())) };
        let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Where);
        exprs.aliases = aliases_without_meaning(select);
        let predicate = exprs.plan_boolean(selection)?;
        let subqueries = std::mem::take(&mut exprs.subqueries);
        let (predicate, pulled) = if correlated { subquery::pull(Some(predicate)) } else { (Some(predicate), Vec::new()) };
        match predicate {
            Some(predicate) => Ok((self.filter_with(input, predicate, subqueries)?, pulled)),
            None => Ok((input, pulled)),
        }
    }

    /// The subqueries of the SELECT list and HAVING as further columns, and what is left of HAVING.
    fn with_subqueries(&self, relation: Relation, computed: &mut Computed) -> Result<Relation, SqlError> {
        let subqueries = std::mem::take(&mut computed.subqueries);
        if subqueries.is_empty() {
            return Ok(relation);
        }
        let columns = relation.schema().into_iter().map(|field| ScopeColumn::new(field.name, field.data_type)).collect();
        let mut planned = Planned { relation, scope: Scope { columns } };
        let (mut places, mut memberships) = (Vec::new(), Vec::new());
        for subquery in subqueries {
            memberships.push(subquery.asked == Asked::In);
            let span = subquery.span;
            let (next, index) = self.as_column(planned, subquery)?;
            planned = next;
            self.check_depth(&planned.relation, span)?;
            places.push(index);
        }
        for item in &mut computed.items {
            subquery::place_as_values(&mut item.expr, &places, &memberships);
        }
        computed.exprs_mut().into_iter().for_each(|expr| subquery::place_subqueries(expr, &places));
        match computed.having.take() {
            Some(predicate) => Ok(Relation::Filter { input: Box::new(planned.relation), predicate }),
            None => Ok(planned.relation),
        }
    }

    /// The SELECT list over its input, without repetitions if DISTINCT, in order.
    fn project(&self, input: Relation, computed: Computed, distinct: bool, span: Span) -> Result<Planned, SqlError> {
        let Computed { mut items, order, .. } = computed;
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
        let column = |item: &NamedExpr| ScopeColumn::new(item.name.clone(), item.expr.data_type.clone());
        let scope = Scope { columns: items[..visible].iter().map(column).collect() };
        let hidden = items.len() > visible;
        let mut planned = Planned { relation: Relation::Project { input: Box::new(input), columns: items }, scope };
        if distinct {
            planned = self.distinct(planned, "SELECT DISTINCT", span)?;
        }
        if !by.is_empty() {
            planned.relation = self.sort(planned.relation, by, order_span)?;
        }
        if hidden {
            let columns = planned.identity();
            planned.relation = Relation::Project { input: Box::new(planned.relation), columns };
        }
        Ok(planned)
    }
}

/// The generators of the SELECT list, below the projection.
fn with_generators(planner: &Planner<'_>, mut relation: Relation, computed: &mut Computed) -> Result<Relation, SqlError> {
    let generators = std::mem::take(&mut computed.generators);
    if generators.is_empty() {
        return Ok(relation);
    }
    let width = relation.schema().len();
    for generated in generators {
        generated.generator.exprs().into_iter().try_for_each(tree::check_expr_depth)?;
        relation = generated.over(relation);
        planner.check_depth(&relation, Span::default())?;
    }
    for expr in computed.exprs_mut() {
        tree::renumber_columns(expr, &|index| match Stand::of(index) {
            Stand::Generated(index) => Some(width + index),
            _ => None,
        });
    }
    Ok(relation)
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
            SelectItem::UnnamedExpr(ast::Expr::Function(function)) if generate::is_generator(function) => {
                items.extend(generate::plan_item(exprs, function, vec![])?);
            }
            SelectItem::ExprWithAlias { expr: ast::Expr::Function(function), alias } if generate::is_generator(function) => {
                let made = generate::plan_item(exprs, function, generate::alias_names(std::slice::from_ref(alias))?)?;
                exprs.aliases.extend(made.iter().map(|item| (item.name.clone(), item.expr.clone())));
                items.extend(made);
            }
            SelectItem::ExprWithAliases { expr: ast::Expr::Function(function), aliases } if generate::is_generator(function) => {
                items.extend(generate::plan_item(exprs, function, generate::alias_names(aliases)?)?);
            }
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
            SelectItem::ExprWithAliases { .. } => {
                return Err(SqlError::new(place(item), "several names are for functions that make several columns")
                    .help("as in posexplode(tags) AS (position, tag)"));
            }
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

/// The sort keys; a whole number stands for an item.
pub fn plan_order(exprs: &mut ExprPlanner<'_>, order_by: OrderBy<'_>, items: &[NamedExpr]) -> Result<Vec<SortKey>, SqlError> {
    let keys = match order_by {
        OrderBy::Keys(keys) => keys,
        OrderBy::All(options) => {
            let (descending, nulls_first) = direction_of(options, Span::default())?;
            return items.iter().map(|item| Ok(SortKey { expr: exprs.budget.copy(&item.expr)?, descending, nulls_first })).collect();
        }
    };
    let mut order = Vec::new();
    for key in keys {
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
    let (expr, sign) = match expr {
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => (&**expr, "-"),
        expr => (expr, ""),
    };
    let ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Number(text, _), span }) = expr else { return Ok(None) };
    let text = format!("{sign}{text}");
    let index = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| items.get(index)) {
        Some(item) => Ok(Some(item)),
        None => Err(SqlError::new(span_of(*span), format!("the SELECT list has no column number {text}: it has {}", items.len()))),
    }
}

/// Without GROUP BY, `window(ts, …)` is a function of the row, or makes a row for each window if it slides; rows without a time vanish.
fn with_windows(input: Relation, computed: &mut Computed) -> Result<Relation, SqlError> {
    let mut windows: Vec<Expr> = Vec::new();
    for expr in computed.exprs_mut() {
        tree::visit(expr, &mut |node| {
            if window::is_window(node) && !windows.iter().any(|known| tree::same(known, node)) {
                windows.push(node.clone());
            }
        });
    }
    let Some(found) = windows.first() else { return Ok(input) };
    if let Some(second) = windows.get(1) {
        return Err(SqlError::new(second.span, "one SELECT can hold one window only").help("use a subquery for the other"));
    }
    let Some(spec) = window::spec_of(found) else {
        let name = window::name_of(found).unwrap_or("window");
        return Err(SqlError::unsupported(found.span, "such a window without GROUP BY").help(format!("put {name}(...) into GROUP BY")));
    };
    if window::is_tumbling(found) {
        return Ok(Relation::Filter { input: Box::new(input), predicate: tree::not(tree::is_null(spec.time)) });
    }
    let made = tree::column(input.schema().len(), window_type(), found.span);
    for expr in computed.exprs_mut() {
        tree::rewrite(expr, &mut |node| Ok(tree::same(node, found).then(|| made.clone())))?;
    }
    let columns = vec![Field::new("window", window_type())];
    Ok(Relation::Generate { input: Box::new(input), generator: Generator::Windows(spec), outer: false, columns })
}

fn reject_clauses(select: &ast::Select) -> Result<(), SqlError> {
    let what = if !select.sort_by.is_empty() || !select.cluster_by.is_empty() || !select.distribute_by.is_empty() {
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
