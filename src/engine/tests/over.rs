//! OVER over a stream: values row by row, rows out of order, restarts after every step.

use std::collections::BTreeMap;

use super::*;
use crate::plan::{AggregateCall, AggregateFunction, Expr, ExprNode, Frame, FrameBound, OverCall, OverFunction, Relation, SortKey, Span};

fn expr(node: ExprNode, data_type: DataType) -> Expr {
    Expr { node, data_type, span: Span::default() }
}

/// Columns as SELECT gives them: device, ts, temperature, number.
fn column(index: usize) -> Expr {
    let types = [DataType::String, DataType::Timestamp, DataType::Double, DataType::BigInt];
    expr(ExprNode::Column(index), types[index].clone())
}

fn literal(value: Value, data_type: DataType) -> Expr {
    expr(ExprNode::Literal(value), data_type)
}

fn double(x: f64) -> Expr {
    literal(Value::Double(x), DataType::Double)
}

fn call(name: &str, function: OverFunction, args: Vec<Expr>, data_type: DataType) -> OverCall {
    let frame = Frame { rows: true, start: FrameBound::UnboundedPreceding, end: FrameBound::CurrentRow };
    OverCall { name: name.to_owned(), function, args, ignore_nulls: false, frame, data_type, span: Span::default() }
}

fn aggregate(function: AggregateFunction, arg: Expr, data_type: DataType) -> OverCall {
    let call_of = AggregateCall {
        function,
        args: vec![arg],
        filter: None,
        distinct: false,
        order: Vec::new(),
        data_type: data_type.clone(),
        span: Span::default(),
    };
    call("aggregate", OverFunction::Aggregate(Box::new(call_of)), Vec::new(), data_type)
}

fn over(calls: Vec<OverCall>) -> Program {
    let mut program = program(&[("q", OutputMode::Append, "SELECT device, ts, temperature, number FROM readings")]);
    let query = &mut program.queries[0];
    let order = vec![SortKey { expr: column(1), descending: false, nulls_first: true }];
    query.root = Relation::Over { input: Box::new(query.root.clone()), partition: vec![column(0)], order, calls };
    query.output = query.root.schema();
    program
}

/// Steps an engine and one that is made anew from stored state each time; the values of the calls, in the order of the rows.
fn run(program: &Program, steps: &[Vec<Reading>]) -> Vec<(Vec<String>, StepOutput)> {
    let mut running = Engine::new(program, settings()).unwrap();
    let mut store: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut out = Vec::new();
    for rows in steps {
        let mut restarted = Engine::new(program, settings()).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> = store.clone().into_iter().collect();
        assert_eq!(restarted.restore(&entries), Ok(Vec::new()));
        let (output, again) = (step(&mut running, rows), step(&mut restarted, rows));
        assert_eq!(shown(&output), shown(&again));
        assert_eq!((&output.state, &output.rejects, &output.late), (&again.state, &again.rejects, &again.late));
        for (key, value) in &output.state {
            match value {
                Some(value) => store.insert(key.clone(), value.clone()),
                None => store.remove(key),
            };
        }
        let values = shown(&output).iter().map(|row| row.splitn(5, ' ').nth(4).unwrap_or_default().to_owned()).collect();
        out.push((values, output));
    }
    out
}

fn values(program: &Program, steps: &[Vec<Reading>]) -> Vec<String> {
    run(program, steps).into_iter().flat_map(|(values, _)| values).collect()
}

/// One row a step, each a second after the one before.
fn each_second(temperatures: &[Option<f64>]) -> Vec<Vec<Reading>> {
    let row =
        |(second, temperature): (usize, &Option<f64>)| vec![Reading { temperature: *temperature, ..reading(second as f64, "a", 0.0) }];
    temperatures.iter().enumerate().map(row).collect()
}

