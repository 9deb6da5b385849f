//! What differs between the rows that came and those expected.
//!
//! Within a step the order does not matter, unless the query ends in ORDER BY. Numbers are equal within 1e-9 of the greater one, whole numbers
//! exactly; a member that is not there is NULL.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::folder::{QueryCase, Step};
use super::run::{Results, StepResult};
use crate::plan::Relation;

/// Numbers further apart than this, relative to the greater one, differ.
const TOLERANCE: f64 = 1e-9;

/// Rows of one kind that a difference shows.
const SHOWN_MAX: usize = 20;

/// Characters of a row that are shown.
const ROW_CHARS_MAX: usize = 2_000;

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    CannotRun(String),
    NoError {
        expected: String,
    },
    OtherError {
        expected: String,
        error: String,
    },
    Columns {
        query: String,
        expected: String,
        is: String,
    },
    /// Rows of a query; `step` is `None` where the rows of all steps are compared together.
    Rows {
        step: Option<String>,
        query: String,
        missing: Vec<Json>,
        unexpected: Vec<Json>,
    },
    /// The same rows in another order, from this one on.
    Order {
        step: Option<String>,
        query: String,
        row: usize,
        expected: Json,
        is: Json,
    },
    /// The watermark, or a count.
    Status {
        step: String,
        what: &'static str,
        expected: String,
        is: String,
    },
    DeadLetters {
        step: String,
        expected: u64,
        is: u64,
        reasons: Vec<String>,
    },
    Reason {
        step: String,
        part: String,
    },
    /// `expected.<query>.jsonl` of a query that is not compared.
    UnknownQuery {
        step: String,
        query: String,
    },
}

/// Whether the order of a relation's rows is part of the result.
pub fn is_ordered(relation: &Relation) -> bool {
    match relation {
        Relation::Sort { .. } => true,
        Relation::Project { input, .. } | Relation::Limit { input, .. } | Relation::Filter { input, .. } => is_ordered(input),
        _ => false,
    }
}

pub fn error(error: &str, expected: &str) -> Vec<Difference> {
    if error.to_lowercase().contains(&expected.to_lowercase()) {
        return Vec::new();
    }
    vec![Difference::OtherError { expected: expected.to_owned(), error: error.to_owned() }]
}

/// Compares step by step, or with `together` the rows of all steps. A batch query's rows are always compared together.
pub fn results(case: &QueryCase, results: &Results, together: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    if let Some(expected) = &case.test.columns {
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect::<String>().to_lowercase();
        let wrong = results.columns.iter().zip(&results.queries).filter(|(is, _)| squeezed(is) != squeezed(expected));
        differences.extend(wrong.map(|(is, query)| Difference::Columns {
            query: query.clone(),
            expected: expected.clone(),
            is: is.clone(),
        }));
    }
    let ignored = &case.test.ignore_columns;
    for (index, query) in results.queries.iter().enumerate() {
        let all_expected = case.steps.iter().map(|step| rows(expected_rows(step, query, &results.queries), ignored));
        let all_came = results.steps.iter().map(|step| rows(step.rows.get(index).map_or(&[][..], Vec::as_slice), ignored));
        if together || case.is_batch(query) {
            let (expected, came): (Vec<_>, Vec<_>) = (all_expected.flatten().collect(), all_came.flatten().collect());
            differences.extend(compare_rows(None, query, results.ordered[index], expected, came));
        } else {
            for ((step, expected), came) in case.steps.iter().zip(all_expected).zip(all_came) {
                differences.extend(compare_rows(Some(step.name.clone()), query, results.ordered[index], expected, came));
            }
        }
    }
    for (step, result) in case.steps.iter().zip(&results.steps) {
        unknown_queries(step, &results.queries, &mut differences);
        if !together {
            status(step, result, &mut differences);
        }
    }
    differences
}

/// What a step expects of a query; `expected.jsonl` speaks for the only one.
fn expected_rows<'s>(step: &'s Step, query: &str, queries: &[String]) -> &'s [Json] {
    let named = step.expected.get(query);
    let only = if queries.len() == 1 { step.expected.get("") } else { None };
    named.or(only).map_or(&[], Vec::as_slice)
}

fn unknown_queries(step: &Step, queries: &[String], differences: &mut Vec<Difference>) {
    let known = |name: &String| queries.contains(name) || (name.is_empty() && queries.len() == 1);
    let unknown = step.expected.keys().filter(|name| !known(name));
    differences.extend(unknown.map(|query| Difference::UnknownQuery { step: step.name.clone(), query: query.clone() }));
}

