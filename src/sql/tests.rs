//! Planning as a user sees it: what plans to what, and what is refused with which words.

use super::*;
use crate::plan::{EventTime, Relation, TableColumn};

fn source(delay_us: Option<i64>) -> TableSchema {
    let column = |name: &str, data_type, hidden| TableColumn { field: Field::new(name, data_type), hidden };
    let columns = vec![
        column("device", DataType::String, false),
        column("ts", DataType::Timestamp, false),
        column("temperature", DataType::Double, false),
        column("humidity", DataType::Double, false),
        column("AM2301.Temperature", DataType::Double, false),
        column("n", DataType::Int, false),
        column("big", DataType::BigInt, false),
        column("small", DataType::Float, false),
        column("day", DataType::Date, false),
        column("ok", DataType::Boolean, false),
        column("_arrived", DataType::Timestamp, true),
    ];
    TableSchema { name: "readings".into(), columns, event_time: Some(EventTime { column: 1, delay_us }) }
}

fn try_plan(mode: OutputMode, text: &str) -> Result<Query, SqlError> {
    let bare = TableSchema { name: "bare".into(), ..source(None) };
    let catalog_sources = [source(Some(10_000_000)), bare];
    let plan =
        |name: &str, mode, text: &str, queries: &[Query]| plan_query(name, text, mode, &Catalog { sources: &catalog_sources, queries });
    let per_minute = "SELECT device, window, count(*) AS n, max(temperature) AS peak FROM readings GROUP BY device, window(ts, '1 minute')";
    let queries = [
        plan("per_minute", OutputMode::Append, per_minute, &[])?,
        plan("totals", OutputMode::Update, "SELECT device, count(*) AS n FROM readings GROUP BY device", &[])?,
        plan("warm", OutputMode::Append, "SELECT device AS d, ts AS moment, temperature FROM readings WHERE temperature > 20", &[])?,
    ];
    plan("q", mode, text, &queries)
}

fn plan(mode: OutputMode, text: &str) -> Query {
    try_plan(mode, text).unwrap_or_else(|error| panic!("{}", error.in_text(text)))
}

/// Message and help, after the text that the span covers.
fn refused(mode: OutputMode, text: &str) -> String {
    let error = try_plan(mode, text).expect_err(text);
    let place = text.get(error.span.start as usize..error.span.end as usize).unwrap_or("?");
    format!("[{place}] {error}")
}

fn steps(mode: OutputMode, text: &str) -> Vec<String> {
    let shown = explain(&plan(mode, text), &[source(None), source(None)]);
    shown.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Names and types of the result in batch mode.
fn output(select: &str) -> String {
    let query = plan(OutputMode::Batch, &format!("SELECT {select} FROM readings"));
    query.output.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ")
}

/// The type of one expression.
fn type_of(expr: &str) -> String {
    let query = plan(OutputMode::Batch, &format!("SELECT {expr} AS x FROM readings"));
    query.output[0].data_type.to_string()
}

#[test]
fn dump() {
    for (mode, text) in [
        (
            OutputMode::Append,
            "SELECT device, window.start AS start, avg(temperature) AS mean, max(temperature) AS peak, count(*) AS n FROM readings WHERE temperature BETWEEN -40 AND 125 AND ts > '2026-01-01' GROUP BY device, window(ts, '1 minute') HAVING device <> 'x' AND n > 2",
        ),
        (
            OutputMode::Append,
            "SELECT window(window, '5 minutes').start AS s, sum(n) AS n FROM per_minute WHERE device LIKE 'a%' GROUP BY window(window, '5 minutes')",
        ),
        (OutputMode::Append, "SELECT d, temperature * 2 AS t FROM warm WHERE moment > '2026-01-01' AND d = 'x'"),
        (OutputMode::Batch, "SELECT device, count(DISTINCT n) c FROM readings GROUP BY 1 ORDER BY avg(humidity) DESC, 2 LIMIT 3"),
        (
            OutputMode::Append,
            "SELECT count(*) AS n FROM bare WATERMARK timestamp_millis(big) AS et DELAY OF INTERVAL 1 MINUTE AS x WHERE x.n > 1 AND et IS NOT NULL GROUP BY window(et, '10 seconds', '5 seconds', '1 second')",
        ),
        (OutputMode::Complete, "SELECT device, ok, min(day) FROM readings GROUP BY ALL ORDER BY 1"),
    ] {
        println!("{text}\n{}", explain(&plan(mode, text), &[source(None), source(None)]));
    }
    for select in [
        "count(*), count(DISTINCT n), avg(temperature), sum(n + 1), max(AM2301.Temperature)",
        "AM2301.Temperature, -n, n + 1, NOT ok, device || 'x', CAST(n AS string), n IN (1, 2), device LIKE 'a', ts IS NULL, CASE WHEN ok THEN 1 END, if(ok, 1, 2), substring(device, 2), 1.5, 'a', NULL, `AM2301.Temperature` AS y, big div 2, n <> 2, n BETWEEN 1 AND 2, abs(n), ts + INTERVAL 1 HOUR, window(ts, '1 minute'), window(ts, '1 minute').end",
    ] {
        println!("{}", output(select));
    }
    for text in [
        "SELECT temprature FROM readings",
        "SELECT device FROM reading",
        "SELECT aver(n) FROM readings",
        "SELECT device, count(*) FROM readings GROUP BY n",
        "SELECT window(ts, '1 min') FROM readings",
        "SELECT count(*) FROM readings GROUP BY window(ts, INTERVAL 1 MINUTE)",
        "SELECT count(*) FROM readings GROUP BY window(big, '1 minute')",
        "SELECT substring(device) FROM readings",
        "SELECT substring(device, 1.5) FROM readings",
        "SELECT n + ok FROM readings",
        "SELECT now() FROM readings",
        "SELECT percentile(n, 0.5) FROM readings",
        "SELECT n AS m FROM readings WHERE m > 1",
        "SELECT count(*) FROM readings WHERE count(*) > 1",
        "SELECT sum(max(n)) FROM readings",
        "SELECT * FROM totals",
        "SELECT ts - _arrived FROM readings",
        "SELECT n FROM readings UNION ALL SELECT n FROM readings",
        "SELECT * FROM readings a JOIN readings b ON a.n = b.n",
        "SELECT sum(n) OVER (PARTITION BY device) FROM readings",
        "SELECT a.device FROM readings b",
        "SELECT n, n FROM readings",
        "SELECT explode(device) FROM readings",
        "SELECT * FROM readings |> WHERE n > 1",
        "SELECT CAST(n AS DECIMAL(5, 1)) FROM readings",
        "SELECT \"x\" AS 'y' FROM readings",
        "SELECT n FROM readings WHERE n",
        "SELECT current_timestamp FROM readings",
        "SELECT n FROM readings WHERE device = ok AND n > 'abc' AND ok > 1",
        "SELECT window.start FROM readings",
        "SELECT FROM readings",
        "SELECT n FROM readings GROUP BY 3",
        "SELECT device.x FROM readings",
    ] {
        println!("{}", refused(OutputMode::Batch, text));
    }
}
