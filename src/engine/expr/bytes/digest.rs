//! Digests and keyed digests. For comparing and naming values; nothing here keeps a secret.

use hmac::digest::{Digest, FixedOutput, KeyInit, Update};
use hmac::{Hmac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::push_hexadecimal;
use crate::engine::expr::error::{Failure, Problem};
use crate::plan::BytesFunction;

/// md5 and sha1 as lower-case hexadecimal digits.
pub(super) fn hexadecimal(function: BytesFunction, bytes: &[u8], out: &mut String) -> Result<bool, Failure> {
    match function {
        BytesFunction::Md5 => push_hexadecimal(&Md5::digest(bytes), out),
        _ => push_hexadecimal(&Sha1::digest(bytes), out),
    }
    Ok(true)
}

/// SHA-2 with this many bits (0 is 256); NULL for other lengths.
pub(super) fn sha2(bytes: &[u8], bits: i64, out: &mut String) -> Result<bool, Failure> {
    match bits {
        224 => push_hexadecimal(&Sha224::digest(bytes), out),
        0 | 256 => push_hexadecimal(&Sha256::digest(bytes), out),
        384 => push_hexadecimal(&Sha384::digest(bytes), out),
        512 => push_hexadecimal(&Sha512::digest(bytes), out),
        _ => return Ok(false),
    }
    Ok(true)
}

/// The keyed digest of `message` by the named algorithm.
pub(super) fn hmac(key: &[u8], message: &[u8], algorithm: &str, out: &mut Vec<u8>) -> Result<bool, Failure> {
    if key.is_empty() {
        return Err(Problem::Argument("the key of hmac is empty").into());
    }
    match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => keyed::<SimpleHmac<Md5>>(key, message, out),
        "SHA1" | "SHA-1" => keyed::<SimpleHmac<Sha1>>(key, message, out),
        "SHA224" | "SHA-224" => keyed::<Hmac<Sha224>>(key, message, out),
        "SHA256" | "SHA-256" => keyed::<Hmac<Sha256>>(key, message, out),
        "SHA384" | "SHA-384" => keyed::<Hmac<Sha384>>(key, message, out),
        "SHA512" | "SHA-512" => keyed::<Hmac<Sha512>>(key, message, out),
        _ => return Err(Failure::with_text(Problem::Argument("hmac knows MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512"), algorithm)),
    }
    Ok(true)
}

fn keyed<M: KeyInit + Update + FixedOutput>(key: &[u8], message: &[u8], out: &mut Vec<u8>) {
    // A key of any length is taken.
    if let Ok(mut mac) = M::new_from_slice(key) {
        mac.update(message);
        out.extend_from_slice(&mac.finalize_fixed());
    }
}