#[test]
fn every_function_row_by_row() {
    use OverFunction as F;
    let x = || column(2);
    let nan = f64::NAN;
    let int = |n| literal(Value::Int(n), DataType::Int);
    let cases = [
        (call("row_number", F::RowNumber, vec![], DataType::Int), [Some(5.0), None, Some(7.0), Some(7.0)], "1 2 3 4"),
        (call("lag", F::Lag, vec![x(), int(1), double(-1.0)], DataType::Double), [Some(5.0), None, Some(7.0), Some(8.0)], "-1 5 NULL 7"),
        (call("lag", F::Lag, vec![x(), int(2)], DataType::Double), [Some(5.0), None, Some(7.0), Some(8.0)], "NULL NULL 5 NULL"),
        (call("lag", F::Lag, vec![x(), int(0)], DataType::Double), [Some(5.0), None, Some(7.0), Some(8.0)], "5 NULL 7 8"),
        (call("first_value", F::FirstValue, vec![x()], DataType::Double), [Some(5.0), None, Some(7.0), Some(8.0)], "5 5 5 5"),
        (call("last_value", F::LastValue, vec![x()], DataType::Double), [Some(5.0), None, Some(7.0), Some(8.0)], "5 NULL 7 8"),
        (call("changed", F::Changed, vec![x()], DataType::Boolean), [Some(5.0), None, None, Some(nan)], "true true false true"),
        (call("changed", F::Changed, vec![x()], DataType::Boolean), [Some(nan), Some(nan), Some(0.0), Some(-0.0)], "true false true false"),
        (call("ewma", F::Ewma, vec![x(), double(0.5)], DataType::Double), [Some(4.0), Some(8.0), None, Some(2.0)], "4 6 6 4"),
        (
            call("ewma", F::Ewma, vec![x(), literal(Value::Interval(SECOND), DataType::Interval)], DataType::Double),
            [Some(4.0), Some(8.0), None, Some(2.0)],
            "4 6 6 3",
        ),
        (call("rate", F::Rate, vec![x()], DataType::Double), [Some(10.0), Some(15.0), None, Some(4.0)], "NULL 5 NULL 2"),
        (
            call("deadband", F::Deadband, vec![x(), double(1.0)], DataType::Double),
            [Some(5.0), Some(6.0), Some(6.5), Some(nan)],
            "5 NULL 6.5 NaN",
        ),
        (aggregate(AggregateFunction::Count, x(), DataType::BigInt), [Some(5.0), None, Some(7.0), Some(8.0)], "1 1 2 3"),
        (aggregate(AggregateFunction::Sum, x(), DataType::Double), [None, Some(5.0), Some(7.0), Some(8.0)], "NULL 5 12 20"),
        (aggregate(AggregateFunction::Avg, x(), DataType::Double), [None, Some(5.0), Some(7.0), Some(9.0)], "NULL 5 6 7"),
        (aggregate(AggregateFunction::Min, x(), DataType::Double), [Some(nan), Some(5.0), None, Some(9.0)], "NaN 5 5 5"),
        (aggregate(AggregateFunction::Max, x(), DataType::Double), [Some(5.0), Some(3.0), Some(nan), Some(9.0)], "5 5 NaN NaN"),
    ];
    for (call, temperatures, expected) in cases {
        let name = format!("{} {:?}", call.name, call.args);
        let program = over(vec![call]);
        assert_eq!(values(&program, &each_second(&temperatures)).join(" "), expected, "{name}");
        // In one batch, out of order, it is the same.
        let mut rows: Vec<Reading> = each_second(&temperatures).concat();
        rows.reverse();
        let mut shown = values(&program, &[rows]);
        shown.reverse();
        assert_eq!(shown.join(" "), expected, "{name} in one batch");
    }
}

#[test]
fn nulls_are_looked_past_where_that_is_said() {
    let ignoring = |function, args| OverCall { ignore_nulls: true, ..call("f", function, args, DataType::Double) };
    let two = literal(Value::Int(2), DataType::Int);
    let rows = each_second(&[None, Some(1.0), None, Some(2.0), None, Some(3.0)]);
    let lag = over(vec![ignoring(OverFunction::Lag, vec![column(2), two])]);
    assert_eq!(values(&lag, &rows), ["NULL", "NULL", "NULL", "NULL", "1", "1"]);
    let ends = over(vec![ignoring(OverFunction::FirstValue, vec![column(2)]), ignoring(OverFunction::LastValue, vec![column(2)])]);
    assert_eq!(values(&ends, &rows), ["NULL NULL", "1 1", "1 1", "1 2", "1 2", "1 3"]);
}

#[test]
fn keys_are_apart_and_rows_older_than_the_newest_of_their_key_are_late() {
    let program = over(vec![call("lag", OverFunction::Lag, vec![column(2)], DataType::Double)]);
    let mut no_time = reading(1.0, "a", 9.0);
    no_time.seconds = None;
    let steps = [
        vec![reading(5.0, "a", 1.0), reading(3.0, "b", 2.0), reading(4.0, "a", 3.0)],
        vec![reading(4.5, "a", 4.0), reading(3.0, "b", 5.0), no_time, reading(5.0, "a", 6.0)],
    ];
    let out = run(&program, &steps);
    assert_eq!(out[0].0, ["3", "NULL", "NULL"]);
    assert_eq!(out[1].0, ["2", "1"]);
    let late = &out[1].1.late[0];
    assert_eq!((late.rows, late.samples[0].lateness_us), (1, SECOND / 2));
    assert_eq!(out[1].1.rejects[0].reason, "the row has no time to be ordered by");
}

