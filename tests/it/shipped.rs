//! The files that ship, and the examples of the documentation: each of them works.

use std::time::Duration;

use crate::config::{good, root};
use crate::support::client::Client;
use crate::support::mosquitto::{Mosquitto, MosquittoOptions};
use crate::support::packet::{Incoming, Publish, Version};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The TOML blocks of the documentation, the first being a whole configuration and the others made to be laid over it.
fn documented_blocks() -> Vec<String> {
    let document = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let blocks = document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

#[test]
fn every_documented_example_is_right() {
    let blocks = documented_blocks();
    assert!(blocks.len() >= 6);
    good(&[&blocks[0]]);
    for block in &blocks[1..] {
        good(&[&blocks[0], block]);
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let blocks = documented_blocks();
    let written_out = good(&[&blocks[0], blocks.last().unwrap()]);
    assert_eq!(format!("{:#?}", good(&[&blocks[0]])), format!("{written_out:#?}"));
}

#[test]
fn the_shipped_gateway_config_is_right() {
    let text = std::fs::read_to_string(root().join("configs/gateway.toml")).unwrap();
    let settings = good(&[&text]);
    assert_eq!(settings.warnings, [""; 0]);
    let tidemill::config::settings::SourceKind::Mqtt(source) = &settings.sources[0].kind;
    assert_eq!(
        (source.broker.host.as_str(), source.broker.tls.is_none(), source.filters.as_slice()),
        ("localhost", true, ["sensors/+/climate".to_owned()].as_slice())
    );
}

/// With the shipped limits twice Mosquitto's default queue waits for a client that is away, outlives a restart, and comes without one acknowledgement.
#[test]
fn mosquitto_keeps_what_waits() {
    const MESSAGES: u16 = 2_000;
    let text = std::fs::read_to_string(root().join("configs/mosquitto.conf")).unwrap();
    let mut broker = MosquittoOptions::new().config(&text).start();
    let connect = |broker: &Mosquitto, id, clean| Client::connect(broker.address(), Version::V5, id, clean).unwrap();
    let mut subscriber = connect(&broker, "subscriber", false);
    subscriber.subscribe("sensors/#", 1).unwrap();
    subscriber.disconnect().unwrap();

    let mut publisher = connect(&broker, "publisher", true);
    for packet_id in 1..=MESSAGES {
        let payload = packet_id.to_string().into_bytes();
        publisher.publish(&Publish { topic: "sensors/a".to_owned(), payload, qos: 1, packet_id, ..Publish::default() }).unwrap();
        assert!(matches!(publisher.receive(ANSWER_TIMEOUT).unwrap(), Some(Incoming::PubAck { .. })));
    }
    broker.restart();

    let mut subscriber = connect(&broker, "subscriber", false);
    assert!(subscriber.session_present());
    for number in 1..=MESSAGES {
        match subscriber.receive(ANSWER_TIMEOUT).unwrap() {
            Some(Incoming::Publish(message)) => assert_eq!(message.payload, number.to_string().into_bytes()),
            other => panic!("after {} messages: {other:?}", number - 1),
        }
    }
}
