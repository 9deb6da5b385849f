//! Messages, acknowledgements, proofs, keep-alive, closing.

use super::*;
use crate::mqtt::session::{BEGINNING_BYTES_MAX, CloseReason};
use crate::mqtt::{InboundPayload, reason};

const QOS_0: u8 = 0;
const QOS_1: u8 = 2;
const QOS_2: u8 = 4;
const DUP: u8 = 8;
const RETAIN: u8 = 1;

fn closed(events: &[SessionEvent]) -> String {
    match events {
        [SessionEvent::Closed(reason)] => reason.to_string(),
        other => panic!("expected closing alone: {other:?}"),
    }
}

#[test]
fn a_byte_at_a_time_means_the_same_as_all_at_once() {
    for protocol in BOTH {
        let mut stream = connack(protocol, false);
        stream.extend(publish(protocol, QOS_1, 7, "a/early", b"before the SUBACK"));
        stream.extend(suback(protocol, 1, &[1]));
        stream.extend(publish(protocol, QOS_0, 0, "a/b", b""));
        stream.extend(publish(protocol, QOS_1 | DUP, 300, "a/c", &[b'x'; 100]));
        stream.extend(publish(protocol, QOS_1 | RETAIN, 8, "a/long", &[b'y'; 5000]));
        stream.extend(publish(protocol, QOS_0, 0, "a/after", b"21.5"));
        stream.extend(packet(0x30, b"\0\0"));
        let run = |piece: usize| {
            let mut session = Session::new(settings(protocol, &["a/#"], &[]));
            session.start(1, 0);
            let events = feed(&mut session, &stream, piece);
            (events, take_output(&mut session))
        };
        let (events, output) = run(usize::MAX);
        for piece in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(run(piece), (events.clone(), output.clone()), "in pieces of {piece}");
        }
        let kinds: Vec<_> = events.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 5, "{events:?}");
        assert!(matches!(events[4], SessionEvent::Closed(_)), "an empty topic is no topic");
        let SessionEvent::Messages(last) = &events[3] else { panic!("{events:?}") };
        assert_eq!(last.iter().map(|it| it.seq).collect::<Vec<_>>(), [2, 3, 4, 5], "numbers go on across events");
        assert_eq!((last[1].packet_id, last[1].qos, last[1].dup, last[1].retain), (300, 1, true, false));
        assert_eq!(last[1].payload, InboundPayload::Whole(vec![b'x'; 100].into()));
        assert_eq!(
            last[2].payload,
            InboundPayload::Oversized { length: 5000, beginning: vec![b'y'; BEGINNING_BYTES_MAX].into() },
            "{:?}",
            last[2]
        );
        assert_eq!((&last[2].topic[..], last[2].packet_id, last[2].retain), (&b"a/long"[..], 8, true));
        assert_eq!(&last[3].topic[..], b"a/after");
    }
}

#[test]
fn payloads_are_slices_of_the_input() {
    let mut session = open(Protocol::V5);
    let mut input = BytesMut::from(&publish(Protocol::V5, QOS_0, 0, "a/b", b"payload")[..]);
    let whole = input.as_ptr_range();
    session.receive(&mut input, 0);
    let messages = messages(vec![session.poll_event().unwrap()]);
    let InboundPayload::Whole(payload) = &messages[0].payload else { panic!("{messages:?}") };
    assert!(whole.contains(&payload.as_ptr()) && whole.contains(&messages[0].topic.as_ptr()));
}

#[test]
fn acknowledges_in_order_of_arrival_with_one_ping_behind() {
    for protocol in BOTH {
        let mut session = open(protocol);
        let mut stream = Vec::new();
        for (flags, id) in [(QOS_1, 5), (QOS_0, 0), (QOS_1, 3), (QOS_1, 9), (QOS_1, 1)] {
            stream.extend(publish(protocol, flags, id, "a/b", b"1"));
        }
        stream.extend(publish(protocol, QOS_1, 12, "a/long", &[0; 500]));
        assert_eq!(messages(feed(&mut session, &stream, usize::MAX)).len(), 6);
        session.acknowledge(1, 3, 0);
        assert_eq!(take_output(&mut session), [0x40, 2, 0, 5, 0x40, 2, 0, 3, 0xC0, 0]);
        session.acknowledge(1, 3, 0);
        session.acknowledge(1, 2, 0);
        assert!(take_output(&mut session).is_empty(), "nothing new");
        session.acknowledge(1, u64::MAX, 0);
        assert_eq!(take_output(&mut session), [0x40, 2, 0, 9, 0x40, 2, 0, 1, 0x40, 2, 0, 12, 0xC0, 0], "oversized ones too");
        assert_eq!(session.unacknowledged(), 0);
        assert_eq!(feed(&mut session, &PINGRESP, 1), [SessionEvent::Proven { through_seq: 3 }]);
        assert_eq!(feed(&mut session, &PINGRESP, 1), [SessionEvent::Proven { through_seq: 6 }]);
    }
}

