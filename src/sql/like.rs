//! LIKE, ILIKE and RLIKE, also with ANY, SOME and ALL of several patterns.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::coerce::coerce;
use super::error::SqlError;
use super::expr::{ExprPlanner, place};
use super::functions::check_pattern;
use super::lex::span_of;
use super::tree;
use crate::plan::{Expr, Function};
use crate::types::DataType;

/// Patterns of one ANY, SOME or ALL.
const PATTERNS_MAX: usize = 256;

impl ExprPlanner<'_> {
    /// `input [NOT] LIKE pattern`, where the pattern may be `ANY (…)`, `SOME (…)` or `ALL (…)`.
    pub fn like(
        &mut self,
        function: Function,
        any: bool,
        input: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
        negated: bool,
    ) -> Result<Expr, SqlError> {
        if let Some((all, patterns)) = quantified(any, pattern) {
            return self.like_several(function, all, input, &patterns, negated);
        }
        if let Some(ast::Expr::Value(value)) = escape
            && let ast::Value::SingleQuotedString(text) = &value.value
            && text.chars().count() != 1
        {
            return Err(SqlError::new(span_of(value.span), "ESCAPE takes one character"));
        }
        let args = [input, pattern].into_iter().chain(escape).map(|arg| coerce(self.plan(arg)?, &DataType::String));
        let planned = tree::call(function, args.collect::<Result<Vec<_>, _>>()?, DataType::Boolean);
        check_pattern(&planned)?;
        Ok(if negated { tree::not(planned) } else { planned })
    }

    fn like_several(
        &mut self,
        function: Function,
        all: bool,
        input: &ast::Expr,
        patterns: &[&ast::Expr],
        negated: bool,
    ) -> Result<Expr, SqlError> {
        let span = place(input);
        if patterns.is_empty() || patterns.len() > PATTERNS_MAX {
            return Err(SqlError::new(span, format!("1 to {PATTERNS_MAX} patterns are needed here, not {}", patterns.len())));
        }
        let input = coerce(self.plan(input)?, &DataType::String)?;
        let mut tests = Vec::new();
        for pattern in patterns {
            let args = vec![self.budget.copy(&input)?, coerce(self.plan(pattern)?, &DataType::String)?];
            let test = tree::call(function, args, DataType::Boolean);
            tests.push(if negated { tree::not(test) } else { test });
        }
        Ok(tree::chain(tests, !all))
    }
}

/// Whether all must match, and the patterns. The parser takes `ALL (…)` and `SOME (…)` for calls.
fn quantified(any: bool, pattern: &ast::Expr) -> Option<(bool, Vec<&ast::Expr>)> {
    match pattern {
        ast::Expr::Tuple(patterns) if any => Some((false, patterns.iter().collect())),
        ast::Expr::Nested(pattern) if any => Some((false, vec![pattern])),
        single if any => Some((false, vec![single])),
        ast::Expr::Function(call) => {
            let all = match call.name.to_string().to_ascii_lowercase().as_str() {
                "all" => true,
                "some" | "any" => false,
                _ => return None,
            };
            let FunctionArguments::List(list) = &call.args else { return None };
            let pattern = |arg| match arg {
                &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
                _ => None,
            };
            Some((all, list.args.iter().map(pattern).collect::<Option<_>>()?))
        }
        _ => None,
    }
}
