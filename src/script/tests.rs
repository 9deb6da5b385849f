//! Scripts that do their work, and scripts that mean harm.

use super::*;
use crate::batch::ColumnBuilder;
use crate::plan::ScriptText;

fn fields() -> Vec<Field> {
    vec![Field::new("device", DataType::String), Field::new("v", DataType::Double)]
}

fn columns(rows: &[(&str, f64)]) -> Vec<Column> {
    let mut device = ColumnBuilder::new(&DataType::String, rows.len());
    let mut v = ColumnBuilder::new(&DataType::Double, rows.len());
    for (name, x) in rows {
        device.push_text(name);
        v.push(&Value::Double(*x));
    }
    vec![device.finish(), v.finish()]
}

/// Calls `update` with the body over three rows, on a stack as scripts get it.
fn run(body: &str, state: &[u8]) -> Result<Updated, CallError> {
    let text = format!("fn update(key, state, rows, now) {{\n{body}\n}}");
    let state = state.to_vec();
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES_MIN).spawn(move || {
        let script = Script::compile(&text).unwrap_or_else(|error| panic!("{text}: {error} at {:?}", error.place));
        let columns = columns(&[("a", 1.0), ("a", 2.5), ("a", -1.0)]);
        let (fields, output) = (fields(), [Field::new("n", DataType::BigInt), Field::new("mean", DataType::Double)]);
        let call = UpdateCall {
            key: &[Value::String("a".into())],
            key_fields: &fields[..1],
            state: &state,
            columns: &columns.iter().collect::<Vec<_>>(),
            fields: &fields,
            rows: &[0, 1, 2],
            now_us: 1_000,
            timeouts: true,
            output: &output,
        };
        script.update("update", &call)
    });
    thread.unwrap().join().unwrap()
}

fn state(json: serde_json::Value) -> Vec<u8> {
    encode_json(&json).unwrap()
}

#[test]
fn state_is_changed_in_place_or_replaced() {
    let counted = run("if state == () { state = #{ n: 0, sum: 0.0 }; } for row in rows { state.n += 1; state.sum += row.v; }\n#{ n: state.n, mean: state.sum / state.n }", &[]).unwrap();
    assert_eq!(counted.state, state(serde_json::json!({ "n": 3, "sum": 2.5 })));
    assert_eq!(counted.rows, [[Value::BigInt(3), Value::Double(2.5 / 3.0)]]);
    let again = run("for row in rows { state.n += 1; } state.seen = [key, now]; ()", &counted.state).unwrap();
    assert_eq!(again.state, state(serde_json::json!({ "n": 6, "seen": ["a", 1000], "sum": 2.5 })));
    assert_eq!((again.rows.len(), again.timeout_us), (0, None));
    assert!(run("state = ();", &again.state).unwrap().state.is_empty());
    assert_eq!(run("state = 7; ", &again.state).unwrap().state, state(7.into()));
}

#[test]
fn rows_come_out_as_maps() {
    let many = run("let out = []; for row in rows { if row.v > 0 { out.push(#{ n: row.v.to_int(), mean: 1 }); } } out", &[]).unwrap();
    assert_eq!(many.rows, [[Value::BigInt(1), Value::Double(1.0)], [Value::BigInt(2), Value::Double(1.0)]]);
    let some = run("rows.filter(|row| row.v > 1.0).map(|row| #{ mean: row.v })", &[]).unwrap();
    assert_eq!(some.rows, [[Value::Null, Value::Double(2.5)]]);
    for (body, message) in [
        ("5", "a state function gives nothing, a map or an array of maps, but this one gave an integer"),
        ("[1]", "a row is a map, but the function gave an integer"),
        ("#{ m: 1 }", "the output has no column `m`"),
        ("#{ n: \"x\" }", "`n` is BIGINT, but the script gave a string"),
        ("rows", "the output has no column `device`"),
        ("|x| x", "a state function gives nothing, a map or an array of maps, but this one gave a function"),
    ] {
        assert_eq!(run(body, &[]).unwrap_err().message, message, "{body}");
    }
}

