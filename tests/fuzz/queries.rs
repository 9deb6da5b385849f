//! Query texts: those of the golden cases and of the documentation, their pieces put together anew, and those of the grammar.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::grammar::Grammar;
use crate::mutate;
use crate::random::Random;

/// Queries with each kind of state, for damaging it.
const STATEFUL: &[&str] = &[
    "SELECT device, count(*) AS n, mode(device) AS m FROM readings GROUP BY device, count_window(4, 2)",
    "SELECT device, count(*) AS n, first(temperature) AS m FROM readings GROUP BY device, state_window(temperature > 1, temperature < 1)",
    "SELECT device, sum(number) AS n FROM readings GROUP BY device, window(ts, '1 day', 'Europe/Berlin')",
    "SELECT device, lag(number) OVER (PARTITION BY device ORDER BY ts) AS p, ewma(temperature, 0.5) OVER (PARTITION BY device ORDER BY ts) AS e FROM readings",
    "SELECT r.device, r.number, l.temperature FROM readings r LEFT JOIN raw_readings l ON r.device = l.device AND l.ts BETWEEN r.ts AND r.ts + INTERVAL 5 SECONDS",
    "SELECT device, ts, number FROM readings LIMIT 7",
    "SELECT device, histogram_numeric(temperature, 3) AS h, collect_set(device) AS s, stddev(temperature) AS d, max_by(device, ts) AS b FROM readings GROUP BY device",
    "SELECT device, window.start AS s, count(*) AS n, avg(temperature) AS a, min(device) AS m FROM readings GROUP BY device, window(ts, '10 seconds')",
    "SELECT device, window.start AS s, sum(number) AS n, max(temperature) AS a FROM readings GROUP BY device, window(ts, '10 seconds', '3 seconds')",
    "SELECT ts, count(*) AS n FROM readings GROUP BY ts",
    "SELECT device, session_window.start AS s, count(*) AS n FROM readings GROUP BY device, session_window(ts, '4 seconds')",
    "SELECT r.device, r.number, l.temperature FROM readings r JOIN readings l ON r.device = l.device AND l.ts BETWEEN r.ts AND r.ts + INTERVAL 5 SECONDS",
    "SELECT device, collect_list(number) AS l, percentile_approx(temperature, 0.5) AS p, approx_count_distinct(number) AS c FROM readings GROUP BY device, window(ts, '10 seconds')",
];

pub struct Corpus {
    queries: Vec<String>,
    /// Words and signs of them.
    tokens: Vec<String>,
    grammar: Grammar,
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
        // Names that the documentation has before a parenthesis.
        let grammar = Grammar { functions: functions.into_iter().collect() };
        Corpus { queries, tokens: tokens.into_iter().collect(), grammar }
    }

    pub fn query(&self, random: &mut Random) -> String {
        match random.below(10) {
            0 => self.queries[random.below(self.queries.len() as u64) as usize].clone(),
            1..5 => self.recombined(random),
            5..9 => self.grammar.query(random),
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
                3 if at < tokens.len() => tokens[at] = self.grammar.expression(random, 3),
                _ => tokens.insert(at, other),
            }
        }
        tokens.join(" ")
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
