//! The files that ship, and the examples of the documentation: each of them works.

use std::time::Duration;

use crate::config::{good, root};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
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
    let tidemill::config::settings::SourceKind::Mqtt(source) = &settings.sources[0].kind else { panic!("not MQTT") };
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

/// The shipped gateway on a real broker: readings of two minutes in, the first minute's result out.
#[test]
fn the_shipped_gateway_config_runs() {
    let broker = Mosquitto::running();
    let text = std::fs::read_to_string(root().join("configs/gateway.toml")).unwrap();
    let mut gateway = Gateway::new(|data_dir| {
        text.replace("localhost:1883", &format!("127.0.0.1:{}", broker.port()))
            .replace("/var/lib/tidemill", &data_dir.display().to_string())
    });
    let mut consumer = Client::connect(broker.address(), Version::V5, "consumer", true).unwrap();
    consumer.subscribe("gateways/+/climate/kitchen", 1).unwrap();
    gateway.start();
    broker.wait_for_subscription("sensors/+/climate");
    let mut sensor = Client::connect(broker.address(), Version::V5, "sensor", true).unwrap();
    // Two readings in one minute, one after its watermark; one that the filter leaves out.
    let readings = [(0, 20.0), (10_000, 22.0), (20_000, 900.0), (120_000, 21.0)];
    for (packet_id, (offset_ms, temperature)) in (1..).zip(readings) {
        let payload = format!(r#"{{"ts": {}, "temperature": {temperature}, "humidity": 48}}"#, 1_767_225_600_000_i64 + offset_ms);
        let topic = "sensors/kitchen/climate".to_owned();
        sensor.publish(&Publish { topic, payload: payload.into_bytes(), qos: 1, packet_id, ..Publish::default() }).unwrap();
    }
    let result = match consumer.receive(ANSWER_TIMEOUT).unwrap() {
        Some(Incoming::Publish(message)) => serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap(),
        other => panic!("{other:?}\n{}", gateway.log()),
    };
    assert_eq!((&result["device"], &result["n"], &result["mean"]), (&"kitchen".into(), &2.into(), &21.0.into()));
    assert!(gateway.stop().success(), "{}", gateway.log());
}

/// The shipped alarm on a real broker: other devices go on, one falls silent, comes back.
#[test]
fn the_shipped_silence_config_runs() {
    let broker = Mosquitto::running();
    let text = std::fs::read_to_string(root().join("configs/silence.toml")).unwrap();
    let script = root().join("configs/silence.rhai");
    let mut gateway = Gateway::new(|data_dir| {
        text.replace("localhost:1883", &format!("127.0.0.1:{}", broker.port()))
            .replace("/var/lib/tidemill", &data_dir.display().to_string())
            .replace("\"silence.rhai\"", &format!("{:?}", script.display().to_string()))
    });
    let mut consumer = Client::connect(broker.address(), Version::V5, "consumer", true).unwrap();
    consumer.subscribe("gateways/+/silence/+", 1).unwrap();
    gateway.start();
    broker.wait_for_subscription("sensors/+/climate");
    let mut sensor = Client::connect(broker.address(), Version::V5, "sensor", true).unwrap();
    let mut packet_id = 0;
    let mut send = |device: &str, seconds: i64| {
        packet_id += 1;
        let payload = format!(r#"{{"ts": {}, "temperature": 20, "humidity": 50}}"#, 1_767_225_600_000_i64 + seconds * 1_000);
        let topic = format!("sensors/{device}/climate");
        sensor.publish(&Publish { topic, payload: payload.into_bytes(), qos: 1, packet_id, ..Publish::default() }).unwrap();
        assert!(matches!(sensor.receive(ANSWER_TIMEOUT).unwrap(), Some(Incoming::PubAck { .. })));
    };
    let mut alarm = |gateway: &Gateway| match consumer.receive(ANSWER_TIMEOUT).unwrap() {
        Some(Incoming::Publish(message)) => serde_json::from_slice::<serde_json::Value>(&message.payload).unwrap(),
        other => panic!("{other:?}\n{}", gateway.log()),
    };
    send("pump", 0);
    send("fan", 5);
    send("fan", 200);
    send("fan", 311);
    let silent = alarm(&gateway);
    assert_eq!((&silent["device"], &silent["silent"]), (&"pump".into(), &true.into()));
    gateway.kill();
    gateway.start();
    send("pump", 320);
    // What was delivered just before the kill may come once more, by the same number.
    let back = std::iter::repeat_with(|| alarm(&gateway)).find(|row| *row != silent).unwrap();
    assert_eq!((&back["device"], &back["silent"]), (&"pump".into(), &false.into()));
    assert!(gateway.stop().success(), "{}", gateway.log());
}