#[test]
fn timeouts_are_asked_for_in_each_call() {
    assert_eq!(run("timeout_after(minutes(5));", &[]).unwrap().timeout_us, Some(300_001_000));
    assert_eq!(run("timeout_at(now + seconds(1.5));", &[]).unwrap().timeout_us, Some(1_501_000));
    assert_eq!(run("timeout_after(1); no_timeout();", &[]).unwrap().timeout_us, None);
    assert_eq!(run("timeout_at(now);", &[]).unwrap_err().message, "a timeout must lie after `now`");
    assert!(run("timeout_after(days(9223372036854775807));", &[]).unwrap_err().message.contains("out of range"));
    assert_eq!(run("state = format_time(now);", &[]).unwrap().state, state("1970-01-01T00:00:00.001Z".into()));
}

#[test]
fn a_failing_call_says_where() {
    for (body, place, message) in [
        ("let x = 1;\nx / 0", (3, 3), "Division by zero: 1 / 0"),
        ("throw \"too hot\";", (2, 1), "too hot"),
        ("  9223372036854775807 + key.len()", (2, 23), "Addition overflow: 9223372036854775807 + 1"),
        ("nowhere(1)", (2, 1), "Function not found: nowhere (i64)"),
        ("\"a\".pad(5, \"\")", (2, 5), "there is nothing to pad with"),
        ("rows[5].v", (2, 6), "Array index 5 out of bounds: only 3 elements in array"),
        ("state.n += 1;", (2, 7), "Unknown property 'n'"),
        ("let f = |x| { x / 0 };\nf.call(1)", (2, 17), "Division by zero: 1 / 0"),
    ] {
        let error = run(body, &[]).unwrap_err();
        assert_eq!((error.place, error.limit), (Some(place), false), "{body}: {error}");
        assert!(error.message.starts_with(message), "{body}: {error}");
    }
    let script = ScriptText { file: "gateway.toml".into(), lines_before: 40, ..ScriptText::from("") };
    assert_eq!(run("1 / 0", &[]).unwrap_err().explain(&script, "update"), "gateway.toml:42:3: in update: Division by zero: 1 / 0");
    let error = run("#{ m: 1 }", &[]).unwrap_err();
    assert_eq!(error.explain(&script, "update"), "gateway.toml: in update: the output has no column `m`");
}

#[test]
fn a_script_without_end_or_measure_is_stopped() {
    for body in [
        "loop { }",
        "while true { try { loop { } } catch { } }",
        "let n = 0; loop { n += 1; }",
        "let a = []; a.pad(900, 1); let b = a + []; let c = a + []; a.map(|x| b.map(|y| c.map(|z| 1)))",
        "let s = \"x\"; loop { s += s; }",
        "let a = [1]; loop { a += a; }",
        "let a = []; a.pad(2000000000, 1);",
        "let a = [1]; a.pad(9223372036854775807, [1, 2, 3, 4]);",
        "let a = [1]; a.pad(4611686018427387904, [1, 2, 3, 4]);",
        "let s = \"\"; for i in 0..100000 { s += \"xxxxxxxxxxxxxxxx\"; }",
        "rows.map(|row| { loop { } })",
        "rows.sort(|a, b| { loop { } });",
        "let f = |f| f.call(f); f.call(f)",
        "let s = \"\"; s.pad(2000000000, 'x');",
        "let m = #{}; for i in 0..1000000 { m[i.to_string()] = i; }",
        "for i in 0..9223372036854775807 { }",
        "update(key, state, rows, now)",
        "let f = Fn(\"update\"); f.call(key, state, rows, now)",
        "let a = []; for i in 0..900 { a = [#{ a: a }]; } let b = a; if a == b { a.to_string() } state = a;",
    ] {
        let error = run(body, &[]).unwrap_err();
        assert!(error.limit || error.message.contains("nests deeper") || error.message.contains("at most"), "{body}: {error}");
    }
}

