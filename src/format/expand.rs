//! Payloads that were compressed by their sender, expanded before they are read.
//!
//! Limits: [`Compression::expanded_bytes_max`] bytes of a payload when expanded; [`WINDOW_BYTES`] or as much for zstd's window.

use std::io::Read;

use super::compressed::{Decompressed, is_gzip, is_zstd};
use super::decoded::BadRecord;

/// RFC 8878 asks decoders to take windows of so much.
const WINDOW_BYTES: usize = 8 << 20;

/// How a source's payloads are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub method: CompressionMethod,
    /// A payload that expands to more is bad.
    pub expanded_bytes_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionMethod {
    Gzip,
    Zstd,
    /// Told by a payload's first bytes; one that begins otherwise is read as it is.
    Auto,
}

/// Expands payload after payload into the same space.
pub(super) struct Expander {
    compression: Compression,
    expanded: Vec<u8>,
}

impl Expander {
    pub fn new(compression: Compression) -> Expander {
        Expander { compression, expanded: Vec::new() }
    }

    /// What the last payload held.
    pub fn expanded(&self) -> &[u8] {
        &self.expanded
    }

    pub fn expand(&mut self, payload: &[u8]) -> Result<(), BadRecord> {
        self.expanded.clear();
        let what = match self.compression.method {
            CompressionMethod::Gzip if !is_gzip(payload) => Some("this is not compressed by gzip"),
            CompressionMethod::Zstd if !is_zstd(payload) => Some("this is not compressed by zstd"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(BadRecord::Malformed { what, at: 0 });
        }
        let bytes_max = self.compression.expanded_bytes_max;
        let decompressed = Decompressed::within(payload, bytes_max.max(WINDOW_BYTES) as u64);
        if decompressed.take(bytes_max as u64 + 1).read_to_end(&mut self.expanded).is_err() {
            return Err(BadRecord::Malformed { what: "the compressed data is damaged", at: 0 });
        }
        if self.expanded.len() > bytes_max {
            self.expanded = Vec::new();
            return Err(BadRecord::Expanded { limit: bytes_max });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn expand(method: CompressionMethod, payload: &[u8]) -> Result<Vec<u8>, String> {
        let mut expander = Expander::new(Compression { method, expanded_bytes_max: 1_000 });
        expander.expand(payload).map_err(|bad| bad.to_string())?;
        Ok(expander.expanded().to_vec())
    }

    #[test]
    fn a_payload_is_expanded_within_its_limit() {
        assert_eq!(expand(CompressionMethod::Gzip, &gzip(&[b'x'; 1_000])).unwrap(), [b'x'; 1_000]);
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(bomb.len() < 60_000);
        assert_eq!(expand(CompressionMethod::Gzip, &bomb).unwrap_err(), "the payload expands to more than max_expanded, 1000 bytes");
    }

    #[test]
    fn what_is_not_compressed_as_said_is_bad() {
        let bad = |method, payload: &[u8]| expand(method, payload).unwrap_err();
        assert!(bad(CompressionMethod::Gzip, b"{}").contains("not compressed by gzip"));
        assert!(bad(CompressionMethod::Zstd, &gzip(b"{}")).contains("not compressed by zstd"));
        let whole = gzip(b"{}");
        assert!(bad(CompressionMethod::Auto, &whole[..whole.len() - 1]).contains("damaged"));
        assert_eq!(expand(CompressionMethod::Auto, b"{}").unwrap(), b"{}");
    }

    #[test]
    fn a_frame_that_asks_for_a_huge_window_is_refused() {
        // A frame header without content size: the window descriptor says 2^26 bytes. RFC 8878, section 3.1.1.1.2.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 16 << 3, 0x01, 0x00, 0x00];
        assert!(expand(CompressionMethod::Zstd, &frame).unwrap_err().contains("damaged"));
        let small = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3, 0x01, 0x00, 0x00];
        assert_eq!(expand(CompressionMethod::Zstd, &small).unwrap(), b"", "the same with a window of 1 MiB");
    }
}
