//! Functions that take a lambda, `x -> …` or `(x, i) -> …`, and what else in an expression makes or opens collections.
//!
//! A parameter hides a column of its name, and a parameter of an outer lambda.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr};

use super::coerce::{cast, orderable, widest, with_article};
use super::collections::{self, array, array_of, collection, map};
use super::error::{SqlError, join};
use super::expr::{ExprPlanner, place};
use super::intervals;
use super::lex::span_of;
use super::scope;
use super::tree;
use crate::plan::{Collection as C, Expr, ExprNode, Span};
use crate::types::{DataType, Field};

/// Names, for suggestions.
pub const NAMES: &[&str] = &[
    "transform",
    "filter",
    "exists",
    "forall",
    "aggregate",
    "reduce",
    "zip_with",
    "map_filter",
    "transform_keys",
    "transform_values",
    "map_zip_with",
];

impl ExprPlanner<'_> {
    /// The call of a function with a lambda; `None` for other functions.
    pub fn higher_order(&mut self, name: &str, args: &[FunctionArg], span: Span) -> Option<Result<Expr, SqlError>> {
        let sorts = name == "array_sort" && args.len() == 2;
        (sorts || NAMES.contains(&name)).then(|| self.plan_higher_order(name, args, span).map(|planned| Expr { span, ..planned }))
    }

    fn plan_higher_order(&mut self, name: &str, args: &[FunctionArg], span: Span) -> Result<Expr, SqlError> {
        let exprs = args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
                other => Err(SqlError::unsupported(place(other), "this form of an argument")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        match (name, &exprs[..]) {
            ("transform" | "filter" | "exists" | "forall" | "array_sort", [input, lambda]) => self.over_array(name, input, lambda),
            ("aggregate" | "reduce", [input, start, merge]) => self.fold(input, start, merge, None),
            ("aggregate" | "reduce", [input, start, merge, finish]) => self.fold(input, start, merge, Some(finish)),
            ("zip_with", [left, right, lambda]) => {
                let ((left, a), (right, b)) = (array(self.plan(left)?)?, array(self.plan(right)?)?);
                let lambda = self.lambda(lambda, &[a, b], 2)?;
                let data_type = array_of(lambda.data_type.clone());
                Ok(collection(C::ZipWith, vec![left, right, lambda], data_type))
            }
            ("map_filter" | "transform_keys" | "transform_values", [input, lambda]) => self.over_map(name, input, lambda),
            ("map_zip_with", [left, right, lambda]) => self.map_zip_with(left, right, lambda, span),
            _ => {
                let usage = match name {
                    "aggregate" | "reduce" => "aggregate(array, start, (acc, x) -> acc + x[, acc -> acc])",
                    "zip_with" => "zip_with(array, array, (x, y) -> x + y)",
                    "map_zip_with" => "map_zip_with(map, map, (k, x, y) -> x + y)",
                    "map_filter" | "transform_keys" | "transform_values" => "it takes a map and a lambda: (k, v) -> v > 1",
                    _ => "it takes an array and a lambda: x -> x + 1",
                };
                Err(SqlError::new(span, format!("`{name}` takes other arguments")).help(usage))
            }
        }
    }

    fn over_array(&mut self, name: &str, input: &ast::Expr, lambda: &ast::Expr) -> Result<Expr, SqlError> {
        let (input, element) = array(self.plan(input)?)?;
        if name == "array_sort" {
            let lambda = self.lambda(lambda, &[element.clone(), element], 2)?;
            if lambda.data_type != DataType::Int {
                return Err(SqlError::new(
                    lambda.span,
                    format!("the comparison of array_sort gives an INT, not {}", with_article(&lambda.data_type)),
                )
                .help("negative, zero or positive, as a is less than b, equal to it or greater"));
            }
            let data_type = input.data_type.clone();
            return Ok(collection(C::ArraySortBy, vec![input, lambda], data_type));
        }
        let parameters = if matches!(name, "transform" | "filter") { vec![element, DataType::Int] } else { vec![element] };
        let lambda = self.lambda(lambda, &parameters, 1)?;
        if name == "transform" {
            let data_type = array_of(lambda.data_type.clone());
            return Ok(collection(C::Transform, vec![input, lambda], data_type));
        }
        let lambda = condition(lambda)?;
        let data_type = input.data_type.clone();
        Ok(match name {
            "filter" => collection(C::Filter, vec![input, lambda], data_type),
            "exists" => collection(C::Exists, vec![input, lambda], DataType::Boolean),
            _ => collection(C::ForAll, vec![input, lambda], DataType::Boolean),
        })
    }

    fn fold(&mut self, input: &ast::Expr, start: &ast::Expr, merge: &ast::Expr, finish: Option<&&ast::Expr>) -> Result<Expr, SqlError> {
        let (input, element) = array(self.plan(input)?)?;
        let start = self.plan(start)?;
        let state = start.data_type.clone();
        let merge = self.lambda(merge, &[state.clone(), element], 2)?;
        if merge.data_type != state && merge.data_type != DataType::Null {
            return Err(SqlError::new(
                merge.span,
                format!("the accumulator begins as {state}, but becomes {}", with_article(&merge.data_type)),
            )
            .help(format!("CAST the start value to {}", merge.data_type)));
        }
        let merge = with_body_type(merge, &state);
        let mut args = vec![input, start, merge];
        let mut data_type = state.clone();
        if let Some(finish) = finish {
            let finish = self.lambda(finish, &[state], 1)?;
            data_type = finish.data_type.clone();
            args.push(finish);
        }
        Ok(collection(C::Aggregate, args, data_type))
    }

    fn over_map(&mut self, name: &str, input: &ast::Expr, lambda: &ast::Expr) -> Result<Expr, SqlError> {
        let (input, key, value) = map(self.plan(input)?)?;
        let lambda = self.lambda(lambda, &[key.clone(), value.clone()], 2)?;
        let map_of = |key: DataType, value: DataType| DataType::Map(Box::new(key), Box::new(value));
        match name {
            "map_filter" => {
                let data_type = input.data_type.clone();
                Ok(collection(C::MapFilter, vec![input, condition(lambda)?], data_type))
            }
            "transform_keys" => {
                if !orderable(&lambda.data_type) {
                    return Err(SqlError::new(lambda.span, "a map's key cannot hold a map"));
                }
                let data_type = map_of(lambda.data_type.clone(), value);
                Ok(collection(C::TransformKeys, vec![input, lambda], data_type))
            }
            _ => {
                let data_type = map_of(key, lambda.data_type.clone());
                Ok(collection(C::TransformValues, vec![input, lambda], data_type))
            }
        }
    }

    fn map_zip_with(&mut self, left: &ast::Expr, right: &ast::Expr, lambda: &ast::Expr, span: Span) -> Result<Expr, SqlError> {
        let ((left, k, v), (right, l, w)) = (map(self.plan(left)?)?, map(self.plan(right)?)?);
        let key =
            widest(&k, &l).ok_or_else(|| SqlError::new(span, format!("the maps' keys are {k} and {l}: they have no type in common")))?;
        let map_of = |value: &DataType| DataType::Map(Box::new(key.clone()), Box::new(value.clone()));
        let (left, right) = (cast(left, &map_of(&v)), cast(right, &map_of(&w)));
        let lambda = self.lambda(lambda, &[key.clone(), v, w], 3)?;
        let data_type = map_of(&lambda.data_type);
        Ok(collection(C::MapZipWith, vec![left, right, lambda], data_type))
    }

    /// A lambda of `least` to `types.len()` parameters; an expression without parameters is one too.
    fn lambda(&mut self, written: &ast::Expr, types: &[DataType], least: usize) -> Result<Expr, SqlError> {
        let (names, body) = match written {
            ast::Expr::Lambda(lambda) => {
                let given: Vec<&ast::LambdaFunctionParameter> = lambda.params.iter().collect();
                if given.len() < least || given.len() > types.len() {
                    let takes = if least == types.len() { least.to_string() } else { format!("{least} to {}", types.len()) };
                    let message = format!("this lambda takes {takes} parameters, not {}", given.len());
                    return Err(SqlError::new(given.first().map_or_else(|| place(written), |name| span_of(name.name.span)), message));
                }
                (given.into_iter().map(|parameter| parameter.name.value.clone()).collect(), &*lambda.body)
            }
            other => (Vec::new(), other),
        };
        let parameters: Vec<Field> =
            names.into_iter().zip(types).map(|(name, data_type): (String, _)| Field::new(name, data_type.clone())).collect();
        self.parameters.push(parameters.clone());
        let body = self.plan(body);
        self.parameters.pop();
        let body = body?;
        let (data_type, span) = (body.data_type.clone(), body.span);
        Ok(Expr { node: ExprNode::Lambda { parameters, body: Box::new(body) }, data_type, span })
    }

    /// A parameter of a lambda around, or a member of one.
    pub fn parameter(&self, parts: &[&str], span: Span) -> Result<Option<Expr>, SqlError> {
        for (level, frame) in self.parameters.iter().rev().enumerate() {
            let Some(index) = frame.iter().position(|parameter| parameter.name.eq_ignore_ascii_case(parts[0])) else { continue };
            let parameter = Expr { node: ExprNode::Parameter { level, index }, data_type: frame[index].data_type.clone(), span };
            return parts[1..].iter().try_fold(parameter, |input, name| scope::member(input, name, span)).map(Some);
        }
        Ok(None)
    }

    /// `(a, b)` and `struct(a AS x, b)`.
    pub fn structure(&mut self, values: &[ast::Expr], span: Span) -> Result<Expr, SqlError> {
        let names: Vec<Option<String>> = values.iter().map(name_of).collect();
        let unnamed = |value: &ast::Expr| if let ast::Expr::Named { expr, .. } = value { (**expr).clone() } else { value.clone() };
        let args = values.iter().map(|value| self.plan(&unnamed(value))).collect::<Result<Vec<_>, _>>()?;
        Ok(Expr { span, ..collections::structure(args, &names) })
    }

    /// `value[index]`
    pub fn subscript(&mut self, value: Expr, subscript: &ast::Subscript) -> Result<Expr, SqlError> {
        let ast::Subscript::Index { index } = subscript else {
            return Err(SqlError::unsupported(value.span, "a range of elements").help("slice(array, start, length)"));
        };
        let index = self.plan(index)?;
        let span = Span { end: index.span.end + 1, ..join(value.span, index.span) };
        collections::subscript(value, index, span).map(|element| Expr { span, ..element })
    }

    /// The step of a sequence of times may be an interval of months: their number.
    pub fn months_step(&self, name: &str, arg: &ast::Expr) -> Option<Expr> {
        let ast::Expr::Interval(interval) = arg else { return None };
        let (interval, span) = intervals::written(interval).ok().filter(|_| name == "sequence")?;
        let months = i32::try_from(interval.months).ok().filter(|months| *months != 0 && interval.micros == 0)?;
        Some(tree::int(months, span))
    }
}

/// What a struct's member is called that is made of this.
pub fn name_of(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Identifier(ident) => Some(ident.value.clone()),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()),
        ast::Expr::Named { name, .. } => Some(name.value.clone()),
        ast::Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last() {
            Some(ast::AccessExpr::Dot(inner)) => name_of(inner),
            _ => None,
        },
        _ => None,
    }
}

/// BOOLEAN, or a bare NULL.
fn condition(lambda: Expr) -> Result<Expr, SqlError> {
    match lambda.data_type {
        DataType::Boolean => Ok(lambda),
        DataType::Null => Ok(with_body_type(lambda, &DataType::Boolean)),
        ref other => Err(SqlError::new(lambda.span, format!("a condition is needed here, not {}", with_article(other)))),
    }
}

/// The lambda with its body cast.
fn with_body_type(lambda: Expr, data_type: &DataType) -> Expr {
    match lambda.node {
        ExprNode::Lambda { parameters, body } if body.data_type != *data_type => {
            let body = Box::new(cast(*body, data_type));
            Expr { node: ExprNode::Lambda { parameters, body }, data_type: data_type.clone(), span: lambda.span }
        }
        node => Expr { node, ..lambda },
    }
}
