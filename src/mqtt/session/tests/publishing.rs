//! The session that sends.

use super::*;
use crate::mqtt::reason::Rejection;
use crate::mqtt::session::{CloseReason, IN_FLIGHT_MAX, PublishRefused, Publisher, PublisherEvent};

fn receive(publisher: &mut Publisher, bytes: &[u8]) -> Vec<PublisherEvent> {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for byte in bytes {
        input.put_u8(*byte);
        publisher.receive(&mut input, 0);
        events.extend(std::iter::from_fn(|| publisher.poll_event()));
    }
    events
}

fn open_with(protocol: Protocol, properties: &[u8]) -> Publisher {
    let mut publisher = Publisher::new(broker_settings(protocol));
    publisher.start(1, 0);
    assert_eq!(receive(&mut publisher, &connack_with(protocol, false, 0, properties)), [PublisherEvent::Connected]);
    publisher.output().clear();
    publisher
}

fn open(protocol: Protocol) -> Publisher {
    open_with(protocol, &[])
}

fn publish(publisher: &mut Publisher, token: u64, qos: u8) -> Result<(), PublishRefused> {
    publisher.publish(token, "out/a", b"{}", &[("seq", "17")], false, qos, 0)
}

fn puback(packet_id: u16, rest: &[u8]) -> Vec<u8> {
    packet(0x40, &[&packet_id.to_be_bytes()[..], rest].concat())
}

#[test]
fn starts_clean_on_each_connection() {
    for protocol in BOTH {
        let mut publisher = Publisher::new(broker_settings(protocol));
        assert_eq!(publish(&mut publisher, 1, 1), Err(PublishRefused::NotConnected));
        publisher.start(1, 0);
        assert_eq!(publisher.output()[9] & 0x02, 0x02, "clean start");
        assert_eq!(publish(&mut publisher, 1, 1), Err(PublishRefused::NotConnected));
        let events = receive(&mut publisher, &connack(protocol, true));
        assert!(matches!(&events[..], [PublisherEvent::Closed(CloseReason::Protocol(_))]), "{events:?}");
    }
}

#[test]
fn publishes_and_is_acknowledged() {
    let mut publisher = open(Protocol::V4);
    publish(&mut publisher, 70, 1).unwrap();
    publisher.publish(71, "out/b", b"1", &[], true, 1, 0).unwrap();
    assert_eq!(publisher.output().split(), &b"\x32\x0B\0\x05out/a\0\x01{}\x33\x0A\0\x05out/b\0\x021"[..], "3.1.1 has no properties");
    assert_eq!(publisher.in_flight(), 2);
    assert_eq!(receive(&mut publisher, &puback(2, &[])), [PublisherEvent::Acknowledged { token: 71 }]);
    assert_eq!(receive(&mut publisher, &puback(1, &[])), [PublisherEvent::Acknowledged { token: 70 }]);
    let mut publisher = open(Protocol::V5);
    publish(&mut publisher, 70, 1).unwrap();
    assert_eq!(publisher.output().split(), &b"\x32\x16\0\x05out/a\0\x01\x0A\x26\0\x03seq\0\x0217{}"[..]);
    assert_eq!(receive(&mut publisher, &puback(1, &[0x10])), [PublisherEvent::Acknowledged { token: 70 }], "no subscriber is no failure");
}

#[test]
fn rejections_carry_their_class() {
    let reason = [31, 0, 3, b'b', b'u', b't'];
    for (code, class) in [
        (0x80, Rejection::Retry),
        (0x97, Rejection::Retry),
        (0x83, Rejection::Message),
        (0x90, Rejection::Message),
        (0x99, Rejection::Message),
        (0x87, Rejection::Credentials),
        (0xEE, Rejection::Message),
    ] {
        let mut publisher = open(Protocol::V5);
        publish(&mut publisher, 5, 1).unwrap();
        let events = receive(&mut publisher, &puback(1, &[&[code, 6][..], &reason].concat()));
        let [PublisherEvent::Rejected { token: 5, reason_code, text, class: found }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*reason_code, *found), (code, class));
        assert!(code == 0xEE || text.ends_with("(but)"), "{text}");
        assert_eq!(publisher.in_flight(), 0);
    }
}

