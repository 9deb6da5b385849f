//! Cases with Spark's own output, from `tests/golden` (its INDEX.md describes them).
//!
//! Each case's query is planned over `raw_readings`, the JSON as it came, through the view `readings` that Spark was given too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tidemill::plan::{OutputMode, Program, TableColumn, TableSchema};
use tidemill::sql::{Catalog, SchemaColumn, SqlError, parse_schema, plan_query};
use tidemill::types::{DataType, Field};

/// Cases that ask for what is not there yet.
const NOT_YET: &[(&str, &str)] = &[
    ("12_agg_percentile", "percentile, percentile_approx, median"),
    ("19_session", "session_window"),
    ("20_join_static_inner", "joins"),
    ("21_join_static_left_window", "joins"),
    ("29_stream_session_append", "session_window"),
    ("33_stream_static_join", "joins"),
];

/// Columns of cases that are left out of query and expectation.
const NOT_YET_COLUMNS: &[(&str, &[&str], &str)] = &[
    ("04_expr_cast", &["de"], "CAST AS DECIMAL"),
    ("09_agg_nulls_nan", &["acd"], "approx_count_distinct"),
    ("11_agg_int", &["latest", "earliest"], "max_by, min_by"),
];

/// One case, as far as it is supported.
pub struct Case {
    pub name: String,
    pub sql: String,
    pub mode: OutputMode,
    /// One file a micro-batch, in order; a batch case reads all of them as one table.
    pub inputs: Vec<PathBuf>,
    /// Lines of Spark's output; see INDEX.md.
    pub expected: Vec<Json>,
    /// Result columns that are not compared.
    pub left_out: Vec<String>,
    /// Spark's result columns, without those left out.
    pub output: Vec<Field>,
    meta: Json,
}

impl Case {
    fn read(directory: &Path) -> Case {
        let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let name = directory.file_name().unwrap().to_string_lossy().into_owned();
        let meta: Json = serde_json::from_str(&read("meta.json")).unwrap();
        let mode = match meta["output_mode"].as_str() {
            None => OutputMode::Batch,
            Some("append") => OutputMode::Append,
            Some("update") => OutputMode::Update,
            Some("complete") => OutputMode::Complete,
            Some(other) => panic!("{name}: mode {other}"),
        };
        let left_out: Vec<String> = NOT_YET_COLUMNS
            .iter()
            .filter(|(case, ..)| *case == name)
            .flat_map(|(_, columns, _)| columns.iter().map(ToString::to_string))
            .collect();
        let sql = left_out.iter().fold(read("query.sql"), |sql, column| without_column(&sql, column));
        let DataType::Struct(output) = spark_type(meta["output_schema"].as_str().unwrap()) else { panic!("{name}: no struct") };
        let output = output.into_iter().filter(|field| !left_out.contains(&field.name)).collect();
        let mut inputs: Vec<PathBuf> = fs::read_dir(directory.join("input")).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        let expected = read("expected.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Case { name, sql, mode, inputs, expected, left_out, output, meta }
    }

    /// The JSON's members.
    pub fn columns(&self) -> Vec<SchemaColumn> {
        parse_schema(self.meta["input_schema"].as_str().unwrap()).unwrap()
    }

    /// `raw_readings`, all of the JSON's members as they came.
    pub fn source(&self) -> TableSchema {
        let columns =
            self.columns().into_iter().map(|column| TableColumn { field: Field::new(column.name, column.data_type), hidden: false });
        TableSchema { name: "raw_readings".into(), columns: columns.collect(), event_time: None }
    }

    /// The source, the view `readings` and the case's query over it; the query to run is the last.
    pub fn program(&self) -> Program {
        self.plan(&self.sql).unwrap_or_else(|error| panic!("{}\n{}", self.name, error.in_text(&self.sql)))
    }

    /// `sql` in the place of the case's query.
    fn plan(&self, sql: &str) -> Result<Program, SqlError> {
        let sources = vec![self.source()];
        let mut view = self.meta["source_view"].as_str().unwrap().to_string();
        if let [Json::String(column), Json::String(delay)] = &self.meta["watermark"].as_array().cloned().unwrap_or_default()[..] {
            view = format!("SELECT * FROM ({view}) WATERMARK {column} DELAY OF INTERVAL {delay}");
        }
        let view_mode = if self.mode == OutputMode::Batch { OutputMode::Batch } else { OutputMode::Append };
        let view = plan_query("readings", &view, view_mode, &Catalog { sources: &sources, queries: &[], tables: &[] })?;
        let query = plan_query(&self.name, sql, self.mode, &Catalog { sources: &sources, queries: &[view], tables: &[] })?;
        Ok(Program { sources, tables: vec![], queries: vec![query] })
    }
}

/// All cases that are supported, in order.
pub fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut directories: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    directories.sort();
    assert_eq!(directories.len(), 36);
    let not_yet = |path: &PathBuf| NOT_YET.iter().any(|(case, _)| path.ends_with(case));
    directories.iter().filter(|path| !not_yet(path)).map(|path| Case::read(path)).collect()
}

