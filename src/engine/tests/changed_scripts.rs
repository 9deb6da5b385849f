//! Queries with scripts that come back changed: a function goes by its name and types, a state function by its key. Another body takes up the state.

use super::restart::{Store, apply, entries};
use super::*;
use crate::engine::RestoreError;
use crate::plan::{Relation, ScriptFunction, StateFunction, Timeout};

/// A query that calls `part(number)`, whose script's body is given.
fn calling(text: &str, body: &str, returns: DataType, parameter: DataType) -> Program {
    let script = format!("fn part(x) {{ {body} }}");
    let function = ScriptFunction {
        name: "part".to_owned(),
        function: "part".to_owned(),
        script: script.as_str().into(),
        parameters: vec![Field::new("x", parameter)],
        returns,
    };
    let mut program = Program { sources: sources(), functions: vec![function], ..Program::default() };
    let catalog = Catalog { sources: &program.sources, functions: &program.functions, ..Catalog::default() };
    let query = plan_query("q", text, OutputMode::Append, &catalog).unwrap_or_else(|error| panic!("{}", error.in_text(text)));
    program.queries.push(query);
    program
}

/// What the first program has stored after these rows, taken up by the second.
fn taken_up(before: &Program, rows: &[Reading], after: &Program) -> Result<Engine, RestoreError> {
    let mut store = Store::new();
    apply(&mut store, &step(&mut Engine::new(before, settings()).unwrap(), rows));
    let mut engine = Engine::new(after, settings()).unwrap();
    engine.restore(&entries(&store)).map(|forgotten| {
        assert!(forgotten.is_empty(), "{forgotten:?}");
        engine
    })
}

#[test]
fn a_function_with_another_body_takes_up_what_was_counted() {
    let rows = [reading(1.0, "a", 7.0), reading(2.0, "a", 12.0)];
    let later = [reading(3.0, "a", 7.0), reading(60.0, "a", 0.0)];
    for (text, expected) in [
        // Groups are those that either body has made.
        ("SELECT part(number) AS p, count(*) AS n FROM readings GROUP BY part(number), window(ts, '10 seconds')", ["1 1", "14 1", "2 1"]),
        // Sums go on.
        ("SELECT sum(part(number)) AS s, count(*) AS n FROM readings GROUP BY device, window(ts, '10 seconds')", ["17 3", "", ""]),
    ] {
        let before = calling(text, "if x > 10 { 2 } else { 1 }", DataType::BigInt, DataType::BigInt);
        let after = calling(text, "x * 2", DataType::BigInt, DataType::BigInt);
        let mut engine = taken_up(&before, &rows, &after).unwrap();
        let mut came = shown(&step(&mut engine, &later));
        came.sort();
        assert_eq!(came, expected.into_iter().filter(|row| !row.is_empty()).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn a_function_of_other_types_is_another_query() {
    let text = "SELECT part(number) AS p, count(*) AS n FROM readings GROUP BY part(number), window(ts, '10 seconds')";
    let before = calling(text, "x", DataType::BigInt, DataType::BigInt);
    let rows = [reading(1.0, "a", 7.0)];
    for (returns, parameter) in [(DataType::Int, DataType::BigInt), (DataType::BigInt, DataType::Double)] {
        let after = calling(text, "x", returns, parameter);
        assert!(matches!(taken_up(&before, &rows, &after), Err(RestoreError::PlanChanged { query, .. }) if query == "q"));
    }
}

/// A state function over device and number.
fn stateful(script: &str, timeout: Timeout, output: Vec<Field>) -> Program {
    let mut program = program(&[("q", OutputMode::Append, "SELECT device, ts, number FROM readings")]);
    let query = &mut program.queries[0];
    query.output.clone_from(&output);
    query.root = Relation::StateFunction(StateFunction {
        input: Box::new(query.root.clone()),
        keys: vec![0],
        script: script.into(),
        function: "update".to_owned(),
        timeout,
        output,
        initial: Vec::new(),
    });
    program
}

const COUNTING: &str = r#"fn update(key, state, rows, now) {
    if rows.is_empty() { return #{ device: key, n: -1 }; }
    state = (state ?? 0) + rows.len();
    timeout_after(seconds(20));
    #{ device: key, n: state }
}"#;

fn counted(timeout: Timeout) -> Program {
    stateful(COUNTING, timeout, vec![Field::new("device", DataType::String), Field::new("n", DataType::BigInt)])
}

#[test]
fn a_state_function_with_another_script_and_output_goes_on_with_the_states() {
    let script = "fn update(key, state, rows, now) { if rows.is_empty() { return; } state = #{ n: state, last: rows[0].number }; \
                  #{ device: key, text: `${state.n} then ${state.last}` } }";
    let after = stateful(script, Timeout::EventTime, vec![Field::new("device", DataType::String), Field::new("text", DataType::String)]);
    let mut engine = taken_up(&counted(Timeout::EventTime), &[reading(1.0, "a", 1.0), reading(1.5, "a", 1.0)], &after).unwrap();
    assert_eq!(shown(&step(&mut engine, &[reading(2.0, "a", 5.0), reading(2.0, "b", 6.0)])), ["a 2 then 5", "b  then 6"]);
}

/// A timeout is a point in time, whichever clock is looked at; without timeouts there is none.
#[test]
fn timeouts_are_kept_while_there_are_timeouts() {
    let rows = [reading(1.0, "a", 1.0)];
    let quiet = |after: Timeout| {
        let mut engine = taken_up(&counted(Timeout::EventTime), &rows, &counted(after)).unwrap();
        let mut batch = batch(&[reading(100.0, "b", 1.0)], 100);
        batch.inputs.iter_mut().for_each(|input| input.idle = false);
        shown(&engine.step(&batch)).into_iter().filter(|row| row == "a -1").count()
    };
    assert_eq!((quiet(Timeout::EventTime), quiet(Timeout::ProcessingTime)), (1, 1));
    let silent = stateful(
        "fn update(key, state, rows, now) { if rows.is_empty() { throw \"called for a timeout\"; } #{ device: key, n: state } }",
        Timeout::None,
        vec![Field::new("device", DataType::String), Field::new("n", DataType::BigInt)],
    );
    let mut engine = taken_up(&counted(Timeout::EventTime), &rows, &silent).unwrap();
    let mut batch = batch(&[reading(100.0, "b", 1.0), reading(100.0, "a", 1.0)], 100);
    batch.inputs.iter_mut().for_each(|input| input.idle = false);
    let output = engine.step(&batch);
    assert!(output.rejects.is_empty(), "{:?}", output.rejects);
    assert_eq!(shown(&output), ["b NULL", "a 1"]);
}
