//! State functions in the engine: states, timeouts by watermark and by clock, failing calls, limits, restarts after every step.

use std::collections::BTreeMap;

use super::*;
use crate::plan::{InitialState, Relation, StateFunction, Timeout};
use crate::script::encode_json;

const SELECT: &str = "SELECT device, ts, temperature FROM readings";

/// "device silent for 5 minutes", and its end.
const ALARM: &str = r#"
fn update(key, state, rows, now) {
    if rows.is_empty() {
        state = "silent";
        return #{ device: key, alarm: "silent" };
    }
    let last = rows[0].ts;
    for row in rows { if row.ts > last { last = row.ts; } }
    timeout_at(last + minutes(5));
    if state == "silent" {
        state = "ok";
        return #{ device: key, alarm: "back" };
    }
    state = "ok";
}"#;

fn function(mode: OutputMode, script: &str, timeout: Timeout) -> Program {
    let mut program = program(&[("q", mode, SELECT)]);
    let query = &mut program.queries[0];
    let input = Box::new(query.root.clone());
    query.output = vec![Field::new("device", DataType::String), Field::new("alarm", DataType::String)];
    query.root = Relation::StateFunction(StateFunction {
        input,
        keys: vec![0],
        script: script.into(),
        function: "update".to_owned(),
        timeout,
        output: query.output.clone(),
        initial: Vec::new(),
    });
    program
}

