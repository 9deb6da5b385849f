//! A central broker that refuses single messages, or all of them.

use super::*;
use crate::support::stored::Stored;

fn number(message: &Publish) -> u64 {
    serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap()["number"].as_u64().unwrap()
}

/// How often the result was sent.
fn attempts(world: &World, wanted: u64) -> usize {
    world.central.received().iter().filter(|(message, _)| number(message) == wanted).count()
}

#[test]
fn a_refused_result_is_tried_again_and_then_given_up() {
    let answer = |message: &Publish, attempt: usize| match number(message) {
        3 => 0x83,
        4 => 0x87,
        5 if attempt < 3 => 0x97,
        _ => 0,
    };
    let mut world = World::start(&Keys::default(), Script { answer: Box::new(answer), ..Script::new(VERSION) });
    world.publish_numbers(0..10, 1);
    world.wait_for_numbers(5..10);
    let given_up = wait_until(PATIENCE, || attempts(&world, 3) == 3 && attempts(&world, 4) == 3);
    assert!(given_up, "{}", world.gateway.log());
    world.stop();
    // The cursor is past them: a new start sends none of them again.
    let received = world.central.received().len();
    world.gateway.start();
    world.publish_numbers(10..11, 1);
    world.wait_for_numbers(10..11);
    world.stop();
    assert_eq!(world.central.received().len(), received + 1);
    let mut accepted = world.accepted_numbers();
    accepted.sort_unstable();
    assert_eq!(accepted, [0, 1, 2, 5, 6, 7, 8, 9, 10]);
    assert_eq!((attempts(&world, 3), attempts(&world, 4), attempts(&world, 5)), (3, 3, 3));
    let letters = Stored::open(&world.data_dir).dead_letters();
    assert_eq!(letters.len(), 2, "{letters:?}");
    for (wanted, code) in [(3, "0x83"), (4, "0x87")] {
        let letter = letters.iter().find(|letter| letter["reason"].as_str().unwrap().contains(code)).unwrap();
        assert_eq!((&letter["sink"], &letter["topic"]), (&"central".into(), &"out/a".into()));
        assert!(letter["payload"].as_str().unwrap().contains(&format!("\"number\":{wanted}")), "{letter}");
    }
}

#[test]
fn results_that_are_all_refused_for_want_of_rights_are_held() {
    // One time more than a single result is tried.
    let answer = |_: &Publish, attempt: usize| if attempt <= 3 { 0x87 } else { 0 };
    let mut world = World::start(&Keys::default(), Script { answer: Box::new(answer), ..Script::new(VERSION) });
    world.publish_numbers(0..5, 1);
    world.gateway.wait_for_log("all results are refused so");
    world.wait_for_numbers(0..5);
    world.stop();
    assert_eq!(world.accepted_numbers().len(), 5);
    assert_eq!(world.gateway.log().matches("all results are refused so").count(), 1, "{}", world.gateway.log());
    assert_eq!(Stored::open(&world.data_dir).dead_letters(), [] as [serde_json::Value; 0]);
}

#[test]
fn a_broker_that_takes_nothing_of_the_sink_as_it_is_set_is_waited_for() {
    // Maximum QoS 0; no retained messages.
    for (properties, sink, said) in
        [([0x24, 0], "", "the broker takes no QoS above 0"), ([0x25, 0], "retain = true", "the broker keeps no retained messages")]
    {
        let script = Script { properties: properties.to_vec(), restricted: Some(3), ..Script::new(VERSION) };
        let mut world = World::start(&Keys { sink, ..Keys::default() }, script);
        world.publish_numbers(0..5, 1);
        world.wait_for_numbers(0..5);
        world.stop();
        assert_eq!(world.accepted_numbers(), [0, 1, 2, 3, 4]);
        assert_eq!(world.gateway.log().matches(said).count(), 1, "{}", world.gateway.log());
        assert_eq!(Stored::open(&world.data_dir).dead_letters(), [] as [serde_json::Value; 0]);
    }
}

#[test]
fn a_connection_that_comes_and_goes_is_told_of_once() {
    let mut world = World::start(&Keys::default(), Script { cut: 5, ..Script::new(VERSION) });
    let through = wait_until(PATIENCE, || world.central.connections() > 5);
    assert!(through, "{}", world.gateway.log());
    world.publish_numbers(0..1, 1);
    world.wait_for_numbers(0..1);
    world.stop();
    let log = world.gateway.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("results wait in the outbox")).collect();
    assert_eq!(warnings.len(), 2, "that it was lost, and what may be the reason: {log}");
    assert!(warnings[1].contains("does another gateway use the client id"), "{log}");
}

#[test]
fn a_result_that_the_broker_cannot_take_is_given_up_at_once() {
    // Maximum packet size: 1,000.
    let properties = [&[0x27][..], &1_000_u32.to_be_bytes()].concat();
    let mut world = World::start(&Keys::default(), Script { properties, ..Script::new(VERSION) });
    world.publish_numbers(0..1, 1);
    world.publish_numbers(1..2, 2_000);
    world.publish_numbers(2..3, 1);
    world.wait_for_numbers(2..3);
    world.wait_acknowledged(3);
    world.stop();
    assert_eq!((world.accepted_numbers(), attempts(&world, 1)), (vec![0, 2], 0));
    let letters = Stored::open(&world.data_dir).dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["reason"].as_str().unwrap().contains("1000 bytes"), "{}", letters[0]);
}
