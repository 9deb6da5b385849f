//! All packets but PUBLISH, through rumqttc's codec: one view over MQTT 3.1.1 and 5. The only place that names rumqttc.
//!
//! What its codec (0.25) does wrong is kept away from it here, and held by the tests below:
//! - a body cut short is reported as "more bytes needed", as if the packet were not whole: every error on a whole packet is [`Malformed`] here;
//! - a DISCONNECT of MQTT 5 without, or with only, a reason code is an error to it; so is a CONNACK of a broker that answers MQTT 5 with 3.1.1's two bytes;
//! - reason codes that it does not know make the packet unreadable: codes are read from the bytes, so that a refusal never turns into a parse error;
//! - CONNECT is written wrong into a buffer that is not empty; DISCONNECT of MQTT 5 with a reason gets a wrong length (we send none);
//!   strings above 65,535 bytes are written with a wrapped length.
//!
//! Limits: no AUTH, no will, no QoS 2 acknowledgements yet.

use bytes::BytesMut;
use rumqttc::mqttbytes::{self, v4};
use rumqttc::v5::mqttbytes::{self as mqttbytes_v5, v5};

use super::session::frame::{Malformed, read_varint};
use super::session::publish::STRING_BYTES_MAX;
use super::{BrokerSettings, Protocol, Subscription};

/// Bytes of a broker's own words that are kept for a log line.
const REASON_BYTES_MAX: usize = 256;

/// A packet from the broker, other than PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    ConnAck(ConnAck),
    PubAck {
        packet_id: u16,
        code: u8,
        reason: Option<String>,
    },
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
        reason: Option<String>,
    },
    /// 3.1.1 has no codes.
    UnsubAck {
        packet_id: u16,
        codes: Vec<u8>,
    },
    PingResp,
    Disconnect {
        code: u8,
        reason: Option<String>,
    },
    /// PUBREC, PUBREL or PUBCOMP, by packet type.
    QosTwo {
        packet_type: u8,
    },
}

/// The broker's answer to CONNECT, and the limits that it sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    pub session_present: bool,
    pub code: u8,
    pub reason: Option<String>,
    pub limits: BrokerLimits,
}

/// What the broker takes. On 3.1.1 it does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Publishes unacknowledged at a time.
    pub receive_maximum: u16,
    pub packet_bytes_max: Option<usize>,
    pub qos_max: u8,
    pub retain_available: bool,
    pub keep_alive_seconds: Option<u16>,
}

impl Default for BrokerLimits {
    fn default() -> BrokerLimits {
        BrokerLimits { receive_maximum: u16::MAX, packet_bytes_max: None, qos_max: 2, retain_available: true, keep_alive_seconds: None }
    }
}

/// Why a packet cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("the {0} has more than {STRING_BYTES_MAX} bytes, which MQTT cannot carry")]
    TooLong(&'static str),
    #[error("MQTT 3.1.1 allows no password without a user name")]
    PasswordAlone,
    #[error("{0}")]
    Codec(String),
}

/// Reads one whole packet; `header_bytes` is the length of its fixed header.
pub fn read(protocol: Protocol, packet: BytesMut, header_bytes: usize) -> Result<Packet, Malformed> {
    let packet_type = packet.first().map_or(0, |first| first >> 4);
    let body = &packet[header_bytes..];
    match (packet_type, body) {
        (2, &[flags, code]) => return Ok(Packet::ConnAck(short_connack(flags, code))),
        (4, &[high, low]) => return Ok(Packet::PubAck { packet_id: u16::from_be_bytes([high, low]), code: 0, reason: None }),
        (5..=7, _) => return Ok(Packet::QosTwo { packet_type }),
        (13, []) => return Ok(Packet::PingResp),
        (14, []) => return Ok(Packet::Disconnect { code: 0, reason: None }),
        (14, &[code]) => return Ok(Packet::Disconnect { code, reason: None }),
        (2 | 4 | 9 | 11, _) => {}
        (14, _) if protocol == Protocol::V5 => {}
        _ => return Err(content(packet_type, "its length is wrong")),
    }
    match protocol {
        Protocol::V4 => read_v4(packet_type, packet, header_bytes),
        Protocol::V5 => read_v5(packet_type, packet, header_bytes),
    }
}

fn read_v4(packet_type: u8, mut packet: BytesMut, header_bytes: usize) -> Result<Packet, Malformed> {
    // 3.1.1 knows one failure code, brokers that speak both versions send more.
    if packet_type == 9 {
        return match &packet[header_bytes..] {
            [high, low, codes @ ..] if !codes.is_empty() => {
                Ok(Packet::SubAck { packet_id: u16::from_be_bytes([*high, *low]), codes: codes.to_vec(), reason: None })
            }
            _ => Err(content(packet_type, "it has no return code")),
        };
    }
    let limit = packet.len();
    match v4::Packet::read(&mut packet, limit).map_err(|error| content(packet_type, error))? {
        v4::Packet::PubAck(ack) => Ok(Packet::PubAck { packet_id: ack.pkid, code: 0, reason: None }),
        v4::Packet::UnsubAck(ack) => Ok(Packet::UnsubAck { packet_id: ack.pkid, codes: Vec::new() }),
        _ => Err(content(packet_type, "its length is wrong")),
    }
}

