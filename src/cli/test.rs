//! `tidemill test`: query cases, one line each, and what differs as a diff.

use super::arguments::TestArguments;
use super::{CliError, print};
use tidemill::query_test::{Difference, Outcome, QueryCase, RunOptions, bless, check, load_all};

/// Runs all cases. Fails if one does.
pub fn run(arguments: &TestArguments) -> Result<(), CliError> {
    let options = RunOptions { restart: arguments.restart, split_rows: arguments.split.map(|rows| rows as usize) };
    let failed = |error: &dyn std::fmt::Display| CliError::Failed(format!("error: {error}"));
    let cases = load_all(&arguments.directories, &arguments.config).map_err(|error| failed(&error))?;
    let (mut passed, mut blessed, mut skipped, mut wrong) = (0, 0, 0, 0);
    for case in &cases {
        let path = case.path.display();
        match check(case, &options) {
            Outcome::Passed => {
                passed += 1;
                print(&format!("ok       {path}\n"));
            }
            Outcome::Skipped(reason) => {
                skipped += 1;
                print(&format!("skipped  {path}: {reason}\n"));
            }
            Outcome::Failed(differences) if arguments.bless && can_bless(case, &differences) => {
                bless(case).map_err(|error| failed(&error))?;
                blessed += 1;
                print(&format!("blessed  {path}\n"));
            }
            Outcome::Failed(differences) => {
                wrong += 1;
                let indented = |difference: &Difference| format!("  {}\n", difference.to_string().replace('\n', "\n  "));
                print(&format!("FAILED   {path}\n{}", differences.iter().map(indented).collect::<String>()));
            }
        }
    }
    let count = |count: usize, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
    let summary = format!("{passed} passed, {wrong} failed{}{}", count(blessed, "blessed"), count(skipped, "skipped"));
    if wrong > 0 {
        return Err(CliError::Failed(summary));
    }
    print(&format!("{summary}\n"));
    Ok(())
}

/// Rows and counts can be taken over; an error cannot.
fn can_bless(case: &QueryCase, differences: &[Difference]) -> bool {
    let lasting = |difference: &Difference| {
        matches!(
            difference,
            Difference::CannotRun(_) | Difference::NoError { .. } | Difference::OtherError { .. } | Difference::Columns { .. }
        )
    };
    case.test.error.is_none() && !differences.iter().any(lasting)
}