fn status(step: &Step, result: &StepResult, differences: &mut Vec<Difference>) {
    let mut differs = |what, expected: String, is: String| {
        if expected != is {
            differences.push(Difference::Status { step: step.name.clone(), what, expected, is });
        }
    };
    if let Some(expected) = &step.status.watermark {
        differs("watermark", expected.clone(), watermark(result.watermark_us));
    }
    if let Some(expected) = step.status.late {
        differs("late rows", expected.to_string(), result.late.to_string());
    }
    let letters = result.dead_letters.len() as u64 + result.dead_letters_uncounted;
    let expected = step.status.dead_letters.unwrap_or(step.status.reasons.len() as u64);
    if letters != expected {
        let reasons = result.dead_letters.iter().take(SHOWN_MAX).cloned().collect();
        differences.push(Difference::DeadLetters { step: step.name.clone(), expected, is: letters, reasons });
    }
    for part in step.status.reasons.iter().filter(|part| !result.dead_letters.iter().any(|reason| reason.contains(*part))) {
        differences.push(Difference::Reason { step: step.name.clone(), part: part.clone() });
    }
}

/// A watermark as `status.json` has it.
pub fn watermark(us: Option<i64>) -> String {
    let Some(us) = us else { return "none".to_owned() };
    let time = jiff::Timestamp::from_microsecond(us.div_euclid(1000).saturating_mul(1000));
    time.map_or_else(|_| format!("{us} µs"), |time| format!("{time:.3}"))
}

fn rows<'r>(rows: &'r [Json], ignored: &'r [String]) -> Vec<Json> {
    rows.iter().map(|row| plain(row, ignored)).collect()
}

/// Without NULL members, and without the outermost ones named.
fn plain(row: &Json, ignored: &[String]) -> Json {
    match row {
        Json::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !value.is_null() && !ignored.contains(name));
            Json::Object(kept.map(|(name, value)| (name.clone(), plain(value, &[]))).collect::<Map<_, _>>())
        }
        Json::Array(items) => Json::Array(items.iter().map(|item| plain(item, &[])).collect()),
        other => other.clone(),
    }
}

fn compare_rows(step: Option<String>, query: &str, ordered: bool, expected: Vec<Json>, came: Vec<Json>) -> Option<Difference> {
    let query = query.to_owned();
    let first = expected.iter().zip(&came).position(|(expected, came)| !close(expected, came));
    if first.is_none() && expected.len() == came.len() {
        return None;
    }
    let (missing, unexpected) = unmatched(expected.clone(), came.clone());
    if !missing.is_empty() || !unexpected.is_empty() {
        return Some(Difference::Rows { step, query, missing, unexpected });
    }
    let row = first.filter(|_| ordered)?;
    Some(Difference::Order { step, query, row, expected: expected[row].clone(), is: came[row].clone() })
}

/// Rows of either side without a partner: first those that are equal to the letter find each other, then close ones.
fn unmatched(expected: Vec<Json>, came: Vec<Json>) -> (Vec<Json>, Vec<Json>) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    came.iter().for_each(|row| *counts.entry(row.to_string()).or_default() += 1);
    let mut take = |row: &Json| counts.get_mut(&row.to_string()).filter(|count| **count > 0).map(|count| *count -= 1).is_some();
    let mut missing: Vec<Json> = expected.into_iter().filter(|row| !take(row)).collect();
    let mut unexpected = Vec::new();
    for row in came.into_iter().rev() {
        if take(&row) {
            unexpected.push(row);
        }
    }
    unexpected.reverse();
    missing.retain(|row| match unexpected.iter().position(|other| close(row, other)) {
        Some(position) => {
            unexpected.remove(position);
            false
        }
        None => true,
    });
    (missing, unexpected)
}

