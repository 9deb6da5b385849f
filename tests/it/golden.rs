//! Cases with Spark's own output, from `tests/golden` (its INDEX.md describes them), as `tidemill test` runs them.

use std::path::Path;

use tidemill::query_test::{Outcome, QueryCase, RunOptions, check, load_all};

const CASES: usize = 54;

fn cases() -> Vec<QueryCase> {
    let cases = load_all(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")], &[]).unwrap();
    assert_eq!(cases.len(), CASES);
    assert_eq!(cases.iter().map(|case| case.steps.len()).sum::<usize>(), 209);
    cases
}

/// Runs all; returns how many passed and were skipped.
fn run(options: RunOptions) -> (usize, usize) {
    let (mut passed, mut skipped, mut failed) = (0, 0, String::new());
    for case in &cases() {
        match check(case, &options) {
            Outcome::Passed => passed += 1,
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(differences) => {
                let differences: String = differences.iter().map(|difference| format!("  {difference}\n")).collect();
                failed += &format!("{}\n{differences}", case.path.display());
            }
        }
    }
    assert!(failed.is_empty(), "{options:?}\n{failed}");
    (passed, skipped)
}

#[test]
fn results_are_sparks() {
    assert_eq!(run(RunOptions::default()), (CASES, 0));
}

#[test]
fn results_are_sparks_through_a_restart_after_every_batch() {
    assert_eq!(run(RunOptions { restart: true, split_rows: None }), (CASES, 0));
}

#[test]
fn results_are_sparks_however_the_input_is_cut() {
    for messages in [1, 2, 7] {
        let (passed, skipped) = run(RunOptions { restart: messages == 2, split_rows: Some(messages) });
        assert!(passed >= 20 && passed + skipped == CASES, "{messages} a batch: {passed} passed");
    }
}
