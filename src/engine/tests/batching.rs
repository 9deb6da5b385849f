//! Where batches are cut does not show: every kind of query over the same rows in batches of one and of many sizes appends the same rows.
//!
//! No row here is late, as lateness is told batch by batch. Values add up exactly in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::joins::{META, meta, meta_columns};
use super::*;
use crate::plan::{Query, Relation, StateFunction, Timeout};

/// What a query asks of its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing: they may come out of order within the delay.
    Nothing,
    /// The order of their times, as it looks at one after the other.
    Order,
}

use Asks::{Nothing, Order};

/// Over `l` and `r`: event time `ts`, a delay of 10 s; and the reference table `meta`.
pub(super) const QUERIES: &[(Asks, &str)] = &[
    // Row by row.
    (Nothing, "SELECT device, temperature * 2 AS t FROM l WHERE number > 0"),
    (Nothing, "SELECT device, x FROM l LATERAL VIEW explode(array(number, number + 1)) AS x"),
    (Nothing, "SELECT device, number FROM l UNION ALL SELECT device, number FROM r"),
    (Nothing, "SELECT device, p, k, v FROM l LATERAL VIEW OUTER posexplode(map('n', number, 'm', number * 2)) AS p, k, v"),
    (Nothing, "SELECT device, explode(sequence(1, CAST(abs(coalesce(number, 0)) % 4 AS INT) + 1)) AS x FROM l"),
    (
        Nothing,
        "SELECT device, name, value FROM (SELECT device, CAST(number AS DOUBLE) AS number, temperature FROM l) UNPIVOT (value FOR name IN (number, temperature AS warmth))",
    ),
    (
        Nothing,
        "SELECT window, name, count(value) AS n, max(value) AS hi FROM (SELECT ts, CAST(number AS DOUBLE) AS number, temperature FROM l) UNPIVOT INCLUDE NULLS (value FOR name IN (number, temperature)) GROUP BY name, window(ts, '10 seconds')",
    ),
    (
        Nothing,
        "SELECT window, k, sum(v) AS s FROM l LATERAL VIEW explode(map('n', number, 'm', number * 2)) AS k, v GROUP BY k, window(ts, '20 seconds', '5 seconds')",
    ),
    // With a reference table.
    (Nothing, "SELECT l.device AS d, number, room FROM l JOIN meta ON l.device = meta.device"),
    (Nothing, "SELECT l.device AS d, number, room FROM l LEFT JOIN meta ON l.device = meta.device AND number > lim"),
    (Nothing, "SELECT device, number FROM l LEFT SEMI JOIN meta ON l.device = meta.device"),
    (Nothing, "SELECT device, number FROM l LEFT ANTI JOIN meta ON l.device = meta.device"),
    (
        Nothing,
        "SELECT window, room, count(*) AS n, sum(number) AS s FROM l LEFT JOIN meta ON l.device = meta.device GROUP BY room, window(ts, '12 seconds', '4 seconds')",
    ),
    // Windows of time.
    (Nothing, "SELECT window, device, count(*) AS n, sum(number) AS s FROM l GROUP BY device, window(ts, '10 seconds')"),
    (Nothing, "SELECT window, count(*) AS n FROM l GROUP BY window(ts, '1 minute', '1 minute', '7 seconds')"),
    (Nothing, "SELECT window, device, count(number) AS n, sum(number) AS s FROM l GROUP BY device, window(ts, '20 seconds', '2 seconds')"),
    (
        Nothing,
        "SELECT window, device, min(temperature) AS lo, max(temperature) AS hi, sum(temperature) AS s, avg(temperature) AS a FROM l GROUP BY device, window(ts, '12 seconds', '5 seconds')",
    ),
    (
        Nothing,
        "SELECT window, round(stddev(number), 6) AS d, round(var_pop(number), 6) AS v, median(number) AS m, mode(device) AS o FROM l GROUP BY window(ts, '30 seconds', '10 seconds')",
    ),
    (
        Nothing,
        "SELECT window, count_if(number > 2) AS n, bool_or(number > 5) AS o, count(*) FILTER (WHERE device = 'a') AS f, approx_count_distinct(number) AS d FROM l GROUP BY window(ts, '15 seconds')",
    ),
    (
        Nothing,
        "SELECT window, first(number) AS f, last(number) AS l, collect_list(number) AS c, max_by(number, temperature) AS m FROM l GROUP BY device, window(ts, '20 seconds', '5 seconds')",
    ),
    (Nothing, "SELECT window, device, count(*) AS n FROM l GROUP BY device, window(ts, '10 seconds') HAVING count(*) > 1"),
    (Nothing, "SELECT ts, device, count(*) AS n FROM l GROUP BY ts, device"),
    (Nothing, "SELECT DISTINCT device, ts FROM l"),
    (Nothing, "SELECT local_window, device, count(*) AS n FROM l GROUP BY device, local_window(ts, '1 day', 'Europe/Berlin')"),
    (
        Nothing,
        "SELECT window, sum(n) AS n FROM (SELECT device, window AS w, count(*) AS n FROM l GROUP BY device, window(ts, '5 seconds')) GROUP BY window(w, '20 seconds')",
    ),
    (
        Nothing,
        "SELECT window, count(*) AS n FROM (SELECT device, ts FROM l UNION ALL SELECT device, ts FROM r) GROUP BY window(ts, '10 seconds')",
    ),
    // Sessions.
    (
        Nothing,
        "SELECT session_window, device, count(*) AS n, sum(number) AS s, min(temperature) AS lo FROM l GROUP BY device, session_window(ts, '2 seconds')",
    ),
    (
        Nothing,
        "SELECT session_window, device, count(*) AS n FROM l GROUP BY device, session_window(ts, concat(CAST(abs(coalesce(number, 3)) % 4 + 1 AS STRING), ' seconds'))",
    ),
    (
        Nothing,
        "SELECT session_window, sum(n) AS n FROM (SELECT device, window, count(*) AS n FROM l GROUP BY device, window(ts, '2 seconds')) GROUP BY device, session_window(window, '3 seconds')",
    ),
    (
        Order,
        "SELECT session_window, first(number) AS f, last(number) AS l, collect_list(number) AS c FROM l GROUP BY device, session_window(ts, '2 seconds')",
    ),
    // By order of arrival.
    (Nothing, "SELECT count_window, device, sum(number) AS s FROM l GROUP BY device, count_window(3)"),
    (Nothing, "SELECT count_window, collect_list(number) AS c FROM l GROUP BY count_window(4, 3)"),
    (Order, "SELECT state_window, device, count(*) AS n FROM l GROUP BY device, state_window(number > 5, number < 0, '15 seconds')"),
    // Row after row of a key.
    (Order, "SELECT device, number, lag(number) OVER (PARTITION BY device ORDER BY ts) AS before FROM l"),
    (
        Order,
        "SELECT device, row_number() OVER (PARTITION BY device ORDER BY ts) AS n, sum(number) OVER (PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM l",
    ),
    (
        Order,
        "SELECT device, changed(number > 3) OVER (PARTITION BY device ORDER BY ts) AS c, ewma(temperature, 0.5) OVER (PARTITION BY device ORDER BY ts) AS e, deadband(number, 2) OVER (PARTITION BY device ORDER BY ts) AS d FROM l",
    ),
    (Order, "SELECT device, number, round(rate(number) OVER (PARTITION BY device ORDER BY ts), 6) AS r FROM l WHERE number IS NOT NULL"),
    (
        Order,
        "SELECT device, lag(number, 2, -1) IGNORE NULLS OVER w AS b, first_value(number) IGNORE NULLS OVER v AS f, last_value(temperature) OVER v AS l, count(*) OVER v AS n, avg(number) OVER v AS a, min(temperature) OVER v AS lo, max(number) OVER v AS hi FROM l WINDOW w AS (PARTITION BY device ORDER BY ts), v AS (PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
    ),
    (
        Order,
        "SELECT window, sum(step) AS s FROM (SELECT ts, number - lag(number) OVER (PARTITION BY device ORDER BY ts) AS step FROM l) GROUP BY window(ts, '10 seconds')",
    ),
    // Joins.
    (
        Nothing,
        "SELECT l.device AS d, l.number AS a, r.number AS b FROM l JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts - INTERVAL 2 SECONDS AND l.ts + INTERVAL 5 SECONDS",
    ),
    (
        Nothing,
        "SELECT l.device AS d, l.number AS a, r.number AS b FROM l LEFT JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts AND l.ts + INTERVAL 3 SECONDS",
    ),
    (
        Nothing,
        "SELECT l.number AS a, r.device AS d, r.number AS b FROM l RIGHT JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts AND l.ts + INTERVAL 3 SECONDS",
    ),
    (
        Nothing,
        "SELECT l.number AS a, r.number AS b FROM l FULL JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts - INTERVAL 1 SECOND AND l.ts + INTERVAL 1 SECOND",
    ),
    (
        Nothing,
        "SELECT l.device AS d, l.number AS a FROM l LEFT SEMI JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts AND l.ts + INTERVAL 3 SECONDS",
    ),
];