#[test]
fn queries_plan_with_sparks_output_schema() {
    let cases = cases();
    assert_eq!(cases.len(), 36 - NOT_YET.len());
    for case in cases {
        let program = case.program();
        assert_eq!(program.queries[0].output, case.output, "{}", case.name);
        assert!(!case.inputs.is_empty() && !case.expected.is_empty(), "{}", case.name);
        assert!(case.left_out.iter().all(|column| !case.sql.contains(&format!(" AS {column}"))), "{}", case.name);
    }
}

#[test]
fn what_is_not_there_yet_says_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, reason) in NOT_YET {
        let case = Case::read(&root.join(name));
        let view = TableSchema { name: "readings".into(), ..case.source() };
        let meta = TableSchema { name: "meta".into(), columns: vec![], event_time: None };
        let sources = [case.source(), view, meta];
        let error = plan_query(name, &case.sql, case.mode, &Catalog { sources: &sources, queries: &[], tables: &[] }).expect_err(reason);
        assert!(error.message.ends_with("is not supported yet"), "{name}: {error}");
    }
}

/// So that a column leaves the table when it is there.
#[test]
fn columns_left_out_are_not_there_yet() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, columns, reason) in NOT_YET_COLUMNS {
        let case = Case::read(&root.join(name));
        let whole = fs::read_to_string(root.join(name).join("query.sql")).unwrap();
        for column in *columns {
            let others = columns.iter().filter(|other| *other != column);
            let sql = others.fold(whole.clone(), |sql, other| without_column(&sql, other));
            let error = case.plan(&sql).expect_err(reason);
            assert!(error.message.ends_with("is not supported yet"), "{name}: {error}");
        }
    }
}

/// The query without the item `… AS column` of its SELECT list.
fn without_column(sql: &str, column: &str) -> String {
    let end = sql.find(&format!(" AS {column}")).unwrap() + " AS ".len() + column.len();
    let mut depth = 0;
    let comma = sql[..end].char_indices().rev().find(|(_, c)| {
        depth += i32::from(*c == ')') - i32::from(*c == '(');
        *c == ',' && depth == 0
    });
    format!("{}{}", &sql[..comma.unwrap().0], &sql[end..])
}

/// Spark's notation of a type: `struct<a:string,b:decimal(2,1)>`. A decimal is a DOUBLE here.
fn spark_type(text: &str) -> DataType {
    if let Some(members) = text.strip_prefix("struct<").and_then(|rest| rest.strip_suffix('>')) {
        let mut fields = Vec::new();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in members.char_indices().chain([(members.len(), ',')]) {
            depth += i32::from("<(".contains(c)) - i32::from(">)".contains(c));
            if c == ',' && depth == 0 {
                let (name, data_type) = members[start..at].split_once(':').unwrap();
                fields.push(Field::new(name, spark_type(data_type)));
                start = at + 1;
            }
        }
        return DataType::Struct(fields);
    }
    match text {
        "string" => DataType::String,
        "boolean" => DataType::Boolean,
        "int" => DataType::Int,
        "bigint" => DataType::BigInt,
        "float" => DataType::Float,
        "double" => DataType::Double,
        "timestamp" => DataType::Timestamp,
        "date" => DataType::Date,
        decimal if decimal.starts_with("decimal(") => DataType::Double,
        other => panic!("type {other}"),
    }
}
