//! The PUBLISH packet, read and written in place for both protocol versions.
//!
//! By hand because rumqttc's codec copies each topic of 3.1.1 into a `String`, builds a list of strings for each packet sent on MQTT 5, and needs the whole
//! packet: here the header of a packet that is too long to keep is read before its payload has come. Held against rumqttc's codec by a test.
//!
//! Limits: properties of received packets are skipped by their length, not read. Topics are not checked to be UTF-8.

use bytes::{BufMut, Bytes, BytesMut};

use crate::mqtt::Protocol;

use super::frame::{LENGTH_MAX, Malformed, read_varint, varint_size, write_varint};

/// Type nibble of a PUBLISH in the first byte of a packet.
pub const PUBLISH: u8 = 0x30;

/// Bytes of a topic, a user property's name or its value.
pub const STRING_BYTES_MAX: usize = u16::MAX as usize;

/// What stands before a payload, and where. Offsets count from the packet's variable header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub topic_bytes: usize,
    /// 0 for QoS 0.
    pub packet_id: u16,
    /// Where the properties begin, after their length; where the payload begins, on 3.1.1.
    pub properties_at: usize,
    pub properties_bytes: usize,
}

impl Head {
    pub const TOPIC_AT: usize = 2;

    pub fn payload_at(&self) -> usize {
        self.properties_at + self.properties_bytes
    }
}

/// The flags in the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
}

impl Flags {
    pub fn of(first_byte: u8) -> Flags {
        Flags { dup: first_byte & 0x08 != 0, qos: (first_byte >> 1) & 0x03, retain: first_byte & 0x01 != 0 }
    }
}

/// Reads what stands before the payload. `available` is the packet after its fixed header, as far as it has come; `remaining` its whole length.
/// `None`: more bytes are needed.
pub fn read_head(protocol: Protocol, qos: u8, available: &[u8], remaining: usize) -> Result<Option<Head>, Malformed> {
    let whole = available.len() >= remaining;
    let body = &available[..available.len().min(remaining)];
    match head(protocol, qos, body)? {
        Some(head) if head.payload_at() > remaining => Err(Malformed::PublishTooShort),
        Some(head) => Ok(Some(head)),
        None if whole => Err(Malformed::PublishTooShort),
        None => Ok(None),
    }
}

fn head(protocol: Protocol, qos: u8, body: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(&[high, low]) = body.first_chunk::<2>() else { return Ok(None) };
    let topic_bytes = usize::from(u16::from_be_bytes([high, low]));
    if topic_bytes == 0 {
        return Err(Malformed::EmptyTopic);
    }
    let mut at = Head::TOPIC_AT + topic_bytes;
    let mut packet_id = 0;
    if qos > 0 {
        let Some(id) = body.get(at..at + 2) else { return Ok(None) };
        packet_id = u16::from_be_bytes([id[0], id[1]]);
        if packet_id == 0 {
            return Err(Malformed::PacketIdZero);
        }
        at += 2;
    }
    if body.len() < at {
        return Ok(None);
    }
    let mut properties_bytes = 0;
    if protocol == Protocol::V5 {
        let Some((value, size)) = read_varint(&body[at..])? else { return Ok(None) };
        properties_bytes = value;
        at += size;
    }
    Ok(Some(Head { topic_bytes, packet_id, properties_at: at, properties_bytes }))
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    /// Left out on 3.1.1, which has none.
    pub user_properties: &'a [(&'a str, &'a str)],
    pub retain: bool,
    pub qos: u8,
    /// Left out for QoS 0.
    pub packet_id: u16,
}

const USER_PROPERTY: u8 = 38;

impl Outgoing<'_> {
    /// Whether every string fits its 16-bit length.
    pub fn strings_fit(&self) -> bool {
        let fits = |text: &str| text.len() <= STRING_BYTES_MAX;
        fits(self.topic) && self.user_properties.iter().all(|(name, value)| fits(name) && fits(value))
    }

    fn properties_bytes(&self) -> usize {
        self.user_properties.iter().map(|(name, value)| 5 + name.len() + value.len()).sum()
    }

    fn remaining(&self, protocol: Protocol) -> usize {
        let id = if self.qos > 0 { 2 } else { 0 };
        let properties = match protocol {
            Protocol::V4 => 0,
            Protocol::V5 => varint_size(self.properties_bytes()) + self.properties_bytes(),
        };
        2 + self.topic.len() + id + properties + self.payload.len()
    }

    /// Bytes of the whole packet; `None` if no MQTT packet can be so long.
    pub fn packet_bytes(&self, protocol: Protocol) -> Option<usize> {
        let remaining = self.remaining(protocol);
        (remaining <= LENGTH_MAX).then(|| 1 + varint_size(remaining) + remaining)
    }

    /// Appends the packet. The caller has checked `strings_fit` and `packet_bytes`.
    pub fn write(&self, protocol: Protocol, out: &mut BytesMut) {
        let remaining = self.remaining(protocol);
        out.reserve(5 + remaining);
        out.put_u8(PUBLISH | (self.qos << 1) | u8::from(self.retain));
        write_varint(out, remaining);
        write_string(out, self.topic);
        if self.qos > 0 {
            out.put_u16(self.packet_id);
        }
        if protocol == Protocol::V5 {
            write_varint(out, self.properties_bytes());
            for (name, value) in self.user_properties {
                out.put_u8(USER_PROPERTY);
                write_string(out, name);
                write_string(out, value);
            }
        }
        out.put_slice(self.payload);
    }
}

fn write_string(out: &mut BytesMut, text: &str) {
    debug_assert!(text.len() <= STRING_BYTES_MAX);
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// Cuts the topic out of a whole packet and leaves the payload in it. `packet` begins at the variable header.
pub fn split(head: &Head, packet: &mut Bytes) -> Bytes {
    let topic = packet.slice(Head::TOPIC_AT..Head::TOPIC_AT + head.topic_bytes);
    bytes::Buf::advance(packet, head.payload_at());
    topic
}
