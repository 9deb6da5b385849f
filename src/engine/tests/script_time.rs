//! Scripts that take long though they stay within their operations: stopped by samples of another thread, and nothing else is.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::plan::{Relation, ScriptFunction, StateFunction, Timeout};
use crate::script::{SAMPLES_MAX, ScriptSampler};

/// Writes far into a long text: much work in few operations.
const BUSY: &str = r#"
fn update(key, state, rows, now) {
    if key.starts_with("bad") { busy(key); }
    #{ device: key }
}
fn busy(name) {
    let s = ""; s.pad(8000, "x");
    for i in 0..100 { s[7000] = 'y'; }
    name
}"#;

/// Steps of a test, each of which should be stopped; a loaded machine may leave the sampler too little time in one.
const TRIES: usize = 20;

/// A state function, and beside it queries without one; `calls` has a scalar function.
fn queries() -> Program {
    let text = "SELECT device, ts FROM readings";
    let mut program = program(&[("scripted", OutputMode::Append, text), ("plain", OutputMode::Append, text)]);
    let query = &mut program.queries[0];
    query.output = vec![Field::new("device", DataType::String)];
    query.root = Relation::StateFunction(StateFunction {
        input: Box::new(query.root.clone()),
        keys: vec![0],
        script: BUSY.into(),
        function: "update".to_owned(),
        timeout: Timeout::None,
        output: query.output.clone(),
        initial: Vec::new(),
    });
    program.functions.push(ScriptFunction {
        name: "busy".into(),
        function: "busy".into(),
        script: BUSY.into(),
        parameters: vec![Field::new("name", DataType::String)],
        returns: DataType::String,
    });
    let catalog = Catalog { sources: &program.sources, functions: &program.functions, ..Catalog::default() };
    let calls = plan_query("calls", "SELECT busy(device) AS device FROM readings WHERE device LIKE 'bad%'", OutputMode::Append, &catalog);
    program.queries.push(calls.unwrap());
    program
}

/// Does it while another thread takes samples without pause.
fn sampled<T>(mut sampler: ScriptSampler, act: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && sampler.sample() {
                std::thread::yield_now();
            }
        });
        let result = act();
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn scripts_that_take_long_are_stopped_and_nothing_else_is() {
    let mut engine = Engine::new(&queries(), settings()).unwrap();
    let rows: Vec<Reading> = ["good", "bad1", "bad2"].map(|device| reading(1.0, device, 20.0)).into();
    let taken = step(&mut engine, &rows);
    assert_eq!(taken.rejects.len(), 0, "{:?}", taken.rejects);
    assert_eq!([0, 2].map(|query| shown_of(&taken, query).len()), [3, 2], "within their operations");
    let stopped = (0..TRIES).map(|_| sampled(engine.script_watch().sampler(), || step(&mut engine, &rows))).find(|output| {
        let of_query = |query| output.rejects.iter().filter(|reject| reject.query == query && reject.reason.contains("too long")).count();
        assert_eq!(shown_of(output, 1).len(), 3, "the query without a script");
        of_query(0) > 0 && of_query(2) > 0
    });
    let reasons: Vec<String> = stopped.expect("never stopped").rejects.into_iter().map(|reject| reject.reason).collect();
    assert!(reasons.iter().any(|reason| reason.ends_with("the scripts of this batch take too long")), "{reasons:?}");
    assert_eq!(step(&mut engine, &rows).rejects.len(), 0, "the next batch has its own time");
}

#[test]
fn samples_of_steps_without_a_running_script_do_not_count() {
    let mut engine = Engine::new(&queries(), settings()).unwrap();
    let mut sampler = engine.script_watch().sampler();
    for _ in 0..2 * SAMPLES_MAX {
        assert!(sampler.sample());
        step(&mut engine, &[reading(1.0, "good", 20.0)]);
        assert!(!engine.script_watch().is_stopped());
    }
    drop(engine);
    assert!(!sampler.sample(), "there are no scripts any more");
}
