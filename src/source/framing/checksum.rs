//! Checksums: where one stands in a frame, what it covers, and what is left without it.
//!
//! It stands behind the payload, as bytes or as hexadecimal digits, and covers what is before it, from a byte that the configuration names.

use bytes::Bytes;
use crc::Crc;

use super::bad;
use crate::config::settings::{ChecksumAlgorithm, ChecksumSettings, Crc as CrcName};
use crate::format::layout::Endian;
use crate::gateway::FrameContent;

/// Verifies frames and takes from them what is not payload.
pub struct Check {
    sum: Option<Sum>,
    is_little: bool,
    is_hex: bool,
    from: usize,
    strip: usize,
}

enum Sum {
    Xor,
    Sum8,
    Sum16,
    Lrc,
    Nmea,
    Crc8(Box<Crc<u8>>),
    Crc16(Box<Crc<u16>>),
    Crc32(Box<Crc<u32>>),
}

impl Check {
    /// `strip`: bytes at a frame's beginning that are not payload.
    pub fn new(settings: Option<&ChecksumSettings>, strip: usize) -> Check {
        let Some(settings) = settings else { return Check { sum: None, is_little: false, is_hex: false, from: 0, strip } };
        let sum = match settings.algorithm {
            ChecksumAlgorithm::Xor => Sum::Xor,
            ChecksumAlgorithm::Sum => Sum::Sum8,
            ChecksumAlgorithm::Sum16 => Sum::Sum16,
            ChecksumAlgorithm::Lrc => Sum::Lrc,
            ChecksumAlgorithm::Nmea => Sum::Nmea,
            ChecksumAlgorithm::Crc(CrcName::Of8(algorithm)) => Sum::Crc8(Box::new(Crc::<u8>::new(algorithm))),
            ChecksumAlgorithm::Crc(CrcName::Of16(algorithm)) => Sum::Crc16(Box::new(Crc::<u16>::new(algorithm))),
            ChecksumAlgorithm::Crc(CrcName::Of32(algorithm)) => Sum::Crc32(Box::new(Crc::<u32>::new(algorithm))),
        };
        let is_little = settings.endian == Endian::Little;
        Check { sum: Some(sum), is_little, is_hex: settings.is_hex, from: settings.from, strip }
    }

    pub fn is_some(&self) -> bool {
        self.sum.is_some()
    }

    /// Bytes that it takes behind the payload.
    pub fn width(&self) -> usize {
        let bytes = match &self.sum {
            None => return 0,
            Some(Sum::Nmea) => return 3,
            Some(Sum::Xor | Sum::Sum8 | Sum::Lrc | Sum::Crc8(_)) => 1,
            Some(Sum::Sum16 | Sum::Crc16(_)) => 2,
            Some(Sum::Crc32(_)) => 4,
        };
        if self.is_hex { 2 * bytes } else { bytes }
    }

    /// The frame, good or bad; `None` if it has no payload.
    pub fn frame(&self, bytes: &[u8]) -> Option<FrameContent> {
        match self.payload(bytes) {
            Ok([]) => None,
            Ok(payload) => Some(FrameContent::Whole(Bytes::copy_from_slice(payload))),
            Err(reason) => Some(bad(bytes, bytes.len(), reason)),
        }
    }

    /// What a frame carries; or what is wrong with it.
    pub fn payload<'f>(&self, frame: &'f [u8]) -> Result<&'f [u8], String> {
        let Some((covered, sum)) = frame.len().checked_sub(self.width()).map(|at| frame.split_at(at)) else {
            return Err(format!("the frame has {} bytes, fewer than its checksum", frame.len()));
        };
        if let Some(algorithm) = &self.sum {
            self.verify(algorithm, covered, sum)?;
        }
        let too_short = || format!("the frame has {} bytes, fewer than are to be stripped", frame.len());
        covered.get(self.strip..).ok_or_else(too_short)
    }

    fn verify(&self, algorithm: &Sum, covered: &[u8], written: &[u8]) -> Result<(), String> {
        let is_nmea = matches!(algorithm, Sum::Nmea);
        let digits = if is_nmea { written.strip_prefix(b"*") } else { Some(written) };
        let mut decoded = [0; 4];
        let written = match digits {
            Some(digits) if is_nmea || self.is_hex => {
                let bytes = &mut decoded[..digits.len() / 2];
                if data_encoding::HEXLOWER_PERMISSIVE.decode_mut(digits, bytes).is_err() {
                    return Err("the frame does not end with a checksum in hexadecimal digits".to_owned());
                }
                &*bytes
            }
            Some(bytes) => bytes,
            None => return Err("the frame does not end with `*` and a checksum".to_owned()),
        };
        let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        let (big, little) = (written.iter().fold(0, join), written.iter().rev().fold(0, join));
        let (found, swapped) = if self.is_little { (little, big) } else { (big, little) };
        let expected = value(algorithm, covered.get(self.from..).unwrap_or_default());
        if found == expected {
            return Ok(());
        }
        let hint = if swapped == expected { "; with the other `endian` it would be right" } else { "" };
        let digits = 2 * written.len();
        Err(format!("the checksum is wrong: 0x{found:0digits$X} in the frame, 0x{expected:0digits$X} of its bytes{hint}"))
    }
}

fn value(algorithm: &Sum, bytes: &[u8]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    let xor = |bytes: &[u8]| bytes.iter().fold(0, |xor, byte| xor ^ byte);
    match algorithm {
        Sum::Xor => u32::from(xor(bytes)),
        Sum::Sum8 => sum(bytes) & 0xff,
        Sum::Sum16 => sum(bytes) & 0xffff,
        Sum::Lrc => sum(bytes).wrapping_neg() & 0xff,
        Sum::Nmea => u32::from(xor(bytes.strip_prefix(b"$").or(bytes.strip_prefix(b"!")).unwrap_or(bytes))),
        Sum::Crc8(crc) => u32::from(crc.checksum(bytes)),
        Sum::Crc16(crc) => u32::from(crc.checksum(bytes)),
        Sum::Crc32(crc) => crc.checksum(bytes),
    }
}
