//! Two streams joined: what meets what, what comes out without a partner and when, and the state in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::{Expr, ExprNode, JoinKey, JoinKind, Relation, Span};
use crate::types::window_type;

/// Sources `l` and `r`, event time `ts`, 10 s delay.
fn joined(mode: OutputMode, text: &str) -> Program {
    let source = |name: &str| TableSchema {
        name: name.into(),
        columns: columns(),
        event_time: Some(EventTime { column: 0, delay_us: Some(10 * SECOND) }),
    };
    let sources = vec![source("l"), source("r")];
    let query = {
        let catalog = Catalog { sources: &sources, ..Catalog::default() };
        plan_query("q", text, mode, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)))
    };
    Program { sources, queries: vec![query], ..Program::default() }
}

const RANGE: &str = "ON l.device = r.device AND r.ts BETWEEN l.ts + INTERVAL 2 SECONDS AND l.ts + INTERVAL 5 SECONDS";

fn ranged(kind: &str) -> String {
    format!("SELECT l.device AS ld, l.number AS ln, r.device AS rd, r.number AS rn FROM l {kind} JOIN r {RANGE}")
}

fn engine_of(text: &str) -> Engine {
    Engine::new(&joined(OutputMode::Append, text), settings()).unwrap()
}

/// A row whose number is its seconds.
fn at(seconds: f64, device: &'static str) -> Reading {
    reading(seconds, device, seconds)
}

fn both(left: &[Reading], right: &[Reading]) -> Batch {
    let input = |source, rows: &[Reading]| SourceInput { source, table: table(rows), idle: false };
    Batch { number: 1, inputs: vec![input(0, left), input(1, right)], ..Batch::default() }
}

fn fed(engine: &mut Engine, left: &[Reading], right: &[Reading]) -> Vec<String> {
    let output = engine.step(&both(left, right));
    assert!(output.rejects.is_empty(), "{:?}", output.rejects);
    let mut rows = shown(&output);
    rows.sort();
    rows
}

/// Moves the watermark to `seconds`.
fn advance(engine: &mut Engine, seconds: f64) -> Vec<String> {
    fed(engine, &[at(seconds + 10.0, "tick-l")], &[at(seconds + 10.0, "tick-r")])
}

#[test]
fn pairs_come_out_when_the_later_row_comes() {
    let mut engine = engine_of(&ranged(""));
    assert!(fed(&mut engine, &[at(20.0, "a"), at(30.0, "b")], &[at(24.0, "b"), at(35.0, "b")]).contains(&"b 30 b 35".to_owned()));
    assert_eq!(fed(&mut engine, &[], &[at(21.9, "a"), at(22.0, "a"), at(25.0, "a"), at(25.1, "a")]), ["a 20 a 22", "a 20 a 25"]);
    assert_eq!(fed(&mut engine, &[at(20.5, "a")], &[]), ["a 20 a 25", "a 20 a 25"]);
}

#[test]
fn a_left_row_without_partner_comes_out_when_none_can_come() {
    let mut engine = engine_of(&ranged("LEFT"));
    assert!(fed(&mut engine, &[at(20.0, "a"), at(21.0, "b")], &[at(22.0, "a")]).contains(&"a 20 a 22".to_owned()));
    assert!(advance(&mut engine, 26.0).is_empty());
    assert_eq!(advance(&mut engine, 26.001), ["b 21 NULL NULL"]);
    assert_eq!(advance(&mut engine, 90.0), ["tick-l 36 NULL NULL", "tick-l 36 NULL NULL"]);
}

#[test]
fn right_and_full_keep_their_sides() {
    let rows = |kind: &str| {
        let mut engine = engine_of(&ranged(kind));
        let mut rows = fed(&mut engine, &[at(20.0, "a"), at(21.0, "b")], &[at(22.0, "a"), at(30.0, "c")]);
        rows.extend(advance(&mut engine, 60.0));
        rows.extend(advance(&mut engine, 200.0));
        rows.retain(|row| !row.contains("tick"));
        rows.sort();
        rows
    };
    assert_eq!(rows("RIGHT"), ["NULL NULL c 30", "a 20 a 22"]);
    assert_eq!(rows("FULL"), ["NULL NULL c 30", "a 20 a 22", "b 21 NULL NULL"]);
    assert_eq!(rows(""), ["a 20 a 22"]);
}