/// Over `l` without repeats of a device and time; repeats come while the first is still known.
pub(super) const WITHOUT_REPEATS: &[&str] = &[
    "SELECT device, ts, number, temperature FROM l",
    "SELECT window, device, count(*) AS n, sum(number) AS s FROM l GROUP BY device, window(ts, '10 seconds')",
    "SELECT l.device AS d, l.number AS a, r.number AS b FROM l LEFT JOIN r ON l.device = r.device AND r.ts BETWEEN l.ts AND l.ts + INTERVAL 3 SECONDS",
    "SELECT l.device AS d, number, room FROM l JOIN meta ON l.device = meta.device",
];

/// Of these the last row of each key counts, or the last whole table. The key is the first column.
pub(super) const UPDATES: &[(OutputMode, &str)] = &[
    (OutputMode::Update, "SELECT device, count(*) AS n, sum(number) AS s, max(temperature) AS hi FROM l GROUP BY device"),
    (
        OutputMode::Update,
        "SELECT concat_ws('/', coalesce(device, '-'), unix_seconds(window.start)) AS k, count(*) AS n, avg(temperature) AS a FROM l GROUP BY device, window(ts, '10 seconds', '4 seconds')",
    ),
    (OutputMode::Complete, "SELECT device, count(*) AS n, min(temperature) AS lo FROM l GROUP BY device"),
    (OutputMode::Complete, "SELECT device, session_window, count(*) AS n FROM l GROUP BY device, session_window(ts, '2 seconds')"),
];

