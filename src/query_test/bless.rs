//! Writes what came as what is expected: on request only, and only where a case differs.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::compare::watermark;
use super::folder::{CaseError, QueryCase, Step};
use super::run::{RunOptions, StepResult, run};

/// Rewrites the expected rows of each step, and what its `status.json` says where there is one. Files that would hold no row go.
pub fn bless(case: &QueryCase) -> Result<(), CaseError> {
    let failed = |problem: String| CaseError { path: case.path.clone(), problem };
    let results = run(case, &RunOptions::default()).map_err(failed)?;
    for (step, result) in case.steps.iter().zip(&results.steps) {
        let directory = case.path.join("steps").join(&step.name);
        for (query, rows) in results.queries.iter().zip(&result.rows) {
            let only = results.queries.len() == 1 && !step.expected.contains_key(query);
            let name = if only { "expected.jsonl".to_owned() } else { format!("expected.{query}.jsonl") };
            write_rows(&directory.join(name), rows).map_err(|error| failed(error.to_string()))?;
        }
        let status = directory.join("status.json");
        let letters = result.dead_letters.len() as u64 + result.dead_letters_uncounted;
        if status.exists() || letters > 0 {
            fs::write(&status, written_status(step, result, letters)).map_err(|error| failed(error.to_string()))?;
        }
    }
    Ok(())
}

fn write_rows(path: &Path, rows: &[Json]) -> std::io::Result<()> {
    if rows.is_empty() {
        return if path.exists() { fs::remove_file(path) } else { Ok(()) };
    }
    fs::write(path, rows.iter().map(|row| format!("{row}\n")).collect::<String>())
}

/// The members that the status had, and the count of dead letters where there are any.
fn written_status(step: &Step, result: &StepResult, letters: u64) -> String {
    let mut status = Map::new();
    if step.status.watermark.is_some() {
        status.insert("watermark".to_owned(), Json::from(watermark(result.watermark_us)));
    }
    if step.status.late.is_some() {
        status.insert("late".to_owned(), Json::from(result.late));
    }
    if step.status.dead_letters.is_some() || letters > 0 {
        status.insert("dead_letters".to_owned(), Json::from(letters));
    }
    let reasons: Vec<&String> =
        step.status.reasons.iter().filter(|part| result.dead_letters.iter().any(|reason| reason.contains(*part))).collect();
    if !reasons.is_empty() {
        status.insert("reasons".to_owned(), Json::from(reasons.into_iter().cloned().collect::<Vec<_>>()));
    }
    format!("{}\n", Json::Object(status))
}
