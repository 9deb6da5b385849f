//! Holds the layout rules of the source tree: who may import what, how long things are, what may not be written. Each rule is also shown a
//! text that breaks it.

#[path = "tidy/log_lines.rs"]
mod log_lines;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;

use std::path::Path;

use scan::Source;

/// Files that cargo compiles by itself.
const ROOTS: &[&str] = &["src/lib.rs", "src/main.rs", "tests/tidy.rs", "tests/it/main.rs", "tests/fuzz/main.rs"];
const TEXT_ENDINGS: &[&str] = &["rs", "md", "toml", "sh", "yml", "yaml", "conf", "service", "json", "py", "txt", "run", "Makefile"];

/// Every file below the package with its path relative to it, sorted; not what is built or git's own.
fn files() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if relative != "target" && relative != ".git" {
                    directories.push(path);
                }
            } else if relative != ".git" {
                found.push((relative, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, bytes)| Source::new(&path, &String::from_utf8(bytes).unwrap()))
        .collect();
    scan::mark_test_modules(&mut sources);
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the tree was not found");
    sources
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn modules_import_what_they_may() {
    assert_none(&sources().iter().flat_map(rules::imports).collect::<Vec<_>>());
}

#[test]
fn files_and_functions_are_short() {
    assert_none(&sources().iter().flat_map(rules::sizes).collect::<Vec<_>>());
}

#[test]
fn every_file_says_its_job() {
    assert_none(&sources().iter().flat_map(rules::opens_with_its_job).collect::<Vec<_>>());
}

#[test]
fn nothing_panics_prints_or_hides() {
    assert_none(&sources().iter().flat_map(rules::calls).collect::<Vec<_>>());
}

#[test]
fn the_guide_explains_what_is_logged() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    assert_none(&sources().iter().flat_map(|source| log_lines::unexplained(source, &guide)).collect::<Vec<_>>());
}

#[test]
fn log_lines_without_a_word_in_the_guide_are_caught() {
    let caught = |text: &str| said(|source| log_lines::unexplained(source, "The card is\nfull. \"off\""), "src/a.rs", text);
    let text = "fn f() { tracing::warn!(\n    at = \"x\",\n    \"{path} is bad: the card \\\n     is empty; again\"\n); }";
    assert_eq!(caught(text), ["src/a.rs:1: the guide does not explain the log line \"the card is empty\""]);
    assert_none(
        &caught("fn f() { tracing::warn!(\"{path}: the {} card\", g(\"a\")); tracing::error!(\"{path}: {what}\"); }")
            .into_iter()
            .skip(1)
            .collect::<Vec<_>>(),
    );
    assert_none(&caught("fn f() { tracing::error!(\"card is full ({error})\"); tracing::debug!(\"nothing\"); }"));
}

#[test]
fn what_the_unit_hides_is_not_read() {
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/tidemill.service")).unwrap();
    assert!(unit.contains("\nProcSubset=pid\n"), "then the rule below has no reason any more");
    assert_none(&sources().iter().filter(|source| source.path.starts_with("src/")).flat_map(rules::hidden_by_the_unit).collect::<Vec<_>>());
    let caught = |text: &str| said(rules::hidden_by_the_unit, "src/a.rs", text);
    assert_eq!(caught("//! Of \"/proc/net\".\nconst A: &str = \"/proc/net/udp\";").len(), 1);
    assert_none(&caught("const A: &str = \"/proc/self/net/udp\"; // not \"/proc/net\""));
}

#[test]
fn no_path_of_one_machine() {
    let mut broken = Vec::new();
    for (path, bytes) in files() {
        let ending = path.rsplit(['.', '/']).next().unwrap_or_default();
        if TEXT_ENDINGS.contains(&ending) {
            broken.extend(rules::machine_paths(&path, &String::from_utf8(bytes).unwrap()));
        }
    }
    assert_none(&broken);
}

#[test]
fn every_file_is_compiled() {
    let own: Vec<Source> =
        sources().into_iter().filter(|source| source.path.starts_with("src/") || source.path.starts_with("tests/")).collect();
    assert_none(&rules::unregistered(&own, ROOTS));
}

/// What a rule says of a file at `path` with `text`.
fn said(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
    rule(&Source::new(path, text))
}

#[test]
fn imports_are_caught() {
    let caught = |path: &str, text: &str| said(rules::imports, path, text).len();
    assert_eq!(caught("src/engine/mod.rs", "use tokio::sync::mpsc;"), 1);
    assert_eq!(caught("src/engine/state/pane.rs", "fn f() { let t = std::time::Instant::now(); }"), 2, "by name and by call");
    assert_eq!(caught("src/gateway.rs", "use std::time::{Duration, SystemTime};"), 1);
    assert_eq!(caught("src/mqtt/session/input.rs", "use std::net::TcpStream;"), 1);
    assert_eq!(caught("src/sql/mod.rs", "use std::{fmt, fs};"), 1);
    assert_eq!(caught("src/plan.rs", "use std::collections::HashMap;"), 1);
    assert_eq!(caught("src/format/json.rs", "let zone = jiff::Zoned::now();"), 1);
    assert_eq!(caught("src/source/mod.rs", "use crate::{batch::Batch, engine::Engine};"), 1);
    assert_eq!(caught("src/engine/mod.rs", "use crate::store::ChangeSet;"), 1);
    assert_eq!(caught("src/uplink/mod.rs", "let db = sled::open(path);"), 1);
    assert_eq!(caught("src/daemon.rs", "use rumqttc::Packet;"), 1);
    assert_eq!(caught("src/config/mod.rs", "use anyhow::Context;"), 1);
}