fn with_initial(mut program: Program, device: &str, state: serde_json::Value) -> Program {
    let Relation::StateFunction(function) = &mut program.queries[0].root else { panic!("no state function") };
    let key = vec![Value::String(device.to_owned())];
    function.initial.push(InitialState { key, state: encode_json(&state).unwrap() });
    program
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

/// Two engines: one runs on, the other is made anew from what was stored before every step. Both say the same.
struct Twins {
    program: Program,
    running: Engine,
    store: Store,
}

impl Twins {
    fn new(program: Program) -> Twins {
        let running = Engine::new(&program, settings()).unwrap();
        Twins { program, running, store: Store::new() }
    }

    fn step(&mut self, batch: &Batch) -> StepOutput {
        let mut restarted = Engine::new(&self.program, settings()).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> = self.store.clone().into_iter().collect();
        assert_eq!(restarted.restore(&entries), Ok(Vec::new()));
        let deadline = |engine: &Engine| engine.next_deadline(&[Some(0), Some(0)], true);
        assert_eq!(deadline(&restarted), deadline(&self.running));
        let (output, again) = (self.running.step(batch), restarted.step(batch));
        assert_eq!(shown(&output), shown(&again));
        assert_eq!((&output.rejects, &output.late), (&again.rejects, &again.late));
        assert_eq!(output.state, again.state);
        apply(&mut self.store, &output);
        output
    }

    fn rows(&mut self, rows: &[Reading]) -> StepOutput {
        let mut batch = batch(rows, 0);
        batch.inputs.iter_mut().for_each(|input| input.idle = false);
        self.step(&batch)
    }
}

#[test]
fn a_silent_device_raises_an_alarm_by_other_devices_watermark_and_by_the_clock() {
    for mode in [OutputMode::Append, OutputMode::Update] {
        let mut twins = Twins::new(function(mode, ALARM, Timeout::EventTime));
        assert!(shown(&twins.rows(&[reading(0.0, "a", 1.0), reading(10.0, "b", 1.0), reading(4.0, "a", 1.0)])).is_empty());
        assert!(shown(&twins.rows(&[reading(290.0, "b", 1.0)])).is_empty());
        // The watermark is 10 s behind: at 304 s the timeout is reached, one millisecond later it has passed.
        assert!(shown(&twins.rows(&[reading(314.0, "b", 1.0)])).is_empty());
        assert_eq!(shown(&twins.rows(&[reading(314.001, "b", 1.0)])), ["a silent"]);
        assert!(shown(&twins.rows(&[reading(330.0, "b", 1.0)])).is_empty());
        assert_eq!(shown(&twins.rows(&[reading(340.0, "a", 1.0)])), ["a back"]);
        // Nothing comes any more: the clock fires both, delay and idle timeout later.
        let due = twins.running.next_deadline(&[Some(340 * SECOND); 2], true).unwrap();
        assert_eq!(due, (330 + 300 + 10 + 5) * SECOND + 1_000);
        assert!(shown(&twins.step(&batch(&[], 640))).is_empty());
        let mut idle = batch(&[], 0);
        idle.stamp.wall_us = due;
        assert_eq!(shown(&twins.step(&idle)), ["b silent"]);
        assert_eq!(shown(&twins.step(&batch(&[], 700))), ["a silent"]);
        assert_eq!(twins.running.next_deadline(&[Some(0); 2], true), None);
        assert!(twins.step(&batch(&[], 9_000)).is_empty());
        assert_eq!(shown(&twins.rows(&[reading(9_000.0, "a", 1.0)])), ["a back"]);
        assert_eq!(twins.running.status()[0].keys, 2);
    }
}

#[test]
fn rows_behind_the_watermark_are_late_where_timeouts_are_in_event_time() {
    let mut twins = Twins::new(function(OutputMode::Append, ALARM, Timeout::EventTime));
    twins.rows(&[reading(100.0, "a", 1.0)]);
    let output = twins.rows(&[reading(90.0, "a", 1.0), reading(90.001, "a", 1.0)]);
    assert_eq!((output.late[0].rows, output.late[0].samples[0].lateness_us), (1, 0));
    let mut twins = Twins::new(function(OutputMode::Append, "fn update(key, state, rows, now) { #{ device: key } }", Timeout::None));
    twins.rows(&[reading(100.0, "a", 1.0)]);
    let output = twins.rows(&[reading(1.0, "a", 1.0)]);
    assert_eq!((output.late.len(), shown(&output)), (0, vec!["a NULL".to_owned()]));
}

#[test]
fn processing_time_timeouts_follow_the_clock_whether_rows_come_or_not() {
    let script = r#"fn update(key, state, rows, now) {
        if rows.is_empty() { state = (); return #{ device: key, alarm: now.to_string() }; }
        state = now;
        timeout_after(minutes(1));
    }"#;
    let mut twins = Twins::new(function(OutputMode::Update, script, Timeout::ProcessingTime));
    let at = |rows: &[Reading], seconds| {
        let mut batch = batch(rows, seconds);
        batch.inputs.iter_mut().for_each(|input| input.idle = false);
        batch
    };
    assert!(shown(&twins.step(&at(&[reading(1.0, "a", 1.0)], 1_000))).is_empty());
    assert_eq!(twins.running.next_deadline(&[None, None], false), Some(1_060 * SECOND + 1));
    // The clock goes back: stream time does not.
    assert!(shown(&twins.step(&at(&[reading(2.0, "b", 1.0)], 900))).is_empty());
    assert!(shown(&twins.step(&at(&[], 1_060))).is_empty());
    assert_eq!(shown(&twins.step(&at(&[], 1_061))), ["a 1061000000", "b 1061000000"]);
    assert_eq!((twins.running.next_deadline(&[None, None], false), twins.running.status()[0].keys), (None, 0));
}

#[test]
fn a_failing_call_rejects_its_rows_and_leaves_the_state() {
    let script = r#"fn update(key, state, rows, now) {
        if state == () { state = 0; }
        for row in rows {
            state += 1;
            if row.temperature > 100.0 {
                throw "too hot";
            }
        }
        #{ device: key, alarm: state.to_string() }
    }"#;
    let mut twins = Twins::new(function(OutputMode::Append, script, Timeout::None));
    assert_eq!(shown(&twins.rows(&[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0)])), ["a 1", "b 1"]);
    let output = twins.rows(&[reading(2.0, "a", 1.0), reading(2.0, "b", 1.0), reading(2.0, "a", 101.0)]);
    assert_eq!(shown(&output), ["b 2"]);
    assert_eq!(output.rejects.len(), 2);
    assert_eq!(output.rejects[0].reason, "script:6:17: in update: too hot");
    assert_eq!(output.rejects[1].row, r#"{"device":"a","ts":"1970-01-01T00:00:02Z","temperature":101.0}"#);
    assert_eq!(shown(&twins.rows(&[reading(3.0, "a", 1.0)])), ["a 2"]);
}

