//! `tests/spark/over_frames.jsonl`: what Spark 4.3 makes of aggregates over frames, against what a batch query makes of them.

use std::fmt::Write;

use serde_json::Value as Json;
use tidemill::batch_query::FileTable;
use tidemill::batch_query::{NamedFile, OutputFormat, TableFiles, run};
use tidemill::format::TimestampUnit;
use tidemill::plan::OutputMode;
use tidemill::sql::{Catalog, parse_schema, plan_query};

const SCHEMA: &str = "n INT, g STRING, o INT, l BIGINT, i INT, d DOUBLE, s STRING, b BOOLEAN";
const NAMES: [&str; 8] = ["n", "g", "o", "l", "i", "d", "s", "b"];

/// The recorded rows as JSON lines.
fn lines(rows: &Json) -> String {
    let mut text = String::new();
    for row in rows.as_array().unwrap() {
        let members = row.as_array().unwrap().iter().zip(NAMES).map(|(cell, name)| match cell.as_str() {
            Some(number) if name == "d" => match number {
                "nan" => (name, "NaN".into()),
                "inf" => (name, "Infinity".into()),
                number => (name, number.parse::<f64>().unwrap().into()),
            },
            _ => (name, cell.clone()),
        });
        let row: serde_json::Map<String, Json> = members.map(|(name, value): (&str, Json)| (name.to_owned(), value)).collect();
        writeln!(text, "{}", Json::Object(row)).unwrap();
    }
    text
}

/// The column `x` in order of `n`; or why there is none.
fn ours(rows: &str, aggregate: &str, window: &str) -> Result<Vec<Json>, String> {
    let sql = format!("SELECT n, CAST({aggregate} OVER w AS STRING) AS x FROM t WINDOW w AS ({window}) ORDER BY n");
    let table = FileTable::json("t", parse_schema(SCHEMA).unwrap(), TimestampUnit::Seconds);
    let catalog = Catalog { sources: std::slice::from_ref(&table.schema), ..Catalog::default() };
    let query = plan_query("q", &sql, OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    let files = [NamedFile { name: "t".to_owned(), input: Ok(rows.as_bytes()) }].into_iter();
    let mut out = Vec::new();
    let summary =
        run(vec![TableFiles { table, files }], query, Vec::new(), OutputFormat::Json, 7, &mut out).map_err(|error| error.to_string())?;
    if let Some(reject) = summary.rejects.first() {
        return Err(reject.clone());
    }
    let text = String::from_utf8(out).unwrap();
    Ok(text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["x"].take()).collect())
}

/// Texts are equal where their numbers are: Java may write more digits of a double than tell it from its neighbours.
fn is_same(recorded: &Json, ours: &Json) -> bool {
    let (Some(a), Some(b)) = (recorded.as_str(), ours.as_str()) else { return recorded == ours };
    let pieces = |text: &str| -> Vec<String> { text.split_inclusive(['[', ']', '{', '}', ',', ' ']).map(str::to_owned).collect() };
    let (a, b) = (pieces(a), pieces(b));
    let number = |text: &str| text.trim_end_matches(['[', ']', '{', '}', ',', ' ']).parse::<f64>().ok();
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || (number(a).is_some() && number(a) == number(b)))
}

/// Whether NaN may be among the values of `d` that the window of a row of this group sees.
fn holds_nan(group: &Json, window: &Json) -> bool {
    group == "a" || !window.as_str().unwrap().contains("PARTITION")
}

#[test]
fn aggregates_over_frames_give_sparks_values() {
    let mut recorded = include_str!("../spark/over_frames.jsonl").lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let head = recorded.next().unwrap();
    let (rows, groups) = (lines(&head["rows"]), head["rows"].as_array().unwrap().iter().map(|row| row[1].clone()).collect::<Vec<_>>());
    let windows = recorded.next().unwrap()["windows"].clone();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in recorded {
        let aggregate = line["aggregate"].as_str().unwrap();
        for (window, values) in windows.as_array().unwrap().iter().zip(line["values"].as_array().unwrap()) {
            count += 1;
            let ours = ours(&rows, aggregate, window.as_str().unwrap());
            match (values.as_array(), ours) {
                (None, Err(_)) => {}
                // Ours only: see docs/sql.md.
                (None, Ok(_)) if ["median", "percentile_cont", "percentile_disc"].iter().any(|name| aggregate.starts_with(name)) => {}
                (Some(values), Ok(ours)) if values.len() == ours.len() => {
                    // With NaN, Spark's percentile_approx depends on the order of the rows: see docs/sql.md.
                    let skipped =
                        |place: usize| aggregate.contains("percentile") && aggregate.contains("(d, ") && holds_nan(&groups[place], window);
                    let differs = |place: &usize| !is_same(&values[*place], &ours[*place]) && !skipped(*place);
                    if let Some(place) = (0..ours.len()).find(differs) {
                        wrong.push(format!("{aggregate} OVER ({window}), row {}: {}, not {}", place + 1, ours[place], values[place]));
                    }
                }
                (_, ours) => wrong.push(format!("{aggregate} OVER ({window}):\n  ours  {ours:?}\n  spark {values}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 2_000, "{count} recorded");
}
