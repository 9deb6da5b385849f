//! JSON in which one text is a binary frame in base64, as LoRaWAN servers hand uplinks on: the object of the frame's fields takes the text's place.
//!
//! A payload without that text, or with an empty one, is read as it stands.

use super::super::base64;
use super::super::json::scan::{self, Fault, Token, TokenKind};
use super::super::records::Records;
use super::EnclosedSettings;
use super::binary;

const NO_OBJECT: &str = "expected an object";

pub(super) fn read(settings: &EnclosedSettings, text: &str, records: &mut Records) -> Result<(), Fault> {
    let payload = text.as_bytes();
    let start = scan::blank(payload, 0);
    let object = scan::value(payload, start, 0)?;
    if payload.get(start) != Some(&b'{') {
        return Err(Fault { at: start, what: NO_OBJECT });
    }
    records.begin_row(start)?;
    let inner = start + 1..object.end - 1;
    match find(payload, object, &settings.path)? {
        Some(Token { kind: TokenKind::Text { escaped }, start, end }) if end - start > 2 => {
            let damaged = Fault { at: start, what: "the frame is not base64" };
            let text = text[start + 1..end - 1].to_owned();
            let text = if escaped { unescaped(&text) } else { text };
            let frame = base64::decode(&text).ok_or(damaged)?;
            records.copied(&payload[inner.start..start]);
            records.begin_object();
            binary::members(&settings.layout, &frame, records).map_err(|fault| Fault { at: start, ..fault })?;
            records.end_object();
            records.copied(&payload[end..inner.end]);
        }
        Some(Token { kind: TokenKind::Text { .. }, start, end }) => {
            records.copied(&payload[inner.start..start]);
            records.null();
            records.copied(&payload[end..inner.end]);
        }
        _ => records.copied(&payload[inner]),
    }
    records.end_row(object.end);
    Ok(())
}

/// The value to which `path` leads from the object at `token`; of several members of one name the first.
fn find(payload: &[u8], mut token: Token, path: &[String]) -> Result<Option<Token>, Fault> {
    for (depth, name) in path.iter().enumerate() {
        if payload[token.start] != b'{' {
            return Ok(None);
        }
        match member(payload, token, name, depth + 1)? {
            Some(found) => token = found,
            None => return Ok(None),
        }
    }
    Ok(Some(token))
}

fn member(payload: &[u8], object: Token, name: &str, depth: usize) -> Result<Option<Token>, Fault> {
    let mut at = scan::blank(payload, object.start + 1);
    while payload.get(at) != Some(&b'}') && at < object.end {
        let member = scan::member_name(payload, at)?;
        let value = scan::value(payload, scan::blank(payload, member.after), depth)?;
        if !member.escaped && &payload[member.start..member.end] == name.as_bytes() {
            return Ok(Some(value));
        }
        at = scan::blank(payload, value.end);
        if payload.get(at) == Some(&b',') {
            at = scan::blank(payload, at + 1);
        }
    }
    Ok(None)
}

/// Base64's `/` may stand as `\/`, `+` and `=` as `\u002b` and `\u003d`.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    scan::unescape(text, &mut plain);
    plain
}