#[test]
fn semi_gives_a_left_row_once() {
    let mut engine = engine_of(&format!("SELECT device, number FROM l LEFT SEMI JOIN r {RANGE}"));
    assert_eq!(fed(&mut engine, &[at(20.0, "a"), at(21.0, "a")], &[at(22.0, "a"), at(23.0, "a")]), ["a 20", "a 21"]);
    assert!(fed(&mut engine, &[], &[at(24.0, "a")]).is_empty());
    assert_eq!(fed(&mut engine, &[at(22.0, "a")], &[]), ["a 22"]);
}

#[test]
fn conditions_of_one_side_are_tested_at_once() {
    let mut left = engine_of(&format!("{} AND l.temperature > 20", ranged("LEFT")));
    assert_eq!(fed(&mut left, &[at(20.0, "a"), at(21.0, "b")], &[at(22.0, "a"), at(23.0, "b")]), ["a 20 NULL NULL", "b 21 b 23"]);
    let mut right = engine_of(&format!("{} AND r.temperature > 22", ranged("LEFT")));
    assert!(fed(&mut right, &[at(20.0, "a")], &[at(22.0, "a")]).is_empty());
    assert_eq!(advance(&mut right, 26.0), ["a 20 NULL NULL"]);
}

#[test]
fn rows_without_a_key_match_nothing_unless_asked_to() {
    let nobody = |seconds: f64| Reading { device: None, ..at(seconds, "") };
    let mut engine = engine_of(&ranged("LEFT"));
    assert!(fed(&mut engine, &[nobody(20.0)], &[nobody(22.0)]).is_empty());
    assert_eq!(advance(&mut engine, 26.0), ["NULL 20 NULL NULL"]);
    let mut engine = engine_of(&ranged("LEFT").replace("l.device = r.device", "l.device <=> r.device"));
    assert_eq!(fed(&mut engine, &[nobody(20.0)], &[nobody(22.0)]), ["NULL 20 NULL 22"]);
}

#[test]
fn late_rows_are_dropped_and_state_is_bounded() {
    let mut engine = engine_of(&ranged(""));
    for second in 0..200 {
        let seconds = f64::from(second) * 10.0;
        fed(&mut engine, &[at(seconds, "a")], &[at(seconds + 3.0, "a")]);
    }
    assert!(engine.status()[0].cells < 10, "{:?}", engine.status());
    let output = engine.step(&both(&[at(5.0, "a")], &[]));
    assert_eq!((output.late[0].rows, shown(&output).len()), (1, 0));
}

#[test]
fn windows_of_two_streams_join() {
    let side =
        |source: &str| format!("(SELECT device, window AS w, count(*) AS n FROM {source} GROUP BY device, window(ts, '10 seconds'))");
    let text = format!(
        "SELECT l.w.start AS s, l.device AS ld, l.n AS ln, r.n AS rn, r.w IS NULL AS lone FROM {} l JOIN {} r ON l.device = r.device",
        side("l"),
        side("r")
    );
    let engine = |kind: JoinKind| {
        let mut program = joined(OutputMode::Append, &text);
        equal_windows(&mut program.queries[0].root, kind);
        Engine::new(&program, settings()).unwrap()
    };
    let mut inner = engine(JoinKind::Inner);
    assert!(fed(&mut inner, &[at(1.0, "a"), at(2.0, "a"), at(3.0, "b")], &[at(4.0, "a")]).is_empty());
    assert_eq!(advance(&mut inner, 10.0), ["0s a 2 1 false"]);
    assert_eq!(inner.status()[0].cells, 2, "only the ticks' counts are left");
    let mut left = engine(JoinKind::Left);
    fed(&mut left, &[at(1.0, "a"), at(2.0, "a"), at(3.0, "b")], &[at(4.0, "a")]);
    assert_eq!(advance(&mut left, 10.0), ["0s a 2 1 false", "0s b 1 NULL true"]);
}

