//! A case's folder: `case.toml`, `steps/<step>/<source>.jsonl`, `<source>.messages.jsonl`, `step.toml`, `expected.jsonl`, `expected.<query>.jsonl`,
//! `status.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::message::{InputMessage, messages, payloads, time_us};
use super::{CASES_MAX, FILE_BYTES_MAX, STEPS_MAX};
use crate::config::case::{CaseSettings, TestSection, load};
use crate::config::{Environment, Files, Settings};
use crate::plan::OutputMode;

/// The file that makes a folder a case.
const CASE_FILE: &str = "case.toml";

/// Directories within directories that are searched for cases.
const DEPTH_MAX: usize = 32;

/// A folder that is no case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct CaseError {
    pub path: PathBuf,
    pub problem: String,
}

/// A case as it lies in its folder.
pub struct QueryCase {
    pub path: PathBuf,
    pub test: TestSection,
    /// What is wrong with the settings as people read it.
    pub settings: Result<Settings, String>,
    /// In order.
    pub steps: Vec<Step>,
}

/// What comes in between two looks at the result.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub name: String,
    /// By source.
    pub inputs: BTreeMap<String, Vec<InputMessage>>,
    /// Texts of reference tables that change with the step, by table.
    pub tables: BTreeMap<String, Vec<u8>>,
    pub settings: StepSettings,
    /// By query; the one of `expected.jsonl` under "".
    pub expected: BTreeMap<String, Vec<Json>>,
    pub status: ExpectedStatus,
}

/// `step.toml`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepSettings {
    /// What the clock shows; a second after the step before if left out.
    time: Option<String>,
    #[serde(skip)]
    pub time_us: Option<i64>,
    /// Whether the clock is known to be right. If left out: where a time is given.
    pub synchronised: Option<bool>,
    /// Sources of which nothing has come for their idle_timeout.
    pub idle: Vec<String>,
}

/// `status.json`: what is checked besides the rows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedStatus {
    /// The query's, in milliseconds: `2026-01-01T00:00:10.000Z`.
    pub watermark: Option<String>,
    /// Rows that came too late for some or all of their windows.
    pub late: Option<u64>,
    /// Payloads and rows that went to the dead letters; if left out, none may.
    pub dead_letters: Option<u64>,
    /// Each is a part of some dead letter's reason.
    pub reasons: Vec<String>,
}

/// The folders at or below `directory` that hold a case, in order.
pub fn find(directory: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let mut found = Vec::new();
    search(directory, 0, &mut found)?;
    if found.is_empty() {
        return Err(failed(directory, format!("there is no {CASE_FILE} in or below it")));
    }
    Ok(found)
}

fn search(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), CaseError> {
    if directory.join(CASE_FILE).is_file() {
        found.push(directory.to_owned());
        return Ok(());
    }
    if depth >= DEPTH_MAX || found.len() >= CASES_MAX {
        return Err(failed(directory, format!("more than {DEPTH_MAX} levels or {CASES_MAX} cases")));
    }
    for (name, path) in entries(directory)? {
        if path.is_dir() && !name.starts_with('.') && !path.is_symlink() {
            search(&path, depth + 1, found)?;
        }
    }
    Ok(())
}

impl QueryCase {
    /// Reads the folder; `configuration` stands before the case's own file.
    pub fn read(path: &Path, configuration: &[PathBuf]) -> Result<QueryCase, CaseError> {
        let files: Vec<PathBuf> = configuration.iter().cloned().chain([path.join(CASE_FILE)]).collect();
        let CaseSettings { test, settings } = load(&files, &Environment::of_process());
        let settings = settings.map_err(|errors| errors.to_string());
        let directory = path.join("steps");
        let mut steps = Vec::new();
        if directory.is_dir() {
            for (name, path) in entries(&directory)? {
                if !path.is_dir() {
                    return Err(failed(&path, "only folders stand in steps/, one a step"));
                }
                steps.push(Step::read(name, &path)?);
            }
        }
        if steps.len() > STEPS_MAX {
            return Err(failed(&directory, format!("more than {STEPS_MAX} steps")));
        }
        if steps.is_empty() && test.error.is_none() {
            return Err(failed(path, "there is no step; put input into steps/1/<source>.jsonl"));
        }
        Ok(QueryCase { path: path.to_owned(), test, settings, steps })
    }

