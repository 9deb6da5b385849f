//! Query texts: those of the golden cases and of the documentation, their pieces put together anew, and expressions made by a grammar.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::mutate;
use crate::random::Random;

/// Queries with each kind of state, for damaging it.
const STATEFUL: &[&str] = &[
    "SELECT device, window.start AS s, count(*) AS n, avg(temperature) AS a, min(device) AS m FROM readings GROUP BY device, window(ts, '10 seconds')",
    "SELECT device, window.start AS s, sum(number) AS n, max(temperature) AS a FROM readings GROUP BY device, window(ts, '10 seconds', '3 seconds')",
    "SELECT ts, count(*) AS n FROM readings GROUP BY ts",
    "SELECT device, session_window.start AS s, count(*) AS n FROM readings GROUP BY device, session_window(ts, '4 seconds')",
    "SELECT r.device, r.number, l.temperature FROM readings r JOIN readings l ON r.device = l.device AND l.ts BETWEEN r.ts AND r.ts + INTERVAL 5 SECONDS",
    "SELECT device, collect_list(number) AS l, percentile_approx(temperature, 0.5) AS p, approx_count_distinct(number) AS c FROM readings GROUP BY device, window(ts, '10 seconds')",
];

const ATOMS: &[&str] = &[
    "device",
    "ts",
    "temperature",
    "number",
    "flag",
    "NULL",
    "1",
    "-1",
    "0",
    "1.5",
    "1e308",
    "9223372036854775807",
    "'a'",
    "''",
    "'2026-01-01'",
    "TRUE",
    "INTERVAL 1 DAY",
    "INTERVAL '1' SECOND",
    "array(1, 2, NULL)",
    "map('a', 1)",
    "named_struct('a', 1, 'b', 'x')",
    "DATE '2026-01-31'",
    "X'00ff'",
    "double('NaN')",
    "'1 minute'",
    "'yyyy-MM-dd'",
    "'$.a[0]'",
    "'[a-z]+'",
    "x -> x + 1",
    "(a, b) -> a < b",
    "100000000",
    "'Europe/Berlin'",
    "timestamp_millis(number)",
];
const OPERATORS: &[&str] =
    &["+", "-", "*", "/", "%", "div", "=", "<", "<=>", "AND", "OR", "||", "LIKE", "RLIKE", "IN", "&", "<<", "IS DISTINCT FROM"];
const TYPES: &[&str] =
    &["INT", "BIGINT", "DOUBLE", "FLOAT", "STRING", "BOOLEAN", "TIMESTAMP", "DATE", "BINARY", "ARRAY<INT>", "MAP<STRING, DOUBLE>"];

pub struct Corpus {
    queries: Vec<String>,
    /// Words and signs of them.
    tokens: Vec<String>,
    /// Names that the documentation has before a parenthesis.
    functions: Vec<String>,
}

