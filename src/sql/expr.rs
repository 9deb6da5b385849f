//! sqlparser's expressions to typed ones: names, literals, calls. Operators stand in `operators`.

use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Spanned, TrimWhereField};

use super::aggregates;
use super::budget::Budget;
use super::coerce::{coerce, unify};
use super::error::{SqlError, join};
use super::functions;
use super::generate::Generated;
use super::grouping::Grouping;
use super::lex::span_of;
use super::over::WrittenOver;
use super::places::Stand;
use super::planner::Planner;
use super::scope::{self, Scope};
use super::subquery::Subquery;
use super::tree;
use super::{collections, intervals, literal, row_window, scripted, window};
use crate::plan::{AggregateCall, Expr, ExprNode, Function, OutputMode, Span};
use crate::types::{DataType, Field, Value};

/// How deep operators and calls may nest within each other; chains of binary operators do not count.
const NESTING_MAX: usize = 80;

/// Which part of a SELECT an expression stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    Select,
    /// A join's condition.
    On,
    Where,
    GroupBy,
    Generator,
    Values,
    Having,
    Qualify,
    OrderBy,
    Watermark,
}

/// Plans the expressions of one SELECT.
pub struct ExprPlanner<'a> {
    pub planner: &'a Planner<'a>,
    pub text: &'a str,
    pub mode: OutputMode,
    pub budget: &'a Budget,
    pub scope: &'a Scope,
    pub clause: Clause,
    /// Names of the SELECT list: in HAVING and ORDER BY they come before the input's columns, elsewhere after them.
    pub aliases: Vec<(String, Expr)>,
    /// The keys of GROUP BY: in HAVING their columns come before the names of the SELECT list.
    pub keys: Vec<Expr>,
    /// What the bare name `window` means in an aggregation.
    pub window: Option<Expr>,
    /// The aggregates met so far; columns stand for them.
    pub aggregates: Vec<AggregateCall>,
    /// The generators of the SELECT list so far; columns stand for what they make.
    pub generators: Vec<Generated>,
    /// The calls with OVER so far; columns stand for them.
    pub overs: Vec<WrittenOver>,
    /// The calls of `grouping` and `grouping_id` so far; columns stand for them.
    pub groupings: Vec<Grouping>,
    /// The subqueries so far; columns stand for their values.
    pub subqueries: Vec<Subquery>,
    /// What WINDOW defines.
    pub named_windows: &'a [ast::NamedWindowDefinition],
    pub in_aggregate: bool,
    pub in_generator: bool,
    pub in_over: bool,
    pub depth: usize,
    /// Of the lambdas around, the innermost last.
    pub parameters: Vec<Vec<Field>>,
}

pub fn argument_expr(arg: &FunctionArg) -> Option<&ast::Expr> {
    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg { Some(expr) } else { None }
}

/// The bytes that a node of the parser's tree covers.
pub fn place(node: &impl Spanned) -> Span {
    span_of(node.span())
}

impl<'a> ExprPlanner<'a> {
    pub fn new(planner: &'a Planner<'a>, scope: &'a Scope, clause: Clause) -> ExprPlanner<'a> {
        ExprPlanner {
            planner,
            text: planner.text,
            mode: planner.mode,
            budget: planner.budget,
            scope,
            clause,
            aliases: Vec::new(),
            keys: Vec::new(),
            window: None,
            aggregates: Vec::new(),
            generators: Vec::new(),
            overs: Vec::new(),
            groupings: Vec::new(),
            subqueries: Vec::new(),
            named_windows: &[],
            in_aggregate: false,
            in_generator: false,
            in_over: false,
            depth: 0,
            parameters: Vec::new(),
        }
    }

    /// The typed expression.
    pub fn plan(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(SqlError::new(place(expr), format!("the expression nests too deep: at most {NESTING_MAX} levels")));
        }
        let planned = self.plan_node(expr);
        self.depth -= 1;
        match planned {
            Ok(planned) if self.depth == 0 => tree::check_expr_depth(&planned).map(|()| planned),
            planned => planned,
        }
    }

    /// A condition.
    pub fn plan_boolean(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let planned = self.plan(expr)?;
        match planned.data_type {
            DataType::Boolean | DataType::Null | DataType::String => coerce(planned, &DataType::Boolean),
            ref other => {
                Err(SqlError::new(planned.span, format!("a condition is needed here, not {}", super::coerce::with_article(other))))
            }
        }
    }

