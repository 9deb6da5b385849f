//! The sessions, driven by hand: bytes of a broker in, events and bytes out, both protocol versions, whole and byte by byte.

mod hostile;
mod publishing;
mod receiving;
mod subscribing;

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use super::frame::write_varint;
use super::{Session, SessionEvent, SessionSettings};
use crate::mqtt::{BrokerSettings, Inbound, Protocol, Secret, Subscription};

const BOTH: [Protocol; 2] = [Protocol::V4, Protocol::V5];
const SECOND: u64 = 1_000_000;
/// Of the settings below.
const KEEP_ALIVE: u64 = 60 * SECOND;

fn broker_settings(protocol: Protocol) -> BrokerSettings {
    BrokerSettings {
        host: "localhost".to_owned(),
        port: 1883,
        tls: None,
        protocol,
        client_id: "barn-7-readings".to_owned(),
        username: Some("barn".to_owned()),
        password: Some(Secret("hay".to_owned())),
        keep_alive: Duration::from_secs(60),
        session_expiry: Duration::from_secs(3600),
        connect_timeout: Duration::from_secs(10),
    }
}

fn settings(protocol: Protocol, filters: &[&str], stored: &[&str]) -> SessionSettings {
    SessionSettings {
        broker: broker_settings(protocol),
        subscriptions: filters.iter().map(|it| Subscription { filter: (*it).to_owned(), qos: 1 }).collect(),
        stored_filters: stored.iter().map(|it| (*it).to_owned()).collect(),
        payload_bytes_max: 100,
    }
}

/// Subscribed to `a/#` without a word, on connection 1, with nothing left to write or to tell.
fn open(protocol: Protocol) -> Session {
    let mut session = Session::new(settings(protocol, &["a/#"], &["1 a/#"]));
    session.start(1, 0);
    feed(&mut session, &connack(protocol, true), usize::MAX);
    if protocol == Protocol::V5 {
        feed(&mut session, &suback(protocol, 1, &[1]), usize::MAX);
    }
    session.output().clear();
    assert!(session.is_open());
    session
}

/// Feeds `bytes` in pieces; what happened, with messages of neighbouring events put together.
fn feed(session: &mut Session, bytes: &[u8], piece: usize) -> Vec<SessionEvent> {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in bytes.chunks(piece.min(bytes.len()).max(1)) {
        input.put_slice(piece);
        session.receive(&mut input, 0);
        collect(session, &mut events);
    }
    events
}

fn collect(session: &mut Session, events: &mut Vec<SessionEvent>) {
    while let Some(event) = session.poll_event() {
        match (events.last_mut(), event) {
            (Some(SessionEvent::Messages(last)), SessionEvent::Messages(messages)) => last.extend(messages),
            (_, event) => events.push(event),
        }
    }
}

fn messages(events: Vec<SessionEvent>) -> Vec<Inbound> {
    match <[SessionEvent; 1]>::try_from(events) {
        Ok([SessionEvent::Messages(messages)]) => messages,
        other => panic!("expected messages alone: {other:?}"),
    }
}

fn take_output(session: &mut Session) -> Vec<u8> {
    session.output().split().to_vec()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = BytesMut::from(&[first][..]);
    write_varint(&mut packet, body.len());
    packet.put_slice(body);
    packet.to_vec()
}

fn connack(protocol: Protocol, session_present: bool) -> Vec<u8> {
    connack_with(protocol, session_present, 0, &[])
}

fn connack_with(protocol: Protocol, session_present: bool, code: u8, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::from(session_present), code];
    put_properties(&mut body, protocol, properties);
    packet(0x20, &body)
}

fn suback(protocol: Protocol, packet_id: u8, codes: &[u8]) -> Vec<u8> {
    let mut body = vec![0, packet_id];
    put_properties(&mut body, protocol, &[]);
    body.extend(codes);
    packet(0x90, &body)
}

fn unsuback(protocol: Protocol, packet_id: u8, code: u8) -> Vec<u8> {
    let mut body = vec![0, packet_id];
    if protocol == Protocol::V5 {
        body.extend([0, code]);
    }
    packet(0xB0, &body)
}

const PINGRESP: [u8; 2] = [0xD0, 0];

fn publish(protocol: Protocol, flags: u8, packet_id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = (topic.len() as u16).to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if flags & 0x06 != 0 {
        body.extend(packet_id.to_be_bytes());
    }
    put_properties(&mut body, protocol, &[]);
    body.extend(payload);
    packet(0x30 | flags, &body)
}

fn put_properties(body: &mut Vec<u8>, protocol: Protocol, properties: &[u8]) {
    if protocol == Protocol::V5 {
        let mut length = BytesMut::new();
        write_varint(&mut length, properties.len());
        body.extend(&length);
        body.extend(properties);
    }
}
