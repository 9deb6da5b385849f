//! The program under test.

use std::sync::LazyLock;

/// Its path: what cargo has built, or what `TIDEMILL_TEST_PROGRAM` names, such as one of another architecture behind an emulator.
pub fn path() -> &'static str {
    static PATH: LazyLock<String> =
        LazyLock::new(|| std::env::var("TIDEMILL_TEST_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tidemill").to_owned()));
    &PATH
}