#[test]
fn the_window_is_the_brokers_or_ours() {
    for (properties, window) in [(&[][..], IN_FLIGHT_MAX), (&[33, 0, 3], 3), (&[33, 0xFF, 0], IN_FLIGHT_MAX), (&[33, 0, 0], IN_FLIGHT_MAX)]
    {
        let mut publisher = open_with(Protocol::V5, properties);
        assert_eq!(publisher.free_window(), window);
        for token in 0..window as u64 {
            publish(&mut publisher, token, 1).unwrap();
        }
        let length = publisher.output().len();
        assert_eq!(publish(&mut publisher, 99, 1), Err(PublishRefused::WindowFull));
        assert_eq!(publisher.output().len(), length);
        assert_eq!(receive(&mut publisher, &puback(1, &[])), [PublisherEvent::Acknowledged { token: 0 }]);
        publish(&mut publisher, 99, 1).unwrap();
    }
}

#[test]
fn packet_ids_in_flight_are_not_used_again() {
    let mut publisher = open(Protocol::V4);
    publish(&mut publisher, 0, 1).unwrap();
    for turn in 0..70_000_u64 {
        publish(&mut publisher, turn, 1).unwrap();
        let output = publisher.output().split();
        let packet_id = u16::from_be_bytes([output[output.len() - 4], output[output.len() - 3]]);
        if turn > 0 {
            assert!(packet_id > 1);
        }
        receive(&mut publisher, &puback(packet_id, &[]));
    }
    assert_eq!(receive(&mut publisher, &puback(1, &[])), [PublisherEvent::Acknowledged { token: 0 }]);
}

#[test]
fn what_the_broker_would_not_take_is_not_sent() {
    // Maximum packet size 30, maximum QoS 0, no retained messages.
    let mut publisher = open_with(Protocol::V5, &[39, 0, 0, 0, 30, 36, 0, 37, 0]);
    assert_eq!(publish(&mut publisher, 1, 1), Err(PublishRefused::QosTooHigh { limit: 0 }));
    assert_eq!(publisher.publish(1, "a", b"", &[], true, 0, 0), Err(PublishRefused::NotRetained));
    // 1 + 1 + 2 + 1 + 1 bytes stand around a payload on topic "a".
    assert_eq!(publisher.publish(1, "a", &[0; 25], &[], false, 0, 0), Err(PublishRefused::TooLarge { limit: 30 }));
    assert_eq!(publisher.publish(1, "a", &[0; 24], &[], false, 0, 0), Ok(()));
    assert_eq!(publisher.output().len(), 30);
    for topic in ["", "a/+", "a/#", "a\0"] {
        assert!(matches!(publisher.publish(1, topic, b"", &[], false, 0, 0), Err(PublishRefused::Invalid(_))), "{topic:?}");
    }
    let long = "x".repeat(65_536);
    let mut publisher = open(Protocol::V5);
    assert!(matches!(publisher.publish(1, &long, b"", &[], false, 1, 0), Err(PublishRefused::Invalid(_))));
    assert!(matches!(publisher.publish(1, "a", b"", &[("k", &long)], false, 1, 0), Err(PublishRefused::Invalid(_))));
    assert_eq!(publisher.output().len() + publisher.in_flight(), 0);
}

#[test]
fn qos_0_counts_when_written() {
    let mut publisher = open(Protocol::V5);
    publish(&mut publisher, 1, 0).unwrap();
    publish(&mut publisher, 2, 0).unwrap();
    assert_eq!(publisher.poll_event(), None);
    publisher.output().clear();
    assert_eq!(publisher.poll_event(), Some(PublisherEvent::Acknowledged { token: 1 }));
    assert_eq!(publisher.poll_event(), Some(PublisherEvent::Acknowledged { token: 2 }));
    assert_eq!(publisher.poll_event(), None);
    publish(&mut publisher, 3, 0).unwrap();
    publisher.start(2, 0);
    publisher.output().clear();
    assert_eq!(publisher.poll_event(), None, "never written");
}

#[test]
fn what_nobody_asked_for_closes() {
    for bytes in [puback(1, &[]), super::publish(Protocol::V5, 0, 0, "a", b"1"), suback(Protocol::V5, 1, &[0]), packet(0x30, &[0; 90])] {
        let mut publisher = open(Protocol::V5);
        let events = receive(&mut publisher, &bytes);
        assert!(matches!(&events[..], [PublisherEvent::Closed(CloseReason::Protocol(_))]), "{events:?}");
    }
}

#[test]
fn keeps_alive_and_notices_silence() {
    let mut publisher = open(Protocol::V4);
    publisher.on_timeout(KEEP_ALIVE);
    assert_eq!(publisher.output().split(), &[0xC0, 0][..]);
    assert_eq!(receive(&mut publisher, &PINGRESP), []);
    assert_eq!(publisher.next_timeout(), Some(KEEP_ALIVE), "received at 0 by the test's clock");
    publisher.on_timeout(2 * KEEP_ALIVE);
    assert!(matches!(publisher.poll_event(), Some(PublisherEvent::Closed(CloseReason::Silent { .. }))));
}