fn read_v5(packet_type: u8, mut packet: BytesMut, header_bytes: usize) -> Result<Packet, Malformed> {
    let raw = packet.clone().freeze();
    let body = &raw[header_bytes..];
    let read = v5::Packet::read(&mut packet, None);
    // The reason code as sent, wherever its place is fixed.
    let code_at = match packet_type {
        2 => 1,
        4 => 2,
        _ => 0,
    };
    let code = body.get(code_at).copied().unwrap_or(0);
    match (packet_type, read) {
        (2, Ok(v5::Packet::ConnAck(ack))) => Ok(Packet::ConnAck(connack_v5(ack, code))),
        (2, Err(_)) if code != 0 => Ok(Packet::ConnAck(short_connack(0, code))),
        (4, Ok(v5::Packet::PubAck(ack))) => {
            Ok(Packet::PubAck { packet_id: ack.pkid, code, reason: ack.properties.and_then(|it| printable(it.reason_string)) })
        }
        (4, Err(_)) if code >= 0x80 => Ok(Packet::PubAck { packet_id: u16::from_be_bytes([body[0], body[1]]), code, reason: None }),
        (14, Ok(v5::Packet::Disconnect(it))) => {
            Ok(Packet::Disconnect { code, reason: it.properties.and_then(|it| printable(it.reason_string)) })
        }
        (14, Err(_)) => Ok(Packet::Disconnect { code, reason: None }),
        (9, Ok(v5::Packet::SubAck(ack))) => {
            let codes = body[body.len() - ack.return_codes.len()..].to_vec();
            Ok(Packet::SubAck { packet_id: ack.pkid, codes, reason: ack.properties.and_then(|it| printable(it.reason_string)) })
        }
        (11, Ok(v5::Packet::UnsubAck(ack))) => {
            Ok(Packet::UnsubAck { packet_id: ack.pkid, codes: body[body.len() - ack.reasons.len()..].to_vec() })
        }
        (9 | 11, Err(mqttbytes_v5::Error::InvalidSubscribeReasonCode(_))) => unknown_codes(packet_type, body),
        (_, Ok(_)) => Err(content(packet_type, "it reads as another type")),
        (_, Err(error)) => Err(content(packet_type, error)),
    }
}

/// A SUBACK or UNSUBACK with a code that the codec does not know.
fn unknown_codes(packet_type: u8, body: &[u8]) -> Result<Packet, Malformed> {
    let (properties, size) = read_varint(&body[2..])?.ok_or_else(|| content(packet_type, "it is cut short"))?;
    let codes = body.get(2 + size + properties..).unwrap_or_default().to_vec();
    let packet_id = u16::from_be_bytes([body[0], body[1]]);
    Ok(match packet_type {
        9 => Packet::SubAck { packet_id, codes, reason: None },
        _ => Packet::UnsubAck { packet_id, codes },
    })
}

fn connack_v5(ack: v5::ConnAck, code: u8) -> ConnAck {
    let mut limits = BrokerLimits::default();
    let mut reason = None;
    if let Some(properties) = ack.properties {
        // A receive maximum of 0 is against the protocol, and would stop us for ever.
        limits.receive_maximum = properties.receive_max.filter(|&count| count > 0).unwrap_or(u16::MAX);
        limits.packet_bytes_max = properties.max_packet_size.filter(|&bytes| bytes > 0).map(|bytes| bytes as usize);
        limits.qos_max = properties.max_qos.unwrap_or(2);
        limits.retain_available = properties.retain_available.unwrap_or(1) != 0;
        limits.keep_alive_seconds = properties.server_keep_alive;
        reason = printable(properties.reason_string);
    }
    ConnAck { session_present: ack.session_present, code, reason, limits }
}

fn short_connack(flags: u8, code: u8) -> ConnAck {
    ConnAck { session_present: flags & 1 == 1, code, reason: None, limits: BrokerLimits::default() }
}

/// A broker's words, fit for a log line.
fn printable(text: Option<String>) -> Option<String> {
    let mut text: String = text?.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    if text.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    Some(text).filter(|text| !text.is_empty())
}

fn content(packet_type: u8, problem: impl ToString) -> Malformed {
    Malformed::Content { packet_type, problem: problem.to_string() }
}

