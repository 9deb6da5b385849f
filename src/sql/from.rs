//! FROM: sources, queries, subqueries and CTEs to relations, with their watermarks.

use sqlparser::ast::{self, TableFactor, TableWithJoins};

use super::error::{SqlError, near};
use super::expr::{Clause, ExprPlanner, place};
use super::parse::{Alias, WatermarkClause};
use super::planner::{Planned, Planner};
use super::scope::{Scope, ScopeColumn, Shown};
use crate::plan::{ExprNode, NamedExpr, OutputMode, Query, Relation, Span, TableColumn, TableSchema};
use crate::types::{DataType, Field};

impl Planner<'_> {
    pub fn plan_from(&self, from: &[TableWithJoins], span: Span) -> Result<Planned, SqlError> {
        match from {
            [] => Ok(Planned { relation: Relation::Values { rows: vec![vec![]], schema: vec![] }, scope: Scope::default() }),
            tables => self.plan_tables(tables, span),
        }
    }

    pub fn plan_factor(&self, factor: &TableFactor) -> Result<Planned, SqlError> {
        match factor {
            TableFactor::Table { name, alias, args: None, sample: None, version: None, .. } => self.plan_table(name, alias.as_ref()),
            TableFactor::Table { name, alias, args: Some(args), sample: None, version: None, .. } => {
                self.plan_table_function(name, &args.args, Alias::of(alias.as_ref()), place(factor))
            }
            TableFactor::Table { .. } => Err(SqlError::unsupported(place(factor), "TABLESAMPLE or a table version")),
            TableFactor::Derived { lateral: false, subquery, alias, .. } => {
                let planned = self.plan_subquery(subquery)?;
                self.dress(planned, Alias::of(alias.as_ref()), None, place(factor))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => self.plan_nested(table_with_joins, alias.as_ref(), place(factor)),
            TableFactor::Pivot { .. } => self.plan_pivot(factor),
            TableFactor::Unpivot { .. } => self.plan_unpivot(factor),
            _ => Err(SqlError::unsupported(place(factor), "this kind of table")),
        }
    }

    fn plan_table(&self, name: &ast::ObjectName, alias: Option<&ast::TableAlias>) -> Result<Planned, SqlError> {
        let span = place(name);
        let alias = Alias::of(alias);
        let [part] = &name.0[..] else {
            return Err(SqlError::new(span, format!("there is no table `{name}`")).help("sources and queries have plain names"));
        };
        let table = part.as_ident().map(|ident| ident.value.clone()).unwrap_or_default();
        let defined = self.ctes.borrow();
        if let Some((_, planned)) = defined.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(&table)) {
            let planned = self.copy(planned, span)?;
            return self.dress(planned, alias, Some(&table), span);
        }
        if let Some(source) = self.catalog.sources.iter().position(|source| source.name.eq_ignore_ascii_case(&table)) {
            let planned = self.scan(source, alias.watermark.is_some());
            return self.dress(planned, alias, Some(&table), span);
        }
        if let Some(index) = self.catalog.tables.iter().position(|known| known.name.eq_ignore_ascii_case(&table)) {
            return self.dress(self.reference(index), alias, Some(&table), span);
        }
        if let Some(query) = self.catalog.queries.iter().find(|query| query.name.eq_ignore_ascii_case(&table)) {
            let planned = self.read_query(query, span)?;
            return self.dress(planned, alias, Some(&table), span);
        }
        let tables = self.catalog.sources.iter().chain(self.catalog.tables).map(|table| &table.name);
        let known = tables.chain(self.catalog.queries.iter().map(|query| &query.name));
        let names: Vec<&str> = known.map(String::as_str).chain(defined.iter().map(|(name, _)| name.as_str())).collect();
        let error = SqlError::new(span, format!("there is no source, table or query `{table}`"));
        Err(match near(&table, names.iter().copied()) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None if names.is_empty() => error,
            None => error.help(format!("there are: {}", names.join(", "))),
        })
    }

    /// Tables joined within parentheses. With an alias only the columns of `*` are left.
    fn plan_nested(&self, joined: &TableWithJoins, alias: Option<&ast::TableAlias>, span: Span) -> Result<Planned, SqlError> {
        let mut planned = self.plan_tables(std::slice::from_ref(joined), span)?;
        if alias.is_none() {
            return Ok(planned);
        }
        let named = planned.identity();
        let shown = |index: &usize| planned.scope.columns[*index].shown == Shown::Always;
        let kept: Vec<usize> = (0..named.len()).filter(shown).collect();
        let columns = kept.iter().map(|index| named[*index].clone()).collect();
        planned.scope = Scope { columns: kept.iter().map(|index| planned.scope.columns[*index].clone()).collect() };
        planned.relation = Relation::Project { input: Box::new(planned.relation), columns };
        self.dress(planned, Alias::of(alias), None, span)
    }

    /// All columns of a reference table.
    fn reference(&self, table: usize) -> Planned {
        let columns = &self.catalog.tables[table].columns;
        let schema: Vec<Field> = columns.iter().map(|column| column.field.clone()).collect();
        let relation = Relation::ReferenceScan { table, columns: (0..schema.len()).collect(), schema };
        Planned { relation, scope: scope_of(columns) }
    }

    /// All columns of a source, and its own watermark unless a clause stands in its place.
    fn scan(&self, source: usize, has_clause: bool) -> Planned {
        let table: &TableSchema = &self.catalog.sources[source];
        let schema: Vec<Field> = table.columns.iter().map(|column| column.field.clone()).collect();
        let mut relation = Relation::Scan { source, columns: (0..schema.len()).collect(), schema };
        if let Some(event_time) = table.event_time
            && let Some(delay_us) = event_time.delay_us
            && !has_clause
        {
            relation = self.deduplicated(Relation::Watermark { input: Box::new(relation), column: event_time.column, delay_us });
        }
        Planned { relation, scope: scope_of(&table.columns) }
    }

    fn read_query(&self, query: &Query, span: Span) -> Result<Planned, SqlError> {
        if matches!(query.mode, OutputMode::Update | OutputMode::Complete) {
            let mode = if query.mode == OutputMode::Update { "update" } else { "complete" };
            let message =
                format!("the query `{}` has mode {mode}: its rows are revised later, so no other query can read them", query.name);
            return Err(SqlError::new(span, message).help("only queries in append mode can be read"));
        }
        let columns = query.output.iter().map(|field| ScopeColumn::new(field.name.clone(), field.data_type.clone()));
        let planned = Planned { relation: query.root.clone(), scope: Scope { columns: columns.collect() } };
        self.copy(&planned, span)
    }

    /// Applies a table's alias and WATERMARK clause.
    pub fn dress(&self, mut planned: Planned, alias: Alias, table: Option<&str>, span: Span) -> Result<Planned, SqlError> {
        if !alias.columns.is_empty() {
            let visible: Vec<&mut ScopeColumn> = planned.scope.columns.iter_mut().filter(|column| column.shown == Shown::Always).collect();
            let (named, columns) = (alias.columns.len(), visible.len());
            if named != columns {
                return Err(SqlError::new(span, format!("the alias names {named} columns, but there are {columns}")));
            }
            visible.into_iter().zip(&alias.columns).for_each(|(column, name)| column.name = name.clone());
        }
        match alias.name.as_deref().or(table) {
            Some(name) => planned.scope.qualify(name),
            None => planned.scope.columns.iter_mut().for_each(|column| column.qualifier = None),
        }
        let watermarks = self.watermarks;
        match alias.watermark.and_then(|number| watermarks.get(number)) {
            Some(clause) => self.apply_watermark(planned, clause),
            None => Ok(planned),
        }
    }

    fn apply_watermark(&self, mut planned: Planned, clause: &WatermarkClause) -> Result<Planned, SqlError> {
        let mut exprs = ExprPlanner::new(self, &planned.scope, Clause::Watermark);
        let time = exprs.plan(&clause.expr)?;
        if time.data_type != DataType::Timestamp {
            let message =
                format!("the watermark's event time must be a TIMESTAMP, but this is {}", super::coerce::with_article(&time.data_type));
            let error = SqlError::new(time.span, message);
            return Err(match time.data_type {
                DataType::Int | DataType::BigInt => error.help("WATERMARK timestamp_millis(ts) AS event_time DELAY OF …"),
                _ => error,
            });
        }
        let streaming = self.is_stream(&planned.relation);
        if planned.relation.has_watermark() && self.mode != OutputMode::Batch {
            return Err(SqlError::new(clause.span, "the table has a watermark already").help("keep one of them"));
        }
        let column = match (&time.node, &clause.name) {
            (ExprNode::Column(column), None) => *column,
            (_, None) => {
                return Err(
                    SqlError::new(time.span, "an expression in WATERMARK needs a name").help("WATERMARK … AS event_time DELAY OF …")
                );
            }
            (_, Some(name)) => {
                let qualifier = planned.scope.columns.first().and_then(|column| column.qualifier.clone());
                let mut columns: Vec<NamedExpr> = planned.identity();
                columns.push(NamedExpr { name: name.clone(), expr: time });
                planned.relation = Relation::Project { input: Box::new(planned.relation), columns };
                planned.scope.columns.push(ScopeColumn { qualifier, ..ScopeColumn::new(name.clone(), DataType::Timestamp) });
                planned.scope.columns.len() - 1
            }
        };
        // On a reference table without effect; in a batch query it says, while it is planned, which column is event time.
        if streaming || self.mode == OutputMode::Batch && !planned.relation.has_watermark() {
            let watermark = Relation::Watermark { input: Box::new(planned.relation), column, delay_us: clause.delay_us };
            planned.relation = self.deduplicated(watermark);
        }
        Ok(planned)
    }

    /// A source under its watermark, without its repeats where they are to be dropped.
    fn deduplicated(&self, relation: Relation) -> Relation {
        let Relation::Watermark { input, delay_us, .. } = &relation else { return relation };
        let delay_us = *delay_us;
        let mut below = &**input;
        if let Relation::Project { input, .. } = below {
            // The expression of a WATERMARK clause, behind all columns of the source.
            below = input;
        }
        let Relation::Scan { source, .. } = below else { return relation };
        match self.catalog.dedup.get(*source) {
            Some(keys) if !keys.is_empty() => Relation::Deduplicate { input: Box::new(relation), keys: keys.clone(), delay_us },
            _ => relation,
        }
    }
}

fn scope_of(columns: &[TableColumn]) -> Scope {
    let column = |column: &TableColumn| ScopeColumn {
        shown: if column.hidden { Shown::ByName } else { Shown::Always },
        ..ScopeColumn::new(column.field.name.clone(), column.field.data_type.clone())
    };
    Scope { columns: columns.iter().map(column).collect() }
}
