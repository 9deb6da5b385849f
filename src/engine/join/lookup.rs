//! A stream joined with a side that does not stream: reference tables and literals, and whatever a batch query can make of them.
//!
//! Stateless: a row sees the tables as they are when it comes. The other side is a batch query of its own, run anew when one of its tables
//! has a new version.
//!
//! Limits: [`MATCHES_MAX`] rows from one chunk, and the limits of [`super::build`].

use super::build::{Build, Building, whole_table};
use super::{MATCHES_MAX, Matcher};
use crate::batch::ROWS_MAX;
use crate::engine::EngineSettings;
use crate::engine::chunk::Chunk;
use crate::engine::error::EngineError;
use crate::engine::query::Query;
use crate::engine::stage::{Env, Flow};
use crate::engine::state_limits::OperatorStatus;
use crate::engine::tables::Tables;
use crate::plan::{Join, JoinKind, OutputMode, Program, Query as PlannedQuery, Relation};
use crate::types::Field;

/// The operator. Its one port is the stream.
pub(in crate::engine) struct Lookup {
    matcher: Matcher,
    build: Build,
    built: bool,
    rejected: u64,
    fields: Vec<Field>,
    /// The reference tables that the other side reads.
    tables: Vec<usize>,
    program: Program,
    settings: EngineSettings,
}

impl Lookup {
    /// `join.right` reads no source.
    pub fn new(join: &Join, program: &Program, query: &PlannedQuery, settings: &EngineSettings) -> Result<Lookup, EngineError> {
        let fields = join.right.schema();
        let mut tables = Vec::new();
        join.right.visit(&mut |relation| {
            if let Relation::ReferenceScan { table, .. } = relation {
                tables.push(*table);
            }
        });
        let side = PlannedQuery {
            name: query.name.clone(),
            text: query.text.clone(),
            mode: OutputMode::Batch,
            root: (*join.right).clone(),
            output: fields.clone(),
        };
        let program =
            Program { tables: program.tables.clone(), functions: program.functions.clone(), queries: vec![side], ..Program::default() };
        Query::new(&program, &program.queries[0], settings)?;
        let build = Build::empty(&fields);
        Ok(Lookup { matcher: Matcher::new(join), build, built: false, rejected: 0, fields, tables, program, settings: settings.clone() })
    }

    /// Runs the other side anew where it may have changed.
    pub fn refresh(&mut self, tables: &Tables, env: &mut Env<'_, '_>) {
        if self.built && !self.tables.iter().any(|table| tables.has_changed(*table)) {
            return;
        }
        let mut side = Query::new(&self.program, &self.program.queries[0], &self.settings).expect("the side was compiled before");
        let mut results = Vec::new();
        side.finish(tables, env.complaints, &mut results);
        let fields = [self.fields.clone()];
        let mut env = Env { fields: &fields, complaints: &mut *env.complaints, watermarks: &mut *env.watermarks, ..*env };
        let mut building = Building::new(&self.fields, self.settings.state_bytes_max);
        for result in &results {
            let chunk = whole_table(&result.table).expect("a result has all its columns");
            building.add(&chunk, &self.matcher.right, 0, &mut env);
        }
        self.rejected = building.rejected;
        self.build = building.finish(self.settings.hash_seed);
        self.built = true;
    }

    pub fn push<'a>(&self, chunk: Chunk<'a>, env: &mut Env<'_, '_>) -> Flow<'a> {
        let rows: Vec<u32> = chunk.selection.iter().collect();
        let (mut rest, mut chunks, mut made) = (&rows[..], Vec::new(), 0);
        while !rest.is_empty() && made < MATCHES_MAX {
            let (taken, joined) = self.matcher.slice(&chunk, rest, &self.build, None, env);
            made += joined.selection.len();
            chunks.push(joined);
            rest = &rest[taken..];
        }
        for row in rest {
            env.reject_row(0, &chunk, *row, || format!("the join makes more than {MATCHES_MAX} rows of one batch; add a condition to it"));
        }
        if chunks.is_empty() {
            // An operator above still learns that a batch has come.
            chunks.push(self.matcher.slice(&chunk, &[], &self.build, None, env).1);
        }
        if chunks.len() == 1 { Flow::One(chunks.remove(0)) } else { Flow::Several(chunks) }
    }

    /// How the side that is looked up in stands to its limits; a key is a row here.
    pub fn status(&self) -> OperatorStatus {
        OperatorStatus {
            operator: "JOIN",
            keys: self.build.rows(),
            keys_max: ROWS_MAX,
            bytes: self.build.bytes(),
            bytes_max: self.settings.state_bytes_max,
            rejected: self.rejected,
            evicted: 0,
        }
    }

    /// Whether a side that does not stream can stand on the right of such a join.
    pub fn takes(kind: JoinKind) -> bool {
        !matches!(kind, JoinKind::Right | JoinKind::Full)
    }
}
