//! Frames that say their length. Resynchronising is [`super::packets`]' part.

use super::packets::Measured;
use crate::config::settings::{LengthCounts, LengthPrefix};
use crate::format::layout::Endian;

/// How long the frame is whose beginning is `bytes`. `behind`: bytes of its checksum and its end.
pub fn measure(prefix: &LengthPrefix, bytes: &[u8], checksum_bytes: usize, end_bytes: usize) -> Measured {
    let behind_field = prefix.offset + prefix.width;
    let Some(field) = bytes.get(prefix.offset..behind_field) else { return Measured::Unknown };
    let join = |value: i64, byte: &u8| value << 8 | i64::from(*byte);
    let value = prefix.add
        + match prefix.endian {
            Endian::Big => field.iter().fold(0, join),
            Endian::Little => field.iter().rev().fold(0, join),
        };
    let uncounted = match prefix.counts {
        LengthCounts::Frame => 0,
        LengthCounts::Rest => behind_field,
        LengthCounts::PayloadAndChecksum => prefix.header + end_bytes,
        LengthCounts::Payload => prefix.header + checksum_bytes + end_bytes,
    };
    let shortest = prefix.header + checksum_bytes + end_bytes;
    match u64::try_from(value + uncounted as i64) {
        Ok(length) if length >= shortest as u64 => Measured::Length(length),
        _ => Measured::Wrong(format!("the length field says {}, which is too little for a frame", value - prefix.add)),
    }
}
