//! Functions of BINARY: encodings and digests.

use super::Arg::{self, Bytes, Int, Text};
use super::{Out, Signature, row};
use crate::plan::{BytesFunction as B, Function};

const fn of(names: &'static [&'static str], function: B, required: &'static [Arg], out: Out) -> Signature {
    row(names, Function::Bytes(function), required, &[], out)
}

pub const ROWS: &[Signature] = &[
    of(&["md5"], B::Md5, &[Bytes], Out::Text),
    of(&["sha1", "sha"], B::Sha1, &[Bytes], Out::Text),
    of(&["sha2"], B::Sha2, &[Bytes, Int], Out::Text),
    of(&["crc32"], B::Crc32, &[Bytes], Out::BigInt),
    of(&["base64"], B::Base64, &[Bytes], Out::Text),
    of(&["unbase64"], B::Unbase64, &[Text], Out::Binary),
    of(&["unhex"], B::Unhex, &[Text], Out::Binary),
    of(&["to_base32"], B::ToBase32, &[Bytes], Out::Text),
    of(&["from_base32"], B::FromBase32, &[Text], Out::Binary),
    of(&["encode"], B::Encode, &[Text, Text], Out::Binary),
    of(&["is_valid_utf8"], B::IsValidUtf8, &[Arg::BytesOrText], Out::Boolean),
    of(&["make_valid_utf8"], B::MakeValidUtf8, &[Arg::BytesOrText], Out::Text),
    of(&["validate_utf8"], B::ValidateUtf8, &[Arg::BytesOrText], Out::Text),
    of(&["try_validate_utf8"], B::TryValidateUtf8, &[Arg::BytesOrText], Out::Text),
    of(&["bitmap_count"], B::BitmapCount, &[Arg::OnlyBytes], Out::BigInt),
];
