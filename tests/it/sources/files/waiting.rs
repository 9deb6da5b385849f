//! What is said of paths that cannot be read.

use std::process::Command;

/// What `tidemill check` says of a source with this path and these keys, in a directory with `data.csv`, `data.log` and a directory `logs`.
fn check(path: &str, keys: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("logs")).unwrap();
    std::fs::write(directory.path().join("data.csv"), "1\n").unwrap();
    std::fs::write(directory.path().join("data.log"), "1\n").unwrap();
    let config = directory.path().join("gateway.toml");
    let text = format!(
        "[gateway]\nid = \"c\"\ndata_dir = \"data\"\n[source.rows]\ntype = \"file\"\npath = \"{path}\"\n{keys}\nschema = \"id BIGINT\"\n\
         [query.all]\nsql = \"SELECT id FROM rows\"\n[sink.out]\ntype = \"stdout\"\nfrom = [\"all\"]\n"
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new(crate::support::program::path()).args(["check", "-c"]).arg(&config).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn check_says_what_is_wrong_with_a_path() {
    for (path, keys, good, part) in [
        ("data.log", "mode = \"read\"", true, ""),
        ("*.log", "mode = \"read\"", true, ""),
        ("logs", "mode = \"follow\"", true, ""),
        ("data.log", "mode = \"tail\"", true, ""),
        ("gone.log", "mode = \"read\"", false, "gone.log: no such file"),
        ("*.txt", "mode = \"read\"", false, "*.txt names no file"),
        ("gone", "mode = \"follow\"", true, "gone: no such file"),
        ("gone/*.log", "mode = \"tail\"", true, "gone: no such file"),
        ("gone.log", "mode = \"tail\"", true, "the gateway waits until it can be read"),
        ("logs", "mode = \"tail\"", false, "a pattern such as \"logs/*.log\""),
        ("/dev/null", "mode = \"read\"", false, "/dev/null: it is not a regular file"),
        ("data.csv", "mode = \"read\"", true, "named .csv"),
    ] {
        let (ok, said) = check(path, keys);
        assert_eq!((ok, said.contains(part)), (good, true), "{path}, {keys}: {said}");
        assert_eq!(said.is_empty(), part.is_empty(), "{path}, {keys}: {said}");
    }
}
