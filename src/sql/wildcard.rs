//! `*`, `t.*`, `s.*` of a struct, `* EXCEPT (a, b)`.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, WildcardAdditionalOptions};

use super::error::{SqlError, near};
use super::expr::{ExprPlanner, argument_expr, place};
use super::lambdas::name_of;
use super::lex::span_of;
use super::scope::{Scope, ScopeColumn, Shown, member};
use super::tree;
use crate::plan::{Expr, NamedExpr, Span};
use crate::types::DataType;

/// Appends the columns that the star stands for; `of` is what stands before it.
pub fn expand(
    scope: &Scope,
    of: Option<&ast::ObjectName>,
    options: &WildcardAdditionalOptions,
    span: Span,
    items: &mut Vec<NamedExpr>,
) -> Result<(), SqlError> {
    if options.opt_ilike.is_some() || options.opt_exclude.is_some() || options.opt_replace.is_some() || options.opt_rename.is_some() {
        return Err(SqlError::unsupported(span, "this form of `*`").help("use * EXCEPT (a, b)"));
    }
    let found = match of {
        None => of_all(scope, span)?,
        Some(name) => of_name(scope, name, span)?,
    };
    let except: Vec<&ast::Ident> = match &options.opt_except {
        Some(except) => std::iter::once(&except.first_element).chain(&except.additional_elements).collect(),
        None => vec![],
    };
    for (number, ident) in except.iter().enumerate() {
        if except[..number].iter().any(|known| known.value.eq_ignore_ascii_case(&ident.value)) {
            return Err(SqlError::new(span_of(ident.span), format!("EXCEPT names `{}` twice", ident.value)));
        }
        if !found.iter().any(|item| item.name.eq_ignore_ascii_case(&ident.value)) {
            return Err(scope.unknown(&[&ident.value], &[], span_of(ident.span)));
        }
    }
    let left_out = |item: &NamedExpr| except.iter().any(|ident| ident.value.eq_ignore_ascii_case(&item.name));
    items.extend(found.into_iter().filter(|item| !left_out(item)));
    Ok(())
}

fn of_all(scope: &Scope, span: Span) -> Result<Vec<NamedExpr>, SqlError> {
    let found: Vec<NamedExpr> = pick(scope, span, |column| column.shown == Shown::Always).collect();
    if found.is_empty() {
        return Err(SqlError::new(span, "`*` has no columns here"));
    }
    Ok(found)
}

fn of_name(scope: &Scope, name: &ast::ObjectName, span: Span) -> Result<Vec<NamedExpr>, SqlError> {
    let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    let table = parts.join(".");
    if scope.columns.iter().any(|column| column.is_of(&table)) {
        let keys = pick(scope, span, |column| column.is_of(&table) && column.shown == Shown::WithTable);
        return Ok(keys.chain(pick(scope, span, |column| column.is_of(&table) && column.shown == Shown::Always)).collect());
    }
    if let Some(value) = scope.resolve(&parts, span)? {
        let DataType::Struct(fields) = &value.data_type else {
            return Err(SqlError::new(span, format!("`{table}` is neither a table here nor a struct")));
        };
        let members =
            fields.iter().map(|field| Ok(NamedExpr { name: field.name.clone(), expr: member(value.clone(), &field.name, span)? }));
        return members.collect();
    }
    let tables = scope.columns.iter().filter_map(|column| column.qualifier.as_deref());
    let error = SqlError::new(span, format!("there is no table `{table}` here"));
    Err(match near(&table, tables) {
        Some(meant) => error.help(format!("did you mean `{meant}.*`?")),
        None => error,
    })
}

fn pick(scope: &Scope, span: Span, take: impl Fn(&ScopeColumn) -> bool) -> impl Iterator<Item = NamedExpr> {
    let columns = scope.columns.iter().enumerate().filter(move |(_, column)| take(column));
    columns.map(move |(index, column)| NamedExpr { name: column.name.clone(), expr: tree::column(index, column.data_type.clone(), span) })
}

impl ExprPlanner<'_> {
    /// The arguments of a call of `function` and what they are called; `*` and `t.*` stand for as many as they have columns.
    pub fn arguments(&mut self, args: &[FunctionArg], function: &str) -> Result<(Vec<Expr>, Vec<Option<String>>), SqlError> {
        let (mut planned, mut names) = (Vec::new(), Vec::new());
        for arg in args {
            match star(arg) {
                Some(of) => {
                    let mut columns = Vec::new();
                    expand(self.scope, of, &Default::default(), place(arg), &mut columns)?;
                    for column in columns {
                        planned.push(column.expr);
                        names.push(Some(column.name));
                    }
                }
                None => {
                    planned.push(self.argument(arg, function)?);
                    names.push(argument_expr(arg).and_then(name_of));
                }
            }
        }
        Ok((planned, names))
    }
}

/// What stands before the star of `*` or `t.*`.
fn star(arg: &FunctionArg) -> Option<Option<&ast::ObjectName>> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Some(None),
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(of)) => Some(Some(of)),
        _ => None,
    }
}
