//! Planning as a user sees it: what plans to what, and what is refused with which words.

mod joins;
mod relations;

use super::*;
use crate::plan::{EventTime, ExprNode, Function, GroupKey, Program, Relation, TableColumn};

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

fn bare() -> TableSchema {
    TableSchema { name: "bare".into(), ..source(None) }
}

fn other() -> TableSchema {
    TableSchema { name: "other".into(), ..source(Some(20_000_000)) }
}

fn tables() -> [TableSchema; 1] {
    let column = |name: &str, data_type| TableColumn { field: Field::new(name, data_type), hidden: false };
    let columns = vec![column("device", DataType::String), column("room", DataType::String), column("lim", DataType::Double)];
    [TableSchema { name: "meta".into(), columns, event_time: None }]
}

fn try_plan(mode: OutputMode, text: &str) -> Result<Query, SqlError> {
    let (catalog_sources, tables) = ([source(Some(10_000_000)), bare(), other()], tables());
    let plan = |name: &str, mode, text: &str, queries: &[Query]| {
        plan_query(name, text, mode, &Catalog { sources: &catalog_sources, queries, tables: &tables, ..Catalog::default() })
    };
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
    let shown = explain(&plan(mode, text), &[source(None), bare(), other()], &tables());
    let without_effect = shown.replace(": rows that it removes do not advance it", "").replace(": rows that it removes advance it", "");
    without_effect.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Names and types of the result in batch mode.
fn output(select: &str) -> String {
    let query = plan(OutputMode::Batch, &format!("SELECT {select} FROM readings"));
    query.output.iter().map(|field| format!("{} {}", field.name, field.data_type)).collect::<Vec<_>>().join(", ")
}

use OutputMode::{Append, Batch, Complete, Update};

#[test]
fn conditions_go_below_the_watermark_unless_they_look_at_event_time() {
    assert_eq!(
        steps(
            Append,
            "SELECT device, window.start AS start, avg(temperature) AS mean FROM readings WHERE temperature < 125 AND ts > '2026-01-01' \
             GROUP BY device, window(ts, '1 minute') HAVING device <> 'x' AND count(*) > 2"
        ),
        [
            "read readings: device, ts, temperature (3 of 11 columns)",
            "filter ((temperature < 125) AND (device <> 'x')) (below the watermark)",
            "watermark greatest ts seen, less 10 seconds",
            "filter (ts > TIMESTAMP '2026-01-01T00:00:00Z') (above the watermark)",
            "window 1 minute of ts",
            "keys device",
            "aggregates avg(temperature), count(*)",
            "state one entry a group and window, dropped once the watermark has reached the window's end",
            "filter (aggregate1 > 2) (on each group that is given out)",
            "project device, window.start AS start, aggregate0 AS mean",
            "output device STRING, start TIMESTAMP, mean DOUBLE",
        ]
    );
}

#[test]
fn a_watermark_clause_stands_for_the_sources_own() {
    assert_eq!(
        steps(
            Append,
            "SELECT count(*) AS n FROM readings WATERMARK timestamp_millis(big) AS et DELAY OF INTERVAL 1 MINUTE AS x \
             WHERE x.n > 1 AND et IS NOT NULL GROUP BY window(et, '10 seconds', '5 seconds', '1 second')"
        )[..6],
        [
            "read readings: n, big (2 of 11 columns)",
            "filter (n > 1) (below the watermark)",
            "project timestamp_millis(big) AS et",
            "watermark greatest et seen, less 1 minute",
            "filter et IS NOT NULL (above the watermark)",
            "window 10 seconds of et, sliding by 5 seconds, starting at 1 second",
        ]
    );
    assert!(refused(Append, "SELECT n FROM bare WATERMARK big DELAY OF INTERVAL 1 SECOND").contains("timestamp_millis"));
    assert!(refused(Append, "SELECT n FROM bare WATERMARK timestamp_millis(big) DELAY OF INTERVAL 1 SECOND").contains("needs a name"));
    assert!(
        refused(Append, "SELECT n FROM (SELECT * FROM readings) WATERMARK ts DELAY OF INTERVAL 1 SECOND")
            .contains("has a watermark already")
    );
    assert!(refused(Batch, "SELECT n FROM STREAM readings").contains("leave STREAM out"));
    assert!(!plan(Batch, "SELECT n FROM bare WATERMARK ts DELAY OF INTERVAL 1 SECOND").root.has_watermark());
}

#[test]
fn a_query_over_a_query_is_the_inlined_subquery() {
    assert_eq!(
        steps(Append, "SELECT d, temperature * 2 AS t FROM warm WHERE moment > '2026-01-01' AND d = 'x'"),
        [
            "read readings: device, ts, temperature (3 of 11 columns)",
            "filter ((temperature > 20) AND (device = 'x')) (below the watermark)",
            "watermark greatest ts seen, less 10 seconds",
            "filter (ts > TIMESTAMP '2026-01-01T00:00:00Z') (above the watermark)",
            "project device AS d, (temperature * 2) AS t",
            "output d STRING, t DOUBLE",
        ]
    );
    assert!(refused(Append, "SELECT n FROM totals").starts_with("[totals] the query `totals` has mode update"));
}

#[test]
fn aggregations_chain_over_windows_in_append_mode() {
    for key in ["window(window, '5 minutes')", "window(window_time(window), '5 minutes')", "window"] {
        let query = plan(Append, &format!("SELECT {key}.start AS s, sum(n) AS n FROM per_minute GROUP BY {key}"));
        assert_eq!(query.output[1], Field::new("n", DataType::BigInt), "{key}");
    }
    let chained = "SELECT sum(n) AS n FROM per_minute GROUP BY window(window, '5 minutes')";
    let Relation::Project { input, .. } = plan(Append, chained).root else { panic!() };
    assert_eq!(input.event_time_columns(), [true, false]);
    let Relation::Aggregate { keys, .. } = &*input else { panic!() };
    let GroupKey::Window(spec) = &keys[0] else { panic!() };
    assert!(matches!(spec.time.node, ExprNode::Call { function: Function::WindowTime, .. }));
    assert!(refused(Update, chained).contains("append mode only"));
    assert!(refused(Append, "SELECT sum(n) FROM per_minute GROUP BY device").contains("window(window, '1 minute')"));
}

#[test]
fn append_mode_needs_a_watermark_and_the_event_time_as_key() {
    assert!(refused(Append, "SELECT count(*) FROM bare GROUP BY window(ts, '1 minute')").contains("needs a watermark"));
    assert!(refused(Append, "SELECT device, count(*) FROM readings GROUP BY device").contains("add window(ts, '1 minute')"));
    assert!(refused(Append, "SELECT count(*) FROM readings").contains("needs the event time"));
    assert!(refused(Append, "SELECT count(*) FROM readings GROUP BY window(_arrived, '1 minute')").contains("the watermark is on `ts`"));
    assert!(refused(Append, "SELECT count(*) FROM readings GROUP BY date_trunc('HOUR', ts)").contains("needs the event time"));
    assert!(refused(Append, "SELECT DISTINCT device FROM readings").contains("SELECT DISTINCT in append mode"));
    plan(Append, "SELECT ts, count(*) FROM readings GROUP BY ts");
    plan(Append, "SELECT DISTINCT device, ts FROM readings");
    plan(Append, "SELECT m, count(*) FROM (SELECT ts AS m FROM readings) GROUP BY m");
    plan(Update, "SELECT device, count(*) FROM bare GROUP BY device");
}

#[test]
fn complete_mode_needs_an_aggregation_and_alone_sorts() {
    assert!(refused(Complete, "SELECT device FROM readings").contains("complete mode needs an aggregation"));
    assert!(refused(Append, "SELECT device FROM readings ORDER BY device").contains("complete mode only"));
    assert!(refused(Update, "SELECT device FROM readings LIMIT 3").contains("does not work in update mode"));
    assert!(refused(Append, "SELECT device FROM readings LIMIT 3 OFFSET 1").contains("OFFSET works in complete mode only"));
    plan(Append, "SELECT device FROM readings LIMIT 3");
    assert!(refused(Complete, "SELECT count(*) FROM (SELECT * FROM readings ORDER BY n)").contains("on an aggregation only"));
    assert!(refused(Update, "SELECT count(DISTINCT n) FROM readings").contains("does not work over a stream"));
    plan(Complete, "SELECT device, count(*) AS n FROM bare GROUP BY device ORDER BY n DESC LIMIT 3");
}

#[test]
fn sort_keys_need_not_be_selected() {
    assert_eq!(
        steps(Batch, "SELECT device, count(DISTINCT n) c FROM readings GROUP BY 1 ORDER BY avg(humidity) DESC, 2 LIMIT 3"),
        [
            "read readings: device, humidity, n (3 of 11 columns)",
            "keys device",
            "aggregates count(DISTINCT n), avg(humidity)",
            "project device, aggregate0 AS c, aggregate1 AS order2",
            "sort order2 descending, c",
            "project device, c",
            "limit 3 rows",
            "output device STRING, c BIGINT",
        ]
    );
    assert!(refused(Batch, "SELECT DISTINCT device FROM readings ORDER BY n").contains("SELECT list only"));
}

#[test]
fn group_by_takes_columns_names_numbers_and_all() {
    for keys in ["upper(device), window(ts, '1 minute')", "u, window(ts, '1 minute')", "1, 2", "ALL", "u, window", "u, w"] {
        let query =
            plan(Append, &format!("SELECT upper(device) AS u, window(ts, '1 minute') AS w, count(*) AS n FROM readings GROUP BY {keys}"));
        let Relation::Project { input, .. } = query.root else { panic!("{keys}") };
        let Relation::Aggregate { keys: planned, aggregates, .. } = *input else { panic!("{keys}") };
        assert_eq!((planned.len(), aggregates.len()), (2, 1), "{keys}");
        assert!(planned.iter().any(|key| matches!(key, GroupKey::Window(_))), "{keys}");
    }
    assert!(refused(Batch, "SELECT device, count(*) FROM readings GROUP BY n").starts_with("[device] `device` is neither in GROUP BY"));
    assert!(refused(Batch, "SELECT n FROM readings GROUP BY 3").contains("no column number 3"));
    assert!(refused(Batch, "SELECT count(*) AS c FROM readings GROUP BY c").contains("cannot be a key"));
    assert!(
        refused(Batch, "SELECT window(ts, '1 hour') FROM readings GROUP BY window(ts, '1 minute')")
            .contains("another than the one in GROUP BY")
    );
    assert!(refused(Batch, "SELECT 1 FROM readings GROUP BY window(ts, '1 hour'), window(ts, '1 minute')").contains("one window only"));
}

#[test]
fn having_sees_names_of_the_list_first_and_aggregates_not_in_it() {
    let query = plan(
        Batch,
        "SELECT device, avg(temperature) AS temperature FROM readings GROUP BY device HAVING temperature > 1 AND max(temperature) > 2",
    );
    let Relation::Project { input, .. } = query.root else { panic!() };
    let Relation::Filter { input, .. } = *input else { panic!() };
    let Relation::Aggregate { aggregates, .. } = *input else { panic!() };
    assert_eq!(aggregates.len(), 2);
}

#[test]
fn windows_follow_sparks_rules() {
    for (window, words) in [
        ("window(ts, '1 min')", "write 'minutes'"),
        ("window(ts, INTERVAL 1 MINUTE)", "not as intervals"),
        ("window(ts, concat('1', ' minute'))", "string literal"),
        ("window(ts, '0 seconds')", "not above zero"),
        ("window(ts, '1 month')", "months"),
        ("window(ts, '10 seconds', '20 seconds')", "slide of the window is longer"),
        ("window(ts, '10 seconds', '5 seconds', '5 seconds')", "shorter than its slide"),
        ("window(ts, '1 day', '1 millisecond')", "more than 10000 windows"),
        ("window(ts)", "2 to 4 arguments"),
        ("window(big, '1 minute')", "timestamp_millis"),
    ] {
        let error = refused(Batch, &format!("SELECT count(*) FROM readings GROUP BY {window}"));
        assert!(error.contains(words), "{window}: {error}");
    }
    plan(Batch, "SELECT count(*) FROM readings GROUP BY window(ts, 60000000, 1000000, '-500 milliseconds')");
    let scalar = steps(Batch, "SELECT window(ts, '1 minute').end AS e FROM readings");
    assert_eq!(scalar[1], "filter ts IS NOT NULL");
}

#[test]
fn names_resolve_without_regard_to_case_and_through_structs() {
    assert_eq!(
        output("DEVICE, readings.N, `am2301.temperature`, AM2301.Temperature AS t"),
        "DEVICE STRING, N INT, am2301.temperature DOUBLE, t DOUBLE"
    );
    assert_eq!(output("temperature + 1 AS a, a * 2 AS b, `ok`"), "a DOUBLE, b DOUBLE, ok BOOLEAN");
    assert_eq!(plan(Batch, "SELECT r.* EXCEPT (device, N) FROM readings r").output.len(), 8);
    assert_eq!(plan(Batch, "SELECT _arrived FROM readings").output.len(), 1);
    for (text, words) in [
        ("SELECT temprature FROM readings", "[temprature] there is no column `temprature` (did you mean `temperature`?)"),
        ("SELECT n FROM reading", "[reading] there is no source, table or query `reading` (did you mean `readings`?)"),
        ("SELECT a.n FROM readings b", "[a.n] there is no column `a.n`"),
        ("SELECT x FROM (SELECT n AS x, big AS X FROM readings)", "`x` is ambiguous"),
        ("SELECT n AS m FROM readings WHERE m > 1", "[m] `m` is a name of the SELECT list, which WHERE does not see"),
        ("SELECT device.x FROM readings", "no struct"),
        ("SELECT window.start FROM readings", "only with window(...) in GROUP BY"),
        ("SELECT n AS 'x' FROM readings", "quoted by backticks"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
    let twice = "SELECT n, big AS N FROM readings";
    assert!(refused(Append, twice).contains("two columns of the result are called `N`"));
    assert_eq!(plan(Batch, twice).output.len(), 2);
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    for (text, words) in [
        ("SELECT uper(device) FROM readings", "[uper(device)] there is no function `uper` (did you mean `upper`?)"),
        ("SELECT lpad(device) FROM readings", "`lpad` takes 2 to 3 arguments, not 1 (lpad(STRING, INT[, STRING]))"),
        ("SELECT n + ok FROM readings", "[n + ok] there is no arithmetic between INT and BOOLEAN"),
        ("SELECT now() FROM readings", "[now()] `now` is refused"),
        ("SELECT percentile(n, 2) FROM readings", "[2] a percentage is a constant from 0 to 1"),
        ("SELECT percentile_cont(0.5) FROM readings", "`percentile_cont` needs one key in WITHIN GROUP"),
        ("SELECT min(n) IGNORE NULLS FROM readings", "`min` does not take IGNORE NULLS"),
        ("SELECT bit_and(temperature) FROM readings", "[temperature] `bit_and` takes whole numbers"),
        ("SELECT listagg(device, device) FROM readings", "the delimiter of `listagg` must be a constant"),
        ("SELECT n FROM readings WHERE grouping(n) = 0", "[grouping(n)] `grouping` can stand in the SELECT list"),
        ("SELECT n FROM readings r JOIN readings s ON r.n = grouping_id(s.n)", "`grouping_id` can stand in the SELECT list"),
        ("SELECT count(*) FROM readings GROUP BY grouping_id(n)", "`grouping_id` can stand in the SELECT list"),
        ("SELECT sum(grouping(n)) FROM readings GROUP BY CUBE(n)", "[grouping(n)] `grouping` cannot stand in an aggregate"),
        ("SELECT count(*) FILTER (WHERE grouping(n) = 0) FROM readings GROUP BY CUBE(n)", "`grouping` cannot stand in an aggregate"),
        ("SELECT n FROM readings WHERE count(*) > 1", "[count(*)] the aggregate `count` cannot stand in WHERE"),
        ("SELECT sum(max(n)) FROM readings", "[max(n)] an aggregate cannot be nested"),
        ("SELECT ok > 1 FROM readings", "[ok > 1] BOOLEAN and INT cannot be compared"),
        ("SELECT n FROM readings WHERE n", "[n] a condition is needed here, not an INT"),
        ("SELECT CAST(n AS DECIMAL(5, 1)) FROM readings", "the type DECIMAL is not supported; use DOUBLE"),
        ("SELECT temperature div 2 FROM readings", "`div` takes whole numbers"),
        ("SELECT * FROM readings |> WHERE n > 1", "|> is not supported yet"),
        ("SELECT DATE '2026-02-30'", "'2026-02-30' is not a date"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(refused(Append, "SELECT 1 AS x").contains("reads no source"));
}

#[test]
fn only_columns_that_are_read_are_scanned() {
    let sources = vec![source(None)];
    let planned = |text: &str| {
        let query = plan_query("q", text, Batch, &Catalog { sources: &sources, ..Catalog::default() }).unwrap();
        let needed = Program { sources: sources.clone(), queries: vec![query], ..Program::default() }.needed_columns(0);
        sources[0].columns.iter().zip(needed).filter(|(_, needed)| *needed).map(|(column, _)| column.field.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(planned("SELECT d FROM (SELECT device AS d, n + 1 AS m, ok FROM readings WHERE big > 1)"), ["device", "ts", "big"]);
    assert_eq!(planned("SELECT count(*) FROM readings"), ["ts"]);
    assert_eq!(
        planned("SELECT a FROM (SELECT sum(n) AS a, sum(big) AS b, max(small) AS c FROM readings GROUP BY device)"),
        ["device", "ts", "n"]
    );
}

#[test]
fn equal_aggregates_are_computed_once() {
    let query = plan(Batch, "SELECT avg(n), mean(N) AS m, avg(readings.n) + 1 AS p, count(*), count(1) AS c FROM readings");
    let Relation::Project { input, .. } = query.root else { panic!() };
    let Relation::Aggregate { aggregates, .. } = *input else { panic!() };
    assert_eq!(aggregates.len(), 2);
}

#[test]
fn shapes_of_a_long_or_stay_shallow() {
    let text = format!("SELECT device FROM readings WHERE {}n = 0", "n = 1 OR ".repeat(700));
    let Relation::Project { input, .. } = plan(Batch, &text).root else { panic!() };
    let Relation::Filter { predicate, .. } = *input else { panic!() };
    assert!(tree::depth(&predicate) < 16);
}

#[test]
fn every_function_is_documented() {
    let docs = include_str!("../../docs/sql.md");
    let names = function_names();
    let missing: Vec<&str> = names.filter(|name| !docs.contains(&format!("`{name}(")) && !docs.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "not in docs/sql.md: {missing:?}");
}

/// The parser and the planner recurse: whatever nests, the stack of a test's thread is enough.
#[test]
fn deep_nesting_stays_within_the_stack() {
    let patterns = [
        ("(", ")"),
        ("abs(", ")"),
        ("1 + abs(", ")"),
        ("NOT ", ""),
        ("- ", ""),
        ("CASE WHEN ", " THEN 1 END"),
        ("CAST(", " AS INT)"),
        ("1 IN (", ")"),
        ("1 BETWEEN ", " AND 2"),
        ("if(TRUE, ", ", 1)"),
        ("(SELECT ", ")"),
        ("", " IS NULL"),
        ("", "::INT"),
        ("", " + 1"),
        ("", " IN (1)"),
        ("", " LIKE 'x'"),
        ("", ".x"),
    ];
    for (open, close) in patterns {
        for depth in [10, 23, 40, 46, 78, 250, 400, 3000] {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            for text in [
                format!("SELECT {open}1{close} AS x FROM readings"),
                format!("SELECT sum({open}n{close}) + sum({open}n{close}) FROM readings"),
            ] {
                let refused = try_plan(Batch, &text).is_err();
                assert!(refused || depth <= 250, "{}", &text[..40]);
            }
        }
    }
    for depth in [5, 12, 20, 500] {
        let inner = format!("SELECT {}n{} AS n FROM readings", "abs(".repeat(15), ")".repeat(15));
        let text = (0..depth).fold(inner, |inner, _| format!("SELECT n FROM ({inner})"));
        assert!(try_plan(Batch, &text).is_ok() == (depth < 14), "{depth}");
    }
}
