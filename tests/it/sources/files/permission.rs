//! Files that the gateway's user may not read: said once, with who it is and what is missing, and read as soon as it may.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::PATIENCE;
use crate::support::child::{ChildGuard, wait_until};
use crate::support::skip::skip;

/// Nobody: in no group that could read anything of root's.
const AS_NOBODY: [&str; 4] = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A program and a directory that everyone may use, with a file that only root may read.
fn prepare() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    set_mode(directory.path(), 0o777);
    std::fs::copy(env!("CARGO_BIN_EXE_tidemill"), at("tidemill")).unwrap();
    std::fs::write(at("readings.jsonl"), "{\"n\":1}\n").unwrap();
    set_mode(&at("readings.jsonl"), 0o600);
    directory
}

fn config(directory: &Path, mode: &str) -> String {
    let file = directory.join(format!("{mode}.toml"));
    let text = format!(
        "[gateway]\nid = \"pi\"\ndata_dir = \"data-{mode}\"\nfree_space_min = 0\n\
         [source.s]\ntype = \"file\"\npath = \"readings.jsonl\"\nmode = \"{mode}\"\ncheck_interval = \"20ms\"\nschema = \"n BIGINT\"\n\
         [query.q]\nsql = \"SELECT n FROM s\"\n[sink.o]\ntype = \"file\"\npath = \"{mode}.jsonl\"\nfrom = [\"q\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn a_file_that_may_not_be_read_is_told_and_read_once_it_may() {
    if !rustix::process::geteuid().is_root() {
        return skip("a_file_that_may_not_be_read_is_told_and_read_once_it_may", "only root can run the gateway as somebody else");
    }
    let directory = prepare();
    let program = directory.path().join("tidemill").display().to_string();
    for mode in ["tail", "follow"] {
        set_mode(&directory.path().join("readings.jsonl"), 0o600);
        let (config, log) = (config(directory.path(), mode), directory.path().join(format!("{mode}.log")));
        let arguments: Vec<String> =
            AS_NOBODY.iter().map(ToString::to_string).chain([program.clone(), "run".into(), "-c".into(), config]).collect();
        let mut child = ChildGuard::spawn("setpriv", &arguments, &[], &log);
        let text = || std::fs::read_to_string(&log).unwrap_or_default();
        let said = "readings.jsonl: it can't be read: permission denied";
        assert!(wait_until(PATIENCE, || text().contains(said) || child.exited().is_some()) && text().contains(said), "{}", text());
        // Some rounds later it has still been said once.
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(text().matches(said).count(), 1, "{}", text());
        set_mode(&directory.path().join("readings.jsonl"), 0o644);
        let results = directory.path().join(format!("{mode}.jsonl"));
        let read = || std::fs::read_to_string(&results).is_ok_and(|rows| rows.contains("\"n\":1"));
        assert!(wait_until(PATIENCE, read), "{}", text());
        child.kill();
    }
}

#[test]
fn a_file_to_be_read_once_has_to_be_readable_at_the_start() {
    if !rustix::process::geteuid().is_root() {
        return skip("a_file_to_be_read_once_has_to_be_readable_at_the_start", "only root can run the gateway as somebody else");
    }
    let directory = prepare();
    let config = config(directory.path(), "read");
    let output =
        Command::new("setpriv").args(AS_NOBODY).arg(directory.path().join("tidemill")).args(["check", "-c", &config]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("readings.jsonl: permission denied"), "{said}");
}
