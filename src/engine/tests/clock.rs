//! Watermarks that follow the clock while sources are idle, and deadlines.

use super::*;

const QUERY: &str = "SELECT window.start AS start, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')";

fn idle(engine: &mut Engine, seconds: i64, synchronised: bool) -> StepOutput {
    let mut batch = batch(&[], seconds);
    batch.stamp.synchronised = synchronised;
    engine.step(&batch)
}

#[test]
fn the_clock_closes_the_last_window_of_an_idle_source() {
    let mut engine = engine(OutputMode::Append, QUERY);
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), None);
    step(&mut engine, &[reading(1.0, "a", 1.0), reading(12.0, "a", 1.0)]);
    // Window end 10, delay 10, idle timeout 5.
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), Some(25 * SECOND));
    assert_eq!(engine.next_deadline(&[Some(60 * SECOND); 2], true), Some(60 * SECOND));
    assert_eq!(engine.next_deadline(&[None; 2], true), None);
    assert_eq!(engine.next_deadline(&[Some(0); 2], false), None);
    assert!(idle(&mut engine, 24, true).is_empty());
    assert!(idle(&mut engine, 25, false).is_empty());
    let output = idle(&mut engine, 25, true);
    assert_eq!(shown(&output), ["0s 1"]);
    assert!(!output.state.is_empty());
    assert_eq!(engine.status()[0].watermark_us, Some(10 * SECOND));
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), Some(35 * SECOND));
    assert!(idle(&mut engine, 26, true).is_empty());
    assert_eq!(shown(&idle(&mut engine, 36, true)), ["10s 1"]);
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), None);
    assert!(idle(&mut engine, 1000, true).is_empty());
}

#[test]
fn a_source_that_is_not_idle_waits() {
    let mut engine = engine(OutputMode::Append, QUERY);
    step(&mut engine, &[reading(1.0, "a", 1.0)]);
    let mut busy = batch(&[], 1000);
    busy.inputs.iter_mut().for_each(|input| input.idle = false);
    assert!(engine.step(&busy).is_empty());
    busy.inputs.clear();
    assert!(engine.step(&busy).is_empty());
}

#[test]
fn stream_time_follows_the_clock_unsynchronised_too() {
    let text = "SELECT window.start AS start, count(*) AS n FROM arrivals GROUP BY window(_arrived, '10 seconds')";
    let mut engine = engine(OutputMode::Append, text);
    step(&mut engine, &[reading(1.0, "a", 1.0)]);
    assert_eq!(engine.next_deadline(&[Some(0); 2], false), Some(25 * SECOND));
    assert_eq!(shown(&idle(&mut engine, 25, false)), ["0s 1"]);
}

#[test]
fn the_clock_has_no_say_in_update_mode() {
    let mut engine = engine(OutputMode::Update, QUERY);
    step(&mut engine, &[reading(1.0, "a", 1.0)]);
    assert_eq!(engine.next_deadline(&[Some(0); 2], true), None);
    assert!(idle(&mut engine, 1000, true).is_empty());
}

#[test]
fn chained_windows_close_by_the_clock_together() {
    let inner = "SELECT window_time(window) AS wt, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds')";
    let outer = "SELECT window.start AS start, sum(n) AS n FROM i GROUP BY window(wt, '20 seconds')";
    let mut engine = Engine::new(&program(&[("i", OutputMode::Append, inner), ("o", OutputMode::Append, outer)]), settings()).unwrap();
    step(&mut engine, &[reading(1.0, "a", 1.0), reading(11.0, "a", 1.0)]);
    let output = idle(&mut engine, 25, true);
    assert_eq!((shown_of(&output, 0).len(), shown_of(&output, 1).len()), (1, 0));
    assert_eq!(shown_of(&idle(&mut engine, 35, true), 1), ["0s 2"]);
}