/// Adds `l.w = r.w` to the join's keys.
fn equal_windows(relation: &mut Relation, kind: JoinKind) {
    if let Relation::Join(join) = relation {
        let window = |side: &Relation| {
            let column = side.schema().iter().position(|field| field.name == "w").expect("the window is selected");
            Expr { node: ExprNode::Column(column), data_type: window_type(), span: Span::default() }
        };
        join.keys.push(JoinKey { left: window(&join.left), right: window(&join.right), null_safe: false });
        join.kind = kind;
        return;
    }
    relation.inputs_mut().into_iter().for_each(|input| equal_windows(input, kind));
}

#[test]
fn an_aggregate_over_a_join_waits_for_its_pairs() {
    let text =
        format!("SELECT window.start AS s, count(*) AS n FROM (SELECT l.ts FROM l JOIN r {RANGE}) GROUP BY window(ts, '10 seconds')");
    let mut engine = engine_of(&text);
    fed(&mut engine, &[at(8.0, "a")], &[at(12.0, "a")]);
    // The pair of 8 and 13 is still possible.
    assert!(advance(&mut engine, 12.0).is_empty());
    assert!(fed(&mut engine, &[], &[at(13.0, "a")]).is_empty());
    assert_eq!(advance(&mut engine, 16.0), ["0s 2"]);
}

#[test]
fn a_row_that_fails_leaves_nothing() {
    let text = format!("{} AND 1 / (l.number - r.number + 3) < 2", ranged("LEFT"));
    let mut engine = engine_of(&text);
    engine.step(&both(&[], &[at(23.0, "a"), at(24.0, "a")]));
    let output = engine.step(&both(&[at(20.0, "a"), at(21.0, "a")], &[]));
    assert_eq!((shown(&output), output.rejects.len()), (vec![], 2));
    assert!(advance(&mut engine, 40.0).iter().all(|row| row.contains("tick")));
}

#[test]
fn a_full_side_rejects() {
    let program = joined(OutputMode::Append, &ranged("LEFT"));
    let mut engine = Engine::new(&program, EngineSettings { keys_max: 2, ..settings() }).unwrap();
    let output = engine.step(&both(&[at(20.0, "a"), at(20.0, "b"), at(20.0, "c")], &[]));
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.contains("at most 2 rows"), "{}", output.rejects[0].reason);
    assert_eq!(engine.status()[0].cells, 2);
}

#[test]
fn the_clock_brings_out_rows_of_idle_streams() {
    let mut engine = engine_of(&ranged("LEFT"));
    fed(&mut engine, &[at(20.0, "a")], &[at(20.0, "b")]);
    // Time 20, range 5, a millisecond, delay 10, idle timeout 5.
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), Some(40 * SECOND + 1_000));
    let mut idle = both(&[], &[]);
    idle.inputs.iter_mut().for_each(|input| input.idle = true);
    idle.stamp = Stamp { wall_us: 40 * SECOND + 1_000, mono_us: 0, synchronised: true };
    assert_eq!(shown(&engine.step(&idle)), ["a 20 NULL NULL"]);
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), None);
}

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply(store: &mut Store, output: &StepOutput) {
    for (key, value) in &output.state {
        match value {
            Some(value) => store.insert(key.clone(), value.clone()),
            None => store.remove(key),
        };
    }
}

fn restored(program: &Program, store: &Store) -> Engine {
    let mut engine = Engine::new(program, settings()).unwrap();
    let entries: Vec<_> = store.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(engine.restore(&entries), Ok(Vec::new()));
    engine
}

fn rows(from: i64) -> impl Strategy<Value = Vec<Reading>> {
    let device = prop_oneof![8 => prop::sample::select(vec!["a", "b", "c"]).prop_map(Some), 1 => Just(None)];
    let row = (prop_oneof![9 => (0i64..400).prop_map(Some), 1 => Just(None)], device).prop_map(move |(tenths, device)| Reading {
        seconds: tenths.map(|tenths| (from * 100 + tenths + 10) as f64 / 10.0),
        device,
        temperature: tenths.map(|tenths| tenths as f64),
        number: tenths,
    });
    prop::collection::vec(row, 0..12)
}