pub(super) const COUNTING: &str = r#"
fn update(key, state, rows, now) {
    let n = if state == () { 0 } else { state };
    let out = [];
    for row in rows {
        n += 1;
        out.push(#{ device: key, n: n });
    }
    state = n;
    out
}"#;

fn sources() -> Vec<TableSchema> {
    let source = |name: &str| TableSchema {
        name: name.into(),
        columns: columns(),
        event_time: Some(EventTime { column: 0, delay_us: Some(10 * SECOND) }),
    };
    vec![source("l"), source("r")]
}

fn planned(mode: OutputMode, text: &str) -> Program {
    planned_with(mode, text, &[])
}

/// `dedup`: by source, the columns that tell its rows apart.
fn planned_with(mode: OutputMode, text: &str, dedup: &[Vec<usize>]) -> Program {
    let sources = sources();
    let tables = vec![TableSchema { name: "meta".into(), columns: meta_columns(), event_time: None }];
    let catalog = Catalog { sources: &sources, tables: &tables, dedup, ..Catalog::default() };
    let query = plan_query("q", text, mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    Program { sources, tables, queries: vec![query], ..Program::default() }
}

fn without_repeats(text: &str) -> Program {
    planned_with(OutputMode::Append, text, &[vec![1, 0]])
}

fn counting() -> Program {
    let mut program = planned(OutputMode::Append, "SELECT device, ts FROM l");
    run_script(&mut program.queries[0], COUNTING, Timeout::None);
    program
}

/// Puts a state function by device over a query for device and time; it gives device and a number.
pub(super) fn run_script(query: &mut Query, script: &'static str, timeout: Timeout) {
    query.output = vec![Field::new("device", DataType::String), Field::new("n", DataType::BigInt)];
    query.root = Relation::StateFunction(StateFunction {
        input: Box::new(query.root.clone()),
        keys: vec![0],
        script: script.into(),
        function: "update".to_owned(),
        timeout,
        output: query.output.clone(),
        initial: Vec::new(),
    });
}

/// A row of `l` (0) or `r` (1).
pub(super) type Fed = (usize, Reading);

fn fed(rows: &[Fed]) -> Batch {
    let of = |source: usize| rows.iter().filter(|(side, _)| *side == source).map(|(_, row)| row.clone()).collect::<Vec<_>>();
    let input = |source| SourceInput { source, table: table(&of(source)), idle: false };
    Batch { number: 1, inputs: vec![input(0), input(1)], ..Batch::default() }
}

/// A last row in each source, after which nothing is open.
fn end(seconds: f64) -> Vec<Fed> {
    (0..2).map(|side| (side, reading(seconds, "end", 0.0))).collect()
}

/// What comes out, batch by batch, of rows cut at these lengths, over and over.
fn outputs(program: &Program, rows: &[Fed], lengths: &[usize]) -> Vec<Vec<String>> {
    let mut engine = Engine::new(program, settings()).unwrap();
    let mut lengths = lengths.iter().cycle();
    let (mut rest, mut out) = (rows, Vec::new());
    let mut tables = meta(&META);
    let mut take = |batch: &[Fed]| {
        let output = engine.step(&Batch { tables: std::mem::take(&mut tables), ..fed(batch) });
        assert!(output.rejects.is_empty() && output.late.iter().all(|late| late.rows == 0), "{:?} {:?}", output.rejects, output.late);
        out.push(shown(&output));
    };
    while !rest.is_empty() {
        let (batch, further) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
        take(batch);
        rest = further;
    }
    take(&end(1000.0));
    take(&end(200_000.0));
    take(&end(400_000.0));
    out
}

/// All rows that came but those of the end, sorted.
fn appended(outputs: Vec<Vec<String>>) -> Vec<String> {
    let mut rows: Vec<String> = outputs.into_iter().flatten().collect();
    rows.sort();
    rows
}

/// The last row of each key, or the rows of the last whole table; sorted.
fn last(mode: OutputMode, outputs: Vec<Vec<String>>) -> Vec<String> {
    if mode == OutputMode::Complete {
        let whole = outputs.into_iter().rfind(|rows| !rows.is_empty()).unwrap_or_default();
        return appended(vec![whole]);
    }
    let key = |row: &String| row.split(' ').next().unwrap_or_default().to_owned();
    let rows: BTreeMap<String, String> = outputs.into_iter().flatten().map(|row| (key(&row), row)).collect();
    rows.into_values().collect()
}

pub(super) const DEVICES: [Option<&str>; 4] = [Some("a"), Some("b"), Some("c"), None];

fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![8 => (-20i32..60).prop_map(|x| Some(f64::from(x) / 4.0)), 1 => Just(None), 1 => Just(Some(f64::NAN))]
}

/// Rows whose times go on; `behind` by up to so many quarters of a second.
pub(super) fn rows(behind: u32) -> impl Strategy<Value = Vec<Fed>> {
    let row = (0usize..2, 0..DEVICES.len(), value(), 0u32..12, 0..=behind);
    prop::collection::vec(row, 1..70).prop_map(|rows| {
        let mut now = 40;
        let mut fed = |(side, device, temperature, later, behind): (usize, usize, Option<f64>, u32, u32)| {
            now += later;
            let seconds = Some(f64::from(now - behind) / 4.0);
            let number = temperature.filter(|x| !x.is_nan()).map(|x| x as i64);
            (side, Reading { seconds, device: DEVICES[device], temperature, number })
        };
        rows.into_iter().map(&mut fed).collect()
    })
}

/// Lengths of batches.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..12, 1..5)
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn rows_out_of_order_come_out_the_same_however_they_are_cut(rows in rows(39), lengths in lengths()) {
        for (_, text) in QUERIES.iter().filter(|(asks, _)| *asks == Nothing) {
            let program = planned(OutputMode::Append, text);
            let whole = appended(outputs(&program, &rows, &[rows.len()]));
            prop_assert_eq!(&appended(outputs(&program, &rows, &lengths)), &whole, "{}", text);
            prop_assert_eq!(&appended(outputs(&program, &rows, &[1])), &whole, "{}", text);
        }
    }

    #[test]
    fn repeats_are_dropped_however_rows_are_cut(rows in rows(39), lengths in lengths()) {
        for text in WITHOUT_REPEATS {
            let program = without_repeats(text);
            let whole = appended(outputs(&program, &rows, &[rows.len()]));
            prop_assert_eq!(&appended(outputs(&program, &rows, &lengths)), &whole, "{}", text);
            prop_assert_eq!(&appended(outputs(&program, &rows, &[1])), &whole, "{}", text);
        }
    }

    #[test]
    fn rows_in_order_come_out_the_same_however_they_are_cut(rows in rows(0), lengths in lengths()) {
        let programs = QUERIES.iter().filter(|(asks, _)| *asks == Order).map(|(_, text)| planned(OutputMode::Append, text));
        for program in programs.chain([counting()]) {
            let whole = appended(outputs(&program, &rows, &[rows.len()]));
            prop_assert_eq!(&appended(outputs(&program, &rows, &lengths)), &whole, "{:?}", program.queries[0]);
            prop_assert_eq!(&appended(outputs(&program, &rows, &[1])), &whole, "{:?}", program.queries[0]);
        }
    }

    #[test]
    fn the_last_of_each_key_is_the_same_however_rows_are_cut(rows in rows(39), lengths in lengths()) {
        for (mode, text) in UPDATES {
            let program = planned(*mode, text);
            let whole = last(*mode, outputs(&program, &rows, &[rows.len()]));
            prop_assert!(!whole.is_empty());
            prop_assert_eq!(&last(*mode, outputs(&program, &rows, &lengths)), &whole, "{}", text);
            prop_assert_eq!(&last(*mode, outputs(&program, &rows, &[1])), &whole, "{}", text);
        }
    }
}