#[test]
fn acknowledges_only_on_the_connection_it_came_from() {
    let mut session = open(Protocol::V5);
    feed(&mut session, &publish(Protocol::V5, QOS_1, 5, "a/b", b"1"), usize::MAX);
    session.start(2, 0);
    feed(&mut session, &connack(Protocol::V5, true), usize::MAX);
    let again = messages(feed(&mut session, &publish(Protocol::V5, QOS_1 | DUP, 5, "a/b", b"1"), usize::MAX));
    assert_eq!(again[0].seq, 1, "each connection counts from 1");
    session.output().clear();
    session.acknowledge(1, 1, 0);
    assert!(take_output(&mut session).is_empty());
    assert_eq!(session.unacknowledged(), 1);
    session.acknowledge(2, 1, 0);
    assert_eq!(take_output(&mut session), [0x40, 2, 0, 5, 0xC0, 0]);
}

/// Of the messages that come by `stream`: number, packet id, and whether it was there before.
fn received(session: &mut Session, stream: &[(u8, u16)]) -> Vec<(u64, u16, bool)> {
    let bytes: Vec<u8> = stream.iter().flat_map(|(flags, id)| publish(Protocol::V4, *flags, *id, "a/b", b"1")).collect();
    messages(feed(session, &bytes, usize::MAX)).iter().map(|it| (it.seq, it.packet_id, it.again)).collect()
}

#[test]
fn what_comes_again_on_the_same_connection_is_known_and_acknowledged_once() {
    let mut session = open(Protocol::V4);
    let first = received(&mut session, &[(QOS_1, 5), (QOS_1, 6), (QOS_1 | DUP, 5), (QOS_1 | DUP, 7)]);
    assert_eq!(first, [(1, 5, false), (2, 6, false), (3, 5, true), (4, 7, false)], "7 is a repeat of another connection at most");
    assert_eq!(session.unacknowledged(), 3);
    session.acknowledge(1, 3, 0);
    assert_eq!(take_output(&mut session), [0x40, 2, 0, 5, 0x40, 2, 0, 6, 0xC0, 0]);
    // The broker had written these before it read the acknowledgements.
    assert_eq!(received(&mut session, &[(QOS_1 | DUP, 6), (QOS_1 | DUP, 7)]), [(5, 6, true), (6, 7, true)]);
    // These after that: it is free to use the id again.
    assert_eq!(received(&mut session, &[(QOS_1, 5)]), [(7, 5, false)]);
    assert_eq!(feed(&mut session, &PINGRESP, 1), [SessionEvent::Proven { through_seq: 3 }]);
    assert_eq!(received(&mut session, &[(QOS_1 | DUP, 6), (QOS_1 | DUP, 5)]), [(8, 6, false), (9, 5, true)]);
    session.acknowledge(1, 9, 0);
    assert_eq!(take_output(&mut session), [0x40, 2, 0, 7, 0x40, 2, 0, 5, 0x40, 2, 0, 6, 0xC0, 0]);
    session.start(2, 0);
    feed(&mut session, &connack(Protocol::V4, true), usize::MAX);
    assert_eq!(
        received(&mut session, &[(QOS_1 | DUP, 5), (QOS_1 | DUP, 5)]),
        [(1, 5, false), (2, 5, true)],
        "the core knows the first one"
    );
}

#[test]
fn qos_0_alone_asks_for_no_proof() {
    let mut session = open(Protocol::V4);
    feed(&mut session, &publish(Protocol::V4, QOS_0, 0, "a/b", b"1"), usize::MAX);
    session.acknowledge(1, 1, 0);
    assert!(take_output(&mut session).is_empty());
}

#[test]
fn pings_match_in_order_keep_alive_included() {
    let mut session = open(Protocol::V5);
    feed(&mut session, &publish(Protocol::V5, QOS_1, 5, "a/b", b"1"), usize::MAX);
    session.on_timeout(KEEP_ALIVE);
    session.acknowledge(1, 1, KEEP_ALIVE);
    assert_eq!(take_output(&mut session), [0xC0, 0, 0x40, 2, 0, 5, 0xC0, 0]);
    assert_eq!(feed(&mut session, &PINGRESP, 1), [], "the first was sent before the PUBACK");
    assert_eq!(feed(&mut session, &PINGRESP, 1), [SessionEvent::Proven { through_seq: 1 }]);
    assert!(closed(&feed(&mut session, &PINGRESP, 1)).contains("PINGRESP"), "one too many");
}

