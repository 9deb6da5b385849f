//! Arrays, maps, structs and lambdas in whole queries: as keys, over columns with NULLs and failures, and at their limits.

use super::*;

fn batch_rows(text: &str, rows: &[Reading]) -> (Vec<String>, Vec<String>) {
    let mut engine = engine(OutputMode::Update, text);
    let output = step(&mut engine, rows);
    let rejected = output.rejects.iter().map(|reject| reject.reason.clone()).collect();
    (shown(&output), rejected)
}

fn ten() -> Vec<Reading> {
    (0..10).map(|number| reading(number as f64, if number % 2 == 0 { "a" } else { "b" }, number as f64)).collect()
}

#[test]
fn lambdas_see_the_columns_of_their_row() {
    let text = "SELECT transform(sequence(1, number), (x, i) -> x * number + i) AS t, filter(array(device, 'b'), x -> x = device) AS f FROM readings";
    let (rows, rejected) = batch_rows(text, &ten()[1..4]);
    assert!(rejected.is_empty(), "{rejected:?}");
    let shown = |numbers: &[i64], texts: &[&str]| {
        let numbers = Value::Array(numbers.iter().map(|number| Value::BigInt(*number)).collect());
        let texts = Value::Array(texts.iter().map(|text| Value::String((*text).into())).collect());
        format!("{} {}", show(&numbers), show(&texts))
    };
    assert_eq!(rows, [shown(&[1], &["b", "b"]), shown(&[2, 5], &["a"]), shown(&[3, 7, 11], &["b", "b"])]);
}

#[test]
fn a_lambda_that_fails_fails_its_row_only() {
    let (rows, rejected) = batch_rows("SELECT number, transform(array(1, number), x -> 10 div (x - 2)) AS t FROM readings", &ten()[..4]);
    assert_eq!((rows.len(), rejected.len()), (3, 1));
    assert!(rejected[0].contains("zero"), "{rejected:?}");
    let (rows, rejected) =
        batch_rows("SELECT aggregate(sequence(0, number), 0L, (acc, x) -> acc + 6 div (x - 2)) AS t FROM readings", &ten()[..4]);
    assert_eq!((rows, rejected.len()), (vec!["-3".to_owned(), "-9".to_owned()], 2));
    let (rows, rejected) = batch_rows("SELECT map(device, 1, 'a', 2)['b'] AS v FROM readings", &ten()[..4]);
    assert_eq!((rows, rejected.len()), (vec!["1".to_owned(), "1".to_owned()], 2));
}

#[test]
fn nested_lambdas_reach_outwards() {
    let text = "SELECT aggregate(transform(array(1, 2), x -> aggregate(array(10, 20), x, (acc, y) -> acc + y * x + CAST(number AS INT))), 0, (acc, x) -> acc + x) AS t FROM readings";
    let (rows, rejected) = batch_rows(text, &ten()[..3]);
    assert_eq!((rows, rejected.len()), (vec!["93".to_owned(), "97".to_owned(), "101".to_owned()], 0));
}

#[test]
fn keys_may_be_arrays_and_structs_but_no_maps() {
    let text = "SELECT array(device, NULL) AS k, count(*) AS n FROM readings GROUP BY array(device, NULL)";
    let (mut rows, _) = batch_rows(text, &ten());
    rows.sort();
    let shown = |device: &str| format!("{} 5", show(&Value::Array(vec![Value::String(device.into()), Value::Null])));
    assert_eq!(rows, [shown("a"), shown("b")]);
    for text in [
        "SELECT map(device, 1) AS m, count(*) AS n FROM readings GROUP BY map(device, 1)",
        "SELECT array(map(device, 1)) AS m, count(*) AS n FROM readings GROUP BY ALL",
        "SELECT DISTINCT map(device, 1) AS m FROM readings",
        "SELECT map(device, 1) = map(device, 1) AS m FROM readings",
    ] {
        let program = program(&[]);
        let catalog = Catalog { sources: &program.sources, ..Catalog::default() };
        let error = plan_query("q", text, OutputMode::Update, &catalog).unwrap_err();
        assert!(error.message.contains("compared"), "{text}: {}", error.message);
    }
}

#[test]
fn what_grows_beyond_its_limit_fails_the_row() {
    for (text, reason) in [
        ("SELECT size(sequence(1, 1000000000)) AS n FROM readings", "elements"),
        ("SELECT size(array_repeat(repeat('x', 100000), 60000)) AS n FROM readings", "bytes"),
        ("SELECT size(transform(sequence(1, 60000), x -> sequence(1, 60000))) AS n FROM readings", "bytes"),
        ("SELECT size(flatten(transform(sequence(1, 1000), x -> sequence(1, 1000)))) AS n FROM readings", "elements"),
        ("SELECT size(array_insert(array(1), 1000000000, 1)) AS n FROM readings", "elements"),
        ("SELECT aggregate(sequence(1, 60000), 0, (a, x) -> aggregate(sequence(1, 60000), 0, (b, y) -> y)) AS n FROM readings", "steps"),
        ("SELECT length(aggregate(sequence(1, 100), 'x', (a, x) -> concat(a, a))) AS n FROM readings", "longer"),
        ("SELECT array_join(array_repeat(repeat('x', 1000), 60000), ',') AS n FROM readings", "longer"),
    ] {
        let (rows, rejected) = batch_rows(text, &ten()[..1]);
        assert_eq!((rows.len(), rejected.len()), (0, 1), "{text} {rows:?}");
        assert!(rejected[0].contains(reason), "{text}: {rejected:?}");
    }
}

#[test]
fn a_comparison_that_contradicts_itself_sorts_somehow() {
    let text =
        "SELECT size(array_sort(sequence(1, 500), (a, b) -> 1)) AS n, size(array_sort(sequence(1, 500), (a, b) -> -1)) AS m FROM readings";
    assert_eq!(batch_rows(text, &ten()[..1]).0, ["500 500"]);
}

#[test]
fn times_differ_by_intervals() {
    let text = "SELECT ts - TIMESTAMP '1970-01-01 00:00:00' > INTERVAL 4 SECONDS AS late, count(*) AS n, max(CAST((ts - TIMESTAMP '1970-01-01 00:00:00') * 2 AS STRING)) AS m FROM readings GROUP BY 1";
    let (mut rows, _) = batch_rows(text, &ten());
    rows.sort();
    assert_eq!(rows, ["false 5 INTERVAL '0 00:00:08' DAY TO SECOND", "true 5 INTERVAL '0 00:00:18' DAY TO SECOND"]);
}