#[test]
fn scripts_see_nothing_of_the_world() {
    for body in ["timestamp()", "rand()", "sleep(1)", "parse_json(\"1\")", "open(\"/etc/passwd\")", "print(now); debug(now); exit()"] {
        assert!(run(body, &[]).unwrap_err().message.starts_with("Function not found"), "{body}");
    }
    for text in ["fn f() { eval(\"1\") }", "import \"x\" as y;", "fn f() { unknown }", "fn f( { }", "fn f() { let x = ; }"] {
        let error = Script::compile(text).unwrap_err();
        assert!(error.place.is_some(), "{text}: {error}");
    }
    assert!(Script::compile(&"/".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().message.contains("at most 65536"));
    let nested = format!("fn f() {{ {}1{} }}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(Script::compile(&nested).is_err());
}

#[test]
fn a_fault_of_the_interpreter_is_an_error() {
    let error = run("state = 1; panic()", &[]).unwrap_err();
    assert!(error.limit && error.message.starts_with("the interpreter failed"), "{error}");
}

/// Names of functions and operators that scripts can call, natively implemented.
const NATIVE: &str = "! != % & * ** + += - / < << <= == > >= ^ | E PI abs acos acosh all append as_string asin asinh atan atanh bits blob bytes \
    ceiling chars chop clear contains cos cosh crop dedup drain end ends_with exp extract fill_with filter find find_map floor for_each \
    fraction get get_bits hypot index_of insert int is_empty is_finite is_infinite is_nan is_zero keys len ln log make_lower make_upper \
    map max merge min mixin name order order_by pad parse_be_float parse_be_int parse_float parse_int parse_le_float parse_le_int pop push \
    range reduce reduce_rev remove repeat replace retain reverse round set set_bits shift sign sin sinh some sort sort_by sort_desc splice \
    split split_at split_rev sqrt start starts_with sub_string tan tanh to_array to_binary to_blob to_chars to_debug to_decimal to_degrees to_float \
    to_hex to_int to_json to_lower to_octal to_radians to_string to_upper trim truncate values write_be write_le write_utf8 zip timeout_at \
    timeout_after no_timeout millis seconds minutes hours days format_time is_null";

#[test]
fn no_function_panics_or_runs_on_whatever_it_is_given() {
    let script = Script::compile(
        "fn none(f) { Fn(f).call() } fn one(f, a) { Fn(f).call(a) } fn two(f, a, b) { Fn(f).call(a, b) }
         fn three(f, a, b, c) { Fn(f).call(a, b, c) } fn make() { [|x| x, |x, y| y, 0..9223372036854775807, -5..=3, 1e300 * 1e300, [3, \"x\", 1.5, [1]], #{ a: 1 }] }",
    );
    let script = script.unwrap();
    let call = |name: &str, args: Vec<Dynamic>| {
        script.budget.begin(limits::OPERATIONS_MAX);
        script.timeouts.begin(0, true);
        script.call(name, args)
    };
    let mut values = call("make", Vec::new()).unwrap().into_array().unwrap();
    values.extend([0i64, 3, -1, i64::MAX, i64::MIN].map(Dynamic::from));
    values.extend([1e300.into(), "".into(), "1ä€".into(), 'x'.into(), Dynamic::UNIT]);
    values.push(Dynamic::from_blob(vec![1, 2, 255]));
    let (mut calls, mut good) = (0, 0);
    let mut try_it = |args: &[&Dynamic], function: &str| {
        let with = ["none", "one", "two", "three"][args.len()];
        let args = std::iter::once(Dynamic::from(function.to_owned())).chain(args.iter().map(|arg| (*arg).clone()));
        let result = call(with, args.collect());
        (calls, good) = (calls + 1, good + u32::from(result.is_ok()));
        let text = result.err().map(|error| error.message).unwrap_or_default();
        assert!(!text.contains("the interpreter failed"), "{function}: {text}");
    };
    for function in NATIVE.split_whitespace() {
        try_it(&[], function);
        for a in &values {
            try_it(&[a], function);
            for (index, b) in values.iter().enumerate() {
                try_it(&[a, b], function);
                // Positions and lengths.
                if index % 7 == 0 {
                    [7, 10, 13].into_iter().for_each(|c| try_it(&[a, &values[c], b], function));
                }
            }
        }
    }
    assert!(calls > 30_000 && good > 400, "{good} of {calls} calls");
}

#[test]
fn state_within_itself_is_a_copy() {
    let updated =
        run("state = #{ n: 1 }; state.me = state; state.me.me = state; let f = || state; state.list = [state, #{ s: state }];", &[]);
    let text = String::from_utf8_lossy(&updated.unwrap().state).into_owned();
    assert!(text.contains("list") && text.contains("me"));
}

#[test]
fn scalar_functions_take_and_give_values() {
    let script = Script::compile("fn dew_point(t, h) { if h <= 0 { return (); } t - (100.0 - h) / 5.0 }\nfn bad(x) {\n  x / 0\n}").unwrap();
    let double = |x| (Value::Double(x), &DataType::Double);
    assert_eq!(script.call_scalar("dew_point", &[double(20.0), double(50.0)], &DataType::Double), Ok(Value::Double(10.0)));
    assert_eq!(script.call_scalar("dew_point", &[double(20.0), double(0.0)], &DataType::Double), Ok(Value::Null));
    let error = script.call_scalar("bad", &[(Value::Int(1), &DataType::Int)], &DataType::Int).unwrap_err();
    assert_eq!((error.place, error.message.as_str()), (Some((3, 5)), "Division by zero: 1 / 0"));
    assert!(script.call_scalar("dew_point", &[double(20.0), (Value::Null, &DataType::Double)], &DataType::Double).is_err());
    assert_eq!(script.check_function("dew_point", &["t", "h"]), Ok(()));
    assert_eq!(
        script.check_function("dew_point", &["t"]).unwrap_err(),
        "`dew_point` has 2 parameters in the script, but fn dew_point(t) is needed"
    );
    assert_eq!(script.check_function("dew", &["t"]).unwrap_err(), "the script has no function fn dew(t)");
}

/// One call of a native function must not be work without measure.
#[test]
fn what_works_on_much_counts_for_much() {
    let operations = |body: &str| {
        let setup = "let s = \"\"; s.pad(16000, \"ö\"); let m = #{}; for i in 0..900 { m[`k${i}`] = i; }";
        let script = Script::compile(&format!("fn f() {{ {setup} for i in 0..20 {{ {body} }} }}")).unwrap();
        script.budget.begin(1_000_000);
        let result = script.call("f", Vec::new());
        assert!(result.is_ok(), "{body}: {result:?}");
        1_000_000 - script.budget.left()
    };
    let nothing = operations("let t = s;");
    for body in ["s.crop(0);", "s.sub_string(5);", "s.sub_string(1..=3);", "s.to_upper();", "s.make_lower();", "s.replace('ö', 'ü');"] {
        assert!(operations(body) > nothing + 20 * 32_000 / 128, "{body}");
    }
    for body in ["m + m;", "m.mixin(m);", "m.fill_with(m);", "m += m;"] {
        assert!(operations(body) > nothing + 20 * 1_800 / 4, "{body}");
    }
}

#[test]
fn nothing_larger_than_the_limits_is_made() {
    for body in [
        "let s = \"\"; s.pad(30000, \"x\"); s.replace(\"x\", s);",
        "let s = \"\"; s.pad(30000, \"x\"); s.replace('x', s);",
        "let s = \"\"; s.pad(30000, \"x\"); s.replace(\"\", s);",
        "let s = \"\"; s.pad(30000, \"x\"); loop { s.sub_string(0); }",
        "let s = \"\"; s.pad(30000, \"x\"); loop { s.crop(0); }",
        "let s = \"\"; s.pad(30000, \"x\"); while true { try { s.to_upper(); } catch { } }",
    ] {
        let error = run(body, &[]).unwrap_err();
        assert!(error.limit, "{body}: {error}");
    }
}
