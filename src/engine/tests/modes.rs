//! What comes out in each output mode, and from nested queries. The Spark cases cover the ordinary course; these, the corners.

use super::*;
use crate::engine::EngineError;
use crate::plan::Relation;

const TUMBLING: &str =
    "SELECT window.start AS start, device, count(*) AS n, sum(temperature) AS s FROM readings GROUP BY device, window(ts, '10 seconds')";
const SLIDING: &str = "SELECT window.start AS start, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds', '5 seconds')";

#[test]
fn groups_come_out_by_window_then_in_order_of_their_first_row() {
    let mut engine = engine(OutputMode::Append, TUMBLING);
    assert!(step(&mut engine, &[reading(12.0, "b", 1.0), reading(1.0, "b", 2.0), reading(2.0, "a", 3.0)]).results.is_empty());
    assert_eq!(shown(&step(&mut engine, &[reading(30.0, "a", 1.0)])), ["0s b 1 2", "0s a 1 3", "10s b 1 1"]);
    assert_eq!(engine.status()[0].cells, 1);
}

#[test]
fn update_shows_each_touched_window_of_a_sliding_one() {
    let mut engine = engine(OutputMode::Update, SLIDING);
    assert_eq!(shown(&step(&mut engine, &[reading(7.0, "a", 1.0)])), ["0s 1", "5s 1"]);
    assert_eq!(shown(&step(&mut engine, &[reading(11.0, "a", 1.0), reading(29.0, "a", 1.0)])), ["5s 2", "10s 1", "20s 1", "25s 1"]);
    // The watermark is at 19: [5,15) has closed, [10,20) has not.
    let output = step(&mut engine, &[reading(14.0, "a", 1.0), reading(4.0, "a", 1.0)]);
    assert_eq!(shown(&output), ["10s 2"]);
    assert_eq!((output.late[0].rows, output.late[0].rows_in_part), (1, 1));
    assert_eq!(output.late[0].samples[0].lateness_us, 15 * SECOND);
}

#[test]
fn complete_shows_all_in_each_step_with_input_and_sorts_and_limits_them() {
    let text = "SELECT device, count(*) AS n FROM readings GROUP BY device ORDER BY n DESC, device LIMIT 2";
    let mut engine = engine(OutputMode::Complete, text);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 1.0), reading(2.0, "b", 1.0), reading(3.0, "b", 1.0)])), ["b 2", "a 1"]);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "c", 1.0)])), ["b 2", "a 1"]);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "c", 1.0), reading(1.0, "c", 1.0)])), ["c 3", "b 2"]);
    assert!(step(&mut engine, &[]).is_empty());
}

#[test]
fn one_group_without_keys_counts_from_zero() {
    let text = "SELECT count(*) AS n, max(temperature) AS m FROM readings WHERE temperature > 5";
    let mut engine = engine(OutputMode::Update, text);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 1.0)])), ["0 NULL"]);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 7.0)])), ["1 7"]);
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 1.0)])), ["1 7"]);
}

#[test]
fn windows_chain_by_window_time() {
    let inner =
        "SELECT device, window_time(window) AS wt, window AS w, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";
    let outer = "SELECT window(wt, '20 seconds').start AS start, sum(n) AS n, count(*) AS devices FROM inner_counts GROUP BY window(wt, '20 seconds')";
    let by_window = "SELECT w.end AS e, max(n) AS n FROM inner_counts GROUP BY w";
    let queries = [("inner_counts", OutputMode::Append, inner), ("o", OutputMode::Append, outer), ("w", OutputMode::Append, by_window)];
    let mut engine = Engine::new(&program(&queries), settings()).unwrap();
    let rows = [reading(1.0, "a", 1.0), reading(2.0, "b", 1.0), reading(12.0, "a", 1.0), reading(25.0, "a", 1.0)];
    // The watermark is at 15.
    let output = step(&mut engine, &rows);
    assert_eq!((shown_of(&output, 0).len(), shown_of(&output, 1).len()), (2, 0));
    assert_eq!(shown_of(&output, 2), ["10s 1"]);
    // At 30 both inner windows left have closed, and the outer [0, 20) of three groups with them.
    let output = step(&mut engine, &[reading(40.0, "a", 1.0)]);
    assert_eq!(shown_of(&output, 1), ["0s 3 3"]);
    assert_eq!(shown_of(&output, 2), ["20s 1", "30s 1"]);
}

#[test]
fn grouping_by_the_time_itself_closes_when_the_watermark_is_there() {
    let mut engine = engine(OutputMode::Append, "SELECT ts, count(*) AS n FROM readings GROUP BY ts");
    let null = Reading { seconds: None, ..reading(0.0, "a", 1.0) };
    assert!(step(&mut engine, &[reading(5.0, "a", 1.0), reading(6.0, "a", 1.0), reading(5.0, "b", 1.0), null]).results.is_empty());
    let output = step(&mut engine, &[reading(15.0, "a", 1.0)]);
    assert_eq!(shown(&output), ["5s 2"]);
    let output = step(&mut engine, &[reading(5.0, "a", 1.0)]);
    assert_eq!((output.results.len(), output.late[0].rows), (0, 1));
}