#[test]
fn too_many_open_pings_are_made_good_later() {
    let mut session = open(Protocol::V4);
    let count = super::super::connection::PINGS_MAX as u64 + 3;
    for id in 1..=count {
        feed(&mut session, &publish(Protocol::V4, QOS_1, id as u16, "a/b", b"1"), usize::MAX);
        session.acknowledge(1, id, 0);
    }
    let pings = take_output(&mut session).windows(2).filter(|it| *it == [0xC0, 0]).count() as u64;
    assert_eq!(pings, count - 3);
    assert_eq!(feed(&mut session, &PINGRESP, 1), [SessionEvent::Proven { through_seq: 1 }]);
    assert_eq!(take_output(&mut session), [0xC0, 0], "the owed one");
    let mut events = Vec::new();
    for _ in 0..pings {
        events.extend(feed(&mut session, &PINGRESP, 1));
    }
    assert_eq!(events.last(), Some(&SessionEvent::Proven { through_seq: count }));
}

#[test]
fn keeps_alive_and_notices_silence() {
    let mut session = open(Protocol::V4);
    assert_eq!(session.next_timeout(), Some(KEEP_ALIVE));
    session.on_timeout(KEEP_ALIVE - 1);
    assert!(take_output(&mut session).is_empty());
    session.on_timeout(KEEP_ALIVE);
    assert_eq!(take_output(&mut session), [0xC0, 0]);
    assert_eq!(session.next_timeout(), Some(KEEP_ALIVE / 2 * 3));
    session.on_timeout(KEEP_ALIVE / 2 * 3);
    assert_eq!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::Silent { silence_ms: 90_000 })));
    assert_eq!(session.next_timeout(), None);
    assert_eq!(session.poll_event(), None, "closed once");
}

#[test]
fn a_busy_sender_still_asks_a_quiet_broker() {
    let mut session = open(Protocol::V4);
    for id in 1..=3 {
        feed(&mut session, &publish(Protocol::V4, QOS_1, id, "a/b", b"1"), usize::MAX);
    }
    // Acknowledging at half time does not put off the question whether the broker is there.
    session.acknowledge(1, 1, KEEP_ALIVE / 2);
    let mut input = BytesMut::from(&PINGRESP[..]);
    session.receive(&mut input, KEEP_ALIVE / 2);
    session.acknowledge(1, 2, KEEP_ALIVE);
    assert!(session.next_timeout().unwrap() <= KEEP_ALIVE / 2 + KEEP_ALIVE / 2 * 3, "silence is counted from its last packet");
}

#[test]
fn silence_proves_nothing_while_we_do_not_read() {
    let mut session = open(Protocol::V5);
    session.set_reading(false, 0);
    for minute in 1..=30 {
        session.on_timeout(minute * KEEP_ALIVE);
        assert_eq!(take_output(&mut session), [0xC0, 0], "minute {minute}: the broker must hear us");
    }
    assert_eq!(session.poll_event(), None);
    session.set_reading(true, 31 * KEEP_ALIVE);
    session.on_timeout(31 * KEEP_ALIVE);
    assert_eq!(session.poll_event(), None, "its time begins anew");
    session.on_timeout(33 * KEEP_ALIVE);
    assert!(matches!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::Silent { .. }))));
}

#[test]
fn the_brokers_keep_alive_counts() {
    let mut session = Session::new(settings(Protocol::V5, &["a/#"], &[]));
    session.start(1, 0);
    feed(&mut session, &connack_with(Protocol::V5, false, 0, &[19, 0, 10]), usize::MAX);
    assert_eq!(session.next_timeout(), Some(10 * SECOND));
    session.start(2, 0);
    feed(&mut session, &connack_with(Protocol::V5, false, 0, &[19, 0, 0]), usize::MAX);
    assert_eq!(session.next_timeout(), Some(KEEP_ALIVE), "0 wants no pings, but does not forbid them: ours show whether it is there");
    session.on_timeout(KEEP_ALIVE);
    session.on_timeout(KEEP_ALIVE / 2 * 3);
    assert!(matches!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::Silent { .. }))));
}

#[test]
fn no_connack_is_noticed() {
    let mut session = Session::new(settings(Protocol::V4, &["a/#"], &[]));
    session.start(1, 5 * SECOND);
    assert_eq!(session.next_timeout(), Some(15 * SECOND));
    session.on_timeout(15 * SECOND);
    assert_eq!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::NoConnack)));
}

