//! A whole query: WITH, the body, ORDER BY, LIMIT.

use std::cell::RefCell;

use sqlparser::ast::{self, LimitClause, OrderByKind, SetExpr};

use super::Catalog;
use super::budget::Budget;
use super::coerce::{not_compared, orderable};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::parse::{Alias, WatermarkClause};
use super::scope::Scope;
use super::subquery::Correlation;
use super::{optimize, tree};
use crate::plan::{NamedExpr, OutputMode, Relation, SortKey, Span};

/// Operators above each other in one plan: walks over it recurse, and 2 MiB of stack must do.
const OPERATORS_DEEP_MAX: usize = 128;

/// A relation and the names of its columns.
#[derive(Clone)]
pub struct Planned {
    pub relation: Relation,
    pub scope: Scope,
}

impl Planned {
    /// Each column as it is.
    pub fn identity(&self) -> Vec<NamedExpr> {
        let columns = self.scope.columns.iter().enumerate();
        columns
            .map(|(index, column)| NamedExpr {
                name: column.name.clone(),
                expr: tree::column(index, column.data_type.clone(), Span::default()),
            })
            .collect()
    }
}

/// Plans one query's text.
pub struct Planner<'a> {
    pub text: &'a str,
    pub mode: OutputMode,
    pub catalog: &'a Catalog<'a>,
    pub budget: &'a Budget,
    pub watermarks: &'a [WatermarkClause],
    /// What WITH defines, the innermost last.
    pub ctes: RefCell<Vec<(String, Planned)>>,
    /// The columns of the queries around a subquery in an expression, the innermost last.
    pub outer: RefCell<Vec<Scope>>,
    /// There while such a subquery's own SELECT is planned: what it says of the query around.
    pub correlation: RefCell<Option<Correlation>>,
}

impl Planner<'_> {
    /// A query or subquery, in the scope of the CTEs around it.
    pub fn plan_subquery(&self, query: &ast::Query) -> Result<Planned, SqlError> {
        reject_clauses(query)?;
        let outer = self.ctes.borrow().len();
        if let Some(with) = &query.with {
            // A definition is no part of the query that uses it: it has no conditions on the query around.
            let correlation = self.correlation.take();
            self.plan_with(with, outer)?;
            *self.correlation.borrow_mut() = correlation;
        }
        let planned = self.plan_body(query);
        self.ctes.borrow_mut().truncate(outer);
        let planned = planned?;
        self.check_depth(&planned.relation, place(query))?;
        Ok(planned)
    }

    /// Refuses what is deeper than the plan may be: where a loop makes operators, before they become too many to walk.
    pub fn check_depth(&self, relation: &Relation, span: Span) -> Result<(), SqlError> {
        if optimize::relation_depth(relation) <= OPERATORS_DEEP_MAX {
            return Ok(());
        }
        Err(SqlError::new(span, format!("the query nests too deep: at most {OPERATORS_DEEP_MAX} operators")))
    }

    /// What WITH defines, behind the first `outer` definitions, which stand around it.
    fn plan_with(&self, with: &ast::With, outer: usize) -> Result<(), SqlError> {
        if with.recursive {
            return Err(SqlError::unsupported(place(with), "WITH RECURSIVE"));
        }
        for cte in &with.cte_tables {
            let mut planned = self.plan_subquery(&cte.query)?;
            let alias = Alias::of(Some(&cte.alias));
            let name = &cte.alias.name.value;
            let (named, columns) = (alias.columns.len(), planned.scope.columns.len());
            if named > 0 && named != columns {
                return Err(SqlError::new(place(cte), format!("`{name}` has {columns} columns, but is given {named} names")));
            }
            if self.ctes.borrow()[outer..].iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(SqlError::new(place(cte), format!("WITH defines `{name}` twice")));
            }
            planned.scope.columns.iter_mut().zip(alias.columns).for_each(|(column, name)| column.name = name);
            self.ctes.borrow_mut().push((cte.alias.name.value.clone(), planned));
        }
        Ok(())
    }

    fn plan_body(&self, query: &ast::Query) -> Result<Planned, SqlError> {
        let order_by = order_by(query)?;
        let mut planned = match &*query.body {
            SetExpr::Select(select) => self.plan_select(select, order_by)?,
            set => self.sort_output(self.plan_set(set)?, order_by)?,
        };
        if let Some(limit) = &query.limit_clause {
            if self.correlation.borrow().as_ref().is_some_and(|correlation| !correlation.conditions.is_empty()) {
                let error = SqlError::unsupported(place(limit), "LIMIT in a subquery that refers to the query around it");
                return Err(error.help("use max_by(x, ts), or a join with QUALIFY row_number() OVER (…) = 1"));
            }
            planned = self.limit(planned, limit)?;
        }
        Ok(planned)
    }

    /// ORDER BY over a relation's own columns.
    pub fn sort_output(&self, planned: Planned, order_by: OrderBy<'_>) -> Result<Planned, SqlError> {
        let items = planned.identity();
        let mut exprs = ExprPlanner::new(self, &planned.scope, Clause::OrderBy);
        let by = super::select::plan_order(&mut exprs, order_by, &items)?;
        if by.is_empty() {
            return Ok(planned);
        }
        by.iter().try_for_each(|key| super::tree::check_expr_depth(&key.expr))?;
        let span = by[0].expr.span;
        let relation = self.sort(planned.relation, by, span)?;
        Ok(Planned { relation, scope: planned.scope })
    }

    /// A Sort, where the mode has one.
    pub fn sort(&self, input: Relation, by: Vec<SortKey>, span: Span) -> Result<Relation, SqlError> {
        self.check_ordered(&input, "ORDER BY", span)?;
        if let Some(key) = by.iter().find(|key| !orderable(&key.expr.data_type)) {
            return Err(not_compared(&key.expr));
        }
        Ok(Relation::Sort { input: Box::new(input), by })
    }

    fn check_ordered(&self, input: &Relation, what: &str, span: Span) -> Result<(), SqlError> {
        match self.mode {
            OutputMode::Batch => Ok(()),
            OutputMode::Complete if optimize::has_aggregate(input) => Ok(()),
            OutputMode::Complete => Err(SqlError::new(span, format!("over a stream, {what} works on an aggregation only"))),
            OutputMode::Append | OutputMode::Update => {
                Err(SqlError::new(span, format!("{what} works in complete mode only: a stream has no end"))
                    .help("leave it out, or use mode = \"complete\""))
            }
        }
    }

    fn limit(&self, planned: Planned, clause: &LimitClause) -> Result<Planned, SqlError> {
        let span = place(clause);
        let LimitClause::LimitOffset { limit, offset, limit_by } = clause else {
            return Err(SqlError::unsupported(span, "LIMIT offset, rows").help("write LIMIT rows OFFSET offset"));
        };
        if !limit_by.is_empty() {
            return Err(SqlError::unsupported(span, "LIMIT BY"));
        }
        let rows = limit.as_ref().map(|limit| self.row_count(limit, "LIMIT")).transpose()?;
        let skip = offset.as_ref().map_or(Ok(0), |offset| self.row_count(&offset.value, "OFFSET"))?;
        self.limited(planned, rows, skip, span)
    }

    /// At most `rows` rows after the first `skip`.
    pub fn limited(&self, planned: Planned, rows: Option<u64>, skip: u64, span: Span) -> Result<Planned, SqlError> {
        if rows.is_none() && skip == 0 {
            return Ok(planned);
        }
        if skip > 0 {
            self.check_ordered(&planned.relation, "OFFSET", span)?;
        } else if self.mode == OutputMode::Update {
            let error = SqlError::new(span, "LIMIT does not work in update mode: rows that were given out are revised");
            return Err(error.help("use mode = \"append\", where it lets so many rows through in all, or mode = \"complete\""));
        }
        let rows = rows.unwrap_or(u64::MAX);
        Ok(Planned { relation: Relation::Limit { input: Box::new(planned.relation), rows, skip }, ..planned })
    }

    /// A constant number of rows.
    pub fn row_count(&self, written: &ast::Expr, what: &str) -> Result<u64, SqlError> {
        let nothing = Scope::default();
        let planned = ExprPlanner::new(self, &nothing, Clause::Values).plan(written)?;
        let rows = tree::whole_number(&planned).and_then(|rows| u64::try_from(rows).ok());
        rows.ok_or_else(|| SqlError::new(place(written), format!("{what} takes a whole number that is not negative")))
    }

    /// A copy of a planned relation, if the plan has room for it.
    pub fn copy(&self, planned: &Planned, span: Span) -> Result<Planned, SqlError> {
        self.budget.spend(optimize::relation_size(&planned.relation), span)?;
        Ok(planned.clone())
    }
}

