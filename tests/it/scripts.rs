//! A script that takes long within its operations, in the running gateway.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::stored::Stored;

/// Fifty keys, each call of which takes a second or more; the other query needs none of it.
const CONFIG: &str = r#"
[gateway]
id = "scripts"
data_dir = "data"
shutdown_timeout = "5m"

[source.lines]
type = "stdin"
schema = "device STRING"

[query.slow]
sql = "SELECT device FROM lines"
[query.slow.state]
key = ["device"]
output = "device STRING"
script_text = '''
fn update(key, state, rows, now) {
    let s = "";
    s.pad(31000, "x");
    for i in 0..6000 { s[30000] = 'y'; }
    #{ device: key }
}
'''

[query.plain]
sql = "SELECT device AS plain FROM lines"

[sink.out]
type = "stdout"
from = ["plain"]
"#;

#[test]
fn a_slow_script_does_not_stall_the_others() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("gateway.toml"), CONFIG).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "-c", "gateway.toml"])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = (0..50).map(|n| format!("{{\"device\":\"d{n}\"}}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 50, "{log}");
    let letters: Vec<String> =
        Stored::open(&directory.path().join("data")).dead_letters().iter().map(|letter| letter.to_string()).collect();
    assert!(letters.iter().any(|letter| letter.contains("the scripts of this batch take too long")), "{letters:?}");
}
