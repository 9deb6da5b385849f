//! Aggregates that keep values: windows combined from panes against one state, restarts, and their limits.

use super::*;
use crate::engine::room::GROUP_BYTES_MAX;

/// Order of arrival, ties, NULLs, sketches.
const AGGREGATES: &str = "first(temperature) AS f, last(temperature) AS l, last(temperature, true) AS p, collect_list(number) AS c, \
     collect_set(number % 3) AS s, max_by(number, number % 4) AS m, min_by(temperature, number % 4) AS b, \
     listagg(number, ',') AS j, listagg(number, ',') WITHIN GROUP (ORDER BY number % 5 DESC, number) AS o, mode(number % 3) AS q, \
     median(number) AS d, percentile_approx(number, 0.3) AS a, approx_count_distinct(number) AS n, bit_xor(number) AS x, \
     try_sum(number) AS t, histogram_numeric(number % 4, 9) AS h, max(named_struct('a', number % 3, 'b', number)) AS y";

/// Rows whose event times jump about.
fn jumbled() -> Vec<Reading> {
    let row = |n: i64| Reading {
        seconds: Some(((n * 37) % 60) as f64),
        device: Some(["a", "b"][(n % 2) as usize]),
        temperature: (n % 5 != 0).then_some(n as f64 / 2.0),
        number: Some(n * 7 % 23),
    };
    (0..120).map(row).collect()
}

/// The rows of each step; the engine is made anew from its stored state before each.
fn restarted(text: &str, steps: &[Vec<Reading>]) -> Vec<String> {
    let program = program(&[("q", OutputMode::Append, text)]);
    let mut stored = std::collections::BTreeMap::new();
    let mut rows = Vec::new();
    for readings in steps {
        let mut engine = Engine::new(&program, settings()).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> = stored.clone().into_iter().collect();
        engine.restore(&entries).unwrap();
        let output = step(&mut engine, readings);
        assert!(output.rejects.is_empty(), "{:?}", output.rejects);
        rows.extend(shown(&output));
        for (key, value) in output.state {
            match value {
                Some(value) => drop(stored.insert(key, value)),
                None => drop(stored.remove(&key)),
            }
        }
    }
    rows
}

#[test]
fn sliding_windows_give_what_one_state_gives() {
    let rows = jumbled();
    let mut steps: Vec<Vec<Reading>> = rows.chunks(13).map(<[Reading]>::to_vec).collect();
    // Nothing is late: the delay is 60 s here; the last row closes all windows.
    steps.push(vec![reading(1000.0, "z", 0.0)]);
    let windowed = format!(
        "SELECT window.start AS start, device, {AGGREGATES} FROM readings WATERMARK ts DELAY OF INTERVAL 100 SECONDS \
         GROUP BY window(ts, '10 seconds', '4 seconds'), device"
    );
    let mut ours = restarted(&windowed, &steps);
    let mut whole = Vec::new();
    for start in (-12..64).step_by(4) {
        let within: Vec<Reading> = rows
            .iter()
            .filter(|row| row.seconds.is_some_and(|time| f64::from(start) <= time && time < f64::from(start + 10)))
            .cloned()
            .collect();
        if within.is_empty() {
            continue;
        }
        let mut engine = engine(OutputMode::Batch, &format!("SELECT device, {AGGREGATES} FROM readings GROUP BY device"));
        step(&mut engine, &within);
        whole.extend(shown(&engine.finish()).into_iter().map(|row| format!("{start}s {row}")));
    }
    ours.sort();
    whole.sort();
    assert!(whole.len() > 30);
    assert_eq!(ours, whole);
}

#[test]
fn sessions_keep_the_order_of_arrival_when_they_are_joined() {
    let text = "SELECT device, collect_list(number) AS c, first(number) AS f, last(number) AS l FROM readings \
                GROUP BY session_window(ts, '5 seconds'), device";
    let row = |seconds: f64, number| Reading { number: Some(number), ..reading(seconds, "a", 0.0) };
    // 10 and 18 are two sessions until 14 bridges them.
    let steps = [vec![row(18.0, 1)], vec![row(10.0, 2), row(14.0, 3)], vec![row(13.0, 4)], vec![row(100.0, 5)]];
    assert_eq!(restarted(text, &steps), ["a Array([BigInt(1), BigInt(2), BigInt(3), BigInt(4)]) 1 4"]);
}

#[test]
fn a_group_that_keeps_too_much_rejects_rows_and_goes_on() {
    let mut engine = engine(
        OutputMode::Update,
        "SELECT device, count(*) AS n, collect_list(device || repeat('x', 50000)) AS c FROM readings GROUP BY device",
    );
    let rows: Vec<Reading> = (0..30).map(|n| reading(f64::from(n), if n < 25 { "a" } else { "b" }, 0.0)).collect();
    let output = step(&mut engine, &rows);
    // 20 values of 50,001 bytes and what frames them stay below the limit.
    let kept = GROUP_BYTES_MAX / 50_100;
    assert_eq!(output.rejects.len(), 25 - kept);
    assert!(output.rejects[0].reason.contains("1048576 bytes of a group's values"), "{}", output.rejects[0].reason);
    let counts: Vec<String> = shown(&output).iter().map(|row| row.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(counts, [format!("a {kept}"), "b 5".to_owned()]);
}

#[test]
fn a_value_too_long_to_keep_is_rejected_and_leaves_no_trace() {
    let mut engine = engine(OutputMode::Update, "SELECT count(*) AS n, last(repeat(device, number)) AS l FROM readings");
    let output = step(&mut engine, &[reading(1.0, "a", 3.0), reading(2.0, "a", 70_000.0), reading(3.0, "b", 2.0)]);
    assert_eq!((shown(&output), output.rejects.len()), (vec!["2 bb".to_owned()], 1));
}

#[test]
fn try_sum_gives_null_where_sum_rejects() {
    let text = "SELECT try_sum(number) AS t, count(*) AS n FROM readings";
    let mut engine = engine(OutputMode::Update, text);
    let large = |number| Reading { number: Some(number), ..reading(1.0, "a", 0.0) };
    assert_eq!(shown(&step(&mut engine, &[large(i64::MAX)])), [format!("{} 1", i64::MAX)]);
    assert_eq!(shown(&step(&mut engine, &[large(1)])), ["NULL 2"]);
    assert_eq!(shown(&step(&mut engine, &[large(-5)])), ["NULL 3"]);
}
