//! Query text is hostile: whatever it is, planning ends soon, without a panic, with a plan or an error inside the text.

use proptest::prelude::*;
use tidemill::plan::{EventTime, OutputMode, TableColumn, TableSchema};
use tidemill::sql::{Catalog, explain, parse_duration, parse_schema, plan_query, referenced_tables};
use tidemill::types::{DataType, Field};

const SEEDS: &[&str] = &[
    "SELECT device, window.start AS start, avg(temperature) AS mean, count(*) AS n FROM readings WHERE temperature BETWEEN -40 AND 125 GROUP BY device, window(ts, '1 minute') HAVING n > 1",
    "WITH f AS (SELECT device, ts, temperature * 2 AS t FROM readings) SELECT upper(device) AS u, window(ts, '1 minute', '30 seconds').end, max(t) FROM f GROUP BY u, window(ts, '1 minute', '30 seconds')",
    "SELECT * EXCEPT (ts), CASE device WHEN 'a' THEN 1 ELSE '2' END c, ts + INTERVAL 1 DAY 2 HOURS p FROM (SELECT * FROM readings) WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS x WHERE NOT (x.temperature IS NULL) AND device RLIKE r'\\d+'",
    "SELECT DISTINCT device, CAST(ts AS DATE) d, try_cast(device AS INT) i, date_trunc('HOUR', ts), temperature div 2 FROM readings ORDER BY device DESC NULLS LAST LIMIT 10",
];

/// Queries over tables, in batch.
const TABLE_SEEDS: &[&str] = &[
    "SELECT device, x, temperature - lag(temperature) OVER w AS step FROM readings LATERAL VIEW OUTER explode(array(1, 2)) v AS x WHERE device IN (SELECT d FROM VALUES 'a', NULL AS l(d)) WINDOW w AS (PARTITION BY device ORDER BY ts) QUALIFY row_number() OVER (PARTITION BY device ORDER BY ts) > 1",
    "SELECT device, name, value, grouping_id() AS g FROM (VALUES ('a', 1, 2) AS v(device, p, q)) UNPIVOT (value FOR name IN (p, q AS r)) GROUP BY ROLLUP (device, name), value",
    "SELECT * FROM (SELECT device, hour(ts) AS h, temperature FROM readings) PIVOT (avg(temperature) AS t, count(*) FOR h IN (1, 2 AS two)) EXCEPT ALL SELECT stack(1, 'a', 1.0D, 2L, 3.0D, 4L)",
    "SELECT r.device, (SELECT count(*) FROM readings i WHERE i.device = r.device) AS c, EXISTS (SELECT 1 FROM readings i WHERE i.ts < r.ts) AS e FROM readings r LEFT JOIN readings s ON r.device = s.device ORDER BY ALL LIMIT 3 OFFSET 1",
];

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "(",
    ")",
    ",",
    ".",
    "*",
    "+",
    "-",
    "||",
    "<=>",
    "AND",
    "OR",
    "NOT",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "AS",
    "INT",
    "window(",
    "ts",
    "'1 minute'",
    "device",
    "temperature",
    "readings",
    "INTERVAL",
    "1",
    "SECONDS",
    "WATERMARK",
    "DELAY OF",
    "STREAM",
    "WITH",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "`",
    "'",
    "\"",
    "count(*)",
    "sum(",
    "DISTINCT",
    "FILTER (WHERE",
    "UNION",
    "EXCEPT ALL",
    "VALUES",
    "JOIN",
    "ON",
    "LATERAL",
    "LATERAL VIEW explode(array(1)) t AS x",
    "UNPIVOT (v FOR k IN (temperature))",
    "PIVOT (max(temperature) FOR device IN ('a'))",
    "ROLLUP (device)",
    "EXISTS (SELECT",
    "IN (SELECT",
    "QUALIFY",
    "OVER ()",
    "OVER (ORDER BY",
    "1e9",
    "9223372036854775808",
    "->",
    "[",
    "]",
    "{",
    "::",
    "|>",
    "--",
    "/*",
    ";",
    "?",
    ":x",
    "$1",
    "é",
];