#[test]
fn a_failing_timeout_is_told_once() {
    let script = r#"fn update(key, state, rows, now) {
        if rows.is_empty() { throw "no rows"; }
        state = 1; timeout_at(rows[0].ts + seconds(30));
    }"#;
    let mut twins = Twins::new(function(OutputMode::Append, script, Timeout::EventTime));
    twins.rows(&[reading(1.0, "a", 1.0)]);
    let output = twins.rows(&[reading(100.0, "b", 1.0)]);
    assert_eq!((output.rejects.len(), output.rejects[0].row.as_str()), (1, r#"{"device":"a"}"#));
    assert_eq!(output.rejects[0].reason, "script:2:30: in update: no rows");
    assert!(twins.rows(&[reading(101.0, "b", 1.0)]).rejects.is_empty());
    assert_eq!(twins.running.status()[0].keys, 2);
}

#[test]
fn a_script_that_runs_away_for_some_keys_does_not_stop_the_others() {
    let script = "fn update(key, state, rows, now) { if key.starts_with(\"bad\") { loop { } } #{ device: key } }";
    let mut twins = Twins::new(function(OutputMode::Append, script, Timeout::None));
    let bad = ["bad1", "bad2", "bad3", "bad4", "bad5", "bad6"];
    let output = twins.rows(&[reading(1.0, bad[0], 1.0), reading(1.0, "good", 1.0), reading(1.0, bad[1], 1.0)]);
    assert_eq!((shown(&output), output.rejects.len()), (vec!["good NULL".to_owned()], 2));
    assert!(output.rejects[0].reason.contains("too many operations"), "{}", output.rejects[0].reason);
    let mut rows: Vec<Reading> = bad.iter().map(|device| reading(2.0, device, 1.0)).collect();
    rows.push(reading(2.0, "good", 1.0));
    let output = twins.rows(&rows);
    assert_eq!((shown(&output).len(), output.rejects.len()), (0, 7));
    assert!(output.rejects[6].reason.contains("not called"), "{}", output.rejects[6].reason);
    assert_eq!(shown(&twins.rows(&rows[6..])), ["good NULL"]);
}

#[test]
fn an_initial_state_is_taken_once() {
    let script = "fn update(key, state, rows, now) { state = (state ?? 0) + 1; #{ device: key, alarm: state.to_string() } }";
    let program = with_initial(function(OutputMode::Append, script, Timeout::None), "a", 41.into());
    let mut twins = Twins::new(program);
    assert_eq!(shown(&twins.rows(&[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0)])), ["a 42", "b 1"]);
    assert_eq!(shown(&twins.rows(&[reading(2.0, "a", 1.0)])), ["a 43"]);
}

#[test]
fn keys_beyond_the_limit_are_rejected() {
    let script = "fn update(key, state, rows, now) { state = 1; #{ device: key } }";
    let program = function(OutputMode::Append, script, Timeout::None);
    let mut engine = Engine::new(&program, EngineSettings { keys_max: 2, ..settings() }).unwrap();
    let output = step(&mut engine, &[reading(1.0, "a", 1.0), reading(1.0, "b", 1.0), reading(1.0, "c", 1.0), reading(1.0, "a", 1.0)]);
    assert_eq!((shown(&output), output.rejects.len()), (vec!["a NULL".to_owned(), "b NULL".to_owned()], 1));
    assert!(output.rejects[0].reason.contains("holds 2 keys"), "{}", output.rejects[0].reason);
}

#[test]
fn many_rows_of_one_key_come_in_several_calls() {
    let script = "fn update(key, state, rows, now) { state = (state ?? 0) + rows.len(); #{ device: key, alarm: state.to_string() } }";
    let mut twins = Twins::new(function(OutputMode::Append, script, Timeout::None));
    let rows: Vec<Reading> = (0..600).map(|second| reading(f64::from(second), "a", 1.0)).collect();
    assert_eq!(shown(&twins.rows(&rows)), ["a 250", "a 500", "a 600"]);
}

#[test]
fn another_key_is_another_query_and_another_script_is_not() {
    let count = "fn update(key, state, rows, now) { state = (state ?? 0) + 1; #{ device: key, alarm: state.to_string() } }";
    let mut twins = Twins::new(function(OutputMode::Append, count, Timeout::None));
    twins.rows(&[reading(1.0, "a", 1.0)]);
    let entries: Vec<(Vec<u8>, Vec<u8>)> = twins.store.into_iter().collect();
    let by_ten = count.replace("+ 1", "+ 10");
    let mut corrected = Engine::new(&function(OutputMode::Append, &by_ten, Timeout::None), settings()).unwrap();
    assert_eq!(corrected.restore(&entries), Ok(Vec::new()));
    assert_eq!(shown(&step(&mut corrected, &[reading(2.0, "a", 1.0)])), ["a 11"]);
    let mut other = function(OutputMode::Append, count, Timeout::None);
    let Relation::StateFunction(function) = &mut other.queries[0].root else { panic!("no state function") };
    function.keys = vec![2];
    let error = Engine::new(&other, settings()).unwrap().restore(&entries).unwrap_err();
    assert!(error.to_string().contains("temperature"), "{error}");
    for text in ["fn update(key) { }", "fn update( { }"] {
        function_error(text);
    }
}

fn function_error(text: &str) {
    let program = function(OutputMode::Append, text, Timeout::None);
    assert!(Engine::new(&program, settings()).is_err(), "{text}");
}