/// Every pair and lone row that the whole input makes, if nothing is late. A row without a time never comes out.
fn expected(kind: &str, left: &[Reading], right: &[Reading]) -> Vec<String> {
    let text = |row: Option<&Reading>| {
        let device = row.and_then(|row| row.device).unwrap_or("NULL").to_owned();
        let number = row.and_then(|row| row.number).map_or("NULL".to_owned(), |number| number.to_string());
        format!("{device} {number}")
    };
    let fits = |l: &Reading, r: &Reading| match (l.seconds, r.seconds) {
        (Some(ls), Some(rs)) => {
            let apart = ((rs - ls) * 10.0).round() as i64;
            l.device.is_some() && l.device == r.device && (20..=50).contains(&apart)
        }
        _ => false,
    };
    let mut out = Vec::new();
    for l in left {
        let partners: Vec<&Reading> = right.iter().filter(|r| fits(l, r)).collect();
        out.extend(partners.iter().map(|r| format!("{} {}", text(Some(l)), text(Some(r)))));
        if partners.is_empty() && l.seconds.is_some() && matches!(kind, "LEFT" | "FULL") {
            out.push(format!("{} {}", text(Some(l)), text(None)));
        }
    }
    for r in right {
        if matches!(kind, "RIGHT" | "FULL") && r.seconds.is_some() && !left.iter().any(|l| fits(l, r)) {
            out.push(format!("{} {}", text(None), text(Some(r))));
        }
    }
    out.sort();
    out
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_restart_after_every_step_changes_nothing(steps in prop::collection::vec((0i64..8).prop_flat_map(|from| (rows(from), rows(from))), 1..8)) {
        for kind in ["", "LEFT", "RIGHT", "FULL", "SEMI"] {
            let text = if kind == "SEMI" { format!("SELECT device, number FROM l LEFT SEMI JOIN r {RANGE}") } else { ranged(kind) };
            let program = joined(OutputMode::Append, &text);
            let mut running = Engine::new(&program, settings()).unwrap();
            let mut store = Store::new();
            for (left, right) in &steps {
                let batch = both(left, right);
                let mut stopped = restored(&program, &store);
                let (expected, output) = (running.step(&batch), stopped.step(&batch));
                prop_assert_eq!(shown(&output), shown(&expected), "{}", kind);
                prop_assert_eq!(&output.state, &expected.state, "{}", kind);
                prop_assert_eq!(stopped.status()[0].cells, running.status()[0].cells);
                apply(&mut store, &output);
            }
        }
    }

    #[test]
    fn every_pair_comes_out_once(left in rows(0), right in rows(0), cuts in prop::collection::vec((0usize..12, 0usize..12), 0..4)) {
        // The delay is longer than the input: nothing is late.
        for kind in ["", "LEFT", "RIGHT", "FULL"] {
            let mut program = joined(OutputMode::Append, &ranged(kind));
            program.queries[0].root = without_lateness(program.queries[0].root.clone());
            let mut engine = Engine::new(&program, settings()).unwrap();
            let (mut from, mut out) = ((0, 0), Vec::new());
            for cut in cuts.iter().copied().chain([(12, 12)]) {
                let to = (cut.0.clamp(from.0, left.len().max(from.0)), cut.1.clamp(from.1, right.len().max(from.1)));
                out.extend(fed(&mut engine, &left[from.0..to.0], &right[from.1..to.1]));
                from = to;
            }
            out.extend(fed(&mut engine, &[at(9_000.0, "tick-l")], &[at(9_000.0, "tick-r")]));
            out.sort();
            prop_assert_eq!(out, expected(kind, &left, &right), "{}", kind);
        }
    }
}

fn without_lateness(mut relation: Relation) -> Relation {
    if let Relation::Watermark { delay_us, .. } = &mut relation {
        *delay_us = 1_000 * SECOND;
    }
    for input in relation.inputs_mut() {
        *input = without_lateness(input.clone());
    }
    relation
}

#[cfg(feature = "sabotage")]
mod sabotage {
    use super::*;
    use crate::sabotage::Fault;

    #[test]
    fn rows_that_do_not_expire_are_found() {
        is_found(Fault::UnexpiredRow, every_pair_comes_out_once);
    }
}
