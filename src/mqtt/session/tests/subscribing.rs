//! CONNECT, and which filters are asked for when.

use super::*;
use crate::mqtt::session::CloseReason;

/// The packets in `output`, by first byte, without its flags, and with their text.
fn asked(output: &[u8]) -> Vec<(u8, String)> {
    let mut rest = output;
    let mut packets = Vec::new();
    while let [first, length, ..] = rest {
        let end = 2 + usize::from(*length);
        packets.push((first >> 4, String::from_utf8_lossy(&rest[2..end]).into_owned()));
        rest = &rest[end..];
    }
    packets
}

fn connected(protocol: Protocol, filters: &[&str], stored: &[&str], present: bool) -> (Session, Vec<SessionEvent>, Vec<(u8, String)>) {
    let mut session = Session::new(settings(protocol, filters, stored));
    session.start(1, 0);
    session.output().clear();
    let events = feed(&mut session, &connack(protocol, present), 1);
    let packets = asked(&take_output(&mut session));
    (session, events, packets)
}

#[test]
fn connect_asks_for_a_persistent_session() {
    let mut session = Session::new(settings(Protocol::V4, &["a/#"], &[]));
    session.start(1, 0);
    assert_eq!(take_output(&mut session), b"\x10\x26\0\x04MQTT\x04\xC0\0\x3C\0\x0Fbarn-7-readings\0\x04barn\0\x03hay");
    let mut session = Session::new(settings(Protocol::V5, &["a/#"], &[]));
    session.start(1, 0);
    // Session expiry 3600 s, request problem information 1; nothing else is announced.
    assert_eq!(
        take_output(&mut session),
        b"\x10\x2E\0\x04MQTT\x05\xC0\0\x3C\x07\x11\0\0\x0E\x10\x17\x01\0\x0Fbarn-7-readings\0\x04barn\0\x03hay"
    );
}

#[test]
fn a_connect_that_cannot_be_written_says_why() {
    let mut settings = settings(Protocol::V4, &["a/#"], &[]);
    settings.broker.client_id = "x".repeat(70_000);
    let mut session = Session::new(settings);
    session.start(1, 0);
    assert!(take_output(&mut session).is_empty());
    assert!(matches!(session.poll_event(), Some(SessionEvent::Closed(CloseReason::Protocol(text))) if text.contains("client id")));
}

#[test]
fn a_new_session_subscribes_everything() {
    for protocol in BOTH {
        let (mut session, events, packets) = connected(protocol, &["a/#", "b/+"], &["1 a/#", "1 b/+"], false);
        assert_eq!(events, [SessionEvent::Connected { resumed: false }, SessionEvent::Subscribed { filters: vec![] }]);
        assert_eq!(packets.len(), 1);
        assert!(packets[0].0 == 8 && packets[0].1.contains("a/#") && packets[0].1.contains("b/+"));
        let filters = vec!["1 a/#".to_owned(), "1 b/+".to_owned()];
        assert_eq!(feed(&mut session, &suback(protocol, 1, &[1, 1]), 1), [SessionEvent::Subscribed { filters }]);
    }
}

#[test]
fn retained_messages_come_for_new_subscriptions_only() {
    let mut session = Session::new(settings(Protocol::V5, &["a/#"], &[]));
    session.start(1, 0);
    session.output().clear();
    feed(&mut session, &connack(Protocol::V5, true), 1);
    assert_eq!(take_output(&mut session), b"\x82\x09\0\x01\0\0\x03a/#\x11", "retain handling 1, QoS 1");
}

#[test]
fn a_resumed_session_of_3_1_1_asks_only_for_what_is_missing() {
    let (_, events, packets) = connected(Protocol::V4, &["b/+", "a/#"], &["1 a/#", "1 b/+"], true);
    let filters = vec!["1 a/#".to_owned(), "1 b/+".to_owned()];
    assert_eq!(events, [SessionEvent::Connected { resumed: true }, SessionEvent::Subscribed { filters: filters.clone() }]);
    assert_eq!(packets, [], "a SUBSCRIBE would bring the retained messages again");
    let (mut session, _, packets) = connected(Protocol::V4, &["b/+", "a/#"], &["1 a/#", "0 b/+"], true);
    assert!(packets.len() == 1 && packets[0].1.contains("b/+") && !packets[0].1.contains("a/#"), "another QoS: {packets:?}");
    assert_eq!(feed(&mut session, &suback(Protocol::V4, 1, &[1]), 1), [SessionEvent::Subscribed { filters }]);
}