/// Appends a CONNECT without a will. No maximum packet size, no topic aliases.
pub fn connect(settings: &BrokerSettings, clean_start: bool, out: &mut BytesMut) -> Result<(), Unwritable> {
    let username = settings.username.clone().unwrap_or_default();
    let password = settings.password.as_ref().map(|secret| secret.0.clone()).unwrap_or_default();
    for (what, text) in [("client id", &settings.client_id), ("user name", &username), ("password", &password)] {
        if text.len() > STRING_BYTES_MAX {
            return Err(Unwritable::TooLong(what));
        }
    }
    if settings.protocol == Protocol::V4 && username.is_empty() && !password.is_empty() {
        return Err(Unwritable::PasswordAlone);
    }
    let has_login = !username.is_empty() || !password.is_empty();
    let keep_alive = u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX);
    // The codec sets CONNECT's flags at a place counted from the buffer's beginning.
    let mut packet = BytesMut::new();
    match settings.protocol {
        Protocol::V4 => {
            let mut connect = v4::Connect::new(settings.client_id.clone());
            connect.keep_alive = keep_alive;
            connect.clean_session = clean_start;
            connect.login = has_login.then(|| v4::Login::new(username, password));
            written(connect.write(&mut packet))?;
        }
        Protocol::V5 => {
            let mut properties = v5::ConnectProperties::new();
            if !clean_start {
                properties.session_expiry_interval = Some(u32::try_from(settings.session_expiry.as_secs()).unwrap_or(u32::MAX));
            }
            properties.request_problem_info = Some(1);
            let client_id = settings.client_id.clone();
            let connect = v5::Connect { keep_alive, client_id, clean_start, properties: Some(properties) };
            let login = has_login.then(|| v5::Login::new(username, password));
            written_v5(connect.write(&None, &login, &mut packet))?;
        }
    }
    out.extend_from_slice(&packet);
    Ok(())
}

/// Appends a SUBSCRIBE; on MQTT 5 with retained messages for new subscriptions only.
pub fn subscribe(protocol: Protocol, packet_id: u16, subscriptions: &[Subscription], out: &mut BytesMut) -> Result<(), Unwritable> {
    if subscriptions.iter().any(|it| it.filter.len() > STRING_BYTES_MAX) {
        return Err(Unwritable::TooLong("topic filter"));
    }
    match protocol {
        Protocol::V4 => {
            let filter = |it: &Subscription| v4::SubscribeFilter::new(it.filter.clone(), qos(it.qos));
            let mut packet = v4::Subscribe::new_many(subscriptions.iter().map(filter));
            packet.pkid = packet_id;
            written(packet.write(out))
        }
        Protocol::V5 => {
            let filter = |it: &Subscription| v5::Filter {
                path: it.filter.clone(),
                qos: qos_v5(it.qos),
                nolocal: false,
                // Otherwise brokers clear the flag, and a retained message could not be told from a fresh one.
                preserve_retain: false,
                retain_forward_rule: v5::RetainForwardRule::OnNewSubscribe,
            };
            let mut packet = v5::Subscribe::new_many(subscriptions.iter().map(filter), None);
            packet.pkid = packet_id;
            written_v5(packet.write(out))
        }
    }
}

/// Appends an UNSUBSCRIBE.
pub fn unsubscribe(protocol: Protocol, packet_id: u16, filters: &[String], out: &mut BytesMut) -> Result<(), Unwritable> {
    if filters.iter().any(|it| it.len() > STRING_BYTES_MAX) {
        return Err(Unwritable::TooLong("topic filter"));
    }
    let filters = filters.to_vec();
    match protocol {
        Protocol::V4 => written(v4::Unsubscribe { pkid: packet_id, topics: filters }.write(out)),
        Protocol::V5 => written_v5(v5::Unsubscribe { pkid: packet_id, filters, properties: None }.write(out)),
    }
}

/// Appends a PUBACK that says success: the same bytes in both versions.
pub fn puback(packet_id: u16, out: &mut BytesMut) {
    v4::PubAck::new(packet_id).write(out).expect("four bytes always fit a packet");
}

/// Appends a PINGREQ: the same bytes in both versions.
pub fn pingreq(out: &mut BytesMut) {
    v4::PingReq.write(out).expect("two bytes always fit a packet");
}

/// Appends a normal DISCONNECT, which leaves a persistent session as it is: the same bytes in both versions.
pub fn disconnect(out: &mut BytesMut) {
    v4::Disconnect.write(out).expect("two bytes always fit a packet");
}

fn qos(qos: u8) -> mqttbytes::QoS {
    if qos == 0 { mqttbytes::QoS::AtMostOnce } else { mqttbytes::QoS::AtLeastOnce }
}

fn qos_v5(qos: u8) -> mqttbytes_v5::QoS {
    if qos == 0 { mqttbytes_v5::QoS::AtMostOnce } else { mqttbytes_v5::QoS::AtLeastOnce }
}

fn written(result: Result<usize, mqttbytes::Error>) -> Result<(), Unwritable> {
    result.map(|_| ()).map_err(|error| Unwritable::Codec(error.to_string()))
}

fn written_v5(result: Result<usize, mqttbytes_v5::Error>) -> Result<(), Unwritable> {
    result.map(|_| ()).map_err(|error| Unwritable::Codec(error.to_string()))
}

#[cfg(test)]
mod tests;
