//! Cuts a stream of bytes into MQTT packets, and skips over payloads that are too long to keep.
//!
//! Memory: what [`Frames::next`] leaves in the input is at most one packet of `payload_bytes_max` payload with its topic and 64 KiB of properties; a longer
//! PUBLISH is dropped as it comes, but for its topic and the first [`BEGINNING_BYTES_MAX`] of its payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::mqtt::Protocol;

use super::publish::{self, Flags, Head, PUBLISH};

/// The longest "remaining length" that MQTT can write.
pub const LENGTH_MAX: usize = 268_435_455;

/// Bytes of a packet other than PUBLISH; above it the connection is closed.
pub const CONTROL_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a PUBLISH's properties; above it the message counts as oversized.
pub const PROPERTIES_BYTES_MAX: usize = 64 * 1024;

/// How much of a skipped payload is kept for the dead letter.
pub const BEGINNING_BYTES_MAX: usize = 1024;

/// Why bytes are not MQTT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a packet begins with 0x{0:02x}, which no MQTT broker sends: is this port MQTT?")]
    FirstByte(u8),
    #[error("a length takes more than four bytes")]
    Length,
    #[error("a packet of type {packet_type} has {bytes} bytes, the limit is {CONTROL_BYTES_MAX}")]
    ControlTooLong { packet_type: u8, bytes: usize },
    #[error("a PUBLISH is shorter than its parts")]
    PublishTooShort,
    #[error("a PUBLISH has no topic (topic aliases are not in use)")]
    EmptyTopic,
    #[error("a packet has packet id 0")]
    PacketIdZero,
    #[error("a PUBLISH has QoS 3")]
    Qos,
    #[error("a packet of type {packet_type} cannot be read: {problem}")]
    Content { packet_type: u8, problem: String },
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Whole, from its first byte.
    Control {
        bytes: BytesMut,
        header_bytes: usize,
    },
    Publish {
        flags: Flags,
        packet_id: u16,
        topic: Bytes,
        payload: Bytes,
    },
    /// A PUBLISH that was skipped: `length` of its payload (with the properties where those are what is too long).
    Oversized {
        flags: Flags,
        packet_id: u16,
        topic: Bytes,
        length: usize,
        beginning: Bytes,
    },
}

/// A PUBLISH of which the rest is dropped as it comes.
#[derive(Debug)]
struct Skip {
    flags: Flags,
    packet_id: u16,
    topic: Bytes,
    length: usize,
    /// Property bytes still to come, not part of `beginning`.
    before_payload: usize,
    payload_left: usize,
    beginning: BytesMut,
}

/// The state between packets. One for each connection.
#[derive(Debug)]
pub struct Frames {
    protocol: Protocol,
    payload_bytes_max: usize,
    skip: Option<Skip>,
}

impl Frames {
    pub fn new(protocol: Protocol, payload_bytes_max: usize) -> Frames {
        Frames { protocol, payload_bytes_max, skip: None }
    }

