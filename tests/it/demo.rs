//! The demo as the README starts it, only unoptimised and for a few seconds.

use std::process::Command;

use crate::support::ports::free_port;

#[test]
fn the_demo_shows_results_and_ends_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", "demo", "--", "--seconds", "20"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("TIDEMILL_DEMO_DIR", directory.path())
        .env("TIDEMILL_DEMO_PORT", free_port().to_string())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    // It fails by itself where no result came.
    assert!(output.status.success(), "{shown}{told}");
    assert!(shown.lines().any(|line| line.contains("100 devices") && line.contains("warmest: dev-")), "{shown}{told}");
}
