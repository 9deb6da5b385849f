//! Texts in URLs: form encoding, and the parts of a URL as Java's `java.net.URI` sees them.

use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::strings::append;

/// As in HTML forms: a space is `+`, all but letters, digits and `*-._` is `%` and two digits.
pub(super) fn encode(text: &str, out: &mut String) -> Result<bool, Failure> {
    use std::fmt::Write;
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => out.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    append(out, "")
}

/// And back; what is not UTF-8 becomes U+FFFD. `None` where `%` is not followed by two hexadecimal digits.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn malformed(text: &str) -> Failure {
    Failure::with_text(Problem::Argument("this is not a well-formed URL text"), text)
}

/// The parts of a URL; absent ones are `None`.
struct Parts<'u> {
    scheme: Option<&'u str>,
    authority: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
    fragment: Option<&'u str>,
    /// `mailto:x`: there is no path.
    opaque: bool,
}

/// `None` where it is not a URI.
fn split(url: &str) -> Option<Parts<'_>> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || "-_.!~*'();:@&=+$,/?#[]%".contains(c) || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
    };
    if !url.chars().all(allowed) {
        return None;
    }
    let (rest, fragment) = url.split_once('#').map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    if fragment.is_some_and(|fragment| fragment.contains('#')) {
        return None;
    }
    let (scheme, rest) = match rest.find([':', '/', '?']) {
        Some(at) if rest[at..].starts_with(':') => (Some(&rest[..at]), &rest[at + 1..]),
        _ => (None, rest),
    };
    if let Some(scheme) = scheme {
        let known =
            scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if !known || rest.is_empty() {
            return None;
        }
    }
    let opaque = scheme.is_some() && !rest.starts_with('/');
    if opaque {
        return Some(Parts { scheme, authority: None, path: "", query: None, fragment, opaque });
    }
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            (Some(authority).filter(|authority| !authority.is_empty()), path)
        }
        None => (None, rest),
    };
    Some(Parts { scheme, authority, path, query, fragment, opaque })
}

/// A part of a URL by its name; `key` picks a value out of the query. Inner `None`: the URL has no such part. Outer: it is no URL.
pub(super) fn part(url: &str, name: &str, key: Option<&str>) -> Option<Option<String>> {
    let parts = split(url)?;
    if key.is_some() && name != "QUERY" {
        return Some(None);
    }
    let user_and_host =
        parts.authority.map(|authority| authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host)));
    let whole = |part: Option<&str>| part.map(str::to_owned);
    let path = Some(parts.path).filter(|_| !parts.opaque);
    Some(match name {
        "HOST" => user_and_host.and_then(|(_, host)| server(host)).map(str::to_owned),
        "PATH" => whole(path),
        "QUERY" => match key {
            None => whole(parts.query),
            Some(key) => parts
                .query
                .and_then(|query| query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key)))
                .map(|(_, value)| value.to_owned()),
        },
        "REF" => whole(parts.fragment),
        "PROTOCOL" => whole(parts.scheme),
        "FILE" => path.map(|path| parts.query.map_or(path.to_owned(), |query| format!("{path}?{query}"))),
        "AUTHORITY" => whole(parts.authority),
        "USERINFO" => user_and_host.and_then(|(user, host)| user.filter(|_| server(host).is_some())).map(str::to_owned),
        _ => None,
    })
}

/// The host without its port, where it is one by Java's rules: ASCII letters, digits, `-` and dots, or an address in brackets.
fn server(host: &str) -> Option<&str> {
    if host.starts_with('[') {
        return host.find(']').map(|end| &host[..=end]);
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let ascii = name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    (ascii && !name.is_empty()).then_some(name)
}