#[test]
fn a_limit_counts_on_from_step_to_step() {
    let mut limited = program(&[("q", OutputMode::Append, "SELECT temperature FROM readings")]);
    let root = limited.queries[0].root.clone();
    limited.queries[0].root = Relation::Limit { input: Box::new(root), rows: 3, skip: 0 };
    let mut engine = Engine::new(&limited, settings()).unwrap();
    let output = step(&mut engine, &[reading(1.0, "a", 1.0), reading(1.0, "a", 2.0)]);
    assert_eq!((shown(&output), output.state.len()), (vec!["1".to_owned(), "2".to_owned()], 1));
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 3.0), reading(1.0, "a", 4.0)])), ["3"]);
    assert!(step(&mut engine, &[reading(1.0, "a", 5.0)]).is_empty());
    let mut engine = Engine::new(&limited, settings()).unwrap();
    let entries: Vec<_> = output.state.into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    assert_eq!(engine.restore(&entries), Ok(Vec::new()));
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 3.0), reading(1.0, "a", 4.0)])), ["3"]);
}

#[test]
fn a_batch_query_ends_once_and_needs_no_input() {
    let mut engine = engine(OutputMode::Batch, "SELECT count(*) AS n, sum(number) AS s, count(DISTINCT device) AS d FROM readings");
    assert_eq!(shown(&engine.finish()), ["0 NULL 0"]);
    let mut engine = super::engine(OutputMode::Batch, "SELECT 1 + 1 AS two");
    assert_eq!(shown(&engine.finish()), ["2"]);
    let mut engine = super::engine(OutputMode::Batch, "SELECT device, temperature FROM readings ORDER BY temperature DESC LIMIT 2");
    assert!(step(&mut engine, &[reading(1.0, "a", 2.0), reading(2.0, "b", 1.0)]).is_empty(), "nothing of a batch query is stored");
    assert!(step(&mut engine, &[reading(1.0, "c", 3.0)]).is_empty());
    assert_eq!(shown(&engine.finish()), ["c 3", "a 2"]);
    assert!(engine.finish().is_empty());
}

#[test]
fn distinct_aggregates_of_a_batch() {
    let text =
        "SELECT sum(number) AS s, avg(temperature) AS a, count(device) AS d, max(number) AS m, stddev_pop(number) AS p FROM readings";
    let mut distinct = program(&[("q", OutputMode::Batch, text)]);
    fn make_distinct(relation: &mut Relation) {
        match relation {
            Relation::Aggregate { aggregates, .. } => aggregates.iter_mut().for_each(|call| call.distinct = true),
            Relation::Project { input, .. } => make_distinct(input),
            _ => panic!("another plan"),
        }
    }
    make_distinct(&mut distinct.queries[0].root);
    let mut engine = Engine::new(&distinct, settings()).unwrap();
    step(&mut engine, &[reading(1.0, "a", 2.0), reading(2.0, "a", 2.0), reading(3.0, "b", 4.0)]);
    assert_eq!(shown(&engine.finish()), ["6 3 2 4 1"]);
    distinct.queries[0].mode = OutputMode::Update;
    assert!(Engine::new(&distinct, settings()).err().unwrap().to_string().contains("DISTINCT"));
}

#[test]
fn filters_of_aggregates_and_two_arguments_of_count() {
    let text = "SELECT count(*) FILTER (WHERE temperature > 1) AS n, sum(number) FILTER (WHERE 10 / number > 1) AS s, count(device, number) AS c \
                FROM readings GROUP BY window(ts, '10 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    let rows = [
        reading(1.0, "a", 2.0),
        reading(1.0, "a", 20.0),
        Reading { device: None, ..reading(1.0, "a", 1.0) },
        Reading { number: None, ..reading(1.0, "a", 5.0) },
        reading(30.0, "a", 1.0),
    ];
    assert_eq!(shown(&step(&mut engine, &rows)), ["3 3 2"]);
}

#[test]
fn extremes_keep_their_types() {
    let text = "SELECT min(device) AS a, max(device) AS b, min(ts) AS c, max(number > 2) AS d, min(CAST(number AS INT)) AS e, max(CAST(temperature AS FLOAT)) AS f \
                FROM readings GROUP BY window(ts, '10 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    let rows = [reading(3.0, "b", 2.5), reading(2.0, "abc", 1.0), reading(1.5, "c", -1.0), reading(30.0, "z", 1.0)];
    assert_eq!(shown(&step(&mut engine, &rows)), ["abc c 1.5s false -1 2.5"]);
}

#[test]
fn what_cannot_run_is_refused_with_the_query_named() {
    let refused = |mode, text, changed| {
        let mut program = program(&[("q", mode, text)]);
        program.queries[0].mode = changed;
        let error = Engine::new(&program, settings()).err().unwrap();
        assert!(matches!(error, EngineError::Unsupported { .. }), "{error}");
        error.to_string()
    };
    use OutputMode::{Append, Batch, Complete, Update};
    assert!(
        refused(Update, "SELECT device, count(*) AS n FROM readings GROUP BY device", Append).starts_with("query 'q': append mode needs")
    );
    assert!(refused(Batch, "SELECT 1 AS one", Append).contains("must read a source"));
    assert!(refused(Complete, "SELECT device, count(*) AS n FROM readings GROUP BY device ORDER BY n", Update).contains("ORDER BY"));
    let chained = "SELECT window(wt, '20 seconds').start AS s, count(*) AS n FROM (SELECT window_time(window) AS wt FROM readings \
                   GROUP BY window(ts, '10 seconds')) GROUP BY window(wt, '20 seconds')";
    assert!(refused(Append, chained, Update).contains("over an aggregate"));
    let twice = program(&[("q", OutputMode::Append, "SELECT ts FROM readings"), ("q", OutputMode::Append, "SELECT ts FROM arrivals")]);
    assert_eq!(Engine::new(&twice, settings()).err(), Some(EngineError::DuplicateName("q".into())));
}
