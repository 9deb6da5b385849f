//! Planned subqueries as joins with the query around them.
//!
//! In WHERE, `IN` and `EXISTS` that must hold become semi and anti joins. Elsewhere the subquery's value is joined as a further column, each
//! of its keys once; where that is not enough, the outer rows are split by semi and anti joins and united again, each with its value.

use super::coerce::cast;
use super::error::SqlError;
use super::operators::comparison;
use super::places::Stand;
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn, Shown};
use super::subquery::{Asked, Single, Subquery, place_subqueries};
use super::tree;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, Function, GroupKey, JoinKind, NamedExpr, OutputMode, Relation, Span};
use crate::types::{DataType, Value};

impl Planner<'_> {
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
            match number.and_then(|number| waiting[number].take_if(|subquery| subquery.asked != Asked::Scalar && subquery.single.is_none()))
            {
                Some(mut subquery) => {
                    subquery.negated ^= negated;
                    joined.push(subquery);
                }
                None => kept.push(condition),
            }
        }
        for subquery in joined {
            let span = subquery.span;
            input = self.semi_join(input, subquery)?;
            self.check_depth(&input.relation, span)?;
        }
        let mut places = vec![0; waiting.len()];
        for (number, subquery) in waiting.into_iter().enumerate() {
            if let Some(subquery) = subquery {
                let span = subquery.span;
                (input, places[number]) = self.as_column(input, subquery)?;
                self.check_depth(&input.relation, span)?;
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
            let mut outer = subquery.keys.iter().chain(&subquery.compared);
            if outer.any(|(outer, _)| tree::uses_column(outer, column)) || !subquery.rest.is_empty() {
                input.relation = Relation::Watermark { input: below, column, delay_us };
            } else {
                let joined = self.semi_join(Planned { relation: *below, scope: input.scope }, subquery)?;
                let relation = Relation::Watermark { input: Box::new(joined.relation), column, delay_us };
                return Ok(Planned { relation, ..joined });
            }
        }
        let Subquery { asked, negated, planned, compared, keys, rest, span, .. } = subquery;
        let width = input.scope.columns.len();
        let mut conditions = beside(keys, rest, width)?;
        let mut equal = beside(compared, vec![], width)?;
        if asked == Asked::In && negated {
            // NOT IN: a comparison that is NULL counts as a match.
            equal = vec![or_null(tree::chain(equal, false))];
        }
        conditions.extend(equal);
        self.join_on(input, planned, if negated { JoinKind::LeftAnti } else { JoinKind::LeftSemi }, conditions, span)
    }

    /// The subquery's value as a further column of `input`; which.
    pub fn as_column(&self, input: Planned, subquery: Subquery) -> Result<(Planned, usize), SqlError> {
        let width = input.relation.schema().len();
        let (negated, span) = (subquery.negated, subquery.span);
        if subquery.asked != Asked::Scalar && subquery.single.is_none() && (!subquery.rest.is_empty() || subquery.compared.len() > 1) {
            return self.by_cases(input, subquery).map(|planned| (planned, width));
        }
        if let Some(condition) = subquery.rest.first() {
            let error = SqlError::new(condition.span, "here a subquery can refer to the outer query by equalities only");
            return Err(error.help("as in WHERE d.device = r.device; or write a join"));
        }
        let (joined, value) = match (subquery.asked, &subquery.single) {
            (_, Some(_)) => self.single(input, subquery)?,
            (Asked::In, None) => self.in_column(input, subquery)?,
            _ => {
                let Subquery { asked, planned, keys, .. } = subquery;
                let (outer, inner) = keys.into_iter().unzip();
                let side = once(planned, inner, asked, span);
                let (joined, there) = self.beside_keys(input, side, outer, span)?;
                let value = joined.scope.columns.len() - 2;
                let value = tree::column(value, joined.scope.columns[value].data_type.clone(), span);
                (joined, if asked == Asked::Scalar { value } else { there })
            }
        };
        let value = if negated { tree::not(value) } else { value };
        Ok((with_value(joined, width, value), width))
    }

    /// `input` with the columns of `side`, whose first columns are the keys, each once, and whose last is TRUE; and whether there is a row.
    fn beside_keys(&self, input: Planned, side: Planned, outer: Vec<Expr>, span: Span) -> Result<(Planned, Expr), SqlError> {
        let width = input.relation.schema().len();
        let inner = side.scope.columns.iter().enumerate().map(|(index, column)| tree::column(index, column.data_type.clone(), span));
        let keys = outer.into_iter().zip(inner).collect();
        let marker = width + side.scope.columns.len() - 1;
        let joined = self.join_on(input, side, JoinKind::Left, beside(keys, vec![], width)?, span)?;
        Ok((joined, tree::not(tree::is_null(tree::column(marker, DataType::Boolean, span)))))
    }

    /// Joins an aggregation without GROUP BY, and what is asked of its one row.
    fn single(&self, input: Planned, subquery: Subquery) -> Result<(Planned, Expr), SqlError> {
        let Subquery { asked, mut planned, compared, keys, single, span, .. } = subquery;
        let Single { defaults, having } = single.unwrap_or(Single { defaults: vec![], having: None });
        let width = input.relation.schema().len();
        let (outer, inner): (Vec<Expr>, Vec<Expr>) = keys.into_iter().unzip();
        let count = inner.len();
        let named = |(index, expr)| NamedExpr { name: format!("key{index}"), expr };
        let items = defaults.iter().enumerate().map(|(index, item)| tree::column(index, item.data_type.clone(), span));
        let marker = tree::literal(Value::Boolean(true), DataType::Boolean, span);
        let columns: Vec<NamedExpr> = inner.into_iter().chain(items).chain([marker]).enumerate().map(named).collect();
        let scope = columns.iter().map(|column| ScopeColumn::new(column.name.clone(), column.expr.data_type.clone())).collect();
        planned = Planned { relation: Relation::Project { input: Box::new(planned.relation), columns }, scope: Scope { columns: scope } };
        let (joined, there) = self.beside_keys(input, planned, outer, span)?;
        let values = defaults.into_iter().enumerate().map(|(index, default)| {
            let value = tree::column(width + count + index, default.data_type.clone(), span);
            choice(vec![(there.clone(), value)], Some(default))
        });
        let values: Vec<Expr> = values.collect();
        let holds = having.map(|index| values[index].clone());
        let yes = || tree::literal(Value::Boolean(true), DataType::Boolean, span);
        let no = || tree::literal(Value::Boolean(false), DataType::Boolean, span);
        let (value, otherwise) = match asked {
            Asked::Scalar => (values[0].clone(), None),
            Asked::Exists => (yes(), Some(no())),
            Asked::In => {
                let equal = compared.into_iter().map(|(outer, mut inner)| {
                    tree::replace_columns(&mut inner, &|index| values.get(index).cloned());
                    comparison(Function::Equal, outer, inner)
                });
                (tree::chain(equal.collect::<Result<_, _>>()?, false), Some(no()))
            }
        };
        Ok((
            joined,
            match holds {
                Some(holds) => choice(vec![(holds, value)], otherwise),
                None => value,
            },
        ))
    }

    /// IN over one column: TRUE where there is an equal value, else NULL where the value or one of the subquery's is NULL, else FALSE.
    fn in_column(&self, input: Planned, subquery: Subquery) -> Result<(Planned, Expr), SqlError> {
        let Subquery { planned, compared, keys, span, .. } = subquery;
        let (mut outer, mut inner): (Vec<Expr>, Vec<Expr>) = keys.into_iter().unzip();
        let Some((value, element)) = compared.into_iter().next() else { return Ok((input, tree::is_null(tree::bigint(0, span)))) };
        let nulls = nulls_of(self.copy(&planned, span)?, inner.clone(), element.clone(), span);
        let (joined, any) = self.beside_keys(input, nulls, outer.clone(), span)?;
        let has_null = joined.scope.columns.len() - 2;
        let has_null = tree::column(has_null, DataType::Boolean, span);
        outer.push(value.clone());
        inner.push(element);
        let (joined, found) = self.beside_keys(joined, once(planned, inner, Asked::In, span), outer, span)?;
        let unknown = tree::chain(vec![tree::is_null(value), has_null], true);
        let yes = tree::literal(Value::Boolean(true), DataType::Boolean, span);
        let no = tree::literal(Value::Boolean(false), DataType::Boolean, span);
        let null = tree::literal(Value::Null, DataType::Boolean, span);
        let value = choice(vec![(found, yes), (tree::not(any), no.clone()), (unknown, null)], Some(no));
        Ok((joined, value))
    }

    /// EXISTS or IN under any conditions: the rows of `input` for which it is TRUE, NULL and FALSE, each with that value.
    fn by_cases(&self, input: Planned, subquery: Subquery) -> Result<Planned, SqlError> {
        let Subquery { asked, negated, planned, compared, keys, rest, span, .. } = subquery;
        if self.mode != OutputMode::Batch {
            let error = SqlError::new(span, "over a stream such a subquery can stand alone or beside AND in WHERE only");
            return Err(error.help("write a LEFT JOIN"));
        }
        let width = input.scope.columns.len();
        let conditions = beside(keys, rest, width)?;
        let equal = tree::chain(beside(compared, vec![], width)?, false);
        let split = |input: &Planned, condition: &Expr, kind: JoinKind| {
            let conditions = conditions.iter().chain([condition]).cloned().collect();
            self.join_on(self.copy(input, span)?, self.copy(&planned, span)?, kind, conditions, span)
        };
        let yes = split(&input, &equal, JoinKind::LeftSemi)?;
        let mut no = split(&input, &equal, JoinKind::LeftAnti)?;
        let mut cases = vec![(yes, Value::Boolean(!negated))];
        if asked == Asked::In {
            let equal = or_null(equal);
            cases.push((split(&no, &equal, JoinKind::LeftSemi)?, Value::Null));
            no = split(&no, &equal, JoinKind::LeftAnti)?;
        }
        cases.push((no, Value::Boolean(negated)));
        let mut inputs = Vec::with_capacity(cases.len());
        let mut scope = input.scope;
        for (case, value) in cases {
            let made = with_value(case, width, tree::literal(value, DataType::Boolean, span));
            scope = made.scope;
            inputs.push(made.relation);
        }
        Ok(Planned { relation: Relation::Union { inputs }, scope })
    }
}

