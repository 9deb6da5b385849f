//! `tidemill test`: queries tested like code. A case is a folder: settings, input step by step, the rows expected after each step.
//!
//! `folder` reads a case, `run` sends its input through decoder and engine as the daemon does, a batch a step, `compare` says what differs,
//! `bless` writes down what came instead. The format is described in `docs/testing-queries.md`.
//!
//! Limits: [`STEPS_MAX`] steps a case, [`FILE_BYTES_MAX`] a file, [`CASES_MAX`] cases below one directory.

mod bless;
mod compare;
mod folder;
mod message;
mod run;

use std::path::PathBuf;

pub use bless::bless;
pub use compare::Difference;
pub use folder::{CaseError, QueryCase, find};
pub use run::RunOptions;

/// Steps of one case.
pub const STEPS_MAX: usize = 10_000;

/// Bytes of one file of a case.
pub const FILE_BYTES_MAX: usize = 64 << 20;

/// Cases found below one directory.
pub const CASES_MAX: usize = 100_000;

/// What a case came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    /// It cannot be told this way: why.
    Skipped(&'static str),
    Failed(Vec<Difference>),
}

/// Runs a case and compares. A case whose settings are wrong fails, unless it says that they must be.
pub fn check(case: &QueryCase, options: &RunOptions) -> Outcome {
    if options.split_rows.is_some()
        && let Some(reason) = case.unsplittable()
    {
        return Outcome::Skipped(reason);
    }
    let differences = match (run::run(case, options), &case.test.error) {
        (Err(error), Some(expected)) => compare::error(&error, expected),
        (Err(error), None) => vec![Difference::CannotRun(error)],
        (Ok(_), Some(expected)) => vec![Difference::NoError { expected: expected.clone() }],
        (Ok(results), None) => compare::results(case, &results, options.split_rows.is_some()),
    };
    if differences.is_empty() { Outcome::Passed } else { Outcome::Failed(differences) }
}

/// The cases at and below `directories`, in order, each once. A directory without any is an error.
pub fn load_all(directories: &[PathBuf], configuration: &[PathBuf]) -> Result<Vec<QueryCase>, CaseError> {
    let mut cases = Vec::new();
    for directory in directories {
        for path in find(directory)? {
            cases.push(QueryCase::read(&path, configuration)?);
        }
    }
    Ok(cases)
}
