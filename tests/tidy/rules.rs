//! The layout rules. Each takes sources and returns what breaks it, as `path:line: what is wrong`.

use std::collections::BTreeSet;

use super::scan::{Source, crate_modules, functions, module_directory, words};

const SOURCE_LINES_MAX: usize = 500;
const TEST_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// A shorter message does not name the invariant that makes the failure impossible.
const EXPECT_MESSAGE_MIN: usize = 8;

/// Modules that may not touch the world: no IO, no clock, no randomness, no order that changes from run to run.
const PURE: &[&str] = &["types", "batch", "plan", "sql", "engine", "gateway", "format", "mqtt/session", "batch_query", "script"];

/// Words that bring the world in.
const WORLD: &[&str] = &["tokio", "sled", "SystemTime", "Instant", "getrandom", "rustix", "rumqttd", "HashMap", "HashSet", "RandomState"];
/// The same as parts of paths and calls.
const WORLD_PATHS: &[&str] = &["std::fs", "std::net", "std::thread", "std::process", "std::env", "std::io::stdin", "::now()"];

/// `(module, modules it may not use)`.
const FORBIDDEN_MODULES: &[(&str, &[&str])] = &[
    ("types", &["batch", "plan", "config", "mqtt", "source", "format", "sql", "engine", "gateway", "store", "uplink", "daemon"]),
    ("batch", &["config", "mqtt", "source", "format", "sql", "engine", "gateway", "store", "uplink", "daemon"]),
    ("plan", &["config", "mqtt", "source", "format", "sql", "engine", "gateway", "store", "uplink", "daemon"]),
    ("config", &["engine", "gateway", "store", "source", "uplink", "daemon"]),
    ("mqtt", &["config", "engine", "sql", "gateway", "store", "source", "uplink", "daemon"]),
    ("source", &["engine", "sql", "store", "uplink", "daemon"]),
    ("format", &["config", "engine", "sql", "gateway", "store", "source", "uplink", "mqtt", "daemon"]),
    ("sql", &["config", "engine", "gateway", "store", "source", "uplink", "mqtt", "daemon"]),
    ("script", &["config", "mqtt", "source", "format", "sql", "engine", "gateway", "store", "uplink", "daemon"]),
    ("engine", &["config", "sql", "gateway", "store", "source", "uplink", "mqtt", "daemon"]),
    ("gateway", &["sql", "source", "uplink", "daemon"]),
    ("store", &["config", "sql", "engine", "gateway", "source", "uplink", "mqtt", "daemon"]),
    ("uplink", &["sql", "engine", "source", "daemon"]),
    ("control", &["config", "engine", "sql", "gateway", "store", "source", "uplink", "mqtt", "format", "daemon"]),
    ("batch_query", &["config", "gateway", "store", "source", "uplink", "mqtt", "daemon"]),
];

/// `(crate, where alone it may be named)`.
const CRATE_HOMES: &[(&str, &str)] =
    &[("sled", "store"), ("rumqttc", "mqtt"), ("anyhow", "main"), ("sqlparser", "sql"), ("clap", "cli"), ("rhai", "script")];

/// Calls that end the program or print, outside tests.
const FORBIDDEN_CALLS: &[&str] = &[".unwrap()", ".unwrap_err()", "panic!", "todo!", "unimplemented!", "dbg!"];
const PRINTING: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];

pub fn imports(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    let Some(module) = module_of(&source.path) else { return broken };
    let mut report = |offset: usize, what: String| broken.push(format!("{}:{}: {what}", source.path, source.line(offset)));
    if PURE.iter().any(|pure| is_within(&module, pure)) {
        for word in WORLD {
            for at in words(&source.product, word) {
                report(at, format!("`{word}` in a pure module"));
            }
        }
        for path in WORLD_PATHS {
            for (at, _) in source.product.match_indices(path) {
                report(at, format!("`{path}` in a pure module"));
            }
        }
        for at in grouped_std_imports(&source.product, &["fs", "net", "thread", "process", "env"]) {
            report(at, "`std::{…}` brings the world into a pure module".to_owned());
        }
    }
    for (name, home) in CRATE_HOMES {
        let allowed = is_within(&module, home) || (*home == "cli" && module == "main");
        for at in words(&source.product, name).into_iter().filter(|_| !allowed) {
            if source.product[at + name.len()..].starts_with("::") {
                report(at, format!("only `{home}` may name `{name}`"));
            }
        }
    }
    for (owner, forbidden) in FORBIDDEN_MODULES.iter().filter(|(owner, _)| is_within(&module, owner)) {
        for (at, used) in crate_modules(&source.product) {
            if forbidden.contains(&used.as_str()) {
                report(at, format!("`{owner}` may not use `crate::{used}`"));
            }
        }
    }
    broken
}