/// The first `width` columns and a further one, which has no name.
fn with_value(planned: Planned, width: usize, value: Expr) -> Planned {
    let mut columns: Vec<NamedExpr> = planned.identity();
    columns.truncate(width);
    let mut scope = planned.scope;
    scope.columns.truncate(width);
    scope.columns.push(ScopeColumn { shown: Shown::WithTable, ..ScopeColumn::new("", value.data_type.clone()) });
    columns.push(NamedExpr { name: "subquery".to_string(), expr: value });
    Planned { relation: Relation::Project { input: Box::new(planned.relation), columns }, scope }
}

/// `condition OR condition IS NULL`.
fn or_null(condition: Expr) -> Expr {
    tree::chain(vec![condition.clone(), tree::is_null(condition)], true)
}

fn choice(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    let (data_type, span) = (branches[0].1.data_type.clone(), branches[0].1.span);
    let otherwise = otherwise.map(|otherwise| Box::new(cast(otherwise, &data_type)));
    Expr { node: ExprNode::Case { branches, otherwise }, data_type, span }
}

/// For each of the keys, whether one of its elements is NULL; then TRUE.
fn nulls_of(planned: Planned, keys: Vec<Expr>, element: Expr, span: Span) -> Planned {
    let count = keys.len();
    let named = |(index, expr): (usize, Expr)| NamedExpr { name: format!("key{index}"), expr };
    let columns: Vec<NamedExpr> = keys.into_iter().chain([element]).enumerate().map(named).collect();
    let types: Vec<DataType> = columns.iter().map(|column| column.expr.data_type.clone()).collect();
    let column = |index: usize| tree::column(index, types[index].clone(), span);
    let counted = |args: Vec<Expr>| AggregateCall {
        function: AggregateFunction::Count,
        args,
        filter: None,
        distinct: false,
        order: vec![],
        data_type: DataType::BigInt,
        span,
    };
    let grouped = Relation::Aggregate {
        input: Box::new(Relation::Project { input: Box::new(planned.relation), columns }),
        keys: (0..count).map(|index| GroupKey::Expr(named((index, column(index))))).collect(),
        aggregates: vec![counted(vec![]), counted(vec![column(count)])],
    };
    let number = |index: usize| tree::column(count + index, DataType::BigInt, span);
    let greater = |a: Expr, b: Expr| tree::call(Function::Greater, vec![a, b], DataType::Boolean);
    let yes = tree::literal(Value::Boolean(true), DataType::Boolean, span);
    let there = Expr {
        node: ExprNode::Case { branches: vec![(greater(number(0), tree::bigint(0, span)), yes)], otherwise: None },
        data_type: DataType::Boolean,
        span,
    };
    let made = (0..count).map(column).chain([greater(number(0), number(1)), there]);
    let columns: Vec<NamedExpr> = made.enumerate().map(named).collect();
    let scope = columns.iter().map(|column| ScopeColumn::new(column.name.clone(), column.expr.data_type.clone())).collect();
    Planned { relation: Relation::Project { input: Box::new(grouped), columns }, scope: Scope { columns: scope } }
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

/// Equalities and other conditions over the columns of the outer query, `width` of them, followed by the subquery's.
fn beside(keys: Vec<(Expr, Expr)>, rest: Vec<Expr>, width: usize) -> Result<Vec<Expr>, SqlError> {
    let equal = keys.into_iter().map(|(outer, mut inner)| {
        tree::renumber_columns(&mut inner, &|index| Some(width + index));
        comparison(Function::Equal, outer, inner)
    });
    let rest = rest.into_iter().map(|mut condition| {
        tree::renumber_columns(&mut condition, &|index| match Stand::of(index) {
            Stand::Outer(index) => Some(index),
            _ => Some(width + index),
        });
        Ok(condition)
    });
    equal.chain(rest).collect()
}
