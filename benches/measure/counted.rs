//! What a gateway of the tests has counted: in its newest result, and in the last line of its log.

use crate::support::gateway::Gateway;

/// A column of the newest result in the file `out.jsonl` beside the configuration.
pub fn last(gateway: &Gateway, column: &str) -> Option<u64> {
    let text = std::fs::read_to_string(gateway.config_file().with_file_name("out.jsonl")).ok()?;
    let row: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    row[column].as_u64()
}

/// What the last line of its log says that it counted.
pub fn counted(gateway: &Gateway, name: &str) -> u64 {
    let log = gateway.log();
    let line = log.lines().rev().find(|line| line.contains("\"since the start\"")).expect("a last line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    line[name].as_u64().expect("it is counted")
}