/// Offsets of `use std::{…}` that name one of `members` first in a path.
fn grouped_std_imports(code: &str, members: &[&str]) -> Vec<usize> {
    code.match_indices("std::{")
        .filter(|(at, _)| {
            let group = code[*at..].split(';').next().unwrap_or_default();
            members.iter().any(|member| !words(group, member).is_empty())
        })
        .map(|(at, _)| at)
        .collect()
}

/// `src/mqtt/session/input.rs` → `mqtt/session/input`; `None` outside src.
fn module_of(path: &str) -> Option<String> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    Some(path.strip_suffix("/mod").unwrap_or(path).to_owned())
}

fn is_within(module: &str, ancestor: &str) -> bool {
    module == ancestor || module.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

pub fn sizes(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = source.text.lines().count();
    let lines_max = if source.path.starts_with("src/") { SOURCE_LINES_MAX } else { TEST_LINES_MAX };
    if lines > lines_max {
        broken.push(format!("{}: {lines} lines, at most {lines_max}", source.path));
    }
    for function in functions(source).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
        broken.push(format!(
            "{}:{}: `{}` has {} lines, at most {FUNCTION_LINES_MAX}",
            source.path, function.line, function.name, function.lines
        ));
    }
    broken
}

pub fn opens_with_its_job(source: &Source) -> Vec<String> {
    let opens = source.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 8);
    if opens { Vec::new() } else { vec![format!("{}:1: does not open with `//!` and its job", source.path)] }
}

pub fn calls(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    let mut report = |offset: usize, what: &str| broken.push(format!("{}:{}: {what}", source.path, source.line(offset)));
    let prints = module_of(&source.path).is_some_and(|module| module == "main" || is_within(&module, "cli"));
    for call in FORBIDDEN_CALLS.iter().chain(PRINTING.iter().filter(|_| !prints)) {
        for (at, _) in source.product.match_indices(call) {
            let longer_name = call.ends_with('!') && source.product[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if !longer_name {
                report(at, &format!("`{call}` outside tests"));
            }
        }
    }
    for (at, call) in source.product.match_indices(".expect(\"") {
        let begin = at + call.len();
        let message = source.text[begin..].split('"').next().unwrap_or_default();
        if message.len() < EXPECT_MESSAGE_MIN {
            report(at, "`expect` without the invariant that makes it impossible");
        }
    }
    for attribute in ["#[ignore", "#[allow(dead_code", "#![allow(dead_code"] {
        for (at, _) in source.code.match_indices(attribute) {
            report(at, &format!("`{attribute}…`"));
        }
    }
    broken
}

/// Paths of somebody's machine in a text file of any kind.
pub fn machine_paths(path: &str, text: &str) -> Vec<String> {
    // In two pieces, so that this file does not break its own rule.
    let roots = [["/ro", "ot/"], ["/wo", "rk/"], ["/ho", "me/"], ["/Us", "ers/"]].map(|halves| halves.concat());
    let mut broken = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for root in &roots {
            if line.match_indices(root.as_str()).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.')) {
                broken.push(format!("{path}:{}: a path of one machine ({root})", number + 1));
            }
        }
    }
    broken
}

/// Paths of `/proc` that the service does not see: with `ProcSubset=pid` there are processes and nothing else.
pub fn hidden_by_the_unit(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if code.match_indices("\"/proc/").any(|(at, start)| !code[at + start.len()..].starts_with("self/")) {
            broken.push(format!("{}:{}: the packaged service does not see this", source.path, number + 1));
        }
    }
    broken
}

/// Files that no `mod` names: they would not be compiled, and their tests not run. `roots` are crate roots; a `mod` with `#[path]` counts.
pub fn unregistered(sources: &[Source], roots: &[&str]) -> Vec<String> {
    let mut named = BTreeSet::new();
    for source in sources {
        let directory = module_directory(&source.path);
        for at in words(&source.code, "mod") {
            let rest = source.code[at + 3..].trim_start();
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            named.insert(format!("{directory}/{name}.rs"));
            named.insert(format!("{directory}/{name}/mod.rs"));
        }
        let parent = source.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        for (at, attribute) in source.text.match_indices("#[path = \"") {
            let target = source.text[at + attribute.len()..].split('"').next().unwrap_or_default();
            named.insert(normalized(parent, target));
        }
    }
    let is_known = |path: &str| roots.contains(&path) || named.contains(path);
    sources.iter().filter(|source| !is_known(&source.path)).map(|source| format!("{}: no `mod` names it", source.path)).collect()
}

/// `tests/it` and `../support/mod.rs` → `tests/support/mod.rs`.
fn normalized(directory: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').collect();
    for part in relative.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}
