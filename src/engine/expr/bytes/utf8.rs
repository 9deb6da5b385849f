//! Bytes that should be UTF-8.

/// Appends the bytes as text; each longest part of a character that is not completed becomes one U+FFFD.
pub(super) fn repaired(bytes: &[u8], out: &mut String) {
    out.push_str(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_characters_are_marked() {
        let text = |bytes: &[u8]| {
            let mut out = String::new();
            repaired(bytes, &mut out);
            out
        };
        assert_eq!(text(b"a\xC2b"), "a\u{FFFD}b");
        assert_eq!(text(b"\xE2\x82"), "\u{FFFD}");
        assert_eq!(text(b"\xED\xA0\x80"), "\u{FFFD}\u{FFFD}\u{FFFD}");
    }
}
