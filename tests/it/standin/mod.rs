//! A gateway in a few lines, for the tests alone: counts and sums 10 s windows of the ledger's readings, keeps its state in one JSON file,
//! delivers at least once. It shows that the ledger passes a gateway that keeps its promises and catches one that does not.
//!
//! Limits: only the ledger's configuration; no TLS.

mod core;
mod process;

/// Not a test: this binary started once more, as the gateway. Without the variable there is nothing to run.
#[test]
fn run_as_process() {
    if let Ok(config) = std::env::var("TIDEMILL_STANDIN_CONFIG") {
        process::run(std::path::Path::new(&config));
    }
}
