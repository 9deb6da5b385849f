//! Count windows, state windows, windows of local days, and chains of windows.

use proptest::prelude::*;

use super::*;

fn rows(values: &[(f64, f64)]) -> Vec<Reading> {
    values.iter().map(|(seconds, x)| reading(*seconds, "a", *x)).collect()
}

const TENS: &str = "SELECT device, count_window.start AS s, count_window.end AS e, count(*) AS n, sum(temperature) AS t FROM readings \
                    GROUP BY device, count_window(3)";

#[test]
fn a_count_window_is_full_when_its_last_row_comes() {
    let mut engine = engine(OutputMode::Append, TENS);
    assert!(shown(&step(&mut engine, &rows(&[(5.0, 1.0), (4.0, 2.0)]))).is_empty());
    let output = step(&mut engine, &rows(&[(9.0, 4.0), (1.0, 8.0), (2.0, 16.0), (3.0, 32.0), (7.0, 64.0)]));
    assert_eq!(shown(&output), ["a 5s 9s 3 7", "a 1s 3s 3 56"], "start and end are those of the first and the last row to come");
    assert_eq!((engine.status()[0].keys, engine.status()[0].panes), (1, 1));
}

#[test]
fn a_key_between_two_count_windows_costs_nothing() {
    let mut engine = engine(OutputMode::Append, TENS);
    step(&mut engine, &rows(&[(1.0, 1.0), (2.0, 2.0), (3.0, 4.0)]));
    let status = &engine.status()[0];
    assert_eq!((status.keys, status.panes, status.bytes), (0, 0, 0));
}

