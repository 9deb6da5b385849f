//! SQL text to the typed plan: a subset of Spark SQL.
//!
//! In the order of the data's flow: `lex` (tokens with byte spans), `parse` (sqlparser's tree, WATERMARK clauses apart), `planner`,
//! `from`, `select`, `group` (relations), `expr`, `operators`, `functions`, `aggregates`, `window` (typed expressions), `optimize`
//! (filters below the watermark, unread columns left out), `explain`. No IO, no clock.
//!
//! Limits: text of 64 KiB, one statement, bounded nesting and plan size; each beyond is a [`SqlError`]. Parser and planner recurse: within
//! those limits 2 MiB of stack are enough, where sqlparser is built with optimisation (as in this package's profiles).

mod aggregate_call;
mod aggregate_form;
mod aggregates;
mod budget;
mod coerce;
mod collections;
mod dialect;
mod error;
mod explain;
mod explain_relation;
mod expr;
mod from;
mod functions;
mod generate;
mod group;
mod grouping;
mod inline_values;
mod intervals;
mod join;
mod join_time;
mod json;
mod lambdas;
mod lex;
mod like;
mod literal;
mod names;
mod operators;
mod optimize;
mod over;
mod over_stream;
mod parse;
mod pivot;
mod places;
mod planner;
mod references;
mod rewrite;
mod row_window;
mod schema;
mod scope;
mod scripted;
mod select;
mod set;
mod signatures;
mod subquery;
mod subquery_join;
mod tree;
mod unknown;
mod wildcard;
mod window;

#[cfg(test)]
mod tests;

pub use crate::types::duration::parse_duration;
pub use error::{InText, SqlError};
pub use explain::explain;
pub use lex::TEXT_BYTES_MAX;
pub use references::{TableReference, referenced_tables};
pub use schema::{SchemaColumn, parse_schema};
pub use unknown::is_function;

use crate::plan::{ExprNode, NamedExpr, OutputMode, Query, Relation, ScriptFunction, Span, TableSchema};
use crate::types::{DataType, Field};

/// Names of the functions and aggregates that a query can call, in lower case; several may mean the same. Those in `OVER` only are not among them.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    let nested = collections::NAMES.iter().map(|(name, ..)| *name).chain(lambdas::NAMES.iter().copied());
    signatures::names().chain(functions::special_names()).chain(nested).chain(aggregates::NAMES.iter().map(|(name, _)| *name))
}

/// What a query can read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Catalog<'a> {
    /// `Relation::Scan` refers to them by index.
    pub sources: &'a [TableSchema],
    /// Planned before; only those in append mode can be read.
    pub queries: &'a [Query],
    /// Reference tables: `Relation::ReferenceScan` refers to them by index. Their `event_time` has no meaning.
    pub tables: &'a [TableSchema],
    /// By source: the columns whose values tell its rows apart, where repeats within the watermark are to be dropped. May be shorter.
    pub dedup: &'a [Vec<usize>],
    /// The user's own; none has the name of another function.
    pub functions: &'a [ScriptFunction],
}

/// The plan of one query's text.
///
/// ```
/// use tidemill::plan::{OutputMode, TableColumn, TableSchema};
/// use tidemill::sql::{Catalog, plan_query};
/// use tidemill::types::{DataType, Field};
///
/// let column = |name: &str, data_type| TableColumn { field: Field::new(name, data_type), hidden: false };
/// let columns = vec![column("device", DataType::String), column("temperature", DataType::Double)];
/// let sources = [TableSchema { name: "readings".into(), columns, event_time: None }];
/// let catalog = Catalog { sources: &sources, ..Catalog::default() };
/// let query = plan_query("warm", "SELECT device FROM readings WHERE temperature > 25", OutputMode::Append, &catalog).unwrap();
/// assert_eq!(query.output, [Field::new("device", DataType::String)]);
///
/// let error = plan_query("warm", "SELECT devise FROM readings", OutputMode::Append, &catalog).unwrap_err();
/// assert_eq!(error.help.as_deref(), Some("did you mean `device`?"));
/// ```
pub fn plan_query(name: &str, text: &str, mode: OutputMode, catalog: &Catalog) -> Result<Query, SqlError> {
    let parsed = parse::parse(text)?;
    if let (OutputMode::Batch, Some(span)) = (mode, parsed.streams.first()) {
        return Err(
            SqlError::new(*span, "STREAM reads a stream, but this query reads a table").help("leave STREAM out: plain FROM works for both")
        );
    }
    let budget = budget::Budget::default();
    let planner = planner::Planner {
        text,
        mode,
        catalog,
        budget: &budget,
        watermarks: &parsed.watermarks,
        ctes: Default::default(),
        outer: Default::default(),
        correlation: Default::default(),
    };
    let planned = planner.plan_subquery(&parsed.query)?;
    let end = Span { start: 0, end: text.len() as u32 };
    planner.check_reads(&planned.relation, end)?;
    if mode == OutputMode::Complete && !optimize::has_aggregate(&planned.relation) {
        return Err(
            SqlError::new(end, "complete mode needs an aggregation: it emits the whole result each time").help("use mode = \"append\"")
        );
    }
    check_places(&planned.relation)?;
    let output = output(&planned.scope, mode, end)?;
    let root = without_void(planned, &output);
    // A table has no watermark.
    let root = if mode == OutputMode::Batch { optimize::without_watermarks(root) } else { root };
    let root = optimize::optimize(root);
    Ok(Query { name: name.to_string(), text: text.to_string(), mode, root, output })
}

/// Every column that stood for something has been replaced: what is left over was written where no relation yields it.
fn check_places(relation: &Relation) -> Result<(), SqlError> {
    let mut left_over = None;
    relation.visit(&mut |relation| {
        for expr in relation.exprs() {
            tree::visit(expr, &mut |node| {
                if matches!(node.node, ExprNode::Column(index) if !matches!(places::Stand::of(index), places::Stand::Input(_))) {
                    left_over.get_or_insert(node.span);
                }
            });
        }
    });
    left_over.map_or(Ok(()), |span| Err(SqlError::unsupported(span, "this in this place")))
}

/// A column of NULLs without a type is given out as STRING.
fn without_void(planned: planner::Planned, output: &[Field]) -> Relation {
    if planned.scope.columns.iter().all(|column| column.data_type != DataType::Null) {
        return planned.relation;
    }
    let columns = planned.identity().into_iter().zip(output);
    let columns = columns.map(|(column, field)| NamedExpr { expr: coerce::cast(column.expr, &field.data_type), ..column }).collect();
    Relation::Project { input: Box::new(planned.relation), columns }
}

/// Names and types of the result; a stream's must differ: it goes to other programs.
fn output(scope: &scope::Scope, mode: OutputMode, span: Span) -> Result<Vec<Field>, SqlError> {
    let mut output: Vec<Field> = Vec::with_capacity(scope.columns.len());
    for column in &scope.columns {
        if mode != OutputMode::Batch && output.iter().any(|field| field.name.eq_ignore_ascii_case(&column.name)) {
            return Err(
                SqlError::new(span, format!("two columns of the result are called `{}`", column.name)).help("name one of them with AS")
            );
        }
        let data_type = if column.data_type == DataType::Null { DataType::String } else { column.data_type.clone() };
        output.push(Field::new(column.name.clone(), data_type));
    }
    Ok(output)
}
