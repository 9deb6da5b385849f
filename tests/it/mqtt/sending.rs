//! The publisher over a real connection: how a sink's driver is put together, and that nothing is lost or doubled where nothing breaks.

use std::io;
use std::time::Instant;

use tidemill::mqtt::driver::{Progress, Wire};
use tidemill::mqtt::{PublishRefused, Publisher, PublisherEvent};

use super::*;
use crate::support::mosquitto::MosquittoOptions;

/// Publishes `count` messages and returns the tokens in the order in which they were acknowledged.
async fn send(broker: BrokerSettings, count: u64, qos: u8) -> io::Result<Vec<u64>> {
    let began = Instant::now();
    let now_us = || began.elapsed().as_micros() as u64;
    let mut wire = Wire::connect(&broker).await.map_err(io::Error::other)?;
    let mut publisher = Publisher::new(broker);
    publisher.start(1, now_us());
    let (mut next, mut acknowledged) = (0, Vec::new());
    while (acknowledged.len() as u64) < count {
        while next < count && publisher.free_window() > 0 {
            let seq = next.to_string();
            publisher.publish(next, "out/climate", seq.as_bytes(), &[("seq", &seq)], false, qos, now_us()).map_err(io::Error::other)?;
            next += 1;
        }
        if wire.progress(publisher.output(), true).await? == Progress::Read {
            publisher.receive(&mut wire.input, now_us());
        }
        while let Some(event) = publisher.poll_event() {
            match event {
                PublisherEvent::Connected => {}
                PublisherEvent::Acknowledged { token } => acknowledged.push(token),
                other => return Err(io::Error::other(format!("{other:?}"))),
            }
        }
    }
    publisher.disconnect();
    wire.close(publisher.output(), PATIENCE).await;
    Ok(acknowledged)
}

#[tokio::test]
async fn everything_arrives_once_and_in_order() {
    const COUNT: u64 = 1000;
    for protocol in BOTH {
        for qos in [0, 1] {
            let broker = Mosquitto::running();
            let version = if protocol == Protocol::V5 { Version::V5 } else { Version::V4 };
            let mut consumer = Client::connect(broker.address(), version, "consumer", true).expect("the broker accepts");
            consumer.subscribe("out/#", qos).expect("granted");
            let sent = send(broker_settings(broker.port(), protocol, "barn-central"), COUNT, qos).await.expect("sent");
            assert_eq!(sent, (0..COUNT).collect::<Vec<_>>());
            for number in 0..COUNT {
                let Some(Incoming::Publish(message)) = consumer.receive(PATIENCE).expect("it comes") else { panic!("{number} is missing") };
                assert_eq!(message.payload, number.to_string().as_bytes());
                let properties = if protocol == Protocol::V5 { vec![("seq".to_owned(), number.to_string())] } else { vec![] };
                assert_eq!(message.user_properties, properties);
                if qos > 0 {
                    consumer.acknowledge(message.packet_id).expect("written");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_brokers_limits_are_known() {
    let broker = MosquittoOptions::new().config("max_packet_size 200\nmax_inflight_messages 7").start();
    let settings = broker_settings(broker.port(), Protocol::V5, "barn-central");
    let mut wire = Wire::connect(&settings).await.expect("connected");
    let mut publisher = Publisher::new(settings);
    publisher.start(1, 0);
    while !publisher.is_open() {
        if wire.progress(publisher.output(), true).await.expect("the broker answers") == Progress::Read {
            publisher.receive(&mut wire.input, 0);
        }
    }
    assert_eq!(publisher.publish(0, "out", &[0; 200], &[], false, 1, 0), Err(PublishRefused::TooLarge { limit: 200 }));
    assert_eq!(publisher.free_window(), 7);
}