#[test]
fn refusals_are_told_in_words() {
    let refused = |protocol, bytes: &[u8]| {
        let mut session = Session::new(settings(protocol, &["a/#"], &[]));
        session.start(1, 0);
        let events = feed(&mut session, bytes, 1);
        let [SessionEvent::Closed(reason)] = &events[..] else { panic!("{events:?}") };
        (reason.to_string(), reason.is_credentials())
    };
    let (text, credentials) = refused(Protocol::V4, &packet(0x20, &[0, 5]));
    assert!(text.contains("not authorised") && credentials, "{text}");
    let said = [31, 0, 4, b'n', b'o', b'p', b'e'];
    let (text, credentials) = refused(Protocol::V5, &connack_with(Protocol::V5, false, 0x86, &said));
    assert!(text.contains("wrong user name or password (nope) (code 0x86)") && credentials, "{text}");
    let (text, credentials) = refused(Protocol::V5, &packet(0x20, &[0, 1]));
    assert!(text.contains("3.1.1") && !credentials, "a broker without MQTT 5 answers with two bytes: {text}");
    let (text, _) = refused(Protocol::V5, &connack_with(Protocol::V5, false, 0xEE, &[]));
    assert!(text.contains("0xee"), "an unknown code is still a refusal: {text}");
}

#[test]
fn the_brokers_goodbye_is_told_in_words() {
    let mut session = open(Protocol::V5);
    let text = closed(&feed(&mut session, &packet(0xE0, &[reason::SESSION_TAKEN_OVER, 0]), 1));
    assert!(text.contains("another client connected with the same client id"), "{text}");
    for (body, expected) in [(&[][..], "0x00"), (&[0x8B], "shutting down"), (&[0x89, 7], "busy"), (&[0xEF, 0], "0xef")] {
        let mut session = open(Protocol::V5);
        let text = closed(&feed(&mut session, &packet(0xE0, body), 1));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn qos_2_is_a_protocol_error() {
    let mut session = open(Protocol::V5);
    let mut stream = publish(Protocol::V5, QOS_1, 1, "a/b", b"1");
    stream.extend(publish(Protocol::V5, QOS_2, 2, "a/b", b"1"));
    let events = feed(&mut session, &stream, usize::MAX);
    assert!(matches!(&events[..], [SessionEvent::Messages(_), SessionEvent::Closed(CloseReason::Protocol(_))]), "{events:?}");
}

#[test]
fn what_is_not_mqtt_closes_the_connection() {
    for protocol in BOTH {
        let bad: &[&[u8]] = &[
            b"HTTP/1.1 400 Bad Request\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            &[0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x30, 0x80, 0x80, 0x80, 0x80],
            &[0x40, 0xFF, 0xFF, 0xFF, 0x7F],
            &[0x36, 4, 0, 1, b'a', 0],
            &[0x32, 5, 0, 1, b'a', 0, 0],
            &[0x30, 3, 0, 9, b'a'],
            &[0x90, 3, 0, 1, 0],
            &[0xD0, 1, 0],
            &[0x20, 2, 0, 0],
            &[0x82, 0],
            &[0x62, 2, 0, 1],
            &[0x40, 2, 0, 1],
        ];
        for bytes in bad {
            let mut session = open(protocol);
            let text = closed(&feed(&mut session, bytes, 1));
            assert!(text.starts_with("protocol error: "), "{bytes:?}: {text}");
            let mut input = BytesMut::from(&publish(protocol, QOS_0, 0, "a/b", b"1")[..]);
            session.receive(&mut input, 0);
            assert!(input.is_empty() && session.poll_event().is_none(), "closed is closed");
        }
    }
}

#[test]
fn packets_before_the_connack_are_refused() {
    for protocol in BOTH {
        for bytes in [&PINGRESP[..], &publish(protocol, QOS_0, 0, "a/b", b"1"), &suback(protocol, 1, &[1])] {
            let mut session = Session::new(settings(protocol, &["a/#"], &[]));
            session.start(1, 0);
            assert!(closed(&feed(&mut session, bytes, 1)).contains("before the CONNACK"));
        }
    }
}

#[test]
fn goodbye_keeps_the_session() {
    let mut session = open(Protocol::V5);
    feed(&mut session, &publish(Protocol::V5, QOS_1, 1, "a/b", b"1"), usize::MAX);
    session.acknowledge(1, 1, 0);
    session.disconnect();
    assert_eq!(take_output(&mut session), [0x40, 2, 0, 1, 0xC0, 0, 0xE0, 0], "no session expiry of 0");
    assert_eq!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::Ours)));
    session.disconnect();
    assert!(take_output(&mut session).is_empty());
}
