//! Bytes that no honest broker sends: no panic, no unbounded memory, the same outcome however they are cut.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::mqtt::session::{CONTROL_BYTES_MAX, PROPERTIES_BYTES_MAX, Publisher};

/// Input that a session of `settings` may leave unread: the longest packet that it keeps.
const KEPT_BYTES_MAX: usize = CONTROL_BYTES_MAX + PROPERTIES_BYTES_MAX + 66_000;

fn run(protocol: Protocol, stream: &[u8], piece: usize) -> Vec<SessionEvent> {
    let mut session = Session::new(settings(protocol, &["a/#", "b"], &["1 b", "1 old"]));
    session.start(1, 0);
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for (at, piece) in stream.chunks(piece).enumerate() {
        input.put_slice(piece);
        session.receive(&mut input, at as u64);
        assert!(input.len() <= KEPT_BYTES_MAX && input.capacity() <= 4 * KEPT_BYTES_MAX);
        collect(&mut session, &mut events);
    }
    events
}

fn honest(protocol: Protocol) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0_u8..16, any::<u16>(), "[a-z/]{0,20}", vec(any::<u8>(), 0..300))
            .prop_map(move |(flags, id, topic, payload)| publish(protocol, flags, id, &topic, &payload)),
        (any::<bool>(), any::<u8>(), vec(any::<u8>(), 0..20))
            .prop_map(move |(present, code, it)| connack_with(protocol, present, code, &it)),
        (0_u8..4, vec(any::<u8>(), 0..4)).prop_map(move |(id, codes)| suback(protocol, id, &codes)),
        (0_u8..4, any::<u8>()).prop_map(move |(id, code)| unsuback(protocol, id, code)),
        Just(PINGRESP.to_vec()),
        (any::<u8>(), vec(any::<u8>(), 0..40)).prop_map(|(first, body)| packet(first, &body)),
    ]
}

fn stream(protocol: Protocol) -> impl Strategy<Value = Vec<u8>> {
    (vec(honest(protocol), 0..12), vec((any::<Index>(), any::<u8>()), 0..6)).prop_map(move |(packets, mutations)| {
        let mut bytes = connack(protocol, true);
        bytes.extend(packets.concat());
        for (at, value) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_streams_mean_the_same_however_they_are_cut(
        version in any::<bool>(),
        streams in (stream(Protocol::V4), stream(Protocol::V5)),
        piece in 1_usize..50,
    ) {
        let (protocol, stream) = if version { (Protocol::V4, streams.0) } else { (Protocol::V5, streams.1) };
        prop_assert_eq!(run(protocol, &stream, piece), run(protocol, &stream, stream.len()));
    }

    #[test]
    fn noise_does_no_harm(bytes in vec(any::<u8>(), 1..400), first in prop::sample::select(vec![0x20_u8, 0x30, 0x32, 0x40, 0x90, 0xB0, 0xD0, 0xE0])) {
        for protocol in BOTH {
            let mut stream = connack(protocol, true);
            stream.push(first);
            stream.extend(&bytes);
            run(protocol, &stream, 7);
            let mut publisher = Publisher::new(broker_settings(protocol));
            publisher.start(1, 0);
            let mut input = BytesMut::from(&stream[..]);
            publisher.receive(&mut input, 0);
            prop_assert!(input.len() <= stream.len());
        }
    }
}

#[test]
fn length_bombs_take_no_memory() {
    for protocol in BOTH {
        // A PUBLISH of 256 MB, of which 16 MB come; topic, then a payload or (MQTT 5) properties without end.
        let body: &[u8] = if protocol == Protocol::V5 { &[0, 1, b'a', 0xFF, 0xFF, 0xFF, 0x7E] } else { &[0, 1, b'a'] };
        let mut session = open(protocol);
        let mut input = BytesMut::new();
        input.put_slice(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]);
        input.put_slice(body);
        for _ in 0..1024 {
            input.put_bytes(0x55, 16 * 1024);
            session.receive(&mut input, 0);
            assert!(input.is_empty() && input.capacity() < 1 << 20, "{} {}", input.len(), input.capacity());
        }
        assert_eq!(session.poll_event(), None);
    }
}

#[test]
fn a_message_with_too_many_properties_is_skipped_and_acknowledged() {
    let mut session = open(Protocol::V5);
    let mut body = b"\0\x03a/b\0\x05".to_vec();
    put_properties(&mut body, Protocol::V5, &vec![0; PROPERTIES_BYTES_MAX + 1]);
    body.extend(b"payload");
    let events = feed(&mut session, &packet(0x32, &body), 1000);
    let messages = messages(events);
    let expected = crate::mqtt::InboundPayload::Oversized { length: PROPERTIES_BYTES_MAX + 8, beginning: (&b"payload"[..]).into() };
    assert_eq!((&messages[0].payload, messages[0].packet_id), (&expected, 5));
    session.acknowledge(1, 1, 0);
    assert_eq!(take_output(&mut session), [0x40, 2, 0, 5, 0xC0, 0]);
}

#[test]
fn the_longest_payload_that_fits_is_kept() {
    for protocol in BOTH {
        for (length, kept) in [(99, true), (100, true), (101, false)] {
            let mut session = open(protocol);
            let topic = format!("a/{}", "t".repeat(60_000));
            let messages = messages(feed(&mut session, &publish(protocol, 2, 5, &topic, &vec![7; length]), 4096));
            assert_eq!(matches!(messages[0].payload, crate::mqtt::InboundPayload::Whole(_)), kept, "{length}");
            assert_eq!(messages[0].topic, topic.as_bytes());
        }
    }
}
