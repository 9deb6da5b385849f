//! Values as bytes: the version of their schema and CBOR, and the envelope under which the store keeps any value.
//!
//! Two layers. [`encode`] and [`decode`] are for typed values: one byte of schema version, then CBOR; only this module knows the CBOR
//! library. [`seal`] and [`unseal`] are the store's own envelope around every value of whoever: a checksum over key and value. Bytes are
//! hostile: sizes are capped, the library's recursion limit is kept, nothing panics.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest value under one key, in bytes.
pub const VALUE_BYTES_MAX: usize = 16 << 20;
/// Bytes that [`seal`] puts before a value.
pub const ENVELOPE_BYTES: usize = 9;

const ENVELOPE_VERSION: u8 = 1;

/// Why stored bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("a value of {0} bytes is over the limit of {VALUE_BYTES_MAX}")]
    TooLong(usize),
    #[error("the value is cut short")]
    Short,
    #[error("the value has schema version {found}, known are {} to {}", known.start(), known.end())]
    Version { found: u8, known: RangeInclusive<u8> },
    #[error("the value's checksum does not match")]
    Checksum,
    #[error("the value does not fit its schema: {0}")]
    Schema(String),
}

/// A typed value as bytes: `version`, then CBOR.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = vec![version];
    serde_cbor::to_writer(&mut out, value).map_err(|error| CodecError::Schema(error.to_string()))?;
    if out.len() > VALUE_BYTES_MAX { Err(CodecError::TooLong(out.len())) } else { Ok(out) }
}

/// The schema version of an encoded value: to pick the type of an older one.
pub fn version_of(bytes: &[u8]) -> Result<u8, CodecError> {
    bytes.first().copied().ok_or(CodecError::Short)
}

/// Reads what [`encode`] wrote, if its version is `version`.
pub fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(CodecError::TooLong(bytes.len()));
    }
    let found = version_of(bytes)?;
    if found != version {
        return Err(CodecError::Version { found, known: version..=version });
    }
    serde_cbor::from_slice(&bytes[1..]).map_err(|error| CodecError::Schema(error.to_string()))
}

/// The store's envelope: version, CRC32 of key and value, length of the value.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> Result<Vec<u8>, CodecError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(CodecError::TooLong(value.len()));
    }
    let mut out = Vec::with_capacity(ENVELOPE_BYTES + value.len());
    out.push(ENVELOPE_VERSION);
    out.extend_from_slice(&checksum(key, value).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
    Ok(out)
}

/// Length of the value in an envelope whose beginning is given.
pub(crate) fn sealed_len(bytes: &[u8]) -> Result<usize, CodecError> {
    let head = bytes.get(..ENVELOPE_BYTES).ok_or(CodecError::Short)?;
    if head[0] != ENVELOPE_VERSION {
        return Err(CodecError::Version { found: head[0], known: ENVELOPE_VERSION..=ENVELOPE_VERSION });
    }
    let len = u32::from_le_bytes([head[5], head[6], head[7], head[8]]) as usize;
    if len > VALUE_BYTES_MAX { Err(CodecError::TooLong(len)) } else { Ok(len) }
}

/// The checksum in an envelope whose beginning is given.
pub(crate) fn sealed_crc(bytes: &[u8]) -> Result<u32, CodecError> {
    let crc = bytes.get(1..5).ok_or(CodecError::Short)?;
    Ok(u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]))
}

/// The value in an envelope, checked.
pub(crate) fn unseal<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], CodecError> {
    let len = sealed_len(bytes)?;
    let value = &bytes[ENVELOPE_BYTES..];
    if value.len() != len {
        return Err(CodecError::Short);
    }
    if sealed_crc(bytes)? == checksum(key, value) { Ok(value) } else { Err(CodecError::Checksum) }
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(key);
    crc.update(value);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_typed_value_keeps_its_version() {
        let bytes = encode(3, &("a", 1u64, vec![2.5f64])).unwrap();
        assert_eq!(version_of(&bytes), Ok(3));
        assert_eq!(decode(3, &bytes), Ok(("a".to_owned(), 1u64, vec![2.5f64])));
        let other = decode::<(String, u64, Vec<f64>)>(4, &bytes);
        assert_eq!(other, Err(CodecError::Version { found: 3, known: 4..=4 }));
    }

    #[test]
    fn a_deep_value_is_refused_rather_than_overflowing_the_stack() {
        let mut bytes = vec![1];
        bytes.extend(vec![0x81; 1 << 20]);
        assert!(matches!(decode::<serde_cbor::Value>(1, &bytes), Err(CodecError::Schema(_))));
    }

    #[test]
    fn a_length_that_lies_does_not_allocate() {
        // An array of 2^60 elements, of which none is there.
        let bytes = [1, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(decode::<Vec<u64>>(1, &bytes), Err(CodecError::Schema(_))));
    }

    #[test]
    fn every_byte_of_an_envelope_and_its_key_are_guarded() {
        let sealed = seal(b"key", b"value").unwrap();
        assert_eq!(unseal(b"key", &sealed), Ok(&b"value"[..]));
        assert_eq!(unseal(b"kez", &sealed), Err(CodecError::Checksum));
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert!(unseal(b"key", &broken).is_err(), "byte {at}");
        }
        assert_eq!(unseal(b"key", &sealed[..sealed.len() - 1]), Err(CodecError::Short));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let value = decode::<(String, Vec<(u64, String)>)>(1, &bytes);
            prop_assert!(value.is_err() || bytes[0] == 1);
            prop_assert!(unseal(b"k", &bytes).is_err() || bytes.len() >= ENVELOPE_BYTES);
        }
    }
}