    /// The queries whose rows are compared, by index into the program.
    pub fn queries(&self, settings: &Settings) -> Result<Vec<usize>, String> {
        let queries = &settings.program.queries;
        let position = |name: &str| queries.iter().position(|query| query.name == *name);
        if !self.test.queries.is_empty() {
            let named =
                self.test.queries.iter().map(|name| position(name).ok_or_else(|| format!("[test] names `{name}`, which is no query")));
            return named.collect();
        }
        let reads = |text: &str, name: &str| {
            crate::sql::referenced_tables(text).is_ok_and(|tables| tables.iter().any(|table| table.name.eq_ignore_ascii_case(name)))
        };
        let read = |name: &str| queries.iter().any(|other| reads(&other.text, name));
        Ok((0..queries.len()).filter(|index| !read(&queries[*index].name)).collect())
    }

    /// Whether the query runs over a whole table.
    pub fn is_batch(&self, query: &str) -> bool {
        let queries = self.settings.as_ref().map(|settings| settings.program.queries.as_slice()).unwrap_or_default();
        queries.iter().any(|known| known.name == query && known.mode == OutputMode::Batch)
    }

    /// Why its rows depend on how the input is cut into batches.
    pub fn unsplittable(&self) -> Option<&'static str> {
        let settings = self.settings.as_ref().ok()?;
        let queries = self.queries(settings).ok()?;
        let by_step = |index: &usize| matches!(settings.program.queries[*index].mode, OutputMode::Update | OutputMode::Complete);
        if !self.test.splits {
            return Some("[test] splits = false");
        }
        queries.iter().any(by_step).then_some("update and complete mode give rows a batch")
    }
}

impl Step {
    fn read(name: String, path: &Path) -> Result<Step, CaseError> {
        let mut step = Step { name, ..Step::default() };
        for (name, path) in entries(path)? {
            let bytes = Files::Disk.read(&path, FILE_BYTES_MAX).map_err(|reason| failed(&path, reason))?;
            step.file(&name, bytes).map_err(|problem| failed(&path, problem))?;
        }
        Ok(step)
    }

    fn file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), String> {
        if name == "step.toml" {
            self.settings = toml::from_str(&text(bytes)?).map_err(|error| error.to_string())?;
            self.settings.time_us = self.settings.time.as_deref().map(time_us).transpose()?;
            return Ok(());
        }
        if name == "status.json" {
            self.status = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            return Ok(());
        }
        if let Some((table, _ending)) = name.split_once(".table.") {
            self.tables.insert(table.to_owned(), bytes);
            return Ok(());
        }
        let Some(stem) = name.strip_suffix(".jsonl") else {
            return Err(
                "a step holds <source>.jsonl, <source>.messages.jsonl, <table>.table.csv, step.toml, expected.jsonl and status.json"
                    .to_owned(),
            );
        };
        if let Some(query) = stem.strip_prefix("expected").filter(|query| query.is_empty() || query.starts_with('.')) {
            let rows = rows(&text(bytes)?)?;
            self.expected.insert(query.trim_start_matches('.').to_owned(), rows);
            return Ok(());
        }
        let (source, input) = match stem.strip_suffix(".messages") {
            Some(source) => (source, messages(&text(bytes)?)?),
            None => (stem, payloads(&bytes)),
        };
        match self.inputs.insert(source.to_owned(), input) {
            None => Ok(()),
            Some(_) => Err(format!("there are both {source}.jsonl and {source}.messages.jsonl")),
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()))
}

/// Expected rows: an object a line.
fn rows(text: &str) -> Result<Vec<Json>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| match serde_json::from_str(line) {
            Ok(row @ Json::Object(_)) => Ok(row),
            Ok(_) => Err(format!("line {}: a row is a JSON object", index + 1)),
            Err(error) => Err(format!("line {}: {error}", index + 1)),
        })
        .collect()
}

/// Names and paths in a directory: numbers by their value before everything else by its text.
fn entries(directory: &Path) -> Result<Vec<(String, PathBuf)>, CaseError> {
    let error = |error: std::io::Error| failed(directory, error.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        found.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
    }
    found.sort_by_cached_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), name.clone()));
    Ok(found)
}

fn failed(path: &Path, problem: impl Into<String>) -> CaseError {
    CaseError { path: path.to_owned(), problem: problem.into() }
}