impl Corpus {
    pub fn read() -> Corpus {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut queries: Vec<String> = STATEFUL.iter().map(ToString::to_string).collect();
        let mut cases: Vec<_> = fs::read_dir(root.join("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.sort();
        queries.extend(cases.iter().filter_map(|path| fs::read_to_string(path.join("query.sql")).ok()));
        let documentation = fs::read_to_string(root.join("docs/sql.md")).unwrap();
        queries.extend(documentation.split("```sql").skip(1).filter_map(|rest| Some(rest.split("```").next()?.trim().to_owned())));
        let functions: BTreeSet<String> =
            documentation.match_indices('(').filter_map(|(at, _)| name_before(&documentation[..at])).collect();
        let tokens: BTreeSet<String> = queries.iter().flat_map(|query| tokens(query)).collect();
        assert!(queries.len() > 36 && functions.len() > 100, "{} queries, {} functions", queries.len(), functions.len());
        Corpus { queries, tokens: tokens.into_iter().collect(), functions: functions.into_iter().collect() }
    }

    pub fn query(&self, random: &mut Random) -> String {
        match random.below(10) {
            0 => self.queries[random.below(self.queries.len() as u64) as usize].clone(),
            1..5 => self.recombined(random),
            5..9 => self.made(random),
            _ => {
                let query = &self.queries[random.below(self.queries.len() as u64) as usize];
                String::from_utf8_lossy(&mutate::bytes(query.as_bytes(), random)).into_owned()
            }
        }
    }

    pub fn stateful(&self, random: &mut Random) -> String {
        if random.below(4) == 0 { self.query(random) } else { mutate::pick(STATEFUL, random).to_owned() }
    }

    /// A query with some of its tokens removed, doubled, or replaced by others.
    fn recombined(&self, random: &mut Random) -> String {
        let mut tokens = tokens(&self.queries[random.below(self.queries.len() as u64) as usize]);
        for _ in 0..=random.below(4) {
            let at = random.below(tokens.len() as u64 + 1) as usize;
            let other = self.tokens[random.below(self.tokens.len() as u64) as usize].clone();
            match random.below(5) {
                0 if at < tokens.len() => drop(tokens.remove(at)),
                1 if at < tokens.len() => tokens.insert(at, tokens[at].clone()),
                2 if at < tokens.len() => tokens[at] = other,
                3 if at < tokens.len() => tokens[at] = self.expression(random, 3),
                _ => tokens.insert(at, other),
            }
        }
        tokens.join(" ")
    }

    /// A query by the grammar.
    fn made(&self, random: &mut Random) -> String {
        let mut items: Vec<String> = (0..=random.below(3)).map(|number| format!("{} AS c{number}", self.expression(random, 4))).collect();
        let mut text = String::new();
        if random.below(3) == 0 {
            items.push(format!("{}({}) AS agg", self.function(random), self.expression(random, 2)));
            items.push("count(*) AS n".to_owned());
            let key = self.expression(random, 2);
            let window = mutate::pick(
                &[", window(ts, '10 seconds')", ", window(ts, '7 seconds', '3 seconds')", ", session_window(ts, '5 seconds')", ""],
                random,
            );
            text = format!(" GROUP BY {key}{window}");
            items.retain(|item| item.contains("agg") || item.contains("count"));
        }
        let filter = if random.below(2) == 0 { format!(" WHERE {}", self.expression(random, 3)) } else { String::new() };
        let end = mutate::pick(&["", "", " LIMIT 3", " ORDER BY 1", " HAVING n > 1"], random);
        format!("SELECT {} FROM readings{filter}{text}{end}", items.join(", "))
    }

    fn function(&self, random: &mut Random) -> &str {
        &self.functions[random.below(self.functions.len() as u64) as usize]
    }

    fn expression(&self, random: &mut Random, depth: u32) -> String {
        if depth == 0 {
            return mutate::pick(ATOMS, random).to_owned();
        }
        match random.below(9) {
            0 => mutate::pick(ATOMS, random).to_owned(),
            1 => {
                let (a, b) = (self.expression(random, depth - 1), self.expression(random, depth - 1));
                format!("({a} {} {b})", mutate::pick(OPERATORS, random))
            }
            2 => {
                let cast = mutate::pick(&["CAST", "try_cast"], random);
                format!("{cast}({} AS {})", self.expression(random, depth - 1), mutate::pick(TYPES, random))
            }
            3 => {
                let [a, b, c] = [0; 3].map(|_| self.expression(random, depth - 1));
                format!("CASE WHEN {a} THEN {b} ELSE {c} END")
            }
            _ => {
                let count = random.below(4);
                let arguments: Vec<String> = (0..count).map(|_| self.expression(random, depth - 1)).collect();
                format!("{}({})", self.function(random), arguments.join(", "))
            }
        }
    }
}

/// The identifier at the end of a text.
fn name_before(text: &str) -> Option<String> {
    let name: String = text.chars().rev().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let name: String = name.chars().rev().collect();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

/// Words, strings and single signs.
fn tokens(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() || c == '_' => rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    found
}
