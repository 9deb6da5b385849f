//! `[query.<name>]`: SQL over sources and other queries. Queries are planned in an order in which each one stands after those it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::diagnostic::{Diagnostic, Place};
use super::document::FILE_BYTES_MAX;
use super::reader::{Context, Reader};
use super::settings::{OnChange, QueryLimits};
use super::state::{self, StateText};
use super::text::Text;
use crate::plan::{OutputMode, Query, Relation};
use crate::sql::{self, Catalog, TableReference};
use crate::types::ordered::{map_of, set_of};

/// The last one is for tests only.
const MODES: [(&str, OutputMode); 4] =
    [("append", OutputMode::Append), ("update", OutputMode::Update), ("complete", OutputMode::Complete), ("batch", OutputMode::Batch)];

/// Keys that `limits` may allow, as far as the engine numbers them.
const KEYS_MAX: i64 = 1 << 24;

/// Bytes of state that `limits` may allow.
const BYTES_MAX: u64 = 1 << 40;

/// A query as it was read.
pub struct QueryText {
    pub name: String,
    /// Its key.
    pub place: Place,
    pub mode: OutputMode,
    /// `None` if it is wrong, which has then been reported.
    pub sql: Option<Text>,
    pub emit_every: Option<Duration>,
    pub state: Option<StateText>,
    pub limits: QueryLimits,
    pub on_change: OnChange,
}

/// Queries that could be planned, each after those it reads.
#[derive(Default)]
pub struct Planned {
    pub queries: Vec<Query>,
    /// Lower-case names of all tables that some query reads.
    pub read: BTreeSet<String>,
}

pub fn read(context: &mut Context, name: &str, mut reader: Reader) -> QueryText {
    let place = reader.place;
    if reader.has("sql") && reader.has("sql_file") {
        context.error(reader.key_place("sql_file"), format!("[{}] has both `sql` and `sql_file`", reader.path), "keep one");
    } else if !reader.has("sql") && !reader.has("sql_file") {
        let help = "for example: sql = \"SELECT device, temperature FROM readings\"";
        context.error(place, format!("[{}] needs `sql` or `sql_file`", reader.path), help);
    }
    let mut sql = reader.text(context, "sql");
    if let Some(path) = reader.text(context, "sql_file") {
        sql = context.read_file(&path, FILE_BYTES_MAX);
    }
    let state = reader.table(context, "state").map(|reader| state::read(context, reader));
    let modes = if context.for_test { &MODES[..] } else { &MODES[..MODES.len() - 1] };
    let mode = reader.choice(context, "mode", modes).unwrap_or(OutputMode::Append);
    let emit_every = emit_every(context, &mut reader, mode);
    let limits = limits(context, &mut reader);
    let choices = [("refuse", OnChange::Refuse), ("discard", OnChange::Discard)];
    let on_change = reader.choice(context, "on_change", &choices).unwrap_or_default();
    reader.finish(context, &[("from", "a sink; a query names its tables in the SQL")]);
    QueryText { name: name.to_owned(), place, mode, sql, emit_every, state, limits, on_change }
}

/// How long changed groups are withheld at most.
fn emit_every(context: &mut Context, reader: &mut Reader, mode: OutputMode) -> Option<Duration> {
    let every = reader.duration(context, "emit_every", Duration::from_secs(1)..=Duration::from_secs(86_400));
    let place = reader.has("emit_every").then(|| reader.key_place("emit_every"))?;
    if !matches!(mode, OutputMode::Update | OutputMode::Complete) {
        let help = "in append mode each row comes once: remove `emit_every`, or use mode = \"update\"";
        context.error(place, "`emit_every` works in update and complete mode", help);
    }
    every
}

fn limits(context: &mut Context, reader: &mut Reader) -> QueryLimits {
    let Some(mut reader) = reader.table(context, "limits") else { return QueryLimits::default() };
    let keys_max = reader.integer(context, "keys", 1..=KEYS_MAX).map(|keys| keys as usize);
    let bytes_max = reader.size(context, "bytes", (64 << 10)..=BYTES_MAX).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    reader.finish(context, &[]);
    QueryLimits { keys_max, bytes_max }
}