#[test]
fn allowed_imports_pass() {
    let caught = |path: &str, text: &str| said(rules::imports, path, text);
    assert_none(&caught("src/store/disk.rs", "use std::fs::File;\nuse sled::Db;"));
    assert_none(&caught("src/mqtt/driver.rs", "use tokio::net::TcpStream;\nuse std::time::Instant;"));
    assert_none(&caught("src/main.rs", "use anyhow::Result;\nuse clap::Parser;"));
    assert_none(&caught("src/engine/mod.rs", "//! No tokio here.\nuse std::time::Duration;\nlet text = \"tokio::spawn\";"));
    assert_none(&caught("src/engine/mod.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n    use std::collections::HashMap;\n}"));
    assert_none(&caught("src/engine/tests.rs", "use std::fs;"));
    assert_none(&caught("src/source/mod.rs", "use crate::{batch::{engine, Batch}, mqtt};"));
}

#[test]
fn lengths_are_caught() {
    let long_function = format!("//! Job.\nfn long() {{\n{}}}\n", "    work();\n".repeat(69));
    assert_eq!(said(rules::sizes, "src/a.rs", &long_function), ["src/a.rs:2: `long` has 71 lines, at most 70"]);
    let braces_in_texts = format!("fn short() {{ let a = \"}}{{{{\"; let b = '{{'; /* {{ */ }}\n{}", "const A: u8 = 1;\n".repeat(80));
    assert_none(&said(rules::sizes, "src/a.rs", &braces_in_texts));
    let long_file = "// line\n".repeat(501);
    assert_eq!(said(rules::sizes, "src/a.rs", &long_file), ["src/a.rs: 501 lines, at most 500"]);
    assert_none(&said(rules::sizes, "tests/it/a.rs", &long_file));
}

#[test]
fn missing_jobs_are_caught() {
    assert_eq!(said(rules::opens_with_its_job, "src/a.rs", "use b;\n//! Late.").len(), 1);
    assert_eq!(said(rules::opens_with_its_job, "src/a.rs", "//!\n").len(), 1);
    assert_none(&said(rules::opens_with_its_job, "src/a.rs", "//! Does one thing.\n"));
}

#[test]
fn calls_are_caught() {
    let caught = |path: &str, text: &str| said(rules::calls, path, text).len();
    for text in ["a.unwrap();", "a.expect(\"\");", "a.expect(\"works\");", "panic!(\"no\");", "todo!()", "unimplemented!()", "dbg!(a);"] {
        assert_eq!(caught("src/a.rs", text), 1, "{text}");
    }
    assert_eq!(caught("src/a.rs", "println!(\"x\");"), 1);
    assert_eq!(caught("src/main.rs", "println!(\"x\");"), 0);
    assert_eq!(caught("src/a.rs", "a.expect(\"a window has a start\"); // never unwrap()\nlet b = \".unwrap()\";"), 0);
    assert_eq!(caught("src/a.rs", "fn f<'a>(x: &'a str) { x.unwrap() }"), 1, "a lifetime does not begin a text");
    assert_eq!(caught("src/a.rs", "#[cfg(test)]\nmod tests { fn f() { a.unwrap(); } }\nfn g() { b.unwrap(); }"), 1);
    assert_eq!(caught("tests/it/a.rs", "a.unwrap();"), 0);
    assert_eq!(caught("tests/it/a.rs", "#[ignore]\nfn f() {}"), 1);
    assert_eq!(caught("src/a.rs", "#[cfg(test)]\nmod tests { #[ignore = \"slow\"] fn f() {} }"), 1);
    assert_eq!(caught("src/a.rs", "#[allow(dead_code)]\nfn f() {}"), 1);
    assert_eq!(caught("src/a.rs", "let a = r#\"panic!(\"no\")\"#; let b = '\\''; let c = '\"'; d.unwrap();"), 1);
}

#[test]
fn modules_under_cfg_test_are_tests() {
    let mut tree = vec![
        Source::new("src/store/mod.rs", "mod disk;\n#[cfg(test)]\nmod faults;"),
        Source::new("src/store/faults.rs", "a.unwrap();"),
        Source::new("src/store/faults/disk.rs", "a.unwrap();"),
        Source::new("src/store/disk.rs", "a.unwrap();"),
    ];
    scan::mark_test_modules(&mut tree);
    assert_eq!(tree.iter().flat_map(rules::calls).collect::<Vec<_>>(), ["src/store/disk.rs:1: `.unwrap()` outside tests"]);
}

#[test]
fn machine_paths_are_caught() {
    let path = ["see /ro", "ot/notes"].concat();
    assert_eq!(rules::machine_paths("README.md", &path).len(), 1);
    assert_none(&rules::machine_paths("README.md", "/var/lib/tidemill and ./work/a"));
}

#[test]
fn files_that_nobody_names_are_caught() {
    let tree = [
        Source::new("src/lib.rs", "pub mod a;"),
        Source::new("src/a/mod.rs", "mod b;\n#[cfg(test)]\nmod tests;"),
        Source::new("src/a/b.rs", "#[path = \"../other/c.rs\"]\nmod c;"),
        Source::new("src/a/tests.rs", ""),
        Source::new("src/other/c.rs", ""),
        Source::new("src/forgotten.rs", "// mod forgotten;"),
    ];
    assert_eq!(rules::unregistered(&tree, &["src/lib.rs"]), ["src/forgotten.rs: no `mod` names it"]);
}