fn close(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b))),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (Json::Number(a), Json::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
        }
        _ => a == b,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |step: &Option<String>| step.as_ref().map_or("all steps".to_owned(), |step| format!("step {step}"));
        match self {
            Difference::CannotRun(error) => write!(f, "cannot run: {}", error.trim_end()),
            Difference::NoError { expected } => write!(f, "runs, but must be an error with \"{expected}\""),
            Difference::OtherError { expected, error } => {
                write!(f, "must be an error with \"{expected}\", but the error is: {}", error.trim_end())
            }
            Difference::Columns { query, expected, is } => write!(f, "query {query}: columns\n    - {expected}\n    + {is}"),
            Difference::Rows { step, query, missing, unexpected } => {
                write!(f, "{}, query {query}: {} missing, {} unexpected", at(step), missing.len(), unexpected.len())?;
                write_rows(f, '-', missing)?;
                write_rows(f, '+', unexpected)
            }
            Difference::Order { step, query, row, expected, is } => {
                write!(f, "{}, query {query}: other order from row {}\n    - {expected}\n    + {is}", at(step), row + 1)
            }
            Difference::Status { step, what, expected, is } => write!(f, "step {step}: {what}\n    - {expected}\n    + {is}"),
            Difference::DeadLetters { step, expected, is, reasons } => {
                write!(f, "step {step}: {is} dead letters, {expected} expected")?;
                reasons.iter().try_for_each(|reason| write!(f, "\n    + {}", shortened(reason)))
            }
            Difference::Reason { step, part } => write!(f, "step {step}: no dead letter says \"{part}\""),
            Difference::UnknownQuery { step, query } if query.is_empty() => {
                write!(f, "step {step}: several queries are compared: write expected.<query>.jsonl, or choose one with [test] queries")
            }
            Difference::UnknownQuery { step, query } => write!(f, "step {step}: expected.{query}.jsonl: no such query is compared"),
        }
    }
}

fn write_rows(f: &mut fmt::Formatter<'_>, sign: char, rows: &[Json]) -> fmt::Result {
    rows.iter().take(SHOWN_MAX).try_for_each(|row| write!(f, "\n    {sign} {}", shortened(&row.to_string())))?;
    if rows.len() > SHOWN_MAX { write!(f, "\n    {sign} … and {} more", rows.len() - SHOWN_MAX) } else { Ok(()) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(ROW_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compare(ordered: bool, expected: Json, came: Json) -> Option<Difference> {
        let list = |rows: Json| rows.as_array().unwrap().iter().map(|row| plain(row, &["x".to_owned()])).collect();
        compare_rows(Some("1".to_owned()), "q", ordered, list(expected), list(came))
    }

    #[test]
    fn order_nulls_and_the_last_digits_do_not_matter() {
        let expected = json!([{"a": 1, "b": 0.3, "c": null, "x": 1}, {"a": 2, "s": {"m": null}}, {"a": 2, "s": {}}]);
        let came = json!([{"a": 2, "s": {}}, {"a": 2, "s": {}}, {"a": 1, "b": 0.300_000_000_000_000_04}]);
        assert_eq!(compare(false, expected.clone(), came.clone()), None);
        let order = compare(true, expected, came).unwrap().to_string();
        assert!(order.starts_with("step 1, query q: other order from row 1\n    - {\"a\":1,"), "{order}");
    }

    #[test]
    fn what_differs_is_shown_once() {
        let difference = compare(false, json!([{"a": 1}, {"a": 1}, {"a": "NaN"}]), json!([{"a": 1}, {"a": 2}, {"a": "NaN"}])).unwrap();
        assert_eq!(difference.to_string(), "step 1, query q: 1 missing, 1 unexpected\n    - {\"a\":1}\n    + {\"a\":2}");
        let long = compare(false, json!([]), Json::Array(vec![json!({"a": 1}); 22])).unwrap().to_string();
        assert!(long.ends_with("    + … and 2 more"), "{long}");
    }

    #[test]
    fn numbers_are_close_or_not() {
        assert!(close(&json!(1), &json!(1.0)) && close(&json!(1e300), &json!(1.000_000_000_1e300)) && close(&json!(0.0), &json!(-0.0)));
        assert!(!close(&json!(1.0), &json!(1.000_000_01)) && !close(&json!(9_007_199_254_740_992i64), &json!(9_007_199_254_740_993i64)));
        assert!(!close(&json!(1), &json!("1")) && !close(&json!([1]), &json!([1, 2])) && close(&json!([{"a": 1.0}]), &json!([{"a": 1}])));
    }

    #[test]
    fn watermarks_are_shown_in_milliseconds() {
        assert_eq!(watermark(Some(1_767_225_632_000_999)), "2026-01-01T00:00:32.000Z");
        assert_eq!((watermark(Some(0)).as_str(), watermark(None).as_str()), ("1970-01-01T00:00:00.000Z", "none"));
    }
}
