//! Consistent overhead byte stuffing (Cheshire and Baker, 1999): no zero byte within a frame, one at its end.

/// What a frame ends with.
pub const END: u8 = 0;
/// A block without a zero behind it.
const FULL_BLOCK: usize = 0xff;

/// The bytes that a payload of `bytes` is written as, at most, without the end.
pub fn written_max(bytes: usize) -> usize {
    bytes + bytes / (FULL_BLOCK - 1) + 1
}

/// Adds the payload that is written as `written`, which holds no zero.
pub fn decode(written: &[u8], decoded: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut rest = written;
    while let Some((code, after)) = rest.split_first() {
        let code = usize::from(*code);
        let Some((block, after)) = code.checked_sub(1).and_then(|length| after.split_at_checked(length)) else {
            return Err("a COBS block is cut short");
        };
        decoded.extend_from_slice(block);
        if code != FULL_BLOCK && !after.is_empty() {
            decoded.push(0);
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the paper's encyclopaedia article.
    #[test]
    fn known_encodings() {
        let long: Vec<u8> = (1..=255).collect();
        let long_written = [&[0xff][..], &long[..254], &[2, 255]].concat();
        let full: Vec<u8> = (0..=254).collect();
        let full_written = [&[1, 0xff][..], &full[1..]].concat();
        let cases: [(&[u8], &[u8]); 7] = [
            (&[1, 1], &[0]),
            (&[1, 1, 1], &[0, 0]),
            (&[3, 0x11, 0x22, 2, 0x33], &[0x11, 0x22, 0, 0x33]),
            (&[5, 0x11, 0x22, 0x33, 0x44], &[0x11, 0x22, 0x33, 0x44]),
            (&[2, 0x11, 1, 1, 1], &[0x11, 0, 0, 0]),
            (&long_written, &long),
            (&full_written, &full),
        ];
        for (written, expected) in cases {
            let mut decoded = Vec::new();
            assert_eq!((decode(written, &mut decoded), &decoded[..]), (Ok(()), expected));
            assert!(written.len() <= written_max(expected.len()));
        }
        assert!(decode(&[3, 1], &mut Vec::new()).is_err());
    }
}