/// What ORDER BY says.
#[derive(Clone, Copy)]
pub enum OrderBy<'q> {
    /// None: no order.
    Keys(&'q [ast::OrderByExpr]),
    /// All columns of the result.
    All(&'q ast::OrderByOptions),
}

fn order_by(query: &ast::Query) -> Result<OrderBy<'_>, SqlError> {
    match &query.order_by {
        None => Ok(OrderBy::Keys(&[])),
        Some(ast::OrderBy { kind: OrderByKind::Expressions(keys), interpolate: None }) => Ok(OrderBy::Keys(keys)),
        Some(ast::OrderBy { kind: OrderByKind::All(options), interpolate: None }) => Ok(OrderBy::All(options)),
        Some(other) => Err(SqlError::unsupported(place(other), "INTERPOLATE")),
    }
}

/// Whether a sort key is descending, and whether NULLs come first: by default they do where it ascends.
pub fn direction(key: &ast::OrderByExpr) -> Result<(bool, bool), SqlError> {
    if key.with_fill.is_some() {
        return Err(SqlError::unsupported(place(&key.expr), "WITH FILL"));
    }
    direction_of(&key.options, place(&key.expr))
}

pub fn direction_of(options: &ast::OrderByOptions, span: Span) -> Result<(bool, bool), SqlError> {
    let descending = match &options.sort {
        None | Some(ast::OrderBySort::Asc) => false,
        Some(ast::OrderBySort::Desc) => true,
        Some(ast::OrderBySort::Using(_)) => return Err(SqlError::unsupported(span, "ORDER BY … USING")),
    };
    Ok((descending, options.nulls_first.unwrap_or(!descending)))
}

fn reject_clauses(query: &ast::Query) -> Result<(), SqlError> {
    let what = if !query.pipe_operators.is_empty() {
        "the pipe syntax |>"
    } else if query.fetch.is_some() {
        "FETCH"
    } else if !query.locks.is_empty() || query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
        "this clause after the query"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(place(query), what))
}
