//! UNION, INTERSECT, EXCEPT, VALUES: columns meet by position, and take the names of the first.
//!
//! A chain of unions is one relation, however long.

use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier};

use super::coerce::{cast, common, orderable, with_article};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::planner::{OrderBy, Planned, Planner};
use super::scope::{Scope, ScopeColumn};
use super::tree;
use crate::plan::{
    Expr, Frame, FrameBound, GroupKey, Join, JoinKey, JoinKind, NamedExpr, OutputMode, OverCall, OverFunction, Relation, Span,
};
use crate::types::{DataType, Field};

impl Planner<'_> {
    /// A set operation, or what it is made of.
    pub fn plan_set(&self, set: &SetExpr) -> Result<Planned, SqlError> {
        match set {
            SetExpr::Select(select) => self.plan_select(select, OrderBy::Keys(&[])),
            SetExpr::Query(query) => self.plan_subquery(query),
            SetExpr::Values(values) => self.plan_values(values),
            SetExpr::SetOperation { .. } => self.plan_chain(set),
            _ => Err(SqlError::unsupported(place(set), "this kind of query").help("write SELECT … FROM …")),
        }
    }

    /// A chain of operations: its left spine is walked, not recursed into.
    fn plan_chain(&self, whole: &SetExpr) -> Result<Planned, SqlError> {
        // A set operation's SELECTs do not see the query around.
        let correlation = self.correlation.take();
        let planned = self.plan_spine(whole);
        *self.correlation.borrow_mut() = correlation;
        planned
    }

    fn plan_spine(&self, whole: &SetExpr) -> Result<Planned, SqlError> {
        let mut spine = Vec::new();
        let mut current = whole;
        while let SetExpr::SetOperation { op, set_quantifier, left, right } = current {
            spine.push((*op, *set_quantifier, &**right));
            current = left;
        }
        let mut inputs = vec![self.plan_set(current)?];
        let mut distinct = false;
        for (op, quantifier, written) in spine.into_iter().rev() {
            let all = match quantifier {
                SetQuantifier::All => true,
                SetQuantifier::None | SetQuantifier::Distinct => false,
                _ => return Err(SqlError::unsupported(place(written), "BY NAME").help("name the columns in the same order on both sides")),
            };
            let right = self.plan_set(written)?;
            let span = place(written);
            if op == SetOperator::Union {
                if all && distinct {
                    inputs = vec![self.united(inputs, distinct, span)?];
                    distinct = false;
                }
                distinct |= !all;
                check_columns(&inputs[0], &right, op, span)?;
                inputs.push(right);
                continue;
            }
            let left = self.united(std::mem::take(&mut inputs), distinct, span)?;
            inputs = vec![self.filtered(left, right, op, all, span)?];
            self.check_depth(&inputs[0].relation, span)?;
            distinct = false;
        }
        self.united(inputs, distinct, Span::default())
    }

    /// All rows of all inputs, each once if `distinct`.
    fn united(&self, mut inputs: Vec<Planned>, distinct: bool, span: Span) -> Result<Planned, SqlError> {
        let planned = if inputs.len() == 1 { inputs.remove(0) } else { united(inputs, span)? };
        if distinct { self.distinct(planned, "UNION", span) } else { Ok(planned) }
    }

    /// Each row once.
    pub fn distinct(&self, planned: Planned, what: &str, span: Span) -> Result<Planned, SqlError> {
        let keys = planned.identity();
        check_comparable(keys.iter().map(|key| &key.expr.data_type), what, span)?;
        let keys = keys.into_iter().map(GroupKey::Expr).collect();
        let relation = Relation::Aggregate { input: Box::new(planned.relation), keys, aggregates: vec![] };
        self.check_aggregate(&relation, what, span)?;
        Ok(Planned { relation, scope: planned.scope })
    }

    /// INTERSECT and EXCEPT: semi and anti joins over all columns, NULL equal to NULL. With ALL, equal rows are numbered first.
    fn filtered(&self, left: Planned, right: Planned, op: SetOperator, all: bool, span: Span) -> Result<Planned, SqlError> {
        let (kind, what) = match op {
            SetOperator::Intersect => (JoinKind::LeftSemi, "INTERSECT"),
            _ => (JoinKind::LeftAnti, "EXCEPT"),
        };
        if self.is_stream(&left.relation) || self.is_stream(&right.relation) {
            let error = SqlError::new(span, format!("{what} does not work over streams: which rows the other side has is never known"));
            return Err(error.help("join them in a time range"));
        }
        check_columns(&left, &right, op, span)?;
        let types = met_types(&[&left, &right], what, span)?;
        let (mut left, mut right) = (widened(left, &types), widened(right, &types));
        if all {
            check_comparable(types.iter(), what, span)?;
            left.relation = numbered(&left);
            right.relation = numbered(&right);
        } else {
            left = self.distinct(left, what, span)?;
        }
        let number = all.then_some((types.len(), DataType::Int));
        let columns: Vec<(usize, DataType)> = types.into_iter().enumerate().chain(number).collect();
        let keys = columns.into_iter().map(|(index, data_type)| {
            let key = tree::column(index, data_type, span);
            JoinKey { left: key.clone(), right: key, null_safe: true }
        });
        let join = Join {
            keys: keys.collect(),
            left: Box::new(left.relation),
            right: Box::new(right.relation),
            kind,
            condition: None,
            time: None,
            span,
        };
        let mut planned = Planned { relation: Relation::Join(join), scope: left.scope };
        if all {
            let columns = planned.identity();
            planned.relation = Relation::Project { input: Box::new(planned.relation), columns };
        }
        Ok(planned)
    }

    fn plan_values(&self, values: &ast::Values) -> Result<Planned, SqlError> {
        let scope = Scope::default();
        let mut exprs = ExprPlanner::new(self, &scope, Clause::Values);
        let width = values.rows.first().map_or(0, |row| row.content.len());
        let mut columns: Vec<Vec<Expr>> = vec![Vec::with_capacity(values.rows.len()); width];
        for row in &values.rows {
            if row.content.len() != width {
                let place = row.content.first().map_or(Span::default(), place);
                return Err(SqlError::new(place, format!("this row of VALUES has {} columns, the first has {width}", row.content.len())));
            }
            for (column, written) in columns.iter_mut().zip(&row.content) {
                column.push(exprs.plan(written)?);
            }
        }
        let mut schema = Vec::with_capacity(width);
        let mut rows: Vec<Vec<Expr>> = values.rows.iter().map(|_| Vec::with_capacity(width)).collect();
        for (index, column) in columns.into_iter().enumerate() {
            let (column, data_type) = super::coerce::unify(column, "VALUES")?;
            schema.push(Field::new(format!("col{}", index + 1), data_type));
            rows.iter_mut().zip(column).for_each(|(row, value)| row.push(value));
        }
        let columns = schema.iter().map(|field| ScopeColumn::new(field.name.clone(), field.data_type.clone())).collect();
        Ok(Planned { relation: Relation::Values { rows, schema }, scope: Scope { columns } })
    }
}

