//! Rows that fail, and limits.

use super::*;
use crate::engine::{OperatorStatus, REJECT_BYTES_MAX, ROW_BYTES_MAX, StateLimits};

const SUMS: &str = "SELECT device, count(*) AS n, sum(number) AS s, sum(10 / temperature) AS q FROM readings GROUP BY device";

#[test]
fn a_failing_row_leaves_no_trace() {
    let mut engine = engine(OutputMode::Update, SUMS);
    let output = step(&mut engine, &[reading(1.0, "a", 0.0), reading(1.0, "b", 5.0)]);
    assert_eq!(shown(&output), ["b 1 5 2"]);
    assert_eq!(output.rejects.len(), 1);
    assert!(
        output.rejects[0].reason.contains("division by zero") && output.rejects[0].reason.contains("10 / temperature"),
        "{:?}",
        output.rejects
    );
    assert!(output.rejects[0].row.contains("\"device\":\"a\""));
    assert_eq!(engine.status()[0].keys, 1);
}

#[test]
fn a_sum_beyond_64_bits_rejects_the_row_and_keeps_the_sum() {
    let mut engine = engine(OutputMode::Update, SUMS);
    let large = Reading { number: Some(i64::MAX), ..reading(1.0, "a", 10.0) };
    let output = step(&mut engine, &[large.clone(), large, Reading { number: Some(-1), ..reading(1.0, "a", 10.0) }]);
    assert_eq!(shown(&output), [format!("a 2 {} 2", i64::MAX - 1)]);
    assert!(output.rejects[0].reason.contains("BIGINT"));
}

#[test]
fn a_result_that_fails_is_rejected_alone() {
    let text =
        "SELECT window.start AS start, device, sum(number) AS s FROM readings GROUP BY device, window(ts, '10 seconds', '5 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    let large = |seconds| Reading { number: Some(i64::MAX), ..reading(seconds, "a", 1.0) };
    let output = step(&mut engine, &[large(6.0), large(11.0), reading(6.0, "b", 1.0), reading(40.0, "a", 1.0)]);
    let shown = shown(&output);
    assert_eq!(shown, [format!("0s a {}", i64::MAX), "0s b 1".into(), "5s b 1".into(), format!("10s a {}", i64::MAX)]);
    assert!(output.rejects[0].row.contains("\"device\":\"a\""), "{:?}", output.rejects);
    // Two of a row's results fail: the row is rejected once.
    let text = "SELECT window.start AS start, device, sum(number) AS s, sum(number + 0) AS t FROM readings GROUP BY device, window(ts, '10 seconds', '5 seconds')";
    let mut engine = super::engine(OutputMode::Append, text);
    let output = step(
        &mut engine,
        &[
            large(6.0),
            large(11.0),
            Reading { device: Some("b"), ..large(6.0) },
            Reading { device: Some("b"), ..large(11.0) },
            reading(40.0, "a", 1.0),
        ],
    );
    assert_eq!(output.rejects.len(), 2, "{:?}", output.rejects);
    let text = "SELECT device, 1 / (count(*) - 1) AS x FROM readings GROUP BY device";
    let mut engine = super::engine(OutputMode::Update, text);
    let output = step(&mut engine, &[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0), reading(1.0, "b", 1.0)]);
    assert_eq!((super::shown(&output), output.rejects.len()), (vec!["b 1".to_owned()], 1));
}

#[test]
fn keys_beyond_the_limit_are_rejected_until_there_is_room() {
    let text = "SELECT window.start AS start, device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";
    let limited = EngineSettings { keys_max: 2, ..settings() };
    let mut engine = Engine::new(&program(&[("q", OutputMode::Append, text)]), limited).unwrap();
    let output = step(&mut engine, &[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0), reading(1.0, "c", 1.0), reading(2.0, "a", 1.0)]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("2 keys"));
    assert_eq!(shown(&step(&mut engine, &[reading(40.0, "a", 1.0)])), ["0s a 2", "0s b 1"]);
    assert!(step(&mut engine, &[reading(41.0, "c", 1.0)]).rejects.is_empty());
}