#[test]
fn a_row_that_fails_changes_nothing_and_a_counter_may_begin_anew() {
    let program = over(vec![
        aggregate(AggregateFunction::Sum, column(3), DataType::BigInt),
        call("row_number", OverFunction::RowNumber, vec![], DataType::Int),
    ]);
    let with = |number| Reading { number: Some(number), ..reading(1.0, "a", 0.0) };
    let out = run(&program, &[vec![with(i64::MAX)], vec![with(1)], vec![with(-1)]]);
    assert_eq!(out.iter().flat_map(|(values, _)| values.clone()).collect::<Vec<_>>(), ["9223372036854775807 1", "9223372036854775806 2"]);
    assert!(out[1].1.rejects[0].reason.contains("does not fit in BIGINT"));
    let rate = over(vec![call("rate", OverFunction::Rate, vec![column(2)], DataType::Double)]);
    let rows = [(0.0, 10.0), (0.0, 14.0), (2.0, 20.0), (2.0, 3.0), (4.0, 7.0)].map(|(second, x)| vec![reading(second, "a", x)]);
    assert_eq!(values(&rate, &rows), ["NULL", "NULL", "5", "NULL", "3.5"]);
}

#[test]
fn what_a_stream_cannot_keep_up_is_refused() {
    let refused = |calls| Engine::new(&over(calls), settings()).err().expect("it cannot be kept up").to_string();
    assert!(refused(vec![call("lead", OverFunction::Lead, vec![column(2)], DataType::Double)]).contains("does not have yet"));
    let far = literal(Value::Int(1_001), DataType::Int);
    assert!(refused(vec![call("lag", OverFunction::Lag, vec![column(2), far], DataType::Double)]).contains("from 0 to 1000"));
    assert!(refused(vec![aggregate(AggregateFunction::StddevPop, column(2), DataType::Double)]).contains("not kept up"));
    let mut program = over(vec![call("row_number", OverFunction::RowNumber, vec![], DataType::Int)]);
    let Relation::Over { order, .. } = &mut program.queries[0].root else { panic!("no OVER") };
    order[0].descending = true;
    assert!(Engine::new(&program, settings()).is_err());
}

const ALL: &str = "SELECT device, ts, temperature, number, row_number() OVER w, lag(temperature) OVER w AS before, changed(number) OVER w AS c, \
    ewma(temperature, 0.25) OVER w AS e, ewma(temperature, INTERVAL 30 SECONDS) OVER w AS h, rate(number) OVER w AS r, \
    deadband(temperature, 2) OVER w AS d, sum(number) OVER w AS s, avg(temperature) OVER w AS a, max(temperature) OVER w AS m, \
    first_value(number) OVER w AS f, last_value(temperature) OVER w AS l \
    FROM readings WINDOW w AS (PARTITION BY device ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";

const ROW_BY_ROW: &str = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW";

/// Devices, values and times by a small generator; every third step goes a little back in time.
fn steps() -> Vec<Vec<Reading>> {
    let mut seed = 7u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut row = |step: u64| {
        let temperature = (random(6) > 0).then(|| random(60) as f64 / 4.0);
        let number = (random(6) > 0).then(|| random(9) as i64 * step as i64);
        let seconds = step * 10 + random(14);
        Reading { temperature, number, ..reading(seconds as f64 + random(3) as f64 / 4.0, ["a", "b", "c"][random(3) as usize], 0.0) }
    };
    (0..30).map(|step| (0..8).map(|_| row(step)).collect()).collect()
}

#[test]
fn a_stream_gives_what_a_batch_gives_over_the_rows_that_are_not_late() {
    // Over a stream it is the frame where there is none.
    for streamed in [ALL, &ALL.replace(ROW_BY_ROW, "")] {
        a_stream_gives_what_a_batch_gives(streamed);
    }
}

fn a_stream_gives_what_a_batch_gives(text: &str) {
    let out = run(&program(&[("q", OutputMode::Append, text)]), &steps());
    let late: u64 = out.iter().flat_map(|(_, output)| &output.late).map(|late| late.rows).sum();
    assert!(late > 5, "{late} late rows");
    let mut streamed: Vec<String> = out.iter().flat_map(|(_, output)| shown(output)).collect();
    // The rows that came out, as the input of a batch.
    let taken: Vec<String> = streamed.iter().map(|row| row.splitn(5, ' ').take(4).collect::<Vec<_>>().join(" ")).collect();
    let mut left = taken.clone();
    let mut engine = Engine::new(&program(&[("q", OutputMode::Batch, ALL)]), settings()).unwrap();
    for rows in steps() {
        let shown_row = |row: &Reading| {
            let columns = [
                row.device.map(str::to_owned),
                row.seconds.map(|s| format!("{s}s")),
                row.temperature.map(|x| x.to_string()),
                row.number.map(|x| x.to_string()),
            ];
            columns.map(|column| column.unwrap_or_else(|| "NULL".into())).join(" ")
        };
        let kept: Vec<Reading> = rows
            .into_iter()
            .filter(|row| {
                let position = left.iter().position(|candidate| *candidate == shown_row(row));
                position.map(|position| left.remove(position)).is_some()
            })
            .collect();
        let mut batch = batch(&kept, 0);
        batch.inputs.truncate(1);
        engine.step(&batch);
    }
    assert!(left.is_empty());
    let mut at_once = shown(&engine.finish());
    streamed.sort();
    at_once.sort();
    assert_eq!(streamed.len(), at_once.len());
    for (streamed, at_once) in streamed.iter().zip(&at_once) {
        assert_eq!(streamed, at_once);
    }
}

