//! Rows made of a row: LATERAL VIEW, LATERAL tables, table functions, generators in the SELECT list.

use sqlparser::ast::{self, FunctionArg, FunctionArguments, LateralView, TableFactor};

use super::coerce::{unify, with_article};
use super::error::SqlError;
use super::expr::{Clause, ExprPlanner, place};
use super::lex::span_of;
use super::parse::Alias;
use super::places::Stand;
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn};
use super::signatures::check_count;
use super::tree;
use crate::plan::{Collection, Expr, ExprNode, Function, Generator, JoinKind, NamedExpr, Relation, Span};
use crate::types::{DataType, Field, Value};

/// The functions that make rows.
pub const NAMES: &[&str] = &["explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer", "stack", "json_tuple"];

/// Rows that `range` and `stack` make.
const ROWS_MAX: i64 = 20_000;

/// A call of a generator and the columns that it makes.
#[derive(Clone)]
pub struct Generated {
    pub generator: Generator,
    pub outer: bool,
    pub columns: Vec<Field>,
}

/// Whether the function makes rows.
pub fn is_generator(function: &ast::Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    function.over.is_none() && NAMES.contains(&name.as_str())
}

/// The arguments of a call in its plain form.
pub fn plain_args(function: &ast::Function) -> Result<&[FunctionArg], SqlError> {
    match &function.args {
        FunctionArguments::List(list)
            if list.clauses.is_empty() && list.duplicate_treatment.is_none() && function.filter.is_none() && function.over.is_none() =>
        {
            Ok(&list.args)
        }
        _ => Err(SqlError::unsupported(place(function), format_args!("this form of `{}`", function.name))),
    }
}

/// The call of generator `name`, over the columns that `exprs` sees.
pub fn plan_call(exprs: &mut ExprPlanner<'_>, name: &str, args: &[FunctionArg], span: Span) -> Result<Generated, SqlError> {
    let name = name.to_lowercase();
    let (base, outer) = name.strip_suffix("_outer").map_or((name.as_str(), false), |base| (base, true));
    let args = args.iter().map(|arg| exprs.argument(arg, &name)).collect::<Result<Vec<_>, _>>()?;
    let made = |generator, columns| Ok(Generated { generator, outer, columns });
    match base {
        "stack" => return stack(args, span),
        "json_tuple" => return json_tuple(args, span),
        "explode" | "posexplode" | "inline" => check_count(&name, args.len(), 1, Some(1), span)?,
        _ => return Err(SqlError::new(span, format!("`{name}` makes no rows")).help(format!("these do: {}", NAMES.join(", ")))),
    }
    let mut args = args;
    let input = args.remove(0);
    let wrong = |input: &Expr, wanted: &str| {
        SqlError::new(input.span, format!("`{name}` takes {wanted}, but this is {}", with_article(&input.data_type)))
    };
    if base == "inline" {
        return match &input.data_type {
            DataType::Array(element) if matches!(**element, DataType::Struct(_)) => {
                let DataType::Struct(fields) = &**element else { return Err(wrong(&input, "an array of structs")) };
                let fields = fields.clone();
                made(Generator::Inline(input), fields)
            }
            _ => Err(wrong(&input, "an array of structs")),
        };
    }
    let mut columns = match &input.data_type {
        DataType::Array(element) => vec![Field::new("col", (**element).clone())],
        DataType::Map(key, value) => vec![Field::new("key", (**key).clone()), Field::new("value", (**value).clone())],
        _ => return Err(wrong(&input, "an array or a map")),
    };
    if base == "posexplode" {
        columns.insert(0, Field::new("pos", DataType::Int));
        return made(Generator::PosExplode(input), columns);
    }
    made(Generator::Explode(input), columns)
}