/// The table tests something: of plain rows each query appends some.
#[test]
fn every_query_appends_rows() {
    let row =
        |n: usize| (n % 2, Reading { seconds: Some(10.0 + n as f64 / 2.0), ..reading(0.0, ["a", "b"][n / 2 % 2], (n % 9) as f64 - 1.0) });
    let rows: Vec<Fed> = (0..60).map(row).collect();
    for (_, text) in QUERIES {
        let came = appended(outputs(&planned(OutputMode::Append, text), &rows, &[7]));
        assert!(came.len() > 1, "{text}: {came:?}");
    }
    assert!(appended(outputs(&counting(), &rows, &[7])).len() > 30);
    let twice: Vec<Fed> = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    for text in WITHOUT_REPEATS {
        let once =
            appended(outputs(&without_repeats(text), &rows.iter().filter(|(side, _)| *side == 0).cloned().collect::<Vec<_>>(), &[7]));
        let repeated: Vec<Fed> = twice.iter().filter(|(side, _)| *side == 0).cloned().collect();
        assert_eq!(appended(outputs(&without_repeats(text), &repeated, &[7])), once, "{text}");
        assert!(once.len() > 1, "{text}");
    }
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn a_watermark_of_the_same_batch_is_found_by_cutting() {
        is_found(Fault::EagerWatermark, rows_out_of_order_come_out_the_same_however_they_are_cut);
    }

    #[test]
    fn sessions_that_stay_apart_are_found_by_cutting() {
        is_found(Fault::SplitSessions, rows_out_of_order_come_out_the_same_however_they_are_cut);
    }
}