#[test]
fn a_stream_refuses_what_it_cannot_keep_up_with_its_place() {
    let sources = sources();
    let refused = |text: &str| {
        let catalog = Catalog { sources: &sources, ..Catalog::default() };
        plan_query("q", text, OutputMode::Append, &catalog).expect_err(text).in_text(text).to_string()
    };
    for (text, said) in [
        ("SELECT lead(number) OVER (PARTITION BY device ORDER BY ts) FROM readings", "lag looks back"),
        ("SELECT lag(number) OVER (PARTITION BY device ORDER BY number) FROM readings", "ordered by one time"),
        ("SELECT lag(number) OVER (PARTITION BY device ORDER BY ts DESC) FROM readings", "ordered by one time"),
        ("SELECT lag(number, 2000) OVER (PARTITION BY device ORDER BY ts) FROM readings", "0 to 1000"),
        ("SELECT sum(number) OVER (PARTITION BY device) FROM readings", "ordered by one time"),
        ("SELECT sum(number) OVER (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) FROM readings", "from the first row"),
        (
            "SELECT sum(number) OVER (ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM readings",
            "of the same time may still come",
        ),
        ("SELECT rank() OVER (ORDER BY ts) FROM readings", "not kept up"),
        ("SELECT ewma(temperature, 1.5) OVER (ORDER BY ts) FROM readings", "at most 1"),
    ] {
        let error = refused(text);
        assert!(error.contains(said), "{text}: {error}");
    }
    let program = program(&[(
        "q",
        OutputMode::Update,
        "SELECT device, lag(number, 1, 0) OVER (PARTITION BY device ORDER BY ts) AS before FROM readings",
    )]);
    let mut engine = Engine::new(&program, settings()).unwrap();
    assert_eq!(shown(&step(&mut engine, &[reading(1.0, "a", 3.0), reading(2.0, "a", 4.0)])), ["a 0", "a 3"]);
}

#[test]
fn scripted_functions_are_called_from_sql() {
    use crate::plan::ScriptFunction;
    let functions = vec![ScriptFunction {
        name: "dew_point".into(),
        function: "dew_point".into(),
        script: "fn dew_point(t, n) {\n  if n == () { return (); }\n  if n == 13 { throw \"unlucky\"; }\n  if n == 99 { loop { } }\n  t - (100 - n) / 5.0\n}".into(),
        parameters: vec![Field::new("t", DataType::Double), Field::new("n", DataType::BigInt)],
        returns: DataType::Double,
    }];
    let sources = sources();
    let catalog = Catalog { sources: &sources, functions: &functions, ..Catalog::default() };
    let text = "SELECT device, Dew_Point(temperature, number) AS dew FROM readings WHERE dew_point(20, number) IS NULL OR number > 0";
    let query = plan_query("q", text, OutputMode::Append, &catalog).unwrap();
    let error = plan_query("q", "SELECT dew_point(1) FROM readings", OutputMode::Append, &catalog).unwrap_err();
    assert_eq!(error.help.as_deref(), Some("dew_point(t DOUBLE, n BIGINT)"));
    let program = Program { sources: sources.clone(), queries: vec![query], functions: functions.clone(), ..Program::default() };
    let mut engine = Engine::new(&program, settings()).unwrap();
    let with = |device, number| Reading { number, ..reading(1.0, device, 20.0) };
    let rows: Vec<Reading> =
        [("a", Some(50)), ("b", None), ("c", Some(13)), ("d", Some(-1))].map(|(device, number)| with(device, number)).into();
    let output = step(&mut engine, &rows);
    assert_eq!(shown(&output), ["a 10", "b NULL"]);
    assert_eq!(output.rejects.len(), 1);
    assert!(output.rejects[0].reason.starts_with("script:3:16: in dew_point: unlucky"), "{}", output.rejects[0].reason);
    let hostile: Vec<Reading> = (0..50).map(|_| with("a", Some(99))).collect();
    let output = step(&mut engine, &hostile);
    assert_eq!((shown(&output).len(), output.rejects.len()), (0, 50));
    assert!(output.rejects[49].reason.contains("not called"));
}