/// `stack(n, a, b, …)`: its values in n rows, the last filled up with NULL.
fn stack(mut args: Vec<Expr>, span: Span) -> Result<Generated, SqlError> {
    check_count("stack", args.len(), 2, None, span)?;
    let count = args.remove(0);
    let rows = match count.node {
        ExprNode::Literal(Value::Int(rows)) if rows > 0 && i64::from(rows) <= ROWS_MAX => rows as usize,
        _ => return Err(SqlError::new(count.span, format!("the number of rows of stack is a literal from 1 to {ROWS_MAX}"))),
    };
    let width = args.len().div_ceil(rows);
    let mut values = args.into_iter();
    let mut columns: Vec<Vec<Expr>> = vec![Vec::with_capacity(rows); width];
    for _ in 0..rows {
        for column in &mut columns {
            column.push(values.next().unwrap_or_else(|| tree::literal(Value::Null, DataType::Null, span)));
        }
    }
    let mut fields = Vec::with_capacity(width);
    let mut made: Vec<Vec<Expr>> = vec![Vec::with_capacity(width); rows];
    for (index, column) in columns.into_iter().enumerate() {
        let mut types = column.iter().filter(|value| value.data_type != DataType::Null).map(|value| (&value.data_type, value.span));
        if let Some((first, _)) = types.next()
            && let Some((other, place)) = types.find(|(data_type, _)| *data_type != first)
        {
            let message = format!("column {index} of stack holds {} and {}", with_article(first), with_article(other));
            return Err(SqlError::new(place, message).help("convert one of them with CAST(… AS …)"));
        }
        let (column, data_type) = unify(column, "stack")?;
        fields.push(Field::new(format!("col{index}"), data_type));
        made.iter_mut().zip(column).for_each(|(row, value)| row.push(value));
    }
    Ok(Generated { generator: Generator::Stack(made), outer: false, columns: fields })
}

/// `json_tuple(text, name, …)`: always one row.
fn json_tuple(args: Vec<Expr>, span: Span) -> Result<Generated, SqlError> {
    check_count("json_tuple", args.len(), 2, None, span)?;
    if let Some(other) = args.iter().find(|arg| arg.data_type != DataType::String) {
        let error = SqlError::new(other.span, format!("json_tuple takes texts, not {}", with_article(&other.data_type)));
        return Err(error.help("convert it with CAST(… AS STRING)"));
    }
    let mut texts = args;
    let text = texts.remove(0);
    let columns = (0..texts.len()).map(|index| Field::new(format!("c{index}"), DataType::String)).collect();
    let member = |name| tree::call(Function::Collection(Collection::JsonMember), vec![text.clone(), name], DataType::String);
    let row = texts.into_iter().map(member).collect();
    Ok(Generated { generator: Generator::Stack(vec![row]), outer: false, columns })
}

impl Generated {
    /// Gives the columns other names; as many as there are.
    pub fn rename(&mut self, names: Vec<String>, span: Span) -> Result<(), SqlError> {
        if names.is_empty() {
            return Ok(());
        }
        if names.len() != self.columns.len() {
            let message = format!("{} names are given to {} columns", names.len(), self.columns.len());
            let columns: Vec<&str> = self.columns.iter().map(|field| field.name.as_str()).collect();
            return Err(SqlError::new(span, message).help(format!("the columns are: {}", columns.join(", "))));
        }
        self.columns.iter_mut().zip(names).for_each(|(field, name)| field.name = name);
        Ok(())
    }

    /// The relation with the made columns behind its own.
    pub fn over(self, input: Relation) -> Relation {
        Relation::Generate { input: Box::new(input), generator: self.generator, outer: self.outer, columns: self.columns }
    }
}

/// The columns of a generator as items of the SELECT list, and the generator noted in `exprs`.
pub fn plan_item(exprs: &mut ExprPlanner<'_>, function: &ast::Function, names: Vec<String>) -> Result<Vec<NamedExpr>, SqlError> {
    let span = exprs.call_span(place(function));
    if exprs.in_generator {
        return Err(SqlError::new(span, "a generator cannot be nested in another").help("use LATERAL VIEW for the inner one"));
    }
    exprs.in_generator = true;
    let planned = plan_call(exprs, &function.name.to_string(), plain_args(function)?, span);
    exprs.in_generator = false;
    let mut generated = planned?;
    generated.rename(names, span)?;
    let first: usize = exprs.generators.iter().map(|generator| generator.columns.len()).sum();
    let items = generated.columns.iter().enumerate().map(|(index, field)| NamedExpr {
        name: field.name.clone(),
        expr: tree::column(Stand::Generated(first + index).column(), field.data_type.clone(), span),
    });
    let items = items.collect();
    exprs.generators.push(generated);
    Ok(items)
}

