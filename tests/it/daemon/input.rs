//! What comes in: QoS 0, and what is no reading.

use super::*;
use crate::support::stored::Stored;

#[test]
fn messages_at_qos_0_are_counted() {
    let mut world = World::start(&Keys { source: "qos = 0", ..Keys::default() }, Script::new(VERSION));
    world.publish_numbers(0..20, 10);
    world.wait_for_numbers(0..20);
    assert_eq!(world.acknowledged(), 0, "there is nothing to acknowledge");
    world.stop();
}

#[test]
fn what_is_no_reading_goes_to_the_dead_letters_and_is_acknowledged() {
    let keys = Keys { source: "max_payload = \"4 KiB\"", columns: ", 100 / number AS share", ..Keys::default() };
    let mut world = World::start(&keys, Script::new(VERSION));
    world.publish(b"{\"number\": 1, ");
    world.publish_numbers(2..3, 5_000);
    world.publish_numbers(0..1, 3);
    world.publish_numbers(4..5, 3);
    world.wait_for_numbers(4..5);
    world.wait_acknowledged(4);
    world.stop();
    assert_eq!(world.accepted_numbers(), [4]);
    let letters = Stored::open(&world.data_dir).dead_letters();
    let told: Vec<String> = letters.iter().map(|letter| letter.to_string()).collect();
    assert_eq!(letters.len(), 3, "{told:#?}");
    for (letter, has) in letters.iter().zip([["sensors/a/climate", "readings"], ["sensors/a/climate", "readings"], ["each", "zero"]]) {
        let text = letter.to_string();
        assert!(has.iter().all(|part| text.contains(part)), "{text}");
        assert!(letter["at_ms"].as_i64().unwrap() > 0 && letter["payload"].is_string(), "{text}");
    }
    assert!(
        letters[1]["length"].as_u64().unwrap() > 5_000 && letters[1]["reason"].as_str().unwrap().contains("max_payload"),
        "{}",
        told[1]
    );
}
