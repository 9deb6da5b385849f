//! Functions of text and regular expressions, beyond the first set.

use super::Arg::{self, Int, Text};
use super::{Out, Signature, row};
use crate::plan::{Function, TextFunction as T};

const fn of(names: &'static [&'static str], function: T, required: &'static [Arg], optional: &'static [Arg], out: Out) -> Signature {
    row(names, Function::Text(function), required, optional, out)
}

pub const ROWS: &[Signature] = &[
    of(&["substring_index"], T::SubstringIndex, &[Text, Text, Int], &[], Out::Text),
    of(&["overlay"], T::Overlay, &[Text, Text, Int], &[Int], Out::Text),
    of(&["find_in_set"], T::FindInSet, &[Text, Text], &[], Out::Int),
    of(&["space"], T::Space, &[Int], &[], Out::Text),
    of(&["quote"], T::Quote, &[Text], &[], Out::Text),
    of(&["soundex"], T::Soundex, &[Text], &[], Out::Text),
    of(&["levenshtein"], T::Levenshtein, &[Text, Text], &[Int], Out::Int),
    of(&["jaro_winkler_similarity"], T::JaroWinkler, &[Text, Text], &[], Out::Double),
    of(&["luhn_check"], T::LuhnCheck, &[Text], &[], Out::Boolean),
    of(&["to_number"], T::ToNumber, &[Text, Text], &[], Out::Double),
    of(&["try_to_number"], T::TryToNumber, &[Text, Text], &[], Out::Double),
    of(&["url_encode"], T::UrlEncode, &[Text], &[], Out::Text),
    of(&["url_decode"], T::UrlDecode, &[Text], &[], Out::Text),
    of(&["try_url_decode"], T::TryUrlDecode, &[Text], &[], Out::Text),
    of(&["parse_url"], T::ParseUrl, &[Text, Text], &[Text], Out::Text),
    of(&["try_parse_url"], T::TryParseUrl, &[Text, Text], &[Text], Out::Text),
    of(&["regexp_count"], T::RegexpCount, &[Text, Text], &[], Out::Int),
    of(&["regexp_substr"], T::RegexpSubstr, &[Text, Text], &[], Out::Text),
    of(&["regexp_extract_all"], T::RegexpExtractAll, &[Text, Text], &[Int], Out::Texts),
];