/// Plans the queries over the catalog's tables. Those that read a table in `broken` are left out: what is wrong has been reported there.
pub fn plan_all(context: &mut Context, texts: &[QueryText], base: &Catalog<'_>, mut broken: BTreeSet<String>) -> Planned {
    let mut planned = Planned::default();
    let reads = tables_read(context, texts);
    planned.read = set_of(reads.iter().flatten().flatten().map(|table| table.name.clone()));
    let number: BTreeMap<&str, usize> = map_of(texts.iter().enumerate().map(|(index, query)| (query.name.as_str(), index)));
    let mut waiting: Vec<usize> = (0..texts.len()).collect();
    while let Some(position) = waiting.iter().position(|query| {
        let tables = reads[*query].iter().flatten();
        tables.filter_map(|table| number.get(table.name.as_str())).all(|other| !waiting.contains(other))
    }) {
        let index = waiting.remove(position);
        let query = &texts[index];
        let plan = match (&query.sql, &reads[index]) {
            (Some(text), Some(tables)) if !tables.iter().any(|table| broken.contains(&table.name)) => {
                let catalog = Catalog { queries: &planned.queries, ..*base };
                let plan = sql::plan_query(&query.name, &text.value, query.mode, &catalog);
                let plan = plan.map_err(|error| context.report_sql(text, error)).ok();
                plan.iter().for_each(|plan| warn_unbounded(context, text, plan));
                match &query.state {
                    Some(state) => plan.and_then(|plan| state.over(context, plan)),
                    None => plan,
                }
            }
            _ => None,
        };
        match plan {
            Some(plan) => planned.queries.push(plan),
            None => _ = broken.insert(query.name.clone()),
        }
    }
    report_cycle(context, texts, &reads, &number, &waiting);
    planned
}

/// Says where a join keeps rows for ever.
fn warn_unbounded(context: &mut Context, text: &Text, plan: &Query) {
    if plan.mode == OutputMode::Batch {
        return;
    }
    plan.root.visit(&mut |relation| {
        let Relation::Join(join) = relation else { return };
        if join.keeps_for_ever() {
            let message = "this join keeps the rows of both sides for ever: nothing says how far apart in time two rows of a pair are";
            let diagnostic = Diagnostic::warning(text.place_of(join.span.start as usize..join.span.end as usize), message);
            let help = "give both sides a watermark and bound the times, as in b.ts BETWEEN a.ts AND a.ts + INTERVAL 1 HOUR; once the \
                        query's `limits` are reached, new rows are rejected";
            context.report(diagnostic.help(help));
        }
    });
}

/// For each query the tables it reads, by lower-case names; `None` if its text cannot be parsed, which is reported.
fn tables_read(context: &mut Context, texts: &[QueryText]) -> Vec<Option<Vec<TableReference>>> {
    let tables = |query: &QueryText| {
        let text = query.sql.as_ref()?;
        match sql::referenced_tables(&text.value) {
            Ok(tables) => Some(tables.into_iter().map(|table| TableReference { name: table.name.to_lowercase(), ..table }).collect()),
            Err(error) => {
                context.report_sql(text, error);
                None
            }
        }
    };
    texts.iter().map(tables).collect()
}

/// Of the queries that never became ready, some read each other in a circle: names the first such circle.
fn report_cycle(
    context: &mut Context,
    texts: &[QueryText],
    reads: &[Option<Vec<TableReference>>],
    number: &BTreeMap<&str, usize>,
    waiting: &[usize],
) {
    let Some(first) = waiting.first() else { return };
    let mut path = vec![*first];
    loop {
        let last = path[path.len() - 1];
        let mut tables = reads[last].iter().flatten().filter_map(|table| Some((*number.get(table.name.as_str())?, table.span)));
        let Some((next, span)) = tables.find(|(other, _)| waiting.contains(other)) else { return };
        let Some(start) = path.iter().position(|query| *query == next) else {
            path.push(next);
            continue;
        };
        let names: Vec<&str> = path[start..].iter().chain([&next]).map(|query| texts[*query].name.as_str()).collect();
        let message = match names.len() {
            2 => format!("the query `{}` reads itself", names[0]),
            _ => format!("these queries read each other in a circle: {}", names.join(" → ")),
        };
        let query = &texts[last];
        let place = query.sql.as_ref().map_or(query.place, |sql| sql.place_of(span.start as usize..span.end as usize));
        return context.error(place, message, "a query may read sources and queries that do not read it");
    }
}