    fn plan_node(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        use ast::Expr as E;
        match expr {
            E::Identifier(ident) => self.name(std::slice::from_ref(ident)),
            E::CompoundIdentifier(parts) => self.name(parts),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            E::Nested(inner) => self.plan(inner),
            E::Value(value) => self.literal(value),
            E::TypedString(typed) => self.typed_literal(typed),
            E::UnaryOp { .. }
            | E::BinaryOp { .. }
            | E::InList { .. }
            | E::Between { .. }
            | E::Like { .. }
            | E::ILike { .. }
            | E::RLike { .. } => self.operator(expr),
            E::IsNull(_)
            | E::IsNotNull(_)
            | E::IsTrue(_)
            | E::IsNotTrue(_)
            | E::IsFalse(_)
            | E::IsNotFalse(_)
            | E::IsUnknown(_)
            | E::IsNotUnknown(_)
            | E::IsDistinctFrom(..)
            | E::IsNotDistinctFrom(..) => self.test(expr),
            E::Cast { kind, expr: input, data_type, format: None } => {
                let target = super::schema::sql_type(data_type).map_err(|message| SqlError::new(place(expr), message))?;
                let input = self.plan(input)?;
                let span = join(place(expr), input.span);
                let input = super::intervals::in_units(input, data_type);
                functions::explicit_cast(input, &target, matches!(kind, ast::CastKind::TryCast | ast::CastKind::SafeCast), span)
            }
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), place(expr))
            }
            E::Function(function) => self.function(function),
            E::Extract { .. }
            | E::Ceil { .. }
            | E::Floor { .. }
            | E::Position { .. }
            | E::Substring { .. }
            | E::Overlay { .. }
            | E::Trim { .. } => self.syntax(expr),
            E::Interval(interval) => intervals::literal(interval),
            E::Subquery(_) | E::Exists { .. } | E::InSubquery { .. } => self.subquery(expr),
            E::Wildcard(_) | E::QualifiedWildcard(..) => Err(SqlError::new(place(expr), "`*` cannot stand here")),
            E::Lambda(_) => {
                Err(SqlError::new(place(expr), "a lambda is an argument of transform, filter and their like; it cannot stand here"))
            }
            E::AtTimeZone { .. } => Err(SqlError::unsupported(place(expr), "AT TIME ZONE")),
            E::Tuple(values) => self.structure(values, place(expr)),
            E::Struct { values, fields } if fields.is_empty() => self.structure(values, place(expr)),
            E::Array(_) | E::Map(_) | E::Dictionary(_) => Err(SqlError::unsupported(place(expr), "an array or map")),
            E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => Err(SqlError::unsupported(place(expr), "GROUPING SETS, CUBE or ROLLUP")),
            _ => Err(SqlError::unsupported(place(expr), "this expression")),
        }
    }

    /// A column, a struct's member, an alias of the SELECT list.
    fn name(&mut self, idents: &[Ident]) -> Result<Expr, SqlError> {
        let span = idents.iter().fold(Span::default(), |span, ident| join(span, span_of(ident.span)));
        if let Some(text) = idents.iter().find(|ident| matches!(ident.quote_style, Some('\'' | '"'))) {
            return Err(SqlError::new(span, format!("'{}' is a string, not a name", text.value)).help("names are quoted by backticks"));
        }
        let parts: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
        if let Some(found) = self.parameter(&parts, span)? {
            return Ok(found);
        }
        let aliases_first = matches!(self.clause, Clause::Having | Clause::Qualify | Clause::OrderBy) && !self.in_aggregate;
        if self.clause == Clause::Having
            && let Ok(Some(found)) = self.scope.resolve(&parts, span)
            && self.keys.iter().any(|key| tree::same(key, &found))
        {
            return Ok(found);
        }
        if aliases_first && let Some(found) = self.alias(&parts, span)? {
            return Ok(found);
        }
        if let Some(found) = self.scope.resolve(&parts, span)? {
            return Ok(found);
        }
        if let Some(window) = &self.window
            && window::name_of(window).is_some_and(|name| name.eq_ignore_ascii_case(parts[0]))
        {
            let window = Expr { span, ..self.budget.copy(window)? };
            return parts[1..].iter().try_fold(window, |input, name| scope::member(input, name, span));
        }
        if !aliases_first && let Some(found) = self.alias(&parts, span)? {
            return Ok(found);
        }
        if let Some(found) = self.outer_name(&parts, span)? {
            return Ok(found);
        }
        let names: Vec<&str> = self.aliases.iter().map(|(name, _)| name.as_str()).collect();
        let error = self.scope.unknown(&parts, &names, span);
        Err(match parts[0].to_ascii_lowercase().as_str() {
            name if window::NAMES.contains(&name) => error.help(format!("`{name}` is there only with {name}(...) in GROUP BY")),
            "current_timestamp" | "current_date" | "now" => super::unknown::unknown(&parts[0].to_ascii_lowercase(), span),
            _ => error,
        })
    }

    /// A column of the query around this subquery.
    fn outer_name(&self, parts: &[&str], span: Span) -> Result<Option<Expr>, SqlError> {
        let outer = self.planner.outer.borrow();
        let Some(found) = outer.last().map_or(Ok(None), |scope| scope.resolve(parts, span))? else { return Ok(None) };
        let mut found = found;
        tree::renumber_columns(&mut found, &|index| Some(Stand::Outer(index).column()));
        Ok(Some(found))
    }

    fn alias(&self, parts: &[&str], span: Span) -> Result<Option<Expr>, SqlError> {
        let mut found = self.aliases.iter().filter(|(name, _)| name.eq_ignore_ascii_case(parts[0]));
        let Some((name, expr)) = found.next() else { return Ok(None) };
        if self.clause == Clause::Where {
            let error = SqlError::new(span, format!("`{name}` is a name of the SELECT list, which WHERE does not see"));
            return Err(error.help("repeat the expression, or filter in an outer SELECT"));
        }
        if found.any(|(_, other)| !tree::same(expr, other)) {
            return Err(SqlError::new(span, format!("`{name}` is ambiguous: the SELECT list has it twice")));
        }
        let copy = Expr { span, ..self.budget.copy(expr)? };
        parts[1..].iter().try_fold(copy, |input, name| scope::member(input, name, span)).map(Some)
    }

    fn access(&mut self, root: &ast::Expr, chain: &[ast::AccessExpr]) -> Result<Expr, SqlError> {
        let mut value = self.plan(root)?;
        for access in chain {
            value = match access {
                ast::AccessExpr::Dot(ast::Expr::Identifier(ident)) => {
                    let span = join(value.span, span_of(ident.span));
                    scope::member(value, &ident.value, span)?
                }
                ast::AccessExpr::Dot(other) => return Err(SqlError::new(place(other), "the name of a member is needed here")),
                ast::AccessExpr::Subscript(subscript) => self.subscript(value, subscript)?,
            };
        }
        Ok(value)
    }

    fn literal(&mut self, value: &ast::ValueWithSpan) -> Result<Expr, SqlError> {
        let span = span_of(value.span);
        match &value.value {
            ast::Value::Number(text, _) => literal::number(text, false, span),
            ast::Value::SingleQuotedString(text) => Ok(tree::text(text, span)),
            ast::Value::Boolean(value) => Ok(tree::literal(Value::Boolean(*value), DataType::Boolean, span)),
            ast::Value::HexStringLiteral(digits) => literal::binary(digits, span),
            ast::Value::Null => Ok(tree::literal(Value::Null, DataType::Null, span)),
            _ => Err(SqlError::unsupported(span, "this kind of literal")),
        }
    }

    fn typed_literal(&mut self, typed: &ast::TypedString) -> Result<Expr, SqlError> {
        let span = span_of(typed.value.span);
        let target = super::schema::sql_type(&typed.data_type).map_err(|message| SqlError::new(span, message))?;
        let ast::Value::SingleQuotedString(text) = &typed.value.value else {
            return Err(SqlError::new(span, "a string is needed here"));
        };
        let folded = super::coerce::cast(tree::text(text, span), &target);
        match (&folded.node, &target) {
            (ExprNode::Literal(_), DataType::Date | DataType::Timestamp) => Ok(folded),
            (_, DataType::Date | DataType::Timestamp) if literal::has_far_year(text) => Ok(folded),
            (_, DataType::Date) => Err(SqlError::new(span, format!("'{text}' is not a date")).help("DATE '2026-01-31'")),
            (_, DataType::Timestamp) if literal::is_zoned_timestamp(text) => Ok(folded),
            (_, DataType::Timestamp) => {
                Err(SqlError::new(span, format!("'{text}' is not a timestamp")).help("TIMESTAMP '2026-01-31 12:34:56'"))
            }
            _ => Err(SqlError::unsupported(span, format_args!("a literal of type {target}"))),
        }
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        span: Span,
    ) -> Result<Expr, SqlError> {
        let operand = operand.map(|operand| self.plan(operand)).transpose()?;
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            tests.push(match &operand {
                None => self.plan_boolean(&when.condition)?,
                Some(operand) => {
                    let value = self.plan(&when.condition)?;
                    super::operators::comparison(Function::Equal, self.budget.copy(operand)?, value)?
                }
            });
            results.push(self.plan(&when.result)?);
        }
        let has_otherwise = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            results.push(self.plan(otherwise)?);
        }
        let (mut results, data_type) = unify(results, "CASE")?;
        let otherwise = if has_otherwise { results.pop().map(Box::new) } else { None };
        Ok(Expr { node: ExprNode::Case { branches: tests.into_iter().zip(results).collect(), otherwise }, data_type, span })
    }

    fn function(&mut self, function: &ast::Function) -> Result<Expr, SqlError> {
        let span = self.call_span(place(function));
        let [part] = &function.name.0[..] else {
            return Err(SqlError::new(span, format!("there is no function `{}`", function.name)));
        };
        let name = part.as_ident().map(|ident| ident.value.to_ascii_lowercase()).unwrap_or_default();
        if let Some(over) = &function.over {
            return self.over_call(function, over, &name, span);
        }
        if !matches!(function.parameters, FunctionArguments::None) {
            return Err(SqlError::unsupported(span, format_args!("this form of `{name}`")));
        }
        if let Some(kind) = aggregates::find(&name) {
            return self.aggregate(kind, name, function, span);
        }
        if function.null_treatment.is_some() || !function.within_group.is_empty() {
            return Err(SqlError::unsupported(span, format_args!("this form of `{name}`")));
        }
        let (args, distinct) = match &function.args {
            FunctionArguments::None => (&[][..], false),
            FunctionArguments::List(list) if list.clauses.is_empty() => {
                (&list.args[..], list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
            }
            _ => return Err(SqlError::unsupported(span, format_args!("this form of `{name}`"))),
        };
        if distinct || function.filter.is_some() {
            return Err(SqlError::new(span, format!("`{name}` is no aggregate: DISTINCT and FILTER mean nothing here")));
        }
        if window::NAMES.contains(&name.as_str()) {
            return self.window_call(&name, args, span);
        }
        if let (Some(unit), [_, second, third]) = (unit_of_time(&name, args), args) {
            let (second, third) = (self.argument(second, &name)?, self.argument(third, &name)?);
            return functions::in_units(&name, unit, second, third, span);
        }
        if let Some(planned) = self.higher_order(&name, args, span) {
            return planned;
        }
        let (mut planned, names) = self.arguments(args, &name)?;
        if let Some(own) = self.planner.catalog.functions.iter().find(|function| function.name == name) {
            return scripted::call(own, planned, span);
        }
        if matches!(name.as_str(), "grouping" | "grouping_id") {
            return self.grouping_call(&name, planned, span);
        }
        match collections::build(&name, &mut planned, &names, span) {
            Some(built) => built,
            None => functions::build(&name, planned, span, self.budget),
        }
    }

    pub fn argument(&mut self, arg: &FunctionArg, name: &str) -> Result<Expr, SqlError> {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.months_step(name, expr).map_or_else(|| self.plan(expr), Ok),
            FunctionArg::Unnamed(_) => Err(SqlError::new(place(arg), format!("`{name}` does not take `*`"))),
            _ => Err(SqlError::unsupported(place(arg), "a named argument")),
        }
    }

    fn window_call(&mut self, name: &str, args: &[FunctionArg], span: Span) -> Result<Expr, SqlError> {
        for arg in args.iter().skip(1) {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr @ ast::Expr::Interval(_))) = arg {
                return Err(SqlError::new(place(expr), format!("{name} takes its lengths as strings, not as intervals"))
                    .help("as in window(ts, '1 minute')"));
            }
        }
        let args = args.iter().map(|arg| self.argument(arg, name)).collect::<Result<Vec<_>, _>>()?;
        match name {
            "session_window" => row_window::session(args, span),
            "local_window" => row_window::local(args, span),
            "count_window" => row_window::count(&args, span),
            "state_window" => row_window::state(args, span),
            _ => window::build(args, span),
        }
    }

    /// Functions with a syntax of their own.
    fn syntax(&mut self, expr: &ast::Expr) -> Result<Expr, SqlError> {
        let span = self.call_span(place(expr));
        let (name, args): (&str, Vec<&ast::Expr>) = match expr {
            ast::Expr::Extract { field, expr: source, .. } => {
                let source = self.plan(source)?;
                return functions::extract(&field.to_string(), source, span);
            }
            ast::Expr::Ceil { expr: arg, field } | ast::Expr::Floor { expr: arg, field } => {
                let name = if matches!(expr, ast::Expr::Ceil { .. }) { "ceil" } else { "floor" };
                match field {
                    ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => (name, vec![arg]),
                    ast::CeilFloorKind::Scale(scale) => {
                        let scale = literal::signed(scale).ok_or_else(|| SqlError::new(span, "the scale must be a literal"))?;
                        return functions::build(name, vec![self.plan(arg)?, scale], span, self.budget);
                    }
                    ast::CeilFloorKind::DateTimeField(_) => {
                        return Err(SqlError::unsupported(span, "ceil or floor to a unit").help("use date_trunc(unit, ts)"));
                    }
                }
            }
            ast::Expr::Overlay { expr: text, overlay_what, overlay_from, overlay_for } => {
                ("overlay", [&**text, overlay_what, overlay_from].into_iter().chain(overlay_for.as_deref()).collect())
            }
            ast::Expr::Position { expr: part, r#in } => ("position", vec![part, r#in]),
            ast::Expr::Substring { expr: text, substring_from: Some(from), substring_for, .. } => {
                ("substring", [&**text, from].into_iter().chain(substring_for.as_deref()).collect())
            }
            ast::Expr::Trim { expr: text, trim_where, trim_what, trim_characters } => {
                let side = match trim_where {
                    Some(TrimWhereField::Leading) => Function::Ltrim,
                    Some(TrimWhereField::Trailing) => Function::Rtrim,
                    _ => Function::Trim,
                };
                let what = trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten());
                let args = std::iter::once(&**text).chain(what).map(|arg| coerce(self.plan(arg)?, &DataType::String));
                let args = args.collect::<Result<Vec<_>, _>>()?;
                super::signatures::check_count("trim", args.len(), 1, Some(2), span)?;
                return Ok(Expr { span, ..tree::call(side, args, DataType::String) });
            }
            _ => return Err(SqlError::new(span, "`substring` takes a text, a position and perhaps a length")),
        };
        let args = args.into_iter().map(|arg| self.plan(arg)).collect::<Result<Vec<_>, _>>()?;
        functions::build(name, args, span, self.budget)
    }

    /// A call's span up to its closing parenthesis, which the parser leaves out.
    pub fn call_span(&self, span: Span) -> Span {
        let rest = self.text.get(span.start as usize..).unwrap_or_default();
        let (mut depth, mut quote) = (0usize, None);
        for (at, byte) in rest.bytes().enumerate() {
            match (quote, byte) {
                (Some(open), _) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'"' | b'`') => quote = Some(byte),
                (None, b'(') => depth += 1,
                (None, b')') if depth == 1 => return Span { end: span.start + at as u32 + 1, ..span },
                (None, b')') => depth = depth.saturating_sub(1),
                (None, b',' | b';') if depth == 0 => break,
                _ => {}
            }
        }
        span
    }
}

/// The bare unit that stands first in `timestampadd(HOUR, …)` and its like, as a string literal.
fn unit_of_time(name: &str, args: &[FunctionArg]) -> Option<Expr> {
    let takes_unit = matches!(name, "timestampadd" | "timestampdiff" | "timediff" | "dateadd" | "date_add" | "datediff" | "date_diff");
    match args.first()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Identifier(ident))) if takes_unit && args.len() == 3 => {
            Some(tree::text(&ident.value, span_of(ident.span)))
        }
        _ => None,
    }
}
