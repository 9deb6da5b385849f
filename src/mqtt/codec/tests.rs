//! The traps of rumqttc's codec, and our PUBLISH against its own.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::mqtt::session::frame::{Frame, Frames};
use crate::mqtt::session::publish::Outgoing;

fn read_packet(protocol: Protocol, bytes: &[u8]) -> Result<Packet, Malformed> {
    read(protocol, BytesMut::from(bytes), 2)
}

#[test]
fn a_body_cut_short_is_not_waited_for() {
    for bytes in
        [&[0x20, 3, 0, 0, 5][..], &[0x90, 2, 0, 1], &[0x90, 3, 0, 1, 0x80], &[0xB0, 2, 0, 1], &[0x40, 1, 0], &[0x40, 5, 0, 1, 0, 3, 31]]
    {
        let result = read_packet(Protocol::V5, bytes);
        assert!(matches!(result, Err(Malformed::Content { .. })), "{bytes:?}: {result:?}");
    }
}

#[test]
fn refusals_stay_refusals_when_their_properties_do_not_parse() {
    let result = read_packet(Protocol::V5, &[0x20, 4, 0, 0x87, 200, 0]);
    assert!(matches!(result, Ok(Packet::ConnAck(ConnAck { code: 0x87, .. }))), "{result:?}");
    let result = read_packet(Protocol::V5, &[0x40, 4, 0, 9, 0x97, 200]);
    assert_eq!(result, Ok(Packet::PubAck { packet_id: 9, code: 0x97, reason: None }));
}

#[test]
fn the_brokers_words_fit_a_line() {
    let words = "no\r\n\u{1b}[31m ".to_owned() + "ä".repeat(300).as_str();
    let text = printable(Some(words)).unwrap();
    assert!(text.starts_with("no   [31m ää") && text.ends_with('…') && text.len() < 300, "{text}");
    assert_eq!(printable(Some(String::new())), None);
}

#[test]
fn connect_is_written_behind_other_bytes_too() {
    let settings = BrokerSettings {
        host: String::new(),
        port: 1,
        tls: None,
        protocol: Protocol::V5,
        client_id: "c".to_owned(),
        username: Some("u".to_owned()),
        password: None,
        keep_alive: std::time::Duration::from_secs(1_000_000),
        session_expiry: std::time::Duration::MAX,
        connect_timeout: std::time::Duration::ZERO,
    };
    let mut alone = BytesMut::new();
    connect(&settings, false, &mut alone).unwrap();
    let mut behind = BytesMut::from(&b"before"[..]);
    connect(&settings, false, &mut behind).unwrap();
    assert_eq!(&behind[6..], &alone[..]);
    assert_eq!(alone[9], 0x80, "a user name without a password");
    assert_eq!(alone[10..12], [0xFF, 0xFF], "the longest keep-alive there is");
    let settings =
        BrokerSettings { protocol: Protocol::V4, username: None, password: Some(crate::mqtt::Secret("p".to_owned())), ..settings };
    assert_eq!(connect(&settings, true, &mut alone), Err(Unwritable::PasswordAlone));
}

/// What our own reader makes of a packet.
fn read_publish(protocol: Protocol, bytes: &[u8]) -> (u8, bool, bool, u16, Bytes, Bytes) {
    let mut input = BytesMut::from(bytes);
    let frame = Frames::new(protocol, 1 << 20).next(&mut input).unwrap().unwrap();
    assert!(input.is_empty());
    let Frame::Publish { flags, packet_id, topic, payload } = frame else { panic!("{frame:?}") };
    (flags.qos, flags.dup, flags.retain, packet_id, topic, payload)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn publish_reads_as_rumqttc_writes_it(
        topic in "[a-zä/]{1,200}", payload in vec(any::<u8>(), 0..20_000), dup in any::<bool>(), retain in any::<bool>(), qos in 0_u8..3,
        packet_id in 1_u16.., names in vec("[a-z]{0,9}", 0..3),
    ) {
        let packet_id = if qos == 0 { 0 } else { packet_id };
        let expected = (qos, dup, retain, packet_id, Bytes::from(topic.clone()), Bytes::from(payload.clone()));
        let mut packet = v4::Publish::new(topic.clone(), mqttbytes::qos(qos).unwrap(), payload.clone());
        (packet.dup, packet.retain, packet.pkid) = (dup, retain, packet_id);
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes).unwrap();
        prop_assert_eq!(read_publish(Protocol::V4, &bytes), expected.clone());

        let user_properties = names.iter().map(|it| (it.clone(), "value".to_owned())).collect();
        let properties = v5::PublishProperties { user_properties, subscription_identifiers: vec![300], ..Default::default() };
        let properties = (!names.is_empty()).then_some(properties);
        let mut packet = v5::Publish::new(topic, mqttbytes_v5::qos(qos).unwrap(), payload, properties);
        (packet.dup, packet.retain, packet.pkid) = (dup, retain, packet_id);
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes).unwrap();
        prop_assert_eq!(read_publish(Protocol::V5, &bytes), expected);
    }

    #[test]
    fn publish_is_written_as_rumqttc_writes_it(
        topic in "[a-zä/]{1,200}", payload in vec(any::<u8>(), 0..20_000), retain in any::<bool>(), qos in 0_u8..2,
        packet_id in 1_u16.., properties in vec(("[a-z]{0,9}", "[a-z]{0,200}"), 0..3),
    ) {
        let user_properties: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let message = Outgoing { topic: &topic, payload: &payload, user_properties: &user_properties, retain, qos, packet_id };
        let packet_id = if qos == 0 { 0 } else { packet_id };
        let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
        message.write(Protocol::V4, &mut ours);
        let mut packet = v4::Publish::new(topic.clone(), mqttbytes::qos(qos).unwrap(), payload.clone());
        (packet.retain, packet.pkid) = (retain, packet_id);
        packet.write(&mut theirs).unwrap();
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(message.packet_bytes(Protocol::V4), Some(ours.len()));

        ours.clear();
        theirs.clear();
        message.write(Protocol::V5, &mut ours);
        let user_properties = properties.clone();
        let theirs_properties = v5::PublishProperties { user_properties, ..Default::default() };
        let mut packet = v5::Publish::new(topic.clone(), mqttbytes_v5::qos(qos).unwrap(), payload.clone(), Some(theirs_properties));
        (packet.retain, packet.pkid) = (retain, packet_id);
        packet.write(&mut theirs).unwrap();
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(message.packet_bytes(Protocol::V5), Some(ours.len()));
    }
}