fn source() -> TableSchema {
    let column = |name: &str, data_type, hidden| TableColumn { field: Field::new(name, data_type), hidden };
    let columns = vec![
        column("device", DataType::String, false),
        column("ts", DataType::Timestamp, false),
        column("temperature", DataType::Double, false),
        column("_arrived", DataType::Timestamp, true),
    ];
    TableSchema { name: "readings".into(), columns, event_time: Some(EventTime { column: 1, delay_us: Some(10_000_000) }) }
}

/// Plans in every mode; what it returns is held by invariants that every text must keep.
fn check(text: &str) -> Result<(), TestCaseError> {
    let sources = [source()];
    for mode in [OutputMode::Append, OutputMode::Update, OutputMode::Complete, OutputMode::Batch] {
        match plan_query("q", text, mode, &Catalog { sources: &sources, ..Catalog::default() }) {
            Ok(query) => {
                prop_assert_eq!(query.root.schema().len(), query.output.len());
                prop_assert!(explain(&query, &sources, &[]).contains("output"));
            }
            Err(error) => {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.span.start <= error.span.end && error.span.end as usize <= text.len() + 1, "{:?} in {:?}", error, text);
                prop_assert!(error.in_text(text).to_string().contains('^'));
            }
        }
    }
    let _ = (referenced_tables(text).is_ok(), parse_schema(text).is_ok(), parse_duration(text).is_ok());
    Ok(())
}

fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::sample::select(WORDS), 0..4u8);
    let seeds: Vec<&str> = SEEDS.iter().chain(TABLE_SEEDS).copied().collect();
    (prop::sample::select(seeds), prop::collection::vec(edit, 1..12)).prop_map(|(seed, edits)| {
        let mut text: Vec<char> = seed.chars().collect();
        for (from, to, word, kind) in edits {
            if text.is_empty() {
                text.push(' ');
            }
            let (a, b) = (from.index(text.len()), to.index(text.len()));
            let (a, b) = (a.min(b), a.max(b));
            match kind {
                0 => drop(text.drain(a..b)),
                1 => drop(text.splice(a..a, format!(" {word} ").chars())),
                2 => {
                    let copy: Vec<char> = text[a..b].to_vec();
                    drop(text.splice(b..b, copy));
                }
                _ => text.swap(a, b),
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn random_words_end(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        check(&format!("SELECT {}", words.join(" ")))?;
    }

    #[test]
    fn mutated_queries_end(text in mutated()) {
        check(&text)?;
    }
}

#[test]
fn the_seeds_themselves_plan() {
    let sources = [source()];
    for seed in SEEDS {
        let planned = plan_query("q", seed, OutputMode::Batch, &Catalog { sources: &sources, ..Catalog::default() });
        let expected_error = seed.contains("temperature div 2");
        assert_eq!(planned.is_err(), expected_error, "{seed}: {:?}", planned.err());
    }
    for seed in TABLE_SEEDS {
        let planned = plan_query("q", seed, OutputMode::Batch, &Catalog { sources: &sources, ..Catalog::default() });
        assert!(planned.is_ok(), "{seed}: {:?}", planned.err());
    }
}

#[test]
fn texts_that_repeat_themselves_stay_within_bounds() {
    let doubling: String = (1..60).map(|i| format!(", c{} + c{} AS c{i}", i - 1, i - 1)).collect();
    let nested = (0..60).fold("temperature".to_string(), |inner, _| format!("CASE {inner} WHEN 1 THEN 2 WHEN 3 THEN 4 END"));
    let between = (0..60).fold("temperature > 1".to_string(), |inner, _| format!("({inner}) BETWEEN false AND true"));
    let layers =
        (0..40).fold("readings".to_string(), |inner, _| format!("(SELECT device, temperature + temperature AS temperature FROM {inner})"));
    let ctes: String = (1..400).map(|i| format!(", t{i} AS (SELECT * FROM t{})", i - 1)).collect();
    for text in [
        format!("SELECT temperature AS c0{doubling} FROM readings"),
        format!("SELECT {nested} AS x FROM readings"),
        format!("SELECT device FROM readings WHERE {between}"),
        format!("SELECT device FROM {layers} WHERE temperature > 1"),
        format!("WITH t0 AS (SELECT * FROM readings){ctes} SELECT * FROM t399"),
        format!("SELECT device FROM readings WHERE {}false", "temperature = 1 OR ".repeat(700)),
        format!("SELECT {}1 FROM readings", "1 + ".repeat(1400)),
        format!("SELECT device {} FROM readings", "|| 'x' ".repeat(1400)),
        format!("SELECT device FROM readings WHERE device IN ({}'x')", "'y', ".repeat(8000)),
        format!("SELECT {} 1 FROM readings", "1,".repeat(9000)),
        format!("SELECT 1 FROM {}readings", "readings WATERMARK ts DELAY OF INTERVAL 1 SECOND, ".repeat(1000)),
    ] {
        check(&text).unwrap();
    }
}

#[test]
fn relations_that_repeat_themselves_stay_within_bounds() {
    let repeated = |count: usize, part: &dyn Fn(usize) -> String| (0..count).map(part).collect::<Vec<_>>().join("");
    let tuples =
        repeated(12, &|i| format!(", (device, temperature) IN (SELECT device, temperature FROM readings WHERE temperature > {i}) AS i{i}"));
    let exists = repeated(40, &|i| format!(" OR EXISTS (SELECT 1 FROM readings i WHERE i.temperature < r.temperature + {i})"));
    let scalars = repeated(60, &|i| format!(" + (SELECT max(temperature) FROM readings WHERE temperature < {i})"));
    let overs = repeated(400, &|i| format!(", sum(temperature) OVER (ORDER BY temperature + {i}) AS s{i}"));
    let views = repeated(200, &|i| format!(" LATERAL VIEW explode(array(1, 2)) t{i} AS x{i}"));
    let joins = repeated(100, &|i| format!(" JOIN readings r{i} ON r0.device = r{i}.device"));
    let pivots = repeated(12, &|i| format!(" UNPIVOT (v{i} FOR k{i} IN (temperature))"));
    let deep = repeated(40, &|_| "(SELECT device FROM readings WHERE device IN ".to_string());
    let nested = (0..30)
        .fold("SELECT device FROM readings".to_string(), |inner, _| format!("SELECT device FROM readings WHERE device IN ({inner})"));
    let layers = (0..30).fold("readings".to_string(), |inner, i| {
        format!("(SELECT device, temperature, 1 AS a{i} FROM {inner} UNION ALL SELECT device, temperature, 2 FROM readings)")
    });
    let ctes = repeated(40, &|i| format!(", t{} AS (SELECT a.* FROM t{i} a JOIN t{i} b ON a.device = b.device)", i + 1));
    for text in [
        format!("SELECT device{tuples} FROM readings"),
        format!("SELECT device FROM readings r WHERE false{exists}"),
        format!("SELECT 1{scalars} AS x FROM readings"),
        format!("SELECT device{overs} FROM readings"),
        format!("SELECT device FROM readings{views}"),
        format!("SELECT r0.device FROM readings r0{joins}"),
        format!("SELECT device FROM readings{pivots}"),
        format!("SELECT device FROM readings WHERE device IN {deep}"),
        nested,
        format!("SELECT device FROM {layers}"),
        format!("WITH t0 AS (SELECT * FROM readings){ctes} SELECT device FROM t40"),
        format!("SELECT 1 AS x{}", " UNION ALL SELECT 1".repeat(3_000)),
        format!("SELECT 1 AS x{}", " UNION SELECT 1 EXCEPT SELECT 2".repeat(1_500)),
        format!("VALUES {}1", "1, ".repeat(20_000)),
        format!("SELECT * FROM VALUES {}", "(".repeat(20_000)),
        format!("{}1", "VALUES ".repeat(9_000)),
        format!("{}1", "VALUES (".repeat(8_000)),
        format!(
            "SELECT count(*) FROM readings GROUP BY CUBE ({})",
            repeated(20, &|i| format!("{}temperature + {i}", if i > 0 { ", " } else { "" }))
        ),
        format!("SELECT * FROM readings PIVOT (max(ts) FOR temperature IN ({}1))", "1, ".repeat(2_000)),
        format!("SELECT stack(20000{}) FROM readings", ", 1".repeat(20_000)),
        "SELECT * FROM range(9223372036854775807)".to_string(),
        "SELECT * FROM range(-9223372036854775808, 9223372036854775807, -1) LIMIT 9223372036854775807 OFFSET 9223372036854775807"
            .to_string(),
    ] {
        check(&text).unwrap();
    }
}
