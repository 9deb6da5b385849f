//! Lines: ended by LF, CR LF or CR; empty ones are no frames. The next boundary is the next line end.

/// Where the next line end lies.
pub fn find_end(bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(b'\n', b'\r', bytes)
}