fn check_comparable<'a>(mut types: impl Iterator<Item = &'a DataType>, what: &str, span: Span) -> Result<(), SqlError> {
    types.find(|data_type| !orderable(data_type)).map_or(Ok(()), |data_type| {
        let message = format!("{what} compares rows, and a column of type {data_type} cannot be compared");
        Err(SqlError::new(span, message).help("map_entries(m) is an array, which can"))
    })
}

fn check_columns(left: &Planned, right: &Planned, op: SetOperator, span: Span) -> Result<(), SqlError> {
    let (a, b) = (left.scope.columns.len(), right.scope.columns.len());
    if a == b {
        return Ok(());
    }
    Err(SqlError::new(span, format!("{op} needs equally many columns on both sides, but there are {a} and {b}")))
}

/// The types in which the columns of all meet.
fn met_types(all: &[&Planned], what: &str, span: Span) -> Result<Vec<DataType>, SqlError> {
    let types = |planned: &Planned| planned.scope.columns.iter().map(|column| column.data_type.clone()).collect::<Vec<_>>();
    let mut met = types(all[0]);
    for other in &all[1..] {
        for (index, (known, data_type)) in met.iter_mut().zip(types(other)).enumerate() {
            *known = common(known, &data_type).ok_or_else(|| {
                let (a, b) = (with_article(known), with_article(&data_type));
                let message = format!("{what}: column {} is {a} on one side and {b} on the other", index + 1);
                SqlError::new(span, message).help("convert one of them with CAST(… AS …)")
            })?;
        }
    }
    Ok(met)
}

fn united(inputs: Vec<Planned>, span: Span) -> Result<Planned, SqlError> {
    let types = met_types(&inputs.iter().collect::<Vec<_>>(), "UNION", span)?;
    let mut inputs: Vec<Planned> = inputs.into_iter().map(|input| widened(input, &types)).collect();
    let scope = inputs[0].scope.clone();
    let inputs = inputs.drain(..).map(|planned| planned.relation).collect();
    Ok(Planned { relation: Relation::Union { inputs }, scope })
}

/// The columns cast to `types`.
fn widened(planned: Planned, types: &[DataType]) -> Planned {
    if planned.scope.columns.iter().zip(types).all(|(column, data_type)| column.data_type == *data_type) {
        return planned;
    }
    let columns = planned.identity().into_iter().zip(types);
    let columns = columns.map(|(column, data_type)| NamedExpr { expr: cast(column.expr, data_type), ..column }).collect();
    let mut scope = planned.scope;
    scope.columns.iter_mut().zip(types).for_each(|(column, data_type)| column.data_type = data_type.clone());
    Planned { relation: Relation::Project { input: Box::new(planned.relation), columns }, scope }
}

/// Equal rows with their number, from 1, as a last column.
fn numbered(planned: &Planned) -> Relation {
    let frame = Frame { rows: true, start: FrameBound::UnboundedPreceding, end: FrameBound::CurrentRow };
    let call = OverCall {
        name: "number".to_string(),
        function: OverFunction::RowNumber,
        args: vec![],
        ignore_nulls: false,
        frame,
        data_type: DataType::Int,
        span: Span::default(),
    };
    let partition = planned.identity().into_iter().map(|column| column.expr).collect();
    Relation::Over { input: Box::new(planned.relation.clone()), partition, order: vec![], calls: vec![call] }
}

impl Planner<'_> {
    /// Whether some part of the query reads a stream, or may.
    pub fn check_reads(&self, relation: &Relation, span: Span) -> Result<(), SqlError> {
        if self.mode == OutputMode::Batch || self.is_stream(relation) {
            return Ok(());
        }
        Err(SqlError::new(span, "the query reads no source").help("add FROM with a source"))
    }
}