#[test]
fn sliding_count_windows_come_out_after_every_step_once_they_are_full() {
    let text = "SELECT count(*) AS n, sum(number) AS t FROM readings GROUP BY count_window(5, 2)";
    let mut engine = engine(OutputMode::Append, text);
    let mut out = Vec::new();
    for second in 0..11 {
        out.push(shown(&step(&mut engine, &rows(&[(f64::from(second), f64::from(second + 1))]))).join("|"));
    }
    // After 6, 8 and 10 rows the last five.
    assert_eq!(out, ["", "", "", "", "", "5 20", "", "5 30", "", "5 40", ""]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn count_windows_are_the_last_rows_whatever_the_batches(values in prop::collection::vec((0usize..3, -9i32..9), 0..80), size in 1usize..8, every in 1usize..8, batch in 1usize..30) {
        prop_assume!(every <= size);
        let text = format!("SELECT device, count(*) AS n, sum(number) AS t, min(number) AS lo FROM readings GROUP BY device, count_window({size}, {every})");
        let all: Vec<Reading> = values.iter().enumerate().map(|(i, (device, x))| reading(i as f64, ["a", "b", "c"][*device], f64::from(*x))).collect();
        let mut expected = Vec::new();
        let mut seen: Vec<Vec<i64>> = vec![Vec::new(); 3];
        for (device, x) in &values {
            let numbers = &mut seen[*device];
            numbers.push(i64::from(*x));
            if numbers.len() >= size && numbers.len().is_multiple_of(every) {
                let last = &numbers[numbers.len() - size..];
                expected.push(format!("{} {size} {} {}", ["a", "b", "c"][*device], last.iter().sum::<i64>(), last.iter().min().unwrap()));
            }
        }
        let mut stream = engine(OutputMode::Append, &text);
        let out: Vec<String> = all.chunks(batch).flat_map(|rows| shown(&step(&mut stream, rows))).collect();
        prop_assert_eq!(&out, &expected);
        let mut table = engine(OutputMode::Batch, &text);
        let mut out: Vec<String> = all.chunks(batch).flat_map(|rows| shown(&step(&mut table, rows))).collect();
        out.extend(shown(&table.finish()));
        prop_assert_eq!(&out, &expected);
    }
}

const HOT: &str = "SELECT device, state_window.start AS s, state_window.end AS e, count(*) AS n, max(temperature) AS hi FROM readings \
                   GROUP BY device, state_window(temperature > 30, temperature < 20, '60 seconds')";

#[test]
fn a_state_window_holds_the_rows_from_its_begin_to_its_end() {
    let mut engine = engine(OutputMode::Append, HOT);
    assert!(shown(&step(&mut engine, &rows(&[(1.0, 25.0), (2.0, 31.0), (3.0, 25.0)]))).is_empty());
    assert_eq!(shown(&step(&mut engine, &rows(&[(4.0, 40.0), (5.0, 19.0), (6.0, 18.0)]))), ["a 2s 5s 4 40"]);
    assert_eq!(engine.status()[0].keys, 0, "a key with nothing open is not kept");
    let text = "SELECT count(*) AS n FROM readings GROUP BY device, state_window(temperature > 30, temperature > 35)";
    let mut at_once = super::engine(OutputMode::Append, text);
    assert_eq!(shown(&step(&mut at_once, &rows(&[(1.0, 50.0), (2.0, 31.0), (3.0, 36.0)]))), ["1", "2"]);
}

#[test]
fn a_state_window_times_out_by_its_rows_by_the_watermark_and_at_the_end() {
    let mut by_rows = engine(OutputMode::Append, HOT);
    let output = step(&mut by_rows, &rows(&[(1.0, 31.0), (60.9, 32.0), (61.0, 33.0), (62.0, 10.0)]));
    assert_eq!(shown(&output), ["a 1s 60.9s 2 32", "a 61s 62s 2 33"]);
    let mut by_watermark = engine(OutputMode::Append, HOT);
    step(&mut by_watermark, &rows(&[(1.0, 31.0)]));
    assert!(shown(&step(&mut by_watermark, &[reading(70.9, "b", 0.0)])).is_empty());
    assert_eq!(shown(&step(&mut by_watermark, &[reading(71.0, "b", 0.0)])), ["a 1s 1s 1 31"]);
    let mut at_end = engine(OutputMode::Batch, HOT);
    step(&mut at_end, &rows(&[(1.0, 31.0)]));
    assert_eq!(shown(&at_end.finish()), ["a 1s 1s 1 31"], "time goes on for ever after the end");
}

#[test]
fn a_state_window_without_timeout_that_never_ends_never_comes() {
    let text = "SELECT count(*) AS n FROM readings GROUP BY device, state_window(temperature > 30, NULL)";
    let mut table = engine(OutputMode::Batch, text);
    step(&mut table, &rows(&[(1.0, 31.0), (2.0, 5.0)]));
    assert!(shown(&table.finish()).is_empty());
}

#[test]
fn what_such_windows_refuse_is_told() {
    let plan = |mode, window: &str| {
        let text = format!("SELECT count(*) AS n FROM readings GROUP BY device, {window}");
        let sources = sources();
        plan_query("q", &text, mode, &Catalog { sources: &sources, ..Catalog::default() }).map(drop).map_err(|error| error.message)
    };
    for window in ["count_window(3)", "count_window(5, 2)", "state_window(temperature > 1, temperature < 1)"] {
        assert_eq!(plan(OutputMode::Append, window), Ok(()));
        assert_eq!(plan(OutputMode::Batch, window), Ok(()));
        assert!(plan(OutputMode::Update, window).unwrap_err().contains("update mode"));
        assert!(plan(OutputMode::Complete, window).unwrap_err().contains("complete mode"));
    }
    for window in [
        "count_window()",
        "count_window(0)",
        "count_window(2, 3)",
        "count_window(1000000, 1)",
        "count_window(device)",
        "state_window(temperature, 1)",
        "state_window(device = 'a')",
        "state_window(device = 'a', device = 'b', '1 min')",
        "local_window(ts, '1 day')",
        "local_window(ts, '36 hours', 'UTC')",
        "local_window(ts, '1 month 1 day', 'UTC')",
        "local_window(ts, '1 day', 'Europe/Nowhere')",
        "local_window(ts, '1 day', device)",
        "local_window(ts, '1 day', 'UTC', '24 hours')",
        "local_window(number, '1 day', 'UTC')",
    ] {
        assert!(plan(OutputMode::Append, window).is_err(), "{window}");
    }
}

const DAY: i64 = 86_400;

#[test]
fn a_local_day_closes_after_23_24_or_25_hours() {
    let text = "SELECT device, local_window.start AS s, local_window.end AS e, count(*) AS n FROM readings \
                GROUP BY device, local_window(ts, '1 day', 'Europe/Berlin')";
    // 2026-03-29, 00:00 in Berlin is 23:00 the day before in UTC; the day has 23 hours.
    let begin = 1_774_738_800;
    let mut engine = engine(OutputMode::Append, text);
    let at = |seconds: i64| reading(seconds as f64, "a", 1.0);
    let out = shown(&step(&mut engine, &[at(begin - 1), at(begin), at(begin + 23 * 3600 - 1), at(begin + 23 * 3600)]));
    assert_eq!(out, [format!("a {}s {begin}s 1", begin - DAY)]);
    assert!(shown(&step(&mut engine, &[at(begin + 23 * 3600 + 9)])).is_empty());
    let out = shown(&step(&mut engine, &[at(begin + 23 * 3600 + 10)]));
    assert_eq!(out, [format!("a {begin}s {}s 2", begin + 23 * 3600)]);
    let changed = "SELECT device, local_window, count(*) AS n FROM readings GROUP BY device, local_window(ts, '1 day', 'Europe/Paris')";
    assert_ne!(text, changed);
    let mut update = super::engine(OutputMode::Update, changed);
    assert_eq!(shown(&step(&mut update, &[at(begin)])), [format!("a [{begin}s,{}s] 1", begin + 23 * 3600)]);
}

/// Three levels of windows, the last one a session, against the same computed from the rows.
const CHAIN: &str = "SELECT device, session_window.start AS s, sum(n) AS n, count(*) AS windows FROM \
    (SELECT device, window AS w, sum(n) AS n FROM (SELECT device, window AS w, count(*) AS n FROM readings GROUP BY device, window(ts, '2 seconds')) \
     GROUP BY device, window(w, '4 seconds')) GROUP BY device, session_window(w, '4 seconds')";

#[test]
fn windows_chain_over_three_levels() {
    let mut engine = engine(OutputMode::Append, CHAIN);
    let seconds = [0.0, 1.0, 3.0, 5.0, 21.0, 22.0];
    let mut out = Vec::new();
    for second in seconds {
        out.extend(shown(&step(&mut engine, &[reading(second, "a", 1.0)])));
    }
    // 0 to 4 and 4 to 8 are one session, from 3.999999 to 7.999999 and its gap; 20 to 24 another.
    assert_eq!(out, ["a 3.999999s 4 2"]);
    assert!(shown(&step(&mut engine, &[reading(21.999999, "b", 1.0)])).is_empty());
    assert_eq!(shown(&step(&mut engine, &[reading(38.0, "b", 1.0)])), ["a 23.999999s 2 1", "b 23.999999s 1 1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chain_gives_the_same_in_any_batches(mut seconds in prop::collection::vec((0u32..200, 0usize..2), 1..50), batch in 1usize..20) {
        seconds.sort_unstable();
        let mut rows: Vec<Reading> = seconds.iter().map(|(half, device)| reading(f64::from(*half) / 2.0, ["a", "b"][*device], 1.0)).collect();
        rows.push(reading(1000.0, "end", 1.0));
        let sorted = |mut rows: Vec<String>| {
            rows.sort();
            rows
        };
        let run = |size: usize| {
            let mut engine = engine(OutputMode::Append, CHAIN);
            sorted(rows.chunks(size).flat_map(|rows| shown(&step(&mut engine, rows))).collect())
        };
        let whole = run(rows.len());
        prop_assert_eq!(run(batch), whole.clone());
        let mut table = engine(OutputMode::Batch, CHAIN);
        step(&mut table, &rows[..rows.len() - 1]);
        prop_assert_eq!(sorted(shown(&table.finish())), whole);
    }
}