impl Planner<'_> {
    pub fn plan_lateral_view(&self, input: Planned, view: &LateralView) -> Result<Planned, SqlError> {
        let ast::Expr::Function(function) = &view.lateral_view else {
            return Err(
                SqlError::new(place(&view.lateral_view), "LATERAL VIEW takes a function that makes rows").help("as in explode(tags)")
            );
        };
        let names = view.lateral_col_alias.iter().map(|ident| ident.value.clone()).collect();
        let table = view.lateral_view_name.to_string().replace('`', "");
        self.generate(input, &function.name.to_string(), plain_args(function)?, view.outer, Some(&table), names, place(function))
    }

    /// A table that refers to those before it.
    pub fn plan_lateral(&self, left: Planned, factor: &TableFactor, kind: JoinKind) -> Result<Planned, SqlError> {
        let span = place(factor);
        let outer = match kind {
            JoinKind::Inner | JoinKind::Cross => false,
            JoinKind::Left => true,
            _ => return Err(SqlError::new(span, "LATERAL joins are inner, cross or left joins")),
        };
        match factor {
            TableFactor::Function { name, args, alias, .. } => {
                let alias = Alias::of(alias.as_ref());
                self.generate(left, &name.to_string(), args, outer, alias.name.as_deref(), alias.columns, span)
            }
            _ => Err(SqlError::unsupported(span, "a LATERAL subquery")
                .help("compute in the SELECT list, where a name given earlier can be used later, or join")),
        }
    }

    /// A function that stands in FROM.
    pub fn plan_table_function(&self, name: &ast::ObjectName, args: &[FunctionArg], alias: Alias, span: Span) -> Result<Planned, SqlError> {
        let called = name.to_string().to_lowercase();
        if called == "range" {
            let planned = self.range(args, span)?;
            return self.dress(planned, alias, Some("range"), span);
        }
        if !NAMES.contains(&called.as_str()) {
            let error = SqlError::new(span, format!("there is no table function `{name}`"));
            return Err(error.help(format!("there are range, {}; window(ts, '1 minute') stands in GROUP BY", NAMES.join(", "))));
        }
        let row = Planned { relation: Relation::Values { rows: vec![vec![]], schema: vec![] }, scope: Scope::default() };
        self.generate(row, &called, args, false, alias.name.as_deref().or(Some(&called)), alias.columns, span)
    }

    #[allow(clippy::too_many_arguments)]
    fn generate(
        &self,
        input: Planned,
        name: &str,
        args: &[FunctionArg],
        outer: bool,
        table: Option<&str>,
        names: Vec<String>,
        span: Span,
    ) -> Result<Planned, SqlError> {
        let mut exprs = ExprPlanner::new(self, &input.scope, Clause::Generator);
        let mut generated = plan_call(&mut exprs, name, args, span)?;
        generated.generator.exprs().into_iter().try_for_each(tree::check_expr_depth)?;
        generated.outer |= outer;
        generated.rename(names, span)?;
        let mut scope = input.scope;
        scope.columns.extend(generated.columns.iter().map(|field| ScopeColumn {
            qualifier: table.map(str::to_string),
            ..ScopeColumn::new(field.name.clone(), field.data_type.clone())
        }));
        Ok(Planned { relation: generated.over(input.relation), scope })
    }

    /// `range([start,] end[, step[, partitions]])`.
    fn range(&self, args: &[FunctionArg], span: Span) -> Result<Planned, SqlError> {
        check_count("range", args.len(), 1, Some(4), span)?;
        let nothing = Scope::default();
        let mut exprs = ExprPlanner::new(self, &nothing, Clause::Generator);
        let mut numbers = Vec::new();
        for arg in args {
            let planned = exprs.argument(arg, "range")?;
            let number = tree::whole_number(&planned);
            numbers.push(number.ok_or_else(|| SqlError::new(planned.span, "range takes whole numbers as literals"))?);
        }
        let (start, end, step) = match numbers[..] {
            [end] => (0, end, 1),
            [start, end] => (start, end, 1),
            [start, end, step, ..] => (start, end, step),
            [] => (0, 0, 1),
        };
        if step == 0 {
            return Err(SqlError::new(span, "the step of range must not be 0"));
        }
        let distance = (i128::from(end) - i128::from(start)) * i128::from(step.signum());
        let count = (distance.max(0) as u128).div_ceil(u128::from(step.unsigned_abs()));
        if count > ROWS_MAX as u128 {
            return Err(SqlError::new(span, format!("range makes at most {ROWS_MAX} rows")));
        }
        self.budget.spend(count as usize, span)?;
        let rows = (0..count as i64).map(|index| vec![tree::bigint(start + index * step, span)]).collect();
        let schema = vec![Field::new("id", DataType::BigInt)];
        Ok(Planned {
            relation: Relation::Values { rows, schema },
            scope: Scope { columns: vec![ScopeColumn::new("id", DataType::BigInt)] },
        })
    }
}

/// The names in `AS (a, b)`.
pub fn alias_names(idents: &[ast::Ident]) -> Result<Vec<String>, SqlError> {
    let name = |ident: &ast::Ident| match ident.quote_style {
        Some('\'' | '"') => Err(SqlError::new(span_of(ident.span), "names are quoted by backticks")),
        _ => Ok(ident.value.clone()),
    };
    idents.iter().map(name).collect()
}