#[test]
fn a_filter_that_was_removed_is_unsubscribed() {
    for protocol in BOTH {
        let (mut session, _, packets) = connected(protocol, &["a/#"], &["1 a/#", "1 old/ with space"], true);
        assert!(packets[0].0 == 10 && packets[0].1.contains("old/ with space"), "{packets:?}");
        assert_eq!(packets.len(), if protocol == Protocol::V4 { 1 } else { 2 });
        let mut events = feed(&mut session, &unsuback(protocol, 1, 0), 1);
        if protocol == Protocol::V5 {
            assert_eq!(events, [], "the SUBACK is still to come");
            events = feed(&mut session, &suback(protocol, 2, &[1]), 1);
        }
        assert_eq!(events, [SessionEvent::Subscribed { filters: vec!["1 a/#".to_owned()] }]);
        let (_, _, packets) = connected(protocol, &["a/#"], &["1 a/#", "1 old"], false);
        assert!(packets.iter().all(|(kind, _)| *kind == 8), "a new session has nothing to end: {packets:?}");
    }
    let (mut session, _, _) = connected(Protocol::V5, &["a/#"], &["1 a/#", "1 old"], true);
    let events = feed(&mut session, &unsuback(Protocol::V5, 1, 0x87), 1);
    assert!(matches!(&events[..], [SessionEvent::SubscriptionTrouble(text)] if text.contains("does not end") && text.contains("old")));
    let filters = vec!["1 a/#".to_owned(), "1 old".to_owned()];
    assert_eq!(feed(&mut session, &suback(Protocol::V5, 2, &[1]), 1), [SessionEvent::Subscribed { filters }], "to be tried again");
}

#[test]
fn the_sessions_own_memory_serves_the_next_connection() {
    let mut session = Session::new(settings(Protocol::V4, &["a/#"], &[]));
    session.start(1, 0);
    feed(&mut session, &connack(Protocol::V4, false), 1);
    feed(&mut session, &suback(Protocol::V4, 1, &[1]), 1);
    session.start(2, 0);
    session.output().clear();
    feed(&mut session, &connack(Protocol::V4, true), 1);
    assert!(take_output(&mut session).is_empty(), "granted on the last connection");
    session.start(3, 0);
    session.output().clear();
    feed(&mut session, &connack(Protocol::V4, false), 1);
    session.start(4, 0);
    session.output().clear();
    feed(&mut session, &connack(Protocol::V4, true), 1);
    assert_eq!(asked(&take_output(&mut session)).len(), 1, "cut before the SUBACK: asked again");
}

#[test]
fn refused_and_lowered_filters_are_told() {
    for protocol in BOTH {
        let failure = if protocol == Protocol::V4 { 0x80 } else { 0x87 };
        let (mut session, _, _) = connected(protocol, &["a/#", "b", "c"], &[], false);
        let events = feed(&mut session, &suback(protocol, 1, &[1, failure, 0]), 1);
        let [SessionEvent::SubscriptionTrouble(refused), SessionEvent::SubscriptionTrouble(lowered), SessionEvent::Subscribed { filters }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert!(refused.contains("refuses to subscribe \"b\""), "{refused}");
        assert!(lowered.contains("\"c\" at QoS 0 instead of 1"), "{lowered}");
        assert_eq!(filters, &["1 a/#", "1 c"], "refused ones are not stored");
        assert!(session.is_open(), "the others work");
    }
}

#[test]
fn nothing_granted_closes() {
    for (protocol, code) in [(Protocol::V4, 0x80), (Protocol::V4, 0x87), (Protocol::V5, 0x87), (Protocol::V5, 0xEE)] {
        let (mut session, _, _) = connected(protocol, &["a/#"], &[], false);
        let events = feed(&mut session, &suback(protocol, 1, &[code]), 1);
        let [SessionEvent::SubscriptionTrouble(_), SessionEvent::Closed(reason @ CloseReason::NothingGranted(_))] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(reason.is_credentials());
    }
}

#[test]
fn many_filters_go_in_several_packets() {
    let names: Vec<String> = (0..20).map(|it| format!("f{it}")).collect();
    let filters: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut session, _, packets) = connected(Protocol::V5, &filters, &[], false);
    assert_eq!(packets.len(), 3);
    let mut events = Vec::new();
    for (id, count) in [(2, 8), (1, 8), (3, 4)] {
        events.extend(feed(&mut session, &suback(Protocol::V5, id, &vec![1; count]), 1));
    }
    assert!(matches!(&events[..], [SessionEvent::Subscribed { filters }] if filters.len() == 20), "{events:?}");
}

#[test]
fn answers_that_fit_nothing_close() {
    for bytes in [suback(Protocol::V5, 9, &[1]), suback(Protocol::V5, 1, &[1, 1]), unsuback(Protocol::V5, 1, 0)] {
        let (mut session, _, _) = connected(Protocol::V5, &["a/#"], &[], false);
        let events = feed(&mut session, &bytes, 1);
        assert!(matches!(&events[..], [SessionEvent::Closed(CloseReason::Protocol(_))]), "{events:?}");
    }
}
