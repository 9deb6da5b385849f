//! SLIP (RFC 1055): an end byte behind each frame, often before it too; it and the escape are written as two bytes within one.

/// What a frame ends with.
pub const END: u8 = 0xc0;
const ESCAPE: u8 = 0xdb;
const ESCAPED_END: u8 = 0xdc;
const ESCAPED_ESCAPE: u8 = 0xdd;

/// The bytes that a payload of `bytes` is written as, at most, without the end.
pub fn written_max(bytes: usize) -> usize {
    2 * bytes
}

/// Adds the payload that is written as `written`, which holds no [`END`].
pub fn decode(written: &[u8], decoded: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut rest = written;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        decoded.extend_from_slice(&rest[..at]);
        decoded.push(match rest.get(at + 1) {
            Some(&ESCAPED_END) => END,
            Some(&ESCAPED_ESCAPE) => ESCAPE,
            Some(_) => return Err("a SLIP escape is followed by what may not follow it"),
            None => return Err("a SLIP escape is the frame's last byte"),
        });
        rest = &rest[at + 2..];
    }
    decoded.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut decoded = Vec::new();
        assert_eq!(decode(&[1, 0xdb, 0xdc, 2, 0xdb, 0xdd, 0xdb, 0xdc], &mut decoded), Ok(()));
        assert_eq!(decoded, [1, 0xc0, 2, 0xdb, 0xc0]);
        assert!(decode(&[1, 0xdb], &mut decoded).is_err() && decode(&[0xdb, 1], &mut decoded).is_err());
    }
}
