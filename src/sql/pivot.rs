//! UNPIVOT and PIVOT: columns to rows and back.
//!
//! UNPIVOT is an [`Relation::Expand`]: each row once for each column that it names. PIVOT is an aggregation with one filtered aggregate for
//! each value that it names, grouped by the columns that it does not mention.
//!
//! Limits: [`COLUMNS_MAX`] columns to unpivot, [`CELLS_MAX`] columns made by PIVOT, [`TURNS_MAX`] of both in a row.

use sqlparser::ast::{self, NullInclusion, PivotValueSource, TableFactor};

use super::coerce::{cast, coerce, common, with_article};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::names::output_name;
use super::parse::Alias;
use super::places::Stand;
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn, Shown};
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, Function, GroupKey, NamedExpr, Relation, Span};
use crate::types::{DataType, Field, Value};

/// Columns, or groups of columns, of one UNPIVOT.
const COLUMNS_MAX: usize = 1_024;

/// Columns that one PIVOT makes.
const CELLS_MAX: usize = 1_024;

/// PIVOT and UNPIVOT of one table, one after the other.
const TURNS_MAX: usize = 16;

/// A row of UNPIVOT's result: what stands in the column of names, and the columns whose values follow.
struct Taken {
    name: String,
    columns: Vec<usize>,
}

/// A value of PIVOT: its name and the conditions for a row to belong to it.
struct Cell {
    name: String,
    condition: Expr,
}

