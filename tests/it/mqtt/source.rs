//! The source's driver: delivery, acknowledgement and proof, redelivery, reconnecting, bounds, TLS, goodbye.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tidemill::mqtt::{Secret, TlsSettings};

use super::*;
use crate::support::mosquitto::MosquittoOptions;
use crate::support::proxy::Proxy;

#[tokio::test]
async fn what_is_acknowledged_and_proven_does_not_come_again() {
    for protocol in BOTH {
        let broker = Mosquitto::running();
        let mut source = Source::start(source_settings(broker.port(), protocol));
        assert_eq!(source.connected().await, (1, false));
        assert_eq!(source.subscribed().await, ["1 sensors/#"]);
        let mut device = Device::connect(&broker);
        device.publish_numbers(0..5);
        device.publish(0, b"unsure");
        let (connection, messages) = source.messages(6).await;
        assert_eq!(texts(&messages)[..5], numbers(0..5));
        assert_eq!(messages.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((messages[5].qos, &messages[5].topic[..]), (0, &b"sensors/1/climate"[..]));
        source.acknowledge(connection, 3);
        source.proven(3).await;
        source.acknowledge(connection, 6);
        source.proven(6).await;
        source.pause(true);
        assert_eq!(source.disconnected().await, "disconnected by us");
        device.publish(1, b"meanwhile");
        source.pause(false);
        assert_eq!(source.connected().await, (2, true), "the session was kept");
        let (_, messages) = source.messages(1).await;
        assert_eq!((text(&messages[0]), messages[0].seq, messages[0].dup), ("meanwhile".to_owned(), 1, false));
        source.shut_down().await;
    }
}

#[tokio::test]
async fn a_cut_before_the_acknowledgement_brings_repeats() {
    for protocol in BOTH {
        let broker = Mosquitto::running();
        let proxy = Proxy::start(broker.port());
        let mut source = Source::start(source_settings(proxy.port(), protocol));
        source.subscribed().await;
        Device::connect(&broker).publish_numbers(0..4);
        let (connection, first) = source.messages(4).await;
        source.acknowledge(connection, 2);
        source.proven(2).await;
        proxy.cut();
        source.disconnected().await;
        assert_eq!(source.connected().await, (2, true));
        let (connection, again) = source.messages(2).await;
        assert_eq!(texts(&again), ["2", "3"]);
        for (first, again) in first[2..].iter().zip(&again) {
            assert!(again.dup && !first.dup);
            assert_eq!(again.packet_id, first.packet_id);
        }
        source.acknowledge(connection - 1, 2);
        source.acknowledge(connection, 2);
        source.proven(2).await;
        source.shut_down().await;
    }
}

#[tokio::test]
async fn a_broker_that_restarts_is_found_again() {
    for protocol in BOTH {
        let mut broker = Mosquitto::running();
        let mut source = Source::start(source_settings(broker.port(), protocol));
        source.subscribed().await;
        Device::connect(&broker).publish_numbers(0..3);
        let (_, first) = source.messages(3).await;
        broker.stop();
        let reason = source.disconnected().await;
        assert!(reason.contains("broker"), "{reason}");
        assert!(source.warning().await.contains(&reason));
        broker.start();
        assert_eq!(source.connected().await, (2, true));
        let (connection, again) = source.messages(3).await;
        assert_eq!(texts(&first), texts(&again));
        assert!(again.iter().zip(&first).all(|(again, first)| again.dup && again.packet_id == first.packet_id));
        source.acknowledge(connection, 3);
        source.proven(3).await;
        source.shut_down().await;
    }
}

#[tokio::test]
async fn a_broker_that_is_down_at_start_is_waited_for() {
    let mut broker = MosquittoOptions::new().stopped();
    let mut source = Source::start(source_settings(broker.port(), Protocol::V5));
    let warning = source.warning().await;
    assert!(warning.contains(&format!("cannot reach localhost:{}", broker.port())), "{warning}");
    broker.start();
    assert_eq!(source.next().await, SourceEvent::Connected { connection: 1, resumed: false }, "said once, and quiet until it changed");
    source.shut_down().await;
}

#[tokio::test]
async fn refused_credentials_are_told_and_tried_again() {
    for protocol in BOTH {
        let broker = MosquittoOptions::new().user("barn", "hay").start();
        let mut settings = source_settings(broker.port(), protocol);
        settings.broker.username = Some("barn".to_owned());
        settings.broker.password = Some(Secret("straw".to_owned()));
        let mut source = Source::start(settings.clone());
        let warning = source.warning().await;
        assert!(warning.contains("the broker refuses the connection: not authorised"), "{warning}");
        let refusals = || broker.log().matches("not authorised").count();
        let deadline = std::time::Instant::now() + PATIENCE;
        while refusals() < 2 {
            assert!(std::time::Instant::now() < deadline, "tried again in time: {}", broker.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(source.events.try_recv().is_err(), "said once");
        source.shut_down().await;
        settings.broker.password = Some(Secret("hay".to_owned()));
        let mut source = Source::start(settings);
        source.subscribed().await;
        source.shut_down().await;
    }
}

#[tokio::test]
async fn speaks_tls_to_whom_the_ca_file_vouches_for() {
    let broker = MosquittoOptions::new().tls().start();
    let other = MosquittoOptions::new().tls().stopped();
    let with_ca = |port: u16, ca_file: PathBuf| {
        let mut settings = source_settings(port, Protocol::V5);
        settings.broker.tls = Some(TlsSettings { ca_file: Some(ca_file) });
        settings
    };
    let mut source = Source::start(with_ca(broker.tls_port(), broker.ca_file()));
    source.subscribed().await;
    let mut device = Device::connect(&broker);
    device.publish_numbers(0..300);
    let (connection, mut messages) = source.messages(1).await;
    while messages.len() < 300 {
        // Mosquitto sends 20 at a time on its own terms: acknowledging brings the next.
        source.acknowledge(connection, messages.len() as u64);
        messages.extend(source.messages(1).await.1);
    }
    assert_eq!(texts(&messages), numbers(0..300));
    source.acknowledge(connection, 300);
    source.proven(300).await;
    source.shut_down().await;

    let no_file = PathBuf::from("/nowhere/ca.pem");
    for (settings, expected) in [
        (with_ca(broker.tls_port(), other.ca_file()), "is not signed by ca_file"),
        (with_ca(broker.port(), broker.ca_file()), "is it the port for mqtt://"),
        (with_ca(broker.tls_port(), no_file), "cannot read ca_file /nowhere/ca.pem"),
    ] {
        let mut source = Source::start(settings);
        let warning = source.warning().await;
        assert!(warning.contains(expected), "{warning}");
        source.shut_down().await;
    }
}

#[tokio::test]
async fn reads_no_more_than_the_core_has_room_for() {
    const COUNT: usize = 6000;
    let broker = MosquittoOptions::new().config("max_inflight_messages 0").start();
    let mut settings = source_settings(broker.port(), Protocol::V5);
    settings.intake_bytes_max = 100_000;
    let mut source = Source::start(settings);
    source.subscribed().await;
    let mut device = Device::connect(&broker);
    for _ in 0..COUNT {
        device.publish(1, &[b'x'; 900]);
    }
    // One message costs 900 + 17 + 64 bytes; the last read may go over by what it brought.
    let most = (100_000 + 64 * 1024 + 8 * 1024) / 981;
    let (mut received, mut connection) = (0, 0);
    loop {
        let quiet = Duration::from_millis(300);
        let Ok(Some((_, event))) = tokio::time::timeout(quiet, source.events.recv()).await else { break };
        if let SourceEvent::Messages { messages, bytes, connection: number } = event {
            assert_eq!(bytes, messages.len() * 981);
            (received, connection) = (received + messages.len(), number);
        }
    }
    assert!(received > 50 && received <= most, "{received} of at most {most}");
    while received < COUNT {
        source.acknowledge(connection, received as u64);
        received += source.messages(1).await.1.len();
    }
    source.acknowledge(connection, received as u64);
    source.proven(COUNT as u64).await;
    source.shut_down().await;
}

#[tokio::test]
async fn a_source_that_has_taken_more_than_its_rate_connects_again_at_once() {
    let broker = Mosquitto::running();
    let mut settings = source_settings(broker.port(), Protocol::V4);
    settings.rate_max = Some(0.01);
    let mut source = Source::start(settings);
    source.subscribed().await;
    Device::connect(&broker).publish_numbers(0..2);
    source.messages(1).await;
    source.pause(true);
    source.disconnected().await;
    source.pause(false);
    assert_eq!(source.connected().await, (2, true), "the next message is a hundred seconds away, the broker is not");
    source.shut_down().await;
}

#[tokio::test]
async fn oversized_payloads_are_skipped_and_acknowledged() {
    for protocol in BOTH {
        let broker = Mosquitto::running();
        let mut source = Source::start(source_settings(broker.port(), protocol));
        source.subscribed().await;
        let mut device = Device::connect(&broker);
        device.publish(1, &vec![b'x'; 3_000_000]);
        device.publish(1, b"small");
        let (connection, messages) = source.messages(2).await;
        assert_eq!(texts(&messages), ["3000000 bytes", "small"]);
        assert_eq!(&messages[0].topic[..], b"sensors/1/climate");
        source.acknowledge(connection, 2);
        source.proven(2).await;
        source.shut_down().await;
    }
}

#[tokio::test]
async fn a_second_gateway_by_the_same_name_is_suspected() {
    let broker = Mosquitto::running();
    let mut source = Source::start(source_settings(broker.port(), Protocol::V5));
    // This Mosquitto closes without a reason code, so once is not enough.
    for expected in ["closed by the broker", "does another gateway use the client id \"barn-readings\"?"] {
        source.connected().await;
        let _other = Client::connect(broker.address(), Version::V5, "barn-readings", false).expect("the broker accepts");
        let warning = source.warning().await;
        assert!(warning.contains(expected), "{warning}");
    }
    source.shut_down().await;
}

#[tokio::test]
async fn retained_messages_come_once() {
    for protocol in BOTH {
        let broker = Mosquitto::running();
        let retained = Publish { topic: "sensors/state".to_owned(), payload: b"ON".to_vec(), retain: true, ..Publish::default() };
        Device::connect(&broker).0.publish(&retained).expect("written");
        let mut source = Source::start(source_settings(broker.port(), protocol));
        let stored = source.subscribed().await;
        let (connection, messages) = source.messages(1).await;
        assert!(messages[0].retain);
        source.acknowledge(connection, 1);
        source.shut_down().await;
        let mut source = Source::start(SourceDriverSettings { stored_filters: stored, ..source_settings(broker.port(), protocol) });
        assert!(source.connected().await.1);
        source.subscribed().await;
        Device::connect(&broker).publish(1, b"live");
        let (_, messages) = source.messages(1).await;
        assert_eq!((texts(&messages), messages[0].retain), (vec!["live".to_owned()], false));
        source.shut_down().await;
    }
}

#[tokio::test]
async fn a_removed_filter_is_unsubscribed() {
    for protocol in BOTH {
        let broker = Mosquitto::running();
        let subscription = |filter: &str| Subscription { filter: filter.to_owned(), qos: 1 };
        let mut settings = source_settings(broker.port(), protocol);
        settings.subscriptions.push(subscription("old/#"));
        let mut source = Source::start(settings.clone());
        let stored = source.subscribed().await;
        source.shut_down().await;
        settings.subscriptions.pop();
        settings.stored_filters = stored;
        let mut source = Source::start(settings);
        assert_eq!(source.subscribed().await, ["1 sensors/#"]);
        let mut device = Device::connect(&broker);
        let gone = Publish { topic: "old/1".to_owned(), payload: b"gone".to_vec(), ..Publish::default() };
        device.0.publish(&gone).expect("written");
        device.publish(1, b"wanted");
        assert_eq!(texts(&source.messages(1).await.1), ["wanted"]);
        source.shut_down().await;
    }
}

#[tokio::test]
async fn shutting_down_writes_what_was_acknowledged() {
    let broker = Mosquitto::running();
    let mut source = Source::start(source_settings(broker.port(), Protocol::V4));
    let stored = source.subscribed().await;
    let mut device = Device::connect(&broker);
    device.publish_numbers(0..15);
    let (connection, _) = source.messages(15).await;
    // Input that nobody takes lies in the socket as we leave.
    device.publish_numbers(15..18);
    source.acknowledge(connection, 15);
    source.shut_down().await;
    let mut source = Source::start(SourceDriverSettings { stored_filters: stored, ..source_settings(broker.port(), Protocol::V4) });
    let (_, messages) = source.messages(3).await;
    let unique: BTreeSet<String> = texts(&messages).into_iter().collect();
    assert_eq!(unique, numbers(15..18).into_iter().collect());
    source.shut_down().await;
}

#[tokio::test]
async fn a_core_that_is_gone_ends_the_source() {
    let broker = Mosquitto::running();
    let mut source = Source::start(source_settings(broker.port(), Protocol::V4));
    source.subscribed().await;
    drop(source.control);
    tokio::time::timeout(PATIENCE, source.task).await.expect("ends in time").expect("ends well");
}
