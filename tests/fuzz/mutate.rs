//! Bytes and texts, changed a little.

use crate::random::Random;

/// Bytes that readers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"NaN",
    b"-",
    b"1e999",
    b"0",
    b"9223372036854775808",
    b"\\u0000",
    b"\\ud800",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"'",
    b";",
    b"=",
    b"\"\"",
    b"true",
    b"1e-400",
    b"${",
    b"/",
    b"..",
    b"\xf0\x9f\x8c\x8a",
];

/// A few changes: flipped, removed, doubled and inserted pieces.
pub fn bytes(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let length = (random.below(12) as usize).min(bytes.len() - at);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => bytes.truncate(at),
            4 if at < bytes.len() => bytes[at] = random.next() as u8,
            _ => {
                let token = TOKENS[random.below(TOKENS.len() as u64) as usize];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
    bytes
}

/// One of them.
pub fn pick<'a, T: ?Sized>(items: &[&'a T], random: &mut Random) -> &'a T {
    items[random.below(items.len() as u64) as usize]
}