impl Planner<'_> {
    pub fn plan_unpivot(&self, factor: &TableFactor) -> Result<Planned, SqlError> {
        let TableFactor::Unpivot { table, value, null_inclusion, name, columns, alias } = factor else {
            return Err(SqlError::unsupported(place(factor), "this kind of table"));
        };
        let span = place(value);
        check_turns(factor, span)?;
        let input = self.plan_factor(table)?;
        let values = parts(value).into_iter().map(|part| plain_name(part, "UNPIVOT")).collect::<Result<Vec<String>, _>>()?;
        if columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(span, format!("UNPIVOT takes at most {COLUMNS_MAX} columns")));
        }
        let taken = columns.iter().map(|column| taken(column, values.len(), &input.scope)).collect::<Result<Vec<Taken>, _>>()?;
        let mut types = Vec::with_capacity(values.len());
        for index in 0..values.len() {
            let mut met = DataType::Null;
            for one in &taken {
                let column = &input.scope.columns[one.columns[index]];
                met = common(&met, &column.data_type).ok_or_else(|| {
                    let message =
                        format!("UNPIVOT: `{}` is {}, the columns before it are {met}", column.name, with_article(&column.data_type));
                    SqlError::new(span, message).help("convert them in a subquery with CAST(… AS …)")
                })?;
            }
            types.push(met);
        }
        let used = |index: &usize| taken.iter().any(|one| one.columns.contains(index));
        let kept: Vec<usize> =
            (0..input.scope.columns.len()).filter(|index| !used(index) && input.scope.columns[*index].shown == Shown::Always).collect();
        let column = |index: usize| tree::column(index, input.scope.columns[index].data_type.clone(), span);
        self.budget.spend(taken.len().saturating_mul(kept.len() + values.len() + 1), span)?;
        let projections = taken.iter().map(|one| {
            let values = one.columns.iter().zip(&types).map(|(index, data_type)| cast(column(*index), data_type));
            kept.iter().map(|index| column(*index)).chain([tree::text(&one.name, span)]).chain(values).collect()
        });
        let projections: Vec<Vec<Expr>> = projections.collect();
        let mut scope: Vec<ScopeColumn> = kept.iter().map(|index| input.scope.columns[*index].clone()).collect();
        scope.push(ScopeColumn::new(name.value.clone(), DataType::String));
        scope.extend(values.into_iter().zip(&types).map(|(value, data_type)| ScopeColumn::new(value, data_type.clone())));
        let fields = scope.iter().map(|column| Field::new(column.name.clone(), column.data_type.clone())).collect();
        let first = kept.len() + 1;
        let mut relation = Relation::Expand { input: Box::new(input.relation), projections, columns: fields };
        if !matches!(null_inclusion, Some(NullInclusion::IncludeNulls)) {
            let there = types.iter().enumerate();
            let there = there.map(|(index, data_type)| tree::not(tree::is_null(tree::column(first + index, data_type.clone(), span))));
            relation = Relation::Filter { input: Box::new(relation), predicate: tree::chain(there.collect(), true) };
        }
        self.dress_made(Planned { relation, scope: Scope { columns: scope } }, alias.as_ref(), span)
    }

    /// An alias over what PIVOT and UNPIVOT make; without one their columns have no table's name.
    fn dress_made(&self, planned: Planned, alias: Option<&ast::TableAlias>, span: Span) -> Result<Planned, SqlError> {
        match alias {
            Some(alias) => self.dress(planned, Alias::of(Some(alias)), None, span),
            None => Ok(planned),
        }
    }

    pub fn plan_pivot(&self, factor: &TableFactor) -> Result<Planned, SqlError> {
        let TableFactor::Pivot { table, aggregate_functions, value_column, value_source, default_on_null, alias } = factor else {
            return Err(SqlError::unsupported(place(factor), "this kind of table"));
        };
        let span = value_column.first().map_or(Span::default(), place);
        check_turns(factor, span)?;
        let PivotValueSource::List(listed) = value_source else {
            return Err(SqlError::unsupported(span, "PIVOT without a list of values").help("name them: FOR room IN ('hall', 'roof')"));
        };
        if default_on_null.is_some() {
            return Err(SqlError::unsupported(span, "DEFAULT ON NULL").help("use coalesce in the SELECT list"));
        }
        if listed.len().saturating_mul(aggregate_functions.len()) > CELLS_MAX {
            return Err(SqlError::new(span, format!("PIVOT makes at most {CELLS_MAX} columns")));
        }
        let input = self.plan_factor(table)?;
        let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Select);
        let columns = value_column.iter().flat_map(parts).map(|column| exprs.plan(column)).collect::<Result<Vec<Expr>, _>>()?;
        let cells = listed.iter().map(|value| cell(&mut exprs, value, &columns)).collect::<Result<Vec<Cell>, _>>()?;
        let mut items = Vec::with_capacity(aggregate_functions.len());
        for written in aggregate_functions {
            let name = written.alias.as_ref().map_or_else(|| output_name(&written.expr), |alias| alias.value.clone());
            let expr = exprs.plan(&written.expr)?;
            if exprs.aggregates.is_empty() {
                return Err(SqlError::new(expr.span, "PIVOT takes aggregates").help("as in PIVOT (avg(t) FOR room IN ('hall', 'roof'))"));
            }
            items.push(NamedExpr { name, expr });
        }
        let calls = std::mem::take(&mut exprs.aggregates);
        let mentioned = |index: usize| {
            let uses = |expr: &Expr| tree::uses_column(expr, index);
            columns.iter().any(uses) || calls.iter().flat_map(AggregateCall::exprs).any(uses)
        };
        let kept: Vec<usize> = (0..input.scope.columns.len())
            .filter(|index| input.scope.columns[*index].shown == Shown::Always && !mentioned(*index))
            .collect();
        self.budget
            .spend(cells.len().saturating_mul(calls.iter().flat_map(AggregateCall::exprs).map(tree::size).sum::<usize>() + 4), span)?;
        let (relation, scope) = self.pivoted(input, &kept, &cells, &calls, &items, span)?;
        self.dress_made(Planned { relation, scope }, alias.as_ref(), span)
    }

    /// The aggregation by the kept columns, and the projection of its results to the cells.
    fn pivoted(
        &self,
        input: Planned,
        kept: &[usize],
        cells: &[Cell],
        calls: &[AggregateCall],
        items: &[NamedExpr],
        span: Span,
    ) -> Result<(Relation, Scope), SqlError> {
        let mut columns: Vec<NamedExpr> = Vec::new();
        let mut keys = Vec::with_capacity(kept.len());
        for (place, index) in kept.iter().enumerate() {
            let ScopeColumn { name, data_type, .. } = &input.scope.columns[*index];
            keys.push(GroupKey::Expr(NamedExpr { name: name.clone(), expr: tree::column(*index, data_type.clone(), span) }));
            columns.push(NamedExpr { name: name.clone(), expr: tree::column(place, data_type.clone(), span) });
        }
        let mut aggregates = Vec::with_capacity(cells.len() * (calls.len() + 1));
        for cell in cells {
            let rows = keys.len() + aggregates.len();
            aggregates.push(AggregateCall {
                function: AggregateFunction::Count,
                args: vec![],
                filter: Some(cell.condition.clone()),
                distinct: false,
                order: vec![],
                data_type: DataType::BigInt,
                span,
            });
            aggregates.extend(calls.iter().map(|call| {
                let filter = call.filter.iter().cloned().chain([cell.condition.clone()]).collect();
                AggregateCall { filter: Some(tree::chain(filter, false)), ..call.clone() }
            }));
            for item in items {
                let mut value = item.expr.clone();
                tree::renumber_columns(&mut value, &|index| match Stand::of(index) {
                    Stand::Aggregate(index) => Some(rows + 1 + index),
                    _ => None,
                });
                // A value that no row has gives NULL, for counts too.
                let found = tree::column(rows, DataType::BigInt, span);
                let found = tree::call(Function::Greater, vec![found, tree::bigint(0, span)], DataType::Boolean);
                let data_type = value.data_type.clone();
                let node = ExprNode::Case { branches: vec![(found, value)], otherwise: None };
                let name = if items.len() == 1 { cell.name.clone() } else { format!("{}_{}", cell.name, item.name) };
                columns.push(NamedExpr { name, expr: Expr { node, data_type, span } });
            }
        }
        let relation = Relation::Aggregate { input: Box::new(input.relation), keys, aggregates };
        self.check_aggregate(&relation, "PIVOT", span)?;
        let scope = columns.iter().map(|column| ScopeColumn::new(column.name.clone(), column.expr.data_type.clone())).collect();
        Ok((Relation::Project { input: Box::new(relation), columns }, Scope { columns: scope }))
    }
}

