//! Tests that cannot run on this machine say so where it is seen.

use std::io::Write;

/// Notes that `test` did not run, for want of what `reason` says: in the file that the environment names, and past the test harness, which
/// would keep it to itself.
pub fn skip(test: &str, reason: &str) {
    let line = format!("{test}: {}", reason.replace('\n', " "));
    if let Some(path) = std::env::var_os("TIDEMILL_SKIPPED_FILE") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the list of skipped tests opens");
        writeln!(file, "{line}").expect("the list of skipped tests can be written");
    }
    writeln!(std::io::stderr(), "\nskipped: {line}").expect("standard error is open");
}
