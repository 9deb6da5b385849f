//! Every function is documented with an example that runs, and is recorded from Spark with values, with NULL, and at its bounds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tidemill::sql::function_names;

const DOCUMENT: &str = include_str!("../../docs/sql.md");

/// Functions with fewer recordings than the others, and why.
const FEWER: &[(&str, &str)] = &[
    ("pi", "no argument"),
    ("e", "no argument"),
    ("current_timezone", "no argument"),
    ("raise_error", "has no value"),
    ("count_window", "ours"),
    ("state_window", "ours"),
    ("local_window", "ours"),
    ("session_window", "makes groups: recorded in the golden cases"),
    ("window", "makes groups: recorded in the golden cases"),
    ("window_time", "reads a window: recorded in the golden cases"),
];

/// What shows that an argument lies at a bound of its type, or is empty.
const BOUNDS: &[&str] = &[
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "NaN",
    "Infinity",
    "''",
    "X''",
    "-1",
    "(0",
    " 0",
    "0001-01-01",
    "1969-12-31",
    "9999-12-31",
    "2024-02-29",
    "array()",
    "map()",
    "{}",
    "[]",
];

#[derive(Default)]
struct Recordings {
    values: usize,
    nulls: usize,
    errors: usize,
    bounds: usize,
}

/// Names that are called in a text: what stands before `(`, in lower case.
fn called(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut name = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => name.push(c.to_ascii_lowercase()),
            '(' if !name.is_empty() => {
                names.insert(std::mem::take(&mut name));
            }
            _ => name.clear(),
        }
    }
    names
}

/// Code between backticks.
fn codes(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Cells of the rows of the tables between two headings.
fn rows(from: &str, to: &str) -> Vec<Vec<String>> {
    let section = &DOCUMENT[DOCUMENT.find(from).unwrap()..DOCUMENT.find(to).unwrap()];
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.replace("\\|", "¦").trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Names of the documented functions, and of those that an example calls.
fn documented() -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut named, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for row in rows("\n## Aggregates\n", "\n## Time patterns\n") {
        for code in codes(&row[0]) {
            named.extend(called(code));
            if !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
                named.insert(code.to_owned());
            }
        }
        row[2..].iter().flat_map(|cell| codes(cell)).for_each(|code| shown.extend(called(code)));
    }
    (named, shown)
}

fn record(recordings: &mut BTreeMap<String, Recordings>, text: &str, failed: bool, null: bool) {
    for name in called(text) {
        let entry = recordings.entry(name).or_default();
        let takes_null = text.contains("NULL");
        entry.values += usize::from(!failed && !null && !takes_null);
        entry.nulls += usize::from(takes_null);
        entry.errors += usize::from(failed);
        entry.bounds += usize::from(BOUNDS.iter().any(|bound| text.contains(bound)));
    }
}

fn recordings() -> BTreeMap<String, Recordings> {
    let mut found = BTreeMap::new();
    for line in include_str!("../spark/calls.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        record(&mut found, case[0].as_str().unwrap(), case[1].is_null(), case[2].is_null());
    }
    for line in include_str!("../spark/functions.jsonl").lines().chain(include_str!("../spark/collections.jsonl").lines()) {
        let case: Json = serde_json::from_str(line).unwrap();
        record(&mut found, case["sql"].as_str().unwrap(), !case["error"].is_null(), case["value"].is_null());
    }
    found
}

/// Every recorded aggregate runs over groups of ordinary values, of NULLs alone, of NaN, and of the bounds of its types.
fn aggregates() -> BTreeSet<String> {
    let lines = include_str!("../spark/aggregates.jsonl").lines().skip(1);
    lines.flat_map(|line| called(serde_json::from_str::<Json>(line).unwrap()["agg"].as_str().unwrap())).collect()
}

#[test]
fn every_function_is_documented_with_an_example() {
    let (named, shown) = documented();
    let is_window = |name: &str| name.ends_with("_window") && DOCUMENT.contains(&format!("`{name}("));
    let known: BTreeSet<String> = function_names().filter(|name| !is_window(name)).map(str::to_owned).collect();
    let missing = |of: &BTreeSet<String>, from: &BTreeSet<String>| of.difference(from).cloned().collect::<Vec<_>>().join(", ");
    assert_eq!(missing(&known, &named), "", "known, but not in docs/sql.md");
    assert_eq!(missing(&known, &shown), "", "without an example in docs/sql.md");
    assert!(known.len() >= 300, "only {} functions", known.len());
}

#[test]
fn every_function_is_recorded_with_values_null_and_bounds() {
    let (recordings, aggregates) = (recordings(), aggregates());
    let mut wrong = Vec::new();
    for name in function_names().filter(|name| !aggregates.contains(*name) && !FEWER.iter().any(|(fewer, _)| fewer == name)) {
        let Some(found) = recordings.get(name) else {
            wrong.push(format!("{name} is not recorded"));
            continue;
        };
        let Recordings { values, nulls, errors, bounds } = found;
        if *values == 0 || *nulls == 0 || errors + bounds == 0 {
            wrong.push(format!("{name}: {values} values, {nulls} with NULL, {errors} errors, {bounds} at a bound"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