fn check_turns(factor: &TableFactor, span: Span) -> Result<(), SqlError> {
    let mut current = factor;
    let mut turns = 0;
    while let TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } = current {
        current = table;
        turns += 1;
    }
    if turns <= TURNS_MAX {
        return Ok(());
    }
    Err(SqlError::new(span, format!("at most {TURNS_MAX} PIVOT and UNPIVOT can follow each other")))
}

/// The members of `(a, b)`; one expression is one member.
fn parts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match expr {
        ast::Expr::Tuple(parts) => parts.iter().collect(),
        ast::Expr::Nested(inner) => parts(inner),
        other => vec![other],
    }
}

fn plain_name(expr: &ast::Expr, what: &str) -> Result<String, SqlError> {
    match expr {
        ast::Expr::Identifier(ident) => Ok(ident.value.clone()),
        other => Err(SqlError::new(place(other), format!("{what} needs a plain name here"))),
    }
}

fn taken(written: &ast::ExprWithAlias, width: usize, scope: &Scope) -> Result<Taken, SqlError> {
    let span = place(&written.expr);
    let mut columns = Vec::with_capacity(width);
    let mut names: Vec<String> = Vec::with_capacity(width);
    for part in parts(&written.expr) {
        let idents = match part {
            ast::Expr::Identifier(ident) => std::slice::from_ref(ident),
            ast::Expr::CompoundIdentifier(idents) => &idents[..],
            other => return Err(SqlError::new(place(other), "UNPIVOT takes columns").help("compute in a subquery")),
        };
        let path: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
        match scope.resolve(&path, span)? {
            Some(Expr { node: ExprNode::Column(index), .. }) => {
                columns.push(index);
                names.push(scope.columns[index].name.clone());
            }
            Some(_) => return Err(SqlError::new(span, "UNPIVOT takes whole columns").help("take the member out in a subquery")),
            None => return Err(scope.unknown(&path, &[], span)),
        }
    }
    if columns.len() != width {
        return Err(SqlError::new(span, format!("UNPIVOT makes {width} columns of values, but here are {}", columns.len())));
    }
    let name = written.alias.as_ref().map_or_else(|| names.join("_"), |alias| alias.value.clone());
    Ok(Taken { name, columns })
}

fn cell(exprs: &mut ExprPlanner<'_>, written: &ast::ExprWithAlias, columns: &[Expr]) -> Result<Cell, SqlError> {
    let span = place(&written.expr);
    let values = parts(&written.expr);
    if values.len() != columns.len() {
        return Err(SqlError::new(span, format!("PIVOT goes by {} columns, but this value has {}", columns.len(), values.len())));
    }
    let mut names = Vec::with_capacity(values.len());
    let mut conditions = Vec::with_capacity(values.len());
    for (value, column) in values.into_iter().zip(columns) {
        let value = coerce(exprs.plan(value)?, &column.data_type)?;
        let ExprNode::Literal(literal) = &value.node else {
            return Err(SqlError::new(value.span, "a value of PIVOT is a constant"));
        };
        names.push(match literal {
            Value::String(text) => text.clone(),
            Value::Null => "null".to_string(),
            other => match cast(tree::literal(other.clone(), value.data_type.clone(), span), &DataType::String).node {
                ExprNode::Literal(Value::String(text)) => text,
                _ => output_name(&written.expr),
            },
        });
        conditions.push(tree::call(Function::EqualNullSafe, vec![column.clone(), value], DataType::Boolean));
    }
    let name = match (&written.alias, &names[..]) {
        (Some(alias), _) => alias.value.clone(),
        (None, [name]) => name.clone(),
        (None, names) => format!("{{{}}}", names.join(", ")),
    };
    Ok(Cell { name, condition: tree::chain(conditions, false) })
}