#[test]
fn bytes_beyond_the_limit_are_rejected() {
    let text = "SELECT window.start AS start, max(device) AS d FROM readings GROUP BY window(ts, '1 second')";
    let limited = EngineSettings { state_bytes_max: 4096, ..settings() };
    let mut engine = Engine::new(&program(&[("q", OutputMode::Append, text)]), limited).unwrap();
    let rows: Vec<Reading> = (0..100).map(|second| reading(1000.0 + f64::from(second), "a", 1.0)).collect();
    let output = step(&mut engine, &rows);
    assert!((80..99).contains(&output.rejects.len()), "{}", output.rejects.len());
    assert!(output.rejects[0].reason.contains("4096 bytes"));
    assert!(engine.status()[0].bytes <= 4096);
}

#[test]
fn times_far_out_are_rejected() {
    let mut engine =
        engine(OutputMode::Update, "SELECT window.start AS start, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')");
    let output = step(&mut engine, &[Reading { seconds: Some(9.2e12), ..reading(0.0, "a", 1.0) }, reading(-5.0, "a", 1.0)]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("out of range"));
}

#[test]
fn the_text_of_rejects_is_bounded_and_all_are_counted() {
    let long: &'static str = Box::leak("x".repeat(5000).into_boxed_str());
    let rows = vec![reading(1.0, long, 0.0); 20_000];
    let mut engine = engine(OutputMode::Append, "SELECT 1 / temperature AS x, device FROM readings");
    let output = step(&mut engine, &rows);
    assert!(output.rejects.iter().all(|reject| reject.row.len() <= ROW_BYTES_MAX));
    let bytes: usize = output.rejects.iter().map(|reject| reject.row.len() + reject.reason.len()).sum();
    assert!(bytes < REJECT_BYTES_MAX + 4096);
    assert_eq!(output.rejects.len() as u64 + output.rejects_uncounted, 20_000);
    assert!(output.rejects_uncounted > 0);
}

#[test]
fn the_status_says_how_operators_stand_to_their_limits() {
    let text = "SELECT window.start AS start, device, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')";
    let own = StateLimits { keys_max: 1, bytes_max: 100_000 };
    let limited = EngineSettings { query_limits: [("b".to_owned(), own)].into(), ..settings() };
    let program = program(&[("a", OutputMode::Append, text), ("b", OutputMode::Append, text)]);
    let mut engine = Engine::new(&program, limited).unwrap();
    let output = step(&mut engine, &[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0), reading(1.0, "c", 1.0)]);
    assert_eq!(output.rejects.iter().map(|reject| reject.query).collect::<Vec<_>>(), [1, 1]);
    let status = engine.status();
    let of = |query: usize| (status[query].operators[0].keys, status[query].operators[0].keys_max, status[query].operators[0].rejected);
    assert_eq!((of(0), of(1)), ((3, 1_000_000, 0), (1, 1, 2)));
    let OperatorStatus { operator, bytes, bytes_max, evicted, .. } = status[1].operators[0];
    assert!((operator, bytes_max, evicted) == ("GROUP BY", 100_000, 0) && bytes > 0 && status[1].bytes == bytes);
}

#[test]
fn rows_that_wait_for_their_order_are_limited_in_bytes() {
    let limited = EngineSettings { state_bytes_max: 1_000, ..settings() };
    let program = program(&[("q", OutputMode::Batch, "SELECT device FROM readings ORDER BY device")]);
    let mut engine = Engine::new(&program, limited).unwrap();
    let long: &'static str = Box::leak("x".repeat(400).into_boxed_str());
    let output = step(&mut engine, &[reading(1.0, long, 1.0), reading(1.0, long, 1.0), reading(1.0, long, 1.0), reading(1.0, "a", 1.0)]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("1000 bytes"), "{:?}", output.rejects);
    assert_eq!((engine.status()[0].operators[0].operator, engine.status()[0].operators[0].rejected), ("ORDER BY", 1));
    assert_eq!(shown(&engine.finish()).len(), 3);
}
