//! How benchmarks read what they are called with, by `cargo bench` and by `cargo test`.

#[path = "../../benches/measure/call.rs"]
mod call;

use call::Call;

fn called(arguments: &[&str]) -> Call {
    Call::of(arguments.iter().map(|argument| (*argument).to_owned()))
}

#[test]
fn words_after_cargo_bench_are_the_benchmarks_own() {
    // Cargo puts its own word last.
    let named = called(&["queries", "--bench"]);
    assert!(!named.is_for_others("engine") && named.has("queries") && !named.is_quick());
    let small = called(&["--rows", "7", "--quick", "--bench"]);
    assert!(!small.is_for_others("engine") && small.is_quick());
    assert_eq!(small.number("--rows"), Some(7));
}

#[test]
fn cargo_test_runs_a_benchmark_small_and_only_where_it_is_asked_for() {
    assert!(Call::of_process().is_quick(), "cargo never calls tests as it calls benchmarks");
    for (arguments, is_for_others) in [
        (&[][..], false),
        (&["engine"], false),
        (&["eng"], false),
        (&["some::test"], true),
        (&["--list"], true),
        (&["-q", "--nocapture"], false),
    ] {
        assert_eq!(called(arguments).is_for_others("engine"), is_for_others, "{arguments:?}");
        assert!(called(arguments).is_quick());
    }
}
