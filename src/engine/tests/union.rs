//! Several sources in one query: their rows together, the least of their watermarks.

use super::*;
use crate::plan::Relation;

const COUNTS: &str = "SELECT window.start AS s, count(*) AS n, max(device) AS d FROM readings GROUP BY window(ts, '10 seconds')";

/// The watermarked source, which stands at the bottom of a query's tree.
fn bottom(relation: &mut Relation) -> &mut Relation {
    if matches!(relation, Relation::Watermark { .. }) {
        return relation;
    }
    bottom(relation.inputs_mut().into_iter().next().expect("a watermark stands below"))
}

/// `COUNTS` over both sources, the second one's watermark 20 s behind.
fn both() -> Program {
    let mut program = program(&[("q", OutputMode::Append, COUNTS)]);
    let first = bottom(&mut program.queries[0].root);
    let mut second = first.clone();
    let Relation::Watermark { input, delay_us, .. } = &mut second else { unreachable!() };
    *delay_us = 20 * SECOND;
    let Relation::Scan { source, .. } = &mut **input else { panic!("a source stands below the watermark") };
    *source = 1;
    *first = Relation::Union { inputs: vec![first.clone(), second] };
    program
}

fn input(source: usize, rows: &[Reading], idle: bool) -> SourceInput {
    SourceInput { source, table: table(rows), idle }
}

fn fed(engine: &mut Engine, inputs: Vec<SourceInput>, wall_seconds: i64) -> StepOutput {
    let stamp = Stamp { wall_us: wall_seconds * SECOND, mono_us: 0, synchronised: true };
    engine.step(&Batch { number: 1, stamp, inputs, ..Batch::default() })
}

#[test]
fn rows_of_all_sources_count_and_the_least_watermark_closes() {
    let mut engine = Engine::new(&both(), settings()).unwrap();
    fed(&mut engine, vec![input(0, &[reading(1.0, "a", 1.0), reading(50.0, "a", 1.0)], false)], 0);
    assert_eq!(engine.status()[0].watermark_us, Some(0));
    let output = fed(&mut engine, vec![input(1, &[reading(2.0, "b", 1.0), reading(35.0, "b", 1.0)], false)], 0);
    assert_eq!((shown(&output), engine.status()[0].watermark_us), (vec!["0s 2 b".to_owned()], Some(15 * SECOND)));
}

#[test]
fn an_idle_source_does_not_hold_windows_open() {
    let mut engine = Engine::new(&both(), settings()).unwrap();
    let rows = [reading(1.0, "a", 1.0), reading(21.0, "a", 1.0)];
    assert!(shown(&fed(&mut engine, vec![input(0, &rows, false), input(1, &[], false)], 0)).is_empty());
    assert_eq!(shown(&fed(&mut engine, vec![input(0, &[], false), input(1, &[], true)], 0)), ["0s 1 a"]);
    // Window end 30, the longer delay 20, idle timeout 5.
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), Some(55 * SECOND));
    assert_eq!(engine.next_deadline(&[Some(0), None], true), None);
    assert!(shown(&fed(&mut engine, vec![input(0, &[], true), input(1, &[], true)], 54)).is_empty());
    assert_eq!(shown(&fed(&mut engine, vec![input(0, &[], true), input(1, &[], true)], 55)), ["20s 1 a"]);
}

#[test]
fn each_sources_watermark_outlives_a_restart() {
    let program = both();
    let mut engine = Engine::new(&program, settings()).unwrap();
    let first = fed(&mut engine, vec![input(0, &[reading(1.0, "a", 1.0), reading(50.0, "a", 1.0)], false)], 0);
    let stored: Vec<_> = first.state.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let mut again = Engine::new(&program, settings()).unwrap();
    again.restore(&stored).unwrap();
    let news = || vec![input(1, &[reading(35.0, "b", 1.0)], false)];
    let (expected, output) = (fed(&mut engine, news(), 0), fed(&mut again, news(), 0));
    assert_eq!(shown(&expected), ["0s 1 a"]);
    assert_eq!((shown(&output), output.state), (shown(&expected), expected.state));
}
