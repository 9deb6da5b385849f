//! A call of an aggregate in the text: its clauses, its arguments, where it may stand.

use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, NullTreatment};

use super::aggregate_form::same;
use super::aggregates::{self, Kind, Written};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::places::Stand;
use super::planner::direction;
use super::tree;
use crate::plan::{Expr, ExprNode, SortKey, Span};
use crate::types::{DataType, Value};

impl ExprPlanner<'_> {
    /// The column that stands for the aggregate until the aggregation's output takes its place.
    pub fn aggregate(&mut self, kind: Kind, name: String, function: &ast::Function, span: Span) -> Result<Expr, SqlError> {
        let place = match self.clause {
            Clause::Where => Some("WHERE"),
            Clause::On => Some("the condition of a join"),
            Clause::GroupBy => Some("GROUP BY"),
            Clause::Generator => Some("FROM"),
            Clause::Values => Some("VALUES"),
            Clause::Watermark => Some("WATERMARK"),
            _ => None,
        };
        if let Some(place) = place {
            let error = SqlError::new(span, format!("the aggregate `{name}` cannot stand in {place}"));
            return Err(if place == "WHERE" { error.help("conditions on aggregates stand in HAVING") } else { error });
        }
        let nested = || SqlError::new(span, "an aggregate cannot be nested in another").help("aggregate the inner one in a subquery");
        if !self.parameters.is_empty() {
            return Err(SqlError::new(span, "an aggregate cannot stand in a lambda").help("aggregate in a subquery"));
        }
        if self.in_aggregate {
            return Err(nested());
        }
        self.in_aggregate = true;
        let written = self.written(kind, name, function, span);
        self.in_aggregate = false;
        let call = aggregates::build(kind, written?, self.mode)?;
        let is_aggregate = |node: &Expr| matches!(node.node, ExprNode::Column(index) if matches!(Stand::of(index), Stand::Aggregate(_)));
        let parts = call.args.iter().chain(&call.filter).chain(call.order.iter().map(|key| &key.expr));
        if parts.into_iter().any(|part| tree::any(part, &mut |node| is_aggregate(node))) {
            return Err(nested());
        }
        let data_type = call.data_type.clone();
        let index = self.aggregates.iter().position(|known| same(known, &call)).unwrap_or(self.aggregates.len());
        if index == self.aggregates.len() {
            self.aggregates.push(call);
        }
        Ok(tree::column(Stand::Aggregate(index).column(), data_type, span))
    }

    /// The call with its arguments planned.
    pub fn written(&mut self, kind: Kind, name: String, function: &ast::Function, span: Span) -> Result<Written, SqlError> {
        let (args, clauses, distinct) = match &function.args {
            FunctionArguments::List(list) => {
                (&list.args[..], &list.clauses[..], list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            FunctionArguments::None => (&[][..], &[][..], false),
            FunctionArguments::Subquery(_) => return Err(SqlError::unsupported(span, format_args!("this form of `{name}`"))),
        };
        let mut nulls = function.null_treatment;
        for clause in clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => nulls = Some(*treatment),
                _ => return Err(SqlError::unsupported(span, format_args!("this form of `{name}`"))),
            }
        }
        let planned = match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => None,
            args => {
                let plan = |(index, arg): (usize, &FunctionArg)| match array_elements(arg) {
                    Some(elements) if kind.takes_array_at() == Some(index) => self.constant_array(elements, place(arg)),
                    _ => self.argument(arg, &name),
                };
                Some(args.iter().enumerate().map(plan).collect::<Result<Vec<Expr>, SqlError>>()?)
            }
        };
        let filter = function.filter.as_deref().map(|filter| self.plan_boolean(filter)).transpose()?;
        let mut order = Vec::new();
        for key in &function.within_group {
            let (descending, nulls_first) = direction(key)?;
            order.push(SortKey { expr: self.plan(&key.expr)?, descending, nulls_first });
        }
        let ignore_nulls = nulls.map(|treatment| treatment == NullTreatment::IgnoreNulls);
        Ok(Written { name, args: planned, distinct, filter, order, ignore_nulls, span })
    }

    /// `array(…)` of constants as one constant.
    fn constant_array(&mut self, elements: &[FunctionArg], span: Span) -> Result<Expr, SqlError> {
        let mut values = Vec::new();
        for element in elements {
            let planned = self.argument(element, "array")?;
            let ExprNode::Literal(value) = planned.node else {
                return Err(SqlError::new(planned.span, "a constant is needed here"));
            };
            values.push(value);
        }
        Ok(tree::literal(Value::Array(values), DataType::Array(Box::new(DataType::Double)), span))
    }
}

fn array_elements(arg: &FunctionArg) -> Option<&[FunctionArg]> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(function))) => match &function.args {
            FunctionArguments::List(list) if function.name.to_string().eq_ignore_ascii_case("array") => Some(&list.args),
            _ => None,
        },
        _ => None,
    }
}