    /// Takes the next packet off `input`; `None` when more bytes must come first. Reserves room for the rest of a packet begun.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
        if self.skip.is_some() {
            return Ok(self.go_on_skipping(input));
        }
        let Some((first, remaining, header_bytes)) = fixed_header(input)? else { return Ok(None) };
        if first & 0xF0 == PUBLISH {
            return self.publish(input, first, remaining, header_bytes);
        }
        if remaining > CONTROL_BYTES_MAX {
            return Err(Malformed::ControlTooLong { packet_type: first >> 4, bytes: remaining });
        }
        if !is_whole(input, header_bytes + remaining) {
            return Ok(None);
        }
        Ok(Some(Frame::Control { bytes: input.split_to(header_bytes + remaining), header_bytes }))
    }

    fn publish(&mut self, input: &mut BytesMut, first: u8, remaining: usize, header_bytes: usize) -> Result<Option<Frame>, Malformed> {
        let flags = Flags::of(first);
        if flags.qos > 2 {
            return Err(Malformed::Qos);
        }
        let fits_in_any_case = remaining <= self.payload_bytes_max;
        if fits_in_any_case && !is_whole(input, header_bytes + remaining) {
            return Ok(None);
        }
        let Some(head) = publish::read_head(self.protocol, flags.qos, &input[header_bytes..], remaining)? else { return Ok(None) };
        let payload_bytes = remaining - head.payload_at();
        if !fits_in_any_case && (payload_bytes > self.payload_bytes_max || head.properties_bytes > PROPERTIES_BYTES_MAX) {
            self.begin_to_skip(input, flags, &head, remaining, header_bytes);
            return Ok(self.go_on_skipping(input));
        }
        if !is_whole(input, header_bytes + remaining) {
            return Ok(None);
        }
        let mut packet = input.split_to(header_bytes + remaining).freeze();
        packet.advance(header_bytes);
        let topic = publish::split(&head, &mut packet);
        Ok(Some(Frame::Publish { flags, packet_id: head.packet_id, topic, payload: packet }))
    }

    fn begin_to_skip(&mut self, input: &mut BytesMut, flags: Flags, head: &Head, remaining: usize, header_bytes: usize) {
        let topic_at = header_bytes + Head::TOPIC_AT;
        let topic = Bytes::copy_from_slice(&input[topic_at..topic_at + head.topic_bytes]);
        let payload_bytes = remaining - head.payload_at();
        let too_many_properties = head.properties_bytes > PROPERTIES_BYTES_MAX;
        input.advance(header_bytes + head.properties_at);
        self.skip = Some(Skip {
            flags,
            packet_id: head.packet_id,
            topic,
            length: if too_many_properties { head.properties_bytes + payload_bytes } else { payload_bytes },
            before_payload: head.properties_bytes,
            payload_left: payload_bytes,
            beginning: BytesMut::new(),
        });
    }

    fn go_on_skipping(&mut self, input: &mut BytesMut) -> Option<Frame> {
        let skip = self.skip.as_mut()?;
        let properties = skip.before_payload.min(input.len());
        input.advance(properties);
        skip.before_payload -= properties;
        let payload = skip.payload_left.min(input.len());
        let wanted = payload.min(BEGINNING_BYTES_MAX - skip.beginning.len());
        skip.beginning.put_slice(&input[..wanted]);
        input.advance(payload);
        skip.payload_left -= payload;
        if skip.before_payload + skip.payload_left > 0 {
            return None;
        }
        let Skip { flags, packet_id, topic, length, beginning, .. } = self.skip.take()?;
        Some(Frame::Oversized { flags, packet_id, topic, length, beginning: beginning.freeze() })
    }
}

/// Whether the whole packet is there; makes room for it if not.
fn is_whole(input: &mut BytesMut, packet_bytes: usize) -> bool {
    let missing = packet_bytes.saturating_sub(input.len());
    input.reserve(missing);
    missing == 0
}

/// First byte, remaining length, and the bytes these two take. The first byte is judged as soon as it is there.
fn fixed_header(input: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let Some(&first) = input.first() else { return Ok(None) };
    let flags_allowed = match first >> 4 {
        // What only clients send, and AUTH, which we never asked for.
        0 | 1 | 8 | 10 | 12 | 15 => false,
        3 => true,
        6 => first & 0x0F == 2,
        _ => first & 0x0F == 0,
    };
    if !flags_allowed {
        return Err(Malformed::FirstByte(first));
    }
    Ok(read_varint(&input[1..])?.map(|(remaining, size)| (first, remaining, 1 + size)))
}

/// A variable byte integer and how many bytes it takes; `None` if it is not all there.
pub fn read_varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() >= 4 { Err(Malformed::Length) } else { Ok(None) }
}

/// Bytes that `value` takes as a variable byte integer.
pub fn varint_size(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Appends `value`, at most [`LENGTH_MAX`].
pub fn write_varint(out: &mut BytesMut, mut value: usize) {
    debug_assert!(value <= LENGTH_MAX);
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            out.put_u8(byte);
            return;
        }
        out.put_u8(byte | 0x80);
    }
}
